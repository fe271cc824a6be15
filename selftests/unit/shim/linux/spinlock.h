/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef KVMI_SHIM_SPINLOCK_H
#define KVMI_SHIM_SPINLOCK_H

#include <linux/types.h>
#include <stdlib.h>

/*
 * A real lock that aborts when it is used without having been initialised or
 * is released without being held, and that counts how often it was taken.
 */
typedef struct {
	u32 magic;
	bool held;
	unsigned int taken;
} spinlock_t;

#define KVMI_SHIM_LOCK_MAGIC 0x10cced17

static inline void spin_lock_init(spinlock_t *lock)
{
	lock->magic = KVMI_SHIM_LOCK_MAGIC;
	lock->held = false;
	lock->taken = 0;
}

static inline void spin_lock(spinlock_t *lock)
{
	if (lock->magic != KVMI_SHIM_LOCK_MAGIC)
		abort();
	while (__atomic_test_and_set(&lock->held, __ATOMIC_ACQUIRE))
		;
	lock->taken++;
}

static inline void spin_unlock(spinlock_t *lock)
{
	if (lock->magic != KVMI_SHIM_LOCK_MAGIC ||
	    !__atomic_load_n(&lock->held, __ATOMIC_RELAXED))
		abort();
	__atomic_clear(&lock->held, __ATOMIC_RELEASE);
}

#endif /* KVMI_SHIM_SPINLOCK_H */
