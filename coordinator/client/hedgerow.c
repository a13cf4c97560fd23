/* SPDX-License-Identifier: MIT */
#include "coordinator/client/hedgerow.h"

#include "common/pure/id.h"
#include "common/sys/clock.h"
#include "coordinator/client/interrupt.h"
#include "coordinator/client/problem.h"
#include "coordinator/client/transport.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/random.h>

#define URL_SIZE_MAX    1024
#define HEADER_SIZE_MAX 384
#define TIMEOUT_MS_MAX  (3600 * INT64_C(1000)) /* the service's own bound of a job */
#define TIMEOUT_MS_ASK  (10 * INT64_C(1000))
#define TOKEN_SIZE_MAX  256
#define TRIES_MAX       16

struct hedgerow_client {
    char *server; /* without a slash at its end */
    struct transport *transport;
    char *authorization; /* "Bearer TOKEN"; NULL: none */
};

/* One request, before it is known how often it is tried. */
struct asking {
    bool is_post;
    bool may_repeat;
    bool is_again;
    const char *url;
    const struct hedgerow_call *call; /* NULL: not about a new job */
    bool is_async;
    int64_t timeout_ms; /* 0: none was said */
    instant_t deadline;
    struct hedgerow_interrupt *interrupt;
};

struct headers {
    char texts[TRANSPORT_HEADERS_MAX][HEADER_SIZE_MAX];
    unsigned count;
};

const char *
hedgerow_outcome_text(enum hedgerow_outcome outcome)
{
    switch (outcome) {
    case HEDGEROW_OK: return "ok";
    case HEDGEROW_FAILED: return "failed";
    case HEDGEROW_INVALID: return "invalid";
    case HEDGEROW_NOT_FOUND: return "not_found";
    case HEDGEROW_DENIED: return "denied";
    case HEDGEROW_CANCELLED: return "cancelled";
    case HEDGEROW_UNAVAILABLE: return "unavailable";
    case HEDGEROW_OVERLOADED: return "overloaded";
    case HEDGEROW_DEADLINE: return "deadline";
    case HEDGEROW_INTERRUPTED: return "interrupted";
    case HEDGEROW_BROKEN: return "broken";
    }
    CHECK_UNREACHABLE();
}

/* ---- clients --------------------------------------------------------------------------- */

struct hedgerow_client *
hedgerow_client_new(const char *server)
{
    struct hedgerow_client *client = calloc(1, sizeof *client);
    if (client == NULL) {
        return NULL;
    }
    if (server == NULL || server[0] == '\0') {
        server = HEDGEROW_SERVER_DEFAULT;
    }
    /* "host:port" is what people type. */
    const char *scheme = strstr(server, "://") != NULL ? "" : "http://";
    size_t size = strlen(server);
    while (size > 0 && server[size - 1] == '/') {
        size--;
    }
    client->server = malloc(strlen(scheme) + size + 1);
    if (client->server == NULL ||
        transport_new(HEDGEROW_BODY_SIZE_MAX, &client->transport) != ERR_OK) {
        hedgerow_client_free(client);
        return NULL;
    }
    snprintf(client->server, strlen(scheme) + size + 1, "%s%.*s", scheme, (int) size, server);
    return client;
}

static void
forget_token(struct hedgerow_client *client)
{
    if (client->authorization != NULL) {
        explicit_bzero(client->authorization, strlen(client->authorization));
        free(client->authorization);
        client->authorization = NULL;
    }
}

int
hedgerow_client_set_token(struct hedgerow_client *client, const char *token)
{
    forget_token(client);
    if (token == NULL) {
        return 0;
    }
    size_t size = strlen(token);
    bool is_good = size > 0 && size <= TOKEN_SIZE_MAX;
    for (size_t i = 0; is_good && i < size; i++) {
        is_good = token[i] > ' ' && token[i] < 0x7f;
    }
    if (!is_good || asprintf(&client->authorization, "Bearer %s", token) < 0) {
        client->authorization = NULL;
        return -1;
    }
    return 0;
}

void
hedgerow_client_free(struct hedgerow_client *client)
{
    if (client == NULL) {
        return;
    }
    transport_free(client->transport);
    forget_token(client);
    free(client->server);
    free(client);
}

const char *
hedgerow_client_server(const struct hedgerow_client *client)
{
    return client->server;
}

void
hedgerow_reply_fini(struct hedgerow_reply *reply)
{
    free(reply->body);
    reply->body = NULL;
    reply->body_size = 0;
}

void
hedgerow_job_id_make(char id[HEDGEROW_ID_SIZE])
{
    uint8_t random[10];
    /* So few bytes never come short, and only a kernel that has just booted waits. */
    CHECK(getrandom(random, sizeof random, 0) == (ssize_t) sizeof random);
    id_to_text(id_from_parts(clock_unix_ms(), random), id);
}

/* ---- one request, tried as often as is safe ---------------------------------------------- */

static void
headers_add(struct headers *headers, const char *name, const char *value)
{
    CHECK(headers->count < TRANSPORT_HEADERS_MAX);
    snprintf(headers->texts[headers->count++], HEADER_SIZE_MAX, "%s: %s", name, value);
}

/* The remaining time shrinks with every try, so headers are made for each. */
static void
headers_make(struct headers *headers, const struct asking *asking)
{
    headers->count = 0;
    headers_add(headers, "Accept", "*/*");
    if (!asking->is_post) {
        return;
    }
    /* Else curl waits a second for leave to send a large body. */
    snprintf(headers->texts[headers->count++], HEADER_SIZE_MAX, "Expect:");
    const struct hedgerow_call *call = asking->call;
    if (call == NULL) {
        return;
    }
    headers_add(headers, "Content-Type",
        call->content_type != NULL ? call->content_type : "application/octet-stream");
    if (asking->timeout_ms > 0) {
        char left[32];
        duration_t remaining = duration_ns(instant_until(clock_now(), asking->deadline).ns -
                                           duration_ms(HEDGEROW_GRACE_MS).ns);
        duration_t wanted = duration_ms(asking->timeout_ms);
        /* The first try says what was asked for, not what a clock made of it meanwhile. */
        int64_t left_us = asking->is_again ? duration_to_us(remaining) : duration_to_us(wanted);
        snprintf(left, sizeof left, "%" PRId64 "us", left_us > 1 ? left_us : 1);
        headers_add(headers, "X-Request-Timeout", left);
    }
    if (call->job_id != NULL) {
        headers_add(headers, "X-Job-Id", call->job_id);
    }
    if (call->traceparent != NULL) {
        headers_add(headers, "traceparent", call->traceparent);
    }
    if (call->idempotency_key != NULL) {
        headers_add(headers, "Idempotency-Key", call->idempotency_key);
    }
    if (asking->is_async) {
        headers_add(headers, "Prefer", "respond-async");
    }
}

static err_t
asking_try(struct hedgerow_client *client, const struct asking *asking,
    struct transport_answer *ret_answer)
{
    struct headers headers;
    headers_make(&headers, asking);
    if (client->authorization != NULL) {
        headers_add(&headers, "Authorization", client->authorization);
    }
    struct transport_request request = {
        .url = asking->url,
        .is_post = asking->is_post,
        .headers_count = headers.count,
        .body = asking->call != NULL ? asking->call->input : NULL,
        .body_size = asking->call != NULL ? asking->call->input_size : 0,
        .may_repeat = asking->may_repeat,
        .deadline = asking->deadline,
        .interrupt_fd = interrupt_fd(asking->interrupt),
    };
    for (unsigned i = 0; i < headers.count; i++) {
        request.headers[i] = headers.texts[i];
    }
    return transport_exchange(client->transport, &request, ret_answer);
}

static bool
is_worth_another(
    const struct asking *asking, const struct transport_answer *answer, unsigned tries_count)
{
    if (!asking->may_repeat || tries_count >= TRIES_MAX || answer->retry_after_s < 0 ||
        (answer->status != 429 && answer->status != 503)) {
        return false;
    }
    duration_t left = instant_until(clock_now(), asking->deadline);
    return answer->retry_after_s < left.ns / 1000000000;
}

/* A zero Retry-After must not become a busy loop. */
static bool
pause_was_interrupted(const struct asking *asking, int64_t seconds)
{
    int64_t pause_ms = seconds > 0 ? seconds * 1000 : 50;
    if (asking->interrupt != NULL) {
        return hedgerow_interrupt_wait(asking->interrupt, pause_ms) != 0;
    }
    struct hedgerow_interrupt *never = hedgerow_interrupt_new();
    if (never != NULL) {
        (void) hedgerow_interrupt_wait(never, pause_ms);
        hedgerow_interrupt_free(never);
    }
    return false;
}

static void
reply_take(struct hedgerow_reply *reply, const struct transport_answer *answer)
{
    reply->http_status = answer->status;
    size_t id_size = strlen(answer->job_id);
    if (id_size < sizeof reply->job_id) {
        memcpy(reply->job_id, answer->job_id, id_size + 1);
    }
    snprintf(reply->content_type, sizeof reply->content_type, "%s", answer->content_type);
    snprintf(reply->winner, sizeof reply->winner, "%s", answer->winner);
    reply->attempts = answer->attempts;
    reply->retry_after_ms = answer->retry_after_s < 0 ? -1 : answer->retry_after_s * 1000;
    reply->body = answer->body;
    reply->body_size = answer->body_size;
}

static enum hedgerow_outcome
asking_do(
    struct hedgerow_client *client, struct asking *asking, struct hedgerow_reply *ret_reply)
{
    instant_t begun_at = clock_now();
    struct transport_answer answer;
    err_t err = ERR_OK;
    bool again = false;
    for (unsigned tries_count = 1;; tries_count++) {
        err = asking_try(client, asking, &answer);
        again = err == ERR_OK && is_worth_another(asking, &answer, tries_count);
        if (!again) {
            break;
        }
        free(answer.body);
        answer.body = NULL;
        asking->is_again = true;
        if (pause_was_interrupted(asking, answer.retry_after_s)) {
            err = ERR_CANCELLED;
            break;
        }
    }
    *ret_reply = (struct hedgerow_reply){ .retry_after_ms = -1 };
    reply_take(ret_reply, &answer);
    if (asking->call != NULL && asking->call->job_id != NULL && ret_reply->job_id[0] == '\0' &&
        err != ERR_REFUSED && err != ERR_UNREACHABLE && answer.status == 0) {
        /* It may have been made, though nobody could say so. */
        snprintf(ret_reply->job_id, sizeof ret_reply->job_id, "%s", asking->call->job_id);
    }
    problem_judge(ret_reply, err, answer.detail, client->server);
    ret_reply->took_us = duration_to_us(instant_since(clock_now(), begun_at));
    return ret_reply->outcome;
}

/* For what cannot even be asked. */
static enum hedgerow_outcome
reply_invalid(struct hedgerow_reply *ret_reply, const char *message)
{
    *ret_reply = (struct hedgerow_reply){ .retry_after_ms = -1, .outcome = HEDGEROW_INVALID };
    snprintf(ret_reply->message, sizeof ret_reply->message, "%s", message);
    return HEDGEROW_INVALID;
}

/* ---- the calls --------------------------------------------------------------------------- */

/* Names travel in a URL: what is not unreserved there is escaped. */
static bool
url_append(char *url, size_t url_room, const char *text)
{
    static const char digits[] = "0123456789ABCDEF";
    size_t size = strlen(url);
    for (; *text != '\0'; text++) {
        unsigned char byte = (unsigned char) *text;
        bool is_plain = (byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z') ||
                        (byte >= '0' && byte <= '9') || strchr("-._~", byte) != NULL;
        if (size + 4 > url_room) {
            return false;
        }
        if (is_plain) {
            url[size++] = (char) byte;
        } else {
            url[size++] = '%';
            url[size++] = digits[byte >> 4];
            url[size++] = digits[byte & 15];
        }
    }
    url[size] = '\0';
    return true;
}

static void
query_add(char *url, size_t url_room, const char *name, const char *value)
{
    size_t size = strlen(url);
    snprintf(url + size, url_room - size, "%c%s=%s", strchr(url, '?') != NULL ? '&' : '?', name,
        value);
}

static void
query_policy(char *url, size_t url_room, const struct hedgerow_call *call)
{
    static const char *const modes[] = { NULL, "single", "hedge", "race", "tied" };
    char number[32];
    if (call->mode != HEDGEROW_MODE_DEFAULT) {
        query_add(url, url_room, "mode", modes[call->mode]);
    }
    if (call->hedge == HEDGEROW_HEDGE_OFF) {
        query_add(url, url_room, "hedge", "off");
    } else if (call->hedge == HEDGEROW_HEDGE_AFTER) {
        snprintf(number, sizeof number, "%" PRId64 "us", call->hedge_delay_us);
        query_add(url, url_room, "hedge", number);
    }
    if (call->copies > 0) {
        snprintf(number, sizeof number, "%u", call->copies);
        query_add(url, url_room, call->mode == HEDGEROW_MODE_RACE ? "copies" : "max_attempts",
            number);
    }
    if (call->idempotent >= 0) {
        query_add(url, url_room, "idempotent", call->idempotent > 0 ? "true" : "false");
    }
}

static enum hedgerow_outcome
call_do(struct hedgerow_client *client, const struct hedgerow_call *call, bool is_async,
    struct hedgerow_reply *ret_reply)
{
    char url[URL_SIZE_MAX];
    if (call->handler == NULL || call->handler[0] == '\0') {
        return reply_invalid(ret_reply, "no handler was named");
    }
    if ((size_t) snprintf(url, sizeof url, "%s/v1/handlers/", client->server) >= sizeof url ||
        !url_append(url, sizeof url - 256, call->handler)) {
        return reply_invalid(ret_reply, "the handler's name is too long");
    }
    size_t size = strlen(url);
    snprintf(url + size, sizeof url - size, ":invoke");
    query_policy(url, sizeof url, call);

    int64_t timeout_ms = call->timeout_ms > 0 ? call->timeout_ms : TIMEOUT_MS_MAX;
    struct asking asking = {
        .is_post = true,
        .may_repeat = call->idempotent == 1 || call->idempotency_key != NULL,
        .url = url,
        .call = call,
        .is_async = is_async,
        .timeout_ms = call->timeout_ms,
        .deadline = instant_add(clock_now(), duration_ms(timeout_ms + HEDGEROW_GRACE_MS)),
        .interrupt = call->interrupt,
    };
    return asking_do(client, &asking, ret_reply);
}

enum hedgerow_outcome
hedgerow_invoke(struct hedgerow_client *client, const struct hedgerow_call *call,
    struct hedgerow_reply *ret_reply)
{
    return call_do(client, call, /* is_async= */ false, ret_reply);
}

enum hedgerow_outcome
hedgerow_submit(struct hedgerow_client *client, const struct hedgerow_call *call,
    struct hedgerow_reply *ret_reply)
{
    return call_do(client, call, /* is_async= */ true, ret_reply);
}

/* What asks changes nothing, and cancelling twice is cancelling: both may be repeated. */
static enum hedgerow_outcome
ask(struct hedgerow_client *client, struct asking asking, const char *path,
    struct hedgerow_reply *ret_reply)
{
    char url[URL_SIZE_MAX];
    if ((size_t) snprintf(url, sizeof url, "%s%s", client->server, path) >= sizeof url) {
        return reply_invalid(ret_reply, "the address is too long");
    }
    int64_t timeout_ms = asking.timeout_ms > 0 ? asking.timeout_ms : TIMEOUT_MS_ASK;
    asking.url = url;
    asking.may_repeat = true;
    asking.deadline = instant_add(clock_now(), duration_ms(timeout_ms));
    return asking_do(client, &asking, ret_reply);
}

static bool
job_path(char *path, size_t path_room, const char *job_id, const char *tail)
{
    id_t128 id;
    if (id_from_text(job_id, strlen(job_id), &id) != ERR_OK) {
        return false;
    }
    snprintf(path, path_room, "/v1/jobs/%s%s", job_id, tail);
    return true;
}

enum hedgerow_outcome
hedgerow_job_get(struct hedgerow_client *client, const char *job_id, int64_t wait_ms,
    struct hedgerow_interrupt *interrupt, struct hedgerow_reply *ret_reply)
{
    char path[128];
    char tail[48] = "";
    if (wait_ms > 0) {
        snprintf(tail, sizeof tail, "?wait=%" PRId64 "ms", wait_ms);
    }
    if (!job_path(path, sizeof path, job_id, tail)) {
        return reply_invalid(ret_reply, "not the id of a job");
    }
    struct asking asking = { .timeout_ms = wait_ms + TIMEOUT_MS_ASK, .interrupt = interrupt };
    return ask(client, asking, path, ret_reply);
}

enum hedgerow_outcome
hedgerow_job_result(
    struct hedgerow_client *client, const char *job_id, struct hedgerow_reply *ret_reply)
{
    char path[128];
    if (!job_path(path, sizeof path, job_id, "/result")) {
        return reply_invalid(ret_reply, "not the id of a job");
    }
    return ask(client, (struct asking){ 0 }, path, ret_reply);
}

enum hedgerow_outcome
hedgerow_job_cancel(struct hedgerow_client *client, const char *job_id, int64_t timeout_ms,
    struct hedgerow_reply *ret_reply)
{
    char path[128];
    if (!job_path(path, sizeof path, job_id, ":cancel")) {
        return reply_invalid(ret_reply, "not the id of a job");
    }
    struct asking asking = { .is_post = true, .timeout_ms = timeout_ms };
    return ask(client, asking, path, ret_reply);
}

enum hedgerow_outcome
hedgerow_get(struct hedgerow_client *client, const char *path, int64_t timeout_ms,
    struct hedgerow_reply *ret_reply)
{
    return ask(client, (struct asking){ .timeout_ms = timeout_ms }, path, ret_reply);
}
