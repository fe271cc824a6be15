/* SPDX-License-Identifier: GPL-2.0-only */
/* What the files of kvmictl share. */
#ifndef KVMICTL_H
#define KVMICTL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <kvmic.h>

#ifndef KVMI_VERSION_STRING
#define KVMI_VERSION_STRING "unknown"
#endif

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))

/* Exit statuses, as in kvmictl(8). */
enum {
	EXIT_DONE = 0,
	EXIT_FAILED = 1,
	EXIT_USAGE = 2,
	EXIT_HOST = 3,
	EXIT_NO_VM = 4,
	EXIT_DENIED = 5,
};

struct command {
	const char *name;
	const char *summary;
	const char *help;
	int (*run)(int argc, char **argv);
};

extern const struct command cmd_list, cmd_version, cmd_read, cmd_status,
			    cmd_check, cmd_regs, cmd_translate, cmd_pause,
			    cmd_resume, cmd_dump;

/* ------------------------------------------------------------ options.c */

/* What the options of the subcommands set. */
struct options {
	const struct command *cmd;
	pid_t pid;
	const char *name;
	int vm;
	bool json, raw, hex, strict;
	bool has_vcpu;
	int vcpu;		/* -1: all */
	const char *msrs;
	bool foreground;
	int timeout;		/* seconds */
	const char *output;
	bool has_length;
	uint64_t start, length;
};

/* Which options a subcommand has, besides --help. */
#define OPT_TARGET 1u	/* --pid, --name, --vm */
#define OPT_JSON 2u
#define OPT_FORMAT 4u	/* --raw, --hex */
#define OPT_STRICT 8u
#define OPT_VCPU 16u	/* --vcpu */
#define OPT_MSR 32u
#define OPT_PAUSE 64u	/* --foreground, --timeout */
#define OPT_DUMP 128u	/* -o, --start, --length */

/*
 * Parse. Returns -1 to go on, with the operands from argv[optind] on, else the
 * exit status.
 */
int parse_options(struct options *opt, const struct command *cmd,
		  unsigned int which, int argc, char **argv);
/* Complain about the usage; returns EXIT_USAGE. */
int usage_error(const struct command *cmd, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));
/* Decimal or 0x number with optional suffix K, M, G or T. 0 or -1. */
int parse_size(const char *text, uint64_t *value);
/* Root of all paths; NULL but in test builds. */
const char *fs_root(void);

/* Find the VM that --pid, --name, --vm mean; 0 or an exit status. */
int find_vm(const struct options *opt, struct kvmic_vm *vm);
/* Attach to it with these permissions; 0 or an exit status. */
int attach_vm(const struct kvmic_vm *vm, uint32_t commands, uint32_t events,
	      struct kvmic_conn **conn);
/* Who holds the VM, if kvmictl pause does; 0 otherwise. */
pid_t paused_by(const struct kvmic_vm *vm);
/* End the session, with a warning when it stays; returns @status. */
int detach_vm(struct kvmic_conn *conn, int status);

/* --------------------------------------------------------------- vcpu.c */

/* vCPUs of the VM; 0 or an exit status. */
int count_vcpus(struct kvmic_conn *conn, unsigned int *count);
/* Is @vcpu one of @count? 0, or an exit status after a complaint. */
int check_vcpu(unsigned int vcpu, unsigned int count);

/* -------------------------------------------------------------- msrs.c */

struct msr_list {
	size_t count;
	uint32_t index[KVMI_MAX_MSRS];
	uint64_t value[KVMI_MAX_MSRS];
	bool unreadable[KVMI_MAX_MSRS];
};

/* "0x174,0xc0000082"; NULL is none. -1 or an exit status. */
int parse_msrs(const struct command *cmd, const char *text,
	       struct msr_list *msrs);
/* Registers with what can be read of the MSRs. As kvmic_vcpu_get_registers() */
int get_registers(struct kvmic_conn *conn, uint16_t vcpu,
		  struct kvmi_vcpu_get_registers_reply *r,
		  struct msr_list *msrs);

/* ---------------------------------------------------------------- out.c */

/* A message on stderr; control characters in it are escaped. */
void complain(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
/* Cause and next step on stderr; returns the exit status. */
int report(const struct kvmic_err *err);
/* Text without control characters, for a terminal; free(3) it. */
char *printable(const char *text);
/* "1.5 GiB"; @buf is returned. */
const char *format_memory(uint64_t bytes, char *buf, size_t size);
/* fflush(3) stdout; EXIT_FAILED with a message when output was lost. */
int finish_output(int status);

/* A table whose columns are as wide as their cells need. */
struct text_table {
	size_t columns, cells, room;
	char **cell;
	bool failed;
};

/* Add a cell, row by row; NULL and "" show as "-". */
void table_add(struct text_table *t, const char *text);
void table_addf(struct text_table *t, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));
/* Print and release. */
void table_print(struct text_table *t, FILE *f);

/* --------------------------------------------------------------- json.c */

#define JSON_DEPTH 8

/* Writes JSON in plain ASCII. @key is NULL in arrays and at the top. */
struct json {
	FILE *f;
	unsigned int depth;
	bool any[JSON_DEPTH];
};

void json_start(struct json *j, FILE *f);
void json_end(struct json *j);
void json_object(struct json *j, const char *key);
void json_array(struct json *j, const char *key);
void json_close(struct json *j, char bracket);
void json_string(struct json *j, const char *key, const char *value);
void json_uint(struct json *j, const char *key, uint64_t value);
/* A string "0x...": readers of JSON lose bits of larger numbers. */
void json_hex(struct json *j, const char *key, uint64_t value);
void json_bool(struct json *j, const char *key, bool value);
void json_null(struct json *j, const char *key);

/*
 * Next character of UTF-8 text, which is moved on. Bytes that are not valid
 * UTF-8 give -1, one at a time.
 */
long next_utf8(const char **text);

/* --------------------------------------------------------------- regs.c */

void print_registers(unsigned int vcpu,
		     const struct kvmi_vcpu_get_registers_reply *r,
		     const struct msr_list *msrs);
/* Into an object that is open. */
void json_registers(struct json *j,
		    const struct kvmi_vcpu_get_registers_reply *r,
		    const struct msr_list *msrs);

/* --------------------------------------------------------------- host.c */

/* Whole file below fs_root(), NUL at its end; NULL when it cannot be read. */
char *read_text(const char *path);
bool path_exists(const char *path);
/* Output of a program, NULL when it cannot be run or fails. */
char *run_program(const char *program, char *const argv[], int stdin_fd);

#endif /* KVMICTL_H */
