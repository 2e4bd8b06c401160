// SPDX-License-Identifier: MIT
/*
 * Give a fuzz target each file that is named, in their order: what libFuzzer does,
 * without clang. Prints how many there were. FUZZ_FAIL in the environment: the first
 * one counts as failed.
 */
#include "fuzz.h"

#define MAX_INPUT (1U << 21)

int main(int argc, char **argv)
{
	const bool fail = getenv("FUZZ_FAIL");
	uint8_t *data;
	size_t size;
	FILE *f;
	int i;

	for (i = 1; i < argc; i++) {
		f = fopen(argv[i], "rb");
		if (!f) {
			perror(argv[i]);
			return 1;
		}
		/* Of its own size, so that a byte read behind it is noticed. */
		data = malloc(MAX_INPUT);
		size = data ? fread(data, 1, MAX_INPUT, f) : 0;
		data = realloc(data, size ? size : 1);
		fclose(f);
		if (!data)
			return 1;
		fprintf(stderr, "%s\n", argv[i]);
		LLVMFuzzerTestOneInput(data, size);
		CHECK(!fail);
		free(data);
	}
	printf("%d\n", argc - 1);
	return 0;
}
