// SPDX-License-Identifier: MIT
/* The reference commands 40-48: every one good and bad, by the rules of the chip. */
#include <stdlib.h>
#include <string.h>

#include "host.h"

#define REFUSED		CRTM_STATUS_REFUSED
#define SIZE		(1 << 20)

static void refused(struct host *h, u8 status)
{
	struct snapshot before;

	snapshot(h, &before);
	assert_int_equal(host_send(h), status);
	assert_true(unchanged(h, &before));
}

/* An accepted block that cannot be carried out: the session ends, else nothing. */
static void fails(struct host *h, u8 status)
{
	u64 steps = h->u->chip.nv_steps;
	u8 sk[32];

	memcpy(sk, h->sk, sizeof(sk));
	assert_true(h->u->chip.v.session);
	assert_int_equal(host_send(h), status);
	assert_true(host_verify(h, sk));
	assert_false(h->u->chip.v.session);
	assert_int_equal(h->u->chip.nv_steps, steps);
	build_close(h);
	refused(h, RPMC_STATUS_NO_KEY);
	host_open(h);
}

static void session(void **state)
{
	struct host *h = host_provisioned(&small_model);
	struct crtm_chip_volatile *v = &h->u->chip.v;

	(void)state;
	build_close(h);
	refused(h, RPMC_STATUS_NO_KEY);
	build_open(h, 1, 0);
	refused(h, RPMC_STATUS_COUNTER);
	build_open(h, 0, 0);
	assert_int_equal(host_send(h), OK);
	/* 40 is answered with the HMAC key and the counter as it is now. */
	assert_true(host_verify(h, h->hkr[0]));
	assert_int_equal(h->resp[1], CRTM_OPEN_SESSION);
	assert_int_equal(be32(h->resp + CRTM_RESP_OFF_MC), 1);
	assert_int_equal(h->resp[CRTM_RESP_OVERHEAD], 0xff);
	assert_true(v->session && v->seq == 0);
	assert_memory_equal(v->sk, h->sk, 32);
	refused(h, RPMC_STATUS_COUNTER);

	/* A sequence number too low or too high */
	build_erase(h, 0, 4096);
	assert_int_equal(host_step(h), OK);
	refused(h, RPMC_STATUS_COUNTER);
	h->seq += 1;
	build_erase(h, 0, 4096);
	refused(h, RPMC_STATUS_COUNTER);
	h->seq -= 1;
	assert_int_equal(v->seq, 1);

	/* A second 40 ends the first session. */
	build_open(h, 1, 1);
	assert_int_equal(host_send(h), OK);
	assert_int_equal(v->seq, 0);

	build_close(h);
	assert_int_equal(host_send(h), OK);
	assert_true(host_verify(h, h->sk));
	assert_false(v->session);
	assert_memory_equal(v->sk, "\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0"
				   "\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0", 32);
	refused(h, RPMC_STATUS_NO_KEY);
	host_free(h);
}

static void session_ends(void **state)
{
	struct host *h = host_provisioned(&small_model);
	struct crtm_chip *chip = &h->u->chip;
	u8 slot;

	(void)state;
	host_open(h);
	/* Other slots leave it alone. */
	for (slot = 1; slot < 4; slot++) {
		build_update(h, slot, 3);
		assert_int_equal(host_send(h), OK);
		build_increment(h, slot, 0);
		assert_int_equal(host_send(h), OK);
	}
	build_request(h, 0, "twelve bytes");
	assert_int_equal(host_send(h), OK);
	op(h, 0x99);		/* without 66h */
	op(h, 0x66);
	op(h, 0x06);
	op(h, 0x99);		/* not right after it */
	assert_true(chip->v.session);
	build_update(h, 0, 4);
	assert_int_equal(host_send(h), OK);
	assert_false(chip->v.session);

	host_open(h);
	build_increment(h, 0, chip->nv.mc[0]);
	assert_int_equal(host_send(h), OK);
	assert_false(chip->v.session);

	host_open(h);
	op(h, 0x66);
	op(h, 0x99);
	assert_false(chip->v.session);
	assert_int_equal(chip->v.hkrs, 0);
	host_update_all(h);
	host_open(h);
	crtm_chip_reset_pin(chip);
	assert_false(chip->v.session);
	assert_int_equal(chip->v.hkrs, 0);
	host_update_all(h);
	host_open(h);
	crtm_chip_power_off(chip);
	crtm_chip_power_on(chip);
	assert_false(chip->v.session);
	host_free(h);
}

static void authenticated_writes(void **state)
{
	struct host *h = host_provisioned(&small_model);
	struct crtm_chip *chip = &h->u->chip;
	u8 *array = chip->array;
	u8 data[256], expect[SIZE];
	u32 i;

	(void)state;
	for (i = 0; i < sizeof(data); i++)
		data[i] = ~i;
	memset(array, 0, SIZE);
	memset(expect, 0, SIZE);
	host_open(h);
	op(h, 0x06);
	build_erase(h, 0x21000, 4096);
	assert_int_equal(host_step(h), OK);
	memset(expect + 0x21000, 0xff, 4096);
	build_erase(h, 0x40000, 65536);
	assert_int_equal(host_step(h), OK);
	memset(expect + 0x40000, 0xff, 65536);
	build_program(h, 0x40000, data, 256);
	assert_int_equal(host_step(h), OK);
	memcpy(expect + 0x40000, data, 256);
	build_program(h, 0x411ff, data, 1);
	assert_int_equal(host_step(h), OK);
	expect[0x411ff] = data[0];
	build_program(h, 0x40010, data, 16);
	assert_int_equal(host_step(h), OK);
	for (i = 0; i < 16; i++)
		expect[0x40010 + i] &= data[i];
	assert_memory_equal(array, expect, SIZE);
	assert_true(host_verify(h, h->sk));
	assert_true(chip->v.wel);	/* neither needed nor changed */
	assert_int_equal(chip->v.seq, 5);

	/* Block protection does not stop them. */
	write_reg(h, 0x01, 0x7c);
	build_erase(h, 0x40000, 4096);
	assert_int_equal(host_step(h), OK);
	assert_int_equal(array[0x40000], 0xff);

	/* Ranges that are not allowed */
	build_erase(h, 0x40000, 0);
	fails(h, REFUSED);
	build_erase(h, 0x40000, 4095);
	fails(h, REFUSED);
	build_erase(h, 0x40100, 4096);
	fails(h, REFUSED);
	build_erase(h, 0x40000, 65536 + 4096);
	fails(h, REFUSED);
	build_erase(h, SIZE - 4096, 8192);
	fails(h, REFUSED);
	build_erase(h, SIZE, 4096);
	fails(h, REFUSED);
	build_erase(h, 0xfffff000, 4096);
	fails(h, REFUSED);
	build_program(h, 0x40001, data, 256);
	fails(h, REFUSED);
	build_program(h, 0x400ff, data, 2);
	fails(h, REFUSED);
	build_program(h, SIZE, data, 1);
	fails(h, REFUSED);
	build_program(h, 0xffffffff, data, 1);
	fails(h, REFUSED);
	host_free(h);
}

static void regions(void **state)
{
	struct host *h = host_provisioned(&small_model);
	struct crtm_chip *chip = &h->u->chip;
	u32 i;

	(void)state;
	host_open(h);
	for (i = 0; i < CRTM_MAX_REGIONS; i++) {
		build_protect(h, (2 * i) << 16, 0x10000, CRTM_PROTECT_ADD);
		assert_int_equal(host_step(h), OK);
	}
	build_protect(h, 0xf0000, 0x10000, CRTM_PROTECT_ADD);
	fails(h, REFUSED);	/* full */
	build_protect(h, 0x20000, 0x20000, CRTM_PROTECT_REMOVE);
	fails(h, REFUSED);	/* not named exactly */
	build_protect(h, 0x10000, 0x10000, CRTM_PROTECT_REMOVE);
	fails(h, REFUSED);
	for (i = 0; i < CRTM_MAX_REGIONS; i += 2) {
		build_protect(h, (2 * i) << 16, 0x10000, CRTM_PROTECT_REMOVE);
		assert_int_equal(host_step(h), OK);
	}
	assert_int_equal(chip->nv.regions, 4);
	for (i = 0; i < 4; i++)
		assert_int_equal(chip->nv.region[i].addr, (4 * i + 2) << 16);

	build_protect(h, 0x10000, 0x20000, CRTM_PROTECT_ADD);
	fails(h, REFUSED);	/* overlaps, from below */
	build_protect(h, 0x20000, 0x10000, CRTM_PROTECT_ADD);
	fails(h, REFUSED);	/* the same */
	build_protect(h, 0, SIZE, CRTM_PROTECT_ADD);
	fails(h, REFUSED);	/* around it */
	build_protect(h, 0, 0, CRTM_PROTECT_ADD);
	fails(h, REFUSED);
	build_protect(h, 0x8000, 0x8000, CRTM_PROTECT_ADD);
	fails(h, REFUSED);
	build_protect(h, 0x90000, 0x10001, CRTM_PROTECT_ADD);
	fails(h, REFUSED);
	build_protect(h, 0xf0000, 0x20000, CRTM_PROTECT_ADD);
	fails(h, REFUSED);
	build_protect(h, 0xfff00000, 0x100000, CRTM_PROTECT_ADD);
	fails(h, REFUSED);
	build_protect(h, 0x10000, 0xffff0000, CRTM_PROTECT_ADD);
	fails(h, REFUSED);
	build_protect(h, 0, 0x10000, 2);
	fails(h, REFUSED);	/* no such mode */
	for (i = 17; i < 20; i++) {
		build_protect(h, 0, 0x10000, CRTM_PROTECT_ADD);
		h->blk[i] = 1;
		resign(h, h->sk);
		refused(h, RPMC_STATUS_SIGNATURE);
	}

	/* From the first command after power-on, and no NVCR write meanwhile */
	crtm_chip_power_off(chip);
	crtm_chip_power_on(chip);
	chip->array[0x20000] = 0xff;
	array_op(h, 0x02, 0x20000, 3, (const u8 *)"", 1);
	assert_int_equal(chip->array[0x20000], 0xff);
	assert_int_equal(read_reg(h, 0x70), 0x92);
	op(h, 0x50);
	{
		static const u8 nvcr[] = { 0xb1, 0xfe, 0xff };

		op(h, 0x06);
		crtm_user_op(h->u, nvcr, 3, NULL, 0);
		assert_int_equal(chip->nv.nvcr, 0xffff);
		assert_int_equal(read_reg(h, 0x70), 0x92);
		op(h, 0x50);
		host_update_all(h);
		host_open(h);
		for (i = 0; i < 4; i++) {
			build_protect(h, (4 * i + 2) << 16, 0x10000, CRTM_PROTECT_REMOVE);
			assert_int_equal(host_step(h), OK);
		}
		op(h, 0x06);
		crtm_user_op(h->u, nvcr, 3, NULL, 0);
		crtm_user_wait(h->u);
		assert_int_equal(chip->nv.nvcr, 0xfffe);
	}
	host_free(h);
}

/* Every rule is checked in its order: an earlier fault hides a later one. */
static void order_of_checks(void **state)
{
	struct host *h = host_provisioned(&small_model);
	struct host *fresh = host_new(&small_model);
	u8 slot;

	(void)state;
	/* size before slot before reserved bytes before session */
	build_close(h);
	h->blk[2] = 1;
	h->blk[3] = 1;
	h->n = 39;
	refused(h, RPMC_STATUS_SIGNATURE);
	build_close(h);
	h->blk[3] = 1;
	refused(h, RPMC_STATUS_SIGNATURE);
	/* 40-44 exist in slot 0 alone */
	for (slot = 1; slot < 5; slot++) {
		build_close(h);
		h->blk[2] = slot;
		refused(h, RPMC_STATUS_SIGNATURE);
		build_open(h, 0, 0);
		h->blk[2] = slot;
		resign(h, h->hkr[slot % 4]);
		refused(h, RPMC_STATUS_SIGNATURE);
	}
	/* session before signature */
	build_close(h);
	h->blk[39] ^= 1;
	refused(h, RPMC_STATUS_NO_KEY);
	/* key before signature */
	build_open(fresh, 0, 0);
	fresh->blk[55] ^= 1;
	refused(fresh, RPMC_STATUS_NO_KEY);
	/* signature before counter */
	build_open(h, 7, 0);
	refused(h, RPMC_STATUS_COUNTER);
	h->blk[55] ^= 1;
	refused(h, RPMC_STATUS_SIGNATURE);
	/* signature before sequence before range */
	host_open(h);
	h->seq = 9;
	build_erase(h, 1, 1);
	refused(h, RPMC_STATUS_COUNTER);
	h->blk[47] ^= 1;
	refused(h, RPMC_STATUS_SIGNATURE);
	h->seq = 0;
	build_erase(h, 1, 1);
	fails(h, REFUSED);
	host_free(h);
	host_free(fresh);
}

static void counters_end(void **state)
{
	struct host *h = host_provisioned(&small_model);
	struct crtm_chip *chip = &h->u->chip;

	(void)state;
	host_open(h);
	chip->v.seq = 0xfffffffe;
	h->seq = 0xfffffffe;
	build_erase(h, 0, 4096);
	assert_int_equal(host_step(h), OK);
	build_close(h);
	refused(h, RPMC_STATUS_COUNTER);

	chip->nv.mc[0] = 0xfffffffe;
	host_open(h);
	assert_int_equal(chip->nv.mc[0], 0xffffffff);
	build_open(h, 0xffffffff, 0);
	refused(h, RPMC_STATUS_COUNTER);
	host_free(h);
}

static void measurement(void **state)
{
	struct host *h = host_provisioned(&small_model);
	struct snapshot before;
	u8 *p = h->resp + CRTM_RESP_OFF_PAYLOAD;
	u8 digest[32];
	u8 slot;

	(void)state;
	memset(h->u->chip.array, 0x3c, SIZE / 2);
	host_open(h);
	build_erase(h, 0, 4096);
	assert_int_equal(host_step(h), OK);
	for (slot = 0; slot < 4; slot++) {
		snapshot(h, &before);
		build_measure(h, slot, slot + 1, 1, SIZE - 1);
		assert_int_equal(host_send(h), OK);
		assert_true(host_verify(h, h->hkr[slot]));
		assert_int_equal(h->resp[2] << 8 | h->resp[3], CRTM_MEASURE_PAYLOAD);
		assert_memory_equal(p, h->blk + 4, 40);
		crtm_user_sha256(NULL, h->u->chip.array + 1, SIZE - 1, digest);
		assert_memory_equal(p + CRTM_MEASURE_OFF_DIGEST, digest, 32);
		assert_true(unchanged(h, &before));
	}
	build_measure(h, 0, 0, 0, 0);
	refused(h, REFUSED);
	build_measure(h, 0, 0, 1, SIZE);
	refused(h, REFUSED);
	build_measure(h, 0, 0, SIZE, 1);
	refused(h, REFUSED);
	build_measure(h, 0, 0, 0xffffffff, 2);
	refused(h, REFUSED);
	build_measure(h, 0, 0, 2, 0xffffffff);	/* the sum would wrap */
	refused(h, REFUSED);
	build_measure(h, 4, 0, 0, 1);
	refused(h, RPMC_STATUS_SIGNATURE);
	assert_true(h->u->chip.v.session);
	assert_int_equal(h->u->chip.v.fsr[0], 0);

	/* Without a key the signature is zeros, which prove nothing. */
	op(h, 0x66);
	op(h, 0x99);
	build_measure(h, 0, 0, 0, 1);
	assert_int_equal(host_send(h), OK);
	memset(digest, 0, sizeof(digest));
	assert_memory_equal(p + CRTM_MEASURE_PAYLOAD, digest, 32);
	host_free(h);
}

static void derivation(void **state)
{
	struct host *h = host_provisioned(&small_model);
	struct crtm_chip *chip = &h->u->chip;
	u8 *p = h->resp + CRTM_RESP_OFF_PAYLOAD;
	u8 msg[60] = "DICE";
	u8 key[32], again[80];
	u32 i;

	(void)state;
	build_derive(h, 0, 0x10000, 0x10000);
	refused(h, REFUSED);	/* not protected */
	host_open(h);
	build_protect(h, 0x20000, 0x10000, CRTM_PROTECT_ADD);
	assert_int_equal(host_step(h), OK);
	build_protect(h, 0x10000, 0x10000, CRTM_PROTECT_ADD);
	assert_int_equal(host_step(h), OK);
	build_derive(h, 0, 0x18000, 0x18001);
	refused(h, REFUSED);	/* one byte is not */
	build_derive(h, 0, 0xffff, 2);
	refused(h, REFUSED);
	build_derive(h, 0, 0x18000, 0);
	refused(h, REFUSED);

	/* Across both regions, from any slot */
	for (i = 0; i < 4; i++) {
		build_derive(h, i, 0x18000, 0x18000);
		assert_int_equal(host_send(h), OK);
		assert_true(host_verify(h, h->hkr[i]));
		to_be32(msg + 4, 0x18000);
		to_be32(msg + 8, 0x18000);
		crtm_user_sha256(NULL, chip->array + 0x18000, 0x18000, msg + 12);
		memcpy(msg + 44, h->blk + 4, 16);
		crtm_user_hmac(NULL, chip->nv.secret, 32, msg, 60, key);
		assert_memory_equal(p, key, 32);
		assert_true(chip->v.session);
	}
	/* Fully read: gone, but for the status. */
	crtm_user_op(h->u, (const u8 *)"\x96", 2, again, sizeof(again));
	assert_int_equal(again[0], OK);
	for (i = 1; i < sizeof(again); i++)
		assert_int_equal(again[i], 0xff);
	for (i = 1; i < sizeof(chip->v.resp); i++)
		assert_int_equal(chip->v.resp[i], 0);

	/* Another image, another key */
	build_program(h, 0x18000, (const u8 *)"", 1);
	assert_int_equal(host_step(h), OK);
	build_derive(h, 0, 0x18000, 0x18000);
	assert_int_equal(host_send(h), OK);
	assert_memory_not_equal(p, key, 32);

	/* 47 wipes a response not yet read. */
	build_derive(h, 0, 0x18000, 0x18000);
	crtm_user_op(h->u, h->blk, h->n, NULL, 0);
	crtm_user_wait(h->u);
	memcpy(key, chip->v.resp + CRTM_RESP_OFF_PAYLOAD, 32);
	build_lock(h, 1);
	assert_int_equal(host_send(h), OK);
	assert_true(host_verify(h, h->hkr[1]));
	assert_memory_not_equal(p, key, 32);
	build_derive(h, 0, 0x18000, 0x18000);
	refused(h, REFUSED);

	/* 66h 99h does not undo 47, RESET# and power loss do. */
	op(h, 0x66);
	op(h, 0x99);
	build_derive(h, 0, 0x18000, 0x18000);
	refused(h, REFUSED);
	crtm_chip_reset_pin(chip);
	build_derive(h, 0, 0x18000, 0x18000);
	assert_int_equal(host_send(h), OK);
	assert_memory_equal(p, key, 32);
	build_lock(h, 0);
	assert_int_equal(host_send(h), OK);
	crtm_chip_power_off(chip);
	crtm_chip_power_on(chip);
	build_derive(h, 0, 0x18000, 0x18000);
	assert_int_equal(host_send(h), OK);
	assert_memory_equal(p, key, 32);
	host_free(h);
}

static void information(void **state)
{
	struct host *h = host_new(&small_model);
	struct crtm_chip *chip = &h->u->chip;
	u8 *p = h->resp + CRTM_RESP_OFF_PAYLOAD;
	u32 slot, i;

	(void)state;
	build_info(h, 0, 0x77);
	assert_int_equal(host_send(h), OK);
	assert_int_equal(be32(p + CRTM_INFO_OFF_FLAGS), 0);
	assert_int_equal(be32(p + CRTM_INFO_OFF_POWER_ON), 1);
	for (slot = 0; slot < 4; slot += 2) {
		build_root_key(h, slot);
		assert_int_equal(host_send(h), OK);
		build_update(h, slot, 1);
		assert_int_equal(host_send(h), OK);
	}
	host_open(h);
	for (i = 0; i < CRTM_MAX_REGIONS; i++) {
		build_protect(h, i << 16, 0x10000, CRTM_PROTECT_ADD);
		assert_int_equal(host_step(h), OK);
	}
	build_lock(h, 3);
	assert_int_equal(host_send(h), OK);
	build_info(h, 2, 0x78);
	assert_int_equal(host_send(h), OK);
	assert_true(host_verify(h, h->hkr[2]));
	assert_int_equal(h->resp[2] << 8 | h->resp[3], 32 + 64);
	assert_memory_equal(p, h->blk + 4, 16);
	assert_int_equal(p[CRTM_INFO_OFF_VERSION] << 8 | p[CRTM_INFO_OFF_VERSION + 1],
			 CRTM_VERSION);
	assert_int_equal(p[CRTM_INFO_OFF_SLOTS], 4);
	assert_int_equal(p[CRTM_INFO_OFF_REGIONS], 8);
	assert_int_equal(be32(p + CRTM_INFO_OFF_FLAGS), 0x503);
	assert_int_equal(be32(p + CRTM_INFO_OFF_SEQ), 8);
	for (i = 0; i < 8; i++) {
		assert_int_equal(be32(p + CRTM_INFO_OFF_REGION + 8 * i), i << 16);
		assert_int_equal(be32(p + CRTM_INFO_OFF_REGION + 8 * i + 4), 0x10000);
	}

	/* The power-on count saturates. */
	chip->nv.power_on = 0xfffffffd;
	host_open(h);		/* stores it */
	for (i = 0; i < 4; i++) {
		crtm_chip_power_off(chip);
		crtm_chip_power_on(chip);
		assert_int_equal(chip->nv.power_on, i ? 0xffffffff : 0xfffffffe);
	}
	host_free(h);
}

/* 40-44 are refused while a program or erase is suspended; 42-44 cannot be. */
static void suspension(void **state)
{
	static const u8 erase[] = { 0x20, 0x00, 0x10, 0x00 };
	struct host *h = host_provisioned(&small_model);
	struct crtm_chip *chip = &h->u->chip;

	(void)state;
	host_open(h);
	op(h, 0x06);
	crtm_user_op(h->u, erase, 4, NULL, 0);
	op(h, 0x75);
	build_close(h);
	refused(h, REFUSED);
	build_erase(h, 0, 4096);
	refused(h, REFUSED);
	build_program(h, 0, (const u8 *)"x", 1);
	refused(h, REFUSED);
	build_protect(h, 0, 0x10000, CRTM_PROTECT_ADD);
	refused(h, REFUSED);
	{
		u8 sk[32];

		memcpy(sk, h->sk, 32);
		build_open(h, chip->nv.mc[0], 0);
		refused(h, REFUSED);
		memcpy(h->sk, sk, 32);
	}
	build_info(h, 0, 0);
	assert_int_equal(host_send(h), OK);
	op(h, 0x7a);
	crtm_user_wait(h->u);
	op(h, 0x50);

	build_erase(h, 0, 65536);
	crtm_user_op(h->u, h->blk, h->n, NULL, 0);
	op(h, 0x75);
	assert_int_equal(chip->v.suspended, CRTM_CHIP_IDLE);
	/* 66h and 99h are ignored like all else while the chip is busy. */
	op(h, 0x66);
	op(h, 0x99);
	assert_true(chip->v.session);
	host_free(h);
}

/* The simulated times of CRTM-REFERENCE, typical */
static void times(void **state)
{
	struct host *h = host_provisioned(&small_model);
	u64 start;

	(void)state;
#define TAKES(us)						\
	do {							\
		start = h->u->now_us;				\
		assert_int_equal(host_send(h), OK);		\
		assert_int_equal(h->u->now_us - start, us);	\
	} while (0)
	build_open(h, 0, 0);
	TAKES(5000);
	build_erase(h, 0, 4096);
	TAKES(50000);
	h->seq++;
	build_erase(h, 0, 65536);
	TAKES(150000);
	h->seq++;
	build_program(h, 0, (const u8 *)"x", 1);
	TAKES(120);
	h->seq++;
	build_protect(h, 0, 65536, CRTM_PROTECT_ADD);
	TAKES(5000);
	h->seq++;
	build_measure(h, 0, 0, 0, 65536);
	TAKES(5000);
	build_measure(h, 0, 0, 0, SIZE);
	TAKES(80000);
	build_derive(h, 0, 0, 65536);
	TAKES(5000);
	build_close(h);
	TAKES(5000);
	build_lock(h, 0);
	TAKES(0);
	build_info(h, 0, 0);
	TAKES(0);
	host_free(h);
}

/* A refusal of a state-changing block shows in the flag status register alone. */
static void flag_status(void **state)
{
	struct host *h = host_provisioned(&small_model);

	(void)state;
	op(h, 0x06);
	build_increment(h, 0, 9);
	refused(h, RPMC_STATUS_COUNTER);
	assert_int_equal(read_reg(h, 0x70), 0x90);
	assert_int_equal(read_reg(h, 0x05), 0x02);
	op(h, 0x50);
	host_open(h);
	build_erase(h, 1, 1);
	assert_int_equal(host_send(h), REFUSED);
	assert_int_equal(read_reg(h, 0x70), 0xa2);
	op(h, 0x50);
	assert_int_equal(read_reg(h, 0x70), 0x80);
	host_free(h);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(session),
		cmocka_unit_test(session_ends),
		cmocka_unit_test(authenticated_writes),
		cmocka_unit_test(regions),
		cmocka_unit_test(order_of_checks),
		cmocka_unit_test(counters_end),
		cmocka_unit_test(measurement),
		cmocka_unit_test(derivation),
		cmocka_unit_test(information),
		cmocka_unit_test(suspension),
		cmocka_unit_test(times),
		cmocka_unit_test(flag_status),
	};

	return cmocka_run_group_tests_name("crtm", tests, NULL, NULL);
}
