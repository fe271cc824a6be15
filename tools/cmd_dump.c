// SPDX-License-Identifier: GPL-2.0-only
/* kvmictl dump */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "dump.h"

/* VMMs put what is above this to where the room for devices ends. */
#define LOW_MEMORY (2ull << 30)
#define DEVICES (2ull << 30)
#define SHOW_HOLES 20u

static int run(int argc, char **argv);

const struct command cmd_dump = {
	.name = "dump",
	.summary = "save guest memory to a file",
	.help =
	"Usage: kvmictl dump --pid PID | --name NAME [--vm INDEX] [--start GPA]\n"
	"                    [--length LEN] [--json] -o FILE | FILE\n"
	"\n"
	"Copy guest physical memory to a new file, in which an address has the offset\n"
	"of its distance from GPA. Holes and blocks of zeros take no room in it. The\n"
	"VM runs meanwhile, so that this is no snapshot. Numbers are as for read.\n"
	"\n"
	"  --pid PID          process of the VMM\n"
	"  --name NAME        name of the VM, as kvmictl list shows it\n"
	"  --vm INDEX         which one, when the process has several VMs\n"
	"  -o, --output FILE  the file; it must not exist\n"
	"  --start GPA        first address (0)\n"
	"  --length LEN       bytes; by default to the end of the memory that the VMM\n"
	"                     was started with\n"
	"  --json             summary for programs\n",
	.run = run,
};

static void print_text(const struct dump *d, const char *file)
{
	char *safe = printable(file);
	const struct hole *h;
	size_t i;

	printf("%s: 0x%" PRIx64 " bytes from 0x%" PRIx64 "\n",
	       safe ? safe : "?", d->len, d->start);
	free(safe);
	printf("read   %" PRIu64 " KiB, %" PRIu64 " KiB of them zeros\n",
	       d->read >> 10, d->zero >> 10);
	for (i = 0; i < d->holes && i < SHOW_HOLES; i++) {
		h = &d->hole[i];
		printf("hole   0x%" PRIx64 " to 0x%" PRIx64 " (%s)\n", h->start,
		       h->start + (h->len - 1),
		       kvmic_wire_error_name(h->error));
	}
	if (i < d->holes)
		printf("       and %zu more, see --json\n", d->holes - i);
}

static void print_json(const struct dump *d, const struct kvmic_vm *vm,
		       const char *file, bool complete)
{
	struct json j;
	size_t i;

	json_start(&j, stdout);
	json_uint(&j, "pid", vm->pid);
	json_uint(&j, "vm", vm->index);
	json_string(&j, "file", file);
	json_bool(&j, "complete", complete);
	json_hex(&j, "start", d->start);
	json_uint(&j, "length", complete ? d->len : d->done);
	json_uint(&j, "read", d->read);
	json_uint(&j, "zero", d->zero);
	json_array(&j, "holes");
	for (i = 0; i < d->holes; i++) {
		json_object(&j, NULL);
		json_hex(&j, "start", d->hole[i].start);
		json_uint(&j, "length", d->hole[i].len);
		json_string(&j, "error",
			    kvmic_wire_error_name(d->hole[i].error));
		json_close(&j, '}');
	}
	json_close(&j, ']');
	json_end(&j);
}

/* What to copy, from the options and what is known of the VM. */
static int choose_range(const struct options *opt, const struct kvmic_vm *vm,
			struct dump *d)
{
	uint64_t end = vm->memory;

	d->start = opt->start;
	d->len = opt->length;
	d->trim = !opt->has_length;
	if (d->trim) {
		if (end >= LOW_MEMORY && end <= UINT64_MAX - DEVICES)
			end += DEVICES;
		if (!end) {
			complain("the size of this VM's memory is not known");
			complain("try: give --length");
			return EXIT_FAILED;
		}
		d->len = end > d->start ? end - d->start : 0;
		if (!d->len) {
			complain("--start is behind the memory of the VM, which ends at 0x%" PRIx64 " or before",
				 end);
			return EXIT_FAILED;
		}
	}
	if (d->start + (d->len - 1) < d->start)
		return usage_error(&cmd_dump, "the range exceeds 64 bits");
	return 0;
}

/* Memory is secret: never into a file that others have made or can read. */
static int open_file(const char *file, int *fd)
{
	*fd = open(file, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC,
		   0600);
	if (*fd >= 0)
		return 0;
	complain("cannot create %s: %s", file, strerror(errno));
	if (errno == EEXIST)
		complain("try: another name, or remove it first");
	return EXIT_FAILED;
}

static int finish_file(struct dump *d, const char *file, int status)
{
	if (close(d->fd) && !status) {
		complain("cannot write the file: %s", strerror(errno));
		status = EXIT_FAILED;
	}
	if (!d->read && !unlink(file)) {
		complain("no memory was read, %s is removed", file);
		return status ? status : EXIT_FAILED;
	}
	if (status)
		complain("%s is incomplete", file);
	return status;
}

static int dump(const struct options *opt, const struct kvmic_vm *vm,
		const char *file)
{
	struct dump d = { .progress = isatty(2) };
	int r = choose_range(opt, vm, &d);

	if (!r)
		r = attach_vm(vm, 1u << KVMI_VM_READ_PHYSICAL, 0, &d.conn);
	if (r)
		return r;
	r = open_file(file, &d.fd);
	if (!r) {
		r = finish_file(&d, file, dump_memory(&d));
		if (opt->json)
			print_json(&d, vm, file, !r);
		else if (!r)
			print_text(&d, file);
		if (!r && dump_refused(&d)) {
			complain("some memory was refused, not only missing");
			r = EXIT_FAILED;
		}
	}
	free(d.hole);
	return detach_vm(d.conn, r);
}

static int run(int argc, char **argv)
{
	struct options opt;
	const char *file;
	struct kvmic_vm vm;
	int r;

	r = parse_options(&opt, &cmd_dump, OPT_TARGET | OPT_JSON | OPT_DUMP,
			  argc, argv);
	if (r >= 0)
		return r;
	if (argc - optind + !!opt.output != 1)
		return usage_error(&cmd_dump, "give one file");
	file = opt.output ? opt.output : argv[optind];
	if (!*file)
		return usage_error(&cmd_dump, "the name of the file is empty");
	r = find_vm(&opt, &vm);
	if (!r)
		r = dump(&opt, &vm, file);
	return finish_output(r);
}
