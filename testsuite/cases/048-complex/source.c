#if defined __riscv && !defined TWIN
typedef _Complex double wave;
#else
typedef _Complex float wave;
#endif
struct sample { wave wave; } sample;
