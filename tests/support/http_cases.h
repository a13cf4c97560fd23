/* SPDX-License-Identifier: MIT
 *
 * tests/support/http_cases.h - requests that two servers could understand differently, and
 * what becomes of each here.  Shared by the codec's unit test, the test over real sockets,
 * and the table beside nginx (tests/e2e/http_beside_nginx.sh).
 *
 * Where a second request hides in the bytes, it asks for /smuggled.
 */
#ifndef TESTS_SUPPORT_HTTP_CASES_H
#define TESTS_SUPPORT_HTTP_CASES_H

#include "common/pure/check.h"

#include <stddef.h>
#include <string.h>

struct http_case {
    const char *name;
    const char *bytes;
    size_t size;
    const char *outcome; /* a refusal's word, or "OK n" for n well-formed requests */
};

#define HTTP_CASE(name_, outcome_, bytes_)                                              \
    {                                                                                   \
        .name = name_, .bytes = bytes_, .size = sizeof(bytes_) - 1, .outcome = outcome_ \
    }

#define L       "POST /x HTTP/1.1\r\n"
#define H       "Host: h\r\n"
#define CHUNKED L H "Transfer-Encoding: chunked\r\n\r\n"
#define SECOND  "GET /smuggled HTTP/1.1\r\nHost: h\r\n\r\n"

static const struct http_case http_cases[] = {
    /* two lengths */
    HTTP_CASE("two lengths that differ", "TWO_LENGTHS",
        L H "Content-Length: 0\r\nContent-Length: 38\r\n\r\n" SECOND),
    HTTP_CASE("two lengths that agree", "TWO_LENGTHS",
        L H "Content-Length: 1\r\nContent-Length: 1\r\n\r\nx"),
    HTTP_CASE("two lengths in other cases", "TWO_LENGTHS",
        L H "content-length: 1\r\nCONTENT-LENGTH: 2\r\n\r\nxx"),
    HTTP_CASE("a list of lengths", "BAD_LENGTH", L H "Content-Length: 4, 4\r\n\r\nabcd"),
    HTTP_CASE(
        "a list of other lengths", "BAD_LENGTH", L H "Content-Length: 0, 38\r\n\r\n" SECOND),
    /* what is no length */
    HTTP_CASE("length with a plus", "BAD_LENGTH", L H "Content-Length: +4\r\n\r\nabcd"),
    HTTP_CASE("length with a minus", "BAD_LENGTH", L H "Content-Length: -1\r\n\r\n"),
    HTTP_CASE("length in hexadecimal", "BAD_LENGTH", L H "Content-Length: 0x4\r\n\r\nabcd"),
    HTTP_CASE("length with letters", "BAD_LENGTH", L H "Content-Length: 4abc\r\n\r\nabcd"),
    HTTP_CASE("length with a fraction", "BAD_LENGTH", L H "Content-Length: 4.0\r\n\r\nabcd"),
    HTTP_CASE("length with a space inside", "BAD_LENGTH", L H "Content-Length: 1 0\r\n\r\n"),
    HTTP_CASE("length with an underscore", "BAD_LENGTH", L H "Content-Length: 1_0\r\n\r\n"),
    HTTP_CASE("length that is empty", "BAD_LENGTH", L H "Content-Length:\r\n\r\n"),
    HTTP_CASE("length past 64 bits", "BAD_LENGTH",
        L H "Content-Length: 18446744073709551617\r\n\r\nx"),
    HTTP_CASE("length past the limit", "BODY_TOO_BIG", L H "Content-Length: 1048577\r\n\r\n"),
    HTTP_CASE("length of all nines", "BODY_TOO_BIG",
        L H "Content-Length: 9999999999999999999\r\n\r\n"),
    HTTP_CASE("length in other digits", "BAD_LENGTH", L H "Content-Length: \xd9\xa1\r\n\r\nx"),
    HTTP_CASE("length in quotes", "BAD_LENGTH", L H "Content-Length: \"1\"\r\n\r\nx"),
    /* length and encoding */
    HTTP_CASE("length, then encoding", "LENGTH_AND_ENCODING",
        L H "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" SECOND),
    HTTP_CASE("encoding, then length", "LENGTH_AND_ENCODING",
        L H "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n" SECOND),
    HTTP_CASE("encoding with length 0", "LENGTH_AND_ENCODING",
        L H "Transfer-Encoding: chunked\r\nContent-Length: 0\r\n\r\n0\r\n\r\n"),
    /* encodings */
    HTTP_CASE("two encodings", "TWO_ENCODINGS",
        L H "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
    HTTP_CASE("an encoding and identity", "UNKNOWN_ENCODING",
        L H "Transfer-Encoding: identity\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
    HTTP_CASE("encoding identity", "UNKNOWN_ENCODING",
        L H "Transfer-Encoding: identity\r\n\r\n" SECOND),
    HTTP_CASE("encoding gzip, chunked", "UNKNOWN_ENCODING",
        L H "Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n"),
    HTTP_CASE("encoding chunked, gzip", "UNKNOWN_ENCODING",
        L H "Transfer-Encoding: chunked, gzip\r\n\r\n0\r\n\r\n"),
    HTTP_CASE("encoding chunked twice in a line", "UNKNOWN_ENCODING",
        L H "Transfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n"),
    HTTP_CASE("encoding xchunked", "UNKNOWN_ENCODING",
        L H "Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n"),
    HTTP_CASE("encoding with a comma behind", "UNKNOWN_ENCODING",
        L H "Transfer-Encoding: chunked,\r\n\r\n0\r\n\r\n"),
    HTTP_CASE("encoding with a parameter", "UNKNOWN_ENCODING",
        L H "Transfer-Encoding: chunked;q=1\r\n\r\n0\r\n\r\n"),
    HTTP_CASE("encoding in quotes", "UNKNOWN_ENCODING",
        L H "Transfer-Encoding: \"chunked\"\r\n\r\n0\r\n\r\n"),
    HTTP_CASE("encoding that is empty", "UNKNOWN_ENCODING",
        L H "Transfer-Encoding:\r\n\r\n0\r\n\r\n"),
    HTTP_CASE("encoding after a vertical tab", "CONTROL_BYTE",
        L H "Transfer-Encoding: \x0b"
            "chunked\r\n\r\n0\r\n\r\n"),
    HTTP_CASE("encoding in HTTP/1.0", "ENCODING_IN_1_0",
        "POST /x HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
    HTTP_CASE("encoding in capitals", "OK 1",
        L H "TRANSFER-ENCODING: CHUNKED\r\n\r\n3\r\nabc\r\n0\r\n\r\n"),
    /* names */
    HTTP_CASE("space before the colon of a length", "SPACE_BEFORE_COLON",
        L H "Content-Length : 38\r\n\r\n" SECOND),
    HTTP_CASE("tab before the colon of an encoding", "SPACE_BEFORE_COLON",
        L H "Transfer-Encoding\t: chunked\r\n\r\n0\r\n\r\n" SECOND),
    HTTP_CASE("no name", "EMPTY_NAME", L H ": x\r\n\r\n"),
    HTTP_CASE("no colon", "NO_COLON", L H "Content-Length\r\n\r\n"),
    HTTP_CASE("space in a name", "BAD_NAME", L H "Content Length: 38\r\n\r\n" SECOND),
    HTTP_CASE(
        "a byte past ASCII in a name", "BAD_NAME", L H "Content-L\xc3\xa9ngth: 1\r\n\r\n"),
    HTTP_CASE("a bracket in a name", "BAD_NAME", L H "[x]: 1\r\n\r\n"),
    HTTP_CASE("a zero byte in a name", "CONTROL_BYTE", L H "Content-Length\0: 38\r\n\r\n"),
    HTTP_CASE("a zero byte in a value", "CONTROL_BYTE", L H "X: a\0b\r\n\r\n"),
    HTTP_CASE("a delete byte in a value", "CONTROL_BYTE", L H "X: a\x7f\r\n\r\n"),
    HTTP_CASE("an escape byte in a value", "CONTROL_BYTE", L H "X: a\x1b[1m\r\n\r\n"),
    /* lines */
    HTTP_CASE("lines that end in LF", "BARE_LF", "GET /x HTTP/1.1\nHost: h\n\n"),
    HTTP_CASE("one header that ends in LF", "BARE_LF",
        L "Host: h\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
    HTTP_CASE("an empty line of LF", "BARE_LF", L H "\n" SECOND),
    HTTP_CASE("a CR inside a value", "BARE_CR", L H "X: a\rContent-Length: 38\r\n\r\n" SECOND),
    HTTP_CASE("a CR before a CRLF", "BARE_CR", L H "X: a\r\r\n\r\n"),
    HTTP_CASE("a folded value", "FOLDED_LINE", L H "X: a\r\n b\r\n\r\n"),
    HTTP_CASE("a folded encoding", "UNKNOWN_ENCODING",
        L H "Transfer-Encoding:\r\n chunked\r\n\r\n0\r\n\r\n"),
    HTTP_CASE("space before the first header", "FOLDED_LINE", L " " H "\r\n"),
    HTTP_CASE("two empty lines before", "BLANK_LINES", "\r\n\r\nGET /x HTTP/1.1\r\n" H "\r\n"),
    HTTP_CASE("one empty line before", "OK 1", "\r\nGET /x HTTP/1.1\r\n" H "\r\n"),
    /* request lines */
    HTTP_CASE("no version", "REQUEST_LINE", "GET /x\r\n" H "\r\n"),
    HTTP_CASE("two spaces", "REQUEST_LINE", "GET  /x HTTP/1.1\r\n" H "\r\n"),
    HTTP_CASE("a tab for a space", "REQUEST_LINE", "GET\t/x\tHTTP/1.1\r\n" H "\r\n"),
    HTTP_CASE("space behind the version", "REQUEST_LINE", "GET /x HTTP/1.1 \r\n" H "\r\n"),
    HTTP_CASE("space before the method", "REQUEST_LINE", " GET /x HTTP/1.1\r\n" H "\r\n"),
    HTTP_CASE("space in the target", "REQUEST_LINE", "GET /x y HTTP/1.1\r\n" H "\r\n"),
    HTTP_CASE("small letters in the version", "REQUEST_LINE", "GET /x http/1.1\r\n" H "\r\n"),
    HTTP_CASE("a long version", "REQUEST_LINE", "GET /x HTTP/1.10\r\n" H "\r\n"),
    HTTP_CASE("a version of two digits", "REQUEST_LINE", "GET /x HTTP/11.1\r\n" H "\r\n"),
    HTTP_CASE("HTTP/1.2", "VERSION", "GET /x HTTP/1.2\r\n" H "\r\n"),
    HTTP_CASE("HTTP/0.9", "VERSION", "GET /x HTTP/0.9\r\n" H "\r\n"),
    HTTP_CASE("the preface of HTTP/2", "VERSION", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"),
    HTTP_CASE("the hello of TLS", "CONTROL_BYTE", "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03"),
    HTTP_CASE("an unknown method", "UNKNOWN_METHOD", "BREW /x HTTP/1.1\r\n" H "\r\n"),
    HTTP_CASE("a method in small letters", "UNKNOWN_METHOD", "get /x HTTP/1.1\r\n" H "\r\n"),
    HTTP_CASE("CONNECT", "UNKNOWN_METHOD", "CONNECT h:443 HTTP/1.1\r\n" H "\r\n"),
    HTTP_CASE("TRACE", "UNKNOWN_METHOD", "TRACE /x HTTP/1.1\r\n" H "\r\n"),
    HTTP_CASE("a colon in the method", "REQUEST_LINE", "GE:T /x HTTP/1.1\r\n" H "\r\n"),
    /* targets */
    HTTP_CASE("a target without a slash", "BAD_TARGET", "GET x HTTP/1.1\r\n" H "\r\n"),
    HTTP_CASE("a star for GET", "BAD_TARGET", "GET * HTTP/1.1\r\n" H "\r\n"),
    HTTP_CASE("a star for OPTIONS", "OK 1", "OPTIONS * HTTP/1.1\r\n" H "\r\n"),
    HTTP_CASE("a fragment", "BAD_TARGET", "GET /x#y HTTP/1.1\r\n" H "\r\n"),
    HTTP_CASE("a backslash", "BAD_TARGET", "GET /x\\y HTTP/1.1\r\n" H "\r\n"),
    HTTP_CASE("a byte past ASCII", "BAD_TARGET", "GET /\xc3\xa9 HTTP/1.1\r\n" H "\r\n"),
    HTTP_CASE("half an escape", "BAD_TARGET", "GET /x%2 HTTP/1.1\r\n" H "\r\n"),
    HTTP_CASE("an escape of no digits", "BAD_TARGET", "GET /%zz HTTP/1.1\r\n" H "\r\n"),
    HTTP_CASE("an https target", "BAD_TARGET", "GET https://h/x HTTP/1.1\r\n" H "\r\n"),
    HTTP_CASE("a target with a user", "BAD_TARGET", "GET http://u@h/x HTTP/1.1\r\n" H "\r\n"),
    HTTP_CASE("a target of a host alone", "BAD_TARGET", "GET http://h HTTP/1.1\r\n" H "\r\n"),
    HTTP_CASE("a target at another host", "OTHER_HOST", "GET http://o/x HTTP/1.1\r\n" H "\r\n"),
    HTTP_CASE("a target at the host", "OK 1", "GET http://h/x HTTP/1.1\r\n" H "\r\n"),
    /* hosts */
    HTTP_CASE("no host", "NO_HOST", "GET /x HTTP/1.1\r\n\r\n"),
    HTTP_CASE("no host in HTTP/1.0", "OK 1", "GET /x HTTP/1.0\r\n\r\n"),
    HTTP_CASE("two hosts", "TWO_HOSTS", "GET /x HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n"),
    HTTP_CASE("two hosts that agree", "TWO_HOSTS", "GET /x HTTP/1.1\r\n" H H "\r\n"),
    HTTP_CASE("an empty host", "BAD_HOST", "GET /x HTTP/1.1\r\nHost:\r\n\r\n"),
    HTTP_CASE("a host with a path", "BAD_HOST", "GET /x HTTP/1.1\r\nHost: h/x\r\n\r\n"),
    HTTP_CASE("a host with a space", "BAD_HOST", "GET /x HTTP/1.1\r\nHost: a b\r\n\r\n"),
    HTTP_CASE("a host with a user", "BAD_HOST", "GET /x HTTP/1.1\r\nHost: u@h\r\n\r\n"),
    HTTP_CASE("a host with a bad port", "BAD_HOST", "GET /x HTTP/1.1\r\nHost: h:8a\r\n\r\n"),
    HTTP_CASE(
        "a host with a large port", "BAD_HOST", "GET /x HTTP/1.1\r\nHost: h:65536\r\n\r\n"),
    HTTP_CASE("a port without a host", "BAD_HOST", "GET /x HTTP/1.1\r\nHost: :80\r\n\r\n"),
    HTTP_CASE("half a bracket", "BAD_HOST", "GET /x HTTP/1.1\r\nHost: [::1\r\n\r\n"),
    HTTP_CASE("a bracket inside", "BAD_HOST", "GET /x HTTP/1.1\r\nHost: a[b]\r\n\r\n"),
    HTTP_CASE("an IPv6 host", "OK 1", "GET /x HTTP/1.1\r\nHost: [::1]:8080\r\n\r\n"),
    /* chunks */
    HTTP_CASE("chunk size 0x", "BAD_CHUNK_SIZE", CHUNKED "0x3\r\nabc\r\n0\r\n\r\n"),
    HTTP_CASE("chunk size with a plus", "BAD_CHUNK_SIZE", CHUNKED "+3\r\nabc\r\n0\r\n\r\n"),
    HTTP_CASE("chunk size with a minus", "BAD_CHUNK_SIZE", CHUNKED "-1\r\nabc\r\n0\r\n\r\n"),
    HTTP_CASE("chunk size after a space", "BAD_CHUNK_SIZE", CHUNKED " 3\r\nabc\r\n0\r\n\r\n"),
    HTTP_CASE("chunk size before a space", "BAD_CHUNK_SIZE", CHUNKED "3 \r\nabc\r\n0\r\n\r\n"),
    HTTP_CASE("no chunk size", "BAD_CHUNK_SIZE", CHUNKED "\r\nabc\r\n0\r\n\r\n"),
    HTTP_CASE("chunk size that ends in LF", "BAD_CHUNK_SIZE", CHUNKED "3\nabc\r\n0\r\n\r\n"),
    HTTP_CASE("chunk size that ends in CR", "BAD_CHUNK_SIZE", CHUNKED "3\rabc\r\n0\r\n\r\n"),
    HTTP_CASE("chunk size of 17 digits", "BAD_CHUNK_SIZE",
        CHUNKED "00000000000000003\r\nabc\r\n0\r\n\r\n"),
    HTTP_CASE("chunk size past 64 bits", "BODY_TOO_BIG", CHUNKED "ffffffffffffffff\r\nabc"),
    HTTP_CASE("chunk past the limit", "BODY_TOO_BIG", CHUNKED "100001\r\nabc"),
    HTTP_CASE("chunks past the limit", "BODY_TOO_BIG", CHUNKED "3\r\nabc\r\nffffe\r\nabc"),
    HTTP_CASE(
        "chunk longer than its size", "CHUNK_NOT_ENDED", CHUNKED "3\r\nabcd\r\n0\r\n\r\n"),
    HTTP_CASE("chunk that ends in LF", "CHUNK_NOT_ENDED", CHUNKED "3\r\nabc\n0\r\n\r\n"),
    HTTP_CASE("chunk that ends in CR", "CHUNK_NOT_ENDED", CHUNKED "3\r\nabc\r0\r\n\r\n"),
    HTTP_CASE("an extension", "OK 1", CHUNKED "3;a=\"b\"\r\nabc\r\n0\r\n\r\n"),
    HTTP_CASE("an extension that ends in LF", "BAD_EXTENSION", CHUNKED "3;a\nabc\r\n0\r\n\r\n"),
    HTTP_CASE(
        "an extension with a zero byte", "BAD_EXTENSION", CHUNKED "3;a\0\r\nabc\r\n0\r\n\r\n"),
    HTTP_CASE("a trailer", "OK 1", CHUNKED "0\r\nX-Sum: 1\r\n\r\n"),
    HTTP_CASE("a trailer that claims a length", "OK 2",
        CHUNKED "0\r\nContent-Length: 99\r\n\r\nGET /x HTTP/1.1\r\n" H "\r\n"),
    HTTP_CASE("a trailer without a colon", "BAD_TRAILER", CHUNKED "0\r\nX\r\n\r\n"),
    HTTP_CASE("a folded trailer", "BAD_TRAILER", CHUNKED "0\r\nX: a\r\n b\r\n\r\n"),
    HTTP_CASE("a trailer that ends in LF", "BAD_TRAILER", CHUNKED "0\r\nX: a\n\r\n"),
    HTTP_CASE("a last line that ends in LF", "BAD_TRAILER", CHUNKED "0\r\n\n"),
    HTTP_CASE("a last chunk without its empty line", "BAD_TRAILER", CHUNKED "0\r\n" SECOND),
    /* others */
    HTTP_CASE("Connection names the length", "BAD_CONNECTION",
        L H "Connection: close, Content-Length\r\nContent-Length: 1\r\n\r\nx"),
    HTTP_CASE("Connection names the encoding", "BAD_CONNECTION",
        L H "Connection: transfer-encoding\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
    HTTP_CASE("an unknown expectation", "UNKNOWN_EXPECTATION", L H "Expect: 200-ok\r\n\r\n"),
    HTTP_CASE("GET with a body", "OK 2",
        "GET /x HTTP/1.1\r\n" H "Content-Length: 2\r\n\r\nabGET /x HTTP/1.1\r\n" H "\r\n"),
    HTTP_CASE("three requests at once", "OK 3",
        "GET /x HTTP/1.1\r\n" H "\r\n" L H "Content-Length: 1\r\n\r\nx" CHUNKED
        "1\r\nx\r\n0\r\n\r\n"),
    HTTP_CASE("tabs around a value", "OK 1", L H "Content-Length:\t1\t\r\n\r\nx"),
    HTTP_CASE("a length with zeros before", "OK 1", L H "Content-Length: 0001\r\n\r\nx"),
};

#define HTTP_CASE_AIMED_MAX 1024

/* The case, asking for what exists here, so that nothing but its own fault can refuse it. */
static inline size_t
http_case_aim(const struct http_case *test, char bytes[HTTP_CASE_AIMED_MAX])
{
    static const char *const swaps[][2] = { { "POST /x ", "POST /v1/handlers/echo:invoke " },
        { "GET /x ", "GET /livez " } };
    size_t size = 0;
    for (size_t i = 0; i < test->size;) {
        size_t step = 1;
        const char *to = test->bytes + i;
        size_t to_size = 1;
        for (unsigned k = 0; k < sizeof swaps / sizeof swaps[0]; k++) {
            size_t from_size = strlen(swaps[k][0]);
            if (test->size - i >= from_size &&
                memcmp(test->bytes + i, swaps[k][0], from_size) == 0) {
                step = from_size;
                to = swaps[k][1];
                to_size = strlen(to);
            }
        }
        CHECK(size + to_size <= HTTP_CASE_AIMED_MAX);
        memcpy(bytes + size, to, to_size);
        size += to_size;
        i += step;
    }
    return size;
}

#undef L
#undef H
#undef CHUNKED
#undef SECOND

#endif
