#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# The commands of kvmictl that need vCPUs or the whole memory, with the fake kernel.
# shellcheck disable=SC2016 # conditions are evaluated by check()
# shellcheck source-path=SCRIPTDIR source=kvmictl_lib.sh
. "$(dirname "$0")/kvmictl_lib.sh"

t_regs() {
	start_vmm 1 tap-regs
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
	ctl 0 regs --name tap-regs
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
	start_vmm 1 tap-regs
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
	start_vmm 1 tap-translate
	real_proc
	ctl 0 translate --pid "$vmm" 0xffff888000000123
	check '[[ $(<"$tmp/out") == 0x1123 ]]'
	check 'grep -q "^command 29 allow 1$" "$tmp/log"'
	ctl 0 translate --name tap-translate --vcpu 2 --json 0xffff888000001000
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

run_tests "$0"
