// SPDX-License-Identifier: GPL-2.0-only
/*
 * A-CRTM: the chip that has it, the responses that are taken, and what the driver asks by
 * itself.
 */
#include <kunit/test.h>
#include <linux/errno.h>
#include <linux/limits.h>
#include <linux/minmax.h>
#include <linux/mtd/crtm-commands.h>
#include <linux/string.h>

#include "../asp.h"
#include "bus.h"

#define WRDI		0x04
#define SECTORS		8
#define INFO_RESP	136
#define INFO_BLOCK	20
#define OVERHEAD	40

#define TABLE_AT	16
#define SFDP_LEN	(TABLE_AT + CRTM_MARKER_LEN)

struct micron {
	struct bus *bus;
	struct sfdp sfdp;
	u32 dwords[SFDP_LEN / sizeof(u32)];
	struct spi_nor_asp asp;
	u8 map[SECTORS];
	struct crtm_xfer xfer;
	u8 in[SPI_NOR_CRTM_MAX_LEN];
	u8 out[SPI_NOR_CRTM_MAX_LEN];
	u8 resp[SPI_NOR_CRTM_MAX_LEN];
};

/* An SFDP with the marker and nothing else */
static void set_marker(struct micron *m)
{
	u8 *bytes = (u8 *)m->dwords;

	memset(bytes, 0, SFDP_LEN);
	bytes[8] = CRTM_MARKER_ID & 0xff;
	bytes[11] = CRTM_MARKER_LEN / 4;
	bytes[12] = TABLE_AT;
	bytes[15] = CRTM_MARKER_ID >> 8;
	memcpy(bytes + TABLE_AT, CRTM_MARKER, CRTM_MARKER_LEN);
	m->sfdp.dwords = m->dwords;
	m->sfdp.num_dwords = ARRAY_SIZE(m->dwords);
	bus_nor(m->bus)->sfdp = &m->sfdp;
}

static int micron_init(struct kunit *test)
{
	struct micron *m = kunit_kzalloc(test, sizeof(*m), GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, m);
	m->bus = bus_new(test, BUS_MEM_ADDR, "crtm-emu");
	set_marker(m);
	KUNIT_ASSERT_EQ(test, micron_st_nor_crtm_attach(bus_nor(m->bus), &m->bus->crtm), 0);
	KUNIT_ASSERT_NOT_NULL(test, m->bus->crtm.vendor);
	m->asp.map = m->map;
	m->asp.n_sectors = SECTORS;
	test->priv = m;
	return 0;
}

/* Nobody gets the commands but who carries the marker, whole. */
static void marker(struct kunit *test)
{
	struct micron *m = test->priv;
	struct spi_nor *nor = bus_nor(m->bus);
	struct spi_nor_crtm crtm = {};
	u8 *bytes = (u8 *)m->dwords;
	u32 at, val, n;

	for (n = 0; n <= ARRAY_SIZE(m->dwords); n++) {
		m->sfdp.num_dwords = n;
		KUNIT_EXPECT_EQ_MSG(test, micron_st_nor_marked(nor), n == ARRAY_SIZE(m->dwords),
				    "%u dwords", n);
	}
	for (at = 0; at < SFDP_LEN; at++)
		for (val = 0; val <= U8_MAX; val++) {
			bool same = ((u8 *)m->dwords)[at] == val;

			/* What says nothing of the table: signature, revision, number of tables */
			if (at < 8 || at == 9 || at == 10)
				same = true;
			/* It may be longer, as far as this is concerned. */
			if (at == 11)
				same = val >= CRTM_MARKER_LEN / 4;
			bytes[at] = val;
			KUNIT_EXPECT_EQ_MSG(test, micron_st_nor_marked(nor), same,
					    "byte %u: %02x", at, val);
			set_marker(m);
		}

	nor->sfdp = NULL;
	KUNIT_EXPECT_FALSE(test, micron_st_nor_marked(nor));
	KUNIT_EXPECT_EQ(test, micron_st_nor_crtm_attach(nor, &crtm), 0);
	KUNIT_EXPECT_NULL(test, crtm.vendor);
	KUNIT_EXPECT_NULL(test, crtm.vendor_data);
}

/* How much of its block a response of that type repeats, in bytes */
static u32 repeats(u8 type)
{
	return type == CRTM_MEASURE ? 40 : type == CRTM_GET_INFO ? 16 : 0;
}

/* A block of @type, and a response with @payload bytes that is signed with @sig */
static void prepare(struct micron *m, u8 type, u32 payload, u8 sig)
{
	memset(&m->xfer, 0, sizeof(m->xfer));
	memset(m->in, 0x33, sizeof(m->in));
	memset(m->resp, 0x44, sizeof(m->resp));
	memset(m->out, 0xee, sizeof(m->out));
	m->in[0] = RPMC_OP1_DEFAULT;
	m->in[RPMC_OFF_TYPE] = type;
	m->xfer.cmd = spi_nor_crtm_find(&m->bus->crtm, type);
	m->xfer.in = m->in;
	m->xfer.in_len = m->xfer.cmd->min;
	m->xfer.out = m->out;
	m->resp[0] = RPMC_STATUS_SUCCESS;
	m->resp[CRTM_RESP_OFF_TYPE] = type;
	m->resp[CRTM_RESP_OFF_LENGTH] = payload >> 8;
	m->resp[CRTM_RESP_OFF_LENGTH + 1] = payload;
	if (payload + OVERHEAD > sizeof(m->resp))
		return;
	memset(m->resp + 8 + payload, sig, RPMC_SIG_LEN);
	memcpy(m->resp + 8, m->in + RPMC_HDR_LEN, min(payload, repeats(type)));
}

/* The whole exchange. Return: length of the response, or what the result is. */
static int run(struct micron *m)
{
	static const u8 ready = RPMC_STATUS_SUCCESS;
	struct kunit *test = m->bus->test;

	bus_expect_response(m->bus, &ready, 1);
	bus_expect(m->bus, m->in, m->xfer.in_len, NULL, 0);
	bus_expect_response(m->bus, &ready, 1);
	bus_expect_response(m->bus, m->resp, m->xfer.cmd->resp);
	bus_expect_op(m->bus, WRDI);
	m->xfer.result = 0;
	m->xfer.out_len = 0;
	KUNIT_EXPECT_EQ(test, spi_nor_crtm_exchange(bus_nor(m->bus), &m->xfer), 0);
	bus_done(m->bus);
	if (m->xfer.result) {
		KUNIT_EXPECT_EQ(test, m->xfer.out_len, 0);
		KUNIT_EXPECT_NULL(test, memchr_inv(m->out, 0, m->xfer.cmd->resp));
		return m->xfer.result;
	}
	KUNIT_EXPECT_MEMEQ(test, m->out, m->resp, m->xfer.out_len);
	return m->xfer.out_len;
}

/* Every length that a response may say it has; every command type that it may say it is of */
static void responses(struct kunit *test)
{
	static const u8 types[] = { 0x40, 0x41, 0x42, 0x43, 0x44, 0x45, 0x47, 0x48 };
	struct micron *m = test->priv;
	u32 i, len, type;

	for (i = 0; i < ARRAY_SIZE(types); i++) {
		for (len = 0; len <= U16_MAX; len += len < 600 ? 1 : 997) {
			prepare(m, types[i], len, 0);
			KUNIT_EXPECT_EQ_MSG(test, run(m),
					    len + OVERHEAD <= m->xfer.cmd->resp &&
					    len >= repeats(types[i]) ? len + OVERHEAD : -EIO,
					    "type %02x says %u", types[i], len);
		}
		for (type = 0; type <= U8_MAX; type++) {
			prepare(m, types[i], repeats(types[i]), 0);
			m->resp[CRTM_RESP_OFF_TYPE] = type;
			KUNIT_EXPECT_EQ(test, run(m), type == types[i] ?
					OVERHEAD + repeats(types[i]) : -EIO);
		}
	}
}

/* A signature is of one block: the same for another block is an earlier response. */
static void stale(struct kunit *test)
{
	struct micron *m = test->priv;
	u32 at, bit;

	prepare(m, CRTM_ERASE, 0, 0x5a);
	KUNIT_EXPECT_EQ(test, run(m), OVERHEAD);
	/* The block again: who asked for it may have it. */
	KUNIT_EXPECT_EQ(test, run(m), OVERHEAD);
	for (at = RPMC_OFF_SLOT; at < 48; at++) {
		m->in[at] ^= 1;
		KUNIT_EXPECT_EQ_MSG(test, run(m), -EIO, "byte %u", at);
		m->in[at] ^= 1;
	}
	KUNIT_EXPECT_EQ(test, run(m), OVERHEAD);

	/* Any bit of it makes it another one, which is kept in its place. */
	m->in[10] ^= 1;
	for (bit = 0; bit < 8 * RPMC_SIG_LEN; bit++) {
		m->resp[8 + bit / 8] ^= 1 << bit % 8;
		KUNIT_EXPECT_EQ(test, run(m), OVERHEAD);
		m->in[10] ^= 1;
		KUNIT_EXPECT_EQ(test, run(m), -EIO);
		m->in[10] ^= 1;
		m->resp[8 + bit / 8] ^= 1 << bit % 8;
		KUNIT_EXPECT_EQ(test, run(m), OVERHEAD);
	}

	/* A block of another length */
	prepare(m, CRTM_PROGRAM, 0, 0x77);
	KUNIT_EXPECT_EQ(test, run(m), OVERHEAD);
	m->xfer.in_len++;
	KUNIT_EXPECT_EQ(test, run(m), -EIO);

	/* Unsigned ones prove nothing. */
	prepare(m, CRTM_PROTECT, 0, 0);
	KUNIT_EXPECT_EQ(test, run(m), OVERHEAD);
	m->in[5] ^= 1;
	KUNIT_EXPECT_EQ(test, run(m), OVERHEAD);
}

/* What a response repeats of its block, signed or not: any other byte is another block's. */
static void repeated(struct kunit *test)
{
	static const u8 types[] = { CRTM_MEASURE, CRTM_GET_INFO };
	struct micron *m = test->priv;
	u32 i, at, n;

	for (i = 0; i < ARRAY_SIZE(types); i++) {
		n = repeats(types[i]);
		for (at = 0; at < 72; at++) {
			prepare(m, types[i], 72, 0);
			m->resp[CRTM_RESP_OFF_PAYLOAD + at] ^= 0x80;
			KUNIT_EXPECT_EQ_MSG(test, run(m), at < n ? -EIO : 72 + OVERHEAD,
					    "type %02x byte %u", types[i], at);
			/* A refusal has nothing to repeat. */
			m->resp[0] = RPMC_STATUS_SIGNATURE;
			KUNIT_EXPECT_EQ(test, run(m), 72 + OVERHEAD);
		}
	}
}

/* A key is replaced in the chip by an answer that is none. */
static void forget(struct kunit *test)
{
	static const u8 ready = RPMC_STATUS_SUCCESS;
	static const u8 info[INFO_BLOCK] = { RPMC_OP1_DEFAULT, CRTM_GET_INFO };
	struct micron *m = test->priv;

	prepare(m, CRTM_DERIVE_KEY, 32, 0x11);
	bus_expect_response(m->bus, &ready, 1);
	bus_expect(m->bus, m->in, m->xfer.in_len, NULL, 0);
	bus_expect_response(m->bus, &ready, 1);
	bus_expect_response(m->bus, m->resp, 72);
	bus_expect(m->bus, info, sizeof(info), NULL, 0);
	bus_expect_response(m->bus, &ready, 1);
	bus_expect_op(m->bus, WRDI);
	KUNIT_EXPECT_EQ(test, spi_nor_crtm_exchange(bus_nor(m->bus), &m->xfer), 0);
	bus_done(m->bus);
	KUNIT_EXPECT_EQ(test, m->xfer.result, 0);
	KUNIT_EXPECT_EQ(test, m->xfer.out_len, 72);
	KUNIT_EXPECT_FALSE(test, m->bus->crtm.secret);
	KUNIT_EXPECT_FALSE(test, m->bus->crtm.unsettled);
}

/* Only a signed block that the chip took changes the map of sectors. */
static void protect(struct kunit *test)
{
	struct micron *m = test->priv;
	u32 status, mode;

	m->bus->params.asp = &m->asp;
	for (mode = 0; mode < 2; mode++)
		for (status = 2; status <= U8_MAX; status += 2) {
			u8 was = mode ? 0 : ASP_S_REGION;
			u8 now = mode ? ASP_S_REGION : 0;

			memset(m->map, was, sizeof(m->map));
			prepare(m, CRTM_PROTECT, 0, 0);
			m->resp[0] = status;
			/* Sectors 2 and 3 */
			memcpy(m->in + 8, "\0\2\0\0", 4);
			memcpy(m->in + 12, "\0\2\0\0", 4);
			m->in[16] = mode;
			KUNIT_EXPECT_EQ(test, run(m), OVERHEAD);
			KUNIT_EXPECT_EQ(test, m->map[1], was);
			KUNIT_EXPECT_EQ(test, m->map[2], status == 0x80 ? now : was);
			KUNIT_EXPECT_EQ(test, m->map[3], status == 0x80 ? now : was);
			KUNIT_EXPECT_EQ(test, m->map[4], was);
		}

	/* Others, with the same bytes in the same place */
	memset(m->map, 0, sizeof(m->map));
	prepare(m, CRTM_ERASE, 0, 0);
	memcpy(m->in + 8, "\0\2\0\0\0\2\0\0", 8);
	m->in[16] = 1;
	KUNIT_EXPECT_EQ(test, run(m), OVERHEAD);
	KUNIT_EXPECT_NULL(test, memchr_inv(m->map, 0, sizeof(m->map)));
	m->bus->params.asp = NULL;
}

static struct micron *asked;
static u32 nonce_diff;		/* bit of the nonce that the answer has wrong, or none */

/* The chip returns the nonce that it was sent. */
static void return_nonce(struct bus *bus)
{
	u8 *nonce = bus->step[2].in + CRTM_RESP_OFF_PAYLOAD;

	if (bus->ops != 3)
		return;
	memcpy(nonce, asked->in, CRTM_INFO_NONCE_LEN);
	if (nonce_diff < 8 * CRTM_INFO_NONCE_LEN)
		nonce[nonce_diff / 8] ^= 1 << nonce_diff % 8;
}

static void keep_nonce(struct bus *bus)
{
	if (bus->ops == 2)
		memcpy(asked->in, bus->sent + CRTM_INFO_OFF_NONCE, CRTM_INFO_NONCE_LEN);
	return_nonce(bus);
}

/* The driver's own question for the regions; @resp is the answer. */
static int ask(struct micron *m, struct spi_nor_crtm_region *region)
{
	static const u8 block[INFO_BLOCK] = { RPMC_OP1_DEFAULT, CRTM_GET_INFO };
	static const u8 ready = RPMC_STATUS_SUCCESS;
	struct spi_nor *nor = bus_nor(m->bus);
	struct bus_step *step;
	bool settled;
	int ret;

	asked = m;
	m->bus->hook = keep_nonce;
	step = bus_expect(m->bus, block, sizeof(block), NULL, 0);
	step->any = CRTM_INFO_OFF_NONCE;
	step->n_any = CRTM_INFO_NONCE_LEN;
	bus_expect_response(m->bus, &ready, 1);
	bus_expect_response(m->bus, m->resp, INFO_RESP);
	/* A chip that is busy after all, or was reset, is settled by the next one. */
	settled = m->resp[0] && !(m->resp[0] & RPMC_STATUS_BUSY);
	if (settled)
		bus_expect_op(m->bus, WRDI);
	mutex_lock(&nor->lock);
	ret = m->bus->crtm.vendor->regions(nor, region);
	mutex_unlock(&nor->lock);
	bus_done(m->bus);
	m->bus->hook = NULL;
	KUNIT_EXPECT_EQ(m->bus->test, m->bus->crtm.unsettled, !settled);
	m->bus->crtm.unsettled = false;
	return ret;
}

static void regions(struct kunit *test)
{
	struct spi_nor_crtm_region region[SPI_NOR_CRTM_MAX_REGIONS];
	struct micron *m = test->priv;
	u8 nonce[CRTM_INFO_NONCE_LEN], *info = m->resp + CRTM_RESP_OFF_PAYLOAD;
	u32 n, status;

	nonce_diff = U32_MAX;
	for (n = 0; n <= SPI_NOR_CRTM_MAX_REGIONS; n++) {
		prepare(m, CRTM_GET_INFO, 32 + 8 * n, 0);
		info[CRTM_INFO_OFF_REGIONS] = n;
		if (n)
			memcpy(info + 32 + 8 * (n - 1), "\0\7\0\0\0\1\0\0", 8);
		KUNIT_EXPECT_EQ(test, ask(m, region), n);
		if (n) {
			KUNIT_EXPECT_EQ(test, region[n - 1].addr, 0x70000);
			KUNIT_EXPECT_EQ(test, region[n - 1].len, 0x10000);
		}
		/* Not the same question twice */
		KUNIT_EXPECT_MEMNEQ(test, m->in, nonce, sizeof(nonce));
		memcpy(nonce, m->in, sizeof(nonce));
		/* One more than there are */
		info[CRTM_INFO_OFF_REGIONS] = n + 1;
		KUNIT_EXPECT_EQ(test, ask(m, region), -EIO);
	}

	/* An answer to another question, to half of one, and no answer */
	prepare(m, CRTM_GET_INFO, 32, 0);
	info[CRTM_INFO_OFF_REGIONS] = 0;
	for (nonce_diff = 0; nonce_diff < 8 * CRTM_INFO_NONCE_LEN; nonce_diff++)
		KUNIT_EXPECT_EQ(test, ask(m, region), -EIO);
	nonce_diff = U32_MAX;
	for (n = 0; n < 32; n++) {
		prepare(m, CRTM_GET_INFO, n, 0);
		info[CRTM_INFO_OFF_REGIONS] = 0;
		KUNIT_EXPECT_EQ(test, ask(m, region), -EIO);
	}
	for (status = 0; status <= U8_MAX; status++) {
		prepare(m, CRTM_GET_INFO, 32, 0);
		info[CRTM_INFO_OFF_REGIONS] = 0;
		m->resp[0] = status;
		KUNIT_EXPECT_EQ(test, ask(m, region), status == 0x80 ? 0 : -EIO);
	}
}

/* Nobody answers, or there is nobody who could. */
static void no_regions(struct kunit *test)
{
	static const u8 block[INFO_BLOCK] = { RPMC_OP1_DEFAULT, CRTM_GET_INFO };
	struct micron *m = test->priv;
	struct spi_nor *nor = bus_nor(m->bus);
	struct spi_nor_crtm_region region[SPI_NOR_CRTM_MAX_REGIONS];
	struct spi_nor_crtm_vendor poor = *m->bus->crtm.vendor;
	struct crtm_command long_info;
	struct bus_step *step;

	mutex_lock(&nor->lock);
	step = bus_expect(m->bus, block, sizeof(block), NULL, 0);
	step->any = CRTM_INFO_OFF_NONCE;
	step->n_any = CRTM_INFO_NONCE_LEN;
	step->ret = -EIO;
	KUNIT_EXPECT_EQ(test, poor.regions(nor, region), -EIO);
	bus_done(m->bus);

	/* Command sets without the question, and with one that has a longer answer */
	long_info = *spi_nor_crtm_find(&m->bus->crtm, CRTM_GET_INFO);
	long_info.resp++;
	m->bus->crtm.vendor = &poor;
	poor.n_commands = 0;
	KUNIT_EXPECT_EQ(test, poor.regions(nor, region), -EOPNOTSUPP);
	poor.commands = &long_info;
	poor.n_commands = 1;
	KUNIT_EXPECT_EQ(test, poor.regions(nor, region), -EOPNOTSUPP);
	bus_done(m->bus);
	mutex_unlock(&nor->lock);
}

static struct kunit_case micron_cases[] = {
	KUNIT_CASE(marker),
	KUNIT_CASE(responses),
	KUNIT_CASE(stale),
	KUNIT_CASE(repeated),
	KUNIT_CASE(forget),
	KUNIT_CASE(protect),
	KUNIT_CASE(regions),
	KUNIT_CASE(no_regions),
	{}
};

static struct kunit_suite micron_suite = {
	.name = "micron-crtm",
	.init = micron_init,
	.test_cases = micron_cases,
};

kunit_test_suite(micron_suite);
