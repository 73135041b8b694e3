#ifdef TWIN
struct saved { unsigned long arguments[8]; };
#else
struct pt_regs { unsigned long arguments[8]; };
#define saved pt_regs
#endif
struct thread { struct saved saved; int number; } thread;
