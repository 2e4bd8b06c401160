// SPDX-License-Identifier: MIT
/*
 * A stacked part: the flag status register of each die is read once, so an error
 * in any of them is found, cleared, and does not stand in the way of what comes
 * next.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "asp.h"
#include "common.h"
#include "kselftest_harness.h"

#define CHIP		0
#define DICE		4
#define DIE_SECTORS	(ASP_DIE_SIZE / LOCK_SECTOR)
#define FSR_ERRORS	0x32	/* erase, program, protection */
#define OP_RDSR		0x05
#define OP_RDFSR	0x70
#define OP_CLFSR	0x50

/* Error bits in any die, or write enable */
static bool leftovers(void)
{
	bool any = emu_state(CHIP, "wel");
	char key[8];
	int die;

	for (die = 0; die < DICE; die++) {
		snprintf(key, sizeof(key), "fsr.%d", die);
		any |= emu_register(CHIP, key) & FSR_ERRORS;
	}
	return any;
}

FIXTURE(die) {
	int fd, kmsg;
};

FIXTURE_SETUP(die)
{
	ASSERT_EQ(0, emu_set(CHIP, "time_scale", "0"));
	ASSERT_EQ(0, emu_set(CHIP, "power_cycle", "1"));
	self->fd = mtd_open(CHIP, O_RDWR);
	ASSERT_GE(self->fd, 0);
	self->kmsg = kmsg_open();
	ASSERT_GE(self->kmsg, 0);
}

FIXTURE_TEARDOWN(die)
{
	emu_set(CHIP, "power_cycle", "1");
	close(self->kmsg);
	close(self->fd);
}

static int erase(int fd, uint32_t start, uint32_t len)
{
	struct erase_info_user user = { .start = start, .length = len };

	return ioctl(fd, MEMERASE, &user) ? -errno : 0;
}

/* First, last and some other sector of each die, locked one way and the other. */
TEST_F_TIMEOUT(die, error, 120)
{
	static const uint32_t sectors[] = { 0, 100, DIE_SECTORS - 1 };
	static char log[16384];
	uint8_t data[256], back[256];
	uint32_t die, sector, start, i;
	bool volatile_lock;

	memset(data, 0xa5, sizeof(data));
	for (i = 0; i < DICE * ARRAY_SIZE(sectors); i++) {
		die = i / ARRAY_SIZE(sectors);
		sector = die * DIE_SECTORS + sectors[i % ARRAY_SIZE(sectors)];
		start = sector * LOCK_SECTOR;
		volatile_lock = i & 1;
		if (volatile_lock)
			ASSERT_EQ(0, mtd_lock(self->fd, start, LOCK_SECTOR));
		if (!volatile_lock)
			ASSERT_EQ(0, asp_do(self->fd, MTD_ASP_NV_LOCK, start, LOCK_SECTOR));

		kmsg_lines(self->kmsg, CHIP, log, sizeof(log));
		emu_clear(CHIP);
		EXPECT_EQ(-1, pwrite(self->fd, data, sizeof(data), start + 4096));
		EXPECT_EQ(EIO, errno);
		EXPECT_EQ(1, emu_opcode(CHIP, OP_CLFSR)) TH_LOG("die %u", die);
		ASSERT_LT(0, kmsg_lines(self->kmsg, CHIP, log, sizeof(log)));
		EXPECT_TRUE(log_names(log, sector, volatile_lock ? "volatile" : "non-volatile"))
			TH_LOG("die %u, sector %u: %s", die, sector, log);
		EXPECT_FALSE(leftovers());

		emu_clear(CHIP);
		EXPECT_EQ(-EIO, erase(self->fd, start, 4096));
		EXPECT_EQ(1, emu_opcode(CHIP, OP_CLFSR)) TH_LOG("die %u", die);
		ASSERT_LT(0, kmsg_lines(self->kmsg, CHIP, log, sizeof(log)));
		EXPECT_TRUE(log_names(log, sector, volatile_lock ? "volatile" : "non-volatile"))
			TH_LOG("die %u, sector %u: %s", die, sector, log);
		EXPECT_FALSE(leftovers());

		/* in the same die, and in another */
		EXPECT_EQ(0, erase(self->fd, start ^ (1 << 20), 4096));
		EXPECT_EQ(0, erase(self->fd, start ^ ASP_DIE_SIZE, 4096));
		EXPECT_EQ(sizeof(data), pwrite(self->fd, data, sizeof(data), start ^ ASP_DIE_SIZE));
		EXPECT_EQ(sizeof(back), pread(self->fd, back, sizeof(back), start ^ ASP_DIE_SIZE));
		EXPECT_EQ(0, memcmp(data, back, sizeof(data)));

		if (volatile_lock)
			ASSERT_EQ(0, mtd_unlock(self->fd, start, LOCK_SECTOR));
		if (!volatile_lock)
			ASSERT_EQ(0, asp_do(self->fd, MTD_ASP_NV_ERASE, 0, 0));
		EXPECT_EQ(0, erase(self->fd, start, 4096));
	}
}

/* Once a die for each look at the chip, whether it is well or not. */
TEST_F(die, reads)
{
	static const uint8_t byte;
	int sr;

	ASSERT_EQ(0, erase(self->fd, 0, 4096));
	emu_clear(CHIP);
	ASSERT_EQ(1, pwrite(self->fd, &byte, 1, 0));
	sr = emu_opcode(CHIP, OP_RDSR);
	EXPECT_LT(0, sr);
	EXPECT_EQ(DICE * sr, emu_opcode(CHIP, OP_RDFSR));
	emu_clear(CHIP);
	ASSERT_EQ(0, erase(self->fd, 0, 4096));
	EXPECT_EQ(DICE * emu_opcode(CHIP, OP_RDSR), emu_opcode(CHIP, OP_RDFSR));
	printf("# %d reads of the flag status register for a program of one byte\n",
	       emu_opcode(CHIP, OP_RDFSR));
	fflush(stdout);
}

/* The error stands in a die; the work goes on in the next one. */
TEST_F(die, across_dice)
{
	static uint8_t data[2 * 4096], back[2 * 4096];
	uint32_t border = 3 * ASP_DIE_SIZE;

	memset(data, 0x3c, sizeof(data));
	ASSERT_EQ(0, erase(self->fd, border - 4096, sizeof(data)));
	EXPECT_EQ(sizeof(data), pwrite(self->fd, data, sizeof(data), border - 4096));
	EXPECT_EQ(sizeof(back), pread(self->fd, back, sizeof(back), border - 4096));
	EXPECT_EQ(0, memcmp(data, back, sizeof(data)));

	ASSERT_EQ(0, mtd_lock(self->fd, border, LOCK_SECTOR));
	EXPECT_EQ(-EIO, erase(self->fd, border - 4096, sizeof(data)));
	EXPECT_EQ(4096, pread(self->fd, back, 4096, border - 4096));
	memset(data, 0xff, sizeof(data));
	EXPECT_EQ(0, memcmp(data, back, 4096));
	EXPECT_EQ(0, mtd_unlock(self->fd, border, LOCK_SECTOR));
	EXPECT_EQ(0, erase(self->fd, border - 4096, sizeof(data)));
}

TEST_HARNESS_MAIN
