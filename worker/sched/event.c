/* SPDX-License-Identifier: MIT */
#include "worker/sched/ctx.h"
#include "worker/sched/park.h"

#include <string.h>

/* The first word of hr_event is a wait word (park.h); the rest is room to grow. */
static _Atomic uint64_t *
event_word(struct hr_event *event)
{
    _Static_assert(sizeof(event->opaque[0]) == sizeof(uint64_t), "a word");
    return (_Atomic uint64_t *) (void *) &event->opaque[0];
}

void
hr_event_init(struct hr_event *event)
{
    memset(event, 0, sizeof *event);
}

void
hr_event_set(struct hr_event *event)
{
    struct hr_fiber *self = fiber_self();
    struct thread *thread = proc_enter_any(self);
    park_word_set(thread, event_word(event));
    if (self != NULL) {
        proc_leave(self);
    }
}

int
hr_event_wait(struct hr_event *event)
{
    if (park_word_wait(event_word(event), /* is_cancellable= */ true, "event") == WOKEN_OK) {
        return 0;
    }
    return hr_ctx_err(hr_ctx_self());
}
