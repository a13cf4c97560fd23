/* SPDX-License-Identifier: MIT
 *
 * worker/sched/flight.c - one call at a time for each key.
 *
 * A running call lies on its leader's stack, in a list (there are as many as keys in flight,
 * which is few).  Followers queue behind it with a place for the result on their own stacks;
 * the leader fills those in before it wakes them, so nobody reads a stack that may be gone.
 */
#include "common/pure/check.h"
#include "worker/sched/waitq.h"

#include <string.h>

struct follower {
    struct follower *next;
    struct hr_event event;
    void *result;
    int err;
};

struct leader {
    struct leader *next; /* guard of all: the flight's lock */
    const char *key;
    struct follower *followers;
};

struct flight {
    struct lock lock;
    struct leader *leaders;
};
_Static_assert(sizeof(struct flight) <= sizeof(struct hr_flight), "fits");

static struct leader *
find_locked(struct flight *flight, const char *key)
{
    for (struct leader *each = flight->leaders; each != NULL; each = each->next) {
        if (strcmp(each->key, key) == 0) {
            return each;
        }
    }
    return NULL;
}

/* Take the leader out; whoever comes now starts a call of their own. */
static struct follower *
land(struct flight *flight, struct leader *leader, struct hr_fiber *self)
{
    proc_enter_any(self);
    lock_take(&flight->lock);
    struct leader **link = &flight->leaders;
    while (*link != leader) {
        link = &(*link)->next;
    }
    *link = leader->next;
    lock_give(&flight->lock);
    proc_leave(self);
    return leader->followers;
}

int
hr_flight_do(struct hr_flight *public, const struct hr_flight_call *call, bool *ret_shared)
{
    struct flight *flight = (struct flight *) (void *) public;
    struct hr_fiber *self = fiber_self();
    CHECK(self != NULL);
    struct leader leader = { .key = call->key };
    struct follower follower = { .result = call->result };
    hr_event_init(&follower.event);

    proc_enter_any(self);
    lock_take(&flight->lock);
    struct leader *other = find_locked(flight, call->key);
    if (other != NULL) {
        follower.next = other->followers;
        other->followers = &follower;
    } else {
        leader.next = flight->leaders;
        flight->leaders = &leader;
    }
    lock_give(&flight->lock);
    proc_leave(self);

    if (ret_shared != NULL) {
        *ret_shared = other != NULL;
    }
    if (other != NULL) {
        park_word_wait((_Atomic uint64_t *) (void *) &follower.event.opaque[0],
            /* is_cancellable= */ false, "flight");
        return follower.err;
    }
    int err = call->fn(call->arg);
    struct follower *next = land(flight, &leader, self);
    while (next != NULL) {
        struct follower *each = next;
        next = each->next;
        each->err = err;
        if (call->result_size > 0) {
            memcpy(each->result, call->result, call->result_size);
        }
        hr_event_set(&each->event);
    }
    return err;
}
