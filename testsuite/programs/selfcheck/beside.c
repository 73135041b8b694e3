/* What C has beside Rust: a table with functions of both, and calls of what it is given. */
typedef long (*step)(long);
long rust_double(long);
int rust_check(void);

static long called;
static long add_one(long number) { called++; return number + 1; }
long c_triple(long number) { return 3 * number; }
long c_apply(step callback, long number) { return add_one(callback(number)); }

const step c_table[3] = { rust_double, c_triple, rust_double };
static step volatile chosen = rust_double;

__attribute__((noreturn)) void c_failed(void) {
    for (;;) __builtin_trap();
}

int answer(void) {
    if (chosen != c_table[0] || chosen(21) != 42) return 101;
    int failed = rust_check();
    return failed != 42 ? failed : called == 1 ? 42 : 102;
}
