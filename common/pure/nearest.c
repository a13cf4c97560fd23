/* SPDX-License-Identifier: MIT */
#include "common/pure/nearest.h"

#include <stdbool.h>
#include <stddef.h>
#include <string.h>

/* Containing the typed word is as good as two typing errors. */
#define CONTAINED_DISTANCE   2
#define CONTAINED_SIZE_MIN   3
#define LETTERS_FOR_AN_ERROR 3

static uint32_t
min_u32(uint32_t a, uint32_t b)
{
    return a < b ? a : b;
}

/* Not tolower(): what is near must not depend on the locale. */
static char
small(char letter)
{
    return letter >= 'A' && letter <= 'Z' ? (char) (letter - 'A' + 'a') : letter;
}

uint32_t
nearest_distance(const char *a, const char *b)
{
    size_t a_size = strlen(a);
    size_t b_size = strlen(b);
    if (a_size > NEAREST_WORD_SIZE_MAX || b_size > NEAREST_WORD_SIZE_MAX) {
        return UINT32_MAX;
    }
    /* Three rows of the table: the one before last, the last, and this one. */
    uint32_t rows[3][NEAREST_WORD_SIZE_MAX + 1];
    for (size_t column = 0; column <= b_size; column++) {
        rows[0][column] = (uint32_t) column;
    }
    for (size_t line = 1; line <= a_size; line++) {
        uint32_t *row = rows[line % 3];
        const uint32_t *above = rows[(line + 2) % 3];
        const uint32_t *above_two = rows[(line + 1) % 3];
        row[0] = (uint32_t) line;
        for (size_t column = 1; column <= b_size; column++) {
            bool same = small(a[line - 1]) == small(b[column - 1]);
            uint32_t best = above[column - 1] + (same ? 0 : 1);
            best = min_u32(best, min_u32(above[column], row[column - 1]) + 1);
            if (line > 1 && column > 1 && small(a[line - 1]) == small(b[column - 2]) &&
                small(a[line - 2]) == small(b[column - 1])) {
                best = min_u32(best, above_two[column - 2] + 1);
            }
            row[column] = best;
        }
    }
    return rows[a_size % 3][b_size];
}

void
nearest_init(struct nearest *nearest, const char *typed)
{
    *nearest = (struct nearest){ .typed = typed, .distance = UINT32_MAX };
}

void
nearest_offer(struct nearest *nearest, const char *word)
{
    uint32_t distance = nearest_distance(nearest->typed, word);
    if (strlen(nearest->typed) >= CONTAINED_SIZE_MIN && strstr(word, nearest->typed) != NULL) {
        distance = min_u32(distance, CONTAINED_DISTANCE);
    }
    if (distance < nearest->distance) {
        nearest->distance = distance;
        nearest->word = word;
    }
}

/* One error for every three letters begun: "hlep" finds "help", "x" finds nothing new. */
const char *
nearest_word(const struct nearest *nearest)
{
    size_t allowed = (strlen(nearest->typed) + LETTERS_FOR_AN_ERROR - 1) / LETTERS_FOR_AN_ERROR;
    bool contains = nearest->word != NULL && nearest->distance == CONTAINED_DISTANCE &&
                    strstr(nearest->word, nearest->typed) != NULL;
    return contains || nearest->distance <= allowed ? nearest->word : NULL;
}
