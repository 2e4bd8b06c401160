// SPDX-License-Identifier: MIT
/* JESD260: commands 00-03 on every slot, good and bad, status by status. */
#include <string.h>

#include "host.h"

#define MODEL(name) crtm_chip_model(name, sizeof(name) - 1)
#define TAG "twelve bytes"

/* Sends the block; the chip must refuse it so and change nothing. */
static void refused(struct host *h, u8 status)
{
	struct snapshot before;

	snapshot(h, &before);
	assert_int_equal(host_send(h), status);
	assert_true(unchanged(h, &before));
}

static void power_on_status(void **state)
{
	struct host *h = host_new(MODEL("mt25qu128-authenta"));
	u8 resp[4];

	(void)state;
	crtm_user_op(h->u, (const u8 *)"\x96", 2, resp, 4);
	assert_memory_equal(resp, "\x00\xff\xff\xff", 4);
	host_free(h);
}

static void every_slot(void **state)
{
	struct host *h = host_new(*state);
	u8 slots = h->u->chip.model->slots;
	u8 mac[32], slot;
	u32 i;

	for (slot = 0; slot < slots; slot++) {
		/* Nothing works before 00 and before 01. */
		build_update(h, slot, 1);
		refused(h, RPMC_STATUS_ROOT_KEY);
		build_increment(h, slot, 0);
		refused(h, RPMC_STATUS_NO_KEY);
		build_request(h, slot, TAG);
		refused(h, RPMC_STATUS_NO_KEY);

		build_root_key(h, slot);
		h->blk[63] ^= 1;
		refused(h, RPMC_STATUS_ROOT_KEY);
		h->blk[63] ^= 1;
		assert_int_equal(host_send(h), OK);
		refused(h, RPMC_STATUS_ROOT_KEY);	/* once for ever */
		build_increment(h, slot, 0);
		refused(h, RPMC_STATUS_NO_KEY);

		build_update(h, slot, 0x01020304 + slot);
		assert_int_equal(host_send(h), OK);
		for (i = 0; i < 3; i++) {
			build_increment(h, slot, i + 1);
			refused(h, RPMC_STATUS_COUNTER);
			build_increment(h, slot, i);
			assert_int_equal(host_send(h), OK);
			refused(h, RPMC_STATUS_COUNTER);	/* the same again */
			build_request(h, slot, TAG);
			assert_int_equal(host_send(h), OK);
			assert_memory_equal(h->resp + 1, TAG, 12);
			assert_int_equal(be32(h->resp + 13), i + 1);
			crtm_user_hmac(NULL, h->hkr[slot], 32, h->resp + 1, 16, mac);
			assert_memory_equal(h->resp + 17, mac, 32);
			assert_int_equal(h->resp[49], 0xff);
		}
	}
	for (slot = 0; slot < slots; slot++)
		assert_int_equal(h->u->chip.nv.mc[slot], 3);
	host_free(h);
}

static void bad_slots_and_types(void **state)
{
	struct host *h = host_provisioned(*state);
	u32 slot, type;
	bool known;

	for (slot = h->u->chip.model->slots; slot < 256; slot++) {
		build_root_key(h, slot);
		refused(h, RPMC_STATUS_ROOT_KEY);
		build_request(h, 0, TAG);
		h->blk[2] = slot;
		resign(h, h->hkr[0]);
		refused(h, RPMC_STATUS_SIGNATURE);
		build_increment(h, 0, 0);
		h->blk[2] = slot;
		resign(h, h->hkr[0]);
		refused(h, RPMC_STATUS_SIGNATURE);
	}
	for (type = 0; type < 256; type++) {
		known = type <= RPMC_REQUEST_COUNTER ||
			(h->u->chip.model->crtm && type >= 0x40 && type <= 0x48);
		build_request(h, 0, TAG);
		h->blk[1] = type;
		resign(h, h->hkr[0]);
		if (!known)
			refused(h, RPMC_STATUS_SIGNATURE);
		/* Reserved byte, in every command: nothing but zero */
		h->blk[1] = RPMC_REQUEST_COUNTER;
		h->blk[3] = type ? type : 1;
		resign(h, h->hkr[0]);
		refused(h, RPMC_STATUS_SIGNATURE);
	}
	host_free(h);
}

static void counter_end(void **state)
{
	struct host *h = host_provisioned(*state);

	h->u->chip.nv.mc[1] = 0xfffffffe;
	build_increment(h, 1, 0xfffffffe);
	assert_int_equal(host_send(h), OK);
	build_increment(h, 1, 0xffffffff);
	refused(h, RPMC_STATUS_COUNTER);
	assert_int_equal(h->u->chip.nv.mc[1], 0xffffffff);
	host_free(h);
}

/* The HMAC key register is volatile, root key and counter are not. */
static void power_cycle(void **state)
{
	struct host *h = host_provisioned(*state);

	build_increment(h, 0, 0);
	assert_int_equal(host_send(h), OK);
	crtm_chip_power_off(&h->u->chip);
	crtm_chip_power_on(&h->u->chip);
	build_request(h, 0, TAG);
	refused(h, RPMC_STATUS_NO_KEY);
	build_update(h, 0, 7);
	assert_int_equal(host_send(h), OK);
	build_request(h, 0, TAG);
	assert_int_equal(host_send(h), OK);
	assert_int_equal(be32(h->resp + 13), 1);
	host_free(h);
}

/* Busy shows the way that the part's SFDP table says, for as long as it says. */
static void polling(void **state)
{
	struct host *h = host_provisioned(*state);
	const struct crtm_chip_model *model = h->u->chip.model;
	static const struct {
		u8 type;
		u32 us[2];	/* Authenta, the other vendor's */
	} times[] = {
		{ RPMC_UPDATE_HMAC_KEY, { 112, 512 } },
		{ RPMC_INCREMENT_COUNTER, { 5000, 16000 } },
		{ RPMC_REQUEST_COUNTER, { 112, 256 } },
	};
	u8 status[3];
	size_t i;

	for (i = 0; i < sizeof(times) / sizeof(times[0]); i++) {
		if (times[i].type == RPMC_UPDATE_HMAC_KEY)
			build_update(h, 0, 9);
		else if (times[i].type == RPMC_INCREMENT_COUNTER)
			build_increment(h, 0, 0);
		else
			build_request(h, 0, TAG);
		crtm_user_op(h->u, h->blk, h->n, NULL, 0);
		h->u->now_us += times[i].us[model->poll_rdsr] - 1;
		crtm_user_op(h->u, (const u8 *)"\x96", 2, status, 1);
		assert_int_equal(status[0], model->poll_rdsr ? 0 : RPMC_STATUS_BUSY);
		assert_int_equal(read_reg(h, 0x05), model->poll_rdsr);
		assert_int_equal(h->u->chip.violations, 2 * i);
		/* Neither another block nor a whole response is to be had. */
		crtm_user_op(h->u, h->blk, h->n, NULL, 0);
		crtm_user_op(h->u, (const u8 *)"\x96", 2, status, 3);
		assert_memory_equal(status + 1, "\xff\xff", 2);
		assert_int_equal(h->u->chip.violations, 2 * i + 2);
		h->u->now_us++;
		crtm_user_op(h->u, (const u8 *)"\x96", 2, status, 1);
		assert_int_equal(status[0], OK);
		assert_int_equal(read_reg(h, 0x05), 0);
	}
	host_free(h);
}

/* A response may be read twice, but not unnoticed. */
static void stale(void **state)
{
	struct host *h = host_provisioned(*state);
	u8 again[49];

	assert_int_equal(h->u->chip.stale_reads, 0);
	build_request(h, 0, TAG);
	assert_int_equal(host_send(h), OK);
	crtm_user_op(h->u, (const u8 *)"\x96", 2, again, 1);
	assert_int_equal(h->u->chip.stale_reads, 0);
	crtm_user_op(h->u, (const u8 *)"\x96", 2, again, 49);
	assert_int_equal(h->u->chip.stale_reads, 1);
	assert_memory_equal(again, h->resp, 49);
	host_free(h);
}

static void injected_faults(void **state)
{
	struct host *h = host_provisioned(*state);
	u8 mac[32], old[49];
	u8 status;

	build_request(h, 0, TAG);
	assert_int_equal(host_send(h), OK);
	memcpy(old, h->resp, sizeof(old));

	h->u->chip.drop = (struct crtm_chip_at){ .count = 2, .op = OP1 };
	build_request(h, 0, "second block");
	assert_int_equal(host_send(h), OK);
	assert_memory_not_equal(h->resp, old, sizeof(old));
	memcpy(old, h->resp, sizeof(old));
	build_request(h, 0, "third block.");
	assert_int_equal(host_send(h), OK);
	assert_memory_equal(h->resp, old, sizeof(old));

	h->u->chip.fault[CRTM_CHIP_F_BITFLIP] = 1;
	assert_int_equal(host_send(h), OK);
	crtm_user_hmac(NULL, h->hkr[0], 32, h->resp + 1, 16, mac);
	assert_memory_equal(h->resp + 17, mac, 31);
	assert_int_equal(h->resp[48] ^ mac[31], 1);

	h->u->chip.stuck = (struct crtm_chip_at){ .count = 1, .op = OP1 };
	crtm_user_op(h->u, h->blk, h->n, NULL, 0);
	h->u->now_us += 1000000000;
	crtm_user_op(h->u, (const u8 *)"\x96", 2, &status, 1);
	assert_int_equal(status, h->u->chip.model->poll_rdsr ? 0 : RPMC_STATUS_BUSY);
	crtm_chip_reset_pin(&h->u->chip);
	crtm_user_op(h->u, (const u8 *)"\x96", 2, &status, 1);
	assert_int_equal(status, 0);
	host_free(h);
}

int main(void)
{
	void *authenta = (void *)MODEL("mt25qu128-authenta");
	void *other = (void *)MODEL("rpmc-other");
	const struct CMUnitTest tests[] = {
#define BOTH(f)								\
		{ #f "-authenta", f, NULL, NULL, authenta },		\
		{ #f "-other", f, NULL, NULL, other }
		cmocka_unit_test(power_on_status),
		BOTH(every_slot),
		BOTH(bad_slots_and_types),
		BOTH(counter_end),
		BOTH(power_cycle),
		BOTH(polling),
		BOTH(stale),
		BOTH(injected_faults),
	};

	return cmocka_run_group_tests_name("rpmc", tests, NULL, NULL);
}
