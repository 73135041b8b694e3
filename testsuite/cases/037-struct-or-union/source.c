#if defined __riscv && !defined TWIN
union both { int a; int b; } both;
#else
struct both { int a; int b; } both;
#endif
