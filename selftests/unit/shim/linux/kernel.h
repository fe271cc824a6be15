/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef KVMI_SHIM_KERNEL_H
#define KVMI_SHIM_KERNEL_H

#include <stddef.h>

#ifndef ARRAY_SIZE
#define ARRAY_SIZE(array) (sizeof(array) / sizeof((array)[0]))
#endif
#define container_of(ptr, type, member) \
	((type *)((char *)(ptr) - offsetof(type, member)))

/* As in the kernel, of one type only. */
#define max(a, b)							\
	({								\
		__typeof__(a) a_ = (a);					\
		__typeof__(b) b_ = (b);					\
		(void)(&a_ == &b_);					\
		a_ > b_ ? a_ : b_;					\
	})

#endif /* KVMI_SHIM_KERNEL_H */
