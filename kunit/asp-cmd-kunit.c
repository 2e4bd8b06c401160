// SPDX-License-Identifier: GPL-2.0-only
/*
 * Sector protection: what can be told of passwords without the chip.
 */
#include <kunit/test.h>
#include <linux/string.h>

#include "../asp.h"

static void passwords(struct kunit *test)
{
	static const u8 base[ASP_PASSWORD_LEN] = { 0x01, 0x80, 0xff, 0x00, 0x5a, 0xa5, 0x0f, 0xf0 };
	u8 other[ASP_PASSWORD_LEN];
	int bit;

	KUNIT_EXPECT_TRUE(test, micron_st_nor_asp_password_equal(base, base));
	KUNIT_EXPECT_TRUE(test, micron_st_nor_asp_password_fits(base, base));
	for (bit = 0; bit < 8 * ASP_PASSWORD_LEN; bit++) {
		memcpy(other, base, sizeof(other));
		other[bit / 8] ^= 1 << bit % 8;
		KUNIT_EXPECT_FALSE(test, micron_st_nor_asp_password_equal(base, other));
		/* Programming clears bits: over a 1 there fits a 0, not the other way. */
		KUNIT_EXPECT_EQ(test, micron_st_nor_asp_password_fits(base, other),
				!!(base[bit / 8] & 1 << bit % 8));
		KUNIT_EXPECT_EQ(test, micron_st_nor_asp_password_fits(other, base),
				!(base[bit / 8] & 1 << bit % 8));
	}
}

static struct kunit_case asp_cmd_cases[] = {
	KUNIT_CASE(passwords),
	{}
};

static struct kunit_suite asp_cmd_suite = {
	.name = "asp-cmd",
	.test_cases = asp_cmd_cases,
};

kunit_test_suite(asp_cmd_suite);
