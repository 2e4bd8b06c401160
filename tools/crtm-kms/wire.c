// SPDX-License-Identifier: MIT
/*
 * Blocks and their signatures, responses and theirs. Layouts come from
 * <linux/mtd/rpmc.h> and <linux/mtd/crtm-commands.h>.
 */
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <stdlib.h>
#include <string.h>

#include "kms.h"

#define DOMAIN_LEN	4	/* "CRTM", "CRTR" */

int hmac256(const uint8_t *key, size_t key_len, const void *data, size_t len,
	    uint8_t mac[HMAC_LEN])
{
	unsigned int n;

	return HMAC(EVP_sha256(), key, key_len, data, len, mac, &n) ? 0 : -1;
}

/* Keys and lengths are ours: these fail for want of memory alone. */
static void hmac_or_die(const uint8_t *key, const void *data, size_t len, uint8_t mac[HMAC_LEN])
{
	if (hmac256(key, HMAC_LEN, data, len, mac))
		abort();
}

void sha256(const void *data, size_t len, uint8_t digest[32])
{
	if (!EVP_Digest(data, len, digest, NULL, EVP_sha256(), NULL))
		abort();
}

static void header(uint8_t *block, uint8_t type, uint8_t slot)
{
	block[0] = RPMC_OP1_DEFAULT;
	block[RPMC_OFF_TYPE] = type;
	block[RPMC_OFF_SLOT] = slot;
	block[RPMC_OFF_RSVD] = 0;
}

static size_t sign(uint8_t *block, size_t len, const uint8_t key[HMAC_LEN])
{
	hmac_or_die(key, block, len, block + len);
	return len + RPMC_SIG_LEN;
}

size_t wire_root_key(uint8_t *block, uint8_t slot, const uint8_t key[RPMC_KEY_LEN])
{
	uint8_t mac[HMAC_LEN];

	header(block, RPMC_WRITE_ROOT_KEY, slot);
	memcpy(block + RPMC_HDR_LEN, key, RPMC_KEY_LEN);
	hmac_or_die(key, block, RPMC_HDR_LEN, mac);
	memcpy(block + RPMC_HDR_LEN + RPMC_KEY_LEN, mac + HMAC_LEN - RPMC_ROOT_SIG_LEN,
	       RPMC_ROOT_SIG_LEN);
	return RPMC_HDR_LEN + RPMC_KEY_LEN + RPMC_ROOT_SIG_LEN;
}

size_t wire_update_key(uint8_t *block, uint8_t slot, const uint8_t key_data[RPMC_KEYDATA_LEN],
		       const uint8_t hkr[HMAC_LEN])
{
	header(block, RPMC_UPDATE_HMAC_KEY, slot);
	memcpy(block + RPMC_HDR_LEN, key_data, RPMC_KEYDATA_LEN);
	return sign(block, RPMC_HDR_LEN + RPMC_KEYDATA_LEN, hkr);
}

size_t wire_increment(uint8_t *block, uint8_t slot, uint32_t mc, const uint8_t hkr[HMAC_LEN])
{
	header(block, RPMC_INCREMENT_COUNTER, slot);
	crtm_put_be32(block + RPMC_HDR_LEN, mc);
	return sign(block, RPMC_HDR_LEN + 4, hkr);
}

size_t wire_request(uint8_t *block, uint8_t slot, const uint8_t tag[RPMC_TAG_LEN],
		    const uint8_t hkr[HMAC_LEN])
{
	header(block, RPMC_REQUEST_COUNTER, slot);
	memcpy(block + RPMC_HDR_LEN, tag, RPMC_TAG_LEN);
	return sign(block, RPMC_HDR_LEN + RPMC_TAG_LEN, hkr);
}

size_t wire_open(uint8_t *block, uint32_t mc, const uint8_t nonce[CRTM_OPEN_NONCE_LEN],
		 const uint8_t hkr[HMAC_LEN])
{
	header(block, CRTM_OPEN_SESSION, 0);
	crtm_put_be32(block + CRTM_OFF_MC, mc);
	memcpy(block + CRTM_OFF_NONCE, nonce, CRTM_OPEN_NONCE_LEN);
	return sign(block, CRTM_OFF_NONCE + CRTM_OPEN_NONCE_LEN, hkr);
}

void wire_session_key(uint8_t sk[HMAC_LEN], uint32_t mc, const uint8_t nonce[CRTM_OPEN_NONCE_LEN],
		      const uint8_t hkr[HMAC_LEN])
{
	uint8_t input[DOMAIN_LEN + 4 + CRTM_OPEN_NONCE_LEN];

	memcpy(input, CRTM_SESSION_DOMAIN, DOMAIN_LEN);
	crtm_put_be32(input + DOMAIN_LEN, mc + 1);
	memcpy(input + DOMAIN_LEN + 4, nonce, CRTM_OPEN_NONCE_LEN);
	hmac_or_die(hkr, input, sizeof(input), sk);
}

size_t wire_op(uint8_t *block, uint32_t seq, const struct op *op, const uint8_t *data,
	       const uint8_t sk[HMAC_LEN])
{
	size_t len = CRTM_OFF_ADDR;

	header(block, op->type, 0);
	crtm_put_be32(block + CRTM_OFF_SEQ, seq);
	switch (op->type) {
	case CRTM_PROGRAM:
		crtm_put_be32(block + CRTM_OFF_ADDR, op->addr);
		memcpy(block + CRTM_OFF_DATA, data, op->len);
		len = CRTM_OFF_DATA + op->len;
		break;
	case CRTM_ERASE:
	case CRTM_PROTECT:
		crtm_put_be32(block + CRTM_OFF_ADDR, op->addr);
		crtm_put_be32(block + CRTM_OFF_LEN, op->len);
		len = CRTM_OFF_LEN + 4;
		if (op->type == CRTM_PROTECT) {
			memset(block + CRTM_OFF_MODE, 0, 4);
			block[CRTM_OFF_MODE] = op->mode;
			len = CRTM_OFF_MODE + 4;
		}
		break;
	}
	return sign(block, len, sk);
}

static bool signed_by(const uint8_t *key, const uint8_t *data, size_t len, const uint8_t *sig)
{
	uint8_t mac[HMAC_LEN];

	hmac_or_die(key, data, len, mac);
	return !CRYPTO_memcmp(mac, sig, HMAC_LEN);
}

bool wire_verify(const uint8_t *block, size_t block_len, const uint8_t *resp, size_t resp_len,
		 const uint8_t hkr[HMAC_LEN], const uint8_t *sk, struct crtm_response *r)
{
	uint8_t input[DOMAIN_LEN + 32 + MAX_RESPONSE];
	uint8_t type = block[RPMC_OFF_TYPE];
	size_t head;

	if (resp_len > MAX_RESPONSE || crtm_parse(type, resp, resp_len, r))
		return false;
	/* Of the JESD260 commands the chip signs the answer to 03 alone. */
	if (type == RPMC_REQUEST_COUNTER)
		return !CRYPTO_memcmp(r->tag, block + RPMC_HDR_LEN, RPMC_TAG_LEN) &&
			signed_by(hkr, r->tag, RPMC_TAG_LEN + 4, r->sig);
	if (r->tag)
		return false;
	head = r->sig - resp;
	memcpy(input, CRTM_RESP_DOMAIN, DOMAIN_LEN);
	sha256(block, block_len, input + DOMAIN_LEN);
	memcpy(input + DOMAIN_LEN + 32, resp, head);
	return signed_by(hkr, input, DOMAIN_LEN + 32 + head, r->sig) ||
		(sk && signed_by(sk, input, DOMAIN_LEN + 32 + head, r->sig));
}
