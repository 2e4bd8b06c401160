// SPDX-License-Identifier: MIT
/*
 * The main job with an image of 8 pages, in each of its scenarios, and one thing that goes wrong
 * at each operation on the bus, in each block, or at each step of a non-volatile change, one after
 * the other. Nothing hangs; what the chip is afterwards is what it has accepted, and what was said
 * of that is true; the chip works on, and the job can be ended.
 *
 * CRTM_SWEEP_STRIDE=N: only every N-th chance. SEED: which bits, bytes, lengths.
 */
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "kselftest_harness.h"
#include "sweep.h"

#define PAGES		8

struct scenario {
	bool provisioned, is_protected;	/* before */
	bool new_chip;			/* cannot be undone */
	bool update;			/* ends in the image */
	void (*build)(struct bench *b);
};

static void add_protect(struct bench *b, uint8_t mode)
{
	struct keys *k = &b->k[0];

	job_add(b, block_protect(k, AREA, CRTM_REGION_UNIT, mode, job_block(b)));
	k->seq++;
}

static void provision(struct bench *b)
{
	unsigned int slot;

	job_start(b, 1);
	for (slot = 0; slot < 2; slot++) {
		struct keys *k = &b->k[slot];

		job_add(b, block_root_key(k, job_block(b)));
		job_add(b, block_update_key(k, (const uint8_t *)"keys", job_block(b)));
		job_add(b, block_request(k, bench_nonce(), job_block(b)));
	}
}

static void update(struct bench *b)
{
	job_start(b, 1);
	job_update(b);
}

static void update_list(struct bench *b)
{
	job_start(b, MAX_LIST);
	job_update(b);
}

static void protect(struct bench *b)
{
	job_start(b, 1);
	job_open(b);
	add_protect(b, CRTM_PROTECT_ADD);
	add_protect(b, CRTM_PROTECT_REMOVE);
	add_protect(b, CRTM_PROTECT_ADD);
	job_add(b, block_close(&b->k[0], job_block(b)));
}

static void attest(struct bench *b)
{
	job_start(b, 1);
	job_add(b, block_update_key(&b->k[0], (const uint8_t *)"keys", job_block(b)));
	job_attest(b);
	job_attest(b);
}

static void derive(struct bench *b)
{
	int i;

	job_start(b, 1);
	job_add(b, block_update_key(&b->k[0], (const uint8_t *)"keys", job_block(b)));
	for (i = 0; i < 2; i++)
		job_add(b, block_derive(0, "label one label ", AREA, PAGES * PAGE_LEN,
					job_block(b)));
	job_add(b, block_plain(command(CRTM_LOCK_DERIVATION), 0, job_block(b)));
	job_add(b, block_get_info(0, bench_nonce(), job_block(b)));
}

static void count(struct bench *b)
{
	struct keys *k = &b->k[0];
	int i;

	job_start(b, 1);
	job_add(b, block_update_key(k, (const uint8_t *)"keys", job_block(b)));
	k->mc = b->before.mc[0];
	for (i = 0; i < 3; i++, k->mc++) {
		job_add(b, block_increment(k, job_block(b)));
		job_add(b, block_request(k, bench_nonce(), job_block(b)));
	}
}

FIXTURE(sweep) {
	struct bench b;
	unsigned int stride;
};

FIXTURE_VARIANT(sweep) {
	const char *name, *chips;
	struct scenario s;
};

#define SCENARIO(_id, ...)							\
FIXTURE_VARIANT_ADD(sweep, _id ## _spi) {					\
	.name = #_id " spi", .chips = "mt25qu128-authenta:spi",			\
	.s = { __VA_ARGS__, .build = _id },					\
};										\
FIXTURE_VARIANT_ADD(sweep, _id ## _mem) {					\
	.name = #_id " mem", .chips = "mt25qu128-authenta:mem",			\
	.s = { __VA_ARGS__, .build = _id },					\
}

SCENARIO(provision, .new_chip = true);
SCENARIO(update, .provisioned = true, .is_protected = true, .update = true);
SCENARIO(update_list, .provisioned = true, .is_protected = true, .update = true);
SCENARIO(protect, .provisioned = true);
SCENARIO(attest, .provisioned = true, .is_protected = true);
SCENARIO(derive, .provisioned = true, .is_protected = true);
SCENARIO(count, .provisioned = true);

/* Each time from the same state */
static const char *again(struct bench *b, const struct scenario *s)
{
	const char *wrong = s->new_chip ? bench_new_chip(b) : NULL;

	if (!wrong)
		wrong = bench_prepare(b, s->provisioned, s->is_protected);
	if (!wrong)
		s->build(b);
	return wrong;
}

FIXTURE_SETUP(sweep)
{
	const char *wrong;

	wrong = bench_new(&self->b, variant->chips, NULL, PAGES * PAGE_LEN);
	ASSERT_EQ(NULL, wrong) TH_LOG("%s", wrong);
	self->b.seed = bench_setting("SEED", 1);
	self->stride = bench_setting("CRTM_SWEEP_STRIDE", 1);
	ASSERT_NE(0, self->stride);
	printf("# report: seed: crtm_sweep_test %u\n", self->b.seed);
}

FIXTURE_TEARDOWN(sweep)
{
	bench_free(&self->b);
}

/* Without a fault: what a sweep starts from */
static const char *without(struct bench *b, const struct scenario *s)
{
	const char *wrong;
	bool struck;

	wrong = again(b, s);
	if (wrong)
		return wrong;
	wrong = with_fault(b, &(struct fault){ "none", "any", false }, 0, &struck);
	if (wrong)
		return wrong;
	if (!job_done(b))
		return "it fails without a fault";
	return bench_well(b);
}

TEST_F_TIMEOUT(sweep, faults, 3600)
{
	struct bench *b = &self->b;
	unsigned int i, n, first, chances, steps;
	const char *wrong;
	bool struck;

	wrong = without(b, &variant->s);
	ASSERT_EQ(NULL, wrong) TH_LOG("%s: %s", variant->name, wrong);
	steps = self->b.steps;
	for (i = 0; i < nr_faults; i++) {
		const struct fault *f = &faults[i];

		/* There are many operations, and few blocks. */
		first = 1 + (b->seed + i) % (f->opcode ? self->stride : 2);
		for (n = first, chances = 0; ; n += self->stride, chances++) {
			wrong = again(b, &variant->s);
			ASSERT_EQ(NULL, wrong)
				TH_LOG("%s: %s %u: prepare: %s", variant->name, f->name, n, wrong);
			wrong = with_fault(b, f, n, &struck);
			if (!struck) {
				EXPECT_EQ(NULL, wrong) TH_LOG("%s: %s", variant->name, wrong);
				break;
			}
			if (!wrong)
				wrong = bench_well(b);
			if (!wrong && variant->s.provisioned)
				wrong = bench_finish(b, variant->s.update);
			EXPECT_EQ(NULL, wrong)
				TH_LOG("%s: %s %u %s: %s", variant->name, f->name, n,
				       f->opcode ? f->opcode : "", wrong);
		}
		/* Some jobs change nothing for good. */
		if (strcmp(f->name, "power_cut") || f->opcode || steps)
			EXPECT_NE(0, chances)
				TH_LOG("%s: %s never struck", variant->name, f->name);
		printf("# %s: %s%s: %u\n", variant->name, f->name, f->opcode ? " any" : "",
		       chances);
	}
	printf("# report: runs: %s %u, %u ioctls, the longest %lu ms\n", variant->name, b->runs,
	       b->ioctls, b->worst_ms);
	fflush(stdout);
}

TEST_HARNESS_MAIN
