/* SPDX-License-Identifier: MIT
 *
 * proto/text.h - what may stand in a message where text is meant.
 *
 * protobuf-c hands strings out as C strings, so a NUL inside would hide what follows it.
 *
 * THREADS  any; no state.
 */
#ifndef PROTO_TEXT_H
#define PROTO_TEXT_H

#include <stdbool.h>
#include <stddef.h>

/* UTF-8 without a NUL. */
bool text_is_valid(const char *text, size_t size);
/* Printable ASCII without blanks: what names are made of. */
bool text_is_name(const char *text);
/* Put '?' for each byte that belongs to no character; text ends with a zero. */
void text_clean(char *text);

#endif
