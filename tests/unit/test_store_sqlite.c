/* SPDX-License-Identifier: MIT
 *
 * The store on SQLite: the suite that every store must pass, and what is SQLite's own:
 * versions, two processes, a disk that fails.
 */
#include "tests/support/sqlite_faults.h"
#include "tests/support/store_suite.h"

#include <dirent.h>
#include <sqlite3.h>
#include <sys/wait.h>
#include <unistd.h>

static char folder[64];
static char urls[64][96];
static unsigned urls_count;

static const char *
fresh_url(void)
{
    if (folder[0] == '\0') {
        snprintf(folder, sizeof folder, "/tmp/hedgerow-store-XXXXXX");
        CU_ASSERT_PTR_NOT_NULL_FATAL(mkdtemp(folder));
    }
    CU_ASSERT_TRUE_FATAL(urls_count < 64);
    char *url = urls[urls_count++];
    snprintf(url, sizeof urls[0], "sqlite:%s/%u.db", folder, urls_count);
    return url;
}

static const char *
path_of(const char *url)
{
    return url + strlen("sqlite:");
}

static unsigned
blobs_of(const char *url)
{
    char path[128];
    snprintf(path, sizeof path, "%s.blobs", path_of(url));
    DIR *listing = opendir(path);
    CU_ASSERT_PTR_NOT_NULL_FATAL(listing);
    unsigned count = 0;
    struct dirent *file;
    while ((file = readdir(listing)) != NULL) {
        count += file->d_name[0] != '.';
    }
    closedir(listing);
    return count;
}

/* GOAL    no file outlives its job, nor one that a crash left.
 * METHOD  count the files beside the database. */
static void
sqlite_leaves_no_files_behind(void)
{
    struct shop shop;
    shop_open(&shop, fresh_url());
    ASSERT_I64_EQ(shop_insert(&shop, 1, BLOBS_SIZE_MIN), ERR_OK);
    ASSERT_I64_EQ(blobs_of(shop.url), 1);
    ASSERT_I64_EQ(shop_finish(&shop, 1, 1, BLOBS_SIZE_MIN), ERR_OK);
    ASSERT_I64_EQ(blobs_of(shop.url), 1); /* the input went, the result came */
    struct store_op *op = shop_op(&shop, STORE_REMOVE);
    op->job.id = job_numbered(1);
    ASSERT_I64_EQ(shop_do_free(&shop, op), ERR_OK);
    ASSERT_I64_EQ(blobs_of(shop.url), 0);

    struct blobs blobs;
    struct store_bytes bytes;
    put_bytes(&bytes, 10, 1);
    ASSERT_I64_EQ(blobs_open(&blobs, path_of(shop.url)), ERR_OK);
    ASSERT_I64_EQ(blobs_write(&blobs, job_numbered(7), BLOB_INPUT, &bytes), ERR_OK);
    ASSERT_I64_EQ(shop_insert(&shop, 2, BLOBS_SIZE_MIN), ERR_OK);
    free(bytes.at);
    blobs_close(&blobs);
    ASSERT_I64_EQ(blobs_of(shop.url), 2);
    shop_reopen(&shop);
    ASSERT_I64_EQ(blobs_of(shop.url), 1);
    shop_close(&shop);
}

static err_t
try_open(const char *url, char message[256])
{
    struct loop *loop;
    struct store *store = NULL;
    const struct store_config config = { .url = url, .ops_max = 4 };
    CU_ASSERT_EQUAL_FATAL(loop_new(&loop), ERR_OK);
    err_t err = store_open(loop, &config, &store, message);
    if (err == ERR_OK) {
        store_close(store);
    }
    loop_free(loop);
    return err;
}

static void
sql(const char *url, const char *text)
{
    sqlite3 *db;
    CU_ASSERT_EQUAL_FATAL(sqlite3_open(path_of(url), &db), SQLITE_OK);
    CU_ASSERT_EQUAL_FATAL(sqlite3_exec(db, text, NULL, NULL, NULL), SQLITE_OK);
    sqlite3_close(db);
}

/* GOAL    every way in which a store cannot be opened says what is wrong. */
static void
sqlite_says_why_it_cannot_be_opened(void)
{
    char message[256];
    ASSERT_I64_EQ(try_open("mysql:x", message), ERR_INVALID);
    ASSERT_STR_EQ(message, "'mysql:x' is no store; write sqlite:FILE or memory:");
    ASSERT_I64_EQ(try_open("sqlite:", message), ERR_INVALID);
    ASSERT_I64_EQ(try_open("sqlite:/no/such/folder/x.db", message), ERR_NOT_FOUND);
    CU_ASSERT_PTR_NOT_NULL(strstr(message, "/no/such/folder/x.db"));

    const char *url = fresh_url();
    FILE *file = fopen(path_of(url), "w");
    for (unsigned i = 0; i < 4096; i++) {
        fputs("no database ", file);
    }
    fclose(file);
    ASSERT_I64_EQ(try_open(url, message), ERR_BAD_MESSAGE);
    CU_ASSERT_PTR_NOT_NULL(strstr(message, "not a database"));

    struct shop shop;
    shop_open(&shop, fresh_url());
    ASSERT_I64_EQ(try_open(shop.url, message), ERR_IN_USE);
    CU_ASSERT_PTR_NOT_NULL(strstr(message, "another process has it open"));
    shop_close(&shop);
}

/* GOAL    an older database is taken along, a newer one is left alone.
 * METHOD  drop what step 2 made, and say that it is version 1; then say version 99. */
static void
sqlite_migrates_up_and_never_down(void)
{
    struct shop shop;
    char message[256];
    shop_open(&shop, fresh_url());
    ASSERT_I64_EQ(shop_insert(&shop, 1, 10), ERR_OK);
    shop_close(&shop);
    sql(shop.url, "DROP TABLE keys; PRAGMA user_version=1");
    shop_open(&shop, shop.url);
    struct store_op *op = shop_read(&shop, 1);
    CU_ASSERT_TRUE(bytes_are(&op->job.input, 10, 1));
    store_op_free(shop.store, op);
    ASSERT_I64_EQ(shop_key_insert(&shop, 2, "k", 1, &op), ERR_OK);
    store_op_free(shop.store, op);
    shop_close(&shop);
    sql(shop.url, "PRAGMA user_version=99");
    ASSERT_I64_EQ(try_open(shop.url, message), ERR_BAD_VERSION);
    CU_ASSERT_PTR_NOT_NULL(strstr(message, "later version"));
}

/* ---- a disk that fails ---------------------------------------------------------------- */

static void
shop_open_faulty(struct shop *shop)
{
    char message[256];
    faults_install();
    faults_reset();
    const struct store_config config = {
        .url = shop->url = fresh_url(), .vfs = FAULTS_VFS, .ops_max = 64
    };
    shop->waits_count = 0;
    CU_ASSERT_EQUAL_FATAL(loop_new(&shop->loop), ERR_OK);
    CU_ASSERT_EQUAL_FATAL(store_open(shop->loop, &config, &shop->store, message), ERR_OK);
}

/* GOAL    FAILURE of store.h: what could not be written was not acknowledged, what was
 *         stays; reads go on; a FINISH waits; and it works again by itself.
 * METHOD  the disk refuses from one moment on, for as long as we say. */
static void
store_survives(enum fault fault, err_t expected)
{
    struct shop shop;
    err_t why;
    shop_open_faulty(&shop);
    ASSERT_I64_EQ(shop_insert(&shop, 1, 10), ERR_OK);
    faults_set(fault);
    ASSERT_I64_EQ(shop_insert(&shop, 2, 10), expected);
    CU_ASSERT_FALSE(store_is_writable(shop.store, &why));
    ASSERT_I64_EQ(why, expected);
    ASSERT_I64_EQ(shop_insert(&shop, 3, 10), expected);
    struct store_op *op = shop_read(&shop, 1);
    ASSERT_I64_EQ(op->err, ERR_OK);
    store_op_free(shop.store, op);

    struct store_op *finish = shop_finish_op(&shop, 1, 1, 10);
    shop_start(&shop, finish);
    op = shop_op(&shop, STORE_READ);
    op->job.id = job_numbered(1);
    shop_start(&shop, op); /* it overtakes the FINISH, which is held */
    shop.waits_count = 1;
    loop_run(shop.loop);
    ASSERT_I64_EQ(op->job.state, STORED_WAITING);
    store_op_free(shop.store, op);

    faults_set(FAULT_NONE);
    shop.waits_count = 1;
    loop_run(shop.loop); /* until the probe has let the FINISH through */
    ASSERT_I64_EQ(finish->err, ERR_OK);
    store_op_free(shop.store, finish);
    CU_ASSERT_TRUE(store_is_writable(shop.store, &why));
    ASSERT_I64_EQ(shop_insert(&shop, 4, 10), ERR_OK);
    shop_reopen(&shop);
    static const err_t found[] = { ERR_OK, ERR_NOT_FOUND, ERR_NOT_FOUND, ERR_OK };
    for (unsigned i = 1; i <= 4; i++) {
        op = shop_read(&shop, i);
        ASSERT_I64_EQ(op->err, found[i - 1]);
        store_op_free(shop.store, op);
    }
    shop_close(&shop);
}

static void
sqlite_full_disk_refuses_and_recovers(void)
{
    store_survives(FAULT_FULL, ERR_FULL);
}

static void
sqlite_failed_fsync_refuses_and_recovers(void)
{
    store_survives(FAULT_SYNC, ERR_IO);
}

static void
sqlite_failed_write_refuses_and_recovers(void)
{
    store_survives(FAULT_WRITE, ERR_IO);
}

static void
clean_up(void)
{
    char *const argv[] = { "rm", "-rf", folder, NULL };
    pid_t child = fork();
    if (child == 0) {
        execvp("rm", argv);
        _exit(127);
    }
    int status;
    waitpid(child, &status, 0);
    ASSERT_I64_EQ(status, 0);
}

static const struct test tests[] = {
    STORE_SUITE_TESTS,
    TEST(sqlite_leaves_no_files_behind),
    TEST(sqlite_says_why_it_cannot_be_opened),
    TEST(sqlite_migrates_up_and_never_down),
    TEST(sqlite_full_disk_refuses_and_recovers),
    TEST(sqlite_failed_fsync_refuses_and_recovers),
    TEST(sqlite_failed_write_refuses_and_recovers),
    TEST(clean_up),
};

TEST_MAIN("store_sqlite", tests)
