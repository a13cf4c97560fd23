/* SPDX-License-Identifier: MIT
 *
 * The power goes at any moment, and what was acknowledged is there.
 *
 * GOAL    after a crash at the N-th write or sync, for every N, whatever part of the unsynced
 *         writes reached the disk: the database is whole, no acknowledged operation is lost,
 *         and none that failed was half done.
 * METHOD  the engine on a disk that remembers what was synced (tests/support/sqlite_faults.h);
 *         the workload is the same for each N, so an oracle in memory knows what must be there.
 *         The short form takes every seventh N, the full one every N.
 */
#include "common/pure/rng.h"
#include "coordinator/store/engine.h"
#include "tests/support/cunit_main.h"
#include "tests/support/sqlite_faults.h"

#include <sqlite3.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define JOBS_COUNT    64
#define BATCH_MAX     8
#define BATCHES_COUNT 60
#define CRASHES_MAX   1050
#define STRIDE_SHORT  7

/* What is known of a job: nothing, or the state in which the last good commit left it. */
enum known {
    KNOWN_NONE,
    KNOWN_WAITING,
    KNOWN_STARTED,
    KNOWN_ENDED,
    KNOWN_REMOVED
};

struct world {
    struct rng rng;
    struct engine *engine;
    enum known known[JOBS_COUNT];   /* after the last commit that was acknowledged */
    enum known perhaps[JOBS_COUNT]; /* after the one that was not, if it counts all the same */
    char before[64];                /* the folder before the crash, and the one after it */
    char after[64];
};

static job_id_t
job_of(unsigned index)
{
    uint8_t random[10] = { (uint8_t) index };
    return id_from_parts(1 + index, random);
}

static void
fill(struct store_bytes *bytes, uint32_t size, unsigned index)
{
    bytes->at = malloc(size);
    CU_ASSERT_PTR_NOT_NULL_FATAL(bytes->at);
    memset(bytes->at, (int) (index + 1), size);
    bytes->size = size;
}

/* The next step in the life of some job. */
static struct store_op *
next_op(struct world *world)
{
    unsigned index = (unsigned) rng_below(&world->rng, JOBS_COUNT);
    struct store_op *op = calloc(1, sizeof *op);
    CU_ASSERT_PTR_NOT_NULL_FATAL(op);
    op->job.id = job_of(index);
    op->job.fence = 1;
    switch (world->perhaps[index]) {
    case KNOWN_NONE:
    case KNOWN_REMOVED:
        op->kind = STORE_INSERT;
        snprintf(op->job.handler, sizeof op->job.handler, "h");
        snprintf(op->key, sizeof op->key, "key %u", index);
        fill(&op->job.input, 1 + (uint32_t) rng_below(&world->rng, 9000), index);
        world->perhaps[index] = KNOWN_WAITING;
        break;
    case KNOWN_WAITING:
        op->kind = STORE_START;
        world->perhaps[index] = KNOWN_STARTED;
        break;
    case KNOWN_STARTED:
        op->kind = STORE_FINISH;
        fill(&op->job.result, 1 + (uint32_t) rng_below(&world->rng, 9000), index);
        world->perhaps[index] = KNOWN_ENDED;
        break;
    case KNOWN_ENDED:
        op->kind = STORE_REMOVE;
        world->perhaps[index] = KNOWN_REMOVED;
        break;
    }
    return op;
}

static void
op_free(struct store_op *op)
{
    free(op->job.input.at);
    free(op->job.result.at);
    free(op->job.options.at);
    free(op->job.document.at);
    free(op);
}

/* false: the power went. */
static bool
do_batch(struct world *world)
{
    struct store_op *ops[BATCH_MAX];
    uint32_t count = 1 + (uint32_t) rng_below(&world->rng, BATCH_MAX);
    for (uint32_t i = 0; i < count; i++) {
        ops[i] = next_op(world);
    }
    err_t err = sqlite_apply(world->engine, ops, count);
    for (uint32_t i = 0; i < count; i++) {
        if (err == ERR_OK) {
            ASSERT_I64_EQ(ops[i]->err, ERR_OK);
        }
        op_free(ops[i]);
    }
    if (err == ERR_OK) {
        memcpy(world->known, world->perhaps, sizeof world->known);
    }
    return err == ERR_OK;
}

static enum known
look(struct engine *engine, unsigned index)
{
    struct store_op *op = calloc(1, sizeof *op);
    CU_ASSERT_PTR_NOT_NULL_FATAL(op);
    op->kind = STORE_READ;
    op->job.id = job_of(index);
    op->wants_input = true;
    op->wants_result = true;
    enum known seen = KNOWN_REMOVED; /* what no one expects of a job that is there */
    err_t err = sqlite_apply(engine, &op, 1);
    if (err != ERR_OK) {
        op_free(op);
        return seen;
    }
    seen = KNOWN_NONE;
    if (op->err == ERR_OK) {
        const struct store_bytes *bytes =
            op->job.state == STORED_ENDED ? &op->job.result : &op->job.input;
        for (uint32_t i = 0; i < bytes->size; i++) {
            CU_ASSERT_TRUE_FATAL(bytes->at[i] == (uint8_t) (index + 1));
        }
        CU_ASSERT_TRUE(bytes->size > 0);
        seen = (enum known)((int) KNOWN_WAITING + (int) op->job.state);
    } else {
        ASSERT_I64_EQ(op->err, ERR_NOT_FOUND);
    }
    op_free(op);
    return seen;
}

static bool
same(enum known seen, enum known expected)
{
    return seen == (expected == KNOWN_REMOVED ? KNOWN_NONE : expected);
}

static int
on_integrity_row(void *user, int count, char **values, char **names)
{
    (void) names;
    ASSERT_I64_EQ(count, 1);
    ASSERT_STR_EQ(values[0], "ok");
    ++*(int *) user;
    return 0;
}

static void
check_integrity(const char *path)
{
    sqlite3 *db;
    int rows_count = 0;
    ASSERT_I64_EQ(sqlite3_open(path, &db), SQLITE_OK);
    ASSERT_I64_EQ(
        sqlite3_exec(db, "PRAGMA integrity_check", on_integrity_row, &rows_count, NULL),
        SQLITE_OK);
    ASSERT_I64_EQ(rows_count, 1);
    sqlite3_close(db);
}

/* All of the unacknowledged transaction, or nothing of it; false: something was lost. */
static bool
is_whole_after(struct world *world, const char *path)
{
    char message[256];
    struct engine *engine;
    const struct store_config config = { 0 };
    if (sqlite_open(path, &config, &engine, message) != ERR_OK) {
        return false;
    }
    unsigned losses_count = 0;
    unsigned halves_count = 0;
    for (unsigned i = 0; i < JOBS_COUNT; i++) {
        enum known seen = look(engine, i);
        losses_count += !same(seen, world->known[i]);
        halves_count += !same(seen, world->perhaps[i]);
    }
    sqlite_close(engine);
    return losses_count == 0 || halves_count == 0;
}

static void
remove_files(const char *folder)
{
    static const char *const names[] = { "x.db", "x.db-wal", "x.db-journal", "x.db-shm" };
    char path[128];
    for (unsigned i = 0; i < 4; i++) {
        snprintf(path, sizeof path, "%s/%s", folder, names[i]);
        unlink(path);
    }
    snprintf(path, sizeof path, "%s/x.db.blobs", folder);
    rmdir(path);
}

enum after {
    AFTER_WHOLE,
    AFTER_LOST,
    AFTER_NOTHING /* it did not crash: past the last call there is nothing more to see */
};

static enum after
crash_at(struct world *world, uint64_t calls_count, enum fault fault)
{
    char path[96];
    char message[256];
    const struct store_config config = { .vfs = FAULTS_VFS };
    memset(world->known, 0, sizeof world->known);
    memset(world->perhaps, 0, sizeof world->perhaps);
    rng_init(&world->rng, 42);
    snprintf(path, sizeof path, "%s/x.db", world->before);
    faults_reset();
    faults_set(fault);
    faults_crash_after(calls_count);
    if (sqlite_open(path, &config, &world->engine, message) == ERR_OK) {
        for (unsigned i = 0; i < BATCHES_COUNT && do_batch(world); i++) {
        }
        bool has_crashed = faults_has_crashed();
        faults_crash_after(0); /* closing writes nothing either */
        sqlite_close(world->engine);
        if (!has_crashed) {
            remove_files(world->before);
            return AFTER_NOTHING;
        }
    }
    faults_power_off(world->after, calls_count);
    snprintf(path, sizeof path, "%s/x.db", world->after);
    if (fault == FAULT_NONE) {
        check_integrity(path);
    }
    bool is_whole = is_whole_after(world, path);
    remove_files(world->before);
    remove_files(world->after);
    return is_whole ? AFTER_WHOLE : AFTER_LOST;
}

static void
world_init(struct world *world)
{
    snprintf(world->before, sizeof world->before, "/tmp/hedgerow-crash-XXXXXX");
    snprintf(world->after, sizeof world->after, "/tmp/hedgerow-crash-XXXXXX");
    CU_ASSERT_PTR_NOT_NULL_FATAL(mkdtemp(world->before));
    CU_ASSERT_PTR_NOT_NULL_FATAL(mkdtemp(world->after));
    faults_install();
}

static void
world_fini(struct world *world)
{
    faults_reset();
    rmdir(world->before);
    rmdir(world->after);
}

static void
store_survives_a_crash_anywhere(void)
{
    struct world world;
    world_init(&world);
    const char *is_long = getenv("HEDGEROW_TEST_LONG");
    unsigned stride = is_long != NULL && *is_long != '\0' ? 1 : STRIDE_SHORT;
    for (unsigned i = 1; i <= CRASHES_MAX; i += stride) {
        ASSERT_I64_EQ(crash_at(&world, i, FAULT_NONE), AFTER_WHOLE);
    }
    world_fini(&world);
}

/* GOAL    the test above can fail.
 * METHOD  the same on a disk that syncs nothing. */
static void
store_crash_on_a_lying_disk_is_seen(void)
{
    struct world world;
    world_init(&world);
    unsigned lost_count = 0;
    for (unsigned i = 0; i < 10; i++) {
        lost_count += crash_at(&world, 100 + i, FAULT_LIE) == AFTER_LOST;
    }
    CU_ASSERT_TRUE(lost_count > 5);
    world_fini(&world);
}

static const struct test tests[] = {
    TEST(store_survives_a_crash_anywhere),
    TEST(store_crash_on_a_lying_disk_is_seen),
};

TEST_MAIN("store_crash", tests)
