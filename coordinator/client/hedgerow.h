/* SPDX-License-Identifier: MIT
 *
 * coordinator/client/hedgerow.h - libhedgerow: run jobs on a Hedgerow service from C.
 *
 * Hedgerow runs a job on one of several workers, sends a second copy to another when the
 * first is slow, takes the first good reply and stops the rest.  This library asks it to,
 * over HTTP, and waits for the answer.
 *
 * 1. Run one job
 *
 *     struct hedgerow_client *client = hedgerow_client_new("http://127.0.0.1:8080");
 *     struct hedgerow_call call = HEDGEROW_CALL_INIT;
 *     call.handler = "sha256";
 *     call.input = "hello";
 *     call.input_size = 5;
 *     call.timeout_ms = 2000;
 *
 *     struct hedgerow_reply reply;
 *     if (hedgerow_invoke(client, &call, &reply) == HEDGEROW_OK) {
 *         fwrite(reply.body, 1, reply.body_size, stdout);
 *     } else {
 *         fprintf(stderr, "%s (job %s)\n", reply.message, reply.job_id);
 *     }
 *     hedgerow_reply_fini(&reply);
 *     hedgerow_client_free(client);
 *
 * 2. How a call ends
 *
 * Every call returns one outcome, and fills the reply whatever the outcome was: finish it
 * always.  `message` is a sentence for people; `code` is the service's stable word
 * ("unknown-handler", "overloaded", ...), for programs.
 *
 * 3. Time
 *
 * timeout_ms travels with the job: when it is over the service stops every copy of it and
 * answers HEDGEROW_DEADLINE.  Should the service itself be silent, the call gives up
 * HEDGEROW_GRACE_MS later.  Zero stands for the service's default for a job, and for ten
 * seconds for anything else.
 *
 * 4. Leaving early
 *
 * A call that names an interrupt ends with HEDGEROW_INTERRUPTED as soon as that is raised,
 * from another thread or from a signal handler.  Its connection is closed, by which the
 * service knows that nobody waits any more, and cancels the job.  To hear that the job has
 * stopped, give it an id of your own (hedgerow_job_id_make) and ask hedgerow_job_cancel.
 *
 * 5. Trying again
 *
 * A refusal that says when to come back (429 and 503 with Retry-After) is tried again
 * within the call's time, if the call may be repeated: it asks, cancels, or says
 * `idempotent`.  A coordinator that refuses the connection is not tried again.  Bytes of
 * a job that is not idempotent are never sent twice, not even on a connection that broke.
 *
 * THREADS    a client is used by one thread at a time, any number of clients at once;
 *            hedgerow_interrupt_raise: any thread, any signal handler
 * OWNERSHIP  what a call names is borrowed for the call; a reply owns its body
 * MEMORY     a body is at most HEDGEROW_BODY_SIZE_MAX bytes; more is HEDGEROW_BROKEN
 * REJECTED   callbacks: whoever needs thousands of jobs at once has a loop already, and
 *            can speak HTTP from it; a thread for each waiting call serves the others.
 */
#ifndef HEDGEROW_H
#define HEDGEROW_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define HEDGEROW_API __attribute__((visibility("default")))

#define HEDGEROW_SERVER_DEFAULT "http://127.0.0.1:8080"
#define HEDGEROW_GRACE_MS       500
#define HEDGEROW_BODY_SIZE_MAX  (64u * 1024 * 1024)
#define HEDGEROW_ID_SIZE        37 /* bytes of a job's id as text, with its zero */

enum hedgerow_outcome {
    HEDGEROW_OK,
    HEDGEROW_FAILED,      /* the handler failed */
    HEDGEROW_INVALID,     /* the service does not accept what was asked */
    HEDGEROW_NOT_FOUND,   /* no such job, no such handler */
    HEDGEROW_DENIED,      /* not allowed */
    HEDGEROW_CANCELLED,   /* somebody cancelled the job */
    HEDGEROW_UNAVAILABLE, /* no coordinator answers, or it has no worker */
    HEDGEROW_OVERLOADED,  /* refused: too much to do */
    HEDGEROW_DEADLINE,    /* time ran out */
    HEDGEROW_INTERRUPTED, /* your interrupt was raised */
    HEDGEROW_BROKEN       /* what answered does not speak this API, or memory ran out */
};

/* The word of an outcome, such as "overloaded". */
HEDGEROW_API const char *hedgerow_outcome_text(enum hedgerow_outcome outcome);

/* ---- interrupts ------------------------------------------------------------------------ */

struct hedgerow_interrupt;

/* NULL without memory or file descriptors. */
HEDGEROW_API struct hedgerow_interrupt *hedgerow_interrupt_new(void);
HEDGEROW_API void hedgerow_interrupt_free(struct hedgerow_interrupt *interrupt);
/* Stays raised until it is cleared.  Threads: any; async-signal-safe. */
HEDGEROW_API void hedgerow_interrupt_raise(struct hedgerow_interrupt *interrupt);
HEDGEROW_API void hedgerow_interrupt_clear(struct hedgerow_interrupt *interrupt);
/* Sleeps at most so long; 1 when it was or becomes raised. */
HEDGEROW_API int
hedgerow_interrupt_wait(struct hedgerow_interrupt *interrupt, int64_t timeout_ms);

/* ---- clients --------------------------------------------------------------------------- */

struct hedgerow_client;

/* server: http://host:port or https://host:port; NULL: HEDGEROW_SERVER_DEFAULT.  NULL
 * without memory. */
HEDGEROW_API struct hedgerow_client *hedgerow_client_new(const char *server);
/* The token that every call shows (copied; NULL: none).  -1: it is longer than 256 bytes, has
 * characters that no token has, or there is no memory. */
HEDGEROW_API int hedgerow_client_set_token(struct hedgerow_client *client, const char *token);
HEDGEROW_API void hedgerow_client_free(struct hedgerow_client *client);
HEDGEROW_API const char *hedgerow_client_server(const struct hedgerow_client *client);

/* ---- calls ----------------------------------------------------------------------------- */

enum hedgerow_hedge {
    HEDGEROW_HEDGE_DEFAULT, /* as the service is configured, with a delay that it learns */
    HEDGEROW_HEDGE_OFF,
    HEDGEROW_HEDGE_AFTER /* hedge_delay_us after the first copy was sent */
};

enum hedgerow_mode {
    HEDGEROW_MODE_DEFAULT,
    HEDGEROW_MODE_SINGLE, /* one copy */
    HEDGEROW_MODE_HEDGE,  /* a second one when the first is slow */
    HEDGEROW_MODE_RACE,   /* `copies` at once */
    HEDGEROW_MODE_TIED    /* a second one in another queue; the one that starts stays */
};

struct hedgerow_call {
    const char *handler;
    const void *input;
    size_t input_size;        /* bytes */
    const char *content_type; /* of the input; NULL: none is said */
    const char *job_id;       /* NULL: the service makes one */
    int64_t timeout_ms;
    enum hedgerow_mode mode;
    enum hedgerow_hedge hedge;
    int64_t hedge_delay_us;
    unsigned copies;             /* of a race, and the most of a hedge; 0: the default */
    int idempotent;              /* -1: as the handler declares, 0 no, 1 yes */
    const char *traceparent;     /* W3C trace context; NULL: none */
    const char *idempotency_key; /* NULL: none */
    struct hedgerow_interrupt *interrupt; /* NULL: none */
};
#define HEDGEROW_CALL_INIT \
    {                      \
        .idempotent = -1   \
    }

struct hedgerow_reply {
    enum hedgerow_outcome outcome;
    int http_status;               /* 0: nothing answered */
    char job_id[HEDGEROW_ID_SIZE]; /* "": no job was made, or none is known */
    char content_type[128];
    unsigned char *body; /* followed by a zero byte; NULL: nothing answered */
    size_t body_size;
    char code[64];          /* "": OK, or what answered gave none */
    char message[512];      /* "": OK */
    char winner[96];        /* which copy won, where: "hedge/worker-2" */
    unsigned attempts;      /* copies that were sent; 0: not said */
    int64_t retry_after_ms; /* -1: not said */
    int64_t took_us;        /* from the call to its end, tries included */
};

HEDGEROW_API void hedgerow_reply_fini(struct hedgerow_reply *reply);

/* A new id (UUIDv7) for call.job_id. */
HEDGEROW_API void hedgerow_job_id_make(char id[HEDGEROW_ID_SIZE]);

/* Runs a job and waits for it; the body is its result. */
HEDGEROW_API enum hedgerow_outcome hedgerow_invoke(struct hedgerow_client *client,
    const struct hedgerow_call *call, struct hedgerow_reply *ret_reply);

/* Hands a job over and does not wait; reply.job_id is its id. */
HEDGEROW_API enum hedgerow_outcome hedgerow_submit(struct hedgerow_client *client,
    const struct hedgerow_call *call, struct hedgerow_reply *ret_reply);

/* The job as JSON, after at most wait_ms (0: at once) or when it ends.  OK whatever became
 * of the job. */
HEDGEROW_API enum hedgerow_outcome
hedgerow_job_get(struct hedgerow_client *client, const char *job_id, int64_t wait_ms,
    struct hedgerow_interrupt *interrupt, struct hedgerow_reply *ret_reply);

/* The result of a job that ended; the outcome is the job's. */
HEDGEROW_API enum hedgerow_outcome hedgerow_job_result(
    struct hedgerow_client *client, const char *job_id, struct hedgerow_reply *ret_reply);

/* Asks for a stop, and answers with the job as JSON.  A job that ended stays as it is.
 * timeout_ms: of this call; 0: the default. */
HEDGEROW_API enum hedgerow_outcome hedgerow_job_cancel(struct hedgerow_client *client,
    const char *job_id, int64_t timeout_ms, struct hedgerow_reply *ret_reply);

/* Any other resource, by its path: "/v1/workers". */
HEDGEROW_API enum hedgerow_outcome hedgerow_get(struct hedgerow_client *client,
    const char *path, int64_t timeout_ms, struct hedgerow_reply *ret_reply);

#ifdef __cplusplus
}
#endif

#endif
