/* SPDX-License-Identifier: MIT */
#include "coordinator/store/schema.h"

/* state is enum stored_state.  Bytes stand last: reading the others does not touch their
 * pages.  An input or result of which only the size is here lies in a file (blobs.h). */
const char *const schema_steps[SCHEMA_VERSION] = {
    "CREATE TABLE jobs("
    "  number INTEGER PRIMARY KEY,"
    "  id BLOB NOT NULL UNIQUE,"
    "  state INTEGER NOT NULL,"
    "  fence INTEGER NOT NULL,"
    "  created_ms INTEGER NOT NULL,"
    "  run_at_ms INTEGER NOT NULL,"
    "  deadline_ms INTEGER NOT NULL,"
    "  ended_ms INTEGER NOT NULL,"
    "  handler TEXT NOT NULL,"
    "  content_type TEXT NOT NULL,"
    "  traceparent TEXT NOT NULL,"
    "  result_type TEXT NOT NULL,"
    "  outcome TEXT NOT NULL,"
    "  input_size INTEGER NOT NULL,"
    "  result_size INTEGER NOT NULL,"
    "  options BLOB,"
    "  document BLOB,"
    "  input BLOB,"
    "  result BLOB);"
    "CREATE INDEX jobs_pending ON jobs(id) WHERE state < 2;"
    "CREATE INDEX jobs_ended ON jobs(ended_ms) WHERE state = 2;"
    "CREATE TABLE probe(one INTEGER PRIMARY KEY, count INTEGER NOT NULL);",

    "CREATE TABLE keys("
    "  key TEXT PRIMARY KEY,"
    "  fingerprint BLOB NOT NULL,"
    "  job BLOB NOT NULL) WITHOUT ROWID;"
    "CREATE INDEX keys_by_job ON keys(job);",
};
