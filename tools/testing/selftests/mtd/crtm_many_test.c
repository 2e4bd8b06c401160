// SPDX-License-Identifier: MIT
/*
 * Many at once, on one chip and on several: threads and processes that ask, count and lock,
 * beside others that erase, write and read the array with checksums. Each gets the answer to
 * its own question, and the array holds what was written.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
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
#define ROUNDS	40
/* Sectors of 64 KiB: to be measured, to be written, to be locked, by several each */
#define KNOWN	0
#define WRITTEN	16
#define LOCKED	32

struct worker {
	int chip, number, fd;
	struct keys keys;	/* of the only one that counts */
	int error;		/* line of what went wrong */
	int blocks;
};

#define CHECK(_w, _what) do {							\
	if (!(_what)) {								\
		(_w)->error = __LINE__;						\
		return NULL;							\
	}									\
} while (0)

static uint8_t known[SECTOR], known_digest[SHA256_LEN];

/* The measurement is of what is there. */
static void *measure(void *arg)
{
	struct worker *w = arg;
	uint8_t nonce[32] = { w->number }, block[MAX_BLOCK];
	struct outcome o;
	size_t len;
	int i;

	for (i = 0; i < ROUNDS; i++) {
		nonce[1] = i;
		len = block_measure(0, nonce, KNOWN * S, SECTOR, block);
		o = exchange(w->fd, i & 1 ? WR_CRTM_CMD : RD_CRTM_CMD, block, len);
		w->blocks++;
		CHECK(w, !o.ret && !o.result && o.status == RPMC_STATUS_SUCCESS);
		CHECK(w, !memcmp(o.out + CRTM_RESP_OFF_PAYLOAD, nonce, sizeof(nonce)));
		CHECK(w, !memcmp(o.out + CRTM_RESP_OFF_PAYLOAD + CRTM_MEASURE_OFF_DIGEST,
				 known_digest, SHA256_LEN));
	}
	return NULL;
}

/* A list of questions, each answered for itself. */
static void *ask(void *arg)
{
	enum { NR = 3 };
	struct worker *w = arg;
	uint8_t block[NR][MAX_BLOCK], out[NR][MAX_RESPONSE], nonce[16] = { w->number };
	struct mtd_crtm_entry entry[NR];
	struct mtd_crtm_cmd cmd = {
		.size = sizeof(cmd), .nr = NR, .entries = (uintptr_t)entry,
	};
	int i, n;

	for (i = 0; i < ROUNDS; i++) {
		for (n = 0; n < NR; n++) {
			nonce[1] = i;
			nonce[2] = n;
			entry[n] = (struct mtd_crtm_entry) {
				.in = (uintptr_t)block[n],
				.in_len = block_get_info(0, nonce, block[n]),
				.out = (uintptr_t)out[n], .out_len = MAX_RESPONSE,
			};
		}
		CHECK(w, !ioctl(w->fd, RD_CRTM_CMD, &cmd) && cmd.done == NR);
		w->blocks += NR;
		for (n = 0; n < NR; n++)
			CHECK(w, !memcmp(out[n] + CRTM_RESP_OFF_PAYLOAD,
					 block[n] + CRTM_INFO_OFF_NONCE, CRTM_INFO_NONCE_LEN));
	}
	return NULL;
}

/* The counter moves by one for each block that this sends, and for nothing else. */
static void *count(void *arg)
{
	struct worker *w = arg;
	uint8_t block[MAX_BLOCK], tag[RPMC_TAG_LEN] = { w->number };
	struct outcome o;
	int i;

	for (i = 0; i < ROUNDS; i++) {
		o = exchange(w->fd, WR_CRTM_CMD, block, block_increment(&w->keys, block));
		w->blocks++;
		CHECK(w, !o.ret && !o.result && o.status == RPMC_STATUS_SUCCESS);
		w->keys.mc++;
		tag[1] = i;
		o = exchange(w->fd, RD_CRTM_CMD, block, block_request(&w->keys, tag, block));
		w->blocks++;
		CHECK(w, !o.ret && !o.result && o.status == RPMC_STATUS_SUCCESS);
		CHECK(w, rpmc_signed(w->keys.hkr, &o));
		CHECK(w, !memcmp(o.out + RPMC_RESP_OFF_TAG, tag, sizeof(tag)));
		CHECK(w, get32(o.out + RPMC_RESP_OFF_COUNTER) == w->keys.mc);
	}
	return NULL;
}

static void fill(uint8_t *data, int number, int round)
{
	int i;

	for (i = 0; i < (int)SECTOR; i++)
		data[i] = i * 31 + number * 7 + round;
	sha256(data, SECTOR - SHA256_LEN, data + SECTOR - SHA256_LEN);
}

/* Does the sector carry its own digest? Erased is fine too. */
static bool sound(const uint8_t *data)
{
	uint8_t digest[SHA256_LEN];

	sha256(data, SECTOR - SHA256_LEN, digest);
	return !memcmp(digest, data + SECTOR - SHA256_LEN, sizeof(digest));
}

/* Each a sector of its own. */
static void *write_array(void *arg)
{
	struct worker *w = arg;
	struct erase_info_user erase = {
		.start = (WRITTEN + w->number) * S, .length = SECTOR,
	};
	uint8_t data[SECTOR], back[SECTOR];
	int i;

	for (i = 0; i < ROUNDS; i++) {
		fill(data, w->number, i);
		CHECK(w, !ioctl(w->fd, MEMERASE, &erase));
		CHECK(w, pwrite(w->fd, data, SECTOR, erase.start) == SECTOR);
		CHECK(w, pread(w->fd, back, SECTOR, erase.start) == SECTOR);
		CHECK(w, sound(back) && !memcmp(data, back, SECTOR));
	}
	return NULL;
}

static void *read_array(void *arg)
{
	struct worker *w = arg;
	uint8_t data[SECTOR];
	int i;

	for (i = 0; i < 2 * ROUNDS; i++) {
		CHECK(w, pread(w->fd, data, SECTOR, KNOWN * S) == SECTOR);
		CHECK(w, !memcmp(data, known, SECTOR));
	}
	return NULL;
}

/* Each a sector of its own. */
static void *lock(void *arg)
{
	struct worker *w = arg;
	uint32_t at = (LOCKED + w->number) * S;
	struct erase_info_user erase = { .start = at, .length = SECTOR };
	int i;

	for (i = 0; i < ROUNDS / 4; i++) {
		CHECK(w, !mtd_lock(w->fd, at, S));
		CHECK(w, mtd_is_locked(w->fd, at, S) == 1);
		CHECK(w, ioctl(w->fd, MEMERASE, &erase) && errno == EIO);
		CHECK(w, !mtd_unlock(w->fd, at, S));
		CHECK(w, !mtd_is_locked(w->fd, at, S));
		CHECK(w, !ioctl(w->fd, MEMERASE, &erase));
	}
	return NULL;
}

static void *(* const work[])(void *) = {
	measure, measure, ask, count, write_array, write_array, read_array, lock, lock,
};

#define WORKERS	((int)ARRAY_SIZE(work))

/* All of them on one chip, as threads; 0, or the line of what went wrong first. */
static int all_on(int chip, int fd, const struct keys *keys, int *blocks)
{
	struct worker w[ARRAY_SIZE(work)];
	pthread_t thread[ARRAY_SIZE(work)];
	int i, error = 0;

	for (i = 0; i < WORKERS; i++) {
		w[i] = (struct worker) { .chip = chip, .number = i, .fd = fd, .keys = *keys };
		if (pthread_create(&thread[i], NULL, work[i], &w[i]))
			return __LINE__;
	}
	for (i = 0; i < WORKERS; i++) {
		pthread_join(thread[i], NULL);
		if (w[i].error)
			fprintf(stderr, "# chip %d, worker %d: line %d\n", chip, i, w[i].error);
		error = error ?: w[i].error;
		*blocks += w[i].blocks;
	}
	return error;
}

FIXTURE(many) {
	int chip, fd;
	struct keys keys[2];
	uint8_t block[MAX_BLOCK];
	struct outcome o;
};

FIXTURE_SETUP(many)
{
	struct erase_info_user erase = { .start = KNOWN * S, .length = SECTOR };
	int chip;

	fill(known, 0, 0);
	sha256(known, SECTOR, known_digest);
	for (chip = AUTHENTA; chip <= AUTHENTA_MEM; chip++) {
		self->chip = chip;
		ASSERT_EQ(0, emu_set(chip, "time_scale", "10"));
		ASSERT_EQ(0, emu_set(chip, "power_cycle", "1"));
		self->fd = mtd_open(chip, O_RDWR);
		ASSERT_GE(self->fd, 0);
		test_keys(&self->keys[chip], 0);
		PROVISION(&self->keys[chip]);
		ASSERT_EQ(0, ioctl(self->fd, MEMERASE, &erase));
		ASSERT_EQ(SECTOR, pwrite(self->fd, known, SECTOR, erase.start));
		emu_clear(chip);
		close(self->fd);
	}
}

FIXTURE_TEARDOWN(many)
{
	emu_set(AUTHENTA, "time_scale", "0");
	emu_set(AUTHENTA_MEM, "time_scale", "0");
}

/* What is left on a chip where all were. */
#define CHECK_CHIP(_chip) do {							\
	uint8_t _data[SECTOR], _expected[SECTOR];				\
	int _i;									\
										\
	EXPECT_EQ(0, emu_state(_chip, "violations"));				\
	EXPECT_EQ(0, emu_state(_chip, "busy_ignored"));				\
	EXPECT_EQ(0, emu_state(_chip, "vlb"));					\
	EXPECT_EQ(0, emu_state(_chip, "wel"));					\
	EXPECT_EQ(0x80, emu_register(_chip, "fsr"));				\
	EXPECT_EQ(self->keys[_chip].mc + ROUNDS, emu_state(_chip, "mc.0"));	\
	for (_i = 0; _i < WORKERS; _i++) {					\
		if (work[_i] != write_array)					\
			continue;						\
		fill(_expected, _i, ROUNDS - 1);				\
		ASSERT_EQ(0, emu_content(_chip, (WRITTEN + _i) * S, _data, SECTOR)); \
		EXPECT_EQ(0, memcmp(_expected, _data, SECTOR)) TH_LOG("worker %d", _i); \
	}									\
} while (0)

/* One open node for all threads, which share the memory too. */
TEST_F_TIMEOUT(many, threads, 120)
{
	int blocks = 0;

	self->fd = mtd_open(AUTHENTA, O_RDWR);
	ASSERT_GE(self->fd, 0);
	EXPECT_EQ(0, all_on(AUTHENTA, self->fd, &self->keys[AUTHENTA], &blocks));
	close(self->fd);
	CHECK_CHIP(AUTHENTA);
	/* What else was asked were the regions, for the locks. */
	EXPECT_LE(blocks, emu_opcode(AUTHENTA, RPMC_OP1_DEFAULT));
	EXPECT_EQ(7 * ROUNDS, blocks);
}

/* Two secure chips in two processes, and two that are not beside them. */
TEST_F_TIMEOUT(many, chips, 180)
{
	static const int plain[] = { ORDINARY, OTHER };
	int pid[4], chip, status, n = 0, blocks = 0;
	unsigned int i;

	for (chip = AUTHENTA; chip <= AUTHENTA_MEM; chip++) {
		pid[n] = fork();
		ASSERT_GE(pid[n], 0);
		if (!pid[n++]) {
			int fd = mtd_open(chip, O_RDWR);

			_exit(fd < 0 || all_on(chip, fd, &self->keys[chip], &blocks));
		}
	}
	for (i = 0; i < ARRAY_SIZE(plain); i++) {
		pid[n] = fork();
		ASSERT_GE(pid[n], 0);
		if (!pid[n++]) {
			struct worker w = { .chip = plain[i], .fd = mtd_open(plain[i], O_RDWR) };

			emu_set(w.chip, "time_scale", "0");
			write_array(&w);
			_exit(!!w.error);
		}
	}
	while (n--) {
		ASSERT_EQ(pid[n], waitpid(pid[n], &status, 0));
		EXPECT_EQ(0, status) TH_LOG("process %d", n);
	}
	CHECK_CHIP(AUTHENTA);
	CHECK_CHIP(AUTHENTA_MEM);
	EXPECT_EQ(0, emu_opcode(ORDINARY, RPMC_OP1_DEFAULT));
	EXPECT_EQ(0, emu_opcode(OTHER, RPMC_OP1_DEFAULT));
}

TEST_HARNESS_MAIN
