// SPDX-License-Identifier: MIT
/*
 * Operations on one chip after another: ordinary opcodes, sector protection, bytes that
 * mean nothing, good blocks, spoiled and replayed ones, resets, power cuts. After each
 * the invariants 1, 3, 5 and 6 are held against a model of what the array must be, and
 * the registers of sector protection against what they were.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <mtd/mtd-security.h>

#include "traffic.h"

#define MAX_SECTORS	(TRAFFIC_MAX_SIZE / ASP_SECTOR_SIZE)

#define rnd(n)		traffic_rnd(n)

static u32 size_of(const struct traffic *f)
{
	return f->h->u->chip.model->size;
}

static u32 sectors_of(const struct traffic *f)
{
	return size_of(f) / ASP_SECTOR_SIZE;
}

/* What a step may change only by the rules, as it was before */
struct before {
	struct crtm_chip_record nv;
	u8 vlb[MAX_SECTORS];
	bool frozen;
	u32 resets, soft_resets, erases, unlocks;
	u8 locks[MAX_SECTORS];
};

static void look(struct traffic *f, struct before *b)
{
	struct crtm_chip *chip = &f->h->u->chip;
	u32 i;

	b->nv = chip->nv;
	memcpy(b->vlb, chip->v.vlb, sizeof(b->vlb));
	b->frozen = chip->v.frozen;
	b->resets = f->resets;
	b->soft_resets = chip->opcount[0x99];
	b->erases = chip->opcount[ASP_OP_ERNVLB];
	b->unlocks = chip->opcount[ASP_OP_UNLOCK];
	for (i = 0; i < sectors_of(f); i++)
		b->locks[i] = crtm_chip_locks(chip, i);
}

/* Locked bytes are the shadow's; what was not locked anybody may change. */
static void check_array(struct traffic *f, const struct before *b)
{
	u8 *array = f->h->u->chip.array;
	u32 i;

	for (i = 0; i < sectors_of(f); i++) {
		if (b->locks[i] & MTD_ASP_S_LOCKED) {
			assert_memory_equal(array + (i << 16), f->shadow + (i << 16), 0x10000);
			f->held++;
		} else {
			memcpy(f->shadow + (i << 16), array + (i << 16), 0x10000);
		}
	}
}

static void check_protection(struct traffic *f, const struct before *b)
{
	struct crtm_chip *chip = &f->h->u->chip;
	const struct crtm_chip_record *old = &b->nv, *now = &chip->nv;
	bool reset = b->resets != f->resets;
	/* Without 66h before it 99h is none. */
	bool maybe = reset || b->soft_resets != chip->opcount[0x99];
	bool opened = false, mode = !(now->aspr & ASP_ASPR_PASSWORD);
	u32 i;

	/* One-time bits stay 0, and no more go than may. */
	assert_int_equal(now->aspr & ~old->aspr, 0);
	assert_int_equal(now->pmr & ~old->pmr, 0);
	assert_true(now->aspr == 0xffff || now->aspr == 0xfffd || now->aspr == 0xfffb);
	assert_int_equal(now->pmr | 0x17, 0xff);
	if (!(old->pmr & ASP_PMR_PMR))
		assert_int_equal(now->pmr, old->pmr);
	if (!(old->pmr & ASP_PMR_STATUS))
		assert_int_equal(now->sr, old->sr);
	if (old->regions)
		assert_int_equal(now->nvcr, old->nvcr);
	assert_memory_equal(now->secret, old->secret, sizeof(now->secret));
	assert_in_range(now->power_on - old->power_on, 0, f->resets - b->resets);
	for (i = 0; i < ASP_PASSWORD_LEN; i++)
		assert_int_equal(now->password[i] & ~old->password[i], 0);
	if (old->aspr != 0xffff)
		assert_memory_equal(now->password, old->password, sizeof(now->password));

	/* Non-volatile locks */
	if (memcmp(now->nvlb, old->nvlb, sizeof(now->nvlb)))
		assert_true(!b->frozen && old->pmr & ASP_PMR_NVLB);
	for (i = 0; i < sizeof(now->nvlb); i++)
		opened |= old->nvlb[i] & ~now->nvlb[i];
	if (opened) {
		assert_int_equal(chip->opcount[ASP_OP_ERNVLB], b->erases + 1);
		assert_true(old->pmr & ASP_PMR_NV_ERASE);
		f->erased++;
	}

	/* Frozen is open again after a reset, or in password mode after the password. */
	if (b->frozen && !chip->v.frozen) {
		if (mode)
			assert_int_equal(chip->opcount[ASP_OP_UNLOCK], b->unlocks + 1);
		else
			assert_true(maybe);
		f->unlocked += mode;
	}
	if (reset && !(old->aspr & ASP_ASPR_PASSWORD)) {
		assert_true(chip->v.frozen);
		f->modes++;
	}

	for (i = 0; i < sectors_of(f); i++)
		if (b->vlb[i] & ASP_VLB_DOWN && !maybe)
			assert_int_equal(chip->v.vlb[i], b->vlb[i]);
}

/* One rnd() a statement: the same choices whatever compiled this. */
static u32 random_addr(struct traffic *f)
{
	u32 addr = rnd(size_of(f));

	switch (rnd(4)) {
	case 0:
		return addr & ~(ASP_SECTOR_SIZE - 1);
	case 1:
		return addr;
	case 2:
		return addr | rnd(4096) << 20;
	default:
		return (addr & ~(ASP_SECTOR_SIZE - 1)) - 1 - rnd(300);
	}
}

static void flip(u8 *buf, u32 n)
{
	u32 bit = rnd(8 * n);

	buf[bit / 8] ^= 1 << bit % 8;
}

/* A command of sector protection as a driver would send it, or nearly */
static void protection(struct traffic *f)
{
	static const u16 aspr[] = { 0xffff, 0xfffd, 0xfffb, 0xfff9 };
	struct crtm_chip *chip = &f->h->u->chip;
	u8 tx[9] = { 0 };
	u32 n = 0, i;

	to_be32(tx + 1, random_addr(f));
	switch (rnd(16)) {
	case 0:
	case 1:
	case 2:
	case 3:
		tx[0] = ASP_OP_WRVLB_4B;
		tx[5] = rnd(2) ? rnd(2) : rnd(256);
		n = 6;
		break;
	case 4:
		tx[0] = ASP_OP_WRVLB;
		to_be32(tx + 1, rnd(size_of(f)) << 8);
		tx[4] = rnd(4);
		n = 5;
		break;
	case 5:
	case 6:
	case 7:
		tx[0] = ASP_OP_WRNVLB;
		n = 5;
		break;
	case 8:
	case 9:
		tx[0] = ASP_OP_ERNVLB;
		n = 1;
		break;
	case 10:
		tx[0] = rnd(4) ? ASP_OP_ERNVLB : ASP_OP_WRFREEZE;
		n = 1;
		break;
	case 11:
		tx[0] = ASP_OP_WRASPR;
		i = rnd(4) ? aspr[rnd(4)] : rnd(0x10000);
		tx[1] = i;
		tx[2] = i >> 8;
		n = 3;
		break;
	case 12:
		tx[0] = ASP_OP_WRPASS;
		for (i = 0; i < ASP_PASSWORD_LEN; i++)
			tx[1 + i] = rnd(256) | rnd(256);
		n = 9;
		break;
	case 13:
	case 14:
		tx[0] = ASP_OP_UNLOCK;
		memcpy(tx + 1, chip->nv.password, ASP_PASSWORD_LEN);
		if (rnd(2))
			flip(tx + 1, ASP_PASSWORD_LEN);
		n = 9;
		break;
	default:
		tx[0] = ASP_OP_WRPMR;
		tx[1] = rnd(16) ? 0xff : rnd(4) ? ~(1u << rnd(8)) : rnd(256);
		n = 2;
	}
	if (rnd(8))
		op(f->h, 0x06);
	crtm_user_op(f->h->u, tx, n, NULL, rnd(32) == 0);
	if (rnd(4))
		crtm_user_wait(f->h->u);
}

static void ordinary(struct traffic *f)
{
	u8 tx[300];
	u32 n = 1 + rnd(8), i;

	if (rnd(8) == 0)
		n = rnd(sizeof(tx)) + 1;
	for (i = 0; i < n; i++)
		tx[i] = rnd(256);
	if (n > 5)
		to_be32(tx + 1, rnd(2) ? random_addr(f) : random_addr(f) << 8);
	/* Chip erase would leave nothing to test: now and then is enough. */
	if ((tx[0] == 0xc7 || tx[0] == 0x60 || tx[0] == 0xc4) && rnd(10))
		tx[0] = 0x20;
	/* OP1 has a place of its own. */
	if (tx[0] == OP1)
		tx[0] = 0x02;
	if (rnd(4))
		op(f->h, 0x06);
	crtm_user_op(f->h->u, tx, n, NULL, rnd(4));
	if (rnd(4))
		crtm_user_wait(f->h->u);
}

/* A good block of any kind, if its time has come; returns false if not. */
static bool good_block(struct traffic *f)
{
	struct host *h = f->h;
	struct crtm_chip *chip = &h->u->chip;
	u32 addr = rnd(size_of(f)), len = 1 + rnd(256), i;
	u8 slot = rnd(4), data[256];

	h->seq = f->seq;
	switch (rnd(16)) {
	case 0:
		build_update(h, slot, rnd(3));
		return true;
	case 1:
		build_increment(h, slot, chip->nv.mc[slot]);
		return chip->v.hkrs >> slot & 1;
	case 2:
		build_request(h, slot, "twelve bytes");
		return chip->v.hkrs >> slot & 1;
	case 3:
	case 4:
		if (!(chip->v.hkrs & 1))
			return false;
		build_open(h, chip->nv.mc[0], rnd(256));
		return true;
	case 5:
		if (rnd(6))
			return false;
		build_close(h);
		return chip->v.session;
	case 6:
	case 7:
		build_erase(h, addr & ~4095, 4096 * (1 + rnd(16)));
		return chip->v.session;
	case 8:
	case 9:
	case 10:
		for (i = 0; i < sizeof(data); i++)
			data[i] = rnd(256);
		if (len > 256 - addr % 256 && rnd(8))
			len = 256 - addr % 256;
		build_program(h, addr, data, len);
		return chip->v.session;
	case 11:
		build_protect(h, addr & ~0xffff, 0x10000 * (1 + rnd(2)), rnd(8) ? 1 : 0);
		return chip->v.session;
	case 12:
		if (chip->nv.regions) {
			i = rnd(chip->nv.regions);
			build_protect(h, chip->nv.region[i].addr, chip->nv.region[i].len, 0);
		}
		return chip->v.session && chip->nv.regions;
	case 13:
		build_measure(h, slot, rnd(256), addr, len);
		return true;
	case 14:
		build_derive(h, slot, addr, len);
		return true;
	default:
		if (rnd(50) == 0)
			build_lock(h, 0);
		else
			build_info(h, slot, rnd(256));
		return true;
	}
}

/* The shadow follows a block of the session that the chip accepted. */
static void follow(struct traffic *f, const u8 *blk, u32 n)
{
	u32 addr = be32(blk + CRTM_OFF_ADDR), i;

	if (blk[1] == CRTM_ERASE)
		memset(f->shadow + addr, 0xff, be32(blk + CRTM_OFF_LEN));
	if (blk[1] == CRTM_PROGRAM)
		for (i = 0; i < n - CRTM_OFF_DATA - RPMC_SIG_LEN; i++)
			f->shadow[addr + i] &= blk[CRTM_OFF_DATA + i];
}

/* Power failed inside of a block: only its named range is undefined. */
static void forgive(struct traffic *f, const u8 *blk, u32 n)
{
	u32 addr = be32(blk + CRTM_OFF_ADDR);
	u32 len = 0;

	if (blk[1] == CRTM_ERASE)
		len = be32(blk + CRTM_OFF_LEN);
	if (blk[1] == CRTM_PROGRAM)
		len = n - CRTM_OFF_DATA - RPMC_SIG_LEN;
	memcpy(f->shadow + addr * !!len, f->h->u->chip.array + addr * !!len, len);
}

static void send_block(struct traffic *f, bool good)
{
	struct host *h = f->h;
	struct crtm_chip *chip = &h->u->chip;
	struct crtm_chip_record old = chip->nv;
	struct snapshot before;
	bool session = chip->v.session, cut = rnd(10) == 0;
	u32 i, moved = 0;
	u8 type, status;

	snapshot(h, &before);
	if (cut)
		chip->cut_in = 1 + rnd(50);
	crtm_user_op(h->u, h->blk, h->n, NULL, 0);
	chip->cut_in = 0;
	type = h->n > 1 ? h->blk[1] : 0xff;
	if (!chip->v.on) {
		f->cuts++;
		f->resets++;
		f->seq = 0;
		if (good && session)
			forgive(f, h->blk, h->n);
		crtm_chip_power_on(chip);
		goto counters;
	}
	status = chip->v.resp[0];
	if (rnd(8))
		crtm_user_wait(h->u);

	if (status != OK && !(session && !chip->v.session)) {
		f->refused++;
		assert_true(unchanged(h, &before));
	} else if (status == OK) {
		f->accepted++;
		if (type == CRTM_MEASURE || type == CRTM_DERIVE_KEY || type == CRTM_GET_INFO)
			assert_true(unchanged(h, &before));
		if (type >= CRTM_CLOSE_SESSION && type <= CRTM_PROTECT) {
			assert_true(good && session);
			follow(f, h->blk, h->n);
			f->seq++;
		}
		if (type == CRTM_OPEN_SESSION)
			f->seq = 0;
		if (f->n < TRAFFIC_RECORDED || rnd(8) == 0) {
			i = f->n < TRAFFIC_RECORDED ? f->n++ : rnd(TRAFFIC_RECORDED);
			memcpy(f->recorded[i], h->blk, h->n);
			f->recorded_len[i] = h->n;
		}
	}
	if (!chip->v.session)
		f->seq = 0;
	assert_int_equal(chip->v.seq, f->seq);
counters:
	/* 1: by one accepted 02 or 40, one counter, one step */
	for (i = 0; i < 4; i++) {
		assert_in_range(chip->nv.mc[i] - old.mc[i], 0, 1);
		moved += chip->nv.mc[i] - old.mc[i];
	}
	assert_true(moved == 0 || (good && moved == 1 &&
		    (type == RPMC_INCREMENT_COUNTER || type == CRTM_OPEN_SESSION)));
	/* 3: the regions */
	if (!good || type != CRTM_PROTECT || !session)
		assert_memory_equal(chip->nv.region, old.region, sizeof(old.region));
	assert_memory_equal(chip->nv.root_key, old.root_key, sizeof(old.root_key));
}

/* Bytes both ways that mean nothing, or what follows an opcode; power may go between two. */
static void noise(struct traffic *f)
{
	struct host *h = f->h;
	struct crtm_chip *chip = &h->u->chip;
	u8 rx[CRTM_CHIP_RESP_LEN + 8];
	u32 i, n;

	h->n = 1 + rnd(64);
	for (i = 0; i < h->n; i++)
		h->blk[i] = rnd(256);
	if (h->blk[0] == OP1) {
		crtm_user_wait(h->u);
		op(h, 0x04);
		send_block(f, false);
		return;
	}
	n = rnd(sizeof(rx) + 1);
	crtm_chip_begin(chip);
	crtm_chip_transfer(chip, h->blk, NULL, h->n);
	crtm_chip_transfer(chip, NULL, rx, n);
	if (rnd(16) == 0) {
		crtm_chip_power_off(chip);
		crtm_chip_power_on(chip);
		f->resets++;
	}
	crtm_chip_end(chip);
}

void traffic_step(struct traffic *f)
{
	struct host *h = f->h;
	struct crtm_chip *chip = &h->u->chip;
	struct crtm_chip_record old = chip->nv;
	struct before before;
	u32 k = rnd(104), i;

	look(f, &before);
	if (k < 40) {
		if (chip->v.work != CRTM_CHIP_IDLE && rnd(4))
			crtm_user_wait(h->u);
		if (chip->v.work != CRTM_CHIP_IDLE && h->u->now_us < chip->v.busy_until)
			return;
		if (good_block(f)) {
			if (chip->v.suspended)
				op(h, 0x7a);
			crtm_user_wait(h->u);
			op(h, 0x04);
			send_block(f, true);
		}
	} else if (k < 55 && f->n) {
		/* Replayed, spoiled or both */
		i = rnd(f->n);
		memcpy(h->blk, f->recorded[i], f->recorded_len[i]);
		h->n = f->recorded_len[i];
		if (rnd(2))
			flip(h->blk, h->n);
		else if (rnd(4) == 0)
			h->n = 1 + rnd(h->n);
		if (h->blk[0] != OP1)
			return;
		crtm_user_wait(h->u);
		op(h, 0x04);
		/* A replayed 01 is good; so is an unsigned command. */
		send_block(f, false);
	} else if (k < 75) {
		ordinary(f);
	} else if (k < 95) {
		protection(f);
	} else if (k == 95) {
		op(h, 0x66);
		op(h, 0x99);
	} else if (k == 96) {
		crtm_chip_reset_pin(chip);
		f->resets++;
	} else if (k == 97) {
		crtm_chip_power_off(chip);
		chip->cut_in = rnd(100);
		crtm_chip_power_on(chip);
		chip->cut_in = 0;
		if (!chip->v.on) {
			crtm_chip_power_on(chip);
			f->resets++;
		}
		f->resets++;
	} else if (k >= 100) {
		noise(f);
	} else {
		chip->cut_in = 1 + rnd(60);
		if (k == 98)
			ordinary(f);
		else
			protection(f);
		chip->cut_in = 0;
		if (!chip->v.on) {
			crtm_chip_power_on(chip);
			f->resets++;
		}
	}
	if (k >= 55) {
		assert_memory_equal(chip->nv.mc, old.mc, sizeof(old.mc));
		assert_memory_equal(chip->nv.region, old.region, sizeof(old.region));
		assert_memory_equal(chip->nv.root_key, old.root_key, sizeof(old.root_key));
		if (!chip->v.session)
			f->seq = 0;
	}
	check_array(f, &before);
	check_protection(f, &before);
}

/* A chip as delivered, which knows nothing of the last one's blocks */
void traffic_new_chip(struct traffic *f, const struct crtm_chip_model *model)
{
	if (f->h)
		host_free(f->h);
	f->h = host_provisioned(model);
	memset(f->shadow, 0xff, sizeof(f->shadow));
	f->n = 0;
	f->seq = 0;
}
