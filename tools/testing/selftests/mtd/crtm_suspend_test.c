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
#include <sys/mman.h>
#include <sys/wait.h>
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

struct busy {
	volatile bool stop;
	unsigned int lists, cut, blocks;
};

/* Lists of measurements, and the array, all the time; returns a line, or 0. */
static int work(int fd, struct busy *b)
{
	enum { NR = 8 };
	static uint8_t block[MAX_BLOCK], out[NR][MAX_RESPONSE], data[SECTOR], back[SECTOR];
	static const uint8_t nonce[CRTM_MEASURE_NONCE_LEN] = "nonce";
	struct erase_info_user erase = { .start = SECTOR_USED, .length = SECTOR };
	struct mtd_crtm_entry entry[NR];
	struct mtd_crtm_cmd cmd;
	int i, ret;

	for (; !b->stop; b->lists++) {
		memset(data, b->lists, sizeof(data));
		if (ioctl(fd, MEMERASE, &erase) ||
		    pwrite(fd, data, SECTOR, erase.start) != SECTOR ||
		    pread(fd, back, SECTOR, erase.start) != SECTOR || memcmp(data, back, SECTOR))
			return __LINE__;
		for (i = 0; i < NR; i++)
			entry[i] = (struct mtd_crtm_entry) {
				.in = (uintptr_t)block,
				.in_len = block_measure(0, nonce, 0, 4 << 16, block),
				.out = (uintptr_t)out[i], .out_len = MAX_RESPONSE,
			};
		cmd = (struct mtd_crtm_cmd) {
			.size = sizeof(cmd), .nr = NR, .entries = (uintptr_t)entry,
		};
		/* Who is to be frozen is woken as by a signal: between two blocks. */
		ret = ioctl(fd, RD_CRTM_CMD, &cmd);
		if (ret && errno != EINTR)
			return __LINE__;
		b->cut += ret || cmd.done < NR;
		for (i = 0; i < NR; i++) {
			if (entry[i].sent != (i < (int)cmd.done))
				return __LINE__;
			if (!entry[i].sent)
				continue;
			b->blocks++;
			if (entry[i].result || entry[i].status != RPMC_STATUS_SUCCESS)
				return __LINE__;
		}
	}
	return 0;
}

/* Suspended in the middle of lists and writes, again and again: nothing is lost or sent twice. */
TEST_F_TIMEOUT(suspend, in_the_middle, 120)
{
	struct busy *b;
	int i, pid, status;

	b = mmap(NULL, sizeof(*b), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	ASSERT_NE(MAP_FAILED, b);
	ASSERT_EQ(0, emu_set(self->chip, "time_scale", "100"));
	emu_clear(self->chip);
	pid = fork();
	ASSERT_GE(pid, 0);
	if (!pid)
		_exit(work(self->fd, b) % 256);
	for (i = 0; i < 2; i++) {
		usleep(300000 + 70000 * i);
		ASSERT_EQ(0, sleep_and_wake(variant->real));
	}
	usleep(300000);
	b->stop = true;
	ASSERT_EQ(pid, waitpid(pid, &status, 0));
	EXPECT_EQ(0, status) TH_LOG("line %d", WEXITSTATUS(status));
	printf("# %u lists, %u of them cut\n", b->lists, b->cut);
	EXPECT_GT(b->lists, 2);
	EXPECT_EQ(b->blocks, emu_opcode(self->chip, RPMC_OP1_DEFAULT));
	EXPECT_EQ(0, emu_state(self->chip, "violations"));
	EXPECT_EQ(0, emu_state(self->chip, "busy_ignored"));
	munmap(b, sizeof(*b));
	ASSERT_EQ(0, emu_set(self->chip, "time_scale", "0"));
}

TEST_HARNESS_MAIN
