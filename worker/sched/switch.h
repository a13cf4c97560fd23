/* SPDX-License-Identifier: MIT
 *
 * worker/sched/switch.h - leave one stack and continue another: the assembly's contract.
 *
 * Saves what the ABI says a callee must keep (x86-64: rbx rbp r12-r15; aarch64: x19-x30,
 * d8-d15), nothing else: the floating point control words and the signal mask are the
 * thread's, not the fiber's.
 */
#ifndef WORKER_SCHED_SWITCH_H
#define WORKER_SCHED_SWITCH_H

#include <stdint.h>

/* Save the callee-saved registers on this stack, store its pointer, and return on another. */
void switch_stacks(void **ret_from_sp, void *to_sp);
/* What a new stack returns into: calls fiber_main() with an empty frame chain. */
void switch_entry(void);

/* Words that switch_stacks() pops from a new stack, switch_entry's address at ENTRY. */
#if defined(__x86_64__)
enum {
    SWITCH_FRAME_WORDS = 7,
    SWITCH_FRAME_ENTRY = 6
};
#elif defined(__aarch64__)
enum {
    SWITCH_FRAME_WORDS = 20,
    SWITCH_FRAME_ENTRY = 11
};
#else
#error "write switch_<arch>.S for this machine"
#endif

#endif
