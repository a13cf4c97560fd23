/* SPDX-License-Identifier: MIT */
#include "coordinator/cli/progress.h"

#include "common/sys/clock.h"
#include "coordinator/cli/out.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <time.h>

#define FIRST_MS 1000
#define STEP_MS  100

struct progress {
    const char *text;
    instant_t begun_at;
    pthread_t thread;
    pthread_mutex_t mutex; /* guards is_over */
    pthread_cond_t over;   /* on the monotonic clock */
    bool is_over;
};

static struct timespec
timespec_of(instant_t instant)
{
    return (struct timespec){ .tv_sec = instant.ns / 1000000000,
        .tv_nsec = instant.ns % 1000000000 };
}

static void
draw(const struct progress *progress)
{
    char took[OUT_NUMBER_SIZE_MAX];
    out_ms_text(duration_to_s(instant_since(clock_now(), progress->begun_at)) * 1000, took);
    fprintf(stderr, "\r\033[K%s%s, %s%s", out_begin(stderr, OUT_DIM), progress->text, took,
        out_end(stderr));
    fflush(stderr);
}

static void *
progress_main(void *user)
{
    struct progress *progress = user;
    instant_t next = instant_add(progress->begun_at, duration_ms(FIRST_MS));
    bool was_drawn = false;
    pthread_mutex_lock(&progress->mutex);
    while (!progress->is_over) {
        struct timespec until = timespec_of(next);
        if (pthread_cond_timedwait(&progress->over, &progress->mutex, &until) == ETIMEDOUT) {
            draw(progress);
            was_drawn = true;
            next = instant_add(next, duration_ms(STEP_MS));
        }
    }
    pthread_mutex_unlock(&progress->mutex);
    if (was_drawn) {
        fprintf(stderr, "\r\033[K");
        fflush(stderr);
    }
    return NULL;
}

/* Signals are for the thread that waits. */
static bool
thread_start(struct progress *progress)
{
    sigset_t all;
    sigset_t before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    bool ok = pthread_create(&progress->thread, NULL, progress_main, progress) == 0;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return ok;
}

struct progress *
progress_start(const char *text, bool is_quiet)
{
    if (is_quiet || !out_stderr_is_terminal()) {
        return NULL;
    }
    struct progress *progress = calloc(1, sizeof *progress);
    if (progress == NULL) {
        return NULL;
    }
    progress->text = text;
    progress->begun_at = clock_now();
    pthread_condattr_t monotonic;
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_mutex_init(&progress->mutex, NULL);
    pthread_cond_init(&progress->over, &monotonic);
    pthread_condattr_destroy(&monotonic);
    if (!thread_start(progress)) {
        pthread_cond_destroy(&progress->over);
        pthread_mutex_destroy(&progress->mutex);
        free(progress);
        return NULL;
    }
    return progress;
}

void
progress_stop(struct progress *progress)
{
    if (progress == NULL) {
        return;
    }
    pthread_mutex_lock(&progress->mutex);
    progress->is_over = true;
    pthread_cond_signal(&progress->over);
    pthread_mutex_unlock(&progress->mutex);
    pthread_join(progress->thread, NULL);
    pthread_cond_destroy(&progress->over);
    pthread_mutex_destroy(&progress->mutex);
    free(progress);
}
