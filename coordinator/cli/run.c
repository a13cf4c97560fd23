/* SPDX-License-Identifier: MIT */
#include "coordinator/cli/run.h"

#include "common/sys/clock.h"
#include "coordinator/cli/call_options.h"
#include "coordinator/cli/cli.h"
#include "coordinator/cli/connect.h"
#include "coordinator/cli/input.h"
#include "coordinator/cli/job_view.h"
#include "coordinator/cli/json_print.h"
#include "coordinator/cli/out.h"
#include "coordinator/cli/progress.h"
#include "coordinator/cli/report.h"
#include "coordinator/cli/signals.h"
#include "coordinator/cli/state.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define STOP_MS_MAX 2000 /* how long an interrupted job's end is waited for */

enum {
    KEY_EACH = 3000,
    KEY_REPEAT,
    KEY_SUMMARY
};

static const struct argp_option run_flags[] = {
    { "each", KEY_EACH, NULL, 0, "Every further word is a file, and a job of its own", 0 },
    { "concurrency", 'c', "N", 0, "With --each or --repeat: jobs at a time (1)", 0 },
    { "repeat", KEY_REPEAT, "N", 0, "Run the same input (or all files) so many times", 0 },
    { "summary", KEY_SUMMARY, NULL, 0,
        "At the end, on stderr: how many jobs, p50, p90, p99, max, hedges", 0 },
    { 0 },
};

static error_t
on_run_flag(int key, char *value, struct argp_state *state)
{
    struct run_options *options = state->input;
    switch (key) {
    case ARGP_KEY_INIT:
        state->child_inputs[0] = &options->common;
        state->child_inputs[1] = &options->call;
        return 0;
    case KEY_EACH: options->is_each = true; return 0;
    case 'c':
        options->concurrency = options_count("--concurrency", value, RUN_CONCURRENCY_MAX);
        return 0;
    case KEY_REPEAT:
        options->repeat = options_count("--repeat", value, RUN_REPEAT_MAX);
        return 0;
    case KEY_SUMMARY: options->has_summary = true; return 0;
    case ARGP_KEY_ARG:
        if (options->handler == NULL) {
            options->handler = value;
        } else {
            options->words[options->words_count++] = value;
        }
        return 0;
    default: return ARGP_ERR_UNKNOWN;
    }
}

static const struct argp_child run_children[] = { OPTIONS_CHILD, CALL_OPTIONS_CHILD, { 0 } };
static const struct argp run_argp = {
    .options = run_flags,
    .parser = on_run_flag,
    .args_doc = "HANDLER [TEXT|@FILE|-]\nHANDLER --each FILE...",
    .doc = "Runs a job, waits for it, and prints its result: nothing else goes to stdout.\v"
           "The input is a text, a file (@FILE), or standard input (-).  Without one it is "
           "empty.\n\n"
           "Examples:\n"
           "  hedgerow run sha256 hello\n"
           "  hedgerow run sha256 - < FILE\n"
           "  hedgerow run sleep 10s --timeout 300ms        ends with 124\n"
           "  hedgerow run sha256 @FILE --hedge 20ms -v     says who won\n"
           "  hedgerow run sha256 --each *.jpg -c 8 --summary\n"
           "  hedgerow run sleep 10ms --repeat 500 -c 8 --summary -o none\n\n"
           "Ctrl-C cancels the job and waits until it has stopped; once more leaves at once.\n"
           "Exit codes: 0 succeeded, 1 failed, 124 out of time, 130 interrupted; all of them: "
           "hedgerow help exit-codes",
    .children = run_children,
};

/* ---- one job ----------------------------------------------------------------------------- */

/* The job was told to stop by our leaving; hear that it did. */
static void
wait_for_stop(const struct run_options *options, const char *job_id)
{
    out_note("cancelling job %s (Ctrl-C again to leave it)", job_id);
    struct hedgerow_client *client = connect_client(&options->common);
    if (client == NULL) {
        return;
    }
    instant_t deadline = instant_add(clock_now(), duration_ms(STOP_MS_MAX));
    struct hedgerow_reply reply;
    enum hedgerow_outcome outcome = hedgerow_job_cancel(client, job_id, STOP_MS_MAX, &reply);
    struct job_view view = { 0 };
    bool is_known = outcome == HEDGEROW_OK && job_view_parse(&reply, &view);
    hedgerow_reply_fini(&reply);
    while (is_known && job_view_is_live(&view) && !instant_reached(clock_now(), deadline)) {
        struct hedgerow_interrupt *pause = hedgerow_interrupt_new();
        if (pause != NULL) {
            (void) hedgerow_interrupt_wait(pause, 10);
            hedgerow_interrupt_free(pause);
        }
        is_known = hedgerow_job_get(client, job_id, 0, NULL, &reply) == HEDGEROW_OK &&
                   job_view_parse(&reply, &view);
        hedgerow_reply_fini(&reply);
    }
    if (!is_known) {
        out_error("job %s: the coordinator does not say what became of it", job_id);
    } else if (job_view_is_live(&view)) {
        out_error("job %s was cancelled, but a copy has not been heard to stop yet", job_id);
    } else {
        out_note("job %s has stopped", job_id);
    }
    out_hint("What happened:  hedgerow explain %s", job_id);
    hedgerow_client_free(client);
}

static int
print_result(struct hedgerow_client *client, const struct run_options *options,
    const struct hedgerow_reply *reply)
{
    bool ok = true;
    switch (options->common.output) {
    case OUTPUT_RAW:
        ok = fwrite(reply->body, 1, reply->body_size, stdout) == reply->body_size;
        break;
    case OUTPUT_JSON: {
        struct hedgerow_reply job;
        int exit_code = CLI_DONE;
        if (hedgerow_job_get(client, reply->job_id, 0, NULL, &job) == HEDGEROW_OK) {
            json_print_body(&job, stdout);
        } else {
            exit_code = report_failure(client, &options->common, NULL, &job);
        }
        hedgerow_reply_fini(&job);
        return exit_code;
    }
    case OUTPUT_ID: ok = printf("%s\n", reply->job_id) > 0; break;
    case OUTPUT_TABLE:
    case OUTPUT_JSONL:
    case OUTPUT_NONE: break;
    }
    if (!ok || fflush(stdout) != 0) {
        out_error("cannot write the result: %s", strerror(errno));
        return CLI_FAILED;
    }
    return CLI_DONE;
}

static void
tell_verbose(const struct hedgerow_reply *reply)
{
    char took[OUT_NUMBER_SIZE_MAX];
    out_ms_text((double) reply->took_us / 1000, took);
    out_note("job %s: %u %s, won by %s, %s", reply->job_id, reply->attempts,
        reply->attempts == 1 ? "copy" : "copies",
        reply->winner[0] != '\0' ? reply->winner : "?", took);
}

static int
run_one(struct run_options *options)
{
    struct input input;
    if (!input_load(options->words_count > 0 ? options->words[0] : NULL, &input)) {
        return CLI_USAGE;
    }
    struct hedgerow_client *client = connect_client(&options->common);
    struct hedgerow_interrupt *interrupt = signals_catch();
    if (client == NULL || interrupt == NULL) {
        input_fini(&input);
        hedgerow_client_free(client);
        return CLI_FAILED;
    }
    char job_id[HEDGEROW_ID_SIZE];
    hedgerow_job_id_make(job_id);
    options->call.handler = options->handler;
    options->call.input = input.bytes;
    options->call.input_size = input.size;
    options->call.job_id = job_id;
    options->call.interrupt = interrupt;

    char waiting[96];
    snprintf(waiting, sizeof waiting, "waiting for job %s", job_id);
    struct progress *progress = progress_start(waiting, options->common.is_quiet);
    struct hedgerow_reply reply;
    enum hedgerow_outcome outcome = hedgerow_invoke(client, &options->call, &reply);
    progress_stop(progress);
    state_save_last(reply.job_id, hedgerow_client_server(client));
    int exit_code = CLI_INTERRUPTED;
    if (outcome == HEDGEROW_OK) {
        exit_code = print_result(client, options, &reply);
        if (options->common.is_verbose) {
            tell_verbose(&reply);
        }
    } else if (outcome == HEDGEROW_INTERRUPTED) {
        wait_for_stop(options, job_id);
    } else {
        exit_code = report_failure(client, &options->common, options->handler, &reply);
    }
    hedgerow_reply_fini(&reply);
    input_fini(&input);
    hedgerow_client_free(client);
    hedgerow_interrupt_free(interrupt);
    return exit_code;
}

int
run_command(int argc, char **argv)
{
    struct run_options options = {
        .common = { .outputs = OUTPUT_BIT(OUTPUT_RAW) | OUTPUT_BIT(OUTPUT_JSON) |
                               OUTPUT_BIT(OUTPUT_JSONL) | OUTPUT_BIT(OUTPUT_ID) |
                               OUTPUT_BIT(OUTPUT_NONE),
            .output = OUTPUT_RAW },
        .concurrency = 1,
        .repeat = 1,
    };
    options.words = calloc((size_t) argc + 1, sizeof *options.words);
    CHECK(options.words != NULL);
    options_parse(&run_argp, argc, argv, &options);
    if (options.handler == NULL) {
        out_error("which handler?");
        out_hint("hedgerow run HANDLER [TEXT|@FILE|-]");
        out_hint("The handlers that there are:  hedgerow handlers");
        free(options.words);
        return CLI_USAGE;
    }
    if (!options.is_each && options.words_count > 1) {
        options_fail(
            "'%s' is one input too many; for a job of each file, add --each", options.words[1]);
    }
    if (options.is_each && options.words_count == 0) {
        options_fail("--each: which files?");
    }
    bool is_many = options.is_each || options.repeat > 1 || options.has_summary ||
                   options.common.output == OUTPUT_JSONL;
    int exit_code = is_many ? run_each(&options) : run_one(&options);
    free(options.words);
    return exit_code;
}
