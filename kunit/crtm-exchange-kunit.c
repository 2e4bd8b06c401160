// SPDX-License-Identifier: GPL-2.0-only
/*
 * The exchange with a security engine: each operation that goes out, in its order, and
 * none beside.
 */
#include <kunit/test.h>
#include <linux/errno.h>
#include <linux/ktime.h>
#include <linux/math64.h>
#include <linux/mtd/rpmc.h>
#include <linux/sched/mm.h>
#include <linux/sched/signal.h>
#include <linux/string.h>

#include "bus.h"

#define RDSR		0x05
#define WRDI		0x04
#define RDID		0x9f

/* A command of a vendor's own, which returns a key */
#define SECRET		0x46
#define VENDOR_LEN	20
#define VENDOR_RESP	33
/* What the vendor sends to have another response in its place */
#define FORGET		0x48

/* Blocks of JESD260, by their command type: lengths, longest times in us */
static const u32 rpmc_len[] = { 64, 40, 40, 48 };
static const u32 rpmc_max_us[] = { 100000, 10000, 100000, 10000 };

struct exchange {
	struct bus *bus;
	struct crtm_xfer xfer;
	u8 in[SPI_NOR_CRTM_MAX_LEN + 1];
	u8 out[SPI_NOR_CRTM_MAX_LEN];
	u8 resp[SPI_NOR_CRTM_MAX_LEN];
	u32 done;
	s64 us;		/* that the last one took */
	u32 ops;	/* and its operations */
};

static struct exchange *exchange_new(struct kunit *test, enum bus_form form)
{
	struct exchange *ex = kunit_kzalloc(test, sizeof(*ex), GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, ex);
	/* These are on the driver's list; of plain controllers nobody asks. */
	ex->bus = bus_new(test, form, form == BUS_MEM_ADDR ? "crtm-emu" : "zynqmp-qspi");
	ex->bus->bound->sec.ops = &spi_nor_crtm_ops;
	return ex;
}

/* A block of @type, and the response that the chip has for it */
static void prepare(struct exchange *ex, u8 type, u8 status)
{
	u32 i;

	for (i = 0; i < sizeof(ex->in); i++)
		ex->in[i] = 0x10 + 7 * i;
	ex->in[0] = RPMC_OP1_DEFAULT;
	ex->in[RPMC_OFF_TYPE] = type;
	ex->in[RPMC_OFF_SLOT] = 1;
	ex->in[RPMC_OFF_RSVD] = 0;
	for (i = 0; i < sizeof(ex->resp); i++)
		ex->resp[i] = 0x80 + 5 * i;
	ex->resp[0] = status;
	if (type == RPMC_REQUEST_COUNTER)
		memcpy(ex->resp + RPMC_RESP_OFF_TAG, ex->in + RPMC_HDR_LEN, RPMC_TAG_LEN);

	memset(ex->out, 0xee, sizeof(ex->out));
	memset(&ex->xfer, 0xee, sizeof(ex->xfer));
	ex->xfer.cmd = spi_nor_crtm_find(&ex->bus->crtm, type);
	ex->xfer.in = ex->in;
	ex->xfer.in_len = type < ARRAY_SIZE(rpmc_len) ? rpmc_len[type] : VENDOR_LEN;
	ex->xfer.out = ex->out;
	ex->xfer.out_len = 0;
	ex->xfer.range = 0;
	ex->xfer.sent = false;
}

static struct bus_step *expect_status(struct exchange *ex, u8 status)
{
	u8 rdsr = RDSR;

	if (ex->bus->crtm.poll_rdsr)
		return bus_expect(ex->bus, &rdsr, 1, &status, 1);
	return bus_expect_response(ex->bus, &status, 1);
}

/* The chip is asked whether it is busy with something else before it gets a block. */
static struct bus_step *expect_block(struct exchange *ex)
{
	expect_status(ex, 0x02);
	return bus_expect(ex->bus, ex->in, ex->xfer.in_len, NULL, 0);
}

static struct bus_step *expect_response(struct exchange *ex)
{
	return bus_expect_response(ex->bus, ex->resp, ex->xfer.cmd->resp);
}

static int run(struct exchange *ex)
{
	struct mtd_security *sec = &ex->bus->bound->sec;
	ktime_t start = ktime_get();
	int ret;

	ret = sec->ops->exchange(sec, &ex->xfer);
	ex->us = ktime_us_delta(ktime_get(), start);

	KUNIT_EXPECT_FALSE(ex->bus->test, mutex_is_locked(&bus_nor(ex->bus)->lock));
	KUNIT_EXPECT_FALSE(ex->bus->test, current->flags & PF_MEMALLOC_NOIO);
	/* What passed through is not left behind. */
	KUNIT_EXPECT_NULL(ex->bus->test, memchr_inv(bus_nor(ex->bus)->bouncebuf + 6, 0,
						    PAGE_SIZE - 6));
	ex->ops = ex->bus->ops;
	bus_done(ex->bus);
	return ret;
}

/* It finished: everything that the caller is told */
static void expect_finished(struct exchange *ex, u32 len)
{
	struct kunit *test = ex->bus->test;

	KUNIT_EXPECT_EQ(test, run(ex), 0);
	KUNIT_EXPECT_TRUE(test, ex->xfer.sent);
	KUNIT_EXPECT_EQ(test, ex->xfer.result, 0);
	KUNIT_EXPECT_EQ(test, ex->xfer.status, ex->resp[0]);
	KUNIT_EXPECT_EQ(test, ex->xfer.out_len, len);
	KUNIT_EXPECT_MEMEQ(test, ex->out, ex->resp, len);
}

/* Sent, and nobody knows what came of it: no byte of a response is handed out. */
static void expect_unknown(struct exchange *ex, int result)
{
	struct kunit *test = ex->bus->test;

	KUNIT_EXPECT_EQ(test, run(ex), 0);
	KUNIT_EXPECT_TRUE(test, ex->xfer.sent);
	KUNIT_EXPECT_EQ(test, ex->xfer.result, result);
	KUNIT_EXPECT_EQ(test, ex->xfer.out_len, 0);
	KUNIT_EXPECT_NULL(test, memchr_inv(ex->out, 0, ex->xfer.cmd->resp));
}

static void expect_refused(struct exchange *ex, int errno)
{
	struct kunit *test = ex->bus->test;

	KUNIT_EXPECT_EQ(test, run(ex), errno);
	KUNIT_EXPECT_FALSE(test, ex->xfer.sent);
	KUNIT_EXPECT_EQ(test, ex->xfer.out_len, 0);
	KUNIT_EXPECT_NULL(test, memchr_inv(ex->out, 0xee, ex->xfer.cmd->resp));
}

static void no_io(struct bus *bus)
{
	KUNIT_EXPECT_TRUE(bus->test, current->flags & PF_MEMALLOC_NOIO);
}

/* Every command, every status, on every controller, by both ways to tell busy */
static void commands(struct kunit *test)
{
	static const u8 statuses[] = { 0x80, 0x02, 0x04, 0x08, 0x10, 0x20, 0x40, 0xfe };
	enum bus_form form;
	struct exchange *ex;
	u32 type, i, rdsr;

	for (form = 0; form < BUS_FORMS; form++) {
		ex = exchange_new(test, form);
		/* Plain controllers are driven by a thread of their own. */
		ex->bus->hook = form == BUS_SPI ? NULL : no_io;
		for (rdsr = 0; rdsr < 2; rdsr++)
			for (type = 0; type < ARRAY_SIZE(rpmc_len); type++)
				for (i = 0; i < ARRAY_SIZE(statuses); i++) {
					ex->bus->crtm.poll_rdsr = rdsr;
					prepare(ex, type, statuses[i]);
					expect_block(ex);
					expect_status(ex, rdsr ? 0x02 : statuses[i]);
					expect_response(ex);
					bus_expect_op(ex->bus, WRDI);
					expect_finished(ex, RPMC_RESP_LEN);
					KUNIT_EXPECT_FALSE(test, ex->bus->crtm.unsettled);
				}
	}
}

/* Busy for any number of polls */
static void polls(struct kunit *test)
{
	struct exchange *ex = exchange_new(test, BUS_MEM_ADDR);
	u32 n, rdsr;

	for (rdsr = 0; rdsr < 2; rdsr++) {
		ex->bus->crtm.poll_rdsr = rdsr;
		for (n = 1; n < 12; n++) {
			prepare(ex, RPMC_INCREMENT_COUNTER, 0x80);
			expect_block(ex);
			expect_status(ex, 0x01)->times = n;
			expect_status(ex, rdsr ? 0x00 : 0x80);
			expect_response(ex);
			bus_expect_op(ex->bus, WRDI);
			expect_finished(ex, RPMC_RESP_LEN);
			/* 5 ms are typical: an eighth of it each time, at the least */
			KUNIT_EXPECT_GE(test, ex->us, 625 * (n + 1));
		}
	}
}

/* For ever busy: the time limit of the command, and never the response */
static void time_outs(struct kunit *test)
{
	struct exchange *ex = exchange_new(test, BUS_MEM_ADDR);
	u32 type, rdsr;

	for (rdsr = 0; rdsr < 2; rdsr++)
		for (type = 0; type < ARRAY_SIZE(rpmc_len); type++) {
			ex->bus->crtm.poll_rdsr = rdsr;
			prepare(ex, type, 0x80);
			expect_block(ex);
			expect_status(ex, 0x01)->times = BUS_ANY;
			expect_unknown(ex, -ETIMEDOUT);
			KUNIT_EXPECT_GE(test, ex->us, rpmc_max_us[type]);
			/* One sleep past it, one poll */
			KUNIT_EXPECT_LE(test, ex->us, rpmc_max_us[type] + 15000);
			KUNIT_EXPECT_TRUE(test, ex->bus->crtm.unsettled);
			ex->bus->crtm.unsettled = false;
			/* Polls grow rarer, down to one in 10 ms. */
			KUNIT_EXPECT_GE(test, ex->ops, rpmc_max_us[type] / 12500);
			KUNIT_EXPECT_LE(test, ex->ops, 40);
		}
}

/* What a range adds to the time that a command may take */
static void time_of_range(struct kunit *test)
{
	struct exchange *ex = exchange_new(test, BUS_MEM_ADDR);
	u32 range;

	ex->bus->crtm.rpmc[RPMC_REQUEST_COUNTER].max_us_64k = 1000000;
	for (range = 0; range <= 65536; range += 16384) {
		prepare(ex, RPMC_REQUEST_COUNTER, 0x80);
		ex->xfer.range = range;
		expect_block(ex);
		expect_status(ex, 0x01)->times = BUS_ANY;
		expect_unknown(ex, -ETIMEDOUT);
		KUNIT_EXPECT_GE(test, ex->us, 10000 + div_u64(1000000ull * range, 65536));
		ex->bus->crtm.unsettled = false;
	}
}

/*
 * A chip that was left busy: nothing is sent but status reads, for 400 ms at the longest,
 * until it was seen ready; then it is settled, and the block goes out.
 */
static void unsettled(struct kunit *test)
{
	struct exchange *ex = exchange_new(test, BUS_MEM_ADDR);
	struct spi_nor_crtm *crtm = &ex->bus->crtm;
	struct spi_nor *nor = bus_nor(ex->bus);

	crtm->unsettled = true;
	prepare(ex, RPMC_REQUEST_COUNTER, 0x80);
	expect_status(ex, 0x01)->times = BUS_ANY;
	expect_refused(ex, -EBUSY);
	KUNIT_EXPECT_GE(test, ex->us, 400000);
	KUNIT_EXPECT_LE(test, ex->us, 415000);
	KUNIT_EXPECT_TRUE(test, crtm->unsettled);

	/* The controller fails, at the status and at what follows. */
	expect_status(ex, 0x80)->ret = -EIO;
	expect_refused(ex, -EBUSY);
	expect_status(ex, 0x80);
	bus_expect_op(ex->bus, WRDI)->ret = -EIO;
	expect_refused(ex, -EBUSY);
	KUNIT_EXPECT_TRUE(test, crtm->unsettled);

	/* Others than exchanges wait for the same. */
	expect_status(ex, 0x01)->times = BUS_ANY;
	KUNIT_EXPECT_EQ(test, spi_nor_crtm_lock(nor), -EBUSY);
	KUNIT_EXPECT_FALSE(test, mutex_is_locked(&nor->lock));
	bus_done(ex->bus);
	expect_status(ex, 0x01)->times = BUS_ANY;
	spi_nor_crtm_settle(nor);
	bus_done(ex->bus);
	KUNIT_EXPECT_TRUE(test, crtm->unsettled);

	expect_status(ex, 0x01)->times = 3;
	expect_status(ex, 0x80);
	bus_expect_op(ex->bus, WRDI);
	expect_block(ex);
	expect_status(ex, 0x80);
	expect_response(ex);
	bus_expect_op(ex->bus, WRDI);
	expect_finished(ex, RPMC_RESP_LEN);
	KUNIT_EXPECT_FALSE(test, crtm->unsettled);

	crtm->unsettled = true;
	expect_status(ex, 0x80);
	bus_expect_op(ex->bus, WRDI);
	spi_nor_crtm_settle(nor);
	bus_done(ex->bus);
	KUNIT_EXPECT_FALSE(test, crtm->unsettled);
	/* And nothing at all of one that is settled */
	spi_nor_crtm_settle(nor);
	bus_done(ex->bus);
}

/* A chip that is busy with what is not a block: array operations of the core's */
static void busy_before(struct kunit *test)
{
	struct exchange *ex = exchange_new(test, BUS_MEM_ADDR);
	u32 rdsr;

	for (rdsr = 0; rdsr < 2; rdsr++) {
		ex->bus->crtm.poll_rdsr = rdsr;
		prepare(ex, RPMC_INCREMENT_COUNTER, 0x80);
		expect_status(ex, 0x01)->times = BUS_ANY;
		expect_refused(ex, -EBUSY);
		KUNIT_EXPECT_GE(test, ex->us, 400000);
		KUNIT_EXPECT_LE(test, ex->us, 415000);
		/* No block of ours: there is nothing to settle. */
		KUNIT_EXPECT_FALSE(test, ex->bus->crtm.unsettled);

		expect_status(ex, 0x02)->ret = -EIO;
		expect_refused(ex, -EBUSY);

		expect_status(ex, 0x01)->times = 7;
		expect_block(ex);
		expect_status(ex, 0x02);
		expect_response(ex);
		bus_expect_op(ex->bus, WRDI);
		expect_finished(ex, RPMC_RESP_LEN);
	}
}

/* The controller fails at the n-th operation. */
static void controller_errors(struct kunit *test)
{
	static const int errors[] = { -EIO, -ETIMEDOUT, -ENOMEM, -EINVAL };
	struct exchange *ex = exchange_new(test, BUS_MEM_ADDR);
	struct spi_nor_crtm *crtm = &ex->bus->crtm;
	u32 i, rdsr;

	for (rdsr = 0; rdsr < 2; rdsr++)
		for (i = 0; i < ARRAY_SIZE(errors); i++) {
			crtm->poll_rdsr = rdsr;

			prepare(ex, RPMC_INCREMENT_COUNTER, 0x80);
			expect_block(ex)->ret = errors[i];
			expect_unknown(ex, -EIO);
			KUNIT_EXPECT_TRUE(test, crtm->unsettled);
			crtm->unsettled = false;

			prepare(ex, RPMC_INCREMENT_COUNTER, 0x80);
			expect_block(ex);
			expect_status(ex, 0x01);
			expect_status(ex, 0x01)->ret = errors[i];
			/* Not the time limit of the command, whatever the controller says */
			expect_unknown(ex, errors[i] == -ETIMEDOUT ? -ETIMEDOUT : -EIO);
			KUNIT_EXPECT_TRUE(test, crtm->unsettled);
			crtm->unsettled = false;

			prepare(ex, RPMC_INCREMENT_COUNTER, 0x80);
			expect_block(ex);
			expect_status(ex, 0x00);
			expect_response(ex)->ret = errors[i];
			bus_expect_op(ex->bus, WRDI);
			expect_unknown(ex, -EIO);
			KUNIT_EXPECT_FALSE(test, crtm->unsettled);

			/* The response is there; the rest is done by the next one. */
			prepare(ex, RPMC_INCREMENT_COUNTER, 0x80);
			expect_block(ex);
			expect_status(ex, 0x00);
			expect_response(ex);
			bus_expect_op(ex->bus, WRDI)->ret = errors[i];
			expect_finished(ex, RPMC_RESP_LEN);
			KUNIT_EXPECT_TRUE(test, crtm->unsettled);
			crtm->unsettled = false;
		}
}

/* What the chip says is not the response to that block. */
static void foreign_responses(struct kunit *test)
{
	struct exchange *ex = exchange_new(test, BUS_MEM_ADDR);
	u32 bit, type;

	for (bit = 0; bit < 8 * RPMC_TAG_LEN; bit++) {
		prepare(ex, RPMC_REQUEST_COUNTER, 0x80);
		ex->resp[RPMC_RESP_OFF_TAG + bit / 8] ^= 1 << bit % 8;
		expect_block(ex);
		expect_status(ex, 0x80);
		expect_response(ex);
		bus_expect_op(ex->bus, WRDI);
		expect_unknown(ex, -EIO);
	}

	/* The chip was reset, or is busy after all: the next one waits and settles it. */
	for (type = 0; type < ARRAY_SIZE(rpmc_len); type++)
		for (bit = 0; bit < 2; bit++) {
			prepare(ex, type, bit);
			expect_block(ex);
			expect_status(ex, 0x00);
			expect_response(ex);
			expect_unknown(ex, -EIO);
			KUNIT_EXPECT_TRUE(test, ex->bus->crtm.unsettled);
			ex->bus->crtm.unsettled = false;
		}
}

/* Refused before the first byte */
static void nothing_sent(struct kunit *test)
{
	struct exchange *ex = exchange_new(test, BUS_MEM_ADDR);
	struct crtm_command cmd;

	prepare(ex, RPMC_INCREMENT_COUNTER, 0x80);
	ex->xfer.in_len = SPI_NOR_CRTM_MAX_LEN + 1;
	expect_refused(ex, -EMSGSIZE);

	prepare(ex, RPMC_INCREMENT_COUNTER, 0x80);
	cmd = *ex->xfer.cmd;
	cmd.resp = SPI_NOR_CRTM_MAX_LEN + 1;
	ex->xfer.cmd = &cmd;
	KUNIT_EXPECT_EQ(test, run(ex), -EMSGSIZE);
	KUNIT_EXPECT_FALSE(test, ex->xfer.sent);

	prepare(ex, RPMC_INCREMENT_COUNTER, 0x80);
	bus_nor(ex->bus)->reg_proto = SNOR_PROTO_8_8_8_DTR;
	expect_refused(ex, -EOPNOTSUPP);
	bus_nor(ex->bus)->reg_proto = SNOR_PROTO_1_1_1;

	prepare(ex, RPMC_INCREMENT_COUNTER, 0x80);
	set_tsk_thread_flag(current, TIF_SIGPENDING);
	expect_refused(ex, -EINTR);
	clear_tsk_thread_flag(current, TIF_SIGPENDING);
}

/* A signal that comes once the first byte is out */
static void signal_now(struct bus *bus)
{
	set_tsk_thread_flag(current, TIF_SIGPENDING);
}

static void signal_while_sent(struct kunit *test)
{
	struct exchange *ex = exchange_new(test, BUS_MEM_ADDR);

	prepare(ex, RPMC_INCREMENT_COUNTER, 0x80);
	ex->bus->hook = signal_now;
	expect_block(ex);
	expect_status(ex, 0x01)->times = 5;
	expect_status(ex, 0x80);
	expect_response(ex);
	bus_expect_op(ex->bus, WRDI);
	expect_finished(ex, RPMC_RESP_LEN);
	clear_tsk_thread_flag(current, TIF_SIGPENDING);
}

/* A whole block, of any length, on any controller */
static void block_lengths(struct kunit *test)
{
	enum bus_form form;
	struct exchange *ex;
	u32 len;

	for (form = 0; form < BUS_FORMS; form++) {
		ex = exchange_new(test, form);
		for (len = RPMC_HDR_LEN; len <= SPI_NOR_CRTM_MAX_LEN; len++) {
			prepare(ex, RPMC_UPDATE_HMAC_KEY, 0x80);
			ex->xfer.in_len = len;
			expect_block(ex);
			expect_status(ex, 0x80);
			expect_response(ex);
			bus_expect_op(ex->bus, WRDI);
			expect_finished(ex, RPMC_RESP_LEN);
		}
	}
}

static struct exchange *vendor_exchange;

static int vendor_check(struct spi_nor *nor, const struct crtm_xfer *xfer)
{
	return VENDOR_RESP;
}

static int vendor_forget(struct spi_nor *nor)
{
	static const struct crtm_command cmd = { .type = FORGET, .resp = 1 };
	static const u8 block[RPMC_HDR_LEN] = { RPMC_OP1_DEFAULT, FORGET };

	return spi_nor_crtm_execute(nor, &cmd, block, sizeof(block), 0);
}

static void vendor_done(struct spi_nor *nor, const struct crtm_xfer *xfer)
{
	KUNIT_EXPECT_PTR_EQ(vendor_exchange->bus->test, xfer, &vendor_exchange->xfer);
	KUNIT_EXPECT_TRUE(vendor_exchange->bus->test, mutex_is_locked(&nor->lock));
	vendor_exchange->done++;
}

static const struct crtm_command vendor_commands[] = {
	{
		.type = SECRET, .class = CRTM_RD, .flags = CRTM_F_SECRET, .min = VENDOR_LEN,
		.max = VENDOR_LEN, .resp = VENDOR_RESP, .max_us = 20000,
	},
};

static const struct spi_nor_crtm_vendor vendor = {
	.name = "KUnit",
	.commands = vendor_commands,
	.n_commands = ARRAY_SIZE(vendor_commands),
	.check = vendor_check,
	.forget = vendor_forget,
	.done = vendor_done,
};

static void clear_errors(struct spi_nor *nor)
{
	vendor_exchange->done += 100;
}

static void expect_forget(struct exchange *ex)
{
	static const u8 block[RPMC_HDR_LEN] = { RPMC_OP1_DEFAULT, FORGET };

	bus_expect(ex->bus, block, sizeof(block), NULL, 0);
}

/* A key does not stay in the chip, nor in any buffer. */
static void secrets(struct kunit *test)
{
	struct exchange *ex = exchange_new(test, BUS_MEM_ADDR);
	struct spi_nor_crtm *crtm = &ex->bus->crtm;

	vendor_exchange = ex;
	crtm->vendor = &vendor;
	crtm->clear_errors = clear_errors;

	prepare(ex, SECRET, 0x80);
	expect_block(ex);
	expect_status(ex, 0x80);
	expect_response(ex);
	expect_forget(ex);
	expect_status(ex, 0x80);
	bus_expect_op(ex->bus, WRDI);
	expect_finished(ex, VENDOR_RESP);
	KUNIT_EXPECT_EQ(test, ex->done, 101);
	KUNIT_EXPECT_FALSE(test, crtm->secret);

	/* Not read for a time-out: forgotten as soon as the chip is ready */
	prepare(ex, SECRET, 0x80);
	expect_block(ex);
	expect_status(ex, 0x01)->times = BUS_ANY;
	expect_unknown(ex, -ETIMEDOUT);
	KUNIT_EXPECT_TRUE(test, crtm->secret);
	KUNIT_EXPECT_EQ(test, ex->done, 101);
	expect_status(ex, 0x80);
	expect_forget(ex);
	expect_status(ex, 0x80)->ret = -EIO;
	spi_nor_crtm_settle(bus_nor(ex->bus));
	bus_done(ex->bus);
	KUNIT_EXPECT_TRUE(test, crtm->secret);
	KUNIT_EXPECT_TRUE(test, crtm->unsettled);
	expect_status(ex, 0x80);
	expect_forget(ex);
	expect_status(ex, 0x80);
	bus_expect_op(ex->bus, WRDI);
	spi_nor_crtm_settle(bus_nor(ex->bus));
	bus_done(ex->bus);
	KUNIT_EXPECT_FALSE(test, crtm->secret);
	KUNIT_EXPECT_FALSE(test, crtm->unsettled);
	KUNIT_EXPECT_EQ(test, ex->done, 201);

	/* JESD260's are not secret, and are told all the same. */
	prepare(ex, RPMC_REQUEST_COUNTER, 0x80);
	expect_block(ex);
	expect_status(ex, 0x80);
	expect_response(ex);
	bus_expect_op(ex->bus, WRDI);
	expect_finished(ex, RPMC_RESP_LEN);
	KUNIT_EXPECT_EQ(test, ex->done, 302);
}

/* What a controller must be able to do; a refused one has not been sent anything. */
static int probe(struct kunit *test, enum bus_form form, const char *driver, u32 max_len,
		 bool supports, int adjust_ret, bool read_id)
{
	static const u8 id[SPI_NOR_MAX_ID_LEN] = { 0x20, 0xbb, 0x18, 0x12, 0x00, 0x8c };
	static const u8 rdid = RDID;
	struct bus *bus = bus_new(test, form, driver);
	int ret;

	bus->locked = false;
	bus->max_len = max_len;
	bus->supports = supports;
	bus->adjust_ret = adjust_ret;
	bus->crtm.addr_nbytes = 0xff;
	if (form == BUS_SPI)
		bus->crtm.addr_nbytes = 0;
	if (read_id)
		bus_expect(bus, &rdid, 1, id, sizeof(id));
	ret = spi_nor_crtm_probe(bus_nor(bus), &bus->crtm);
	bus_done(bus);
	if (!ret) {
		KUNIT_EXPECT_MEMEQ(test, bus->crtm.id, id, sizeof(id));
		KUNIT_EXPECT_EQ(test, bus->crtm.addr_nbytes, form == BUS_MEM_ADDR ? 3 : 0);
	}
	return ret;
}

static void controllers(struct kunit *test)
{
	static const struct spi_controller_mem_ops no_ops = {};
	u8 id[SPI_NOR_MAX_ID_LEN] = {}, rdid = RDID;
	struct bus *bus;

	KUNIT_EXPECT_EQ(test, probe(test, BUS_MEM_ADDR, "crtm-emu", 514, true, 0, true), 0);
	KUNIT_EXPECT_EQ(test, probe(test, BUS_MEM_DATA, "zynqmp-qspi", 514, true, 0, true), 0);
	KUNIT_EXPECT_EQ(test, probe(test, BUS_SPI, "whatever", 514, true, 0, true), 0);

	/* Plain transfers too, whatever else it may have */
	bus = bus_new(test, BUS_SPI, "whatever");
	bus->locked = false;
	bus->ctlr->mem_ops = &no_ops;
	bus_expect(bus, &rdid, 1, id, sizeof(id));
	KUNIT_EXPECT_EQ(test, spi_nor_crtm_probe(bus_nor(bus), &bus->crtm), 0);
	bus_done(bus);

	/* Not on the list, or with less than what the list says */
	KUNIT_EXPECT_EQ(test, probe(test, BUS_MEM_DATA, "cadence-qspi", 514, true, 0, false),
			-EOPNOTSUPP);
	KUNIT_EXPECT_EQ(test, probe(test, BUS_MEM_DATA, "zynqmp", 514, true, 0, false),
			-EOPNOTSUPP);
	KUNIT_EXPECT_EQ(test, probe(test, BUS_MEM_ADDR, "crtm-emu", 514, false, 0, false),
			-EOPNOTSUPP);
	KUNIT_EXPECT_EQ(test, probe(test, BUS_MEM_ADDR, "crtm-emu", 514, true, -EINVAL, false),
			-EOPNOTSUPP);
	KUNIT_EXPECT_EQ(test, probe(test, BUS_MEM_ADDR, "crtm-emu", 511, true, 0, false),
			-EOPNOTSUPP);
	/* A block fits, a response with its dummy byte does not */
	KUNIT_EXPECT_EQ(test, probe(test, BUS_MEM_ADDR, "crtm-emu", 512, true, 0, false),
			-EOPNOTSUPP);
	KUNIT_EXPECT_EQ(test, probe(test, BUS_MEM_DATA, "zynqmp-qspi", 512, true, 0, false),
			-EOPNOTSUPP);
	KUNIT_EXPECT_EQ(test, probe(test, BUS_SPI, "whatever", 8, true, 0, false), -EOPNOTSUPP);

	bus = bus_new(test, BUS_MEM_ADDR, "crtm-emu");
	bus->locked = false;
	bus_expect(bus, &rdid, 1, NULL, SPI_NOR_MAX_ID_LEN)->ret = -EIO;
	KUNIT_EXPECT_EQ(test, spi_nor_crtm_probe(bus_nor(bus), &bus->crtm), -EIO);
	bus_done(bus);

	/* One that speaks SPI NOR itself takes no blocks. */
	bus_nor(bus)->spimem = NULL;
	KUNIT_EXPECT_EQ(test, spi_nor_crtm_probe(bus_nor(bus), &bus->crtm), -EOPNOTSUPP);
	bus_done(bus);
}

/* The SFDP table of a chip that nobody has listed: who gets the commands? */
static void unlisted(struct kunit *test)
{
	static const struct {
		u8 manufacturer;
		bool listed;
		bool commands;
	} cases[] = {
		{ 0xef, false, true }, { 0xef, true, true },
		/* There, both opcodes mean something else. */
		{ 0x20, false, false }, { 0x2c, false, false },
		{ 0x20, true, true }, { 0x2c, true, true },
	};
	static const struct spi_nor_manufacturer listed = { .name = "KUnit" };
	struct sfdp_parameter_header header = { .length = RPMC_SFDP_DWORDS, .major = 1 };
	u8 table[4 * RPMC_SFDP_DWORDS] = { 0x30, RPMC_OP1_DEFAULT, RPMC_OP2_DEFAULT };
	struct sfdp sfdp = { .num_dwords = RPMC_SFDP_DWORDS, .dwords = (u32 *)table };
	u8 id[SPI_NOR_MAX_ID_LEN] = {}, rdid = RDID;
	struct spi_nor *nor;
	struct bus *bus;
	u32 i;

	bus = bus_new(test, BUS_MEM_ADDR, "crtm-emu");
	bus->locked = false;
	nor = bus_nor(bus);
	nor->sfdp = &sfdp;
	for (i = 0; i < ARRAY_SIZE(cases); i++) {
		id[0] = cases[i].manufacturer;
		nor->manufacturer = NULL;
		if (cases[i].listed)
			nor->manufacturer = &listed;
		nor->params->crtm = NULL;
		bus_expect(bus, &rdid, 1, id, sizeof(id));
		KUNIT_EXPECT_EQ(test, spi_nor_parse_rpmc(nor, &header), 0);
		bus_done(bus);
		KUNIT_EXPECT_EQ_MSG(test, !!nor->params->crtm, cases[i].commands, "%02x %d",
				    cases[i].manufacturer, cases[i].listed);
	}

	/* A controller that fails, or takes no blocks */
	nor->params->crtm = NULL;
	bus_expect(bus, &rdid, 1, id, sizeof(id))->ret = -EIO;
	KUNIT_EXPECT_EQ(test, spi_nor_parse_rpmc(nor, &header), -EIO);
	bus->supports = false;
	KUNIT_EXPECT_EQ(test, spi_nor_parse_rpmc(nor, &header), 0);
	bus->supports = true;

	/* A table that says no, or nothing that makes sense, or is of another kind */
	table[0] |= 1;
	KUNIT_EXPECT_EQ(test, spi_nor_parse_rpmc(nor, &header), 0);
	table[0] ^= 1;
	table[1]++;
	KUNIT_EXPECT_EQ(test, spi_nor_parse_rpmc(nor, &header), -EINVAL);
	table[1]--;
	header.major = 2;
	KUNIT_EXPECT_EQ(test, spi_nor_parse_rpmc(nor, &header), -EINVAL);
	header.major = 1;
	header.length--;
	KUNIT_EXPECT_EQ(test, spi_nor_parse_rpmc(nor, &header), -EINVAL);
	KUNIT_EXPECT_NULL(test, nor->params->crtm);
	bus_done(bus);
}

static struct kunit_case exchange_cases[] = {
	KUNIT_CASE(commands),
	KUNIT_CASE(polls),
	KUNIT_CASE(time_outs),
	KUNIT_CASE(time_of_range),
	KUNIT_CASE(unsettled),
	KUNIT_CASE(busy_before),
	KUNIT_CASE(controller_errors),
	KUNIT_CASE(foreign_responses),
	KUNIT_CASE(nothing_sent),
	KUNIT_CASE(signal_while_sent),
	KUNIT_CASE(block_lengths),
	KUNIT_CASE(secrets),
	KUNIT_CASE(controllers),
	KUNIT_CASE(unlisted),
	{}
};

static struct kunit_suite exchange_suite = {
	.name = "crtm-exchange",
	.test_cases = exchange_cases,
};

kunit_test_suite(exchange_suite);
