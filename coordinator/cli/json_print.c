/* SPDX-License-Identifier: MIT */
#include "coordinator/cli/json_print.h"

#include <stdlib.h>
#include <string.h>

void
json_print(const struct json *json, unsigned indent, FILE *stream)
{
    char *text = json_dump(json, indent);
    fprintf(stream, "%s\n", text != NULL ? text : "null");
    free(text);
}

void
json_print_body(const struct hedgerow_reply *reply, FILE *stream)
{
    struct json *json = NULL;
    if (reply->body != NULL &&
        json_parse(reply->body, reply->body_size, &json, NULL) == ERR_OK) {
        json_print(json, 2, stream);
        json_free(json);
    } else {
        fwrite(
            reply->body != NULL ? reply->body : (const void *) "", 1, reply->body_size, stream);
    }
}

void
json_print_lines(const struct json *array, FILE *stream)
{
    for (size_t i = 0; i < json_count(array); i++) {
        json_print(json_at(array, i), 0, stream);
    }
}

/* Bytes of one character of UTF-8 at text, 0 when they are none. */
static size_t
utf8_size(const unsigned char *text, size_t left)
{
    size_t size = text[0] < 0x80                       ? 1
                  : text[0] >= 0xc2 && text[0] <= 0xdf ? 2
                  : (text[0] & 0xf0) == 0xe0           ? 3
                  : text[0] >= 0xf0 && text[0] <= 0xf4 ? 4
                                                       : 0;
    if (size == 0 || size > left) {
        return 0;
    }
    for (size_t i = 1; i < size; i++) {
        if ((text[i] & 0xc0) != 0x80) {
            return 0;
        }
    }
    return size;
}

/* What is not UTF-8 (a file's name may be anything) becomes U+FFFD. */
static void
print_string(const char *text, size_t size, FILE *stream)
{
    fputc('"', stream);
    for (size_t i = 0; i < size;) {
        const unsigned char *at = (const unsigned char *) text + i;
        size_t step = utf8_size(at, size - i);
        if (step == 0) {
            fputs("\\ufffd", stream);
            step = 1;
        } else if (*at == '"' || *at == '\\') {
            fprintf(stream, "\\%c", *at);
        } else if (*at < 0x20 || *at == 0x7f) {
            fprintf(stream, "\\u%04x", *at);
        } else {
            fwrite(at, 1, step, stream);
        }
        i += step;
    }
    fputc('"', stream);
}

static void
print_member(const char *key, const char *text, FILE *stream)
{
    fprintf(stream, "\"%s\":", key);
    print_string(text, strlen(text), stream);
}

void
json_print_run(const char *name, const struct hedgerow_reply *reply, FILE *stream)
{
    fputc('{', stream);
    print_member("input", name, stream);
    fputc(',', stream);
    print_member("job_id", reply->job_id, stream);
    fputc(',', stream);
    print_member("outcome", hedgerow_outcome_text(reply->outcome), stream);
    fprintf(stream, ",\"took_ms\":%.3f,\"attempts\":%u,", (double) reply->took_us / 1000,
        reply->attempts);
    print_member("winner", reply->winner, stream);
    if (reply->outcome == HEDGEROW_OK) {
        fputs(",\"result\":", stream);
        print_string((const char *) reply->body, reply->body_size, stream);
    } else {
        fputc(',', stream);
        print_member("code", reply->code, stream);
        fputc(',', stream);
        print_member("message", reply->message, stream);
    }
    fputs("}\n", stream);
}

void
json_print_problem(const struct hedgerow_reply *reply, FILE *stream)
{
    if (reply->code[0] != '\0') {
        json_print_body(reply, stream);
        return;
    }
    fputc('{', stream);
    print_member("code", hedgerow_outcome_text(reply->outcome), stream);
    fputc(',', stream);
    print_member("detail", reply->message, stream);
    if (reply->job_id[0] != '\0') {
        fputc(',', stream);
        print_member("job_id", reply->job_id, stream);
    }
    fputs("}\n", stream);
}
