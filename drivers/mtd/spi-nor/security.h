/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A flash bound to the spi-nor driver: its lifetime and its security side.
 */
#ifndef __LINUX_MTD_SPI_NOR_SECURITY_H
#define __LINUX_MTD_SPI_NOR_SECURITY_H

#include <linux/container_of.h>
#include <linux/kref.h>
#include <linux/mtd/mtd.h>
#include <linux/mtd/security.h>
#include <linux/mtd/spi-nor.h>
#include <linux/rwsem.h>

struct module;

/* The operations that spi-nor gives an mtd_info: name, arguments after @mtd. */
#define SPI_NOR_MTD_OPS(X)						\
	X(_erase, (struct mtd_info *mtd, struct erase_info *instr),	\
	  (mtd, instr))							\
	X(_read, (struct mtd_info *mtd, loff_t from, size_t len,	\
		  size_t *retlen, u_char *buf),				\
	  (mtd, from, len, retlen, buf))				\
	X(_write, (struct mtd_info *mtd, loff_t to, size_t len,		\
		   size_t *retlen, const u_char *buf),			\
	  (mtd, to, len, retlen, buf))					\
	X(_lock, (struct mtd_info *mtd, loff_t ofs, uint64_t len),	\
	  (mtd, ofs, len))						\
	X(_unlock, (struct mtd_info *mtd, loff_t ofs, uint64_t len),	\
	  (mtd, ofs, len))						\
	X(_is_locked, (struct mtd_info *mtd, loff_t ofs, uint64_t len),	\
	  (mtd, ofs, len))						\
	X(_get_user_prot_info, (struct mtd_info *mtd, size_t len,	\
				size_t *retlen, struct otp_info *buf),	\
	  (mtd, len, retlen, buf))					\
	X(_read_user_prot_reg, (struct mtd_info *mtd, loff_t from,	\
				size_t len, size_t *retlen, u_char *buf),	\
	  (mtd, from, len, retlen, buf))				\
	X(_write_user_prot_reg, (struct mtd_info *mtd, loff_t to,	\
				 size_t len, size_t *retlen,		\
				 const u_char *buf),			\
	  (mtd, to, len, retlen, buf))					\
	X(_lock_user_prot_reg, (struct mtd_info *mtd, loff_t from, size_t len),	\
	  (mtd, from, len))						\
	X(_erase_user_prot_reg, (struct mtd_info *mtd, loff_t from, size_t len),	\
	  (mtd, from, len))

/**
 * struct spi_nor_security - a flash bound to the spi-nor driver
 * @nor: the flash; everything that its pointers lead to goes with the device
 * @sec: its security side
 * @ref: one for the bound device, one for each user of its mtd_info
 * @owner: module of the controller, pinned by each user
 * @removal: held for reading by each operation, for writing to set @gone
 * @gone: the device is gone; every operation fails with -ENODEV
 * @name: copy of the name, which goes with the device
 * @eraseregions: copy of the erase regions, likewise
 * @ops: operations of the mtd_info, as the core set them
 * @suspend: likewise
 * @resume: likewise
 */
struct spi_nor_security {
	struct spi_nor nor;
	struct mtd_security sec;
	struct kref ref;
	struct module *owner;
	struct rw_semaphore removal;
	bool gone;
	char *name;
	struct mtd_erase_region_info *eraseregions;
	struct {
#define SPI_NOR_MTD_OP(op, ...) typeof_member(struct mtd_info, op) op;
		SPI_NOR_MTD_OPS(SPI_NOR_MTD_OP)
#undef SPI_NOR_MTD_OP
	} ops;
	typeof_member(struct mtd_info, _suspend) suspend;
	typeof_member(struct mtd_info, _resume) resume;
};

static inline struct spi_nor *security_to_spi_nor(struct mtd_security *sec)
{
	return &container_of(sec, struct spi_nor_security, sec)->nor;
}

/* Only for a flash that the spi-nor driver has bound. */
static inline struct mtd_security *spi_nor_security(struct spi_nor *nor)
{
	return &container_of(nor, struct spi_nor_security, nor)->sec;
}

#endif /* __LINUX_MTD_SPI_NOR_SECURITY_H */
