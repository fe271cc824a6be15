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
