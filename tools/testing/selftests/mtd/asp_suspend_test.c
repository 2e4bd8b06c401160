// SPDX-License-Identifier: MIT
/*
 * Volatile locks through what clears them: suspend with a chip that loses power
 * (locked again, or reported), the core's soft reset (reported), and a reset that
 * nobody told the driver of (reported at the next read). What a boot loader
 * locked stays locked.
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

/* In the order of the guest case. */
#define AUTHENTA_SPI	0
#define AUTHENTA_CTRL	1
#define MT25QU256	2

#define SR_UPPER_16	0x14	/* block protection of as many sectors */
#define SR_PROTECTION	0xfc
#define LOG_SIZE	16384

static int put(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY), ret;

	if (fd < 0)
		return -errno;
	ret = write(fd, text, strlen(text)) < 0 ? -errno : 0;
	close(fd);
	return ret;
}

static int sleep_and_wake(bool real)
{
	int ret;

	/* pm_test waits in the middle, five seconds unless told otherwise */
	put("/sys/module/suspend/parameters/pm_test_delay", "1");
	ret = put("/sys/power/pm_test", real ? "none" : "devices");
	if (!ret && real) {
		put("/sys/class/rtc/rtc0/wakealarm", "0");
		ret = put("/sys/class/rtc/rtc0/wakealarm", "+2");
	}
	return ret ? ret : put("/sys/power/state", "mem");
}

FIXTURE(suspend) {
	int chip, fd, kmsg, nr;
	uint8_t before[MAX_SECTORS], after[MAX_SECTORS];
	char log[LOG_SIZE];
};

FIXTURE_VARIANT(suspend) {
	int chip;
	bool real;
};

/* All behind plain controllers: boot_loader() needs one. */
FIXTURE_VARIANT_ADD(suspend, devices_spi) { .chip = AUTHENTA_SPI };
FIXTURE_VARIANT_ADD(suspend, real_spi) { .chip = AUTHENTA_SPI, .real = true };
FIXTURE_VARIANT_ADD(suspend, real_mt25qu256) { .chip = MT25QU256, .real = true };

FIXTURE_SETUP(suspend)
{
	self->chip = variant->chip;
	ASSERT_EQ(0, emu_set(self->chip, "time_scale", "0"));
	ASSERT_EQ(0, emu_set(self->chip, "fault", "none"));
	ASSERT_EQ(0, emu_set(self->chip, "power_off_in_suspend", "1"));
	ASSERT_EQ(0, emu_set(self->chip, "power_cycle", "1"));
	self->fd = mtd_open(self->chip, O_RDWR);
	ASSERT_GE(self->fd, 0);
	ASSERT_EQ(0, asp_do(self->fd, MTD_ASP_NV_ERASE, 0, 0));
	self->kmsg = kmsg_open();
	ASSERT_GE(self->kmsg, 0);
}

FIXTURE_TEARDOWN(suspend)
{
	put("/sys/power/pm_test", "none");
	emu_set(self->chip, "fault", "none");
	emu_set(self->chip, "power_cycle", "1");
	mtd_unlock(self->fd, 0, 32 << 20);
	close(self->kmsg);
	close(self->fd);
}

/* Sectors 2 to 6 locked, 10 locked down so, 11 locked down open, 40 non-volatile; frozen. */
static int set_locks(int fd)
{
	int ret;

	ret = mtd_lock(fd, 2 * LOCK_SECTOR, 5 * LOCK_SECTOR);
	if (!ret)
		ret = mtd_lock(fd, 10 * LOCK_SECTOR, LOCK_SECTOR);
	if (!ret)
		ret = asp_do(fd, MTD_ASP_LOCK_DOWN, 10 * LOCK_SECTOR, 2 * LOCK_SECTOR);
	if (!ret)
		ret = asp_do(fd, MTD_ASP_NV_LOCK, 40 * LOCK_SECTOR, LOCK_SECTOR);
	return ret ? ret : asp_do(fd, MTD_ASP_FREEZE, 0, 0);
}

/* @_off: the chip loses power */
#define SLEEP_AND_WAKE(_off) do {						\
	long long _on = emu_state(self->chip, "power_on");			\
										\
	self->nr = emu_locks(self->chip, self->before);				\
	ASSERT_LT(0, self->nr);							\
	kmsg_lines(self->kmsg, self->chip, self->log, sizeof(self->log));	\
	emu_clear(self->chip);							\
	ASSERT_EQ(0, sleep_and_wake(variant->real));				\
	ASSERT_LE(0, kmsg_lines(self->kmsg, self->chip, self->log, sizeof(self->log))); \
	ASSERT_EQ(self->nr, emu_locks(self->chip, self->after));		\
	EXPECT_EQ(_on + (_off), emu_state(self->chip, "power_on"));		\
} while (0)

TEST_F_TIMEOUT(suspend, locked_again, 60)
{
	uint32_t size = self->chip == MT25QU256 ? 32 << 20 : 16 << 20;

	ASSERT_EQ(0, set_locks(self->fd));
	SLEEP_AND_WAKE(1);
	EXPECT_EQ(0, memcmp(self->before, self->after, self->nr));
	EXPECT_EQ(1, emu_state(self->chip, "frozen"));
	EXPECT_TRUE(strstr(self->log, "set again: 7 sectors")) TH_LOG("%s", self->log);
	EXPECT_TRUE(strstr(self->log, "frozen again")) TH_LOG("%s", self->log);

	/* and they do what they say */
	EXPECT_EQ(1, mtd_is_locked(self->fd, 2 * LOCK_SECTOR, 5 * LOCK_SECTOR));
	EXPECT_EQ(-EACCES, mtd_unlock(self->fd, 10 * LOCK_SECTOR, LOCK_SECTOR));
	EXPECT_EQ(-EACCES, mtd_lock(self->fd, 11 * LOCK_SECTOR, LOCK_SECTOR));
	EXPECT_EQ(-EACCES, asp_do(self->fd, MTD_ASP_NV_ERASE, 0, 0));
	EXPECT_EQ(0, mtd_unlock(self->fd, 2 * LOCK_SECTOR, 5 * LOCK_SECTOR));
	EXPECT_EQ(0, mtd_is_locked(self->fd, size - LOCK_SECTOR, LOCK_SECTOR));
}

/* The chip kept its power: nothing is written, and nothing said. */
TEST_F_TIMEOUT(suspend, power_kept, 60)
{
	ASSERT_EQ(0, emu_set(self->chip, "power_off_in_suspend", "0"));
	ASSERT_EQ(0, set_locks(self->fd));
	SLEEP_AND_WAKE(0);
	EXPECT_EQ(0, memcmp(self->before, self->after, self->nr));
	EXPECT_EQ(0, emu_opcode(self->chip, ASP_OP_WRVLB));
	EXPECT_EQ(0, emu_opcode(self->chip, ASP_OP_WRVLB_4B));
	EXPECT_EQ(0, emu_opcode(self->chip, ASP_OP_WRFREEZE));
	EXPECT_FALSE(strstr(self->log, "lock")) TH_LOG("%s", self->log);
}

/* Nothing was locked: nothing is asked of the chip but the freeze bit and its status. */
TEST_F_TIMEOUT(suspend, nothing_locked, 60)
{
	SLEEP_AND_WAKE(1);
	EXPECT_EQ(0, memcmp(self->before, self->after, self->nr));
	EXPECT_EQ(0, emu_opcode(self->chip, ASP_OP_WRVLB));
	EXPECT_EQ(0, emu_opcode(self->chip, ASP_OP_WRVLB_4B));
	EXPECT_FALSE(strstr(self->log, "lock")) TH_LOG("%s", self->log);
}

/* A sector that cannot be locked again is named; the others are locked. */
TEST_F_TIMEOUT(suspend, fault, 60)
{
	const char *write = self->chip == MT25QU256 ? "e1" : "e5";
	int i;

	ASSERT_EQ(0, mtd_lock(self->fd, 2 * LOCK_SECTOR, 5 * LOCK_SECTOR));
	ASSERT_EQ(0, emu_fault(self->chip, "eio_before", 3, write));
	SLEEP_AND_WAKE(1);
	for (i = 0; i < self->nr; i++)
		EXPECT_EQ(i == 4 ? 0 : self->before[i], self->after[i]) TH_LOG("sector %d", i);
	EXPECT_TRUE(log_names(self->log, 4, "not set again")) TH_LOG("%s", self->log);
	EXPECT_FALSE(log_names(self->log, 3, NULL)) TH_LOG("%s", self->log);
	EXPECT_FALSE(log_names(self->log, 5, NULL)) TH_LOG("%s", self->log);
	EXPECT_EQ(0, mtd_is_locked(self->fd, 4 * LOCK_SECTOR, LOCK_SECTOR));
	EXPECT_EQ(1, mtd_is_locked(self->fd, 5 * LOCK_SECTOR, LOCK_SECTOR));
	EXPECT_EQ(0, mtd_lock(self->fd, 4 * LOCK_SECTOR, LOCK_SECTOR));
	EXPECT_EQ(1, mtd_is_locked(self->fd, 2 * LOCK_SECTOR, 5 * LOCK_SECTOR));
}

/* A freeze bit that cannot be set again is reported too. */
TEST_F_TIMEOUT(suspend, fault_freeze, 60)
{
	ASSERT_EQ(0, asp_do(self->fd, MTD_ASP_FREEZE, 0, 0));
	ASSERT_EQ(0, emu_fault(self->chip, "eio_before", 1, "a6"));
	SLEEP_AND_WAKE(1);
	EXPECT_EQ(0, emu_state(self->chip, "frozen"));
	EXPECT_TRUE(strstr(self->log, "no longer frozen")) TH_LOG("%s", self->log);
	EXPECT_EQ(0, asp_do(self->fd, MTD_ASP_FREEZE, 0, 0));
	EXPECT_EQ(1, emu_state(self->chip, "frozen"));
}

/* Power fails in the middle of the resume: reported, and it ends. */
TEST_F_TIMEOUT(suspend, power_cut, 60)
{
	ASSERT_EQ(0, set_locks(self->fd));
	ASSERT_EQ(0, emu_fault(self->chip, "power_cut", 8, "any"));
	SLEEP_AND_WAKE(1);
	EXPECT_EQ(0, emu_state(self->chip, "power"));
	EXPECT_TRUE(strstr(self->log, "not set again: 0x")) TH_LOG("%s", self->log);
	EXPECT_TRUE(strstr(self->log, "no longer frozen")) TH_LOG("%s", self->log);
	EXPECT_GT(0, mtd_is_locked(self->fd, 2 * LOCK_SECTOR, LOCK_SECTOR));

	ASSERT_EQ(0, emu_set(self->chip, "power_cycle", "1"));
	EXPECT_EQ(0, mtd_is_locked(self->fd, 2 * LOCK_SECTOR, 5 * LOCK_SECTOR));
	EXPECT_EQ(1, mtd_is_locked(self->fd, 40 * LOCK_SECTOR, LOCK_SECTOR));
	EXPECT_EQ(0, set_locks(self->fd));
	EXPECT_EQ(1, mtd_is_locked(self->fd, 2 * LOCK_SECTOR, 5 * LOCK_SECTOR));
}

/* What a boot loader set survives the probe, and suspend too. */
TEST_F_TIMEOUT(suspend, boot_loader, 60)
{
	static const struct asp_bytes authenta[] = {
		{ 1, { 0x06 } }, { 2, { 0x01, SR_UPPER_16 } },
		{ 1, { 0x06 } }, { 5, { ASP_OP_WRVLB, 0x02, 0, 0, ASP_VLB_LOCK } },
		{ 1, { 0x06 } }, { 5, { ASP_OP_WRVLB, 0x03, 0, 0, ASP_VLB_LOCK | ASP_VLB_DOWN } },
		{ 1, { 0x06 } }, { 5, { ASP_OP_WRVLB, 0x09, 0, 0, ASP_VLB_DOWN } },
	};
	static const struct asp_bytes mt25qu256[] = {
		{ 1, { 0x06 } }, { 2, { 0x01, SR_UPPER_16 } },
		{ 1, { 0x06 } }, { 6, { ASP_OP_WRVLB_4B, 0, 0x02, 0, 0, ASP_VLB_LOCK } },
		{ 1, { 0x06 } },
		{ 6, { ASP_OP_WRVLB_4B, 0, 0x03, 0, 0, ASP_VLB_LOCK | ASP_VLB_DOWN } },
		{ 1, { 0x06 } }, { 6, { ASP_OP_WRVLB_4B, 0, 0x09, 0, 0, ASP_VLB_DOWN } },
	};

	close(self->fd);
	if (self->chip == MT25QU256)
		ASSERT_EQ(0, boot_loader(self->chip, mt25qu256, ARRAY_SIZE(mt25qu256)));
	if (self->chip != MT25QU256)
		ASSERT_EQ(0, boot_loader(self->chip, authenta, ARRAY_SIZE(authenta)));
	self->fd = mtd_open(self->chip, O_RDWR);
	ASSERT_GE(self->fd, 0);
	self->nr = emu_locks(self->chip, self->before);
	ASSERT_LT(16, self->nr);
	EXPECT_EQ(MTD_ASP_S_VOLATILE, self->before[2]);
	EXPECT_EQ(MTD_ASP_S_VOLATILE | MTD_ASP_S_LOCK_DOWN, self->before[3]);
	EXPECT_EQ(MTD_ASP_S_LOCK_DOWN, self->before[9]);
	EXPECT_EQ(MTD_ASP_S_BLOCK, self->before[self->nr - 16]);
	EXPECT_EQ(0, self->before[self->nr - 17]);
	EXPECT_EQ(SR_UPPER_16, emu_register(self->chip, "sr") & SR_PROTECTION);

	SLEEP_AND_WAKE(1);
	EXPECT_EQ(0, memcmp(self->before, self->after, self->nr));
	EXPECT_EQ(SR_UPPER_16, emu_register(self->chip, "sr") & SR_PROTECTION);
	EXPECT_EQ(0, emu_opcode(self->chip, 0x01));

	ASSERT_EQ(0, emu_set(self->chip, "power_cycle", "1"));
	EXPECT_EQ(0, mtd_unlock(self->fd, (self->nr - 16) * LOCK_SECTOR, 16 * LOCK_SECTOR));
}

/* Reset without suspend */

FIXTURE(reset) {
	int fd, kmsg;
	uint8_t locks[MAX_SECTORS];
	char log[LOG_SIZE];
};

FIXTURE_VARIANT(reset) {
	int chip;
};

FIXTURE_VARIANT_ADD(reset, spi) { .chip = AUTHENTA_SPI };
FIXTURE_VARIANT_ADD(reset, mem) { .chip = AUTHENTA_CTRL };
FIXTURE_VARIANT_ADD(reset, mt25qu256) { .chip = MT25QU256 };

FIXTURE_SETUP(reset)
{
	ASSERT_EQ(0, emu_set(variant->chip, "time_scale", "0"));
	ASSERT_EQ(0, emu_set(variant->chip, "power_cycle", "1"));
	self->fd = mtd_open(variant->chip, O_RDWR);
	ASSERT_GE(self->fd, 0);
	/* the driver has seen the power cycle */
	ASSERT_EQ(0, mtd_unlock(self->fd, 0, 16 << 20));
	self->kmsg = kmsg_open();
	ASSERT_GE(self->kmsg, 0);
}

FIXTURE_TEARDOWN(reset)
{
	emu_set(variant->chip, "power_cycle", "1");
	close(self->kmsg);
	close(self->fd);
}

/* Once, and by each of the calls that read. */
TEST_F(reset, unannounced)
{
	static const char * const ways[] = { "reset_pin", "power_cycle" };
	struct mtd_asp_map map;
	unsigned int i, call;

	for (i = 0; i < 8; i++) {
		call = i / 2;
		ASSERT_EQ(0, mtd_lock(self->fd, 2 * LOCK_SECTOR, 5 * LOCK_SECTOR));
		kmsg_lines(self->kmsg, variant->chip, self->log, sizeof(self->log));
		EXPECT_EQ(NULL, strstr(self->log, "lost"));
		ASSERT_EQ(0, emu_set(variant->chip, ways[i % 2], "1"));
		if (call == 0)
			EXPECT_EQ(0, mtd_is_locked(self->fd, 2 * LOCK_SECTOR, 5 * LOCK_SECTOR));
		if (call == 1)
			EXPECT_EQ(0, asp_map(self->fd, &map, self->locks, MAX_SECTORS));
		if (call == 2)
			EXPECT_EQ(0, mtd_lock(self->fd, 2 * LOCK_SECTOR, 5 * LOCK_SECTOR));
		if (call == 3)
			EXPECT_EQ(0, mtd_unlock(self->fd, 2 * LOCK_SECTOR, 5 * LOCK_SECTOR));
		ASSERT_LE(0, kmsg_lines(self->kmsg, variant->chip, self->log, sizeof(self->log)));
		EXPECT_TRUE(strstr(self->log, "locks lost: 5 sectors from 0x00020000"))
			TH_LOG("%s, call %u: %s", ways[i % 2], call, self->log);
		EXPECT_EQ(0, asp_map(self->fd, &map, self->locks, MAX_SECTORS));
		ASSERT_LE(0, kmsg_lines(self->kmsg, variant->chip, self->log, sizeof(self->log)));
		EXPECT_FALSE(strstr(self->log, "lost")) TH_LOG("%s", self->log);
	}
}

/* The core sends 66h and 99h at unbind to parts whose SFDP says so. */
TEST_F(reset, soft)
{
	bool resets = variant->chip == MT25QU256;
	int nr;

	ASSERT_EQ(0, mtd_lock(self->fd, 2 * LOCK_SECTOR, 5 * LOCK_SECTOR));
	kmsg_lines(self->kmsg, variant->chip, self->log, sizeof(self->log));
	close(self->fd);
	self->fd = -1;
	emu_clear(variant->chip);
	ASSERT_EQ(0, spi_unbind(variant->chip, "spi-nor"));
	EXPECT_EQ(resets, emu_opcode(variant->chip, 0x66));
	EXPECT_EQ(resets, emu_opcode(variant->chip, 0x99));
	nr = emu_locks(variant->chip, self->locks);
	ASSERT_LT(6, nr);
	EXPECT_EQ(resets ? 0 : MTD_ASP_S_VOLATILE, self->locks[2]);
	ASSERT_LE(0, kmsg_lines(self->kmsg, variant->chip, self->log, sizeof(self->log)));
	EXPECT_EQ(resets, !!strstr(self->log, "soft reset")) TH_LOG("%s", self->log);
	EXPECT_EQ(resets, !!strstr(self->log, " 5 sectors")) TH_LOG("%s", self->log);

	/* without locks: not a word */
	ASSERT_EQ(0, emu_set(variant->chip, "power_cycle", "1"));
	ASSERT_EQ(0, spi_bind(variant->chip, "spi-nor"));
	kmsg_lines(self->kmsg, variant->chip, self->log, sizeof(self->log));
	emu_clear(variant->chip);
	ASSERT_EQ(0, spi_unbind(variant->chip, "spi-nor"));
	EXPECT_EQ(resets, emu_opcode(variant->chip, 0x99));
	ASSERT_LE(0, kmsg_lines(self->kmsg, variant->chip, self->log, sizeof(self->log)));
	EXPECT_FALSE(strstr(self->log, "reset")) TH_LOG("%s", self->log);

	ASSERT_EQ(0, spi_bind(variant->chip, "spi-nor"));
	self->fd = mtd_open(variant->chip, O_RDWR);
	ASSERT_GE(self->fd, 0);
}

TEST_HARNESS_MAIN
