/* SPDX-License-Identifier: MIT
 *
 * Clause 5, judged from outside: what copies beyond the first cost, and what paid for them.
 */
#include "coordinator/sim/world.h"

#include <inttypes.h>
#include <string.h>

static bool
is_charged(const struct copy *copy)
{
    return copy->kind == ATTEMPT_HEDGE || copy->kind == ATTEMPT_RETRY;
}

const char *const ledger_handlers[WORLD_HANDLERS] = { "safe", "once", "safe2" };

/* Nobody offered it yet, since the coordinator is new: it has nothing to steer. */
static bool
is_known(const struct world *world, const char *name)
{
    bool is_known = false;
    for (uint32_t i = 0; i < core_handlers_count(world->core); i++) {
        struct handler_view handler;
        core_handler_at(world->core, i, &handler);
        is_known = is_known || strcmp(handler.name, name) == 0;
    }
    return is_known;
}

void
ledger_steer(struct world *world, const struct event_hedging *hedging)
{
    for (uint32_t i = 0; i < WORLD_HANDLERS && is_known(world, hedging->handler); i++) {
        if (strcmp(ledger_handlers[i], hedging->handler) == 0) {
            world->is_hedging_off[i] =
                hedging->order.is_mode_set && hedging->order.mode == HEDGE_MODE_OFF;
        }
    }
}

void
ledger_charge(struct world *world, const struct copy *copy)
{
    world->primaries_count += copy->kind == ATTEMPT_PRIMARY;
    world->charged_count += is_charged(copy) || copy->kind == ATTEMPT_TIE;
    const struct core_config *config = &world->config;
    double earned = config->hedge_burst + config->hedge_ratio * (double) world->primaries_count;
    if ((double) world->charged_count > earned + 1e-6) {
        world_fail(world, "clause 5: %" PRIu64 " hedges and retries for %" PRIu64 " primaries",
            world->charged_count, world->primaries_count);
    }
    /* A retry may have been paid for before others took longer than was thought. */
    double earned_s =
        duration_to_s(config->hedge_work_burst) + config->hedge_ratio * world->primaries_work_s;
    if (copy->kind == ATTEMPT_HEDGE && world->charged_work_s > earned_s + 1e-4) {
        world_fail(world, "clause 5: a hedge after %.6f s of copies, where %.6f s are earned",
            world->charged_work_s, earned_s);
    }
}

void
ledger_refund(struct world *world, const struct copy *copy)
{
    if (copy->kind == ATTEMPT_HEDGE) {
        world->charged_count--;
        world->jobs[copy->job].charged_count--;
    }
}

void
ledger_settle(struct world *world, const struct copy *copy, duration_t ran)
{
    double work_s = duration_to_s(duration_min(ran, instant_since(world->now, copy->sent_at)));
    if (is_charged(copy)) {
        world->charged_work_s += work_s;
    } else if (copy->kind == ATTEMPT_PRIMARY || copy->kind == ATTEMPT_REDISPATCH) {
        world->primaries_work_s += work_s;
    }
}
