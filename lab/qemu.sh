#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# Provides QEMU 10 (SVM single-step is off by one in Debian 12's own 7.2) without installing it.
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$(dirname "$0")/lib.sh"

usage() {
	cat <<-EOF
	usage: lab/qemu.sh      prints the path of a qemu-system-x86_64 command, version 10 or newer

	Uses the machine's own QEMU when it is new enough; otherwise unpacks the one of
	bookworm-backports into \$KVMI_LAB_CACHE/qemu-VERSION. The machine's packages stay as they are.
	EOF
}

new_enough() { [ "$("$1" --version 2>/dev/null | sed -n '1s/.*version \([0-9]*\).*/\1/p')" -ge 10 ] 2>/dev/null; }

write_wrapper() {
	local dir=$1
	cat >"$dir/qemu-system-x86_64" <<-EOF
	#!/bin/sh
	d=$dir/root/usr
	LD_LIBRARY_PATH=\$d/lib/x86_64-linux-gnu:\$d/../lib/x86_64-linux-gnu
	QEMU_MODULE_DIR=\$d/lib/x86_64-linux-gnu/qemu
	export LD_LIBRARY_PATH QEMU_MODULE_DIR
	exec "\$d/bin/qemu-system-x86_64" -L "\$d/share/seabios" -L "\$d/share/qemu" "\$@"
	EOF
	chmod 755 "$dir/qemu-system-x86_64"
}

unpack() {
	local dir=$1 conf=$2 deb
	rm -rf "$dir"
	mkdir -p "$dir/root" "$dir/debs/partial"
	say "fetching QEMU from bookworm-backports (about 15 s)"
	APT_CONFIG=$conf logged "$dir/apt.log" apt-get -y --no-install-recommends --download-only \
		-o Dir::Cache::archives="$dir/debs" -t bookworm-backports install qemu-system-x86
	for deb in "$dir"/debs/*.deb; do dpkg-deb -x "$deb" "$dir/root"; done
	rm -rf "$dir/debs"
	write_wrapper "$dir"
	new_enough "$dir/qemu-system-x86_64" || die "the unpacked QEMU does not start: run $dir/qemu-system-x86_64 --version"
	touch "$dir/ok"
}

provide() {
	local conf ver dir
	conf=$("$LAB_DIR/apt.sh" conf bookworm bookworm-backports)
	ver=$("$LAB_DIR/apt.sh" version bookworm bookworm-backports -- qemu-system-x86)
	dir=$CACHE/qemu-${ver//[:+~]/_}
	if ! [ -e "$dir/ok" ] || ! new_enough "$dir/qemu-system-x86_64"; then unpack "$dir" "$conf"; fi
	ln -sfn "$dir/qemu-system-x86_64" "$CACHE/qemu"
}

usage_if_asked "${1:-}"
if new_enough qemu-system-x86_64; then
	command -v qemu-system-x86_64
else
	with_lock qemu provide
	readlink "$CACHE/qemu"
fi
