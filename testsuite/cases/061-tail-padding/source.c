struct tail { int n; unsigned char c;
#if defined __riscv && !defined TWIN
} __attribute__((aligned(16)));
#else
};
#endif
struct tail tail;
