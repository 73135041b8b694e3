template <class T, unsigned N> class ring { T slots[N]; static unsigned made; public: virtual ~ring() {} enum class end { head, tail } at; };
template <class T, unsigned N> unsigned ring<T, N>::made = 0;
struct counted { unsigned long long count; };
struct frames : counted, ring<unsigned short, 4> { bool full : 1; unsigned kind : 7; };
frames shared;
