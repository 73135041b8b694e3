#ifdef TWIN
typedef signed char octet;
#else
typedef char octet;
#endif
struct message { octet kind; } message;
