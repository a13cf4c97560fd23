/* SPDX-License-Identifier: MIT
 *
 * coordinator/cli/input.h - a job's input, as the command line names it.
 *
 *     TEXT    the bytes of the word       @FILE   the bytes of the file
 *     -       standard input, to its end  @@TEXT  a text that begins with @
 *     (none)  nothing
 *
 * Standard input is read only when it is asked for: a job in a script's loop must not eat
 * the loop's input, nor hang on a pipe that never ends.  One that is waiting there, unread,
 * is worth a note.
 *
 * MEMORY  at most HEDGEROW_BODY_SIZE_MAX bytes; the service's own bound is lower.
 */
#ifndef COORDINATOR_CLI_INPUT_H
#define COORDINATOR_CLI_INPUT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct input {
    uint8_t *bytes;
    size_t size;
};

/* word may be NULL.  false: said why on stderr. */
bool input_load(const char *word, struct input *ret_input);
bool input_load_file(const char *path, struct input *ret_input);
void input_fini(struct input *input);

#endif
