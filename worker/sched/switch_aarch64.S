/* SPDX-License-Identifier: MIT
 *
 * worker/sched/switch_aarch64.S - the context switch for aarch64 (see switch.h).
 *
 *   sp+0    x19 x20 | x21 x22 | x23 x24 | x25 x26 | x27 x28
 *   sp+80   x29 x30
 *   sp+96   d8 d9 | d10 d11 | d12 d13 | d14 d15          160 bytes
 */
#if defined(__aarch64__)

        .text
        .p2align 4
        .globl  switch_stacks
        .hidden switch_stacks
        .type   switch_stacks, %function
switch_stacks:
        .cfi_startproc
        hint    #34                 /* bti c */
        sub     sp, sp, #160
        .cfi_adjust_cfa_offset 160
        stp     x19, x20, [sp, #0]
        stp     x21, x22, [sp, #16]
        stp     x23, x24, [sp, #32]
        stp     x25, x26, [sp, #48]
        stp     x27, x28, [sp, #64]
        stp     x29, x30, [sp, #80]
        .cfi_rel_offset x29, 80
        .cfi_rel_offset x30, 88
        stp     d8, d9, [sp, #96]
        stp     d10, d11, [sp, #112]
        stp     d12, d13, [sp, #128]
        stp     d14, d15, [sp, #144]
        mov     x9, sp
        str     x9, [x0]
        mov     sp, x1
        ldp     x19, x20, [sp, #0]
        ldp     x21, x22, [sp, #16]
        ldp     x23, x24, [sp, #32]
        ldp     x25, x26, [sp, #48]
        ldp     x27, x28, [sp, #64]
        ldp     x29, x30, [sp, #80]
        ldp     d8, d9, [sp, #96]
        ldp     d10, d11, [sp, #112]
        ldp     d12, d13, [sp, #128]
        ldp     d14, d15, [sp, #144]
        add     sp, sp, #160
        .cfi_adjust_cfa_offset -160
        .cfi_restore x29
        .cfi_restore x30
        ret
        .cfi_endproc
        .size   switch_stacks, .-switch_stacks

        .p2align 4
        .globl  switch_entry
        .hidden switch_entry
        .type   switch_entry, %function
switch_entry:
        .cfi_startproc
        .cfi_undefined x30          /* an unwinder stops here */
        hint    #36                 /* bti j */
        mov     x29, xzr
        mov     x30, xzr
        bl      fiber_main
        brk     #1
        .cfi_endproc
        .size   switch_entry, .-switch_entry
#endif
        .section .note.GNU-stack, "", %progbits
