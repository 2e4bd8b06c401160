// SPDX-License-Identifier: MIT
/*
 * Invariant 11: power may fail before every step of every non-volatile change,
 * and the process may die between any two bytes of a register update.
 */
#include <stdlib.h>
#include <string.h>

#include "host.h"

struct change {
	const char *name;
	/* Makes the next block or operation ready, and says which range is undefined. */
	void (*prepare)(struct host *h);
	u32 addr, len;
	bool ordinary;		/* of a flash command in h->blk, not of an OP1 block */
};

static void p_root_key(struct host *h)
{
	h->u->chip.nv.root_keys &= ~4u;
	memset(h->u->chip.nv.root_key[2], 0, RPMC_KEY_LEN);
	build_root_key(h, 2);
}

static void p_increment(struct host *h)
{
	build_increment(h, 1, h->u->chip.nv.mc[1]);
}

static void p_open(struct host *h)
{
	build_open(h, h->u->chip.nv.mc[0], 3);
}

static void p_erase(struct host *h)
{
	host_open(h);
	build_erase(h, 0x21000, 0x2000);
}

static void p_program(struct host *h)
{
	static const u8 zeros[200];

	host_open(h);
	build_program(h, 0x21010, zeros, sizeof(zeros));
}

static void p_protect(struct host *h)
{
	host_open(h);
	build_protect(h, 0x80000, 0x10000, CRTM_PROTECT_ADD);
}

static void p_unprotect(struct host *h)
{
	host_open(h);
	build_protect(h, 0x20000, 0x10000, CRTM_PROTECT_REMOVE);
}

static void ordinary(struct host *h, const u8 *tx, u32 n)
{
	op(h, 0x06);
	memcpy(h->blk, tx, n);
	h->n = n;
}

static void p_status(struct host *h)
{
	ordinary(h, (const u8 *)"\x01\x7c", 2);
}

static void p_sector(struct host *h)
{
	ordinary(h, (const u8 *)"\x20\x00\x50\x00", 4);
}

static struct change changes[] = {
	{ "root-key", p_root_key, 0, 0, false },
	{ "increment", p_increment, 0, 0, false },
	{ "open-session", p_open, 0, 0, false },
	{ "protect", p_protect, 0, 0, false },
	{ "unprotect", p_unprotect, 0, 0, false },
	{ "erase", p_erase, 0x21000, 0x2000, false },
	{ "program", p_program, 0x21010, 200, false },
	{ "status-register", p_status, 0, 0, true },
	{ "sector-erase", p_sector, 0x5000, 0x1000, true },
};

/* All of the record that a change may concern */
static bool same_record(const struct crtm_chip_record *a, const struct crtm_chip_record *b)
{
	struct crtm_chip_record x = *a, y = *b;

	x.crc = y.crc = 0;
	x.generation = y.generation = 0;
	x.power_on = y.power_on = 0;
	return !memcmp(&x, &y, sizeof(x));
}

static void prepare(struct host *h, const u8 *memory, const struct change *c)
{
	memcpy(h->u->nv, memory, h->u->nv_size);
	crtm_chip_power_on(&h->u->chip);
	host_update_all(h);
	c->prepare(h);
}

static void every_step(void **state)
{
	const struct change *c = *state;
	struct host *h = host_provisioned(&small_model);
	struct crtm_chip *chip = &h->u->chip;
	struct crtm_chip_record before, after;
	u8 *memory = malloc(h->u->nv_size);
	u8 *old = malloc(chip->model->size);
	u32 cut, i, changed = 0;
	u8 status;

	assert_true(memory && old);
	chip->time_scale = 0;
	host_open(h);
	build_protect(h, 0x20000, 0x10000, CRTM_PROTECT_ADD);
	assert_int_equal(host_step(h), OK);
	for (i = 0; i < chip->model->size; i++)
		chip->array[i] = i * 31 >> 3 | 1;
	memcpy(memory, h->u->nv, h->u->nv_size);

	/* Without a cut: what new looks like */
	prepare(h, memory, c);
	before = chip->nv;
	memcpy(old, chip->array, chip->model->size);
	status = host_send(h);
	assert_int_equal(c->ordinary ? OK : status, OK);
	after = chip->nv;
	assert_int_equal(same_record(&before, &after), c->len != 0);
	assert_int_equal(memcmp(old, chip->array, chip->model->size) != 0, c->len != 0);

	for (cut = 1;; cut++) {
		prepare(h, memory, c);
		chip->cut_in = cut;
		crtm_user_op(h->u, h->blk, h->n, NULL, 0);
		if (chip->v.on)
			break;
		assert_false(chip->v.session);
		/* Power fails again while the chip counts its power-on. */
		chip->cut_in = 1 + cut % 7;
		crtm_chip_power_on(chip);
		assert_false(chip->v.on);
		crtm_chip_power_on(chip);
		assert_true(chip->v.on);
		assert_true(same_record(&chip->nv, &before) || same_record(&chip->nv, &after));
		assert_false(chip->v.session);
		for (i = 0; i < chip->model->size; i++) {
			if (chip->array[i] == old[i])
				continue;
			assert_in_range(i, c->addr, c->addr + c->len - 1);
			changed++;
		}
	}
	/* It took steps, and a cut in the midst of an array change showed. */
	assert_true(cut > 5);
	assert_int_equal(changed != 0, c->len != 0);
	assert_true(same_record(&chip->nv, &after));
	free(memory);
	free(old);
	host_free(h);
}

/* The process is killed: the copy being written is new up to any byte. */
static void torn_record(void **state)
{
	struct host *h = host_provisioned(&small_model);
	struct crtm_chip *chip = &h->u->chip;
	u8 before[CRTM_CHIP_NV_HEADER], after[CRTM_CHIP_NV_HEADER];
	u32 round, at, n, mc, torn = 0;
	bool complete;

	(void)state;
	for (round = 0; round < 2; round++) {	/* once for each copy */
		memcpy(before, h->u->nv, sizeof(before));
		mc = chip->nv.mc[1];
		build_increment(h, 1, mc);
		assert_int_equal(host_send(h), OK);
		memcpy(after, h->u->nv, sizeof(after));
		at = memcmp(before, after, sizeof(before) / 2) ? 0 : sizeof(before) / 2;
		assert_memory_equal(before + sizeof(before) / 2 - at,
				    after + sizeof(before) / 2 - at, sizeof(before) / 2);
		for (n = 0; n <= sizeof(struct crtm_chip_record); n++) {
			memcpy(h->u->nv, before, sizeof(before));
			memcpy(h->u->nv + at, after + at, n);
			complete = !memcmp(h->u->nv + at, after + at,
					   sizeof(struct crtm_chip_record));
			assert_int_equal(crtm_chip_init(chip, &small_model, h->u->nv, chip->ops,
							h->u), 0);
			crtm_chip_power_on(chip);
			/* Old while a byte is missing that differs; then new. */
			assert_int_equal(chip->nv.mc[1], mc + complete);
			torn += !complete;
		}
		assert_true(torn > 4);
		assert_int_equal(chip->nv.mc[1], mc + 1);
		memcpy(h->u->nv, after, sizeof(after));
		crtm_chip_power_on(chip);
		host_update_all(h);
	}
	host_free(h);
}

/* Generations go on after 2^32 updates. */
static void generation_wraps(void **state)
{
	struct host *h = host_provisioned(&small_model);
	struct crtm_chip *chip = &h->u->chip;
	u32 i;

	(void)state;
	/* Far apart, but never so far that newer and older change places */
	for (i = 0; i < 3; i++) {
		if (i)
			chip->nv.generation += 0x7ffffff0;
		write_reg(h, 0x01, 0);
		write_reg(h, 0x01, 0);
	}
	assert_in_range(chip->nv.generation, 0xffffffe0, 0xfffffffc);
	for (i = 0; i < 24; i++) {
		build_increment(h, 0, i);
		assert_int_equal(host_send(h), OK);
		crtm_chip_power_off(chip);
		crtm_chip_power_on(chip);
		assert_int_equal(chip->nv.mc[0], i + 1);
		host_update_all(h);
	}
	assert_in_range(chip->nv.generation, 8, 64);
	host_free(h);
}

int main(void)
{
	enum { N = sizeof(changes) / sizeof(changes[0]) };
	struct CMUnitTest tests[N + 2] = {
		cmocka_unit_test(torn_record),
		cmocka_unit_test(generation_wraps),
	};
	int i;

	for (i = 0; i < N; i++)
		tests[2 + i] = (struct CMUnitTest){ changes[i].name, every_step, NULL, NULL,
						    &changes[i] };
	return cmocka_run_group_tests_name("power", tests, NULL, NULL);
}
