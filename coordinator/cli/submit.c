/* SPDX-License-Identifier: MIT */
#include "coordinator/cli/call_options.h"
#include "coordinator/cli/cli.h"
#include "coordinator/cli/connect.h"
#include "coordinator/cli/input.h"
#include "coordinator/cli/json_print.h"
#include "coordinator/cli/out.h"
#include "coordinator/cli/report.h"
#include "coordinator/cli/state.h"

struct submit_options {
    struct options common;
    struct hedgerow_call call;
    const char *handler;
    const char *word; /* the input, as it was written */
};

static error_t
on_submit_flag(int key, char *value, struct argp_state *state)
{
    struct submit_options *options = state->input;
    switch (key) {
    case ARGP_KEY_INIT:
        state->child_inputs[0] = &options->common;
        state->child_inputs[1] = &options->call;
        return 0;
    case ARGP_KEY_ARG:
        if (options->handler == NULL) {
            options->handler = value;
        } else if (options->word == NULL) {
            options->word = value;
        } else {
            options_fail("'%s' is one input too many", value);
        }
        return 0;
    default: return ARGP_ERR_UNKNOWN;
    }
}

static const struct argp_child submit_children[] = { OPTIONS_CHILD, CALL_OPTIONS_CHILD, { 0 } };
static const struct argp submit_argp = {
    .parser = on_submit_flag,
    .args_doc = "HANDLER [TEXT|@FILE|-]",
    .doc = "Hands a job over and prints its id, without waiting for it.  The job goes on when "
           "this command has ended.\v"
           "Examples:\n"
           "  id=$(hedgerow submit sha256 @FILE)\n"
           "  hedgerow wait $id && hedgerow result $id",
    .children = submit_children,
};

static int
submit(struct hedgerow_client *client, struct submit_options *options)
{
    char job_id[HEDGEROW_ID_SIZE];
    hedgerow_job_id_make(job_id);
    options->call.handler = options->handler;
    options->call.job_id = job_id;
    struct hedgerow_reply reply;
    int exit_code = CLI_DONE;
    if (hedgerow_submit(client, &options->call, &reply) != HEDGEROW_OK) {
        exit_code = report_failure(client, &options->common, options->handler, &reply);
    } else if (options->common.output == OUTPUT_JSON) {
        json_print_body(&reply, stdout);
    } else if (options->common.output == OUTPUT_ID) {
        printf("%s\n", reply.job_id);
    }
    state_save_last(reply.job_id, hedgerow_client_server(client));
    hedgerow_reply_fini(&reply);
    return exit_code;
}

int
submit_command(int argc, char **argv)
{
    struct submit_options options = {
        .common = { .outputs = OUTPUT_BIT(OUTPUT_ID) | OUTPUT_BIT(OUTPUT_JSON) |
                               OUTPUT_BIT(OUTPUT_NONE),
            .output = OUTPUT_ID },
    };
    options_parse(&submit_argp, argc, argv, &options);
    if (options.handler == NULL) {
        options_fail("which handler?");
    }
    struct input input;
    if (!input_load(options.word, &input)) {
        return CLI_USAGE;
    }
    options.call.input = input.bytes;
    options.call.input_size = input.size;
    struct hedgerow_client *client = connect_client(&options.common);
    CHECK(client != NULL);
    int exit_code = submit(client, &options);
    hedgerow_client_free(client);
    input_fini(&input);
    return exit_code;
}
