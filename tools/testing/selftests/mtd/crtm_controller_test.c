// SPDX-License-Identifier: MIT
/*
 * What kinds of SPI controllers put on the wire, from the chip's own trace: one
 * block is one chip-select assertion of the block's length, its response is
 * another, and nothing but status reads and the tidying up comes with them. A
 * controller that nobody has proven sees no block, and the kernel says why.
 *
 * For chips in this order: mt25qu128-authenta behind spi, mem, gpio, unlisted.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "common.h"
#include "kselftest_harness.h"

enum {
	SPI,
	MEM,
	GPIO,
	UNLISTED,
};

#define OPCODE_LEN	1
#define DUMMY_LEN	1

struct assertion {
	unsigned int op, len;
};

/* What the chip saw since emu_clear(); returns how many, or -errno. */
static int wire(int chip, struct assertion *a, int max)
{
	static char text[1 << 16];
	char *line, *op, *len, *rest = text;
	ssize_t size;
	int n = 0;

	size = emu_read(chip, "trace", text, sizeof(text) - 1);
	if (size < 0)
		return size;
	text[size] = '\0';
	while ((line = strsep(&rest, "\n"))) {
		op = strstr(line, "op=");
		len = strstr(line, " len=");
		if (!op || !len)
			continue;
		if (n == max)
			return -E2BIG;
		a[n].op = strtoul(op + 3, NULL, 16);
		a[n++].len = strtoul(len + 5, NULL, 10);
	}
	return n;
}

/* The flash is one, behind each of them. */
static void plain_life(struct __test_metadata *_metadata, int chip, int fd)
{
	struct erase_info_user erase = { .start = CHIP_SIZE - LOCK_SECTOR, .length = LOCK_SECTOR };
	static uint8_t data[LOCK_SECTOR], back[LOCK_SECTOR];
	unsigned int i;

	for (i = 0; i < sizeof(data); i++)
		data[i] = i * 7 + chip;
	ASSERT_EQ(0, ioctl(fd, MEMERASE, &erase));
	ASSERT_EQ(sizeof(data), pwrite(fd, data, sizeof(data), erase.start));
	ASSERT_EQ(sizeof(back), pread(fd, back, sizeof(back), erase.start));
	EXPECT_EQ(0, memcmp(data, back, sizeof(data)));
	ASSERT_EQ(0, emu_content(chip, erase.start, back, sizeof(back)));
	EXPECT_EQ(0, memcmp(data, back, sizeof(data)));
	ASSERT_EQ(0, mtd_lock(fd, erase.start, erase.length));
	EXPECT_EQ(1, mtd_is_locked(fd, erase.start, erase.length));
	EXPECT_EQ(-1, ioctl(fd, MEMERASE, &erase));
	EXPECT_EQ(EIO, errno);
	EXPECT_EQ(0, mtd_unlock(fd, erase.start, erase.length));
}

FIXTURE(controller) {
	int fd;
};

FIXTURE_VARIANT(controller) {
	int chip;
};

FIXTURE_VARIANT_ADD(controller, spi) { .chip = SPI };
FIXTURE_VARIANT_ADD(controller, mem) { .chip = MEM };
FIXTURE_VARIANT_ADD(controller, gpio) { .chip = GPIO };

FIXTURE_SETUP(controller)
{
	ASSERT_EQ(0, emu_set(variant->chip, "time_scale", "0"));
	self->fd = mtd_open(variant->chip, O_RDWR);
	ASSERT_GE(self->fd, 0);
}

FIXTURE_TEARDOWN(controller)
{
	close(self->fd);
}

/* The chip refuses the block, for no key made its HMAC: it saw it all the same. */
static void one_block(struct __test_metadata *_metadata, int chip, int fd,
		      const struct cmd *cmd, size_t len, const uint8_t *block)
{
	struct assertion a[64];
	struct outcome o;
	int i, n, reads = 0;

	emu_clear(chip);
	o = exchange(fd, cmd->class == CRTM_RD ? RD_CRTM_CMD : WR_CRTM_CMD, block, len);
	ASSERT_EQ(0, o.ret) TH_LOG("%s", cmd->name);
	ASSERT_EQ(1, o.sent);
	ASSERT_EQ(0, o.result) TH_LOG("%s", cmd->name);

	n = wire(chip, a, ARRAY_SIZE(a));
	ASSERT_LT(0, n);
	EXPECT_EQ(RPMC_OP1_DEFAULT, a[0].op) TH_LOG("%s", cmd->name);
	EXPECT_EQ(len, a[0].len) TH_LOG("%s", cmd->name);
	for (i = 1; i < n; i++) {
		switch (a[i].op) {
		case RPMC_OP2_DEFAULT:
			if (a[i].len == OPCODE_LEN + DUMMY_LEN + 1)
				break;
			EXPECT_EQ(OPCODE_LEN + DUMMY_LEN + cmd->resp, a[i].len)
				TH_LOG("%s", cmd->name);
			reads++;
			break;
		case RPMC_OP1_DEFAULT:
			/* In the place of a key comes an answer that is none. */
			EXPECT_TRUE(cmd->flags & CRTM_F_SECRET) TH_LOG("%s", cmd->name);
			EXPECT_EQ(command(CRTM_GET_INFO)->min, a[i].len);
			break;
		case 0x50: /* clear flag status */
		case 0x70: /* read flag status */
		case 0x04: /* write disable */
			break;
		default:
			EXPECT_EQ(0, a[i].op) TH_LOG("%s: opcode %02x", cmd->name, a[i].op);
		}
	}
	EXPECT_EQ(1, reads) TH_LOG("%s", cmd->name);
}

TEST_F(controller, block_is_one_assertion)
{
	struct keys keys = { .slot = 0 };
	uint8_t block[MAX_BLOCK], page[256] = { };
	const struct cmd *cmd;
	unsigned int i;

	for (i = 0; i < nr_commands; i++) {
		cmd = &commands[i];
		one_block(_metadata, variant->chip, self->fd, cmd,
			  block_plain(cmd, 0, block), block);
	}
	cmd = command(CRTM_PROGRAM);
	i = block_program(&keys, 0, page, sizeof(page), block);
	ASSERT_EQ(cmd->max, i);
	one_block(_metadata, variant->chip, self->fd, cmd, i, block);
}

TEST_F(controller, plain_life)
{
	plain_life(_metadata, variant->chip, self->fd);
}

TEST(unlisted_sends_none)
{
	struct mtd_crtm_info info = { .size = sizeof(info) };
	uint8_t block[MAX_BLOCK];
	unsigned int i;
	int fd, kmsg;
	size_t len;

	ASSERT_EQ(0, spi_unbind(UNLISTED, "spi-nor"));
	emu_clear(UNLISTED);
	kmsg = kmsg_open();
	ASSERT_GE(kmsg, 0);
	ASSERT_EQ(0, spi_bind(UNLISTED, "spi-nor"));
	EXPECT_EQ(1, kmsg_count(kmsg, "controller driver crtm-emu-unlisted is not known to "
				"send 511 bytes after opcode 9b in one piece"));
	close(kmsg);

	fd = mtd_open(UNLISTED, O_RDWR);
	ASSERT_GE(fd, 0);
	EXPECT_EQ(-1, ioctl(fd, MTD_CRTM_INFO, &info));
	EXPECT_EQ(EOPNOTSUPP, errno);
	for (i = 0; i < nr_commands; i++) {
		len = block_plain(&commands[i], 0, block);
		EXPECT_EQ(-EOPNOTSUPP, exchange(fd, WR_CRTM_CMD, block, len).ret)
			TH_LOG("%s", commands[i].name);
		EXPECT_EQ(-EOPNOTSUPP, exchange(fd, RD_CRTM_CMD, block, len).ret)
			TH_LOG("%s", commands[i].name);
	}
	EXPECT_EQ(0, emu_opcode(UNLISTED, RPMC_OP1_DEFAULT));
	EXPECT_EQ(0, emu_opcode(UNLISTED, RPMC_OP2_DEFAULT));
	ASSERT_EQ(0, emu_set(UNLISTED, "time_scale", "0"));
	plain_life(_metadata, UNLISTED, fd);
	close(fd);
}

TEST_HARNESS_MAIN
