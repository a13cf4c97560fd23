/* SPDX-License-Identifier: MIT
 *
 * tests/models/sched_idle.pml - no work is lost while threads go idle (idle.c).
 *
 * Plain threads push to the shared queue and wake one idle proc unless someone searches;
 * threads look, give up their proc, and sleep.
 * CLAIM   at the end, when all threads sleep, the shared queue is empty.
 * BROKEN  the queue is looked at before the lock, not under it.
 */
#define THREADS 2
#define PUSHES 3

byte shared = 0, idle = 0, searching = 0, taken = 0;
bool lock = false, is_pushed = false;
bool has_proc[THREADS], wanted[THREADS], asleep[THREADS], is_searching[THREADS];

inline take_lock() { atomic { !lock -> lock = true } }
inline give_lock() { lock = false }

proctype pusher() {
    byte i, t;
    bool mine;
    for (i : 1 .. PUSHES) {
        take_lock(); shared++; give_lock();                 /* P1 */
        atomic { mine = idle > 0 && searching == 0; if :: mine -> searching++ :: else fi };
        if
        :: mine ->                                          /* P2 */
            take_lock();                                    /* P3 */
            t = 0;
            do
            :: t < THREADS && !(asleep[t] && !wanted[t]) -> t++
            :: else -> break
            od;
            if
            :: t < THREADS && idle > 0 ->
                idle--; wanted[t] = true; is_searching[t] = true
            :: else -> searching--
            fi;
            give_lock()
        :: else -> skip
        fi
    }
    is_pushed = true
}

proctype thread(byte self) {
    bool found;
    do
    :: has_proc[self] ->
        /* look, without the lock, then take under it */
        if
        :: shared > 0 ->
            take_lock();
            if :: shared > 0 -> shared--; taken++ :: else -> skip fi;
            give_lock();
            if :: is_searching[self] -> is_searching[self] = false; searching-- :: else fi
        :: else ->
#ifdef BROKEN
            take_lock();
            found = false;
#else
            take_lock();                                    /* I1 */
            found = shared > 0;                             /* I2 */
#endif
            if
            :: found -> give_lock()
            :: else ->
                has_proc[self] = false;                     /* I3 */
                idle++;
                if :: is_searching[self] -> is_searching[self] = false; searching-- :: else fi;
                asleep[self] = true;                        /* I4 */
                give_lock()
            fi
        fi
    :: else ->
end_asleep:
        atomic {                                            /* I5 */
            wanted[self] -> wanted[self] = false; asleep[self] = false; has_proc[self] = true
        }
    od
}

/* Once nobody pushes and all sleep, nothing changes any more. */
proctype monitor() {
end:
    atomic { is_pushed && idle == THREADS && searching == 0 && !lock -> assert(shared == 0) }
}

init {
    atomic {
        has_proc[0] = true; has_proc[1] = true;
        run thread(0); run thread(1); run pusher(); run monitor()
    }
}
