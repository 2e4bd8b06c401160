// SPDX-License-Identifier: MIT
/* The emulated chip in user space: OpenSSL, a clock that stands still, memory. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/rand.h>

#include "crtm-chip-user.h"

static u64 user_time_us(void *ctx)
{
	return ((struct crtm_user *)ctx)->now_us;
}

int crtm_user_hmac(void *ctx, const u8 *key, size_t key_len, const u8 *data, size_t len,
		   u8 *mac)
{
	(void)ctx;
	return HMAC(EVP_sha256(), key, key_len, data, len, mac, NULL) ? 0 : -EIO;
}

int crtm_user_sha256(void *ctx, const u8 *data, size_t len, u8 *digest)
{
	(void)ctx;
	return EVP_Digest(data, len, digest, NULL, EVP_sha256(), NULL) == 1 ? 0 : -EIO;
}

static void user_random(void *ctx, u8 *buf, size_t len)
{
	(void)ctx;
	/* A device secret that is not random would prove nothing. */
	if (RAND_bytes(buf, len) != 1)
		abort();
}

static const struct crtm_chip_ops user_ops = {
	.time_us = user_time_us,
	.hmac = crtm_user_hmac,
	.sha256 = crtm_user_sha256,
	.random = user_random,
};

struct crtm_user *crtm_user_new(const struct crtm_chip_model *model)
{
	struct crtm_user *u = calloc(1, sizeof(*u));

	if (!u)
		return NULL;
	u->nv_size = crtm_chip_nv_size(model);
	u->nv = calloc(1, u->nv_size);
	if (!u->nv || crtm_chip_init(&u->chip, model, u->nv, &user_ops, u)) {
		crtm_user_free(u);
		return NULL;
	}
	crtm_chip_power_on(&u->chip);
	return u;
}

void crtm_user_free(struct crtm_user *u)
{
	if (!u)
		return;
	if (u->nv)
		OPENSSL_cleanse(u->nv, CRTM_CHIP_NV_HEADER);
	free(u->nv);
	OPENSSL_cleanse(u, sizeof(*u));
	free(u);
}

void crtm_user_op(struct crtm_user *u, const u8 *tx, size_t tx_len, u8 *rx, size_t rx_len)
{
	crtm_chip_begin(&u->chip);
	crtm_chip_transfer(&u->chip, tx, NULL, tx_len);
	crtm_chip_transfer(&u->chip, NULL, rx, rx_len);
	crtm_chip_end(&u->chip);
}

void crtm_user_wait(struct crtm_user *u)
{
	if (u->chip.v.work != CRTM_CHIP_IDLE && u->now_us < u->chip.v.busy_until)
		u->now_us = u->chip.v.busy_until;
}

u8 crtm_user_exchange(struct crtm_user *u, const u8 *block, size_t len, u8 *resp,
		      size_t resp_len)
{
	static const u8 read[] = { RPMC_OP2_DEFAULT, 0 };
	u8 status;

	crtm_user_op(u, block, len, NULL, 0);
	crtm_user_wait(u);
	crtm_user_op(u, read, sizeof(read), &status, 1);
	if (resp_len)
		crtm_user_op(u, read, sizeof(read), resp, resp_len);
	return status;
}
