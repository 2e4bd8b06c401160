// SPDX-License-Identifier: GPL-2.0-only
/*
 * The command tables: each entry is consistent, and lets pass what its command is, and no
 * other block.
 */
#include <kunit/device.h>
#include <kunit/test.h>
#include <linux/device.h>
#include <linux/err.h>
#include <linux/errno.h>
#include <linux/limits.h>
#include <linux/log2.h>
#include <linux/mtd/crtm-commands.h>
#include <linux/string.h>

#include "crtm-flash.h"

#define OP1	0x9b
#define SLOTS	4

/* What the commands are, apart from the tables: an entry each, in their order */
static const struct command {
	u8 type;
	u16 min, max, resp;
	bool wr, admin, chip_wide, slot0, relay, secret, data;
	u8 addr, len;
	u32 unit, limit;
	u8 rsvd, nrsvd;
} wanted[] = {
	{ 0x00, 64, 64, 49, .wr = true, .admin = true, .chip_wide = true },
	{ 0x01, 40, 40, 49, .wr = true, .chip_wide = true, .relay = true },
	{ 0x02, 40, 40, 49, .wr = true, .chip_wide = true, .relay = true },
	{ 0x03, 48, 48, 49, .relay = true },
	{ 0x40, 56, 56, 40, .wr = true, .chip_wide = true, .slot0 = true, .relay = true },
	{ 0x41, 40, 40, 40, .wr = true, .chip_wide = true, .slot0 = true, .relay = true },
	{ 0x42, 48, 48, 40, .wr = true, .slot0 = true, .relay = true, .addr = 8, .len = 12,
	  .unit = SZ_4K, .limit = SZ_64K },
	{ 0x43, 45, 300, 40, .wr = true, .slot0 = true, .relay = true, .data = true, .addr = 8,
	  .unit = 1, .limit = 256 },
	{ 0x44, 52, 52, 40, .wr = true, .chip_wide = true, .slot0 = true, .relay = true,
	  .addr = 8, .len = 12, .unit = SZ_64K, .rsvd = 17, .nrsvd = 3 },
	{ 0x45, 44, 44, 112, .relay = true, .addr = 36, .len = 40, .unit = 1 },
	{ 0x46, 28, 28, 72, .admin = true, .secret = true, .addr = 20, .len = 24, .unit = 1 },
	{ 0x47, 4, 4, 40, .wr = true, .chip_wide = true },
	{ 0x48, 20, 20, 136, .relay = true },
};

static const struct command *find(u8 type)
{
	u32 i;

	for (i = 0; i < ARRAY_SIZE(wanted); i++)
		if (wanted[i].type == type)
			return &wanted[i];
	return NULL;
}

/* A chip with the marker, and so with all commands */
static int commands_init(struct kunit *test)
{
	u8 *bytes = kunit_kzalloc(test, 16 + CRTM_MARKER_LEN, GFP_KERNEL);
	struct sfdp *sfdp = kunit_kzalloc(test, sizeof(*sfdp), GFP_KERNEL);
	struct crtm_flash *flash;
	struct device *dev;

	KUNIT_ASSERT_NOT_NULL(test, bytes);
	KUNIT_ASSERT_NOT_NULL(test, sfdp);
	KUNIT_ASSERT_EQ(test, crtm_flash_init(test), 0);
	flash = test->priv;
	dev = kunit_device_register(test, "flash");
	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, dev);

	bytes[8] = CRTM_MARKER_ID & 0xff;
	bytes[8 + 3] = CRTM_MARKER_LEN / 4;
	bytes[8 + 4] = 16;
	bytes[8 + 7] = CRTM_MARKER_ID >> 8;
	memcpy(bytes + 16, CRTM_MARKER, CRTM_MARKER_LEN);
	sfdp->num_dwords = (16 + CRTM_MARKER_LEN) / 4;
	sfdp->dwords = (u32 *)bytes;
	flash->bound.nor.sfdp = sfdp;
	flash->bound.nor.dev = dev;
	KUNIT_ASSERT_EQ(test, micron_st_nor_crtm_attach(&flash->bound.nor, &flash->crtm), 0);
	KUNIT_ASSERT_NOT_NULL(test, flash->crtm.vendor);
	flash->crtm.slots = SLOTS;
	memset(&flash->call.info, 0, sizeof(flash->call.info));
	flash->call.sec->ops->info(flash->call.sec, &flash->call.info);
	return 0;
}

/* An entry is what its command is, and makes sense by itself. */
static void tables(struct kunit *test)
{
	const struct crtm_flash *flash = test->priv;
	u32 type, i, k, n = 0;

	for (type = 0; type <= U8_MAX; type++) {
		const struct crtm_command *cmd = spi_nor_crtm_find(&flash->crtm, type);
		const struct command *want = find(type);
		u64 worst;

		KUNIT_EXPECT_EQ_MSG(test, !!cmd, !!want, "type %02x", type);
		if (!cmd || !want)
			continue;
		n++;
		KUNIT_EXPECT_EQ(test, cmd->type, type);
		KUNIT_EXPECT_EQ(test, cmd->min, want->min);
		KUNIT_EXPECT_EQ(test, cmd->max, want->max);
		KUNIT_EXPECT_EQ(test, cmd->resp, want->resp);
		KUNIT_EXPECT_EQ(test, cmd->class, want->wr ? CRTM_WR : CRTM_RD);
		KUNIT_EXPECT_EQ(test, cmd->flags,
				(want->admin ? CRTM_F_ADMIN : 0) |
				(want->chip_wide ? CRTM_F_CHIP_WIDE : 0) |
				(want->slot0 ? CRTM_F_SLOT0 : 0) |
				(want->data ? CRTM_F_DATA : 0) |
				(want->secret ? CRTM_F_SECRET : 0) |
				(want->relay ? CRTM_F_RELAY : 0));
		KUNIT_EXPECT_EQ(test, cmd->addr, want->addr);
		KUNIT_EXPECT_EQ(test, cmd->len, want->len);
		KUNIT_EXPECT_EQ(test, cmd->unit, want->unit);
		KUNIT_EXPECT_EQ(test, cmd->limit, want->limit);
		KUNIT_EXPECT_EQ(test, cmd->rsvd, want->rsvd);
		KUNIT_EXPECT_EQ(test, cmd->nrsvd, want->nrsvd);

		/* Neither of both is for a relay. */
		if (cmd->flags & (CRTM_F_ADMIN | CRTM_F_SECRET))
			KUNIT_EXPECT_FALSE(test, cmd->flags & CRTM_F_RELAY);
		/* What changes something is confined: to a range, or to the whole chip's node. */
		if (cmd->class == CRTM_WR)
			KUNIT_EXPECT_TRUE(test, cmd->addr || cmd->flags & CRTM_F_CHIP_WIDE);
		else
			KUNIT_EXPECT_FALSE(test, cmd->flags & CRTM_F_CHIP_WIDE);
		if (cmd->addr) {
			KUNIT_EXPECT_GE(test, cmd->addr, RPMC_HDR_LEN);
			KUNIT_EXPECT_TRUE(test, is_power_of_2(cmd->unit));
			KUNIT_EXPECT_EQ(test, cmd->limit % cmd->unit, 0);
		}
		/* Its fields do not overlap. */
		if (cmd->len)
			KUNIT_EXPECT_GE(test, abs(cmd->len - cmd->addr), 4);
		for (i = 0; i < cmd->nrsvd; i++) {
			KUNIT_EXPECT_GE(test, cmd->rsvd + i, RPMC_HDR_LEN);
			for (k = 0; k < 4; k++) {
				KUNIT_EXPECT_NE(test, cmd->rsvd + i, cmd->addr + k);
				KUNIT_EXPECT_NE(test, cmd->rsvd + i, cmd->len + k);
			}
		}

		/* Typical is not longer than longest, and that is not longer than a hold. */
		KUNIT_EXPECT_LE(test, cmd->typ_us, cmd->max_us);
		KUNIT_EXPECT_LE(test, cmd->typ_us_64k, cmd->max_us_64k);
		KUNIT_EXPECT_TRUE(test, cmd->max_us || cmd->max_us_64k);
		worst = spi_nor_crtm_time(cmd->max_us, cmd->max_us_64k, cmd->limit);
		KUNIT_EXPECT_LE(test, worst, SPI_NOR_CRTM_HOLD_MS * 1000);
		KUNIT_EXPECT_LE(test, cmd->max, SPI_NOR_CRTM_MAX_LEN);
		KUNIT_EXPECT_LE(test, cmd->resp, SPI_NOR_CRTM_MAX_LEN);
		KUNIT_EXPECT_NE(test, cmd->name[0], 0);
	}
	KUNIT_EXPECT_EQ(test, n, ARRAY_SIZE(wanted));
}

/* What the chip can do, as it is told to user space */
static void told(struct kunit *test)
{
	const struct crtm_flash *flash = test->priv;
	const struct mtd_crtm_info *info = &flash->call.info;
	u32 type;

	for (type = 0; type <= U8_MAX; type++) {
		const struct command *want = find(type);

		KUNIT_EXPECT_EQ(test, info->commands[type / 64] >> type % 64 & 1, !!want);
		KUNIT_EXPECT_EQ(test, info->read_only[type / 64] >> type % 64 & 1,
				want && !want->wr);
	}
	KUNIT_EXPECT_EQ(test, info->max_block, 300);
	KUNIT_EXPECT_EQ(test, info->max_response, 136);
	KUNIT_EXPECT_EQ(test, info->max_hold_ms, SPI_NOR_CRTM_HOLD_MS);
	KUNIT_EXPECT_EQ(test, info->slots, SLOTS);
	KUNIT_EXPECT_EQ(test, info->flags,
			MTD_CRTM_F_RPMC | MTD_CRTM_F_CRTM | MTD_CRTM_F_REFERENCE);
	KUNIT_EXPECT_STREQ(test, info->command_set, CRTM_COMMAND_SET);
	KUNIT_EXPECT_STREQ(test, info->chip, "unnamed");
	KUNIT_EXPECT_EQ(test, info->chip_size, FLASH_SIZE);
}

/* Of a chip with JESD260 alone */
static void told_without_vendor(struct kunit *test)
{
	struct crtm_flash *flash = test->priv;
	struct spi_nor_crtm_vendor vendor = *flash->crtm.vendor;
	struct mtd_security *sec = flash->call.sec;
	struct mtd_crtm_info info = {};

	flash->info.name = "some-part";
	flash->crtm.vendor = NULL;
	sec->ops->info(sec, &info);
	KUNIT_EXPECT_EQ(test, info.flags, MTD_CRTM_F_RPMC);
	KUNIT_EXPECT_STREQ(test, info.chip, "some-part");
	KUNIT_EXPECT_STREQ(test, info.command_set, "JESD260");
	KUNIT_EXPECT_EQ(test, info.commands[0], 0xf);
	KUNIT_EXPECT_EQ(test, info.commands[1], 0);
	KUNIT_EXPECT_EQ(test, info.max_block, 64);
	KUNIT_EXPECT_EQ(test, info.max_response, 49);

	/* And with a vendor's own numbers */
	vendor.reference = false;
	flash->crtm.vendor = &vendor;
	flash->crtm.poll_rdsr = true;
	sec->ops->info(sec, &info);
	KUNIT_EXPECT_EQ(test, info.flags,
			MTD_CRTM_F_RPMC | MTD_CRTM_F_CRTM | MTD_CRTM_F_POLL_RDSR);
}

/* A block that passes, on either node */
static u32 good_block(struct crtm_flash *flash, const struct command *cmd)
{
	memset(flash->in, 0, sizeof(flash->in));
	flash->in[0] = OP1;
	flash->in[RPMC_OFF_TYPE] = cmd->type;
	if (cmd->addr)
		flash->in[cmd->addr + 1] = PART >> 16;
	if (cmd->len)
		flash->in[cmd->len + 1] = SZ_64K >> 16;
	return cmd->min;
}

/* Every opcode pair: what no table names is refused, whatever follows. */
static void opcodes(struct kunit *test)
{
	struct crtm_flash *flash = test->priv;
	const struct command *cmd;
	u32 opcode, type;

	for (type = 0; type <= U8_MAX; type++) {
		u32 len = 40;

		cmd = find(type);
		if (cmd)
			len = good_block(flash, cmd);
		flash->in[RPMC_OFF_TYPE] = type;
		for (opcode = 0; opcode <= U8_MAX; opcode++) {
			flash->in[0] = opcode;
			KUNIT_EXPECT_EQ_MSG(test, crtm_flash_check(flash, len, 0),
					    opcode == OP1 && cmd ? 0 : -EPERM, "%02x %02x",
					    opcode, type);
		}
	}
}

/* Every length, of the block and of the room for its response */
static void lengths(struct kunit *test)
{
	struct crtm_flash *flash = test->priv;
	const struct command *cmd;
	u32 len;

	for (cmd = wanted; cmd < wanted + ARRAY_SIZE(wanted); cmd++) {
		good_block(flash, cmd);
		for (len = 0; len <= SPI_NOR_CRTM_MAX_LEN + 1; len++) {
			KUNIT_EXPECT_EQ_MSG(test, crtm_flash_check(flash, len, 0),
					    len < cmd->min || len > cmd->max ? -EMSGSIZE : 0,
					    "type %02x, %u bytes", cmd->type, len);
			KUNIT_EXPECT_EQ_MSG(test, crtm_flash_check(flash, cmd->min, len),
					    len && len < cmd->resp ? -EMSGSIZE : 0,
					    "type %02x, room for %u", cmd->type, len);
		}
		KUNIT_EXPECT_EQ(test, crtm_flash_check(flash, U32_MAX, 0), -EMSGSIZE);
		KUNIT_EXPECT_EQ(test, crtm_flash_check(flash, cmd->min, U32_MAX), 0);
	}
}

static u32 be32(const u8 *p)
{
	return (u32)p[0] << 24 | p[1] << 16 | p[2] << 8 | p[3];
}

/* Is the block in @flash->in allowed on a node from @start to @end? */
static int want_of(struct crtm_flash *flash, const struct command *cmd, u64 start, u64 end)
{
	u64 addr, len = cmd->min - 44;
	u32 i;

	if (flash->in[RPMC_OFF_RSVD] || flash->in[RPMC_OFF_SLOT] >= SLOTS ||
	    (cmd->slot0 && flash->in[RPMC_OFF_SLOT]))
		return -EINVAL;
	for (i = 0; i < cmd->nrsvd; i++)
		if (flash->in[cmd->rsvd + i])
			return -EINVAL;
	if (!cmd->addr)
		return 0;
	addr = be32(flash->in + cmd->addr);
	if (cmd->len)
		len = be32(flash->in + cmd->len);
	else if (addr / 256 != (addr + len - 1) / 256)
		return -EINVAL;
	if (!len || addr % cmd->unit || len % cmd->unit || (cmd->limit && len > cmd->limit))
		return -EINVAL;
	return addr >= start && addr + len <= end ? 0 : -EINVAL;
}

/* Every bit of every command's header, reserved bytes, address and length; every byte's value */
static void every_byte(struct kunit *test)
{
	struct crtm_flash *flash = test->priv;
	const struct command *cmd;
	u32 at, val, node, len;
	u8 was;

	for (node = 0; node < 2; node++) {
		u64 start = node ? PART : 0, end = node ? PART + PART_SIZE : FLASH_SIZE;

		flash->call.mtd = node ? &flash->part : &flash->bound.nor.mtd;
		for (cmd = wanted; cmd < wanted + ARRAY_SIZE(wanted); cmd++) {
			len = good_block(flash, cmd);
			for (at = RPMC_OFF_SLOT; at < len; at++) {
				was = flash->in[at];
				for (val = 0; val <= U8_MAX; val++) {
					flash->in[at] = val;
					KUNIT_EXPECT_EQ_MSG(test,
							    crtm_flash_check(flash, len, 0),
							    want_of(flash, cmd, start, end),
							    "type %02x byte %u: %02x node %u",
							    cmd->type, at, val, node);
				}
				flash->in[at] = was;
			}
		}
	}
}

static struct kunit_case commands_cases[] = {
	KUNIT_CASE(tables),
	KUNIT_CASE(told),
	KUNIT_CASE(told_without_vendor),
	KUNIT_CASE(opcodes),
	KUNIT_CASE(lengths),
	KUNIT_CASE(every_byte),
	{}
};

static struct kunit_suite commands_suite = {
	.name = "crtm-commands",
	.init = commands_init,
	.exit = crtm_flash_exit,
	.test_cases = commands_cases,
};

kunit_test_suite(commands_suite);
