/* SPDX-License-Identifier: MIT
 *
 * The HTTP codec on any bytes.  The first byte chooses how they are cut; the outcome must be
 * what the whole gives (C1), and no more comes out than goes in (C3).
 */
#include "coordinator/http/codec.h"

#include <stdlib.h>

#define BODY_SIZE_MAX 65536

struct outcome {
    enum codec_refusal refusal;
    unsigned requests_count;
    uint64_t body_size;
    uint64_t sum; /* over methods, targets, headers and bodies */
};

static void
add_slice(struct outcome *outcome, struct slice text)
{
    for (size_t i = 0; i < text.size; i++) {
        outcome->sum = outcome->sum * 31 + (uint8_t) text.at[i];
    }
}

static void
add_head(struct outcome *outcome, const struct codec *codec, const uint8_t *bytes, size_t size)
{
    CHECK(codec->head_size <= size);
    CHECK(codec->head_size <= CODEC_HEAD_SIZE_MAX);
    CHECK(codec->headers_count <= CODEC_HEADERS_MAX);
    CHECK(!codec->is_chunked || !codec->has_length);
    add_slice(outcome, codec_slice(bytes, codec->target));
    outcome->sum = outcome->sum * 31 + (uint64_t) codec->method;
    for (unsigned i = 0; i < codec->headers_count; i++) {
        CHECK(codec->headers[i].value.at + codec->headers[i].value.size <= codec->head_size);
        add_slice(outcome, codec_slice(bytes, codec->headers[i].name));
        add_slice(outcome, codec_slice(bytes, codec->headers[i].value));
    }
    struct slice value = { 0 };
    CHECK(codec_find(codec, bytes, SLICE("Host"), &value) <= 1);
}

/* One step over what is shown; the number of bytes that are done with.  *ret_goes_on: ask
 * again before more is shown. */
static size_t
step(struct codec *codec, const uint8_t *bytes, size_t size, struct outcome *outcome,
    bool *ret_goes_on)
{
    size_t used = 0;
    struct slice data = { 0 };
    *ret_goes_on = false;
    if (codec->head_size == 0) {
        if (codec_head(codec, bytes, size) == CODEC_HEAD) {
            add_head(outcome, codec, bytes, size);
            used = codec->head_size;
            *ret_goes_on = true;
        }
        return used;
    }
    enum codec_event event = codec_body(codec, bytes, size, &used, &data);
    CHECK(used <= size);
    if (event == CODEC_BODY) {
        add_slice(outcome, data);
        outcome->body_size += data.size;
        CHECK(codec->body_size <= BODY_SIZE_MAX);
        *ret_goes_on = true;
    } else if (event == CODEC_END) {
        outcome->requests_count++;
        codec_next(codec);
        *ret_goes_on = true;
    }
    return used;
}

/* cut: bytes that are shown more each time; 0: all at once. */
static struct outcome
play(const uint8_t *bytes, size_t size, size_t cut)
{
    struct outcome outcome = { 0 };
    struct codec codec;
    struct codec_limits limits = CODEC_LIMITS_DEFAULT;
    limits.body_size_max = BODY_SIZE_MAX;
    codec_init(&codec, &limits);
    size_t done = 0;
    size_t shown = cut == 0 ? size : 0;
    for (;;) {
        bool goes_on = true;
        while (goes_on) {
            /* An exact copy: reading past what is shown is seen by the sanitizer. */
            uint8_t *window = malloc(shown > done ? shown - done : 1);
            CHECK(window != NULL);
            memcpy(window, bytes + done, shown - done);
            done += step(&codec, window, shown - done, &outcome, &goes_on);
            free(window);
        }
        if (shown == size) {
            break;
        }
        shown = size - shown < cut ? size : shown + cut;
    }
    outcome.refusal = codec.refusal;
    return outcome;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0 || size > 64 * 1024) {
        return 0;
    }
    size_t cut = data[0] % 16 + (size < 512 ? 1 : size / 16);
    struct outcome whole = play(data + 1, size - 1, 0);
    struct outcome pieces = play(data + 1, size - 1, cut);
    CHECK(whole.refusal == pieces.refusal);
    CHECK(whole.requests_count == pieces.requests_count);
    CHECK(whole.body_size == pieces.body_size);
    CHECK(whole.sum == pieces.sum);
    CHECK(whole.body_size < size);
    return 0;
}
