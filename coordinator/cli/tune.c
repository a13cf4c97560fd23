/* SPDX-License-Identifier: MIT
 *
 * tune HANDLER: which hedging would have served its last jobs best.  The samples and the
 * fleet come from the coordinator; hedgerow-sim, which has the core, plays them.
 */
#include "common/edge/json.h"
#include "coordinator/cli/cli.h"
#include "coordinator/cli/options.h"
#include "coordinator/cli/out.h"
#include "coordinator/cli/report.h"
#include "coordinator/cli/sibling.h"

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define PATH_SIZE_MAX 512
#define PAGES_MAX     100

enum {
    KEY_POLICY = 6100,
    KEY_BUDGET,
    KEY_SAMPLES
};

struct tune_options {
    struct options common;
    const char *handler;
    const char *policy;
    const char *budget;
    bool is_samples_wanted;
};

static const struct argp_option tune_flags[] = {
    { "policy", KEY_POLICY, "NAME", 0,
        "Only this one: none, default, quantile, singler, latency, static:MS", 0 },
    { "budget", KEY_BUDGET, "PCT", 0, "Its budget: extra copies, in % of all jobs (5)", 0 },
    { "samples", KEY_SAMPLES, NULL, 0, "Print the samples (lines of JSON), play nothing", 0 },
    { 0 },
};

static error_t
on_flag(int key, char *value, struct argp_state *state)
{
    struct tune_options *options = state->input;
    switch (key) {
    case ARGP_KEY_INIT: state->child_inputs[0] = &options->common; return 0;
    case KEY_POLICY: options->policy = value; return 0;
    case KEY_BUDGET: options->budget = value; return 0;
    case KEY_SAMPLES: options->is_samples_wanted = true; return 0;
    case ARGP_KEY_ARG:
        if (options->handler != NULL) {
            options_fail("'%s' is one word too many", value);
        }
        options->handler = value;
        return 0;
    default: return ARGP_ERR_UNKNOWN;
    }
}

static const struct argp_child tune_children[] = { OPTIONS_CHILD, { 0 } };
static const struct argp tune_argp = {
    .options = tune_flags,
    .parser = on_flag,
    .args_doc = "HANDLER",
    .doc = "Plays the handler's last jobs (the coordinator keeps 4096 copies) again in virtual "
           "time, under other policies and budgets, and says which would have served them "
           "best: a table, a plot of p50 to p99.9 against extra work, and what to set.\v"
           "Examples:\n"
           "  hedgerow tune sha256\n"
           "  hedgerow tune sha256 --policy static:20 --budget 10 -o json\n"
           "  hedgerow tune sha256 --samples >samples.jsonl",
    .children = tune_children,
};

/* The number of the last line; 0: there is none. */
static uint64_t
last_number(const struct hedgerow_reply *reply)
{
    static const char key[] = "{\"number\":";
    const char *body = (const char *) reply->body;
    uint64_t number = 0;
    size_t at = 0;
    while (at + sizeof key < reply->body_size) {
        if (memcmp(body + at, key, sizeof key - 1) == 0) {
            number = strtoull(body + at + sizeof key - 1, NULL, 10);
        }
        const char *end = memchr(body + at, '\n', reply->body_size - at);
        if (end == NULL) {
            break;
        }
        at = (size_t) (end - body) + 1;
    }
    return number;
}

static bool
name_is_plain(const char *name)
{
    for (; *name != '\0'; name++) {
        if (!isalnum((unsigned char) *name) && strchr("._-", *name) == NULL) {
            return false;
        }
    }
    return true;
}

/* All pages, one after the other. */
static int
fetch_samples(struct hedgerow_client *client, const struct tune_options *options, FILE *stream)
{
    uint64_t after = 0;
    for (int page = 0; page < PAGES_MAX; page++) {
        char path[PATH_SIZE_MAX];
        struct hedgerow_reply reply;
        snprintf(path, sizeof path, "/v1/hedging/%s/samples?after=%" PRIu64, options->handler,
            after);
        int exit_code = CLI_DONE;
        if (hedgerow_get(client, path, 0, &reply) != HEDGEROW_OK) {
            exit_code = report_failure(client, &options->common, options->handler, &reply);
        }
        uint64_t last = exit_code == CLI_DONE ? last_number(&reply) : 0;
        if (last > 0) {
            fwrite(reply.body, 1, reply.body_size, stream);
        }
        hedgerow_reply_fini(&reply);
        if (last == 0) {
            return exit_code;
        }
        after = last;
    }
    return CLI_DONE;
}

struct fleet {
    uint32_t workers_count;
    double slots_count; /* of all of them */
};

static void
add_worker(struct fleet *fleet, const struct json *worker, const char *handler)
{
    const struct json *handlers = json_get(worker, "handlers");
    double slots = 0;
    for (size_t i = 0; i < json_count(handlers); i++) {
        const char *name = json_text(json_at(handlers, i));
        if (name != NULL && strcmp(name, handler) == 0 &&
            json_f64(json_get(worker, "slots"), &slots)) {
            fleet->workers_count++;
            fleet->slots_count += slots;
            return;
        }
    }
}

static int
fetch_fleet(
    struct hedgerow_client *client, const struct tune_options *options, struct fleet *ret_fleet)
{
    struct hedgerow_reply reply;
    struct json *json = NULL;
    int exit_code = CLI_DONE;
    *ret_fleet = (struct fleet){ 0 };
    if (hedgerow_get(client, "/v1/workers", 0, &reply) != HEDGEROW_OK) {
        exit_code = report_failure(client, &options->common, NULL, &reply);
    } else if (json_parse(reply.body, reply.body_size, &json, NULL) == ERR_OK) {
        const struct json *workers = json_get(json, "workers");
        for (size_t i = 0; i < json_count(workers); i++) {
            add_worker(ret_fleet, json_at(workers, i), options->handler);
        }
        json_free(json);
    }
    hedgerow_reply_fini(&reply);
    if (exit_code == CLI_DONE && ret_fleet->workers_count == 0) {
        out_error("no worker has '%s' now", options->handler);
        exit_code = CLI_UNAVAILABLE;
    }
    return exit_code;
}

/* Becomes hedgerow-sim; comes back only when that cannot be. */
static int
play(const struct tune_options *options, const struct fleet *fleet, FILE *samples)
{
    char program[SIBLING_SIZE_MAX];
    char workers[16];
    char slots[16];
    snprintf(workers, sizeof workers, "%" PRIu32, fleet->workers_count);
    snprintf(slots, sizeof slots, "%.0f", fleet->slots_count / fleet->workers_count);
    const char *argv[] = { "hedgerow-sim", "tune", "--handler", options->handler, "--workers",
        workers, "--slots", slots, "--output",
        options->common.output == OUTPUT_JSON ? "json" : "table", "--budget",
        options->budget != NULL ? options->budget : "5",
        options->policy != NULL ? "--policy" : NULL, options->policy, NULL };
    if (!sibling_find(argv[0], program)) {
        return CLI_UNAVAILABLE;
    }
    rewind(samples);
    if (fflush(samples) != 0 || dup2(fileno(samples), STDIN_FILENO) < 0) {
        out_error("cannot hand the samples over: %s", strerror(errno));
        return CLI_UNAVAILABLE;
    }
    execv(program, (char *const *) argv);
    out_error("cannot run %s: %s", program, strerror(errno));
    return CLI_UNAVAILABLE;
}

int
tune_command(int argc, char **argv)
{
    struct tune_options options = {
        .common = { .outputs = OUTPUT_BIT(OUTPUT_TABLE) | OUTPUT_BIT(OUTPUT_JSON),
            .output = OUTPUT_TABLE },
    };
    options_parse(&tune_argp, argc, argv, &options);
    if (options.handler == NULL || !name_is_plain(options.handler)) {
        options_fail("of which handler?  hedgerow tune HANDLER");
    }
    struct hedgerow_client *client = hedgerow_client_new(options.common.server);
    CHECK(client != NULL);
    FILE *samples = options.is_samples_wanted ? stdout : tmpfile();
    struct fleet fleet;
    int exit_code = CLI_UNAVAILABLE;
    if (samples == NULL) {
        out_error("no temporary file: %s", strerror(errno));
    } else {
        exit_code = fetch_samples(client, &options, samples);
    }
    if (exit_code == CLI_DONE && !options.is_samples_wanted) {
        exit_code = fetch_fleet(client, &options, &fleet);
        if (exit_code == CLI_DONE) {
            exit_code = play(&options, &fleet, samples);
        }
    }
    hedgerow_client_free(client);
    return exit_code;
}
