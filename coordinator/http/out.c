/* SPDX-License-Identifier: MIT */
#include "coordinator/http/out.h"

#include "common/pure/base64.h"
#include "common/pure/utf8.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define FIRST_ROOM 4096

void
out_reset(struct out *out)
{
    if (out->room > OUT_KEPT_SIZE) {
        out_fini(out);
    }
    out->size = 0;
    out->has_failed = false;
    out->wants_comma = false;
}

void
out_fini(struct out *out)
{
    free(out->bytes);
    *out = (struct out){ 0 };
}

/* ---- text ----------------------------------------------------------------------------- */

char *
out_room(struct out *out, size_t size)
{
    if (size > out->room - out->size) {
        size_t room = out->room > 0 ? out->room : FIRST_ROOM;
        while (room - out->size < size) {
            room *= 2;
        }
        char *bytes = out->has_failed ? NULL : realloc(out->bytes, room);
        if (bytes == NULL) {
            out->has_failed = true;
            return NULL;
        }
        out->bytes = bytes;
        out->room = room;
    }
    char *start = out->bytes + out->size;
    out->size += size;
    return start;
}

void
out_add(struct out *out, struct slice text)
{
    char *room = text.size > 0 ? out_room(out, text.size) : NULL;
    if (room != NULL) {
        memcpy(room, text.at, text.size);
    }
}

void
out_format(struct out *out, const char *format, ...)
{
    char text[512];
    va_list arguments;
    va_start(arguments, format);
    int size = vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    CHECK(size >= 0);
    CHECK((size_t) size < sizeof text);
    out_add(out, (struct slice){ text, (size_t) size });
}

/* ---- JSON ----------------------------------------------------------------------------- */

static void
begin_value(struct out *out)
{
    if (out->wants_comma) {
        out_add(out, SLICE(","));
    }
    out->wants_comma = true;
}

void
out_open(struct out *out, char bracket)
{
    begin_value(out);
    out_add(out, (struct slice){ &bracket, 1 });
    out->wants_comma = false;
}

void
out_close(struct out *out, char bracket)
{
    out_add(out, (struct slice){ &bracket, 1 });
    out->wants_comma = true;
}

void
out_key(struct out *out, const char *key)
{
    begin_value(out);
    out_add(out, SLICE("\""));
    out_add(out, slice_of(key));
    out_add(out, SLICE("\":"));
    out->wants_comma = false;
}

static void
add_escaped(struct out *out, char c)
{
    switch (c) {
    case '"': out_add(out, SLICE("\\\"")); break;
    case '\\': out_add(out, SLICE("\\\\")); break;
    case '\n': out_add(out, SLICE("\\n")); break;
    case '\r': out_add(out, SLICE("\\r")); break;
    case '\t': out_add(out, SLICE("\\t")); break;
    default: out_format(out, "\\u%04x", (unsigned) (uint8_t) c); break;
    }
}

static bool
is_plain(char c)
{
    return (uint8_t) c >= ' ' && c != '"' && c != '\\' && c != 0x7f;
}

void
out_string(struct out *out, struct slice text)
{
    begin_value(out);
    out_add(out, SLICE("\""));
    while (text.size > 0) {
        size_t plain_size = 0;
        size_t size = utf8_char_size(text);
        while (size > 0 && is_plain(text.at[plain_size])) {
            plain_size += size;
            size =
                utf8_char_size((struct slice){ text.at + plain_size, text.size - plain_size });
        }
        out_add(out, (struct slice){ text.at, plain_size });
        text.at += plain_size;
        text.size -= plain_size;
        if (text.size == 0) {
            break;
        }
        if (size == 0) {
            out_add(out, SLICE("\xef\xbf\xbd"));
        } else {
            add_escaped(out, text.at[0]);
        }
        text.at++;
        text.size--;
    }
    out_add(out, SLICE("\""));
}

void
out_bool(struct out *out, bool value)
{
    out_json(out, value ? SLICE("true") : SLICE("false"));
}

void
out_u64(struct out *out, uint64_t value)
{
    begin_value(out);
    out_format(out, "%" PRIu64, value);
}

void
out_null(struct out *out)
{
    out_json(out, SLICE("null"));
}

void
out_ms(struct out *out, duration_t duration)
{
    begin_value(out);
    int64_t us = duration_to_us(duration);
    out_format(out, "%" PRId64 ".%03" PRId64, us / 1000, us % 1000);
}

void
out_json(struct out *out, struct slice json)
{
    begin_value(out);
    out_add(out, json);
}

void
out_base64(struct out *out, const uint8_t *bytes, size_t size)
{
    begin_value(out);
    out_add(out, SLICE("\""));
    char *room = size > 0 ? out_room(out, base64_size(size)) : NULL;
    if (room != NULL) {
        base64_encode(bytes, size, room);
    }
    out_add(out, SLICE("\""));
}

void
out_time(struct out *out, uint64_t unix_ms)
{
    time_t seconds = (time_t) (unix_ms / 1000);
    struct tm utc;
    char text[40];
    begin_value(out);
    CHECK(gmtime_r(&seconds, &utc) != NULL);
    CHECK(strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%S", &utc) > 0);
    out_format(out, "\"%s.%03uZ\"", text, (unsigned) (unix_ms % 1000));
}

void
out_id(struct out *out, id_t128 id)
{
    char text[ID_TEXT_SIZE];
    id_to_text(id, text);
    out_string(out, (struct slice){ text, ID_TEXT_SIZE - 1 });
}
