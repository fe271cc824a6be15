#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# make check-packages: the packages of every suite, installed, booted, upgraded and removed; the last line
# is the counts, as in make check.
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$(dirname "$0")/lib.sh"

SUITES="sid trixie bookworm bullseye"
usage() {
	cat <<-EOF
	usage: make check-packages              every suite; what differs little, on one
	       make check-packages FULL=1       also the flavours, systemd and the upgrade under a VM on every
	                                        suite, all selftests at every boot, and a build against
	                                        all kernel headers of the archive
	       make check-packages KERNEL=sid   only these suites of: $SUITES
	  VMS=3   jobs at once
	Logs: build/check-packages; table: build/packages.md. Exit status 1 when anything failed.
	EOF
}

# "NAME COMMAND..." lines, the slow ones first. Where the suite makes little difference, one stands for all.
jobs_of() {
	local s
	for s in $suites; do is_one_of "$s" bookworm && echo "upgrade-$s pkg-vm.sh upgrade $s"; done
	for s in $suites; do echo "packages-$s pkg.sh $s"; done
	for s in $suites; do is_one_of "$s" trixie && echo "flavours-$s pkg-flavours.sh $s"; done
	for s in $suites; do is_one_of "$s" bookworm && echo "service-$s pkg-vm.sh service $s"; done
	for s in $suites; do is_one_of "$s" bookworm && echo "recommends-$s pkg.sh $s recommends"; done
	[ -z "$all" ] || for s in $suites; do echo "headers-$s pkg-headers.sh $s"; done
	case $suites in *bookworm*) ;; *) return 0 ;; esac
	echo "signed pkg-signed.sh"
	echo "rpm pkg-rpm.sh"
	echo "lint pkg.sh bookworm lint"
	echo "autopkgtest pkg-autopkgtest.sh"
	echo "demo demo-host.sh"
}
is_one_of() { [ -n "$all" ] || [ "$1" = "$2" ]; }

# A function, so that bash has read it all before a long run: the file may change meanwhile.
main() {
	local s
	usage_if_asked "${1:-}"
	if [ "${1:-}" = job ]; then
		logs=$2
		stage "$3" "$LAB_DIR/$4" "${@:5}"
		return
	fi
	need_root
	suites=${KERNEL:-$SUITES} all=${FULL:-}
	for s in $suites; do case " $SUITES " in *" $s "*) ;; *) die "unknown suite '$s'; known: $SUITES" ;; esac; done
	logs=$BUILD/check-packages
	rm -rf "$logs"
	mkdir -p "$logs"
	unset FULL TESTS
	export PKG_LOGS=$logs PKG_MODE=quick
	[ -z "$all" ] || PKG_MODE=all
	"$LAB_DIR/setup.sh"
	# shellcheck disable=SC2086 # words
	printf '%s\n' $suites bookworm | sort -u | xargs -P 2 -n 1 "$LAB_DIR/root.sh"
	"$LAB_DIR/qemu.sh" >/dev/null
	for s in $suites; do echo "build-$s pkg.sh $s build"; done | xargs -P 2 -L 1 "$LAB_DIR/check-packages.sh" job "$logs"
	jobs_of | xargs -P "${VMS:-3}" -L 1 "$LAB_DIR/check-packages.sh" job "$logs"
	python3 "$LAB_DIR/summary.py" "$logs" "$BUILD/packages.md"
}

main "$@"; exit
