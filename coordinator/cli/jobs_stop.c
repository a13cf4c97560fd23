/* SPDX-License-Identifier: MIT
 *
 * A wait ends on every end of a job, good or bad: a command that waits for success alone
 * hangs on the first failure.
 */
#include "common/sys/clock.h"
#include "coordinator/cli/cli.h"
#include "coordinator/cli/jobs.h"
#include "coordinator/cli/report.h"
#include "coordinator/cli/signals.h"

#include <string.h>

#define IDS_MAX       1000
#define STOP_MS_MAX   2000
#define POLL_MS       10
#define WAIT_STEP_MS  20000 /* of one long poll */
#define ROUND_STEP_MS 200   /* when several are waited for in turn */

static const unsigned jobs_outputs = OUTPUT_BIT(OUTPUT_TABLE) | OUTPUT_BIT(OUTPUT_JSON) |
                                     OUTPUT_BIT(OUTPUT_JSONL) | OUTPUT_BIT(OUTPUT_ID) |
                                     OUTPUT_BIT(OUTPUT_NONE);

static const struct argp_child stop_children[] = { OPTIONS_CHILD, { 0 } };

/* ---- cancel ------------------------------------------------------------------------------ */

static const struct argp_option cancel_flags[] = {
    { "no-wait", JOBS_KEY_NO_WAIT, NULL, 0,
        "Do not wait (at most 2 s) until its copies have stopped", 0 },
    { 0 },
};
static const struct argp cancel_argp = {
    .options = cancel_flags,
    .parser = jobs_on_flag,
    .args_doc = "JOB-ID...",
    .doc = "Stops jobs: every copy, wherever it runs, and says so when they have stopped.  A "
           "job that is over stays as it is.\v"
           "Examples:\n"
           "  hedgerow cancel 01936a0e-7c3b-7d0a-9a57-3e1f0c5b2a44\n"
           "  hedgerow list --state RUNNING -o id | xargs hedgerow cancel",
    .children = stop_children,
};

static int
cancel_one(struct hedgerow_client *client, const struct jobs_options *options,
    struct hedgerow_interrupt *interrupt, const char *job_id)
{
    struct hedgerow_reply reply;
    struct job_view view;
    int exit_code = CLI_DONE;
    instant_t deadline = instant_add(clock_now(), duration_ms(STOP_MS_MAX));
    enum hedgerow_outcome outcome = hedgerow_job_cancel(client, job_id, 0, &reply);
    bool was_over = false;
    for (unsigned round = 0;; round++) {
        if (outcome != HEDGEROW_OK || !job_view_parse(&reply, &view)) {
            exit_code = report_failure(client, &options->common, NULL, &reply);
            break;
        }
        was_over = was_over || (round == 0 && strcmp(view.state, "CANCELLED") != 0 &&
                                   job_view_is_over(&view));
        if (!job_view_is_live(&view) || options->is_no_wait || was_over ||
            instant_reached(clock_now(), deadline) ||
            hedgerow_interrupt_wait(interrupt, POLL_MS) != 0) {
            jobs_print_line(&options->common, &view, &reply);
            break;
        }
        hedgerow_reply_fini(&reply);
        outcome = hedgerow_job_get(client, job_id, 0, NULL, &reply);
    }
    if (exit_code == CLI_DONE && was_over) {
        out_note("job %s was over already", job_id);
    } else if (exit_code == CLI_DONE && job_view_is_live(&view) && !options->is_no_wait) {
        out_note("job %s: a copy has not been heard to stop yet", job_id);
    }
    hedgerow_reply_fini(&reply);
    return exit_code;
}

int
cancel_command(int argc, char **argv)
{
    struct jobs_options options = { .common = {
                                        .outputs = jobs_outputs, .output = OUTPUT_TABLE } };
    struct hedgerow_client *client = jobs_begin(&cancel_argp, argc, argv, &options, IDS_MAX);
    struct hedgerow_interrupt *interrupt = signals_catch();
    int exit_code = interrupt != NULL ? CLI_DONE : CLI_FAILED;
    for (unsigned i = 0; interrupt != NULL && i < options.words_count; i++) {
        exit_code =
            jobs_worse(exit_code, cancel_one(client, &options, interrupt, options.words[i]));
    }
    hedgerow_interrupt_free(interrupt);
    jobs_end(&options, client);
    return exit_code;
}

/* ---- wait -------------------------------------------------------------------------------- */

static const struct argp_option wait_flags[] = {
    { "any", JOBS_KEY_ANY, NULL, 0, "Until one of them is over, not all", 0 },
    { "timeout", 't', "TIME", 0, "Give up after this time (exit code 124)", 0 },
    { 0 },
};
static const struct argp wait_argp = {
    .options = wait_flags,
    .parser = jobs_on_flag,
    .args_doc = "JOB-ID...",
    .doc = "Waits until jobs are over, in whatever way, and prints a line for each.  Exits as "
           "the first one that did not succeed would (hedgerow help exit-codes).\v"
           "Examples:\n"
           "  hedgerow wait 01936a0e-7c3b-7d0a-9a57-3e1f0c5b2a44\n"
           "  hedgerow wait $(hedgerow list --state RUNNING -o id) --timeout 1m",
    .children = stop_children,
};

struct waiting {
    struct hedgerow_client *client;
    const struct jobs_options *options;
    struct hedgerow_interrupt *interrupt;
    instant_t deadline;
    bool is_over[IDS_MAX];
    int exit_code;
};

/* false: there is no use in going on. */
static bool
wait_one(struct waiting *waiting, unsigned index, int64_t step_ms)
{
    int64_t left_ms = duration_to_ms(instant_until(clock_now(), waiting->deadline));
    struct hedgerow_reply reply;
    enum hedgerow_outcome outcome =
        hedgerow_job_get(waiting->client, waiting->options->words[index],
            left_ms < step_ms ? left_ms : step_ms, waiting->interrupt, &reply);
    struct job_view view;
    bool go_on = true;
    if (outcome == HEDGEROW_INTERRUPTED) {
        waiting->exit_code = CLI_INTERRUPTED;
        go_on = false;
    } else if (outcome != HEDGEROW_OK || !job_view_parse(&reply, &view)) {
        int exit_code =
            report_failure(waiting->client, &waiting->options->common, NULL, &reply);
        waiting->exit_code = jobs_worse(waiting->exit_code, exit_code);
        waiting->is_over[index] = true;
        go_on = outcome == HEDGEROW_NOT_FOUND;
    } else if (job_view_is_over(&view)) {
        jobs_print_line(&waiting->options->common, &view, &reply);
        fflush(stdout);
        waiting->exit_code =
            jobs_worse(waiting->exit_code, cli_exit_of(job_view_outcome(&view)));
        waiting->is_over[index] = true;
        go_on = !waiting->options->is_any;
    }
    hedgerow_reply_fini(&reply);
    return go_on;
}

static int
wait_all(struct waiting *waiting)
{
    unsigned count = waiting->options->words_count;
    for (;;) {
        unsigned open_count = 0;
        for (unsigned i = 0; i < count; i++) {
            open_count += !waiting->is_over[i];
        }
        if (open_count == 0) {
            return waiting->exit_code;
        }
        bool in_turn = waiting->options->is_any && open_count > 1;
        for (unsigned i = 0; i < count; i++) {
            if (waiting->is_over[i]) {
                continue;
            }
            if (!wait_one(waiting, i, in_turn ? ROUND_STEP_MS : WAIT_STEP_MS)) {
                return waiting->exit_code;
            }
            if (!waiting->is_over[i] && instant_reached(clock_now(), waiting->deadline)) {
                out_error("job %s is not over yet", waiting->options->words[i]);
                return CLI_DEADLINE;
            }
        }
    }
}

int
wait_command(int argc, char **argv)
{
    struct jobs_options options = { .common = {
                                        .outputs = jobs_outputs, .output = OUTPUT_TABLE } };
    struct hedgerow_client *client = jobs_begin(&wait_argp, argc, argv, &options, IDS_MAX);
    struct waiting waiting = { .client = client,
        .options = &options,
        .interrupt = signals_catch(),
        .deadline = INSTANT_NEVER };
    if (options.timeout_ms >= 0) {
        waiting.deadline = instant_add(clock_now(), duration_ms(options.timeout_ms));
    }
    int exit_code = waiting.interrupt != NULL ? wait_all(&waiting) : CLI_FAILED;
    hedgerow_interrupt_free(waiting.interrupt);
    jobs_end(&options, client);
    return exit_code;
}
