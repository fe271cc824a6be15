# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
# shellcheck disable=SC2016 # conditions are evaluated by check()
# What the tests of kvmictl share. Sourced; $1 is the build directory.
out=$1
ctl=$out/kvmictl
tmp=$(mktemp -d) || exit 2
uuid=01234567-89ab-cdef-0123-456789abcdef
number=0
failed=0
skip=
vmm=

end_vmm() {
	[[ $vmm ]] && kill -9 "$vmm" && wait "$vmm"
	vmm=
} 2>/dev/null
trap 'end_vmm; rm -rf "$tmp"' EXIT

# check 'condition': one more for the current test
check() {
	eval "$1" && return
	echo "# line ${BASH_LINENO[0]}: $1"
	[[ -s $tmp/out ]] && sed 's/^/#   out: /' "$tmp/out" | head -20
	[[ -s $tmp/err ]] && sed 's/^/#   err: /' "$tmp/err" | head -20
	failed=1
}

# ctl STATUS ARGUMENT...: run it, check the exit status
ctl() {
	local want=$1 status
	shift
	"$ctl" "$@" >"$tmp/out" 2>"$tmp/err" </dev/null
	status=$?
	check "[[ $status == $want ]]"
	check '! grep -q Sanitizer "$tmp/err"'
}

json() {	# json EXPRESSION: of d, the parsed output, must be true
	python3 -m json.tool <"$tmp/out" >/dev/null && python3 -c '
import json, sys
d = json.load(open(sys.argv[1]))
sys.exit(not eval("(" + sys.argv[2] + ")"))' "$tmp/out" "$1"
}

new_root() {
	root=$tmp/root
	rm -rf "$root"
	mkdir -p "$root/proc" "$root/sys/module" "$root/run"
	export KVMIC_ROOT=$root
}

load_module() {
	mkdir -p "$root/sys/module/kvmi" "$root/sys/kernel/debug/kvmi" \
		"$root/sys/kernel/debug/kvm"
	echo 0.0-test >"$root/sys/module/kvmi/version"
	printf '#symbol\tmodule\tstate\thits\tcarries\twithout_it\n%b' \
		'kvm_vm_ioctl\tkvm\tarmed\t12\tioctls\tnothing works\n' \
		>"$root/sys/kernel/debug/kvmi/hooks"
	printf '#pid\tuuid\towner\tstate\tvcpus\tallowed_commands\n%b' "$1" \
		>"$root/sys/kernel/debug/kvmi/vms"
}

# start_vmm VMS NAME [VARIABLE=VALUE...]: holder as a VMM, with $vm_memory MiB
start_vmm() {
	local vms=$1 name=$2
	shift 2
	end_vmm
	coproc VMM {
		# shellcheck disable=SC2163 # "VARIABLE=VALUE"
		export HOLDER_VMS="$vms" HOLDER_VCPUS=2 "$@"
		exec -a qemu-system-x86_64 "$out/holder" -name "guest=$name" \
			-uuid $uuid -m "${vm_memory:-64}"
	}
	vmm=$VMM_PID
	read -r -u "${VMM[0]}" || return 77
}

# A tree with the real /proc and a module
real_proc() {
	new_root
	rmdir "$root/proc"
	ln -s /proc "$root/proc"
	load_module ''
	export FAKE_LOG=$tmp/log FAKE_PID=$vmm FAKE_VMS=$root/sys/kernel/debug/kvmi/vms
	: >"$tmp/log"
}

# run_tests FILE: every function t_NAME of it, in its order
run_tests() {
	local t tests
	tests=$(sed -n 's/^\(t_[a-z_]*\)() {$/\1/p' "$1")
	echo "1..$(wc -w <<<"$tests")"
	for t in $tests; do
		number=$((number + 1))
		failed=0
		skip=
		unset KVMIC_ROOT "${!FAKE_@}"
		$t
		end_vmm
		((failed)) && printf 'not '
		echo "ok $number - ${t#t_} $skip"
		# For mutants.sh, which wants to know no more.
		if ((failed)) && [[ ${BAIL_OUT:-} ]]; then
			exit 1
		fi
	done
}
