// SPDX-License-Identifier: GPL-2.0-only
/*
 * Probing a chip whose SFDP is absent, cut off or wrong: nothing in it is trusted.
 */
#include <kunit/test.h>
#include <linux/mtd/mtd.h>
#include <linux/mtd/crtm-commands.h>
#include <linux/spi/spi.h>
#include <linux/string.h>

#include "../crtm.h"
#include "rig.h"

#define OP1	0x9b
#define OP2	0x96

/* The chip as it has to bind, whatever its SFDP says */
struct bound {
	u64 size;
	u32 erasesize;
	u32 writesize;
	u32 writebufsize;
	u32 flags;
	bool locks;
	const struct flash_info *info;
};

static void bound_of(const struct rig *rig, struct bound *bound)
{
	memset(bound, 0, sizeof(*bound));
	bound->size = rig->mtd->size;
	bound->erasesize = rig->mtd->erasesize;
	bound->writesize = rig->mtd->writesize;
	bound->writebufsize = rig->mtd->writebufsize;
	bound->flags = rig->mtd->flags;
	bound->locks = rig->mtd->_lock;
	bound->info = rig->nor->info;
}

/* Unbind and bind again. Return: is it bound? */
static bool rebind(struct rig *rig)
{
	struct spi_board_info info = { .modalias = "spi-nor", .max_speed_hz = 50000000 };

	spi_unregister_device(rig->spi);
	memset(rig->chip.opcount, 0, sizeof(rig->chip.opcount));
	rig->spi = spi_new_device(rig->ctlr, &info);
	KUNIT_ASSERT_NOT_NULL(rig->test, rig->spi);
	if (!rig->spi->dev.driver)
		return false;
	rig->nor = spi_mem_get_drvdata(spi_get_drvdata(rig->spi));
	rig->mtd = &rig->nor->mtd;
	return true;
}

/*
 * Whatever the chip says: without commands neither opcode was sent, and with them only the
 * one question for the regions of a chip with the marker; nothing was written or erased.
 */
static void expect_harmless(struct rig *rig, const char *what, u32 at, u32 val)
{
	static const u8 writes[] = { 0x02, 0x12, 0x20, 0x21, 0x52, 0x5c, 0xd8, 0xdc, 0xc7, 0x60,
				     0x01, 0xb1, 0x2c, 0xe3, 0xe4, 0x28, 0x68 };
	const u32 *count = rig->chip.opcount;
	const struct spi_nor_crtm *crtm;
	u32 i;

	for (i = 0; i < ARRAY_SIZE(writes); i++)
		KUNIT_EXPECT_EQ_MSG(rig->test, count[writes[i]], 0, "%s %u: %02x, opcode %02x",
				    what, at, val, writes[i]);
	crtm = rig->spi->dev.driver ? rig->nor->params->crtm : NULL;
	KUNIT_EXPECT_EQ_MSG(rig->test, count[OP1], crtm && crtm->vendor ? 1 : 0,
			    "%s %u: %02x", what, at, val);
	if (!crtm || !crtm->vendor)
		KUNIT_EXPECT_EQ_MSG(rig->test, count[OP2], 0, "%s %u: %02x", what, at, val);
	if (!crtm)
		return;
	KUNIT_EXPECT_EQ(rig->test, crtm->op1, OP1);
	KUNIT_EXPECT_EQ(rig->test, crtm->op2, OP2);
	KUNIT_EXPECT_GE(rig->test, crtm->slots, 1);
	KUNIT_EXPECT_LE(rig->test, crtm->slots, RPMC_MAX_SLOTS);
}

static void expect_bound(struct rig *rig, const struct bound *want, const char *what, u32 at,
			 u32 val)
{
	struct bound got;

	if (!rebind(rig)) {
		KUNIT_FAIL(rig->test, "not bound: %s %u: %02x", what, at, val);
		return;
	}
	bound_of(rig, &got);
	KUNIT_EXPECT_MEMEQ_MSG(rig->test, &got, want, sizeof(got), "%s %u: %02x", what, at, val);
	expect_harmless(rig, what, at, val);
}

/* An Authenta part is what its table entry says. */
static void by_table_entry(struct kunit *test)
{
	struct rig *rig = rig_new(test, "mt25qu128-authenta");
	struct bound want;
	u32 at, bit, len;
	u8 was;

	rig_bind(rig, 0);
	rig_quiet(rig);
	bound_of(rig, &want);
	KUNIT_ASSERT_NOT_NULL(test, rig->nor->params->crtm);
	KUNIT_ASSERT_NOT_NULL(test, rig->nor->params->crtm->vendor);

	for (at = 0; at < rig->chip.sfdp_len; at++) {
		was = rig->chip.sfdp[at];
		for (bit = 0; bit < 8; bit++) {
			rig->chip.sfdp[at] = was ^ 1 << bit;
			expect_bound(rig, &want, "byte", at, rig->chip.sfdp[at]);
		}
		rig->chip.sfdp[at] = was;
	}

	len = rig->chip.sfdp_len;
	for (at = 0; at < len; at++) {
		rig->chip.sfdp_len = at;
		expect_bound(rig, &want, "cut off at", at, 0);
		/* What was cut off reads FFh: that the marker ends the table is its last byte. */
		KUNIT_EXPECT_TRUE(test, !rig->nor->params->crtm ||
				  !rig->nor->params->crtm->vendor);
	}
	rig->chip.sfdp_len = len;
	expect_bound(rig, &want, "whole", 0, 0);
	KUNIT_EXPECT_NOT_NULL(test, rig->nor->params->crtm);
}

/* One of another vendor's lives by its SFDP. It may be refused, but does no harm. */
static void by_sfdp(struct kunit *test)
{
	struct rig *rig = rig_new(test, "rpmc-other");
	u32 at, bit, len;
	u8 was;

	rig_bind(rig, 0);
	rig_quiet(rig);
	KUNIT_ASSERT_NOT_NULL(test, rig->nor->params->crtm);
	KUNIT_EXPECT_NULL(test, rig->nor->params->crtm->vendor);
	KUNIT_EXPECT_TRUE(test, rig->nor->params->crtm->poll_rdsr);

	for (at = 0; at < rig->chip.sfdp_len; at++) {
		was = rig->chip.sfdp[at];
		for (bit = 0; bit < 8; bit++) {
			rig->chip.sfdp[at] = was ^ 1 << bit;
			rebind(rig);
			expect_harmless(rig, "byte", at, rig->chip.sfdp[at]);
		}
		rig->chip.sfdp[at] = was;
	}
	len = rig->chip.sfdp_len;
	for (at = 0; at < len; at++) {
		rig->chip.sfdp_len = at;
		rebind(rig);
		expect_harmless(rig, "cut off at", at, 0);
	}
	rig->chip.sfdp_len = len;
	KUNIT_EXPECT_TRUE(test, rebind(rig));
	KUNIT_EXPECT_NOT_NULL(test, rig->nor->params->crtm);
}

/* Micron's other parts have other meanings for both opcodes, whatever SFDP says of them. */
static void ordinary_micron(struct kunit *test)
{
	const struct crtm_chip_model *secure = crtm_chip_model("mt25qu-mini", 11);
	struct rig *rig = rig_new(test, "mt25qu256");
	struct crtm_chip *chip;
	void *nv;

	rig_bind(rig, 0);
	KUNIT_EXPECT_NULL(test, rig->nor->params->crtm);

	KUNIT_ASSERT_NOT_NULL(test, secure);
	chip = kunit_kzalloc(test, sizeof(*chip), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, chip);
	nv = kunit_kzalloc(test, crtm_chip_nv_size(secure), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, nv);
	KUNIT_ASSERT_EQ(test, crtm_chip_init(chip, secure, nv, rig->chip.ops, rig), 0);
	memcpy(rig->chip.sfdp, chip->sfdp, sizeof(chip->sfdp));
	rig->chip.sfdp_len = chip->sfdp_len;
	rebind(rig);
	expect_harmless(rig, "Authenta's", 0, 0);
	KUNIT_EXPECT_TRUE(test, !rig->spi->dev.driver || !rig->nor->params->crtm);
}

static struct kunit_case sfdp_cases[] = {
	KUNIT_CASE(by_table_entry),
	KUNIT_CASE(by_sfdp),
	KUNIT_CASE(ordinary_micron),
	{}
};

static struct kunit_suite sfdp_suite = {
	.name = "crtm-sfdp",
	.test_cases = sfdp_cases,
};

kunit_test_suite(sfdp_suite);
