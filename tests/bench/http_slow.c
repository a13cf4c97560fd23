/* SPDX-License-Identifier: MIT
 *
 * Hold many slow connections open against a server while one good client measures.
 *
 *     http_slow PORT PID CONNECTIONS REQUESTS [PATH]
 *
 * First the good client alone, then beside the slow ones; prints one JSON line with both p99
 * and how much the server's resident memory grew at most.  The slow ones are dealt evenly:
 * a header that drips, a body that drips, a chunk size that never ends, a reader that never
 * reads, and one that only connects.  One that was cut comes back at once.
 */
#include "common/sys/clock.h"
#include "tests/support/http_client.h"

#include <errno.h>
#include <poll.h>

#define SLOW_MAX     4096
#define REQUESTS_MAX 100000

enum manner {
    DRIP_HEADER,
    DRIP_BODY,
    DRIP_CHUNK_SIZE,
    NO_READER,
    ONLY_CONNECTS,
    MANNERS_COUNT
};

struct slow {
    int fd;
    enum manner manner;
};

static uint16_t port;
static struct slow slows[SLOW_MAX];
static unsigned cut_count;

static long
resident_kib(long pid)
{
    char path[64];
    char line[256];
    long kib = 0;
    snprintf(path, sizeof path, "/proc/%ld/status", pid);
    FILE *file = fopen(path, "r");
    while (file != NULL && fgets(line, sizeof line, file) != NULL) {
        (void) sscanf(line, "VmRSS: %ld", &kib);
    }
    if (file != NULL) {
        fclose(file);
    }
    return kib;
}

static void
slow_open(struct slow *slow)
{
    static const char *const starts[MANNERS_COUNT] = {
        [DRIP_HEADER] = "GET /livez HTTP/1.1\r\nHost: localhost\r\nX: ",
        [DRIP_BODY] = "POST /v1/jobs HTTP/1.1\r\nHost: localhost\r\n"
                      "Content-Length: 1000000\r\n\r\n",
        [DRIP_CHUNK_SIZE] = "POST /v1/jobs HTTP/1.1\r\nHost: localhost\r\n"
                            "Transfer-Encoding: chunked\r\n\r\n1;",
        [NO_READER] = "",
        [ONLY_CONNECTS] = "",
    };
    struct client client;
    client_open(&client, port);
    free(client.bytes);
    slow->fd = client.fd;
    (void) send(slow->fd, starts[slow->manner], strlen(starts[slow->manner]), MSG_NOSIGNAL);
}

/* A little more from each; whoever was cut comes again. */
static void
slow_turn(struct slow *slow)
{
    static const char ask[] = "GET /v1/handlers HTTP/1.1\r\nHost: localhost\r\n\r\n";
    const char *bytes = slow->manner == NO_READER ? ask : "a";
    size_t size = slow->manner == NO_READER ? sizeof ask - 1 : 1;
    size = slow->manner == ONLY_CONNECTS ? 0 : size;
    char heard[512];
    bool is_cut = size > 0 && send(slow->fd, bytes, size, MSG_NOSIGNAL | MSG_DONTWAIT) < 0 &&
                  errno != EAGAIN;
    if (!is_cut && slow->manner != NO_READER) {
        is_cut = recv(slow->fd, heard, sizeof heard, MSG_DONTWAIT) >= 0; /* a refusal, an end */
    }
    if (is_cut) {
        close(slow->fd);
        cut_count++;
        slow_open(slow);
    }
}

static int
compare(const void *a, const void *b)
{
    int64_t left = *(const int64_t *) a;
    int64_t right = *(const int64_t *) b;
    return left < right ? -1 : left > right;
}

/* Requests one after the other; between them the slow ones get their turns.  The p99. */
static double
measure(const char *path, unsigned requests_count, unsigned slows_count, long pid,
    long *ret_kib_max)
{
    static int64_t times[REQUESTS_MAX];
    struct client client;
    char request[256];
    snprintf(request, sizeof request, "GET %s HTTP/1.1\r\nHost: localhost\r\n\r\n", path);
    client_open(&client, port);
    for (unsigned i = 0; i < requests_count; i++) {
        instant_t start = clock_now();
        CHECK(client_send(&client, request));
        do {
            CHECK(client_fill(&client));
        } while (memmem(client.bytes, client.size, "\r\n\r\n", 4) == NULL);
        times[i] = instant_since(clock_now(), start).ns;
        client.size = 0;
        for (unsigned k = 0; k < 16 && slows_count > 0; k++) {
            slow_turn(&slows[(i * 16 + k) % slows_count]);
        }
        if (i % 64 == 0) {
            long kib = resident_kib(pid);
            *ret_kib_max = kib > *ret_kib_max ? kib : *ret_kib_max;
        }
        (void) poll(NULL, 0, 1); /* some hundred requests each second */
    }
    client_close(&client);
    qsort(times, requests_count, sizeof times[0], compare);
    return (double) times[(size_t) requests_count * 99 / 100] / 1e3;
}

int
main(int argc, char **argv)
{
    if (argc < 5) {
        fprintf(stderr, "usage: http_slow PORT PID CONNECTIONS REQUESTS [PATH]\n");
        return 2;
    }
    port = (uint16_t) strtoul(argv[1], NULL, 10);
    long pid = strtol(argv[2], NULL, 10);
    unsigned slows_count = (unsigned) strtoul(argv[3], NULL, 10);
    unsigned requests_count = (unsigned) strtoul(argv[4], NULL, 10);
    const char *path = argc > 5 ? argv[5] : "/livez";
    CHECK(slows_count <= SLOW_MAX);
    CHECK(requests_count <= REQUESTS_MAX);

    long kib_before = 0;
    long kib_after = 0;
    double alone_us = measure(path, requests_count, 0, pid, &kib_before);
    for (unsigned i = 0; i < slows_count; i++) {
        slows[i].manner = (enum manner)(i % MANNERS_COUNT);
        slow_open(&slows[i]);
    }
    double beside_us = measure(path, requests_count, slows_count, pid, &kib_after);
    printf("{\"name\":\"http_slow\",\"connections\":%u,\"p99_alone_us\":%.1f,"
           "\"p99_beside_us\":%.1f,\"grew_kib\":%ld,\"cut\":%u}\n",
        slows_count, alone_us, beside_us, kib_after - kib_before, cut_count);
    return 0;
}
