/* SPDX-License-Identifier: MIT */
#include "coordinator/store/database.h"

#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>

struct database {
    sqlite3 *db;
};

static sqlite3_stmt *
raw(struct statement *statement)
{
    return (sqlite3_stmt *) statement;
}

static err_t
error_of(int code)
{
    switch (code & 0xff) {
    case SQLITE_OK:
    case SQLITE_ROW:
    case SQLITE_DONE: return ERR_OK;
    case SQLITE_FULL: return ERR_FULL;
    case SQLITE_NOMEM: return ERR_NO_MEMORY;
    case SQLITE_BUSY:
    case SQLITE_LOCKED: return ERR_IN_USE;
    case SQLITE_READONLY:
    case SQLITE_PERM:
    case SQLITE_AUTH: return ERR_PERMISSION;
    case SQLITE_CANTOPEN: return ERR_NOT_FOUND;
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB: return ERR_BAD_MESSAGE;
    default: return ERR_IO; /* SQLite has many more; none says that it was written */
    }
}

err_t
database_open(
    const char *path, const char *vfs, struct database **ret_database, char message[256])
{
    static const char settings[] = "PRAGMA locking_mode=EXCLUSIVE;"
                                   "PRAGMA journal_mode=WAL;"
                                   "PRAGMA synchronous=FULL;"
                                   "PRAGMA mmap_size=0;"
                                   "PRAGMA journal_size_limit=67108864;"
                                   "PRAGMA cell_size_check=ON;"
                                   "PRAGMA trusted_schema=OFF;";
    struct database *database = calloc(1, sizeof *database);
    if (database == NULL) {
        return ERR_NO_MEMORY;
    }
    int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX;
    int code = sqlite3_open_v2(path, &database->db, flags, vfs);
    if (code == SQLITE_OK) {
        code = sqlite3_exec(database->db, settings, NULL, NULL, NULL);
    }
    if (code != SQLITE_OK) {
        snprintf(message, 256, "%.160s: %s", path,
            database->db != NULL ? sqlite3_errmsg(database->db) : sqlite3_errstr(code));
        database_close(database);
        return error_of(code);
    }
    *ret_database = database;
    return ERR_OK;
}

void
database_close(struct database *database)
{
    if (database == NULL) {
        return;
    }
    (void) sqlite3_close(database->db);
    free(database);
}

err_t
database_run(struct database *database, const char *sql)
{
    return error_of(sqlite3_exec(database->db, sql, NULL, NULL, NULL));
}

uint32_t
database_changes(const struct database *database)
{
    return (uint32_t) sqlite3_changes(database->db);
}

bool
database_in_transaction(const struct database *database)
{
    return sqlite3_get_autocommit(database->db) == 0;
}

err_t
statement_new(struct database *database, const char *sql, struct statement **ret_statement)
{
    sqlite3_stmt *statement = NULL;
    int code =
        sqlite3_prepare_v3(database->db, sql, -1, SQLITE_PREPARE_PERSISTENT, &statement, NULL);
    *ret_statement = (struct statement *) statement;
    return error_of(code);
}

void
statement_free(struct statement *statement)
{
    sqlite3_finalize(raw(statement));
}

/* A bind fails only for an index that is not there: a typing error of ours. */
void
statement_set_u64(struct statement *statement, int index, uint64_t number)
{
    CHECK(sqlite3_bind_int64(raw(statement), index, (sqlite3_int64) number) == SQLITE_OK);
}

void
statement_set_text(struct statement *statement, int index, const char *text)
{
    CHECK(sqlite3_bind_text(raw(statement), index, text, -1, SQLITE_STATIC) == SQLITE_OK);
}

void
statement_set_bytes(struct statement *statement, int index, const void *bytes, uint32_t size)
{
    int code = bytes == NULL
                   ? sqlite3_bind_null(raw(statement), index)
                   : sqlite3_bind_blob(raw(statement), index, bytes, (int) size, SQLITE_STATIC);
    CHECK(code == SQLITE_OK);
}

err_t
statement_step(struct statement *statement, bool *ret_has_row)
{
    int code = sqlite3_step(raw(statement));
    *ret_has_row = code == SQLITE_ROW;
    if (code != SQLITE_ROW) {
        sqlite3_reset(raw(statement));
    }
    return error_of(code);
}

err_t
statement_run(struct statement *statement)
{
    bool has_row;
    err_t err = statement_step(statement, &has_row);
    if (has_row) {
        sqlite3_reset(raw(statement));
    }
    return err;
}

void
statement_reset(struct statement *statement)
{
    sqlite3_reset(raw(statement));
}

uint64_t
statement_u64(struct statement *statement, int column)
{
    return (uint64_t) sqlite3_column_int64(raw(statement), column);
}

void
statement_text(struct statement *statement, int column, char *text, size_t size)
{
    const unsigned char *at = sqlite3_column_text(raw(statement), column);
    snprintf(text, size, "%s", at != NULL ? (const char *) at : "");
}

const void *
statement_bytes(struct statement *statement, int column, uint32_t *ret_size)
{
    const void *at = sqlite3_column_blob(raw(statement), column);
    *ret_size = (uint32_t) sqlite3_column_bytes(raw(statement), column);
    return at;
}
