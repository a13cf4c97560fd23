/* SPDX-License-Identifier: MIT
 *
 * The one who looks from outside: a thread that wakes every millisecond while procs are busy
 * (every 100 us while something waits behind a fiber that does not move).  It
 *
 *   - gets help for work that waits while procs are idle;
 *   - hands the proc of a blocked or hogging thread to another one (handoff.h), if something
 *     waits.  Blocked: the thread's CPU clock stands still.  Hog: no turn for a millisecond;
 *   - asks a fiber that has run for 10 ms to yield at its next call;
 *   - polls the network when nobody sleeps there.
 *
 * THREADS  its own.  It reads procs through atomics only.
 */
#include "worker/sched/runtime.h"

#include "common/sys/clock.h"
#include "worker/sched/dump.h"
#include "worker/sched/futex.h"
#include "worker/sched/handoff.h"
#include "worker/sched/idle.h"
#include "worker/sched/netpoll.h"
#include "worker/sched/slow.h"
#include "worker/sched/trace.h"

#include <errno.h>
#include <string.h>
#include <time.h>

enum {
    PERIOD_NS = 1000 * 1000,
    TENSE_PERIOD_NS = 100 * 1000,
    SLEEP_AFTER_NS = 100 * 1000 * 1000,
    SLICE_NS = 10 * 1000 * 1000,
    HOG_NS = 1000 * 1000,
    HOG_CROWD_FACTOR = 4,
    BLOCKED_NS = 80 * 1000,
    BLOCKED_SHARE = 4, /* it ran for less than a quarter of the time */
    THREADS_SPARE_MIN = 2
};

/* What was seen of a proc. */
struct view {
    uint32_t turns;
    int64_t since;  /* the last turn, about */
    int64_t cpu_ns; /* of its thread, at cpu_at; 0: not looked at */
    int64_t cpu_at;
};

static struct {
    pthread_t id;
    bool is_started;
    _Atomic uint32_t is_over;
    int64_t busy_at;
    struct view views[PROC_COUNT_MAX];
} sysmon;

static int64_t
cpu_time(const struct thread *thread)
{
    struct timespec time = { 0 };
    clock_gettime(thread->cpu_clock, &time);
    return (int64_t) time.tv_sec * 1000000000 + time.tv_nsec;
}

/* Has the thread done next to nothing since we first wondered? */
static bool
is_blocked(struct view *view, const struct thread *thread, int64_t now)
{
    if (atomic_load_explicit(&thread->is_blocking, memory_order_relaxed) != 0) {
        return true;
    }
    if (view->cpu_at == 0) {
        view->cpu_ns = cpu_time(thread);
        view->cpu_at = now;
        return false;
    }
    if (now - view->cpu_at < BLOCKED_NS) {
        return false;
    }
    int64_t ran = cpu_time(thread) - view->cpu_ns;
    if (ran * BLOCKED_SHARE < now - view->cpu_at) {
        return true;
    }
    view->cpu_at = 0; /* look at a fresh stretch of time */
    return false;
}

/* How long a fiber may burn before others get its proc: the longer, the more threads burn
 * already, for they all share the cores. */
static int64_t
hog_ns(void)
{
    lock_take(&sched.lock);
    int64_t crowd = sched.hogs_count / sched.procs_count;
    lock_give(&sched.lock);
    return HOG_NS * (1 + HOG_CROWD_FACTOR * crowd);
}

/* Something waits that this proc would serve, if its fiber moved. */
static void
relieve(struct proc *proc, struct view *view, int64_t now)
{
    struct thread *thread = atomic_load_explicit(&proc->carrier, memory_order_acquire);
    if (thread == NULL || !sched.can_hand_off ||
        atomic_load_explicit(&thread->in_rt, memory_order_relaxed) != 0) {
        return;
    }
    bool blocked = is_blocked(view, thread, now);
    bool is_hog = !blocked && now - view->since >= hog_ns();
    if (!blocked && !is_hog) {
        return;
    }
    switch (handoff_take(proc, is_hog)) {
    case HANDOFF_DONE:
        view->since = now;
        view->cpu_at = 0;
        break;
    case HANDOFF_BUSY: break;
    case HANDOFF_NO_THREAD: runtime_thread_start(); break; /* for the next look */
    }
}

/* true: look again soon. */
static bool
look_at(struct proc *proc, struct view *view, bool others_wait, int64_t now)
{
    uint32_t turns = atomic_load_explicit(&proc->turns, memory_order_relaxed);
    struct thread *thread = atomic_load_explicit(&proc->carrier, memory_order_acquire);
    if (turns != view->turns || thread == NULL) {
        *view = (struct view){ .turns = turns, .since = now };
        return false;
    }
    if (now - view->since > SLICE_NS) {
        atomic_store_explicit(&thread->preempt, 1, memory_order_relaxed);
    }
    bool has_next = atomic_load_explicit(&proc->next, memory_order_relaxed) != NULL;
    bool has_queue = runq_ring_count(&proc->ring) > 0 || runq_deque_count(&proc->deque) > 0;
    bool has_idle = atomic_load_explicit(&sched.idle_count, memory_order_relaxed) > 0;
    if (!has_next && !has_queue && !others_wait) {
        return false;
    }
    if (has_idle && !has_next) {
        idle_wake_one(); /* a thief gets at everything but the next slot */
        return false;
    }
    relieve(proc, view, now);
    return true;
}

static bool
timers_are_due(int64_t now)
{
    for (uint32_t i = 0; i < sched.procs_count; i++) {
        if (timer_wheel_next(&proc_all[i].wheel) <= now) {
            return true;
        }
    }
    return false;
}

static void
poll_for_nobody(void)
{
    lock_take(&sched.lock);
    bool has_poller = sched.poller != NULL;
    lock_give(&sched.lock);
    if (has_poller || !netpoll_is_used()) {
        return;
    }
    struct runq_list woken = { 0 };
    netpoll_poll(0, &woken);
    proc_ready_list(NULL, &woken);
}

static bool
look(int64_t now)
{
    poll_for_nobody();
    bool others_wait = atomic_load_explicit(&sched.shared_count, memory_order_relaxed) > 0 ||
                       timers_are_due(now);
    bool is_tense = false;
    for (uint32_t i = 0; i < sched.procs_count; i++) {
        is_tense |= look_at(&proc_all[i], &sysmon.views[i], others_wait, now);
    }
    if (others_wait) {
        idle_wake_one();
    }
    return is_tense;
}

static bool
all_idle(void)
{
    return atomic_load_explicit(&sched.idle_count, memory_order_seq_cst) == sched.procs_count;
}

/* Nothing has run for long: sleep until somebody does. */
static void
sleep_for_good(void)
{
    atomic_store_explicit(&sched.is_sysmon_asleep, 1, memory_order_seq_cst);
    if (all_idle() && atomic_load_explicit(&sysmon.is_over, memory_order_seq_cst) == 0) {
        futex_wait(&sched.is_sysmon_asleep, 1, INT64_MAX);
    }
    atomic_store_explicit(&sched.is_sysmon_asleep, 0, memory_order_seq_cst);
}

static void *
sysmon_main(void *arg)
{
    (void) arg;
    runtime_signals_block();
    bool is_tense = false;
    sysmon.busy_at = hr_now();
    while (atomic_load_explicit(&sysmon.is_over, memory_order_acquire) == 0) {
        int64_t now = hr_now();
        if (!all_idle()) {
            sysmon.busy_at = now;
        } else if (now - sysmon.busy_at > SLEEP_AFTER_NS) {
            sleep_for_good();
            sysmon.busy_at = hr_now();
            dump_if_asked();
            trace_if_asked();
            continue;
        }
        futex_wait(&sysmon.is_over, 0, now + (is_tense ? TENSE_PERIOD_NS : PERIOD_NS));
        now = hr_now();
        atomic_store_explicit(&sched.coarse_ns, now, memory_order_relaxed);
        is_tense = look(now);
        slow_look(now);
        dump_if_asked();
        trace_if_asked();
    }
    return NULL;
}

int
sysmon_start(void)
{
    memset(&sysmon, 0, sizeof sysmon);
    if (pthread_create(&sysmon.id, NULL, sysmon_main, NULL) != 0) {
        return -EAGAIN;
    }
    pthread_setname_np(sysmon.id, "hr-sysmon");
    sysmon.is_started = true;
    return 0;
}

void
sysmon_stop(void)
{
    if (!sysmon.is_started) {
        return;
    }
    atomic_store_explicit(&sysmon.is_over, 1, memory_order_seq_cst);
    futex_wake(&sysmon.is_over, 1);
    idle_poke_sysmon();
    pthread_join(sysmon.id, NULL);
    sysmon.is_started = false;
}
