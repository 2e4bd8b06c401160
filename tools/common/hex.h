/* SPDX-License-Identifier: MIT */
/*
 * Hexadecimal byte strings, strict.
 */
#ifndef CRTM_HEX_H
#define CRTM_HEX_H

#include <stddef.h>
#include <stdint.h>

/**
 * hex_decode - decode a whole NUL-terminated string
 * @s: an even number of digits 0-9, a-f, A-F and nothing else; may be empty
 * @out: result, untouched on error
 * @cap: size of @out in bytes
 * @len: number of bytes stored in @out
 *
 * Return: 0, or -1 if @s is no such string or longer than @cap bytes.
 */
int hex_decode(const char *s, uint8_t *out, size_t cap, size_t *len);

/**
 * hex_encode - encode bytes as lower-case digits
 * @dst: 2 * @n + 1 bytes, NUL-terminated on return
 * @src: the bytes
 * @n: number of bytes
 */
void hex_encode(char *dst, const uint8_t *src, size_t n);

#endif /* CRTM_HEX_H */
