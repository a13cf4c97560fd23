/* SPDX-License-Identifier: MIT
 *
 * The body's half of the codec: by length, or in chunks.
 *
 *     5;name=value CRLF  hello CRLF   0 CRLF  Trailer: x CRLF  CRLF
 *     '-SIZE EXTENSION   '-DATA '-END '-SIZE  '-LINE NAME VALUE '-LAST
 */
#include "coordinator/http/codec.h"

enum chunk_state {
    CHUNK_SIZE,
    CHUNK_EXTENSION,
    CHUNK_SIZE_LF, /* after the CR of the size line */
    CHUNK_DATA,
    CHUNK_DATA_CR,
    CHUNK_DATA_LF,
    CHUNK_LINE, /* at the start of a trailer line, or of the last CRLF */
    CHUNK_NAME,
    CHUNK_VALUE,
    CHUNK_VALUE_LF,
    CHUNK_LAST_LF,
    CHUNK_OVER
};

/* Leading zeros are digits, too: 16 of them say any size that can be. */
#define CHUNK_DIGITS_MAX 16

static enum codec_refusal
go(struct codec *codec, enum chunk_state next)
{
    codec->chunk_state = (uint8_t) next;
    return CODEC_NOT_REFUSED;
}

static int
hex_value(uint8_t c)
{
    if (c >= '0' && c <= '9') {
        return c - '0';
    }
    if (c >= 'a' && c <= 'f') {
        return c - 'a' + 10;
    }
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

static enum codec_refusal
on_size(struct codec *codec, uint8_t byte)
{
    int digit = hex_value(byte);
    if (digit < 0) {
        bool has_digits = codec->chunk_digits_count > 0;
        if (has_digits && byte == '\r') {
            return go(codec, CHUNK_SIZE_LF);
        }
        if (has_digits && byte == ';') {
            codec->extension_size = 0;
            return go(codec, CHUNK_EXTENSION);
        }
        return CODEC_BAD_CHUNK_SIZE;
    }
    if (++codec->chunk_digits_count > CHUNK_DIGITS_MAX) {
        return CODEC_BAD_CHUNK_SIZE;
    }
    /* Cannot overflow: the size never gets past body_size_max × 16. */
    codec->left_size = codec->left_size * 16 + (uint64_t) digit;
    bool is_over = codec->left_size > codec->limits.body_size_max - codec->body_size;
    return is_over ? CODEC_BODY_TOO_BIG : CODEC_NOT_REFUSED;
}

static enum codec_refusal
on_extension(struct codec *codec, uint8_t byte)
{
    if (byte == '\r') {
        return go(codec, CHUNK_SIZE_LF);
    }
    if ((byte < ' ' && byte != '\t') || byte >= 0x7f) {
        return CODEC_BAD_EXTENSION;
    }
    bool is_over = ++codec->extension_size > CODEC_EXTENSION_SIZE_MAX;
    return is_over ? CODEC_EXTENSION_TOO_BIG : CODEC_NOT_REFUSED;
}

static enum codec_refusal
on_size_lf(struct codec *codec, uint8_t byte)
{
    if (byte != '\n') {
        return CODEC_BAD_CHUNK_SIZE;
    }
    codec->chunk_digits_count = 0;
    return go(codec, codec->left_size > 0 ? CHUNK_DATA : CHUNK_LINE);
}

static bool
is_token(uint8_t c)
{
    bool is_alnum = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
    return is_alnum || (c != '\0' && strchr("!#$%&'*+-.^_`|~", c) != NULL);
}

/* The trailer is looked at and thrown away: nothing in it may say where the message ends,
 * so nothing in it is believed. */
static enum codec_refusal
on_trailer(struct codec *codec, enum chunk_state state, uint8_t byte)
{
    if (++codec->trailer_size > CODEC_TRAILER_SIZE_MAX) {
        return CODEC_TRAILER_TOO_BIG;
    }
    if (state == CHUNK_LINE && byte == '\r') {
        return go(codec, CHUNK_LAST_LF);
    }
    if (state == CHUNK_LINE || state == CHUNK_NAME) {
        if (byte == ':' && state == CHUNK_NAME) {
            return go(codec, CHUNK_VALUE);
        }
        return is_token(byte) ? go(codec, CHUNK_NAME) : CODEC_BAD_TRAILER;
    }
    if (byte == '\r') {
        return go(codec, CHUNK_VALUE_LF);
    }
    bool is_control = (byte < ' ' && byte != '\t') || byte == 0x7f;
    return is_control ? CODEC_BAD_TRAILER : CODEC_NOT_REFUSED;
}

static enum codec_refusal
on_framing(struct codec *codec, uint8_t byte)
{
    enum chunk_state state = (enum chunk_state) codec->chunk_state;
    switch (state) {
    case CHUNK_SIZE: return on_size(codec, byte);
    case CHUNK_EXTENSION: return on_extension(codec, byte);
    case CHUNK_SIZE_LF: return on_size_lf(codec, byte);
    case CHUNK_DATA_CR: return byte == '\r' ? go(codec, CHUNK_DATA_LF) : CODEC_CHUNK_NOT_ENDED;
    case CHUNK_DATA_LF: return byte == '\n' ? go(codec, CHUNK_SIZE) : CODEC_CHUNK_NOT_ENDED;
    case CHUNK_LINE:
    case CHUNK_NAME:
    case CHUNK_VALUE: return on_trailer(codec, state, byte);
    case CHUNK_VALUE_LF: return byte == '\n' ? go(codec, CHUNK_LINE) : CODEC_BAD_TRAILER;
    case CHUNK_LAST_LF: return byte == '\n' ? go(codec, CHUNK_OVER) : CODEC_BAD_TRAILER;
    case CHUNK_DATA:
    case CHUNK_OVER: break;
    }
    CHECK_UNREACHABLE();
}

/* The next piece of data, at most size bytes. */
static enum codec_event
take_data(struct codec *codec, const uint8_t *bytes, size_t size, struct slice *ret_data)
{
    size_t data_size = codec->left_size < size ? (size_t) codec->left_size : size;
    *ret_data = (struct slice){ .at = (const char *) bytes, .size = data_size };
    codec_body_took(codec, data_size);
    return CODEC_BODY;
}

static enum codec_event
chunked_body(struct codec *codec, const uint8_t *bytes, size_t size, size_t *ret_used,
    struct slice *ret_data)
{
    size_t used = 0;
    enum codec_event event = CODEC_MORE;
    while (event == CODEC_MORE) {
        if (codec->chunk_state == CHUNK_OVER) {
            event = CODEC_END;
        } else if (used == size) {
            break;
        } else if (codec->chunk_state == CHUNK_DATA) {
            event = take_data(codec, bytes + used, size - used, ret_data);
            used += ret_data->size;
        } else {
            codec->refusal = on_framing(codec, bytes[used++]);
            event = codec->refusal == CODEC_NOT_REFUSED ? CODEC_MORE : CODEC_REFUSED;
        }
    }
    *ret_used = used;
    return event;
}

enum codec_event
codec_body(struct codec *codec, const uint8_t *bytes, size_t size, size_t *ret_used,
    struct slice *ret_data)
{
    *ret_used = 0;
    if (codec->refusal != CODEC_NOT_REFUSED) {
        return CODEC_REFUSED;
    }
    CHECK(codec->head_size > 0);
    if (codec->is_chunked) {
        return chunked_body(codec, bytes, size, ret_used, ret_data);
    }
    if (codec->left_size == 0) {
        return CODEC_END;
    }
    if (size == 0) {
        return CODEC_MORE;
    }
    enum codec_event event = take_data(codec, bytes, size, ret_data);
    *ret_used = ret_data->size;
    return event;
}

uint64_t
codec_body_plain_size(const struct codec *codec)
{
    bool is_data = !codec->is_chunked || codec->chunk_state == CHUNK_DATA;
    return is_data ? codec->left_size : 0;
}

void
codec_body_took(struct codec *codec, uint64_t size)
{
    CHECK(size <= codec->left_size);
    codec->left_size -= size;
    codec->body_size += size;
    if (codec->is_chunked && codec->left_size == 0) {
        codec->chunk_state = CHUNK_DATA_CR;
    }
}
