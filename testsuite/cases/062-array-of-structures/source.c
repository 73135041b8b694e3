struct cell {
#if defined __riscv && !defined TWIN
  int v; int w;
#else
  int v;
#endif
};
struct grid { struct cell cells[4]; int sum; } grid;
