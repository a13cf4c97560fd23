/* SPDX-License-Identifier: MIT
 *
 * Entries and waiters lie in arrays made at the start, on free lists, and are found by
 * chained hashing: an id and a ticket are unguessable or counted, so nobody chooses
 * their bucket.
 */
#include "coordinator/ledger.h"

#include <stdlib.h>
#include <string.h>

struct ledger {
    uint64_t bytes_held;
    uint64_t bytes_max;
    struct entry *entries;
    struct entry *entries_free; /* by next_kept */
    struct entry **entry_buckets;
    uint32_t entry_buckets_count; /* a power of two, as is the other */
    struct waiter *waiters;
    struct waiter *waiters_free; /* by next */
    struct waiter **waiter_buckets;
    uint32_t waiter_buckets_count;
    struct entry *kept_oldest;
    struct entry *kept_newest;
    uint32_t entries_max;
    uint32_t waiters_max;
};

static uint32_t
power_of_two(uint32_t at_least)
{
    uint32_t power = 16;
    while (power < at_least && power < (1u << 30)) {
        power *= 2;
    }
    return power;
}

err_t
ledger_new(const struct ledger_config *config, struct ledger **ret_ledger)
{
    CHECK(config->entries_max > 0);
    CHECK(config->waiters_max > 0);

    struct ledger *ledger = calloc(1, sizeof *ledger);
    if (ledger == NULL) {
        return ERR_NO_MEMORY;
    }
    ledger->bytes_max = config->bytes_max;
    ledger->entries_max = config->entries_max;
    ledger->waiters_max = config->waiters_max;
    ledger->entry_buckets_count = power_of_two(config->entries_max);
    ledger->waiter_buckets_count = power_of_two(config->waiters_max);
    ledger->entries = calloc(config->entries_max, sizeof *ledger->entries);
    ledger->entry_buckets = calloc(ledger->entry_buckets_count, sizeof(struct entry *));
    ledger->waiters = calloc(config->waiters_max, sizeof *ledger->waiters);
    ledger->waiter_buckets = calloc(ledger->waiter_buckets_count, sizeof(struct waiter *));
    if (ledger->entries == NULL || ledger->entry_buckets == NULL || ledger->waiters == NULL ||
        ledger->waiter_buckets == NULL) {
        ledger_free(ledger);
        return ERR_NO_MEMORY;
    }
    for (uint32_t i = config->entries_max; i-- > 0;) {
        ledger->entries[i].next_kept = ledger->entries_free;
        ledger->entries_free = &ledger->entries[i];
    }
    for (uint32_t i = config->waiters_max; i-- > 0;) {
        ledger->waiters[i].next = ledger->waiters_free;
        ledger->waiters_free = &ledger->waiters[i];
    }
    *ret_ledger = ledger;
    return ERR_OK;
}

void
ledger_free(struct ledger *ledger)
{
    if (ledger == NULL) {
        return;
    }
    for (uint32_t i = 0; ledger->entry_buckets != NULL && i < ledger->entry_buckets_count;
         i++) {
        while (ledger->entry_buckets[i] != NULL) {
            struct entry *entry = ledger->entry_buckets[i];
            while (ledger_next_waiter(ledger, entry) != 0) {
            }
            ledger_forget(ledger, entry->id);
        }
    }
    free(ledger->entries);
    free(ledger->entry_buckets);
    free(ledger->waiters);
    free(ledger->waiter_buckets);
    free(ledger);
}

/* The tail of a UUIDv7 is random. */
static struct entry **
entry_bucket(const struct ledger *ledger, job_id_t id)
{
    uint64_t tail;
    memcpy(&tail, id.bytes + 8, sizeof tail);
    tail *= UINT64_C(0x9e3779b97f4a7c15);
    return &ledger->entry_buckets[(tail >> 32) & (ledger->entry_buckets_count - 1)];
}

static struct waiter **
waiter_bucket(const struct ledger *ledger, api_ticket_t ticket)
{
    return &ledger->waiter_buckets[ticket & (ledger->waiter_buckets_count - 1)];
}

static void
copy_text(char *to, size_t size, const char *from)
{
    size_t length = from != NULL ? strnlen(from, size - 1) : 0;
    if (length > 0) {
        memcpy(to, from, length);
    }
    to[length] = '\0';
}

static void
kept_push(struct ledger *ledger, struct entry *entry)
{
    entry->next_kept = NULL;
    entry->previous_kept = ledger->kept_newest;
    if (ledger->kept_newest != NULL) {
        ledger->kept_newest->next_kept = entry;
    } else {
        ledger->kept_oldest = entry;
    }
    ledger->kept_newest = entry;
}

static void
kept_remove(struct ledger *ledger, struct entry *entry)
{
    if (entry->previous_kept != NULL) {
        entry->previous_kept->next_kept = entry->next_kept;
    } else {
        ledger->kept_oldest = entry->next_kept;
    }
    if (entry->next_kept != NULL) {
        entry->next_kept->previous_kept = entry->previous_kept;
    } else {
        ledger->kept_newest = entry->previous_kept;
    }
    entry->next_kept = NULL;
    entry->previous_kept = NULL;
}

static void
result_drop(struct ledger *ledger, struct entry *entry)
{
    if (entry->result == NULL) {
        return;
    }
    kept_remove(ledger, entry);
    ledger->bytes_held -= entry->result_size;
    free(entry->result);
    entry->result = NULL;
}

/* Old results make room; live inputs never do. */
static bool
make_room(struct ledger *ledger, uint64_t size)
{
    while (ledger->bytes_held + size > ledger->bytes_max && ledger->kept_oldest != NULL) {
        result_drop(ledger, ledger->kept_oldest);
    }
    return ledger->bytes_held + size <= ledger->bytes_max;
}

static err_t
input_new(struct ledger *ledger, uint8_t *bytes, uint32_t size, struct input **ret_input)
{
    if (!make_room(ledger, size)) {
        return ERR_FULL;
    }
    struct input *input = malloc(sizeof *input);
    if (input == NULL) {
        return ERR_NO_MEMORY;
    }
    *input = (struct input){ .bytes = bytes, .size = size, .refs_count = 1 };
    ledger->bytes_held += size;
    *ret_input = input;
    return ERR_OK;
}

err_t
ledger_add(struct ledger *ledger, job_id_t id, const struct api_submit *submit,
    struct entry **ret_entry)
{
    if (ledger_find(ledger, id) != NULL) {
        return ERR_EXISTS;
    }
    if (ledger->entries_free == NULL) {
        return ERR_FULL;
    }
    struct input *input;
    err_t err = input_new(ledger, submit->input, submit->input_size, &input);
    if (err != ERR_OK) {
        return err;
    }

    struct entry *entry = ledger->entries_free;
    ledger->entries_free = entry->next_kept;
    struct entry **bucket = entry_bucket(ledger, id);
    *entry = (struct entry){
        .id = id, .next_in_bucket = *bucket, .input = input, .detached = submit->detach
    };
    copy_text(entry->handler, sizeof entry->handler, submit->handler);
    copy_text(entry->content_type, sizeof entry->content_type, submit->content_type);
    copy_text(entry->traceparent, sizeof entry->traceparent, submit->traceparent);
    *bucket = entry;
    *ret_entry = entry;
    return ERR_OK;
}

void
ledger_undo(struct ledger *ledger, struct entry *entry)
{
    CHECK(entry->input != NULL);
    CHECK(entry->input->refs_count == 1);

    entry->input->bytes = NULL; /* it stays with the submit's owner */
    ledger_forget(ledger, entry->id);
}

struct entry *
ledger_find(const struct ledger *ledger, job_id_t id)
{
    struct entry *entry = *entry_bucket(ledger, id);
    while (entry != NULL && !id_equal(entry->id, id)) {
        entry = entry->next_in_bucket;
    }
    return entry;
}

void
ledger_forget(struct ledger *ledger, job_id_t id)
{
    struct entry **link = entry_bucket(ledger, id);
    while (*link != NULL && !id_equal((*link)->id, id)) {
        link = &(*link)->next_in_bucket;
    }
    struct entry *entry = *link;
    if (entry == NULL) {
        return;
    }
    CHECK(entry->waiters == NULL);

    ledger_input_done(ledger, entry);
    result_drop(ledger, entry);
    *link = entry->next_in_bucket;
    entry->next_kept = ledger->entries_free;
    ledger->entries_free = entry;
}

void
ledger_input_hold(struct input *input)
{
    input->refs_count++;
}

void
ledger_input_rele(struct ledger *ledger, struct input *input)
{
    CHECK(input->refs_count > 0);
    if (--input->refs_count > 0) {
        return;
    }
    ledger->bytes_held -= input->size;
    free(input->bytes);
    free(input);
}

err_t
ledger_input_put(struct ledger *ledger, struct entry *entry, uint8_t *bytes, uint32_t size)
{
    CHECK(entry->input == NULL);
    return input_new(ledger, bytes, size, &entry->input);
}

void
ledger_input_done(struct ledger *ledger, struct entry *entry)
{
    if (entry->input != NULL) {
        ledger_input_rele(ledger, entry->input);
        entry->input = NULL;
    }
}

void
ledger_result_put(struct ledger *ledger, struct entry *entry, const uint8_t *bytes,
    uint32_t size, const char *content_type)
{
    CHECK(!entry->has_result);

    entry->has_result = true;
    entry->result_size = size;
    copy_text(entry->result_type, sizeof entry->result_type, content_type);
    if (!make_room(ledger, size)) {
        return;
    }
    entry->result = malloc(size > 0 ? size : 1);
    if (entry->result == NULL) {
        return;
    }
    if (size > 0) {
        memcpy(entry->result, bytes, size);
    }
    ledger->bytes_held += size;
    kept_push(ledger, entry);
}

err_t
ledger_wait(struct ledger *ledger, struct entry *entry, api_ticket_t ticket)
{
    struct waiter *waiter = ledger->waiters_free;
    if (waiter == NULL) {
        return ERR_FULL;
    }
    ledger->waiters_free = waiter->next;
    struct waiter **bucket = waiter_bucket(ledger, ticket);
    *waiter = (struct waiter){
        .ticket = ticket, .entry = entry, .next = entry->waiters, .next_in_bucket = *bucket
    };
    *bucket = waiter;
    entry->waiters = waiter;
    return ERR_OK;
}

static void
waiter_remove(struct ledger *ledger, struct waiter *waiter)
{
    struct waiter **link = waiter_bucket(ledger, waiter->ticket);
    while (*link != waiter) {
        link = &(*link)->next_in_bucket;
    }
    *link = waiter->next_in_bucket;
    link = &waiter->entry->waiters;
    while (*link != waiter) {
        link = &(*link)->next;
    }
    *link = waiter->next;
    waiter->next = ledger->waiters_free;
    ledger->waiters_free = waiter;
}

api_ticket_t
ledger_next_waiter(struct ledger *ledger, struct entry *entry)
{
    struct waiter *waiter = entry->waiters;
    if (waiter == NULL) {
        return 0;
    }
    api_ticket_t ticket = waiter->ticket;
    waiter_remove(ledger, waiter);
    return ticket;
}

struct entry *
ledger_unwait(struct ledger *ledger, api_ticket_t ticket)
{
    struct waiter *waiter = *waiter_bucket(ledger, ticket);
    while (waiter != NULL && waiter->ticket != ticket) {
        waiter = waiter->next_in_bucket;
    }
    if (waiter == NULL) {
        return NULL;
    }
    struct entry *entry = waiter->entry;
    waiter_remove(ledger, waiter);
    return entry;
}

uint64_t
ledger_bytes_held(const struct ledger *ledger)
{
    return ledger->bytes_held;
}

/* L1.  An input that only links still hold is not reachable from here: so at least. */
void
ledger_check(const struct ledger *ledger)
{
    uint64_t reachable = 0;
    for (uint32_t i = 0; i < ledger->entry_buckets_count; i++) {
        const struct entry *entry = ledger->entry_buckets[i];
        for (; entry != NULL; entry = entry->next_in_bucket) {
            reachable += entry->input != NULL ? entry->input->size : 0;
            reachable += entry->result != NULL ? entry->result_size : 0;
        }
    }
    CHECK(reachable <= ledger->bytes_held);
    CHECK(ledger->bytes_held <= ledger->bytes_max);
}
