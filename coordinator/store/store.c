/* SPDX-License-Identifier: MIT
 *
 * The queue to the store's thread, group commit, and what happens when the disk fails.
 *
 *               a transaction fails             once a second: a probe is committed
 *     WORKING -------------------------> FAILING ---------------------------------> WORKING
 *                                        writes fail at once, FINISH is held, reads go on
 */
#include "coordinator/store/store.h"

#include "common/sys/clock.h"
#include "common/sys/log.h"
#include "coordinator/store/engine.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define BATCH_MAX   1024
#define SCHEME      "sqlite:"
#define PROBE_EVERY duration_s(1)

struct op_list {
    struct store_op *first;
    struct store_op *last;
};

struct store {
    struct engine *engine;
    char *where;
    struct loop_wake *done_wake;
    uint32_t ops_max;
    uint32_t batch_max;
    uint32_t ops_count; /* the loop's: those that were given out */
    pthread_t thread;
    bool has_thread;
    pthread_mutex_t mutex; /* a leaf; guards what follows */
    pthread_cond_t queued;
    bool is_closing;
    err_t failing_why; /* ERR_OK: working */
    struct op_list queue;
    struct op_list done;
    struct store_counters counters;

    struct op_list held; /* the thread's own: FINISHes that wait for the disk */
    struct store_op *batch[BATCH_MAX];
};

/* ---- lists ---------------------------------------------------------------------------- */

static void
list_push(struct op_list *list, struct store_op *op)
{
    op->next = NULL;
    if (list->last != NULL) {
        list->last->next = op;
    } else {
        list->first = op;
    }
    list->last = op;
}

static struct store_op *
list_pop(struct op_list *list)
{
    struct store_op *op = list->first;
    if (op != NULL) {
        list->first = op->next;
        list->last = list->first == NULL ? NULL : list->last;
    }
    return op;
}

/* first stands before what second held. */
static void
list_prepend(struct op_list *second, struct op_list *first)
{
    if (first->first == NULL) {
        return;
    }
    first->last->next = second->first;
    second->first = first->first;
    second->last = second->last == NULL ? first->last : second->last;
    *first = (struct op_list){ 0 };
}

/* ---- operations ------------------------------------------------------------------------ */

err_t
store_bytes_copy(struct store_bytes *to, const void *from, uint32_t size)
{
    *to = (struct store_bytes){ 0 };
    if (size == 0) {
        return ERR_OK;
    }
    to->at = malloc(size);
    if (to->at == NULL) {
        return ERR_NO_MEMORY;
    }
    memcpy(to->at, from, size);
    to->size = size;
    return ERR_OK;
}

static void
bytes_free(struct store_bytes *bytes)
{
    free(bytes->at);
    *bytes = (struct store_bytes){ 0 };
}

static void
job_free_bytes(struct store_job *job)
{
    bytes_free(&job->options);
    bytes_free(&job->input);
    bytes_free(&job->result);
    bytes_free(&job->document);
}

static void
page_free(struct store_op *op)
{
    for (uint32_t i = 0; op->page != NULL && i < op->page_count; i++) {
        job_free_bytes(&op->page[i]);
    }
    free(op->page);
    op->page = NULL;
    op->page_count = 0;
}

static void
op_destroy(struct store_op *op)
{
    job_free_bytes(&op->job);
    page_free(op);
    free(op);
}

err_t
store_op_new(struct store *store, enum store_op_kind kind, struct store_op **ret_op)
{
    if (store->ops_count >= store->ops_max) {
        return ERR_FULL;
    }
    struct store_op *op = calloc(1, sizeof *op);
    if (op == NULL) {
        return ERR_NO_MEMORY;
    }
    op->kind = kind;
    store->ops_count++;
    *ret_op = op;
    return ERR_OK;
}

void
store_op_free(struct store *store, struct store_op *op)
{
    CHECK(store->ops_count > 0);

    store->ops_count--;
    op_destroy(op);
}

void
store_do(struct store *store, struct store_op *op)
{
    CHECK(op->on_done != NULL);

    pthread_mutex_lock(&store->mutex);
    list_push(&store->queue, op);
    pthread_cond_signal(&store->queued);
    pthread_mutex_unlock(&store->mutex);
}

/* ---- the thread ------------------------------------------------------------------------- */

static void
complete(struct store *store, struct store_op *op)
{
    pthread_mutex_lock(&store->mutex);
    list_push(&store->done, op);
    store->counters.operations_count++;
    pthread_mutex_unlock(&store->mutex);
}

static void
set_failing(struct store *store, err_t why)
{
    pthread_mutex_lock(&store->mutex);
    err_t before = store->failing_why;
    store->failing_why = why;
    store->counters.is_failing = why != ERR_OK;
    store->counters.failures_count += why != ERR_OK;
    pthread_mutex_unlock(&store->mutex);
    if (why != ERR_OK && before == ERR_OK) {
        log_error("store cannot write, durable jobs are refused", LOG_ERR(why));
    } else if (why == ERR_OK && before != ERR_OK) {
        log_info("store writes again");
    }
}

static err_t
apply(struct store *store, struct store_op **ops, uint32_t count)
{
    instant_t began = clock_now();
    err_t err = sqlite_apply(store->engine, ops, count);
    duration_t took = instant_since(clock_now(), began);
    pthread_mutex_lock(&store->mutex);
    store->counters.commits_count += err == ERR_OK;
    store->counters.commit_ns += (uint64_t) took.ns;
    pthread_mutex_unlock(&store->mutex);
    return err;
}

/* With a disk that fails: what can be done is done, what must be done is held. */
static void
do_failing(struct store *store, struct store_op *op, err_t why)
{
    switch (op->kind) {
    case STORE_FINISH: list_push(&store->held, op); return;
    case STORE_READ:
    case STORE_PENDING:
    case STORE_LIST: {
        job_free_bytes(&op->job); /* what a first try has read */
        page_free(op);
        err_t err = apply(store, &op, 1);
        op->err = err != ERR_OK ? err : op->err;
        break;
    }
    case STORE_INSERT:
    case STORE_START:
    case STORE_REMOVE:
    case STORE_EXPIRE: op->err = why; break;
    }
    complete(store, op);
}

static void
do_batch(struct store *store, uint32_t count)
{
    err_t why = store->failing_why; /* only this thread writes it */
    if (why == ERR_OK) {
        why = apply(store, store->batch, count);
        if (why != ERR_OK) {
            set_failing(store, why);
        }
    }
    for (uint32_t i = 0; i < count; i++) {
        if (why == ERR_OK) {
            complete(store, store->batch[i]);
        } else {
            do_failing(store, store->batch[i], why);
        }
    }
    loop_wake_post(store->done_wake);
}

static void
probe(struct store *store)
{
    err_t err = sqlite_probe(store->engine);
    if (err != ERR_OK) {
        set_failing(store, err);
        return;
    }
    set_failing(store, ERR_OK);
    pthread_mutex_lock(&store->mutex);
    list_prepend(&store->queue, &store->held);
    pthread_mutex_unlock(&store->mutex);
}

/* Until there is something to do, or it is time for a probe. */
static void
wait_for_work(struct store *store, instant_t probe_at)
{
    const struct timespec until = { .tv_sec = probe_at.ns / 1000000000,
        .tv_nsec = probe_at.ns % 1000000000 };
    while (store->queue.first == NULL && !store->is_closing) {
        if (store->failing_why == ERR_OK) {
            pthread_cond_wait(&store->queued, &store->mutex);
        } else if (pthread_cond_timedwait(&store->queued, &store->mutex, &until) == ETIMEDOUT) {
            return;
        }
    }
}

static uint32_t
take_batch(struct store *store)
{
    uint32_t count = 0;
    while (count < store->batch_max && store->queue.first != NULL) {
        store->batch[count++] = list_pop(&store->queue);
    }
    return count;
}

static void *
thread_main(void *user)
{
    struct store *store = user;
    instant_t probe_at = INSTANT_NEVER;
    for (;;) {
        pthread_mutex_lock(&store->mutex);
        wait_for_work(store, probe_at);
        uint32_t count = take_batch(store);
        bool is_over = count == 0 && store->is_closing;
        pthread_mutex_unlock(&store->mutex);
        if (is_over) {
            return NULL;
        }
        if (count > 0) {
            do_batch(store, count);
        }
        if (store->failing_why == ERR_OK) {
            probe_at = INSTANT_NEVER;
        } else if (instant_is_never(probe_at)) {
            probe_at = instant_add(clock_now(), PROBE_EVERY);
        } else if (instant_reached(clock_now(), probe_at)) {
            probe(store);
            probe_at = instant_add(clock_now(), PROBE_EVERY);
        }
    }
}

/* ---- the loop's side ----------------------------------------------------------------- */

static void
on_done_wake(void *user)
{
    struct store *store = user;
    pthread_mutex_lock(&store->mutex);
    struct op_list done = store->done;
    store->done = (struct op_list){ 0 };
    pthread_mutex_unlock(&store->mutex);
    struct store_op *op;
    while ((op = list_pop(&done)) != NULL) {
        op->on_done(op->user, op); /* its own again */
    }
}

bool
store_is_writable(const struct store *store, err_t *ret_why)
{
    struct store *locked = (struct store *) store;
    pthread_mutex_lock(&locked->mutex);
    *ret_why = store->failing_why;
    pthread_mutex_unlock(&locked->mutex);
    return *ret_why == ERR_OK;
}

void
store_counters(const struct store *store, struct store_counters *ret_counters)
{
    struct store *locked = (struct store *) store;
    pthread_mutex_lock(&locked->mutex);
    *ret_counters = store->counters;
    pthread_mutex_unlock(&locked->mutex);
    ret_counters->under_way_count = store->ops_count;
}

static err_t
start_thread(struct store *store)
{
    int error = pthread_create(&store->thread, NULL, thread_main, store);
    store->has_thread = error == 0;
    return error == 0 ? ERR_OK : err_from_errno(error);
}

err_t
store_open(struct loop *loop, const struct store_config *config, struct store **ret_store,
    char message[256])
{
    if (strncmp(config->url, SCHEME, strlen(SCHEME)) != 0 ||
        config->url[strlen(SCHEME)] == '\0') {
        snprintf(message, 256, "'%s' is no store; write sqlite:FILE or memory:", config->url);
        return ERR_INVALID;
    }
    snprintf(message, 256, "out of memory");
    struct store *store = calloc(1, sizeof *store);
    if (store == NULL) {
        return ERR_NO_MEMORY;
    }
    store->ops_max = config->ops_max;
    bool is_set = config->batch_max > 0 && config->batch_max < BATCH_MAX;
    store->batch_max = is_set ? config->batch_max : BATCH_MAX;
    pthread_mutex_init(&store->mutex, NULL);
    pthread_condattr_t monotonic;
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&store->queued, &monotonic);
    pthread_condattr_destroy(&monotonic);
    store->where = strdup(config->url + strlen(SCHEME));
    err_t err = store->where == NULL ? ERR_NO_MEMORY : ERR_OK;
    if (err == ERR_OK) {
        err = sqlite_open(store->where, config, &store->engine, message);
    }
    if (err == ERR_OK) {
        err = loop_wake_new(loop, on_done_wake, store, &store->done_wake);
    }
    if (err == ERR_OK) {
        err = start_thread(store);
    }
    if (err != ERR_OK) {
        store_close(store);
        return err;
    }
    *ret_store = store;
    return ERR_OK;
}

static void
drop_all(struct op_list *list)
{
    struct store_op *op;
    while ((op = list_pop(list)) != NULL) {
        op_destroy(op);
    }
}

void
store_close(struct store *store)
{
    if (store == NULL) {
        return;
    }
    if (store->has_thread) {
        pthread_mutex_lock(&store->mutex);
        store->is_closing = true;
        pthread_cond_signal(&store->queued);
        pthread_mutex_unlock(&store->mutex);
        pthread_join(store->thread, NULL);
    }
    sqlite_close(store->engine);
    loop_wake_free(store->done_wake);
    drop_all(&store->done);
    drop_all(&store->held); /* unfinished on disk too: they run again */
    drop_all(&store->queue);
    pthread_cond_destroy(&store->queued);
    pthread_mutex_destroy(&store->mutex);
    free(store->where);
    free(store);
}
