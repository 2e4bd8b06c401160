/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A flash with JESD260 that is never sent anything: for what is told of a block before.
 */
#ifndef _CRTM_FLASH_H
#define _CRTM_FLASH_H

#include <kunit/test.h>
#include <linux/mtd/mtd.h>
#include <linux/mtd/spi-nor.h>
#include <linux/sizes.h>

#include "../../mtdsecurity.h"
#include "../crtm.h"
#include "../lifetime.h"

#define FLASH_SIZE	SZ_256K		/* of the chip */
#define PART		SZ_64K		/* offset of the partition */
#define PART_SIZE	SZ_128K

/**
 * struct crtm_flash - a flash, a node of the whole of it and one of a part
 * @bound: the flash, and the node of the whole
 * @params: its parameters
 * @info: its table entry
 * @crtm: its security engine; @params.crtm points to it
 * @part: the node of a part
 * @call: a call on one of the nodes, the first at the beginning
 * @in: a block that begins with OP1
 */
struct crtm_flash {
	struct spi_nor_bound bound;
	struct spi_nor_flash_parameter params;
	struct flash_info info;
	struct spi_nor_crtm crtm;
	struct mtd_info part;
	struct mtd_security_call call;
	u8 in[SPI_NOR_CRTM_MAX_LEN + 1];
};

int crtm_flash_init(struct kunit *test);
void crtm_flash_exit(struct kunit *test);
int crtm_flash_check(struct crtm_flash *flash, u32 in_len, u32 out_len);

#endif /* _CRTM_FLASH_H */
