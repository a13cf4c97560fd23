/* SPDX-License-Identifier: MIT */
#include "worker/handlers/builtin.h"

#include "common/edge/crypto.h"
#include "common/pure/duration.h"
#include "common/pure/law.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CHUNK_SIZE           (64 * 1024)
#define SLEEP_INPUT_SIZE_MAX 256
#define SLEEP_MS_MAX         86400000ll /* of a draw */

static void
echo_run(struct run *run, void *user)
{
    (void) user;
    size_t size;
    const uint8_t *input = run_input(run, &size);
    const char *type =
        run->content_type[0] != '\0' ? run->content_type : "application/octet-stream";
    run_reply(run, input, size, type);
}

/* Off with white space and one pair of JSON's quotes. */
static const char *
bare_text(const uint8_t *input, size_t *size)
{
    const char *text = (const char *) input;
    size_t end = *size;
    size_t begin = 0;
    while (begin < end && isspace((unsigned char) text[begin])) {
        begin++;
    }
    while (end > begin && isspace((unsigned char) text[end - 1])) {
        end--;
    }
    if (end - begin >= 2 && text[begin] == '"' && text[end - 1] == '"') {
        begin++;
        end--;
    }
    *size = end - begin;
    return text + begin;
}

/* "exp:20", or "exp:20@17": the same seed and attempt, the same draw. */
static bool
draw_from_law(const struct run *run, const char *text, size_t size, duration_t *ret_duration)
{
    char copy[SLEEP_INPUT_SIZE_MAX + 1];
    memcpy(copy, text, size);
    copy[size] = '\0';
    uint64_t seed;
    char *at = strchr(copy, '@');
    if (at != NULL) {
        char *end;
        *at = '\0';
        errno = 0;
        seed = strtoull(at + 1, &end, 10);
        if (end == at + 1 || *end != '\0' || errno != 0) {
            return false;
        }
    } else {
        memcpy(&seed, run->job.bytes + 8, sizeof seed); /* the random half of its id */
    }
    struct law law;
    if (law_parse(copy, &law) != ERR_OK) {
        return false;
    }
    seed ^= (uint64_t) run->attempt << 56;
    struct rng rng;
    rng_init(&rng, rng_splitmix(&seed));
    double ms = law_draw_ms(&law, &rng);
    *ret_duration =
        duration_ns(ms < SLEEP_MS_MAX ? (int64_t) (ms * 1e6) : SLEEP_MS_MAX * 1000000);
    return true;
}

static void
sleep_run(struct run *run, void *user)
{
    (void) user;
    size_t size;
    const uint8_t *input = run_input(run, &size);
    if (size > SLEEP_INPUT_SIZE_MAX) {
        run_fail(run, /* is_retryable= */ false, "not a duration: %zu bytes", size);
        return;
    }
    const char *text = bare_text(input, &size);
    const char *why = "";
    duration_t duration = DURATION_ZERO;
    if (size > 0 && duration_parse(text, size, &duration, &why) != ERR_OK &&
        !draw_from_law(run, text, size, &duration)) {
        run_fail(run, /* is_retryable= */ false,
            "'%.*s' is not a duration: %s; nor a law (exp:20, lognormal:5,2;0.05x10)",
            (int) (size < 32 ? size : 32), text, why);
        return;
    }
    if (duration.ns > 0 && hr_sleep(duration.ns) != 0) {
        return; /* stopped */
    }
    run_reply(run, "", 0, "text/plain");
}

static void
sha256_run(struct run *run, void *user)
{
    (void) user;
    size_t size;
    const uint8_t *input = run_input(run, &size);
    struct crypto_hash *hash;
    if (crypto_hash_new(&hash) != ERR_OK) {
        run_fail(run, /* is_retryable= */ true, "out of memory");
        return;
    }
    for (size_t at = 0; at < size; at += CHUNK_SIZE) {
        if (hr_cancelled()) {
            crypto_hash_free(hash);
            return;
        }
        run_cpu_begin(run);
        crypto_hash_add(hash, input + at, size - at < CHUNK_SIZE ? size - at : CHUNK_SIZE);
        run_cpu_end(run);
    }
    uint8_t digest[CRYPTO_SHA256_SIZE];
    char text[2 * CRYPTO_SHA256_SIZE + sizeof "  -\n"];
    crypto_hash_end(hash, digest);
    crypto_hash_free(hash);
    for (unsigned i = 0; i < sizeof digest; i++) {
        snprintf(text + 2 * i, 3, "%02x", digest[i]);
    }
    memcpy(text + 2 * sizeof digest, "  -\n", sizeof "  -\n");
    run_reply(run, text, strlen(text), "text/plain");
}

/* libcrypto loads its provider at first use: not on a fiber's small stack. */
static err_t
warm_up(void)
{
    struct crypto_hash *hash;
    err_t err = crypto_hash_new(&hash);
    if (err == ERR_OK) {
        crypto_hash_free(hash);
    }
    return err;
}

err_t
builtin_add(struct registry *registry)
{
    static const struct handler handlers[] = {
        { .name = "echo", .flags = HANDLER_IDEMPOTENT, .run = echo_run },
        { .name = "sleep", .flags = HANDLER_IDEMPOTENT, .run = sleep_run },
        { .name = "sha256", .flags = HANDLER_IDEMPOTENT | HANDLER_CPU, .run = sha256_run },
    };
    for (unsigned i = 0; i < ARRAY_COUNT(handlers); i++) {
        err_t err = registry_add(registry, &handlers[i]);
        if (err != ERR_OK) {
            return err;
        }
    }
    return warm_up();
}
