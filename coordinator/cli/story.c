/* SPDX-License-Identifier: MIT */
#include "coordinator/cli/story.h"

#include "coordinator/cli/out.h"

#include <math.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#define EVENTS_MAX (4 * JOB_VIEW_ATTEMPTS_MAX + 4)

struct event {
    double at_ms;
    unsigned order; /* of equals: what comes of what */
    char text[360];
};

struct story {
    const struct job_view *view;
    struct event events[EVENTS_MAX];
    unsigned count;
};

struct word {
    const char *word;
    const char *meaning;
};

static const struct word refusals[] = {
    { "not_idempotent", "its handler may not run more than once" },
    { "budget", "the budget of extra copies was spent" },
    { "no_spare_worker", "no other worker had a free slot" },
    { "deadline_too_close", "too little time was left" },
    { "overload", "the workers had too much to do" },
    { "busy", "the other worker was full" },
    { "not_paying", "a second copy does not pay for this handler now" },
    { "off", "hedging is off" },
};

static const struct word causes[] = {
    { "lost_race", "another copy was faster" },
    { "deadline", "time ran out" },
    { "user", "somebody asked for it" },
    { "client_gone", "its client went away" },
    { "parent", "its parent was cancelled" },
    { "drain", "the service was stopping" },
    { "shutdown", "the service was stopping" },
};

static const char *
meaning_of(const struct word *words, size_t words_count, const char *word)
{
    for (size_t i = 0; i < words_count; i++) {
        if (strcmp(words[i].word, word) == 0) {
            return words[i].meaning;
        }
    }
    return word;
}

static bool
is(const char *word, const char *other)
{
    return strcmp(word, other) == 0;
}

/* ---- the head ---------------------------------------------------------------------------- */

void
story_print_head(const struct job_view *view, FILE *stream)
{
    char time_text[OUT_NUMBER_SIZE_MAX];
    bool is_over = job_view_is_over(view);
    out_ms_text(is_over && !isnan(view->total_ms) ? view->total_ms : view->age_ms, time_text);
    enum out_color color = is(view->state, "SUCCEEDED") ? OUT_GREEN
                           : is_over                    ? OUT_RED
                                                        : OUT_YELLOW;
    fprintf(stream, "job %s  %s%s%s  %s%s%s %s %s\n", view->id, out_begin(stream, OUT_BOLD),
        view->handler, out_end(stream), out_begin(stream, color), view->state, out_end(stream),
        is_over ? "in" : "for", time_text);
    if (view->cause[0] != '\0') {
        fprintf(stream, "  because %s (%s)\n",
            meaning_of(causes, ARRAY_COUNT(causes), view->cause), view->cause);
    }
    if (view->error[0] != '\0') {
        fprintf(stream, "  the handler said: %s\n", view->error);
    }
    out_ms_text(view->timeout_ms, time_text);
    char input_text[OUT_NUMBER_SIZE_MAX];
    out_size_text(view->input_size, input_text);
    fprintf(
        stream, "  mode %s, deadline after %s, input %s", view->mode, time_text, input_text);
    if (is(view->state, "SUCCEEDED")) {
        out_size_text(view->result_size, input_text);
        fprintf(stream, ", result %s", input_text);
    }
    fprintf(stream, "\n");
}

/* ---- what happened, in order ------------------------------------------------------------- */

static void tell(struct story *story, double at_ms, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

static void
tell(struct story *story, double at_ms, const char *format, ...)
{
    if (isnan(at_ms) || story->count == EVENTS_MAX) {
        return;
    }
    struct event *event = &story->events[story->count];
    event->at_ms = at_ms;
    event->order = story->count++;
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(event->text, sizeof event->text, format, arguments);
    va_end(arguments);
}

static void
tell_sent(struct story *story, const struct job_view_attempt *attempt)
{
    char why[80] = "";
    char delay[OUT_NUMBER_SIZE_MAX];
    if (is(attempt->kind, "hedge") && !isnan(story->view->hedge_delay_ms)) {
        out_ms_text(story->view->hedge_delay_ms, delay);
        snprintf(why, sizeof why, ": no answer after %s", delay);
    } else if (is(attempt->kind, "retry")) {
        snprintf(why, sizeof why, ": an earlier copy failed");
    } else if (is(attempt->kind, "redispatch")) {
        snprintf(why, sizeof why, ": it replaces a copy that was lost or refused");
    }
    tell(story, attempt->sent_ms, "copy %u (%s) sent to %s%s", attempt->number, attempt->kind,
        attempt->worker, why);
    tell(story, attempt->started_ms, "copy %u started", attempt->number);
}

static void
tell_told(struct story *story, const struct job_view_attempt *attempt)
{
    tell(story, attempt->cancel_sent_ms, "copy %u told to stop: %s (%s)", attempt->number,
        meaning_of(causes, ARRAY_COUNT(causes), attempt->cancel_cause), attempt->cancel_cause);
}

/* LOST, STOPPED: what the worker made of the cancel. */
static void
tell_stopped(struct story *story, const struct job_view_attempt *attempt)
{
    static const struct word fates[] = {
        { "not_seen", "had not arrived, and never starts" },
        { "dequeued", "left the queue, before it started" },
        { "stopped", "stopped" },
        { "completed", "had finished by then; its result was dropped" },
    };
    char after[OUT_NUMBER_SIZE_MAX];
    out_ms_text(attempt->ended_ms - attempt->cancel_sent_ms, after);
    const char *fate = attempt->cancel_fate[0] != '\0' ? attempt->cancel_fate : "stopped";
    tell(story, attempt->ended_ms, "copy %u %s, %s after it was told", attempt->number,
        meaning_of(fates, ARRAY_COUNT(fates), fate), after);
}

static void
tell_ended(struct story *story, const struct job_view_attempt *attempt)
{
    unsigned number = attempt->number;
    bool has_message = attempt->message[0] != '\0';
    if (is(attempt->state, "LOST") || is(attempt->state, "STOPPED")) {
        tell_stopped(story, attempt);
    } else if (is(attempt->state, "FAILED")) {
        tell(story, attempt->ended_ms, "copy %u failed%s%s", number, has_message ? ": " : "",
            attempt->message);
    } else if (is(attempt->state, "BUSY")) {
        tell(story, attempt->ended_ms, "%s refused copy %u: it was full", attempt->worker,
            number);
    } else if (is(attempt->state, "EXPIRED")) {
        tell(story, attempt->ended_ms,
            "copy %u was dropped before it started: no time was left", number);
    } else if (is(attempt->state, "LATE")) {
        tell(story, attempt->ended_ms, "copy %u finished after its cancel; dropped", number);
    } else if (is(attempt->state, "ABANDONED")) {
        tell(story, attempt->ended_ms, "copy %u was given up: %s never acknowledged the cancel",
            number, attempt->worker);
    } else if (is(attempt->state, "UNREACHABLE")) {
        tell(story, attempt->ended_ms, "copy %u was lost with %s", number, attempt->worker);
    }
}

static int
compare(const void *left, const void *right)
{
    const struct event *a = left;
    const struct event *b = right;
    if (a->at_ms < b->at_ms || a->at_ms > b->at_ms) {
        return a->at_ms < b->at_ms ? -1 : 1;
    }
    return (a->order > b->order) - (a->order < b->order);
}

void
story_print_events(const struct job_view *view, FILE *stream)
{
    struct story story = { .view = view };
    for (unsigned i = 0; i < view->attempts_count; i++) {
        tell_sent(&story, &view->attempts[i]);
    }
    for (unsigned i = 0; i < view->attempts_count; i++) {
        if (is(view->attempts[i].state, "WON")) {
            tell(&story, view->attempts[i].ended_ms, "copy %u answered: it wins",
                view->attempts[i].number);
        }
    }
    for (unsigned i = 0; i < view->attempts_count; i++) {
        tell_told(&story, &view->attempts[i]);
    }
    if (view->hedge_refused[0] != '\0') {
        tell(&story, view->hedge_refused_ms, "no second copy: %s (%s)",
            meaning_of(refusals, ARRAY_COUNT(refusals), view->hedge_refused),
            view->hedge_refused);
    }
    for (unsigned i = 0; i < view->attempts_count; i++) {
        tell_ended(&story, &view->attempts[i]);
    }
    if (job_view_is_over(view) && !is(view->state, "SUCCEEDED")) {
        tell(&story, view->total_ms, "the job is over: %s", view->state);
    }
    if (job_view_is_live(view)) {
        tell(&story, view->age_ms, "now");
    }
    qsort(story.events, story.count, sizeof story.events[0], compare);
    for (unsigned i = 0; i < story.count; i++) {
        fprintf(stream, "  %9.1f%s  %s\n", story.events[i].at_ms, i == 0 ? " ms" : "   ",
            story.events[i].text);
    }
}

/* ---- the verdict ------------------------------------------------------------------------- */

static void
print_tie(const struct job_view *view, FILE *stream)
{
    const struct job_view_attempt *tie = NULL;
    for (unsigned i = 0; i < view->attempts_count; i++) {
        tie = is(view->attempts[i].kind, "tie") ? &view->attempts[i] : tie;
    }
    if (tie != NULL) {
        fprintf(stream, "  tied    a second copy waited at %s%s\n", tie->worker,
            tie->number == view->winner ? ", and started first" : "");
    } else if (view->hedge_refused[0] != '\0') {
        fprintf(stream, "  tied    no second copy: %s (%s)\n",
            meaning_of(refusals, ARRAY_COUNT(refusals), view->hedge_refused),
            view->hedge_refused);
    } else {
        fprintf(stream, "  tied    no second copy: the first had started by then\n");
    }
}

static void
print_hedge(const struct job_view *view, FILE *stream)
{
    char delay[OUT_NUMBER_SIZE_MAX] = "";
    if (!isnan(view->hedge_delay_ms)) {
        out_ms_text(view->hedge_delay_ms, delay);
    }
    fprintf(stream, "  hedge   ");
    if (is(view->mode, "race")) {
        fprintf(stream, "none: this is a race, all its copies were sent at once\n");
    } else if (view->hedge_sent > 0) {
        bool has_won = false;
        for (unsigned i = 0; i < view->attempts_count; i++) {
            has_won = has_won || (is(view->attempts[i].kind, "hedge") &&
                                     view->attempts[i].number == view->winner);
        }
        fprintf(stream, "sent after %s%s\n", delay,
            has_won             ? ", and it won"
            : view->winner != 0 ? ", but an earlier copy was faster"
                                : "");
    } else if (!view->hedge_on) {
        fprintf(stream, "none: %s\n",
            is(view->mode, "single") ? "mode single, one copy only" : "hedging is off");
    } else if (view->hedge_refused[0] != '\0') {
        fprintf(stream, "wanted after %s, not sent: %s (%s)\n", delay,
            meaning_of(refusals, ARRAY_COUNT(refusals), view->hedge_refused),
            view->hedge_refused);
    } else if (job_view_is_over(view)) {
        fprintf(stream, "not needed: the job was over before %s\n",
            delay[0] != '\0' ? delay : "its delay");
    } else {
        fprintf(
            stream, "not yet: it is due after %s\n", delay[0] != '\0' ? delay : "its delay");
    }
}

static void
print_wasted(const struct job_view *view, FILE *stream)
{
    char text[OUT_NUMBER_SIZE_MAX];
    double cpu_ms = 0;
    bool is_known = true;
    for (unsigned i = 0; i < view->attempts_count; i++) {
        const struct job_view_attempt *attempt = &view->attempts[i];
        bool is_wasted = attempt->number != view->winner && !isnan(attempt->cpu_ms);
        cpu_ms += is_wasted ? attempt->cpu_ms : 0;
        is_known =
            is_known && !is(attempt->state, "ABANDONED") && !is(attempt->state, "UNREACHABLE");
    }
    double wasted_ms = isnan(view->wasted_ms) ? 0 : view->wasted_ms;
    out_ms_text(wasted_ms, text);
    fprintf(stream, "  wasted  %s", wasted_ms > 0 ? text : is_known ? "nothing" : "unknown");
    if (wasted_ms > 0) {
        out_ms_text(cpu_ms, text);
        fprintf(stream, " of a worker's time (%s of CPU)", text);
    }
    fprintf(stream, "%s\n", is_known ? "" : ": a copy was lost, and tells nothing");
}

void
story_print_verdict(const struct job_view *view, FILE *stream)
{
    fputc('\n', stream);
    if (is(view->mode, "tied")) {
        print_tie(view, stream);
    } else {
        print_hedge(view, stream);
    }
    print_wasted(view, stream);
}
