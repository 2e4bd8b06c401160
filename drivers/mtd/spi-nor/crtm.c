// SPDX-License-Identifier: GPL-2.0-only
/*
 * The exchange with the security engine of an SPI NOR flash: a block goes out,
 * the chip works, the response comes back, all under one hold of the flash's
 * lock, so nobody's response can be another's.
 */
#include <linux/delay.h>
#include <linux/device.h>
#include <linux/errno.h>
#include <linux/ktime.h>
#include <linux/math64.h>
#include <linux/minmax.h>
#include <linux/mtd/spi-nor.h>
#include <linux/sched/mm.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>
#include <linux/spi/spi.h>
#include <linux/spi/spi-mem.h>
#include <linux/string.h>

#include "asp.h"
#include "compat.h"
#include "crtm.h"

/*
 * Poll every eighth of the typical time and more and more rarely, but never more
 * often or more rarely than that.
 */
#define CRTM_POLL_DIV		8
#define CRTM_POLL_MIN_US	50
#define CRTM_POLL_MAX_US	10000
/* Up to here the typical time is slept through before the first poll. */
#define CRTM_FIRST_POLL_US	1000

/*
 * Controllers with memory operations of their own that were seen on the wire to
 * send a block as it is, in one chip-select assertion, and nothing of their own
 * before it. Many say that they can and fail, split, or slip in a write enable:
 * cadence-quadspi takes 8 bytes without an address, cuts a write with one into
 * pieces of 4 and sends 06h before each. So one that is not listed gets no block.
 *
 * @addr_nbytes: as in struct spi_nor_crtm
 */
static const struct {
	const char *driver;
	u8 addr_nbytes;
} crtm_controllers[] = {
	{ "zynqmp-qspi", 0 },
	{ "crtm-emu", RPMC_HDR_LEN - 1 },
};

/* The block less its opcode and @addr_nbytes more comes from the bounce buffer. */
static struct spi_mem_op crtm_write_op(const struct spi_nor *nor, u8 addr_nbytes,
				       const u8 *block, u32 len)
{
	struct spi_mem_op op =
		SPI_MEM_OP(SPI_MEM_OP_CMD(block[0], 1),
			   SPI_MEM_OP_ADDR(addr_nbytes, 0, 1),
			   SPI_MEM_OP_NO_DUMMY,
			   SPI_MEM_OP_DATA_OUT(len - 1 - addr_nbytes,
					       nor->bouncebuf, 1));
	u8 i;

	for (i = 1; i <= addr_nbytes; i++)
		op.addr.val = op.addr.val << 8 | block[i];
	if (!op.data.nbytes)
		op.data = (typeof(op.data)){ .dir = SPI_MEM_NO_DATA };

	return op;
}

/*
 * OP2, one dummy byte, @len bytes into the bounce buffer. The dummy byte is the
 * address where addresses are needed, elsewhere the first byte read.
 */
static struct spi_mem_op crtm_read_op(const struct spi_nor *nor, u8 addr_nbytes,
				      u8 op2, u32 len)
{
	u8 dummy = addr_nbytes ? 1 : 0;

	return (struct spi_mem_op)
		SPI_MEM_OP(SPI_MEM_OP_CMD(op2, 1),
			   SPI_MEM_OP_ADDR(dummy, 0, 1),
			   SPI_MEM_OP_NO_DUMMY,
			   SPI_MEM_OP_DATA_IN(len + 1 - dummy, nor->bouncebuf, 1));
}

/* Sent as it is, once: nothing here may split @block or send it again. */
static int crtm_send(struct spi_nor *nor, const u8 *block, u32 len)
{
	u8 addr_nbytes = nor->params->crtm->addr_nbytes;
	struct spi_mem_op op = crtm_write_op(nor, addr_nbytes, block, len);
	int ret;

	memcpy(nor->bouncebuf, block + 1 + addr_nbytes, op.data.nbytes);
	ret = spi_mem_exec_op(nor->spimem, &op);
	memzero_explicit(nor->bouncebuf, op.data.nbytes);
	if (ret)
		dev_dbg(nor->dev, "error %d sending command type %02x\n", ret,
			block[RPMC_OFF_TYPE]);

	return ret;
}

/* Response, or with @len 1 the status alone. */
static int crtm_read(struct spi_nor *nor, u8 *buf, u32 len)
{
	const struct spi_nor_crtm *crtm = nor->params->crtm;
	struct spi_mem_op op = crtm_read_op(nor, crtm->addr_nbytes, crtm->op2, len);
	int ret;

	ret = spi_mem_exec_op(nor->spimem, &op);
	if (ret)
		dev_dbg(nor->dev, "error %d reading %u bytes of response\n", ret, len);
	else
		memcpy(buf, nor->bouncebuf + op.data.nbytes - len, len);
	memzero_explicit(nor->bouncebuf, op.data.nbytes);

	return ret;
}

/* Return: 1 if the chip is busy, 0 if not, or a negative errno. */
static int crtm_busy(struct spi_nor *nor)
{
	u8 status;
	int ret;

	if (nor->params->crtm->poll_rdsr) {
		ret = spi_nor_sr_ready(nor);
		return ret < 0 ? ret : !ret;
	}

	ret = crtm_read(nor, &status, 1);
	return ret ? ret : !!(status & RPMC_STATUS_BUSY);
}

/**
 * spi_nor_crtm_wait() - sleep until the chip is ready
 * @nor: the flash, its lock held
 * @busy: returns 1 if it is busy, 0 if not, or a negative errno
 * @typ_us: time that it is expected to take, in us
 * @max_us: how long to wait at most, in us
 *
 * Not spi_nor_wait_till_ready(): that one spins for up to 40 s and makes an error
 * of what a refused block leaves in the flag status register.
 *
 * Return: 0, -ETIMEDOUT, or an error of the controller.
 */
int spi_nor_crtm_wait(struct spi_nor *nor, int (*busy)(struct spi_nor *nor), u64 typ_us,
		      u64 max_us)
{
	ktime_t deadline = ktime_add_us(ktime_get(), max_us);
	u32 step = clamp_t(u64, div_u64(typ_us, CRTM_POLL_DIV),
			   CRTM_POLL_MIN_US, CRTM_POLL_MAX_US);
	u32 first = typ_us <= CRTM_FIRST_POLL_US ? typ_us : step;
	bool late = false;
	int ret;

	if (first)
		usleep_range(first, first + CRTM_POLL_MIN_US);

	for (;;) {
		ret = busy(nor);
		if (ret <= 0)
			return ret;
		/* One poll after the deadline: the sleep may have been long. */
		if (late)
			return -ETIMEDOUT;
		usleep_range(step, step + step / 4);
		late = ktime_after(ktime_get(), deadline);
		step = min_t(u32, step + step / 4, CRTM_POLL_MAX_US);
	}
}

/**
 * spi_nor_crtm_time() - time that a command takes
 * @fixed_us: in any case, in us
 * @us_64k: for each 64 KiB of @range, in us
 * @range: what it works on, in bytes
 *
 * Return: the time in us.
 */
u64 spi_nor_crtm_time(u32 fixed_us, u32 us_64k, u32 range)
{
	return fixed_us + DIV_ROUND_UP_ULL((u64)us_64k * range, 65536);
}

/* A chip that is busy, or has just got power, has no response. */
static bool crtm_is_response(u8 status)
{
	return status != RPMC_STATUS_POWER_ON && !(status & RPMC_STATUS_BUSY);
}

/**
 * spi_nor_crtm_check_response() - does a response belong to its block?
 * @nor: the flash, its lock held
 * @xfer: the block and what was read, @xfer->cmd->resp bytes
 *
 * Return: length of the response in bytes, or -EIO if it belongs to another block (one
 * that the chip has never taken, or one from before a power loss) or says more than was
 * read.
 */
int spi_nor_crtm_check_response(struct spi_nor *nor, const struct crtm_xfer *xfer)
{
	const u8 *resp = xfer->out;

	if (!crtm_is_response(resp[0]))
		return -EIO;
	if (xfer->cmd->type > RPMC_REQUEST_COUNTER)
		return nor->params->crtm->vendor->check(nor, xfer);

	/* 03 has its tag, 00-02 have nothing. */
	if (xfer->cmd->type == RPMC_REQUEST_COUNTER && resp[0] == RPMC_STATUS_SUCCESS &&
	    memcmp(resp + RPMC_RESP_OFF_TAG, xfer->in + RPMC_HDR_LEN, RPMC_TAG_LEN))
		return -EIO;

	return RPMC_RESP_LEN;
}

/**
 * spi_nor_crtm_find() - the table entry of a command
 * @crtm: the security engine
 * @type: its command type
 *
 * Return: the entry, or NULL if the chip has no such command.
 */
const struct crtm_command *spi_nor_crtm_find(const struct spi_nor_crtm *crtm, u8 type)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(crtm->rpmc); i++)
		if (crtm->rpmc[i].type == type)
			return &crtm->rpmc[i];
	for (i = 0; crtm->vendor && i < crtm->vendor->n_commands; i++)
		if (crtm->vendor->commands[i].type == type)
			return &crtm->vendor->commands[i];

	return NULL;
}

/*
 * What every block leaves to be done once the chip is ready: a refused one must
 * not make the file system's next write fail.
 */
static int crtm_settle(struct spi_nor *nor)
{
	struct spi_nor_crtm *crtm = nor->params->crtm;
	int ret;

	if (crtm->secret) {
		ret = crtm->vendor->forget(nor);
		if (ret)
			return ret;
		crtm->secret = false;
	}
	if (crtm->clear_errors)
		crtm->clear_errors(nor);
	ret = spi_nor_write_disable(nor);
	if (ret)
		return ret;
	crtm->unsettled = false;

	return 0;
}

/*
 * Before any operation, array reads included: after a time-out or an error of the
 * controller the chip counts as busy until it was seen ready. Does nothing, and costs
 * nothing, in all other cases.
 *
 * Return: 0, or -EBUSY if it was not seen ready within SPI_NOR_CRTM_BUSY_MS.
 */
static int crtm_begin(struct spi_nor *nor)
{
	const struct spi_nor_crtm *crtm = nor->params->crtm;

	if (!crtm || !crtm->unsettled)
		return 0;

	if (spi_nor_crtm_wait(nor, crtm_busy, 0, SPI_NOR_CRTM_BUSY_MS * 1000) ||
	    crtm_settle(nor))
		return -EBUSY;

	return 0;
}

/**
 * spi_nor_crtm_lock() - take the mutex of a flash that may be in the middle of something
 * @nor: the flash
 *
 * A chip whose command timed out counts as busy until it was seen ready.
 *
 * Return: 0 with nor->lock held, or a negative errno without.
 */
int spi_nor_crtm_lock(struct spi_nor *nor)
{
	int ret;

	mutex_lock(&nor->lock);
	ret = crtm_begin(nor);
	if (!ret)
		ret = micron_st_nor_asp_begin(nor);
	if (ret)
		mutex_unlock(&nor->lock);

	return ret;
}

/**
 * spi_nor_crtm_settle() - let a chip that is late get ready
 * @nor: the flash, its lock not held
 *
 * Before what the core sends without the lock.
 */
void spi_nor_crtm_settle(struct spi_nor *nor)
{
	if (!spi_nor_crtm_lock(nor))
		mutex_unlock(&nor->lock);
}

/**
 * spi_nor_crtm_execute() - send a block and wait until the chip is ready
 * @nor: the flash, its lock held
 * @cmd: entry of the command
 * @block: the block
 * @len: its length in bytes
 * @range: length in bytes of what the command works on, 0 if on nothing
 *
 * Return: 0, or -ETIMEDOUT or -EIO: outcome unknown.
 */
int spi_nor_crtm_execute(struct spi_nor *nor, const struct crtm_command *cmd, const u8 *block,
			 u32 len, u32 range)
{
	int ret;

	if (crtm_send(nor, block, len))
		return -EIO;

	ret = spi_nor_crtm_wait(nor, crtm_busy,
				spi_nor_crtm_time(cmd->typ_us, cmd->typ_us_64k, range),
				spi_nor_crtm_time(cmd->max_us, cmd->max_us_64k, range));

	return ret && ret != -ETIMEDOUT ? -EIO : ret;
}

/**
 * spi_nor_crtm_run() - one exchange
 * @nor: the flash, its lock held
 * @xfer: block and room for the response
 *
 * Return: length of the response in bytes, or -ETIMEDOUT or -EIO: outcome unknown.
 */
int spi_nor_crtm_run(struct spi_nor *nor, struct crtm_xfer *xfer)
{
	struct spi_nor_crtm *crtm = nor->params->crtm;
	const struct crtm_command *cmd = xfer->cmd;
	int ret;

	crtm->unsettled = true;
	crtm->secret = cmd->flags & CRTM_F_SECRET;

	ret = spi_nor_crtm_execute(nor, cmd, xfer->in, xfer->in_len, xfer->range);
	if (ret)
		return ret;

	ret = crtm_read(nor, xfer->out, cmd->resp);
	/* Not ready after all: whoever takes the lock next waits. */
	if (!ret && !crtm_is_response(xfer->out[0]))
		return -EIO;
	if (!ret)
		ret = spi_nor_crtm_check_response(nor, xfer);

	/* What fails here is done by whoever takes the lock next. */
	if (crtm_settle(nor))
		dev_warn(nor->dev, "security command %02x: chip not settled\n", cmd->type);

	return ret < 0 ? -EIO : ret;
}

/**
 * spi_nor_crtm_exchange() - one exchange under one hold of the flash's lock
 * @nor: the flash
 * @xfer: what passed the checks; @xfer->sent, result, status, out_len are filled in
 *
 * Return: 0 if the chip may have seen the block, or a negative errno.
 */
int spi_nor_crtm_exchange(struct spi_nor *nor, struct crtm_xfer *xfer)
{
	const struct spi_nor_crtm *crtm = nor->params->crtm;
	unsigned int noio;
	int ret;

	if (xfer->in_len > SPI_NOR_CRTM_MAX_LEN || xfer->cmd->resp > SPI_NOR_CRTM_MAX_LEN)
		return -EMSGSIZE;

	/* Calls spi_nor_crtm_lock(). */
	ret = spi_nor_prep_and_lock(nor);
	if (ret)
		return ret;

	if (nor->reg_proto != SNOR_PROTO_1_1_1) {
		ret = -EOPNOTSUPP;
		goto unlock;
	}
	/* From here to the end nothing heeds one. */
	if (signal_pending(current)) {
		ret = -EINTR;
		goto unlock;
	}

	/* The SPI core allocates; reclaim could want to write to this flash. */
	noio = memalloc_noio_save();
	/* The core lets go of a chip that erases still where the controller failed it. */
	if (spi_nor_crtm_wait(nor, crtm_busy, 0, SPI_NOR_CRTM_BUSY_MS * 1000)) {
		ret = -EBUSY;
	} else {
		xfer->sent = true;
		xfer->result = spi_nor_crtm_run(nor, xfer);
	}
	memalloc_noio_restore(noio);
	if (ret)
		goto unlock;

	if (xfer->result >= 0) {
		xfer->out_len = xfer->result;
		xfer->status = xfer->out[0];
		xfer->result = 0;
		if (crtm->vendor)
			crtm->vendor->done(nor, xfer);
	} else {
		memzero_explicit(xfer->out, xfer->cmd->resp);
	}
unlock:
	spi_nor_unlock_and_unprep(nor);

	return ret;
}

/* Would @op go out whole? */
static bool crtm_supports(const struct spi_nor *nor, struct spi_mem_op op)
{
	unsigned int nbytes = op.data.nbytes;

	return spi_mem_supports_op(nor->spimem, &op) &&
	       !spi_mem_adjust_op_size(nor->spimem, &op) && op.data.nbytes == nbytes;
}

/* Say what the controller lacks. */
static int crtm_refuse(const struct spi_nor *nor, const char *lacks,
		       const struct spi_mem_op *op)
{
	struct spi_controller *ctlr = nor->spimem->spi->controller;

	dev_warn(nor->dev,
		 "no security commands: controller driver %s %s %u bytes after opcode %02x in one piece\n",
		 dev_driver_string(ctlr->dev.parent), lacks,
		 op->addr.nbytes + op->data.nbytes, op->cmd.opcode);

	return -EOPNOTSUPP;
}

/**
 * spi_nor_crtm_probe() - can the controller carry blocks? Whose chip is it?
 * @nor: the flash, while its parameters are initialised
 * @crtm: opcodes set; @crtm->addr_nbytes and @crtm->id are filled in
 *
 * Costs one operation: not every kernel keeps the ID as it was read.
 *
 * Return: 0, -EOPNOTSUPP if not, or an error of the controller.
 */
int spi_nor_crtm_probe(struct spi_nor *nor, struct spi_nor_crtm *crtm)
{
	const u8 block[RPMC_HDR_LEN] = { crtm->op1 };
	struct spi_mem_op write, read;
	struct spi_controller *ctlr;
	const char *driver;
	unsigned int i;
	int ret;

	if (!nor->spimem)
		return -EOPNOTSUPP;

	write = crtm_write_op(nor, 0, block, SPI_NOR_CRTM_MAX_LEN);
	ctlr = nor->spimem->spi->controller;
	driver = dev_driver_string(ctlr->dev.parent);
	if (ctlr->mem_ops && ctlr->mem_ops->exec_op) {
		for (i = 0; i < ARRAY_SIZE(crtm_controllers); i++)
			if (!strcmp(driver, crtm_controllers[i].driver))
				break;
		if (i == ARRAY_SIZE(crtm_controllers))
			return crtm_refuse(nor, "is not known to send", &write);
		crtm->addr_nbytes = crtm_controllers[i].addr_nbytes;
	}

	write = crtm_write_op(nor, crtm->addr_nbytes, block, SPI_NOR_CRTM_MAX_LEN);
	if (!crtm_supports(nor, write))
		return crtm_refuse(nor, "cannot send", &write);
	read = crtm_read_op(nor, crtm->addr_nbytes, crtm->op2, SPI_NOR_CRTM_MAX_LEN);
	if (!crtm_supports(nor, read))
		return crtm_refuse(nor, "cannot receive", &read);

	ret = spi_nor_read_id(nor, 0, 0, nor->bouncebuf, nor->reg_proto);
	if (!ret)
		memcpy(crtm->id, nor->bouncebuf, sizeof(crtm->id));

	return ret;
}
