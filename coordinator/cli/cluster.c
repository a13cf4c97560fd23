/* SPDX-License-Identifier: MIT
 *
 * workers, handlers, health, version: what is there.
 */
#include "common/edge/json.h"
#include "coordinator/cli/cli.h"
#include "coordinator/cli/connect.h"
#include "coordinator/cli/json_print.h"
#include "coordinator/cli/options.h"
#include "coordinator/cli/out.h"
#include "coordinator/cli/report.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define HEALTH_MS_MAX  2000
#define VERSION_MS_MAX 1000

enum {
    KEY_READY = 6000,
    KEY_WORKER
};

struct cluster_options {
    struct options common;
    bool is_ready_wanted;
    bool is_worker_wanted;
    const char *worker; /* NULL: of this machine */
};

static error_t
on_cluster_flag(int key, char *value, struct argp_state *state)
{
    struct cluster_options *options = state->input;
    switch (key) {
    case ARGP_KEY_INIT: state->child_inputs[0] = &options->common; return 0;
    case KEY_READY: options->is_ready_wanted = true; return 0;
    case KEY_WORKER:
        options->is_worker_wanted = true;
        options->worker = value;
        return 0;
    case ARGP_KEY_ARG: options_fail("'%s' is one word too many", value);
    default: return ARGP_ERR_UNKNOWN;
    }
}

static const struct argp_child cluster_children[] = { OPTIONS_CHILD, { 0 } };

/* ---- lists ------------------------------------------------------------------------------- */

struct listing {
    const char *path;
    const char *member; /* of the answer: the array */
    const char *const *headers;
    void (*add)(struct out_table *table, const struct json *element);
    void (*on_empty)(void);
};

static const char *
text_of(const struct json *json, const char *key)
{
    const char *text = json_text(json_get(json, key));
    return text != NULL ? text : "";
}

static double
number_of(const struct json *json, const char *key)
{
    double number = 0;
    (void) json_f64(json_get(json, key), &number);
    return number;
}

static int
listing_print(struct hedgerow_client *client, const struct options *options,
    const struct listing *listing, const struct hedgerow_reply *reply)
{
    struct json *json = NULL;
    if (json_parse(reply->body, reply->body_size, &json, NULL) != ERR_OK) {
        out_error("what answered at %s did not send %s", hedgerow_client_server(client),
            listing->member);
        return CLI_UNAVAILABLE;
    }
    const struct json *array = json_get(json, listing->member);
    struct out_table table;
    out_table_init(&table, listing->headers);
    for (size_t i = 0; i < json_count(array); i++) {
        listing->add(&table, json_at(array, i));
        if (options->output == OUTPUT_ID) {
            printf("%s\n", text_of(json_at(array, i), "name"));
        }
    }
    if (options->output == OUTPUT_JSON) {
        json_print(json, 2, stdout);
    } else if (options->output == OUTPUT_JSONL) {
        json_print_lines(array, stdout);
    } else if (options->output == OUTPUT_TABLE) {
        out_table_print(&table, stdout);
    }
    if (json_count(array) == 0) {
        listing->on_empty();
    }
    out_table_fini(&table);
    json_free(json);
    return CLI_DONE;
}

static int
listing_command(const struct argp *argp, int argc, char **argv, const struct listing *listing)
{
    struct cluster_options options = {
        .common = { .outputs = OUTPUT_BIT(OUTPUT_TABLE) | OUTPUT_BIT(OUTPUT_JSON) |
                               OUTPUT_BIT(OUTPUT_JSONL) | OUTPUT_BIT(OUTPUT_ID),
            .output = OUTPUT_TABLE },
    };
    options_parse(argp, argc, argv, &options);
    struct hedgerow_client *client = connect_client(&options.common);
    CHECK(client != NULL);
    struct hedgerow_reply reply;
    int exit_code = hedgerow_get(client, listing->path, 0, &reply) == HEDGEROW_OK
                        ? listing_print(client, &options.common, listing, &reply)
                        : report_failure(client, &options.common, NULL, &reply);
    hedgerow_reply_fini(&reply);
    hedgerow_client_free(client);
    return exit_code;
}

static void
add_joined(struct out_table *table, const struct json *array)
{
    char line[OUT_CELL_SIZE_MAX] = "";
    for (size_t i = 0; i < json_count(array); i++) {
        const char *text = json_text(json_at(array, i));
        size_t size = strlen(line);
        snprintf(line + size, sizeof line - size, "%s%s", i > 0 ? " " : "",
            text != NULL ? text : "");
    }
    out_table_add(table, "%s", line);
}

static const char *const worker_headers[] = { "NAME", "ZONE", "STATE", ">SLOTS", ">RUNNING",
    ">QUEUED", ">DONE", ">RTT", ">UP", "HANDLERS", NULL };

static void
worker_add(struct out_table *table, const struct json *worker)
{
    char rtt[OUT_NUMBER_SIZE_MAX];
    char up[OUT_NUMBER_SIZE_MAX];
    out_ms_text(number_of(worker, "rtt_ms"), rtt);
    out_ms_text(number_of(worker, "up_ms"), up);
    out_table_add(table, "%s", text_of(worker, "name"));
    out_table_add(table, "%s", text_of(worker, "zone"));
    out_table_add(table, "%s", text_of(worker, "state"));
    out_table_add(table, "%.0f", number_of(worker, "slots"));
    out_table_add(table, "%.0f", number_of(worker, "running"));
    out_table_add(table, "%.0f", number_of(worker, "queued"));
    out_table_add(table, "%.0f", number_of(worker, "done"));
    out_table_add(table, "%s", rtt);
    out_table_add(table, "%s", up);
    add_joined(table, json_get(worker, "handlers"));
}

static void
on_no_worker(void)
{
    out_note("no worker has joined");
    out_hint("Start one:  hedgerow-worker --worker-dial tcp://HOST:7400");
}

static const struct argp workers_argp = {
    .parser = on_cluster_flag,
    .doc = "Lists the workers that have joined, and how they do.\v"
           "Examples:\n  hedgerow workers\n  hedgerow workers -o json",
    .children = cluster_children,
};

int
workers_command(int argc, char **argv)
{
    static const struct listing listing = { "/v1/workers", "workers", worker_headers,
        worker_add, on_no_worker };
    return listing_command(&workers_argp, argc, argv, &listing);
}

static const char *const handler_headers[] = { "NAME", "MAY RUN TWICE", ">WORKERS", ">JOBS",
    ">OK", ">FAILED", ">HEDGES", ">WON", ">WASTED", NULL };

static void
handler_add(struct out_table *table, const struct json *handler)
{
    char wasted[OUT_NUMBER_SIZE_MAX];
    bool is_idempotent = false;
    const struct json *finished = json_get(handler, "finished");
    double ended_badly =
        number_of(finished, "FAILED") + number_of(finished, "DEADLINE_EXCEEDED");
    (void) json_bool(json_get(handler, "idempotent"), &is_idempotent);
    out_ms_text(number_of(handler, "wasted_ms"), wasted);
    out_table_add(table, "%s", text_of(handler, "name"));
    out_table_add(table, "%s", is_idempotent ? "yes" : "no");
    out_table_add(table, "%.0f", number_of(handler, "workers"));
    out_table_add(table, "%.0f", number_of(handler, "submitted"));
    out_table_add(table, "%.0f", number_of(finished, "SUCCEEDED"));
    out_table_add(table, "%.0f", ended_badly);
    out_table_add(table, "%.0f", number_of(json_get(handler, "attempts"), "hedge"));
    out_table_add(table, "%.0f", number_of(handler, "hedge_wins"));
    out_table_add(table, "%s", wasted);
}

static void
on_no_handler(void)
{
    out_note("no handler is known: no worker has joined yet");
    out_hint("Start one:  hedgerow-worker --worker-dial tcp://HOST:7400");
}

static const struct argp handlers_argp = {
    .parser = on_cluster_flag,
    .doc = "Lists what can be run, on how many workers, and whether second copies paid: how "
           "many hedges were sent, how many won, and the worker time that copies which did "
           "not win took.\v"
           "Examples:\n  hedgerow handlers\n  hedgerow handlers -o json",
    .children = cluster_children,
};

int
handlers_command(int argc, char **argv)
{
    static const struct listing listing = { "/v1/handlers", "handlers", handler_headers,
        handler_add, on_no_handler };
    return listing_command(&handlers_argp, argc, argv, &listing);
}

/* ---- health ------------------------------------------------------------------------------ */

static const struct argp_option health_flags[] = {
    { "ready", KEY_READY, NULL, 0, "Does it also accept jobs (it does not while it drains)?",
        0 },
    { "worker", KEY_WORKER, "NAME", OPTION_ARG_OPTIONAL,
        "Is this worker's link to the coordinator up (else: one of this machine, by the name "
        "that it has unless HEDGEROW_WORKER_NAME says another)?",
        0 },
    { 0 },
};
static const struct argp health_argp = {
    .options = health_flags,
    .parser = on_cluster_flag,
    .doc = "Says whether the coordinator is there: exit code 0, else 6.  For health checks of "
           "containers.\v"
           "Examples:\n"
           "  hedgerow health\n"
           "  hedgerow health --ready --quiet\n"
           "  hedgerow health --worker          in a worker's container",
    .children = cluster_children,
};

/* A worker without a name of its own is called HOSTNAME-PID. */
static bool
is_wanted_worker(const struct cluster_options *options, const char *name)
{
    const char *wanted =
        options->worker != NULL ? options->worker : getenv("HEDGEROW_WORKER_NAME");
    if (wanted != NULL && wanted[0] != '\0') {
        return strcmp(name, wanted) == 0;
    }
    char host[256];
    if (gethostname(host, sizeof host) != 0) {
        return false;
    }
    host[sizeof host - 1] = '\0';
    size_t size = strlen(host);
    return strncmp(name, host, size) == 0 && name[size] == '-';
}

static bool
worker_is_live(const struct cluster_options *options, const struct hedgerow_reply *reply)
{
    struct json *json = NULL;
    const char *state = "unknown to it";
    if (json_parse(reply->body, reply->body_size, &json, NULL) != ERR_OK) {
        return false;
    }
    const struct json *workers = json_get(json, "workers");
    for (size_t i = 0; i < json_count(workers); i++) {
        const struct json *worker = json_at(workers, i);
        if (is_wanted_worker(options, text_of(worker, "name"))) {
            state = text_of(worker, "state");
            if (strcmp(state, "live") == 0) {
                break;
            }
        }
    }
    bool is_live = strcmp(state, "live") == 0;
    if (!is_live) {
        out_error("the coordinator answers, but the worker is %s", state);
    }
    json_free(json);
    return is_live;
}

static int
health(struct hedgerow_client *client, const struct cluster_options *options,
    const struct hedgerow_reply *reply)
{
    if (reply->outcome != HEDGEROW_OK) {
        (void) report_failure(client, &options->common, NULL, reply);
        return CLI_UNAVAILABLE;
    }
    if (options->is_worker_wanted && !worker_is_live(options, reply)) {
        return CLI_UNAVAILABLE;
    }
    if (options->common.output == OUTPUT_JSON) {
        json_print_body(reply, stdout);
    } else if (options->common.output == OUTPUT_TABLE && !options->common.is_quiet) {
        printf("%s at %s\n",
            options->is_worker_wanted  ? "live"
            : options->is_ready_wanted ? "ready"
                                       : "alive",
            hedgerow_client_server(client));
    }
    return CLI_DONE;
}

int
health_command(int argc, char **argv)
{
    struct cluster_options options = {
        .common = { .outputs = OUTPUT_BIT(OUTPUT_TABLE) | OUTPUT_BIT(OUTPUT_JSON) |
                               OUTPUT_BIT(OUTPUT_NONE),
            .output = OUTPUT_TABLE },
    };
    options_parse(&health_argp, argc, argv, &options);
    struct hedgerow_client *client = connect_client(&options.common);
    CHECK(client != NULL);
    const char *path = options.is_worker_wanted  ? "/v1/workers"
                       : options.is_ready_wanted ? "/readyz"
                                                 : "/livez";
    struct hedgerow_reply reply;
    (void) hedgerow_get(client, path, HEALTH_MS_MAX, &reply);
    int exit_code = health(client, &options, &reply);
    hedgerow_reply_fini(&reply);
    hedgerow_client_free(client);
    return exit_code;
}

/* ---- version ----------------------------------------------------------------------------- */

static const struct argp version_argp = {
    .parser = on_cluster_flag,
    .doc = "Prints the version of this command, and of the coordinator when it answers.\v"
           "Examples:\n  hedgerow version\n  hedgerow version -o json",
    .children = cluster_children,
};

int
version_command(int argc, char **argv)
{
    struct cluster_options options = {
        .common = { .outputs = OUTPUT_BIT(OUTPUT_TABLE) | OUTPUT_BIT(OUTPUT_JSON),
            .output = OUTPUT_TABLE },
    };
    options_parse(&version_argp, argc, argv, &options);
    struct hedgerow_client *client = connect_client(&options.common);
    CHECK(client != NULL);
    struct hedgerow_reply reply;
    struct json *json = NULL;
    const char *theirs = NULL;
    if (hedgerow_get(client, "/version", VERSION_MS_MAX, &reply) == HEDGEROW_OK &&
        json_parse(reply.body, reply.body_size, &json, NULL) == ERR_OK) {
        theirs = json_text(json_get(json, "version"));
    }
    if (options.common.output == OUTPUT_JSON) {
        printf("{\"command\": \"%s\", \"coordinator\": %s%s%s}\n", HEDGEROW_VERSION,
            theirs != NULL ? "\"" : "", theirs != NULL ? theirs : "null",
            theirs != NULL ? "\"" : "");
    } else {
        printf("hedgerow %s\n", HEDGEROW_VERSION);
        fflush(stdout);
        if (theirs != NULL) {
            printf("coordinator %s at %s\n", theirs, hedgerow_client_server(client));
        } else {
            out_note("no coordinator answers at %s", hedgerow_client_server(client));
        }
    }
    json_free(json);
    hedgerow_reply_fini(&reply);
    hedgerow_client_free(client);
    return CLI_DONE;
}
