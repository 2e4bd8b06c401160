// SPDX-License-Identifier: GPL-2.0-only
/*
 * A test bench: an emulated chip behind an SPI controller of the test's own.
 */
#include <kunit/device.h>
#include <linux/console.h>
#include <linux/err.h>
#include <linux/minmax.h>
#include <linux/property.h>
#include <linux/spi/spi.h>
#include <linux/spi/spi-mem.h>
#include <linux/string.h>
#include <linux/vmalloc.h>

#include "rig.h"

/* Callbacks of the chip. No key, no signature: nothing here needs one. */

static u64 rig_time_us(void *ctx)
{
	struct rig *rig = ctx;

	return rig->us;
}

static int rig_hmac(void *ctx, const u8 *key, size_t key_len, const u8 *data, size_t len,
		    u8 *mac)
{
	return -EOPNOTSUPP;
}

static int rig_sha256(void *ctx, const u8 *data, size_t len, u8 *digest)
{
	return -EOPNOTSUPP;
}

static void rig_random(void *ctx, u8 *buf, size_t len)
{
	memset(buf, 0, len);
}

static const struct crtm_chip_ops rig_chip_ops = {
	.time_us = rig_time_us,
	.hmac = rig_hmac,
	.sha256 = rig_sha256,
	.random = rig_random,
};

/* The controller */

static bool rig_fails(const struct rig *rig)
{
	if (rig->fail_too && rig->ops == rig->fail_too)
		return true;
	return rig->fail_at && rig->ops >= rig->fail_at &&
	       rig->ops - rig->fail_at < rig->fail_nr;
}

/* The chip has answered; what arrives may be something else. */
static void rig_answer(struct rig *rig, u8 opcode, u8 *buf, size_t len)
{
	struct rig_lie *lie = &rig->lie;

	if (!lie->nr || (lie->op && lie->op != opcode))
		return;
	if (lie->skip) {
		lie->skip--;
		return;
	}
	memset(buf, lie->val, len);
	lie->nr--;
}

/* Return: the chip is to see the operation. */
static bool rig_begin(struct rig *rig, u8 opcode)
{
	if (rig->ops < RIG_LOG)
		rig->log[rig->ops] = opcode;
	rig->ops++;
	rig->us += rig->us_per_op;
	if (rig_fails(rig) && !rig->fail_after)
		return false;

	crtm_chip_begin(&rig->chip);
	return true;
}

static int rig_end(struct rig *rig, bool begun)
{
	if (begun) {
		crtm_chip_end(&rig->chip);
		if (rig->look)
			rig->look(rig);
	}

	return rig_fails(rig) ? -EIO : 0;
}

static int rig_exec_op(struct spi_mem *mem, const struct spi_mem_op *op)
{
	struct rig *rig = spi_controller_get_devdata(mem->spi->controller);
	u8 opcode = op->cmd.opcode;
	u8 addr[sizeof(op->addr.val)];
	bool begun;
	u8 i;

	for (i = 0; i < op->addr.nbytes; i++)
		addr[i] = op->addr.val >> 8 * (op->addr.nbytes - 1 - i);

	begun = rig_begin(rig, opcode);
	if (begun) {
		crtm_chip_transfer(&rig->chip, &opcode, NULL, 1);
		crtm_chip_transfer(&rig->chip, addr, NULL, op->addr.nbytes);
		crtm_chip_transfer(&rig->chip, NULL, NULL, op->dummy.nbytes);
		if (op->data.dir == SPI_MEM_DATA_IN) {
			crtm_chip_transfer(&rig->chip, NULL, op->data.buf.in, op->data.nbytes);
			rig_answer(rig, opcode, op->data.buf.in, op->data.nbytes);
		} else if (op->data.dir == SPI_MEM_DATA_OUT) {
			crtm_chip_transfer(&rig->chip, op->data.buf.out, NULL,
					   op->data.nbytes);
		}
	}

	return rig_end(rig, begun);
}

static bool rig_supports_op(struct spi_mem *mem, const struct spi_mem_op *op)
{
	const struct rig *rig = spi_controller_get_devdata(mem->spi->controller);

	return (!rig->refused || op->cmd.opcode != rig->refused) &&
	       spi_mem_default_supports_op(mem, op);
}

static const struct spi_controller_mem_ops rig_mem_ops = {
	.supports_op = rig_supports_op,
	.exec_op = rig_exec_op,
};

static int rig_transfer_one_message(struct spi_controller *ctlr, struct spi_message *msg)
{
	struct rig *rig = spi_controller_get_devdata(ctlr);
	struct spi_transfer *xfer;
	bool begun;

	xfer = list_first_entry(&msg->transfers, struct spi_transfer, transfer_list);
	begun = rig_begin(rig, *(const u8 *)xfer->tx_buf);
	if (begun)
		list_for_each_entry(xfer, &msg->transfers, transfer_list) {
			crtm_chip_transfer(&rig->chip, xfer->tx_buf, xfer->rx_buf, xfer->len);
			msg->actual_length += xfer->len;
		}
	msg->status = rig_end(rig, begun);
	spi_finalize_current_message(ctlr);

	return 0;
}

/**
 * rig_new() - a chip with the power on, not bound to a driver
 * @test: who it is for; everything goes with it
 * @model: name of the chip's model
 *
 * Its work takes no time.
 *
 * Return: the rig.
 */
struct rig *rig_new(struct kunit *test, const char *model)
{
	const struct crtm_chip_model *m = crtm_chip_model(model, strlen(model));
	struct device_driver *driver;
	struct rig *rig;
	void *nv;

	KUNIT_ASSERT_NOT_NULL(test, m);
	rig = kunit_kzalloc(test, sizeof(*rig), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, rig);
	nv = vzalloc(crtm_chip_nv_size(m));
	KUNIT_ASSERT_NOT_NULL(test, nv);
	KUNIT_ASSERT_EQ(test, kunit_add_action_or_reset(test, (kunit_action_t *)vfree, nv), 0);

	rig->test = test;
	rig->us_per_op = 10;
	KUNIT_ASSERT_EQ(test, crtm_chip_init(&rig->chip, m, nv, &rig_chip_ops, rig), 0);
	rig->chip.time_scale = 0;
	crtm_chip_power_on(&rig->chip);

	/* The name is on the driver's list of controllers that send a block whole. */
	driver = kunit_driver_create(test, "crtm-emu");
	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, driver);
	rig->parent = kunit_device_register_with_driver(test, "rig", driver);
	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, rig->parent);

	return rig;
}

static const struct property_entry rig_properties[] = {
	PROPERTY_ENTRY_BOOL("micron,sector-protection"),
	{}
};

static const struct software_node rig_node = {
	.properties = rig_properties,
};

/**
 * rig_bind() - bind the chip to spi-nor
 * @rig: the rig
 * @flags: RIG_*
 */
void rig_bind(struct rig *rig, unsigned int flags)
{
	KUNIT_ASSERT_TRUE(rig->test, rig_try_bind(rig, flags));
}

/**
 * rig_try_bind() - bind the chip to spi-nor, which may fail
 * @rig: the rig, not bound
 * @flags: RIG_*
 *
 * Return: true if it was bound.
 */
bool rig_try_bind(struct rig *rig, unsigned int flags)
{
	struct spi_board_info info = { .modalias = "spi-nor", .max_speed_hz = 50000000 };
	struct kunit *test = rig->test;

	if (!rig->ctlr) {
		rig->ctlr = spi_alloc_host(rig->parent, 0);
		KUNIT_ASSERT_NOT_NULL(test, rig->ctlr);
		spi_controller_set_devdata(rig->ctlr, rig);
		rig->ctlr->bus_num = -1;
		rig->ctlr->num_chipselect = 1;
		if (flags & RIG_SPI)
			rig->ctlr->transfer_one_message = rig_transfer_one_message;
		else
			rig->ctlr->mem_ops = &rig_mem_ops;
		KUNIT_ASSERT_EQ(test, devm_spi_register_controller(rig->parent, rig->ctlr), 0);
	}

	if (flags & RIG_PROPERTY)
		info.swnode = &rig_node;
	rig->spi = spi_new_device(rig->ctlr, &info);
	KUNIT_ASSERT_NOT_NULL(test, rig->spi);
	if (!rig->spi->dev.driver)
		return false;

	rig->nor = spi_mem_get_drvdata(spi_get_drvdata(rig->spi));
	rig->mtd = &rig->nor->mtd;
	return true;
}

/**
 * rig_remove() - the opposite of rig_try_bind(), whatever came of it
 * @rig: the rig
 */
void rig_remove(struct rig *rig)
{
	spi_unregister_device(rig->spi);
	rig->spi = NULL;
	rig->nor = NULL;
	rig->mtd = NULL;
}

/**
 * rig_start() - count and log SPI operations from here
 * @rig: the rig
 */
void rig_start(struct rig *rig)
{
	rig->ops = 0;
	memset(rig->log, 0, sizeof(rig->log));
}

static void rig_restore_console(void *rig)
{
	rig_loud(rig);
}

/**
 * rig_quiet() - keep the console free of the kernel's messages
 * @rig: the rig
 *
 * For tests that provoke them by the hundred thousand. Ends with rig_loud() or the test.
 */
void rig_quiet(struct rig *rig)
{
	rig->loglevel = console_loglevel;
	KUNIT_ASSERT_EQ(rig->test, kunit_add_action(rig->test, rig_restore_console, rig), 0);
	/* Ends KUnit's last line, which would not be shown any more. */
	pr_info("rig: no messages for a while\n");
	console_loglevel = CONSOLE_LOGLEVEL_SILENT;
}

/**
 * rig_loud() - end of rig_quiet()
 * @rig: the rig
 */
void rig_loud(struct rig *rig)
{
	console_loglevel = rig->loglevel;
}

/* What the kernel says, for tests one after the other */
char rig_said[8192];
static size_t rig_said_len;

static void rig_hear(struct console *con, const char *text, unsigned int len)
{
	len = min_t(size_t, len, sizeof(rig_said) - 1 - rig_said_len);
	memcpy(rig_said + rig_said_len, text, len);
	rig_said_len += len;
	rig_said[rig_said_len] = '\0';
}

static struct console rig_ear = {
	.name = "ear",
	.write = rig_hear,
};

static void rig_unregister_ear(void *unused)
{
	unregister_console(&rig_ear);
}

/**
 * rig_listen() - keep the kernel's messages in rig_said, until the test ends
 * @rig: the rig
 */
void rig_listen(struct rig *rig)
{
	rig_ear.flags = CON_ENABLED;
	rig_ear.index = -1;
	register_console(&rig_ear);
	KUNIT_ASSERT_EQ(rig->test, kunit_add_action_or_reset(rig->test, rig_unregister_ear, NULL),
			0);
}

/**
 * rig_forget() - empty rig_said
 */
void rig_forget(void)
{
	rig_said_len = 0;
	rig_said[0] = '\0';
}
