#if defined __riscv && !defined TWIN
typedef unsigned int offset;
#else
typedef int offset;
#endif
struct range { offset start; } range;
