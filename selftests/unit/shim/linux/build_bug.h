/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef KVMI_SHIM_BUILD_BUG_H
#define KVMI_SHIM_BUILD_BUG_H

#define BUILD_BUG_ON(condition) _Static_assert(!(condition), #condition)

#endif /* KVMI_SHIM_BUILD_BUG_H */
