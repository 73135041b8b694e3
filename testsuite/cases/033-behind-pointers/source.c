struct deep {
#if defined __riscv && !defined TWIN
  long long n;
#else
  int n;
#endif
};
struct mid { struct deep *deep; };
struct mid **root[4];
