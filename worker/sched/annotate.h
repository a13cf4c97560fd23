/* SPDX-License-Identifier: MIT
 *
 * worker/sched/annotate.h - tell the sanitizers which stack we are on; nothing in release.
 *
 * ASan must know the bounds of the stack that is entered, and keeps a "fake stack" for the
 * one that is left.  TSan has fibers of its own: one for each of our stacks, because it
 * never forgets a dead one.  Between the annotation and the switch no instrumented function
 * may begin or end, or TSan's shadow stack goes out of step: hence always_inline.
 */
#ifndef WORKER_SCHED_ANNOTATE_H
#define WORKER_SCHED_ANNOTATE_H

#include <stdbool.h>
#include <stddef.h>

#if defined(__has_feature) /* clang's way to say it */
#if __has_feature(address_sanitizer) && !defined(__SANITIZE_ADDRESS__)
#define __SANITIZE_ADDRESS__ 1
#endif
#if __has_feature(thread_sanitizer) && !defined(__SANITIZE_THREAD__)
#define __SANITIZE_THREAD__ 1
#endif
#endif
#if defined(__SANITIZE_ADDRESS__)
#define ANNOTATE_ASAN 1
#include <sanitizer/asan_interface.h>
#include <sanitizer/common_interface_defs.h>
#else
#define ANNOTATE_ASAN 0
#endif
#if defined(__SANITIZE_THREAD__)
#define ANNOTATE_TSAN 1
#include <sanitizer/tsan_interface.h>
void __tsan_func_exit(void *unused); /* as gcc declares it */
#else
#define ANNOTATE_TSAN 0
#endif
#define ANNOTATE_ANY (ANNOTATE_ASAN || ANNOTATE_TSAN)

/* One for each stack: a thread's own, or a fiber's slot. */
struct annotate {
    const void *bottom;
    size_t size;
    void *asan_fake;
    void *tsan_fiber;
};

/* Right before the switch away from one stack to another. */
static inline __attribute__((always_inline)) void
annotate_leave(struct annotate *from, struct annotate *into, bool is_dying)
{
#if ANNOTATE_ASAN
    __sanitizer_start_switch_fiber(
        is_dying ? NULL : &from->asan_fake, into->bottom, into->size);
#endif
#if ANNOTATE_TSAN
    /* The frames that never return, proc_switch_last's and fiber_main's, go off the shadow
     * stack: it holds 64 Ki, and the next tenant begins on what is left there. */
    for (int frames = is_dying ? 2 : 0; frames > 0; frames--) {
        __tsan_func_exit(NULL);
    }
    __tsan_switch_to_fiber(into->tsan_fiber, 0);
#endif
    (void) from;
    (void) into;
    (void) is_dying;
}

/* Right after arriving; fake is NULL on a stack that is entered for the first time. */
static inline __attribute__((always_inline)) void
annotate_enter(void *fake)
{
#if ANNOTATE_ASAN
    __sanitizer_finish_switch_fiber(fake, NULL, NULL);
#endif
    (void) fake;
}

/* A stack gets a new tenant: forget the frames that its last one never returned from. */
static inline void
annotate_reuse(const struct annotate *stack)
{
#if ANNOTATE_ASAN
    __asan_unpoison_memory_region(stack->bottom, stack->size);
#endif
    (void) stack;
}

#endif
