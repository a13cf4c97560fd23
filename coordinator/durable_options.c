/* SPDX-License-Identifier: MIT */
#include "common/edge/json.h"
#include "coordinator/durable_state.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define DELAY_KEY "hedge_delay_ns"

err_t
durable_options_write(const struct policy *policy, struct store_bytes *ret_text)
{
    char text[256];
    char delay[64] = "";
    if (policy->hedge_delay_is_set) {
        snprintf(delay, sizeof delay, ",\"" DELAY_KEY "\":%" PRId64, policy->hedge_delay.ns);
    }
    int size = snprintf(text, sizeof text,
        "{\"mode\":\"%s\",\"attempts_max\":%u,\"race_count\":%u,\"idempotent\":%d%s}",
        job_mode_text(policy->mode), policy->attempts_max, policy->race_count,
        policy->idempotent, delay);
    CHECK(size > 0 && (size_t) size < sizeof text);
    return store_bytes_copy(ret_text, text, (uint32_t) size);
}

static bool
read_mode(const struct json *root, enum job_mode *ret_mode)
{
    const char *word = json_text(json_get(root, "mode"));
    for (unsigned mode = MODE_SINGLE; word != NULL && mode < JOB_MODES_COUNT; mode++) {
        if (strcmp(word, job_mode_text((enum job_mode) mode)) == 0) {
            *ret_mode = (enum job_mode) mode;
            return true;
        }
    }
    return false;
}

static bool
read_number(
    const struct json *root, const char *key, int64_t least, int64_t most, int64_t *ret_number)
{
    return json_i64(json_get(root, key), ret_number) && *ret_number >= least &&
           *ret_number <= most;
}

err_t
durable_options_read(const struct store_bytes *text, struct policy *ret_policy)
{
    struct json *root;
    if (json_parse(text->at, text->size, &root, NULL) != ERR_OK) {
        return ERR_BAD_MESSAGE;
    }
    struct policy policy = { 0 };
    int64_t attempts_max;
    int64_t race_count;
    int64_t idempotent;
    bool is_good = read_mode(root, &policy.mode) &&
                   read_number(root, "attempts_max", 0, CORE_ATTEMPTS_MAX, &attempts_max) &&
                   read_number(root, "race_count", 0, CORE_ATTEMPTS_MAX, &race_count) &&
                   read_number(root, "idempotent", -1, 1, &idempotent);
    policy.hedge_delay_is_set =
        read_number(root, DELAY_KEY, 0, INT64_MAX, &policy.hedge_delay.ns);
    json_free(root);
    if (!is_good) {
        return ERR_BAD_MESSAGE;
    }
    policy.attempts_max = (uint32_t) attempts_max;
    policy.race_count = (uint32_t) race_count;
    policy.idempotent = (int8_t) idempotent;
    *ret_policy = policy;
    return ERR_OK;
}
