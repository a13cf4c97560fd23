/* SPDX-License-Identifier: MIT */
#include "coordinator/http/host.h"

#include "common/pure/check.h"
#include "tests/support/cunit_main.h"

/* GOAL    addresses, localhost and the names that were given; nothing that merely looks so. */
static void
host_only_own_names_are_ours(void)
{
    static const struct {
        const char *host;
        const char *names;
        bool is_ours;
    } cases[] = {
        { "127.0.0.1", "", true },
        { "127.0.0.1:8080", "", true },
        { "10.1.2.3:80", "", true },
        { "[::1]", "", true },
        { "[::1]:8080", "", true },
        { "[fe80::1]:8080", "", true },
        { "localhost", "", true },
        { "LocalHost:8080", "", true },
        { "localhost.", "", true },
        { "hedgerow.localhost:8080", "", true },
        { "evil.example", "", false },
        { "evil.example:8080", "", false },
        { "127.0.0.1.evil.example", "", false },
        { "localhost.evil.example", "", false },
        { "notlocalhost", "", false },
        { "127.1", "", false },
        { "2130706433", "", false },
        { "0x7f.0.0.1", "", false },
        { "[evil.example]", "", false },
        { "[", "", false },
        { "[]", "", false },
        { ".", "", false },
        { ":80", "", false },
        { "", "", false },
        { "jobs.example", "jobs.example", true },
        { "Jobs.Example.:8080", "a, jobs.example ,b", true },
        { "b", "a, jobs.example ,b", true },
        { "jobs.example.evil", "jobs.example", false },
        { "x.jobs.example", "jobs.example", false },
        { "", "jobs.example,,", false },
        { "127.0.0.1", "jobs.example", true },
    };
    for (unsigned i = 0; i < ARRAY_COUNT(cases); i++) {
        bool is_ours = host_is_ours(slice_of(cases[i].host), cases[i].names);
        if (is_ours != cases[i].is_ours) {
            printf("# %s\n", cases[i].host);
        }
        CU_ASSERT_EQUAL(is_ours, cases[i].is_ours);
    }
}

static const struct test tests[] = {
    TEST(host_only_own_names_are_ours),
};
TEST_MAIN("host", tests)
