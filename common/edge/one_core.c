/* SPDX-License-Identifier: MIT */
#include "common/edge/one_core.h"

#include "common/pure/check.h"

#include <dlfcn.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>
#include <unistd.h>

#if defined(__SANITIZE_THREAD__) || defined(__SANITIZE_ADDRESS__)
#define IS_SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer) || \
    __has_feature(memory_sanitizer)
#define IS_SANITIZED 1
#endif
#endif

/* pthread_self() of who is between begin and end, 0: nobody.  It is only compared. */
static atomic_uintptr_t starter;

void
one_core_begin(void)
{
    atomic_store_explicit(&starter, (uintptr_t) pthread_self(), memory_order_relaxed);
}

void
one_core_end(void)
{
    atomic_store_explicit(&starter, 0, memory_order_relaxed);
}

/* A sanitizer asks sysconf before it can run any code of ours. */
#ifndef IS_SANITIZED
__attribute__((visibility("default"))) long
sysconf(int name)
{
    static long (*_Atomic libc)(int name);
    uintptr_t started_by = atomic_load_explicit(&starter, memory_order_relaxed);
    if (name == _SC_NPROCESSORS_ONLN && started_by == (uintptr_t) pthread_self()) {
        return 1;
    }
    long (*call)(int) = libc;
    if (call == NULL) {
        *(void **) &call = dlsym(RTLD_NEXT, "sysconf");
        CHECK(call != NULL);
        libc = call;
    }
    return call(name);
}
#endif

#ifdef __SANITIZE_THREAD__
/* NNG's TCP dialer is counted with atomics inside a library that is not instrumented: its last
 * connection, on the reaper thread, destroys a mutex that our thread locked before its own
 * (atomic) release, and the sanitizer cannot see why that is in order
 * (nni_posix_tcp_dialer_rele).  Mutexes of ours that are destroyed too early are still
 * found, by the free that follows. */
const char *__tsan_default_suppressions(void);

__attribute__((visibility("default"))) const char *
__tsan_default_suppressions(void)
{
    return "race_top:pthread_mutex_destroy\n";
}
#endif
