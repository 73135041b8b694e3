#if defined __riscv && !defined TWIN
int table[3][2];
#else
int table[2][3];
#endif
