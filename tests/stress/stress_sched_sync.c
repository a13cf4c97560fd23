/* SPDX-License-Identifier: MIT */
#include "tests/support/cunit_main.h"
#include "tests/support/sched_run.h"
#include "tests/support/stress.h"

#include <errno.h>
#include <stdatomic.h>

/* GOAL    the primitives that live in their user's memory (mutex, rwlock, condition,
 *         semaphore, wait group, flight) exclude, wake and count rightly while fibers give
 *         up, and do not touch that memory once its user may take it back.
 * METHOD  crowds of fibers on more procs than cores, under ctxs that end at random moments;
 *         invariants are checked inside of every critical section; who is last fills the
 *         memory with a pattern, which must be whole at the round's end. */
enum {
    TESTS_COUNT = 6,
    PROCS_COUNT = 4,
    CROWD_COUNT = 24,
    PATTERN = 0xa5
};

static bool
is_pattern(const void *memory, size_t size)
{
    const uint8_t *bytes = memory;
    for (size_t i = 0; i < size; i++) {
        if (bytes[i] != PATTERN) {
            return false;
        }
    }
    return true;
}

/* ---- a mutex that guards the count of its holders: who lets go last takes it away ---- */

struct refs {
    struct hr_mutex mutex;
    uint32_t count; /* guard: mutex */
    uint32_t inside;
    _Atomic uint32_t home;
};

static void
refs_let_go(struct refs *refs)
{
    bool is_last = --refs->count == 0;
    hr_mutex_unlock(&refs->mutex);
    if (is_last) {
        memset(&refs->mutex, PATTERN, sizeof refs->mutex);
    }
    atomic_fetch_add(&refs->home, 1);
}

static void
refs_holder(void *arg)
{
    struct refs *refs = arg;
    uint64_t dice = ((uint64_t) (uintptr_t) &dice ^ (uint64_t) hr_now()) | 1;
    while (hr_mutex_lock_ctx(&refs->mutex) == 0) {
        MUST(refs->inside++ == 0);
        for (volatile uint32_t i = dice_below(&dice, 20000); i > 0; i--) {
        }
        MUST(--refs->inside == 0);
        if (hr_cancelled()) { /* with waiters behind us that give up just now */
            refs_let_go(refs);
            return;
        }
        hr_mutex_unlock(&refs->mutex);
    }
    while (!hr_mutex_try_lock(&refs->mutex)) {
        hr_yield();
    }
    refs_let_go(refs);
}

static void
refs_rounds(void *arg)
{
    struct stress *stress = arg;
    while (stress_goes_on(stress)) {
        uint32_t count = 2 + dice_below(&stress->dice, 4);
        struct refs refs = { .count = count };
        struct hr_ctx *ctx = hr_ctx_new(NULL, hr_now() + dice_below(&stress->dice, 2000000));
        for (uint32_t i = 0; i < count; i++) {
            MUST(hr_go_ctx(ctx, refs_holder, &refs, "holder") == 0);
        }
        while (atomic_load(&refs.home) < count) {
            hr_sleep(20000);
        }
        MUST(is_pattern(&refs.mutex, sizeof refs.mutex));
        hr_ctx_rele(ctx);
    }
}

static void
sync_mutex_is_left_alone_after_unlock(void)
{
    struct stress stress = stress_begin(TESTS_COUNT);
    sched_run(PROCS_COUNT, refs_rounds, &stress);
    CU_PASS("no holder met another, nor the mutex's grave");
}

/* ---- a wait group whose waiter gave up, and comes again ---- */

struct flock {
    struct hr_wg wg;
    _Atomic bool is_left;
    struct hr_fiber *sheep[CROWD_COUNT];
};

static void
sheep(void *arg)
{
    struct hr_wg *wg = arg;
    for (volatile uint32_t i = 0; i < 300; i++) {
    }
    hr_wg_done(wg);
}

static void
shepherd(void *arg)
{
    struct flock *flock = arg;
    while (hr_wg_wait(&flock->wg) != 0) { /* cancelled: but the sheep must be home */
        hr_yield();
    }
    memset(&flock->wg, PATTERN, sizeof flock->wg);
    atomic_store(&flock->is_left, true);
}

static void
flock_rounds(void *arg)
{
    struct stress *stress = arg;
    while (stress_goes_on(stress)) {
        struct flock flock = { .wg = { { 0 } } };
        struct hr_ctx *ctx = hr_ctx_new(NULL, HR_NEVER);
        uint32_t count = 1 + dice_below(&stress->dice, CROWD_COUNT);
        hr_wg_add(&flock.wg, count);
        MUST(hr_go_ctx(ctx, shepherd, &flock, "shepherd") == 0);
        hr_yield();
        bool cancel_first = dice_below(&stress->dice, 2) == 0;
        if (cancel_first) {
            hr_ctx_cancel(ctx, HR_CAUSE_USER);
        }
        for (uint32_t i = 0; i < count; i++) {
            MUST(hr_spawn(sheep, &flock.wg, "sheep", &flock.sheep[i]) == 0);
        }
        hr_ctx_cancel(ctx, HR_CAUSE_USER);
        for (uint32_t i = 0; i < count; i++) {
            hr_join(flock.sheep[i]);
        }
        while (!atomic_load(&flock.is_left)) {
            hr_yield();
        }
        MUST(is_pattern(&flock.wg, sizeof flock.wg)); /* no done came after he had left */
        hr_ctx_rele(ctx);
    }
}

static void
sync_wg_is_left_alone_after_wait(void)
{
    struct stress stress = stress_begin(TESTS_COUNT);
    sched_run(PROCS_COUNT, flock_rounds, &stress);
    CU_PASS("no done came after the wait had returned");
}

/* ---- readers and writers ---- */

struct book {
    struct hr_rwlock lock;
    _Atomic int32_t readers;
    _Atomic int32_t writers;
    uint64_t pages[2]; /* guard: lock; always equal */
    _Atomic uint32_t home;
};

static void
book_user(void *arg)
{
    struct book *book = arg;
    uint64_t dice = ((uint64_t) (uintptr_t) &dice ^ (uint64_t) hr_now()) | 1;
    for (int i = 0; i < 30; i++) {
        if (dice_below(&dice, 4) == 0) {
            hr_rwlock_lock(&book->lock);
            MUST(atomic_fetch_add(&book->writers, 1) == 0);
            MUST(atomic_load(&book->readers) == 0);
            book->pages[0]++;
            if (dice_below(&dice, 4) == 0) {
                hr_yield();
            }
            book->pages[1]++;
            atomic_fetch_sub(&book->writers, 1);
            hr_rwlock_unlock(&book->lock);
        } else {
            hr_rwlock_lock_shared(&book->lock);
            atomic_fetch_add(&book->readers, 1);
            MUST(atomic_load(&book->writers) == 0);
            MUST(book->pages[0] == book->pages[1]);
            if (dice_below(&dice, 8) == 0) {
                hr_yield();
            }
            atomic_fetch_sub(&book->readers, 1);
            hr_rwlock_unlock_shared(&book->lock);
        }
    }
    atomic_fetch_add(&book->home, 1);
}

static void
book_rounds(void *arg)
{
    struct stress *stress = arg;
    while (stress_goes_on(stress)) {
        struct book book = { .home = 0 };
        for (int i = 0; i < CROWD_COUNT; i++) {
            MUST(hr_go(book_user, &book, "reader") == 0);
        }
        while (atomic_load(&book.home) < CROWD_COUNT) {
            hr_yield();
        }
    }
}

static void
sync_rwlock_keeps_writers_alone(void)
{
    struct stress stress = stress_begin(TESTS_COUNT);
    sched_run(PROCS_COUNT, book_rounds, &stress);
    CU_PASS("no writer met anybody");
}

/* ---- a bounded queue of one mutex and two conditions ---- */

struct shelf {
    struct hr_mutex mutex;
    struct hr_cond not_full, not_empty;
    uint32_t count; /* guard of all: mutex */
    uint64_t put, taken;
    _Atomic uint32_t home;
};

static void
shelf_putter(void *arg)
{
    struct shelf *shelf = arg;
    int err = 0;
    while (err == 0) {
        hr_mutex_lock(&shelf->mutex);
        while (err == 0 && shelf->count == 3) {
            err = hr_cond_wait(&shelf->not_full, &shelf->mutex);
        }
        if (err == 0) {
            shelf->count++;
            shelf->put++;
        }
        MUST(shelf->count <= 3);
        hr_mutex_unlock(&shelf->mutex);
        /* Also by one that has given up: its wake may have been another's. */
        hr_cond_signal(err == 0 ? &shelf->not_empty : &shelf->not_full);
    }
    atomic_fetch_add(&shelf->home, 1);
}

static void
shelf_taker(void *arg)
{
    struct shelf *shelf = arg;
    int err = 0;
    while (err == 0) {
        hr_mutex_lock(&shelf->mutex);
        while (err == 0 && shelf->count == 0) {
            err = hr_cond_wait(&shelf->not_empty, &shelf->mutex);
        }
        if (err == 0) {
            shelf->count--;
            shelf->taken++;
        }
        hr_mutex_unlock(&shelf->mutex);
        hr_cond_signal(err == 0 ? &shelf->not_full : &shelf->not_empty);
    }
    atomic_fetch_add(&shelf->home, 1);
}

static void
shelf_rounds(void *arg)
{
    struct stress *stress = arg;
    while (stress_goes_on(stress)) {
        struct shelf shelf = { .count = 0 };
        struct hr_ctx *ctx = hr_ctx_new(NULL, hr_now() + dice_below(&stress->dice, 3000000));
        for (int i = 0; i < CROWD_COUNT; i++) {
            MUST(hr_go_ctx(ctx, i % 2 == 0 ? shelf_putter : shelf_taker, &shelf, "shelf") == 0);
        }
        while (atomic_load(&shelf.home) < CROWD_COUNT) {
            hr_sleep(100000);
        }
        MUST(shelf.put == shelf.taken + shelf.count);
        hr_ctx_rele(ctx);
    }
}

static void
sync_cond_loses_no_wake(void)
{
    struct stress stress = stress_begin(TESTS_COUNT);
    sched_run(PROCS_COUNT, shelf_rounds, &stress);
    CU_PASS("all came home, and nothing was lost on the way");
}

/* ---- a semaphore: its units come back whoever gives up ---- */

struct pool {
    struct hr_sem sem;
    _Atomic int32_t free;
    _Atomic uint32_t home;
};

enum {
    UNITS_COUNT = 7
};

static void
pool_user(void *arg)
{
    struct pool *pool = arg;
    uint64_t dice = ((uint64_t) (uintptr_t) &dice ^ (uint64_t) hr_now()) | 1;
    for (;;) {
        uint32_t wanted = 1 + dice_below(&dice, UNITS_COUNT);
        if (hr_sem_take(&pool->sem, wanted) != 0) {
            break;
        }
        MUST(atomic_fetch_sub(&pool->free, (int32_t) wanted) >= (int32_t) wanted);
        if (dice_below(&dice, 4) == 0) {
            hr_yield();
        }
        atomic_fetch_add(&pool->free, (int32_t) wanted);
        hr_sem_give(&pool->sem, wanted);
    }
    atomic_fetch_add(&pool->home, 1);
}

static void
pool_rounds(void *arg)
{
    struct stress *stress = arg;
    while (stress_goes_on(stress)) {
        struct pool pool = { .free = UNITS_COUNT };
        hr_sem_init(&pool.sem, UNITS_COUNT);
        struct hr_ctx *ctxs[CROWD_COUNT];
        for (int i = 0; i < CROWD_COUNT; i++) { /* they give up one after the other */
            ctxs[i] = hr_ctx_new(NULL, hr_now() + dice_below(&stress->dice, 2000000));
            MUST(hr_go_ctx(ctxs[i], pool_user, &pool, "user") == 0);
        }
        while (atomic_load(&pool.home) < CROWD_COUNT) {
            hr_sleep(100000);
        }
        for (int i = 0; i < CROWD_COUNT; i++) {
            hr_ctx_rele(ctxs[i]);
        }
        MUST(hr_sem_try_take(&pool.sem, UNITS_COUNT));
    }
}

static void
sync_sem_keeps_its_units(void)
{
    struct stress stress = stress_begin(TESTS_COUNT);
    sched_run(PROCS_COUNT, pool_rounds, &stress);
    CU_PASS("all units came back");
}

/* ---- singleflight: a result is its call's, and no key is flown twice at a time ---- */

struct airline {
    struct hr_flight flight;
    _Atomic uint32_t in_air[3];
    _Atomic uint64_t flights;
    _Atomic uint32_t home;
};

struct ticket {
    struct airline *airline;
    uint32_t key_index;
    uint64_t number;
};

static int
fly(void *arg)
{
    struct ticket *ticket = arg;
    MUST(atomic_fetch_add(&ticket->airline->in_air[ticket->key_index], 1) == 0);
    hr_yield();
    ticket->number = atomic_fetch_add(&ticket->airline->flights, 1) * 3 + ticket->key_index;
    atomic_fetch_sub(&ticket->airline->in_air[ticket->key_index], 1);
    return (int) (ticket->number % 1000);
}

static void
passenger(void *arg)
{
    static const char *const keys[] = { "a", "b", "c" };
    struct airline *airline = arg;
    uint64_t dice = ((uint64_t) (uintptr_t) &dice ^ (uint64_t) hr_now()) | 1;
    for (int i = 0; i < 30; i++) {
        struct ticket ticket = { .airline = airline, .key_index = dice_below(&dice, 3) };
        struct hr_flight_call call = { .key = keys[ticket.key_index],
            .fn = fly,
            .arg = &ticket,
            .result = &ticket.number,
            .result_size = sizeof ticket.number };
        int err = hr_flight_do(&airline->flight, &call, NULL);
        MUST(ticket.number % 3 == ticket.key_index);
        MUST((uint64_t) err == ticket.number % 1000);
    }
    atomic_fetch_add(&airline->home, 1);
}

static void
airline_rounds(void *arg)
{
    struct stress *stress = arg;
    while (stress_goes_on(stress)) {
        struct airline airline = { .home = 0 };
        for (int i = 0; i < CROWD_COUNT; i++) {
            MUST(hr_go(passenger, &airline, "passenger") == 0);
        }
        while (atomic_load(&airline.home) < CROWD_COUNT) {
            hr_yield();
        }
    }
}

static void
sync_flight_shares_whole_results(void)
{
    struct stress stress = stress_begin(TESTS_COUNT);
    sched_run(PROCS_COUNT, airline_rounds, &stress);
    CU_PASS("each got a result of the call for its key");
}

static const struct test tests[] = {
    TEST(sync_mutex_is_left_alone_after_unlock),
    TEST(sync_wg_is_left_alone_after_wait),
    TEST(sync_rwlock_keeps_writers_alone),
    TEST(sync_cond_loses_no_wake),
    TEST(sync_sem_keeps_its_units),
    TEST(sync_flight_shares_whole_results),
};
TEST_MAIN("stress_sched_sync", tests)
