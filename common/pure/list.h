/* SPDX-License-Identifier: MIT
 *
 * common/pure/list.h - a doubly linked list whose nodes live in their owners.
 *
 * A node that is in no list is zero; list_remove() makes it so again, so that
 * list_node_is_in() can be asked at any time.
 *
 * OWNERSHIP  borrows its nodes.   MEMORY  none of its own.
 */
#ifndef COMMON_PURE_LIST_H
#define COMMON_PURE_LIST_H

#include "common/pure/check.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct list_node {
    struct list_node *next;
    struct list_node *prev;
};

struct list {
    struct list_node head;
    uint32_t count;
};

#define LIST_ENTRY(node_, type, member) CONTAINER_OF(node_, type, member)

/* Walk from first to last; node_ itself may be removed inside the body. */
#define LIST_FOR_EACH(node_, list_)                                                 \
    for (struct list_node *node_ = (list_)->head.next, *node_##_next = node_->next; \
         node_ != &(list_)->head; node_ = node_##_next, node_##_next = node_##_next->next)

static inline void
list_init(struct list *list)
{
    list->head.next = &list->head;
    list->head.prev = &list->head;
    list->count = 0;
}

static inline bool
list_node_is_in(const struct list_node *node)
{
    return node->next != NULL;
}

static inline bool
list_is_empty(const struct list *list)
{
    return list->count == 0;
}

static inline void
list_insert_before(struct list *list, struct list_node *place, struct list_node *node)
{
    CHECK(!list_node_is_in(node));
    node->next = place;
    node->prev = place->prev;
    place->prev->next = node;
    place->prev = node;
    list->count++;
}

static inline void
list_append(struct list *list, struct list_node *node)
{
    list_insert_before(list, &list->head, node);
}

static inline void
list_prepend(struct list *list, struct list_node *node)
{
    list_insert_before(list, list->head.next, node);
}

static inline void
list_remove(struct list *list, struct list_node *node)
{
    CHECK(list_node_is_in(node));
    CHECK(list->count > 0);
    node->prev->next = node->next;
    node->next->prev = node->prev;
    node->next = NULL;
    node->prev = NULL;
    list->count--;
}

/* NULL when empty. */
static inline struct list_node *
list_first(const struct list *list)
{
    return list->count > 0 ? list->head.next : NULL;
}

static inline struct list_node *
list_last(const struct list *list)
{
    return list->count > 0 ? list->head.prev : NULL;
}

/* NULL after the last. */
static inline struct list_node *
list_next(const struct list *list, const struct list_node *node)
{
    return node->next != &list->head ? node->next : NULL;
}

/* NULL before the first. */
static inline struct list_node *
list_prev(const struct list *list, const struct list_node *node)
{
    return node->prev != &list->head ? node->prev : NULL;
}

#endif
