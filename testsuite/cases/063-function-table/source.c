struct ops { int (*open)(void *, int); void (*close)(void *); const unsigned char *name; };
extern int opens(void *, int);
extern void closes(void *);
const struct ops ops[2] = { { opens, closes, "a" }, { opens, closes, "b" } };
