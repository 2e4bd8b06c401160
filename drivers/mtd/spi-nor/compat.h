/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What differs between kernels, as scripts/graft found it in the sources.
 */
#ifndef __LINUX_MTD_SPI_NOR_COMPAT_H
#define __LINUX_MTD_SPI_NOR_COMPAT_H

#include <linux/mtd/spi-nor.h>

#include "core.h"
#include "graft.h"

#ifndef HAVE_SPI_NOR_PREP_AND_LOCK
static inline int spi_nor_prep_and_lock(struct spi_nor *nor)
{
	return spi_nor_lock_and_prep(nor);
}
#endif

#endif /* __LINUX_MTD_SPI_NOR_COMPAT_H */
