#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Writes the hand-made seeds of the fuzzer to a directory: generate.sh DIR
# The format is described in fuzz.c. Little endian, as the machines are.
set -eu
cd "$1"

le() { # bytes value
	local i byte hex=
	for ((i = 0; i < $1; i++)); do
		printf -v byte '\\x%02x' $((($2 >> (8 * i)) & 255))
		hex+=$byte
	done
	printf '%b' "$hex"
}

fill() { # count byte
	local octal
	printf -v octal '\\%03o' "$2"
	head -c "$1" /dev/zero | tr '\0' "$octal"
}

setup() { # commands events vcpus vm-error good-sends flags
	le 4 "$1"; le 4 "$2"; le 1 "$3"; le 1 "$4"; le 1 "$5"; le 1 "$6"
}

msg() { # id seq payload-size action-before
	le 1 "${4:-0}"; le 2 "$1"; le 2 "$3"; le 4 "$2"
}

# Actions of fuzz_vcpu.c, for vCPU n; with 0x80 added, another one follows.
run=1 enter=0x21 close=2 ready=3 delivered=4 more=0x80

vcpu() { # id seq payload-size index action-before
	msg "$1" "$2" "$3" "${5:-0}"; le 2 "$4"; fill 6 0
}

pause() { # seq index action-before
	msg 16 "$1" 8 "${3:-0}"; le 2 "$2"; fill 6 0
}

reply() { # seq index action action-before
	vcpu 1 "$1" 16 "$2" "${4:-0}"; le 1 "$3"; fill 7 0
}

inject() { # seq index nr action-before
	vcpu 15 "$1" 24 "$2" "${4:-0}"; le 1 "$3"; fill 3 0; le 4 0x1234; le 8 0x5678
}

check() { # id seq subject
	msg "$1" "$2" 8; le 2 "$3"; fill 6 0
}

physical() { # id seq gpa size payload-size
	msg "$1" "$2" "$5"; le 8 "$3"; le 2 "$4"; fill 6 0
}

all() { setup 0x3fffffff 0xfffff 4 0 255 "${1:-0}"; }
none() { setup 0 0 1 0 255 0; }

{ none; msg 2 1 0; msg 8 2 0; check 4 3 2; check 4 4 8; check 6 5 0; } >seed-none
{ all; msg 2 1 0; msg 8 2 0; check 4 3 14; check 6 4 0; } >seed-all
{ all; check 4 1 16; check 4 2 30; check 6 3 2; msg 0 4 0; msg 1 5 8; fill 8 0
	msg 65535 6 0; } >seed-unknown
{ all; physical 12 1 0x1000 16 16; physical 12 2 0x1fff 1 16
	physical 12 3 0x2000 4096 16; physical 12 4 0x2ff1 16 16
	physical 12 5 0 0 16; physical 12 6 0 4097 16; } >seed-read
{ all; physical 14 1 0x2000 4 20; fill 4 0x41; physical 14 2 0x2ffe 4 20
	fill 4 0x42; physical 14 3 0x4000 0 16; } >seed-write
{ all; physical 14 1 0x2000 64 80; fill 64 0x43; physical 14 2 0 64 79
	fill 63 0x44; } >seed-write-close
{ all; physical 14 1 0x3000 4096 4112; fill 4096 0x45; } >seed-write-page
{ setup 0x3fffffff 0 1 1 255 0; physical 12 1 0x1000 8 16
	physical 12 2 0x2000 8 16; physical 14 3 0x3000 2 18; fill 2 1; } >seed-vm-error
{ all 1; msg 10 1 8; le 4 0x10000; fill 4 0; msg 2 2 0; msg 10 3 8; fill 8 0
	msg 2 4 0; } >seed-unhook
{ setup 0x3fffffff 0xffffe 1 0 255 1; msg 10 1 8; le 4 0x10000; fill 4 0
	msg 10 2 8; le 4 0x20000; fill 4 0; } >seed-unhook-denied
{ all 2; msg 8 1 0; msg 8 2 0; msg 8 3 0; msg 10 4 8; le 4 0x10000; fill 4 0
	msg 10 5 8; le 4 0; fill 4 0; } >seed-permissions-change
{ all; msg 18 1 8; fill 8 0; msg 18 2 1; le 1 1; msg 18 3 1; le 1 2
	msg 18 4 8; le 1 1; fill 6 0; le 1 1; } >seed-cleanup
{ all; msg 4 1 8; le 2 2; le 2 1; le 4 0; msg 6 2 8; fill 7 0; le 1 1
	msg 10 3 4; le 3 0x10000; le 1 1; } >seed-padding
{ all; msg 2 1 8184; fill 8184 0xff; msg 18 2 0; } >seed-long
{ all; msg 2 1 8185; fill 16 0; } >seed-too-large
{ all; msg 4 1 2; le 2 2; msg 6 2 0; msg 10 3 0; msg 12 4 9; le 8 0; le 1 8
	msg 14 5 15; fill 15 0; } >seed-short
{ all; msg 2 1 0; msg 12 2 16; fill 9 0; } >seed-cut
{ setup 0x3fffffff 0xfffff 1 0 1 1; msg 2 1 0; msg 10 2 8; le 4 0x10000
	fill 4 0; } >seed-send-fails
# The order of errors of CHECK_EVENT, where both bits differ from each other.
{ setup 0x1 0x4 1 0 255 0; check 6 1 0; check 6 2 2; check 6 3 4; } >seed-check-event
{ setup 0x3ffffffe 0x1 1 0 255 0; check 6 1 0; check 6 2 2; msg 4 3 8; le 4 2
	le 4 1; msg 6 4 8; le 4 0; le 4 0x1000000; } >seed-check-padding

# vCPUs: each command on its own and all at once, while an event waits.
commands() { # action-before-each
	vcpu 3 1 8 0 "$1"; vcpu 5 2 16 0 "$1"; le 4 0x10009; fill 4 0
	vcpu 7 3 28 0 "$1"; le 8 3; le 4 7; le 4 0x174; le 4 0x277
	vcpu 9 4 152 0 "$1"; fill 144 0x11; vcpu 11 5 16 0 "$1"; le 8 1
	inject 6 0 14 "$1"; vcpu 17 7 16 0 "$1"; fill 8 0
	vcpu 19 8 8 0 "$1"; vcpu 21 9 4104 0 "$1"; fill 4096 0x22
	vcpu 23 10 16 0 "$1"; le 8 0x9f000; vcpu 29 11 16 0 "$1"; le 8 0x1234
}
{ all; commands $run; le 1 $run; } >seed-vcpu-commands
{ all; commands 0; le 1 $enter; } >seed-vcpu-queue
{ all; pause 1 0; le 1 $enter; } >seed-vcpu-pause
{ all; pause 1 0; msg 2 1 0 $enter; commands $run; reply 1 0 0 $run
	reply 2 0 2 $enter; le 1 $((enter + more)); le 1 $enter; } >seed-vcpu-event
{ all; pause 1 0; pause 2 0; reply 1 0 0 $enter; reply 2 0 2 $enter
	pause 3 0 $enter; reply 3 0 0 $enter; } >seed-vcpu-crash
# A vCPU that is reset while it waits, and one whose VMM has a signal for it.
{ all; pause 1 0; le 1 $((enter + more)); reply 1 0 2 $ready; msg 2 2 0 $run
	msg 2 3 0 $enter; } >seed-vcpu-crash-reset
{ all 32; pause 1 0; pause 2 0; reply 1 0 2 $enter; msg 2 3 0 $enter
	msg 2 4 0 $enter; } >seed-vcpu-crash-signal
{ all; inject 1 0 14 $delivered; pause 2 0 $run; msg 2 3 0 $enter
	msg 2 4 0 $((delivered + more)); le 1 $enter; } >seed-vcpu-inject
{ all; inject 1 0 6; inject 2 0 6; inject 3 0 2; inject 4 0 32 $run
	reply 1 0 0 $enter; le 1 $run; } >seed-vcpu-inject-errors
{ all; pause 1 1; pause 2 3; vcpu 3 3 8 1 $((enter + 8)); vcpu 3 4 8 2
	reply 2 3 0 $((enter + 24)); reply 1 1 0 $((enter + 24))
	le 1 $((enter + 8)); } >seed-vcpu-several
{ all; pause 1 0; reply 1 0 0 $enter; reply 1 0 0; } >seed-vcpu-two-replies
{ all; pause 1 0; reply 2 0 0 $enter; } >seed-vcpu-bad-seq
{ all; pause 1 0; reply 1 0 1 $enter; } >seed-vcpu-bad-action
{ all; pause 1 0; vcpu 1 1 17 0 $enter; fill 9 0; } >seed-vcpu-long-reply
{ all; vcpu 1 1 16 9; fill 8 0; msg 1 2 16; le 4 0x10000; fill 12 0
	vcpu 1 3 16 0 $ready; fill 8 0; vcpu 3 4 8 0; vcpu 3 5 8 0 $ready
	reply 1 0 0; } >seed-vcpu-header
{ all; pause 1 0; vcpu 3 2 8 0 $enter; pause 3 0 $close; vcpu 3 4 8 0
	le 1 $enter; } >seed-vcpu-close
{ all; vcpu 3 1 8 0 5; vcpu 3 2 8 0; vcpu 3 3 8 0 $((5 + more)); le 1 $run
	pause 4 0; msg 2 5 0 $((5 + more)); le 1 $enter; } >seed-vcpu-no-memory
{ all; vcpu 3 1 8 0 $((6 + 96)); vcpu 3 2 8 0 $((6 + 64)); vcpu 3 3 8 0
	msg 2 4 0 6; } >seed-vcpu-backlog
{ all; pause 1 0 $((7 + 32)); pause 2 0; reply 1 0 0 $enter
	pause 3 0 $enter; } >seed-vcpu-pauses
{ all; for ((i = 0; i < 66; i++)); do vcpu 3 $i 8 0; done
	msg 2 1 0 $run; } >seed-vcpu-full
{ all 28; check 4 1 15; check 6 2 9; check 6 3 1; commands $run; pause 4 0
	vcpu 5 5 16 0; le 4 0x10009; fill 4 0; le 1 $run; } >seed-vcpu-missing
{ setup 0x3fffffff 0xfffff 4 8 255 0; pause 1 0; inject 2 0 6; vcpu 3 3 8 0
	le 1 $run; } >seed-vcpu-no-hold
{ setup 0x3fffffff 0xfffff 4 32 255 0; pause 1 0; vcpu 3 3 8 0; } >seed-vcpu-not-found
{ setup 0x3fffffff 0 4 0 255 0; pause 1 0; inject 2 0 6; vcpu 5 3 16 0
	le 8 0x10001; le 1 $run; } >seed-vcpu-denied
{ all; vcpu 7 1 16 0; le 8 1; vcpu 7 2 20 0; le 8 1; le 4 6; vcpu 7 3 16 0
	le 8 482; vcpu 9 4 151 0; fill 143 0; vcpu 21 5 4103 0; fill 4095 0
	vcpu 17 6 16 0; le 8 1; vcpu 11 7 16 0; le 8 0x21
	vcpu 5 8 16 0; le 8 3; vcpu 29 9 16 0; le 8 0xbad; le 1 $run; } >seed-vcpu-errors
all >seed-vcpu-mtrr
for n in 0 1 2 3; do
	for gpa in 0 0x7ffff 0x84000 0xc1000 0xfffff 0x100000 0xfee00000; do
		vcpu 23 "$((gpa >> 12))" 16 $n; le 8 "$gpa"
	done; le 1 $((run + 8 * n))
done >>seed-vcpu-mtrr
