// SPDX-License-Identifier: GPL-2.0-only
/* probe: SANITY_FAIL
 * since: always; must not compile, or a yes is worth nothing. A mere warning, so
 *        that it also finds a build in which warnings are no errors.
 * used-by: compat/probe.sh
 */
#include <linux/kvm_host.h>

static struct kvm *probe(const struct kvm *kvm) __maybe_unused;
static struct kvm *probe(const struct kvm *kvm)
{
	return kvm;
}
