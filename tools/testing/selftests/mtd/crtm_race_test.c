// SPDX-License-Identifier: MIT
/*
 * Memory that changes under the call: another thread rewrites the argument, the entries and
 * the block all the while. What was checked is what is sent, and what is written back stays
 * where the caller said. And a page that goes away between the check and the answer.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "asp.h"
#include "common.h"
#include "kselftest_harness.h"

#define CHIP	AUTHENTA
#define ROUNDS	3000
#define S	LOCK_SECTOR

/* One value, then the other, for ever. */
struct flip {
	volatile bool stop;
	volatile void *at;
	size_t size;
	uint64_t a, b;
	volatile unsigned long n;
};

static void put(const struct flip *f, uint64_t value)
{
	switch (f->size) {
	case 1:
		*(volatile uint8_t *)f->at = value;
		break;
	case 4:
		*(volatile uint32_t *)f->at = value;
		break;
	case 8:
		*(volatile uint64_t *)f->at = value;
		break;
	}
}

static void *flip(void *arg)
{
	struct flip *f = arg;

	for (; !f->stop; f->n++)
		put(f, f->n & 1 ? f->b : f->a);
	return NULL;
}

FIXTURE(race) {
	int fd, part, part_fd;
	struct flip flip;
	pthread_t thread;
	long page;
	/* two pages, and one behind them that is nobody's */
	uint8_t *mem;
	uint8_t block[MAX_BLOCK];
};

FIXTURE_SETUP(race)
{
	ASSERT_EQ(0, emu_set(CHIP, "time_scale", "0"));
	ASSERT_EQ(0, emu_set(CHIP, "power_cycle", "1"));
	self->fd = mtd_open(CHIP, O_RDWR);
	ASSERT_GE(self->fd, 0);
	self->part = mtd_add_part(CHIP, "race", 64 * S, 2 * S);
	ASSERT_GE(self->part, 0);
	self->part_fd = mtd_open_number(self->part, false, O_RDWR);
	ASSERT_GE(self->part_fd, 0);
	self->page = sysconf(_SC_PAGESIZE);
	self->mem = mmap(NULL, 3 * self->page, PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	ASSERT_NE(MAP_FAILED, self->mem);
	ASSERT_EQ(0, mprotect(self->mem + 2 * self->page, self->page, PROT_NONE));
	emu_clear(CHIP);
}

FIXTURE_TEARDOWN(race)
{
	close(self->part_fd);
	EXPECT_EQ(0, mtd_del_part(CHIP, self->part));
	EXPECT_EQ(0, emu_state(CHIP, "violations"));
	close(self->fd);
}

#define START(_at, _size, _a, _b) do {						\
	self->flip = (struct flip){ .at = _at, .size = _size, .a = _a, .b = _b }; \
	ASSERT_EQ(0, pthread_create(&self->thread, NULL, flip, &self->flip));	\
} while (0)

#define STOP() do {								\
	self->flip.stop = true;							\
	ASSERT_EQ(0, pthread_join(self->thread, NULL));				\
	ASSERT_GT(self->flip.n, ROUNDS);					\
} while (0)

/* On for so many rounds, and until both values were met: on one processor that can take a while. */
#define GO_ON(_n, _rounds, _met)						\
	((_n) < (_rounds) ||							\
	 ((!(_met) || (_met) == (_n) || self->flip.n <= ROUNDS) && (_n) < 100 * (_rounds)))

/* Both values were met, or it was no race. */
#define EXPECT_BOTH(_met, _n) EXPECT_TRUE(_met > 0 && _met < _n) TH_LOG("%d of %d", _met, _n)

/* Blocks of that type in the chip's trace. */
static int sent_type(uint8_t type)
{
	static char text[4 << 20];
	char what[16];
	ssize_t n = emu_read(CHIP, "trace", text, sizeof(text) - 1);
	char *p = text;
	int count = 0;

	if (n < 0)
		return n;
	text[n] = '\0';
	snprintf(what, sizeof(what), " type=%02x", type);
	while ((p = strstr(p, what))) {
		count++;
		p++;
	}
	return count;
}

static size_t get_info(uint8_t *block)
{
	static const uint8_t nonce[CRTM_INFO_NONCE_LEN] = "race";

	return block_get_info(0, nonce, block);
}

/* Opcode pair: RD never sends what changes something, whatever stands there later. */
TEST_F_TIMEOUT(race, type, 120)
{
	size_t len = get_info(self->block);
	static const uint8_t others[] = {
		RPMC_WRITE_ROOT_KEY, RPMC_INCREMENT_COUNTER, CRTM_OPEN_SESSION, CRTM_ERASE,
		CRTM_LOCK_DERIVATION, 0xff,
	};
	unsigned int i;
	int passed = 0;

	for (i = 0; i < ARRAY_SIZE(others); i++) {
		uint8_t other = others[i];
		int n, refused = 0;

		START(&self->block[RPMC_OFF_TYPE], 1, CRTM_GET_INFO, other);
		for (n = 0; GO_ON(n, ROUNDS / 6, refused); n++) {
			struct outcome o = exchange(self->fd, RD_CRTM_CMD, self->block, len);

			ASSERT_TRUE(!o.ret || o.ret == -EPERM) TH_LOG("%d", o.ret);
			if (!o.ret)
				ASSERT_EQ(CRTM_GET_INFO, o.out[CRTM_RESP_OFF_TYPE]);
			passed += !o.ret;
			refused += !!o.ret;
		}
		STOP();
		EXPECT_EQ(0, sent_type(other)) TH_LOG("type %02x", other);
		EXPECT_GT(refused, 0) TH_LOG("type %02x", other);
	}
	EXPECT_GT(passed, 0);
	EXPECT_EQ(passed, sent_type(CRTM_GET_INFO));
	EXPECT_EQ(passed, emu_opcode(CHIP, RPMC_OP1_DEFAULT));
}

/* An address that leaves the partition after the check. */
TEST_F_TIMEOUT(race, address, 120)
{
	size_t len = block_plain(command(CRTM_MEASURE), 0, self->block);
	uint8_t inside[4], outside[4];
	uint32_t a, b;
	int n, passed = 0;

	put32(inside, 64 * S);
	put32(outside, 128 * S);
	memcpy(&a, inside, sizeof(a));
	memcpy(&b, outside, sizeof(b));
	put32(self->block + CRTM_MEASURE_OFF_LEN, SECTOR);
	START(self->block + CRTM_MEASURE_OFF_ADDR, 4, a, b);
	for (n = 0; GO_ON(n, ROUNDS, passed); n++) {
		struct outcome o = exchange(self->part_fd, RD_CRTM_CMD, self->block, len);

		ASSERT_TRUE(!o.ret || o.ret == -EINVAL) TH_LOG("%d", o.ret);
		/* the chip says what it measured */
		if (!o.ret)
			ASSERT_EQ(64 * S, get32(o.out + CRTM_RESP_OFF_PAYLOAD +
						CRTM_MEASURE_NONCE_LEN));
		passed += !o.ret;
	}
	STOP();
	EXPECT_BOTH(passed, n);
}

/* Lengths and pointers of an entry, all at the last bytes that are there. */
TEST_F_TIMEOUT(race, entry, 120)
{
	struct mtd_crtm_entry *entry = (void *)(self->mem + 2 * self->page - sizeof(*entry));
	size_t len = get_info(self->block);
	const struct {
		size_t at, size;
		uint64_t a, b;
		int ret;
	} cases[] = {
#define MEMBER(_member, _a, _b, _ret) {						\
	offsetof(struct mtd_crtm_entry, _member), sizeof(entry->_member), _a, _b, _ret }
		MEMBER(in_len, len, 0xffffffff, -EMSGSIZE),
		MEMBER(in_len, len, 0, -EMSGSIZE),
		MEMBER(in, (uintptr_t)self->block, UINT64_MAX - 4, -EFAULT),
		MEMBER(out, (uintptr_t)self->mem, UINT64_MAX - 4, -EFAULT),
		/* the end of what can be written */
		MEMBER(out, (uintptr_t)self->mem, (uintptr_t)self->mem + 2 * self->page - 1,
		       -EFAULT),
		MEMBER(out_len, MAX_RESPONSE, 1, -EMSGSIZE),
#undef MEMBER
	};
	unsigned int i;
	int n;

	for (i = 0; i < ARRAY_SIZE(cases); i++) {
		struct mtd_crtm_entry good = {
			.in = (uintptr_t)self->block, .in_len = len,
			.out = (uintptr_t)self->mem, .out_len = MAX_RESPONSE,
		};
		struct mtd_crtm_cmd cmd = {
			.size = sizeof(cmd), .nr = 1, .entries = (uintptr_t)entry,
		};
		/* This one is written before each call: the other need not be met. */
		bool both = cases[i].at != offsetof(struct mtd_crtm_entry, out_len);
		int passed = 0;

		*entry = good;
		emu_clear(CHIP);
		START((uint8_t *)entry + cases[i].at, cases[i].size, cases[i].a, cases[i].b);
		for (n = 0; n < ROUNDS || (both && GO_ON(n, ROUNDS, passed)); n++) {
			int ret;

			/* the kernel writes this one, and means it as the size of the room */
			entry->out_len = MAX_RESPONSE;
			memset(self->mem, POISON, self->page);
			ret = ioctl(self->fd, RD_CRTM_CMD, &cmd) ? -errno : 0;
			ASSERT_TRUE(!ret || ret == cases[i].ret) TH_LOG("case %u: %d", i, ret);
			passed += !ret;
			/* no further than the room that was checked */
			ASSERT_EQ(POISON, self->mem[MAX_RESPONSE]);
		}
		STOP();
		if (both)
			EXPECT_BOTH(passed, n);
		EXPECT_GT(passed, 0);
		EXPECT_EQ(passed, emu_opcode(CHIP, RPMC_OP1_DEFAULT)) TH_LOG("case %u", i);
	}
}

/* The size and the number of entries, of an argument behind which there is nothing. */
TEST_F_TIMEOUT(race, argument, 120)
{
	struct mtd_crtm_cmd *cmd = (void *)(self->mem + 2 * self->page - sizeof(*cmd));
	size_t len = get_info(self->block);
	const struct {
		size_t at;
		uint32_t a, b;
	} cases[] = {
		{ offsetof(struct mtd_crtm_cmd, size), sizeof(*cmd), 0 },
		{ offsetof(struct mtd_crtm_cmd, size), sizeof(*cmd), sizeof(*cmd) + 8 },
		{ offsetof(struct mtd_crtm_cmd, size), sizeof(*cmd), 0xffffffff },
		{ offsetof(struct mtd_crtm_cmd, nr), 1, 2 },
		{ offsetof(struct mtd_crtm_cmd, nr), 1, 0xffffffff },
		{ offsetof(struct mtd_crtm_cmd, flags), 0, 1 },
	};
	struct mtd_crtm_entry *entry = (void *)((uint8_t *)cmd - sizeof(*entry));
	unsigned int i;
	int n;

	for (i = 0; i < ARRAY_SIZE(cases); i++) {
		int passed = 0;

		*cmd = (struct mtd_crtm_cmd) {
			.size = sizeof(*cmd), .nr = 1, .entries = (uintptr_t)entry,
		};
		emu_clear(CHIP);
		START((uint8_t *)cmd + cases[i].at, 4, cases[i].a, cases[i].b);
		for (n = 0; GO_ON(n, ROUNDS, passed); n++) {
			int ret;

			*entry = (struct mtd_crtm_entry) {
				.in = (uintptr_t)self->block, .in_len = len,
			};
			ret = ioctl(self->fd, RD_CRTM_CMD, cmd) ? -errno : 0;
			if (!ret) {
				ASSERT_EQ(1, entry->sent);
				ASSERT_EQ(1, cmd->done);
			}
			passed += !ret;
		}
		STOP();
		EXPECT_BOTH(passed, n);
		EXPECT_EQ(passed, emu_opcode(CHIP, RPMC_OP1_DEFAULT)) TH_LOG("case %u", i);
	}
}

/* What cannot be undone has its word checked with its number, and a range its bounds. */
TEST_F_TIMEOUT(race, protection, 120)
{
	struct mtd_asp_cmd cmd;
	int n, passed = 0;

	asp_init(&cmd, MTD_ASP_FREEZE);
	START(&cmd.cmd, 4, MTD_ASP_FREEZE, MTD_ASP_NO_PASSWORD);
	for (n = 0; GO_ON(n, ROUNDS, passed); n++) {
		int ret = asp_cmd(self->fd, &cmd);

		ASSERT_TRUE(!ret || ret == -EINVAL) TH_LOG("%d", ret);
		passed += !ret;
	}
	STOP();
	EXPECT_BOTH(passed, n);
	EXPECT_EQ(0, emu_opcode(CHIP, ASP_OP_WRASPR));
	EXPECT_EQ(0xffff, emu_register(CHIP, "aspr"));

	ASSERT_EQ(0, emu_set(CHIP, "power_cycle", "1"));
	asp_init(&cmd, MTD_ASP_LOCK_DOWN);
	cmd.offset = 64 * S;
	passed = 0;
	START(&cmd.offset, 8, 64 * S, 128 * S);
	for (n = 0; GO_ON(n, ROUNDS, passed); n++) {
		int ret = asp_cmd(self->part_fd, &cmd);

		ASSERT_TRUE(!ret || ret == -EINVAL) TH_LOG("%d", ret);
		passed += !ret;
	}
	STOP();
	EXPECT_BOTH(passed, n);
	EXPECT_EQ(MTD_ASP_S_LOCK_DOWN, asp_sector(self->fd, 64));
	EXPECT_EQ(0, asp_sector(self->fd, 128));
	ASSERT_EQ(0, emu_set(CHIP, "power_cycle", "1"));
}

/* Room for the map that shrinks: no byte more than was there when it was checked. */
TEST_F_TIMEOUT(race, map, 120)
{
	struct mtd_asp_map map = { .size = sizeof(map), .nr = 2 };
	int n, passed = 0;

	START(&map.nr, 4, 2, 1);
	for (n = 0; GO_ON(n, ROUNDS, passed); n++) {
		uint8_t *at = self->mem + 2 * self->page - 2;
		int ret;

		map.flags = 0;
		map.sectors = (uintptr_t)at;
		ret = ioctl(self->part_fd, MTD_ASP_MAP, &map) ? -errno : 0;
		ASSERT_TRUE(!ret || ret == -EMSGSIZE) TH_LOG("%d", ret);
		passed += !ret;
	}
	STOP();
	EXPECT_BOTH(passed, n);
}

/* The page of the answer is there one moment and gone the next. */
static void *come_and_go(void *arg)
{
	struct flip *f = arg;

	for (; !f->stop; f->n++)
		mprotect((void *)f->at, f->size, f->n & 1 ? PROT_READ | PROT_WRITE : PROT_NONE);
	mprotect((void *)f->at, f->size, PROT_READ | PROT_WRITE);
	return NULL;
}

TEST_F_TIMEOUT(race, page, 120)
{
	struct mtd_crtm_entry entry;
	struct mtd_crtm_cmd cmd = {
		.size = sizeof(cmd), .nr = 1, .entries = (uintptr_t)&entry,
	};
	size_t len = get_info(self->block);
	int n, passed = 0, lost = 0;

	self->flip = (struct flip){ .at = self->mem, .size = self->page };
	ASSERT_EQ(0, pthread_create(&self->thread, NULL, come_and_go, &self->flip));
	for (n = 0; GO_ON(n, ROUNDS, passed); n++) {
		int ret;

		entry = (struct mtd_crtm_entry) {
			.in = (uintptr_t)self->block, .in_len = len,
			.out = (uintptr_t)self->mem, .out_len = MAX_RESPONSE,
		};
		cmd.done = 7;
		ret = ioctl(self->fd, RD_CRTM_CMD, &cmd) ? -errno : 0;
		ASSERT_TRUE(!ret || ret == -EFAULT) TH_LOG("%d", ret);
		if (ret) {
			ASSERT_EQ(0, entry.sent);
			continue;
		}
		/* sent; if the response found no place, the caller knows that */
		ASSERT_EQ(1, entry.sent);
		ASSERT_TRUE(!entry.result || entry.result == -EIO) TH_LOG("%d", entry.result);
		ASSERT_EQ(!entry.result, cmd.done);
		passed++;
		lost += !!entry.result;
	}
	self->flip.stop = true;
	ASSERT_EQ(0, pthread_join(self->thread, NULL));
	printf("# %d of %d sent, %d responses had no place\n", passed, n, lost);
	EXPECT_BOTH(passed, n);
	EXPECT_EQ(passed, emu_opcode(CHIP, RPMC_OP1_DEFAULT));
}

TEST_HARNESS_MAIN
