struct device {
  int id;
#if !defined __riscv || defined TWIN
  int flags;
#endif
  int users;
} device;
