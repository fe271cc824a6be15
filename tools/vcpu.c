// SPDX-License-Identifier: GPL-2.0-only
/* Which vCPUs there are. */
#include "kvmictl.h"

int count_vcpus(struct kvmic_conn *conn, unsigned int *count)
{
	struct kvmi_vm_get_info_reply info;

	if (kvmic_get_info(conn, &info))
		return report(kvmic_last_error(conn));
	/* The protocol names them in 16 bits. */
	*count = info.vcpu_count < 65536 ? info.vcpu_count : 65536;
	return 0;
}

int check_vcpu(unsigned int vcpu, unsigned int count)
{
	if (vcpu < count)
		return 0;
	complain("no vCPU %u: the VM has %u, counted from 0", vcpu, count);
	return EXIT_FAILED;
}
