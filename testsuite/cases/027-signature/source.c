struct ops {
#if defined __riscv && !defined TWIN
  int (*read)(int, int);
#else
  int (*read)(int);
#endif
} ops;
