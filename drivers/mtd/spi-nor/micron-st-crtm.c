// SPDX-License-Identifier: GPL-2.0-only
/*
 * Micron Authenta flash: the A-CRTM commands of <linux/mtd/crtm-commands.h>.
 */
#include <linux/build_bug.h>
#include <linux/device.h>
#include <linux/errno.h>
#include <linux/ktime.h>
#include <linux/mtd/crtm-commands.h>
#include <linux/slab.h>
#include <linux/string.h>

#include "asp.h"
#include "crtm.h"

static const struct crtm_command micron_st_nor_crtm_commands[] = {
	CRTM_COMMANDS(SPI_NOR_CRTM_COMMAND)
};

static_assert(CRTM_COMMANDS(CRTM_SOUND_AND) true, "CRTM_COMMANDS: a field outside of its block");

/* What a vendor's table may ask for as well: a bounded hold, and the bounce buffer. */
#define BOUNDED_AND(_type, _sym, _name, _class, _flags, _min, _max, _resp, _addr, _len,	\
		    _unit, _limit, _rsvd, _nrsvd, _typ_us, _max_us, ...)			\
	(_max_us) <= SPI_NOR_CRTM_HOLD_MS * 1000 && (_max) <= SPI_NOR_CRTM_MAX_LEN &&	\
	(_resp) <= SPI_NOR_CRTM_MAX_LEN &&
static_assert(CRTM_COMMANDS(BOUNDED_AND) true,
	      "CRTM_COMMANDS: a command that is too long, or keeps the flash too long");

static_assert(CRTM_MAX_REGIONS <= SPI_NOR_CRTM_MAX_REGIONS);

/*
 * What is kept of the last exchange with a signed response: the block, and the
 * signature. Under the flash's lock.
 */
struct micron_st_nor_crtm_last {
	u32 len;		/* of the block in bytes, 0 before the first */
	u8 sig[RPMC_SIG_LEN];
	u8 block[SPI_NOR_CRTM_MAX_LEN];
};

/*
 * A block that got lost on the bus leaves the response to an earlier one. Where
 * that is of the same type its signature tells, for it covers its request: the
 * same signature for another block is not this block's. Unsigned responses (all
 * zeros) prove nothing to anybody and pass.
 */
static bool crtm_is_stale(struct micron_st_nor_crtm_last *last, const struct crtm_xfer *xfer,
			  u32 len)
{
	const u8 *sig = xfer->out + len - RPMC_SIG_LEN;

	if (!memchr_inv(sig, 0, RPMC_SIG_LEN))
		return false;
	if (last->len && !memcmp(sig, last->sig, RPMC_SIG_LEN))
		return xfer->in_len != last->len || memcmp(xfer->in, last->block, xfer->in_len);

	memcpy(last->block, xfer->in, xfer->in_len);
	last->len = xfer->in_len;
	memcpy(last->sig, sig, RPMC_SIG_LEN);
	return false;
}

/* 45 and 48 repeat what they were asked: an earlier answer shows without any key. */
static bool crtm_repeats(const struct crtm_xfer *xfer, u32 len)
{
	u32 n = xfer->in_len - RPMC_HDR_LEN;

	if (xfer->out[0] != RPMC_STATUS_SUCCESS ||
	    (xfer->cmd->type != CRTM_MEASURE && xfer->cmd->type != CRTM_GET_INFO))
		return true;

	return len >= CRTM_RESP_OVERHEAD + n &&
	       !memcmp(xfer->out + CRTM_RESP_OFF_PAYLOAD, xfer->in + RPMC_HDR_LEN, n);
}

static int crtm_check(struct spi_nor *nor, const struct crtm_xfer *xfer)
{
	const u8 *resp = xfer->out;
	u32 len = CRTM_RESP_OVERHEAD + (resp[CRTM_RESP_OFF_LENGTH] << 8 |
					resp[CRTM_RESP_OFF_LENGTH + 1]);

	if (resp[CRTM_RESP_OFF_TYPE] != xfer->cmd->type || len > xfer->cmd->resp ||
	    !crtm_repeats(xfer, len))
		return -EIO;

	return crtm_is_stale(nor->params->crtm->vendor_data, xfer, len) ? -EIO : len;
}

/* Another response comes from a question that needs no key: command 48. */
static int crtm_forget(struct spi_nor *nor)
{
	const struct spi_nor_crtm *crtm = nor->params->crtm;
	const struct crtm_command *cmd = spi_nor_crtm_find(crtm, CRTM_GET_INFO);
	u8 block[RPMC_HDR_LEN + CRTM_INFO_NONCE_LEN] = { crtm->op1, CRTM_GET_INFO };

	return spi_nor_crtm_execute(nor, cmd, block, sizeof(block), 0);
}

/*
 * Ask the chip about itself (command 48). The response is told from an earlier one by
 * its nonce.
 */
static int crtm_get_info(struct spi_nor *nor, u8 *resp, u32 size)
{
	const struct spi_nor_crtm *crtm = nor->params->crtm;
	const struct crtm_command *cmd = spi_nor_crtm_find(crtm, CRTM_GET_INFO);
	u8 block[RPMC_HDR_LEN + CRTM_INFO_NONCE_LEN] = { crtm->op1, CRTM_GET_INFO };
	struct crtm_xfer xfer = {
		.cmd = cmd,
		.in = block,
		.in_len = sizeof(block),
		.out = resp,
	};
	u64 now = ktime_get_ns();
	int ret;

	if (!cmd || cmd->resp > size)
		return -EOPNOTSUPP;

	memcpy(block + CRTM_INFO_OFF_NONCE, &now, sizeof(now));
	ret = spi_nor_crtm_run(nor, &xfer);
	if (ret < 0)
		return ret;

	return resp[0] == RPMC_STATUS_SUCCESS ? 0 : -EIO;
}

/**
 * micron_st_nor_crtm_regions() - the regions in the payload of a response
 * @info: payload of the response to command 48
 * @len: its length in bytes
 * @region: out: SPI_NOR_CRTM_MAX_REGIONS at most
 *
 * Return: their number, or -EIO if the payload is shorter than it says.
 */
int micron_st_nor_crtm_regions(const u8 *info, u32 len, struct spi_nor_crtm_region *region)
{
	const u8 *p = info + CRTM_INFO_OFF_REGION;
	u32 i, nr;

	if (len < CRTM_INFO_OFF_REGION)
		return -EIO;
	nr = info[CRTM_INFO_OFF_REGIONS];
	if (nr > SPI_NOR_CRTM_MAX_REGIONS ||
	    len - CRTM_INFO_OFF_REGION < nr * CRTM_INFO_REGION_LEN)
		return -EIO;

	for (i = 0; i < nr; i++, p += CRTM_INFO_REGION_LEN) {
		region[i].addr = spi_nor_crtm_be32(p);
		region[i].len = spi_nor_crtm_be32(p + sizeof(u32));
	}

	return nr;
}

static int crtm_regions(struct spi_nor *nor, struct spi_nor_crtm_region *region)
{
	u8 resp[CRTM_RESP_OVERHEAD + CRTM_INFO_OFF_REGION +
		CRTM_MAX_REGIONS * CRTM_INFO_REGION_LEN];
	int ret;

	ret = crtm_get_info(nor, resp, sizeof(resp));
	if (ret)
		return ret;

	return micron_st_nor_crtm_regions(resp + CRTM_RESP_OFF_PAYLOAD,
					  resp[CRTM_RESP_OFF_LENGTH] << 8 |
					  resp[CRTM_RESP_OFF_LENGTH + 1], region);
}

/* Sector protection keeps a map of what is locked, regions included. */
static void crtm_done(struct spi_nor *nor, const struct crtm_xfer *xfer)
{
	const struct crtm_command *cmd = xfer->cmd;

	if (cmd->type == CRTM_PROTECT && xfer->status == RPMC_STATUS_SUCCESS)
		micron_st_nor_asp_region(nor, spi_nor_crtm_be32(xfer->in + cmd->addr),
					 spi_nor_crtm_be32(xfer->in + cmd->len),
					 xfer->in[CRTM_OFF_MODE] == CRTM_PROTECT_ADD);
}

static const struct spi_nor_crtm_vendor micron_st_nor_crtm = {
	.name = CRTM_COMMAND_SET,
	.reference = CRTM_REFERENCE,
	.commands = micron_st_nor_crtm_commands,
	.n_commands = ARRAY_SIZE(micron_st_nor_crtm_commands),
	.check = crtm_check,
	.forget = crtm_forget,
	.regions = crtm_regions,
	.done = crtm_done,
};

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

/**
 * micron_st_nor_crtm_attach() - give an Authenta part its A-CRTM commands
 * @nor: the flash
 * @crtm: its security engine
 *
 * The reference numbering is ours and could do anything on a real part. It is
 * enabled only where SFDP carries the marker that no real part has.
 *
 * Return: 0 or -ENOMEM.
 */
int micron_st_nor_crtm_attach(struct spi_nor *nor, struct spi_nor_crtm *crtm)
{
	if (CRTM_REFERENCE && !micron_st_nor_marked(nor))
		return 0;

	crtm->vendor_data = devm_kzalloc(nor->dev, sizeof(struct micron_st_nor_crtm_last),
					 GFP_KERNEL);
	if (!crtm->vendor_data)
		return -ENOMEM;
	crtm->vendor = &micron_st_nor_crtm;

	return 0;
}
