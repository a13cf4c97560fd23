/* SPDX-License-Identifier: MIT */
#include "worker/attempts.h"

#include "worker/attempt_queue.h"
#include "worker/graves.h"

#include <stdlib.h>

#define NONE        ATTEMPT_QUEUE_NONE
#define LAPSED_ROOM 256 /* copies that lapsed and wait for their CANCEL, beside the live ones */

struct attempts {
    struct attempts_config config;
    struct attempt *all;
    uint32_t all_count;
    uint32_t free_head; /* linked by queue_next */
    uint32_t *buckets;
    uint32_t buckets_mask;
    struct attempt_queue queues[ATTEMPTS_LANES_COUNT];
    struct graves *buried; /* cancelled before they came */
    struct graves *done;
    struct attempts_counts counts;
};

err_t
attempts_new(const struct attempts_config *config, struct attempts **ret_attempts)
{
    CHECK(config->slots_count[ATTEMPTS_CPU] > 0);
    CHECK(config->slots_count[ATTEMPTS_OTHER] > 0);
    CHECK(config->graves_max > 0);

    struct attempts *attempts = calloc(1, sizeof *attempts);
    if (attempts == NULL) {
        return ERR_NO_MEMORY;
    }
    attempts->config = *config;
    attempts->all_count = config->slots_count[ATTEMPTS_CPU] +
                          config->slots_count[ATTEMPTS_OTHER] + config->queue_max + LAPSED_ROOM;
    uint32_t buckets = 64;
    while (buckets < attempts->all_count) {
        buckets *= 2;
    }
    attempts->buckets_mask = buckets - 1;
    attempts->all = calloc(attempts->all_count, sizeof *attempts->all);
    attempts->buckets = calloc(buckets, sizeof *attempts->buckets);
    if (attempts->all == NULL || attempts->buckets == NULL ||
        graves_new(config->graves_max, config->seed, &attempts->buried) != ERR_OK ||
        graves_new(config->graves_max, config->seed, &attempts->done) != ERR_OK) {
        attempts_free(attempts);
        return ERR_NO_MEMORY;
    }
    for (uint32_t i = 0; i < buckets; i++) {
        attempts->buckets[i] = NONE;
    }
    for (uint32_t i = 0; i < attempts->all_count; i++) {
        attempts->all[i].queue_next = i + 1 < attempts->all_count ? i + 1 : NONE;
    }
    for (uint32_t i = 0; i < ATTEMPTS_LANES_COUNT; i++) {
        attempts->queues[i] = (struct attempt_queue){ .head = NONE, .tail = NONE };
    }
    *ret_attempts = attempts;
    return ERR_OK;
}

void
attempts_free(struct attempts *attempts)
{
    if (attempts == NULL) {
        return;
    }
    free(attempts->all);
    free(attempts->buckets);
    graves_free(attempts->buried);
    graves_free(attempts->done);
    free(attempts);
}

static void leave(struct attempts *attempts, struct attempt *attempt,
    enum attempts_farewell_kind kind, instant_t now, struct attempts_farewell *ret_farewell);

/* ---- finding by key ------------------------------------------------------------------ */

static uint32_t
key_bucket(const struct attempts *attempts, const struct attempt_key *key)
{
    return attempt_key_hash(key, attempts->config.seed) & attempts->buckets_mask;
}

static uint32_t
attempt_index(const struct attempts *attempts, const struct attempt *attempt)
{
    return (uint32_t) (attempt - attempts->all);
}

static struct attempt *
find(struct attempts *attempts, const struct attempt_key *key)
{
    uint32_t index = attempts->buckets[key_bucket(attempts, key)];
    while (index != NONE && !attempt_key_equal(&attempts->all[index].key, key)) {
        index = attempts->all[index].hash_next;
    }
    return index != NONE ? &attempts->all[index] : NULL;
}

static void
unlink_key(struct attempts *attempts, const struct attempt *attempt)
{
    uint32_t *link = &attempts->buckets[key_bucket(attempts, &attempt->key)];
    while (*link != attempt_index(attempts, attempt)) {
        CHECK(*link != NONE);
        link = &attempts->all[*link].hash_next;
    }
    *link = attempt->hash_next;
}

/* ---- lists --------------------------------------------------------------------------- */

static void
queue_push(struct attempts *attempts, struct attempt *attempt)
{
    attempt_queue_push(&attempts->queues[attempt->lane], attempts->all, attempt);
    attempts->counts.queued_count++;
}

static void
queue_remove(struct attempts *attempts, struct attempt *attempt)
{
    attempt_queue_remove(&attempts->queues[attempt->lane], attempts->all, attempt);
    attempts->counts.queued_count--;
}

static bool
has_slot(const struct attempts *attempts, enum attempts_lane lane)
{
    return attempts->counts.busy_slots_count[lane] < attempts->config.slots_count[lane];
}

static void
slot_take(struct attempts *attempts, enum attempts_lane lane)
{
    CHECK(has_slot(attempts, lane)); /* A2 */
    attempts->counts.busy_slots_count[lane]++;
    attempts->counts.running_count++;
}

static void
slot_give(struct attempts *attempts, enum attempts_lane lane)
{
    CHECK(attempts->counts.busy_slots_count[lane] > 0);
    attempts->counts.busy_slots_count[lane]--;
    attempts->counts.running_count--;
}

static void
input_give(struct attempts *attempts, struct attempt *attempt)
{
    CHECK(attempts->counts.inputs_size >= attempt->input_size);
    attempts->counts.inputs_size -= attempt->input_size;
    attempt->input_size = 0;
}

/* Off every list. */
static void
attempt_become_free(struct attempts *attempts, struct attempt *attempt)
{
    switch (attempt->state) {
    case ATTEMPTS_FREE: CHECK_UNREACHABLE();
    case ATTEMPTS_QUEUED: queue_remove(attempts, attempt); break;
    case ATTEMPTS_ADMITTED:
    case ATTEMPTS_RUNNING: slot_give(attempts, attempt->lane); break;
    case ATTEMPTS_LAPSED: attempts->counts.lapsed_count--; break;
    }
    unlink_key(attempts, attempt);
    input_give(attempts, attempt);
    *attempt = (struct attempt){ .state = ATTEMPTS_FREE, .queue_next = attempts->free_head };
    attempts->free_head = attempt_index(attempts, attempt);
}

/* ---- a copy arrives ------------------------------------------------------------------ */

static enum attempts_verdict
judge(const struct attempts *attempts, const struct attempts_offer *offer)
{
    /* Subtract on our side: the input's size is the peer's number. */
    size_t inputs_left = attempts->config.inputs_size_max - attempts->counts.inputs_size;
    if (attempts->free_head == NONE || offer->input_size > inputs_left) {
        return ATTEMPTS_BUSY;
    }
    /* Those that wait go first: a slot that is about to be theirs is not free. */
    if (has_slot(attempts, offer->lane) && attempts->queues[offer->lane].count == 0) {
        return ATTEMPTS_START;
    }
    if (offer->is_hedge || attempts->counts.queued_count >= attempts->config.queue_max) {
        return ATTEMPTS_BUSY; /* A4 */
    }
    return ATTEMPTS_WAIT;
}

enum attempts_verdict
attempts_offer(struct attempts *attempts, const struct attempts_offer *offer, instant_t now,
    struct attempt **ret_attempt)
{
    struct attempts_counts *counts = &attempts->counts;
    counts->received_count++;
    if (graves_has(attempts->buried, &offer->key)) {
        counts->buried_count++;
        return ATTEMPTS_BURIED;
    }
    if (find(attempts, &offer->key) != NULL || graves_has(attempts->done, &offer->key)) {
        counts->duplicates_count++;
        return ATTEMPTS_DUPLICATE;
    }
    if (instant_reached(now, offer->deadline)) {
        counts->expired_count++;
        graves_dig(attempts->done, &offer->key);
        return ATTEMPTS_EXPIRED;
    }
    enum attempts_verdict verdict = judge(attempts, offer);
    if (verdict == ATTEMPTS_BUSY) {
        counts->busy_count++;
        graves_dig(attempts->done, &offer->key);
        return verdict;
    }

    struct attempt *attempt = &attempts->all[attempts->free_head];
    uint32_t *bucket = &attempts->buckets[key_bucket(attempts, &offer->key)];
    attempts->free_head = attempt->queue_next;
    *attempt = (struct attempt){
        .key = offer->key,
        .state = verdict == ATTEMPTS_START ? ATTEMPTS_ADMITTED : ATTEMPTS_QUEUED,
        .lane = offer->lane,
        .owner = offer->owner,
        .input_size = offer->input_size,
        .deadline = offer->deadline,
        .received_at = now,
        .begun_at = INSTANT_NEVER,
        .cancelled_at = INSTANT_NEVER,
        .hash_next = *bucket,
    };
    *bucket = attempt_index(attempts, attempt);
    counts->inputs_size += offer->input_size;
    if (verdict == ATTEMPTS_START) {
        slot_take(attempts, offer->lane);
    } else {
        queue_push(attempts, attempt);
    }
    *ret_attempt = attempt;
    return verdict;
}

void
attempts_withdraw(struct attempts *attempts, struct attempt *attempt)
{
    CHECK(attempt->state == ATTEMPTS_ADMITTED);
    attempts->counts.busy_count++;
    graves_dig(attempts->done, &attempt->key);
    attempt_become_free(attempts, attempt);
}

/* What ran out of time while it waited goes first, so that it takes no slot. */
struct attempt *
attempts_next(struct attempts *attempts, instant_t now, struct attempts_farewell *ret_farewell)
{
    *ret_farewell = (struct attempts_farewell){ .kind = FAREWELL_NONE };
    for (uint32_t lane = 0; lane < ATTEMPTS_LANES_COUNT; lane++) {
        uint32_t head = attempts->queues[lane].head;
        if (head == NONE || !has_slot(attempts, lane)) {
            continue;
        }
        struct attempt *attempt = &attempts->all[head];
        CHECK(attempt->state == ATTEMPTS_QUEUED);
        if (instant_reached(now, attempt->deadline)) {
            leave(attempts, attempt, FAREWELL_EXPIRED, now, ret_farewell);
            return NULL;
        }
        queue_remove(attempts, attempt);
        slot_take(attempts, lane);
        attempt->state = ATTEMPTS_ADMITTED;
        return attempt;
    }
    return NULL;
}

/* ---- it runs, and ends --------------------------------------------------------------- */

bool
attempts_begin(struct attempts *attempts, struct attempt *attempt, instant_t now)
{
    CHECK(attempt->state == ATTEMPTS_ADMITTED);
    if (attempt->is_cancelled || attempt->is_stopped_here ||
        instant_reached(now, attempt->deadline)) {
        return false; /* A5 */
    }
    attempt->state = ATTEMPTS_RUNNING;
    attempt->begun_at = now;
    attempts->counts.begun_count++;
    return true;
}

/* The copy leaves: what to say, and to whom its memory goes.  kind and fate are set. */
static void
bid_farewell(struct attempts *attempts, struct attempt *attempt, duration_t cpu,
    instant_t ended_at, struct attempts_farewell *farewell)
{
    bool has_begun = !instant_is_never(attempt->begun_at);
    farewell->key = attempt->key;
    farewell->owner = attempt->owner;
    farewell->queued =
        instant_since(has_begun ? attempt->begun_at : ended_at, attempt->received_at);
    farewell->ran = has_begun ? instant_since(ended_at, attempt->begun_at) : DURATION_ZERO;
    farewell->cpu = cpu;
    farewell->stopped_after =
        attempt->is_cancelled ? instant_since(ended_at, attempt->cancelled_at) : DURATION_ZERO;
    switch (farewell->kind) {
    case FAREWELL_NONE: attempts->counts.orphans_count++; break;
    case FAREWELL_RESULT: break; /* counted as replied or failed */
    case FAREWELL_STOPPED: attempts->counts.stopped_here_count++; break;
    case FAREWELL_EXPIRED: attempts->counts.expired_count++; break;
    case FAREWELL_ACK: attempts->counts.acks_count[farewell->fate]++; break;
    case FAREWELL_BUSY: attempts->counts.busy_count++; break;
    }
    graves_dig(attempts->done, &attempt->key);
    attempt_become_free(attempts, attempt);
}

static enum attempts_farewell_kind
farewell_of(const struct attempt *attempt, enum attempts_outcome outcome)
{
    bool has_begun = attempt->state == ATTEMPTS_RUNNING;
    if (attempt->is_orphan) {
        return FAREWELL_NONE;
    }
    if (attempt->is_cancelled) {
        return FAREWELL_ACK; /* A3 */
    }
    if (!has_begun) {
        return attempt->is_stopped_here ? FAREWELL_BUSY : FAREWELL_EXPIRED;
    }
    if (attempt->is_stopped_here && outcome != ATTEMPTS_REPLIED) {
        return FAREWELL_STOPPED;
    }
    return FAREWELL_RESULT;
}

static enum attempts_fate
fate_of(const struct attempt *attempt, enum attempts_outcome outcome)
{
    if (attempt->state != ATTEMPTS_RUNNING) {
        return ATTEMPTS_FATE_DEQUEUED;
    }
    return outcome == ATTEMPTS_REPLIED ? ATTEMPTS_FATE_COMPLETED : ATTEMPTS_FATE_STOPPED;
}

static void
attempt_become_lapsed(struct attempts *attempts, struct attempt *attempt,
    const struct attempts_ending *ending, struct attempts_farewell *ret_farewell)
{
    CHECK(attempt->state == ATTEMPTS_RUNNING);
    *ret_farewell = (struct attempts_farewell){ .key = attempt->key, .owner = attempt->owner };
    slot_give(attempts, attempt->lane);
    input_give(attempts, attempt);
    attempt->state = ATTEMPTS_LAPSED;
    attempt->owner = NULL;
    attempt->ended_at = ending->at;
    attempt->cpu = ending->cpu;
    attempts->counts.lapsed_count++;
}

void
attempts_end(struct attempts *attempts, struct attempt *attempt,
    const struct attempts_ending *ending, struct attempts_farewell *ret_farewell)
{
    CHECK(attempt->state == ATTEMPTS_ADMITTED || attempt->state == ATTEMPTS_RUNNING);

    enum attempts_outcome outcome = ending->outcome;
    enum attempts_farewell_kind kind = farewell_of(attempt, outcome);
    bool is_late = outcome == ATTEMPTS_FAILED && instant_reached(ending->at, attempt->deadline);
    if (kind == FAREWELL_RESULT && (outcome == ATTEMPTS_NOTHING || is_late)) {
        attempt_become_lapsed(attempts, attempt, ending, ret_farewell);
        return;
    }
    if (kind == FAREWELL_RESULT && outcome == ATTEMPTS_REPLIED) {
        attempts->counts.replied_count++;
    } else if (kind == FAREWELL_RESULT) {
        attempts->counts.failed_count++;
    }
    *ret_farewell = (struct attempts_farewell){
        .kind = kind,
        .fate = kind == FAREWELL_ACK ? fate_of(attempt, outcome) : ATTEMPTS_FATE_NONE,
    };
    bid_farewell(attempts, attempt, ending->cpu, ending->at, ret_farewell);
}

/* ---- it is to stop ------------------------------------------------------------------- */

/* For one that holds no slot: it waits, or it lapsed. */
static void
leave(struct attempts *attempts, struct attempt *attempt, enum attempts_farewell_kind kind,
    instant_t now, struct attempts_farewell *ret_farewell)
{
    bool has_run = attempt->state == ATTEMPTS_LAPSED;
    CHECK(has_run || attempt->state == ATTEMPTS_QUEUED);

    *ret_farewell = (struct attempts_farewell){ .kind = kind };
    if (kind == FAREWELL_ACK) {
        ret_farewell->fate = has_run ? ATTEMPTS_FATE_STOPPED : ATTEMPTS_FATE_DEQUEUED;
    }
    bid_farewell(
        attempts, attempt, attempt->cpu, has_run ? attempt->ended_at : now, ret_farewell);
}

void
attempts_cancel(struct attempts *attempts, const struct attempt_key *key, uint32_t cause,
    instant_t now, struct attempts_farewell *ret_farewell)
{
    *ret_farewell = (struct attempts_farewell){ .key = *key };
    struct attempt *attempt = find(attempts, key);
    if (attempt == NULL) {
        if (graves_has(attempts->done, key) || graves_has(attempts->buried, key)) {
            attempts->counts.cancels_late_count++;
            return;
        }
        graves_dig(attempts->buried, key);
        ret_farewell->kind = FAREWELL_ACK;
        ret_farewell->fate = ATTEMPTS_FATE_NOT_SEEN;
        attempts->counts.acks_count[ATTEMPTS_FATE_NOT_SEEN]++;
        return;
    }
    switch (attempt->state) {
    case ATTEMPTS_FREE: CHECK_UNREACHABLE();
    case ATTEMPTS_QUEUED:
    case ATTEMPTS_LAPSED: leave(attempts, attempt, FAREWELL_ACK, now, ret_farewell); break;
    case ATTEMPTS_ADMITTED:
    case ATTEMPTS_RUNNING:
        if (!attempt->is_cancelled) {
            attempt->is_cancelled = true;
            attempt->cancelled_at = now;
            attempt->cause = cause;
            ret_farewell->stop = attempt;
        }
        break;
    }
}

static bool
is_meant(const struct attempt *attempt, const struct attempts_order *order)
{
    return attempt->state != ATTEMPTS_FREE &&
           (order->session == 0 || attempt->key.session == order->session);
}

/* One that waits, or that lapsed. */
static bool
dismiss_one(struct attempts *attempts, const struct attempts_order *order, instant_t now,
    struct attempts_farewell *ret_farewell)
{
    bool is_any = attempts->counts.queued_count + attempts->counts.lapsed_count > 0;
    for (uint32_t i = 0; is_any && i < attempts->all_count; i++) {
        struct attempt *attempt = &attempts->all[i];
        bool is_queued = attempt->state == ATTEMPTS_QUEUED;
        if (is_meant(attempt, order) && (is_queued || attempt->state == ATTEMPTS_LAPSED)) {
            enum attempts_farewell_kind kind = is_queued ? FAREWELL_BUSY : FAREWELL_EXPIRED;
            leave(
                attempts, attempt, order->is_orphan ? FAREWELL_NONE : kind, now, ret_farewell);
            return true;
        }
    }
    return false;
}

bool
attempts_stop_one(struct attempts *attempts, const struct attempts_order *order, instant_t now,
    struct attempts_farewell *ret_farewell)
{
    /* Those that wait go first: else one would start in the slot of one that was stopped. */
    if (dismiss_one(attempts, order, now, ret_farewell)) {
        return true;
    }
    for (uint32_t i = 0; i < attempts->all_count; i++) {
        struct attempt *attempt = &attempts->all[i];
        bool is_told = attempt->is_stopped_here && (attempt->is_orphan || !order->is_orphan);
        if (!is_meant(attempt, order) || is_told) {
            continue;
        }
        attempt->is_stopped_here = true;
        attempt->is_orphan = attempt->is_orphan || order->is_orphan;
        if (!attempt->is_cancelled) {
            attempt->cause = order->cause;
        }
        *ret_farewell = (struct attempts_farewell){ .key = attempt->key, .stop = attempt };
        return true;
    }
    return false;
}

bool
attempts_hand_back_one(
    struct attempts *attempts, instant_t now, struct attempts_farewell *ret_farewell)
{
    for (uint32_t lane = 0; lane < ATTEMPTS_LANES_COUNT; lane++) {
        uint32_t head = attempts->queues[lane].head;
        if (head != NONE) {
            leave(attempts, &attempts->all[head], FAREWELL_BUSY, now, ret_farewell);
            return true;
        }
    }
    return false;
}

bool
attempts_expire_one(
    struct attempts *attempts, instant_t now, struct attempts_farewell *ret_farewell)
{
    if (attempts->counts.queued_count == 0 && attempts->counts.lapsed_count == 0) {
        return false;
    }
    for (uint32_t i = 0; i < attempts->all_count; i++) {
        struct attempt *attempt = &attempts->all[i];
        bool is_over = false;
        if (attempt->state == ATTEMPTS_QUEUED) {
            is_over = instant_reached(now, attempt->deadline);
        } else if (attempt->state == ATTEMPTS_LAPSED) {
            is_over = instant_reached(
                now, instant_add(attempt->ended_at, attempts->config.lapsed_kept));
        }
        if (is_over) {
            leave(attempts, attempt, FAREWELL_EXPIRED, now, ret_farewell);
            return true;
        }
    }
    return false;
}

/* ---- looking in ---------------------------------------------------------------------- */

const struct attempts_counts *
attempts_counts(const struct attempts *attempts)
{
    return &attempts->counts;
}

bool
attempts_is_idle(const struct attempts *attempts)
{
    return attempts->counts.running_count == 0 && attempts->counts.queued_count == 0 &&
           attempts->counts.lapsed_count == 0;
}

void
attempts_check(const struct attempts *attempts)
{
    uint32_t by_state[ATTEMPTS_LAPSED + 1] = { 0 };
    uint32_t slots[ATTEMPTS_LANES_COUNT] = { 0 };
    size_t inputs_size = 0;
    for (uint32_t i = 0; i < attempts->all_count; i++) {
        const struct attempt *attempt = &attempts->all[i];
        by_state[attempt->state]++;
        inputs_size += attempt->input_size;
        if (attempt->state == ATTEMPTS_ADMITTED || attempt->state == ATTEMPTS_RUNNING) {
            slots[attempt->lane]++;
        }
    }
    uint32_t running = 0;
    uint32_t queued = 0;
    for (uint32_t lane = 0; lane < ATTEMPTS_LANES_COUNT; lane++) {
        CHECK(slots[lane] == attempts->counts.busy_slots_count[lane]); /* A2 */
        CHECK(slots[lane] <= attempts->config.slots_count[lane]);
        running += slots[lane];
        uint32_t index = attempts->queues[lane].head;
        for (uint32_t n = 0; n < attempts->queues[lane].count; n++) {
            CHECK(index != NONE);
            CHECK(attempts->all[index].state == ATTEMPTS_QUEUED);
            index = attempts->all[index].queue_next;
        }
        CHECK(index == NONE);
        queued += attempts->queues[lane].count;
    }
    CHECK(running == attempts->counts.running_count);
    CHECK(queued == attempts->counts.queued_count);
    CHECK(queued == by_state[ATTEMPTS_QUEUED]);
    CHECK(queued <= attempts->config.queue_max);
    CHECK(by_state[ATTEMPTS_LAPSED] == attempts->counts.lapsed_count);
    CHECK(inputs_size == attempts->counts.inputs_size);
    CHECK(inputs_size <= attempts->config.inputs_size_max);
    graves_check(attempts->buried);
    graves_check(attempts->done);
}
