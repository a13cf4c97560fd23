/* SPDX-License-Identifier: MIT */
#include "coordinator/http/trace.h"

#include "common/pure/check.h"
#include "tests/support/cunit_main.h"

#define TRACE                                "4bf92f3577b34da6a3ce929d0e0e4736"
#define SPAN                                 "00f067aa0ba902b7"
#define JOB                                  "01936a0e-7c3b-7d0a-9a57-3e1f0c5b2a44"
#define OF_JOB                               "9a573e1f0c5b2a44"
#define OWN                                  "00-01936a0e7c3b7d0a9a573e1f0c5b2a44-" OF_JOB "-00"
#define HEADERS(version, trace, span, flags) version "-" trace "-" span "-" flags

/* GOAL    a good one is gone on with; of a bad one nothing is believed. */
static void
trace_good_ones_are_continued(void)
{
    static const struct {
        const char *header;
        const char *job;
    } cases[] = {
        { HEADERS("00", TRACE, SPAN, "01"), HEADERS("00", TRACE, OF_JOB, "01") },
        { HEADERS("00", TRACE, SPAN, "00"), HEADERS("00", TRACE, OF_JOB, "00") },
        { HEADERS("cc", TRACE, SPAN, "01"), HEADERS("00", TRACE, OF_JOB, "01") },
        { HEADERS("cc", TRACE, SPAN, "01-what"), HEADERS("00", TRACE, OF_JOB, "01") },
        { HEADERS("cc", TRACE, SPAN, "01x"), OWN },
        { HEADERS("00", TRACE, SPAN, "01-what"), OWN },
        { HEADERS("ff", TRACE, SPAN, "01"), OWN },
        { HEADERS("00", "00000000000000000000000000000000", SPAN, "01"), OWN },
        { HEADERS("00", TRACE, "0000000000000000", "01"), OWN },
        { HEADERS("00", "4BF92F3577B34DA6A3CE929D0E0E4736", SPAN, "01"), OWN },
        { HEADERS("00", TRACE, SPAN, "0"), OWN },
        { HEADERS("00", TRACE, SPAN, "0g"), OWN },
        { HEADERS("0x", TRACE, SPAN, "01"), OWN },
        { "00_" TRACE "-" SPAN "-01", OWN },
        { "00-" TRACE "_" SPAN "-01", OWN },
        { "00-" TRACE "-" SPAN "_01", OWN },
        { "", OWN },
    };
    id_t128 job;
    CU_ASSERT_EQUAL_FATAL(id_from_text(JOB, strlen(JOB), &job), ERR_OK);
    for (unsigned i = 0; i < ARRAY_COUNT(cases); i++) {
        char text[TRACE_TEXT_SIZE];
        trace_of_job(slice_of(cases[i].header), job, text);
        ASSERT_STR_EQ(text, cases[i].job);
    }
}

static const struct test tests[] = {
    TEST(trace_good_ones_are_continued),
};
TEST_MAIN("trace", tests)
