/* SPDX-License-Identifier: MIT
 *
 * worker/attempts.h - decide what becomes of every copy that this worker was sent.
 *
 * The agent's pure half: which copy starts, waits, or is refused; who wins when a CANCEL
 * meets a start or a finish; and which single frame ends it.  No lock, clock, fiber or
 * frame is in here, so that every race is a sequence of calls that a test can write down.
 *
 *                    .--> BUSY (full; a hedge that would have to wait; draining)
 *      attempts_offer|--> RESULT expired (no time left)
 *                    |--> dropped (its CANCEL was here first; or it is here already)
 *                    v
 *          .----> QUEUED ---------------- CANCEL --> CANCEL_ACK dequeued
 *   slot   |         | attempts_next       time up -> RESULT expired
 *   free   |         v                     drain ---> BUSY
 *          '---> ADMITTED (holds a slot, its fiber is on the way)
 *                    | attempts_begin (STARTED)
 *                    v                  CANCEL: remember it, tell the work to stop
 *                 RUNNING ---------------------------------> (the same, with a cancel)
 *                    | attempts_end                                 | attempts_end
 *                    |--> RESULT                                    '--> CANCEL_ACK
 *                    | stopped by its own deadline,                      not begun  dequeued
 *                    v no CANCEL heard                                   replied    completed
 *                 LAPSED --- CANCEL --> CANCEL_ACK stopped               otherwise  stopped
 *                    '------ waited too long --> RESULT expired
 *
 * A lapsed copy holds no slot: the coordinator's clock reached the same deadline and its
 * CANCEL is on the way, so that "out of time" always ends as an acknowledged stop and not,
 * by a coin's toss, as a failure.
 *
 * INVARIANTS  A1  each copy gets exactly one farewell (RESULT, CANCEL_ACK or BUSY), or
 *                 none when nobody waits for it any more (orphan, duplicate, buried).
 *             A2  slots in use = copies that are ADMITTED or RUNNING, never above the bound.
 *             A3  a copy that was CANCELled never ends in a RESULT.
 *             A4  a hedge is never QUEUED.
 *             A5  no copy that is out of time begins.
 * UNITS       sizes are bytes
 * THREADS     one at a time: the agent's lock
 * MEMORY      everything is allocated in attempts_new()
 * REJECTED    acknowledging the CANCEL of a copy whose RESULT has left: the coordinator
 *             takes that RESULT for the answer, a second one would be a stray.
 */
#ifndef WORKER_ATTEMPTS_H
#define WORKER_ATTEMPTS_H

#include "common/pure/err.h"
#include "common/pure/units.h"
#include "worker/attempt_key.h"

enum attempts_lane {
    ATTEMPTS_CPU,  /* one slot a core */
    ATTEMPTS_OTHER /* work that mostly waits */
};
#define ATTEMPTS_LANES_COUNT 2

struct attempts_config {
    uint32_t slots_count[ATTEMPTS_LANES_COUNT];
    uint32_t queue_max;     /* copies that wait, of both lanes */
    size_t inputs_size_max; /* of all copies that are here */
    uint32_t graves_max;    /* remembered cancels, and as many remembered ends */
    duration_t lapsed_kept; /* how long a lapsed copy waits for its CANCEL */
    uint64_t seed;          /* of the hash */
};

enum attempts_state {
    ATTEMPTS_FREE,
    ATTEMPTS_QUEUED,
    ATTEMPTS_ADMITTED,
    ATTEMPTS_RUNNING,
    ATTEMPTS_LAPSED
};

/* Read it; only attempts.c writes. */
struct attempt {
    struct attempt_key key;
    enum attempts_state state;
    enum attempts_lane lane;
    void *owner; /* the agent's */
    size_t input_size;
    instant_t deadline;
    instant_t received_at;
    instant_t begun_at; /* NEVER: not begun */
    instant_t ended_at; /* LAPSED */
    duration_t cpu;     /* LAPSED */
    instant_t cancelled_at;
    uint32_t cause;       /* of the coordinator's CANCEL, or of the worker's own stop */
    bool is_cancelled;    /* the coordinator said so: it waits for an acknowledgement */
    bool is_stopped_here; /* the worker's own decision */
    bool is_orphan;       /* nobody waits: no frame */
    uint32_t hash_next;
    uint32_t queue_next;
};

struct attempts;

err_t
attempts_new(const struct attempts_config *config, struct attempts **ret_attempts) MUST_USE;
void attempts_free(struct attempts *attempts);

/* ---- how a copy leaves --------------------------------------------------------------- */

enum attempts_farewell_kind {
    FAREWELL_NONE,
    FAREWELL_RESULT,  /* what the handler said */
    FAREWELL_STOPPED, /* RESULT, retryable: the worker stopped it by its own decision */
    FAREWELL_EXPIRED, /* RESULT: no time was left */
    FAREWELL_ACK,
    FAREWELL_BUSY
};

enum attempts_fate { /* the numbers of the wire */
    ATTEMPTS_FATE_NONE,
    ATTEMPTS_FATE_NOT_SEEN,
    ATTEMPTS_FATE_DEQUEUED,
    ATTEMPTS_FATE_STOPPED,
    ATTEMPTS_FATE_COMPLETED
};

struct attempts_farewell {
    enum attempts_farewell_kind kind;
    enum attempts_fate fate; /* of an ACK */
    struct attempt_key key;
    struct attempt *stop; /* still here: its work must be told to stop; else NULL */
    void *owner;          /* given back; NULL when it stays, or was given back before */
    duration_t queued;
    duration_t ran;
    duration_t cpu;
    duration_t stopped_after; /* from the CANCEL's arrival to the work's end */
};

/* ---- a copy arrives ------------------------------------------------------------------ */

struct attempts_offer {
    struct attempt_key key;
    enum attempts_lane lane;
    bool is_hedge;
    instant_t deadline;
    size_t input_size;
    void *owner;
};

enum attempts_verdict {
    ATTEMPTS_START,    /* ADMITTED: give it a fiber */
    ATTEMPTS_WAIT,     /* QUEUED */
    ATTEMPTS_BUSY,     /* say BUSY */
    ATTEMPTS_EXPIRED,  /* say RESULT expired */
    ATTEMPTS_BURIED,   /* say nothing: its cancel was acknowledged before it came */
    ATTEMPTS_DUPLICATE /* say nothing: it is here, or was */
};

/* ret_attempt is set on START and WAIT: only then the owner was taken. */
enum attempts_verdict attempts_offer(struct attempts *attempts,
    const struct attempts_offer *offer, instant_t now, struct attempt **ret_attempt);
/* Take back an offer that could not be given a fiber: as if it had been refused as BUSY. */
void attempts_withdraw(struct attempts *attempts, struct attempt *attempt);
/* Admit the next one that waits and has a slot: give it a fiber.  NULL with an EXPIRED
 * farewell: that one is out of time, call again; NULL without: there is none. */
struct attempt *
attempts_next(struct attempts *attempts, instant_t now, struct attempts_farewell *ret_farewell);

/* ---- it runs, and ends --------------------------------------------------------------- */

/* The fiber is there: true and RUNNING (say STARTED), or false: do not run it, end it. */
bool attempts_begin(struct attempts *attempts, struct attempt *attempt, instant_t now);

enum attempts_outcome {
    ATTEMPTS_NOTHING, /* returned without a word, because it was stopped */
    ATTEMPTS_REPLIED, /* with a result */
    ATTEMPTS_FAILED
};

struct attempts_ending {
    enum attempts_outcome outcome;
    duration_t cpu;
    instant_t at;
};

/* The fiber has left the handler.  Frees the slot: call attempts_next(). */
void attempts_end(struct attempts *attempts, struct attempt *attempt,
    const struct attempts_ending *ending, struct attempts_farewell *ret_farewell);

/* ---- it is to stop ------------------------------------------------------------------- */

/* A CANCEL came. */
void attempts_cancel(struct attempts *attempts, const struct attempt_key *key, uint32_t cause,
    instant_t now, struct attempts_farewell *ret_farewell);

/* The worker's own decision. */
struct attempts_order {
    uint64_t session; /* 0: of all */
    bool is_orphan;   /* nobody waits for it: no frame */
    uint32_t cause;
};

/* One more copy is to stop; call until it returns false.  A waiting copy leaves with its
 * farewell (BUSY, or none when orphan); a running one is ret_farewell->stop. */
bool attempts_stop_one(struct attempts *attempts, const struct attempts_order *order,
    instant_t now, struct attempts_farewell *ret_farewell);
/* Hand back one that waits, with BUSY; call until it returns false. */
bool attempts_hand_back_one(
    struct attempts *attempts, instant_t now, struct attempts_farewell *ret_farewell);
/* One waiting copy that is out of time, or one that lapsed too long ago; until false. */
bool attempts_expire_one(
    struct attempts *attempts, instant_t now, struct attempts_farewell *ret_farewell);

/* ---- looking in ---------------------------------------------------------------------- */

struct attempts_counts {
    uint32_t busy_slots_count[ATTEMPTS_LANES_COUNT];
    uint32_t running_count; /* both lanes: slots in use */
    uint32_t queued_count;
    uint32_t lapsed_count;
    size_t inputs_size;
    uint64_t received_count;
    uint64_t duplicates_count;
    uint64_t buried_count;
    uint64_t busy_count;
    uint64_t expired_count;
    uint64_t begun_count;
    uint64_t replied_count;
    uint64_t failed_count;
    uint64_t acks_count[ATTEMPTS_FATE_COMPLETED + 1];
    uint64_t cancels_late_count; /* their RESULT was on its way */
    uint64_t orphans_count;
    uint64_t stopped_here_count;
};

const struct attempts_counts *attempts_counts(const struct attempts *attempts);
bool attempts_is_idle(const struct attempts *attempts);
/* Assert A2, A4 and the links of every list; O(everything). */
void attempts_check(const struct attempts *attempts);

#endif
