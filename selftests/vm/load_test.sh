#!/bin/busybox sh
# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=dash
# shellcheck disable=SC2317 # functions are called by name
# Loading and unloading: under running guests, beside tracers and livepatches,
# with modules missing or in use, and that nothing is left over.
# Starts and ends with kvmi loaded.

# shellcheck source=lib.sh
. "${0%/*}/lib.sh"

modinfo_right() {
	[ "$(modinfo_field "$KO" license)" = GPL ] || why "license" || return
	[ -n "$(modinfo_field "$KO" description)" ] || why "description" || return
	[ -n "$(modinfo_field "$KO" version)" ] || why "version" || return
	[ "$(modinfo_field "$KO" depends)" = kvm ] || why "depends" || return
	modinfo_field "$KO" vermagic | grep -q "^$(uname -r) " || why "vermagic" || return
	modinfo_field "$KO" parm | grep -q '^legacy_cap:' || why "parm legacy_cap"
}

status_private() {
	for f in hooks vms; do
		[ -r "$DEBUGFS/$f" ] || why "no $f" || return
		case $(stat -c %a "$DEBUGFS/$f") in
		4??) ;;
		*) why "$f can be written" || return ;;
		esac
	done
}

parameters_read_only() {
	for f in /sys/module/kvmi/parameters/*; do
		case $(stat -c %a "$f") in
		4??) ;;
		*) why "$f can be written" || return ;;
		esac
	done
}

loaded_twice() {
	! load 2>"$WORK/err" || why "loaded twice" || return
	grep -q 'File exists' "$WORK/err" || why "$(cat "$WORK/err")" || return
	session
}

unloaded_clean() {
	unload && leftovers && load && session
}

# The guest runs all the time and must not notice anything.
cycles() {
	guest_start || return
	n=$(count 5 100)
	while [ "$n" -gt 0 ]; do
		unload || why "rmmod, $n to go" || break
		leftovers || break
		load || why "insmod, $n to go" || break
		session 20 || break
		n=$((n - 1))
	done
	guest_stop && [ "$n" = 0 ]
}

# Loading with no VM, unloading with one, and the other way round.
cycles_across() {
	unload || return
	guest_start || return
	load && session || return
	guest_stop || return
	guest_start || return
	unload && leftovers && guest_stop && load && session
}

busy_while_hooked() {
	hold_start || return
	for m in kvmi "$VENDOR" kvm; do
		! rmmod "$m" 2>>"$WORK/err" || why "$m could be removed" || return
		loaded "$m" || why "$m is gone" || return
	done
	session || return
	hold_stop
	wait_until 20 grep -qx 0 /sys/module/kvmi/refcnt || why "kvmi stays in use" || return
	unload && leftovers && load
}

# A VMM can sleep in our code for as long as it likes: rmmod must not wait for it.
busy_in_ioctl() {
	hold_as asleep || return
	{ rmmod kvmi 2>"$WORK/err"; echo $? >"$WORK/rc"; } 9>&- &
	wait_until 20 test -s "$WORK/rc" || { hold_stop; why "rmmod waits"; } || return
	[ "$(cat "$WORK/rc")" != 0 ] || why "kvmi could be removed" || return
	loaded kvmi || why "kvmi is gone" || return
	session || return
	hold_stop || why "it has failed" || return
	[ "$(cat "$WORK/hold.out")" = -22 ] || why "HOOK: $(cat "$WORK/hold.out")" || return
	wait_until 20 grep -qx 0 /sys/module/kvmi/refcnt || why "kvmi stays in use" || return
	unload && leftovers && load && session
}

# A killed VMM gives the modules free as well.
free_after_kill() {
	hold_start || return
	kill -KILL "$hold"
	hold_stop
	wait_until 20 grep -qx 0 /sys/module/kvmi/refcnt || why "kvmi stays in use" || return
	wait_until 20 rmmod "$VENDOR" || why "$VENDOR stays in use" || return
	modprobe "$VENDOR" && session
}

vendor_reloaded() {
	for n in 1 2 3; do
		rmmod "$VENDOR" || why "rmmod $VENDOR, round $n" || return
		! session >/dev/null 2>&1 || why "a session without $VENDOR" || return
		modprobe "$VENDOR" || why "modprobe $VENDOR" || return
		session || return
	done
}

before_vendor() {
	unload && rmmod "$VENDOR" || return
	load || why "kvmi needs $VENDOR" || return
	modprobe "$VENDOR" && session
}

# kvm is pinned by the dependency; without it loading fails and leaves nothing.
without_kvm() {
	! rmmod kvm 2>/dev/null || why "kvm could be removed" || return
	unload && rmmod "$VENDOR" && rmmod kvm || return
	! load 2>"$WORK/err" || why "loaded without kvm" || return
	leftovers || return
	modprobe "$VENDOR" && load && session
}

refuses_ftrace_off() {
	[ "$(cat "$FTRACE_ENABLED")" = 1 ] || why "ftrace is off" || return
	! echo 0 2>/dev/null >"$FTRACE_ENABLED" || why "ftrace could be switched off" || return
	[ "$(cat "$FTRACE_ENABLED")" = 1 ] || why "ftrace is off now" || return
	session
}

# Newer kernels do not let anybody switch ftrace off.
ftrace_can_be_off() {
	unload && echo 0 >"$FTRACE_ENABLED"
	rc=$?
	echo 1 >"$FTRACE_ENABLED"
	load && return "$rc"
}

load_ftrace_off() {
	unload || return
	echo 0 >"$FTRACE_ENABLED" || why "ftrace cannot be switched off" || return
	load_refused 'resource busy' 'kvm_vm_ioctl and all other functions: ftrace is switched off' ftrace_enabled
	rc=$?
	echo 1 >"$FTRACE_ENABLED"
	load && session && return "$rc"
}

armed() { awk '!/^#/ && $3 == "armed" { print $1 }' "$DEBUGFS/hooks"; }

# Every hooked function: whoever comes second is refused.
load_livepatched() {
	symbols=$(armed)
	[ -n "$symbols" ] || why "no hook is armed" || return
	unload || return
	for s in $symbols; do
		insmod "$KVMI/modules/kvmi_test_ipmodify.ko" symbol="$s" || why "cannot hold $s" || return
		load_refused 'resource busy' "$s"
		rc=$?
		rmmod kvmi_test_ipmodify || return
		[ "$rc" = 0 ] || break
	done
	load && session && return "$rc"
}

livepatch_refused() {
	for s in $(armed); do
		! insmod "$KVMI/modules/kvmi_test_ipmodify.ko" symbol="$s" 2>"$WORK/err" || why "$s was taken" || return
		grep -q 'resource busy' "$WORK/err" || why "$(cat "$WORK/err")" || return
	done
	session
}

# Tracing the hooked functions, before and after loading, disturbs nobody.
with_tracers() {
	echo 'kvm_vm_*ioctl*' >"$TRACEFS/set_ftrace_filter" || return
	echo function >"$TRACEFS/current_tracer" || return
	echo 'p:kvmi_test kvm_vm_ioctl' >"$TRACEFS/kprobe_events" || return
	echo 1 >"$TRACEFS/events/kprobes/kvmi_test/enable"
	session && unload && load && session
	rc=$?
	traced=$(grep -c 'kvm_vm_ioctl' "$TRACEFS/trace")
	echo 0 >"$TRACEFS/events/kprobes/kvmi_test/enable"
	echo '-:kvmi_test' >"$TRACEFS/kprobe_events"
	echo nop >"$TRACEFS/current_tracer"
	echo >"$TRACEFS/set_ftrace_filter"
	[ "$traced" -gt 0 ] || why "nothing was traced" || return
	session && return "$rc"
}

cap_206() { "$PROGS/guest_load" cap 206; }

legacy_cap() {
	unload && load legacy_cap=1 || return
	[ "$(cat /sys/module/kvmi/parameters/legacy_cap)" = Y ] || why "parameter" || return
	got=$(cap_206)
	session || return
	unload && load || return
	[ "$got" = 1 ] || why "capability 206 is $got with legacy_cap=1" || return
	[ "$(cat /sys/module/kvmi/parameters/legacy_cap)" = N ] || why "parameter"
}

# Without the parameter: free means ours, taken means the kernel's answer.
legacy_cap_off() {
	stock=$(unload && cap_206) || return
	load || return
	case $(modinfo_field "$KVMI/modules/kvmi_test_headers.ko" cap_206) in
	free) want=1 ;;
	taken) want=$stock ;;
	*) why "no answer from the headers" || return ;;
	esac
	got=$(cap_206)
	[ "$got" = "$want" ] || why "capability 206 is $got, not $want"
}

can_be_off=0
! ftrace_can_be_off 2>/dev/null || can_be_off=1
plan $((20 + can_be_off))
check "modinfo fields" modinfo_right
check "status files are there and read-only" status_private
check "parameters are read-only" parameters_read_only
check "loading twice fails" loaded_twice
check "nothing is left over after unloading" unloaded_clean
check "insmod and rmmod under running guests" cycles
check "loading before and unloading after a guest's start" cycles_across
check "nothing can be unloaded while a VM is hooked" busy_while_hooked
check "nor while a VMM sleeps in one of our ioctls" busy_in_ioctl
check "everything can be unloaded after the VMM was killed" free_after_kill
check "the vendor module is reloaded" vendor_reloaded
check "kvmi is loaded before the vendor module" before_vendor
check "loading without kvm fails and leaves nothing" without_kvm
check "ftrace cannot be switched off meanwhile" refuses_ftrace_off
name="loading with ftrace switched off is refused"
if [ $can_be_off = 0 ]; then not_planned "$name"; else check "$name" load_ftrace_off; fi
check "loading beside a livepatch is refused" load_livepatched
check "a livepatch beside kvmi is refused" livepatch_refused
check "tracers of the same functions" with_tracers
check "legacy_cap=1 answers capability 206" legacy_cap
check "capability 206 without legacy_cap" legacy_cap_off
check "a session at the end" session
finish
