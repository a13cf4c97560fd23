/* SPDX-License-Identifier: MIT
 *
 * tests/models/sched_steal.pml - the deque of runq.c: one owner, two thieves.
 *
 * Every access that runq.c makes sequentially consistent is one step; the owner pushes and
 * takes in any order, thieves steal.
 * CLAIM   each item is taken at most once, and at the end exactly once.
 * BROKEN  the owner takes the last item without the CAS on top.
 */
#define ITEMS 3
#define COUNT 2                      /* slots: so that they are reused */

byte slots[COUNT];
byte top = 1, bottom = 1;
byte takers[ITEMS + 1];
byte gone = 0;

inline took(x) { takers[x]++; assert(takers[x] == 1); gone++ }

proctype owner() {
    byte pushed = 0, b, t, x;
    bool won;
    do
    :: pushed < ITEMS && bottom - top < COUNT ->
        b = bottom;
        slots[b % COUNT] = pushed + 1;
        bottom = b + 1;
        pushed++
    :: bottom > top || pushed == ITEMS ->
        b = bottom - 1;
        bottom = b;                                     /* O1 */
        t = top;                                        /* O2 */
        if
        :: t < b -> x = slots[b % COUNT]; took(x)       /* O3 */
        :: t == b ->
            x = slots[b % COUNT];
#ifdef BROKEN
            won = true; top = t + 1;
#else
            atomic { won = (top == t); if :: won -> top = t + 1 :: else fi };
#endif
            bottom = b + 1;
            if :: won -> took(x) :: else -> skip fi
        :: else -> bottom = b + 1
        fi;
        if :: pushed == ITEMS && gone == ITEMS -> break :: else fi
    od
}

proctype thief() {
    byte t, b, x;
    bool won;
    do
    :: gone == ITEMS -> break
    :: else ->
        t = top;                                        /* T1 */
        b = bottom;                                     /* T2 */
        if
        :: t < b ->
            x = slots[t % COUNT];                       /* T3 */
            atomic { won = (top == t); if :: won -> top = t + 1 :: else fi };   /* T4 */
            if :: won -> took(x) :: else -> skip fi
        :: else -> skip
        fi
    od
}

init { atomic { run owner(); run thief(); run thief() } }
