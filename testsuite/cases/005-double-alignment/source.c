#ifdef TWIN
#define AT8 __attribute__((aligned(8)))
#else
#define AT8
#endif
struct sample { char kind; double value AT8; } sample;
