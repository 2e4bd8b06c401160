// SPDX-License-Identifier: MIT
/*
 * MEMLOCK, MEMUNLOCK and MEMISLOCKED on volatile lock bits: whole chip, single
 * sectors, partitions, three- and four-byte addresses, stacked dies; beside
 * every other protection; and that existing parts keep what they had.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
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

#define S	LOCK_SECTOR

FIXTURE(lock) {
	int chip, fd, kmsg;
	uint32_t n;
	uint8_t rd, wr, other_rd, other_wr;
	int count[ASP_OPCODES];
	uint8_t sectors[MAX_SECTORS], locks[MAX_SECTORS];
	struct mtd_asp_map map;
	uint8_t block[MAX_BLOCK];
	struct outcome o;
};

FIXTURE_VARIANT(lock) {
	const char *chips;
	uint32_t n;		/* sectors */
	bool four, mem, authenta;
};

FIXTURE_VARIANT_ADD(lock, authenta) {
	.chips = "mt25qu128-authenta", .n = 256, .authenta = true,
};

FIXTURE_VARIANT_ADD(lock, authenta_mem) {
	.chips = "mt25qu128-authenta:mem", .n = 256, .authenta = true, .mem = true,
};

FIXTURE_VARIANT_ADD(lock, mt25q) {
	.chips = "mt25qu256:spi:spi-nor:asp", .n = 512, .four = true,
};

FIXTURE_VARIANT_ADD(lock, stacked) {
	.chips = "mt25qu02g:spi:spi-nor:asp", .n = 4096, .four = true,
};

FIXTURE_SETUP(lock)
{
	/* The test's process ends with the module loaded; the next one loads it anew. */
	ASSERT_EQ(0, load_chips(variant->chips));
	self->n = variant->n;
	self->rd = variant->four ? ASP_OP_RDVLB_4B : ASP_OP_RDVLB;
	self->wr = variant->four ? ASP_OP_WRVLB_4B : ASP_OP_WRVLB;
	self->other_rd = variant->four ? ASP_OP_RDVLB : ASP_OP_RDVLB_4B;
	self->other_wr = variant->four ? ASP_OP_WRVLB : ASP_OP_WRVLB_4B;
	ASSERT_EQ(0, emu_set(self->chip, "time_scale", "0"));
	self->fd = mtd_open(self->chip, O_RDWR);
	ASSERT_GE(self->fd, 0);
	self->kmsg = kmsg_open();
	ASSERT_GE(self->kmsg, 0);
	/* from the binding on */
	EXPECT_EQ(0, emu_opcode(self->chip, self->other_rd));
	EXPECT_EQ(0, emu_opcode(self->chip, ASP_OP_WRVLB));
	EXPECT_EQ(0, emu_opcode(self->chip, ASP_OP_WRVLB_4B));
	emu_clear(self->chip);
}

FIXTURE_TEARDOWN(lock)
{
	EXPECT_EQ(0, emu_opcode(self->chip, self->other_rd));
	EXPECT_EQ(0, emu_opcode(self->chip, self->other_wr));
	close(self->kmsg);
	close(self->fd);
}

/* The kernel's map is what the chip really has. */
#define ASSERT_MAP() do {							\
	ASSERT_EQ(0, asp_map(self->fd, &self->map, self->sectors, self->n));	\
	ASSERT_EQ(self->n, emu_locks(self->chip, self->locks));			\
	EXPECT_EQ(0, memcmp(self->locks, self->sectors, self->n));		\
} while (0)

/* Nothing was written: no write enable, no lock bit, no status register. */
#define EXPECT_UNCHANGED() do {							\
	EXPECT_EQ(0, emu_opcode(self->chip, 0x06));				\
	EXPECT_EQ(0, emu_opcode(self->chip, self->wr));				\
	EXPECT_EQ(0, emu_opcode(self->chip, 0x01));				\
} while (0)

/*
 * What an erase and a write of one sector really do: 1 if both fail with EIO and
 * the array stays as it was, 0 if both work, -1 for all else. It erases the last
 * 4 KiB of the sector and writes the first bytes.
 */
static int refuses(int chip, int fd, uint32_t sector)
{
	struct erase_info_user erase = { .start = (sector + 1) * S - SECTOR, .length = SECTOR };
	uint8_t old[SECTOR], blank[SECTOR], data[32], back[SECTOR];
	bool erased, written, e, w;
	int ret;

	memset(old, 0x77, sizeof(old));
	memset(blank, 0xff, sizeof(blank));
	memset(data, 0x42, sizeof(data));
	if (emu_store(chip, erase.start, old, sizeof(old)) ||
	    emu_store(chip, sector * S, blank, sizeof(data)))
		return -1;

	ret = ioctl(fd, MEMERASE, &erase);
	if (ret && errno != EIO)
		return -1;
	e = !ret;
	ret = pwrite(fd, data, sizeof(data), sector * S);
	if (ret != sizeof(data) && (ret >= 0 || errno != EIO))
		return -1;
	w = ret > 0;
	if (e != w)
		return -1;

	if (emu_content(chip, erase.start, back, sizeof(back)))
		return -1;
	erased = !memcmp(blank, back, sizeof(back));
	if (!erased && memcmp(old, back, sizeof(back)))
		return -1;
	if (emu_content(chip, sector * S, back, sizeof(data)))
		return -1;
	written = !memcmp(data, back, sizeof(data));
	if (!written && memcmp(blank, back, sizeof(data)))
		return -1;
	return erased == e && written == w ? !e : -1;
}

/* Flag status without its bit 0, which tells four-byte addresses. */
#define FSR(_chip, _name)	(emu_register(_chip, _name) & ~1)
#define READY			0x80

/* One sector: the map, MEMISLOCKED, an erase and a write all say the same. */
#define EXPECT_SECTOR(_sector, _mask) do {					\
	uint32_t _s = _sector;							\
	uint8_t _m = _mask;							\
	int _locked = !!(_m & MTD_ASP_S_LOCKED);				\
										\
	EXPECT_EQ(_m, self->sectors[_s]) TH_LOG("sector %u: map", _s);		\
	EXPECT_EQ(_locked, mtd_is_locked(self->fd, _s * S, S))			\
		TH_LOG("sector %u (%02x): MEMISLOCKED", _s, _m);		\
	EXPECT_EQ(_locked, refuses(self->chip, self->fd, _s))			\
		TH_LOG("sector %u (%02x): erase and write", _s, _m);		\
	EXPECT_EQ(0, emu_state(self->chip, "wel"));				\
	EXPECT_EQ(READY, FSR(self->chip, "fsr"));			\
} while (0)

#define REOPEN() do {								\
	close(self->fd);							\
	self->fd = mtd_open(self->chip, O_RDWR);				\
	ASSERT_GE(self->fd, 0);							\
} while (0)

/* The chip's nodes must be closed meanwhile. */
#define BOOT_LOADER(...) do {							\
	const struct asp_bytes _bytes[] = { __VA_ARGS__ };			\
										\
	close(self->fd);							\
	ASSERT_EQ(0, boot_loader(self->chip, _bytes, ARRAY_SIZE(_bytes)));	\
	self->fd = mtd_open(self->chip, O_RDWR);				\
	ASSERT_GE(self->fd, 0);							\
} while (0)

/* Block protection of the first 2^(bp - 1) sectors; of the last without _TB. */
#define WREN		{ 1, { 0x06 } }
#define SR_TB		0x20
#define SR_BP(_bp)	(((_bp) & 7) << 2 | ((_bp) & 8) << 3)
#define SET_SR(_sr)	WREN, { 2, { 0x01, _sr } }

TEST_F(lock, whole_chip)
{
	const uint32_t size = self->n * S;
	uint32_t i, some[] = { 0, 1, self->n / 2, self->n - 1 };

	EXPECT_EQ(0, mtd_is_locked(self->fd, 0, size));
	ASSERT_EQ(0, mtd_lock(self->fd, 0, size));
	EXPECT_EQ(self->n, emu_opcode(self->chip, self->wr));
	EXPECT_EQ(1, mtd_is_locked(self->fd, 0, size));
	ASSERT_MAP();
	for (i = 0; i < self->n; i++) {
		EXPECT_EQ(MTD_ASP_S_VOLATILE, self->sectors[i]) TH_LOG("sector %u", i);
	}
	for (i = 0; i < ARRAY_SIZE(some); i++)
		EXPECT_SECTOR(some[i], MTD_ASP_S_VOLATILE);

	/* All but one are not all. */
	ASSERT_EQ(0, mtd_unlock(self->fd, (self->n - 1) * S, S));
	EXPECT_EQ(0, mtd_is_locked(self->fd, 0, size));
	EXPECT_EQ(1, mtd_is_locked(self->fd, 0, size - S));

	ASSERT_EQ(0, mtd_unlock(self->fd, 0, size));
	EXPECT_EQ(0, mtd_is_locked(self->fd, 0, size));
	ASSERT_MAP();
	for (i = 0; i < self->n; i++) {
		EXPECT_EQ(0, self->sectors[i]) TH_LOG("sector %u", i);
	}
	for (i = 0; i < ARRAY_SIZE(some); i++)
		EXPECT_SECTOR(some[i], 0);
	EXPECT_EQ(0, emu_register(self->chip, "sr"));
	EXPECT_EQ(0, emu_opcode(self->chip, 0x01));
}

/* The first, the last, one in between, and each side of every die's border. */
TEST_F(lock, single_sectors)
{
	const uint32_t all[] = { 0, 255, 37, 511, 1023, 1024, 2047, 2048, 3071, 3072, 4095 };
	uint32_t i, k, s;

	for (i = 0; i < ARRAY_SIZE(all); i++) {
		s = all[i];
		if (s >= self->n)
			continue;
		emu_clear(self->chip);
		ASSERT_EQ(0, mtd_lock(self->fd, s * S, S));
		/* one read, write enable, write, read back: nothing else */
		EXPECT_EQ(4, emu_opcodes(self->chip, self->count));
		EXPECT_EQ(2, self->count[self->rd]);
		EXPECT_EQ(1, self->count[0x06]);
		EXPECT_EQ(1, self->count[self->wr]);
		ASSERT_MAP();
		for (k = 0; k < self->n; k++) {
			EXPECT_EQ(k == s ? MTD_ASP_S_VOLATILE : 0, self->sectors[k])
				TH_LOG("%u locked: sector %u", s, k);
		}
		EXPECT_SECTOR(s, MTD_ASP_S_VOLATILE);
		if (s)
			EXPECT_SECTOR(s - 1, 0);
		if (s + 1 < self->n)
			EXPECT_SECTOR(s + 1, 0);
		ASSERT_EQ(0, mtd_unlock(self->fd, s * S, S));
		ASSERT_MAP();
		EXPECT_SECTOR(s, 0);
	}
}

/* What stands as wanted is read once and left alone. */
TEST_F(lock, cost)
{
	const uint32_t first = 100, nr = 20;
	uint32_t i;

	for (i = 0; i < nr; i += 4)
		ASSERT_EQ(0, mtd_lock(self->fd, (first + i) * S, S));
	emu_clear(self->chip);
	ASSERT_EQ(0, mtd_lock(self->fd, first * S, nr * S));
	EXPECT_EQ(nr + 3 * (nr - nr / 4), emu_opcodes(self->chip, self->count));
	EXPECT_EQ(nr + nr - nr / 4, self->count[self->rd]);
	EXPECT_EQ(nr - nr / 4, self->count[self->wr]);
	EXPECT_EQ(nr - nr / 4, self->count[0x06]);
	emu_clear(self->chip);
	ASSERT_EQ(0, mtd_lock(self->fd, first * S, nr * S));
	EXPECT_EQ(nr, emu_opcodes(self->chip, self->count));
	EXPECT_EQ(nr, self->count[self->rd]);

	/* And back: write enable and write for those alone that are locked. */
	ASSERT_EQ(0, mtd_unlock(self->fd, first * S, S));
	emu_clear(self->chip);
	ASSERT_EQ(0, mtd_unlock(self->fd, first * S, nr * S));
	EXPECT_EQ(nr - 1, emu_opcode(self->chip, self->wr));
	EXPECT_EQ(nr - 1, emu_opcode(self->chip, 0x06));
	EXPECT_EQ(0, emu_opcode(self->chip, 0x01));
	emu_clear(self->chip);
	ASSERT_EQ(0, mtd_unlock(self->fd, first * S, nr * S));
	EXPECT_UNCHANGED();
	emu_clear(self->chip);
	EXPECT_EQ(0, mtd_is_locked(self->fd, first * S, nr * S));
	EXPECT_UNCHANGED();
}

/* Whole 64 KiB sectors or nothing, although the erase sectors have 4 KiB. */
TEST_F(lock, ranges)
{
	const uint32_t size = self->n * S;
	const struct {
		uint32_t start, length;
	} bad[] = {
		{ 0, SECTOR }, { SECTOR, S }, { S, S + SECTOR }, { S - SECTOR, SECTOR },
		{ SECTOR, S - SECTOR }, { 0, S - SECTOR }, { S / 2, S }, { S, S / 2 },
		{ 0, 1 }, { 1, S }, { S + 1, S - 1 }, { 0, S - 1 }, { 0, S + 1 },
		{ size - SECTOR, SECTOR }, { 0, size - SECTOR }, { SECTOR, size - SECTOR },
		{ size, S }, { size - S, 2 * S }, { 0, size + S }, { 0x80000000, 0x80000000 },
		{ S, 0xffff0000 }, { 0xffff0000, S }, { 0xffff0000, 2 * S },
	};
	bool outside;
	uint32_t i;

	for (i = 0; i < ARRAY_SIZE(bad); i++) {
		EXPECT_EQ(-EINVAL, mtd_lock(self->fd, bad[i].start, bad[i].length))
			TH_LOG("MEMLOCK %x+%x", bad[i].start, bad[i].length);
		EXPECT_EQ(-EINVAL, mtd_unlock(self->fd, bad[i].start, bad[i].length))
			TH_LOG("MEMUNLOCK %x+%x", bad[i].start, bad[i].length);
		/* A question is answered for the sectors that it touches: mtdinfo -M. */
		outside = (uint64_t)bad[i].start + bad[i].length > size;
		EXPECT_EQ(outside ? -EINVAL : 0,
			  mtd_is_locked(self->fd, bad[i].start, bad[i].length))
			TH_LOG("MEMISLOCKED %x+%x", bad[i].start, bad[i].length);
	}
	EXPECT_UNCHANGED();
	EXPECT_EQ(0, emu_state(self->chip, "vlb"));
	/* Nor does an unlock of a part of a locked sector open it. */
	ASSERT_EQ(0, mtd_lock(self->fd, 0, size));
	emu_clear(self->chip);
	for (i = 0; i < ARRAY_SIZE(bad); i++) {
		EXPECT_EQ(-EINVAL, mtd_unlock(self->fd, bad[i].start, bad[i].length));
	}
	EXPECT_UNCHANGED();
	EXPECT_EQ(self->n, emu_state(self->chip, "vlb"));

	/* Each block of 4 KiB is as its sector, and an open sector that is touched counts. */
	ASSERT_EQ(0, mtd_unlock(self->fd, S, S));
	for (i = 0; i < 3 * S; i += SECTOR)
		EXPECT_EQ(i / S != 1, mtd_is_locked(self->fd, i, SECTOR)) TH_LOG("%x", i);
	EXPECT_EQ(1, mtd_is_locked(self->fd, S - SECTOR, SECTOR));
	EXPECT_EQ(0, mtd_is_locked(self->fd, S - SECTOR, 2 * SECTOR));
	EXPECT_EQ(0, mtd_is_locked(self->fd, 2 * S - SECTOR, 2 * SECTOR));
	EXPECT_EQ(1, mtd_is_locked(self->fd, 2 * S, S + SECTOR));
}

TEST_F(lock, read_only_node)
{
	int fd = mtd_open(self->chip, O_RDONLY);

	ASSERT_GE(fd, 0);
	EXPECT_EQ(-EPERM, mtd_lock(fd, 0, S));
	EXPECT_EQ(-EPERM, mtd_unlock(fd, 0, S));
	EXPECT_EQ(0, mtd_is_locked(fd, 0, S));
	EXPECT_UNCHANGED();
	close(fd);
}

TEST_F(lock, partitions)
{
	const struct {
		const char *name;
		uint32_t start, length;	/* of the partition */
		uint32_t first, nr;	/* whole sectors inside it */
	} parts[] = {
		{ "aligned", 16 * S, 4 * S, 16, 4 },
		{ "first", 0, S, 0, 1 },
		{ "last", (self->n - 2) * S, 2 * S, self->n - 2, 2 },
		{ "starts between", 31 * S + SECTOR, 3 * S - SECTOR, 32, 2 },
		{ "ends between", 50 * S, 3 * S - SECTOR, 50, 2 },
		{ "both between", 70 * S + SECTOR, 3 * S, 71, 2 },
		{ "inside a sector", 90 * S + SECTOR, 2 * SECTOR, 0, 0 },
	};
	uint32_t i, k;

	for (i = 0; i < ARRAY_SIZE(parts); i++) {
		uint32_t start = parts[i].start, length = parts[i].length;
		uint32_t inside = parts[i].first * S - start;
		bool whole = parts[i].nr * S == length;
		int number, fd;

		number = mtd_add_part(self->chip, parts[i].name, start, length);
		ASSERT_GE(number, 0);
		fd = mtd_open_number(number, false, O_RDWR);
		ASSERT_GE(fd, 0);
		emu_clear(self->chip);
		EXPECT_EQ(whole ? 0 : -EINVAL, mtd_lock(fd, 0, length)) TH_LOG("%s", parts[i].name);
		EXPECT_EQ(whole, mtd_is_locked(fd, 0, length));
		EXPECT_EQ(whole ? 0 : -EINVAL, mtd_unlock(fd, 0, length));
		EXPECT_EQ(0, mtd_is_locked(fd, 0, length));
		if (!whole)
			EXPECT_UNCHANGED();
		/* Outside: the partition's bounds hold. */
		EXPECT_EQ(-EINVAL, mtd_lock(fd, length, S));
		EXPECT_EQ(-EINVAL, mtd_lock(fd, 0, length + S));
		/* Inside, whole sectors of the chip. */
		if (parts[i].nr) {
			EXPECT_EQ(0, mtd_lock(fd, inside, parts[i].nr * S))
				TH_LOG("%s", parts[i].name);
			EXPECT_EQ(1, mtd_is_locked(fd, inside, parts[i].nr * S));
			ASSERT_MAP();
			for (k = 0; k < self->n; k++) {
				EXPECT_EQ(k >= parts[i].first &&
					  k < parts[i].first + parts[i].nr ?
					  MTD_ASP_S_VOLATILE : 0, self->sectors[k])
					TH_LOG("%s: sector %u", parts[i].name, k);
			}
			EXPECT_EQ(0, mtd_unlock(fd, inside, parts[i].nr * S));
		}
		EXPECT_EQ(0, emu_state(self->chip, "vlb"));
		close(fd);
		ASSERT_EQ(0, mtd_del_part(self->chip, number));
	}
}

/* Every combination of what can lock a sector, each on a sector of its own. */
TEST_F_TIMEOUT(lock, all_combinations_agree, 60)
{
	uint8_t expected[20] = {};
	struct keys keys;
	uint32_t i;

	for (i = 0; i < 16; i++) {
		if (i & 1)
			expected[i] |= MTD_ASP_S_VOLATILE;
		if (i & 2)
			expected[i] |= MTD_ASP_S_NON_VOLATILE;
		if (i & 4 && variant->authenta)
			expected[i] |= MTD_ASP_S_REGION;
		/* spidev cannot have the other controller */
		if (i < 8 && !variant->mem)
			expected[i] |= MTD_ASP_S_BLOCK;
	}
	expected[16] = MTD_ASP_S_LOCK_DOWN;
	expected[17] = MTD_ASP_S_LOCK_DOWN | MTD_ASP_S_VOLATILE;
	expected[18] = MTD_ASP_S_LOCK_DOWN | MTD_ASP_S_NON_VOLATILE;

	if (!variant->mem)
		BOOT_LOADER(SET_SR(SR_TB | SR_BP(4)));
	for (i = 0; i < 20; i++) {
		if (expected[i] & MTD_ASP_S_VOLATILE)
			ASSERT_EQ(0, mtd_lock(self->fd, i * S, S));
		if (expected[i] & MTD_ASP_S_NON_VOLATILE)
			ASSERT_EQ(0, asp_do(self->fd, MTD_ASP_NV_LOCK, i * S, S));
		if (expected[i] & MTD_ASP_S_LOCK_DOWN)
			ASSERT_EQ(0, asp_do(self->fd, MTD_ASP_LOCK_DOWN, i * S, S));
	}
	if (variant->authenta) {
		test_keys(&keys, 0);
		PROVISION(&keys);
		OPEN_SESSION(&keys);
		IN_SESSION(&keys, block_protect(&keys, 4 * S, 4 * S, CRTM_PROTECT_ADD,
						self->block));
		IN_SESSION(&keys, block_protect(&keys, 12 * S, 4 * S, CRTM_PROTECT_ADD,
						self->block));
	}
	ASSERT_MAP();
	for (i = 0; i < 20; i++)
		EXPECT_SECTOR(i, expected[i]);

	/* A range is locked if each of its sectors is, by whatever. */
	EXPECT_EQ(1, mtd_is_locked(self->fd, S, 7 * S));
	EXPECT_EQ(1, mtd_is_locked(self->fd, 9 * S, 3 * S));
	EXPECT_EQ(0, mtd_is_locked(self->fd, 8 * S, 4 * S));
	EXPECT_EQ(0, mtd_is_locked(self->fd, 15 * S, 2 * S));

	/* What cannot be unlocked by MEMUNLOCK stops it before anything changes. */
	emu_clear(self->chip);
	for (i = 0; i < 20; i++) {
		const uint8_t down = MTD_ASP_S_LOCK_DOWN | MTD_ASP_S_VOLATILE;
		bool never = expected[i] & (MTD_ASP_S_NON_VOLATILE | MTD_ASP_S_REGION) ||
			     (expected[i] & down) == down;

		if (never) {
			EXPECT_EQ(-EACCES, mtd_unlock(self->fd, i * S, S)) TH_LOG("sector %u", i);
		}
	}
	EXPECT_EQ(-EACCES, mtd_unlock(self->fd, 0, self->n * S));
	EXPECT_UNCHANGED();
	ASSERT_MAP();
	EXPECT_EQ(0, memcmp(expected, self->sectors, sizeof(expected)));
}

/* MEMUNLOCK clears block protection, as far as it can be said, and never others'. */
TEST_F(lock, unlock_clears_block_protection)
{
	const uint32_t n = self->n;
	uint32_t i;

	if (variant->mem)
		return; /* spidev cannot have this controller */
	BOOT_LOADER(SET_SR(SR_TB | SR_BP(4)));
	/* The probe leaves them alone. */
	EXPECT_EQ(SR_TB | SR_BP(4), emu_register(self->chip, "sr"));
	ASSERT_MAP();
	EXPECT_EQ(SR_TB | SR_BP(4), self->map.sr);
	EXPECT_SECTOR(7, MTD_ASP_S_BLOCK);
	EXPECT_SECTOR(8, 0);
	EXPECT_EQ(1, mtd_is_locked(self->fd, 0, 8 * S));

	/* The lower half stays. */
	ASSERT_EQ(0, mtd_lock(self->fd, 6 * S, 4 * S));
	ASSERT_EQ(0, mtd_unlock(self->fd, 4 * S, 4 * S));
	EXPECT_EQ(SR_TB | SR_BP(3), emu_register(self->chip, "sr"));
	ASSERT_MAP();
	EXPECT_SECTOR(3, MTD_ASP_S_BLOCK);
	EXPECT_SECTOR(4, 0);
	EXPECT_SECTOR(7, 0);
	EXPECT_SECTOR(8, MTD_ASP_S_VOLATILE);

	/* The first alone cannot be said: nothing happens, to no bit. */
	ASSERT_EQ(0, mtd_lock(self->fd, 0, S));
	emu_clear(self->chip);
	EXPECT_EQ(-EINVAL, mtd_unlock(self->fd, 0, S));
	EXPECT_UNCHANGED();
	EXPECT_EQ(SR_TB | SR_BP(3), emu_register(self->chip, "sr"));
	ASSERT_MAP();
	EXPECT_EQ(MTD_ASP_S_BLOCK | MTD_ASP_S_VOLATILE, self->sectors[0]);

	/* What it does not cover it does not touch. */
	emu_clear(self->chip);
	EXPECT_EQ(0, mtd_unlock(self->fd, 8 * S, 2 * S));
	EXPECT_EQ(0, emu_opcode(self->chip, 0x01));
	EXPECT_EQ(SR_TB | SR_BP(3), emu_register(self->chip, "sr"));

	ASSERT_EQ(0, mtd_unlock(self->fd, 0, n * S));
	EXPECT_EQ(0, emu_register(self->chip, "sr"));
	ASSERT_MAP();
	for (i = 0; i < n; i++) {
		EXPECT_EQ(0, self->sectors[i]) TH_LOG("sector %u", i);
	}
	EXPECT_SECTOR(0, 0);
}

/* From the top, the whole chip, one half: an unlock never locks anything. */
TEST_F(lock, block_protection_of_the_top)
{
	const uint32_t n = self->n;
	uint32_t i, half;

	if (variant->mem)
		return; /* spidev cannot have this controller */
	BOOT_LOADER(SET_SR(SR_BP(2)));
	ASSERT_MAP();
	EXPECT_SECTOR(n - 1, MTD_ASP_S_BLOCK);
	EXPECT_SECTOR(n - 2, MTD_ASP_S_BLOCK);
	EXPECT_SECTOR(n - 3, 0);
	ASSERT_EQ(0, mtd_unlock(self->fd, (n - 2) * S, S));
	ASSERT_MAP();
	EXPECT_SECTOR(n - 1, MTD_ASP_S_BLOCK);
	EXPECT_SECTOR(n - 2, 0);

	BOOT_LOADER(SET_SR(SR_BP(15)));
	EXPECT_EQ(1, mtd_is_locked(self->fd, 0, n * S));
	EXPECT_EQ(0, mtd_unlock(self->fd, 0, n * S));
	EXPECT_EQ(0, emu_register(self->chip, "sr"));

	/* What would be left locked starts at neither end of the chip: it cannot be said. */
	for (half = 1; n >> half; half++)
		;
	half--;
	BOOT_LOADER(SET_SR(SR_BP(half)));
	EXPECT_EQ(-EINVAL, mtd_unlock(self->fd, n / 16 * 9 * S, n / 16 * 7 * S));
	EXPECT_EQ(SR_BP(half), emu_register(self->chip, "sr"));
	EXPECT_EQ(-EINVAL, mtd_unlock(self->fd, n / 4 * 3 * S, n / 4 * S));
	EXPECT_EQ(SR_BP(half), emu_register(self->chip, "sr"));
	BOOT_LOADER(SET_SR(SR_TB | SR_BP(half)));
	EXPECT_EQ(-EINVAL, mtd_unlock(self->fd, 0, n / 16 * 7 * S));
	EXPECT_EQ(SR_TB | SR_BP(half), emu_register(self->chip, "sr"));
	EXPECT_EQ(-EINVAL, mtd_unlock(self->fd, S, S));
	EXPECT_EQ(SR_TB | SR_BP(half), emu_register(self->chip, "sr"));

	/* Three quarters, where the lower half is locked. */
	ASSERT_MAP();
	ASSERT_EQ(MTD_ASP_S_BLOCK, self->sectors[n / 2 - 1]);
	ASSERT_EQ(0, self->sectors[n / 2]);
	EXPECT_EQ(0, mtd_unlock(self->fd, 0, n / 4 * 3 * S));
	ASSERT_MAP();
	for (i = 0; i < n; i++) {
		EXPECT_EQ(0, self->sectors[i]) TH_LOG("sector %u", i);
	}
}

/* The log names the sector that stands in the way. */
TEST_F(lock, refusals_name_the_sector)
{
	ASSERT_EQ(0, asp_do(self->fd, MTD_ASP_NV_LOCK, 45 * S, S));
	ASSERT_EQ(0, mtd_lock(self->fd, 40 * S, 10 * S));
	kmsg_count(self->kmsg, "");
	emu_clear(self->chip);
	EXPECT_EQ(-EACCES, mtd_unlock(self->fd, 40 * S, 10 * S));
	EXPECT_UNCHANGED();
	EXPECT_LT(0, kmsg_count(self->kmsg, "0x002d0000"));
	EXPECT_EQ(10, emu_state(self->chip, "vlb"));
}

/* What a boot loader locked before Linux came stays locked, and is seen. */
TEST_F(lock, boot_loader_locks_survive)
{
	const uint32_t last = self->n - 1;
	const struct asp_bytes three[] = {
		WREN, { 5, { ASP_OP_WRVLB, 0x05, 0, 0, ASP_VLB_LOCK } },
		WREN, { 5, { ASP_OP_WRVLB, 0x06, 0, 0, ASP_VLB_LOCK | ASP_VLB_DOWN } },
		WREN, { 5, { ASP_OP_WRVLB, last, 0, 0, ASP_VLB_LOCK } },
	};
	const struct asp_bytes four[] = {
		WREN, { 6, { ASP_OP_WRVLB_4B, 0, 0x05, 0, 0, ASP_VLB_LOCK } },
		WREN, { 6, { ASP_OP_WRVLB_4B, 0, 0x06, 0, 0, ASP_VLB_LOCK | ASP_VLB_DOWN } },
		WREN, { 6, { ASP_OP_WRVLB_4B, last >> 8, last, 0, 0, ASP_VLB_LOCK } },
	};

	if (variant->mem)
		return; /* spidev cannot have this controller */
	close(self->fd);
	ASSERT_EQ(0, boot_loader(self->chip, variant->four ? four : three, ARRAY_SIZE(four)));
	self->fd = mtd_open(self->chip, O_RDWR);
	ASSERT_GE(self->fd, 0);
	/* its own three, and none of the probe */
	EXPECT_EQ(3, emu_opcode(self->chip, self->wr));
	EXPECT_EQ(3, emu_state(self->chip, "vlb"));
	ASSERT_MAP();
	EXPECT_SECTOR(5, MTD_ASP_S_VOLATILE);
	EXPECT_SECTOR(6, MTD_ASP_S_VOLATILE | MTD_ASP_S_LOCK_DOWN);
	EXPECT_SECTOR(last, MTD_ASP_S_VOLATILE);
	EXPECT_SECTOR(7, 0);
	EXPECT_EQ(-EACCES, mtd_unlock(self->fd, 0, self->n * S));
	EXPECT_EQ(3, emu_opcode(self->chip, self->wr));
	EXPECT_EQ(0, mtd_unlock(self->fd, 5 * S, S));
}

/* Bound anew: locks are as they were, unless the core sent a reset, which the log tells. */
TEST_F(lock, locks_survive_rebinding)
{
	bool reset;

	ASSERT_EQ(0, mtd_lock(self->fd, 7 * S, 3 * S));
	ASSERT_EQ(0, asp_do(self->fd, MTD_ASP_LOCK_DOWN, 9 * S, S));
	kmsg_count(self->kmsg, "");
	emu_clear(self->chip);
	close(self->fd);
	ASSERT_EQ(0, spi_unbind(self->chip, "spi-nor"));
	ASSERT_EQ(0, spi_bind(self->chip, "spi-nor"));
	self->fd = mtd_open(self->chip, O_RDWR);
	ASSERT_GE(self->fd, 0);
	reset = emu_opcode(self->chip, 0x99);
	EXPECT_EQ(reset, !!kmsg_count(self->kmsg, "soft reset"));
	EXPECT_EQ(0, emu_opcode(self->chip, self->wr));
	EXPECT_EQ(reset ? 0 : 3, emu_state(self->chip, "vlb"));
	ASSERT_MAP();
	EXPECT_SECTOR(7, reset ? 0 : MTD_ASP_S_VOLATILE);
	EXPECT_SECTOR(9, reset ? 0 : MTD_ASP_S_VOLATILE | MTD_ASP_S_LOCK_DOWN);
	EXPECT_SECTOR(10, 0);
}

/* Some lock and unlock, one reads the map, one writes: nobody gets what is another's. */
TEST_F_TIMEOUT(lock, many_at_once, 60)
{
	enum { PROCESSES = 4, ROUNDS = 30 };
	struct erase_info_user erase = { .start = 60 * S, .length = SECTOR };
	int pid[PROCESSES], i, n, status;

	for (i = 0; i < PROCESSES; i++) {
		const uint32_t own = 50 + i;

		pid[i] = fork();
		ASSERT_GE(pid[i], 0);
		if (pid[i])
			continue;
		for (n = 0; n < ROUNDS; n++) {
			if (mtd_lock(self->fd, own * S, S) ||
			    mtd_is_locked(self->fd, own * S, S) != 1 ||
			    asp_sector(self->fd, own) != MTD_ASP_S_VOLATILE ||
			    refuses(self->chip, self->fd, own) != 1 ||
			    mtd_unlock(self->fd, own * S, S) ||
			    mtd_is_locked(self->fd, own * S, S) != 0 ||
			    refuses(self->chip, self->fd, own) != 0)
				_exit(1);
			if (variant->n == 4096 && n > 3)
				break;	/* a map of 4096 sectors takes long */
		}
		_exit(0);
	}
	for (n = 0; n < ROUNDS; n++) {
		EXPECT_EQ(0, ioctl(self->fd, MEMERASE, &erase));
		EXPECT_EQ(4, pwrite(self->fd, "data", 4, erase.start));
	}
	for (i = 0; i < PROCESSES; i++) {
		ASSERT_EQ(pid[i], waitpid(pid[i], &status, 0));
		EXPECT_EQ(0, status);
	}
	EXPECT_EQ(0, emu_state(self->chip, "vlb"));
	EXPECT_EQ(0, emu_state(self->chip, "wel"));
}

/* A status register that can never change: block protection stays, nothing else moves. */
TEST_F(lock, status_register_locked)
{
	if (!variant->authenta || variant->mem)
		return; /* needs our marker, and spidev */
	BOOT_LOADER(SET_SR(SR_TB | SR_BP(2)));
	ASSERT_EQ(0, mtd_lock(self->fd, 0, 4 * S));
	ASSERT_EQ(0, asp_do(self->fd, MTD_ASP_PMR_STATUS, 0, 0));
	kmsg_count(self->kmsg, "");
	EXPECT_GT(0, mtd_unlock(self->fd, 0, 4 * S));
	EXPECT_EQ(4, emu_state(self->chip, "vlb"));
	EXPECT_EQ(SR_TB | SR_BP(2), emu_register(self->chip, "sr"));
	/* it does stand as it was */
	EXPECT_EQ(0, kmsg_count(self->kmsg, "not left"));
	EXPECT_EQ(READY, FSR(self->chip, "fsr"));
	EXPECT_EQ(0, emu_state(self->chip, "wel"));
	/* where there is no block protection, volatile locks go on */
	EXPECT_EQ(0, mtd_unlock(self->fd, 2 * S, 2 * S));
	ASSERT_MAP();
	EXPECT_SECTOR(1, MTD_ASP_S_BLOCK | MTD_ASP_S_VOLATILE);
	EXPECT_SECTOR(2, 0);
}

/* One locked sector in each die: that one alone fails, and every die is clean afterwards. */
TEST_F(lock, four_dies)
{
	static const char * const fsr[] = { "fsr.0", "fsr.1", "fsr.2", "fsr.3" };
	const uint32_t per_die = self->n / 4;
	struct erase_info_user erase = { .length = 3 * S };
	uint32_t i, k;

	if (self->n != 4096)
		return; /* one die */
	for (i = 0; i < 4; i++)
		ASSERT_EQ(0, mtd_lock(self->fd, (i * per_die + 10 * i + 1) * S, S));
	ASSERT_MAP();
	for (i = 0; i < 4; i++) {
		uint32_t s = i * per_die + 10 * i + 1;

		EXPECT_SECTOR(s - 1, 0);
		EXPECT_SECTOR(s, MTD_ASP_S_VOLATILE);
		EXPECT_SECTOR(s + 1, 0);
		/* an erase that meets it half-way */
		erase.start = (s - 1) * S;
		EXPECT_EQ(-1, ioctl(self->fd, MEMERASE, &erase));
		EXPECT_EQ(EIO, errno);
		for (k = 0; k < 4; k++) {
			EXPECT_EQ(READY, FSR(self->chip, fsr[k]));
		}
		EXPECT_EQ(0, emu_state(self->chip, "wel"));
		EXPECT_SECTOR((s + 2 * per_die) % 4096 + 1, 0);
	}
	/* Locks across a border of dies */
	ASSERT_EQ(0, mtd_lock(self->fd, (2 * per_die - 2) * S, 4 * S));
	EXPECT_EQ(1, mtd_is_locked(self->fd, (2 * per_die - 2) * S, 4 * S));
	ASSERT_MAP();
	EXPECT_SECTOR(2 * per_die - 1, MTD_ASP_S_VOLATILE);
	EXPECT_SECTOR(2 * per_die, MTD_ASP_S_VOLATILE);
}

/* A session's protection shows at once, with no reset and no bind between. */
TEST_F(lock, region_comes_and_goes)
{
	struct keys keys;

	if (!variant->authenta)
		return; /* no A-CRTM */
	test_keys(&keys, 0);
	PROVISION(&keys);
	OPEN_SESSION(&keys);
	IN_SESSION(&keys, block_protect(&keys, 9 * S, 2 * S, CRTM_PROTECT_ADD, self->block));
	ASSERT_MAP();
	EXPECT_NE(0, self->map.flags & MTD_ASP_F_REGIONS);
	EXPECT_SECTOR(8, 0);
	EXPECT_SECTOR(9, MTD_ASP_S_REGION);
	EXPECT_SECTOR(10, MTD_ASP_S_REGION);
	EXPECT_SECTOR(11, 0);
	EXPECT_EQ(-EACCES, mtd_unlock(self->fd, 9 * S, S));
	/* Locking it in addition is no error. */
	EXPECT_EQ(0, mtd_lock(self->fd, 8 * S, 4 * S));
	IN_SESSION(&keys, block_protect(&keys, 9 * S, 2 * S, CRTM_PROTECT_REMOVE, self->block));
	ASSERT_MAP();
	EXPECT_SECTOR(9, MTD_ASP_S_VOLATILE);
	EXPECT_EQ(0, mtd_unlock(self->fd, 8 * S, 4 * S));
	ASSERT_MAP();
	EXPECT_SECTOR(9, 0);
}

/*
 * Parts that keep what flash_lock means today: the status register where the
 * kernel has it, not one opcode of sector protection.
 */
FIXTURE(existing) {
	int fd, kmsg;
};

FIXTURE_VARIANT(existing) {
	const char *chips;
	const char *id;
	uint32_t n;
	bool block;	/* every kernel has block protection for it */
	bool warning;	/* the device property is not for it */
};

FIXTURE_VARIANT_ADD(existing, mt25qu256) { .chips = "mt25qu256", .n = 512 };
FIXTURE_VARIANT_ADD(existing, n25q128) {
	.chips = "mt25qu128-authenta", .id = "20bb18100000", .n = 256, .block = true,
};

FIXTURE_VARIANT_ADD(existing, n25q128_with_property) {
	.chips = "mt25qu128-authenta:spi:spi-nor:asp", .id = "20bb18100000", .n = 256,
	.block = true, .warning = true,
};

FIXTURE_VARIANT_ADD(existing, n25q256_with_property) {
	.chips = "mt25qu256:spi:spi-nor:asp", .id = "20bb19100000", .n = 512, .warning = true,
};

FIXTURE_SETUP(existing)
{
	ASSERT_EQ(0, load_chips(variant->chips));
	ASSERT_EQ(0, emu_set(0, "time_scale", "0"));
	self->kmsg = kmsg_open();
	ASSERT_GE(self->kmsg, 0);
	if (variant->id) {
		ASSERT_EQ(0, spi_unbind(0, "spi-nor"));
		ASSERT_EQ(0, emu_set(0, "id", variant->id));
		emu_clear(0);
		ASSERT_EQ(0, spi_bind(0, "spi-nor"));
	}
	self->fd = mtd_open(0, O_RDWR);
	ASSERT_GE(self->fd, 0);
}

FIXTURE_TEARDOWN(existing)
{
	close(self->kmsg);
	close(self->fd);
}

TEST_F(existing, keeps_block_protection)
{
	static const uint8_t asp[] = {
		ASP_OP_RDASPR, ASP_OP_RDVLB, ASP_OP_RDVLB_4B, ASP_OP_RDNVLB, ASP_OP_RDFREEZE,
		ASP_OP_RDPASS, ASP_OP_RDPMR, ASP_OP_WRASPR, ASP_OP_WRVLB, ASP_OP_WRVLB_4B,
		ASP_OP_WRNVLB, ASP_OP_ERNVLB, ASP_OP_WRFREEZE, ASP_OP_WRPASS, ASP_OP_UNLOCK,
		ASP_OP_WRPMR, 0x9b, 0x96,
	};
	/* the half can be said with three block protection bits too */
	const uint32_t half = variant->n / 2 * S;
	unsigned int i;
	int ret;

	EXPECT_EQ(variant->warning, !!kmsg_count(self->kmsg, "sector-protection"));
	ret = mtd_lock(self->fd, half, half);
	if (variant->block || ret != -EOPNOTSUPP) {
		EXPECT_EQ(0, ret);
		EXPECT_NE(0, emu_register(0, "sr") & SR_BP(15));
		EXPECT_EQ(1, mtd_is_locked(self->fd, half, half));
		EXPECT_EQ(1, refuses(0, self->fd, variant->n - 1));
		EXPECT_EQ(0, mtd_unlock(self->fd, half, half));
		EXPECT_EQ(0, mtd_is_locked(self->fd, half, half));
	} else {
		EXPECT_EQ(-EOPNOTSUPP, mtd_unlock(self->fd, half, half));
		EXPECT_EQ(-EOPNOTSUPP, mtd_is_locked(self->fd, half, half));
	}
	EXPECT_EQ(0, emu_register(0, "sr"));
	EXPECT_EQ(0, refuses(0, self->fd, variant->n - 1));
	for (i = 0; i < ARRAY_SIZE(asp); i++) {
		EXPECT_EQ(0, emu_opcode(0, asp[i])) TH_LOG("%02x", asp[i]);
	}
}

TEST_HARNESS_MAIN
