#if defined __riscv && !defined TWIN
typedef short unit;
#else
typedef int unit;
#endif
struct packet { int length; unit data[]; };
struct packet *packet;
