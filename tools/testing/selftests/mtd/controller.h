/* SPDX-License-Identifier: MIT */
/*
 * What a kind of SPI controller puts on the wire, from the chip's own trace: one
 * block is one chip-select assertion of the block's length, its response is
 * another, and nothing but status reads and the tidying up comes with them.
 *
 * Include after kselftest_harness.h; add the variants of the fixture.
 */
#ifndef SELFTEST_MTD_CONTROLLER_H
#define SELFTEST_MTD_CONTROLLER_H

#include "common.h"

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
	ASSERT_LT(1, n);
	/* Is it ready? Then the block. */
	EXPECT_EQ(RPMC_OP2_DEFAULT, a[0].op) TH_LOG("%s", cmd->name);
	EXPECT_EQ(OPCODE_LEN + DUMMY_LEN + 1, a[0].len);
	EXPECT_EQ(RPMC_OP1_DEFAULT, a[1].op) TH_LOG("%s", cmd->name);
	EXPECT_EQ(len, a[1].len) TH_LOG("%s", cmd->name);
	for (i = 2; i < n; i++) {
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

#endif /* SELFTEST_MTD_CONTROLLER_H */
