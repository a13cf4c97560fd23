/* SPDX-License-Identifier: MIT
 *
 * worker/sched/switch.h - leave one stack and continue another.
 *
 * Keeps what the ABI says a callee must keep (x86-64: rbx rbp r12-r15; aarch64: x19-x30,
 * d8-d15), nothing else: the floating point control words and the signal mask are the
 * thread's, not the fiber's.
 *
 * On x86-64 the switch is inline, for the sake of the CPU's memory of return addresses: two
 * fibers that park in the same place have the same calls above them, so the returns after
 * the switch are predicted as long as the switch itself is neither a call nor a return.
 * Out of line with `ret` it predicts the wrong stack, with `jmp` every return after it.
 *
 *   a stack that is switched away from (x86-64), from sp up:
 *      where to go on | rbp | 128 bytes: the red zone of who switched | its frame
 */
#ifndef WORKER_SCHED_SWITCH_H
#define WORKER_SCHED_SWITCH_H

#include <stdint.h>

/* What a new stack begins with: calls fiber_main() with an empty frame chain. */
void switch_entry(void);

#if defined(__x86_64__)

enum {
    SWITCH_FRAME_WORDS = 3,  /* of a new stack; odd, so that the entry is aligned */
    SWITCH_FRAME_ENTRY = 0,  /* where to go on */
    SWITCH_FRAME_POINTER = 1 /* for backtraces */
};

/* Save this stack's pointer in *ret_from_sp and continue at to_sp.  Every register but rsp
 * and rbp is declared lost, so the compiler saves those that it needs, no more. */
static inline __attribute__((always_inline)) void
switch_stacks(void **ret_from_sp, void *to_sp)
{
    __asm__ volatile("leaq -128(%%rsp), %%rsp\n\t"
                     "pushq %%rbp\n\t"
                     "leaq 1f(%%rip), %%rax\n\t"
                     "pushq %%rax\n\t"
                     "movq %%rsp, (%%rdi)\n\t"
                     "movq %%rsi, %%rsp\n\t"
                     "popq %%rcx\n\t"
                     "notrack jmp *%%rcx\n"
                     "1:\n\t"
                     "popq %%rbp\n\t"
                     "leaq 128(%%rsp), %%rsp\n\t"
                     : "+D"(ret_from_sp), "+S"(to_sp)
                     :
                     : "rax", "rbx", "rcx", "rdx", "r8", "r9", "r10", "r11", "r12", "r13",
                     "r14", "r15", "memory", "cc", "xmm0", "xmm1", "xmm2", "xmm3", "xmm4",
                     "xmm5", "xmm6", "xmm7", "xmm8", "xmm9", "xmm10", "xmm11", "xmm12", "xmm13",
                     "xmm14", "xmm15");
}

#elif defined(__aarch64__)

enum {
    SWITCH_FRAME_WORDS = 20,
    SWITCH_FRAME_ENTRY = 11,
    SWITCH_FRAME_POINTER = 10
};

/* In switch_aarch64.S. */
void switch_stacks(void **ret_from_sp, void *to_sp);

#else
#error "write switch_<arch>.S for this machine"
#endif

#endif
