#if defined __riscv && !defined TWIN
enum class state : unsigned int { idle, busy };
#else
enum class state : unsigned short { idle, busy };
#endif
state shared[2];
