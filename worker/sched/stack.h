/* SPDX-License-Identifier: MIT
 *
 * worker/sched/stack.h - fibers' stacks: equal slots in one window of address space.
 *
 *      slot (an odd number of pages)
 *      +-------+-----------------------------------+-----------+--------+
 *      | guard |  <- - - - - - - - - - - the stack  | stack_top | colour |
 *      +-------+-----------------------------------+-----------+--------+
 *
 * All that a parked fiber needs lies at the top of its stack.  With a power of two between
 * stacks those tops would share a few sets of the TLB and of the caches: 503 of them, one
 * access each at random, cost 21 ns an access 16 pages apart and 4 ns 17 pages apart.
 * Hence the odd number of pages, and a colour (some lines left free) by the slot's index.
 *
 * A stack is bound to a fiber when the fiber first runs, and goes hot to the next one when
 * it ends.
 *
 * The guard is one page by MADV_GUARD_INSTALL (Linux 6.13: no mapping of its own, and set
 * once for good); before that kernel mprotect, until a part of vm.max_map_count is used up;
 * then a canary word, looked at when the stack is given back.
 *
 * REJECTED    aligned slots, so that the running fiber is a mask away from the stack pointer
 *             (see above; a thread_local through assembly is as safe, proc.h).
 * INVARIANTS  ST1  a slot is in one magazine, in the shared list, or under one fiber.
 * THREADS     any; a magazine only under its proc.   LOCKS  the window's own, a leaf.
 * MEMORY      slots_count * slot_size of address space; touched pages stay resident.
 */
#ifndef WORKER_SCHED_STACK_H
#define WORKER_SCHED_STACK_H

#include "worker/sched/annotate.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    STACK_MAGAZINE_COUNT = 64,
    STACK_SIZE_MIN = 16 * 1024,
    STACK_SIZE_MAX = 64 * 1024 * 1024
};

struct hr_fiber;

struct stack_top {
    struct hr_fiber *fiber; /* who runs here */
    struct stack_top *next; /* in the shared list */
    uint32_t slot_index;
    uint32_t has_canary;
    struct annotate annotate;
};

/* Guard: the proc that it is in. */
struct stack_magazine {
    uint32_t count;
    struct stack_top *tops[STACK_MAGAZINE_COUNT];
};

enum stack_guard {
    STACK_GUARD_MADVISE,
    STACK_GUARD_MPROTECT,
    STACK_GUARD_CANARY
};

bool stack_window_init(size_t stack_size, uint32_t slots_count);
void stack_window_fini(void);
enum stack_guard stack_guard_kind(void);
/* The slot whose guard holds address; NULL if none does. */
struct stack_top *stack_of_guard(uintptr_t address);

/* NULL when all slots are in use. */
struct stack_top *stack_take(struct stack_magazine *magazine);
void stack_give(struct stack_magazine *magazine, struct stack_top *top);
/* A stack pointer from which switch_stacks() arrives in fiber_main(). */
void *stack_frame_init(struct stack_top *top);

/* The top of the stack that address lies on; NULL: not one of ours. */
struct stack_top *stack_of(uintptr_t address);
/* Bytes that a fiber may use, about. */
size_t stack_size(void);

#endif
