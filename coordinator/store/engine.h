/* SPDX-License-Identifier: MIT
 *
 * coordinator/store/engine.h - what a database must do to be a store: one transaction of many
 * operations, all or nothing.  coordinator/store/store.h says what each operation means;
 * tests/support/store_suite.h checks every engine against that.
 *
 * apply() fills each op's own outcome (op->err) and returns OK when the transaction is
 * durable.  Any other return: nothing of it happened, whatever op->err says.  Reads stand in
 * the same queue: they see what was done before them.
 *
 * THREADS   the store's thread alone, from open() to close()
 */
#ifndef COORDINATOR_STORE_ENGINE_H
#define COORDINATOR_STORE_ENGINE_H

#include "coordinator/store/store.h"

struct engine;

/* where: the URL behind its scheme.  The engine borrows config's texts until close. */
err_t sqlite_open(const char *where, const struct store_config *config,
    struct engine **ret_engine, char message[256]) MUST_USE;
err_t
sqlite_apply(struct engine *engine, struct store_op *const *ops, uint32_t ops_count) MUST_USE;
/* Commit something small.  After an error: on a database that is opened anew. */
err_t sqlite_probe(struct engine *engine) MUST_USE;
void sqlite_close(struct engine *engine);

#endif
