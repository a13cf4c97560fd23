/* SPDX-License-Identifier: MIT
 *
 * worker/sched/trace.h - the flight recorder: what each thread did last, for a timeline.
 *
 * A ring for each thread of the runtime, written by that thread alone; one more, under a
 * lock, for those who look in from outside (NNG's threads, sysmon).  hr_trace_write() reads
 * them while they are written, and drops what was overwritten under its hands.
 *
 *      thread 1  |RUN a .... PARK chan recv|RUN b ... READY a ... YIELD|RUN a ...
 *
 * Off, it costs the hot paths a compare in proc_ready().  On, a proc picks each next fiber on
 * its thread's own stack (proc.fair_mask), where execute() notes who runs and how it stopped;
 * so parking and switching have no hook at all.
 *
 * INVARIANTS  TR1  of a thread's events RUN and a stop (PARK, YIELD, END, MOVED) alternate,
 *                  but where recording began or ended in between.
 *             TR2  a ring lives until hr_stop, so a thread may write on while it is stopped.
 * THREADS     trace_put: a ring's own thread, inside the runtime; trace_ready: any.
 * MEMORY      TRACE_EVENT_SIZE * events for each thread; touched as they are used.
 * REJECTED    a ring for each proc: a proc that is handed off while its fiber blocks would
 *             show two fibers at once.  A hook in park and switch: two branches for each hop.
 */
#ifndef WORKER_SCHED_TRACE_H
#define WORKER_SCHED_TRACE_H

#include "worker/sched/proc.h"

enum trace_kind {
    TRACE_NONE,
    TRACE_RUN,   /* text: the name; value: when it was readied, 0 unknown */
    TRACE_PARK,  /* text: the reason */
    TRACE_YIELD, /* to the end of the queue */
    TRACE_MOVED, /* its thread had lost its proc */
    TRACE_END,
    TRACE_READY, /* value: the time, as RUN says it again */
    TRACE_SPAWN, /* the same, and text: the name */
    TRACE_STEAL, /* value: from which proc */
    TRACE_HANDOFF,
    TRACE_CANCEL, /* value: the cause */
    TRACE_KIND_COUNT
};

struct trace_event {
    _Atomic uint64_t when_ns;
    _Atomic uint64_t what; /* kind (8) | proc (16) | fiber (32) */
    const char *_Atomic text;
    _Atomic uint64_t value;
};

struct trace_ring {
    struct trace_ring *next;     /* guard: the recorder's mutex */
    const struct thread *thread; /* NULL: those outside */
    uint32_t number;
    uint64_t mask;
    size_t size;
    _Atomic uint64_t head; /* events ever written */
    struct trace_event events[];
};

/* What a ring's own thread did. */
void trace_put(struct trace_ring *ring, enum trace_kind kind, const struct hr_fiber *fiber,
    const char *text, uint64_t value);
/* fiber becomes ready (or is new): by thread, or from outside.  Only while recording. */
void trace_ready(struct thread *thread, struct hr_fiber *fiber, enum trace_kind kind);
/* From outside; nothing happens unless recording. */
void
trace_put_foreign(enum trace_kind kind, uint32_t proc_index, const char *text, uint64_t value);
/* On the thread's own stack, around the fiber's run. */
void trace_run(struct thread *thread, struct hr_fiber *fiber);
void trace_stopped(struct thread *thread);

/* A thread begins; all have ended. */
void trace_thread_enter(struct thread *thread);
void trace_free(void);
/* Call visit for each ring, oldest event first. */
typedef void trace_visit_fn(void *user, const struct trace_ring *ring);
void trace_each(trace_visit_fn *visit, void *user);
/* A copy of event number index; false: overwritten. */
struct trace_copy {
    uint64_t when_ns;
    enum trace_kind kind;
    uint32_t proc;
    uint32_t fiber;
    const char *text;
    uint64_t value;
};
bool trace_copy(const struct trace_ring *ring, uint64_t index, struct trace_copy *ret_copy);

/* trace_write.c; for sysmon: write the timeline if a signal asked for it. */
void trace_if_asked(void);

static inline bool
trace_is_on(void)
{
    return atomic_load_explicit(&sched.is_tracing, memory_order_relaxed) != 0;
}

#endif
