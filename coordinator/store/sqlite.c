/* SPDX-License-Identifier: MIT
 *
 * The engine on SQLite: what each operation is in statements, and the files beside it.
 */
#include "coordinator/store/blobs.h"
#include "coordinator/store/database.h"
#include "coordinator/store/engine.h"
#include "coordinator/store/schema.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define DOOMED_MAX 1024 /* files to remove after a commit; the rest is swept at an opening */

enum statement_name {
#define SCHEMA_ENUM(name, sql) STATEMENT_##name,
    SCHEMA_STATEMENTS(SCHEMA_ENUM)
#undef SCHEMA_ENUM
    STATEMENTS_COUNT
};

static const char *const statement_texts[STATEMENTS_COUNT] = {
#define SCHEMA_TEXT(name, sql) [STATEMENT_##name] = sql,
    SCHEMA_STATEMENTS(SCHEMA_TEXT)
#undef SCHEMA_TEXT
};

struct engine {
    struct database *db; /* NULL: a reopening failed */
    struct statement *statements[STATEMENTS_COUNT];
    const char *path;
    const char *vfs;
    struct blobs blobs;
    struct {
        job_id_t id;
        enum blob_kind kind;
    } doomed[DOOMED_MAX];
    uint32_t doomed_count;
    bool must_reopen;
};

/* ---- statements ----------------------------------------------------------------------- */

static struct statement *
statement_of(struct engine *engine, enum statement_name which)
{
    return engine->statements[which];
}

static void
set_id(struct statement *statement, int index, const job_id_t *id)
{
    statement_set_bytes(statement, index, id->bytes, ID_SIZE);
}

static void
set_bytes(struct statement *statement, int index, const struct store_bytes *bytes)
{
    statement_set_bytes(statement, index, bytes->at, bytes->size);
}

static err_t
run_plain(struct engine *engine, enum statement_name which)
{
    return engine->db == NULL ? ERR_IO : statement_run(statement_of(engine, which));
}

/* run(), and NOT_FOUND in *ret_outcome when it changed no row. */
static err_t
run_change(struct engine *engine, struct statement *statement, err_t *ret_outcome)
{
    err_t err = statement_run(statement);
    *ret_outcome = database_changes(engine->db) == 1 ? ERR_OK : ERR_NOT_FOUND;
    return err;
}

/* ---- rows ----------------------------------------------------------------------------- */

static void
read_id(struct statement *row, int column, job_id_t *ret_id)
{
    uint32_t size;
    const void *at = statement_bytes(row, column, &size);
    memset(ret_id, 0, sizeof *ret_id);
    if (at != NULL && size == ID_SIZE) {
        memcpy(ret_id->bytes, at, ID_SIZE);
    }
}

static err_t
read_bytes(struct statement *row, int column, struct store_bytes *ret_bytes)
{
    uint32_t size;
    const void *at = statement_bytes(row, column, &size);
    return store_bytes_copy(ret_bytes, at, size);
}

/* SCHEMA_COLUMNS and the options behind them; the sizes are those of the whole bytes. */
#define COLUMN_OPTIONS  14
#define COLUMN_DOCUMENT 15
#define COLUMN_INPUT    16
#define COLUMN_RESULT   17

static err_t
read_job(struct statement *row, struct store_job *job)
{
    read_id(row, 0, &job->id);
    job->state = (enum stored_state) statement_u64(row, 1);
    job->fence = statement_u64(row, 2);
    job->created_ms = statement_u64(row, 3);
    job->run_at_ms = statement_u64(row, 4);
    job->deadline_ms = statement_u64(row, 5);
    job->ended_ms = statement_u64(row, 6);
    statement_text(row, 7, job->handler, sizeof job->handler);
    statement_text(row, 8, job->content_type, sizeof job->content_type);
    statement_text(row, 9, job->traceparent, sizeof job->traceparent);
    statement_text(row, 10, job->result_type, sizeof job->result_type);
    statement_text(row, 11, job->outcome, sizeof job->outcome);
    job->input.size = (uint32_t) statement_u64(row, 12);
    job->result.size = (uint32_t) statement_u64(row, 13);
    return read_bytes(row, COLUMN_OPTIONS, &job->options);
}

/* ---- bytes, here or in a file ----------------------------------------------------------- */

static bool
is_large(const struct store_bytes *bytes)
{
    return bytes->size >= BLOBS_SIZE_MIN;
}

static void
doom(struct engine *engine, job_id_t id, enum blob_kind kind, uint32_t size)
{
    if (size >= BLOBS_SIZE_MIN && engine->doomed_count < DOOMED_MAX) {
        engine->doomed[engine->doomed_count].id = id;
        engine->doomed[engine->doomed_count++].kind = kind;
    }
}

static void
bury(struct engine *engine)
{
    for (uint32_t i = 0; i < engine->doomed_count; i++) {
        blobs_remove(&engine->blobs, engine->doomed[i].id, engine->doomed[i].kind);
    }
    engine->doomed_count = 0;
}

static const struct store_bytes *
inline_part(const struct store_bytes *bytes)
{
    static const struct store_bytes none;
    return is_large(bytes) ? &none : bytes;
}

/* The sizes are known; fetch the bytes of one. */
static err_t
fetch(struct engine *engine, struct statement *row, int column, struct store_job *job)
{
    bool is_input = column == COLUMN_INPUT;
    struct store_bytes *bytes = is_input ? &job->input : &job->result;
    uint32_t size = bytes->size;
    if (size < BLOBS_SIZE_MIN) {
        return read_bytes(row, column, bytes);
    }
    return blobs_read(
        &engine->blobs, job->id, is_input ? BLOB_INPUT : BLOB_RESULT, size, bytes);
}

/* ---- operations: their own error in op->err, the transaction's returned -------------- */

/* Leaves op->err EXISTS when the key was seen before. */
static err_t
find_key(struct engine *engine, struct store_op *op)
{
    struct statement *find = statement_of(engine, STATEMENT_KEY_FIND);
    bool has_row;
    statement_set_text(find, 1, op->key);
    err_t err = statement_step(find, &has_row);
    if (has_row) {
        uint32_t size;
        const void *fingerprint = statement_bytes(find, 0, &size);
        op->err = ERR_EXISTS;
        op->is_other_request =
            size != STORE_FINGERPRINT_SIZE || memcmp(fingerprint, op->fingerprint, size) != 0;
        read_id(find, 1, &op->known);
        statement_reset(find);
    }
    return err;
}

static err_t
add_key(struct engine *engine, struct store_op *op)
{
    struct statement *add = statement_of(engine, STATEMENT_KEY_ADD);
    statement_set_text(add, 1, op->key);
    statement_set_bytes(add, 2, op->fingerprint, STORE_FINGERPRINT_SIZE);
    set_id(add, 3, &op->job.id);
    return statement_run(add);
}

static err_t
apply_insert(struct engine *engine, struct store_op *op)
{
    if (op->key[0] != '\0') {
        err_t err = find_key(engine, op);
        if (err != ERR_OK || op->err == ERR_EXISTS) {
            return err;
        }
    }
    const struct store_job *job = &op->job;
    struct statement *insert = statement_of(engine, STATEMENT_INSERT);
    set_id(insert, 1, &job->id);
    statement_set_u64(insert, 2, job->created_ms);
    statement_set_u64(insert, 3, job->run_at_ms);
    statement_set_u64(insert, 4, job->deadline_ms);
    statement_set_text(insert, 5, job->handler);
    statement_set_text(insert, 6, job->content_type);
    statement_set_text(insert, 7, job->traceparent);
    statement_set_u64(insert, 8, job->input.size);
    set_bytes(insert, 9, &job->options);
    set_bytes(insert, 10, inline_part(&job->input));
    err_t err = run_change(engine, insert, &op->err);
    if (err != ERR_OK || op->err != ERR_OK) {
        op->err = ERR_EXISTS;
        op->known = job->id;
        return err;
    }
    op->job.fence = 1;
    if (is_large(&job->input)) {
        err = blobs_write(&engine->blobs, job->id, BLOB_INPUT, &job->input);
    }
    return err == ERR_OK && op->key[0] != '\0' ? add_key(engine, op) : err;
}

static err_t
apply_start(struct engine *engine, struct store_op *op)
{
    struct statement *start = statement_of(engine, STATEMENT_START);
    set_id(start, 1, &op->job.id);
    statement_set_u64(start, 2, op->job.fence);
    return run_change(engine, start, &op->err);
}

/* Its files go with the row, or with its input. */
static err_t
doom_files(struct engine *engine, const job_id_t *id, bool with_result)
{
    struct statement *sizes = statement_of(engine, STATEMENT_SIZES);
    set_id(sizes, 1, id);
    bool has_row;
    err_t err = statement_step(sizes, &has_row);
    if (has_row) {
        doom(engine, *id, BLOB_INPUT, (uint32_t) statement_u64(sizes, 0));
        if (with_result) {
            doom(engine, *id, BLOB_RESULT, (uint32_t) statement_u64(sizes, 1));
        }
        statement_reset(sizes);
    }
    return err;
}

static err_t
apply_finish(struct engine *engine, struct store_op *op)
{
    const struct store_job *job = &op->job;
    struct statement *finish = statement_of(engine, STATEMENT_FINISH);
    set_id(finish, 1, &job->id);
    statement_set_u64(finish, 2, job->fence);
    statement_set_u64(finish, 3, job->ended_ms);
    statement_set_text(finish, 4, job->outcome);
    statement_set_text(finish, 5, job->result_type);
    statement_set_u64(finish, 6, job->result.size);
    set_bytes(finish, 7, &job->document);
    set_bytes(finish, 8, inline_part(&job->result));
    err_t err = run_change(engine, finish, &op->err);
    if (err != ERR_OK || op->err != ERR_OK) {
        return err;
    }
    if (is_large(&job->result)) {
        err = blobs_write(&engine->blobs, job->id, BLOB_RESULT, &job->result);
    }
    return err == ERR_OK ? doom_files(engine, &job->id, /* with_result= */ false) : err;
}

/* What READ asks for of the row that is there. */
static err_t
read_whole(struct engine *engine, struct statement *row, struct store_op *op)
{
    struct store_job *job = &op->job;
    err_t err = read_job(row, job);
    if (err == ERR_OK) {
        err = read_bytes(row, COLUMN_DOCUMENT, &job->document);
    }
    if (err == ERR_OK && op->wants_input && job->state != STORED_ENDED) {
        err = fetch(engine, row, COLUMN_INPUT, job);
    }
    if (err == ERR_OK && op->wants_result) {
        err = fetch(engine, row, COLUMN_RESULT, job);
    }
    return err;
}

static err_t
apply_read(struct engine *engine, struct store_op *op)
{
    struct statement *read = statement_of(engine, STATEMENT_READ);
    bool has_row;
    set_id(read, 1, &op->job.id);
    err_t err = statement_step(read, &has_row);
    op->err = ERR_NOT_FOUND;
    if (has_row) {
        op->err = read_whole(engine, read, op);
        statement_reset(read);
    }
    return err;
}

static err_t
apply_page(struct engine *engine, struct store_op *op)
{
    bool is_list = op->kind == STORE_LIST;
    struct statement *read = statement_of(engine, is_list ? STATEMENT_LIST : STATEMENT_PENDING);
    job_id_t newest;
    memset(newest.bytes, 0xff, ID_SIZE);
    set_id(read, 1, is_list && id_is_none(op->job.id) ? &newest : &op->job.id);
    statement_set_u64(read, 2, STORE_PAGE_MAX);
    if (is_list) {
        statement_set_text(read, 3, op->want_handler);
        statement_set_text(read, 4, op->want_outcome);
    }
    op->page = calloc(STORE_PAGE_MAX, sizeof *op->page);
    op->err = op->page == NULL ? ERR_NO_MEMORY : ERR_OK;
    bool has_row = true;
    err_t err = ERR_OK;
    while (op->err == ERR_OK && (err = statement_step(read, &has_row)) == ERR_OK && has_row) {
        struct store_job *job = &op->page[op->page_count++];
        op->err = read_job(read, job);
        if (op->err == ERR_OK && is_list) {
            op->err = read_bytes(read, COLUMN_DOCUMENT, &job->document);
        }
    }
    statement_reset(read);
    return err;
}

static err_t
remove_one(struct engine *engine, const job_id_t *id, err_t *ret_outcome)
{
    uint32_t doomed_before = engine->doomed_count;
    err_t err = doom_files(engine, id, /* with_result= */ true);
    if (err != ERR_OK) {
        return err;
    }
    struct statement *row = statement_of(engine, STATEMENT_REMOVE);
    set_id(row, 1, id);
    err = run_change(engine, row, ret_outcome);
    if (err != ERR_OK || *ret_outcome != ERR_OK) {
        engine->doomed_count = doomed_before; /* it lives on */
        return err;
    }
    struct statement *key = statement_of(engine, STATEMENT_KEY_DROP);
    set_id(key, 1, id);
    return statement_run(key);
}

static err_t
apply_expire(struct engine *engine, struct store_op *op)
{
    job_id_t old[STORE_PAGE_MAX];
    uint32_t count = 0;
    struct statement *find = statement_of(engine, STATEMENT_OLD);
    statement_set_u64(find, 1, op->job.ended_ms);
    statement_set_u64(find, 2, STORE_PAGE_MAX);
    bool has_row;
    err_t err;
    while ((err = statement_step(find, &has_row)) == ERR_OK && has_row) {
        read_id(find, 0, &old[count++]);
    }
    err_t outcome;
    for (uint32_t i = 0; err == ERR_OK && i < count; i++) {
        err = remove_one(engine, &old[i], &outcome);
    }
    op->page_count = count;
    op->err = ERR_OK;
    return err;
}

static err_t
apply_one(struct engine *engine, struct store_op *op)
{
    switch (op->kind) {
    case STORE_INSERT: return apply_insert(engine, op);
    case STORE_START: return apply_start(engine, op);
    case STORE_FINISH: return apply_finish(engine, op);
    case STORE_READ: return apply_read(engine, op);
    case STORE_PENDING:
    case STORE_LIST: return apply_page(engine, op);
    case STORE_REMOVE: return remove_one(engine, &op->job.id, &op->err);
    case STORE_EXPIRE: return apply_expire(engine, op);
    }
    CHECK(false);
}

err_t
sqlite_apply(struct engine *engine, struct store_op *const *ops, uint32_t ops_count)
{
    err_t err = run_plain(engine, STATEMENT_BEGIN);
    for (uint32_t i = 0; err == ERR_OK && i < ops_count; i++) {
        ops[i]->err = ERR_OK;
        err = apply_one(engine, ops[i]);
    }
    if (err == ERR_OK) {
        err = run_plain(engine, STATEMENT_COMMIT);
    }
    if (err == ERR_OK) {
        bury(engine);
        return ERR_OK;
    }
    engine->doomed_count = 0;
    engine->must_reopen = engine->must_reopen || err == ERR_IO;
    if (engine->db != NULL && database_in_transaction(engine->db)) {
        (void) run_plain(engine, STATEMENT_ROLLBACK); /* what it undoes is not on disk */
    }
    return err;
}

/* ---- life ------------------------------------------------------------------------------ */

static void
close_database(struct engine *engine)
{
    for (unsigned i = 0; i < STATEMENTS_COUNT; i++) {
        statement_free(engine->statements[i]);
        engine->statements[i] = NULL;
    }
    database_close(engine->db);
    engine->db = NULL;
}

static err_t
read_version(struct database *db, uint64_t *ret_version)
{
    struct statement *statement;
    bool has_row = false;
    err_t err = statement_new(db, "PRAGMA user_version", &statement);
    if (err == ERR_OK) {
        err = statement_step(statement, &has_row);
    }
    if (has_row) {
        *ret_version = statement_u64(statement, 0);
    }
    statement_free(statement);
    return err;
}

static err_t
migrate(struct database *db)
{
    uint64_t version = 0;
    err_t err = read_version(db, &version);
    if (err == ERR_OK && version > SCHEMA_VERSION) {
        return ERR_BAD_VERSION;
    }
    while (err == ERR_OK && version < SCHEMA_VERSION) {
        char done[128];
        snprintf(done, sizeof done, "PRAGMA user_version=%u;PRAGMA application_id=%d;COMMIT",
            (unsigned) version + 1, SCHEMA_APPLICATION_ID);
        err = database_run(db, "BEGIN IMMEDIATE");
        if (err == ERR_OK) {
            err = database_run(db, schema_steps[version]);
        }
        if (err == ERR_OK) {
            err = database_run(db, done);
        }
        version++;
    }
    return err;
}

static err_t
open_database(struct engine *engine, char message[256])
{
    err_t err = database_open(engine->path, engine->vfs, &engine->db, message);
    if (err == ERR_OK) {
        err = migrate(engine->db);
    }
    for (unsigned i = 0; err == ERR_OK && i < STATEMENTS_COUNT; i++) {
        err = statement_new(engine->db, statement_texts[i], &engine->statements[i]);
    }
    return err;
}

static bool
is_named(void *user, job_id_t id, enum blob_kind kind)
{
    struct engine *engine = user;
    struct statement *read = statement_of(engine, STATEMENT_READ);
    set_id(read, 1, &id);
    bool has_row;
    err_t err = statement_step(read, &has_row);
    bool has_ended = has_row && statement_u64(read, 1) == STORED_ENDED;
    statement_reset(read);
    if (err != ERR_OK) {
        return true; /* when in doubt it stays */
    }
    return has_row && has_ended == (kind == BLOB_RESULT);
}

err_t
sqlite_open(const char *where, const struct store_config *config, struct engine **ret_engine,
    char message[256])
{
    message[0] = '\0';
    struct engine *engine = calloc(1, sizeof *engine);
    if (engine == NULL) {
        return ERR_NO_MEMORY;
    }
    engine->path = where;
    engine->vfs = config->vfs;
    engine->blobs.folder = -1;
    err_t err = open_database(engine, message);
    if (err == ERR_OK) {
        err = run_plain(engine, STATEMENT_FENCE); /* D2; and it takes the lock */
    }
    if (err == ERR_OK) {
        err = blobs_open(&engine->blobs, where);
    }
    if (err != ERR_OK) {
        if (err == ERR_IN_USE) {
            snprintf(message, 256, "%.160s: another process has it open", where);
        } else if (err == ERR_BAD_VERSION) {
            snprintf(message, 256, "%.160s: written by a later version of Hedgerow", where);
        } else if (message[0] == '\0') {
            snprintf(message, 256, "%.160s: %s", where, err_text(err));
        }
        sqlite_close(engine);
        return err;
    }
    blobs_sweep(&engine->blobs, is_named, engine);
    *ret_engine = engine;
    return ERR_OK;
}

err_t
sqlite_probe(struct engine *engine)
{
    if (engine->must_reopen) {
        /* After a failed fsync the kernel may have dropped what we think is written. */
        close_database(engine);
        char message[256];
        err_t err = open_database(engine, message);
        if (err != ERR_OK) {
            close_database(engine);
            return err;
        }
        engine->must_reopen = false;
    }
    err_t err = run_plain(engine, STATEMENT_PROBE);
    engine->must_reopen = err == ERR_IO;
    return err;
}

void
sqlite_close(struct engine *engine)
{
    if (engine == NULL) {
        return;
    }
    close_database(engine);
    blobs_close(&engine->blobs);
    free(engine);
}
