#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Runs what "make check" built and joins it to one TAP stream.
# check.sh BUILD-DIRECTORY CORE-DIRECTORY COVERAGE-FLOOR
set -u
out=$1 core=$2 floor=$3
number=0 failed=0
shopt -s nullglob
corpus=(corpus/seed-* corpus/found-*)
# Sanitizers of older compilers do not cope with the widest address randomising.
fixed=()
setarch -R true 2>/dev/null && fixed=(setarch -R)
export ASAN_OPTIONS=detect_leaks=1 UBSAN_OPTIONS=print_stacktrace=1

report() { # exit-status text
	number=$((number + 1))
	if [ "$1" -eq 0 ]; then
		echo "ok $number - $2"
	else
		echo "not ok $number - $2"
		failed=$((failed + 1))
	fi
}

# One test per line of the program's own TAP; one more for the program itself,
# which fails when it crashed or did not run all that it had planned.
unit() { # build
	local planned=-1 seen=0 line status
	while IFS= read -r line; do
		case $line in
		1..*) planned=${line#1..} ;;
		"ok "*) seen=$((seen + 1)); report 0 "$1: ${line#ok * - }" ;;
		"not ok "*) seen=$((seen + 1)); report 1 "$1: ${line#not ok * - }" ;;
		"status "*) status=${line#status } ;;
		*) echo "# ${line#\# }" ;;
		esac
	done < <(timeout 300 "${fixed[@]}" "$out/$1/unit" 2>&1; echo "status $?")
	echo "# $1: $seen of $planned tests, status $status"
	[ "$seen" -gt 0 ] && [ "$seen" -eq "$planned" ] && [ "$status" -eq 0 ]
	report $? "$1: ran to its end without sanitizer reports"
}

replay() { # build
	local text status
	text=$(timeout 300 "${fixed[@]}" "$out/$1/replay" "${corpus[@]}" 2>&1)
	status=$?
	echo "# ${text//$'\n'/$'\n# '}"
	report "$status" "$1: fuzz corpus agrees with the oracle"
}

generated() {
	local dir=$out/corpus status
	rm -rf "$dir"
	mkdir -p "$dir"
	corpus/generate.sh "$dir" && diff -r -x 'found-*' -x generate.sh \
		corpus "$dir" >&2
	status=$?
	report "$status" "corpus: seeds are what generate.sh writes"
}

# Coverage by the gcc build without sanitizers, whose checks would count.
coverage() {
	local source name text lines branches
	rm -f "$out"/cov/core/*.gcda
	"$out/cov/unit" >"$out/cov/unit.tap" 2>&1
	report $? "cov: tests pass without sanitizers"
	for source in "$core"/*.c; do
		name=$(basename "$source" .c)
		text=$("${GCOV:-gcov}" -n -b -o "$out/cov/core/$name.o" \
			"$source" 2>/dev/null |
			grep -A 4 "^File '.*/$name\.c'")
		lines=$(sed -n 's/^Lines executed:\([0-9.]*\)%.*/\1/p' <<<"$text")
		branches=$(sed -n 's/^Taken at least once:\([0-9.]*\)%.*/\1/p' \
			<<<"$text")
		awk -v got="${lines:-0}" -v want="$floor" \
			'BEGIN { exit !(got >= want) }'
		report $? "coverage: $name.c: ${lines:-0}% of lines (at least\
 $floor%), ${branches:-0}% of branches"
	done
}

for build in gcc clang; do
	unit "$build"
	replay "$build"
done
unit tsan
generated
coverage
echo "1..$number"
[ "$failed" -eq 0 ]
