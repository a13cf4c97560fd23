/* SPDX-License-Identifier: MIT */
#include "worker/sched/netpoll.h"

#include "common/pure/check.h"
#include "worker/sched/chaos.h"
#include "worker/sched/ctx.h"
#include "worker/sched/park.h"

#include <errno.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

enum {
    EVENTS_COUNT = 128,
    FDS_COUNT_MAX = 1 << 20,
    WORD_NONE = 0,
    WORD_READY = 1
};

#define KICK_DATA UINT64_MAX

struct netpoll_fd {
    _Atomic uint64_t words[NETPOLL_SIDES_COUNT];
    struct lock lock;            /* guards is_registered */
    _Atomic uint32_t generation; /* of registrations; odd: registered */
    uint64_t unused;
};
_Static_assert(sizeof(struct netpoll_fd) == 32, "two for each cache line");

static struct {
    int epoll_fd;
    int kick_fd;
    _Atomic uint32_t is_used;
    struct netpoll_fd *fds;
    uint32_t fds_count;
} netpoll = { .epoll_fd = -1, .kick_fd = -1 };

int
netpoll_start(void)
{
    struct rlimit limit;
    CHECK(getrlimit(RLIMIT_NOFILE, &limit) == 0);
    netpoll.fds_count =
        limit.rlim_max < FDS_COUNT_MAX ? (uint32_t) limit.rlim_max : FDS_COUNT_MAX;
    void *table = mmap(NULL, netpoll.fds_count * sizeof(struct netpoll_fd),
        PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (table == MAP_FAILED) {
        return -ENOMEM;
    }
    netpoll.fds = table;
    netpoll.epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    netpoll.kick_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    /* Level-triggered: only the one who sleeps takes a kick away, not a passer-by. */
    struct epoll_event event = { .events = EPOLLIN, .data.u64 = KICK_DATA };
    if (netpoll.epoll_fd < 0 || netpoll.kick_fd < 0 ||
        epoll_ctl(netpoll.epoll_fd, EPOLL_CTL_ADD, netpoll.kick_fd, &event) != 0) {
        netpoll_stop();
        return -EMFILE;
    }
    return 0;
}

void
netpoll_stop(void)
{
    if (netpoll.epoll_fd >= 0) {
        close(netpoll.epoll_fd);
    }
    if (netpoll.kick_fd >= 0) {
        close(netpoll.kick_fd);
    }
    if (netpoll.fds != NULL) {
        munmap(netpoll.fds, netpoll.fds_count * sizeof(struct netpoll_fd));
    }
    netpoll.epoll_fd = -1;
    netpoll.kick_fd = -1;
    netpoll.fds = NULL;
    atomic_store_explicit(&netpoll.is_used, 0, memory_order_relaxed);
}

bool
netpoll_is_used(void)
{
    return atomic_load_explicit(&netpoll.is_used, memory_order_relaxed) != 0;
}

void
netpoll_kick(void)
{
    uint64_t one = 1;
    /* EAGAIN at the counter's maximum: there are kicks in it. */
    ssize_t written = write(netpoll.kick_fd, &one, sizeof one);
    (void) written;
}

/* An edge: leave a note, or claim who waits for it. */
static void
side_ready(struct netpoll_fd *each, enum netpoll_side side, struct runq_list *woken)
{
    uint64_t word = atomic_load_explicit(&each->words[side], memory_order_acquire);
    for (;;) {
        if (word == WORD_READY) {
            return;
        }
        uint64_t next = word == WORD_NONE ? WORD_READY : WORD_NONE;
        if (atomic_compare_exchange_weak_explicit(
                &each->words[side], &word, next, memory_order_acq_rel, memory_order_acquire)) {
            break;
        }
    }
    chaos();
    if (word != WORD_NONE && park_claim(word, WOKEN_OK) == CLAIM_READY) {
        runq_list_push(woken, park_fiber(word));
    }
}

static void
kick_take(void)
{
    uint64_t count;
    ssize_t got = read(netpoll.kick_fd, &count, sizeof count);
    (void) got;
}

static void
event_take(const struct epoll_event *event, struct runq_list *woken)
{
    uint32_t fd = (uint32_t) event->data.u64;
    struct netpoll_fd *each = &netpoll.fds[fd];
    if (atomic_load_explicit(&each->generation, memory_order_acquire) !=
        (uint32_t) (event->data.u64 >> 32)) {
        return; /* of a descriptor that is gone */
    }
    if ((event->events & (EPOLLIN | EPOLLRDHUP | EPOLLHUP | EPOLLERR)) != 0) {
        side_ready(each, NETPOLL_READ, woken);
    }
    if ((event->events & (EPOLLOUT | EPOLLHUP | EPOLLERR)) != 0) {
        side_ready(each, NETPOLL_WRITE, woken);
    }
}

static int
epoll_wait_ns(struct epoll_event *events, int64_t until_ns)
{
    struct timespec wait = { 0 };
    if (until_ns != 0 && until_ns != INT64_MAX) {
        int64_t left = until_ns - hr_now();
        left = left > 0 ? left : 0;
        wait.tv_sec = left / 1000000000;
        wait.tv_nsec = left % 1000000000;
    }
    return (int) syscall(SYS_epoll_pwait2, netpoll.epoll_fd, events, EVENTS_COUNT,
        until_ns == INT64_MAX ? NULL : &wait, NULL, 0);
}

void
netpoll_poll(int64_t until_ns, struct runq_list *woken)
{
    struct epoll_event events[EVENTS_COUNT];
    int count = epoll_wait_ns(events, until_ns);
    for (int i = 0; i < count; i++) {
        if (events[i].data.u64 != KICK_DATA) {
            event_take(&events[i], woken);
        } else if (until_ns != 0) {
            kick_take();
        }
    }
}

/* ---- waiting ---- */

/* The generation has ended: wake who waits in spite of it. */
static void
sides_close(struct thread *thread, struct netpoll_fd *each)
{
    for (int side = 0; side < NETPOLL_SIDES_COUNT; side++) {
        uint64_t word =
            atomic_exchange_explicit(&each->words[side], WORD_NONE, memory_order_seq_cst);
        if (word != WORD_NONE && word != WORD_READY) {
            park_wake(thread, word, WOKEN_CLOSED);
        }
    }
}

/* Register fd once.  Returns its generation (odd), or a negative errno.  noinline, as all
 * that reads errno: its address is a thread's, and must not be kept over a park. */
static __attribute__((noinline)) int64_t
fd_register(struct thread *thread, int fd)
{
    if (fd < 0 || (uint32_t) fd >= netpoll.fds_count) {
        return -EBADF;
    }
    struct netpoll_fd *each = &netpoll.fds[fd];
    uint32_t generation = atomic_load_explicit(&each->generation, memory_order_acquire);
    if (generation % 2 == 1) {
        return generation;
    }
    lock_take(&each->lock);
    generation = atomic_load_explicit(&each->generation, memory_order_relaxed);
    int64_t result = generation;
    if (generation % 2 == 0) {
        result = (int64_t) generation + 1;
        atomic_store_explicit(&netpoll.is_used, 1, memory_order_relaxed);
        atomic_store_explicit(&each->words[NETPOLL_READ], WORD_NONE, memory_order_relaxed);
        atomic_store_explicit(&each->words[NETPOLL_WRITE], WORD_NONE, memory_order_relaxed);
        atomic_store_explicit(&each->generation, generation + 1, memory_order_release);
        struct epoll_event event = { .events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET,
            .data.u64 = (uint64_t) (generation + 1) << 32 | (uint32_t) fd };
        if (epoll_ctl(netpoll.epoll_fd, EPOLL_CTL_ADD, fd, &event) != 0) {
            result = -errno;
            atomic_store_explicit(&each->generation, generation + 2, memory_order_seq_cst);
        }
    }
    lock_give(&each->lock);
    if (result < 0) {
        sides_close(thread, each); /* another fiber may have believed in it meanwhile */
    }
    return result;
}

struct wait {
    struct netpoll_fd *each;
    enum netpoll_side side;
    uint32_t generation;
    int64_t deadline;
};

/* Called with the fiber in park_begin's state.  true: parked and woken as *ret_how says. */
static bool
side_park(struct hr_fiber *self, const struct wait *wait, enum woken *ret_how)
{
    struct netpoll_fd *each = wait->each;
    enum netpoll_side side = wait->side;
    uint64_t handle = park_handle(self);
    uint64_t word = WORD_NONE;
    if (!atomic_compare_exchange_strong_explicit(
            &each->words[side], &word, handle, memory_order_seq_cst, memory_order_acquire)) {
        return false;
    }
    chaos();
    /* Forgotten since it was registered?  Then nobody will look at the word any more. */
    uint64_t ours = handle;
    if (atomic_load_explicit(&each->generation, memory_order_seq_cst) != wait->generation &&
        atomic_compare_exchange_strong_explicit(
            &each->words[side], &ours, WORD_NONE, memory_order_acq_rel, memory_order_relaxed)) {
        *ret_how = park_abandon(self) ? WOKEN_CLOSED : park_wait(self, NULL, "fd");
        return true;
    }
    struct park_timer timer;
    int64_t deadline = wait->deadline;
    if (deadline != HR_NEVER) {
        park_timer_set(&timer, self, deadline);
    }
    *ret_how = park_wait(self, NULL, side == NETPOLL_READ ? "fd read" : "fd write");
    if (deadline != HR_NEVER) {
        timer_clear(&timer.timer);
    }
    if (*ret_how != WOKEN_OK) {
        atomic_compare_exchange_strong_explicit(
            &each->words[side], &handle, WORD_NONE, memory_order_acq_rel, memory_order_relaxed);
    }
    return true;
}

static int
how_to_err(struct hr_fiber *self, enum woken how)
{
    switch (how) {
    case WOKEN_OK: return 0;
    case WOKEN_ENDED: return hr_ctx_err(self->ctx);
    case WOKEN_TIMER: return -ETIMEDOUT;
    case WOKEN_CLOSED: return -EBADF;
    }
    CHECK_UNREACHABLE();
}

/* Wait for an edge after EAGAIN. */
static int
fd_wait(struct hr_fiber *self, int fd, enum netpoll_side side, int64_t deadline)
{
    int64_t generation = fd_register(self->thread, fd);
    if (generation < 0) {
        return (int) generation;
    }
    struct netpoll_fd *each = &netpoll.fds[fd];
    if (!park_begin(self, /* is_cancellable= */ true)) {
        return hr_ctx_err(self->ctx);
    }
    enum woken how = WOKEN_OK;
    struct wait wait = { each, side, (uint32_t) generation, deadline };
    if (side_park(self, &wait, &how)) {
        return how_to_err(self, how);
    }
    /* READY: an edge came since the call; or another fiber waits here, which is an error of
     * the program, like two readers of one stream. */
    if (!park_abandon(self)) {
        return how_to_err(self, park_wait(self, NULL, "fd"));
    }
    uint64_t ready = WORD_READY;
    if (atomic_compare_exchange_strong_explicit(&each->words[side], &ready, WORD_NONE,
            memory_order_acq_rel, memory_order_acquire) ||
        ready == WORD_NONE) {
        return 0;
    }
    return -EBUSY;
}

/* On a plain thread: the kernel's own way. */
static __attribute__((noinline)) int
thread_wait(int fd, enum netpoll_side side, int64_t deadline)
{
    struct pollfd each = { .fd = fd, .events = side == NETPOLL_READ ? POLLIN : POLLOUT };
    struct timespec wait = { 0 };
    if (deadline != HR_NEVER) {
        int64_t left = deadline - hr_now();
        left = left > 0 ? left : 0;
        wait.tv_sec = left / 1000000000;
        wait.tv_nsec = left % 1000000000;
    }
    int count = ppoll(&each, 1, deadline == HR_NEVER ? NULL : &wait, NULL);
    if (count < 0) {
        int error_number = errno;
        return error_number == EINTR ? 0 : -error_number;
    }
    return count == 0 ? -ETIMEDOUT : 0;
}

int
netpoll_wait(int fd, enum netpoll_side side, int64_t deadline)
{
    struct hr_fiber *self = fiber_self();
    if (self == NULL) {
        return thread_wait(fd, side, deadline);
    }
    proc_enter(self);
    int err = fd_wait(self, fd, side, deadline);
    proc_leave_parks(self);
    return err;
}

void
hr_fd_forget(int fd)
{
    if (fd < 0 || (uint32_t) fd >= netpoll.fds_count || netpoll.fds == NULL) {
        return;
    }
    struct hr_fiber *self = fiber_self();
    struct thread *thread = proc_enter_any(self);
    struct netpoll_fd *each = &netpoll.fds[fd];
    lock_take(&each->lock);
    uint32_t generation = atomic_load_explicit(&each->generation, memory_order_relaxed);
    bool was_registered = generation % 2 == 1;
    if (was_registered) {
        atomic_store_explicit(&each->generation, generation + 1, memory_order_seq_cst);
        epoll_ctl(netpoll.epoll_fd, EPOLL_CTL_DEL, fd, NULL);
    }
    lock_give(&each->lock);
    if (was_registered) {
        sides_close(thread, each);
    }
    if (self != NULL) {
        proc_leave(self);
    }
}
