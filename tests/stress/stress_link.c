/* SPDX-License-Identifier: MIT
 *
 * Links opened and closed from both sides while messages flow in both directions: no race
 * (tsan), no leak (dev), no descriptor left, every input handed back exactly once.
 *
 * Each worker has a thread of its own that keeps sending; the loop closes a link now and
 * then, frees a worker's end and makes a new one, or cancels.  stress_link [SEED]
 */
#include "coordinator/link/link.h"
#include "worker/link.h"
#include "worker/sched/sched.h"

#include "common/edge/stream.h"
#include "common/sys/clock.h"
#include "common/sys/log.h"

#include <dirent.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

#define WORKERS_COUNT 6
#define UPS_MAX       240
#define SECONDS_MAX   100

struct world;

struct worker {
    struct world *world;
    pthread_mutex_t mutex; /* guards link against the thread that sends */
    struct worker_link *link;
    pthread_t thread;
    atomic_uint_fast64_t answers_count;
};

struct world {
    struct loop *loop;
    struct links *links;
    struct loop_timer *guard;
    struct loop_wake *remake; /* some worker's end must be made anew */
    char url[64];
    struct worker workers[WORKERS_COUNT];
    uint64_t seed;
    uint8_t *input;
    unsigned remake_index; /* WORKERS_COUNT: none */
    unsigned ups_count;
    unsigned jobs_count;
    unsigned done_count;
    unsigned results_count;
    atomic_bool is_over;
    bool timed_out;
};

static const uint8_t token[] = "a token of more than sixteen bytes";

static uint32_t
draw(struct world *world, uint32_t bound)
{
    world->seed = world->seed * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t) (world->seed >> 33) % bound;
}

/* ---- the coordinator's end ----------------------------------------------------------- */

static void
send_jobs(struct world *world, link_id_t link)
{
    static const uint32_t sizes[] = { 0, 10, 3000, 65536, 65537, 500000, 4194304 };
    for (unsigned i = draw(world, 4); i < 5; i++) {
        const struct link_job job = { .job = { .bytes = { 1, (uint8_t) (world->jobs_count >> 8),
                                                   (uint8_t) world->jobs_count } },
            .attempt = 1,
            .handler = "echo",
            .deadline = instant_add(clock_now(), duration_s(10)),
            .input = world->input,
            .input_size = sizes[draw(world, ARRAY_COUNT(sizes))],
            .input_owner = world };
        if (links_send_job(world->links, link, &job) == ERR_OK) {
            world->jobs_count++;
            if (draw(world, 3) == 0) {
                err_t err = links_send_cancel(world->links, link, job.job, 1, 1);
                CHECK(err == ERR_OK || err == ERR_NOT_FOUND);
            }
        }
    }
}

static void
on_up(void *user, link_id_t link, const struct wire_hello *hello)
{
    struct world *world = user;
    (void) hello;
    if (++world->ups_count >= UPS_MAX) {
        loop_stop(world->loop);
    }
    send_jobs(world, link);
}

static void
on_message(void *user, link_id_t link, const struct wire_msg *msg, duration_t rtt)
{
    struct world *world = user;
    (void) rtt;
    if (msg->kind == WIRE_RESULT) {
        world->results_count++;
        send_jobs(world, link);
    }
    switch (draw(world, 60)) {
    case 0: links_close(world->links, link, "stress"); break;
    case 1:
        world->remake_index = draw(world, WORKERS_COUNT);
        loop_wake_post(world->remake);
        break;
    default: break;
    }
}

static void
on_down(void *user, link_id_t link, err_t why)
{
    (void) user;
    (void) link;
    CHECK(why != ERR_OK);
}

static void
on_input_done(void *user, const void *owner)
{
    struct world *world = user;
    CHECK(owner == world);
    world->done_count++;
}

/* ---- a worker's end ------------------------------------------------------------------ */

static void
on_worker_up(void *user, uint64_t epoch)
{
    (void) user;
    CHECK(epoch == 77);
}

static void
on_worker_message(void *user, const struct wire_msg *msg)
{
    struct worker *worker = user;
    struct wire_msg answer;
    if (msg->kind == WIRE_JOB) {
        answer.kind = WIRE_RESULT;
        answer.result = (struct wire_result){
            .id = msg->job.id, .bulk = msg->job.bulk, .bulk_size = msg->job.bulk_size
        };
    } else {
        answer.kind = WIRE_CANCEL_ACK;
        answer.cancel_ack = (struct wire_cancel_ack){ .id = msg->cancel.id, .fate = 1 };
    }
    /* No lock: worker_link_free, which holds it, waits for this callback. */
    err_t err = worker_link_send(worker->link, &answer);
    CHECK(err == ERR_OK || err == ERR_CLOSED || err == ERR_FULL);
    atomic_fetch_add_explicit(&worker->answers_count, 1, memory_order_relaxed);
}

static void
on_worker_down(void *user, err_t why)
{
    (void) user;
    CHECK(why != ERR_OK);
}

static void *
keep_sending(void *user)
{
    struct worker *worker = user;
    const struct wire_msg load = { .kind = WIRE_LOAD, .load = { .running_count = 1 } };
    while (!atomic_load_explicit(&worker->world->is_over, memory_order_relaxed)) {
        pthread_mutex_lock(&worker->mutex);
        for (unsigned i = 0; i < 8 && worker->link != NULL; i++) {
            err_t err = worker_link_send(worker->link, &load);
            CHECK(err == ERR_OK || err == ERR_CLOSED || err == ERR_FULL);
        }
        if (worker->link != NULL) {
            err_t err =
                worker_link_flush(worker->link, instant_add(clock_now(), duration_ms(5)));
            CHECK(err == ERR_OK || err == ERR_CLOSED || err == ERR_TIMEOUT);
        }
        pthread_mutex_unlock(&worker->mutex);
        sched_yield();
    }
    return NULL;
}

static void
make_end(struct worker *worker)
{
    const struct worker_link_config config = { .dial_url = worker->world->url,
        .token = token,
        .token_size = sizeof token,
        .hello = { .worker = "w",
            .incarnation = 1 + (uint64_t) (worker - worker->world->workers),
            .slots_count = 1 } };
    const struct worker_link_events events = { .user = worker,
        .on_up = on_worker_up,
        .on_message = on_worker_message,
        .on_down = on_worker_down };
    /* Its first callback comes from this loop, after this returned. */
    CHECK(worker_link_new(worker->world->loop, &config, &events, &worker->link) == ERR_OK);
}

static void
on_remake(void *user)
{
    struct world *world = user;
    struct worker *worker = &world->workers[world->remake_index];
    pthread_mutex_lock(&worker->mutex);
    worker_link_free(worker->link);
    make_end(worker);
    pthread_mutex_unlock(&worker->mutex);
}

static void
on_guard(void *user)
{
    struct world *world = user;
    world->timed_out = true;
    loop_stop(world->loop);
}

/* ---- the world ----------------------------------------------------------------------- */

static unsigned
count_descriptors(void)
{
    unsigned count = 0;
    DIR *folder = opendir("/proc/self/fd");
    CHECK(folder != NULL);
    while (readdir(folder) != NULL) {
        count++;
    }
    closedir(folder);
    return count;
}

static void
world_open(struct world *world)
{
    CHECK(hr_start(NULL) == 0); /* a link's reader is a fiber */
    CHECK(loop_new(&world->loop) == ERR_OK);
    CHECK(loop_timer_new(world->loop, on_guard, world, &world->guard) == ERR_OK);
    CHECK(loop_wake_new(world->loop, on_remake, world, &world->remake) == ERR_OK);
    world->input = calloc(1, WIRE_BULK_SIZE_MAX);
    CHECK(world->input != NULL);
    const struct links_config config = { .listen_url = "tcp://127.0.0.1:0",
        .token = token,
        .token_size = sizeof token,
        .epoch = 77,
        .links_max = WORKERS_COUNT * 2 };
    const struct links_events events = { .user = world,
        .on_up = on_up,
        .on_message = on_message,
        .on_down = on_down,
        .on_input_done = on_input_done };
    CHECK(links_new(world->loop, &config, &events, &world->links) == ERR_OK);
    snprintf(world->url, sizeof world->url, "tcp://127.0.0.1:%u", links_port(world->links));
    for (unsigned i = 0; i < WORKERS_COUNT; i++) {
        struct worker *worker = &world->workers[i];
        worker->world = world;
        pthread_mutex_init(&worker->mutex, NULL);
        make_end(worker);
        CHECK(pthread_create(&worker->thread, NULL, keep_sending, worker) == 0);
    }
}

static void
world_close(struct world *world)
{
    atomic_store_explicit(&world->is_over, true, memory_order_relaxed);
    for (unsigned i = 0; i < WORKERS_COUNT; i++) {
        struct worker *worker = &world->workers[i];
        pthread_join(worker->thread, NULL);
        worker_link_free(worker->link);
        pthread_mutex_destroy(&worker->mutex);
    }
    CHECK(hr_stop() == 0);
    links_free(world->links);
    loop_wake_free(world->remake);
    loop_timer_free(world->guard);
    loop_free(world->loop);
    free(world->input);
    stream_shutdown();
}

int
main(int argc, char **argv)
{
    static struct world world;
    world.seed = argc > 1 ? strtoull(argv[1], NULL, 10) : 1;
    printf("seed %llu\n", (unsigned long long) world.seed);
    fflush(stdout);
    log_init("stress", LOG_ERROR, LOG_LOGFMT);
    unsigned before_count = count_descriptors();
    world_open(&world);
    loop_timer_arm(world.guard, instant_add(clock_now(), duration_s(SECONDS_MAX)));
    loop_run(world.loop);
    world_close(&world);

    unsigned after_count = count_descriptors();
    printf("%u links came up, %u jobs sent, %u results, %u inputs back, %u descriptors left\n",
        world.ups_count, world.jobs_count, world.results_count, world.done_count,
        after_count - before_count);
    bool is_good = !world.timed_out && world.done_count == world.jobs_count &&
                   after_count == before_count && world.results_count > UPS_MAX / 4;
    return is_good ? EXIT_SUCCESS : EXIT_FAILURE;
}
