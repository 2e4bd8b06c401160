// SPDX-License-Identifier: MIT
/* The ordinary flash around the security engine. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "host.h"

#define MODEL(name) crtm_chip_model(name, sizeof(name) - 1)

static u32 le32(const u8 *p)
{
	return p[0] | p[1] << 8 | p[2] << 16 | (u32)p[3] << 24;
}

static void read_array(struct host *h, u8 code, u32 addr, int addr_bytes, int dummy, u8 *buf,
		       u32 len)
{
	u8 tx[6] = { code };
	int i;

	for (i = 0; i < addr_bytes; i++)
		tx[1 + i] = addr >> 8 * (addr_bytes - 1 - i);
	crtm_user_op(h->u, tx, 1 + addr_bytes + dummy, buf, len);
}

static void identification(void **state)
{
	static const struct {
		const char *name;
		u8 id[6];
		int n;
	} want[] = {
		{ "mt25qu128-authenta", { 0x20, 0xbb, 0x18, 0x12, 0x00, 0x8c }, 6 },
		{ "mt25ql128-authenta", { 0x20, 0xba, 0x18, 0x12, 0x00, 0x8c }, 6 },
		{ "mt25qu256", { 0x20, 0xbb, 0x19, 0x10, 0x44, 0x00 }, 6 },
		{ "mt25qu02g", { 0x20, 0xbb, 0x22, 0x10, 0x44, 0x00 }, 6 },
		{ "mt25qu-mini", { 0x20, 0xbb, 0x18, 0x12, 0x00, 0x8c }, 6 },
		{ "rpmc-other", { 0xef, 0x70, 0x19 }, 3 },
	};
	static const u8 rdid = 0x9f;
	struct host *h;
	u8 id[20];
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(want) / sizeof(want[0]); i++) {
		h = host_new(crtm_chip_model(want[i].name, strlen(want[i].name)));
		crtm_user_op(h->u, &rdid, 1, id, sizeof(id));
		assert_memory_equal(id, want[i].id, want[i].n);
		host_free(h);
	}
	assert_null(MODEL("mt25qu128"));
}

/* Walks the headers as a driver does; returns the table's offset, 0 if none */
static u32 find_table(struct host *h, u16 id, u8 *dwords)
{
	u8 sfdp[512];
	u32 i;

	read_array(h, 0x5a, 0, 3, 1, sfdp, sizeof(sfdp));
	assert_memory_equal(sfdp, "SFDP", 4);
	for (i = 0; i <= sfdp[6]; i++) {
		u8 *p = sfdp + 8 + 8 * i;
		u32 at = p[4] | p[5] << 8 | p[6] << 16;

		if ((p[7] << 8 | p[0]) != id)
			continue;
		*dwords = p[3];
		assert_true(at % 4 == 0 && at >= 8 + 8 * (sfdp[6] + 1u));
		assert_true(at + 4 * p[3] <= h->u->chip.sfdp_len);
		return at;
	}
	return 0;
}

static void sfdp(void **state)
{
	struct host *h = host_new(MODEL("mt25qu128-authenta"));
	struct host *o = host_new(MODEL("rpmc-other"));
	struct host *p = host_new(MODEL("mt25qu256"));
	u8 n, t[64], buf[4];
	u32 at;

	(void)state;
	at = find_table(h, 0xff00, &n);
	assert_int_equal(n, 16);
	read_array(h, 0x5a, at, 3, 1, t, 64);
	assert_int_equal(le32(t + 4) / 8 + 1, 16 << 20);
	assert_int_equal(le32(t + 28), 0x520f200c);
	assert_int_equal(le32(t + 32), 0x0000d810);
	assert_int_equal(t[40] >> 4 & 15, 8);

	assert_true(find_table(h, 0xff84, &n) && n == 2);
	assert_true(find_table(h, 0xff8e, &n));
	at = find_table(h, CRTM_MARKER_ID, &n);
	assert_int_equal(n, 4);
	read_array(h, 0x5a, at, 3, 1, t, 16);
	assert_memory_equal(t, CRTM_MARKER, 16);

	at = find_table(h, RPMC_SFDP_ID, &n);
	assert_int_equal(n, 2);
	read_array(h, 0x5a, at, 3, 1, t, 8);
	assert_int_equal(t[0] & 0xf5, 0x30);	/* supported, polled by OP2, 4 counters */
	assert_int_equal(t[1], OP1);
	assert_int_equal(t[2], OP2);
	at = find_table(o, RPMC_SFDP_ID, &n);
	read_array(o, 0x5a, at, 3, 1, t, 8);
	assert_int_equal(t[0] & 0xf5, 0x34);	/* polled by RDSR */
	assert_int_equal(find_table(o, CRTM_MARKER_ID, &n), 0);
	assert_int_equal(find_table(p, CRTM_MARKER_ID, &n), 0);
	assert_int_equal(find_table(p, RPMC_SFDP_ID, &n), 0);

	/* A test may cut it; what is not there reads FF. */
	h->u->chip.sfdp_len = 2;
	read_array(h, 0x5a, 0, 3, 1, buf, 4);
	assert_memory_equal(buf, "SF\xff\xff", 4);
	host_free(h);
	host_free(o);
	host_free(p);
}

static void program_and_erase(void **state)
{
	static const u8 programs3[] = { 0x02, 0xa2, 0xd2, 0x32, 0x38 };
	static const u8 programs4[] = { 0x12, 0x34, 0x3e };
	static const u8 reads3[] = { 0x0b, 0x3b, 0x6b, 0xbb, 0xeb };
	static const u8 reads4[] = { 0x0c, 0x3c, 0x6c, 0xbc, 0xec };
	static const struct {
		u8 code3, code4;
		u32 size;
	} erases[] = { { 0x20, 0x21, 4096 }, { 0x52, 0x5c, 32768 }, { 0xd8, 0xdc, 65536 } };
	struct host *h = host_new(MODEL("mt25qu256"));
	u8 *array = h->u->chip.array;
	u8 buf[256], data[256];
	size_t i;
	u32 k;

	(void)state;
	for (i = 0; i < sizeof(data); i++)
		data[i] = i ^ 0x5a;
	for (i = 0; i < sizeof(programs3); i++) {
		array_op(h, programs3[i], 0x1000 * i, 3, data, 256);
		assert_memory_equal(array + 0x1000 * i, data, 256);
	}
	for (i = 0; i < sizeof(programs4); i++) {
		array_op(h, programs4[i], 0x1800000 + 0x1000 * i, 4, data, 256);
		assert_memory_equal(array + 0x1800000 + 0x1000 * i, data, 256);
	}
	read_array(h, 0x03, 0x1000, 3, 0, buf, 256);
	assert_memory_equal(buf, data, 256);
	read_array(h, 0x13, 0x1801000, 4, 0, buf, 256);
	assert_memory_equal(buf, data, 256);
	for (i = 0; i < sizeof(reads3); i++) {
		read_array(h, reads3[i], 0x1000, 3, 1, buf, 256);
		assert_memory_equal(buf, data, 256);
		read_array(h, reads4[i], 0x1801000, 4, 1, buf, 256);
		assert_memory_equal(buf, data, 256);
	}
	/* Reading goes on from the end at the start. */
	read_array(h, 0x13, 0x1ffff80, 4, 0, buf, 256);
	assert_int_equal(buf[0x7f], 0xff);
	assert_memory_equal(buf + 0x80, data, 128);

	/* Programming only clears bits, and wraps inside its page. */
	memset(buf, 0x0f, sizeof(buf));
	array_op(h, 0x02, 0x1000, 3, buf, 1);
	assert_int_equal(array[0x1000], 0x5a & 0x0f);
	array_op(h, 0x12, 0x20f0, 4, data, 32);
	assert_memory_equal(array + 0x2100, "\xff\xff", 2);
	assert_int_equal(array[0x20f0], (0xf0 ^ 0x5a) & data[0]);
	assert_int_equal(array[0x2000], (0x00 ^ 0x5a) & data[16]);

	/* More than a page: the last 256 bytes count. */
	{
		u8 long_data[300];

		memset(long_data, 0x00, 44);
		memcpy(long_data + 44, data, 256);
		array_op(h, 0x12, 0x9000, 4, long_data, 300);
		for (k = 0; k < 256; k++)
			assert_int_equal(array[0x9000 + (44 + k) % 256], data[k]);
	}

	for (i = 0; i < 3; i++) {
		memset(array, 0, 0x40000);
		array_op(h, erases[i].code3, 0x10000 + erases[i].size / 2, 3, NULL, 0);
		array_op(h, erases[i].code4, 0x20000 + erases[i].size - 1, 4, NULL, 0);
		for (k = 0; k < 0x40000; k++)
			assert_int_equal(array[k], k % 0x10000 < erases[i].size &&
					 (k >> 16 == 1 || k >> 16 == 2) ? 0xff : 0);
	}
	array_op(h, 0xc7, 0, 0, NULL, 0);
	for (k = 0; k < 32 << 20; k++)
		assert_int_equal(array[k], 0xff);
	memset(array, 0, 4096);
	array_op(h, 0x60, 0, 0, NULL, 0);
	assert_int_equal(array[0], 0xff);
	array[12] = 0;
	array_op(h, 0xc4, 0x100000, 3, NULL, 0);
	assert_int_equal(array[12], 0xff);
	host_free(h);
}

static void write_enable(void **state)
{
	static const u8 data[] = { 0x02, 0, 0, 0, 0x55 };
	static const u8 erase[] = { 0x20, 0, 0, 0 };
	struct host *h = host_new(&small_model);

	(void)state;
	crtm_user_op(h->u, data, 5, NULL, 0);
	assert_int_equal(h->u->chip.array[0], 0xff);
	op(h, 0x06);
	assert_int_equal(read_reg(h, 0x05), 0x02);
	op(h, 0x04);
	assert_int_equal(read_reg(h, 0x05), 0x00);

	/* Cut off at every byte before the first of data: nothing happens. */
	op(h, 0x06);
	crtm_user_op(h->u, data, 4, NULL, 0);
	crtm_user_op(h->u, data, 2, NULL, 0);
	assert_int_equal(read_reg(h, 0x05), 0x02);
	crtm_user_op(h->u, data, 5, NULL, 0);
	assert_int_equal(read_reg(h, 0x05), 0x01);	/* busy; WEL is used up */
	crtm_user_wait(h->u);
	assert_int_equal(h->u->chip.array[0], 0x55);

	/* An erase with a byte too few or too many is none. */
	op(h, 0x06);
	crtm_user_op(h->u, erase, 3, NULL, 0);
	crtm_user_op(h->u, erase, 4, NULL, 1);
	assert_int_equal(h->u->chip.array[0], 0x55);
	crtm_user_op(h->u, erase, 4, NULL, 0);
	assert_int_equal(h->u->chip.array[0], 0xff);
	host_free(h);
}

static void address_modes(void **state)
{
	struct host *h = host_new(MODEL("mt25qu256"));
	struct host *o = host_new(MODEL("rpmc-other"));
	u8 *array = h->u->chip.array;

	(void)state;
	/* Micron's want WREN before B7h, others don't. */
	op(h, 0xb7);
	assert_false(h->u->chip.v.addr4);
	op(h, 0x06);
	op(h, 0xb7);
	assert_int_equal(read_reg(h, 0x70), 0x81);
	assert_int_equal(read_reg(h, 0x05), 0x00);
	array_op(h, 0x02, 0x1000100, 4, (const u8 *)"\x11", 1);
	assert_int_equal(array[0x1000100], 0x11);
	op(h, 0x06);
	op(h, 0xe9);
	assert_int_equal(read_reg(h, 0x70), 0x80);

	/* 3-byte addresses reach the upper half through C5h. */
	write_reg(h, 0xc5, 0x01);
	assert_int_equal(read_reg(h, 0xc8), 0x01);
	array_op(h, 0x02, 0x000200, 3, (const u8 *)"\x22", 1);
	assert_int_equal(array[0x1000200], 0x22);
	assert_int_equal(array[0x200], 0xff);
	/* Segments that do not exist wrap. */
	write_reg(h, 0xc5, 0x02);
	array_op(h, 0x02, 0x000300, 3, (const u8 *)"\x33", 1);
	assert_int_equal(array[0x300], 0x33);
	array_op(h, 0x12, 0xfe000400, 4, (const u8 *)"\x44", 1);
	assert_int_equal(array[0x400], 0x44);

	op(o, 0xb7);
	assert_true(o->u->chip.v.addr4);
	op(o, 0xe9);
	assert_false(o->u->chip.v.addr4);

	/* NVCR: 4-byte mode and upper segment from power-on */
	{
		static const u8 nvcr[] = { 0xb1, 0xfc, 0xff };

		op(h, 0x06);
		crtm_user_op(h->u, nvcr, 3, NULL, 0);
		crtm_user_wait(h->u);
		assert_false(h->u->chip.v.addr4);
		crtm_chip_power_off(&h->u->chip);
		crtm_chip_power_on(&h->u->chip);
		assert_true(h->u->chip.v.addr4);
		assert_int_equal(h->u->chip.v.ear, 1);
		assert_int_equal(read_reg(h, 0xb5), 0xfc);
	}
	host_free(h);
	host_free(o);
}

/* The ranges that the kernel's swp.c computes for these parts */
static void block_protection(void **state)
{
	struct host *h = host_new(MODEL("mt25qu128-authenta"));
	static const u8 zero = 0;
	u32 bp, tb, size, start, k;
	u8 sr;

	(void)state;
	h->u->chip.time_scale = 0;
	for (bp = 0; bp < 16; bp++)
		for (tb = 0; tb < 2; tb++) {
			sr = (bp & 7) << 2 | (bp & 8 ? 0x40 : 0) | (tb ? 0x20 : 0);
			write_reg(h, 0x01, sr);
			assert_int_equal(read_reg(h, 0x05), sr);
			size = bp ? 0x10000u << (bp - 1) : 0;
			if (size > 16 << 20)
				size = 16 << 20;
			start = tb ? 0 : (16 << 20) - size;
			for (k = 0; k < 256; k++) {
				bool locked = k << 16 >= start && k << 16 < start + size;

				h->u->chip.array[k << 16] = 0xff;
				array_op(h, 0x02, k << 16, 3, &zero, 1);
				assert_int_equal(h->u->chip.array[k << 16], locked ? 0xff : 0);
				if (!locked)
					continue;
				assert_int_equal(read_reg(h, 0x70), 0x92);
				/* WEL stays set until somebody clears it. */
				assert_int_equal(read_reg(h, 0x05) & 2, 2);
				op(h, 0x50);
				op(h, 0x04);
			}
			array_op(h, 0xc7, 0, 0, NULL, 0);
			assert_int_equal(h->u->chip.v.fsr[0], bp ? 0x22 : 0);
			op(h, 0x50);
		}
	host_free(h);
}

/* The array and the status register survive power loss; VCR and EVCR do not. */
static void non_volatile(void **state)
{
	struct host *h = host_new(MODEL("mt25qu128-authenta"));
	struct crtm_chip *chip = &h->u->chip;

	(void)state;
	write_reg(h, 0x01, 0x9c);
	write_reg(h, 0x81, 0x8b);
	write_reg(h, 0x61, 0x1f);
	assert_int_equal(read_reg(h, 0x85), 0x8b);
	assert_int_equal(read_reg(h, 0x65), 0xdf);	/* stays on one line */
	array_op(h, 0x12, 0, 4, (const u8 *)"\x77", 1);
	crtm_chip_power_off(chip);
	assert_int_equal(read_reg(h, 0x05), 0xff);	/* nobody answers */
	crtm_chip_power_on(chip);
	assert_int_equal(read_reg(h, 0x05), 0x9c);
	assert_int_equal(read_reg(h, 0x85), 0xfb);
	assert_int_equal(read_reg(h, 0x65), 0xff);
	assert_int_equal(chip->array[0], 0x77);
	assert_int_equal(chip->nv.power_on, 2);

	/* The memory knows its model; another one refuses it. */
	assert_int_equal(crtm_chip_init(chip, MODEL("mt25ql128-authenta"), h->u->nv,
					chip->ops, h->u), -EINVAL);
	assert_int_equal(crtm_chip_init(chip, MODEL("mt25qu128-authenta"), h->u->nv,
					chip->ops, h->u), 0);
	host_free(h);
}

static void busy_and_suspend(void **state)
{
	static const u8 program[] = { 0x02, 0x02, 0, 0, 0x55 };
	static const u8 same_sector[] = { 0x02, 0x01, 0, 0, 0x55 };
	static const u8 read[] = { 0x03, 0, 0, 0 };
	struct host *h = host_new(MODEL("mt25qu128-authenta"));
	struct crtm_chip *chip = &h->u->chip;
	u8 value, erase[] = { 0xd8, 0x01, 0, 0 };

	(void)state;
	op(h, 0x06);
	crtm_user_op(h->u, erase, 4, NULL, 0);
	assert_int_equal(read_reg(h, 0x05), 0x01);
	assert_int_equal(read_reg(h, 0x70), 0x00);
	chip->array[0] = 0x12;
	crtm_user_op(h->u, read, 4, &value, 1);
	assert_int_equal(value, 0xff);
	op(h, 0x06);
	assert_int_equal(read_reg(h, 0x05), 0x01);
	assert_int_equal(chip->busy_ignored, 2);
	h->u->now_us += 149999;
	assert_int_equal(read_reg(h, 0x05), 0x01);

	op(h, 0x75);
	assert_int_equal(read_reg(h, 0x05), 0x00);
	assert_int_equal(read_reg(h, 0x70), 0xc0);
	crtm_user_op(h->u, read, 4, &value, 1);
	assert_int_equal(value, 0x12);
	/* Programming elsewhere is allowed, in the sector concerned it is not. */
	op(h, 0x06);
	crtm_user_op(h->u, program, 5, NULL, 0);
	crtm_user_wait(h->u);
	assert_int_equal(chip->array[0x20000], 0x55);
	op(h, 0x06);
	crtm_user_op(h->u, same_sector, 5, NULL, 0);
	assert_int_equal(chip->array[0x10000], 0xff);
	crtm_user_op(h->u, erase, 4, NULL, 0);
	assert_int_equal(read_reg(h, 0x70), 0xf0);
	op(h, 0x50);
	op(h, 0x04);
	op(h, 0x7a);
	assert_int_equal(read_reg(h, 0x05), 0x01);
	h->u->now_us += 1;
	assert_int_equal(read_reg(h, 0x05), 0x00);

	/* Times scale; 0 is at once. */
	chip->time_scale = 0;
	op(h, 0x06);
	crtm_user_op(h->u, erase, 4, NULL, 0);
	assert_int_equal(read_reg(h, 0x05), 0x00);
	chip->time_scale = 200;
	op(h, 0x06);
	crtm_user_op(h->u, erase, 4, NULL, 0);
	h->u->now_us += 299999;
	assert_int_equal(read_reg(h, 0x05), 0x01);
	h->u->now_us += 1;
	assert_int_equal(read_reg(h, 0x05), 0x00);
	host_free(h);
}

/* A part without the security engine: 9Bh and 96h are counted, no more. */
static void ordinary_part(void **state)
{
	struct host *h = host_new(MODEL("mt25qu256"));
	struct snapshot before;
	u8 resp[8];

	(void)state;
	snapshot(h, &before);
	build_root_key(h, 0);
	crtm_user_op(h->u, h->blk, h->n, NULL, 0);
	crtm_user_op(h->u, (const u8 *)"\x96", 2, resp, sizeof(resp));
	assert_memory_equal(resp, "\xff\xff\xff\xff\xff\xff\xff\xff", 8);
	assert_true(unchanged(h, &before));
	assert_int_equal(h->u->chip.v.fsr[0], 0);
	assert_int_equal(h->u->chip.opcount[0x9b], 1);
	assert_int_equal(h->u->chip.opcount[0x96], 1);
	host_free(h);
}

static void trace(void **state)
{
	struct host *h = host_provisioned(&small_model);
	struct crtm_chip_event ring[8];
	char text[CRTM_CHIP_LINE_LEN], all[CRTM_CHIP_STATE_LEN];
	u32 i, n = 0;

	(void)state;
	h->u->chip.trace = ring;
	h->u->chip.trace_size = 8;
	h->u->now_us = 1000;
	host_open(h);
	build_program(h, 0x4000, (const u8 *)"SECRETDATA", 10);
	assert_int_equal(host_step(h), OK);
	for (i = 0; i < 100; i++)
		n += read_reg(h, 0x05) + read_reg(h, 0x70);
	for (i = 0; i < h->u->chip.trace_count; i++) {
		assert_in_range(crtm_chip_event_text(text, &ring[i]), 1, sizeof(text) - 1);
		assert_null(strstr(text, "SECRET"));
	}
	/* Six for the exchanges, one each for a hundred status reads */
	assert_int_equal(h->u->chip.trace_count, 8);
	crtm_chip_event_text(text, &ring[0]);
	assert_string_equal(text, "1000 op=9b type=40 slot=0 len=56 busy=5000 status=80 ok");
	crtm_chip_event_text(text, &ring[3]);
	assert_string_equal(text,
			    "6000 op=9b type=43 slot=0 addr=00004000 len=54 busy=120 status=80 ok");
	crtm_chip_event_text(text, &ring[7]);
	assert_string_equal(text, "6120 op=70 len=2 status=80 times=100 ok");
	op(h, 0x06);
	assert_int_equal(h->u->chip.trace_count, 9);
	assert_int_equal(ring[0].op, 0x06);

	assert_in_range(crtm_chip_state(&h->u->chip, all), 1, sizeof(all) - 1);
	assert_non_null(strstr(all, "\nmc.0=1\n"));
	assert_non_null(strstr(all, "\nsession=1\nseq=1\n"));
	assert_non_null(strstr(all, "\ntrace_lost=1\n"));
	host_free(h);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(identification),
		cmocka_unit_test(sfdp),
		cmocka_unit_test(program_and_erase),
		cmocka_unit_test(write_enable),
		cmocka_unit_test(address_modes),
		cmocka_unit_test(block_protection),
		cmocka_unit_test(non_volatile),
		cmocka_unit_test(busy_and_suspend),
		cmocka_unit_test(ordinary_part),
		cmocka_unit_test(trace),
	};

	return cmocka_run_group_tests_name("flash", tests, NULL, NULL);
}
