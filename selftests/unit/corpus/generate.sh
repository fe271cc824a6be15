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

msg() { # id seq payload-size
	le 2 "$1"; le 2 "$3"; le 4 "$2"
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
