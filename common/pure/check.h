/* SPDX-License-Identifier: MIT
 *
 * common/pure/check.h - stop at once when the program contradicts itself.
 *
 * CHECK is for programmer errors and stays on in release; what the world can get
 * wrong is an err_t.  One condition for each CHECK, so that the line says which.
 */
#ifndef COMMON_PURE_CHECK_H
#define COMMON_PURE_CHECK_H

_Noreturn void check_failed(const char *condition, const char *file, int line);

#define CHECK(condition)                           \
    (__builtin_expect(!!(condition), 1) ? (void) 0 \
                                        : check_failed(#condition, __FILE__, __LINE__))
#define CHECK_UNREACHABLE() check_failed("unreachable", __FILE__, __LINE__)

#define MUST_USE           __attribute__((warn_unused_result))
#define ARRAY_COUNT(array) (sizeof(array) / sizeof((array)[0]))
/* The struct that holds this member. */
#define CONTAINER_OF(member_pointer, type, member) \
    ((type *) (void *) ((char *) (member_pointer) -offsetof(type, member)))

#endif
