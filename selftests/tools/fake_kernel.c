// SPDX-License-Identifier: GPL-2.0-only
/*
 * A kernel with kvmi.ko for kvmictl, by wrapped calls: files named "kvm-vm"
 * count as VMs, and KVM_INTROSPECTION_HOOK starts a peer on the socket.
 *
 * FAKE_ERRNO: with this HOOK fails. FAKE_LOG: file that notes what was done.
 * FAKE_VMS: status file "vms", kept up to date. FAKE_STICKY: the row stays.
 * FAKE_DEAF: the peer closes at once. FAKE_SILENT: it does not answer.
 * FAKE_OLD: no vCPU commands. FAKE_VCPUS: their number. FAKE_UNSTARTED,
 * FAKE_OUTSIDE: bitmaps of vCPUs that are not started, not in KVM_RUN until
 * the file FAKE_RUN exists. FAKE_END: file that ends the session.
 * FAKE_PRIVATE: address of a page that is private. 3 pages at 3 MiB are zero.
 */
#include <errno.h>
#include <dirent.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "peer.h"

/* Of the last HOOK; each session has its own. */
static struct peer *peer;

ssize_t __real_readlinkat(int dir, const char *path, char *buf, size_t size);
ssize_t __real_readlink(const char *path, char *buf, size_t size);
ssize_t __wrap_readlinkat(int dir, const char *path, char *buf, size_t size);
ssize_t __wrap_readlink(const char *path, char *buf, size_t size);
int __wrap_ioctl(int fd, unsigned long request, ...);

/* "/memfd:kvm-vm (deleted)" becomes "anon_inode:kvm-vm". */
static ssize_t disguise(char *buf, size_t size, ssize_t n)
{
	static const char from[] = "/memfd:kvm-", to[] = "anon_inode:kvm-";
	char link[128];
	ssize_t len;

	if (n < (ssize_t)sizeof(from) || n >= (ssize_t)sizeof(link) - 8 ||
	    memcmp(buf, from, sizeof(from) - 1))
		return n;
	len = snprintf(link, sizeof(link), "%s%.*s", to,
		       (int)(n - (sizeof(from) - 1)), buf + sizeof(from) - 1);
	len -= strlen(" (deleted)");
	if (len > (ssize_t)size)
		len = size;
	memcpy(buf, link, len);
	return len;
}

ssize_t __wrap_readlinkat(int dir, const char *path, char *buf, size_t size)
{
	return disguise(buf, size, __real_readlinkat(dir, path, buf, size));
}

ssize_t __wrap_readlink(const char *path, char *buf, size_t size)
{
	return disguise(buf, size, __real_readlink(path, buf, size));
}

__attribute__((format(printf, 1, 2)))
static void note(const char *fmt, ...)
{
	const char *path = getenv("FAKE_LOG");
	FILE *f = path ? fopen(path, "a") : NULL;
	va_list ap;

	if (!f)
		return;
	va_start(ap, fmt);
	vfprintf(f, fmt, ap);
	va_end(ap);
	fclose(f);
}

static void write_status(int hooked, const char *uuid)
{
	const char *path = getenv("FAKE_VMS");
	char new[4096];
	FILE *f;

	if (!path)
		return;
	/* Never seen half written, like the kernel's. */
	snprintf(new, sizeof(new), "%s.new", path);
	f = fopen(new, "w");
	if (!f)
		abort();
	fprintf(f, "#pid\tuuid\towner\tstate\n");
	if (hooked)
		fprintf(f, "%s\t%s\ttool:%d\tconnected\n",
			getenv("FAKE_PID"), uuid, (int)getpid());
	fclose(f);
	rename(new, path);
}

static int count_links(const char *start)
{
	DIR *dir = opendir("/proc/self/fd");
	struct dirent *de;
	char link[64];
	int count = 0;

	while (dir && (de = readdir(dir))) {
		memset(link, 0, sizeof(link));
		if (__real_readlinkat(dirfd(dir), de->d_name, link,
				      sizeof(link) - 1) > 0)
			count += !strncmp(link, start, strlen(start));
	}
	closedir(dir);
	return count;
}

/* By now kvmic_attach() has returned: what does it leave open? */
static void on_message(struct peer *p)
{
	if (p->requests == 1)
		note("open: %d VM, %d sockets\n", count_links("/memfd:kvm-vm"),
		     count_links("socket:"));
	if (getenv("FAKE_SILENT"))
		pause();
}

static void on_end(struct peer *p)
{
	note("end after %lu requests\n", p->requests);
	usleep(100000);
	if (!getenv("FAKE_STICKY"))
		write_status(0, NULL);
	close(p->fd);
	free(p->memory);
	free(p);
	pthread_detach(pthread_self());
}

static void on_answer(struct peer *p, unsigned int vcpu, uint16_t event,
		      uint8_t action)
{
	(void)p;
	note("answer vcpu %u event %u action %u\n", vcpu, event, action);
}

static bool file_exists(const char *variable)
{
	const char *path = getenv(variable);

	return path && !access(path, F_OK);
}

/* The vCPUs that were elsewhere come back to KVM_RUN. */
static void on_idle(struct peer *p)
{
	unsigned int i;

	/* The session ends with the VMM. */
	if (file_exists("FAKE_END") ||
	    (getenv("FAKE_PID") && kill(atoi(getenv("FAKE_PID")), 0)))
		shutdown(p->fd, SHUT_RDWR);
	if (file_exists("FAKE_RUN"))
		for (i = 0; i < PEER_MAX_VCPUS; i++)
			p->vcpu[i].outside = false;
}

static unsigned long number(const char *name, unsigned long otherwise)
{
	const char *value = getenv(name);

	return value ? strtoul(value, NULL, 0) : otherwise;
}

static void set_up(struct peer *p)
{
	unsigned long unstarted = number("FAKE_UNSTARTED", 0);
	unsigned long outside = number("FAKE_OUTSIDE", 0);
	unsigned int i;

	p->private_page = number("FAKE_PRIVATE", 0);
	p->vcpu_count = number("FAKE_VCPUS", 3);
	for (i = 0; i < 64; i++) {
		p->vcpu[i].unstarted = unstarted >> i & 1;
		p->vcpu[i].outside = outside >> i & 1;
	}
	p->on_answer = on_answer;
	p->on_idle = on_idle;
	if (!getenv("FAKE_OLD"))
		return;
	p->known_commands = PEER_OLD_COMMANDS;
	p->known_events = PEER_OLD_EVENTS;
}

static int hook(const struct kvm_introspection_hook *h)
{
	const char *error = getenv("FAKE_ERRNO");
	char uuid[64];
	int i, n = 0;

	if (error) {
		errno = atoi(error);
		return -1;
	}
	for (i = 0; i < 16; i++)
		n += sprintf(uuid + n, "%s%02x", i == 4 || i == 6 || i == 8 ||
			     i == 10 ? "-" : "", h->uuid[i]);
	note("hook padding %u uuid %s\n", h->padding, uuid);
	write_status(1, uuid);
	peer = calloc(1, sizeof(*peer));
	if (!peer)
		abort();
	peer_init(peer, dup(h->fd));
	memset(peer->memory + 0x300000, 0, 0x3000);
	peer->commands = peer->events = 0;
	peer->on_message = on_message;
	peer->on_end = on_end;
	set_up(peer);
	if (getenv("FAKE_DEAF"))
		shutdown(peer->fd, SHUT_RDWR);
	peer_start(peer);
	return 0;
}

static int feature(const char *what, uint32_t *mask,
		   const struct kvm_introspection_feature *ft)
{
	note("%s %d allow %u\n", what, ft->id, ft->allow);
	*mask |= ft->id < 0 ? ~0u : 1u << ft->id;
	return 0;
}

int __wrap_ioctl(int fd, unsigned long request, ...)
{
	char path[64], link[64] = "";
	ssize_t n;
	va_list ap;
	void *arg;

	va_start(ap, request);
	arg = va_arg(ap, void *);
	va_end(ap);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	n = __wrap_readlink(path, link, sizeof(link) - 1);
	link[n < 0 ? 0 : n] = '\0';
	if (!strcmp(link, "anon_inode:kvm-vm")) {
		if (request == KVM_INTROSPECTION_HOOK)
			return hook(arg);
		if (request == KVM_INTROSPECTION_COMMAND)
			return feature("command", &peer->commands, arg);
		if (request == KVM_INTROSPECTION_EVENT)
			return feature("event", &peer->events, arg);
	}
	errno = ENOTTY;
	return -1;
}
