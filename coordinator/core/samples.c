/* SPDX-License-Identifier: MIT */
#include "coordinator/core/samples.h"

static bool
is_censored(enum attempt_state state)
{
    switch (state) {
    case ATTEMPT_WON:
    case ATTEMPT_FAILED: return false;
    case ATTEMPT_QUEUED:
    case ATTEMPT_RUNNING:
    case ATTEMPT_LOST:
    case ATTEMPT_STOPPED:
    case ATTEMPT_EXPIRED:
    case ATTEMPT_BUSY:
    case ATTEMPT_LATE:
    case ATTEMPT_ABANDONED:
    case ATTEMPT_UNREACHABLE: return true;
    }
    CHECK_UNREACHABLE();
}

size_t
samples_memory_size(const struct core_config *config)
{
    return (size_t) config->handlers_max * config->samples_max * sizeof(struct core_sample);
}

void
samples_take(struct core *core, const struct attempt *attempt)
{
    const struct job *job = attempt->job;
    struct handler *handler = job->handler;
    uint32_t samples_max = core->config.samples_max;
    if (samples_max == 0) {
        return;
    }
    size_t ring = (size_t) handler->index * samples_max;
    instant_t end = instant_min(core->now, attempt->cancel_sent_at);
    core->samples[ring + handler->samples_count % samples_max] = (struct core_sample){
        .number = handler->samples_count + 1,
        .arrived_at = job->created_at,
        .sent_at = attempt->sent_at,
        .took = instant_since(end, attempt->sent_at),
        .queued = attempt->queued,
        .ran = attempt->ran,
        .input_size = job->input_size,
        .attempt = attempt->number,
        .kind = attempt->kind,
        .state = attempt->state,
        .is_censored = is_censored(attempt->state),
    };
    handler->samples_count++;
}

uint32_t
core_samples(const struct core *core, uint32_t handler_index, uint64_t after,
    struct core_sample *samples, uint32_t samples_count)
{
    CHECK(handler_index < core->handlers_count);
    uint32_t samples_max = core->config.samples_max;
    uint64_t last = core->handlers[handler_index].samples_count;
    uint64_t oldest = last > samples_max ? last - samples_max : 0;
    uint64_t at = after > oldest ? after : oldest;
    uint32_t count = 0;
    for (; count < samples_count && at < last; count++, at++) {
        samples[count] = core->samples[(size_t) handler_index * samples_max + at % samples_max];
    }
    return count;
}
