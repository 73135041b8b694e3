#if defined __riscv && !defined TWIN
#pragma pack(2)
#endif
struct header { unsigned char kind; int length; short check; } header;
