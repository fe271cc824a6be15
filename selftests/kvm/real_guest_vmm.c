// SPDX-License-Identifier: GPL-2.0-only
/*
 * What an operator does with QEMU while its guest is introspected: stop and
 * cont, a reset, migration (here to nowhere), savevm, and a debugger.
 */
#define _GNU_SOURCE
#include <poll.h>
#include <stdarg.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "kvmi_test.h"
#include "real_guest.h"

#define SECONDS 60

static char get_char(int fd)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };
	char c;

	CHECK(poll(&p, 1, SECONDS * 1000) == 1, "QEMU hangs");
	CHECK_EQ(read(fd, &c, 1), 1);
	return c;
}

static int unix_connect(const char *path)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);

	snprintf(addr.sun_path, sizeof(addr.sun_path), "%s", path);
	CHECK(!connect(fd, (struct sockaddr *)&addr, sizeof(addr)), "%s: %s",
	      path, strerror(errno));
	return fd;
}

/* -------------------------------------------------------------------- QMP -- */

static void qmp_line(int qmp, char *line, size_t size)
{
	size_t have = 0;

	do {
		line[have] = get_char(qmp);
		have += have < size - 1;
	} while (line[have - 1] != '\n');
	line[have] = '\0';
}

/*
 * Runs a command, and leaves the line with the answer; QEMU's events that come
 * before it are dropped. @args: JSON, or NULL.
 */
static void qmp_ask(int qmp, const char *command, const char *args, char *line,
		    size_t room)
{
	int size;

	size = snprintf(line, room, "{\"execute\":\"%s\"%s%s}\n", command,
			args ? ",\"arguments\":" : "", args ? args : "");
	CHECK_EQ(write(qmp, line, size), size);
	do {
		qmp_line(qmp, line, room);
		CHECK(!strstr(line, "\"error\""), "%s: %s", command, line);
	} while (!strstr(line, "\"return\""));
}

static void qmp_command(int qmp, const char *command, const char *want)
{
	char line[4096];

	qmp_ask(qmp, command, NULL, line, sizeof(line));
	CHECK(strstr(line, want), "%s: %s", command, line);
}

int vmm_open(const char *path)
{
	int qmp = unix_connect(path);
	char line[4096];

	qmp_line(qmp, line, sizeof(line));
	qmp_command(qmp, "qmp_capabilities", "");
	return qmp;
}

void vmm_stop(int qmp)
{
	qmp_command(qmp, "stop", "");
	qmp_command(qmp, "query-status", "\"paused\"");
}

void vmm_cont(int qmp)
{
	qmp_command(qmp, "cont", "");
	qmp_command(qmp, "query-status", "\"running\"");
}

static bool migrated(int qmp)
{
	char line[4096];

	qmp_ask(qmp, "query-migrate", NULL, line, sizeof(line));
	CHECK(!strstr(line, "\"failed\""), "%s", line);
	return strstr(line, "\"status\": \"completed\"");
}

void vmm_migrate(int qmp)
{
	char line[4096];

	qmp_ask(qmp, "migrate", "{\"uri\":\"exec:cat >/dev/null\"}", line,
		sizeof(line));
	CHECK(WAIT_FOR(migrated(qmp), SECONDS), "the migration hangs");
	qmp_command(qmp, "query-status", "\"postmigrate\"");
}

/*
 * QEMU was started so that it ends when its guest resets itself, as the firmware
 * may do once more.
 */
void vmm_reset(int qmp)
{
	char line[4096];

	qmp_ask(qmp, "set-action", "{\"reboot\":\"reset\"}", line,
		sizeof(line));
	qmp_command(qmp, "system_reset", "");
	qmp_command(qmp, "query-status", "\"running\"");
}

/* ----------------------------------------------------------------- savevm -- */

static bool job_done(int qmp)
{
	char line[4096];

	qmp_ask(qmp, "query-jobs", NULL, line, sizeof(line));
	return strstr(line, "\"status\": \"concluded\"");
}

static void __attribute__((format(printf, 3, 4)))
qmp_format(int qmp, const char *command, const char *fmt, ...)
{
	char line[4096], args[512];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(args, sizeof(args), fmt, ap);
	va_end(ap);
	qmp_ask(qmp, command, args, line, sizeof(line));
}

static void make_image(int qmp, const char *options)
{
	qmp_format(qmp, "blockdev-create",
		   "{\"job-id\":\"image\",\"options\":{%s}}", options);
	CHECK(WAIT_FOR(job_done(qmp), SECONDS), "an image is not made");
	qmp_format(qmp, "job-dismiss", "{\"id\":\"image\"}");
}

void vmm_save_open(int qmp, const char *path)
{
	char options[200];

	snprintf(options, sizeof(options),
		 "\"driver\":\"file\",\"filename\":\"%s.save\",\"size\":0", path);
	make_image(qmp, options);
	qmp_format(qmp, "blockdev-add",
		   "{\"driver\":\"file\",\"filename\":\"%s.save\",\"node-name\":\"save-file\"}",
		   path);
	make_image(qmp,
		   "\"driver\":\"qcow2\",\"file\":\"save-file\",\"size\":1048576");
	qmp_format(qmp, "blockdev-add",
		   "{\"driver\":\"qcow2\",\"file\":\"save-file\",\"node-name\":\"save\"}");
}

void vmm_save(int qmp)
{
	char line[4096];

	qmp_ask(qmp, "human-monitor-command",
		"{\"command-line\":\"savevm kvmi-saved\"}", line, sizeof(line));
	CHECK(strstr(line, "\"return\": \"\""), "savevm: %s", line);
	qmp_ask(qmp, "human-monitor-command",
		"{\"command-line\":\"info snapshots\"}", line, sizeof(line));
	CHECK(strstr(line, "kvmi-saved"), "savevm has saved nothing: %s", line);
	qmp_command(qmp, "query-status", "\"running\"");
}

void vmm_save_close(int qmp, const char *path)
{
	char save[100];

	qmp_format(qmp, "blockdev-del", "{\"node-name\":\"save\"}");
	qmp_format(qmp, "blockdev-del", "{\"node-name\":\"save-file\"}");
	snprintf(save, sizeof(save), "%s.save", path);
	CHECK(!unlink(save), "%s: %s", save, strerror(errno));
}

/* -------------------------------------------------------------------- gdb -- */

/* One packet and its answer, whose text is left in @answer. */
static void gdb_ask(int gdb, const char *text, char *answer, size_t room)
{
	unsigned char sum = 0;
	char packet[64];
	size_t have = 0;
	int i, size;

	for (i = 0; text[i]; i++)
		sum += text[i];
	size = snprintf(packet, sizeof(packet), "$%s#%02x", text, sum);
	CHECK_EQ(write(gdb, packet, size), size);
	while (get_char(gdb) != '$')
		;
	do {
		answer[have] = get_char(gdb);
		CHECK(have < room - 1, "a long answer to %s", text);
	} while (answer[have++] != '#');
	answer[have - 1] = '\0';
	get_char(gdb);
	get_char(gdb);
	CHECK_EQ(write(gdb, "+", 1), 1);
}

/* Little endian, two digits a byte. */
static uint64_t gdb_value(const char *hex)
{
	uint64_t value = 0;
	int i;

	for (i = 7; i >= 0; i--) {
		char byte[] = { hex[2 * i], hex[2 * i + 1], 0 };

		value = value << 8 | strtoul(byte, NULL, 16);
	}
	return value;
}

void vmm_debug(int qmp, const char *path, uint64_t regs[17])
{
	char line[4096], args[256], socket[100], answer[8192];
	int gdb, i;

	snprintf(socket, sizeof(socket), "%s.gdb", path);
	snprintf(args, sizeof(args),
		 "{\"command-line\":\"gdbserver unix:%s,server=on,wait=off\"}",
		 socket);
	qmp_ask(qmp, "human-monitor-command", args, line, sizeof(line));
	gdb = unix_connect(socket);
	gdb_ask(gdb, "?", answer, sizeof(answer));
	qmp_command(qmp, "query-status", "\"running\": false");
	gdb_ask(gdb, "g", answer, sizeof(answer));
	for (i = 0; i < 17; i++)
		regs[i] = gdb_value(answer + 16 * i);
	gdb_ask(gdb, "D", answer, sizeof(answer));
	CHECK(!strcmp(answer, "OK"), "detach: %s", answer);
	close(gdb);
	qmp_ask(qmp, "human-monitor-command",
		"{\"command-line\":\"gdbserver none\"}", line, sizeof(line));
	unlink(socket);
	qmp_command(qmp, "query-status", "\"running\"");
}
