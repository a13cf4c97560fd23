/* SPDX-License-Identifier: MIT */
#include "coordinator/http/api.h"

#include "common/edge/crypto.h"
#include "common/sys/clock.h"
#include "coordinator/http/state.h"

#include <stdio.h>
#include <stdlib.h>

#define SLOT_BITS 17 /* above the largest http.connections_max */

/* ---- tickets: the connection's slot, and a number that is never used again ------------ */

api_ticket_t
conn_start_waiting(struct conn *conn)
{
    struct api *api = conn->api;
    CHECK(conn->ticket == 0);
    CHECK(conn->state == CONN_HEAD || conn->state == CONN_BODY);
    api->ticket_last++;
    conn->ticket = api->ticket_last << SLOT_BITS | (uint64_t) (conn - api->conns);
    conn->state = CONN_WAITING;
    return conn->ticket;
}

static struct conn *
find_waiting(struct api *api, api_ticket_t ticket)
{
    uint64_t slot = ticket & ((1u << SLOT_BITS) - 1);
    CHECK(slot < api->conns_count);
    struct conn *conn = &api->conns[slot];
    return conn->ticket == ticket ? conn : NULL;
}

/* NULL: told gone meanwhile. */
struct conn *
api_take_waiting(struct api *api, api_ticket_t ticket)
{
    struct conn *conn = ticket != 0 ? find_waiting(api, ticket) : NULL;
    if (conn != NULL) {
        conn_stop_waiting(conn);
    }
    return conn;
}

void
api_accepted(struct api *api, api_ticket_t ticket, job_id_t job)
{
    struct conn *conn = api_take_waiting(api, ticket);
    if (conn != NULL) {
        reply_accepted(conn, job);
        conn_process(conn);
    }
}

void
api_refused(struct api *api, api_ticket_t ticket, const struct core_command *refuse)
{
    struct conn *conn = api_take_waiting(api, ticket);
    if (conn != NULL) {
        reply_refused(conn, "", refuse);
        conn_process(conn);
    }
}

void
api_forget_key(struct api *api, job_id_t job)
{
    keys_remove(api->keys, job);
}

void
api_answer(struct api *api, api_ticket_t ticket, job_id_t job)
{
    struct conn *conn = api_take_waiting(api, ticket);
    if (conn == NULL) {
        return;
    }
    struct job_view view;
    if (api->backend.job(api->backend.shell, job, &view)) {
        reply_job(conn, &view, conn->form);
    } else {
        reply_unknown_job(conn, job);
    }
    conn_process(conn); /* what was pipelined behind it */
}

/* ---- life ----------------------------------------------------------------------------- */

#define HELD_MAX_DEFAULT   (256u << 20)
#define KEYS_COUNT_DEFAULT 100000
#define EVENTS_DEFAULT     16384

uint64_t
api_memory_size_max(const struct api_config *config)
{
    uint64_t slots = (uint64_t) config->connections_max + API_SPARE_SLOTS;
    uint64_t held_max = config->limits.held_max;
    uint32_t keys_max = config->keys.count_max;
    /* Unread bytes overshoot by what libevent reads at once. */
    return slots * (sizeof(struct conn) + API_READ_SIZE_MAX + 16384) +
           (held_max > 0 ? held_max : HELD_MAX_DEFAULT) +
           keys_memory_size(keys_max > 0 ? keys_max : KEYS_COUNT_DEFAULT) +
           feed_memory_size(config->events_max > 0 ? config->events_max : EVENTS_DEFAULT);
}

static void
set_limits(struct api *api)
{
    struct api_limits *limits = &api->config.limits;
    uint32_t quarter = api->config.connections_max / 4;
    *limits = (struct api_limits){
        .head_time = limits->head_time.ns > 0 ? limits->head_time : duration_s(5),
        .idle_time = limits->idle_time.ns > 0 ? limits->idle_time : duration_s(30),
        .window_time = limits->window_time.ns > 0 ? limits->window_time : duration_s(10),
        .linger_time = limits->linger_time.ns > 0 ? limits->linger_time : duration_s(5),
        .held_max = limits->held_max > 0 ? limits->held_max : HELD_MAX_DEFAULT,
        .rate_min = limits->rate_min > 0 ? limits->rate_min : 8192,
        .peer_max = limits->peer_max > 0 ? limits->peer_max
                    : quarter > 64       ? quarter
                                         : 64,
        .line_size_max = limits->line_size_max > 0 ? limits->line_size_max : 8192,
        .headers_size_max = limits->headers_size_max > 0 ? limits->headers_size_max : 16384,
        .headers_max = limits->headers_max > 0 ? limits->headers_max : CODEC_HEADERS_MAX,
    };
    uint32_t events_max = api->config.events_max;
    api->config.events_max = events_max > 0 ? events_max : EVENTS_DEFAULT;
    api->streams_max = api->config.connections_max / 4 + 1;
    crypto_random(&api->events_epoch, sizeof api->events_epoch);
    struct api_keys *keys = &api->config.keys;
    keys->count_max = keys->count_max > 0 ? keys->count_max : KEYS_COUNT_DEFAULT;
    keys->kept = keys->kept.ns > 0 ? keys->kept : duration_s(24 * 3600);
    api->times[DEADLINE_HEAD] = limits->head_time;
    api->times[DEADLINE_IDLE] = limits->idle_time;
    api->times[DEADLINE_BODY] = limits->window_time;
    api->times[DEADLINE_WRITE] = limits->window_time;
    api->times[DEADLINE_LINGER] = limits->linger_time;
    api->window_size_min =
        (uint64_t) (duration_to_s(limits->window_time) * (double) limits->rate_min);
    /* Base64 takes a third more, escapes in JSON text up to twice; past that the escapes are
     * there to be large. */
    api->codec_limits = (struct codec_limits){
        .body_size_max = 2 * (uint64_t) api->config.input_size_max + API_POLICY_SIZE_MAX,
        .line_size_max = limits->line_size_max,
        .headers_size_max = limits->headers_size_max,
        .headers_max = limits->headers_max,
    };
}

static err_t
new_slots(struct api *api)
{
    api->conns_count = api->config.connections_max + API_SPARE_SLOTS;
    CHECK(api->conns_count < 1u << SLOT_BITS);
    api->conns = calloc(api->conns_count, sizeof *api->conns);
    api->counts = calloc(routes_count() + 1, sizeof *api->counts);
    if (api->conns == NULL || api->counts == NULL) {
        return ERR_NO_MEMORY;
    }
    for (uint32_t i = api->conns_count; i > 0; i--) {
        api->conns[i - 1].next = api->free;
        api->free = &api->conns[i - 1];
    }
    return ERR_OK;
}

err_t
api_reload(struct api *api, char why[API_WHY_SIZE_MAX])
{
    const char *path = api->config.token_file;
    struct access *access = NULL;
    char detail[ACCESS_WHY_SIZE_MAX];
    if (path == NULL || path[0] == '\0') {
        return ERR_OK;
    }
    err_t err = access_load(path, &access, detail);
    if (err != ERR_OK) {
        snprintf(why, API_WHY_SIZE_MAX, "the token file: %s", detail);
        return err;
    }
    access_free(api->access);
    api->access = access;
    return ERR_OK;
}

/* Everything but the listener. */
static err_t
new_parts(struct api *api, char why[API_WHY_SIZE_MAX])
{
    set_limits(api);
    err_t err = new_slots(api);
    if (err == ERR_OK) {
        err = keys_new(api->config.keys.count_max, api->config.keys.kept, &api->keys);
    }
    if (err == ERR_OK) {
        err = loop_timer_new(api->loop, conn_on_timer, api, &api->timer);
    }
    if (err == ERR_OK) {
        err = feed_new(api->config.events_max, &api->feed);
    }
    if (err == ERR_OK) {
        err = loop_on_turn_end(api->loop, events_on_turn_end, api);
    }
    return err == ERR_OK ? api_reload(api, why) : err;
}

static err_t
open_listener(struct api *api, char why[API_WHY_SIZE_MAX])
{
    err_t err = net_listen(api->loop, api->config.listen, conn_accept, api, &api->listener);
    if (err != ERR_OK) {
        return err;
    }
    api->port = net_listener_port(api->listener);
    bool is_loopback = net_listener_is_loopback(api->listener);
    api->checks_host = api->config.hosts[0] != '\0' || is_loopback;
    if (!is_loopback && api->access == NULL && !api->config.is_insecure) {
        snprintf(why, API_WHY_SIZE_MAX,
            "beyond this machine it needs tokens (auth.token_file), or auth.insecure to do "
            "without");
        return ERR_AUTH;
    }
    return ERR_OK;
}

err_t
api_new(struct loop *loop, const struct api_config *config, const struct api_backend *backend,
    struct api **ret_api, char why[API_WHY_SIZE_MAX])
{
    CHECK(config->connections_max > 0);

    why[0] = '\0';
    struct api *api = calloc(1, sizeof *api);
    if (api == NULL) {
        return ERR_NO_MEMORY;
    }
    api->loop = loop;
    api->config = *config;
    api->config.hosts = config->hosts != NULL ? config->hosts : "";
    api->backend = *backend;
    api->timer_at = INSTANT_NEVER;
    err_t err = new_parts(api, why);
    if (err == ERR_OK) {
        err = open_listener(api, why);
    }
    if (err != ERR_OK) {
        if (why[0] == '\0') {
            snprintf(why, API_WHY_SIZE_MAX, "%s", err_text(err));
        }
        api_free(api);
        return err;
    }
    *ret_api = api;
    return ERR_OK;
}

void
api_free(struct api *api)
{
    if (api == NULL) {
        return;
    }
    net_listener_free(api->listener);
    for (uint32_t i = 0; api->conns != NULL && i < api->conns_count; i++) {
        if (api->conns[i].state != CONN_FREE) {
            api->conns[i].ticket = 0; /* the shell goes as well: nobody is told */
            conn_close(&api->conns[i]);
        }
    }
    loop_timer_free(api->timer);
    loop_no_turn_end(api->loop, api);
    feed_free(api->feed);
    keys_free(api->keys);
    access_free(api->access);
    out_fini(&api->out);
    free(api->conns);
    free(api->counts);
    free(api);
}

uint16_t
api_port(const struct api *api)
{
    return api->port;
}

void
api_close(struct api *api)
{
    if (api->is_closing) {
        return;
    }
    api->is_closing = true;
    net_listener_free(api->listener);
    api->listener = NULL;
    for (uint32_t i = 0; i < api->conns_count; i++) {
        struct conn *conn = &api->conns[i];
        bool is_idle = conn->state == CONN_HEAD && conn->codec.scanned_size == 0 &&
                       !conn->in_process && net_conn_unsent(conn->net) == 0;
        if (is_idle) {
            conn_close(conn);
        }
    }
}

bool
api_is_idle(const struct api *api)
{
    for (uint32_t i = 0; i < api->conns_count; i++) {
        const struct conn *conn = &api->conns[i];
        if (conn->state != CONN_FREE && (conn->ticket != 0 || net_conn_unsent(conn->net) > 0)) {
            return false;
        }
    }
    return true;
}
