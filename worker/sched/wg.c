/* SPDX-License-Identifier: MIT
 *
 * worker/sched/wg.c - wait groups, and groups of fibers with errors on top of them.
 *
 * One word: the count, and WAITED when someone waits.  The done that brings the count to
 * zero touches the rest only if WAITED is set: a waiter that finds zero may return at once
 * and its memory be gone.
 *
 *   done                                waiter
 *   D1  word -= 1                       W1  queue lock
 *   D2  zero without WAITED: gone       W2  word |= WAITED unless all of it is zero: gone
 *   D3  zero with WAITED: queue lock,   W3  enqueue; the commit gives the lock back
 *       WAITED off, wake all
 *
 * A waiter that gave up leaves WAITED behind.  Who finds a count of zero with it waits too:
 * a D3 is on its way, and would come to memory that its owner takes for his own again.
 */
#include "common/pure/check.h"
#include "worker/sched/ctx.h"
#include "worker/sched/waitq.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#define WAITED (UINT64_C(1) << 63)

struct wg {
    _Atomic uint64_t word;
    struct waitq queue;
};
_Static_assert(sizeof(struct wg) <= sizeof(struct hr_wg), "fits");

static struct wg *
wg_of(struct hr_wg *wg)
{
    return (struct wg *) (void *) wg;
}

void
hr_wg_add(struct hr_wg *wg, uint32_t count)
{
    atomic_fetch_add_explicit(&wg_of(wg)->word, count, memory_order_relaxed);
}

static void
wg_wake(struct wg *wg)
{
    struct hr_fiber *self = fiber_self();
    struct thread *thread = proc_enter_any(self);
    struct runq_list woken = { 0 };
    lock_take(&wg->queue.lock); /* D3 */
    atomic_fetch_and_explicit(&wg->word, ~WAITED, memory_order_relaxed);
    waitq_take_all(&wg->queue, &woken);
    lock_give(&wg->queue.lock);
    if (woken.count == 1 && thread != NULL) {
        proc_ready(thread, woken.head);
    } else {
        proc_ready_list(thread, &woken);
    }
    if (self != NULL) {
        proc_leave(self);
    }
}

void
hr_wg_done(struct hr_wg *public)
{
    struct wg *wg = wg_of(public);
    uint64_t old = atomic_fetch_sub_explicit(&wg->word, 1, memory_order_acq_rel); /* D1 */
    if (__builtin_expect((old & ~WAITED) == 0, 0)) {
        fprintf(stderr, "hedgerow: a wait group went below zero\n");
        check_failed("hr_wg_done not more often than added", __FILE__, __LINE__);
    }
    if (old == (WAITED | 1)) {
        wg_wake(wg);
    }
}

static int
wg_wait(struct wg *wg, bool is_cancellable)
{
    struct hr_fiber *self = fiber_self();
    CHECK(self != NULL);
    proc_enter(self);
    int err = 0;
    lock_take(&wg->queue.lock); /* W1 */
    uint64_t word = atomic_load_explicit(&wg->word, memory_order_acquire);
    while (word != 0 && !atomic_compare_exchange_weak_explicit(&wg->word, &word, word | WAITED,
                            memory_order_acq_rel, memory_order_acquire)) { /* W2 */
    }
    if (word == 0) {
        lock_give(&wg->queue.lock);
    } else {
        struct waitq_waiter waiter = { .wanted = 0 };
        if (waitq_wait(&wg->queue, &waiter, is_cancellable, "wait group") != WOKEN_OK) {
            err = hr_ctx_err(self->ctx);
        }
    }
    proc_leave_parks(self);
    return err;
}

int
hr_wg_wait(struct hr_wg *wg)
{
    return wg_wait(wg_of(wg), /* is_cancellable= */ true);
}

/* ---- groups ---- */

struct group {
    struct hr_ctx *ctx;
    struct hr_wg wg;
    _Atomic int err;
};
_Static_assert(sizeof(struct group) <= sizeof(struct hr_group), "fits");

struct member {
    struct group *group;
    hr_group_fn *fn;
    void *arg;
};

static struct group *
group_of(struct hr_group *group)
{
    return (struct group *) (void *) group;
}

int
hr_group_init(struct hr_group *public, struct hr_ctx *parent)
{
    *public = (struct hr_group){ 0 };
    public->ctx = hr_ctx_new(parent != NULL ? parent : hr_ctx_self(), HR_NEVER);
    return public->ctx != NULL ? 0 : -ENOMEM;
}

static void
member_main(void *arg)
{
    struct member member = *(struct member *) arg;
    free(arg);
    int err = member.fn(member.arg);
    if (err != 0) {
        int none = 0;
        atomic_compare_exchange_strong_explicit(
            &member.group->err, &none, err, memory_order_acq_rel, memory_order_relaxed);
        hr_ctx_cancel(member.group->ctx, HR_CAUSE_GROUP);
    }
    hr_wg_done(&member.group->wg);
}

int
hr_group_go(struct hr_group *public, hr_group_fn *fn, void *arg, const char *name)
{
    struct group *group = group_of(public);
    struct member *member = malloc(sizeof *member);
    if (member == NULL) {
        return -ENOMEM;
    }
    *member = (struct member){ .group = group, .fn = fn, .arg = arg };
    hr_wg_add(&group->wg, 1);
    int err = hr_go_ctx(group->ctx, member_main, member, name);
    if (err != 0) {
        hr_wg_done(&group->wg);
        free(member);
    }
    return err;
}

int
hr_group_wait(struct hr_group *public)
{
    struct group *group = group_of(public);
    wg_wait(wg_of(&group->wg), /* is_cancellable= */ false);
    hr_ctx_rele(group->ctx);
    group->ctx = NULL;
    return atomic_load_explicit(&group->err, memory_order_acquire);
}
