// SPDX-License-Identifier: GPL-2.0-only
/*
 * Security commands of SPI NOR flash, as mtdchar asks for them.
 */
#include <linux/bits.h>
#include <linux/minmax.h>
#include <linux/mtd/spi-nor.h>
#include <linux/string.h>
#include <uapi/mtd/mtd-security.h>

#include "crtm.h"
#include "lifetime.h"

static const struct crtm_command *crtm_command(struct mtd_security *sec, u8 opcode,
					       u8 type)
{
	const struct spi_nor_crtm *crtm = security_to_spi_nor(sec)->params->crtm;

	return opcode == crtm->op1 ? spi_nor_crtm_find(crtm, type) : NULL;
}

static u64 crtm_max_us(struct mtd_security *sec, const struct crtm_command *cmd,
		       u32 range)
{
	return spi_nor_crtm_time(cmd->max_us, cmd->max_us_64k, range);
}

static void crtm_info(struct mtd_security *sec, struct mtd_crtm_info *info)
{
	struct spi_nor *nor = security_to_spi_nor(sec);
	const struct spi_nor_crtm *crtm = nor->params->crtm;
	const struct crtm_command *cmd;
	unsigned int type;

	info->flags = MTD_CRTM_F_RPMC;
	if (crtm->vendor)
		info->flags |= MTD_CRTM_F_CRTM;
	if (crtm->vendor && crtm->vendor->reference)
		info->flags |= MTD_CRTM_F_REFERENCE;
	if (crtm->poll_rdsr)
		info->flags |= MTD_CRTM_F_POLL_RDSR;

	strscpy(info->chip, nor->info->name ?: "unnamed", sizeof(info->chip));
	strscpy(info->command_set, crtm->vendor ? crtm->vendor->name : "JESD260",
		sizeof(info->command_set));
	memcpy(info->id, crtm->id, sizeof(crtm->id));
	info->id_len = sizeof(crtm->id);
	info->op1 = crtm->op1;
	info->op2 = crtm->op2;
	info->slots = crtm->slots;
	info->max_hold_ms = SPI_NOR_CRTM_HOLD_MS;
	info->chip_size = nor->mtd.size;

	for (type = 0; type <= U8_MAX; type++) {
		cmd = spi_nor_crtm_find(crtm, type);
		if (!cmd)
			continue;
		info->commands[type / 64] |= BIT_ULL(type % 64);
		if (cmd->class == CRTM_RD)
			info->read_only[type / 64] |= BIT_ULL(type % 64);
		info->max_block = max_t(u32, info->max_block, cmd->max);
		info->max_response = max_t(u32, info->max_response, cmd->resp);
	}
}

static int crtm_exchange(struct mtd_security *sec, struct crtm_xfer *xfer)
{
	return spi_nor_crtm_exchange(security_to_spi_nor(sec), xfer);
}

const struct mtd_security_ops spi_nor_crtm_ops = {
	.info = crtm_info,
	.command = crtm_command,
	.max_us = crtm_max_us,
	.exchange = crtm_exchange,
};
