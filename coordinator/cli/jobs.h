/* SPDX-License-Identifier: MIT
 *
 * coordinator/cli/jobs.h - get, list, result, cancel, wait: jobs that exist already.
 *
 *     jobs.c       their command lines, and the commands that look
 *     jobs_stop.c  the ones that wait for an end: cancel, wait
 */
#ifndef COORDINATOR_CLI_JOBS_H
#define COORDINATOR_CLI_JOBS_H

#include "coordinator/cli/job_view.h"
#include "coordinator/cli/options.h"
#include "coordinator/cli/out.h"
#include "coordinator/client/hedgerow.h"

struct jobs_options {
    struct options common;
    char **words; /* ids */
    unsigned words_count;
    const char *state;
    const char *handler;
    unsigned list_max;
    int64_t timeout_ms; /* -1: none */
    bool is_any;
    bool is_no_wait;
};

/* Parses, checks that there are as many ids as the command wants, makes the client. */
struct hedgerow_client *jobs_begin(const struct argp *argp, int argc, char **argv,
    struct jobs_options *options, unsigned ids_max);
void jobs_end(struct jobs_options *options, struct hedgerow_client *client);
/* The parser of all their argps. */
error_t jobs_on_flag(int key, char *value, struct argp_state *state);

/* An exit code that stands for several: the first that is not 0. */
int jobs_worse(int exit_code, int other);
/* "ID  STATE", or its JSON, or the id. */
void jobs_print_line(const struct options *options, const struct job_view *view,
    const struct hedgerow_reply *reply);

enum {
    JOBS_KEY_STATE = 5000,
    JOBS_KEY_HANDLER,
    JOBS_KEY_ANY,
    JOBS_KEY_NO_WAIT
};

#endif
