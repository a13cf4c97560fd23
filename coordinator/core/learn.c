/* SPDX-License-Identifier: MIT */
#include "coordinator/core/learn.h"

/* What a policy would do now. */
struct wanted {
    duration_t delay;
    double probability;
};

static void refresh(struct core *core, struct handler *handler);
static bool
find_quantile(const struct core *core, const struct curve *curve, struct wanted *ret_wanted);
static bool find_singler(const struct core *core, const struct curve *first,
    const struct curve *copy, struct wanted *ret_wanted);
static duration_t tail_with(const struct core *core, const struct curve *first,
    const struct curve *copy, duration_t delay, double probability);
static void learn_residuals(struct learned *learned, const struct curve *curve);
static void move(struct learned *learned, const struct wanted *wanted);

void
learn_from(struct core *core, const struct attempt *attempt)
{
    struct handler *handler = attempt->job->handler;
    if (!attempt->job->is_idempotent) {
        return; /* never hedged */
    }
    bool is_copy = attempt->kind == ATTEMPT_HEDGE || attempt->kind == ATTEMPT_RACE ||
                   attempt->kind == ATTEMPT_TIE;
    struct sketch *sketch = is_copy ? &handler->copies_sketch : &handler->sketch;
    instant_t end = instant_min(core->now, attempt->cancel_sent_at);
    duration_t took = instant_since(end, attempt->sent_at);
    switch (attempt->state) {
    case ATTEMPT_WON: sketch_record(sketch, core->now, took, /* is_done= */ true); return;
    case ATTEMPT_LOST:
    case ATTEMPT_STOPPED:
    case ATTEMPT_LATE:
    case ATTEMPT_ABANDONED:
    case ATTEMPT_UNREACHABLE:
        sketch_record(sketch, core->now, took, /* is_done= */ false);
        return;
    case ATTEMPT_FAILED: /* a quick failure tells nothing about how long success takes */
        if (took.ns > handler->learned.median.ns) {
            sketch_record(sketch, core->now, took, /* is_done= */ false);
        }
        return;
    case ATTEMPT_EXPIRED:
    case ATTEMPT_BUSY:
    case ATTEMPT_QUEUED:
    case ATTEMPT_RUNNING: return;
    }
}

duration_t
learn_delay(struct core *core, struct job *job)
{
    struct handler *handler = job->handler;
    refresh(core, handler);
    enum hedge_mode mode = learn_mode(core, handler);
    if (job->mode != MODE_HEDGE || mode == HEDGE_MODE_OFF) {
        job->hedge_source = HEDGE_DELAY_NONE;
        return duration_ns(-1);
    }
    if (job->is_delay_set) {
        job->hedge_source = HEDGE_DELAY_POLICY;
        return job->hedge_delay;
    }
    if (handler->order.is_delay_set) {
        job->hedge_source = HEDGE_DELAY_ORDER;
        return handler->order.delay;
    }
    if (mode == HEDGE_MODE_LATENCY) {
        job->hedge_source = HEDGE_DELAY_NOW;
        return DURATION_ZERO;
    }
    const struct learned *learned = &handler->learned;
    if (!learned->is_known) {
        job->hedge_source =
            core->config.hedge_delay.ns >= 0 ? HEDGE_DELAY_SETTINGS : HEDGE_DELAY_NONE;
        return core->config.hedge_delay;
    }
    job->hedge_source = HEDGE_DELAY_LEARNED;
    double factor = 1 + LEARN_JITTER * (2 * rng_unit(&core->rng) - 1);
    /* More while the bucket is full, less while it empties: a budget that is met on the
     * average and never runs dry hedges the right ones, not those that come first. */
    double probability =
        learned->probability * (LEARN_STEER_MIN + LEARN_STEER * budget_fill(core));
    if (learned->probability < 1 && !rng_chance(&core->rng, probability)) {
        factor *= LEARN_LOT_LATER; /* by lot: not yet */
    }
    duration_t delay = duration_ns((int64_t) ((double) learned->delay.ns * factor));
    duration_t half = duration_ns(instant_until(core->now, job->deadline).ns / 2);
    return duration_min(delay, half);
}

enum hedge_mode
learn_mode(const struct core *core, const struct handler *handler)
{
    return handler->order.is_mode_set ? handler->order.mode : core->config.hedge_mode;
}

bool
learn_is_too_late(const struct core *core, const struct job *job)
{
    duration_t median = job->handler->learned.median;
    return instant_until(core->now, job->deadline).ns <= median.ns;
}

duration_t
learn_residual(const struct handler *handler, duration_t age)
{
    double more_us = (double) handler->learned.residual_us[histogram_bucket(age)];
    return duration_ns((int64_t) (more_us * 1e3));
}

/* The area under the curve behind each bucket, for each of those that are left there. */
static void
learn_residuals(struct learned *learned, const struct curve *curve)
{
    double area_us = 0;
    double after = 0;
    for (uint32_t b = curve->known_count; b-- > 0;) {
        double survival = (double) curve->survival[b];
        if (b + 1 < curve->known_count) {
            int64_t width_ns = histogram_bound(b + 2).ns - histogram_bound(b + 1).ns;
            area_us += (survival + after) / 2 * (double) width_ns * 1e-3;
        }
        learned->residual_us[b] = survival > 0 ? (float) (area_us / survival) : 0;
        after = survival;
    }
}

bool
learn_is_too_busy(const struct core *core, const struct job *job)
{
    bool is_free_to_wait =
        job->hedge_source == HEDGE_DELAY_LEARNED || job->hedge_source == HEDGE_DELAY_NOW;
    if (!is_free_to_wait || core->utilisation < core->config.hedge_utilisation_max) {
        return false;
    }
    const struct attempt *last = LIST_ENTRY(list_last(&job->attempts), struct attempt, on_job);
    return instant_since(core->now, last->sent_at).ns <
           LEARN_LATER * job->handler->learned.delay.ns;
}

void
learn_yield(struct handler *handler, bool did_win)
{
    struct yield *yield = &handler->yield;
    if (yield->count < YIELD_WINDOW) {
        yield->count++;
    }
    yield->rate += ((did_win ? 1 : 0) - yield->rate) / yield->count;
    if (yield->count == YIELD_WINDOW && yield->rate < YIELD_STOP) {
        yield->is_throttled = true;
    } else if (yield->rate > YIELD_RESUME) {
        yield->is_throttled = false;
    }
}

bool
learn_spares_hedge(const struct core *core, struct handler *handler)
{
    struct yield *yield = &handler->yield;
    uint64_t primaries_count = handler->counts.attempts_count[ATTEMPT_PRIMARY];
    if (!yield->is_throttled) {
        return false;
    }
    if (primaries_count < yield->probe_at) {
        return true;
    }
    double share = YIELD_PROBE_SHARE * core->config.hedge_ratio;
    yield->probe_at = primaries_count + (share > 1e-4 ? (uint64_t) (1 / share) : 10000);
    return false;
}

/* An average over the last second or so, weighted by time. */
void
learn_utilisation(struct core *core, instant_t now)
{
    if (core->slots_count == 0) {
        core->utilisation = 1;
        return;
    }
    double share = (double) core->counters.attempts_live_count / core->slots_count;
    double weight = duration_to_s(instant_since(now, core->now)) / LEARN_UTILISATION_S;
    weight = weight > 1 ? 1 : weight;
    core->utilisation += weight * ((share < 1 ? share : 1) - core->utilisation);
}

static void
refresh(struct core *core, struct handler *handler)
{
    struct learned *learned = &handler->learned;
    uint64_t samples_count = handler->sketch.done_count;
    if (samples_count < core->config.hedge_samples_min ||
        (instant_before(core->now, learned->refresh_at) &&
            samples_count < learned->refresh_count)) {
        return; /* what was known stays */
    }
    learned->refresh_at = instant_add(core->now, duration_ms(LEARN_EACH_MS));
    learned->refresh_count = 2 * samples_count;
    struct curve *first = &core->curves[0];
    struct curve *copy = &core->curves[1];
    sketch_curve(&handler->sketch, core->now, first);
    sketch_curve(&handler->copies_sketch, core->now, copy);
    if (copy->done_count < core->config.hedge_samples_min) {
        copy = first; /* until copies are known: as the first ones */
    }
    curve_quantile(first, 0.5, &learned->median);
    learn_residuals(learned, first);
    struct wanted wanted;
    if (find_quantile(core, first, &wanted)) {
        if (core->config.hedge_policy == HEDGE_POLICY_SINGLER) {
            find_singler(core, first, copy, &wanted);
        }
        move(learned, &wanted);
    }
}

static bool
find_quantile(const struct core *core, const struct curve *curve, struct wanted *ret_wanted)
{
    duration_t delay;
    if (!curve_quantile(curve, core->config.hedge_quantile, &delay)) {
        return false;
    }
    ret_wanted->delay = duration_max(delay, core->config.hedge_delay_min);
    ret_wanted->probability = 1;
    return true;
}

/* For each delay from the target down: hedge with the probability that the budget allows
 * there, and see where that brings the target quantile. */
static bool
find_singler(const struct core *core, const struct curve *first, const struct curve *copy,
    struct wanted *ret_wanted)
{
    double budget = core->config.hedge_ratio;
    duration_t plain = tail_with(core, first, copy, ret_wanted->delay, 1);
    duration_t best = plain;
    struct wanted found = *ret_wanted;
    for (uint32_t b = 0; b < first->known_count; b++) {
        duration_t delay = histogram_bound(b + 1);
        double survival = first->survival[b];
        if (delay.ns < core->config.hedge_delay_min.ns || survival <= 0 ||
            survival > 20 * budget) {
            continue;
        }
        if (delay.ns > best.ns) {
            break;
        }
        double probability = budget < survival ? budget / survival : 1;
        duration_t tail = tail_with(core, first, copy, delay, probability);
        if (tail.ns < best.ns) {
            best = tail;
            found.delay = delay;
            found.probability = probability;
        }
    }
    if ((double) best.ns > (1 - LEARN_GAIN_MIN) * (double) plain.ns) {
        return false;
    }
    *ret_wanted = found;
    return true;
}

/* The target quantile when a share of those older than the delay gets a copy. */
static duration_t
tail_with(const struct core *core, const struct curve *first, const struct curve *copy,
    duration_t delay, double probability)
{
    uint32_t from = histogram_bucket(delay);
    uint32_t to = first->known_count;
    while (from < to) {
        uint32_t middle = (from + to) / 2;
        duration_t at = histogram_bound(middle + 1);
        double copy_done = 1 - curve_survival(copy, duration_ns(at.ns - delay.ns));
        double left = (double) first->survival[middle] * (1 - probability * copy_done);
        if (left <= 1 - core->config.hedge_target) {
            to = middle;
        } else {
            from = middle + 1;
        }
    }
    return histogram_bound(from + 1);
}

static void
move(struct learned *learned, const struct wanted *wanted)
{
    if (!learned->is_known) {
        learned->is_known = true;
        learned->delay = wanted->delay;
        learned->probability = wanted->probability;
        return;
    }
    double now_ns = (double) learned->delay.ns;
    double to_ns = now_ns + 0.5 * ((double) wanted->delay.ns - now_ns);
    to_ns = to_ns > now_ns * LEARN_MOVE_MAX ? now_ns * LEARN_MOVE_MAX : to_ns;
    to_ns = to_ns < now_ns / LEARN_MOVE_MAX ? now_ns / LEARN_MOVE_MAX : to_ns;
    learned->delay = duration_ns((int64_t) to_ns);
    learned->probability += 0.5 * (wanted->probability - learned->probability);
}
