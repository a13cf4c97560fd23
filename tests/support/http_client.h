/* SPDX-License-Identifier: MIT
 *
 * tests/support/http_client.h - a client that sends exactly the bytes it is given, and
 * reads answers; sockets with ten seconds of patience, so that a test cannot hang.
 */
#ifndef TESTS_SUPPORT_HTTP_CLIENT_H
#define TESTS_SUPPORT_HTTP_CLIENT_H

#include "common/pure/check.h"

#include <arpa/inet.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#define CLIENT_ROOM (4 * 1024 * 1024)

struct client {
    int fd;
    char *bytes; /* received, not yet looked at */
    size_t size;
    bool has_ended;
};

static inline void
client_open_at(struct client *client, const struct sockaddr_in *address)
{
    const struct timeval patience = { .tv_sec = 10 };
    *client = (struct client){ .fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0) };
    client->bytes = malloc(CLIENT_ROOM);
    CHECK(client->bytes != NULL);
    CHECK(setsockopt(client->fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience) == 0);
    CHECK(setsockopt(client->fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience) == 0);
    CHECK(connect(client->fd, (const struct sockaddr *) address, sizeof *address) == 0);
}

static inline void
client_open(struct client *client, uint16_t port)
{
    const struct sockaddr_in address = { .sin_family = AF_INET,
        .sin_port = htons(port),
        .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    client_open_at(client, &address);
}

static inline void
client_close(struct client *client)
{
    close(client->fd);
    free(client->bytes);
}

/* false: the server does not take it any more. */
static inline bool
client_send_sized(struct client *client, const void *bytes, size_t size)
{
    const char *next = bytes;
    while (size > 0) {
        ssize_t sent = send(client->fd, next, size, MSG_NOSIGNAL);
        if (sent <= 0) {
            return false;
        }
        next += sent;
        size -= (size_t) sent;
    }
    return true;
}

static inline bool
client_send(struct client *client, const char *text)
{
    return client_send_sized(client, text, strlen(text));
}

/* false: the end, or no patience left. */
static inline bool
client_fill(struct client *client)
{
    CHECK(client->size < CLIENT_ROOM);
    ssize_t got = recv(client->fd, client->bytes + client->size, CLIENT_ROOM - client->size, 0);
    client->has_ended = got == 0;
    if (got <= 0) {
        return false;
    }
    client->size += (size_t) got;
    return true;
}

struct answer {
    int status; /* 0: none came */
    char head[2048];
    char value[512]; /* of the header that was asked for last */
    char *body;      /* malloc'd, with a final zero */
    size_t body_size;
};

static inline void
answer_free(struct answer *answer)
{
    free(answer->body);
    answer->body = NULL;
}

/* The body has this text in it; says so when it has not. */
static inline bool
answer_has(const struct answer *answer, const char *text)
{
    bool is_there = answer->body != NULL && strstr(answer->body, text) != NULL;
    if (!is_there) {
        printf("# expected %s in %s\n", text, answer->body != NULL ? answer->body : "nothing");
    }
    return is_there;
}

/* The value of a header, or NULL; the text is valid until this answer is asked again. */
static inline const char *
answer_header(struct answer *answer, const char *name)
{
    char line[128];
    snprintf(line, sizeof line, "\r\n%s: ", name);
    const char *found = strcasestr(answer->head, line);
    if (found == NULL) {
        return NULL;
    }
    found += strlen(line);
    snprintf(answer->value, sizeof answer->value, "%.*s", (int) strcspn(found, "\r"), found);
    return answer->value;
}

/* The next answer; has_body: false after HEAD. */
static inline struct answer
client_answer_to(struct client *client, bool has_body)
{
    struct answer answer = { 0 };
    const char *end = NULL;
    while ((end = memmem(client->bytes, client->size, "\r\n\r\n", 4)) == NULL) {
        if (!client_fill(client)) {
            return answer;
        }
    }
    size_t head_size = (size_t) (end - client->bytes) + 4;
    CHECK(head_size < sizeof answer.head);
    memcpy(answer.head, client->bytes, head_size);
    const char *length = answer_header(&answer, "Content-Length");
    answer.body_size = has_body && length != NULL ? strtoul(length, NULL, 10) : 0;
    while (client->size < head_size + answer.body_size) {
        if (!client_fill(client)) {
            return answer;
        }
    }
    CHECK(sscanf(answer.head, "HTTP/1.1 %d", &answer.status) == 1);
    answer.body = calloc(1, answer.body_size + 1);
    CHECK(answer.body != NULL);
    memcpy(answer.body, client->bytes + head_size, answer.body_size);
    client->size -= head_size + answer.body_size;
    memmove(client->bytes, client->bytes + head_size + answer.body_size, client->size);
    return answer;
}

static inline struct answer
client_answer(struct client *client)
{
    return client_answer_to(client, true);
}

/* The server closed, and sent nothing more. */
static inline bool
client_sees_end(struct client *client)
{
    while (client_fill(client)) {
    }
    return client->has_ended && client->size == 0;
}

#endif
