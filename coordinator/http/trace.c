/* SPDX-License-Identifier: MIT */
#include "coordinator/http/trace.h"

#define TRACE_AT    3
#define TRACE_SIZE  32
#define SPAN_AT     36
#define SPAN_SIZE   16
#define FLAGS_AT    53
#define HEADER_SIZE 55

/* Small letters only, as the standard wants them. */
static bool
is_hex(const char *text, size_t size)
{
    for (size_t i = 0; i < size; i++) {
        bool is_digit = text[i] >= '0' && text[i] <= '9';
        if (!is_digit && !(text[i] >= 'a' && text[i] <= 'f')) {
            return false;
        }
    }
    return true;
}

static bool
is_zero(const char *text, size_t size)
{
    size_t zeros_count = 0;
    while (zeros_count < size && text[zeros_count] == '0') {
        zeros_count++;
    }
    return zeros_count == size;
}

/* Later versions may have more behind what this one has. */
static bool
is_traceparent(struct slice header)
{
    const char *at = header.at;
    if (header.size < HEADER_SIZE || at[2] != '-' || at[SPAN_AT - 1] != '-' ||
        at[FLAGS_AT - 1] != '-' || !is_hex(at, 2) || memcmp(at, "ff", 2) == 0) {
        return false;
    }
    bool has_more = header.size > HEADER_SIZE;
    if (has_more && (memcmp(at, "00", 2) == 0 || at[HEADER_SIZE] != '-')) {
        return false;
    }
    return is_hex(at + TRACE_AT, TRACE_SIZE) && !is_zero(at + TRACE_AT, TRACE_SIZE) &&
           is_hex(at + SPAN_AT, SPAN_SIZE) && !is_zero(at + SPAN_AT, SPAN_SIZE) &&
           is_hex(at + FLAGS_AT, 2);
}

static void
put_hex(char *text, const uint8_t *bytes, size_t size)
{
    static const char digits[] = "0123456789abcdef";
    for (size_t i = 0; i < size; i++) {
        text[2 * i] = digits[bytes[i] >> 4];
        text[2 * i + 1] = digits[bytes[i] & 15];
    }
}

void
trace_of_job(struct slice header, id_t128 job, char text[TRACE_TEXT_SIZE])
{
    memcpy(text, "00-", TRACE_AT);
    if (is_traceparent(header)) {
        memcpy(text + TRACE_AT, header.at + TRACE_AT, TRACE_SIZE);
        memcpy(text + FLAGS_AT, header.at + FLAGS_AT, 2);
    } else {
        put_hex(text + TRACE_AT, job.bytes, sizeof job.bytes);
        memcpy(text + FLAGS_AT, "00", 2);
    }
    text[SPAN_AT - 1] = '-';
    put_hex(text + SPAN_AT, job.bytes + 8, SPAN_SIZE / 2); /* the random half; never zero */
    text[FLAGS_AT - 1] = '-';
    text[HEADER_SIZE] = '\0';
}
