/* SPDX-License-Identifier: MIT */
#include "common/pure/timestamp.h"

#include "tests/support/cunit_main.h"

/* GOAL    times that `date -u -d TEXT +%s` gives the same for. */
static void
timestamp_known_times_are_read(void)
{
    static const struct {
        const char *text;
        uint64_t unix_ms;
    } cases[] = {
        { "1970-01-01T00:00:00Z", 0 },
        { "1970-01-01T01:00:00+01:00", 0 },
        { "2000-02-29T12:34:56Z", 951827696000 },
        { "2026-11-24T10:00:00Z", 1795514400000 },
        { "2026-11-24t10:00:00z", 1795514400000 },
        { "2026-11-24T10:00:00.25Z", 1795514400250 },
        { "2026-11-24T10:00:00.123456789Z", 1795514400123 },
        { "2026-11-24T04:30:00-05:30", 1795514400000 },
        { "2024-12-31T23:59:60Z", 1735689600000 },
        { "9999-12-31T23:59:59Z", 253402300799000 },
    };
    for (unsigned i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        uint64_t unix_ms = 1;
        ASSERT_I64_EQ(timestamp_parse(slice_of(cases[i].text), &unix_ms), ERR_OK);
        ASSERT_I64_EQ(unix_ms, cases[i].unix_ms);
    }
}

static void
timestamp_anything_else_is_refused(void)
{
    static const char *const texts[] = { "", "now", "2026-11-24", "2026-11-24T10:00:00",
        "2026-11-24 10:00:00Z", "2026-13-01T00:00:00Z", "2026-00-01T00:00:00Z",
        "2026-02-29T00:00:00Z", "2100-02-29T00:00:00Z", "2026-11-31T00:00:00Z",
        "2026-11-24T24:00:00Z", "2026-11-24T10:60:00Z", "2026-11-24T10:00:61Z",
        "2026-11-24T10:00:00.Z", "2026-11-24T10:00:00+0100", "2026-11-24T10:00:00+24:00",
        "2026-11-24T10:00:00Zx", "1969-12-31T23:59:59Z", "1970-01-01T00:00:00+01:00",
        "20261124T100000Z", "2026-1x-24T10:00:00Z" };
    for (unsigned i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        uint64_t unix_ms = 77;
        ASSERT_I64_EQ(timestamp_parse(slice_of(texts[i]), &unix_ms), ERR_INVALID);
        ASSERT_I64_EQ(unix_ms, 77);
    }
}

static const struct test tests[] = {
    TEST(timestamp_known_times_are_read),
    TEST(timestamp_anything_else_is_refused),
};

TEST_MAIN("timestamp", tests)
