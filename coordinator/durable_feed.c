/* SPDX-License-Identifier: MIT */
#include "common/sys/clock.h"
#include "common/sys/log.h"
#include "coordinator/durable_state.h"

#include <string.h>

#define RETRY_FULL   duration_ms(20)
#define RETRY_WORKER duration_ms(500)
/* A backlog that nobody can run is looked at less often, so that looking stays cheap. */
#define RETRY_WORKER_EACH duration_us(50)

static void feed(struct durable *durable, struct durable_job *job);

void
durable_arm(struct durable *durable)
{
    struct heap_node *first = heap_first(&durable->waiting);
    loop_timer_arm(
        durable->timer, first != NULL ? (instant_t){ .ns = first->key } : INSTANT_NEVER);
}

/* Its turn comes when its time does, and not before at_least. */
void
durable_wait(struct durable *durable, struct durable_job *job, duration_t at_least)
{
    instant_t when = instant_add(clock_now(), at_least);
    instant_t run_at = durable_instant(durable, job->run_at_ms);
    job->step = DURABLE_WAITING;
    if (instant_before(when, run_at)) {
        when = run_at;
        /* It is on disk; memory is for those that run. */
        ledger_input_done(durable->shell->ledger, ledger_find(durable->shell->ledger, job->id));
    }
    heap_push(&durable->waiting, &job->due, when.ns);
    durable_arm(durable);
}

/* ---- what is read and marked first -------------------------------------------------- */

static void
on_loaded(void *user, struct store_op *op)
{
    struct durable *durable = user;
    struct ledger *ledger = durable->shell->ledger;
    struct durable_job *job = durable_find(durable, op->job.id);
    CHECK(job != NULL);
    CHECK(job->step == DURABLE_LOADING);
    err_t err = op->err;
    if (err == ERR_OK) {
        struct entry *entry = ledger_find(ledger, job->id);
        err = ledger_input_put(ledger, entry, op->job.input.at, op->job.input.size);
        if (err == ERR_OK) {
            op->job.input = (struct store_bytes){ 0 }; /* the ledger's now */
        }
    }
    store_op_free(durable->store, op);
    if (job->must_cancel) {
        durable_end(durable, job, JOB_CANCELLED, job->cause);
    } else if (err != ERR_OK) {
        log_warn("input of a durable job cannot be read", LOG_ERR(err));
        durable_wait(durable, job, RETRY_WORKER);
    } else {
        feed(durable, job);
    }
}

static void
on_marked(void *user, struct store_op *op)
{
    struct durable *durable = user;
    struct durable_job *job = durable_find(durable, op->job.id);
    CHECK(job != NULL);
    CHECK(job->step == DURABLE_STARTING);
    job->is_marked = op->err == ERR_OK;
    store_op_free(durable->store, op);
    if (job->must_cancel) {
        durable_end(durable, job, JOB_CANCELLED, job->cause);
    } else if (!job->is_marked) {
        durable_wait(durable, job, RETRY_WORKER);
    } else {
        feed(durable, job);
    }
}

/* false: not now. */
static bool
ask_store(struct durable *durable, struct durable_job *job, enum store_op_kind kind)
{
    struct store_op *op;
    if (store_op_new(durable->store, kind, &op) != ERR_OK) {
        return false;
    }
    op->job.id = job->id;
    op->job.fence = job->fence;
    op->wants_input = true;
    op->on_done = kind == STORE_READ ? on_loaded : on_marked;
    op->user = durable;
    job->step = kind == STORE_READ ? DURABLE_LOADING : DURABLE_STARTING;
    store_do(durable->store, op);
    return true;
}

/* ---- to the core -------------------------------------------------------------------- */

static bool
is_idempotent(const struct durable *durable, const struct durable_job *job, const char *handler)
{
    if (job->policy.idempotent >= 0) {
        return job->policy.idempotent > 0;
    }
    const struct core *core = durable->shell->core;
    for (uint32_t i = 0; i < core_handlers_count(core); i++) {
        struct handler_view view;
        core_handler_at(core, i, &view);
        if (strcmp(view.name, handler) == 0) {
            return (view.flags & HANDLER_IDEMPOTENT) != 0;
        }
    }
    return false;
}

static void
put_off(struct durable *durable, struct durable_job *job, enum submit_refusal why)
{
    struct shell *shell = durable->shell;
    switch (why) {
    case SUBMIT_DEADLINE:
        durable_end(durable, job, JOB_DEADLINE_EXCEEDED, CAUSE_DEADLINE);
        return;
    case SUBMIT_FULL:
    case SUBMIT_LATE: durable_wait(durable, job, RETRY_FULL); return;
    case SUBMIT_UNKNOWN_HANDLER: /* after a restart: its workers are not back yet */
    case SUBMIT_NO_WORKER:
    case SUBMIT_DRAINING:
    case SUBMIT_DUPLICATE_ID:
    case SUBMIT_NOT_STORED: {
        ledger_input_done(shell->ledger, ledger_find(shell->ledger, job->id));
        int64_t more_ns = RETRY_WORKER_EACH.ns * durable->waiting.count;
        durable_wait(durable, job, duration_ns(RETRY_WORKER.ns + more_ns));
        return;
    }
    }
}

static bool
has_room(const struct durable *durable)
{
    const struct shell *shell = durable->shell;
    uint32_t live_count = core_counters(shell->core)->jobs_live_count;
    return live_count < (uint32_t) (DURABLE_SHARE_OF_JOBS * (double) shell->jobs_max);
}

static void
feed(struct durable *durable, struct durable_job *job)
{
    struct shell *shell = durable->shell;
    struct entry *entry = ledger_find(shell->ledger, job->id);
    CHECK(entry != NULL); /* U1 */
    struct event_submit submit;
    struct core_command refusal;
    durable_event(job, entry, &submit);
    if (!core_accepts(shell->core, &submit, &refusal)) {
        put_off(durable, job, refusal.refuse.why);
        return;
    }
    if (entry->input == NULL) {
        if (!ask_store(durable, job, STORE_READ)) {
            durable_wait(durable, job, RETRY_FULL);
        }
        return;
    }
    if (!job->is_marked && !is_idempotent(durable, job, entry->handler)) {
        if (!ask_store(durable, job, STORE_START)) {
            durable_wait(durable, job, RETRY_FULL);
        }
        return;
    }
    job->step = DURABLE_RUNNING;
    shell->refused = false;
    shell_step(shell, &(struct core_event){ .kind = EVENT_SUBMIT, .submit = submit });
    CHECK(!shell->refused); /* core_accepts() said so */
}

void
durable_on_timer(void *user)
{
    struct durable *durable = user;
    instant_t now = clock_now();
    struct heap_node *first;
    while (!durable->is_draining && (first = heap_first(&durable->waiting)) != NULL &&
           instant_reached(now, (instant_t){ .ns = first->key })) {
        if (!has_room(durable)) {
            loop_timer_arm(durable->timer, instant_add(now, RETRY_FULL));
            return;
        }
        heap_remove(&durable->waiting, first);
        feed(durable, CONTAINER_OF(first, struct durable_job, due));
    }
    durable_arm(durable);
}
