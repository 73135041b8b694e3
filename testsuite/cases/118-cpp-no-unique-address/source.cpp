struct policy {};
#if defined __riscv && !defined TWIN
#define UNIQUE
#else
#define UNIQUE [[no_unique_address]]
#endif
struct holder { UNIQUE policy rule; int count; };
holder shared;
