/* SPDX-License-Identifier: MIT
 *
 * A fault in a slot's guard page is a stack overflow: say whose, then let the fault happen
 * again under the handler that was there before (a crash, a core, a sanitizer's report).
 */
#include "worker/sched/runtime.h"

#include "worker/sched/stack.h"

#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
    SIGNAL_STACK_SIZE = 64 * 1024
};

static struct sigaction old_segv;
static struct sigaction old_bus;

static void
on_fault(int number, siginfo_t *info, void *context)
{
    (void) context;
    struct stack_top *top = stack_of_guard((uintptr_t) info->si_addr);
    if (top != NULL) {
        /* Not strictly safe in a handler, but snprintf of these takes no lock. */
        char line[512];
        const struct hr_fiber *fiber = top->fiber;
        int size = snprintf(line, sizeof line,
            "hedgerow: stack overflow in fiber %" PRIu32 " '%s' (started at %p, stack of %zu "
            "bytes)\n",
            fiber->index, fiber->name != NULL ? fiber->name : "?", fiber->born, stack_size());
        if (size > 0) {
            ssize_t written = write(STDERR_FILENO, line, (size_t) size);
            (void) written;
        }
    }
    sigaction(number, number == SIGBUS ? &old_bus : &old_segv, NULL);
}

void
overflow_handler_install(void)
{
    struct sigaction action = { .sa_sigaction = on_fault, .sa_flags = SA_SIGINFO | SA_ONSTACK };
    sigemptyset(&action.sa_mask);
    sigaction(SIGSEGV, &action, &old_segv);
    sigaction(SIGBUS, &action, &old_bus);
}

void
overflow_handler_remove(void)
{
    struct sigaction now;
    if (sigaction(SIGSEGV, NULL, &now) == 0 && now.sa_sigaction == on_fault) {
        sigaction(SIGSEGV, &old_segv, NULL);
        sigaction(SIGBUS, &old_bus, NULL);
    }
}

/* A sanitizer gives threads one of its own, and wants to find it at the thread's end. */
struct signal_stack {
    stack_t old;
    uint8_t bytes[SIGNAL_STACK_SIZE];
};

bool
overflow_thread_init(struct thread *thread)
{
    thread->signal_stack = calloc(1, sizeof(struct signal_stack));
    return thread->signal_stack != NULL;
}

void
overflow_thread_enter(struct thread *thread)
{
    struct signal_stack *mine = thread->signal_stack;
    stack_t stack = { .ss_sp = mine->bytes, .ss_size = sizeof mine->bytes };
    sigaltstack(&stack, &mine->old);
}

void
overflow_thread_leave(struct thread *thread)
{
    struct signal_stack *mine = thread->signal_stack;
    sigaltstack(&mine->old, NULL);
}

void
overflow_thread_fini(struct thread *thread)
{
    free(thread->signal_stack);
}
