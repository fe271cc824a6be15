# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0-only
#
# The part of the list that has to do with vCPUs; read by mutations.sh.

mutant 'PAUSE_VCPU accepts wait 2' command.c 's/req->wait > 1/req->wait > 2/'
mutant 'PAUSE_VCPU: EPERM not tested' command.c \
	's/!kvmi_event_allowed(session, KVMI_VCPU_EVENT_PAUSE)/0/'
mutant 'PAUSE_VCPU takes the permission of TRAP' command.c \
	's/allowed(session, KVMI_VCPU_EVENT_PAUSE)/allowed(session, KVMI_VCPU_EVENT_TRAP)/'
mutant 'PAUSE_VCPU: the index may be the count' command.c \
	's/req->vcpu >= session/req->vcpu > session/'
mutant 'TRAP is there without INJECT_EXCEPTION' command.c \
	's/return kvmi_command_known(session, KVMI_VCPU_INJECT_EXCEPTION);/return true;/'
mutant 'PAUSE is there without PAUSE_VCPU' command.c \
	's/return kvmi_command_known(session, KVMI_VM_PAUSE_VCPU);/return true;/'
mutant 'a missing vCPU command is queued' command.c \
	's/if (command_missing(session, msg->hdr.id))/if (0)/'
mutant 'a missing VM command runs' command.c \
	's/if (!handler || command_missing(session, msg->hdr.id))/if (!handler)/'
mutant 'CHECK_COMMAND offers what is missing' command.c \
	'/return (find_handler(id)/,/command_missing(session, id);/s/&&$/||/'

mutant 'vCPU commands need no permission' vcpu.c \
	's/!kvmi_command_allowed(session, msg->hdr.id)/0/'
mutant 'event replies need a permission' vcpu.c \
	's/if (msg->hdr.id != KVMI_VCPU_EVENT \&\&/if (/'
mutant 'header: padding1 ignored' vcpu.c 's/hdr->padding1 || hdr->padding2/hdr->padding2/'
mutant 'header: padding2 ignored' vcpu.c 's/hdr->padding1 || hdr->padding2/hdr->padding1/'
mutant 'the index may be the count' vcpu.c 's/hdr->vcpu >= session/hdr->vcpu > session/'
mutant 'EAGAIN even when it waits for a reply' vcpu.c \
	's/if (!waits_for_reply(vcpu) \&\& !session/if (!session/'
mutant 'EAGAIN not tested' vcpu.c 's/!session->vm_ops->vcpu_ready(vcpu)/0/'
mutant '65 commands per vCPU' vcpu.c \
	's/>= KVMI_MAX_VCPU_COMMANDS/> KVMI_MAX_VCPU_COMMANDS/'
mutant '1025 commands per session' vcpu.c \
	'/return atomic_read(&session->queued) +/,/KVMI_MAX_COMMANDS/s/>=/>/'
mutant 'the backlog does not count' vcpu.c \
	's/atomic_read(&session->queued) + backlog(session) >=/atomic_read(\&session->queued) >=/'
mutant 'event replies count against the limit' vcpu.c \
	's/!reply \&\& vcpu->commands >=/vcpu->commands >=/'
mutant 'event replies count against the limit of the session' vcpu.c \
	's/if (!reply \&\& session_full/if (session_full/'
mutant 'no memory for a command closes' vcpu.c 's/reply ? KVMI_CLOSE : -KVMI_ENOMEM/KVMI_CLOSE/'
mutant 'no memory for a reply is ENOMEM' vcpu.c \
	's/reply ? KVMI_CLOSE : -KVMI_ENOMEM/-KVMI_ENOMEM/'
mutant 'a refused command goes on counting' vcpu.c \
	'/kfree(job);/,/return err;/{/atomic_dec/d;/if (!reply)/d}'
mutant 'nobody is kicked' vcpu.c \
	'0,/session->vm_ops->vcpu_kick(vcpu);/s///'
mutant 'a refused command leaks' vcpu.c '0,/^\tkfree(job);$/s///'
mutant 'commands are queued after close' vcpu.c 's/if (vcpu->closed)$/if (0)/'
mutant 'the newest command is run first' vcpu.c \
	's/list_add_tail(&job->link, &vcpu->jobs)/list_add_tail(\&job->link, vcpu->jobs.next)/'
mutant 'what is queued is cut' vcpu.c \
	's/memcpy(job->payload, msg->payload, size)/memcpy(job->payload, msg->payload, size - 1)/'
mutant 'what is queued is not zero behind the end' vcpu.c \
	's/memcpy(job->payload, msg->payload, size)/memcpy(job->payload, msg->payload, msg->hdr.size < size ? msg->hdr.size : size)/'
mutant '1003 pauses' vcpu.c 's/pauses >= KVMI_MAX_PAUSES/pauses > KVMI_MAX_PAUSES/'
mutant 'PAUSE_VCPU always waits' vcpu.c 's/if (req->wait)$/if (1)/'
mutant 'PAUSE_VCPU never waits' vcpu.c 's/if (req->wait)$/if (0)/'
mutant 'pauses after close' vcpu.c 's/else if (!vcpu->closed)/else/'
mutant 'a pause stays pending' vcpu.c 's/vcpu->pauses - 1/vcpu->pauses/'
mutant 'replies have no number' vcpu.c '/msg->hdr.seq = job->hdr.seq;/d'
mutant 'errors carry data' vcpu.c 's/error ? 0 : size/size/'
mutant 'replies are not counted' vcpu.c '/kvmi_session_count_reply(/d'
mutant 'no memory for a reply: nobody is told' vcpu.c \
	'0,/session->stream_ops->post(session->stream, NULL);/s///'
mutant 'counted until the reply is sent' vcpu.c \
	'/Before the reply, which/{N;d}; s/^\tpost_reply(vcpu, job, msg, err, reply.size);/&\n\tatomic_dec(\&session->queued);/'
mutant 'no message is used again' vcpu.c 's/if (!vcpu->closed \&\& !vcpu->spare)/if (0)/'
mutant 'a message is used again while it is sent' vcpu.c \
	's/if (session->stream_ops->post(session->stream, msg))$/session->stream_ops->post(session->stream, msg);/'
mutant 'the spare message outlives the connection' vcpu.c '/^\tkvmi_msg_free(spare);/d'
mutant 'a message is kept after close' vcpu.c 's/if (!vcpu->closed \&\& !vcpu->spare)/if (!vcpu->spare)/'
mutant 'what is being handled does not count' vcpu.c '/vcpu->handling = job;/d'
mutant 'run jobs leak' vcpu.c '/run_command(vcpu, job);/{n;d}'
mutant 'CR2 is that of the injection' vcpu.c '/trap.address = vcpu->ops->get_cr2/d'
mutant 'TRAP is sent for ever' vcpu.c \
	'/^static int send_trap/,/^}/s/WRITE_ONCE(vcpu->trap_pending, false);//; s/return kvmi_event_send(vcpu, \&kvmi_event_trap/static int n;\n\n\tif (n++ > 500)\n\t\treturn 0;\n\t&/'
mutant 'TRAP does not wait for the guest' vcpu.c 's/if (vcpu->ops->delivered(vcpu->ctx))/if (1)/'
mutant 'a halted guest is not woken for it' vcpu.c 's/vcpu->ops->unhalt(vcpu->ctx)/(void)0/'
mutant 'PAUSE does not wait for TRAP' vcpu.c \
	'/^static void send_event/,/^}/s/^\t\treturn;/\t\tif (waits_for_reply(vcpu))\n\t\t\treturn;/'
mutant 'events are sent when not entering' vcpu.c 's/if (!entering)/if (0)/'
mutant 'the vCPU is not held' vcpu.c 's/return KVMI_VCPU_HOLD;/return KVMI_VCPU_GO;/'
mutant 'the crash comes again' vcpu.c '/WRITE_ONCE(vcpu->crash, false);/d'
mutant 'the crash is forgotten' vcpu.c '/vcpu->ops->crash(vcpu->ctx);/d'
mutant 'CRASH does not mind a signal' vcpu.c 's/vcpu->ops->interrupted(vcpu->ctx))/0)/'
mutant 'CRASH waits for a signal' vcpu.c 's/vcpu->ops->interrupted(vcpu->ctx))/!vcpu->ops->interrupted(vcpu->ctx))/'
mutant 'CRASH waits until the vCPU is started' vcpu.c 's/^\t\tvcpu->ops->make_runnable.*/\t\t;/'
mutant 'CRASH starts a vCPU that was started' vcpu.c 's/^\t    !vcpu->session->vm_ops->vcpu_ready(vcpu))/\t    1)/'
mutant 'a vCPU is started that is not to crash' vcpu.c '/^static void prepare_crash/,/^}/s/READ_ONCE(vcpu->crash) \&\&/1 \&\&/'
mutant 'CRASH that is decided is not due' vcpu.c '/^bool kvmi_vcpu_crash_due/,/^}/s/due = vcpu->crash;/due = false;/'
mutant 'CRASH that is queued is not due' vcpu.c '/^bool kvmi_vcpu_crash_due/,/^}/s/due |= asks_for_crash(job);/;/'
mutant 'a pause needs no attention' vcpu.c \
	's/READ_ONCE(vcpu->event) || READ_ONCE(vcpu->pauses)/READ_ONCE(vcpu->event)/'
mutant 'a crash needs no attention' vcpu.c 's/READ_ONCE(vcpu->crash) ||/0 ||/'
mutant 'a trap needs no attention' vcpu.c \
	's/READ_ONCE(vcpu->crash) || READ_ONCE(vcpu->trap_pending)/READ_ONCE(vcpu->crash)/'
mutant 'close lets nobody go' vcpu.c '/^static void take_commands/,/^}/s/WRITE_ONCE(vcpu->event, NULL);/;/'
mutant 'close keeps pauses' vcpu.c '/WRITE_ONCE(vcpu->pauses, 0);/d'
mutant 'close keeps the trap' vcpu.c '/^void kvmi_vcpu_close/,/^}/{/trap_pending, false/d}'
mutant 'close keeps the queue' vcpu.c 's/answered |= job->hdr.id == KVMI_VCPU_EVENT;/answered = true;/'
mutant 'close drops the answer' vcpu.c 's/answered |= job->hdr.id == KVMI_VCPU_EVENT;/;/'
mutant 'close keeps what follows the answer' vcpu.c 's/if (answered \&\& kvmi_command_changes/if (kvmi_command_changes/'
mutant 'what is queued and only asks is run when nobody reads' vcpu.c \
	's/else if (kvmi_session_leaving(session) \&\&$/else if (0 \&\&/'
mutant 'what is queued and dropped when nobody reads counts on' vcpu.c \
	'/^static void run_job(/,/^}/s/atomic_dec(&session->queued);/;/'
mutant 'close keeps what only asks' vcpu.c 's/if (answered \&\& kvmi_command_changes.*/if (answered)/'
mutant 'TRAP is due although the tool has gone' vcpu_command.c \
	's/trap_pending, !vcpu->closed/trap_pending, true/'
mutant 'an answer that is dropped loses CRASH' vcpu.c '/crash |= asks_for_crash(job);/d'
mutant 'an answer that is dropped holds the vCPU' vcpu.c '/^bool kvmi_vcpu_drop/,/^}/s/WRITE_ONCE(vcpu->event, NULL);/;/'
mutant 'close leaks the queue' vcpu.c \
	'/list_for_each_entry_safe(/{N;s/kfree(job);/(void)next;/}'

mutant 'mode 8 without long mode' event.c 's/(sregs->efer & lma) \&\& sregs->cs.l/sregs->cs.l/'
mutant 'mode 8 without CS.L' event.c 's/(sregs->efer & lma) \&\& sregs->cs.l/sregs->efer \& lma/'
mutant 'mode 2 and 4 are mixed up' event.c 's/db ? 4 : 2/db ? 2 : 4/'
mutant 'events: two MSRs are mixed up' event.c 's/0x174, 0x175/0x175, 0x174/'
mutant 'events: garbage for an unreadable MSR' event.c \
	's/^\t\t\tvalue\[i\] = 0;/\t\t\tcontinue;/'
mutant 'events: padding is not zero' event.c '/memset(common, 0/d'
mutant 'events: wrong size of the common part' event.c \
	's/common->size = sizeof(\*common)/common->size = sizeof(*common) - 8/'
mutant 'events: index 0' event.c '/common->vcpu = vcpu->index;/d'
mutant 'events: no own data' event.c 's/^\tif (event->size)$/\tif (0)/'
mutant 'events: size of the header without own data' event.c \
	'/sizeof(struct kvmi_vcpu_event) +$/{N;s/ +\n\t\t\tevent->size;/;/}'
mutant 'events have even numbers' event.c \
	's/= atomic_inc_return(&session->event_seq)/= 2 * atomic_inc_return(\&session->event_seq)/'
mutant 'events begin after close' event.c 's/if (!vcpu->closed) {/if (1) {/'
mutant 'an event that cannot begin leaks' event.c '/^\t\tkvmi_vcpu_msg_put(vcpu, msg);$/d'
mutant 'a second event takes the first one for replied' event.c '/vcpu->replied = false;/d'
mutant 'no memory for an event: nobody is told' event.c \
	'/session->stream_ops->post(session->stream, NULL);/d'
mutant 'events are not counted' event.c '/atomic_inc(&session->events);/d'
mutant 'two replies are taken' event.c 's/event \&\& !vcpu->replied \&\&/event \&\&/'
mutant 'any number is taken' event.c 's/vcpu->event_seq == msg->hdr.seq/1/'
mutant 'replies may be short' event.c 's/msg->hdr.size >= fixed/msg->hdr.size >= fixed - 1/'
mutant 'replies may be long' event.c \
	's/msg->hdr.size <= fixed + event->reply_size/msg->hdr.size <= fixed + event->reply_size + 1/'
mutant 'replies: padding1 ignored' event.c 's/!reply->padding1 \&\& !reply->padding2/!reply->padding2/'
mutant 'replies: padding2 ignored' event.c 's/!reply->padding1 \&\& !reply->padding2/!reply->padding1/'
mutant 'RETRY is taken' event.c \
	's/define CONTINUE_OR_CRASH (/&BIT(KVMI_EVENT_ACTION_RETRY) | /'
mutant 'actions wrap at 8' event.c \
	's/reply->action < 8 \&\& (event->actions & BIT(reply->action))/(event->actions \& BIT(reply->action \& 7))/'
mutant 'registers are set again' event.c '/vcpu->has_new_regs = false;/d'
mutant 'registers are not set' event.c '/vcpu->ops->set_regs(/d'
mutant 'CRASH is CONTINUE' event.c 's/action == KVMI_EVENT_ACTION_CRASH/action == 7/'
mutant 'the event does not end' event.c \
	'/^void kvmi_event_finish/,/^}/{/WRITE_ONCE(vcpu->event, NULL);/d}'

mutant 'GET_INFO in kHz' vcpu_command.c 's/1000 \* vcpu/vcpu/'
mutant 'CONTROL_EVENTS: padding2 ignored' vcpu_command.c \
	's/req->padding1 || req->padding2 || req->enable/req->padding1 || req->enable/'
mutant 'CONTROL_EVENTS: enable 2' vcpu_command.c 's/req->enable > 1/req->enable > 2/'
mutant 'CONTROL_EVENTS: VM events, too' vcpu_command.c 's/!(req->event_id & 1) ||/0 ||/'
mutant 'CONTROL_EVENTS: EPERM not tested' vcpu_command.c \
	's/!kvmi_event_allowed(vcpu->session, req->event_id)/0/'
mutant 'CONTROL_EVENTS forgets the others' vcpu_command.c \
	's/enabled_events |= BIT/enabled_events = BIT/'
mutant 'CONTROL_EVENTS cannot disable' vcpu_command.c '/enabled_events &= ~BIT/s/~BIT.*/~0u;/'
mutant 'GET_REGISTERS: padding1 ignored' vcpu_command.c \
	'/^static int get_registers/,/^}/s/req->padding1 || req->padding2/req->padding2/'
mutant 'GET_REGISTERS reads behind the request' vcpu_command.c \
	's/sizeof(req->msrs_idx\[0\]) > sent/sizeof(req->msrs_idx[0]) > sent + 1/'
mutant 'GET_REGISTERS: 482 MSRs' vcpu_command.c \
	's/req->nmsrs > KVMI_MAX_MSRS/req->nmsrs > KVMI_MAX_MSRS + 1/'
mutant 'GET_REGISTERS: 480 MSRs' vcpu_command.c \
	's/req->nmsrs > KVMI_MAX_MSRS/req->nmsrs >= KVMI_MAX_MSRS/'
mutant 'GET_REGISTERS: padding is not zero' vcpu_command.c '/memset(regs, 0/d'
mutant 'GET_REGISTERS: reserved is not zero' vcpu_command.c '/entry\[i\].reserved = 0;/d'
mutant 'GET_REGISTERS: unreadable is 0' vcpu_command.c \
	'/&entry\[i\].data))/{n;s/return -KVMI_EINVAL/entry[i].data = 0/}'
mutant 'SET_REGISTERS: short is accepted' vcpu_command.c \
	'/^static int set_registers/,/^}/s/sent < sizeof(\*req)/sent < sizeof(*req) - 1/'
mutant 'SET_REGISTERS without an event' vcpu_command.c 's/!READ_ONCE(vcpu->event)/0/'
mutant 'SET_REGISTERS: the first wins' vcpu_command.c \
	's/vcpu->new_regs = req->regs;/if (!vcpu->has_new_regs)\n\t\t&/'
mutant 'SET_REGISTERS at once' vcpu_command.c \
	's/vcpu->has_new_regs = true;/vcpu->ops->set_regs(vcpu->ctx, \&req->regs);/'
mutant 'GET_CPUID: no entry is EINVAL' vcpu_command.c 's/-KVMI_ENOENT/-KVMI_EINVAL/'
mutant 'GET_CPUID: leaf and subleaf are mixed up' vcpu_command.c \
	's/req->function, req->index/req->index, req->function/'
for nr in 8 10 11 12 13 14 17 21 29 30; do
	mutant "vector $nr has no error code" vcpu_command.c "s/BIT($nr)/0/"
done
mutant 'vector 1 has an error code' vcpu_command.c 's/with_code = BIT(8)/with_code = BIT(1) | BIT(8)/'
mutant 'INJECT: EPERM not tested' vcpu_command.c \
	's/!kvmi_event_allowed(vcpu->session, KVMI_VCPU_EVENT_TRAP)/0/'
mutant 'INJECT: padding1 ignored' vcpu_command.c 's/req.padding1 || req.padding2/req.padding2/'
mutant 'INJECT: vector 32' vcpu_command.c 's/req.nr > 31 ||/req.nr > 32 ||/'
mutant 'INJECT: NMI' vcpu_command.c 's/ || req.nr == 2)/)/'
mutant 'INJECT: EBUSY not tested' vcpu_command.c 's/if (READ_ONCE(vcpu->trap_pending))/if (0)/'
mutant 'INJECT: error code for all' vcpu_command.c 's/if (!has_error_code(req.nr))/if (0)/'
mutant 'INJECT: the trap keeps its padding' vcpu_command.c \
	's/memset(&vcpu->trap, 0,/memset(\&vcpu->trap, 1,/'
mutant 'INJECT: no TRAP event' vcpu_command.c '/WRITE_ONCE(vcpu->trap_pending, !vcpu->closed);/d'
mutant 'GET_XCR: last byte of the padding' vcpu_command.c \
	's/sizeof(req->padding))/sizeof(req->padding) - 1)/'
mutant 'GET_XCR: any register' vcpu_command.c 's/if (req->xcr)/if (0)/'
mutant 'GET_XSAVE: its error is lost' vcpu_command.c \
	's/return vcpu->ops->get_xsave(vcpu->ctx, reply->data);/vcpu->ops->get_xsave(vcpu->ctx, reply->data);\n\treturn 0;/'
mutant 'SET_XSAVE: short is accepted' vcpu_command.c \
	's/sent < sizeof(struct kvmi_vcpu_xsave)/sent < sizeof(struct kvmi_vcpu_xsave) - 1/'
mutant 'GET_MTRR_TYPE: padding is not zero' vcpu_command.c '/memset(type, 0/d'
mutant 'TRANSLATE_GVA answers the question' vcpu_command.c \
	's/req->gva, &translation->gpa);/0, \&translation->gpa);/'
mutant 'even ids are vCPU commands' vcpu_command.c 's/if (!(id & 1) || id >=/if (id >=/'
mutant 'the header counts as sent' vcpu_command.c 's/job->hdr.size - hdr : 0/job->hdr.size : 0/'

mutant 'MTRR: type of the range before' mtrr.c 's/8 \* (range % 8)/8 * ((range + 7) % 8)/'
mutant 'MTRR: 64 KiB ranges up to 640 KiB' mtrr.c 's/gpa < 0x80000)/gpa < 0xa0000)/'
mutant 'MTRR: 16 KiB ranges up to 1 MiB' mtrr.c 's/gpa < 0xc0000)/gpa < 0xc4000)/'
mutant 'MTRR: fixed ranges beyond 1 MiB' mtrr.c 's/gpa < 0x100000 \&\&/gpa <= 0x100000 \&\&/'
mutant 'MTRR: fixed ranges although off' mtrr.c 's/\&\& (def & DEF_TYPE_FIXED)/\&\& 1/'
mutant 'MTRR: enabled is not tested' mtrr.c 's/!(def & DEF_TYPE_ENABLED)/0/'
mutant 'MTRR: UC loses' mtrr.c 's/if (old == UC || type == UC)/if (0)/'
mutant 'MTRR: WT loses' mtrr.c '/old == WT \&\& type == WB/{n;s/WT/WB/}'
mutant 'MTRR: WT loses when first' mtrr.c 's/(old == WT \&\& type == WB) ||/0 ||/'
mutant 'MTRR: undefined is the last' mtrr.c '/^static int combine/,/^}/s/return WB;/return type;/'
mutant 'MTRR: invalid ranges count' mtrr.c 's/if (!(mask & MASK_VALID))/if (0)/'
mutant 'MTRR: one range too few' mtrr.c 's/i < count \&\&/i + 1 < count \&\&/'
mutant 'MTRR: one range too many' mtrr.c 's/i < count \&\&/i <= count \&\&/'
mutant 'MTRR: 17 ranges' mtrr.c 's/i < 16;/i < 17;/'
mutant 'MTRR: base and mask are mixed up' mtrr.c 's/MTRR_VAR(i) + 1/MTRR_VAR(i)/'
mutant 'MTRR: bits of the type are compared' mtrr.c 's/\& mask & ~0xfffull/\& mask/'
mutant 'MTRR: disabled is UC' mtrr.c '/(leaf.edx & CPUID_MTRR)/s/(leaf.edx & CPUID_MTRR)/1/'
mutant 'MTRR: disabled is WB' mtrr.c '/(leaf.edx & CPUID_MTRR)/s/(leaf.edx & CPUID_MTRR)/0/'
mutant 'MTRR: the default is WB' mtrr.c 's/(u8)def/WB/'
