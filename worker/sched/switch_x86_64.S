/* SPDX-License-Identifier: MIT
 *
 * worker/sched/switch_x86_64.S - where a new stack begins (the switch is in switch.h).
 *
 * No SHSTK property note on purpose: with it a kernel could give the process a shadow stack,
 * which a switch by hand does not move.
 */
#if defined(__x86_64__)

        .text
        .p2align 4
        .globl  switch_entry
        .hidden switch_entry
        .type   switch_entry, @function
switch_entry:
        .cfi_startproc
        .cfi_undefined rip          /* an unwinder stops here */
        endbr64
        xorl    %ebp, %ebp
        call    fiber_main
        ud2
        .cfi_endproc
        .size   switch_entry, .-switch_entry
#endif
        .section .note.GNU-stack, "", %progbits
