/* SPDX-License-Identifier: MIT */
#include "proto/assembly.h"

#include <string.h>

void
assembly_fini(struct assembly *assembly)
{
    buffer_fini(&assembly->bulk);
    assembly->is_active = false;
}

static bool
is_about(const struct assembly *assembly, const struct wire_attempt *id)
{
    const struct wire_attempt *mine =
        assembly->kind == WIRE_JOB ? &assembly->job.id : &assembly->result.id;
    return assembly->is_active && id_equal(mine->job, id->job) && mine->attempt == id->attempt;
}

static void
append(struct assembly *assembly, const uint8_t *bulk, uint32_t size)
{
    if (size > 0) {
        memcpy(assembly->bulk.bytes + assembly->bulk.size, bulk, size);
        assembly->bulk.size += size;
    }
}

err_t
assembly_begin(struct assembly *assembly, const struct wire_msg *msg, instant_t now)
{
    CHECK(msg->kind == WIRE_JOB || msg->kind == WIRE_RESULT);
    if (assembly->is_active) {
        return ERR_BAD_MESSAGE;
    }
    const uint8_t *bulk = NULL;
    uint32_t bulk_size = 0;
    assembly->kind = msg->kind;
    if (msg->kind == WIRE_JOB) {
        assembly->job = msg->job;
        assembly->size = msg->job.input_size;
        bulk = msg->job.bulk;
        bulk_size = msg->job.bulk_size;
    } else {
        assembly->result = msg->result;
        assembly->size = msg->result.result_size;
        bulk = msg->result.bulk;
        bulk_size = msg->result.bulk_size;
    }
    CHECK(bulk_size < assembly->size);
    assembly->bulk.size = 0;
    err_t err = buffer_reserve(&assembly->bulk, assembly->size, WIRE_BULK_SIZE_MAX);
    if (err != ERR_OK) {
        return err;
    }
    append(assembly, bulk, bulk_size);
    assembly->begun_at = now;
    assembly->is_active = true;
    return ERR_OK;
}

static void
finish(struct assembly *assembly, instant_t now, struct wire_msg *ret_msg)
{
    assembly->is_active = false;
    ret_msg->kind = assembly->kind;
    if (assembly->kind == WIRE_RESULT) {
        ret_msg->result = assembly->result;
        ret_msg->result.bulk = assembly->bulk.bytes;
        ret_msg->result.bulk_size = assembly->size;
        return;
    }
    ret_msg->job = assembly->job;
    ret_msg->job.bulk = assembly->bulk.bytes;
    ret_msg->job.bulk_size = assembly->size;
    /* The budget ran while the chunks came. */
    uint64_t spent_us = (uint64_t) duration_to_us(instant_since(now, assembly->begun_at));
    uint64_t budget_us = assembly->job.budget_us;
    ret_msg->job.budget_us = budget_us > spent_us ? budget_us - spent_us : 1;
}

err_t
assembly_add(struct assembly *assembly, const struct wire_chunk *chunk, instant_t now,
    struct wire_msg *ret_msg)
{
    if (!is_about(assembly, &chunk->id)) {
        return ERR_NOT_FOUND;
    }
    if (chunk->offset != assembly->bulk.size ||
        chunk->bulk_size > assembly->size - assembly->bulk.size) {
        return ERR_BAD_MESSAGE;
    }
    append(assembly, chunk->bulk, chunk->bulk_size);
    if (assembly->bulk.size < assembly->size) {
        return ERR_AGAIN;
    }
    finish(assembly, now, ret_msg);
    return ERR_OK;
}

void
assembly_drop(struct assembly *assembly, const struct wire_attempt *id)
{
    if (is_about(assembly, id)) {
        assembly->is_active = false;
    }
}

void
assembly_shrink(struct assembly *assembly)
{
    if (!assembly->is_active) {
        buffer_fini(&assembly->bulk);
    }
}
