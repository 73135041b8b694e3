template <class T> struct slot { T item; bool full; };
#if defined __riscv && !defined TWIN
typedef long long item;
#else
typedef int item;
#endif
struct ring { slot<char16_t> first; slot<item> last; };
ring shared;
