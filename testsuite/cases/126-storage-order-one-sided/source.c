#if defined __riscv && !defined TWIN
#define ORDER __attribute__((scalar_storage_order("big-endian")))
#else
#define ORDER
#endif
struct ORDER header { unsigned length; } header;
