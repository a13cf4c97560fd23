/* SPDX-License-Identifier: MIT */
#include "worker/sched/chan.h"

#include "common/pure/check.h"
#include "worker/sched/ctx.h"
#include "worker/sched/runtime.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum {
    POOLED_SIZE = 128,
    POOLED_COUNT_MAX = 8 << 20
};

static struct slab chan_pool;

bool
chan_pool_init(void)
{
    return chan_pool.base != NULL || slab_init(&chan_pool, POOLED_SIZE, POOLED_COUNT_MAX);
}

/* ---- life ---- */

struct hr_chan *
hr_chan_new(uint32_t element_size, uint32_t capacity)
{
    size_t ring_size;
    if (__builtin_mul_overflow((size_t) element_size, (size_t) capacity, &ring_size) ||
        ring_size > SIZE_MAX / 2) {
        return NULL;
    }
    /* ASan shall see a use after hr_chan_free, so there each one is malloc's. */
    bool is_pooled = !ANNOTATE_ASAN && sizeof(struct hr_chan) + ring_size <= POOLED_SIZE &&
                     chan_pool.base != NULL;
    struct hr_fiber *self = fiber_self();
    struct thread *thread = proc_enter_any(self);
    struct hr_chan *chan = is_pooled ? slab_take(&chan_pool, proc_cache(thread, PROC_POOL_CHAN))
                                     : malloc(sizeof *chan + ring_size);
    if (chan != NULL) {
        /* The lock of a pooled one may have been given back a moment ago: leave it alone. */
        if (!is_pooled) {
            atomic_init(&chan->lock.word, 0);
        }
        chan->is_closed = false;
        chan->is_pooled = is_pooled;
        chan->element_size = element_size;
        chan->capacity = capacity;
        chan->count = 0;
        chan->first = 0;
        chan->receivers = (struct chan_queue){ 0 };
        chan->senders = (struct chan_queue){ 0 };
    }
    if (self != NULL) {
        proc_leave(self);
    }
    return chan;
}

void
hr_chan_free(struct hr_chan *chan)
{
    if (chan == NULL) {
        return;
    }
    /* Whoever used it last may be about to give the lock back. */
    struct hr_fiber *self = fiber_self();
    struct thread *thread = proc_enter_any(self);
    lock_take(&chan->lock);
    CHECK(chan->receivers.head == NULL);
    CHECK(chan->senders.head == NULL);
    lock_give(&chan->lock);
    if (chan->is_pooled) {
        slab_give(&chan_pool, proc_cache(thread, PROC_POOL_CHAN), chan);
    } else {
        free(chan);
    }
    if (self != NULL) {
        proc_leave(self);
    }
}

/* ---- the two queues ---- */

void
chan_enqueue(struct chan_queue *queue, struct chan_waiter *waiter)
{
    waiter->next = NULL;
    waiter->prev = queue->tail;
    if (queue->tail != NULL) {
        queue->tail->next = waiter;
    } else {
        queue->head = waiter;
    }
    queue->tail = waiter;
    waiter->is_queued = true;
}

void
chan_dequeue(struct chan_queue *queue, struct chan_waiter *waiter)
{
    if (waiter->prev != NULL) {
        waiter->prev->next = waiter->next;
    } else {
        queue->head = waiter->next;
    }
    if (waiter->next != NULL) {
        waiter->next->prev = waiter->prev;
    } else {
        queue->tail = waiter->prev;
    }
    waiter->is_queued = false;
}

/* The first waiter that is still ours to wake: claimed, and off the queue. */
static struct chan_waiter *
claim_first(struct chan_queue *queue)
{
    struct chan_waiter *waiter;
    while ((waiter = queue->head) != NULL) {
        chan_dequeue(queue, waiter);
        if (waiter->handle == 0) {
            return waiter;
        }
        enum claim claim = park_claim(waiter->handle, WOKEN_OK);
        if (claim != CLAIM_LOST) {
            CHECK(claim == CLAIM_READY); /* CH2 */
            return waiter;
        }
    }
    return NULL;
}

static struct hr_fiber *
serve(struct chan_waiter *waiter, bool is_served)
{
    waiter->is_served = is_served;
    if (waiter->winner != NULL) {
        *waiter->winner = waiter;
    }
    return waiter->fiber;
}

/* ---- moving elements ---- */

static inline void
copy_element(const struct hr_chan *chan, void *to, const void *from)
{
    if (to == NULL) {
        return;
    }
    if (chan->element_size == sizeof(uint64_t)) {
        memcpy(to, from, sizeof(uint64_t));
    } else if (chan->element_size > 0) { /* from may be NULL then */
        memcpy(to, from, chan->element_size);
    }
}

static inline uint8_t *
ring_slot_of(struct hr_chan *chan, uint32_t offset, uint32_t element_size)
{
    uint64_t index = (uint64_t) chan->first + offset;
    if (index >= chan->capacity) {
        index -= chan->capacity;
    }
    return chan->ring + (size_t) index * element_size;
}

static inline uint8_t *
ring_slot(struct hr_chan *chan, uint32_t offset)
{
    return ring_slot_of(chan, offset, chan->element_size);
}

static inline void
ring_push(struct hr_chan *chan, const void *element)
{
    copy_element(chan, ring_slot(chan, chan->count), element);
    chan->count++;
}

static inline void
ring_take(struct hr_chan *chan, void *element)
{
    copy_element(chan, element, ring_slot(chan, 0));
    chan->first = chan->first + 1 < chan->capacity ? chan->first + 1 : 0;
    chan->count--;
}

static inline int
send_locked(struct hr_chan *chan, const void *element, struct hr_fiber **ret_ready)
{
    *ret_ready = NULL;
    if (__builtin_expect(chan->is_closed, 0)) {
        return -EPIPE;
    }
    if (chan->receivers.head != NULL) {
        struct chan_waiter *receiver = claim_first(&chan->receivers);
        if (receiver != NULL) {
            copy_element(chan, receiver->element, element);
            *ret_ready = serve(receiver, true);
            return 0;
        }
    }
    if (chan->count < chan->capacity) {
        ring_push(chan, element);
        return 0;
    }
    return -EAGAIN;
}

static inline int
recv_locked(struct hr_chan *chan, void *element, struct hr_fiber **ret_ready)
{
    *ret_ready = NULL;
    if (chan->count > 0) {
        ring_take(chan, element);
        if (chan->senders.head != NULL) {
            struct chan_waiter *sender = claim_first(&chan->senders);
            if (sender != NULL) {
                ring_push(chan, sender->element);
                *ret_ready = serve(sender, true);
            }
        }
        return 0;
    }
    if (chan->senders.head != NULL) {
        struct chan_waiter *sender = claim_first(&chan->senders);
        if (sender != NULL) {
            copy_element(chan, element, sender->element);
            *ret_ready = serve(sender, true);
            return 0;
        }
    }
    if (chan->is_closed) {
        if (element != NULL) {
            memset(element, 0, chan->element_size);
        }
        return -EPIPE;
    }
    return -EAGAIN;
}

int
chan_send_locked(struct hr_chan *chan, const void *element, struct hr_fiber **ret_ready)
{
    return send_locked(chan, element, ret_ready);
}

int
chan_recv_locked(struct hr_chan *chan, void *element, struct hr_fiber **ret_ready)
{
    return recv_locked(chan, element, ret_ready);
}

/* ---- waiting: entered with the lock held, leave the runtime ---- */

static int
waited(struct hr_fiber *self, const struct hr_chan *chan, void *receive_to, bool is_served)
{
    proc_leave_parks(self);
    if (__builtin_expect(is_served, 1)) {
        return 0;
    }
    if (receive_to != NULL) {
        memset(receive_to, 0, chan->element_size);
    }
    return -EPIPE;
}

/* Under the background only a peer can end the wait.  One frame from here to the switch. */
static __attribute__((noinline)) int
wait_exclusive(struct hr_fiber *self, struct hr_chan *chan, struct chan_queue *queue,
    void *element, const char *reason)
{
    struct chan_waiter waiter __attribute__((uninitialized));
    waiter.fiber = self;
    waiter.element = element;
    waiter.winner = NULL;
    waiter.handle = 0;
    chan_enqueue(queue, &waiter);
    park_wait_exclusive(self, &chan->lock, reason);
    return waited(self, chan, queue == &chan->receivers ? element : NULL, waiter.is_served);
}

static __attribute__((noinline)) int
wait_cancellable(struct hr_fiber *self, struct hr_chan *chan, struct chan_queue *queue,
    void *element, const char *reason)
{
    struct chan_waiter waiter __attribute__((uninitialized));
    if (!park_begin(self, /* is_cancellable= */ true)) {
        lock_give(&chan->lock);
        proc_leave_parks(self);
        return hr_ctx_err(self->ctx);
    }
    waiter.fiber = self;
    waiter.element = element;
    waiter.winner = NULL;
    waiter.handle = park_handle(self);
    chan_enqueue(queue, &waiter);
    if (park_wait(self, &chan->lock, reason) == WOKEN_OK) {
        void *receive_to = queue == &chan->receivers ? element : NULL;
        return waited(self, chan, receive_to, waiter.is_served);
    }
    lock_take(&chan->lock);
    if (waiter.is_queued) {
        chan_dequeue(queue, &waiter);
    }
    lock_give(&chan->lock);
    proc_leave_parks(self);
    return hr_ctx_err(self->ctx);
}

static inline int
wait_served(struct hr_fiber *self, struct hr_chan *chan, struct chan_queue *queue,
    void *element, const char *reason)
{
    return self->ctx == &ctx_background ? wait_exclusive(self, chan, queue, element, reason)
                                        : wait_cancellable(self, chan, queue, element, reason);
}

/* A nil channel is never ready, as in Go. */
static int
wait_for_ever(struct hr_fiber *self)
{
    proc_enter(self);
    int err = hr_ctx_err(self->ctx);
    if (err == 0 && park_begin(self, /* is_cancellable= */ true)) {
        park_wait(self, NULL, "chan (nil)");
    }
    err = hr_ctx_err(self->ctx);
    proc_leave_parks(self);
    return err;
}

/* ---- send and receive ----
 *
 * hr_chan_send and hr_chan_recv do what happens nearly always, and only what needs no frame:
 * all their calls are tail calls.  The _rest does anything, with the lock held; the _slow
 * ones do anything at all.
 */

static __attribute__((noinline)) int
leave_slow(struct hr_fiber *self)
{
    proc_leave_slow(self);
    return 0;
}

static inline int
leave_done(struct hr_fiber *self, struct thread *thread)
{
    if (__builtin_expect(atomic_load_explicit(&thread->preempt, memory_order_relaxed), 0)) {
        return leave_slow(self);
    }
    atomic_store_explicit(&thread->in_rt, 0, memory_order_release);
    return 0;
}

static __attribute__((noinline)) int
ready_slow(struct hr_fiber *self, struct hr_fiber *ready)
{
    proc_ready_slow(self->thread, ready);
    proc_leave_parks(self);
    return 0;
}

/* Give the lock back with an exclusive waiter served. */
static inline int
done_with(struct hr_fiber *self, struct hr_chan *chan, struct chan_queue *queue,
    struct chan_waiter *waiter)
{
    struct thread *thread = self->thread;
    struct hr_fiber *ready = waiter->fiber;
    queue->head = waiter->next;
    if (waiter->next != NULL) {
        waiter->next->prev = NULL;
    } else {
        queue->tail = NULL;
    }
    waiter->is_served = true;
    lock_give(&chan->lock);
    if (__builtin_expect(!proc_slot_is_free(thread), 0)) {
        return ready_slow(self, ready);
    }
    atomic_store_explicit(&thread->proc->next, ready, memory_order_relaxed);
    return leave_done(self, thread);
}

static int
done_rest(struct hr_fiber *self, struct hr_chan *chan, struct hr_fiber *ready)
{
    lock_give(&chan->lock);
    if (ready != NULL) {
        proc_ready(self->thread, ready);
    }
    proc_leave_parks(self);
    return 0;
}

static __attribute__((noinline)) int
send_rest(struct hr_fiber *self, struct hr_chan *chan, const void *element)
{
    struct hr_fiber *ready;
    int err = send_locked(chan, element, &ready);
    if (err == -EAGAIN) {
        return wait_served(
            self, chan, &chan->senders, (void *) (uintptr_t) element, "chan send");
    }
    done_rest(self, chan, ready);
    return err;
}

static __attribute__((noinline)) int
recv_rest(struct hr_fiber *self, struct hr_chan *chan, void *element)
{
    struct hr_fiber *ready;
    int err = recv_locked(chan, element, &ready);
    if (err == -EAGAIN) {
        return wait_served(self, chan, &chan->receivers, element, "chan recv");
    }
    done_rest(self, chan, ready);
    return err;
}

/* Lock chan, whatever it takes; or the error of the ctx. */
static int
lock_slow(struct hr_fiber *self, struct hr_chan *chan)
{
    CHECK(self != NULL);
    if (chan == NULL) {
        return wait_for_ever(self);
    }
    proc_enter(self);
    int err = ctx_err(self->ctx);
    if (err != 0) {
        proc_leave_parks(self);
        return err;
    }
    lock_take(&chan->lock);
    return 0;
}

static __attribute__((noinline)) int
send_slow(struct hr_fiber *self, struct hr_chan *chan, const void *element)
{
    int err = lock_slow(self, chan);
    return err == 0 ? send_rest(self, chan, element) : err;
}

static __attribute__((noinline)) int
recv_slow(struct hr_fiber *self, struct hr_chan *chan, void *element)
{
    int err = lock_slow(self, chan);
    return err == 0 ? recv_rest(self, chan, element) : err;
}

/* Into the runtime and under the lock, if nothing is in the way. */
static inline bool
lock_fast(struct hr_fiber *self, struct hr_chan *chan)
{
    return self != NULL && chan != NULL && !proc_step_in(self->thread) &&
           atomic_load_explicit(&self->ctx->cause, memory_order_acquire) == 0 &&
           lock_try(&chan->lock);
}

int
hr_chan_send(struct hr_chan *chan, const void *element)
{
    struct hr_fiber *self = fiber_self();
    if (__builtin_expect(!lock_fast(self, chan), 0)) {
        return send_slow(self, chan, element);
    }
    struct chan_waiter *receiver = chan->receivers.head;
    if (__builtin_expect(chan->is_closed || chan->element_size != sizeof(uint64_t), 0)) {
        return send_rest(self, chan, element);
    }
    if (receiver != NULL && receiver->handle == 0 && receiver->element != NULL) {
        memcpy(receiver->element, element, sizeof(uint64_t));
        return done_with(self, chan, &chan->receivers, receiver);
    }
    if (receiver == NULL && chan->count < chan->capacity) {
        memcpy(ring_slot_of(chan, chan->count, sizeof(uint64_t)), element, sizeof(uint64_t));
        chan->count++;
        lock_give(&chan->lock);
        return leave_done(self, self->thread);
    }
    if (receiver == NULL) {
        return wait_served(
            self, chan, &chan->senders, (void *) (uintptr_t) element, "chan send");
    }
    return send_rest(self, chan, element);
}

int
hr_chan_recv(struct hr_chan *chan, void *element)
{
    struct hr_fiber *self = fiber_self();
    if (__builtin_expect(!lock_fast(self, chan), 0)) {
        return recv_slow(self, chan, element);
    }
    struct chan_waiter *sender = chan->senders.head;
    if (__builtin_expect(chan->element_size != sizeof(uint64_t) || element == NULL, 0)) {
        return recv_rest(self, chan, element);
    }
    if (sender == NULL && chan->count > 0) {
        memcpy(element, ring_slot_of(chan, 0, sizeof(uint64_t)), sizeof(uint64_t));
        chan->first = chan->first + 1 < chan->capacity ? chan->first + 1 : 0;
        chan->count--;
        lock_give(&chan->lock);
        return leave_done(self, self->thread);
    }
    if (sender != NULL && sender->handle == 0 && chan->count == 0) {
        memcpy(element, sender->element, sizeof(uint64_t));
        return done_with(self, chan, &chan->senders, sender);
    }
    if (sender == NULL && !chan->is_closed) {
        return wait_served(self, chan, &chan->receivers, element, "chan recv");
    }
    return recv_rest(self, chan, element);
}

int
hr_chan_try_send(struct hr_chan *chan, const void *element)
{
    if (chan == NULL) {
        return -EAGAIN;
    }
    struct hr_fiber *self = fiber_self();
    struct thread *thread = proc_enter_any(self);
    struct hr_fiber *ready;
    lock_take(&chan->lock);
    int err = send_locked(chan, element, &ready);
    lock_give(&chan->lock);
    if (ready != NULL) {
        proc_ready(thread, ready);
    }
    if (self != NULL) {
        proc_leave(self);
    }
    return err;
}

int
hr_chan_try_recv(struct hr_chan *chan, void *element)
{
    if (chan == NULL) {
        return -EAGAIN;
    }
    struct hr_fiber *self = fiber_self();
    struct thread *thread = proc_enter_any(self);
    struct hr_fiber *ready;
    lock_take(&chan->lock);
    int err = recv_locked(chan, element, &ready);
    lock_give(&chan->lock);
    if (ready != NULL) {
        proc_ready(thread, ready);
    }
    if (self != NULL) {
        proc_leave(self);
    }
    return err;
}

int
hr_chan_close(struct hr_chan *chan)
{
    CHECK(chan != NULL);
    struct hr_fiber *self = fiber_self();
    struct thread *thread = proc_enter_any(self);
    struct runq_list woken = { 0 };
    lock_take(&chan->lock);
    int err = chan->is_closed ? -EINVAL : 0;
    chan->is_closed = true;
    struct chan_waiter *waiter;
    while ((waiter = claim_first(&chan->receivers)) != NULL ||
           (waiter = claim_first(&chan->senders)) != NULL) {
        runq_list_push(&woken, serve(waiter, false));
    }
    lock_give(&chan->lock);
    proc_ready_list(thread, &woken);
    if (self != NULL) {
        proc_leave(self);
    }
    return err;
}
