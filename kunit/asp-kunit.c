// SPDX-License-Identifier: GPL-2.0-only
/*
 * Sector protection on an emulated chip, by the real driver: what the chip looks like
 * after each SPI operation, in every state that four sectors can have, and when any SPI
 * operation fails.
 */
#include <kunit/test.h>
#include <linux/mtd/asp-ops.h>
#include <linux/sizes.h>
#include <linux/string.h>
#include <uapi/mtd/mtd-security.h>

#include "../crtm.h"
#include "../lifetime.h"
#include "four.h"

static const u8 all_sr[] = {
	SR_BP(0), SR_BP(1), SR_BP(2), SR_BP(3),
	SR_TB | SR_BP(0), SR_TB | SR_BP(1), SR_TB | SR_BP(2), SR_TB | SR_BP(3),
};

/* What must hold after each SPI operation */
static struct {
	u8 sectors;	/* these must never be open, */
	u8 nv;		/* and these never without their non-volatile lock bit */
	u32 broken;	/* the first operation after which it did not, 0: none */
} watch;

static void look(struct rig *rig)
{
	const struct crtm_chip *chip = &rig->chip;
	bool ok;

	ok = !(watch.sectors & ~four_locked(rig, ASP_S_LOCKED)) &&
	     !(watch.nv & ~four_locked(rig, ASP_S_NON_VOLATILE)) &&
	     /* Whoever knows the password can unlock it. */
	     (chip->nv.aspr & ASP_ASPR_PASSWORD ||
	      !memcmp(chip->nv.password, four_password, sizeof(four_password)));
	if (!ok && !watch.broken)
		watch.broken = rig->ops;
}

static void watch_start(struct rig *rig, u8 sectors)
{
	watch.sectors = sectors;
	watch.nv = four_locked(rig, ASP_S_NON_VOLATILE);
	watch.broken = 0;
	rig->look = look;
	rig_start(rig);
}

/* Try to program and erase a sector. Return: 0: both failed, 1: both were done. */
static int writable(struct rig *rig, u8 sector)
{
	struct erase_info erase = { .addr = (u64)sector * SECTOR, .len = SECTOR };
	u8 *p = rig->chip.array + sector * SECTOR;
	const u8 byte = 0x5a;
	size_t done;
	int ret;

	*p = 0xff;
	ret = mtd_write(rig->mtd, erase.addr, 1, &done, &byte);
	if (four_clean(rig, false) || done != (ret ? 0 : 1) || (ret && ret != -EIO) ||
	    *p != (ret ? 0xff : byte))
		return -EINVAL;
	*p = 0;
	if (mtd_erase(rig->mtd, &erase) != ret || four_clean(rig, false) || *p != (ret ? 0 : 0xff))
		return -EINVAL;

	return !ret;
}

/* Do the three of MTD, the map and the chip agree? NULL: they do */
static const char *agree(struct rig *rig)
{
	struct mtd_security *sec = spi_nor_security(rig->nor);
	struct mtd_asp_map map = { .nr = N };
	u8 sectors[N];
	bool locked, all = true;
	u8 i;

	if (sec->asp->map(sec, &map, sectors))
		return "no map";
	if (!!(map.flags & MTD_ASP_F_FROZEN) != rig->chip.v.frozen || map.sr != rig->chip.nv.sr)
		return "the map's registers";
	for (i = 0; i < N; i++) {
		if (sectors[i] != crtm_chip_locks(&rig->chip, i))
			return "the map";
		locked = sectors[i] & ASP_S_LOCKED;
		all &= locked;
		if (mtd_is_locked(rig->mtd, i * SECTOR, SECTOR) != locked)
			return "is_locked of a sector";
		if (writable(rig, i) != !locked)
			return "what a write does";
	}
	if (mtd_is_locked(rig->mtd, 0, N * SECTOR) != all)
		return "is_locked of all";

	return four_clean(rig, true);
}

static void agree_everywhere(struct kunit *test, bool authenta, u32 freezes)
{
	struct rig *rig = four_new(test, authenta);
	const char *wrong = NULL;
	u32 code, sr = 0, frozen = 0;

	rig_quiet(rig);
	for (code = 0; code < CODES && !wrong; code++)
		for (sr = 0; sr < ARRAY_SIZE(all_sr) && !wrong; sr++)
			for (frozen = 0; frozen < freezes && !wrong; frozen++) {
				four_set(rig, code, all_sr[sr], frozen);
				wrong = agree(rig);
			}
	rig_loud(rig);
	if (wrong)
		KUNIT_FAIL(test, "%s is wrong: sectors %04o, sr %02x, frozen %u", wrong, code - 1,
			   all_sr[sr - 1], frozen - 1);
}

/* The whole state space, two of the sectors in regions */
static void states_with_regions(struct kunit *test)
{
	agree_everywhere(test, true, 2);
}

static void states_without_regions(struct kunit *test)
{
	agree_everywhere(test, false, 1);
}

static u8 range_bits(u8 first, u8 nr)
{
	return (BIT(nr) - 1) << first;
}

/* Can block protection be exactly this? */
static bool expressible(u8 sectors)
{
	return sectors == 0 || sectors == 0x1 || sectors == 0x3 || sectors == 0xf ||
	       sectors == 0x8 || sectors == 0xc;
}

/*
 * What a call has to answer by the decisions, and what becomes of the volatile lock
 * bits and of block protection.
 */
static int decide(struct rig *rig, bool lock, u8 range, u8 *vlb, u8 *block)
{
	u8 down = four_locked(rig, ASP_S_LOCK_DOWN);
	u8 nv = four_locked(rig, ASP_S_NON_VOLATILE | ASP_S_REGION);

	*vlb = four_locked(rig, ASP_S_VOLATILE);
	*block = four_locked(rig, ASP_S_BLOCK);
	if (lock) {
		if (range & down & ~*vlb)
			return -EACCES;
		*vlb |= range;
		return 0;
	}
	if (range & (nv | (down & *vlb)))
		return -EACCES;
	if (*block & range && !expressible(*block & ~range))
		return -EINVAL;
	*vlb &= ~range;
	*block &= ~range;
	return 0;
}

static int call(struct rig *rig, bool lock, u8 first, u8 nr)
{
	return lock ? mtd_lock(rig->mtd, first * SECTOR, nr * SECTOR) :
		      mtd_unlock(rig->mtd, first * SECTOR, nr * SECTOR);
}

/* One lock or unlock from the state that the chip is in. NULL: as it should be */
static const char *lock_once(struct rig *rig, bool lock, u8 first, u8 nr)
{
	u8 was = four_locked(rig, ASP_S_LOCKED);
	struct four_state before = four_get(rig), after;
	u8 range = range_bits(first, nr), vlb, block;
	int want = decide(rig, lock, range, &vlb, &block);
	int ret;

	/* Locked before and to be locked after: never open. */
	watch_start(rig, lock || want ? was :
		    was & (~range | four_locked(rig, ASP_S_NON_VOLATILE |
						   ASP_S_REGION)));
	ret = call(rig, lock, first, nr);
	rig->look = NULL;

	after = four_get(rig);
	if (ret != want)
		return "the answer";
	if (watch.broken)
		return "a state on the way";
	if (want && !four_same(&before, &after))
		return "a refusal, which changed something,";
	if (four_locked(rig, ASP_S_VOLATILE) != vlb ||
	    four_locked(rig, ASP_S_BLOCK) != block)
		return "the state afterwards";
	memcpy(before.locks, after.locks, sizeof(before.locks));
	before.sr = after.sr;
	if (!four_same(&before, &after))
		return "something that was not to be touched";

	return four_clean(rig, false);
}

static void lock_everywhere(struct kunit *test, bool authenta, bool lock)
{
	struct rig *rig = four_new(test, authenta);
	u32 code, sr = 0, first = 0, nr = 0, codes = CODES;
	const char *wrong = NULL;

	rig_quiet(rig);
	for (code = 0; code < codes && !wrong; code++)
		for (sr = 0; sr < ARRAY_SIZE(all_sr) && !wrong; sr++)
			for (first = 0; first < N && !wrong; first++)
				for (nr = 1; nr <= N - first && !wrong; nr++) {
					four_set(rig, code, all_sr[sr], code & 1);
					wrong = lock_once(rig, lock, first, nr);
				}
	rig_loud(rig);
	if (wrong)
		KUNIT_FAIL(test, "%s is wrong: sectors %04o, sr %02x, %s of %u+%u", wrong, code - 1,
			   all_sr[sr - 1], lock ? "lock" : "unlock", first - 1, nr - 1);
}

static void lock_from_every_state(struct kunit *test)
{
	lock_everywhere(test, false, true);
}

static void unlock_from_every_state(struct kunit *test)
{
	lock_everywhere(test, false, false);
}

static void unlock_regions(struct kunit *test)
{
	lock_everywhere(test, true, false);
}

/* Was it said that the volatile locks of this sector are not as they were? */
static bool named(u8 sector)
{
	const char *p = rig_said;
	u32 from, to;

	while ((p = strstr(p, "volatile locks left "))) {
		p += strlen("volatile locks left ");
		p = strchr(p, '0');
		if (p && sscanf(p, "0x%x-0x%x", &from, &to) == 2 &&
		    from <= sector * SECTOR && sector * SECTOR <= to)
			return true;
	}
	return false;
}

/* States to lock and unlock from: a digit for each sector, the last one first */
static const struct {
	u32 code;
	u8 sr;
} starts[] = {
	{ 00000, 0 },
	{ 01111, 0 },
	{ 00101, 0 },
	{ 01010, 0 },
	{ 00001, SR_BP(1) },
	{ 01000, SR_TB | SR_BP(2) },
	{ 00000, SR_BP(3) },
	{ 01111, SR_BP(3) },
	{ 01100, SR_BP(2) },
	{ 00020, SR_BP(2) },	/* unlocks, cannot be locked */
	{ 03113, 0 },		/* cannot be unlocked */
	{ 00105, SR_TB | SR_BP(1) },
};

/* How SPI operations fail */
#define FAIL_ALL	BIT(0)	/* all behind the first, too */
#define FAIL_AFTER	BIT(1)	/* the chip has seen them */

/*
 * SPI operation @at fails, and @too unless it is 0. NULL: all was put back, or after more than
 * one what was not was reported
 */
static const char *fail_once(struct rig *rig, bool lock, u32 at, u32 too, u32 how, int *ret)
{
	u8 was = four_locked(rig, ASP_S_LOCKED), still, vlb, block, i;
	struct four_state before = four_get(rig), now;
	int want = decide(rig, lock, ALL, &vlb, &block);

	/* The status register was changed behind the driver's back. */
	if (mtd_is_locked(rig->mtd, 0, N * SECTOR) < 0)
		return "is_locked before";
	rig_forget();
	watch_start(rig, lock ? was : 0);
	rig->fail_at = at;
	rig->fail_too = too;
	rig->fail_nr = how & FAIL_ALL ? U32_MAX : 1;
	rig->fail_after = how & FAIL_AFTER;
	*ret = call(rig, lock, 0, N);
	rig->fail_at = 0;
	rig->fail_too = 0;
	rig->look = NULL;
	now = four_get(rig);

	if (watch.broken)
		return "a state on the way";
	if (*ret == want) {
		/* Not needed after all, or there was none. */
		if (four_locked(rig, ASP_S_VOLATILE) != vlb ||
		    four_locked(rig, ASP_S_BLOCK) != block)
			return "success without the state that belongs to it";
		return four_known(rig);
	}
	if (*ret != -EIO)
		return "the error";
	if (!too && !(how & FAIL_ALL)) {
		if (!four_same(&before, &now))
			return "not all put back: the state";
		return four_clean(rig, true);
	}
	still = 0;
	for (i = 0; i < N; i++)
		if ((now.locks[i] ^ before.locks[i]) & ASP_S_VOLATILE && !named(i))
			still |= BIT(i);
	if (still)
		return "not put back and not reported: the volatile locks";
	if (now.sr != before.sr && !strstr(rig_said, "status register"))
		return "not put back and not reported: the status register";
	/* With the controller back, the driver finds its way again. */
	if (mtd_is_locked(rig->mtd, 0, N * SECTOR) < 0)
		return "no way back: is_locked";
	return four_known(rig);
}

static void fail_everywhere(struct kunit *test, bool lock)
{
	struct rig *rig = four_new(test, false);
	u32 i, at, how, failed = 0;
	const char *wrong;
	int ret;

	rig_listen(rig);
	for (i = 0; i < ARRAY_SIZE(starts); i++)
		for (how = 0; how < 4; how++)
			for (at = 1; ; at++) {
				four_set(rig, starts[i].code, starts[i].sr, false);
				wrong = fail_once(rig, lock, at, 0, how, &ret);
				if (wrong) {
					KUNIT_FAIL(test, "%s is wrong: start %u, op %u%s%s",
						   wrong, i, at,
						   how & FAIL_AFTER ? ", though done" : "",
						   how & FAIL_ALL ? ", and all later ones" : "");
					return;
				}
				if (rig->ops < at)
					break;
				failed++;
			}
	/* Two reads at the least, on the way to each answer */
	KUNIT_EXPECT_GT(test, failed, 4 * 2 * ARRAY_SIZE(starts));
}

static void lock_fails(struct kunit *test)
{
	fail_everywhere(test, true);
}

static void unlock_fails(struct kunit *test)
{
	fail_everywhere(test, false);
}

/* Any two: the second one hits what is done about the first. */
static void two_fail(struct kunit *test, bool lock, u32 code, u8 sr)
{
	struct rig *rig = four_new(test, false);
	u32 at, too, how, ops = 1;
	const char *wrong;
	int ret;

	rig_listen(rig);
	for (how = 0; how <= FAIL_AFTER; how += FAIL_AFTER)
		for (at = 1; at <= ops; at++)
			for (too = at + 1; ; too++) {
				four_set(rig, code, sr, false);
				wrong = fail_once(rig, lock, at, too, how, &ret);
				if (wrong) {
					KUNIT_FAIL(test, "%s is wrong: op %u and %u%s", wrong, at,
						   too, how ? ", though done" : "");
					return;
				}
				ops = max(ops, rig->ops);
				if (rig->ops < too)
					break;
			}
	KUNIT_EXPECT_GT(test, ops, 20);
}

static void lock_fails_twice(struct kunit *test)
{
	two_fail(test, true, 00101, 0);
}

static void unlock_fails_twice(struct kunit *test)
{
	two_fail(test, false, 01111, SR_BP(3));
}

/* A write that never arrives, though the controller says that it did */
static void lock_lost(struct kunit *test)
{
	static const u8 opcodes[] = { SPINOR_OP_WREN, ASP_OP_WRVLB };
	struct rig *rig = four_new(test, false);
	struct four_state before, after;
	u8 i, k;
	int lock;

	for (lock = 0; lock < 2; lock++)
		for (i = 0; i < ARRAY_SIZE(opcodes); i++)
			for (k = 1; k <= N; k++) {
				four_set(rig, lock ? 0 : 01111, 0, false);
				before = four_get(rig);
				rig->chip.drop = (struct crtm_chip_at) {
					.count = k, .op = opcodes[i],
				};
				KUNIT_ASSERT_EQ(test, call(rig, lock, 0, N), -EIO);
				after = four_get(rig);
				KUNIT_ASSERT_EQ(test, rig->chip.drop.count, 0);
				KUNIT_ASSERT_TRUE_MSG(test, four_same(&before, &after),
						      "%s, loss %u of %02x",
						      lock ? "lock" : "unlock", k, opcodes[i]);
				KUNIT_ASSERT_STREQ(test, four_clean(rig, true) ?: "", "");
			}
}

/* The ioctls' commands */

/* Lock-down and non-volatile lock of every range, from every state */
static void range_commands(struct kunit *test)
{
	struct rig *rig = four_new(test, false);
	u8 first, n, range, want, bit, has;
	struct four_state before, after;
	struct mtd_asp_cmd cmd;
	u32 code, frozen;
	int nv, ret, i;

	rig_quiet(rig);
	for (code = 0; code < CODES; code++)
		for (i = 0; i < 4; i++)
			for (first = 0; first < N; first++)
				for (n = 1; n <= N - first; n++) {
					frozen = i & 1;
					nv = i & 2;
					bit = nv ? ASP_S_NON_VOLATILE : ASP_S_LOCK_DOWN;
					four_set(rig, code, 0, frozen);
					before = four_get(rig);
					has = four_locked(rig, bit);
					range = range_bits(first, n);
					cmd = four_range(nv ? MTD_ASP_NV_LOCK : MTD_ASP_LOCK_DOWN,
							 first, n);
					watch_start(rig, four_locked(rig, ASP_S_LOCKED));
					ret = four_command(rig, &cmd);
					rig->look = NULL;
					after = four_get(rig);

					want = has | range;
					if (nv && frozen && range & ~has) {
						KUNIT_ASSERT_EQ(test, ret, -EACCES);
						KUNIT_ASSERT_EQ(test, cmd.sent, 0);
						want = has;
					} else {
						KUNIT_ASSERT_EQ(test, ret, 0);
						KUNIT_ASSERT_EQ(test, cmd.done, n);
						KUNIT_ASSERT_EQ(test, cmd.sent, !!(range & ~has));
						KUNIT_ASSERT_EQ(test, cmd.result, 0);
					}
					KUNIT_ASSERT_EQ(test, four_locked(rig, bit), want);
					KUNIT_ASSERT_EQ(test, watch.broken, 0);
					/* No other bit has changed. */
					for (has = 0; has < N; has++) {
						before.locks[has] &= ~bit;
						after.locks[has] &= ~bit;
					}
					KUNIT_ASSERT_TRUE(test, four_same(&before, &after));
					KUNIT_ASSERT_STREQ(test, four_clean(rig, false) ?: "", "");
				}
}

/* Up to the failing one they are done, and @state is of the one behind. */
static void range_fails(struct kunit *test)
{
	struct rig *rig = four_new(test, false);
	struct mtd_asp_cmd cmd;
	u32 nr, at, how;
	u8 bit, i;

	for (nr = MTD_ASP_LOCK_DOWN; nr <= MTD_ASP_NV_LOCK; nr++)
		for (how = 0; how < 2; how++)
			for (at = 1; ; at++) {
				bit = nr == MTD_ASP_NV_LOCK ? ASP_S_NON_VOLATILE :
				      ASP_S_LOCK_DOWN;
				four_set(rig, 00101, 0, false);
				cmd = four_range(nr, 0, N);
				watch_start(rig, 0x5);
				rig->fail_at = at;
				rig->fail_nr = 1;
				rig->fail_after = how;
				if (four_command(rig, &cmd)) {
					KUNIT_ASSERT_EQ(test, cmd.sent, 0);
					KUNIT_ASSERT_EQ(test, four_locked(rig, bit), 0);
				} else if (cmd.result) {
					KUNIT_ASSERT_EQ(test, cmd.result, -EIO);
					KUNIT_ASSERT_LT(test, cmd.done, N);
					KUNIT_ASSERT_EQ(test, four_locked(rig, bit) &
							(BIT(cmd.done) - 1), BIT(cmd.done) - 1);
					for (i = cmd.done + 1; i < N; i++)
						KUNIT_ASSERT_FALSE(test, crtm_chip_locks(&rig->chip,
											 i) & bit);
				} else {
					KUNIT_ASSERT_EQ(test, cmd.done, N);
					KUNIT_ASSERT_EQ(test, four_locked(rig, bit), ALL);
				}
				rig->fail_at = 0;
				rig->look = NULL;
				KUNIT_ASSERT_EQ_MSG(test, watch.broken, 0, "%u, operation %u", nr,
						    at);
				/* The next good operation works. */
				KUNIT_ASSERT_GE(test, mtd_is_locked(rig->mtd, 0, SECTOR), 0);
				KUNIT_ASSERT_STREQ(test, four_clean(rig, false) ?: "", "");
				if (rig->ops < at)
					break;
			}
}

static void nv_erase(struct kunit *test)
{
	struct rig *rig = four_new(test, true);
	u8 nv, pmr;
	int frozen, result, ret;

	for (nv = 0; nv <= ALL; nv++)
		for (frozen = 0; frozen < 2; frozen++)
			for (pmr = 0; pmr < 4; pmr++) {
				bool can = !frozen && pmr == 3;

				four_set(rig, 00301, 0, frozen);
				rig->chip.nv.nvlb[0] = nv;
				rig->chip.nv.pmr = (ASP_PMR_DEFAULT & ~3) | pmr;
				watch_start(rig, REGIONS | 0x5);
				if (can)
					watch.nv = 0;
				ret = four_simple(rig, MTD_ASP_NV_ERASE, &result);
				rig->look = NULL;
				KUNIT_ASSERT_EQ(test, ret, can ? 0 : -EACCES);
				KUNIT_ASSERT_EQ(test, result, 0);
				KUNIT_ASSERT_EQ(test, rig->chip.nv.nvlb[0], can ? 0 : nv);
				KUNIT_ASSERT_EQ(test, watch.broken, 0);
				KUNIT_ASSERT_STREQ(test, four_clean(rig, can) ?: "", "");
			}
}

/* Can become the right one, and cannot */
static const u8 above[ASP_PASSWORD_LEN] = { 0x11, 0x32, 0x54, 0x76, 0x98, 0xba, 0xdc, 0xff };
static const u8 below[ASP_PASSWORD_LEN] = { 0x10, 0x32, 0x54, 0x76, 0x98, 0xba, 0xdc, 0xee };

/* Every password command in every mode of the register, over every kind of password */
static void password_commands(struct kunit *test)
{
	static const u16 aspr[] = { ASP_ASPR_DEFAULT, ASPR_PASSWORD_MODE, ASPR_NO_PASSWORD };
	const u8 * const held[] = { four_blank, above, below, four_password };
	struct rig *rig = four_new(test, false);
	int result, ret, m, h;
	u32 nr;

	for (m = 0; m < ARRAY_SIZE(aspr); m++)
		for (h = 0; h < ARRAY_SIZE(held); h++)
			for (nr = MTD_ASP_PASSWORD_UNLOCK; nr <= MTD_ASP_NO_PASSWORD; nr++) {
				bool mode = aspr[m] == ASPR_PASSWORD_MODE;
				bool right = held[h] == four_password, fits = held[h] != below;
				u16 aspr_want = aspr[m];
				int ret_want = 0, result_want = 0;
				const u8 *held_want = held[h];

				switch (nr) {
				case MTD_ASP_PASSWORD_UNLOCK:
					if (!mode)
						ret_want = -EACCES;
					else if (!right)
						result_want = -EKEYREJECTED;
					break;
				case MTD_ASP_PASSWORD_VERIFY:
					if (mode)
						ret_want = -EACCES;
					else if (!right)
						result_want = -EKEYREJECTED;
					break;
				case MTD_ASP_NO_PASSWORD:
					if (mode)
						ret_want = -EACCES;
					else
						aspr_want = ASPR_NO_PASSWORD;
					break;
				default:
					if (aspr[m] != ASP_ASPR_DEFAULT || !fits) {
						ret_want = -EACCES;
						break;
					}
					held_want = four_password;
					if (nr == MTD_ASP_PASSWORD_MODE)
						aspr_want = ASPR_PASSWORD_MODE;
				}

				four_set(rig, 0, 0, false);
				four_set_aspr(rig, aspr[m], held[h]);
				watch_start(rig, 0);
				if (mode)	/* a wrong one from before is no fault of ours */
					rig->look = NULL;
				ret = four_simple(rig, nr, &result);
				rig->look = NULL;
				KUNIT_ASSERT_EQ_MSG(test, ret, ret_want, "%d %d %u", m, h, nr);
				KUNIT_ASSERT_EQ_MSG(test, result, result_want, "%d %d %u", m, h,
						    nr);
				KUNIT_ASSERT_EQ_MSG(test, watch.broken, 0, "%d %d %u", m, h, nr);
				KUNIT_ASSERT_EQ(test, rig->chip.nv.aspr, aspr_want);
				KUNIT_ASSERT_MEMEQ(test, rig->chip.nv.password, held_want,
						   ASP_PASSWORD_LEN);
				KUNIT_ASSERT_EQ(test, rig->chip.v.frozen, mode &&
						!(nr == MTD_ASP_PASSWORD_UNLOCK && right));
				KUNIT_ASSERT_STREQ(test, four_clean(rig, false) ?: "", "");
			}
}

/* Any SPI operation fails, or is lost: password mode only with the right password. */
static void password_fails(struct kunit *test)
{
	struct rig *rig = four_new(test, false);
	int result, ret, how;
	u32 at, ops = 0;

	for (how = 0; how < 4; how++)
		for (at = 1; at == 1 || at <= ops; at++) {
			four_set(rig, 0, 0, false);
			four_set_aspr(rig, ASP_ASPR_DEFAULT, four_blank);
			watch_start(rig, 0);
			if (how < 3) {
				rig->fail_at = at;
				rig->fail_nr = how == 2 ? U32_MAX : 1;
				rig->fail_after = how == 1;
			} else {
				rig->chip.drop = (struct crtm_chip_at) { .count = at, .any = true };
			}
			ret = four_simple(rig, MTD_ASP_PASSWORD_MODE, &result);
			ops = max(ops, rig->ops);
			rig->fail_at = 0;
			rig->chip.drop.count = 0;
			rig->look = NULL;

			KUNIT_ASSERT_EQ_MSG(test, watch.broken, 0, "%d, operation %u", how, at);
			if (!ret && !result) {
				KUNIT_ASSERT_EQ(test, rig->chip.nv.aspr, ASPR_PASSWORD_MODE);
				KUNIT_ASSERT_MEMEQ(test, rig->chip.nv.password, four_password,
						   ASP_PASSWORD_LEN);
			} else if (ret) {
				KUNIT_ASSERT_EQ(test, rig->chip.nv.aspr, ASP_ASPR_DEFAULT);
				KUNIT_ASSERT_MEMEQ(test, rig->chip.nv.password, four_blank,
						   ASP_PASSWORD_LEN);
			} else {
				KUNIT_ASSERT_EQ(test, result, -EIO);
			}
			KUNIT_ASSERT_GE(test, mtd_is_locked(rig->mtd, 0, SECTOR), 0);
			/* A write disable that fails or is lost leaves it enabled. */
			if (how < 2)
				KUNIT_ASSERT_STREQ(test, four_clean(rig, false) ?: "", "");
		}
	KUNIT_ASSERT_GT(test, ops, 10);
}

/* Power fails before any SPI operation and at any step inside the chip. */
static void power_fails(struct kunit *test)
{
	static const u32 nrs[] = {
		MTD_ASP_NV_LOCK, MTD_ASP_NV_ERASE, MTD_ASP_PASSWORD_PROGRAM, MTD_ASP_PASSWORD_MODE,
		MTD_ASP_NO_PASSWORD,
	};
	struct rig *rig = four_new(test, false);
	struct crtm_chip *chip = &rig->chip;
	struct mtd_asp_cmd cmd;
	u32 i, at, steps;
	bool cut;

	for (i = 0; i < ARRAY_SIZE(nrs); i++)
		for (steps = 0; steps < 2; steps++)
			for (cut = true, at = 1; cut; at++) {
				/* As it is stored: sectors 0 and 1 are locked. */
				four_set(rig, 0, 0, false);
				four_set_aspr(rig, ASP_ASPR_DEFAULT, four_blank);
				cmd = four_range(MTD_ASP_NV_LOCK, 0, 2);
				KUNIT_ASSERT_EQ(test, four_command(rig, &cmd), 0);
				KUNIT_ASSERT_EQ(test, chip->nv.nvlb[0], 0x3);

				cmd = nrs[i] == MTD_ASP_NV_LOCK ? four_range(nrs[i], 1, 3) :
				      (struct mtd_asp_cmd) { .cmd = nrs[i] };
				if (steps)
					chip->cut_in = at;
				else
					chip->cut_before = (struct crtm_chip_at) {
						.count = at, .any = true,
					};
				four_command(rig, &cmd);
				cut = !chip->v.on;
				chip->cut_in = 0;
				chip->cut_before.count = 0;
				crtm_chip_power_off(chip);
				crtm_chip_power_on(chip);

				if (nrs[i] != MTD_ASP_NV_ERASE)
					KUNIT_ASSERT_EQ(test, chip->nv.nvlb[0] & 0x3, 0x3);
				if (!(chip->nv.aspr & ASP_ASPR_PASSWORD)) {
					KUNIT_ASSERT_EQ(test, nrs[i], MTD_ASP_PASSWORD_MODE);
					KUNIT_ASSERT_MEMEQ(test, chip->nv.password, four_password,
							   ASP_PASSWORD_LEN);
				}
				if (!cut)
					KUNIT_ASSERT_EQ(test, cmd.result, 0);
				/* The driver finds a chip that works. */
				KUNIT_ASSERT_GE(test, mtd_is_locked(rig->mtd, 0, SECTOR), 0);
				KUNIT_ASSERT_STREQ(test, four_clean(rig, false) ?: "", "");
				KUNIT_ASSERT_LT(test, at, 1000);
			}
}

/* Each bit of the protection management register, over each value of it */
static void pmr_commands(struct kunit *test)
{
	static const u8 bits[] = {
		ASP_PMR_STATUS, ASP_PMR_PMR, ASP_PMR_NVLB, ASP_PMR_NV_ERASE,
	};
	struct rig *rig = four_new(test, true);
	int result, ret, i, k;
	u8 pmr;

	KUNIT_ASSERT_TRUE(test, rig_asp(rig)->marked);
	for (k = 0; k < 16; k++)
		for (i = 0; i < ARRAY_SIZE(bits); i++) {
			bool set, can;

			pmr = ASP_PMR_DEFAULT & ~((k & 8) << 1 | (k & 7));
			set = pmr & bits[i];
			can = pmr & ASP_PMR_PMR;
			four_set(rig, 0, 0, false);
			rig->chip.nv.pmr = pmr;
			ret = four_simple(rig, MTD_ASP_PMR_STATUS + i, &result);
			KUNIT_ASSERT_EQ(test, ret, set && !can ? -EACCES : 0);
			KUNIT_ASSERT_EQ(test, result, 0);
			KUNIT_ASSERT_EQ(test, rig->chip.nv.pmr, can ? pmr & ~bits[i] : pmr);
			KUNIT_ASSERT_STREQ(test, four_clean(rig, false) ?: "", "");
		}
}

/* Without the marker the register is neither read nor written. */
static void pmr_unmarked(struct kunit *test)
{
	struct rig *rig = four_new(test, false);
	int result;
	u32 nr;

	KUNIT_ASSERT_FALSE(test, rig_asp(rig)->marked);
	for (nr = MTD_ASP_PMR_STATUS; nr <= MTD_ASP_PMR_NV_ERASE; nr++)
		KUNIT_ASSERT_EQ(test, four_simple(rig, nr, &result), -EOPNOTSUPP);
	four_set(rig, 0, SR_BP(2), false);
	KUNIT_ASSERT_STREQ(test, agree(rig) ?: "", "");
	KUNIT_ASSERT_EQ(test, mtd_unlock(rig->mtd, 0, N * SECTOR), 0);
	KUNIT_ASSERT_EQ(test, four_simple(rig, MTD_ASP_NV_ERASE, &result), 0);
	KUNIT_ASSERT_EQ(test, rig_sent(rig, ASP_OP_RDPMR), 0);
	KUNIT_ASSERT_EQ(test, rig_sent(rig, ASP_OP_WRPMR), 0);
}

/* Probe and resume */

/* With MTD_SPI_NOR_SWP_DISABLE the core unlocks all: of these chips block protection. */
static void automatic_unlock(struct kunit *test)
{
	static const u8 writes[] = {
		ASP_OP_WRVLB, ASP_OP_WRVLB_4B, ASP_OP_WRNVLB, ASP_OP_ERNVLB, ASP_OP_WRFREEZE,
		ASP_OP_WRASPR, ASP_OP_WRPASS, ASP_OP_UNLOCK, ASP_OP_WRPMR,
	};
	struct rig *rig = rig_new(test, "mt25qu128-authenta");
	struct crtm_chip *chip = &rig->chip;
	u8 vlb[256], i;
	int round;

	/* A boot loader's: all four kinds, in turn, and one in a region */
	for (i = 0; i < 255; i++)
		chip->v.vlb[i] = i & 3;
	memcpy(vlb, chip->v.vlb, sizeof(vlb));
	chip->v.frozen = true;
	chip->nv.nvlb[1] = 0x5a;
	chip->nv.regions = 1;
	chip->nv.region[0] = (struct crtm_chip_region) { SZ_1M, SZ_64K };

	for (round = 0; round < 3; round++) {
		chip->nv.sr = SR_BP(round + 1) | SR_TB;
		if (!round) {
			rig_bind(rig, 0);
		} else {
			KUNIT_ASSERT_EQ(test, mtd_suspend(rig->mtd), 0);
			mtd_resume(rig->mtd);
		}
		KUNIT_ASSERT_EQ(test, chip->nv.sr & ~SR_TB, 0);
		KUNIT_ASSERT_MEMEQ(test, chip->v.vlb, vlb, sizeof(vlb));
		KUNIT_ASSERT_EQ(test, chip->nv.nvlb[1], 0x5a);
		KUNIT_ASSERT_TRUE(test, chip->v.frozen);
		for (i = 0; i < ARRAY_SIZE(writes); i++)
			KUNIT_ASSERT_EQ_MSG(test, rig_sent(rig, writes[i]), 0, "opcode %02x",
					    writes[i]);
		/* And the cache knows all of it. */
		for (i = 0; i < 255; i++)
			KUNIT_ASSERT_EQ(test, rig_asp(rig)->map[i], crtm_chip_locks(chip, i));
	}
}

/* What the chip lost in the meantime is set again. */
static void resume_restores(struct kunit *test)
{
	struct rig *rig = four_new(test, true);
	struct four_state before, after;
	u32 code;
	int frozen;

	for (code = 0; code < CODES; code += 7)
		for (frozen = 0; frozen < 2; frozen++) {
			four_set(rig, code, 0, frozen);
			KUNIT_ASSERT_GE(test, mtd_is_locked(rig->mtd, 0, N * SECTOR), 0);
			rig_asp(rig)->frozen = frozen;
			before = four_get(rig);
			KUNIT_ASSERT_EQ(test, mtd_suspend(rig->mtd), 0);
			memset(rig->chip.v.vlb, 0, N);
			rig->chip.v.frozen = false;
			mtd_resume(rig->mtd);
			after = four_get(rig);
			KUNIT_ASSERT_TRUE_MSG(test, four_same(&before, &after), "sectors %04o",
					      code);
			KUNIT_ASSERT_STREQ(test, four_clean(rig, true) ?: "", "");
		}
}

/* A sector that cannot be locked again after resume is named. */
static void resume_reports(struct kunit *test)
{
	struct rig *rig = four_new(test, false);

	four_set(rig, 01010, 0, false);
	KUNIT_ASSERT_EQ(test, mtd_is_locked(rig->mtd, 0, N * SECTOR), 0);
	rig_listen(rig);
	rig_forget();
	KUNIT_ASSERT_EQ(test, mtd_suspend(rig->mtd), 0);
	memset(rig->chip.v.vlb, 0, N);
	rig->chip.drop = (struct crtm_chip_at) { .count = 2, .op = ASP_OP_WRVLB };
	mtd_resume(rig->mtd);
	KUNIT_ASSERT_EQ(test, four_locked(rig, ASP_S_VOLATILE), BIT(1));
	KUNIT_ASSERT_NOT_NULL_MSG(test, strstr(rig_said, "0x00030000"), "%s", rig_said);
	KUNIT_ASSERT_NULL_MSG(test, strstr(rig_said, "0x00010000"), "%s", rig_said);
}

/* Other parts, other sizes */

/* One read a sector, and three operations for each that changes */
static void cost(struct kunit *test, const char *model, u32 n, u8 rd, u8 wr)
{
	struct rig *rig = rig_new(test, model);
	u32 i;

	rig_bind(rig, RIG_PROPERTY);
	KUNIT_ASSERT_NOT_NULL(test, rig_asp(rig));
	KUNIT_ASSERT_EQ(test, rig_asp(rig)->n_sectors, n);

	/* Every other one is locked. */
	for (i = 0; i < n; i += 2)
		rig->chip.v.vlb[i] = ASP_VLB_LOCK;
	rig_start(rig);
	KUNIT_ASSERT_EQ(test, mtd_lock(rig->mtd, 0, (u64)n * SECTOR), 0);
	KUNIT_ASSERT_EQ(test, rig->ops, n + 3 * (n / 2));
	KUNIT_ASSERT_EQ(test, rig_sent(rig, wr), n / 2);
	for (i = 0; i < n; i++)
		KUNIT_ASSERT_EQ(test, rig->chip.v.vlb[i], ASP_VLB_LOCK);

	rig_start(rig);
	KUNIT_ASSERT_EQ(test, mtd_lock(rig->mtd, 0, (u64)n * SECTOR), 0);
	KUNIT_ASSERT_EQ(test, rig->ops, n);
	KUNIT_ASSERT_EQ(test, rig->log[0], rd);

	/* The last sector alone */
	KUNIT_ASSERT_EQ(test, mtd_unlock(rig->mtd, (u64)(n - 1) * SECTOR, SECTOR), 0);
	for (i = 0; i < n; i++)
		KUNIT_ASSERT_EQ(test, rig->chip.v.vlb[i], i < n - 1 ? ASP_VLB_LOCK : 0);
	KUNIT_ASSERT_EQ(test, mtd_is_locked(rig->mtd, 0, (u64)n * SECTOR), 0);
	KUNIT_ASSERT_EQ(test, mtd_is_locked(rig->mtd, 0, (u64)(n - 1) * SECTOR), 1);
}

static void cost_3_bytes(struct kunit *test)
{
	cost(test, "mt25qu128-authenta", 256, ASP_OP_RDVLB, ASP_OP_WRVLB);
}

static void cost_4_bytes(struct kunit *test)
{
	cost(test, "mt25qu256", 512, ASP_OP_RDVLB_4B, ASP_OP_WRVLB_4B);
}

static void cost_4096_sectors(struct kunit *test)
{
	cost(test, "mt25qu02g", 4096, ASP_OP_RDVLB_4B, ASP_OP_WRVLB_4B);
}

/* Of four dies any may fail, and the next operation must not. */
static void four_dice(struct kunit *test)
{
	struct rig *rig = rig_new(test, "mt25qu02g");
	struct crtm_chip *chip = &rig->chip;
	u32 reads, last;
	size_t done;
	u8 byte = 0, die;
	u64 ofs;

	rig_bind(rig, RIG_PROPERTY);
	KUNIT_ASSERT_NOT_NULL(test, rig_asp(rig));
	KUNIT_ASSERT_EQ(test, rig_asp(rig)->dice, 4);

	for (die = 0; die < 4; die++) {
		ofs = (u64)die * ASP_DIE_SIZE;
		last = (u32)((ofs + ASP_DIE_SIZE) / SECTOR) - 1;
		chip->v.vlb[last] = ASP_VLB_LOCK;

		KUNIT_ASSERT_EQ(test, mtd_write(rig->mtd, (u64)last * SECTOR, 1, &done, &byte),
				-EIO);
		KUNIT_ASSERT_STREQ(test, four_clean(rig, false) ?: "", "");
		KUNIT_ASSERT_EQ(test, chip->array[last * SECTOR], 0xff);

		/* Ready is asked of each die, once. */
		reads = rig_sent(rig, 0x70);
		KUNIT_ASSERT_EQ(test, mtd_write(rig->mtd, ofs, 1, &done, &byte), 0);
		KUNIT_ASSERT_EQ(test, rig_sent(rig, 0x70) - reads, 4);
		KUNIT_ASSERT_EQ(test, chip->array[ofs], 0);
		KUNIT_ASSERT_STREQ(test, four_clean(rig, false) ?: "", "");
	}
}

/*
 * Parts without sector protection: what goes over the bus is what it was. The reads of a
 * configuration register (35h) are left out: the core of newer kernels has them, older has not.
 */

static void expect_log(struct kunit *test, struct rig *rig, const u8 *log, u32 n)
{
	u8 ops[RIG_LOG];
	u32 i, k = 0;

	for (i = 0; i < min_t(u32, rig->ops, RIG_LOG); i++)
		if (rig->log[i] != 0x35)
			ops[k++] = rig->log[i];
	KUNIT_ASSERT_EQ(test, k, n);
	KUNIT_ASSERT_MEMEQ(test, ops, log, n);
}

#define EXPECT_LOG(test, rig, ...) \
	expect_log(test, rig, (const u8 []) { __VA_ARGS__ }, \
		   sizeof((const u8 []) { __VA_ARGS__ }))

static void no_sector_protection(struct kunit *test, const char *model, const char *id,
				 unsigned int flags)
{
	static const u8 opcodes[] = {
		ASP_OP_RDASPR, ASP_OP_WRASPR, ASP_OP_RDVLB, ASP_OP_WRVLB, ASP_OP_RDVLB_4B,
		ASP_OP_WRVLB_4B, ASP_OP_RDNVLB, ASP_OP_WRNVLB, ASP_OP_ERNVLB, ASP_OP_RDFREEZE,
		ASP_OP_WRFREEZE, ASP_OP_RDPASS, ASP_OP_WRPASS, ASP_OP_UNLOCK, ASP_OP_RDPMR,
		ASP_OP_WRPMR,
	};
	struct rig *rig = rig_new(test, model);
	struct erase_info erase = { .len = SZ_4K };
	u8 byte = 0, program, erase_op, i;
	size_t done;
	u64 size;

	if (id)
		memcpy(rig->chip.id + 3, id, 3);
	rig->chip.nv.sr = SR_BP(1);
	rig_bind(rig, flags);
	KUNIT_ASSERT_PTR_EQ(test, rig_asp(rig), NULL);
	KUNIT_ASSERT_PTR_EQ(test, spi_nor_security(rig->nor)->asp, NULL);
	KUNIT_ASSERT_EQ(test, rig->chip.nv.sr, 0);
	size = rig->mtd->size;
	program = rig->nor->flags & SNOR_F_4B_OPCODES ? 0x12 : 0x02;
	erase_op = rig->nor->flags & SNOR_F_4B_OPCODES ? 0x21 : 0x20;

	/* Status register locking as ever, with its own rules: 128 KiB are no less whole. */
	rig_start(rig);
	KUNIT_ASSERT_EQ(test, mtd_lock(rig->mtd, size - 2 * SECTOR, 2 * SECTOR), 0);
	EXPECT_LOG(test, rig, 0x05, 0x06, 0x01, 0x05, 0x70, 0x05);
	rig_start(rig);
	KUNIT_ASSERT_EQ(test, mtd_is_locked(rig->mtd, size - SECTOR, SECTOR), 1);
	EXPECT_LOG(test, rig, 0x05);
	rig_start(rig);
	KUNIT_ASSERT_EQ(test, mtd_write(rig->mtd, size - SECTOR, 1, &done, &byte), -EIO);
	EXPECT_LOG(test, rig, 0x06, program, 0x05, 0x70, 0x50, 0x04);
	rig_start(rig);
	KUNIT_ASSERT_EQ(test, mtd_unlock(rig->mtd, 0, size), 0);
	EXPECT_LOG(test, rig, 0x05, 0x06, 0x01, 0x05, 0x70, 0x05);
	rig_start(rig);
	KUNIT_ASSERT_EQ(test, mtd_write(rig->mtd, 0, 1, &done, &byte), 0);
	EXPECT_LOG(test, rig, 0x06, program, 0x05, 0x70);
	rig_start(rig);
	KUNIT_ASSERT_EQ(test, mtd_erase(rig->mtd, &erase), 0);
	EXPECT_LOG(test, rig, 0x06, erase_op, 0x05, 0x70, 0x04);
	KUNIT_ASSERT_EQ(test, mtd_suspend(rig->mtd), 0);
	mtd_resume(rig->mtd);

	for (i = 0; i < ARRAY_SIZE(opcodes); i++)
		KUNIT_ASSERT_EQ_MSG(test, rig_sent(rig, opcodes[i]), 0, "opcode %02x", opcodes[i]);
}

/* Nobody has asked for it */
static void plain_mt25q(struct kunit *test)
{
	no_sector_protection(test, "mt25qu128-authenta", "\x10\x44\x00", 0);
}

/* N25Q never, whatever the property says */
static void plain_n25q(struct kunit *test)
{
	no_sector_protection(test, "mt25qu128-authenta", "\x10\x00\x00", RIG_PROPERTY);
}

/* An entry that does not name the flag status register: it is read with protection alone. */
static void without_fsr(struct kunit *test)
{
	struct rig *rig = rig_new(test, "mt25qu128-authenta");
	unsigned int flags;
	u8 byte = 0;
	size_t done;

	/* Found by its first three bytes, as N25Q064A */
	memcpy(rig->chip.id, "\x20\xbb\x17\x10\x44\x00", 6);
	for (flags = 0; flags <= RIG_PROPERTY; flags += RIG_PROPERTY) {
		rig_bind(rig, flags);
		KUNIT_ASSERT_EQ(test, !!rig_asp(rig), !!flags);
		rig_start(rig);
		KUNIT_ASSERT_EQ(test, mtd_write(rig->mtd, 0, 1, &done, &byte), 0);
		KUNIT_ASSERT_EQ(test, !!memchr(rig->log, 0x70, rig->ops), !!flags);
		rig_remove(rig);
	}
}

/* On a controller of plain transfers it works alike. */
static void plain_transfers(struct kunit *test)
{
	struct rig *rig = rig_new(test, "mt25qu128-authenta");

	rig_bind(rig, RIG_SPI);
	KUNIT_ASSERT_NOT_NULL(test, rig_asp(rig));
	KUNIT_ASSERT_EQ(test, mtd_lock(rig->mtd, 3 * SECTOR, 2 * SECTOR), 0);
	KUNIT_ASSERT_EQ(test, rig->chip.v.vlb[2], 0);
	KUNIT_ASSERT_EQ(test, rig->chip.v.vlb[3], ASP_VLB_LOCK);
	KUNIT_ASSERT_EQ(test, rig->chip.v.vlb[4], ASP_VLB_LOCK);
	KUNIT_ASSERT_EQ(test, rig->chip.v.vlb[5], 0);
	KUNIT_ASSERT_EQ(test, mtd_is_locked(rig->mtd, 3 * SECTOR, 2 * SECTOR), 1);
	KUNIT_ASSERT_EQ(test, mtd_is_locked(rig->mtd, 3 * SECTOR, 3 * SECTOR), 0);
	KUNIT_ASSERT_STREQ(test, four_clean(rig, false) ?: "", "");
}

/* A range that is not whole sectors: nothing is sent. */
static void whole_sectors(struct kunit *test)
{
	struct rig *rig = four_new(test, false);
	int i;

	KUNIT_ASSERT_EQ(test, rig->mtd->erasesize, SZ_4K);
	rig_start(rig);
	for (i = 1; i < 16; i++) {
		u64 off = i * SZ_4K;

		KUNIT_ASSERT_EQ(test, mtd_lock(rig->mtd, off, SECTOR), -EINVAL);
		KUNIT_ASSERT_EQ(test, mtd_unlock(rig->mtd, 0, off), -EINVAL);
		KUNIT_ASSERT_EQ(test, mtd_unlock(rig->mtd, SECTOR - off, off), -EINVAL);
	}
	KUNIT_ASSERT_EQ(test, rig->ops, 0);
}

static struct kunit_case asp_cases[] = {
	KUNIT_CASE_SLOW(states_with_regions),
	KUNIT_CASE_SLOW(states_without_regions),
	KUNIT_CASE_SLOW(lock_from_every_state),
	KUNIT_CASE_SLOW(unlock_from_every_state),
	KUNIT_CASE_SLOW(unlock_regions),
	KUNIT_CASE(lock_fails),
	KUNIT_CASE(unlock_fails),
	KUNIT_CASE_SLOW(lock_fails_twice),
	KUNIT_CASE_SLOW(unlock_fails_twice),
	KUNIT_CASE(lock_lost),
	KUNIT_CASE_SLOW(range_commands),
	KUNIT_CASE(range_fails),
	KUNIT_CASE(nv_erase),
	KUNIT_CASE(password_commands),
	KUNIT_CASE(password_fails),
	KUNIT_CASE(power_fails),
	KUNIT_CASE(pmr_commands),
	KUNIT_CASE(pmr_unmarked),
	KUNIT_CASE(automatic_unlock),
	KUNIT_CASE(resume_restores),
	KUNIT_CASE(resume_reports),
	KUNIT_CASE(cost_3_bytes),
	KUNIT_CASE(cost_4_bytes),
	KUNIT_CASE(cost_4096_sectors),
	KUNIT_CASE(four_dice),
	KUNIT_CASE(plain_mt25q),
	KUNIT_CASE(plain_n25q),
	KUNIT_CASE(without_fsr),
	KUNIT_CASE(plain_transfers),
	KUNIT_CASE(whole_sectors),
	{}
};

static struct kunit_suite asp_suite = {
	.name = "asp",
	.test_cases = asp_cases,
};

kunit_test_suite(asp_suite);
