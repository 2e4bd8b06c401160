// SPDX-License-Identifier: GPL-2.0-only
/*
 * A chip of four sectors on the test bench: what a test sets, and what it compares.
 */
#include <linux/mtd/asp-ops.h>
#include <linux/mtd/crtm-commands.h>
#include <linux/sizes.h>
#include <linux/string.h>

#include "../lifetime.h"
#include "four.h"

const u8 four_password[ASP_PASSWORD_LEN] = {
	0x10, 0x32, 0x54, 0x76, 0x98, 0xba, 0xdc, 0xfe,
};

const u8 four_blank[ASP_PASSWORD_LEN] = { [0 ... ASP_PASSWORD_LEN - 1] = 0xff };

/**
 * four_new() - a chip of four sectors, bound
 * @test: who it is for
 * @authenta: an Authenta part with two regions, else an ordinary MT25Q
 *
 * The table entry of the former says 16 MiB: that is what the driver sees until it is
 * bound; addresses wrap.
 *
 * Return: the rig.
 */
struct rig *four_new(struct kunit *test, bool authenta)
{
	struct rig *rig = rig_new(test, "mt25qu-mini");
	const __le32 density = cpu_to_le32(SZ_16M * 8 - 1);
	u64 size = (u64)N * SECTOR;

	if (authenta) {
		memcpy(rig->chip.sfdp + 0x44, &density, sizeof(density));
		rig->chip.nv.regions = 2;
		rig->chip.nv.region[0] = (struct crtm_chip_region) { 1 * SECTOR, SECTOR };
		rig->chip.nv.region[1] = (struct crtm_chip_region) { 2 * SECTOR, SECTOR };
	} else {
		memcpy(rig->chip.id + 3, "\x10\x44\x00", 3);
		/* Its last table is the marker. */
		memset(rig->chip.sfdp + rig->chip.sfdp_len - CRTM_MARKER_LEN, 0, CRTM_MARKER_LEN);
	}
	rig_bind(rig, RIG_PROPERTY);
	KUNIT_ASSERT_NOT_NULL(test, rig_asp(rig));
	KUNIT_ASSERT_EQ(test, !!rig->nor->params->crtm, authenta);

	rig_asp(rig)->n_sectors = N;
	rig->nor->params->size = size;
	rig->mtd->size = size;

	return rig;
}

/**
 * four_set() - set the chip's lock bits
 * @rig: the rig
 * @code: CODE_BITS for each sector: volatile lock, lock-down, non-volatile lock
 * @sr: status register
 * @frozen: global freeze bit
 */
void four_set(struct rig *rig, u32 code, u8 sr, bool frozen)
{
	struct crtm_chip *chip = &rig->chip;
	u8 i;

	chip->nv.nvlb[0] = 0;
	for (i = 0; i < N; i++, code >>= CODE_BITS) {
		chip->v.vlb[i] = code & (ASP_VLB_LOCK | ASP_VLB_DOWN);
		if (code & CODE_NV)
			chip->nv.nvlb[0] |= BIT(i);
	}
	chip->v.frozen = frozen;
	chip->nv.sr = sr;
}

/**
 * four_set_aspr() - set the sector protection register, as at power-on
 * @rig: the rig
 * @aspr: its value
 * @held: the password that the chip holds
 */
void four_set_aspr(struct rig *rig, u16 aspr, const u8 *held)
{
	struct crtm_chip *chip = &rig->chip;

	chip->nv.aspr = aspr;
	memcpy(chip->nv.password, held, ASP_PASSWORD_LEN);
	chip->v.frozen = !(aspr & ASP_ASPR_PASSWORD);
	chip->v.wel = false;
	memset(chip->v.fsr, 0, sizeof(chip->v.fsr));
}

/**
 * four_get() - the chip as it is
 * @rig: the rig
 *
 * Return: what an operation may change.
 */
struct four_state four_get(struct rig *rig)
{
	const struct crtm_chip *chip = &rig->chip;
	struct four_state s = {
		.sr = chip->nv.sr,
		.aspr = chip->nv.aspr,
		.pmr = chip->nv.pmr,
		.frozen = chip->v.frozen,
	};
	u8 i;

	memcpy(s.password, chip->nv.password, sizeof(s.password));
	for (i = 0; i < N; i++)
		s.locks[i] = crtm_chip_locks(chip, i);
	return s;
}

bool four_same(const struct four_state *a, const struct four_state *b)
{
	return !memcmp(a->locks, b->locks, sizeof(a->locks)) && a->sr == b->sr &&
	       a->aspr == b->aspr && a->pmr == b->pmr && a->frozen == b->frozen &&
	       !memcmp(a->password, b->password, sizeof(a->password));
}

/**
 * four_locked() - sectors that have one of these bits
 * @rig: the rig
 * @by: ASP_S_*
 *
 * Return: a bit for each sector.
 */
u8 four_locked(struct rig *rig, u8 by)
{
	u8 i, bits = 0;

	for (i = 0; i < N; i++)
		if (crtm_chip_locks(&rig->chip, i) & by)
			bits |= BIT(i);
	return bits;
}

/* Is the cached map right? NULL: it is */
const char *four_known(struct rig *rig)
{
	u8 i;

	for (i = 0; i < N; i++)
		if (rig_asp(rig)->map[i] != crtm_chip_locks(&rig->chip, i))
			return "the cached map is wrong";
	return NULL;
}

/* What must hold after each call: the next write works, and the cache is right. */
const char *four_clean(struct rig *rig, bool cached)
{
	const struct crtm_chip *chip = &rig->chip;
	u8 i;

	if (chip->v.wel)
		return "write enable left set";
	for (i = 0; i < ARRAY_SIZE(chip->v.fsr); i++)
		if (chip->v.fsr[i])
			return "error left in the flag status register";
	return cached ? four_known(rig) : NULL;
}

/* A command on @n sectors from @first on */
struct mtd_asp_cmd four_range(u32 nr, u8 first, u8 n)
{
	return (struct mtd_asp_cmd) {
		.cmd = nr, .offset = first * SECTOR, .length = n * SECTOR,
	};
}

/**
 * four_command() - give the driver a command, as the ioctl does
 * @rig: the rig
 * @cmd: the command; if it needs a password and has none, it gets four_password
 *
 * Return: 0 or a negative errno.
 */
int four_command(struct rig *rig, struct mtd_asp_cmd *cmd)
{
	struct mtd_security *sec = spi_nor_security(rig->nor);

	if (cmd->cmd >= MTD_ASP_PASSWORD_UNLOCK && cmd->cmd <= MTD_ASP_PASSWORD_MODE &&
	    !memchr_inv(cmd->password, 0, sizeof(cmd->password)))
		memcpy(cmd->password, four_password, sizeof(four_password));
	return sec->asp->cmd(sec, cmd);
}

/* The same for a command that is its number; @result: 0 if nothing was sent */
int four_simple(struct rig *rig, u32 nr, int *result)
{
	struct mtd_asp_cmd cmd = { .cmd = nr };
	int ret = four_command(rig, &cmd);

	*result = cmd.sent ? cmd.result : 0;
	return ret;
}
