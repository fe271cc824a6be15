/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef KVMI_SHIM_BITS_H
#define KVMI_SHIM_BITS_H

/* No masking of the shift count: UBSan reports one that is out of range. */
#define BIT(nr) (1UL << (nr))
#define GENMASK(high, low) ((~0UL << (low)) & (~0UL >> (63 - (high))))

_Static_assert(sizeof(long) == 8, "the tests are for 64-bit machines");

#endif /* KVMI_SHIM_BITS_H */
