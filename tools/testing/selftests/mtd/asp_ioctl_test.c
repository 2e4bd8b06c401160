// SPDX-License-Identifier: MIT
/*
 * The contract of MTD_ASP_MAP and MTD_ASP_CMD: who may do what, which errno
 * says why not, that nothing was sent when there is an errno, and what each
 * command leaves in the chip. Every test has a new chip: much of this is for
 * ever.
 *
 * Also built as a 32-bit program: the structures are the same there.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#include "asp.h"
#include "common.h"
#include "kselftest_harness.h"

#define BAD_POINTER	8	/* the first page is never mapped */
#define KERNEL_POINTER	((uintptr_t)-4096)

/* What could change a chip: nothing of this, where there is an errno. */
static const uint8_t changing[] = {
	0x06, 0x01, 0x02, 0x20, 0xd8, 0xc7, 0xc4,
	ASP_OP_WRASPR, ASP_OP_WRVLB, ASP_OP_WRVLB_4B, ASP_OP_WRNVLB, ASP_OP_ERNVLB, ASP_OP_WRFREEZE,
	ASP_OP_WRPASS, ASP_OP_UNLOCK, ASP_OP_WRPMR,
};

FIXTURE(asp) {
	int chip, fd;
	uint32_t n;		/* sectors */
	bool marked;
	struct mtd_asp_map map;
	struct mtd_asp_cmd cmd;
	uint8_t sectors[MAX_SECTORS], locks[MAX_SECTORS];
};

FIXTURE_VARIANT(asp) {
	const char *chips;
	uint32_t n;
	bool marked;
};

FIXTURE_VARIANT_ADD(asp, authenta) {
	.chips = "mt25qu128-authenta", .n = 256, .marked = true,
};

#ifdef __LP64__ /* which chip it is does not meet the compat path */
FIXTURE_VARIANT_ADD(asp, authenta_mem) {
	.chips = "mt25qu128-authenta:mem", .n = 256, .marked = true,
};

FIXTURE_VARIANT_ADD(asp, mt25q) {
	.chips = "mt25qu256:spi:spi-nor:asp", .n = 512,
};
#endif

FIXTURE_SETUP(asp)
{
	ASSERT_EQ(0, load_chips(variant->chips));
	self->chip = 0;
	self->n = variant->n;
	self->marked = variant->marked;
	ASSERT_EQ(0, emu_set(self->chip, "time_scale", "0"));
	self->fd = mtd_open(self->chip, O_RDWR);
	ASSERT_GE(self->fd, 0);
	emu_clear(self->chip);
}

FIXTURE_TEARDOWN(asp)
{
	close(self->fd);
}

/* How often the chip saw something that could change it. */
static int changes(int chip)
{
	unsigned int i;
	int sum = 0;

	for (i = 0; i < ARRAY_SIZE(changing); i++)
		sum += emu_opcode(chip, changing[i]);
	return sum;
}

#define EXPECT_UNCHANGED() EXPECT_EQ(0, changes(self->chip))

/* Not even a read: what is malformed or not permitted never gets to the chip. */
#define EXPECT_SILENCE() do {							\
	char _text[64];								\
										\
	EXPECT_EQ(0, emu_read(self->chip, "opcodes", _text, sizeof(_text)));	\
} while (0)

/* A command that succeeds, with an answer that says so. */
#define EXPECT_DONE(_cmd) do {							\
	EXPECT_EQ(0, asp_cmd(self->fd, _cmd));					\
	EXPECT_EQ(1, (_cmd)->sent);						\
	EXPECT_EQ(0, (_cmd)->result);						\
	EXPECT_EQ((_cmd)->length / LOCK_SECTOR, (_cmd)->done);			\
} while (0)

/* The kernel's map is what the chip really has. */
#define ASSERT_MAP() do {							\
	ASSERT_EQ(0, asp_map(self->fd, &self->map, self->sectors, self->n));	\
	ASSERT_EQ(self->n, emu_locks(self->chip, self->locks));			\
	EXPECT_EQ(0, memcmp(self->locks, self->sectors, self->n));		\
} while (0)

/* One command as asp_init() makes it: 0, its result, or -errno. */
static int simple(int fd, unsigned int nr)
{
	struct mtd_asp_cmd cmd;
	int ret;

	asp_init(&cmd, nr);
	ret = asp_cmd(fd, &cmd);
	return ret ? ret : cmd.result;
}

static int with_password(int fd, unsigned int nr, const char *password)
{
	struct mtd_asp_cmd cmd;
	int ret;

	asp_init(&cmd, nr);
	memcpy(cmd.password, password, sizeof(cmd.password));
	ret = asp_cmd(fd, &cmd);
	return ret ? ret : cmd.result;
}

/* In password mode, with ASP_TEST_PASSWORD, as after power-on. */
#define PASSWORD_MODE() do {							\
	ASSERT_EQ(0, simple(self->fd, MTD_ASP_PASSWORD_MODE));			\
	ASSERT_EQ(0, emu_set(self->chip, "power_cycle", "1"));			\
} while (0)

/* The layout is the contract: the same for every ABI. */
TEST(layout)
{
	EXPECT_EQ(32, sizeof(struct mtd_asp_map));
	EXPECT_EQ(8, offsetof(struct mtd_asp_map, sectors));
	EXPECT_EQ(28, offsetof(struct mtd_asp_map, aspr));
	EXPECT_EQ(31, offsetof(struct mtd_asp_map, sr));
	EXPECT_EQ(80, sizeof(struct mtd_asp_cmd));
	EXPECT_EQ(16, offsetof(struct mtd_asp_cmd, offset));
	EXPECT_EQ(32, offsetof(struct mtd_asp_cmd, done));
	EXPECT_EQ(37, offsetof(struct mtd_asp_cmd, state));
	EXPECT_EQ(40, offsetof(struct mtd_asp_cmd, password));
	EXPECT_EQ(48, offsetof(struct mtd_asp_cmd, confirm));
}

TEST_F(asp, map_of_a_new_chip)
{
	unsigned int i;

	ASSERT_EQ(0, drop_sys_admin());
	close(self->fd);
	self->fd = mtd_open(self->chip, O_RDONLY);
	ASSERT_GE(self->fd, 0);
	memset(self->sectors, POISON, sizeof(self->sectors));
	ASSERT_EQ(0, asp_map(self->fd, &self->map, self->sectors, self->n + 1));
	EXPECT_EQ(sizeof(self->map), self->map.size);
	EXPECT_EQ(self->n, self->map.nr);
	EXPECT_EQ(0, self->map.first);
	EXPECT_EQ(65536, self->map.sector_size);
	EXPECT_EQ(0xffff, self->map.aspr);
	EXPECT_EQ(self->marked ? MTD_ASP_F_PMR | MTD_ASP_F_REGIONS : 0, self->map.flags);
	if (self->marked)
		EXPECT_EQ(0xff, self->map.pmr);
	EXPECT_EQ(0, self->map.sr);
	for (i = 0; i < self->n; i++) {
		EXPECT_EQ(0, self->sectors[i]) TH_LOG("sector %u", i);
	}
	EXPECT_EQ(POISON, self->sectors[self->n]);
	EXPECT_UNCHANGED();
	/* As the chip says: it was asked, and only in words that it has. */
	EXPECT_EQ(self->n, emu_opcode(self->chip, ASP_OP_RDNVLB));
	EXPECT_EQ(self->n, emu_opcode(self->chip, ASP_OP_RDVLB) +
		  emu_opcode(self->chip, ASP_OP_RDVLB_4B));
	EXPECT_EQ(0, emu_opcode(self->chip, ASP_OP_RDPASS));
	if (!self->marked) {
		EXPECT_EQ(0, emu_opcode(self->chip, ASP_OP_RDPMR));
		EXPECT_EQ(0, emu_opcode(self->chip, 0x9b));
		EXPECT_EQ(0, emu_opcode(self->chip, 0x96));
	}
}

/* No room: the registers alone. */
TEST_F(asp, map_of_registers)
{
	ASSERT_EQ(0, asp_map(self->fd, &self->map, NULL, 0));
	EXPECT_EQ(self->n, self->map.nr);
	EXPECT_EQ(0, self->map.first);
	EXPECT_EQ(65536, self->map.sector_size);
	EXPECT_EQ(0xffff, self->map.aspr);
	EXPECT_EQ(0, emu_opcode(self->chip, ASP_OP_RDNVLB));
	EXPECT_UNCHANGED();
}

TEST_F(asp, map_size)
{
	struct {
		struct mtd_asp_map map;
		uint8_t tail[64];
	} arg;
	unsigned int i;

#define MAP(_size) do {								\
	memset(&arg, 0, sizeof(arg));						\
	arg.map.size = _size;							\
	arg.map.nr = self->n;							\
	arg.map.sectors = (uintptr_t)self->sectors;				\
} while (0)
	for (i = 0; i < sizeof(arg.map); i++) {
		MAP(i);
		EXPECT_EQ(-1, ioctl(self->fd, MTD_ASP_MAP, &arg));
		EXPECT_EQ(EINVAL, errno) TH_LOG("size %u", i);
	}
	for (i = 0; i < sizeof(arg.tail); i++) {
		MAP(sizeof(arg));
		arg.tail[i] = 1;
		EXPECT_EQ(-1, ioctl(self->fd, MTD_ASP_MAP, &arg));
		EXPECT_EQ(E2BIG, errno) TH_LOG("tail %u", i);
	}
	MAP(1U << 20);
	EXPECT_EQ(-1, ioctl(self->fd, MTD_ASP_MAP, &arg));
	EXPECT_EQ(E2BIG, errno);
	MAP(0xffffffff);
	EXPECT_EQ(-1, ioctl(self->fd, MTD_ASP_MAP, &arg));
	EXPECT_EQ(E2BIG, errno);
	for (i = 0; i < 32; i++) {
		MAP(sizeof(arg.map));
		arg.map.flags = 1U << i;
		EXPECT_EQ(-1, ioctl(self->fd, MTD_ASP_MAP, &arg));
		EXPECT_EQ(EINVAL, errno) TH_LOG("flag %u", i);
	}
	EXPECT_SILENCE();
	/* A later, larger structure whose news are unused is fine. */
	for (i = 0; i <= sizeof(arg.tail); i += 16) {
		MAP(sizeof(arg.map) + i);
		EXPECT_EQ(0, ioctl(self->fd, MTD_ASP_MAP, &arg));
		EXPECT_EQ(self->n, arg.map.nr);
		EXPECT_EQ(65536, arg.map.sector_size);
	}
#undef MAP
}

TEST_F(asp, map_room)
{
	unsigned int i;
	uint8_t *mem;

	for (i = 1; i < self->n; i++) {
		EXPECT_EQ(-EMSGSIZE, asp_map(self->fd, &self->map, self->sectors, i))
			TH_LOG("room for %u", i);
	}
	memset(&self->map, 0, sizeof(self->map));
	self->map.size = sizeof(self->map);
	self->map.sectors = (uintptr_t)self->sectors;
	EXPECT_EQ(-1, ioctl(self->fd, MTD_ASP_MAP, &self->map));
	EXPECT_EQ(EINVAL, errno);
	EXPECT_SILENCE();

	/* More room than anybody needs costs nothing. */
	mem = mmap(NULL, 1U << 30, PROT_READ | PROT_WRITE,
		   MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	ASSERT_NE(MAP_FAILED, mem);
	memset(&self->map, 0, sizeof(self->map));
	self->map.size = sizeof(self->map);
	self->map.nr = 1U << 30;
	self->map.sectors = (uintptr_t)mem;
	memset(mem, POISON, self->n + 1);
	ASSERT_EQ(0, ioctl(self->fd, MTD_ASP_MAP, &self->map));
	EXPECT_EQ(self->n, self->map.nr);
	EXPECT_EQ(0, mem[self->n - 1]);
	EXPECT_EQ(POISON, mem[self->n]);
	munmap(mem, 1U << 30);
}

/* Two pages, and none behind them. */
static uint8_t *two_pages(void)
{
	long page = sysconf(_SC_PAGESIZE);
	uint8_t *mem;

	mem = mmap(NULL, 3 * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (mem == MAP_FAILED || munmap(mem + 2 * page, page))
		return NULL;
	return mem;
}

TEST_F(asp, map_bad_memory)
{
	static const uintptr_t bad[] = { 0, BAD_POINTER, KERNEL_POINTER };
	long page = sysconf(_SC_PAGESIZE);
	uint8_t *mem = two_pages();
	struct mtd_asp_map map, *at;
	unsigned int i;

	ASSERT_NE(NULL, mem);
	for (i = 0; i < ARRAY_SIZE(bad); i++) {
		EXPECT_EQ(-1, ioctl(self->fd, MTD_ASP_MAP, (void *)bad[i]));
		EXPECT_EQ(EFAULT, errno);
	}
#define MAP(_sectors) do {							\
	memset(&map, 0, sizeof(map));						\
	map.size = sizeof(map);							\
	map.nr = self->n;							\
	map.sectors = _sectors;							\
} while (0)
	for (i = 0; i < ARRAY_SIZE(bad); i++) {
		MAP(bad[i]);
		EXPECT_EQ(-1, ioctl(self->fd, MTD_ASP_MAP, &map));
		EXPECT_EQ(EFAULT, errno) TH_LOG("sectors %" PRIxPTR, bad[i]);
	}
	/* a pointer that only a larger address space could have */
	MAP((uintptr_t)self->sectors | 1ULL << 63);
	EXPECT_EQ(-1, ioctl(self->fd, MTD_ASP_MAP, &map));
	EXPECT_EQ(EFAULT, errno);
	/* the last byte is not there */
	MAP((uintptr_t)mem + 2 * page - self->n + 1);
	EXPECT_EQ(-1, ioctl(self->fd, MTD_ASP_MAP, &map));
	EXPECT_EQ(EFAULT, errno);
	at = (void *)(mem + 2 * page - sizeof(*at) + 8);
	MAP((uintptr_t)self->sectors);
	memcpy(at, &map, sizeof(*at) - 8);
	EXPECT_EQ(-1, ioctl(self->fd, MTD_ASP_MAP, at));
	EXPECT_EQ(EFAULT, errno);
	/* memory that can be read and not written */
	at = (void *)(mem + page);
	*at = map;
	ASSERT_EQ(0, mprotect(mem + page, page, PROT_READ));
	EXPECT_EQ(-1, ioctl(self->fd, MTD_ASP_MAP, at));
	EXPECT_EQ(EFAULT, errno);
	MAP((uintptr_t)mem + page);
	EXPECT_EQ(-1, ioctl(self->fd, MTD_ASP_MAP, &map));
	EXPECT_EQ(EFAULT, errno);
	MAP((uintptr_t)mem + page - self->n + 1);
	EXPECT_EQ(-1, ioctl(self->fd, MTD_ASP_MAP, &map));
	EXPECT_EQ(EFAULT, errno);
	EXPECT_UNCHANGED();
	/* right up to the border */
	MAP((uintptr_t)mem + page - self->n);
	EXPECT_EQ(0, ioctl(self->fd, MTD_ASP_MAP, &map));
#undef MAP
	munmap(mem, 2 * page);
}

TEST_F(asp, cmd_size)
{
	struct {
		struct mtd_asp_cmd cmd;
		uint8_t tail[64];
	} arg;
	unsigned int i, nr;

	for (nr = 0; nr < NR_ASP_COMMANDS; nr++) {
		memset(&arg, 0, sizeof(arg));
		asp_init(&arg.cmd, nr);
		for (i = 0; i < sizeof(arg.cmd); i++) {
			arg.cmd.size = i;
			EXPECT_EQ(-EINVAL, asp_cmd(self->fd, &arg.cmd)) TH_LOG("size %u", i);
		}
		arg.cmd.size = sizeof(arg);
		for (i = 0; i < sizeof(arg.tail); i++) {
			arg.tail[i] = 1;
			EXPECT_EQ(-E2BIG, asp_cmd(self->fd, &arg.cmd)) TH_LOG("tail %u", i);
			arg.tail[i] = 0;
		}
		arg.cmd.size = 1U << 20;
		EXPECT_EQ(-E2BIG, asp_cmd(self->fd, &arg.cmd));
		arg.cmd.size = 0xffffffff;
		EXPECT_EQ(-E2BIG, asp_cmd(self->fd, &arg.cmd));
	}
	EXPECT_SILENCE();
	for (i = 0; i <= sizeof(arg.tail); i += 16) {
		memset(&arg, 0, sizeof(arg));
		asp_init(&arg.cmd, MTD_ASP_NV_LOCK);
		arg.cmd.size = sizeof(arg.cmd) + i;
		arg.cmd.offset = i * LOCK_SECTOR;
		EXPECT_DONE(&arg.cmd);
		EXPECT_EQ(MTD_ASP_S_NON_VOLATILE, asp_sector(self->fd, i));
	}
}

/* What a command does not use must be 0; nor is there one without a number. */
TEST_F(asp, cmd_unused_members)
{
	static const uint32_t numbers[] = { NR_ASP_COMMANDS, 14, 255, 256, 1U << 31, 0xffffffff };
	struct mtd_asp_cmd *c = &self->cmd;
	unsigned int nr, i;

	for (nr = 0; nr < NR_ASP_COMMANDS; nr++) {
		const struct asp_command *command = &asp_commands[nr];

		for (i = 0; i < 32; i++) {
			asp_init(c, nr);
			c->flags = 1U << i;
			EXPECT_EQ(-EINVAL, asp_cmd(self->fd, c)) TH_LOG("%s", command->name);
		}
		for (i = 0; i < 16; i++) {
			asp_init(c, nr);
			c->reserved = 1U << i;
			EXPECT_EQ(-EINVAL, asp_cmd(self->fd, c)) TH_LOG("%s", command->name);
		}
		for (i = 0; i < 64 && !(command->flags & ASP_F_RANGE); i++) {
			asp_init(c, nr);
			c->offset = 1ULL << i;
			EXPECT_EQ(-EINVAL, asp_cmd(self->fd, c)) TH_LOG("%s", command->name);
			asp_init(c, nr);
			c->length = 1ULL << i;
			EXPECT_EQ(-EINVAL, asp_cmd(self->fd, c)) TH_LOG("%s", command->name);
		}
		for (i = 0; i < sizeof(c->password) && !(command->flags & ASP_F_PASSWORD); i++) {
			asp_init(c, nr);
			c->password[i] = 1;
			EXPECT_EQ(-EINVAL, asp_cmd(self->fd, c)) TH_LOG("%s", command->name);
		}
		for (i = 0; i < sizeof(c->confirm) && !*command->confirm; i++) {
			asp_init(c, nr);
			c->confirm[i] = 'x';
			EXPECT_EQ(-EINVAL, asp_cmd(self->fd, c)) TH_LOG("%s", command->name);
		}
	}
	for (i = 0; i < ARRAY_SIZE(numbers); i++) {
		asp_init(c, numbers[i]);
		EXPECT_EQ(-EINVAL, asp_cmd(self->fd, c)) TH_LOG("command %u", numbers[i]);
	}
	EXPECT_SILENCE();
}

TEST_F(asp, ranges)
{
	static const unsigned int commands[] = { MTD_ASP_LOCK_DOWN, MTD_ASP_NV_LOCK };
	const uint64_t s = LOCK_SECTOR, size = (uint64_t)self->n * s;
	const struct {
		uint64_t offset, length;
	} bad[] = {
		{ 0, 0 }, { s, 0 },
		{ 1, s }, { 0, 1 }, { 0, s + 1 }, { 0, s - 1 }, { s - 1, s }, { 4096, s },
		{ 0, 4096 }, { 4096, s - 4096 }, { s / 2, s }, { s, s + s / 2 },
		{ size, s }, { size, 0 }, { size - s, 2 * s }, { 0, size + s }, { size + s, s },
		{ 1ULL << 32, s }, { 1ULL << 63, s }, { 0, 1ULL << 32 }, { 0, (1ULL << 32) + s },
		{ 0, 0 - s }, { s, 0 - s }, { 0 - s, s }, { 0 - s, 2 * s }, { size - s, 0 - size },
	};
	const struct {
		uint64_t offset, length;
	} good[] = {
		{ 0, s }, { size - s, s }, { 7 * s, 3 * s }, { size / 2, s }, { 0, size },
	};
	struct mtd_asp_cmd *c = &self->cmd;
	unsigned int i, j, k;

	for (i = 0; i < ARRAY_SIZE(commands); i++) {
		for (j = 0; j < ARRAY_SIZE(bad); j++) {
			asp_init(c, commands[i]);
			c->offset = bad[j].offset;
			c->length = bad[j].length;
			EXPECT_EQ(-EINVAL, asp_cmd(self->fd, c))
				TH_LOG("%s %" PRIx64 "+%" PRIx64, asp_commands[commands[i]].name,
				       bad[j].offset, bad[j].length);
		}
		EXPECT_SILENCE();
	}
	for (i = 0; i < ARRAY_SIZE(commands); i++) {
		uint8_t bit = i ? MTD_ASP_S_NON_VOLATILE : MTD_ASP_S_LOCK_DOWN;
		uint8_t expected[MAX_SECTORS] = {};

		for (j = 0; j < ARRAY_SIZE(good); j++) {
			asp_init(c, commands[i]);
			c->offset = good[j].offset;
			c->length = good[j].length;
			EXPECT_DONE(c);
			for (k = 0; k < good[j].length / s; k++)
				expected[good[j].offset / s + k] |= bit;
			ASSERT_MAP();
			for (k = 0; k < self->n; k++) {
				EXPECT_EQ(expected[k], self->sectors[k] & bit)
					TH_LOG("%s %" PRIx64 "+%" PRIx64 ": sector %u",
					       asp_commands[commands[i]].name, good[j].offset,
					       good[j].length, k);
			}
		}
	}
}

TEST_F(asp, cmd_bad_memory)
{
	static const uintptr_t bad[] = { 0, BAD_POINTER, KERNEL_POINTER };
	long page = sysconf(_SC_PAGESIZE);
	uint8_t *mem = two_pages();
	struct mtd_asp_cmd *at;
	unsigned int i, nr;

	ASSERT_NE(NULL, mem);
	for (i = 0; i < ARRAY_SIZE(bad); i++) {
		EXPECT_EQ(-1, ioctl(self->fd, MTD_ASP_CMD, (void *)bad[i]));
		EXPECT_EQ(EFAULT, errno);
	}
	for (nr = 0; nr < NR_ASP_COMMANDS; nr++) {
		asp_init(&self->cmd, nr);
		/* the last byte is not there */
		at = (void *)(mem + 2 * page - sizeof(*at) + 1);
		memcpy(at, &self->cmd, sizeof(*at) - 1);
		EXPECT_EQ(-EFAULT, asp_cmd(self->fd, at)) TH_LOG("%s", asp_commands[nr].name);
		/* memory that can be read and not written: nobody would learn the result */
		at = (void *)(mem + page);
		*at = self->cmd;
		ASSERT_EQ(0, mprotect(mem + page, page, PROT_READ));
		EXPECT_EQ(-EFAULT, asp_cmd(self->fd, at)) TH_LOG("%s", asp_commands[nr].name);
		ASSERT_EQ(0, mprotect(mem + page, page, PROT_READ | PROT_WRITE));
	}
	EXPECT_SILENCE();
	/* right up to the end */
	at = (void *)(mem + 2 * page - sizeof(*at));
	asp_init(at, MTD_ASP_NV_LOCK);
	EXPECT_DONE(at);
	munmap(mem, 2 * page);
}

TEST_F(asp, read_only_nodes)
{
	unsigned int i, nr;
	int fd[2];

	fd[0] = mtd_open(self->chip, O_RDONLY);
	ASSERT_GE(fd[0], 0);
	fd[1] = mtd_open_number(mtd_number(self->chip), true, O_RDONLY);
	ASSERT_GE(fd[1], 0);
	for (i = 0; i < ARRAY_SIZE(fd); i++) {
		for (nr = 0; nr < NR_ASP_COMMANDS; nr++) {
			EXPECT_EQ(-EPERM, simple(fd[i], nr)) TH_LOG("%s", asp_commands[nr].name);
		}
	}
	EXPECT_SILENCE();
	for (i = 0; i < ARRAY_SIZE(fd); i++) {
		EXPECT_EQ(0, asp_map(fd[i], &self->map, self->sectors, self->n));
		EXPECT_EQ(self->n, self->map.nr);
		close(fd[i]);
	}
	/* Open for writing alone is enough. */
	close(self->fd);
	self->fd = mtd_open(self->chip, O_WRONLY);
	ASSERT_GE(self->fd, 0);
	EXPECT_EQ(0, simple(self->fd, MTD_ASP_NV_LOCK));
}

TEST_F(asp, without_sys_admin)
{
	unsigned int nr;

	ASSERT_EQ(0, drop_sys_admin());
	for (nr = 0; nr < NR_ASP_COMMANDS; nr++) {
		if (asp_commands[nr].flags & ASP_F_ADMIN)
			EXPECT_EQ(-EPERM, simple(self->fd, nr)) TH_LOG("%s", asp_commands[nr].name);
	}
	EXPECT_SILENCE();
	/* What can be undone, on the master's node. */
	EXPECT_EQ(0, simple(self->fd, MTD_ASP_LOCK_DOWN));
	EXPECT_EQ(0, simple(self->fd, MTD_ASP_NV_LOCK));
	EXPECT_EQ(0, simple(self->fd, MTD_ASP_NV_ERASE));
	EXPECT_EQ(-EKEYREJECTED, simple(self->fd, MTD_ASP_PASSWORD_VERIFY));
	EXPECT_EQ(0, simple(self->fd, MTD_ASP_FREEZE));
}

/* Each word but the right one, of the right length or not. */
TEST_F(asp, confirmations)
{
	struct mtd_asp_cmd *c = &self->cmd;
	unsigned int nr, other, i;

#define REFUSED() EXPECT_EQ(-EINVAL, asp_cmd(self->fd, c))			\
	TH_LOG("%s: \"%.32s\"", asp_commands[nr].name, c->confirm)
	for (nr = 0; nr < NR_ASP_COMMANDS; nr++) {
		const char *word = asp_commands[nr].confirm;
		size_t len = strlen(word);

		if (!len)
			continue;
		ASSERT_LT(len, sizeof(c->confirm));
		for (other = 0; other < NR_ASP_COMMANDS; other++) {
			asp_init(c, nr);
			memset(c->confirm, 0, sizeof(c->confirm));
			strcpy(c->confirm, asp_commands[other].confirm);
			if (strcmp(word, c->confirm))
				REFUSED();
		}
		for (i = 0; i < len; i++) {
			/* prefix */
			asp_init(c, nr);
			memset(c->confirm + i, 0, sizeof(c->confirm) - i);
			REFUSED();
			/* one letter wrong */
			asp_init(c, nr);
			c->confirm[i] ^= 0x20;
			REFUSED();
		}
		/* something behind the word, or behind its end */
		for (i = len; i < sizeof(c->confirm); i++) {
			asp_init(c, nr);
			c->confirm[i] = 'x';
			REFUSED();
		}
		asp_init(c, nr);
		c->confirm[len] = '\n';
		REFUSED();
		asp_init(c, nr);
		memset(c->confirm + len, ' ', sizeof(c->confirm) - len);
		REFUSED();
		asp_init(c, nr);
		memset(c->confirm, 0, sizeof(c->confirm));
		strcpy(c->confirm + 1, word);
		REFUSED();
	}
#undef REFUSED
	EXPECT_SILENCE();
	EXPECT_EQ(0xffff, emu_register(self->chip, "aspr"));
}

TEST_F(asp, partitions)
{
	const uint32_t s = LOCK_SECTOR, start = 16 * s + 4096, size = 16 * s;
	const struct {
		uint32_t offset, length;
		int ret;
	} ranges[] = {
		{ 16 * s, s, -EINVAL },		/* in part the neighbour's */
		{ 17 * s, s, 0 },
		{ 17 * s, 15 * s, 0 },
		{ 31 * s, s, 0 },
		{ 31 * s, 2 * s, -EINVAL },
		{ 32 * s, s, -EINVAL },
		{ 16 * s, 16 * s, -EINVAL },
		{ 15 * s, s, -EINVAL },
		{ 33 * s, s, -EINVAL },
		{ 0, s, -EINVAL },
	};
	int number, ro_number, fd, ro, pid, status;
	unsigned int nr, i;

	number = mtd_add_part(self->chip, "selftest", start, size);
	ASSERT_GE(number, 0);
	/* Not on an erase sector's border: the kernel makes it read-only. */
	ro_number = mtd_add_part(self->chip, "selftest-ro", 40 * s + 512, 2 * s);
	ASSERT_GE(ro_number, 0);
	fd = mtd_open_number(number, false, O_RDWR);
	ASSERT_GE(fd, 0);
	ro = mtd_open_number(ro_number, false, O_RDONLY);
	ASSERT_GE(ro, 0);

	/* Addresses are the chip's, inside the partition. */
	emu_clear(self->chip);
	for (nr = MTD_ASP_LOCK_DOWN; nr <= MTD_ASP_NV_LOCK; nr++) {
		for (i = 0; i < ARRAY_SIZE(ranges); i++) {
			if (!ranges[i].ret)
				continue;
			EXPECT_EQ(-EINVAL,
				  asp_do(fd, nr, ranges[i].offset, ranges[i].length))
				TH_LOG("%x+%x", ranges[i].offset, ranges[i].length);
		}
		EXPECT_SILENCE();
		for (i = 0; i < ARRAY_SIZE(ranges); i++) {
			if (!ranges[i].ret)
				EXPECT_EQ(0, asp_do(fd, nr, ranges[i].offset, ranges[i].length))
					TH_LOG("%x+%x", ranges[i].offset, ranges[i].length);
		}
		emu_clear(self->chip);
	}

	/* The map shows every sector that the partition touches, and no other. */
	ASSERT_EQ(-EMSGSIZE, asp_map(fd, &self->map, self->sectors, 16));
	ASSERT_EQ(0, asp_map(fd, &self->map, self->sectors, self->n));
	EXPECT_EQ(16, self->map.first);
	EXPECT_EQ(17, self->map.nr);
	for (i = 0; i < 17; i++) {
		EXPECT_EQ(i >= 1 && i <= 15 ? MTD_ASP_S_LOCK_DOWN | MTD_ASP_S_NON_VOLATILE : 0,
			  self->sectors[i]) TH_LOG("sector %u", i);
	}
	EXPECT_EQ(POISON, self->sectors[17]);
	ASSERT_EQ(0, asp_map(ro, &self->map, self->sectors, self->n));
	EXPECT_EQ(40, self->map.first);
	EXPECT_EQ(3, self->map.nr);
	ASSERT_EQ(0, asp_map(ro, &self->map, NULL, 0));
	EXPECT_EQ(40, self->map.first);
	EXPECT_EQ(3, self->map.nr);

	/* A read-only partition, however privileged. */
	emu_clear(self->chip);
	for (nr = 0; nr < NR_ASP_COMMANDS; nr++) {
		EXPECT_EQ(-EPERM, asp_commands[nr].flags & ASP_F_RANGE ?
			  asp_do(ro, nr, 41 * s, s) : simple(ro, nr));
	}

	/* What works on the whole chip: not from a partition, without CAP_SYS_ADMIN. */
	pid = fork();
	ASSERT_GE(pid, 0);
	if (!pid) {
		if (drop_sys_admin())
			_exit(100);
		for (nr = 0; nr < NR_ASP_COMMANDS; nr++) {
			if (!(asp_commands[nr].flags & ASP_F_RANGE) && simple(fd, nr) != -EPERM)
				_exit(nr + 1);
		}
		_exit(0);
	}
	ASSERT_EQ(pid, waitpid(pid, &status, 0));
	EXPECT_EQ(0, status) TH_LOG("command %d", WEXITSTATUS(status) - 1);
	EXPECT_SILENCE();
	EXPECT_EQ(0, simple(fd, MTD_ASP_NV_ERASE));
	EXPECT_EQ(-EKEYREJECTED, simple(fd, MTD_ASP_PASSWORD_VERIFY));
	EXPECT_EQ(0, simple(fd, MTD_ASP_FREEZE));
	EXPECT_EQ(0, simple(fd, MTD_ASP_NO_PASSWORD));

	close(fd);
	close(ro);
	EXPECT_EQ(0, mtd_del_part(self->chip, ro_number));
	EXPECT_EQ(0, mtd_del_part(self->chip, number));
}

/* One-time bits whose opcode is not public are for chips with our marker. */
TEST_F(asp, protection_management)
{
	static const struct {
		unsigned int nr;
		uint8_t bit;
	} bits[] = {
		{ MTD_ASP_PMR_STATUS, ASP_PMR_STATUS },
		{ MTD_ASP_PMR_NVLB, ASP_PMR_NVLB },
		{ MTD_ASP_PMR_NV_ERASE, ASP_PMR_NV_ERASE },
		{ MTD_ASP_PMR_PMR, ASP_PMR_PMR },
	};
	struct mtd_asp_cmd *c = &self->cmd;
	uint8_t pmr = 0xff;
	unsigned int i;

	if (!self->marked) {
		for (i = 0; i < ARRAY_SIZE(bits); i++) {
			EXPECT_EQ(-EOPNOTSUPP, simple(self->fd, bits[i].nr));
		}
		EXPECT_SILENCE();
		ASSERT_MAP();
		EXPECT_EQ(0, self->map.flags & MTD_ASP_F_PMR);
		EXPECT_EQ(0, emu_opcode(self->chip, ASP_OP_RDPMR));
		EXPECT_EQ(0, emu_opcode(self->chip, ASP_OP_WRPMR));
		return;
	}
	for (i = 0; i < ARRAY_SIZE(bits); i++) {
		asp_init(c, bits[i].nr);
		EXPECT_DONE(c);
		pmr &= ~bits[i].bit;
		EXPECT_EQ(pmr, emu_register(self->chip, "pmr"));
		ASSERT_MAP();
		EXPECT_EQ(pmr, self->map.pmr);
		EXPECT_NE(0, self->map.flags & MTD_ASP_F_PMR);
	}
	EXPECT_EQ(ARRAY_SIZE(bits), emu_opcode(self->chip, ASP_OP_WRPMR));
	/* What they forbid stays forbidden. */
	ASSERT_EQ(0, emu_set(self->chip, "power_cycle", "1"));
	emu_clear(self->chip);
	EXPECT_EQ(-EACCES, simple(self->fd, MTD_ASP_NV_LOCK));
	EXPECT_EQ(-EACCES, simple(self->fd, MTD_ASP_NV_ERASE));
	EXPECT_UNCHANGED();
	EXPECT_EQ(pmr, emu_register(self->chip, "pmr"));
}

/* Each bit of the protection management register alone, and what it forbids. */
TEST_F(asp, protection_management_alone)
{
	static const struct {
		unsigned int nr;
		uint8_t bit;
		int nv_lock, nv_erase, status, nvlb;
	} bits[] = {
		{ MTD_ASP_PMR_PMR, ASP_PMR_PMR, 0, 0, -EACCES, -EACCES },
		{ MTD_ASP_PMR_NVLB, ASP_PMR_NVLB, -EACCES, -EACCES, 0, 1 },
		{ MTD_ASP_PMR_NV_ERASE, ASP_PMR_NV_ERASE, 0, -EACCES, 0, 0 },
	};
	unsigned int i;

	if (!self->marked)
		return; /* not on a chip without our marker */
	for (i = 0; i < ARRAY_SIZE(bits); i++) {
		close(self->fd);
		ASSERT_EQ(0, load_chips(variant->chips));
		ASSERT_EQ(0, emu_set(self->chip, "time_scale", "0"));
		self->fd = mtd_open(self->chip, O_RDWR);
		ASSERT_GE(self->fd, 0);
		ASSERT_EQ(0, simple(self->fd, bits[i].nr));
		EXPECT_EQ(0xff & ~bits[i].bit, emu_register(self->chip, "pmr"));
		EXPECT_EQ(bits[i].nv_lock, simple(self->fd, MTD_ASP_NV_LOCK))
			TH_LOG("after \"%s\"", asp_commands[bits[i].nr].name);
		emu_clear(self->chip);
		EXPECT_EQ(bits[i].nv_erase, simple(self->fd, MTD_ASP_NV_ERASE))
			TH_LOG("after \"%s\"", asp_commands[bits[i].nr].name);
		if (bits[i].nv_erase)
			EXPECT_UNCHANGED();
		emu_clear(self->chip);
		EXPECT_EQ(bits[i].status, simple(self->fd, MTD_ASP_PMR_STATUS))
			TH_LOG("after \"%s\"", asp_commands[bits[i].nr].name);
		if (bits[i].nvlb != 1)
			EXPECT_EQ(bits[i].nvlb, simple(self->fd, MTD_ASP_PMR_NVLB))
				TH_LOG("after \"%s\"", asp_commands[bits[i].nr].name);
		if (bits[i].status)
			EXPECT_UNCHANGED();
	}
}

TEST_F(asp, lock_down)
{
	const uint32_t s = LOCK_SECTOR, last = self->n - 1;
	struct mtd_asp_cmd *c = &self->cmd;

	ASSERT_EQ(0, mtd_lock(self->fd, 2 * s, s));
	asp_init(c, MTD_ASP_LOCK_DOWN);
	c->offset = s;
	c->length = 2 * s;
	EXPECT_DONE(c);
	EXPECT_EQ(MTD_ASP_S_LOCK_DOWN, asp_sector(self->fd, 1));
	EXPECT_EQ(MTD_ASP_S_LOCK_DOWN | MTD_ASP_S_VOLATILE, asp_sector(self->fd, 2));
	EXPECT_EQ(0, asp_sector(self->fd, 3));
	ASSERT_EQ(0, asp_do(self->fd, MTD_ASP_LOCK_DOWN, last * s, s));
	EXPECT_EQ(MTD_ASP_S_LOCK_DOWN, asp_sector(self->fd, last));

	/* Locked down is locked down, either way, and again is no error. */
	emu_clear(self->chip);
	EXPECT_EQ(-EACCES, mtd_lock(self->fd, s, s));
	EXPECT_EQ(-EACCES, mtd_lock(self->fd, 0, 4 * s));
	EXPECT_EQ(-EACCES, mtd_unlock(self->fd, 2 * s, s));
	EXPECT_EQ(-EACCES, mtd_unlock(self->fd, 0, 4 * s));
	EXPECT_UNCHANGED();
	EXPECT_EQ(0, mtd_lock(self->fd, 2 * s, s));
	EXPECT_EQ(0, mtd_unlock(self->fd, s, s));
	EXPECT_EQ(0, mtd_is_locked(self->fd, s, s));
	EXPECT_EQ(1, mtd_is_locked(self->fd, 2 * s, s));
	asp_init(c, MTD_ASP_LOCK_DOWN);
	c->offset = s;
	c->length = 2 * s;
	EXPECT_EQ(0, asp_cmd(self->fd, c));
	EXPECT_EQ(0, c->sent);
	EXPECT_EQ(0, c->result);
	EXPECT_EQ(2, c->done);
	EXPECT_UNCHANGED();
	EXPECT_EQ(MTD_ASP_S_LOCK_DOWN | MTD_ASP_S_VOLATILE, asp_sector(self->fd, 2));

	/* Until power-on. */
	ASSERT_EQ(0, emu_set(self->chip, "power_cycle", "1"));
	EXPECT_EQ(0, asp_sector(self->fd, 1));
	EXPECT_EQ(0, asp_sector(self->fd, 2));
	EXPECT_EQ(0, mtd_lock(self->fd, s, s));
	EXPECT_EQ(MTD_ASP_S_VOLATILE, asp_sector(self->fd, 1));
}

TEST_F(asp, non_volatile_locks)
{
	const uint32_t s = LOCK_SECTOR, last = self->n - 1;
	struct mtd_asp_cmd *c = &self->cmd;
	unsigned int i;

	asp_init(c, MTD_ASP_NV_LOCK);
	c->offset = 3 * s;
	c->length = 2 * s;
	EXPECT_DONE(c);
	EXPECT_EQ(2, emu_opcode(self->chip, ASP_OP_WRNVLB));
	EXPECT_EQ(0, asp_do(self->fd, MTD_ASP_NV_LOCK, last * s, s));
	EXPECT_EQ(3, emu_state(self->chip, "nvlb"));
	for (i = 0; i < 2; i++) {
		ASSERT_MAP();
		EXPECT_EQ(0, self->sectors[2]);
		EXPECT_EQ(MTD_ASP_S_NON_VOLATILE, self->sectors[3]);
		EXPECT_EQ(MTD_ASP_S_NON_VOLATILE, self->sectors[4]);
		EXPECT_EQ(0, self->sectors[5]);
		EXPECT_EQ(MTD_ASP_S_NON_VOLATILE, self->sectors[last]);
		/* and after power-on */
		ASSERT_EQ(0, emu_set(self->chip, "power_cycle", "1"));
	}
	/* Those that are locked are not programmed once more. */
	emu_clear(self->chip);
	asp_init(c, MTD_ASP_NV_LOCK);
	c->offset = 3 * s;
	c->length = 3 * s;
	EXPECT_DONE(c);
	EXPECT_EQ(1, emu_opcode(self->chip, ASP_OP_WRNVLB));

	asp_init(c, MTD_ASP_NV_ERASE);
	EXPECT_DONE(c);
	EXPECT_EQ(1, emu_opcode(self->chip, ASP_OP_ERNVLB));
	EXPECT_EQ(0, emu_state(self->chip, "nvlb"));
	ASSERT_MAP();
	for (i = 0; i < self->n; i++) {
		EXPECT_EQ(0, self->sectors[i]);
	}
	EXPECT_EQ(0, emu_state(self->chip, "wel"));
	EXPECT_EQ(0x80, emu_register(self->chip, "fsr"));
}

TEST_F(asp, freeze)
{
	struct mtd_asp_cmd *c = &self->cmd;

	ASSERT_EQ(0, simple(self->fd, MTD_ASP_NV_LOCK));
	asp_init(c, MTD_ASP_FREEZE);
	EXPECT_DONE(c);
	EXPECT_EQ(1, emu_state(self->chip, "frozen"));
	ASSERT_MAP();
	EXPECT_EQ(MTD_ASP_F_FROZEN, self->map.flags & (MTD_ASP_F_FROZEN | MTD_ASP_F_PASSWORD_MODE));
	emu_clear(self->chip);
	EXPECT_EQ(-EACCES, asp_do(self->fd, MTD_ASP_NV_LOCK, LOCK_SECTOR, LOCK_SECTOR));
	EXPECT_EQ(-EACCES, simple(self->fd, MTD_ASP_NV_ERASE));
	EXPECT_UNCHANGED();
	EXPECT_EQ(1, emu_state(self->chip, "nvlb"));
	/* Volatile locks are none of its business. */
	EXPECT_EQ(0, mtd_lock(self->fd, LOCK_SECTOR, LOCK_SECTOR));
	EXPECT_EQ(0, mtd_unlock(self->fd, LOCK_SECTOR, LOCK_SECTOR));

	ASSERT_EQ(0, emu_set(self->chip, "power_cycle", "1"));
	ASSERT_MAP();
	EXPECT_EQ(0, self->map.flags & MTD_ASP_F_FROZEN);
	EXPECT_EQ(MTD_ASP_S_NON_VOLATILE, self->sectors[0]);
	EXPECT_EQ(0, simple(self->fd, MTD_ASP_NV_ERASE));
	EXPECT_EQ(0, asp_sector(self->fd, 0));
}

TEST_F(asp, password_program_and_verify)
{
	/* fewer ones than ASP_TEST_PASSWORD, and others */
	static const char fewer[] = "\x0d\x2c\x3b\x4a\x59\x68\x77\x86";
	static const char others[] = "\x0d\x2c\x3b\x4a\x59\x68\x77\x87";
	static const char none[] = "\xff\xff\xff\xff\xff\xff\xff\xff";
	struct mtd_asp_cmd *c = &self->cmd;

	EXPECT_EQ(-EINVAL, with_password(self->fd, MTD_ASP_PASSWORD_PROGRAM, none));
	EXPECT_EQ(-EINVAL, with_password(self->fd, MTD_ASP_PASSWORD_MODE, none));
	EXPECT_SILENCE();

	asp_init(c, MTD_ASP_PASSWORD_VERIFY);
	EXPECT_EQ(0, asp_cmd(self->fd, c));
	EXPECT_EQ(1, c->sent);
	EXPECT_EQ(-EKEYREJECTED, c->result);
	EXPECT_UNCHANGED();

	asp_init(c, MTD_ASP_PASSWORD_PROGRAM);
	EXPECT_DONE(c);
	EXPECT_EQ(1, emu_opcode(self->chip, ASP_OP_WRPASS));
	EXPECT_EQ(0, emu_opcode(self->chip, ASP_OP_WRASPR));
	asp_init(c, MTD_ASP_PASSWORD_VERIFY);
	EXPECT_DONE(c);
	EXPECT_EQ(-EKEYREJECTED, with_password(self->fd, MTD_ASP_PASSWORD_VERIFY, fewer));
	EXPECT_EQ(-EKEYREJECTED, with_password(self->fd, MTD_ASP_PASSWORD_VERIFY, others));
	EXPECT_EQ(-EKEYREJECTED, with_password(self->fd, MTD_ASP_PASSWORD_VERIFY, none));

	/* Bits go from 1 to 0 alone. */
	EXPECT_EQ(-EACCES, with_password(self->fd, MTD_ASP_PASSWORD_PROGRAM, others));
	EXPECT_EQ(-EACCES, with_password(self->fd, MTD_ASP_PASSWORD_MODE, others));
	EXPECT_EQ(1, emu_opcode(self->chip, ASP_OP_WRPASS));
	EXPECT_EQ(0, simple(self->fd, MTD_ASP_PASSWORD_VERIFY));
	/* The one that it holds is not programmed again. */
	EXPECT_EQ(0, simple(self->fd, MTD_ASP_PASSWORD_PROGRAM));
	EXPECT_EQ(1, emu_opcode(self->chip, ASP_OP_WRPASS));
	EXPECT_EQ(0, with_password(self->fd, MTD_ASP_PASSWORD_PROGRAM, fewer));
	EXPECT_EQ(0, with_password(self->fd, MTD_ASP_PASSWORD_VERIFY, fewer));
	EXPECT_EQ(-EKEYREJECTED, simple(self->fd, MTD_ASP_PASSWORD_VERIFY));
	EXPECT_EQ(0xffff, emu_register(self->chip, "aspr"));

	/* Without password mode there is nothing to unlock. */
	emu_clear(self->chip);
	EXPECT_EQ(-EACCES, with_password(self->fd, MTD_ASP_PASSWORD_UNLOCK, fewer));
	EXPECT_EQ(0, simple(self->fd, MTD_ASP_FREEZE));
	EXPECT_EQ(-EACCES, with_password(self->fd, MTD_ASP_PASSWORD_UNLOCK, fewer));
	EXPECT_EQ(0, emu_opcode(self->chip, ASP_OP_UNLOCK));
}

/* The whole life: password mode is set with a password that was verified in the same call. */
TEST_F(asp, password_mode)
{
	static const char wrong[] = "\x1d\x2c\x3b\x4a\x59\x68\x77\x87";
	static const char none[] = "\xff\xff\xff\xff\xff\xff\xff\xff";
	static const char zero[8];
	struct mtd_asp_cmd *c = &self->cmd;
	unsigned int i;

	ASSERT_EQ(0, simple(self->fd, MTD_ASP_NV_LOCK));
	emu_clear(self->chip);
	asp_init(c, MTD_ASP_PASSWORD_MODE);
	EXPECT_DONE(c);
	EXPECT_EQ(1, emu_opcode(self->chip, ASP_OP_WRPASS));
	EXPECT_EQ(1, emu_opcode(self->chip, ASP_OP_WRASPR));
	EXPECT_LE(2, emu_opcode(self->chip, ASP_OP_RDPASS));
	EXPECT_EQ(0xffff & ~ASP_ASPR_PASSWORD, emu_register(self->chip, "aspr"));
	ASSERT_MAP();
	EXPECT_EQ(0xffff & ~ASP_ASPR_PASSWORD, self->map.aspr);
	EXPECT_NE(0, self->map.flags & MTD_ASP_F_PASSWORD_MODE);
	EXPECT_EQ(0, self->map.flags & MTD_ASP_F_NO_PASSWORD);

	/* Frozen from power-on. */
	ASSERT_EQ(0, emu_set(self->chip, "power_cycle", "1"));
	ASSERT_MAP();
	EXPECT_NE(0, self->map.flags & MTD_ASP_F_FROZEN);
	EXPECT_NE(0, self->map.flags & MTD_ASP_F_PASSWORD_MODE);
	EXPECT_EQ(MTD_ASP_S_NON_VOLATILE, self->sectors[0]);
	emu_clear(self->chip);
	EXPECT_EQ(-EACCES, simple(self->fd, MTD_ASP_NV_ERASE));
	EXPECT_EQ(-EACCES, asp_do(self->fd, MTD_ASP_NV_LOCK, LOCK_SECTOR, LOCK_SECTOR));
	EXPECT_EQ(-EACCES, simple(self->fd, MTD_ASP_PASSWORD_PROGRAM));
	EXPECT_EQ(-EACCES, simple(self->fd, MTD_ASP_PASSWORD_MODE));
	EXPECT_EQ(-EACCES, simple(self->fd, MTD_ASP_NO_PASSWORD));
	EXPECT_EQ(-EACCES, simple(self->fd, MTD_ASP_PASSWORD_VERIFY));
	/* What cannot be read reads FFh: that is no password either. */
	EXPECT_EQ(-EACCES, with_password(self->fd, MTD_ASP_PASSWORD_VERIFY, none));
	EXPECT_UNCHANGED();

	for (i = 0; i < 3; i++) {
		asp_init(c, MTD_ASP_PASSWORD_UNLOCK);
		memcpy(c->password, i == 0 ? wrong : i == 1 ? none : zero, sizeof(c->password));
		EXPECT_EQ(0, asp_cmd(self->fd, c));
		EXPECT_EQ(1, c->sent);
		EXPECT_EQ(-EKEYREJECTED, c->result);
		EXPECT_EQ(1, emu_state(self->chip, "frozen"));
		EXPECT_EQ(0, emu_state(self->chip, "wel"));
		EXPECT_EQ(0x80, emu_register(self->chip, "fsr"));
	}
	asp_init(c, MTD_ASP_PASSWORD_UNLOCK);
	EXPECT_DONE(c);
	EXPECT_EQ(0, emu_state(self->chip, "frozen"));
	ASSERT_MAP();
	EXPECT_EQ(0, self->map.flags & MTD_ASP_F_FROZEN);
	EXPECT_EQ(0, asp_do(self->fd, MTD_ASP_NV_LOCK, LOCK_SECTOR, LOCK_SECTOR));
	EXPECT_EQ(0, simple(self->fd, MTD_ASP_NV_ERASE));
	EXPECT_EQ(0, emu_state(self->chip, "nvlb"));
	EXPECT_EQ(0, simple(self->fd, MTD_ASP_FREEZE));
	EXPECT_EQ(-EACCES, simple(self->fd, MTD_ASP_NV_LOCK));
	EXPECT_EQ(0, simple(self->fd, MTD_ASP_PASSWORD_UNLOCK));
	EXPECT_EQ(0, simple(self->fd, MTD_ASP_NV_LOCK));

	/* Password mode is for ever; so is the password. */
	ASSERT_EQ(0, emu_set(self->chip, "reset_pin", "1"));
	EXPECT_EQ(1, emu_state(self->chip, "frozen"));
	EXPECT_EQ(-EACCES, simple(self->fd, MTD_ASP_NV_ERASE));
	EXPECT_EQ(0, simple(self->fd, MTD_ASP_PASSWORD_UNLOCK));
	EXPECT_EQ(0, simple(self->fd, MTD_ASP_NV_ERASE));
}

/* A chip that garbles or drops the password never gets into password mode. */
TEST_F(asp, password_mode_needs_the_password)
{
	static const char first[] = "\x1d\x2c\x3b\x4a\xff\xff\xff\xff";
	struct mtd_asp_cmd *c = &self->cmd;

	/* The write reports failure: whatever came of it, the mode is not set. */
	ASSERT_EQ(0, emu_set(self->chip, "fault", "eio_before 1 28"));
	asp_init(c, MTD_ASP_PASSWORD_MODE);
	EXPECT_EQ(0, asp_cmd(self->fd, c));
	EXPECT_EQ(1, c->sent);
	EXPECT_NE(0, c->result);
	EXPECT_EQ(0, emu_opcode(self->chip, ASP_OP_WRASPR));
	EXPECT_EQ(0xffff, emu_register(self->chip, "aspr"));

	/* Nor if it never reached the chip, whatever the controller says. */
	ASSERT_EQ(0, emu_set(self->chip, "fault", "drop 1 28"));
	asp_init(c, MTD_ASP_PASSWORD_MODE);
	EXPECT_EQ(0, asp_cmd(self->fd, c));
	EXPECT_EQ(-EIO, c->result);
	EXPECT_EQ(0, emu_opcode(self->chip, ASP_OP_WRASPR));

	/* Nor if it cannot be read back. */
	ASSERT_EQ(0, emu_set(self->chip, "fault", "eio_after 2 27"));
	asp_init(c, MTD_ASP_PASSWORD_MODE);
	EXPECT_EQ(0, asp_cmd(self->fd, c));
	EXPECT_NE(0, c->result);
	EXPECT_EQ(0, emu_opcode(self->chip, ASP_OP_WRASPR));
	EXPECT_EQ(0xffff, emu_register(self->chip, "aspr"));
	ASSERT_EQ(0, emu_set(self->chip, "fault", "none"));

	/* Half of it was there before: the rest is added, and all of it counts. */
	close(self->fd);
	ASSERT_EQ(0, load_chips(variant->chips));
	self->fd = mtd_open(self->chip, O_RDWR);
	ASSERT_GE(self->fd, 0);
	ASSERT_EQ(0, with_password(self->fd, MTD_ASP_PASSWORD_PROGRAM, first));
	PASSWORD_MODE();
	EXPECT_EQ(-EKEYREJECTED, with_password(self->fd, MTD_ASP_PASSWORD_UNLOCK, first));
	EXPECT_EQ(0, simple(self->fd, MTD_ASP_PASSWORD_UNLOCK));
	EXPECT_EQ(0, emu_state(self->chip, "frozen"));
}

TEST_F(asp, no_password_mode)
{
	struct mtd_asp_cmd *c = &self->cmd;

	asp_init(c, MTD_ASP_NO_PASSWORD);
	EXPECT_DONE(c);
	EXPECT_EQ(1, emu_opcode(self->chip, ASP_OP_WRASPR));
	EXPECT_EQ(0xffff & ~ASP_ASPR_NO_PASSWORD, emu_register(self->chip, "aspr"));
	ASSERT_EQ(0, emu_set(self->chip, "power_cycle", "1"));
	ASSERT_MAP();
	EXPECT_EQ(0xffff & ~ASP_ASPR_NO_PASSWORD, self->map.aspr);
	EXPECT_EQ(MTD_ASP_F_NO_PASSWORD, self->map.flags &
		  (MTD_ASP_F_NO_PASSWORD | MTD_ASP_F_PASSWORD_MODE | MTD_ASP_F_FROZEN));
	emu_clear(self->chip);
	EXPECT_EQ(-EACCES, simple(self->fd, MTD_ASP_PASSWORD_MODE));
	EXPECT_EQ(-EACCES, simple(self->fd, MTD_ASP_PASSWORD_PROGRAM));
	EXPECT_EQ(-EACCES, simple(self->fd, MTD_ASP_PASSWORD_UNLOCK));
	EXPECT_UNCHANGED();
	/* Everything else goes on. */
	EXPECT_EQ(0, simple(self->fd, MTD_ASP_NV_LOCK));
	EXPECT_EQ(0, simple(self->fd, MTD_ASP_NV_ERASE));
}

/* How a secret could look like in a text. */
static const char * const secrets[] = {
	"1d2c3b4a", "59687786", "86776859", "4a3b2c1d",
	"1d 2c 3b 4a", "59 68 77 86", "86 77 68 59", "4a 3b 2c 1d",
	"1d:2c:3b", "1d-2c-3b", ",;JYhw", "whYJ;,",
	"9689327856017681437",	/* the number, least significant byte first */
	"2102120316588816262",	/* and most significant first */
};

static const char *secret_in(const char *text)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(secrets); i++)
		if (strcasestr(text, secrets[i]))
			return secrets[i];
	return NULL;
}

/* A password is nowhere to be read afterwards. */
TEST_F(asp, password_is_not_told)
{
	static const char * const attributes[] = { "trace", "state", "opcodes", "locks" };
	static char text[1 << 20];
	char query[] = "module mtd +p; module spi_nor +p; module spi_crtm_emu +p";
	uint64_t number = 0;
	unsigned int i, lines = 0;
	const char *found;
	ssize_t n;
	int fd;

	/* the numbers above are the password's */
	for (i = 0; i < 8; i++)
		number |= (uint64_t)(uint8_t)ASP_TEST_PASSWORD[i] << 8 * i;
	snprintf(text, sizeof(text), "%" PRIu64 " %" PRIu64, number, __builtin_bswap64(number));
	ASSERT_NE(NULL, strstr(text, secrets[12]));
	ASSERT_NE(NULL, strstr(text, secrets[13]));

	/* everything that there is to say */
	fd = open("/sys/kernel/debug/dynamic_debug/control", O_WRONLY);
	ASSERT_GE(fd, 0);
	ASSERT_EQ(strlen(query), write(fd, query, strlen(query)));
	close(fd);

	EXPECT_EQ(-EKEYREJECTED, simple(self->fd, MTD_ASP_PASSWORD_VERIFY));
	EXPECT_EQ(-EACCES, simple(self->fd, MTD_ASP_PASSWORD_UNLOCK));
	EXPECT_EQ(0, simple(self->fd, MTD_ASP_PASSWORD_PROGRAM));
	EXPECT_EQ(0, simple(self->fd, MTD_ASP_PASSWORD_VERIFY));
	PASSWORD_MODE();
	EXPECT_EQ(-EACCES, simple(self->fd, MTD_ASP_PASSWORD_VERIFY));
	EXPECT_EQ(0, simple(self->fd, MTD_ASP_PASSWORD_UNLOCK));
	EXPECT_EQ(0, emu_state(self->chip, "frozen"));

	for (i = 0; i < ARRAY_SIZE(attributes); i++) {
		n = emu_read(self->chip, attributes[i], text, sizeof(text) - 1);
		ASSERT_LT(0, n) TH_LOG("%s", attributes[i]);
		text[n] = '\0';
		found = secret_in(text);
		EXPECT_EQ(NULL, found) TH_LOG("%s: %s", attributes[i], found);
	}
	fd = open("/dev/kmsg", O_RDONLY | O_NONBLOCK);
	ASSERT_GE(fd, 0);
	while ((n = read(fd, text, sizeof(text) - 1)) > 0 || (n < 0 && errno == EPIPE)) {
		text[n < 0 ? 0 : n] = '\0';
		found = secret_in(strchrnul(text, ';'));
		EXPECT_EQ(NULL, found) TH_LOG("%s", text);
		lines++;
	}
	EXPECT_LT(0, lines);
	close(fd);
}

/* Whoever may not write the flash learns nothing, and an error clears nothing either. */
TEST_F(asp, refusal_leaves_flash_clean)
{
	struct erase_info_user erase = { .start = 5 * LOCK_SECTOR, .length = SECTOR };
	uint8_t data[256], back[256];
	unsigned int i;

	EXPECT_EQ(-EKEYREJECTED, simple(self->fd, MTD_ASP_PASSWORD_VERIFY));
	PASSWORD_MODE();
	EXPECT_EQ(-EKEYREJECTED, with_password(self->fd, MTD_ASP_PASSWORD_UNLOCK, "mistaken"));
	EXPECT_EQ(0, emu_state(self->chip, "wel"));
	EXPECT_EQ(0x80, emu_register(self->chip, "fsr"));
	for (i = 0; i < sizeof(data); i++)
		data[i] = i * 7;
	EXPECT_EQ(0, ioctl(self->fd, MEMERASE, &erase));
	EXPECT_EQ(sizeof(data), pwrite(self->fd, data, sizeof(data), erase.start));
	EXPECT_EQ(0, emu_content(self->chip, erase.start, back, sizeof(back)));
	EXPECT_EQ(0, memcmp(data, back, sizeof(data)));
}

/*
 * What somebody left in the flag status register before the driver came is no
 * answer to its commands.
 */
TEST_F(asp, earlier_errors)
{
	const struct asp_bytes failed_erase[] = {
		{ 1, { 0x06 } }, { 2, { 0x01, 0x24 } },	/* block protection of sector 0 */
		{ 1, { 0x06 } }, { 4, { 0x20, 0, 0, 0 } },
		{ 1, { 0x04 } },
	};

	if (strstr(variant->chips, ":mem"))
		return; /* spidev cannot have this controller */
	close(self->fd);
	ASSERT_EQ(0, boot_loader(self->chip, failed_erase, ARRAY_SIZE(failed_erase)));
	self->fd = mtd_open(self->chip, O_RDWR);
	ASSERT_GE(self->fd, 0);
	EXPECT_EQ(0, simple(self->fd, MTD_ASP_NV_LOCK));
	EXPECT_EQ(0x80, emu_register(self->chip, "fsr"));

	PASSWORD_MODE();
	close(self->fd);
	ASSERT_EQ(0, boot_loader(self->chip, failed_erase, ARRAY_SIZE(failed_erase)));
	self->fd = mtd_open(self->chip, O_RDWR);
	ASSERT_GE(self->fd, 0);
	EXPECT_EQ(0, simple(self->fd, MTD_ASP_PASSWORD_UNLOCK));
	EXPECT_EQ(0, emu_state(self->chip, "frozen"));
	EXPECT_EQ(0x80, emu_register(self->chip, "fsr"));
}

/* Everything that takes time, with times: what the chip is told while busy it ignores. */
TEST_F(asp, times)
{
	static const char * const scales[] = { "100", "300" };
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(scales); i++) {
		ASSERT_EQ(0, emu_set(self->chip, "time_scale", scales[i]));
		EXPECT_EQ(0, mtd_lock(self->fd, 0, 4 * LOCK_SECTOR));
		EXPECT_EQ(0, asp_do(self->fd, MTD_ASP_NV_LOCK, 0, 4 * LOCK_SECTOR));
		EXPECT_EQ(0, simple(self->fd, MTD_ASP_LOCK_DOWN));
		EXPECT_EQ(0, simple(self->fd, MTD_ASP_NV_ERASE));
		EXPECT_EQ(0, emu_state(self->chip, "nvlb"));
		EXPECT_EQ(4, emu_state(self->chip, "vlb"));
		EXPECT_EQ(0, emu_set(self->chip, "power_cycle", "1"));
	}
	EXPECT_EQ(0, simple(self->fd, MTD_ASP_PASSWORD_PROGRAM));
	PASSWORD_MODE();
	EXPECT_EQ(0, simple(self->fd, MTD_ASP_PASSWORD_UNLOCK));
	EXPECT_EQ(0, emu_state(self->chip, "frozen"));
	if (self->marked)
		EXPECT_EQ(0, simple(self->fd, MTD_ASP_PMR_STATUS));
	EXPECT_EQ(0, emu_state(self->chip, "busy_ignored"));
	EXPECT_EQ(0, emu_state(self->chip, "wip"));
}

static void nothing(int sig)
{
	(void)sig;
}

/* A signal while somebody else has the flash: EINTR, and nothing is sent. */
TEST_F(asp, signal_before_first_byte)
{
	struct sigaction sa = { .sa_handler = nothing };
	struct itimerval it = { .it_value = { .tv_usec = 100000 } };
	int pid, status;

	ASSERT_EQ(0, simple(self->fd, MTD_ASP_NV_LOCK));
	ASSERT_EQ(0, emu_set(self->chip, "time_scale", "200"));
	pid = fork();
	ASSERT_GE(pid, 0);
	if (!pid)
		_exit(simple(self->fd, MTD_ASP_NV_ERASE) != 0);
	while (!emu_opcode(self->chip, ASP_OP_ERNVLB) && !waitpid(pid, &status, WNOHANG))
		usleep(1000);
	/* 400 ms of it are to come */
	emu_clear(self->chip);
	sigaction(SIGALRM, &sa, NULL);
	setitimer(ITIMER_REAL, &it, NULL);
	EXPECT_EQ(-EINTR, simple(self->fd, MTD_ASP_NV_LOCK));
	ASSERT_EQ(pid, waitpid(pid, &status, 0));
	EXPECT_EQ(0, status);
	EXPECT_EQ(0, emu_opcode(self->chip, ASP_OP_WRNVLB));
	EXPECT_EQ(0, emu_state(self->chip, "nvlb"));
}

#ifdef __LP64__
/* Many non-volatile locks: others get at the flash meanwhile, and a signal ends it. */
TEST(nv_lock_in_pieces)
{
	struct sigaction sa = { .sa_handler = nothing };
	struct mtd_asp_cmd *cmd;
	int fd, pid, status;
	uint8_t data[256];

	ASSERT_EQ(0, load_chips("mt25qu02g:spi:spi-nor:asp"));
	/* 1 ms a sector, 4 s for the chip */
	ASSERT_EQ(0, emu_set(0, "time_scale", "1000"));
	fd = mtd_open(0, O_RDWR);
	ASSERT_GE(fd, 0);
	cmd = mmap(NULL, sizeof(*cmd), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	ASSERT_NE(MAP_FAILED, cmd);
	asp_init(cmd, MTD_ASP_NV_LOCK);
	cmd->length = MAX_SECTORS * LOCK_SECTOR;
	sigaction(SIGUSR1, &sa, NULL);
	pid = fork();
	ASSERT_GE(pid, 0);
	if (!pid)
		_exit(asp_cmd(fd, cmd) != 0);
	while (!emu_opcode(0, ASP_OP_WRNVLB) && !waitpid(pid, &status, WNOHANG))
		usleep(1000);
	EXPECT_EQ(sizeof(data), pread(fd, data, sizeof(data), 0));
	ASSERT_EQ(0, waitpid(pid, &status, WNOHANG));
	EXPECT_EQ(0, kill(pid, SIGUSR1));
	ASSERT_EQ(pid, waitpid(pid, &status, 0));
	EXPECT_EQ(0, status);
	EXPECT_EQ(1, cmd->sent);
	EXPECT_EQ(-EINTR, cmd->result);
	EXPECT_LT(0, cmd->done);
	EXPECT_LT(cmd->done, MAX_SECTORS);
	EXPECT_EQ(cmd->done, emu_state(0, "nvlb"));
	EXPECT_EQ(0, cmd->state);
	EXPECT_EQ(0, asp_sector(fd, cmd->done));
	EXPECT_EQ(MTD_ASP_S_NON_VOLATILE, asp_sector(fd, cmd->done - 1));

	/* Once more from the start: what is done stays done. */
	ASSERT_EQ(0, emu_set(0, "time_scale", "0"));
	EXPECT_EQ(0, asp_do(fd, MTD_ASP_NV_LOCK, 0, MAX_SECTORS * LOCK_SECTOR));
	EXPECT_EQ(MAX_SECTORS, emu_state(0, "nvlb"));
	munmap(cmd, sizeof(*cmd));
	close(fd);
}
#endif

/* The device is gone, its node is open. */
TEST_F(asp, removed)
{
	unsigned int nr;

	emu_clear(self->chip);
	ASSERT_EQ(0, spi_unbind(self->chip, "spi-nor"));
	EXPECT_EQ(-ENODEV, asp_map(self->fd, &self->map, self->sectors, self->n));
	for (nr = 0; nr < NR_ASP_COMMANDS; nr++) {
		EXPECT_EQ(-ENODEV, simple(self->fd, nr)) TH_LOG("%s", asp_commands[nr].name);
	}
	EXPECT_EQ(-ENODEV, mtd_lock(self->fd, 0, LOCK_SECTOR));
	EXPECT_EQ(-ENODEV, mtd_unlock(self->fd, 0, LOCK_SECTOR));
	EXPECT_EQ(-ENODEV, mtd_is_locked(self->fd, 0, LOCK_SECTOR));
	EXPECT_EQ(0, emu_opcode(self->chip, ASP_OP_RDNVLB));
	EXPECT_UNCHANGED();
}

/* Chips without sector protection, or without leave to use it. */
FIXTURE(none) {
	int fd;
};

FIXTURE_VARIANT(none) {
	const char *chips;
	const char *id;
};

FIXTURE_VARIANT_ADD(none, mt25q_without_property) { .chips = "mt25qu256" };
FIXTURE_VARIANT_ADD(none, other_vendor) { .chips = "rpmc-other" };
#ifdef __LP64__
FIXTURE_VARIANT_ADD(none, other_vendor_with_property) { .chips = "rpmc-other:spi:spi-nor:asp" };
FIXTURE_VARIANT_ADD(none, n25q128) { .chips = "mt25qu128-authenta", .id = "20bb18100000" };
FIXTURE_VARIANT_ADD(none, n25q128_with_property) {
	.chips = "mt25qu128-authenta:spi:spi-nor:asp", .id = "20bb18100000",
};

FIXTURE_VARIANT_ADD(none, n25q256_with_property) {
	.chips = "mt25qu256:spi:spi-nor:asp", .id = "20bb19100000",
};

FIXTURE_VARIANT_ADD(none, three_byte_id_with_property) {
	.chips = "mt25qu256:spi:spi-nor:asp", .id = "20bb19",
};
#endif

FIXTURE_SETUP(none)
{
	ASSERT_EQ(0, load_chips(variant->chips));
	if (variant->id) {
		ASSERT_EQ(0, spi_unbind(0, "spi-nor"));
		ASSERT_EQ(0, emu_set(0, "id", variant->id));
		emu_clear(0);
		ASSERT_EQ(0, spi_bind(0, "spi-nor"));
	}
	self->fd = mtd_open(0, O_RDWR);
	ASSERT_GE(self->fd, 0);
}

FIXTURE_TEARDOWN(none)
{
	close(self->fd);
}

TEST_F(none, not_supported)
{
	static const uint8_t asp[] = {
		ASP_OP_RDASPR, ASP_OP_RDVLB, ASP_OP_RDVLB_4B, ASP_OP_RDNVLB, ASP_OP_RDFREEZE,
		ASP_OP_RDPASS, ASP_OP_RDPMR, ASP_OP_WRASPR, ASP_OP_WRVLB, ASP_OP_WRVLB_4B,
		ASP_OP_WRNVLB, ASP_OP_ERNVLB, ASP_OP_WRFREEZE, ASP_OP_WRPASS, ASP_OP_UNLOCK,
		ASP_OP_WRPMR,
	};
	uint8_t sectors[512];
	struct mtd_asp_map map;
	unsigned int nr, i;

	EXPECT_EQ(-EOPNOTSUPP, asp_map(self->fd, &map, sectors, sizeof(sectors)));
	EXPECT_EQ(-EOPNOTSUPP, asp_map(self->fd, &map, NULL, 0));
	for (nr = 0; nr < NR_ASP_COMMANDS; nr++) {
		EXPECT_EQ(-EOPNOTSUPP, simple(self->fd, nr)) TH_LOG("%s", asp_commands[nr].name);
	}
	EXPECT_EQ(-1, ioctl(self->fd, _IO('M', 0x4f), &map));
	EXPECT_EQ(ENOTTY, errno);
	/* whatever it is, it never saw one of these, from its binding on */
	for (i = 0; i < ARRAY_SIZE(asp); i++) {
		EXPECT_EQ(0, emu_opcode(0, asp[i])) TH_LOG("%02x", asp[i]);
	}
}

TEST_HARNESS_MAIN
