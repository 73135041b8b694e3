enum state { IDLE, BUSY,
#if defined __riscv && !defined TWIN
  GONE = -1,
#else
  GONE = 2,
#endif
};
struct job { enum state state; } job;
