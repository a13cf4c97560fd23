/* SPDX-License-Identifier: MIT
 *
 * tests/models/sched_select.pml - a select over two channels, with senders and a cancel.
 *
 * The selecter leaves a waiter at both channels under both locks, which the commit gives
 * back; a sender that finds it claims it, copies the element, readies it.
 * CLAIM   one case wins; the element is whole when the selecter runs again; a sender whose
 *         element was not taken knows; a cancel ends the wait; no waiter is left behind.
 * BROKEN  the locks are given back before the switch: a sender claims a fiber that is on its
 *         way out, and the committer readies it before the element is there.
 */
mtype = { WAITING, PARKED, CLAIMED, RUNNING };
mtype wake = RUNNING;
bool locks[2], queued[2];
byte winner = 9;         /* case, 8 for the cancel */
bool is_whole = false;
byte readied = 0;
bool is_over = false;
byte delivered = 0;

inline take(c) { atomic { !locks[c] -> locks[c] = true } }
inline give(c) { locks[c] = false }
inline ready() { atomic { readied++; assert(readied == 1) } }

proctype selecter() {
    byte c;
    bool over;
    wake = WAITING;
    over = is_over;
    if
    :: over ->
        atomic { if :: wake == WAITING -> wake = RUNNING; goto done :: else fi }
    :: else -> skip
    fi;
    take(0); take(1);
    queued[0] = true; queued[1] = true;
#ifdef BROKEN
    give(1); give(0);
#endif
    /* the switch, then the commit on another stack */
    atomic {
        if
        :: wake == WAITING -> wake = PARKED
        :: else -> readied++; assert(readied == 1)
        fi
    };
#ifndef BROKEN
    give(1); give(0);
#endif
    readied == 1;
    assert(winner != 9);
    assert(winner == 8 || is_whole);
    for (c : 0 .. 1) {
        take(c);
        queued[c] = false;
        give(c)
    }
done:
    assert(!queued[0] && !queued[1])
}

proctype sender(byte c) {
    bool won = false, early = false;
    take(c);
    if
    :: queued[c] ->
        queued[c] = false;
        atomic {
            if
            :: wake == WAITING -> wake = CLAIMED; early = true; winner = c
            :: wake == PARKED -> wake = CLAIMED; won = true; winner = c
            :: else -> skip
            fi
        };
        if
        :: won || early -> is_whole = true; delivered++
        :: else -> skip
        fi
    :: else -> skip
    fi;
    give(c);
    if :: won -> ready() :: else -> skip fi;
    assert(delivered <= 1)
}

proctype canceller() {
    bool won = false;
    is_over = true;
    atomic {
        if
        :: wake == WAITING -> wake = CLAIMED; winner = 8
        :: wake == PARKED -> wake = CLAIMED; won = true; winner = 8
        :: else -> skip
        fi
    };
    if :: won -> ready() :: else -> skip fi
}

init { atomic { run selecter(); run sender(0); run sender(1); run canceller() } }
