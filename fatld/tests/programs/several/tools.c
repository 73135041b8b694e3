/* What both libraries and the check use. */
#include "shapes.h"

long log_of_calls[8];
int logged;

long call_logged(method run, long argument) {
    long result = run(argument);
    log_of_calls[logged++ & 7] = result;
    return result;
}

int equal(const char *a, const char *b) {
    while (*a && *a == *b) a++, b++;
    return *a == *b;
}

static long one(long x) { return x + 1; }
static long two(long x) { return x + 2; }
static long three(long x) { return x + 3; }
static const method table[] = { one, two, three, two };

method pick(unsigned i) { return table[i % (sizeof table / sizeof *table)]; }
