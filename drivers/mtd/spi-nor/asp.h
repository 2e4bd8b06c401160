/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Advanced Sector Protection of Micron's MT25Q (micron-st-asp.c).
 */
#ifndef __LINUX_MTD_SPI_NOR_ASP_H
#define __LINUX_MTD_SPI_NOR_ASP_H

#include <linux/bits.h>
#include <linux/mtd/asp.h>
#include <linux/mtd/spi-nor.h>
#include <linux/types.h>

#include "core.h"
#include "crtm.h"

/* Flag status register: ready; erase, program, protection error */
#define MT25Q_FSR_READY		BIT(7)
#define MT25Q_FSR_ERRORS	(BIT(5) | BIT(4) | BIT(1))

/**
 * struct spi_nor_asp - sector protection of one flash
 * @bp: locking by the block protection bits, the core's own
 * @map: what is known of each sector, ASP_S_*; under the flash's lock
 * @changed: bit a sector, scratch of one operation; under the flash's lock
 * @n_sectors: number of sectors
 * @dice: dies of a stacked part, whose flag status registers are read one by one
 * @addr_nbytes: of the volatile lock bits' opcodes: 3, or 4 (E0h and E1h)
 * @marked: the chip is known to have the opcodes that are not public for MT25Q:
 *	their one-time bits may be written
 * @frozen: the global freeze bit as last seen
 * @regions: the chip told its A-CRTM regions
 * @seen: all was read once, regions too; before that @map says too little
 * @lost: sectors found to have lost volatile bits, not reported yet; under the
 *	flash's lock
 * @first_lost: the first of them
 * @unsettled: something that takes its time was sent and the chip was not seen
 *	ready since; under the flash's lock
 */
struct spi_nor_asp {
	const struct spi_nor_locking_ops *bp;
	u8 *map;
	unsigned long *changed;
	u32 n_sectors;
	u8 dice;
	u8 addr_nbytes;
	bool marked;
	bool frozen;
	bool regions;
	bool seen;
	bool unsettled;
	u32 lost;
	u32 first_lost;
};

/* Arithmetic, apart from I/O */
int micron_st_nor_asp_range(u32 n_sectors, loff_t ofs, u64 len, u32 *first, u32 *nr);
bool micron_st_nor_asp_all_locked(const u8 *map, u32 first, u32 nr);
int micron_st_nor_asp_plan(u8 state, bool lock);
void micron_st_nor_asp_set_block(u8 *map, u32 n_sectors, loff_t ofs, u64 len);
int micron_st_nor_asp_set_regions(u8 *map, u32 n_sectors,
				  const struct spi_nor_crtm_region *region, u32 nr);
bool micron_st_nor_asp_bp_can(u64 size, loff_t bp_ofs, u64 bp_len, loff_t ofs, u64 len);
u8 micron_st_nor_asp_add_fsr(u8 sum, u8 fsr);
char micron_st_nor_asp_char(u8 state);

/* For any part; without params->asp they do nothing */
void micron_st_nor_asp_late_init(struct spi_nor *nor, bool authenta);
void micron_st_nor_asp_register(struct spi_nor *nor);
void micron_st_nor_asp_resume(struct spi_nor *nor);
void micron_st_nor_asp_explain(struct spi_nor *nor, loff_t ofs, u64 len);
void micron_st_nor_asp_region(struct spi_nor *nor, u32 addr, u32 len, bool add);
int micron_st_nor_asp_read_fsr(struct spi_nor *nor, u8 *fsr);

/* micron-st.c */
int micron_st_nor_read_fsr(struct spi_nor *nor, u8 *fsr);
void micron_st_nor_clear_fsr(struct spi_nor *nor);

/* micron-st-asp-cmd.c */
extern const struct mtd_asp_ops micron_st_nor_asp_ops;
int micron_st_nor_asp_begin(struct spi_nor *nor);
bool micron_st_nor_asp_password_equal(const u8 *a, const u8 *b);
bool micron_st_nor_asp_password_fits(const u8 *held, const u8 *wanted);

#endif /* __LINUX_MTD_SPI_NOR_ASP_H */
