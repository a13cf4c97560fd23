/* SPDX-License-Identifier: MIT
 *
 * `hedgerow run --each`: many jobs, some at a time.
 *
 *     N threads, each with a client (a connection) of its own:
 *         take the next index -> load its file -> invoke -> print its line -> again
 *
 * Lines come as jobs end; each names its input.  The time of a job counts from when it is
 * asked for, not from when its file is read.
 */
#include "coordinator/cli/cli.h"
#include "coordinator/cli/connect.h"
#include "coordinator/cli/input.h"
#include "coordinator/cli/json_print.h"
#include "coordinator/cli/out.h"
#include "coordinator/cli/report.h"
#include "coordinator/cli/run.h"
#include "coordinator/cli/signals.h"
#include "coordinator/cli/state.h"
#include "coordinator/cli/stats.h"

#include "common/sys/clock.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#define REPORTS_MAX   5 /* failures that are told one by one */
#define PROGRESS_MS   100
#define NAME_SIZE_MAX 4096

struct each {
    const struct run_options *options;
    struct hedgerow_interrupt *interrupt;
    struct input shared; /* without --each: the one input */
    size_t jobs_count;
    instant_t begun_at;

    pthread_mutex_t mutex; /* guards all below, and stdout */
    size_t next;
    size_t done_count;
    struct stats stats;
    unsigned reports_count;
    int exit_code; /* of the first failure; FAILED when they differ */
    bool is_stopped;
    instant_t shown_at;
    char last_job[HEDGEROW_ID_SIZE];
};

/* What the i-th job reads, as its line names it. */
static const char *
name_of(const struct each *each, size_t index)
{
    if (!each->options->is_each) {
        return each->options->words_count > 0 ? each->options->words[0] : "";
    }
    return each->options->words[index % each->options->words_count];
}

static bool
take_next(struct each *each, size_t *ret_index)
{
    pthread_mutex_lock(&each->mutex);
    bool has_next = !each->is_stopped && each->next < each->jobs_count;
    if (has_next) {
        *ret_index = each->next++;
    }
    pthread_mutex_unlock(&each->mutex);
    return has_next;
}

static void
show_progress(struct each *each)
{
    instant_t now = clock_now();
    bool is_last = each->done_count == each->jobs_count;
    if (each->options->common.is_quiet || !out_stderr_is_terminal() ||
        (!is_last && duration_to_ms(instant_since(now, each->shown_at)) < PROGRESS_MS)) {
        return;
    }
    each->shown_at = now;
    fprintf(stderr, "\r\033[K");
    if (!is_last) {
        fprintf(stderr, "%zu of %zu", each->done_count, each->jobs_count);
    }
    fflush(stderr);
}

/* sha256sum's form: the result, two spaces, the name.  A result that ends like that already,
 * naming standard input ("  -"), gets the name in the place of the dash. */
static void
print_named(const char *name, const struct hedgerow_reply *reply)
{
    const char *body = (const char *) reply->body;
    size_t size = reply->body_size;
    while (size > 0 && (body[size - 1] == '\n' || body[size - 1] == '\r')) {
        size--;
    }
    if (size >= 3 && memcmp(body + size - 3, "  -", 3) == 0) {
        size -= 3;
    }
    fwrite(body, 1, size, stdout);
    printf("  %s\n", name);
}

static void
print_bare(const struct hedgerow_reply *reply)
{
    fwrite(reply->body, 1, reply->body_size, stdout);
    if (reply->body_size == 0 || reply->body[reply->body_size - 1] != '\n') {
        fputc('\n', stdout);
    }
}

static void
print_line(struct each *each, const char *name, const struct hedgerow_reply *reply)
{
    bool is_ok = reply->outcome == HEDGEROW_OK;
    switch (each->options->common.output) {
    case OUTPUT_RAW:
        if (is_ok && each->options->is_each) {
            print_named(name, reply);
        } else if (is_ok) {
            print_bare(reply);
        }
        break;
    case OUTPUT_ID: printf("%s\n", reply->job_id); break;
    case OUTPUT_JSON:
    case OUTPUT_JSONL: json_print_run(name, reply, stdout); break;
    case OUTPUT_TABLE:
    case OUTPUT_NONE: break;
    }
}

static void
note_failure(struct each *each, struct hedgerow_client *client, const char *name,
    const struct hedgerow_reply *reply)
{
    int exit_code = cli_exit_of(reply->outcome);
    each->exit_code =
        each->exit_code == CLI_DONE || each->exit_code == exit_code ? exit_code : CLI_FAILED;
    if (reply->outcome == HEDGEROW_INTERRUPTED) {
        each->is_stopped = true;
        return;
    }
    if (each->reports_count++ < REPORTS_MAX) {
        if (name[0] != '\0') {
            out_error("%s: %s", name, reply->message);
        }
        if (each->reports_count == 1 || name[0] == '\0') {
            struct options quiet = each->options->common;
            quiet.output = OUTPUT_NONE;
            report_failure(client, &quiet, each->options->handler, reply);
        }
    }
    /* Nothing will become better for the jobs that follow. */
    each->is_stopped = each->is_stopped || reply->outcome == HEDGEROW_NOT_FOUND ||
                       (reply->outcome == HEDGEROW_UNAVAILABLE && reply->http_status == 0);
}

static void
job_done(struct each *each, struct hedgerow_client *client, const char *name,
    const struct hedgerow_reply *reply)
{
    pthread_mutex_lock(&each->mutex);
    each->done_count++;
    stats_add(&each->stats, reply);
    if (reply->job_id[0] != '\0') {
        snprintf(each->last_job, sizeof each->last_job, "%s", reply->job_id);
    }
    print_line(each, name, reply);
    if (reply->outcome != HEDGEROW_OK) {
        note_failure(each, client, name, reply);
    }
    show_progress(each);
    pthread_mutex_unlock(&each->mutex);
}

static void
input_failed(struct each *each)
{
    pthread_mutex_lock(&each->mutex);
    each->done_count++;
    each->stats.failed_count++;
    each->exit_code = each->exit_code == CLI_DONE ? CLI_USAGE : CLI_FAILED;
    pthread_mutex_unlock(&each->mutex);
}

static void *
worker_main(void *user)
{
    struct each *each = user;
    struct hedgerow_client *client = connect_client(&each->options->common);
    CHECK(client != NULL);
    size_t index;
    while (take_next(each, &index)) {
        const char *name = name_of(each, index);
        struct input input = each->shared;
        if (each->options->is_each && !input_load_file(name, &input)) {
            input_failed(each);
            continue;
        }
        char job_id[HEDGEROW_ID_SIZE];
        hedgerow_job_id_make(job_id);
        struct hedgerow_call call = each->options->call;
        call.handler = each->options->handler;
        call.input = input.bytes;
        call.input_size = input.size;
        call.job_id = job_id;
        call.interrupt = each->interrupt;
        struct hedgerow_reply reply;
        (void) hedgerow_invoke(client, &call, &reply);
        job_done(each, client, name, &reply);
        hedgerow_reply_fini(&reply);
        if (each->options->is_each) {
            input_fini(&input);
        }
    }
    hedgerow_client_free(client);
    return NULL;
}

static void
each_run(struct each *each)
{
    pthread_t threads[RUN_CONCURRENCY_MAX];
    unsigned started_count = 0;
    size_t wanted = each->options->concurrency < each->jobs_count ? each->options->concurrency
                                                                  : each->jobs_count;
    while (started_count < wanted &&
           pthread_create(&threads[started_count], NULL, worker_main, each) == 0) {
        started_count++;
    }
    if (started_count == 0) {
        worker_main(each);
    }
    for (unsigned i = 0; i < started_count; i++) {
        pthread_join(threads[i], NULL);
    }
}

static void
each_conclude(struct each *each)
{
    int64_t elapsed_us = duration_to_us(instant_since(clock_now(), each->begun_at));
    if (each->reports_count > REPORTS_MAX) {
        out_error("%u more failed like this", each->reports_count - REPORTS_MAX);
    }
    if (each->done_count < each->jobs_count) {
        out_error("stopped after %zu of %zu jobs", each->done_count, each->jobs_count);
    }
    if (each->options->has_summary) {
        stats_print(&each->stats, elapsed_us, stderr);
    }
}

int
run_each(const struct run_options *options)
{
    struct each each = { .options = options, .mutex = PTHREAD_MUTEX_INITIALIZER };
    each.jobs_count = (options->is_each ? options->words_count : 1) * (size_t) options->repeat;
    if (!options->is_each &&
        !input_load(options->words_count > 0 ? options->words[0] : NULL, &each.shared)) {
        return CLI_USAGE;
    }
    each.interrupt = signals_catch();
    if (each.interrupt == NULL) {
        input_fini(&each.shared);
        return CLI_FAILED;
    }
    each.begun_at = clock_now();
    each_run(&each);
    each_conclude(&each);
    if (each.last_job[0] != '\0') {
        struct hedgerow_client *client = connect_client(&options->common);
        if (client != NULL) {
            state_save_last(each.last_job, hedgerow_client_server(client));
        }
        hedgerow_client_free(client);
    }
    int exit_code = each.exit_code;
    if (fflush(stdout) != 0) {
        out_error("cannot write the results: %s", strerror(errno));
        exit_code = CLI_FAILED;
    }
    stats_fini(&each.stats);
    input_fini(&each.shared);
    hedgerow_interrupt_free(each.interrupt);
    return exit_code;
}
