/* SPDX-License-Identifier: MIT */
#include "common/pure/size_text.h"

#include "tests/support/cunit_main.h"

/* GOAL    every form that is promised, its exact bytes; every other form, its error. */
static void
size_text_is_parsed_exactly(void)
{
    static const struct {
        const char *text;
        err_t err;
        uint64_t size;
    } cases[] = {
        { "0", ERR_OK, 0 },
        { "1", ERR_OK, 1 },
        { "100000B", ERR_OK, 100000 },
        { "4MiB", ERR_OK, 4 * 1024 * 1024 },
        { "4 MiB", ERR_OK, 4 * 1024 * 1024 },
        { "4m", ERR_OK, 4 * 1024 * 1024 },
        { "4MB", ERR_OK, 4000000 },
        { "512kib", ERR_OK, 512 * 1024 },
        { "2kB", ERR_OK, 2000 },
        { "1.5GiB", ERR_OK, UINT64_C(3) << 29 },
        { "1.5B", ERR_INVALID, 0 },
        { "0.001kB", ERR_OK, 1 },
        { "1T", ERR_OK, UINT64_C(1) << 40 },
        { "9223372036854775807", ERR_OK, INT64_MAX },
        { "9223372036854775808", ERR_RANGE, 0 },
        { "99999999999999999999", ERR_RANGE, 0 },
        { "8388608TiB", ERR_RANGE, 0 },
        { "", ERR_INVALID, 0 },
        { "MiB", ERR_INVALID, 0 },
        { "-1", ERR_INVALID, 0 },
        { "+1", ERR_INVALID, 0 },
        { " 1", ERR_INVALID, 0 },
        { "1.", ERR_INVALID, 0 },
        { ".5MiB", ERR_INVALID, 0 },
        { "1.5.5MiB", ERR_INVALID, 0 },
        { "0x10", ERR_INVALID, 0 },
        { "4MiBs", ERR_INVALID, 0 },
        { "4 MiB ", ERR_INVALID, 0 },
    };
    for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
        uint64_t size = 0;
        err_t err = size_text_parse(cases[i].text, &size);
        if (err != cases[i].err || (err == ERR_OK && size != cases[i].size)) {
            fprintf(stderr, "# '%s' is %s %" PRIu64 "\n", cases[i].text, err_name(err), size);
            CU_FAIL("a size was read wrongly");
        }
    }
    CU_PASS("all sizes were read");
}

static void
size_text_format_reads_back(void)
{
    static const struct {
        uint64_t size;
        const char *text;
    } cases[] = { { 0, "0B" }, { 1000, "1000B" }, { 1024, "1KiB" }, { 1536, "1536B" },
        { 4 * 1024 * 1024, "4MiB" }, { UINT64_C(1) << 50, "1024TiB" } };
    for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
        char text[SIZE_TEXT_SIZE_MAX];
        uint64_t size = 1;
        size_text_format(cases[i].size, text);
        ASSERT_STR_EQ(text, cases[i].text);
        ASSERT_I64_EQ(size_text_parse(text, &size), ERR_OK);
        ASSERT_I64_EQ(size, cases[i].size);
    }
}

static const struct test tests[] = {
    TEST(size_text_is_parsed_exactly),
    TEST(size_text_format_reads_back),
};
TEST_MAIN("size_text", tests)
