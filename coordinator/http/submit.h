/* SPDX-License-Identifier: MIT
 *
 * coordinator/http/submit.h - what the two ways to submit a job share; of the front end's
 * own files only.
 *
 * A wish is filled from the headers, then from the query or the JSON document, and sent.
 * Each step answers the request itself and returns false when something is wrong.
 */
#ifndef COORDINATOR_HTTP_SUBMIT_H
#define COORDINATOR_HTTP_SUBMIT_H

#include "coordinator/http/state.h"

#define SUBMIT_COPIES_DEFAULT 2

struct wish {
    struct api_submit submit; /* input: owned until it was sent */
    bool is_hedge_off;
    bool is_async; /* answered when it is accepted, not when it is over */
    bool is_durability_set;
    bool has_key; /* an Idempotency-Key came with it */
    struct keys_claim claim;
    char handler[CORE_NAME_SIZE_MAX];
    char content_type[API_CONTENT_TYPE_SIZE_MAX];
    char traceparent[64]; /* the client's */
};

bool wish_init(struct wish *wish, struct request *request);
bool wish_set_headers(struct wish *wish, struct request *request);
/* The shortest time holds. */
void wish_set_timeout(struct wish *wish, duration_t timeout);
bool wish_set_timeout_text(
    struct wish *wish, struct conn *conn, const char *field, struct slice text);
/* "auto", "off", or a duration. */
bool wish_set_hedge(struct wish *wish, struct conn *conn, const char *field, const char *text);
/* "none" or "sync". */
bool
wish_set_durability(struct wish *wish, struct conn *conn, const char *field, const char *text);
/* RFC 3339. */
bool wish_set_run_at(struct wish *wish, struct conn *conn, const char *field, const char *text);
bool wish_set_mode(struct wish *wish, struct conn *conn, const char *field, const char *text);
bool wish_set_on_disconnect(
    struct wish *wish, struct conn *conn, const char *field, const char *text);
/* 1 to CORE_ATTEMPTS_MAX. */
bool wish_check_count(struct conn *conn, const char *field, bool is_number, int64_t count);
bool wish_set_handler(struct wish *wish, struct conn *conn, const char *handler);
bool wish_set_content_type(
    struct wish *wish, struct conn *conn, const char *field, struct slice type);
/* Hands the job to the shell; the wish is over. */
void wish_send(struct wish *wish, struct conn *conn, enum answer_form form);
/* For one that is not sent. */
void wish_fini(struct wish *wish);

#endif
