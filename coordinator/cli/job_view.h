/* SPDX-License-Identifier: MIT
 *
 * coordinator/cli/job_view.h - a job as the API tells it, read from its JSON.
 *
 * UNITS      milliseconds since the job was created, as in the API; NaN: did not happen.
 * MEMORY     texts are cut at their room; what comes from elsewhere is made printable.
 */
#ifndef COORDINATOR_CLI_JOB_VIEW_H
#define COORDINATOR_CLI_JOB_VIEW_H

#include "common/edge/json.h"
#include "coordinator/client/hedgerow.h"

#include <stdbool.h>

#define JOB_VIEW_ATTEMPTS_MAX  16
#define JOB_VIEW_WORD_SIZE_MAX 80
#define JOB_VIEW_TEXT_SIZE_MAX 200

struct job_view_attempt {
    unsigned number;
    char kind[JOB_VIEW_WORD_SIZE_MAX];
    char worker[JOB_VIEW_WORD_SIZE_MAX];
    char state[JOB_VIEW_WORD_SIZE_MAX];
    char cancel_cause[JOB_VIEW_WORD_SIZE_MAX]; /* "" */
    char cancel_fate[JOB_VIEW_WORD_SIZE_MAX];  /* "" */
    char message[JOB_VIEW_TEXT_SIZE_MAX];      /* "" */
    double sent_ms;
    double started_ms;
    double ended_ms;
    double cancel_sent_ms;
    double cancel_acked_ms;
    double cancel_stopped_after_ms;
    double ran_ms;
    double cpu_ms;
    double wasted_ms;
};

struct job_view {
    char id[HEDGEROW_ID_SIZE];
    char handler[JOB_VIEW_WORD_SIZE_MAX];
    char state[JOB_VIEW_WORD_SIZE_MAX];
    char cause[JOB_VIEW_WORD_SIZE_MAX]; /* "" */
    char mode[JOB_VIEW_WORD_SIZE_MAX];
    char created_at[JOB_VIEW_WORD_SIZE_MAX];
    char error[JOB_VIEW_TEXT_SIZE_MAX]; /* "" */
    double timeout_ms;
    double age_ms;
    double queue_ms;
    double total_ms;
    double wasted_ms;
    uint64_t input_size;
    uint64_t result_size;
    unsigned winner; /* an attempt's number, 0: none */
    bool hedge_on;
    double hedge_delay_ms;
    unsigned hedge_sent;
    char hedge_refused[JOB_VIEW_WORD_SIZE_MAX]; /* "" */
    double hedge_refused_ms;
    unsigned attempts_count;
    struct job_view_attempt attempts[JOB_VIEW_ATTEMPTS_MAX];
};

/* false: not a job's JSON. */
bool job_view_read(const struct json *json, struct job_view *ret_view);
bool job_view_parse(const struct hedgerow_reply *reply, struct job_view *ret_view);
/* Its end is decided. */
bool job_view_is_over(const struct job_view *view);
/* Not over, or a copy has not been heard to have ended. */
bool job_view_is_live(const struct job_view *view);
/* How the job ended, for an exit code; OK while it has not. */
enum hedgerow_outcome job_view_outcome(const struct job_view *view);

#endif
