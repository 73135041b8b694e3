struct item { struct item *next;
#if defined __riscv && !defined TWIN
  short payload;
#else
  int payload;
#endif
};
struct item *head;
