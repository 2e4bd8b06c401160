/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A scripted bus: an SPI controller that is told which operations come and what to answer,
 * and a flash behind it that no driver has probed.
 */
#ifndef _BUS_H
#define _BUS_H

#include <kunit/device.h>
#include <kunit/test.h>
#include <linux/device/driver.h>
#include <linux/mtd/spi-nor.h>
#include <linux/spi/spi-mem.h>
#include <linux/types.h>

#include "../crtm.h"
#include "../lifetime.h"

#define BUS_LEN		(SPI_NOR_CRTM_MAX_LEN + 2)	/* of one operation, in bytes */
#define BUS_STEPS	32
#define BUS_ANY		0	/* bus_step.times: once or more often */

/* Which controller */
enum bus_form {
	BUS_MEM_ADDR,	/* spi-mem; the first bytes of a block go as its address */
	BUS_MEM_DATA,	/* spi-mem; all that follows the opcode is data */
	BUS_SPI,	/* plain transfers */
	BUS_FORMS
};

/**
 * struct bus_step - an operation that is expected
 * @out: what the host sends, from the opcode on
 * @out_len: its length in bytes
 * @in: what the chip answers
 * @in_len: its length in bytes
 * @any: the first byte of @out that may be another
 * @n_any: how many of them may
 * @times: how often, or BUS_ANY
 * @ret: what the controller returns
 */
struct bus_step {
	u8 out[BUS_LEN];
	u32 out_len;
	u8 in[BUS_LEN];
	u32 in_len;
	u32 any;
	u32 n_any;
	u32 times;
	int ret;
};

/**
 * struct bus - a scripted bus and its flash
 * @test: who it is for
 * @form: which controller
 * @parent: parent of the controller
 * @driver: what the driver of @parent is to be
 * @real_driver: and what it is
 * @ctlr: the controller
 * @mem: the device on it
 * @bound: the flash, not registered with MTD
 * @params: its parameters
 * @info: its table entry
 * @crtm: its security engine; @params.crtm points to it
 * @step: the script
 * @n_steps: its length
 * @at: the step that is next
 * @seen: how often it was seen
 * @ops: operations so far
 * @locked: each comes with the flash's lock held
 * @max_len: the longest operation that the controller takes, in bytes
 * @supports: it takes any at all
 * @adjust_ret: what adjusting the size of an operation returns
 * @sent: what the host sent last
 * @hook: called before each operation
 */
struct bus {
	struct kunit *test;
	enum bus_form form;
	struct device *parent;
	struct device_driver driver;
	struct device_driver *real_driver;
	struct spi_controller *ctlr;
	struct spi_mem mem;
	struct spi_nor_bound *bound;
	struct spi_nor_flash_parameter params;
	struct flash_info info;
	struct spi_nor_crtm crtm;
	struct bus_step step[BUS_STEPS];
	u32 n_steps;
	u32 at;
	u32 seen;
	u32 ops;
	bool locked;
	u32 max_len;
	bool supports;
	int adjust_ret;
	u8 sent[BUS_LEN];
	void (*hook)(struct bus *bus);
};

struct bus *bus_new(struct kunit *test, enum bus_form form, const char *driver);
struct bus_step *bus_expect(struct bus *bus, const void *out, u32 out_len, const void *in,
			    u32 in_len);
struct bus_step *bus_expect_op(struct bus *bus, u8 opcode);
struct bus_step *bus_expect_response(struct bus *bus, const void *resp, u32 len);
void bus_done(struct bus *bus);

static inline struct spi_nor *bus_nor(struct bus *bus)
{
	return &bus->bound->nor;
}

#endif /* _BUS_H */
