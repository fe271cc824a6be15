#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# The commands of kvmictl that need vCPUs or the whole memory, with the fake kernel.
# shellcheck disable=SC2016 # conditions are evaluated by check()
# shellcheck source-path=SCRIPTDIR source=kvmictl_lib.sh
. "$(dirname "$0")/kvmictl_lib.sh"
# Others may run these tests at the same time.
name=tap-vcpu-$$

t_regs() {
	start_vmm 1 "$name"
	real_proc
	ctl 0 regs --pid "$vmm" --vcpu 0
	check 'grep -qx "vCPU 0: 64-bit mode, 4-level paging" "$tmp/out"'
	check 'grep -q "^  rax       1111111100000000  rbx       1111111100000001  rcx" "$tmp/out"'
	check 'grep -q "  rip       ffffffff81000000  rflags    0000000000000246$" "$tmp/out"'
	check 'grep -q "  efer      0000000000000d01" "$tmp/out"'
	check 'grep -Eq "^  cs        0010      0000000000000000  ffffffff    11    0  p s l g$" "$tmp/out"'
	check 'grep -Eq "^  fs .* unusable$" "$tmp/out"'
	check 'grep -Eq "^  idt +fffffe0000000000  00000fff$" "$tmp/out"'
	check '[[ ! -s $tmp/err ]]'
	# Least privilege
	check '[[ $(grep -c "^command" "$tmp/log") == 2 ]]'
	check 'grep -q "^command 7 allow 1$" "$tmp/log"'
	check '! grep -q "^event" "$tmp/log"'
	ctl 0 regs --name "$name"
	check '[[ $(grep -c "^vCPU" "$tmp/out") == 3 ]]'
	check 'grep -qx "vCPU 1: 32-bit protected mode, PAE paging" "$tmp/out"'
	check 'grep -qx "vCPU 2: real mode, no paging" "$tmp/out"'
	ctl 0 regs --pid "$vmm" --vcpu all --json --msr 0xc0000082,0x174
	check 'json "[v[\"vcpu\"] for v in d[\"vcpus\"]] == [0, 1, 2] and
		[v[\"operand_bytes\"] for v in d[\"vcpus\"]] == [8, 4, 2]"'
	check 'json "d[\"pid\"] == $vmm and d[\"vcpus\"][1][\"mode\"] ==
		\"32-bit protected mode\""'
	check 'json "d[\"vcpus\"][0][\"general\"][\"r15\"] ==
		\"0x111111110000000f\" and
		len(d[\"vcpus\"][0][\"general\"]) == 18"'
	check 'json "d[\"vcpus\"][0][\"control\"][\"cr3\"] == \"0x1aa000\" and
		d[\"vcpus\"][0][\"segments\"][\"cs\"][\"l\"] is True and
		d[\"vcpus\"][0][\"tables\"][\"idt\"][\"limit\"] == \"0xfff\""'
	check 'json "d[\"vcpus\"][2][\"msrs\"] == [
		{\"index\": \"0xc0000082\", \"value\": \"0xc0000082c0000082\"},
		{\"index\": \"0x174\", \"value\": \"0x17400000174\"}]"'
}

t_regs_errors() {
	start_vmm 1 "$name"
	real_proc
	# One bad MSR does not hide the others.
	ctl 1 regs --pid "$vmm" --vcpu 0 --msr 0x174,0x999
	check 'grep -q "^  msr       00000174  0000017400000174$" "$tmp/out"'
	check 'grep -q "^  msr       00000999  cannot be read$" "$tmp/out"'
	check 'grep -q "MSR 0x999 cannot be read" "$tmp/err"'
	ctl 1 regs --pid "$vmm" --vcpu 0 --msr 0x999 --json
	check 'json "d[\"vcpus\"][0][\"msrs\"] ==
		[{\"index\": \"0x999\", \"value\": None}]"'
	FAKE_UNSTARTED=2 ctl 0 regs --pid "$vmm"
	check '[[ $(grep -c "^vCPU" "$tmp/out") == 2 ]]'
	check 'grep -q "vCPU 1 is not started" "$tmp/err"'
	FAKE_UNSTARTED=2 ctl 0 regs --pid "$vmm" --json
	check 'json "[v[\"started\"] for v in d[\"vcpus\"]] ==
		[True, False, True]"'
	FAKE_UNSTARTED=2 ctl 1 regs --pid "$vmm" --vcpu 1
	ctl 1 regs --pid "$vmm" --vcpu 3
	check 'grep -q "no vCPU 3: the VM has 3" "$tmp/err"'
	FAKE_OLD=1 ctl 1 regs --pid "$vmm"
	check 'grep -q "KVMI_VCPU_GET_REGISTERS.*ENOSYS" "$tmp/err"'
	check 'grep -q "try: kvmictl version shows" "$tmp/err"'
	ctl 2 regs --pid "$vmm" --vcpu -1
	ctl 2 regs --pid "$vmm" --vcpu some
	ctl 2 regs --pid "$vmm" --msr 0x174,
	ctl 2 regs --pid "$vmm" --msr 0x100000000
	ctl 2 regs --pid "$vmm" --msr "$(seq -s, 482)"
	ctl 2 regs --pid "$vmm" operand
	ctl 2 regs
}

t_translate() {
	start_vmm 1 "$name"
	real_proc
	ctl 0 translate --pid "$vmm" 0xffff888000000123
	check '[[ $(<"$tmp/out") == 0x1123 ]]'
	check 'grep -q "^command 29 allow 1$" "$tmp/log"'
	ctl 0 translate --name "$name" --vcpu 2 --json 0xffff888000001000
	check 'json "d == {\"pid\": $vmm, \"vm\": 0, \"vcpu\": 2,
		\"gva\": \"0xffff888000001000\", \"gpa\": \"0x0\"}"'
	ctl 1 translate --pid "$vmm" 0x1000
	check '[[ ! -s $tmp/out ]]'
	check 'grep -q "vCPU 0 has no mapping for 0x1000" "$tmp/err"'
	ctl 1 translate --pid "$vmm" --json 4096
	check 'json "d[\"gpa\"] is None and d[\"gva\"] == \"0x1000\""'
	FAKE_UNSTARTED=1 ctl 1 translate --pid "$vmm" 0
	check 'grep -q "EAGAIN" "$tmp/err"'
	check 'grep -q "has started this vCPU" "$tmp/err"'
	FAKE_OLD=1 ctl 1 translate --pid "$vmm" 0
	check 'grep -q "ENOSYS" "$tmp/err"'
	ctl 1 translate --pid "$vmm" --vcpu 9 0
	ctl 2 translate --pid "$vmm"
	ctl 2 translate --pid "$vmm" 1 2
	ctl 2 translate --pid "$vmm" 0xg
	ctl 2 translate --pid "$vmm" --vcpu all 1
}

# ------------------------------------------------------------------- dump

# is_dump FILE START LENGTH: just what the fake kernel has
is_dump() {
	python3 -c '
import sys
start, length = int(sys.argv[2], 0), int(sys.argv[3], 0)
def byte(a):
    if a >= 4 << 20 or 0x100000 <= a < 0x102000 or 0x300000 <= a < 0x303000:
        return 0
    return (a * 7 + (a >> 12) * 13) & 255
d = open(sys.argv[1], "rb").read()
sys.exit(d != bytes(byte(a) for a in range(start, start + length)))' "$@"
}

t_dump() {
	start_vmm 1 "$name"
	real_proc
	ctl 0 dump --pid "$vmm" -o "$tmp/d1"
	check 'diff - "$tmp/out" <<-E
	$tmp/d1: 0x400000 bytes from 0x0
	read   4088 KiB, 12 KiB of them zeros
	hole   0x100000 to 0x101fff (ENOENT)
	E'
	check '[[ ! -s $tmp/err && $(stat -c %a "$tmp/d1") == 600 ]]'
	check 'is_dump "$tmp/d1" 0 0x400000'
	check '(($(stat -c %b "$tmp/d1") * 512 <= 4076 * 1024))'
	check '[[ $(grep "^command" "$tmp/log") == "command 12 allow 1" ]]'
	check '! grep -q "^event" "$tmp/log"'
	# Neither the start nor the end at a page; the end is as asked for.
	ctl 0 dump --name "$name" --json --start 0xff801 --length 0x2ffff "$tmp/d2"
	check 'is_dump "$tmp/d2" 0xff801 0x2ffff'
	check 'json "d == {\"pid\": $vmm, \"vm\": 0, \"file\": \"$tmp/d2\",
		\"complete\": True, \"start\": \"0xff801\", \"length\": 0x2ffff,
		\"read\": 0x2dfff, \"zero\": 0, \"holes\": [{\"start\":
		\"0x100000\", \"length\": 0x2000, \"error\": \"ENOENT\"}]}"'
	ctl 0 dump --pid "$vmm" --json --start 3M --length 2M --output "$tmp/d3"
	check 'is_dump "$tmp/d3" 0x300000 0x200000'
	check 'json "d[\"zero\"] == 0x3000 and d[\"read\"] == 1 << 20 and
		[(h[\"start\"], h[\"length\"]) for h in d[\"holes\"]] ==
		[(\"0x400000\", 1 << 20)]"'
	# On a terminal, and there only, it says how far it is.
	python3 -c '
import pty, sys
sys.exit(pty.spawn(sys.argv[1:]) != 0)' "$ctl" dump --pid "$vmm" "$tmp/d4" \
		>"$tmp/out" 2>&1 </dev/null
	check "[[ $? == 0 ]]"
	check 'grep -q "%  1 of 64 MiB" "$tmp/out"'
}

t_dump_errors() {
	start_vmm 1 "$name"
	real_proc
	echo old >"$tmp/old"
	ctl 1 dump --pid "$vmm" "$tmp/old"
	check 'grep -q "cannot create .*exists" "$tmp/err"'
	check '[[ $(<"$tmp/old") == old && ! -s $tmp/out ]]'
	ln -s "$tmp/elsewhere" "$tmp/link"
	ctl 1 dump --pid "$vmm" "$tmp/link"
	check '[[ ! -e $tmp/elsewhere ]]'
	ctl 1 dump --pid "$vmm" --start 0x100000 --length 0x2000 "$tmp/e1"
	check 'grep -q "no memory was read" "$tmp/err" && [[ ! -e $tmp/e1 ]]'
	FAKE_DEAF=1 ctl 1 dump --pid "$vmm" --json "$tmp/e1"
	check 'grep -q "connection closed" "$tmp/err" && [[ ! -e $tmp/e1 ]]'
	check 'json "d[\"complete\"] is False and d[\"length\"] == 0"'
	FAKE_PRIVATE=0x8000 ctl 1 dump --pid "$vmm" "$tmp/e2"
	check 'grep -q "^hole   0x8000 to 0x8fff (EOPNOTSUPP)$" "$tmp/out"'
	check 'grep -q "was refused" "$tmp/err"'
	(trap "" XFSZ; ulimit -f 512; ctl 1 dump --pid "$vmm" "$tmp/e3"
	 check 'grep -q "cannot write the file" "$tmp/err"'
	 check 'grep -q "e3 is incomplete" "$tmp/err"'
	 ((!failed))) || failed=1
	ctl 1 dump --pid "$vmm" --start 64M "$tmp/e4"
	check 'grep -q "behind the memory" "$tmp/err" && [[ ! -e $tmp/e4 ]]'
	ctl 2 dump --pid "$vmm"
	ctl 2 dump --pid "$vmm" -o "$tmp/e4" "$tmp/e5"
	ctl 2 dump --pid "$vmm" -o
	check 'grep -q "needs a value" "$tmp/err"'
	ctl 2 dump --pid "$vmm" ""
	ctl 2 dump --pid "$vmm" --length 0 "$tmp/e4"
	ctl 2 dump --pid "$vmm" --start x "$tmp/e4"
	ctl 2 dump --pid "$vmm" --start 0xffffffffffffffff --length 2 "$tmp/e4"
	check '[[ ! -e $tmp/e4 ]]'
	vm_memory=much start_vmm 1 "$name"
	real_proc
	ctl 1 dump --pid "$vmm" "$tmp/e4"
	check 'grep -q "try: give --length" "$tmp/err"'
	ctl 0 dump --pid "$vmm" --length 1M "$tmp/e4"
}

# ------------------------------------------------------- pause and resume

# The process that the record names
holder() { sed -n 's/^holder //p' "$root/run/kvmictl/$vmm-0" 2>/dev/null; }
# wait_until 'CONDITION': up to 5 seconds
wait_until() {
	local i
	for ((i = 0; i < 100; i++)); do
		eval "$1" && return
		sleep 0.05
	done
	return 1
}
gone() { [[ ! -e /proc/$1 || $(cut -d' ' -f3 "/proc/$1/stat" 2>/dev/null) == Z ]]; }
answers() { grep -c '^answer' "$tmp/log"; }

t_pause_resume() {
	local h
	start_vmm 1 "$name"
	real_proc
	ctl 1 resume --pid "$vmm"
	check 'grep -q "is not paused by kvmictl" "$tmp/err"'
	exec 9>"$tmp/inherited"
	ctl 0 pause --pid "$vmm"
	exec 9>&-
	h=$(holder)
	check 'diff - "$tmp/out" <<-E
	process $vmm, VM 0: held by process $h
	paused       vCPU 0-2
	E'
	check '[[ ! -s $tmp/err && $(stat -c %a "$root/run/kvmictl") == 700 ]]'
	check '! gone "$h" && [[ $(answers) == 0 ]]'
	check 'grep -q "tool:$h" "$FAKE_VMS"'
	# A session of its own, without a terminal or anything of the caller's.
	check '[[ $(cut -d" " -f6 "/proc/$h/stat") == "$h" ]]'
	check '[[ $(readlink /proc/"$h"/fd/{0,1,2} | sort -u) == /dev/null ]]'
	check '[[ $(readlink "/proc/$h/cwd") == / ]]'
	check '! readlink /proc/"$h"/fd/* | grep -q "^pipe\|$tmp"'
	check 'grep -q "^command 16 allow 1$" "$tmp/log"'
	check '[[ $(grep "^event" "$tmp/log") == "event 1 allow 1" ]]'
	ctl 1 pause --pid "$vmm"
	check 'grep -q "paused already, held by process $h" "$tmp/err"'
	check 'grep -q "kvmictl resume --pid $vmm" "$tmp/err"'
	FAKE_ERRNO=17 ctl 1 read --pid "$vmm" 0 1
	check 'grep -q "try: kvmictl resume --pid $vmm" "$tmp/err"'
	check '! gone "$h"'
	ctl 0 resume --name "$name"
	check 'gone "$h" && [[ ! -e $root/run/kvmictl/$vmm-0 ]]'
	check '[[ $(grep "^answer" "$tmp/log") == "$(printf \
		"answer vcpu %d event 1 action 0\n" 0 1 2)" ]]'
	check '[[ $(wc -l <"$FAKE_VMS") == 1 ]]'
	ctl 1 resume --pid "$vmm"
	ctl 0 pause --pid "$vmm" --json
	check 'json "d == {\"pid\": $vmm, \"vm\": 0, \"holder\": $(holder),
		\"paused\": [0, 1, 2], \"pending\": [], \"not_started\": []}"'
	ctl 0 resume --pid "$vmm" --json
	check 'json "d[\"resumed\"] is True"'
}

t_pause_pending() {
	start_vmm 1 "$name"
	real_proc
	export FAKE_VCPUS=6 FAKE_OUTSIDE=2 FAKE_UNSTARTED=0x28 FAKE_RUN=$tmp/go
	ctl 0 pause --pid "$vmm" --timeout 0
	ctl 0 resume --pid "$vmm"
	: >"$tmp/log"
	SECONDS=0
	ctl 0 pause --pid "$vmm" --timeout 1
	check '((SECONDS < 4))'
	check 'grep -qx "paused       vCPU 0,2,4" "$tmp/out"'
	check 'grep -q "^pending      vCPU 1: not run by the VMM now" "$tmp/out"'
	check 'grep -q "^not started  vCPU 3,5: skipped" "$tmp/out"'
	check '[[ ! -s $tmp/err ]]'
	# It pauses when it is run, and goes on with the others.
	touch "$tmp/go"
	sleep 0.3
	check '[[ $(answers) == 0 ]]'
	ctl 0 resume --pid "$vmm"
	check '[[ $(answers) == 4 ]]'
	rm "$tmp/go"
	# All there or not started: nothing to wait for.
	SECONDS=0
	FAKE_OUTSIDE=0 ctl 0 pause --pid "$vmm" --json --timeout 60
	check '((SECONDS < 10))'
	check 'json "d[\"paused\"] == [0, 1, 2, 4] and d[\"pending\"] == [] and
		d[\"not_started\"] == [3, 5]"'
	ctl 0 resume --pid "$vmm"
}

t_pause_many() {
	start_vmm 1 "$name"
	real_proc
	export FAKE_VCPUS=1200
	ctl 0 pause --pid "$vmm" --timeout 60
	check 'grep -qx "paused       vCPU 0-1199" "$tmp/out"'
	ctl 0 resume --pid "$vmm"
	check '[[ $(answers) == 1200 ]]'
}

t_pause_holder_dies() {
	local h other
	start_vmm 1 "$name"
	real_proc
	ctl 0 pause --pid "$vmm"
	h=$(holder)
	kill -9 "$h"
	wait_until 'gone "$h"'
	ctl 1 resume --pid "$vmm"
	check 'grep -q "is not paused by kvmictl" "$tmp/err"'
	check '[[ ! -e $root/run/kvmictl/$vmm-0 ]]'
	ctl 0 pause --pid "$vmm"
	# A stopped one leaves as well.
	h=$(holder)
	kill -STOP "$h"
	SECONDS=0
	ctl 0 resume --pid "$vmm"
	check '((SECONDS < 4)) && gone "$h"'
	# Its id means another process by now, which is left alone.
	ctl 0 pause --pid "$vmm"
	h=$(holder)
	kill -9 "$h"
	wait_until 'gone "$h"'
	sleep 60 &
	other=$!
	sed -i "s/^holder .*/holder $other/" "$root/run/kvmictl/$vmm-0"
	ctl 1 resume --pid "$vmm"
	check '! gone $other'
	ctl 0 pause --pid "$vmm"
	# So does that of the VMM.
	sed -i "s/^vmm_start .*/vmm_start 1/" "$root/run/kvmictl/$vmm-0"
	h=$(holder)
	ctl 1 resume --pid "$vmm"
	check '! gone "$h"'
	kill "$h"
	kill $other
	wait $other 2>/dev/null
	wait_until 'gone "$h"'
	# The kernel ends the session: so ends the holder.
	export FAKE_END=$tmp/end
	ctl 0 pause --pid "$vmm"
	h=$(holder)
	touch "$tmp/end"
	check 'wait_until "gone $h" && [[ ! -e $root/run/kvmictl/$vmm-0 ]]'
	rm "$tmp/end"
	# So does the death of the VMM.
	ctl 0 pause --pid "$vmm"
	h=$(holder)
	end_vmm
	check 'wait_until "gone $h"'
	check '[[ ! $(ls "$root/run/kvmictl") ]]'
}

t_pause_foreground() {
	local p s
	start_vmm 1 "$name"
	real_proc
	for s in INT TERM; do
		: >"$tmp/log"
		: >"$tmp/out"
		"$ctl" pause --pid "$vmm" --foreground >"$tmp/out" 2>"$tmp/err" &
		p=$!
		check 'wait_until "[[ -s $tmp/out ]]"'
		check '[[ $(holder) == "$p" ]]'
		kill -$s $p
		wait $p
		check "[[ $? == 0 ]]"
		check '[[ $(answers) == 3 && ! -s $tmp/err ]]'
		check '[[ ! -e $root/run/kvmictl/$vmm-0 ]]'
	done
	: >"$tmp/fg"
	"$ctl" pause --pid "$vmm" --foreground >"$tmp/fg" 2>&1 &
	p=$!
	check 'wait_until "[[ -s $tmp/fg ]]"'
	ctl 0 resume --pid "$vmm"
	wait $p
	check "[[ $? == 0 ]]"
	# Interrupted before all have stopped: nothing is left behind.
	FAKE_OUTSIDE=1 "$ctl" pause --pid "$vmm" --foreground --timeout 60 \
		>"$tmp/out" 2>"$tmp/err" &
	p=$!
	check 'wait_until "[[ \$(holder) ]]"'
	kill $p
	wait $p
	check "[[ $? == 1 ]]"
	check 'grep -q "interrupted" "$tmp/err" && [[ ! -s $tmp/out ]]'
	check '[[ ! -e $root/run/kvmictl/$vmm-0 ]]'
}

t_pause_errors() {
	start_vmm 1 "$name"
	real_proc
	FAKE_OLD=1 ctl 1 pause --pid "$vmm"
	check 'grep -q "KVMI_VM_PAUSE_VCPU.*ENOSYS" "$tmp/err"'
	check 'grep -q "try: kvmictl version" "$tmp/err"'
	check '[[ ! -s $tmp/out && -z $(holder) && $(answers) == 0 ]]'
	FAKE_ERRNO=17 ctl 1 pause --pid "$vmm"
	check 'grep -q "introspected already" "$tmp/err"'
	FAKE_DEAF=1 ctl 1 pause --pid "$vmm"
	# The result cannot be told: then it is not paused.
	"$ctl" pause --pid "$vmm" >/dev/full 2>"$tmp/err"
	check "[[ $? == 1 ]]"
	check 'grep -q "cannot write the output" "$tmp/err" && [[ ! $(holder) ]]'
	chmod 755 "$root/run/kvmictl"
	ctl 1 pause --pid "$vmm"
	check 'grep -q "open to others" "$tmp/err"'
	ctl 1 resume --pid "$vmm"
	rm -r "$root/run"
	ctl 1 pause --pid "$vmm"
	ctl 4 pause --pid $$
	ctl 2 pause --pid "$vmm" --timeout -1
	ctl 2 pause --pid "$vmm" --timeout
	ctl 2 pause --pid "$vmm" operand
	ctl 2 pause
	ctl 2 resume --pid "$vmm" operand
	ctl 2 resume --pid "$vmm" --foreground
	ctl 2 resume
}

# ---------------------------------------------------------- documentation

# The program of docs/examples.md runs, and its shell lines are no nonsense.
t_examples() {
	local doc c
	doc=$(dirname "$0")/../../docs/examples.md
	start_vmm 1 "$name"
	real_proc
	"$out/example" "$vmm" >"$tmp/out" 2>"$tmp/err"
	check "[[ $? == 0 ]]"
	check 'grep -qx "rip 0xffffffff81000000: not mapped" "$tmp/out"'
	check '[[ $(grep "^answer" "$tmp/log") == "answer vcpu 0 event 1 action 0" ]]'
	"$out/example" $$ >"$tmp/out" 2>"$tmp/err"
	check "[[ $? == 1 ]]"
	check 'grep -q "has no VM" "$tmp/err"'
	awk '/^```/ { on = $0 == "```sh"; next } on' "$doc" >"$tmp/lines"
	check 'bash -n "$tmp/lines"'
	check '(($(wc -l <"$tmp/lines") > 10))'
	while read -r _ c; do
		ctl 0 "$c" --help
	done < <(grep -o "kvmictl [a-z]*" "$tmp/lines" | sort -u)
	while read -r c; do
		check 'grep -q "Fl .*${c#-}" "${doc%docs/*}man/kvmictl.8"'
	done < <(grep -oE -- "--[a-z]+" "$tmp/lines" | sort -u)
}

# complete WORD...: what is offered for the last one
complete_words() {
	COMP_WORDS=(kvmictl "$@")
	COMP_CWORD=$#
	_kvmictl
	printf '%s\n' "${COMPREPLY[@]}" >"$tmp/out"
}

t_completion() {
	# shellcheck disable=SC2317 # the completion calls it
	kvmictl() { "$ctl" "$@"; }
	# shellcheck source=/dev/null
	. "$(dirname "$0")/../../packaging/kvmictl.bash-completion"
	complete_words re
	check '[[ $(xargs <"$tmp/out") == "read regs resume" ]]'
	complete_words pause --
	check '[[ $(xargs <"$tmp/out") == \
		"--foreground --json --name --pid --timeout --vm" ]]'
	complete_words regs --vcpu ""
	check '[[ $(<"$tmp/out") == all ]]'
	touch "$tmp/some file"
	complete_words dump --pid 1 "$tmp/so"
	check '[[ $(<"$tmp/out") == "$tmp/some file" ]]'
	complete_words dump -o "$tmp/so"
	check '[[ $(<"$tmp/out") == "$tmp/some file" ]]'
	complete_words dump --st
	check '[[ $(<"$tmp/out") == --start ]]'
	complete_words regs --msr 0x1
	check '[[ ! $(<"$tmp/out") ]]'
	unset -f kvmictl
}

run_tests "$0"
