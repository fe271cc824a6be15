#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Breaks copies of the core, one way each, and expects the unit tests to fail.
# mutants.sh BUILD-DIRECTORY CORE-DIRECTORY UNIT-OBJECTS REPLAY-OBJECTS
# with CC and CFLAGS in the environment, and ONLY, a pattern that descriptions
# have to match. A mutation that does not change the file, or does not compile,
# fails too: it proves nothing any more.
set -u
out=$1 core=$2 units=$3 replays=$4
work=$(dirname "$out")/mutants
number=0 failed=0
shopt -s nullglob
corpus=(corpus/seed-* corpus/found-*)

# shellcheck disable=SC2086 # lists of words
build() { # directory objects program
	local objects=() name
	for name in $2; do
		objects+=("$out/$name.o")
	done
	$CC $CFLAGS -I"$1" -o "$1/$3" "${objects[@]}" "$1"/*.c -pthread
}

# A subshell, so that bash does not tell of the abort of the program.
run() ( # directory program arguments...
	exec 2>/dev/null
	timeout 60 "$1/$2" "${@:3}" >"$1/$2.log" 2>&1
	exit $?
)

try() { # number file sed-script
	local dir=$work/$1
	mkdir -p "$dir"
	cp "$core"/*.[ch] "$dir"
	sed -i "$3" "$dir/$2"
	if cmp -s "$dir/$2" "$core/$2"; then
		echo "# the mutation does not apply"
		return 2
	fi
	build "$dir" "$units" unit >"$dir/log" 2>&1 || {
		echo "# the mutant does not compile:"
		sed 's/^/# /' "$dir/log" | head -5
		return 2
	}
	run "$dir" unit
	case $? in
	0) return 1 ;;
	124) echo "# timed out, which proves nothing" && return 2 ;;
	esac
	build "$dir" "$replays" replay >>"$dir/log" 2>&1 &&
		! run "$dir" replay "${corpus[@]}" && touch "$dir/replay-failed"
	echo "# noticed by: $(sed -n 's/^not ok [0-9]* - //p' "$dir/unit.log" |
		head -2 | paste -sd'|')"
}

# In the background, as many at a time as there are processors.
mutant() { # description file sed-script
	# shellcheck disable=SC2053 # a pattern
	[[ $1 == ${ONLY:-*} ]] || return 0
	number=$((number + 1))
	names[number]=$1
	while [ "$(jobs -rp | wc -l)" -ge "$(nproc)" ]; do
		wait -n
	done
	{
		try "$number" "$2" "$3" >"$work/$number.tap"
		echo $? >"$work/$number.status"
	} &
}

report() { # number
	cat "$work/$1.tap"
	if [ "$(cat "$work/$1.status")" = 0 ]; then
		echo "ok $1 - ${names[$1]}"
	else
		echo "not ok $1 - ${names[$1]}"
		failed=$((failed + 1))
	fi
}

rm -rf "$work"
mkdir -p "$work"
number=1
names=([1]="the unbroken core passes")
: >"$work/1.tap"
run "$out" unit && run "$out" replay "${corpus[@]}"
echo $? >"$work/1.status"

# shellcheck source=mutations.sh
. ./mutations.sh
wait

for ((i = 1; i <= number; i++)); do
	report "$i"
done
echo "1..$number"
replayed=("$work"/*/replay-failed)
echo "# ${#replayed[@]} of $((number - 1)) also noticed by replaying the fuzz corpus"
[ "$failed" -eq 0 ]
