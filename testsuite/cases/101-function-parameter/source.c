struct ops {
#if defined __aarch64__ && !defined TWIN
  int (*write)(int, unsigned long long);
#else
  int (*write)(int, unsigned);
#endif
} ops;
