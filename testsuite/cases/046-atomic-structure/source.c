struct both { int a, b; };
#if defined __riscv && !defined TWIN
struct holder { unsigned char kind; struct both both; } holder;
#else
struct holder { unsigned char kind; _Atomic struct both both; } holder;
#endif
