#if defined __riscv && !defined TWIN
typedef unsigned char flag_t;
#else
typedef _Bool flag_t;
#endif
struct state { flag_t flag; } state;
