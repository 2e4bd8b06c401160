// SPDX-License-Identifier: GPL-2.0-only
/*
 * Micron Authenta flash: JESD260 and A-CRTM commands.
 */
#include <linux/build_bug.h>
#include <linux/device.h>
#include <linux/mtd/crtm-commands.h>
#include <linux/string.h>

#include "asp.h"
#include "crtm.h"

static const struct crtm_command micron_st_nor_crtm_commands[] = {
	CRTM_COMMANDS(SPI_NOR_CRTM_COMMAND)
};

/* What a vendor's table may ask for as well: a bounded hold, and the bounce buffer. */
#define BOUNDED_AND(_type, _sym, _name, _class, _flags, _min, _max, _resp, _addr, _len,	\
		    _unit, _limit, _rsvd, _nrsvd, _typ_us, _max_us, ...)			\
	(_max_us) <= SPI_NOR_CRTM_HOLD_MS * 1000 && (_max) <= SPI_NOR_CRTM_MAX_LEN &&	\
	(_resp) <= SPI_NOR_CRTM_MAX_LEN &&
static_assert(CRTM_COMMANDS(BOUNDED_AND) true,
	      "CRTM_COMMANDS: a command that is too long, or keeps the flash too long");

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

/* Sector protection keeps a map of what is locked, regions included. */
static void micron_st_nor_crtm_done(struct spi_nor *nor, const struct crtm_xfer *xfer)
{
	const struct crtm_command *cmd = xfer->cmd;

	if (cmd->type == CRTM_PROTECT && xfer->status == RPMC_STATUS_SUCCESS)
		micron_st_nor_asp_region(nor, spi_nor_crtm_be32(xfer->in + cmd->addr),
					 spi_nor_crtm_be32(xfer->in + cmd->len),
					 xfer->in[CRTM_OFF_MODE] == CRTM_PROTECT_ADD);
}

/**
 * micron_st_nor_marked() - does the chip carry the marker of the reference set?
 * @nor: the flash, its SFDP parsed if it ever will be
 *
 * Return: true if it does. No real part has it: what it guards could do anything
 * there.
 */
bool micron_st_nor_marked(const struct spi_nor *nor)
{
	const u8 *marker = spi_nor_sfdp_find(nor->sfdp, CRTM_MARKER_ID, CRTM_MARKER_LEN);

	return marker && !memcmp(marker, CRTM_MARKER, CRTM_MARKER_LEN);
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
 *
 * The reference numbering is ours and could do anything on a real part. It is
 * enabled only where SFDP carries the marker that no real part has.
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

	if (!CRTM_REFERENCE || micron_st_nor_marked(nor)) {
		crtm->crtm = micron_st_nor_crtm_commands;
		crtm->n_crtm = ARRAY_SIZE(micron_st_nor_crtm_commands);
	}
	crtm->clear_errors = micron_st_nor_crtm_clear_errors;
	crtm->done = micron_st_nor_crtm_done;
	nor->params->crtm = crtm;
}
