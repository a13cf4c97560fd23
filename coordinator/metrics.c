/* SPDX-License-Identifier: MIT */
#include "coordinator/metrics.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct exposition {
    void (*write)(void *out, const char *text);
    void *out;
};

__attribute__((format(printf, 2, 3))) static void
line(const struct exposition *to, const char *format, ...)
{
    char text[512];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    to->write(to->out, text);
}

static void
family(const struct exposition *to, const char *name, const char *type, const char *help)
{
    line(to, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

static void
single(const struct exposition *to, const char *name, const char *type, const char *help,
    double value)
{
    family(to, name, type, help);
    line(to, "%s %.17g\n", name, value);
}

/* A label's value: names come from workers, so quotes and newlines are escaped. */
struct label {
    char text[2 * CORE_NAME_SIZE_MAX];
};

static struct label
label_of(const char *value)
{
    struct label label;
    size_t size = 0;
    for (; *value != '\0' && size < sizeof label.text - 2; value++) {
        if (*value == '"' || *value == '\\' || *value == '\n') {
            label.text[size++] = '\\';
        }
        label.text[size++] = *value == '\n' ? 'n' : *value;
    }
    label.text[size] = '\0';
    return label;
}

/* ---- by handler ---------------------------------------------------------------------- */

/* A family with rows for each handler: its head, and what one handler adds. */
struct handler_family {
    const char *name;
    const char *help;
    void (*rows)(const struct exposition *to, const struct handler_family *family,
        const struct handler_view *view);
    size_t offset; /* of what it shows, in struct handler_view */
    const char *label;
    int first; /* of the words that the label goes through */
    int last;
    const char *(*word)(int value);
};

static const char *
outcome_word(int value)
{
    return job_state_text((enum job_state) value);
}

static const char *
kind_word(int value)
{
    return attempt_kind_text((enum attempt_kind) value);
}

static const char *
state_word(int value)
{
    return attempt_state_text((enum attempt_state) value);
}

static const char *
reason_word(int value)
{
    return hedge_refusal_text((enum hedge_refusal) value);
}

static void
rows_count(const struct exposition *to, const struct handler_family *family,
    const struct handler_view *view)
{
    uint64_t count;
    memcpy(&count, (const char *) view + family->offset, sizeof count);
    line(
        to, "%s{handler=\"%s\"} %" PRIu64 "\n", family->name, label_of(view->name).text, count);
}

static void
rows_by_word(const struct exposition *to, const struct handler_family *family,
    const struct handler_view *view)
{
    const uint64_t *counts = (const void *) ((const char *) view + family->offset);
    for (int value = family->first; value <= family->last; value++) {
        line(to, "%s{handler=\"%s\",%s=\"%s\"} %" PRIu64 "\n", family->name,
            label_of(view->name).text, family->label, family->word(value), counts[value]);
    }
}

static void
rows_seconds(const struct exposition *to, const struct handler_family *family,
    const struct handler_view *view)
{
    double sum_s;
    memcpy(&sum_s, (const char *) view + family->offset, sizeof sum_s);
    line(to, "%s{handler=\"%s\"} %.9g\n", family->name, label_of(view->name).text, sum_s);
}

#define OF(member) offsetof(struct handler_view, member)

static const struct handler_family handler_families[] = {
    { "hedgerow_jobs_submitted_total", "Jobs that were accepted.", rows_count,
        OF(submitted_count), NULL, 0, 0, NULL },
    { "hedgerow_jobs_finished_total", "Jobs by their terminal state.", rows_by_word,
        OF(finished_count), "outcome", JOB_SUCCEEDED, JOB_DEADLINE_EXCEEDED, outcome_word },
    { "hedgerow_attempts_started_total", "Copies sent, by kind.", rows_by_word,
        OF(attempts_count), "kind", ATTEMPT_PRIMARY, ATTEMPT_TIE, kind_word },
    { "hedgerow_attempts_finished_total", "Copies by their final state.", rows_by_word,
        OF(attempts_ended_count), "state", ATTEMPT_WON, ATTEMPT_UNREACHABLE, state_word },
    { "hedgerow_hedge_wins_total", "Jobs whose hedge answered first.", rows_count,
        OF(hedge_wins_count), NULL, 0, 0, NULL },
    { "hedgerow_hedges_suppressed_total", "Hedges that were due and not sent, by reason.",
        rows_by_word, OF(hedges_refused_count), "reason", HEDGE_NOT_REFUSED + 1,
        HEDGE_REFUSALS_COUNT - 1, reason_word },
    { "hedgerow_hedge_saved_seconds_total",
        "Time that hedges which won spared their jobs, as the survival curve has it.",
        rows_seconds, OF(saved_s), NULL, 0, 0, NULL },
    { "hedgerow_wasted_seconds_total", "Worker time of copies that did not win.", rows_seconds,
        OF(wasted_s), NULL, 0, 0, NULL },
    { "hedgerow_wasted_cpu_seconds_total", "CPU time of copies that did not win.", rows_seconds,
        OF(wasted_cpu_s), NULL, 0, 0, NULL },
    { "hedgerow_useful_cpu_seconds_total", "CPU time of copies that won.", rows_seconds,
        OF(useful_cpu_s), NULL, 0, 0, NULL },
};

static void
write_handlers(const struct exposition *to, const struct core *core)
{
    for (unsigned f = 0; f < ARRAY_COUNT(handler_families); f++) {
        const struct handler_family *each = &handler_families[f];
        family(to, each->name, "counter", each->help);
        for (uint32_t i = 0; i < core_handlers_count(core); i++) {
            struct handler_view view;
            core_handler_at(core, i, &view);
            each->rows(to, each, &view);
        }
    }
}

/* ---- whole core ---------------------------------------------------------------------- */

static void
write_histogram(const struct exposition *to, const char *name, const char *label,
    const struct latency_view *view)
{
    uint64_t below = 0;
    const char *comma = label[0] != '\0' ? "," : "";
    for (unsigned i = 0; i < CORE_LATENCY_BUCKETS_COUNT; i++) {
        below += view->buckets[i];
        if (i + 1 < CORE_LATENCY_BUCKETS_COUNT) {
            line(to, "%s_bucket{%s%sle=\"%g\"} %" PRIu64 "\n", name, label, comma,
                core_latency_bounds_s[i], below);
        } else {
            line(to, "%s_bucket{%s%sle=\"+Inf\"} %" PRIu64 "\n", name, label, comma, below);
        }
    }
    const char *open = label[0] != '\0' ? "{" : "";
    const char *close = label[0] != '\0' ? "}" : "";
    line(to, "%s_sum%s%s%s %.9g\n", name, open, label, close, view->sum_s);
    line(to, "%s_count%s%s%s %" PRIu64 "\n", name, open, label, close, view->count);
}

static void
write_refusals(const struct exposition *to, const struct core_counters *counters)
{
    static const char *const whys[] = { [SUBMIT_UNKNOWN_HANDLER] = "unknown_handler",
        [SUBMIT_NO_WORKER] = "no_worker",
        [SUBMIT_FULL] = "full",
        [SUBMIT_LATE] = "late",
        [SUBMIT_DEADLINE] = "deadline",
        [SUBMIT_DRAINING] = "draining",
        [SUBMIT_DUPLICATE_ID] = "duplicate_id" };
    family(to, "hedgerow_jobs_refused_total", "counter", "Submits that were not accepted.");
    for (unsigned i = 0; i < ARRAY_COUNT(whys); i++) {
        line(to, "hedgerow_jobs_refused_total{reason=\"%s\"} %" PRIu64 "\n", whys[i],
            counters->jobs_refused_count[i]);
    }
}

static void
write_counters(const struct exposition *to, const struct core_counters *counters)
{
    single(to, "hedgerow_jobs_in_flight", "gauge", "Jobs that are not terminal.",
        counters->jobs_live_count);
    single(to, "hedgerow_jobs_kept", "gauge", "Terminal jobs that can still be read.",
        counters->jobs_kept_count);
    single(to, "hedgerow_attempts_in_flight", "gauge", "Copies sent and not ended.",
        counters->attempts_live_count);
    family(to, "hedgerow_cancels_sent_total", "counter", "Cancels sent, by cause.");
    for (int cause = CAUSE_NONE + 1; cause <= CAUSE_SHUTDOWN; cause++) {
        line(to, "hedgerow_cancels_sent_total{cause=\"%s\"} %" PRIu64 "\n",
            cancel_cause_text((enum cancel_cause) cause), counters->cancels_sent_count[cause]);
    }
    single(to, "hedgerow_cancels_acked_total", "counter", "Cancels that were acknowledged.",
        (double) counters->cancels_acked_count);
    single(to, "hedgerow_cancels_unacked_total", "counter",
        "Cancels whose worker was lost before it acknowledged.",
        (double) counters->cancels_unacked_count);
    single(to, "hedgerow_stray_replies_total", "counter",
        "Late, duplicate or unknown replies, dropped.", (double) counters->stray_replies_count);
    single(to, "hedgerow_hedge_budget_tokens", "gauge", "Extra copies that may be sent now.",
        counters->hedge_tokens);
    single(to, "hedgerow_utilisation", "gauge", "Share of all slots that is busy, lately.",
        counters->utilisation);
    single(to, "hedgerow_hedge_budget_work_seconds", "gauge",
        "Worker time that extra copies may take now; below 0: overdrawn.",
        counters->hedge_work_s);
    family(to, "hedgerow_job_duration_seconds", "histogram", "From submit to answer.");
    write_histogram(
        to, "hedgerow_job_duration_seconds", "hedged=\"false\"", &counters->job_latency[0]);
    write_histogram(
        to, "hedgerow_job_duration_seconds", "hedged=\"true\"", &counters->job_latency[1]);
    family(to, "hedgerow_cancel_ack_seconds", "histogram",
        "From sending a cancel to its acknowledgement.");
    write_histogram(to, "hedgerow_cancel_ack_seconds", "", &counters->cancel_ack_latency);
}

/* ---- workers, links, process --------------------------------------------------------- */

static void
write_workers(const struct exposition *to, const struct core *core)
{
    static const char *const names[] = { "hedgerow_worker_up", "hedgerow_worker_slots",
        "hedgerow_worker_in_flight", "hedgerow_worker_running", "hedgerow_worker_queued",
        "hedgerow_worker_rtt_seconds" };
    static const char *const helps[] = { "1: takes work; 0: suspect, draining or dead.",
        "Copies that it runs at once.", "Copies sent to it and not ended.",
        "Copies that it says it runs.", "Copies that it says wait.",
        "Round trip of its last heartbeat." };
    for (unsigned n = 0; n < ARRAY_COUNT(names); n++) {
        family(to, names[n], "gauge", helps[n]);
        for (uint32_t i = 0; i < core_workers_count(core); i++) {
            struct worker_view view;
            if (!core_worker_at(core, i, &view) || view.state == WORKER_DEAD) {
                continue;
            }
            const double values[] = { view.state == WORKER_LIVE ? 1 : 0, view.slots_count,
                view.in_flight_count, view.running_count, view.queued_count,
                duration_to_s(view.rtt) };
            line(to, "%s{worker=\"%s\"} %.9g\n", names[n], label_of(view.name).text, values[n]);
        }
    }
}

static void
write_links(const struct exposition *to, const struct links_counters *links)
{
    const struct {
        const char *name;
        const char *help;
        uint64_t count;
    } counters[] = {
        { "handshakes_failed", "Links refused.", links->handshakes_failed_count },
        { "stale_frames", "Frames of another epoch or incarnation, dropped.",
            links->stale_frames_count },
        { "bad_frames", "Frames that were not well formed; their link was closed.",
            links->bad_frames_count },
        { "orphan_chunks", "Chunks of what was cancelled meanwhile, dropped.",
            links->orphans_count },
        { "unknown_frames", "Frames of a kind that a newer worker speaks, skipped.",
            links->unknown_count },
        { "expired_jobs", "Copies whose time was over before they were written.",
            links->expired_count },
        { "frames_received", "Frames received.", links->frames_in_count },
        { "frames_sent", "Frames sent.", links->frames_out_count },
        { "received_bytes", "Bytes received.", links->bytes_in_count },
        { "sent_bytes", "Bytes sent.", links->bytes_out_count },
    };
    single(to, "hedgerow_links_up", "gauge", "Worker links that are shaken.", links->up_count);
    for (unsigned i = 0; i < ARRAY_COUNT(counters); i++) {
        char name[64];
        snprintf(name, sizeof name, "hedgerow_link_%s_total", counters[i].name);
        single(to, name, "counter", counters[i].help, (double) counters[i].count);
    }
}

static double
resident_bytes(void)
{
    FILE *file = fopen("/proc/self/statm", "re");
    if (file == NULL) {
        return 0;
    }
    char text[128];
    size_t size = fread(text, 1, sizeof text - 1, file);
    fclose(file);
    text[size] = '\0';
    const char *resident = strchr(text, ' ');
    unsigned long pages = resident != NULL ? strtoul(resident, NULL, 10) : 0;
    return (double) pages * (double) sysconf(_SC_PAGESIZE);
}

static void
write_process(const struct exposition *to, const struct metrics_sources *sources)
{
    family(to, "hedgerow_build_info", "gauge", "1, with the version as a label.");
    line(to, "hedgerow_build_info{version=\"%s\"} 1\n", HEDGEROW_VERSION);
    single(to, "hedgerow_uptime_seconds", "gauge", "Since the coordinator's start.",
        duration_to_s(sources->uptime));
    single(to, "hedgerow_payload_bytes", "gauge", "Inputs and kept results.",
        (double) sources->bytes_held);
    single(to, "process_resident_memory_bytes", "gauge", "Resident memory.", resident_bytes());
}

static void
write_store(const struct exposition *to, const struct durable *durable)
{
    struct durable_counters jobs;
    struct store_counters store;
    durable_counters(durable, &jobs, &store);
    single(to, "hedgerow_durable_jobs", "gauge", "Durable jobs that have not ended.",
        jobs.live_count);
    single(to, "hedgerow_durable_jobs_accepted_total", "counter",
        "Durable jobs that were acknowledged: they were on disk.",
        (double) jobs.accepted_count);
    single(to, "hedgerow_durable_jobs_recovered_total", "counter",
        "Durable jobs that an earlier process left.", (double) jobs.recovered_count);
    single(to, "hedgerow_durable_jobs_ended_total", "counter",
        "Durable jobs whose end is on disk.", (double) jobs.ended_count);
    single(to, "hedgerow_durable_jobs_unknown_total", "counter",
        "Of those that may not run twice: ended without a known outcome.",
        (double) jobs.unknown_count);
    single(to, "hedgerow_durable_jobs_refused_total", "counter",
        "Durable submits that were refused: full, or not written.",
        (double) jobs.refused_count);
    single(to, "hedgerow_store_operations_total", "counter", "Operations of the store.",
        (double) store.operations_count);
    single(to, "hedgerow_store_commits_total", "counter",
        "Transactions that are on disk; the operations share them.",
        (double) store.commits_count);
    single(to, "hedgerow_store_commit_seconds_total", "counter",
        "Time in transactions, their fsync included.", (double) store.commit_ns * 1e-9);
    single(to, "hedgerow_store_failures_total", "counter",
        "Transactions that came to nothing: a full disk, a failed write or fsync.",
        (double) store.failures_count);
    single(to, "hedgerow_store_up", "gauge", "0 while durable jobs are refused.",
        store.is_failing ? 0 : 1);
}

void
metrics_write(const struct metrics_sources *sources, void (*write)(void *out, const char *text),
    void *out)
{
    const struct exposition to = { .write = write, .out = out };
    write_handlers(&to, sources->core);
    write_refusals(&to, core_counters(sources->core));
    write_counters(&to, core_counters(sources->core));
    write_workers(&to, sources->core);
    write_links(&to, sources->links);
    if (sources->durable != NULL) {
        write_store(&to, sources->durable);
    }
    write_process(&to, sources);
}
