// SPDX-License-Identifier: MIT
/*
 * Responses taken apart, unsigned blocks put together. Lengths come from the
 * chip, so each is checked before it is used.
 */
#include <errno.h>
#include <string.h>

#include "crtm.h"

static uint16_t get_be16(const uint8_t *p)
{
	return p[0] << 8 | p[1];
}

uint32_t crtm_get_be32(const uint8_t *p)
{
	return (uint32_t)get_be16(p) << 16 | get_be16(p + 2);
}

void crtm_put_be32(uint8_t *p, uint32_t value)
{
	p[0] = value >> 24;
	p[1] = value >> 16;
	p[2] = value >> 8;
	p[3] = value;
}

int crtm_parse(uint8_t type, const void *buf, size_t len, struct crtm_response *resp)
{
	const struct crtm_command *cmd = crtm_command(type);
	const uint8_t *p = buf;

	if (!cmd)
		return -ENOENT;
	memset(resp, 0, sizeof(*resp));
	resp->type = type;
	if (cmd->rpmc) {
		if (len != RPMC_RESP_LEN)
			return -EBADMSG;
		resp->status = p[0];
		resp->tag = p + RPMC_RESP_OFF_TAG;
		resp->counter = crtm_get_be32(p + RPMC_RESP_OFF_COUNTER);
		resp->sig = p + RPMC_RESP_OFF_SIG;
		return 0;
	}
	if (len < CRTM_RESP_OVERHEAD || len > cmd->resp)
		return -EBADMSG;
	resp->status = p[0];
	resp->payload_len = get_be16(p + CRTM_RESP_OFF_LENGTH);
	if (p[CRTM_RESP_OFF_TYPE] != type || resp->payload_len != len - CRTM_RESP_OVERHEAD)
		return -EBADMSG;
	resp->counter = crtm_get_be32(p + CRTM_RESP_OFF_MC);
	resp->payload = p + CRTM_RESP_OFF_PAYLOAD;
	resp->sig = resp->payload + resp->payload_len;
	return 0;
}

static bool accepted(const struct crtm_response *resp, uint8_t type)
{
	return resp->type == type && resp->status == RPMC_STATUS_SUCCESS && resp->payload;
}

int crtm_parse_measurement(const struct crtm_response *resp, struct crtm_measurement *m)
{
	if (!accepted(resp, CRTM_MEASURE) || resp->payload_len != CRTM_MEASURE_PAYLOAD)
		return -EBADMSG;
	m->nonce = resp->payload;
	m->addr = crtm_get_be32(resp->payload + CRTM_MEASURE_NONCE_LEN);
	m->len = crtm_get_be32(resp->payload + CRTM_MEASURE_NONCE_LEN + 4);
	m->digest = resp->payload + CRTM_MEASURE_OFF_DIGEST;
	return 0;
}

int crtm_parse_state(const struct crtm_response *resp, struct crtm_state *state)
{
	const uint8_t *p = resp->payload, *region;
	unsigned int i;

	if (!accepted(resp, CRTM_GET_INFO) || resp->payload_len < CRTM_INFO_OFF_REGION)
		return -EBADMSG;
	memset(state, 0, sizeof(*state));
	state->nr_regions = p[CRTM_INFO_OFF_REGIONS];
	if (state->nr_regions > CRTM_MAX_REGIONS ||
	    resp->payload_len != CRTM_INFO_OFF_REGION + state->nr_regions * CRTM_INFO_REGION_LEN)
		return -EBADMSG;
	state->nonce = p;
	state->version = get_be16(p + CRTM_INFO_OFF_VERSION);
	state->slots = p[CRTM_INFO_OFF_SLOTS];
	state->flags = crtm_get_be32(p + CRTM_INFO_OFF_FLAGS);
	state->power_on = crtm_get_be32(p + CRTM_INFO_OFF_POWER_ON);
	state->seq = crtm_get_be32(p + CRTM_INFO_OFF_SEQ);
	for (i = 0; i < state->nr_regions; i++) {
		region = p + CRTM_INFO_OFF_REGION + i * CRTM_INFO_REGION_LEN;
		state->regions[i].addr = crtm_get_be32(region);
		state->regions[i].len = crtm_get_be32(region + 4);
	}
	return 0;
}

int crtm_parse_key(const struct crtm_response *resp, const uint8_t **key)
{
	if (!accepted(resp, CRTM_DERIVE_KEY) || resp->payload_len != CRTM_DERIVE_PAYLOAD)
		return -EBADMSG;
	*key = resp->payload;
	return 0;
}

static void header(uint8_t *block, uint8_t op1, uint8_t type, uint8_t slot)
{
	block[0] = op1;
	block[RPMC_OFF_TYPE] = type;
	block[RPMC_OFF_SLOT] = slot;
	block[RPMC_OFF_RSVD] = 0;
}

size_t crtm_build_measure(uint8_t block[CRTM_MEASURE_BLOCK], uint8_t op1, uint8_t slot,
			  const uint8_t nonce[CRTM_MEASURE_NONCE_LEN],
			  uint32_t addr, uint32_t len)
{
	header(block, op1, CRTM_MEASURE, slot);
	memcpy(block + CRTM_MEASURE_OFF_NONCE, nonce, CRTM_MEASURE_NONCE_LEN);
	crtm_put_be32(block + CRTM_MEASURE_OFF_ADDR, addr);
	crtm_put_be32(block + CRTM_MEASURE_OFF_LEN, len);
	return CRTM_MEASURE_BLOCK;
}

size_t crtm_build_derive_key(uint8_t block[CRTM_DERIVE_KEY_BLOCK], uint8_t op1, uint8_t slot,
			     const uint8_t label[CRTM_DERIVE_LABEL_LEN],
			     uint32_t addr, uint32_t len)
{
	header(block, op1, CRTM_DERIVE_KEY, slot);
	memcpy(block + CRTM_DERIVE_OFF_LABEL, label, CRTM_DERIVE_LABEL_LEN);
	crtm_put_be32(block + CRTM_DERIVE_OFF_ADDR, addr);
	crtm_put_be32(block + CRTM_DERIVE_OFF_LEN, len);
	return CRTM_DERIVE_KEY_BLOCK;
}

size_t crtm_build_lock_derivation(uint8_t block[CRTM_LOCK_DERIVATION_BLOCK], uint8_t op1,
				  uint8_t slot)
{
	header(block, op1, CRTM_LOCK_DERIVATION, slot);
	return CRTM_LOCK_DERIVATION_BLOCK;
}

size_t crtm_build_get_info(uint8_t block[CRTM_GET_INFO_BLOCK], uint8_t op1, uint8_t slot,
			   const uint8_t nonce[CRTM_INFO_NONCE_LEN])
{
	header(block, op1, CRTM_GET_INFO, slot);
	memcpy(block + CRTM_INFO_OFF_NONCE, nonce, CRTM_INFO_NONCE_LEN);
	return CRTM_GET_INFO_BLOCK;
}
