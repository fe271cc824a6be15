#!/bin/busybox sh
# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=dash
# shellcheck disable=SC2317,SC2119 # functions are called by name; parameters are optional
# What kvmi refuses for reasons that no emulator or healthy kernel gives: the
# test module kvmi_test_override answers kvmi's calls in the kernel's place.
# Starts and ends with kvmi loaded.

# shellcheck source=lib.sh
. "${0%/*}/lib.sh"

LOOKUP=module_kallsyms_lookup_name	# what kvmi finds symbols of modules by

# has_function NAME
has_function() { grep -q "^[0-9a-f]* [tT] $1\>" /proc/kallsyms; }

# first_function NAME...: the one that this kernel has.
first_function() {
	for f; do
		! has_function "$f" || { echo "$f"; return; }
	done
}

# ------------------------------------------------------------ loading

# refused ERROR TEXT OVERRIDE...: nothing is left of it, and afterwards kvmi loads.
refused() {
	error=$1 text=$2
	shift 2
	unload && override "$@" || return
	load_refused "$error" ${text:+"$text"}
	rc=$?
	honest || rc=1
	leftovers && load && session && return "$rc"
}

unsupported() { echo "$1: no such function in $2; this kernel is not supported, please report it"; }

required_missing() {
	for s in kvm_vm_ioctl kvm_arch_flush_shadow_all kvm_arch_pre_destroy_vm; do
		refused 'unknown symbol\|no such file' "$(unsupported "$s" kvm.ko)" "$LOOKUP" string="kvm:$s" || return
	done
	refused 'unknown symbol\|no such file' "$(unsupported task_work_add 'the kernel')" \
		kallsyms_lookup_name string=task_work_add
}

wrong_lookup() {
	refused 'invalid module format\|exec format' \
		"symbol lookup gives wrong addresses; please report with the kernel's version" \
		"$LOOKUP" string=kvm:kvm_put_kvm value=4096
}

no_kprobe() {
	refused 'not supported' 'cannot look up kernel symbols (kprobe: -95); the kernel needs CONFIG_KPROBES=y' \
		register_kprobe value=-95
}

not_traceable() {
	refused 'invalid' 'kvm_vm_ioctl: ftrace cannot trace it (-22); the kernel needs CONFIG_DYNAMIC_FTRACE_WITH_REGS=y' \
		ftrace_set_filter_ip value=-22
}

ftrace_dead() {
	refused 'no such device' 'ftrace has shut itself down after an error; see the kernel log, and reboot' \
		register_ftrace_function value=-19 || return
	refused 'no such device' 'kvm_vm_ioctl and all other functions: ftrace has shut itself down' \
		ftrace_set_filter_ip value=-19
}

ftrace_refuses() {
	refused 'invalid' 'ftrace refuses the hooks (-22); please report it' register_ftrace_function value=-22
}

not_in_place() {
	refused 'i/o error\|input/output' 'kvm_vm_ioctl: ftrace has not put the hook in place: no VM can be introspected; please report it' \
		register_ftrace_function,unregister_ftrace_function
}

not_firing() {
	refused 'i/o error\|input/output' 'another tracer changes the same functions; remove it, then load again' \
		kvm_vm_ioctl_check_extension_generic exclusive=0
}

no_memory() {
	for s in "$(first_function __kmem_cache_create_args kmem_cache_create)" \
		"$(first_function alloc_workqueue_noprof alloc_workqueue)"; do
		refused 'out of memory\|cannot allocate' '' "$s" || return
	done
}

# Kvmi loads, says what is lost, and shows it.
optional_missing() {
	for s in kvm_vm_compat_ioctl kvm_vm_ioctl_check_extension_generic; do
		without_function kvm "$s" || return
		grep -q "^$s	kvm	missing	" "$DEBUGFS/hooks" || why "$s is not called missing" || return
		session && unload && load || return
	done
}

# without_function MODULE SYMBOL: kvmi is loaded again, and does not find it.
without_function() {
	log_mark
	unload || return
	case $1 in
	kernel) override kallsyms_lookup_name string="$2" || return ;;
	*) override "$LOOKUP" string="$1:$2" || return ;;
	esac
	load
	rc=$?
	honest && [ "$rc" = 0 ] && log_has "kvmi: $2: no such function in "
}

# ------------------------------------------------------------ HOOK

hook_answers() {
	got=$("$PROGS/guest_load" hook)
	[ "$got" = "$1" ] || why "HOOK answers $got, not $1"
}

# hook_refused ERROR OVERRIDE...: by a module that was just loaded, for what is logged once.
hook_refused() {
	error=$1
	shift
	unload && load && log_mark && override "$@" || return
	hook_answers "$error"
	rc=$?
	honest || rc=1
	[ "$(cat /sys/module/kvmi/refcnt)" = 0 ] || why "kvmi is in use" || return
	hook_answers 0 && session && return "$rc"
}

# The record of the session, its two messages, its thread.
no_memory_to_hook() {
	hook_refused -12 "$(first_function __kmalloc_cache_noprof kmalloc_trace kmem_cache_alloc_trace)" || return
	for nth in 0 1; do
		hook_refused -12 "$(first_function kmem_cache_alloc_noprof kmem_cache_alloc)" after="$nth" || return
	done
	hook_refused -12 kthread_create_on_node value=-12
}

vendor_leaves() { hook_refused -19 try_module_get module="$VENDOR"; }
kvmi_leaves() { hook_refused -25 try_module_get module=kvmi; }

vendor_unknown() {
	hook_refused -19 "$LOOKUP" string=kvm:kvm_chardev_ops &&
		log_has 'kvm_chardev_ops not found; this kernel is not supported, please report it'
}

is_hooked() { hooked_functions | grep -qx kvm_vm_ioctl; }

# hook_while_loading OVERRIDE...: the exit status is that of loading.
hook_while_loading() {
	unload && override "$@" wait=1 || return
	load 2>"$WORK/err" &
	loader=$!
	wait_until 60 grep -qx 1 "$OVERRIDE/hits" && is_hooked && hook_answers -25
	rc=$?
	echo 0 >"$OVERRIDE/wait"
	wait "$loader"
	load_rc=$?
	honest && return "$rc"
}

# Status files are the last thing, and nothing depends on them.
while_loading() {
	hook_while_loading debugfs_create_dir value=-19 || why "while loading" || return
	[ "$load_rc" = 0 ] || why "$(cat "$WORK/err")" || return
	hook_answers 0 && session && unload && leftovers && load
}

while_loading_fails() {
	hook_while_loading kvm_vm_ioctl_check_extension_generic exclusive=0 || why "while loading" || return
	[ "$load_rc" != 0 ] || why "it was loaded" || return
	leftovers && load && hook_answers 0
}

# ------------------------------------------------------------ SEV

SEV_HANDLER=$(first_function sev_mem_enc_unregister_region svm_unregister_enc_region)

sev_guest() { hook_refused -95 "$SEV_HANDLER" value=-22; }

# It has no memory.
sev_guest_later() {
	hold_start && answer read -2 || return
	override "$SEV_HANDLER" value=-22 || return
	answer read -95
	rc=$?
	honest && answer read -2 && hold_stop && return "$rc"
}

sev_unknown() {
	hook_refused -95 "$LOOKUP" string="kvm_amd:$SEV_HANDLER" &&
		log_has 'a SEV guest cannot be told from others, so no VM can be hooked; please report it'
}

# ------------------------------------------------------------ vCPU commands

offered() { "$PROGS/guest_load" offered | tr '\n' ' '; }

every="pause info events regs setregs cpuid inject xcr xsave setxsave mtrr translate"

# Module, function, and the commands that cannot do without it.
needed_functions() {
	cat <<-EOF
	kvm vcpu_load $every
	kvm vcpu_put $every
	kvm kvm_get_running_vcpu $every
	kvm kvm_vcpu_wake_up $every
	kvm __get_regs pause regs setregs inject
	kvm __get_sregs pause regs setregs inject
	kvm kvm_arch_vcpu_ioctl_set_regs setregs
	kvm do_get_msr pause regs setregs inject mtrr
	kvm kvm_update_cpuid_runtime cpuid mtrr
	kvm kvm_mmu_gva_to_gpa_system translate
	kvm kvm_vm_ioctl_check_extension info
	kvm kvm_queue_exception inject
	kvm kvm_queue_exception_e inject
	kernel switch_fpu_return xsave setxsave
	EOF
	! has_function fpu_copy_guest_fpstate_to_uabi || cat <<-EOF
	kernel fpu_copy_guest_fpstate_to_uabi xsave setxsave
	kernel fpu_copy_uabi_to_guest_fpstate xsave setxsave
	EOF
	[ "$halt" = 0 ] || echo "kvm kvm_vcpu_check_block $every"
}

# lacks COMMANDS: these are not offered, all others are.
lacks() {
	got=" $(offered)"
	for c in version read $every; do
		case " $1 " in
		*" $c "*) want=0 ;;
		*) want=1 ;;
		esac
		case $got in
		*" $c "*) [ "$want" = 1 ] || why "$c is offered" || return ;;
		*) [ "$want" = 0 ] || why "$c is not offered" || return ;;
		esac
	done
}

commands_missing() {
	lacks '' || return
	needed_functions >"$WORK/needed"
	while read -r module function commands; do
		without_function "$module" "$function" && lacks "$commands" && continue
		why "without $function"
		return
	done <"$WORK/needed"
	session && unload && load && lacks ''
}

# case_with VARIABLE PROGRAM OVERRIDE...: the case that the program has for this.
case_with() {
	variable=$1 program=$2
	shift 2
	override "$@" || return
	# A program that gives up while one of its threads waits cannot end.
	(trap 'kill $!; exit' TERM; sleep 60 & wait $!; echo 0 >"$OVERRIDE/wait") 2>/dev/null &
	release=$!
	env "$variable=1" "$PROGS/$program" >"$WORK/case" 2>&1 && grep -q '^ok 1 - [^#]*$' "$WORK/case"
	rc=$?
	kill "$release"
	[ "$rc" = 0 ] || cat "$WORK/case"
	honest && return "$rc"
}

# What AMX is where it exists: state that the area of 4096 bytes has no room for. Here AVX has none.
no_room() { case_with KVMI_XSAVE_NO_ROOM vcpu_fpu_test kvmi_xsave_place value=0; }

# The test cannot be as quick as it would take.
late_answer() { case_with KVMI_GUARD_WAITS vcpu_end_test kvmi_vcpu_thread_guard; }

# halt_refused TEXT OVERRIDE...: vCPU commands of this session; the next one has them.
halt_refused() {
	text=$1
	shift
	hold_start && log_mark && override "$@" || return
	answer info -95 && log_has "$text"
	rc=$?
	honest && answer info -95 && hold_stop || return
	unload && load && hold_start && answer info 0 && hold_stop && return "$rc"
}

# Somebody else has the function when the session needs it.
halt_hook_taken() {
	hold_start && log_mark && insmod "$KVMI/modules/kvmi_test_ipmodify.ko" symbol=kvm_vcpu_check_block || return
	answer info -95 && log_has 'kvm_vcpu_check_block: already taken by a livepatch or another hook'
	rc=$?
	rmmod kvmi_test_ipmodify && answer info -95 && hold_stop || return
	log_has 'then start a new session' && hold_start && answer info 0 && hold_stop && return "$rc"
}

halt_hook_refused() {
	halt_refused 'ftrace has shut itself down after an error; see the kernel log, and reboot' \
		register_ftrace_function value=-19 || return
	halt_refused 'kvm_vcpu_check_block and all other functions: ftrace has shut itself down' \
		ftrace_set_filter_ip value=-19 || return
	halt_refused 'kvm_vcpu_check_block: ftrace has not put the hook in place' \
		register_ftrace_function,unregister_ftrace_function
}

leftovers_at_end() { unload && leftovers && load; }

halt=$(grep -c '^kvm_vcpu_check_block' "$DEBUGFS/hooks")
amd=0
[ $VENDOR != kvm_amd ] || amd=3
avx=$(grep -m1 -c '^flags.* avx ' /proc/cpuinfo)
plan $((20 + 2 * halt + amd + avx))
check "loading without a required function is refused" required_missing
check "loading without an optional function works" optional_missing
check "loading when symbols are found wrong is refused" wrong_lookup
check "loading without kprobes is refused" no_kprobe
check "loading is refused when ftrace cannot trace a function" not_traceable
check "loading is refused when ftrace has shut itself down" ftrace_dead
check "loading is refused when ftrace refuses the hooks" ftrace_refuses
check "loading is refused when a hook is not in place" not_in_place
check "loading is refused when a hook does not fire" not_firing
check "loading without memory is refused" no_memory
check "HOOK without memory is ENOMEM" no_memory_to_hook
check "HOOK while the vendor module is being unloaded is ENODEV" vendor_leaves
check "HOOK without KVM's file operations is ENODEV" vendor_unknown
check "HOOK while kvmi is being unloaded is ENOTTY" kvmi_leaves
check "HOOK while kvmi is being loaded is ENOTTY" while_loading
check "HOOK while loading fails is ENOTTY" while_loading_fails
amd_only() { if [ $amd != 0 ]; then check "$@"; else not_planned "$1"; fi; }
amd_only "HOOK of a SEV guest of the old API is EOPNOTSUPP" sev_guest
amd_only "a hooked VM that becomes a SEV guest cannot be read" sev_guest_later
amd_only "HOOK is EOPNOTSUPP when SEV guests cannot be told from others" sev_unknown
check "vCPU commands whose functions are missing are not offered" commands_missing
name="state for which XSAVE's 4096 bytes have no room is left out"
if [ "$avx" = 0 ]; then not_planned "$name"; else check "$name" no_room; fi
check "an answer that comes with the end of the wait for it, as the session ends, is heeded" late_answer
name="vCPU commands are EOPNOTSUPP when their hook is refused"
if [ "$halt" = 0 ]; then not_planned "$name"; else check "$name" halt_hook_refused; fi
name="vCPU commands are EOPNOTSUPP when their hook is taken"
if [ "$halt" = 0 ]; then not_planned "$name"; else check "$name" halt_hook_taken; fi
check "nothing is left over at the end" leftovers_at_end
check "a session at the end" session
finish
