/* SPDX-License-Identifier: MIT */
#include "proto/lanes.h"

#include <stdlib.h>
#include <string.h>

struct lanes_item {
    struct lanes_item *next;
    enum wire_kind kind; /* JOB or RESULT */
    union {
        struct wire_job job;
        struct wire_result result;
    };
    instant_t deadline;
    const uint8_t *bulk;
    uint32_t bulk_size;
    uint32_t sent_size;
    bool is_begun; /* its first frame was staged */
    const void *owner;
    uint8_t *copy; /* of a bulk without an owner */
};

void
lanes_init(struct lanes *lanes, void (*on_bulk_done)(void *, const void *), void *user)
{
    *lanes = (struct lanes){
        .on_bulk_done = on_bulk_done, .user = user, .window_left = WIRE_WINDOW_SIZE
    };
}

static void
item_free(struct lanes *lanes, struct lanes_item *item)
{
    if (item->owner != NULL) {
        lanes->on_bulk_done(lanes->user, item->owner);
    } else {
        lanes->copied_size -= item->bulk_size;
    }
    lanes->items_count--;
    free(item->copy);
    free(item);
}

static void
queue_append(struct lanes_queue *queue, struct lanes_item *item)
{
    item->next = NULL;
    if (queue->first == NULL) {
        queue->first = item;
    } else {
        queue->last->next = item;
    }
    queue->last = item;
}

static void
queue_remove_first(struct lanes *lanes, struct lanes_queue *queue)
{
    struct lanes_item *item = queue->first;
    queue->first = item->next;
    item_free(lanes, item);
}

void
lanes_fini(struct lanes *lanes)
{
    while (lanes->small.first != NULL) {
        queue_remove_first(lanes, &lanes->small);
    }
    while (lanes->large.first != NULL) {
        queue_remove_first(lanes, &lanes->large);
    }
    buffer_fini(&lanes->control);
    buffer_fini(&lanes->staged);
}

err_t
lanes_add_frame(
    struct lanes *lanes, const struct wire_msg *msg, uint8_t **ret_frame, size_t *ret_size)
{
    size_t size_max =
        msg->kind == WIRE_HELLO ? WIRE_FRAME_SIZE_UNAUTH_MAX : WIRE_CONTROL_SIZE_MAX;
    err_t err = buffer_reserve(&lanes->control, size_max, LANES_CONTROL_SIZE_MAX);
    size_t size = 0;
    if (err == ERR_OK) {
        err = wire_encode(msg, lanes->control.bytes + lanes->control.size, size_max, &size);
    }
    if (err != ERR_OK) {
        return err;
    }
    *ret_frame = lanes->control.bytes + lanes->control.size;
    *ret_size = size;
    lanes->control.size += size;
    lanes->frames_count++;
    return ERR_OK;
}

err_t
lanes_add_control(struct lanes *lanes, const struct wire_msg *msg)
{
    uint8_t *frame;
    size_t size;
    return lanes_add_frame(lanes, msg, &frame, &size);
}

static struct wire_attempt *
item_attempt(struct lanes_item *item)
{
    return item->kind == WIRE_JOB ? &item->job.id : &item->result.id;
}

static void
item_fill(struct lanes_item *item, const struct wire_msg *msg)
{
    item->kind = msg->kind;
    if (msg->kind == WIRE_JOB) {
        item->job = msg->job;
        item->bulk = msg->job.bulk;
        item->bulk_size = msg->job.bulk_size;
        item->job.input_size = item->bulk_size;
    } else {
        CHECK(msg->kind == WIRE_RESULT);
        item->result = msg->result;
        item->bulk = msg->result.bulk;
        item->bulk_size = msg->result.bulk_size;
        item->result.result_size = item->bulk_size;
    }
}

/* What would be refused only when it is staged is refused now, to whoever gave it. */
static err_t
check_encodes(const struct wire_msg *msg)
{
    __attribute__((uninitialized)) uint8_t frame[WIRE_CONTROL_SIZE_MAX];
    __attribute__((uninitialized)) struct wire_msg plain;
    size_t size;
    wire_msg_copy(&plain, msg);
    if (plain.kind == WIRE_JOB) {
        plain.job.bulk_size = 0;
        plain.job.input_size = 0;
        plain.job.budget_us = 1;
    } else {
        plain.result.bulk_size = 0;
        plain.result.result_size = 0;
    }
    return wire_encode(&plain, frame, sizeof frame, &size);
}

err_t
lanes_add_bulk(
    struct lanes *lanes, const struct wire_msg *msg, instant_t deadline, const void *owner)
{
    err_t err = check_encodes(msg);
    if (err != ERR_OK) {
        return err;
    }
    if (lanes->items_count >= LANES_ITEMS_MAX) {
        return ERR_FULL;
    }
    struct lanes_item *item = calloc(1, sizeof *item);
    if (item == NULL) {
        return ERR_NO_MEMORY;
    }
    item_fill(item, msg);
    item->deadline = deadline;
    item->owner = owner;
    if (item->bulk_size > WIRE_BULK_SIZE_MAX) {
        err = ERR_TOO_BIG;
    } else if (owner == NULL && item->bulk_size > LANES_COPIED_SIZE_MAX - lanes->copied_size) {
        err = ERR_FULL;
    } else if (owner == NULL && item->bulk_size > 0) {
        item->copy = malloc(item->bulk_size);
        err = item->copy == NULL ? ERR_NO_MEMORY : ERR_OK;
    }
    if (err != ERR_OK) {
        free(item);
        return err;
    }
    if (item->copy != NULL) {
        memcpy(item->copy, item->bulk, item->bulk_size);
        item->bulk = item->copy;
    }
    lanes->copied_size += owner == NULL ? item->bulk_size : 0;
    lanes->items_count++;
    queue_append(item->bulk_size <= WIRE_CHUNK_SIZE_MAX ? &lanes->small : &lanes->large, item);
    return ERR_OK;
}

static bool
attempt_is_same(const struct wire_attempt *a, const struct wire_attempt *b)
{
    return id_equal(a->job, b->job) && a->attempt == b->attempt;
}

static void
queue_drop(struct lanes *lanes, struct lanes_queue *queue, const struct wire_attempt *id)
{
    struct lanes_item *kept = NULL;
    for (struct lanes_item *item = queue->first; item != NULL;) {
        struct lanes_item *next = item->next;
        if (!attempt_is_same(item_attempt(item), id)) {
            kept = item;
        } else {
            if (kept == NULL) {
                queue->first = next;
            } else {
                kept->next = next;
            }
            queue->last = queue->last == item ? kept : queue->last;
            item_free(lanes, item);
        }
        item = next;
    }
}

void
lanes_drop(struct lanes *lanes, const struct wire_attempt *id)
{
    queue_drop(lanes, &lanes->small, id);
    queue_drop(lanes, &lanes->large, id);
}

bool
lanes_credit(struct lanes *lanes, uint32_t bytes)
{
    if (bytes > WIRE_WINDOW_SIZE - lanes->window_left) {
        return false;
    }
    lanes->window_left += bytes;
    return true;
}

static void
fill_message(const struct lanes_item *item, uint32_t size, instant_t now, struct wire_msg *msg)
{
    const uint8_t *bulk = size > 0 ? item->bulk + item->sent_size : NULL;
    if (item->is_begun) {
        msg->kind = item->kind == WIRE_JOB ? WIRE_JOB_CHUNK : WIRE_RESULT_CHUNK;
        msg->chunk =
            (struct wire_chunk){ .id = item->kind == WIRE_JOB ? item->job.id : item->result.id,
                .offset = item->sent_size,
                .bulk = bulk,
                .bulk_size = size };
        return;
    }
    msg->kind = item->kind;
    if (item->kind == WIRE_JOB) {
        msg->job = item->job;
        msg->job.bulk = bulk;
        msg->job.bulk_size = size;
        duration_t left = instant_until(now, item->deadline);
        int64_t us = duration_to_us(left);
        msg->job.budget_us = us > 0 ? (uint64_t) us : 1;
    } else {
        msg->result = item->result;
        msg->result.bulk = bulk;
        msg->result.bulk_size = size;
    }
}

/* Stage the next frame of the queue's first message; false when it must wait. */
static bool
stage_one(struct lanes *lanes, struct lanes_queue *queue, instant_t now)
{
    struct lanes_item *item = queue->first;
    while (item != NULL && item->kind == WIRE_JOB && !item->is_begun &&
           instant_reached(now, item->deadline)) {
        queue_remove_first(lanes, queue); /* nobody waits for it any more */
        lanes->expired_count++;
        item = queue->first;
    }
    if (item == NULL) {
        return false;
    }
    uint32_t left_size = item->bulk_size - item->sent_size;
    uint32_t size = left_size < WIRE_CHUNK_SIZE_MAX ? left_size : WIRE_CHUNK_SIZE_MAX;
    if (size > lanes->window_left ||
        buffer_reserve(&lanes->staged, WIRE_CONTROL_SIZE_MAX + size, LANES_STAGED_SIZE_MAX) !=
            ERR_OK) {
        return false;
    }
    __attribute__((uninitialized)) struct wire_msg msg;
    size_t frame_size = 0;
    fill_message(item, size, now, &msg);
    CHECK(wire_encode(&msg, lanes->staged.bytes + lanes->staged.size,
              lanes->staged.capacity - lanes->staged.size, &frame_size) == ERR_OK);
    lanes->staged.size += frame_size;
    lanes->window_left -= size;
    lanes->frames_count++;
    item->is_begun = true;
    item->sent_size += size;
    if (item->sent_size == item->bulk_size) {
        queue_remove_first(lanes, queue);
    }
    return true;
}

static void
stage_bulk(struct lanes *lanes, instant_t now)
{
    while (lanes->staged.size < LANES_WRITE_SIZE) {
        struct lanes_queue *first = lanes->small_was_last ? &lanes->large : &lanes->small;
        struct lanes_queue *second = lanes->small_was_last ? &lanes->small : &lanes->large;
        if (stage_one(lanes, first, now)) {
            lanes->small_was_last = first == &lanes->small;
        } else if (stage_one(lanes, second, now)) {
            lanes->small_was_last = second == &lanes->small;
        } else {
            return;
        }
    }
}

bool
lanes_stage(struct lanes *lanes, instant_t now, const uint8_t **ret_bytes, size_t *ret_size)
{
    if (lanes->is_writing) {
        return false;
    }
    CHECK(lanes->staged.size == 0);
    /* Control is frames already: the two buffers change places. */
    struct buffer control = lanes->control;
    lanes->control = lanes->staged;
    lanes->staged = control;
    stage_bulk(lanes, now);
    if (lanes->staged.size == 0) {
        return false;
    }
    lanes->is_writing = true;
    lanes->bytes_count += lanes->staged.size;
    *ret_bytes = lanes->staged.bytes;
    *ret_size = lanes->staged.size;
    return true;
}

void
lanes_written(struct lanes *lanes)
{
    CHECK(lanes->is_writing);
    lanes->is_writing = false;
    lanes->staged.size = 0;
}

bool
lanes_is_idle(const struct lanes *lanes)
{
    return !lanes->is_writing && lanes->control.size == 0 && lanes->items_count == 0;
}

void
lanes_shrink(struct lanes *lanes)
{
    if (lanes_is_idle(lanes)) {
        buffer_fini(&lanes->control);
        buffer_fini(&lanes->staged);
    }
}

void
lanes_check(const struct lanes *lanes)
{
    uint32_t count = 0;
    size_t copied_size = 0;
    const struct lanes_queue *queues[] = { &lanes->small, &lanes->large };
    for (unsigned i = 0; i < ARRAY_COUNT(queues); i++) {
        for (const struct lanes_item *item = queues[i]->first; item != NULL;
             item = item->next) {
            count++;
            copied_size += item->owner == NULL ? item->bulk_size : 0;
            CHECK(item->sent_size <= item->bulk_size);
            CHECK(!item->is_begun || item == lanes->large.first); /* L2 */
        }
    }
    CHECK(count == lanes->items_count);
    CHECK(copied_size == lanes->copied_size);
    CHECK(lanes->window_left <= WIRE_WINDOW_SIZE); /* L1 */
}
