struct pair { int owner, count; };
struct lock {
#if defined __riscv && !defined TWIN
  struct pair state;
#else
  _Atomic struct pair state;
#endif
} lock;
