// SPDX-License-Identifier: GPL-2.0-only
/*
 * A scripted bus: an SPI controller that is told which operations come and what to answer,
 * and a flash behind it that no driver has probed.
 */
#include <kunit/device.h>
#include <linux/err.h>
#include <linux/kernel.h>
#include <linux/minmax.h>
#include <linux/mutex.h>
#include <linux/slab.h>
#include <linux/spi/spi.h>
#include <linux/spi/spi-mem.h>
#include <linux/string.h>

#include "bus.h"

/* An operation came. Return: what the controller says of it. */
static int bus_op(struct bus *bus, const u8 *out, u32 out_len, u8 *in, u32 in_len)
{
	struct bus_step *step;
	bool same;

	bus->ops++;
	if (bus->hook)
		bus->hook(bus);
	KUNIT_EXPECT_EQ(bus->test, mutex_is_locked(&bus_nor(bus)->lock), bus->locked);

	for (;; bus->at++, bus->seen = 0) {
		if (bus->at == bus->n_steps) {
			KUNIT_FAIL(bus->test, "not in the script: %*ph, %u bytes in all",
				   min_t(int, out_len, 16), out, out_len);
			return -EIO;
		}
		step = &bus->step[bus->at];
		if (out_len == step->out_len && step->n_any)
			memcpy(step->out + step->any, out + step->any, step->n_any);
		same = out_len == step->out_len && !memcmp(out, step->out, out_len) &&
		       in_len == step->in_len;
		if (same || step->times != BUS_ANY || !bus->seen)
			break;
	}
	if (!same) {
		KUNIT_FAIL(bus->test, "step %u: %*ph (%u out, %u in) instead of %*ph (%u, %u)",
			   bus->at, min_t(int, out_len, 16), out, out_len, in_len,
			   min_t(int, step->out_len, 16), step->out, step->out_len,
			   step->in_len);
		return -EIO;
	}

	if (!step->ret && in_len)
		memcpy(in, step->in, in_len);
	memcpy(bus->sent, out, out_len);
	bus->seen++;
	if (bus->seen == step->times) {
		bus->at++;
		bus->seen = 0;
	}

	return step->ret;
}

static int bus_exec_op(struct spi_mem *mem, const struct spi_mem_op *op)
{
	struct bus *bus = spi_controller_get_devdata(mem->spi->controller);
	u8 out[BUS_LEN] = { op->cmd.opcode };
	u32 len = 1, in_len = 0;
	u8 i;

	for (i = op->addr.nbytes; i--;)
		out[len++] = op->addr.val >> 8 * i;
	len += op->dummy.nbytes;
	if (op->data.dir == SPI_MEM_DATA_OUT) {
		KUNIT_ASSERT_LE(bus->test, len + op->data.nbytes, sizeof(out));
		memcpy(out + len, op->data.buf.out, op->data.nbytes);
		len += op->data.nbytes;
	} else if (op->data.dir == SPI_MEM_DATA_IN) {
		in_len = op->data.nbytes;
	}

	return bus_op(bus, out, len, in_len ? op->data.buf.in : NULL, in_len);
}

static bool bus_supports_op(struct spi_mem *mem, const struct spi_mem_op *op)
{
	struct bus *bus = spi_controller_get_devdata(mem->spi->controller);

	return bus->supports && spi_mem_default_supports_op(mem, op);
}

static int bus_adjust_op_size(struct spi_mem *mem, struct spi_mem_op *op)
{
	struct bus *bus = spi_controller_get_devdata(mem->spi->controller);

	op->data.nbytes = min(op->data.nbytes, bus->max_len - 1 - op->addr.nbytes);
	return bus->adjust_ret;
}

static const struct spi_controller_mem_ops bus_mem_ops = {
	.exec_op = bus_exec_op,
	.supports_op = bus_supports_op,
	.adjust_op_size = bus_adjust_op_size,
};

static int bus_transfer_one_message(struct spi_controller *ctlr, struct spi_message *msg)
{
	struct bus *bus = spi_controller_get_devdata(ctlr);
	struct spi_transfer *xfer;
	u8 out[BUS_LEN], *in = NULL;
	u32 len = 0, in_len = 0;

	list_for_each_entry(xfer, &msg->transfers, transfer_list) {
		if (xfer->rx_buf) {
			in = xfer->rx_buf;
			in_len = xfer->len;
		} else {
			KUNIT_ASSERT_LE(bus->test, len + xfer->len, sizeof(out));
			memcpy(out + len, xfer->tx_buf, xfer->len);
			len += xfer->len;
		}
		msg->actual_length += xfer->len;
	}
	msg->status = bus_op(bus, out, len, in, in_len);
	spi_finalize_current_message(ctlr);

	return 0;
}

static size_t bus_max_size(struct spi_device *spi)
{
	struct bus *bus = spi_controller_get_devdata(spi->controller);

	return bus->max_len;
}

static void bus_restore_driver(void *data)
{
	struct bus *bus = data;

	bus->parent->driver = bus->real_driver;
}

/**
 * bus_new() - a bus without a script, and a flash with the JESD260 commands
 * @test: who it is for; everything goes with it
 * @form: which controller
 * @driver: name of the controller's driver
 *
 * Return: the bus.
 */
struct bus *bus_new(struct kunit *test, enum bus_form form, const char *driver)
{
	static const u8 sfdp[4 * RPMC_SFDP_DWORDS] = { 0x30, RPMC_OP1_DEFAULT,
						       RPMC_OP2_DEFAULT };
	struct spi_board_info info = { .modalias = "no-driver", .max_speed_hz = 50000000 };
	static unsigned int number;
	struct device *parent;
	struct spi_nor *nor;
	struct bus *bus;
	char name[16];

	bus = kunit_kzalloc(test, sizeof(*bus), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, bus);
	bus->bound = kunit_kzalloc(test, sizeof(*bus->bound), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, bus->bound);
	bus->test = test;
	bus->form = form;
	bus->locked = true;
	bus->max_len = BUS_LEN;
	bus->supports = true;

	snprintf(name, sizeof(name), "bus%u", number++);
	parent = kunit_device_register(test, name);
	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, parent);
	/* Any KUnit driver binds any KUnit device: this one only has the name of another. */
	bus->parent = parent;
	bus->driver.name = driver;
	bus->real_driver = parent->driver;
	KUNIT_ASSERT_EQ(test, kunit_add_action(test, bus_restore_driver, bus), 0);
	parent->driver = &bus->driver;
	bus->ctlr = devm_spi_alloc_host(parent, 0);
	KUNIT_ASSERT_NOT_NULL(test, bus->ctlr);
	spi_controller_set_devdata(bus->ctlr, bus);
	bus->ctlr->bus_num = -1;
	bus->ctlr->num_chipselect = 1;
	if (form == BUS_SPI) {
		bus->ctlr->transfer_one_message = bus_transfer_one_message;
		bus->ctlr->max_transfer_size = bus_max_size;
		bus->ctlr->max_message_size = bus_max_size;
	} else {
		bus->ctlr->mem_ops = &bus_mem_ops;
	}
	KUNIT_ASSERT_EQ(test, devm_spi_register_controller(parent, bus->ctlr), 0);
	bus->mem.spi = spi_new_device(bus->ctlr, &info);
	KUNIT_ASSERT_NOT_NULL(test, bus->mem.spi);

	nor = bus_nor(bus);
	nor->spimem = &bus->mem;
	nor->dev = &bus->mem.spi->dev;
	nor->params = &bus->params;
	nor->info = &bus->info;
	nor->reg_proto = SNOR_PROTO_1_1_1;
	nor->bouncebuf = kunit_kzalloc(test, PAGE_SIZE, GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, nor->bouncebuf);
	nor->bouncebuf_size = PAGE_SIZE;
	mutex_init(&nor->lock);
	KUNIT_ASSERT_EQ(test, spi_nor_rpmc_parse(&bus->crtm, sfdp), 0);
	bus->crtm.addr_nbytes = form == BUS_MEM_ADDR ? RPMC_HDR_LEN - 1 : 0;
	bus->params.crtm = &bus->crtm;

	return bus;
}

/**
 * bus_expect() - add an operation to the script
 * @bus: the bus
 * @out: what the host is to send, from the opcode on
 * @out_len: its length in bytes
 * @in: what the chip answers; NULL: zeros
 * @in_len: its length in bytes
 *
 * Return: the step; once, and successful, if the caller changes nothing of it.
 */
struct bus_step *bus_expect(struct bus *bus, const void *out, u32 out_len, const void *in,
			    u32 in_len)
{
	struct bus_step *step = &bus->step[bus->n_steps++];

	KUNIT_ASSERT_LE(bus->test, bus->n_steps, BUS_STEPS);
	KUNIT_ASSERT_LE(bus->test, max(out_len, in_len), BUS_LEN);
	memset(step, 0, sizeof(*step));
	memcpy(step->out, out, out_len);
	step->out_len = out_len;
	if (in)
		memcpy(step->in, in, in_len);
	step->in_len = in_len;
	step->times = 1;

	return step;
}

/**
 * bus_expect_op() - add an opcode without anything to the script
 * @bus: the bus
 * @opcode: the opcode
 *
 * Return: the step.
 */
struct bus_step *bus_expect_op(struct bus *bus, u8 opcode)
{
	return bus_expect(bus, &opcode, 1, NULL, 0);
}

/**
 * bus_expect_response() - add reading of status or response to the script
 * @bus: the bus
 * @resp: what the chip answers
 * @len: its length in bytes
 *
 * Return: the step.
 */
struct bus_step *bus_expect_response(struct bus *bus, const void *resp, u32 len)
{
	u8 out[] = { bus->crtm.op2, 0 }, in[BUS_LEN];

	if (bus->form == BUS_MEM_ADDR)
		return bus_expect(bus, out, 2, resp, len);

	KUNIT_ASSERT_LT(bus->test, len, BUS_LEN);
	in[0] = 0x5a;	/* while the dummy byte passes */
	memcpy(in + 1, resp, len);
	return bus_expect(bus, out, 1, in, len + 1);
}

/**
 * bus_done() - the script must be at its end; begin another
 * @bus: the bus
 */
void bus_done(struct bus *bus)
{
	u32 at = bus->at;

	if (at < bus->n_steps && bus->step[at].times == BUS_ANY && bus->seen)
		at++;
	KUNIT_EXPECT_EQ_MSG(bus->test, at, bus->n_steps, "steps of the script");
	bus->n_steps = 0;
	bus->at = 0;
	bus->seen = 0;
	bus->ops = 0;
}
