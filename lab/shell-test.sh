#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# Tests "make shell" as a person would: types when the prompt is there, and reads what comes.
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$(dirname "$0")/lib.sh"

usage() { echo "usage: lab/shell-test.sh [KERNEL]     boots it (default bookworm); TAP"; }

# sees TRIES PATTERN: half a second each.
sees() {
	for _ in $(seq "$1"); do
		! grep -q "$2\|^make: .*Error" "$log" || break
		sleep 0.5
	done
}

# The end of a terminal's session throws away what is still on its way to the terminal: read first, then leave.
person() {
	sees 1600 "Leave with: exit"
	sleep 1
	printf '%s\n' "modprobe kvmi" "kvmictl status && echo status-\$((40 + 2))"
	sees 120 "^status-42"
	echo exit
}

usage_if_asked "${1:-}"
kernel=${1:-bookworm}
log=$(mktemp)
trap 'rm -f "$log"' EXIT
echo "1..1"
if person | timeout 900 make -s -C "$TOP" shell KERNEL="$kernel" >"$log" 2>&1 &&
	grep -q "^status-42" "$log" && grep -q "^LAB-EXIT rc=0" "$log"; then
	echo "ok 1 - make shell: a root shell in a VM, where kvmi can be loaded"
else
	tail -n 30 "$log" | tr -d '\r' | sed 's/^/# /'
	echo "not ok 1 - make shell: a root shell in a VM, where kvmi can be loaded"
	exit 1
fi
