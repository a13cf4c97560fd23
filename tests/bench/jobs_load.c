/* SPDX-License-Identifier: MIT
 *
 * tests/bench/jobs_load.c - one closed-loop client for every service of benchmark J.
 *
 *     jobs_load PROTOCOL HOST:PORT CONNECTIONS SECONDS [PATH]
 *
 * PROTOCOL  http      POST PATH with 128 bytes, keep-alive; the reply by Content-Length
 *           raw       128 bytes out, 128 bytes back
 *           gearman   SUBMIT_JOB for function "echo", until WORK_COMPLETE
 *
 * Each connection has one request in flight; one thread, epoll.  A tenth of the time is
 * warm-up.  Prints one JSON line: jobs/s, and p50, p99 and max in microseconds.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
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

#define BODY_SIZE       128
#define CONNECTIONS_MAX 1024
#define SAMPLES_MAX     (8u << 20)

struct connection {
    int fd;
    uint64_t sent_ns;
    size_t got_size;
    char got[4096];
};

/* Bytes of a whole reply at the front, 0: not yet.  failed: it is no success. */
typedef size_t reply_fn(const char *bytes, size_t size, bool *failed);

static struct connection connections[CONNECTIONS_MAX];
static uint32_t *samples_us10; /* tenths of a microsecond */
static size_t samples_count;
static char request[1024];
static size_t request_size;

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
    fprintf(stderr, "jobs_load: %s: %s\n", what, strerror(errno));
    exit(EXIT_FAILURE);
}

/* ---- protocols ----------------------------------------------------------------------- */

static size_t
http_reply(const char *bytes, size_t size, bool *failed)
{
    const char *end = memmem(bytes, size, "\r\n\r\n", 4);
    if (end == NULL) {
        return 0;
    }
    size_t head_size = (size_t) (end - bytes) + 4;
    *failed = size < 12 || memcmp(bytes + 9, "200", 3) != 0;
    char head[2048];
    size_t copied = head_size < sizeof head - 1 ? head_size : sizeof head - 1;
    memcpy(head, bytes, copied);
    head[copied] = '\0';
    const char *length = strcasestr(head, "\r\ncontent-length:");
    size_t body_size = length != NULL ? strtoul(length + 17, NULL, 10) : 0;
    return size >= head_size + body_size ? head_size + body_size : 0;
}

static size_t
raw_reply(const char *bytes, size_t size, bool *failed)
{
    (void) bytes;
    (void) failed;
    return size >= BODY_SIZE ? BODY_SIZE : 0;
}

static size_t
gearman_reply(const char *bytes, size_t size, bool *failed)
{
    size_t at = 0;
    while (size - at >= 12) {
        uint32_t type;
        uint32_t length;
        memcpy(&type, bytes + at + 4, 4);
        memcpy(&length, bytes + at + 8, 4);
        at += 12 + ntohl(length);
        if (at > size) {
            return 0;
        }
        if (ntohl(type) == 13) { /* WORK_COMPLETE */
            return at;
        }
        if (ntohl(type) == 14 || ntohl(type) == 19) { /* WORK_FAIL, ERROR */
            *failed = true;
            return at;
        }
    }
    return 0;
}

static reply_fn *
make_request(const char *protocol, const char *path)
{
    char body[BODY_SIZE];
    memset(body, 'x', sizeof body);
    if (strcmp(protocol, "http") == 0) {
        request_size = (size_t) snprintf(request, sizeof request,
            "POST %s HTTP/1.1\r\nHost: localhost\r\n"
            "Content-Type: application/octet-stream\r\nContent-Length: %d\r\n\r\n",
            path, BODY_SIZE);
        memcpy(request + request_size, body, sizeof body);
        request_size += sizeof body;
        return http_reply;
    }
    if (strcmp(protocol, "raw") == 0) {
        memcpy(request, body, sizeof body);
        request_size = sizeof body;
        return raw_reply;
    }
    if (strcmp(protocol, "gearman") == 0) {
        static const char arguments[] = "echo\0"; /* function, then an empty unique id */
        const uint32_t head[] = { htonl(0x00524551), htonl(7),
            htonl((uint32_t) (sizeof arguments + BODY_SIZE)) };
        memcpy(request, head, sizeof head);
        memcpy(request + sizeof head, arguments, sizeof arguments);
        memcpy(request + sizeof head + sizeof arguments, body, sizeof body);
        request_size = sizeof head + sizeof arguments + sizeof body;
        return gearman_reply;
    }
    fprintf(stderr, "jobs_load: protocol is http, raw or gearman, not '%s'\n", protocol);
    exit(2);
}

/* ---- the loop ------------------------------------------------------------------------ */

static void
send_request(struct connection *connection)
{
    connection->sent_ns = now_ns();
    ssize_t written = write(connection->fd, request, request_size);
    if (written != (ssize_t) request_size) {
        die("write");
    }
}

static void
open_connection(struct connection *connection, const char *host, uint16_t port, int epoll_fd)
{
    struct sockaddr_in address = { .sin_family = AF_INET, .sin_port = htons(port) };
    if (inet_pton(AF_INET, host, &address.sin_addr) != 1) {
        die("address");
    }
    connection->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    int on = 1;
    setsockopt(connection->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    if (connect(connection->fd, (struct sockaddr *) &address, sizeof address) != 0) {
        die("connect");
    }
    struct epoll_event event = { .events = EPOLLIN, .data.ptr = connection };
    if (epoll_ctl(epoll_fd, EPOLL_CTL_ADD, connection->fd, &event) != 0) {
        die("epoll_ctl");
    }
}

static void
on_readable(struct connection *connection, reply_fn *reply, uint64_t count_from_ns)
{
    ssize_t got = read(connection->fd, connection->got + connection->got_size,
        sizeof connection->got - connection->got_size);
    if (got <= 0) {
        die("read (the service closed a connection)");
    }
    connection->got_size += (size_t) got;
    bool failed = false;
    size_t used = reply(connection->got, connection->got_size, &failed);
    if (failed) {
        fprintf(stderr, "jobs_load: not a success:\n%.*s\n", (int) connection->got_size,
            connection->got);
        exit(EXIT_FAILURE);
    }
    if (used == 0) {
        return;
    }
    uint64_t now = now_ns();
    if (connection->sent_ns >= count_from_ns && samples_count < SAMPLES_MAX) {
        samples_us10[samples_count++] = (uint32_t) ((now - connection->sent_ns) / 100);
    }
    connection->got_size -= used;
    memmove(connection->got, connection->got + used, connection->got_size);
    send_request(connection);
}

static int
by_value(const void *a, const void *b)
{
    uint32_t left = *(const uint32_t *) a;
    uint32_t right = *(const uint32_t *) b;
    return left < right ? -1 : left > right;
}

static void
report(const char *protocol, unsigned connections_count, double seconds)
{
    qsort(samples_us10, samples_count, sizeof *samples_us10, by_value);
    if (samples_count == 0) {
        fprintf(stderr, "jobs_load: no reply in time\n");
        exit(EXIT_FAILURE);
    }
    printf("{\"protocol\":\"%s\",\"connections\":%u,\"jobs\":%zu,\"jobs_per_s\":%.0f,"
           "\"p50_us\":%.1f,\"p99_us\":%.1f,\"max_us\":%.1f}\n",
        protocol, connections_count, samples_count, (double) samples_count / seconds,
        samples_us10[samples_count / 2] / 10.0, samples_us10[samples_count * 99 / 100] / 10.0,
        samples_us10[samples_count - 1] / 10.0);
}

static void
run(int epoll_fd, reply_fn *reply, uint64_t count_from_ns, uint64_t end_ns)
{
    struct epoll_event events[256];
    for (;;) {
        int count = epoll_wait(epoll_fd, events, 256, 100);
        if (now_ns() >= end_ns) {
            return;
        }
        for (int i = 0; i < count; i++) {
            on_readable(events[i].data.ptr, reply, count_from_ns);
        }
    }
}

int
main(int argc, char **argv)
{
    if (argc < 5) {
        fprintf(
            stderr, "usage: jobs_load http|raw|gearman HOST:PORT CONNECTIONS SECONDS [PATH]\n");
        return 2;
    }
    reply_fn *reply = make_request(argv[1], argc > 5 ? argv[5] : "/v1/handlers/echo:invoke");
    char host[64];
    const char *colon = strchr(argv[2], ':');
    unsigned connections_count = (unsigned) strtoul(argv[3], NULL, 10);
    double seconds = strtod(argv[4], NULL);
    if (colon == NULL || (size_t) (colon - argv[2]) >= sizeof host || connections_count == 0 ||
        connections_count > CONNECTIONS_MAX || seconds <= 0) {
        fprintf(stderr, "jobs_load: bad HOST:PORT, CONNECTIONS (1..%d) or SECONDS\n",
            CONNECTIONS_MAX);
        return 2;
    }
    snprintf(host, sizeof host, "%.*s", (int) (colon - argv[2]), argv[2]);
    samples_us10 = malloc(SAMPLES_MAX * sizeof *samples_us10);
    int epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    if (samples_us10 == NULL || epoll_fd < 0) {
        die("start");
    }
    uint16_t port = (uint16_t) strtoul(colon + 1, NULL, 10);
    for (unsigned i = 0; i < connections_count; i++) {
        open_connection(&connections[i], host, port, epoll_fd);
    }
    uint64_t start_ns = now_ns();
    uint64_t count_from_ns = start_ns + (uint64_t) (seconds * 1e8);
    uint64_t end_ns = start_ns + (uint64_t) (seconds * 1e9);
    for (unsigned i = 0; i < connections_count; i++) {
        send_request(&connections[i]);
    }
    run(epoll_fd, reply, count_from_ns, end_ns);
    report(argv[1], connections_count, (double) (end_ns - count_from_ns) * 1e-9);
    free(samples_us10);
    return EXIT_SUCCESS;
}
