/* SPDX-License-Identifier: MIT */
#include "coordinator/sim/tail.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* The laws of workloads whose publishers named none are fitted to the percentiles that they
 * published for their baseline.  Zero or NULL: the default.  Those that were published in
 * microseconds are in milliseconds here: the shape is what counts. */
struct workload {
    const char *name;
    const char *service;
    const char *text;
    struct tail_setup setup;
};

#define NETCLONE .workers_count = 6, .slots_count = 16, .load = 0.5
#define STRICKEN .workers_count = 3, .slots_count = 16, .load = 0.3, .incident_at = 0.5

static const struct workload workloads[] = {
    { "T1", "lognormal:5,2;0.05x10", "no queueing, 5 % x 10",
        { .workers_count = 10, .slots_count = 1000000, .rate_per_s = 1000, .burst = 32 } },
    { "T2", "pareto:1.9,1.25", "Tail at Scale: 1000 keys over 100 servers",
        { .workers_count = 100,
            .slots_count = 64,
            .rate_per_s = 20,
            .parts_count = 1000,
            .burst = 1000 } },
    { "T3", "const:3", "Tail at Scale: tied requests, idle cluster",
        { .workers_count = 20,
            .slots_count = 16,
            .rate_per_s = 200,
            .wait_text = "lognormal:19.1,12.45" } },
    { "T3b", "const:3", "the same beside a heavy antagonist",
        { .workers_count = 20,
            .slots_count = 16,
            .rate_per_s = 200,
            .wait_text = "lognormal:26.6,20.8" } },
    { "T4", "exp:25;0.01x15", "NetClone: Exp(25), 1 % x 15", { NETCLONE } },
    { "T4b", "bimodal:0.9,25,250;0.01x15", "NetClone: 90/10 of Exp(25), Exp(250)",
        { NETCLONE } },
    { "T4c", "exp:50;0.01x15", "NetClone: Exp(50)", { NETCLONE } },
    { "T4d", "bimodal:0.9,50,500;0.01x15", "NetClone: 90/10 of Exp(50), Exp(500)",
        { NETCLONE } },
    { "T5", "exp:25;0.02x10", "LAEDGE: hiccups at 60 %",
        { .workers_count = 6, .slots_count = 16, .load = 0.6 } },
    { "T6", "lognormal:199,94.3", "no tail at all (the control)",
        { .workers_count = 8, .slots_count = 1, .load = 0.875 } },
    { "T7", "lognormal:80,80", "Prequal: nine of ten can do twice their share",
        { .workers_count = 100,
            .slots_count = 4,
            .load = 0.75,
            .slow_share = 0.9,
            .slow_factor = 0.5,
            .timeout = { .ns = 5000000000 } } },
    { "T8", "lognormal:5,2;0.02x10", "a worker stops half-way",
        { STRICKEN, .incident = TAIL_STOP } },
    { "T8k", "lognormal:5,2;0.02x10", "a worker is killed half-way",
        { STRICKEN, .incident = TAIL_KILL } },
    { "T8s", "lognormal:5,2;0.02x10", "a worker takes 10 x as long, half-way on",
        { STRICKEN, .incident = TAIL_SLOW } },
};

void
workload_print_all(void)
{
    for (size_t i = 0; i < ARRAY_COUNT(workloads); i++) {
        printf("  %-5s %-32s %" PRIu32 " x %" PRIu32 " slots  %s\n", workloads[i].name,
            workloads[i].service, workloads[i].setup.workers_count,
            workloads[i].setup.slots_count, workloads[i].text);
    }
}

err_t
workload_choose(struct tail_setup *setup, const char *name)
{
    for (size_t i = 0; i < ARRAY_COUNT(workloads); i++) {
        if (strcmp(workloads[i].name, name) != 0) {
            continue;
        }
        const struct tail_setup *from = &workloads[i].setup;
        setup->workload = workloads[i].name;
        setup->workers_count = from->workers_count;
        setup->slots_count = from->slots_count;
        setup->rate_per_s = from->rate_per_s;
        setup->load = from->load;
        setup->background = from->background;
        setup->parts_count = from->parts_count > 0 ? from->parts_count : 1;
        setup->slow_share = from->slow_share;
        setup->slow_factor = from->slow_factor;
        setup->timeout = from->timeout;
        setup->incident = from->incident;
        setup->incident_at = from->incident_at;
        setup->burst = from->burst > 0 ? from->burst : setup->burst;
        setup->wait_text = from->wait_text;
        if (from->wait_text != NULL && law_parse(from->wait_text, &setup->wait) != ERR_OK) {
            return ERR_INVALID;
        }
        return law_parse(workloads[i].service, &setup->law);
    }
    return ERR_NOT_FOUND;
}
