/* SPDX-License-Identifier: MIT */
#include "tests/support/attempts_fixture.h"
#include "worker/graves.h"

static enum attempts_verdict
offer_next(struct fixture *fx, struct attempt **ret_attempt)
{
    struct attempts_offer offer = offer_of(fx, ++fx->jobs_count);
    return attempts_offer(fx->attempts, &offer, fx->now, ret_attempt);
}

/* ---- arriving ------------------------------------------------------------------------ */

/* GOAL    beyond slots and queue the answer is BUSY, and a slot that falls free goes to the
 *         one that waited longest.
 * METHOD  one slot, a queue of two. */
static void
attempts_full_worker_says_busy(void)
{
    struct fixture fx;
    struct attempt *first;
    struct attempt *waiting[2];
    struct attempt *refused = NULL;
    struct attempts_farewell farewell;
    fixture_init(&fx, /* slots_count= */ 1, /* queue_max= */ 2);
    ASSERT_I64_EQ(offer_next(&fx, &first), ATTEMPTS_START);
    ASSERT_I64_EQ(offer_next(&fx, &waiting[0]), ATTEMPTS_WAIT);
    ASSERT_I64_EQ(offer_next(&fx, &waiting[1]), ATTEMPTS_WAIT);
    ASSERT_I64_EQ(offer_next(&fx, &refused), ATTEMPTS_BUSY);
    CU_ASSERT_PTR_NULL(refused);
    CU_ASSERT_PTR_NULL(attempts_next(fx.attempts, fx.now, &farewell));

    CU_ASSERT_TRUE(attempts_begin(fx.attempts, first, fx.now));
    attempts_end(fx.attempts, first,
        &(struct attempts_ending){ ATTEMPTS_REPLIED, DURATION_ZERO, fx.now }, &farewell);
    ASSERT_I64_EQ(farewell.kind, FAREWELL_RESULT);
    CU_ASSERT_PTR_EQUAL(attempts_next(fx.attempts, fx.now, &farewell), waiting[0]);
    CU_ASSERT_PTR_NULL(attempts_next(fx.attempts, fx.now, &farewell));
    attempts_check(fx.attempts);
    fixture_fini(&fx);
}

/* GOAL    a hedge starts or is refused; it never waits (A4), not even when the slot that is
 *         free belongs to one that waits. */
static void
attempts_hedge_never_queues(void)
{
    struct fixture fx;
    struct attempt *attempt;
    struct attempts_farewell farewell;
    fixture_init(&fx, /* slots_count= */ 1, /* queue_max= */ 4);
    struct attempts_offer hedge = offer_of(&fx, 100);
    hedge.is_hedge = true;
    ASSERT_I64_EQ(attempts_offer(fx.attempts, &hedge, fx.now, &attempt), ATTEMPTS_START);
    struct attempt *waiting;
    ASSERT_I64_EQ(offer_next(&fx, &waiting), ATTEMPTS_WAIT);
    struct attempts_offer other = offer_of(&fx, 101);
    other.is_hedge = true;
    ASSERT_I64_EQ(attempts_offer(fx.attempts, &other, fx.now, &waiting), ATTEMPTS_BUSY);

    attempts_end(fx.attempts, attempt,
        &(struct attempts_ending){
            ATTEMPTS_NOTHING, DURATION_ZERO, instant_add(fx.now, duration_ms(100)) },
        &farewell);
    struct attempts_offer third = offer_of(&fx, 102);
    third.is_hedge = true;
    ASSERT_I64_EQ(attempts_offer(fx.attempts, &third, fx.now, &waiting), ATTEMPTS_BUSY);
    fixture_fini(&fx);
}

/* GOAL    the lanes do not take each other's slots. */
static void
attempts_lanes_are_apart(void)
{
    struct fixture fx;
    struct attempt *attempt;
    fixture_init(&fx, /* slots_count= */ 1, /* queue_max= */ 4);
    for (uint32_t lane = 0; lane < ATTEMPTS_LANES_COUNT; lane++) {
        struct attempts_offer offer = offer_of(&fx, 10 + lane);
        offer.lane = lane;
        ASSERT_I64_EQ(attempts_offer(fx.attempts, &offer, fx.now, &attempt), ATTEMPTS_START);
    }
    ASSERT_I64_EQ(attempts_counts(fx.attempts)->running_count, 2);
    fixture_fini(&fx);
}

/* GOAL    inputs have a bound of their own, and the peer's number cannot overflow it. */
static void
attempts_inputs_are_bounded(void)
{
    struct fixture fx;
    struct attempt *attempt;
    fixture_init(&fx, /* slots_count= */ 4, /* queue_max= */ 4);
    struct attempts_offer offer = offer_of(&fx, 1);
    offer.input_size = 600;
    ASSERT_I64_EQ(attempts_offer(fx.attempts, &offer, fx.now, &attempt), ATTEMPTS_START);
    struct attempts_offer second = offer_of(&fx, 2);
    second.input_size = 401;
    ASSERT_I64_EQ(attempts_offer(fx.attempts, &second, fx.now, &attempt), ATTEMPTS_BUSY);
    struct attempts_offer third = offer_of(&fx, 3);
    third.input_size = SIZE_MAX;
    ASSERT_I64_EQ(attempts_offer(fx.attempts, &third, fx.now, &attempt), ATTEMPTS_BUSY);
    struct attempts_offer fourth = offer_of(&fx, 4);
    fourth.input_size = 400;
    ASSERT_I64_EQ(attempts_offer(fx.attempts, &fourth, fx.now, &attempt), ATTEMPTS_START);
    fixture_fini(&fx);
}

/* GOAL    what has no time left is not started (A5): on arrival, in the queue, and between
 *         the slot and the fiber. */
static void
attempts_expired_work_does_not_start(void)
{
    struct fixture fx;
    struct attempt *first;
    struct attempt *second;
    struct attempt *third;
    struct attempts_farewell farewell;
    fixture_init(&fx, /* slots_count= */ 1, /* queue_max= */ 4);
    struct attempts_offer dead = offer_of(&fx, 77);
    dead.deadline = fx.now;
    ASSERT_I64_EQ(attempts_offer(fx.attempts, &dead, fx.now, &first), ATTEMPTS_EXPIRED);

    ASSERT_I64_EQ(offer_next(&fx, &first), ATTEMPTS_START);
    ASSERT_I64_EQ(offer_next(&fx, &second), ATTEMPTS_WAIT);
    ASSERT_I64_EQ(offer_next(&fx, &third), ATTEMPTS_WAIT);
    instant_t late = instant_add(fx.now, duration_ms(100));
    CU_ASSERT_FALSE(attempts_begin(fx.attempts, first, late));
    attempts_end(fx.attempts, first,
        &(struct attempts_ending){ ATTEMPTS_NOTHING, DURATION_ZERO, late }, &farewell);
    ASSERT_I64_EQ(farewell.kind, FAREWELL_EXPIRED);

    CU_ASSERT_PTR_NULL(attempts_next(fx.attempts, late, &farewell));
    ASSERT_I64_EQ(farewell.kind, FAREWELL_EXPIRED);
    CU_ASSERT_TRUE(attempts_expire_one(fx.attempts, late, &farewell));
    ASSERT_I64_EQ(farewell.kind, FAREWELL_EXPIRED);
    CU_ASSERT_FALSE(attempts_expire_one(fx.attempts, late, &farewell));
    CU_ASSERT_TRUE(attempts_is_idle(fx.attempts));
    ASSERT_I64_EQ(attempts_counts(fx.attempts)->begun_count, 0);
    ASSERT_I64_EQ(attempts_counts(fx.attempts)->expired_count, 4);
    fixture_fini(&fx);
}

/* GOAL    the second JOB of a copy is ignored while it is here, and after. */
static void
attempts_duplicate_is_ignored(void)
{
    struct fixture fx;
    struct attempt *attempt;
    struct attempt *again = NULL;
    struct attempts_farewell farewell;
    fixture_init(&fx, /* slots_count= */ 2, /* queue_max= */ 0);
    struct attempts_offer offer = offer_of(&fx, 5);
    ASSERT_I64_EQ(attempts_offer(fx.attempts, &offer, fx.now, &attempt), ATTEMPTS_START);
    ASSERT_I64_EQ(attempts_offer(fx.attempts, &offer, fx.now, &again), ATTEMPTS_DUPLICATE);
    CU_ASSERT_TRUE(attempts_begin(fx.attempts, attempt, fx.now));
    attempts_end(fx.attempts, attempt,
        &(struct attempts_ending){ ATTEMPTS_REPLIED, DURATION_ZERO, fx.now }, &farewell);
    ASSERT_I64_EQ(attempts_offer(fx.attempts, &offer, fx.now, &again), ATTEMPTS_DUPLICATE);
    /* The same numbers over a new link are another copy. */
    offer.key.session = 2;
    ASSERT_I64_EQ(attempts_offer(fx.attempts, &offer, fx.now, &again), ATTEMPTS_START);
    ASSERT_I64_EQ(attempts_counts(fx.attempts)->duplicates_count, 2);
    fixture_fini(&fx);
}

/* ---- cancelling ---------------------------------------------------------------------- */

/* GOAL    a CANCEL that overtakes its JOB is acknowledged (not_seen), and the JOB is dropped
 *         in silence when it comes. */
static void
attempts_cancel_before_job_leaves_a_grave(void)
{
    struct fixture fx;
    struct attempt *attempt = NULL;
    struct attempts_farewell farewell;
    fixture_init(&fx, /* slots_count= */ 1, /* queue_max= */ 0);
    struct attempts_offer offer = offer_of(&fx, 9);
    attempts_cancel(fx.attempts, &offer.key, CAUSE_USER, fx.now, &farewell);
    ASSERT_I64_EQ(farewell.kind, FAREWELL_ACK);
    ASSERT_I64_EQ(farewell.fate, ATTEMPTS_FATE_NOT_SEEN);
    CU_ASSERT_PTR_NULL(farewell.stop);
    ASSERT_I64_EQ(attempts_offer(fx.attempts, &offer, fx.now, &attempt), ATTEMPTS_BURIED);
    CU_ASSERT_PTR_NULL(attempt);
    /* Once is enough: the second CANCEL was acknowledged by the first one's answer. */
    attempts_cancel(fx.attempts, &offer.key, CAUSE_USER, fx.now, &farewell);
    ASSERT_I64_EQ(farewell.kind, FAREWELL_NONE);
    fixture_fini(&fx);
}

/* GOAL    graves are bounded: the oldest makes room. */
static void
attempts_graves_are_bounded(void)
{
    struct graves *graves;
    CU_ASSERT_EQUAL_FATAL(graves_new(/* graves_max= */ 16, /* seed= */ 3, &graves), ERR_OK);
    for (uint32_t i = 0; i < 1000; i++) {
        struct attempt_key key = { .session = 1, .attempt = i };
        graves_dig(graves, &key);
        graves_check(graves);
        struct attempt_key oldest = { .session = 1, .attempt = i - 15 };
        struct attempt_key gone = { .session = 1, .attempt = i - 16 };
        CU_ASSERT_EQUAL(graves_has(graves, &oldest), i >= 15);
        CU_ASSERT_FALSE(graves_has(graves, &gone));
    }
    graves_free(graves);
}

/* GOAL    one that waits leaves at once (dequeued), and its memory comes back. */
static void
attempts_waiting_copy_is_dequeued(void)
{
    struct fixture fx;
    struct attempt *attempt;
    struct attempts_farewell farewell;
    fixture_init(&fx, /* slots_count= */ 1, /* queue_max= */ 3);
    struct attempt_key keys[4];
    for (unsigned i = 0; i < 4; i++) {
        offer_next(&fx, &attempt);
        keys[i] = attempt->key;
    }
    static const unsigned order[] = { 2, 1, 3 }; /* middle, head, tail */
    for (unsigned i = 0; i < ARRAY_COUNT(order); i++) {
        attempts_cancel(fx.attempts, &keys[order[i]], CAUSE_USER, fx.now, &farewell);
        ASSERT_I64_EQ(farewell.kind, FAREWELL_ACK);
        ASSERT_I64_EQ(farewell.fate, ATTEMPTS_FATE_DEQUEUED);
        CU_ASSERT_PTR_EQUAL(farewell.owner, &fx);
        CU_ASSERT_PTR_NULL(farewell.stop);
        attempts_check(fx.attempts);
    }
    ASSERT_I64_EQ(attempts_counts(fx.attempts)->queued_count, 0);
    fixture_fini(&fx);
}

/* GOAL    a copy that ran tells how long it took to farewell.stop, and what it had used. */
static void
attempts_stop_is_measured(void)
{
    struct fixture fx;
    struct attempt *attempt;
    struct attempts_farewell farewell;
    fixture_init(&fx, /* slots_count= */ 1, /* queue_max= */ 0);
    ASSERT_I64_EQ(offer_next(&fx, &attempt), ATTEMPTS_START);
    struct attempt_key key = attempt->key;
    instant_t begun = instant_add(fx.now, duration_ms(2));
    instant_t cancelled = instant_add(fx.now, duration_ms(10));
    instant_t ended = instant_add(fx.now, duration_ms(13));
    CU_ASSERT_TRUE(attempts_begin(fx.attempts, attempt, begun));
    attempts_cancel(fx.attempts, &key, CAUSE_USER, cancelled, &farewell);
    ASSERT_I64_EQ(farewell.kind, FAREWELL_NONE);
    CU_ASSERT_PTR_EQUAL(farewell.stop, attempt);
    ASSERT_I64_EQ(farewell.stop->cause, CAUSE_USER);
    attempts_end(fx.attempts, attempt,
        &(struct attempts_ending){ ATTEMPTS_NOTHING, duration_us(700), ended }, &farewell);
    ASSERT_I64_EQ(farewell.kind, FAREWELL_ACK);
    ASSERT_I64_EQ(farewell.fate, ATTEMPTS_FATE_STOPPED);
    ASSERT_I64_EQ(farewell.queued.ns, duration_ms(2).ns);
    ASSERT_I64_EQ(farewell.ran.ns, duration_ms(11).ns);
    ASSERT_I64_EQ(farewell.stopped_after.ns, duration_ms(3).ns);
    ASSERT_I64_EQ(farewell.cpu.ns, duration_us(700).ns);
    fixture_fini(&fx);
}

/* GOAL    a copy that its own deadline stopped waits, without a slot, for the CANCEL that is
 *         on its way, and answers it as a stop. */
static void
attempts_lapsed_copy_acknowledges_its_cancel(void)
{
    struct fixture fx;
    struct attempt *attempt;
    struct attempts_farewell farewell;
    fixture_init(&fx, /* slots_count= */ 1, /* queue_max= */ 0);
    ASSERT_I64_EQ(offer_next(&fx, &attempt), ATTEMPTS_START);
    struct attempt_key key = attempt->key;
    CU_ASSERT_TRUE(attempts_begin(fx.attempts, attempt, fx.now));
    instant_t late = instant_add(fx.now, duration_ms(101));
    attempts_end(fx.attempts, attempt,
        &(struct attempts_ending){ ATTEMPTS_NOTHING, duration_us(5), late }, &farewell);
    ASSERT_I64_EQ(farewell.kind, FAREWELL_NONE);
    CU_ASSERT_PTR_EQUAL(farewell.owner, &fx);
    ASSERT_I64_EQ(attempts_counts(fx.attempts)->running_count, 0);
    CU_ASSERT_FALSE(attempts_is_idle(fx.attempts));

    attempts_cancel(
        fx.attempts, &key, CAUSE_USER, instant_add(late, duration_ms(1)), &farewell);
    ASSERT_I64_EQ(farewell.kind, FAREWELL_ACK);
    ASSERT_I64_EQ(farewell.fate, ATTEMPTS_FATE_STOPPED);
    ASSERT_I64_EQ(farewell.ran.ns, duration_ms(101).ns);
    ASSERT_I64_EQ(farewell.cpu.ns, duration_us(5).ns);
    ASSERT_I64_EQ(farewell.stopped_after.ns, 0);
    CU_ASSERT_PTR_NULL(farewell.owner);
    CU_ASSERT_TRUE(attempts_is_idle(fx.attempts));

    /* Without one it says so itself, some time later. */
    ASSERT_I64_EQ(offer_next(&fx, &attempt), ATTEMPTS_START);
    CU_ASSERT_TRUE(attempts_begin(fx.attempts, attempt, fx.now));
    attempts_end(fx.attempts, attempt,
        &(struct attempts_ending){ ATTEMPTS_NOTHING, DURATION_ZERO, late }, &farewell);
    CU_ASSERT_FALSE(
        attempts_expire_one(fx.attempts, instant_add(late, duration_ms(2999)), &farewell));
    CU_ASSERT_TRUE(
        attempts_expire_one(fx.attempts, instant_add(late, duration_ms(3000)), &farewell));
    ASSERT_I64_EQ(farewell.kind, FAREWELL_EXPIRED);
    fixture_fini(&fx);
}

/* ---- a worker that stops, a link that is lost ---------------------------------------- */

/* GOAL    only the copies of the lost session go, without a word; those of another stay. */
static void
attempts_orphans_leave_without_a_word(void)
{
    struct fixture fx;
    struct attempt *attempts[3];
    struct attempts_farewell farewell;
    fixture_init(&fx, /* slots_count= */ 2, /* queue_max= */ 2);
    for (uint32_t i = 0; i < 3; i++) {
        struct attempts_offer offer = offer_of(&fx, 20 + i);
        offer.key.session = i == 1 ? 2 : 1;
        attempts_offer(fx.attempts, &offer, fx.now, &attempts[i]);
    }
    CU_ASSERT_TRUE(attempts_begin(fx.attempts, attempts[0], fx.now));
    CU_ASSERT_TRUE(attempts_begin(fx.attempts, attempts[1], fx.now));
    unsigned running_count = 0;
    unsigned waiting_count = 0;
    while (attempts_stop_one(
        fx.attempts, &(struct attempts_order){ 1, true, 32 }, fx.now, &farewell)) {
        ASSERT_I64_EQ(farewell.kind, FAREWELL_NONE);
        CU_ASSERT_TRUE(farewell.stop == NULL || farewell.stop == attempts[0]);
        running_count += farewell.stop != NULL;
        waiting_count += farewell.stop == NULL;
    }
    ASSERT_I64_EQ(running_count, 1);
    ASSERT_I64_EQ(waiting_count, 1);
    attempts_end(fx.attempts, attempts[0],
        &(struct attempts_ending){ ATTEMPTS_REPLIED, DURATION_ZERO, fx.now }, &farewell);
    ASSERT_I64_EQ(farewell.kind, FAREWELL_NONE);
    attempts_end(fx.attempts, attempts[1],
        &(struct attempts_ending){ ATTEMPTS_REPLIED, DURATION_ZERO, fx.now }, &farewell);
    ASSERT_I64_EQ(farewell.kind, FAREWELL_RESULT);
    fixture_fini(&fx);
}

/* GOAL    a drain hands back what waits (BUSY) and lets run what runs; a shutdown ends that
 *         with a retryable failure, or with its result if it has one. */
static void
attempts_drain_then_shutdown(void)
{
    struct fixture fx;
    struct attempt *running[2];
    struct attempt *waiting;
    struct attempts_farewell farewell;
    fixture_init(&fx, /* slots_count= */ 2, /* queue_max= */ 2);
    offer_next(&fx, &running[0]);
    offer_next(&fx, &running[1]);
    offer_next(&fx, &waiting);
    CU_ASSERT_TRUE(attempts_begin(fx.attempts, running[0], fx.now));
    CU_ASSERT_TRUE(attempts_begin(fx.attempts, running[1], fx.now));
    CU_ASSERT_TRUE(attempts_hand_back_one(fx.attempts, fx.now, &farewell));
    ASSERT_I64_EQ(farewell.kind, FAREWELL_BUSY);
    CU_ASSERT_FALSE(attempts_hand_back_one(fx.attempts, fx.now, &farewell));
    unsigned stops_count = 0;
    while (attempts_stop_one(
        fx.attempts, &(struct attempts_order){ 0, false, 7 }, fx.now, &farewell)) {
        CU_ASSERT_PTR_NOT_NULL(farewell.stop);
        stops_count++;
    }
    ASSERT_I64_EQ(stops_count, 2);
    attempts_end(fx.attempts, running[0],
        &(struct attempts_ending){ ATTEMPTS_NOTHING, DURATION_ZERO, fx.now }, &farewell);
    ASSERT_I64_EQ(farewell.kind, FAREWELL_STOPPED);
    attempts_end(fx.attempts, running[1],
        &(struct attempts_ending){ ATTEMPTS_REPLIED, DURATION_ZERO, fx.now }, &farewell);
    ASSERT_I64_EQ(farewell.kind, FAREWELL_RESULT);
    fixture_fini(&fx);
}

static const struct test tests[] = {
    TEST(attempts_full_worker_says_busy),
    TEST(attempts_hedge_never_queues),
    TEST(attempts_lanes_are_apart),
    TEST(attempts_inputs_are_bounded),
    TEST(attempts_expired_work_does_not_start),
    TEST(attempts_duplicate_is_ignored),
    TEST(attempts_cancel_before_job_leaves_a_grave),
    TEST(attempts_graves_are_bounded),
    TEST(attempts_waiting_copy_is_dequeued),
    TEST(attempts_stop_is_measured),
    TEST(attempts_lapsed_copy_acknowledges_its_cancel),
    TEST(attempts_orphans_leave_without_a_word),
    TEST(attempts_drain_then_shutdown),
};
TEST_MAIN("attempts", tests)
