/* SPDX-License-Identifier: MIT */
#include "coordinator/cli/jobs.h"

#include "common/edge/json.h"
#include "coordinator/cli/cli.h"
#include "coordinator/cli/connect.h"
#include "coordinator/cli/json_print.h"
#include "coordinator/cli/report.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define LIST_DEFAULT 20
#define LIST_MAX     1000
#define PATH_SIZE    512

error_t
jobs_on_flag(int key, char *value, struct argp_state *state)
{
    struct jobs_options *options = state->input;
    switch (key) {
    case ARGP_KEY_INIT: state->child_inputs[0] = &options->common; return 0;
    case ARGP_KEY_ARG: options->words[options->words_count++] = value; return 0;
    case JOBS_KEY_STATE: options->state = value; return 0;
    case JOBS_KEY_HANDLER: options->handler = value; return 0;
    case JOBS_KEY_ANY: options->is_any = true; return 0;
    case JOBS_KEY_NO_WAIT: options->is_no_wait = true; return 0;
    case 'n': options->list_max = options_count("--limit", value, LIST_MAX); return 0;
    case 't':
        options->timeout_ms = duration_to_ms(options_duration("--timeout", value));
        return 0;
    default: return ARGP_ERR_UNKNOWN;
    }
}

struct hedgerow_client *
jobs_begin(const struct argp *argp, int argc, char **argv, struct jobs_options *options,
    unsigned ids_max)
{
    options->timeout_ms = -1;
    options->list_max = LIST_DEFAULT;
    options->words = calloc((size_t) argc + 1, sizeof *options->words);
    CHECK(options->words != NULL);
    options_parse(argp, argc, argv, options);
    if (ids_max > 0 && options->words_count == 0) {
        options_fail("which job?");
    }
    if (options->words_count > ids_max) {
        options_fail("'%s' is one word too many", options->words[ids_max]);
    }
    struct hedgerow_client *client = connect_client(&options->common);
    CHECK(client != NULL);
    return client;
}

void
jobs_end(struct jobs_options *options, struct hedgerow_client *client)
{
    free(options->words);
    hedgerow_client_free(client);
}

int
jobs_worse(int exit_code, int other)
{
    return exit_code != CLI_DONE ? exit_code : other;
}

void
jobs_print_line(const struct options *options, const struct job_view *view,
    const struct hedgerow_reply *reply)
{
    switch (options->output) {
    case OUTPUT_JSON: json_print_body(reply, stdout); break;
    case OUTPUT_JSONL: {
        struct json *json = NULL;
        if (json_parse(reply->body, reply->body_size, &json, NULL) == ERR_OK) {
            json_print(json, 0, stdout);
            json_free(json);
        }
        break;
    }
    case OUTPUT_ID: printf("%s\n", view->id); break;
    case OUTPUT_RAW:
    case OUTPUT_TABLE: printf("%s  %s\n", view->id, view->state); break;
    case OUTPUT_NONE: break;
    }
}

/* ---- tables ------------------------------------------------------------------------------ */

static const char *const job_headers[] = { "ID", "HANDLER", "STATE", ">COPIES", "WON BY",
    ">TIME", "CREATED", NULL };

static void
table_add_job(struct out_table *table, const struct job_view *view)
{
    char took[OUT_NUMBER_SIZE_MAX];
    out_ms_text(isnan(view->total_ms) ? view->age_ms : view->total_ms, took);
    const char *kind = "";
    const char *worker = "";
    for (unsigned i = 0; i < view->attempts_count; i++) {
        if (view->attempts[i].number == view->winner && view->winner > 0) {
            kind = view->attempts[i].kind;
            worker = view->attempts[i].worker;
        }
    }
    out_table_add(table, "%s", view->id);
    out_table_add(table, "%s", view->handler);
    out_table_add(table, "%s", view->state);
    out_table_add(table, "%u", view->attempts_count);
    out_table_add(table, "%s%s%s", kind, kind[0] != '\0' ? "/" : "", worker);
    out_table_add(table, "%s", took);
    out_table_add(table, "%s", view->created_at);
}

static int
fail_strange(const struct hedgerow_client *client)
{
    out_error("what answered at %s did not send jobs", hedgerow_client_server(client));
    return CLI_UNAVAILABLE;
}

/* ---- get --------------------------------------------------------------------------------- */

static const struct argp_child jobs_children[] = { OPTIONS_CHILD, { 0 } };
static const struct argp get_argp = {
    .parser = jobs_on_flag,
    .args_doc = "JOB-ID",
    .doc = "Shows one job, whatever became of it.\v"
           "Examples:\n"
           "  hedgerow get 01936a0e-7c3b-7d0a-9a57-3e1f0c5b2a44\n"
           "  hedgerow get 01936a0e-7c3b-7d0a-9a57-3e1f0c5b2a44 -o json\n\n"
           "Its race as a picture:  hedgerow explain JOB-ID",
    .children = jobs_children,
};

int
get_command(int argc, char **argv)
{
    struct jobs_options options = {
        .common = { .outputs = OUTPUT_BIT(OUTPUT_TABLE) | OUTPUT_BIT(OUTPUT_JSON) |
                               OUTPUT_BIT(OUTPUT_JSONL) | OUTPUT_BIT(OUTPUT_ID),
            .output = OUTPUT_TABLE }
    };
    struct hedgerow_client *client = jobs_begin(&get_argp, argc, argv, &options, 1);
    struct hedgerow_reply reply;
    struct job_view view;
    int exit_code = CLI_DONE;
    if (hedgerow_job_get(client, options.words[0], 0, NULL, &reply) != HEDGEROW_OK) {
        exit_code = report_failure(client, &options.common, NULL, &reply);
    } else if (!job_view_parse(&reply, &view)) {
        exit_code = fail_strange(client);
    } else if (options.common.output == OUTPUT_TABLE) {
        struct out_table table;
        out_table_init(&table, job_headers);
        table_add_job(&table, &view);
        out_table_print(&table, stdout);
        out_table_fini(&table);
    } else {
        jobs_print_line(&options.common, &view, &reply);
    }
    hedgerow_reply_fini(&reply);
    jobs_end(&options, client);
    return exit_code;
}

/* ---- list -------------------------------------------------------------------------------- */

static const struct argp_option list_flags[] = {
    { "state", JOBS_KEY_STATE, "STATE", 0,
        "Only QUEUED, RUNNING, SUCCEEDED, FAILED, CANCELLED or DEADLINE_EXCEEDED", 0 },
    { "handler", JOBS_KEY_HANDLER, "NAME", 0, "Only of this handler", 0 },
    { "limit", 'n', "N", 0, "At most so many (20)", 0 },
    { 0 },
};
static const struct argp list_argp = {
    .options = list_flags,
    .parser = jobs_on_flag,
    .doc = "Lists jobs, the newest first.\v"
           "Examples:\n"
           "  hedgerow list\n"
           "  hedgerow list --state FAILED --handler sha256 --limit 100\n"
           "  hedgerow list --state RUNNING -o id | xargs hedgerow cancel",
    .children = jobs_children,
};

static void
query_add(char *path, const char *name, const char *value)
{
    /* Of names and states only what needs no escape may pass. */
    static const char allowed[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                  "0123456789._-~";
    if (value == NULL) {
        return;
    }
    if (strspn(value, allowed) != strlen(value)) {
        options_fail("--%s: '%s' cannot be one", name, value);
    }
    size_t size = strlen(path);
    snprintf(path + size, PATH_SIZE - size, "&%s=%s", name, value);
}

static int
list_print(struct hedgerow_client *client, const struct jobs_options *options,
    const struct hedgerow_reply *reply)
{
    struct json *json = NULL;
    if (json_parse(reply->body, reply->body_size, &json, NULL) != ERR_OK) {
        return fail_strange(client);
    }
    const struct json *jobs = json_get(json, "jobs");
    struct out_table table;
    out_table_init(&table, job_headers);
    for (size_t i = 0; i < json_count(jobs); i++) {
        struct job_view view;
        if (!job_view_read(json_at(jobs, i), &view)) {
            continue;
        }
        if (options->common.output == OUTPUT_ID) {
            printf("%s\n", view.id);
        }
        table_add_job(&table, &view);
    }
    if (options->common.output == OUTPUT_TABLE) {
        out_table_print(&table, stdout);
    } else if (options->common.output == OUTPUT_JSON) {
        json_print(json, 2, stdout);
    } else if (options->common.output == OUTPUT_JSONL) {
        json_print_lines(jobs, stdout);
    }
    if (json_count(jobs) == 0) {
        out_note("no such job");
    }
    out_table_fini(&table);
    json_free(json);
    return CLI_DONE;
}

int
list_command(int argc, char **argv)
{
    struct jobs_options options = {
        .common = { .outputs = OUTPUT_BIT(OUTPUT_TABLE) | OUTPUT_BIT(OUTPUT_JSON) |
                               OUTPUT_BIT(OUTPUT_JSONL) | OUTPUT_BIT(OUTPUT_ID),
            .output = OUTPUT_TABLE }
    };
    struct hedgerow_client *client = jobs_begin(&list_argp, argc, argv, &options, 0);
    char path[PATH_SIZE];
    snprintf(path, sizeof path, "/v1/jobs?page_size=%u", options.list_max);
    query_add(path, "state", options.state);
    query_add(path, "handler", options.handler);
    struct hedgerow_reply reply;
    int exit_code = hedgerow_get(client, path, 0, &reply) == HEDGEROW_OK
                        ? list_print(client, &options, &reply)
                        : report_failure(client, &options.common, NULL, &reply);
    hedgerow_reply_fini(&reply);
    jobs_end(&options, client);
    return exit_code;
}

/* ---- result ------------------------------------------------------------------------------ */

static const struct argp result_argp = {
    .parser = jobs_on_flag,
    .args_doc = "JOB-ID",
    .doc = "Prints the result of a job that is over: its bytes, and nothing else.\v"
           "Examples:\n"
           "  hedgerow result 01936a0e-7c3b-7d0a-9a57-3e1f0c5b2a44 > FILE\n"
           "  id=$(hedgerow submit sha256 @FILE) && hedgerow wait $id && hedgerow result $id",
    .children = jobs_children,
};

int
result_command(int argc, char **argv)
{
    struct jobs_options options = { .common = { .outputs = OUTPUT_BIT(OUTPUT_RAW),
                                        .output = OUTPUT_RAW } };
    struct hedgerow_client *client = jobs_begin(&result_argp, argc, argv, &options, 1);
    struct hedgerow_reply reply;
    int exit_code = CLI_DONE;
    if (hedgerow_job_result(client, options.words[0], &reply) != HEDGEROW_OK) {
        exit_code = report_failure(client, &options.common, NULL, &reply);
    } else if (reply.http_status == 202) {
        out_error("job %s is not over yet", options.words[0]);
        out_hint("Wait for it:  hedgerow wait %s", options.words[0]);
        exit_code = CLI_FAILED;
    } else if (fwrite(reply.body, 1, reply.body_size, stdout) != reply.body_size ||
               fflush(stdout) != 0) {
        out_error("cannot write the result: %s", strerror(errno));
        exit_code = CLI_FAILED;
    }
    hedgerow_reply_fini(&reply);
    jobs_end(&options, client);
    return exit_code;
}
