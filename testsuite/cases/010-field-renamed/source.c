struct device {
#if defined __riscv && !defined TWIN
  int identity;
#else
  int id;
#endif
} device;
