// SPDX-License-Identifier: MIT
/*
 * The contract of <mtd/mtd-security.h>: who may send what, which errno says
 * why not, and that nothing was sent when there is an errno.
 *
 * Also built as a 32-bit program: the structures are the same there.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common.h"
#include "kselftest_harness.h"

#define BAD_POINTER	8	/* the first page is never mapped */
#define KERNEL_POINTER	((uintptr_t)-4096)

static const struct {
	unsigned long request;
	const char *name;
} directions[] = {
	{ WR_CRTM_CMD, "WR" },
	{ RD_CRTM_CMD, "RD" },
};

FIXTURE(crtm) {
	int chip, fd;
	struct mtd_crtm_info info;
	uint8_t block[MAX_BLOCK];
};

FIXTURE_VARIANT(crtm) {
	int chip;
};

FIXTURE_VARIANT_ADD(crtm, spi) { .chip = AUTHENTA };
#ifdef __LP64__ /* which controller it is does not meet the compat path */
FIXTURE_VARIANT_ADD(crtm, mem) { .chip = AUTHENTA_MEM };
#endif

FIXTURE_SETUP(crtm)
{
	self->chip = variant->chip;
	ASSERT_EQ(0, emu_set(self->chip, "time_scale", "0"));
	ASSERT_EQ(0, emu_set(self->chip, "power_cycle", "1"));
	self->fd = mtd_open(self->chip, O_RDWR);
	ASSERT_GE(self->fd, 0);
	memset(&self->info, POISON, sizeof(self->info));
	self->info.size = sizeof(self->info);
	ASSERT_EQ(0, ioctl(self->fd, MTD_CRTM_INFO, &self->info));
	emu_clear(self->chip);
}

FIXTURE_TEARDOWN(crtm)
{
	emu_set(self->chip, "time_scale", "0");
	close(self->fd);
}

#define EXPECT_NOTHING_SENT() do {						\
	EXPECT_EQ(0, emu_opcode(self->chip, RPMC_OP1_DEFAULT));			\
	EXPECT_EQ(0, emu_opcode(self->chip, RPMC_OP2_DEFAULT));			\
} while (0)

/* A block that every node takes. */
static size_t get_info(uint8_t *block)
{
	static uint8_t count;
	uint8_t nonce[CRTM_INFO_NONCE_LEN] = { ++count };

	return block_get_info(0, nonce, block);
}

TEST(sha256_vectors)
{
	/* FIPS 180-4 example, RFC 4231 test case 2 */
	static const uint8_t abc[] = {
		0xba, 0x78, 0x16, 0xbf, 0x8f, 0x01, 0xcf, 0xea, 0x41, 0x41, 0x40, 0xde, 0x5d, 0xae,
		0x22, 0x23, 0xb0, 0x03, 0x61, 0xa3, 0x96, 0x17, 0x7a, 0x9c, 0xb4, 0x10, 0xff, 0x61,
		0xf2, 0x00, 0x15, 0xad,
	};
	static const uint8_t jefe[] = {
		0x5b, 0xdc, 0xc1, 0x46, 0xbf, 0x60, 0x75, 0x4e, 0x6a, 0x04, 0x24, 0x26, 0x08, 0x95,
		0x75, 0xc7, 0x5a, 0x00, 0x3f, 0x08, 0x9d, 0x27, 0x39, 0x83, 0x9d, 0xec, 0x58, 0xb9,
		0x64, 0xec, 0x38, 0x43,
	};
	uint8_t digest[SHA256_LEN];

	sha256("abc", 3, digest);
	EXPECT_EQ(0, memcmp(digest, abc, sizeof(abc)));
	hmac_sha256("Jefe", 4, "what do ya want for nothing?", 28, digest);
	EXPECT_EQ(0, memcmp(digest, jefe, sizeof(jefe)));
}

/* The layout is the contract: the same for every ABI. */
TEST(layout)
{
	EXPECT_EQ(32, sizeof(struct mtd_crtm_entry));
	EXPECT_EQ(24, sizeof(struct mtd_crtm_cmd));
	EXPECT_EQ(232, sizeof(struct mtd_crtm_info));
	EXPECT_EQ(24, offsetof(struct mtd_crtm_entry, result));
	EXPECT_EQ(28, offsetof(struct mtd_crtm_entry, status));
	EXPECT_EQ(29, offsetof(struct mtd_crtm_entry, sent));
	EXPECT_EQ(16, offsetof(struct mtd_crtm_cmd, entries));
	EXPECT_EQ(144, offsetof(struct mtd_crtm_info, chip_size));
	EXPECT_EQ(168, offsetof(struct mtd_crtm_info, commands));
}

TEST_F(crtm, info)
{
	const struct mtd_crtm_info *info = &self->info;
	static const uint8_t id[] = { 0x20, 0xbb, 0x18, 0x12, 0x00, 0x8c };
	uint64_t known[4] = {}, read_only[4] = {};
	struct mtd_crtm_info again;
	unsigned int i;

	for (i = 0; i < nr_commands; i++) {
		uint8_t type = commands[i].type;

		known[type / 64] |= 1ULL << type % 64;
		if (commands[i].class == CRTM_RD)
			read_only[type / 64] |= 1ULL << type % 64;
	}
	EXPECT_EQ(MTD_CRTM_F_RPMC | MTD_CRTM_F_CRTM | MTD_CRTM_F_MASTER |
		  (CRTM_REFERENCE ? MTD_CRTM_F_REFERENCE : 0),
		  info->flags & ~MTD_CRTM_F_POLL_RDSR);
	EXPECT_LT(strnlen(info->chip, sizeof(info->chip)), sizeof(info->chip));
	EXPECT_NE(NULL, strcasestr(info->chip, "mt25qu128"));
	EXPECT_STREQ(CRTM_COMMAND_SET, info->command_set);
	ASSERT_GE(info->id_len, sizeof(id));
	EXPECT_EQ(0, memcmp(id, info->id, sizeof(id)));
	EXPECT_EQ(RPMC_OP1_DEFAULT, info->op1);
	EXPECT_EQ(RPMC_OP2_DEFAULT, info->op2);
	EXPECT_GE(info->slots, 1);
	EXPECT_LE(info->slots, RPMC_MAX_SLOTS);
	EXPECT_EQ(300, info->max_block);
	EXPECT_EQ(136, info->max_response);
	EXPECT_GE(info->max_list, 2);
	EXPECT_GT(info->max_hold_ms, 0);
	EXPECT_LT(info->max_hold_ms, 2001);
	EXPECT_EQ(0, info->reserved);
	EXPECT_EQ(CHIP_SIZE, info->chip_size);
	EXPECT_EQ(0, info->node_offset);
	EXPECT_EQ(CHIP_SIZE, info->node_size);
	for (i = 0; i < 4; i++) {
		EXPECT_EQ(known[i], info->commands[i]);
		EXPECT_EQ(read_only[i], info->read_only[i]);
	}

	/* Without a capability, from a node open for reading, without a byte sent. */
	ASSERT_EQ(0, drop_sys_admin());
	close(self->fd);
	self->fd = mtd_open(self->chip, O_RDONLY);
	ASSERT_GE(self->fd, 0);
	again.size = sizeof(again);
	EXPECT_EQ(0, ioctl(self->fd, MTD_CRTM_INFO, &again));
	EXPECT_EQ(0, memcmp(&self->info, &again, sizeof(again)));
	EXPECT_NOTHING_SENT();
}

TEST_F(crtm, foreign_numbers)
{
	uint8_t arg[sizeof(struct mtd_crtm_info)] = {};
	struct mtd_info_user user;
	unsigned int nr;

	for (nr = 0x45; nr <= 0x4f; nr++) {
		EXPECT_EQ(-1, ioctl(self->fd, _IO('M', nr), arg));
		EXPECT_EQ(ENOTTY, errno);
	}
	/* The whole number counts, not its lowest byte. */
	EXPECT_EQ(-1, ioctl(self->fd, _IOWR('M', 0x40, struct mtd_crtm_cmd), arg));
	EXPECT_EQ(ENOTTY, errno);
	EXPECT_EQ(-1, ioctl(self->fd, _IO('N', 0x40), arg));
	EXPECT_EQ(ENOTTY, errno);
	/* MTD's own still arrive. */
	ASSERT_EQ(0, ioctl(self->fd, MEMGETINFO, &user));
	EXPECT_EQ(CHIP_SIZE, user.size);
	EXPECT_EQ(SECTOR, user.erasesize);
	EXPECT_NOTHING_SENT();
}

/* Every length from 0 to 400: taken are exactly those that the table has. */
TEST_F_TIMEOUT(crtm, lengths, 300)
{
	unsigned int d, i, len;

	for (d = 0; d < ARRAY_SIZE(directions); d++) {
		for (i = 0; i < nr_commands; i++) {
			const struct cmd *cmd = &commands[i];
			bool permitted = directions[d].request == WR_CRTM_CMD ||
					 cmd->class == CRTM_RD;
			int taken = 0;

			emu_clear(self->chip);
			memset(self->block, POISON, sizeof(self->block));
			block_plain(cmd, 0, self->block);
			for (len = 0; len <= 400; len++) {
				struct outcome o = exchange(self->fd, directions[d].request,
							    self->block, len);
				bool right = len >= cmd->min && len <= cmd->max;
				int expected = right ? 0 : -EMSGSIZE;

				/* with two things wrong either may be told */
				if (!permitted && (right || o.ret == -EPERM))
					expected = -EPERM;
				taken += !expected;
				EXPECT_EQ(expected, o.ret)
					TH_LOG("%s %s, length %u", directions[d].name, cmd->name,
					       len);
				if (!expected) {
					EXPECT_EQ(1, o.done);
					EXPECT_EQ(1, o.sent);
					EXPECT_EQ(0, o.result);
					EXPECT_NE(0, o.out_len);
					EXPECT_EQ(o.status, o.out[0]);
				}
			}
			/* A derived key is replaced in the chip by one more block. */
			if (cmd->flags & CRTM_F_SECRET)
				taken *= 2;
			EXPECT_EQ(taken, emu_opcode(self->chip, RPMC_OP1_DEFAULT))
				TH_LOG("%s %s", directions[d].name, cmd->name);
		}
	}
	EXPECT_EQ(0, emu_state(self->chip, "violations"));
}

TEST_F_TIMEOUT(crtm, response_buffer, 120)
{
	unsigned int d, i, cap, p;

	for (d = 0; d < ARRAY_SIZE(directions); d++) {
		for (i = 0; i < nr_commands; i++) {
			const struct cmd *cmd = &commands[i];
			size_t len = block_plain(cmd, 0, self->block);
			struct outcome o;

			if (directions[d].request == RD_CRTM_CMD && cmd->class != CRTM_RD)
				continue;
			emu_clear(self->chip);
			for (cap = 1; cap < cmd->resp; cap++) {
				o = exchange_cap(self->fd, directions[d].request, self->block, len,
						 cap);
				EXPECT_EQ(-EMSGSIZE, o.ret)
					TH_LOG("%s, buffer of %u", cmd->name, cap);
			}
			EXPECT_NOTHING_SENT();

			/* Nobody wants the response: the status comes all the same. */
			o = exchange_cap(self->fd, directions[d].request, self->block, len, 0);
			EXPECT_EQ(0, o.ret);
			EXPECT_EQ(1, o.sent);
			EXPECT_EQ(0, o.result);
			EXPECT_EQ(0, o.out_len);
			EXPECT_NE(POISON, o.status);

			o = exchange_cap(self->fd, directions[d].request, self->block, len,
					 cmd->resp);
			EXPECT_EQ(0, o.ret);
			EXPECT_GT(o.out_len, 0);
			EXPECT_LE(o.out_len, cmd->resp);

			/* Not a byte beyond what it says. */
			o = exchange(self->fd, directions[d].request, self->block, len);
			EXPECT_EQ(0, o.ret);
			ASSERT_LE(o.out_len, cmd->resp);
			for (p = o.out_len; p < MAX_RESPONSE; p++)
				EXPECT_EQ(POISON, o.out[p]);
			EXPECT_EQ(o.out_len, cmd->type < CRTM_OPEN_SESSION ? RPMC_RESP_LEN :
				  CRTM_RESP_OVERHEAD + (o.out[2] << 8 | o.out[3]));
		}
	}
}

/* Default deny: every pair of opcode and type, both directions. */
TEST_F_TIMEOUT(crtm, opcode_pairs, 120)
{
	unsigned int d, i, type;

	for (d = 0; d < ARRAY_SIZE(directions); d++) {
		for (type = 0; type < 256; type++) {
			const struct cmd *cmd = command(type);
			struct outcome o;
			size_t len = 40;

			if (cmd && directions[d].request == WR_CRTM_CMD)
				continue;
			if (cmd && cmd->class == CRTM_RD)
				continue;
			memset(self->block, 0, sizeof(self->block));
			self->block[0] = RPMC_OP1_DEFAULT;
			if (cmd)
				len = block_plain(cmd, 0, self->block);
			self->block[1] = type;
			o = exchange(self->fd, directions[d].request, self->block, len);
			EXPECT_EQ(-EPERM, o.ret) TH_LOG("%s type %02x", directions[d].name, type);
		}
		for (i = 0; i < nr_commands; i++) {
			size_t len = block_plain(&commands[i], 0, self->block);
			unsigned int op;

			for (op = 0; op < 256; op++) {
				struct outcome o;

				if (op == RPMC_OP1_DEFAULT)
					continue;
				self->block[0] = op;
				o = exchange(self->fd, directions[d].request, self->block, len);
				EXPECT_EQ(-EPERM, o.ret)
					TH_LOG("%s opcode %02x %s", directions[d].name, op,
					       commands[i].name);
			}
		}
	}
	EXPECT_NOTHING_SENT();
	/* None of the opcodes that it names as such either. */
	EXPECT_EQ(0, emu_opcode(self->chip, 0xc7));
	EXPECT_EQ(0, emu_opcode(self->chip, 0x66));
}

static unsigned long direction_of(const struct cmd *cmd, unsigned int d)
{
	return cmd->class == CRTM_RD ? directions[d].request : WR_CRTM_CMD;
}

TEST_F(crtm, reserved_bytes_and_slots)
{
	unsigned int d, i, j, slot;

	for (d = 0; d < ARRAY_SIZE(directions); d++) {
		for (i = 0; i < nr_commands; i++) {
			const struct cmd *cmd = &commands[i];
			unsigned long request = direction_of(cmd, d);
			size_t len = block_plain(cmd, 0, self->block);

			self->block[RPMC_OFF_RSVD] = 1;
			EXPECT_EQ(-EINVAL, exchange(self->fd, request, self->block, len).ret)
				TH_LOG("%s, byte 3", cmd->name);
			self->block[RPMC_OFF_RSVD] = 0;
			for (j = 0; j < cmd->nrsvd; j++) {
				self->block[cmd->rsvd + j] = 0x80;
				EXPECT_EQ(-EINVAL,
					  exchange(self->fd, request, self->block, len).ret)
					TH_LOG("%s, byte %u", cmd->name, cmd->rsvd + j);
				self->block[cmd->rsvd + j] = 0;
			}
			for (slot = self->info.slots; slot < 256; slot++) {
				self->block[RPMC_OFF_SLOT] = slot;
				EXPECT_EQ(-EINVAL,
					  exchange(self->fd, request, self->block, len).ret)
					TH_LOG("%s, slot %u", cmd->name, slot);
			}
			if (cmd->flags & CRTM_F_SLOT0) {
				self->block[RPMC_OFF_SLOT] = 1;
				EXPECT_EQ(-EINVAL,
					  exchange(self->fd, request, self->block, len).ret)
					TH_LOG("%s, slot 1", cmd->name);
			}
		}
	}
	EXPECT_NOTHING_SENT();

	/* The others exist in every slot. */
	for (i = 0; i < nr_commands; i++) {
		size_t len = block_plain(&commands[i], self->info.slots - 1, self->block);

		if (!(commands[i].flags & CRTM_F_SLOT0))
			EXPECT_EQ(0, exchange(self->fd, WR_CRTM_CMD, self->block, len).ret)
				TH_LOG("%s", commands[i].name);
	}
}

TEST_F(crtm, addresses)
{
	unsigned int d, i, j;

	for (d = 0; d < ARRAY_SIZE(directions); d++) {
		for (i = 0; i < nr_commands; i++) {
			const struct cmd *cmd = &commands[i];
			unsigned long request = direction_of(cmd, d);
			size_t len = block_plain(cmd, 0, self->block);
			uint32_t u = cmd->unit;
			struct {
				uint32_t addr, len;
			} bad[] = {
				{ CHIP_SIZE, u },		/* first byte outside */
				{ 0x80000000, u },
				{ -u, u },			/* ends at 2^32 */
				{ -u, 2 * u },			/* wraps to u */
				{ CHIP_SIZE - u, 2 * u },	/* last byte outside */
				{ 0, 0 - u },
				{ u, 0 - u },			/* wraps to 0 */
				{ 0, 0 },
				{ 1, u }, { 0, u + 1 }, { u - 1, u }, { 0, u - 1 }, /* alignment */
				{ 0, cmd->limit + u },
			};

			if (!cmd->len)
				continue;
			for (j = 0; j < ARRAY_SIZE(bad); j++) {
				if (u == 1 && j >= 8 && j <= 11)
					continue;
				if (!cmd->limit && j == 12)
					continue;
				put32(self->block + cmd->addr, bad[j].addr);
				put32(self->block + cmd->len, bad[j].len);
				EXPECT_EQ(-EINVAL,
					  exchange(self->fd, request, self->block, len).ret)
					TH_LOG("%s %x+%x", cmd->name, bad[j].addr, bad[j].len);
			}
			EXPECT_NOTHING_SENT();
			put32(self->block + cmd->addr, CHIP_SIZE - u);
			put32(self->block + cmd->len, u);
			EXPECT_EQ(0, exchange(self->fd, request, self->block, len).ret)
				TH_LOG("%s, the last unit", cmd->name);
			emu_clear(self->chip);
		}
	}
}

TEST_F(crtm, program_stays_in_page)
{
	const struct cmd *cmd = command(CRTM_PROGRAM);
	static const struct {
		uint32_t addr, len;
		int ret;
	} cases[] = {
		{ 0, 256, 0 }, { 0, 1, 0 }, { 255, 1, 0 }, { 128, 128, 0 },
		{ CHIP_SIZE - 256, 256, 0 }, { CHIP_SIZE - 1, 1, 0 },
		{ 1, 256, -EINVAL }, { 255, 2, -EINVAL }, { 128, 129, -EINVAL },
		{ CHIP_SIZE - 1, 2, -EINVAL }, { CHIP_SIZE, 1, -EINVAL },
		{ 0xffffffff, 1, -EINVAL }, { 0xffffffff, 2, -EINVAL },
		{ 0xffffff00, 256, -EINVAL },
	};
	unsigned int i;
	int sent = 0;

	for (i = 0; i < ARRAY_SIZE(cases); i++) {
		block_plain(cmd, 0, self->block);
		put32(self->block + cmd->addr, cases[i].addr);
		EXPECT_EQ(cases[i].ret,
			  exchange(self->fd, WR_CRTM_CMD, self->block, cmd->min - 1 + cases[i].len)
			  .ret)
			TH_LOG("%x+%u", cases[i].addr, cases[i].len);
		sent += !cases[i].ret;
	}
	EXPECT_EQ(sent, emu_opcode(self->chip, RPMC_OP1_DEFAULT));
}

/* What could hold the flash for longer than max_hold_ms is refused. */
TEST_F(crtm, too_long)
{
	static const uint8_t types[] = { CRTM_MEASURE, CRTM_DERIVE_KEY };
	unsigned int d, i;

	for (d = 0; d < ARRAY_SIZE(directions); d++) {
		for (i = 0; i < ARRAY_SIZE(types); i++) {
			const struct cmd *cmd = command(types[i]);
			size_t len = block_plain(cmd, 0, self->block);
			uint64_t units = self->info.max_hold_ms * 1000ULL / cmd->max_us_64k;

			ASSERT_GT(CHIP_SIZE / 65536, units + units / 10);
			put32(self->block + cmd->len, (units + units / 10) * 65536);
			EXPECT_EQ(-EINVAL,
				  exchange(self->fd, directions[d].request, self->block, len).ret);
			put32(self->block + cmd->len, CHIP_SIZE);
			EXPECT_EQ(-EINVAL,
				  exchange(self->fd, directions[d].request, self->block, len).ret);
			EXPECT_NOTHING_SENT();
			put32(self->block + cmd->len, (units - units / 10) * 65536);
			EXPECT_EQ(0,
				  exchange(self->fd, directions[d].request, self->block, len).ret);
			emu_clear(self->chip);
		}
	}
}

TEST_F(crtm, permissions)
{
	unsigned int i, d;
	int ro[2];

	ro[0] = mtd_open(self->chip, O_RDONLY);
	ASSERT_GE(ro[0], 0);
	EXPECT_EQ(-EACCES, mtd_open_number(mtd_number(self->chip), true, O_RDWR));
	ro[1] = mtd_open_number(mtd_number(self->chip), true, O_RDONLY);
	ASSERT_GE(ro[1], 0);

	/* Not open for writing: no WR, not even of what changes nothing. */
	for (d = 0; d < ARRAY_SIZE(ro); d++) {
		for (i = 0; i < nr_commands; i++) {
			size_t len = block_plain(&commands[i], 0, self->block);

			EXPECT_EQ(-EPERM, exchange(ro[d], WR_CRTM_CMD, self->block, len).ret);
			if (commands[i].class == CRTM_WR)
				EXPECT_EQ(-EPERM,
					  exchange(ro[d], RD_CRTM_CMD, self->block, len).ret);
		}
	}
	EXPECT_NOTHING_SENT();
	for (d = 0; d < ARRAY_SIZE(ro); d++) {
		for (i = 0; i < nr_commands; i++) {
			size_t len = block_plain(&commands[i], 0, self->block);

			if (commands[i].class == CRTM_RD)
				EXPECT_EQ(0, exchange(ro[d], RD_CRTM_CMD, self->block, len).ret);
		}
	}

	/* The master's node, open for writing, without CAP_SYS_ADMIN. */
	emu_clear(self->chip);
	ASSERT_EQ(0, drop_sys_admin());
	for (d = 0; d < ARRAY_SIZE(directions); d++) {
		for (i = 0; i < nr_commands; i++) {
			const struct cmd *cmd = &commands[i];
			size_t len = block_plain(cmd, 0, self->block);
			int before = emu_opcode(self->chip, RPMC_OP1_DEFAULT);
			int expected = 0;

			if (cmd->flags & CRTM_F_ADMIN)
				expected = -EPERM;
			EXPECT_EQ(expected, exchange(self->fd, direction_of(cmd, d), self->block,
						     len).ret)
				TH_LOG("%s", cmd->name);
			EXPECT_EQ(before + !expected, emu_opcode(self->chip, RPMC_OP1_DEFAULT));
		}
	}
	close(ro[0]);
	close(ro[1]);
}

TEST_F(crtm, write_only_node)
{
	size_t len = block_plain(command(RPMC_INCREMENT_COUNTER), 0, self->block);

	close(self->fd);
	self->fd = mtd_open(self->chip, O_WRONLY);
	ASSERT_GE(self->fd, 0);
	EXPECT_EQ(0, exchange(self->fd, WR_CRTM_CMD, self->block, len).ret);
}

/* Partitions added at run time: the master's node stays. */
TEST_F(crtm, partitions)
{
	const uint32_t start = 1 << 20, size = 1 << 20;
	const struct {
		uint32_t addr, len;
		int ret;
	} ranges[] = {
		{ start, 65536, 0 },
		{ start + size - 65536, 65536, 0 },
		{ start - 65536, 65536, -EINVAL },
		{ start + size, 65536, -EINVAL },
		{ start - 65536, 131072, -EINVAL },
		{ start + size - 65536, 131072, -EINVAL },
		{ 0, 65536, -EINVAL },
	};
	struct mtd_crtm_info info = { .size = sizeof(info) };
	int number, ro_number, fd, ro, pid, status, sent;
	unsigned int c, j;

	number = mtd_add_part(self->chip, "selftest", start, size);
	ASSERT_GE(number, 0);
	/* Not on a sector's border: the kernel makes it read-only. */
	ro_number = mtd_add_part(self->chip, "selftest-ro", start + size + 512, size);
	ASSERT_GE(ro_number, 0);
	fd = mtd_open_number(number, false, O_RDWR);
	ASSERT_GE(fd, 0);

	EXPECT_EQ(0, ioctl(fd, MTD_CRTM_INFO, &info));
	EXPECT_EQ(start, info.node_offset);
	EXPECT_EQ(size, info.node_size);
	EXPECT_EQ(CHIP_SIZE, info.chip_size);
	EXPECT_EQ(0, info.flags & MTD_CRTM_F_MASTER);

	/* Addresses are the chip's, inside the partition. */
	for (c = 0; c < nr_commands; c++) {
		const struct cmd *cmd = &commands[c];

		if (!cmd->addr)
			continue;
		for (j = 0; j < ARRAY_SIZE(ranges); j++) {
			size_t len = block_plain(cmd, 0, self->block);
			uint32_t range = ranges[j].len;
			int ret = ranges[j].ret;

			if (cmd->flags & CRTM_F_DATA) {
				/* 256 bytes at most: what straddles cannot be said */
				if (range > 65536)
					continue;
				len += 255;
			} else {
				put32(self->block + cmd->len, range);
				if (cmd->limit && range > cmd->limit)
					continue;
			}
			put32(self->block + cmd->addr, ranges[j].addr);
			emu_clear(self->chip);
			EXPECT_EQ(ret, exchange(fd, WR_CRTM_CMD, self->block, len).ret)
				TH_LOG("%s %x+%x", cmd->name, ranges[j].addr, range);
			sent = emu_opcode(self->chip, RPMC_OP1_DEFAULT);
			EXPECT_EQ(!ret, !!sent);
		}
	}

	/* With CAP_SYS_ADMIN a partition's node takes chip-wide ones too. */
	for (c = 0; c < nr_commands; c++) {
		const struct cmd *cmd = &commands[c];
		size_t len = block_plain(cmd, 0, self->block);

		if (cmd->addr)
			put32(self->block + cmd->addr, start);
		EXPECT_EQ(0, exchange(fd, WR_CRTM_CMD, self->block, len).ret)
			TH_LOG("%s", cmd->name);
	}

	/* A read-only partition: RD alone, however privileged. */
	EXPECT_EQ(-EACCES, mtd_open_number(ro_number, false, O_RDWR));
	ro = mtd_open_number(ro_number, false, O_RDONLY);
	ASSERT_GE(ro, 0);
	emu_clear(self->chip);
	for (c = 0; c < nr_commands; c++) {
		size_t len = block_plain(&commands[c], 0, self->block);

		EXPECT_EQ(-EPERM, exchange(ro, WR_CRTM_CMD, self->block, len).ret);
		if (commands[c].class == CRTM_WR)
			EXPECT_EQ(-EPERM, exchange(ro, RD_CRTM_CMD, self->block, len).ret);
	}
	EXPECT_NOTHING_SENT();
	EXPECT_EQ(0, exchange(ro, RD_CRTM_CMD, self->block, get_info(self->block)).ret);
	block_plain(command(CRTM_MEASURE), 0, self->block);
	put32(self->block + CRTM_MEASURE_OFF_ADDR, start + size + 512);
	put32(self->block + CRTM_MEASURE_OFF_LEN, size);
	EXPECT_EQ(0, exchange(ro, RD_CRTM_CMD, self->block, 44).ret);
	put32(self->block + CRTM_MEASURE_OFF_ADDR, start + size + 511);
	EXPECT_EQ(-EINVAL, exchange(ro, RD_CRTM_CMD, self->block, 44).ret);
	close(ro);

	/* Without CAP_SYS_ADMIN it takes none that is chip-wide. */
	pid = fork();
	ASSERT_GE(pid, 0);
	if (!pid) {
		if (drop_sys_admin())
			_exit(100);
		for (c = 0; c < nr_commands; c++) {
			const struct cmd *cmd = &commands[c];
			size_t len = block_plain(cmd, 0, self->block);
			int expected = cmd->flags & (CRTM_F_CHIP_WIDE | CRTM_F_ADMIN) ? -EPERM : 0;

			if (cmd->addr)
				put32(self->block + cmd->addr, start);
			emu_clear(self->chip);
			if (exchange(fd, WR_CRTM_CMD, self->block, len).ret != expected ||
			    emu_opcode(self->chip, RPMC_OP1_DEFAULT) != !expected)
				_exit(c + 1);
		}
		_exit(0);
	}
	ASSERT_EQ(pid, waitpid(pid, &status, 0));
	EXPECT_EQ(0, status) TH_LOG("command %d of the table", WEXITSTATUS(status) - 1);

	close(fd);
	EXPECT_EQ(0, mtd_del_part(self->chip, ro_number));
	EXPECT_EQ(0, mtd_del_part(self->chip, number));
}

/* One entry, as the kernel sees it; what is wrong with it is up to the test. */
struct call {
	struct mtd_crtm_entry entry;
	struct mtd_crtm_cmd cmd;
	uint8_t tail[64];
	uint8_t out[MAX_RESPONSE];
};

static void call_init(struct call *c, uint8_t *block)
{
	memset(c, 0, sizeof(*c));
	c->entry.in_len = get_info(block);
	c->entry.in = (uintptr_t)block;
	c->entry.out = (uintptr_t)c->out;
	c->entry.out_len = sizeof(c->out);
	c->cmd.size = sizeof(c->cmd);
	c->cmd.nr = 1;
	c->cmd.entries = (uintptr_t)&c->entry;
}

static int call(int fd, unsigned long request, struct call *c)
{
	return ioctl(fd, request, &c->cmd) ? -errno : 0;
}

TEST_F(crtm, flags_size_and_number)
{
	unsigned int d, i;
	struct call c;

	for (d = 0; d < ARRAY_SIZE(directions); d++) {
		unsigned long request = directions[d].request;

		for (i = 0; i < 32; i++) {
			call_init(&c, self->block);
			c.cmd.flags = 1U << i;
			EXPECT_EQ(-EINVAL, call(self->fd, request, &c));
		}
		for (i = 0; i < 16; i++) {
			call_init(&c, self->block);
			c.entry.reserved = 1U << i;
			EXPECT_EQ(-EINVAL, call(self->fd, request, &c));
		}
		call_init(&c, self->block);
		c.cmd.nr = 0;
		EXPECT_EQ(-EINVAL, call(self->fd, request, &c));
		call_init(&c, self->block);
		c.cmd.nr = self->info.max_list + 1;
		EXPECT_EQ(-EINVAL, call(self->fd, request, &c));
		c.cmd.nr = 0xffffffff;
		EXPECT_EQ(-EINVAL, call(self->fd, request, &c));
		/* 2^32 bytes of entries in a 32-bit product: nothing */
		c.cmd.nr = 1U << 27;
		EXPECT_EQ(-EINVAL, call(self->fd, request, &c));

		/* size: smaller, and larger with something in the tail */
		for (i = 0; i < sizeof(c.cmd); i++) {
			call_init(&c, self->block);
			c.cmd.size = i;
			EXPECT_EQ(-EINVAL, call(self->fd, request, &c)) TH_LOG("size %u", i);
		}
		for (i = 0; i < sizeof(c.tail); i++) {
			call_init(&c, self->block);
			c.cmd.size = sizeof(c.cmd) + sizeof(c.tail);
			c.tail[i] = 1;
			EXPECT_EQ(-E2BIG, call(self->fd, request, &c)) TH_LOG("tail %u", i);
		}
		call_init(&c, self->block);
		c.cmd.size = 1U << 20;
		EXPECT_EQ(-E2BIG, call(self->fd, request, &c));
		c.cmd.size = 0xffffffff;
		EXPECT_EQ(-E2BIG, call(self->fd, request, &c));
		EXPECT_NOTHING_SENT();

		/* A later, larger structure whose news are unused is fine. */
		for (i = 1; i <= sizeof(c.tail); i++) {
			call_init(&c, self->block);
			c.cmd.size = sizeof(c.cmd) + i;
			EXPECT_EQ(0, call(self->fd, request, &c)) TH_LOG("size + %u", i);
			EXPECT_EQ(1, c.cmd.done);
			EXPECT_EQ(0, c.entry.result);
		}
		emu_clear(self->chip);
	}
}

TEST_F(crtm, info_size)
{
	struct {
		struct mtd_crtm_info info;
		uint8_t tail[64];
	} arg;
	unsigned int i;

	for (i = 0; i < sizeof(arg.info); i++) {
		memset(&arg, 0, sizeof(arg));
		arg.info.size = i;
		EXPECT_EQ(-1, ioctl(self->fd, MTD_CRTM_INFO, &arg));
		EXPECT_EQ(EINVAL, errno) TH_LOG("size %u", i);
	}
	for (i = 0; i < sizeof(arg.tail); i++) {
		memset(&arg, 0, sizeof(arg));
		arg.info.size = sizeof(arg);
		arg.tail[i] = 1;
		EXPECT_EQ(-1, ioctl(self->fd, MTD_CRTM_INFO, &arg));
		EXPECT_EQ(E2BIG, errno) TH_LOG("tail %u", i);
		arg.tail[i] = 0;
		EXPECT_EQ(0, ioctl(self->fd, MTD_CRTM_INFO, &arg));
		EXPECT_EQ(CHIP_SIZE, arg.info.chip_size);
	}
	EXPECT_EQ(-1, ioctl(self->fd, MTD_CRTM_INFO, NULL));
	EXPECT_EQ(EFAULT, errno);
	EXPECT_EQ(-1, ioctl(self->fd, MTD_CRTM_INFO, (void *)BAD_POINTER));
	EXPECT_EQ(EFAULT, errno);
	EXPECT_EQ(-1, ioctl(self->fd, MTD_CRTM_INFO, (void *)KERNEL_POINTER));
	EXPECT_EQ(EFAULT, errno);
}

TEST_F(crtm, bad_memory)
{
	static const uintptr_t bad[] = { 0, BAD_POINTER, KERNEL_POINTER };
	long page = sysconf(_SC_PAGESIZE);
	struct mtd_crtm_entry *entry;
	struct mtd_crtm_cmd *cmd;
	unsigned int d, i;
	struct call c;
	uint8_t *mem;

	/* two pages, and none behind them */
	mem = mmap(NULL, 3 * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	ASSERT_NE(MAP_FAILED, mem);
	ASSERT_EQ(0, munmap(mem + 2 * page, page));

	for (d = 0; d < ARRAY_SIZE(directions); d++) {
		unsigned long request = directions[d].request;

		for (i = 0; i < ARRAY_SIZE(bad); i++) {
			EXPECT_EQ(-1, ioctl(self->fd, request, (void *)bad[i]));
			EXPECT_EQ(EFAULT, errno);
			call_init(&c, self->block);
			c.cmd.entries = bad[i];
			EXPECT_EQ(-EFAULT, call(self->fd, request, &c));
			call_init(&c, self->block);
			c.entry.in = bad[i];
			EXPECT_EQ(-EFAULT, call(self->fd, request, &c));
			call_init(&c, self->block);
			c.entry.out = bad[i];
			EXPECT_EQ(-EFAULT, call(self->fd, request, &c));
		}
		/* a pointer that only a larger address space could have */
		call_init(&c, self->block);
		c.entry.in |= 1ULL << 63;
		EXPECT_EQ(-EFAULT, call(self->fd, request, &c));
		call_init(&c, self->block);
		c.entry.out |= 1ULL << 63;
		EXPECT_EQ(-EFAULT, call(self->fd, request, &c));
		call_init(&c, self->block);
		c.cmd.entries |= 1ULL << 63;
		EXPECT_EQ(-EFAULT, call(self->fd, request, &c));

		/* the last byte is not there */
		call_init(&c, self->block);
		c.entry.in = (uintptr_t)mem + 2 * page - c.entry.in_len + 1;
		memcpy((void *)(uintptr_t)c.entry.in, self->block, c.entry.in_len - 1);
		EXPECT_EQ(-EFAULT, call(self->fd, request, &c));
		call_init(&c, self->block);
		c.entry.out_len = command(CRTM_GET_INFO)->resp;
		c.entry.out = (uintptr_t)mem + 2 * page - c.entry.out_len + 1;
		EXPECT_EQ(-EFAULT, call(self->fd, request, &c));
		call_init(&c, self->block);
		c.cmd.entries = (uintptr_t)mem + 2 * page - sizeof(c.entry) + 8;
		memcpy((void *)(uintptr_t)c.cmd.entries, &c.entry, sizeof(c.entry) - 8);
		EXPECT_EQ(-EFAULT, call(self->fd, request, &c));
		cmd = (void *)(mem + 2 * page - sizeof(*cmd) + 8);
		call_init(&c, self->block);
		memcpy(cmd, &c.cmd, sizeof(*cmd) - 8);
		EXPECT_EQ(-1, ioctl(self->fd, request, cmd));
		EXPECT_EQ(EFAULT, errno);

		/* memory that can be read and not written */
		call_init(&c, self->block);
		memset(mem, 0, page);
		cmd = (void *)(mem + page);
		entry = (void *)(cmd + 1);
		*cmd = c.cmd;
		*entry = c.entry;
		ASSERT_EQ(0, mprotect(mem + page, page, PROT_READ));
		EXPECT_EQ(-1, ioctl(self->fd, request, cmd));
		EXPECT_EQ(EFAULT, errno);
		c.cmd.entries = (uintptr_t)entry;
		EXPECT_EQ(-EFAULT, call(self->fd, request, &c));
		call_init(&c, self->block);
		c.entry.out = (uintptr_t)mem + page;
		EXPECT_EQ(-EFAULT, call(self->fd, request, &c));
		/* only the end of the response buffer */
		call_init(&c, self->block);
		c.entry.out = (uintptr_t)mem + page - 1;
		EXPECT_EQ(-EFAULT, call(self->fd, request, &c));
		EXPECT_NOTHING_SENT();
		/* a block may well be read-only */
		call_init(&c, self->block);
		ASSERT_EQ(0, mprotect(mem + page, page, PROT_READ | PROT_WRITE));
		memcpy(mem + page, self->block, c.entry.in_len);
		ASSERT_EQ(0, mprotect(mem + page, page, PROT_READ));
		c.entry.in = (uintptr_t)mem + page;
		EXPECT_EQ(0, call(self->fd, request, &c));
		EXPECT_EQ(1, c.entry.sent);
		ASSERT_EQ(0, mprotect(mem + page, page, PROT_READ | PROT_WRITE));
		emu_clear(self->chip);
	}
	munmap(mem, 2 * page);
}

/* A response buffer costs no more memory than a response. */
TEST_F(crtm, huge_response_buffer)
{
	enum { HUGE = 1 << 30 };
	long page = sysconf(_SC_PAGESIZE);
	long resident = 0, i;
	unsigned char *pages;
	struct call c;
	uint8_t *mem;

	pages = malloc(HUGE / page);
	ASSERT_NE(NULL, pages);
	/* more than the guest has */
	mem = mmap(NULL, HUGE, PROT_READ | PROT_WRITE,
		   MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	ASSERT_NE(MAP_FAILED, mem);
	call_init(&c, self->block);
	c.entry.out = (uintptr_t)mem;
	c.entry.out_len = HUGE;
	EXPECT_EQ(0, call(self->fd, RD_CRTM_CMD, &c));
	EXPECT_EQ(1, c.entry.sent);
	EXPECT_EQ(RPMC_STATUS_SUCCESS, mem[0]);
	ASSERT_EQ(0, mincore(mem, HUGE, pages));
	for (i = 0; i < HUGE / page; i++)
		resident += pages[i] & 1;
	EXPECT_LE(resident * page, 4 << 20);
	munmap(mem, HUGE);
	free(pages);
}

/* A mapped file and memory shared with a child serve as well as any other. */
TEST_F(crtm, mapped_memory)
{
	struct call *c;
	int fd, pid, status;

	fd = memfd_create("crtm", 0);
	ASSERT_GE(fd, 0);
	ASSERT_EQ(0, ftruncate(fd, sizeof(*c)));
	c = mmap(NULL, sizeof(*c), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	ASSERT_NE(MAP_FAILED, c);
	call_init(c, self->block);
	pid = fork();
	ASSERT_GE(pid, 0);
	if (!pid)
		_exit(call(self->fd, RD_CRTM_CMD, c) ? 1 : 0);
	ASSERT_EQ(pid, waitpid(pid, &status, 0));
	EXPECT_EQ(0, status);
	EXPECT_EQ(1, c->cmd.done);
	EXPECT_EQ(1, c->entry.sent);
	EXPECT_EQ(0, memcmp(self->block + CRTM_INFO_OFF_NONCE, c->out + CRTM_RESP_OFF_PAYLOAD,
			    CRTM_INFO_NONCE_LEN));
	munmap(c, sizeof(*c));
	close(fd);
}

#define LIST	6

struct list {
	struct mtd_crtm_cmd cmd;
	struct mtd_crtm_entry entry[LIST];
	uint8_t block[LIST][MAX_BLOCK];
	uint8_t out[LIST][MAX_RESPONSE];
};

/* Get information, @LIST times, each with a nonce of its own; poisoned. */
static void list_init(struct list *l)
{
	int i;

	memset(l, POISON, sizeof(*l));
	for (i = 0; i < LIST; i++) {
		l->entry[i] = (struct mtd_crtm_entry) {
			.in_len = get_info(l->block[i]),
			.in = (uintptr_t)l->block[i],
			.out_len = MAX_RESPONSE,
			.out = (uintptr_t)l->out[i],
			.result = 0x5a5a5a5a,
			.status = POISON,
			.sent = POISON,
		};
	}
	l->cmd = (struct mtd_crtm_cmd) {
		.size = sizeof(l->cmd),
		.nr = LIST,
		.done = 0x5a5a5a5a,
		.entries = (uintptr_t)l->entry,
	};
}

static void list_put(struct list *l, int i, size_t len)
{
	l->entry[i].in_len = len;
}

TEST_F(crtm, list)
{
	struct list l;
	unsigned int d;
	int i;

	for (d = 0; d < ARRAY_SIZE(directions); d++) {
		list_init(&l);
		ASSERT_EQ(0, ioctl(self->fd, directions[d].request, &l.cmd));
		EXPECT_EQ(LIST, l.cmd.done);
		for (i = 0; i < LIST; i++) {
			EXPECT_EQ(1, l.entry[i].sent);
			EXPECT_EQ(0, l.entry[i].result);
			EXPECT_EQ(RPMC_STATUS_SUCCESS, l.entry[i].status);
			EXPECT_EQ(0, memcmp(l.block[i] + CRTM_INFO_OFF_NONCE,
					    l.out[i] + CRTM_RESP_OFF_PAYLOAD, CRTM_INFO_NONCE_LEN));
		}
		EXPECT_EQ(LIST, emu_opcode(self->chip, RPMC_OP1_DEFAULT));
		emu_clear(self->chip);
	}
}

TEST_F(crtm, longest_list)
{
	unsigned int i, nr = self->info.max_list;
	struct mtd_crtm_entry *entry = calloc(nr, sizeof(*entry));
	uint8_t (*out)[MAX_RESPONSE] = calloc(nr, MAX_RESPONSE);
	struct mtd_crtm_cmd cmd = { .size = sizeof(cmd), .nr = nr };
	size_t len = get_info(self->block);

	for (i = 0; i < nr; i++)
		entry[i] = (struct mtd_crtm_entry) {
			.in = (uintptr_t)self->block,
			.in_len = len,
			.out = (uintptr_t)out[i],
			.out_len = MAX_RESPONSE,
		};
	cmd.entries = (uintptr_t)entry;
	EXPECT_EQ(0, ioctl(self->fd, RD_CRTM_CMD, &cmd));
	EXPECT_EQ(nr, cmd.done);
	EXPECT_EQ(nr, emu_opcode(self->chip, RPMC_OP1_DEFAULT));
	EXPECT_EQ(RPMC_STATUS_SUCCESS, out[nr - 1][0]);
	free(entry);
	free(out);
}

/* Any bad entry, wherever it stands: nothing is sent of the whole list. */
TEST_F(crtm, list_with_a_bad_entry)
{
	unsigned int d, bad;
	struct list l;
	int at;

	for (d = 0; d < ARRAY_SIZE(directions); d++) {
		for (at = 0; at < LIST; at++) {
			static const int expected[] = {
				-EPERM, -EPERM, -EMSGSIZE, -EMSGSIZE, -EINVAL, -EINVAL, -EINVAL,
				-EFAULT, -EFAULT, -EINVAL,
			};

			for (bad = 0; bad < ARRAY_SIZE(expected); bad++) {
				list_init(&l);
				switch (bad) {
				case 0:
					l.block[at][1] = 0x7f;
					break;
				case 1:
					l.block[at][0] = 0xc7;
					break;
				case 2:
					l.entry[at].in_len++;
					break;
				case 3:
					l.entry[at].out_len = 1;
					break;
				case 4:
					l.block[at][RPMC_OFF_RSVD] = 1;
					break;
				case 5:
					l.block[at][RPMC_OFF_SLOT] = 0xff;
					break;
				case 6:
					l.entry[at].reserved = 1;
					break;
				case 7:
					l.entry[at].in = BAD_POINTER;
					break;
				case 8:
					l.entry[at].out = BAD_POINTER;
					break;
				case 9:
					list_put(&l, at, block_plain(command(CRTM_MEASURE), 0,
								     l.block[at]));
					put32(l.block[at] + CRTM_MEASURE_OFF_ADDR, CHIP_SIZE);
					break;
				}
				EXPECT_EQ(-1, ioctl(self->fd, directions[d].request, &l.cmd));
				EXPECT_EQ(-expected[bad], errno)
					TH_LOG("%s, fault %u at %d", directions[d].name, bad, at);
			}
		}
		EXPECT_NOTHING_SENT();
	}

	/* One that RD does not take, among those that it does. */
	for (at = 0; at < LIST; at++) {
		list_init(&l);
		list_put(&l, at, block_plain(command(RPMC_INCREMENT_COUNTER), 0, l.block[at]));
		EXPECT_EQ(-1, ioctl(self->fd, RD_CRTM_CMD, &l.cmd));
		EXPECT_EQ(EPERM, errno);
	}
	EXPECT_NOTHING_SENT();
}

/* A list stops at the first refusal, which counts as done. */
TEST_F(crtm, list_stops_at_refusal)
{
	struct list l;
	int at, i;

	for (at = 0; at < LIST; at++) {
		list_init(&l);
		list_put(&l, at, block_plain(command(CRTM_OPEN_SESSION), 0, l.block[at]));
		emu_clear(self->chip);
		ASSERT_EQ(0, ioctl(self->fd, WR_CRTM_CMD, &l.cmd));
		EXPECT_EQ(at + 1, l.cmd.done);
		for (i = 0; i < LIST; i++) {
			EXPECT_EQ(i <= at, l.entry[i].sent) TH_LOG("entry %d of %d", i, at);
			if (i < at)
				EXPECT_EQ(RPMC_STATUS_SUCCESS, l.entry[i].status);
			if (i <= at)
				EXPECT_EQ(0, l.entry[i].result);
			if (i > at)
				EXPECT_EQ(POISON, l.out[i][0]);
		}
		EXPECT_NE(RPMC_STATUS_SUCCESS, l.entry[at].status);
		EXPECT_EQ(CRTM_RESP_OVERHEAD, l.entry[at].out_len);
		EXPECT_EQ(at + 1, emu_opcode(self->chip, RPMC_OP1_DEFAULT));
	}
}

static void nothing(int sig)
{
	(void)sig;
}

static void alarm_in_ms(int ms)
{
	struct sigaction sa = { .sa_handler = nothing };
	struct itimerval it = { .it_value = { .tv_usec = ms * 1000 } };

	sigaction(SIGALRM, &sa, NULL);
	setitimer(ITIMER_REAL, &it, NULL);
}

/* The chip's other user: keeps it busy for about @ms with one measurement. */
static int keep_busy(int chip, int fd, unsigned int ms)
{
	uint8_t block[MAX_BLOCK];
	int pid, tries;

	emu_set(chip, "time_scale", "200");
	pid = fork();
	if (!pid) {
		block_plain(command(CRTM_MEASURE), 0, block);
		/* 10 ms for 64 KiB at twice the typical time */
		put32(block + CRTM_MEASURE_OFF_LEN, ms / 10 * 65536);
		_exit(exchange(fd, RD_CRTM_CMD, block, 44).ret ? 1 : 0);
	}
	for (tries = 0; tries < 2000 && !emu_opcode(chip, RPMC_OP1_DEFAULT); tries++)
		usleep(1000);
	return pid;
}

/* A signal while somebody else has the flash: EINTR, and nothing is sent. */
TEST_F(crtm, signal_before_first_byte)
{
	size_t len = get_info(self->block);
	int pid, status, d;
	struct outcome o;

	for (d = 0; d < (int)ARRAY_SIZE(directions); d++) {
		emu_clear(self->chip);
		pid = keep_busy(self->chip, self->fd, 500);
		ASSERT_GT(pid, 0);
		alarm_in_ms(100);
		o = exchange(self->fd, directions[d].request, self->block, len);
		EXPECT_EQ(-EINTR, o.ret);
		EXPECT_NE(1, o.sent);
		ASSERT_EQ(pid, waitpid(pid, &status, 0));
		EXPECT_EQ(0, status);
		EXPECT_EQ(1, emu_opcode(self->chip, RPMC_OP1_DEFAULT));
	}
}

/* Not restarted either: SA_RESTART must not send anything later by itself. */
TEST_F(crtm, signal_does_not_restart)
{
	struct sigaction sa = { .sa_handler = nothing, .sa_flags = SA_RESTART };
	struct itimerval it = { .it_value = { .tv_usec = 100000 } };
	size_t len = get_info(self->block);
	struct outcome o;
	int pid, status;

	pid = keep_busy(self->chip, self->fd, 500);
	ASSERT_GT(pid, 0);
	sigaction(SIGALRM, &sa, NULL);
	setitimer(ITIMER_REAL, &it, NULL);
	o = exchange(self->fd, RD_CRTM_CMD, self->block, len);
	EXPECT_EQ(-EINTR, o.ret);
	ASSERT_EQ(pid, waitpid(pid, &status, 0));
	EXPECT_EQ(0, status);
	EXPECT_EQ(1, emu_opcode(self->chip, RPMC_OP1_DEFAULT));
}

/* A signal between two blocks ends the list; one in a block does not end that. */
TEST_F(crtm, signal_between_blocks)
{
	struct list l;
	int i;

	list_init(&l);
	for (i = 0; i < LIST; i++) {
		list_put(&l, i, block_plain(command(CRTM_MEASURE), 0, l.block[i]));
		put32(l.block[i] + CRTM_MEASURE_OFF_LEN, 20 * 65536);
	}
	/* 200 ms a block */
	ASSERT_EQ(0, emu_set(self->chip, "time_scale", "200"));
	alarm_in_ms(300);
	ASSERT_EQ(0, ioctl(self->fd, RD_CRTM_CMD, &l.cmd));
	EXPECT_GT(l.cmd.done, 0);
	EXPECT_LT(l.cmd.done, LIST);
	for (i = 0; i < LIST; i++) {
		EXPECT_EQ(i < (int)l.cmd.done, l.entry[i].sent);
		if (i < (int)l.cmd.done) {
			EXPECT_EQ(0, l.entry[i].result);
			EXPECT_EQ(RPMC_STATUS_SUCCESS, l.entry[i].status);
		}
	}
	EXPECT_EQ(l.cmd.done, emu_opcode(self->chip, RPMC_OP1_DEFAULT));
}

/* The agent died after the call began: memory says that it may have been sent. */
TEST_F(crtm, sent_is_stored_first)
{
	struct call *c;
	int pid, status, tries;

	c = mmap(NULL, sizeof(*c), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	ASSERT_NE(MAP_FAILED, c);
	call_init(c, self->block);
	c->entry.in_len = block_plain(command(CRTM_MEASURE), 0, self->block);
	put32(self->block + CRTM_MEASURE_OFF_LEN, 40 * 65536);
	ASSERT_EQ(0, emu_set(self->chip, "time_scale", "200"));
	pid = fork();
	ASSERT_GE(pid, 0);
	if (!pid)
		_exit(call(self->fd, RD_CRTM_CMD, c) ? 1 : 0);
	for (tries = 0; tries < 2000 && !emu_opcode(self->chip, RPMC_OP1_DEFAULT); tries++)
		usleep(1000);
	/* 400 ms of the measurement are still to come */
	EXPECT_EQ(1, *(volatile uint8_t *)&c->entry.sent);
	EXPECT_EQ(-EIO, *(volatile int32_t *)&c->entry.result);
	ASSERT_EQ(pid, waitpid(pid, &status, 0));
	EXPECT_EQ(0, status);
	EXPECT_EQ(0, c->entry.result);
	munmap(c, sizeof(*c));
}

/* MEMGETINFO of others does not wait for a measurement. */
TEST_F(crtm, long_exchange_blocks_nobody)
{
	struct mtd_info_user user;
	struct timeval from, to;
	int pid, status;

	pid = keep_busy(self->chip, self->fd, 700);
	ASSERT_GT(pid, 0);
	gettimeofday(&from, NULL);
	EXPECT_EQ(0, ioctl(self->fd, MEMGETINFO, &user));
	EXPECT_EQ(0, ioctl(self->fd, MTD_CRTM_INFO, &self->info));
	gettimeofday(&to, NULL);
	EXPECT_EQ(0, waitpid(pid, &status, WNOHANG));
	timersub(&to, &from, &to);
	printf("# MEMGETINFO and MTD_CRTM_INFO beside a measurement: %ld us\n",
	       to.tv_sec * 1000000L + (long)to.tv_usec);
	ASSERT_EQ(pid, waitpid(pid, &status, 0));
	EXPECT_EQ(0, status);
}

/* Nor does a read of the array wait for a whole list. */
TEST_F(crtm, list_lets_others_in)
{
	static uint8_t data[SECTOR];
	int pid, status, i, tries;
	struct list l;

	list_init(&l);
	for (i = 0; i < LIST; i++) {
		list_put(&l, i, block_plain(command(CRTM_MEASURE), 0, l.block[i]));
		put32(l.block[i] + CRTM_MEASURE_OFF_LEN, 30 * 65536);
	}
	/* 300 ms a block */
	ASSERT_EQ(0, emu_set(self->chip, "time_scale", "200"));
	pid = fork();
	ASSERT_GE(pid, 0);
	if (!pid)
		_exit(ioctl(self->fd, RD_CRTM_CMD, &l.cmd) || l.cmd.done != LIST);
	for (tries = 0; tries < 2000 && !emu_opcode(self->chip, RPMC_OP1_DEFAULT); tries++)
		usleep(1000);
	EXPECT_EQ(SECTOR, pread(self->fd, data, SECTOR, 0));
	EXPECT_LT(emu_opcode(self->chip, RPMC_OP1_DEFAULT), LIST);
	EXPECT_EQ(0, waitpid(pid, &status, WNOHANG));
	ASSERT_EQ(pid, waitpid(pid, &status, 0));
	EXPECT_EQ(0, status);
	EXPECT_EQ(0, emu_state(self->chip, "busy_ignored"));
}

/* Many at once: each gets the response to its own block. */
TEST_F_TIMEOUT(crtm, own_response, 120)
{
	enum { PROCESSES = 4, ROUNDS = 100 };
	int pid[PROCESSES], i, n, status;
	struct outcome o;

	for (i = 0; i < PROCESSES; i++) {
		pid[i] = fork();
		ASSERT_GE(pid[i], 0);
		if (pid[i])
			continue;
		for (n = 0; n < ROUNDS; n++) {
			uint8_t nonce[32] = { i, n };
			size_t len, at;

			memset(nonce + 2, 0xa0 + i, sizeof(nonce) - 2);
			if (n & 1) {
				len = block_get_info(0, nonce, self->block);
				at = CRTM_INFO_NONCE_LEN;
			} else {
				len = block_measure(0, nonce, i * 65536, 4096, self->block);
				at = CRTM_MEASURE_NONCE_LEN;
			}
			o = exchange(self->fd, RD_CRTM_CMD, self->block, len);
			if (o.ret || o.result || o.status != RPMC_STATUS_SUCCESS ||
			    o.out[CRTM_RESP_OFF_TYPE] != self->block[RPMC_OFF_TYPE] ||
			    memcmp(o.out + CRTM_RESP_OFF_PAYLOAD, nonce, at))
				_exit(1);
		}
		_exit(0);
	}
	for (i = 0; i < PROCESSES; i++) {
		ASSERT_EQ(pid[i], waitpid(pid[i], &status, 0));
		EXPECT_EQ(0, status);
	}
	EXPECT_EQ(PROCESSES * ROUNDS, emu_opcode(self->chip, RPMC_OP1_DEFAULT));
}

/* A refusal leaves the flash as it was: the next write of MTD succeeds. */
TEST_F(crtm, refusal_leaves_flash_clean)
{
	const uint32_t addr = 15 << 20;
	struct erase_info_user erase = { .start = addr, .length = SECTOR };
	uint8_t data[512], back[512];
	unsigned int i, j;

	for (i = 0; i < nr_commands; i++) {
		size_t len = block_plain(&commands[i], 0, self->block);
		struct outcome o = exchange(self->fd, WR_CRTM_CMD, self->block, len);

		ASSERT_EQ(0, o.ret);
		ASSERT_EQ(0, o.result);
		EXPECT_EQ(0, emu_state(self->chip, "wel")) TH_LOG("%s", commands[i].name);
		EXPECT_EQ(0x80, emu_register(self->chip, "fsr")) TH_LOG("%s", commands[i].name);
		EXPECT_EQ(0, emu_state(self->chip, "wip")) TH_LOG("%s", commands[i].name);

		for (j = 0; j < sizeof(data); j++)
			data[j] = i * 7 + j * 13;
		EXPECT_EQ(0, ioctl(self->fd, MEMERASE, &erase)) TH_LOG("%s", commands[i].name);
		EXPECT_EQ(sizeof(data), pwrite(self->fd, data, sizeof(data), addr));
		EXPECT_EQ(sizeof(back), pread(self->fd, back, sizeof(back), addr));
		EXPECT_EQ(0, memcmp(data, back, sizeof(data)));
		EXPECT_EQ(0, emu_content(self->chip, addr, back, sizeof(back)));
		EXPECT_EQ(0, memcmp(data, back, sizeof(data)));
	}
	EXPECT_EQ(0, emu_state(self->chip, "violations"));
}

/* An ordinary part: no security operations, not one byte of 9Bh or 96h. */
TEST(ordinary_part)
{
	struct mtd_crtm_info info = { .size = sizeof(info) };
	uint8_t block[MAX_BLOCK];
	struct outcome o;
	unsigned int d, i;
	int fd;

	emu_clear(ORDINARY);
	fd = mtd_open(ORDINARY, O_RDWR);
	ASSERT_GE(fd, 0);
	for (d = 0; d < ARRAY_SIZE(directions); d++) {
		for (i = 0; i < nr_commands; i++) {
			size_t len = block_plain(&commands[i], 0, block);

			o = exchange(fd, directions[d].request, block, len);
			EXPECT_EQ(-EOPNOTSUPP, o.ret) TH_LOG("%s", commands[i].name);
		}
	}
	EXPECT_EQ(-1, ioctl(fd, MTD_CRTM_INFO, &info));
	EXPECT_EQ(EOPNOTSUPP, errno);
	EXPECT_EQ(-1, ioctl(fd, _IO('M', 0x4f), &info));
	EXPECT_EQ(ENOTTY, errno);
	EXPECT_EQ(0, emu_opcode(ORDINARY, 0x9b));
	EXPECT_EQ(0, emu_opcode(ORDINARY, 0x96));
	close(fd);
}

TEST_HARNESS_MAIN
