/* SPDX-License-Identifier: MIT
 *
 * tests/support/store_suite.h - what every store must do, whatever engine it stands on.
 *
 *     static const char *fresh_url(void) { ... }      an empty store, another for each call
 *     static const struct test tests[] = { STORE_SUITE_TESTS, ... };
 */
#ifndef TESTS_SUPPORT_STORE_SUITE_H
#define TESTS_SUPPORT_STORE_SUITE_H

#include "common/edge/loop.h"
#include "coordinator/store/blobs.h"
#include "coordinator/store/store.h"
#include "tests/support/cunit_main.h"

#include <stdlib.h>

static const char *fresh_url(void);

struct shop {
    struct loop *loop;
    struct store *store;
    const char *url;
    unsigned waits_count;
};

static inline void
shop_open(struct shop *shop, const char *url)
{
    char message[256] = "";
    const struct store_config config = { .url = url, .ops_max = 4096 };
    shop->url = url;
    shop->waits_count = 0;
    CU_ASSERT_EQUAL_FATAL(loop_new(&shop->loop), ERR_OK);
    err_t err = store_open(shop->loop, &config, &shop->store, message);
    if (err != ERR_OK) {
        printf("# %s: %s\n", err_name(err), message);
    }
    CU_ASSERT_EQUAL_FATAL(err, ERR_OK);
}

static inline void
shop_close(struct shop *shop)
{
    store_close(shop->store);
    loop_free(shop->loop);
}

static inline void
shop_reopen(struct shop *shop)
{
    shop_close(shop);
    shop_open(shop, shop->url);
}

static inline void
on_shop_done(void *user, struct store_op *op)
{
    struct shop *shop = user;
    (void) op;
    if (--shop->waits_count == 0) {
        loop_stop(shop->loop);
    }
}

static inline struct store_op *
shop_op(struct shop *shop, enum store_op_kind kind)
{
    struct store_op *op;
    CU_ASSERT_EQUAL_FATAL(store_op_new(shop->store, kind, &op), ERR_OK);
    op->on_done = on_shop_done;
    op->user = shop;
    return op;
}

static inline void
shop_start(struct shop *shop, struct store_op *op)
{
    shop->waits_count++;
    store_do(shop->store, op);
}

/* Do one, wait for it, and leave it to be looked at. */
static inline err_t
shop_do(struct shop *shop, struct store_op *op)
{
    shop_start(shop, op);
    loop_run(shop->loop);
    return op->err;
}

static inline err_t
shop_do_free(struct shop *shop, struct store_op *op)
{
    err_t err = shop_do(shop, op);
    store_op_free(shop->store, op);
    return err;
}

static inline job_id_t
job_numbered(uint64_t number)
{
    uint8_t random[10] = { 0 };
    for (unsigned i = 0; i < 8; i++) {
        random[2 + i] = (uint8_t) (number >> (8 * (7 - i)));
    }
    return id_from_parts(1000 + number, random);
}

static inline void
put_bytes(struct store_bytes *bytes, uint32_t size, uint64_t seed)
{
    bytes->at = malloc(size > 0 ? size : 1);
    CU_ASSERT_PTR_NOT_NULL_FATAL(bytes->at);
    bytes->size = size;
    for (uint32_t i = 0; i < size; i++) {
        bytes->at[i] = (uint8_t) (seed + i * 7u);
    }
}

static inline bool
bytes_are(const struct store_bytes *bytes, uint32_t size, uint64_t seed)
{
    if (bytes->size != size || (size > 0 && bytes->at == NULL)) {
        return false;
    }
    for (uint32_t i = 0; i < size; i++) {
        if (bytes->at[i] != (uint8_t) (seed + i * 7u)) {
            return false;
        }
    }
    return true;
}

static inline struct store_op *
shop_insert_op(struct shop *shop, uint64_t number, uint32_t input_size)
{
    struct store_op *op = shop_op(shop, STORE_INSERT);
    struct store_job *job = &op->job;
    job->id = job_numbered(number);
    job->created_ms = 1000 + number;
    job->run_at_ms = 5;
    job->deadline_ms = 99;
    snprintf(job->handler, sizeof job->handler, number % 2 == 0 ? "even" : "odd");
    snprintf(job->content_type, sizeof job->content_type, "text/plain");
    snprintf(job->traceparent, sizeof job->traceparent, "00-aa-bb-01");
    put_bytes(&job->options, 9, number);
    put_bytes(&job->input, input_size, number);
    return op;
}

static inline err_t
shop_insert(struct shop *shop, uint64_t number, uint32_t input_size)
{
    return shop_do_free(shop, shop_insert_op(shop, number, input_size));
}

static inline err_t
shop_key_insert(struct shop *shop, uint64_t number, const char *key, uint8_t print,
    struct store_op **ret_op)
{
    struct store_op *op = shop_insert_op(shop, number, 3);
    snprintf(op->key, sizeof op->key, "%s", key);
    memset(op->fingerprint, print, sizeof op->fingerprint);
    *ret_op = op;
    return shop_do(shop, op);
}

static inline struct store_op *
shop_finish_op(struct shop *shop, uint64_t number, uint64_t fence, uint32_t result_size)
{
    struct store_op *op = shop_op(shop, STORE_FINISH);
    struct store_job *job = &op->job;
    job->id = job_numbered(number);
    job->fence = fence;
    job->ended_ms = 2000 + number;
    snprintf(job->outcome, sizeof job->outcome, number % 3 == 0 ? "FAILED" : "SUCCEEDED");
    snprintf(job->result_type, sizeof job->result_type, "image/png");
    put_bytes(&job->result, result_size, number + 1);
    put_bytes(&job->document, 40, number + 2);
    return op;
}

static inline err_t
shop_finish(struct shop *shop, uint64_t number, uint64_t fence, uint32_t result_size)
{
    return shop_do_free(shop, shop_finish_op(shop, number, fence, result_size));
}

static inline err_t
shop_start_job(struct shop *shop, uint64_t number, uint64_t fence)
{
    struct store_op *op = shop_op(shop, STORE_START);
    op->job.id = job_numbered(number);
    op->job.fence = fence;
    return shop_do_free(shop, op);
}

static inline struct store_op *
shop_read(struct shop *shop, uint64_t number)
{
    struct store_op *op = shop_op(shop, STORE_READ);
    op->job.id = job_numbered(number);
    op->wants_input = true;
    op->wants_result = true;
    (void) shop_do(shop, op);
    return op;
}

/* GOAL    what was put in comes out, before and after a restart, small and large.
 * METHOD  inputs and results on both sides of the size that makes them files. */
static void
store_gives_back_what_it_took(void)
{
    static const uint32_t sizes[] = { 0, 1, 1000, BLOBS_SIZE_MIN - 1, BLOBS_SIZE_MIN,
        1u << 20 };
    struct shop shop;
    shop_open(&shop, fresh_url());
    for (unsigned i = 0; i < 6; i++) {
        ASSERT_I64_EQ(shop_insert(&shop, i, sizes[i]), ERR_OK);
    }
    shop_reopen(&shop);
    for (unsigned i = 0; i < 6; i++) {
        struct store_op *op = shop_read(&shop, i);
        ASSERT_I64_EQ(op->err, ERR_OK);
        ASSERT_I64_EQ(op->job.state, STORED_WAITING);
        ASSERT_I64_EQ(op->job.created_ms, 1000 + i);
        ASSERT_I64_EQ(op->job.run_at_ms, 5);
        ASSERT_I64_EQ(op->job.deadline_ms, 99);
        ASSERT_STR_EQ(op->job.handler, i % 2 == 0 ? "even" : "odd");
        ASSERT_STR_EQ(op->job.content_type, "text/plain");
        ASSERT_STR_EQ(op->job.traceparent, "00-aa-bb-01");
        CU_ASSERT_TRUE(bytes_are(&op->job.options, 9, i));
        CU_ASSERT_TRUE(bytes_are(&op->job.input, sizes[i], i));
        uint64_t fence = op->job.fence;
        store_op_free(shop.store, op);
        ASSERT_I64_EQ(shop_finish(&shop, i, fence, sizes[5 - i]), ERR_OK);
    }
    shop_reopen(&shop);
    for (unsigned i = 0; i < 6; i++) {
        struct store_op *op = shop_read(&shop, i);
        ASSERT_I64_EQ(op->err, ERR_OK);
        ASSERT_I64_EQ(op->job.state, STORED_ENDED);
        ASSERT_I64_EQ(op->job.ended_ms, 2000 + i);
        ASSERT_STR_EQ(op->job.outcome, i % 3 == 0 ? "FAILED" : "SUCCEEDED");
        ASSERT_STR_EQ(op->job.result_type, "image/png");
        CU_ASSERT_TRUE(bytes_are(&op->job.result, sizes[5 - i], i + 1));
        CU_ASSERT_TRUE(bytes_are(&op->job.document, 40, i + 2));
        store_op_free(shop.store, op);
    }
    shop_close(&shop);
}

/* GOAL    an id is taken once, and the first one's bytes stay. */
static void
store_takes_an_id_once(void)
{
    struct shop shop;
    shop_open(&shop, fresh_url());
    ASSERT_I64_EQ(shop_insert(&shop, 1, BLOBS_SIZE_MIN), ERR_OK);
    ASSERT_I64_EQ(shop_insert(&shop, 1, BLOBS_SIZE_MIN + 9), ERR_EXISTS);
    struct store_op *op = shop_read(&shop, 1);
    CU_ASSERT_TRUE(bytes_are(&op->job.input, BLOBS_SIZE_MIN, 1));
    store_op_free(shop.store, op);
    op = shop_read(&shop, 2);
    ASSERT_I64_EQ(op->err, ERR_NOT_FOUND);
    store_op_free(shop.store, op);
    shop_close(&shop);
}

/* GOAL    D1: a job ends once, and nothing changes it afterwards. */
static void
store_ends_a_job_once(void)
{
    struct shop shop;
    shop_open(&shop, fresh_url());
    ASSERT_I64_EQ(shop_insert(&shop, 4, 10), ERR_OK);
    ASSERT_I64_EQ(shop_start_job(&shop, 4, 1), ERR_OK);
    ASSERT_I64_EQ(shop_start_job(&shop, 4, 1), ERR_NOT_FOUND);
    ASSERT_I64_EQ(shop_finish(&shop, 4, 1, 20), ERR_OK);
    ASSERT_I64_EQ(shop_finish(&shop, 4, 1, 30), ERR_NOT_FOUND);
    ASSERT_I64_EQ(shop_start_job(&shop, 4, 1), ERR_NOT_FOUND);
    struct store_op *op = shop_read(&shop, 4);
    CU_ASSERT_TRUE(bytes_are(&op->job.result, 20, 5));
    CU_ASSERT_PTR_NULL(op->job.input.at);
    store_op_free(shop.store, op);
    shop_close(&shop);
}

/* GOAL    D2: who held a job before the store was opened again can do nothing to it. */
static void
store_fences_off_former_owners(void)
{
    struct shop shop;
    shop_open(&shop, fresh_url());
    ASSERT_I64_EQ(shop_insert(&shop, 1, 10), ERR_OK);
    shop_reopen(&shop);
    ASSERT_I64_EQ(shop_start_job(&shop, 1, 1), ERR_NOT_FOUND);
    ASSERT_I64_EQ(shop_finish(&shop, 1, 1, 5), ERR_NOT_FOUND);
    struct store_op *op = shop_read(&shop, 1);
    ASSERT_I64_EQ(op->job.state, STORED_WAITING);
    ASSERT_I64_EQ(op->job.fence, 2);
    store_op_free(shop.store, op);
    ASSERT_I64_EQ(shop_start_job(&shop, 1, 2), ERR_OK);
    ASSERT_I64_EQ(shop_finish(&shop, 1, 2, 5), ERR_OK);
    shop_close(&shop);
}

/* GOAL    D3: one key makes one job, under concurrency and over a restart, and is free again
 *         when its job is gone.
 * METHOD  64 inserts that go into one batch. */
static void
store_makes_one_job_for_one_key(void)
{
    struct shop shop;
    struct store_op *ops[64];
    shop_open(&shop, fresh_url());
    for (unsigned i = 0; i < 64; i++) {
        ops[i] = shop_insert_op(&shop, i, 3);
        snprintf(ops[i]->key, sizeof ops[i]->key, "k");
        memset(ops[i]->fingerprint, 7, sizeof ops[i]->fingerprint);
        shop_start(&shop, ops[i]);
    }
    loop_run(shop.loop);
    for (unsigned i = 0; i < 64; i++) {
        ASSERT_I64_EQ(ops[i]->err, i == 0 ? ERR_OK : ERR_EXISTS);
        CU_ASSERT_TRUE(i == 0 || id_equal(ops[i]->known, job_numbered(0)));
        CU_ASSERT_FALSE(ops[i]->is_other_request);
        store_op_free(shop.store, ops[i]);
    }
    shop_reopen(&shop);
    ASSERT_I64_EQ(shop_key_insert(&shop, 70, "k", 8, &ops[0]), ERR_EXISTS);
    CU_ASSERT_TRUE(ops[0]->is_other_request);
    store_op_free(shop.store, ops[0]);
    ASSERT_I64_EQ(shop_finish(&shop, 0, 2, 1), ERR_OK);
    ops[0] = shop_op(&shop, STORE_REMOVE);
    ops[0]->job.id = job_numbered(0);
    ASSERT_I64_EQ(shop_do_free(&shop, ops[0]), ERR_OK);
    ASSERT_I64_EQ(shop_key_insert(&shop, 71, "k", 8, &ops[0]), ERR_OK);
    store_op_free(shop.store, ops[0]);
    shop_close(&shop);
}

/* GOAL    PENDING walks over all that has not ended, oldest first, page by page. */
static void
store_lists_what_is_pending(void)
{
    enum {
        COUNT = STORE_PAGE_MAX + 44
    };
    struct shop shop;
    shop_open(&shop, fresh_url());
    static struct store_op *inserts[COUNT];
    for (unsigned i = 0; i < COUNT; i++) {
        inserts[i] = shop_insert_op(&shop, COUNT - 1 - i, 1);
        shop_start(&shop, inserts[i]);
    }
    loop_run(shop.loop);
    for (unsigned i = 0; i < COUNT; i++) {
        store_op_free(shop.store, inserts[i]);
    }
    ASSERT_I64_EQ(shop_finish(&shop, 3, 1, 1), ERR_OK);
    struct store_op *op = shop_op(&shop, STORE_PENDING);
    ASSERT_I64_EQ(shop_do(&shop, op), ERR_OK);
    ASSERT_I64_EQ(op->page_count, STORE_PAGE_MAX);
    CU_ASSERT_TRUE(id_equal(op->page[0].id, job_numbered(0)));
    CU_ASSERT_TRUE(id_equal(op->page[3].id, job_numbered(4)));
    CU_ASSERT_TRUE(bytes_are(&op->page[3].options, 9, 4));
    job_id_t last = op->page[op->page_count - 1].id;
    store_op_free(shop.store, op);
    op = shop_op(&shop, STORE_PENDING);
    op->job.id = last;
    ASSERT_I64_EQ(shop_do(&shop, op), ERR_OK);
    ASSERT_I64_EQ(op->page_count, 43);
    CU_ASSERT_TRUE(id_equal(op->page[42].id, job_numbered(COUNT - 1)));
    store_op_free(shop.store, op);
    shop_close(&shop);
}

/* GOAL    LIST shows the ended ones, newest first, by handler and outcome; EXPIRE removes the
 *         old ones and only those. */
static void
store_lists_and_expires_what_ended(void)
{
    struct shop shop;
    shop_open(&shop, fresh_url());
    for (unsigned i = 0; i < 12; i++) {
        ASSERT_I64_EQ(shop_insert(&shop, i, BLOBS_SIZE_MIN), ERR_OK);
        if (i != 11) {
            ASSERT_I64_EQ(shop_finish(&shop, i, 1, BLOBS_SIZE_MIN), ERR_OK);
        }
    }
    struct store_op *op = shop_op(&shop, STORE_LIST);
    ASSERT_I64_EQ(shop_do(&shop, op), ERR_OK);
    ASSERT_I64_EQ(op->page_count, 11);
    CU_ASSERT_TRUE(id_equal(op->page[0].id, job_numbered(10)));
    CU_ASSERT_TRUE(bytes_are(&op->page[0].document, 40, 12));
    store_op_free(shop.store, op);
    op = shop_op(&shop, STORE_LIST);
    op->job.id = job_numbered(8);
    snprintf(op->want_handler, sizeof op->want_handler, "even");
    snprintf(op->want_outcome, sizeof op->want_outcome, "FAILED");
    ASSERT_I64_EQ(shop_do(&shop, op), ERR_OK);
    ASSERT_I64_EQ(op->page_count, 2); /* 6 and 0 */
    store_op_free(shop.store, op);
    op = shop_op(&shop, STORE_EXPIRE);
    op->job.ended_ms = 2006;
    ASSERT_I64_EQ(shop_do(&shop, op), ERR_OK);
    ASSERT_I64_EQ(op->page_count, 6);
    store_op_free(shop.store, op);
    for (unsigned i = 0; i < 12; i++) {
        op = shop_read(&shop, i);
        ASSERT_I64_EQ(op->err, i < 6 ? ERR_NOT_FOUND : ERR_OK);
        store_op_free(shop.store, op);
    }
    op = shop_op(&shop, STORE_REMOVE);
    op->job.id = job_numbered(11);
    ASSERT_I64_EQ(shop_do_free(&shop, op), ERR_NOT_FOUND); /* it has not ended */
    op = shop_read(&shop, 11);
    CU_ASSERT_TRUE(bytes_are(&op->job.input, BLOBS_SIZE_MIN, 11));
    store_op_free(shop.store, op);
    shop_close(&shop);
}

/* GOAL    what waits together is committed together. */
static void
store_commits_in_groups(void)
{
    struct shop shop;
    struct store_op *ops[500];
    shop_open(&shop, fresh_url());
    for (unsigned i = 0; i < 500; i++) {
        ops[i] = shop_insert_op(&shop, i, 100);
    }
    for (unsigned i = 0; i < 500; i++) {
        shop_start(&shop, ops[i]);
    }
    loop_run(shop.loop);
    for (unsigned i = 0; i < 500; i++) {
        ASSERT_I64_EQ(ops[i]->err, ERR_OK);
        store_op_free(shop.store, ops[i]);
    }
    struct store_counters counters;
    store_counters(shop.store, &counters);
    ASSERT_I64_EQ(counters.operations_count, 500);
    CU_ASSERT_TRUE(counters.commits_count < 400);
    ASSERT_I64_EQ(counters.under_way_count, 0);
    shop_close(&shop);
}

/* GOAL    MEMORY: past ops_max an operation is refused, and an end makes room. */
static void
store_bounds_what_is_under_way(void)
{
    struct shop shop;
    struct store_op *op = NULL;
    struct store_op *first = NULL;
    shop_open(&shop, fresh_url());
    err_t err = store_op_new(shop.store, STORE_READ, &first);
    uint32_t count = 1;
    while (err == ERR_OK && (err = store_op_new(shop.store, STORE_READ, &op)) == ERR_OK) {
        op->next = first; /* a chain, to free them by */
        first = op;
        count++;
    }
    ASSERT_I64_EQ(err, ERR_FULL);
    ASSERT_I64_EQ(count, 4096);
    for (; first != NULL; first = op) {
        op = first->next;
        store_op_free(shop.store, first);
    }
    ASSERT_I64_EQ(store_op_new(shop.store, STORE_READ, &op), ERR_OK);
    store_op_free(shop.store, op);
    shop_close(&shop);
}

#define STORE_SUITE_TESTS                                                         \
    TEST(store_gives_back_what_it_took), TEST(store_takes_an_id_once),            \
        TEST(store_ends_a_job_once), TEST(store_fences_off_former_owners),        \
        TEST(store_makes_one_job_for_one_key), TEST(store_lists_what_is_pending), \
        TEST(store_lists_and_expires_what_ended), TEST(store_commits_in_groups),  \
        TEST(store_bounds_what_is_under_way)

#endif
