/* SPDX-License-Identifier: MIT */
#include "tests/support/cunit_main.h"

#include <stdbool.h>
#include <stdlib.h>

static unsigned tests_done;

void
cunit_assert_i64(
    int64_t actual, int64_t expected, const char *text, const char *file, unsigned line)
{
    if (actual != expected) {
        fprintf(stderr, "# %s:%u: %s: %" PRId64 " is not %" PRId64 "\n", file, line, text,
            actual, expected);
    }
    CU_assertImplementation(actual == expected, line, text, file, "", CU_FALSE);
}

void
cunit_assert_str(
    const char *actual, const char *expected, const char *text, const char *file, unsigned line)
{
    bool same = actual != NULL && expected != NULL && strcmp(actual, expected) == 0;
    if (!same) {
        fprintf(stderr, "# %s:%u: %s:\n#   actual   '%s'\n#   expected '%s'\n", file, line,
            text, actual != NULL ? actual : "(null)", expected != NULL ? expected : "(null)");
    }
    CU_assertImplementation(same, line, text, file, "", CU_FALSE);
}

static void
on_test_complete(const CU_pTest test, const CU_pSuite suite, const CU_pFailureRecord failure)
{
    (void) suite;
    printf("%s %u - %s\n", failure == NULL ? "ok" : "not ok", ++tests_done, test->pName);
    for (CU_pFailureRecord each = failure; each != NULL; each = each->pNext) {
        printf("# %s:%u: %s\n", each->strFileName != NULL ? each->strFileName : "?",
            each->uiLineNumber, each->strCondition != NULL ? each->strCondition : "?");
    }
    fflush(stdout);
}

static bool
is_wanted(const char *name, int argc, char **argv)
{
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], name) == 0) {
            return true;
        }
    }
    return argc <= 1;
}

int
cunit_main(
    const char *suite_name, const struct test *tests, size_t tests_count, int argc, char **argv)
{
    if (argc == 2 && strcmp(argv[1], "--list") == 0) {
        for (size_t i = 0; i < tests_count; i++) {
            puts(tests[i].name);
        }
        return EXIT_SUCCESS;
    }
    if (CU_initialize_registry() != CUE_SUCCESS) {
        return EXIT_FAILURE;
    }
    CU_pSuite suite = CU_add_suite(suite_name, NULL, NULL);
    for (size_t i = 0; i < tests_count; i++) {
        if (is_wanted(tests[i].name, argc, argv) &&
            CU_add_test(suite, tests[i].name, tests[i].run) == NULL) {
            fprintf(stderr, "cannot add test %s\n", tests[i].name);
            return EXIT_FAILURE;
        }
    }
    CU_set_test_complete_handler(on_test_complete);
    CU_run_all_tests();

    unsigned run = CU_get_number_of_tests_run();
    unsigned failed = CU_get_number_of_tests_failed();
    bool ok = run > 0 && failed == 0 && CU_get_number_of_failure_records() == 0 &&
              CU_get_number_of_suites_failed() == 0;
    printf("1..%u\n# %s: %u run, %u failed\n", run, suite_name, run, failed);
    CU_cleanup_registry();
    return ok ? EXIT_SUCCESS : EXIT_FAILURE;
}
