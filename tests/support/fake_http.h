/* SPDX-License-Identifier: MIT
 *
 * tests/support/fake_http.h - an HTTP server that does as it is told, on a thread.
 *
 *     static const struct fake_rule rules[] = {
 *         { "POST /v1/handlers/echo:invoke", FAKE_OK("text/plain", "hello"), 1 },
 *         { "GET ", FAKE_HANG, 0 },
 *     };
 *     struct fake fake;
 *     fake_init(&fake, rules, ARRAY_COUNT(rules));      fake.url: http://127.0.0.1:PORT
 *     ...
 *     fake_fini(&fake);
 *
 * The first rule that fits (a prefix of the request line) and is not used up answers.  A
 * test waits for events (fake_wait_requests, fake_wait_gone), never for time.
 */
#ifndef TESTS_SUPPORT_FAKE_HTTP_H
#define TESTS_SUPPORT_FAKE_HTTP_H

#include <arpa/inet.h>
#include <ctype.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#define FAKE_CONNECTIONS_MAX 64
#define FAKE_REQUEST_MAX     (64 * 1024)

#define FAKE_HANG  "hang"  /* no answer; waits until the client leaves */
#define FAKE_CLOSE "close" /* no answer; closes */

struct fake_rule {
    const char *begins;
    const char *answer; /* "200\nName: value\n\nbody", FAKE_HANG, FAKE_CLOSE */
    unsigned uses;      /* 0: any number */
};

struct fake {
    char url[64];
    const struct fake_rule *rules;
    unsigned rules_count;
    int listen_fd;
    int stop_fd;
    pthread_t thread;

    pthread_mutex_t mutex; /* guards all below */
    pthread_cond_t changed;
    unsigned used[64];
    unsigned connections_count;
    unsigned requests_count;
    unsigned gone_count; /* clients that left a FAKE_HANG */
    char last[FAKE_REQUEST_MAX];
    pthread_t handlers[FAKE_CONNECTIONS_MAX];
    int fds[FAKE_CONNECTIONS_MAX];
};

struct fake_connection {
    struct fake *fake;
    int fd;
};

static inline bool
fake_readable(struct fake *fake, int fd)
{
    struct pollfd watched[2] = { { .fd = fd, .events = POLLIN },
        { .fd = fake->stop_fd, .events = POLLIN } };
    while (poll(watched, 2, -1) < 0) {
    }
    return watched[1].revents == 0;
}

/* A whole request with its body, or false when the client left. */
static inline bool
fake_read(struct fake *fake, int fd, char *request)
{
    size_t size = 0;
    for (;;) {
        request[size] = '\0';
        char *end = strstr(request, "\r\n\r\n");
        if (end != NULL) {
            char *length = strcasestr(request, "\r\nContent-Length:");
            size_t body = length != NULL && length < end ? strtoul(length + 17, NULL, 10) : 0;
            if (size >= (size_t) (end + 4 - request) + body) {
                return true;
            }
        }
        if (!fake_readable(fake, fd)) {
            return false;
        }
        ssize_t got = recv(fd, request + size, FAKE_REQUEST_MAX - 1 - size, 0);
        if (got <= 0) {
            return false;
        }
        size += (size_t) got;
    }
}

static inline const char *
fake_choose(struct fake *fake, const char *request)
{
    const char *answer = "404\n\nno rule";
    pthread_mutex_lock(&fake->mutex);
    fake->requests_count++;
    snprintf(fake->last, sizeof fake->last, "%s", request);
    for (unsigned i = 0; i < fake->rules_count; i++) {
        const struct fake_rule *rule = &fake->rules[i];
        if (strncmp(request, rule->begins, strlen(rule->begins)) == 0 &&
            (rule->uses == 0 || fake->used[i] < rule->uses)) {
            fake->used[i]++;
            answer = rule->answer;
            break;
        }
    }
    pthread_cond_broadcast(&fake->changed);
    pthread_mutex_unlock(&fake->mutex);
    return answer;
}

static inline void
fake_send(int fd, const char *answer)
{
    static char text[4096];
    static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
    const char *body = strstr(answer, "\n\n");
    body = body != NULL ? body + 2 : "";
    pthread_mutex_lock(&mutex);
    int size = snprintf(
        text, sizeof text, "HTTP/1.1 %.3s X\r\nContent-Length: %zu\r\n", answer, strlen(body));
    for (const char *line = strchr(answer, '\n') + 1; line < body - 1;) {
        const char *end = strchr(line, '\n');
        size += snprintf(
            text + size, sizeof text - (size_t) size, "%.*s\r\n", (int) (end - line), line);
        line = end + 1;
    }
    size += snprintf(text + size, sizeof text - (size_t) size, "\r\n%s", body);
    (void) !send(fd, text, (size_t) size, MSG_NOSIGNAL);
    pthread_mutex_unlock(&mutex);
}

static inline void *
fake_serve(void *user)
{
    struct fake_connection connection = *(struct fake_connection *) user;
    struct fake *fake = connection.fake;
    free(user);
    char *request = malloc(FAKE_REQUEST_MAX);
    while (request != NULL && fake_read(fake, connection.fd, request)) {
        const char *answer = fake_choose(fake, request);
        if (strcmp(answer, FAKE_CLOSE) == 0) {
            break;
        }
        if (strcmp(answer, FAKE_HANG) != 0) {
            fake_send(connection.fd, answer);
            continue;
        }
        if (fake_readable(fake, connection.fd)) {
            pthread_mutex_lock(&fake->mutex);
            fake->gone_count++;
            pthread_cond_broadcast(&fake->changed);
            pthread_mutex_unlock(&fake->mutex);
        }
        break;
    }
    free(request);
    shutdown(connection.fd, SHUT_RDWR);
    return NULL;
}

static inline void *
fake_accept(void *user)
{
    struct fake *fake = user;
    while (fake_readable(fake, fake->listen_fd)) {
        int fd = accept(fake->listen_fd, NULL, NULL);
        struct fake_connection *connection = malloc(sizeof *connection);
        pthread_mutex_lock(&fake->mutex);
        unsigned index = fake->connections_count;
        bool ok = fd >= 0 && connection != NULL && index < FAKE_CONNECTIONS_MAX;
        if (ok) {
            *connection = (struct fake_connection){ .fake = fake, .fd = fd };
            ok = pthread_create(&fake->handlers[index], NULL, fake_serve, connection) == 0;
        }
        if (ok) {
            fake->fds[index] = fd;
            fake->connections_count++;
        } else {
            free(connection);
            close(fd);
        }
        pthread_mutex_unlock(&fake->mutex);
    }
    return NULL;
}

static inline void
fake_init(struct fake *fake, const struct fake_rule *rules, unsigned rules_count)
{
    memset(fake, 0, sizeof *fake);
    fake->rules = rules;
    fake->rules_count = rules_count;
    pthread_mutex_init(&fake->mutex, NULL);
    pthread_cond_init(&fake->changed, NULL);
    fake->stop_fd = eventfd(0, EFD_CLOEXEC);
    fake->listen_fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct sockaddr_in address = { .sin_family = AF_INET,
        .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    socklen_t size = sizeof address;
    if (bind(fake->listen_fd, (struct sockaddr *) &address, size) != 0 ||
        listen(fake->listen_fd, 16) != 0 ||
        getsockname(fake->listen_fd, (struct sockaddr *) &address, &size) != 0 ||
        pthread_create(&fake->thread, NULL, fake_accept, fake) != 0) {
        abort();
    }
    snprintf(fake->url, sizeof fake->url, "http://127.0.0.1:%u", ntohs(address.sin_port));
}

static inline void
fake_fini(struct fake *fake)
{
    uint64_t one = 1;
    (void) !write(fake->stop_fd, &one, sizeof one);
    pthread_join(fake->thread, NULL);
    for (unsigned i = 0; i < fake->connections_count; i++) {
        pthread_join(fake->handlers[i], NULL);
        close(fake->fds[i]);
    }
    close(fake->listen_fd);
    close(fake->stop_fd);
    pthread_mutex_destroy(&fake->mutex);
    pthread_cond_destroy(&fake->changed);
}

static inline void
fake_wait_requests(struct fake *fake, unsigned count)
{
    pthread_mutex_lock(&fake->mutex);
    while (fake->requests_count < count) {
        pthread_cond_wait(&fake->changed, &fake->mutex);
    }
    pthread_mutex_unlock(&fake->mutex);
}

static inline void
fake_wait_gone(struct fake *fake, unsigned count)
{
    pthread_mutex_lock(&fake->mutex);
    while (fake->gone_count < count) {
        pthread_cond_wait(&fake->changed, &fake->mutex);
    }
    pthread_mutex_unlock(&fake->mutex);
}

/* Copies: the threads go on. */
static inline unsigned
fake_requests(struct fake *fake)
{
    pthread_mutex_lock(&fake->mutex);
    unsigned count = fake->requests_count;
    pthread_mutex_unlock(&fake->mutex);
    return count;
}

static inline unsigned
fake_connections(struct fake *fake)
{
    pthread_mutex_lock(&fake->mutex);
    unsigned count = fake->connections_count;
    pthread_mutex_unlock(&fake->mutex);
    return count;
}

static inline bool
fake_last_has(struct fake *fake, const char *text)
{
    pthread_mutex_lock(&fake->mutex);
    bool has = strstr(fake->last, text) != NULL;
    pthread_mutex_unlock(&fake->mutex);
    return has;
}

#endif
