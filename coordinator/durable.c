/* SPDX-License-Identifier: MIT */
#include "common/sys/clock.h"
#include "common/sys/log.h"
#include "coordinator/durable_state.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- slots -------------------------------------------------------------------------- */

uint64_t
durable_now_ms(void)
{
    return clock_unix_ms();
}

instant_t
durable_instant(const struct durable *durable, uint64_t unix_ms)
{
    const struct shell *shell = durable->shell;
    int64_t since_start_ms = (int64_t) unix_ms - (int64_t) shell->started_unix_ms;
    return (instant_t){ .ns = shell->started_at.ns + since_start_ms * 1000000 };
}

struct durable_job *
durable_find(const struct durable *durable, job_id_t id)
{
    uint32_t index;
    return map_get(&durable->by_id, id, &index) ? pool_at(&durable->jobs, index) : NULL;
}

struct durable_job *
durable_take(struct durable *durable, job_id_t id)
{
    struct durable_job *job = pool_take(&durable->jobs);
    if (job == NULL) {
        return NULL;
    }
    *job = (struct durable_job){ .id = id, .step = DURABLE_INSERTING };
    bool is_put = map_put(&durable->by_id, id, pool_index(&durable->jobs, job));
    CHECK(is_put);
    return job;
}

void
durable_give(struct durable *durable, struct durable_job *job)
{
    CHECK(!heap_node_is_in(&job->due));

    bool is_removed = map_remove(&durable->by_id, job->id);
    CHECK(is_removed);
    pool_give(&durable->jobs, job);
    if (durable->has_more && !durable->is_recovering) {
        durable_recover(durable);
    }
}

void
durable_event(
    const struct durable_job *job, const struct entry *entry, struct event_submit *ret_submit)
{
    uint64_t now_ms = durable_now_ms();
    int64_t left_ms = now_ms < job->deadline_ms ? (int64_t) (job->deadline_ms - now_ms) : 0;
    *ret_submit = (struct event_submit){ .job = job->id,
        .handler = entry->handler,
        .timeout = left_ms > 0 ? duration_ms(left_ms) : duration_ns(-1),
        .policy = job->policy,
        .input_size = job->input_size };
}

/* ---- submit ------------------------------------------------------------------------- */

static void
refusal_of(job_id_t job, enum submit_refusal why, struct core_command *ret_refuse)
{
    *ret_refuse = (struct core_command){ .kind = COMMAND_REFUSE,
        .job = job,
        .refuse = { .why = why, .retry_after = duration_s(1) } };
}

/* What each who waits for an INSERT that came to nothing is told. */
struct verdict {
    err_t err;
    job_id_t known; /* with EXISTS: the job that the key had made; the own id: a known id */
    bool is_other_request;
};

static void
tell_insert(
    struct durable *durable, job_id_t job, api_ticket_t ticket, const struct verdict *verdict)
{
    struct api *api = durable->shell->api;
    bool is_known = verdict->err == ERR_EXISTS;
    if (is_known && !id_equal(verdict->known, job)) {
        api_replayed(api, ticket, verdict->known, verdict->is_other_request);
        return;
    }
    struct core_command refuse;
    refusal_of(job, is_known ? SUBMIT_DUPLICATE_ID : SUBMIT_NOT_STORED, &refuse);
    durable->counters.refused_count++;
    api_refused(api, ticket, &refuse);
}

/* Not on disk: whoever waits for it is told, and nothing is left of it. */
static void
insert_failed(struct durable *durable, struct durable_job *job, const struct verdict *verdict)
{
    struct shell *shell = durable->shell;
    struct entry *entry = ledger_find(shell->ledger, job->id);
    CHECK(entry != NULL); /* U1 */
    api_forget_key(shell->api, job->id);
    tell_insert(durable, job->id, job->tell_accepted, verdict);
    api_ticket_t ticket; /* the submitter's, and of those who brought the same key */
    while ((ticket = ledger_next_waiter(shell->ledger, entry)) != 0) {
        tell_insert(durable, job->id, ticket, verdict);
    }
    job_id_t id = job->id;
    durable_give(durable, job);
    ledger_forget(shell->ledger, id);
}

static void
on_inserted(void *user, struct store_op *op)
{
    struct durable *durable = user;
    struct durable_job *job = durable_find(durable, op->job.id);
    CHECK(job != NULL);
    CHECK(job->step == DURABLE_INSERTING);
    const struct verdict verdict = {
        .err = op->err, .known = op->known, .is_other_request = op->is_other_request
    };
    job->fence = op->job.fence;
    store_op_free(durable->store, op);
    durable->writes_count--;
    if (verdict.err != ERR_OK) {
        insert_failed(durable, job, &verdict);
        return;
    }
    durable->counters.accepted_count++;
    job_id_t id = job->id;
    api_ticket_t accepted = job->tell_accepted;
    if (job->must_cancel) {
        durable_end(durable, job, JOB_CANCELLED, job->cause);
    } else {
        durable_wait(durable, job, DURATION_ZERO);
    }
    api_accepted(durable->shell->api, accepted, id);
}

static void
set_key(struct store_op *op, const struct keys_claim *claim)
{
    _Static_assert(sizeof claim->fingerprint == sizeof op->fingerprint, "SHA-256 both");
    id_to_text(claim->name, op->key);
    memcpy(op->fingerprint, claim->fingerprint, sizeof op->fingerprint);
}

static err_t
insert(struct durable *durable, const struct durable_job *job, const struct entry *entry,
    const struct keys_claim *claim)
{
    struct store_op *op;
    err_t err = store_op_new(durable->store, STORE_INSERT, &op);
    if (err != ERR_OK) {
        return err;
    }
    struct store_job *stored = &op->job;
    stored->id = job->id;
    stored->created_ms = job->created_ms;
    stored->run_at_ms = job->run_at_ms;
    stored->deadline_ms = job->deadline_ms;
    snprintf(stored->handler, sizeof stored->handler, "%s", entry->handler);
    snprintf(stored->content_type, sizeof stored->content_type, "%s", entry->content_type);
    snprintf(stored->traceparent, sizeof stored->traceparent, "%s", entry->traceparent);
    err = durable_options_write(&job->policy, &stored->options);
    if (err == ERR_OK) {
        err = store_bytes_copy(&stored->input, entry->input->bytes, entry->input->size);
    }
    if (err != ERR_OK) {
        store_op_free(durable->store, op);
        return err;
    }
    if (claim != NULL) {
        set_key(op, claim);
    }
    op->on_done = on_inserted;
    op->user = durable;
    durable->writes_count++;
    store_do(durable->store, op);
    return ERR_OK;
}

static duration_t
timeout_of(const struct durable *durable, duration_t asked)
{
    const struct shell *shell = durable->shell;
    return asked.ns > 0 ? duration_min(asked, shell->timeout_max) : shell->timeout_default;
}

/* A job that nobody can run now may still be taken: it waits. */
static bool
is_acceptable(struct durable *durable, const struct event_submit *event, bool is_for_later,
    struct core_command *ret_refuse)
{
    if (core_accepts(durable->shell->core, event, ret_refuse)) {
        return true;
    }
    return ret_refuse->refuse.why == SUBMIT_NO_WORKER ||
           ret_refuse->refuse.why == SUBMIT_FULL ||
           (is_for_later && ret_refuse->refuse.why == SUBMIT_LATE);
}

bool
durable_submit(struct durable *durable, struct entry *entry, const struct api_submit *submit,
    api_ticket_t tell_accepted, struct core_command *ret_refuse)
{
    err_t why;
    const struct event_submit event = {
        .job = entry->id, .handler = submit->handler, .timeout = submit->timeout
    };
    bool is_for_later = submit->run_at_unix_ms > durable_now_ms();
    if (!is_acceptable(durable, &event, is_for_later, ret_refuse)) {
        return false;
    }
    if (!store_is_writable(durable->store, &why)) {
        durable->counters.refused_count++;
        refusal_of(entry->id, SUBMIT_NOT_STORED, ret_refuse);
        return false;
    }
    struct durable_job *job = durable_take(durable, entry->id);
    if (job == NULL) {
        durable->counters.refused_count++;
        refusal_of(entry->id, SUBMIT_FULL, ret_refuse);
        return false;
    }
    duration_t timeout = timeout_of(durable, submit->timeout);
    job->created_ms = durable_now_ms();
    job->run_at_ms =
        submit->run_at_unix_ms > job->created_ms ? submit->run_at_unix_ms : job->created_ms;
    job->deadline_ms = job->run_at_ms + (uint64_t) duration_to_ms(timeout);
    entry->created_ms = job->created_ms;
    entry->deadline_ms = job->deadline_ms;
    job->policy = submit->policy;
    job->input_size = submit->input_size;
    job->tell_accepted = tell_accepted;
    if (insert(durable, job, entry, submit->claim) != ERR_OK) {
        durable_give(durable, job);
        durable->counters.refused_count++;
        refusal_of(entry->id, SUBMIT_FULL, ret_refuse);
        return false;
    }
    return true;
}

/* The core counts from when it got the job. */
void
durable_set_times(
    const struct durable *durable, const struct entry *entry, struct job_view *view)
{
    view->created_at = durable_instant(durable, entry->created_ms);
    view->deadline = durable_instant(durable, entry->deadline_ms);
}

bool
durable_is_on_disk(const struct durable *durable, job_id_t id)
{
    const struct durable_job *job = durable_find(durable, id);
    return job == NULL || job->step != DURABLE_INSERTING;
}

/* ---- looking ------------------------------------------------------------------------ */

bool
durable_view(const struct durable *durable, job_id_t id, struct job_view *ret_view)
{
    const struct shell *shell = durable->shell;
    const struct entry *entry = ledger_find(shell->ledger, id);
    if (entry == NULL || !entry->is_durable) {
        return false;
    }
    const struct durable_job *job = durable_find(durable, id);
    bool is_in_core = core_job(shell->core, id, ret_view);
    CHECK(is_in_core || job != NULL);
    if (!is_in_core) {
        *ret_view = (struct job_view){ .id = id,
            .handler = entry->handler,
            .state = JOB_QUEUED,
            .mode = job->policy.mode,
            .finished_at = INSTANT_NEVER,
            .hedge_refused_at = INSTANT_NEVER,
            .input_size = job->input_size,
            .message = "" };
    } else if (job != NULL && (job->step == DURABLE_ENDING || job->is_put_off) &&
               ret_view->state > JOB_RUNNING) {
        /* A crash could still undo it. */
        ret_view->state = JOB_RUNNING;
        ret_view->cause = CAUSE_NONE;
        ret_view->finished_at = INSTANT_NEVER;
        ret_view->winner = 0;
    }
    durable_set_times(durable, entry, ret_view);
    return true;
}

bool
durable_cancel(struct durable *durable, job_id_t id, enum cancel_cause cause)
{
    struct durable_job *job = durable_find(durable, id);
    if (job == NULL) {
        return false;
    }
    switch (job->step) {
    case DURABLE_WAITING:
        heap_remove(&durable->waiting, &job->due);
        durable_end(durable, job, JOB_CANCELLED, cause);
        return true;
    case DURABLE_INSERTING:
    case DURABLE_LOADING:
    case DURABLE_STARTING:
        job->must_cancel = true;
        job->cause = cause;
        return true;
    case DURABLE_RUNNING: return false;
    case DURABLE_ENDING: return true;
    }
    CHECK_UNREACHABLE();
}

void
durable_counters(const struct durable *durable, struct durable_counters *ret_durable,
    struct store_counters *ret_store)
{
    *ret_durable = durable->counters;
    ret_durable->live_count = durable->jobs.count;
    store_counters(durable->store, ret_store);
}

bool
durable_is_put_off(const struct durable *durable, job_id_t id)
{
    const struct durable_job *job = durable_find(durable, id);
    return job != NULL && job->is_put_off;
}

bool
durable_is_recovered(const struct durable *durable)
{
    return !durable->is_recovering;
}

bool
durable_is_idle(const struct durable *durable)
{
    return durable->writes_count == 0;
}

/* ---- life --------------------------------------------------------------------------- */

static err_t
new_parts(struct durable *durable, const struct durable_config *config)
{
    struct shell *shell = durable->shell;
    err_t err = pool_init(&durable->jobs, sizeof(struct durable_job), config->jobs_max);
    if (err == ERR_OK) {
        err = map_init(&durable->by_id, config->jobs_max, shell->epoch);
    }
    if (err == ERR_OK) {
        err = loop_timer_new(shell->loop, durable_on_timer, durable, &durable->timer);
    }
    if (err == ERR_OK) {
        err = loop_timer_new(
            shell->loop, durable_on_expire_timer, durable, &durable->expire_timer);
    }
    return err;
}

err_t
durable_open(
    struct shell *shell, const struct durable_config *config, struct durable **ret_durable)
{
    char message[256] = "out of memory";
    struct durable *durable = calloc(1, sizeof *durable);
    if (durable == NULL) {
        return ERR_NO_MEMORY;
    }
    durable->shell = shell;
    durable->kept = config->kept;
    heap_init(&durable->waiting);
    err_t err = new_parts(durable, config);
    if (err == ERR_OK) {
        const struct store_config store = { .url = config->url,
            .batch_max = config->batch_max,
            .ops_max = config->jobs_max + DURABLE_LOOKS_MAX + DURABLE_OTHERS_MAX };
        err = store_open(shell->loop, &store, &durable->store, message);
    }
    if (err != ERR_OK) {
        log_error("store cannot be opened", LOG_STR("why", message), LOG_ERR(err));
        durable_close(durable);
        return err;
    }
    *ret_durable = durable;
    durable_recover(durable);
    loop_timer_arm(durable->expire_timer, clock_now());
    return ERR_OK;
}

void
durable_close(struct durable *durable)
{
    if (durable == NULL) {
        return;
    }
    store_close(durable->store);
    loop_timer_free(durable->timer);
    loop_timer_free(durable->expire_timer);
    map_fini(&durable->by_id);
    pool_fini(&durable->jobs);
    free(durable);
}

void
durable_drain(struct durable *durable)
{
    durable->is_draining = true;
}
