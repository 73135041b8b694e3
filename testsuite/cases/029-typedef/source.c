#ifdef __riscv
typedef unsigned int count_t;
#else
typedef unsigned count;
typedef count count_t;
#endif
struct stats { count_t packets; } stats;
