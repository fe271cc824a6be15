// SPDX-License-Identifier: GPL-2.0-only
/*
 * VM_CONTROL_EVENTS, the UNHOOK event and KVM_INTROSPECTION_PREUNHOOK.
 */
#define _GNU_SOURCE
#include <pthread.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "kvm_util.h"
#include "kvmi_test.h"

static int control(int fd, uint16_t event, uint8_t enable)
{
	struct kvmi_vm_control_events req = {
		.event_id = event,
		.enable = enable,
	};

	return command(fd, KVMI_VM_CONTROL_EVENTS, &req, sizeof(req), NULL, 0);
}

static void errors(void)
{
	struct kvm_vm *vm = vm_create_barebones();
	uint8_t req[8];
	int fd = session_all(vm), i;

	for (i = 3; i < 8; i++) {
		memset(req, 0, sizeof(req));
		req[i] = 1;
		CHECK_EQ(command(fd, KVMI_VM_CONTROL_EVENTS, req, 8, NULL, 0),
			 -KVMI_EINVAL);
	}
	for (i = 2; i < 256; i++)
		CHECK_EQ(control(fd, KVMI_VM_EVENT_UNHOOK, i), -KVMI_EINVAL);
	for (i = 1; i < 70; i++) {
		CHECK_EQ(control(fd, i, 0), -KVMI_EINVAL);
		CHECK_EQ(control(fd, i, 1), -KVMI_EINVAL);
	}
	CHECK_EQ(control(fd, 0xffff, 1), -KVMI_EINVAL);
	CHECK_EQ(control(fd, 0x0100, 1), -KVMI_EINVAL);
	CHECK_EQ(event_unhook(fd, 1), 0);
	CHECK_EQ(event_unhook(fd, 1), 0);
	CHECK_EQ(event_unhook(fd, 0), 0);
	CHECK_EQ(event_unhook(fd, 0), 0);
}

/* Arguments before permission, permission for disabling as well. */
static void permission(void)
{
	struct kvm_vm *vm = vm_create_barebones();
	int fd = session(vm);

	CHECK_EQ(event_unhook(fd, 1), -KVMI_EPERM);
	CHECK_EQ(set_command(vm, 1, KVMI_VM_CONTROL_EVENTS), 0);
	CHECK_EQ(control(fd, KVMI_VM_EVENT_UNHOOK, 2), -KVMI_EINVAL);
	CHECK_EQ(control(fd, 1, 1), -KVMI_EINVAL);
	CHECK_EQ(event_unhook(fd, 1), -KVMI_EPERM);
	CHECK_EQ(event_unhook(fd, 0), -KVMI_EPERM);
	CHECK_EQ(set_event(vm, 1, 1), 0);
	CHECK_EQ(event_unhook(fd, 1), -KVMI_EPERM);
	CHECK_EQ(set_event(vm, 1, KVMI_VM_EVENT_UNHOOK), 0);
	CHECK_EQ(event_unhook(fd, 1), 0);
}

static void preunhook_errors(void)
{
	struct kvm_vm *vm = vm_create_barebones();
	int fd;

	CHECK_EQ(preunhook(vm), -EFAULT);
	fd = session_all(vm);
	CHECK_EQ(preunhook(vm), -ENOENT);
	CHECK_EQ(event_unhook(fd, 0), 0);
	CHECK_EQ(preunhook(vm), -ENOENT);
	CHECK_EQ(unhook(vm), 0);
	CHECK_EQ(preunhook(vm), -EFAULT);
}

/* The message is these 16 bytes and no others; seq counts from 1. */
static void expect_event(int fd, uint32_t seq)
{
	struct kvmi_msg_hdr want = { .id = KVMI_VM_EVENT, .size = 8,
				     .seq = seq };
	uint8_t zero[8] = { 0 };
	struct message msg;

	CHECK_EQ(recv_msg(fd, &msg), 8);
	CHECK(!memcmp(&msg.hdr, &want, 8), "header: id %u size %u seq %u",
	      msg.hdr.id, msg.hdr.size, msg.hdr.seq);
	CHECK(!memcmp(msg.data, zero, 8), "payload");
}

static void event_bytes(void)
{
	struct kvm_vm *vm = vm_create_barebones();
	int fd = session_all(vm), i;

	CHECK_EQ(event_unhook(fd, 1), 0);
	for (i = 1; i <= 5; i++) {
		CHECK_EQ(preunhook(vm), 0);
		expect_event(fd, i);
	}
	/* Events come in order, before the reply to a later command. */
	CHECK_EQ(preunhook(vm), 0);
	CHECK_EQ(preunhook(vm), 0);
	CHECK_EQ(send_msg(fd, 0xffff, 9, NULL, 0), 0);
	expect_event(fd, 6);
	expect_event(fd, 7);
	CHECK_EQ(recv_error(fd, 0xffff, 9), -KVMI_ENOSYS);
}

static void disabled_again(void)
{
	struct kvm_vm *vm = vm_create_barebones();
	int fd = session_all(vm);

	CHECK_EQ(event_unhook(fd, 1), 0);
	CHECK_EQ(preunhook(vm), 0);
	expect_event(fd, 1);
	CHECK_EQ(event_unhook(fd, 0), 0);
	CHECK_EQ(preunhook(vm), -ENOENT);
	CHECK_EQ(event_unhook(fd, 1), 0);
	CHECK_EQ(preunhook(vm), 0);
	/* What was not sent took no number. */
	expect_event(fd, 2);
}

/* Disallowing does not disable what is enabled. */
static void disallowed_later(void)
{
	struct kvm_vm *vm = vm_create_barebones();
	int fd = session_all(vm);

	CHECK_EQ(event_unhook(fd, 1), 0);
	CHECK_EQ(set_event(vm, 0, -1), 0);
	CHECK_EQ(set_command(vm, 0, -1), 0);
	CHECK_EQ(preunhook(vm), 0);
	expect_event(fd, 1);
}

/* The next session starts with events off and counts from 1 again. */
static void fresh_after_unhook(void)
{
	struct kvm_vm *vm = vm_create_barebones();
	int fd = session_all(vm);

	CHECK_EQ(event_unhook(fd, 1), 0);
	CHECK_EQ(preunhook(vm), 0);
	CHECK_EQ(unhook(vm), 0);
	expect_event(fd, 1);
	CHECK(closed_silently(fd), "not closed");
	close(fd);
	fd = session_all(vm);
	CHECK_EQ(preunhook(vm), -ENOENT);
	CHECK_EQ(event_unhook(fd, 1), 0);
	CHECK_EQ(preunhook(vm), 0);
	expect_event(fd, 1);
}

static void tool_gone(void)
{
	struct kvm_vm *vm = vm_create_barebones();
	int fd = session_all(vm);

	CHECK_EQ(event_unhook(fd, 1), 0);
	close(fd);
	CHECK(WAIT_FOR(preunhook(vm) == -ENOENT, 20), "still delivered");
	CHECK_EQ(preunhook(vm), -ENOENT);
	CHECK_EQ(unhook(vm), 0);
}

/* The tool answers by leaving, as the device manager asked. */
static void tool_leaves(void)
{
	struct kvm_vm *vm = vm_create_barebones();
	struct kvmi_counts before;
	int fd, i;

	counts_read(&before);
	for (i = 0; i < 20; i++) {
		fd = session_all(vm);
		CHECK_EQ(event_unhook(fd, 1), 0);
		CHECK_EQ(preunhook(vm), 0);
		expect_event(fd, 1);
		close(fd);
		CHECK_EQ(unhook(vm), 0);
	}
	counts_check(&before);
}

static void full_socket(void)
{
	struct kvm_vm *vm = vm_create_barebones();
	struct kvmi_counts before;
	uint64_t start;
	int fd;

	counts_read(&before);
	fd = session_all(vm);
	CHECK_EQ(event_unhook(fd, 1), 0);
	stuff_socket(fd);
	start = kvmi_now_ms();
	CHECK_EQ(preunhook(vm), -ENOENT);
	CHECK(kvmi_now_ms() - start < 4000, "PREUNHOOK took %llu ms",
	      (unsigned long long)(kvmi_now_ms() - start));
	start = kvmi_now_ms();
	CHECK_EQ(unhook(vm), 0);
	CHECK(kvmi_now_ms() - start < 1000, "UNHOOK took %llu ms",
	      (unsigned long long)(kvmi_now_ms() - start));
	close(fd);
	counts_check(&before);
}

struct ask {
	struct kvm_vm *vm;
	volatile uint64_t start;
	uint64_t took;
	int err;
};

static void *slow_preunhook(void *arg)
{
	struct ask *ask = arg;

	ask->start = kvmi_now_ms();
	ask->err = preunhook(ask->vm);
	ask->took = kvmi_now_ms() - ask->start;
	return NULL;
}

/*
 * UNHOOK does not wait for a PREUNHOOK that is stuck in a full socket, but ends it:
 * by itself that gives up after a second, and not before.
 */
static void unhook_during_preunhook(void)
{
	struct ask ask = { .vm = vm_create_barebones(), .took = 1000 };
	pthread_t thread;
	uint64_t start;
	int fd, i;

	/* It may have given up before UNHOOK on a slow machine: then once more. */
	for (i = 0; i < 10 && ask.took >= 900; i++) {
		fd = session_all(ask.vm);
		CHECK_EQ(event_unhook(fd, 1), 0);
		stuff_socket(fd);
		ask.start = 0;
		CHECK(!pthread_create(&thread, NULL, slow_preunhook, &ask),
		      "thread");
		CHECK(WAIT_FOR(ask.start, 20), "no thread");
		kvmi_sleep_ms(200);
		start = kvmi_now_ms();
		CHECK_EQ(unhook(ask.vm), 0);
		CHECK(kvmi_now_ms() - start < 2000, "UNHOOK took %llu ms",
		      (unsigned long long)(kvmi_now_ms() - start));
		pthread_join(thread, NULL);
		CHECK_EQ(ask.err, -ENOENT);
		close(fd);
	}
	CHECK(ask.took < 900, "PREUNHOOK goes on for %llu ms",
	      (unsigned long long)ask.took);
}

static void expect_count(const char *name, const char *want)
{
	char got[32];

	CHECK(vms_field(getpid(), name, got, sizeof(got)), "no line");
	CHECK(!strcmp(got, want), "%s: %s, not %s", name, got, want);
}

/* Each has a number of its own. The last command has no reply: it ends the connection. */
static void counters(void)
{
	const struct kvmi_vm_write_physical cut = { .size = 8 };
	struct kvm_vm *vm = vm_create_barebones();
	int fd = session_all(vm), i;

	expect_count("commands", "0");
	CHECK_EQ(event_unhook(fd, 1), 0);
	for (i = 0; i < 3; i++)
		CHECK_EQ(command(fd, 0xffff, NULL, 0, NULL, 0), -KVMI_ENOSYS);
	for (i = 1; i <= 2; i++) {
		CHECK_EQ(preunhook(vm), 0);
		expect_event(fd, i);
	}
	CHECK_EQ(send_msg(fd, KVMI_VM_WRITE_PHYSICAL, 9, &cut, sizeof(cut)), 0);
	CHECK(closed_silently(fd), "not closed");
	expect_count("commands", "5");
	expect_count("replies", "4");
	expect_count("errors", "3");
	expect_count("events", "2");
}

static const struct kvmi_case cases[] = {
	{ "VM_CONTROL_EVENTS errors", errors },
	{ "VM_CONTROL_EVENTS permission", permission },
	{ "PREUNHOOK errors", preunhook_errors },
	{ "the UNHOOK event, every byte", event_bytes },
	{ "disabling and enabling again", disabled_again },
	{ "disallowing does not disable", disallowed_later },
	{ "a new session starts afresh", fresh_after_unhook },
	{ "PREUNHOOK when the tool is gone", tool_gone },
	{ "the tool leaves when asked", tool_leaves },
	{ "a tool that does not read delays nobody", full_socket },
	{ "UNHOOK during PREUNHOOK", unhook_during_preunhook },
	{ "the counters in the list of VMs", counters },
};

int main(int argc, char **argv)
{
	return kvmi_main(argc, argv, cases, ARRAY_SIZE(cases));
}
