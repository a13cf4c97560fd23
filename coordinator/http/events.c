/* SPDX-License-Identifier: MIT
 *
 * Events as they happen (server-sent events): of one job until it is over, or of all.
 *
 *     id: 5f2c9d0e-47                          which process, which event
 *     event: sent
 *     data: {"job_id":"0193...","at":"...","attempt":1,"kind":"primary","worker":"w1"}
 *
 * A client that comes back with Last-Event-ID goes on behind that event.  What is no longer
 * kept, or was another process's, is told as one event `gap`, never passed over in silence.
 */
#include "common/sys/clock.h"
#include "coordinator/http/state.h"

#include <inttypes.h>
#include <stdio.h>

#define BEAT_EVERY duration_s(15)
/* Of what is written at once; a client that reads slowly is waited for. */
#define PIECE_SIZE_MAX (32 * 1024)

/* ---- writing -------------------------------------------------------------------------- */

/* false: the connection is closed. */
static bool
write_piece(struct conn *conn, struct slice piece)
{
    char size_line[24];
    bool is_chunked = conn->version_minor == 1;
    int line_size = snprintf(size_line, sizeof size_line, "%zx\r\n", piece.size);
    const struct net_bytes parts[] = { { size_line, (size_t) line_size },
        { piece.at, piece.size }, { "\r\n", 2 } };
    err_t err = is_chunked ? net_conn_write(conn->net, parts, ARRAY_COUNT(parts))
                           : net_conn_write(conn->net, parts + 1, 1);
    conn->written_size += piece.size + (is_chunked ? (size_t) line_size + 2 : 0);
    bool is_over = err == ERR_OK && !conn_count_held(conn) &&
                   net_conn_unsent(conn->net) > API_UNSENT_SIZE_MAX;
    if (err != ERR_OK || is_over) {
        conn->api->cut_count[DEADLINE_NONE]++;
        conn_close(conn);
        return false;
    }
    return true;
}

static void
end_stream(struct conn *conn)
{
    static const struct net_bytes last = { "0\r\n\r\n", 5 };
    conn->api->streams_count--;
    conn->state = CONN_FLUSHING;
    loop_timer_arm(conn->wait_timer, INSTANT_NEVER);
    if (conn->version_minor == 1) {
        conn->written_size += last.size;
        if (net_conn_write(conn->net, &last, 1) != ERR_OK) {
            conn_close(conn);
            return;
        }
    }
    conn_finish(conn);
}

static void
begin_event(struct api *api, uint64_t number, const char *name)
{
    out_format(&api->out, "id: %08" PRIx32 "-%" PRIu64 "\nevent: %s\ndata: ", api->events_epoch,
        number, name);
    out_open(&api->out, '{');
}

static void
end_event(struct api *api)
{
    out_close(&api->out, '}');
    out_add(&api->out, SLICE("\n\n"));
    api->out.wants_comma = false;
}

static void
out_word(struct out *out, const char *key, const char *word)
{
    out_key(out, key);
    out_string(out, slice_of(word));
}

static void
out_event(struct api *api, uint64_t number)
{
    const struct feed_event *event = feed_at(api->feed, number);
    struct out *out = &api->out;
    begin_event(api, number, feed_kind_text(event->kind));
    out_key(out, "job_id");
    out_id(out, event->job);
    out_key(out, "at");
    out_time(out, event->unix_ms);
    if (event->attempt > 0) {
        out_key(out, "attempt");
        out_u64(out, event->attempt);
        out_word(out, "kind", attempt_kind_text(event->attempt_kind));
        out_word(out, "worker", event->worker);
    }
    if (event->kind == FEED_ENDED) {
        out_word(out, "state", attempt_state_text(event->attempt_state));
    } else if (event->kind == FEED_CANCELLING) {
        out_word(out, "cause", cancel_cause_text(event->cause));
    } else if (event->kind == FEED_FINISHED) {
        out_word(out, "state", job_state_text(event->state));
    }
    end_event(api);
}

/* The number of the last event that is lost stands for all of them. */
static void
out_gap(struct conn *conn)
{
    struct api *api = conn->api;
    uint64_t first = feed_first(api->feed);
    begin_event(api, first - 1, "gap");
    out_key(&api->out, "lost");
    if (conn->is_of_other_epoch) {
        out_null(&api->out); /* nobody knows */
    } else {
        out_u64(&api->out, first - conn->cursor);
    }
    end_event(api);
    conn->cursor = first;
    conn->is_of_other_epoch = false;
}

/* All that is kept was shown.  true: the job is over, so there will be no more; its last
 * event is made anew for a client that cannot have seen it. */
static bool
out_end(struct conn *conn)
{
    struct api *api = conn->api;
    struct job_view job;
    if (!api->backend.job(api->backend.shell, conn->job, &job)) {
        return true; /* forgotten meanwhile */
    }
    if (job.state <= JOB_RUNNING || !conn->has_gap) {
        return job.state > JOB_RUNNING;
    }
    begin_event(api, feed_next(api->feed) - 1, feed_kind_text(FEED_FINISHED));
    out_key(&api->out, "job_id");
    out_id(&api->out, job.id);
    out_key(&api->out, "at");
    out_time(&api->out, api->backend.unix_ms(api->backend.shell, job.finished_at));
    out_word(&api->out, "state", job_state_text(job.state));
    end_event(api);
    return true;
}

/* Fills api->out with what this client has not seen; true: the job is over. */
static bool
out_news(struct conn *conn)
{
    struct api *api = conn->api;
    bool is_of_all = id_is_none(conn->job);
    if (conn->is_of_other_epoch || conn->cursor < feed_first(api->feed)) {
        out_gap(conn);
        conn->has_gap = true;
    }
    while (conn->cursor < feed_next(api->feed) && api->out.size < PIECE_SIZE_MAX) {
        const struct feed_event *event = feed_at(api->feed, conn->cursor);
        bool is_ours = is_of_all || id_equal(event->job, conn->job);
        if (is_ours) {
            out_event(api, conn->cursor);
        }
        conn->cursor++;
        if (is_ours && !is_of_all && event->kind == FEED_FINISHED) {
            return true;
        }
    }
    return !is_of_all && conn->cursor == feed_next(api->feed) && out_end(conn);
}

/* ---- streams -------------------------------------------------------------------------- */

void
events_pump(struct conn *conn)
{
    struct api *api = conn->api;
    bool is_over = false;
    bool goes_on = true;
    while (goes_on && net_conn_unsent(conn->net) <= API_UNSENT_SIZE_MAX) {
        out_reset(&api->out);
        is_over = out_news(conn);
        if (api->out.has_failed) {
            conn_close(conn);
            return;
        }
        if (api->out.size > 0 && !write_piece(conn, out_slice(&api->out))) {
            return;
        }
        goes_on = !is_over && conn->cursor < feed_next(api->feed);
    }
    if (is_over) {
        end_stream(conn);
    }
    conn_update_deadline(conn);
}

void
events_beat(struct conn *conn)
{
    if (write_piece(conn, SLICE(":\n\n"))) {
        loop_timer_arm(conn->wait_timer, instant_add(clock_now(), BEAT_EVERY));
        conn_update_deadline(conn);
    }
}

void
events_on_turn_end(void *user)
{
    struct api *api = user;
    if (!api->has_news) {
        return;
    }
    api->has_news = false;
    for (uint32_t i = 0; i < api->conns_count; i++) {
        if (api->conns[i].state == CONN_STREAMING) {
            events_pump(&api->conns[i]);
        }
    }
}

void
api_tell(struct api *api, const struct feed_event *event)
{
    feed_push(api->feed, event);
    api->has_news = api->streams_count > 0;
}

/* ---- the routes ----------------------------------------------------------------------- */

/* "epoch-number"; false: answered. */
static bool
read_last_id(struct request *request, uint64_t *ret_cursor, bool *ret_is_of_other_epoch)
{
    struct conn *conn = request->conn;
    const struct api *api = conn->api;
    struct slice text;
    struct slice epoch;
    uint64_t number = 0;
    char ours[16];
    *ret_is_of_other_epoch = false;
    if (!request_find_once(request, SLICE("Last-Event-ID"), &text)) {
        return false;
    }
    if (text.at == NULL) {
        return true;
    }
    bool is_good = slice_next(&text, '-', &epoch) && epoch.size == 8 && text.at != NULL &&
                   slice_to_u64(text, &number) && number < UINT64_MAX;
    if (!is_good) {
        reply_bad_field(
            conn, "Last-Event-ID", NULL, "Last-Event-ID is none that this server gave out");
        return false;
    }
    snprintf(ours, sizeof ours, "%08" PRIx32, api->events_epoch);
    *ret_is_of_other_epoch =
        !slice_equal(epoch, slice_of(ours)) || number >= feed_next(api->feed);
    *ret_cursor = number + 1;
    return true;
}

static void
stream(struct request *request, job_id_t job, uint64_t first)
{
    struct conn *conn = request->conn;
    struct api *api = conn->api;
    uint64_t cursor = 0; /* numbers begin at 1: a client that names none comes fresh */
    bool is_of_other_epoch;
    if (!read_last_id(request, &cursor, &is_of_other_epoch)) {
        return;
    }
    if (api->streams_count >= api->streams_max) {
        reply_problem(conn, &(struct problem){ .status = 429,
                                .code = "overloaded",
                                .title = "Overloaded",
                                .detail = "there are as many event streams as there may be",
                                .is_retryable = true,
                                .retry_after = duration_s(5) });
        return;
    }
    if (!wait_can_end(conn) || !reply_begin_stream(conn)) {
        return;
    }
    api->streams_count++;
    conn->state = CONN_STREAMING;
    conn->job = job;
    conn->cursor = cursor > 0 ? cursor : first;
    conn->has_gap = cursor == 0;
    conn->is_of_other_epoch = is_of_other_epoch;
    if (conn->is_head) {
        conn->version_minor = 0; /* no last chunk, either */
        end_stream(conn);
        return;
    }
    loop_timer_arm(conn->wait_timer, instant_add(clock_now(), BEAT_EVERY));
    events_pump(conn);
}

void
handle_job_events(struct request *request)
{
    struct conn *conn = request->conn;
    const struct api *api = conn->api;
    struct job_view job;
    job_id_t id;
    if (!query_refuse_all(request)) {
        return;
    }
    if (id_from_text(request->capture, strlen(request->capture), &id) != ERR_OK) {
        reply_bad_field(conn, "id", NULL, "'%.64s' is no job's id", request->capture);
    } else if (!api->backend.job(api->backend.shell, id, &job)) {
        reply_unknown_job(conn, id);
    } else {
        stream(request, id, feed_first(api->feed));
    }
}

void
handle_events(struct request *request)
{
    if (query_refuse_all(request)) {
        stream(request, (job_id_t){ { 0 } }, feed_next(request->conn->api->feed));
    }
}
