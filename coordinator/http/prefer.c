/* SPDX-License-Identifier: MIT */
#include "coordinator/http/prefer.h"

/* Cuts the next preference, with its value and parameters, off *rest; commas and
 * semicolons within quotes do not separate. */
static bool
next_part(struct slice *rest, char separator, struct slice *ret_part)
{
    if (rest->at == NULL) {
        return false;
    }
    bool is_quoted = false;
    for (size_t i = 0; i < rest->size; i++) {
        char c = rest->at[i];
        if (is_quoted && c == '\\') {
            i++;
        } else if (c == '"') {
            is_quoted = !is_quoted;
        } else if (c == separator && !is_quoted) {
            *ret_part = slice_trim((struct slice){ rest->at, i });
            *rest = (struct slice){ rest->at + i + 1, rest->size - i - 1 };
            return true;
        }
    }
    *ret_part = slice_trim(*rest);
    *rest = (struct slice){ 0 };
    return true;
}

/* A value may stand in quotes and means the same. */
static struct slice
unquoted(struct slice value)
{
    bool is_quoted = value.size >= 2 && value.at[0] == '"' && value.at[value.size - 1] == '"';
    return is_quoted ? (struct slice){ value.at + 1, value.size - 2 } : value;
}

static void
take(struct prefer *prefer, struct slice name, struct slice value)
{
    uint64_t seconds;
    if (slice_equal_nocase(name, SLICE("respond-async")) && value.size == 0) {
        prefer->respond_async = true;
    } else if (slice_equal_nocase(name, SLICE("wait")) && !prefer->has_wait &&
               slice_to_u64(unquoted(value), &seconds)) {
        prefer->has_wait = true;
        prefer->wait_s = seconds < UINT32_MAX ? (uint32_t) seconds : UINT32_MAX;
    }
}

void
prefer_read(struct prefer *prefer, struct slice value)
{
    struct slice preference;
    while (next_part(&value, ',', &preference)) {
        struct slice rest = preference;
        struct slice first = { 0 };
        (void) next_part(&rest, ';', &first); /* what follows are parameters: none are known */
        struct slice of = first;
        struct slice name = { 0 };
        bool has_value = memchr(first.at, '=', first.size) != NULL;
        (void) slice_next(&of, '=', &name);
        take(prefer, slice_trim(name), has_value ? slice_trim(of) : (struct slice){ 0 });
    }
}
