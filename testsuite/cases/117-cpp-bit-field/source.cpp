#if defined __riscv && !defined TWIN
const int width = 6;
#else
const int width = 4;
#endif
class header { public: unsigned kind : width; unsigned flag : 1; };
header shared;
