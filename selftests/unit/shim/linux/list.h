/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef KVMI_SHIM_LIST_H
#define KVMI_SHIM_LIST_H

#include <linux/kernel.h>
#include <stdbool.h>
#include <stddef.h>

struct list_head {
	struct list_head *next, *prev;
};

static inline void INIT_LIST_HEAD(struct list_head *list)
{
	list->next = list;
	list->prev = list;
}

static inline bool list_empty(const struct list_head *list)
{
	return list->next == list;
}

static inline void list_add_tail(struct list_head *entry,
				 struct list_head *list)
{
	entry->next = list;
	entry->prev = list->prev;
	list->prev->next = entry;
	list->prev = entry;
}

/* What is deleted twice, or used in a list afterwards, crashes. */
static inline void list_del(struct list_head *entry)
{
	entry->next->prev = entry->prev;
	entry->prev->next = entry->next;
	entry->next = NULL;
	entry->prev = NULL;
}

/* To an empty @list only, which is all that the core does. */
static inline void list_splice_init(struct list_head *from,
				    struct list_head *list)
{
	if (!list_empty(from)) {
		list->next = from->next;
		list->prev = from->prev;
		list->next->prev = list;
		list->prev->next = list;
	}
	INIT_LIST_HEAD(from);
}

#define list_entry(ptr, type, member) container_of(ptr, type, member)
#define list_first_entry(list, type, member)			\
	list_entry((list)->next, type, member)
#define list_for_each_entry(pos, list, member)				\
	for (pos = list_entry((list)->next, __typeof__(*pos), member);	\
	     &pos->member != (list);					\
	     pos = list_entry(pos->member.next, __typeof__(*pos), member))
#define list_for_each_entry_safe(pos, n, list, member)			\
	for (pos = list_entry((list)->next, __typeof__(*pos), member),	\
	     n = list_entry(pos->member.next, __typeof__(*pos), member); \
	     &pos->member != (list);					\
	     pos = n, n = list_entry(n->member.next, __typeof__(*n), member))
#define list_for_each_entry_safe_reverse(pos, n, list, member)		\
	for (pos = list_entry((list)->prev, __typeof__(*pos), member),	\
	     n = list_entry(pos->member.prev, __typeof__(*pos), member); \
	     &pos->member != (list);					\
	     pos = n, n = list_entry(n->member.prev, __typeof__(*n), member))

#endif /* KVMI_SHIM_LIST_H */
