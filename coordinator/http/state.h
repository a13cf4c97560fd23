/* SPDX-License-Identifier: MIT
 *
 * coordinator/http/state.h - what the front end's files share; nobody else includes it.
 *
 *     api.c      life: listen, accept, count, close; tickets
 *     conn.c     one connection: bytes -> requests, hanging up;  conn_late.c: its deadlines
 *     routes.c   the one table; path and query of a request
 *     submit.c   a request -> struct api_submit;  submit_headers.c, submit_json.c: its parts
 *     wait.c     requests that wait for a job;  keys.c: which job an Idempotency-Key made
 *     handlers.c the routes that only look
 *     events.c   what happens, as it happens;  feed.c: what happened lately
 *     job_json.c the core's views as JSON;  recall.c: what only the store has
 *     openapi.c  the table as a document
 *     reply.c    heads, the one write;  problem.c: refusals
 *
 *                    first byte            complete           ticket
 *        HEAD (idle) ----------> HEAD (late?) ---> BODY ---> dispatch ---> WAITING
 *          ^                        |                            |            | api_answer
 *          '------------------------|------- answered -----------'------------'
 *                                   | refused, or "close"
 *                                   v
 *                               FLUSHING ---> LINGERING ---> FREE
 */
#ifndef COORDINATOR_HTTP_STATE_H
#define COORDINATOR_HTTP_STATE_H

#include "common/edge/net.h"
#include "coordinator/http/access.h"
#include "coordinator/http/api.h"
#include "coordinator/http/codec.h"
#include "coordinator/http/keys.h"
#include "coordinator/http/out.h"
#include "coordinator/http/prefer.h"
#include "coordinator/http/trace.h"

enum api_bounds {
    API_READ_SIZE_MAX = 64 * 1024,    /* unread bytes of a connection: pipelined requests */
    API_UNSENT_SIZE_MAX = 256 * 1024, /* past this, pipelined requests wait */
    API_LINGER_SIZE_MAX = 16 * 1024 * 1024,
    API_POLICY_SIZE_MAX = 64 * 1024, /* of POST /v1/jobs beside its input */
    API_SPARE_SLOTS = 16,            /* connections past the limit that are told so */
    API_STATUSES_MAX = 40,
    API_BUCKETS_COUNT = 12
};

enum api_refusal {
    API_REFUSED_FULL,
    API_REFUSED_PEER,
    API_REFUSED_NO_MEMORY,
    API_REFUSALS_COUNT
};

enum conn_state {
    CONN_FREE,
    CONN_HEAD,      /* reads a head, or waits for its first byte */
    CONN_BODY,      /* reads a body */
    CONN_WAITING,   /* the shell holds its ticket */
    CONN_STREAMING, /* events are its answer, for as long as they come */
    CONN_FLUSHING,  /* the last answer leaves */
    CONN_LINGERING  /* input is dropped, so that no reset eats the answer */
};

#define REQUEST_ID_SIZE 65 /* with its zero */

/* Why a connection has a time until which something must have happened. */
enum conn_deadline {
    DEADLINE_NONE, /* counts those that were cut for room */
    DEADLINE_HEAD, /* absolute, from its first byte */
    DEADLINE_IDLE,
    DEADLINE_BODY,  /* a window in which enough must come in */
    DEADLINE_WRITE, /* a window in which enough must leave */
    DEADLINE_LINGER,
    DEADLINES_COUNT
};

/* What the answer to a ticket is made of. */
enum answer_form {
    ANSWER_RESULT, /* the result's bytes, or a problem */
    ANSWER_JOB,    /* the job with its result, or a problem */
    ANSWER_VIEW    /* the job, whatever became of it */
};

struct route;

struct conn {
    struct api *api;
    struct net_conn *net;
    struct conn *next; /* in its deadline's list, oldest first; also the free list */
    struct conn *previous;
    enum conn_deadline deadline_kind;
    instant_t deadline;
    uint64_t window_size;  /* body bytes, or sent bytes, when the window began */
    uint64_t written_size; /* of all answers so far */
    enum conn_state state;
    struct net_peer peer;
    bool is_refused;    /* one of the spare slots: it is only told so */
    bool has_overflown; /* it pipelined more than we keep; the rest is dropped */
    bool in_process;    /* conn_process is on the stack */
    bool has_hung_up;   /* the client sends no more */
    bool must_close;    /* after this answer */
    bool is_head;       /* HEAD: an answer without its body */
    uint8_t version_minor;
    api_ticket_t ticket; /* 0: none */
    enum answer_form form;
    job_id_t job;                      /* that it waits for */
    struct loop_timer *wait_timer;     /* when it has waited enough; made when first needed */
    struct prefer prefer;              /* of its request */
    char request_id[REQUEST_ID_SIZE];  /* its client's, or ours; "" before there is one */
    char traceparent[TRACE_TEXT_SIZE]; /* of its job; "": none */
    bool is_replayed;                  /* an Idempotency-Key found this job */
    uint64_t cursor;                   /* STREAMING: the next event that it wants */
    bool is_of_other_epoch;            /* it has seen another process's events */
    bool has_gap;                      /* it has not seen all there was */
    instant_t began_at;
    const struct route *route; /* NULL: none matched */
    uint8_t *head;             /* of a request whose body came later: a copy; NULL */
    uint8_t *body;
    size_t body_size;
    size_t body_room;
    size_t lingered_size;
    size_t held_size;   /* body and unsent bytes, as counted in api->held_size */
    struct codec codec; /* last: only its beginning is reset */
};

struct conn_list {
    struct conn *first;
    struct conn *last;
};

struct route_counts {
    uint64_t by_status[API_STATUSES_MAX];
    uint64_t buckets[API_BUCKETS_COUNT];
    uint64_t sum_us;
    uint64_t count;
};

#define API_RANDOM_IDS 64

struct api {
    struct loop *loop;
    struct net_listener *listener;
    struct loop_timer *timer;
    instant_t timer_at;
    struct api_backend backend;
    struct api_config config;
    duration_t times[DEADLINES_COUNT];
    uint64_t window_size_min; /* bytes in a window */
    struct conn *conns;
    uint32_t conns_count; /* slots, the spare ones too */
    uint32_t open_count;
    uint64_t held_size; /* of all connections, at most limits.held_max and one answer */
    struct conn *free;
    uint8_t random[API_RANDOM_IDS][10]; /* for the next ids */
    uint32_t random_ids_left;
    struct keys *keys;
    struct feed *feed;
    uint32_t events_epoch;
    uint32_t streams_count;
    uint32_t streams_max;
    bool has_news;         /* for some stream */
    struct access *access; /* NULL: everybody may do everything */
    struct conn_list deadlines[DEADLINES_COUNT];
    uint64_t ticket_last;
    uint64_t requests_count;
    bool is_closing;
    uint16_t port;
    struct out out; /* of the answer that is being made */
    char date[40];  /* the Date header's value */
    uint64_t date_s;
    struct route_counts *counts;                /* by route, the last for none */
    uint64_t refused_count[API_REFUSALS_COUNT]; /* connections */
    struct codec_limits codec_limits;           /* body: the largest that any route takes */
    bool checks_host;
    uint64_t gone_count; /* clients that left while they waited */
    uint64_t cut_count[DEADLINES_COUNT];
};

/* One complete request, for the time of its dispatch. */
struct request {
    struct conn *conn;
    const uint8_t *head; /* the codec's ranges point into it */
    const char *tenant;  /* whose token it came with; NULL: nobody's, and none is needed */
    struct slice path;
    struct slice query;
    struct slice body;
    char capture[CORE_NAME_SIZE_MAX * 2]; /* what the route's {} matched, decoded */
};

/* ---- conn.c --------------------------------------------------------------------------- */

void conn_accept(void *user, int fd, const struct net_peer *peer);
void conn_process(struct conn *conn);
void conn_close(struct conn *conn);
/* Count anew what it holds.  false: all together hold too much. */
bool conn_count_held(struct conn *conn);
/* Nothing more is read from it: send what is there, then close. */
void conn_finish(struct conn *conn);
/* A ticket for the shell; it must be stopped again before the connection is closed. */
api_ticket_t conn_start_waiting(struct conn *conn);
/* NULL: it was told gone meanwhile.  Answer it, then conn_process(). */
struct conn *api_take_waiting(struct api *api, api_ticket_t ticket);
/* The ticket was answered, or withdrawn: the connection may read on. */
void conn_stop_waiting(struct conn *conn);
/* The client is no more: the shell is told if it holds its ticket. */
void conn_gone(struct conn *conn);

/* ---- conn_late.c ---------------------------------------------------------------------- */

void conn_set_deadline(struct conn *conn, enum conn_deadline kind);
/* What the connection owes us, given its state. */
void conn_update_deadline(struct conn *conn);
void conn_on_timer(void *user);

/* ---- routes.c ------------------------------------------------------------------------- */

enum route_body {
    BODY_SMALL,
    BODY_INPUT,
    BODY_DOCUMENT /* JSON around an input: base64 and escapes make it larger */
};

struct route {
    enum codec_method method;
    const char *pattern; /* {} matches one segment, or the part of it before a colon */
    void (*handle)(struct request *request);
    enum route_body body;
    enum access_scope scope; /* what a token must be good for */
    /* For /openapi.json. */
    const char *summary;
    const char *query;   /* parameters that it takes, with blanks between */
    const char *answers; /* statuses beside those that any request may get; "200:job" */
};

/* Answers the request, or leaves a ticket. */
void routes_dispatch(struct request *request);
/* Before the body is there: true when it was answered already.  Sets the body's limit. */
bool routes_refuse_early(struct request *request);
unsigned routes_count(void);
const struct route *routes_at(unsigned index);
/* index == routes_count(): requests that matched none. */
void routes_name(unsigned index, const char **ret_method, const char **ret_pattern);
unsigned routes_index(const struct route *route);

/* The next parameter of the query, decoded; false: no more.  *ret_is_bad: an escape that
 * cannot be decoded, or a part that is too long. */
struct query_part {
    char key[64];
    char value[256];
};
bool routes_next_query(struct slice *query, struct query_part *ret_part, bool *ret_is_bad);
/* Answers that there is no such parameter; always false. */
bool query_refuse(struct conn *conn, const struct query_part *part, const char *const *known,
    unsigned known_count);
/* Gives each known parameter's value, "" where it is not there; false: answered. */
bool query_read(struct request *request, const char *const *known, unsigned known_count,
    struct query_part *values);
/* false: there is a parameter where none is known, and it was refused. */
bool query_refuse_all(struct request *request);

/* ---- submit.c ------------------------------------------------------------------------- */

void submit_job(struct request *request);
void submit_invoke(struct request *request);
/* true: answered, since nobody ever offered this handler. */
bool submit_refuse_early(struct request *request);
const char *submit_nearest_handler(const struct api *api, const char *handler);

/* ---- submit_headers.c ----------------------------------------------------------------- */

/* false: answered, since it is there twice.  *ret_value is empty when it is not there. */
bool request_find_once(struct request *request, struct slice name, struct slice *ret_value);

/* ---- wait.c --------------------------------------------------------------------------- */

/* Answered when the job is over, or as it is after so long; zero: for any time. */
void wait_for_job(struct conn *conn, job_id_t job, enum answer_form form, duration_t time);
/* Before waiting: make the timer.  false: answered. */
bool wait_can_end(struct conn *conn);
void wait_at_most(struct conn *conn, duration_t time);
void wait_on_timer(void *user);

/* ---- handlers.c ----------------------------------------------------------------------- */

void handle_job(struct request *request);
void handle_job_attempts(struct request *request);
void handle_job_result(struct request *request);
void handle_job_cancel(struct request *request);
void handle_jobs(struct request *request);
void handle_workers(struct request *request);
void handle_handlers(struct request *request);
void handle_samples(struct request *request); /* samples.c */
void handle_hedging(struct request *request); /* hedging.c */
void handle_hedging_put(struct request *request);
void handle_live(struct request *request);
void handle_ready(struct request *request);
void handle_version(struct request *request);
void handle_metrics(struct request *request);

/* ---- events.c ------------------------------------------------------------------------- */

void handle_job_events(struct request *request);
void handle_events(struct request *request);
/* Write what this stream has not seen, as far as its client reads. */
void events_pump(struct conn *conn);
/* A comment, by which both ends see that the other is there. */
void events_beat(struct conn *conn);
void events_on_turn_end(void *user);

/* ---- openapi.c ------------------------------------------------------------------------ */

void handle_openapi(struct request *request);
/* The path as the document has it: "/v1/jobs/{id}". */
void openapi_path(const char *pattern, char *path, size_t room);

/* ---- recall.c ------------------------------------------------------------------------- */

/* Ask the store, and answer that there is no such job if there is none to ask. */
void recall_or_unknown(struct conn *conn, const struct api_recall *recall);

/* ---- job_json.c ----------------------------------------------------------------------- */

void out_hedges_refused(struct out *out, const struct handler_view *handler);

enum result_form {
    RESULT_INLINE,       /* always */
    RESULT_INLINE_SMALL, /* up to 64 KiB */
    RESULT_NOT_INLINE
};

void job_json(struct api *api, const struct job_view *job, enum result_form form);
void job_json_attempts(struct api *api, const struct job_view *job);
void worker_json(struct api *api, const struct worker_view *worker);
void handler_json(struct api *api, const struct handler_view *handler);
/* When its first copy started; NEVER before. */
instant_t job_started_at(const struct job_view *job);
/* It is terminal, and every copy has ended. */
bool job_is_settled(const struct job_view *job);

/* ---- reply.c -------------------------------------------------------------------------- */

struct reply {
    unsigned status;
    const char *content_type;
    struct slice body;
    const struct job_view *job; /* the X-Job headers; NULL */
    job_id_t job_id;            /* X-Job-Id alone; none */
    duration_t retry_after;     /* zero: no header */
    const char *allow;          /* NULL */
    const char *authenticate;   /* NULL */
    bool is_result;             /* bytes of a handler's: no browser may run them */
    bool is_accepted;           /* Location */
};

void reply_send(struct conn *conn, const struct reply *reply);
/* The head of a stream of events.  false: closed. */
bool reply_begin_stream(struct conn *conn);
/* What is in api->out as JSON. */
void reply_json(struct conn *conn, unsigned status, const struct job_view *job);

struct problem {
    unsigned status;
    const char *code;
    const char *title;
    const char *detail;
    const char *field; /* NULL: left out, as the others */
    const char *nearest;
    const struct job_view *job;
    bool has_job_id; /* job_id alone, where there is no view */
    job_id_t job_id;
    bool is_retryable;
    uint64_t limit; /* 0: none */
    const char *unit;
    duration_t retry_after;
    const char *allow;
    const char *authenticate; /* WWW-Authenticate */
};

void reply_problem(struct conn *conn, const struct problem *problem);
/* 400 bad-request about one field. */
void reply_bad_field(struct conn *conn, const char *field, const char *nearest,
    const char *format, ...) __attribute__((format(printf, 4, 5)));
void reply_too_big(struct conn *conn, const char *field, uint64_t limit);
void reply_no_memory(struct conn *conn); /* and closes */
/* No token, or one that is none of ours: nobody learns which. */
void reply_no_token(struct conn *conn);
void reply_not_in_scope(struct conn *conn, const char *scope);
void reply_unknown_job(struct conn *conn, job_id_t id);
/* The job was not taken. */
void reply_refused(struct conn *conn, const char *handler, const struct core_command *refuse);
/* An Idempotency-Key that came with another request; whose job cannot be promised yet; or
 * whose job is no longer kept. */
void reply_key_reused(struct conn *conn, job_id_t id);
void reply_key_in_flight(struct conn *conn, job_id_t id);
void reply_key_outlived(struct conn *conn, job_id_t id);
/* The job was taken, and nobody waits for it. */
void reply_accepted(struct conn *conn, job_id_t id);
/* Of a job that did not succeed. */
void reply_job_problem(struct conn *conn, const struct job_view *job);
/* Answers for a job as the form says. */
void reply_job(struct conn *conn, const struct job_view *job, enum answer_form form);
const char *reply_reason(unsigned status);
/* The index-th of API_STATUSES_MAX. */
unsigned reply_status_at(unsigned index);

/* ---- api_metrics.c -------------------------------------------------------------------- */

void api_count_request(struct conn *conn, unsigned status_index);
/* Appends to api->out. */
void api_metrics(struct api *api);

#endif
