// SPDX-License-Identifier: MIT
/*
 * The device goes away under open nodes: spi-nor unbound, the controller
 * unbound, both in the middle of an exchange. What runs ends properly, what
 * comes later gets ENODEV, and a device that comes back works. For a kernel
 * with slub_debug=P oops=panic: there a use of freed memory ends the guest.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common.h"
#include "kselftest_harness.h"

enum removal { SPI_NOR, CONTROLLER };

static int controller(int chip, const char *what)
{
	char path[128], name[32];
	ssize_t n;
	int fd;

	snprintf(path, sizeof(path), "/sys/bus/platform/drivers/crtm-emu/%s", what);
	snprintf(name, sizeof(name), "crtm-emu.%d", chip);
	fd = open(path, O_WRONLY);
	if (fd < 0)
		return -errno;
	n = write(fd, name, strlen(name));
	n = n < 0 ? -errno : 0;
	close(fd);
	return n;
}

static int take_away(int chip, enum removal removal)
{
	return removal == SPI_NOR ? spi_unbind(chip, "spi-nor") : controller(chip, "unbind");
}

static int bring_back(int chip, enum removal removal)
{
	return removal == SPI_NOR ? spi_bind(chip, "spi-nor") : controller(chip, "bind");
}

/* Two fixtures of one form: every chip, and those with A-CRTM commands. */
#define REMOVAL_FIXTURE(_name)							\
FIXTURE(_name) {								\
	int chip, fd;								\
	uint8_t block[MAX_BLOCK];						\
};										\
										\
FIXTURE_VARIANT(_name) {							\
	int chip;								\
	enum removal removal;							\
};										\
										\
FIXTURE_SETUP(_name)								\
{										\
	self->chip = variant->chip;						\
	self->fd = mtd_open(self->chip, O_RDWR);				\
	ASSERT_GE(self->fd, 0);							\
}										\
										\
FIXTURE_TEARDOWN(_name)								\
{										\
	int fd;									\
										\
	close(self->fd);							\
	/* Whatever happened: the next test has a device again. */		\
	if (mtd_number(self->chip) < 0)						\
		bring_back(self->chip, variant->removal);			\
	fd = mtd_open(self->chip, O_RDWR);					\
	EXPECT_GE(fd, 0);							\
	close(fd);								\
	emu_set(self->chip, "time_scale", "0");					\
}

REMOVAL_FIXTURE(removal);
FIXTURE_VARIANT_ADD(removal, spi_nor) { .chip = AUTHENTA, .removal = SPI_NOR };
FIXTURE_VARIANT_ADD(removal, spi_nor_mem) { .chip = AUTHENTA_MEM, .removal = SPI_NOR };
FIXTURE_VARIANT_ADD(removal, spi_nor_ordinary) { .chip = ORDINARY, .removal = SPI_NOR };
FIXTURE_VARIANT_ADD(removal, spi_nor_other) { .chip = OTHER, .removal = SPI_NOR };
FIXTURE_VARIANT_ADD(removal, controller) { .chip = AUTHENTA, .removal = CONTROLLER };
FIXTURE_VARIANT_ADD(removal, controller_mem) { .chip = AUTHENTA_MEM, .removal = CONTROLLER };

REMOVAL_FIXTURE(exchange);
FIXTURE_VARIANT_ADD(exchange, spi_nor) { .chip = AUTHENTA, .removal = SPI_NOR };
FIXTURE_VARIANT_ADD(exchange, spi_nor_mem) { .chip = AUTHENTA_MEM, .removal = SPI_NOR };
FIXTURE_VARIANT_ADD(exchange, controller) { .chip = AUTHENTA, .removal = CONTROLLER };
FIXTURE_VARIANT_ADD(exchange, controller_mem) { .chip = AUTHENTA_MEM, .removal = CONTROLLER };

#define EXPECT_GONE(_fd) do {							\
	struct mtd_crtm_info _info = { .size = sizeof(_info) };			\
	struct erase_info_user _erase = { .length = SECTOR };			\
	struct mtd_info_user _user;						\
	uint8_t _byte = 0;							\
										\
	EXPECT_EQ(-ENODEV, exchange(_fd, WR_CRTM_CMD, self->block,		\
				    block_plain(command(CRTM_GET_INFO), 0, self->block)).ret); \
	EXPECT_EQ(-ENODEV, exchange(_fd, RD_CRTM_CMD, self->block,		\
				    block_plain(command(CRTM_MEASURE), 0, self->block)).ret); \
	EXPECT_EQ(-1, ioctl(_fd, MTD_CRTM_INFO, &_info));			\
	EXPECT_EQ(ENODEV, errno);						\
	EXPECT_EQ(-1, ioctl(_fd, MEMGETINFO, &_user));				\
	EXPECT_EQ(ENODEV, errno);						\
	EXPECT_EQ(-1, ioctl(_fd, MEMERASE, &_erase));				\
	EXPECT_EQ(ENODEV, errno);						\
	EXPECT_EQ(-1, pread(_fd, &_byte, 1, 0));				\
	EXPECT_EQ(ENODEV, errno);						\
	EXPECT_EQ(-1, pwrite(_fd, &_byte, 1, 0));				\
	EXPECT_EQ(ENODEV, errno);						\
} while (0)

TEST_F(removal, open_node)
{
	struct mtd_info_user user;
	int again, i;

	for (i = 0; i < 3; i++) {
		ASSERT_EQ(0, take_away(self->chip, variant->removal));
		EXPECT_EQ(-ENODEV, mtd_number(self->chip));
		EXPECT_GONE(self->fd);
		ASSERT_EQ(0, bring_back(self->chip, variant->removal));

		/* The old node stays dead beside the new one. */
		again = mtd_open(self->chip, O_RDWR);
		ASSERT_GE(again, 0);
		EXPECT_EQ(0, ioctl(again, MEMGETINFO, &user));
		EXPECT_GONE(self->fd);
		if (self->chip == AUTHENTA || self->chip == AUTHENTA_MEM)
			EXPECT_EQ(0, exchange(again, RD_CRTM_CMD, self->block,
					      block_plain(command(CRTM_GET_INFO), 0,
							  self->block)).ret);
		close(self->fd);
		self->fd = again;
	}
}

/* A partition's node holds its master. */
TEST_F(removal, open_partition)
{
	int number, fd;

	number = mtd_add_part(self->chip, "going", 1 << 20, 1 << 20);
	ASSERT_GE(number, 0);
	fd = mtd_open_number(number, false, O_RDWR);
	ASSERT_GE(fd, 0);
	close(self->fd);
	ASSERT_EQ(0, take_away(self->chip, variant->removal));
	EXPECT_GONE(fd);
	ASSERT_EQ(0, bring_back(self->chip, variant->removal));
	EXPECT_GONE(fd);
	close(fd);
	self->fd = mtd_open(self->chip, O_RDWR);
	ASSERT_GE(self->fd, 0);
}

/* A process that sends until it gets an errno, which must be ENODEV; it counts in @n. */
static int send_until_gone(int fd, unsigned int kind, unsigned long *n)
{
	static const uint8_t nonce[32] = "nonce";
	uint8_t block[MAX_BLOCK], data[SECTOR];
	struct erase_info_user erase = { .start = 8 << 20, .length = SECTOR };
	struct mtd_info_user user;
	struct outcome o;
	int ret, pid;

	*n = 0;
	pid = fork();
	if (pid)
		return pid;
	for (;; ++*n) {
		ret = 0;
		switch (kind) {
		case 0:
			o = exchange(fd, RD_CRTM_CMD, block, block_get_info(0, nonce, block));
			ret = o.ret;
			if (!ret && (o.result || o.status != RPMC_STATUS_SUCCESS))
				_exit(2);
			break;
		case 1:
			o = exchange(fd, RD_CRTM_CMD, block,
				     block_measure(0, nonce, 0, 1 << 20, block));
			ret = o.ret;
			if (!ret && (o.result || o.status != RPMC_STATUS_SUCCESS))
				_exit(3);
			break;
		case 2:
			if (pread(fd, data, sizeof(data), *n % 64 * SECTOR) < 0)
				ret = -errno;
			break;
		case 3:
			if (ioctl(fd, MEMERASE, &erase) ||
			    pwrite(fd, data, sizeof(data), erase.start) < 0)
				ret = -errno;
			break;
		case 4:
			if (ioctl(fd, MEMGETINFO, &user))
				ret = -errno;
			break;
		}
		if (ret == -ENODEV)
			_exit(*n ? 0 : 4);
		if (ret)
			_exit(5);
	}
}

TEST_F_TIMEOUT(removal, in_the_middle, 300)
{
	enum { KINDS = 5, ROUNDS = 5 };
	bool secure = self->chip == AUTHENTA || self->chip == AUTHENTA_MEM;
	unsigned long *worked;
	int pid[KINDS], round, status;
	unsigned int kind, i;

	worked = mmap(NULL, KINDS * sizeof(*worked), PROT_READ | PROT_WRITE,
		      MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	ASSERT_NE(MAP_FAILED, worked);
	/* 80 ms for the measurement, 50 for the erase */
	for (round = 0; round < ROUNDS; round++) {
		ASSERT_EQ(0, emu_set(self->chip, "time_scale", "100"));
		for (kind = secure ? 0 : 2; kind < KINDS; kind++) {
			pid[kind] = send_until_gone(self->fd, kind, &worked[kind]);
			ASSERT_GT(pid[kind], 0);
		}
		/* Each has to have worked before; on a busy machine that takes its time. */
		for (kind = secure ? 0 : 2; kind < KINDS; kind++) {
			for (i = 0; !worked[kind] && i < 6000; i++)
				usleep(10000);
		}
		usleep(round * 17000);
		ASSERT_EQ(0, take_away(self->chip, variant->removal));
		for (kind = secure ? 0 : 2; kind < KINDS; kind++) {
			ASSERT_EQ(pid[kind], waitpid(pid[kind], &status, 0));
			EXPECT_EQ(0, status) TH_LOG("kind %u, round %d", kind, round);
		}
		EXPECT_GONE(self->fd);
		ASSERT_EQ(0, bring_back(self->chip, variant->removal));
		close(self->fd);
		self->fd = mtd_open(self->chip, O_RDWR);
		ASSERT_GE(self->fd, 0);
	}
	munmap(worked, KINDS * sizeof(*worked));
	emu_set(self->chip, "time_scale", "0");
}

/* A list ends where the device does: nothing is unaccounted for. */
TEST_F_TIMEOUT(exchange, list, 120)
{
	enum { NR = 32 };
	volatile struct mtd_crtm_entry *entry;
	struct mtd_crtm_cmd cmd = { .size = sizeof(cmd), .nr = NR };
	static const uint8_t nonce[32] = "nonce";
	int pid, status, i;
	size_t len;

	entry = mmap(NULL, NR * sizeof(*entry), PROT_READ | PROT_WRITE,
		     MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	ASSERT_NE(MAP_FAILED, entry);
	cmd.entries = (uintptr_t)entry;
	ASSERT_EQ(0, emu_set(self->chip, "time_scale", "100"));
	len = block_measure(0, nonce, 0, 1 << 20, self->block);
	for (i = 0; i < NR; i++)
		entry[i] = (struct mtd_crtm_entry) {
			.in = (uintptr_t)self->block, .in_len = len, .sent = POISON,
		};
	pid = fork();
	ASSERT_GE(pid, 0);
	if (!pid) {
		/* The second is under way: the first is done. */
		for (i = 0; entry[1].sent != 1 && i < 60000; i++)
			usleep(1000);
		_exit(take_away(self->chip, variant->removal) ? 1 : 0);
	}
	/* 80 ms each */
	ASSERT_EQ(0, ioctl(self->fd, RD_CRTM_CMD, &cmd));
	EXPECT_GT(cmd.done, 0);
	EXPECT_LT(cmd.done, NR);
	for (i = 0; i < NR; i++) {
		EXPECT_EQ(i < (int)cmd.done, entry[i].sent) TH_LOG("entry %d", i);
		if (i < (int)cmd.done)
			EXPECT_EQ(RPMC_STATUS_SUCCESS, entry[i].status);
	}
	ASSERT_EQ(pid, waitpid(pid, &status, 0));
	EXPECT_EQ(0, status);
	EXPECT_GONE(self->fd);
	ASSERT_EQ(0, bring_back(self->chip, variant->removal));
	emu_set(self->chip, "time_scale", "0");
	munmap((void *)entry, NR * sizeof(*entry));
}

TEST_HARNESS_MAIN
