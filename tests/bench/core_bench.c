/* SPDX-License-Identifier: MIT
 *
 * core_bench [WORKERS...] - what the core costs for each event: CPU time, in one process.
 *
 * Jobs come at half of what the slots (eight a worker) can do, 1 ms each, all eager to be
 * hedged; they are answered in the order in which they were sent.  So half of the slots are
 * busy all the time, and heap, maps and sketches are full.  What is counted is a core_step with
 * the taking of its commands; a line of JSON for each fleet says as well how much was allocated
 * after the start.
 */
#include "coordinator/core/core.h"

#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define SLOTS      8
#define EVENTS_MAX 2000000u
#define LIVE_MAX   (1u << 17)

struct bench {
    struct core *core;
    instant_t now;
    struct attempt_ref *sent; /* a ring: answered in this order */
    uint32_t sent_head;
    uint32_t sent_tail;
    struct attempt_ref losers[CORE_ATTEMPTS_MAX]; /* told to stop, in this step */
    uint32_t losers_count;
    uint32_t jobs_count;
    uint64_t events_count;
};

static double
cpu_ns(void)
{
    struct timespec time;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time);
    return (double) time.tv_sec * 1e9 + (double) time.tv_nsec;
}

static size_t
allocated_size(void)
{
    struct mallinfo2 info = mallinfo2();
    return info.uordblks + info.hblkhd;
}

static void
step(struct bench *bench, const struct core_event *event)
{
    core_step(bench->core, bench->now, event);
    bench->events_count++;
    struct core_command command;
    while (core_next_command(bench->core, &command)) {
        if (command.kind == COMMAND_SEND) {
            bench->sent[bench->sent_head++ % LIVE_MAX] = (struct attempt_ref){
                .link = command.send.link, .job = command.job, .attempt = command.send.attempt
            };
        } else if (command.kind == COMMAND_CANCEL) {
            CHECK(bench->losers_count < CORE_ATTEMPTS_MAX);
            bench->losers[bench->losers_count++] = (struct attempt_ref){ command.cancel.link,
                command.job, command.cancel.attempt };
        }
    }
}

static void
start(struct bench *bench, uint32_t workers_count)
{
    struct core_config config;
    core_config_default(&config);
    config.workers_max = workers_count;
    config.jobs_max = workers_count * SLOTS + 64;
    config.finished_max = config.jobs_max;
    config.heartbeat = duration_s(3600);
    CHECK(core_new(&config, &bench->core) == ERR_OK);
    static const struct handler_offer offer = { .name = "work", .flags = HANDLER_IDEMPOTENT };
    for (uint32_t i = 1; i <= workers_count; i++) {
        char name[16];
        snprintf(name, sizeof name, "w%u", i);
        step(bench, &(struct core_event){ .kind = EVENT_WORKER_UP,
                        .worker_up = { .link = i,
                            .name = name,
                            .zone = i % 2 == 0 ? "a" : "b",
                            .incarnation = i,
                            .slots_count = SLOTS,
                            .handlers = &offer,
                            .handlers_count = 1 } });
    }
}

static void
submit(struct bench *bench)
{
    job_id_t id = { { 1 } };
    uint32_t number = ++bench->jobs_count;
    memcpy(id.bytes + 8, &number, sizeof number);
    step(bench, &(struct core_event){ .kind = EVENT_SUBMIT,
                    .submit = { .job = id,
                        .handler = "work",
                        .timeout = duration_s(30),
                        .policy = { .mode = MODE_HEDGE, .idempotent = -1 } } });
}

/* The copy that was sent first: it started, and is done. */
static void
answer(struct bench *bench)
{
    struct attempt_ref ref = bench->sent[bench->sent_tail++ % LIVE_MAX];
    step(bench, &(struct core_event){ .kind = EVENT_STARTED, .ref = ref });
    step(bench, &(struct core_event){
                    .kind = EVENT_REPLY, .reply = { .ref = ref, .ran = duration_ms(1) } });
    while (bench->losers_count > 0) {
        struct attempt_ref loser = bench->losers[--bench->losers_count];
        step(bench, &(struct core_event){ .kind = EVENT_CANCEL_ACK,
                        .cancel_ack = { .ref = loser, .fate = FATE_STOPPED } });
    }
}

static void
run(uint32_t workers_count)
{
    struct bench bench = { .now = { .ns = 1000000000 } };
    bench.sent = calloc(LIVE_MAX, sizeof *bench.sent);
    CHECK(bench.sent != NULL);
    start(&bench, workers_count);
    uint32_t busy_count = workers_count * SLOTS / 2;
    while (bench.sent_head - bench.sent_tail < busy_count) {
        submit(&bench);
    }
    for (uint32_t i = 0; i < 20000; i++) { /* until a delay is learned */
        answer(&bench);
        submit(&bench);
    }
    size_t before_size = allocated_size();
    bench.events_count = 0;
    double begun_ns = cpu_ns();
    while (bench.events_count < EVENTS_MAX) {
        bench.now.ns += 1000000 / busy_count; /* so that each takes about 1 ms */
        if (instant_reached(bench.now, core_wake_at(bench.core))) {
            step(&bench, &(struct core_event){ .kind = EVENT_TIMER });
        }
        answer(&bench);
        submit(&bench);
    }
    double each_ns = (cpu_ns() - begun_ns) / (double) bench.events_count;
    size_t after_size = allocated_size();
    printf("{\"name\":\"core_event\",\"workers\":%u,\"ns_per_op\":%.1f,\"ops\":%llu,"
           "\"allocated_bytes\":%zu,\"memory_bytes\":%zu}\n",
        workers_count, each_ns, (unsigned long long) bench.events_count,
        after_size > before_size ? after_size - before_size : 0, before_size);
    core_free(bench.core);
    free(bench.sent);
}

int
main(int argc, char **argv)
{
    static const uint32_t fleets[] = { 3, 100, 10000 };
    for (int i = 1; i < argc; i++) {
        run((uint32_t) strtoul(argv[i], NULL, 10));
    }
    for (size_t i = 0; argc == 1 && i < ARRAY_COUNT(fleets); i++) {
        run(fleets[i]);
    }
    return EXIT_SUCCESS;
}
