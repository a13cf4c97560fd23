/* SPDX-License-Identifier: MIT
 *
 * TCP echo: the server here by fibers or by bare epoll, the load always by the same process
 * of its own (sched_bench echo_load), so that both servers and Go's meet the same client.
 */
#include "tests/bench/sched_bench/bench.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

enum {
    MESSAGE_SIZE = 64,
    CONNS_COUNT_MAX = 2048,
    EVENTS_COUNT = 256,
    SAMPLES_COUNT_MAX = 1 << 22,
    SECONDS = 3
};

static int
listen_any(uint16_t *ret_port)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    struct sockaddr_in address = { .sin_family = AF_INET,
        .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    socklen_t size = sizeof address;
    MUST(fd >= 0);
    MUST(bind(fd, (struct sockaddr *) &address, size) == 0);
    MUST(listen(fd, CONNS_COUNT_MAX) == 0);
    MUST(getsockname(fd, (struct sockaddr *) &address, &size) == 0);
    *ret_port = ntohs(address.sin_port);
    return fd;
}

static void
no_delay(int fd)
{
    int on = 1;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
}

/* ---- the load: a closed loop on each connection ---- */

struct load_conn {
    int fd;
    int64_t sent_ns;
    uint32_t got;
};

static struct load_conn load_conns[CONNS_COUNT_MAX];
static int64_t *samples;
static size_t samples_count;

static void
load_send(struct load_conn *conn)
{
    static const char message[MESSAGE_SIZE] = "ping";
    conn->got = 0;
    conn->sent_ns = hr_now();
    MUST(send(conn->fd, message, sizeof message, MSG_NOSIGNAL) == MESSAGE_SIZE);
}

static void
load_ready(struct load_conn *conn)
{
    char bytes[MESSAGE_SIZE];
    ssize_t got = recv(conn->fd, bytes, sizeof bytes, 0);
    if (got < 0 && errno == EAGAIN) {
        return;
    }
    MUST(got > 0);
    conn->got += (uint32_t) got;
    if (conn->got == MESSAGE_SIZE) {
        if (samples_count < SAMPLES_COUNT_MAX) {
            samples[samples_count++] = hr_now() - conn->sent_ns;
        }
        load_send(conn);
    }
}

static void
load_connect(int epoll_fd, uint16_t port, int conns_count)
{
    struct sockaddr_in address = { .sin_family = AF_INET,
        .sin_port = htons(port),
        .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    for (int i = 0; i < conns_count; i++) {
        struct load_conn *conn = &load_conns[i];
        conn->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        MUST(conn->fd >= 0);
        MUST(connect(conn->fd, (struct sockaddr *) &address, sizeof address) == 0);
        no_delay(conn->fd);
        MUST(fcntl(conn->fd, F_SETFL, O_NONBLOCK) == 0);
        struct epoll_event event = { .events = EPOLLIN | EPOLLET, .data.ptr = conn };
        MUST(epoll_ctl(epoll_fd, EPOLL_CTL_ADD, conn->fd, &event) == 0);
    }
}

/* Prints requests per second, p50 and p99 in microseconds. */
int
echo_load(int argc, char **argv)
{
    if (argc != 5) {
        fprintf(stderr, "usage: sched_bench echo_load PORT CONNECTIONS SECONDS\n");
        return 2;
    }
    int conns_count = (int) strtol(argv[3], NULL, 10);
    MUST(conns_count > 0);
    MUST(conns_count <= CONNS_COUNT_MAX);
    samples = malloc(SAMPLES_COUNT_MAX * sizeof *samples);
    MUST(samples != NULL);
    int epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    load_connect(epoll_fd, (uint16_t) strtoul(argv[2], NULL, 10), conns_count);
    int64_t start = hr_now();
    int64_t until = start + strtol(argv[4], NULL, 10) * INT64_C(1000000000);
    for (int i = 0; i < conns_count; i++) {
        load_send(&load_conns[i]);
    }
    while (hr_now() < until) {
        struct epoll_event events[EVENTS_COUNT];
        int count = epoll_wait(epoll_fd, events, EVENTS_COUNT, 100);
        for (int i = 0; i < count; i++) {
            load_ready(events[i].data.ptr);
        }
    }
    struct bench bench = { .scale = 1 };
    int64_t total = hr_now() - start;
    size_t count = samples_count;
    MUST(count > 0);
    bench_percentiles(&bench, "rtt", samples, count);
    printf("%zu %" PRId64 " %s\n", count, total, bench.more);
    return 0;
}

/* Start the load as a process of its own; its words come through a pipe. */
static FILE *
load_start(uint16_t port, int conns_count, double scale, pid_t *ret_pid)
{
    char port_text[16], conns_text[16], seconds_text[16];
    int fds[2];
    snprintf(port_text, sizeof port_text, "%u", port);
    snprintf(conns_text, sizeof conns_text, "%d", conns_count);
    snprintf(seconds_text, sizeof seconds_text, "%d", scale < 0.5 ? 1 : SECONDS);
    MUST(pipe2(fds, O_CLOEXEC) == 0);
    pid_t pid = fork();
    MUST(pid >= 0);
    if (pid == 0) {
        dup2(fds[1], STDOUT_FILENO);
        execl("/proc/self/exe", "sched_bench", "echo_load", port_text, conns_text, seconds_text,
            (char *) NULL);
        _exit(127);
    }
    close(fds[1]);
    *ret_pid = pid;
    return fdopen(fds[0], "r");
}

static void
load_finish(struct bench *bench, FILE *words, pid_t pid)
{
    int status = 0;
    int64_t total = 0;
    MUST(fscanf(words, "%" SCNu64 " %" SCNd64 " %200s", &bench->ops_count, &total,
             bench->more) == 3);
    fclose(words);
    MUST(waitpid(pid, &status, 0) == pid);
    bench->total_ns = total;
}

static void
raise_files(void)
{
    struct rlimit limit;
    getrlimit(RLIMIT_NOFILE, &limit);
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
}

/* ---- the server on fibers ---- */

static void
echo_conn(void *arg)
{
    int fd = (int) (intptr_t) arg;
    char bytes[MESSAGE_SIZE * 4];
    int64_t got;
    while ((got = hr_read(fd, bytes, sizeof bytes, HR_NEVER)) > 0) {
        if (hr_write(fd, bytes, (size_t) got, HR_NEVER) != got) {
            break;
        }
    }
    hr_fd_forget(fd);
    close(fd);
}

struct load {
    struct bench *bench;
    int conns_count;
    uint16_t port;
};

static void
load_blocking(void *arg)
{
    struct load *load = arg;
    pid_t pid;
    FILE *words = load_start(load->port, load->conns_count, load->bench->scale, &pid);
    load_finish(load->bench, words, pid);
}

static void
echo_accept(void *arg)
{
    int listen_fd = (int) (intptr_t) arg;
    for (;;) {
        int64_t fd = hr_accept(listen_fd, HR_NEVER);
        if (fd < 0) {
            return;
        }
        no_delay((int) fd);
        MUST(hr_go(echo_conn, (void *) (intptr_t) fd, "echo") == 0);
    }
}

static void
run_echo(struct bench *bench, int conns_count)
{
    struct load load = { .bench = bench, .conns_count = conns_count };
    raise_files();
    int listen_fd = listen_any(&load.port);
    struct hr_fiber *acceptor;
    MUST(hr_spawn(echo_accept, (void *) (intptr_t) listen_fd, "accept", &acceptor) == 0);
    MUST(hr_blocking(load_blocking, &load) == 0);
    hr_fd_forget(listen_fd);
    hr_join(acceptor);
    close(listen_fd);
}

void
row_echo_1(struct bench *bench)
{
    run_echo(bench, 1);
}

void
row_echo_256(struct bench *bench)
{
    run_echo(bench, 256);
}

void
row_echo_1024(struct bench *bench)
{
    run_echo(bench, 1024);
}

/* ---- the floor: one thread, one epoll ---- */

static void
epoll_conn(int fd)
{
    char bytes[MESSAGE_SIZE * 4];
    ssize_t got = recv(fd, bytes, sizeof bytes, 0);
    if (got > 0) {
        MUST(send(fd, bytes, (size_t) got, MSG_NOSIGNAL) == got);
    } else if (got == 0 || errno != EAGAIN) {
        close(fd);
    }
}

static void
epoll_accept(int epoll_fd, int listen_fd)
{
    int fd;
    while ((fd = accept4(listen_fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0) {
        no_delay(fd);
        struct epoll_event event = { .events = EPOLLIN | EPOLLET, .data.fd = fd };
        MUST(epoll_ctl(epoll_fd, EPOLL_CTL_ADD, fd, &event) == 0);
    }
}

static void
run_epoll(struct bench *bench, int conns_count)
{
    uint16_t port;
    pid_t pid;
    raise_files();
    int listen_fd = listen_any(&port);
    FILE *words = load_start(port, conns_count, bench->scale, &pid);
    int words_fd = fileno(words);
    int epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    struct epoll_event event = { .events = EPOLLIN, .data.fd = listen_fd };
    MUST(epoll_ctl(epoll_fd, EPOLL_CTL_ADD, listen_fd, &event) == 0);
    event = (struct epoll_event){ .events = EPOLLIN, .data.fd = words_fd };
    MUST(epoll_ctl(epoll_fd, EPOLL_CTL_ADD, words_fd, &event) == 0);
    for (bool is_over = false; !is_over;) {
        struct epoll_event events[EVENTS_COUNT];
        int count = epoll_wait(epoll_fd, events, EVENTS_COUNT, -1);
        for (int i = 0; i < count; i++) {
            int fd = events[i].data.fd;
            if (fd == words_fd) {
                is_over = true;
            } else if (fd == listen_fd) {
                epoll_accept(epoll_fd, listen_fd);
            } else {
                epoll_conn(fd);
            }
        }
    }
    load_finish(bench, words, pid);
    close(epoll_fd);
    close(listen_fd);
}

void
row_epoll_1(struct bench *bench)
{
    run_epoll(bench, 1);
}

void
row_epoll_256(struct bench *bench)
{
    run_epoll(bench, 256);
}

void
row_epoll_1024(struct bench *bench)
{
    run_epoll(bench, 1024);
}
