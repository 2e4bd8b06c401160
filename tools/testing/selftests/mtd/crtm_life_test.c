// SPDX-License-Identifier: MIT
/*
 * The whole life of a secure flash through the ioctls, every HMAC real and
 * checked here: provision, session, erase, program, protect, measure, derive
 * keys; the same chip as an ordinary MTD device in between; and another
 * vendor's JESD260 part. Run with the chip's times on.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/spi/spidev.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "common.h"
#include "kselftest_harness.h"
#include "session.h"

#define REGION		(2U << 20)
#define REGION_LEN	CRTM_REGION_UNIT

/* Two fixtures of one form: every secure chip, and those with A-CRTM commands. */
#define LIFE_FIXTURE(_name)							\
FIXTURE(_name) {								\
	int chip, fd;								\
	struct keys keys[RPMC_MAX_SLOTS];					\
	struct mtd_crtm_info info;						\
	uint8_t block[MAX_BLOCK];						\
	struct outcome o;							\
};										\
										\
FIXTURE_VARIANT(_name) {							\
	int chip;								\
};										\
										\
FIXTURE_SETUP(_name)								\
{										\
	int slot;								\
										\
	self->chip = variant->chip;						\
	ASSERT_EQ(0, emu_set(self->chip, "time_scale", "100"));			\
	ASSERT_EQ(0, emu_set(self->chip, "power_cycle", "1"));			\
	self->fd = mtd_open(self->chip, O_RDWR);				\
	ASSERT_GE(self->fd, 0);							\
	self->info.size = sizeof(self->info);					\
	ASSERT_EQ(0, ioctl(self->fd, MTD_CRTM_INFO, &self->info));		\
	for (slot = 0; slot < RPMC_MAX_SLOTS; slot++)				\
		test_keys(&self->keys[slot], slot);				\
	emu_clear(self->chip);							\
}										\
										\
FIXTURE_TEARDOWN(_name)								\
{										\
	EXPECT_EQ(0, emu_state(self->chip, "violations"));			\
	emu_set(self->chip, "time_scale", "0");					\
	emu_set(self->chip, "power_cycle", "1");				\
	close(self->fd);							\
}

LIFE_FIXTURE(life);
FIXTURE_VARIANT_ADD(life, spi) { .chip = AUTHENTA };
FIXTURE_VARIANT_ADD(life, mem) { .chip = AUTHENTA_MEM };
FIXTURE_VARIANT_ADD(life, other) { .chip = OTHER };

LIFE_FIXTURE(crtm);
FIXTURE_VARIANT_ADD(crtm, spi) { .chip = AUTHENTA };
FIXTURE_VARIANT_ADD(crtm, mem) { .chip = AUTHENTA_MEM };

/* JESD260: every slot, on every kind of chip. */
TEST_F(life, counters)
{
	static const uint8_t tag[RPMC_TAG_LEN] = "tag of mine";
	char name[16];
	size_t len;
	int slot;

	for (slot = 0; slot < self->info.slots; slot++) {
		struct keys *k = &self->keys[slot];
		bool fresh = !(emu_register(self->chip, "root_keys") >> slot & 1);
		uint32_t before;

		/* The key register does not survive power-on. */
		SEND(RD_CRTM_CMD, block_request(k, tag, self->block));
		EXPECT_EQ(0, self->o.status & RPMC_STATUS_SUCCESS);
		EXPECT_NE(0, self->o.status & (RPMC_STATUS_NO_KEY | RPMC_STATUS_ROOT_KEY));
		if (fresh) {
			SEND(WR_CRTM_CMD, block_update_key(k, tag, self->block));
			EXPECT_NE(0, self->o.status & (RPMC_STATUS_ROOT_KEY | RPMC_STATUS_NO_KEY));
			EXPECT_EQ(0, self->o.status & RPMC_STATUS_SUCCESS);
		}
		PROVISION(k);
		/* A root key is written once. */
		SEND(WR_CRTM_CMD, block_root_key(k, self->block));
		EXPECT_EQ(RPMC_STATUS_ROOT_KEY, self->o.status);

		before = k->mc;
		len = block_increment(k, self->block);
		SEND(WR_CRTM_CMD, len);
		EXPECT_EQ(RPMC_STATUS_SUCCESS, self->o.status);
		/* The same bytes again are a replay. */
		SEND(WR_CRTM_CMD, len);
		EXPECT_EQ(RPMC_STATUS_COUNTER, self->o.status);
		len = block_increment(k, self->block);
		self->block[len - 1] ^= 1;
		SEND(WR_CRTM_CMD, len);
		EXPECT_EQ(RPMC_STATUS_SIGNATURE, self->o.status);

		SEND(RD_CRTM_CMD, block_request(k, tag, self->block));
		EXPECT_EQ(RPMC_STATUS_SUCCESS, self->o.status);
		EXPECT_TRUE(rpmc_signed(k->hkr, &self->o));
		EXPECT_EQ(0, memcmp(tag, self->o.out + RPMC_RESP_OFF_TAG, sizeof(tag)));
		EXPECT_EQ(before + 1, get32(self->o.out + RPMC_RESP_OFF_COUNTER));
		snprintf(name, sizeof(name), "mc.%d", slot);
		EXPECT_EQ(before + 1, emu_state(self->chip, name));
	}
}

TEST_F_TIMEOUT(crtm, session, 120)
{
	struct erase_info_user erase = { .start = REGION, .length = SECTOR };
	static const uint8_t nonce[CRTM_MEASURE_NONCE_LEN] = "a nonce of the server, 32 bytes";
	struct keys *k = &self->keys[0];
	uint8_t *image = malloc(REGION_LEN), *back = malloc(REGION_LEN);
	uint8_t digest[SHA256_LEN], key[CRTM_DERIVE_PAYLOAD];
	unsigned int i, at;
	size_t len;

	ASSERT_NE(NULL, image);
	ASSERT_NE(NULL, back);
	for (i = 0; i < REGION_LEN; i++)
		image[i] = i * 31 + i / 253;

	PROVISION(k);
	/* Whatever an earlier, failed run left. */
	OPEN_SESSION(k);
	if (emu_state(self->chip, "regions") > 0)
		IN_SESSION(k, block_protect(k, REGION, REGION_LEN, CRTM_PROTECT_REMOVE,
					    self->block));
	IN_SESSION(k, block_protect(k, REGION, REGION_LEN, CRTM_PROTECT_ADD, self->block));
	IN_SESSION(k, block_erase(k, REGION, REGION_LEN, self->block));
	ASSERT_EQ(0, emu_content(self->chip, REGION, back, REGION_LEN));
	for (i = 0; i < REGION_LEN; i++)
		if (back[i] != 0xff)
			break;
	EXPECT_EQ(REGION_LEN, i);

	/* 4 KiB by authenticated pages, a write of MTD elsewhere between two of them */
	for (at = 0; at < SECTOR; at += CRTM_PAGE_SIZE) {
		IN_SESSION(k, block_program(k, REGION + at, image + at, CRTM_PAGE_SIZE,
					    self->block));
		erase.start = REGION + REGION_LEN + at / CRTM_PAGE_SIZE * SECTOR;
		if (at % 1024)
			continue;
		EXPECT_EQ(0, ioctl(self->fd, MEMERASE, &erase));
		EXPECT_EQ(SECTOR, pwrite(self->fd, image, SECTOR, erase.start));
		EXPECT_EQ(SECTOR, pread(self->fd, back, SECTOR, erase.start));
		EXPECT_EQ(0, memcmp(image, back, SECTOR));
	}
	EXPECT_EQ(SECTOR, pread(self->fd, back, SECTOR, REGION));
	EXPECT_EQ(0, memcmp(image, back, SECTOR));
	ASSERT_EQ(0, emu_content(self->chip, REGION, back, SECTOR));
	EXPECT_EQ(0, memcmp(image, back, SECTOR));

	/* measured as it is */
	SEND_SIGNED(RD_CRTM_CMD, block_measure(0, nonce, REGION, SECTOR, self->block), k->hkr);
	ASSERT_EQ(CRTM_RESP_OVERHEAD + CRTM_MEASURE_PAYLOAD, self->o.out_len);
	EXPECT_EQ(0, memcmp(nonce, self->o.out + CRTM_RESP_OFF_PAYLOAD, sizeof(nonce)));
	sha256(image, SECTOR, digest);
	EXPECT_EQ(0, memcmp(digest, self->o.out + CRTM_RESP_OFF_PAYLOAD + CRTM_MEASURE_OFF_DIGEST,
			    sizeof(digest)));

	/* what MTD may not do to it */
	erase.start = REGION;
	EXPECT_EQ(-1, ioctl(self->fd, MEMERASE, &erase));
	EXPECT_EQ(EIO, errno);
	EXPECT_EQ(-1, pwrite(self->fd, "no", 2, REGION + SECTOR));
	EXPECT_EQ(EIO, errno);
	ASSERT_EQ(0, emu_content(self->chip, REGION, back, REGION_LEN));
	EXPECT_EQ(0, memcmp(image, back, SECTOR));
	for (i = SECTOR; i < REGION_LEN; i++)
		if (back[i] != 0xff)
			break;
	EXPECT_EQ(REGION_LEN, i);
	/* and its next write outside succeeds */
	erase.start = REGION + REGION_LEN;
	EXPECT_EQ(0, ioctl(self->fd, MEMERASE, &erase));
	EXPECT_EQ(SECTOR, pwrite(self->fd, image, SECTOR, erase.start));
	EXPECT_EQ(SECTOR, pread(self->fd, back, SECTOR, erase.start));
	EXPECT_EQ(0, memcmp(image, back, SECTOR));

	/* a key from what is protected; the same again, another under another label */
	SEND_SIGNED(RD_CRTM_CMD, block_derive(0, "label one label ", REGION, REGION_LEN,
					      self->block), k->hkr);
	ASSERT_EQ(CRTM_RESP_OVERHEAD + CRTM_DERIVE_PAYLOAD, self->o.out_len);
	memcpy(key, self->o.out + CRTM_RESP_OFF_PAYLOAD, sizeof(key));
	SEND_SIGNED(RD_CRTM_CMD, block_derive(0, "label one label ", REGION, REGION_LEN,
					      self->block), k->hkr);
	EXPECT_EQ(0, memcmp(key, self->o.out + CRTM_RESP_OFF_PAYLOAD, sizeof(key)));
	SEND_SIGNED(RD_CRTM_CMD, block_derive(0, "label two label ", REGION, REGION_LEN,
					      self->block), k->hkr);
	EXPECT_NE(0, memcmp(key, self->o.out + CRTM_RESP_OFF_PAYLOAD, sizeof(key)));
	/* not from what is not */
	SEND(RD_CRTM_CMD, block_derive(0, "label one label ", REGION, REGION_LEN + 1, self->block));
	EXPECT_NE(0, self->o.status & CRTM_STATUS_REFUSED);

	/* None of this ended the session: */
	SEND_SIGNED(RD_CRTM_CMD, block_get_info(0, nonce, self->block), k->hkr);
	EXPECT_EQ(0, memcmp(nonce, self->o.out + CRTM_RESP_OFF_PAYLOAD, CRTM_INFO_NONCE_LEN));
	EXPECT_EQ(1, self->o.out[CRTM_RESP_OFF_PAYLOAD + CRTM_INFO_OFF_REGIONS]);
	EXPECT_EQ(CRTM_INFO_F_SESSION, CRTM_INFO_F_SESSION &
		  get32(self->o.out + CRTM_RESP_OFF_PAYLOAD + CRTM_INFO_OFF_FLAGS));
	EXPECT_EQ(k->seq, get32(self->o.out + CRTM_RESP_OFF_PAYLOAD + CRTM_INFO_OFF_SEQ));

	/* A replay and a flipped bit are refused and do not end it either. */
	len = block_program(k, REGION + SECTOR, image, 1, self->block);
	IN_SESSION(k, len);
	SEND(WR_CRTM_CMD, len);
	EXPECT_EQ(RPMC_STATUS_COUNTER, self->o.status);
	len = block_program(k, REGION + SECTOR + 1, image, 1, self->block);
	self->block[CRTM_OFF_DATA] ^= 1;
	SEND(WR_CRTM_CMD, len);
	EXPECT_EQ(RPMC_STATUS_SIGNATURE, self->o.status);
	EXPECT_EQ(k->seq, emu_state(self->chip, "seq"));

	/* After 47 there are no more keys. */
	SEND(WR_CRTM_CMD, block_plain(command(CRTM_LOCK_DERIVATION), 0, self->block));
	EXPECT_EQ(RPMC_STATUS_SUCCESS, self->o.status);
	SEND(RD_CRTM_CMD, block_derive(0, "label one label ", REGION, REGION_LEN, self->block));
	EXPECT_EQ(0, self->o.status & RPMC_STATUS_SUCCESS);
	EXPECT_EQ(NULL, memmem(self->o.out, sizeof(self->o.out), key, sizeof(key)));

	/* Undone for the next test. */
	IN_SESSION(k, block_protect(k, REGION, REGION_LEN, CRTM_PROTECT_REMOVE, self->block));
	SEND_SIGNED(WR_CRTM_CMD, block_close(k, self->block), k->sk);
	EXPECT_EQ(0, emu_state(self->chip, "session"));
	SEND(WR_CRTM_CMD, block_close(k, self->block));
	EXPECT_EQ(RPMC_STATUS_NO_KEY, self->o.status);
	erase.start = REGION;
	erase.length = REGION_LEN;
	EXPECT_EQ(0, ioctl(self->fd, MEMERASE, &erase));
	free(image);
	free(back);
}

/* A derived key does not stay in the chip for the next one who asks the bus. */
TEST_F(crtm, derived_key_is_replaced)
{
	struct keys *k = &self->keys[0];
	uint8_t key[CRTM_DERIVE_PAYLOAD], tx[2 + MAX_RESPONSE] = {}, rx[2 + MAX_RESPONSE] = {};
	struct spi_ioc_transfer xfer = {
		.tx_buf = (uintptr_t)tx, .rx_buf = (uintptr_t)rx, .len = sizeof(tx),
	};
	char name[32], path[64], *last;
	static char trace[1 << 16];
	int fd, ret;
	ssize_t n;

	PROVISION(k);
	OPEN_SESSION(k);
	IN_SESSION(k, block_protect(k, REGION, REGION_LEN, CRTM_PROTECT_ADD, self->block));
	emu_clear(self->chip);
	SEND_SIGNED(RD_CRTM_CMD, block_derive(0, "label one label ", REGION, REGION_LEN,
					      self->block), k->hkr);
	memcpy(key, self->o.out + CRTM_RESP_OFF_PAYLOAD, sizeof(key));
	EXPECT_EQ(2, emu_opcode(self->chip, RPMC_OP1_DEFAULT));
	n = emu_read(self->chip, "trace", trace, sizeof(trace) - 1);
	ASSERT_GT(n, 0);
	last = strstr(trace, "op=9b type=46");
	ASSERT_NE(NULL, last);
	EXPECT_NE(NULL, strstr(last, "op=9b type=48"));

	/* Only the plain controller does what spidev asks for. */
	if (self->chip == AUTHENTA) {
		close(self->fd);
		ASSERT_EQ(0, spi_unbind(self->chip, "spi-nor"));
		ASSERT_EQ(0, spi_bind(self->chip, "spidev"));
		ASSERT_EQ(0, spi_name(self->chip, name, sizeof(name)));
		snprintf(path, sizeof(path), "/dev/spidev%s", name + strlen("spi"));
		fd = open(path, O_RDWR);
		tx[0] = RPMC_OP2_DEFAULT;
		ret = fd < 0 ? -1 : ioctl(fd, SPI_IOC_MESSAGE(1), &xfer);
		close(fd);
		EXPECT_EQ(0, spi_unbind(self->chip, "spidev"));
		EXPECT_EQ(0, spi_bind(self->chip, "spi-nor"));
		self->fd = mtd_open(self->chip, O_RDWR);
		ASSERT_GE(self->fd, 0);

		ASSERT_EQ(sizeof(tx), ret);
		EXPECT_EQ(CRTM_GET_INFO, rx[2 + CRTM_RESP_OFF_TYPE]);
		EXPECT_EQ(NULL, memmem(rx, sizeof(rx), key, sizeof(key)));
	}

	PROVISION(k);
	OPEN_SESSION(k);
	IN_SESSION(k, block_protect(k, REGION, REGION_LEN, CRTM_PROTECT_REMOVE, self->block));
}

/* Another vendor's part has the JESD260 commands and no others. */
TEST(other_vendor)
{
	struct mtd_crtm_info info = { .size = sizeof(info) };
	int fd = mtd_open(OTHER, O_RDWR);
	uint8_t block[MAX_BLOCK];
	unsigned int i;

	ASSERT_GE(fd, 0);
	ASSERT_EQ(0, ioctl(fd, MTD_CRTM_INFO, &info));
	EXPECT_EQ(MTD_CRTM_F_RPMC | MTD_CRTM_F_POLL_RDSR | MTD_CRTM_F_MASTER, info.flags);
	EXPECT_EQ(4, info.slots);
	EXPECT_EQ(0xf, info.commands[0]);
	EXPECT_EQ(0, info.commands[1]);
	EXPECT_EQ(1 << RPMC_REQUEST_COUNTER, info.read_only[0]);
	EXPECT_EQ(0, info.read_only[1]);
	EXPECT_EQ(64, info.max_block);
	EXPECT_EQ(RPMC_RESP_LEN, info.max_response);
	emu_clear(OTHER);
	for (i = 0; i < nr_commands; i++) {
		size_t len = block_plain(&commands[i], 0, block);

		if (commands[i].type <= RPMC_REQUEST_COUNTER)
			continue;
		EXPECT_EQ(-EPERM, exchange(fd, WR_CRTM_CMD, block, len).ret)
			TH_LOG("%s", commands[i].name);
		EXPECT_EQ(-EPERM, exchange(fd, RD_CRTM_CMD, block, len).ret)
			TH_LOG("%s", commands[i].name);
	}
	EXPECT_EQ(0, emu_opcode(OTHER, RPMC_OP1_DEFAULT));
	close(fd);
}

/* MTD as ever, on each of the chips. */
TEST_F(life, plain_mtd)
{
	struct erase_info_user erase = { .start = 5 << 20, .length = 16 * SECTOR };
	uint8_t *data = malloc(erase.length), *back = malloc(erase.length);
	struct mtd_info_user user;
	unsigned int i;

	ASSERT_NE(NULL, data);
	ASSERT_NE(NULL, back);
	ASSERT_EQ(0, ioctl(self->fd, MEMGETINFO, &user));
	erase.length = 2 * user.erasesize;
	for (i = 0; i < erase.length; i++)
		data[i] = i * 17 + i / 251;
	ASSERT_EQ(0, ioctl(self->fd, MEMERASE, &erase));
	ASSERT_EQ(erase.length, pwrite(self->fd, data, erase.length, erase.start));
	ASSERT_EQ(erase.length, pread(self->fd, back, erase.length, erase.start));
	EXPECT_EQ(0, memcmp(data, back, erase.length));
	ASSERT_EQ(0, emu_content(self->chip, erase.start, back, erase.length));
	EXPECT_EQ(0, memcmp(data, back, erase.length));
	/* and not one byte of the security commands for it */
	EXPECT_EQ(0, emu_opcode(self->chip, RPMC_OP1_DEFAULT));
	EXPECT_EQ(0, emu_opcode(self->chip, RPMC_OP2_DEFAULT));
	free(data);
	free(back);
}

TEST_HARNESS_MAIN
