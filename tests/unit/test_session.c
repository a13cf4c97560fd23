/* SPDX-License-Identifier: MIT */
#include "tests/support/session_pair.h"

/* ---- handshake ----------------------------------------------------------------------- */

static void
session_good_token_comes_up(void)
{
    struct fixture *fx = fixture_up();
    ASSERT_I64_EQ(fx->coordinator.ups_count, 1);
    ASSERT_I64_EQ(fx->worker.ups_count, 1);
    ASSERT_I64_EQ(session_epoch(fx->worker.session), 7);
    fixture_free(fx);

    fx = fixture_new(&(struct options){ 0 });
    settle(fx);
    CU_ASSERT_TRUE(session_is_up(fx->worker.session));
    fixture_free(fx);
}

/* GOAL    each pair of tokens that differ is refused, and the worker hears why. */
static void
session_bad_token_is_refused(void)
{
    static const uint8_t other[sizeof token] = "another token, as long as the 1st.";
    static const struct options pairs[] = {
        { .coordinator_token = token, .worker_token = other },
        { .coordinator_token = token },
        { .worker_token = token },
    };
    for (unsigned i = 0; i < ARRAY_COUNT(pairs); i++) {
        struct fixture *fx = fixture_new(&pairs[i]);
        settle(fx);
        CU_ASSERT_FALSE(session_is_up(fx->coordinator.session));
        CU_ASSERT_FALSE(session_is_up(fx->worker.session));
        bool is_told = fx->worker.err == ERR_AUTH ||
                       (fx->worker.heard_count == 1 &&
                           strcmp(fx->worker.heard[0].goodbye.reason, err_text(ERR_AUTH)) == 0);
        CU_ASSERT_TRUE(is_told);
        fixture_free(fx);
    }
}

/* Take what from would write next. */
static size_t
capture(struct fixture *fx, struct end *from, uint8_t *bytes)
{
    const uint8_t *staged;
    size_t size;
    CHECK(session_stage(from->session, fx->now, &staged, &size));
    memcpy(bytes, staged, size);
    session_written(from->session);
    return size;
}

/* GOAL    no byte of the handshake can be changed on its way: not the epoch, not the
 *         versions, not needs_token, not a slot count.
 * METHOD  flip a bit of each byte of each frame, in a fresh pair of sessions. */
static void
session_changed_handshake_is_refused(void)
{
    static uint8_t bytes[WIRE_FRAME_SIZE_UNAUTH_MAX];
    for (unsigned which = 0; which < 3; which++) {
        size_t size = 1;
        for (size_t byte = 0; byte < size; byte++) {
            struct fixture *fx = fixture_new(
                &(struct options){ .coordinator_token = token, .worker_token = token });
            struct end *from = which == 1 ? &fx->worker : &fx->coordinator;
            struct end *to = which == 1 ? &fx->coordinator : &fx->worker;
            if (which >= 1) {
                step(fx, &fx->coordinator, &fx->worker);
            }
            if (which >= 2) {
                step(fx, &fx->worker, &fx->coordinator);
            }
            size = capture(fx, from, bytes);
            if (which == 2) { /* a PING stands behind the WELCOME */
                size = WIRE_HEADER_SIZE + bytes[0];
            }
            bytes[byte] ^= (uint8_t) (1 << byte % 8);
            deliver(fx, to, bytes, size);
            settle(fx);
            CU_ASSERT_FALSE(session_is_up(fx->worker.session));
            fixture_free(fx);
        }
    }
}

/* GOAL    a HELLO that was heard on one connection opens no other. */
static void
session_replayed_hello_is_refused(void)
{
    static uint8_t bytes[WIRE_FRAME_SIZE_UNAUTH_MAX];
    struct fixture *fx =
        fixture_new(&(struct options){ .coordinator_token = token, .worker_token = token });
    step(fx, &fx->coordinator, &fx->worker);
    size_t size = capture(fx, &fx->worker, bytes);
    deliver(fx, &fx->coordinator, bytes, size);
    CU_ASSERT_TRUE(session_is_up(fx->coordinator.session));

    struct session_config config = { .side = SESSION_COORDINATOR,
        .crypto = { .hmac = crypto_hmac_sha256, .equal = crypto_equal },
        .token = token,
        .token_size = sizeof token,
        .nonce = { 77 }, /* all that differs */
        .epoch = 7,
        .heartbeat_ms = 1000,
        .missed_max = 3,
        .on_bulk_done = on_bulk_done,
        .user = &fx->coordinator };
    session_free(fx->coordinator.session);
    CHECK(session_new(&config, fx->now, &fx->coordinator.session) == ERR_OK);
    deliver(fx, &fx->coordinator, bytes, size);
    ASSERT_I64_EQ(fx->coordinator.err, ERR_AUTH);
    fixture_free(fx);
}

static void
session_unspoken_version_is_refused(void)
{
    uint8_t bytes[512];
    struct fixture *fx = fixture_new(&(struct options){ 0 });
    const struct wire_msg challenge = { .kind = WIRE_CHALLENGE,
        .challenge = { .epoch = 1,
            .version_min = WIRE_VERSION_MAX + 1,
            .version_max = WIRE_VERSION_MAX + 2 } };
    deliver(fx, &fx->worker, bytes, encode(&challenge, bytes, sizeof bytes));
    ASSERT_I64_EQ(fx->worker.err, ERR_BAD_VERSION);

    struct wire_msg hello = { .kind = WIRE_HELLO, .hello = fx->hello };
    hello.hello.version = WIRE_VERSION_MAX + 1;
    deliver(fx, &fx->coordinator, bytes, encode(&hello, bytes, sizeof bytes));
    ASSERT_I64_EQ(fx->coordinator.err, ERR_BAD_VERSION);
    fixture_free(fx);
}

/* GOAL    before the handshake a stranger gets small frames of three kinds, for 3 seconds. */
static void
session_stranger_is_held_short(void)
{
    static const uint8_t large[WIRE_HEADER_SIZE] = { 0xff, 0xff, 0, 0, WIRE_FRAME_VERSION,
        WIRE_HELLO };
    uint8_t bytes[512];
    const struct wire_msg load = { .kind = WIRE_LOAD };
    const struct wire_msg welcome = { .kind = WIRE_WELCOME,
        .welcome = { .version = 1, .heartbeat_ms = 1000, .missed_max = 3 } };
    struct fixture *fx = fixture_new(&(struct options){ 0 });
    deliver(fx, &fx->coordinator, bytes, encode(&load, bytes, sizeof bytes));
    ASSERT_I64_EQ(fx->coordinator.err, ERR_BAD_KIND);
    deliver(fx, &fx->worker, bytes, encode(&welcome, bytes, sizeof bytes));
    ASSERT_I64_EQ(fx->worker.err, ERR_BAD_KIND); /* it was never challenged */
    fixture_free(fx);

    fx = fixture_new(&(struct options){ 0 });
    deliver(fx, &fx->coordinator, large, sizeof large);
    ASSERT_I64_EQ(fx->coordinator.err, ERR_TOO_BIG);
    fixture_free(fx);

    fx = fixture_new(&(struct options){ 0 });
    instant_t next;
    ASSERT_I64_EQ(session_tick(fx->coordinator.session, fx->now, &next), ERR_OK);
    ASSERT_I64_EQ(next.ns - fx->now.ns, duration_ms(WIRE_HANDSHAKE_MS_MAX).ns);
    ASSERT_I64_EQ(session_tick(fx->coordinator.session, next, &next), ERR_TIMEOUT);
    fixture_free(fx);
}

/* ---- identity, time ------------------------------------------------------------------ */

static void
session_stale_frames_are_dropped(void)
{
    struct fixture *fx = fixture_up();
    struct wire_msg cancel = { .kind = WIRE_CANCEL,
        .cancel = {
            .id = { .job = { .bytes = { 1 } }, .epoch = 6, .incarnation = 9 }, .cause = 1 } };
    deliver_msg(fx, &cancel); /* another coordinator's */
    cancel.cancel.id.epoch = 7;
    cancel.cancel.id.incarnation = 8;
    deliver_msg(fx, &cancel); /* for the worker that was here before */
    ASSERT_I64_EQ(fx->worker.err, ERR_OK);
    ASSERT_I64_EQ(fx->worker.heard_count, 0);
    ASSERT_I64_EQ(session_counters(fx->worker.session).stale_count, 2);
    cancel.cancel.id.incarnation = 9;
    deliver_msg(fx, &cancel);
    ASSERT_I64_EQ(fx->worker.heard_count, 1);
    fixture_free(fx);
}

/* GOAL    stale bulk gives its window back, so that dropping cannot stop a link. */
static void
session_stale_bulk_is_credited(void)
{
    struct fixture *fx = fixture_up();
    struct wire_msg chunk = chunk_of(1, 1, WIRE_CHUNK_SIZE_MAX);
    chunk.chunk.id.epoch = 6;
    deliver_msg(fx, &chunk);
    const uint8_t *bytes;
    size_t size;
    CU_ASSERT_TRUE_FATAL(session_stage(fx->worker.session, fx->now, &bytes, &size));
    struct wire_msg msg;
    ASSERT_I64_EQ(wire_decode(bytes, size, &msg), ERR_OK);
    ASSERT_I64_EQ(msg.kind, WIRE_CREDIT);
    ASSERT_I64_EQ(msg.credit.bytes, WIRE_CHUNK_SIZE_MAX);
    fixture_free(fx);
}

static void
session_deadline_is_told_when_written(void)
{
    struct fixture *fx = fixture_up();
    ASSERT_I64_EQ(send_job(fx, 1, 10), ERR_OK); /* 5 s */
    fx->now = instant_add(fx->now, duration_s(2));
    settle(fx);
    ASSERT_I64_EQ(fx->worker.heard[0].job.budget_us, 3000000);

    ASSERT_I64_EQ(send_job(fx, 2, 10), ERR_OK);
    fx->now = instant_add(fx->now, duration_s(5));
    settle(fx);
    ASSERT_I64_EQ(fx->worker.heard_count, 1); /* never sent */
    ASSERT_I64_EQ(fx->coordinator.done_count, 2);
    ASSERT_I64_EQ(session_counters(fx->coordinator.session).expired_count, 1);
    fixture_free(fx);
}

/* GOAL    the time that chunks took is taken off the budget. */
static void
session_budget_runs_while_chunks_come(void)
{
    struct fixture *fx = fixture_up();
    ASSERT_I64_EQ(send_job(fx, 1, WIRE_CHUNK_SIZE_MAX + 1), ERR_OK);
    CU_ASSERT_TRUE(step(fx, &fx->coordinator, &fx->worker));
    ASSERT_I64_EQ(fx->worker.heard_count, 0);
    fx->now = instant_add(fx->now, duration_ms(1500));
    settle(fx);
    ASSERT_I64_EQ(fx->worker.heard[0].job.budget_us, 3500000);
    fixture_free(fx);
}

static void
session_heartbeat_measures_and_buries(void)
{
    struct fixture *fx = fixture_up();
    instant_t next;
    for (unsigned i = 0; i < 5; i++) { /* answered: stays */
        fx->now = instant_add(fx->now, duration_ms(1000));
        ASSERT_I64_EQ(session_tick(fx->coordinator.session, fx->now, &next), ERR_OK);
        CU_ASSERT_TRUE(step(fx, &fx->coordinator, &fx->worker));
        fx->now = instant_add(fx->now, duration_us(300));
        CU_ASSERT_TRUE(step(fx, &fx->worker, &fx->coordinator));
        ASSERT_I64_EQ(duration_to_us(session_rtt(fx->coordinator.session)), 300);
    }
    err_t err = ERR_OK;
    unsigned beats = 0;
    while (err == ERR_OK && beats < 10) { /* silent: dead at the third */
        fx->now = instant_add(fx->now, duration_ms(1000));
        err = session_tick(fx->coordinator.session, fx->now, &next);
        beats++;
    }
    ASSERT_I64_EQ(err, ERR_TIMEOUT);
    ASSERT_I64_EQ(beats, 1 + WIRE_HEARTBEATS_MISSED_MAX); /* the first was heard of */
    fixture_free(fx);
}

/* GOAL    one late tick is no reason to call the other side dead. */
static void
session_own_pause_buries_nobody(void)
{
    struct fixture *fx = fixture_up();
    instant_t next;
    fx->now = instant_add(fx->now, duration_s(60));
    ASSERT_I64_EQ(session_tick(fx->coordinator.session, fx->now, &next), ERR_OK);
    ASSERT_I64_EQ(session_tick(fx->worker.session, fx->now, &next), ERR_OK);
    settle(fx);
    CU_ASSERT_TRUE(session_is_up(fx->coordinator.session));
    fixture_free(fx);
}

/* ---- bounds, ends -------------------------------------------------------------------- */

static void
session_full_lanes_refuse(void)
{
    struct fixture *fx = fixture_up();
    unsigned count = 0;
    err_t err;
    while ((err = send_job(fx, 1, 1)) == ERR_OK) {
        count++;
    }
    ASSERT_I64_EQ(err, ERR_FULL);
    ASSERT_I64_EQ(count, LANES_ITEMS_MAX);
    while ((err = session_send(fx->coordinator.session, &(struct wire_msg){ .kind = WIRE_PING },
                INSTANT_NEVER, NULL)) == ERR_OK) {
        count++;
    }
    ASSERT_I64_EQ(err, ERR_FULL);
    ASSERT_I64_EQ(send_cancel(fx, 1), ERR_FULL);
    ASSERT_I64_EQ(fx->coordinator.done_count, LANES_ITEMS_MAX); /* but they are dropped */
    fixture_free(fx);
}

static void
session_end_gives_every_input_back(void)
{
    struct fixture *fx = fixture_up();
    ASSERT_I64_EQ(send_job(fx, 1, WIRE_BULK_SIZE_MAX), ERR_OK);
    ASSERT_I64_EQ(send_job(fx, 2, 0), ERR_OK);
    step(fx, &fx->coordinator, &fx->worker);
    session_free(fx->coordinator.session);
    fx->coordinator.session = NULL;
    ASSERT_I64_EQ(fx->coordinator.done_count, 2);
    fixture_free(fx);
}

static void
session_goodbye_is_the_last_word(void)
{
    struct fixture *fx = fixture_up();
    session_close(fx->coordinator.session, "enough");
    ASSERT_I64_EQ(send_job(fx, 1, 1), ERR_CLOSED);
    settle(fx);
    ASSERT_I64_EQ(fx->worker.heard_count, 1);
    ASSERT_STR_EQ(fx->worker.heard[0].goodbye.reason, "enough");
    CU_ASSERT_FALSE(session_is_up(fx->worker.session));
    CU_ASSERT_TRUE(session_is_idle(fx->coordinator.session));
    fixture_free(fx);
}

/* GOAL    a newer peer's kinds are skipped; those of the wrong direction end the link. */
static void
session_unknown_kinds_are_skipped(void)
{
    static const uint8_t newer[] = { 2, 0, 0, 0, WIRE_FRAME_VERSION, 200, 0, 0, 8, 1 };
    struct fixture *fx = fixture_up();
    deliver(fx, &fx->worker, newer, sizeof newer);
    ASSERT_I64_EQ(fx->worker.err, ERR_OK);
    ASSERT_I64_EQ(session_counters(fx->worker.session).unknown_count, 1);
    deliver_msg(fx, &(struct wire_msg){ .kind = WIRE_LOAD });
    ASSERT_I64_EQ(fx->worker.err, ERR_BAD_KIND);
    fixture_free(fx);
}

static const struct test tests[] = {
    TEST(session_good_token_comes_up),
    TEST(session_bad_token_is_refused),
    TEST(session_changed_handshake_is_refused),
    TEST(session_replayed_hello_is_refused),
    TEST(session_unspoken_version_is_refused),
    TEST(session_stranger_is_held_short),
    TEST(session_stale_frames_are_dropped),
    TEST(session_stale_bulk_is_credited),
    TEST(session_deadline_is_told_when_written),
    TEST(session_budget_runs_while_chunks_come),
    TEST(session_heartbeat_measures_and_buries),
    TEST(session_own_pause_buries_nobody),
    TEST(session_full_lanes_refuse),
    TEST(session_end_gives_every_input_back),
    TEST(session_goodbye_is_the_last_word),
    TEST(session_unknown_kinds_are_skipped),
};
TEST_MAIN("session", tests)
