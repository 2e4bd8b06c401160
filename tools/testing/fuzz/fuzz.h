/* SPDX-License-Identifier: MIT */
/*
 * What the fuzz targets share. A target is one LLVMFuzzerTestOneInput(); libFuzzer
 * calls it with what it made up, replay.c with what the corpus holds.
 */
#ifndef FUZZ_H
#define FUZZ_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What must hold, whatever the input is */
#define CHECK(e) do {							\
	if (!(e)) {							\
		fprintf(stderr, "%s:%d: violated: %s\n", __FILE__, __LINE__, #e);	\
		abort();						\
	}								\
} while (0)

/* Input that is taken piece by piece; after its end come zeros. */
struct fuzz_in {
	const uint8_t *p;
	size_t left;
};

static inline uint8_t fuzz_u8(struct fuzz_in *in)
{
	if (!in->left)
		return 0;
	in->left--;
	return *in->p++;
}

static inline uint16_t fuzz_u16(struct fuzz_in *in)
{
	uint16_t high = fuzz_u8(in) << 8;

	return high | fuzz_u8(in);
}

static inline uint32_t fuzz_u32(struct fuzz_in *in)
{
	uint32_t high = (uint32_t)fuzz_u16(in) << 16;

	return high | fuzz_u16(in);
}

static inline void fuzz_bytes(struct fuzz_in *in, uint8_t *to, size_t n)
{
	while (n--)
		*to++ = fuzz_u8(in);
}

#endif /* FUZZ_H */
