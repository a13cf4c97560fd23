/* SPDX-License-Identifier: MIT
 *
 * coordinator/store/store.h - jobs that must outlive the process, behind one header.
 *
 *     loop thread                          store thread
 *     store_do(op) ---> queue ---------->  take all that wait
 *                                          one transaction, one fsync   (group commit)
 *     op->on_done(op) <--- wake <--------  hand them back
 *
 * What is done is on disk: an operation that comes back with OK survives a crash at any
 * later moment, and one that comes back with an error changed nothing.  Operations take
 * effect in the order of their store_do().
 *
 *           INSERT             START             FINISH          REMOVE, EXPIRE
 *     (none) -------> WAITING ---------> STARTED ---------> ENDED --------------> (none)
 *                        '------------ FINISH ---------------^
 *
 * INVARIANTS  D1  a job becomes ENDED once; what is kept of it never changes afterwards
 *             D2  START and FINISH take effect only under the fence of the job's last owner:
 *                 every opening of the store raises it
 *             D3  a key names one job, until it expires with that job
 * FAILURE     a full disk or a failed fsync fails what is in that transaction, and every
 *             INSERT and START after it at once, until a probe has been written (it is tried
 *             once a second, on a database that was opened anew).  A FINISH is never failed:
 *             it waits for that moment.  Reads go on.
 * OWNERSHIP   store_op_new gives an op; store_do takes it until on_done, which may use it
 *             again or free it.  An op owns its texts and bytes.
 * THREADS     all calls and all on_done on the loop thread
 * MEMORY      ops_max operations in all, and what each carries
 * REJECTED    a commit for each job: an fsync costs milliseconds (the benchmark compares);
 *             a write-behind cache: acknowledged jobs would die with the process.
 */
#ifndef COORDINATOR_STORE_STORE_H
#define COORDINATOR_STORE_STORE_H

#include "common/edge/loop.h"
#include "common/pure/err.h"
#include "common/pure/id.h"

#include <stdbool.h>
#include <stdint.h>

#define STORE_NAME_SIZE_MAX        64
#define STORE_TYPE_SIZE_MAX        128
#define STORE_TRACEPARENT_SIZE_MAX 64
#define STORE_KEY_SIZE_MAX         256
#define STORE_OUTCOME_SIZE_MAX     32
#define STORE_FINGERPRINT_SIZE     32
#define STORE_PAGE_MAX             256

enum stored_state {
    STORED_WAITING, /* never given to a worker */
    STORED_STARTED, /* a copy may have run */
    STORED_ENDED
};

/* Bytes on the heap: NULL for none. */
struct store_bytes {
    uint8_t *at;
    uint32_t size;
};

struct store_job {
    job_id_t id;
    enum stored_state state;
    uint64_t fence;
    uint64_t created_ms; /* this and the next ones: wall clock, ms since 1970 */
    uint64_t run_at_ms;  /* not before */
    uint64_t deadline_ms;
    uint64_t ended_ms;
    char handler[STORE_NAME_SIZE_MAX];
    char content_type[STORE_TYPE_SIZE_MAX];
    char traceparent[STORE_TRACEPARENT_SIZE_MAX];
    char result_type[STORE_TYPE_SIZE_MAX];
    char outcome[STORE_OUTCOME_SIZE_MAX]; /* of an ENDED one: "SUCCEEDED", ... */
    struct store_bytes options;           /* the policy, in its owner's encoding */
    struct store_bytes input;
    struct store_bytes result;
    struct store_bytes document; /* of an ENDED one: what GET shows, for good */
};

enum store_op_kind {
    STORE_INSERT,  /* job, key; EXISTS: the id or the key is known (known is then whose) */
    STORE_START,   /* job.id, job.fence; NOT_FOUND unless WAITING under that fence */
    STORE_FINISH,  /* job.id, job.fence and all that an ENDED one has; NOT_FOUND as above */
    STORE_READ,    /* job.id; wants_input, wants_result */
    STORE_PENDING, /* jobs that have not ended, oldest first, after job.id: page */
    STORE_LIST,    /* ENDED jobs, newest first, before job.id (none: from the newest): page */
    STORE_REMOVE,  /* job.id, ENDED */
    STORE_EXPIRE   /* at most STORE_PAGE_MAX jobs that ended before job.ended_ms: page_count */
};

struct store_op {
    enum store_op_kind kind;
    err_t err;
    struct store_job job;
    char key[STORE_KEY_SIZE_MAX]; /* INSERT: Idempotency-Key with its scope, "" for none */
    uint8_t fingerprint[STORE_FINGERPRINT_SIZE]; /* of the request that key came with */
    job_id_t known;                              /* EXISTS: the key's job, or the id itself */
    bool is_other_request; /* EXISTS by a key that came with another fingerprint */
    bool wants_input;
    bool wants_result;
    char want_handler[STORE_NAME_SIZE_MAX]; /* LIST: only of this handler, "" for any */
    char want_outcome[STORE_OUTCOME_SIZE_MAX];
    struct store_job *page; /* of PENDING (no bytes) and LIST (documents) */
    uint32_t page_count;
    void (*on_done)(void *user, struct store_op *op);
    void *user;
    struct store_op *next; /* the queue's */
};

struct store;

struct store_config {
    const char *url;    /* sqlite:FILE */
    const char *vfs;    /* of SQLite, for tests; NULL: its own */
    uint32_t ops_max;   /* FULL past that many under way */
    uint32_t batch_max; /* operations in one transaction, at most 1024; 0: 1024 */
};

struct store_counters {
    uint64_t commits_count;
    uint64_t operations_count;
    uint64_t failures_count; /* transactions that came to nothing */
    uint64_t commit_ns;      /* time in all transactions */
    uint32_t under_way_count;
    bool is_failing;
};

/* Opens, migrates, and raises every fence.  Errors: INVALID (url), IN_USE (another process
 * has it), BAD_VERSION (written by a later Hedgerow), IO, FULL, PERMISSION, NO_MEMORY;
 * message says what happened in one sentence. */
err_t store_open(struct loop *loop, const struct store_config *config, struct store **ret_store,
    char message[256]) MUST_USE;
/* Does what is queued, tells nobody any more, closes. */
void store_close(struct store *store);

/* Zeroed.  Errors: FULL (ops_max), NO_MEMORY. */
err_t
store_op_new(struct store *store, enum store_op_kind kind, struct store_op **ret_op) MUST_USE;
void store_op_free(struct store *store, struct store_op *op);
void store_do(struct store *store, struct store_op *op);
/* false: an INSERT would fail; *ret_why the error that it would get. */
bool store_is_writable(const struct store *store, err_t *ret_why);
void store_counters(const struct store *store, struct store_counters *ret_counters);

/* Copies; NULL bytes for size 0. */
err_t store_bytes_copy(struct store_bytes *to, const void *from, uint32_t size) MUST_USE;

#endif
