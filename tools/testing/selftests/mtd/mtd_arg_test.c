// SPDX-License-Identifier: MIT
/*
 * The arguments of every ioctl of security and locking, by one table: each size from too
 * small to huge, each border of what is mapped. Where there is an errno the chip has heard
 * nothing; where there is none the kernel has written no byte behind the argument.
 *
 * Also built as a 32-bit program.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "asp.h"
#include "common.h"
#include "kselftest_harness.h"

#define CHIP		AUTHENTA
#define BAD_POINTER	8	/* the first page is never mapped */
#define KERNEL_POINTER	((uintptr_t)-4096)
#define MAX_ARG		256

/* What good arguments point to */
static struct mtd_crtm_entry entry;
static uint8_t block[MAX_BLOCK];

static void fill_blocks(void *arg)
{
	static const uint8_t nonce[CRTM_INFO_NONCE_LEN] = "nonce";
	struct mtd_crtm_cmd cmd = {
		.size = sizeof(cmd), .nr = 1, .done = POISON, .entries = (uintptr_t)&entry,
	};

	entry = (struct mtd_crtm_entry) {
		.in = (uintptr_t)block, .in_len = block_get_info(0, nonce, block),
		.result = POISON, .status = POISON, .sent = POISON,
	};
	memcpy(arg, &cmd, sizeof(cmd));
}

static void fill_info(void *arg)
{
	struct mtd_crtm_info info;

	memset(&info, POISON, sizeof(info));
	info.size = sizeof(info);
	memcpy(arg, &info, sizeof(info));
}

static void fill_map(void *arg)
{
	struct mtd_asp_map map = {
		.size = sizeof(map), .first = POISON, .sector_size = POISON, .aspr = POISON,
		.pmr = POISON, .sr = POISON,
	};

	memcpy(arg, &map, sizeof(map));
}

static void fill_cmd(void *arg)
{
	struct mtd_asp_cmd cmd;

	asp_init(&cmd, MTD_ASP_LOCK_DOWN);
	memcpy(arg, &cmd, sizeof(cmd));
}

static void fill_range(void *arg)
{
	struct erase_info_user range = { .start = 2 * LOCK_SECTOR, .length = LOCK_SECTOR };

	memcpy(arg, &range, sizeof(range));
}

FIXTURE(arg) {
	int fd;
	uint32_t page;
	/* two pages, and one behind them that is nobody's */
	uint8_t *mem, *end;
	int count[ASP_OPCODES];
};

FIXTURE_VARIANT(arg) {
	unsigned long request;
	uint32_t size, min;	/* min 0: the size is in the number, or nowhere */
	bool writes;		/* the kernel, into the argument */
	void (*fill)(void *arg);
};

#define VARIANT(_name, _request, _struct, _min, _writes, _fill)			\
FIXTURE_VARIANT_ADD(arg, _name) {						\
	.request = _request, .size = sizeof(struct _struct), .min = _min,		\
	.writes = _writes, .fill = _fill,					\
}

VARIANT(wr_crtm_cmd, WR_CRTM_CMD, mtd_crtm_cmd, 24, true, fill_blocks);
VARIANT(rd_crtm_cmd, RD_CRTM_CMD, mtd_crtm_cmd, 24, true, fill_blocks);
VARIANT(mtd_crtm_info, MTD_CRTM_INFO, mtd_crtm_info, 232, true, fill_info);
VARIANT(mtd_asp_map, MTD_ASP_MAP, mtd_asp_map, 32, true, fill_map);
VARIANT(mtd_asp_cmd, MTD_ASP_CMD, mtd_asp_cmd, 80, true, fill_cmd);
VARIANT(memlock, MEMLOCK, erase_info_user, 0, false, fill_range);
VARIANT(memunlock, MEMUNLOCK, erase_info_user, 0, false, fill_range);
VARIANT(memislocked, MEMISLOCKED, erase_info_user, 0, false, fill_range);

FIXTURE_SETUP(arg)
{
	ASSERT_EQ(0, emu_set(CHIP, "time_scale", "0"));
	ASSERT_EQ(0, emu_set(CHIP, "power_cycle", "1"));
	self->fd = mtd_open(CHIP, O_RDWR);
	ASSERT_GE(self->fd, 0);
	self->page = sysconf(_SC_PAGESIZE);
	self->mem = mmap(NULL, 3 * self->page, PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	ASSERT_NE(MAP_FAILED, self->mem);
	self->end = self->mem + 2 * self->page;
	ASSERT_EQ(0, mprotect(self->end, self->page, PROT_NONE));
	emu_clear(CHIP);
}

FIXTURE_TEARDOWN(arg)
{
	emu_set(CHIP, "power_cycle", "1");
	close(self->fd);
}

/* A good argument at @_at, of that size if it says one, and the call. */
#define CALL(_at, _size) ({							\
	uint8_t _good[MAX_ARG];							\
	uint32_t _s = _size;							\
	int _ret;								\
										\
	variant->fill(_good);							\
	if (variant->min)							\
		memcpy(_good, &_s, sizeof(_s));					\
	put_arg(_at, _good, variant->size, self->end);				\
	emu_clear(CHIP);							\
	_ret = ioctl(self->fd, variant->request, _at);				\
	_ret < 0 ? -errno : 0;							\
})

/* As much of it as there is room for */
static void put_arg(void *at, const void *good, size_t size, const uint8_t *end)
{
	size_t room = end - (uint8_t *)at;

	memcpy(at, good, size < room ? size : room);
}

#define EXPECT_REFUSED(_errno, _at, _size) do {					\
	EXPECT_EQ(-(_errno), CALL(_at, _size)) TH_LOG("line %d, size %u", __LINE__, \
						      (unsigned int)(_size));	\
	EXPECT_EQ(0, emu_opcodes(CHIP, self->count)) TH_LOG("line %d", __LINE__); \
} while (0)

TEST_F(arg, sizes)
{
	static const uint32_t huge[] = { 1U << 20, 0x7fffffff, 0x80000000, 0xffffffff };
	uint32_t size = variant->size, i;
	uint8_t *at = self->mem, good[MAX_ARG];

	if (!variant->min) {
		/* of one size for ever, and read alone */
		memset(at, POISON, self->page);
		EXPECT_EQ(0, CALL(at, size));
		variant->fill(good);
		EXPECT_EQ(0, memcmp(at, good, size));
		EXPECT_EQ(POISON, at[size]);
		return;
	}
	for (i = 0; i < variant->min; i++)
		EXPECT_REFUSED(EINVAL, at, i);
	for (i = variant->min; i <= size; i++) {
		memset(at, POISON, self->page);
		EXPECT_EQ(0, CALL(at, i)) TH_LOG("size %u", i);
		EXPECT_EQ(POISON, at[size]) TH_LOG("size %u", i);
	}
	/* of a later kernel, with nothing in what is new there, up to a page */
	for (i = size + 1; i <= self->page; i += i < size + 16 ? 1 : 997) {
		memset(at, 0, self->page);
		memset(at + i, POISON, self->page);
		EXPECT_EQ(0, CALL(at, i)) TH_LOG("size %u", i);
		EXPECT_EQ(0, at[size]);
		EXPECT_EQ(0, at[i - 1]);
		EXPECT_EQ(POISON, at[i]) TH_LOG("size %u", i);
	}
	/* with something in it */
	for (i = size + 1; i <= self->page; i += i < size + 16 ? 1 : 997) {
		memset(at, 0, self->page);
		at[i - 1] = 1;
		EXPECT_REFUSED(E2BIG, at, i);
		at[i - 1] = 0;
		at[size] = 0x80;
		EXPECT_REFUSED(E2BIG, at, i);
	}
	memset(at, 0, 2 * self->page);
	EXPECT_REFUSED(E2BIG, at, self->page + 1);
	for (i = 0; i < ARRAY_SIZE(huge); i++)
		EXPECT_REFUSED(E2BIG, at, huge[i]);
}

TEST_F(arg, borders)
{
	static const uintptr_t bad[] = { 0, BAD_POINTER, KERNEL_POINTER, UINTPTR_MAX };
	uint32_t size = variant->size, i;

	for (i = 0; i < ARRAY_SIZE(bad); i++) {
		EXPECT_EQ(-1, ioctl(self->fd, variant->request, (void *)bad[i]));
		EXPECT_EQ(EFAULT, errno);
	}
	/* up to the last byte that is there, wherever that is in a word, and beyond it */
	for (i = 0; i < 16; i++) {
		memset(self->mem, POISON, 2 * self->page);
		EXPECT_EQ(0, CALL(self->end - size - i, size)) TH_LOG("%u bytes before", i);
	}
	for (i = 1; i <= size; i++)
		EXPECT_REFUSED(EFAULT, self->end - size + i, size);
	/* what is new in a later kernel is not there */
	if (variant->min)
		EXPECT_REFUSED(EFAULT, self->end - size, size + 1);
	/* across two pages */
	memset(self->mem, POISON, 2 * self->page);
	EXPECT_EQ(0, CALL(self->mem + self->page - size / 2, size));
	EXPECT_EQ(POISON, self->mem[self->page - size / 2 - 1]);
	EXPECT_EQ(POISON, self->mem[self->page + size - size / 2]);
}

/* Memory that can be read alone: the caller would not learn what was done. */
TEST_F(arg, read_only_memory)
{
	uint32_t size = variant->size;
	uint8_t *second = self->mem + self->page;
	uint8_t good[MAX_ARG];
	int ret;

	variant->fill(good);
	memcpy(second, good, size);
	ASSERT_EQ(0, mprotect(second, self->page, PROT_READ));
	ret = ioctl(self->fd, variant->request, second);
	if (!variant->writes) {
		EXPECT_GE(ret, 0);
		return;
	}
	EXPECT_EQ(-1, ret);
	EXPECT_EQ(EFAULT, errno);
	/* all of it but the first member */
	ASSERT_EQ(0, mprotect(second, self->page, PROT_READ | PROT_WRITE));
	memcpy(second - 4, good, size);
	ASSERT_EQ(0, mprotect(second, self->page, PROT_READ));
	EXPECT_EQ(-1, ioctl(self->fd, variant->request, second - 4));
	EXPECT_EQ(EFAULT, errno);
	EXPECT_EQ(0, emu_opcodes(CHIP, self->count));
}

TEST_HARNESS_MAIN
