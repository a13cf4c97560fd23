/* SPDX-License-Identifier: MIT */
#include "worker/sched/dump.h"

#include "common/pure/check.h"
#include "worker/sched/ctx.h"
#include "worker/sched/idle.h"
#include "worker/sched/park.h"
#include "worker/sched/runtime.h"
#include "worker/sched/switch.h"

#include <dlfcn.h>
#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum {
    LINE_SIZE = 512,
    FRAMES_COUNT_MAX = 24
};

static _Atomic uint32_t is_asked;

static __attribute__((format(printf, 2, 3))) void
put(int fd, const char *format, ...)
{
    char line[LINE_SIZE];
    va_list arguments;
    va_start(arguments, format);
    int size = vsnprintf(line, sizeof line, format, arguments);
    va_end(arguments);
    size = size < (int) sizeof line ? size : (int) sizeof line - 1;
    ssize_t written = size > 0 ? write(fd, line, (size_t) size) : 0;
    (void) written;
}

void
dump_place(const void *address, char *text, size_t text_size)
{
    Dl_info info;
    if (dladdr(address, &info) == 0 || info.dli_fname == NULL) {
        snprintf(text, text_size, "%p", address);
        return;
    }
    const char *slash = strrchr(info.dli_fname, '/');
    snprintf(text, text_size, "%s+0x%" PRIxPTR "%s%s",
        slash != NULL ? slash + 1 : info.dli_fname,
        (uintptr_t) address - (uintptr_t) info.dli_fbase, info.dli_sname != NULL ? " " : "",
        info.dli_sname != NULL ? info.dli_sname : "");
}

static void
put_place(int fd, const char *before, uintptr_t address)
{
    char place[LINE_SIZE / 2];
    dump_place((const void *) address, place, sizeof place);
    put(fd, "%s%s", before, place);
}

/* Follow the frame pointers of a parked fiber.  It may wake under our hands: every address
 * is checked to lie on its stack, so at worst a line is wrong. */
static __attribute__((noinline, no_sanitize("address", "thread"))) void
put_backtrace(int fd, const struct hr_fiber *fiber)
{
    const struct stack_top *top = fiber->stack;
    uintptr_t sp = (uintptr_t) fiber->sp;
    if (top == NULL || stack_of(sp) != top) {
        return;
    }
    uintptr_t frame = ((const uintptr_t *) sp)[SWITCH_FRAME_POINTER];
    for (int i = 0; i < FRAMES_COUNT_MAX; i++) {
        if (frame <= sp || frame % sizeof(uintptr_t) != 0 || stack_of(frame) != top ||
            frame + 2 * sizeof(uintptr_t) > (uintptr_t) top) {
            return;
        }
        uintptr_t place = ((const uintptr_t *) frame)[1];
        if (place == 0) {
            return;
        }
        put_place(fd, "    at ", place);
        put(fd, "\n");
        sp = frame;
        frame = ((const uintptr_t *) frame)[0];
    }
}

static bool
is_running(const struct hr_fiber *fiber)
{
    bool found = false;
    lock_take(&sched.lock);
    for (struct thread *each = sched.threads; each != NULL; each = each->all_next) {
        found |= atomic_load_explicit(&each->running, memory_order_relaxed) == fiber;
    }
    lock_give(&sched.lock);
    return found;
}

static void
put_fiber(int fd, struct hr_fiber *fiber, int64_t now)
{
    const char *reason = atomic_load_explicit(&fiber->reason, memory_order_relaxed);
    int64_t since = atomic_load_explicit(&fiber->since_ns, memory_order_relaxed);
    const char *name = fiber->name != NULL ? fiber->name : "?";
    if (reason != NULL) {
        double waited_ms = now > since ? (double) (now - since) / 1e6 : 0;
        put(fd, "fiber %" PRIu32 "  WAITING %s  %.1fms  '%s'", fiber->index, reason, waited_ms,
            name);
    } else {
        const char *state = fiber->stack == NULL ? "NEW"
                            : is_running(fiber)  ? "RUNNING"
                                                 : "READY";
        put(fd, "fiber %" PRIu32 "  %s  '%s'", fiber->index, state, name);
    }
    if (fiber->ctx != &ctx_background) {
        put(fd, "  ctx %p%s", (void *) fiber->ctx, ctx_is_over(fiber->ctx) ? " (over)" : "");
    }
    put_place(fd, "  born ", (uintptr_t) fiber->born);
    put(fd, "\n");
    if (reason != NULL) {
        put_backtrace(fd, fiber);
    }
}

__attribute__((no_sanitize("thread"))) void
hr_dump(int fd)
{
    if (atomic_load_explicit(&sched.is_running, memory_order_acquire) == 0) {
        return;
    }
    int64_t now = hr_now();
    uint32_t count = __atomic_load_n(&fiber_pool.carved_count, __ATOMIC_RELAXED);
    uint32_t alive = 0;
    put(fd, "hedgerow: %u procs (%u idle), %u threads, %u in the shared queue\n",
        sched.procs_count, atomic_load_explicit(&sched.idle_count, memory_order_relaxed),
        __atomic_load_n(&sched.threads_count, __ATOMIC_RELAXED),
        atomic_load_explicit(&sched.shared_count, memory_order_relaxed));
    for (uint32_t i = 0; i < count; i++) {
        struct hr_fiber *fiber = slab_at(&fiber_pool, i);
        if ((atomic_load_explicit(&fiber->flags, memory_order_relaxed) & FIBER_IN_USE) != 0) {
            alive++;
            put_fiber(fd, fiber, now);
        }
    }
    put(fd, "hedgerow: %" PRIu32 " fibers\n", alive);
}

/* ---- by a signal ---- */

static void
on_dump_signal(int number)
{
    (void) number;
    atomic_store_explicit(&is_asked, 1, memory_order_relaxed);
    idle_poke_sysmon(); /* an atomic and a futex call: fit for a handler */
}

int
hr_dump_on_signal(int signal_number)
{
    struct sigaction action = { .sa_handler = on_dump_signal,
        .sa_flags = SA_RESTART | SA_ONSTACK };
    sigemptyset(&action.sa_mask);
    return sigaction(signal_number, &action, NULL) == 0 ? 0 : -EINVAL;
}

void
dump_if_asked(void)
{
    if (atomic_exchange_explicit(&is_asked, 0, memory_order_relaxed) != 0) {
        hr_dump(STDERR_FILENO);
    }
}

/* ---- deadlock ---- */

/* What only another fiber can end. */
static bool
is_inner_wait(const char *reason)
{
    static const char *const outer[] = { "event", "sleep", "fd", "fd read", "fd write",
        "blocking" };
    for (size_t i = 0; i < ARRAY_COUNT(outer); i++) {
        if (strcmp(reason, outer[i]) == 0) {
            return false;
        }
    }
    return true;
}

static bool
has_timers(void)
{
    for (uint32_t i = 0; i < sched.procs_count; i++) {
        if (!timer_wheel_is_empty(&proc_all[i].wheel)) {
            return true;
        }
    }
    return false;
}

bool
dump_is_deadlock(void)
{
    lock_take(&sched.lock);
    bool is_still =
        atomic_load_explicit(&sched.idle_count, memory_order_relaxed) == sched.procs_count &&
        sched.lost_count == 0 && sched.shared.count == 0;
    lock_give(&sched.lock);
    if (!is_still || has_timers()) {
        return false;
    }
    uint32_t alive = 0;
    for (uint32_t i = 0; i < __atomic_load_n(&fiber_pool.carved_count, __ATOMIC_RELAXED); i++) {
        struct hr_fiber *fiber = slab_at(&fiber_pool, i);
        const char *reason = atomic_load_explicit(&fiber->reason, memory_order_relaxed);
        if ((atomic_load_explicit(&fiber->flags, memory_order_relaxed) & FIBER_IN_USE) == 0) {
            continue;
        }
        if (park_word_is_set(&fiber->done)) {
            continue; /* has ended, and waits to be joined by a thread */
        }
        if (reason == NULL || !is_inner_wait(reason)) {
            return false;
        }
        alive++;
    }
    return alive > 0;
}

void
dump_deadlock(bool is_fatal)
{
    put(STDERR_FILENO, "hedgerow: deadlock: all fibers wait, and nothing can wake them\n");
    hr_dump(STDERR_FILENO);
    if (is_fatal) {
        check_failed("no deadlock", __FILE__, __LINE__);
    }
}
