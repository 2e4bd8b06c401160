/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A test bench: an emulated chip behind an SPI controller of the test's own, bound to
 * the real spi-nor driver.
 */
#ifndef _RIG_H
#define _RIG_H

#include <kunit/test.h>
#include <linux/mtd/mtd.h>
#include <linux/mtd/spi-nor.h>
#include <linux/spi/spi-mem.h>
#include <linux/types.h>

#include "../asp.h"
#include "crtm-chip.h"

#define RIG_LOG		1024	/* opcodes that are kept */

/* How a chip is bound */
#define RIG_SPI		BIT(0)	/* a controller of plain transfers, else spi-mem */
#define RIG_PROPERTY	BIT(1)	/* with "micron,sector-protection" */

/**
 * struct rig_lie - reads that get something else than what the chip drove; spi-mem only
 * @op: opcode, 0: any
 * @val: each byte read
 * @skip: so many are right before
 * @nr: and so many wrong
 */
struct rig_lie {
	u8 op;
	u8 val;
	u32 skip;
	u32 nr;
};

/**
 * struct rig - a chip with its controller and its driver
 * @test: who it is for
 * @chip: the chip; the test looks into it and changes it behind the driver's back
 * @parent: parent of the controller
 * @ctlr: the controller
 * @spi: the bound device
 * @nor: the flash
 * @mtd: its mtd_info
 * @us: the chip's time
 * @us_per_op: how much of it an SPI operation takes
 * @ops: SPI operations since rig_start()
 * @log: their opcodes, the first RIG_LOG of them
 * @fail_at: the SPI operation (1 is the first after rig_start()) that fails with -EIO,
 *	0: none
 * @fail_nr: and how many in a row
 * @fail_too: another one that fails, 0: none
 * @fail_after: they fail after the chip has seen them, not before
 * @lie: reads that get something else
 * @refused: opcode that the controller says it cannot do, 0: none; spi-mem only
 * @look: called after each SPI operation
 * @loglevel: the console's, before rig_quiet()
 */
struct rig {
	struct kunit *test;
	struct crtm_chip chip;
	struct device *parent;
	struct spi_controller *ctlr;
	struct spi_device *spi;
	struct spi_nor *nor;
	struct mtd_info *mtd;
	u64 us;
	u32 us_per_op;
	u32 ops;
	u8 log[RIG_LOG];
	u32 fail_at;
	u32 fail_nr;
	u32 fail_too;
	bool fail_after;
	struct rig_lie lie;
	u8 refused;
	void (*look)(struct rig *rig);
	int loglevel;
};

struct rig *rig_new(struct kunit *test, const char *model);
void rig_bind(struct rig *rig, unsigned int flags);
bool rig_try_bind(struct rig *rig, unsigned int flags);
void rig_remove(struct rig *rig);
void rig_start(struct rig *rig);
void rig_quiet(struct rig *rig);
void rig_loud(struct rig *rig);

extern char rig_said[];
void rig_listen(struct rig *rig);
void rig_forget(void);

/* How often the chip has seen that opcode */
static inline u32 rig_sent(struct rig *rig, u8 opcode)
{
	return rig->chip.opcount[opcode];
}

static inline struct spi_nor_asp *rig_asp(struct rig *rig)
{
	return rig->nor->params->asp;
}

#endif /* _RIG_H */
