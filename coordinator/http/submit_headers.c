/* SPDX-License-Identifier: MIT
 *
 * What the headers of a submit say, whichever way its job is written.
 */
#include "coordinator/http/submit.h"

#include <stdio.h>

bool
request_find_once(struct request *request, struct slice name, struct slice *ret_value)
{
    *ret_value = (struct slice){ 0 };
    unsigned count = codec_find(&request->conn->codec, request->head, name, ret_value);
    if (count > 1) {
        reply_bad_field(request->conn, name.at, NULL, "there is more than one %s", name.at);
    }
    return count <= 1;
}

/* gRPC's own: up to eight digits and a unit. */
static bool
set_grpc_timeout(struct wish *wish, struct conn *conn, struct slice text)
{
    static const struct {
        char unit;
        int64_t ns;
    } units[] = {
        { 'H', INT64_C(3600000000000) },
        { 'M', INT64_C(60000000000) },
        { 'S', 1000000000 },
        { 'm', 1000000 },
        { 'u', 1000 },
        { 'n', 1 },
    };
    uint64_t number = 0;
    bool is_number = text.size >= 2 && text.size <= 9 &&
                     slice_to_u64((struct slice){ text.at, text.size - 1 }, &number);
    for (unsigned i = 0; is_number && number > 0 && i < ARRAY_COUNT(units); i++) {
        if (units[i].unit == text.at[text.size - 1]) {
            duration_t longest = duration_s(365 * 86400);
            bool is_long = (int64_t) number > longest.ns / units[i].ns;
            wish_set_timeout(
                wish, is_long ? longest : duration_ns((int64_t) number * units[i].ns));
            return true;
        }
    }
    reply_bad_field(conn, "grpc-timeout", NULL,
        "grpc-timeout is no duration; write up to 8 digits and one of H M S m u n: 2500m");
    return false;
}

static bool
set_job_id(struct wish *wish, struct conn *conn, struct slice text)
{
    job_id_t id;
    err_t err = id_from_text(text.at, text.size, &id);
    if (err != ERR_OK || id.bytes[6] >> 4 != 7 || id.bytes[8] >> 6 != 2) {
        reply_bad_field(conn, "X-Job-Id", NULL, "X-Job-Id is no UUID of version 7");
        return false;
    }
    wish->submit.job = id;
    return true;
}

/* A client that waits so long, and no longer, has no use for the job afterwards; unless it
 * says that it comes back (respond-async). */
static void
set_preferences(struct wish *wish, struct request *request)
{
    struct conn *conn = request->conn;
    struct prefer *prefer = &conn->prefer;
    for (unsigned i = 0; i < conn->codec.headers_count; i++) {
        const struct codec_header *header = &conn->codec.headers[i];
        if (slice_equal_nocase(codec_slice(request->head, header->name), SLICE("Prefer"))) {
            prefer_read(prefer, codec_slice(request->head, header->value));
        }
    }
    bool is_useful = prefer->has_wait && prefer->wait_s > 0;
    prefer->has_wait = is_useful;
    wish->is_async = prefer->respond_async && !is_useful;
    if (is_useful && !prefer->respond_async) {
        wish_set_timeout(wish, duration_s(prefer->wait_s));
    }
}

/* ---- Idempotency-Key ------------------------------------------------------------------ */

static void
hash_part(struct crypto_hash *hash, struct slice part)
{
    uint64_t size = part.size; /* so that no two rows of parts look alike */
    crypto_hash_add(hash, &size, sizeof size);
    crypto_hash_add(hash, part.at, part.size);
}

static err_t
claim_key(struct keys_claim *claim, struct request *request, struct slice key)
{
    struct crypto_hash *of_key = NULL;
    struct crypto_hash *of_rest = NULL;
    uint8_t digest[CRYPTO_SHA256_SIZE];
    struct slice type = { 0 };
    err_t err = crypto_hash_new(&of_key);
    if (err == ERR_OK) {
        err = crypto_hash_new(&of_rest);
    }
    if (err == ERR_OK) {
        struct codec *codec = &request->conn->codec;
        hash_part(of_key, slice_of(request->tenant != NULL ? request->tenant : ""));
        hash_part(of_key, key);
        crypto_hash_end(of_key, digest);
        memcpy(claim->name.bytes, digest, sizeof claim->name.bytes);
        (void) codec_find(codec, request->head, SLICE("Content-Type"), &type);
        hash_part(of_rest, codec_slice(request->head, codec->target));
        hash_part(of_rest, type);
        hash_part(of_rest, request->body);
        crypto_hash_end(of_rest, claim->fingerprint);
    }
    crypto_hash_free(of_key);
    crypto_hash_free(of_rest);
    return err;
}

/* As a string of RFC 8941, or bare, as most clients write it. */
static bool
set_key(struct wish *wish, struct request *request, struct slice text)
{
    bool is_quoted = text.size >= 2 && text.at[0] == '"' && text.at[text.size - 1] == '"';
    struct slice key = is_quoted ? (struct slice){ text.at + 1, text.size - 2 } : text;
    bool is_good = key.size > 0 && key.size <= KEYS_TEXT_SIZE_MAX;
    for (size_t i = 0; is_good && i < key.size; i++) {
        is_good = key.at[i] > ' ' && key.at[i] < 0x7f && key.at[i] != '"' && key.at[i] != '\\';
    }
    if (!is_good) {
        reply_problem(request->conn,
            &(struct problem){ .status = 400,
                .code = "idempotency-key-malformed",
                .title = "Malformed Idempotency-Key",
                .detail = "an Idempotency-Key is 1 to 255 visible ASCII characters without "
                          "blanks, quotes inside and backslashes",
                .field = "Idempotency-Key" });
        return false;
    }
    if (claim_key(&wish->claim, request, key) != ERR_OK) {
        reply_no_memory(request->conn);
        return false;
    }
    wish->has_key = true;
    wish->submit.detach = true; /* who brings a key means to come back, if need be */
    return true;
}

bool
wish_set_headers(struct wish *wish, struct request *request)
{
    struct conn *conn = request->conn;
    struct slice value;
    set_preferences(wish, request);
    if (!request_find_once(request, SLICE("X-Request-Timeout"), &value) ||
        (value.at != NULL && !wish_set_timeout_text(wish, conn, "X-Request-Timeout", value))) {
        return false;
    }
    if (!request_find_once(request, SLICE("grpc-timeout"), &value) ||
        (value.at != NULL && !set_grpc_timeout(wish, conn, value))) {
        return false;
    }
    if (!request_find_once(request, SLICE("X-Job-Id"), &value) ||
        (value.at != NULL && !set_job_id(wish, conn, value))) {
        return false;
    }
    if (!request_find_once(request, SLICE("Idempotency-Key"), &value) ||
        (value.at != NULL && !set_key(wish, request, value))) {
        return false;
    }
    /* One that is too long is not ours to judge (W3C: ignore it). */
    return request_find_once(request, SLICE("traceparent"), &value) &&
           (slice_to_text(value, wish->traceparent, sizeof wish->traceparent) || true);
}
