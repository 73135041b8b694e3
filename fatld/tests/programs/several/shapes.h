/* A program of several files: two libraries of "shapes" with local names of their own, and who uses both. */
typedef long (*method)(long);

struct shape {
    const char *name;
    method area, grow;
    const struct shape *next;
    unsigned kind : 3, sides : 13;
    signed turn : 5;
    long *counter;
};

struct library {
    const struct shape *first;
    const struct shape *const *by_kind;
    method (*find)(const char *name);
    int (*uses)(void);
    struct { method run; long argument; } queue[3];
};

extern struct library left, right;
extern long log_of_calls[8];
extern int logged;

long call_logged(method run, long argument);
int equal(const char *a, const char *b);
method pick(unsigned i);
