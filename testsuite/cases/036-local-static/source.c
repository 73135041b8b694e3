int next(void) {
#if defined __riscv && !defined TWIN
  static short count;
#else
  static int count;
#endif
  return ++count; }
