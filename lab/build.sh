#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# Builds kvmi.ko and the test modules for one kernel of the matrix, with its own suite's compiler.
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$(dirname "$0")/lib.sh"

usage() {
	cat <<-EOF
	usage: lab/build.sh KERNEL [MAKE-ARGUMENT...]     e.g. lab/build.sh trixie V=1

	Result: build/KERNEL/src/kvmi.ko. The sources are copied there (only changed files), so that
	kbuild, which works in place, can be used for all kernels at once. Nothing is done when neither
	the sources nor the kernel changed. Warnings are errors here, also those of W=1
	and of sparse.
	kernels: $(kernel_names | tr '\n' ' ')
	EOF
}

SOURCES="src compat include selftests/modules Kbuild Makefile VERSION dkms.conf"

copy_sources() {
	local dst=$1 s have=()
	for s in $SOURCES; do [ -e "$TOP/$s" ] && have+=("./$s"); done
	mkdir -p "$dst"
	(cd "$TOP" && rsync -rlpcR --delete --exclude='*.o' --exclude='*.ko' --exclude='.*.cmd' \
		--exclude='*.mod' --exclude='*.mod.c' --exclude=modules.order --exclude=Module.symvers \
		--exclude='compat/generated' --exclude='*.d' "${have[@]}" "$dst/")
}

source_hash() {
	(cd "$1" && find . -type f \( -name '*.[chS]' -o -name Kbuild -o -name 'Make*' -o -name '*.sh' -o -name VERSION \
		-o -name '*.conf' -o -name '*.list' \) ! -name '*.mod.c' ! -path './compat/generated/*' -print0 |
		sort -z | xargs -0 sha256sum) | short_hash
}

compile() {
	local root=$1 src=$2 kver=$3 kdir=/lib/modules/$3/build binds
	shift 3
	binds=(-b "$src:/lab/src")
	if [ -d "$root/../tree" ]; then
		# the debug kernel: its tree is the build directory, trixie's root has the compiler
		binds+=(-b "$root/../tree:/lab/linux")
		kdir=/lab/linux
		root=$(kernel_root trixie)
	fi
	inroot "$root" "${binds[@]}" make -C /lab/src -j"$JOBS" modules KVER="$kver" KDIR="$kdir" KCFLAGS=-Werror W=1 \
		C=1 CF=-Wsparse-error "$@"
	[ -e "$src/kvmi.ko" ] || { echo "kbuild made no kvmi.ko"; return 1; }
	if [ -e "$src/selftests/modules/Kbuild" ] || [ -e "$src/selftests/modules/Makefile" ]; then
		inroot "$root" "${binds[@]}" make -C "$kdir" -j"$JOBS" \
			M=/lab/src/selftests/modules KCFLAGS=-Werror modules
	fi
}

build() {
	local kernel=$1 root kver src stamp
	shift
	"$LAB_DIR/root.sh" "$(kernel_field "$kernel" 2)"
	root=$(kernel_root "$kernel")
	kver=$(kernel_kver "$kernel")
	src=$BUILD/$kernel/src
	copy_sources "$src"
	stamp="$kver $(source_hash "$src") $*"
	if [ -e "$src/kvmi.ko" ] && [ "$(cat "$src/../stamp" 2>/dev/null)" = "$stamp" ]; then
		say "$kernel: kvmi.ko for $kver is up to date"
		return
	fi
	# another kernel than last time: nothing of the old objects may stay
	[ "$(cut -d' ' -f1 "$src/../stamp" 2>/dev/null)" = "$kver" ] || { rm -rf "$src"; copy_sources "$src"; }
	rm -f "$src/kvmi.ko"
	echo "$kver" >"$src/../stamp"
	say "$kernel: building kvmi.ko for $kver"
	logged "$src/../build.log" compile "$root" "$src" "$kver" "$@"
	echo "$stamp" >"$src/../stamp"
	grep -E 'warning:' "$src/../build.log" >&2 || true
}

usage_if_asked "${1:---help}"
check_kernel "$1"
need_root
build "$@"
echo "$BUILD/$1/src/kvmi.ko"
