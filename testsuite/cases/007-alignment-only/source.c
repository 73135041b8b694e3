#if defined __riscv && !defined TWIN
#define LINE 32
#else
#define LINE 64
#endif
struct line { _Alignas(LINE) unsigned char bytes[64]; } line;
