// SPDX-License-Identifier: GPL-2.0-only
/* probe: FTRACE_FUNC_TAKES_REGS
 * since: before v5.11 d19ad0775dcd
 *        ("ftrace: Have the callbacks receive a struct ftrace_regs instead of pt_regs")
 * group: ftrace_func
 * used-by: compat/ftrace.h
 * flip-yes: include/linux/ftrace.h /^typedef void (\*ftrace_func_t)/,/;/s/struct pt_regs \*regs/struct ftrace_regs *fregs/;s/^typedef void (\*ftrace_func_t)/struct ftrace_regs;\n&/
 * flip-no: include/linux/ftrace.h /^typedef void (\*ftrace_func_t)/,/;/s/struct ftrace_regs \*fregs/struct pt_regs *regs/
 */
#include <linux/ftrace.h>

struct pt_regs;
static void probe(unsigned long ip, unsigned long parent_ip,
		  struct ftrace_ops *op, struct pt_regs *regs)
{
}

static ftrace_func_t func __maybe_unused = probe;
