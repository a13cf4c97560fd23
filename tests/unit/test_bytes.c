/* SPDX-License-Identifier: MIT */
#include "common/pure/bytes.h"

#include "proto/text.h"
#include "tests/support/cunit_main.h"

static void
bytes_what_is_written_is_read(void)
{
    uint8_t bytes[64];
    struct writer writer = writer_of(bytes, sizeof bytes);
    static const uint64_t numbers[] = { 0, 1, 127, 128, 16383, 16384, UINT32_MAX, UINT64_MAX };
    writer_u8(&writer, 0xfe);
    writer_u16(&writer, 0xfedc);
    writer_u32(&writer, 0xfedcba98);
    writer_u64(&writer, 0xfedcba9876543210);
    for (unsigned i = 0; i < ARRAY_COUNT(numbers); i++) {
        writer_varint(&writer, numbers[i]);
    }
    writer_put(&writer, "end", 3);
    ASSERT_I64_EQ(writer.err, ERR_OK);
    ASSERT_I64_EQ(bytes[1], 0xdc); /* low byte first */

    struct reader reader = reader_of(bytes, writer.size);
    ASSERT_I64_EQ(reader_u8(&reader), 0xfe);
    ASSERT_I64_EQ(reader_u16(&reader), 0xfedc);
    ASSERT_I64_EQ(reader_u32(&reader), 0xfedcba98);
    CU_ASSERT_EQUAL(reader_u64(&reader), 0xfedcba9876543210);
    for (unsigned i = 0; i < ARRAY_COUNT(numbers); i++) {
        CU_ASSERT_EQUAL(reader_varint(&reader), numbers[i]);
    }
    const uint8_t *end = reader_take(&reader, 3);
    CU_ASSERT_PTR_NOT_NULL_FATAL(end);
    CU_ASSERT(memcmp(end, "end", 3) == 0);
    ASSERT_I64_EQ(reader.err, ERR_OK);
    ASSERT_I64_EQ(reader_left(&reader), 0);
}

/* GOAL    past the end, and with sizes that would overflow a pointer, a reader fails for
 *         good. */
static void
bytes_reader_never_leaves(void)
{
    static const uint8_t bytes[] = { 1, 2, 3 };
    struct reader reader = reader_of(bytes, sizeof bytes);
    CU_ASSERT_PTR_NULL(reader_take(&reader, SIZE_MAX));
    ASSERT_I64_EQ(reader.err, ERR_TRUNCATED);
    ASSERT_I64_EQ(reader_u8(&reader), 0); /* B2 */
    ASSERT_I64_EQ(reader_left(&reader), 3);

    reader = reader_of(bytes, sizeof bytes);
    ASSERT_I64_EQ(reader_u32(&reader), 0);
    ASSERT_I64_EQ(reader.err, ERR_TRUNCATED);
    reader = reader_of(NULL, 0);
    reader_take(&reader, 0);
    ASSERT_I64_EQ(reader.err, ERR_OK);
    reader_u8(&reader);
    ASSERT_I64_EQ(reader.err, ERR_TRUNCATED);
}

static void
bytes_varint_past_64_bits_is_refused(void)
{
    static const uint8_t most[] = { 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1 };
    static const uint8_t more[] = { 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 2 };
    struct reader reader = reader_of(most, sizeof most);
    CU_ASSERT_EQUAL(reader_varint(&reader), UINT64_MAX);
    ASSERT_I64_EQ(reader.err, ERR_OK);
    reader = reader_of(more, sizeof more);
    CU_ASSERT_EQUAL(reader_varint(&reader), 0);
    ASSERT_I64_EQ(reader.err, ERR_BAD_MESSAGE);
    reader = reader_of(most, 9);
    CU_ASSERT_EQUAL(reader_varint(&reader), 0);
    ASSERT_I64_EQ(reader.err, ERR_TRUNCATED);
}

static void
bytes_full_writer_stays_full(void)
{
    uint8_t bytes[4] = { 9, 9, 9, 9 };
    struct writer writer = writer_of(bytes, 3);
    writer_u32(&writer, 1);
    ASSERT_I64_EQ(writer.err, ERR_FULL);
    writer_u8(&writer, 1);
    ASSERT_I64_EQ(writer.size, 0);
    ASSERT_I64_EQ(bytes[0], 9);
    writer = writer_of(bytes, 3);
    writer_put(&writer, "abc", 3);
    ASSERT_I64_EQ(writer.err, ERR_OK);
    ASSERT_I64_EQ(bytes[3], 9);
}

static void
text_is_told_from_bytes(void)
{
    CU_ASSERT_TRUE(text_is_valid("", 0));
    CU_ASSERT_TRUE(text_is_valid(NULL, 0));
    CU_ASSERT_TRUE(text_is_valid("\xe2\x82\xac", 3));
    CU_ASSERT_FALSE(text_is_valid("a\0b", 3));
    CU_ASSERT_FALSE(text_is_valid("\xe2\x82", 2));
    CU_ASSERT_TRUE(text_is_name("sha256-2.x_y/z"));
    CU_ASSERT_FALSE(text_is_name("a b"));
    CU_ASSERT_FALSE(text_is_name("a\n"));
    CU_ASSERT_FALSE(text_is_name("\xc3\xa4"));
    char cut[] = "ok \xe2\x82"; /* a character that a fixed array cut in two */
    text_clean(cut);
    ASSERT_STR_EQ(cut, "ok ??");
    char mixed[] = "\xff\xc3\xa4\x80";
    text_clean(mixed);
    ASSERT_STR_EQ(mixed, "?\xc3\xa4?");
}

static const struct test tests[] = {
    TEST(bytes_what_is_written_is_read),
    TEST(bytes_reader_never_leaves),
    TEST(bytes_varint_past_64_bits_is_refused),
    TEST(bytes_full_writer_stays_full),
    TEST(text_is_told_from_bytes),
};
TEST_MAIN("bytes", tests)
