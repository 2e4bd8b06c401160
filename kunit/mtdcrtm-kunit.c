// SPDX-License-Identifier: GPL-2.0-only
/*
 * Security commands from user space: what may pass to the chip.
 */
#include <kunit/test.h>
#include <linux/capability.h>
#include <linux/cred.h>
#include <linux/errno.h>
#include <linux/limits.h>
#include <linux/sizes.h>
#include <linux/string.h>

#include "crtm-flash.h"

/* Commands of nobody's: what a range can be wrong in */
#define RANGE		0x40
#define RANGE_LEN	(RPMC_HDR_LEN + 8 + RPMC_SIG_LEN)
#define RANGE_US_64K	600000
#define DATA		0x41
#define DATA_LEN(n)	(RPMC_HDR_LEN + 4 + (n) + RPMC_SIG_LEN)

static const struct crtm_command vendor_commands[] = {
	{
		.type = RANGE, .class = CRTM_WR, .addr = RPMC_HDR_LEN, .len = RPMC_HDR_LEN + 4,
		.min = RANGE_LEN, .max = RANGE_LEN, .resp = 1, .unit = SZ_4K,
		.max_us_64k = RANGE_US_64K,
	}, {
		.type = DATA, .class = CRTM_WR, .flags = CRTM_F_DATA, .addr = RPMC_HDR_LEN,
		.min = DATA_LEN(1), .max = DATA_LEN(CRTM_PAGE_SIZE), .resp = 1, .unit = 1,
	},
};

static const struct spi_nor_crtm_vendor vendor = {
	.name = "KUnit",
	.commands = vendor_commands,
	.n_commands = ARRAY_SIZE(vendor_commands),
};

/* Lengths of the blocks of JESD260, by their command type */
static const u32 rpmc_len[] = { 64, 40, 40, 48 };

static int check_type(struct crtm_flash *flash, u8 type)
{
	flash->in[RPMC_OFF_TYPE] = type;
	return crtm_flash_check(flash, rpmc_len[type], 0);
}

/* What the table does not name is refused, whatever follows. */
static void opcodes(struct kunit *test)
{
	struct crtm_flash *flash = test->priv;
	u32 opcode, type;

	for (opcode = 0; opcode <= U8_MAX; opcode++)
		for (type = 0; type <= U8_MAX; type++) {
			bool ours = opcode == 0x9b && type < ARRAY_SIZE(rpmc_len);

			flash->in[0] = opcode;
			flash->in[RPMC_OFF_TYPE] = type;
			KUNIT_EXPECT_EQ_MSG(test,
					    crtm_flash_check(flash, ours ? rpmc_len[type] : 40, 0),
					    ours ? 0 : -EPERM, "%02x %02x", opcode, type);
		}
}

static void lengths(struct kunit *test)
{
	struct crtm_flash *flash = test->priv;
	u32 type, len;

	for (type = 0; type < ARRAY_SIZE(rpmc_len); type++) {
		flash->in[RPMC_OFF_TYPE] = type;
		for (len = 0; len <= flash->call.info.max_block + 1; len++)
			KUNIT_EXPECT_EQ_MSG(test, crtm_flash_check(flash, len, 0),
					    len == rpmc_len[type] ? 0 : -EMSGSIZE,
					    "type %02x, %u bytes", type, len);
		KUNIT_EXPECT_EQ(test, crtm_flash_check(flash, U32_MAX, 0), -EMSGSIZE);
		/* Room for the response: none, or for all of it */
		for (len = 0; len <= RPMC_RESP_LEN + 1; len++)
			KUNIT_EXPECT_EQ_MSG(test, crtm_flash_check(flash, rpmc_len[type], len),
					    !len || len >= 49 ? 0 : -EMSGSIZE,
					    "type %02x, room for %u bytes", type, len);
	}
}

static void headers(struct kunit *test)
{
	struct crtm_flash *flash = test->priv;
	u32 type, val;

	for (type = 0; type < ARRAY_SIZE(rpmc_len); type++)
		for (val = 0; val <= U8_MAX; val++) {
			flash->in[RPMC_OFF_RSVD] = val;
			KUNIT_EXPECT_EQ(test, check_type(flash, type), val ? -EINVAL : 0);
			flash->in[RPMC_OFF_RSVD] = 0;

			flash->in[RPMC_OFF_SLOT] = val;
			for (flash->call.info.slots = 1;
			     flash->call.info.slots <= RPMC_MAX_SLOTS; flash->call.info.slots++)
				KUNIT_EXPECT_EQ_MSG(test, check_type(flash, type),
						    val < flash->call.info.slots ? 0 : -EINVAL,
						    "slot %u of %u", val,
						    flash->call.info.slots);
			flash->call.info.slots = RPMC_MAX_SLOTS;
			flash->in[RPMC_OFF_SLOT] = 0;
		}
}

/* A node for reading only, a partition's node, a user without CAP_SYS_ADMIN */
static void permissions(struct kunit *test)
{
	struct crtm_flash *flash = test->priv;
	const struct cred *old;
	struct cred *cred;
	u32 type, i;

	cred = prepare_creds();
	KUNIT_ASSERT_NOT_NULL(test, cred);
	cap_lower(cred->cap_effective, CAP_SYS_ADMIN);

	for (i = 0; i < 8; i++) {
		bool wr = i & 1, part = i & 2, admin = i & 4;

		flash->call.wr = wr;
		flash->call.mtd = part ? &flash->part : &flash->bound.nor.mtd;
		for (type = 0; type < ARRAY_SIZE(rpmc_len); type++) {
			bool may = type == 3 || (wr && (admin || (type && !part)));
			int ret;

			if (!admin)
				old = override_creds(cred);
			ret = check_type(flash, type);
			if (!admin)
				revert_creds(old);
			KUNIT_EXPECT_EQ_MSG(test, ret, may ? 0 : -EPERM,
					    "type %02x, writable %d, partition %d, admin %d",
					    type, wr, part, admin);
		}
	}
	abort_creds(cred);
}

static void put_be32(u8 *p, u32 val)
{
	__be32 be = cpu_to_be32(val);

	memcpy(p, &be, sizeof(be));
}

static void expect_range(struct kunit *test, u32 addr, u32 len)
{
	struct crtm_flash *flash = test->priv;
	bool part = flash->call.mtd == &flash->part;
	u64 start = part ? PART : 0, end = part ? PART + PART_SIZE : FLASH_SIZE;
	bool good = len && addr % SZ_4K == 0 && len % SZ_4K == 0 && addr >= start &&
		    (u64)addr + len <= end &&
		    (u64)len * RANGE_US_64K <= SPI_NOR_CRTM_HOLD_MS * 1000ull * SZ_64K;

	put_be32(flash->in + RPMC_HDR_LEN, addr);
	put_be32(flash->in + RPMC_HDR_LEN + 4, len);
	KUNIT_EXPECT_EQ_MSG(test, crtm_flash_check(flash, RANGE_LEN, 0), good ? 0 : -EINVAL,
			    "0x%x+0x%x, partition %d", addr, len, part);
}

/* Inside of the node, in whole units, and not for longer than the flash may be kept */
static void ranges(struct kunit *test)
{
	static const u32 odd[] = { 1, SZ_4K - 1, SZ_4K + 1, PART - 1, PART + 1, SZ_1G,
				   0x80000000, 0xffff0000, 0xfffff000, U32_MAX };
	struct crtm_flash *flash = test->priv;
	u32 addr, len, node, i, k;

	flash->crtm.vendor = &vendor;
	flash->in[RPMC_OFF_TYPE] = RANGE;
	for (node = 0; node < 2; node++) {
		flash->call.mtd = node ? &flash->part : &flash->bound.nor.mtd;
		for (addr = 0; addr <= FLASH_SIZE; addr += SZ_4K)
			for (len = 0; len <= FLASH_SIZE; len += SZ_4K)
				expect_range(test, addr, len);
		for (i = 0; i < ARRAY_SIZE(odd); i++) {
			for (k = 0; k < ARRAY_SIZE(odd); k++)
				expect_range(test, odd[i], odd[k]);
			expect_range(test, odd[i], SZ_4K);
			expect_range(test, PART, odd[i]);
		}
	}
}

/* Data stay in one page. */
static void pages(struct kunit *test)
{
	struct crtm_flash *flash = test->priv;
	u32 addr, len;

	flash->crtm.vendor = &vendor;
	flash->in[RPMC_OFF_TYPE] = DATA;
	for (addr = 0; addr < CRTM_PAGE_SIZE; addr++) {
		put_be32(flash->in + RPMC_HDR_LEN, PART + addr);
		for (len = 0; len <= CRTM_PAGE_SIZE + 1; len++) {
			int want = addr + len <= 256 ? 0 : -EINVAL;

			if (!len || len > CRTM_PAGE_SIZE)
				want = -EMSGSIZE;
			KUNIT_EXPECT_EQ_MSG(test, crtm_flash_check(flash, DATA_LEN(len), 0), want,
					    "%u at %u", len, addr);
		}
	}
}

/* Nothing passes once the device is gone. */
static void gone(struct kunit *test)
{
	struct crtm_flash *flash = test->priv;
	u32 type;

	mtd_security_kill(&flash->bound.sec);
	for (type = 0; type < ARRAY_SIZE(rpmc_len); type++)
		KUNIT_EXPECT_EQ(test, check_type(flash, type), -ENODEV);
}

static struct kunit_case mtdcrtm_cases[] = {
	KUNIT_CASE(opcodes),
	KUNIT_CASE(lengths),
	KUNIT_CASE(headers),
	KUNIT_CASE(permissions),
	KUNIT_CASE(ranges),
	KUNIT_CASE(pages),
	KUNIT_CASE(gone),
	{}
};

static struct kunit_suite mtdcrtm_suite = {
	.name = "mtdcrtm",
	.init = crtm_flash_init,
	.exit = crtm_flash_exit,
	.test_cases = mtdcrtm_cases,
};

kunit_test_suite(mtdcrtm_suite);
