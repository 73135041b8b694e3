#include <stddef.h>
#include <stdint.h>
#ifdef TWIN
typedef uint32_t length_t;
#else
typedef size_t length_t;
#endif
struct slice { length_t length; } slice;
