/* SPDX-License-Identifier: MIT */
#include "coordinator/sim/tail_state.h"

#include <stdlib.h>
#include <string.h>

#define SHIPPED_DELAY_MS 50 /* until it is learned: what main.c makes of hedge.delay auto */

struct plain_name {
    const char *name;
    enum tail_engine engine;
};

static const struct plain_name plains[] = {
    { "random", TAIL_RANDOM },
    { "p2c", TAIL_P2C },
    { "jsq", TAIL_JSQ },
    { "twice", TAIL_TWICE },
};

static bool
choose_static(struct tail_setup *setup, const char *name)
{
    static const char prefix[] = "static:";
    if (strncmp(name, prefix, sizeof prefix - 1) != 0) {
        return false;
    }
    char *end;
    double delay_ms = strtod(name + sizeof prefix - 1, &end);
    if (end == name + sizeof prefix - 1 || *end != '\0' || !(delay_ms >= 0) || delay_ms > 1e9) {
        return false;
    }
    setup->is_delay_set = true;
    setup->delay = duration_ns((int64_t) (delay_ms * 1e6));
    return true;
}

err_t
tail_choose_policy(struct tail_setup *setup, const char *name)
{
    core_config_default(&setup->config);
    setup->policy = name;
    setup->engine = TAIL_CORE;
    setup->mode = MODE_HEDGE;
    setup->is_delay_set = false;
    setup->is_unbounded = false;
    for (size_t i = 0; i < ARRAY_COUNT(plains); i++) {
        if (strcmp(name, plains[i].name) == 0) {
            setup->engine = plains[i].engine;
            return ERR_OK;
        }
    }
    struct core_config *config = &setup->config;
    if (strcmp(name, "none") == 0) {
        setup->mode = MODE_SINGLE;
    } else if (strcmp(name, "laedge") == 0 || strcmp(name, "latency") == 0) {
        setup->is_delay_set = true;
        setup->delay = DURATION_ZERO;
        setup->is_unbounded = true;
    } else if (strcmp(name, "quantile") == 0 || strcmp(name, "singler") == 0) {
        config->hedge_policy =
            strcmp(name, "singler") == 0 ? HEDGE_POLICY_SINGLER : HEDGE_POLICY_QUANTILE;
        config->hedge_quantile =
            setup->budget > 0 && setup->budget < 1 ? 1 - setup->budget : config->hedge_quantile;
        config->hedge_delay_min = duration_us(10);
    } else if (strcmp(name, "default") == 0) {
        config->hedge_delay = duration_ms(SHIPPED_DELAY_MS);
    } else if (!choose_static(setup, name)) {
        return ERR_NOT_FOUND;
    }
    return ERR_OK;
}

void
tail_finish_setup(struct tail_setup *setup)
{
    struct core_config *config = &setup->config;
    double mean_ms = setup->record != NULL ? setup->record->mean_ms : law_mean_ms(&setup->law);
    config->seed = setup->seed;
    config->jobs_max = TAIL_JOBS_MAX;
    config->finished_max = TAIL_JOBS_KEPT;
    config->workers_max = setup->workers_count;
    config->handlers_max = 1;
    config->samples_max = 0;
    /* No finer than the work: a law of hours is not to be run by the second. */
    if (mean_ms > 1000 && mean_ms < 1e9) {
        config->heartbeat = duration_ms((int64_t) mean_ms);
    }
    config->hedge_ratio = setup->is_unbounded ? CORE_ATTEMPTS_MAX : setup->budget;
    config->hedges_live_share = setup->is_unbounded ? 1 : config->hedges_live_share;
    config->hedge_burst = setup->is_unbounded ? 1000000 : setup->burst;
    if (setup->is_unbounded) {
        config->hedge_work_burst = duration_s(1000000);
    }
}
