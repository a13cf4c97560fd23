/* SPDX-License-Identifier: MIT
 *
 * Connections: what hostile, slow, impatient and plentiful clients get.
 */
#include "coordinator/http/codec.h"
#include "tests/support/api_ask.h"
#include "tests/support/http_cases.h"

#define ECHO_A "POST /v1/handlers/echo:invoke HTTP/1.1\r\n" HOST "Content-Length: 1\r\n\r\na"

/* ---- smuggling --------------------------------------------------------------------------- */

static unsigned
status_of(const char *refusal_name)
{
    for (unsigned i = 1; i <= CODEC_TRAILER_TOO_BIG; i++) {
        if (strcmp(codec_refusal_name((enum codec_refusal) i), refusal_name) == 0) {
            return codec_refusal_status((enum codec_refusal) i);
        }
    }
    return 0;
}

/* GOAL    each case gets exactly the answers it should; what is refused is closed, and the
 *         request that hides behind it never runs (it would get an answer as well). */
static void
conn_each_smuggler_is_refused_and_closed(void)
{
    struct fake fake;
    fake_start(&fake, 0, (struct api_limits){ 0 });
    for (unsigned i = 0; i < ARRAY_COUNT(http_cases); i++) {
        struct client client;
        char bytes[HTTP_CASE_AIMED_MAX];
        int good_count = 0;
        size_t size = http_case_aim(&http_cases[i], bytes);
        bool is_good = sscanf(http_cases[i].outcome, "OK %d", &good_count) == 1;
        fake_connect(&client, &fake);
        client_send_sized(&client, bytes, size);
        for (int k = 0; k < good_count; k++) {
            struct answer answer = client_answer(&client);
            CU_ASSERT_TRUE(answer.status == 200 || answer.status == 404);
            answer_free(&answer);
        }
        if (!is_good) {
            struct answer answer = client_answer(&client);
            ASSERT_I64_EQ(answer.status, status_of(http_cases[i].outcome));
            ASSERT_STR_EQ(answer_header(&answer, "Connection"), "close");
            answer_free(&answer);
            bool is_closed = client_sees_end(&client);
            if (!is_closed) {
                printf("# %s: more than one answer, or not closed\n", http_cases[i].name);
            }
            CU_ASSERT_TRUE(is_closed);
        }
        client_close(&client);
    }
    fake_stop(&fake);
}

/* ---- disconnects ------------------------------------------------------------------------- */

enum leaving {
    LEAVE_CLOSE,
    LEAVE_RESET,
    LEAVE_HALF, /* only the sending half */
    LEAVE_KINDS_COUNT
};

static void
leave(struct client *client, enum leaving how)
{
    const struct linger hard = { .l_onoff = 1, .l_linger = 0 };
    switch (how) {
    case LEAVE_RESET:
        CHECK(setsockopt(client->fd, SOL_SOCKET, SO_LINGER, &hard, sizeof hard) == 0);
        client_close(client);
        break;
    case LEAVE_HALF: CHECK(shutdown(client->fd, SHUT_WR) == 0); break;
    case LEAVE_CLOSE:
    case LEAVE_KINDS_COUNT: client_close(client); break;
    }
}

/* GOAL    however a client leaves, and whatever it pipelined before, its job is cancelled.
 * METHOD  every kind, with no, few, and more unread bytes behind than the server reads. */
static void
conn_every_disconnect_cancels_the_job(void)
{
    static const size_t behind_sizes[] = { 0, 100, 63 * 1024, 200 * 1024 };
    struct fake fake;
    unsigned count = 0;
    duration_t longest = DURATION_ZERO;
    char *behind = malloc(256 * 1024);
    CHECK(behind != NULL);
    memset(behind, 'x', 256 * 1024);
    fake_start(&fake, 0, (struct api_limits){ 0 });
    for (unsigned how = 0; how < LEAVE_KINDS_COUNT; how++) {
        for (unsigned i = 0; i < ARRAY_COUNT(behind_sizes); i++) {
            struct client client;
            fake_connect(&client, &fake);
            client_send(&client, HOLD);
            CU_ASSERT_TRUE(fake_reaches(&fake.submits_count, count + 1));
            client_send_sized(&client, behind, behind_sizes[i]);
            instant_t left_at = clock_now();
            leave(&client, (enum leaving) how);
            CU_ASSERT_TRUE(fake_reaches(&fake.cancels_count[CAUSE_CLIENT_GONE], count + 1));
            longest = duration_max(longest, instant_since(clock_now(), left_at));
            if (how == LEAVE_HALF) {
                client_close(&client);
            }
            count++;
        }
    }
    printf("# longest from leaving to cancel: %lld us\n", (long long) duration_to_us(longest));
    ASSERT_I64_EQ(atomic_load(&fake.gone_count), count);
    free(behind);
    fake_stop(&fake);
}

static void
conn_detached_job_outlives_its_client(void)
{
    struct fake fake;
    struct client client;
    fake_start(&fake, 0, (struct api_limits){ 0 });
    fake_connect(&client, &fake);
    client_send(&client, "POST /v1/handlers/hold:invoke?on_disconnect=detach HTTP/1.1\r\n" HOST
                         "X-Job-Id: 01936a0e-7c3b-7d0a-9a57-3e1f0c5b2a44\r\n\r\n");
    CU_ASSERT_TRUE(fake_reaches(&fake.submits_count, 1));
    client_close(&client);
    CU_ASSERT_TRUE(fake_reaches(&fake.gone_count, 1));
    fake_release(&fake);
    struct answer answer = fake_ask(&fake,
        "GET /v1/jobs/01936a0e-7c3b-7d0a-9a57-3e1f0c5b2a44?wait=9s HTTP/1.1\r\n" HOST "\r\n");
    CU_ASSERT_TRUE(answer_has(&answer, "SUCCEEDED"));
    answer_free(&answer);
    ASSERT_I64_EQ(atomic_load(&fake.cancels_count[CAUSE_CLIENT_GONE]), 0);
    fake_stop(&fake);
}

/* Whoever only watches takes nothing with him when he goes. */
static void
conn_reader_that_leaves_cancels_nothing(void)
{
    struct fake fake;
    struct client submitter;
    struct client reader;
    fake_start(&fake, 0, (struct api_limits){ 0 });
    fake_connect(&submitter, &fake);
    fake_connect(&reader, &fake);
    client_send(&submitter, "POST /v1/handlers/hold:invoke HTTP/1.1\r\n" HOST
                            "X-Job-Id: 01936a0e-7c3b-7d0a-9a57-3e1f0c5b2a44\r\n\r\n");
    CU_ASSERT_TRUE(fake_reaches(&fake.submits_count, 1));
    client_send(&reader, LIVEZ
        "GET /v1/jobs/01936a0e-7c3b-7d0a-9a57-3e1f0c5b2a44?wait=1m HTTP/1.1\r\n" HOST "\r\n");
    client_expect(&reader, 200);
    client_close(&reader);
    CU_ASSERT_TRUE(fake_reaches(&fake.gone_count, 1));
    fake_release(&fake);
    client_expect(&submitter, 200);
    ASSERT_I64_EQ(atomic_load(&fake.cancels_count[CAUSE_CLIENT_GONE]), 0);
    client_close(&submitter);
    fake_stop(&fake);
}

static void
conn_http_1_0_is_closed_unless_it_asks(void)
{
    struct fake fake;
    struct client client;
    fake_start(&fake, 0, (struct api_limits){ 0 });
    fake_connect(&client, &fake);
    client_send(&client, "GET /livez HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
    struct answer answer = client_answer(&client);
    ASSERT_STR_EQ(answer_header(&answer, "Connection"), "keep-alive");
    answer_free(&answer);
    client_send(&client, "GET /livez HTTP/1.0\r\n\r\n" LIVEZ);
    answer = client_answer(&client);
    ASSERT_STR_EQ(answer_header(&answer, "Connection"), "close");
    answer_free(&answer);
    CU_ASSERT_TRUE(client_sees_end(&client));
    client_close(&client);
    fake_stop(&fake);
}

/* What was asked before the sending half was closed is answered still. */
static void
conn_half_closed_client_gets_ready_answers(void)
{
    struct fake fake;
    struct client client;
    fake_start(&fake, 0, (struct api_limits){ 0 });
    fake_connect(&client, &fake);
    client_send(&client, LIVEZ LIVEZ);
    CHECK(shutdown(client.fd, SHUT_WR) == 0);
    client_expect(&client, 200);
    client_expect(&client, 200);
    CU_ASSERT_TRUE(client_sees_end(&client));
    client_close(&client);
    fake_stop(&fake);
}

/* ---- pipelining and bodies --------------------------------------------------------------- */

static void
conn_pipelined_answers_keep_their_order(void)
{
    struct fake fake;
    struct client client;
    fake_start(&fake, 0, (struct api_limits){ 0 });
    fake_connect(&client, &fake);
    client_send(&client, ECHO_A HOLD ECHO_A LIVEZ HOLD LIVEZ);
    struct answer answer = client_answer(&client);
    ASSERT_STR_EQ(answer.body, "a");
    answer_free(&answer);
    CU_ASSERT_TRUE(fake_reaches(&fake.submits_count, 2));
    fake_release(&fake);
    static const char *const bodies[] = { "released", "a", "{\"live\":true}\n" };
    for (unsigned i = 0; i < ARRAY_COUNT(bodies); i++) {
        answer = client_answer(&client);
        ASSERT_STR_EQ(answer.body, bodies[i]);
        answer_free(&answer);
    }
    CU_ASSERT_TRUE(fake_reaches(&fake.submits_count, 4));
    fake_release(&fake);
    client_expect(&client, 200);
    client_expect(&client, 200);
    client_close(&client);
    fake_stop(&fake);
}

/* GOAL    more answers than sockets hold, to a client that reads late: none is lost. */
static void
conn_many_pipelined_answers_all_arrive(void)
{
    struct fake fake;
    struct client client;
    const unsigned count = 3000;
    unsigned good_count = 0;
    fake_start(&fake, 0, (struct api_limits){ 0 });
    fake_connect(&client, &fake);
    for (unsigned i = 0; i < count; i++) {
        CU_ASSERT_TRUE(client_send(&client, "GET /v1/handlers HTTP/1.1\r\n" HOST "\r\n"));
        if (i >= 200) { /* some are always on their way */
            struct answer answer = client_answer(&client);
            good_count += answer.status == 200 ? 1 : 0;
            answer_free(&answer);
        }
    }
    for (unsigned i = 0; i < 200; i++) {
        struct answer answer = client_answer(&client);
        good_count += answer.status == 200 ? 1 : 0;
        answer_free(&answer);
    }
    ASSERT_I64_EQ(good_count, count);
    client_close(&client);
    fake_stop(&fake);
}

static char *
new_bytes(size_t size)
{
    char *bytes = malloc(size);
    CHECK(bytes != NULL);
    for (size_t i = 0; i < size; i++) {
        bytes[i] = (char) (i * 7 + (i >> 8));
    }
    return bytes;
}

/* A megabyte there and back, by length and in chunks; the limit to the byte. */
static void
conn_largest_input_passes_and_one_more_is_refused(void)
{
    struct fake fake;
    struct client client;
    char *bytes = new_bytes(FAKE_INPUT_MAX + 1);
    fake_start(&fake, 0, (struct api_limits){ 0 });
    fake_connect(&client, &fake);
    client_send(&client,
        "POST /v1/handlers/echo:invoke HTTP/1.1\r\n" HOST "Content-Length: 1048576\r\n\r\n");
    client_send_sized(&client, bytes, FAKE_INPUT_MAX);
    struct answer answer = client_answer(&client);
    ASSERT_I64_EQ(answer.status, 200);
    ASSERT_I64_EQ(answer.body_size, FAKE_INPUT_MAX);
    CU_ASSERT_TRUE(memcmp(answer.body, bytes, FAKE_INPUT_MAX) == 0);
    answer_free(&answer);

    client_send(&client,
        "POST /v1/handlers/echo:invoke HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n");
    for (size_t at = 0; at < FAKE_INPUT_MAX; at += 65536) {
        client_send(&client, "10000\r\n");
        client_send_sized(&client, bytes + at, 65536);
        client_send(&client, "\r\n");
    }
    client_send(&client, "0\r\n\r\n" LIVEZ);
    answer = client_answer(&client);
    ASSERT_I64_EQ(answer.body_size, FAKE_INPUT_MAX);
    CU_ASSERT_TRUE(memcmp(answer.body, bytes, FAKE_INPUT_MAX) == 0);
    answer_free(&answer);
    client_expect(&client, 200);

    client_send(&client,
        "POST /v1/handlers/echo:invoke HTTP/1.1\r\n" HOST "Content-Length: 1048577\r\n\r\n");
    client_send_sized(&client, bytes, FAKE_INPUT_MAX + 1); /* sent in spite of the answer */
    answer = client_answer(&client);
    ASSERT_I64_EQ(answer.status, 413);
    CU_ASSERT_TRUE(answer_has(&answer, "\"limit\":1048576,\"unit\":\"bytes\""));
    CU_ASSERT_TRUE(answer_has(&answer, "1048576 bytes"));
    answer_free(&answer);
    CU_ASSERT_TRUE(client_sees_end(&client));
    client_close(&client);
    free(bytes);
    fake_stop(&fake);
}

static void
conn_expectation_is_met_or_refused_early(void)
{
    static const struct {
        const char *request;
        int status;
    } refused[] = {
        { "POST /v1/handlers/echo:invoke HTTP/1.1\r\n" HOST
          "Content-Length: 1048577\r\nExpect: 100-continue\r\n\r\n",
            413 },
        { "POST /v1/handlers/none:invoke HTTP/1.1\r\n" HOST
          "Content-Length: 5\r\nExpect: 100-continue\r\n\r\n",
            404 },
        { "POST /livez HTTP/1.1\r\n" HOST "Content-Length: 5\r\nExpect: 100-continue\r\n\r\n",
            405 },
    };
    struct fake fake;
    struct client client;
    fake_start(&fake, 0, (struct api_limits){ 0 });
    fake_connect(&client, &fake);
    client_send(&client, "POST /v1/handlers/echo:invoke HTTP/1.1\r\n" HOST
                         "Content-Length: 5\r\nExpect: 100-continue\r\n\r\n");
    client_expect(&client, 100);
    client_send(&client, "hello");
    struct answer answer = client_answer(&client);
    ASSERT_STR_EQ(answer.body, "hello");
    answer_free(&answer);
    client_close(&client);
    for (unsigned i = 0; i < ARRAY_COUNT(refused); i++) {
        fake_connect(&client, &fake);
        client_send(&client, refused[i].request);
        client_expect(&client, refused[i].status);
        CU_ASSERT_TRUE(client_sees_end(&client));
        client_close(&client);
    }
    fake_stop(&fake);
}

/* ---- closing ----------------------------------------------------------------------------- */

static void
conn_drain_answers_who_waits_and_closes_the_rest(void)
{
    struct fake fake;
    struct client idle;
    struct client waiting;
    fake_start(&fake, 0, (struct api_limits){ 0 });
    fake_connect(&idle, &fake);
    fake_connect(&waiting, &fake);
    client_send(&idle, LIVEZ);
    client_expect(&idle, 200);
    client_send(&waiting, HOLD);
    CU_ASSERT_TRUE(fake_reaches(&fake.submits_count, 1));
    atomic_store(&fake.want_close, true);
    loop_wake_post(fake.wake);
    CU_ASSERT_TRUE(client_sees_end(&idle));
    CU_ASSERT_FALSE(atomic_load(&fake.is_drained));
    fake_release(&fake);
    struct answer answer = client_answer(&waiting);
    ASSERT_I64_EQ(answer.status, 200);
    ASSERT_STR_EQ(answer_header(&answer, "Connection"), "close");
    answer_free(&answer);
    CU_ASSERT_TRUE(client_sees_end(&waiting));
    client_close(&idle);
    client_close(&waiting);
    fake_stop(&fake);
}

static const struct test tests[] = {
    TEST(conn_each_smuggler_is_refused_and_closed),
    TEST(conn_every_disconnect_cancels_the_job),
    TEST(conn_detached_job_outlives_its_client),
    TEST(conn_reader_that_leaves_cancels_nothing),
    TEST(conn_http_1_0_is_closed_unless_it_asks),
    TEST(conn_half_closed_client_gets_ready_answers),
    TEST(conn_pipelined_answers_keep_their_order),
    TEST(conn_many_pipelined_answers_all_arrive),
    TEST(conn_largest_input_passes_and_one_more_is_refused),
    TEST(conn_expectation_is_met_or_refused_early),
    TEST(conn_drain_answers_who_waits_and_closes_the_rest),
};
TEST_MAIN("api_conn", tests)
