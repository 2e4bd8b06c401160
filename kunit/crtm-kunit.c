// SPDX-License-Identifier: GPL-2.0-only
/*
 * A-CRTM: what the chip says is taken only as far as it goes.
 */
#include <kunit/test.h>
#include <linux/mtd/crtm-commands.h>
#include <linux/string.h>
#include <linux/unaligned.h>

#include "../crtm.h"

#define REGIONS		3
#define INFO_LEN(n)	(CRTM_INFO_OFF_REGION + (n) * CRTM_INFO_REGION_LEN)

/* A payload of command 48 that ends before its regions do is no payload. */
static void info_regions(struct kunit *test)
{
	struct spi_nor_crtm_region region[SPI_NOR_CRTM_MAX_REGIONS];
	u8 info[INFO_LEN(SPI_NOR_CRTM_MAX_REGIONS + 1)];
	u32 i;

	memset(info, 0xa5, sizeof(info));
	info[CRTM_INFO_OFF_REGIONS] = REGIONS;
	for (i = 0; i < REGIONS; i++) {
		put_unaligned_be32(0x1000000 + i, info + INFO_LEN(i));
		put_unaligned_be32(0x20000 + i, info + INFO_LEN(i) + 4);
	}

	for (i = 0; i < INFO_LEN(REGIONS); i++)
		KUNIT_EXPECT_EQ_MSG(test, micron_st_nor_crtm_regions(info, i, region), -EIO,
				    "%u bytes", i);
	KUNIT_EXPECT_EQ(test, micron_st_nor_crtm_regions(info, INFO_LEN(REGIONS), region),
			REGIONS);
	for (i = 0; i < REGIONS; i++) {
		KUNIT_EXPECT_EQ(test, region[i].addr, 0x1000000 + i);
		KUNIT_EXPECT_EQ(test, region[i].len, 0x20000 + i);
	}

	info[CRTM_INFO_OFF_REGIONS] = 0;
	KUNIT_EXPECT_EQ(test, micron_st_nor_crtm_regions(info, INFO_LEN(0), region), 0);
	info[CRTM_INFO_OFF_REGIONS] = SPI_NOR_CRTM_MAX_REGIONS;
	KUNIT_EXPECT_EQ(test, micron_st_nor_crtm_regions(info, sizeof(info), region),
			SPI_NOR_CRTM_MAX_REGIONS);
	/* All there, but more than anybody has room for */
	info[CRTM_INFO_OFF_REGIONS] = SPI_NOR_CRTM_MAX_REGIONS + 1;
	KUNIT_EXPECT_EQ(test, micron_st_nor_crtm_regions(info, sizeof(info), region), -EIO);
	info[CRTM_INFO_OFF_REGIONS] = 0xff;
	KUNIT_EXPECT_EQ(test, micron_st_nor_crtm_regions(info, sizeof(info), region), -EIO);
}

static struct kunit_case crtm_cases[] = {
	KUNIT_CASE(info_regions),
	{}
};

static struct kunit_suite crtm_suite = {
	.name = "crtm",
	.test_cases = crtm_cases,
};

kunit_test_suite(crtm_suite);
