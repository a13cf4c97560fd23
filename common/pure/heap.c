/* SPDX-License-Identifier: MIT */
#include "common/pure/heap.h"

static bool
is_before(const struct heap_node *a, const struct heap_node *b)
{
    return a->key != b->key ? a->key < b->key : a->order < b->order;
}

/* Make the larger of two roots the first child of the smaller. */
static struct heap_node *
merge(struct heap_node *a, struct heap_node *b)
{
    if (a == NULL) {
        return b;
    }
    if (b == NULL) {
        return a;
    }
    if (is_before(b, a)) {
        struct heap_node *swap = a;
        a = b;
        b = swap;
    }
    b->prev = a;
    b->next = a->child;
    if (a->child != NULL) {
        a->child->prev = b;
    }
    a->child = b;
    return a;
}

/* Merge a row of siblings: pairs from the left, then all of them from the right. */
static struct heap_node *
merge_row(struct heap_node *first)
{
    struct heap_node *pairs = NULL; /* last pair first, linked by next */
    while (first != NULL) {
        struct heap_node *a = first;
        struct heap_node *b = a->next;
        first = b != NULL ? b->next : NULL;
        a->next = NULL;
        a->prev = NULL;
        if (b != NULL) {
            b->next = NULL;
            b->prev = NULL;
        }
        struct heap_node *pair = merge(a, b);
        pair->next = pairs;
        pairs = pair;
    }
    struct heap_node *root = NULL;
    while (pairs != NULL) {
        struct heap_node *pair = pairs;
        pairs = pair->next;
        pair->next = NULL;
        root = merge(root, pair);
    }
    return root;
}

void
heap_init(struct heap *heap)
{
    *heap = (struct heap){ 0 };
}

void
heap_push(struct heap *heap, struct heap_node *node, int64_t key)
{
    CHECK(!node->is_in);
    *node = (struct heap_node){ .key = key, .order = heap->order_next++, .is_in = true };
    heap->root = merge(heap->root, node);
    heap->count++;
}

void
heap_remove(struct heap *heap, struct heap_node *node)
{
    CHECK(node->is_in);
    CHECK(heap->count > 0);
    struct heap_node *orphans = merge_row(node->child);
    if (node == heap->root) {
        heap->root = orphans;
    } else {
        if (node->prev->child == node) {
            node->prev->child = node->next;
        } else {
            node->prev->next = node->next;
        }
        if (node->next != NULL) {
            node->next->prev = node->prev;
        }
        heap->root = merge(heap->root, orphans);
    }
    *node = (struct heap_node){ 0 };
    heap->count--;
}

struct heap_node *
heap_pop(struct heap *heap)
{
    struct heap_node *node = heap->root;
    if (node != NULL) {
        heap_remove(heap, node);
    }
    return node;
}
