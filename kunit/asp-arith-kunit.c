// SPDX-License-Identifier: GPL-2.0-only
/*
 * Sector protection: the arithmetic. Ranges to sectors, states to answers.
 */
#include <kunit/test.h>
#include <linux/limits.h>
#include <linux/sizes.h>
#include <linux/string.h>

#include "../asp.h"

#define STATES	32	/* of a sector */

static void expect_range(struct kunit *test, u32 n, u32 first, u32 nr)
{
	loff_t ofs = (loff_t)first * SZ_64K;
	u64 len = (u64)nr * SZ_64K;
	u32 f = U32_MAX, k = U32_MAX;
	static const s64 off[] = { -SZ_32K, -SZ_4K, -1, 1, SZ_4K, SZ_32K };
	int i;

	KUNIT_EXPECT_EQ(test, micron_st_nor_asp_range(n, ofs, len, &f, &k), 0);
	KUNIT_EXPECT_EQ(test, f, first);
	KUNIT_EXPECT_EQ(test, k, nr);

	for (i = 0; i < ARRAY_SIZE(off); i++) {
		KUNIT_EXPECT_EQ(test, micron_st_nor_asp_range(n, ofs + off[i], len, &f, &k),
				-EINVAL);
		KUNIT_EXPECT_EQ(test, micron_st_nor_asp_range(n, ofs, len + off[i], &f, &k),
				-EINVAL);
		/* The end stays on a sector's bound. */
		KUNIT_EXPECT_EQ(test, micron_st_nor_asp_range(n, ofs + off[i], len - off[i],
							      &f, &k), -EINVAL);
	}
	/* One sector too many, at either end */
	KUNIT_EXPECT_EQ(test, micron_st_nor_asp_range(first + nr - 1, ofs, len, &f, &k), -EINVAL);
	KUNIT_EXPECT_EQ(test, micron_st_nor_asp_range(n, ofs - (u64)(first + 1) * SZ_64K, len,
						      &f, &k), -EINVAL);
	KUNIT_EXPECT_EQ(test, micron_st_nor_asp_range(n, ofs, 0, &f, &k), -EINVAL);
}

/* 3-byte parts up to 256 sectors, 4-byte ones up to 4096 */
static void range_sectors(struct kunit *test)
{
	static const u32 sizes[] = { 1, 4, 64, 256, 512, 1024, 4096 };
	static const u32 at[] = { 0, 1, 2, 127, 255, 256, 1023, 1024 };
	u32 i, a, n, first;

	for (first = 0; first < 16; first++)
		for (n = 1; n <= 16 - first; n++)
			expect_range(test, 16, first, n);

	for (i = 0; i < ARRAY_SIZE(sizes); i++) {
		n = sizes[i];
		for (a = 0; a < ARRAY_SIZE(at) && at[a] < n; a++) {
			expect_range(test, n, at[a], 1);
			expect_range(test, n, at[a], n - at[a]);
			expect_range(test, n, n - at[a] - 1, at[a] + 1);
			expect_range(test, n, n - at[a] - 1, 1);
		}
	}
}

/* What no sum or product may let pass */
static void range_overflow(struct kunit *test)
{
	static const u64 vals[] = {
		0, SZ_64K, SZ_256M, SZ_256M + SZ_64K, 1ull << 31, 1ull << 32,
		(1ull << 32) + SZ_64K, 1ull << 48, S64_MAX, S64_MAX - 0xffff, 1ull << 63,
		-(u64)SZ_256M, -(u64)SZ_64K, U64_MAX,
	};
	u32 i, k, first, nr;

	for (i = 0; i < ARRAY_SIZE(vals); i++)
		for (k = 0; k < ARRAY_SIZE(vals); k++) {
			/* 64 KiB and 256 MiB, at 0 or behind it, are all there is inside. */
			bool inside = (vals[i] == 0 && (vals[k] == SZ_64K || vals[k] == SZ_256M)) ||
				      (vals[i] == SZ_64K && vals[k] == SZ_64K);

			KUNIT_EXPECT_EQ_MSG(test, inside ? 0 : -EINVAL,
					    micron_st_nor_asp_range(4096, vals[i], vals[k],
								    &first, &nr),
					    "0x%llx+0x%llx", vals[i], vals[k]);
		}
	KUNIT_EXPECT_EQ(test, micron_st_nor_asp_range(0, 0, SZ_64K, &first, &nr), -EINVAL);
}

static bool has(u8 state, u8 bits)
{
	return state & bits;
}

static void locked_states(struct kunit *test)
{
	u8 map[4];
	u8 s, at;

	for (s = 0; s < STATES; s++) {
		bool locked = has(s, ASP_S_VOLATILE) || has(s, ASP_S_NON_VOLATILE) ||
			      has(s, ASP_S_BLOCK) || has(s, ASP_S_REGION);

		for (at = 0; at < 4; at++) {
			u8 first, nr;

			memset(map, ASP_S_VOLATILE, sizeof(map));
			map[at] = s;
			for (first = 0; first < 4; first++)
				for (nr = 1; nr <= 4 - first; nr++) {
					bool all = locked || at < first || at >= first + nr;

					KUNIT_EXPECT_EQ_MSG(test, all,
							    micron_st_nor_asp_all_locked(map, first,
											 nr),
							    "state %02x at %u of %u+%u", s, at,
							    first, nr);
				}
		}
	}
}

/* Every state against the table of the decisions */
static void plan_states(struct kunit *test)
{
	u8 s;

	for (s = 0; s < STATES; s++) {
		bool set = has(s, ASP_S_VOLATILE);
		bool down = has(s, ASP_S_LOCK_DOWN);
		bool stuck = has(s, ASP_S_NON_VOLATILE) || has(s, ASP_S_REGION);
		int lock = set ? 0 : down ? -EACCES : 1;
		int unlock = stuck || (set && down) ? -EACCES : set;

		KUNIT_EXPECT_EQ_MSG(test, micron_st_nor_asp_plan(s, true), lock, "%02x", s);
		KUNIT_EXPECT_EQ_MSG(test, micron_st_nor_asp_plan(s, false), unlock, "%02x", s);
	}
}

static void block_states(struct kunit *test)
{
	u8 map[8];
	u32 first, nr, i;

	for (first = 0; first < 8; first++)
		for (nr = 0; nr <= 8 - first; nr++) {
			/* Half of them were locked, and all else stays. */
			for (i = 0; i < 8; i++)
				map[i] = (i & 1 ? ASP_S_BLOCK : 0) | (i & 7);
			micron_st_nor_asp_set_block(map, 8, (loff_t)first * SZ_64K,
						    (u64)nr * SZ_64K);
			for (i = 0; i < 8; i++)
				KUNIT_EXPECT_EQ_MSG(test, map[i], (i & 7) |
						    (i >= first && i < first + nr ?
						     ASP_S_BLOCK : 0),
						    "%u of %u+%u", i, first, nr);
		}
}

static void fsr_of_dice(struct kunit *test)
{
	int a, b;

	for (a = 0; a < 256; a++)
		for (b = 0; b < 256; b++)
			KUNIT_EXPECT_EQ(test, micron_st_nor_asp_add_fsr(a, b),
					((a | b) & 0x7f) | (a & b & 0x80));
}

/* What locks a sector is its letter, in upper case with lock-down. */
static void drawn_states(struct kunit *test)
{
	static const struct {
		u8 bit;
		char lower;
		char upper;
	} letters[] = {
		{ ASP_S_VOLATILE, 'v', 'V' },
		{ ASP_S_NON_VOLATILE, 'n', 'N' },
		{ ASP_S_BLOCK, 'b', 'B' },
		{ ASP_S_REGION, 'r', 'R' },
	};
	u8 s, i, n;

	for (s = 0; s < STATES; s++) {
		bool down = has(s, ASP_S_LOCK_DOWN);
		char want = down ? 'd' : '.';

		for (i = 0, n = 0; i < ARRAY_SIZE(letters); i++) {
			if (!has(s, letters[i].bit))
				continue;
			want = down ? letters[i].upper : letters[i].lower;
			n++;
		}
		KUNIT_EXPECT_EQ_MSG(test, micron_st_nor_asp_char(s), n > 1 ? '*' : want,
				    "%02x", s);
	}
}

/* A power of two of sectors at one end of the chip, or all, or none */
static bool expressible(u32 n, u32 sectors)
{
	u32 all = BIT(n) - 1, k;

	if (!sectors || sectors == all)
		return true;
	for (k = 1; k < n; k *= 2)
		if (sectors == BIT(k) - 1 || sectors == (all & ~(BIT(n - k) - 1)))
			return true;
	return false;
}

/* Every range that touches what block protection locks, @k sectors from @at of @n */
static void expect_without(struct kunit *test, u32 n, u32 at, u32 k)
{
	u32 area = (BIT(k) - 1) << at, first, nr, range;
	bool can;

	for (first = 0; first < n; first++)
		for (nr = 1; nr <= n - first; nr++) {
			range = (BIT(nr) - 1) << first;
			if (!(area & range))
				continue;
			can = micron_st_nor_asp_bp_can(n * SZ_64K, at * SZ_64K, k * SZ_64K,
						       first * SZ_64K, nr * SZ_64K);
			KUNIT_EXPECT_EQ_MSG(test, can, expressible(n, area & ~range),
					    "%u: %u+%u without %u+%u", n, at, k, first, nr);
		}
}

static void block_without(struct kunit *test)
{
	u32 n, k;

	for (n = 4; n <= 16; n *= 2)
		for (k = 1; k <= n; k *= 2) {
			expect_without(test, n, 0, k);
			expect_without(test, n, n - k, k);
		}
}

static struct kunit_case asp_arith_cases[] = {
	KUNIT_CASE(range_sectors),
	KUNIT_CASE(range_overflow),
	KUNIT_CASE(locked_states),
	KUNIT_CASE(plan_states),
	KUNIT_CASE(block_states),
	KUNIT_CASE(block_without),
	KUNIT_CASE(fsr_of_dice),
	KUNIT_CASE(drawn_states),
	{}
};

static struct kunit_suite asp_arith_suite = {
	.name = "asp-arith",
	.test_cases = asp_arith_cases,
};

kunit_test_suite(asp_arith_suite);
