/* SPDX-License-Identifier: MIT */
#include "coordinator/link/link.h"

#include "common/sys/clock.h"
#include "common/sys/log.h"
#include "coordinator/link/link_state.h"

#include <stdlib.h>
#include <string.h>

/* ---- life ---------------------------------------------------------------------------- */

static void
on_accepted(void *user, struct stream *stream)
{
    link_step_accepted(user, stream);
}

static void
on_ready(void *user)
{
    link_step_ready(user);
}

static void
on_turn_end(void *user)
{
    link_step_flush_all(user);
}

static void
on_timer(void *user)
{
    link_step_tick(user);
}

static err_t
listen_for_workers(struct links *links, const char *url)
{
    inbox_init(&links->inbox, links->wake);
    err_t err = stream_listener_new(url, on_accepted, links, &links->listener);
    if (err != ERR_OK) {
        inbox_fini(&links->inbox);
        return err;
    }
    if (links->token_size == 0 && !stream_listener_is_local(links->listener)) {
        log_error(
            "links beyond this machine need a token: set link.token_file", LOG_STR("url", url));
        return ERR_PERMISSION;
    }
    return ERR_OK;
}

err_t
links_new(struct loop *loop, const struct links_config *config,
    const struct links_events *events, struct links **ret_links)
{
    CHECK(config->token == NULL || config->token_size <= WIRE_TOKEN_SIZE_MAX);

    struct links *links = calloc(1, sizeof *links);
    if (links == NULL) {
        return ERR_NO_MEMORY;
    }
    links->loop = loop;
    links->events = *events;
    links->epoch = config->epoch;
    links->cancel_grace_ms = config->cancel_grace_ms;
    links->heartbeat_ms = config->heartbeat_ms > 0 ? config->heartbeat_ms : WIRE_HEARTBEAT_MS;
    links->missed_max =
        config->missed_max > 0 ? config->missed_max : WIRE_HEARTBEATS_MISSED_MAX;
    links->links_max = config->links_max;
    links->table_max = config->links_max + WIRE_LINKS_UNAUTH_MAX;
    links->table = calloc(links->table_max, sizeof(struct link *));
    links->shown = calloc(1, sizeof *links->shown);
    if (config->token != NULL) {
        memcpy(links->token, config->token, config->token_size);
        links->token_size = config->token_size;
    }
    err_t err = links->table == NULL || links->shown == NULL ? ERR_NO_MEMORY : ERR_OK;
    if (err == ERR_OK) {
        err = loop_wake_new(loop, on_ready, links, &links->wake);
    }
    if (err == ERR_OK) {
        err = loop_timer_new(loop, on_timer, links, &links->timer);
    }
    if (err == ERR_OK) {
        err = loop_on_turn_end(loop, on_turn_end, links);
    }
    if (err == ERR_OK) {
        err = listen_for_workers(links, config->listen_url);
    }
    if (err != ERR_OK) {
        links_free(links);
        return err;
    }
    *ret_links = links;
    return ERR_OK;
}

/* Serve the links until none is left (OK), or the time is over. */
static err_t
work_until(struct links *links, instant_t deadline)
{
    err_t err;
    do {
        link_step_ready(links);
        err = inbox_wait(&links->inbox, deadline);
    } while (err == ERR_AGAIN);
    return err;
}

static void
close_all(struct links *links)
{
    for (uint32_t i = 0; i < links->table_max; i++) {
        struct link *link = links->table[i];
        if (link != NULL && link->state != LINK_CLOSING) {
            link_step_close(link, "the coordinator stops");
        }
    }
    err_t err = work_until(links, instant_add(clock_now(), duration_ms(LINK_CLOSE_MS)));
    for (uint32_t i = 0; i < links->table_max && err != ERR_OK; i++) {
        if (links->table[i] != NULL) {
            link_step_kill(links->table[i]);
        }
    }
    /* NNG calls every closed stream back. */
    CHECK(work_until(links, INSTANT_NEVER) == ERR_OK);
}

void
links_free(struct links *links)
{
    if (links == NULL) {
        return;
    }
    stream_listener_free(links->listener);
    if (links->listener != NULL) {
        link_step_ready(links); /* what was accepted last */
        close_all(links);
        inbox_fini(&links->inbox);
    }
    loop_no_turn_end(links->loop, links);
    loop_timer_free(links->timer);
    loop_wake_free(links->wake);
    free(links->shown);
    free(links->table);
    free(links);
}

uint16_t
links_port(const struct links *links)
{
    return stream_listener_port(links->listener);
}

/* ---- what the shell asks for --------------------------------------------------------- */

static struct link *
find_up(struct links *links, link_id_t id)
{
    struct link *link = links->table[id % links->table_max];
    return link != NULL && link->id == id && link->state == LINK_UP ? link : NULL;
}

/* Too long is cut: the names were checked at the door. */
static void
copy_text(char *to, size_t to_size, const char *from)
{
    size_t size = from != NULL ? strnlen(from, to_size - 1) : 0;
    memcpy(to, from != NULL ? from : "", size);
    to[size] = '\0';
}

err_t
links_send_job(struct links *links, link_id_t id, const struct link_job *job)
{
    struct link *link = find_up(links, id);
    if (link == NULL) {
        return ERR_NOT_FOUND;
    }
    struct wire_msg msg;
    msg.kind = WIRE_JOB;
    msg.job = (struct wire_job){ .id = { .job = job->job, .attempt = job->attempt },
        .cancel_grace_ms = links->cancel_grace_ms,
        .is_hedge = job->is_hedge,
        .is_tied = job->is_tied,
        .bulk = job->input,
        .bulk_size = job->input_size };
    copy_text(msg.job.handler, sizeof msg.job.handler, job->handler);
    copy_text(msg.job.content_type, sizeof msg.job.content_type, job->content_type);
    copy_text(msg.job.traceparent, sizeof msg.job.traceparent, job->traceparent);
    err_t err = session_send(link->session, &msg, job->deadline, job->input_owner);
    if (err == ERR_OK) {
        link_step_flush(link);
    }
    return err;
}

err_t
links_send_cancel(
    struct links *links, link_id_t id, job_id_t job, uint32_t attempt, uint32_t cause)
{
    struct link *link = find_up(links, id);
    if (link == NULL) {
        return ERR_NOT_FOUND;
    }
    const struct wire_cancel cancel = { .id = { .job = job, .attempt = attempt },
        .cause = cause };
    err_t err = session_cancel(link->session, &cancel);
    if (err == ERR_OK) {
        link_step_flush(link);
    }
    return err;
}

void
links_close(struct links *links, link_id_t id, const char *reason)
{
    struct link *link = find_up(links, id);
    if (link != NULL) {
        link_step_close(link, reason);
    }
}

const struct links_counters *
links_counters(const struct links *links)
{
    *links->shown = links->retired;
    for (uint32_t i = 0; i < links->table_max; i++) {
        if (links->table[i] != NULL && links->table[i]->session != NULL) {
            link_step_count(links->shown, links->table[i]->session);
        }
    }
    links->shown->up_count = links->up_count;
    return links->shown;
}
