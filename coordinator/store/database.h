/* SPDX-License-Identifier: MIT
 *
 * coordinator/store/database.h - SQLite, met by this room's one file.
 *
 * Debian's 3.40.1 can corrupt a WAL that two connections write or checkpoint at once (fixed
 * in 3.51.3): so a database has one connection, locked for good (locking_mode=EXCLUSIVE,
 * which also keeps the index of the WAL in our memory), and no memory map.
 *
 * ERRORS   FULL (disk), IO, IN_USE (another process has it), NOT_FOUND (no such folder),
 *          PERMISSION, BAD_MESSAGE (no database, or a damaged one), NO_MEMORY
 * THREADS  one at a time
 */
#ifndef COORDINATOR_STORE_DATABASE_H
#define COORDINATOR_STORE_DATABASE_H

#include "common/pure/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct database;
struct statement;

/* WAL, synchronous=FULL: synced before COMMIT returns.  vfs: NULL for SQLite's own. */
err_t database_open(const char *path, const char *vfs, struct database **ret_database,
    char message[256]) MUST_USE;
void database_close(struct database *database);
/* Any number of statements that give no rows. */
err_t database_run(struct database *database, const char *sql) MUST_USE;
/* Rows that the last statement changed. */
uint32_t database_changes(const struct database *database);
bool database_in_transaction(const struct database *database);

err_t statement_new(
    struct database *database, const char *sql, struct statement **ret_statement) MUST_USE;
void statement_free(struct statement *statement);
/* Indices from 1.  Bytes and texts are borrowed until the reset; NULL bytes are NULL. */
void statement_set_u64(struct statement *statement, int index, uint64_t number);
void statement_set_text(struct statement *statement, int index, const char *text);
void
statement_set_bytes(struct statement *statement, int index, const void *bytes, uint32_t size);
/* The next row; without one it is reset. */
err_t statement_step(struct statement *statement, bool *ret_has_row) MUST_USE;
/* One that gives no row, to its end. */
err_t statement_run(struct statement *statement) MUST_USE;
void statement_reset(struct statement *statement);

/* Columns from 0, of the row that the last step gave; borrowed until the next. */
uint64_t statement_u64(struct statement *statement, int column);
void statement_text(struct statement *statement, int column, char *text, size_t size);
const void *statement_bytes(struct statement *statement, int column, uint32_t *ret_size);

#endif
