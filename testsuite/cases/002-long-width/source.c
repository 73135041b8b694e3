#include <stdint.h>
#ifdef TWIN
typedef int64_t count_t;
#else
typedef long count_t;
#endif
struct stats { count_t packets; count_t bytes __attribute__((aligned(8))); } stats;
