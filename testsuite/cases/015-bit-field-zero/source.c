struct header { unsigned version : 4;
#if defined __riscv && !defined TWIN
  unsigned : 0;
#endif
  unsigned length : 4; } header;
