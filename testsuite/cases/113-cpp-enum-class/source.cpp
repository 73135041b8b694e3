enum class state : unsigned char { idle,
#if defined __riscv && !defined TWIN
  busy = 5 };
#else
  busy };
#endif
state shared[2];
