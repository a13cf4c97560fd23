/* SPDX-License-Identifier: MIT */
#include "coordinator/client/hedgerow.h"

#include "tests/support/cunit_main.h"
#include "tests/support/fake_http.h"

#define COUNT(array) ((unsigned) (sizeof(array) / sizeof((array)[0])))
#define ID           "01936a0e-7c3b-7d0a-9a57-3e1f0c5b2a44"

static enum hedgerow_outcome
invoke(struct fake *fake, struct hedgerow_call *call, struct hedgerow_reply *reply)
{
    struct hedgerow_client *client = hedgerow_client_new(fake->url);
    enum hedgerow_outcome outcome = hedgerow_invoke(client, call, reply);
    hedgerow_client_free(client);
    return outcome;
}

/* GOAL    a call's wishes reach the service, and its answer reaches the caller whole. */
static void
client_invoke_says_what_it_wants(void)
{
    static const struct fake_rule rules[] = {
        { "POST /v1/handlers/a%20b:invoke?mode=hedge&hedge=20000us&max_attempts=3&idempotent="
          "true ",
            "200\nContent-Type: text/plain\nX-Job-Id: " ID
            "\nX-Job-Attempts: 2\nX-Job-Winner: hedge/w2\n\nhello",
            0 },
    };
    struct fake fake;
    fake_init(&fake, rules, COUNT(rules));
    struct hedgerow_call call = HEDGEROW_CALL_INIT;
    call.handler = "a b";
    call.input = "in";
    call.input_size = 2;
    call.timeout_ms = 5000;
    call.mode = HEDGEROW_MODE_HEDGE;
    call.hedge = HEDGEROW_HEDGE_AFTER;
    call.hedge_delay_us = 20000;
    call.copies = 3;
    call.idempotent = 1;
    call.job_id = ID;
    struct hedgerow_reply reply;
    ASSERT_I64_EQ(invoke(&fake, &call, &reply), HEDGEROW_OK);
    ASSERT_STR_EQ((const char *) reply.body, "hello");
    ASSERT_I64_EQ(reply.body_size, 5);
    ASSERT_STR_EQ(reply.content_type, "text/plain");
    ASSERT_STR_EQ(reply.job_id, ID);
    ASSERT_STR_EQ(reply.winner, "hedge/w2");
    ASSERT_I64_EQ(reply.attempts, 2);
    CU_ASSERT_TRUE(fake_last_has(&fake, "X-Job-Id: " ID "\r\n"));
    CU_ASSERT_TRUE(fake_last_has(&fake, "X-Request-Timeout: "));
    CU_ASSERT_TRUE(fake_last_has(&fake, "\r\n\r\nin"));
    CU_ASSERT_FALSE(fake_last_has(&fake, "Expect"));
    hedgerow_reply_fini(&reply);
    fake_fini(&fake);
}

/* GOAL    each refusal becomes the outcome that the exit codes are made of.
 * METHOD  the table of the API, and what proxies answer without a problem. */
static void
client_status_becomes_an_outcome(void)
{
    static const struct {
        const char *answer;
        enum hedgerow_outcome outcome;
        const char *code;
    } cases[] = {
#define PROBLEM(status, code)                                               \
#status "\nContent-Type: application/problem+json\n\n{\"code\":\"" code \
            "\",\"title\":\"T\",\"detail\":\"why\",\"job_id\":\"" ID "\"}"
        { PROBLEM(400, "bad-request"), HEDGEROW_INVALID, "bad-request" },
        { PROBLEM(404, "unknown-handler"), HEDGEROW_NOT_FOUND, "unknown-handler" },
        { PROBLEM(410, "result-gone"), HEDGEROW_NOT_FOUND, "result-gone" },
        { PROBLEM(413, "too-big"), HEDGEROW_INVALID, "too-big" },
        { PROBLEM(401, "who"), HEDGEROW_DENIED, "who" },
        { PROBLEM(429, "overloaded"), HEDGEROW_OVERLOADED, "overloaded" },
        { PROBLEM(499, "cancelled"), HEDGEROW_CANCELLED, "cancelled" },
        { PROBLEM(502, "handler-failed"), HEDGEROW_FAILED, "handler-failed" },
        { PROBLEM(503, "no-worker"), HEDGEROW_UNAVAILABLE, "no-worker" },
        { PROBLEM(504, "deadline-exceeded"), HEDGEROW_DEADLINE, "deadline-exceeded" },
        { "502\n\nBad Gateway", HEDGEROW_UNAVAILABLE, "" },
        { "504\n\nGateway Timeout", HEDGEROW_UNAVAILABLE, "" },
        { "404\n\nnginx", HEDGEROW_BROKEN, "" },
        { "500\n\noops", HEDGEROW_BROKEN, "" },
        { "502\nContent-Type: application/problem+json\n\n{\"code\":", HEDGEROW_UNAVAILABLE,
            "" },
    };
    for (unsigned i = 0; i < COUNT(cases); i++) {
        struct fake_rule rule = { "POST", cases[i].answer, 0 };
        struct fake fake;
        fake_init(&fake, &rule, 1);
        struct hedgerow_call call = HEDGEROW_CALL_INIT;
        call.handler = "echo";
        struct hedgerow_reply reply;
        ASSERT_I64_EQ(invoke(&fake, &call, &reply), cases[i].outcome);
        ASSERT_STR_EQ(reply.code, cases[i].code);
        CU_ASSERT_TRUE(reply.message[0] != '\0');
        if (cases[i].code[0] != '\0') {
            ASSERT_STR_EQ(reply.job_id, ID);
            CU_ASSERT_PTR_NOT_NULL(strstr(reply.message, "why"));
        }
        hedgerow_reply_fini(&reply);
        fake_fini(&fake);
    }
}

static void
client_nobody_listening_is_unavailable(void)
{
    struct fake fake;
    fake_init(&fake, NULL, 0);
    fake_fini(&fake); /* its port is free now */
    struct hedgerow_call call = HEDGEROW_CALL_INIT;
    call.handler = "echo";
    call.idempotent = 1;
    struct hedgerow_reply reply;
    ASSERT_I64_EQ(invoke(&fake, &call, &reply), HEDGEROW_UNAVAILABLE);
    ASSERT_I64_EQ(reply.http_status, 0);
    ASSERT_STR_EQ(reply.job_id, "");
    CU_ASSERT_PTR_NOT_NULL(strstr(reply.message, fake.url));
    hedgerow_reply_fini(&reply);
}

/* GOAL    the second call goes over the connection of the first. */
static void
client_keeps_its_connection(void)
{
    static const struct fake_rule rules[] = { { "POST", "200\n\nx", 0 },
        { "GET", "200\n\n{}", 0 } };
    struct fake fake;
    fake_init(&fake, rules, COUNT(rules));
    struct hedgerow_client *client = hedgerow_client_new(fake.url);
    struct hedgerow_call call = HEDGEROW_CALL_INIT;
    call.handler = "echo";
    call.input = "x";
    call.input_size = 1;
    for (unsigned i = 0; i < 5; i++) {
        struct hedgerow_reply reply;
        ASSERT_I64_EQ(i % 2 == 0 ? hedgerow_invoke(client, &call, &reply)
                                 : hedgerow_get(client, "/v1/workers", 0, &reply),
            HEDGEROW_OK);
        hedgerow_reply_fini(&reply);
    }
    ASSERT_I64_EQ(fake_requests(&fake), 5);
    ASSERT_I64_EQ(fake_connections(&fake), 1);
    hedgerow_client_free(client);
    fake_fini(&fake);
}

/* GOAL    a silent service does not hold a caller beyond its timeout and the grace; and its
 *         job's id is known, for it may well exist. */
static void
client_silent_service_is_left_at_the_deadline(void)
{
    static const struct fake_rule rules[] = { { "POST", FAKE_HANG, 0 } };
    struct fake fake;
    fake_init(&fake, rules, COUNT(rules));
    struct hedgerow_call call = HEDGEROW_CALL_INIT;
    call.handler = "echo";
    call.timeout_ms = 20;
    call.job_id = ID;
    struct hedgerow_reply reply;
    ASSERT_I64_EQ(invoke(&fake, &call, &reply), HEDGEROW_DEADLINE);
    ASSERT_STR_EQ(reply.job_id, ID);
    fake_wait_gone(&fake, 1);
    hedgerow_reply_fini(&reply);
    fake_fini(&fake);
}

struct raiser {
    struct fake *fake;
    struct hedgerow_interrupt *interrupt;
};

static void *
raise_when_asked(void *user)
{
    struct raiser *raiser = user;
    fake_wait_requests(raiser->fake, 1);
    hedgerow_interrupt_raise(raiser->interrupt);
    return NULL;
}

/* GOAL    an interrupt from another thread ends the call and closes the connection; it stays
 *         raised for the next call, until it is cleared. */
static void
client_interrupt_ends_a_waiting_call(void)
{
    static const struct fake_rule rules[] = { { "POST", FAKE_HANG, 1 },
        { "POST", "200\n\nok", 0 } };
    struct fake fake;
    fake_init(&fake, rules, COUNT(rules));
    struct hedgerow_client *client = hedgerow_client_new(fake.url);
    struct raiser raiser = { .fake = &fake, .interrupt = hedgerow_interrupt_new() };
    struct hedgerow_call call = HEDGEROW_CALL_INIT;
    call.handler = "echo";
    call.interrupt = raiser.interrupt;
    pthread_t thread;
    CU_ASSERT_FATAL(pthread_create(&thread, NULL, raise_when_asked, &raiser) == 0);
    struct hedgerow_reply reply;
    ASSERT_I64_EQ(hedgerow_invoke(client, &call, &reply), HEDGEROW_INTERRUPTED);
    hedgerow_reply_fini(&reply);
    pthread_join(thread, NULL);
    fake_wait_gone(&fake, 1);

    ASSERT_I64_EQ(hedgerow_interrupt_wait(raiser.interrupt, 0), 1);
    hedgerow_interrupt_clear(raiser.interrupt);
    ASSERT_I64_EQ(hedgerow_interrupt_wait(raiser.interrupt, 0), 0);
    ASSERT_I64_EQ(hedgerow_invoke(client, &call, &reply), HEDGEROW_OK);
    hedgerow_reply_fini(&reply);
    hedgerow_client_free(client);
    hedgerow_interrupt_free(raiser.interrupt);
    fake_fini(&fake);
}

/* GOAL    Retry-After is honoured for what may be repeated, and for nothing else. */
static void
client_tries_again_only_what_may_be_repeated(void)
{
    static const struct fake_rule rules[] = {
        { "POST", "503\nRetry-After: 0\n\nnot yet", 1 },
        { "POST", "200\n\nok", 0 },
    };
    for (int idempotent = 0; idempotent <= 1; idempotent++) {
        struct fake fake;
        fake_init(&fake, rules, COUNT(rules));
        struct hedgerow_call call = HEDGEROW_CALL_INIT;
        call.handler = "echo";
        call.timeout_ms = 10000;
        call.idempotent = idempotent;
        struct hedgerow_reply reply;
        ASSERT_I64_EQ(
            invoke(&fake, &call, &reply), idempotent ? HEDGEROW_OK : HEDGEROW_UNAVAILABLE);
        ASSERT_I64_EQ(fake_requests(&fake), idempotent ? 2 : 1);
        hedgerow_reply_fini(&reply);
        fake_fini(&fake);
    }
}

/* GOAL    a Retry-After beyond the deadline is an answer, not a sleep. */
static void
client_does_not_wait_beyond_its_deadline(void)
{
    static const struct fake_rule rules[] = { { "POST", "429\nRetry-After: 3600\n\n", 0 } };
    struct fake fake;
    fake_init(&fake, rules, COUNT(rules));
    struct hedgerow_call call = HEDGEROW_CALL_INIT;
    call.handler = "echo";
    call.timeout_ms = 10000;
    call.idempotent = 1;
    struct hedgerow_reply reply;
    ASSERT_I64_EQ(invoke(&fake, &call, &reply), HEDGEROW_OVERLOADED);
    ASSERT_I64_EQ(reply.retry_after_ms, 3600 * 1000);
    ASSERT_I64_EQ(fake_requests(&fake), 1);
    hedgerow_reply_fini(&reply);
    fake_fini(&fake);
}

/* GOAL    a kept connection that breaks before an answer: the job is sent again only when it
 *         may run twice.
 * METHOD  curl would send it again by itself; with a body and without one. */
static void
client_broken_connection_never_doubles_a_job(void)
{
    static const struct fake_rule rules[] = {
        { "GET", "200\n\n{}", 0 },
        { "POST", FAKE_CLOSE, 1 },
        { "POST", "200\n\nsecond", 0 },
    };
    for (unsigned i = 0; i < 4; i++) {
        bool may_repeat = i % 2 == 1;
        struct fake fake;
        fake_init(&fake, rules, COUNT(rules));
        struct hedgerow_client *client = hedgerow_client_new(fake.url);
        struct hedgerow_reply reply;
        ASSERT_I64_EQ(hedgerow_get(client, "/v1/workers", 0, &reply), HEDGEROW_OK);
        hedgerow_reply_fini(&reply);
        struct hedgerow_call call = HEDGEROW_CALL_INIT;
        call.handler = "echo";
        call.input = "once";
        call.input_size = i < 2 ? 4 : 0;
        call.idempotent = may_repeat ? 1 : -1;
        ASSERT_I64_EQ(hedgerow_invoke(client, &call, &reply),
            may_repeat ? HEDGEROW_OK : HEDGEROW_UNAVAILABLE);
        ASSERT_I64_EQ(fake_requests(&fake), may_repeat ? 3 : 2);
        hedgerow_reply_fini(&reply);
        hedgerow_client_free(client);
        fake_fini(&fake);
    }
}

static void
client_refuses_what_cannot_be_asked(void)
{
    struct hedgerow_client *client = hedgerow_client_new("127.0.0.1:1/");
    ASSERT_STR_EQ(hedgerow_client_server(client), "http://127.0.0.1:1");
    struct hedgerow_call call = HEDGEROW_CALL_INIT;
    struct hedgerow_reply reply;
    ASSERT_I64_EQ(hedgerow_invoke(client, &call, &reply), HEDGEROW_INVALID);
    hedgerow_reply_fini(&reply);
    ASSERT_I64_EQ(
        hedgerow_job_get(client, "../../etc/passwd", 0, NULL, &reply), HEDGEROW_INVALID);
    hedgerow_reply_fini(&reply);
    hedgerow_client_free(client);

    client = hedgerow_client_new("ftp://127.0.0.1");
    ASSERT_I64_EQ(hedgerow_get(client, "/", 0, &reply), HEDGEROW_BROKEN);
    hedgerow_reply_fini(&reply);
    hedgerow_client_free(client);
}

static const struct test tests[] = {
    TEST(client_invoke_says_what_it_wants),
    TEST(client_status_becomes_an_outcome),
    TEST(client_nobody_listening_is_unavailable),
    TEST(client_keeps_its_connection),
    TEST(client_silent_service_is_left_at_the_deadline),
    TEST(client_interrupt_ends_a_waiting_call),
    TEST(client_tries_again_only_what_may_be_repeated),
    TEST(client_does_not_wait_beyond_its_deadline),
    TEST(client_broken_connection_never_doubles_a_job),
    TEST(client_refuses_what_cannot_be_asked),
};
TEST_MAIN("client", tests)
