// SPDX-License-Identifier: GPL-2.0-only
#include "kit.h"

int main(void)
{
	static const struct tap_test *const suites[] = {
		permission_tests, message_tests, payload_tests, command_tests,
		physical_tests, stream_tests, event_tests,
	};

	return tap_run(suites, ARRAY_SIZE(suites));
}
