/* SPDX-License-Identifier: MIT
 *
 * coordinator/client/transport.h - one HTTP exchange, with a deadline and an interrupt.
 *
 * The only file that knows curl/curl.h is transport.c.  A transport keeps its connection
 * for the next exchange.
 *
 * THREADS    one at a time.
 * OWNERSHIP  a request is borrowed for the exchange; an answer owns its body (free()).
 * ERRORS     of an exchange: INVALID (URL), REFUSED, UNREACHABLE (name, route), AUTH (TLS),
 *            TIMEOUT, CANCELLED (interrupt), CLOSED (broke before the whole answer came),
 *            TOO_BIG, BAD_MESSAGE (not HTTP), NO_MEMORY
 */
#ifndef COORDINATOR_CLIENT_TRANSPORT_H
#define COORDINATOR_CLIENT_TRANSPORT_H

#include "common/pure/err.h"
#include "common/pure/units.h"

#define TRANSPORT_HEADERS_MAX 12

struct transport;

struct transport_request {
    const char *url;
    bool is_post;
    const char *headers[TRANSPORT_HEADERS_MAX]; /* "Name: value", or "Name:" for without */
    unsigned headers_count;
    const void *body;
    size_t body_size;
    bool may_repeat; /* the bytes may reach the server twice */
    instant_t deadline;
    int interrupt_fd; /* -1: none */
};

struct transport_answer {
    int status;
    char content_type[128];
    char job_id[40]; /* cut: a longer one is none */
    char winner[96];
    unsigned attempts;
    int64_t retry_after_s; /* -1: none */
    uint8_t *body;         /* and a zero byte behind it */
    size_t body_size;
    char detail[256]; /* why it failed, as curl puts it */
};

err_t transport_new(size_t body_size_max, struct transport **ret_transport) MUST_USE;
void transport_free(struct transport *transport);
/* The answer is filled as far as it came, also on failure: free its body always. */
err_t transport_exchange(struct transport *transport, const struct transport_request *request,
    struct transport_answer *ret_answer) MUST_USE;

#endif
