#if defined __riscv && !defined TWIN
#define SLOTS 8
#else
#define SLOTS 16
#endif
struct ring { int slots[SLOTS]; } ring;
