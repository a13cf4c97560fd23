/* SPDX-License-Identifier: MIT
 *
 * JSON, base64 and UTF-8: what the API reads and writes without a library.
 */
#include "common/pure/base64.h"
#include "common/pure/json_scan.h"
#include "common/pure/utf8.h"
#include "coordinator/http/out.h"
#include "tests/support/cunit_main.h"

#include <stdlib.h>

static const struct {
    const char *text;
    err_t err;
    size_t at;
} documents[] = {
    { "{}", ERR_OK, 2 },
    { " [ ] ", ERR_OK, 5 },
    { "0", ERR_OK, 1 },
    { "-0.5e+10", ERR_OK, 8 },
    { "\"\\u00e9\\\"\\\\\\/\\b\\f\\n\\r\\t\"", ERR_OK, 24 },
    { "{\"a\":[1,{\"b\":null}],\"c\":true}", ERR_OK, 29 },
    { "[[[[1]]]]", ERR_OK, 9 },
    { "[[[[[1]]]]]", ERR_TOO_BIG, 4 },
    { "", ERR_BAD_MESSAGE, 0 },
    { "01", ERR_BAD_MESSAGE, 1 },
    { "+1", ERR_BAD_MESSAGE, 0 },
    { "1.", ERR_BAD_MESSAGE, 2 },
    { "1e", ERR_BAD_MESSAGE, 2 },
    { ".5", ERR_BAD_MESSAGE, 0 },
    { "NaN", ERR_BAD_MESSAGE, 0 },
    { "nul", ERR_BAD_MESSAGE, 0 },
    { "[1,]", ERR_BAD_MESSAGE, 3 },
    { "[1 2]", ERR_BAD_MESSAGE, 3 },
    { "{\"a\"}", ERR_BAD_MESSAGE, 4 },
    { "{\"a\":}", ERR_BAD_MESSAGE, 5 },
    { "{a:1}", ERR_BAD_MESSAGE, 1 },
    { "{\"a\":1,}", ERR_BAD_MESSAGE, 7 },
    { "{\"a\":1]", ERR_BAD_MESSAGE, 6 },
    { "[1}", ERR_BAD_MESSAGE, 2 },
    { "[1]]", ERR_BAD_MESSAGE, 3 },
    { "1 2", ERR_BAD_MESSAGE, 2 },
    { "\"\n\"", ERR_BAD_MESSAGE, 1 },
    { "\"\\x\"", ERR_BAD_MESSAGE, 2 },
    { "\"\\u12g4\"", ERR_BAD_MESSAGE, 5 },
    { "\"\xff\"", ERR_BAD_MESSAGE, 1 },
    { "\"abc", ERR_BAD_MESSAGE, 4 },
    { "\"abc\\", ERR_BAD_MESSAGE, 5 },
};

static void
json_scan_says_where_it_goes_wrong(void)
{
    for (unsigned i = 0; i < ARRAY_COUNT(documents); i++) {
        size_t at = 99;
        err_t err = json_scan(slice_of(documents[i].text), 4, &at);
        if (err != documents[i].err || at != documents[i].at) {
            printf("# %s\n", documents[i].text);
        }
        ASSERT_STR_EQ(err_name(err), err_name(documents[i].err));
        ASSERT_I64_EQ(at, documents[i].at);
    }
}

static void
json_scan_member_is_the_text_as_written(void)
{
    static const struct {
        const char *text;
        const char *value; /* NULL: none */
    } members[] = {
        { "{\"x\": 1.50 }", "1.50" },
        { "{\"a\":{\"x\":1},\"x\":[1, 2]}", "[1, 2]" },
        { "{\"a\":[{\"x\":1}]}", NULL },
        { "{\"x\":\"\\u00e9\"}", "\"\\u00e9\"" },
        { "{\"x\":{}}", "{}" },
        { " {\"x\" : {\"x\":2} , \"b\":3}", "{\"x\":2}" },
        { "[\"x\"]", NULL },
        { "\"x\"", NULL },
        { "{\"xx\":1}", NULL },
    };
    for (unsigned i = 0; i < ARRAY_COUNT(members); i++) {
        struct slice value;
        bool found = json_scan_member(slice_of(members[i].text), SLICE("x"), &value);
        CU_ASSERT_EQUAL(found, members[i].value != NULL);
        CU_ASSERT_TRUE(!found || slice_equal(value, slice_of(members[i].value)));
    }
}

static void
json_scan_string_is_decoded(void)
{
    static const struct {
        const char *string;
        const char *text; /* NULL: INVALID */
    } strings[] = {
        { "\"\"", "" },
        { "\"a\\n\\\"\\\\\\/\\b\\f\\r\\t\"", "a\n\"\\/\b\f\r\t" },
        { "\"\\u0041\\u00e9\\u20ac\"", "A\xc3\xa9\xe2\x82\xac" },
        { "\"\\uD83D\\uDE00\"", "\xf0\x9f\x98\x80" },
        { "\"\\ud83d\"", NULL },
        { "\"\\ud83dx\"", NULL },
        { "\"\\ud83d\\u0041\"", NULL },
        { "\"\\ude00\"", NULL },
    };
    for (unsigned i = 0; i < ARRAY_COUNT(strings); i++) {
        char text[64];
        size_t size = 0;
        err_t err = json_scan_string(slice_of(strings[i].string), text, &size);
        CU_ASSERT_EQUAL(err, strings[i].text != NULL ? ERR_OK : ERR_INVALID);
        CU_ASSERT_TRUE(err != ERR_OK ||
                       slice_equal((struct slice){ text, size }, slice_of(strings[i].text)));
    }
    char text[8];
    size_t size;
    CU_ASSERT_EQUAL(json_scan_string(SLICE("17"), text, &size), ERR_BAD_KIND);
}

static void
base64_round_trips_and_is_strict(void)
{
    uint8_t bytes[64];
    uint8_t again[64];
    char text[96];
    for (size_t size = 0; size < sizeof bytes; size++) {
        for (size_t i = 0; i < size; i++) {
            bytes[i] = (uint8_t) (size * 37 + i * 101);
        }
        base64_encode(bytes, size, text);
        size_t again_size = 0;
        struct slice encoded = { text, base64_size(size) };
        CU_ASSERT_EQUAL(base64_decode(encoded, again, &again_size), ERR_OK);
        ASSERT_I64_EQ(again_size, size);
        CU_ASSERT_TRUE(memcmp(bytes, again, size) == 0);
    }
    static const char *const bad[] = { "a", "ab", "abc", "ab=c",
        "a===", "====", "ab==ab==", "ab-_", "ab c", "aB==", "aaB=", "ab\n=" };
    for (unsigned i = 0; i < ARRAY_COUNT(bad); i++) {
        size_t size;
        CU_ASSERT_EQUAL(base64_decode(slice_of(bad[i]), again, &size), ERR_INVALID);
    }
}

static void
utf8_knows_what_is_no_character(void)
{
    static const char *const good[] = { "", "a", "\xc3\xa9", "\xe2\x82\xac", "\xed\x9f\xbf",
        "\xee\x80\x80", "\xf0\x90\x80\x80", "\xf4\x8f\xbf\xbf" };
    static const char *const bad[] = { "\x80", "\xc0\x80", "\xc1\xbf", "\xc3", "\xc3(",
        "\xe0\x9f\xbf", "\xed\xa0\x80", "\xe2\x82", "\xf0\x8f\xbf\xbf", "\xf4\x90\x80\x80",
        "\xf5\x80\x80\x80", "\xff", "a\xfe" };
    for (unsigned i = 0; i < ARRAY_COUNT(good); i++) {
        CU_ASSERT_TRUE(utf8_is_valid(slice_of(good[i])));
    }
    for (unsigned i = 0; i < ARRAY_COUNT(bad); i++) {
        CU_ASSERT_FALSE(utf8_is_valid(slice_of(bad[i])));
    }
}

static void
slice_numbers_are_plain(void)
{
    uint64_t number = 7;
    CU_ASSERT_TRUE(slice_to_u64(SLICE("18446744073709551615"), &number));
    CU_ASSERT_EQUAL(number, UINT64_MAX);
    CU_ASSERT_FALSE(slice_to_u64(SLICE("18446744073709551616"), &number));
    CU_ASSERT_FALSE(slice_to_u64(SLICE("1 "), &number));
    CU_ASSERT_FALSE(slice_to_u64(SLICE(""), &number));
    char text[4];
    CU_ASSERT_TRUE(slice_to_text(SLICE("abc"), text, sizeof text));
    CU_ASSERT_FALSE(slice_to_text(SLICE("abcd"), text, sizeof text));
    CU_ASSERT_FALSE(slice_to_text(SLICE("a\0b"), text, sizeof text));
}

/* GOAL    whatever text goes in, valid JSON comes out. */
static void
out_writes_valid_json(void)
{
    static const char *const texts[] = { "", "plain", "\"\\\n\r\t\x01\x7f", "\xc3\xa9\xff\xc3",
        "a\xed\xa0\x80z" };
    struct out out = { 0 };
    for (unsigned i = 0; i < ARRAY_COUNT(texts); i++) {
        size_t at;
        out_reset(&out);
        out_open(&out, '{');
        out_key(&out, "text");
        out_string(&out, slice_of(texts[i]));
        out_key(&out, "list");
        out_open(&out, '[');
        out_u64(&out, UINT64_MAX);
        out_ms(&out, duration_us(1234567));
        out_bool(&out, true);
        out_null(&out);
        out_base64(&out, (const uint8_t *) "hi", 2);
        out_time(&out, UINT64_C(1732428648123));
        out_open(&out, '{');
        out_close(&out, '}');
        out_close(&out, ']');
        out_close(&out, '}');
        CU_ASSERT_EQUAL(json_scan(out_slice(&out), 8, &at), ERR_OK);
        CU_ASSERT_PTR_NOT_NULL(memmem(out.bytes, out.size,
            ",1234.567,true,null,\"aGk=\",\"2024-11-24T06:10:48.123Z\",{}]}", 56));
    }
    /* Past what is kept, the room is given back. */
    CU_ASSERT_PTR_NOT_NULL(out_room(&out, 4 * OUT_KEPT_SIZE));
    out_reset(&out);
    CU_ASSERT_EQUAL(out.room, 0);
    out_fini(&out);
}

static const struct test tests[] = {
    TEST(json_scan_says_where_it_goes_wrong),
    TEST(json_scan_member_is_the_text_as_written),
    TEST(json_scan_string_is_decoded),
    TEST(base64_round_trips_and_is_strict),
    TEST(utf8_knows_what_is_no_character),
    TEST(slice_numbers_are_plain),
    TEST(out_writes_valid_json),
};
TEST_MAIN("json_scan", tests)
