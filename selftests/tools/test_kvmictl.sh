#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# kvmictl as a whole: on made-up /proc and /sys trees, and with the fake kernel.
# shellcheck disable=SC2016 # conditions are evaluated by check()
# shellcheck source-path=SCRIPTDIR source=kvmictl_lib.sh
. "$(dirname "$0")/kvmictl_lib.sh"

# A process of a made-up tree: process PID COMM FD=LINK...; command line on
# standard input, one argument per line
process() {
	local dir=$root/proc/$1 fd
	mkdir -p "$dir/fd"
	printf '%b\n' "$2" >"$dir/comm"
	echo "$1 (a) b) S 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 4711 20" \
		>"$dir/stat"
	tr '\n' '\0' >"$dir/cmdline"
	shift 2
	for fd; do
		ln -s "${fd#*=}" "$dir/fd/${fd%%=*}"
	done
}

vm=anon_inode:kvm-vm
vcpu=anon_inode:kvm-vcpu

t_list() {
	new_root
	process 100 qemu-system-x86 "9=$vm" 10=$vcpu:0 11=$vcpu:1 12=$vcpu:1 \
		3=/dev/kvm 4='socket:[7]' <<-E
		/usr/bin/qemu-system-x86_64
		-name
		guest=web,debug-threads=on
		-m
		2G
		-uuid
		$uuid
	E
	process 200 firecracker 7=$vm "8=$vm" 9=$vcpu:0 <<<$'firecracker\n--id\nfc'
	process 300 bash "5=/tmp/$vm" 6=${vm}x 7=x$vm </dev/null
	mkdir -p "$root/sys/kernel/debug/kvm/200-7"/vcpu{0,1,2} \
		"$root/sys/kernel/debug/kvm/200-7/vcpux"
	ctl 0 list
	check 'diff - "$tmp/out" <<-"E"
	PID  VM  VMM              NAME  VCPUS  MEMORY  HOOKED
	100  0   qemu-system-x86  web   2      2 GiB   no
	200  0   firecracker      fc    3      -       no
	200  1   firecracker      fc    -      -       no
	E'
	check '[[ ! -s $tmp/err ]]'
	ctl 0 list --json
	check 'json "len(d[\"vms\"]) == 3 and d[\"unreadable_processes\"] == 0"'
	check 'json "d[\"vms\"][0] == {\"pid\": 100, \"vm\": 0,
		\"vmm\": \"qemu-system-x86\", \"name\": \"web\",
		\"uuid\": \"$uuid\", \"vcpus\": 2, \"memory\": 2 << 30,
		\"hooked\": False, \"owner\": None}"'
	check 'json "d[\"vms\"][2][\"vcpus\"] is None and
		d[\"vms\"][2][\"memory\"] is None"'
}

t_list_hooked() {
	new_root
	process 100 a 9=$vm </dev/null
	process 101 b 9=$vm </dev/null
	process 102 c 8=$vm 9=$vm </dev/null
	load_module '100\tu\ttool:55\tconnected\n102\tu\tvmm\tconnected\n'
	ctl 0 list --json
	check 'json "[v[\"hooked\"] for v in d[\"vms\"]] ==
		[True, False, None, None]"'
	check 'json "d[\"vms\"][0][\"owner\"] == \"tool:55\""'
	ctl 0 list
	check 'grep -q "^100 .* tool:55$" "$tmp/out"'
	check 'grep -q "^102 .* ?$" "$tmp/out"'
	rm "$root/sys/kernel/debug/kvmi/vms"
	ctl 0 list --json
	check 'json "d[\"vms\"][0][\"hooked\"] is None"'
}

t_list_hostile() {
	new_root
	process 100 '\033[2J\n"x' 9=$vm <<<$'q\n--name\n\033]0;evil\a"\\\xe2\x80\xae\xff'
	ctl 0 list
	check '! LC_ALL=C grep -q "[^ -~]" "$tmp/out"'
	check 'grep -qF "\x1b[2J\x0a\"x" "$tmp/out"'
	check '[[ $(wc -l <"$tmp/out") == 2 ]]'
	ctl 0 list --json
	check '! LC_ALL=C grep -q "[^ -~]" "$tmp/out"'
	check 'json "d[\"vms\"][0][\"vmm\"] == \"\\x1b[2J\\n\\\"x\""'
	check 'json "d[\"vms\"][0][\"name\"] ==
		\"\\x1b]0;evil\\x07\\\"\\\\\\u202e\\ufffd\""'
	rm -r "$root/proc"
	ctl 1 list
	check 'grep -q "cannot list processes" "$tmp/err"'
}

t_status() {
	new_root
	ctl 3 status
	check 'grep -q "modprobe kvmi" "$tmp/err"'
	load_module ''
	ctl 0 status
	check 'diff - "$tmp/out" <<-"E"
	kvmi.ko 0.0-test

	HOOKS
	symbol        module  state  hits  carries  without_it
	kvm_vm_ioctl  kvm     armed  12    ioctls   nothing works

	SESSIONS
	none
	E'
	load_module '7\tu\tvmm\tdisconnected\t2\t0x54\textra\n8\tx\n'
	ctl 0 status --json
	check 'json "d[\"module_version\"] == \"0.0-test\" and
		d[\"hooks\"][0][\"without_it\"] == \"nothing works\" and
		d[\"vms\"][0][\"allowed_commands\"] == \"0x54\" and
		d[\"vms\"][1][\"owner\"] is None"'
	echo nonsense >"$root/sys/kernel/debug/kvmi/vms"
	ctl 1 status
	check 'grep -q "unknown form" "$tmp/err"'
	rm -r "$root/sys/kernel/debug"
	ctl 1 status
	check 'grep -q "mount -t debugfs" "$tmp/err"'
}

# A host on which all is well, for check
good_host() {
	local r=6.12.1-amd64
	new_root
	load_module ''
	mkdir -p "$root"/sys/module/{kvm,kvm_amd,module/parameters} "$root/boot" \
		"$root/proc/self" "$root/proc/sys/kernel/yama" "$root/dev" \
		"$root/sys/kernel/security" "$root/lib/modules/$r/updates/dkms"
	echo $r >"$root/proc/sys/kernel/osrelease"
	echo 1 >"$root/proc/sys/kernel/ftrace_enabled"
	echo 1 >"$root/proc/sys/kernel/yama/ptrace_scope"
	echo N >"$root/sys/module/module/parameters/sig_enforce"
	echo '[none] integrity confidentiality' >"$root/sys/kernel/security/lockdown"
	printf 'Name:\tx\nCapEff:\t000001ffffffffff\n' >"$root/proc/self/status"
	printf 'processor\t: 0\nflags\t\t: fpu svm vme\n' >"$root/proc/cpuinfo"
	touch "$root/dev/kvm"
	printf 'ELF...~Module signature appended~\n' \
		>"$root/lib/modules/$r/updates/dkms/kvmi.ko"
	echo updates/dkms/kvmi.ko: | sed 's,^,/,' >"$root/lib/modules/$r/modules.dep"
	printf 'CONFIG_%s=y\n' MODULES FUNCTION_TRACER DYNAMIC_FTRACE_WITH_REGS \
		KPROBES KALLSYMS KALLSYMS_ALL DEBUG_FS >"$root/boot/config-$r"
	printf 'CONFIG_%s=m\n' KVM KVM_AMD >>"$root/boot/config-$r"
	mod=$root/lib/modules/$r/updates/dkms/kvmi.ko
	config=$root/boot/config-$r
}

# finds LEVEL SUBJECT WORDS: such a line is there
finds() {
	check "grep -Eq '^$1 +$2 +.*$3' \"\$tmp/out\""
}

t_check_good() {
	good_host
	ctl 0 check
	check '! grep -Eq "^(warn|fail)" "$tmp/out"'
	check 'grep -q "^This host can run kvmi\.$" "$tmp/out"'
	ctl 0 check --strict
	ctl 0 check --json
	check 'json "d[\"result\"] == \"ok\" and len(d[\"checks\"]) >= 12"'
	gzip -c "$config" >"$root/proc/config.gz"
	rm "$config"
	ctl 0 check --strict
	finds ok config /proc/config.gz
}

t_check_kernel() {
	good_host
	sed -i /KPROBES/d "$config"
	ctl 3 check
	finds fail config CONFIG_KPROBES
	check 'grep -q "cannot run kvmi" "$tmp/out"'
	ctl 3 check --json
	check 'json "d[\"result\"] == \"fail\""'
	good_host
	sed -i 's/^CONFIG_KALLSYMS_ALL=y/# CONFIG_KALLSYMS_ALL is not set/' "$config"
	ctl 3 check
	finds fail config CONFIG_KALLSYMS_ALL
	good_host
	sed -i /DEBUG_FS/d "$config"
	ctl 0 check
	finds warn config CONFIG_DEBUG_FS
	ctl 1 check --strict
	good_host
	sed -i /KVM_AMD/d "$config"
	ctl 3 check
	finds fail config 'neither CONFIG_KVM_INTEL'
	good_host
	rm "$config"
	ctl 0 check
	finds warn config 'not found'
	good_host
	echo 5.4.0 >"$root/proc/sys/kernel/osrelease"
	ctl 3 check
	finds fail kernel older
	echo 9.0 >"$root/proc/sys/kernel/osrelease"
	ctl 0 check
	finds warn kernel newer
	echo 6.1/../../x >"$root/proc/sys/kernel/osrelease"
	ctl 0 check
	finds warn kernel unknown
	good_host
	echo 0 >"$root/proc/sys/kernel/ftrace_enabled"
	ctl 3 check
	finds fail ftrace 'switched off'
	rm "$root/proc/sys/kernel/ftrace_enabled"
	ctl 3 check
	finds fail ftrace 'no ftrace'
}

t_check_kvm() {
	good_host
	rm -r "$root/sys/module/kvm_amd"
	ctl 0 check
	finds warn kvm 'not loaded'
	check 'grep -q "modprobe kvm_amd" "$tmp/out"'
	printf 'processor\t: 0\nflags\t\t: fpu svmx vmx2\n' >"$root/proc/cpuinfo"
	ctl 3 check
	finds fail kvm 'neither VMX nor SVM'
	good_host
	rm "$root/dev/kvm"
	ctl 0 check
	finds warn kvm /dev/kvm
}

t_check_signing() {
	good_host
	rm -r "$root/sys/module/kvmi"
	echo Y >"$root/sys/module/module/parameters/sig_enforce"
	mkdir -p "$root/sys/firmware/efi/efivars"
	printf '\6\0\0\0\1' >"$root/sys/firmware/efi/efivars/SecureBoot-8be4df61-93ca-11d2-aa0d-00e098032b8c"
	ctl 0 check
	finds warn signatures 'Secure Boot is on'
	finds warn loaded 'not loaded'
	check 'grep -q mokutil "$tmp/out"'
	echo unsigned >"$mod"
	ctl 3 check
	finds fail module 'not signed'
	# modinfo wants a real module; this signature is one of X.509, by "test"
	gcc -c -x c -o "$mod" - <<<'char m[] __attribute__((section(".modinfo"))) = "name=kvmi";'
	xz "$mod"
	ctl 3 check
	finds fail module 'kvmi.ko.xz is not signed'
	unxz "$mod.xz"
	printf 'testtesttest\1\4\1\4\4\0\0\0\0\0\0\4~Module signature appended~\n' >>"$mod"
	xz "$mod"
	ctl 0 check
	finds ok module kvmi.ko.xz
	echo broken >"$mod.xz"
	ctl 0 check
	finds ok module kvmi.ko.xz
	good_host
	echo 'none [integrity] confidentiality' >"$root/sys/kernel/security/lockdown"
	ctl 0 check
	finds ok lockdown integrity
	rm -r "$root/sys/module/kvmi"
	ctl 0 check
	finds warn lockdown integrity
	echo 'none integrity [confidentiality]' >"$root/sys/kernel/security/lockdown"
	ctl 3 check
	finds fail lockdown confidentiality
}

# dkms_says TEXT: a dkms that prints this about kvmi, and complains of any other question.
dkms_says() {
	mkdir -p "$root/usr/sbin"
	printf '#!/bin/sh\n[ "$*" = "status -m kvmi" ] && printf %%s "%s"\n' "$1" >"$root/usr/sbin/dkms"
	chmod 755 "$root/usr/sbin/dkms"
}

t_check_dkms() {
	good_host
	ctl 0 check --strict
	finds ok dkms 'not in use'
	dkms_says 'kvmi/0.1, 6.12.1-amd64, x86_64: installed'
	ctl 0 check --strict
	finds ok dkms 'kvmi/0.1, 6.12.1-amd64, x86_64: installed$'
	dkms_says $'kvmi, 0.1, 6.1.0-amd64, x86_64: built\nkvmi, 0.1, 6.12.1-amd64, x86_64: installed'
	ctl 0 check --strict
	finds ok dkms 'kvmi, 0.1, 6.12.1-amd64, x86_64: installed$'
	dkms_says $'kvmi/0.1, 6.1.0-amd64, x86_64: installed\nkvmi/0.1, 6.12.1-amd64, x86_64: built'
	ctl 0 check
	finds warn dkms 'kvmi/0.1, 6.12.1-amd64, x86_64: built$'
	dkms_says $'kvmi/0.1, 6.12.1-amd64, x86_64: built\nkvmi/0.2, 6.12.1-amd64, x86_64: installed'
	ctl 0 check --strict
	finds ok dkms 'kvmi/0.2, 6.12.1-amd64, x86_64: installed$'
	dkms_says 'kvmi/0.1, 6.1.0-amd64, x86_64: installed'
	ctl 0 check
	finds warn dkms 'not installed for the running kernel'
	dkms_says 'kvmi/0.1: added'
	ctl 0 check
	finds warn dkms 'not installed for the running kernel: kvmi/0.1: added'
	check 'grep -q "dkms autoinstall" "$tmp/out"'
	dkms_says ''
	ctl 1 check --strict
	finds warn dkms 'kvmi is not registered'
	check 'grep -q "dkms add kvmi" "$tmp/out"'
}

t_check_module() {
	good_host
	rm "$mod"
	ctl 0 check
	finds warn module 'no kvmi.ko'
	rm -r "$root/sys/module/kvmi"
	ctl 3 check
	finds fail module 'no kvmi.ko'
	good_host
	mv "$mod" "$mod.zst"
	ctl 0 check
	finds ok module kvmi.ko.zst
	echo >"$root/lib/modules/6.12.1-amd64/modules.dep"
	ctl 0 check
	finds warn module 'not known to modprobe'
	good_host
	echo 9.9 >"$root/sys/module/kvmi/version"
	ctl 0 check
	finds warn loaded 'kvmi.ko 9.9 is loaded, kvmictl is 0.0-test'
	good_host
	printf 'k2\tkvm\tmissing\t0\tx\tno events\n' >>"$root/sys/kernel/debug/kvmi/hooks"
	ctl 0 check
	finds warn hooks 'k2: missing; without it: no events'
	good_host
	echo 3 >"$root/proc/sys/kernel/yama/ptrace_scope"
	ctl 0 check
	finds warn attach 'ptrace_scope is 3'
	good_host
	printf 'Name:\tx\nCapEff:\t0000000000000000\n' >"$root/proc/self/status"
	ctl 0 check
	finds warn attach CAP_SYS_ADMIN
}

# ------------------------------------------------------ with the fake kernel

t_version() {
	start_vmm 1 tap-version
	real_proc
	ctl 0 version --pid "$vmm"
	check 'grep -q "^protocol version  1$" "$tmp/out"'
	check 'grep -q "^largest message   8184 bytes$" "$tmp/out"'
	check 'grep -q "^features          singlestep$" "$tmp/out"'
	check 'grep -q "^vCPUs             3$" "$tmp/out"'
	check 'grep -q "^  12  KVMI_VM_READ_PHYSICAL$" "$tmp/out"'
	check '! grep -q KVMI_VCPU_CONTROL_CR "$tmp/out"'
	check 'grep -q "tap-version" "$tmp/out"'
	# Least privilege, nothing left open, gone when the program ends.
	check 'diff - "$tmp/log" <<-E
	hook padding 0 uuid $uuid
	command 8 allow 1
	open: 0 VM, 2 sockets
	end after 37 requests
	E'
	check '[[ $(wc -l <"$FAKE_VMS") == 1 ]]'
	ctl 0 version --name tap-version --json
	check 'json "d[\"pid\"] == $vmm and d[\"version\"] == 1 and
		d[\"max_msg_size\"] == 8184 and d[\"vcpus\"] == 3 and
		d[\"features\"] == {\"singlestep\": True}"'
	check 'json "len(d[\"commands\"]) == 24 and len(d[\"events\"]) == 11"'
	check 'json "[c[\"id\"] for c in d[\"commands\"] if c[\"supported\"]] ==
		[*range(2, 13), *range(14, 20), 21, 23, 29]"'
	check 'json "[e[\"name\"] for e in d[\"events\"] if e[\"supported\"]] ==
		[\"KVMI_VM_EVENT_UNHOOK\", \"KVMI_VCPU_EVENT_PAUSE\",
		\"KVMI_VCPU_EVENT_TRAP\"]"'
}

t_read() {
	start_vmm 1 tap-read
	real_proc
	ctl 0 read --pid "$vmm" 0xffe 4
	# Byte at gpa: gpa * 7 + (gpa >> 12) * 13
	check '[[ $(od -An -tx1 "$tmp/out") == " f2 f9 0d 14" ]]'
	check 'grep -q "^command 12 allow 1$" "$tmp/log"'
	check '! grep -q "^event" "$tmp/log"'
	ctl 0 read --name tap-read --hex 0x1ffa 10
	check 'diff - "$tmp/out" <<-"E"
	0000000000001ffa  e3 ea f1 f8 ff 06 1a 21  28 2f                    |.......!(/|
	E'
	ctl 0 read --pid "$vmm" 0 1M
	check 'python3 -c "
import sys
d = open(sys.argv[1], \"rb\").read()
sys.exit(d != bytes((a * 7 + (a >> 12) * 13) & 255 for a in range(1 << 20)))" "$tmp/out"'
	ctl 1 read --pid "$vmm" --hex 0xfffff 0x2002
	check 'diff - "$tmp/out" <<-"E"
	00000000000fffff  ec 00 00 00 00 00 00 00  00 00 00 00 00 00 00 00  |................|
	000000000010000f  00 00 00 00 00 00 00 00  00 00 00 00 00 00 00 00  |................|
	*
	0000000000101fff  00 1a                                             |..|
	E'
	check 'grep -q "0x100000 to 0x101fff cannot be read: .*(ENOENT)" "$tmp/err"'
	check '[[ $(wc -l <"$tmp/err") == 1 ]]'
	ctl 2 read --pid "$vmm" 0 0
	ctl 2 read --pid "$vmm" 0x1h 1
	ctl 2 read --pid "$vmm" 0
	ctl 2 read --pid "$vmm" --raw --hex 0 1
	ctl 2 read --pid "$vmm" 0xffffffffffffffff 2
	"$ctl" read --pid "$vmm" 0 4096 >/dev/full 2>"$tmp/err"
	check "[[ $? == 1 ]]"
	check 'grep -q "cannot write" "$tmp/err"'
}

t_errors() {
	local e status words
	start_vmm 1 tap-errors
	real_proc
	while read -r e status words; do
		FAKE_ERRNO=$e ctl "$status" version --pid "$vmm"
		check "grep -q '$words' \"\$tmp/err\""
		check '! grep -q "modprobe" "$tmp/err"'
	done <<-E
		5 5 declared the VM dead
		1 5 run as root
		17 1 introspected already
		95 1 confidential VM
		12 1 out of memory
		25 3 does not serve this VM
		22 1 KVM_INTROSPECTION_HOOK
	E
	rm -r "$root/sys/module/kvmi"
	for e in 5 25 22; do
		FAKE_ERRNO=$e ctl 3 version --pid "$vmm"
		check 'grep -q "modprobe kvmi" "$tmp/err"'
	done
	load_module ''
	FAKE_DEAF=1 ctl 1 version --pid "$vmm"
	check 'grep -q "connection closed" "$tmp/err"'
	FAKE_STICKY=1 ctl 0 version --pid "$vmm"
	check 'grep -q "warning: the session is still" "$tmp/err"'
}

t_selection() {
	start_vmm 2 tap-two
	real_proc
	ctl 4 version --pid "$vmm"
	check 'grep -q "choose one with --vm" "$tmp/err"'
	ctl 4 version --name tap-two
	check 'grep -q "2 VMs are named" "$tmp/err"'
	ctl 0 version --pid "$vmm" --vm 1
	ctl 0 version --name tap-two --vm 0
	ctl 4 version --pid "$vmm" --vm 2
	ctl 4 version --name no-such-vm
	ctl 4 version --pid $$
	check 'grep -q "has no VM" "$tmp/err"'
	end_vmm
	ctl 4 version --pid "$FAKE_PID"
	check 'grep -q "no process" "$tmp/err"'
}

# Copies of one VM's file are one VM.
t_copies() {
	unset KVMIC_ROOT
	start_vmm 1 tap-copies HOLDER_DUP=1 HOLDER_FORK=1
	ctl 0 list --json
	check 'json "[(v[\"pid\"], v[\"vm\"], v[\"vcpus\"], v[\"memory\"])
		for v in d[\"vms\"] if v[\"name\"] == \"tap-copies\"] ==
		[($vmm, 0, 2, 64 << 20)]"'
	start_vmm 2 tap-copies HOLDER_DUP=1
	ctl 0 list --json
	check 'json "[v[\"vm\"] for v in d[\"vms\"] if
		v[\"name\"] == \"tap-copies\"] == [0, 1]"'
}

t_usage() {
	local c
	ctl 0 --help
	for c in list version read dump regs translate pause resume \
		status check; do
		check "grep -q '^  $c ' \"\$tmp/out\""
	done
	for c in list version read dump regs translate pause resume \
		status check; do
		ctl 0 $c --help
		check "grep -q '^Usage: kvmictl $c' \"\$tmp/out\""
		ctl 2 $c --no-such-option
		check "grep -q 'Try: kvmictl $c --help' \"\$tmp/err\""
	done
	ctl 0 --version
	check 'grep -q "^kvmictl 0.0-test, protocol version 1$" "$tmp/out"'
	ctl 2
	ctl 2 nonsense
	ctl 2 list operand
	ctl 2 version
	ctl 2 version --pid 1 --name x
	ctl 2 version --pid 0
	ctl 2 version --pid 1x
	ctl 2 version --pid 99999999999
	ctl 2 version --pid
	ctl 2 version --name x --vm -1
	ctl 2 $'\033[31m'
	check '! grep -q $'"'\\033'"' "$tmp/err"'
}

# Unprivileged: refused with the reason, not a crash.
t_not_root() {
	start_vmm 1 tap-root
	unset KVMIC_ROOT
	# The build directory may not be open to others.
	cp "$ctl" "$tmp/ctl"
	chmod 755 "$tmp"
	setpriv --reuid 65534 --regid 65534 --clear-groups \
		"$tmp/ctl" version --pid "$vmm" >"$tmp/out" 2>"$tmp/err"
	check "[[ $? == 5 ]]"
	check 'grep -q "run as root" "$tmp/err"'
	setpriv --reuid 65534 --regid 65534 --clear-groups \
		"$tmp/ctl" list >"$tmp/out" 2>"$tmp/err"
	check "[[ $? == 0 ]]"
	check 'grep -q "run as root to see all" "$tmp/err"'
}

# The real thing, as far as this machine goes.
t_real_kvm() {
	start_vmm 2 tap-real HOLDER_REAL=1
	if [[ $? == 77 ]]; then
		skip="# SKIP no usable /dev/kvm"
		return
	fi
	unset KVMIC_ROOT
	ctl 0 list --json
	check 'json "[v[\"vm\"] for v in d[\"vms\"] if
		v[\"name\"] == \"tap-real\"] == [0, 1]"'
	ctl=$out/kvmictl_plain
	ctl 0 list --json
	check 'json "[v[\"vcpus\"] for v in d[\"vms\"] if
		v[\"name\"] == \"tap-real\"] in ([2, 2], [None, None])"'
	# Without the module, with a true VM, the true answer of the kernel.
	if [[ ! -e /sys/module/kvmi ]]; then
		ctl 3 version --pid "$vmm" --vm 0
		check 'grep -q "modprobe kvmi" "$tmp/err"'
	fi
	ctl=$out/kvmictl
}

run_tests "$0"
