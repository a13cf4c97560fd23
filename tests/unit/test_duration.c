/* SPDX-License-Identifier: MIT */
#include "common/pure/duration.h"
#include "tests/support/cunit_main.h"

static const struct {
    const char *text;
    int64_t ns;
} good[] = {
    { "0", 0 },
    { "0s", 0 },
    { "2", INT64_C(2000000000) },
    { "2.5", INT64_C(2500000000) },
    { ".5", 500000000 },
    { "5.", INT64_C(5000000000) },
    { "300ms", 300000000 },
    { "2.5s", INT64_C(2500000000) },
    { "1m30s", INT64_C(90000000000) },
    { "1h", INT64_C(3600000000000) },
    { "1h0.5m", INT64_C(3630000000000) },
    { "20us", 20000 },
    { "7ns", 7 },
    { "0.5ns", 0 },
    { "1s1ms1us1ns", 1001001001 },
    { "000300ms", 300000000 },
    { "9223372036s", INT64_C(9223372036000000000) },
    { "0.000000001s", 1 },
};

static const struct {
    const char *text;
    err_t err;
    const char *why;
} bad[] = {
    { "", ERR_INVALID, "empty" },
    { "-1s", ERR_INVALID, "negative" },
    { "fast", ERR_INVALID, "no duration" },
    { ".", ERR_INVALID, "no duration" },
    { ".s", ERR_INVALID, "no duration" },
    { "+1s", ERR_INVALID, "no duration" },
    { " 1s", ERR_INVALID, "no duration" },
    { "1s ", ERR_INVALID, "no duration" },
    { "1 s", ERR_INVALID, "unit" },
    { "20sec", ERR_INVALID, "unit" },
    { "20M", ERR_INVALID, "unit" },
    { "1m30", ERR_INVALID, "unit" },
    { "1e3", ERR_INVALID, "unit" },
    { "0x10", ERR_INVALID, "unit" },
    { "1s1m", ERR_INVALID, "large units" },
    { "1s1s", ERR_INVALID, "large units" },
    { "0.0000000001s", ERR_INVALID, "no duration" },
    { "99999999999999999999", ERR_INVALID, "no duration" },
    { "9223372037s", ERR_RANGE, "too long" },
    { "9999999h", ERR_RANGE, "too long" },
    { "9223372036s854775807ns", ERR_RANGE, "too long" },
};

static void
duration_good_text_is_read(void)
{
    for (unsigned i = 0; i < ARRAY_COUNT(good); i++) {
        duration_t duration = { .ns = -1 };
        err_t err = duration_parse(good[i].text, strlen(good[i].text), &duration, NULL);
        ASSERT_STR_EQ(err_name(err), "OK");
        ASSERT_I64_EQ(duration.ns, good[i].ns);
    }
}

static void
duration_bad_text_says_why(void)
{
    for (unsigned i = 0; i < ARRAY_COUNT(bad); i++) {
        duration_t duration = { .ns = -1 };
        const char *why = "";
        err_t err = duration_parse(bad[i].text, strlen(bad[i].text), &duration, &why);
        ASSERT_STR_EQ(err_name(err), err_name(bad[i].err));
        ASSERT_I64_EQ(duration.ns, -1);
        if (strstr(why, bad[i].why) == NULL) {
            ASSERT_STR_EQ(why, bad[i].why);
        }
    }
}

/* GOAL    what is printed is read back as the same duration.
 * METHOD  every power of ten and its neighbours, and known spellings. */
static void
duration_text_round_trips(void)
{
    char text[DURATION_TEXT_SIZE];
    ASSERT_STR_EQ(duration_to_text(duration_ms(90000), text), "1m30s");
    ASSERT_STR_EQ(duration_to_text(duration_ms(2500), text), "2.5s");
    ASSERT_STR_EQ(duration_to_text(duration_ms(300), text), "300ms");
    ASSERT_STR_EQ(duration_to_text(duration_us(1500), text), "1.5ms");
    ASSERT_STR_EQ(duration_to_text(duration_ns(0), text), "0s");
    ASSERT_STR_EQ(duration_to_text(duration_s(7200), text), "2h");
    for (int64_t ns = 1; ns < INT64_MAX / 10; ns *= 10) {
        for (int64_t offset = -1; offset <= 1; offset++) {
            duration_t read = { .ns = -1 };
            duration_to_text(duration_ns(ns + offset), text);
            CU_ASSERT_EQUAL(duration_parse(text, strlen(text), &read, NULL), ERR_OK);
            ASSERT_I64_EQ(read.ns, ns + offset);
        }
    }
}

static const struct test tests[] = {
    TEST(duration_good_text_is_read),
    TEST(duration_bad_text_says_why),
    TEST(duration_text_round_trips),
};
TEST_MAIN("duration", tests)
