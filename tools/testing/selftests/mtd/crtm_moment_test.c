// SPDX-License-Identifier: MIT
/*
 * At every moment: before each single SPI operation of what a process does with a chip the
 * driver or the controller is unbound, or the process killed. What runs ends properly, what
 * was sent is known, what comes later gets ENODEV, and chip and device serve the next one.
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

#include "asp.h"
#include "common.h"
#include "kselftest_harness.h"

#define S	LOCK_SECTOR
#define STEPS	4
#define LIST	3
#define MARK	0x4d

enum act { UNBIND, UNBIND_CONTROLLER, KILL };

/* What the process leaves, also if it is killed */
struct shared {
	struct mtd_crtm_cmd cmd;
	struct mtd_crtm_entry entry[LIST];
	uint8_t block[LIST][MAX_BLOCK];
	uint8_t out[LIST][MAX_RESPONSE];
	int ret[STEPS];
};

/* A list of blocks that change nothing. */
static int list(int fd, struct shared *s, int step)
{
	static const uint8_t nonce[32] = "nonce";
	size_t len[LIST];
	int i;

	if (step)
		return 1;
	len[0] = block_measure(0, nonce, 0, S, s->block[0]);
	len[1] = block_get_info(0, nonce, s->block[1]);
	len[2] = block_measure(0, nonce, S, S, s->block[2]);
	for (i = 0; i < LIST; i++)
		s->entry[i] = (struct mtd_crtm_entry) {
			.in = (uintptr_t)s->block[i], .in_len = len[i],
			.out = (uintptr_t)s->out[i], .out_len = MAX_RESPONSE,
		};
	s->cmd = (struct mtd_crtm_cmd) {
		.size = sizeof(s->cmd), .nr = LIST, .entries = (uintptr_t)s->entry,
	};
	if (ioctl(fd, WR_CRTM_CMD, &s->cmd))
		return -errno;
	return s->cmd.done < LIST ? -ENODEV : 0;
}

/* What volatile lock bits do. */
static int lock(int fd, struct shared *s, int step)
{
	int ret;

	(void)s;
	switch (step) {
	case 0:
		return mtd_lock(fd, 2 * S, 2 * S);
	case 1:
		ret = mtd_is_locked(fd, 2 * S, 2 * S);
		return ret < 0 ? ret : !ret;
	case 2:
		return mtd_unlock(fd, 2 * S, 2 * S);
	default:
		return 1;
	}
}

static int protect(int fd, struct shared *s, int step)
{
	struct mtd_asp_map map;

	(void)s;
	switch (step) {
	case 0:
		return asp_do(fd, MTD_ASP_NV_LOCK, 4 * S, 2 * S);
	case 1:
		return asp_do(fd, MTD_ASP_LOCK_DOWN, 5 * S, S);
	case 2:
		return asp_map(fd, &map, NULL, 0);
	case 3:
		return asp_do(fd, MTD_ASP_FREEZE, 0, 0);
	default:
		return 1;
	}
}

/* The array, as ever. */
static int array(int fd, struct shared *s, int step)
{
	struct erase_info_user erase = { .start = 8 * S, .length = SECTOR };
	uint8_t data[600];
	ssize_t n;

	(void)s;
	memset(data, MARK, sizeof(data));
	switch (step) {
	case 0:
		return ioctl(fd, MEMERASE, &erase) ? -errno : 0;
	case 1:
		n = pwrite(fd, data, sizeof(data), erase.start);
		return n < 0 ? -errno : n != sizeof(data);
	case 2:
		n = pread(fd, data, sizeof(data), erase.start);
		if (n < 0)
			return -errno;
		return n != sizeof(data) || data[0] != MARK || data[sizeof(data) - 1] != MARK;
	default:
		return 1;
	}
}

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

FIXTURE(moment) {
	int chip, fd;
	struct shared *shared;
	uint8_t block[MAX_BLOCK];
	uint8_t locks[MAX_SECTORS], sectors[MAX_SECTORS];
	struct mtd_asp_map map;
};

FIXTURE_VARIANT(moment) {
	int chip;
	enum act act;
	/* One step; 1: there is no such step, or what it did is wrong. */
	int (*step)(int fd, struct shared *s, int step);
	int steps, operations;	/* it has at least so many */
};

#define VARIANT(_what, _act, _chip, _name, _step, _steps, _operations)		\
FIXTURE_VARIANT_ADD(moment, _what##_##_name) {					\
	.chip = _chip, .act = _act, .step = _step, .steps = _steps,		\
	.operations = _operations,						\
}

VARIANT(unbind, UNBIND, AUTHENTA, list, list, 1, 12);
VARIANT(unbind, UNBIND, AUTHENTA, lock, lock, 3, 20);
VARIANT(unbind, UNBIND, AUTHENTA, protect, protect, 4, 20);
VARIANT(unbind, UNBIND, AUTHENTA, array, array, 3, 8);
VARIANT(unbind, UNBIND, AUTHENTA_MEM, list_mem, list, 1, 12);
VARIANT(controller, UNBIND_CONTROLLER, AUTHENTA, list, list, 1, 12);
VARIANT(controller, UNBIND_CONTROLLER, AUTHENTA, array, array, 3, 8);
VARIANT(kill, KILL, AUTHENTA, list, list, 1, 12);
VARIANT(kill, KILL, AUTHENTA, lock, lock, 3, 20);
VARIANT(kill, KILL, AUTHENTA, protect, protect, 4, 20);
VARIANT(kill, KILL, AUTHENTA, array, array, 3, 8);
VARIANT(kill, KILL, AUTHENTA_MEM, list_mem, list, 1, 12);

FIXTURE_SETUP(moment)
{
	self->chip = variant->chip;
	ASSERT_EQ(0, emu_set(self->chip, "time_scale", "0"));
	self->shared = mmap(NULL, sizeof(*self->shared), PROT_READ | PROT_WRITE,
			    MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	ASSERT_NE(MAP_FAILED, self->shared);
	self->fd = mtd_open(self->chip, O_RDWR);
	ASSERT_GE(self->fd, 0);
}

FIXTURE_TEARDOWN(moment)
{
	close(self->fd);
	if (mtd_number(self->chip) < 0) {
		spi_bind(self->chip, "spi-nor");
		controller(self->chip, "bind");
	}
	emu_set(self->chip, "fault", "none");
}

/* Is a fault still to come? */
static bool pending(int chip)
{
	char text[256];

	return emu_read(chip, "fault", text, sizeof(text)) > 0;
}

static int take_away(int chip, enum act act)
{
	return act == UNBIND ? spi_unbind(chip, "spi-nor") : controller(chip, "unbind");
}

static int bring_back(int chip, enum act act)
{
	return act == UNBIND ? spi_bind(chip, "spi-nor") : controller(chip, "bind");
}

/* The steps done are done, and from the first that was not on the device is gone. */
#define CHECK_STEPS(_n, _killed) do {						\
	int _i, _gone = 0;							\
										\
	for (_i = 0; _i < variant->steps; _i++) {				\
		int _ret = self->shared->ret[_i];				\
										\
		if ((_killed) && _ret == 1)					\
			break;							\
		if (_ret == -ENODEV)						\
			_gone = 1;						\
		EXPECT_EQ(_gone ? -ENODEV : 0, _ret)				\
			TH_LOG("operation %d, step %d", _n, _i);		\
	}									\
} while (0)

/* Nothing is left of it in the chip, and everything works. */
#define CHECK_CHIP(_n) do {							\
	static const uint8_t _nonce[16] = "another nonce";			\
	struct erase_info_user _erase = { .start = 9 * S, .length = SECTOR };	\
	uint8_t _data[32], _back[32];						\
	struct outcome _o;							\
										\
	EXPECT_EQ(0, emu_state(self->chip, "wel")) TH_LOG("operation %d", _n);	\
	EXPECT_EQ(0, emu_state(self->chip, "wip")) TH_LOG("operation %d", _n);	\
	EXPECT_EQ(0x80, emu_register(self->chip, "fsr")) TH_LOG("operation %d", _n); \
	EXPECT_EQ(0, emu_state(self->chip, "violations")) TH_LOG("operation %d", _n); \
	EXPECT_EQ(0, emu_state(self->chip, "busy_ignored")) TH_LOG("operation %d", _n); \
	_o = exchange(self->fd, RD_CRTM_CMD, self->block,			\
		      block_get_info(0, _nonce, self->block));			\
	EXPECT_EQ(0, _o.ret) TH_LOG("operation %d", _n);			\
	EXPECT_EQ(RPMC_STATUS_SUCCESS, _o.status) TH_LOG("operation %d", _n);	\
	EXPECT_EQ(0, memcmp(_o.out + CRTM_RESP_OFF_PAYLOAD, _nonce, sizeof(_nonce))); \
	memset(_data, _n, sizeof(_data));					\
	EXPECT_EQ(0, ioctl(self->fd, MEMERASE, &_erase)) TH_LOG("operation %d", _n); \
	EXPECT_EQ(sizeof(_data), pwrite(self->fd, _data, sizeof(_data), _erase.start)); \
	EXPECT_EQ(sizeof(_back), pread(self->fd, _back, sizeof(_back), _erase.start)); \
	EXPECT_EQ(0, memcmp(_data, _back, sizeof(_data))) TH_LOG("operation %d", _n); \
	ASSERT_EQ(0, asp_map(self->fd, &self->map, self->sectors, MAX_SECTORS)); \
	ASSERT_EQ((ssize_t)self->map.nr, emu_locks(self->chip, self->locks));	\
	EXPECT_EQ(0, memcmp(self->locks, self->sectors, self->map.nr))		\
		TH_LOG("operation %d: the map is not the chip's", _n);		\
} while (0)

TEST_F_TIMEOUT(moment, every, 300)
{
	struct mtd_crtm_info info = { .size = sizeof(info) };
	struct shared *s = self->shared;
	struct mtd_info_user user;
	int n, i, pid, status, sent, dead;
	bool struck = true;
	char fault[32];

	for (n = 1; struck; n++) {
		memset(s, 0, sizeof(*s));
		for (i = 0; i < STEPS; i++)
			s->ret[i] = 1;
		emu_clear(self->chip);
		snprintf(fault, sizeof(fault), "pause %d any", n);
		ASSERT_EQ(0, emu_set(self->chip, "fault", fault));
		pid = fork();
		ASSERT_GE(pid, 0);
		if (!pid) {
			for (i = 0; i < variant->steps; i++)
				s->ret[i] = variant->step(self->fd, s, i);
			_exit(0);
		}
		dead = 0;
		while (pending(self->chip) && !dead) {
			usleep(500);
			dead = waitpid(pid, &status, WNOHANG);
			ASSERT_GE(dead, 0);
		}
		/* The last round has nothing to strike at. */
		struck = !pending(self->chip);
		ASSERT_EQ(0, emu_set(self->chip, "fault", "none"));
		if (struck) {
			ASSERT_EQ(0, variant->act == KILL ? kill(pid, SIGKILL) :
				  take_away(self->chip, variant->act)) TH_LOG("operation %d", n);
		}
		if (!dead)
			ASSERT_EQ(pid, waitpid(pid, &status, 0));
		EXPECT_EQ(struck && variant->act == KILL ? SIGKILL : 0, status)
			TH_LOG("operation %d", n);
		CHECK_STEPS(n, variant->act == KILL);

		/* Memory and chip agree on what was sent. */
		for (i = sent = 0; i < LIST; i++)
			sent += s->entry[i].sent;
		if (variant->step == list && variant->act != UNBIND_CONTROLLER)
			EXPECT_EQ(sent, emu_opcode(self->chip, RPMC_OP1_DEFAULT))
				TH_LOG("operation %d", n);
		for (i = 0; i < (int)s->cmd.done; i++)
			EXPECT_EQ(RPMC_STATUS_SUCCESS, s->entry[i].status);

		if (struck && variant->act != KILL) {
			EXPECT_EQ(-1, ioctl(self->fd, MTD_CRTM_INFO, &info));
			EXPECT_EQ(ENODEV, errno);
			EXPECT_EQ(-1, ioctl(self->fd, MEMGETINFO, &user));
			EXPECT_EQ(ENODEV, errno);
			ASSERT_EQ(0, bring_back(self->chip, variant->act));
			/* a controller's chip is a new one but for its memory */
			ASSERT_EQ(0, emu_set(self->chip, "time_scale", "0"));
			close(self->fd);
			self->fd = mtd_open(self->chip, O_RDWR);
			ASSERT_GE(self->fd, 0);
		}
		CHECK_CHIP(n);
		/* Nothing locked for the next round. */
		ASSERT_EQ(0, emu_set(self->chip, "power_cycle", "1"));
		if (variant->step == protect)
			ASSERT_EQ(0, asp_do(self->fd, MTD_ASP_NV_ERASE, 0, 0));
	}
	for (i = 0; i < variant->steps; i++)
		EXPECT_EQ(0, s->ret[i]) TH_LOG("undisturbed, step %d", i);
	EXPECT_GT(n - 2, variant->operations);
	printf("# %d operations\n", n - 2);
}

TEST_HARNESS_MAIN
