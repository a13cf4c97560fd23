/* SPDX-License-Identifier: MIT
 *
 * tests/models/sched_park.pml - a wait that an event, a timer and a cancel may end (park.h).
 *
 * The fiber announces itself (WAITING), looks at its ctx, leaves its name with the event,
 * and switches away; the commit, on the next fiber's stack, makes it PARKED.  Event, timer
 * and canceller each try to claim it.
 * CLAIM   it is readied exactly once; never before it is off its stack; a cancel always ends
 *         the wait.
 * BROKEN  the fiber looks at its ctx before it announces itself: the canceller finds nobody
 *         to claim, and the fiber did not see the cancel.
 */
mtype = { RUNNING, WAITING, PARKED, CLAIMED };
mtype wake = RUNNING;
bool is_over = false;     /* the ctx */
bool has_event = false;   /* HAS_EVENT: somebody will set it; else only the cancel ends it */
byte event_word = 0;      /* 0, 1 set, 2 the fiber's name */
bool off_stack = false;
byte readied = 0;
bool resumed = false;

inline ready() {
    assert(off_stack);
    readied++;
    assert(readied == 1)
}

/* One CAS; true in `won` if PARKED was claimed (the claimer readies it). */
inline claim(won) {
    atomic {
        won = false;
        if
        :: wake == WAITING -> wake = CLAIMED
        :: wake == PARKED -> wake = CLAIMED; won = true
        :: else -> skip
        fi
    }
}

proctype fiber() {
    bool over = false, must_park = true;
#ifdef BROKEN
    over = is_over;
    wake = WAITING;
#else
    wake = WAITING;                       /* F1 */
    over = is_over;                       /* F2 */
#endif
    if
    :: over ->
        atomic {
            if
            :: wake == WAITING -> wake = RUNNING; must_park = false
            :: else -> skip               /* claimed: go through with the park */
            fi
        }
    :: else ->
        atomic {
            if
            :: event_word == 0 -> event_word = 2
            :: else ->
                if
                :: wake == WAITING -> wake = RUNNING; must_park = false
                :: else -> skip
                fi
            fi
        }
    fi;
    if
    :: must_park ->
        /* the switch; from here on the next fiber's stack */
        off_stack = true;
        atomic {
            if
            :: wake == WAITING -> wake = PARKED
            :: else -> ready()            /* claimed early: the committer readies */
            fi
        };
        readied == 1                      /* runs again; blocks here if nobody woke it */
    :: else -> skip
    fi;
    resumed = true
}

proctype setter() {
    byte old;
    bool won;
    atomic { old = event_word; event_word = 1 };
    if
    :: old == 2 -> claim(won); if :: won -> ready() :: else -> skip fi
    :: else -> skip
    fi
}

proctype canceller() {
    bool won;
    is_over = true;                       /* C1 */
    claim(won);                           /* C2 */
    if :: won -> ready() :: else -> skip fi
}

proctype timer() {
    bool won;
    claim(won);
    if :: won -> ready() :: else -> skip fi
}

init {
    atomic {
        run fiber();
        run canceller();
        if :: run setter() :: skip fi;
        if :: run timer() :: skip fi
    }
}
