#if defined __riscv && !defined TWIN
#define WIDE 5
#else
#define WIDE 4
#endif
struct header { unsigned version : WIDE; unsigned length : 8; } header;
