/* SPDX-License-Identifier: MIT */
#include "common/sys/clock.h"
#include "common/sys/log.h"
#include "coordinator/metrics.h"
#include "coordinator/shell_state.h"

static const struct core *
backend_core(void *user)
{
    return ((struct shell *) user)->core;
}

static instant_t
backend_now(void *user)
{
    (void) user;
    return clock_now();
}

static uint64_t
backend_unix_ms(void *user, instant_t when)
{
    struct shell *shell = user;
    int64_t since_ms = (when.ns - shell->started_at.ns) / 1000000;
    return shell->started_unix_ms + (uint64_t) since_ms;
}

/* The ledger's refusals look like the core's. */
static bool
refuse(job_id_t job, err_t err, struct core_command *ret_refuse)
{
    bool is_duplicate = err == ERR_EXISTS;
    *ret_refuse = (struct core_command){ .kind = COMMAND_REFUSE,
        .job = job,
        .refuse = { .why = is_duplicate ? SUBMIT_DUPLICATE_ID : SUBMIT_FULL,
            .retry_after = is_duplicate ? DURATION_ZERO : duration_s(1) } };
    return false;
}

static bool
submit_durable(struct shell *shell, struct entry *entry, api_ticket_t ticket,
    const struct api_submit *submit, struct core_command *ret_refuse)
{
    if (shell->durable == NULL) {
        *ret_refuse = (struct core_command){
            .kind = COMMAND_REFUSE, .job = entry->id, .refuse = { .why = SUBMIT_NOT_STORED }
        };
    } else {
        entry->is_durable = true;
        if (durable_submit(
                shell->durable, entry, submit, submit->is_async ? ticket : 0, ret_refuse)) {
            return true;
        }
    }
    (void) ledger_next_waiter(shell->ledger, entry);
    ledger_undo(shell->ledger, entry);
    return false;
}

static bool
backend_submit(void *user, api_ticket_t ticket, const struct api_submit *submit,
    job_id_t *ret_job, struct core_command *ret_refuse)
{
    struct shell *shell = user;
    job_id_t job = submit->job;
    struct entry *entry;
    err_t err = ledger_add(shell->ledger, job, submit, &entry);
    if (err != ERR_OK) {
        return refuse(job, err, ret_refuse);
    }
    bool waits = ticket != 0 && !submit->is_async;
    err = waits ? ledger_wait(shell->ledger, entry, ticket) : ERR_OK;
    if (err != ERR_OK) {
        ledger_undo(shell->ledger, entry);
        return refuse(job, err, ret_refuse);
    }
    if (submit->is_durable) {
        *ret_job = job;
        return submit_durable(shell, entry, ticket, submit, ret_refuse);
    }
    /* Whoever submits learns the id before the answer comes. */
    bool was_answering = shell->answering;
    shell->answering = true;
    shell->refused = false;
    shell_step(shell, &(struct core_event){ .kind = EVENT_SUBMIT,
                          .submit = { .job = job,
                              .handler = submit->handler,
                              .timeout = submit->timeout,
                              .policy = submit->policy,
                              .input_size = submit->input_size } });
    shell->answering = was_answering;
    if (shell->refused) {
        (void) ledger_next_waiter(shell->ledger, entry);
        ledger_undo(shell->ledger, entry);
        *ret_refuse = shell->refusal;
        return false;
    }
    if (shell->answers_count > 0) {
        loop_wake_post(shell->answer_wake);
    }
    *ret_job = job;
    return true;
}

static void
backend_gone(void *user, api_ticket_t ticket)
{
    struct shell *shell = user;
    struct entry *entry = ledger_unwait(shell->ledger, ticket);
    if (entry == NULL || entry->detached || entry->waiters != NULL) {
        return; /* answered already, not to be cancelled, or others still wait */
    }
    if (entry->is_durable && shell->durable != NULL &&
        durable_cancel(shell->durable, entry->id, CAUSE_CLIENT_GONE)) {
        return;
    }
    shell_step(shell, &(struct core_event){ .kind = EVENT_GONE, .job = { .job = entry->id } });
}

static bool
backend_job(void *user, job_id_t job, struct job_view *ret_job)
{
    struct shell *shell = user;
    return (shell->durable != NULL && durable_view(shell->durable, job, ret_job)) ||
           core_job(shell->core, job, ret_job);
}

static bool
backend_recall(void *user, api_ticket_t ticket, const struct api_recall *recall)
{
    struct shell *shell = user;
    return shell->durable != NULL && durable_recall(shell->durable, ticket, recall);
}

static bool
backend_has_store(void *user)
{
    return ((struct shell *) user)->durable != NULL;
}

static bool
backend_is_promised(void *user, job_id_t job)
{
    const struct shell *shell = user;
    return shell->durable == NULL || durable_is_on_disk(shell->durable, job);
}

static bool
backend_wait(void *user, api_ticket_t ticket, job_id_t job)
{
    struct shell *shell = user;
    struct entry *entry = ledger_find(shell->ledger, job);
    struct job_view view;
    if (entry == NULL || !backend_job(shell, job, &view)) {
        return false;
    }
    if (view.state > JOB_RUNNING) {
        api_answer(shell->api, ticket, job);
        return true;
    }
    /* A second reader that leaves must not cancel the job of the first. */
    if (entry->waiters == NULL) {
        entry->detached = true;
    }
    return ledger_wait(shell->ledger, entry, ticket) == ERR_OK;
}

static bool
backend_cancel(void *user, job_id_t job)
{
    struct shell *shell = user;
    struct job_view view;
    if (shell->durable != NULL && durable_cancel(shell->durable, job, CAUSE_USER)) {
        return true;
    }
    if (!core_job(shell->core, job, &view)) {
        return false;
    }
    shell_step(shell, &(struct core_event){
                          .kind = EVENT_CANCEL, .job = { .job = job, .cause = CAUSE_USER } });
    return true;
}

static void
backend_set_hedging(void *user, const char *handler, const struct hedge_order *order)
{
    log_info("hedging set", LOG_STR("handler", handler),
        LOG_STR("mode", order->is_mode_set ? hedge_mode_text(order->mode) : "as the settings"),
        LOG_I64("delay_us", order->is_delay_set ? order->delay.ns / 1000 : -1));
    shell_step(user, &(struct core_event){ .kind = EVENT_HEDGING,
                         .hedging = { .handler = handler, .order = *order } });
}

static bool
backend_result(void *user, job_id_t job, struct api_result *ret_result)
{
    struct shell *shell = user;
    const struct entry *entry = ledger_find(shell->ledger, job);
    if (entry == NULL || entry->result == NULL) {
        return false;
    }
    *ret_result = (struct api_result){
        .bytes = entry->result, .size = entry->result_size, .content_type = entry->result_type
    };
    return true;
}

static void
backend_metrics(void *user, void (*write)(void *out, const char *text), void *out)
{
    struct shell *shell = user;
    metrics_write(&(struct metrics_sources){ .core = shell->core,
                      .links = links_counters(shell->links),
                      .durable = shell->durable,
                      .bytes_held = ledger_bytes_held(shell->ledger),
                      .uptime = instant_since(clock_now(), shell->started_at) },
        write, out);
}

static bool
backend_is_ready(void *user)
{
    struct shell *shell = user;
    return !shell->draining && (shell->durable == NULL || durable_is_recovered(shell->durable));
}

struct api_backend
shell_backend(struct shell *shell)
{
    return (struct api_backend){
        .shell = shell,
        .core = backend_core,
        .now = backend_now,
        .unix_ms = backend_unix_ms,
        .submit = backend_submit,
        .gone = backend_gone,
        .job = backend_job,
        .recall = backend_recall,
        .has_store = backend_has_store,
        .is_promised = backend_is_promised,
        .wait = backend_wait,
        .cancel = backend_cancel,
        .set_hedging = backend_set_hedging,
        .result = backend_result,
        .metrics = backend_metrics,
        .is_ready = backend_is_ready,
    };
}
