/* SPDX-License-Identifier: MIT
 *
 * common/pure/nearest.h - what did they mean?  The known word nearest to a mistyped one.
 *
 *     struct nearest nearest;
 *     nearest_init(&nearest, typed);
 *     for (...) {
 *         nearest_offer(&nearest, known[i]);
 *     }
 *     const char *meant = nearest_word(&nearest);    NULL: nothing is near enough
 *
 * The distance counts insertions, deletions, substitutions and swaps of two neighbours
 * (optimal string alignment), each 1, capitals and small letters alike.  A word that
 * contains the typed one ("timeout" in "jobs.timeout") counts as near, too.
 *
 * MEMORY    none; words past NEAREST_WORD_SIZE_MAX bytes are never near.
 * REJECTED  keyboard layouts and phonetics: a suggestion is shown, never acted upon.
 * SOURCE    Damerau, CACM 7(3), 1964.
 */
#ifndef COMMON_PURE_NEAREST_H
#define COMMON_PURE_NEAREST_H

#include <stdint.h>

#define NEAREST_WORD_SIZE_MAX 64

struct nearest {
    const char *typed;
    const char *word; /* the best so far; the first of equals */
    uint32_t distance;
};

void nearest_init(struct nearest *nearest, const char *typed);
/* word is borrowed until nearest_word() was asked. */
void nearest_offer(struct nearest *nearest, const char *word);
const char *nearest_word(const struct nearest *nearest);
uint32_t nearest_distance(const char *a, const char *b);

#endif
