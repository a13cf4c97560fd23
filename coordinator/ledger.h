/* SPDX-License-Identifier: MIT
 *
 * coordinator/ledger.h - the bytes of every job: its input, its result, and who waits.
 *
 * The core decides about jobs and knows no bytes; the ledger keeps the bytes and decides
 * nothing.  An entry lives from the core's ACCEPT to its FORGET.
 *
 *     input   held by the entry until the job is terminal, and by each link that is still
 *             writing it: counted, freed by the last
 *     result  kept for GET .../result while there is room: the oldest go first
 *
 * INVARIANTS  L1  bytes_held = sizes of all live inputs and kept results <= bytes_max
 * THREADS     loop
 * MEMORY      entries: sized in ledger_new.  Inputs and results: bytes_max in all.
 */
#ifndef COORDINATOR_LEDGER_H
#define COORDINATOR_LEDGER_H

#include "common/pure/err.h"
#include "common/pure/id.h"
#include "coordinator/http/api.h"

#include <stdbool.h>
#include <stdint.h>

#define LEDGER_TYPE_SIZE_MAX        128
#define LEDGER_TRACEPARENT_SIZE_MAX 64

/* Counted bytes of an input; the pointer also names it to the links. */
struct input {
    uint8_t *bytes;
    uint32_t size;
    uint32_t refs_count;
};

struct entry;

struct waiter {
    api_ticket_t ticket;
    struct entry *entry;
    struct waiter *next;           /* of the same entry; also the free list */
    struct waiter *next_in_bucket; /* by ticket */
};

struct entry {
    job_id_t id;
    struct entry *next_in_bucket;
    struct entry *next_kept; /* results, oldest first; also the free list */
    struct entry *previous_kept;
    struct input *input; /* NULL once the job is terminal */
    uint8_t *result;     /* NULL: none, or dropped for room */
    uint32_t result_size;
    bool has_result; /* it succeeded; result may have been dropped since */
    bool detached;
    bool is_durable;     /* durable.h has, or had, a slot for it */
    uint64_t created_ms; /* of a durable one, wall clock: older than the core knows */
    uint64_t deadline_ms;
    struct waiter *waiters;
    char handler[CORE_NAME_SIZE_MAX];
    char content_type[LEDGER_TYPE_SIZE_MAX];
    char result_type[LEDGER_TYPE_SIZE_MAX];
    char traceparent[LEDGER_TRACEPARENT_SIZE_MAX];
};

struct ledger;

struct ledger_config {
    uint32_t entries_max;
    uint32_t waiters_max;
    uint64_t bytes_max;
};

err_t ledger_new(const struct ledger_config *config, struct ledger **ret_ledger) MUST_USE;
void ledger_free(struct ledger *ledger);

/* Takes submit->input on success.  Errors: FULL (entries or bytes), NO_MEMORY, EXISTS. */
err_t ledger_add(struct ledger *ledger, job_id_t id, const struct api_submit *submit,
    struct entry **ret_entry) MUST_USE;
/* For a submit that the core refused: the input goes back to submit's owner. */
void ledger_undo(struct ledger *ledger, struct entry *entry);
/* NULL: unknown. */
struct entry *ledger_find(const struct ledger *ledger, job_id_t id);
/* All that is held for it is freed; its waiters must be gone. */
void ledger_forget(struct ledger *ledger, job_id_t id);

void ledger_input_hold(struct input *input);
void ledger_input_rele(struct ledger *ledger, struct input *input);
/* One whose input was done, and is needed after all: takes bytes on success.  Errors: FULL,
 * NO_MEMORY. */
err_t ledger_input_put(
    struct ledger *ledger, struct entry *entry, uint8_t *bytes, uint32_t size) MUST_USE;
/* The job is terminal: no further copy will need its input. */
void ledger_input_done(struct ledger *ledger, struct entry *entry);
/* Copy a result in; older results make room.  Without room it is not kept (has_result
 * stays true: it existed). */
void ledger_result_put(struct ledger *ledger, struct entry *entry, const uint8_t *bytes,
    uint32_t size, const char *content_type);

/* Errors: FULL. */
err_t ledger_wait(struct ledger *ledger, struct entry *entry, api_ticket_t ticket) MUST_USE;
/* Takes one waiter off; 0 when none is left. */
api_ticket_t ledger_next_waiter(struct ledger *ledger, struct entry *entry);
/* Removes this ticket wherever it waits; NULL when it waits nowhere. */
struct entry *ledger_unwait(struct ledger *ledger, api_ticket_t ticket);

uint64_t ledger_bytes_held(const struct ledger *ledger);
void ledger_check(const struct ledger *ledger);

#endif
