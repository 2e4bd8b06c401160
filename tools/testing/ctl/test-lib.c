// SPDX-License-Identifier: MIT
/*
 * libcrtm: table, texts, checks, responses at every length, builders.
 * Built with the address sanitizer, and buffers are exactly as long as they
 * claim, so a byte read too far ends the test.
 */
#include <errno.h>
#include <mtd/mtd-user.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>

#include <cmocka.h>

#include <crtm.h>

/* The only ioctls of this program: what was asked last, and what to answer. */
static unsigned long asked;
static struct erase_info_user asked_range;
static struct mtd_asp_cmd asked_cmd;
static struct mtd_asp_map asked_map;
static int answer;

int ioctl(int fd, unsigned long request, ...)
{
	va_list ap;
	void *arg;

	(void)fd;
	va_start(ap, request);
	arg = va_arg(ap, void *);
	va_end(ap);
	asked = request;
	if (request == MEMLOCK || request == MEMUNLOCK || request == MEMISLOCKED)
		memcpy(&asked_range, arg, sizeof(asked_range));
	else if (request == MTD_ASP_CMD)
		memcpy(&asked_cmd, arg, sizeof(asked_cmd));
	else if (request == MTD_ASP_MAP)
		memcpy(&asked_map, arg, sizeof(asked_map));
	if (answer >= 0)
		return answer;
	errno = -answer;
	return -1;
}

/* A copy of @len bytes with nothing behind it. */
static uint8_t *exact(const void *data, size_t len)
{
	uint8_t *p = malloc(len);

	assert_true(p || !len);
	if (len)
		memcpy(p, data, len);
	return p;
}

static int parse_copy(uint8_t type, const void *data, size_t len)
{
	uint8_t *copy = exact(data, len);
	struct crtm_response resp;
	struct crtm_measurement m;
	struct crtm_state state;
	const uint8_t *key;
	int ret;

	ret = crtm_parse(type, copy, len, &resp);
	if (!ret) {
		assert_int_equal(resp.type, type);
		/* Whatever it is, the payload parsers must stay inside it. */
		crtm_parse_measurement(&resp, &m);
		crtm_parse_state(&resp, &state);
		crtm_parse_key(&resp, &key);
		assert_true(resp.sig >= copy && resp.sig + RPMC_SIG_LEN == copy + len);
	}
	free(copy);
	return ret;
}

static void crtm_form(uint8_t *buf, uint8_t type, size_t payload)
{
	memset(buf, 0x11, CRTM_RESP_OVERHEAD + payload);
	buf[0] = RPMC_STATUS_SUCCESS;
	buf[CRTM_RESP_OFF_TYPE] = type;
	buf[CRTM_RESP_OFF_LENGTH] = payload >> 8;
	buf[CRTM_RESP_OFF_LENGTH + 1] = payload;
	crtm_put_be32(buf + CRTM_RESP_OFF_MC, 0x01020304);
}

static void test_table(void **state)
{
	const struct crtm_command *cmds, *cmd;
	char hex[8];
	size_t i, nr;

	(void)state;
	cmds = crtm_commands(&nr);
	assert_int_equal(nr, 13);
	for (i = 0; i < nr; i++) {
		cmd = &cmds[i];
		assert_ptr_equal(crtm_command(cmd->type), cmd);
		assert_ptr_equal(crtm_command_by_name(cmd->name), cmd);
		assert_ptr_equal(crtm_command_by_name(cmd->sym), cmd);
		snprintf(hex, sizeof(hex), "0x%02x", cmd->type);
		assert_ptr_equal(crtm_command_by_name(hex), cmd);
		assert_string_equal(crtm_name(cmd->type), cmd->name);
		assert_int_equal(cmd->rpmc, cmd->type <= RPMC_REQUEST_COUNTER);
		assert_true(cmd->min <= cmd->max && cmd->min >= RPMC_HDR_LEN);
	}
	assert_ptr_equal(crtm_command_by_name("measure"), crtm_command(CRTM_MEASURE));
	assert_null(crtm_command(0x04));
	assert_null(crtm_command(0xff));
	assert_null(crtm_command_by_name(""));
	assert_null(crtm_command_by_name("145"));
	assert_null(crtm_command_by_name("45x"));
	assert_string_equal(crtm_name(0x49), "unknown command");
}

static void test_parse_rpmc(void **state)
{
	struct crtm_response resp;
	uint8_t buf[64];
	size_t len, i;

	(void)state;
	for (i = 0; i < sizeof(buf); i++)
		buf[i] = i;
	buf[0] = RPMC_STATUS_COUNTER;
	for (len = 0; len <= sizeof(buf); len++)
		for (i = RPMC_WRITE_ROOT_KEY; i <= RPMC_REQUEST_COUNTER; i++)
			assert_int_equal(parse_copy(i, buf, len),
					 len == RPMC_RESP_LEN ? 0 : -EBADMSG);
	assert_int_equal(crtm_parse(RPMC_REQUEST_COUNTER, buf, RPMC_RESP_LEN, &resp), 0);
	assert_int_equal(resp.status, RPMC_STATUS_COUNTER);
	assert_int_equal(resp.counter, 0x0d0e0f10);
	assert_ptr_equal(resp.tag, buf + 1);
	assert_ptr_equal(resp.sig, buf + 17);
	assert_null(resp.payload);
	assert_int_equal(crtm_parse(0x04, buf, RPMC_RESP_LEN, &resp), -ENOENT);
}

static void test_parse_crtm(void **state)
{
	const struct crtm_command *cmds;
	size_t i, nr, len, payload;
	struct crtm_response resp;
	uint8_t buf[256];

	(void)state;
	cmds = crtm_commands(&nr);
	for (i = 0; i < nr; i++) {
		if (cmds[i].rpmc)
			continue;
		/* Every true length with every length that the field may claim. */
		for (payload = 0; payload <= 100; payload++) {
			crtm_form(buf, cmds[i].type, payload);
			for (len = 0; len <= CRTM_RESP_OVERHEAD + 100; len++)
				assert_int_equal(parse_copy(cmds[i].type, buf, len),
						 len == CRTM_RESP_OVERHEAD + payload &&
						 len <= cmds[i].resp ? 0 : -EBADMSG);
		}
		/* The length's upper byte counts. */
		crtm_form(buf, cmds[i].type, 0);
		buf[CRTM_RESP_OFF_LENGTH] = 1;
		assert_int_equal(parse_copy(cmds[i].type, buf, CRTM_RESP_OVERHEAD), -EBADMSG);
		/* An answer to another command. */
		crtm_form(buf, cmds[i].type ^ 1, 0);
		assert_int_equal(parse_copy(cmds[i].type, buf, CRTM_RESP_OVERHEAD), -EBADMSG);
	}
	crtm_form(buf, CRTM_MEASURE, CRTM_MEASURE_PAYLOAD);
	assert_int_equal(crtm_parse(CRTM_MEASURE, buf, 112, &resp), 0);
	assert_int_equal(resp.counter, 0x01020304);
	assert_ptr_equal(resp.payload, buf + 8);
	assert_ptr_equal(resp.sig, buf + 80);
	assert_null(resp.tag);
}

static void test_measurement(void **state)
{
	struct crtm_measurement m;
	struct crtm_response resp;
	uint8_t buf[256];
	size_t payload;

	(void)state;
	for (payload = 0; payload <= CRTM_MEASURE_PAYLOAD; payload++) {
		crtm_form(buf, CRTM_MEASURE, payload);
		assert_int_equal(crtm_parse(CRTM_MEASURE, buf, CRTM_RESP_OVERHEAD + payload,
					    &resp), 0);
		assert_int_equal(crtm_parse_measurement(&resp, &m),
				 payload == CRTM_MEASURE_PAYLOAD ? 0 : -EBADMSG);
	}
	crtm_put_be32(buf + 40, 0xfedcba98);
	crtm_put_be32(buf + 44, 0x00010000);
	assert_int_equal(crtm_parse_measurement(&resp, &m), 0);
	assert_int_equal(m.addr, 0xfedcba98);
	assert_int_equal(m.len, 0x10000);
	assert_ptr_equal(m.nonce, buf + 8);
	assert_ptr_equal(m.digest, buf + 48);

	/* A refusal has no payload to believe. */
	resp.status = CRTM_STATUS_REFUSED;
	assert_int_equal(crtm_parse_measurement(&resp, &m), -EBADMSG);
}

static void test_state(void **state)
{
	struct crtm_response resp;
	struct crtm_state st;
	size_t regions, payload;
	uint8_t buf[256], *copy;

	(void)state;
	for (regions = 0; regions <= 255; regions++) {
		for (payload = 0; payload <= 96; payload++) {
			crtm_form(buf, CRTM_GET_INFO, payload);
			buf[8 + CRTM_INFO_OFF_REGIONS] = regions;
			copy = exact(buf, CRTM_RESP_OVERHEAD + payload);
			assert_int_equal(crtm_parse(CRTM_GET_INFO, copy,
						    CRTM_RESP_OVERHEAD + payload, &resp), 0);
			assert_int_equal(crtm_parse_state(&resp, &st),
					 regions <= 8 && payload == 32 + 8 * regions &&
					 payload >= 32 ? 0 : -EBADMSG);
			free(copy);
		}
	}
	crtm_form(buf, CRTM_GET_INFO, 40);
	buf[8 + 16] = 0;
	buf[8 + 17] = 1;
	buf[8 + 18] = 4;
	buf[8 + 19] = 1;
	crtm_put_be32(buf + 8 + 20, 0x00000501);
	crtm_put_be32(buf + 8 + 24, 7);
	crtm_put_be32(buf + 8 + 28, 9);
	crtm_put_be32(buf + 8 + 32, 0x20000);
	crtm_put_be32(buf + 8 + 36, 0x10000);
	assert_int_equal(crtm_parse(CRTM_GET_INFO, buf, 80, &resp), 0);
	assert_int_equal(crtm_parse_state(&resp, &st), 0);
	assert_int_equal(st.version, 1);
	assert_int_equal(st.slots, 4);
	assert_int_equal(st.nr_regions, 1);
	assert_int_equal(st.flags, CRTM_INFO_F_SESSION | CRTM_INFO_F_ROOT_KEY(0) |
			 CRTM_INFO_F_ROOT_KEY(2));
	assert_int_equal(st.power_on, 7);
	assert_int_equal(st.seq, 9);
	assert_int_equal(st.regions[0].addr, 0x20000);
	assert_int_equal(st.regions[0].len, 0x10000);
}

static void test_key(void **state)
{
	struct crtm_response resp;
	const uint8_t *key;
	uint8_t buf[128];

	(void)state;
	crtm_form(buf, CRTM_DERIVE_KEY, 31);
	assert_int_equal(crtm_parse(CRTM_DERIVE_KEY, buf, 71, &resp), 0);
	assert_int_equal(crtm_parse_key(&resp, &key), -EBADMSG);
	crtm_form(buf, CRTM_DERIVE_KEY, 32);
	assert_int_equal(crtm_parse(CRTM_DERIVE_KEY, buf, 72, &resp), 0);
	assert_int_equal(crtm_parse_key(&resp, &key), 0);
	assert_ptr_equal(key, buf + 8);
}

static void test_builders(void **state)
{
	static const uint8_t measure[] = {
		0x9b, 0x45, 0x02, 0x00,
		0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15,
		16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31,
		0x01, 0x02, 0x03, 0x04, 0x0a, 0x0b, 0x0c, 0x0d,
	};
	static const uint8_t derive[] = {
		0x9c, 0x46, 0x00, 0x00,
		0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15,
		0x00, 0x01, 0x00, 0x00, 0x00, 0x00, 0x10, 0x00,
	};
	static const uint8_t lock[] = { 0x9b, 0x47, 0x00, 0x00 };
	static const uint8_t info[] = {
		0x9b, 0x48, 0x03, 0x00,
		0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15,
	};
	uint8_t nonce[32], block[64];
	unsigned int i;

	(void)state;
	for (i = 0; i < sizeof(nonce); i++)
		nonce[i] = i;
	memset(block, 0xff, sizeof(block));
	assert_int_equal(crtm_build_measure(block, 0x9b, 2, nonce, 0x01020304, 0x0a0b0c0d), 44);
	assert_memory_equal(block, measure, sizeof(measure));
	memset(block, 0xff, sizeof(block));
	assert_int_equal(crtm_build_derive_key(block, 0x9c, 0, nonce, 0x10000, 0x1000), 28);
	assert_memory_equal(block, derive, sizeof(derive));
	memset(block, 0xff, sizeof(block));
	assert_int_equal(crtm_build_lock_derivation(block, 0x9b, 0), 4);
	assert_memory_equal(block, lock, sizeof(lock));
	memset(block, 0xff, sizeof(block));
	assert_int_equal(crtm_build_get_info(block, 0x9b, 3, nonce), 20);
	assert_memory_equal(block, info, sizeof(info));
}

static void test_texts(void **state)
{
	unsigned int status, type;
	char text[CRTM_STATUS_TEXT], more[2 * CRTM_STATUS_TEXT], tiny[8];

	(void)state;
	for (type = 0; type < 256; type++) {
		for (status = 0; status < 256; status++) {
			memset(text, 'x', sizeof(text));
			assert_ptr_equal(crtm_status_text(type, status, text, sizeof(text)), text);
			assert_true(strlen(text) > 2);
			crtm_status_text(type, status, more, sizeof(more));
			assert_string_equal(text, more);
		}
	}
	assert_string_equal(crtm_status_text(CRTM_MEASURE, 0x80, text, sizeof(text)), "success");
	assert_string_equal(crtm_status_text(CRTM_MEASURE, 0x48, text, sizeof(text)),
			    "no HMAC key or session; address, length or region not allowed");
	assert_string_equal(crtm_status_text(0, 0xff, tiny, sizeof(tiny)), "success");

	assert_string_equal(crtm_errno_name(ETIMEDOUT), "ETIMEDOUT");
	assert_string_equal(crtm_errno_name(-EIO), "EIO");
	assert_string_equal(crtm_errno_name(0), "OK");
	assert_string_equal(crtm_errno_name(12345), "EUNKNOWN");
	assert_non_null(strstr(crtm_errno_text(-ENOTTY), "security ioctls"));
	assert_true(strlen(crtm_errno_text(12345)) > 0);
}

static void fill_info(struct mtd_crtm_info *info)
{
	const struct crtm_command *cmds;
	size_t i, nr;

	memset(info, 0, sizeof(*info));
	info->op1 = 0x9b;
	info->slots = 4;
	info->max_block = 300;
	info->max_hold_ms = 2000;
	info->chip_size = 16 << 20;
	info->node_offset = 1 << 20;
	info->node_size = 8 << 20;
	cmds = crtm_commands(&nr);
	for (i = 0; i < nr; i++) {
		info->commands[cmds[i].type / 64] |= 1ULL << cmds[i].type % 64;
		if (cmds[i].class == CRTM_RD)
			info->read_only[cmds[i].type / 64] |= 1ULL << cmds[i].type % 64;
	}
	info->commands[0] &= ~(1ULL << RPMC_INCREMENT_COUNTER);
}

static void test_max_range(void **state)
{
	const struct crtm_command *measure = crtm_command(CRTM_MEASURE);
	struct mtd_crtm_info info;
	uint64_t range, hold;

	(void)state;
	fill_info(&info);
	for (hold = 0; hold < 4000; hold += 7) {
		info.max_hold_ms = hold;
		range = crtm_max_range(&info, measure);
		assert_int_equal(range % 65536, 0);
		assert_true(range >= 65536 && range <= info.chip_size);
		if (range > 65536)
			assert_true(measure->max_us + range / 65536 * measure->max_us_64k <=
				    hold * 1000);
		if (range < info.chip_size)
			assert_true(measure->max_us + (range / 65536 + 1) * measure->max_us_64k >
				    hold * 1000);
	}
	info.max_hold_ms = UINT32_MAX;
	info.chip_size = 1ULL << 40;
	assert_int_equal(crtm_max_range(&info, measure), 0xffff0000);
}

static int problem(const struct mtd_crtm_info *info, bool write, const uint8_t *block, size_t len)
{
	uint8_t *copy = exact(block, len);
	const char *why = NULL;
	int ret = crtm_block_problem(info, write, copy, len, &why);

	assert_int_equal(!!ret, !!why);
	free(copy);
	return ret;
}

static void test_problems(void **state)
{
	static const struct {
		int err;
		bool write;
		uint16_t len;
		uint8_t head[4];
		uint32_t addr, range;	/* put where the command has them */
	} cases[] = {
		{ 0, true, 64, { 0x9b, 0x00, 3, 0 }, 0, 0 },
		{ 0, false, 44, { 0x9b, 0x45, 3, 0 }, 0x100000, 0x1000 },
		{ 0, true, 44, { 0x9b, 0x45, 0, 0 }, 0x8fffff, 1 },
		{ 0, true, 48, { 0x9b, 0x42, 0, 0 }, 0x100000, 0x10000 },
		{ 0, true, 45, { 0x9b, 0x43, 0, 0 }, 0x1000ff, 0 },
		{ 0, true, 300, { 0x9b, 0x43, 0, 0 }, 0x100000, 0 },
		{ -EMSGSIZE, true, 0, { 0 }, 0, 0 },
		{ -EMSGSIZE, true, 1, { 0x9b, 0x47, 0, 0 }, 0, 0 },
		{ -EMSGSIZE, true, 3, { 0x9b, 0x47, 0, 0 }, 0, 0 },
		/* In the kernel's order: longer than any block, type, class, length */
		{ -EMSGSIZE, true, 301, { 0x9b, 0x04, 0, 0 }, 0, 0 },
		{ -EPERM, true, 2, { 0x9b, 0x04, 0, 0 }, 0, 0 },
		{ -EPERM, true, 3, { 0x9c, 0x47, 0, 0 }, 0, 0 },
		{ -EPERM, false, 3, { 0x9b, 0x47, 0, 0 }, 0, 0 },
		{ -EPERM, true, 64, { 0x9c, 0x00, 0, 0 }, 0, 0 },
		{ -EPERM, true, 64, { 0x9b, 0x04, 0, 0 }, 0, 0 },
		/* In the table, not in this chip. */
		{ -EPERM, true, 40, { 0x9b, 0x02, 0, 0 }, 0, 0 },
		{ -EPERM, false, 40, { 0x9b, 0x01, 0, 0 }, 0, 0 },
		{ -EMSGSIZE, true, 63, { 0x9b, 0x00, 0, 0 }, 0, 0 },
		{ -EMSGSIZE, true, 65, { 0x9b, 0x00, 0, 0 }, 0, 0 },
		{ -EMSGSIZE, true, 44, { 0x9b, 0x43, 0, 0 }, 0, 0 },
		{ -EMSGSIZE, true, 301, { 0x9b, 0x43, 0, 0 }, 0, 0 },
		{ -EINVAL, true, 64, { 0x9b, 0x00, 4, 0 }, 0, 0 },
		{ -EINVAL, true, 56, { 0x9b, 0x40, 1, 0 }, 0, 0 },
		{ -EINVAL, true, 64, { 0x9b, 0x00, 0, 1 }, 0, 0 },
		{ -EINVAL, false, 44, { 0x9b, 0x45, 0, 0 }, 0x100000, 0 },
		{ -EINVAL, false, 44, { 0x9b, 0x45, 0, 0 }, 0xfffff, 1 },
		{ -EINVAL, false, 44, { 0x9b, 0x45, 0, 0 }, 0x8fffff, 2 },
		{ -EINVAL, false, 44, { 0x9b, 0x45, 0, 0 }, 0xffffffff, 0xffffffff },
		{ -EINVAL, false, 44, { 0x9b, 0x45, 0, 0 }, 0x100000, 0x700000 },	/* time */
		{ -EINVAL, true, 48, { 0x9b, 0x42, 0, 0 }, 0x100001, 0x1000 },
		{ -EINVAL, true, 48, { 0x9b, 0x42, 0, 0 }, 0x100000, 0x1001 },
		{ -EINVAL, true, 48, { 0x9b, 0x42, 0, 0 }, 0x100000, 0x11000 },
		{ -EINVAL, true, 46, { 0x9b, 0x43, 0, 0 }, 0x1000ff, 0 },
	};
	const struct crtm_command *cmd;
	struct mtd_crtm_info info;
	uint8_t block[512];
	unsigned int i;

	(void)state;
	fill_info(&info);
	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		memset(block, 0, sizeof(block));
		memcpy(block, cases[i].head, 4);
		cmd = crtm_command(block[1]);
		if (cmd && cmd->addr)
			crtm_put_be32(block + cmd->addr, cases[i].addr);
		if (cmd && cmd->len)
			crtm_put_be32(block + cmd->len, cases[i].range);
		if (problem(&info, cases[i].write, block, cases[i].len) != cases[i].err)
			fail_msg("case %u", i);
	}

	/* Reserved bytes of "protect region". */
	info.node_offset = 0;
	for (i = 17; i < 20; i++) {
		memset(block, 0, sizeof(block));
		block[0] = 0x9b;
		block[1] = CRTM_PROTECT;
		crtm_put_be32(block + 12, 65536);
		assert_int_equal(problem(&info, true, block, 52), 0);
		block[i] = 1;
		assert_int_equal(problem(&info, true, block, 52), -EINVAL);
	}
}

static void test_outcome(void **state)
{
	struct mtd_crtm_entry e;

	(void)state;
	crtm_entry_init(&e, NULL, 0, NULL, 0);
	assert_int_equal(crtm_entry_outcome(&e), CRTM_UNSENT);
	e.result = -EIO;	/* means nothing unless sent */
	e.status = 0x80;
	assert_int_equal(crtm_entry_outcome(&e), CRTM_UNSENT);
	e.sent = 1;
	assert_int_equal(crtm_entry_outcome(&e), CRTM_UNKNOWN);
	e.result = 0;
	assert_int_equal(crtm_entry_outcome(&e), CRTM_ACCEPTED);
	e.status = 0x84;
	assert_int_equal(crtm_entry_outcome(&e), CRTM_REFUSED);
}

static void test_open(void **state)
{
	(void)state;
	assert_int_equal(crtm_open("/nonexistent", false), -ENOENT);
	assert_int_equal(crtm_open("/", false), -ENXIO);
	assert_int_equal(crtm_open("/proc/self/status", false), -ENXIO);
}

static void test_asp_table(void **state)
{
	const struct crtm_asp_command *cmds;
	size_t i, nr;

	(void)state;
	cmds = crtm_asp_commands(&nr);
	assert_int_equal(nr, 13);
	for (i = 0; i < nr; i++) {
		assert_int_equal(cmds[i].nr, i);
		assert_ptr_equal(crtm_asp_command(i), &cmds[i]);
		assert_true(*cmds[i].name && *cmds[i].sym);
		/* What is confirmed needs the administrator, and the other way round. */
		assert_int_equal(!!*cmds[i].confirm, !!(cmds[i].flags & ASP_F_ADMIN));
	}
	assert_string_equal(crtm_asp_command(MTD_ASP_FREEZE)->sym, "FREEZE");
	assert_string_equal(crtm_asp_command(MTD_ASP_NO_PASSWORD)->confirm, "password-mode");
	assert_null(crtm_asp_command(nr));
	assert_null(crtm_asp_command(UINT32_MAX));
}

static void test_asp_texts(void **state)
{
	char text[80], *tiny;
	unsigned int i;
	size_t size;

	(void)state;
	for (i = 0; i < 256; i++) {
		memset(text, 'x', sizeof(text));
		assert_ptr_equal(crtm_asp_state_text(i, text, sizeof(text)), text);
		assert_true(strlen(text) >= 4 && strlen(text) < sizeof(text) - 1);
		/* "open" if and only if program and erase work. */
		assert_int_equal(!strncmp(text, "open", 4), !(i & MTD_ASP_S_LOCKED));
		for (size = 1; size < sizeof(text); size++) {
			tiny = malloc(size);
			crtm_asp_state_text(i, tiny, size);
			assert_memory_equal(tiny, text, strlen(tiny));
			free(tiny);
		}
	}
	assert_string_equal(crtm_asp_state_text(0, text, sizeof(text)), "open");
	assert_string_equal(crtm_asp_state_text(0x1f, text, sizeof(text)),
			    "volatile, locked down, non-volatile, block protection, region");
	assert_string_equal(crtm_errno_name(-EKEYREJECTED), "EKEYREJECTED");
	assert_string_equal(crtm_asp_errno_text(EKEYREJECTED), "wrong password");
	assert_non_null(strstr(crtm_asp_errno_text(-EACCES), "sector protection forbids it"));
	/* A result, not an errno: something was sent before it. */
	assert_non_null(strstr(crtm_asp_errno_text(-EIO), "the chip refused it"));
	assert_string_equal(crtm_asp_errno_text(-EINTR), "interrupted by a signal");
	assert_string_equal(crtm_asp_errno_text(-ENODEV), crtm_errno_text(ENODEV));
}

static void test_asp_ioctls(void **state)
{
	static const struct {
		unsigned long request;
		int (*call)(int fd, uint64_t offset, uint64_t length);
	} ranges[] = {
		{ MEMLOCK, crtm_lock }, { MEMUNLOCK, crtm_unlock }, { MEMISLOCKED, crtm_is_locked },
	};
	struct mtd_asp_cmd cmd;
	struct mtd_asp_map map;
	uint8_t sectors[4];
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(ranges) / sizeof(ranges[0]); i++) {
		answer = 1;
		assert_int_equal(ranges[i].call(3, 0xfffe0000, 0x10000), 1);
		assert_int_equal(asked, ranges[i].request);
		assert_int_equal(asked_range.start, 0xfffe0000);
		assert_int_equal(asked_range.length, 0x10000);
		answer = -EACCES;
		assert_int_equal(ranges[i].call(3, 0, UINT32_MAX), -EACCES);
		/* What has no 32-bit form is not cut to one. */
		asked = 0;
		assert_int_equal(ranges[i].call(3, 1ULL << 32, 0x10000), -ERANGE);
		assert_int_equal(ranges[i].call(3, 0, 1ULL << 32), -ERANGE);
		assert_int_equal(ranges[i].call(3, 0x100010000, 0x100010000), -ERANGE);
		assert_int_equal(asked, 0);
	}

	for (answer = 0; answer >= -1; answer--) {
		memset(&cmd, 0, sizeof(cmd));
		cmd.cmd = MTD_ASP_PASSWORD_VERIFY;
		memset(cmd.password, 0x5a, sizeof(cmd.password));
		assert_int_equal(crtm_asp_cmd(3, &cmd), answer);
		assert_int_equal(asked_cmd.size, sizeof(cmd));
		assert_int_equal(asked_cmd.password[7], 0x5a);
		assert_int_equal(cmd.password[0] | cmd.password[7], 0);
	}

	answer = 0;
	memset(&map, 0xff, sizeof(map));
	assert_int_equal(crtm_asp_map(3, &map, sectors, sizeof(sectors)), 0);
	assert_int_equal(asked_map.size, sizeof(map));
	assert_int_equal(asked_map.flags, 0);
	assert_int_equal(asked_map.nr, 4);
	assert_int_equal(asked_map.sectors, (uintptr_t)sectors);
	answer = -EMSGSIZE;
	assert_int_equal(crtm_asp_map(3, &map, sectors, 1), -EMSGSIZE);
	answer = 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_table),
		cmocka_unit_test(test_parse_rpmc),
		cmocka_unit_test(test_parse_crtm),
		cmocka_unit_test(test_measurement),
		cmocka_unit_test(test_state),
		cmocka_unit_test(test_key),
		cmocka_unit_test(test_builders),
		cmocka_unit_test(test_texts),
		cmocka_unit_test(test_max_range),
		cmocka_unit_test(test_problems),
		cmocka_unit_test(test_outcome),
		cmocka_unit_test(test_open),
		cmocka_unit_test(test_asp_table),
		cmocka_unit_test(test_asp_texts),
		cmocka_unit_test(test_asp_ioctls),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests_name("libcrtm", tests, NULL, NULL);
}
