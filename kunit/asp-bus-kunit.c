// SPDX-License-Identifier: GPL-2.0-only
/*
 * Sector protection, when bus, chip or kernel don't do as they should: answers that no
 * chip gives, no chip at all, one that stays busy, a signal, any operation that fails in
 * any command and in the probe. And what is shown of it in debugfs.
 */
#include <kunit/test.h>
#include <linux/debugfs.h>
#include <linux/err.h>
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/ktime.h>
#include <linux/mman.h>
#include <linux/mm.h>
#include <linux/mount.h>
#include <linux/mtd/asp-ops.h>
#include <linux/mtd/crtm-commands.h>
#include <linux/sched/signal.h>
#include <linux/sizes.h>
#include <linux/string.h>
#include <linux/uaccess.h>

#include "../crtm.h"
#include "../lifetime.h"
#include "../micron-st-asp.h"
#include "four.h"

#define COMMANDS	(MTD_ASP_PMR_NV_ERASE + 1)
#define SLACK_MS	1000	/* for an emulated machine among others; UML needs none */

/* Command @nr, on all sectors if it is one on sectors */
static struct mtd_asp_cmd command(u32 nr)
{
	return nr <= MTD_ASP_NV_LOCK ? four_range(nr, 0, N) : (struct mtd_asp_cmd) { .cmd = nr };
}

/* A chip as delivered, or in the state that a command needs to have something to do */
static void prepare(struct rig *rig, u32 nr)
{
	bool unlock = nr == MTD_ASP_PASSWORD_UNLOCK;

	four_set(rig, nr == MTD_ASP_NV_ERASE ? 00404 : 00101, 0, false);
	four_set_aspr(rig, unlock ? ASPR_PASSWORD_MODE : ASP_ASPR_DEFAULT,
		      unlock || nr == MTD_ASP_PASSWORD_VERIFY ? four_password : four_blank);
	rig->chip.nv.pmr = ASP_PMR_DEFAULT;
}

/* Nothing was sent that could change anything: reads, clear flag status, write disable */
static bool only_reads(struct rig *rig)
{
	static const u8 reads[] = {
		SPINOR_OP_RDSR, 0x70, 0x50, SPINOR_OP_WRDI, ASP_OP_RDASPR, ASP_OP_RDVLB,
		ASP_OP_RDVLB_4B, ASP_OP_RDNVLB, ASP_OP_RDFREEZE, ASP_OP_RDPASS, ASP_OP_RDPMR,
		RPMC_OP1_DEFAULT, RPMC_OP2_DEFAULT,
	};
	u32 i;

	for (i = 0; i < min_t(u32, rig->ops, RIG_LOG); i++)
		if (!memchr(reads, rig->log[i], sizeof(reads)))
			return false;
	return rig->ops <= RIG_LOG;
}

/* A command of no number, and a map of sectors that are not there */
static void out_of_range(struct kunit *test)
{
	struct rig *rig = four_new(test, false);
	struct mtd_security *sec = spi_nor_security(rig->nor);
	static const struct {
		u32 first;
		u32 nr;
		int ret;
	} maps[] = {
		{ 0, N, 0 }, { 1, N - 1, 0 }, { N, 0, 0 }, { N - 1, 1, 0 },
		{ 0, N + 1, -EINVAL }, { 1, N, -EINVAL }, { N, 1, -EINVAL },
		{ N + 1, 0, -EINVAL }, { U32_MAX, 1, -EINVAL }, { 1, U32_MAX, -EINVAL },
	};
	struct mtd_asp_cmd cmd;
	u8 sectors[N + 1];
	u32 i, k;

	rig_start(rig);
	cmd = (struct mtd_asp_cmd) { .cmd = COMMANDS };
	KUNIT_EXPECT_EQ(test, four_command(rig, &cmd), -EINVAL);
	cmd = four_range(MTD_ASP_LOCK_DOWN, 1, N);
	KUNIT_EXPECT_EQ(test, four_command(rig, &cmd), -EINVAL);
	KUNIT_EXPECT_EQ(test, cmd.sent, 0);
	KUNIT_EXPECT_EQ(test, rig->ops, 0);

	four_set(rig, 04321, 0, false);
	for (i = 0; i < ARRAY_SIZE(maps); i++) {
		struct mtd_asp_map map = { .first = maps[i].first, .nr = maps[i].nr };

		memset(sectors, 0xa5, sizeof(sectors));
		rig_start(rig);
		KUNIT_EXPECT_EQ_MSG(test, sec->asp->map(sec, &map, sectors), maps[i].ret,
				    "%u+%u", maps[i].first, maps[i].nr);
		KUNIT_EXPECT_EQ(test, !rig->ops, !!maps[i].ret);
		KUNIT_EXPECT_TRUE(test, only_reads(rig));
		for (k = 0; k < N + 1; k++)
			KUNIT_EXPECT_EQ(test, sectors[k], !maps[i].ret && k < maps[i].nr ?
					crtm_chip_locks(&rig->chip, maps[i].first + k) : 0xa5);
	}
}

/* The registers in the map, in every mode; without room for sectors none is read. */
static void map_registers(struct kunit *test, bool marked)
{
	static const struct {
		u16 aspr;
		u32 flags;
	} modes[] = {
		{ ASP_ASPR_DEFAULT, 0 },
		{ ASPR_PASSWORD_MODE, MTD_ASP_F_PASSWORD_MODE | MTD_ASP_F_FROZEN },
		{ ASPR_NO_PASSWORD, MTD_ASP_F_NO_PASSWORD },
	};
	struct rig *rig = four_new(test, marked);
	struct mtd_security *sec = spi_nor_security(rig->nor);
	u32 i;

	for (i = 0; i < ARRAY_SIZE(modes); i++) {
		struct mtd_asp_map map = { .nr = N };

		four_set(rig, 0, SR_TB | SR_BP(2), false);
		four_set_aspr(rig, modes[i].aspr, four_blank);
		rig->chip.nv.pmr = ASP_PMR_DEFAULT & ~ASP_PMR_NVLB;
		rig_start(rig);
		KUNIT_EXPECT_EQ(test, sec->asp->map(sec, &map, NULL), 0);
		KUNIT_EXPECT_EQ(test, map.flags, modes[i].flags |
				(marked ? MTD_ASP_F_PMR | MTD_ASP_F_REGIONS : 0));
		KUNIT_EXPECT_EQ(test, map.aspr, modes[i].aspr);
		KUNIT_EXPECT_EQ(test, map.pmr, marked ? rig->chip.nv.pmr : 0);
		KUNIT_EXPECT_EQ(test, map.sr, SR_TB | SR_BP(2));
		KUNIT_EXPECT_EQ(test, map.sector_size, SECTOR);
		KUNIT_EXPECT_NULL(test, memchr(rig->log, ASP_OP_RDVLB, RIG_LOG));
		KUNIT_EXPECT_TRUE(test, only_reads(rig));
	}
}

static void map_of_marked(struct kunit *test)
{
	map_registers(test, true);
}

static void map_of_unmarked(struct kunit *test)
{
	map_registers(test, false);
}

/* Sector 0 by each value that its registers could read as: no lock is made of nonsense. */
static void answers(struct kunit *test)
{
	struct rig *rig = four_new(test, false);
	u32 val, was;
	int want;

	for (was = 0; was < 2; was++)
		for (val = 0; val < 256; val++) {
			four_set(rig, was ? 07777 : 0, 0, false);
			KUNIT_ASSERT_EQ(test, mtd_is_locked(rig->mtd, 0, N * SECTOR), was);
			want = val & ~3 ? -EIO : was || val & 1;
			rig->lie = (struct rig_lie) {
				.op = ASP_OP_RDVLB, .val = val, .nr = 1,
			};
			KUNIT_ASSERT_EQ_MSG(test, mtd_is_locked(rig->mtd, 0, SECTOR), want,
					    "VLB %02x", val);
			KUNIT_ASSERT_EQ(test, rig_asp(rig)->map[0] & ASP_VLB_BITS,
					want < 0 ? (was ? 3 : 0) : val);

			four_set(rig, was ? 04444 : 0, 0, false);
			KUNIT_ASSERT_EQ(test, mtd_is_locked(rig->mtd, 0, N * SECTOR), was);
			want = val == ASP_NVLB_LOCKED ? 1 : val == ASP_NVLB_OPEN ? 0 : -EIO;
			rig->lie = (struct rig_lie) {
				.op = ASP_OP_RDNVLB, .val = val, .nr = 1,
			};
			KUNIT_ASSERT_EQ_MSG(test, mtd_is_locked(rig->mtd, 0, SECTOR), want,
					    "NVLB %02x", val);
			KUNIT_ASSERT_EQ(test, !!(rig_asp(rig)->map[0] & ASP_S_NON_VOLATILE),
					want < 0 ? was : want);

			/* Ready, or nobody is there. */
			four_set(rig, 0, 0, false);
			rig->lie = (struct rig_lie) {
				.op = SPINOR_OP_RDSR, .val = val, .nr = 1,
			};
			want = mtd_is_locked(rig->mtd, 0, SECTOR);
			if (val & SR_WIP)
				KUNIT_ASSERT_EQ_MSG(test, want, -EIO, "SR %02x", val);
			else
				KUNIT_ASSERT_EQ_MSG(test, want, !!(rig_asp(rig)->map[0] &
								   ASP_S_BLOCK), "SR %02x", val);
			KUNIT_ASSERT_EQ(test, rig->lie.nr, 0);
		}
}

/* What was written is read back, and what is read back counts. */
static void read_back(struct kunit *test)
{
	static const struct {
		u32 nr;
		struct rig_lie lie;
		int result;
	} cases[] = {
		/* The last bit read says that nothing has changed. */
		{ MTD_ASP_LOCK_DOWN, { ASP_OP_RDVLB, 0x00, N, 1 }, -EIO },
		{ MTD_ASP_NV_LOCK, { ASP_OP_RDNVLB, ASP_NVLB_OPEN, N, 1 }, -EIO },
		{ MTD_ASP_NV_ERASE, { ASP_OP_RDNVLB, ASP_NVLB_LOCKED, N - 1, 1 }, -EIO },
		{ MTD_ASP_FREEZE, { ASP_OP_RDFREEZE, ASP_FREEZE_OPEN, 1, 1 }, -EIO },
		{ MTD_ASP_PASSWORD_UNLOCK, { ASP_OP_RDFREEZE, 0x00, 0, 1 }, -EKEYREJECTED },
		{ MTD_ASP_PASSWORD_VERIFY, { ASP_OP_RDPASS, 0x10, 0, 1 }, -EKEYREJECTED },
		{ MTD_ASP_PASSWORD_PROGRAM, { ASP_OP_RDPASS, 0xff, 1, 1 }, -EIO },
		{ MTD_ASP_PASSWORD_MODE, { ASP_OP_RDASPR, 0xff, 1, 1 }, -EIO },
		{ MTD_ASP_NO_PASSWORD, { ASP_OP_RDASPR, 0xff, 1, 1 }, -EIO },
		{ MTD_ASP_PMR_STATUS, { ASP_OP_RDPMR, 0xff, 1, 1 }, -EIO },
		{ MTD_ASP_PMR_PMR, { ASP_OP_RDPMR, 0x00, 1, 1 }, -EIO },
	};
	struct rig *rig = four_new(test, true);
	struct mtd_asp_cmd cmd;
	u32 i;

	for (i = 0; i < ARRAY_SIZE(cases); i++) {
		prepare(rig, cases[i].nr);
		cmd = command(cases[i].nr);
		rig->lie = cases[i].lie;
		KUNIT_EXPECT_EQ_MSG(test, four_command(rig, &cmd), 0, "command %u", cases[i].nr);
		KUNIT_EXPECT_EQ_MSG(test, rig->lie.nr, 0, "command %u", cases[i].nr);
		KUNIT_EXPECT_EQ_MSG(test, cmd.result, cases[i].result, "command %u", cases[i].nr);
		KUNIT_EXPECT_EQ(test, cmd.sent, 1);
		KUNIT_EXPECT_STREQ(test, four_clean(rig, false) ?: "", "");
		/* Without the password in the chip for certain no mode is for ever. */
		if (cases[i].nr == MTD_ASP_PASSWORD_PROGRAM)
			KUNIT_EXPECT_EQ(test, rig->chip.nv.aspr, ASP_ASPR_DEFAULT);
	}

	/* A password of FFh is what nobody there reads as: the chip is asked, and cannot tell. */
	prepare(rig, MTD_ASP_PASSWORD_VERIFY);
	cmd = command(MTD_ASP_PASSWORD_VERIFY);
	memcpy(cmd.password, four_blank, sizeof(four_blank));
	rig->lie = (struct rig_lie) { ASP_OP_RDPASS, 0xff, 0, 1 };
	rig_start(rig);
	KUNIT_EXPECT_EQ(test, four_command(rig, &cmd) ?: cmd.result, 0);
	KUNIT_EXPECT_EQ(test, rig->log[rig->ops - 1], SPINOR_OP_RDSR);

	/* The same doubt before password mode: not entered. */
	prepare(rig, MTD_ASP_PASSWORD_MODE);
	cmd = command(MTD_ASP_PASSWORD_MODE);
	rig->lie = (struct rig_lie) { ASP_OP_RDPASS, 0xff, 1, 1 };
	KUNIT_EXPECT_EQ(test, four_command(rig, &cmd), 0);
	KUNIT_EXPECT_EQ(test, cmd.result, -EIO);
	KUNIT_EXPECT_EQ(test, rig->chip.nv.aspr, ASP_ASPR_DEFAULT);
}

/* Nobody answers, all reads are FFh: nothing is locked, unlocked, done or verified. */
static void no_chip(struct kunit *test)
{
	struct rig *rig = four_new(test, true);
	struct mtd_security *sec = spi_nor_security(rig->nor);
	struct mtd_asp_map map;
	struct mtd_asp_cmd cmd;
	u8 sectors[N];
	u32 nr;

	for (nr = 0; nr < COMMANDS; nr++) {
		prepare(rig, nr);
		crtm_chip_power_off(&rig->chip);
		cmd = command(nr);
		/* What a bus with nobody there reads as */
		if (nr == MTD_ASP_PASSWORD_VERIFY)
			memcpy(cmd.password, four_blank, sizeof(four_blank));
		KUNIT_EXPECT_LT_MSG(test, four_command(rig, &cmd) ?: cmd.result, 0,
				    "command %u", nr);
		map = (struct mtd_asp_map) { .nr = N };
		KUNIT_EXPECT_LT(test, mtd_lock(rig->mtd, 0, N * SECTOR), 0);
		KUNIT_EXPECT_LT(test, mtd_unlock(rig->mtd, 0, SECTOR), 0);
		KUNIT_EXPECT_LT(test, mtd_is_locked(rig->mtd, 0, N * SECTOR), 0);
		KUNIT_EXPECT_LT(test, sec->asp->map(sec, &map, sectors), 0);
		crtm_chip_power_on(&rig->chip);
		/* It is back: the driver too. */
		KUNIT_EXPECT_GE(test, mtd_is_locked(rig->mtd, 0, N * SECTOR), 0);
		KUNIT_EXPECT_STREQ(test, four_clean(rig, true) ?: "", "");
	}
}

/* Each member is what it was or what it should become. */
static bool between(const struct four_state *a, const struct four_state *b,
		    const struct four_state *now)
{
	u8 i;

	for (i = 0; i < N; i++)
		if (now->locks[i] != a->locks[i] && now->locks[i] != b->locks[i])
			return false;
	return now->sr == a->sr && (now->aspr == a->aspr || now->aspr == b->aspr) &&
	       (now->pmr == a->pmr || now->pmr == b->pmr) &&
	       (now->frozen == a->frozen || now->frozen == b->frozen) &&
	       (!memcmp(now->password, a->password, sizeof(now->password)) ||
		!memcmp(now->password, b->password, sizeof(now->password)));
}

/*
 * Any two SPI operations of any command fail, before or after the chip has seen the
 * first. No errno if it may have changed something, no success if it has not.
 */
static void commands_fail(struct kunit *test)
{
	struct four_state before, done, now;
	struct rig *rig = four_new(test, true);
	struct mtd_asp_cmd cmd;
	u32 nr, at, too, ops;
	int after, ret;

	for (nr = 0; nr < COMMANDS; nr++) {
		prepare(rig, nr);
		before = four_get(rig);
		cmd = command(nr);
		rig_start(rig);
		KUNIT_ASSERT_EQ(test, four_command(rig, &cmd) ?: cmd.result, 0);
		KUNIT_ASSERT_EQ(test, cmd.sent, 1);
		done = four_get(rig);
		ops = rig->ops;

		for (at = 1; at <= ops; at++)
			for (after = 0; after < 2; after++)
				for (too = at; too <= ops + 4; too++) {
					prepare(rig, nr);
					cmd = command(nr);
					rig_start(rig);
					rig->fail_at = at;
					rig->fail_nr = 1;
					rig->fail_too = too;
					rig->fail_after = after;
					ret = four_command(rig, &cmd);
					rig->fail_at = 0;
					rig->fail_too = 0;
					now = four_get(rig);
					/* No copy of the password stays behind. */
					KUNIT_ASSERT_NE(test, memcmp(rig->nor->bouncebuf,
								     four_password,
								     sizeof(four_password)), 0);
					if (ret) {
						KUNIT_ASSERT_EQ(test, ret, -EIO);
						KUNIT_ASSERT_EQ(test, cmd.sent, 0);
						KUNIT_ASSERT_TRUE(test, four_same(&before, &now));
					} else if (!cmd.result) {
						KUNIT_ASSERT_TRUE_MSG(test,
								      four_same(&done, &now),
								      "%u: %u, %u", nr, at, too);
					} else {
						KUNIT_ASSERT_EQ(test, cmd.result, -EIO);
						KUNIT_ASSERT_EQ(test, cmd.sent, 1);
						KUNIT_ASSERT_TRUE_MSG(test, between(&before,
										    &done, &now),
								      "%u: %u, %u", nr, at, too);
					}
					/* The driver finds its way again. */
					KUNIT_ASSERT_GE(test, mtd_is_locked(rig->mtd, 0,
									    N * SECTOR), 0);
					KUNIT_ASSERT_STREQ(test, four_known(rig) ?: "", "");
					if (too == at)
						KUNIT_ASSERT_STREQ(test, four_clean(rig, true) ?:
								   "", "");
				}
	}
}

/* Not done, or, where the one before was not tidied up behind, not even tried */
static bool failed(int ret)
{
	return ret == -EIO || ret == -EBUSY;
}

/* Does operation @at no more than tidy up behind an exchange? No answer is missed with it. */
static bool tidies_up(struct rig *rig, u32 at)
{
	u8 op = rig->log[at - 1];

	return op == 0x70 || op == 0x50 || op == SPINOR_OP_WRDI;
}

/* The map, and what MEMISLOCKED says: any operation fails, and no answer is invented. */
static void reads_fail(struct kunit *test)
{
	struct rig *rig = four_new(test, true);
	struct mtd_security *sec = spi_nor_security(rig->nor);
	struct mtd_asp_map map;
	u8 sectors[N], at, i;
	int ret;

	four_set(rig, 04321, SR_BP(1), true);
	for (at = 1; ; at++) {
		map = (struct mtd_asp_map) { .nr = N };
		memset(sectors, 0xa5, sizeof(sectors));
		rig_start(rig);
		rig->fail_at = at;
		rig->fail_nr = 1;
		ret = sec->asp->map(sec, &map, sectors);
		rig->fail_at = 0;
		KUNIT_ASSERT_TRUE(test, only_reads(rig));
		if (rig->ops < at)
			break;
		KUNIT_ASSERT_TRUE_MSG(test, failed(ret) || (!ret && tidies_up(rig, at)),
				      "operation %u: %d", at, ret);
		if (ret)
			KUNIT_ASSERT_NULL(test, memchr_inv(sectors, 0xa5, sizeof(sectors)));
	}
	KUNIT_ASSERT_EQ(test, ret, 0);
	for (i = 0; i < N; i++)
		KUNIT_ASSERT_EQ(test, sectors[i], crtm_chip_locks(&rig->chip, i));
	/* Six registers, two reads for each sector */
	KUNIT_ASSERT_GT(test, at, 4 + 2 * N);

	for (at = 1; ; at++) {
		rig_start(rig);
		rig->fail_at = at;
		rig->fail_nr = 1;
		ret = mtd_is_locked(rig->mtd, 0, N * SECTOR);
		rig->fail_at = 0;
		KUNIT_ASSERT_TRUE(test, only_reads(rig));
		if (rig->ops < at)
			break;
		KUNIT_ASSERT_TRUE_MSG(test, failed(ret) || (ret == 1 && tidies_up(rig, at)),
				      "operation %u: %d", at, ret);
	}
	KUNIT_ASSERT_EQ(test, ret, 1);
	KUNIT_ASSERT_GT(test, at, 1 + 2 * N);
}

/* The global freeze bit: set once, and nothing is sent where it is set. */
static void freeze(struct kunit *test)
{
	struct rig *rig = four_new(test, false);
	struct mtd_asp_cmd cmd;
	int frozen;

	for (frozen = 0; frozen < 2; frozen++) {
		four_set(rig, 01234, 0, frozen);
		cmd = command(MTD_ASP_FREEZE);
		rig_start(rig);
		KUNIT_EXPECT_EQ(test, four_command(rig, &cmd), 0);
		KUNIT_EXPECT_EQ(test, cmd.sent, !frozen);
		KUNIT_EXPECT_EQ(test, only_reads(rig), frozen);
		KUNIT_EXPECT_EQ(test, cmd.result, 0);
		KUNIT_EXPECT_TRUE(test, rig->chip.v.frozen);
		KUNIT_EXPECT_TRUE(test, rig_asp(rig)->frozen);
		KUNIT_EXPECT_STREQ(test, four_clean(rig, false) ?: "", "");
	}

	/* FFh: open, and a chip is asked whether it is there. */
	four_set(rig, 0, 0, false);
	cmd = command(MTD_ASP_FREEZE);
	rig->lie = (struct rig_lie) { ASP_OP_RDFREEZE, 0xff, 0, 1 };
	KUNIT_EXPECT_EQ(test, four_command(rig, &cmd), 0);
	KUNIT_EXPECT_EQ(test, cmd.result, 0);
	KUNIT_EXPECT_TRUE(test, rig->chip.v.frozen);

	four_set(rig, 0, 0, false);
	cmd = command(MTD_ASP_FREEZE);
	rig->lie = (struct rig_lie) { ASP_OP_RDFREEZE, 0xff, 0, 1 };
	rig_start(rig);
	rig->fail_at = 2;
	rig->fail_nr = 1;
	KUNIT_EXPECT_EQ(test, four_command(rig, &cmd), -EIO);
	rig->fail_at = 0;
	KUNIT_EXPECT_EQ(test, cmd.sent, 0);
	KUNIT_EXPECT_FALSE(test, rig->chip.v.frozen);
}

static s64 ms_since(ktime_t start)
{
	return ktime_ms_delta(ktime_get(), start);
}

/* A chip that stays busy: an end within its time, and nobody is let at it before it is ready. */
static void stuck(struct kunit *test)
{
	static const struct {
		u32 nr;
		u8 op;
		u32 max_us;
	} cases[] = {
		{ MTD_ASP_NV_LOCK, ASP_OP_WRNVLB, ASP_WRNVLB_MAX_US },
		{ MTD_ASP_NV_ERASE, ASP_OP_ERNVLB, ASP_ERNVLB_MAX_US },
		{ MTD_ASP_PASSWORD_UNLOCK, ASP_OP_UNLOCK, ASP_OTP_MAX_US },
		{ MTD_ASP_PASSWORD_MODE, ASP_OP_WRPASS, ASP_OTP_MAX_US },
		{ MTD_ASP_PASSWORD_MODE, ASP_OP_WRASPR, ASP_OTP_MAX_US },
		{ MTD_ASP_NO_PASSWORD, ASP_OP_WRASPR, ASP_OTP_MAX_US },
		{ MTD_ASP_PMR_NVLB, ASP_OP_WRPMR, ASP_OTP_MAX_US },
	};
	struct rig *rig = four_new(test, true);
	struct mtd_security *sec = spi_nor_security(rig->nor);
	struct mtd_asp_map map = { .nr = N };
	struct mtd_asp_cmd cmd;
	ktime_t start;
	size_t done;
	u8 byte = 0;
	u32 i;

	rig_listen(rig);
	for (i = 0; i < ARRAY_SIZE(cases); i++) {
		prepare(rig, cases[i].nr);
		cmd = command(cases[i].nr);
		rig->chip.stuck = (struct crtm_chip_at) { .count = 1, .op = cases[i].op };
		start = ktime_get();
		KUNIT_EXPECT_EQ(test, four_command(rig, &cmd), 0);
		KUNIT_EXPECT_EQ_MSG(test, cmd.result, -ETIMEDOUT, "command %u", cases[i].nr);
		KUNIT_EXPECT_EQ(test, cmd.sent, 1);
		KUNIT_EXPECT_LE(test, ms_since(start), cases[i].max_us / 1000 + SLACK_MS);

		/* It is asked whether it is ready, and nothing else. */
		rig_start(rig);
		start = ktime_get();
		KUNIT_EXPECT_EQ(test, mtd_is_locked(rig->mtd, 0, SECTOR), -EBUSY);
		KUNIT_EXPECT_GE(test, ms_since(start), SPI_NOR_CRTM_BUSY_MS);
		KUNIT_EXPECT_LE(test, ms_since(start), SPI_NOR_CRTM_BUSY_MS + SLACK_MS);
		cmd = command(MTD_ASP_FREEZE);
		KUNIT_EXPECT_EQ(test, four_command(rig, &cmd), -EBUSY);
		KUNIT_EXPECT_EQ(test, sec->asp->map(sec, &map, NULL), -EBUSY);
		KUNIT_EXPECT_EQ(test, mtd_read(rig->mtd, 0, 1, &done, &byte), -EBUSY);
		KUNIT_EXPECT_EQ(test, mtd_write(rig->mtd, 0, 1, &done, &byte), -EBUSY);
		KUNIT_EXPECT_EQ(test, spi_nor_asp_unlock_bp(rig->nor), -EBUSY);
		KUNIT_EXPECT_TRUE(test, only_reads(rig));
		rig_forget();
		micron_st_nor_asp_resume(rig->nor);
		KUNIT_EXPECT_NOT_NULL_MSG(test, strstr(rig_said, "not checked"), "%s", rig_said);
		/* Says nothing of what it could not read. */
		rig_forget();
		micron_st_nor_asp_explain(rig->nor, 0, 1);
		KUNIT_EXPECT_STREQ(test, rig_said, "");
		KUNIT_EXPECT_TRUE(test, only_reads(rig));

		crtm_chip_reset_pin(&rig->chip);
		KUNIT_EXPECT_GE(test, mtd_is_locked(rig->mtd, 0, N * SECTOR), 0);
		KUNIT_EXPECT_STREQ(test, four_clean(rig, true) ?: "", "");
	}
}

/* A signal before the first byte: nothing is sent. */
static void signal_before(struct kunit *test)
{
	struct rig *rig = four_new(test, true);
	struct four_state before, after;
	struct mtd_asp_cmd cmd;
	u32 nr;
	int ret;

	for (nr = 0; nr < COMMANDS; nr++) {
		prepare(rig, nr);
		before = four_get(rig);
		cmd = command(nr);
		rig_start(rig);
		set_thread_flag(TIF_SIGPENDING);
		ret = four_command(rig, &cmd);
		clear_thread_flag(TIF_SIGPENDING);
		after = four_get(rig);
		KUNIT_EXPECT_EQ_MSG(test, ret, -EINTR, "command %u", nr);
		KUNIT_EXPECT_EQ(test, cmd.sent, 0);
		KUNIT_EXPECT_EQ(test, cmd.done, 0);
		KUNIT_EXPECT_TRUE(test, only_reads(rig));
		KUNIT_EXPECT_TRUE(test, four_same(&before, &after));
	}
}

static void signal_at_write(struct rig *rig)
{
	if (rig_sent(rig, ASP_OP_WRVLB_4B) == 1)
		set_thread_flag(TIF_SIGPENDING);
}

/* A signal in the middle of a range: what was begun is done, and it is told how far. */
static void signal_between(struct kunit *test)
{
	struct rig *rig = rig_new(test, "mt25qu256");
	struct mtd_asp_cmd cmd = { .cmd = MTD_ASP_LOCK_DOWN, .length = 512 * (u64)SECTOR };
	u32 i;
	int ret;

	rig_bind(rig, RIG_PROPERTY);
	KUNIT_ASSERT_EQ(test, rig_asp(rig)->n_sectors, 512);
	rig->chip.v.vlb[256] = ASP_VLB_LOCK;
	rig->look = signal_at_write;
	ret = four_command(rig, &cmd);
	rig->look = NULL;
	clear_thread_flag(TIF_SIGPENDING);
	KUNIT_EXPECT_EQ(test, ret, 0);
	KUNIT_EXPECT_EQ(test, cmd.sent, 1);
	KUNIT_EXPECT_EQ(test, cmd.result, -EINTR);
	KUNIT_EXPECT_EQ(test, cmd.done, 256);
	KUNIT_EXPECT_EQ(test, cmd.state, ASP_S_VOLATILE);
	for (i = 0; i < 512; i++)
		KUNIT_EXPECT_EQ(test, rig->chip.v.vlb[i], i < 256 ? ASP_VLB_DOWN :
				i == 256 ? ASP_VLB_LOCK : 0);
}

/* Registers that are not read one line wide: nothing is sent. */
static void other_protocol(struct kunit *test)
{
	struct rig *rig = four_new(test, true);
	struct mtd_security *sec = spi_nor_security(rig->nor);
	struct mtd_asp_map map = { .nr = N };
	struct mtd_asp_cmd cmd;
	struct dentry *root;
	u8 sectors[N];
	u32 nr;

	rig->nor->reg_proto = SNOR_PROTO_8_8_8_DTR;
	rig_start(rig);
	KUNIT_EXPECT_EQ(test, mtd_lock(rig->mtd, 0, SECTOR), -EOPNOTSUPP);
	KUNIT_EXPECT_EQ(test, mtd_unlock(rig->mtd, 0, SECTOR), -EOPNOTSUPP);
	KUNIT_EXPECT_EQ(test, mtd_is_locked(rig->mtd, 0, SECTOR), -EOPNOTSUPP);
	KUNIT_EXPECT_EQ(test, sec->asp->map(sec, &map, sectors), -EOPNOTSUPP);
	for (nr = 0; nr < COMMANDS; nr++) {
		cmd = command(nr);
		KUNIT_EXPECT_EQ(test, four_command(rig, &cmd), -EOPNOTSUPP);
		KUNIT_EXPECT_EQ(test, cmd.sent, 0);
	}
	micron_st_nor_asp_resume(rig->nor);
	micron_st_nor_asp_explain(rig->nor, 0, SECTOR);
	KUNIT_EXPECT_EQ(test, rig->ops, 0);

	/* As the probe does, without debugfs */
	root = rig->nor->debugfs_root;
	rig->nor->debugfs_root = NULL;
	rig_listen(rig);
	rig_forget();
	micron_st_nor_asp_register(rig->nor);
	KUNIT_EXPECT_NOT_NULL_MSG(test, strstr(rig_said, "not read: error -95"), "%s", rig_said);
	KUNIT_EXPECT_EQ(test, rig->ops, 0);
	rig->nor->debugfs_root = root;
	rig->nor->reg_proto = SNOR_PROTO_1_1_1;
}

/* Block protection behind a one-time bit, and of a core that will not */

static int unlock_refused(struct spi_nor *nor, loff_t ofs, u64 len)
{
	return -EINVAL;
}

static const struct spi_nor_locking_ops refusing_ops = {
	.unlock = unlock_refused,
};

static void block_protection(struct kunit *test)
{
	struct rig *rig = four_new(test, true);
	const struct spi_nor_locking_ops *bp = rig_asp(rig)->bp;
	struct four_state before, after;
	u32 at;
	int ret;

	/* Regions are of sectors 1 and 2. */
	four_set(rig, 00001, SR_TB | SR_BP(1), false);
	before = four_get(rig);
	before.pmr = ASP_PMR_DEFAULT & ~ASP_PMR_STATUS;
	rig->chip.nv.pmr = before.pmr;
	rig_start(rig);
	KUNIT_EXPECT_EQ(test, mtd_unlock(rig->mtd, 0, SECTOR), -EACCES);
	after = four_get(rig);
	KUNIT_EXPECT_TRUE(test, four_same(&before, &after));
	KUNIT_EXPECT_TRUE(test, only_reads(rig));

	/* Sector 3 is not of its business. */
	four_set(rig, 01000, SR_TB | SR_BP(1), false);
	KUNIT_EXPECT_EQ(test, mtd_unlock(rig->mtd, 3 * SECTOR, SECTOR), 0);
	KUNIT_EXPECT_EQ(test, four_locked(rig, ASP_S_VOLATILE), 0);

	rig->chip.nv.pmr = ASP_PMR_DEFAULT;
	four_set(rig, 00001, SR_TB | SR_BP(1), false);
	before = four_get(rig);
	rig_asp(rig)->bp = &refusing_ops;
	KUNIT_EXPECT_EQ(test, mtd_unlock(rig->mtd, 0, SECTOR), -EINVAL);
	rig_asp(rig)->bp = bp;
	after = four_get(rig);
	KUNIT_EXPECT_TRUE(test, four_same(&before, &after));

	KUNIT_EXPECT_EQ(test, mtd_unlock(rig->mtd, 0, SECTOR), 0);
	KUNIT_EXPECT_EQ(test, four_locked(rig, ASP_S_VOLATILE | ASP_S_BLOCK), 0);

	/* And if any operation fails, the one-time bits' included. */
	for (at = 1; ; at++) {
		four_set(rig, 00001, SR_TB | SR_BP(1), false);
		before = four_get(rig);
		rig_start(rig);
		rig->fail_at = at;
		rig->fail_nr = 1;
		ret = mtd_unlock(rig->mtd, 0, SECTOR);
		rig->fail_at = 0;
		after = four_get(rig);
		if (rig->ops < at)
			break;
		if (ret) {
			KUNIT_ASSERT_TRUE(test, failed(ret));
			KUNIT_ASSERT_TRUE_MSG(test, four_same(&before, &after), "operation %u", at);
		} else {
			KUNIT_ASSERT_EQ(test, four_locked(rig, ASP_S_VOLATILE | ASP_S_BLOCK), 0);
		}
		KUNIT_ASSERT_STREQ(test, four_clean(rig, false) ?: "", "");
	}
	KUNIT_ASSERT_EQ(test, ret, 0);
	KUNIT_ASSERT_GT(test, at, 10);
}

/* Regions, as a vendor's commands tell them */

static struct spi_nor_crtm_region told[SPI_NOR_CRTM_MAX_REGIONS];
static int told_nr;

static int tell_regions(struct spi_nor *nor, struct spi_nor_crtm_region *region)
{
	if (told_nr > 0)
		memcpy(region, told, told_nr * sizeof(*told));
	return told_nr;
}

static const struct spi_nor_crtm_vendor telling = { .name = "KUnit", .regions = tell_regions };

static void regions_told(struct kunit *test)
{
	struct rig *rig = four_new(test, true);
	const struct spi_nor_crtm_vendor *vendor = rig->nor->params->crtm->vendor;
	static const int errors[] = { -EIO, -ETIMEDOUT, -EBUSY };
	u8 i;

	rig->nor->params->crtm->vendor = &telling;
	for (i = 0; i < N; i++) {
		told_nr = 1;
		told[0] = (struct spi_nor_crtm_region) { i * SECTOR, SECTOR };
		KUNIT_EXPECT_EQ(test, mtd_is_locked(rig->mtd, i * SECTOR, SECTOR), 1);
		KUNIT_EXPECT_EQ(test, rig_asp(rig)->map[i], ASP_S_REGION);
		KUNIT_EXPECT_EQ(test, mtd_is_locked(rig->mtd, (N - 1 - i) * SECTOR, SECTOR), 0);
		KUNIT_EXPECT_TRUE(test, rig_asp(rig)->regions);
	}
	/* Outside of the chip: not a byte of it is believed. */
	told[0] = (struct spi_nor_crtm_region) { 0, SECTOR };
	told[1] = (struct spi_nor_crtm_region) { (N - 1) * SECTOR, 2 * SECTOR };
	told_nr = 2;
	KUNIT_EXPECT_EQ(test, mtd_is_locked(rig->mtd, 0, SECTOR), -EIO);
	KUNIT_EXPECT_EQ(test, rig_asp(rig)->map[0], 0);

	for (i = 0; i < ARRAY_SIZE(errors); i++) {
		told_nr = errors[i];
		KUNIT_EXPECT_EQ(test, mtd_is_locked(rig->mtd, 0, SECTOR), -EIO);
	}
	/* It has none to tell, or JESD260 alone. */
	told_nr = -EOPNOTSUPP;
	KUNIT_EXPECT_EQ(test, mtd_is_locked(rig->mtd, 0, SECTOR), 0);
	KUNIT_EXPECT_FALSE(test, rig_asp(rig)->regions);
	rig->nor->params->crtm->vendor = NULL;
	KUNIT_EXPECT_EQ(test, mtd_is_locked(rig->mtd, 0, SECTOR), 0);
	rig->nor->params->crtm->vendor = vendor;
}

/* A region that comes or goes by a command: every sector that has a byte of it */
static void region_changes(struct kunit *test)
{
	struct rig *rig = four_new(test, true);
	u8 *map = rig_asp(rig)->map;
	u32 from, to, i, unit = SECTOR / 2;

	for (from = 0; from < 2 * N; from++)
		for (to = from + 1; to <= 2 * N; to++) {
			memset(map, ASP_S_VOLATILE, N);
			micron_st_nor_asp_region(rig->nor, from * unit + 1,
						 (to - from) * unit - 1, true);
			for (i = 0; i < N; i++)
				KUNIT_EXPECT_EQ_MSG(test, map[i], ASP_S_VOLATILE |
						    (2 * i + 2 > from && 2 * i < to ?
						     ASP_S_REGION : 0), "%u of %u-%u", i, from,
						    to);
			memset(map, ASP_S_VOLATILE | ASP_S_REGION, N);
			micron_st_nor_asp_region(rig->nor, from * unit, (to - from) * unit,
						 false);
			for (i = 0; i < N; i++)
				KUNIT_EXPECT_EQ_MSG(test, map[i], ASP_S_VOLATILE |
						    (2 * i + 2 > from && 2 * i < to ?
						     0 : ASP_S_REGION), "%u of %u-%u", i, from,
						    to);
		}
}

/* Resume: what cannot be set again or seen is named. */
static void resume_fails(struct kunit *test)
{
	struct rig *rig = four_new(test, false);
	u32 at, ops, how;
	u8 open;

	rig_listen(rig);
	for (how = 0; how < 4; how++)
		for (at = 1, ops = 1; at <= ops; at++) {
			four_set(rig, 01010, 0, true);
			KUNIT_ASSERT_EQ(test, mtd_is_locked(rig->mtd, 0, N * SECTOR), 0);
			rig_asp(rig)->frozen = true;
			memset(rig->chip.v.vlb, 0, N);
			rig->chip.v.frozen = false;
			rig_forget();
			rig_start(rig);
			rig->fail_at = at;
			rig->fail_nr = how & 1 ? U32_MAX : 1;
			rig->fail_after = how & 2;
			micron_st_nor_asp_resume(rig->nor);
			rig->fail_at = 0;
			ops = max(ops, rig->ops);

			open = 0xa & ~four_locked(rig, ASP_S_VOLATILE);
			if (open & BIT(1))
				KUNIT_ASSERT_NOT_NULL_MSG(test, strstr(rig_said, "0x00010000"),
							  "operation %u: %s", at, rig_said);
			if (open & BIT(3))
				KUNIT_ASSERT_NOT_NULL_MSG(test, strstr(rig_said, "0x00030000"),
							  "operation %u: %s", at, rig_said);
			if (!rig->chip.v.frozen)
				KUNIT_ASSERT_NOT_NULL_MSG(test, strstr(rig_said,
								       "no longer frozen"),
							  "operation %u: %s", at, rig_said);
			/* One alone that fails is got over or named, and harms no other. */
			if (!(how & 1))
				KUNIT_ASSERT_TRUE(test, !open || open == BIT(1) || open == BIT(3));
			else if (rig->ops >= at)
				KUNIT_ASSERT_NOT_NULL(test, strstr(rig_said, "status register"));
			KUNIT_ASSERT_GE(test, mtd_is_locked(rig->mtd, 0, N * SECTOR), 0);
			KUNIT_ASSERT_STREQ(test, four_known(rig) ?: "", "");
		}
	/* Two sectors of four operations, the freeze bit, the status register */
	KUNIT_ASSERT_GE(test, ops, 13);
}

/* More was set in the meantime, by firmware: nothing is taken away. */
static void resume_adds(struct kunit *test)
{
	struct rig *rig = four_new(test, false);

	four_set(rig, 00132, 0, false);
	KUNIT_ASSERT_EQ(test, mtd_is_locked(rig->mtd, 0, N * SECTOR), 0);
	four_set(rig, 01201, 0, true);
	/* Set over what the chip has, without the lock-down that forbids it */
	rig->chip.v.vlb[2] = 0;
	micron_st_nor_asp_resume(rig->nor);
	KUNIT_EXPECT_EQ(test, rig->chip.v.vlb[0], 3);
	KUNIT_EXPECT_EQ(test, rig->chip.v.vlb[1], 3);
	KUNIT_EXPECT_EQ(test, rig->chip.v.vlb[2], 1);
	KUNIT_EXPECT_EQ(test, rig->chip.v.vlb[3], 1);
	KUNIT_EXPECT_TRUE(test, rig->chip.v.frozen);
	KUNIT_EXPECT_TRUE(test, rig_asp(rig)->frozen);
	KUNIT_EXPECT_STREQ(test, four_clean(rig, false) ?: "", "");
}

/* Locks that a reset took, of which nobody told: found and said, once */
static void lost_locks(struct kunit *test)
{
	struct rig *rig = four_new(test, false);
	u8 n;

	rig_listen(rig);
	for (n = 1; n <= N; n++) {
		four_set(rig, 01111 >> (CODE_BITS * (N - n)), 0, false);
		KUNIT_ASSERT_EQ(test, mtd_is_locked(rig->mtd, 0, N * SECTOR), n == N);
		crtm_chip_reset_pin(&rig->chip);
		rig_forget();
		KUNIT_ASSERT_EQ(test, mtd_is_locked(rig->mtd, 0, N * SECTOR), 0);
		KUNIT_EXPECT_NOT_NULL_MSG(test, strstr(rig_said, n == 1 ? "lost: 1 sector from" :
						       "sectors from 0x00000000"), "%s", rig_said);
		rig_forget();
		KUNIT_ASSERT_EQ(test, mtd_is_locked(rig->mtd, 0, N * SECTOR), 0);
		KUNIT_EXPECT_NULL_MSG(test, strstr(rig_said, "lost"), "%s", rig_said);
	}
}

/* The core is about to reset the chip: said if something goes by it */
static void soft_reset(struct kunit *test)
{
	static const char * const want[] = { "1 sector go", "2 sectors go" };
	struct rig *rig = four_new(test, false);
	u32 code;
	int frozen;

	rig_listen(rig);
	for (code = 0; code <= 00011; code += 00001)
		for (frozen = 0; frozen < 2; frozen++) {
			u8 n = !!(code & 00003) + !!(code & 00030);

			four_set(rig, code & 00033, 0, frozen);
			KUNIT_ASSERT_EQ(test, mtd_is_locked(rig->mtd, 0, N * SECTOR), 0);
			rig_asp(rig)->frozen = frozen;
			rig_forget();
			rig_start(rig);
			spi_nor_asp_reset_warning(rig->nor);
			KUNIT_EXPECT_EQ(test, rig->ops, 0);
			KUNIT_EXPECT_EQ_MSG(test, !!strstr(rig_said, "volatile locks of"), !!n,
					    "%s", rig_said);
			if (n)
				KUNIT_EXPECT_NOT_NULL_MSG(test, strstr(rig_said, want[n - 1]), "%s",
							  rig_said);
			KUNIT_EXPECT_EQ(test, !!strstr(rig_said, "freeze goes"), frozen);
		}
}

/* Why a write failed: the first locked sector of what was not written, with all its locks */
static void explained(struct kunit *test)
{
	static const struct {
		u32 code;
		u8 sr;
		const char *said;
	} cases[] = {
		{ 00000, 0, NULL },
		{ 00001, 0, NULL },
		{ 00010, 0, "0x00010000 is locked: volatile lock\n" },
		{ 00130, 0, "0x00010000 is locked: volatile lock, lock-down\n" },
		{ 00400, 0, "0x00020000 is locked: non-volatile lock\n" },
		{ 00020, SR_BP(2), "0x00020000 is locked: block protection\n" },
		{ 00770, SR_BP(3),
		  "is locked: volatile lock, lock-down, non-volatile lock, block protection\n" },
		{ 01000, 0, NULL },
	};
	struct rig *rig = four_new(test, false);
	u32 i, at;

	rig_listen(rig);
	for (i = 0; i < ARRAY_SIZE(cases); i++) {
		four_set(rig, cases[i].code, cases[i].sr, false);
		rig_forget();
		micron_st_nor_asp_explain(rig->nor, SECTOR + 5, SECTOR);
		if (cases[i].said)
			KUNIT_EXPECT_NOT_NULL_MSG(test, strstr(rig_said, cases[i].said),
						  "%s, not %s", cases[i].said, rig_said);
		else
			KUNIT_EXPECT_NULL_MSG(test, strstr(rig_said, "locked"), "%s", rig_said);
		/* Nothing was left to be written. */
		rig_start(rig);
		micron_st_nor_asp_explain(rig->nor, SECTOR, 0);
		KUNIT_EXPECT_EQ(test, rig->ops, 0);
	}

	/* What cannot be read is no reason. */
	four_set(rig, 00400, 0, false);
	for (at = 1; at <= 5; at++) {
		rig_start(rig);
		rig->fail_at = at;
		rig->fail_nr = 1;
		rig_forget();
		micron_st_nor_asp_explain(rig->nor, SECTOR, 2 * SECTOR);
		rig->fail_at = 0;
		KUNIT_EXPECT_NULL_MSG(test, strstr(rig_said, "locked"), "%s", rig_said);
		KUNIT_EXPECT_EQ(test, rig->ops, at);
	}
}

/* Probe */

/*
 * Any operation fails: the chip is bound without it or not at all, and if it is bound
 * it works: locks are read when they are asked for.
 */
static void probe_fails(struct kunit *test)
{
	struct rig *rig = rig_new(test, "mt25qu128-authenta");
	u32 at, ops, unread = 0, unbound = 0;

	rig_quiet(rig);
	rig->chip.v.vlb[3] = ASP_VLB_LOCK;
	rig_start(rig);
	rig_bind(rig, 0);
	ops = rig->ops;
	rig_remove(rig);
	KUNIT_ASSERT_GT(test, ops, 2 * 256);

	/* The sectors are one like the other. */
	for (at = 1; at <= ops; at += at < ops - 40 && at > ops - 500 ? 40 : 1) {
		rig_start(rig);
		rig->fail_at = at;
		rig->fail_nr = 1;
		if (!rig_try_bind(rig, 0)) {
			unbound++;
		} else {
			rig->fail_at = 0;
			if (rig_asp(rig)) {
				unread += !rig_asp(rig)->seen;
				KUNIT_ASSERT_EQ(test, mtd_is_locked(rig->mtd, 3 * SECTOR, SECTOR),
						1);
				KUNIT_ASSERT_EQ(test, mtd_is_locked(rig->mtd, 0, rig->mtd->size),
						0);
				KUNIT_ASSERT_TRUE(test, rig_asp(rig)->seen);
			}
			KUNIT_ASSERT_FALSE(test, rig->chip.v.wel);
		}
		rig->fail_at = 0;
		rig_remove(rig);
	}
	rig_loud(rig);
	KUNIT_EXPECT_GT(test, unread, 10);
	KUNIT_EXPECT_GT(test, unbound, 0);
	rig_bind(rig, 0);
	KUNIT_EXPECT_TRUE(test, rig_asp(rig)->seen);
}

/* A controller that cannot send one of the opcodes: none of it, and the flash works. */
static void controller_refuses(struct kunit *test)
{
	static const u8 opcodes[] = {
		ASP_OP_RDASPR, ASP_OP_WRASPR, ASP_OP_RDVLB, ASP_OP_WRVLB, ASP_OP_RDVLB_4B,
		ASP_OP_WRVLB_4B, ASP_OP_RDNVLB, ASP_OP_WRNVLB, ASP_OP_ERNVLB, ASP_OP_RDFREEZE,
		ASP_OP_WRFREEZE, ASP_OP_RDPASS, ASP_OP_WRPASS, ASP_OP_UNLOCK, ASP_OP_RDPMR,
		ASP_OP_WRPMR,
	};
	struct rig *rig = rig_new(test, "mt25qu128-authenta");
	size_t done;
	u8 byte, i;

	rig_listen(rig);
	for (i = 0; i < ARRAY_SIZE(opcodes); i++) {
		rig->refused = opcodes[i];
		rig_forget();
		rig_bind(rig, 0);
		KUNIT_EXPECT_PTR_EQ(test, rig_asp(rig), NULL);
		KUNIT_EXPECT_PTR_EQ(test, spi_nor_security(rig->nor)->asp, NULL);
		KUNIT_EXPECT_NOT_NULL_MSG(test, strstr(rig_said, "protection: the controller"),
					  "%02x: %s", opcodes[i], rig_said);
		KUNIT_EXPECT_EQ(test, mtd_read(rig->mtd, 0, 1, &done, &byte), 0);
		rig_remove(rig);
	}
	for (i = 0; i < ARRAY_SIZE(opcodes); i++)
		KUNIT_EXPECT_EQ(test, rig_sent(rig, opcodes[i]), 0);
}

/* By the ID as read, each byte of it, and by the controller's driver */
static void not_mt25q(struct kunit *test)
{
	static const struct {
		u8 at;
		u8 val;
	} ids[] = { { 0, 0x2c }, { 3, 0x00 }, { 3, 0x12 }, { 4, 0x00 }, { 4, 0x45 } };
	struct rig *rig = rig_new(test, "mt25qu128-authenta");
	struct spi_mem *spimem;
	u8 id[3] = { 0x10, 0x44, 0x00 }, i, was;

	memcpy(rig->chip.id + 3, id, sizeof(id));
	rig_bind(rig, 0);
	KUNIT_ASSERT_PTR_EQ(test, rig_asp(rig), NULL);
	rig_remove(rig);
	rig_bind(rig, RIG_PROPERTY);
	KUNIT_ASSERT_NOT_NULL(test, rig_asp(rig));
	rig_remove(rig);

	/* The core has found it by its first three bytes. */
	rig_bind(rig, 0);
	rig_remove(rig);
	rig_listen(rig);
	for (i = 0; i < ARRAY_SIZE(ids); i++) {
		rig->lie = (struct rig_lie) { };
		rig_bind(rig, RIG_PROPERTY);
		rig->nor->params->asp = NULL;
		was = rig->chip.id[ids[i].at];
		rig->chip.id[ids[i].at] = ids[i].val;
		rig_forget();
		micron_st_nor_asp_late_init(rig->nor, false);
		KUNIT_EXPECT_PTR_EQ_MSG(test, rig_asp(rig), NULL, "byte %u is %02x", ids[i].at,
					ids[i].val);
		KUNIT_EXPECT_NOT_NULL_MSG(test, strstr(rig_said, "not an MT25Q"), "%s", rig_said);
		rig->chip.id[ids[i].at] = was;
		rig_remove(rig);
	}

	rig_bind(rig, RIG_PROPERTY);
	rig->nor->params->asp = NULL;
	rig_start(rig);
	rig->fail_at = 1;
	rig->fail_nr = 1;
	rig_forget();
	micron_st_nor_asp_late_init(rig->nor, false);
	rig->fail_at = 0;
	KUNIT_EXPECT_PTR_EQ(test, rig_asp(rig), NULL);
	KUNIT_EXPECT_NOT_NULL_MSG(test, strstr(rig_said, "not an MT25Q"), "%s", rig_said);

	spimem = rig->nor->spimem;
	rig->nor->spimem = NULL;
	rig_forget();
	micron_st_nor_asp_late_init(rig->nor, true);
	rig->nor->spimem = spimem;
	KUNIT_EXPECT_PTR_EQ(test, rig_asp(rig), NULL);
	KUNIT_EXPECT_NOT_NULL_MSG(test, strstr(rig_said, "knows no such"), "%s", rig_said);
}

/* Another vendor's chip, for which somebody has asked: told that it has none */
static void another_vendor(struct kunit *test)
{
	struct rig *rig = rig_new(test, "mt25qu128-authenta");
	unsigned int flags;

	/* A W25Q128, and all its tables say so. */
	memcpy(rig->chip.id, "\xef\x40\x18\x00\x00\x00", 6);
	rig_listen(rig);
	for (flags = 0; flags <= RIG_PROPERTY; flags += RIG_PROPERTY) {
		rig_forget();
		rig_bind(rig, flags);
		KUNIT_EXPECT_PTR_EQ(test, rig_asp(rig), NULL);
		KUNIT_EXPECT_EQ_MSG(test, !!strstr(rig_said, "not a part of Micron's"), !!flags,
				    "%s", rig_said);
		/* What is called for any part does nothing. */
		rig_start(rig);
		rig_forget();
		micron_st_nor_asp_region(rig->nor, 0, SECTOR, true);
		micron_st_nor_asp_resume(rig->nor);
		micron_st_nor_asp_explain(rig->nor, 0, SECTOR);
		spi_nor_asp_reset_warning(rig->nor);
		/* One of Micron's would have been told why, if it has none. */
		rig->nor->manufacturer = &spi_nor_micron;
		micron_st_nor_asp_register(rig->nor);
		rig->nor->manufacturer = &spi_nor_st;
		micron_st_nor_asp_register(rig->nor);
		KUNIT_EXPECT_EQ(test, rig->ops, 0);
		KUNIT_EXPECT_STREQ(test, rig_said, "");
		rig_remove(rig);
	}
}

/* debugfs */

static char shown[16384];

static void unmount(void *mnt)
{
	kern_unmount(mnt);
}

static struct vfsmount *mount_debugfs(struct kunit *test)
{
	struct file_system_type *type = get_fs_type("debugfs");
	struct vfsmount *mnt;

	KUNIT_ASSERT_NOT_NULL(test, type);
	mnt = kern_mount(type);
	KUNIT_ASSERT_FALSE(test, IS_ERR(mnt));
	KUNIT_ASSERT_EQ(test, kunit_add_action_or_reset(test, unmount, mnt), 0);
	return mnt;
}

/* Read a file of the flash's folder, to the end; nothing is sent for it. */
static const char *show(struct rig *rig, struct vfsmount *mnt, const char *name)
{
	const struct path dir = { .mnt = mnt, .dentry = rig->nor->debugfs_root };
	struct file *file = file_open_root(&dir, name, O_RDONLY, 0);
	struct kunit *test = rig->test;
	char __user *buf;
	ssize_t len, n = 0;
	loff_t pos = 0;

	KUNIT_ASSERT_FALSE(test, IS_ERR(file));
	buf = (char __user *)kunit_vm_mmap(test, NULL, 0, sizeof(shown), PROT_READ | PROT_WRITE,
					   MAP_ANONYMOUS | MAP_PRIVATE, 0);
	KUNIT_ASSERT_FALSE(test, IS_ERR_OR_NULL((void *)(unsigned long)buf));
	rig_start(rig);
	do {
		len = vfs_read(file, buf + n, sizeof(shown) - 1 - n, &pos);
		n += len;
	} while (len > 0);
	fput(file);
	KUNIT_ASSERT_EQ(test, len, 0);
	KUNIT_ASSERT_EQ(test, rig->ops, 0);
	KUNIT_ASSERT_EQ(test, copy_from_user(shown, buf, n), 0);
	shown[n] = '\0';
	KUNIT_ASSERT_EQ(test, vm_munmap((unsigned long)buf, sizeof(shown)), 0);
	return shown;
}

/* The drawing of four sectors in every state of two of them, and the core's table of them */
static void debugfs_states(struct kunit *test)
{
	struct rig *rig = four_new(test, false);
	struct vfsmount *mnt = mount_debugfs(test);
	static const char lower[] = ".vdVn*N*";
	const char *text;
	char want[64];
	u32 code;

	for (code = 0; code < 0100; code++) {
		bool one = code & 05, two = code & 050;

		four_set(rig, code, 0, code & 1);
		KUNIT_ASSERT_GE(test, mtd_is_locked(rig->mtd, 0, N * SECTOR), 0);
		rig_asp(rig)->frozen = code & 1;

		text = show(rig, mnt, "sector-protection");
		snprintf(want, sizeof(want), "00000000 %c%c..\n\nnon-volatile locks\t%s\n",
			 lower[code & 7], lower[code >> 3], code & 1 ? "frozen" : "not frozen");
		KUNIT_ASSERT_EQ_MSG(test, strncmp(text, want, strlen(want)), 0, "%s, not %s",
				    want, text);

		text = show(rig, mnt, "params");
		text = strstr(text, "\nsoftware locked sectors\n");
		KUNIT_ASSERT_NOT_NULL(test, text);
		KUNIT_ASSERT_EQ(test, !!strstr(text, " 00000000-0000ffff |   locked | 1\n"),
				one && !two);
		KUNIT_ASSERT_EQ(test, !!strstr(text, " 00000000-0000ffff | unlocked | 1\n"),
				!one && two);
		KUNIT_ASSERT_EQ(test, !!strstr(text, " 00000000-0001ffff |   locked | 2\n"),
				one && two);
		KUNIT_ASSERT_EQ(test, !!strstr(text, " 00000000-0003ffff | unlocked | 4\n"),
				!one && !two);
	}
}

/* A line for each 64 sectors; before the chip was read there is nothing to show. */
static void debugfs_lines(struct kunit *test)
{
	struct rig *rig = rig_new(test, "mt25qu128-authenta");
	struct vfsmount *mnt = mount_debugfs(test);
	const char *text;
	char want[16];
	u32 i;

	rig_bind(rig, 0);
	rig->chip.v.vlb[64] = ASP_VLB_LOCK;
	rig->chip.v.vlb[255] = ASP_VLB_LOCK;
	KUNIT_ASSERT_EQ(test, mtd_is_locked(rig->mtd, 0, rig->mtd->size), 0);
	text = show(rig, mnt, "sector-protection");
	for (i = 0; i < 256; i += 64) {
		snprintf(want, sizeof(want), "%08x %c", (u32)(i * SECTOR), i == 64 ? 'v' : '.');
		KUNIT_EXPECT_EQ_MSG(test, strncmp(text, want, strlen(want)), 0, "%s", text);
		KUNIT_EXPECT_EQ(test, text[72], i == 192 ? 'v' : '.');
		KUNIT_EXPECT_EQ(test, text[73], '\n');
		text += 74;
	}
	text = show(rig, mnt, "params");
	KUNIT_EXPECT_NOT_NULL(test, strstr(text, " 00000000-003fffff | unlocked | 64\n"
					   " 00400000-0040ffff |   locked | 1\n"
					   " 00410000-00feffff | unlocked | 190\n"
					   " 00ff0000-00ffffff |   locked | 1\n"));

	rig_asp(rig)->seen = false;
	KUNIT_EXPECT_STREQ(test, show(rig, mnt, "sector-protection"), "not read\n");
	text = show(rig, mnt, "params");
	KUNIT_EXPECT_NOT_NULL(test, strstr(text, "\nsoftware locked sectors\n not read\n"));
	rig_remove(rig);

	/* A part that has none shows none. */
	memcpy(rig->chip.id + 3, "\x10\x44\x00", 3);
	rig_bind(rig, 0);
	KUNIT_ASSERT_PTR_EQ(test, rig_asp(rig), NULL);
	KUNIT_EXPECT_NULL(test, strstr(show(rig, mnt, "params"), "software locked"));
}

static struct kunit_case asp_bus_cases[] = {
	KUNIT_CASE(out_of_range),
	KUNIT_CASE(map_of_marked),
	KUNIT_CASE(map_of_unmarked),
	KUNIT_CASE(answers),
	KUNIT_CASE(read_back),
	KUNIT_CASE_SLOW(no_chip),
	KUNIT_CASE_SLOW(commands_fail),
	KUNIT_CASE(reads_fail),
	KUNIT_CASE(freeze),
	KUNIT_CASE_SLOW(stuck),
	KUNIT_CASE(signal_before),
	KUNIT_CASE(signal_between),
	KUNIT_CASE(other_protocol),
	KUNIT_CASE(block_protection),
	KUNIT_CASE(regions_told),
	KUNIT_CASE(region_changes),
	KUNIT_CASE(resume_fails),
	KUNIT_CASE(resume_adds),
	KUNIT_CASE(lost_locks),
	KUNIT_CASE(soft_reset),
	KUNIT_CASE(explained),
	KUNIT_CASE_SLOW(probe_fails),
	KUNIT_CASE(controller_refuses),
	KUNIT_CASE(not_mt25q),
	KUNIT_CASE(another_vendor),
	KUNIT_CASE(debugfs_states),
	KUNIT_CASE(debugfs_lines),
	{}
};

static struct kunit_suite asp_bus_suite = {
	.name = "asp-bus",
	.test_cases = asp_bus_cases,
};

kunit_test_suite(asp_bus_suite);
