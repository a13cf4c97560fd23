/* SPDX-License-Identifier: MIT
 *
 * GOAL    nothing that reads or changes anything answers without a token of the right scope.
 * METHOD  every route of the router's own table, asked with every kind of token.
 */
#include "common/edge/crypto.h"
#include "coordinator/http/state.h"
#include "tests/support/api_ask.h"

#define TOKENS_COUNT 4

static const struct {
    const char *word;
    enum access_scope scope;
} scopes[TOKENS_COUNT] = {
    { "submit", ACCESS_SUBMIT },
    { "read", ACCESS_READ },
    { "cancel", ACCESS_CANCEL },
    { "admin", ACCESS_ADMIN },
};

/* What is known to be harmless, and what each other route needs; a route that is new has to
 * be written down here. */
static const struct {
    const char *route;
    enum access_scope scope;
} wanted[] = {
    { "GET /livez", ACCESS_OPEN },
    { "GET /readyz", ACCESS_OPEN },
    { "GET /version", ACCESS_OPEN },
    { "GET /openapi.json", ACCESS_OPEN },
    { "POST /v1/handlers/{}:invoke", ACCESS_SUBMIT },
    { "POST /v1/jobs", ACCESS_SUBMIT },
    { "GET /v1/jobs/{}", ACCESS_READ },
    { "GET /v1/jobs/{}/result", ACCESS_READ },
    { "GET /v1/jobs/{}/attempts", ACCESS_READ },
    { "GET /v1/jobs/{}/events", ACCESS_READ },
    { "GET /v1/events", ACCESS_READ },
    { "GET /v1/hedging/{}", ACCESS_READ },
    { "PUT /v1/hedging/{}", ACCESS_ADMIN },
    { "GET /v1/hedging/{}/samples", ACCESS_READ },
    { "GET /v1/jobs", ACCESS_READ },
    { "GET /v1/workers", ACCESS_READ },
    { "GET /v1/handlers", ACCESS_READ },
    { "GET /metrics", ACCESS_READ },
    { "POST /v1/jobs/{}:cancel", ACCESS_CANCEL },
};

static void
write_token(FILE *file, const char *name, const char *may, const char *token)
{
    uint8_t digest[CRYPTO_SHA256_SIZE];
    crypto_sha256(token, strlen(token), digest);
    fprintf(file, "%s %s ", name, may);
    for (size_t i = 0; i < sizeof digest; i++) {
        fprintf(file, "%02x", digest[i]);
    }
    fprintf(file, "\n");
}

/* The token of a scope is its word, "good for everything" that of all. */
static void
start_with_tokens(struct fake *fake, const char *path)
{
    FILE *file = fopen(path, "w");
    CHECK(file != NULL);
    for (unsigned i = 0; i < TOKENS_COUNT; i++) {
        write_token(file, "one", scopes[i].word, scopes[i].word);
    }
    write_token(file, "all", "all", "everything");
    CHECK(fclose(file) == 0);
    fake_start_as(fake,
        &(struct api_config){ .listen = "127.0.0.1:0", .hosts = "h", .token_file = path });
}

static int
status_of(
    const struct fake *fake, const char *method, const char *path, const char *authorization)
{
    char request[512];
    snprintf(request, sizeof request, "%s %s HTTP/1.1\r\n" HOST "%s\r\n", method, path,
        authorization);
    struct client client;
    bool has_body = strcmp(method, "HEAD") != 0;
    fake_connect(&client, fake);
    client_send(&client, request);
    /* A stream has no end: its head says enough. */
    struct answer answer = client_answer_to(&client, has_body);
    client_close(&client);
    int status = answer.status;
    if (has_body && (status == 401 || status == 403)) {
        CU_ASSERT_PTR_NOT_NULL(answer_header(&answer, "WWW-Authenticate"));
        CU_ASSERT_TRUE(answer_has(&answer, status == 401 ? "no-token" : "not-in-scope"));
    }
    answer_free(&answer);
    return status;
}

static enum access_scope
wanted_scope(const char *method, const char *pattern)
{
    char route[128];
    snprintf(route, sizeof route, "%s %s", method, pattern);
    for (unsigned i = 0; i < ARRAY_COUNT(wanted); i++) {
        if (strcmp(wanted[i].route, route) == 0) {
            return wanted[i].scope;
        }
    }
    printf("# %s: which scope it needs is not written here\n", route);
    CU_FAIL("a route without a scope");
    return ACCESS_OPEN;
}

static void
check_route(const struct fake *fake, const char *method, const char *pattern)
{
    char path[128];
    const char *hole = strstr(pattern, "{}");
    bool is_handler = strstr(pattern, "/jobs/") == NULL;
    snprintf(path, sizeof path, "%.*s%s%s",
        hole != NULL ? (int) (hole - pattern) : (int) strlen(pattern), pattern,
        hole == NULL ? ""
        : is_handler ? "echo"
                     : JOB_ID,
        hole != NULL ? hole + 2 : "");
    enum access_scope scope = wanted_scope(method, pattern);
    static const char *const none[] = { "", "Authorization: Bearer wrong\r\n",
        "Authorization: Basic everything\r\n", "Authorization: everything\r\n",
        "Authorization: Bearer everything\r\nAuthorization: Bearer everything\r\n" };
    for (unsigned i = 0; i < ARRAY_COUNT(none); i++) {
        int status = status_of(fake, method, path, none[i]);
        CU_ASSERT_EQUAL(status == 401, scope != ACCESS_OPEN);
        if (strcmp(method, "GET") == 0) {
            CU_ASSERT_EQUAL(status_of(fake, "HEAD", path, none[i]), status);
        }
    }
    for (unsigned i = 0; i < TOKENS_COUNT; i++) {
        char header[64];
        snprintf(header, sizeof header, "Authorization: Bearer %s\r\n", scopes[i].word);
        int status = status_of(fake, method, path, header);
        bool may = scope == ACCESS_OPEN || scope == scopes[i].scope;
        CU_ASSERT_EQUAL(status == 403, !may);
        CU_ASSERT_NOT_EQUAL(status, 401);
    }
    int status = status_of(fake, method, path, "Authorization: Bearer everything\r\n");
    CU_ASSERT_NOT_EQUAL(status, 401);
    CU_ASSERT_NOT_EQUAL(status, 403);
}

static void
access_every_route_wants_its_scope(void)
{
    struct fake fake;
    char path[] = "/tmp/hedgerow-tokens.XXXXXX";
    close(mkstemp(path));
    start_with_tokens(&fake, path);
    for (unsigned i = 0; i < routes_count(); i++) {
        const char *method;
        const char *pattern;
        routes_name(i, &method, &pattern);
        check_route(&fake, method, pattern);
    }
    /* Not one job of those without leave reached the shell. */
    ASSERT_I64_EQ(atomic_load(&fake.submits_count), 2);
    fake_stop(&fake);
    unlink(path);
}

/* GOAL    who may not submit is told before the body is sent, and closed on. */
static void
access_body_is_not_read_for_nothing(void)
{
    struct fake fake;
    struct client client;
    char path[] = "/tmp/hedgerow-tokens.XXXXXX";
    close(mkstemp(path));
    start_with_tokens(&fake, path);
    fake_connect(&client, &fake);
    client_send(&client, INVOKE("echo", "Content-Length: 1000000\r\n"));
    client_expect(&client, 401);
    CU_ASSERT_TRUE(client_sees_end(&client));
    client_close(&client);
    fake_stop(&fake);
    unlink(path);
}

/* GOAL    a key of one client finds no job of another's. */
static void
access_keys_are_each_clients_own(void)
{
    struct fake fake;
    char path[] = "/tmp/hedgerow-tokens.XXXXXX";
    close(mkstemp(path));
    start_with_tokens(&fake, path);
    static const char *const requests[] = {
        INVOKE("echo", "Idempotency-Key: k\r\nAuthorization: Bearer submit\r\n"),
        INVOKE("echo", "Idempotency-Key: k\r\nAuthorization: Bearer everything\r\n"),
        INVOKE("echo", "Idempotency-Key: k\r\nAuthorization: Bearer submit\r\n"),
    };
    for (unsigned i = 0; i < ARRAY_COUNT(requests); i++) {
        struct answer answer = fake_ask_status(&fake, requests[i], 200);
        CU_ASSERT_EQUAL(answer_header(&answer, "Idempotency-Replayed") != NULL, i == 2);
        answer_free(&answer);
    }
    ASSERT_I64_EQ(atomic_load(&fake.submits_count), 2);
    fake_stop(&fake);
    unlink(path);
}

/* GOAL    nobody listens beyond this machine without tokens by mistake. */
static void
access_listening_to_the_world_needs_tokens(void)
{
    struct loop *loop;
    struct api *api = NULL;
    char why[API_WHY_SIZE_MAX];
    const struct api_backend none = { 0 };
    CU_ASSERT_EQUAL_FATAL(loop_new(&loop), ERR_OK);
    struct api_config config = { .listen = ":0", .connections_max = 4, .input_size_max = 4096 };
    CU_ASSERT_EQUAL(api_new(loop, &config, &none, &api, why), ERR_AUTH);
    CU_ASSERT_PTR_NOT_NULL(strstr(why, "auth.token_file"));
    config.is_insecure = true;
    CU_ASSERT_EQUAL_FATAL(api_new(loop, &config, &none, &api, why), ERR_OK);
    api_free(api);
    config.token_file = "/nothing/here";
    CU_ASSERT_EQUAL(api_new(loop, &config, &none, &api, why), ERR_NOT_FOUND);
    CU_ASSERT_PTR_NOT_NULL(strstr(why, "the token file"));
    loop_free(loop);
}

static const struct test tests[] = {
    TEST(access_every_route_wants_its_scope),
    TEST(access_body_is_not_read_for_nothing),
    TEST(access_keys_are_each_clients_own),
    TEST(access_listening_to_the_world_needs_tokens),
};
TEST_MAIN("api_access", tests)
