/* SPDX-License-Identifier: MIT
 *
 * Both ends of real links in one process, on one loop, over real sockets.  Nothing sleeps: a
 * test runs the loop until what it waits for has happened, or its guard timer ends it.
 */
#include "coordinator/link/link.h"
#include "worker/link.h"
#include "worker/sched/sched.h"

#include "common/edge/crypto.h"
#include "common/sys/clock.h"
#include "common/sys/log.h"
#include "tests/support/cunit_main.h"

#include <dirent.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/sysinfo.h>
#include <unistd.h>

#define WORKERS_MAX 4

static const uint8_t token[] = "a token of more than sixteen bytes";

struct fixture;

struct worker_end {
    struct fixture *fx;
    struct worker_link *link;
    atomic_uint ups_count;
    atomic_uint downs_count;
    atomic_uint jobs_count;
    atomic_uint cancels_count;
    atomic_uint last_size;
    atomic_uint last_why;
    atomic_bool is_slow; /* does not answer jobs */
};

struct fixture {
    struct loop *loop;
    struct loop_timer *guard;
    struct loop_wake *nudge; /* a worker's callback happened */
    struct links *links;
    bool (*is_done)(struct fixture *fx);
    bool timed_out;
    char url[128];
    struct worker_end workers[WORKERS_MAX + 1];
    unsigned workers_count;

    link_id_t up[WORKERS_MAX];
    unsigned ups_count;
    unsigned downs_count;
    unsigned results_count;
    unsigned acks_count;
    unsigned inputs_done_count;
    unsigned others_count;
    uint32_t result_size;
    uint8_t digest[CRYPTO_SHA256_SIZE];
    uint8_t *input;
    uint32_t input_size;
    unsigned want;
};

static void
check_done(struct fixture *fx)
{
    if (fx->is_done != NULL && fx->is_done(fx)) {
        loop_stop(fx->loop);
    }
}

/* ---- the coordinator's end ----------------------------------------------------------- */

static void
on_up(void *user, link_id_t link, const struct wire_hello *hello)
{
    struct fixture *fx = user;
    CU_ASSERT_EQUAL(hello->handlers_count, 1);
    fx->up[fx->ups_count++ % WORKERS_MAX] = link;
    check_done(fx);
}

static void
hash(const uint8_t *bytes, size_t size, uint8_t digest[CRYPTO_SHA256_SIZE])
{
    struct crypto_hash *sum;
    CHECK(crypto_hash_new(&sum) == ERR_OK);
    crypto_hash_add(sum, bytes, size);
    crypto_hash_end(sum, digest);
    crypto_hash_free(sum);
}

static void
on_message(void *user, link_id_t link, const struct wire_msg *msg, duration_t rtt)
{
    struct fixture *fx = user;
    (void) link;
    (void) rtt;
    if (msg->kind == WIRE_RESULT) {
        fx->results_count++;
        fx->result_size = msg->result.bulk_size;
        hash(msg->result.bulk, msg->result.bulk_size, fx->digest);
    } else if (msg->kind == WIRE_CANCEL_ACK) {
        fx->acks_count++;
    } else {
        fx->others_count++;
    }
    check_done(fx);
}

static void
on_down(void *user, link_id_t link, err_t why)
{
    struct fixture *fx = user;
    (void) link;
    (void) why;
    fx->downs_count++;
    check_done(fx);
}

static void
on_input_done(void *user, const void *owner)
{
    struct fixture *fx = user;
    CU_ASSERT_PTR_EQUAL(owner, fx);
    fx->inputs_done_count++;
}

/* ---- a worker's end: echoes, or keeps silent ----------------------------------------- */

static void
on_worker_up(void *user, uint64_t epoch)
{
    struct worker_end *worker = user;
    (void) epoch;
    atomic_fetch_add(&worker->ups_count, 1);
    loop_wake_post(worker->fx->nudge);
}

static void
on_worker_message(void *user, const struct wire_msg *msg)
{
    struct worker_end *worker = user;
    struct wire_msg answer;
    err_t err = ERR_OK;
    if (msg->kind == WIRE_JOB) {
        atomic_store(&worker->last_size, msg->job.bulk_size);
        if (!atomic_load(&worker->is_slow)) {
            answer.kind = WIRE_RESULT;
            answer.result = (struct wire_result){ .id = msg->job.id,
                .status = WIRE_OK,
                .bulk = msg->job.bulk,
                .bulk_size = msg->job.bulk_size };
            err = worker_link_send(worker->link, &answer);
        }
        atomic_fetch_add(&worker->jobs_count, 1);
    } else {
        answer.kind = WIRE_CANCEL_ACK;
        answer.cancel_ack = (struct wire_cancel_ack){ .id = msg->cancel.id, .fate = 1 };
        err = worker_link_send(worker->link, &answer);
        atomic_fetch_add(&worker->cancels_count, 1);
    }
    (void) err; /* the link may be closed by now */
    loop_wake_post(worker->fx->nudge);
}

static void
on_worker_down(void *user, err_t why)
{
    struct worker_end *worker = user;
    atomic_store(&worker->last_why, why);
    atomic_fetch_add(&worker->downs_count, 1);
    check_done(worker->fx);
}

/* ---- the fixture --------------------------------------------------------------------- */

static void
on_nudge(void *user)
{
    check_done(user);
}

static void
on_guard(void *user)
{
    struct fixture *fx = user;
    fx->timed_out = true;
    loop_stop(fx->loop);
}

static void
run_until(struct fixture *fx, bool (*is_done)(struct fixture *fx))
{
    fx->is_done = is_done;
    fx->timed_out = false;
    loop_timer_arm(fx->guard, instant_add(clock_now(), duration_s(20)));
    if (!is_done(fx)) {
        loop_run(fx->loop);
    }
    fx->is_done = NULL;
    loop_timer_arm(fx->guard, INSTANT_NEVER);
    CU_ASSERT_FALSE(fx->timed_out);
}

static err_t
listen(struct fixture *fx, const char *url, const uint8_t *secret)
{
    const struct links_config config = { .listen_url = url,
        .token = secret,
        .token_size = secret != NULL ? sizeof token : 0,
        .epoch = 77,
        .links_max = WORKERS_MAX,
        .cancel_grace_ms = 1000 };
    const struct links_events events = { .user = fx,
        .on_up = on_up,
        .on_message = on_message,
        .on_down = on_down,
        .on_input_done = on_input_done };
    err_t err = links_new(fx->loop, &config, &events, &fx->links);
    if (err == ERR_OK && links_port(fx->links) != 0) {
        snprintf(fx->url, sizeof fx->url, "tcp://127.0.0.1:%u", links_port(fx->links));
    } else {
        snprintf(fx->url, sizeof fx->url, "%s", url);
    }
    return err;
}

static struct worker_end *
add_worker(struct fixture *fx, const uint8_t *secret)
{
    struct worker_end *worker = &fx->workers[fx->workers_count++];
    worker->fx = fx;
    const struct worker_link_config config = { .dial_url = fx->url,
        .token = secret,
        .token_size = secret != NULL ? sizeof token : 0,
        .hello = { .worker = "w1",
            .incarnation = 1000 + fx->workers_count,
            .slots_count = 4,
            .pid = 1,
            .handlers_count = 1,
            .handlers = { { .name = "echo" } } } };
    const struct worker_link_events events = { .user = worker,
        .on_up = on_worker_up,
        .on_message = on_worker_message,
        .on_down = on_worker_down };
    ASSERT_I64_EQ(worker_link_new(fx->loop, &config, &events, &worker->link), ERR_OK);
    return worker;
}

static struct fixture *
fixture_new(void)
{
    struct fixture *fx = calloc(1, sizeof *fx);
    CHECK(fx != NULL);
    log_init("test", LOG_ERROR + 1, LOG_LOGFMT);
    CHECK(hr_start(NULL) == 0); /* a link's reader is a fiber */
    CHECK(loop_new(&fx->loop) == ERR_OK);
    CHECK(loop_timer_new(fx->loop, on_guard, fx, &fx->guard) == ERR_OK);
    CHECK(loop_wake_new(fx->loop, on_nudge, fx, &fx->nudge) == ERR_OK);
    fx->input_size = WIRE_BULK_SIZE_MAX;
    fx->input = malloc(fx->input_size);
    CHECK(fx->input != NULL);
    for (uint32_t i = 0; i < fx->input_size; i++) {
        fx->input[i] = (uint8_t) (i * 2654435761u >> 24);
    }
    return fx;
}

static void
fixture_free(struct fixture *fx)
{
    for (unsigned i = 0; i < fx->workers_count; i++) {
        worker_link_free(fx->workers[i].link);
    }
    CHECK(hr_stop() == 0);
    links_free(fx->links);
    loop_wake_free(fx->nudge);
    loop_timer_free(fx->guard);
    loop_free(fx->loop);
    free(fx->input);
    free(fx);
}

static err_t
send_job(struct fixture *fx, link_id_t link, uint32_t number, uint32_t size)
{
    const struct link_job job = { .job = { .bytes = { 1, [15] = (uint8_t) number } },
        .attempt = 1,
        .handler = "echo",
        .deadline = instant_add(clock_now(), duration_s(30)),
        .content_type = "application/octet-stream",
        .traceparent = "",
        .input = fx->input,
        .input_size = size,
        .input_owner = fx };
    return links_send_job(fx->links, link, &job);
}

static bool
is_up(struct fixture *fx)
{
    unsigned worker_ups = 0;
    for (unsigned i = 0; i < fx->workers_count; i++) {
        worker_ups += atomic_load(&fx->workers[i].ups_count);
    }
    return fx->ups_count == fx->want && worker_ups == fx->want;
}

static bool
has_results(struct fixture *fx)
{
    return fx->results_count == fx->want;
}

/* ---- tests --------------------------------------------------------------------------- */

static void
roundtrip(const char *url, const uint8_t *secret)
{
    struct fixture *fx = fixture_new();
    ASSERT_I64_EQ(listen(fx, url, secret), ERR_OK);
    add_worker(fx, secret);
    fx->want = 1;
    run_until(fx, is_up);
    static const uint32_t sizes[] = { 0, 1, WIRE_CHUNK_SIZE_MAX, WIRE_CHUNK_SIZE_MAX + 1,
        WIRE_BULK_SIZE_MAX };
    for (unsigned i = 0; i < ARRAY_COUNT(sizes); i++) {
        uint8_t digest[CRYPTO_SHA256_SIZE];
        hash(fx->input, sizes[i], digest);
        fx->want = i + 1;
        ASSERT_I64_EQ(send_job(fx, fx->up[0], i, sizes[i]), ERR_OK);
        run_until(fx, has_results);
        ASSERT_I64_EQ(fx->result_size, sizes[i]);
        CU_ASSERT(memcmp(digest, fx->digest, sizeof digest) == 0);
    }
    ASSERT_I64_EQ(fx->inputs_done_count, ARRAY_COUNT(sizes));
    fixture_free(fx);
}

/* GOAL    inputs and results of every size come back as they were, over tcp. */
static void
link_tcp_carries_every_size(void)
{
    roundtrip("tcp://127.0.0.1:0", token);
}

/* GOAL    the same over a socket file, without a token. */
static void
link_ipc_carries_every_size(void)
{
    char url[128];
    snprintf(url, sizeof url, "ipc:///tmp/hedgerow-test-link-%d", (int) getpid());
    roundtrip(url, NULL);
}

static bool
has_acks(struct fixture *fx)
{
    return fx->acks_count == fx->want;
}

/* GOAL    CANCELs are heard and acknowledged while megabytes are on their way, and their
 *         inputs come back to their owner. */
static void
link_cancel_passes_megabytes(void)
{
    struct fixture *fx = fixture_new();
    ASSERT_I64_EQ(listen(fx, "tcp://127.0.0.1:0", token), ERR_OK);
    struct worker_end *worker = add_worker(fx, token);
    fx->want = 1;
    run_until(fx, is_up);
    for (unsigned i = 0; i < 8; i++) {
        ASSERT_I64_EQ(send_job(fx, fx->up[0], i, WIRE_BULK_SIZE_MAX), ERR_OK);
    }
    for (unsigned i = 0; i < 8; i++) {
        const job_id_t job = { .bytes = { 1, [15] = (uint8_t) i } };
        ASSERT_I64_EQ(links_send_cancel(fx->links, fx->up[0], job, 1, 1), ERR_OK);
    }
    fx->want = 8;
    run_until(fx, has_acks);
    ASSERT_I64_EQ(atomic_load(&worker->jobs_count), 0);
    ASSERT_I64_EQ(fx->inputs_done_count, 8);
    CU_ASSERT(links_counters(fx->links)->bytes_out_count < 2 * WIRE_WINDOW_SIZE);
    fixture_free(fx);
}

static bool
is_down(struct fixture *fx)
{
    return atomic_load(&fx->workers[0].downs_count) >= fx->want;
}

/* GOAL    a worker whose coordinator went away dials until there is one again; the inputs of
 *         the old one's jobs were handed back. */
static void
link_redials_a_new_coordinator(void)
{
    struct fixture *fx = fixture_new();
    ASSERT_I64_EQ(listen(fx, "tcp://127.0.0.1:0", token), ERR_OK);
    struct worker_end *worker = add_worker(fx, token);
    atomic_store(&worker->is_slow, true);
    fx->want = 1;
    run_until(fx, is_up);
    CU_ASSERT_TRUE(worker_link_is_up(worker->link));
    ASSERT_I64_EQ(send_job(fx, fx->up[0], 1, WIRE_BULK_SIZE_MAX), ERR_OK);
    links_free(fx->links);
    fx->links = NULL;
    ASSERT_I64_EQ(fx->inputs_done_count, 1);
    fx->want = 3; /* lost once, then refused */
    run_until(fx, is_down);
    CU_ASSERT_FALSE(worker_link_is_up(worker->link));
    ASSERT_I64_EQ(atomic_load(&worker->last_why), ERR_REFUSED);
    ASSERT_I64_EQ(
        worker_link_send(worker->link, &(struct wire_msg){ .kind = WIRE_DRAIN }), ERR_CLOSED);
    char url[sizeof fx->url];
    snprintf(url, sizeof url, "%s", fx->url);
    ASSERT_I64_EQ(listen(fx, url, token), ERR_OK);
    fx->want = 2;
    run_until(fx, is_up);
    fixture_free(fx);
}

/* GOAL    a wrong token never comes up, and is counted. */
static void
link_wrong_token_is_refused(void)
{
    static const uint8_t other[sizeof token] = "another token, as long as the 1st.";
    struct fixture *fx = fixture_new();
    ASSERT_I64_EQ(listen(fx, "tcp://127.0.0.1:0", token), ERR_OK);
    struct worker_end *worker = add_worker(fx, other);
    fx->want = 2; /* it goes on trying */
    run_until(fx, is_down);
    ASSERT_I64_EQ(atomic_load(&worker->ups_count), 0);
    ASSERT_I64_EQ(fx->ups_count, 0);
    ASSERT_I64_EQ(fx->downs_count, 0);
    CU_ASSERT(links_counters(fx->links)->handshakes_failed_count >= 1);
    ASSERT_I64_EQ(links_counters(fx->links)->up_count, 0);
    fixture_free(fx);
}

/* GOAL    without a token nobody beyond this machine is listened to. */
static void
link_without_token_stays_local(void)
{
    struct fixture *fx = fixture_new();
    ASSERT_I64_EQ(listen(fx, "tcp://0.0.0.0:0", NULL), ERR_PERMISSION);
    ASSERT_I64_EQ(listen(fx, "nonsense", NULL), ERR_INVALID);
    ASSERT_I64_EQ(listen(fx, "tcp://0.0.0.0:0", token), ERR_OK);
    struct links *first = fx->links;
    char url[64];
    snprintf(url, sizeof url, "tcp://0.0.0.0:%u", links_port(first));
    ASSERT_I64_EQ(listen(fx, url, token), ERR_IN_USE);
    fx->links = first;
    fixture_free(fx);
}

static bool
is_refused_once(struct fixture *fx)
{
    return atomic_load(&fx->workers[WORKERS_MAX].downs_count) == 1;
}

static bool
has_all_but_one(struct fixture *fx)
{
    return fx->downs_count == 1 && fx->ups_count == WORKERS_MAX + 1;
}

/* GOAL    no more links come up than fit; the one that is refused tries again, and comes up
 *         when there is room. */
static void
link_one_too_many_waits(void)
{
    struct fixture *fx = fixture_new();
    ASSERT_I64_EQ(listen(fx, "tcp://127.0.0.1:0", token), ERR_OK);
    for (unsigned i = 0; i < WORKERS_MAX; i++) {
        add_worker(fx, token);
    }
    fx->want = WORKERS_MAX;
    run_until(fx, is_up);
    add_worker(fx, token);
    run_until(fx, is_refused_once);
    ASSERT_I64_EQ(links_counters(fx->links)->up_count, WORKERS_MAX);
    worker_link_free(fx->workers[0].link);
    fx->workers[0].link = NULL;
    run_until(fx, has_all_but_one);
    fixture_free(fx);
}

static bool
is_closed(struct fixture *fx)
{
    return atomic_load(&fx->workers[0].downs_count) == 1 && fx->ups_count == 2;
}

/* GOAL    links_close tells the worker, and not the shell, which asked for it. */
static void
link_closed_by_the_shell_is_silent(void)
{
    struct fixture *fx = fixture_new();
    ASSERT_I64_EQ(listen(fx, "tcp://127.0.0.1:0", token), ERR_OK);
    add_worker(fx, token);
    fx->want = 1;
    run_until(fx, is_up);
    link_id_t link = fx->up[0];
    ASSERT_I64_EQ(send_job(fx, link, 1, WIRE_BULK_SIZE_MAX), ERR_OK);
    links_close(fx->links, link, "test");
    ASSERT_I64_EQ(send_job(fx, link, 2, 1), ERR_NOT_FOUND);
    run_until(fx, is_closed); /* and it came back */
    ASSERT_I64_EQ(fx->downs_count, 0);
    ASSERT_I64_EQ(fx->inputs_done_count, 1);
    fixture_free(fx);
}

static bool
is_left(struct fixture *fx)
{
    return fx->downs_count == 1 && atomic_load(&fx->workers[0].downs_count) == 1;
}

/* GOAL    a worker that said GOODBYE has delivered all it flushed, and does not come back. */
static void
link_goodbye_ends_it(void)
{
    struct fixture *fx = fixture_new();
    ASSERT_I64_EQ(listen(fx, "tcp://127.0.0.1:0", token), ERR_OK);
    struct worker_end *worker = add_worker(fx, token);
    fx->want = 1;
    run_until(fx, is_up);
    const struct wire_msg result = { .kind = WIRE_RESULT,
        .result = {
            .id = { .job = { .bytes = { 1 } } }, .bulk = fx->input, .bulk_size = 1000 } };
    ASSERT_I64_EQ(worker_link_send(worker->link, &result), ERR_OK);
    const instant_t deadline = instant_add(clock_now(), duration_s(10));
    ASSERT_I64_EQ(worker_link_flush(worker->link, deadline), ERR_OK);
    const struct wire_msg goodbye = { .kind = WIRE_GOODBYE,
        .goodbye = { .reason = "drained" } };
    ASSERT_I64_EQ(worker_link_send(worker->link, &goodbye), ERR_OK);
    run_until(fx, is_left);
    ASSERT_I64_EQ(fx->results_count, 1);
    ASSERT_I64_EQ(worker_link_flush(worker->link, deadline), ERR_CLOSED);
    ASSERT_I64_EQ(atomic_load(&worker->ups_count), 1);
    fixture_free(fx);
}

static unsigned
count_nng_threads(void)
{
    unsigned count = 0;
    DIR *tasks = opendir("/proc/self/task");
    CHECK(tasks != NULL);
    struct dirent *task;
    while ((task = readdir(tasks)) != NULL) {
        char path[300];
        char name[4] = { 0 };
        snprintf(path, sizeof path, "/proc/self/task/%s/comm", task->d_name);
        FILE *file = fopen(path, "r");
        if (file != NULL) {
            count += fread(name, 1, 3, file) == 3 && strcmp(name, "nng") == 0;
            fclose(file);
        }
    }
    closedir(tasks);
    return count;
}

/* GOAL    NNG's threads are ten on every machine; others still see all its cores. */
static void
link_threads_do_not_grow_with_cores(void)
{
    struct fixture *fx = fixture_new();
    ASSERT_I64_EQ(listen(fx, "tcp://127.0.0.1:0", token), ERR_OK);
    CU_ASSERT(count_nng_threads() >= 5);
#if !defined(__SANITIZE_THREAD__) && !defined(__SANITIZE_ADDRESS__)
    CU_ASSERT(count_nng_threads() <= 10);
#endif
    ASSERT_I64_EQ(sysconf(_SC_NPROCESSORS_ONLN), get_nprocs());
    fixture_free(fx);
}

static const struct test tests[] = {
    TEST(link_tcp_carries_every_size),
    TEST(link_ipc_carries_every_size),
    TEST(link_cancel_passes_megabytes),
    TEST(link_redials_a_new_coordinator),
    TEST(link_wrong_token_is_refused),
    TEST(link_without_token_stays_local),
    TEST(link_one_too_many_waits),
    TEST(link_closed_by_the_shell_is_silent),
    TEST(link_goodbye_ends_it),
    TEST(link_threads_do_not_grow_with_cores),
};
TEST_MAIN("link", tests)
