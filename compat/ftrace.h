/* SPDX-License-Identifier: GPL-2.0-only */
/* One spelling for ftrace callbacks on every kernel. */
#ifndef KVMI_COMPAT_FTRACE_H
#define KVMI_COMPAT_FTRACE_H

#include <linux/ftrace.h>
#include "kvmi_autoconf.h"

#ifdef KVMI_HAVE_FTRACE_FUNC_TAKES_FREGS
typedef struct ftrace_regs kvmi_ftrace_regs_t;

/* NULL when ftrace did not save all registers. */
static __always_inline struct pt_regs *
kvmi_ftrace_pt_regs(kvmi_ftrace_regs_t *fregs)
{
	return ftrace_get_regs(fregs);
}
#endif

#ifdef KVMI_HAVE_FTRACE_FUNC_TAKES_REGS
typedef struct pt_regs kvmi_ftrace_regs_t;

static __always_inline struct pt_regs *
kvmi_ftrace_pt_regs(kvmi_ftrace_regs_t *regs)
{
	return regs;
}
#endif

#endif /* KVMI_COMPAT_FTRACE_H */
