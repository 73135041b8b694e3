enum state { IDLE,
#if defined __riscv && !defined TWIN
  HELD,
#endif
  BUSY } state;
