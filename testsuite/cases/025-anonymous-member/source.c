struct outer { int id; struct {
#if defined __riscv && !defined TWIN
  short b, a;
#else
  short a, b;
#endif
}; } outer;
