/* SPDX-License-Identifier: MIT
 *
 * coordinator/http/out.h - write text and JSON into one buffer that grows.
 *
 * Commas take care of themselves:
 *
 *     out_open(out, '{');
 *     out_key(out, "state");
 *     out_string(out, slice_of("RUNNING"));
 *     out_close(out, '}');
 *
 * OWNERSHIP  the buffer is the out's
 * MEMORY     kept up to OUT_KEPT_SIZE between answers
 * ERRORS     without memory the text is cut, has_failed is set, and stays so until
 *            out_reset(): one check at the end is enough
 */
#ifndef COORDINATOR_HTTP_OUT_H
#define COORDINATOR_HTTP_OUT_H

#include "common/pure/id.h"
#include "common/pure/slice.h"
#include "common/pure/units.h"

#define OUT_KEPT_SIZE (64 * 1024)

struct out {
    char *bytes;
    size_t size;
    size_t room;
    bool has_failed;
    bool wants_comma;
};

/* Empties it. */
void out_reset(struct out *out);
void out_fini(struct out *out);
static inline struct slice
out_slice(const struct out *out)
{
    return (struct slice){ .at = out->bytes, .size = out->size };
}

/* ---- text ----------------------------------------------------------------------------- */

void out_add(struct out *out, struct slice text);
void out_format(struct out *out, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* size bytes to be filled by the caller, valid until the next call; NULL: no memory. */
char *out_room(struct out *out, size_t size);

/* ---- JSON ----------------------------------------------------------------------------- */

/* bracket: '{' or '['. */
void out_open(struct out *out, char bracket);
void out_close(struct out *out, char bracket);
void out_key(struct out *out, const char *key);
/* A value, each.  Bytes that are not UTF-8 become U+FFFD. */
void out_string(struct out *out, struct slice text);
void out_bool(struct out *out, bool value);
void out_u64(struct out *out, uint64_t value);
void out_null(struct out *out);
/* Milliseconds with three decimals. */
void out_ms(struct out *out, duration_t duration);
/* Text that is JSON already. */
void out_json(struct out *out, struct slice json);
void out_base64(struct out *out, const uint8_t *bytes, size_t size);
/* RFC 3339 in UTC. */
void out_time(struct out *out, uint64_t unix_ms);
void out_id(struct out *out, id_t128 id);

#endif
