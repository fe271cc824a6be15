#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Fuzzes for a time, from the stored corpus; new inputs stay in the build
# directory. Fails on a crash, a leak, a hang, or when a command was not reached.
# fuzz.sh BUILD-DIRECTORY SECONDS
set -u
out=$1 seconds=$2
new=$out/corpus log=$out/log
mkdir -p "$new"
rm -f "$out"/crash-* "$out"/leak-* "$out"/timeout-* "$out"/oom-*

# Sanitizers of older compilers do not cope with the widest address randomising.
fixed=()
setarch -R true 2>/dev/null && fixed=(setarch -R)
"${fixed[@]}" "$out/fuzz" -max_total_time="$seconds" -max_len=20000 -timeout=10 \
	-len_control=20 -use_value_profile=1 -print_final_stats=1 \
	-artifact_prefix="$out/" "$new" corpus >"$log" 2>&1
status=$?

stat() {
	sed -n "s/^stat::$1: *//p" "$log"
}

if [ "$status" -ne 0 ]; then
	tail -60 "$log"
	# Last, for whoever sees only the end of this: what "replay" needs, and what it would say.
	for input in "$out"/crash-* "$out"/leak-* "$out"/timeout-* "$out"/oom-*; do
		[ ! -e "$input" ] || { echo "$input, by gzip and base64:"; gzip -9nc "$input" | base64 -w 100; }
	done
	grep ': violated: ' "$log"
	echo "fuzz: FAILED with status $status; log in $log"
	exit 1
fi
grep 'DONE' "$log"
reached=$(grep '^reached:' "$log")
echo "$reached (successful commands by id; 1: event replies)"
for id in 2 4 6 8 10 12 14 16 18 1 3 5 7 9 11 15 17 19 21 23 29; do
	if ! grep -q " $id:" <<<"$reached"; then
		echo "fuzz: FAILED: command $id never succeeded"
		exit 1
	fi
done
echo "fuzz: passed, $(stat number_of_executed_units) inputs in $seconds s," \
	"$(stat new_units_added) new, $(stat peak_rss_mb) MiB"
