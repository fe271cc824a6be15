// SPDX-License-Identifier: GPL-2.0-only
/* Runs the fuzz harness on files, without a fuzzer. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static uint8_t buf[1 << 17];

static int replay(const char *path)
{
	FILE *file = fopen(path, "rb");
	uint8_t *copy;
	size_t size;

	if (!file) {
		perror(path);
		return 1;
	}
	size = fread(buf, 1, sizeof(buf), file);
	fclose(file);

	/* Of its own size, so that ASan sees reads behind the input. */
	copy = malloc(size + !size);
	if (!copy)
		abort();
	for (size_t i = 0; i < size; i++)
		copy[i] = buf[i];
	LLVMFuzzerTestOneInput(copy, size);
	free(copy);
	return 0;
}

int main(int argc, char **argv)
{
	int i, failed = 0;

	for (i = 1; i < argc; i++)
		failed |= replay(argv[i]);
	printf("replayed %d files\n", argc - 1);
	return failed;
}
