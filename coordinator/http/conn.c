/* SPDX-License-Identifier: MIT */
#include "common/sys/clock.h"
#include "common/sys/log.h"
#include "coordinator/http/state.h"

#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#define BODY_FIRST_ROOM (32 * 1024)

/* ---- the end of a connection ---------------------------------------------------------- */

bool
conn_count_held(struct conn *conn)
{
    struct api *api = conn->api;
    size_t size = (conn->body != NULL ? conn->body_room : 0) +
                  (conn->net != NULL ? net_conn_unsent(conn->net) : 0);
    api->held_size = api->held_size - conn->held_size + size;
    conn->held_size = size;
    return api->held_size <= api->config.limits.held_max;
}

static void
forget_request(struct conn *conn)
{
    free(conn->head);
    free(conn->body);
    conn->head = NULL;
    conn->body = NULL;
    conn->body_size = 0;
    conn->body_room = 0;
}

void
conn_close(struct conn *conn)
{
    struct api *api = conn->api;
    CHECK(conn->state != CONN_FREE);
    CHECK(conn->ticket == 0);
    conn_set_deadline(conn, DEADLINE_NONE);
    forget_request(conn);
    loop_timer_free(conn->wait_timer);
    conn->wait_timer = NULL;
    api->streams_count -= conn->state == CONN_STREAMING ? 1 : 0;
    net_conn_free(conn->net);
    conn->net = NULL;
    (void) conn_count_held(conn);
    conn->state = CONN_FREE;
    api->open_count -= conn->is_refused ? 0 : 1;
    conn->next = api->free;
    api->free = conn;
}

static void
conn_linger(struct conn *conn)
{
    net_conn_shut(conn->net);
    conn->state = CONN_LINGERING;
    conn->lingered_size = 0;
    net_conn_drop(conn->net, net_conn_unread(conn->net));
}

void
conn_finish(struct conn *conn)
{
    CHECK(conn->ticket == 0);
    conn->state = CONN_FLUSHING;
    if (net_conn_unsent(conn->net) == 0) {
        conn_linger(conn);
    }
}

void
conn_gone(struct conn *conn)
{
    struct api *api = conn->api;
    api_ticket_t ticket = conn->ticket;
    conn->ticket = 0;
    conn_close(conn);
    if (ticket != 0) {
        api->gone_count++;
        api->backend.gone(api->backend.shell, ticket);
    }
}

static void
on_end(void *user, enum net_end end)
{
    struct conn *conn = user;
    conn->has_hung_up = true;
    bool is_leaving = end == NET_END_HANGUP && conn->state != CONN_WAITING &&
                      conn->state != CONN_STREAMING && conn->state != CONN_LINGERING &&
                      net_conn_unsent(conn->net) > 0;
    if (is_leaving) {
        conn->state = CONN_FLUSHING; /* it only closed its sending half */
        conn_update_deadline(conn);
        return;
    }
    conn_gone(conn);
}

static void
on_drained(void *user)
{
    struct conn *conn = user;
    if (conn->state == CONN_STREAMING) {
        events_pump(conn);
        return;
    }
    if (conn->state != CONN_FLUSHING) {
        conn_process(conn);
        return;
    }
    if (conn->has_hung_up) {
        conn_close(conn);
        return;
    }
    conn_linger(conn);
    conn_update_deadline(conn);
}

/* ---- the beginning of one ------------------------------------------------------------- */

static void on_data(void *user);

static bool
peer_is_over(const struct api *api, const struct net_peer *peer)
{
    if (peer->is_loopback) {
        return false;
    }
    uint32_t count = 0;
    for (uint32_t i = 0; i < api->conns_count; i++) {
        const struct conn *conn = &api->conns[i];
        bool is_same = conn->state != CONN_FREE &&
                       memcmp(conn->peer.address, peer->address, sizeof peer->address) == 0;
        count += is_same ? 1 : 0;
    }
    return count >= api->config.limits.peer_max;
}

/* Room for one more: the connection that has been idle for the longest gives way. */
static bool
is_full(struct api *api)
{
    if (api->open_count < api->config.connections_max) {
        return false;
    }
    struct conn *idle = api->deadlines[DEADLINE_IDLE].first;
    if (idle == NULL || idle->in_process) {
        return true;
    }
    conn_close(idle);
    return false;
}

static void
refuse_connection(struct conn *conn, const char *detail)
{
    conn->must_close = true;
    reply_problem(conn, &(struct problem){ .status = 503,
                            .code = "too-many-connections",
                            .title = "Too many connections",
                            .detail = detail,
                            .is_retryable = true,
                            .retry_after = duration_s(1) });
}

void
conn_accept(void *user, int fd, const struct net_peer *peer)
{
    static const struct net_events events = {
        .on_data = on_data, .on_drained = on_drained, .on_end = on_end
    };
    struct api *api = user;
    bool is_over = peer_is_over(api, peer);
    bool is_refused = is_over || is_full(api);
    struct conn *conn = api->free;
    struct net_conn *net;
    if (conn == NULL || net_conn_new(api->loop, fd, &events, conn, &net) != ERR_OK) {
        api->refused_count[API_REFUSED_NO_MEMORY]++;
        close(fd);
        return;
    }
    api->free = conn->next;
    memset(conn, 0, offsetof(struct conn, codec));
    conn->api = api;
    conn->net = net;
    conn->peer = *peer;
    conn->state = CONN_HEAD;
    conn->is_refused = is_refused;
    conn->version_minor = 1;
    conn->began_at = clock_now();
    codec_init(&conn->codec, &api->codec_limits);
    if (is_refused) {
        api->refused_count[is_over ? API_REFUSED_PEER : API_REFUSED_FULL]++;
        refuse_connection(conn, is_over ? "there are too many connections from your address"
                                        : "all connections of this server are in use");
    } else {
        api->open_count++;
    }
    conn_update_deadline(conn);
}

/* ---- requests ------------------------------------------------------------------------- */

static void
refuse_request(struct conn *conn)
{
    enum codec_refusal why = conn->codec.refusal;
    unsigned status = codec_refusal_status(why);
    const struct codec_limits *limits = &conn->codec.limits;
    struct problem problem = { .status = status,
        .code = "malformed-http",
        .title = "Malformed request",
        .detail = codec_refusal_text(why) };
    if (why == CODEC_BODY_TOO_BIG) {
        problem.code = "too-big";
        problem.title = "Too big";
        problem.field = "body";
        problem.limit = limits->body_size_max;
        problem.unit = "bytes";
    } else if (status == 414 || status == 431) {
        problem.code = "too-big";
        problem.title = "Too big";
        problem.limit = why == CODEC_LINE_TOO_LONG      ? limits->line_size_max
                        : why == CODEC_HEADERS_TOO_BIG  ? limits->headers_size_max
                        : why == CODEC_HEADERS_TOO_MANY ? limits->headers_max
                                                        : 0; /* of chunks: the text has it */
        problem.unit = why == CODEC_HEADERS_TOO_MANY ? "lines" : "bytes";
    } else if (status != 400) {
        bool is_method = why == CODEC_UNKNOWN_METHOD;
        problem.code = is_method       ? "unknown-method"
                       : status == 505 ? "http-version"
                                       : "unknown-expectation";
        problem.title = reply_reason(status);
        problem.allow = is_method ? "GET, HEAD, POST, PUT" : NULL; /* of all routes */
    }
    conn->must_close = true;
    reply_problem(conn, &problem);
}

/* The request is complete: head and body lie where the arguments say. */
static void
dispatch(struct conn *conn, const uint8_t *head, struct slice body)
{
    struct request request = { .conn = conn, .head = head, .body = body };
    conn->prefer = (struct prefer){ 0 };
    conn->is_replayed = false;
    conn->traceparent[0] = '\0';
    conn->must_close = !codec_keeps_alive(&conn->codec) || conn->api->is_closing;
    conn->is_head = conn->codec.method == CODEC_HEAD_METHOD;
    conn->version_minor = conn->codec.version_minor;
    routes_dispatch(&request);
}

/* After an answer or a ticket: what was read is over, what comes next is a new request. */
static void
end_request(struct conn *conn)
{
    forget_request(conn);
    if (conn->state == CONN_BODY) {
        conn->state = CONN_HEAD;
    }
    if (conn->deadline_kind != DEADLINE_WRITE) {
        conn_set_deadline(conn, DEADLINE_NONE); /* the next request gets its own time */
    }
    if (conn->state == CONN_HEAD || conn->state == CONN_WAITING) {
        codec_init(&conn->codec, &conn->api->codec_limits);
    }
}

/* false: answered, and closed. */
static bool
set_body_room(struct conn *conn, size_t room)
{
    uint64_t others_size = conn->api->held_size - conn->held_size;
    uint8_t *body = NULL;
    if (others_size + room <= conn->api->config.limits.held_max) {
        body = realloc(conn->body, room);
    }
    if (body == NULL) {
        reply_no_memory(conn);
        return false;
    }
    conn->body = body;
    conn->body_room = room;
    (void) conn_count_held(conn);
    return true;
}

/* The body comes in pieces: keep the head, for it leaves the buffer before them.  Room is
 * made as bytes come in: to announce a megabyte is cheap. */
static bool
begin_body(struct conn *conn, const uint8_t *head)
{
    const struct codec *codec = &conn->codec;
    uint64_t plain_size = codec_body_plain_size(codec);
    size_t room = plain_size > BODY_FIRST_ROOM ? BODY_FIRST_ROOM : (size_t) plain_size;
    conn->head = malloc(codec->head_size);
    if (conn->head == NULL) {
        reply_no_memory(conn);
        return false;
    }
    if (!set_body_room(conn, room > 0 ? room : BODY_FIRST_ROOM)) {
        return false;
    }
    memcpy(conn->head, head, codec->head_size);
    net_conn_drop(conn->net, codec->head_size);
    conn->state = CONN_BODY;
    return true;
}

/* The head is complete, the body is not. */
static bool
expect_body(struct conn *conn, const uint8_t *head, bool has_some)
{
    struct request request = { .conn = conn, .head = head };
    conn->must_close = true; /* of an early answer: the body was not read */
    conn->is_head = conn->codec.method == CODEC_HEAD_METHOD;
    conn->version_minor = conn->codec.version_minor;
    if (routes_refuse_early(&request)) {
        return false;
    }
    if (conn->codec.expects_continue && !has_some) {
        static const char line[] = "HTTP/1.1 100 Continue\r\n\r\n";
        const struct net_bytes bytes = { line, sizeof line - 1 };
        if (net_conn_write(conn->net, &bytes, 1) != ERR_OK) {
            reply_no_memory(conn);
            return false;
        }
    }
    return begin_body(conn, head);
}

/* true: go on. */
static bool
step_head(struct conn *conn)
{
    struct codec *codec = &conn->codec;
    const uint8_t *bytes = NULL;
    if (net_conn_unsent(conn->net) > API_UNSENT_SIZE_MAX) {
        return false; /* it asks faster than it reads */
    }
    size_t size = net_conn_peek(conn->net, API_READ_SIZE_MAX, &bytes);
    if (size == 0) {
        return false;
    }
    if (codec->scanned_size == 0) {
        conn->began_at = clock_now();
    }
    enum codec_event event = codec_head(codec, bytes, size);
    if (event == CODEC_REFUSED) {
        refuse_request(conn);
    }
    if (event != CODEC_HEAD) {
        return false;
    }
    size_t rest_size = size - codec->head_size;
    uint64_t body_size = codec_body_plain_size(codec);
    bool is_whole = !codec->is_chunked && body_size <= rest_size;
    if (!is_whole || body_size > conn->api->config.input_size_max) {
        return expect_body(conn, bytes, rest_size > 0);
    }
    size_t whole_size = codec->head_size + (size_t) body_size;
    dispatch(conn, bytes,
        (struct slice){ (const char *) bytes + codec->head_size, (size_t) body_size });
    if (conn->state == CONN_FREE || conn->state == CONN_LINGERING) {
        return false;
    }
    net_conn_drop(conn->net, whole_size);
    end_request(conn);
    return conn->state == CONN_HEAD;
}

static bool
grow_body(struct conn *conn, size_t size)
{
    size_t room = conn->body_room;
    while (room - conn->body_size < size) {
        room *= 2;
    }
    /* Of a body whose length is known, the last step is no larger than it. */
    uint64_t whole_size = conn->body_size + codec_body_plain_size(&conn->codec);
    if (!conn->codec.is_chunked && room > whole_size) {
        room = (size_t) whole_size;
    }
    return room == conn->body_room || set_body_room(conn, room);
}

/* Straight from the socket into the body, as long as no framing stands in between. */
static bool
read_plain(struct conn *conn, uint64_t size)
{
    /* No more room than has been filled before: who sends slowly holds little. */
    size_t turn = conn->body_size > BODY_FIRST_ROOM ? conn->body_size : BODY_FIRST_ROOM;
    size_t wanted = size < turn ? (size_t) size : turn;
    if (!grow_body(conn, wanted)) {
        return false;
    }
    size_t taken = net_conn_take(conn->net, conn->body + conn->body_size, wanted);
    conn->body_size += taken;
    codec_body_took(&conn->codec, taken);
    return taken > 0;
}

static bool
step_body(struct conn *conn)
{
    struct codec *codec = &conn->codec;
    uint64_t plain_size = codec_body_plain_size(codec);
    if (plain_size > 0) {
        return read_plain(conn, plain_size);
    }
    const uint8_t *bytes = NULL;
    size_t size = net_conn_peek(conn->net, API_READ_SIZE_MAX, &bytes);
    size_t used = 0;
    struct slice data;
    switch (codec_body(codec, bytes, size, &used, &data)) {
    case CODEC_HEAD: CHECK_UNREACHABLE();
    case CODEC_REFUSED: refuse_request(conn); return false;
    case CODEC_MORE: net_conn_drop(conn->net, used); return false;
    case CODEC_BODY:
        if (!grow_body(conn, data.size)) {
            return false;
        }
        memcpy(conn->body + conn->body_size, data.at, data.size);
        conn->body_size += data.size;
        net_conn_drop(conn->net, used);
        return true;
    case CODEC_END: break;
    }
    net_conn_drop(conn->net, used);
    dispatch(conn, conn->head, (struct slice){ (const char *) conn->body, conn->body_size });
    if (conn->state == CONN_FREE || conn->state == CONN_LINGERING) {
        return false;
    }
    end_request(conn);
    return conn->state == CONN_HEAD;
}

/* ---- turns ---------------------------------------------------------------------------- */

static void
drop_input(struct conn *conn)
{
    size_t size = net_conn_unread(conn->net);
    net_conn_drop(conn->net, size);
    conn->lingered_size += size;
    if (conn->lingered_size > API_LINGER_SIZE_MAX) {
        conn_close(conn);
    }
}

/* What is pipelined waits as well, up to a bound.  Past it we read on all the same, for only
 * so can we hear the client go; what follows is lost, and the answer says "close". */
static void
drop_overflow(struct conn *conn)
{
    size_t size = net_conn_unread(conn->net);
    if (size > API_READ_SIZE_MAX || conn->has_overflown) {
        net_conn_drop(conn->net, size);
        conn->has_overflown = true;
        conn->must_close = true;
    }
}

/* A client that asks faster than it reads is not read from until it has. */
static void
settle(struct conn *conn)
{
    if (conn->state != CONN_FREE) {
        (void) conn_count_held(conn);
        bool is_full = conn->state == CONN_HEAD &&
                       net_conn_unread(conn->net) >= API_READ_SIZE_MAX &&
                       net_conn_unsent(conn->net) > API_UNSENT_SIZE_MAX;
        net_conn_pause(conn->net, is_full);
    }
}

void
conn_process(struct conn *conn)
{
    if (conn->in_process) {
        return; /* the outer call goes on */
    }
    conn->in_process = true;
    /* Bounded: only what was read into the buffer, and one body, are looked at. */
    bool goes_on = true;
    while (goes_on) {
        switch (conn->state) {
        case CONN_HEAD: goes_on = step_head(conn); break;
        case CONN_BODY: goes_on = step_body(conn); break;
        case CONN_WAITING:
            drop_overflow(conn);
            goes_on = false;
            break;
        case CONN_STREAMING:
            net_conn_drop(conn->net, net_conn_unread(conn->net));
            goes_on = false;
            break;
        case CONN_FREE: goes_on = false; break;
        case CONN_FLUSHING:
        case CONN_LINGERING:
            drop_input(conn);
            goes_on = false;
            break;
        }
    }
    conn->in_process = false;
    settle(conn);
    conn_update_deadline(conn);
}

static void
on_data(void *user)
{
    conn_process(user);
}

void
conn_stop_waiting(struct conn *conn)
{
    CHECK(conn->state == CONN_WAITING);
    conn->ticket = 0;
    conn->state = CONN_HEAD;
    if (conn->wait_timer != NULL) {
        loop_timer_arm(conn->wait_timer, INSTANT_NEVER);
    }
    conn->must_close = conn->must_close || conn->api->is_closing;
}
