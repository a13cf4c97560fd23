/* SPDX-License-Identifier: MIT
 *
 * The agent against threads that send, cancel, repeat and lose the link, all at once.
 *
 * GOAL    every copy of a session that was not lost gets exactly one farewell, never a
 *         RESULT after its CANCEL was acknowledged; copies of a lost one at most one; no
 *         fiber and no slot is left.
 * METHOD  one thread for each link, as NNG has it; a ledger of bytes that any thread may
 *         count in.  `stress_agent [SEED]` replays the same sequences of sends.
 */
#include "common/pure/rng.h"
#include "worker/agent.h"

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

#define PORTS_COUNT    3
#define SESSIONS_COUNT 6
#define JOBS_COUNT     1500 /* of a session */

/* What was heard of one copy. */
struct entry {
    atomic_uint farewells_count;
    atomic_uint started_count;
};

struct side {
    struct agent *agent;
    struct agent_port *port;
    struct rng rng;
    pthread_t thread;
    struct entry (*entries)[JOBS_COUNT];
};

static struct entry ledger[PORTS_COUNT][SESSIONS_COUNT][JOBS_COUNT];

#define MUST(condition)                                                             \
    do {                                                                            \
        if (!(condition)) {                                                         \
            fprintf(stderr, "%s:%d: not so: %s\n", __FILE__, __LINE__, #condition); \
            abort();                                                                \
        }                                                                           \
    } while (0)

/* ---- handlers ---------------------------------------------------------------------------- */

static void
quick_run(struct run *run, void *user)
{
    (void) user;
    run_reply(run, "x", 1, "text/plain");
}

static void
nap_run(struct run *run, void *user)
{
    (void) user;
    if (hr_sleep(200000) == 0) {
        run_reply(run, "x", 1, "text/plain");
    }
}

static void
burn_run(struct run *run, void *user)
{
    (void) user;
    for (unsigned i = 0; i < 200; i++) {
        if (hr_cancelled()) {
            return;
        }
        hr_yield();
    }
    run_fail(run, /* is_retryable= */ true, "no luck");
}

static void
self_run(struct run *run, void *user)
{
    (void) user;
    for (unsigned i = 0; i < 5 && hr_ctx_err(run->ctx) == 0; i++) {
        MUST(hr_sleep(50000) == 0);
    }
}

/* ---- the coordinator's side -------------------------------------------------------------- */

static job_id_t
job_id(unsigned session, unsigned job)
{
    job_id_t id = { { (uint8_t) (session + 1) } };
    memcpy(id.bytes + 4, &job, sizeof job);
    return id;
}

static err_t
on_frame(void *user, const struct wire_msg *msg)
{
    struct side *side = user;
    if (msg->kind != WIRE_RESULT && msg->kind != WIRE_CANCEL_ACK && msg->kind != WIRE_BUSY &&
        msg->kind != WIRE_STARTED) {
        return ERR_OK;
    }
    const struct wire_attempt *id = &msg->busy.id; /* the first member of all four */
    unsigned job;
    memcpy(&job, id->job.bytes + 4, sizeof job);
    struct entry *entry = &side->entries[id->job.bytes[0] - 1][job];
    if (msg->kind == WIRE_STARTED) {
        MUST(atomic_load(&entry->farewells_count) == 0);
        MUST(atomic_fetch_add(&entry->started_count, 1) == 0);
    } else {
        MUST(atomic_fetch_add(&entry->farewells_count, 1) == 0);
    }
    return ERR_OK;
}

static void
send_job(struct side *side, unsigned session, unsigned job)
{
    static const char *const handlers[] = { "quick", "nap", "burn", "self" };
    struct wire_msg msg = { .kind = WIRE_JOB };
    msg.job.id = (struct wire_attempt){ .job = job_id(session, job), .attempt = 1 };
    msg.job.budget_us = 300 + rng_below(&side->rng, 1000000);
    msg.job.is_hedge = rng_chance(&side->rng, 0.2);
    snprintf(msg.job.handler, sizeof msg.job.handler, "%s",
        handlers[rng_below(&side->rng, ARRAY_COUNT(handlers))]);
    agent_on_message(side->port, &msg);
}

static void
send_cancel(struct side *side, unsigned session, unsigned job)
{
    struct wire_msg msg = { .kind = WIRE_CANCEL };
    msg.cancel.id = (struct wire_attempt){ .job = job_id(session, job), .attempt = 1 };
    msg.cancel.cause = 1 + rng_below(&side->rng, 7);
    agent_on_message(side->port, &msg);
}

/* Mostly wait for some room, or nearly all would be BUSY. */
static void
wait_for_room(struct side *side)
{
    if (rng_chance(&side->rng, 0.1)) {
        return;
    }
    struct agent_counts counts;
    do {
        sched_yield();
        agent_counts(side->agent, &counts);
    } while (counts.attempts.queued_count > 8);
}

static void *
side_main(void *arg)
{
    struct side *side = arg;
    for (unsigned session = 0; session < SESSIONS_COUNT; session++) {
        agent_on_up(side->port, /* epoch= */ session + 1);
        for (unsigned job = 0; job < JOBS_COUNT; job++) {
            uint32_t dice = rng_below(&side->rng, 100);
            wait_for_room(side);
            if (dice < 5) {
                send_cancel(side, session, job); /* overtakes it */
            }
            send_job(side, session, job);
            if (dice >= 95) {
                send_job(side, session, job);
            }
            if (dice >= 5 && dice < 60) {
                unsigned back = rng_below(&side->rng, 8);
                send_cancel(side, session, job > back ? job - back : job);
            }
            if (dice == 60) {
                agent_tick(side->agent);
            }
        }
        if (session + 1 < SESSIONS_COUNT && rng_chance(&side->rng, 0.7)) {
            agent_on_down(side->port, rng_chance(&side->rng, 0.5) ? ERR_TIMEOUT : ERR_CLOSED);
        }
    }
    return NULL;
}

/* ---- the whole --------------------------------------------------------------------------- */

static void
add(struct registry *registry, const char *name, uint32_t flags,
    void (*run)(struct run *run, void *user))
{
    struct handler handler = { .flags = flags, .run = run };
    snprintf(handler.name, sizeof handler.name, "%s", name);
    MUST(registry_add(registry, &handler) == ERR_OK);
}

/* The last session of each link was not lost. */
static void
check_ledger(void)
{
    for (unsigned port = 0; port < PORTS_COUNT; port++) {
        for (unsigned job = 0; job < JOBS_COUNT; job++) {
            MUST(atomic_load(&ledger[port][SESSIONS_COUNT - 1][job].farewells_count) == 1);
        }
    }
}

/* Those that were heard of are left alone: a link that is far behind the others would ask
 * for copies whose graves have made room. */
static void
cancel_all(struct side *side)
{
    for (unsigned job = 0; job < JOBS_COUNT; job++) {
        if (atomic_load(&side->entries[SESSIONS_COUNT - 1][job].farewells_count) == 0) {
            send_cancel(side, SESSIONS_COUNT - 1, job); /* also what lapsed */
        }
    }
}

static void
start_agent(struct registry *registry, uint64_t seed, struct agent **ret_agent)
{
    const struct hr_options options = { .procs_count = 3 };
    const struct agent_config config = { .registry = registry,
        .incarnation = 1,
        .slots_cpu_count = 2,
        .slots_other_count = 8,
        .queue_max = 16,
        .inputs_size_max = 1 << 20,
        .heartbeat = duration_s(60),
        .heartbeats_missed_max = 3,
        .stall_share = 0.05,
        .stall = duration_us(100),
        .seed = seed };
    add(registry, "quick", HANDLER_IDEMPOTENT, quick_run);
    add(registry, "nap", HANDLER_IDEMPOTENT, nap_run);
    add(registry, "burn", HANDLER_CPU, burn_run);
    add(registry, "self", HANDLER_STOPS_ITSELF, self_run);
    MUST(hr_start(&options) == 0);
    MUST(agent_new(&config, ret_agent) == ERR_OK);
}

static void
print_counts(struct agent *agent)
{
    struct agent_counts counts;
    agent_counts(agent, &counts);
    const struct attempts_counts *attempts = &counts.attempts;
    printf("%llu copies, %llu started, %llu replied, %llu failed, %llu stopped, "
           "%llu dequeued, %llu completed, %llu not seen, %llu busy, %llu orphans\n",
        (unsigned long long) attempts->received_count,
        (unsigned long long) attempts->begun_count,
        (unsigned long long) attempts->replied_count,
        (unsigned long long) attempts->failed_count,
        (unsigned long long) attempts->acks_count[ATTEMPTS_FATE_STOPPED],
        (unsigned long long) attempts->acks_count[ATTEMPTS_FATE_DEQUEUED],
        (unsigned long long) attempts->acks_count[ATTEMPTS_FATE_COMPLETED],
        (unsigned long long) attempts->acks_count[ATTEMPTS_FATE_NOT_SEEN],
        (unsigned long long) attempts->busy_count,
        (unsigned long long) attempts->orphans_count);
}

int
main(int argc, char **argv)
{
    uint64_t seed = argc > 1 ? strtoull(argv[1], NULL, 10) : 1;
    static struct side sides[PORTS_COUNT];
    struct registry *registry;
    struct agent *agent;
    printf("seed %llu\n", (unsigned long long) seed);
    MUST(registry_new(&registry) == ERR_OK);
    start_agent(registry, seed, &agent);
    for (unsigned i = 0; i < PORTS_COUNT; i++) {
        sides[i] = (struct side){ .agent = agent, .entries = ledger[i] };
        rng_init(&sides[i].rng, seed * PORTS_COUNT + i);
        const struct agent_link link = { .user = &sides[i], .send = on_frame };
        sides[i].port = agent_port_add(agent, &link);
    }
    for (unsigned i = 0; i < PORTS_COUNT; i++) {
        MUST(pthread_create(&sides[i].thread, NULL, side_main, &sides[i]) == 0);
    }
    for (unsigned i = 0; i < PORTS_COUNT; i++) {
        MUST(pthread_join(sides[i].thread, NULL) == 0);
        cancel_all(&sides[i]);
    }
    MUST(hr_stop() == 0); /* every fiber has ended */
    for (unsigned i = 0; i < PORTS_COUNT; i++) {
        cancel_all(&sides[i]); /* of those that lapsed since */
    }
    MUST(agent_is_idle(agent));
    check_ledger();
    print_counts(agent);
    agent_free(agent);
    registry_free(registry);
    return EXIT_SUCCESS;
}
