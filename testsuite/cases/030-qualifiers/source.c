#ifdef __riscv
#define Q volatile
#else
#define Q const
#endif
struct device { Q int *reg; Q int value; } device;
