// SPDX-License-Identifier: GPL-2.0-only
/*
 * libkvmic's calls against the module: what they return is what KVM says of the
 * same vCPU, and what they set arrives. How the library takes what a kernel might
 * send is tested without one, in selftests/tools.
 */
#define _GNU_SOURCE
#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include <kvmic.h>
#include <kvmic_host.h>
#include <kvmic_vcpu.h>

#include "kvmi_vcpu.h"

#define SLOW_MS 20000
#define NO_VCPU 99
#define HOLE 0x7ffff000ull	/* no memory slot is there */

static struct kvm_vcpu *vcpus[MAX_VCPUS];
static struct runner runner;
static struct kvmic_conn *conn;

#define CALL(call)							\
	do {								\
		int _r = (call);					\
									\
		CHECK(!_r, "%d, %s", _r, kvmic_error(conn));		\
	} while (0)

static struct kvm_vm *start(int nr, void *entry)
{
	struct kvm_vm *vm = guest_create(nr, entry, vcpus);
	struct kvmic_attach attach;
	struct kvmic_err err;

	kvmic_attach_init(&attach, getpid());
	CHECK(!kvmic_hook(vm->fd, &attach, &conn, &err), "%s", err.text);
	return vm;
}

static void next_event(uint16_t event, int vcpu, struct kvmic_vcpu_event *ev)
{
	static struct kvmic_event raw;

	CHECK_EQ(kvmic_next_event(conn, SLOW_MS, &raw), 1);
	CALL(kvmic_decode_event(&raw, ev, NULL));
	CHECK_EQ(ev->event, event);
	CHECK_EQ(ev->vcpu, vcpu);
	CHECK_EQ(ev->known, sizeof(ev->arch));
}

static void pause_it(int vcpu, struct kvmic_vcpu_event *ev)
{
	CALL(kvmic_pause_vcpu(conn, vcpu, 1));
	next_event(KVMI_VCPU_EVENT_PAUSE, vcpu, ev);
}

static void answer(const struct kvmic_vcpu_event *ev, uint8_t action)
{
	CALL(kvmic_answer_event(conn, ev, action, NULL, 0));
}

static void vm_commands(void)
{
	struct kvm_vm *vm = start(4, guest_spin);
	struct kvmi_get_version_reply version;
	struct kvmi_vm_get_info_reply info;

	CALL(kvmic_get_version(conn, &version));
	CHECK_EQ(version.version, KVMI_VERSION);
	CHECK_EQ(version.max_msg_size, KVMI_MAX_MSG_SIZE);
	CALL(kvmic_get_info(conn, &info));
	CHECK_EQ(info.vcpu_count, 4);
	CALL(kvmic_check_command(conn, KVMI_VCPU_TRANSLATE_GVA));
	CHECK_EQ(kvmic_check_command(conn, KVMI_VCPU_CONTROL_CR),
		 -KVMI_ENOENT);
	CALL(kvmic_check_event(conn, KVMI_VCPU_EVENT_TRAP));
	CHECK_EQ(kvmic_check_event(conn, KVMI_VCPU_EVENT_PF), -KVMI_ENOENT);
	CALL(kvmic_control_cleanup(conn, 0));
	CALL(kvmic_control_cleanup(conn, 1));
	CALL(kvmic_control_events(conn, KVMI_VM_EVENT_UNHOOK, 1));
	CHECK_EQ(kvmic_control_events(conn, KVMI_VCPU_EVENT_TRAP, 1),
		 -KVMI_EINVAL);
	CHECK_EQ(preunhook(vm), 0);
	CHECK_EQ(kvmic_next_event(conn, SLOW_MS, &(struct kvmic_event){ 0 }),
		 1);
}

static void *bad_at[4];
static int bad;

static void note_bad(uint64_t gpa, size_t len, int error, void *arg)
{
	CHECK_EQ(len, 4096);
	CHECK_EQ(error, -KVMI_ENOENT);
	bad_at[bad++ % 4] = (void *)gpa;
}

/* Over a page's end, where no memory is, and virtually. */
static void memory(void)
{
	struct kvm_vm *vm = start(1, guest_spin);
	uint8_t *host = addr_gpa2hva(vm, 0), buf[8192], other[5000];
	uint64_t area = (uint64_t)&guest_area[0];
	size_t done;
	int i;

	for (i = 0; i < sizeof(other); i++)
		other[i] = i * 7 + 1;
	CALL(kvmic_write_physical(conn, 0x10ff0, other, sizeof(other), &done));
	CHECK_EQ(done, sizeof(other));
	CHECK(!memcmp(host + 0x10ff0, other, sizeof(other)), "not written");
	CALL(kvmic_read_physical(conn, 0x10ff0, buf, sizeof(other), &done));
	CHECK_EQ(done, sizeof(other));
	CHECK(!memcmp(buf, other, sizeof(other)), "not what was written");

	CHECK_EQ(kvmic_read_physical(conn, HOLE, buf, 8, &done), -KVMI_ENOENT);
	CHECK_EQ(done, 0);
	memset(buf, 1, sizeof(buf));
	CHECK_EQ(kvmic_read_sparse(conn, HOLE, buf, sizeof(buf), note_bad,
				   NULL), 2);
	CHECK_EQ(bad, 2);
	CHECK(bad_at[0] == (void *)HOLE && !buf[0] && !buf[8191], "no holes");

	guest_of(vm, 0)->count = 0x123456789abcdef;
	CALL(kvmic_read_virtual(conn, 0, area, buf, 8, &done));
	CHECK(!memcmp(buf, (const void *)&guest_of(vm, 0)->count, 8),
	      "wrong bytes");
	CHECK_EQ(kvmic_read_virtual(conn, 0, 0x123456789000, buf, 8, &done),
		 -KVMIC_ERR_NOT_MAPPED);
}

static void check_registers(int vcpu)
{
	static const uint32_t msrs[] = { 0xc0000081, 0x277, 0xc0000080 };
	struct kvmi_vcpu_get_registers_reply regs;
	struct kvm_sregs sregs;
	struct kvm_regs kvm;
	uint64_t values[3];
	int i;

	CALL(kvmic_vcpu_get_registers(conn, vcpu, msrs, 3, &regs, values));
	vcpu_regs_get(vcpus[vcpu], &kvm);
	vcpu_sregs_get(vcpus[vcpu], &sregs);
	CHECK(!memcmp(&regs.regs, &kvm, sizeof(kvm)), "registers");
	CHECK(!memcmp(&regs.sregs, &sregs, sizeof(sregs)), "sregs");
	CHECK_EQ(regs.mode, 8);
	for (i = 0; i < 3; i++)
		CHECK_EQ(values[i], vcpu_get_msr(vcpus[vcpu], msrs[i]));
}

/* Never run, and stopped: then KVM can be asked as well. */
static void check_values(struct kvm_vm *vm, int vcpu)
{
	struct kvmi_vcpu_get_cpuid_reply cpuid;
	struct kvmi_vcpu_get_info_reply info;
	struct kvm_cpuid_entry2 *leaf;
	struct kvmi_vcpu_xsave xsave;
	struct kvm_xsave kvm;
	uint64_t value;
	uint8_t type;
	int khz;

	check_registers(vcpu);
	CALL(kvmic_vcpu_get_info(conn, vcpu, &info));
	khz = kvm_has_cap(KVM_CAP_TSC_CONTROL) ?
	      __vcpu_ioctl(vcpus[vcpu], KVM_GET_TSC_KHZ, NULL) : 0;
	CHECK_EQ(info.tsc_speed, 1000ull * khz);
	CALL(kvmic_vcpu_get_cpuid(conn, vcpu, 1, 0, &cpuid));
	leaf = vcpu_get_cpuid_entry(vcpus[vcpu], 1);
	CHECK_EQ(cpuid.eax, leaf->eax);
	CHECK_EQ(cpuid.ecx | 1u << 27, leaf->ecx | 1u << 27);
	CALL(kvmic_vcpu_get_xcr(conn, vcpu, 0, &value));
	CHECK_EQ(value, 1);
	CALL(kvmic_vcpu_get_xsave(conn, vcpu, &xsave));
	vcpu_xsave_get(vcpus[vcpu], &kvm);
	CHECK(!memcmp(&xsave, &kvm, sizeof(xsave)), "KVM_GET_XSAVE");
	CALL(kvmic_vcpu_get_mtrr_type(conn, vcpu, 0, &type));
	CHECK(type == 0 || type == 6, "type is %d", type);
	CALL(kvmic_vcpu_translate_gva(conn, vcpu, (uint64_t)&guest_area[0],
				      &value));
	CHECK_EQ(value, addr_gva2gpa(vm, (vm_vaddr_t)&guest_area[0]));
	CALL(kvmic_vcpu_translate_gva(conn, vcpu, 0x123456789000, &value));
	CHECK_EQ(value, KVMIC_NOT_MAPPED);
}

static void values(void)
{
	struct kvm_vm *vm = start(2, guest_spin);

	check_values(vm, 0);
	check_values(vm, 1);
	runner_start(&runner, vcpus[1]);
	CHECK(guest_moves(&guest_of(vm, 1)->count), "no guest");
	runner_park(&runner, RUNNER_BLOCKED);
	check_values(vm, 1);
}

static void changes(void)
{
	struct kvm_vm *vm = start(1, guest_spin);
	struct kvmi_vcpu_xsave xsave, after;
	struct guest_area *area = guest_of(vm, 0);
	struct kvmic_vcpu_event ev;
	struct kvm_regs regs;

	runner_start(&runner, vcpus[0]);
	CHECK(guest_moves(&area->count), "no guest");
	pause_it(0, &ev);
	CHECK(guest_still(&area->count), "it is not paused");
	CHECK(ev.arch.regs.rip >= (uint64_t)guest_spin_loop &&
	      ev.arch.regs.rip < (uint64_t)guest_spin_end, "RIP");
	regs = ev.arch.regs;
	regs.rip = (uint64_t)guest_other;
	CALL(kvmic_vcpu_set_registers(conn, 0, &regs));
	CALL(kvmic_vcpu_get_xsave(conn, 0, &xsave));
	((uint8_t *)xsave.region)[160] ^= 0x55;
	((uint8_t *)xsave.region)[512] |= 2;
	CALL(kvmic_vcpu_set_xsave(conn, 0, &xsave));
	CALL(kvmic_vcpu_get_xsave(conn, 0, &after));
	CHECK(!memcmp(&xsave, &after, sizeof(xsave)), "SET_XSAVE");
	answer(&ev, KVMI_EVENT_ACTION_CONTINUE);
	CHECK(guest_moves(&area->other), "SET_REGISTERS");

	CALL(kvmic_vcpu_inject_exception(conn, 0, PF_VECTOR, 2, 0xabcd000));
	next_event(KVMI_VCPU_EVENT_TRAP, 0, &ev);
	CHECK_EQ(ev.trap.nr, PF_VECTOR);
	CHECK_EQ(ev.trap.error_code, 2);
	answer(&ev, KVMI_EVENT_ACTION_CONTINUE);
	CHECK(WAIT_FOR(area->traps, 20), "no exception");
	CHECK_EQ(area->vector, PF_VECTOR);
	CALL(kvmic_vcpu_control_events(conn, 0, KVMI_VCPU_EVENT_PAUSE, 1));

	pause_it(0, &ev);
	answer(&ev, KVMI_EVENT_ACTION_CRASH);
	CHECK_EQ(runner_exit(&runner), KVM_EXIT_SHUTDOWN);
}

/* As the module says it. */
static void errors(void)
{
	struct kvm_vm *vm = start(1, guest_spin);
	struct kvmi_vcpu_get_info_reply info;
	const uint32_t no_msr = 0x4b000000;
	struct kvmi_vcpu_xsave xsave;
	struct kvm_regs regs = {};
	uint64_t value = 1;

	CHECK_EQ(kvmic_vcpu_get_info(conn, NO_VCPU, &info), -KVMI_EINVAL);
	CHECK_EQ(kvmic_pause_vcpu(conn, NO_VCPU, 0), -KVMI_EINVAL);
	CHECK_EQ(kvmic_vcpu_get_xcr(conn, 0, 1, &value), -KVMI_EINVAL);
	CHECK_EQ(value, 0);
	CHECK_EQ(kvmic_vcpu_set_registers(conn, 0, &regs), -KVMI_EOPNOTSUPP);
	CHECK_EQ(kvmic_vcpu_get_registers(conn, 0, &no_msr, 1,
			&(struct kvmi_vcpu_get_registers_reply){ 0 }, &value),
		 -KVMI_EINVAL);
	CHECK_EQ(kvmic_vcpu_inject_exception(conn, 0, 2, 0, 0), -KVMI_EINVAL);
	memset(&xsave, 0xff, sizeof(xsave));
	CHECK_EQ(kvmic_vcpu_set_xsave(conn, 0, &xsave), -KVMI_EINVAL);
	CHECK_EQ(set_command(vm, 0, KVMI_VCPU_GET_INFO), 0);
	CHECK_EQ(kvmic_vcpu_get_info(conn, 0, &info), -KVMI_EPERM);
	CHECK_EQ(kvmic_check_command(conn, KVMI_VCPU_GET_INFO), -KVMI_EPERM);
	/* The module closes the connection for it. */
	CALL(kvmic_send_event_reply(conn, 7, &(struct event_answer){ 0 }, 16));
	CHECK_EQ(kvmic_get_info(conn, &(struct kvmi_vm_get_info_reply){ 0 }),
		 -KVMIC_ERR_CLOSED);
}

/*
 * As many as may wait, their replies fetched the other way round. Of one vCPU they
 * come at once, of the other when it has left its guest.
 */
static void pipelined(void)
{
	struct kvm_vm *vm = start(2, guest_spin);
	struct kvmi_vcpu_hdr hdr = { 0 };
	uint32_t seq[KVMIC_MAX_OUTSTANDING], extra;
	struct kvmi_vcpu_get_info_reply info;
	size_t got;
	int i;

	runner_start(&runner, vcpus[1]);
	CHECK(guest_moves(&guest_of(vm, 1)->count), "no guest");
	for (i = 0; i < KVMIC_MAX_OUTSTANDING; i++) {
		hdr.vcpu = i & 1;
		CALL(kvmic_send(conn, KVMI_VCPU_GET_INFO, &hdr, sizeof(hdr),
				&seq[i]));
	}
	CHECK_EQ(kvmic_send(conn, KVMI_VCPU_GET_INFO, &hdr, sizeof(hdr),
			    &extra), -KVMIC_ERR_BUSY);
	for (i = KVMIC_MAX_OUTSTANDING - 1; i >= 0; i--) {
		CALL(kvmic_receive(conn, KVMI_VCPU_GET_INFO, seq[i], &info,
				   sizeof(info), &got));
		CHECK_EQ(got, sizeof(info));
	}
	CHECK_EQ(kvmic_receive(conn, KVMI_VCPU_GET_INFO, seq[0], NULL, 0,
			       NULL), -KVMIC_ERR_ARG);
	CHECK_EQ(runner.returns, 0);
}

static int callbacks;

/* It may use the connection. */
static void on_event(struct kvmic_conn *c, const struct kvmic_event *event,
		     void *arg)
{
	struct kvmic_vcpu_event ev;
	uint64_t value;

	CALL(kvmic_decode_event(event, &ev, NULL));
	CALL(kvmic_vcpu_get_xcr(c, ev.vcpu, 0, &value));
	CALL(kvmic_answer_event(c, &ev, KVMI_EVENT_ACTION_CONTINUE, NULL, 0));
	callbacks++;
}

static void callback(void)
{
	struct kvm_vm *vm = start(1, guest_spin);
	uint64_t end;
	int i;

	kvmic_set_event_callback(conn, on_event, NULL);
	runner_start(&runner, vcpus[0]);
	for (i = 1; i <= 20; i++) {
		CALL(kvmic_pause_vcpu(conn, 0, i & 1));
		end = kvmi_now_ms() + SLOW_MS;
		while (callbacks < i) {
			CHECK(kvmic_process(conn, 100) >= 0, "%s",
			      kvmic_error(conn));
			CHECK(kvmi_now_ms() < end, "no event");
		}
	}
	CHECK_EQ(callbacks, 20);
	CHECK(guest_moves(&guest_of(vm, 0)->count), "the guest hangs");
	CHECK_EQ(runner.returns, 0);
}

/* A VMM that knows nothing of all this. */
static int vmm_main(void *arg)
{
	guest_create(2, guest_spin, vcpus);
	runner_start(&runner, vcpus[0]);
	for (;;)
		pause();
	return 0;
}

static bool is_listed(pid_t pid, enum kvmic_hooked hooked)
{
	struct kvmic_vm_list list;
	bool found;

	if (kvmic_list(NULL, pid, &list, NULL))
		return false;
	found = list.count == 1 && list.vm[0].pid == pid &&
		list.vm[0].vcpus == 2 && list.vm[0].hooked == hooked;
	kvmic_list_free(&list);
	return found;
}

static void attach_to(void)
{
	struct kvmi_vcpu_get_registers_reply regs;
	struct kvmic_conn *second;
	struct kvmic_attach attach;
	struct kvmi_counts before;
	struct kvmic_err err;
	pid_t pid;
	int i;

	counts_read(&before);
	pid = spawn(vmm_main, NULL);
	CHECK(WAIT_FOR(is_listed(pid, KVMIC_HOOKED_NO), 20), "not listed");
	kvmic_attach_init(&attach, pid);
	for (i = 0; i < kvmi_count(3, 50); i++) {
		CHECK(!kvmic_attach(&attach, &conn, &err), "%s", err.text);
		CHECK(is_listed(pid, KVMIC_HOOKED_YES), "not as hooked");
		CHECK_EQ(kvmic_attach(&attach, &second, &err),
			 -KVMIC_ERR_HOOKED);
		CALL(kvmic_vcpu_get_registers(conn, 0, NULL, 0, &regs, NULL));
		CHECK_EQ(kvmic_detach(conn), 0);
		CHECK(is_listed(pid, KVMIC_HOOKED_NO), "still hooked");
	}
	attach.commands = 1u << KVMI_VCPU_GET_CPUID;
	CHECK(!kvmic_attach(&attach, &conn, &err), "%s", err.text);
	CALL(kvmic_check_command(conn, KVMI_VCPU_GET_CPUID));
	CHECK_EQ(kvmic_check_command(conn, KVMI_VCPU_GET_INFO), -KVMI_EPERM);
	CHECK_EQ(kvmic_detach(conn), 0);
	kill(pid, SIGKILL);
	CHECK_EQ(reap(pid), -SIGKILL);
	counts_check(&before);
}

static const struct kvmi_case cases[] = {
	{ "commands of the VM", vm_commands },
	{ "memory, physical and virtual", memory },
	{ "values of vCPUs are KVM's", values },
	{ "what is set, injected and answered arrives", changes },
	{ "errors are the module's", errors },
	{ "commands that do not wait for each other", pipelined },
	{ "events by a callback", callback },
	{ "a VM of another process is found and attached to", attach_to },
};

int main(int argc, char **argv)
{
	return kvmi_main(argc, argv, cases, ARRAY_SIZE(cases));
}
