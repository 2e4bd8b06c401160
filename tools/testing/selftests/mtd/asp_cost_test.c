// SPDX-License-Identifier: MIT
/*
 * What locking the 4096 sectors of a 2 Gbit part costs: one read for each
 * sector, and write enable, write and read for each that changes. SPI operations
 * and bytes are the chip's own count; they, the probe's and the map's are
 * printed as diagnostics and appended to /share/cost.txt if there is a /share.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/time.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "asp.h"
#include "common.h"
#include "kselftest_harness.h"

#define CHIP		0
#define SECTORS		4096
#define OP_WREN		0x06
/* What an operation may cost beside that, whatever its size. */
#define HOUSEKEEPING	8

FIXTURE(cost) {
	int fd;
	struct timespec start;
	int count[ASP_OPCODES], ops;
	unsigned long bytes;
};

FIXTURE_SETUP(cost)
{
	ASSERT_EQ(0, emu_set(CHIP, "time_scale", "100"));
	ASSERT_EQ(0, emu_set(CHIP, "power_cycle", "1"));
	self->fd = mtd_open(CHIP, O_RDWR);
	ASSERT_GE(self->fd, 0);
}

FIXTURE_TEARDOWN(cost)
{
	emu_set(CHIP, "power_cycle", "1");
	close(self->fd);
}

/* Bytes on the wire, as the trace has them; 0: it has not all. */
static unsigned long traced_bytes(void)
{
	static char text[4 << 20];
	unsigned long sum = 0;
	char *line, *len, *times, *rest = text;
	ssize_t n;

	n = emu_read(CHIP, "trace", text, sizeof(text) - 1);
	if (n < 0 || n == sizeof(text) - 1 || emu_state(CHIP, "trace_lost"))
		return 0;
	text[n] = '\0';
	while ((line = strsep(&rest, "\n"))) {
		len = strstr(line, " len=");
		times = strstr(line, " times=");
		if (len)
			sum += strtoul(len + 5, NULL, 10) *
			       (times ? strtoul(times + 7, NULL, 10) : 1);
	}
	return sum;
}

static void __attribute__((format(printf, 1, 2))) report(const char *fmt, ...)
{
	struct utsname uts;
	char text[256];
	va_list args;
	FILE *f;

	va_start(args, fmt);
	vsnprintf(text, sizeof(text), fmt, args);
	va_end(args);
	uname(&uts);
	printf("# cost %s %s\n", uts.release, text);
	fflush(stdout);
	f = access("/share", W_OK) ? NULL : fopen("/share/cost.txt", "a");
	if (!f)
		return;
	fprintf(f, "%s %s\n", uts.release, text);
	fclose(f);
}

#define COST(_name, _statement) do {						\
	struct timespec _end;							\
	double _s;								\
										\
	emu_clear(CHIP);							\
	clock_gettime(CLOCK_MONOTONIC, &self->start);				\
	_statement;								\
	clock_gettime(CLOCK_MONOTONIC, &_end);					\
	_s = _end.tv_sec - self->start.tv_sec +					\
	     (_end.tv_nsec - self->start.tv_nsec) / 1e9;			\
	self->ops = emu_opcodes(CHIP, self->count);				\
	self->bytes = traced_bytes();						\
	ASSERT_LT(0, self->ops);						\
	ASSERT_LT(0, self->bytes);						\
	report("mt25qu02g, %u sectors: %s: %d operations, %lu bytes, %.2f s", SECTORS, \
	       _name, self->ops, self->bytes, _s);				\
} while (0)

/* All sectors read, @_n of them written, and next to nothing else. */
#define EXPECT_COST(_n) do {							\
	EXPECT_EQ(SECTORS + (_n), self->count[ASP_OP_RDVLB_4B]);		\
	EXPECT_EQ(_n, self->count[ASP_OP_WRVLB_4B]);				\
	EXPECT_EQ(_n, self->count[OP_WREN]);					\
	EXPECT_EQ(0, self->count[ASP_OP_RDVLB] + self->count[ASP_OP_WRVLB]);	\
	EXPECT_LE(self->ops, SECTORS + 3 * (_n) + HOUSEKEEPING);		\
} while (0)

TEST_F_TIMEOUT(cost, lock, 120)
{
	const uint32_t size = 256U << 20, half = size / 2;

	COST("lock", ASSERT_EQ(0, mtd_lock(self->fd, 0, size)));
	EXPECT_COST(SECTORS);
	EXPECT_EQ(1, mtd_is_locked(self->fd, 0, size));

	COST("lock once more", ASSERT_EQ(0, mtd_lock(self->fd, 0, size)));
	EXPECT_COST(0);

	COST("ask", ASSERT_EQ(1, mtd_is_locked(self->fd, 0, size)));
	ASSERT_EQ(0, mtd_unlock(self->fd, half, half));
	EXPECT_EQ(0, mtd_is_locked(self->fd, 0, size));
	EXPECT_EQ(1, mtd_is_locked(self->fd, 0, half));
	COST("lock, half of them are", ASSERT_EQ(0, mtd_lock(self->fd, 0, size)));
	EXPECT_COST(SECTORS / 2);

	COST("unlock", ASSERT_EQ(0, mtd_unlock(self->fd, 0, size)));
	EXPECT_EQ(SECTORS, self->count[ASP_OP_WRVLB_4B]);
	EXPECT_EQ(0, mtd_is_locked(self->fd, size - LOCK_SECTOR, LOCK_SECTOR));
}

TEST_F_TIMEOUT(cost, map, 60)
{
	static uint8_t sectors[MAX_SECTORS];
	struct mtd_asp_map map;

	COST("map", ASSERT_EQ(0, asp_map(self->fd, &map, sectors, MAX_SECTORS)));
	EXPECT_EQ(SECTORS, map.nr);
	EXPECT_EQ(SECTORS, self->count[ASP_OP_RDVLB_4B]);
	EXPECT_EQ(SECTORS, self->count[ASP_OP_RDNVLB]);
	EXPECT_LE(self->ops, 2 * SECTORS + HOUSEKEEPING);

	COST("registers alone", ASSERT_EQ(0, asp_map(self->fd, &map, NULL, 0)));
	EXPECT_LE(self->ops, HOUSEKEEPING);
}

TEST_F_TIMEOUT(cost, probe, 60)
{
	close(self->fd);
	ASSERT_EQ(0, spi_unbind(CHIP, "spi-nor"));
	COST("probe", ASSERT_EQ(0, spi_bind(CHIP, "spi-nor")));
	self->fd = mtd_open(CHIP, O_RDWR);
	ASSERT_GE(self->fd, 0);
	/* the map once */
	EXPECT_EQ(SECTORS, self->count[ASP_OP_RDVLB_4B]);
	EXPECT_EQ(SECTORS, self->count[ASP_OP_RDNVLB]);
}

static void woken(int sig)
{
	(void)sig;
}

/*
 * Non-volatile locks of all sectors, at a pace of seconds: others read in between,
 * and a signal ends it where it is.
 */
TEST_F_TIMEOUT(cost, interrupted, 60)
{
	struct sigaction action = { .sa_handler = woken };
	struct itimerval timer = { .it_value.tv_sec = 3 };
	static uint8_t locks[MAX_SECTORS];
	struct timespec start, end;
	struct mtd_asp_cmd cmd;
	double wait, longest = 0;
	int i, pipes[2], status;
	uint8_t byte;
	pid_t reader;

	ASSERT_EQ(0, asp_do(self->fd, MTD_ASP_NV_ERASE, 0, 0));
	ASSERT_EQ(0, emu_set(CHIP, "time_scale", "1000"));
	ASSERT_EQ(0, pipe(pipes));
	reader = fork();
	ASSERT_GE(reader, 0);
	if (!reader) {
		close(pipes[0]);
		for (;;) {
			clock_gettime(CLOCK_MONOTONIC, &start);
			if (pread(self->fd, &byte, 1, 0) != 1)
				_exit(1);
			clock_gettime(CLOCK_MONOTONIC, &end);
			wait = end.tv_sec - start.tv_sec + (end.tv_nsec - start.tv_nsec) / 1e9;
			if (write(pipes[1], &wait, sizeof(wait)) != sizeof(wait))
				_exit(0);
			usleep(1000);
		}
	}
	close(pipes[1]);

	sigaction(SIGALRM, &action, NULL);
	ASSERT_EQ(0, setitimer(ITIMER_REAL, &timer, NULL));
	asp_init(&cmd, MTD_ASP_NV_LOCK);
	cmd.length = SECTORS * (uint64_t)LOCK_SECTOR;
	EXPECT_EQ(0, asp_cmd(self->fd, &cmd));
	EXPECT_EQ(1, cmd.sent);
	EXPECT_EQ(-EINTR, cmd.result);
	EXPECT_LT(0, cmd.done);
	EXPECT_GT(SECTORS, cmd.done);
	ASSERT_EQ(SECTORS, emu_locks(CHIP, locks));
	for (i = 0; i < SECTORS; i++)
		EXPECT_EQ(i < (int)cmd.done ? MTD_ASP_S_NON_VOLATILE : 0, locks[i]);

	ASSERT_EQ(0, fcntl(pipes[0], F_SETFL, O_NONBLOCK));
	while (read(pipes[0], &wait, sizeof(wait)) == sizeof(wait))
		longest = wait > longest ? wait : longest;
	close(pipes[0]);
	EXPECT_EQ(reader, waitpid(reader, &status, 0));
	EXPECT_LT(longest, 2);
	report("mt25qu02g: non-volatile locks: %u in 3 s, another reader waits %.2f s at most",
	       cmd.done, longest);
	ASSERT_EQ(0, emu_set(CHIP, "time_scale", "0"));
	EXPECT_EQ(0, asp_do(self->fd, MTD_ASP_NV_ERASE, 0, 0));
}

TEST_HARNESS_MAIN
