// SPDX-License-Identifier: MIT
/*
 * Chip and controller fail: the outcome is unknown, and the call says so in
 * @sent and @result, not in an errno. Nothing is sent twice, no earlier
 * response is taken for an answer, and once the chip is well all works again.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "common.h"
#include "kselftest_harness.h"
#include "session.h"

FIXTURE(fault) {
	int chip, fd;
	uint8_t block[MAX_BLOCK];
	struct outcome o;
};

FIXTURE_VARIANT(fault) {
	int chip;
};

FIXTURE_VARIANT_ADD(fault, spi) { .chip = AUTHENTA };
FIXTURE_VARIANT_ADD(fault, mem) { .chip = AUTHENTA_MEM };

FIXTURE_SETUP(fault)
{
	self->chip = variant->chip;
	ASSERT_EQ(0, emu_set(self->chip, "time_scale", "0"));
	ASSERT_EQ(0, emu_set(self->chip, "fault", "none"));
	ASSERT_EQ(0, emu_set(self->chip, "power_cycle", "1"));
	self->fd = mtd_open(self->chip, O_RDWR);
	ASSERT_GE(self->fd, 0);
	emu_clear(self->chip);
}

FIXTURE_TEARDOWN(fault)
{
	emu_set(self->chip, "fault", "none");
	emu_set(self->chip, "power_cycle", "1");
	close(self->fd);
}

static size_t get_info(uint8_t *block)
{
	static uint8_t count;
	uint8_t nonce[CRTM_INFO_NONCE_LEN] = { ++count };

	return block_get_info(0, nonce, block);
}

/* Sent, outcome unknown; not a byte of response. */
#define EXPECT_UNKNOWN(_result) do {						\
	unsigned int _i;							\
										\
	EXPECT_EQ(0, self->o.ret);						\
	EXPECT_EQ(0, self->o.done);						\
	EXPECT_EQ(1, self->o.sent);						\
	EXPECT_EQ(_result, self->o.result);					\
	EXPECT_EQ(0, self->o.out_len);						\
	for (_i = 0; _i < sizeof(self->o.out); _i++)				\
		EXPECT_EQ(POISON, self->o.out[_i]);				\
} while (0)

/* Everything works: an exchange, and a sector erased, written and read. */
#define EXPECT_WELL() do {							\
	struct erase_info_user _erase = { .start = 7 << 20, .length = SECTOR };	\
	static uint8_t _data[SECTOR], _back[SECTOR];				\
										\
	SEND(RD_CRTM_CMD, get_info(self->block));				\
	EXPECT_EQ(RPMC_STATUS_SUCCESS, self->o.status);				\
	EXPECT_EQ(0, memcmp(self->block + CRTM_INFO_OFF_NONCE,			\
			    self->o.out + CRTM_RESP_OFF_PAYLOAD, CRTM_INFO_NONCE_LEN)); \
	memset(_data, self->block[CRTM_INFO_OFF_NONCE], SECTOR);		\
	EXPECT_EQ(0, ioctl(self->fd, MEMERASE, &_erase));			\
	EXPECT_EQ(SECTOR, pwrite(self->fd, _data, SECTOR, _erase.start));	\
	EXPECT_EQ(SECTOR, pread(self->fd, _back, SECTOR, _erase.start));	\
	EXPECT_EQ(0, memcmp(_data, _back, SECTOR));				\
} while (0)

/*
 * The controller fails at the block, after it, and in reading the response; before the
 * block nothing is sent.
 */
TEST_F(fault, controller)
{
	static const struct {
		const char *fault;
		int blocks;	/* that reached the chip */
	} cases[] = {
		{ "eio_before 1 9b", 0 },
		{ "eio_after 1 9b", 1 },
		{ "eio_before 2 96", 1 },
		{ "eio_after 2 96", 1 },
		{ "eio_before 3 96", 1 },
		{ "eio_after 3 96", 1 },
	};
	unsigned long requests[] = { RD_CRTM_CMD, WR_CRTM_CMD };
	unsigned int i, d;
	size_t len;

	for (d = 0; d < ARRAY_SIZE(requests); d++) {
		for (i = 0; i < ARRAY_SIZE(cases); i++) {
			len = get_info(self->block);
			emu_clear(self->chip);
			ASSERT_EQ(0, emu_set(self->chip, "fault", cases[i].fault));
			self->o = exchange(self->fd, requests[d], self->block, len);
			EXPECT_UNKNOWN(-EIO);
			EXPECT_EQ(cases[i].blocks, emu_opcode(self->chip, RPMC_OP1_DEFAULT))
				TH_LOG("%s", cases[i].fault);
			emu_set(self->chip, "fault", "none");
			EXPECT_WELL();
			EXPECT_EQ(cases[i].blocks + 1, emu_opcode(self->chip, RPMC_OP1_DEFAULT))
				TH_LOG("%s", cases[i].fault);
		}
		len = get_info(self->block);
		emu_clear(self->chip);
		ASSERT_EQ(0, emu_set(self->chip, "fault", "eio_after 1 96"));
		self->o = exchange(self->fd, requests[d], self->block, len);
		EXPECT_EQ(-EBUSY, self->o.ret);
		EXPECT_EQ(0, self->o.sent);
		EXPECT_EQ(0, emu_opcode(self->chip, RPMC_OP1_DEFAULT));
		EXPECT_WELL();
	}
}

/* A list stops where the outcome is unknown; that entry does not count as done. */
TEST_F(fault, list)
{
	enum { NR = 5 };
	struct mtd_crtm_entry entry[NR];
	uint8_t block[NR][MAX_BLOCK], out[NR][MAX_RESPONSE];
	struct mtd_crtm_cmd cmd = {
		.size = sizeof(cmd), .nr = NR, .entries = (uintptr_t)entry,
	};
	static const char * const faults[] = { "eio_before", "eio_after", "stuck" };
	char fault[32];
	unsigned int f;
	int at, i;

	for (f = 0; f < ARRAY_SIZE(faults); f++) {
		for (at = 0; at < NR; at++) {
			int result = f == 2 ? -ETIMEDOUT : -EIO;

			memset(entry, POISON, sizeof(entry));
			memset(out, POISON, sizeof(out));
			for (i = 0; i < NR; i++) {
				entry[i].in = (uintptr_t)block[i];
				entry[i].in_len = get_info(block[i]);
				entry[i].out = (uintptr_t)out[i];
				entry[i].out_len = MAX_RESPONSE;
				entry[i].reserved = 0;
			}
			cmd.done = 0x5a5a5a5a;
			emu_clear(self->chip);
			snprintf(fault, sizeof(fault), "%s %d", faults[f], at + 1);
			ASSERT_EQ(0, emu_set(self->chip, "fault", fault));
			ASSERT_EQ(0, ioctl(self->fd, RD_CRTM_CMD, &cmd));
			EXPECT_EQ(at, cmd.done) TH_LOG("%s", fault);
			for (i = 0; i < NR; i++) {
				EXPECT_EQ(i <= at, entry[i].sent) TH_LOG("%s, entry %d", fault, i);
				if (i < at) {
					EXPECT_EQ(0, entry[i].result);
					EXPECT_EQ(RPMC_STATUS_SUCCESS, entry[i].status);
					EXPECT_EQ(RPMC_STATUS_SUCCESS, out[i][0]);
				} else {
					EXPECT_EQ(POISON, out[i][0]);
				}
			}
			EXPECT_EQ(result, entry[at].result) TH_LOG("%s", fault);
			EXPECT_EQ(at + (f > 0), emu_opcode(self->chip, RPMC_OP1_DEFAULT))
				TH_LOG("%s", fault);
			emu_set(self->chip, "fault", "none");
			if (f == 2)
				ASSERT_EQ(0, emu_set(self->chip, "reset_pin", "1"));
			EXPECT_WELL();
		}
	}
}

/* Busy for ever: a time-out; nobody gets at the chip until it was seen ready. */
TEST_F_TIMEOUT(fault, stuck, 120)
{
	static uint8_t data[SECTOR];
	unsigned int i;

	for (i = 0; i < nr_commands; i++) {
		const struct cmd *cmd = &commands[i];
		size_t len = block_plain(cmd, 0, self->block);

		emu_clear(self->chip);
		ASSERT_EQ(0, emu_set(self->chip, "fault", "stuck"));
		self->o = exchange(self->fd, WR_CRTM_CMD, self->block, len);
		EXPECT_UNKNOWN(-ETIMEDOUT);
		EXPECT_EQ(1, emu_opcode(self->chip, RPMC_OP1_DEFAULT)) TH_LOG("%s", cmd->name);

		/* one of each is enough: they wait for the chip */
		if (i == 3) {
			EXPECT_EQ(-1, pread(self->fd, data, sizeof(data), 0));
			EXPECT_EQ(-1, pwrite(self->fd, data, sizeof(data), 0));
			self->o = exchange(self->fd, RD_CRTM_CMD, self->block, len);
			EXPECT_EQ(-EBUSY, self->o.ret);
			EXPECT_NE(1, self->o.sent);
			EXPECT_EQ(1, emu_opcode(self->chip, RPMC_OP1_DEFAULT));
			EXPECT_EQ(0, emu_opcode(self->chip, 0x02));
		}
		ASSERT_EQ(0, emu_set(self->chip, "reset_pin", "1"));
		EXPECT_WELL();
	}
	EXPECT_EQ(0, emu_state(self->chip, "violations"));
}

/* Late, but ready in the end: a read of the array waits and is right. */
TEST_F_TIMEOUT(fault, late, 60)
{
	static uint8_t data[SECTOR], back[SECTOR];
	size_t len = block_plain(command(CRTM_MEASURE), 0, self->block);
	struct erase_info_user erase = { .start = 7 << 20, .length = SECTOR };
	unsigned int i;

	for (i = 0; i < SECTOR; i++)
		data[i] = i * 5;
	ASSERT_EQ(0, ioctl(self->fd, MEMERASE, &erase));
	ASSERT_EQ(SECTOR, pwrite(self->fd, data, SECTOR, erase.start));

	/* 5 ms typical, 20 ms at most, 200 ms here */
	put32(self->block + CRTM_MEASURE_OFF_LEN, 65536);
	ASSERT_EQ(0, emu_set(self->chip, "time_scale", "4000"));
	self->o = exchange(self->fd, RD_CRTM_CMD, self->block, len);
	EXPECT_UNKNOWN(-ETIMEDOUT);
	EXPECT_EQ(SECTOR, pread(self->fd, back, SECTOR, erase.start));
	EXPECT_EQ(0, memcmp(data, back, SECTOR));
	EXPECT_EQ(0, emu_state(self->chip, "violations"));
	EXPECT_EQ(0, emu_state(self->chip, "busy_ignored"));
	EXPECT_EQ(1, emu_opcode(self->chip, RPMC_OP1_DEFAULT));
	ASSERT_EQ(0, emu_set(self->chip, "time_scale", "0"));
	EXPECT_WELL();
}

/* The controller failed in an erase, which goes on: a block waits for that. */
TEST_F_TIMEOUT(fault, erase_goes_on, 60)
{
	struct erase_info_user erase = { .start = 7 << 20, .length = SECTOR };

	ASSERT_EQ(0, emu_set(self->chip, "time_scale", "600"));
	ASSERT_EQ(0, emu_set(self->chip, "fault", "eio_after 1 05"));
	EXPECT_EQ(-1, ioctl(self->fd, MEMERASE, &erase));
	EXPECT_EQ(EIO, errno);
	SEND(RD_CRTM_CMD, get_info(self->block));
	EXPECT_EQ(RPMC_STATUS_SUCCESS, self->o.status);
	EXPECT_EQ(0, memcmp(self->block + CRTM_INFO_OFF_NONCE,
			    self->o.out + CRTM_RESP_OFF_PAYLOAD, CRTM_INFO_NONCE_LEN));
	EXPECT_EQ(0, emu_state(self->chip, "violations"));
	ASSERT_EQ(0, emu_set(self->chip, "time_scale", "0"));
	EXPECT_WELL();
}

/* The same, and it takes too long: nothing is sent. */
TEST_F_TIMEOUT(fault, erase_goes_on_and_on, 60)
{
	struct erase_info_user erase = { .start = 7 << 20, .length = SECTOR };

	ASSERT_EQ(0, emu_set(self->chip, "time_scale", "6000"));
	ASSERT_EQ(0, emu_set(self->chip, "fault", "eio_after 1 05"));
	EXPECT_EQ(-1, ioctl(self->fd, MEMERASE, &erase));
	self->o = exchange(self->fd, RD_CRTM_CMD, self->block, get_info(self->block));
	EXPECT_EQ(-EBUSY, self->o.ret);
	EXPECT_EQ(0, self->o.sent);
	EXPECT_EQ(0, emu_opcode(self->chip, RPMC_OP1_DEFAULT));
	EXPECT_EQ(0, emu_state(self->chip, "violations"));
	ASSERT_EQ(0, emu_set(self->chip, "reset_pin", "1"));
	ASSERT_EQ(0, emu_set(self->chip, "time_scale", "0"));
	EXPECT_WELL();
}

/* A block that never arrived: the response of the one before is no answer. */
TEST_F(fault, dropped)
{
	static const uint8_t nonce[32] = "nonce";
	size_t len;

	SEND(RD_CRTM_CMD, get_info(self->block));
	EXPECT_EQ(RPMC_STATUS_SUCCESS, self->o.status);
	len = block_measure(0, nonce, 0, 4096, self->block);
	ASSERT_EQ(0, emu_set(self->chip, "fault", "drop"));
	self->o = exchange(self->fd, RD_CRTM_CMD, self->block, len);
	EXPECT_UNKNOWN(-EIO);
	EXPECT_WELL();

	/* nor the state after power-on */
	ASSERT_EQ(0, emu_set(self->chip, "power_cycle", "1"));
	len = block_measure(0, nonce, 0, 4096, self->block);
	ASSERT_EQ(0, emu_set(self->chip, "fault", "drop"));
	self->o = exchange(self->fd, RD_CRTM_CMD, self->block, len);
	EXPECT_UNKNOWN(-EIO);
	EXPECT_WELL();
}

/* Nor, without any key, the answer to another nonce. */
TEST_F(fault, dropped_unsigned)
{
	static const uint8_t nonces[2][CRTM_MEASURE_NONCE_LEN] = { "one", "two" };
	size_t len;

	ASSERT_EQ(0, emu_set(self->chip, "power_cycle", "1"));
	SEND(RD_CRTM_CMD, block_get_info(0, nonces[0], self->block));
	len = block_get_info(0, nonces[1], self->block);
	ASSERT_EQ(0, emu_set(self->chip, "fault", "drop"));
	self->o = exchange(self->fd, RD_CRTM_CMD, self->block, len);
	EXPECT_UNKNOWN(-EIO);

	SEND(RD_CRTM_CMD, block_measure(0, nonces[0], 0, 4096, self->block));
	len = block_measure(0, nonces[0], 4096, 4096, self->block);
	ASSERT_EQ(0, emu_set(self->chip, "fault", "drop"));
	self->o = exchange(self->fd, RD_CRTM_CMD, self->block, len);
	EXPECT_UNKNOWN(-EIO);
	EXPECT_WELL();
}

/* Nor is that of one of the same type; the same block may well be sent twice. */
TEST_F(fault, dropped_same_type)
{
	struct keys keys;
	size_t len;

	test_keys(&keys, 0);
	PROVISION(&keys);
	len = block_plain(command(CRTM_GET_INFO), 0, self->block);
	SEND_SIGNED(RD_CRTM_CMD, len, keys.hkr);
	SEND_SIGNED(RD_CRTM_CMD, len, keys.hkr);

	self->block[CRTM_INFO_OFF_NONCE] ^= 1;
	ASSERT_EQ(0, emu_set(self->chip, "fault", "drop"));
	self->o = exchange(self->fd, RD_CRTM_CMD, self->block, len);
	EXPECT_UNKNOWN(-EIO);
	SEND_SIGNED(RD_CRTM_CMD, len, keys.hkr);
	EXPECT_WELL();
}

/* Unbound while the chip is late: it is waited for, or it could not be bound again. */
TEST_F_TIMEOUT(fault, late_unbound, 60)
{
	size_t len = block_plain(command(CRTM_MEASURE), 0, self->block);

	put32(self->block + CRTM_MEASURE_OFF_LEN, 65536);
	ASSERT_EQ(0, emu_set(self->chip, "time_scale", "4000"));
	self->o = exchange(self->fd, RD_CRTM_CMD, self->block, len);
	EXPECT_UNKNOWN(-ETIMEDOUT);
	ASSERT_EQ(0, spi_unbind(self->chip, "spi-nor"));
	close(self->fd);
	EXPECT_EQ(0, emu_state(self->chip, "busy_ignored"));
	EXPECT_EQ(0, spi_bind(self->chip, "spi-nor"));
	ASSERT_EQ(0, emu_set(self->chip, "time_scale", "0"));
	if (mtd_number(self->chip) < 0)
		spi_bind(self->chip, "spi-nor");
	self->fd = mtd_open(self->chip, O_RDWR);
	ASSERT_GE(self->fd, 0);
	EXPECT_WELL();
}

/* A key that nobody read does not stay in a chip that is let go. */
TEST_F_TIMEOUT(fault, secret_unbound, 60)
{
	size_t len = block_plain(command(CRTM_DERIVE_KEY), 0, self->block);

	ASSERT_EQ(0, emu_set(self->chip, "fault", "stuck"));
	self->o = exchange(self->fd, RD_CRTM_CMD, self->block, len);
	EXPECT_UNKNOWN(-ETIMEDOUT);
	EXPECT_EQ(1, emu_opcode(self->chip, RPMC_OP1_DEFAULT));
	ASSERT_EQ(0, emu_set(self->chip, "fault", "none"));
	ASSERT_EQ(0, emu_set(self->chip, "reset_pin", "1"));
	ASSERT_EQ(0, spi_unbind(self->chip, "spi-nor"));
	EXPECT_EQ(2, emu_opcode(self->chip, RPMC_OP1_DEFAULT));
	EXPECT_EQ(0, spi_bind(self->chip, "spi-nor"));
	close(self->fd);
	self->fd = mtd_open(self->chip, O_RDWR);
	ASSERT_GE(self->fd, 0);
	EXPECT_WELL();
}

/* A bit lost on the bus is for the server to see: delivered as read. */
TEST_F(fault, bit_flip)
{
	static const uint8_t nonce[32] = "nonce";
	struct keys keys;
	size_t len;

	test_keys(&keys, 0);
	PROVISION(&keys);
	len = block_measure(0, nonce, 0, 4096, self->block);
	SEND_SIGNED(RD_CRTM_CMD, len, keys.hkr);
	ASSERT_EQ(0, emu_set(self->chip, "fault", "bitflip"));
	SEND(RD_CRTM_CMD, len);
	EXPECT_FALSE(crtm_signed(keys.hkr, self->block, len, &self->o));
	SEND_SIGNED(RD_CRTM_CMD, len, keys.hkr);
}

/*
 * Seen ready, and then it is not: that counts. The last one, for the chip remembers that it was
 * asked while it was busy.
 */
TEST_F_TIMEOUT(fault, busy_after_all, 60)
{
	static uint8_t data[SECTOR];

	ASSERT_EQ(0, emu_set(self->chip, "fault", "stuck 2 96"));
	self->o = exchange(self->fd, RD_CRTM_CMD, self->block, get_info(self->block));
	EXPECT_UNKNOWN(-EIO);
	EXPECT_EQ(-1, pread(self->fd, data, sizeof(data), 0));
	EXPECT_EQ(1, emu_opcode(self->chip, RPMC_OP1_DEFAULT));
	ASSERT_EQ(0, emu_set(self->chip, "reset_pin", "1"));
	EXPECT_WELL();
}

/* The JESD260 part of the other vendor: its busy bit stands elsewhere. */
TEST(other_vendor_stuck)
{
	int fd = mtd_open(OTHER, O_RDWR);
	uint8_t block[MAX_BLOCK];
	struct outcome o;
	size_t len;

	ASSERT_GE(fd, 0);
	ASSERT_EQ(0, emu_set(OTHER, "time_scale", "0"));
	len = block_plain(command(RPMC_REQUEST_COUNTER), 0, block);
	emu_clear(OTHER);
	ASSERT_EQ(0, emu_set(OTHER, "fault", "stuck"));
	o = exchange(fd, RD_CRTM_CMD, block, len);
	EXPECT_EQ(0, o.ret);
	EXPECT_EQ(1, o.sent);
	EXPECT_EQ(-ETIMEDOUT, o.result);
	EXPECT_EQ(1, emu_opcode(OTHER, RPMC_OP1_DEFAULT));
	ASSERT_EQ(0, emu_set(OTHER, "reset_pin", "1"));
	o = exchange(fd, RD_CRTM_CMD, block, len);
	EXPECT_EQ(0, o.ret);
	EXPECT_EQ(0, o.result);
	close(fd);
}

TEST_HARNESS_MAIN
