// SPDX-License-Identifier: MIT
/*
 * The files in debugfs: a map of what was last seen, and the parameters with
 * what is locked behind them. Reading them sends nothing to the chip, and does
 * no harm while the driver goes.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "asp.h"
#include "common.h"
#include "kselftest_harness.h"
#include "session.h"

/* In the order of the guest case. */
#define AUTHENTA_SPI	0
#define OPTED_IN	1	/* mt25qu256 with the property */
#define PLAIN		2	/* without */

#define TEXT_SIZE	16384
#define LOCKED_SECTORS	"\nsoftware locked sectors\n"

static ssize_t file_of(int chip, const char *name, char *text)
{
	char path[128], spi[32];
	ssize_t n, done = 0;
	int fd;

	if (spi_name(chip, spi, sizeof(spi)))
		return -ENODEV;
	snprintf(path, sizeof(path), "/sys/kernel/debug/spi-nor/%s/%s", spi, name);
	fd = open(path, O_RDONLY);
	if (fd < 0)
		return -errno;
	while ((n = read(fd, text + done, TEXT_SIZE - 1 - done)) > 0)
		done += n;
	if (n < 0)
		done = -errno;
	else
		text[done] = '\0';
	close(fd);
	return done;
}

/* The drawn map: "ADDRESS CHARACTERS" lines up to an empty one. Returns sectors, or -1. */
static int drawn(int chip, char *map)
{
	static char text[TEXT_SIZE];
	char *line, *rest = text, *p;
	int n = 0;

	if (file_of(chip, "sector-protection", text) <= 0)
		return -1;
	while ((line = strsep(&rest, "\n")) && *line) {
		if (strtoul(line, &p, 16) != (unsigned long)n * LOCK_SECTOR || *p != ' ')
			return -1;
		for (p++; *p; p++)
			map[n++] = *p;
	}
	return n;
}

/* A sector as the legend has it. */
static char legend(uint8_t locks)
{
	bool down = locks & MTD_ASP_S_LOCK_DOWN;

	switch (locks & MTD_ASP_S_LOCKED) {
	case 0:
		return down ? 'd' : '.';
	case MTD_ASP_S_VOLATILE:
		return down ? 'V' : 'v';
	case MTD_ASP_S_NON_VOLATILE:
		return down ? 'N' : 'n';
	case MTD_ASP_S_BLOCK:
		return down ? 'B' : 'b';
	case MTD_ASP_S_REGION:
		return down ? 'R' : 'r';
	default:
		return '*';
	}
}

/* What `params` says of locked sectors is what the chip says. NULL, or what is wrong. */
static const char *locked_wrong(int chip, const uint8_t *locks, int n)
{
	static char text[TEXT_SIZE];
	unsigned int start, end, nr;
	char *line, *rest;
	char word[16];
	int next = 0;

	if (file_of(chip, "params", text) <= 0)
		return "no params";
	rest = strstr(text, LOCKED_SECTORS);
	if (!rest)
		return "no locked sectors";
	while ((line = strsep(&rest, "\n"))) {
		if (sscanf(line, " %x-%x | %15s | %u", &start, &end, word, &nr) != 4)
			continue;
		if (start != (unsigned int)next * LOCK_SECTOR ||
		    end != start + nr * LOCK_SECTOR - 1)
			return "not one range behind another";
		for (; nr--; next++)
			if (next >= n || !!(locks[next] & MTD_ASP_S_LOCKED) !=
					 !strcmp(word, "locked"))
				return "another state than the chip's";
	}
	return next == n ? NULL : "not all sectors";
}

FIXTURE(debugfs) {
	int chip, fd, nr;
	uint8_t block[MAX_BLOCK];
	struct outcome o;
	uint8_t locks[MAX_SECTORS];
	char map[MAX_SECTORS];
	char text[TEXT_SIZE];
};

FIXTURE_VARIANT(debugfs) {
	int chip;
};

FIXTURE_VARIANT_ADD(debugfs, authenta) { .chip = AUTHENTA_SPI };
FIXTURE_VARIANT_ADD(debugfs, mt25qu256) { .chip = OPTED_IN };

FIXTURE_SETUP(debugfs)
{
	self->chip = variant->chip;
	ASSERT_EQ(0, emu_set(self->chip, "time_scale", "0"));
	ASSERT_EQ(0, emu_set(self->chip, "power_cycle", "1"));
	self->fd = mtd_open(self->chip, O_RDWR);
	ASSERT_GE(self->fd, 0);
	ASSERT_EQ(0, asp_do(self->fd, MTD_ASP_NV_ERASE, 0, 0));
}

FIXTURE_TEARDOWN(debugfs)
{
	emu_set(self->chip, "power_cycle", "1");
	asp_do(self->fd, MTD_ASP_NV_ERASE, 0, 0);
	mtd_unlock(self->fd, 0, 16 << 20);
	close(self->fd);
}

/* The map is that of the chip; it says so without asking. */
#define EXPECT_SHOWN() do {							\
	const char *_wrong;							\
	int _i, _ops[ASP_OPCODES];						\
										\
	self->nr = emu_locks(self->chip, self->locks);				\
	ASSERT_LT(0, self->nr);							\
	emu_clear(self->chip);							\
	ASSERT_EQ(self->nr, drawn(self->chip, self->map));			\
	for (_i = 0; _i < self->nr; _i++)					\
		EXPECT_EQ(legend(self->locks[_i]), self->map[_i])		\
			TH_LOG("sector %d", _i);				\
	_wrong = locked_wrong(self->chip, self->locks, self->nr);		\
	EXPECT_EQ(NULL, _wrong) TH_LOG("%s", _wrong);				\
	EXPECT_EQ(0, emu_opcodes(self->chip, _ops));				\
} while (0)

TEST_F(debugfs, map)
{
	static const struct asp_bytes protect[] = { { 1, { 0x06 } }, { 2, { 0x01, 0x14 } } };
	struct mtd_asp_map regs;
	struct keys keys;

	EXPECT_SHOWN();
	ASSERT_EQ(0, mtd_lock(self->fd, 2 * LOCK_SECTOR, 5 * LOCK_SECTOR));
	EXPECT_SHOWN();
	ASSERT_EQ(0, asp_do(self->fd, MTD_ASP_LOCK_DOWN, 6 * LOCK_SECTOR, 2 * LOCK_SECTOR));
	ASSERT_EQ(0, asp_do(self->fd, MTD_ASP_NV_LOCK, 5 * LOCK_SECTOR, LOCK_SECTOR));
	ASSERT_EQ(0, asp_do(self->fd, MTD_ASP_NV_LOCK, 40 * LOCK_SECTOR, LOCK_SECTOR));
	EXPECT_SHOWN();
	EXPECT_EQ('v', self->map[2]);
	EXPECT_EQ('*', self->map[5]);
	EXPECT_EQ('V', self->map[6]);
	EXPECT_EQ('d', self->map[7]);
	EXPECT_EQ('n', self->map[40]);
	EXPECT_EQ('.', self->map[41]);
	ASSERT_LT(0, file_of(self->chip, "sector-protection", self->text));
	EXPECT_TRUE(strstr(self->text, "not frozen"));
	ASSERT_EQ(0, asp_do(self->fd, MTD_ASP_FREEZE, 0, 0));
	ASSERT_LT(0, file_of(self->chip, "sector-protection", self->text));
	EXPECT_FALSE(strstr(self->text, "not frozen"));
	EXPECT_TRUE(strstr(self->text, "frozen"));

	/* what was last seen, until somebody asks the chip */
	ASSERT_EQ(0, emu_set(self->chip, "reset_pin", "1"));
	ASSERT_EQ(self->nr, drawn(self->chip, self->map));
	EXPECT_EQ('v', self->map[2]);
	ASSERT_EQ(0, asp_map(self->fd, &regs, self->locks, MAX_SECTORS));
	EXPECT_SHOWN();
	EXPECT_EQ('.', self->map[2]);

	/* from the probe on; block protection, and a region that came by a block */
	close(self->fd);
	ASSERT_EQ(0, boot_loader(self->chip, protect, ARRAY_SIZE(protect)));
	self->fd = mtd_open(self->chip, O_RDWR);
	ASSERT_GE(self->fd, 0);
	EXPECT_SHOWN();
	EXPECT_EQ('n', self->map[40]);
	EXPECT_EQ('b', self->map[self->nr - 1]);
	ASSERT_EQ(0, mtd_unlock(self->fd, (self->nr - 16) * LOCK_SECTOR, 16 * LOCK_SECTOR));
	EXPECT_SHOWN();
	if (self->chip != AUTHENTA_SPI)
		return;
	test_keys(&keys, 0);
	PROVISION(&keys);
	OPEN_SESSION(&keys);
	IN_SESSION(&keys, block_protect(&keys, 20 * LOCK_SECTOR, LOCK_SECTOR, CRTM_PROTECT_ADD,
					self->block));
	EXPECT_SHOWN();
	EXPECT_EQ('r', self->map[20]);
	IN_SESSION(&keys, block_protect(&keys, 20 * LOCK_SECTOR, LOCK_SECTOR, CRTM_PROTECT_REMOVE,
					self->block));
	EXPECT_SHOWN();
	EXPECT_EQ('.', self->map[20]);
}

/* Without the line of the flags, which say what a part can do. */
static void drop_flags(char *text)
{
	char *line = strstr(text, "\nflags"), *end = line ? strchr(line + 1, '\n') : NULL;

	if (end)
		memmove(line, end, strlen(end) + 1);
}

/* Without what newer kernels say of block protection at the end. */
static void drop_locked_sectors(char *text)
{
	char *line = strstr(text, "\nlocked sectors\n");

	if (line)
		*line = '\0';
}

/* `params` is what it is without sector protection, but for the locked sectors. */
TEST(params)
{
	static char with[TEXT_SIZE], without[TEXT_SIZE];
	int ops[ASP_OPCODES];

	emu_clear(OPTED_IN);
	ASSERT_LT(0, file_of(OPTED_IN, "params", with));
	EXPECT_EQ(0, emu_opcodes(OPTED_IN, ops));
	ASSERT_LT(0, file_of(PLAIN, "params", without));
	drop_flags(with);
	drop_flags(without);
	drop_locked_sectors(without);
	EXPECT_EQ(0, strncmp(with, without, strlen(without)))
		TH_LOG("without:\n%s\nwith:\n%s", without, with);
	EXPECT_EQ(0, strncmp(with + strlen(without), LOCKED_SECTORS, strlen(LOCKED_SECTORS)));
	EXPECT_EQ(-ENOENT, file_of(PLAIN, "sector-protection", with));
}

/* Readers all the time, while the driver comes and goes and sectors change. */
TEST(readers)
{
	static const char * const names[] = { "sector-protection", "params" };
	static char text[TEXT_SIZE];
	pid_t readers[4];
	unsigned int i, round;
	int fd, status;

	for (i = 0; i < ARRAY_SIZE(readers); i++) {
		readers[i] = fork();
		ASSERT_GE(readers[i], 0);
		/* until killed */
		while (!readers[i])
			file_of(OPTED_IN, names[i % 2], text);
	}
	for (round = 0; round < 10; round++) {
		fd = mtd_open(OPTED_IN, O_RDWR);
		ASSERT_GE(fd, 0);
		EXPECT_EQ(0, mtd_lock(fd, 0, 64 * LOCK_SECTOR));
		EXPECT_EQ(0, mtd_unlock(fd, 0, 64 * LOCK_SECTOR));
		close(fd);
		ASSERT_EQ(0, spi_unbind(OPTED_IN, "spi-nor"));
		EXPECT_EQ(-ENOENT, file_of(OPTED_IN, names[0], text));
		ASSERT_EQ(0, spi_bind(OPTED_IN, "spi-nor"));
	}
	for (i = 0; i < ARRAY_SIZE(readers); i++) {
		EXPECT_EQ(0, kill(readers[i], SIGKILL));
		EXPECT_EQ(readers[i], waitpid(readers[i], &status, 0));
	}
	EXPECT_LT(0, file_of(OPTED_IN, names[0], text));
}

TEST_HARNESS_MAIN
