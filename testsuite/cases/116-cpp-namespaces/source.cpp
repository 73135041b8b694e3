namespace disk { struct config { int size; } shared; }
namespace net { struct config { int size;
#if defined __riscv && !defined TWIN
  int limit;
#endif
} shared; }
