/* SPDX-License-Identifier: MIT
 *
 * bench_link [tcp|ipc] - what a link costs: two processes, echo of jobs.
 *
 *     in flight 1     the round trip of a small job: JOB -> RESULT
 *     in flight 64    jobs a second, CPU of both sides for one
 *     4 MiB           bytes a second in both directions
 *     CANCEL          behind 8 jobs of 4 MiB: until its CANCEL_ACK
 *     idle            CPU of both sides in a second of nothing but heartbeats
 */
#include "common/sys/clock.h"
#include "common/sys/log.h"
#include "coordinator/link/link.h"
#include "worker/link.h"
#include "worker/sched/sched.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#define SAMPLES_MAX 20000

static uint8_t input[WIRE_BULK_SIZE_MAX];

/* ---- the worker's process -------------------------------------------------------------- */

static struct worker_link *worker;

static void
on_worker_up(void *user, uint64_t epoch)
{
    (void) user;
    (void) epoch;
}

static void
on_worker_message(void *user, const struct wire_msg *msg)
{
    (void) user;
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
    CHECK(worker_link_send(worker, &answer) == ERR_OK);
}

static void
on_worker_down(void *user, err_t why)
{
    (void) why;
    loop_stop(user);
}

static void
run_worker(int from_parent)
{
    char url[128] = { 0 };
    CHECK(read(from_parent, url, sizeof url - 1) > 0);
    struct loop *loop;
    CHECK(hr_start(NULL) == 0);
    CHECK(loop_new(&loop) == ERR_OK);
    const struct worker_link_config config = { .dial_url = url,
        .hello = { .worker = "w",
            .incarnation = 1,
            .slots_count = 1,
            .handlers_count = 1,
            .handlers = { { .name = "echo" } } } };
    const struct worker_link_events events = { .user = loop,
        .on_up = on_worker_up,
        .on_message = on_worker_message,
        .on_down = on_worker_down };
    CHECK(worker_link_new(loop, &config, &events, &worker) == ERR_OK);
    loop_run(loop);
    exit(EXIT_SUCCESS);
}

/* ---- the coordinator's process ----------------------------------------------------------- */

struct bench {
    struct loop *loop;
    struct links *links;
    struct loop_timer *timer;
    link_id_t link;
    uint32_t input_size;
    unsigned rounds_max;
    unsigned sent_count;
    unsigned done_count;
    unsigned acks_count;
    instant_t sent_at[256]; /* by number % 256 */
    int64_t samples[SAMPLES_MAX];
};

static void
send_one(struct bench *bench)
{
    uint32_t number = bench->sent_count++;
    bench->sent_at[number % 256] = clock_now();
    const struct link_job job = {
        .job = { .bytes = { 1, [14] = (uint8_t) (number >> 8), [15] = (uint8_t) number } },
        .attempt = 1,
        .handler = "echo",
        .deadline = INSTANT_NEVER,
        .input = input,
        .input_size = bench->input_size,
        .input_owner = bench
    };
    CHECK(links_send_job(bench->links, bench->link, &job) == ERR_OK);
}

static void
on_up(void *user, link_id_t link, const struct wire_hello *hello)
{
    struct bench *bench = user;
    (void) hello;
    bench->link = link;
    loop_stop(bench->loop);
}

static void
on_message(void *user, link_id_t link, const struct wire_msg *msg, duration_t rtt)
{
    struct bench *bench = user;
    (void) link;
    (void) rtt;
    if (msg->kind == WIRE_CANCEL_ACK) {
        bench->acks_count++;
        loop_stop(bench->loop);
        return;
    }
    if (msg->kind != WIRE_RESULT || bench->rounds_max == 0) {
        return;
    }
    unsigned number = msg->result.id.job.bytes[15];
    duration_t took = instant_since(clock_now(), bench->sent_at[number]);
    bench->samples[bench->done_count % SAMPLES_MAX] = took.ns;
    if (++bench->done_count == bench->rounds_max) {
        loop_stop(bench->loop);
    } else if (bench->sent_count < bench->rounds_max) {
        send_one(bench);
    }
}

static void
on_down(void *user, link_id_t link, err_t why)
{
    (void) user;
    (void) link;
    fprintf(stderr, "link down: %s\n", err_text(why));
    exit(EXIT_FAILURE);
}

static void
on_input_done(void *user, const void *owner)
{
    (void) user;
    (void) owner;
}

static int64_t
cpu_us(void)
{
    struct rusage usage;
    CHECK(getrusage(RUSAGE_SELF, &usage) == 0);
    return (usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * 1000000 + usage.ru_utime.tv_usec +
           usage.ru_stime.tv_usec;
}

static int64_t
worker_cpu_us(pid_t pid)
{
    char path[64];
    unsigned long user_ticks = 0;
    unsigned long system_ticks = 0;
    snprintf(path, sizeof path, "/proc/%d/stat", (int) pid);
    FILE *file = fopen(path, "r");
    CHECK(file != NULL);
    CHECK(fscanf(file, "%*d %*s %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu",
              &user_ticks, &system_ticks) == 2);
    fclose(file);
    return (int64_t) (user_ticks + system_ticks) * 1000000 / sysconf(_SC_CLK_TCK);
}

static int
compare(const void *a, const void *b)
{
    int64_t x = *(const int64_t *) a;
    int64_t y = *(const int64_t *) b;
    return (x > y) - (x < y);
}

static void
run_echo(struct bench *bench, unsigned in_flight, uint32_t size, unsigned rounds)
{
    bench->input_size = size;
    bench->rounds_max = rounds;
    bench->sent_count = 0;
    bench->done_count = 0;
    int64_t cpu = cpu_us();
    instant_t start = clock_now();
    for (unsigned i = 0; i < in_flight; i++) {
        send_one(bench);
    }
    loop_run(bench->loop);
    double seconds = duration_to_s(instant_since(clock_now(), start));
    cpu = cpu_us() - cpu;
    unsigned count = rounds < SAMPLES_MAX ? rounds : SAMPLES_MAX;
    qsort(bench->samples, count, sizeof bench->samples[0], compare);
    printf("%7u bytes, %2u in flight: p50 %6.1f us, p99 %6.1f us, %8.0f jobs/s, "
           "%7.1f MB/s each way, cpu here %5.2f us/job\n",
        size, in_flight, (double) bench->samples[count / 2] / 1e3,
        (double) bench->samples[count * 99 / 100] / 1e3, rounds / seconds,
        rounds / seconds * size / 1e6, (double) cpu / rounds);
    bench->rounds_max = 0;
}

static void
run_cancel(struct bench *bench)
{
    bench->input_size = WIRE_BULK_SIZE_MAX;
    for (unsigned i = 0; i < 50; i++) {
        bench->sent_count = 0;
        for (unsigned k = 0; k < 8; k++) {
            send_one(bench);
        }
        const job_id_t last = { .bytes = { 1, [15] = 7 } };
        instant_t start = clock_now();
        CHECK(links_send_cancel(bench->links, bench->link, last, 1, 1) == ERR_OK);
        loop_run(bench->loop);
        bench->samples[i] = instant_since(clock_now(), start).ns;
        for (unsigned k = 0; k < 7; k++) { /* clear the way for the next round */
            const job_id_t job = { .bytes = { 1, [15] = (uint8_t) k } };
            CHECK(links_send_cancel(bench->links, bench->link, job, 1, 1) == ERR_OK);
        }
        for (unsigned want = bench->acks_count + 7; bench->acks_count < want;) {
            loop_run(bench->loop);
        }
    }
    qsort(bench->samples, 50, sizeof bench->samples[0], compare);
    printf("CANCEL behind 32 MiB: p50 %.0f us, max %.0f us\n",
        (double) bench->samples[25] / 1e3, (double) bench->samples[49] / 1e3);
}

static void
on_timer(void *user)
{
    loop_stop(user);
}

static void
run_idle(struct bench *bench, pid_t pid)
{
    int64_t cpu = cpu_us();
    int64_t worker_cpu = worker_cpu_us(pid);
    loop_timer_arm(bench->timer, instant_add(clock_now(), duration_s(3)));
    loop_run(bench->loop);
    printf("idle: cpu here %.0f us/s, worker %.0f us/s\n", (double) (cpu_us() - cpu) / 3,
        (double) (worker_cpu_us(pid) - worker_cpu) / 3);
}

int
main(int argc, char **argv)
{
    static struct bench bench;
    bool is_ipc = argc > 1 && strcmp(argv[1], "ipc") == 0;
    char url[128] = "tcp://127.0.0.1:0";
    int to_worker[2];
    CHECK(pipe(to_worker) == 0);
    log_init("bench", LOG_ERROR, LOG_LOGFMT);
    pid_t pid = fork(); /* before NNG is touched */
    CHECK(pid >= 0);
    if (pid == 0) {
        run_worker(to_worker[0]);
    }
    if (is_ipc) {
        snprintf(url, sizeof url, "ipc:///tmp/hedgerow-bench-%d", (int) pid);
    }
    CHECK(loop_new(&bench.loop) == ERR_OK);
    CHECK(loop_timer_new(bench.loop, on_timer, bench.loop, &bench.timer) == ERR_OK);
    const struct links_config config = { .listen_url = url, .epoch = 1, .links_max = 1 };
    const struct links_events events = { .user = &bench,
        .on_up = on_up,
        .on_message = on_message,
        .on_down = on_down,
        .on_input_done = on_input_done };
    CHECK(links_new(bench.loop, &config, &events, &bench.links) == ERR_OK);
    if (!is_ipc) {
        snprintf(url, sizeof url, "tcp://127.0.0.1:%u", links_port(bench.links));
    }
    CHECK(write(to_worker[1], url, strlen(url)) == (ssize_t) strlen(url));
    loop_run(bench.loop);

    run_echo(&bench, 1, 256, 2000); /* to warm up */
    run_echo(&bench, 1, 256, 20000);
    run_echo(&bench, 64, 256, 200000);
    run_echo(&bench, 4, WIRE_BULK_SIZE_MAX, 200);
    run_cancel(&bench);
    run_idle(&bench, pid);
    kill(pid, SIGKILL);
    waitpid(pid, NULL, 0);
    return EXIT_SUCCESS;
}
