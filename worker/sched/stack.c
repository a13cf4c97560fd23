/* SPDX-License-Identifier: MIT */
#include "worker/sched/stack.h"

#include "common/pure/check.h"
#include "worker/sched/lock.h"
#include "worker/sched/switch.h"

#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#ifndef MADV_GUARD_INSTALL
#define MADV_GUARD_INSTALL 102 /* Linux 6.13 */
#endif

#define CANARY UINT64_C(0x9e3779b97f4a7c15)

enum {
    COLOURS_COUNT = 32, /* half of the first page is left for frames */
    COLOUR_SIZE = 64,
    MPROTECT_COUNT_MAX = 12000 /* two mappings each, of the kernel's usual 65530 */
};

/* Read-only between stack_window_init and _fini. */
static struct {
    uintptr_t base;
    size_t size; /* 0: no runtime, so no address is inside */
    size_t slot_size;
} window;

static struct {
    struct lock lock; /* guards free and carved_count */
    struct stack_top *free;
    uint32_t carved_count;
    uint32_t slots_count;
    uint32_t mprotects_count;
    size_t page_size;
    enum stack_guard guard;
} shared;

static enum stack_guard
guard_probe(void *page, size_t page_size)
{
    if (madvise(page, page_size, MADV_GUARD_INSTALL) == 0) {
        return STACK_GUARD_MADVISE;
    }
    return STACK_GUARD_MPROTECT;
}

bool
stack_window_init(size_t stack_size, uint32_t slots_count)
{
    CHECK(stack_size >= STACK_SIZE_MIN);

    size_t page_size = (size_t) sysconf(_SC_PAGESIZE);
    size_t pages_count = (stack_size + page_size - 1) / page_size + 1; /* one is the guard */
    size_t slot_size = (pages_count | 1) * page_size;
    size_t size = slot_size * slots_count;
    void *mapping = mmap(NULL, size, PROT_READ | PROT_WRITE,
        MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_STACK, -1, 0);
    if (mapping == MAP_FAILED) {
        return false;
    }
    /* A huge page would make every parked fiber cost 2 MiB. */
    (void) madvise(mapping, size, MADV_NOHUGEPAGE);

    memset(&shared, 0, sizeof shared);
    shared.slots_count = slots_count;
    shared.page_size = page_size;
    shared.guard = guard_probe(mapping, page_size);
    window.base = (uintptr_t) mapping;
    window.slot_size = slot_size;
    window.size = size;
    return true;
}

static struct stack_top *
slot_top(uint32_t slot_index)
{
    uintptr_t end = window.base + ((uintptr_t) slot_index + 1) * window.slot_size;
    end -= (uintptr_t) (slot_index % COLOURS_COUNT) * COLOUR_SIZE;
    return (struct stack_top *) (end - sizeof(struct stack_top));
}

static uint32_t
slot_of(uintptr_t address)
{
    return (uint32_t) ((address - window.base) / window.slot_size);
}

struct stack_top *
stack_of(uintptr_t address)
{
    return address - window.base < window.size ? slot_top(slot_of(address)) : NULL;
}

size_t
stack_size(void)
{
    return window.slot_size - shared.page_size;
}

static uintptr_t
slot_bottom(uint32_t slot_index)
{
    return window.base + (uintptr_t) slot_index * window.slot_size;
}

void
stack_window_fini(void)
{
#if ANNOTATE_TSAN
    for (uint32_t i = 0; i < shared.carved_count; i++) {
        if (slot_top(i)->annotate.tsan_fiber != NULL) {
            __tsan_destroy_fiber(slot_top(i)->annotate.tsan_fiber);
        }
    }
#endif
#if ANNOTATE_ASAN
    for (uint32_t i = 0; i < shared.carved_count; i++) {
        annotate_reuse(&slot_top(i)->annotate);
    }
#endif
    if (window.size != 0) {
        munmap((void *) window.base, window.size);
    }
    memset(&window, 0, sizeof window);
    memset(&shared, 0, sizeof shared);
}

enum stack_guard
stack_guard_kind(void)
{
    return shared.guard;
}

struct stack_top *
stack_of_guard(uintptr_t address)
{
    struct stack_top *top = stack_of(address);
    if (top == NULL) {
        return NULL;
    }
    uint32_t slot_index = slot_of(address);
    if (slot_index >= shared.carved_count ||
        address - slot_bottom(slot_index) >= shared.page_size) {
        return NULL;
    }
    return top;
}

/* Give a fresh slot its guard and its top. */
static struct stack_top *
slot_carve(uint32_t slot_index)
{
    uintptr_t bottom = slot_bottom(slot_index);
    struct stack_top *top = slot_top(slot_index);
    bool is_guarded = false;
    if (shared.guard == STACK_GUARD_MADVISE) {
        is_guarded = madvise((void *) bottom, shared.page_size, MADV_GUARD_INSTALL) == 0;
    } else if (shared.guard == STACK_GUARD_MPROTECT &&
               __atomic_fetch_add(&shared.mprotects_count, 1, __ATOMIC_RELAXED) <
                   MPROTECT_COUNT_MAX) {
        is_guarded = mprotect((void *) bottom, shared.page_size, PROT_NONE) == 0;
    }
    top->slot_index = slot_index;
    top->has_canary = !is_guarded;
    if (!is_guarded) {
        *(uint64_t *) bottom = CANARY;
    }
    top->annotate.bottom = (const void *) (bottom + shared.page_size);
    top->annotate.size = stack_size();
    return top;
}

struct stack_top *
stack_take(struct stack_magazine *magazine)
{
    if (magazine->count > 0) {
        return magazine->tops[--magazine->count];
    }
    lock_take(&shared.lock);
    while (shared.free != NULL && magazine->count < STACK_MAGAZINE_COUNT / 2) {
        magazine->tops[magazine->count++] = shared.free;
        shared.free = shared.free->next;
    }
    uint32_t slot_index = UINT32_MAX;
    if (magazine->count == 0 && shared.carved_count < shared.slots_count) {
        slot_index = shared.carved_count++;
    }
    lock_give(&shared.lock);
    if (magazine->count > 0) {
        return magazine->tops[--magazine->count];
    }
    return slot_index != UINT32_MAX ? slot_carve(slot_index) : NULL;
}

void
stack_give(struct stack_magazine *magazine, struct stack_top *top)
{
    if (top->has_canary && *(uint64_t *) slot_bottom(top->slot_index) != CANARY) {
        fprintf(stderr, "hedgerow: a fiber's stack overflowed into its canary\n");
        check_failed("stack canary", __FILE__, __LINE__);
    }
    if (magazine->count == STACK_MAGAZINE_COUNT) {
        lock_take(&shared.lock);
        while (magazine->count > STACK_MAGAZINE_COUNT / 2) {
            struct stack_top *old = magazine->tops[--magazine->count];
            old->next = shared.free;
            shared.free = old;
        }
        lock_give(&shared.lock);
    }
    magazine->tops[magazine->count++] = top;
}

void *
stack_frame_init(struct stack_top *top)
{
    annotate_reuse(&top->annotate);
#if ANNOTATE_TSAN
    if (top->annotate.tsan_fiber == NULL) {
        top->annotate.tsan_fiber = __tsan_create_fiber(0);
    }
#endif
    uintptr_t *frame = (uintptr_t *) ((uintptr_t) top & ~(uintptr_t) 15) - SWITCH_FRAME_WORDS;
    memset(frame, 0, SWITCH_FRAME_WORDS * sizeof *frame);
    frame[SWITCH_FRAME_ENTRY] = (uintptr_t) switch_entry;
    return frame;
}
