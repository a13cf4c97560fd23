/* SPDX-License-Identifier: MIT */
#include "coordinator/http/codec.h"

#define IN_TOKEN  1u /* method, header name */
#define IN_TARGET 2u
#define IN_VALUE  4u /* header value, besides CR and LF */
#define IN_HOST   8u

#define ALNUM (IN_TOKEN | IN_TARGET | IN_VALUE | IN_HOST)

/* What a byte may be part of; everything that is not listed is refused everywhere. */
static const uint8_t classes[256] = {
    ['0' ... '9'] = ALNUM,
    ['A' ... 'Z'] = ALNUM,
    ['a' ... 'z'] = ALNUM,
    ['\t'] = IN_VALUE,
    [' '] = IN_VALUE,
    ['!'] = IN_TOKEN | IN_TARGET | IN_VALUE | IN_HOST,
    ['"'] = IN_VALUE,
    ['#'] = IN_TOKEN | IN_VALUE,
    ['$'] = IN_TOKEN | IN_TARGET | IN_VALUE | IN_HOST,
    ['%'] = IN_TOKEN | IN_TARGET | IN_VALUE | IN_HOST,
    ['&'] = IN_TOKEN | IN_TARGET | IN_VALUE | IN_HOST,
    ['\''] = IN_TOKEN | IN_TARGET | IN_VALUE | IN_HOST,
    ['('] = IN_TARGET | IN_VALUE | IN_HOST,
    [')'] = IN_TARGET | IN_VALUE | IN_HOST,
    ['*'] = IN_TOKEN | IN_TARGET | IN_VALUE | IN_HOST,
    ['+'] = IN_TOKEN | IN_TARGET | IN_VALUE | IN_HOST,
    [','] = IN_TARGET | IN_VALUE | IN_HOST,
    ['-'] = ALNUM,
    ['.'] = ALNUM,
    ['/'] = IN_TARGET | IN_VALUE,
    [':'] = IN_TARGET | IN_VALUE | IN_HOST,
    [';'] = IN_TARGET | IN_VALUE | IN_HOST,
    ['<'] = IN_VALUE,
    ['='] = IN_TARGET | IN_VALUE | IN_HOST,
    ['>'] = IN_VALUE,
    ['?'] = IN_TARGET | IN_VALUE,
    ['@'] = IN_TARGET | IN_VALUE,
    ['['] = IN_VALUE | IN_HOST,
    ['\\'] = IN_VALUE,
    [']'] = IN_VALUE | IN_HOST,
    ['^'] = IN_TOKEN | IN_VALUE,
    ['_'] = ALNUM,
    ['`'] = IN_TOKEN | IN_VALUE,
    ['{'] = IN_VALUE,
    ['|'] = IN_TOKEN | IN_VALUE,
    ['}'] = IN_VALUE,
    ['~'] = ALNUM,
    [0x80 ... 0xff] = IN_VALUE, /* obs-text: opaque */
};

static bool
all_in(struct slice text, unsigned class)
{
    unsigned in = class;
    for (size_t i = 0; i < text.size; i++) {
        in &= classes[(uint8_t) text.at[i]];
    }
    return in != 0;
}

static enum codec_event
refuse(struct codec *codec, enum codec_refusal why)
{
    codec->refusal = why;
    return CODEC_REFUSED;
}

static struct codec_range
range_of(const uint8_t *bytes, struct slice text)
{
    return (struct codec_range){ .at = (uint16_t) ((const uint8_t *) text.at - bytes),
        .size = (uint16_t) text.size };
}

void
codec_init(struct codec *codec, const struct codec_limits *limits)
{
    CHECK(limits->line_size_max <= CODEC_LINE_SIZE_MAX);
    CHECK(limits->headers_size_max <= CODEC_HEADERS_SIZE_MAX);
    CHECK(limits->headers_max <= CODEC_HEADERS_MAX);

    const struct codec_limits copy = *limits; /* perhaps the codec's own */
    memset(codec, 0, offsetof(struct codec, headers));
    codec->limits = copy;
}

void
codec_next(struct codec *codec)
{
    codec_init(codec, &codec->limits);
}

/* ---- request line --------------------------------------------------------------------- */

static const struct slice methods[CODEC_METHODS_COUNT] = {
    [CODEC_GET] = { "GET", 3 },
    [CODEC_HEAD_METHOD] = { "HEAD", 4 },
    [CODEC_POST] = { "POST", 4 },
    [CODEC_PUT] = { "PUT", 3 },
    [CODEC_PATCH] = { "PATCH", 5 },
    [CODEC_DELETE] = { "DELETE", 6 },
    [CODEC_OPTIONS] = { "OPTIONS", 7 },
};

static enum codec_refusal
take_method(struct codec *codec, struct slice method)
{
    if (method.size == 0 || !all_in(method, IN_TOKEN)) {
        return CODEC_REQUEST_LINE;
    }
    for (unsigned i = 0; i < CODEC_METHODS_COUNT; i++) {
        if (slice_equal(method, methods[i])) {
            codec->method = (enum codec_method) i;
            return CODEC_NOT_REFUSED;
        }
    }
    return CODEC_UNKNOWN_METHOD;
}

/* Nothing, or a colon and perhaps a port. */
static bool
is_port(struct slice text)
{
    uint64_t number = 0;
    if (text.size <= 1) {
        return text.size == 0 || text.at[0] == ':';
    }
    return text.at[0] == ':' &&
           slice_to_u64((struct slice){ text.at + 1, text.size - 1 }, &number) &&
           number <= UINT16_MAX;
}

/* host, host:port, [v6]:port */
static bool
is_host(struct slice host)
{
    if (host.size == 0 || !all_in(host, IN_HOST)) {
        return false;
    }
    size_t name_size = 0;
    bool is_literal = host.at[0] == '[';
    if (is_literal) {
        const char *end = memchr(host.at, ']', host.size);
        name_size = end != NULL ? (size_t) (end + 1 - host.at) : 0;
    } else {
        const char *colon = memchr(host.at, ':', host.size);
        name_size = colon != NULL ? (size_t) (colon - host.at) : host.size;
    }
    bool has_bracket = !is_literal && (memchr(host.at, '[', host.size) != NULL ||
                                          memchr(host.at, ']', host.size) != NULL);
    return name_size > 0 && !has_bracket &&
           is_port((struct slice){ host.at + name_size, host.size - name_size });
}

/* Percent signs are followed by two hexadecimal digits. */
static bool
escapes_are_whole(struct slice target)
{
    for (size_t i = 0; i < target.size; i++) {
        if (target.at[i] != '%') {
            continue;
        }
        for (size_t digit = i + 1; digit <= i + 2; digit++) {
            char c = digit < target.size ? target.at[digit] : '\0';
            bool is_hex =
                (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
            if (!is_hex) {
                return false;
            }
        }
    }
    return true;
}

static enum codec_refusal
take_target(struct codec *codec, const uint8_t *bytes, struct slice target)
{
    static const struct slice scheme = { "http://", 7 };
    if (target.size > scheme.size &&
        slice_equal_nocase((struct slice){ target.at, scheme.size }, scheme)) {
        struct slice rest = { target.at + scheme.size, target.size - scheme.size };
        const char *path = memchr(rest.at, '/', rest.size);
        struct slice host = { rest.at, path != NULL ? (size_t) (path - rest.at) : rest.size };
        if (path == NULL || !is_host(host)) {
            return CODEC_BAD_TARGET;
        }
        codec->authority = range_of(bytes, host);
        target = (struct slice){ path, rest.size - host.size };
    }
    bool is_star = target.size == 1 && target.at[0] == '*' && codec->method == CODEC_OPTIONS;
    bool is_path = target.size > 0 && target.at[0] == '/';
    if (!(is_star || is_path) || !all_in(target, IN_TARGET) || !escapes_are_whole(target)) {
        return CODEC_BAD_TARGET;
    }
    codec->target = range_of(bytes, target);
    return CODEC_NOT_REFUSED;
}

static enum codec_refusal
take_version(struct codec *codec, struct slice version)
{
    bool has_shape = version.size == 8 && memcmp(version.at, "HTTP/", 5) == 0 &&
                     version.at[6] == '.' && version.at[5] >= '0' && version.at[5] <= '9' &&
                     version.at[7] >= '0' && version.at[7] <= '9';
    if (!has_shape) {
        return CODEC_REQUEST_LINE;
    }
    if (version.at[5] != '1' || version.at[7] > '1') {
        return CODEC_VERSION;
    }
    codec->version_minor = (uint8_t) (version.at[7] - '0');
    return CODEC_NOT_REFUSED;
}

static enum codec_refusal
take_request_line(struct codec *codec, const uint8_t *bytes, struct slice line)
{
    if (line.size == 0) {
        /* Some clients send one CRLF more than a body has (RFC 9112, 2.2). */
        enum codec_refusal why = codec->skipped_blank ? CODEC_BLANK_LINES : CODEC_NOT_REFUSED;
        codec->skipped_blank = true;
        return why;
    }
    struct slice parts[4];
    unsigned parts_count = 0;
    while (parts_count < 4 && slice_next(&line, ' ', &parts[parts_count])) {
        parts_count++;
    }
    if (parts_count != 3) {
        return CODEC_REQUEST_LINE;
    }
    /* The version first: the preface of HTTP/2 is to be told 505, not "unknown method". */
    enum codec_refusal why = take_version(codec, parts[2]);
    if (why == CODEC_NOT_REFUSED) {
        why = take_method(codec, parts[0]);
    }
    if (why == CODEC_NOT_REFUSED) {
        why = take_target(codec, bytes, parts[1]);
    }
    codec->has_line = true;
    return why;
}

/* ---- header lines --------------------------------------------------------------------- */

static enum codec_refusal
take_length(struct codec *codec, struct slice value)
{
    if (codec->has_length) {
        return CODEC_TWO_LENGTHS;
    }
    if (!slice_to_u64(value, &codec->left_size)) {
        return CODEC_BAD_LENGTH;
    }
    codec->has_length = true;
    return CODEC_NOT_REFUSED;
}

static enum codec_refusal
take_encoding(struct codec *codec, struct slice value)
{
    if (codec->is_chunked) {
        return CODEC_TWO_ENCODINGS;
    }
    if (!slice_equal_nocase(value, SLICE("chunked"))) {
        return CODEC_UNKNOWN_ENCODING;
    }
    codec->is_chunked = true;
    return CODEC_NOT_REFUSED;
}

static enum codec_refusal
take_connection(struct codec *codec, struct slice value)
{
    struct slice option;
    while (slice_next(&value, ',', &option)) {
        option = slice_trim(option);
        if (slice_equal_nocase(option, SLICE("close"))) {
            codec->has_close = true;
        } else if (slice_equal_nocase(option, SLICE("keep-alive"))) {
            codec->has_keep_alive = true;
        } else if (slice_equal_nocase(option, SLICE("content-length")) ||
                   slice_equal_nocase(option, SLICE("transfer-encoding")) ||
                   slice_equal_nocase(option, SLICE("host"))) {
            return CODEC_BAD_CONNECTION;
        }
    }
    return CODEC_NOT_REFUSED;
}

static enum codec_refusal
take_host(struct codec *codec, const uint8_t *bytes, struct slice value)
{
    if (codec->host.size > 0) {
        return CODEC_TWO_HOSTS;
    }
    if (!is_host(value)) {
        return CODEC_BAD_HOST;
    }
    codec->host = range_of(bytes, value);
    return CODEC_NOT_REFUSED;
}

static enum codec_refusal
take_expectation(struct codec *codec, struct slice value)
{
    if (!slice_equal_nocase(value, SLICE("100-continue"))) {
        return CODEC_UNKNOWN_EXPECTATION;
    }
    codec->expects_continue = true;
    return CODEC_NOT_REFUSED;
}

/* Headers that say where the message ends, or whose it is.  The sizes keep the others,
 * which are nearly all, from being compared. */
static enum codec_refusal
take_framing(struct codec *codec, const uint8_t *bytes, struct slice name, struct slice value)
{
    if (name.size == 4 && slice_equal_nocase(name, SLICE("host"))) {
        return take_host(codec, bytes, value);
    }
    if (name.size == 6 && slice_equal_nocase(name, SLICE("expect"))) {
        return take_expectation(codec, value);
    }
    if (name.size == 10 && slice_equal_nocase(name, SLICE("connection"))) {
        return take_connection(codec, value);
    }
    if (name.size == 14 && slice_equal_nocase(name, SLICE("content-length"))) {
        return take_length(codec, value);
    }
    if (name.size == 17 && slice_equal_nocase(name, SLICE("transfer-encoding"))) {
        return take_encoding(codec, value);
    }
    return CODEC_NOT_REFUSED;
}

static enum codec_refusal
take_header_line(struct codec *codec, const uint8_t *bytes, struct slice line)
{
    if (line.at[0] == ' ' || line.at[0] == '\t') {
        return CODEC_FOLDED_LINE;
    }
    const char *colon = memchr(line.at, ':', line.size);
    if (colon == NULL) {
        return CODEC_NO_COLON;
    }
    struct slice name = { line.at, (size_t) (colon - line.at) };
    if (name.size == 0) {
        return CODEC_EMPTY_NAME;
    }
    char last = name.at[name.size - 1];
    if (last == ' ' || last == '\t') {
        return CODEC_SPACE_BEFORE_COLON;
    }
    if (!all_in(name, IN_TOKEN)) {
        return CODEC_BAD_NAME;
    }
    if (codec->headers_count == codec->limits.headers_max) {
        return CODEC_HEADERS_TOO_MANY;
    }
    struct slice value = slice_trim((struct slice){ colon + 1, line.size - name.size - 1 });
    codec->headers[codec->headers_count++] =
        (struct codec_header){ .name = range_of(bytes, name), .value = range_of(bytes, value) };
    return take_framing(codec, bytes, name, value);
}

static enum codec_event
end_head(struct codec *codec, const uint8_t *bytes)
{
    bool has_authority = codec->authority.size > 0;
    if (codec->host.size == 0 && (codec->version_minor == 1 || has_authority)) {
        return refuse(codec, CODEC_NO_HOST);
    }
    if (has_authority && !slice_equal_nocase(codec_slice(bytes, codec->authority),
                             codec_slice(bytes, codec->host))) {
        return refuse(codec, CODEC_OTHER_HOST);
    }
    if (codec->is_chunked && codec->has_length) {
        return refuse(codec, CODEC_LENGTH_AND_ENCODING);
    }
    if (codec->is_chunked && codec->version_minor == 0) {
        return refuse(codec, CODEC_ENCODING_IN_1_0);
    }
    if (codec->left_size > codec->limits.body_size_max) {
        return refuse(codec, CODEC_BODY_TOO_BIG);
    }
    /* A client of HTTP/1.0 cannot have meant it (RFC 9110, 10.1.1). */
    codec->expects_continue = codec->expects_continue && codec->version_minor == 1;
    codec->head_size = codec->scanned_size;
    return CODEC_HEAD;
}

/* ---- head ----------------------------------------------------------------------------- */

/* The line from line_at to end (without CRLF) is complete. */
static enum codec_event
take_line(struct codec *codec, const uint8_t *bytes, size_t end)
{
    struct slice line = { (const char *) bytes + codec->line_at, end - codec->line_at };
    codec->line_at = codec->scanned_size;
    if (!codec->has_line) {
        enum codec_refusal why = take_request_line(codec, bytes, line);
        codec->headers_at = codec->scanned_size;
        return why == CODEC_NOT_REFUSED ? CODEC_MORE : refuse(codec, why);
    }
    if (line.size == 0) {
        return end_head(codec, bytes);
    }
    enum codec_refusal why = take_header_line(codec, bytes, line);
    return why == CODEC_NOT_REFUSED ? CODEC_MORE : refuse(codec, why);
}

/* How far the line may reach that is being looked at. */
static size_t
head_limit(const struct codec *codec)
{
    return codec->has_line ? (size_t) codec->headers_at + codec->limits.headers_size_max
                           : (size_t) codec->line_at + codec->limits.line_size_max + 2;
}

/* A byte that may stand in no line: the end of one, or a refusal.  previous is the byte
 * before it. */
static enum codec_event
take_special(struct codec *codec, const uint8_t *bytes, size_t at)
{
    uint8_t byte = bytes[at];
    bool after_cr = at > codec->line_at && bytes[at - 1] == '\r';
    if (byte == '\n' && after_cr) {
        return take_line(codec, bytes, at - 1);
    }
    if (byte == '\n') {
        return refuse(codec, CODEC_BARE_LF);
    }
    if (byte == '\r' && !after_cr) {
        return CODEC_MORE; /* the next byte tells */
    }
    return refuse(codec, after_cr ? CODEC_BARE_CR : CODEC_CONTROL_BYTE);
}

enum codec_event
codec_head(struct codec *codec, const uint8_t *bytes, size_t size)
{
    CHECK(codec->head_size == 0);
    if (codec->refusal != CODEC_NOT_REFUSED) {
        return CODEC_REFUSED;
    }
    bool was_cr =
        codec->scanned_size > codec->line_at && bytes[codec->scanned_size - 1] == '\r';
    size_t limit = head_limit(codec);
    while (codec->scanned_size < size) {
        size_t at = codec->scanned_size;
        if (at >= limit) {
            return refuse(codec, codec->has_line ? CODEC_HEADERS_TOO_BIG : CODEC_LINE_TOO_LONG);
        }
        codec->scanned_size++;
        uint8_t byte = bytes[at];
        if (classes[byte] != 0 && !was_cr) {
            continue;
        }
        enum codec_event event = take_special(codec, bytes, at);
        if (event != CODEC_MORE) {
            return event;
        }
        was_cr = byte == '\r';
        limit = head_limit(codec);
    }
    return CODEC_MORE;
}

/* ---- what the head says --------------------------------------------------------------- */

unsigned
codec_find(
    const struct codec *codec, const uint8_t *bytes, struct slice name, struct slice *ret_value)
{
    unsigned count = 0;
    for (unsigned i = 0; i < codec->headers_count; i++) {
        const struct codec_header *header = &codec->headers[i];
        if (header->name.size == name.size &&
            slice_equal_nocase(codec_slice(bytes, header->name), name)) {
            if (count++ == 0) {
                *ret_value = codec_slice(bytes, header->value);
            }
        }
    }
    return count;
}

bool
codec_has_body(const struct codec *codec)
{
    return codec->is_chunked || codec->left_size > 0;
}

bool
codec_keeps_alive(const struct codec *codec)
{
    if (codec->has_close || codec->refusal != CODEC_NOT_REFUSED) {
        return false;
    }
    return codec->version_minor == 1 || codec->has_keep_alive;
}

unsigned
codec_refusal_status(enum codec_refusal refusal)
{
    switch (refusal) {
    case CODEC_NOT_REFUSED: return 200;
#define CODEC_REFUSAL_STATUS(name, status, text) \
    case CODEC_##name: return status;
        CODEC_REFUSALS(CODEC_REFUSAL_STATUS)
#undef CODEC_REFUSAL_STATUS
    }
    CHECK_UNREACHABLE();
}

const char *
codec_refusal_text(enum codec_refusal refusal)
{
    switch (refusal) {
    case CODEC_NOT_REFUSED: return "well formed";
#define CODEC_REFUSAL_TEXT(name, status, text) \
    case CODEC_##name: return text;
        CODEC_REFUSALS(CODEC_REFUSAL_TEXT)
#undef CODEC_REFUSAL_TEXT
    }
    CHECK_UNREACHABLE();
}

const char *
codec_refusal_name(enum codec_refusal refusal)
{
    switch (refusal) {
    case CODEC_NOT_REFUSED: return "NOT_REFUSED";
#define CODEC_REFUSAL_NAME(name, status, text) \
    case CODEC_##name: return #name;
        CODEC_REFUSALS(CODEC_REFUSAL_NAME)
#undef CODEC_REFUSAL_NAME
    }
    CHECK_UNREACHABLE();
}

const char *
codec_method_text(enum codec_method method)
{
    CHECK(method < CODEC_METHODS_COUNT);
    return methods[method].at;
}
