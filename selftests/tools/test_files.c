// SPDX-License-Identifier: GPL-2.0-only
/* Everything that parses or prints: status files, command lines, JSON. */
#include <sys/stat.h>
#include <unistd.h>

#include "internal.h"
#include "kvmictl.h"
#include "tap.h"

static struct kvmic_table *parse(const char *text)
{
	struct kvmic_table *t;
	struct kvmic_err err;
	int r = kvmic_table_parse(text, strlen(text), &t, &err);

	CHECK(!r == !!t);
	if (r)
		CHECK_INT(err.code, r);
	return t;
}

static void status_table(void)
{
	struct kvmic_table *t = parse(
		"# pid\tuuid\towner\tstate\n"
		"12\tabc\tvmm\tconnected\n"
		"\n"
		"13\t\ttool:7\n"
		"14\ta\tb\tc\td\te\n"
		"15\tx y\tz\tlast");

	CHECK(t);
	CHECK_INT(kvmic_table_columns(t), 4);
	CHECK_INT(kvmic_table_rows(t), 4);
	CHECK_STR(kvmic_table_column(t, 0), "pid");
	CHECK_STR(kvmic_table_column(t, 3), "state");
	CHECK(!kvmic_table_column(t, 4));
	CHECK_STR(kvmic_table_get(t, 0, "owner"), "vmm");
	CHECK_STR(kvmic_table_get(t, 1, "uuid"), "");
	CHECK_STR(kvmic_table_get(t, 1, "owner"), "tool:7");
	CHECK(!kvmic_table_get(t, 1, "state"));
	CHECK_STR(kvmic_table_get(t, 2, "state"), "c");
	CHECK_STR(kvmic_table_get(t, 3, "uuid"), "x y");
	CHECK_STR(kvmic_table_get(t, 3, "state"), "last");
	CHECK(!kvmic_table_get(t, 0, "none"));
	CHECK(!kvmic_table_get(t, 4, "pid"));
	CHECK(!kvmic_table_cell(t, 0, 4));
	kvmic_table_free(t);
}

/* Columns in another order, new ones among them: found by name. */
static void status_columns_by_name(void)
{
	struct kvmic_table *t = parse("#new\tstate\tpid\na\tb\t9\n");

	CHECK(t);
	CHECK_STR(kvmic_table_get(t, 0, "pid"), "9");
	CHECK_STR(kvmic_table_get(t, 0, "state"), "b");
	kvmic_table_free(t);
	t = parse("#pid\n");
	CHECK(t);
	CHECK_INT(kvmic_table_rows(t), 0);
	kvmic_table_free(t);
}

static void status_bad_form(void)
{
	struct kvmic_table *t = NULL;
	char many[400] = "#";
	size_t i;

	CHECK(!parse(""));
	CHECK(!parse("pid\tuuid\n1\t2\n"));
	CHECK_INT(kvmic_table_parse("#a\0b\n", 5, &t, NULL),
		  -KVMIC_ERR_PROTOCOL);
	CHECK(!t);
	for (i = 1; i < sizeof(many) - 1; i++)
		many[i] = '\t';
	t = parse(many);
	CHECK(t);
	CHECK_INT(kvmic_table_columns(t), 64);
	kvmic_table_free(t);
}

/* ----------------------------------------------------------- command lines */

/* Arguments are separated by '|' here; each ends with NUL in the file. */
static struct vm_config cmdline(const char *comm, const char *args)
{
	struct vm_config config;
	size_t len = strlen(args), i;
	char *text = malloc(len + 1);	/* exact, for ASan */

	for (i = 0; i <= len; i++)
		text[i] = args[i] == '|' ? '\0' : args[i];
	kvmic__parse_cmdline(comm, text, len + 1, &config);
	free(text);
	return config;
}

static void cmdline_names(void)
{
	static const struct { const char *comm, *args, *name; } cases[] = {
		{ "qemu-system-x86", "qemu-system-x86_64|-name|web", "web" },
		{ "qemu-system-x86",
		  "/usr/bin/qemu-system-x86_64|-name|guest=db,debug-threads=on|-S",
		  "db" },
		{ "x", "qemu-system-x86_64|-name|debug-threads=on,guest=a,,b",
		  "a,b" },
		{ "x", "qemu-system-x86_64|-name|old,process=p", "old" },
		{ "x", "qemu-system-x86_64|-name|guest=a=b", "a=b" },
		{ "x", "qemu-system-x86_64|--name|one|-name|two", "two" },
		{ "x", "qemu-system-x86_64|-name|process=p", "" },
		{ "x", "qemu-system-x86_64|-name", "" },
		{ "x", "qemu-system-x86_64|-id|no", "" },
		{ "x", "qemu-system-x86_64", "" },
		{ "kvm", "/usr/bin/kvm|-name|k", "k" },
		{ "firecracker", "firecracker|--id|fc-1|--api-sock|/x",
		  "fc-1" },
		{ "firecracker", "firecracker|--id=fc-2", "fc-2" },
		{ "cloud-hyperviso", "ch|--name|c,guest=d", "c,guest=d" },
		{ "crosvm", "crosvm|run|--name|x|--names|y", "x" },
		{ "x", "", "" },
		{ "x", "-name|a", "" },
	};
	size_t i;

	for (i = 0; i < ARRAY_SIZE(cases); i++)
		CHECK_STR(cmdline(cases[i].comm, cases[i].args).name,
			  cases[i].name);
}

static void cmdline_memory(void)
{
	static const struct { const char *args; uint64_t mib; } cases[] = {
		{ "qemu-system-x86_64|-m|2048", 2048 },
		{ "qemu-system-x86_64|-m|2G", 2048 },
		{ "qemu-system-x86_64|-m|512m", 512 },
		{ "qemu-system-x86_64|-m|size=2097152k", 2048 },
		{ "qemu-system-x86_64|-m|size=1G,slots=2,maxmem=8G", 1024 },
		{ "qemu-system-x86_64|-m|1G,slots=2,maxmem=8G", 1024 },
		{ "qemu-system-x86_64|-m|slots=2,size=3G", 3072 },
		{ "qemu-system-x86_64|-m|slots=2", 0 },
		{ "qemu-system-x86_64", 0 },
		{ "qemu-system-x86_64|-m|", 0 },
		{ "qemu-system-x86_64|-m|-5", 0 },
		{ "qemu-system-x86_64|-m|1.5G", 0 },
		{ "qemu-system-x86_64|-m|99999999999999999999", 0 },
		{ "qemu-system-x86_64|-m|5Q", 0 },
		{ "cloud-hypervisor|--memory|size=1G,shared=on", 1024 },
		{ "cloud-hypervisor|--memory|size=1073741824", 1024 },
		{ "firecracker|-m|2048", 0 },
	};
	size_t i;

	for (i = 0; i < ARRAY_SIZE(cases); i++)
		CHECK_INT(cmdline("x", cases[i].args).memory,
			  cases[i].mib << 20);
}

static void cmdline_hostile(void)
{
	char big[3000] = "qemu-system-x86_64|-name|guest=";
	struct vm_config config;
	size_t i;

	for (i = strlen(big); i < sizeof(big) - 1; i++)
		big[i] = 'a' + i % 26;
	CHECK_INT(strlen(cmdline("x", big).name), 255);
	CHECK_INT(strlen(cmdline("x", "firecracker|--id|").name), 0);
	CHECK_STR(cmdline("x", "qemu-system-x86_64|-name|guest=\033[2J\n").name,
		  "\033[2J\n");
	CHECK_STR(cmdline("x", "qemu-system-x86_64|-name|,").name, "");
	CHECK_STR(cmdline("x", "qemu-system-x86_64|-name|=,,,=,guest").name,
		  "");
	/* Not ended with NUL: the process wrote over it. */
	kvmic__parse_cmdline("qemu", "qemu\0-name\0x", 13, &config);
	CHECK_STR(config.name, "x");
	kvmic__parse_cmdline("qemu", "qemu\0-name\0x", 12, &config);
	CHECK_STR(config.name, "");
	kvmic__parse_cmdline("qemu", "", 0, &config);
	CHECK_STR(config.name, "");
}

static void uuids(void)
{
	static const char text[] = "01234567-89ab-cdef-0123-456789abcdef";
	struct vm_config config;
	uint8_t uuid[16];
	char back[37];

	CHECK_INT(kvmic__parse_uuid(text, uuid), 0);
	CHECK_INT(uuid[0], 0x01);
	CHECK_INT(uuid[15], 0xef);
	kvmic__format_uuid(uuid, back);
	CHECK_STR(back, text);
	CHECK_INT(kvmic__parse_uuid("0123456789ABCDEF0123456789abcdef", uuid),
		  0);
	CHECK_INT(uuid[5], 0xab);
	CHECK_INT(kvmic__parse_uuid("", uuid), -1);
	CHECK_INT(kvmic__parse_uuid("01234567-89ab-cdef-0123-456789abcde", uuid),
		  -1);
	CHECK_INT(kvmic__parse_uuid("01234567-89ab-cdef-0123-456789abcdef0",
				    uuid), -1);
	CHECK_INT(kvmic__parse_uuid("-1234567-89ab-cdef-0123-456789abcdef",
				    uuid), -1);
	CHECK_INT(kvmic__parse_uuid("01234567--89ab-cdef-0123-456789abcdef",
				    uuid), -1);
	CHECK_INT(kvmic__parse_uuid("0123456g-89ab-cdef-0123-456789abcdef",
				    uuid), -1);
	config = cmdline("x", "qemu-system-x86_64|-uuid|01234567-89ab-cdef-0123-456789abcdef");
	CHECK(config.has_uuid);
	CHECK_INT(config.uuid[7], 0xef);
	CHECK(!cmdline("x", "qemu-system-x86_64|-uuid|zero").has_uuid);
}

/* ----------------------------------------------------------------- output */

static char *json_of(const char *value)
{
	static char buf[512];
	FILE *f = fmemopen(buf, sizeof(buf), "w");
	struct json j = { .f = f };

	json_string(&j, NULL, value);
	fclose(f);
	return buf;
}

static void json_strings(void)
{
	CHECK_STR(json_of(""), "\"\"");
	CHECK_STR(json_of("a/b"), "\"a/b\"");
	CHECK_STR(json_of("\"\\"), "\"\\\"\\\\\"");
	CHECK_STR(json_of("\n\t\033\x7f"),
		  "\"\\u000a\\u0009\\u001b\\u007f\"");
	CHECK_STR(json_of("\xc3\xa4"), "\"\\u00e4\"");
	CHECK_STR(json_of("\xe2\x82\xac"), "\"\\u20ac\"");
	CHECK_STR(json_of("\xf0\x9f\x98\x80"), "\"\\ud83d\\ude00\"");
	/* Not UTF-8: overlong, surrogate, beyond the last, cut off, stray. */
	CHECK_STR(json_of("\xc0\x80"), "\"\\ufffd\\ufffd\"");
	CHECK_STR(json_of("\xed\xa0\x80"), "\"\\ufffd\\ufffd\\ufffd\"");
	CHECK_STR(json_of("\xe0\x80\x80"), "\"\\ufffd\\ufffd\\ufffd\"");
	CHECK_STR(json_of("\xf4\x90\x80\x80"),
		  "\"\\ufffd\\ufffd\\ufffd\\ufffd\"");
	CHECK_STR(json_of("\xe2\x82"), "\"\\ufffd\\ufffd\"");
	CHECK_STR(json_of("\xff" "a"), "\"\\ufffda\"");
}

static void json_structure(void)
{
	static char buf[512];
	FILE *f = fmemopen(buf, sizeof(buf), "w");
	struct json j;

	json_start(&j, f);
	json_array(&j, "a");
	json_close(&j, ']');
	json_object(&j, "o");
	json_bool(&j, "t", true);
	json_null(&j, "n");
	json_close(&j, '}');
	json_uint(&j, "u", UINT64_MAX);
	json_end(&j);
	fclose(f);
	CHECK_STR(buf, "{\n  \"a\": [],\n  \"o\": {\n    \"t\": true,\n"
		  "    \"n\": null\n  },\n  \"u\": 18446744073709551615\n}\n");
}

static void check_printable(const char *in, const char *want)
{
	char *out = printable(in);

	CHECK_STR(out, want);
	free(out);
}

static void terminal_text(void)
{
	setenv("LC_ALL", "C.UTF-8", 1);
	check_printable("plain ~", "plain ~");
	check_printable("\033]0;x\007\r\n", "\\x1b]0;x\\x07\\x0d\\x0a");
	check_printable("a\\b", "a\\\\b");
	check_printable("\xc3\xa4", "\xc3\xa4");
	check_printable("\xc2\x9b" "31m", "\\xc2\\x9b31m");	/* CSI */
	check_printable("\xe2\x80\xae", "\\xe2\\x80\\xae");	/* right to left */
	check_printable("\xe2\x80\x8b", "\\xe2\\x80\\x8b");	/* no width */
	check_printable("\xef\xbb\xbf", "\\xef\\xbb\\xbf");
	check_printable("\xff\xfe", "\\xff\\xfe");
	setenv("LC_ALL", "C", 1);
	check_printable("\xc3\xa4", "\\xc3\\xa4");
	unsetenv("LC_ALL");
}

static void text_tables(void)
{
	struct text_table t = { .columns = 2 };
	static char buf[128];
	FILE *f = fmemopen(buf, sizeof(buf), "w");

	table_add(&t, "A");
	table_add(&t, "B");
	table_add(&t, "long\n");
	table_add(&t, NULL);
	table_add(&t, "");
	table_addf(&t, "%d", 5);
	table_print(&t, f);
	fclose(f);
	CHECK_STR(buf, "A         B\nlong\\x0a  -\n-         5\n");
}

static void sizes(void)
{
	static const struct { const char *text; int r; uint64_t value; } c[] = {
		{ "0", 0, 0 }, { "4096", 0, 4096 }, { "010", 0, 10 },
		{ "0x10", 0, 16 }, { "0XfF", 0, 255 }, { "4K", 0, 4096 },
		{ "4k", 0, 4096 }, { "0x2M", 0, 2 << 20 },
		{ "3G", 0, 3ull << 30 }, { "1T", 0, 1ull << 40 },
		{ "18446744073709551615", 0, UINT64_MAX },
		{ "18446744073709551616", -1, 0 },
		{ "0xffffffffffffffff", 0, UINT64_MAX },
		{ "16777216T", -1, 0 }, { "", -1, 0 }, { "0x", -1, 0 },
		{ "0x-1", -1, 0 }, { "-1", -1, 0 }, { "+1", -1, 0 },
		{ " 1", -1, 0 }, { "1 ", -1, 0 }, { "1KB", -1, 0 },
		{ "1P", -1, 0 }, { "K", -1, 0 }, { "1x", -1, 0 },
	};
	uint64_t value;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(c); i++) {
		value = 0;
		CHECK_INT(parse_size(c[i].text, &value), c[i].r);
		CHECK(value == c[i].value);
	}
}

static void memory_sizes(void)
{
	char buf[32];

	CHECK_STR(format_memory(1ull << 31, buf, sizeof(buf)), "2 GiB");
	CHECK_STR(format_memory(1536ull << 20, buf, sizeof(buf)), "1536 MiB");
	CHECK_STR(format_memory(1000, buf, sizeof(buf)), "1000 B");
	CHECK_STR(format_memory(1ull << 60, buf, sizeof(buf)), "1048576 TiB");
}

static void put_file(const char *root, const char *name, const char *text)
{
	char path[256];
	FILE *f;

	snprintf(path, sizeof(path), "%s/%s", root, name);
	f = fopen(path, "w");
	if (!f)
		abort();
	fputs(text, f);
	fclose(f);
}

/* A process name with blanks and parentheses does not shift the fields. */
static void start_time(void)
{
	static const char *const dirs[] = { "", "/proc", "/proc/7",
					    "/proc/7/fd" };
	char root[] = "/tmp/kvmictl-test-XXXXXX", path[256];
	struct kvmic_vm_list list;
	size_t i;

	if (!mkdtemp(root))
		abort();
	for (i = 1; i < ARRAY_SIZE(dirs); i++) {
		snprintf(path, sizeof(path), "%s%s", root, dirs[i]);
		mkdir(path, 0700);
	}
	put_file(root, "proc/7/stat",
		 "7 (a) b (c)) S 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 4711 20\n");
	snprintf(path, sizeof(path), "%s/proc/7/fd/3", root);
	CHECK_INT(symlink("anon_inode:kvm-vm", path), 0);
	CHECK_INT(kvmic_list(root, 7, &list, NULL), 0);
	CHECK_INT(list.count, 1);
	if (list.count == 1)
		CHECK_INT(list.vm[0].start_time, 4711);
	kvmic_list_free(&list);
	CHECK_INT(kvmic_list(root, 8, &list, NULL), -KVMIC_ERR_NO_PROCESS);
	CHECK_INT(kvmic_list(root, -1, &list, NULL), -KVMIC_ERR_ARG);
	unlink(path);
	snprintf(path, sizeof(path), "%s/proc/7/stat", root);
	unlink(path);
	for (i = ARRAY_SIZE(dirs); i--; ) {
		snprintf(path, sizeof(path), "%s%s", root, dirs[i]);
		rmdir(path);
	}
}

/* Every id of the header has a name, and no other has one. */
static void names(void)
{
	unsigned int id, commands = 0, events = 0;

	for (id = 0; id < 70000; id++) {
		commands += !!kvmic_command_name(id);
		events += !!kvmic_event_name(id);
	}
	CHECK_INT(commands, 24);
	CHECK_INT(events, 11);
	CHECK_STR(kvmic_command_name(KVMI_VM_SET_PAGE_ACCESS),
		  "KVMI_VM_SET_PAGE_ACCESS");
	CHECK_STR(kvmic_event_name(KVMI_VCPU_EVENT_SINGLESTEP),
		  "KVMI_VCPU_EVENT_SINGLESTEP");
	CHECK(!kvmic_command_name(0));
	CHECK(!kvmic_command_name(1));
}

int main(void)
{
	static const struct tap_test tests[] = {
		TEST(status_table), TEST(status_columns_by_name),
		TEST(status_bad_form), TEST(cmdline_names),
		TEST(cmdline_memory), TEST(cmdline_hostile), TEST(uuids),
		TEST(json_strings), TEST(json_structure), TEST(terminal_text),
		TEST(text_tables), TEST(sizes), TEST(memory_sizes),
		TEST(start_time), TEST(names),
	};

	return tap_run(tests, ARRAY_SIZE(tests));
}
