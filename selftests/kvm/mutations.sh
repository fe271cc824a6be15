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
mutant 'who has passed the socket does not see it closed' socket.c '/^void kvmi_socket_close/,/^}/s/kernel_sock_shutdown(sock, SHUT_RDWR);/;/' 'message*'
mutant 'messages bear the name of who runs' socket.c 's/override_creds(socket->cred);/override_creds(current_cred());/' '[mv]*'
mutant 'hooks are not shown' status.c '/^static int hooks_show/,/^}/s/kvmi_hooks_show(seq);/;/; s/0444/0644/' '[ls]*'
mutant 'each call of a hook is two' hooks/engine.c 's/atomic_long_inc(&hook->hits);/atomic_long_add(2, \&hook->hits);/' 'status*'
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
mutant 'what is queued is lost when KVM_RUN returns' vcpu_work.c \
	'/^static void work_elsewhere/,/^}/s/kvmi_vcpu_run(&thread->core, false);/kvmi_vcpu_drop(\&thread->core);/' 'vcpu_state*'
mutant 'a thread that is killed in its work takes ten seconds more' vcpu_work.c \
	's/^\tthread->ctx.in_run = false;/&\n\tif (fatal_signal_pending(current))\n\t\tmsleep(10000);/' 'vcpu_[fw]a*'
mutant 'numbers of events go on from session to session' core/event.c \
	's/^int kvmi_event_send/static atomic_t numbers;\n\n&/; s/atomic_inc_return(&session->event_seq)/atomic_inc_return(\&numbers)/' \
	'vcpu_wait*'
mutant 'a read of a device does not outlive the session' kvm/guard.c \
	's/io = guard->next;/io = guard->vcpu->mmio_needed ? go_on : guard->next;/
	s/^static void disarm/static int go_on(struct kvm_vcpu *vcpu)\n{\n\treturn 1;\n}\n\n&/' 'vcpu_guard*'
mutant 'the UNHOOK event is enabled from the beginning' core/session.c \
	's/session->enabled_vm_events = 0;/session->enabled_vm_events = BIT(KVMI_VM_EVENT_UNHOOK);/' 'event*'
mutant 'disallowing an event disables it' core/permission.c \
	's/change_mask(session, &session->allowed_events, bits, allow);/&\n\tif (!allow)\n\t\tchange_mask(session, \&session->enabled_vm_events, bits, 0);/' \
	'event*'
mutant 'PREUNHOOK does not ask whether its event was sent' core/session.c \
	'/send_bounded(/,/ENOENT/s/return -ENOENT;/return 0;/' 'event*'
mutant 'UNHOOK waits for PREUNHOOK' ioctl.c \
	's/err = kvmi_session_send_unhook(&vm->session);/mutex_lock(\&vm->lock);\n\t&\n\tmutex_unlock(\&vm->lock);/' 'event*'
mutant 'PREUNHOOK tries for ten seconds' socket.c 's/^#define SEND_BOUND HZ/#define SEND_BOUND (10 * HZ)/' 'message*'
mutant 'a message in pieces ends the connection' socket.c \
	'/^static int socket_recv/,/^}/s/^\t\tannounced = 0;/\t\tif (ret < size)\n\t\t\treturn -ECONNRESET;\n&/' 'message*'
mutant 'a time-out of the socket ends the connection' socket.c \
	'/^static int socket_recv/,/^}/{s/MSG_DONTWAIT);/0);/; s/if (ret == -EAGAIN) {/if (0) {/}' 'message*'
mutant 'one of the other requests of KVM is taken for ours' ioctl.h \
	's/^\tcase KVM_INTROSPECTION_PREUNHOOK:/&\n\tcase _IOR(KVMI_KVMIO, 0x7c, __u64[6]):/' 'authority*'
mutant 'capability 206 is never anything' hooks/check_extension.c \
	's/return kvmi_legacy_cap_free() .*/return true;/; s/return KVMI_VERSION;/return arg == KVM_CAP_KVMI ? KVMI_VERSION : 0;/' \
	'[hl]o[oa][kd]*'
mutant 'a reply has the number of the command that came last' core/vcpu.c \
	'/^static void post_reply/,/^}/s/msg->hdr.seq = job->hdr.seq;/msg->hdr.seq = vcpu->session->rx->hdr.seq;/' 'library*'
mutant 'a load that fails leaves what it has' main.c '/^err_vms:/,/^}/s/kvmi_vms_exit();/;/' 'refusal*'
mutant 'ioctls are served while the module is being loaded' hooks/vm_ioctl.c 's/THIS_MODULE->state == MODULE_STATE_LIVE/true/' 'refusal*'
mutant 'the end of each VM is taken for ours' hooks/vm_end.c 's/return kvmi_vm_is_hooked((struct kvm \*)regs->di);/return true;/' 'status*'
mutant 'a HOOK that fails keeps the module' vm.c '/^static int hook_live_vm/,/^}/s/module_put(THIS_MODULE);/;/' 'refusal*'
mutant 'the list of VMs shows errors as replies' vm.c '/^static void show_vm/,/^}/s/stats\.replies/stats.errors/' 'event*'
mutant 'the list of VMs shows no events' vm.c '/^static void show_vm/,/^}/s/atomic_read(&session->events)/0/' 'event*'
mutant 'traces tell of no error' trace.c 's/trace_kvmi_reply(tag, hdr, err)/trace_kvmi_reply(tag, hdr, 0)/' 'trace*'
