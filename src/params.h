/* SPDX-License-Identifier: GPL-2.0-only */
/* Module parameters, defined in main.c; see kvmi(4). */
#ifndef KVMI_PARAMS_H
#define KVMI_PARAMS_H

#include <linux/types.h>

extern bool kvmi_param_legacy_cap;

#endif /* KVMI_PARAMS_H */
