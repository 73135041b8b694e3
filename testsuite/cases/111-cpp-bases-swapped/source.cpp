struct first { int a; };
struct second { int b; };
#if defined __riscv && !defined TWIN
struct derived : second, first { int own; };
#else
struct derived : first, second { int own; };
#endif
derived shared;
