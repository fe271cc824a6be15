/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef KVMI_SHIM_NOSPEC_H
#define KVMI_SHIM_NOSPEC_H

/* An index out of bounds becomes 0 here as it does, speculatively, there. */
#define array_index_nospec(index, size)				\
	((index) < (size) ? (index) : 0)

#endif /* KVMI_SHIM_NOSPEC_H */
