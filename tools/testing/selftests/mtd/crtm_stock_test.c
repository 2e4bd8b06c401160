// SPDX-License-Identifier: MIT
/*
 * The kernel's own mtd.ko and spi-nor.ko, restored: they know neither the chip
 * nor the ioctls, and the chip works as what it was taken for before.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "common.h"
#include "kselftest_harness.h"

TEST(stock_modules)
{
	struct erase_info_user erase = { .start = CHIP_SIZE - SECTOR, .length = SECTOR };
	static uint8_t data[SECTOR], back[SECTOR];
	struct mtd_crtm_info info = { .size = sizeof(info) };
	struct mtd_info_user user;
	struct mtd_asp_map map;
	struct mtd_asp_cmd cmd;
	uint8_t block[MAX_BLOCK];
	char name[64] = "";
	int fd, chip;
	size_t len;

	for (chip = AUTHENTA; chip <= AUTHENTA_MEM; chip++) {
		ASSERT_LT(0, emu_read(chip, "id", name, sizeof(name)));
		EXPECT_EQ(0, strncmp(name, "20bb1812008c", 12));
		fd = mtd_open(chip, O_RDWR);
		ASSERT_GE(fd, 0);
		ASSERT_EQ(0, ioctl(fd, MEMGETINFO, &user));
		EXPECT_EQ(CHIP_SIZE, user.size);
		EXPECT_EQ(SECTOR, user.erasesize);
		len = block_plain(command(CRTM_GET_INFO), 0, block);
		EXPECT_EQ(-ENOTTY, exchange(fd, WR_CRTM_CMD, block, len).ret);
		EXPECT_EQ(-ENOTTY, exchange(fd, RD_CRTM_CMD, block, len).ret);
		EXPECT_EQ(-1, ioctl(fd, MTD_CRTM_INFO, &info));
		EXPECT_EQ(ENOTTY, errno);
		EXPECT_EQ(-ENOTTY, asp_map(fd, &map, NULL, 0));
		asp_init(&cmd, MTD_ASP_NV_LOCK);
		EXPECT_EQ(-ENOTTY, asp_cmd(fd, &cmd));
		EXPECT_EQ(0, emu_opcode(chip, 0x9b));
		memset(data, 0x42 + chip, sizeof(data));
		EXPECT_EQ(0, ioctl(fd, MEMERASE, &erase));
		EXPECT_EQ(SECTOR, pwrite(fd, data, SECTOR, erase.start));
		EXPECT_EQ(SECTOR, pread(fd, back, SECTOR, erase.start));
		EXPECT_EQ(0, memcmp(data, back, SECTOR));
		close(fd);
	}
}

TEST_HARNESS_MAIN
