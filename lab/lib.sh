# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0-only
# Common parts of the lab scripts: places, messages, the kernel table, chroots. Sourced, never run.

LAB_DIR=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
TOP=$(dirname "$LAB_DIR")
# shellcheck disable=SC2034 # used by the scripts that source this
BUILD=${KVMI_BUILD:-$TOP/build}
CACHE=${KVMI_LAB_CACHE:-$HOME/.cache/kvmi-lab}
JOBS=${JOBS:-$(nproc)}
export LC_ALL=C DEBIAN_FRONTEND=noninteractive

say() { printf '[lab %s] %s\n' "$(date +%T)" "$*" >&2; }
die() { printf 'lab: error: %s\n' "$*" >&2; exit 1; }
need_root() { [ "$(id -u)" = 0 ] || die "this step needs root: run it with sudo"; }
usage_if_asked() { case ${1:-} in -h|--help) usage; exit 0 ;; esac; }
short_hash() { sha256sum | cut -c1-12; }

# logged LOGFILE COMMAND...: runs a step with its output in a file; shows the end of it when it fails.
logged() {
	local log=$1
	shift
	mkdir -p "$(dirname "$log")"
	"$@" >"$log" 2>&1 && return 0
	tail -n 25 "$log" >&2
	die "step failed: ${*:0:4} ... (whole log: $log)"
}

# with_lock NAME COMMAND...: no two lab runs prepare the same thing at once.
with_lock() {
	local name=$1 fd
	shift
	mkdir -p "$CACHE/locks"
	exec {fd}>"$CACHE/locks/$name"
	flock -n "$fd" || { say "waiting for another run that prepares $name"; flock "$fd"; }
	"$@" {fd}>&-
	exec {fd}>&-
}

# stage NAME COMMAND...: a check whose TAP (or, without TAP, exit status) is counted; its log is in $logs.
stage() {
	# shellcheck disable=SC2154 # the caller's
	local name=$1 dir=$logs/stage-$1 rc=0 start=$SECONDS
	shift
	mkdir -p "$dir"
	say "$name ..."
	"$@" >"$dir/tap.log" 2>&1 </dev/null || rc=$?
	python3 "$LAB_DIR/verdict.py" --stage --kernel host --emulator "$name" --dir "$dir" --status "$rc" \
		--seconds $((SECONDS - start)) --skips "$LAB_DIR/allowed-skips.list" >&2 ||
		{ tail -n 15 "$dir/tap.log" >&2; return 0; }
}

# kernel_field NAME COLUMN (root=2, suite=3, emulators=4); names are those of the matrix.
kernel_names() { awk '!/^#/ && NF && $2 != "debug" { print $1 }' "$LAB_DIR/kernels.list"; }
kernel_field() { awk -v n="$1" -v c="$2" '!/^#/ && $1 == n { print $c }' "$LAB_DIR/kernels.list"; }
root_names() { awk '!/^#/ && NF && $2 != "debug" && !seen[$2]++ { print $2 }' "$LAB_DIR/kernels.list"; }
root_suites() { awk -v r="$1" '!/^#/ && $2 == r && $3 != r { print $3 }' "$LAB_DIR/kernels.list"; }

check_kernel() {
	[ -n "$(kernel_field "$1" 2)" ] ||
		die "unknown kernel '$1'; known: $(kernel_names | tr '\n' ' ')(lab/kernels.list)"
}

# root_dir ROOT: the directory that lab/root.sh prepared; root_kver KERNEL: its version string.
root_dir() {
	local link=$CACHE/roots/$1.current
	[ -e "$link/kernels" ] || die "no root for $1 yet: run lab/root.sh $1"
	readlink -f "$link/root"
}
kernel_root() { root_dir "$(kernel_field "$1" 2)"; }
kernel_kver() {
	local r
	r=$(kernel_root "$1") || exit 1
	awk -v n="$1" '$1 == n { print $2 }' "$r/../kernels"
}

# inroot ROOT [-b HOSTDIR:DIR]... COMMAND...: runs a command in a chroot. A private mount and pid
# namespace: nothing stays mounted or running, and /dev of the host is never visible in there.
inroot() {
	local root=$1 binds=()
	shift
	while [ "$1" = -b ]; do binds+=("$2"); shift 2; done
	# shellcheck disable=SC2016 # expanded by the inner shell
	unshare --mount --pid --fork --kill-child bash -euc '
		root=$1 n=$2
		shift 2
		mount --make-rprivate /
		mount -t proc proc "$root/proc"
		mount -t tmpfs -o mode=755 tmpfs "$root/dev"
		for d in null zero full random urandom tty; do
			touch "$root/dev/$d"
			mount --bind "/dev/$d" "$root/dev/$d"
		done
		mkdir "$root/dev/shm"
		chmod 1777 "$root/dev/shm"
		ln -s /proc/self/fd "$root/dev/fd"
		mount -t tmpfs -o mode=1777 tmpfs "$root/tmp"
		for f in resolv.conf hosts; do
			[ -e "/etc/$f" ] || continue
			[ -e "$root/etc/$f" ] || touch "$root/etc/$f"
			mount --bind "$(readlink -f "/etc/$f")" "$root/etc/$f"
		done
		while [ "$n" -gt 0 ]; do
			mkdir -p "$root${1#*:}"
			mount --bind "${1%%:*}" "$root${1#*:}"
			shift
			n=$((n - 1))
		done
		exec chroot "$root" env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LC_ALL=C \
			DEBIAN_FRONTEND=noninteractive "$@"
	' inroot "$root" "${#binds[@]}" "${binds[@]}" "$@"
}
