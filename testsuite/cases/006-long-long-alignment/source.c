#ifdef TWIN
#define AT8 __attribute__((aligned(8)))
#else
#define AT8
#endif
struct sample { unsigned char kind; long long value AT8; } sample;
