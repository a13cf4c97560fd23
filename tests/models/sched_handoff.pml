/* SPDX-License-Identifier: MIT
 *
 * tests/models/sched_handoff.pml - who owns the proc (handoff.h), on a machine that delays
 * stores.
 *
 * The thread's store to in_rt waits in a store buffer until it drains by itself or a
 * membarrier drains it; its load of lost does not wait for that.
 * CLAIM   thread and taker never both use the proc.
 * BROKEN  no membarrier.
 */
#define TURNS 3

byte in_rt = 0;         /* as memory has it */
bool buffered = false;  /* a store is under way */
byte pending = 0;       /* its value */
bool lost = false;
bool lock = false;
bool thread_owns = true, thread_in = false, taker_in = false;

inline drain() { atomic { if :: buffered -> in_rt = pending; buffered = false :: else fi } }
inline store(x) { drain(); atomic { pending = x; buffered = true } }
inline take_lock() { atomic { !lock -> lock = true } }

proctype thread() {
    byte i;
    bool seen;
    for (i : 1 .. TURNS) {
        store(1);                                   /* T1 */
        seen = lost;                                /* T2: not held up by the store */
        if
        :: seen ->
            drain();                                /* a lock is a full fence */
            take_lock();
            if
            :: lost -> lost = false; thread_owns = !thread_owns && !taker_in
            :: else -> skip
            fi;
            lock = false
        :: else -> skip
        fi;
        if
        :: thread_owns ->
            thread_in = true;                       /* T3 */
            assert(!taker_in);
            thread_in = false
        :: else -> skip
        fi;
        store(0)                                    /* T4 */
    }
    drain()
}

/* The buffer drains whenever it likes. */
proctype memory() {
end:
    do
    :: atomic { buffered -> in_rt = pending; buffered = false }
    od
}

proctype taker() {
    byte i;
    for (i : 1 .. 2) {
        take_lock();
        if
        :: thread_owns ->
            lost = true;                            /* H1 */
#ifndef BROKEN
            drain();                                /* H2 */
#endif
            if
            :: in_rt == 0 ->                        /* H3 */
                thread_owns = false;
                taker_in = true;
                assert(!thread_in);
                taker_in = false
            :: else -> lost = false
            fi
        :: else -> skip
        fi;
        lock = false
    }
}

init { atomic { run thread(); run memory(); run taker() } }
