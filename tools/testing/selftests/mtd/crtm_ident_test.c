// SPDX-License-Identifier: MIT
/*
 * Identification: by the bytes read from the chip, whatever its SFDP says. An
 * Authenta part binds as itself with 16 MiB and its sector sizes; a part that
 * is none never sees 9Bh or 96h, and one without our marker none at probe; a
 * hostile SFDP gives no command and no harm.
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

#define SFDP_MAX	512
#define MT25QU128_ID	"20bb1812008c"
#define MT25QL128_ID	"20ba1812008c"

FIXTURE(ident) {
	int chip, fd;
	uint8_t sfdp[SFDP_MAX];
	ssize_t sfdp_len;
};

FIXTURE_VARIANT(ident) {
	int chip;
	uint8_t wrong;		/* bits of a byte that are made wrong */
	int step;		/* from one length or byte to the next */
};

FIXTURE_VARIANT_ADD(ident, spi) { .chip = AUTHENTA, .wrong = 0xff, .step = 1 };
FIXTURE_VARIANT_ADD(ident, mem) { .chip = AUTHENTA_MEM, .wrong = 0x01, .step = 5 };

FIXTURE_SETUP(ident)
{
	self->chip = variant->chip;
	self->fd = -1;
	ASSERT_EQ(0, emu_set(self->chip, "time_scale", "0"));
	self->sfdp_len = emu_read(self->chip, "sfdp", self->sfdp, sizeof(self->sfdp));
	ASSERT_GT(self->sfdp_len, 64);
	ASSERT_EQ(0, memcmp(self->sfdp, "SFDP", 4));
}

FIXTURE_TEARDOWN(ident)
{
	close(self->fd);
	spi_unbind(self->chip, "spi-nor");
	EXPECT_EQ(0, emu_set(self->chip, "id", MT25QU128_ID));
	EXPECT_EQ(0, emu_write(self->chip, "sfdp", self->sfdp, self->sfdp_len));
	EXPECT_EQ(0, emu_set(self->chip, "power_cycle", "1"));
	EXPECT_EQ(0, spi_bind(self->chip, "spi-nor"));
}

/* Bind anew, with what the chip tells now. Leaves its node open in self->fd. */
#define REBIND() do {								\
	close(self->fd);							\
	self->fd = -1;								\
	ASSERT_EQ(0, spi_bind(self->chip, "spi-nor"));				\
	self->fd = mtd_open(self->chip, O_RDWR);				\
	ASSERT_GE(self->fd, 0);							\
} while (0)

#define UNBIND() do {								\
	close(self->fd);							\
	self->fd = -1;								\
	ASSERT_EQ(0, spi_unbind(self->chip, "spi-nor"));			\
	emu_clear(self->chip);							\
} while (0)

/* Sizes, and one sector erased, written and read. */
static const char *works(int chip, int fd)
{
	struct erase_info_user erase = { .start = CHIP_SIZE - SECTOR, .length = SECTOR };
	static uint8_t data[SECTOR], back[SECTOR], before[SECTOR];
	struct mtd_info_user user;
	static uint8_t seed;
	unsigned int i;

	if (ioctl(fd, MEMGETINFO, &user))
		return "MEMGETINFO";
	if (user.size != CHIP_SIZE)
		return "size";
	if (user.erasesize != SECTOR)
		return "erase size";
	seed++;
	for (i = 0; i < SECTOR; i++)
		data[i] = seed + i * 3 + i / 256;
	if (emu_content(chip, erase.start - SECTOR, before, SECTOR))
		return "content";
	if (ioctl(fd, MEMERASE, &erase))
		return "MEMERASE";
	if (pwrite(fd, data, SECTOR, erase.start) != SECTOR)
		return "write";
	if (pread(fd, back, SECTOR, erase.start) != SECTOR || memcmp(data, back, SECTOR))
		return "read back";
	if (emu_content(chip, erase.start, back, SECTOR) || memcmp(data, back, SECTOR))
		return "content after write";
	/* one sector was erased, not its neighbour too */
	if (emu_content(chip, erase.start - SECTOR, back, SECTOR) || memcmp(before, back, SECTOR))
		return "the next sector";
	return NULL;
}

/*
 * What MTD_CRTM_INFO may say of an Authenta part whose SFDP is not what it was:
 * no security operations, or commands that some table gave.
 */
static const char *plausible(int fd, const struct mtd_crtm_info *whole)
{
	struct mtd_crtm_info info = { .size = sizeof(info) };

	if (ioctl(fd, MTD_CRTM_INFO, &info))
		return errno == EOPNOTSUPP ? NULL : "errno of MTD_CRTM_INFO";
	if (!strcasestr(info.chip, "authenta"))
		return "name";
	if (info.chip_size != CHIP_SIZE)
		return "chip_size";
	if (!(info.flags & MTD_CRTM_F_RPMC))
		return "security operations without JESD260";
	if (info.op1 != whole->op1 || info.op2 != whole->op2)
		return "opcodes";
	if (!info.slots || info.slots > RPMC_MAX_SLOTS)
		return "slots";
	if (info.commands[0] != whole->commands[0])
		return "JESD260 commands";
	if (!(info.flags & MTD_CRTM_F_CRTM) && info.commands[1])
		return "A-CRTM commands without the flag";
	return NULL;
}

/*
 * What the probe said in secure opcodes: it asks a chip with our marker for its
 * regions, once; any other hears nothing.
 */
static const char *probe_was_quiet(int chip, int fd)
{
	static char text[1 << 18];
	struct mtd_crtm_info info = { .size = sizeof(info) };
	bool marked = !ioctl(fd, MTD_CRTM_INFO, &info) && info.flags & MTD_CRTM_F_CRTM;
	char *p = text;
	ssize_t n;

	if (emu_opcode(chip, 0x9b) != marked)
		return marked ? "not one 9Bh at probe" : "9Bh at probe";
	if (!marked && emu_opcode(chip, 0x96))
		return "96h at probe";
	n = emu_read(chip, "trace", text, sizeof(text) - 1);
	if (n <= 0)
		return "trace";
	text[n] = '\0';
	while ((p = strstr(p, "op=9b"))) {
		if (strncmp(p, "op=9b type=48", 13))
			return "9Bh with another type than 48 at probe";
		p++;
	}
	return NULL;
}

/* Position and length of a parameter table in the SFDP area, or -1. */
static int sfdp_table(const uint8_t *sfdp, uint16_t id, int *header, int *len)
{
	int i;

	for (i = 0; i <= sfdp[6]; i++) {
		const uint8_t *h = sfdp + 8 + 8 * i;

		if ((h[7] << 8 | h[0]) != id)
			continue;
		*header = 8 + 8 * i;
		*len = h[3] * 4;
		return h[4] | h[5] << 8 | h[6] << 16;
	}
	return -1;
}

TEST_F(ident, as_itself)
{
	struct mtd_crtm_info info = { .size = sizeof(info) };
	const char *why;

	UNBIND();
	REBIND();
	why = probe_was_quiet(self->chip, self->fd);
	EXPECT_EQ(NULL, why) TH_LOG("%s", why);
	ASSERT_EQ(0, ioctl(self->fd, MTD_CRTM_INFO, &info));
	EXPECT_NE(NULL, strcasestr(info.chip, "mt25qu128"));
	EXPECT_NE(NULL, strcasestr(info.chip, "authenta"));
	why = works(self->chip, self->fd);
	EXPECT_EQ(NULL, why) TH_LOG("%s", why);

	/* the 3 V part */
	UNBIND();
	ASSERT_EQ(0, emu_set(self->chip, "id", MT25QL128_ID));
	REBIND();
	ASSERT_EQ(0, ioctl(self->fd, MTD_CRTM_INFO, &info));
	EXPECT_NE(NULL, strcasestr(info.chip, "mt25ql128"));
	EXPECT_NE(NULL, strcasestr(info.chip, "authenta"));
	why = works(self->chip, self->fd);
	EXPECT_EQ(NULL, why) TH_LOG("%s", why);
}

/* SFDP that ends after every number of bytes: from none to all; fewer on the other controller. */
TEST_F_TIMEOUT(ident, sfdp_cut_off, 600)
{
	struct mtd_crtm_info whole = { .size = sizeof(whole) };
	struct mtd_crtm_info info;
	const char *why;
	ssize_t len;

	self->fd = mtd_open(self->chip, O_RDWR);
	ASSERT_GE(self->fd, 0);
	ASSERT_EQ(0, ioctl(self->fd, MTD_CRTM_INFO, &whole));
	for (len = self->sfdp_len % variant->step; len <= self->sfdp_len; len += variant->step) {
		uint8_t sfdp[SFDP_MAX];

		memset(sfdp, 0xff, sizeof(sfdp));
		memcpy(sfdp, self->sfdp, len);
		UNBIND();
		ASSERT_EQ(0, emu_write(self->chip, "sfdp", sfdp, self->sfdp_len));
		REBIND();
		why = probe_was_quiet(self->chip, self->fd);
		EXPECT_EQ(NULL, why) TH_LOG("after %zd bytes: %s", len, why);
		why = works(self->chip, self->fd);
		EXPECT_EQ(NULL, why) TH_LOG("after %zd bytes: %s", len, why);
		why = plausible(self->fd, &whole);
		EXPECT_EQ(NULL, why) TH_LOG("after %zd bytes: %s", len, why);
	}
	info.size = sizeof(info);
	ASSERT_EQ(0, ioctl(self->fd, MTD_CRTM_INFO, &info));
	EXPECT_EQ(0, memcmp(&whole, &info, sizeof(info)));
}

/* Each byte wrong in turn. */
TEST_F_TIMEOUT(ident, sfdp_wrong_byte, 600)
{
	struct mtd_crtm_info whole = { .size = sizeof(whole) };
	int at, marker, header, len, opcodes;
	const char *why;

	self->fd = mtd_open(self->chip, O_RDWR);
	ASSERT_GE(self->fd, 0);
	ASSERT_EQ(0, ioctl(self->fd, MTD_CRTM_INFO, &whole));
	opcodes = sfdp_table(self->sfdp, RPMC_SFDP_ID, &header, &len);
	ASSERT_GT(opcodes, 0);
	marker = sfdp_table(self->sfdp, CRTM_MARKER_ID, &header, &len);
	ASSERT_GT(marker, 0);
	for (at = 0; at < self->sfdp_len; at += variant->step) {
		struct mtd_crtm_info info = { .size = sizeof(info) };
		uint8_t sfdp[SFDP_MAX];
		int ret;

		memcpy(sfdp, self->sfdp, self->sfdp_len);
		sfdp[at] ^= variant->wrong;
		UNBIND();
		ASSERT_EQ(0, emu_write(self->chip, "sfdp", sfdp, self->sfdp_len));
		REBIND();
		why = probe_was_quiet(self->chip, self->fd);
		EXPECT_EQ(NULL, why) TH_LOG("byte %d ^ %02x: %s", at, variant->wrong, why);
		why = works(self->chip, self->fd);
		EXPECT_EQ(NULL, why) TH_LOG("byte %d ^ %02x: %s", at, variant->wrong, why);
		why = plausible(self->fd, &whole);
		EXPECT_EQ(NULL, why) TH_LOG("byte %d ^ %02x: %s", at, variant->wrong, why);
		ret = ioctl(self->fd, MTD_CRTM_INFO, &info);
		/* a marker that is not ours gives no reference commands */
		if (at >= marker && at < marker + CRTM_MARKER_LEN) {
			EXPECT_EQ(0, info.flags & MTD_CRTM_F_CRTM) TH_LOG("byte %d", at);
		}
		/* opcodes other than 9Bh and 96h are not taken from a table */
		if (at == opcodes + 1 || at == opcodes + 2) {
			EXPECT_EQ(-1, ret) TH_LOG("byte %d", at);
		}
	}
}

/* Lengths and pointers of the RPMC table and the marker, as an attacker would set them. */
TEST_F_TIMEOUT(ident, sfdp_hostile_headers, 120)
{
	static const uint16_t ids[] = { RPMC_SFDP_ID, CRTM_MARKER_ID };
	static const uint32_t pointers[] = {
		0, 4, 0x000100, 0x0001fc, 0x000200, 0x00fffc, 0x7ffffc, 0xfffff8, 0xfffffc,
		0xffffff,
	};
	struct mtd_crtm_info whole = { .size = sizeof(whole) };
	int header, len, table;
	const char *why;
	unsigned int i, j;

	self->fd = mtd_open(self->chip, O_RDWR);
	ASSERT_GE(self->fd, 0);
	ASSERT_EQ(0, ioctl(self->fd, MTD_CRTM_INFO, &whole));
	for (i = 0; i < ARRAY_SIZE(ids); i++) {
		table = sfdp_table(self->sfdp, ids[i], &header, &len);
		ASSERT_GT(table, 0);
		for (j = 0; j < 8 + ARRAY_SIZE(pointers); j++) {
			static const uint8_t lengths[8] = { 0, 1, 3, 5, 63, 64, 128, 255 };
			struct mtd_crtm_info info = { .size = sizeof(info) };
			uint8_t sfdp[SFDP_MAX];
			int ret;

			memcpy(sfdp, self->sfdp, self->sfdp_len);
			if (j < 8) {
				sfdp[header + 3] = lengths[j];
			} else {
				sfdp[header + 4] = pointers[j - 8];
				sfdp[header + 5] = pointers[j - 8] >> 8;
				sfdp[header + 6] = pointers[j - 8] >> 16;
			}
			UNBIND();
			ASSERT_EQ(0, emu_write(self->chip, "sfdp", sfdp, self->sfdp_len));
			REBIND();
			why = probe_was_quiet(self->chip, self->fd);
			EXPECT_EQ(NULL, why) TH_LOG("table %04x, case %u: %s", ids[i], j, why);
			why = works(self->chip, self->fd);
			EXPECT_EQ(NULL, why) TH_LOG("table %04x, case %u: %s", ids[i], j, why);
			why = plausible(self->fd, &whole);
			EXPECT_EQ(NULL, why) TH_LOG("table %04x, case %u: %s", ids[i], j, why);
			ret = ioctl(self->fd, MTD_CRTM_INFO, &info);
			/* shorter than it must be, or somewhere else: not that table */
			if (j >= 2 && j < 8)
				continue;
			if (ids[i] == RPMC_SFDP_ID) {
				EXPECT_EQ(-1, ret) TH_LOG("case %u", j);
			} else {
				EXPECT_EQ(0, info.flags & MTD_CRTM_F_CRTM) TH_LOG("case %u", j);
			}
		}
	}

	/* more tables announced than there are */
	for (i = 0; i < 256; i += 15) {
		uint8_t sfdp[SFDP_MAX];

		memcpy(sfdp, self->sfdp, self->sfdp_len);
		sfdp[6] = i;
		UNBIND();
		ASSERT_EQ(0, emu_write(self->chip, "sfdp", sfdp, self->sfdp_len));
		REBIND();
		why = works(self->chip, self->fd);
		EXPECT_EQ(NULL, why) TH_LOG("%u tables: %s", i, why);
	}
}

/* An announced engine that is not there: "b0 = 0: supported". */
TEST_F(ident, rpmc_not_supported)
{
	struct mtd_crtm_info info = { .size = sizeof(info) };
	int header, len, table = sfdp_table(self->sfdp, RPMC_SFDP_ID, &header, &len);
	uint8_t sfdp[SFDP_MAX];

	ASSERT_GT(table, 0);
	memcpy(sfdp, self->sfdp, self->sfdp_len);
	sfdp[table] |= 1;
	UNBIND();
	ASSERT_EQ(0, emu_write(self->chip, "sfdp", sfdp, self->sfdp_len));
	REBIND();
	EXPECT_EQ(-1, ioctl(self->fd, MTD_CRTM_INFO, &info));
	EXPECT_EQ(EOPNOTSUPP, errno);
}

/* IDs that share the first three bytes with Authenta and are none. */
TEST_F(ident, other_ids)
{
	static const char * const ids[] = {
		"20bb18", "20bb18100000", "20bb1810440000", "20bb18120000", "20bb1812008b",
		"20bb18100084", "20bb1810008c", "20bb18120c8c", "20ba18100000",
	};
	struct mtd_crtm_info info = { .size = sizeof(info) };
	enum { NONE, BASIC, WHOLE, KINDS };
	uint8_t sfdp[KINDS][SFDP_MAX], block[MAX_BLOCK];
	const char *why;
	unsigned int i, with;

	/* no SFDP, its basic table alone, all of it: on a Micron part its ID decides */
	memset(sfdp[NONE], 0xff, SFDP_MAX);
	memcpy(sfdp[BASIC], self->sfdp, self->sfdp_len);
	sfdp[BASIC][6] = 0;
	memcpy(sfdp[WHOLE], self->sfdp, self->sfdp_len);
	for (with = 0; with < ARRAY_SIZE(sfdp); with++) {
		for (i = 0; i < ARRAY_SIZE(ids); i++) {
			UNBIND();
			ASSERT_EQ(0, emu_write(self->chip, "sfdp", sfdp[with], self->sfdp_len));
			ASSERT_EQ(0, emu_set(self->chip, "id", ids[i]));
			REBIND();
			EXPECT_EQ(-1, ioctl(self->fd, MTD_CRTM_INFO, &info));
			EXPECT_EQ(EOPNOTSUPP, errno) TH_LOG("%s", ids[i]);
			EXPECT_EQ(-EOPNOTSUPP,
				  exchange(self->fd, WR_CRTM_CMD, block,
					   block_plain(command(CRTM_GET_INFO), 0, block)).ret);
			EXPECT_EQ(0, emu_opcode(self->chip, 0x9b)) TH_LOG("%s", ids[i]);
			EXPECT_EQ(0, emu_opcode(self->chip, 0x96)) TH_LOG("%s", ids[i]);
			why = works(self->chip, self->fd);
			EXPECT_EQ(NULL, why) TH_LOG("%s: %s", ids[i], why);
		}
	}
}

/*
 * Micron's and ST's parts that no table lists: there is no telling what 9Bh does.
 * Kernels without a generic entry don't bind them at all.
 */
TEST_F(ident, unlisted_ids)
{
	static const char * const ids[] = {
		"20bb0f104400", "20ba0f104400", "20bb0f12008c", "2cbb0f104400", "2c5b0f104400",
	};
	struct mtd_crtm_info info = { .size = sizeof(info) };
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(ids); i++) {
		if (mtd_number(self->chip) >= 0)
			UNBIND();
		ASSERT_EQ(0, emu_set(self->chip, "id", ids[i]));
		emu_clear(self->chip);
		if (spi_bind(self->chip, "spi-nor"))
			continue;
		self->fd = mtd_open(self->chip, O_RDWR);
		ASSERT_GE(self->fd, 0);
		EXPECT_EQ(-1, ioctl(self->fd, MTD_CRTM_INFO, &info)) TH_LOG("%s", ids[i]);
		EXPECT_EQ(EOPNOTSUPP, errno) TH_LOG("%s", ids[i]);
		EXPECT_EQ(0, emu_opcode(self->chip, 0x9b)) TH_LOG("%s", ids[i]);
		EXPECT_EQ(0, emu_opcode(self->chip, 0x96)) TH_LOG("%s", ids[i]);
	}
}

/* The ordinary part: nothing at probe either. */
TEST(ordinary_probe)
{
	struct mtd_info_user user;
	int fd;

	ASSERT_EQ(0, spi_unbind(ORDINARY, "spi-nor"));
	emu_clear(ORDINARY);
	ASSERT_EQ(0, spi_bind(ORDINARY, "spi-nor"));
	EXPECT_LT(0, emu_opcode(ORDINARY, 0x9f));
	EXPECT_EQ(0, emu_opcode(ORDINARY, 0x9b));
	EXPECT_EQ(0, emu_opcode(ORDINARY, 0x96));
	fd = mtd_open(ORDINARY, O_RDWR);
	ASSERT_GE(fd, 0);
	ASSERT_EQ(0, ioctl(fd, MEMGETINFO, &user));
	EXPECT_EQ(32 << 20, user.size);
	close(fd);
}

TEST_HARNESS_MAIN
