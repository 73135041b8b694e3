struct ops {
#if defined __riscv && !defined TWIN
  int (*print)(const unsigned char *, ...);
#else
  int (*print)(const unsigned char *);
#endif
} ops;
