/* SPDX-License-Identifier: MIT
 *
 * `hedgerow bench`: does hedging pay here?
 *
 *     phase 1: --rate jobs a second for --duration, hedging off
 *     phase 2: the same, hedged
 *
 * An open loop: the n-th job is due n / rate seconds after the start, whatever became of
 * those before, and its latency counts from then.  So a service that stalls is charged for
 * all that it kept waiting, not only for the jobs that were under way (coordinated omission).
 *
 *     N threads, each with a connection:
 *         take the next n -> sleep until it is due -> invoke -> count -> again
 *
 * When all connections are in use a job is sent late; that counts in its latency, and the
 * table says how many.
 */
#include "coordinator/cli/call_options.h"
#include "coordinator/cli/cli.h"
#include "coordinator/cli/input.h"
#include "coordinator/cli/out.h"
#include "coordinator/cli/report.h"
#include "coordinator/cli/signals.h"
#include "coordinator/cli/stats.h"

#include "common/sys/clock.h"

#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define CONNECTIONS_MAX 1024
#define RATE_MAX        100000
#define JOBS_MAX        (50u << 20)
#define LATE_MS         10 /* after its time, and it counts as late */
#define PROGRESS_MS     200

enum {
    KEY_RATE = 3100,
    KEY_DURATION,
    KEY_PHASE
};

enum phases {
    PHASES_BOTH,
    PHASES_OFF,
    PHASES_ON
};

struct bench_options {
    struct options common;
    struct hedgerow_call call;
    const char *handler;
    const char *word;
    unsigned rate;
    duration_t duration;
    unsigned connections;
    enum phases phases;
};

struct phase {
    const char *name;
    struct stats stats;
    uint64_t outcomes[HEDGEROW_BROKEN + 1];
    uint64_t late_count;
    uint64_t copies_count; /* of jobs that succeeded, beyond the first */
    int64_t elapsed_us;
};

struct bench {
    const struct bench_options *options;
    struct hedgerow_interrupt *interrupt;
    struct input input;
    bool is_hedged;
    uint64_t jobs_count;
    instant_t begun_at;

    pthread_mutex_t mutex; /* guards all below */
    struct phase *phase;
    uint64_t next;
    uint64_t done_count;
    bool is_stopped;
    instant_t shown_at;
    enum hedgerow_outcome first_outcome; /* of a job that did not succeed */
    char first_failure[512];
};

/* ---- flags ---------------------------------------------------------------------------- */

static const struct argp_option bench_flags[] = {
    { "rate", KEY_RATE, "N", 0, "Jobs a second (50)", 0 },
    { "duration", KEY_DURATION, "TIME", 0, "Of each phase (10s)", 0 },
    { "connections", 'c', "N", 0, "Jobs under way at most (64)", 0 },
    { "phase", KEY_PHASE, "WHICH", 0, "off, on, or both: hedging off, then on (both)", 0 },
    { 0 },
};

static enum phases
phase_of(const char *word)
{
    static const char *const words[] = { "both", "off", "on", NULL };
    for (unsigned i = 0; words[i] != NULL; i++) {
        if (strcmp(word, words[i]) == 0) {
            return (enum phases) i;
        }
    }
    options_fail_choice("--phase", word, words);
    return PHASES_BOTH;
}

static error_t
on_bench_flag(int key, char *value, struct argp_state *state)
{
    struct bench_options *options = state->input;
    switch (key) {
    case ARGP_KEY_INIT:
        state->child_inputs[0] = &options->common;
        state->child_inputs[1] = &options->call;
        return 0;
    case KEY_RATE: options->rate = options_count("--rate", value, RATE_MAX); return 0;
    case KEY_DURATION: options->duration = options_duration("--duration", value); return 0;
    case 'c':
        options->connections = options_count("--connections", value, CONNECTIONS_MAX);
        return 0;
    case KEY_PHASE: options->phases = phase_of(value); return 0;
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

static const struct argp_child bench_children[] = { OPTIONS_CHILD, CALL_OPTIONS_CHILD, { 0 } };
static const struct argp bench_argp = {
    .options = bench_flags,
    .parser = on_bench_flag,
    .args_doc = "HANDLER [TEXT|@FILE|-]",
    .doc = "Sends jobs at a steady rate, first without and then with hedging, and prints how "
           "long they took.\v"
           "A job's latency counts from when it was due, not from when a connection was free "
           "for it.\n\n"
           "Examples:\n"
           "  hedgerow bench sleep 20ms --rate 100\n"
           "  hedgerow bench thumb @FILE --rate 30 --duration 1m -o json\n"
           "  hedgerow bench sha256 hello --rate 2000 -c 256 --phase off --timeout 500ms",
    .children = bench_children,
};

/* ---- one job -------------------------------------------------------------------------- */

static bool
take_next(struct bench *bench, uint64_t *ret_index)
{
    pthread_mutex_lock(&bench->mutex);
    bool has_next = !bench->is_stopped && bench->next < bench->jobs_count;
    if (has_next) {
        *ret_index = bench->next++;
    }
    pthread_mutex_unlock(&bench->mutex);
    return has_next;
}

/* Coarsely where an interrupt is heard, finely at the end. */
static bool
sleep_until(struct bench *bench, instant_t due)
{
    int64_t left_ms = duration_to_ms(instant_until(clock_now(), due));
    if (left_ms > 2 && hedgerow_interrupt_wait(bench->interrupt, left_ms - 1) != 0) {
        return false;
    }
    const struct timespec when = { .tv_sec = due.ns / 1000000000,
        .tv_nsec = due.ns % 1000000000 };
    while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &when, NULL) == EINTR) {
    }
    return true;
}

static void
show_progress(struct bench *bench)
{
    instant_t now = clock_now();
    bool is_last = bench->done_count == bench->jobs_count;
    if (bench->options->common.is_quiet || !out_stderr_is_terminal() ||
        (!is_last && duration_to_ms(instant_since(now, bench->shown_at)) < PROGRESS_MS)) {
        return;
    }
    bench->shown_at = now;
    fprintf(stderr, "\r\033[K");
    if (!is_last) {
        fprintf(stderr, "%s: %" PRIu64 " of %" PRIu64, bench->phase->name, bench->done_count,
            bench->jobs_count);
    }
    fflush(stderr);
}

static void
count(struct bench *bench, struct hedgerow_reply *reply, instant_t due, bool is_late)
{
    reply->took_us = duration_to_us(instant_since(clock_now(), due));
    pthread_mutex_lock(&bench->mutex);
    struct phase *phase = bench->phase;
    stats_add(&phase->stats, reply);
    phase->outcomes[reply->outcome]++;
    phase->late_count += is_late;
    if (reply->outcome == HEDGEROW_OK && reply->attempts > 1) {
        phase->copies_count += reply->attempts - 1;
    }
    if (reply->outcome != HEDGEROW_OK && bench->first_failure[0] == '\0') {
        bench->first_outcome = reply->outcome;
        snprintf(bench->first_failure, sizeof bench->first_failure, "%s", reply->message);
    }
    /* Nobody there, no such handler, or Ctrl-C: the rest would be no other. */
    bench->is_stopped = bench->is_stopped || reply->outcome == HEDGEROW_INTERRUPTED ||
                        reply->outcome == HEDGEROW_NOT_FOUND ||
                        reply->outcome == HEDGEROW_INVALID ||
                        (reply->outcome == HEDGEROW_UNAVAILABLE && reply->http_status == 0);
    bench->done_count++;
    show_progress(bench);
    pthread_mutex_unlock(&bench->mutex);
}

static void *
sender_main(void *user)
{
    struct bench *bench = user;
    const struct bench_options *options = bench->options;
    struct hedgerow_client *client = hedgerow_client_new(options->common.server);
    CHECK(client != NULL);
    uint64_t index;
    while (take_next(bench, &index)) {
        int64_t offset_ns = (int64_t) ((double) index * 1e9 / options->rate);
        instant_t due = instant_add(bench->begun_at, duration_ns(offset_ns));
        if (!sleep_until(bench, due)) {
            break;
        }
        bool is_late = duration_to_ms(instant_since(clock_now(), due)) >= LATE_MS;
        struct hedgerow_call call = options->call;
        call.handler = options->handler;
        call.input = bench->input.bytes;
        call.input_size = bench->input.size;
        call.interrupt = bench->interrupt;
        call.hedge = bench->is_hedged ? call.hedge : HEDGEROW_HEDGE_OFF;
        struct hedgerow_reply reply;
        (void) hedgerow_invoke(client, &call, &reply);
        count(bench, &reply, due, is_late);
        hedgerow_reply_fini(&reply);
    }
    hedgerow_client_free(client);
    return NULL;
}

/* ---- phases --------------------------------------------------------------------------- */

static void
run_phase(struct bench *bench, struct phase *phase, bool is_hedged)
{
    const struct bench_options *options = bench->options;
    static pthread_t threads[CONNECTIONS_MAX];
    unsigned started_count = 0;
    phase->name = is_hedged ? "hedged" : "not hedged";
    bench->phase = phase;
    bench->is_hedged = is_hedged;
    bench->next = 0;
    bench->done_count = 0;
    /* All connections are open by then. */
    bench->begun_at = instant_add(clock_now(), duration_ms(100));
    while (started_count < options->connections &&
           pthread_create(&threads[started_count], NULL, sender_main, bench) == 0) {
        started_count++;
    }
    CHECK(started_count > 0);
    for (unsigned i = 0; i < started_count; i++) {
        pthread_join(threads[i], NULL);
    }
    phase->elapsed_us = duration_to_us(instant_since(clock_now(), bench->begun_at));
}

/* ---- the report ----------------------------------------------------------------------- */

static const double quantiles[] = { .5, .9, .99, .999, 1 };
static const char *const quantile_names[] = { "p50", "p90", "p99", "p99.9", "max" };

static uint64_t
failed_of(const struct phase *phase)
{
    return phase->stats.failed_count - phase->outcomes[HEDGEROW_OVERLOADED];
}

static double
per_second(const struct phase *phase, uint64_t jobs_count)
{
    return phase->elapsed_us > 0 ? (double) jobs_count * 1e6 / (double) phase->elapsed_us : 0;
}

static void
print_table(struct phase *phases, unsigned phases_count)
{
    static const char *const headers[] = { "PHASE", ">JOBS", ">OK/S", ">FAILED", ">REFUSED",
        ">LATE", ">COPIES", ">P50 MS", ">P90 MS", ">P99 MS", ">P99.9 MS", ">MAX MS", NULL };
    struct out_table table;
    out_table_init(&table, headers);
    for (unsigned i = 0; i < phases_count; i++) {
        struct phase *phase = &phases[i];
        size_t ok_count = phase->stats.count;
        double extra = ok_count > 0 ? (double) phase->copies_count / (double) ok_count : 0;
        out_table_add(&table, "%s", phase->name);
        out_table_add(&table, "%zu", ok_count + phase->stats.failed_count);
        out_table_add(&table, "%.1f", per_second(phase, ok_count));
        out_table_add(&table, "%" PRIu64, failed_of(phase));
        out_table_add(&table, "%" PRIu64, phase->outcomes[HEDGEROW_OVERLOADED]);
        out_table_add(&table, "%" PRIu64, phase->late_count);
        out_table_add(&table, "+%.1f%%", 100 * extra);
        for (unsigned q = 0; q < ARRAY_COUNT(quantiles); q++) {
            out_table_add(
                &table, "%.2f", (double) stats_quantile_us(&phase->stats, quantiles[q]) / 1e3);
        }
    }
    out_table_print(&table, stdout);
    out_table_fini(&table);
}

/* What a newcomer wants to know, in one sentence. */
static void
print_verdict(struct phase *phases)
{
    double without = (double) stats_quantile_us(&phases[0].stats, .99);
    double with = (double) stats_quantile_us(&phases[1].stats, .99);
    if (without <= 0 || with <= 0) {
        return;
    }
    printf("\nHedging took p99 from %.2f to %.2f ms (%.2f x), for %.1f %% more copies; %zu of "
           "them won.\n",
        without / 1e3, with / 1e3, with / without,
        100.0 * (double) phases[1].copies_count / (double) phases[1].stats.count,
        phases[1].stats.hedge_wins_count);
}

static void
print_json(const struct bench_options *options, struct phase *phases, unsigned phases_count)
{
    printf("{\"rate\": %u, \"duration_s\": %.3f, \"connections\": %u, \"phases\": [",
        options->rate, duration_to_s(options->duration), options->connections);
    for (unsigned i = 0; i < phases_count; i++) {
        struct phase *phase = &phases[i];
        printf("%s{\"hedged\": %s, \"seconds\": %.3f, \"ok_per_s\": %.3f, \"late\": %" PRIu64
               ", "
               "\"copies\": %" PRIu64 ", \"hedge_wins\": %zu, \"outcomes\": {",
            i > 0 ? ", " : "", strcmp(phase->name, "hedged") == 0 ? "true" : "false",
            (double) phase->elapsed_us / 1e6, per_second(phase, phase->stats.count),
            phase->late_count, phase->copies_count, phase->stats.hedge_wins_count);
        for (unsigned outcome = HEDGEROW_OK; outcome <= HEDGEROW_BROKEN; outcome++) {
            printf("%s\"%s\": %" PRIu64, outcome > 0 ? ", " : "",
                hedgerow_outcome_text((enum hedgerow_outcome) outcome),
                phase->outcomes[outcome]);
        }
        printf("}, \"latency_ms\": {");
        for (unsigned q = 0; q < ARRAY_COUNT(quantiles); q++) {
            printf("%s\"%s\": %.3f", q > 0 ? ", " : "", quantile_names[q],
                (double) stats_quantile_us(&phase->stats, quantiles[q]) / 1e3);
        }
        printf("}}");
    }
    printf("]}\n");
}

static int
conclude(const struct bench *bench, struct phase *phases, unsigned phases_count)
{
    size_t ok_count = 0;
    for (unsigned i = 0; i < phases_count; i++) {
        ok_count += phases[i].stats.count;
    }
    if (bench->first_failure[0] != '\0') {
        out_error("the first that failed: %s", bench->first_failure);
    }
    if (ok_count == 0) {
        return cli_exit_of(bench->first_outcome);
    }
    if (bench->options->common.output == OUTPUT_JSON) {
        print_json(bench->options, phases, phases_count);
    } else {
        print_table(phases, phases_count);
        if (phases_count == 2) {
            print_verdict(phases);
        }
    }
    return CLI_DONE;
}

static uint64_t
jobs_count_of(const struct bench_options *options)
{
    return (uint64_t) ((double) options->rate * duration_to_s(options->duration));
}

static int
bench(const struct bench_options *options)
{
    static struct bench bench;
    struct phase phases[2] = { 0 };
    unsigned phases_count = 0;
    bench.options = options;
    pthread_mutex_init(&bench.mutex, NULL);
    if (!input_load(options->word, &bench.input)) {
        return CLI_USAGE;
    }
    bench.interrupt = signals_catch();
    bench.jobs_count = jobs_count_of(options);
    if (bench.interrupt == NULL) {
        input_fini(&bench.input);
        return CLI_FAILED;
    }
    if (options->phases != PHASES_ON) {
        run_phase(&bench, &phases[phases_count++], /* is_hedged= */ false);
    }
    if (options->phases != PHASES_OFF && !bench.is_stopped) {
        run_phase(&bench, &phases[phases_count++], /* is_hedged= */ true);
    }
    int exit_code = conclude(&bench, phases, phases_count);
    stats_fini(&phases[0].stats);
    stats_fini(&phases[1].stats);
    input_fini(&bench.input);
    hedgerow_interrupt_free(bench.interrupt);
    return exit_code;
}

int
bench_command(int argc, char **argv)
{
    struct bench_options options = {
        .common = { .outputs = OUTPUT_BIT(OUTPUT_TABLE) | OUTPUT_BIT(OUTPUT_JSON),
            .output = OUTPUT_TABLE },
        .rate = 50,
        .duration = duration_s(10),
        .connections = 64,
    };
    options_parse(&bench_argp, argc, argv, &options);
    if (options.handler == NULL) {
        options_fail("which handler?");
    }
    if (jobs_count_of(&options) > JOBS_MAX || jobs_count_of(&options) == 0) {
        options_fail("%u jobs a second for %.3f s are not 1 to %u jobs", options.rate,
            duration_to_s(options.duration), JOBS_MAX);
    }
    return bench(&options);
}
