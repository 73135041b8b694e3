struct base { int number;
#if defined __riscv && !defined TWIN
  int mark;
#endif
};
struct derived : base { int own; };
derived shared;
