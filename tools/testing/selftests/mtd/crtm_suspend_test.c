// SPDX-License-Identifier: MIT
/*
 * Suspend and resume with a chip that loses power: the session and the HMAC
 * keys are gone, everything else works, and the kernel says nothing wrong.
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
#include "session.h"

#define SECTOR_USED	(6U << 20)

static int put(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY), ret;

	if (fd < 0)
		return -errno;
	ret = write(fd, text, strlen(text)) < 0 ? -errno : 0;
	close(fd);
	return ret;
}

FIXTURE(suspend) {
	int chip, fd, kmsg;
	uint8_t block[MAX_BLOCK];
	struct outcome o;
};

FIXTURE_VARIANT(suspend) {
	int chip;
	bool real;
};

FIXTURE_VARIANT_ADD(suspend, devices_spi) { .chip = AUTHENTA };
FIXTURE_VARIANT_ADD(suspend, devices_mem) { .chip = AUTHENTA_MEM };
FIXTURE_VARIANT_ADD(suspend, real_spi) { .chip = AUTHENTA, .real = true };
FIXTURE_VARIANT_ADD(suspend, real_mem) { .chip = AUTHENTA_MEM, .real = true };

FIXTURE_SETUP(suspend)
{
	self->chip = variant->chip;
	ASSERT_EQ(0, emu_set(self->chip, "time_scale", "0"));
	ASSERT_EQ(0, emu_set(self->chip, "power_off_in_suspend", "1"));
	self->fd = mtd_open(self->chip, O_RDWR);
	ASSERT_GE(self->fd, 0);
	self->kmsg = open("/dev/kmsg", O_RDONLY | O_NONBLOCK);
	ASSERT_GE(self->kmsg, 0);
	ASSERT_EQ(0, lseek(self->kmsg, 0, SEEK_END));
}

FIXTURE_TEARDOWN(suspend)
{
	put("/sys/power/pm_test", "none");
	close(self->kmsg);
	close(self->fd);
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

TEST_F_TIMEOUT(suspend, power_lost, 60)
{
	struct erase_info_user erase = { .start = SECTOR_USED, .length = SECTOR };
	static uint8_t data[SECTOR], back[SECTOR];
	static const uint8_t nonce[16] = "fresh nonce";
	struct mtd_crtm_info info = { .size = sizeof(info) };
	long long power_on = emu_state(self->chip, "power_on");
	char record[1024];
	struct keys keys;
	unsigned int i;
	size_t len;
	ssize_t n;

	test_keys(&keys, 0);
	PROVISION(&keys);
	OPEN_SESSION(&keys);
	EXPECT_EQ(1, emu_state(self->chip, "session"));
	for (i = 0; i < SECTOR; i++)
		data[i] = rand();
	ASSERT_EQ(0, ioctl(self->fd, MEMERASE, &erase));
	ASSERT_EQ(SECTOR, pwrite(self->fd, data, SECTOR, SECTOR_USED));

	ASSERT_EQ(0, sleep_and_wake(variant->real));
	EXPECT_LT(power_on, emu_state(self->chip, "power_on"));

	/* The file system's view: what was written, and more can be. */
	EXPECT_EQ(SECTOR, pread(self->fd, back, SECTOR, SECTOR_USED));
	EXPECT_EQ(0, memcmp(data, back, SECTOR));
	EXPECT_EQ(0, ioctl(self->fd, MEMERASE, &erase));
	EXPECT_EQ(SECTOR, pwrite(self->fd, data, SECTOR, SECTOR_USED));
	EXPECT_EQ(SECTOR, pread(self->fd, back, SECTOR, SECTOR_USED));
	EXPECT_EQ(0, memcmp(data, back, SECTOR));

	/* The server's view: session and keys are gone, the counter is not. */
	EXPECT_EQ(0, ioctl(self->fd, MTD_CRTM_INFO, &info));
	len = block_get_info(0, nonce, self->block);
	SEND(RD_CRTM_CMD, len);
	EXPECT_EQ(RPMC_STATUS_SUCCESS, self->o.status);
	EXPECT_EQ(0, CRTM_INFO_F_SESSION &
		  get32(self->o.out + CRTM_RESP_OFF_PAYLOAD + CRTM_INFO_OFF_FLAGS));
	EXPECT_EQ(keys.mc, get32(self->o.out + CRTM_RESP_OFF_MC));
	EXPECT_FALSE(crtm_signed(keys.hkr, self->block, len, &self->o));
	SEND(WR_CRTM_CMD, block_close(&keys, self->block));
	EXPECT_EQ(RPMC_STATUS_NO_KEY, self->o.status);
	PROVISION(&keys);
	OPEN_SESSION(&keys);
	SEND_SIGNED(WR_CRTM_CMD, block_close(&keys, self->block), keys.sk);
	EXPECT_EQ(0, emu_state(self->chip, "violations"));

	/*
	 * Warnings and worse of the kernel since the test began: "<prio>,seq,usec,flags;text".
	 * A PC has some of its own about its firmware.
	 */
	while ((n = read(self->kmsg, record, sizeof(record) - 1)) > 0) {
		record[n] = '\0';
		if (strstr(record, ";ACPI"))
			continue;
		EXPECT_GT(atoi(record) & 7, 4) TH_LOG("%s", record);
	}
}

TEST_HARNESS_MAIN
