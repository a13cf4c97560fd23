/* SPDX-License-Identifier: MIT
 *
 * common/sys/log.h - one line for each thing worth telling, as logfmt or JSON.
 *
 *     log_info("link up", LOG_STR("worker", name), LOG_I64("slots", slots));
 *     -> ts=2026-11-24T06:10:48.123Z level=info msg="link up" worker=w1 slots=4
 *
 * Only shells log; lower rooms return an err_t.  An error is logged once, by whoever
 * decides what to do about it.  Values are escaped: no input can forge a line.
 *
 * THREADS  any; a line is one write(2).
 * MEMORY   a line is cut at LOG_LINE_SIZE_MAX bytes.
 */
#ifndef COMMON_SYS_LOG_H
#define COMMON_SYS_LOG_H

#include "common/pure/err.h"
#include "common/pure/id.h"
#include "common/pure/units.h"

#define LOG_LINE_SIZE_MAX 2048

enum log_level {
    LOG_DEBUG,
    LOG_INFO,
    LOG_WARN,
    LOG_ERROR
};
enum log_format {
    LOG_LOGFMT,
    LOG_JSON
};

struct log_field {
    const char *key;
    const char *text; /* NULL: number holds the value */
    int64_t number;
};

#define LOG_STR(key_, text_) \
    ((struct log_field){ .key = (key_), .text = (text_) != NULL ? (text_) : "" })
#define LOG_I64(key_, number_) \
    ((struct log_field){ .key = (key_), .number = (int64_t) (number_) })
#define LOG_ERR(err_) LOG_STR("err", err_text(err_))

/* component stands on every line; level and format hold for the process. */
void log_init(const char *component, enum log_level level, enum log_format format);
void log_write(enum log_level level, const char *message, const struct log_field *fields,
    size_t fields_count);
bool log_level_from_text(const char *text, enum log_level *ret_level);

#define log_at(level_, message_, ...)                                                   \
    log_write(level_, message_, (const struct log_field[]){ { 0 }, ##__VA_ARGS__ } + 1, \
        sizeof((const struct log_field[]){ { 0 }, ##__VA_ARGS__ }) /                    \
                sizeof(struct log_field) -                                              \
            1)
#define log_debug(message_, ...) log_at(LOG_DEBUG, message_, ##__VA_ARGS__)
#define log_info(message_, ...)  log_at(LOG_INFO, message_, ##__VA_ARGS__)
#define log_warn(message_, ...)  log_at(LOG_WARN, message_, ##__VA_ARGS__)
#define log_error(message_, ...) log_at(LOG_ERROR, message_, ##__VA_ARGS__)

#endif
