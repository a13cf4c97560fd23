/* SPDX-License-Identifier: MIT */
#include "worker/sched/runtime.h"

#include "common/pure/check.h"
#include "worker/sched/ctx.h"
#include "worker/sched/dump.h"
#include "worker/sched/futex.h"
#include "worker/sched/handoff.h"
#include "worker/sched/idle.h"
#include "worker/sched/netpoll.h"
#include "worker/sched/slow.h"
#include "worker/sched/ticks.h"
#include "worker/sched/trace.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

enum {
    STACK_SIZE = 64 * 1024,
    FIBERS_COUNT = 4 << 20,
    SANITIZED_STACK_FACTOR = 4,
    SANITIZED_FIBERS_COUNT = 1 << 18,
    BLOCKING_THREADS_COUNT = 64,
    STALE_NS = 40 * 1000,
    CALIBRATE_NS = 200 * 1000,
    QUIET_LOOK_NS = 20 * 1000 * 1000,
    DEAD_LOOKS_COUNT = 5
};

static pthread_mutex_t start_lock = PTHREAD_MUTEX_INITIALIZER;

_Thread_local struct thread *proc_here_tls;

__attribute__((noinline)) uintptr_t
proc_os_thread(void)
{
    __asm__ volatile("");
    return (uintptr_t) pthread_self();
}

/* ---- threads ---- */

void
runtime_signals_block(void)
{
    sigset_t set;
    sigfillset(&set);
    static const int synchronous[] = { SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP, SIGABRT,
        SIGSYS, SIGPROF };
    for (size_t i = 0; i < ARRAY_COUNT(synchronous); i++) {
        sigdelset(&set, synchronous[i]);
    }
    pthread_sigmask(SIG_BLOCK, &set, NULL);
}

static void
annotate_own_stack(struct thread *thread)
{
#if ANNOTATE_ASAN
    pthread_attr_t attr;
    void *bottom = NULL;
    CHECK(pthread_getattr_np(pthread_self(), &attr) == 0);
    CHECK(pthread_attr_getstack(&attr, &bottom, &thread->annotate.size) == 0);
    pthread_attr_destroy(&attr);
    thread->annotate.bottom = bottom;
#endif
#if ANNOTATE_TSAN
    thread->annotate.tsan_fiber = __tsan_get_current_fiber();
#endif
    (void) thread;
}

static void *
thread_main(void *arg)
{
    struct thread *thread = arg;
    proc_here_tls = thread;
    runtime_signals_block();
    annotate_own_stack(thread);
    overflow_thread_enter(thread);
    trace_thread_enter(thread);
    proc_thread_loop(thread);
    overflow_thread_leave(thread);
    return NULL;
}

struct thread *
runtime_thread_start(void)
{
    struct thread *thread = aligned_alloc(64, (sizeof *thread + 63) & ~(size_t) 63);
    if (thread == NULL) {
        return NULL;
    }
    memset(thread, 0, sizeof *thread);
    /* Not born yet is not "in user code": else sysmon would take its proc away. */
    atomic_store_explicit(&thread->in_rt, 1, memory_order_relaxed);
    thread->random = UINT64_C(0x9e3779b97f4a7c15) ^ (uint64_t) (uintptr_t) thread;
    lock_take(&sched.lock);
    bool has_room = sched.threads_count < PROC_THREADS_COUNT_MAX;
    if (has_room) {
        sched.threads_count++;
        thread->all_next = sched.threads;
        sched.threads = thread;
        proc_adopt_idle(thread); /* its first proc, if one is waiting */
    }
    lock_give(&sched.lock);
    if (has_room && overflow_thread_init(thread) &&
        pthread_create(&thread->id, NULL, thread_main, thread) == 0) {
        pthread_setname_np(thread->id, "hr-proc");
        CHECK(pthread_getcpuclockid(thread->id, &thread->cpu_clock) == 0);
        return thread;
    }
    if (has_room) {
        lock_take(&sched.lock);
        for (struct thread **link = &sched.threads; *link != NULL; link = &(*link)->all_next) {
            if (*link == thread) {
                *link = thread->all_next;
                break;
            }
        }
        sched.threads_count--;
        if (thread->proc != NULL) {
            proc_give_idle(thread);
        }
        lock_give(&sched.lock);
    }
    overflow_thread_fini(thread);
    free(thread);
    return NULL;
}

static void
threads_stop(void)
{
    atomic_store_explicit(&sched.is_over, 1, memory_order_release);
    lock_take(&sched.lock);
    struct thread *thread = sched.threads;
    for (struct thread *each = thread; each != NULL; each = each->all_next) {
        atomic_store_explicit(&each->futex, 1, memory_order_release);
        futex_wake(&each->futex, 1);
    }
    lock_give(&sched.lock);
    netpoll_kick();
    while (thread != NULL) {
        struct thread *next = thread->all_next;
        pthread_join(thread->id, NULL);
        overflow_thread_fini(thread);
        free(thread);
        thread = next;
    }
    sched.threads = NULL;
}

/* ---- the whole ---- */

/* Procs are never unmapped: a ctx that outlives the runtime points at a wheel. */
static bool
procs_init(uint32_t procs_count)
{
    if (proc_all == NULL) {
        void *memory = mmap(NULL, PROC_COUNT_MAX * sizeof(struct proc), PROT_READ | PROT_WRITE,
            MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
        if (memory == MAP_FAILED) {
            return false;
        }
        proc_all = memory;
    }
    int64_t now = hr_now();
    memset(&sched, 0, sizeof sched);
    sched.procs_count = procs_count;
    atomic_store_explicit(&sched.poll_until_ns, INT64_MIN, memory_order_relaxed);
    atomic_store_explicit(&sched.coarse_ns, now, memory_order_relaxed);
    for (uint32_t i = procs_count; i-- > 0;) {
        struct proc *proc = &proc_all[i];
        proc->index = i;
        atomic_store_explicit(&proc->next, NULL, memory_order_relaxed);
        proc->is_draining = false;
        proc->is_growing = false;
        atomic_store_explicit(&proc->fair_mask, PROC_FAIR_TURNS - 1, memory_order_relaxed);
        atomic_store_explicit(&proc->steals_count, 0, memory_order_relaxed);
        meter_reset(&proc->queue_meter);
        meter_reset(&proc->cancel_meter);
        atomic_store_explicit(&proc->carrier, NULL, memory_order_relaxed); /* of a last run */
        proc->work_since = 0;
        proc->stacks.count = 0;
        proc->caches[PROC_POOL_FIBER] = (struct slab_cache){ 0 };
        atomic_store_explicit(&proc->started_count, 0, memory_order_relaxed);
        atomic_store_explicit(&proc->ended_count, 0, memory_order_relaxed);
        timer_wheel_init(&proc->wheel, now);
        proc->idle_next = sched.idle;
        sched.idle = proc;
        atomic_fetch_add_explicit(&sched.idle_count, 1, memory_order_relaxed);
    }
    int64_t ticks = ticks_now();
    while (hr_now() - now < CALIBRATE_NS) {
        lock_pause();
    }
    sched.stale_ticks = (ticks_now() - ticks) * STALE_NS / (hr_now() - now);
    return true;
}

/* Address space may be short (ulimit -v): take less of it then, down to a floor. */
static bool
memory_init(uint32_t stack_size, uint32_t fibers_count, uint32_t procs_count)
{
    enum {
        FIBERS_COUNT_FLOOR = 1024
    };
    if (!ctx_pool_init() || !chan_pool_init()) {
        return false;
    }
    for (;;) {
        uint32_t slots_count = fibers_count + procs_count * STACK_MAGAZINE_COUNT;
        if (slab_init(&fiber_pool, sizeof(struct hr_fiber), fibers_count)) {
            if (stack_window_init(stack_size, slots_count)) {
                return true;
            }
            slab_fini(&fiber_pool);
        }
        if (fibers_count <= FIBERS_COUNT_FLOOR) {
            return false;
        }
        fibers_count /= 2;
    }
}

static void
runtime_free(void)
{
    atomic_store_explicit(&sched.is_running, 0, memory_order_release);
    blocking_stop();
    sysmon_stop();
    threads_stop();
    overflow_handler_remove();
    netpoll_stop();
    trace_free();
    for (uint32_t i = 0; i < sched.procs_count; i++) {
        timer_wheel_fini(&proc_all[i].wheel);
    }
    stack_window_fini();
    slab_fini(&fiber_pool);
}

static int
runtime_new(const struct hr_options *options)
{
    uint32_t procs_count =
        options->procs_count > 0 ? options->procs_count : limits_procs_count();
    uint32_t stack_size = options->stack_size > 0 ? options->stack_size : STACK_SIZE;
    uint32_t fibers_count = options->fibers_count_max > 0 ? options->fibers_count_max
                            : ANNOTATE_ANY                ? SANITIZED_FIBERS_COUNT
                                                          : FIBERS_COUNT;
    uint32_t blocking_count = options->blocking_threads_count_max > 0
                                  ? options->blocking_threads_count_max
                                  : BLOCKING_THREADS_COUNT;
    if (procs_count > PROC_COUNT_MAX || stack_size > STACK_SIZE_MAX ||
        fibers_count > FIBERS_COUNT) {
        return -EINVAL;
    }
    stack_size = stack_size < STACK_SIZE_MIN ? STACK_SIZE_MIN : stack_size;
    stack_size *= ANNOTATE_ANY ? SANITIZED_STACK_FACTOR : 1;

    if (!procs_init(procs_count) || !memory_init(stack_size, fibers_count, procs_count)) {
        return -ENOMEM;
    }
    int err = blocking_start(blocking_count) ? netpoll_start() : -ENOMEM;
    if (err != 0) {
        runtime_free();
        return err;
    }
    handoff_init();
    sched.is_deadlock_fatal = options->is_deadlock_fatal;
    slow_init(options);
    overflow_handler_install();
    for (uint32_t i = 0; i < procs_count; i++) {
        if (runtime_thread_start() == NULL) {
            runtime_free();
            return -EAGAIN;
        }
    }
    err = sysmon_start();
    if (err != 0) {
        runtime_free();
        return err;
    }
    atomic_store_explicit(&sched.is_running, 1, memory_order_release);
    return 0;
}

int
hr_start(const struct hr_options *options)
{
    static const struct hr_options defaults = { 0 };
    CHECK(fiber_self() == NULL);

    pthread_mutex_lock(&start_lock);
    int err = -EALREADY;
    if (atomic_load_explicit(&sched.is_running, memory_order_acquire) == 0) {
        err = runtime_new(options != NULL ? options : &defaults);
    }
    pthread_mutex_unlock(&start_lock);
    return err;
}

int
hr_stop(void)
{
    CHECK(fiber_self() == NULL);

    pthread_mutex_lock(&start_lock);
    int err = -EALREADY;
    if (atomic_load_explicit(&sched.is_running, memory_order_acquire) != 0) {
        atomic_store_explicit(&sched.is_stopping, 1, memory_order_seq_cst);
        idle_check_quiet();
        uint32_t dead_looks = 0;
        while (atomic_load_explicit(&sched.is_quiet, memory_order_acquire) == 0) {
            futex_wait(&sched.is_quiet, 0, hr_now() + QUIET_LOOK_NS);
            idle_check_quiet();
            dead_looks = dump_is_deadlock() ? dead_looks + 1 : 0;
            if (dead_looks == DEAD_LOOKS_COUNT) {
                dump_deadlock(sched.is_deadlock_fatal);
            }
        }
        runtime_free();
        err = 0;
    }
    pthread_mutex_unlock(&start_lock);
    return err;
}

uint32_t
hr_procs_count(void)
{
    return sched.procs_count;
}
