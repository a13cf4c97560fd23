/* SPDX-License-Identifier: MIT */
#include "coordinator/cli/signals.h"

#include "coordinator/cli/cli.h"
#include "coordinator/cli/out.h"

#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

static struct hedgerow_interrupt *signals_interrupt;
static volatile sig_atomic_t signals_count;

static void
on_signal(int signal_number)
{
    (void) signal_number;
    if (++signals_count > 1) {
        _exit(CLI_INTERRUPTED);
    }
    hedgerow_interrupt_raise(signals_interrupt);
}

struct hedgerow_interrupt *
signals_catch(void)
{
    static const int caught[] = { SIGINT, SIGTERM, SIGHUP };
    signals_interrupt = hedgerow_interrupt_new();
    if (signals_interrupt == NULL) {
        out_error("out of memory or file descriptors");
        return NULL;
    }
    struct sigaction action = { .sa_handler = on_signal, .sa_flags = SA_RESTART };
    sigemptyset(&action.sa_mask);
    for (unsigned i = 0; i < ARRAY_COUNT(caught); i++) {
        struct sigaction before;
        /* What nohup ignores stays ignored. */
        if (sigaction(caught[i], NULL, &before) == 0 && before.sa_handler != SIG_IGN) {
            (void) sigaction(caught[i], &action, NULL);
        }
    }
    return signals_interrupt;
}
