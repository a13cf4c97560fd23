/* SPDX-License-Identifier: MIT
 *
 * What a connection owes us by when, and what happens to one that is late.
 */
#include "common/sys/clock.h"
#include "coordinator/http/state.h"

/* ---- deadlines: a list for each kind, since each kind has one length ------------------ */

static void
list_remove(struct conn_list *list, struct conn *conn)
{
    if (conn->previous != NULL) {
        conn->previous->next = conn->next;
    } else {
        list->first = conn->next;
    }
    if (conn->next != NULL) {
        conn->next->previous = conn->previous;
    } else {
        list->last = conn->previous;
    }
    conn->next = NULL;
    conn->previous = NULL;
}

static void
list_append(struct conn_list *list, struct conn *conn)
{
    conn->previous = list->last;
    conn->next = NULL;
    if (list->last != NULL) {
        list->last->next = conn;
    } else {
        list->first = conn;
    }
    list->last = conn;
}

void
conn_set_deadline(struct conn *conn, enum conn_deadline kind)
{
    struct api *api = conn->api;
    if (conn->deadline_kind != DEADLINE_NONE) {
        list_remove(&api->deadlines[conn->deadline_kind], conn);
    }
    conn->deadline_kind = kind;
    if (kind == DEADLINE_NONE) {
        return;
    }
    conn->deadline = instant_add(clock_now(), api->times[kind]);
    list_append(&api->deadlines[kind], conn);
    /* A timer that is too early finds nothing and looks again; that is rarer, and so
     * cheaper, than moving it with each request. */
    if (instant_before(conn->deadline, api->timer_at)) {
        api->timer_at = conn->deadline;
        loop_timer_arm(api->timer, api->timer_at);
    }
}

/* Reset it only when what is waited for changed. */
static void
want_deadline(struct conn *conn, enum conn_deadline kind, uint64_t window_size)
{
    if (conn->deadline_kind != kind) {
        conn_set_deadline(conn, kind);
        conn->window_size = window_size;
    }
}

static uint64_t
sent_size(const struct conn *conn)
{
    return conn->written_size - net_conn_unsent(conn->net);
}

/* What this connection owes us, given its state. */
void
conn_update_deadline(struct conn *conn)
{
    switch (conn->state) {
    case CONN_FREE: break;
    case CONN_HEAD:
        if (net_conn_unsent(conn->net) > 0) {
            want_deadline(conn, DEADLINE_WRITE, sent_size(conn));
        } else if (conn->codec.scanned_size > 0) {
            want_deadline(conn, DEADLINE_HEAD, 0);
        } else {
            conn_set_deadline(conn, DEADLINE_IDLE);
        }
        break;
    case CONN_BODY: want_deadline(conn, DEADLINE_BODY, conn->codec.body_size); break;
    case CONN_WAITING: conn_set_deadline(conn, DEADLINE_NONE); break;
    case CONN_STREAMING:
        if (net_conn_unsent(conn->net) > 0) {
            want_deadline(conn, DEADLINE_WRITE, sent_size(conn));
        } else {
            conn_set_deadline(conn, DEADLINE_NONE);
        }
        break;
    case CONN_FLUSHING: want_deadline(conn, DEADLINE_WRITE, sent_size(conn)); break;
    case CONN_LINGERING: want_deadline(conn, DEADLINE_LINGER, 0); break;
    }
}

/* ---- what is late --------------------------------------------------------------------- */

static uint64_t
progress_of(const struct conn *conn)
{
    return conn->deadline_kind == DEADLINE_BODY ? conn->codec.body_size : sent_size(conn);
}

static void
cut(struct conn *conn, const char *detail)
{
    conn->api->cut_count[conn->deadline_kind]++;
    if (detail == NULL) {
        conn_gone(conn);
        return;
    }
    conn->must_close = true;
    reply_problem(conn, &(struct problem){ .status = 408,
                            .code = "too-slow",
                            .title = "Too slow",
                            .detail = detail,
                            .is_retryable = true });
    if (conn->state != CONN_FREE) {
        conn_update_deadline(conn);
    }
}

static void
on_late(struct conn *conn)
{
    struct api *api = conn->api;
    switch (conn->deadline_kind) {
    case DEADLINE_HEAD: cut(conn, "the header did not come in time"); return;
    case DEADLINE_IDLE:
    case DEADLINE_LINGER: conn_gone(conn); return;
    case DEADLINE_BODY:
    case DEADLINE_WRITE:
        if (progress_of(conn) - conn->window_size >= api->window_size_min) {
            conn->window_size = progress_of(conn);
            conn_set_deadline(conn, conn->deadline_kind);
            return;
        }
        cut(conn, conn->deadline_kind == DEADLINE_BODY ? "the body came too slowly" : NULL);
        return;
    case DEADLINE_NONE:
    case DEADLINES_COUNT: break;
    }
    CHECK_UNREACHABLE();
}

void
conn_on_timer(void *user)
{
    struct api *api = user;
    instant_t now = clock_now();
    api->timer_at = INSTANT_NEVER;
    for (unsigned kind = DEADLINE_NONE + 1; kind < DEADLINES_COUNT; kind++) {
        struct conn_list *list = &api->deadlines[kind];
        while (list->first != NULL && instant_reached(now, list->first->deadline)) {
            on_late(list->first);
        }
    }
    for (unsigned kind = DEADLINE_NONE + 1; kind < DEADLINES_COUNT; kind++) {
        const struct conn *first = api->deadlines[kind].first;
        api->timer_at =
            first != NULL ? instant_min(api->timer_at, first->deadline) : api->timer_at;
    }
    loop_timer_arm(api->timer, api->timer_at);
}
