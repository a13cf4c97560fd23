/* SPDX-License-Identifier: MIT
 *
 * tests/support/fake_link.h - the coordinator's end of an agent's link, as a list of frames.
 *
 * What the agent says is recorded; a test waits for the frame that it expects, by what it
 * is, and never for time to pass.
 *
 * THREADS  fake_link_send: any; the rest: the test's
 */
#ifndef TESTS_SUPPORT_FAKE_LINK_H
#define TESTS_SUPPORT_FAKE_LINK_H

#include "worker/agent.h"

#include <pthread.h>
#include <stdio.h>

#define FAKE_LINK_FRAMES_MAX 4096
#define FAKE_LINK_TEXT_MAX   256

struct fake_frame {
    enum wire_kind kind;
    uint32_t job; /* the number given to fake_link_job() */
    uint32_t attempt;
    uint64_t epoch;
    uint32_t status; /* of a RESULT */
    uint32_t fate;   /* of a CANCEL_ACK */
    uint64_t ran_us;
    uint64_t cpu_us;
    uint64_t stopped_after_us;
    uint32_t result_size;
    char text[FAKE_LINK_TEXT_MAX]; /* the start of the result, or the message */
    struct wire_load load;
};

struct fake_link {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    struct fake_frame frames[FAKE_LINK_FRAMES_MAX];
    uint32_t frames_count;
    uint32_t fulls_count; /* so many RESULTs are refused with FULL first */
    bool is_closed;
};

static inline void
fake_link_init(struct fake_link *link)
{
    memset(link, 0, sizeof *link);
    pthread_mutex_init(&link->lock, NULL);
    pthread_cond_init(&link->changed, NULL);
}

static inline void
fake_link_fini(struct fake_link *link)
{
    pthread_cond_destroy(&link->changed);
    pthread_mutex_destroy(&link->lock);
}

static inline job_id_t
fake_link_job_id(uint32_t job)
{
    job_id_t id = { { 0 } };
    memcpy(id.bytes, &job, sizeof job);
    return id;
}

static inline void
fake_link_record_id(struct fake_frame *frame, const struct wire_attempt *id)
{
    memcpy(&frame->job, id->job.bytes, sizeof frame->job);
    frame->attempt = id->attempt;
    frame->epoch = id->epoch;
}

static inline void
fake_link_record_result(struct fake_frame *frame, const struct wire_result *result)
{
    fake_link_record_id(frame, &result->id);
    frame->status = result->status;
    frame->ran_us = result->ran_us;
    frame->cpu_us = result->cpu_us;
    frame->result_size = result->result_size;
    if (result->status == WIRE_OK) {
        snprintf(frame->text, sizeof frame->text, "%.*s", (int) result->bulk_size,
            (const char *) result->bulk);
    } else {
        snprintf(frame->text, sizeof frame->text, "%s", result->message);
    }
}

static inline void
fake_link_record(struct fake_frame *frame, const struct wire_msg *msg)
{
    *frame = (struct fake_frame){ .kind = msg->kind };
    if (msg->kind == WIRE_RESULT) {
        fake_link_record_result(frame, &msg->result);
    } else if (msg->kind == WIRE_CANCEL_ACK) {
        fake_link_record_id(frame, &msg->cancel_ack.id);
        frame->fate = msg->cancel_ack.fate;
        frame->ran_us = msg->cancel_ack.ran_us;
        frame->cpu_us = msg->cancel_ack.cpu_us;
        frame->stopped_after_us = msg->cancel_ack.stopped_after_us;
    } else if (msg->kind == WIRE_STARTED || msg->kind == WIRE_CLAIM) {
        fake_link_record_id(frame, &msg->started.id);
    } else if (msg->kind == WIRE_BUSY) {
        fake_link_record_id(frame, &msg->busy.id);
    } else if (msg->kind == WIRE_LOAD) {
        frame->load = msg->load;
    }
}

static inline err_t
fake_link_send(void *user, const struct wire_msg *msg)
{
    struct fake_link *link = user;
    err_t err = ERR_OK;
    pthread_mutex_lock(&link->lock);
    if (link->is_closed) {
        err = ERR_CLOSED;
    } else if (msg->kind == WIRE_RESULT && link->fulls_count > 0) {
        link->fulls_count--;
        err = ERR_FULL;
    } else {
        CHECK(link->frames_count < FAKE_LINK_FRAMES_MAX);
        fake_link_record(&link->frames[link->frames_count++], msg);
        pthread_cond_broadcast(&link->changed);
    }
    pthread_mutex_unlock(&link->lock);
    return err;
}

/* Under the lock. */
static inline uint32_t
fake_link_count_in(
    const struct fake_link *link, enum wire_kind kind, uint32_t job, uint32_t *ret_last)
{
    uint32_t found = 0;
    for (uint32_t i = 0; i < link->frames_count; i++) {
        if (link->frames[i].kind == kind && (job == 0 || link->frames[i].job == job)) {
            found++;
            *ret_last = i;
        }
    }
    return found;
}

/* Wait until a frame of that kind speaks of that job (0: any) for the n-th time (from 1). */
static inline struct fake_frame
fake_link_wait(struct fake_link *link, enum wire_kind kind, uint32_t job, uint32_t nth)
{
    uint32_t last = 0;
    pthread_mutex_lock(&link->lock);
    while (fake_link_count_in(link, kind, job, &last) < nth) {
        pthread_cond_wait(&link->changed, &link->lock);
    }
    struct fake_frame frame = link->frames[last];
    pthread_mutex_unlock(&link->lock);
    return frame;
}

static inline uint32_t
fake_link_count(struct fake_link *link, enum wire_kind kind, uint32_t job)
{
    uint32_t last;
    pthread_mutex_lock(&link->lock);
    uint32_t found = fake_link_count_in(link, kind, job, &last);
    pthread_mutex_unlock(&link->lock);
    return found;
}

/* A JOB frame for attempt 1 of that job. */
static inline struct wire_msg
fake_link_job(uint32_t job, const char *handler, const char *input, uint64_t budget_us)
{
    struct wire_msg msg = { .kind = WIRE_JOB };
    msg.job = (struct wire_job){
        .id = { .job = fake_link_job_id(job), .attempt = 1 },
        .budget_us = budget_us,
        .cancel_grace_ms = 50,
        .input_size = (uint32_t) strlen(input),
        .bulk = (const uint8_t *) input,
        .bulk_size = (uint32_t) strlen(input),
    };
    snprintf(msg.job.handler, sizeof msg.job.handler, "%s", handler);
    return msg;
}

static inline struct wire_msg
fake_link_cancel(uint32_t job, uint32_t cause)
{
    struct wire_msg msg = { .kind = WIRE_CANCEL };
    msg.cancel = (struct wire_cancel){
        .id = { .job = fake_link_job_id(job), .attempt = 1 },
        .cause = cause,
    };
    return msg;
}

#endif
