/* SPDX-License-Identifier: MIT */
#include "tests/support/cunit_main.h"
#include "tests/support/sched_run.h"
#include "tests/support/stress.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdatomic.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
    TESTS_COUNT = 3,
    PROCS_COUNT = 4
};

/* GOAL    no edge is lost and no byte twice, also when a wait is given up for its deadline
 *         and begun again, and when other waits of the same fibers end by their ctx.
 * METHOD  streams whose bytes count up; both sides wait with deadlines of microseconds. */
enum {
    STREAMS_COUNT = 6,
    STREAM_SIZE = 60000
};

struct stream {
    int fds[2];
    _Atomic uint32_t *home;
    uint64_t dice;
};

static int64_t
soon(uint64_t *dice)
{
    return dice_below(dice, 3) == 0 ? HR_NEVER : hr_now() + dice_below(dice, 60000);
}

static void
stream_write(void *arg)
{
    struct stream *stream = arg;
    uint64_t dice = stream->dice * 3 | 1;
    uint32_t sent = 0;
    while (sent < STREAM_SIZE) {
        uint8_t bytes[2048];
        uint32_t size = 1 + dice_below(&dice, sizeof bytes);
        size = size < STREAM_SIZE - sent ? size : STREAM_SIZE - sent;
        for (uint32_t i = 0; i < size; i++) {
            bytes[i] = (uint8_t) ((sent + i) * 31 >> 3);
        }
        int64_t done = hr_write(stream->fds[1], bytes, size, soon(&dice));
        MUST(done > 0 || done == -ETIMEDOUT);
        sent += done > 0 ? (uint32_t) done : 0;
        if (dice_below(&dice, 16) == 0) {
            hr_sleep(dice_below(&dice, 30000));
        }
    }
    hr_fd_forget(stream->fds[1]);
    close(stream->fds[1]);
    atomic_fetch_add(stream->home, 1);
}

static void
stream_read(void *arg)
{
    struct stream *stream = arg;
    uint64_t dice = stream->dice * 5 | 1;
    uint32_t got = 0;
    for (;;) {
        uint8_t bytes[1024];
        int64_t done =
            hr_read(stream->fds[0], bytes, 1 + dice_below(&dice, sizeof bytes), soon(&dice));
        if (done == 0) {
            break;
        }
        MUST(done > 0 || done == -ETIMEDOUT);
        for (int64_t i = 0; i < done; i++, got++) {
            MUST(bytes[i] == (uint8_t) (got * 31 >> 3));
        }
    }
    MUST(got == STREAM_SIZE);
    hr_fd_forget(stream->fds[0]);
    close(stream->fds[0]);
    atomic_fetch_add(stream->home, 1);
}

static void
stream_rounds(void *arg)
{
    struct stress *stress = arg;
    while (stress_goes_on(stress)) {
        struct stream streams[STREAMS_COUNT];
        _Atomic uint32_t home = 0;
        for (int i = 0; i < STREAMS_COUNT; i++) {
            streams[i] = (struct stream){ .home = &home, .dice = dice_fork(&stress->dice) };
            MUST(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, streams[i].fds) == 0);
            int size = 4096;
            MUST(setsockopt(streams[i].fds[1], SOL_SOCKET, SO_SNDBUF, &size, sizeof size) == 0);
            MUST(hr_go(stream_write, &streams[i], "writer") == 0);
            MUST(hr_go(stream_read, &streams[i], "reader") == 0);
        }
        while (atomic_load(&home) < 2 * STREAMS_COUNT) {
            hr_sleep(50000);
        }
    }
}

static void
net_streams_are_whole(void)
{
    struct stress stress = stress_begin(TESTS_COUNT);
    sched_run(PROCS_COUNT, stream_rounds, &stress);
    CU_PASS("every byte, once");
}

/* GOAL    who waits for a descriptor is woken by its data, its deadline, its ctx or by
 *         hr_fd_forget, whichever comes, and the descriptor's number can be another's at
 *         once.
 * METHOD  one reader for each socket; all four race; the numbers are used again. */
enum {
    RACERS_COUNT = 12
};

struct racer {
    int fds[2];
    struct hr_ctx *ctx;
    uint32_t which; /* of the four ends */
    int64_t deadline;
    _Atomic uint32_t *home;
};

static void
race_read(void *arg)
{
    struct racer *racer = arg;
    uint8_t byte = 0;
    int64_t done = hr_read(racer->fds[0], &byte, 1, racer->deadline);
    MUST(done == 1 || done == -ETIMEDOUT || done == -ECANCELED || done == -EBADF);
    MUST(done != 1 || byte == 'x');
    MUST(done != -ECANCELED || hr_ctx_err(racer->ctx) == -ECANCELED);
    MUST(done != -ETIMEDOUT || hr_now() >= racer->deadline);
    atomic_fetch_add(racer->home, 1);
}

static void
race_end(void *arg)
{
    struct racer *racer = arg;
    switch (racer->which) {
    case 0: MUST(write(racer->fds[1], "x", 1) == 1); break;
    case 1: hr_ctx_cancel(racer->ctx, HR_CAUSE_USER); break;
    case 2:
        hr_fd_forget(racer->fds[0]);
        /* It may just have been between its call and its wait, and register once more. */
        hr_ctx_cancel(racer->ctx, HR_CAUSE_USER);
        break;
    default: break; /* the deadline alone */
    }
    atomic_fetch_add(racer->home, 1);
}

static void
race_rounds(void *arg)
{
    struct stress *stress = arg;
    while (stress_goes_on(stress)) {
        struct racer racers[RACERS_COUNT];
        _Atomic uint32_t home = 0;
        for (int i = 0; i < RACERS_COUNT; i++) {
            struct racer *racer = &racers[i];
            *racer = (struct racer){ .ctx = hr_ctx_new(NULL, HR_NEVER),
                .which = dice_below(&stress->dice, 4),
                .home = &home };
            racer->deadline = racer->which == 3 || dice_below(&stress->dice, 2) == 0
                                  ? hr_now() + dice_below(&stress->dice, 100000)
                                  : HR_NEVER;
            MUST(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, racer->fds) == 0);
            MUST(hr_go_ctx(racer->ctx, race_read, racer, "reader") == 0);
            if (dice_below(&stress->dice, 2) == 0) {
                hr_yield();
            }
            MUST(hr_go(race_end, racer, "ender") == 0);
        }
        while (atomic_load(&home) < 2 * RACERS_COUNT) {
            hr_sleep(20000);
        }
        for (int i = 0; i < RACERS_COUNT; i++) {
            hr_fd_forget(racers[i].fds[0]);
            close(racers[i].fds[0]);
            close(racers[i].fds[1]);
            hr_ctx_rele(racers[i].ctx);
        }
    }
}

static void
net_wait_ends_in_every_way(void)
{
    struct stress stress = stress_begin(TESTS_COUNT);
    sched_run(PROCS_COUNT, race_rounds, &stress);
    CU_PASS("every reader came home");
}

/* GOAL    accept and connect meet, among clients that give up. */
struct inn {
    int listener;
    struct sockaddr_in address;
    struct hr_ctx *open;
    _Atomic uint32_t guests, served, home;
    uint64_t dice;
};

static void
inn_serve(void *arg)
{
    int fd = (int) (intptr_t) arg;
    uint8_t byte;
    if (hr_read(fd, &byte, 1, HR_NEVER) == 1) {
        byte++;
        (void) hr_write(fd, &byte, 1, HR_NEVER);
    }
    hr_fd_forget(fd);
    close(fd);
}

static void
inn_keeper(void *arg)
{
    struct inn *inn = arg;
    int64_t fd;
    while ((fd = hr_accept(inn->listener, HR_NEVER)) >= 0) {
        MUST(hr_go(inn_serve, (void *) (intptr_t) fd, "server") == 0);
    }
    MUST(fd == -ECANCELED);
    atomic_fetch_add(&inn->home, 1);
}

static void
inn_guest(void *arg)
{
    struct inn *inn = arg;
    uint64_t dice = ((uint64_t) (uintptr_t) &dice ^ inn->dice) | 1;
    for (int i = 0; i < 10; i++) {
        int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
        MUST(fd >= 0);
        struct linger linger = { .l_onoff = 1 }; /* no thousands of TIME_WAIT */
        setsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, sizeof linger);
        uint8_t byte = 41;
        int err =
            hr_connect(fd, (struct sockaddr *) &inn->address, sizeof inn->address, soon(&dice));
        MUST(err == 0 || err == -ETIMEDOUT);
        if (err == 0) {
            MUST(hr_write(fd, &byte, 1, HR_NEVER) == 1);
            int64_t done = hr_read(fd, &byte, 1, soon(&dice));
            MUST(done == 1 ? byte == 42 : done == -ETIMEDOUT);
            atomic_fetch_add(&inn->served, done == 1);
        }
        hr_fd_forget(fd);
        close(fd);
    }
    atomic_fetch_add(&inn->home, 1);
}

static void
inn_rounds(void *arg)
{
    enum {
        GUESTS_COUNT = 8
    };
    struct stress *stress = arg;
    while (stress_goes_on(stress)) {
        struct inn inn = { .open = hr_ctx_new(NULL, HR_NEVER),
            .dice = dice_fork(&stress->dice) };
        inn.listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
        inn.address.sin_family = AF_INET;
        inn.address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        socklen_t size = sizeof inn.address;
        MUST(bind(inn.listener, (struct sockaddr *) &inn.address, size) == 0);
        MUST(listen(inn.listener, 64) == 0);
        MUST(getsockname(inn.listener, (struct sockaddr *) &inn.address, &size) == 0);
        MUST(hr_go_ctx(inn.open, inn_keeper, &inn, "keeper") == 0);
        for (int i = 0; i < GUESTS_COUNT; i++) {
            MUST(hr_go(inn_guest, &inn, "guest") == 0);
        }
        while (atomic_load(&inn.home) < GUESTS_COUNT) {
            hr_sleep(50000);
        }
        hr_ctx_cancel(inn.open, HR_CAUSE_USER);
        while (atomic_load(&inn.home) < GUESTS_COUNT + 1) {
            hr_sleep(50000);
        }
        hr_fd_forget(inn.listener);
        close(inn.listener);
        hr_ctx_rele(inn.open);
    }
}

static void
net_guests_come_and_go(void)
{
    struct stress stress = stress_begin(TESTS_COUNT);
    sched_run(PROCS_COUNT, inn_rounds, &stress);
    CU_PASS("all guests left, and the keeper too");
}

static const struct test tests[] = {
    TEST(net_streams_are_whole),
    TEST(net_wait_ends_in_every_way),
    TEST(net_guests_come_and_go),
};
TEST_MAIN("stress_sched_net", tests)
