// SPDX-License-Identifier: MIT
/*
 * Blocks on the wire behind the controllers of the emulated chip. One that
 * nobody has proven to keep them whole sees no block, and the kernel says why.
 *
 * For chips in this order: mt25qu128-authenta behind spi, mem, unlisted.
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
#include "controller.h"

enum {
	SPI,
	MEM,
	UNLISTED,
};

FIXTURE_VARIANT_ADD(controller, spi) { .chip = SPI };
FIXTURE_VARIANT_ADD(controller, mem) { .chip = MEM };

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
