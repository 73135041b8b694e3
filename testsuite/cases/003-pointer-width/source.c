#include <stdint.h>
#ifdef TWIN
typedef uint64_t place;
#else
typedef void *place;
#endif
struct node { place next; } node;
