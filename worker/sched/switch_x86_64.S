/* SPDX-License-Identifier: MIT
 *
 * worker/sched/switch_x86_64.S - the context switch for x86-64 (see switch.h).
 *
 * No SHSTK property note on purpose: with it a kernel could give the process a shadow stack,
 * which a switch by hand does not move.
 */
#if defined(__x86_64__)

        .text
        .p2align 4
        .globl  switch_stacks
        .hidden switch_stacks
        .type   switch_stacks, @function
switch_stacks:
        .cfi_startproc
        endbr64
        pushq   %rbp
        .cfi_adjust_cfa_offset 8
        .cfi_rel_offset rbp, 0
        pushq   %rbx
        .cfi_adjust_cfa_offset 8
        .cfi_rel_offset rbx, 0
        pushq   %r12
        .cfi_adjust_cfa_offset 8
        .cfi_rel_offset r12, 0
        pushq   %r13
        .cfi_adjust_cfa_offset 8
        .cfi_rel_offset r13, 0
        pushq   %r14
        .cfi_adjust_cfa_offset 8
        .cfi_rel_offset r14, 0
        pushq   %r15
        .cfi_adjust_cfa_offset 8
        .cfi_rel_offset r15, 0
        movq    %rsp, (%rdi)
        movq    %rsi, %rsp
        popq    %r15
        .cfi_adjust_cfa_offset -8
        .cfi_restore r15
        popq    %r14
        .cfi_adjust_cfa_offset -8
        .cfi_restore r14
        popq    %r13
        .cfi_adjust_cfa_offset -8
        .cfi_restore r13
        popq    %r12
        .cfi_adjust_cfa_offset -8
        .cfi_restore r12
        popq    %rbx
        .cfi_adjust_cfa_offset -8
        .cfi_restore rbx
        popq    %rbp
        .cfi_adjust_cfa_offset -8
        .cfi_restore rbp
        ret
        .cfi_endproc
        .size   switch_stacks, .-switch_stacks

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

        .section .note.GNU-stack, "", @progbits
#endif
