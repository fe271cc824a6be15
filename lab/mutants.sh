#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# shellcheck disable=SC2317 # functions are called by mutations.sh
# Breaks copies of the module, one way each, and expects the selftests in a booted kernel to fail.
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$(dirname "$0")/lib.sh"

usage() {
	cat <<-EOF
	usage: make mutants                      all of selftests/kvm/mutations.sh, on bookworm; two hours on two CPUs
	       make mutants KERNEL=trixie        on another kernel
	       make mutants MUTANTS='pause*'     only those whose description matches
	Logs: build/mutants/N. Table: build/mutants.md, with the cases that no mutant has made fail at its end. Exit
	status 1 when a mutant goes unnoticed, or does not apply any more.
	EOF
}

copy_tree() {
	mkdir -p "$1/build"
	git -C "$TOP" ls-files -z | (cd "$TOP" && xargs -0 cp --parents -t "$1")
	ln -s "$BUILD/user" "$1/build/user"
}

# boot DIRECTORY TESTS: builds and runs what is in its tree; names of cases go to passed and failed.
boot() {
	# shellcheck disable=SC2016 # awk's
	local dir=$1 rc=0 cases='{ sub(/^(not )?ok [0-9]+ (- )?/, ""); print p ": " $0 }'
	# In place of what was taken away there may be a variable that nobody uses any more.
	if ! "$dir/tree/lab/build.sh" "$kernel" KCFLAGS= >"$dir/build.log" 2>&1 ||
		! "$dir/tree/lab/image.sh" "$kernel" >>"$dir/build.log" 2>&1; then
		echo "it does not compile: see $dir/build.log" >"$dir/why"
		return 2
	fi
	"$dir/tree/lab/boot.sh" "$kernel" --emu qemu --no-image --timeout 900 --append KVMI_CASE_SECONDS=20 --tests "$2" \
		--out "$dir/run" >"$dir/boot.log" 2>&1 || rc=$?
	rm -rf "$dir/tree"
	awk '/^# program / && NF == 3 { p = $3 } /^ok/ && !/# SKIP/ '"$cases" "$dir/run/tap.log" | sort -u >"$dir/passed"
	awk '/^# program / && NF == 3 { p = $3 } /^not ok/ '"$cases" "$dir/run/tap.log" | sort -u >"$dir/failed"
	grep FAIL "$dir/boot.log" | grep -v "not ok" >"$dir/why" || true
	return $rc
}

# run_one NUMBER FILE SED TESTS: 0 noticed, 1 not, 2 proves nothing.
run_one() {
	local dir=$out/$1 file=$2 rc=0
	copy_tree "$dir/tree"
	sed -i "$3" "$dir/tree/src/$file"
	if cmp -s "$dir/tree/src/$file" "$TOP/src/$file"; then
		echo "the mutation does not apply" >"$dir/why"
		return 2
	fi
	boot "$dir" "$4" || rc=$?
	case $rc in
	0) return 1 ;;
	2) return 2 ;;
	esac
	# Splats and what is left at the end count as well, the host's own trouble does not.
	[ -s "$dir/failed" ] || grep -Evq "time-out|no test ran|emulator ended" "$dir/why" || return 2
}

# What the tests make of the module as it is, under the same conditions.
baseline() {
	say "the unbroken module"
	copy_tree "$out/0/tree"
	boot "$out/0" '*' || die "the unbroken module does not pass: see $out/0/boot.log"
}

mutant() { # description file sed tests
	# shellcheck disable=SC2053 # a pattern
	[[ $1 == ${MUTANTS:-*} ]] || return 0
	number=$((number + 1))
	names[number]=$1
	while [ "$(jobs -rp | wc -l)" -ge 2 ]; do wait -n || true; done
	say "$1"
	{
		rc=0
		mkdir -p "$out/$number"
		run_one "$number" "$2" "$3" "$4" || rc=$?
		echo "$rc" >"$out/$number/status"
	} &
}

never_failed() {
	sort -u "$out"/[1-9]*/failed >"$out/all"
	comm -23 "$out/0/passed" "$out/all"
	echo
	echo "$(comm -12 "$out/0/passed" "$out/all" | wc -l) of $(wc -l <"$out/0/passed") cases were seen failing."
}

report() {
	local i rc nr
	echo "| what was broken | cases that failed |"
	echo "|---|---|"
	for ((i = 1; i <= number; i++)); do
		rc=$(cat "$out/$i/status")
		touch "$out/$i/failed"
		nr=$(wc -l <"$out/$i/failed")
		case $rc/$nr in
		0/0) echo "| ${names[i]} | the run: $(head -n1 "$out/$i/why") |" ;;
		0/*) echo "| ${names[i]} | $nr, such as \`$(head -n1 "$out/$i/failed")\` |" ;;
		1/*) echo "| ${names[i]} | **none** |"; failed=1 ;;
		*) echo "| ${names[i]} | **proves nothing**: $(cat "$out/$i/why") |"; failed=1 ;;
		esac
	done
	echo
	echo "Not seen failing:"
	echo
	never_failed
}

main() {
	usage_if_asked "${1:-}"
	kernel=${KERNEL:-bookworm} number=0 failed=0 names=() out=$BUILD/mutants
	check_kernel "$kernel"
	rm -rf "$out"
	mkdir -p "$out"
	"$LAB_DIR/userland.sh"
	baseline
	# shellcheck source-path=SCRIPTDIR source=../selftests/kvm/mutations.sh
	. "$TOP/selftests/kvm/mutations.sh"
	wait
	report >"$BUILD/mutants.md"
	cat "$BUILD/mutants.md"
	return $failed
}

main "$@"; exit
