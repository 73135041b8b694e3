enum state { IDLE, BUSY,
#if defined __riscv && !defined TWIN
  HELD,
#endif
} state;
