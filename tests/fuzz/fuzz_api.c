/* SPDX-License-Identifier: MIT
 *
 * The whole front end on any bytes: connections, routes, documents, parameters, answers, with
 * the real core behind.  The first byte says what the others are:
 *
 *     'd'  the document of a POST /v1/jobs
 *     'q'  the query of an :invoke
 *     'p'  the path and query of a GET
 *     else all bytes are the connection's
 *
 * Each run is one connection that ends; afterwards nothing may wait and nothing be held.
 */
#include "coordinator/http/state.h"
#include "tests/support/api_fake.h"

#include <fcntl.h>

#define INPUT_SIZE_MAX (64 * 1024)
#define ROUNDS_MAX     200

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct fake fake;

static void
send_all(int fd, const void *bytes, size_t size)
{
    CHECK(send(fd, bytes, size, MSG_NOSIGNAL) == (ssize_t) size);
}

static void
send_input(int fd, const uint8_t *data, size_t size)
{
    char head[256];
    switch (data[0]) {
    case 'd':
        snprintf(head, sizeof head,
            "POST /v1/jobs HTTP/1.1\r\nHost: h\r\nContent-Type: application/json\r\n"
            "Content-Length: %zu\r\n\r\n",
            size - 1);
        send_all(fd, head, strlen(head));
        send_all(fd, data + 1, size - 1);
        break;
    case 'q':
    case 'p':
        snprintf(head, sizeof head, "%s",
            data[0] == 'q' ? "POST /v1/handlers/echo:invoke?" : "GET /");
        send_all(fd, head, strlen(head));
        send_all(fd, data + 1, size - 1);
        send_all(fd, " HTTP/1.1\r\nHost: h\r\n\r\n", 22);
        break;
    default: send_all(fd, data, size); break;
    }
}

/* One turn of the loop: what is ready is handled before the stop is. */
static void
turn(void)
{
    loop_stop(fake.loop);
    loop_run(fake.loop);
    fake_tell(&fake);
}

/* Every answer must be whole and well formed: a status line to begin with. */
static void
check_answers(const char *bytes, size_t size)
{
    static const char line[] = "HTTP/1.1 ";
    if (size > 0) {
        CHECK(size > sizeof line + 3);
        CHECK(memcmp(bytes, line, sizeof line - 1) == 0);
    }
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static char answers[4 << 20];
    const struct net_peer peer = { .is_loopback = true };
    int fds[2];
    if (size < 2 || size > INPUT_SIZE_MAX) {
        return 0;
    }
    if (fake.loop == NULL) {
        fake_build(&fake, "127.0.0.1:0", 8, (struct api_limits){ 0 });
    }
    CHECK(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds) == 0);
    conn_accept(fake.api, fds[0], &peer);
    send_input(fds[1], data, size);
    CHECK(shutdown(fds[1], SHUT_WR) == 0);

    size_t answers_size = 0;
    ssize_t got = -1;
    for (unsigned i = 0; i < ROUNDS_MAX && got != 0; i++) {
        turn();
        while ((got = recv(fds[1], answers + answers_size, sizeof answers - answers_size, 0)) >
               0) {
            answers_size += (size_t) got;
            CHECK(answers_size < sizeof answers);
        }
    }
    CHECK(got == 0);
    close(fds[1]);
    for (unsigned i = 0; i < ROUNDS_MAX && fake.api->open_count > 0; i++) {
        turn();
    }
    check_answers(answers, answers_size);
    CHECK(api_is_idle(fake.api));
    CHECK(fake.api->open_count == 0);
    CHECK(fake.api->held_size == 0);
    fake.held_count = 0;
    return 0;
}
