/* SPDX-License-Identifier: MIT */
#include "worker/handlers/run.h"

#include "common/sys/clock.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

const uint8_t *
run_input(const struct run *run, size_t *ret_size)
{
    *ret_size = run->input_size;
    return run->input;
}

static void
forget_result(struct run *run)
{
    free(run->result);
    run->result = NULL;
    run->result_size = 0;
}

void
run_reply(struct run *run, const void *bytes, size_t size, const char *content_type)
{
    if (size > run->result_size_max) {
        run_reply_take(run, NULL, size, content_type);
        return;
    }
    uint8_t *copy = malloc(size > 0 ? size : 1);
    if (copy == NULL) {
        run_fail(run, /* is_retryable= */ true, "no memory for a result of %zu bytes", size);
        return;
    }
    if (size > 0) {
        memcpy(copy, bytes, size);
    }
    run_reply_take(run, copy, size, content_type);
}

void
run_reply_take(struct run *run, uint8_t *bytes, size_t size, const char *content_type)
{
    forget_result(run);
    if (size > run->result_size_max) {
        free(bytes);
        run_fail(run, /* is_retryable= */ false, "result is larger than %zu bytes",
            run->result_size_max);
        return;
    }
    run->outcome = RUN_REPLIED;
    run->message[0] = '\0';
    run->result = bytes;
    run->result_size = size;
    snprintf(run->result_type, sizeof run->result_type, "%s", content_type);
}

void
run_fail(struct run *run, bool is_retryable, const char *format, ...)
{
    forget_result(run);
    run->outcome = is_retryable ? RUN_FAILED_RETRYABLE : RUN_FAILED_FINAL;
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(run->message, sizeof run->message, format, arguments);
    va_end(arguments);
}

int64_t
run_remaining_ns(const struct run *run)
{
    int64_t deadline = hr_ctx_deadline(run->ctx);
    if (deadline == HR_NEVER) {
        return HR_NEVER;
    }
    int64_t now = hr_now();
    return deadline > now ? deadline - now : 0;
}

void
run_cpu_begin(struct run *run)
{
    run->cpu_began_ns = clock_thread_cpu().ns;
}

void
run_cpu_end(struct run *run)
{
    run->cpu_ns += clock_thread_cpu().ns - run->cpu_began_ns;
}

void
run_charge_cpu(struct run *run, int64_t cpu_ns)
{
    run->cpu_ns += cpu_ns;
}

void
run_fini(struct run *run)
{
    forget_result(run);
}
