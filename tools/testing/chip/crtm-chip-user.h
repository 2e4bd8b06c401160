/* SPDX-License-Identifier: MIT */
/* The emulated chip in user space: OpenSSL, a clock that stands still, memory. */
#ifndef CRTM_CHIP_USER_H
#define CRTM_CHIP_USER_H

#include "crtm-chip.h"

/**
 * struct crtm_user - a chip with all that it needs
 * @chip: the chip
 * @nv: its non-volatile memory
 * @nv_size: size of that in bytes
 * @now_us: its clock; it moves only when somebody moves it
 */
struct crtm_user {
	struct crtm_chip chip;
	u8 *nv;
	size_t nv_size;
	u64 now_us;
};

/**
 * crtm_user_new() - a new chip on ordinary memory, powered on
 * @model: what it is; a test may make its own
 *
 * Return: the chip; NULL if there is no memory.
 */
struct crtm_user *crtm_user_new(const struct crtm_chip_model *model);

/* Wipes every secret. */
void crtm_user_free(struct crtm_user *u);

/* One chip-select assertion: @tx_len bytes out, then @rx_len bytes in */
void crtm_user_op(struct crtm_user *u, const u8 *tx, size_t tx_len, u8 *rx, size_t rx_len);

/* Moves the clock to where the chip is ready. */
void crtm_user_wait(struct crtm_user *u);

/**
 * crtm_user_exchange() - a whole exchange: send, wait, read
 * @u: the chip
 * @block: from OP1 to the last byte of the signature
 * @len: its length in bytes
 * @resp: room for the response; filled wholly, with FF after its end
 * @resp_len: size of that in bytes, 0: the status alone is read
 *
 * Return: the extended status.
 */
u8 crtm_user_exchange(struct crtm_user *u, const u8 *block, size_t len, u8 *resp,
		      size_t resp_len);

/* HMAC-SHA-256 and SHA-256 as the chip computes them */
int crtm_user_hmac(void *ctx, const u8 *key, size_t key_len, const u8 *data, size_t len,
		   u8 *mac);
int crtm_user_sha256(void *ctx, const u8 *data, size_t len, u8 *digest);

#endif /* CRTM_CHIP_USER_H */
