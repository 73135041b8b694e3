#ifdef TWIN
typedef signed char kind_t;
#else
typedef char kind_t;
#endif
#if defined __riscv && !defined TWIN
#define PACKED __attribute__((packed))
#else
#define PACKED
#endif
struct PACKED header { kind_t kind; int length; } header;
