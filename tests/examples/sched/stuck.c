/* SPDX-License-Identifier: MIT
 *
 * A program that is stuck and then dies, for a debugger to look at: one fiber waits for a
 * channel that nobody serves, one sleeps, one calls abort().
 */
#include <hedgerow/sched.h>

#include <stdlib.h>

static void
wait_for_mail(void *arg)
{
    hr_chan_recv((struct hr_chan *) arg, NULL);
}

static void
sleep_long(void *arg)
{
    (void) arg;
    hr_sleep(INT64_C(3600000000000));
}

static void
despair(void *arg)
{
    (void) arg;
    hr_sleep(50000000); /* the others wait by now */
    abort();
}

int
main(void)
{
    struct hr_options options = { 0 };
    options.procs_count = 2;
    options.fibers_count_max = 1024; /* the core has all of their stacks */
    if (hr_start(&options) != 0) {
        return 1;
    }
    struct hr_chan *chan = hr_chan_new(1, 0);
    if (hr_go(wait_for_mail, chan, "postman") != 0 || hr_go(sleep_long, NULL, "sleeper") != 0 ||
        hr_go(despair, NULL, "despair") != 0) {
        return 1;
    }
    return hr_stop();
}
