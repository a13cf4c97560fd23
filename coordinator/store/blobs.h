/* SPDX-License-Identifier: MIT
 *
 * coordinator/store/blobs.h - large inputs and results, as files beside the database.
 *
 *     FILE.blobs/<job id>.input      FILE.blobs/<job id>.result
 *
 * A file is written and synced, and its folder too, before the transaction that names it
 * commits; it is removed after the one that forgets it.  So a crash can leave a file that
 * nobody names (removed at the next opening), never a name without its file.
 *
 * SOURCE  sqlite.org/intern-v-extern-blob.html: files win beyond 100 KiB
 */
#ifndef COORDINATOR_STORE_BLOBS_H
#define COORDINATOR_STORE_BLOBS_H

#include "coordinator/store/store.h"

/* Smaller ones stay in the database. */
#define BLOBS_SIZE_MIN (128u * 1024)

enum blob_kind {
    BLOB_INPUT,
    BLOB_RESULT
};

struct blobs {
    int folder; /* -1: none yet */
    char path[512];
};

/* Makes the folder when it is missing.  Errors: those of open(2). */
err_t blobs_open(struct blobs *blobs, const char *database_path) MUST_USE;
void blobs_close(struct blobs *blobs);
/* Durable when it returns OK; replaces what was there.  Errors: FULL, IO. */
err_t blobs_write(struct blobs *blobs, job_id_t id, enum blob_kind kind,
    const struct store_bytes *bytes) MUST_USE;
/* Errors: NOT_FOUND, TRUNCATED (not expected_size bytes), NO_MEMORY, IO. */
err_t blobs_read(struct blobs *blobs, job_id_t id, enum blob_kind kind, uint32_t expected_size,
    struct store_bytes *ret_bytes) MUST_USE;
void blobs_remove(struct blobs *blobs, job_id_t id, enum blob_kind kind);
/* Remove each file that is_named() does not know. */
void blobs_sweep(struct blobs *blobs,
    bool (*is_named)(void *user, job_id_t id, enum blob_kind kind), void *user);

#endif
