#if defined __riscv && !defined TWIN
typedef int real;
#else
typedef float real;
#endif
struct point { real x; } point;
