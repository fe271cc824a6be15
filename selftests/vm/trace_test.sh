#!/bin/busybox sh
# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=dash
# shellcheck disable=SC2317 # functions are called by name
# The tracepoints kvmi:kvmi_hook, kvmi_unhook, kvmi_command and kvmi_reply.

# shellcheck source=lib.sh
. "${0%/*}/lib.sh"

EVENTS="kvmi_hook kvmi_unhook kvmi_command kvmi_reply"

trace_on() {
	echo >"$TRACEFS/trace"
	for e in ${1:-$EVENTS}; do
		echo 1 >"$TRACEFS/events/kvmi/$e/enable" || return
	done
}

trace_off() {
	echo 0 >"$TRACEFS/events/kvmi/enable"
	cat "$TRACEFS/trace" >"$WORK/trace"
	echo >"$TRACEFS/trace"
}

# traced EVENT NUMBER [PATTERN]
traced() {
	n=$(grep " $1: " "$WORK/trace" | grep -c -- "${3:-}")
	[ "$n" = "$2" ] || { cat "$WORK/trace"; why "$1: $n lines, not $2"; }
}

events_there() {
	for e in $EVENTS; do
		grep -qx "kvmi:$e" "$TRACEFS/available_events" || why "$e" || return
	done
}

whole_session() {
	trace_on || return
	session 7
	trace_off
	traced kvmi_hook 1 'uuid 6b766d69-0001-4002-8003-040506070809' || return
	traced kvmi_unhook 1 'uuid 6b766d69-0001-4002-8003-040506070809' || return
	traced kvmi_command 7 'id 2 ' || return
	traced kvmi_reply 7 'err 0'
}

# Who it is, and what is told of an error.
error_traced() {
	trace_on && hold_start || return
	answer read -2
	rc=$?
	hold_stop
	trace_off
	traced kvmi_hook 1 "vm $hold .* by $hold$" && traced kvmi_unhook 1 "vm $hold " || return
	traced kvmi_command 1 'id 12 ' && traced kvmi_reply 1 'id 12 .* size 8 err -2$' && return "$rc"
}

only_enabled() {
	trace_on kvmi_reply || return
	session 3
	trace_off
	traced kvmi_reply 3 || return
	traced kvmi_hook 0 && traced kvmi_unhook 0 && traced kvmi_command 0
}

off_again() {
	trace_on && trace_off || return
	session 3
	cat "$TRACEFS/trace" >"$WORK/trace"
	! grep -q 'kvmi_' "$WORK/trace" || why "traced although off"
}

# The module goes while its events are enabled.
unloaded_enabled() {
	trace_on || return
	session 3 && unload && leftovers && load || return
	[ "$(cat "$TRACEFS/events/kvmi/enable")" = 0 ] || why "enabled after loading" || return
	echo >"$TRACEFS/trace"
	whole_session
}

plan 6
check "the events exist" events_there
check "a whole session" whole_session
check "an error, and whose VM it is" error_traced
check "single events" only_enabled
check "nothing when switched off" off_again
check "unloading with events enabled" unloaded_enabled
finish
