#ifdef TWIN
typedef double real;
#else
typedef long double real;
#endif
struct sample { real value; } sample;
