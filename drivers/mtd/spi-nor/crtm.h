/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Security commands of SPI NOR flash: JESD260 (rpmc.c), those of a vendor's own
 * (Micron's A-CRTM, micron-st-crtm.c), and the exchange with the chip that both share
 * (crtm.c).
 */
#ifndef __LINUX_MTD_SPI_NOR_CRTM_H
#define __LINUX_MTD_SPI_NOR_CRTM_H

#include <linux/mtd/crtm.h>
#include <linux/mtd/rpmc.h>
#include <linux/mtd/spi-nor.h>
#include <linux/types.h>

#include "core.h"

/*
 * One hold of the flash's lock stays below 2 s: first the wait for a chip that
 * an earlier time-out left busy, then the command itself.
 */
#define SPI_NOR_CRTM_BUSY_MS	400
#define SPI_NOR_CRTM_HOLD_MS	1500

/* Blocks and responses up to here fit the bounce buffer, which is a page at least. */
#define SPI_NOR_CRTM_MAX_LEN	512U

/* One line of RPMC_COMMANDS() or CRTM_COMMANDS() as a struct crtm_command. */
#define SPI_NOR_CRTM_COMMAND(_type, _sym, _name, _class, _flags, _min, _max,	\
			     _resp, _addr, _len, _unit, _limit, _rsvd, _nrsvd,	\
			     _typ_us, _max_us, _typ_us_64k, _max_us_64k)	\
	{									\
		.name = _name,							\
		.type = _type,							\
		.class = _class,						\
		.flags = _flags,						\
		.rsvd = _rsvd,							\
		.nrsvd = _nrsvd,						\
		.addr = _addr,							\
		.len = _len,							\
		.min = _min,							\
		.max = _max,							\
		.resp = _resp,							\
		.unit = _unit,							\
		.limit = _limit,						\
		.typ_us = _typ_us,						\
		.max_us = _max_us,						\
		.typ_us_64k = _typ_us_64k,					\
		.max_us_64k = _max_us_64k,					\
	},

#define SPI_NOR_RPMC_COMMANDS	4

/* A chip tells this many protected regions at most. */
#define SPI_NOR_CRTM_MAX_REGIONS	8

/* Part of the chip that only signed commands can change, in bytes */
struct spi_nor_crtm_region {
	u32 addr;
	u32 len;
};

/**
 * struct spi_nor_crtm_vendor - commands that a vendor's chip has beside JESD260's
 * @name: of the command set, and whose numbering it is
 * @reference: the numbers are a reference, not the vendor's
 * @commands: table of the commands
 * @n_commands: number of entries in @commands
 * @check: length of a response in bytes, or -EIO if it is not the response to that
 *	block
 * @forget: put something else in the place of a response that is a key
 * @regions: fill @region with SPI_NOR_CRTM_MAX_REGIONS entries at most; returns
 *	their number, -EOPNOTSUPP if the chip does not tell them, or another errno
 * @done: told of each exchange that finished, whatever its status
 *
 * All but the first four are called with the flash's lock held; @forget, @regions and
 * @done only for a chip whose @commands have what they need.
 */
struct spi_nor_crtm_vendor {
	const char *name;
	bool reference;
	const struct crtm_command *commands;
	unsigned int n_commands;
	int (*check)(struct spi_nor *nor, const struct crtm_xfer *xfer);
	int (*forget)(struct spi_nor *nor);
	int (*regions)(struct spi_nor *nor, struct spi_nor_crtm_region *region);
	void (*done)(struct spi_nor *nor, const struct crtm_xfer *xfer);
};

/**
 * struct spi_nor_crtm - the security engine of one flash
 * @rpmc: JESD260 commands with the times that this chip's SFDP gives
 * @vendor: commands of the vendor's own, NULL if the chip takes none
 * @vendor_data: what @vendor keeps for this chip
 * @clear_errors: clears what a refused command leaves in registers of the
 *	vendor's own; NULL if there are none. Called with the lock held.
 * @id: JEDEC ID as read from the chip
 * @op1: opcode that writes a block
 * @op2: opcode that reads status and response
 * @slots: number of monotonic counters
 * @poll_rdsr: busy shows in the status register, not in OP2's status
 * @addr_nbytes: so many bytes behind the opcode travel as spi-mem address; 0 on
 *	controllers that take a block as opcode and data
 * @unsettled: a block went out and the chip was not seen ready since, or what
 *	follows a command was not done yet; under the flash's lock
 * @secret: the chip may hold a key as its response; under the flash's lock
 */
struct spi_nor_crtm {
	struct crtm_command rpmc[SPI_NOR_RPMC_COMMANDS];
	const struct spi_nor_crtm_vendor *vendor;
	void *vendor_data;
	void (*clear_errors)(struct spi_nor *nor);
	u8 id[SPI_NOR_MAX_ID_LEN];
	u8 op1;
	u8 op2;
	u8 slots;
	u8 addr_nbytes;
	bool poll_rdsr;
	bool unsettled;
	bool secret;
};

/* A field of a block or a response, which starts at any byte. */
static inline u32 spi_nor_crtm_be32(const u8 *p)
{
	return p[0] << 24 | p[1] << 16 | p[2] << 8 | p[3];
}

/* crtm.c */
int spi_nor_crtm_lock(struct spi_nor *nor);
void spi_nor_crtm_settle(struct spi_nor *nor);
int spi_nor_crtm_wait(struct spi_nor *nor, int (*busy)(struct spi_nor *nor), u64 typ_us,
		      u64 max_us);
u64 spi_nor_crtm_time(u32 fixed_us, u32 us_64k, u32 range);
int spi_nor_crtm_check_response(struct spi_nor *nor, const struct crtm_xfer *xfer);
const struct crtm_command *spi_nor_crtm_find(const struct spi_nor_crtm *crtm, u8 type);
int spi_nor_crtm_execute(struct spi_nor *nor, const struct crtm_command *cmd, const u8 *block,
			 u32 len, u32 range);
int spi_nor_crtm_run(struct spi_nor *nor, struct crtm_xfer *xfer);
int spi_nor_crtm_exchange(struct spi_nor *nor, struct crtm_xfer *xfer);
int spi_nor_crtm_probe(struct spi_nor *nor, struct spi_nor_crtm *crtm);

/* rpmc.c */
int spi_nor_parse_rpmc(struct spi_nor *nor,
		       const struct sfdp_parameter_header *header);
int spi_nor_rpmc_parse(struct spi_nor_crtm *crtm, const u8 *table);
const u8 *spi_nor_sfdp_table(const struct sfdp *sfdp,
			     const struct sfdp_parameter_header *header,
			     size_t len);
const u8 *spi_nor_sfdp_find(const struct sfdp *sfdp, u16 id, size_t len);

/* micron-st-authenta.c */
void micron_st_nor_crtm_late_init(struct spi_nor *nor, bool authenta);

/* micron-st-crtm.c */
bool micron_st_nor_marked(const struct spi_nor *nor);
int micron_st_nor_crtm_attach(struct spi_nor *nor, struct spi_nor_crtm *crtm);
int micron_st_nor_crtm_regions(const u8 *info, u32 len, struct spi_nor_crtm_region *region);

/* crtm-ops.c */
extern const struct mtd_security_ops spi_nor_crtm_ops;

#endif /* __LINUX_MTD_SPI_NOR_CRTM_H */
