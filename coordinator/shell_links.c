/* SPDX-License-Identifier: MIT */
#include "common/sys/log.h"
#include "coordinator/shell_state.h"

static void
on_link_up(void *user, link_id_t link, const struct wire_hello *hello)
{
    struct shell *shell = user;
    struct handler_offer offers[WIRE_HANDLERS_MAX];
    for (uint32_t i = 0; i < hello->handlers_count; i++) {
        offers[i] = (struct handler_offer){ .name = hello->handlers[i].name,
            .flags = hello->handlers[i].flags };
    }
    log_info("worker up", LOG_STR("worker", hello->worker), LOG_I64("link", link),
        LOG_I64("slots", hello->slots_count), LOG_I64("handlers", hello->handlers_count),
        LOG_I64("pid", hello->pid));
    shell_step(shell, &(struct core_event){ .kind = EVENT_WORKER_UP,
                          .worker_up = { .link = link,
                              .name = hello->worker,
                              .zone = hello->zone,
                              .incarnation = hello->incarnation,
                              .slots_count = hello->slots_count,
                              .queue_max = hello->queue_max,
                              .handlers = offers,
                              .handlers_count = hello->handlers_count } });
}

static void
on_link_down(void *user, link_id_t link, err_t why)
{
    log_info("worker down", LOG_I64("link", link), LOG_ERR(why));
    shell_step(user, &(struct core_event){ .kind = EVENT_WORKER_DOWN, .link = link });
}

static struct attempt_ref
attempt_ref(link_id_t link, const struct wire_attempt *id)
{
    return (struct attempt_ref){ .link = link, .job = id->job, .attempt = id->attempt };
}

static duration_t
from_us(uint64_t us)
{
    return us < INT64_MAX / 1000 ? duration_us((int64_t) us) : DURATION_FOREVER;
}

static void
on_result(struct shell *shell, link_id_t link, const struct wire_result *result)
{
    static const enum reply_status statuses[] = { [WIRE_OK] = REPLY_OK,
        [WIRE_FAILED_RETRYABLE] = REPLY_FAILED_RETRYABLE,
        [WIRE_FAILED_FINAL] = REPLY_FAILED_FINAL,
        [WIRE_EXPIRED] = REPLY_EXPIRED };
    CHECK(result->status < ARRAY_COUNT(statuses)); /* wire_decode checked it */

    shell->reply = result;
    shell_step(shell, &(struct core_event){ .kind = EVENT_REPLY,
                          .reply = { .ref = attempt_ref(link, &result->id),
                              .status = statuses[result->status],
                              .blob = 1, /* the one of this step: shell->reply */
                              .result_size = result->bulk_size,
                              .message = result->message,
                              .queued = from_us(result->queued_us),
                              .ran = from_us(result->ran_us),
                              .cpu = from_us(result->cpu_us) } });
    shell->reply = NULL;
}

static void
on_cancel_ack(struct shell *shell, link_id_t link, const struct wire_cancel_ack *ack)
{
    shell_step(shell, &(struct core_event){ .kind = EVENT_CANCEL_ACK,
                          .cancel_ack = { .ref = attempt_ref(link, &ack->id),
                              .fate = (enum cancel_fate) ack->fate,
                              .stopped_after = from_us(ack->stopped_after_us),
                              .ran = from_us(ack->ran_us),
                              .cpu = from_us(ack->cpu_us) } });
}

static void
on_load(struct shell *shell, link_id_t link, const struct wire_load *load, duration_t rtt)
{
    shell_step(shell, &(struct core_event){ .kind = EVENT_WORKER_LOAD,
                          .load = { .link = link,
                              .running_count = load->running_count,
                              .queued_count = load->queued_count,
                              .rtt = rtt,
                              .draining = load->draining } });
}

static void
on_link_message(void *user, link_id_t link, const struct wire_msg *msg, duration_t rtt)
{
    struct shell *shell = user;
    switch (msg->kind) {
    case WIRE_STARTED:
    case WIRE_CLAIM:
        shell_step(shell, &(struct core_event){ .kind = EVENT_STARTED,
                              .ref = attempt_ref(link, &msg->started.id) });
        break;
    case WIRE_BUSY:
        shell_step(shell, &(struct core_event){
                              .kind = EVENT_BUSY, .ref = attempt_ref(link, &msg->busy.id) });
        break;
    case WIRE_RESULT: on_result(shell, link, &msg->result); break;
    case WIRE_CANCEL_ACK: on_cancel_ack(shell, link, &msg->cancel_ack); break;
    case WIRE_LOAD: on_load(shell, link, &msg->load, rtt); break;
    case WIRE_DRAIN:
        shell_step(shell, &(struct core_event){ .kind = EVENT_WORKER_DRAIN, .link = link });
        break;
    case WIRE_NONE:
    case WIRE_CHALLENGE:
    case WIRE_HELLO:
    case WIRE_WELCOME:
    case WIRE_JOB:
    case WIRE_JOB_CHUNK:
    case WIRE_CANCEL:
    case WIRE_RESULT_CHUNK:
    case WIRE_CREDIT:
    case WIRE_PING:
    case WIRE_PONG:
    case WIRE_GOODBYE:
    case WIRE_KIND_COUNT: CHECK_UNREACHABLE(); /* the link keeps these to itself */
    }
}

static void
on_input_done(void *user, const void *input_owner)
{
    struct shell *shell = user;
    /* The links were given it as const; the ledger owns it. */
    ledger_input_rele(shell->ledger, (struct input *) (uintptr_t) input_owner);
}

struct links_events
shell_links_events(struct shell *shell)
{
    return (struct links_events){
        .user = shell,
        .on_up = on_link_up,
        .on_message = on_link_message,
        .on_down = on_link_down,
        .on_input_done = on_input_done,
    };
}
