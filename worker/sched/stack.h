/* SPDX-License-Identifier: MIT
 *
 * worker/sched/stack.h - fibers' stacks: equal slots in one window of address space.
 *
 *      slot (a power of two, aligned to its size)
 *      +-------+------------------------------------------+------------+
 *      | guard |  <- - - - - - - - - - - - - - the stack   | stack_top  |
 *      +-------+------------------------------------------+------------+
 *
 * From any address on a stack its stack_top is a mask away, and with it the running fiber:
 * no thread_local, whose address a compiler may keep across a switch.  A stack is bound to
 * a fiber when the fiber first runs, and goes hot to the next one when it ends.
 *
 * The guard is one page by MADV_GUARD_INSTALL (Linux 6.13: no mapping of its own, and set
 * once for good); before that kernel mprotect, until a part of vm.max_map_count is used up;
 * then a canary word, looked at when the stack is given back.
 *
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

/* Read-only between stack_window_init and _fini. */
struct stack_window {
    uintptr_t base;
    size_t size; /* 0: no runtime, so no address is inside */
    size_t slot_size;
};
extern struct stack_window stack_window;

enum stack_guard {
    STACK_GUARD_MADVISE,
    STACK_GUARD_MPROTECT,
    STACK_GUARD_CANARY
};

bool stack_window_init(size_t slot_size, uint32_t slots_count);
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
static inline struct stack_top *
stack_of(uintptr_t address)
{
    if (__builtin_expect(address - stack_window.base >= stack_window.size, 0)) {
        return NULL;
    }
    uintptr_t last = address | (stack_window.slot_size - 1);
    return (struct stack_top *) (last + 1 - sizeof(struct stack_top));
}

#endif
