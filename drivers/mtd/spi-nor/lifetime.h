/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A flash bound to the spi-nor driver: its lifetime and its security side.
 */
#ifndef __LINUX_MTD_SPI_NOR_LIFETIME_H
#define __LINUX_MTD_SPI_NOR_LIFETIME_H

#include <linux/container_of.h>
#include <linux/kref.h>
#include <linux/mtd/mtd.h>
#include <linux/mtd/security.h>
#include <linux/mtd/spi-nor.h>
#include <linux/rwsem.h>

struct module;

/**
 * struct spi_nor_bound - a flash bound to the spi-nor driver
 * @nor: the flash; everything that its pointers lead to goes with the device
 * @sec: its security side
 * @ref: one for the bound device, one for each user of its mtd_info
 * @owner: module of the controller, pinned by each user
 * @removal: held for reading by each operation, for writing to set @gone
 * @gone: the device is gone; every operation fails with -ENODEV
 * @name: copy of the name, which goes with the device
 * @eraseregions: copy of the erase regions, likewise
 * @core: the mtd_info as the core filled it, for its operations
 */
struct spi_nor_bound {
	struct spi_nor nor;
	struct mtd_security sec;
	struct kref ref;
	struct module *owner;
	struct rw_semaphore removal;
	bool gone;
	char *name;
	struct mtd_erase_region_info *eraseregions;
	struct mtd_info core;
};

static inline struct spi_nor *security_to_spi_nor(struct mtd_security *sec)
{
	return &container_of(sec, struct spi_nor_bound, sec)->nor;
}

/* Only for a flash that the spi-nor driver has bound. */
static inline struct mtd_security *spi_nor_security(struct spi_nor *nor)
{
	return &container_of(nor, struct spi_nor_bound, nor)->sec;
}

#endif /* __LINUX_MTD_SPI_NOR_LIFETIME_H */
