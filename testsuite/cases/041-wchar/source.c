#include <stdint.h>
#ifdef TWIN
typedef uint32_t character;
#else
typedef __WCHAR_TYPE__ character;
#endif
struct text { character first; } text;
