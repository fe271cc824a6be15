// SPDX-License-Identifier: GPL-2.0-only
/* Guest memory to a sparse file. */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "dump.h"

#define CHUNK (1u << 20)
/* Zeros are left out in this size, and holes have it as well. */
#define BLOCK 4096u
#define PROGRESS_MS 200

static int64_t now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

static void show_progress(struct dump *d)
{
	int64_t now = now_ms();

	if (!d->progress || now < d->next_progress)
		return;
	d->next_progress = now + PROGRESS_MS;
	fprintf(stderr, "\r%3u%%  %" PRIu64 " of %" PRIu64 " MiB\033[K",
		(unsigned int)(100.0 * d->done / d->len), d->done >> 20,
		d->len >> 20);
	fflush(stderr);
}

static void clear_progress(struct dump *d)
{
	if (d->progress)
		fputs("\r\033[K", stderr);
}

/* ------------------------------------------------------------------ holes */

static void add_hole(uint64_t gpa, size_t len, int error, void *arg)
{
	struct dump *d = arg;
	struct hole *last = d->holes ? &d->hole[d->holes - 1] : NULL, *tmp;

	d->read -= len;
	if (last && last->error == error && last->start + last->len == gpa) {
		last->len += len;
		return;
	}
	if (d->holes == d->room) {
		tmp = realloc(d->hole, (d->room * 2 + 16) * sizeof(*tmp));
		if (!tmp) {
			d->no_memory = true;
			return;
		}
		d->room = d->room * 2 + 16;
		d->hole = tmp;
	}
	d->hole[d->holes++] = (struct hole){ gpa, len, error };
}

bool dump_refused(const struct dump *d)
{
	size_t i;

	for (i = 0; i < d->holes; i++)
		if (d->hole[i].error != -KVMI_ENOENT)
			return true;
	return false;
}

/* Bytes of the hole, if any, that ends where the dump stands. */
static uint64_t hole_at_end(const struct dump *d)
{
	const struct hole *last = d->holes ? &d->hole[d->holes - 1] : NULL;

	return last && last->start + last->len == d->start + d->done ?
	       last->len : 0;
}

/* ------------------------------------------------------------------- file */

static bool is_zero(const uint8_t *p, size_t n)
{
	return !p[0] && !memcmp(p, p + 1, n - 1);
}

static int write_run(int fd, const uint8_t *buf, size_t n, uint64_t off)
{
	ssize_t r;

	for (; n; n -= r, buf += r, off += r) {
		r = pwrite(fd, buf, n, off);
		if (r < 0 && errno == EINTR)
			r = 0;
		else if (r <= 0)
			return -1;
	}
	return 0;
}

/* All but the blocks of zeros, in as few writes as possible. */
static int write_sparse(struct dump *d, const uint8_t *buf, size_t len)
{
	size_t at, n, run = 0;

	for (at = 0; at < len; at += n) {
		n = BLOCK - ((d->start + d->done + at) & (BLOCK - 1));
		if (n > len - at)
			n = len - at;
		if (!is_zero(buf + at, n))
			continue;
		d->zero += n;
		if (write_run(d->fd, buf + run, at - run, d->done + run))
			return -1;
		run = at + n;
	}
	return write_run(d->fd, buf + run, len - run, d->done + run);
}

static int write_failed(struct dump *d)
{
	int e = errno;

	clear_progress(d);
	complain("cannot write the file: %s", strerror(e));
	return EXIT_FAILED;
}

/* One part; the memory of its holes is zero in @buf and so not written. */
static int copy_chunk(struct dump *d, uint8_t *buf, size_t n)
{
	uint64_t before = d->read;

	d->read += n;
	if (kvmic_read_sparse(d->conn, d->start + d->done, buf, n, add_hole,
			      d) < 0) {
		d->read = before;
		clear_progress(d);
		return report(kvmic_last_error(d->conn));
	}
	if (d->no_memory) {
		clear_progress(d);
		complain("out of memory for the list of holes");
		return EXIT_FAILED;
	}
	d->zero -= n - (d->read - before);
	if (write_sparse(d, buf, n))
		return write_failed(d);
	d->done += n;
	if (d->read > before)
		d->end = d->done - hole_at_end(d);
	return 0;
}

/* A guess at the end of memory makes no hole. */
static void trim_end(struct dump *d)
{
	if (d->end == d->len || hole_at_end(d) != d->len - d->end)
		return;
	d->len = d->end;
	d->holes--;
}

int dump_memory(struct dump *d)
{
	uint8_t *buf = malloc(CHUNK);
	size_t n;
	int r = 0;

	if (!buf) {
		complain("out of memory");
		return EXIT_FAILED;
	}
	while (!r && d->done < d->len) {
		n = d->len - d->done < CHUNK ? d->len - d->done : CHUNK;
		r = copy_chunk(d, buf, n);
		show_progress(d);
	}
	free(buf);
	clear_progress(d);
	if (!r && d->trim && d->read)
		trim_end(d);
	if (!r && ftruncate(d->fd, d->len))
		r = write_failed(d);
	return r;
}
