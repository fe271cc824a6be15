#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# Boots one lab VM (QEMU with emulated SVM, or Bochs with emulated VMX or SVM) and judges its logs.
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$(dirname "$0")/lib.sh"

usage() {
	cat <<-EOF
	usage: lab/boot.sh KERNEL [option...]
	  --emu NAME        qemu (default), qemu-la57, qemu-disk, qemu-icount, bochs-vmx, bochs-svm, bochs-ibt
	  --payload PATH    program to run in the VM (default /kvmi/selftests/vm/run-all.sh)
	  --tests PATTERN   run only tests whose program name matches
	  --full            full soak counts instead of the quick ones
	  --append WORDS    more kernel command line
	  --timeout S       default 900 (qemu), 1800 (bochs), with --full 6 times as much; a time-out is a failure
	  --out DIR         where logs go (default build/logs/KERNEL-EMU)
	  --no-image        boot the initramfs that is there instead of making it anew
	  --shell           interactive: serial line on this terminal, no verdict

	Logs: DIR/console.log (kernel), DIR/tap.log (tests), DIR/emulator.log, DIR/verdict.json.
	Environment: TESTS and FULL=1 as --tests and --full, SMP (default 2, Bochs and qemu-disk 1),
	TCG_THREAD (single or multi), CPU (more of QEMU's features),
	CONSTANT_TSC=1 (PREEMPT_RT's KVM wants it), MEM (MiB, default 2048), LAB_OVERLAY (a directory that is
	copied over the initramfs), LAB_DISK (an image in place of the one of lab/disk.sh, for qemu-disk).
	EOF
}

parse() {
	kernel=$1 emu=qemu payload='' tests=${TESTS:-} mode=quick append='' timeout='' out='' image=1 shell='' scale=1
	[ "${FULL:-}" != 1 ] || mode=full
	shift
	while [ $# -gt 0 ]; do
		case $1 in
		--emu) emu=$2; shift ;;
		--payload) payload=$2; shift ;;
		--tests) tests=$2; shift ;;
		--append) append=$2; shift ;;
		--timeout) timeout=$2; shift ;;
		--out) out=$2; shift ;;
		--full) mode=full ;;
		--no-image) image='' ;;
		--shell) shell=1 ;;
		*) usage >&2; die "unknown option $1" ;;
		esac
		shift
	done
	out=${out:-$BUILD/logs/$kernel-$emu}
	[ $mode = quick ] || scale=6
	case $emu in
	qemu | qemu-la57 | qemu-disk | qemu-icount) timeout=${timeout:-$((900 * scale))} ;;
	bochs-vmx | bochs-svm | bochs-ibt) timeout=${timeout:-$((1800 * scale))} ;;
	*) die "unknown emulator $emu (see lab/boot.sh --help)" ;;
	esac
	# What a processor with 5 levels of page tables makes possible.
	[ "$emu" != qemu-la57 ] || CPU=${CPU:+$CPU,}+la57 tests=${tests:-vcpu_mode*}
	[ "$emu" != qemu-disk ] || payload=${payload:-/kvmi/l2.sh}
	[ "$emu" != qemu-icount ] || payload=${payload:-/kvmi/bench.sh} append="nokaslr $append"
}

# The debug kernel has no ACPI, and so only the PIT to measure its TSC by, which fails on a busy host. With a
# frequency of 0 KVM enters no guest. QEMU's TSC is the host's.
tsc_khz() { awk '/^cpu MHz/ { printf "%d", $4 * 1000; exit }' /proc/cpuinfo; }

# A splat must end the VM at once; emulation is slow, so the watchdogs get time: on one CPU that runs a guest's vCPUs, a
# thread of low priority has waited for more than RCU's 21 seconds. Bochs cuts the stack
# pointer of 32-bit programs to 16 bits after SYSENTER in the vDSO: without that they use int 0x80. And a
# second CPU of it has stayed in MWAIT for 21 seconds, its timer notwithstanding. Its Tiger Lake refuses to enter a
# guest with KVM's posted-interrupt descriptor (Haswell has none).
command_line() {
	case $emu in bochs*) append="vdso32=0 idle=nomwait $append" ;; esac
	case $emu in bochs-ibt) append="kvm_intel.enable_apicv=0 $append" ;; esac
	case $kernel/$emu in debug/qemu*) append="tsc_early_khz=$(tsc_khz) $append" ;; esac
	printf '%s ' console=ttyS0 panic=-1 oops=panic panic_on_warn=1 softlockup_panic=1 watchdog_thresh=60 \
		rcupdate.rcu_cpu_stall_timeout=120 \
		"lab.kernel=$kernel" "lab.emu=$emu" "lab.mode=$mode" "lab.payload=${payload:-/kvmi/selftests/vm/run-all.sh}" \
		${tests:+"lab.tests=$tests"} ${shell:+lab.shell=1} "${append:-}"
}

# Kernels patch their own code all the time (static keys, ftrace). With a host thread per vCPU, TCG can
# translate a patched place just before the byte is stored, and then goes on with the old one: int3 in
# code that has none in memory, a guest's triple fault, a hang, more often the busier the host is. One
# thread for all vCPUs cannot do that. But it lets a vCPU that waits for another one in a loop do so for
# 100 ms, and vCPUs of a guest of the guest do that often: one CPU for these.
default_smp() {
	case $emu in
	qemu-disk | qemu-icount) echo 1 ;;
	*) echo 2 ;;
	esac
}

# TCG's SVM changes a word of pending interrupts that the thread of QEMU's devices changes too, and takes
# no lock for it (VMRUN, #VMEXIT, STGI). So an interrupt is lost now and then, and when it is a timer's while
# the one CPU is in a guest that spins, no other comes: the VM stands still. Threads that share a host CPU
# do not tear each other's instructions. Sets $cpu to one that no other VM has.
choose_cpu() {
	local cpus
	mapfile -t cpus < <(python3 -c 'import os; print(*os.sched_getaffinity(0), sep="\n")')
	mkdir -p "$CACHE/locks"
	for cpu in "${cpus[@]}"; do
		exec {cpu_lock}>"$CACHE/locks/cpu$cpu"
		! flock -n "$cpu_lock" || return 0
		exec {cpu_lock}>&-
	done
	cpu=${cpus[RANDOM % ${#cpus[@]}]}
}

# And for what is lost all the same: bytes on a serial line that lab/guest/init reads are interrupts that
# come from outside, and bring the lost one with them.
heartbeat() {
	trap '' PIPE
	while echo 2>/dev/null; do sleep 0.5; done
}

run_qemu() {
	local qemu cmd serial cpu cpu_lock rc=0 features="+svm,+npt${CPU:+,$CPU}" machine=pc smbios=()
	qemu=$("$LAB_DIR/qemu.sh")
	# PREEMPT_RT's KVM insists on a constant TSC, and QEMU's processor does not say that its TSC is (it is the
	# host's). The kernel believes it of VMware's machines without a look at the processor.
	if [ -n "${CONSTANT_TSC:-}" ]; then
		features+=,-hypervisor machine+=,vmport=on
		smbios=(-smbios "type=1,serial=VMware-lab")
	fi
	serial=(-serial "file:$out/console.log" -serial "file:$out/tap.log" -display none)
	[ -z "$shell" ] || serial=(-nographic -serial mon:stdio)
	cmd=("$qemu" -accel "tcg,thread=${TCG_THREAD:-single}" -cpu "EPYC,$features" -machine "$machine" -smp "${SMP:-$(default_smp)}" -m "${MEM:-2048}"
		"${smbios[@]}" -nic none -no-reboot -device "isa-debug-exit,iobase=0xf4,iosize=0x04" "${serial[@]}"
		-kernel "$BUILD/$kernel/vmlinux" -initrd "$BUILD/$kernel/initrd" -append "$(command_line)")
	# Time is the number of instructions, so that runs can be compared; nothing in it is left to chance.
	if [ "$emu" = qemu-icount ]; then
		cmd+=(-icount "shift=0,sleep=off" -rtc "base=2026-01-01,clock=vm" -seed 1)
	fi
	if [ "$emu" = qemu-disk ]; then
		cmd+=(-drive "file=${LAB_DISK:-$("$LAB_DIR/disk.sh")},format=raw,if=virtio,snapshot=on")
		[ "$mode" != full ] || [ "$payload" != /kvmi/l2.sh ] || cmd+=(-drive "file=$("$LAB_DIR/disk.sh" debian),format=raw,if=virtio,snapshot=on")
	fi
	if [ -n "$shell" ]; then
		"${cmd[@]}" 2>"$out/emulator.log" || true
		return 0
	fi
	if [ "$emu" != qemu-icount ]; then
		cmd+=(-serial stdio)
	fi
	choose_cpu
	heartbeat | timeout --foreground --kill-after=10 "$timeout" taskset -c "$cpu" "${cmd[@]}" -monitor none \
		>"$out/emulator.log" 2>&1 || rc=$?
	case $rc in
	124 | 137) status=timeout ;;
	*) status=$rc ;;
	esac
}

run_bochs() {
	[ -z "$shell" ] || die "--shell works with QEMU only"
	status=$("$LAB_DIR/bochs.sh" run "$kernel" "$emu" "$out" "$timeout" "$(command_line)")
}

# A function, so that bash has read it all before a long run: the file may change meanwhile.
main() {
	usage_if_asked "${1:---help}"
	check_kernel "$1"
	parse "$@"
	[ -e "$CACHE/roots/$(kernel_field "$kernel" 2).current/kernels" ] || "$LAB_DIR/root.sh" "$(kernel_field "$kernel" 2)"
	kver=$(kernel_kver "$kernel")
	[ -z "$image" ] || "$LAB_DIR/image.sh" "$kernel"
	mkdir -p "$out"
	rm -f "$out"/*
	status=''
	say "$kernel ($kver) on $emu: running (log: $out)"
	start=$SECONDS
	case $emu in
	qemu*) run_qemu ;;
	*) run_bochs ;;
	esac
	[ -z "$shell" ] || exit 0
	python3 "$LAB_DIR/verdict.py" --kernel "$kernel" --release "$kver" --emulator "$emu" --dir "$out" --status "$status" \
		--seconds $((SECONDS - start)) --skips "$LAB_DIR/allowed-skips.list"
}

main "$@"; exit
