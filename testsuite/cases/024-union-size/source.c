union word { int number;
#if defined __riscv && !defined TWIN
  long long large;
#else
  short large;
#endif
} word;
