/* SPDX-License-Identifier: MIT
 *
 * `hedgerow dev`: a coordinator and its workers in one terminal.
 *
 *     dev --start--> coordinator --READY=1, its ports--> dev --start--> worker-1 ... N
 *                                                         '--READY=1 of each--> banner
 *
 * A member that dies is started again, after 100 ms, twice that at each death, at most 5 s;
 * one that lived for 10 s begins anew.  A coordinator that dies before it was ever ready
 * ends everything: its configuration is wrong, or its port is taken.
 *
 * Readiness comes as sd_notify datagrams.
 */
#include "common/edge/loop.h"
#include "common/sys/clock.h"
#include "coordinator/cli/child.h"
#include "coordinator/cli/cli.h"
#include "coordinator/cli/dev_banner.h"
#include "coordinator/cli/dev_notify.h"
#include "coordinator/cli/dev_token.h"
#include "coordinator/cli/options.h"
#include "coordinator/cli/sibling.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define BACKOFF_MS_MIN  100
#define BACKOFF_MS_MAX  5000
#define SETTLED_MS      10000
#define READY_MS_MAX    5000
#define STOP_MS_MAX     4000
#define WORKERS_DEFAULT 3

struct dev_options {
    struct options common;
    unsigned workers_count;
    const char *http_listen;
    const char *link_listen;
    const char *config;
    const char *state_file;
    char listen_text[32];
};

enum stage {
    STAGE_STARTING,
    STAGE_UP,
    STAGE_STOPPING,
    STAGE_KILLING
};

struct dev;

struct member {
    struct dev *dev;
    struct child *child;
    struct loop_timer *timer; /* when it may start again */
    instant_t started_at;
    unsigned deaths_count; /* since it was last settled */
    bool is_ready;
    char name[DEV_NAME_SIZE_MAX];
};

struct dev {
    const struct dev_options *options;
    struct loop *loop;
    struct loop_timer *timer; /* of the stage */
    struct dev_notify *notify;
    char paths[2][SIBLING_SIZE_MAX]; /* coordinator, worker */
    char token_path[TOKEN_PATH_SIZE_MAX];
    char http[DEV_URL_SIZE_MAX]; /* as the coordinator said */
    char link[DEV_URL_SIZE_MAX];
    enum stage stage;
    int exit_code;
    unsigned members_count;
    struct member members[1 + DEV_WORKERS_MAX]; /* the coordinator first */
};

enum {
    KEY_PORT = 2000,
    KEY_HTTP_LISTEN,
    KEY_LINK_LISTEN,
    KEY_STATE_FILE
};

static void members_start_workers(struct dev *dev);
static void dev_tell(struct dev *dev);
static void dev_become_stopping(struct dev *dev, int exit_code);

/* ---- the command line -------------------------------------------------------------------- */

static const struct argp_option dev_flags[] = {
    { "workers", 'w', "N", 0, "Workers to start (3)", 0 },
    { "port", KEY_PORT, "PORT", 0,
        "The API's port on 127.0.0.1; with 0, it and the links take any that are free", 0 },
    { "http-listen", KEY_HTTP_LISTEN, "HOST:PORT", 0, "Where the API listens", 0 },
    { "link-listen", KEY_LINK_LISTEN, "URL", 0, "Where workers dial in: tcp://HOST:PORT", 0 },
    { "config", 'c', "FILE", 0, "Settings (YAML) for the coordinator and the workers", 0 },
    { "state-file", KEY_STATE_FILE, "FILE", 0,
        "Write ports and process ids there, as NAME=value lines that a shell can read, "
        "whenever they change; removed at the end",
        0 },
    { 0 },
};

static error_t
on_dev_flag(int key, char *value, struct argp_state *state)
{
    struct dev_options *options = state->input;
    switch (key) {
    case ARGP_KEY_INIT: state->child_inputs[0] = &options->common; return 0;
    case 'w':
        options->workers_count = options_count("--workers", value, DEV_WORKERS_MAX);
        return 0;
    case KEY_PORT: {
        unsigned port = strcmp(value, "0") == 0 ? 0 : options_count("--port", value, 65535);
        snprintf(options->listen_text, sizeof options->listen_text, "127.0.0.1:%u", port);
        options->http_listen = options->listen_text;
        if (port == 0) {
            options->link_listen = "tcp://127.0.0.1:0";
        }
        return 0;
    }
    case KEY_HTTP_LISTEN: options->http_listen = value; return 0;
    case KEY_LINK_LISTEN: options->link_listen = value; return 0;
    case 'c': options->config = value; return 0;
    case KEY_STATE_FILE: options->state_file = value; return 0;
    case ARGP_KEY_ARG: options_fail("'%s' is one word too many", value);
    default: return ARGP_ERR_UNKNOWN;
    }
}

static const struct argp_child dev_children[] = { OPTIONS_CHILD, { 0 } };
static const struct argp dev_argp = {
    .options = dev_flags,
    .parser = on_dev_flag,
    .doc = "Starts a coordinator and its workers in this terminal, shows what they log, starts "
           "again what dies, and stops all of it at Ctrl-C.\v"
           "Examples:\n"
           "  hedgerow dev                          a coordinator and three workers\n"
           "  hedgerow dev --workers 5 --port 9000  five workers, the API on port 9000\n"
           "  HEDGEROW_HEDGE_DELAY=20ms hedgerow dev\n"
           "                                        settings go through to both programs\n\n"
           "Then, in another terminal:\n"
           "  hedgerow run sha256 hello",
    .children = dev_children,
};

/* ---- members ----------------------------------------------------------------------------- */

static void
member_start(struct member *member)
{
    member->started_at = clock_now();
    member->is_ready = false;
    err_t err = child_start(member->child);
    if (err != ERR_OK) {
        out_error("%s cannot be started: %s", member->name, err_text(err));
        dev_become_stopping(member->dev, CLI_FAILED);
    }
}

static void
on_member_timer(void *user)
{
    struct member *member = user;
    if (member->dev->stage < STAGE_STOPPING) {
        member_start(member);
        dev_tell(member->dev);
    }
}

static void
status_text(int status, char *text, size_t text_room)
{
    if (WIFSIGNALED(status)) {
        int signal_number = WTERMSIG(status);
        snprintf(text, text_room, "was ended by signal %d (%s)", signal_number,
            strsignal(signal_number));
    } else {
        snprintf(text, text_room, "ended with %d", WEXITSTATUS(status));
    }
}

static void
member_died(struct member *member, pid_t pid, int status)
{
    struct dev *dev = member->dev;
    char how[96];
    status_text(status, how, sizeof how);
    if (dev->stage >= STAGE_STOPPING) {
        return;
    }
    if (member == &dev->members[0] && dev->http[0] == '\0') {
        out_error("the coordinator %s before it was ready; it says why above", how);
        out_hint("Is one running already?  See:  hedgerow health");
        out_hint("Other ports:                   hedgerow dev --port 0");
        dev_become_stopping(dev, CLI_FAILED);
        return;
    }
    duration_t lived = instant_since(clock_now(), member->started_at);
    if (duration_to_ms(lived) >= SETTLED_MS) {
        member->deaths_count = 0;
    }
    unsigned doublings = member->deaths_count < 6 ? member->deaths_count : 6;
    int64_t pause_ms = (int64_t) BACKOFF_MS_MIN << doublings;
    pause_ms = pause_ms < BACKOFF_MS_MAX ? pause_ms : BACKOFF_MS_MAX;
    member->deaths_count++;
    member->is_ready = false;
    out_note("%s (pid %ld) %s; starting it again in %lld ms", member->name, (long) pid, how,
        (long long) pause_ms);
    loop_timer_arm(member->timer, instant_add(clock_now(), duration_ms(pause_ms)));
}

static void
on_child_signal(void *user, int signal_number)
{
    struct dev *dev = user;
    (void) signal_number;
    unsigned running_count = 0;
    for (unsigned i = 0; i < dev->members_count; i++) {
        struct member *member = &dev->members[i];
        pid_t pid = child_pid(member->child);
        int status;
        if (child_reap(member->child, &status)) {
            member_died(member, pid, status);
        }
    }
    for (unsigned i = 0; i < dev->members_count; i++) {
        running_count += child_pid(dev->members[i].child) > 0;
    }
    if (dev->stage >= STAGE_STOPPING && running_count == 0) {
        loop_stop(dev->loop);
    }
}

/* ---- stages ------------------------------------------------------------------------------ */

static void
dev_facts_fill(const struct dev *dev, struct dev_facts *ret_facts)
{
    *ret_facts = (struct dev_facts){ .http = dev->http,
        .link = dev->link,
        .token_path = dev->token_path,
        .workers_count = dev->members_count - 1,
        .coordinator_pid = child_pid(dev->members[0].child) };
    for (unsigned i = 0; i + 1 < dev->members_count; i++) {
        ret_facts->workers[i].name = dev->members[i + 1].name;
        ret_facts->workers[i].pid = child_pid(dev->members[i + 1].child);
        ret_facts->workers[i].is_ready = dev->members[i + 1].is_ready;
    }
}

static void
dev_tell(struct dev *dev)
{
    struct dev_facts facts;
    dev_facts_fill(dev, &facts);
    if (dev->stage == STAGE_UP && dev->options->state_file != NULL &&
        !dev_banner_write_state(dev->options->state_file, &facts)) {
        out_error("cannot write '%s': %s", dev->options->state_file, strerror(errno));
        dev_become_stopping(dev, CLI_FAILED);
    }
}

static void
dev_become_up(struct dev *dev)
{
    dev->stage = STAGE_UP;
    loop_timer_arm(dev->timer, INSTANT_NEVER);
    dev_tell(dev);
    struct dev_facts facts;
    dev_facts_fill(dev, &facts);
    dev_banner_print(&facts, stdout);
}

static void
dev_become_stopping(struct dev *dev, int exit_code)
{
    if (dev->stage >= STAGE_STOPPING) {
        return;
    }
    dev->stage = STAGE_STOPPING;
    dev->exit_code = exit_code;
    for (unsigned i = 0; i < dev->members_count; i++) {
        child_signal(dev->members[i].child, SIGTERM);
        child_signal(dev->members[i].child, SIGCONT); /* one that was stopped hears it too */
    }
    loop_timer_arm(dev->timer, instant_add(clock_now(), duration_ms(STOP_MS_MAX)));
    on_child_signal(dev, SIGCHLD); /* perhaps none is left */
}

static void
dev_become_killing(struct dev *dev)
{
    dev->stage = STAGE_KILLING;
    for (unsigned i = 0; i < dev->members_count; i++) {
        child_signal_group(dev->members[i].child, SIGKILL);
    }
}

static void
on_stage_timer(void *user)
{
    struct dev *dev = user;
    switch (dev->stage) {
    case STAGE_STARTING:
        if (dev->http[0] != '\0') {
            dev_become_up(dev); /* the banner says who is missing */
            return;
        }
        out_error("the coordinator is not ready after %d s", READY_MS_MAX / 1000);
        dev_become_stopping(dev, CLI_FAILED);
        return;
    case STAGE_UP: return;
    case STAGE_STOPPING: dev_become_killing(dev); return;
    case STAGE_KILLING: return;
    }
}

static void
on_stop_signal(void *user, int signal_number)
{
    struct dev *dev = user;
    if (dev->stage < STAGE_STOPPING) {
        out_note("%s: stopping (once more: at once)", strsignal(signal_number));
        dev_become_stopping(dev, CLI_DONE);
    } else {
        dev_become_killing(dev);
    }
}

/* ---- who is ready ------------------------------------------------------------------------ */

static bool
is_any_port(const char *listen)
{
    size_t size = listen != NULL ? strlen(listen) : 0;
    return size > 2 && strcmp(listen + size - 2, ":0") == 0;
}

static void
coordinator_ready(struct dev *dev, const char *lines)
{
    char address[DEV_URL_SIZE_MAX - 16];
    if (dev_notify_value(lines, "X_HEDGEROW_HTTP", address, sizeof address)) {
        snprintf(dev->http, sizeof dev->http, "http://%s", address);
        /* Should it have to start again, then where its clients know it to be. */
        if (is_any_port(dev->options->http_listen)) {
            child_set_env(dev->members[0].child, "HEDGEROW_HTTP_LISTEN", address);
        }
    }
    if (dev_notify_value(lines, "X_HEDGEROW_LINK", dev->link, sizeof dev->link) &&
        is_any_port(dev->options->link_listen)) {
        child_set_env(dev->members[0].child, "HEDGEROW_LINK_LISTEN", dev->link);
    }
    members_start_workers(dev);
}

static void
on_notice(void *user, pid_t pid, const char *lines)
{
    struct dev *dev = user;
    char value[8];
    if (!dev_notify_value(lines, "READY", value, sizeof value) || strcmp(value, "1") != 0 ||
        dev->stage >= STAGE_STOPPING) {
        return;
    }
    bool all_ready = true;
    for (unsigned i = 0; i < dev->members_count; i++) {
        struct member *member = &dev->members[i];
        if (child_pid(member->child) == pid) {
            member->is_ready = true;
            if (i == 0) {
                coordinator_ready(dev, lines);
            }
        }
        all_ready = all_ready && member->is_ready;
    }
    if (dev->stage == STAGE_UP) {
        dev_tell(dev);
    } else if (all_ready) {
        dev_become_up(dev);
    }
}

/* ---- birth and death --------------------------------------------------------------------- */

static err_t
member_new(struct dev *dev, unsigned index)
{
    static const enum out_color colors[] = { OUT_CYAN, OUT_GREEN, OUT_YELLOW, OUT_BLUE,
        OUT_MAGENTA };
    struct member *member = &dev->members[index];
    member->dev = dev;
    if (index == 0) {
        snprintf(member->name, sizeof member->name, "coordinator");
    } else {
        snprintf(member->name, sizeof member->name, "worker-%u", index);
    }
    err_t err = child_new(dev->loop, member->name, dev->paths[index > 0],
        colors[index % ARRAY_COUNT(colors)], &member->child);
    if (err != ERR_OK) {
        return err;
    }
    dev->members_count++;
    child_set_env(member->child, "NOTIFY_SOCKET", dev_notify_name(dev->notify));
    child_set_env(member->child, "HEDGEROW_TOKEN_FILE", dev->token_path);
    if (getenv("HEDGEROW_LOG_FORMAT") == NULL) {
        child_set_env(member->child, "HEDGEROW_LOG_FORMAT", "logfmt");
    }
    if (getenv("HEDGEROW_DRAIN_TIMEOUT") == NULL) {
        child_set_env(member->child, "HEDGEROW_DRAIN_TIMEOUT", "2s");
    }
    if (dev->options->config != NULL) {
        child_set_env(member->child, "HEDGEROW_CONFIG", dev->options->config);
    }
    return loop_timer_new(dev->loop, on_member_timer, member, &member->timer);
}

static void
members_start_workers(struct dev *dev)
{
    for (unsigned i = 1; i < dev->members_count; i++) {
        struct member *member = &dev->members[i];
        if (child_pid(member->child) == 0 && member->deaths_count == 0) {
            child_set_env(member->child, "HEDGEROW_WORKER_NAME", member->name);
            child_set_env(member->child, "HEDGEROW_WORKER_DIAL", dev->link);
            member_start(member);
        }
    }
}

static err_t
dev_build(struct dev *dev)
{
    static const int stop_signals[] = { SIGINT, SIGTERM, SIGHUP };
    err_t err = loop_new(&dev->loop);
    if (err == ERR_OK) {
        err = dev_notify_new(dev->loop, on_notice, dev, &dev->notify);
    }
    for (unsigned i = 0; err == ERR_OK && i <= dev->options->workers_count; i++) {
        err = member_new(dev, i);
    }
    for (unsigned i = 0; err == ERR_OK && i < ARRAY_COUNT(stop_signals); i++) {
        err = loop_on_signal(dev->loop, stop_signals[i], on_stop_signal, dev);
    }
    if (err == ERR_OK) {
        err = loop_on_signal(dev->loop, SIGCHLD, on_child_signal, dev);
    }
    if (err == ERR_OK) {
        err = loop_timer_new(dev->loop, on_stage_timer, dev, &dev->timer);
    }
    return err;
}

static void
dev_fini(struct dev *dev)
{
    for (unsigned i = 0; i < dev->members_count; i++) {
        child_free(dev->members[i].child);
        loop_timer_free(dev->members[i].timer);
    }
    loop_timer_free(dev->timer);
    dev_notify_free(dev->notify);
    loop_free(dev->loop);
    if (dev->options->state_file != NULL) {
        (void) unlink(dev->options->state_file);
    }
}

static int
dev_run(struct dev *dev)
{
    struct child *coordinator = dev->members[0].child;
    if (dev->options->http_listen != NULL) {
        child_set_env(coordinator, "HEDGEROW_HTTP_LISTEN", dev->options->http_listen);
    }
    if (dev->options->link_listen != NULL) {
        child_set_env(coordinator, "HEDGEROW_LINK_LISTEN", dev->options->link_listen);
    }
    if (dev->options->state_file != NULL) {
        (void) unlink(dev->options->state_file); /* of one that was killed */
    }
    loop_timer_arm(dev->timer, instant_add(clock_now(), duration_ms(READY_MS_MAX)));
    member_start(&dev->members[0]);
    loop_run(dev->loop);
    return dev->exit_code;
}

int
dev_command(int argc, char **argv)
{
    struct dev_options options = { .common = { .outputs = OUTPUT_BIT(OUTPUT_TABLE),
                                       .output = OUTPUT_TABLE },
        .workers_count = WORKERS_DEFAULT };
    options_parse(&dev_argp, argc, argv, &options);

    static struct dev dev; /* large */
    dev = (struct dev){ .options = &options };
    if (!sibling_find("hedgerow-coordinator", dev.paths[0]) ||
        !sibling_find("hedgerow-worker", dev.paths[1])) {
        return CLI_FAILED;
    }
    err_t err = dev_token_ensure(dev.token_path);
    if (err != ERR_OK) {
        out_error("the link token '%s' cannot be used: %s", dev.token_path, err_text(err));
        out_hint("Name another file with HEDGEROW_TOKEN_FILE, or remove that one.");
        return CLI_FAILED;
    }
    err = dev_build(&dev);
    int exit_code = CLI_FAILED;
    if (err == ERR_OK) {
        exit_code = dev_run(&dev);
    } else {
        out_error("cannot start: %s", err_text(err));
    }
    dev_fini(&dev);
    return exit_code;
}
