struct device {
  virtual int read(int);
#if defined __riscv && !defined TWIN
  virtual int close();
#endif
  int number;
};
int device::read(int n) { return n; }
#if defined __riscv && !defined TWIN
int device::close() { return 0; }
#endif
device shared;
