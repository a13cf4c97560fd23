/* SPDX-License-Identifier: MIT
 *
 * coordinator/store/schema.h - the tables, and every statement that is run on them.
 *
 * schema_steps[i] takes a database of version i to version i + 1, in one transaction.  A step
 * that was released is never edited: a new one is added.
 */
#ifndef COORDINATOR_STORE_SCHEMA_H
#define COORDINATOR_STORE_SCHEMA_H

#define SCHEMA_VERSION        2
#define SCHEMA_APPLICATION_ID 0x48454447 /* "HEDG" */

/* X(name, sql) */
#define SCHEMA_STATEMENTS(X)                                                               \
    X(BEGIN, "BEGIN IMMEDIATE")                                                            \
    X(COMMIT, "COMMIT")                                                                    \
    X(ROLLBACK, "ROLLBACK")                                                                \
    X(PROBE, "INSERT OR REPLACE INTO probe(one, count) VALUES(1, "                         \
             "coalesce((SELECT count FROM probe WHERE one = 1), 0) + 1)")                  \
    X(KEY_FIND, "SELECT fingerprint, job FROM keys WHERE key = ?1")                        \
    X(KEY_ADD, "INSERT INTO keys(key, fingerprint, job) VALUES(?1, ?2, ?3)")               \
    X(KEY_DROP, "DELETE FROM keys WHERE job = ?1")                                         \
    X(INSERT, "INSERT OR IGNORE INTO jobs(id, state, fence, created_ms, run_at_ms, "       \
              "deadline_ms, ended_ms, handler, content_type, traceparent, result_type, "   \
              "outcome, input_size, result_size, options, document, input, result) "       \
              "VALUES(?1, 0, 1, ?2, ?3, ?4, 0, ?5, ?6, ?7, '', '', ?8, 0, ?9, NULL, ?10, " \
              "NULL)")                                                                     \
    X(START, "UPDATE jobs SET state = 1 WHERE id = ?1 AND state = 0 AND fence = ?2")       \
    X(FINISH, "UPDATE jobs SET state = 2, ended_ms = ?3, outcome = ?4, result_type = ?5, " \
              "result_size = ?6, document = ?7, result = ?8, input = NULL "                \
              "WHERE id = ?1 AND state < 2 AND fence = ?2")                                \
    X(READ, "SELECT " SCHEMA_COLUMNS ", options, document, input, result FROM jobs "       \
            "WHERE id = ?1")                                                               \
    X(PENDING, "SELECT " SCHEMA_COLUMNS ", options FROM jobs "                             \
               "WHERE state < 2 AND id > ?1 ORDER BY id LIMIT ?2")                         \
    X(LIST, "SELECT " SCHEMA_COLUMNS ", options, document FROM jobs "                      \
            "WHERE state = 2 AND id < ?1 AND (?3 = '' OR handler = ?3) "                   \
            "AND (?4 = '' OR outcome = ?4) ORDER BY id DESC LIMIT ?2")                     \
    X(SIZES, "SELECT input_size, result_size FROM jobs WHERE id = ?1")                     \
    X(OLD, "SELECT id FROM jobs WHERE state = 2 AND ended_ms < ?1 "                        \
           "ORDER BY ended_ms LIMIT ?2")                                                   \
    X(REMOVE, "DELETE FROM jobs WHERE id = ?1 AND state = 2")                              \
    X(FENCE, "UPDATE jobs SET fence = fence + 1 WHERE state < 2")

/* In the order in which sqlite.c reads them. */
#define SCHEMA_COLUMNS                                                                       \
    "id, state, fence, created_ms, run_at_ms, deadline_ms, ended_ms, handler, content_type," \
    " traceparent, result_type, outcome, input_size, result_size"

extern const char *const schema_steps[SCHEMA_VERSION];

#endif
