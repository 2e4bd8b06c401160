// SPDX-License-Identifier: MIT
/*
 * Sector protection of the emulated chip: every rule that emulated-chip.rst
 * states, power cuts, and every state of a chip of four sectors.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <mtd/mtd-security.h>

#include "host.h"

#define MODEL(name)	crtm_chip_model(name, sizeof(name) - 1)
#define MINI		MODEL("mt25qu-mini")
#define N(a)		(sizeof(a) / sizeof((a)[0]))

/* Flag status */
#define READY		0x80
#define ERASE_REFUSED	0xa2
#define REFUSED		0x92
#define REFUSED_NOW	0x90	/* a program or erase is suspended */

#define WEL		0x02

static const u8 password[] = { 0x01, 0x23, 0x45, 0x67, 0x89, 0xab, 0xcd, 0xef };

/* Four dies of 256 KiB each, so that much can be done to them */
static const struct crtm_chip_model stacked_model = {
	.name = "stacked",
	.id = { 0x20, 0xbb, 0x22 },
	.id_len = 3,
	.size = 1 << 20,
	.dice = 4,
	.micron = true,
	.sr_mask = 0xfc,
	.sr_tb = 0x20,
	.sr_bp3 = 0x40,
	.page_us = 120,
	.erase_4k_us = 50000,
	.erase_64k_us = 150000,
	.erase_chip_ms = 600,
	.write_sr_us = 1300,
};

/* Write enable, the command, nothing else; the chip may be busy afterwards. */
static void send(struct host *h, u8 code, u32 addr, int addr_bytes, const u8 *data, u32 len)
{
	u8 tx[16] = { code };
	int i;

	assert_true(1 + addr_bytes + len <= sizeof(tx));
	for (i = 0; i < addr_bytes; i++)
		tx[1 + i] = addr >> 8 * (addr_bytes - 1 - i);
	if (len)
		memcpy(tx + 1 + addr_bytes, data, len);
	op(h, 0x06);
	crtm_user_op(h->u, tx, 1 + addr_bytes + len, NULL, 0);
}

static u8 read_at(struct host *h, u8 code, u32 addr, int addr_bytes)
{
	u8 tx[5] = { code }, value;
	int i;

	for (i = 0; i < addr_bytes; i++)
		tx[1 + i] = addr >> 8 * (addr_bytes - 1 - i);
	crtm_user_op(h->u, tx, 1 + addr_bytes, &value, 1);
	return value;
}

static u16 read_aspr(struct host *h)
{
	static const u8 code = ASP_OP_RDASPR;
	u8 value[2];

	crtm_user_op(h->u, &code, 1, value, 2);
	return value[0] | value[1] << 8;
}

static void read_password(struct host *h, u8 *value)
{
	static const u8 code = ASP_OP_RDPASS;

	crtm_user_op(h->u, &code, 1, value, ASP_PASSWORD_LEN);
}

static void set_vlb(struct host *h, u32 sector, u8 value)
{
	send(h, ASP_OP_WRVLB_4B, sector * ASP_SECTOR_SIZE, 4, &value, 1);
}

static u8 vlb(struct host *h, u32 sector)
{
	return read_at(h, ASP_OP_RDVLB_4B, sector * ASP_SECTOR_SIZE, 4);
}

static void set_nvlb(struct host *h, u32 sector)
{
	send(h, ASP_OP_WRNVLB, sector * ASP_SECTOR_SIZE, 4, NULL, 0);
	crtm_user_wait(h->u);
}

static u8 nvlb(struct host *h, u32 sector)
{
	return read_at(h, ASP_OP_RDNVLB, sector * ASP_SECTOR_SIZE, 4);
}

static void set_aspr(struct host *h, u16 value)
{
	send(h, ASP_OP_WRASPR, 0, 0, (const u8[]){ value & 0xff, value >> 8 }, 2);
	crtm_user_wait(h->u);
}

static void set_pmr(struct host *h, u8 value)
{
	send(h, ASP_OP_WRPMR, 0, 0, &value, 1);
	crtm_user_wait(h->u);
}

/* @code with the password or what is to pass for it */
static void send_password(struct host *h, u8 code, const u8 *data)
{
	send(h, code, 0, 0, data, ASP_PASSWORD_LEN);
	crtm_user_wait(h->u);
}

static struct host *host_in_password_mode(void)
{
	struct host *h = host_new(MINI);

	send_password(h, ASP_OP_WRPASS, password);
	set_aspr(h, ASP_ASPR_DEFAULT & ~ASP_ASPR_PASSWORD);
	assert_int_equal(read_aspr(h), 0xfffb);
	return h;
}

static void power_cycle(struct host *h)
{
	crtm_chip_power_off(&h->u->chip);
	crtm_chip_power_on(&h->u->chip);
}

static void reset_pin(struct host *h)
{
	crtm_chip_reset_pin(&h->u->chip);
}

static void soft_reset(struct host *h)
{
	op(h, 0x66);
	op(h, 0x99);
}

/* Nothing but the flag status changes, WEL stays; the next good operation works. */
static void refused(struct host *h, u8 fsr, u8 code, u32 addr, int addr_bytes, const u8 *data,
		    u32 len)
{
	struct snapshot before;

	op(h, 0x06);
	snapshot(h, &before);
	send(h, code, addr, addr_bytes, data, len);
	assert_true(unchanged(h, &before));
	assert_int_equal(read_reg(h, 0x70), fsr);
	assert_int_equal(read_reg(h, 0x05) & 3, WEL);
	op(h, 0x50);
	op(h, 0x04);
	assert_int_equal(read_reg(h, 0x70), READY);
}

/* Carried out: busy for so long, then no error and no WEL */
static void carried_out(struct host *h, u32 us)
{
	if (us) {
		assert_int_equal(read_reg(h, 0x05) & 3, 0x01);
		assert_int_equal(read_reg(h, 0x70) & READY, 0);
		h->u->now_us += us - 1;
		assert_int_equal(read_reg(h, 0x05) & 3, 0x01);
		h->u->now_us++;
	}
	assert_int_equal(read_reg(h, 0x05) & 3, 0);
	assert_int_equal(read_reg(h, 0x70), READY);
}

/* Every command that writes, with its number of bytes behind the opcode */
static const struct {
	u8 code;
	u8 len;
} writes[] = {
	{ ASP_OP_WRASPR, 2 }, { ASP_OP_WRVLB, 4 }, { ASP_OP_WRVLB_4B, 5 }, { ASP_OP_WRNVLB, 4 },
	{ ASP_OP_ERNVLB, 0 }, { ASP_OP_WRFREEZE, 0 }, { ASP_OP_WRPASS, 8 }, { ASP_OP_UNLOCK, 8 },
	{ ASP_OP_WRPMR, 1 },
};

static const u8 reads[] = {
	ASP_OP_RDASPR, ASP_OP_RDVLB, ASP_OP_RDVLB_4B, ASP_OP_RDNVLB, ASP_OP_RDFREEZE,
	ASP_OP_RDPASS, ASP_OP_RDPMR,
};

static void as_delivered(void **state)
{
	static const char * const names[] = {
		"mt25qu128-authenta", "mt25ql128-authenta", "mt25qu256", "mt25qu-mini",
	};
	u8 value[ASP_PASSWORD_LEN];
	struct host *h;
	size_t i;
	u32 k;

	(void)state;
	for (i = 0; i < N(names); i++) {
		h = host_new(crtm_chip_model(names[i], strlen(names[i])));
		assert_int_equal(read_aspr(h), 0xffff);
		assert_int_equal(read_reg(h, ASP_OP_RDFREEZE), ASP_FREEZE_OPEN);
		assert_int_equal(read_reg(h, ASP_OP_RDPMR), 0xff);
		read_password(h, value);
		assert_memory_equal(value, "\xff\xff\xff\xff\xff\xff\xff\xff", 8);
		for (k = 0; k < h->u->chip.model->size / ASP_SECTOR_SIZE; k++) {
			assert_int_equal(vlb(h, k), 0);
			assert_int_equal(nvlb(h, k), ASP_NVLB_OPEN);
			assert_int_equal(crtm_chip_locks(&h->u->chip, k), 0);
		}
		host_free(h);
	}
}

/* Another vendor's part knows none of it. */
static void others(void **state)
{
	static const u8 zeros[8];
	struct host *h = host_new(MODEL("rpmc-other"));
	struct snapshot before;
	size_t i;

	(void)state;
	op(h, 0x06);
	snapshot(h, &before);
	for (i = 0; i < N(writes); i++) {
		send(h, writes[i].code, 0, 0, zeros, writes[i].len);
		assert_true(unchanged(h, &before));
	}
	for (i = 0; i < N(reads); i++)
		assert_int_equal(read_at(h, reads[i], 0, 4), 0xff);
	host_free(h);
}

/* Without WEL, with a byte too few or too many, or busy: as if nothing had been sent */
static void malformed(void **state)
{
	static const u8 zeros[10];
	static const u8 erase[] = { 0x20, 0, 0, 0 };
	struct host *h = host_new(MINI);
	struct snapshot before;
	u8 tx[10], len;
	size_t i;

	(void)state;
	for (i = 0; i < N(writes); i++) {
		op(h, 0x04);
		snapshot(h, &before);
		memset(tx, 0, sizeof(tx));
		tx[0] = writes[i].code;
		crtm_user_op(h->u, tx, 1 + writes[i].len, NULL, 0);
		assert_true(unchanged(h, &before));
		op(h, 0x06);
		snapshot(h, &before);
		for (len = 0; len <= writes[i].len + 1; len++) {
			if (len == writes[i].len)
				continue;
			send(h, writes[i].code, 0, 0, zeros, len);
			assert_true(unchanged(h, &before));
			assert_int_equal(read_reg(h, 0x70), READY);
		}
	}
	for (i = 0; i < N(writes); i++) {
		array_op(h, 0x02, 0, 3, zeros, 1);
		op(h, 0x06);
		crtm_user_op(h->u, erase, sizeof(erase), NULL, 0);
		snapshot(h, &before);
		send(h, writes[i].code, 0, 0, zeros, writes[i].len);
		assert_true(unchanged(h, &before));
		assert_int_equal(read_at(h, ASP_OP_RDFREEZE, 0, 0), 0xff);
		crtm_user_wait(h->u);
	}
	host_free(h);
}

static void volatile_bits(void **state)
{
	struct host *h = host_new(MODEL("mt25qu256"));
	u8 value, seen[3], tx[5] = { ASP_OP_RDVLB, 0, 0, 0 };
	u32 sector;

	(void)state;
	/* Two bits count; at once; any address of the sector. */
	for (value = 0; value < 8; value++) {
		sector = 8 + value;
		send(h, ASP_OP_WRVLB, sector * ASP_SECTOR_SIZE + 0xffff, 3, &value, 1);
		carried_out(h, 0);
		assert_int_equal(read_at(h, ASP_OP_RDVLB, sector * ASP_SECTOR_SIZE, 3), value & 3);
		assert_int_equal(vlb(h, sector), value & 3);
		assert_int_equal(vlb(h, sector + 1), 0);
		assert_int_equal(crtm_chip_locks(&h->u->chip, sector),
				 (value & 1 ? MTD_ASP_S_VOLATILE : 0) |
				 (value & 2 ? MTD_ASP_S_LOCK_DOWN : 0));
	}
	/* The byte repeats. */
	tx[1] = 11;
	crtm_user_op(h->u, tx, 4, seen, 3);
	assert_memory_equal(seen, "\3\3\3", 3);

	/* The upper half: 4-byte opcode, address mode, extended address register */
	set_vlb(h, 0x123, ASP_VLB_LOCK);
	assert_int_equal(vlb(h, 0x123), ASP_VLB_LOCK);
	assert_int_equal(vlb(h, 0x023), 0);
	write_reg(h, 0xc5, 1);
	assert_int_equal(read_at(h, ASP_OP_RDVLB, 0x230000, 3), ASP_VLB_LOCK);
	write_reg(h, 0xc5, 0);
	op(h, 0x06);
	op(h, 0xb7);
	assert_int_equal(read_at(h, ASP_OP_RDVLB, 0x1230000, 4), ASP_VLB_LOCK);
	send(h, ASP_OP_WRVLB, 0x1230000, 4, (const u8 *)"", 1);
	assert_int_equal(vlb(h, 0x123), 0);
	host_free(h);
}

/* Locked down, open or locked, means: no value is taken, not even the same. */
static void lock_down(void **state)
{
	struct host *h = host_new(MINI);
	u8 down, value;

	(void)state;
	for (down = ASP_VLB_DOWN; down < 4; down++) {
		set_vlb(h, down, down);
		for (value = 0; value < 4; value++) {
			refused(h, REFUSED, ASP_OP_WRVLB_4B, down * ASP_SECTOR_SIZE, 4, &value, 1);
			refused(h, REFUSED, ASP_OP_WRVLB, down * ASP_SECTOR_SIZE, 3, &value, 1);
		}
		assert_int_equal(vlb(h, down), down);
	}
	set_vlb(h, 0, ASP_VLB_LOCK);
	assert_int_equal(vlb(h, 0), ASP_VLB_LOCK);
	host_free(h);
}

/* What each way of starting anew does to each bit, with and without password mode */
static void resets(void **state)
{
	static void (* const ways[])(struct host *) = { power_cycle, reset_pin, soft_reset };
	struct host *h;
	size_t i;
	int mode;
	u32 k;

	(void)state;
	for (i = 0; i < N(ways); i++)
		for (mode = 0; mode < 2; mode++) {
			h = mode ? host_in_password_mode() : host_new(MINI);
			/* The mode freezes from the next start on, not at once. */
			assert_int_equal(read_reg(h, ASP_OP_RDFREEZE), ASP_FREEZE_OPEN);
			set_pmr(h, 0xff & ~ASP_PMR_STATUS);
			set_nvlb(h, 1);
			for (k = 0; k < 4; k++)
				set_vlb(h, k, k);
			send(h, ASP_OP_WRFREEZE, 0, 0, NULL, 0);
			ways[i](h);
			for (k = 0; k < 4; k++) {
				assert_int_equal(vlb(h, k), 0);
				assert_int_equal(nvlb(h, k), k == 1 ? 0x00 : 0xff);
			}
			assert_int_equal(read_reg(h, ASP_OP_RDFREEZE), mode ? 0 : ASP_FREEZE_OPEN);
			assert_int_equal(read_reg(h, ASP_OP_RDPMR), 0xef);
			assert_int_equal(read_aspr(h), mode ? 0xfffb : 0xffff);
			set_vlb(h, 3, 0);
			carried_out(h, 0);
			host_free(h);
		}
}

static void non_volatile_bits(void **state)
{
	struct host *h = host_new(MINI);
	u32 k;

	(void)state;
	for (k = 0; k < 4; k += 2) {
		send(h, ASP_OP_WRNVLB, k * ASP_SECTOR_SIZE + 0x1234, 4, NULL, 0);
		carried_out(h, ASP_WRNVLB_US);
		assert_int_equal(nvlb(h, k), ASP_NVLB_LOCKED);
		assert_int_equal(nvlb(h, k + 1), ASP_NVLB_OPEN);
		assert_int_equal(crtm_chip_locks(&h->u->chip, k), MTD_ASP_S_NON_VOLATILE);
	}
	/* Once more changes nothing. */
	set_nvlb(h, 2);
	carried_out(h, 0);
	assert_int_equal(nvlb(h, 2), ASP_NVLB_LOCKED);
	/* Volatile bits and these have nothing to do with each other. */
	set_vlb(h, 2, 0);
	assert_int_equal(nvlb(h, 2), ASP_NVLB_LOCKED);

	send(h, ASP_OP_ERNVLB, 0, 0, NULL, 0);
	carried_out(h, ASP_ERNVLB_US);
	for (k = 0; k < 4; k++)
		assert_int_equal(nvlb(h, k), ASP_NVLB_OPEN);
	host_free(h);

	/* Every sector has its own, beyond 16 MiB too. */
	h = host_new(MODEL("mt25qu256"));
	for (k = 0; k < 512; k += 5)
		set_nvlb(h, k);
	for (k = 0; k < 512; k++)
		assert_int_equal(nvlb(h, k), k % 5 ? ASP_NVLB_OPEN : ASP_NVLB_LOCKED);
	power_cycle(h);
	for (k = 0; k < 512; k++)
		assert_int_equal(nvlb(h, k), k % 5 ? ASP_NVLB_OPEN : ASP_NVLB_LOCKED);
	host_free(h);
}

static void freeze(void **state)
{
	struct host *h = host_new(MINI);

	(void)state;
	set_nvlb(h, 1);
	send(h, ASP_OP_WRFREEZE, 0, 0, NULL, 0);
	carried_out(h, 0);
	assert_int_equal(read_reg(h, ASP_OP_RDFREEZE), 0);
	refused(h, REFUSED, ASP_OP_WRNVLB, 0, 4, NULL, 0);
	refused(h, ERASE_REFUSED, ASP_OP_ERNVLB, 0, 0, NULL, 0);
	/* Without password mode no password opens it, not even the right one. */
	refused(h, REFUSED, ASP_OP_UNLOCK, 0, 0, (const u8 *)"\xff\xff\xff\xff\xff\xff\xff\xff",
		8);
	/* It holds these bits alone. */
	set_vlb(h, 2, ASP_VLB_LOCK);
	assert_int_equal(vlb(h, 2), ASP_VLB_LOCK);
	send(h, ASP_OP_WRFREEZE, 0, 0, NULL, 0);
	carried_out(h, 0);
	assert_int_equal(nvlb(h, 1), ASP_NVLB_LOCKED);
	host_free(h);
}

/* Every value in every state that the register can be in */
static void aspr(void **state)
{
	static const u16 states[] = { 0xffff, 0xfffd, 0xfffb };
	struct host *h = host_new(MINI);
	u16 old, want;
	u32 value;
	size_t i;

	(void)state;
	for (i = 0; i < N(states); i++)
		for (value = 0; value <= 0xffff; value++) {
			old = h->u->chip.nv.aspr = states[i];
			want = old == 0xffff && (value == 0xffff || value == 0xfffd ||
						 value == 0xfffb) ? value : old;
			set_aspr(h, value);
			assert_int_equal(h->u->chip.nv.aspr, want);
			if (old == 0xffff && want == value)
				continue;
			assert_int_equal(read_reg(h, 0x70), REFUSED);
			assert_int_equal(read_reg(h, 0x05), WEL);
			op(h, 0x50);
			op(h, 0x04);
		}
	h->u->chip.nv.aspr = 0xffff;
	send(h, ASP_OP_WRASPR, 0, 0, (const u8 *)"\xfd\xff", 2);
	carried_out(h, ASP_OTP_US);
	power_cycle(h);
	assert_int_equal(read_aspr(h), 0xfffd);
	host_free(h);
}

static void pmr(void **state)
{
	struct host *h = host_new(MINI);
	u32 old, value, k;
	bool ok;

	(void)state;
	for (k = 0; k < 16; k++)
		for (value = 0; value <= 0xff; value++) {
			old = 0xe8 | (k & 8) << 1 | (k & 7);
			h->u->chip.nv.pmr = old;
			ok = old & 0x04 && (value & 0xe8) == 0xe8;
			set_pmr(h, value);
			assert_int_equal(h->u->chip.nv.pmr, ok ? old & value : old);
			assert_int_equal(read_reg(h, 0x70), ok ? READY : REFUSED);
			assert_int_equal(read_reg(h, 0x05), ok ? 0 : WEL);
			op(h, 0x50);
			op(h, 0x04);
		}
	h->u->chip.nv.pmr = 0xff;
	send(h, ASP_OP_WRPMR, 0, 0, (const u8 *)"\xfe", 1);
	carried_out(h, ASP_OTP_US);
	power_cycle(h);
	assert_int_equal(read_reg(h, ASP_OP_RDPMR), 0xfe);
	host_free(h);
}

/* What each of its bits stops, and that it stops nothing else */
static void pmr_effect(void **state)
{
	static const u8 bits[] = { ASP_PMR_STATUS, ASP_PMR_PMR, ASP_PMR_NVLB, ASP_PMR_NV_ERASE };
	struct host *h;
	size_t i;

	(void)state;
	for (i = 0; i < N(bits); i++) {
		h = host_new(MINI);
		set_nvlb(h, 0);
		set_pmr(h, 0xff & ~bits[i]);
		if (bits[i] == ASP_PMR_STATUS)
			refused(h, REFUSED, 0x01, 0, 0, (const u8 *)"\x04", 1);
		else
			write_reg(h, 0x01, 0x04);
		assert_int_equal(read_reg(h, 0x05), bits[i] == ASP_PMR_STATUS ? 0 : 0x04);
		if (bits[i] == ASP_PMR_PMR)
			refused(h, REFUSED, ASP_OP_WRPMR, 0, 0, (const u8 *)"\xff", 1);
		if (bits[i] == ASP_PMR_NVLB)
			refused(h, REFUSED, ASP_OP_WRNVLB, 0x10000, 4, NULL, 0);
		else
			set_nvlb(h, 1);
		assert_int_equal(nvlb(h, 1), bits[i] == ASP_PMR_NVLB ? 0xff : 0x00);
		if (bits[i] == ASP_PMR_NVLB || bits[i] == ASP_PMR_NV_ERASE)
			refused(h, ERASE_REFUSED, ASP_OP_ERNVLB, 0, 0, NULL, 0);
		else
			array_op(h, ASP_OP_ERNVLB, 0, 0, NULL, 0);
		assert_int_equal(nvlb(h, 0), bits[i] == ASP_PMR_NVLB ||
				 bits[i] == ASP_PMR_NV_ERASE ? 0x00 : 0xff);
		set_vlb(h, 2, ASP_VLB_LOCK);
		assert_int_equal(vlb(h, 2), ASP_VLB_LOCK);
		host_free(h);
	}
}

static void password_program(void **state)
{
	static const u8 more[] = { 0xf0, 0xff, 0x0f, 0xff, 0xff, 0x00, 0xff, 0xfe };
	struct host *h = host_new(MINI);
	u8 value[ASP_PASSWORD_LEN];
	u32 i;

	(void)state;
	send(h, ASP_OP_WRPASS, 0, 0, password, sizeof(password));
	carried_out(h, ASP_OTP_US);
	read_password(h, value);
	assert_memory_equal(value, password, sizeof(password));
	/* Bits only go to 0. */
	send_password(h, ASP_OP_WRPASS, more);
	read_password(h, value);
	for (i = 0; i < sizeof(value); i++)
		assert_int_equal(value[i], password[i] & more[i]);
	power_cycle(h);
	read_password(h, value);
	for (i = 0; i < sizeof(value); i++)
		assert_int_equal(value[i], password[i] & more[i]);

	/* With the promise never to use one it stays readable, and as it is. */
	set_aspr(h, 0xfffd);
	refused(h, REFUSED, ASP_OP_WRPASS, 0, 0, more, sizeof(more));
	refused(h, REFUSED, ASP_OP_UNLOCK, 0, 0, value, sizeof(value));
	read_password(h, value);
	assert_int_equal(value[0], password[0] & more[0]);
	assert_int_equal(read_reg(h, ASP_OP_RDFREEZE), ASP_FREEZE_OPEN);
	host_free(h);
}

static void password_mode(void **state)
{
	struct host *h = host_in_password_mode();
	u8 value[ASP_PASSWORD_LEN];
	u32 i;

	(void)state;
	read_password(h, value);
	assert_memory_equal(value, "\xff\xff\xff\xff\xff\xff\xff\xff", 8);
	refused(h, REFUSED, ASP_OP_WRPASS, 0, 0, password, sizeof(password));
	refused(h, REFUSED, ASP_OP_WRPASS, 0, 0, (const u8[8]){ 0 }, sizeof(password));
	set_nvlb(h, 3);

	power_cycle(h);
	refused(h, REFUSED, ASP_OP_WRNVLB, 0, 4, NULL, 0);
	refused(h, ERASE_REFUSED, ASP_OP_ERNVLB, 0, 0, NULL, 0);
	for (i = 0; i < 64; i++) {
		memcpy(value, password, sizeof(value));
		value[i / 8] ^= 1u << i % 8;
		refused(h, REFUSED, ASP_OP_UNLOCK, 0, 0, value, sizeof(value));
	}
	refused(h, REFUSED, ASP_OP_UNLOCK, 0, 0, (const u8 *)"\xff\xff\xff\xff\xff\xff\xff\xff",
		8);
	assert_int_equal(read_reg(h, ASP_OP_RDFREEZE), 0);

	send(h, ASP_OP_UNLOCK, 0, 0, password, sizeof(password));
	carried_out(h, ASP_OTP_US);
	assert_int_equal(read_reg(h, ASP_OP_RDFREEZE), ASP_FREEZE_OPEN);
	assert_int_equal(nvlb(h, 3), ASP_NVLB_LOCKED);
	array_op(h, ASP_OP_ERNVLB, 0, 0, NULL, 0);
	assert_int_equal(nvlb(h, 3), ASP_NVLB_OPEN);
	/* A6h closes again, and the password opens again. */
	send(h, ASP_OP_WRFREEZE, 0, 0, NULL, 0);
	refused(h, REFUSED, ASP_OP_WRNVLB, 0, 4, NULL, 0);
	send_password(h, ASP_OP_UNLOCK, password);
	set_nvlb(h, 0);
	assert_int_equal(nvlb(h, 0), ASP_NVLB_LOCKED);
	read_password(h, value);
	assert_memory_equal(value, "\xff\xff\xff\xff\xff\xff\xff\xff", 8);
	host_free(h);
}

/* It is nowhere but in its register. */
static void password_unseen(void **state)
{
	struct host *h = host_new(MINI);
	struct crtm_chip *chip = &h->u->chip;
	struct crtm_chip_event ring[32];
	char text[CRTM_CHIP_LINE_LEN], all[CRTM_CHIP_STATE_LEN];
	u8 value[ASP_PASSWORD_LEN], bus[sizeof(chip->bus)];
	u32 i, shown = 0;

	(void)state;
	chip->trace = ring;
	chip->trace_size = N(ring);
	send_password(h, ASP_OP_WRPASS, password);
	read_password(h, value);
	assert_memory_equal(value, password, sizeof(value));
	set_aspr(h, 0xfffb);
	send_password(h, ASP_OP_UNLOCK, password);
	for (i = 0; i < chip->trace_count; i++) {
		crtm_chip_event_text(text, &ring[i]);
		shown += ring[i].op == ASP_OP_WRPASS || ring[i].op == ASP_OP_RDPASS ||
			 ring[i].op == ASP_OP_UNLOCK;
		assert_null(strstr(text, "status"));
	}
	assert_int_equal(shown, 3);
	memcpy(bus, &chip->bus, sizeof(bus));
	for (i = 0; i + sizeof(password) <= sizeof(bus); i++)
		assert_memory_not_equal(bus + i, password, sizeof(password));

	set_nvlb(h, 1);
	set_vlb(h, 2, 3);
	assert_in_range(crtm_chip_state(chip, all), 1, sizeof(all) - 1);
	assert_non_null(strstr(all, "\naspr=fffb\npmr=ff\nfrozen=0\npassword_mode=1\nnvlb=1\n"
			       "vlb=1\n"));
	assert_null(strstr(all, "0123"));
	crtm_chip_wipe(chip);
	for (i = 0; i < sizeof(value); i++)
		assert_int_equal(chip->nv.password[i], 0);
	host_free(h);
}

/* What takes time waits for a suspended erase; what is immediate does not. */
static void suspended(void **state)
{
	static const u8 erase[] = { 0x20, 0x02, 0, 0 };
	struct host *h = host_in_password_mode();
	u8 lock = ASP_VLB_LOCK;

	(void)state;
	op(h, 0x06);
	crtm_user_op(h->u, erase, sizeof(erase), NULL, 0);
	op(h, 0x75);
	op(h, 0x06);
	send(h, ASP_OP_WRASPR, 0, 0, (const u8 *)"\xff\xff", 2);
	assert_int_equal(read_reg(h, 0x70), REFUSED_NOW | 0x40);
	op(h, 0x50);
	send(h, ASP_OP_WRNVLB, 0, 4, NULL, 0);
	assert_int_equal(read_reg(h, 0x70), REFUSED_NOW | 0x40);
	op(h, 0x50);
	send(h, ASP_OP_ERNVLB, 0, 0, NULL, 0);
	assert_int_equal(read_reg(h, 0x70), 0xa0 | 0x40);
	op(h, 0x50);
	send(h, ASP_OP_WRPASS, 0, 0, password, sizeof(password));
	assert_int_equal(read_reg(h, 0x70), REFUSED_NOW | 0x40);
	op(h, 0x50);
	send(h, ASP_OP_UNLOCK, 0, 0, password, sizeof(password));
	assert_int_equal(read_reg(h, 0x70), REFUSED_NOW | 0x40);
	op(h, 0x50);
	send(h, ASP_OP_WRPMR, 0, 0, (const u8 *)"\xfe", 1);
	assert_int_equal(read_reg(h, 0x70), REFUSED_NOW | 0x40);
	op(h, 0x50);
	assert_int_equal(read_reg(h, ASP_OP_RDPMR), 0xff);
	assert_int_equal(nvlb(h, 0), ASP_NVLB_OPEN);

	send(h, ASP_OP_WRVLB, 0, 3, &lock, 1);
	send(h, ASP_OP_WRFREEZE, 0, 0, NULL, 0);
	assert_int_equal(read_reg(h, 0x70), READY | 0x40);
	assert_int_equal(vlb(h, 0), ASP_VLB_LOCK);
	assert_int_equal(read_reg(h, ASP_OP_RDFREEZE), 0);
	host_free(h);
}

/* The next @n reads of the flag status register */
static void fsr_is(struct host *h, const char *fsr, u32 n)
{
	u32 i;

	for (i = 0; i < n; i++)
		assert_int_equal(read_reg(h, 0x70), (u8)fsr[i]);
}

static void stacked(void **state)
{
	static const u8 zero, lock = ASP_VLB_LOCK | ASP_VLB_DOWN;
	static const u8 write_sr[] = { 0x01, 0 };
	struct host *h = host_new(&stacked_model);
	struct crtm_chip *chip = &h->u->chip;
	u32 k;

	(void)state;
	/* One die after the other, at each assertion, however often it is read */
	set_vlb(h, 9, lock);
	array_op(h, 0x12, 9 * 0x10000, 4, &zero, 1);
	fsr_is(h, "\x80\x80\x92\x80\x80\x80\x92", 7);
	/* A command that could fail starts at the first die again. */
	array_op(h, 0x12, 0, 4, &zero, 1);
	assert_int_equal(chip->array[0], 0);
	fsr_is(h, "\x80\x80\x92", 3);
	/* What cannot fail does not: the last die is next. */
	op(h, 0x06);
	op(h, 0x04);
	assert_int_equal(vlb(h, 9), lock);
	fsr_is(h, "\x80\x80", 2);

	/* Errors of other dies add up; 50h clears them all. */
	set_vlb(h, 15, lock);
	array_op(h, 0x21, 15 * 0x10000 + 0x5000, 4, NULL, 0);
	fsr_is(h, "\x80\x80\x92\xa2", 4);
	op(h, 0x50);
	fsr_is(h, "\x80\x80\x80\x80", 4);
	op(h, 0x04);

	/* A command of sector protection with an address; one without: all dies */
	set_vlb(h, 15, lock);
	fsr_is(h, "\x80\x80\x80\x92", 4);
	op(h, 0x50);
	send(h, ASP_OP_WRFREEZE, 0, 0, NULL, 0);
	send(h, ASP_OP_WRNVLB, 4 * 0x10000, 4, NULL, 0);
	fsr_is(h, "\x80\x92\x80\x80", 4);
	op(h, 0x50);
	send(h, ASP_OP_ERNVLB, 0, 0, NULL, 0);
	fsr_is(h, "\xa2\xa2\xa2\xa2", 4);
	op(h, 0x50);
	set_pmr(h, 0xef);
	crtm_user_op(h->u, write_sr, 2, NULL, 0);
	op(h, 0x06);
	crtm_user_op(h->u, write_sr, 2, NULL, 0);
	fsr_is(h, "\x92\x92\x92\x92", 4);
	op(h, 0x50);
	op(h, 0x04);

	/* Die erase: that die, unless a sector in it is locked; no chip erase */
	for (k = 0; k < 4; k++)
		chip->array[k * 0x40000 + 0x20000] = 0;
	array_op(h, 0xc4, 0x45000, 3, NULL, 0);
	for (k = 0; k < 4; k++)
		assert_int_equal(chip->array[k * 0x40000 + 0x20000], k == 1 ? 0xff : 0);
	array_op(h, 0xc4, 0x80000, 3, NULL, 0);
	assert_int_equal(chip->array[0xa0000], 0);
	fsr_is(h, "\x80\x80\xa2\x80", 4);
	op(h, 0x50);
	array_op(h, 0xc7, 0, 0, NULL, 0);
	array_op(h, 0x60, 0, 0, NULL, 0);
	assert_int_equal(chip->array[0x20000], 0);
	fsr_is(h, "\x80\x80\x80\x80", 4);

	/* Not ready: all of them */
	send(h, 0xc4, 0, 3, NULL, 0);
	fsr_is(h, "\x00\x00\x00\x00\x00", 5);
	h->u->now_us += stacked_model.erase_chip_ms * 1000 - 1;
	fsr_is(h, "\x00\x00\x00\x00", 4);
	h->u->now_us++;
	fsr_is(h, "\x80\x80\x80\x80", 4);
	assert_int_equal(chip->array[0x20000], 0xff);
	host_free(h);
}

/* The part of 2 Gbit: first and last sector of each die, and the last of all */
static void largest(void **state)
{
	static const u8 zero;
	struct host *h = host_new(MODEL("mt25qu02g"));
	struct crtm_chip *chip = &h->u->chip;
	u32 die, sector, k;

	(void)state;
	assert_int_equal(chip->model->size / ASP_SECTOR_SIZE, CRTM_CHIP_MAX_SECTORS);
	for (die = 0; die < 4; die++)
		for (k = 0; k < 2; k++) {
			sector = die * (ASP_DIE_SIZE / ASP_SECTOR_SIZE) + k * 1023;
			set_vlb(h, sector, k ? ASP_VLB_LOCK : 0);
			if (!k)
				set_nvlb(h, sector);
			array_op(h, 0x12, sector * ASP_SECTOR_SIZE + 0xffff, 4, &zero, 1);
			assert_int_equal(chip->array[sector * ASP_SECTOR_SIZE + 0xffff], 0xff);
			assert_int_equal(chip->v.fsr[die], 0x12);
			op(h, 0x50);
			array_op(h, 0x12, (sector ^ 1) * ASP_SECTOR_SIZE, 4, &zero, 1);
			assert_int_equal(chip->array[(sector ^ 1) * ASP_SECTOR_SIZE], 0);
		}
	for (sector = 0; sector < CRTM_CHIP_MAX_SECTORS; sector++)
		assert_int_equal(crtm_chip_locks(chip, sector),
				 sector % 1024 == 0 ? MTD_ASP_S_NON_VOLATILE :
				 sector % 1024 == 1023 ? MTD_ASP_S_VOLATILE : 0);
	array_op(h, ASP_OP_ERNVLB, 0, 0, NULL, 0);
	for (sector = 0; sector < CRTM_CHIP_MAX_SECTORS; sector++)
		assert_int_equal(nvlb(h, sector), ASP_NVLB_OPEN);
	host_free(h);
}

/* No lock stops the authenticated commands; the region rules are not its business. */
static void authenticated(void **state)
{
	struct host *h = host_provisioned(MINI);
	struct crtm_chip *chip = &h->u->chip;
	u32 k;

	(void)state;
	for (k = 0; k < 4; k++) {
		set_vlb(h, k, 3);
		set_nvlb(h, k);
	}
	write_reg(h, 0x01, 0x0c);
	send(h, ASP_OP_WRFREEZE, 0, 0, NULL, 0);
	host_open(h);
	build_program(h, 0x10100, (const u8 *)"text", 4);
	assert_int_equal(host_step(h), OK);
	assert_memory_equal(chip->array + 0x10100, "text", 4);
	build_protect(h, 0x10000, 0x10000, CRTM_PROTECT_ADD);
	assert_int_equal(host_step(h), OK);
	assert_int_equal(crtm_chip_locks(chip, 1), MTD_ASP_S_LOCKED | MTD_ASP_S_LOCK_DOWN);
	build_erase(h, 0x10000, 0x1000);
	assert_int_equal(host_step(h), OK);
	assert_int_equal(chip->array[0x10100], 0xff);
	host_free(h);
}

/* Program, each erase and chip erase: they succeed exactly where nothing locks. */
static void try_array(struct host *h, const bool *locked)
{
	static const u8 zero;
	static const u8 codes[] = { 0x20, 0x52, 0xd8 };
	struct crtm_chip *chip = &h->u->chip;
	bool any = false;
	u32 k;

	for (k = 0; k < 4; k++) {
		u8 *byte = chip->array + k * ASP_SECTOR_SIZE + 0x1234 * k;
		u8 code = codes[k % 3];

		any |= locked[k];
		*byte = 0xff;
		send(h, 0x02, byte - chip->array, 3, &zero, 1);
		if (*byte != (locked[k] ? 0xff : 0) || chip->v.fsr[0] != (locked[k] ? 0x12 : 0) ||
		    chip->v.wel != locked[k])
			fail_msg("program of sector %u", k);
		op(h, 0x50);
		*byte = 0;
		send(h, code, byte - chip->array, 3, NULL, 0);
		if (*byte != (locked[k] ? 0 : 0xff) || chip->v.fsr[0] != (locked[k] ? 0x22 : 0) ||
		    chip->v.wel != locked[k])
			fail_msg("erase %02x of sector %u", code, k);
		op(h, 0x50);
	}
	chip->array[0] = 0;
	send(h, 0xc7, 0, 0, NULL, 0);
	if (chip->array[0] != (any ? 0 : 0xff) || chip->v.fsr[0] != (any ? 0x22 : 0))
		fail_msg("chip erase");
	op(h, 0x50);
}

/*
 * Four sectors, each with any of volatile, lock-down and non-volatile bit; frozen
 * or not; every setting of block protection; no, one or two protected regions.
 */
static void every_state(void **state)
{
	static const u8 regions[] = { 0x0, 0x1, 0xa, 0x6 };
	struct host *h = host_new(MINI);
	struct crtm_chip *chip = &h->u->chip;
	u32 bits, bp, tb, r, k, n = 0;
	bool locked[4];
	u8 bp_mask, want;

	(void)state;
	chip->time_scale = 0;
	for (r = 0; r < N(regions); r++)
	for (bp = 0; bp < 4; bp++)
	for (tb = 0; tb < 2; tb++)
	for (bits = 0; bits < 1u << 13; bits++) {
		chip->nv.regions = 0;
		chip->nv.nvlb[0] = 0;
		chip->nv.sr = bp << 2 | tb << 5;
		chip->v.frozen = bits >> 12;
		bp_mask = bp == 3 ? 0xf : bp == 2 ? (tb ? 0x3 : 0xc) :
			  bp == 1 ? (tb ? 0x1 : 0x8) : 0;
		for (k = 0; k < 4; k++) {
			u8 own = bits >> 3 * k & 7;

			chip->v.vlb[k] = own & 3;
			chip->nv.nvlb[0] |= (own >> 2) << k;
			if (regions[r] >> k & 1)
				chip->nv.region[chip->nv.regions++] =
					(struct crtm_chip_region){ k * ASP_SECTOR_SIZE,
								   ASP_SECTOR_SIZE };
			want = own;
			if (bp_mask >> k & 1)
				want |= MTD_ASP_S_BLOCK;
			if (regions[r] >> k & 1)
				want |= MTD_ASP_S_REGION;
			locked[k] = want & MTD_ASP_S_LOCKED;
			if (crtm_chip_locks(chip, k) != want)
				fail_msg("sector %u: %02x, not %02x", k,
					 crtm_chip_locks(chip, k), want);
		}
		try_array(h, locked);
		n++;
	}
	print_message("# %u states\n", n);
	host_free(h);
}

/* Power cuts */

struct change {
	const char *name;
	u8 locked;		/* sectors with a non-volatile lock before it */
	u32 states;		/* how many there are, the old and the new one counted */
	void (*act)(struct host *h);
	/* May a cut leave it so? */
	bool (*valid)(const struct crtm_chip_record *old, const struct crtm_chip_record *now);
};

static void a_set(struct host *h)
{
	send(h, ASP_OP_WRNVLB, 2 * ASP_SECTOR_SIZE, 4, NULL, 0);
}

static bool v_set(const struct crtm_chip_record *old, const struct crtm_chip_record *now)
{
	return (now->nvlb[0] | 0x04) == (old->nvlb[0] | 0x04);
}

static void a_erase(struct host *h)
{
	send(h, ASP_OP_ERNVLB, 0, 0, NULL, 0);
}

/* Open from the first one to some sector, as before from there on */
static bool v_erase(const struct crtm_chip_record *old, const struct crtm_chip_record *now)
{
	u8 k;

	for (k = 0; k < 5; k++)
		if (now->nvlb[0] == (old->nvlb[0] & 0xff << k))
			return true;
	return false;
}

static void a_aspr(struct host *h)
{
	send(h, ASP_OP_WRASPR, 0, 0, (const u8 *)"\xfb\xff", 2);
}

static bool v_aspr(const struct crtm_chip_record *old, const struct crtm_chip_record *now)
{
	return now->aspr == old->aspr || now->aspr == 0xfffb;
}

static void a_password(struct host *h)
{
	send(h, ASP_OP_WRPASS, 0, 0, password, sizeof(password));
}

static bool v_password(const struct crtm_chip_record *old, const struct crtm_chip_record *now)
{
	return (!memcmp(now->password, old->password, 4) ||
		!memcmp(now->password, password, 4)) &&
	       (!memcmp(now->password + 4, old->password + 4, 4) ||
		!memcmp(now->password, password, 8));
}

static void a_pmr(struct host *h)
{
	send(h, ASP_OP_WRPMR, 0, 0, (const u8 *)"\xec", 1);
}

static bool v_pmr(const struct crtm_chip_record *old, const struct crtm_chip_record *now)
{
	return now->pmr == old->pmr || now->pmr == 0xec;
}

static struct change changes[] = {
	{ "power cut: E3h", 0x1, 2, a_set, v_set },
	{ "power cut: E4h", 0xb, 4, a_erase, v_erase },
	{ "power cut: 2Ch", 0x1, 2, a_aspr, v_aspr },
	{ "power cut: 28h", 0x1, 3, a_password, v_password },
	{ "power cut: 68h", 0x1, 2, a_pmr, v_pmr },
};

/* The record without what counts by itself */
static struct crtm_chip_record plain(const struct crtm_chip_record *nv)
{
	struct crtm_chip_record rec = *nv;

	rec.crc = 0;
	rec.generation = 0;
	rec.power_on = 0;
	return rec;
}

static void every_step(void **state)
{
	const struct change *c = *state;
	struct host *h = host_new(MINI);
	struct crtm_chip *chip = &h->u->chip;
	struct crtm_chip_record old, now, last, after;
	u8 before[CRTM_CHIP_NV_HEADER];
	u32 cut, k, states = 1;

	for (k = 0; k < 4; k++)
		if (c->locked >> k & 1)
			set_nvlb(h, k);
	memcpy(before, h->u->nv, sizeof(before));
	old = plain(&chip->nv);
	last = old;
	c->act(h);
	crtm_user_wait(h->u);
	after = plain(&chip->nv);

	for (cut = 1;; cut++) {
		memcpy(h->u->nv, before, sizeof(before));
		power_cycle(h);
		set_vlb(h, 3, ASP_VLB_LOCK | ASP_VLB_DOWN);
		chip->cut_in = cut;
		c->act(h);
		if (chip->v.on)
			break;
		crtm_chip_power_on(chip);
		now = plain(&chip->nv);
		assert_true(c->valid(&old, &now));
		if (memcmp(&now, &last, sizeof(now)))
			states++;
		last = now;
		/* Volatile bits are open after it, by nature. */
		assert_int_equal(vlb(h, 3), 0);
		/* Sent again, it is done; only 2Ch is refused if it was done already. */
		c->act(h);
		crtm_user_wait(h->u);
		assert_int_equal(read_reg(h, 0x70), now.aspr == 0xffff ? READY : REFUSED);
		now = plain(&chip->nv);
		assert_memory_equal(&now, &after, sizeof(now));
	}
	/* Every state between showed, and the new one before the last step. */
	assert_int_equal(states, c->states);
	assert_memory_equal(&last, &after, sizeof(after));
	assert_true(cut > 5 * (states - 1));
	host_free(h);
}

/* Before an assertion: by opcode, any, once; and one that never arrives */
static void struck_assertions(void **state)
{
	struct host *h = host_new(MINI);
	struct crtm_chip *chip = &h->u->chip;
	u32 n;

	(void)state;
	chip->cut_before = (struct crtm_chip_at){ .count = 2, .op = ASP_OP_WRVLB_4B };
	set_vlb(h, 0, 1);
	assert_int_equal(vlb(h, 0), 1);
	set_vlb(h, 1, 1);
	assert_false(chip->v.on);
	assert_int_equal(chip->opcount[ASP_OP_WRVLB_4B], 1);
	assert_int_equal(vlb(h, 0), 0xff);
	assert_int_equal(chip->opcount[ASP_OP_RDVLB_4B], 1);
	crtm_chip_power_on(chip);
	assert_int_equal(vlb(h, 0), 0);
	set_vlb(h, 1, 1);
	assert_int_equal(vlb(h, 1), 1);

	for (n = 1; n < 6; n++) {
		chip->cut_before = (struct crtm_chip_at){ .count = n, .any = true };
		set_nvlb(h, n % 4);			/* 06 E3 */
		set_vlb(h, 2, 1);			/* 06 E1 */
		assert_int_equal(chip->v.on, n > 4);
		if (n > 4)
			break;
		crtm_chip_power_on(chip);
		assert_int_equal(nvlb(h, n % 4), n > 2 ? ASP_NVLB_LOCKED : ASP_NVLB_OPEN);
	}
	chip->cut_before.count = 0;

	chip->drop = (struct crtm_chip_at){ .count = 2, .op = 0x06 };
	set_vlb(h, 0, 1);
	set_vlb(h, 3, 1);
	assert_int_equal(vlb(h, 0), 1);
	assert_int_equal(vlb(h, 3), 0);
	set_vlb(h, 3, 1);
	assert_int_equal(vlb(h, 3), 1);
	host_free(h);
}

int main(void)
{
	struct CMUnitTest tests[20 + N(changes)] = {
		cmocka_unit_test(as_delivered),
		cmocka_unit_test(others),
		cmocka_unit_test(malformed),
		cmocka_unit_test(volatile_bits),
		cmocka_unit_test(lock_down),
		cmocka_unit_test(resets),
		cmocka_unit_test(non_volatile_bits),
		cmocka_unit_test(freeze),
		cmocka_unit_test(aspr),
		cmocka_unit_test(pmr),
		cmocka_unit_test(pmr_effect),
		cmocka_unit_test(password_program),
		cmocka_unit_test(password_mode),
		cmocka_unit_test(password_unseen),
		cmocka_unit_test(suspended),
		cmocka_unit_test(stacked),
		cmocka_unit_test(largest),
		cmocka_unit_test(authenticated),
		cmocka_unit_test(every_state),
		cmocka_unit_test(struck_assertions),
	};
	size_t i;

	for (i = 0; i < N(changes); i++)
		tests[20 + i] = (struct CMUnitTest){ changes[i].name, every_step, NULL, NULL,
						     &changes[i] };
	return cmocka_run_group_tests_name("asp", tests, NULL, NULL);
}
