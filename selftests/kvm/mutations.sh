# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0-only
#
# The list for lab/mutants.sh: what is broken, file in src/, how (sed), which
# tests to run on it.

mutant 'replies to VM commands are zero' core/session.c \
	's/^\tmemcpy(msg->payload, &code, sizeof(code));/&\n\tmemset(msg->payload + sizeof(code), 0, size);/' '*'
mutant 'errors of VM commands are 0' core/session.c 's/send_reply(session, err, reply.size)/send_reply(session, 0, reply.size)/' '*'
mutant 'replies to vCPU commands are zero' core/vcpu.c \
	's/^\tmemcpy(msg->payload, &code, sizeof(code));/&\n\tmemset(msg->payload + sizeof(code), 0, size);/' '*'
mutant 'errors of vCPU commands are 0' core/vcpu.c 's/{ .err = error };/{ .err = 0 };/' '*'
mutant 'commands to set something do nothing' core/vcpu_command.c \
	's/return vcpu->ops->set_xsave(.*/return 0;/; s/vcpu->has_new_regs = true;/;/; s/^\tvcpu->ops->inject(/\tif (0)\n\t\t&/' \
	'*'
mutant 'KVM_RUN returns for each vCPU command' vcpu_work.c \
	's/^\tthread->ctx.in_run = false;/&\n\tset_thread_flag(TIF_SIGPENDING);/' '*'
mutant 'an event does not hold its vCPU' core/vcpu.c 's/return KVMI_VCPU_HOLD;/return KVMI_VCPU_GO;/' 'vcpu*'
mutant 'what is left of an event is forgotten outside of KVM_RUN' vcpu.c 's/kvmi_guard_arm(thread->guard);/;/' 'vcpu*'
mutant 'CRASH is CONTINUE' core/event.c 's/== KVMI_EVENT_ACTION_CRASH)/== 99)/' 'vcpu*'
mutant 'each pause is two' core/vcpu.c 's/vcpu->pauses + 1/vcpu->pauses + 2/' 'vcpu*'
mutant 'events tell no registers' core/event.c \
	's/^\tcommon->arch.mode = mode;/&\n\tmemset(\&common->arch, 0, sizeof(common->arch));/' 'vcpu*'
mutant 'a halted vCPU is not woken for its work' kvm/vcpu.c \
	'/^void kvmi_vcpu_wake/,/^}/{s/kvmi_kvm_request_unblock(vcpu);/;/;s/kvmi_call_wake_up(vcpu);/;/}' 'vcpu*'
mutant 'the receiving thread takes no vCPU' vcpu.c '/^static bool run_here/,/^}/s/^\tmight_sleep();/&\n\tif (mm)\n\t\treturn false;/' 'vcpu*'
mutant 'UNHOOK loses a message' vm.c 's/kvmi_msg_free(vm->session.tx);/;/' '*'
mutant 'UNHOOK keeps the module' vm.c '/^static void end_session_once/,/^}/s/module_put(THIS_MODULE);/;/' '*'
mutant 'anybody may introspect' ioctl.c '/^static bool may_introspect/,/^}/s/^\treturn .*/\treturn true;/' '[a-k]*'
mutant 'nothing is forbidden' core/permission.c 's/(READ_ONCE(session->allowed_[a-z]*) & BIT(id))/true/' '*'
mutant 'HOOK takes every socket' socket.c '/^int kvmi_socket_open/,/^}/s/^\tif (err) {/\tif (0) {/' 'h*'
mutant 'what is written is not marked dirty' kvm/memory.c 's/^\t\tset_bit_le(.*/\t\t;/' '*m*'
mutant 'a session outlives its tool' receiver.c 's/^\tif (vm->external) {/\tif (0) {/' '*'
mutant 'there is one vCPU only' vcpu.c '/^int kvmi_vcpu_thread_find/,/^}/s/^\tif (!thread) {/\tif (index)\n\t\treturn -KVMI_EINVAL;\n&/' 'vcpu*'
mutant 'padding is ignored' core/vcpu.c 's/if (hdr->padding1 || hdr->padding2)/if (0)/' 'vcpu*'
mutant 'a queue has no end' core/vcpu.c 's/vcpu->commands >= KVMI_MAX_VCPU_COMMANDS/0/; /^static bool session_full/,/^}/s/KVMI_MAX_COMMANDS/99999/' 'vcpu*'
mutant 'the capability has another value' hooks/check_extension.c 's/KVMI_VERSION/(KVMI_VERSION + 1)/' '[hls]*'
mutant 'bad arguments of COMMAND and EVENT are taken' core/permission.c \
	'/^int kvmi_check_feature/,/^}/s/return -EINVAL;/return 0;/; s/return -EPERM;/return 0;/' 'permission*'
mutant 'EFAULT is 0' ioctl.c 's/return -EFAULT;/return 0;/' '[ehp]*'
mutant 'permissions end with the connection' ioctl.c \
	'/^static long ioctl_feature/,/^}/s/if (!vm)/if (!vm || !READ_ONCE(vm->connected))/' 'permission*'
mutant 'a VM whose process has ended can be hooked' vm.c '/^int kvmi_vm_hook/,/^}/s/return -EIO;/return 0;/' 'authority*'
mutant 'VM events cannot be switched off' core/command.c 's/enabled &= ~BIT(req->event_id);/;/' 'event*'
mutant 'a write longer than its message is an error only' core/command.c \
	'/^static int write_physical/,/^}/s/return KVMI_CLOSE;/return -KVMI_EINVAL;/' 'memory*'
mutant 'memory is written at the beginning of its page' kvm/memory.c \
	's/memcpy(page_address(page) + offset_in_page(gpa), buf, size);/memcpy(page_address(page), buf, size);/' 'memory*'
mutant 'who has passed the socket does not see it closed' socket.c '/^void kvmi_socket_close/,/^}/s/kernel_sock_shutdown(sock, SHUT_RDWR);/;/' '[lm]*'
mutant 'messages bear the name of who runs' socket.c 's/override_creds(socket->cred);/override_creds(current_cred());/' '[mv]*'
mutant 'hooks are not shown' status.c '/^static int hooks_show/,/^}/s/kvmi_hooks_show(seq);/;/; s/0444/0644/' '[ls]*'
mutant 'each call of a hook is two' hooks/engine.c 's/atomic_long_inc(&hook->hits);/atomic_long_add(2, \&hook->hits);/' '[ls]*'
mutant 'tracepoints have another name' trace.h 's/TRACE_SYSTEM kvmi/TRACE_SYSTEM kvmx/' 'trace*'
mutant 'parameters can be written' main.c 's/bool, 0444)/bool, 0644)/; s/^MODULE_DESCRIPTION(.*/MODULE_DESCRIPTION("");/' 'load*'
mutant 'the TSC has another frequency' kvm/vcpu.c '/^static u64 get_tsc_khz/,/^}/s/return .*;/return 1;/' 'vcpu_r*'
mutant 'each answer is taken for CRASH' core/vcpu.c 's/due = vcpu->crash;/due = true;/' 'vcpu_start*'
mutant 'a VM that ends keeps its guards' kvm/guard.c '/^void kvmi_guards_drop/,/^}/s/module_put(THIS_MODULE);/;/' 'vcpu_guard*'
mutant 'an event outlives its session' core/vcpu.c '/^static void take_commands/,/^}/s/WRITE_ONCE(vcpu->event, NULL);/;/' 'vcpu_[awgf]*'
mutant 'TRAP never comes' core/vcpu.c 's/if (vcpu->ops->delivered(vcpu->ctx))/if (0)/' 'vcpu_i*'
mutant 'replies are charged to nobody' vm.c 's/kmem_cache_alloc(msg_cache, GFP_KERNEL_ACCOUNT)/kmem_cache_alloc(msg_cache, GFP_KERNEL)/; s/SLAB_ACCOUNT, NULL/0, NULL/' 'vcpu_mem*'
mutant 'what is queued is charged to nobody' core/vcpu.c '/^static struct kvmi_job \*make_job/,/^}/s/GFP_KERNEL_ACCOUNT/GFP_KERNEL/' 'vcpu_mem*'
mutant 'the end of a session leaves its last answer' vcpu_end.c 's/^\tkvmi_vcpu_run(&thread->core, true);/\t;/' 'vcpu_[ase]*'
mutant 'an answer that comes with the end of the wait for it is lost' vcpu_work.c \
	's/^\t\tif (!READ_ONCE(thread->core.closed))/\t\tif (1)/' 'refusal*'
mutant 'a signal that comes with CRASH does not matter' kvm/vcpu.c '/^static bool interrupted/,/^}/s/return .*/return false;/' 'vcpu_start*'
mutant 'CRASH that a signal has put off is left to chance' vcpu_work.c '/^static void work_in_run/,/^}/s/if (READ_ONCE(thread->core.crash))/if (0)/' 'vcpu_start*'
