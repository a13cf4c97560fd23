/* SPDX-License-Identifier: MIT
 *
 * worker/graves.h - remember the last so many copies that are not here.
 *
 * A CANCEL that overtook its JOB must still stop it, and a CANCEL that crossed a RESULT
 * must not look like one that was never seen.  A ring with an index: the oldest grave
 * makes room for the newest.
 *
 * THREADS  one at a time: the agent's lock
 * MEMORY   all of it in graves_new()
 */
#ifndef WORKER_GRAVES_H
#define WORKER_GRAVES_H

#include "common/pure/err.h"
#include "worker/attempt_key.h"

struct graves;

err_t graves_new(uint32_t graves_max, uint64_t seed, struct graves **ret_graves) MUST_USE;
void graves_free(struct graves *graves);
void graves_dig(struct graves *graves, const struct attempt_key *key);
bool graves_has(const struct graves *graves, const struct attempt_key *key);
/* Assert that the index finds every grave. */
void graves_check(const struct graves *graves);

#endif
