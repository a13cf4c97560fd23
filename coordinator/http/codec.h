/* SPDX-License-Identifier: MIT
 *
 * coordinator/http/codec.h - read HTTP/1.1 requests strictly: what is unclear is refused.
 *
 * A front end and we must never see different requests in the same bytes (request
 * smuggling).  So nothing is repaired: two lengths, a bare LF, a folded line, a space
 * before a colon are each a refusal, after which the connection is closed.
 *
 *      codec_head()           codec_body()                  codec_next()
 *   bytes --> MORE ... HEAD --> BODY, BODY ... END --> the next request
 *                 '--> REFUSED      '--> REFUSED
 *
 * The caller keeps the bytes.  codec_head() is shown everything from the first byte of
 * the request on, each time a little more, and looks at each byte once; its slices point
 * into what it was shown last.
 *
 * INVARIANTS  C1  the outcome does not depend on how the bytes were cut into pieces
 *             C2  after REFUSED every call says REFUSED
 *             C3  no more than CODEC_HEAD_SIZE_MAX bytes are wanted before HEAD, and no
 *                 more than body_size_max bytes come out of one request's BODY events
 * THREADS     any, one at a time      MEMORY  none but the struct
 * REJECTED    storing the head's lines in the codec: a copy for each request
 *             accepting what RFC 9112 lets a server repair (obs-fold, bare LF, two equal
 *             lengths): each is a known way to make two servers disagree
 * SOURCE      RFC 9110, RFC 9112
 */
#ifndef COORDINATOR_HTTP_CODEC_H
#define COORDINATOR_HTTP_CODEC_H

#include "common/pure/check.h"
#include "common/pure/slice.h"

/* What the limits may be at most; a head's ranges are 16 bits. */
#define CODEC_LINE_SIZE_MAX    16384
#define CODEC_HEADERS_SIZE_MAX 32768
#define CODEC_HEADERS_MAX      64
#define CODEC_HEAD_SIZE_MAX    (CODEC_LINE_SIZE_MAX + CODEC_HEADERS_SIZE_MAX + 4)

struct codec_limits {
    uint64_t body_size_max;
    uint16_t line_size_max;    /* the request line, without its CRLF */
    uint16_t headers_size_max; /* all lines after it, with their CRLFs */
    uint16_t headers_max;
};

#define CODEC_LIMITS_DEFAULT                              \
    ((struct codec_limits){ .body_size_max = 1024 * 1024, \
        .line_size_max = 8192,                            \
        .headers_size_max = 16384,                        \
        .headers_max = 64 })

/* Of one chunk's extensions, and of a request's whole chunk framing beyond data. */
#define CODEC_EXTENSION_SIZE_MAX 256
#define CODEC_TRAILER_SIZE_MAX   4096

/* X(name, status, sentence) */
#define CODEC_REFUSALS(X)                                                                  \
    X(LINE_TOO_LONG, 414, "the request line is too long")                                  \
    X(HEADERS_TOO_BIG, 431, "the header lines together are too large")                     \
    X(HEADERS_TOO_MANY, 431, "there are too many header lines")                            \
    X(CONTROL_BYTE, 400, "there is a control byte in the header")                          \
    X(BARE_LF, 400, "a line ends in LF without CR")                                        \
    X(BARE_CR, 400, "a CR is not followed by LF")                                          \
    X(BLANK_LINES, 400, "the request begins with empty lines")                             \
    X(REQUEST_LINE, 400, "the request line is not 'METHOD target HTTP/1.1'")               \
    X(UNKNOWN_METHOD, 405, "the method is not known here")                                 \
    X(BAD_TARGET, 400, "the target is neither a path nor an http URI")                     \
    X(VERSION, 505, "only HTTP/1.1 and HTTP/1.0 are spoken here")                          \
    X(FOLDED_LINE, 400, "a header line begins with white space")                           \
    X(NO_COLON, 400, "a header line has no colon")                                         \
    X(EMPTY_NAME, 400, "a header has no name")                                             \
    X(SPACE_BEFORE_COLON, 400, "there is white space before a header's colon")             \
    X(BAD_NAME, 400, "a header's name has a character that is not allowed")                \
    X(NO_HOST, 400, "there is no Host header")                                             \
    X(TWO_HOSTS, 400, "there is more than one Host header")                                \
    X(BAD_HOST, 400, "the Host header is no host")                                         \
    X(OTHER_HOST, 400, "the target's host is not the Host header's")                       \
    X(TWO_LENGTHS, 400, "there is more than one Content-Length header")                    \
    X(BAD_LENGTH, 400, "the Content-Length is no plain decimal number")                    \
    X(LENGTH_AND_ENCODING, 400, "there are both Content-Length and Transfer-Encoding")     \
    X(TWO_ENCODINGS, 400, "there is more than one Transfer-Encoding header")               \
    X(UNKNOWN_ENCODING, 400, "the Transfer-Encoding is not exactly 'chunked'")             \
    X(ENCODING_IN_1_0, 400, "there is a Transfer-Encoding in an HTTP/1.0 request")         \
    X(BAD_CONNECTION, 400, "the Connection header names one that frames the message")      \
    X(UNKNOWN_EXPECTATION, 417, "the only expectation that is met here is '100-continue'") \
    X(BODY_TOO_BIG, 413, "the body is larger than its limit")                              \
    X(BAD_CHUNK_SIZE, 400, "a chunk's size is no plain hexadecimal number")                \
    X(BAD_EXTENSION, 400, "a chunk's extension is not well formed")                        \
    X(EXTENSION_TOO_BIG, 431, "a chunk's extension is larger than 256 bytes")              \
    X(CHUNK_NOT_ENDED, 400, "a chunk's data does not end in CRLF")                         \
    X(BAD_TRAILER, 400, "a trailer line is not well formed")                               \
    X(TRAILER_TOO_BIG, 431, "the trailer is larger than 4096 bytes")

enum codec_refusal {
    CODEC_NOT_REFUSED,
#define CODEC_REFUSAL_ENUM(name, status, text) CODEC_##name,
    CODEC_REFUSALS(CODEC_REFUSAL_ENUM)
#undef CODEC_REFUSAL_ENUM
};

enum codec_event {
    CODEC_MORE, /* show more bytes */
    CODEC_HEAD, /* the head is complete */
    CODEC_BODY, /* some bytes of the body */
    CODEC_END,  /* the request is complete */
    CODEC_REFUSED
};

enum codec_method {
    CODEC_GET,
    CODEC_HEAD_METHOD,
    CODEC_POST,
    CODEC_PUT,
    CODEC_PATCH,
    CODEC_DELETE,
    CODEC_OPTIONS,
    CODEC_METHODS_COUNT
};

/* Where a piece of the head lies, from the request's first byte. */
struct codec_range {
    uint16_t at;
    uint16_t size;
};

struct codec_header {
    struct codec_range name;
    struct codec_range value; /* without the white space around it */
};

struct codec {
    struct codec_limits limits;
    uint64_t body_size; /* bytes that came out so far */
    uint64_t left_size; /* still to come: of the body by length, or of this chunk */
    enum codec_refusal refusal;
    enum codec_method method;
    struct codec_range target;    /* path and query, without scheme and host */
    struct codec_range authority; /* of an absolute target */
    struct codec_range host;
    uint16_t scanned_size; /* bytes of the head that were looked at */
    uint16_t line_at;      /* first byte of the line that is not complete */
    uint16_t headers_at;   /* first byte after the request line */
    uint16_t head_size;    /* 0 until HEAD */
    uint16_t headers_count;
    uint16_t extension_size;
    uint16_t trailer_size;
    uint8_t chunk_state;
    uint8_t chunk_digits_count;
    uint8_t version_minor;
    bool has_line;
    bool skipped_blank;
    bool has_length;
    bool is_chunked;
    bool has_close;
    bool has_keep_alive;
    bool expects_continue;
    struct codec_header headers[CODEC_HEADERS_MAX];
};

/* limits: within the maxima above; copied. */
void codec_init(struct codec *codec, const struct codec_limits *limits);
/* After END: forget the request. */
void codec_next(struct codec *codec);

/* bytes: all of the request so far.  MORE, HEAD or REFUSED.  After HEAD the caller drops
 * codec->head_size bytes once it is done with the slices. */
enum codec_event codec_head(struct codec *codec, const uint8_t *bytes, size_t size);
/* bytes: what follows.  *ret_used of them are done with, *ret_data (inside of them) is
 * body.  MORE, BODY, END or REFUSED; END comes alone. */
enum codec_event codec_body(struct codec *codec, const uint8_t *bytes, size_t size,
    size_t *ret_used, struct slice *ret_data);
/* Bytes that may be read straight into the body; 0 when framing must be looked at. */
uint64_t codec_body_plain_size(const struct codec *codec);
void codec_body_took(struct codec *codec, uint64_t size);

bool codec_has_body(const struct codec *codec);
/* The connection may serve another request after this one. */
bool codec_keeps_alive(const struct codec *codec);

/* bytes: as shown to codec_head() last. */
static inline struct slice
codec_slice(const uint8_t *bytes, struct codec_range range)
{
    return (struct slice){ .at = (const char *) bytes + range.at, .size = range.size };
}

/* How often the header is there (name in any case); *ret_value is the first one's, and
 * untouched for 0. */
unsigned codec_find(const struct codec *codec, const uint8_t *bytes, struct slice name,
    struct slice *ret_value);

/* 400 and its like. */
unsigned codec_refusal_status(enum codec_refusal refusal);
/* One sentence without a full stop. */
const char *codec_refusal_text(enum codec_refusal refusal);
/* The word, such as "TWO_LENGTHS"; for tests and metrics. */
const char *codec_refusal_name(enum codec_refusal refusal);
const char *codec_method_text(enum codec_method method);

#endif
