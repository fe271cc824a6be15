// SPDX-License-Identifier: GPL-2.0-only
/* kvmictl read */
#include <getopt.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "kvmictl.h"

#define CHUNK (256u << 10)
#define ROW 16u

static int run(int argc, char **argv);

const struct command cmd_read = {
	.name = "read",
	.summary = "read guest physical memory",
	.help =
	"Usage: kvmictl read --pid PID | --name NAME [--vm INDEX] [--raw | --hex]\n"
	"                    GPA LEN\n"
	"\n"
	"Write LEN bytes of guest physical memory from address GPA to standard\n"
	"output. The VM runs meanwhile, so that this is no snapshot. Numbers are\n"
	"decimal or start with 0x, and may end in K, M, G or T.\n"
	"\n"
	"Memory that cannot be read is zero in the output and named on standard\n"
	"error; the exit status is then 1.\n"
	"\n"
	"  --pid PID    process of the VMM\n"
	"  --name NAME  name of the VM, as kvmictl list shows it\n"
	"  --vm INDEX   which one, when the process has several VMs\n"
	"  --raw        plain bytes (default unless the output is a terminal)\n"
	"  --hex        hex view (default on a terminal); '*' stands for rows\n"
	"               equal to the one before\n",
	.run = run,
};

/* Unreadable memory, collected to ranges before it is reported. */
struct holes {
	uint64_t start, len;
	int error;
	bool any;
};

static void report_hole(const struct holes *h)
{
	if (h->len)
		complain("0x%" PRIx64 " to 0x%" PRIx64 " cannot be read: %s (%s)",
			 h->start, h->start + (h->len - 1),
			 kvmic_strerror(h->error),
			 kvmic_wire_error_name(h->error));
}

static void add_hole(uint64_t gpa, size_t len, int error, void *arg)
{
	struct holes *h = arg;

	h->any = true;
	if (h->len && h->error == error && h->start + h->len == gpa) {
		h->len += len;
		return;
	}
	report_hole(h);
	h->start = gpa;
	h->len = len;
	h->error = error;
}

struct hex_view {
	uint8_t last[ROW];
	bool have_last, star;
};

static void hex_row(struct hex_view *hv, uint64_t gpa, const uint8_t *p,
		    size_t n)
{
	size_t i;

	if (n == ROW && hv->have_last && !memcmp(hv->last, p, ROW)) {
		if (!hv->star)
			puts("*");
		hv->star = true;
		return;
	}
	hv->star = false;
	hv->have_last = n == ROW;
	if (hv->have_last)
		memcpy(hv->last, p, ROW);
	printf("%016" PRIx64 " ", gpa);
	for (i = 0; i < ROW; i++) {
		if (i < n)
			printf("%s %02x", i == 8 ? " " : "", p[i]);
		else
			printf("%s   ", i == 8 ? " " : "");
	}
	fputs("  |", stdout);
	for (i = 0; i < n; i++)
		putchar(p[i] >= 0x20 && p[i] < 0x7f ? p[i] : '.');
	puts("|");
}

static void write_chunk(struct hex_view *hv, bool hex, uint64_t gpa,
			const uint8_t *buf, size_t len)
{
	size_t n;

	if (!hex) {
		fwrite(buf, 1, len, stdout);
		return;
	}
	for (; len; gpa += n, buf += n, len -= n) {
		n = len < ROW ? len : ROW;
		hex_row(hv, gpa, buf, n);
	}
}

static int copy(struct kvmic_conn *conn, uint64_t gpa, uint64_t len, bool hex)
{
	struct hex_view hv = { .have_last = false };
	struct holes holes = { .len = 0 };
	uint64_t end = gpa + len;
	uint8_t *buf;
	int r = 0;
	size_t n;

	buf = malloc(CHUNK);
	if (!buf) {
		complain("out of memory");
		return EXIT_FAILED;
	}
	for (; len && !ferror(stdout); gpa += n, len -= n) {
		n = len < CHUNK ? len : CHUNK;
		r = kvmic_read_sparse(conn, gpa, buf, n, add_hole, &holes);
		if (r < 0)
			break;
		write_chunk(&hv, hex, gpa, buf, n);
	}
	free(buf);
	if (hv.star && !len)
		printf("%016" PRIx64 "\n", end);
	r = finish_output(r < 0 ? report(kvmic_last_error(conn)) : EXIT_DONE);
	report_hole(&holes);
	return r ? r : holes.any ? EXIT_FAILED : EXIT_DONE;
}

static int parse_operands(int argc, char **argv, uint64_t *gpa, uint64_t *len)
{
	if (argc != 2)
		return usage_error(&cmd_read, "give an address and a length");
	if (parse_size(argv[0], gpa))
		return usage_error(&cmd_read, "'%s' is no address", argv[0]);
	if (parse_size(argv[1], len) || !*len)
		return usage_error(&cmd_read, "'%s' is no length", argv[1]);
	if (*gpa + (*len - 1) < *gpa)
		return usage_error(&cmd_read, "the range exceeds 64 bits");
	return -1;
}

static int run(int argc, char **argv)
{
	struct kvmic_conn *conn;
	struct options opt;
	struct kvmic_vm vm;
	uint64_t gpa, len;
	int r;

	r = parse_options(&opt, &cmd_read, OPT_TARGET | OPT_FORMAT, argc, argv);
	if (r < 0)
		r = parse_operands(argc - optind, argv + optind, &gpa, &len);
	if (r >= 0)
		return r;
	if (opt.raw && opt.hex)
		return usage_error(&cmd_read, "give one of --raw and --hex");
	r = find_vm(&opt, &vm);
	if (!r)
		r = attach_vm(&vm, 1u << KVMI_VM_READ_PHYSICAL, 0, &conn);
	if (r)
		return r;
	r = copy(conn, gpa, len, opt.hex || (!opt.raw && isatty(1)));
	return detach_vm(conn, r);
}
