/* Checks itself: the answer is 42, or the number of the first check that fails. */
#include "shapes.h"

#define CHECK(number, what) do { if (!(what)) return number; } while (0)

static long twice(long x) { return 2 * x; }
static method chosen = twice;
static const struct { int code; method run; } codes[] = { { 3, twice }, { 1, twice }, { 2, 0 } };

static int counts(void) { static int count; return ++count; }
static int counts_again(void) { static int count = 10; return ++count; }

static long by_switch(int i) {
    switch (i) {
        case 0: return pick(0)(1);
        case 1: return left.find("square")(5);
        case 2: return right.find("square")(5);
        case 3: return counts() + counts_again();
        case 4: return -1;
        case 5: return twice(21);
        default: return 0;
    }
}

int answer(void) {
    volatile unsigned at = 1;
    CHECK(1, left.find("square") != right.find("square") && left.find("circle") && !left.find("triangle"));
    CHECK(2, left.by_kind[at] == left.first && right.by_kind[at] == right.first->next);
    CHECK(3, left.first->area == left.queue[0].run && right.queue[0].run == right.find("square"));
    for (int i = 0; i < 3; i++) {
        call_logged(left.queue[i].run, left.queue[i].argument);
        call_logged(right.queue[i].run, right.queue[i].argument);
    }
    CHECK(4, log_of_calls[0] == 9 && log_of_calls[2] == 5 && log_of_calls[4] == 12);
    CHECK(5, log_of_calls[1] == 60 && log_of_calls[3] == 10 && log_of_calls[5] == 50);
    CHECK(6, *left.first->counter == 12 && *right.first->next->counter == 50);
    CHECK(7, left.uses() == 1 && right.uses() == 2);
    CHECK(8, right.first->sides == 8191 && right.first->next->turn == -16 && left.first->turn == 5);
    CHECK(9, pick(at + 2) == pick(1) && pick(at) != pick(0) && pick(2)(4) == 7);
    CHECK(10, chosen == codes[at].run && codes[2].run == 0 && chosen(4) == 8);
    chosen = pick(0);
    CHECK(11, chosen != codes[at].run && chosen(4) == 5);
    CHECK(12, by_switch(3) == 12 && by_switch(3) == 14 && by_switch(5) == 42 && by_switch(9) == 0);
    CHECK(13, by_switch(0) == 2 && by_switch(1) == 25 && by_switch(2) == 10 && by_switch(4) == -1);
    CHECK(14, left.uses() == 2 && right.uses() == 4);
    CHECK(15, left.first->next->grow == left.first->grow && left.first->grow != right.first->grow);
    left.queue[0].run = right.first->area;
    CHECK(16, left.queue[0].run(4) == 8 && right.uses() == 6);
    return 42;
}
