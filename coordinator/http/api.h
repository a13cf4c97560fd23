/* SPDX-License-Identifier: MIT
 *
 * coordinator/http/api.h - the API's front end: sockets and requests here, jobs in the shell.
 *
 *    client --bytes--> codec --request--> routes --backend->submit()--> shell --> core
 *    client <--bytes-- codec <--reply---- api_answer(ticket) <------------'
 *
 * The front end knows HTTP, JSON and what the core's views look like; it decides nothing
 * about a job.  A request that waits holds a ticket: the shell answers it once, or the
 * front end says gone() once, never both.
 *
 * THREADS    all on the loop thread.
 * OWNERSHIP  api_submit's strings are borrowed for the call; its input moves to the shell
 *            when it is accepted (free()).
 * MEMORY     api_memory_size_max(): a slot and unread bytes for each connection, and held_max
 *            for all bodies and answers together; past it, typed refusals
 */
#ifndef COORDINATOR_HTTP_API_H
#define COORDINATOR_HTTP_API_H

#include "common/edge/loop.h"
#include "common/pure/slice.h"
#include "coordinator/core/core.h"
#include "coordinator/http/feed.h"
#include "coordinator/http/keys.h"

struct api;

/* A waiting request; never reused. 0 is none. */
typedef uint64_t api_ticket_t;

#define API_CONTENT_TYPE_SIZE_MAX 128

struct api_submit {
    const char *handler;
    job_id_t job;       /* a UUIDv7: of the header X-Job-Id, or new */
    duration_t timeout; /* zero: the default */
    struct policy policy;
    const char *content_type; /* of the input, "" */
    const char *traceparent;  /* trace.h */
    bool detach;              /* the job outlives its client */
    bool is_durable;          /* it outlives the process: acknowledged when it is on disk */
    bool is_async;            /* answered by api_accepted, not when it is over */
    const struct keys_claim *claim; /* of its Idempotency-Key, borrowed; NULL: none */
    uint64_t run_at_unix_ms;        /* not before; 0: at once */
    uint8_t *input;                 /* malloc'd; may be NULL when empty */
    uint32_t input_size;
};

struct api_result {
    const uint8_t *bytes;
    uint32_t size;
    const char *content_type; /* "" */
};

/* A look into the store. */
enum api_recall_what {
    RECALL_JOB,
    RECALL_ATTEMPTS,
    RECALL_RESULT,
    RECALL_LIST
};

struct api_recall {
    enum api_recall_what what;
    job_id_t job;                     /* of a list: only older ones; none: from the newest on */
    char handler[CORE_NAME_SIZE_MAX]; /* of a list: "" for any */
    char state[32];
};

/* What the store has of a job that ended. */
struct api_record {
    job_id_t job;
    const char *handler;
    const char *state;     /* the word: also UNKNOWN_OUTCOME */
    struct slice document; /* the job as GET shows it */
    struct api_result result;
    bool has_result;
};

/* What the shell does for the front end. */
struct api_backend {
    void *shell;
    const struct core *(*core)(void *shell);
    instant_t (*now)(void *shell);
    /* Wall clock of a monotonic instant, for people: ms since 1970. */
    uint64_t (*unix_ms)(void *shell, instant_t when);
    /* true: input taken, *ret_job is its id, and the ticket will be answered by api_answer,
     * or (is_async) by api_accepted, or by api_refused when the disk does not take it; perhaps
     * before submit returns.  false: refused, *ret_refuse says why. */
    bool (*submit)(void *shell, api_ticket_t ticket, const struct api_submit *submit,
        job_id_t *ret_job, struct core_command *ret_refuse);
    /* The client of this ticket went away; its job is cancelled unless it detached. */
    void (*gone)(void *shell, api_ticket_t ticket);
    /* The job as others see it; false: it is in no memory here. */
    bool (*job)(void *shell, job_id_t job, struct job_view *ret_job);
    /* Look for it in the store: api_recalled answers.  false: there is no store. */
    bool (*recall)(void *shell, api_ticket_t ticket, const struct api_recall *recall);
    bool (*has_store)(void *shell);
    /* false: it was taken, but is on its way to disk still, and nobody may be told. */
    bool (*is_promised)(void *shell, job_id_t job);
    /* Answered when the job is terminal (at once if it is): 0 ticket for no waiting. */
    bool (*wait)(void *shell, api_ticket_t ticket, job_id_t job);
    /* false: no such job.  Idempotent. */
    bool (*cancel)(void *shell, job_id_t job);
    /* Of a handler that the core knows; until the process ends. */
    void (*set_hedging)(void *shell, const char *handler, const struct hedge_order *order);
    /* The result of a SUCCEEDED job while it is kept; borrowed until the next step. */
    bool (*result)(void *shell, job_id_t job, struct api_result *ret_result);
    /* Write the Prometheus exposition of everything but the front end's own. */
    void (*metrics)(void *shell, void (*write)(void *out, const char *text), void *out);
    bool (*is_ready)(void *shell);
};

/* What a stranger may cost.  Zero in a field: its default. */
struct api_limits {
    duration_t head_time;   /* from a request's first byte to its last header line; 5 s */
    duration_t idle_time;   /* between requests; 30 s */
    duration_t window_time; /* in each, rate_min must be kept while a body or an answer is
                             * under way; 10 s */
    duration_t linger_time; /* to read an answer after which we close; 5 s */
    uint32_t rate_min;      /* bytes/s; 8192 */
    uint64_t held_max;      /* bytes of bodies that come in and answers that leave; 256 MiB */
    uint32_t peer_max;      /* connections of one address that is not our own; a quarter of all,
                        * and 64 at least */
    uint16_t line_size_max; /* of a request; 8192 */
    uint16_t headers_size_max; /* together; 16384 */
    uint16_t headers_max;      /* lines; 64 */
};

/* How long, and how many, Idempotency-Keys are remembered.  Zero in a field: its default. */
struct api_keys {
    uint32_t count_max; /* 100,000 */
    duration_t kept;    /* 24 h */
};

struct api_config {
    const char *listen;     /* host:port; port 0: any */
    const char *hosts;      /* names that requests may be for beside addresses and localhost,
                         * comma-separated; "" or NULL: any name, but on a loopback listener */
    const char *token_file; /* access.h; "" or NULL: everybody may do everything ... */
    bool is_insecure;       /* ... which beyond loopback must be asked for */
    uint32_t input_size_max;
    uint32_t connections_max;
    duration_t timeout_max;
    struct api_limits limits;
    struct api_keys keys;
    uint32_t events_max; /* kept for streams that come back; 0: 16,384 */
};

/* The bound of what the front end holds, libevent's and the kernel's buffers aside. */
uint64_t api_memory_size_max(const struct api_config *config);
#define API_WHY_SIZE_MAX 256

/* why: what went wrong, in one sentence.
 * Errors: INVALID (listen, a line of the token file), AUTH (beyond loopback, without tokens),
 * IN_USE, PERMISSION, NOT_FOUND, NO_MEMORY. */
err_t
api_new(struct loop *loop, const struct api_config *config, const struct api_backend *backend,
    struct api **ret_api, char why[API_WHY_SIZE_MAX]) MUST_USE;
/* Read the token file again; on failure the former tokens hold. */
err_t api_reload(struct api *api, char why[API_WHY_SIZE_MAX]) MUST_USE;
void api_free(struct api *api);
uint16_t api_port(const struct api *api);
/* No new connection; idle ones close. */
void api_close(struct api *api);
/* No request waits and every answer has left. */
bool api_is_idle(const struct api *api);
/* The job of this ticket is terminal: answer its client from the core's view. */
void api_answer(struct api *api, api_ticket_t ticket, job_id_t job);
/* It was taken, and nobody waits for its end. */
void api_accepted(struct api *api, api_ticket_t ticket, job_id_t job);
/* Its Idempotency-Key had made a job before this process began. */
void api_replayed(struct api *api, api_ticket_t ticket, job_id_t job, bool is_other_request);
/* It was not taken after all. */
void api_refused(struct api *api, api_ticket_t ticket, const struct core_command *refuse);
/* Something happened to a job. */
void api_tell(struct api *api, const struct feed_event *event);
/* The job was not taken after all: its Idempotency-Key is free again. */
void api_forget_key(struct api *api, job_id_t job);
/* What the store has: one record, or the page of a list; none: there is nothing.  Borrowed. */
void api_recalled(struct api *api, api_ticket_t ticket, const struct api_recall *recall,
    const struct api_record *records, uint32_t records_count);
/* The job as GET shows it, on one line; borrowed until the next call of the front end's.
 * Empty without memory. */
struct slice api_document(struct api *api, const struct job_view *job);

#endif
