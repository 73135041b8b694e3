#ifdef TWIN
#define MOST aligned(16)
#else
#define MOST aligned
#endif
struct buffer { unsigned char bytes[32]; } __attribute__((MOST));
struct buffer buffer;
