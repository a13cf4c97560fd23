/* SPDX-License-Identifier: MIT */
#include "coordinator/cli/timeline.h"

#include "tests/support/cunit_main.h"

#include <stdlib.h>

/* The example of coordinator/http/API.md: a hedge that won. */
static const char hedged[] =
    "{\"id\":\"01936a0e-7c3b-7d0a-9a57-3e1f0c5b2a44\",\"handler\":\"sha256\","
    "\"state\":\"SUCCEEDED\",\"cause\":null,\"mode\":\"hedge\",\"timeout_ms\":30000.0,"
    "\"age_ms\":4000.0,\"timing_ms\":{\"queue\":0.412,\"total\":42.107},\"input_size\":812,"
    "\"winner\":{\"attempt\":2,\"kind\":\"hedge\",\"worker\":\"w2\"},"
    "\"hedge\":{\"on\":true,\"delay_ms\":20.0,\"sent\":1,\"refused\":null,\"refused_ms\":null},"
    "\"attempts\":["
    "{\"number\":1,\"kind\":\"primary\",\"worker\":\"w1\",\"state\":\"LOST\",\"sent_ms\":0.009,"
    "\"started_ms\":5.0,\"ended_ms\":50.0,\"cancel_sent_ms\":42.110,\"cancel_acked_ms\":50.0,"
    "\"cancel_cause\":\"lost_race\",\"cancel_fate\":\"stopped\",\"ran_ms\":43.1,"
    "\"cpu_ms\":0.9,\"wasted_ms\":43.1,\"message\":null},"
    "{\"number\":2,\"kind\":\"hedge\",\"worker\":\"w2\",\"state\":\"WON\",\"sent_ms\":20.011,"
    "\"started_ms\":20.502,\"ended_ms\":42.1,\"cancel_sent_ms\":null,"
    "\"cancel_acked_ms\":null,\"cancel_cause\":null,\"cancel_fate\":null,\"ran_ms\":21.0,"
    "\"cpu_ms\":20.1,\"wasted_ms\":0.0,\"message\":null}],"
    "\"wasted_ms\":43.1,\"result\":{\"content_type\":\"text/plain\",\"size\":2},"
    "\"error\":null}";

static const char hedged_page[] =
    "job 01936a0e-7c3b-7d0a-9a57-3e1f0c5b2a44  sha256  SUCCEEDED in 42 ms\n"
    "  mode hedge, deadline after 30.0 s, input 812 B, result 2 B\n"
    "\n"
    "  copy          0                 20                40          ms\n"
    "  1 primary w1  ....##################################--------  LOST\n"
    "  2 hedge   w2                    #####################         WON\n"
    "                . waiting  # running  - told to stop\n"
    "\n"
    "        0.0 ms  copy 1 (primary) sent to w1\n"
    "        5.0     copy 1 started\n"
    "       20.0     copy 2 (hedge) sent to w2: no answer after 20 ms\n"
    "       20.5     copy 2 started\n"
    "       42.1     copy 2 answered: it wins\n"
    "       42.1     copy 1 told to stop: another copy was faster (lost_race)\n"
    "       50.0     copy 1 stopped, 7.9 ms after it was told\n"
    "\n"
    "  hedge   sent after 20 ms, and it won\n"
    "  wasted  43 ms of a worker's time (0.90 ms of CPU)\n";

static struct job_view
view_of(const char *json)
{
    struct hedgerow_reply reply = { .body_size = strlen(json) };
    union {
        const char *text;
        unsigned char *bytes;
    } body = { .text = json };
    reply.body = body.bytes;
    struct job_view view = { 0 };
    CU_ASSERT_TRUE_FATAL(job_view_parse(&reply, &view));
    return view;
}

static char *
page_of(const struct job_view *view, bool is_utf8)
{
    struct timeline_style style = { .width = 76, .is_utf8 = is_utf8 };
    char *text = NULL;
    size_t size = 0;
    FILE *stream = open_memstream(&text, &size);
    timeline_print(view, &style, stream);
    fclose(stream);
    return text;
}

static void
timeline_shows_who_won_and_when_the_loser_stopped(void)
{
    struct job_view view = view_of(hedged);
    CU_ASSERT_FALSE(job_view_is_live(&view));
    char *page = page_of(&view, /* is_utf8= */ false);
    ASSERT_STR_EQ(page, hedged_page);
    free(page);
    page = page_of(&view, /* is_utf8= */ true);
    CU_ASSERT_PTR_NOT_NULL(strstr(page, "████"));
    free(page);
}

/* GOAL    a loser that is given up seconds later does not squeeze the race into a column. */
static void
timeline_late_end_of_a_loser_is_cut_off(void)
{
    struct job_view view = view_of(hedged);
    snprintf(view.attempts[0].state, sizeof view.attempts[0].state, "ABANDONED");
    view.attempts[0].ended_ms = 2862;
    view.wasted_ms = 0;
    char *page = page_of(&view, /* is_utf8= */ false);
    CU_ASSERT_PTR_NOT_NULL(strstr(page, "----->  ABANDONED\n"));
    CU_ASSERT_PTR_NOT_NULL(strstr(page, "##############"));
    CU_ASSERT_PTR_NOT_NULL(strstr(page, "- told to stop  > goes on\n"));
    CU_ASSERT_PTR_NOT_NULL(strstr(page, "     2862.0     copy 1 was given up"));
    CU_ASSERT_PTR_NOT_NULL(strstr(page, "  wasted  unknown: a copy was lost"));
    free(page);
}

/* GOAL    every word that the API may say becomes a sentence, none an empty line. */
static void
timeline_tells_every_end_of_a_copy(void)
{
    static const struct {
        const char *state;
        const char *sentence;
    } ends[] = {
        { "FAILED", "copy 1 failed: no such file" },
        { "BUSY", "w1 refused copy 1: it was full" },
        { "EXPIRED", "copy 1 was dropped before it started: no time was left" },
        { "LATE", "copy 1 finished after its cancel; dropped" },
        { "ABANDONED", "copy 1 was given up: w1 never acknowledged the cancel" },
        { "UNREACHABLE", "copy 1 was lost with w1" },
        { "STOPPED", "copy 1 stopped" },
    };
    for (unsigned i = 0; i < sizeof ends / sizeof ends[0]; i++) {
        struct job_view view = view_of(hedged);
        view.attempts_count = 1;
        snprintf(view.attempts[0].state, sizeof view.attempts[0].state, "%s", ends[i].state);
        snprintf(view.attempts[0].message, sizeof view.attempts[0].message, "no such file");
        char *page = page_of(&view, /* is_utf8= */ false);
        if (strstr(page, ends[i].sentence) == NULL) {
            ASSERT_STR_EQ(page, ends[i].sentence);
        }
        free(page);
    }
}

static void
timeline_says_why_there_was_no_hedge(void)
{
    static const struct {
        const char *refused;
        const char *sentence;
    } refusals[] = {
        { "budget", "not sent: the budget of extra copies was spent (budget)" },
        { "no_spare_worker", "not sent: no other worker had a free slot (no_spare_worker)" },
        { "not_idempotent", "(not_idempotent)" },
        { "deadline_too_close", "(deadline_too_close)" },
        { "a_word_of_tomorrow", "a_word_of_tomorrow" },
        { "", "not needed: the job was over before 20 ms" },
    };
    for (unsigned i = 0; i < sizeof refusals / sizeof refusals[0]; i++) {
        struct job_view view = view_of(hedged);
        view.attempts_count = 1;
        view.hedge_sent = 0;
        snprintf(view.hedge_refused, sizeof view.hedge_refused, "%s", refusals[i].refused);
        view.hedge_refused_ms = 20;
        char *page = page_of(&view, /* is_utf8= */ false);
        if (strstr(page, refusals[i].sentence) == NULL) {
            ASSERT_STR_EQ(page, refusals[i].sentence);
        }
        free(page);
    }
}

/* GOAL    a job that waits, one that runs, one without a copy: a page for each, no crash. */
static void
timeline_draws_what_is_not_over(void)
{
    struct job_view view = view_of("{\"id\":\"01936a0e-7c3b-7d0a-9a57-3e1f0c5b2a44\","
                                   "\"state\":\"RUNNING\",\"age_ms\":20000,\"attempts\":[{"
                                   "\"number\":1,\"state\":\"RUNNING\",\"sent_ms\":0,"
                                   "\"started_ms\":1}]}");
    CU_ASSERT_TRUE(job_view_is_live(&view));
    char *page = page_of(&view, /* is_utf8= */ false);
    CU_ASSERT_PTR_NOT_NULL(strstr(page, "  now\n"));
    CU_ASSERT_PTR_NOT_NULL(strstr(page, " s\n")); /* the scale */
    free(page);
    view.attempts_count = 0;
    view.age_ms = 0;
    page = page_of(&view, /* is_utf8= */ false);
    CU_ASSERT_PTR_NOT_NULL(strstr(page, "RUNNING for"));
    free(page);
}

/* GOAL    what a handler says cannot move a terminal's cursor. */
static void
timeline_control_characters_are_tamed(void)
{
    struct job_view view = view_of("{\"id\":\"x\",\"state\":\"FAILED\",\"handler\":\"a\\u001b"
                                   "[2J\",\"error\":{\"message\":\"b\\nc\"}}");
    ASSERT_STR_EQ(view.handler, "a?[2J");
    ASSERT_STR_EQ(view.error, "b?c");
}

static const struct test tests[] = {
    TEST(timeline_shows_who_won_and_when_the_loser_stopped),
    TEST(timeline_late_end_of_a_loser_is_cut_off),
    TEST(timeline_tells_every_end_of_a_copy),
    TEST(timeline_says_why_there_was_no_hedge),
    TEST(timeline_draws_what_is_not_over),
    TEST(timeline_control_characters_are_tamed),
};
TEST_MAIN("timeline", tests)
