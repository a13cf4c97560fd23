/* SPDX-License-Identifier: MIT */
#include "coordinator/http/feed.h"

#include <stdlib.h>

struct feed {
    struct feed_event *ring;
    uint32_t max;
    uint64_t next;
};

err_t
feed_new(uint32_t count_max, struct feed **ret_feed)
{
    CHECK(count_max > 0);

    struct feed *feed = calloc(1, sizeof *feed);
    if (feed == NULL) {
        return ERR_NO_MEMORY;
    }
    feed->max = count_max;
    feed->next = 1;
    feed->ring = calloc(count_max, sizeof *feed->ring);
    if (feed->ring == NULL) {
        feed_free(feed);
        return ERR_NO_MEMORY;
    }
    *ret_feed = feed;
    return ERR_OK;
}

void
feed_free(struct feed *feed)
{
    if (feed == NULL) {
        return;
    }
    free(feed->ring);
    free(feed);
}

uint64_t
feed_memory_size(uint32_t count_max)
{
    return (uint64_t) count_max * sizeof(struct feed_event);
}

void
feed_push(struct feed *feed, const struct feed_event *event)
{
    feed->ring[feed->next % feed->max] = *event;
    feed->next++;
}

uint64_t
feed_first(const struct feed *feed)
{
    return feed->next > feed->max ? feed->next - feed->max : 1;
}

uint64_t
feed_next(const struct feed *feed)
{
    return feed->next;
}

const struct feed_event *
feed_at(const struct feed *feed, uint64_t number)
{
    CHECK(number >= feed_first(feed));
    CHECK(number < feed->next);
    return &feed->ring[number % feed->max];
}

const char *
feed_kind_text(enum feed_kind kind)
{
    switch (kind) {
    case FEED_ACCEPTED: return "accepted";
    case FEED_SENT: return "sent";
    case FEED_STARTED: return "started";
    case FEED_CANCELLING: return "cancelling";
    case FEED_ENDED: return "ended";
    case FEED_FINISHED: return "finished";
    }
    CHECK_UNREACHABLE();
}
