/* SPDX-License-Identifier: MIT
 *
 * Requests that wait for a job: until it is over, or for so long.
 */
#include "common/sys/clock.h"
#include "coordinator/http/state.h"

#define PROMISE_LOOK_EVERY_MS 10

bool
wait_can_end(struct conn *conn)
{
    if (conn->wait_timer == NULL &&
        loop_timer_new(conn->api->loop, wait_on_timer, conn, &conn->wait_timer) != ERR_OK) {
        reply_no_memory(conn);
        return false;
    }
    return true;
}

void
wait_at_most(struct conn *conn, duration_t time)
{
    duration_t bound = duration_min(time, conn->api->config.timeout_max);
    loop_timer_arm(conn->wait_timer, instant_add(clock_now(), bound));
}

void
wait_for_job(struct conn *conn, job_id_t job, enum answer_form form, duration_t time)
{
    struct api *api = conn->api;
    if (!wait_can_end(conn)) {
        return;
    }
    conn->form = form;
    conn->job = job;
    api_ticket_t ticket = conn_start_waiting(conn);
    if (!api->backend.wait(api->backend.shell, ticket, job)) {
        conn_stop_waiting(conn);
        reply_unknown_job(conn, job);
    } else if (conn->ticket == ticket && time.ns > 0) {
        wait_at_most(conn, time);
    }
}

/* The time is over before the job: show it as it is, or say that it goes on. */
void
wait_on_timer(void *user)
{
    struct conn *conn = user;
    struct api *api = conn->api;
    bool is_view = conn->form == ANSWER_VIEW;
    if (conn->state == CONN_STREAMING) {
        events_beat(conn);
        return;
    }
    if (!is_view && !api->backend.is_promised(api->backend.shell, conn->job)) {
        wait_at_most(conn, duration_ms(PROMISE_LOOK_EVERY_MS)); /* a slow disk */
        return;
    }
    api_ticket_t ticket = conn->ticket;
    conn_stop_waiting(conn);
    api->backend.gone(api->backend.shell, ticket);
    struct job_view view;
    if (!is_view) {
        reply_accepted(conn, conn->job);
    } else if (api->backend.job(api->backend.shell, conn->job, &view)) {
        reply_job(conn, &view, ANSWER_VIEW);
    } else {
        reply_unknown_job(conn, conn->job);
    }
    conn_process(conn);
}
