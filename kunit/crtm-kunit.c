// SPDX-License-Identifier: GPL-2.0-only
/*
 * A-CRTM: what the chip says is taken only as far as it goes.
 */
#include <kunit/test.h>
#include <linux/err.h>
#include <linux/limits.h>
#include <linux/mtd/crtm-commands.h>
#include <linux/mtd/mtd.h>
#include <linux/sizes.h>
#include <linux/spi/spi.h>
#include <linux/string.h>

#include "../asp.h"
#include "../crtm.h"
#include "rig.h"

#define REGIONS		3
#define INFO_LEN(n)	(CRTM_INFO_OFF_REGION + (n) * CRTM_INFO_REGION_LEN)

/* A payload of command 48 that ends before its regions do is no payload. */
static void info_regions(struct kunit *test)
{
	struct spi_nor_crtm_region region[SPI_NOR_CRTM_MAX_REGIONS];
	u8 info[INFO_LEN(SPI_NOR_CRTM_MAX_REGIONS + 1)];
	__be32 range[2];
	u32 i;

	memset(info, 0xa5, sizeof(info));
	info[CRTM_INFO_OFF_REGIONS] = REGIONS;
	for (i = 0; i < REGIONS; i++) {
		range[0] = cpu_to_be32(0x1000000 + i);
		range[1] = cpu_to_be32(0x20000 + i);
		memcpy(info + INFO_LEN(i), range, sizeof(range));
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

/* Regions to the states of sectors */
static void region_states(struct kunit *test)
{
	static const struct spi_nor_crtm_region good[] = {
		{ SZ_64K, SZ_64K }, { 3 * SZ_64K, 2 * SZ_64K },
	};
	static const u8 want[] = { 0, 1, 0, 1, 1, 0, 0, 0 };
	static const struct spi_nor_crtm_region bad[] = {
		{ 0, 0 }, { 8 * SZ_64K, SZ_64K }, { 7 * SZ_64K, 2 * SZ_64K }, { 0, 9 * SZ_64K },
		{ 0xffff0000, SZ_64K }, { 0xffff0000, 2 * SZ_64K }, { SZ_64K, 0xffff0000 },
		{ 0, U32_MAX }, { U32_MAX, U32_MAX },
	};
	u8 map[8];
	u32 i, k;

	/* What was there and is not told any more goes; other bits stay. */
	memset(map, ASP_S_REGION | ASP_S_VOLATILE, sizeof(map));
	KUNIT_EXPECT_EQ(test, micron_st_nor_asp_set_regions(map, 8, good, ARRAY_SIZE(good)), 0);
	for (i = 0; i < 8; i++)
		KUNIT_EXPECT_EQ(test, map[i], ASP_S_VOLATILE | (want[i] ? ASP_S_REGION : 0));

	/* One outside the chip: nothing changes. */
	for (k = 0; k < ARRAY_SIZE(bad); k++) {
		struct spi_nor_crtm_region list[] = { { 0, SZ_64K }, bad[k] };

		KUNIT_EXPECT_EQ_MSG(test, micron_st_nor_asp_set_regions(map, 8, list, 2), -EIO,
				    "0x%x+0x%x", bad[k].addr, bad[k].len);
	}
	for (i = 0; i < 8; i++)
		KUNIT_EXPECT_EQ(test, map[i], ASP_S_VOLATILE | (want[i] ? ASP_S_REGION : 0));

	KUNIT_EXPECT_EQ(test, micron_st_nor_asp_set_regions(map, 8, NULL, 0), 0);
	for (i = 0; i < 8; i++)
		KUNIT_EXPECT_EQ(test, map[i], ASP_S_VOLATILE);
}

/* The device goes while somebody has it open: his stays, out of the way. */
static void unbound_in_use(struct kunit *test)
{
	struct rig *rig = rig_new(test, "mt25qu128-authenta");
	struct mtd_info *mtd;
	size_t retlen;
	u8 byte;

	rig_bind(rig, 0);
	mtd = get_mtd_device(NULL, rig->mtd->index);
	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, mtd);
	KUNIT_EXPECT_PTR_EQ(test, mtd, rig->mtd);
	KUNIT_EXPECT_PTR_EQ(test, mtd->dev.parent, &rig->spi->dev);
	KUNIT_EXPECT_EQ(test, mtd_read(mtd, 0, 1, &retlen, &byte), 0);

	spi_unregister_device(rig->spi);
	KUNIT_EXPECT_NULL(test, mtd->dev.parent);
	KUNIT_EXPECT_TRUE(test, device_is_registered(&mtd->dev));
	KUNIT_EXPECT_EQ(test, mtd_read(mtd, 0, 1, &retlen, &byte), -ENODEV);
	KUNIT_EXPECT_PTR_EQ(test, get_mtd_device(NULL, mtd->index), ERR_PTR(-ENODEV));
	put_mtd_device(mtd);
}

static struct kunit_case crtm_cases[] = {
	KUNIT_CASE(info_regions),
	KUNIT_CASE(region_states),
	KUNIT_CASE(unbound_in_use),
	{}
};

static struct kunit_suite crtm_suite = {
	.name = "crtm",
	.test_cases = crtm_cases,
};

kunit_test_suite(crtm_suite);
