/* SPDX-License-Identifier: MIT */
#include "common/sys/clock.h"
#include "common/sys/log.h"
#include "coordinator/durable_state.h"

#include <stdio.h>

#define EXPIRE_EVERY   duration_s(10)
#define UNKNOWN_STATE  "UNKNOWN_OUTCOME"
#define UNKNOWN_REASON "it was running when the coordinator died, and may not run twice"

/* ---- the end ------------------------------------------------------------------------ */

/* On disk: tell who waits, and let the slot go. */
static void
tell(struct durable *durable, struct durable_job *job)
{
    struct shell *shell = durable->shell;
    job_id_t id = job->id;
    struct job_view view;
    bool is_in_core = core_job(shell->core, id, &view);
    struct entry *entry = ledger_find(shell->ledger, id);
    CHECK(entry != NULL); /* U1 */
    durable->counters.ended_count++;
    if (is_in_core) {
        durable_give(durable, job); /* from now on it looks as the core says */
        shell_step_tell(shell, id);
        return;
    }
    /* The core never had it, or not any more: those who wait are told from the store. */
    entry->detached = true;
    api_ticket_t ticket;
    while ((ticket = ledger_next_waiter(shell->ledger, entry)) != 0) {
        const struct api_recall recall = { .what = RECALL_JOB, .job = id };
        if (!durable_recall(durable, ticket, &recall)) {
            api_recalled(shell->api, ticket, &recall, NULL, 0);
        }
    }
    durable_give(durable, job);
    ledger_forget(shell->ledger, id);
}

static void
on_finished(void *user, struct store_op *op)
{
    struct durable *durable = user;
    struct durable_job *job = durable_find(durable, op->job.id);
    CHECK(job != NULL);
    CHECK(job->step == DURABLE_ENDING);
    if (op->err != ERR_OK) {
        /* Fenced off: another coordinator has the job, and its word holds. */
        log_error("end of a durable job was not taken by the store", LOG_ERR(op->err));
    }
    store_op_free(durable->store, op);
    durable->writes_count--;
    tell(durable, job);
}

static bool
fill(struct durable *durable, const struct job_view *view, struct store_job *stored)
{
    struct shell *shell = durable->shell;
    struct slice document = api_document(shell->api, view);
    snprintf(stored->outcome, sizeof stored->outcome, "%s", job_state_text(view->state));
    if (document.size == 0 ||
        store_bytes_copy(&stored->document, document.at, (uint32_t) document.size) != ERR_OK) {
        return false;
    }
    if (view->state != JOB_SUCCEEDED) {
        return true;
    }
    const struct wire_result *reply = shell->reply; /* of the step that ends it */
    CHECK(reply != NULL);
    snprintf(stored->result_type, sizeof stored->result_type, "%s", reply->content_type);
    return store_bytes_copy(&stored->result, reply->bulk, reply->bulk_size) == ERR_OK;
}

static struct store_op *
finish_op(struct durable *durable, const struct durable_job *job)
{
    struct store_op *op;
    err_t err = store_op_new(durable->store, STORE_FINISH, &op);
    CHECK(err == ERR_OK); /* ops_max has one for each slot */
    op->job.id = job->id;
    op->job.fence = job->fence;
    op->job.ended_ms = durable_now_ms();
    op->on_done = on_finished;
    op->user = durable;
    return op;
}

static void
finish_do(struct durable *durable, struct durable_job *job, struct store_op *op)
{
    job->step = DURABLE_ENDING;
    durable->writes_count++;
    store_do(durable->store, op);
}

/* Without memory for it the process cannot keep its promise: the job stays on disk as it is,
 * and runs again after a restart. */
static void
finish(struct durable *durable, struct durable_job *job, const struct job_view *view)
{
    struct store_op *op = finish_op(durable, job);
    if (!fill(durable, view, &op->job)) {
        log_error("no memory to write the end of a durable job");
        CHECK(false);
    }
    finish_do(durable, job, op);
}

void
durable_end(struct durable *durable, struct durable_job *job, enum job_state state,
    enum cancel_cause cause)
{
    struct job_view view;
    bool is_ours = durable_view(durable, job->id, &view);
    CHECK(is_ours);
    view.state = state;
    view.cause = cause;
    view.finished_at = clock_now();
    finish(durable, job, &view);
}

bool
durable_on_answer(struct durable *durable, struct entry *entry, enum job_state state)
{
    struct durable_job *job = durable_find(durable, entry->id);
    CHECK(job != NULL);
    CHECK(job->step == DURABLE_RUNNING);
    struct job_view view;
    bool is_there = core_job(durable->shell->core, entry->id, &view);
    CHECK(is_there);
    job->is_put_off =
        state == JOB_CANCELLED && (view.cause == CAUSE_SHUTDOWN || view.cause == CAUSE_DRAIN);
    if (job->is_put_off) {
        return true;
    }
    durable_set_times(durable, entry, &view);
    finish(durable, job, &view);
    return false;
}

bool
durable_on_forget(struct durable *durable, struct entry *entry)
{
    return durable_find(durable, entry->id) == NULL;
}

/* ---- what a former process left ----------------------------------------------------- */

static void
end_unknown(struct durable *durable, struct durable_job *job)
{
    const struct entry *entry = ledger_find(durable->shell->ledger, job->id);
    struct store_op *op = finish_op(durable, job);
    char id[ID_TEXT_SIZE];
    char text[512];
    id_to_text(job->id, id);
    int size = snprintf(text, sizeof text,
        "{\"id\":\"%s\",\"handler\":\"%s\",\"state\":\"" UNKNOWN_STATE "\",\"attempts\":[],"
        "\"result\":null,\"error\":{\"message\":\"" UNKNOWN_REASON "\"}}",
        id, entry->handler);
    CHECK(size > 0 && (size_t) size < sizeof text);
    snprintf(op->job.outcome, sizeof op->job.outcome, UNKNOWN_STATE);
    err_t err = store_bytes_copy(&op->job.document, text, (uint32_t) size);
    CHECK(err == ERR_OK);
    durable->counters.unknown_count++;
    finish_do(durable, job, op);
}

/* false: no slot, or no entry; the rest is for later. */
static bool
adopt(struct durable *durable, const struct store_job *stored)
{
    struct shell *shell = durable->shell;
    struct entry *entry;
    const struct api_submit submit = { .handler = stored->handler,
        .content_type = stored->content_type,
        .traceparent = stored->traceparent,
        .detach = true };
    struct policy policy;
    if (durable_find(durable, stored->id) != NULL) {
        return true; /* submitted since we started */
    }
    if (durable_options_read(&stored->options, &policy) != ERR_OK) {
        log_error("options of a durable job cannot be read, it is left alone");
        return true;
    }
    if (ledger_add(shell->ledger, stored->id, &submit, &entry) != ERR_OK) {
        return false;
    }
    struct durable_job *job = durable_take(durable, stored->id);
    if (job == NULL) {
        ledger_undo(shell->ledger, entry);
        return false;
    }
    entry->is_durable = true;
    ledger_input_done(shell->ledger, entry);
    job->fence = stored->fence;
    job->created_ms = stored->created_ms;
    job->run_at_ms = stored->run_at_ms;
    job->deadline_ms = stored->deadline_ms;
    entry->created_ms = stored->created_ms;
    entry->deadline_ms = stored->deadline_ms;
    job->policy = policy;
    job->input_size = stored->input.size;
    job->is_marked = stored->state == STORED_STARTED;
    durable->counters.recovered_count++;
    if (job->is_marked) {
        end_unknown(durable, job);
    } else {
        durable_wait(durable, job, DURATION_ZERO);
    }
    return true;
}

static void
on_pending(void *user, struct store_op *op)
{
    struct durable *durable = user;
    bool has_room = true;
    uint32_t i = 0;
    for (; op->err == ERR_OK && i < op->page_count && has_room; i++) {
        has_room = adopt(durable, &op->page[i]);
        if (has_room) {
            durable->read_up_to = op->page[i].id;
        }
    }
    bool is_last = op->err == ERR_OK && op->page_count < STORE_PAGE_MAX;
    err_t err = op->err;
    store_op_free(durable->store, op);
    durable->is_recovering = false;
    durable->has_more = !is_last || !has_room;
    if (err != ERR_OK) {
        log_error("what an earlier process left cannot be read", LOG_ERR(err));
    } else if (durable->has_more && has_room) {
        durable_recover(durable);
    } else if (durable->counters.recovered_count > 0) {
        log_info("durable jobs recovered",
            LOG_I64("jobs", (int64_t) durable->counters.recovered_count),
            LOG_I64("unknown_outcome", (int64_t) durable->counters.unknown_count));
    }
}

void
durable_recover(struct durable *durable)
{
    struct store_op *op;
    if (store_op_new(durable->store, STORE_PENDING, &op) != ERR_OK) {
        return; /* the next slot that falls free asks again */
    }
    op->job.id = durable->read_up_to;
    op->on_done = on_pending;
    op->user = durable;
    durable->is_recovering = true;
    store_do(durable->store, op);
}

/* ---- what is old -------------------------------------------------------------------- */

static void
on_expired(void *user, struct store_op *op)
{
    struct durable *durable = user;
    bool has_more = op->err == ERR_OK && op->page_count == STORE_PAGE_MAX;
    store_op_free(durable->store, op);
    loop_timer_arm(
        durable->expire_timer, has_more ? clock_now() : instant_add(clock_now(), EXPIRE_EVERY));
}

void
durable_on_expire_timer(void *user)
{
    struct durable *durable = user;
    struct store_op *op;
    if (store_op_new(durable->store, STORE_EXPIRE, &op) != ERR_OK) {
        loop_timer_arm(durable->expire_timer, instant_add(clock_now(), EXPIRE_EVERY));
        return;
    }
    uint64_t kept_ms = (uint64_t) duration_to_ms(durable->kept);
    uint64_t now_ms = durable_now_ms();
    op->job.ended_ms = now_ms > kept_ms ? now_ms - kept_ms : 0;
    op->on_done = on_expired;
    op->user = durable;
    store_do(durable->store, op);
}
