#if defined __riscv && !defined TWIN
#define PACKED
#else
#define PACKED __attribute__((packed))
#endif
struct PACKED header { unsigned short a : 10; unsigned short b : 10; unsigned short c : 12; } header;
