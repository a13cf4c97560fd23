/* SPDX-License-Identifier: MIT */
#include "coordinator/ledger.h"

#include "tests/support/cunit_main.h"

#include <stdlib.h>

static job_id_t
job_numbered(uint64_t number)
{
    uint8_t random[10] = { 0 };
    memcpy(random + 2, &number, sizeof number);
    return id_from_parts(1, random);
}

static struct ledger *
ledger_of(uint32_t entries_max, uint64_t bytes_max)
{
    struct ledger *ledger = NULL;
    const struct ledger_config config = {
        .entries_max = entries_max, .waiters_max = 4, .bytes_max = bytes_max
    };
    ASSERT_I64_EQ(ledger_new(&config, &ledger), ERR_OK);
    return ledger;
}

static err_t
add(struct ledger *ledger, uint64_t number, uint32_t size, struct entry **ret_entry)
{
    struct api_submit submit = { .handler = "echo",
        .content_type = "text/plain",
        .traceparent = "",
        .input = malloc(size + 1),
        .input_size = size };
    err_t err = ledger_add(ledger, job_numbered(number), &submit, ret_entry);
    if (err != ERR_OK) {
        free(submit.input); /* it stayed ours */
    }
    return err;
}

/* GOAL    live inputs are bounded, and never make room for each other.
 * METHOD  a ledger of 100 bytes. */
static void
ledger_inputs_are_bounded(void)
{
    struct ledger *ledger = ledger_of(8, 100);
    struct entry *first;
    struct entry *second;
    struct entry *third;
    ASSERT_I64_EQ(add(ledger, 1, 60, &first), ERR_OK);
    ASSERT_I64_EQ(add(ledger, 2, 41, &second), ERR_FULL);
    ASSERT_I64_EQ(add(ledger, 2, 40, &second), ERR_OK);
    ASSERT_I64_EQ(add(ledger, 2, 0, &third), ERR_EXISTS);
    ledger_check(ledger);
    ASSERT_I64_EQ(ledger_bytes_held(ledger), 100);

    ledger_input_done(ledger, first);
    ASSERT_I64_EQ(ledger_bytes_held(ledger), 40);
    ASSERT_I64_EQ(add(ledger, 3, 60, &third), ERR_OK);
    ledger_check(ledger);
    ledger_free(ledger);
}

/* GOAL    an input that a link still writes outlives its job. */
static void
ledger_input_lives_while_a_link_holds_it(void)
{
    struct ledger *ledger = ledger_of(8, 100);
    struct entry *entry;
    ASSERT_I64_EQ(add(ledger, 1, 60, &entry), ERR_OK);
    struct input *input = entry->input;
    ledger_input_hold(input);
    ledger_forget(ledger, job_numbered(1));
    ASSERT_I64_EQ(ledger_bytes_held(ledger), 60);
    CU_ASSERT_PTR_NULL(ledger_find(ledger, job_numbered(1)));
    ledger_input_rele(ledger, input);
    ASSERT_I64_EQ(ledger_bytes_held(ledger), 0);
    ledger_free(ledger);
}

/* GOAL    results are kept while there is room; the oldest goes first, and it still shows
 *         that there was one. */
static void
ledger_oldest_result_makes_room(void)
{
    struct ledger *ledger = ledger_of(8, 100);
    struct entry *entries[3];
    static const uint8_t bytes[101];
    for (unsigned i = 0; i < 3; i++) {
        ASSERT_I64_EQ(add(ledger, i, 0, &entries[i]), ERR_OK);
        ledger_input_done(ledger, entries[i]);
        ledger_result_put(ledger, entries[i], bytes, 50, "text/plain");
    }
    CU_ASSERT_PTR_NULL(entries[0]->result);
    CU_ASSERT_TRUE(entries[0]->has_result);
    CU_ASSERT_PTR_NOT_NULL(entries[1]->result);
    CU_ASSERT_PTR_NOT_NULL(entries[2]->result);

    struct entry *last;
    ASSERT_I64_EQ(add(ledger, 9, 100, &last), ERR_OK);
    CU_ASSERT_PTR_NULL(entries[2]->result);
    ledger_result_put(ledger, last, bytes, 101, "");
    CU_ASSERT_PTR_NULL(last->result);
    ledger_check(ledger);
    ledger_free(ledger);
}

/* GOAL    every waiter is told once, or leaves by itself. */
static void
ledger_waiters_come_off_once(void)
{
    struct ledger *ledger = ledger_of(8, 100);
    struct entry *entry;
    struct entry *other;
    ASSERT_I64_EQ(add(ledger, 1, 1, &entry), ERR_OK);
    ASSERT_I64_EQ(add(ledger, 2, 1, &other), ERR_OK);
    ASSERT_I64_EQ(ledger_wait(ledger, entry, 11), ERR_OK);
    ASSERT_I64_EQ(ledger_wait(ledger, entry, 11 + 16), ERR_OK); /* the same bucket */
    ASSERT_I64_EQ(ledger_wait(ledger, other, 12), ERR_OK);
    ASSERT_I64_EQ(ledger_wait(ledger, other, 13), ERR_OK);
    ASSERT_I64_EQ(ledger_wait(ledger, other, 14), ERR_FULL);

    CU_ASSERT_PTR_EQUAL(ledger_unwait(ledger, 11), entry);
    CU_ASSERT_PTR_NULL(ledger_unwait(ledger, 11));
    ASSERT_I64_EQ(ledger_next_waiter(ledger, entry), 11 + 16);
    ASSERT_I64_EQ(ledger_next_waiter(ledger, entry), 0);
    ASSERT_I64_EQ(ledger_wait(ledger, entry, 14), ERR_OK);
    ledger_free(ledger);
}

/* GOAL    a refused submit gives its input back. */
static void
ledger_undo_gives_the_input_back(void)
{
    struct ledger *ledger = ledger_of(1, 100);
    struct api_submit submit = { .handler = "echo", .input = malloc(10), .input_size = 10 };
    struct entry *entry;
    ASSERT_I64_EQ(ledger_add(ledger, job_numbered(1), &submit, &entry), ERR_OK);
    ASSERT_I64_EQ(add(ledger, 2, 1, &entry), ERR_FULL);
    ledger_undo(ledger, ledger_find(ledger, job_numbered(1)));
    ASSERT_I64_EQ(ledger_bytes_held(ledger), 0);
    submit.input[9] = 1; /* still ours to write and to free */
    free(submit.input);
    ASSERT_I64_EQ(add(ledger, 2, 1, &entry), ERR_OK);
    ledger_free(ledger);
}

static const struct test tests[] = {
    TEST(ledger_inputs_are_bounded),
    TEST(ledger_input_lives_while_a_link_holds_it),
    TEST(ledger_oldest_result_makes_room),
    TEST(ledger_waiters_come_off_once),
    TEST(ledger_undo_gives_the_input_back),
};
TEST_MAIN("ledger", tests)
