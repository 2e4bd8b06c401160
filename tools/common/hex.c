// SPDX-License-Identifier: MIT
/*
 * Hexadecimal byte strings, strict.
 */
#include <string.h>

#include "hex.h"

static int digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

int hex_decode(const char *s, uint8_t *out, size_t cap, size_t *len)
{
	size_t i, n = strlen(s);

	if (n % 2 || n / 2 > cap)
		return -1;
	for (i = 0; i < n; i++)
		if (digit(s[i]) < 0)
			return -1;
	for (i = 0; i < n / 2; i++)
		out[i] = digit(s[2 * i]) * 16 + digit(s[2 * i + 1]);
	*len = n / 2;
	return 0;
}

void hex_encode(char *dst, const uint8_t *src, size_t n)
{
	static const char digits[] = "0123456789abcdef";
	size_t i;

	for (i = 0; i < n; i++) {
		dst[2 * i] = digits[src[i] >> 4];
		dst[2 * i + 1] = digits[src[i] & 15];
	}
	dst[2 * n] = '\0';
}
