/* SPDX-License-Identifier: MIT
 *
 * tests/models/sched_shared.pml - a batch moves from the shared queue to a ring (take_shared
 * in proc.c), while a thief runs what is on the ring already, and others are started.
 *
 * A fiber's link belongs to the queue that it is on (FI2).  Who ends goes to the free list,
 * by the same link; who starts comes from there.  Shared queue: under the lock.  The ring's
 * own protocol is proved elsewhere (runq.c): here a push or a take is one step.
 * CLAIM   what is taken off the shared queue was on it; each start runs once.
 * BROKEN  a fiber is on the ring before it is off the list: the thief may run it to its end,
 *         and the list's head becomes a link of the free list.
 */
#define FIBERS 4
#define AT_FIRST 3                   /* of them are on the shared queue */
#define STARTS 6
#define BATCH 3

mtype = { FREE, SHARED, READY, RUNNING };
mtype state[FIBERS + 1] = FREE;
byte link[FIBERS + 1];
byte head = 0, tail = 0, count = 0;  /* the shared queue; 0 is no fiber */
byte free = 0;
bool lock = false;
byte ring[FIBERS + 1], ring_head = 0, ring_tail = 0;
byte started = 0, ran = 0;

inline take_lock() { atomic { !lock -> lock = true } }
inline give_lock() { lock = false }

/* Under the lock.  The links move in steps that others can see. */
inline list_push(x) {
    state[x] = SHARED;
    link[x] = 0;
    if :: head == 0 -> head = x :: else -> link[tail] = x fi;
    tail = x;
    count++
}

inline ring_push(x) {
    atomic {
        assert(state[x] == SHARED);
        state[x] = READY;
        ring[ring_tail % (FIBERS + 1)] = x;
        ring_tail++;
        assert(ring_tail - ring_head <= FIBERS)
    }
}

inline ring_take(x) {
    atomic {
        x = 0;
        if
        :: ring_head < ring_tail ->
            x = ring[ring_head % (FIBERS + 1)];
            ring_head++
        :: else -> skip
        fi
    }
}

/* To its end; its descriptor is free for the next one at once. */
inline run_it(x) {
    assert(state[x] == READY);
    state[x] = RUNNING;
    atomic { ran++; state[x] = FREE; link[x] = free; free = x }
}

proctype taker() {
    byte first, more, i;
    do
    :: count > 0 ->
        take_lock();
        first = head;
        if
        :: first == 0 -> skip
        :: else ->
            assert(state[first] == SHARED);
            head = link[first];
            count--;
            state[first] = READY;
            i = 1;
            do
            :: i < BATCH && head != 0 ->
                more = head;
#ifdef BROKEN
                ring_push(more);
                head = link[more];
#else
                head = link[more];
                ring_push(more);
#endif
                count--;
                i++
            :: else -> break
            od
        fi;
        give_lock();
        if :: first != 0 -> run_it(first) :: else -> skip fi
    :: ring_head < ring_tail ->
        ring_take(more);
        if :: more != 0 -> run_it(more) :: else -> skip fi
    :: ran == STARTS -> break        /* else it waits: for ever, if a fiber was lost */
    od
}

proctype thief() {
    byte x;
    do
    :: ring_head < ring_tail ->
        ring_take(x);
        if :: x != 0 -> run_it(x) :: else -> skip fi
    :: ran == STARTS -> break
    od
}

proctype starter() {
    byte x;
    do
    :: started < STARTS ->
        atomic { free != 0 -> x = free; free = link[x] };
        take_lock(); list_push(x); give_lock();
        started++
    :: else -> break
    od
}

init {
    byte i;
    atomic {
        for (i : 1 .. FIBERS) {
            if
            :: i <= AT_FIRST -> list_push(i); started++
            :: else -> link[i] = free; free = i
            fi
        }
        run taker(); run thief(); run starter()
    }
}
