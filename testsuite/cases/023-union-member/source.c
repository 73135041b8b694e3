union word { int number;
#if defined __riscv && !defined TWIN
  unsigned short halves[2];
#else
  float real;
#endif
} word;
