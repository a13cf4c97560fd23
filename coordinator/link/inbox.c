/* SPDX-License-Identifier: MIT */
#include "coordinator/link/inbox.h"

#include <errno.h>
#include <time.h>

void
inbox_init(struct inbox *inbox, struct loop_wake *wake)
{
    *inbox = (struct inbox){ .wake = wake };
    pthread_condattr_t attributes;
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(&inbox->changed, &attributes);
    pthread_condattr_destroy(&attributes);
    pthread_mutex_init(&inbox->mutex, NULL);
}

void
inbox_fini(struct inbox *inbox)
{
    CHECK(inbox->alive_count == 0);
    pthread_cond_destroy(&inbox->changed);
    pthread_mutex_destroy(&inbox->mutex);
}

/* With the mutex held: inbox_wait's caller may free everything as soon as it has it. */
static void
push(struct inbox_entry *entry)
{
    struct inbox *inbox = entry->inbox;
    if (!entry->is_ready) {
        entry->is_ready = true;
        entry->next = NULL;
        if (inbox->first == NULL) {
            inbox->first = entry;
        } else {
            inbox->last->next = entry;
        }
        inbox->last = entry;
    }
    pthread_cond_signal(&inbox->changed);
    loop_wake_post(inbox->wake);
}

static void
on_sent(void *user)
{
    struct inbox_entry *entry = user;
    struct inbox *inbox = entry->inbox;
    pthread_mutex_lock(&inbox->mutex);
    entry->news.sent = true;
    push(entry);
    pthread_mutex_unlock(&inbox->mutex);
}

static void
on_broken(void *user, err_t why)
{
    struct inbox_entry *entry = user;
    struct inbox *inbox = entry->inbox;
    pthread_mutex_lock(&inbox->mutex);
    entry->news.broken = why == ERR_OK ? ERR_CLOSED : why;
    push(entry);
    pthread_mutex_unlock(&inbox->mutex);
}

static void
on_gone(void *user)
{
    struct inbox_entry *entry = user;
    struct inbox *inbox = entry->inbox;
    pthread_mutex_lock(&inbox->mutex);
    entry->news.gone = true;
    push(entry);
    pthread_mutex_unlock(&inbox->mutex);
}

void
inbox_bind(struct inbox *inbox, struct inbox_entry *entry, struct stream *stream)
{
    *entry = (struct inbox_entry){ .inbox = inbox };
    const struct stream_events events = {
        .user = entry, .on_sent = on_sent, .on_broken = on_broken, .on_gone = on_gone
    };
    stream_bind(stream, &events);
    pthread_mutex_lock(&inbox->mutex);
    inbox->alive_count++;
    push(entry);
    pthread_mutex_unlock(&inbox->mutex);
}

struct inbox_entry *
inbox_take(struct inbox *inbox, struct inbox_news *ret_news)
{
    pthread_mutex_lock(&inbox->mutex);
    struct inbox_entry *entry = inbox->first;
    if (entry != NULL) {
        inbox->first = entry->next;
        entry->is_ready = false;
        *ret_news = entry->news;
        entry->news = (struct inbox_news){ 0 };
        inbox->alive_count -= ret_news->gone;
    }
    pthread_mutex_unlock(&inbox->mutex);
    return entry;
}

err_t
inbox_wait(struct inbox *inbox, instant_t deadline)
{
    const struct timespec when = { .tv_sec = deadline.ns / 1000000000,
        .tv_nsec = deadline.ns % 1000000000 };
    int code = 0;
    pthread_mutex_lock(&inbox->mutex);
    while (inbox->alive_count > 0 && inbox->first == NULL && code == 0) {
        code = pthread_cond_timedwait(&inbox->changed, &inbox->mutex, &when);
    }
    err_t err = code == ETIMEDOUT ? ERR_TIMEOUT : ERR_AGAIN;
    if (inbox->alive_count == 0) {
        err = ERR_OK;
    }
    pthread_mutex_unlock(&inbox->mutex);
    return err;
}
