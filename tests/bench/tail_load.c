/* SPDX-License-Identifier: MIT
 *
 * tests/bench/tail_load.c - an open-loop client: requests by Poisson's law, latency from when
 * each was due.
 *
 *     tail_load HOST:PORT PATH BODY RATE SECONDS [PARTS NEED SEED]
 *
 * Each request is PARTS jobs at once and is answered when NEED of them are.  "#" in BODY
 * becomes "@" and a number of the part's own (the seed of the `sleep` handler's draw).
 * Connections are kept, and as many are opened as are wanted at once; one thread, epoll.
 * Prints one JSON line; the first twentieth is left out of the percentiles.
 */
#include "common/pure/rng.h"

#include <arpa/inet.h>
#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define CONNECTIONS_MAX 4096
#define REQUESTS_MAX    (1u << 20)
#define WAIT_S_MAX      60

struct request {
    uint64_t due_ns;
    uint32_t left_count;
    uint32_t need_count;
    bool is_over;
};

struct connection {
    int fd; /* -1: none */
    bool is_busy;
    struct request *request;
    size_t got_size;
    char got[4096];
};

static struct connection connections[CONNECTIONS_MAX];
static struct connection *idle[CONNECTIONS_MAX];
static uint32_t idle_count;
static uint32_t opened_count;
static struct request *requests;
static double *latencies_ms;
static uint32_t requests_count;
static uint32_t answered_count;
static uint32_t pending_count;
static uint32_t failed_count;
static uint64_t jobs_count;
static uint64_t attempts_count;
static uint64_t late_ns_max; /* of a send behind its time */
static struct sockaddr_in address;
static const char *path;
static const char *body;
static uint64_t seed_next = 1;
static struct rng rng; /* of arrivals */
static int poll_fd;

static uint64_t
now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t) now.tv_sec * 1000000000u + (uint64_t) now.tv_nsec;
}

static _Noreturn void
die(const char *what)
{
    fprintf(stderr, "tail_load: %s: %s\n", what, strerror(errno));
    exit(1);
}

static struct connection *
take_connection(void)
{
    if (idle_count > 0) {
        return idle[--idle_count];
    }
    if (opened_count == CONNECTIONS_MAX) {
        errno = EMFILE;
        die("more jobs at once than connections");
    }
    struct connection *connection = &connections[opened_count++];
    int yes = 1;
    connection->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (connection->fd < 0 ||
        connect(connection->fd, (struct sockaddr *) &address, sizeof address) != 0) {
        die("connect");
    }
    setsockopt(connection->fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
    struct epoll_event event = { .events = EPOLLIN, .data = { .ptr = connection } };
    if (epoll_ctl(poll_fd, EPOLL_CTL_ADD, connection->fd, &event) != 0) {
        die("epoll_ctl");
    }
    return connection;
}

static void
send_part(struct request *request)
{
    struct connection *connection = take_connection();
    char text[256];
    char message[1024];
    const char *mark = strchr(body, '#');
    if (mark != NULL) {
        snprintf(text, sizeof text, "%.*s@%" PRIu64, (int) (mark - body), body, seed_next++);
    } else {
        snprintf(text, sizeof text, "%s", body);
    }
    int size = snprintf(message, sizeof message,
        "POST %s HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: %zu\r\n\r\n%s", path,
        strlen(text), text);
    connection->request = request;
    connection->is_busy = true;
    connection->got_size = 0;
    if (write(connection->fd, message, (size_t) size) != size) {
        die("write");
    }
    jobs_count++;
    pending_count++;
}

static void
part_over(struct request *request, bool is_success)
{
    pending_count--;
    request->left_count--;
    request->need_count -= is_success && request->need_count > 0;
    if (request->is_over ||
        (request->need_count > 0 && request->need_count <= request->left_count)) {
        return;
    }
    request->is_over = true;
    if (request->need_count == 0) {
        latencies_ms[answered_count++] = (double) (now_ns() - request->due_ns) * 1e-6;
    } else {
        failed_count++;
    }
}

/* Read what is there; a whole answer ends the part. */
static void
hear(struct connection *connection)
{
    ssize_t size = read(connection->fd, connection->got + connection->got_size,
        sizeof connection->got - 1 - connection->got_size);
    if (size <= 0) {
        die("the service closed a connection");
    }
    connection->got_size += (size_t) size;
    connection->got[connection->got_size] = '\0';
    char *end = strstr(connection->got, "\r\n\r\n");
    char *length = strcasestr(connection->got, "\r\ncontent-length:");
    if (end == NULL || length == NULL) {
        return;
    }
    size_t body_size = strtoul(length + 17, NULL, 10);
    if (connection->got_size < (size_t) (end + 4 - connection->got) + body_size) {
        return;
    }
    char *attempts = strcasestr(connection->got, "\r\nx-job-attempts:");
    attempts_count += attempts != NULL ? strtoul(attempts + 17, NULL, 10) : 1;
    connection->is_busy = false;
    idle[idle_count++] = connection;
    part_over(connection->request, strncmp(connection->got, "HTTP/1.1 200", 12) == 0);
}

/* Until then, or until nothing is pending. */
static void
serve_until(uint64_t until_ns, bool is_last)
{
    for (uint64_t now = now_ns(); now < until_ns && !(is_last && pending_count == 0);
         now = now_ns()) {
        struct epoll_event events[256];
        struct timespec wait = { .tv_sec = (time_t) ((until_ns - now) / 1000000000u),
            .tv_nsec = (long) ((until_ns - now) % 1000000000u) };
        int count = epoll_pwait2(poll_fd, events, 256, &wait, NULL);
        for (int i = 0; i < count; i++) {
            hear(events[i].data.ptr);
        }
    }
}

static int
compare_doubles(const void *a, const void *b)
{
    double left = *(const double *) a;
    double right = *(const double *) b;
    return left < right ? -1 : left > right;
}

static void
report(double rate)
{
    uint32_t skip = answered_count / 20;
    uint32_t count = answered_count - skip;
    double *times = latencies_ms + skip;
    double sum = 0;
    if (count == 0) {
        errno = ENODATA;
        die("no request succeeded");
    }
    for (uint32_t i = 0; i < count; i++) {
        sum += times[i];
    }
    qsort(times, count, sizeof *times, compare_doubles);
    printf("{\"jobs\":%" PRIu32 ",\"rate\":%g,\"mean_ms\":%.5g,\"p50_ms\":%.5g"
           ",\"p95_ms\":%.5g,\"p99_ms\":%.5g,\"p999_ms\":%.5g,\"extra_pct\":%.4g"
           ",\"failed\":%" PRIu32 ",\"late_ms_max\":%.3g}\n",
        requests_count, rate, sum / count, times[count / 2], times[count * 95ul / 100],
        times[count * 99ul / 100], times[count * 999ul / 1000],
        100 * ((double) attempts_count / (double) jobs_count - 1), failed_count,
        (double) late_ns_max * 1e-6);
}

static void
run(double rate, double seconds, uint32_t parts, uint32_t need)
{
    uint64_t due_ns = now_ns() + 10000000u;
    uint64_t stop_ns = due_ns + (uint64_t) (seconds * 1e9);
    while (due_ns < stop_ns && requests_count < REQUESTS_MAX) {
        serve_until(due_ns, /* is_last= */ false);
        uint64_t late_ns = now_ns() - due_ns;
        late_ns_max = late_ns > late_ns_max ? late_ns : late_ns_max;
        struct request *request = &requests[requests_count++];
        *request =
            (struct request){ .due_ns = due_ns, .left_count = parts, .need_count = need };
        for (uint32_t i = 0; i < parts; i++) {
            send_part(request);
        }
        due_ns += (uint64_t) (-log1p(-rng_unit(&rng)) / rate * 1e9);
    }
    serve_until(now_ns() + WAIT_S_MAX * 1000000000ull, /* is_last= */ true);
}

int
main(int argc, char **argv)
{
    if (argc < 6) {
        fputs("usage: tail_load HOST:PORT PATH BODY RATE SECONDS [PARTS NEED SEED]\n", stderr);
        return 2;
    }
    char *colon = strchr(argv[1], ':');
    if (colon == NULL) {
        return 2;
    }
    *colon = '\0';
    address.sin_family = AF_INET;
    address.sin_port = htons((uint16_t) strtoul(colon + 1, NULL, 10));
    if (inet_pton(AF_INET, argv[1], &address.sin_addr) != 1) {
        return 2;
    }
    path = argv[2];
    body = argv[3];
    double rate = strtod(argv[4], NULL);
    double seconds = strtod(argv[5], NULL);
    uint32_t parts = argc > 6 ? (uint32_t) strtoul(argv[6], NULL, 10) : 1;
    uint32_t need = argc > 7 ? (uint32_t) strtoul(argv[7], NULL, 10) : parts;
    long seed = argc > 8 ? strtol(argv[8], NULL, 10) : 1;
    rng_init(&rng, (uint64_t) seed);
    seed_next = (uint64_t) seed << 32 | 1;
    requests = calloc(REQUESTS_MAX, sizeof *requests);
    latencies_ms = calloc(REQUESTS_MAX, sizeof *latencies_ms);
    poll_fd = epoll_create1(EPOLL_CLOEXEC);
    if (requests == NULL || latencies_ms == NULL || poll_fd < 0 || rate <= 0 || parts == 0) {
        die("start");
    }
    run(rate, seconds, parts, need);
    report(rate);
    return 0;
}
