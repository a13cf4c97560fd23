/* SPDX-License-Identifier: MIT
 *
 * A multi handle for one transfer at a time: curl_easy_perform() can neither be woken by a
 * descriptor nor be given a monotonic deadline.
 *
 * curl sends a request again, POST too, when a kept connection turns out to be dead before
 * a byte of the answer came.  For a job that may run once only that is a second job.  curl
 * cannot rewind a body that comes from a callback without a seek function, and then fails
 * instead; an empty body has nothing to rewind, so it gets a connection of its own.
 */
#include "coordinator/client/transport.h"

#include "common/sys/clock.h"

#include <curl/curl.h>
#include <limits.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

struct transport {
    CURLM *multi;
    CURL *easy;
    size_t body_size_max;
    /* of the exchange that is under way */
    const struct transport_request *request;
    struct transport_answer *answer;
    size_t sent_size;
    size_t body_room_size;
    err_t err;
};

static pthread_once_t curl_once = PTHREAD_ONCE_INIT;
static bool curl_is_ready;

static size_t on_body(char *bytes, size_t one, size_t size, void *user);
static size_t on_header(char *line, size_t one, size_t size, void *user);
static size_t on_send(char *room, size_t one, size_t size, void *user);
static bool body_reserve(struct transport *transport, size_t size);

static void
curl_begin(void)
{
    curl_is_ready = curl_global_init(CURL_GLOBAL_DEFAULT) == CURLE_OK;
}

err_t
transport_new(size_t body_size_max, struct transport **ret_transport)
{
    pthread_once(&curl_once, curl_begin);
    if (!curl_is_ready) {
        return ERR_NO_MEMORY;
    }
    struct transport *transport = calloc(1, sizeof *transport);
    if (transport == NULL) {
        return ERR_NO_MEMORY;
    }
    transport->body_size_max = body_size_max;
    transport->multi = curl_multi_init();
    transport->easy = curl_easy_init();
    if (transport->multi == NULL || transport->easy == NULL) {
        transport_free(transport);
        return ERR_NO_MEMORY;
    }
    *ret_transport = transport;
    return ERR_OK;
}

void
transport_free(struct transport *transport)
{
    if (transport == NULL) {
        return;
    }
    curl_easy_cleanup(transport->easy);
    if (transport->multi != NULL) {
        curl_multi_cleanup(transport->multi);
    }
    free(transport);
}

static bool
is_loopback(const char *url)
{
    static const char *const hosts[] = { "127.", "localhost", "[::1]" };
    const char *host = strstr(url, "://");
    host = host != NULL ? host + 3 : url;
    for (unsigned i = 0; i < ARRAY_COUNT(hosts); i++) {
        if (strncasecmp(host, hosts[i], strlen(hosts[i])) == 0) {
            return true;
        }
    }
    return false;
}

static void
set_common(struct transport *transport, const struct transport_request *request)
{
    CURL *easy = transport->easy;
    curl_easy_reset(easy); /* options only: the connection stays */
    curl_easy_setopt(easy, CURLOPT_URL, request->url);
    curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, (long) CURL_HTTP_VERSION_1_1);
    curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, NULL);
    curl_easy_setopt(easy, CURLOPT_USERAGENT, "hedgerow/" HEDGEROW_VERSION);
    curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, on_body);
    curl_easy_setopt(easy, CURLOPT_WRITEDATA, transport);
    curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, on_header);
    curl_easy_setopt(easy, CURLOPT_HEADERDATA, transport);
    if (is_loopback(request->url)) {
        /* A proxy of the environment cannot reach this machine's loopback. */
        curl_easy_setopt(easy, CURLOPT_NOPROXY, "*");
    }
}

static void
set_body(struct transport *transport, const struct transport_request *request)
{
    CURL *easy = transport->easy;
    if (!request->is_post) {
        curl_easy_setopt(easy, CURLOPT_HTTPGET, 1L);
        return;
    }
    curl_easy_setopt(easy, CURLOPT_POST, 1L);
    curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t) request->body_size);
    if (request->may_repeat || request->body_size == 0) {
        curl_easy_setopt(easy, CURLOPT_POSTFIELDS,
            request->body_size > 0 ? request->body : (const void *) "");
        curl_easy_setopt(easy, CURLOPT_FRESH_CONNECT, request->may_repeat ? 0L : 1L);
    } else {
        curl_easy_setopt(easy, CURLOPT_READFUNCTION, on_send);
        curl_easy_setopt(easy, CURLOPT_READDATA, transport);
    }
}

static err_t
err_from_curl(CURLcode code, long os_errno)
{
    if (code == CURLE_COULDNT_CONNECT) {
        err_t err = err_from_errno((int) os_errno);
        return err == ERR_OK || err == ERR_IO ? ERR_UNREACHABLE : err;
    }
    static const struct {
        CURLcode code;
        err_t err;
    } table[] = {
        { CURLE_OK, ERR_OK },
        { CURLE_URL_MALFORMAT, ERR_INVALID },
        { CURLE_COULDNT_RESOLVE_HOST, ERR_UNREACHABLE },
        { CURLE_COULDNT_RESOLVE_PROXY, ERR_UNREACHABLE },
        { CURLE_OPERATION_TIMEDOUT, ERR_TIMEOUT },
        { CURLE_OUT_OF_MEMORY, ERR_NO_MEMORY },
        { CURLE_SSL_CONNECT_ERROR, ERR_AUTH },
        { CURLE_PEER_FAILED_VERIFICATION, ERR_AUTH },
        { CURLE_WEIRD_SERVER_REPLY, ERR_BAD_MESSAGE },
        { CURLE_UNSUPPORTED_PROTOCOL, ERR_BAD_MESSAGE }, /* HTTP/0.9: anything at all */
        { CURLE_BAD_CONTENT_ENCODING, ERR_BAD_MESSAGE },
    };
    for (unsigned i = 0; i < ARRAY_COUNT(table); i++) {
        if (table[i].code == code) {
            return table[i].err;
        }
    }
    return ERR_CLOSED; /* send, receive, partial file, got nothing, cannot rewind */
}

static err_t
transport_result(struct transport *transport, const char *detail)
{
    int left;
    CURLMsg *message = curl_multi_info_read(transport->multi, &left);
    if (message == NULL || message->msg != CURLMSG_DONE) {
        return ERR_IO;
    }
    CURLcode code = message->data.result;
    long os_errno = 0;
    long status = 0;
    curl_easy_getinfo(transport->easy, CURLINFO_OS_ERRNO, &os_errno);
    curl_easy_getinfo(transport->easy, CURLINFO_RESPONSE_CODE, &status);
    transport->answer->status = (int) status;
    if (code != CURLE_OK) {
        snprintf(transport->answer->detail, sizeof transport->answer->detail, "%s",
            detail[0] != '\0' ? detail : curl_easy_strerror(code));
    }
    return transport->err != ERR_OK ? transport->err : err_from_curl(code, os_errno);
}

static err_t
transport_drive(struct transport *transport, const char *detail)
{
    const struct transport_request *request = transport->request;
    for (;;) {
        int running = 0;
        if (curl_multi_perform(transport->multi, &running) != CURLM_OK) {
            return ERR_NO_MEMORY;
        }
        if (running == 0) {
            return transport_result(transport, detail);
        }
        duration_t left = instant_until(clock_now(), request->deadline);
        if (left.ns <= 0) {
            return ERR_TIMEOUT;
        }
        int64_t left_ms = duration_to_ms(left) + 1;
        struct curl_waitfd interrupt = { .fd = request->interrupt_fd,
            .events = CURL_WAIT_POLLIN };
        if (curl_multi_poll(transport->multi, &interrupt, request->interrupt_fd >= 0 ? 1 : 0,
                left_ms > INT_MAX ? INT_MAX : (int) left_ms, NULL) != CURLM_OK) {
            return ERR_NO_MEMORY;
        }
        if (interrupt.revents != 0) {
            return ERR_CANCELLED;
        }
    }
}

err_t
transport_exchange(struct transport *transport, const struct transport_request *request,
    struct transport_answer *ret_answer)
{
    *ret_answer = (struct transport_answer){ .retry_after_s = -1 };
    char detail[CURL_ERROR_SIZE] = "";
    struct curl_slist *headers = NULL;
    for (unsigned i = 0; i < request->headers_count; i++) {
        struct curl_slist *longer = curl_slist_append(headers, request->headers[i]);
        if (longer == NULL) {
            curl_slist_free_all(headers);
            return ERR_NO_MEMORY;
        }
        headers = longer;
    }
    transport->request = request;
    transport->answer = ret_answer;
    transport->sent_size = 0;
    transport->body_room_size = 0;
    transport->err = ERR_OK;
    set_common(transport, request);
    set_body(transport, request);
    curl_easy_setopt(transport->easy, CURLOPT_ERRORBUFFER, detail);
    curl_easy_setopt(transport->easy, CURLOPT_HTTPHEADER, headers);

    err_t err = ERR_NO_MEMORY;
    if (curl_multi_add_handle(transport->multi, transport->easy) == CURLM_OK) {
        err = transport_drive(transport, detail);
        /* Closes the connection of an exchange that is not over: the server sees it. */
        curl_multi_remove_handle(transport->multi, transport->easy);
    }
    curl_easy_setopt(transport->easy, CURLOPT_ERRORBUFFER, NULL);
    curl_easy_setopt(transport->easy, CURLOPT_HTTPHEADER, NULL);
    curl_slist_free_all(headers);
    if (err == ERR_OK && !body_reserve(transport, 0)) {
        err = ERR_NO_MEMORY; /* an empty body is one, too */
    } else if (err == ERR_OK) {
        ret_answer->body[ret_answer->body_size] = '\0';
    }
    transport->request = NULL;
    transport->answer = NULL;
    return err;
}

static size_t
on_send(char *room, size_t one, size_t size, void *user)
{
    struct transport *transport = user;
    const struct transport_request *request = transport->request;
    size_t left = request->body_size - transport->sent_size;
    size_t take = one * size < left ? one * size : left;
    memcpy(room, (const uint8_t *) request->body + transport->sent_size, take);
    transport->sent_size += take;
    return take;
}

/* Grows by doubling, and starts with what the server announced. */
static bool
body_reserve(struct transport *transport, size_t size)
{
    if (size < transport->body_room_size) {
        return true;
    }
    size_t room_size = transport->body_room_size > 0 ? transport->body_room_size * 2 : 4096;
    curl_off_t announced = -1;
    curl_easy_getinfo(transport->easy, CURLINFO_CONTENT_LENGTH_DOWNLOAD_T, &announced);
    if (announced > 0 && (size_t) announced <= transport->body_size_max &&
        room_size < (size_t) announced + 1) {
        room_size = (size_t) announced + 1;
    }
    if (room_size < size + 1) {
        room_size = size + 1;
    }
    uint8_t *body = realloc(transport->answer->body, room_size);
    if (body == NULL) {
        transport->err = ERR_NO_MEMORY;
        return false;
    }
    transport->answer->body = body;
    transport->body_room_size = room_size;
    return true;
}

static size_t
on_body(char *bytes, size_t one, size_t size, void *user)
{
    struct transport *transport = user;
    struct transport_answer *answer = transport->answer;
    size_t more = one * size;
    if (more > transport->body_size_max - answer->body_size) {
        transport->err = ERR_TOO_BIG;
        return 0;
    }
    if (!body_reserve(transport, answer->body_size + more)) {
        return 0;
    }
    memcpy(answer->body + answer->body_size, bytes, more);
    answer->body_size += more;
    answer->body[answer->body_size] = '\0';
    return more;
}

/* The value of "name: value\r\n" when the name fits. */
static bool
header_is(const char *line, size_t size, const char *name, char *ret_value, size_t value_room)
{
    size_t name_size = strlen(name);
    if (size <= name_size || line[name_size] != ':' ||
        strncasecmp(line, name, name_size) != 0) {
        return false;
    }
    const char *from = line + name_size + 1;
    const char *end = line + size;
    while (from < end && (*from == ' ' || *from == '\t')) {
        from++;
    }
    while (end > from && (end[-1] == '\r' || end[-1] == '\n' || end[-1] == ' ')) {
        end--;
    }
    size_t value_size = (size_t) (end - from);
    if (value_size >= value_room) {
        value_size = value_room - 1;
    }
    memcpy(ret_value, from, value_size);
    ret_value[value_size] = '\0';
    return true;
}

static size_t
on_header(char *line, size_t one, size_t size, void *user)
{
    struct transport *transport = user;
    struct transport_answer *answer = transport->answer;
    size_t line_size = one * size;
    char number[24];
    if (line_size > 5 && memcmp(line, "HTTP/", 5) == 0) { /* after an interim answer, again */
        answer->retry_after_s = -1;
        answer->job_id[0] = '\0';
    } else if (header_is(line, line_size, "Retry-After", number, sizeof number)) {
        char *end;
        long long seconds = strtoll(number, &end, 10);
        answer->retry_after_s = *end == '\0' && seconds >= 0 ? seconds : -1;
    } else if (header_is(line, line_size, "X-Job-Attempts", number, sizeof number)) {
        answer->attempts = (unsigned) strtoul(number, NULL, 10);
    } else if (!header_is(line, line_size, "X-Job-Id", answer->job_id, sizeof answer->job_id) &&
               !header_is(
                   line, line_size, "X-Job-Winner", answer->winner, sizeof answer->winner)) {
        header_is(
            line, line_size, "Content-Type", answer->content_type, sizeof answer->content_type);
    }
    return line_size;
}
