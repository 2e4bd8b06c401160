/* SPDX-License-Identifier: MIT */
/*
 * SHA-256 and HMAC-SHA-256 (FIPS 180-4, RFC 2104) of the kselftests.
 *
 * The tests' own: the chip signs with the kernel's, so an error in one of the
 * two is seen, and one source serves the 64-bit and the 32-bit test programs.
 */
#ifndef SELFTEST_SHA256_H
#define SELFTEST_SHA256_H

#include <stddef.h>
#include <stdint.h>

#define SHA256_LEN	32

struct sha256 {
	uint32_t h[8];
	uint64_t len;
	uint8_t block[64];
};

void sha256_init(struct sha256 *s);
void sha256_update(struct sha256 *s, const void *data, size_t len);
void sha256_final(struct sha256 *s, uint8_t digest[SHA256_LEN]);
void sha256(const void *data, size_t len, uint8_t digest[SHA256_LEN]);
void hmac_sha256(const void *key, size_t key_len, const void *data, size_t len,
		 uint8_t mac[SHA256_LEN]);

#endif /* SELFTEST_SHA256_H */
