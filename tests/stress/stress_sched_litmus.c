/* SPDX-License-Identifier: MIT */
#include "tests/support/cunit_main.h"
#include "tests/support/sched_run.h"
#include "tests/support/stress.h"
#include "worker/sched/ctx.h"
#include "worker/sched/handoff.h"
#include "worker/sched/park.h"
#include "worker/sched/runq.h"

#include <linux/membarrier.h>
#include <pthread.h>
#include <stdalign.h>
#include <stdatomic.h>
#include <sys/syscall.h>
#include <unistd.h>

/* GOAL    the lock-free protocols of the scheduler allow no forbidden outcome: of two sides
 *         that look for each other one sees the other; what may be had once is had once.
 * METHOD  litmus tests: two threads meet, run one side each, and the outcome is counted,
 *         as often as time allows.  The real functions where they can be called, else the same
 *         accesses by name.  A control is the same case with an order or a CAS left out; it
 *         must show the forbidden outcome, or the test could not see it.
 *
 * The next slot needs none: only its owner touches it (runq.h), and whoever takes over a
 * whole proc is the case of the hand-off. */
enum {
    TESTS_COUNT = 8,
    PATIENCE_SECONDS = 20, /* of a control: over in no time, but on a busy machine */
    SPINS_COUNT = 2000,
    DELAY_SHIFTS_COUNT = 10,
    NEITHER = 1, /* forbidden outcomes: a bit for each pair of answers */
    BOTH = 8
};

/* Left and right say whether they saw the other, or got the thing. */
struct shape {
    const char *name;
    void (*setup)(void);
    bool (*left)(void);
    bool (*right)(void);
    uint32_t forbidden;
};

struct rig {
    const struct shape *shape;
    struct stress stress;
    alignas(64) _Atomic uint64_t left_steps;
    alignas(64) _Atomic uint64_t right_steps;
    alignas(64) _Atomic bool is_over;
    bool right_answer;
    uint64_t outcomes[4];
    uint64_t wrong_count;
};

/* As often short as long: which fits is a matter of the machine and its load. */
static uint32_t
delay_of(uint64_t *dice)
{
    return dice_below(dice, 1U << dice_below(dice, DELAY_SHIFTS_COUNT));
}

/* Both go on at the same moment, more or less: the dice move it. */
static void
meet(_Atomic uint64_t *own, _Atomic uint64_t *other, uint32_t delay)
{
    uint64_t step = atomic_load_explicit(own, memory_order_relaxed) + 1;
    atomic_store_explicit(own, step, memory_order_release);
    for (uint32_t i = 0; atomic_load_explicit(other, memory_order_acquire) < step; i++) {
        if (i > SPINS_COUNT) {
            sched_yield();
        }
    }
    for (volatile uint32_t i = delay; i > 0; i--) {
    }
}

static void *
right_side(void *arg)
{
    struct rig *rig = arg;
    uint64_t dice = 0x9e3779b97f4a7c15;
    for (;;) {
        meet(&rig->right_steps, &rig->left_steps, delay_of(&dice));
        if (atomic_load_explicit(&rig->is_over, memory_order_relaxed)) {
            return NULL;
        }
        rig->right_answer = rig->shape->right();
        meet(&rig->right_steps, &rig->left_steps, 0);
    }
}

static void
left_round(struct rig *rig)
{
    rig->shape->setup();
    meet(&rig->left_steps, &rig->right_steps, delay_of(&rig->stress.dice));
    bool left_answer = rig->shape->left();
    meet(&rig->left_steps, &rig->right_steps, 0);
    uint32_t outcome = (uint32_t) left_answer + 2 * (uint32_t) rig->right_answer;
    rig->outcomes[outcome]++;
    rig->wrong_count += rig->shape->forbidden >> outcome & 1;
}

static uint64_t
wrong_outcomes(const struct shape *shape, bool is_control)
{
    struct rig rig = { .shape = shape, .stress = stress_begin(TESTS_COUNT) };
    pthread_t right;
    MUST(pthread_create(&right, NULL, right_side, &rig) == 0);
    rig.stress.until_ns += is_control ? PATIENCE_SECONDS * INT64_C(1000000000) : 0;
    while (stress_goes_on(&rig.stress) && !(is_control && rig.wrong_count > 0)) {
        for (int i = 0; i < 64; i++) {
            left_round(&rig);
        }
    }
    atomic_store(&rig.is_over, true);
    meet(&rig.left_steps, &rig.right_steps, 0);
    pthread_join(right, NULL);
    printf("# %s%s: neither %llu, left %llu, right %llu, both %llu; forbidden %llu\n",
        shape->name, is_control ? " (control)" : "", (unsigned long long) rig.outcomes[0],
        (unsigned long long) rig.outcomes[1], (unsigned long long) rig.outcomes[2],
        (unsigned long long) rig.outcomes[3], (unsigned long long) rig.wrong_count);
    return rig.wrong_count;
}

static void
assert_never(const struct shape *shape)
{
    ASSERT_I64_EQ(wrong_outcomes(shape, false), 0);
}

/* A control needs two cores, and no sanitizer that strengthens every access. */
static void
assert_shown(const struct shape *shape, bool (*weak_left)(void), bool (*weak_right)(void))
{
    struct shape weak = *shape;
    weak.left = weak_left;
    weak.right = weak_right;
    if (!ANNOTATE_ANY && sysconf(_SC_NPROCESSORS_ONLN) > 1) {
        CU_ASSERT_TRUE(wrong_outcomes(&weak, true) > 0);
    }
}

/* ---- two words: each side sets its own and looks at the other's ---- */

static struct {
    alignas(64) _Atomic int64_t left;
    alignas(64) _Atomic int64_t right;
} words;

static void
words_clear(void)
{
    atomic_store(&words.left, 0);
    atomic_store(&words.right, 0);
}

static bool
left_weak(void)
{
    atomic_store_explicit(&words.left, 1, memory_order_release);
    return atomic_load_explicit(&words.right, memory_order_acquire) != 0;
}

static bool
right_weak(void)
{
    atomic_store_explicit(&words.right, 1, memory_order_release);
    return atomic_load_explicit(&words.left, memory_order_acquire) != 0;
}

/* P1, P2 of idle.c: shared_count, then searching_count (here: 0 searching, 1 no more). */
static bool
push_and_look(void)
{
    atomic_store_explicit(&words.left, 1, memory_order_seq_cst);
    return atomic_load_explicit(&words.right, memory_order_seq_cst) != 0;
}

/* execute() in proc.c: stops searching, then looks for more. */
static bool
stop_and_look(void)
{
    atomic_fetch_add_explicit(&words.right, 1, memory_order_seq_cst);
    return atomic_load_explicit(&words.left, memory_order_seq_cst) != 0;
}

static void
litmus_idle_and_push_see_each_other(void)
{
    const struct shape shape = { .name = "idle",
        .setup = words_clear,
        .left = push_and_look,
        .right = stop_and_look,
        .forbidden = NEITHER };
    assert_never(&shape);
    assert_shown(&shape, left_weak, right_weak);
}

/* idle_poke_poller: the timer is set, then an exchange that changes nothing. */
static bool
timer_and_poke(void)
{
    atomic_store_explicit(&words.left, 1, memory_order_relaxed);
    return atomic_fetch_add_explicit(&words.right, 0, memory_order_seq_cst) != 0;
}

/* poller_sleep: asleep, then a look at the timers. */
static bool
doze_and_look(void)
{
    atomic_exchange_explicit(&words.right, 1, memory_order_seq_cst);
    return atomic_load_explicit(&words.left, memory_order_relaxed) != 0;
}

static void
litmus_poller_and_timer_see_each_other(void)
{
    const struct shape shape = { .name = "poller",
        .setup = words_clear,
        .left = timer_and_poke,
        .right = doze_and_look,
        .forbidden = NEITHER };
    assert_never(&shape);
    assert_shown(&shape, left_weak, right_weak);
}

/* ---- the hand-off (handoff.h): T1, T2 for real, H1 to H3 by name ---- */

static struct thread carrier;

static void
carrier_goes_out(void)
{
    atomic_store(&carrier.in_rt, 0);
    atomic_store(&carrier.lost, 0);
}

static bool
carrier_steps_in(void)
{
    return proc_step_in(&carrier);
}

static bool
taker_sees_it(void)
{
    atomic_store_explicit(&carrier.lost, 1, memory_order_seq_cst);
    syscall(SYS_membarrier, MEMBARRIER_CMD_PRIVATE_EXPEDITED, 0, 0);
    return atomic_load_explicit(&carrier.in_rt, memory_order_seq_cst) != 0;
}

static bool
taker_without_membarrier(void)
{
    atomic_store_explicit(&carrier.lost, 1, memory_order_seq_cst);
    return atomic_load_explicit(&carrier.in_rt, memory_order_seq_cst) != 0;
}

static void
litmus_handoff_never_gives_to_two(void)
{
    const struct shape shape = { .name = "hand-off",
        .setup = carrier_goes_out,
        .left = carrier_steps_in,
        .right = taker_sees_it,
        .forbidden = NEITHER };
    handoff_init();
    if (sched.can_hand_off) {
        assert_never(&shape);
        assert_shown(&shape, carrier_steps_in, taker_without_membarrier);
    }
}

/* ---- the wake word (park.h) ---- */

static struct hr_fiber *sleeper;
static struct hr_ctx sleeper_ctx;
static uint64_t sleeper_handle;
static uint32_t round_number;

static void
sleeper_init(void)
{
    if (sleeper == NULL) {
        MUST(slab_init(&fiber_pool, sizeof(struct hr_fiber), 64));
        sleeper = slab_take(&fiber_pool, NULL);
        MUST(sleeper != NULL);
        sleeper->index = slab_index(&fiber_pool, sleeper);
        sleeper->ctx = &sleeper_ctx;
    }
}

static void
sleeper_revives(void)
{
    atomic_store(&sleeper_ctx.cause, 0);
    words_clear();
}

static bool
sleeper_stays_up(void)
{
    return !park_begin(sleeper, true); /* F1, F2 */
}

static bool
canceller_claims(void)
{
    atomic_store_explicit(&sleeper_ctx.cause, HR_CAUSE_USER, memory_order_seq_cst); /* C1 */
    return park_claim_ended(sleeper) != CLAIM_LOST;                                 /* C2 */
}

static void
litmus_cancel_is_never_missed(void)
{
    struct shape shape = { .name = "cancel",
        .setup = sleeper_revives,
        .left = sleeper_stays_up,
        .right = canceller_claims,
        .forbidden = NEITHER | BOTH };
    sleeper_init();
    assert_never(&shape);
    shape.forbidden = NEITHER; /* the control has only the four accesses, and claims nothing */
    assert_shown(&shape, left_weak, right_weak);
}

static void
sleeper_waits(void)
{
    MUST(park_begin(sleeper, true));
    sleeper_handle = park_handle(sleeper);
    round_number++;
    words_clear();
}

static bool
peer_or_self_claims(void)
{
    return round_number % 2 == 0 ? park_abandon(sleeper)
                                 : park_claim(sleeper_handle, WOKEN_OK) != CLAIM_LOST;
}

static bool
timer_or_cancel_claims(void)
{
    return round_number / 2 % 2 == 0 ? park_claim(sleeper_handle, WOKEN_TIMER) != CLAIM_LOST
                                     : park_claim_ended(sleeper) != CLAIM_LOST;
}

/* By a load and a store in place of the CAS. */
static bool
claim_weak(void)
{
    bool is_mine = atomic_load_explicit(&words.left, memory_order_acquire) == 0;
    atomic_store_explicit(&words.left, 1, memory_order_release);
    return is_mine;
}

static void
litmus_claim_is_won_once(void)
{
    const struct shape shape = { .name = "wake word",
        .setup = sleeper_waits,
        .left = peer_or_self_claims,
        .right = timer_or_cancel_claims,
        .forbidden = NEITHER | BOTH };
    sleeper_init();
    sleeper_revives();
    assert_never(&shape);
    assert_shown(&shape, claim_weak, claim_weak);
}

/* ---- queues: the last item ---- */

static struct hr_fiber item;
static struct runq_ring ring;
static struct runq_ring thief_ring;
static struct runq_deque deque;
static struct runq_list list;
static struct lock list_lock;

static void
ring_fill(void)
{
    MUST(runq_ring_push(&ring, &item));
}

static bool
ring_owner(void)
{
    return runq_ring_take(&ring) != NULL;
}

static bool
ring_thief(void)
{
    return runq_ring_steal(&ring, &thief_ring) != NULL;
}

/* T3 without its CAS. */
static bool
ring_thief_weak(void)
{
    uint32_t head = atomic_load_explicit(&ring.head, memory_order_acquire);
    if (atomic_load_explicit(&ring.tail, memory_order_acquire) == head) {
        return false;
    }
    atomic_store_explicit(&ring.head, head + 1, memory_order_release);
    return true;
}

static void
litmus_ring_gives_its_last_once(void)
{
    const struct shape shape = { .name = "ring",
        .setup = ring_fill,
        .left = ring_owner,
        .right = ring_thief,
        .forbidden = NEITHER | BOTH };
    assert_never(&shape);
    assert_shown(&shape, ring_owner, ring_thief_weak);
}

static void
deque_fill_one(void)
{
    MUST(runq_deque_push(&deque, &item, RUNQ_DEQUE_COUNT));
}

static bool
deque_owner(void)
{
    return runq_deque_take(&deque) != NULL;
}

static bool
deque_thief(void)
{
    return runq_deque_steal(&deque) != NULL;
}

/* The last one without the CAS on top, as in sched_steal.pml. */
static bool
deque_owner_without_cas(void)
{
    int64_t bottom = atomic_load_explicit(&deque.bottom, memory_order_relaxed) - 1;
    atomic_store_explicit(&deque.bottom, bottom, memory_order_seq_cst);
    int64_t top = atomic_load_explicit(&deque.top, memory_order_seq_cst);
    atomic_store_explicit(&deque.bottom, bottom + 1, memory_order_relaxed);
    if (top > bottom) {
        return false;
    }
    atomic_store_explicit(&deque.top, top + 1, memory_order_seq_cst);
    return true;
}

static void
litmus_deque_gives_its_last_once(void)
{
    const struct shape shape = { .name = "deque",
        .setup = deque_fill_one,
        .left = deque_owner,
        .right = deque_thief,
        .forbidden = NEITHER | BOTH };
    assert_never(&shape);
    assert_shown(&shape, deque_owner_without_cas, deque_thief);
}

/* ---- the shared list, under its lock ---- */

static void
list_fill(void)
{
    words_clear();
    runq_list_push(&list, &item);
}

static bool
list_taker(void)
{
    lock_take(&list_lock);
    bool is_mine = runq_list_take(&list) != NULL;
    lock_give(&list_lock);
    return is_mine;
}

static void
litmus_list_gives_its_last_once(void)
{
    const struct shape shape = { .name = "shared list",
        .setup = list_fill,
        .left = list_taker,
        .right = list_taker,
        .forbidden = NEITHER | BOTH };
    assert_never(&shape);
    assert_shown(&shape, claim_weak, claim_weak);
}

static const struct test tests[] = {
    TEST(litmus_idle_and_push_see_each_other),
    TEST(litmus_poller_and_timer_see_each_other),
    TEST(litmus_handoff_never_gives_to_two),
    TEST(litmus_cancel_is_never_missed),
    TEST(litmus_claim_is_won_once),
    TEST(litmus_ring_gives_its_last_once),
    TEST(litmus_deque_gives_its_last_once),
    TEST(litmus_list_gives_its_last_once),
};
TEST_MAIN("stress_sched_litmus", tests)
