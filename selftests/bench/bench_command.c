// SPDX-License-Identifier: GPL-2.0-only
/*
 * Commands, and what they are compared with: a ping-pong over a socket pair with
 * another process, and process_vm_readv().
 *
 * The tool's side is the same code for both: one send(), one recv(). The other
 * process does the least that can be done: one recv(), one send().
 *
 * There is one CPU. Woken tasks of SCHED_BATCH do not preempt, so that each task
 * goes on until it sleeps, as on a machine with a CPU for each, and what it does
 * after its answer, such as looking whether there is more, counts as well.
 */
#define _GNU_SOURCE
#include <ctype.h>
#include <dirent.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "kvmi_vcpu.h"
#include "bench.h"

#define PAGE 4096

/**
 * struct talk - a message and its answer
 * @fd: the tool's end
 * @request: what is sent
 * @size: its bytes
 * @answer: bytes of the answer
 * @spin: counts the guest's loops of two instructions, or NULL
 */
struct talk {
	int fd;
	struct message request;
	size_t size;
	size_t answer;
	volatile uint64_t *spin;
};

static uint64_t talk_round(void *arg)
{
	static uint8_t buf[sizeof(struct message)];
	struct talk *talk = arg;
	uint64_t before = talk->spin ? *talk->spin : 0;
	ssize_t got;

	CHECK_EQ(send(talk->fd, &talk->request, talk->size, 0), talk->size);
	got = recv(talk->fd, buf, sizeof(buf), 0);
	CHECK_EQ(got, talk->answer);
	return talk->spin ? 2 * (*talk->spin - before) : 0;
}

static void set_policy(pid_t tid, int policy)
{
	struct sched_param none = {};

	CHECK(!sched_setscheduler(tid, policy, &none), "%s", strerror(errno));
}

static bool is_receiver(const char *pid)
{
	char path[300], comm[32] = "";
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%s/comm", pid);
	f = isdigit(pid[0]) ? fopen(path, "re") : NULL;
	if (!f)
		return false;
	if (!fgets(comm, sizeof(comm), f))
		comm[0] = '\0';
	fclose(f);
	return !strncmp(comm, "kvmi-recv", 9);
}

/* A session whose thread is of SCHED_BATCH. */
static int batch_session(struct kvm_vm *vm)
{
	int fd = session_all(vm), count = 0;
	struct dirent *entry;
	DIR *proc = opendir("/proc");

	CHECK(proc, "/proc");
	while ((entry = readdir(proc))) {
		if (!is_receiver(entry->d_name))
			continue;
		set_policy(atoi(entry->d_name), SCHED_BATCH);
		count++;
	}
	closedir(proc);
	CHECK_EQ(count, 1);
	return fd;
}

/* -------------------------------------------------------------- ping-pong -- */

struct peer {
	int fd;
	size_t request;
	size_t answer;
};

static void *answer_all(void *arg)
{
	static __thread uint8_t buf[sizeof(struct message)];
	struct peer *peer = arg;

	while (recv(peer->fd, buf, sizeof(buf), 0) == peer->request)
		if (send(peer->fd, buf, peer->answer, MSG_NOSIGNAL) !=
		    peer->answer)
			break;
	return NULL;
}

static struct bench_cost ping_pong(size_t request, size_t answer, bool thread)
{
	struct talk talk = { .size = request, .answer = answer };
	struct peer peer = { .request = request, .answer = answer };
	struct bench_cost cost;
	pthread_t tid;
	pid_t pid = 0;
	int sv[2];

	socket_pair(sv);
	talk.fd = sv[0];
	peer.fd = sv[1];
	if (thread) {
		CHECK(!pthread_create(&tid, NULL, answer_all, &peer), "thread");
	} else {
		pid = fork();
		if (!pid) {
			close(sv[0]);
			answer_all(&peer);
			_exit(0);
		}
	}
	cost = bench_measure(talk_round, &talk);
	shutdown(sv[0], SHUT_RDWR);
	if (thread)
		pthread_join(tid, NULL);
	else
		waitpid(pid, NULL, 0);
	close(sv[0]);
	close(sv[1]);
	return cost;
}

/* ------------------------------------------------------- process_vm_readv -- */

struct remote {
	pid_t pid;
	struct iovec from;
	struct iovec to;
};

static uint64_t read_round(void *arg)
{
	struct remote *r = arg;

	CHECK_EQ(process_vm_readv(r->pid, &r->to, 1, &r->from, 1, 0),
		 r->to.iov_len);
	return 0;
}

static struct bench_cost vm_readv(size_t size)
{
	static uint8_t here[PAGE] __attribute__((aligned(PAGE)));
	struct remote r = { .to = { here, PAGE }, .from = { NULL, PAGE } };
	struct bench_cost cost;

	r.from.iov_base = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE |
			       MAP_ANONYMOUS, -1, 0);
	CHECK(r.from.iov_base != MAP_FAILED, "mmap");
	r.pid = fork();
	if (!r.pid) {
		memset(r.from.iov_base, 0x5a, PAGE);
		for (;;)
			pause();
	}
	here[PAGE - 1] = 0;
	while (here[PAGE - 1] != 0x5a) {
		kvmi_sleep_ms(1);
		read_round(&r);
	}
	r.to.iov_len = size;
	r.from.iov_len = size;
	cost = bench_measure(read_round, &r);
	kill(r.pid, SIGKILL);
	waitpid(r.pid, NULL, 0);
	return cost;
}

/* ------------------------------------------------------------------ table -- */

#define BAR_VM 130
#define BAR_VCPU 200

static unsigned int percent(uint64_t part, uint64_t whole)
{
	return (part * 100 + whole / 2) / whole;
}

/* Why: how much more is done, and how often the CPU goes to another task. */
static void verdict(char *text, size_t size, const struct bench_cost *cost,
		    const struct bench_cost *ping, unsigned int bar)
{
	uint64_t limit = ping->median * bar / 100;

	if (!bar)
		snprintf(text, size, "no bar");
	else if (cost->median <= limit)
		snprintf(text, size, "met");
	else
		snprintf(text, size,
			 "missed by %u%%: %llu instructions too many; %u.%02u context switches more than the ping-pong",
			 percent(cost->median, limit) - 100,
			 (unsigned long long)(cost->median - limit),
			 (cost->switches - ping->switches) / 100,
			 (cost->switches - ping->switches) % 100);
}

/**
 * struct yardstick - what the cost of a command is compared with
 * @ping: ping-pong with messages of the same sizes
 * @readv: process_vm_readv() of as many bytes as the reply has data
 */
struct yardstick {
	struct bench_cost ping;
	struct bench_cost readv;
};

static void row(const char *name, const struct bench_cost *cost,
		const struct yardstick *by, unsigned int bar)
{
	unsigned int ratio = percent(cost->median, by->ping.median);
	unsigned int readv = percent(cost->median, by->readv.median);
	char text[160], limit[16] = "";

	verdict(text, sizeof(text), cost, &by->ping, bar);
	if (bar)
		snprintf(limit, sizeof(limit), "%u.%02u", bar / 100, bar % 100);
	kvmi_note("| %s | %llu | %u.%02u | %llu | %u.%02u | %s | %s | %llu | %u.%02u |",
		  name, (unsigned long long)cost->median, cost->switches / 100,
		  cost->switches % 100, (unsigned long long)by->ping.median,
		  ratio / 100, ratio % 100, limit, text,
		  (unsigned long long)by->readv.median, readv / 100,
		  readv % 100);
	/* Where they are far apart, chance has a part in it. */
	if (cost->high - cost->low > cost->median / 20)
		kvmi_note("  %s: deciles %llu to %llu", name,
			  (unsigned long long)cost->low,
			  (unsigned long long)cost->high);
}

/* --------------------------------------------------------------- commands -- */

/**
 * struct command - one that is measured
 * @name: for the table
 * @id: message id
 * @size: bytes of the request's payload
 * @answer: bytes of data in the reply
 * @bar: ratio that is allowed, in percent
 * @by: what it is compared with
 */
struct command {
	const char *name;
	uint16_t id;
	size_t size;
	size_t answer;
	unsigned int bar;
	struct yardstick by;
};

static struct command vm_commands[] = {
	{ "GET_VERSION", KVMI_GET_VERSION, 0,
	  sizeof(struct kvmi_get_version_reply), BAR_VM },
	{ "VM_GET_INFO", KVMI_VM_GET_INFO, 0,
	  sizeof(struct kvmi_vm_get_info_reply), BAR_VM },
	{ "VM_READ_PHYSICAL, 4 KiB", KVMI_VM_READ_PHYSICAL,
	  sizeof(struct kvmi_vm_read_physical), PAGE, BAR_VM },
};

static struct command vcpu_commands[] = {
	{ "VCPU_GET_INFO", KVMI_VCPU_GET_INFO, sizeof(struct kvmi_vcpu_hdr),
	  sizeof(struct kvmi_vcpu_get_info_reply), BAR_VCPU },
	{ "VCPU_GET_REGISTERS", KVMI_VCPU_GET_REGISTERS,
	  sizeof(struct kvmi_vcpu_hdr) + sizeof(struct kvmi_vcpu_get_registers),
	  sizeof(struct kvmi_vcpu_get_registers_reply), BAR_VCPU },
};

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static struct talk talk_of(const struct command *c, int fd, uint64_t gpa)
{
	struct talk talk = {
		.fd = fd,
		.request.hdr = { .id = c->id, .size = c->size },
		.size = sizeof(struct kvmi_msg_hdr) + c->size,
		.answer = sizeof(struct kvmi_msg_hdr) +
			  sizeof(struct kvmi_error_code) + c->answer,
	};
	struct kvmi_vm_read_physical read = { .gpa = gpa, .size = PAGE };

	if (c->id == KVMI_VM_READ_PHYSICAL)
		memcpy(talk.request.data, &read, sizeof(read));
	return talk;
}

static struct bench_cost measure(const struct command *c, int fd, uint64_t gpa,
				 volatile uint64_t *spin)
{
	struct talk talk = talk_of(c, fd, gpa);

	talk.spin = spin;
	return bench_measure(talk_round, &talk);
}

/* Where the message sizes differ, so do these. */
static void measure_yardstick(struct command *c)
{
	struct talk talk = talk_of(c, -1, 0);
	struct bench_cost thread, *ping = &c->by.ping;

	c->by.readv = vm_readv(c->answer);
	*ping = ping_pong(talk.size, talk.answer, false);
	thread = ping_pong(talk.size, talk.answer, true);
	kvmi_note("  ping-pong, %zu and %zu bytes: %llu with a process, %llu with a thread, %u.%02u context switches",
		  talk.size, talk.answer, (unsigned long long)ping->median,
		  (unsigned long long)thread.median, ping->switches / 100,
		  ping->switches % 100);
}

static void measure_vm(int fd, uint64_t gpa)
{
	struct bench_cost cost;
	struct command *c;

	for (c = vm_commands; c < vm_commands + COUNT(vm_commands); c++) {
		measure_yardstick(c);
		cost = measure(c, fd, gpa, NULL);
		row(c->name, &cost, &c->by, c->bar);
	}
}

static void measure_vcpu(const char *state, int fd, bool bar,
			 volatile uint64_t *spin)
{
	struct bench_cost cost;
	struct command *c;
	char name[64];

	for (c = vcpu_commands; c < vcpu_commands + COUNT(vcpu_commands); c++) {
		if (!c->by.ping.median)
			measure_yardstick(c);
		cost = measure(c, fd, 0, spin);
		snprintf(name, sizeof(name), "%s, %s", c->name, state);
		row(name, &cost, &c->by, bar ? c->bar : 0);
	}
}

static void measure_states(void)
{
	struct kvm_vcpu *vcpus[2];
	struct kvm_vm *halted, *spinning;
	struct runner halt, spin;
	struct event ev;
	int fd;

	halted = guest_create(1, guest_halt, vcpus);
	spinning = guest_create(1, guest_spin, vcpus + 1);
	fd = batch_session(halted);
	measure_vcpu("never run", fd, false, NULL);
	runner_start(&halt, vcpus[0]);
	CHECK(WAIT_FOR(guest_of(halted, 0)->count, 20), "no guest");
	kvmi_sleep_ms(20);
	measure_vcpu("halted", fd, true, NULL);
	runner_park(&halt, RUNNER_BLOCKED);
	measure_vcpu("between two KVM_RUN", fd, false, NULL);
	runner_go(&halt);
	pause_now(fd, 0, &ev);
	measure_vcpu("paused", fd, true, NULL);
	CHECK_EQ(event_reply(fd, &ev, KVMI_EVENT_ACTION_CONTINUE), 0);
	kvmi_sleep_ms(20);
	measure_vcpu("halted, after a pause", fd, true, NULL);
	runner_quit(&halt);
	tool_close(fd);
	CHECK_EQ(unhook(halted), 0);

	fd = batch_session(spinning);
	runner_start(&spin, vcpus[1]);
	/* It gets the CPU only when nobody else wants it. */
	set_policy(spin.tid, SCHED_IDLE);
	CHECK(guest_moves(&guest_of(spinning, 0)->count), "no guest");
	measure_vcpu("spinning", fd, false, &guest_of(spinning, 0)->count);
	runner_quit(&spin);
	tool_close(fd);
	CHECK_EQ(unhook(spinning), 0);
	kvm_vm_free(halted);
	kvm_vm_free(spinning);
}

void bench_commands(void)
{
	struct kvm_vcpu *vcpu;
	struct kvm_vm *vm;
	int fd;

	set_policy(0, SCHED_BATCH);
	vm = guest_create(1, guest_halt, &vcpu);
	fd = batch_session(vm);
	kvmi_note("%s", "");
	kvmi_note("| command | instructions | context switches | ping-pong | ratio | bar | | process_vm_readv | ratio |");
	kvmi_note("|---|---|---|---|---|---|---|---|---|");
	measure_vm(fd, addr_gva2gpa(vm, (vm_vaddr_t)&guest_area[0]) &
		       ~(PAGE - 1ull));
	tool_close(fd);
	CHECK_EQ(unhook(vm), 0);
	kvm_vm_free(vm);
	measure_states();
	bench_result(true, "commands are measured");
}
