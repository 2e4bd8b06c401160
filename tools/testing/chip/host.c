// SPDX-License-Identifier: MIT
/* The other side of the emulated chip, for its tests: whoever holds the keys. */
#include <stdlib.h>
#include <string.h>

#include "host.h"

const struct crtm_chip_model small_model = {
	.name = "small",
	.id = { 0x20, 0xbb, 0x14 },
	.id_len = 3,
	.size = 1 << 20,
	.micron = true,
	.slots = 4,
	.crtm = true,
	.sr_mask = 0xfc,
	.sr_tb = 0x20,
	.sr_bp3 = 0x40,
	.page_us = 120,
	.erase_4k_us = 50000,
	.erase_32k_us = 100000,
	.erase_64k_us = 150000,
	.erase_chip_ms = 2400,
	.write_sr_us = 1300,
	.delays = { 0x17, 0x17, 0x05 },
};

u32 be32(const u8 *p)
{
	return (u32)p[0] << 24 | p[1] << 16 | p[2] << 8 | p[3];
}

void to_be32(u8 *p, u32 v)
{
	p[0] = v >> 24;
	p[1] = v >> 16;
	p[2] = v >> 8;
	p[3] = v;
}

static void hmac(const u8 *key, const u8 *data, size_t len, u8 *mac)
{
	assert_int_equal(crtm_user_hmac(NULL, key, RPMC_KEY_LEN, data, len, mac), 0);
}

struct host *host_new(const struct crtm_chip_model *model)
{
	struct host *h = calloc(1, sizeof(*h));
	u32 slot, i;

	assert_non_null(model);
	assert_non_null(h);
	h->u = crtm_user_new(model);
	assert_non_null(h->u);
	for (slot = 0; slot < RPMC_MAX_SLOTS; slot++)
		for (i = 0; i < RPMC_KEY_LEN; i++)
			h->root[slot][i] = 0x10 * slot + 7 * i + 1;
	return h;
}

void host_free(struct host *h)
{
	crtm_user_free(h->u);
	free(h);
}

struct host *host_provisioned(const struct crtm_chip_model *model)
{
	struct host *h = host_new(model);
	u8 slot;

	for (slot = 0; slot < model->slots; slot++) {
		build_root_key(h, slot);
		assert_int_equal(host_send(h), OK);
	}
	host_update_all(h);
	return h;
}

static u8 *header(struct host *h, u8 type, u8 slot, u32 len)
{
	memset(h->blk, 0, sizeof(h->blk));
	h->blk[0] = OP1;
	h->blk[RPMC_OFF_TYPE] = type;
	h->blk[RPMC_OFF_SLOT] = slot;
	h->n = len;
	return h->blk;
}

void resign(struct host *h, const u8 *key)
{
	hmac(key, h->blk, h->n - RPMC_SIG_LEN, h->blk + h->n - RPMC_SIG_LEN);
}

void build_root_key(struct host *h, u8 slot)
{
	u8 *b = header(h, RPMC_WRITE_ROOT_KEY, slot, 64);
	u8 mac[32];

	memcpy(b + 4, h->root[slot % RPMC_MAX_SLOTS], RPMC_KEY_LEN);
	hmac(b + 4, b, 4, mac);
	memcpy(b + 36, mac + 4, RPMC_ROOT_SIG_LEN);
}

void build_update(struct host *h, u8 slot, u32 keydata)
{
	u8 *b = header(h, RPMC_UPDATE_HMAC_KEY, slot, 40);

	to_be32(b + 4, keydata);
	hmac(h->root[slot], b + 4, 4, h->hkr[slot]);
	resign(h, h->hkr[slot]);
}

void build_increment(struct host *h, u8 slot, u32 mc)
{
	to_be32(header(h, RPMC_INCREMENT_COUNTER, slot, 40) + 4, mc);
	resign(h, h->hkr[slot]);
}

void build_request(struct host *h, u8 slot, const char *tag)
{
	memcpy(header(h, RPMC_REQUEST_COUNTER, slot, 48) + 4, tag, RPMC_TAG_LEN);
	resign(h, h->hkr[slot]);
}

void build_open(struct host *h, u32 mc, u8 nonce)
{
	u8 msg[24] = "CRTM";
	u8 *b = header(h, CRTM_OPEN_SESSION, 0, 56);

	to_be32(b + 4, mc);
	memset(b + 8, nonce, 16);
	resign(h, h->hkr[0]);
	to_be32(msg + 4, mc + 1);
	memset(msg + 8, nonce, 16);
	hmac(h->hkr[0], msg, sizeof(msg), h->sk);
	h->seq = 0;
}

void build_close(struct host *h)
{
	to_be32(header(h, CRTM_CLOSE_SESSION, 0, 40) + 4, h->seq);
	resign(h, h->sk);
}

void build_erase(struct host *h, u32 addr, u32 len)
{
	u8 *b = header(h, CRTM_ERASE, 0, 48);

	to_be32(b + 4, h->seq);
	to_be32(b + 8, addr);
	to_be32(b + 12, len);
	resign(h, h->sk);
}

void build_program(struct host *h, u32 addr, const u8 *data, u32 len)
{
	u8 *b = header(h, CRTM_PROGRAM, 0, 12 + len + 32);

	to_be32(b + 4, h->seq);
	to_be32(b + 8, addr);
	memcpy(b + 12, data, len);
	resign(h, h->sk);
}

void build_protect(struct host *h, u32 addr, u32 len, u8 mode)
{
	u8 *b = header(h, CRTM_PROTECT, 0, 52);

	to_be32(b + 4, h->seq);
	to_be32(b + 8, addr);
	to_be32(b + 12, len);
	b[16] = mode;
	resign(h, h->sk);
}

void build_measure(struct host *h, u8 slot, u8 nonce, u32 addr, u32 len)
{
	u8 *b = header(h, CRTM_MEASURE, slot, 44);

	memset(b + 4, nonce, 32);
	to_be32(b + 36, addr);
	to_be32(b + 40, len);
}

void build_derive(struct host *h, u8 slot, u32 addr, u32 len)
{
	u8 *b = header(h, CRTM_DERIVE_KEY, slot, 28);

	memcpy(b + 4, "label of the key", 16);
	to_be32(b + 20, addr);
	to_be32(b + 24, len);
}

void build_lock(struct host *h, u8 slot)
{
	header(h, CRTM_LOCK_DERIVATION, slot, 4);
}

void build_info(struct host *h, u8 slot, u8 nonce)
{
	memset(header(h, CRTM_GET_INFO, slot, 20) + 4, nonce, 16);
}

u8 host_send(struct host *h)
{
	return crtm_user_exchange(h->u, h->blk, h->n, h->resp, sizeof(h->resp));
}

u8 host_step(struct host *h)
{
	u8 status = host_send(h);

	if (status == OK)
		h->seq++;
	return status;
}

void host_open(struct host *h)
{
	build_open(h, h->u->chip.nv.mc[0], 0x5a);
	assert_int_equal(host_send(h), OK);
}

void host_update_all(struct host *h)
{
	u8 slot;

	for (slot = 0; slot < h->u->chip.model->slots; slot++) {
		build_update(h, slot, 0xcafe0000 + slot);
		assert_int_equal(host_send(h), OK);
	}
}

bool host_verify(struct host *h, const u8 *key)
{
	u8 msg[36 + CRTM_CHIP_RESP_LEN] = "CRTR";
	u8 mac[32];
	u32 n = CRTM_RESP_OFF_PAYLOAD + (h->resp[2] << 8 | h->resp[3]);

	if (n + 32 > sizeof(h->resp))
		return false;
	assert_int_equal(crtm_user_sha256(NULL, h->blk, h->n, msg + 4), 0);
	memcpy(msg + 36, h->resp, n);
	hmac(key, msg, 36 + n, mac);
	return !memcmp(mac, h->resp + n, 32);
}

void op(struct host *h, u8 code)
{
	crtm_user_op(h->u, &code, 1, NULL, 0);
}

u8 read_reg(struct host *h, u8 code)
{
	u8 value;

	crtm_user_op(h->u, &code, 1, &value, 1);
	return value;
}

void write_reg(struct host *h, u8 code, u8 value)
{
	u8 tx[] = { code, value };

	op(h, 0x06);
	crtm_user_op(h->u, tx, sizeof(tx), NULL, 0);
	crtm_user_wait(h->u);
}

/* WREN, opcode, address, data; then waits. */
void array_op(struct host *h, u8 code, u32 addr, int addr_bytes, const u8 *data, u32 len)
{
	u8 tx[5 + 1024] = { code };
	int i;

	assert_true(len <= 1024);
	for (i = 0; i < addr_bytes; i++)
		tx[1 + i] = addr >> 8 * (addr_bytes - 1 - i);
	if (len)
		memcpy(tx + 1 + addr_bytes, data, len);
	op(h, 0x06);
	crtm_user_op(h->u, tx, 1 + addr_bytes + len, NULL, 0);
	crtm_user_wait(h->u);
}

void snapshot(struct host *h, struct snapshot *s)
{
	struct crtm_chip_volatile *v = &s->v;

	memset(s, 0, sizeof(*s));
	s->nv = h->u->chip.nv;
	s->nv_steps = h->u->chip.nv_steps;
	memcpy(v, &h->u->chip.v, sizeof(*v));
	memset(v->resp, 0, sizeof(v->resp));
	v->resp_len = 0;
	v->resp_secret = false;
	v->resp_fresh = false;
	memset(v->fsr, 0, sizeof(v->fsr));
	v->fsr_die = 0;
	v->work = CRTM_CHIP_IDLE;
	v->busy_until = 0;
	v->reset_enabled = false;
}

bool unchanged(struct host *h, const struct snapshot *s)
{
	struct snapshot now;

	snapshot(h, &now);
	/* Structures of the same origin: their padding is equal too. */
	return !memcmp(&now, s, sizeof(now));
}
