/* SPDX-License-Identifier: MIT */
#include "coordinator/deferred.h"

#include "tests/support/cunit_main.h"

static job_id_t
job_numbered(uint32_t number)
{
    job_id_t job = { { 0 } };
    memcpy(job.bytes, &number, sizeof number);
    return job;
}

static struct core_config
tiny(void)
{
    struct core_config config;
    core_config_default(&config);
    config.jobs_max = 2;
    config.finished_max = 1;
    config.workers_max = 4;
    return config;
}

/* GOAL    Q1: there is room for every copy and every worker at once, again and again, and
 *         all of it comes out, oldest first. */
static void
deferred_each_copy_and_worker_fits(void)
{
    const struct core_config config = tiny();
    struct deferred deferred;
    CU_ASSERT_EQUAL_FATAL(deferred_init(&deferred, &config), ERR_OK);
    ASSERT_I64_EQ(
        deferred_memory_size(&config), (3 * CORE_ATTEMPTS_MAX + 4) * sizeof *deferred.entries);
    for (uint32_t round = 0; round < 3; round++) {
        for (uint32_t i = 0; i < 3 * CORE_ATTEMPTS_MAX; i++) {
            deferred_push_busy(
                &deferred, &(struct attempt_ref){
                               .link = 7, .job = job_numbered(i), .attempt = round + 1 });
        }
        for (uint32_t i = 0; i < 4; i++) {
            deferred_push_down(&deferred, i);
        }
        for (uint32_t i = 0; i < 3 * CORE_ATTEMPTS_MAX; i++) {
            struct core_event event = deferred_take(&deferred);
            CU_ASSERT_EQUAL(event.kind, EVENT_BUSY);
            ASSERT_I64_EQ(event.ref.link, 7);
            ASSERT_I64_EQ(event.ref.attempt, round + 1);
            CU_ASSERT_TRUE(id_equal(event.ref.job, job_numbered(i)));
        }
        for (uint32_t i = 0; i < 4; i++) {
            struct core_event event = deferred_take(&deferred);
            CU_ASSERT_EQUAL(event.kind, EVENT_WORKER_DOWN);
            ASSERT_I64_EQ(event.link, i);
        }
        ASSERT_I64_EQ(deferred.count, 0);
    }
    deferred_fini(&deferred);
}

static const struct test tests[] = {
    TEST(deferred_each_copy_and_worker_fits),
};
TEST_MAIN("deferred", tests)
