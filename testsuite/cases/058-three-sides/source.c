#if defined __aarch64__ && !defined TWIN
typedef short number;
#else
typedef int number;
#endif
struct s { number n; } s;
