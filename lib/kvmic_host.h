/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * libkvmic: the module's status, the virtual machines of this host, and
 * attaching to one of them. Included by kvmic.h, which tells the rules.
 */
#ifndef KVMIC_HOST_H
#define KVMIC_HOST_H

#include <kvmic.h>

#ifdef __cplusplus
extern "C" {
#endif

/* ---------------------------------------------------------------- status */

/*
 * Parameter "root" of the functions below: prefix of all paths that are read
 * (ROOT/proc, ROOT/sys ...), for tests and containers. NULL or "" is this
 * host.
 */

/**
 * struct kvmic_table - a status file of the module
 *
 * Made by kvmic_table_load() or kvmic_table_parse(). Columns are found by
 * name, so that newer modules may add some.
 */
struct kvmic_table;

/**
 * kvmic_table_load() - read /sys/kernel/debug/kvmi/NAME
 * @root: see above
 * @name: "hooks" or "vms"
 * @table: receives the table, free with kvmic_table_free()
 * @err: cause of a failure, may be NULL
 *
 * Errors: NO_MODULE, NO_STATUS (debugfs not mounted), PERMISSION, PROTOCOL
 * (not in the form expected), SYSTEM, NOMEM.
 */
int kvmic_table_load(const char *root, const char *name,
		     struct kvmic_table **table, struct kvmic_err *err);

/**
 * kvmic_table_parse() - the same from memory
 * @text: the file, need not end with NUL
 * @len: bytes
 */
int kvmic_table_parse(const char *text, size_t len,
		      struct kvmic_table **table, struct kvmic_err *err);

/* Free a table; NULL is allowed. */
void kvmic_table_free(struct kvmic_table *table);
/* Number of rows, without the line of column names. */
size_t kvmic_table_rows(const struct kvmic_table *table);
/* Number of columns. */
size_t kvmic_table_columns(const struct kvmic_table *table);
/* Name of column @col, NULL when out of range. */
const char *kvmic_table_column(const struct kvmic_table *table, size_t col);
/* Cell by column number; NULL when the row is shorter or out of range. */
const char *kvmic_table_cell(const struct kvmic_table *table, size_t row,
			     size_t col);
/* Cell by column name; NULL when there is none. */
const char *kvmic_table_get(const struct kvmic_table *table, size_t row,
			    const char *column);

/**
 * kvmic_module_loaded() - is kvmi.ko loaded?
 * @root: see above
 * @version: receives the module's version, "" when it has none; may be NULL
 * @size: room at @version
 *
 * 1 yes, 0 no.
 */
int kvmic_module_loaded(const char *root, char *version, size_t size);

/* ------------------------------------------------------------- discovery */

enum kvmic_hooked {
	KVMIC_HOOKED_NO,
	KVMIC_HOOKED_YES,
	/* The status file cannot be read, or does not tell. */
	KVMIC_HOOKED_UNKNOWN,
};

/**
 * struct kvmic_vm - a virtual machine of this host
 * @pid: process that has the VM open
 * @start_time: of that process, field 22 of /proc/PID/stat
 * @index: 0, 1, ... among the VMs of this process
 * @fd: file descriptor number of the VM in that process
 * @vcpus: number of vCPUs, -1 when unknown
 * @memory: configured memory in bytes, 0 when unknown. From the command line;
 *          ballooning and hotplug are not seen
 * @has_uuid: is @uuid known?
 * @hooked: is there an introspection session?
 * @owner: of the session, as the module names it: "vmm" or "tool:PID"
 * @uuid: from the command line
 * @vmm: command name of the process
 * @name: from the command line, "" when it has none
 *
 * All strings come from other processes and may hold any byte but NUL.
 */
struct kvmic_vm {
	pid_t pid;
	unsigned long long start_time;
	int index;
	int fd;
	int vcpus;
	uint64_t memory;
	int has_uuid;
	enum kvmic_hooked hooked;
	char owner[32];
	uint8_t uuid[16];
	char vmm[64];
	char name[256];
};

/**
 * struct kvmic_vm_list - result of kvmic_list()
 * @vm: array
 * @count: its length
 * @unreadable: processes whose file descriptors the caller may not see; if not
 *              0, VMs may be missing
 */
struct kvmic_vm_list {
	struct kvmic_vm *vm;
	size_t count;
	size_t unreadable;
};

/**
 * kvmic_list() - find the virtual machines of this host
 * @root: see above
 * @pid: only those of this process, 0 for all
 * @list: receives the list, release with kvmic_list_free()
 * @err: cause of a failure, may be NULL
 *
 * Looks for VM file descriptors in /proc; the VMM does not notice. A VM that
 * is open several times (dup(2), fork(2)) is listed once if kcmp(2) can tell.
 * No VM at all is success. Errors: NO_PROCESS and PERMISSION (only with @pid),
 * SYSTEM, NOMEM.
 */
int kvmic_list(const char *root, pid_t pid, struct kvmic_vm_list *list,
	       struct kvmic_err *err);

/* Release what kvmic_list() returned. */
void kvmic_list_free(struct kvmic_vm_list *list);

/* ---------------------------------------------------------------- attach */

#define KVMIC_ALLOW_ALL 0xffffffffu

/**
 * struct kvmic_attach - how to attach; initialise with kvmic_attach_init()
 * @pid: process of the VMM
 * @start_time: kvmic_vm.start_time, to be sure that @pid was not reused; 0
 *              not to check
 * @vm: kvmic_vm.index; -1 when the process has only one VM
 * @timeout_ms: time-out of the connection
 * @commands: bitmap of the command ids to allow, or KVMIC_ALLOW_ALL
 * @events: bitmap of the event ids to allow, or KVMIC_ALLOW_ALL
 * @has_uuid: use @uuid; otherwise that of the command line, or zeros
 * @uuid: name of the VM in the kernel's log and status file
 * @root: see above; only for what is read, the VM is one of this host
 */
struct kvmic_attach {
	pid_t pid;
	unsigned long long start_time;
	int vm;
	int timeout_ms;
	uint32_t commands;
	uint32_t events;
	int has_uuid;
	uint8_t uuid[16];
	const char *root;
};

/* Fill @attach: process @pid, its only VM, everything allowed, 15 s. */
void kvmic_attach_init(struct kvmic_attach *attach, pid_t pid);

/**
 * kvmic_attach() - start a session with a running VM
 * @attach: see struct kvmic_attach
 * @conn: receives the connection
 * @err: cause and next step of a failure, may be NULL
 *
 * Copies the VM's file descriptor out of the VMM with pidfd_getfd(2) (Linux
 * 5.6; needs ptrace access to the VMM), starts the session on one end of a
 * socket pair (needs CAP_SYS_ADMIN in the initial user namespace), and closes
 * the copy, so that the VM can die with its VMM. The session ends when
 * the connection is closed, also by the death of this process.
 *
 * Errors: ARG, NO_PROCESS, NO_VM, AMBIGUOUS, PERMISSION, NO_MODULE, HOOKED,
 * CONFIDENTIAL, KERNEL, SYSTEM, NOMEM.
 */
int kvmic_attach(const struct kvmic_attach *attach, struct kvmic_conn **conn,
		 struct kvmic_err *err);

/**
 * kvmic_hook() - the same for a VM file descriptor that the caller has
 * @vm_fd: stays open and the caller's
 * @attach: uuid, permissions and time-out are used
 *
 * When the caller created the VM itself, the session must be ended with
 * KVM_INTROSPECTION_UNHOOK after closing the connection.
 */
int kvmic_hook(int vm_fd, const struct kvmic_attach *attach,
	       struct kvmic_conn **conn, struct kvmic_err *err);

/**
 * kvmic_detach() - close the connection and see the session end
 * @conn: from kvmic_attach(); freed in any case
 *
 * Closing alone is enough to end the session, but the kernel does so a moment
 * later, and until then the VM cannot be attached to again. This waits up to 2
 * seconds for the session to leave the status file. 0 when it is gone, 1 when
 * that cannot be seen (status file not readable), -KVMIC_ERR_TIMEOUT when it
 * is still there.
 */
int kvmic_detach(struct kvmic_conn *conn);

#ifdef __cplusplus
}
#endif

#endif /* KVMIC_HOST_H */
