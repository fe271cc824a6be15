#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# Tests of the lab itself: every way in which a VM run can go wrong must be judged a failure. TAP.
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$(dirname "$0")/lib.sh"

usage() { echo "usage: lab/selftest.sh      feeds canned logs to lab/verdict.py and lab/summary.py; TAP on stdout"; }

n=0 bad=0
W=$(mktemp -d)
trap 'rm -rf "$W"' EXIT

good() {
	rm -rf "$W/run"
	mkdir -p "$W/run"
	printf '%s\r\n' '[    0.000000] Linux version 6.12' '[    1.0] kfence: initialized - using 2097152 bytes' \
		'[    1.1] Speculative Return Stack Overflow: WARNING: See https://kernel.org/doc for details' \
		'LAB-BOOTED 6.12 kvm_amd qemu' LAB-SUCCESS 'LAB-EXIT rc=0' >"$W/run/console.log"
	printf '%s\r\n' '# program a_test' '1..2' 'ok 1 - first' 'ok 2 - second' '# program a_test rc=0' \
		'# program b_test' '1..0 # SKIP no hardware' '# program b_test rc=4' >"$W/run/tap.log"
	printf '# c\nqemu  *  b_test: *  emulator has none\n' >"$W/skips"
	status=1 emu=''
}
tap() { sed -i "$1" "$W/run/tap.log"; }
con() { sed -i "$1" "$W/run/console.log"; }
splat() { con "/LAB-BOOTED/a $1\\r"; }

# expect pass|fail NAME [TEXT]: the verdict of the logs as they are now, and what it must say.
expect() {
	local got=pass
	n=$((n + 1))
	python3 "$LAB_DIR/verdict.py" --kernel k --release 6.12.1 --emulator "${emu:-qemu}" --dir "$W/run" --status "$status" \
		--skips "$W/skips" ${stage:+--stage} >"$W/out" 2>&1 || got=fail
	if [ "$got" = "$1" ] && grep -qF -e "${3:-}" "$W/out"; then
		echo "ok $n - $2: $1"
	else
		echo "not ok $n - $2: expected $1"
		sed 's/^/# /' "$W/out"
		bad=1
	fi
	good
}

absent() { # KERNEL
	tap '/1\.\.2/a # not planned: third'
	echo "qemu  $1  a_test: th?rd  there is none" >>"$W/skips"
}

console_cases() {
	local line
	expect pass 'a clean run'
	while read -r line; do
		splat "$line"
		expect fail "console line '${line:0:50}'"
	done <<-'EOF'
	WARNING: CPU: 0 PID: 1 at virt/kvm/kvm_main.c:1 f+0x1/0x2
	BUG: kernel NULL pointer dereference, address: 0000000000000000
	BUG kmalloc-128 (Tainted: G    B      OE     ): Object corrupt
	[   12.3] Oops: 0000 [#1] PREEMPT SMP NOPTI
	[   12.3] Call Trace:
	BUG: KASAN: use-after-free in f+0x1/0x2
	WARNING: possible circular locking dependency detected
	possible recursive locking, possible deadlock
	refcount_t: underflow; use-after-free.
	kvm: Object corrupt (Poison overwritten)
	INFO: task kvmictl:120 blocked for more than 120 seconds.
	rcu: INFO: rcu_preempt self-detected stall on CPU
	watchdog: BUG: soft lockup - CPU#0 stuck for 22s!
	general protection fault, probably for non-canonical address
	LAB-ERROR cannot load kvm_amd
	EOF
	con /LAB-SUCCESS/d; expect fail 'no success marker'
	con /LAB-EXIT/d; expect fail 'no shutdown marker'
	con 's/rc=0/rc=90/'; expect fail 'module cannot be unloaded'
	status=timeout; expect fail 'time-out'
	status=0; expect fail 'QEMU ended without the exit port'
	status=0; con '/LAB-EXIT/a LAB-NO-PORT: none\r'; expect pass 'QEMU ended by power-off, without an exit port'
	status=0; con '/LAB-EXIT/a LAB-NO-PORT: none\r'; con '/LAB-EXIT/d'; expect fail 'power-off without the shutdown marker'
	status=3; expect fail 'exit status of the payload'
	sed -i 's/^qemu/*/' "$W/skips"; emu=bochs-ibt status=0; expect fail 'indirect branches are not checked' 'does not check indirect'
	sed -i 's/^qemu/*/' "$W/skips"; splat 'CET detected: Indirect Branch Tracking enabled'; emu=bochs-ibt status=0; expect pass 'they are'
	: >"$W/run/console.log"; expect fail 'empty console'
	rm "$W/run/console.log"; expect fail 'no console at all'
}

tap_cases() {
	tap 's/^ok 2/not ok 2/'; expect fail 'a failing test'
	tap 's/^ok 2/# t.c:7: 1 is not 2\r\nnot ok 2/'; expect fail 'a failing test that says why' 'second (t.c:7: 1 is not 2)'
	tap 's/second/second # TODO later/'; expect fail 'a TODO'
	tap 's/second/second # SKIP lazy/'; expect fail 'an unlisted skip of one test'
	: >"$W/skips"; expect fail 'an unlisted skip of a program'
	tap '/1\.\.2/a # not planned: third'; expect fail 'an unlisted test that is not planned' 'a_test: third'
	absent 'k2'; expect fail 'one that is listed for another kernel' 'a_test: third'
	absent 'k'; expect pass 'one that is listed'
	absent '6.1[0-9].*'; expect pass 'one that is listed for the release'
	sed -i 's/^qemu/bochs-vmx/' "$W/skips"; expect fail 'a skip that is listed for another emulator'
	tap '/ok 2/d'; expect fail 'plan not met'
	tap '/^ok 2/a ok 3 - third'; expect fail 'more results than planned'
	tap '/1\.\.2/d'; expect fail 'no plan'
	tap '/a_test rc/d'; expect fail 'a program that did not end'
	tap 's/a_test rc=0/a_test rc=1/'; expect fail 'exit status in spite of good TAP'
	tap 's/a_test rc=0/a_test rc=139/'; expect fail 'a crash after good TAP'
	tap 's/a_test rc=0/a_test rc=4/'; expect fail 'status 4 without a skip'
	tap 's/b_test rc=4/b_test rc=1/'; expect fail 'skipped program with another status'
	tap '/^ok/d;s/1\.\.2/1..0/'; expect fail 'an empty plan without a reason'
	tap '/ok 1/a Bail out! broken'; expect fail 'bail out'
	: >"$W/run/tap.log"; expect fail 'no test'
	tap '/b_test/d;/1\.\.0/d;/^ok/d;/1\.\.2/d'; expect fail 'a program without any TAP'
}

stage_cases() {
	stage=1 status=0
	: >"$W/run/tap.log"
	expect pass 'host check without TAP, status 0'
	status=1; : >"$W/run/tap.log"; expect fail 'host check without TAP, status 1'
	status=0; expect pass 'host check with TAP'
	status=2; expect fail 'host check with good TAP and status 2'
	status=0; tap 's/^ok 1/not ok 1/'; expect fail 'host check with a failing test'
}

summary_cases() {
	local last
	mkdir -p "$W/logs/x"
	n=$((n + 1))
	if ! python3 "$LAB_DIR/summary.py" "$W/logs" "$W/t.md" >"$W/out"; then echo "ok $n - summary of nothing fails"; else
		bad=1; echo "not ok $n - summary of nothing fails"; fi
	n=$((n + 1))
	python3 "$LAB_DIR/verdict.py" --kernel k --emulator qemu --dir "$W/run" --status 1 --skips "$W/skips" >/dev/null
	cp "$W/run/verdict.json" "$W/logs/x/"
	last=$(python3 "$LAB_DIR/summary.py" "$W/logs" "$W/t.md" | tail -n1)
	if [ "$last" = '2 passed, 0 failed, 1 skipped' ]; then echo "ok $n - counts line"; else
		bad=1; echo "not ok $n - counts line: $last"; fi
}

# The tables of tested kernels: written from good verdicts only, and what is written agrees with the jobs.
matrix_cases() {
	local d=$W/readme jobs=$'k1 qemu\nk1 bochs-vmx\nk2 qemu' rc
	mkdir -p "$d"
	printf '%s\n' a '<!-- matrix -->' '| 5.9.1 (k1) | |' '<!-- /matrix -->' b >"$d/README.md"
	printf '%s\n' c '<!-- tested-on -->' old '<!-- /tested-on -->' d >"$d/CHANGELOG.md"
	# verdict KERNEL EMULATOR RELEASE FAILED
	verdict() {
		mkdir -p "$d/logs/$1-$2"
		echo "{\"kernel\": \"$1\", \"emulator\": \"$2\", \"release\": \"$3\", \"passed\": 2, \"failed\": $4}" >"$d/logs/$1-$2/verdict.json"
	}
	# says STATUS NAME [ARGUMENT]: of the script, with these jobs
	says() {
		rc=0
		n=$((n + 1))
		(cd "$d" && "$LAB_DIR/readme-matrix.py" "${@:3}" <<<"$jobs") >"$W/out" 2>&1 || rc=$?
		if [ $rc = "$1" ]; then echo "ok $n - matrix: $2"; else bad=1; sed 's/^/# /' "$W/out"; echo "not ok $n - matrix: $2"; fi
	}
	says 1 'a table of other kernels'
	verdict k1 qemu 5.10.0-46-amd64 0
	verdict k1 bochs-vmx 5.10.0-46-amd64 1
	verdict k2 qemu 6.12.118+deb13-amd64 0
	says 1 'a job has failed' logs
	grep -q 5.9.1 "$d/README.md" || { bad=1; echo "# it was written"; }
	verdict k1 bochs-vmx 5.10.0-46-amd64 0
	says 0 'all have passed' logs
	says 0 'the table that was written'
	n=$((n + 1))
	if [ "$(grep -c '^| 6.12.118 (k2) | tested | - | - | - | - | - |$\|^[ab]$' "$d/README.md")" = 3 ] &&
		grep -q '^Tested on: Debian 5.10.0-46, 6.12.118 (' "$d/CHANGELOG.md"; then echo "ok $n - matrix: rows"; else
		bad=1; sed 's/^/# /' "$d"/*.md; echo "not ok $n - matrix: rows"; fi
	sed -i 's/6\.12\.118/6.12.119/' "$d"/*.md; says 0 'another version'
	jobs+=$'\nk2 bochs-vmx'; says 1 'an emulator was added'
	jobs+=$'\nk2 other'; says 1 'an unknown emulator'
}

# ci DEMO CHECK STATUS EXPECTED NAME: .ci/run with a make that does this for each part.
ci() {
	local last rc=0
	mkdir -p "$W/ci/.ci" "$W/ci/bin"
	cp "$TOP/.ci/run" "$W/ci/.ci/"
	# shellcheck disable=SC2016 # for the other shell
	printf '%s\n' '#!/bin/sh' 'case $2 in' "demo) $1 ;;" "check) $2 ;;" 'esac' >"$W/ci/bin/make"
	chmod 755 "$W/ci/bin/make"
	last=$(PATH=$W/ci/bin:$PATH "$W/ci/.ci/run" 2>/dev/null) || rc=$?
	last=$(tail -n 1 <<<"$last")
	n=$((n + 1))
	if [ "$rc $last" = "$3 $4" ]; then echo "ok $n - CI: $5"; else bad=1; echo "not ok $n - CI: $5: status $rc, $last"; fi
}

ci_cases() {
	local demo='echo guest on qemu: 7 passed, 0 failed, 0 skipped, 35 s' good='echo table; echo 5 passed, 0 failed, 1 skipped'
	local bad2='echo 3 passed, 2 failed, 0 skipped; exit 1' slow='exec sleep 60'
	ci "$demo" "$good" 0 '12 passed, 0 failed, 1 skipped' 'the sum of both parts'
	ci 'echo guest on qemu: 6 passed, 1 failed, 0 skipped, 35 s; echo FAIL this; exit 1' "$good" 1 \
		'5 passed, 1 failed, 1 skipped' 'a demo that fails'
	ci "$demo" "$bad2" 1 '10 passed, 2 failed, 0 skipped' 'failures of the kernels'
	ci "$demo" 'echo make: error; exit 2' 1 '7 passed, 1 failed, 0 skipped' 'a part that does not count'
	ci "$demo" "$good; exit 1" 1 '12 passed, 1 failed, 1 skipped' 'a part that counts no failure and fails'
	CI_LIMIT=0 ci "$slow" "$slow" 1 '0 passed, 2 failed, 0 skipped' 'the time is over'
}

# demo FOUND NAME: the demo on a host, of which everything is played: it leaves the module as FOUND.
demo() {
	local d=$W/demo
	rm -rf "$d"
	mkdir -p "$d/bin" "$d/guest"
	echo '0x1000 Linux version' >"$d/guest/banner"
	# shellcheck disable=SC2016 # for the other shell
	printf '%s\n' '#!/bin/sh' 'for a; do case $a in file:*) log=${a#file:} ;; esac; done' 'echo L2-READY >>"${log:-/dev/null}"' \
		'[ -z "$log" ] || while sleep 0.1; do echo L2-TICK >>"$log"; done' >"$d/bin/qemu"
	printf '#!/bin/sh\nmkdir %s/kvmi\n' "$d" >"$d/bin/modprobe"
	printf '#!/bin/sh\nrmdir %s/kvmi\n' "$d" >"$d/bin/rmmod"
	printf '#!/bin/sh\nexit 1\n' >"$d/bin/kvmictl"
	chmod 755 "$d"/bin/*
	[ "$1" = absent ] || mkdir "$d/kvmi"
	PATH=$d/bin:$PATH MODULE_DIR=$d/kvmi L2_DIR=$d/guest L2_QEMU=qemu KVMI_KO=none IN_VM='' sh "$LAB_DIR/guest/l2.sh" >"$d/out" 2>&1 || true
	n=$((n + 1))
	if [ "$([ -d "$d/kvmi" ] && echo loaded || echo absent)" = "$1" ] && grep -q '^ok 14 - kvmi ' "$d/out"; then
		echo "ok $n - demo: $2"
	else
		sed 's/^/# /' "$d/out"; bad=1; echo "not ok $n - demo: $2"
	fi
}

# where WANT NAME: which demo it would be with what $W/where has.
where() {
	n=$((n + 1))
	case $("$LAB_DIR/demo.sh" where "$W/where") in
	"$1"*) echo "ok $n - demo: $2" ;;
	*) bad=1; echo "not ok $n - demo: $2" ;;
	esac
}

where_cases() {
	mkdir -p "$W/where/proc" "$W/where/dev" "$W/where/lib/modules/$(uname -r)"
	echo 'flags : fpu vme' >"$W/where/proc/cpuinfo"
	where "vm: this machine's processor" 'a processor without virtualization'
	echo 'flags : fpu svm' >"$W/where/proc/cpuinfo"
	where 'vm: there is no /dev/kvm' 'no KVM'
	mknod "$W/where/dev/kvm" c 10 232
	where 'vm: the headers of the running kernel' 'no headers'
	mkdir "$W/where/lib/modules/$(uname -r)/build"
	where host 'a host that has all'
}

usage_if_asked "${1:-}"
good
console_cases
tap_cases
stage_cases
stage='' summary_cases
matrix_cases
ci_cases
where_cases
demo absent 'unloads the module that it has loaded'
demo loaded 'leaves a module that was loaded before'
echo "1..$n"
exit $bad
