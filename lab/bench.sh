#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# make bench: what commands and exits cost, in instructions, on stock kernels.
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$(dirname "$0")/lib.sh"

usage() {
	cat <<-EOF
	usage: make bench                  the two newest kernels of the matrix
	       make bench KERNEL="a b"     these: $(kernel_names | tr '\n' ' ')

	Result: the tables, also in build/bench.md; logs in build/logs/KERNEL-qemu-icount. Exit status 0 when all
	was measured: bars that are missed are reported, but only extra cost of exits is an error. See docs/bench.md.
	EOF
}

newest() {
	local k
	for k in $(kernel_names); do
		"$LAB_DIR/root.sh" "$(kernel_field "$k" 2)" >&2
		echo "$(kernel_kver "$k") $k"
	done | sort -V | tail -n 2 | cut -d' ' -f2
}

# The comments of the TAP, less the lab's own; details, which are indented, come after the tables.
tables() {
	sed -n '/^# program /d; /^# lab /d; s/^# \?//p' "$1" | awk '/^  / { details = details $0 "\n"; next } { print } END { printf "\n%s", details }'
}

main() {
	usage_if_asked "${1:-}"
	need_root
	local failed=0 out
	"$LAB_DIR/setup.sh"
	"$LAB_DIR/userland.sh"
	: >"$BUILD/bench.md"
	for k in ${KERNEL:-$(newest)}; do
		check_kernel "$k"
		"$LAB_DIR/build.sh" "$k" >&2
		out=$BUILD/logs/$k-qemu-icount
		"$LAB_DIR/boot.sh" "$k" --emu qemu-icount --out "$out" >&2 || failed=1
		{ echo "## $k, Linux $(kernel_kver "$k")"; echo; tables "$out/tap.log"; echo; } | tee -a "$BUILD/bench.md"
	done
	return $failed
}

main "$@"; exit
