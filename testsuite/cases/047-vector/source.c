#if defined __riscv && !defined TWIN
#define LANES 16
#else
#define LANES 32
#endif
typedef int lanes __attribute__((vector_size(LANES)));
struct state { lanes lanes; } state;
