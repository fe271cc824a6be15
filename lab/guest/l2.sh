#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# shellcheck disable=SC2317 # functions are called through t and wait_for
# The main job: an unmodified Debian QEMU runs a Linux guest, and kvmictl introspects it through kvmi.
# TAP on stdout; what a person would see on the terminal is shown as comments. Runs as the payload of a
# lab VM (disk with QEMU on /dev/vda) and, with L2_DIR and L2_QEMU set, on a host with KVM. A lab VM also
# tests what the guest makes of it; not in the demo (lab.demo=1), which does without the selftests.

N=0
say() { echo "# $*"; }
pass() { N=$((N + 1)); echo "ok $N - $*"; }
fail() { N=$((N + 1)); FAILED=1; echo "not ok $N - $*"; }
# t NAME COMMAND...: one test.
t() {
	name=$1
	shift
	if "$@"; then pass "$name"; else fail "$name"; fi
}

# show FILE COMMAND...: the command, its output as comments, its exit status.
show() {
	out=$1
	shift
	echo "#"
	echo "# \$ $*"
	"$@" >"$out" 2>&1
	rc=$?
	sed 's/^/# /' "$out"
	return $rc
}

# wait_for SECONDS COMMAND...
wait_for() {
	n=$1
	shift
	while [ "$n" -gt 0 ]; do
		"$@" && return 0
		sleep 1
		n=$((n - 1))
	done
	return 1
}

prepare_vm() {
	for m in virtio_pci virtio_blk ext4; do modprobe $m; done
	wait_for 30 test -b /dev/vda || { echo "Bail out! no /dev/vda"; exit 1; }
	mkdir -p /mnt
	mount -t ext4 /dev/vda /mnt || { echo "Bail out! cannot mount /dev/vda"; exit 1; }
	for d in proc sys dev tmp; do mount --bind /$d /mnt/$d; done
	L2_DIR=/mnt/l2 L2_IN=/l2
	L2_QEMU="chroot /mnt qemu-system-x86_64"
	[ ! -b /dev/vdb ] || prepare_debian
}

# A guest with an init of its own, on a disk; it takes more memory, and longer.
prepare_debian() {
	mkdir -p /mnt2
	mount -t ext4 -o ro /dev/vdb /mnt2 || { echo "Bail out! cannot mount /dev/vdb"; exit 1; }
	cp /mnt2/boot/initrd $L2_DIR/initrd
	umount /mnt2
	L2_DISK="-drive file=/dev/vdb,format=raw,if=virtio,snapshot=on"
	L2_ROOT="root=/dev/vda systemd.show_status=0"
	L2_MIB=512
	L2_SECONDS=900
}

start_guest() {
	say "starting Debian's own QEMU: $($L2_QEMU --version | head -n1)"
	# shellcheck disable=SC2086 # a command with its words
	$L2_QEMU -name demo-guest -accel kvm -cpu host -smp 2 -m $L2_MIB $L2_DISK -nodefaults -nic none -display none -no-reboot \
		-serial file:"$W/l2.log" -qmp "unix:$W/qmp,server=on,wait=off" -kernel "$L2_IN/vmlinux" -initrd "$L2_IN/initrd" \
		-append "console=ttyS0 nokaslr quiet panic=-1 $L2_ROOT" >"$W/qemu.log" 2>&1 &
	L2_PID=$!
	wait_for 30 test -e "$W/l2.log"
}

loaded() { [ -d "$MODULE_DIR" ]; }
load() { loaded || modprobe -q kvmi || insmod "$KVMI_KO"; }
ticks() { grep -c L2-TICK "$W/l2.log"; }
ticks_above() { [ "$(ticks)" -gt "$1" ]; }
alive() { kill -0 "$L2_PID" 2>/dev/null; }
last_words() { tail -n 15 "$W/qemu.log" "$W/l2.log" | tr -d '\r' | sed 's/^/# /'; }
gone() { ! alive; }
end_guest() {
	kill "$L2_PID" && wait_for 30 gone
	wait "$L2_PID" 2>/dev/null
	gone
}

listed() { grep -Eq "^$L2_PID +0 +qemu-system-x86 +demo-guest +2 +$L2_MIB MiB +no$" "$W/list"; }

# same_text GPA TEXT: kvmictl reads exactly TEXT there.
same_text() {
	show "$W/hex" kvmictl read --pid "$L2_PID" --hex "$1" ${#2}
	kvmictl read --pid "$L2_PID" --raw "$1" ${#2} >"$W/got"
	printf %s "$2" >"$W/want"
	cmp -s "$W/got" "$W/want"
}

# Linux without KASLR: its interrupt descriptors are at a fixed address, its text is linearly mapped.
regs_of_linux() {
	show "$W/regs" kvmictl regs --pid "$L2_PID" && [ "$(grep -ci fffffe0000000000 "$W/regs")" = 2 ]
}
GVA() { printf '0x%x' $((0xffffffff80000000 + GPA)); }
translates() {
	show "$W/gpa" kvmictl translate --pid "$L2_PID" "$(GVA)" && grep -qi "$GPA" "$W/gpa"
}
dumps() {
	show "$W/dump.out" kvmictl dump --pid "$L2_PID" --length 64M -o "$W/dump" &&
		[ "$(stat -c %s "$W/dump")" = $((64 << 20)) ] &&
		dd if="$W/dump" bs=1 skip=$((GPA)) count=${#BANNER} 2>/dev/null | cmp -s - "$W/banner"
}
# has FILE FIELD VALUE: so often.
has() { grep -Eic "\"$2\": *\"$3\"" "$1"; }
says_json() {
	show "$W/regs" kvmictl regs --pid "$L2_PID" --vcpu 1 --json && [ "$(has "$W/regs" base 0xfffffe0000000000)" = 1 ] &&
		show "$W/gpa" kvmictl translate --pid "$L2_PID" --json "$(GVA)" && [ "$(has "$W/gpa" gpa "$GPA")" = 1 ] &&
		show "$W/part.out" kvmictl dump --pid "$L2_PID" --start 64K --length 64K --json -o "$W/part" &&
		[ "$(has "$W/part.out" start 0x10000)" = 1 ] && grep -q '"holes": \[\]' "$W/part.out"
}
# Behind the end of the guest's memory there is nothing; the file has zeros for it.
shows_hole() {
	end=$(printf '0x%x' $((L2_MIB << 20)))
	set -- --pid "$L2_PID" --start $((end - 4096)) --length 8192
	show "$W/hole.out" kvmictl dump "$@" -o "$W/hole" && grep -q "^hole  *$end to 0x[0-9a-f]*fff (ENOENT)$" "$W/hole.out" &&
		[ "$(stat -c %s "$W/hole")" = 8192 ] && kvmictl dump "$@" --json -o "$W/hole2" >"$W/hole.json" 2>"$W/err" &&
		[ "$(has "$W/hole.json" start "$end")" = 1 ]
}
stands() {
	n=$(ticks)
	sleep 5
	[ "$(ticks)" = "$n" ]
}
goes_on() { wait_for 60 ticks_above "$(ticks)"; }
pauses() { show "$W/pause" kvmictl pause --pid "$L2_PID" && stands; }
resumes() { show "$W/resume" kvmictl resume --pid "$L2_PID" && goes_on; }
outlives_tool() { pauses && killall -9 kvmictl && goes_on; }

# A case of real_guest. Its own TAP is shown as comments, and becomes one line of ours.
real_guest() {
	mode=-q
	[ "$FULL" != 1 ] || mode=-f
	GUEST_PID=$L2_PID GUEST_LOG=$W/l2.log GUEST_QMP=$W/qmp GUEST_BANNER="$GPA $BANNER" \
		/kvmi/kvm/real_guest "$mode" "$1" >"$W/real" 2>&1
	rc=$?
	sed 's/^/# /' "$W/real"
	return "$rc"
}

stopped() {
	[ -z "$L2_PID" ] || end_guest
	[ -n "$WAS_LOADED" ] || ! loaded || rmmod kvmi
	rm -rf "$W"
	exit 130
}

W=$(mktemp -d /tmp/kvmi-l2.XXXXXX)
FAILED=0 L2_PID='' WAS_LOADED='' L2_DISK='' L2_ROOT='' L2_MIB=256 L2_SECONDS=240
MODULE_DIR=${MODULE_DIR:-/sys/module/kvmi}
! loaded || WAS_LOADED=1
trap stopped INT TERM
[ -n "$L2_DIR" ] || { echo "# program l2"; IN_VM=1; prepare_vm; }
REAL_TESTS=0
[ -z "$IN_VM" ] || grep -qw lab.demo=1 /proc/cmdline || REAL_TESTS=12
L2_IN=${L2_IN:-$L2_DIR}
read -r GPA BANNER <"$L2_DIR/banner"
echo "1..$((14 + REAL_TESTS))"

say "loading kvmi next to the stock kvm.ko of $(uname -r)"
t "kvmi loads" load
start_guest
t "the guest boots" wait_for $L2_SECONDS grep -q L2-READY "$W/l2.log"
grep -q L2-READY "$W/l2.log" || last_words
say "guest: $(grep L2-READY "$W/l2.log" | tr -d '\r')"
show "$W/list" kvmictl list
t "list shows the VM: its VMM, name, vCPUs and memory" listed
t "version exits with 0" show "$W/version" kvmictl version --pid "$L2_PID"
kvmictl version --pid "$L2_PID" --json >"$W/json" 2>&1
t "version reply: API version 1" grep -Eq '"version": *1\b' "$W/json"
t "version reply: 2 vCPUs" grep -Eq '"vcpus": *2\b' "$W/json"
[ $FAILED = 0 ] || sed 's/^/# /' "$W/json"
t "read returns the guest kernel's version string" same_text "$GPA" "$BANNER"
t "read returns the date in the guest's BIOS" same_text 0xffff5 06/23/99
t "status exits with 0" show "$W/status" kvmictl status
t "check finds that kvmi can run here" show "$W/check" kvmictl check
t "the guest runs on" wait_for 60 ticks_above $(($(ticks) + 1))
if [ $REAL_TESTS != 0 ]; then
	printf %s "$BANNER" >"$W/banner"
	t "regs shows two vCPUs that run Linux" regs_of_linux
	t "translate finds the version string" translates
	t "dump has it" dumps
	t "dump tells where there is no memory" shows_hole
	t "the same as JSON" says_json
	t "pause stops the guest, resume lets it go on" eval "pauses && resumes"
	t "the guest goes on when the tool that has paused it is killed" outlives_tool
	t "a tool pauses the guest, is killed at any time and comes back" real_guest killed
	t "QEMU's stop and cont work while vCPUs wait for the tool" real_guest stop
	t "QEMU migrates, and a debugger looks, while vCPUs wait for the tool" real_guest migration
	t "the guest computes what it should, and its clock moves" real_guest checksums
	t "QEMU resets the guest while vCPUs wait for the tool" real_guest system_reset
fi
alive || last_words
t "QEMU is alive" alive
t "QEMU ends" end_guest
# On a host it may be somebody else's.
if [ -n "$WAS_LOADED" ]; then t "kvmi stays loaded" loaded; else t "kvmi unloads" rmmod kvmi; fi
if [ -n "$IN_VM" ]; then
	for d in proc sys dev tmp; do umount /mnt/$d; done
	umount /mnt
	echo "# program l2 rc=$FAILED"
fi
rm -rf "$W"
exit $FAILED
