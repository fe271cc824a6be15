// SPDX-License-Identifier: GPL-2.0-only
/* probe: SANITY_PASS
 * since: always; must compile, or no answer is worth anything. Includes every
 *        header that a probe includes.
 * used-by: compat/probe.sh
 */
#include <linux/build_bug.h>
#include <linux/ftrace.h>
#include <linux/kvm.h>
#include <linux/kvm_host.h>
#include <linux/task_work.h>
#include <asm/fpu/api.h>

static unsigned long probe(struct kvm *kvm) __maybe_unused;
static unsigned long probe(struct kvm *kvm)
{
	return (unsigned long)kvm->mm;
}
