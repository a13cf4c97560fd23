/* SPDX-License-Identifier: MIT */
#include "common/edge/crypto.h"
#include "common/sys/clock.h"
#include "common/sys/log.h"
#include "coordinator/link/link_state.h"

#include <stdlib.h>

/* Beats are served on a grid of a part of the heartbeat, so that a thousand links cost as few
 * wake-ups as one. */
#define TICKS_COUNT 16
/* Links served before the loop looks at its timers and sockets again. */
#define ROUND_MAX 256
/* Reads of one link in a turn, each as large as its buffer. */
#define READS_MAX 8

/* ---- counting and telling ------------------------------------------------------------ */

void
link_step_count(struct links_counters *to, const struct session *session)
{
    const struct session_counters from = session_counters(session);
    to->stale_frames_count += from.stale_count;
    to->orphans_count += from.orphans_count;
    to->unknown_count += from.unknown_count;
    to->expired_count += from.expired_count;
    to->frames_in_count += from.frames_in_count;
    to->frames_out_count += from.frames_out_count;
    to->bytes_in_count += from.bytes_in_count;
    to->bytes_out_count += from.bytes_out_count;
}

/* A stranger cannot fill the log: one line a second. */
static void
warn_refused(struct links *links, const struct link *link, const char *why)
{
    instant_t now = clock_now();
    if (links->warned_at.ns != 0 &&
        !instant_reached(now, instant_add(links->warned_at, duration_s(1)))) {
        links->unwarned_count++;
        return;
    }
    char peer[STREAM_PEER_SIZE_MAX];
    stream_peer(link->stream, peer);
    log_warn("worker refused", LOG_STR("peer", peer), LOG_STR("why", why),
        LOG_I64("more", links->unwarned_count));
    links->warned_at = now;
    links->unwarned_count = 0;
}

/* ---- one link ------------------------------------------------------------------------ */

static void
leave_unauth(struct links *links)
{
    atomic_fetch_sub_explicit(&links->unauth_count, 1, memory_order_relaxed);
}

void
link_step_accepted(struct links *links, struct stream *stream)
{
    struct link *link = calloc(1, sizeof *link);
    unsigned count = atomic_fetch_add_explicit(&links->unauth_count, 1, memory_order_relaxed);
    if (link == NULL || count >= WIRE_LINKS_UNAUTH_MAX) {
        leave_unauth(links);
        free(link);
        stream_close(stream);
        return;
    }
    link->links = links;
    link->stream = stream;
    inbox_bind(&links->inbox, &link->entry, stream);
}

/* Off the table: from now on nobody can name it. */
void
link_step_kill(struct link *link)
{
    CHECK(link->state != LINK_DEAD);

    struct links *links = link->links;
    if (link->state == LINK_NEW || link->state == LINK_SHAKING) {
        leave_unauth(links);
    }
    links->up_count -= link->state == LINK_UP;
    if (link->id != 0) {
        links->table[link->id % links->table_max] = NULL;
    }
    link->state = LINK_DEAD;
    loop_watch_free(link->watch);
    link->watch = NULL;
    stream_close(link->stream);
}

static void
go_down(struct link *link, err_t why)
{
    struct links *links = link->links;
    bool was_up = link->state == LINK_UP;
    link_id_t id = link->id;
    if (link->state == LINK_SHAKING) {
        links->retired.handshakes_failed_count++;
        warn_refused(links, link, err_text(why));
    }
    link_step_kill(link);
    if (was_up) {
        links->events.on_down(links->events.user, id, why);
    }
}

static void
flush(struct link *link)
{
    const uint8_t *bytes;
    size_t size;
    if (link->state == LINK_DEAD) {
        return;
    }
    while (session_stage(link->session, clock_now(), &bytes, &size)) {
        if (!stream_send(link->stream, bytes, size)) {
            return; /* the rest when on_sent comes */
        }
        session_written(link->session);
    }
    if (link->state == LINK_CLOSING && session_is_idle(link->session)) {
        link_step_kill(link);
    }
}

void
link_step_flush(struct link *link)
{
    struct links *links = link->links;
    if (!loop_is_turning(links->loop) && !links->is_dispatching) {
        flush(link);
    } else if (!link->is_dirty) {
        link->is_dirty = true;
        link->next_dirty = links->dirty_first;
        links->dirty_first = link;
    }
}

void
link_step_flush_all(struct links *links)
{
    while (links->dirty_first != NULL) {
        struct link *link = links->dirty_first;
        links->dirty_first = link->next_dirty;
        link->is_dirty = false;
        flush(link);
    }
}

void
link_step_close(struct link *link, const char *reason)
{
    struct links *links = link->links;
    links->up_count -= link->state == LINK_UP;
    if (link->state == LINK_SHAKING) {
        leave_unauth(links);
    }
    link->state = LINK_CLOSING;
    link->close_by = instant_add(clock_now(), duration_ms(LINK_CLOSE_MS));
    loop_timer_arm(links->timer, link->close_by);
    session_close(link->session, reason);
    link_step_flush(link);
}

static void
on_bulk_done(void *user, const void *owner)
{
    struct links *links = user;
    links->events.on_input_done(links->events.user, owner);
}

static bool
take_id(struct links *links, struct link *link)
{
    for (uint32_t i = 0; i < links->table_max; i++) {
        link_id_t id = ++links->ids_count; /* 0 is none */
        if (links->table[id % links->table_max] == NULL) {
            links->table[id % links->table_max] = link;
            link->id = id;
            return true;
        }
    }
    return false;
}

static void on_readable(void *user);

static void
open_link(struct link *link)
{
    struct links *links = link->links;
    bool has_token = links->token_size > 0;
    struct session_config config = { .side = SESSION_COORDINATOR,
        .crypto = { .hmac = crypto_hmac_sha256, .equal = crypto_equal },
        .token = has_token ? links->token : NULL,
        .token_size = links->token_size,
        .epoch = links->epoch,
        .heartbeat_ms = links->heartbeat_ms,
        .missed_max = links->missed_max,
        .on_bulk_done = on_bulk_done,
        .user = links };
    crypto_random(config.nonce, sizeof config.nonce);
    if (!has_token && !stream_is_local(link->stream)) {
        warn_refused(links, link, "no token is set, so workers must be on this machine");
        link_step_kill(link);
        return;
    }
    if (!take_id(links, link) || session_new(&config, clock_now(), &link->session) != ERR_OK ||
        loop_watch_new(links->loop, stream_fd(link->stream), on_readable, link, &link->watch) !=
            ERR_OK) {
        warn_refused(links, link, err_text(ERR_FULL));
        link_step_kill(link);
        return;
    }
    link->state = LINK_SHAKING;
    loop_timer_arm(links->timer, clock_now()); /* finds the handshake's end */
    link_step_flush(link);
}

static void
come_up(struct link *link, const struct wire_msg *hello)
{
    struct links *links = link->links;
    if (links->up_count >= links->links_max) {
        warn_refused(links, link, "as many workers as link.workers_max allows");
        link_step_close(link, "the coordinator has all the workers that it can hold");
        return;
    }
    link->state = LINK_UP;
    links->up_count++;
    leave_unauth(links);
    links->events.on_up(links->events.user, link->id, &hello->hello);
}

/* Everything that came; stops when a callback closed the link. */
static void
take_received(struct link *link, size_t size)
{
    struct links *links = link->links;
    if (link->state != LINK_CLOSING) { /* then nobody listens any more */
        session_received(link->session, size);
    }
    while (link->state == LINK_SHAKING || link->state == LINK_UP) {
        enum session_event event;
        const struct wire_msg *msg;
        err_t err = session_next(link->session, clock_now(), &event, &msg);
        if (err != ERR_OK) {
            links->retired.bad_frames_count += link->state == LINK_UP;
            flush(link); /* its GOODBYE says why */
            go_down(link, err);
            return;
        }
        if (event == SESSION_IDLE) {
            break;
        }
        if (event == SESSION_IS_UP) {
            come_up(link, msg);
        } else if (msg->kind == WIRE_GOODBYE) {
            log_info(
                "goodbye", LOG_I64("link", link->id), LOG_STR("reason", msg->goodbye.reason));
            go_down(link, ERR_CLOSED);
        } else {
            links->events.on_message(
                links->events.user, link->id, msg, session_rtt(link->session));
        }
    }
    if (link->state != LINK_DEAD) {
        link_step_flush(link); /* a PONG, a CREDIT */
    }
}

static void
on_readable(void *user)
{
    struct link *link = user;
    for (unsigned i = 0; i < READS_MAX && link->state != LINK_DEAD; i++) {
        uint8_t *bytes;
        size_t size;
        size_t got_size = 0;
        err_t err = session_space(link->session, &bytes, &size);
        if (err == ERR_OK) {
            err = stream_read(link->stream, bytes, size, &got_size);
        }
        if (err == ERR_OK) {
            take_received(link, got_size);
        } else if (err != ERR_AGAIN) {
            go_down(link, err);
        }
        if (got_size < size) {
            return; /* that was all; if not, we are called again */
        }
    }
}

static void
free_link(struct link *link)
{
    struct links *links = link->links;
    CHECK(link->state == LINK_DEAD);
    CHECK(!link->is_dirty);
    if (link->session != NULL) {
        link_step_count(&links->retired, link->session);
        session_free(link->session);
    }
    free(link);
}

static void
dispatch(struct link *link, const struct inbox_news *news)
{
    if (news->gone) {
        link_step_flush_all(link->links); /* it may be on that list */
        free_link(link);
        return;
    }
    if (link->state == LINK_NEW) {
        open_link(link);
    }
    if (news->sent && link->state != LINK_DEAD) {
        session_written(link->session);
        link_step_flush(link);
    }
    if (news->broken != ERR_OK && link->state != LINK_DEAD) {
        go_down(link, news->broken);
    }
}

void
link_step_ready(struct links *links)
{
    CHECK(!links->is_dispatching);

    links->is_dispatching = true;
    for (unsigned i = 0; i < ROUND_MAX; i++) {
        struct inbox_news news;
        struct inbox_entry *entry = inbox_take(&links->inbox, &news);
        if (entry == NULL) {
            break;
        }
        dispatch(CONTAINER_OF(entry, struct link, entry), &news);
        if (i == ROUND_MAX - 1) {
            loop_wake_post(links->wake);
        }
    }
    if (!loop_is_turning(links->loop)) {
        link_step_flush_all(links);
    }
    links->is_dispatching = false;
}

/* ---- time ---------------------------------------------------------------------------- */

static instant_t
tick(struct link *link, instant_t now)
{
    instant_t next = link->close_by;
    if (link->state == LINK_CLOSING) {
        if (instant_reached(now, link->close_by)) {
            link_step_kill(link);
            return INSTANT_NEVER;
        }
        return next;
    }
    err_t err = session_tick(link->session, now, &next);
    flush(link);
    if (err != ERR_OK) {
        go_down(link, err);
        return INSTANT_NEVER;
    }
    return next;
}

void
link_step_tick(struct links *links)
{
    instant_t now = clock_now();
    instant_t next = INSTANT_NEVER;
    for (uint32_t i = 0; i < links->table_max; i++) {
        if (links->table[i] != NULL) {
            next = instant_min(next, tick(links->table[i], now));
        }
    }
    if (!instant_is_never(next)) {
        const int64_t grid = duration_ms(links->heartbeat_ms).ns / TICKS_COUNT;
        next.ns = (next.ns + grid - 1) / grid * grid;
        loop_timer_arm(links->timer, next);
    }
}
