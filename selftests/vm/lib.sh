# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=dash
# shellcheck disable=SC2034 # used by the tests
# Common parts of the shell tests, for busybox. Sourced, never run.
#
# A test sets its plan, then calls "check NAME COMMAND..." for each: the
# command is a function that returns 0, or prints why not and returns 1.

KVMI=${KVMI:-/kvmi}
PROGS=$KVMI/kvm
[ -d "$PROGS" ] || PROGS=$KVMI/selftests/kvm
KO=$KVMI/kvmi.ko
DEBUGFS=/sys/kernel/debug/kvmi
TRACEFS=/sys/kernel/tracing
FTRACE_ENABLED=/proc/sys/kernel/ftrace_enabled
FULL=${FULL:-0}
VENDOR=kvm_intel
[ ! -d /sys/module/kvm_amd ] || VENDOR=kvm_amd
WORK=$(mktemp -d)
trap 'rm -rf "$WORK"' EXIT

tests=0
failures=0
guest=
hold=

plan() {
	echo "TAP version 13"
	echo "1..$1"
}

# not_planned NAME: a check that this kernel or machine cannot have; the lab has a list of them.
not_planned() { echo "# not planned: $1"; }

check() {
	check_name=$1
	shift
	tests=$((tests + 1))
	check_start=$(cut -d. -f1 /proc/uptime)
	if "$@" >"$WORK/out" 2>&1; then
		took=$(($(cut -d. -f1 /proc/uptime) - check_start))
		[ "$took" -lt 3 ] || echo "# $took s:"
		echo "ok $tests - $check_name"
	else
		sed 's/^/# /' "$WORK/out"
		echo "not ok $tests - $check_name"
		failures=$((failures + 1))
		restore >/dev/null 2>&1
	fi
}

# After a failure, so that the next test starts as usual.
restore() {
	exec 9>&-
	kill "$guest" "$hold"
	rm -f "$WORK"/hold*
	echo 0 >"$TRACEFS/events/kprobes/enable"
	echo >"$TRACEFS/kprobe_events"
	echo nop >"$TRACEFS/current_tracer"
	echo 1 >"$FTRACE_ENABLED"
	! loaded kvmi_test_ipmodify || rmmod kvmi_test_ipmodify
	! loaded kvmi_test_override || { echo 0 >"$OVERRIDE/wait"; sleep 1; rmmod kvmi_test_override; }
	loaded "$VENDOR" || modprobe "$VENDOR"
	loaded kvmi || load
}

finish() {
	[ "$failures" = 0 ]
	exit
}

# why TEXT...: the reason of a failure.
why() {
	echo "$*"
	return 1
}

# count QUICK FULL
count() {
	if [ "$FULL" = 1 ]; then echo "$2"; else echo "$1"; fi
}

# wait_until SECONDS COMMAND...
wait_until() {
	left=$(($1 * 10))
	shift
	until "$@" >/dev/null 2>&1; do
		left=$((left - 1))
		[ $left -gt 0 ] || return 1
		usleep 100000
	done
}

loaded() { [ -d "/sys/module/$1" ]; }
# shellcheck disable=SC2120 # parameters are optional
load() { insmod "$KO" "$@"; }
unload() { rmmod kvmi; }

# The kernel log since "log_mark".
log_mark() {
	mark="kvmi-test mark $$ $tests $(cut -d' ' -f1 /proc/uptime)"
	echo "$mark" >/dev/kmsg
}

log_since() { dmesg | sed "1,/$mark/d"; }

# log_has TEXT: in the log since the mark.
log_has() {
	log_since | grep -qF "$1" && return 0
	log_since
	why "not in the kernel log: $1"
}

# modinfo_field FILE NAME: all values, one a line.
modinfo_field() { strings -n 5 "$1" | sed -n "s/^$2=//p"; }

# A guest that runs and exits all the time, until guest_stop.
guest_start() {
	"$PROGS/guest_load" 3600 2 >"$WORK/guest" 2>&1 &
	guest=$!
	wait_until 60 grep -q ready "$WORK/guest" || why "the guest does not start"
}

guest_stop() {
	kill -TERM "$guest"
	if ! wait "$guest" || ! grep -q '^exits [1-9]' "$WORK/guest"; then
		cat "$WORK/guest"
		why "the guest has suffered"
	fi
}

# hold_as MODE: "hold" is a hooked VM, "asleep" one that its VMM is about to hook, until hold_stop.
hold_as() {
	mkfifo "$WORK/hold.in"
	"$PROGS/guest_load" "$1" "$WORK/hold" <"$WORK/hold.in" >"$WORK/hold.out" 2>&1 &
	hold=$!
	exec 9>"$WORK/hold.in"
	wait_until 60 test -e "$WORK/hold" || { cat "$WORK/hold.out"; why "cannot hook a VM"; }
}

hold_start() { hold_as hold; }

hold_stop() {
	exec 9>&-
	wait "$hold"
	set -- $?
	rm -f "$WORK/hold" "$WORK/hold.in"
	return "$1"
}

lines() { wc -l <"$WORK/hold.out"; }
more_lines() { [ "$(lines)" -gt "$had" ]; }

# answer REQUEST WANT: of the held VM's session.
answer() {
	had=$(lines)
	echo "$1" >&9
	wait_until 20 more_lines || why "$1: no answer" || return
	got=$(tail -n 1 "$WORK/hold.out")
	[ "$got" = "$2" ] || why "$1: $got, not $2"
}

# session N: hooks a VM, N commands, unhooks.
session() { "$PROGS/guest_load" commands "${1:-3}" || why "no working session"; }

# Functions whose callers something redirects, as ftrace sees it.
hooked_functions() { awk '/\([0-9]+\).* I( |$)/ { print $1 }' "$TRACEFS/enabled_functions"; }

# Nothing of the module is there any more.
leftovers() {
	traces || return
	! hooked_functions | grep -q . || why "a function is still hooked"
}

# The same without looking at functions, which somebody else may have taken.
traces() {
	! loaded kvmi || { why "the module is there"; return; }
	[ ! -e "$DEBUGFS" ] || { why "$DEBUGFS is there"; return; }
	! grep -q '^kvmi' /proc/slabinfo || { why "a slab cache is there"; return; }
	! cat /proc/[0-9]*/comm 2>/dev/null | grep -q '^kvmi' || { why "a thread is there"; return; }
	[ ! -e "$TRACEFS/events/kvmi" ] || why "tracepoints are there"
}

# load_refused ERROR TEXT...: all texts are in one line of the kernel log.
load_refused() {
	error=$1
	shift
	log_mark
	! load 2>"$WORK/err" || why "it was loaded" || return
	grep -qi "$error" "$WORK/err" || why "$(cat "$WORK/err")" || return
	traces || return
	log_since | grep kvmi >"$WORK/log"
	for text; do
		grep -F "$text" "$WORK/log" >"$WORK/log2" || { cat "$WORK/log"; why "log lacks '$text'"; } || return
		mv "$WORK/log2" "$WORK/log"
	done
}

# override SYMBOL[,SYMBOL] PARAMETER...: calls of these functions from kvmi, until "honest".
OVERRIDE=/sys/module/kvmi_test_override/parameters
override() {
	symbols=$1
	shift
	insmod "$KVMI/modules/kvmi_test_override.ko" symbol="$symbols" "$@" || why "cannot override $symbols"
}

# And kvmi has made such a call.
honest() {
	hits=$(cat "$OVERRIDE/hits")
	rmmod kvmi_test_override || return
	[ "$hits" -gt 0 ] || why "kvmi has not called $symbols"
}
