/* SPDX-License-Identifier: MIT
 *
 * Durable submits at a fixed rate against a coordinator that may die at any moment, and a
 * check of what became of each that was acknowledged.
 *
 *     durable_load PORT [--rate N] [--seconds N] [--threads N] [--handler NAME]
 *
 * Each job is `echo` of its own id, submitted with Prefer: respond-async and an id of our own
 * (X-Job-Id), so that a lost acknowledgement is known to be one.  While it runs, jobs that
 * were acknowledged are looked at, and the first terminal state that was seen is remembered.
 * At the end every acknowledged job is asked for twice.  One line of JSON; exit 1 when a job
 * was lost, did not end, ended in two ways, or has a result that is not its own.
 */
#include "common/edge/crypto.h"
#include "common/pure/id.h"
#include "common/sys/clock.h"
#include "tests/support/http_client.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <time.h>

#define THREADS_MAX  64
#define STATE_SIZE   24
#define WAIT_SECONDS 60

struct known {
    char id[ID_TEXT_SIZE];
    char state[STATE_SIZE]; /* the first terminal one that was seen; "" none */
};

struct worker {
    pthread_t thread;
    unsigned index;
    struct known *known;
    uint32_t known_count;
    uint32_t known_max;
    uint32_t refused_count;  /* 429 or 503 */
    uint32_t doubtful_count; /* no answer came */
    uint32_t lost_count;
    uint32_t unfinished_count;
    uint32_t changed_count;
    uint32_t wrong_count;
    uint32_t succeeded_count;
    uint32_t latencies_count;
    uint32_t *latencies_us;
};

static uint16_t port;
static unsigned rate = 200;
static unsigned seconds = 20;
static unsigned threads_count = 8;
static const char *handler = "echo";
static instant_t began;

static void
sleep_until(instant_t when)
{
    const struct timespec time = { .tv_sec = when.ns / 1000000000,
        .tv_nsec = when.ns % 1000000000 };
    while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &time, NULL) == EINTR) {
    }
}

/* ---- a connection that may be lost -------------------------------------------------- */

/* While nobody listens, a port of the dynamic range may be given to our own end: then we
 * speak to ourselves. */
static bool
is_self(int fd)
{
    struct sockaddr_in own;
    socklen_t size = sizeof own;
    return getsockname(fd, (struct sockaddr *) &own, &size) == 0 && own.sin_port == htons(port);
}

static bool
try_connect(struct client *client)
{
    const struct timeval patience = { .tv_sec = 30 };
    const struct sockaddr_in address = { .sin_family = AF_INET,
        .sin_port = htons(port),
        .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (connect(fd, (const struct sockaddr *) &address, sizeof address) != 0 || is_self(fd)) {
        close(fd);
        return false;
    }
    CHECK(setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience) == 0);
    *client = (struct client){ .fd = fd, .bytes = malloc(CLIENT_ROOM) };
    CHECK(client->bytes != NULL);
    return true;
}

/* One exchange; status 0 when the connection broke, which is then closed. */
static struct answer
exchange(struct client *client, bool *is_open, const char *request)
{
    struct answer answer = { 0 };
    if (!*is_open && !try_connect(client)) {
        sleep_until(instant_add(clock_now(), duration_ms(20)));
        return answer;
    }
    *is_open = true;
    if (client_send(client, request)) {
        answer = client_answer(client);
    }
    if (answer.status == 0) {
        client_close(client);
        *is_open = false;
    }
    return answer;
}

/* The value of "state" in a job's JSON. */
static void
state_of(const struct answer *answer, char state[STATE_SIZE])
{
    static const char key[] = "\"state\":\"";
    const char *found = answer->body != NULL ? strstr(answer->body, key) : NULL;
    state[0] = '\0';
    if (found != NULL) {
        found += sizeof key - 1;
        snprintf(state, STATE_SIZE, "%.*s", (int) strcspn(found, "\""), found);
    }
}

static bool
is_terminal(const char *state)
{
    return state[0] != '\0' && strcmp(state, "QUEUED") != 0 && strcmp(state, "RUNNING") != 0;
}

/* ---- load --------------------------------------------------------------------------- */

static void
submit(struct worker *worker, struct client *client, bool *is_open, instant_t due)
{
    char request[512];
    char id[ID_TEXT_SIZE];
    uint8_t random[10];
    crypto_random(random, sizeof random);
    id_to_text(id_from_parts(clock_unix_ms(), random), id);
    snprintf(request, sizeof request,
        "POST /v1/handlers/%s:invoke?timeout=120s HTTP/1.1\r\nHost: localhost\r\n"
        "X-Job-Id: %s\r\nPrefer: respond-async\r\nContent-Length: 36\r\n\r\n%s",
        handler, id, id);
    struct answer answer = exchange(client, is_open, request);
    if (answer.status == 202) {
        struct known *known = &worker->known[worker->known_count++];
        memcpy(known->id, id, sizeof id);
        worker->latencies_us[worker->latencies_count++] =
            (uint32_t) duration_to_us(instant_since(clock_now(), due));
    } else if (answer.status == 0) {
        worker->doubtful_count++;
    } else {
        worker->refused_count++;
    }
    answer_free(&answer);
}

/* Remember how it ended, or see that it ended otherwise before. */
static void
look(struct worker *worker, struct known *known, struct client *client, bool *is_open)
{
    char request[256];
    char state[STATE_SIZE];
    snprintf(request, sizeof request, "GET /v1/jobs/%s HTTP/1.1\r\nHost: localhost\r\n\r\n",
        known->id);
    struct answer answer = exchange(client, is_open, request);
    state_of(&answer, state);
    if (answer.status == 404) {
        worker->lost_count++;
    } else if (is_terminal(state)) {
        if (known->state[0] == '\0') {
            memcpy(known->state, state, sizeof state);
        } else if (strcmp(known->state, state) != 0) {
            worker->changed_count++;
        }
    } else if (known->state[0] != '\0' && answer.status == 200) {
        worker->changed_count++; /* it was terminal once */
    }
    answer_free(&answer);
}

static void *
load(void *user)
{
    struct worker *worker = user;
    struct client client;
    bool is_open = false;
    int64_t every_ns = 1000000000ll * threads_count / rate;
    uint64_t count = (uint64_t) rate * seconds / threads_count;
    for (uint64_t i = 0; i < count; i++) {
        instant_t due = { .ns = began.ns + (int64_t) i * every_ns +
                                every_ns * worker->index / threads_count };
        sleep_until(due);
        submit(worker, &client, &is_open, due);
        if (i % 8 == 7 && worker->known_count > 0) {
            look(worker, &worker->known[(i * 7919) % worker->known_count], &client, &is_open);
        }
    }
    if (is_open) {
        client_close(&client);
    }
    return NULL;
}

/* ---- the check ---------------------------------------------------------------------- */

static void
check_end(struct worker *worker, struct known *known, struct client *client, bool *is_open)
{
    char request[256];
    char state[STATE_SIZE] = "";
    snprintf(request, sizeof request,
        "GET /v1/jobs/%s?wait=5s HTTP/1.1\r\nHost: localhost\r\n\r\n", known->id);
    instant_t until = instant_add(clock_now(), duration_s(WAIT_SECONDS));
    int status = 0;
    while (!is_terminal(state) && status != 404 && !instant_reached(clock_now(), until)) {
        struct answer answer = exchange(client, is_open, request);
        status = answer.status;
        state_of(&answer, state);
        answer_free(&answer);
    }
    if (status == 404) {
        worker->lost_count++;
        fprintf(stderr, "lost: %s\n", known->id);
        return;
    }
    if (!is_terminal(state)) {
        worker->unfinished_count++;
        fprintf(stderr, "not ended: %s %s\n", known->id, state);
        return;
    }
    if (known->state[0] != '\0' && strcmp(known->state, state) != 0) {
        worker->changed_count++;
        fprintf(stderr, "two ends: %s %s %s\n", known->id, known->state, state);
    }
    memcpy(known->state, state, sizeof state);
}

static void
check_result(struct worker *worker, struct known *known, struct client *client, bool *is_open)
{
    char request[256];
    snprintf(request, sizeof request,
        "GET /v1/jobs/%s/result HTTP/1.1\r\nHost: localhost\r\n\r\n", known->id);
    instant_t until = instant_add(clock_now(), duration_s(WAIT_SECONDS));
    struct answer answer = exchange(client, is_open, request);
    while (answer.status == 0 && !instant_reached(clock_now(), until)) {
        answer = exchange(client, is_open, request); /* it was killed once more */
    }
    bool is_success = strcmp(known->state, "SUCCEEDED") == 0;
    bool is_right = is_success ? answer.status == 200 && strcmp(answer.body, known->id) == 0
                               : answer.status >= 400;
    worker->succeeded_count += is_success;
    if (!is_right) {
        worker->wrong_count++;
        fprintf(stderr, "wrong result: %s %s %d\n", known->id, known->state, answer.status);
    }
    answer_free(&answer);
}

static void *
check(void *user)
{
    struct worker *worker = user;
    struct client client;
    bool is_open = false;
    for (uint32_t i = 0; i < worker->known_count; i++) {
        check_end(worker, &worker->known[i], &client, &is_open);
    }
    for (uint32_t i = 0; i < worker->known_count; i++) {
        if (is_terminal(worker->known[i].state)) {
            check_result(worker, &worker->known[i], &client, &is_open);
            look(worker, &worker->known[i], &client, &is_open);
        }
    }
    if (is_open) {
        client_close(&client);
    }
    return NULL;
}

/* ---- main --------------------------------------------------------------------------- */

static void
run_all(struct worker *workers, void *(*run)(void *user))
{
    for (unsigned i = 0; i < threads_count; i++) {
        CHECK(pthread_create(&workers[i].thread, NULL, run, &workers[i]) == 0);
    }
    for (unsigned i = 0; i < threads_count; i++) {
        CHECK(pthread_join(workers[i].thread, NULL) == 0);
    }
}

static int
compare(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *) a;
    uint32_t y = *(const uint32_t *) b;
    return x < y ? -1 : x > y;
}

/* Returns the exit code. */
static int
report(const struct worker *workers, double took_s)
{
    struct worker sum = { 0 };
    uint32_t *all = calloc((size_t) rate * seconds + 1, sizeof *all);
    CHECK(all != NULL);
    for (unsigned i = 0; i < threads_count; i++) {
        const struct worker *worker = &workers[i];
        memcpy(all + sum.latencies_count, worker->latencies_us,
            worker->latencies_count * sizeof *all);
        sum.latencies_count += worker->latencies_count;
        sum.known_count += worker->known_count;
        sum.refused_count += worker->refused_count;
        sum.doubtful_count += worker->doubtful_count;
        sum.lost_count += worker->lost_count;
        sum.unfinished_count += worker->unfinished_count;
        sum.changed_count += worker->changed_count;
        sum.wrong_count += worker->wrong_count;
        sum.succeeded_count += worker->succeeded_count;
    }
    qsort(all, sum.latencies_count, sizeof *all, compare);
    uint32_t last = sum.latencies_count > 0 ? sum.latencies_count - 1 : 0;
    printf("{\"name\":\"durable\",\"acknowledged\":%u,\"per_s\":%.1f,\"refused\":%u,"
           "\"unanswered\":%u,\"succeeded\":%u,\"lost\":%u,\"unfinished\":%u,\"changed\":%u,"
           "\"wrong\":%u,\"p50_ms\":%.3f,\"p99_ms\":%.3f}\n",
        sum.known_count, sum.known_count / took_s, sum.refused_count, sum.doubtful_count,
        sum.succeeded_count, sum.lost_count, sum.unfinished_count, sum.changed_count,
        sum.wrong_count, all[last / 2] / 1e3, all[last * 99ull / 100] / 1e3);
    free(all);
    bool is_good =
        sum.lost_count + sum.unfinished_count + sum.changed_count + sum.wrong_count == 0 &&
        sum.known_count > 0;
    return is_good ? 0 : 1;
}

static bool
read_options(int argc, char **argv)
{
    if (argc < 2 || argc % 2 != 0) {
        return false;
    }
    port = (uint16_t) strtoul(argv[1], NULL, 10);
    for (int i = 2; i < argc; i += 2) {
        unsigned number = (unsigned) strtoul(argv[i + 1], NULL, 10);
        if (strcmp(argv[i], "--rate") == 0) {
            rate = number;
        } else if (strcmp(argv[i], "--seconds") == 0) {
            seconds = number;
        } else if (strcmp(argv[i], "--threads") == 0) {
            threads_count = number;
        } else if (strcmp(argv[i], "--handler") == 0) {
            handler = argv[i + 1];
        } else {
            return false;
        }
    }
    return port > 0 && rate > 0 && seconds > 0 && threads_count > 0 &&
           threads_count <= THREADS_MAX;
}

int
main(int argc, char **argv)
{
    static struct worker workers[THREADS_MAX];
    if (!read_options(argc, argv)) {
        fprintf(stderr, "usage: durable_load PORT [--rate N] [--seconds N] [--threads N] "
                        "[--handler NAME]\n");
        return 2;
    }
    for (unsigned i = 0; i < threads_count; i++) {
        uint32_t max = rate * seconds / threads_count + 1;
        workers[i] = (struct worker){ .index = i, .known_max = max };
        workers[i].known = calloc(max, sizeof *workers[i].known);
        workers[i].latencies_us = calloc(max, sizeof *workers[i].latencies_us);
        CHECK(workers[i].known != NULL && workers[i].latencies_us != NULL);
    }
    began = clock_now();
    run_all(workers, load);
    double took_s = duration_to_s(instant_since(clock_now(), began));
    run_all(workers, check);
    int exit_code = report(workers, took_s);
    for (unsigned i = 0; i < threads_count; i++) {
        free(workers[i].known);
        free(workers[i].latencies_us);
    }
    return exit_code;
}
