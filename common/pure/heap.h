/* SPDX-License-Identifier: MIT
 *
 * common/pure/heap.h - a pairing heap whose nodes live in their owners.
 *
 * Smallest key first; equal keys leave in the order in which they came, so that what
 * follows from it is the same in every run.  Any node can be removed.
 *
 *        3 -> children 7 -> 5 -> 9       push: O(1); pop, remove: O(log n) amortised
 *                      |
 *                      8
 *
 * OWNERSHIP  borrows its nodes.   MEMORY  none of its own.
 * REJECTED   a binary heap in an array: a queue for each handler would need an array as
 *            large as all jobs together.
 */
#ifndef COMMON_PURE_HEAP_H
#define COMMON_PURE_HEAP_H

#include "common/pure/check.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct heap_node {
    int64_t key;
    uint64_t order;
    struct heap_node *child; /* first of them */
    struct heap_node *next;  /* sibling */
    struct heap_node *prev;  /* sibling, or parent of the first child */
    bool is_in;
};

struct heap {
    struct heap_node *root;
    uint64_t order_next;
    uint32_t count;
};

void heap_init(struct heap *heap);
void heap_push(struct heap *heap, struct heap_node *node, int64_t key);
void heap_remove(struct heap *heap, struct heap_node *node);
/* NULL when empty. */
struct heap_node *heap_pop(struct heap *heap);

static inline struct heap_node *
heap_first(const struct heap *heap)
{
    return heap->root;
}

static inline bool
heap_node_is_in(const struct heap_node *node)
{
    return node->is_in;
}

/* Push, or move to another key. */
static inline void
heap_move(struct heap *heap, struct heap_node *node, int64_t key)
{
    if (node->is_in) {
        if (node->key == key) {
            return;
        }
        heap_remove(heap, node);
    }
    heap_push(heap, node, key);
}

#endif
