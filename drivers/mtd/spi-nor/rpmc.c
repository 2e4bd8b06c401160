// SPDX-License-Identifier: GPL-2.0-only
/*
 * JESD260 replay-protected monotonic counters of SPI NOR flash, any vendor's:
 * what the SFDP says of them.
 */
#include <linux/bitfield.h>
#include <linux/bits.h>
#include <linux/device.h>
#include <linux/errno.h>
#include <linux/minmax.h>
#include <linux/slab.h>
#include <linux/string.h>

#include "crtm.h"

/* SFDP table FF03h, revision 1.0 (JESD260) */
#define RPMC_DW1_UNSUPPORTED	BIT(0)
#define RPMC_DW1_POLL_RDSR	BIT(2)
#define RPMC_DW1_COUNTERS	GENMASK(7, 4)	/* less one */
#define RPMC_DW1_OP1		GENMASK(15, 8)
#define RPMC_DW1_OP2		GENMASK(23, 16)
/*
 * Delays. Bit positions inferred from one implementation, not read in the
 * standard; which command takes which delay is reference.
 */
#define RPMC_DW2_READ		GENMASK(5, 0)
#define RPMC_DW2_SHORT_WRITE	GENMASK(13, 8)
#define RPMC_DW2_LONG_WRITE	GENMASK(21, 16)	/* in ms, the others in us */
#define RPMC_DELAY_VALUE	GENMASK(3, 0)
#define RPMC_DELAY_UNIT		GENMASK(5, 4)

/* How much longer than its delay a command may take (reference). */
#define RPMC_DELAY_MARGIN	10

/* First byte of an ID, JEP106 */
#define MFR_ST			0x20	/* and Micron's NOR */
#define MFR_MICRON		0x2c

static const struct crtm_command rpmc_commands[] = {
	RPMC_COMMANDS(SPI_NOR_CRTM_COMMAND)
};

static_assert(ARRAY_SIZE(rpmc_commands) == SPI_NOR_RPMC_COMMANDS);

static u32 rpmc_delay(u32 field)
{
	static const u16 unit[] = { 1, 16, 128, 1000 };

	return FIELD_GET(RPMC_DELAY_VALUE, field) *
	       unit[FIELD_GET(RPMC_DELAY_UNIT, field)];
}

static void rpmc_set_time(struct crtm_command *cmd, u32 typ_us)
{
	if (!typ_us)
		return;

	cmd->typ_us = typ_us;
	cmd->max_us = clamp_t(u32, typ_us * RPMC_DELAY_MARGIN, cmd->max_us,
			      SPI_NOR_CRTM_HOLD_MS * 1000);
}

/**
 * spi_nor_rpmc_parse() - take JESD260 parameters from their SFDP table
 * @crtm: what to fill
 * @table: the RPMC_SFDP_DWORDS little-endian dwords of the table
 *
 * Opcodes other than 9Bh and 96h are refused: what they do on a part that
 * nobody has listed is not for the chip's own table to say. So are delays longer
 * than the flash may be kept. A delay of 0 leaves the times of RPMC_COMMANDS().
 *
 * Return: 0, -EOPNOTSUPP if the table says that there is nothing, or -EINVAL.
 */
int spi_nor_rpmc_parse(struct spi_nor_crtm *crtm, const u8 *table)
{
	u32 dw1 = table[0] | table[1] << 8 | table[2] << 16;
	u32 dw2 = table[4] | table[5] << 8 | table[6] << 16;
	u32 long_us = rpmc_delay(FIELD_GET(RPMC_DW2_LONG_WRITE, dw2)) * 1000;
	unsigned int i;

	if (dw1 & RPMC_DW1_UNSUPPORTED)
		return -EOPNOTSUPP;
	if (FIELD_GET(RPMC_DW1_OP1, dw1) != RPMC_OP1_DEFAULT ||
	    FIELD_GET(RPMC_DW1_OP2, dw1) != RPMC_OP2_DEFAULT ||
	    long_us > SPI_NOR_CRTM_HOLD_MS * 1000)
		return -EINVAL;

	crtm->op1 = RPMC_OP1_DEFAULT;
	crtm->op2 = RPMC_OP2_DEFAULT;
	crtm->slots = FIELD_GET(RPMC_DW1_COUNTERS, dw1) + 1;
	crtm->poll_rdsr = dw1 & RPMC_DW1_POLL_RDSR;

	memcpy(crtm->rpmc, rpmc_commands, sizeof(rpmc_commands));
	for (i = 0; i < ARRAY_SIZE(rpmc_commands); i++) {
		struct crtm_command *cmd = &crtm->rpmc[i];

		switch (cmd->type) {
		case RPMC_REQUEST_COUNTER:
			rpmc_set_time(cmd, rpmc_delay(FIELD_GET(RPMC_DW2_READ, dw2)));
			break;
		case RPMC_UPDATE_HMAC_KEY:
			rpmc_set_time(cmd, rpmc_delay(FIELD_GET(RPMC_DW2_SHORT_WRITE, dw2)));
			break;
		default:
			rpmc_set_time(cmd, long_us);
			break;
		}
	}

	return 0;
}

/**
 * spi_nor_sfdp_table() - the body of a parameter table in the cached SFDP
 * @sfdp: SFDP as read by spi_nor_parse_sfdp()
 * @header: header of the table; nothing in it is trusted
 * @len: bytes of the table that are needed
 *
 * Return: the first byte, or NULL if the table is shorter or not all there.
 */
const u8 *spi_nor_sfdp_table(const struct sfdp *sfdp,
			     const struct sfdp_parameter_header *header,
			     size_t len)
{
	size_t size = sfdp->num_dwords * sizeof(*sfdp->dwords);
	const u8 *ptp = header->parameter_table_pointer;
	size_t start = ptp[0] | ptp[1] << 8 | ptp[2] << 16;

	if (header->length * sizeof(*sfdp->dwords) < len)
		return NULL;
	if (start > size || len > size - start)
		return NULL;

	return (const u8 *)sfdp->dwords + start;
}

/**
 * spi_nor_sfdp_find() - find a parameter table in the cached SFDP by its ID
 * @sfdp: SFDP as read by spi_nor_parse_sfdp(), or NULL
 * @id: ID of the table, most significant byte first
 * @len: bytes of the table that are needed
 *
 * Return: the first byte, or NULL if there is no such table.
 */
const u8 *spi_nor_sfdp_find(const struct sfdp *sfdp, u16 id, size_t len)
{
	const struct sfdp_parameter_header *header;
	size_t headers;
	const u8 *bytes;

	/* Eight bytes of SFDP header, its seventh the number of headers less one. */
	if (!sfdp || sfdp->num_dwords < 2)
		return NULL;
	bytes = (const u8 *)sfdp->dwords;
	headers = min_t(size_t, bytes[6] + 1,
			(sfdp->num_dwords - 2) * sizeof(*sfdp->dwords) / sizeof(*header));

	for (header = (const void *)(bytes + 8); headers--; header++)
		if ((header->id_msb << 8 | header->id_lsb) == id)
			return spi_nor_sfdp_table(sfdp, header, len);

	return NULL;
}

/*
 * On parts of Micron and ST 9Bh and 96h have meanings of their own, so one that has
 * no table entry, whose late_init() would tell, never sees them.
 */
static bool rpmc_is_unlisted_micron(const struct spi_nor *nor, const u8 *id)
{
	return !nor->manufacturer && (id[0] == MFR_ST || id[0] == MFR_MICRON);
}

/**
 * spi_nor_parse_rpmc() - parse the JESD260 table of the SFDP
 * @nor: the flash; @nor->params->crtm is set if the chip and its controller can
 *	do JESD260
 * @header: header of the table
 *
 * Called wherever the core parses SFDP. It does so for parts without a table
 * entry (kernels that know a generic entry), for entries that leave the size to
 * SFDP (PARSE_SFDP in older kernels) and for those with one of the dual, quad or
 * octal read flags; any other part needs an entry to get security commands.
 *
 * Return: 0 also if there will be no security commands, or a negative errno.
 */
int spi_nor_parse_rpmc(struct spi_nor *nor,
		       const struct sfdp_parameter_header *header)
{
	const u8 *table = spi_nor_sfdp_table(nor->sfdp, header,
					     RPMC_SFDP_DWORDS * sizeof(u32));
	struct spi_nor_crtm *crtm;
	int ret;

	if (!table || header->major != SFDP_JESD216_MAJOR)
		return -EINVAL;

	crtm = devm_kzalloc(nor->dev, sizeof(*crtm), GFP_KERNEL);
	if (!crtm)
		return -ENOMEM;

	ret = spi_nor_rpmc_parse(crtm, table);
	if (!ret)
		ret = spi_nor_crtm_probe(nor, crtm);
	if (!ret && rpmc_is_unlisted_micron(nor, crtm->id))
		ret = -EOPNOTSUPP;
	if (ret) {
		devm_kfree(nor->dev, crtm);
		return ret == -EOPNOTSUPP ? 0 : ret;
	}

	nor->params->crtm = crtm;
	return 0;
}
