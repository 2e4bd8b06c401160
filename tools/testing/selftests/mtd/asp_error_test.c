// SPDX-License-Identifier: MIT
/*
 * Errors of chip and controller: program and erase of a locked sector give EIO,
 * leave neither an error bit nor write enable behind, and the log names the
 * sector and what locks it. Where the controller fails in the middle of
 * MEMLOCK and MEMUNLOCK, the chip is as it was found, or the log names exactly
 * the sectors that are not.
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
#include "session.h"

/* In the order of the guest case. */
#define AUTHENTA_SPI	0
#define AUTHENTA_CTRL	1
#define MT25QU256	2

#define LOCKED		20	/* the sector that is */
#define START		(LOCKED * LOCK_SECTOR)
#define SR_LOWER_16	0x34	/* block protection of as many sectors */
#define FSR_ERRORS	0x32	/* erase, program, protection */

#define LOG_SIZE	16384

/* Of the controller at one operation */
static const char * const faults[] = { "eio_before", "eio_after", "drop" };

/* No fault, nothing locked; 0 or -errno. */
static int start(int chip, int *fd, int *kmsg)
{
	int ret = emu_set(chip, "time_scale", "0");

	if (!ret)
		ret = emu_set(chip, "fault", "none");
	if (!ret)
		ret = emu_set(chip, "power_cycle", "1");
	*fd = mtd_open(chip, O_RDWR);
	*kmsg = kmsg_open();
	if (ret || *fd < 0 || *kmsg < 0)
		return -ENODEV;
	return asp_do(*fd, MTD_ASP_NV_ERASE, 0, 0);
}

static void end(int chip, int fd, int kmsg)
{
	emu_set(chip, "fault", "none");
	emu_set(chip, "power_cycle", "1");
	asp_do(fd, MTD_ASP_NV_ERASE, 0, 0);
	close(kmsg);
	close(fd);
}

static int erase(int fd, uint32_t start, uint32_t len)
{
	struct erase_info_user user = { .start = start, .length = len };

	return ioctl(fd, MEMERASE, &user) ? -errno : 0;
}

static ssize_t put(int fd, uint32_t start, const void *data, size_t len)
{
	ssize_t n = pwrite(fd, data, len, start);

	return n < 0 ? -errno : n;
}

static bool all(const uint8_t *data, size_t len, uint8_t value)
{
	while (len--)
		if (*data++ != value)
			return false;
	return true;
}

/*
 * Each way into the locked sector, with @LOCKED locked by what the log calls
 * @by. NULL, or what is wrong. Sectors before and after are open.
 */
static const char *refused(int chip, int fd, int kmsg, const char *by)
{
	static const struct {
		const char *name;
		uint32_t start, len;
		bool write;
		uint32_t done;	/* bytes in front of the locked sector */
	} cases[] = {
		{ "erase of 4 KiB", START + 0x3000, 4096, false, 0 },
		{ "erase of a sector", START, LOCK_SECTOR, false, 0 },
		{ "erase across it", START - LOCK_SECTOR, 3 * LOCK_SECTOR, false, LOCK_SECTOR },
		{ "program of a byte", START + LOCK_SECTOR - 1, 1, true, 0 },
		{ "program of pages", START + 256, 1024, true, 0 },
		{ "program into it", START - 512, 1024, true, 512 },
	};
	static uint8_t data[3 * LOCK_SECTOR], before[LOCK_SECTOR], now[LOCK_SECTOR];
	static char wrong[256], log[LOG_SIZE];
	unsigned int i;
	int ret;

	memset(data, 0xa5, sizeof(data));
	for (i = 0; i < ARRAY_SIZE(cases); i++) {
		const char *what = NULL;

		if (emu_content(chip, START, before, sizeof(before)))
			return "content";
		if (erase(fd, START - LOCK_SECTOR, LOCK_SECTOR))
			return "erase of the sector in front";
		if (!cases[i].write && put(fd, START - LOCK_SECTOR, data, LOCK_SECTOR) < 0)
			return "write to the sector in front";
		kmsg_lines(kmsg, chip, log, sizeof(log));

		ret = cases[i].write ? put(fd, cases[i].start, data, cases[i].len) :
				       erase(fd, cases[i].start, cases[i].len);
		if (kmsg_lines(kmsg, chip, log, sizeof(log)) < 0)
			what = "the log cannot be read";
		else if (ret != -EIO)
			what = "not EIO";
		else if (emu_register(chip, "fsr") & FSR_ERRORS)
			what = "error bits stay in the flag status register";
		else if (emu_state(chip, "wel"))
			what = "write enable stays";
		else if (emu_state(chip, "wip"))
			what = "busy";
		else if (!log_names(log, LOCKED, by))
			what = "the log does not name the sector";
		else if (emu_content(chip, START, now, sizeof(now)) ||
			 memcmp(before, now, sizeof(now)))
			what = "the locked sector changed";
		else if (emu_content(chip, cases[i].start, now, cases[i].done) ||
			 !all(now, cases[i].done, cases[i].write ? 0xa5 : 0xff))
			what = "what stood in front was not done";
		else if (erase(fd, START + LOCK_SECTOR, LOCK_SECTOR) ||
			 put(fd, START + LOCK_SECTOR, data, 4096) != 4096 ||
			 pread(fd, now, 4096, START + LOCK_SECTOR) != 4096 ||
			 !all(now, 4096, 0xa5))
			what = "the next good operation fails";
		if (what) {
			snprintf(wrong, sizeof(wrong), "%s, %s: %s (%d; log: %.120s)",
				 cases[i].name, by, what, ret, log);
			return wrong;
		}
	}
	return NULL;
}

/* A whole-chip erase does nothing at all, and says why. */
static const char *chip_erase_refused(int chip, int fd, int kmsg, const char *by)
{
	static char wrong[256], log[LOG_SIZE];
	struct mtd_info_user user;
	uint8_t byte = 0x5a, now;
	const char *what = NULL;
	int ret;

	if (ioctl(fd, MEMGETINFO, &user) || erase(fd, user.size - 4096, 4096) ||
	    put(fd, user.size - 1, &byte, 1) != 1)
		return "the last sector";
	kmsg_lines(kmsg, chip, log, sizeof(log));
	ret = erase(fd, 0, user.size);
	if (kmsg_lines(kmsg, chip, log, sizeof(log)) < 0)
		what = "the log cannot be read";
	else if (ret != -EIO)
		what = "not EIO";
	else if (emu_register(chip, "fsr") & FSR_ERRORS || emu_state(chip, "wel"))
		what = "error bits or write enable stay";
	else if (!log_names(log, LOCKED, by))
		what = "the log does not name the sector";
	else if (emu_content(chip, user.size - 1, &now, 1) || now != byte)
		what = "something was erased";
	if (!what)
		return NULL;
	snprintf(wrong, sizeof(wrong), "erase of the chip, %s: %s (%d; log: %.120s)", by, what, ret,
		 log);
	return wrong;
}

#define EXPECT_REFUSED(_by) do {						\
	const char *_wrong = refused(self->chip, self->fd, self->kmsg, _by);	\
										\
	EXPECT_EQ(NULL, _wrong) TH_LOG("%s", _wrong);				\
	_wrong = chip_erase_refused(self->chip, self->fd, self->kmsg, _by);	\
	EXPECT_EQ(NULL, _wrong) TH_LOG("%s", _wrong);				\
} while (0)

FIXTURE(error) {
	int chip, fd, kmsg;
};

FIXTURE_VARIANT(error) {
	int chip;
};

FIXTURE_VARIANT_ADD(error, spi) { .chip = AUTHENTA_SPI };
FIXTURE_VARIANT_ADD(error, mem) { .chip = AUTHENTA_CTRL };
FIXTURE_VARIANT_ADD(error, mt25qu256) { .chip = MT25QU256 };

FIXTURE_SETUP(error)
{
	self->chip = variant->chip;
	ASSERT_EQ(0, start(self->chip, &self->fd, &self->kmsg));
}

FIXTURE_TEARDOWN(error)
{
	end(self->chip, self->fd, self->kmsg);
}

TEST_F_TIMEOUT(error, volatile_lock, 120)
{
	ASSERT_EQ(0, mtd_lock(self->fd, START, LOCK_SECTOR));
	EXPECT_REFUSED("volatile");
	EXPECT_EQ(0, mtd_unlock(self->fd, START, LOCK_SECTOR));
	EXPECT_EQ(0, erase(self->fd, START, LOCK_SECTOR));
}

TEST_F_TIMEOUT(error, non_volatile_lock, 120)
{
	ASSERT_EQ(0, asp_do(self->fd, MTD_ASP_NV_LOCK, START, LOCK_SECTOR));
	EXPECT_REFUSED("non-volatile");
	EXPECT_EQ(0, asp_do(self->fd, MTD_ASP_NV_ERASE, 0, 0));
	EXPECT_EQ(0, erase(self->fd, START, LOCK_SECTOR));
}

/* Chips with a security engine */
FIXTURE(region) {
	int chip, fd, kmsg;
	uint8_t block[MAX_BLOCK];
	struct outcome o;
};

FIXTURE_VARIANT(region) {
	int chip;
};

FIXTURE_VARIANT_ADD(region, spi) { .chip = AUTHENTA_SPI };
FIXTURE_VARIANT_ADD(region, mem) { .chip = AUTHENTA_CTRL };

FIXTURE_SETUP(region)
{
	self->chip = variant->chip;
	ASSERT_EQ(0, start(self->chip, &self->fd, &self->kmsg));
}

FIXTURE_TEARDOWN(region)
{
	end(self->chip, self->fd, self->kmsg);
}

TEST_F_TIMEOUT(region, error, 120)
{
	struct keys keys;

	test_keys(&keys, 0);
	PROVISION(&keys);
	OPEN_SESSION(&keys);
	IN_SESSION(&keys, block_protect(&keys, START, LOCK_SECTOR, CRTM_PROTECT_ADD, self->block));
	EXPECT_REFUSED("region");
	IN_SESSION(&keys, block_protect(&keys, START, LOCK_SECTOR, CRTM_PROTECT_REMOVE,
					self->block));
	EXPECT_EQ(0, erase(self->fd, START, LOCK_SECTOR));
}

/* Chips behind a controller that spidev can be bound to */
FIXTURE(block) {
	int chip, fd, kmsg;
	char log[LOG_SIZE];
};

FIXTURE_VARIANT(block) {
	int chip;
};

FIXTURE_VARIANT_ADD(block, authenta) { .chip = AUTHENTA_SPI };
FIXTURE_VARIANT_ADD(block, mt25qu256) { .chip = MT25QU256 };

static int protect(int chip)
{
	static const struct asp_bytes bytes[] = { { 1, { 0x06 } }, { 2, { 0x01, SR_LOWER_16 } } };

	return boot_loader(chip, bytes, ARRAY_SIZE(bytes));
}

FIXTURE_SETUP(block)
{
	self->chip = variant->chip;
	ASSERT_EQ(0, start(self->chip, &self->fd, &self->kmsg));
	close(self->fd);
	ASSERT_EQ(0, protect(self->chip));
	self->fd = mtd_open(self->chip, O_RDWR);
	ASSERT_GE(self->fd, 0);
}

FIXTURE_TEARDOWN(block)
{
	mtd_unlock(self->fd, 0, 16 * LOCK_SECTOR);
	end(self->chip, self->fd, self->kmsg);
}

/* These lock from the first or to the last sector. */
TEST_F(block, error)
{
	uint8_t byte = 0;

	kmsg_lines(self->kmsg, self->chip, self->log, sizeof(self->log));
	EXPECT_EQ(-EIO, erase(self->fd, 14 * LOCK_SECTOR, 4 * LOCK_SECTOR));
	ASSERT_LE(0, kmsg_lines(self->kmsg, self->chip, self->log, sizeof(self->log)));
	EXPECT_TRUE(log_names(self->log, 14, "block protection")) TH_LOG("%s", self->log);
	EXPECT_EQ(-EIO, put(self->fd, 16 * LOCK_SECTOR - 1, &byte, 1));
	ASSERT_LE(0, kmsg_lines(self->kmsg, self->chip, self->log, sizeof(self->log)));
	EXPECT_TRUE(log_names(self->log, 15, "block protection")) TH_LOG("%s", self->log);
	EXPECT_EQ(0, emu_register(self->chip, "fsr") & FSR_ERRORS);
	EXPECT_EQ(0, emu_state(self->chip, "wel"));
	EXPECT_EQ(0, erase(self->fd, 16 * LOCK_SECTOR, LOCK_SECTOR));
	EXPECT_EQ(1, put(self->fd, 16 * LOCK_SECTOR, &byte, 1));

	EXPECT_EQ(0, mtd_unlock(self->fd, 0, 16 * LOCK_SECTOR));
	EXPECT_EQ(0, erase(self->fd, 14 * LOCK_SECTOR, 4 * LOCK_SECTOR));
}

/*
 * MEMUNLOCK of sectors with both kinds of locks, with a fault at each operation:
 * all of it is done, or the volatile locks and the status register are as found.
 */
TEST_F_TIMEOUT(block, controller, 120)
{
	static uint8_t found[MAX_SECTORS], now[MAX_SECTORS];
	unsigned int ops, n, f, faulty = 0, undone = 0;
	int count[ASP_OPCODES], ret;
	bool same;

	ASSERT_EQ(0, mtd_lock(self->fd, 2 * LOCK_SECTOR, 3 * LOCK_SECTOR));
	ASSERT_LT(16, emu_locks(self->chip, found));
	emu_clear(self->chip);
	ASSERT_EQ(0, mtd_unlock(self->fd, 0, 16 * LOCK_SECTOR));
	ops = emu_opcodes(self->chip, count);
	ASSERT_GT(ops, 16);

	for (n = 1; n <= ops; n++) {
		for (f = 0; f < ARRAY_SIZE(faults); f++) {
			if (emu_register(self->chip, "sr") != SR_LOWER_16) {
				close(self->fd);
				ASSERT_EQ(0, protect(self->chip));
				self->fd = mtd_open(self->chip, O_RDWR);
				ASSERT_GE(self->fd, 0);
			}
			ASSERT_EQ(0, mtd_lock(self->fd, 2 * LOCK_SECTOR, 3 * LOCK_SECTOR));
			kmsg_lines(self->kmsg, self->chip, self->log, sizeof(self->log));
			ASSERT_EQ(0, emu_fault(self->chip, faults[f], n, "any"));
			ret = mtd_unlock(self->fd, 0, 16 * LOCK_SECTOR);
			emu_set(self->chip, "fault", "none");
			kmsg_lines(self->kmsg, self->chip, self->log, sizeof(self->log));
			ASSERT_LT(16, emu_locks(self->chip, now));
			same = !memcmp(found, now, 16);
			EXPECT_TRUE(ret == -EIO || !ret) TH_LOG("%s %u: %d", faults[f], n, ret);
			EXPECT_TRUE(ret ? same : all(now, 16, 0))
				TH_LOG("%s %u: %d, status register %02llx, log: %s", faults[f], n,
				       ret, emu_register(self->chip, "sr"), self->log);
			EXPECT_EQ(0, emu_register(self->chip, "fsr") & FSR_ERRORS);
			EXPECT_EQ(0, emu_state(self->chip, "wel")) TH_LOG("%s %u", faults[f], n);
			faulty++;
			undone += same;
		}
	}
	/* or this proves nothing */
	EXPECT_LT(ops, undone);
	printf("# %u faults of the controller in MEMUNLOCK with block protection\n", faulty);
	fflush(stdout);
}

/* MEMLOCK and MEMUNLOCK fail half-way */

#define FIRST	2
#define NR	5

/* Sector 4 is locked already; or all of them and sector 7, which stays. */
static int prepare(int fd, bool lock)
{
	int ret = mtd_unlock(fd, 0, 16 * LOCK_SECTOR);

	if (!ret && lock)
		return mtd_lock(fd, 4 * LOCK_SECTOR, LOCK_SECTOR);
	return ret ? ret : mtd_lock(fd, FIRST * LOCK_SECTOR, (NR + 1) * LOCK_SECTOR);
}

static int change(int fd, bool lock)
{
	return lock ? mtd_lock(fd, FIRST * LOCK_SECTOR, NR * LOCK_SECTOR) :
		      mtd_unlock(fd, FIRST * LOCK_SECTOR, NR * LOCK_SECTOR);
}

/* Does the log say that this sector was not put back? "volatile locks left set: 0xA-0xB" */
static bool left(const char *log, unsigned int sector)
{
	unsigned int start, end, addr = sector * LOCK_SECTOR;

	while ((log = strstr(log, "volatile locks left "))) {
		log = strchr(log, ':');
		if (!log)
			return false;
		if (sscanf(log, ": 0x%x-0x%x", &start, &end) == 2 && addr >= start && addr <= end)
			return true;
	}
	return false;
}

/* After @ret of change(): as found, or as wanted, or named. */
static const char *half_way(int chip, int ret, const char *log, const uint8_t *found,
			    const uint8_t *wanted)
{
	static uint8_t now[MAX_SECTORS];
	int n = emu_locks(chip, now), i;

	if (n < 0)
		return "locks";
	if (ret && ret != -EIO)
		return "neither 0 nor EIO";
	if (!ret && memcmp(now, wanted, n))
		return "success for what did not happen";
	if (emu_register(chip, "fsr") & FSR_ERRORS || emu_state(chip, "wel"))
		return "error bits or write enable stay";
	for (i = 0; ret && i < n; i++) {
		if (now[i] != found[i] && !left(log, i))
			return "neither as found nor named";
		if (now[i] == found[i] && left(log, i))
			return "as found, and named";
	}
	return NULL;
}

TEST_F_TIMEOUT(error, controller, 120)
{
	static uint8_t found[MAX_SECTORS], wanted[MAX_SECTORS];
	static char log[LOG_SIZE];
	int count[ASP_OPCODES], lock, ops, n, ret;
	unsigned int f, faulty = 0;
	const char *wrong;

	for (lock = 0; lock < 2; lock++) {
		ASSERT_EQ(0, prepare(self->fd, lock));
		ASSERT_LT(FIRST + NR, emu_locks(self->chip, found));
		emu_clear(self->chip);
		ASSERT_EQ(0, change(self->fd, lock));
		ops = emu_opcodes(self->chip, count);
		ASSERT_LT(NR, ops);
		ASSERT_LT(FIRST + NR, emu_locks(self->chip, wanted));
		ASSERT_NE(0, memcmp(found, wanted, FIRST + NR));

		for (n = 0; n < ops * (int)ARRAY_SIZE(faults); n++) {
			f = n % ARRAY_SIZE(faults);
			ASSERT_EQ(0, prepare(self->fd, lock));
			kmsg_lines(self->kmsg, self->chip, log, sizeof(log));
			ASSERT_EQ(0, emu_fault(self->chip, faults[f], 1 + n / ARRAY_SIZE(faults),
					       "any"));
			ret = change(self->fd, lock);
			emu_set(self->chip, "fault", "none");
			kmsg_lines(self->kmsg, self->chip, log, sizeof(log));
			wrong = half_way(self->chip, ret, log, found, wanted);
			if (!wrong && change(self->fd, lock))
				wrong = "it does not work afterwards";
			EXPECT_EQ(NULL, wrong)
				TH_LOG("%s, %s at operation %zu: %s (%d; log: %s)",
				       lock ? "MEMLOCK" : "MEMUNLOCK", faults[f],
				       1 + n / ARRAY_SIZE(faults), wrong, ret, log);
			faulty++;
		}
	}
	printf("# %u faults of the controller in MEMLOCK and MEMUNLOCK\n", faulty);
	fflush(stdout);
}

/* What was done cannot be undone either: one fault at a write, one at any later operation. */
TEST_F_TIMEOUT(error, controller_twice, 120)
{
	static uint8_t found[MAX_SECTORS], wanted[MAX_SECTORS], now[MAX_SECTORS];
	const char *write = self->chip == MT25QU256 ? "e1" : "e5";
	unsigned int first, second, ops, left_so = 0;
	int count[ASP_OPCODES], lock, ret;
	static char log[LOG_SIZE];
	const char *wrong;

	for (lock = 0; lock < 2; lock++) {
		ASSERT_EQ(0, prepare(self->fd, lock));
		ASSERT_LT(FIRST + NR, emu_locks(self->chip, found));
		emu_clear(self->chip);
		ASSERT_EQ(0, change(self->fd, lock));
		ops = emu_opcodes(self->chip, count);
		ASSERT_LT(FIRST + NR, emu_locks(self->chip, wanted));
		for (first = 1; first < NR; first++) {
			for (second = ops - 3 * (NR - first); second < 2 * ops; second++) {
				ASSERT_EQ(0, prepare(self->fd, lock));
				kmsg_lines(self->kmsg, self->chip, log, sizeof(log));
				ASSERT_EQ(0, emu_fault(self->chip, "eio_after", first, write));
				ASSERT_EQ(0, emu_fault(self->chip, "eio_before", second, "any"));
				ret = change(self->fd, lock);
				emu_set(self->chip, "fault", "none");
				kmsg_lines(self->kmsg, self->chip, log, sizeof(log));
				wrong = half_way(self->chip, ret, log, found, wanted);
				EXPECT_EQ(-EIO, ret);
				EXPECT_EQ(NULL, wrong)
					TH_LOG("%s, %u. %s, then operation %u: %s (log: %s)",
					       lock ? "MEMLOCK" : "MEMUNLOCK", first, write, second,
					       wrong, log);
				ASSERT_LT(0, emu_locks(self->chip, now));
				left_so += !!memcmp(now, found, FIRST + NR + 1);
			}
		}
	}
	/* or this proves nothing */
	EXPECT_LT(0, left_so);
	printf("# %u times it could not be undone, and was named\n", left_so);
	fflush(stdout);
}

TEST_HARNESS_MAIN
