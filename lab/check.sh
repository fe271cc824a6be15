#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# make check: builds and tests everything on every kernel of the matrix; the last line is the counts.
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$(dirname "$0")/lib.sh"

usage() {
	cat <<-EOF
	usage: make check                   everything: host checks, then every kernel on every emulator
	       make check KERNEL=bookworm   quick loop: one kernel, QEMU only, no host checks
	       lab/check.sh jobs            only names the VMs that it would boot: KERNEL EMULATOR
	  KERNEL="a b"   kernels ($(kernel_names | tr '\n' ' '))
	  EMU="a b"      emulators (qemu qemu-la57 qemu-disk bochs-vmx bochs-svm bochs-ibt, or bochs, or all)
	  TESTS=pattern  only test programs whose name matches
	  FULL=1         full soak counts
	  VMS=2          VMs at once
	Logs: build/check (build/check-KERNEL); table: build/matrix.md (full run) or in the logs. Exit status 1 when anything failed.
	EOF
}

host_kdir() {
	local d
	for d in /usr/src/linux-headers-*-amd64; do [ ! -e "$d/Makefile" ] || echo "$d"; done | sort -V | tail -n1
}

# shellcheck disable=SC2317 # called through stage
# The tests of the probes run where the headers and their compiler are. Wrong environments, which test
# the script more than the kernel, are left to the oldest and the newest suite.
probes() {
	local root=$1 kdirs=() tree=$BUILD/probes/$1 quick=-q k
	case $root in "$(root_names | head -n 1)" | "$(root_names | tail -n 1)") quick='' ;; esac
	while read -r _ k; do kdirs+=("/lib/modules/$k/build"); done <"$(root_dir "$root")/../kernels"
	mkdir -p "$tree"
	(cd "$TOP" && rsync -aR --delete --exclude=compat/generated ./compat ./selftests/probes ./include ./src ./Kbuild \
		./Makefile ./VERSION "$tree/")
	inroot "$(root_dir "$root")" -b "$tree:/lab/tree" bash -c 'cd /lab/tree && exec selftests/probes/run.sh "$@"' \
		run.sh ${quick:+"$quick"} "${kdirs[@]}"
}

# Each root's probes once, by whichever lane is free.
lane_probes() {
	local root
	for root in $(root_names); do
		! mkdir "$logs/probes-$root.taken" 2>/dev/null || stage "probes-$root" probes "$root"
	done
}

lane_host() {
	stage lab-selftest "$LAB_DIR/selftest.sh"
	stage lint env KSRC="$CACHE/ksrc" "$TOP/selftests/lint.sh" "$(host_kdir)"
	stage unit make -C "$TOP/selftests/unit" check
	stage tools make -C "$TOP/selftests/tools" check
	stage fuzz make -C "$TOP/selftests/unit" fuzz FUZZ_SECONDS="${FUZZ_SECONDS:-60}"
	emulators
	lane_probes
}

lane_build() {
	local k
	for k in $1; do stage "build-$k" "$LAB_DIR/build.sh" "$k"; done
	[ -n "$quick" ] || lane_probes
}

prepare() {
	"$LAB_DIR/setup.sh"
	for k in $kernels; do kernel_field "$k" 2; done | sort -u | xargs -P 2 -n 1 "$LAB_DIR/root.sh"
	"$LAB_DIR/qemu.sh" >/dev/null
}

# What the VM runs need besides kernels and tests.
emulators() {
	case $list in *bochs*) "$LAB_DIR/bochs.sh" build ;; esac
	case $list in *qemu-disk*) "$LAB_DIR/disk.sh" >/dev/null ;; esac
}

# "KERNEL EMU" lines, the slow ones first.
jobs_of() {
	local k e
	for e in bochs-vmx bochs-ibt bochs-svm qemu qemu-disk qemu-la57; do
		for k in $kernels; do
			kernel_field "$k" 4 | tr , '\n' | grep -qx "$e" || continue
			case " $emus " in
			*" all "* | *" $e "*) echo "$k $e" ;;
			*" bochs "*) [ "${e#bochs}" = "$e" ] || echo "$k $e" ;;
			esac
		done
	done
}

# In the quick loop two VMs share the tests of a kernel, about equally by their names' first letters: its
# time is that of a person who waits. The refusals, a minute, are left to the full run.
# Prints "KERNEL EMU PART PATTERN".
parts_of() {
	local k e
	while read -r k e; do
		if [ -n "$quick" ] && [ -z "${TESTS:-}" ] && [[ $e != qemu-* ]]; then
			echo "$k $e -1 [!kmrv]*"
			echo "$k $e -2 [kmv]*"
		else
			echo "$k $e '' '${TESTS:-}'"
		fi
	done
}

matrix() {
	local k parts
	for k in $kernels; do "$LAB_DIR/image.sh" "$k"; done
	parts=$(echo "$list" | parts_of)
	say "$(echo "$parts" | wc -l) VM runs, ${VMS:-2} at a time"
	# shellcheck disable=SC2016 # expanded by the inner shell
	echo "$parts" | xargs -P "${VMS:-2}" -L 1 sh -c \
		'"$0" "$2" --emu "$3" --tests "$5" --no-image --out "$1/$2-$3$4" || true' "$LAB_DIR/boot.sh" "$logs" >&2
}

# A function, so that bash has read it all before a long run: the file may change meanwhile.
main() {
	usage_if_asked "${1:-}"
	kernels=${KERNEL:-$(kernel_names | tr '\n' ' ')} quick=${KERNEL:-}
	emus=${EMU:-all}
	[ -z "$quick" ] || emus=${EMU:-qemu}
	for k in $kernels; do check_kernel "$k"; done
	list=$(jobs_of)
	[ "${1:-}" != jobs ] || { echo "$list"; return; }
	need_root
	[ -n "$list" ] || die "no kernel in lab/kernels.list has emulator '$emus'"
	logs=$BUILD/check${quick:+-${quick// /+}}
	rm -rf "$logs"
	mkdir -p "$logs"
	prepare
	if [ -z "$quick" ]; then
		"$LAB_DIR/userland.sh" ksrc >/dev/null
		lane_host &
		host_lane=$!
	fi
	lane_build "$kernels"
	stage userland "$LAB_DIR/userland.sh"
	if [ -n "${host_lane:-}" ]; then wait "$host_lane"; else emulators; fi
	matrix
	[ -n "$quick" ] || stage shell "$LAB_DIR/shell-test.sh"
	table=$BUILD/matrix.md
	[ -z "$quick" ] || table=$logs/matrix.md
	python3 "$LAB_DIR/summary.py" "$logs" "$table"
}

main "$@"; exit
