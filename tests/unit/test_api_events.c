/* SPDX-License-Identifier: MIT
 *
 * Streams of events: whole, in order, resumed without a gap or a double.
 */
#include "tests/support/api_ask.h"

#define EVENTS "GET /v1/jobs/" JOB_ID "/events HTTP/1.1\r\n" HOST

/* All that has come, head and chunks, as text; reads until this is in it. */
static bool
reads_until(struct client *client, const char *text)
{
    while (
        client->size == 0 || memmem(client->bytes, client->size, text, strlen(text)) == NULL) {
        if (!client_fill(client)) {
            return false;
        }
    }
    return true;
}

static void
read_to_end(struct client *client)
{
    while (client_fill(client)) {
    }
    CU_ASSERT_TRUE(client->has_ended);
    client->bytes[client->size] = '\0';
}

static unsigned
count_of(const struct client *client, const char *text)
{
    unsigned count = 0;
    for (const char *at = client->bytes; (at = strstr(at, text)) != NULL; at += strlen(text)) {
        count++;
    }
    return count;
}

/* The id of the event of that name. */
static void
id_of(const struct client *client, const char *name, char id[40])
{
    char line[64];
    snprintf(line, sizeof line, "\nevent: %s\n", name);
    const char *event = strstr(client->bytes, line);
    CU_ASSERT_PTR_NOT_NULL_FATAL(event);
    const char *start = event;
    while (start > client->bytes && strncmp(start, "id: ", 4) != 0) {
        start--;
    }
    snprintf(id, 40, "%.*s", (int) (event - start - 4), start + 4);
}

static void
submit(const struct fake *fake, const char *handler)
{
    char request[256];
    snprintf(request, sizeof request,
        "POST /v1/handlers/%s:invoke HTTP/1.1\r\n" HOST "X-Job-Id: " JOB_ID
        "\r\nPrefer: respond-async\r\n\r\n",
        handler);
    struct answer answer = fake_ask_status(fake, request, 202);
    answer_free(&answer);
}

/* The whole stream of JOB_ID behind that id ("": from its beginning). */
static void
stream_of(const struct fake *fake, const char *last_id, struct client *client)
{
    char request[256];
    snprintf(request, sizeof request, EVENTS "%s%s%s\r\n",
        last_id[0] != '\0' ? "Last-Event-ID: " : "", last_id, last_id[0] != '\0' ? "\r\n" : "");
    fake_connect(client, fake);
    client_send(client, request);
    read_to_end(client);
}

static void
events_stream_ends_with_its_job(void)
{
    struct fake fake;
    struct client client;
    fake_start(&fake, 0, (struct api_limits){ 0 });
    submit(&fake, "hold");
    fake_connect(&client, &fake);
    client_send(&client, EVENTS "\r\n");
    CU_ASSERT_TRUE(reads_until(&client, "event: sent\n"));
    fake_release(&fake);
    read_to_end(&client);
    CU_ASSERT_PTR_NOT_NULL(strstr(client.bytes, "Content-Type: text/event-stream\r\n"));
    const char *accepted = strstr(client.bytes, "event: accepted\ndata: {\"job_id\":\"" JOB_ID);
    const char *sent = strstr(client.bytes, "event: sent\n");
    const char *finished = strstr(client.bytes, "event: finished\n");
    CU_ASSERT_TRUE(accepted != NULL && sent > accepted && finished > sent);
    CU_ASSERT_PTR_NOT_NULL(strstr(client.bytes, "\"worker\":\"w1\""));
    CU_ASSERT_PTR_NOT_NULL(strstr(client.bytes, "\"state\":\"SUCCEEDED\"}\n\n"));
    ASSERT_I64_EQ(count_of(&client, "event: "), 3);
    CU_ASSERT_PTR_NOT_NULL(strstr(client.bytes, "\r\n0\r\n\r\n")); /* the last chunk */
    client_close(&client);
    fake_stop(&fake);
}

/* GOAL    cut behind any event, the two halves are the whole: no gap, no double. */
static void
events_resume_behind_any_event(void)
{
    static const char *const names[] = { "accepted", "sent", "finished" };
    struct fake fake;
    struct client whole;
    fake_start(&fake, 0, (struct api_limits){ 0 });
    submit(&fake, "echo");
    stream_of(&fake, "", &whole);
    for (unsigned seen = 0; seen < ARRAY_COUNT(names); seen++) {
        struct client rest;
        char id[40];
        id_of(&whole, names[seen], id);
        stream_of(&fake, id, &rest);
        for (unsigned i = 0; i < ARRAY_COUNT(names); i++) {
            char line[64];
            snprintf(line, sizeof line, "event: %s\n", names[i]);
            ASSERT_I64_EQ(count_of(&rest, line), i > seen ? 1 : 0);
        }
        ASSERT_I64_EQ(count_of(&rest, "event: "), ARRAY_COUNT(names) - 1 - seen);
        client_close(&rest);
    }
    client_close(&whole);
    fake_stop(&fake);
}

/* GOAL    what is no longer kept, or was another process's, is told as a gap, and the end all
 *         the same. */
static void
events_lost_ones_are_told(void)
{
    struct fake fake;
    struct client client;
    char id[40];
    fake_start_as(
        &fake, &(struct api_config){ .listen = "127.0.0.1:0", .hosts = "h", .events_max = 4 });
    submit(&fake, "echo");
    stream_of(&fake, "", &client);
    id_of(&client, "accepted", id);
    client_close(&client);
    stream_of(&fake, "00000000-1", &client);
    ASSERT_I64_EQ(count_of(&client, "event: gap\ndata: {\"lost\":null}\n\n"), 1);
    ASSERT_I64_EQ(count_of(&client, "event: finished\n"), 1);
    client_close(&client);
    for (unsigned i = 0; i < 2; i++) {
        struct answer answer = fake_ask_status(&fake, INVOKE("echo", ""), 200);
        answer_free(&answer);
    }
    stream_of(&fake, id, &client);
    ASSERT_I64_EQ(count_of(&client, "event: gap\ndata: {\"lost\":4}\n\n"), 1);
    ASSERT_I64_EQ(count_of(&client, "event: finished\n"), 1);
    ASSERT_I64_EQ(count_of(&client, "event: "), 2);
    client_close(&client);
    stream_of(&fake, "", &client);
    ASSERT_I64_EQ(count_of(&client, "event: finished\n"), 1);
    client_close(&client);
    fake_stop(&fake);
}

static void
events_of_all_jobs_come_as_they_happen(void)
{
    struct fake fake;
    struct client client;
    fake_start(&fake, 0, (struct api_limits){ 0 });
    struct answer answer = fake_ask_status(&fake, INVOKE("echo", ""), 200);
    answer_free(&answer);
    fake_connect(&client, &fake);
    client_send(&client, GET("/v1/events"));
    CU_ASSERT_TRUE(reads_until(&client, "\r\n\r\n"));
    submit(&fake, "echo");
    CU_ASSERT_TRUE(reads_until(&client, "\"state\":\"SUCCEEDED\""));
    answer = fake_ask_status(&fake, INVOKE("fail", ""), 502);
    answer_free(&answer);
    CU_ASSERT_TRUE(reads_until(&client, "\"state\":\"FAILED\""));
    client.bytes[client.size] = '\0';
    ASSERT_I64_EQ(count_of(&client, "event: "), 6);
    client_close(&client);
    fake_stop(&fake);
}

/* GOAL    streams are bounded, and one that is left makes room. */
static void
events_streams_are_bounded(void)
{
    struct fake fake;
    struct client clients[3];
    fake_start(&fake, 8, (struct api_limits){ 0 });
    for (unsigned i = 0; i < ARRAY_COUNT(clients); i++) {
        fake_connect(&clients[i], &fake);
        client_send(&clients[i], GET("/v1/events"));
        CU_ASSERT_TRUE(reads_until(&clients[i], "\r\n\r\n"));
    }
    fake_expect(&fake, GET("/v1/events"), 429, "event streams");
    client_close(&clients[0]);
    fake_connect(&clients[0], &fake);
    instant_t until = instant_add(clock_now(), duration_s(10));
    int status = 429;
    while (status == 429 && !instant_reached(clock_now(), until)) {
        struct client client;
        fake_connect(&client, &fake);
        client_send(&client, GET("/v1/events"));
        CU_ASSERT_TRUE(reads_until(&client, "\r\n\r\n"));
        CU_ASSERT_EQUAL(sscanf(client.bytes, "HTTP/1.1 %d", &status), 1);
        client_close(&client);
    }
    ASSERT_I64_EQ(status, 200);
    for (unsigned i = 0; i < ARRAY_COUNT(clients); i++) {
        client_close(&clients[i]);
    }
    fake_stop(&fake);
}

static void
events_bad_requests_are_refused(void)
{
    struct fake fake;
    fake_start(&fake, 0, (struct api_limits){ 0 });
    fake_expect(&fake, EVENTS "\r\n", 404, "unknown-job");
    fake_expect(&fake, GET("/v1/jobs/zz/events"), 400, "no job's id");
    fake_expect(&fake, GET("/v1/events?x=1"), 400, "parameter");
    static const char *const ids[] = { "1", "-", "0000000-1", "00000000-", "00000000-x",
        "00000000-18446744073709551615" };
    for (unsigned i = 0; i < ARRAY_COUNT(ids); i++) {
        char request[256];
        snprintf(request, sizeof request,
            "GET /v1/events HTTP/1.1\r\n" HOST "Last-Event-ID: %s\r\n\r\n", ids[i]);
        fake_expect(&fake, request, 400, "Last-Event-ID");
    }
    struct client client;
    fake_connect(&client, &fake);
    client_send(&client, "HEAD /v1/events HTTP/1.1\r\n" HOST "\r\n");
    read_to_end(&client);
    CU_ASSERT_PTR_NOT_NULL(strstr(client.bytes, "text/event-stream"));
    CU_ASSERT_PTR_NULL(strstr(client.bytes, "\r\n\r\n0"));
    client_close(&client);
    fake_stop(&fake);
}

static const struct test tests[] = {
    TEST(events_stream_ends_with_its_job),
    TEST(events_resume_behind_any_event),
    TEST(events_lost_ones_are_told),
    TEST(events_of_all_jobs_come_as_they_happen),
    TEST(events_streams_are_bounded),
    TEST(events_bad_requests_are_refused),
};
TEST_MAIN("api_events", tests)
