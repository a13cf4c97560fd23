/* SPDX-License-Identifier: MIT
 *
 * tests/support/cunit_main.h - run one table of CUnit tests, and fail when one fails.
 *
 * CUnit's own runners exit 0 when tests fail, and its JUnit mode aborts at the first
 * failed assertion; so this reporter prints TAP, names each failed assertion with its
 * file and line, and decides the exit code itself.  `test_x NAME...` runs only the
 * named tests; `test_x --list` prints the names.
 *
 *     static const struct test tests[] = {
 *         TEST(hedge_slow_part_gets_one_rival),
 *     };
 *     TEST_MAIN("hedge", tests)
 *
 * A CU_ASSERT must run on the test's own thread (it touches globals, and the _FATAL
 * forms longjmp): a callback's thread records into atomics, the test asserts.
 */
#ifndef TESTS_SUPPORT_CUNIT_MAIN_H
#define TESTS_SUPPORT_CUNIT_MAIN_H

#include <CUnit/CUnit.h>
#include <inttypes.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

struct test {
    const char *name;
    void (*run)(void);
};

#define TEST(function)                     \
    {                                      \
        .name = #function, .run = function \
    }

#define TEST_MAIN(suite_name, table)                                                          \
    int main(int argc, char **argv)                                                           \
    {                                                                                         \
        return cunit_main(suite_name, table, sizeof(table) / sizeof((table)[0]), argc, argv); \
    }

/* Like CU_ASSERT_EQUAL, but a failure shows both numbers. */
#define ASSERT_I64_EQ(actual, expected)                                                  \
    cunit_assert_i64((int64_t) (actual), (int64_t) (expected), #actual " == " #expected, \
        __FILE__, __LINE__)
#define ASSERT_STR_EQ(actual, expected) \
    cunit_assert_str(actual, expected, #actual " == " #expected, __FILE__, __LINE__)

int cunit_main(
    const char *suite, const struct test *tests, size_t tests_count, int argc, char **argv);
void cunit_assert_i64(
    int64_t actual, int64_t expected, const char *text, const char *file, unsigned line);
void cunit_assert_str(const char *actual, const char *expected, const char *text,
    const char *file, unsigned line);

#endif
