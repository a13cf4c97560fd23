/* SPDX-License-Identifier: MIT */
#include "common/sys/clock.h"
#include "common/sys/log.h"
#include "coordinator/shell_state.h"

/* ---- commands ---------------------------------------------------------------------------- */

static void
command_send(struct shell *shell, const struct core_command *command)
{
    struct entry *entry = ledger_find(shell->ledger, command->job);
    CHECK(entry != NULL);        /* S1 */
    CHECK(entry->input != NULL); /* no copy is sent of a terminal job */

    ledger_input_hold(entry->input);
    struct link_job job = {
        .job = command->job,
        .attempt = command->send.attempt,
        .handler = entry->handler,
        .deadline = command->send.deadline,
        .is_hedge = command->send.kind == ATTEMPT_HEDGE,
        .is_tied = command->send.is_tied,
        .content_type = entry->content_type,
        .traceparent = entry->traceparent,
        .input = entry->input->bytes,
        .input_size = entry->input->size,
        .input_owner = entry->input,
    };
    err_t err = links_send_job(shell->links, command->send.link, &job);
    if (err == ERR_OK) {
        return;
    }
    ledger_input_rele(shell->ledger, entry->input);
    if (err == ERR_NOT_FOUND) {
        return; /* its WORKER_DOWN is on the way */
    }
    deferred_push_busy(&shell->deferred, &(struct attempt_ref){ .link = command->send.link,
                                             .job = command->job,
                                             .attempt = command->send.attempt });
}

static void
command_cancel(struct shell *shell, const struct core_command *command)
{
    err_t err = links_send_cancel(shell->links, command->cancel.link, command->job,
        command->cancel.attempt, (uint32_t) command->cancel.cause);
    if (err == ERR_FULL) {
        /* It does not even read its control lane: the core will find it suspect. */
        log_warn("cancel could not be sent", LOG_ERR(err));
    }
}

/* ---- what the API's streams hear ----------------------------------------------------- */

/* attempt 0: of the job as a whole. */
static void
tell(struct shell *shell, enum feed_kind kind, const struct job_view *view, uint32_t attempt)
{
    if (shell->api == NULL) {
        return; /* on the way out */
    }
    struct feed_event event = {
        .job = view->id, .unix_ms = clock_unix_ms(), .kind = kind, .attempt = attempt
    };
    event.state = view->state;
    if (attempt > 0) {
        const struct attempt_view *of = &view->attempts[attempt - 1];
        event.attempt_kind = of->kind;
        event.attempt_state = of->state;
        event.cause = of->cancel_cause;
        memcpy(event.worker, of->worker, sizeof event.worker);
    }
    api_tell(shell->api, &event);
}

static void
tell_command(struct shell *shell, enum feed_kind kind, job_id_t job, uint32_t attempt)
{
    struct job_view view;
    if (core_job(shell->core, job, &view) && attempt <= view.attempts_count) {
        tell(shell, kind, &view, attempt);
    }
}

/* What a worker said of a copy, if the core heard it just now: it drops what is stray. */
static void
tell_heard(struct shell *shell, const struct attempt_ref *ref, bool is_start, instant_t now)
{
    struct job_view view;
    if (!core_job(shell->core, ref->job, &view) || ref->attempt == 0 ||
        ref->attempt > view.attempts_count) {
        return;
    }
    const struct attempt_view *attempt = &view.attempts[ref->attempt - 1];
    if ((is_start ? attempt->started_at.ns : attempt->ended_at.ns) == now.ns) {
        tell(shell, is_start ? FEED_STARTED : FEED_ENDED, &view, ref->attempt);
    }
}

static void
tell_event(struct shell *shell, const struct core_event *event, instant_t now)
{
    if (event->kind == EVENT_STARTED || event->kind == EVENT_BUSY) {
        tell_heard(shell, &event->ref, event->kind == EVENT_STARTED, now);
    } else if (event->kind == EVENT_REPLY) {
        tell_heard(shell, &event->reply.ref, /* is_start= */ false, now);
    } else if (event->kind == EVENT_CANCEL_ACK) {
        tell_heard(shell, &event->cancel_ack.ref, /* is_start= */ false, now);
    }
}

/* The end is told when everybody may know it: of a durable job, once it is on disk. */
static void
tell_finished(struct shell *shell, job_id_t job)
{
    struct job_view view;
    bool is_known = shell->durable != NULL && durable_view(shell->durable, job, &view);
    if ((is_known || core_job(shell->core, job, &view)) && view.state > JOB_RUNNING) {
        tell(shell, FEED_FINISHED, &view, /* attempt= */ 0);
    }
}

static void
push_answer(struct shell *shell, job_id_t job)
{
    tell_finished(shell, job);
    CHECK(shell->answers_count < shell->answers_max);
    uint32_t last = (shell->answers_first + shell->answers_count) % shell->answers_max;
    shell->answers[last] = job;
    shell->answers_count++;
}

static void
command_answer(struct shell *shell, const struct core_command *command)
{
    struct entry *entry = ledger_find(shell->ledger, command->job);
    CHECK(entry != NULL); /* S1 */

    if (command->answer.state == JOB_SUCCEEDED) {
        CHECK(shell->reply != NULL);
        ledger_result_put(shell->ledger, entry, shell->reply->bulk, shell->reply->bulk_size,
            shell->reply->content_type);
    }
    ledger_input_done(shell->ledger, entry);
    if (!entry->is_durable || durable_on_answer(shell->durable, entry, command->answer.state)) {
        push_answer(shell, command->job);
    }
}

static void
command_forget(struct shell *shell, job_id_t job)
{
    struct entry *entry = ledger_find(shell->ledger, job);
    CHECK(entry != NULL); /* S1 */
    if (!entry->is_durable || durable_on_forget(shell->durable, entry)) {
        ledger_forget(shell->ledger, job);
    }
}

static void
command_close_worker(struct shell *shell, worker_link_t link)
{
    log_warn("worker given up", LOG_I64("link", link));
    links_close(shell->links, link, "no heartbeat, or cancels left unacknowledged");
    deferred_push_down(&shell->deferred, link);
}

static void
perform(struct shell *shell, const struct core_command *command)
{
    switch (command->kind) {
    case COMMAND_ACCEPT:
        tell_command(shell, FEED_ACCEPTED, command->job, /* attempt= */ 0);
        break;
    case COMMAND_REFUSE:
        shell->refusal = *command;
        shell->refused = true;
        break;
    case COMMAND_SEND:
        command_send(shell, command);
        tell_command(shell, FEED_SENT, command->job, command->send.attempt);
        break;
    case COMMAND_CANCEL:
        command_cancel(shell, command);
        tell_command(shell, FEED_CANCELLING, command->job, command->cancel.attempt);
        break;
    case COMMAND_ANSWER: command_answer(shell, command); break;
    case COMMAND_CLOSE_WORKER: command_close_worker(shell, command->close_worker.link); break;
    case COMMAND_FORGET: command_forget(shell, command->job); break;
    }
}

/* ---- stepping ------------------------------------------------------------------------ */

static void
step_once(struct shell *shell, const struct core_event *event)
{
    instant_t now = clock_now();
    core_step(shell->core, now, event);
    tell_event(shell, event, now);
    struct core_command command;
    while (core_next_command(shell->core, &command)) {
        perform(shell, &command);
    }
}

static void
tell_waiters(struct shell *shell, job_id_t job)
{
    for (;;) {
        /* Looked up anew: an answer may let a request in that moves things. */
        struct entry *entry = ledger_find(shell->ledger, job);
        api_ticket_t ticket = entry != NULL ? ledger_next_waiter(shell->ledger, entry) : 0;
        if (ticket == 0) {
            return;
        }
        if (entry->is_durable && durable_is_put_off(shell->durable, job)) {
            const struct core_command refuse = { .kind = COMMAND_REFUSE,
                .job = job,
                .refuse = { .why = SUBMIT_DRAINING, .retry_after = duration_s(1) } };
            api_refused(shell->api, ticket, &refuse);
            continue;
        }
        api_answer(shell->api, ticket, job); /* S2: off the list before it is told */
    }
}

void
shell_step_tell(struct shell *shell, job_id_t job)
{
    push_answer(shell, job);
    shell_step_deliver(shell);
}

void
shell_step_deliver(struct shell *shell)
{
    if (shell->answering) {
        return; /* the outer call goes on with what was added */
    }
    shell->answering = true;
    while (shell->answers_count > 0) {
        job_id_t job = shell->answers[shell->answers_first];
        shell->answers_first = (shell->answers_first + 1) % shell->answers_max;
        shell->answers_count--;
        tell_waiters(shell, job);
    }
    shell->answering = false;
}

/* Once each: what that defers again waits for the next turn of the loop.  A link that is
 * full empties only between turns, so a copy for it could go round here for ever. */
static void
feed_deferred(struct shell *shell)
{
    shell->reply = NULL; /* it belonged to the event that was fed */
    for (uint32_t left = shell->deferred.count; left > 0; left--) {
        struct core_event next = deferred_take(&shell->deferred);
        step_once(shell, &next);
    }
}

void
shell_step(struct shell *shell, const struct core_event *event)
{
    step_once(shell, event);
    feed_deferred(shell);
    instant_t wake_at = shell->deferred.count > 0 ? clock_now() : core_wake_at(shell->core);
    loop_timer_arm(shell->timer, wake_at);
    shell_step_deliver(shell);
}
