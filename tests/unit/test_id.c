/* SPDX-License-Identifier: MIT */
#include "common/pure/id.h"

#include "tests/support/cunit_main.h"

/* GOAL    an id survives its text form, and carries version, variant and time.
 * METHOD  the example of RFC 9562, appendix A.6. */
static void
id_text_round_trip(void)
{
    static const char text[] = "017f22e2-79b0-7cc3-98c4-dc0c0c07398f";
    static const uint8_t random[10] = { 0x0c, 0xc3, 0x18, 0xc4, 0xdc, 0x0c, 0x0c, 0x07, 0x39,
        0x8f };
    id_t128 id = id_from_parts(0x017f22e279b0, random);
    char printed[ID_TEXT_SIZE];
    id_to_text(id, printed);
    ASSERT_STR_EQ(printed, text);

    id_t128 parsed;
    ASSERT_I64_EQ(id_from_text(text, strlen(text), &parsed), ERR_OK);
    CU_ASSERT_TRUE(id_equal(id, parsed));
}

static void
id_bad_text_is_refused(void)
{
    static const char *const bad[] = { "", "017f22e2", "017f22e2-79b0-7cc3-98c4-dc0c0c07398",
        "017f22e2-79b0-7cc3-98c4-dc0c0c07398g", "017f22e2079b0-7cc3-98c4-dc0c0c07398f",
        "017f22e2-79b0-7cc3-98c4-dc0c0c07398f0" };
    for (unsigned i = 0; i < ARRAY_COUNT(bad); i++) {
        id_t128 id;
        ASSERT_I64_EQ(id_from_text(bad[i], strlen(bad[i]), &id), ERR_INVALID);
    }
}

static const struct test tests[] = {
    TEST(id_text_round_trip),
    TEST(id_bad_text_is_refused),
};
TEST_MAIN("id", tests)
