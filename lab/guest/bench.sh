#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# Payload of a qemu-icount run: the benchmark, which loads kvmi itself.

echo "# program kvmi_bench"
/kvmi/kvm/kvmi_bench
rc=$?
echo "# program kvmi_bench rc=$rc"
exit $rc
