/* SPDX-License-Identifier: MIT */
#include "coordinator/http/prefer.h"

#include "common/pure/check.h"
#include "tests/support/cunit_main.h"

/* GOAL    RFC 7240's own examples, and what a preference may look like at its worst. */
static void
prefer_each_value_is_read_or_passed_over(void)
{
    static const struct {
        const char *values[2];
        bool respond_async;
        bool has_wait;
        uint32_t wait_s;
    } cases[] = {
        { { "respond-async" }, true, false, 0 },
        { { "respond-async, wait=10" }, true, true, 10 },
        { { "respond-async", "wait=10" }, true, true, 10 },
        { { "Respond-Async , WAIT = 10" }, true, true, 10 },
        { { "wait=\"7\"" }, false, true, 7 },
        { { "wait=5", "wait=6" }, false, true, 5 },
        { { "wait=5; x=y, respond-async; z" }, true, true, 5 },
        { { "wait=99999999999" }, false, true, UINT32_MAX },
        { { "handling=lenient; x=\"a, respond-async; wait=3\", wait=4" }, false, true, 4 },
        { { "x=\"a\\\", respond-async\"" }, false, false, 0 },
        { { "x=\"open, respond-async" }, false, false, 0 },
        { { "return=minimal" }, false, false, 0 },
        { { "wait=-1, wait=1.5, wait=, wait, wait=ten" }, false, false, 0 },
        { { "wait=no, wait=3" }, false, true, 3 },
        { { "respond-async=yes" }, false, false, 0 },
        { { "respond-asynchronously, async" }, false, false, 0 },
        { { ",, ,;=,=\"\\" }, false, false, 0 },
        { { "" }, false, false, 0 },
    };
    for (unsigned i = 0; i < ARRAY_COUNT(cases); i++) {
        struct prefer prefer = { 0 };
        for (unsigned v = 0; v < 2 && cases[i].values[v] != NULL; v++) {
            prefer_read(&prefer, slice_of(cases[i].values[v]));
        }
        bool is_right = prefer.respond_async == cases[i].respond_async &&
                        prefer.has_wait == cases[i].has_wait &&
                        prefer.wait_s == cases[i].wait_s;
        if (!is_right) {
            printf("# %s\n", cases[i].values[0]);
        }
        CU_ASSERT_TRUE(is_right);
    }
}

static const struct test tests[] = {
    TEST(prefer_each_value_is_read_or_passed_over),
};
TEST_MAIN("prefer", tests)
