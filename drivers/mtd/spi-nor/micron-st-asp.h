/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Sector protection of Micron's MT25Q: what micron-st-asp-cmd.c takes from
 * micron-st-asp.c. All but hold() with the flash's lock held.
 */
#ifndef __LINUX_MTD_SPI_NOR_MICRON_ST_ASP_H
#define __LINUX_MTD_SPI_NOR_MICRON_ST_ASP_H

#include <linux/mtd/spi-nor.h>
#include <linux/types.h>

#include "asp.h"

#define ASP_VLB_BITS		(ASP_VLB_LOCK | ASP_VLB_DOWN)

enum asp_op {
	ASP_RD_VLB,
	ASP_WR_VLB,
	ASP_RD_VLB_4B,
	ASP_WR_VLB_4B,
	ASP_RD_NVLB,
	ASP_WR_NVLB,
	ASP_ER_NVLB,
	ASP_RD_FREEZE,
	ASP_WR_FREEZE,
	ASP_RD_ASPR,
	ASP_WR_ASPR,
	ASP_RD_PASSWORD,
	ASP_WR_PASSWORD,
	ASP_UNLOCK,
	ASP_RD_PMR,
	ASP_WR_PMR,
};

static inline u32 asp_addr(u32 sector)
{
	return sector * ASP_SECTOR_SIZE;
}

int micron_st_nor_asp_hold(struct spi_nor *nor, unsigned int *noio);
void micron_st_nor_asp_release(struct spi_nor *nor, unsigned int noio);

int micron_st_nor_asp_exec(struct spi_nor *nor, enum asp_op nr, u32 addr);
void micron_st_nor_asp_clear_errors(struct spi_nor *nor);
int micron_st_nor_asp_set_vlb(struct spi_nor *nor, u32 sector, u8 vlb);
int micron_st_nor_asp_read_nvlb(struct spi_nor *nor, u32 sector);
int micron_st_nor_asp_read_sector(struct spi_nor *nor, u32 sector, bool nv);
int micron_st_nor_asp_read_sectors(struct spi_nor *nor, u32 first, u32 nr, bool nv);
int micron_st_nor_asp_read_pmr(struct spi_nor *nor, u8 *pmr);
int micron_st_nor_asp_read_chip(struct spi_nor *nor, u8 *sr, loff_t *ofs, u64 *len);
int micron_st_nor_asp_is_there(struct spi_nor *nor);
int micron_st_nor_asp_read_frozen(struct spi_nor *nor);
int micron_st_nor_asp_freeze(struct spi_nor *nor);

#endif /* __LINUX_MTD_SPI_NOR_MICRON_ST_ASP_H */
