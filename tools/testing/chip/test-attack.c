// SPDX-License-Identifier: MIT
/*
 * Attacks on the bus by somebody without keys: flipped bits, cut and extended
 * blocks, replay in any order, every ordinary opcode against a protected region.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "host.h"

#define SIZE (1 << 20)

/* A chip on which the command would be accepted: builds one block for it. */
struct setup {
	const char *name;
	void (*build)(struct host *h);
	bool is_signed;
};

static void b_root_key(struct host *h)
{
	h->u->chip.nv.root_keys &= ~8u;
	build_root_key(h, 3);
}

static void b_update(struct host *h)
{
	build_update(h, 1, 77);
}

static void b_increment(struct host *h)
{
	build_increment(h, 1, h->u->chip.nv.mc[1]);
}

static void b_request(struct host *h)
{
	build_request(h, 1, "twelve bytes");
}

static void b_open(struct host *h)
{
	build_open(h, h->u->chip.nv.mc[0], 9);
}

static void b_close(struct host *h)
{
	host_open(h);
	build_close(h);
}

static void b_erase(struct host *h)
{
	host_open(h);
	build_erase(h, 0x10000, 4096);
}

static void b_program(struct host *h)
{
	u8 data[256];

	memset(data, 0xc3, sizeof(data));
	host_open(h);
	build_program(h, 0x10000, data, sizeof(data));
}

static void b_program_one(struct host *h)
{
	host_open(h);
	build_program(h, 0x10000, (const u8 *)"x", 1);
}

static void b_protect(struct host *h)
{
	host_open(h);
	build_protect(h, 0x30000, 0x10000, CRTM_PROTECT_ADD);
}

static void b_measure(struct host *h)
{
	build_measure(h, 1, 1, 0, 256);
}

static void b_derive(struct host *h)
{
	host_open(h);
	if (!h->u->chip.nv.regions) {
		build_protect(h, 0, 0x10000, CRTM_PROTECT_ADD);
		assert_int_equal(host_step(h), OK);
	}
	build_derive(h, 1, 0, 256);
}

static void b_info(struct host *h)
{
	build_info(h, 1, 1);
}

static struct setup setups[] = {
	{ "00", b_root_key, true },
	{ "01", b_update, true },
	{ "02", b_increment, true },
	{ "03", b_request, true },
	{ "40", b_open, true },
	{ "41", b_close, true },
	{ "42", b_erase, true },
	{ "43", b_program, true },
	{ "43-one", b_program_one, true },
	{ "44", b_protect, true },
	{ "45", b_measure, false },
	{ "46", b_derive, false },
	{ "48", b_info, false },
};

/* Sends @n bytes at @blk raw; the answer must not be a verified one for h->blk. */
static void must_fail(struct host *h, const struct setup *s, const u8 *blk, u32 n)
{
	static const u8 read[] = { OP2, 0 };
	struct snapshot before;

	snapshot(h, &before);
	h->u->chip.v.resp[0] = 0;
	crtm_user_op(h->u, blk, n, NULL, 0);
	crtm_user_wait(h->u);
	crtm_user_op(h->u, read, 2, h->resp, sizeof(h->resp));
	/* An unsigned block with another bit may be a good block: another one. */
	if (s->is_signed)
		assert_int_not_equal(h->resp[0], OK);
	assert_true(unchanged(h, &before));
	/* Whatever was answered: no key makes it the answer to the true block. */
	assert_false(host_verify(h, h->hkr[1]));
	assert_false(host_verify(h, h->hkr[0]));
	assert_false(host_verify(h, h->sk));
}

/* Invariant 4: every flipped bit, every truncation, a few extensions */
static void mutations(void **state)
{
	const struct setup *s = *state;
	struct host *h = host_provisioned(&small_model);
	u8 blk[HOST_MAX_BLOCK + 4];
	u32 bit, n;

	s->build(h);
	for (bit = 0; bit < 8 * h->n; bit++) {
		memcpy(blk, h->blk, h->n);
		blk[bit / 8] ^= 1 << bit % 8;
		must_fail(h, s, blk, h->n);
	}
	memset(blk, 0, sizeof(blk));
	memcpy(blk, h->blk, h->n);
	for (n = 1; n < h->n; n++)
		must_fail(h, s, blk, n);
	for (n = 1; n <= 4; n++)
		must_fail(h, s, blk, h->n + n);
	/* All that did not spoil the true one. */
	assert_int_equal(host_send(h), OK);
	host_free(h);
}

/* Invariant 2. A long life is recorded, then played back. */

#define MAX_RECORD 64

struct recording {
	u8 blk[MAX_RECORD][HOST_MAX_BLOCK];
	u32 len[MAX_RECORD];
	u32 n;
};

static void record(struct host *h, struct recording *r)
{
	assert_true(r->n < MAX_RECORD);
	memcpy(r->blk[r->n], h->blk, h->n);
	r->len[r->n++] = h->n;
}

static void live(struct host *h, struct recording *r)
{
	u32 life, i;
	u8 data[64];

	for (life = 0; life < 3; life++) {
		build_update(h, 0, 0x100);	/* the same key again: by intent */
		assert_int_equal(host_send(h), OK);
		record(h, r);
		build_increment(h, 0, h->u->chip.nv.mc[0]);
		assert_int_equal(host_send(h), OK);
		record(h, r);
		build_open(h, h->u->chip.nv.mc[0], life);
		assert_int_equal(host_send(h), OK);
		record(h, r);
		build_protect(h, 0x10000 * life, 0x10000, CRTM_PROTECT_ADD);
		assert_int_equal(host_step(h), OK);
		record(h, r);
		for (i = 0; i < 4; i++) {
			build_erase(h, 0x10000 * life + 0x1000 * i, 4096);
			assert_int_equal(host_step(h), OK);
			record(h, r);
			memset(data, life * 16 + i, sizeof(data));
			build_program(h, 0x10000 * life + 0x1000 * i, data, sizeof(data));
			assert_int_equal(host_step(h), OK);
			record(h, r);
		}
		if (life != 1) {	/* one session is left to a power cut */
			build_close(h);
			assert_int_equal(host_step(h), OK);
			record(h, r);
		}
		crtm_chip_power_off(&h->u->chip);
		crtm_chip_power_on(&h->u->chip);
	}
}

static void replay(void **state)
{
	struct host *h = host_provisioned(&small_model);
	struct crtm_chip *chip = &h->u->chip;
	struct recording r = { .n = 0 };
	u32 mc, round, i, k;
	u8 before[32], after[32];
	u8 status;

	(void)state;
	live(h, &r);
	mc = chip->nv.mc[0];
	assert_int_equal(mc, 6);
	crtm_user_sha256(NULL, chip->array, SIZE, before);
	srand(1);
	for (round = 0; round < 200; round++) {
		if (round % 3 == 0) {
			crtm_chip_power_off(chip);
			crtm_chip_power_on(chip);
		}
		for (i = 0; i < r.n; i++) {
			k = round < 2 ? i : (u32)rand() % r.n;
			memcpy(h->blk, r.blk[k], r.len[k]);
			h->n = r.len[k];
			status = host_send(h);
			/* 01 may be repeated: it restores the key and ends sessions. */
			if (h->blk[1] == RPMC_UPDATE_HMAC_KEY)
				assert_int_equal(status, OK);
			else
				assert_int_not_equal(status, OK);
		}
		assert_int_equal(chip->nv.mc[0], mc);
		assert_int_equal(chip->nv.regions, 3);
		assert_false(chip->v.session);
	}
	/* And inside of a session that is open now */
	build_update(h, 0, 0x100);
	assert_int_equal(host_send(h), OK);
	host_open(h);
	for (i = 0; i < r.n; i++) {
		if (r.blk[i][1] == RPMC_UPDATE_HMAC_KEY)
			continue;
		memcpy(h->blk, r.blk[i], r.len[i]);
		h->n = r.len[i];
		assert_int_not_equal(host_send(h), OK);
	}
	assert_true(chip->v.session && chip->v.seq == 0);
	crtm_user_sha256(NULL, chip->array, SIZE, after);
	assert_memory_equal(before, after, 32);
	host_free(h);
}

/* A response verifies against its own request alone, in the same session too. */
static void responses(void **state)
{
	struct host *h = host_provisioned(&small_model);
	u8 blk[6][HOST_MAX_BLOCK], resp[6][CRTM_CHIP_RESP_LEN];
	u32 len[6], i, k;

	(void)state;
	for (i = 0; i < 6; i++) {
		switch (i) {
		case 0:
			build_info(h, 0, 1);
			break;
		case 1:
			build_info(h, 0, 2);
			break;
		case 2:
			build_measure(h, 0, 1, 0, 1);
			break;
		case 3:
			build_open(h, 0, 1);
			break;
		case 4:
		case 5:
			build_erase(h, 0x1000, 4096);
			break;
		}
		assert_int_equal(i > 3 ? host_step(h) : host_send(h), OK);
		memcpy(blk[i], h->blk, h->n);
		len[i] = h->n;
		memcpy(resp[i], h->resp, sizeof(h->resp));
	}
	for (i = 0; i < 6; i++)
		for (k = 0; k < 6; k++) {
			memcpy(h->blk, blk[i], len[i]);
			h->n = len[i];
			memcpy(h->resp, resp[k], sizeof(h->resp));
			assert_int_equal(host_verify(h, i > 3 ? h->sk : h->hkr[0]), i == k);
		}
	host_free(h);
}

/* A refusal is signed too, and is not the acceptance that came before it. */
static void signed_refusal(void **state)
{
	struct host *h = host_provisioned(&small_model);
	u8 first[40];

	(void)state;
	host_open(h);
	build_erase(h, 0x1000, 4096);
	assert_int_equal(host_send(h), OK);
	memcpy(first, h->resp, 40);
	assert_int_equal(host_send(h), RPMC_STATUS_COUNTER);
	assert_true(host_verify(h, h->sk));
	assert_memory_not_equal(first, h->resp, 40);
	h->resp[0] = OK;	/* a forged success */
	assert_false(host_verify(h, h->sk));
	host_free(h);
}

/*
 * Invariant 3: every opcode there is, with addresses of both lengths that mean
 * the protected region in any way, in both address modes, with every extended
 * address and block protection off, suspended or not.
 */
static void protected_region(void **state)
{
	struct crtm_chip_model model = small_model;
	static const u32 lens[] = { 0, 1, 2, 3, 4, 5, 6, 7, 9, 20, 260, 600 };
	u8 tx[1 + 600], want[0x10000];
	u32 code, mode, a, l, k, target, pause;
	struct crtm_chip_record nv;
	struct host *h;
	struct crtm_chip *chip;

	(void)state;
	model.size = 32 << 20;
	for (target = 0; target < 2; target++) {
		u32 base = target ? 0x1230000 : 0x20000;
		const u32 addrs[] = {
			base, base + 0xffff, base + 0x8000, base - 1, base - 0x100,
			base + 0x10000, base - 0x1000, base - 0x8000,
			base + (32 << 20), base + (1u << 31), base + 0xfe000000,
			0, 0xffffffff, base & 0xffffff,
		};

		h = host_provisioned(&model);
		chip = &h->u->chip;
		for (k = 0; k < sizeof(want); k++)
			want[k] = k * 7 | 1;
		memcpy(chip->array + base, want, sizeof(want));
		chip->array[base - 0x100] = 0x5a;
		chip->array[base + 0x10000] = 0x5a;
		host_open(h);
		build_protect(h, base, 0x10000, CRTM_PROTECT_ADD);
		assert_int_equal(host_step(h), OK);
		chip->time_scale = 0;
		nv = chip->nv;
		memset(tx, 0, sizeof(tx));

		for (code = 0; code < 256; code++)
			for (mode = 0; mode < 8; mode++)
				for (a = 0; a < sizeof(addrs) / sizeof(addrs[0]); a++)
					for (l = 0; l < sizeof(lens) / sizeof(lens[0]); l++) {
						pause = mode >> 2;
						chip->v.addr4 = mode & 1;
						chip->v.ear = mode >> 1 & 1;
						chip->v.suspended = pause ? CRTM_CHIP_ERASE :
								    CRTM_CHIP_IDLE;
						chip->v.fsr[0] = 0;
						tx[0] = code;
						if (chip->v.addr4 || code == 0x12 ||
						    code == 0x34 || code == 0x3e ||
						    code == 0x21 || code == 0x5c ||
						    code == 0xdc) {
							to_be32(tx + 1, addrs[a]);
						} else {
							to_be32(tx, addrs[a]);
							tx[0] = code;
							tx[4] = 0;
						}
						op(h, 0x06);
						crtm_user_op(h->u, tx, 1 + lens[l], NULL, 0);
					}
		assert_memory_equal(chip->array + base, want, sizeof(want));
		assert_memory_equal(chip->nv.region, nv.region, sizeof(nv.region));
		assert_int_equal(chip->nv.regions, 1);
		assert_memory_equal(chip->nv.mc, nv.mc, sizeof(nv.mc));
		assert_memory_equal(chip->nv.root_key, nv.root_key, sizeof(nv.root_key));
		/* The attacks were real: what lies beside was changed. */
		assert_int_not_equal(chip->array[base - 0x100], 0x5a);
		assert_int_not_equal(chip->array[base + 0x10000], 0x5a);
		crtm_chip_power_off(chip);
		crtm_chip_power_on(chip);
		assert_memory_equal(chip->nv.region, nv.region, sizeof(nv.region));
		host_free(h);
	}
}

/* Chip and die erase fail whole, with both error bits; so does each form that touches. */
static void touching_fails_whole(void **state)
{
	static const struct {
		u8 code;
		int addr_bytes;
		u32 addr;
		u32 data;
		u8 fsr;
	} tries[] = {
		{ 0xc7, 0, 0, 0, 0xa2 },
		{ 0x60, 0, 0, 0, 0xa2 },
		{ 0xc4, 3, 0, 0, 0xa2 },
		{ 0xd8, 3, 0x2ffff, 0, 0xa2 },
		{ 0xdc, 4, 0x20000, 0, 0xa2 },
		{ 0x52, 3, 0x28000, 0, 0xa2 },
		{ 0x5c, 4, 0x20000, 0, 0xa2 },
		{ 0x20, 3, 0x2f000, 0, 0xa2 },
		{ 0x21, 4, 0x20fff, 0, 0xa2 },
		{ 0x02, 3, 0x20000, 256, 0x92 },
		{ 0x12, 4, 0x120000, 1, 0x92 },
		{ 0x34, 4, 0x2ffff, 2, 0x92 },
		{ 0x3e, 4, 0x20000, 1, 0x92 },
		{ 0x32, 3, 0x20000, 1, 0x92 },
		{ 0x38, 3, 0x20000, 1, 0x92 },
		{ 0xa2, 3, 0x20000, 1, 0x92 },
		{ 0xd2, 3, 0x20000, 1, 0x92 },
	};
	struct host *h = host_provisioned(&small_model);
	static const u8 zeros[256];
	u64 steps;
	size_t i;

	(void)state;
	host_open(h);
	build_protect(h, 0x20000, 0x10000, CRTM_PROTECT_ADD);
	assert_int_equal(host_step(h), OK);
	for (i = 0; i < sizeof(tries) / sizeof(tries[0]); i++) {
		steps = h->u->chip.nv_steps;
		array_op(h, tries[i].code, tries[i].addr, tries[i].addr_bytes, zeros,
			 tries[i].data);
		assert_int_equal(h->u->chip.nv_steps, steps);
		assert_int_equal(read_reg(h, 0x70), tries[i].fsr);
		assert_int_equal(read_reg(h, 0x05), 0x02);
		op(h, 0x50);
		op(h, 0x04);
	}
	/* Right beside it nothing is in the way. */
	array_op(h, 0xd8, 0x1ffff, 3, NULL, 0);
	array_op(h, 0x12, 0x30000, 4, zeros, 1);
	assert_int_equal(read_reg(h, 0x70), 0x80);
	host_free(h);
}

/* Other slots' keys open nothing in slot 0, and 43 knows no other slot. */
static void other_slots(void **state)
{
	struct host *h = host_provisioned(&small_model);
	struct snapshot before;
	u8 slot;

	(void)state;
	snapshot(h, &before);
	for (slot = 1; slot < 4; slot++) {
		build_open(h, 0, 0);
		resign(h, h->hkr[slot]);
		assert_int_equal(host_send(h), RPMC_STATUS_SIGNATURE);
		h->blk[2] = slot;
		resign(h, h->hkr[slot]);
		assert_int_equal(host_send(h), RPMC_STATUS_SIGNATURE);
		build_increment(h, slot, 0);
		h->blk[2] = 0;
		assert_int_equal(host_send(h), RPMC_STATUS_SIGNATURE);
	}
	assert_true(unchanged(h, &before));
	host_free(h);
}

int main(void)
{
	enum { N = sizeof(setups) / sizeof(setups[0]) };
	struct CMUnitTest tests[N + 6] = {
		cmocka_unit_test(replay),
		cmocka_unit_test(responses),
		cmocka_unit_test(signed_refusal),
		cmocka_unit_test(protected_region),
		cmocka_unit_test(touching_fails_whole),
		cmocka_unit_test(other_slots),
	};
	static char names[N][24];
	int i;

	for (i = 0; i < N; i++) {
		snprintf(names[i], sizeof(names[i]), "mutations-%s", setups[i].name);
		tests[6 + i] = (struct CMUnitTest){ names[i], mutations, NULL, NULL,
						    &setups[i] };
	}
	return cmocka_run_group_tests_name("attack", tests, NULL, NULL);
}
