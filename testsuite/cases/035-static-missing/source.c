int common;
#if !defined __riscv || defined TWIN
int lonely;
#endif
