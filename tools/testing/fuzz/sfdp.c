// SPDX-License-Identifier: MIT
/*
 * What a chip says of itself: the JESD260 table of its SFDP, the marker of the
 * reference set, the regions in its answer to 48. Cut off or mutated anywhere.
 */
#include "fuzz.h"
#include "world.h"

#include <linux/mtd/crtm-commands.h>
#include <linux/mtd/rpmc.h>

#include "crtm.h"

/* Nothing of this is about sector protection. */

int micron_st_nor_asp_begin(struct spi_nor *nor)
{
	CHECK(!nor);
	return 0;
}

void micron_st_nor_asp_region(struct spi_nor *nor, u32 addr, u32 len, bool add)
{
	CHECK(!nor && !addr && !len && !add);
}

/* Memory of exactly that size, so that one byte behind it is noticed */
static void *exact(const void *data, size_t n)
{
	void *p = malloc(n ? n : 1);

	CHECK(p);
	memcpy(p, data, n);
	return p;
}

static void check_engine(const struct spi_nor_crtm *crtm)
{
	const struct crtm_command *cmd;
	unsigned int i;

	CHECK(crtm->op1 == RPMC_OP1_DEFAULT && crtm->op2 == RPMC_OP2_DEFAULT);
	CHECK(crtm->slots >= 1 && crtm->slots <= RPMC_MAX_SLOTS);
	for (i = 0; i < SPI_NOR_RPMC_COMMANDS; i++) {
		cmd = &crtm->rpmc[i];
		CHECK(spi_nor_crtm_find(crtm, cmd->type) == cmd);
		CHECK(cmd->min == cmd->max && cmd->resp == RPMC_RESP_LEN);
		CHECK(cmd->typ_us && cmd->typ_us <= cmd->max_us);
		CHECK(cmd->max_us <= SPI_NOR_CRTM_HOLD_MS * 1000);
	}
}

static void check_table(const struct sfdp *sfdp, u16 id, size_t len)
{
	const u8 *bytes = (const u8 *)sfdp->dwords, *table = spi_nor_sfdp_find(sfdp, id, len);

	if (!table)
		return;
	CHECK(table >= bytes && len <= sfdp->num_dwords * 4);
	CHECK(table + len <= bytes + sfdp->num_dwords * 4);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct spi_nor_crtm_region region[SPI_NOR_CRTM_MAX_REGIONS];
	struct sfdp sfdp = { .num_dwords = size / sizeof(u32) };
	struct spi_nor nor = { .sfdp = &sfdp };
	struct spi_nor_crtm crtm = { 0 };
	const u8 *table, *info;
	int ret;

	sfdp.dwords = exact(data, size & ~3);
	check_table(&sfdp, RPMC_SFDP_ID, RPMC_SFDP_DWORDS * sizeof(u32));
	check_table(&sfdp, size ? data[0] : 0, size > 1 ? data[1] : 0);
	if (micron_st_nor_marked(&nor))
		CHECK(memmem(data, size, CRTM_MARKER, CRTM_MARKER_LEN));
	table = spi_nor_sfdp_find(&sfdp, RPMC_SFDP_ID, RPMC_SFDP_DWORDS * sizeof(u32));
	if (table && !spi_nor_rpmc_parse(&crtm, table))
		check_engine(&crtm);
	free(sfdp.dwords);

	info = exact(data, size);
	ret = micron_st_nor_crtm_regions(info, size, region);
	CHECK(ret == -EIO || (ret >= 0 && ret <= SPI_NOR_CRTM_MAX_REGIONS));
	free((void *)info);
	return 0;
}
