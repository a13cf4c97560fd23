/* SPDX-License-Identifier: MIT
 *
 * `hedgerow worker exec NAME -- COMMAND...`: this process becomes a hedgerow-worker whose
 * settings say that NAME runs the command.  The worker hands commands to /bin/sh -c, so each
 * word is quoted for it.
 */
#include "coordinator/cli/cli.h"
#include "coordinator/cli/options.h"
#include "coordinator/cli/out.h"
#include "coordinator/cli/sibling.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define COMMAND_SIZE_MAX 4000 /* a setting's own bound is a little more */
#define ARGUMENTS_MAX    12

enum {
    KEY_DIAL = 7000,
    KEY_NAME
};

struct worker_options {
    struct options common;
    const char *dial;
    const char *name;
    const char *handler;
    char command[COMMAND_SIZE_MAX];
};

static const struct argp_option worker_flags[] = {
    { "dial", KEY_DIAL, "URL", 0,
        "The coordinator's link (HEDGEROW_WORKER_DIAL; else tcp://127.0.0.1:7400)", 0 },
    { "name", KEY_NAME, "NAME", 0, "Of this worker (else HOSTNAME-PID)", 0 },
    { 0 },
};

/* 'word', with each ' as '\''. */
static void
command_add(struct worker_options *options, const char *word)
{
    size_t size = strlen(options->command);
    if (size + 4 * strlen(word) + 4 > sizeof options->command) {
        options_fail("the command is too long");
    }
    char *end = options->command + size;
    if (size > 0) {
        *end++ = ' ';
    }
    *end++ = '\'';
    for (; *word != '\0'; word++) {
        if (*word == '\'') {
            memcpy(end, "'\\''", 4);
            end += 4;
        } else {
            *end++ = *word;
        }
    }
    *end++ = '\'';
    *end = '\0';
}

static error_t
on_worker_flag(int key, char *value, struct argp_state *state)
{
    struct worker_options *options = state->input;
    switch (key) {
    case ARGP_KEY_INIT: state->child_inputs[0] = &options->common; return 0;
    case KEY_DIAL: options->dial = value; return 0;
    case KEY_NAME: options->name = value; return 0;
    case ARGP_KEY_ARG:
        if (options->handler == NULL) {
            options->handler = value;
        } else {
            command_add(options, value);
        }
        return 0;
    default: return ARGP_ERR_UNKNOWN;
    }
}

static const struct argp_child worker_children[] = { OPTIONS_CHILD, { 0 } };
static const struct argp worker_argp = {
    .options = worker_flags,
    .parser = on_worker_flag,
    .args_doc = "exec NAME -- COMMAND [WORD...]",
    .doc = "Turns any command into a handler: for each job of NAME it is started with the "
           "job's input as its standard input, and what it prints is the result.  Exit code 0 "
           "is success, 75 a failure that another worker may try again, any other a failure.  "
           "When the job is cancelled the command and what it started are stopped.\v"
           "Examples:\n"
           "  hedgerow worker exec count -- wc -w\n"
           "  hedgerow run count 'four words of text'\n"
           "  hedgerow worker exec thumb --name gpu-1 -- convert - -resize 128x128 png:-\n\n"
           "More about workers:  hedgerow-worker --help",
    .children = worker_children,
};

static int
become_worker(const struct worker_options *options)
{
    char path[SIBLING_SIZE_MAX];
    if (!sibling_find("hedgerow-worker", path)) {
        return CLI_FAILED;
    }
    static char handler[COMMAND_SIZE_MAX + 128];
    snprintf(handler, sizeof handler, "%s=%s", options->handler, options->command);
    const char *arguments[ARGUMENTS_MAX];
    unsigned count = 0;
    arguments[count++] = path;
    arguments[count++] = "--exec";
    arguments[count++] = handler;
    if (options->dial != NULL) {
        arguments[count++] = "--worker-dial";
        arguments[count++] = options->dial;
    }
    if (options->name != NULL) {
        arguments[count++] = "--worker-name";
        arguments[count++] = options->name;
    }
    arguments[count] = NULL;
    union {
        const char **readable;
        char *const *wanted; /* execv does not write to them; its prototype is old */
    } words = { .readable = arguments };
    execv(path, words.wanted);
    out_error("cannot start %s: %s", path, strerror(errno));
    return CLI_FAILED;
}

int
worker_command(int argc, char **argv)
{
    static char name[] = "hedgerow worker exec";
    static struct worker_options options = {
        .common = { .outputs = OUTPUT_BIT(OUTPUT_NONE), .output = OUTPUT_NONE },
    };
    bool has_exec = argc > 1 && strcmp(argv[1], "exec") == 0;
    if (!has_exec && argc > 1 && argv[1][0] != '-') {
        static const char *const known[] = { "exec", NULL };
        options_fail_choice("worker", argv[1], known);
    }
    if (has_exec) {
        out_init(name);
        argv[1] = argv[0];
        argv++;
        argc--;
    }
    bool has_dashes = false;
    for (int i = 1; i < argc; i++) {
        has_dashes = has_dashes || strcmp(argv[i], "--") == 0;
    }
    if (has_exec && argc > 3 && !has_dashes) {
        options_fail("write -- in front of the command: exec NAME -- COMMAND [WORD...]");
    }
    options_parse(&worker_argp, argc, argv, &options);
    if (!has_exec || options.handler == NULL || options.command[0] == '\0') {
        out_error("which command, as which handler?");
        out_hint("hedgerow worker exec NAME -- COMMAND [WORD...]");
        return CLI_USAGE;
    }
    return become_worker(&options);
}
