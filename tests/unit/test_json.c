/* SPDX-License-Identifier: MIT */
#include "common/edge/json.h"

#include "tests/support/cunit_main.h"

#include <stdlib.h>

static struct json *
parse(const char *text)
{
    struct json *json = NULL;
    char why[JSON_WHY_SIZE_MAX] = "";
    ASSERT_I64_EQ(json_parse(text, strlen(text), &json, why), ERR_OK);
    return json;
}

static void
json_values_are_read_as_their_kind(void)
{
    struct json *json =
        parse("{\"a\": [1, 2.5, true, null, \"x\\u0041\"], \"b\": {\"c\": -7}}");
    const struct json *a = json_get(json, "a");
    ASSERT_I64_EQ(json_count(a), 5);
    int64_t integer = 0;
    double real = 0;
    bool yes = false;
    CU_ASSERT_TRUE(json_i64(json_at(a, 0), &integer));
    ASSERT_I64_EQ(integer, 1);
    CU_ASSERT_TRUE(json_f64(json_at(a, 0), &real));
    CU_ASSERT_FALSE(json_i64(json_at(a, 1), &integer));
    CU_ASSERT_TRUE(json_f64(json_at(a, 1), &real));
    CU_ASSERT_DOUBLE_EQUAL(real, 2.5, 0);
    CU_ASSERT_TRUE(json_bool(json_at(a, 2), &yes));
    CU_ASSERT_TRUE(yes);
    CU_ASSERT_PTR_NULL(json_at(a, 3));
    ASSERT_STR_EQ(json_text(json_at(a, 4)), "xA");
    CU_ASSERT_PTR_NULL(json_at(a, 5));
    CU_ASSERT_TRUE(json_i64(json_get(json_get(json, "b"), "c"), &integer));
    ASSERT_I64_EQ(integer, -7);
    ASSERT_STR_EQ(json_key_at(json, 1), "b");
    CU_ASSERT_PTR_NULL(json_key_at(json, 2));
    ASSERT_I64_EQ(json_kind(json), JSON_KIND_OBJECT);
    json_free(json);
}

static void
json_what_is_not_there_nests(void)
{
    struct json *json = parse("[1]");
    CU_ASSERT_PTR_NULL(json_get(json_get(json, "a"), "b"));
    CU_ASSERT_PTR_NULL(json_text(json_get(NULL, "x")));
    ASSERT_I64_EQ(json_count(json_at(json, 0)), 0);
    ASSERT_I64_EQ(json_kind(NULL), JSON_KIND_NONE);
    bool yes;
    CU_ASSERT_FALSE(json_bool(json_at(json, 0), &yes));
    json_free(json);
}

/* GOAL    nothing sloppy passes.
 * METHOD  each text breaks one rule. */
static void
json_sloppy_text_is_refused(void)
{
    static const char *const bad[] = { "", "{", "{\"a\":1,\"a\":2}", "[1] x", "{'a':1}", "[1,]",
        "nul", "\"\\u0000\"", "\"\xff\"", "[[[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]]" };
    for (unsigned i = 0; i < ARRAY_COUNT(bad); i++) {
        struct json *json = NULL;
        char why[JSON_WHY_SIZE_MAX] = "";
        ASSERT_I64_EQ(json_parse(bad[i], strlen(bad[i]), &json, why), ERR_BAD_MESSAGE);
        CU_ASSERT_TRUE(why[0] != '\0');
        CU_ASSERT_PTR_NULL(json);
    }
    /* Brackets in strings are not depth. */
    json_free(parse("\"[[[[[[[[[[[[[[[[[[[[\\\"[[[[\""));
    json_free(parse("[[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]"));
}

static void
json_dump_reads_back(void)
{
    struct json *json = parse("{\"b\":0.1,\"a\":[1,\"\\n\"]}");
    char *line = json_dump(json, 0);
    char *page = json_dump(json, 2);
    ASSERT_STR_EQ(line, "{\"b\":0.1,\"a\":[1,\"\\n\"]}");
    CU_ASSERT_PTR_NOT_NULL(strchr(page, '\n'));
    free(line);
    free(page);
    json_free(json);
}

static const struct test tests[] = {
    TEST(json_values_are_read_as_their_kind),
    TEST(json_what_is_not_there_nests),
    TEST(json_sloppy_text_is_refused),
    TEST(json_dump_reads_back),
};
TEST_MAIN("json", tests)
