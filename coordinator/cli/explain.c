/* SPDX-License-Identifier: MIT */
#include "coordinator/cli/cli.h"
#include "coordinator/cli/connect.h"
#include "coordinator/cli/job_view.h"
#include "coordinator/cli/json_print.h"
#include "coordinator/cli/options.h"
#include "coordinator/cli/out.h"
#include "coordinator/cli/report.h"
#include "coordinator/cli/state.h"
#include "coordinator/cli/timeline.h"

#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#define WIDTH_DEFAULT 100

enum {
    KEY_LAST = 4000,
    KEY_ASCII
};

struct explain_options {
    struct options common;
    const char *job_id;
    bool is_last;
    bool is_ascii;
};

static const struct argp_option explain_flags[] = {
    { "last", KEY_LAST, NULL, 0,
        "The job that this machine ran last, else the newest that the coordinator knows", 0 },
    { "ascii", KEY_ASCII, NULL, 0, "No blocks, only # and -", 0 },
    { 0 },
};

static error_t
on_explain_flag(int key, char *value, struct argp_state *state)
{
    struct explain_options *options = state->input;
    switch (key) {
    case ARGP_KEY_INIT: state->child_inputs[0] = &options->common; return 0;
    case KEY_LAST: options->is_last = true; return 0;
    case KEY_ASCII: options->is_ascii = true; return 0;
    case ARGP_KEY_ARG:
        if (options->job_id != NULL) {
            options_fail("'%s' is one word too many", value);
        }
        options->job_id = value;
        return 0;
    default: return ARGP_ERR_UNKNOWN;
    }
}

static const struct argp_child explain_children[] = { OPTIONS_CHILD, { 0 } };
static const struct argp explain_argp = {
    .options = explain_flags,
    .parser = on_explain_flag,
    .args_doc = "JOB-ID\n--last",
    .doc = "Shows a job's race: which copy went where and when, why there was a hedge or "
           "none, who won, when the losers were told to stop and when they did, and what was "
           "wasted.\v"
           "Examples:\n"
           "  hedgerow explain --last\n"
           "  hedgerow explain 01936a0e-7c3b-7d0a-9a57-3e1f0c5b2a44\n"
           "  hedgerow explain --last -o json",
    .children = explain_children,
};

static unsigned
page_width(void)
{
    struct winsize size;
    if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0) {
        return size.ws_col;
    }
    return WIDTH_DEFAULT;
}

/* The latest job's id; false: said why. */
static bool
find_last(struct hedgerow_client *client, const struct options *options,
    char job_id[HEDGEROW_ID_SIZE], int *ret_exit_code)
{
    if (state_load_last(hedgerow_client_server(client), job_id)) {
        return true;
    }
    struct hedgerow_reply reply;
    struct json *json = NULL;
    bool found = false;
    if (hedgerow_get(client, "/v1/jobs?page_size=1", 0, &reply) != HEDGEROW_OK) {
        *ret_exit_code = report_failure(client, options, NULL, &reply);
    } else if (json_parse(reply.body, reply.body_size, &json, NULL) == ERR_OK) {
        const char *id = json_text(json_get(json_at(json_get(json, "jobs"), 0), "id"));
        found = id != NULL;
        if (found) {
            snprintf(job_id, HEDGEROW_ID_SIZE, "%s", id);
        } else {
            out_error("there is no job yet");
            out_hint("Run one:  hedgerow run sha256 hello");
            *ret_exit_code = CLI_NOT_FOUND;
        }
        json_free(json);
    }
    hedgerow_reply_fini(&reply);
    return found;
}

static int
explain(struct hedgerow_client *client, const struct explain_options *options)
{
    char job_id[HEDGEROW_ID_SIZE];
    int exit_code = CLI_UNAVAILABLE;
    if (options->is_last) {
        if (!find_last(client, &options->common, job_id, &exit_code)) {
            return exit_code;
        }
    } else {
        snprintf(job_id, sizeof job_id, "%s", options->job_id);
        if (strlen(options->job_id) >= sizeof job_id) {
            job_id[0] = '\0'; /* no id at all: refused below */
        }
    }
    struct hedgerow_reply reply;
    struct job_view view;
    if (hedgerow_job_get(client, job_id, 0, NULL, &reply) != HEDGEROW_OK) {
        exit_code = report_failure(client, &options->common, NULL, &reply);
    } else if (options->common.output == OUTPUT_JSON) {
        json_print_body(&reply, stdout);
        exit_code = CLI_DONE;
    } else if (job_view_parse(&reply, &view)) {
        struct timeline_style style = { .width = page_width(),
            .is_utf8 = out_is_utf8() && !options->is_ascii };
        timeline_print(&view, &style, stdout);
        exit_code = CLI_DONE;
    } else {
        out_error("what answered at %s did not send a job", hedgerow_client_server(client));
    }
    hedgerow_reply_fini(&reply);
    return exit_code;
}

int
explain_command(int argc, char **argv)
{
    struct explain_options options = {
        .common = { .outputs = OUTPUT_BIT(OUTPUT_TABLE) | OUTPUT_BIT(OUTPUT_JSON),
            .output = OUTPUT_TABLE },
    };
    options_parse(&explain_argp, argc, argv, &options);
    if ((options.job_id == NULL) != options.is_last) {
        options_fail("name one job, or --last");
    }
    struct hedgerow_client *client = connect_client(&options.common);
    if (client == NULL) {
        out_error("out of memory");
        return CLI_FAILED;
    }
    int exit_code = explain(client, &options);
    hedgerow_client_free(client);
    return exit_code;
}
