/* SPDX-License-Identifier: MIT
 *
 * A program outside of the house: two fibers race, the loser is cancelled.
 *
 *     cc race.c $(pkg-config --cflags --libs hedgerow-sched) -o race
 */
#include <hedgerow/sched.h>

#include <errno.h>
#include <stdio.h>

struct runner {
    struct hr_chan *finish;
    const char *name;
    int64_t takes_ns;
};

static int
run(void *arg)
{
    const struct runner *runner = (const struct runner *) arg;
    int err = hr_sleep(runner->takes_ns);
    if (err == 0) {
        err = hr_chan_send(runner->finish, &runner->name);
    }
    if (err == -ECANCELED) {
        printf("%s was stopped\n", runner->name);
    }
    return err;
}

static void
race(void *arg)
{
    (void) arg;
    struct hr_group group;
    struct hr_chan *finish = hr_chan_new(sizeof(const char *), 0);
    struct runner hare = { finish, "hare", INT64_C(3600000000000) };
    struct runner tortoise = { finish, "tortoise", 1000000 };
    const char *winner;
    if (finish == NULL || hr_group_init(&group, NULL) != 0) {
        return;
    }
    if (hr_group_go(&group, run, &hare, "hare") == 0 &&
        hr_group_go(&group, run, &tortoise, "tortoise") == 0 &&
        hr_chan_recv(finish, &winner) == 0) {
        printf("%s wins\n", winner);
    }
    hr_ctx_cancel(group.ctx, HR_CAUSE_USER);
    hr_group_wait(&group); /* their names and the channel are on our stack */
    hr_chan_free(finish);
}

int
main(void)
{
    struct hr_fiber *fiber;
    if (hr_start(NULL) != 0 || hr_spawn(race, NULL, "race", &fiber) != 0) {
        return 1;
    }
    hr_join(fiber);
    return hr_stop() == 0 ? 0 : 1;
}
