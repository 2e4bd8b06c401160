// SPDX-License-Identifier: GPL-2.0-only
/*
 * JESD260: what the chip says in its SFDP and its responses is taken within bounds.
 */
#include <kunit/test.h>
#include <linux/errno.h>
#include <linux/limits.h>
#include <linux/minmax.h>
#include <linux/string.h>
#include <linux/time64.h>

#include "../crtm.h"

#define TABLE_LEN	(RPMC_SFDP_DWORDS * sizeof(u32))

/* Four counters, busy in OP2's status, no delays */
static const u8 plain[TABLE_LEN] = { 0x30, RPMC_OP1_DEFAULT, RPMC_OP2_DEFAULT };

/* A delay byte of the table in its unit: four bits of value, two of factor */
static u32 delay(u8 byte)
{
	static const u32 factor[] = { 1, 16, 128, 1000 };

	return (byte & 0xf) * factor[byte >> 4 & 3];
}

static void expect_times(struct kunit *test, const struct crtm_command *cmd, u32 typ_us,
			 u32 default_typ_us, u32 default_max_us)
{
	KUNIT_EXPECT_EQ(test, cmd->typ_us, typ_us ?: default_typ_us);
	KUNIT_EXPECT_EQ(test, cmd->max_us,
			min_t(u32, max_t(u32, 10 * typ_us, default_max_us),
			      SPI_NOR_CRTM_HOLD_MS * USEC_PER_MSEC));
}

static void expect_parsed(struct kunit *test, const u8 *table)
{
	u32 long_us = delay(table[6]) * USEC_PER_MSEC;
	struct spi_nor_crtm crtm = {};
	int i, want = 0;

	if (table[0] & 0x01)
		want = -EOPNOTSUPP;
	else if (table[1] != 0x9b || table[2] != 0x96 ||
		 long_us > SPI_NOR_CRTM_HOLD_MS * USEC_PER_MSEC)
		want = -EINVAL;

	KUNIT_EXPECT_EQ_MSG(test, spi_nor_rpmc_parse(&crtm, table), want, "%8ph", table);
	if (want) {
		KUNIT_EXPECT_NULL(test, memchr_inv(&crtm, 0, sizeof(crtm)));
		return;
	}

	KUNIT_EXPECT_EQ(test, crtm.op1, 0x9b);
	KUNIT_EXPECT_EQ(test, crtm.op2, 0x96);
	KUNIT_EXPECT_EQ(test, crtm.slots, (table[0] >> 4) + 1);
	KUNIT_EXPECT_EQ(test, crtm.poll_rdsr, !!(table[0] & 0x04));
	for (i = 0; i < SPI_NOR_RPMC_COMMANDS; i++)
		KUNIT_EXPECT_EQ(test, crtm.rpmc[i].type, i);
	expect_times(test, &crtm.rpmc[RPMC_WRITE_ROOT_KEY], long_us, 5000, 100000);
	expect_times(test, &crtm.rpmc[RPMC_UPDATE_HMAC_KEY], delay(table[5]), 100, 10000);
	expect_times(test, &crtm.rpmc[RPMC_INCREMENT_COUNTER], long_us, 5000, 100000);
	expect_times(test, &crtm.rpmc[RPMC_REQUEST_COUNTER], delay(table[4]), 100, 10000);
}

static void parse_bytes(struct kunit *test)
{
	u8 table[TABLE_LEN];
	u32 at, val;

	for (at = 0; at < TABLE_LEN; at++)
		for (val = 0; val <= U8_MAX; val++) {
			memcpy(table, plain, sizeof(table));
			table[at] = val;
			expect_parsed(test, table);
		}
}

/* On an unlisted part any other opcode could be an erase. */
static void parse_opcodes(struct kunit *test)
{
	u8 table[TABLE_LEN];
	u32 op1, op2;

	memcpy(table, plain, sizeof(table));
	for (op1 = 0; op1 <= U8_MAX; op1++)
		for (op2 = 0; op2 <= U8_MAX; op2++) {
			table[1] = op1;
			table[2] = op2;
			expect_parsed(test, table);
		}
}

static void set_pointer(struct sfdp_parameter_header *header, u32 at)
{
	header->parameter_table_pointer[0] = at;
	header->parameter_table_pointer[1] = at >> 8;
	header->parameter_table_pointer[2] = at >> 16;
}

/* A table of every length, at every place in an SFDP of every length and behind it */
static void table_bounds(struct kunit *test)
{
	static const u32 far[] = { 0x100, 0x10000, 0xfffff8, 0xffffff };
	struct sfdp_parameter_header header = {};
	u32 dwords[8] = {};
	struct sfdp sfdp = { .dwords = dwords };
	const u8 *got;
	u32 at, i, len;

	for (sfdp.num_dwords = 0; sfdp.num_dwords <= ARRAY_SIZE(dwords); sfdp.num_dwords++)
		for (header.length = 0; header.length < 4; header.length++)
			for (len = 0; len <= 16; len++) {
				for (at = 0; at <= sizeof(dwords) + 8; at++) {
					bool good = len <= 4 * header.length &&
						    at + len <= 4 * sfdp.num_dwords;

					set_pointer(&header, at);
					got = spi_nor_sfdp_table(&sfdp, &header, len);
					KUNIT_EXPECT_PTR_EQ_MSG(test, got,
								good ? (u8 *)dwords + at : NULL,
								"%u of %u at %u of %zu", len,
								4 * header.length, at,
								4 * sfdp.num_dwords);
				}
				for (i = 0; i < ARRAY_SIZE(far); i++) {
					set_pointer(&header, far[i]);
					got = spi_nor_sfdp_table(&sfdp, &header, len);
					KUNIT_EXPECT_NULL(test, got);
				}
			}
}

#define HEADERS		3
#define OURS		1	/* index of the header that counts */
#define HEADERS_END(n)	(8 + (n) * sizeof(struct sfdp_parameter_header))

struct image {
	u32 dwords[(HEADERS_END(HEADERS) + TABLE_LEN) / sizeof(u32)];
	struct sfdp sfdp;
	u8 *bytes;
	struct sfdp_parameter_header *header;
};

/* An SFDP with the table FF03h behind the headers */
static void fill(struct image *image)
{
	memset(image, 0, sizeof(*image));
	image->sfdp.dwords = image->dwords;
	image->sfdp.num_dwords = ARRAY_SIZE(image->dwords);
	image->bytes = (u8 *)image->dwords;
	image->header = (void *)(image->bytes + HEADERS_END(0));
	image->bytes[6] = HEADERS - 1;
	image->header[OURS].id_msb = 0xff;
	image->header[OURS].id_lsb = 0x03;
	image->header[OURS].length = RPMC_SFDP_DWORDS;
	set_pointer(&image->header[OURS], HEADERS_END(HEADERS));
}

static void find_cut_off(struct kunit *test)
{
	struct image image;
	const u8 *got;
	u32 n;

	KUNIT_EXPECT_NULL(test, spi_nor_sfdp_find(NULL, RPMC_SFDP_ID, TABLE_LEN));
	fill(&image);
	for (n = 0; n <= ARRAY_SIZE(image.dwords); n++) {
		image.sfdp.num_dwords = n;
		got = spi_nor_sfdp_find(&image.sfdp, RPMC_SFDP_ID, TABLE_LEN);
		KUNIT_EXPECT_PTR_EQ_MSG(test, got,
					n == ARRAY_SIZE(image.dwords) ?
					image.bytes + HEADERS_END(HEADERS) : NULL,
					"%u dwords", n);
	}

	/* The table lies in what is there, its header may not. */
	set_pointer(&image.header[OURS], 0);
	for (n = 0; n <= ARRAY_SIZE(image.dwords); n++) {
		image.sfdp.num_dwords = n;
		got = spi_nor_sfdp_find(&image.sfdp, RPMC_SFDP_ID, TABLE_LEN);
		KUNIT_EXPECT_PTR_EQ_MSG(test, got,
					4 * n >= HEADERS_END(OURS + 1) ? image.bytes : NULL,
					"%u dwords", n);
	}
}

/* Any number of headers that the chip may tell, any ID that one may look for */
static void find_headers(struct kunit *test)
{
	struct image image;
	const u8 *got;
	u32 i;

	fill(&image);
	for (i = 0; i <= U8_MAX; i++) {
		image.bytes[6] = i;
		got = spi_nor_sfdp_find(&image.sfdp, RPMC_SFDP_ID, TABLE_LEN);
		KUNIT_EXPECT_EQ_MSG(test, !!got, i >= OURS, "%u", i);
	}

	/* The others' ID is 0, and they have no table. */
	fill(&image);
	for (i = 0; i <= U16_MAX; i++) {
		got = spi_nor_sfdp_find(&image.sfdp, i, TABLE_LEN);
		KUNIT_EXPECT_EQ_MSG(test, !!got, i == 0xff03, "%04x", i);
	}
}

#define VENDOR_LEN	77

static int vendor_check(struct spi_nor *nor, const struct crtm_xfer *xfer)
{
	return VENDOR_LEN;
}

/* Every status in answer to every command type; a tag that differs in one bit */
static void responses(struct kunit *test)
{
	static const struct spi_nor_crtm_vendor vendor = { .check = vendor_check };
	struct spi_nor_crtm crtm = { .vendor = &vendor };
	struct spi_nor_flash_parameter *params;
	struct crtm_command cmd = {};
	u8 out[RPMC_RESP_LEN];
	u8 in[RPMC_HDR_LEN + RPMC_TAG_LEN];
	struct crtm_xfer xfer = { .cmd = &cmd, .in = in, .out = out };
	struct spi_nor *nor;
	u32 type, status;
	int bit;

	nor = kunit_kzalloc(test, sizeof(*nor), GFP_KERNEL);
	params = kunit_kzalloc(test, sizeof(*params), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, nor);
	KUNIT_ASSERT_NOT_NULL(test, params);
	nor->params = params;
	params->crtm = &crtm;

	memset(in, 0xa5, sizeof(in));
	for (type = 0; type <= U8_MAX; type++)
		for (status = 0; status <= U8_MAX; status++) {
			int len = type > 3 ? VENDOR_LEN : 49;
			/* Not ready, or nothing sent since power-on */
			bool none = !status || status & 0x01;

			cmd.type = type;
			memset(out, 0xa5, sizeof(out));
			out[0] = status;
			KUNIT_EXPECT_EQ_MSG(test, spi_nor_crtm_check_response(nor, &xfer),
					    none ? -EIO : len, "type %02x status %02x", type,
					    status);
			/* Only a success of 03 has a tag. */
			for (bit = 0; type <= 3 && bit < 8 * 12; bit++) {
				bool bad = none || (type == 3 && status == 0x80);

				out[1 + bit / 8] ^= 1 << bit % 8;
				KUNIT_EXPECT_EQ_MSG(test,
						    spi_nor_crtm_check_response(nor, &xfer),
						    bad ? -EIO : len,
						    "type %02x status %02x bit %d", type, status,
						    bit);
				out[1 + bit / 8] ^= 1 << bit % 8;
			}
		}
}

static void times(struct kunit *test)
{
	static const struct {
		u32 fixed_us, us_64k, range;
		u64 want;
	} cases[] = {
		{ 0, 0, 0, 0 },
		{ 5, 7, 0, 5 },
		{ 5, 7, 1, 6 },
		{ 5, 7, 65535, 12 },
		{ 5, 7, 65536, 12 },
		{ 5, 7, 65537, 13 },
		{ U32_MAX, 0, U32_MAX, U32_MAX },
		{ 0, U32_MAX, 65536, U32_MAX },
		{ 1, U32_MAX, 65536, 1ull << 32 },
		{ 1, 65536, U32_MAX, 1ull << 32 },
		{ U32_MAX, 1, 1, 1ull << 32 },
		{ 0, U32_MAX, U32_MAX, (1ull << 48) - (1ull << 17) + 1 },
		{ U32_MAX, U32_MAX, U32_MAX, (1ull << 48) + (1ull << 32) - (1ull << 17) },
	};
	u32 i;

	for (i = 0; i < ARRAY_SIZE(cases); i++)
		KUNIT_EXPECT_EQ(test,
				spi_nor_crtm_time(cases[i].fixed_us, cases[i].us_64k,
						  cases[i].range),
				cases[i].want);
}

static struct kunit_case rpmc_cases[] = {
	KUNIT_CASE(parse_bytes),
	KUNIT_CASE(parse_opcodes),
	KUNIT_CASE(table_bounds),
	KUNIT_CASE(find_cut_off),
	KUNIT_CASE(find_headers),
	KUNIT_CASE(responses),
	KUNIT_CASE(times),
	{}
};

static struct kunit_suite rpmc_suite = {
	.name = "rpmc",
	.test_cases = rpmc_cases,
};

kunit_test_suite(rpmc_suite);
