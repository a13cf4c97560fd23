/* SPDX-License-Identifier: MIT */
#include "coordinator/cli/call_options.h"

#include "coordinator/cli/out.h"

#include <string.h>

enum {
    KEY_HEDGE = 1100,
    KEY_MODE,
    KEY_COPIES,
    KEY_IDEMPOTENT,
    KEY_CONTENT_TYPE,
    KEY_IDEMPOTENCY_KEY
};

static const struct argp_option call_options[] = {
    { "timeout", 't', "TIME", 0, "Stop the job after this time: 300ms, 10s, 1m30s", 0 },
    { "hedge", KEY_HEDGE, "WHEN", 0,
        "When a second copy may start: auto (after a delay that is learned), off (never), "
        "or after this time (20ms)",
        0 },
    { "mode", KEY_MODE, "MODE", 0,
        "single: one copy; hedge: a second one when the first is slow; race: --copies at "
        "once; tied: a second one in another queue, and the one that starts stays",
        0 },
    { "copies", KEY_COPIES, "N", 0, "Copies of a race, and the most of a hedge (1 to 5)", 0 },
    { "idempotent", KEY_IDEMPOTENT, "yes|no", OPTION_ARG_OPTIONAL,
        "The job may run more than once (else: as its handler declares)", 0 },
    { "content-type", KEY_CONTENT_TYPE, "TYPE", 0, "Of the input", 0 },
    { "idempotency-key", KEY_IDEMPOTENCY_KEY, "KEY", 0,
        "The same key twice is the same job, once", 0 },
    { 0 },
};

static void
set_hedge(struct hedgerow_call *call, const char *text)
{
    if (strcmp(text, "off") == 0) {
        call->hedge = HEDGEROW_HEDGE_OFF;
    } else if (strcmp(text, "auto") == 0) {
        call->hedge = HEDGEROW_HEDGE_DEFAULT;
    } else if (text[0] >= '0' && text[0] <= '9') {
        call->hedge = HEDGEROW_HEDGE_AFTER;
        call->hedge_delay_us = duration_to_us(options_duration("--hedge", text));
    } else {
        static const char *const known[] = { "auto", "off", "a time such as 20ms", NULL };
        options_fail_choice("--hedge", text, known);
    }
}

static void
set_mode(struct hedgerow_call *call, const char *text)
{
    static const char *const known[] = { "single", "hedge", "race", "tied", NULL };
    for (unsigned i = 0; known[i] != NULL; i++) {
        if (strcmp(text, known[i]) == 0) {
            call->mode = (enum hedgerow_mode)(HEDGEROW_MODE_SINGLE + i);
            return;
        }
    }
    options_fail_choice("--mode", text, known);
}

static void
set_idempotent(struct hedgerow_call *call, const char *text)
{
    static const char *const known[] = { "yes", "no", NULL };
    if (text == NULL || strcmp(text, "yes") == 0) {
        call->idempotent = 1;
    } else if (strcmp(text, "no") == 0) {
        call->idempotent = 0;
    } else {
        options_fail_choice("--idempotent", text, known);
    }
}

static void
set_timeout(struct hedgerow_call *call, const char *text)
{
    duration_t timeout = options_duration("--timeout", text);
    if (timeout.ns < 1000000) {
        options_fail("--timeout: '%s' is less than a millisecond", text);
    }
    call->timeout_ms = duration_to_ms(timeout);
}

static error_t
on_call(int key, char *value, struct argp_state *state)
{
    struct hedgerow_call *call = state->input;
    switch (key) {
    case ARGP_KEY_INIT: *call = (struct hedgerow_call) HEDGEROW_CALL_INIT; return 0;
    case 't': set_timeout(call, value); return 0;
    case KEY_HEDGE: set_hedge(call, value); return 0;
    case KEY_MODE: set_mode(call, value); return 0;
    case KEY_COPIES: call->copies = options_count("--copies", value, CALL_COPIES_MAX); return 0;
    case KEY_IDEMPOTENT: set_idempotent(call, value); return 0;
    case KEY_CONTENT_TYPE: call->content_type = value; return 0;
    case KEY_IDEMPOTENCY_KEY: call->idempotency_key = value; return 0;
    default: return ARGP_ERR_UNKNOWN;
    }
}

const struct argp call_options_argp = {
    .options = call_options,
    .parser = on_call,
};
