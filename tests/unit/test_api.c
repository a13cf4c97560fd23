/* SPDX-License-Identifier: MIT */
#include "tests/support/api_ask.h"

static void
post_document(char *request, size_t room, const char *document)
{
    snprintf(request, room,
        "POST /v1/jobs HTTP/1.1\r\n" HOST "Content-Type: application/json\r\n"
        "Content-Length: %zu\r\n\r\n%s",
        strlen(document), document);
}

/* ---- routes --------------------------------------------------------------------------- */

static const struct {
    const char *request;
    int status;
    const char *body; /* part of it */
} routes[] = {
    { "GET /livez HTTP/1.1\r\n" HOST "\r\n", 200, "{\"live\":true}" },
    { "GET /readyz HTTP/1.1\r\n" HOST "\r\n", 200, "{\"ready\":true}" },
    { "GET /version HTTP/1.1\r\n" HOST "\r\n", 200, "\"api\":\"v1\"" },
    { "GET /metrics HTTP/1.1\r\n" HOST "\r\n", 200, "fake_metric 1\n" },
    { "GET http://h/livez HTTP/1.1\r\n" HOST "\r\n", 200, "live" },
    { "GET /livez HTTP/1.1\r\nHost: evil.example\r\n\r\n", 421, "\"code\":\"other-host\"" },
    { "GET /nothing HTTP/1.1\r\nHost: evil.example:80\r\n\r\n", 421, "\"field\":\"Host\"" },
    { "GET http://evil.example/livez HTTP/1.1\r\nHost: evil.example\r\n\r\n", 421, "" },
    { "POST /v1/handlers/echo:invoke HTTP/1.1\r\nHost: evil.example\r\n"
      "Content-Length: 5\r\nExpect: 100-continue\r\n\r\n",
        421, "" },
    { "GET /livez HTTP/1.1\r\nHost: 127.0.0.1:1\r\n\r\n", 200, "live" },
    { "GET /livez HTTP/1.0\r\n\r\n", 200, "live" },
    { "GET /%6civez HTTP/1.1\r\n" HOST "\r\n", 404, "no-route" },
    { "GET /v1/workers HTTP/1.1\r\n" HOST "\r\n", 200, "\"name\":\"w1\"" },
    { "GET /v1/workers HTTP/1.1\r\n" HOST "\r\n", 200,
        "\"handlers\":[\"echo\",\"hold\",\"fail\",\"html\",\"binary\"]" },
    { "GET /v1/handlers HTTP/1.1\r\n" HOST "\r\n", 200,
        "\"name\":\"echo\",\"idempotent\":true" },
    { "GET /v1/hedging/echo HTTP/1.1\r\n" HOST "\r\n", 200, "\"mode\":\"economy\"" },
    { "GET /v1/hedging/ecoh HTTP/1.1\r\n" HOST "\r\n", 404, "unknown-handler" },
    { "PUT /v1/hedging/echo HTTP/1.1\r\n" HOST "Content-Length: 28\r\n\r\n"
      "{\"mode\":\"off\",\"delay_ms\":20}",
        200, "\"mode\":\"off\",\"order\":{\"mode\":\"off\",\"delay_ms\":20.000}" },
    { "PUT /v1/hedging/echo HTTP/1.1\r\n" HOST "Content-Length: 13\r\n\r\n{\"mode\":\"on\"}",
        400, "\"field\":\"mode\"" },
    { "PUT /v1/hedging/echo HTTP/1.1\r\n" HOST "Content-Length: 15\r\n\r\n{\"delay_ms\":-1}",
        400, "\"field\":\"delay_ms\"" },
    { "PUT /v1/hedging/echo HTTP/1.1\r\n" HOST "Content-Length: 9\r\n\r\n{\"mod\":1}", 400,
        "\"field\":\"mod\"" },
    { "PUT /v1/hedging/echo HTTP/1.1\r\n" HOST "Content-Length: 1\r\n\r\n[", 400,
        "\"field\":\"body\"" },
    { "PUT /v1/hedging/echo HTTP/1.1\r\n" HOST "Content-Length: 2\r\n\r\n{}", 200,
        "\"order\":{\"mode\":null,\"delay_ms\":null}" },
    { "GET /v1/hedging/echo/samples HTTP/1.1\r\n" HOST "\r\n", 200, "" },
    { "GET /v1/hedging/echo/samples?after=x HTTP/1.1\r\n" HOST "\r\n", 400,
        "\"field\":\"after\"" },
    { "GET /v1/hedging/echo/samples?page_size=0 HTTP/1.1\r\n" HOST "\r\n", 400,
        "\"field\":\"page_size\"" },
    { "GET /v1/hedging/ecoh/samples HTTP/1.1\r\n" HOST "\r\n", 404, "unknown-handler" },
    { "GET /v1/jobs HTTP/1.1\r\n" HOST "\r\n", 200, "\"next_page_token\":null" },
    { "GET /v1/jobs?stat=RUNNING HTTP/1.1\r\n" HOST "\r\n", 400, "\"nearest\":\"state\"" },
    { "GET /v1/jobs?state=RUNING HTTP/1.1\r\n" HOST "\r\n", 400, "\"nearest\":\"RUNNING\"" },
    { "GET /v1/jobs?page_size=0 HTTP/1.1\r\n" HOST "\r\n", 400, "\"field\":\"page_size\"" },
    { "GET /v1/jobs?page_token=zz HTTP/1.1\r\n" HOST "\r\n", 400, "\"field\":\"page_token\"" },
    { "GET /v1/jobs/zz HTTP/1.1\r\n" HOST "\r\n", 400, "no job's id" },
    { "GET /v1/jobs/01936a0e-7c3b-7d0a-9a57-3e1f0c5b2a44 HTTP/1.1\r\n" HOST "\r\n", 404,
        "unknown-job" },
    { "POST /v1/jobs/01936a0e-7c3b-7d0a-9a57-3e1f0c5b2a44:cancel HTTP/1.1\r\n" HOST "\r\n", 404,
        "unknown-job" },
    { "GET /v1/jobs/01936a0e-7c3b-7d0a-9a57-3e1f0c5b2a44:stop HTTP/1.1\r\n" HOST "\r\n", 404,
        "no-route" },
    { "GET /nothing HTTP/1.1\r\n" HOST "\r\n", 404, "no-route" },
    { "PUT /v1/jobs HTTP/1.1\r\n" HOST "\r\n", 405, "method-not-allowed" },
    { "DELETE /livez HTTP/1.1\r\n" HOST "\r\n", 405, "GET, HEAD" },
    { "GET /v1/handlers/echo:invoke HTTP/1.1\r\n" HOST "\r\n", 405, "this path takes POST" },
    { "POST /v1/handlers/echo:invoke HTTP/1.1\r\n" HOST "Content-Length: 5\r\n\r\nhello", 200,
        "hello" },
    { "POST /v1/handlers/echo:invoke HTTP/1.1\r\n" HOST "\r\n", 200, "" },
    { "POST /v1/handlers/ecoh:invoke HTTP/1.1\r\n" HOST "\r\n", 404, "\"nearest\":\"echo\"" },
    { "POST /v1/handlers/%65cho:invoke HTTP/1.1\r\n" HOST "Content-Length: 2\r\n\r\nok", 200,
        "ok" },
    { "POST /v1/handlers/a%00b:invoke HTTP/1.1\r\n" HOST "\r\n", 400, "bad-request" },
    { "POST /v1/handlers/nobody:invoke HTTP/1.1\r\n" HOST "\r\n", 503, "no-worker" },
    { "POST /v1/handlers/fail:invoke HTTP/1.1\r\n" HOST "\r\n", 502,
        "\"message\":\"it broke\"" },
    { "POST /v1/handlers/echo:invoke?timeout=fast HTTP/1.1\r\n" HOST "\r\n", 400,
        "300ms, 2.5s or 1m30s" },
    { "POST /v1/handlers/echo:invoke?timeout=0 HTTP/1.1\r\n" HOST "\r\n", 400,
        "longer than 0" },
    { "POST /v1/handlers/echo:invoke?timeuot=1 HTTP/1.1\r\n" HOST "\r\n", 400,
        "\"nearest\":\"timeout\"" },
    { "POST /v1/handlers/echo:invoke?hedge=maybe HTTP/1.1\r\n" HOST "\r\n", 400, "hedge" },
    { "POST /v1/handlers/echo:invoke?mode=rce HTTP/1.1\r\n" HOST "\r\n", 400,
        "\"nearest\":\"race\"" },
    { "POST /v1/handlers/echo:invoke?copies=6 HTTP/1.1\r\n" HOST "\r\n", 400, "from 1 to 5" },
    { "POST /v1/handlers/echo:invoke?copies=2x HTTP/1.1\r\n" HOST "\r\n", 400, "from 1 to 5" },
    { "POST /v1/handlers/echo:invoke?idempotent=yes HTTP/1.1\r\n" HOST "\r\n", 400,
        "true nor false" },
    { "POST /v1/handlers/echo:invoke?on_disconnect=x HTTP/1.1\r\n" HOST "\r\n", 400,
        "cancel nor detach" },
    { "POST /v1/handlers/"
      "echo:invoke?timeout=1m&hedge=20ms&mode=race&copies=1&max_attempts=3&idempotent=false"
      "&on_disconnect=detach HTTP/1.1\r\n" HOST "Content-Length: 2\r\n\r\nok",
        200, "ok" },
    { "POST /v1/handlers/echo:invoke HTTP/1.1\r\n" HOST "X-Request-Timeout: 2.5s\r\n"
      "grpc-timeout: 2500m\r\nContent-Length: 2\r\n\r\nok",
        200, "ok" },
    { "POST /v1/handlers/echo:invoke HTTP/1.1\r\n" HOST "grpc-timeout: 2500x\r\n\r\n", 400,
        "grpc-timeout" },
    { "POST /v1/handlers/echo:invoke HTTP/1.1\r\n" HOST "X-Request-Timeout: 1\r\n"
      "X-Request-Timeout: 2\r\n\r\n",
        400, "more than one" },
    { "POST /v1/handlers/echo:invoke HTTP/1.1\r\n" HOST "X-Job-Id: 7\r\n\r\n", 400,
        "version 7" },
};

/* GOAL    the table of API.md: each route, and each way to get it wrong, says what it should.
 * METHOD  real sockets, one connection each. */
static void
api_each_route_answers_as_documented(void)
{
    struct fake fake;
    fake_start(&fake, 0, (struct api_limits){ 0 });
    for (unsigned i = 0; i < ARRAY_COUNT(routes); i++) {
        struct answer answer = fake_ask(&fake, routes[i].request);
        if (answer.status != routes[i].status) {
            printf("# %s", routes[i].request);
        }
        ASSERT_I64_EQ(answer.status, routes[i].status);
        CU_ASSERT_TRUE(answer_has(&answer, routes[i].body));
        answer_free(&answer);
    }
    fake_stop(&fake);
}

static const struct {
    const char *document;
    int status;
    const char *body;
} documents[] = {
    { "{\"handler\":\"echo\",\"input\":{\"a\": [1, 2.50, \"\\u00e9\"]}}", 200,
        "\"json\":{\"a\": [1, 2.50, \"\\u00e9\"]}" },
    { "{\"handler\":\"echo\",\"input\": 123456789012345678901234567890 }", 200,
        "\"json\":123456789012345678901234567890" },
    { "{\"handler\":\"echo\",\"input\":\"text\"}", 200, "\"json\":\"text\"" },
    { "{\"handler\":\"echo\",\"input\":null}", 200, "\"json\":null" },
    { "{\"handler\":\"echo\"}", 200, "\"size\":1" },
    { "{\"handler\":\"echo\",\"input_text\":\"a\\nb\\u00e9\\ud83d\\ude00\"}", 200,
        "\"text\":\"a\\nb\xc3\xa9\xf0\x9f\x98\x80\"" },
    { "{\"handler\":\"echo\",\"input_text\":\"a\",\"content_type\":\"text/x\"}", 200,
        "\"content_type\":\"text/x\"" },
    { "{\"handler\":\"echo\",\"input_base64\":\"AP8=\"}", 200, "\"base64\":\"AP8=\"" },
    { "{\"handler\":\"echo\",\"input_base64\":\"aGk\\/\"}", 200, "\"text\":\"hi?\"" },
    { "{\"handler\":\"echo\",\"input_base64\":\"AP8\"}", 400, "input_base64" },
    { "{\"handler\":\"echo\",\"input_base64\":7}", 400, "input_base64" },
    { "{\"handler\":\"echo\",\"input_text\":\"\\ud83d\"}", 400, "input_text" },
    { "{\"handler\":\"echo\",\"input\":1,\"input_text\":\"a\"}", 400, "only one of" },
    { "{\"handler\":\"echo\",\"input\":1,\"input\":2}", 400, "duplicate" },
    { "{\"handler\":\"echo\",\"handler\":\"echo\"}", 400, "duplicate" },
    { "{\"handler\":\"html\"}", 200, "\"text\":\"<b>\"" },
    { "{\"handler\":\"binary\"}", 200, "\"base64\":\"AP8=\"" },
    { "{\"handler\":\"fail\"}", 502, "\"code\":\"handler-failed\"" },
    { "{\"handler\":\"ecko\"}", 404, "did you mean 'echo'?" },
    { "{\"handler\":\"nobody\"}", 503, "\"retryable\":true" },
    { "{\"handler\":7}", 400, "\"field\":\"handler\"" },
    { "{}", 400, "'handler' is missing" },
    { "[]", 400, "is not an object" },
    { "", 400, "ends too early" },
    { "{\"handler\":\"echo\"", 400, "ends too early" },
    { "{\"handler\":\"echo\"} x", 400, "goes wrong at byte 19" },
    { "{\"handler\":\"echo\",\"input\":[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]}", 400,
        "deeper than" },
    { "{\"handler\":\"echo\",\"timout_ms\":1}", 400, "\"nearest\":\"timeout_ms\"" },
    { "{\"handler\":\"echo\",\"timeout_ms\":0}", 400, "\"field\":\"timeout_ms\"" },
    { "{\"handler\":\"echo\",\"timeout_ms\":\"1s\"}", 400, "\"field\":\"timeout_ms\"" },
    { "{\"handler\":\"echo\",\"timeout_ms\":1500}", 200, "\"timeout_ms\":1500.000" },
    { "{\"handler\":\"echo\",\"timeout_ms\":1e12}", 400, "\"field\":\"timeout_ms\"" },
    { "{\"handler\":\"echo\",\"hedge\":{\"delay\":\"20ms\"}}", 200,
        "\"hedge\":{\"on\":true,\"delay_ms\":20.000" },
    { "{\"handler\":\"echo\",\"hedge\":{\"delay\":7.5}}", 200, "\"delay_ms\":7.500" },
    { "{\"handler\":\"echo\",\"hedge\":{\"delay\":\"auto\"}}", 200, "\"mode\":\"hedge\"" },
    { "{\"handler\":\"echo\",\"hedge\":{\"delay\":\"soon\"}}", 400,
        "\"field\":\"hedge.delay\"" },
    { "{\"handler\":\"echo\",\"hedge\":{\"delay\":true}}", 400, "\"field\":\"hedge.delay\"" },
    { "{\"handler\":\"echo\",\"hedge\":{\"enabled\":false}}", 200, "\"mode\":\"single\"" },
    { "{\"handler\":\"echo\",\"hedge\":{\"enabled\":1}}", 400, "\"field\":\"hedge.enabled\"" },
    { "{\"handler\":\"echo\",\"hedge\":{\"max_attempt\":1}}", 400,
        "\"field\":\"hedge.max_attempt\"" },
    { "{\"handler\":\"echo\",\"hedge\":{\"max_attempts\":9}}", 400, "from 1 to 5" },
    { "{\"handler\":\"echo\",\"hedge\":[]}", 400, "hedge is not an object" },
    { "{\"handler\":\"echo\",\"fanout\":{\"mode\":\"race\",\"copies\":1}}", 200,
        "\"mode\":\"race\"" },
    { "{\"handler\":\"echo\",\"fanout\":{\"mode\":\"rase\"}}", 400, "\"nearest\":\"race\"" },
    { "{\"handler\":\"echo\",\"fanout\":{\"mode\":1}}", 400, "\"field\":\"fanout.mode\"" },
    { "{\"handler\":\"echo\",\"fanout\":{\"copies\":1.5}}", 400, "from 1 to 5" },
    { "{\"handler\":\"echo\",\"idempotent\":false}", 200, "SUCCEEDED" },
    { "{\"handler\":\"echo\",\"idempotent\":\"no\"}", 400, "true or false" },
    { "{\"handler\":\"echo\",\"on_disconnect\":\"detach\"}", 200, "SUCCEEDED" },
    { "{\"handler\":\"echo\",\"on_disconnect\":7}", 400, "\"field\":\"on_disconnect\"" },
    { "{\"handler\":\"echo\",\"content_type\":\"a\\r\\nb\"}", 400,
        "\"field\":\"content_type\"" },
    { "{\"handler\":\"echo\",\"content_type\":1}", 400, "\"field\":\"content_type\"" },
    { "{\"handler\":\"echo\",\"hedge\":null,\"idempotent\":null}", 200, "SUCCEEDED" },
};

static void
api_each_document_is_understood_or_explained(void)
{
    struct fake fake;
    fake_start(&fake, 0, (struct api_limits){ 0 });
    for (unsigned i = 0; i < ARRAY_COUNT(documents); i++) {
        char request[1024];
        post_document(request, sizeof request, documents[i].document);
        struct answer answer = fake_ask(&fake, request);
        if (answer.status != documents[i].status) {
            printf("# %s\n", documents[i].document);
        }
        ASSERT_I64_EQ(answer.status, documents[i].status);
        CU_ASSERT_TRUE(answer_has(&answer, documents[i].body));
        answer_free(&answer);
    }
    struct answer answer =
        fake_ask(&fake, "POST /v1/jobs HTTP/1.1\r\n" HOST "Content-Length: 2\r\n\r\n{}");
    ASSERT_I64_EQ(answer.status, 415);
    answer_free(&answer);
    fake_stop(&fake);
}

/* ---- headers -------------------------------------------------------------------------- */

static void
api_answer_names_the_job_and_its_winner(void)
{
    struct fake fake;
    fake_start(&fake, 0, (struct api_limits){ 0 });
    const char *request = "POST /v1/handlers/echo:invoke HTTP/1.1\r\n" HOST "X-Job-Id: " JOB_ID
                          "\r\nContent-Type: text/x\r\n"
                          "Content-Length: 2\r\n\r\nok";
    struct answer answer = fake_ask(&fake, request);
    ASSERT_I64_EQ(answer.status, 200);
    ASSERT_STR_EQ(answer_header(&answer, "X-Job-Id"), JOB_ID);
    ASSERT_STR_EQ(answer_header(&answer, "X-Job-Attempts"), "1");
    ASSERT_STR_EQ(answer_header(&answer, "X-Job-Winner"), "primary/w1");
    ASSERT_STR_EQ(answer_header(&answer, "Content-Type"), "text/x");
    CU_ASSERT_PTR_NOT_NULL(strstr(answer_header(&answer, "Server-Timing"), "total;dur="));
    ASSERT_STR_EQ(answer_header(&answer, "X-Content-Type-Options"), "nosniff");
    CU_ASSERT_PTR_NOT_NULL(answer_header(&answer, "Date"));
    CU_ASSERT_PTR_NULL(answer_header(&answer, "Connection"));
    answer_free(&answer);

    answer = fake_ask(&fake, request);
    ASSERT_I64_EQ(answer.status, 409);
    CU_ASSERT_TRUE(answer_has(&answer, "duplicate-job"));
    CU_ASSERT_TRUE(answer_has(&answer, JOB_ID));
    answer_free(&answer);

    answer = fake_ask(&fake, "GET /v1/jobs/" JOB_ID " HTTP/1.1\r\n" HOST "\r\n");
    ASSERT_I64_EQ(answer.status, 200);
    CU_ASSERT_TRUE(answer_has(&answer, "\"state\":\"SUCCEEDED\""));
    CU_ASSERT_TRUE(answer_has(&answer, "\"winner\":{\"attempt\":1,\"kind\":\"primary\""));
    CU_ASSERT_TRUE(answer_has(&answer, "\"created_at\":\"20"));
    answer_free(&answer);
    answer = fake_ask(&fake, "GET /v1/jobs/" JOB_ID "/attempts HTTP/1.1\r\n" HOST "\r\n");
    CU_ASSERT_TRUE(answer_has(&answer, "{\"attempts\":[{\"number\":1,"));
    answer_free(&answer);
    answer = fake_ask(&fake, "GET /v1/jobs/" JOB_ID "/result HTTP/1.1\r\n" HOST "\r\n");
    ASSERT_STR_EQ(answer.body, "ok");
    answer_free(&answer);
    fake_stop(&fake);
}

/* Of all the times that are asked for, the shortest holds. */
static void
api_shortest_timeout_holds(void)
{
    struct fake fake;
    fake_start(&fake, 0, (struct api_limits){ 0 });
    struct answer answer = fake_ask(&fake,
        "POST /v1/handlers/echo:invoke?timeout=1m HTTP/1.1\r\n" HOST "X-Job-Id: " JOB_ID "\r\n"
        "X-Request-Timeout: 2.5s\r\ngrpc-timeout: 1500m\r\nContent-Length: 1\r\n\r\na");
    ASSERT_I64_EQ(answer.status, 200);
    answer_free(&answer);
    answer = fake_ask(&fake, "GET /v1/jobs/" JOB_ID " HTTP/1.1\r\n" HOST "\r\n");
    CU_ASSERT_TRUE(answer_has(&answer, "\"timeout_ms\":1500.000"));
    answer_free(&answer);
    fake_stop(&fake);
}

/* A handler's content type must not become a header of its own. */
static void
api_evil_content_type_is_dropped(void)
{
    struct fake fake;
    fake_start(&fake, 0, (struct api_limits){ 0 });
    struct answer answer =
        fake_ask(&fake, "POST /v1/handlers/binary:invoke HTTP/1.1\r\n" HOST "\r\n");
    ASSERT_I64_EQ(answer.status, 200);
    ASSERT_I64_EQ(answer.body_size, 2);
    CU_ASSERT_PTR_NULL(answer_header(&answer, "X-Evil"));
    ASSERT_STR_EQ(answer_header(&answer, "Content-Type"), "application/octet-stream");
    answer_free(&answer);
    answer = fake_ask(&fake, "PUT /v1/jobs HTTP/1.1\r\n" HOST "\r\n");
    ASSERT_STR_EQ(answer_header(&answer, "Allow"), "POST, GET, HEAD");
    answer_free(&answer);
    answer = fake_ask(&fake, "POST /v1/handlers/nobody:invoke HTTP/1.1\r\n" HOST "\r\n");
    CU_ASSERT_PTR_NOT_NULL(answer_header(&answer, "Retry-After"));
    answer_free(&answer);
    fake_stop(&fake);
}

static void
api_head_has_the_size_but_no_body(void)
{
    struct fake fake;
    struct client client;
    fake_start(&fake, 0, (struct api_limits){ 0 });
    fake_connect(&client, &fake);
    client_send(
        &client, "HEAD /livez HTTP/1.1\r\n" HOST "\r\nGET /livez HTTP/1.1\r\n" HOST "\r\n");
    struct answer head = client_answer_to(&client, false);
    struct answer get = client_answer(&client);
    ASSERT_I64_EQ(head.status, 200);
    ASSERT_STR_EQ(answer_header(&head, "Content-Length"), "14");
    ASSERT_I64_EQ(get.body_size, 14);
    answer_free(&head);
    answer_free(&get);
    client_close(&client);
    fake_stop(&fake);
}

/* ---- jobs over time ------------------------------------------------------------------- */

static void
api_wait_answers_when_the_job_is_over(void)
{
    struct fake fake;
    struct client submitter;
    struct client reader;
    fake_start(&fake, 0, (struct api_limits){ 0 });
    fake_connect(&submitter, &fake);
    fake_connect(&reader, &fake);
    client_send(&submitter,
        "POST /v1/handlers/hold:invoke HTTP/1.1\r\n" HOST "X-Job-Id: " JOB_ID "\r\n\r\n");
    CU_ASSERT_TRUE(fake_reaches(&fake.submits_count, 1));

    client_send(&reader, "GET /v1/jobs/" JOB_ID "?wait=1ms HTTP/1.1\r\n" HOST "\r\n");
    struct answer answer = client_answer(&reader);
    ASSERT_I64_EQ(answer.status, 200);
    CU_ASSERT_TRUE(answer_has(&answer, "\"state\":\"RUNNING\""));
    answer_free(&answer);
    client_send(&reader, "GET /v1/jobs/" JOB_ID "/result HTTP/1.1\r\n" HOST "\r\n");
    answer = client_answer(&reader);
    ASSERT_I64_EQ(answer.status, 202);
    answer_free(&answer);

    client_send(&reader, "GET /v1/jobs/" JOB_ID "?wait=1m HTTP/1.1\r\n" HOST "\r\n"
                         "GET /livez HTTP/1.1\r\n" HOST "\r\n");
    fake_release(&fake);
    answer = client_answer(&reader);
    CU_ASSERT_TRUE(answer_has(&answer, "\"state\":\"SUCCEEDED\""));
    CU_ASSERT_TRUE(answer_has(&answer, "\"text\":\"released\""));
    answer_free(&answer);
    answer = client_answer(&reader);
    CU_ASSERT_TRUE(answer_has(&answer, "live"));
    answer_free(&answer);
    answer = client_answer(&submitter);
    ASSERT_STR_EQ(answer.body, "released");
    answer_free(&answer);
    ASSERT_I64_EQ(atomic_load(&fake.cancels_count[CAUSE_CLIENT_GONE]), 0);
    client_close(&submitter);
    client_close(&reader);
    fake_stop(&fake);
}

static void
api_cancel_stops_the_job_and_tells_its_client(void)
{
    struct fake fake;
    struct client submitter;
    fake_start(&fake, 0, (struct api_limits){ 0 });
    fake_connect(&submitter, &fake);
    client_send(&submitter,
        "POST /v1/handlers/hold:invoke HTTP/1.1\r\n" HOST "X-Job-Id: " JOB_ID "\r\n\r\n");
    CU_ASSERT_TRUE(fake_reaches(&fake.submits_count, 1));
    for (unsigned i = 0; i < 2; i++) {
        struct answer cancel =
            fake_ask(&fake, "POST /v1/jobs/" JOB_ID ":cancel HTTP/1.1\r\n" HOST "\r\n");
        ASSERT_I64_EQ(cancel.status, 200);
        CU_ASSERT_TRUE(answer_has(&cancel, "\"state\":\"CANCELLED\",\"cause\":\"user\""));
        CU_ASSERT_TRUE(answer_has(&cancel, "\"cancel_stopped_after_ms\":1.500"));
        answer_free(&cancel);
    }
    struct answer answer = client_answer(&submitter);
    ASSERT_I64_EQ(answer.status, 499);
    CU_ASSERT_TRUE(answer_has(&answer, "\"cause\":\"user\""));
    answer_free(&answer);
    ASSERT_I64_EQ(atomic_load(&fake.cancels_count[CAUSE_USER]), 1);
    answer = fake_ask(&fake,
        "POST /v1/jobs/" JOB_ID ":cancel HTTP/1.1\r\n" HOST "Content-Length: 1\r\n\r\nx");
    ASSERT_I64_EQ(answer.status, 400);
    answer_free(&answer);
    client_close(&submitter);
    fake_stop(&fake);
}

/* GOAL    every job is on exactly one page, newest first. */
static void
api_list_pages_hold_each_job_once(void)
{
    struct fake fake;
    fake_start(&fake, 0, (struct api_limits){ 0 });
    for (unsigned i = 0; i < 7; i++) {
        char request[256];
        snprintf(request, sizeof request,
            "POST /v1/handlers/%s:invoke HTTP/1.1\r\n" HOST
            "X-Job-Id: 01936a0e-7c3b-7d0a-9a57-00000000000%u\r\n\r\n",
            i == 3 ? "fail" : "echo", i);
        struct answer answer = fake_ask(&fake, request);
        answer_free(&answer);
    }
    char token[64] = "";
    char order[8] = "";
    for (unsigned page = 0; page < 4; page++) {
        char request[256];
        snprintf(request, sizeof request,
            "GET /v1/jobs?page_size=2&page_token=%s HTTP/1.1\r\n" HOST "\r\n", token);
        struct answer answer = fake_ask(&fake, request);
        ASSERT_I64_EQ(answer.status, 200);
        const char *at = answer.body;
        while ((at = strstr(at, "\"id\":\"")) != NULL) {
            at += strlen("\"id\":\"") + ID_TEXT_SIZE - 2;
            strncat(order, at, 1);
        }
        const char *next = strstr(answer.body, "\"next_page_token\":\"");
        CU_ASSERT_EQUAL(next != NULL, page < 3);
        if (next != NULL) {
            snprintf(token, sizeof token, "%.36s", next + strlen("\"next_page_token\":\""));
        }
        answer_free(&answer);
    }
    ASSERT_STR_EQ(order, "6543210");
    struct answer answer =
        fake_ask(&fake, "GET /v1/jobs?state=FAILED&handler=fail HTTP/1.1\r\n" HOST "\r\n");
    CU_ASSERT_TRUE(answer_has(&answer, "9a57-000000000003"));
    CU_ASSERT_PTR_NULL(strstr(answer.body, "9a57-000000000002"));
    answer_free(&answer);
    fake_stop(&fake);
}

static const struct test tests[] = {
    TEST(api_each_route_answers_as_documented),
    TEST(api_each_document_is_understood_or_explained),
    TEST(api_answer_names_the_job_and_its_winner),
    TEST(api_shortest_timeout_holds),
    TEST(api_evil_content_type_is_dropped),
    TEST(api_head_has_the_size_but_no_body),
    TEST(api_wait_answers_when_the_job_is_over),
    TEST(api_cancel_stops_the_job_and_tells_its_client),
    TEST(api_list_pages_hold_each_job_once),
};
TEST_MAIN("api", tests)
