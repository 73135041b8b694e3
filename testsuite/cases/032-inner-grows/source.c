struct inner { int a;
#if defined __riscv && !defined TWIN
  int more;
#endif
};
struct middle { struct inner inner; int b; };
struct outer { struct middle middle; int c; } outer;
