struct pair {
#if defined __riscv && !defined TWIN
  int second, first;
#else
  int first, second;
#endif
} pair;
