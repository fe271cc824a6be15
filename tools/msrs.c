// SPDX-License-Identifier: GPL-2.0-only
/* Registers with MSRs of choice. */
#include <stdlib.h>
#include <string.h>

#include "kvmictl.h"

static int add_msr(const struct command *cmd, const char *text,
		   struct msr_list *msrs)
{
	uint64_t n;

	if (parse_size(text, &n) || n > UINT32_MAX)
		return usage_error(cmd, "'%s' is no index of an MSR", text);
	if (msrs->count == KVMI_MAX_MSRS)
		return usage_error(cmd, "more than %d MSRs", KVMI_MAX_MSRS);
	msrs->index[msrs->count++] = n;
	return -1;
}

int parse_msrs(const struct command *cmd, const char *text,
	       struct msr_list *msrs)
{
	char *copy, *rest, *one;
	int r = -1;

	memset(msrs, 0, sizeof(*msrs));
	if (!text)
		return -1;
	copy = rest = strdup(text);
	if (!copy) {
		complain("out of memory");
		return EXIT_FAILED;
	}
	while (r < 0 && (one = strsep(&rest, ",")))
		r = add_msr(cmd, one, msrs);
	free(copy);
	return r;
}

/* One MSR that cannot be read fails the command: find out which. */
static int one_by_one(struct kvmic_conn *conn, uint16_t vcpu,
		      struct kvmi_vcpu_get_registers_reply *r,
		      struct msr_list *msrs)
{
	struct kvmi_vcpu_get_registers_reply scratch;
	int err = kvmic_vcpu_get_registers(conn, vcpu, NULL, 0, r, NULL);
	size_t i;

	for (i = 0; !err && i < msrs->count; i++) {
		err = kvmic_vcpu_get_registers(conn, vcpu, &msrs->index[i], 1,
					       &scratch, &msrs->value[i]);
		msrs->unreadable[i] = err == -KVMI_EINVAL;
		if (msrs->unreadable[i])
			err = 0;
	}
	return err;
}

int get_registers(struct kvmic_conn *conn, uint16_t vcpu,
		  struct kvmi_vcpu_get_registers_reply *r,
		  struct msr_list *msrs)
{
	int err;

	memset(msrs->unreadable, 0, sizeof(msrs->unreadable));
	err = kvmic_vcpu_get_registers(conn, vcpu, msrs->index, msrs->count, r,
				       msrs->value);
	if (err == -KVMI_EINVAL && msrs->count)
		err = one_by_one(conn, vcpu, r, msrs);
	return err;
}
