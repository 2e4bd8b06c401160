// SPDX-License-Identifier: MIT
/*
 * What an exchange costs: SPI operations and bytes on the wire, from the chip's
 * own trace, printed as diagnostics and appended to /share/cost.txt if there is
 * a /share. Passes or fails by what has to be so at any speed: each block goes
 * out once and its response is read once.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "common.h"
#include "kselftest_harness.h"
#include "session.h"

struct cost {
	unsigned int ops, bytes;
	unsigned int blocks;	/* OP1 */
	unsigned int reads;	/* OP2, more than the status byte */
	unsigned int polls;	/* OP2 for the status alone, RDSR */
	unsigned int others;
};

static int cost_of_trace(int chip, struct cost *cost)
{
	static char text[1 << 20];
	char *line, *p, *rest = text;
	ssize_t n;

	memset(cost, 0, sizeof(*cost));
	n = emu_read(chip, "trace", text, sizeof(text) - 1);
	if (n < 0)
		return n;
	text[n] = '\0';
	while ((line = strsep(&rest, "\n"))) {
		unsigned int op, len;

		p = strstr(line, "op=");
		if (!p)
			continue;
		op = strtoul(p + 3, NULL, 16);
		p = strstr(line, " len=");
		if (!p)
			return -EBADMSG;
		len = strtoul(p + 5, NULL, 10);
		cost->ops++;
		cost->bytes += len;
		if (op == RPMC_OP1_DEFAULT)
			cost->blocks++;
		else if (op == RPMC_OP2_DEFAULT && len > 3)
			cost->reads++;
		else if (op == RPMC_OP2_DEFAULT || op == 0x05)
			cost->polls++;
		else
			cost->others++;
	}
	return 0;
}

static void __attribute__((format(printf, 1, 2))) report(const char *fmt, ...)
{
	static struct utsname uts;
	char text[256];
	va_list args;
	FILE *f;

	va_start(args, fmt);
	vsnprintf(text, sizeof(text), fmt, args);
	va_end(args);
	uname(&uts);
	printf("# cost %s %s\n", uts.release, text);
	fflush(stdout);
	if (access("/share", W_OK))
		return;
	f = fopen("/share/cost.txt", "a");
	if (!f)
		return;
	fprintf(f, "%s %s\n", uts.release, text);
	fclose(f);
}

FIXTURE(cost) {
	int chip, fd;
	struct mtd_crtm_info info;
	struct keys keys;
	uint8_t block[MAX_BLOCK];
	struct outcome o;
};

FIXTURE_VARIANT(cost) {
	int chip;
	const char *name;
};

FIXTURE_VARIANT_ADD(cost, spi) { .chip = AUTHENTA, .name = "authenta:spi" };
FIXTURE_VARIANT_ADD(cost, mem) { .chip = AUTHENTA_MEM, .name = "authenta:mem" };
FIXTURE_VARIANT_ADD(cost, other) { .chip = OTHER, .name = "rpmc-other" };

FIXTURE_SETUP(cost)
{
	self->chip = variant->chip;
	ASSERT_EQ(0, emu_set(self->chip, "time_scale", "100"));
	self->fd = mtd_open(self->chip, O_RDWR);
	ASSERT_GE(self->fd, 0);
	self->info.size = sizeof(self->info);
	ASSERT_EQ(0, ioctl(self->fd, MTD_CRTM_INFO, &self->info));
	test_keys(&self->keys, 0);
}

FIXTURE_TEARDOWN(cost)
{
	emu_set(self->chip, "time_scale", "0");
	emu_set(self->chip, "power_cycle", "1");
	close(self->fd);
}

#define MEASURE_COST(_name, _request, _len) do {				\
	size_t _n = _len;							\
	struct cost _c;								\
										\
	emu_clear(self->chip);							\
	SEND(_request, _n);							\
	EXPECT_EQ(RPMC_STATUS_SUCCESS, self->o.status);				\
	ASSERT_EQ(0, cost_of_trace(self->chip, &_c));				\
	report("%s: %s: %u operations (%u block, %u polls, %u read, %u others), %u bytes", \
	       variant->name, _name, _c.ops, _c.blocks, _c.polls, _c.reads, _c.others, \
	       _c.bytes);							\
	EXPECT_EQ(self->block[1] == CRTM_DERIVE_KEY ? 2 : 1, _c.blocks);	\
	EXPECT_LE(1, _c.reads);							\
	EXPECT_GE(2, _c.reads);							\
} while (0)

TEST_F(cost, exchanges)
{
	struct keys *k = &self->keys;
	static const uint8_t nonce[32] = "a nonce";
	static const uint8_t page[256];

	PROVISION(k);
	MEASURE_COST("01 update HMAC key", WR_CRTM_CMD,
		     block_update_key(k, (const uint8_t *)"keys", self->block));
	MEASURE_COST("02 increment counter", WR_CRTM_CMD, block_increment(k, self->block));
	k->mc++;
	MEASURE_COST("03 request counter", RD_CRTM_CMD, block_request(k, nonce, self->block));
	if (!(self->info.flags & MTD_CRTM_F_CRTM))
		return;
	MEASURE_COST("40 open session", WR_CRTM_CMD, block_open(k, nonce, self->block));
	k->mc++;
	MEASURE_COST("44 protect region", WR_CRTM_CMD,
		     block_protect(k, 3 << 20, 65536, CRTM_PROTECT_ADD, self->block));
	k->seq++;
	MEASURE_COST("42 authenticated erase, 4 KiB", WR_CRTM_CMD,
		     block_erase(k, 3 << 20, 4096, self->block));
	k->seq++;
	MEASURE_COST("42 authenticated erase, 64 KiB", WR_CRTM_CMD,
		     block_erase(k, 3 << 20, 65536, self->block));
	k->seq++;
	MEASURE_COST("43 authenticated program, 256 bytes", WR_CRTM_CMD,
		     block_program(k, 3 << 20, page, sizeof(page), self->block));
	k->seq++;
	MEASURE_COST("45 measure, 4 KiB", RD_CRTM_CMD,
		     block_measure(0, nonce, 3 << 20, 4096, self->block));
	MEASURE_COST("45 measure, 1 MiB", RD_CRTM_CMD,
		     block_measure(0, nonce, 3 << 20, 1 << 20, self->block));
	MEASURE_COST("46 derive key", RD_CRTM_CMD,
		     block_derive(0, "sixteen bytes...", 3 << 20, 65536, self->block));
	MEASURE_COST("48 get information", RD_CRTM_CMD, block_get_info(0, nonce, self->block));
	MEASURE_COST("44 protect region, removal", WR_CRTM_CMD,
		     block_protect(k, 3 << 20, 65536, CRTM_PROTECT_REMOVE, self->block));
	k->seq++;
	MEASURE_COST("41 close session", WR_CRTM_CMD, block_close(k, self->block));
	MEASURE_COST("47 lock derivation", WR_CRTM_CMD,
		     block_plain(command(CRTM_LOCK_DERIVATION), 0, self->block));
}

/* What a plain page of MTD costs, to compare with 43. */
TEST_F(cost, plain_page)
{
	struct erase_info_user erase = { .start = 3 << 20, .length = 65536 };
	static const uint8_t page[256];
	struct cost cost;

	ASSERT_EQ(0, ioctl(self->fd, MEMERASE, &erase));
	emu_clear(self->chip);
	ASSERT_EQ(sizeof(page), pwrite(self->fd, page, sizeof(page), erase.start));
	ASSERT_EQ(0, cost_of_trace(self->chip, &cost));
	EXPECT_NE(0, cost.ops);
	report("%s: plain page of 256 bytes: %u operations, %u bytes", variant->name, cost.ops,
	       cost.bytes);
}

TEST_HARNESS_MAIN
