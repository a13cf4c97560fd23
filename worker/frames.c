/* SPDX-License-Identifier: MIT */
#include "worker/frames.h"

#include <stdio.h>

static void
result_init(struct wire_msg *msg, const struct wire_attempt *id, enum wire_status status,
    const char *message)
{
    msg->kind = WIRE_RESULT;
    msg->result = (struct wire_result){ .id = *id, .status = status };
    snprintf(msg->result.message, sizeof msg->result.message, "%s", message);
}

static void
result_of_run(struct wire_msg *msg, const struct wire_attempt *id, const struct run *run)
{
    switch (run->outcome) {
    case RUN_SILENT: /* the agent has turned it into a failure */
    case RUN_FAILED_FINAL: result_init(msg, id, WIRE_FAILED_FINAL, run->message); return;
    case RUN_FAILED_RETRYABLE:
        result_init(msg, id, WIRE_FAILED_RETRYABLE, run->message);
        return;
    case RUN_REPLIED: break;
    }
    result_init(msg, id, WIRE_OK, "");
    snprintf(msg->result.content_type, sizeof msg->result.content_type, "%s", run->result_type);
    msg->result.bulk = run->result;
    msg->result.bulk_size = (uint32_t) run->result_size;
    msg->result.result_size = (uint32_t) run->result_size;
}

bool
frames_farewell(const struct attempts_farewell *farewell, const struct run *run,
    const struct wire_attempt *id, struct wire_msg *ret_msg)
{
    switch (farewell->kind) {
    case FAREWELL_NONE: return false;
    case FAREWELL_BUSY:
        ret_msg->kind = WIRE_BUSY;
        ret_msg->busy = (struct wire_busy){ .id = *id };
        return true;
    case FAREWELL_ACK:
        ret_msg->kind = WIRE_CANCEL_ACK;
        ret_msg->cancel_ack = (struct wire_cancel_ack){
            .id = *id,
            .fate = farewell->fate,
            .stopped_after_us = (uint64_t) duration_to_us(farewell->stopped_after),
            .ran_us = (uint64_t) duration_to_us(farewell->ran),
            .cpu_us = (uint64_t) duration_to_us(farewell->cpu),
        };
        return true;
    case FAREWELL_RESULT:
        CHECK(run != NULL);
        result_of_run(ret_msg, id, run);
        break;
    case FAREWELL_STOPPED:
        result_init(ret_msg, id, WIRE_FAILED_RETRYABLE, "the worker shuts down");
        break;
    case FAREWELL_EXPIRED: result_init(ret_msg, id, WIRE_EXPIRED, "no time was left"); break;
    }
    ret_msg->result.queued_us = (uint64_t) duration_to_us(farewell->queued);
    ret_msg->result.ran_us = (uint64_t) duration_to_us(farewell->ran);
    ret_msg->result.cpu_us = (uint64_t) duration_to_us(farewell->cpu);
    return true;
}

void
frames_failure(const struct wire_attempt *id, bool is_retryable, const char *message,
    struct wire_msg *ret_msg)
{
    result_init(ret_msg, id, is_retryable ? WIRE_FAILED_RETRYABLE : WIRE_FAILED_FINAL, message);
}
