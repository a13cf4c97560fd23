/* SPDX-License-Identifier: MIT
 *
 * Submits that do not simply wait: Prefer, and Idempotency-Key.
 */
#include "coordinator/http/keys.h"
#include "tests/support/api_ask.h"

/* ---- Prefer ------------------------------------------------------------------------------ */

static void
submit_async_is_acknowledged_at_once(void)
{
    struct fake fake;
    fake_start(&fake, 0, (struct api_limits){ 0 });
    struct answer answer = fake_ask_status(
        &fake, INVOKE("hold", "Prefer: respond-async\r\nX-Job-Id: " JOB_ID "\r\n"), 202);
    answer_expect_header(&answer, "Location", "/v1/jobs/" JOB_ID);
    answer_expect_header(&answer, "Preference-Applied", "respond-async");
    CU_ASSERT_TRUE(answer_has(&answer, "\"state\":\"RUNNING\""));
    answer_free(&answer);
    fake_release(&fake);
    answer = fake_ask_status(
        &fake, "GET /v1/jobs/" JOB_ID "?wait=10s HTTP/1.1\r\n" HOST "\r\n", 200);
    CU_ASSERT_TRUE(answer_has(&answer, "\"text\":\"released\""));
    CU_ASSERT_PTR_NULL(answer_header(&answer, "Preference-Applied"));
    answer_free(&answer);
    ASSERT_I64_EQ(atomic_load(&fake.gone_count), 0);
    fake_stop(&fake);
}

/* GOAL    what is over within its wait is answered with its result; what is not goes on, is
 *         not cancelled when its client leaves, and says where it is. */
static void
submit_async_waits_as_long_as_it_prefers(void)
{
    struct fake fake;
    fake_start(&fake, 0, (struct api_limits){ 0 });
    struct answer answer =
        fake_ask_status(&fake, INVOKE("html", "Prefer: respond-async, wait=600\r\n"), 200);
    ASSERT_STR_EQ(answer.body, "<b>");
    answer_expect_header(&answer, "Preference-Applied", "wait=600");
    answer_free(&answer);

    answer = fake_ask_status(&fake,
        INVOKE("hold", "Prefer: respond-async, wait=1\r\nX-Job-Id: " JOB_ID "\r\n"), 202);
    answer_expect_header(&answer, "Preference-Applied", "respond-async, wait=1");
    answer_expect_header(&answer, "Location", "/v1/jobs/" JOB_ID);
    answer_free(&answer);

    struct client client;
    fake_connect(&client, &fake);
    client_send(&client, INVOKE("hold", "Prefer: respond-async, wait=600\r\n"));
    CU_ASSERT_TRUE(fake_reaches(&fake.submits_count, 3));
    client_close(&client);
    CU_ASSERT_TRUE(fake_reaches(&fake.gone_count, 2));
    ASSERT_I64_EQ(atomic_load(&fake.cancels_count[CAUSE_CLIENT_GONE]), 0);
    fake_release(&fake);
    answer = fake_ask_status(
        &fake, "GET /v1/jobs/" JOB_ID "?wait=10s HTTP/1.1\r\n" HOST "\r\n", 200);
    CU_ASSERT_TRUE(answer_has(&answer, "SUCCEEDED"));
    answer_free(&answer);
    fake_stop(&fake);
}

/* Without respond-async the time that a client waits is the time that its job has. */
static void
submit_wait_alone_is_a_deadline(void)
{
    struct fake fake;
    fake_start(&fake, 0, (struct api_limits){ 0 });
    struct answer answer = fake_ask_status(
        &fake, INVOKE("echo", "Prefer: wait=7\r\nX-Job-Id: " JOB_ID "\r\n"), 200);
    answer_expect_header(&answer, "Preference-Applied", "wait=7");
    answer_free(&answer);
    answer = fake_ask_status(&fake, "GET /v1/jobs/" JOB_ID " HTTP/1.1\r\n" HOST "\r\n", 200);
    CU_ASSERT_TRUE(answer_has(&answer, "\"timeout_ms\":7000.000"));
    answer_free(&answer);
    answer = fake_ask_status(&fake, INVOKE("echo", "Prefer: wait=0\r\n"), 200);
    CU_ASSERT_PTR_NULL(answer_header(&answer, "Preference-Applied"));
    answer_free(&answer);
    fake_stop(&fake);
}

/* ---- traceparent, X-Request-Id ------------------------------------------------------ */

#define TRACE "4bf92f3577b34da6a3ce929d0e0e4736"

static void
submit_goes_on_with_its_clients_trace(void)
{
    struct fake fake;
    fake_start(&fake, 0, (struct api_limits){ 0 });
    struct answer answer = fake_ask_status(&fake,
        INVOKE("echo", "X-Job-Id: " JOB_ID "\r\nX-Request-Id: mine-7\r\n"
                       "traceparent: 00-" TRACE "-00f067aa0ba902b7-01\r\n"),
        200);
    answer_expect_header(&answer, "traceparent", "00-" TRACE "-9a573e1f0c5b2a44-01");
    answer_expect_header(&answer, "X-Request-Id", "mine-7");
    answer_free(&answer);
    answer = fake_ask_status(&fake, INVOKE("fail", "X-Request-Id: not one\r\n"), 502);
    const char *own = answer_header(&answer, "X-Request-Id");
    CU_ASSERT_PTR_NOT_NULL_FATAL(own);
    CU_ASSERT_STRING_NOT_EQUAL(own, "not one");
    CU_ASSERT_PTR_NOT_NULL(answer_header(&answer, "traceparent"));
    answer_free(&answer);
    answer = fake_ask_status(&fake, LIVEZ, 200);
    CU_ASSERT_PTR_NOT_NULL(answer_header(&answer, "X-Request-Id"));
    CU_ASSERT_PTR_NULL(answer_header(&answer, "traceparent"));
    answer_free(&answer);
    fake_stop(&fake);
}

/* ---- Idempotency-Key --------------------------------------------------------------------- */

/* GOAL    64 concurrent submits of one key make one job, and each gets its result. */
static void
submit_one_key_makes_one_job(void)
{
    enum {
        COUNT = 64
    };
    struct fake fake;
    static struct client clients[COUNT];
    char job[64] = "";
    unsigned replays_count = 0;
    fake_start(&fake, COUNT + 8, (struct api_limits){ 0 });
    for (unsigned i = 0; i < COUNT; i++) {
        fake_connect(&clients[i], &fake);
        client_send(&clients[i], INVOKE("hold", "Idempotency-Key: \"one\"\r\n"));
    }
    CU_ASSERT_TRUE(fake_reaches(&fake.submits_count, 1));
    fake_release(&fake);
    for (unsigned i = 0; i < COUNT; i++) {
        struct answer answer = client_answer(&clients[i]);
        ASSERT_I64_EQ(answer.status, 200);
        CU_ASSERT_TRUE(answer_has(&answer, "released"));
        replays_count += answer_header(&answer, "Idempotency-Replayed") != NULL ? 1 : 0;
        if (i == 0) {
            snprintf(job, sizeof job, "%.40s", answer_header(&answer, "X-Job-Id"));
        }
        answer_expect_header(&answer, "X-Job-Id", job);
        answer_free(&answer);
        client_close(&clients[i]);
    }
    ASSERT_I64_EQ(replays_count, COUNT - 1);
    ASSERT_I64_EQ(atomic_load(&fake.submits_count), 1);
    fake_stop(&fake);
}

static void
submit_key_is_for_one_request(void)
{
    static const char *const others[] = {
        INVOKE("echo", "Idempotency-Key: k\r\nContent-Length: 2\r\n") "xy",
        INVOKE("echo", "Idempotency-Key: k\r\nContent-Length: 2\r\nContent-Type: a/b\r\n") "ok",
        INVOKE("html", "Idempotency-Key: k\r\nContent-Length: 2\r\n") "ok",
        "POST /v1/handlers/echo:invoke?timeout=1s HTTP/1.1\r\n" HOST
        "Idempotency-Key: k\r\nContent-Length: 2\r\n\r\nok",
    };
    struct fake fake;
    fake_start(&fake, 0, (struct api_limits){ 0 });
    const char *first = INVOKE("echo", "Idempotency-Key: k\r\nContent-Length: 2\r\n") "ok";
    struct answer answer = fake_ask_status(&fake, first, 200);
    CU_ASSERT_PTR_NULL(answer_header(&answer, "Idempotency-Replayed"));
    answer_free(&answer);
    for (unsigned i = 0; i < ARRAY_COUNT(others); i++) {
        answer = fake_ask_status(&fake, others[i], 422);
        CU_ASSERT_TRUE(answer_has(&answer, "idempotency-key-reused"));
        answer_free(&answer);
    }
    /* Quotes and the order of headers are not the request. */
    answer = fake_ask_status(
        &fake, INVOKE("echo", "Content-Length: 2\r\nIdempotency-Key: \"k\"\r\n") "ok", 200);
    ASSERT_STR_EQ(answer.body, "ok");
    answer_expect_header(&answer, "Idempotency-Replayed", "true");
    answer_free(&answer);
    /* Nor are the headers that say how to answer. */
    answer = fake_ask_status(&fake,
        INVOKE("echo",
            "Prefer: respond-async\r\nIdempotency-Key: k\r\nContent-Length: 2\r\n") "ok",
        202);
    answer_expect_header(&answer, "Idempotency-Replayed", "true");
    answer_free(&answer);
    ASSERT_I64_EQ(atomic_load(&fake.submits_count), 1);
    fake_stop(&fake);
}

/* GOAL    a failure is replayed as well; a refusal is not, for there is no job. */
static void
submit_key_outlives_failures_not_refusals(void)
{
    struct fake fake;
    fake_start(&fake, 0, (struct api_limits){ 0 });
    for (unsigned i = 0; i < 2; i++) {
        struct answer answer =
            fake_ask_status(&fake, INVOKE("fail", "Idempotency-Key: f\r\n"), 502);
        CU_ASSERT_EQUAL(answer_header(&answer, "Idempotency-Replayed") != NULL, i == 1);
        answer_free(&answer);
        answer = fake_ask_status(&fake, INVOKE("nobody", "Idempotency-Key: n\r\n"), 503);
        CU_ASSERT_PTR_NULL(answer_header(&answer, "Idempotency-Replayed"));
        answer_free(&answer);
    }
    ASSERT_I64_EQ(atomic_load(&fake.submits_count), 3);
    fake_stop(&fake);
}

/* GOAL    a client that lost its connection finds its job running when it asks again. */
static void
submit_key_survives_its_client(void)
{
    struct fake fake;
    struct client client;
    fake_start(&fake, 0, (struct api_limits){ 0 });
    fake_connect(&client, &fake);
    client_send(&client, INVOKE("hold", "Idempotency-Key: k\r\n"));
    CU_ASSERT_TRUE(fake_reaches(&fake.submits_count, 1));
    client_close(&client);
    CU_ASSERT_TRUE(fake_reaches(&fake.gone_count, 1));
    fake_connect(&client, &fake);
    client_send(&client, INVOKE("hold", "Idempotency-Key: k\r\n"));
    fake_release(&fake);
    struct answer answer = client_answer(&client);
    ASSERT_I64_EQ(answer.status, 200);
    ASSERT_STR_EQ(answer.body, "released");
    answer_free(&answer);
    client_close(&client);
    ASSERT_I64_EQ(atomic_load(&fake.submits_count), 1);
    ASSERT_I64_EQ(atomic_load(&fake.cancels_count[CAUSE_CLIENT_GONE]), 0);
    fake_stop(&fake);
}

static void
submit_bad_key_is_refused(void)
{
    struct fake fake;
    char request[1024];
    char key[300];
    fake_start(&fake, 0, (struct api_limits){ 0 });
    static const char *const bad[] = { "", "\"\"", "a b", "\"a", "a\"b", "\"a\\b\"",
        "\xc3\xa9" };
    for (unsigned i = 0; i < ARRAY_COUNT(bad); i++) {
        snprintf(request, sizeof request,
            "POST /v1/handlers/echo:invoke HTTP/1.1\r\n" HOST "Idempotency-Key: %s\r\n\r\n",
            bad[i]);
        struct answer answer = fake_ask_status(&fake, request, 400);
        CU_ASSERT_TRUE(answer_has(&answer, "idempotency-key-malformed"));
        answer_free(&answer);
    }
    for (unsigned extra = 0; extra < 2; extra++) {
        memset(key, 'k', sizeof key);
        key[KEYS_TEXT_SIZE_MAX + extra] = '\0';
        snprintf(request, sizeof request,
            "POST /v1/handlers/echo:invoke HTTP/1.1\r\n" HOST "Idempotency-Key: %s\r\n\r\n",
            key);
        struct answer answer = fake_ask_status(&fake, request, extra == 0 ? 200 : 400);
        answer_free(&answer);
    }
    fake_stop(&fake);
}

static const struct test tests[] = {
    TEST(submit_async_is_acknowledged_at_once),
    TEST(submit_async_waits_as_long_as_it_prefers),
    TEST(submit_wait_alone_is_a_deadline),
    TEST(submit_goes_on_with_its_clients_trace),
    TEST(submit_one_key_makes_one_job),
    TEST(submit_key_is_for_one_request),
    TEST(submit_key_outlives_failures_not_refusals),
    TEST(submit_key_survives_its_client),
    TEST(submit_bad_key_is_refused),
};
TEST_MAIN("api_submit", tests)
