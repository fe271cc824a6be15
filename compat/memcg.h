/* SPDX-License-Identifier: GPL-2.0-only */
/* Charge what a session allocates to who has started it. */
#ifndef KVMI_COMPAT_MEMCG_H
#define KVMI_COMPAT_MEMCG_H

#include <linux/memcontrol.h>
#include <linux/sched.h>

/* The memory cgroup of the current process, with a reference; may be NULL. */
static inline struct mem_cgroup *kvmi_memcg_get(void)
{
#ifdef CONFIG_MEMCG
	return get_mem_cgroup_from_mm(current->mm);
#else
	return NULL;
#endif
}

static inline void kvmi_memcg_put(struct mem_cgroup *memcg)
{
#ifdef CONFIG_MEMCG
	mem_cgroup_put(memcg);
#endif
}

/*
 * Charge accounted allocations of the current task to @memcg; returns what to
 * go back to with another call. By hand, because set_active_memcg() needs a
 * per-CPU variable for interrupts that was not exported before v5.14.
 */
static inline struct mem_cgroup *kvmi_charge(struct mem_cgroup *memcg)
{
	struct mem_cgroup *old = NULL;

#ifdef CONFIG_MEMCG
	old = current->active_memcg;
	current->active_memcg = memcg;
#endif
	return old;
}

#endif /* KVMI_COMPAT_MEMCG_H */
