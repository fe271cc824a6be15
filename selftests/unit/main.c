// SPDX-License-Identifier: GPL-2.0-only
#include "kit.h"

int main(void)
{
	static const struct tap_test *const suites[] = {
		permission_tests, message_tests, payload_tests, command_tests,
		physical_tests, stream_tests, event_tests,
		vcpu_tests, vcpu_limit_tests, vcpu_command_tests,
		vcpu_payload_tests, vcpu_event_tests, vcpu_reply_tests,
		vcpu_thread_tests, mtrr_tests,
	};

	return tap_run(suites, ARRAY_SIZE(suites));
}
