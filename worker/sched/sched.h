/* SPDX-License-Identifier: MIT
 *
 * worker/sched/sched.h - the goroutine-style runtime: fibers, channels, contexts, timers.
 *
 * A fiber is a user-level thread with a stack of its own.  Many fibers are multiplexed on
 * few procs (rights to run, each with a run queue); procs steal from each other; a thread
 * carries a proc.  Code on a fiber is straight-line: what would block parks the fiber, and
 * the proc runs another one.
 *
 * 1. A program
 *
 *     static void
 *     square(void *arg)
 *     {
 *         int n;
 *         while (hr_chan_recv(in, &n) == 0) {         parks until there is one
 *             n *= n;
 *             if (hr_chan_send(out, &n) != 0) {
 *                 return;                             closed, cancelled, or out of time
 *             }
 *         }
 *     }
 *
 *     hr_start(NULL);
 *     hr_go(square, NULL, "square");                  from main, or from any fiber
 *     ...
 *     hr_stop();                                      waits for the last fiber
 *
 * 2. Whose memory
 *
 * Names are borrowed for good, arguments belong to whoever the two of you agree on.  A
 * channel copies its elements; it and a ctx are the caller's until freed or released.  What
 * is ready when zeroed (mutex, group, event ...) lives in the caller's memory, and a waiter
 * may live on its fiber's stack: join your children before you return.
 *
 * 3. How a wait ends
 *
 * Every fiber has a ctx, the one under which it was started, with a deadline and perhaps a
 * canceller.  A call that PARKS returns 0 when it did its work, -ECANCELED or -ETIMEDOUT when
 * the ctx ended first, and -EPIPE for a closed channel.  Then tidy up and return: what is
 * parked under the same ctx hears of it at the same time.
 *
 * 4. What needs no care
 *
 * A fiber that blocks its thread (read(2), a pthread mutex, a page fault) or burns its CPU
 * keeps its thread and loses its proc to another one; hr_block_begin() only makes that
 * quicker.  A stack is 64 KiB with a guard; where it was started is told when it overflows.
 *
 * This is the public face (prefix hr_): it stands alone, so its errors are negative errno
 * values, not err_t.  Nothing here touches errno.
 *
 * UNITS     all times are nanoseconds; a deadline is a point on CLOCK_MONOTONIC, HR_NEVER
 *           for none.
 * THREADS   "any": from every thread, on a fiber or not.  "fiber": only on a fiber.
 *           PARKS: may switch to another fiber; never call it with a pthread mutex held, and
 *           never keep the address of a thread_local (errno too) across it.
 * CANCEL    every PARKS call returns -ECANCELED when the fiber's ctx is cancelled and
 *           -ETIMEDOUT when its deadline has passed.
 */
#ifndef WORKER_SCHED_SCHED_H
#define WORKER_SCHED_SCHED_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif
#ifdef HR_EXPORTS /* the shared library shows what is declared here, and nothing else */
#pragma GCC visibility push(default)
#endif

#define HR_NEVER INT64_MAX

struct hr_fiber;
struct hr_ctx;
struct hr_chan;
struct hr_slow;

typedef void hr_fn(void *arg);

/* ---- the runtime: one for each process ------------------------------------------------ */

struct hr_options {
    uint32_t procs_count;                /* 0: by CPU affinity and cgroup quota */
    uint32_t stack_size;                 /* bytes, 0: 64 KiB */
    uint32_t fibers_count_max;           /* 0: 4 million; beyond it hr_go returns -EAGAIN */
    uint32_t blocking_threads_count_max; /* of hr_blocking's pool, 0: 64 */
    bool is_deadlock_fatal;              /* hr_stop aborts when nothing can run any more */
    /* Called when a fiber has kept its thread for slow_slice_ns (0: 10 ms) without a call that
     * PARKS, on the runtime's watching thread: it must not block.  At most once a second. */
    int64_t slow_slice_ns;
    void (*on_slow)(const struct hr_slow *slow, void *user);
    void *on_slow_user;
};

/* Who it was.  cpu_ns tells a loop (about ran_ns) from a thread that stands still. */
struct hr_slow {
    uint32_t fiber;
    const char *name;
    const void *born;    /* the call of hr_go */
    char born_text[160]; /* "binary+0x1234 symbol" */
    int64_t ran_ns;      /* so far */
    int64_t cpu_ns;
    uint32_t suppressed_count; /* others that were not told since the last one */
};

/* Start procs and threads.  options may be NULL.  Not from a fiber.
 * Errors: -EALREADY, -ENOMEM, -EINVAL, -EAGAIN (threads). */
int hr_start(const struct hr_options *options);
/* Wait until every fiber has ended, then free everything.  Not from a fiber.  When all that
 * are left wait for each other, they are reported on stderr (see is_deadlock_fatal).
 * Errors: -EALREADY when it does not run. */
int hr_stop(void);
uint32_t hr_procs_count(void);
/* CLOCK_MONOTONIC, ns.  Threads: any. */
int64_t hr_now(void);

/* Write a line for each fiber, with a backtrace if it waits:
 *     fiber 412  WAITING chan recv  3.2ms  'name'  ctx 0x...  born worker+0x1234
 * Threads: any.  The second has it written to stderr whenever the signal comes (SIGQUIT, as
 * in Go, but the process lives on).  -EINVAL. */
void hr_dump(int fd);
int hr_dump_on_signal(int signal_number);

/* ---- counters, and a flight recorder ---------------------------------------------------- */

/* Bucket i counts what is shorter than hr_bucket_ns(i) and no shorter than the one before. */
enum {
    HR_BUCKETS_COUNT = 28,
    HR_BUCKET_NS = 1024
};
struct hr_histogram {
    uint64_t counts[HR_BUCKETS_COUNT];
    uint64_t count;
    uint64_t sum_ns;
};
/* HR_BUCKET_NS << bucket; HR_NEVER for the last. */
int64_t hr_bucket_ns(uint32_t bucket);

struct hr_stats {
    uint32_t procs_count;
    uint32_t idle_procs_count;
    uint32_t threads_count;
    uint32_t lost_threads_count; /* block or burn, their proc is with another */
    uint32_t queued_count;       /* in the queue that all procs share */
    uint64_t started_count;      /* fibers */
    uint64_t ended_count;
    uint64_t steals_count;
    uint64_t handoffs_count;
    uint64_t handoffs_hogs_count; /* of them: it burned its CPU */
    uint64_t slow_slices_count;
    uint64_t cancels_count;     /* ctxs that were cancelled or ran out of time, by their root */
    struct hr_histogram queue;  /* from ready to running: of those who came through the
                                 * shared queue; while the recorder is on, of all */
    struct hr_histogram cancel; /* from the end of a ctx to the end of each of its fibers */
};
/* -EAGAIN when the runtime does not run.  Threads: any. */
int hr_stats(struct hr_stats *ret_stats);

/* Record what every thread does: runs, parks with their reasons, who readied whom, steals,
 * hand-offs, cancels; the last events_count (0: 65,536) of each thread, 32 bytes each.  Costs
 * some tens of ns for each switch while it is on.  Threads: any.
 * Errors: -EALREADY, -EAGAIN (no runtime), -ENOMEM, -EINVAL. */
int hr_trace_start(uint32_t events_count);
void hr_trace_stop(void);
/* Write what is recorded as a timeline for ui.perfetto.dev (Chrome's trace JSON): to a
 * descriptor, or to a file, which appears when it is whole.  Before hr_stop; it may record on
 * meanwhile.  0 or a negative errno.  Threads: any. */
int hr_trace_write(int fd);
int hr_trace_save(const char *path);
/* The same to path whenever the signal comes.  -EINVAL. */
int hr_trace_on_signal(int signal_number, const char *path);

/* ---- fibers ------------------------------------------------------------------------- */

/* Start fn(arg) on a fiber of its own, under the caller's ctx (background from a plain
 * thread).  name is borrowed for good (a literal).  A fiber may run before hr_go returns,
 * on another proc or on this one.  Threads: any.  Errors: -EAGAIN at the bound. */
int hr_go(hr_fn *fn, void *arg, const char *name);
int hr_go_ctx(struct hr_ctx *ctx, hr_fn *fn, void *arg, const char *name);
/* Start one that will be joined: hr_join waits for its end and gives the handle back.
 * Every handle must be joined exactly once.  hr_join PARKS on a fiber and blocks a thread;
 * it does not give up on cancellation (a joiner that ran on would leave its child's stack
 * references dangling). */
int hr_spawn(hr_fn *fn, void *arg, const char *name, struct hr_fiber **ret_fiber);
void hr_join(struct hr_fiber *fiber);
/* Let others run.  PARKS.  Threads: fiber. */
void hr_yield(void);
/* PARKS.  Threads: fiber.  0, -ECANCELED, or -ETIMEDOUT (the ctx's deadline came first). */
int hr_sleep(int64_t duration_ns);
bool hr_on_fiber(void);

/* ---- contexts: the tree of deadlines and cancellations --------------------------------- */

/* A cause is a small number of the user's choice; 0 means "not cancelled". */
enum {
    HR_CAUSE_DEADLINE = 1,
    HR_CAUSE_GROUP = 2, /* another fiber of the hr_group failed */
    HR_CAUSE_USER = 16
};

/* A child of parent (NULL: of the background, which is never cancelled), with its own
 * deadline; the earlier of both holds.  One reference is the caller's.  Threads: any.
 * NULL: no memory. */
struct hr_ctx *hr_ctx_new(struct hr_ctx *parent, int64_t deadline);
void hr_ctx_hold(struct hr_ctx *ctx);
void hr_ctx_rele(struct hr_ctx *ctx);
/* Cancel ctx and all its descendants; every parked call under them returns -ECANCELED.
 * The first cause stays.  true: this call was the first.  A part of the tree that another
 * call or a deadline is just ending may end a moment after the return.  Threads: any. */
bool hr_ctx_cancel(struct hr_ctx *ctx, int cause);
/* 0, -ECANCELED or -ETIMEDOUT; one atomic load. */
int hr_ctx_err(const struct hr_ctx *ctx);
int hr_ctx_cause(const struct hr_ctx *ctx);
int64_t hr_ctx_deadline(const struct hr_ctx *ctx);
/* The running fiber's ctx, borrowed; the background on a plain thread. */
struct hr_ctx *hr_ctx_self(void);
/* For loops that burn CPU: has the running fiber's ctx ended?  Also yields when the fiber
 * has run long.  PARKS.  Threads: fiber. */
bool hr_cancelled(void);
/* Until the running fiber's deadline, 0 when it has passed, HR_NEVER for none. */
int64_t hr_remaining(void);

/* Call fn(arg) once when ctx ends (also by deadline), from the canceller's or a timer's
 * thread: it must not park or block.  The hook is the caller's memory until
 * hr_ctx_unhook() returns; after that fn is not running and will not run.
 * hr_ctx_hook returns false, and calls nothing, when ctx has ended already. */
struct hr_ctx_hook {
    void (*fn)(void *arg);
    void *arg;
    void *opaque[4];
};
bool hr_ctx_hook(struct hr_ctx *ctx, struct hr_ctx_hook *hook);
void hr_ctx_unhook(struct hr_ctx *ctx, struct hr_ctx_hook *hook);

/* ---- channels -------------------------------------------------------------------------- */

/* Elements are copied by value.  capacity 0: unbuffered, a send meets a receive.  NULL: no
 * memory.  Free it when nobody can use it any more.  Threads: any. */
struct hr_chan *hr_chan_new(uint32_t element_size, uint32_t capacity);
void hr_chan_free(struct hr_chan *chan);
/* 0 or -EPIPE (closed), -ECANCELED, -ETIMEDOUT.  PARKS.  Threads: fiber. */
int hr_chan_send(struct hr_chan *chan, const void *element);
/* 0 with an element; -EPIPE when closed and empty (the element is zeroed); -ECANCELED,
 * -ETIMEDOUT.  element may be NULL: dropped.  PARKS.  Threads: fiber. */
int hr_chan_recv(struct hr_chan *chan, void *element);
/* Never park: -EAGAIN instead.  Threads: any. */
int hr_chan_try_send(struct hr_chan *chan, const void *element);
int hr_chan_try_recv(struct hr_chan *chan, void *element);
/* Wakes all.  -EINVAL when closed already.  Threads: any. */
int hr_chan_close(struct hr_chan *chan);

/* One thing that a select may do: send *element, or receive into it (NULL: drop). */
struct hr_case {
    struct hr_chan *chan; /* NULL: never ready */
    void *element;
    bool is_send;
    int err; /* of the case that was done: 0, or -EPIPE when its channel is closed */
};

enum {
    HR_CASES_COUNT_MAX = 64
};
/* As a deadline: do not wait at all. */
#define HR_NOW 0

/* Do exactly one of the cases, the first that can be done; if several can, one at random.
 * Returns its index, or -ETIMEDOUT (deadline), -EAGAIN (deadline HR_NOW: Go's default), or
 * the ctx's error.  PARKS.  Threads: fiber. */
int hr_select(struct hr_case *cases, uint32_t cases_count, int64_t deadline);

/* ---- sharing memory ---------------------------------------------------------------------- */

/* All of these are ready when zeroed, hold no memory of their own, and live in the caller's;
 * they are for fibers, not for plain threads.  A waiting fiber costs nothing but its stack.
 * Waits that return an int give up with the ctx's error; those that return nothing do not. */

/* A mutex.  Whoever is running may take it before who has waited, which keeps the data on
 * one core; a fiber that has waited for a millisecond gets it handed over. */
struct hr_mutex {
    uint64_t opaque[4];
};
/* PARKS.  The _ctx form: 0 and locked, or the ctx's error and not. */
void hr_mutex_lock(struct hr_mutex *mutex);
int hr_mutex_lock_ctx(struct hr_mutex *mutex);
bool hr_mutex_try_lock(struct hr_mutex *mutex);
/* By any fiber.  Aborts with a report when it is not locked. */
void hr_mutex_unlock(struct hr_mutex *mutex);

/* Many readers or one writer; a waiting writer holds up new readers.  PARKS. */
struct hr_rwlock {
    uint64_t opaque[4];
};
void hr_rwlock_lock(struct hr_rwlock *lock);
void hr_rwlock_unlock(struct hr_rwlock *lock);
void hr_rwlock_lock_shared(struct hr_rwlock *lock);
void hr_rwlock_unlock_shared(struct hr_rwlock *lock);

/* A condition.  Wait gives the mutex back, parks, and takes it again (also after an error);
 * it may return for no reason: look again.  Signals need no mutex and are not kept for who
 * comes later.  PARKS. */
struct hr_cond {
    uint64_t opaque[3];
};
int hr_cond_wait(struct hr_cond *cond, struct hr_mutex *mutex);
void hr_cond_signal(struct hr_cond *cond);
void hr_cond_broadcast(struct hr_cond *cond);

/* A counter of free units.  First come, first served: many small takers do not starve a big
 * one.  take PARKS; give: threads any. */
struct hr_sem {
    uint64_t opaque[3];
};
void hr_sem_init(struct hr_sem *sem, uint32_t units_count);
int hr_sem_take(struct hr_sem *sem, uint32_t units_count);
bool hr_sem_try_take(struct hr_sem *sem, uint32_t units_count);
void hr_sem_give(struct hr_sem *sem, uint32_t units_count);

/* fn(arg) by the first caller; all return after it has.  PARKS. */
struct hr_once {
    uint64_t opaque[4];
};
void hr_once_do(struct hr_once *once, hr_fn *fn, void *arg);

/* Wait until as many are done as were added.  add and done: threads any; below zero aborts
 * with a report.  wait PARKS. */
struct hr_wg {
    uint64_t opaque[4];
};
void hr_wg_add(struct hr_wg *wg, uint32_t count);
void hr_wg_done(struct hr_wg *wg);
int hr_wg_wait(struct hr_wg *wg);

/* Fibers that stand and fall together: the first error cancels the ctx of the others. */
struct hr_group {
    struct hr_ctx *ctx; /* of the group's fibers; yours to read */
    uint64_t opaque[6];
};
typedef int hr_group_fn(void *arg);
/* Under parent (NULL: the caller's ctx).  -ENOMEM. */
int hr_group_init(struct hr_group *group, struct hr_ctx *parent);
/* name as in hr_go.  -EAGAIN at the bound of fibers, -ENOMEM. */
int hr_group_go(struct hr_group *group, hr_group_fn *fn, void *arg, const char *name);
/* Wait for all, whatever becomes of the caller's ctx; the first error, or 0.  Ends the group:
 * initialise it again to use it again.  PARKS. */
int hr_group_wait(struct hr_group *group);

/* One call at a time for each key: who comes while it runs gets its result too. */
struct hr_flight {
    uint64_t opaque[3];
};
/* fn(arg) fills *result (result_size bytes, copied to those who share) and returns an int.
 * *ret_shared (may be NULL): the result was another's.  PARKS; does not give up. */
struct hr_flight_call {
    const char *key;
    hr_group_fn *fn;
    void *arg;
    void *result;
    size_t result_size;
};
int hr_flight_do(struct hr_flight *flight, const struct hr_flight_call *call, bool *ret_shared);

/* ---- waiting for the world --------------------------------------------------------------- */

/* Run fn(arg) on a thread of the blocking pool; the fiber parks until it returned, whatever
 * its ctx does (fn's own hook must interrupt it).  PARKS.  0, or -EAGAIN when the pool's
 * queue is full. */
int hr_blocking(hr_fn *fn, void *arg);

/* Around a call that is known to block: the proc is taken away at once if others wait, and
 * not only when the thread is seen to stand still (which is what happens anyway: a blocking
 * call needs no annotation, this is for the impatient).  Threads: fiber. */
void hr_block_begin(void);
void hr_block_end(void);

/* A one-shot event that any thread can set and one fiber waits for. */
struct hr_event {
    void *opaque[4];
};
void hr_event_init(struct hr_event *event);
/* Threads: any.  Idempotent. */
void hr_event_set(struct hr_event *event);
/* 0 once set; -ECANCELED or -ETIMEDOUT (then the event may still be set later: keep its
 * memory until the setter is done).  PARKS. */
int hr_event_wait(struct hr_event *event);

/* Non-blocking descriptors; PARK until ready, at most until deadline (and the ctx's).
 * >= 0 bytes, or a negative errno. */
int64_t hr_read(int fd, void *bytes, size_t size, int64_t deadline);
int64_t hr_write(int fd, const void *bytes, size_t size, int64_t deadline);
/* For who reads by other means, and has found nothing: until there may be something.  PARKS.
 * 0 (look again, also for no reason), or a negative errno. */
int hr_wait_readable(int fd, int64_t deadline);
/* The accepted descriptor (non-blocking, close-on-exec), or a negative errno. */
int64_t hr_accept(int fd, int64_t deadline);
/* 0 or a negative errno; the socket is non-blocking. */
struct sockaddr;
int hr_connect(int fd, const struct sockaddr *address, uint32_t size, int64_t deadline);
/* Look host up (in hr_blocking's pool) and connect to the first address that answers.  A
 * descriptor (TCP_NODELAY, non-blocking), or a negative errno; -ENOENT: no such name. */
int hr_dial(const char *host, uint16_t port, int64_t deadline);
/* Before close(2): wakes whoever waits for fd (-EBADF) and forgets it. */
void hr_fd_forget(int fd);

#ifdef HR_EXPORTS
#pragma GCC visibility pop
#endif
#ifdef __cplusplus
}
#endif
#endif
