// SPDX-License-Identifier: MIT
/*
 * The update with a real image, a boot loader, and one thing that goes wrong somewhere in it: what
 * and where is drawn. What has to hold is what crtm_sweep_test tells, which has every place in
 * turn, with an image of 8 pages.
 *
 * CRTM_IMAGE: the file. SEED: of what is drawn. CRTM_IMAGE_RUNS=N: for each controller.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "kselftest_harness.h"
#include "sweep.h"

#define RUNS		100
#define OP_RDSR		0x05
#define OP_RDFSR	0x70
/* Regions, and what is left around them in the window, do not reach the well's sector. */
#define MAX_IMAGE	(4U << 20)

FIXTURE(image) {
	struct bench b;
	/* where something can go wrong */
	unsigned int operations, receiving, blocks, steps;
};

FIXTURE_VARIANT(image) {
	const char *chips;
	unsigned int nr;	/* of the variant: each draws otherwise */
};

FIXTURE_VARIANT_ADD(image, spi) { .chips = "mt25qu128-authenta:spi", .nr = 0 };
FIXTURE_VARIANT_ADD(image, mem) { .chips = "mt25qu128-authenta:mem", .nr = 1 };

FIXTURE_SETUP(image)
{
	const char *path = getenv("CRTM_IMAGE"), *wrong;
	const void *content;
	struct stat st;
	int fd;

	ASSERT_NE(NULL, path) TH_LOG("CRTM_IMAGE names no image");
	fd = open(path, O_RDONLY);
	ASSERT_GE(fd, 0) TH_LOG("no %s", path);
	ASSERT_EQ(0, fstat(fd, &st));
	ASSERT_NE(0, st.st_size);
	ASSERT_LE(st.st_size, MAX_IMAGE);
	content = mmap(NULL, st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
	ASSERT_NE(MAP_FAILED, content);
	close(fd);
	wrong = bench_new(&self->b, variant->chips, content, st.st_size);
	ASSERT_EQ(NULL, wrong) TH_LOG("%s", wrong);
	munmap((void *)content, st.st_size);
	self->b.seed = bench_setting("SEED", 1);
	printf("# report: seed: crtm_image_test %u\n", self->b.seed);
}

FIXTURE_TEARDOWN(image)
{
	bench_free(&self->b);
}

/* The job from its start, with the @n-th chance of @f. */
static const char *once(struct bench *b, const struct fault *f, unsigned int n, bool *struck)
{
	const char *wrong = bench_prepare(b, true, true);

	if (wrong)
		return wrong;
	job_start(b, MAX_LIST);
	job_update(b);
	return with_fault(b, f, n, struck);
}

/* Without a fault: how often can there be one? */
static const char *count(FIXTURE_DATA(image) *self)
{
	struct bench *b = &self->b;
	const char *wrong;
	unsigned int op;
	bool struck;

	wrong = once(b, &(struct fault){ "none", "any", false }, 0, &struck);
	if (wrong)
		return wrong;
	if (!job_done(b))
		return "it fails without a fault";
	for (op = 0; op < 256; op++)
		self->operations += emu_opcode(b->chip, op);
	self->receiving = emu_opcode(b->chip, RPMC_OP2_DEFAULT) +
			  emu_opcode(b->chip, OP_RDSR) + emu_opcode(b->chip, OP_RDFSR);
	self->blocks = b->nr;
	self->steps = b->steps;
	return bench_well(b);
}

static unsigned int chances(const FIXTURE_DATA(image) *self, const struct fault *f)
{
	if (!strcmp(f->name, "garbage") || !strcmp(f->name, "flip_in"))
		return self->receiving;
	if (f->opcode)
		return self->operations;
	return strcmp(f->name, "power_cut") ? self->blocks : self->steps;
}

TEST_F_TIMEOUT(image, faults, 3600)
{
	unsigned int runs = bench_setting("CRTM_IMAGE_RUNS", RUNS), i, n;
	struct bench *b = &self->b;
	const struct fault *f;
	const char *wrong;
	bool struck;

	srandom(2 * b->seed + variant->nr);
	wrong = count(self);
	ASSERT_EQ(NULL, wrong) TH_LOG("%s", wrong);
	for (i = 0; i < runs; i++) {
		f = &faults[random() % nr_faults];
		n = 1 + random() % chances(self, f);
		wrong = once(b, f, n, &struck);
		EXPECT_TRUE(struck) TH_LOG("%s %u never struck", f->name, n);
		if (!wrong)
			wrong = bench_well(b);
		if (!wrong)
			wrong = bench_finish(b, true);
		EXPECT_EQ(NULL, wrong)
			TH_LOG("%s %u %s: %s", f->name, n, f->opcode ? f->opcode : "", wrong);
		printf("# %s%s: %u\n", f->name, f->opcode ? " any" : "", n);
	}
	printf("# report: runs: %s %u of %u pages, %u operations; %u ioctls, the longest %lu ms\n",
	       strchr(variant->chips, ':') + 1, runs, (b->image_len + PAGE_LEN - 1) / PAGE_LEN,
	       self->operations, b->ioctls, b->worst_ms);
	fflush(stdout);
}

TEST_HARNESS_MAIN
