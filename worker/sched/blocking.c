/* SPDX-License-Identifier: MIT
 *
 * worker/sched/blocking.c - threads for calls that block: hr_blocking().
 *
 * Threads are started as jobs find none idle, up to the maximum; after that jobs queue.  A
 * job lies on its fiber's stack; when the fiber has been claimed it is not touched again.
 *
 * THREADS  its own pool; pthread mutex and condition, because these threads carry no proc.
 */
#include "worker/sched/park.h"
#include "worker/sched/runtime.h"

#include "common/pure/check.h"

#include <errno.h>
#include <stdlib.h>

enum {
    JOBS_COUNT_MAX = 4096
};

struct job {
    struct job *next;
    hr_fn *fn;
    void *arg;
    uint64_t handle;
};

static struct {
    pthread_mutex_t mutex; /* guards everything */
    pthread_cond_t work;
    struct job *head;
    struct job *tail;
    uint32_t jobs_count;
    uint32_t idle_count;
    uint32_t threads_count;
    uint32_t threads_count_max;
    pthread_t *threads;
    bool is_over;
} blocking = { .mutex = PTHREAD_MUTEX_INITIALIZER, .work = PTHREAD_COND_INITIALIZER };

bool
blocking_start(uint32_t threads_count_max)
{
    blocking.threads = calloc(threads_count_max, sizeof *blocking.threads);
    blocking.threads_count_max = threads_count_max;
    blocking.threads_count = 0;
    blocking.is_over = false;
    return blocking.threads != NULL;
}

void
blocking_stop(void)
{
    pthread_mutex_lock(&blocking.mutex);
    CHECK(blocking.jobs_count == 0);
    blocking.is_over = true;
    pthread_cond_broadcast(&blocking.work);
    pthread_mutex_unlock(&blocking.mutex);
    for (uint32_t i = 0; i < blocking.threads_count; i++) {
        pthread_join(blocking.threads[i], NULL);
    }
    free(blocking.threads);
    blocking.threads = NULL;
    blocking.threads_count = 0;
}

static struct job *
job_take_locked(void)
{
    while (blocking.head == NULL && !blocking.is_over) {
        blocking.idle_count++;
        pthread_cond_wait(&blocking.work, &blocking.mutex);
        blocking.idle_count--;
    }
    struct job *job = blocking.head;
    if (job != NULL) {
        blocking.head = job->next;
        blocking.jobs_count--;
    }
    return job;
}

static void *
blocking_main(void *arg)
{
    (void) arg;
    runtime_signals_block();
    for (;;) {
        pthread_mutex_lock(&blocking.mutex);
        struct job *job = job_take_locked();
        pthread_mutex_unlock(&blocking.mutex);
        if (job == NULL) {
            return NULL;
        }
        job->fn(job->arg);
        park_wake(NULL, job->handle, WOKEN_OK);
    }
}

/* Enough threads for what waits?  Under the mutex. */
static void
grow_locked(void)
{
    if (blocking.jobs_count <= blocking.idle_count ||
        blocking.threads_count == blocking.threads_count_max) {
        return;
    }
    pthread_t *id = &blocking.threads[blocking.threads_count];
    if (pthread_create(id, NULL, blocking_main, NULL) == 0) {
        pthread_setname_np(*id, "hr-blocking");
        blocking.threads_count++;
    }
}

static bool
job_push(struct job *job)
{
    pthread_mutex_lock(&blocking.mutex);
    bool has_room = blocking.jobs_count < JOBS_COUNT_MAX;
    if (has_room) {
        job->next = NULL;
        if (blocking.head == NULL) {
            blocking.head = job;
        } else {
            blocking.tail->next = job;
        }
        blocking.tail = job;
        blocking.jobs_count++;
        grow_locked();
        if (blocking.threads_count == 0) {
            blocking.head = NULL; /* no thread is to be had: nobody would ever run it */
            blocking.jobs_count = 0;
            has_room = false;
        }
        pthread_cond_signal(&blocking.work);
    }
    pthread_mutex_unlock(&blocking.mutex);
    return has_room;
}

int
hr_blocking(hr_fn *fn, void *arg)
{
    struct hr_fiber *self = fiber_self();
    if (self == NULL) {
        fn(arg); /* a plain thread may block itself */
        return 0;
    }
    proc_enter(self);
    CHECK(park_begin(self, /* is_cancellable= */ false));
    struct job job = { .fn = fn, .arg = arg, .handle = park_handle(self) };
    int err = 0;
    if (job_push(&job)) {
        CHECK(park_wait(self, NULL, "blocking") == WOKEN_OK);
    } else {
        CHECK(park_abandon(self));
        err = -EAGAIN;
    }
    proc_leave_parks(self);
    return err;
}
