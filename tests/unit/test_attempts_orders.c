/* SPDX-License-Identifier: MIT
 *
 * Every order in which the life of one copy can go, as a search over sequences of events.
 */
#include "tests/support/attempts_fixture.h"

enum op {
    OP_BEGIN,
    OP_END_NOTHING,
    OP_END_REPLIED,
    OP_END_FAILED,
    OP_CANCEL,
    OP_STOP_HERE,
    OP_ORPHAN,
    OP_HAND_BACK,
    OP_TIME_UP,
    OP_EXPIRE,
    OP_SLOT_FREE,
    OPS_COUNT
};
#define OPS_MAX 6

struct world {
    struct fixture fx;
    struct attempt *other; /* holds the only slot, when the copy waits */
    struct attempt *copy;  /* while it has a slot */
    struct attempt_key key;
    bool is_waiting;
    bool has_fiber;
    bool has_begun;
    bool is_lapsed;
    bool is_gone;
    bool is_orphan;
    bool was_cancelled;
    unsigned farewells_count;
    unsigned owners_count;
    enum attempts_farewell_kind farewell;
    enum attempts_fate fate;
};

static void
world_init(struct world *world, bool is_waiting)
{
    struct attempt *attempt = NULL;
    *world = (struct world){ .is_waiting = is_waiting, .has_fiber = !is_waiting };
    fixture_init(&world->fx, /* slots_count= */ 1, /* queue_max= */ 1);
    if (is_waiting) {
        struct attempts_offer blocker = offer_of(&world->fx, 999);
        blocker.key.session = 9;
        blocker.owner = NULL;
        attempts_offer(world->fx.attempts, &blocker, world->fx.now, &world->other);
    }
    struct attempts_offer offer = offer_of(&world->fx, 1);
    offer.owner = world;
    attempts_offer(world->fx.attempts, &offer, world->fx.now, &attempt);
    world->copy = attempt;
    world->key = offer.key;
}

static void
world_hear(struct world *world, const struct attempts_farewell *farewell)
{
    if (farewell->kind != FAREWELL_NONE) {
        world->farewells_count++;
        world->farewell = farewell->kind;
        world->fate = farewell->fate;
    }
    world->owners_count += farewell->owner == world;
}

static void
world_end(struct world *world, enum attempts_outcome outcome)
{
    struct attempts_farewell farewell;
    bool is_late = instant_reached(world->fx.now, world->copy->deadline);
    bool lapses = world->has_begun && !world->was_cancelled && !world->copy->is_stopped_here &&
                  (outcome == ATTEMPTS_NOTHING || (outcome == ATTEMPTS_FAILED && is_late));
    attempts_end(world->fx.attempts, world->copy,
        &(struct attempts_ending){ outcome, DURATION_ZERO, world->fx.now }, &farewell);
    world_hear(world, &farewell);
    world->has_fiber = false;
    world->is_lapsed = lapses;
    world->is_gone = !lapses;
}

/* false: it makes no sense here. */
static bool
world_step_fiber(struct world *world, enum op op)
{
    if (!world->has_fiber) {
        return false;
    }
    if (op == OP_BEGIN) {
        if (world->has_begun) {
            return false;
        }
        world->has_begun = attempts_begin(world->fx.attempts, world->copy, world->fx.now);
        if (!world->has_begun) {
            world_end(world, ATTEMPTS_NOTHING);
        }
        return true;
    }
    /* Without a begin the fiber says nothing; nor does a handler that nobody stopped. */
    bool is_stopped = world->was_cancelled || world->copy->is_stopped_here ||
                      instant_reached(world->fx.now, world->copy->deadline);
    if (!world->has_begun || (op == OP_END_NOTHING && !is_stopped)) {
        return false;
    }
    world_end(world, op == OP_END_NOTHING   ? ATTEMPTS_NOTHING
                     : op == OP_END_REPLIED ? ATTEMPTS_REPLIED
                                            : ATTEMPTS_FAILED);
    return true;
}

static bool
world_step_stop(struct world *world, bool is_orphan)
{
    struct attempts_farewell farewell;
    bool is_new = false;
    world->is_orphan = world->is_orphan || (is_orphan && !world->is_gone);
    while (attempts_stop_one(world->fx.attempts, &(struct attempts_order){ 1, is_orphan, 32 },
        world->fx.now, &farewell)) {
        is_new = true;
        world_hear(world, &farewell);
        if (farewell.stop == NULL) {
            world->is_waiting = false;
            world->is_gone = true;
        }
    }
    return is_new;
}

static bool
world_step_waiting(struct world *world, enum op op)
{
    struct attempts_farewell farewell = { .kind = FAREWELL_NONE };
    bool is_some = false;
    if (op == OP_HAND_BACK) {
        is_some = attempts_hand_back_one(world->fx.attempts, world->fx.now, &farewell);
    } else if (op == OP_EXPIRE) {
        is_some = attempts_expire_one(
            world->fx.attempts, instant_add(world->fx.now, duration_ms(3000)), &farewell);
    } else if (world->other != NULL) {
        struct attempts_farewell others;
        attempts_end(world->fx.attempts, world->other,
            &(struct attempts_ending){ ATTEMPTS_REPLIED, DURATION_ZERO, world->fx.now },
            &others);
        world->other = NULL;
        struct attempt *next = attempts_next(world->fx.attempts, world->fx.now, &farewell);
        CU_ASSERT_TRUE(next == NULL || next == world->copy);
        world->has_fiber = next != NULL;
        world->is_waiting = world->is_waiting && next == NULL;
        is_some = farewell.kind != FAREWELL_NONE;
        world_hear(world, &farewell);
        world->is_gone = world->is_gone || is_some;
        return true;
    }
    if (is_some) {
        world_hear(world, &farewell);
        world->is_waiting = false;
        world->is_lapsed = false;
        world->is_gone = true;
    }
    return is_some;
}

static bool
world_step(struct world *world, enum op op)
{
    struct attempts_farewell farewell;
    switch (op) {
    case OP_BEGIN:
    case OP_END_NOTHING:
    case OP_END_REPLIED:
    case OP_END_FAILED: return world_step_fiber(world, op);
    case OP_CANCEL:
        attempts_cancel(world->fx.attempts, &world->key, CAUSE_USER, world->fx.now, &farewell);
        CU_ASSERT_EQUAL(farewell.stop != NULL, world->has_fiber && !world->was_cancelled);
        world_hear(world, &farewell);
        world->was_cancelled = world->was_cancelled || !world->is_gone;
        if (world->is_waiting || world->is_lapsed) {
            world->is_waiting = false;
            world->is_lapsed = false;
            world->is_gone = true;
        }
        return true;
    case OP_STOP_HERE: return world_step_stop(world, /* is_orphan= */ false);
    case OP_ORPHAN: return world_step_stop(world, /* is_orphan= */ true);
    case OP_HAND_BACK:
    case OP_EXPIRE:
    case OP_SLOT_FREE: return world_step_waiting(world, op);
    case OP_TIME_UP: world->fx.now = instant_add(world->fx.now, duration_ms(200)); return true;
    case OPS_COUNT: break;
    }
    return false;
}

/* Run one order to its end; what is still here is brought to its end in the usual way. */
static bool
order_holds(bool is_waiting, const enum op *ops, unsigned ops_count, bool *ret_makes_sense)
{
    struct world world;
    world_init(&world, is_waiting);
    *ret_makes_sense = true;
    for (unsigned i = 0; i < ops_count && *ret_makes_sense; i++) {
        *ret_makes_sense = world_step(&world, ops[i]);
        attempts_check(world.fx.attempts);
    }
    static const enum op rest[] = { OP_SLOT_FREE, OP_BEGIN, OP_END_FAILED, OP_EXPIRE };
    for (unsigned i = 0; i < ARRAY_COUNT(rest) && !world.is_gone; i++) {
        world_step(&world, rest[i]);
    }
    bool holds = world.is_gone && world.owners_count == 1;
    if (world.is_orphan) {
        holds = holds && world.farewells_count == 0;
    } else {
        holds = holds && world.farewells_count == 1; /* A1 */
        if (world.was_cancelled) {
            holds = holds && world.farewell == FAREWELL_ACK; /* A3 */
        }
    }
    if (!world.has_begun && world.farewell == FAREWELL_ACK) {
        holds = holds && world.fate == ATTEMPTS_FATE_DEQUEUED;
    }
    fixture_fini(&world.fx);
    return holds;
}

/* GOAL    in every order of start, finish, cancel, stop, loss of the link and passing of
 *         time a copy gets exactly one farewell, and its memory comes back once.
 * METHOD  all sequences of up to six events, from a copy with a slot and one that waits. */
static void
attempts_every_order_ends_once(void)
{
    unsigned orders_count = 0;
    unsigned bad_count = 0;
    for (unsigned waiting = 0; waiting < 2; waiting++) {
        enum op ops[OPS_MAX] = { 0 };
        unsigned depth = 1;
        while (depth > 0) {
            bool makes_sense;
            bool holds = order_holds(waiting == 1, ops, depth, &makes_sense);
            if (makes_sense) {
                orders_count++;
                bad_count += !holds;
                if (!holds && bad_count < 5) {
                    fprintf(stderr, "# waiting %u:", waiting);
                    for (unsigned i = 0; i < depth; i++) {
                        fprintf(stderr, " %d", (int) ops[i]);
                    }
                    fprintf(stderr, "\n");
                }
            }
            if (makes_sense && depth < OPS_MAX) {
                ops[depth++] = 0;
                continue;
            }
            while (depth > 0 && ++ops[depth - 1] == OPS_COUNT) {
                depth--;
            }
        }
    }
    printf("# %u orders\n", orders_count);
    CU_ASSERT_TRUE(orders_count > 1000);
    ASSERT_I64_EQ(bad_count, 0);
}

static const struct test tests[] = {
    TEST(attempts_every_order_ends_once),
};
TEST_MAIN("attempts_orders", tests)
