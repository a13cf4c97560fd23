/* SPDX-License-Identifier: MIT
 *
 * worker/sched/proc.h - procs (rights to run) and the threads that carry them.
 *
 * A thread with a proc runs fibers; one without waits.  A fiber that parks picks the next
 * one from its proc's own queues and switches to it directly; only when there is nothing, or
 * on every 64th turn, does it go to the thread's own stack, where the scheduler looks
 * further (proc_find): timers, the shared queue, the network, other procs.
 *
 *   entering the runtime   thread = proc_here(); self = thread->running
 *                          thread->in_rt = 1; is our proc lost? then get another
 *   leaving it             thread->in_rt = 0
 *
 * Between leaving and entering, user code runs, which may block the thread or burn its CPU;
 * then sysmon may take the proc away (see sysmon.c), which is what in_rt and lost are for.
 *
 * INVARIANTS  PR1  a proc is carried by one thread, or lies on the idle list.
 *             PR2  a thread inside the runtime keeps its proc.
 *             PR3  the shared queue and the idle list change under sched.lock only, so a
 *                  push there and a proc that goes idle cannot miss each other.
 *             PR4  who is ready waits for a bounded number of turns of others: one lap of its
 *                  ring, or PROC_FAIR_TURNS for each that stands before it
 *                  (tests/stress/stress_sched_fair.c).
 * THREADS     a proc's fields belong to the thread that carries it, unless they say atomic.
 * LOCKS       sched.lock; order: a channel's or ctx's lock > a wheel's > sched.lock > leaves.
 */
#ifndef WORKER_SCHED_PROC_H
#define WORKER_SCHED_PROC_H

#include "worker/sched/annotate.h"
#include "worker/sched/fiber.h"
#include "worker/sched/meter.h"
#include "worker/sched/runq.h"
#include "worker/sched/timer.h"

#include <pthread.h>

enum {
    PROC_COUNT_MAX = 256,
    PROC_THREADS_COUNT_MAX = 1024,
    PROC_FAIR_TURNS = 64
};

enum proc_pool {
    PROC_POOL_FIBER,
    PROC_POOL_CTX,
    PROC_POOL_CHAN,
    PROC_POOL_COUNT
};

struct proc {
    struct hr_fiber *_Atomic next;  /* owner; sysmon peeks */
    bool is_draining;               /* owner: empty the deque first */
    bool is_growing;                /* owner: what it holds spawns too (spawned_many) */
    struct hr_fiber *drainer;       /* owner: who is put aside meanwhile; may be gone */
    _Atomic uint32_t turns;         /* owner writes, sysmon reads */
    _Atomic uint32_t fair_mask;     /* turns & it == 0: look further; 0 while tracing */
    struct thread *_Atomic carrier; /* NULL: idle */
    int64_t work_since;             /* owner: CPU ticks, 0: queues were empty */
    uint32_t pushes_count;          /* owner */
    struct runq_ring ring;
    struct runq_deque deque;
    struct timer_wheel wheel;
    struct stack_magazine stacks;
    struct slab_cache caches[PROC_POOL_COUNT];
    _Atomic uint64_t started_count; /* owner writes, anyone reads */
    _Atomic uint64_t ended_count;
    _Atomic uint64_t steals_count; /* owner writes, anyone reads */
    struct meter queue_meter;      /* ready to running */
    struct meter cancel_meter;     /* cancelled to ended */
    int64_t polled_ns;             /* owner */
    int64_t oldest_ns; /* owner: when the deque's oldest last had a turn of its own */
    uint32_t index;
    struct proc *idle_next; /* guard: sched.lock */
};

typedef void commit_fn(struct thread *thread, struct hr_fiber *fiber, void *arg);

/* What slow.c saw of a thread.  Guard: sched.lock. */
struct thread_view {
    const struct hr_fiber *fiber;
    uint64_t turn;
    int64_t since;
    int64_t cpu_ns; /* 0: not looked at */
    int64_t tell_at;
};

struct trace_ring;

struct thread {
    _Atomic uint32_t in_rt;       /* the runtime's code is running: PR2 */
    _Atomic uint32_t lost;        /* the proc has been taken away */
    _Atomic uint32_t preempt;     /* please yield */
    _Atomic uint32_t is_blocking; /* in a region that says that it blocks */
    struct proc *proc;
    struct trace_ring *_Atomic trace; /* NULL: not recording */
    struct hr_fiber *_Atomic running;
    /* What the fiber that left still has to do: at most one of these. */
    struct lock *commit_lock; /* give it back */
    commit_fn *commit;
    struct hr_fiber *commit_fiber;
    void *commit_arg;
    void *sp; /* of the thread's own stack, while a fiber runs */
    bool is_searching;
    bool is_lost_hog; /* guard: sched.lock */
    bool is_fair_turn;
    uint32_t cancelled_calls;
    uint64_t random;
    struct annotate annotate;

    _Atomic uint32_t futex;    /* 1: wake up */
    struct thread *spare_next; /* guard: sched.lock */
    struct thread *all_next;   /* set before it starts */
    pthread_t id;
    clockid_t cpu_clock;
    struct thread_view view;
    void *signal_stack;
};

struct sched {
    struct lock lock;
    struct runq_list shared; /* lock */
    _Atomic uint32_t shared_count;
    struct proc *idle; /* lock */
    _Atomic uint32_t idle_count;
    struct thread *spare;   /* lock: threads without a proc, asleep */
    struct thread *poller;  /* lock: the one that sleeps in the netpoll */
    struct thread *threads; /* all; lock */
    uint32_t threads_count; /* lock */
    _Atomic uint32_t searching_count;
    _Atomic int64_t poll_until_ns; /* when the poller wakes by itself */
    _Atomic int64_t coarse_ns;     /* a recent hr_now() */
    _Atomic uint64_t foreign_started_count;
    _Atomic uint32_t is_stopping; /* hr_stop waits for the last fiber */
    _Atomic uint32_t is_quiet;    /* futex: it has ended */
    _Atomic uint32_t is_over;     /* threads, leave */
    _Atomic uint32_t is_running;
    int64_t stale_ticks; /* queued work older than this deserves a second proc */
    uint32_t procs_count;
    uint32_t hogs_count;          /* lock: threads that lost their proc while burning CPU */
    uint32_t lost_count;          /* lock: all that lost their proc and are not back */
    uint64_t handoffs_hogs_count; /* lock */
    _Atomic uint64_t handoffs_count;
    _Atomic uint64_t cancels_count;
    _Atomic uint32_t is_tracing;
    bool is_deadlock_fatal;
    bool can_hand_off; /* the kernel has the membarrier that it takes */
    _Atomic uint32_t is_sysmon_asleep;
};

extern struct sched sched;
extern struct proc *proc_all; /* procs_count of them */

/* The loop of a thread of the runtime: until sched.is_over. */
void proc_thread_loop(struct thread *thread);
/* Fire the due timers of a proc, ours or another's; what they wake comes to ours. */
void proc_run_timers(struct thread *thread, struct proc *proc, int64_t now);

/* Only through proc_here(). */
extern _Thread_local struct thread *proc_here_tls __attribute__((tls_model("initial-exec")));

/* The thread of the runtime that we are on, NULL on others.  In assembly, and volatile: a
 * compiler keeps the address of a thread_local across a switch, and none to a register that
 * it does not know. */
static inline struct thread *
proc_here(void)
{
    struct thread *thread;
#if defined(__x86_64__)
    __asm__ volatile("movq proc_here_tls@gottpoff(%%rip), %0\n\t"
                     "movq %%fs:(%0), %0"
                     : "=r"(thread)
                     :
                     : "memory");
#elif defined(__aarch64__)
    uintptr_t offset;
    __asm__ volatile("adrp %1, :gottprel:proc_here_tls\n\t"
                     "ldr %1, [%1, :gottprel_lo12:proc_here_tls]\n\t"
                     "mrs %0, tpidr_el0\n\t"
                     "ldr %0, [%0, %1]"
                     : "=&r"(thread), "=&r"(offset)
                     :
                     : "memory");
#endif
    return thread;
}

/* The running fiber; NULL on a thread's own stack. */
static inline struct hr_fiber *
fiber_self(void)
{
    struct thread *thread = proc_here();
    return thread != NULL ? atomic_load_explicit(&thread->running, memory_order_relaxed) : NULL;
}

/* Names the kernel's thread.  Not pthread_self(): that is declared const, so a compiler may
 * keep its value across a switch. */
uintptr_t proc_os_thread(void);

/* ---- run queues, from inside the runtime (thread == NULL: from outside) ---- */

void proc_ready_slow(struct thread *thread, struct hr_fiber *fiber);
/* May a fiber be put next without a word to anybody?  (The recorder wants one.) */
static inline bool
proc_slot_is_free(const struct thread *thread)
{
    return atomic_load_explicit(&thread->proc->next, memory_order_relaxed) == NULL &&
           atomic_load_explicit(&thread->trace, memory_order_relaxed) == NULL;
}
/* fiber runs soon: next on this proc. */
static inline void
proc_ready(struct thread *thread, struct hr_fiber *fiber)
{
    if (__builtin_expect(thread == NULL || !proc_slot_is_free(thread), 0)) {
        proc_ready_slow(thread, fiber);
        return;
    }
    atomic_store_explicit(&thread->proc->next, fiber, memory_order_relaxed);
}
/* The same behind those that wait already. */
void proc_ready_behind(struct thread *thread, struct hr_fiber *fiber);
/* All of list, in order, behind what waits already.  Empties it. */
void proc_ready_list(struct thread *thread, struct runq_list *list);
/* A fiber that never ran, started by self (NULL: from outside).  PARKS self when many wait
 * to begin. */
void proc_ready_spawned(struct hr_fiber *self, struct thread *thread, struct hr_fiber *fiber);
void proc_push_shared(struct hr_fiber *fiber);

/* ---- switching, from inside the runtime ---- */

/* The rest of dispatch_pick. */
struct hr_fiber *proc_pick_slow(struct thread *thread, uint32_t turns);
/* Leave the running fiber: pick another, switch, and have commit(fiber, arg) run there.
 * Returns when the fiber is switched to again. */
void proc_switch_away(struct hr_fiber *self, commit_fn *commit, void *arg);
/* The last switch of a fiber; its stack goes with commit.  Returns the next fiber when that
 * one is new and should take over the running stack. */
struct hr_fiber *proc_next_on_end(struct thread *thread);
_Noreturn void
proc_switch_last(struct thread *thread, struct hr_fiber *next, struct stack_top *stack);
/* First thing on a stack that was switched to. */
static inline void
proc_arrived(struct thread *thread)
{
    struct lock *lock = thread->commit_lock;
    commit_fn *commit = thread->commit;
    if (lock != NULL) {
        thread->commit_lock = NULL;
        lock_give(lock);
    } else if (commit != NULL) {
        thread->commit = NULL;
        commit(thread, thread->commit_fiber, thread->commit_arg);
    }
}

struct thread *proc_enter_slow(struct hr_fiber *self);
void proc_leave_slow(struct hr_fiber *self);
/* Let others run, if there are any. */
void proc_yield(struct hr_fiber *self);

/* Say that we are inside; true: but our proc has been taken away (see handoff.c). */
static inline bool
proc_step_in(struct thread *thread)
{
#if ANNOTATE_TSAN
    /* TSan cannot see membarrier(2). */
    atomic_store_explicit(&thread->in_rt, 1, memory_order_seq_cst);
    return atomic_load_explicit(&thread->lost, memory_order_seq_cst) != 0;
#else
    atomic_store_explicit(&thread->in_rt, 1, memory_order_relaxed);
    __asm__ volatile("" ::: "memory");
    return atomic_load_explicit(&thread->lost, memory_order_relaxed) != 0;
#endif
}

/* User code calls in, in a call that PARKS: we have a proc afterwards, though perhaps on
 * another thread. */
static inline struct thread *
proc_enter(struct hr_fiber *self)
{
    struct thread *thread = self->thread;
    if (__builtin_expect(proc_step_in(thread), 0)) {
        return proc_enter_slow(self);
    }
    return thread;
}

/* The same in a call that must not park: NULL without a proc, or when self is NULL (not on a
 * fiber); then work as from outside. */
static inline struct thread *
proc_enter_any(struct hr_fiber *self)
{
    if (__builtin_expect(self == NULL, 0)) {
        return NULL;
    }
    struct thread *thread = self->thread;
    return __builtin_expect(proc_step_in(thread), 0) ? NULL : thread;
}

/* And goes back; self may have moved to another thread meanwhile. */
static inline void
proc_leave(struct hr_fiber *self)
{
    struct thread *thread = self->thread;
    atomic_store_explicit(&thread->in_rt, 0, memory_order_release);
}

/* The same in a call that may park anyway: a good place to let others run. */
static inline void
proc_leave_parks(struct hr_fiber *self)
{
    struct thread *thread = self->thread;
    if (__builtin_expect(atomic_load_explicit(&thread->preempt, memory_order_relaxed), 0)) {
        proc_leave_slow(self);
        return;
    }
    atomic_store_explicit(&thread->in_rt, 0, memory_order_release);
}

/* Under sched.lock: thread is to carry an idle proc, or none if there is none. */
static inline void
proc_adopt_idle(struct thread *thread)
{
    struct proc *proc = sched.idle;
    if (proc != NULL) {
        sched.idle = proc->idle_next;
        atomic_fetch_sub_explicit(&sched.idle_count, 1, memory_order_seq_cst);
        atomic_store_explicit(&proc->carrier, thread, memory_order_release);
        thread->proc = proc;
    }
}

/* Under sched.lock: thread's proc to the idle list. */
static inline void
proc_give_idle(struct thread *thread)
{
    struct proc *proc = thread->proc;
    thread->proc = NULL;
    atomic_store_explicit(&proc->carrier, NULL, memory_order_relaxed);
    proc->idle_next = sched.idle;
    sched.idle = proc;
    atomic_fetch_add_explicit(&sched.idle_count, 1, memory_order_seq_cst);
}

static inline struct slab_cache *
proc_cache(struct thread *thread, enum proc_pool pool)
{
    return thread != NULL ? &thread->proc->caches[pool] : NULL;
}

#endif
