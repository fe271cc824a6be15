#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# Run the tests in directory $1, one TAP stream. Exit status 1 on any failure.
here=$(cd "$(dirname "$0")" && pwd)
out=$(cd "$1" && pwd) || exit 2
number=0
bad=0

# Renumber the lines of one program; a program that dies is a failed test.
run() {
	local name=$1 line planned=0 seen=0 before=$bad status
	shift
	while IFS= read -r line; do
		case $line in
		"TAP version"*) ;;
		1..*)
			planned=${line#1..}
			;;
		"ok "* | "not ok "*)
			number=$((number + 1))
			seen=$((seen + 1))
			[[ $line == not* ]] && bad=$((bad + 1))
			echo "${line%%ok *}ok $number - $name: ${line#* - }"
			;;
		\#*) echo "$line" ;;
		*) echo "# $line" ;;
		esac
	done < <(timeout 300 "$@" 2>&1 </dev/null; echo "status $?" >"$out/status")
	wait $!
	status=$(<"$out/status")
	if [[ $seen != "$planned" || $planned == 0 ]] ||
	   [[ $status != "status 0" && $bad == "$before" ]]; then
		number=$((number + 1))
		bad=$((bad + 1))
		echo "not ok $number - $name: $seen tests of $planned, $status"
	fi
}

export ASAN_OPTIONS=detect_leaks=1
unset LC_ALL LC_CTYPE LANG KVMIC_ROOT
echo "TAP version 13"
run wire "$out/test_wire"
run hostile "$out/test_hostile"
run vcpu "$out/test_vcpu"
run event "$out/test_event"
run files "$out/test_files"
run attach "$out/test_attach" "$out/holder"
run kvmictl "$here/test_kvmictl.sh" "$out"
run kvmictl-vcpu "$here/test_kvmictl_vcpu.sh" "$out"
echo "1..$number"
echo "# $((number - bad)) passed, $bad failed"
((bad == 0))
