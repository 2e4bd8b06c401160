// SPDX-License-Identifier: GPL-2.0-only
/*
 * Micron Authenta flash: parts whose security engine takes 9Bh and 96h.
 */
#include <linux/device.h>
#include <linux/mtd/spi-nor.h>

#include "asp.h"
#include "crtm.h"

/*
 * A refused block may leave error bits and, with them, the write enable latch
 * set; the next write would fail for what it did not do.
 */
static void micron_st_nor_crtm_clear_errors(struct spi_nor *nor)
{
	if (micron_st_nor_asp_read_fsr(nor, nor->bouncebuf) ||
	    nor->bouncebuf[0] & MT25Q_FSR_ERRORS)
		micron_st_nor_clear_fsr(nor);
}

/*
 * What MTD needs of an Authenta part stands in its table entry, for it must bind
 * the same whatever its SFDP looks like. So SFDP is parsed on the side, for the
 * sake of its JESD260 table, and everything else that it says is dropped.
 */
static struct spi_nor_crtm *micron_st_nor_crtm_parse_sfdp(struct spi_nor *nor)
{
	struct spi_nor_flash_parameter params = *nor->params;
	enum spi_nor_cmd_ext cmd_ext_type = nor->cmd_ext_type;
	struct spi_nor_crtm *crtm = NULL;
	u32 flags = nor->flags;

	if (!spi_nor_parse_sfdp(nor) && nor->params->size == params.size)
		crtm = nor->params->crtm;

	*nor->params = params;
	nor->cmd_ext_type = cmd_ext_type;
	nor->flags = flags;

	return crtm;
}

/**
 * micron_st_nor_crtm_late_init() - set up the security commands of a part
 * @nor: the flash, of Micron or ST
 * @authenta: the ID bytes read from it are those of an Authenta part
 *
 * On any other part of this vendor 9Bh and 96h are interface activation, on-chip
 * CRC and a register read, whatever SFDP may say; so those get no commands.
 */
void micron_st_nor_crtm_late_init(struct spi_nor *nor, bool authenta)
{
	struct spi_nor_crtm *crtm;

	nor->params->crtm = NULL;
	if (!authenta)
		return;

	/* What default_init() does for parts that don't skip SFDP. */
	nor->flags &= ~SNOR_F_HAS_16BIT_SR;
	nor->params->quad_enable = NULL;
	/* 35h, which reads a configuration register elsewhere, leaves 1-1-1 here. */
	nor->flags |= SNOR_F_NO_READ_CR;

	crtm = micron_st_nor_crtm_parse_sfdp(nor);
	if (!crtm)
		return;

	crtm->clear_errors = micron_st_nor_crtm_clear_errors;
	if (micron_st_nor_crtm_attach(nor, crtm))
		return;
	nor->params->crtm = crtm;
}
