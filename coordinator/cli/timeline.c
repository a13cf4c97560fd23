/* SPDX-License-Identifier: MIT */
#include "coordinator/cli/timeline.h"

#include "coordinator/cli/out.h"
#include "coordinator/cli/story.h"

#include <math.h>
#include <string.h>

#define BAR_WIDTH_MAX 160
#define BAR_WIDTH_MIN 20
#define STATE_WIDTH   12
#define LABEL_ROOM    160

enum phase {
    PHASE_NONE,
    PHASE_QUEUED,
    PHASE_RUNNING,
    PHASE_STOPPING,
    PHASE_BEYOND
};

struct page {
    const struct job_view *view;
    const struct timeline_style *style;
    double end_ms; /* what the right edge means */
    bool is_cut;   /* a loser's end is far to the right of it */
    unsigned bar_width;
    unsigned label_width;
};

static double
later(double a, double b)
{
    return isnan(b) || a > b ? a : b;
}

/* A loser that was never heard of again may end long after the race: the race is what the
 * picture is for. */
static void
page_set_end(struct page *page)
{
    const struct job_view *view = page->view;
    double end_ms = job_view_is_live(view) ? view->age_ms : 0;
    end_ms = isnan(end_ms) ? 0 : later(end_ms, view->total_ms);
    for (unsigned i = 0; i < view->attempts_count; i++) {
        const struct job_view_attempt *attempt = &view->attempts[i];
        end_ms = later(end_ms, attempt->sent_ms);
        end_ms = later(end_ms, attempt->started_ms);
        end_ms = later(end_ms, attempt->cancel_sent_ms);
        end_ms = later(end_ms, attempt->ended_ms);
    }
    page->is_cut = view->total_ms > 0 && end_ms > 4 * view->total_ms;
    page->end_ms = page->is_cut ? 1.5 * view->total_ms : end_ms;
    page->end_ms = page->end_ms > 0.001 ? page->end_ms : 0.001;
}

static unsigned
column_of(const struct page *page, double ms)
{
    double column = ms / page->end_ms * page->bar_width;
    if (column < 0) {
        return 0;
    }
    return column >= page->bar_width ? page->bar_width - 1 : (unsigned) column;
}

/* At least one column: what was short still happened. */
static void
fill(const struct page *page, enum phase *bar, enum phase phase, double from_ms, double to_ms)
{
    unsigned from = column_of(page, from_ms);
    unsigned to = column_of(page, to_ms);
    for (unsigned i = from; i <= to; i++) {
        bar[i] = phase;
    }
}

static void
bar_draw(const struct page *page, const struct job_view_attempt *attempt, enum phase *bar)
{
    if (isnan(attempt->sent_ms)) {
        return;
    }
    double ended_ms = isnan(attempt->ended_ms) ? page->end_ms : attempt->ended_ms;
    bool was_cancelled = !isnan(attempt->cancel_sent_ms);
    double worked_until_ms = was_cancelled ? attempt->cancel_sent_ms : ended_ms;
    fill(page, bar, PHASE_QUEUED, attempt->sent_ms,
        isnan(attempt->started_ms) ? worked_until_ms : attempt->started_ms);
    if (!isnan(attempt->started_ms)) {
        fill(page, bar, PHASE_RUNNING, attempt->started_ms, worked_until_ms);
    }
    if (was_cancelled) {
        fill(page, bar, PHASE_STOPPING, attempt->cancel_sent_ms, ended_ms);
    }
    if (page->is_cut && (isnan(attempt->ended_ms) || ended_ms > page->end_ms)) {
        bar[page->bar_width - 1] = PHASE_BEYOND;
    }
}

static const char *
phase_text(enum phase phase, bool is_utf8)
{
    static const char *const ascii[] = { " ", ".", "#", "-", ">" };
    static const char *const utf8[] = { " ", "·", "█", "░", ">" };
    return is_utf8 ? utf8[phase] : ascii[phase];
}

static enum out_color
color_of(const struct job_view_attempt *attempt)
{
    if (strcmp(attempt->state, "WON") == 0) {
        return OUT_GREEN;
    }
    bool is_usual =
        strcmp(attempt->state, "LOST") == 0 || strcmp(attempt->state, "STOPPED") == 0 ||
        strcmp(attempt->state, "RUNNING") == 0 || strcmp(attempt->state, "QUEUED") == 0;
    return is_usual ? OUT_YELLOW : OUT_RED;
}

static void
label_of(const struct job_view_attempt *attempt, unsigned kind_width, char label[LABEL_ROOM])
{
    snprintf(label, LABEL_ROOM, "%u %-*s %s", attempt->number, (int) kind_width, attempt->kind,
        attempt->worker);
}

static unsigned
kind_width_of(const struct job_view *view)
{
    size_t width = 0;
    for (unsigned i = 0; i < view->attempts_count; i++) {
        size_t size = strlen(view->attempts[i].kind);
        width = size > width ? size : width;
    }
    return (unsigned) width;
}

static void
row_print(const struct page *page, const struct job_view_attempt *attempt, FILE *stream)
{
    enum phase bar[BAR_WIDTH_MAX] = { PHASE_NONE };
    char label[LABEL_ROOM];
    bar_draw(page, attempt, bar);
    label_of(attempt, kind_width_of(page->view), label);
    fprintf(stream, "  %-*s  %s", (int) page->label_width, label,
        out_begin(stream, color_of(attempt)));
    for (unsigned i = 0; i < page->bar_width; i++) {
        fputs(phase_text(bar[i], page->style->is_utf8), stream);
    }
    fprintf(stream, "%s  %s\n", out_end(stream), attempt->state);
}

/* 1, 2 or 5 times a power of ten, so that about five fit. */
static double
step_of(double end_ms, unsigned bar_width)
{
    double wanted = end_ms / (bar_width / 11 > 0 ? bar_width / 11 : 1);
    double power = pow(10, floor(log10(wanted)));
    static const double factors[] = { 1, 2, 5 };
    for (unsigned i = 0; i < ARRAY_COUNT(factors); i++) {
        if (factors[i] * power >= wanted) {
            return factors[i] * power;
        }
    }
    return 10 * power;
}

static void
scale_print(const struct page *page, FILE *stream)
{
    bool is_seconds = page->end_ms >= 10000;
    double step_ms = step_of(page->end_ms, page->bar_width);
    char line[BAR_WIDTH_MAX + 32];
    memset(line, ' ', sizeof line);
    unsigned used = 0;
    for (unsigned tick = 0; tick * step_ms <= page->end_ms && tick < 40; tick++) {
        double at_ms = tick * step_ms;
        char number[24];
        int size = snprintf(number, sizeof number, "%g", is_seconds ? at_ms / 1000 : at_ms);
        unsigned column = column_of(page, at_ms);
        if (column < used || column + (unsigned) size > page->bar_width) {
            continue;
        }
        memcpy(line + column, number, (size_t) size);
        used = column + (unsigned) size + 1;
    }
    line[page->bar_width] = '\0';
    fprintf(stream, "  %s%-*s  %s  %s%s\n", out_begin(stream, OUT_DIM), (int) page->label_width,
        "copy", line, is_seconds ? "s" : "ms", out_end(stream));
}

static void
bars_print(struct page *page, FILE *stream)
{
    const struct job_view *view = page->view;
    page->label_width = 4;
    for (unsigned i = 0; i < view->attempts_count; i++) {
        char label[LABEL_ROOM];
        label_of(&view->attempts[i], kind_width_of(view), label);
        unsigned width = (unsigned) strlen(label);
        page->label_width = width > page->label_width ? width : page->label_width;
    }
    unsigned taken = page->label_width + STATE_WIDTH + 6;
    unsigned width = page->style->width > taken ? page->style->width - taken : 0;
    width = width < BAR_WIDTH_MIN ? BAR_WIDTH_MIN : width;
    page->bar_width = width > BAR_WIDTH_MAX ? BAR_WIDTH_MAX : width;
    scale_print(page, stream);
    for (unsigned i = 0; i < view->attempts_count; i++) {
        row_print(page, &view->attempts[i], stream);
    }
    bool is_utf8 = page->style->is_utf8;
    fprintf(stream, "  %s%*s  %s waiting  %s running  %s told to stop%s%s\n",
        out_begin(stream, OUT_DIM), (int) page->label_width, "",
        phase_text(PHASE_QUEUED, is_utf8), phase_text(PHASE_RUNNING, is_utf8),
        phase_text(PHASE_STOPPING, is_utf8), page->is_cut ? "  > goes on" : "",
        out_end(stream));
}

void
timeline_print(const struct job_view *view, const struct timeline_style *style, FILE *stream)
{
    struct page page = { .view = view, .style = style };
    page_set_end(&page);
    story_print_head(view, stream);
    if (view->attempts_count > 0) {
        fputc('\n', stream);
        bars_print(&page, stream);
    }
    fputc('\n', stream);
    story_print_events(view, stream);
    story_print_verdict(view, stream);
}
