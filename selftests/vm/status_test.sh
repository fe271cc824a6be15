#!/bin/busybox sh
# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=dash
# shellcheck disable=SC2317 # functions are called by name
# The status files: what the operator sees of hooks and hooked VMs.

# shellcheck source=lib.sh
. "${0%/*}/lib.sh"

# header FILE NAME...: the first line, and as many cells in all others.
header() {
	file=$DEBUGFS/$1
	shift
	sed -n '1s/^# *//p' "$file" | tr '\t' '\n' >"$WORK/names"
	for n; do echo "$n"; done >"$WORK/want"
	cmp -s "$WORK/names" "$WORK/want" || { cat "$WORK/names"; why "columns of $file"; } || return
	awk -F '\t' -v n=$# 'NR > 1 && NF != n { print; bad = 1 } END { exit bad }' "$file"
}

hooks_columns() { header hooks symbol module state hits carries without_it; }

vms_columns() {
	hold_start || return
	header vms pid uuid owner state vcpus allowed_commands allowed_events \
		commands replies events errors
	rc=$?
	hold_stop
	return "$rc"
}

hooks_lines() {
	awk -F '\t' '!/^#/ && $3 !~ /^(armed|idle|missing|failed)$/ { print; bad = 1 } END { exit bad }' "$DEBUGFS/hooks" ||
		why "a state" || return
	awk -F '\t' '!/^#/ && ($5 == "" || $6 == "") { print; bad = 1 } END { exit bad }' "$DEBUGFS/hooks" ||
		why "an explanation" || return
	for s in kvm_vm_ioctl kvm_vm_ioctl_check_extension_generic; do
		[ "$(hook_cell "$s" 3)" = armed ] || why "$s is not armed" || return
	done
	# What is called armed is really hooked, and the other way round.
	awk -F '\t' '!/^#/ && $3 == "armed" { print $1 }' "$DEBUGFS/hooks" | sort >"$WORK/armed"
	hooked_functions | sort >"$WORK/really"
	cmp "$WORK/armed" "$WORK/really"
}

hook_cell() { awk -F '\t' -v s="$1" -v c="$2" '$1 == s { print $c }' "$DEBUGFS/hooks"; }

# hits_rise SYMBOL HITS COMMAND...: so many, as nobody else makes such a call meanwhile.
hits_rise() {
	sym=$1 want=$2
	shift 2
	was=$(hook_cell "$sym" 4)
	"$@" >/dev/null || return
	now=$(hook_cell "$sym" 4)
	[ $((now - was)) = "$want" ] || why "hits of $sym: $was, then $now, not $want more"
}

# HOOK and UNHOOK are all requests of a session.
ioctl_hits() { hits_rise kvm_vm_ioctl 2 session; }

# Other capabilities are KVM's.
cap_hits() {
	hits_rise kvm_vm_ioctl_check_extension_generic 1 "$PROGS/guest_load" cap 0x4b564d49 || return
	hits_rise kvm_vm_ioctl_check_extension_generic 0 "$PROGS/guest_load" cap 3
}

# Guests that nobody introspects do not pass through our code at all.
no_hits() {
	awk -F '\t' '!/^#/ { print $1, $4 }' "$DEBUGFS/hooks" >"$WORK/before"
	"$PROGS/guest_load" 2 2 >/dev/null || return
	awk -F '\t' '!/^#/ { print $1, $4 }' "$DEBUGFS/hooks" >"$WORK/after"
	cmp "$WORK/before" "$WORK/after"
}

vm_cell() { awk -F '\t' -v p="$hold" -v c="$1" '$1 == p { print $c }' "$DEBUGFS/vms"; }

# cell NUMBER WANT NAME
cell() {
	[ "$(vm_cell "$1")" = "$2" ] || { cat "$DEBUGFS/vms"; why "$3 is '$(vm_cell "$1")', not '$2'"; }
}

# The held VM has one vCPU, its tool may do everything, and sent one command.
vm_line() {
	[ "$(grep -vc '^#' "$DEBUGFS/vms")" = 0 ] || why "a VM is listed" || return
	hold_start || return
	vm_cells
	rc=$?
	hold_stop
	[ "$rc" = 0 ] || return
	wait_until 20 vms_empty || why "still listed"
}

vms_empty() { ! grep -qv '^#' "$DEBUGFS/vms"; }

vm_cells() {
	cell 2 6b766d69-0001-4002-8003-040506070809 uuid || return
	cell 3 vmm owner || return
	cell 4 connected state || return
	cell 5 1 vcpus || return
	cell 6 3fffffff allowed_commands || return
	cell 7 000fffff allowed_events || return
	cell 8 1 commands || return
	cell 9 1 replies || return
	cell 10 0 events || return
	cell 11 0 errors
}

# One log line per hook and unhook: who, whose VM, uuid.
log_lines() {
	log_mark
	hold_start || return
	pid=$hold
	hold_stop
	wait_until 20 vms_empty || why "still listed" || return
	log_since | grep -i kvmi | grep 6b766d69-0001-4002-8003-040506070809 >"$WORK/log"
	[ "$(grep -cw "pid $pid" "$WORK/log")" = 2 ] || { log_since; why "not two lines with pid and uuid"; } || return
	for word in hook unhook; do
		[ "$(grep -c "kvmi: $word VM" "$WORK/log")" = 1 ] || { cat "$WORK/log"; why "not one line '$word'"; } || return
	done
}

plan 8
check "columns of hooks" hooks_columns
check "lines of hooks, and what ftrace says" hooks_lines
check "a session is counted in hits" ioctl_hits
check "a question for the capability is counted in hits" cap_hits
check "guests without a session are not counted" no_hits
check "columns of vms" vms_columns
check "the line of a VM" vm_line
check "one log line per hook and unhook" log_lines
finish
