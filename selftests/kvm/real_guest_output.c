// SPDX-License-Identifier: GPL-2.0-only
/*
 * Reads what the guest prints: "L2-SUM N SHA256 UPTIME", where the checksum is
 * that of "seq N $((N + 2000))", and "L2-TICK N UPTIME".
 */
#include <stdlib.h>

#include "kvmi_test.h"
#include "real_guest.h"

#define NUMBERS 2000

/* ----------------------------------------------------------------- SHA-256 -- */

static const uint32_t sha_k[64] = {
	0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1,
	0x923f82a4, 0xab1c5ed5, 0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3,
	0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174, 0xe49b69c1, 0xefbe4786,
	0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
	0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147,
	0x06ca6351, 0x14292967, 0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13,
	0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85, 0xa2bfe8a1, 0xa81a664b,
	0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
	0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a,
	0x5b9cca4f, 0x682e6ff3, 0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208,
	0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2,
};

static uint32_t ror(uint32_t x, int n)
{
	return x >> n | x << (32 - n);
}

static void sha_block(uint32_t h[8], const uint8_t *p)
{
	uint32_t w[64], v[8], t1, t2;
	int i;

	for (i = 0; i < 16; i++)
		w[i] = p[4 * i] << 24 | p[4 * i + 1] << 16 | p[4 * i + 2] << 8 |
		       p[4 * i + 3];
	for (; i < 64; i++)
		w[i] = w[i - 16] + w[i - 7] +
		       (ror(w[i - 15], 7) ^ ror(w[i - 15], 18) ^ w[i - 15] >> 3) +
		       (ror(w[i - 2], 17) ^ ror(w[i - 2], 19) ^ w[i - 2] >> 10);
	memcpy(v, h, sizeof(v));
	for (i = 0; i < 64; i++) {
		t1 = v[7] + (ror(v[4], 6) ^ ror(v[4], 11) ^ ror(v[4], 25)) +
		     ((v[4] & v[5]) ^ (~v[4] & v[6])) + sha_k[i] + w[i];
		t2 = (ror(v[0], 2) ^ ror(v[0], 13) ^ ror(v[0], 22)) +
		     ((v[0] & v[1]) ^ (v[0] & v[2]) ^ (v[1] & v[2]));
		memmove(v + 1, v, 7 * sizeof(v[0]));
		v[4] += t1;
		v[0] = t1 + t2;
	}
	for (i = 0; i < 8; i++)
		h[i] += v[i];
}

/* As text; @data has room for the padding. */
static void sha256(uint8_t *data, size_t size, char text[65])
{
	uint32_t h[8] = { 0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a,
			  0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19 };
	size_t end = (size + 9 + 63) / 64 * 64, i;

	memset(data + size, 0, end - size);
	data[size] = 0x80;
	for (i = 0; i < 8; i++)
		data[end - 1 - i] = (uint64_t)size * 8 >> 8 * i;
	for (i = 0; i < end; i += 64)
		sha_block(h, data + i);
	for (i = 0; i < 8; i++)
		sprintf(text + 8 * i, "%08x", h[i]);
}

/* ------------------------------------------------------------------- lines -- */

static void wrong(struct output *out, const char *what, const char *line)
{
	if (!out->error[0])
		snprintf(out->error, sizeof(out->error), "%s: %.180s", what,
			 line);
}

static void expected_sum(unsigned long n, char text[65])
{
	static char data[(NUMBERS + 1) * 12 + 128];
	size_t size = 0;
	unsigned long i;

	for (i = n; i <= n + NUMBERS; i++)
		size += sprintf(data + size, "%lu\n", i);
	sha256((uint8_t *)data, size, text);
}

static void check_clock(struct output *out, double *last, double now,
			const char *line)
{
	if (now < *last)
		wrong(out, "the clock goes back", line);
	*last = now;
}

static void check_sum(struct output *out, unsigned long n, const char *sum,
		      const char *line)
{
	char want[65];

	expected_sum(n, want);
	if (strcmp(sum, want))
		wrong(out, "wrong checksum", line);
}

static void read_line(struct output *out, const char *line, bool sums)
{
	char sum[80] = "";
	unsigned long n;
	double uptime;

	if (sscanf(line, "L2-SUM %lu %79s %lf", &n, sum, &uptime) == 3) {
		if (n != ++out->sums)
			wrong(out, "a line is missing before", line);
		if (sums)
			check_sum(out, n, sum, line);
		check_clock(out, &out->sum_time, uptime, line);
	} else if (sscanf(line, "L2-TICK %lu %lf", &n, &uptime) == 2) {
		if (n != ++out->ticks)
			wrong(out, "a line is missing before", line);
		check_clock(out, &out->tick_time, uptime, line);
	} else if (strspn(line, "\r\n") != strlen(line)) {
		wrong(out, "not expected from the guest", line);
	}
}

void output_read(struct output *out, const char *path, bool sums)
{
	FILE *f = fopen(path, "re");
	bool ready = false;
	char line[512];

	CHECK(f, "%s", path);
	memset(out, 0, sizeof(*out));
	/* What an init says first is its own affair; the last may be half a line. */
	while (fgets(line, sizeof(line), f) && strchr(line, '\n')) {
		if (ready)
			read_line(out, line, sums);
		else
			ready = strstr(line, "L2-READY");
	}
	fclose(f);
}
