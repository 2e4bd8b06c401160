// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * Emulated secure SPI NOR flash: the chip's logic.
 *
 * An MT25Q-like array with its registers and sector protection, the JESD260
 * commands, and the A-CRTM reference commands. A non-volatile change is made in
 * steps, and power may fail before each; a change takes effect when chip select
 * rises, the time it takes is simulated afterwards as busy time.
 */
#include "crtm-chip.h"

#ifdef __KERNEL__
#include <linux/build_bug.h>
#include <linux/compiler.h>
#include <linux/errno.h>
#include <linux/kernel.h>
#include <linux/math64.h>
#include <linux/string.h>
#else
#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#define ARRAY_SIZE(a)		(sizeof(a) / sizeof((a)[0]))
#define U32_MAX			0xffffffffU
#define U64_MAX			0xffffffffffffffffULL
#define div_u64(a, b)		((a) / (b))
#define memzero_explicit(p, n)	explicit_bzero(p, n)
#endif

/* Status register */
#define SR_WIP			0x01
#define SR_WEL			0x02
#define SR_BP_SHIFT		2
#define SR_BP012		0x1c

/* Flag status register */
#define FSR_READY		0x80
#define FSR_ERASE_SUSPENDED	0x40
#define FSR_ERASE_ERROR		0x20
#define FSR_PROGRAM_ERROR	0x10
#define FSR_PROGRAM_SUSPENDED	0x04
#define FSR_PROTECTION		0x02
#define FSR_ADDR4		0x01

/* Non-volatile configuration register: what it says of power-on */
#define NVCR_ADDR3		0x0001	/* 0: 4-byte addresses */
#define NVCR_LOWER_SEGMENT	0x0002	/* 0: upper 16 MiB */
#define NVCR_DEFAULT		0xffff

#define EVCR_DEFAULT		0xff
#define EVCR_PROTOCOL		0xc0	/* stays set: one data line each way */

#define NV_STEP_RECORD		64	/* bytes that a power cut cannot divide */
#define NV_STEP_PROGRAM		16
#define NV_STEP_ERASE		256

#define OUT_IDLE		0xff	/* nobody drives the line */

static_assert(sizeof(struct crtm_chip_record) <= CRTM_CHIP_NV_HEADER / 2);

static const struct crtm_chip_model models[] = {
	{
		.name = "mt25qu128-authenta",
		.id = { 0x20, 0xbb, 0x18, 0x12, 0x00, 0x8c },
		.id_len = 20,
		.size = 16 << 20,
		.micron = true,
		.slots = 4,
		.crtm = true,
		.sr_mask = 0xfc,
		.sr_tb = 0x20,
		.sr_bp3 = 0x40,
		.page_us = 120,
		.erase_4k_us = 50000,
		.erase_32k_us = 100000,
		.erase_64k_us = 150000,
		.erase_chip_ms = 38000,
		.write_sr_us = 1300,
		.delays = { 0x17, 0x17, 0x05 },	/* 112 us, 112 us, 5 ms */
	}, {
		.name = "mt25ql128-authenta",
		.id = { 0x20, 0xba, 0x18, 0x12, 0x00, 0x8c },
		.id_len = 20,
		.size = 16 << 20,
		.micron = true,
		.slots = 4,
		.crtm = true,
		.sr_mask = 0xfc,
		.sr_tb = 0x20,
		.sr_bp3 = 0x40,
		.page_us = 120,
		.erase_4k_us = 50000,
		.erase_32k_us = 100000,
		.erase_64k_us = 150000,
		.erase_chip_ms = 38000,
		.write_sr_us = 1300,
		.delays = { 0x17, 0x17, 0x05 },
	}, {
		.name = "mt25qu256",
		.id = { 0x20, 0xbb, 0x19, 0x10, 0x44, 0x00 },
		.id_len = 20,
		.size = 32 << 20,
		.micron = true,
		.sr_mask = 0xfc,
		.sr_tb = 0x20,
		.sr_bp3 = 0x40,
		.page_us = 120,
		.erase_4k_us = 50000,
		.erase_32k_us = 100000,
		.erase_64k_us = 150000,
		.erase_chip_ms = 77000,
		.write_sr_us = 1300,
	}, {
		.name = "mt25qu02g",
		.id = { 0x20, 0xbb, 0x22, 0x10, 0x44, 0x00 },
		.id_len = 20,
		.size = 256 << 20,
		.dice = 4,
		.micron = true,
		.sr_mask = 0xfc,
		.sr_tb = 0x20,
		.sr_bp3 = 0x40,
		.page_us = 120,
		.erase_4k_us = 50000,
		.erase_32k_us = 100000,
		.erase_64k_us = 150000,
		.erase_chip_ms = 153000,
		.write_sr_us = 1300,
	}, {
		/* Small enough to be tested in every state. */
		.name = "mt25qu-mini",
		.id = { 0x20, 0xbb, 0x18, 0x12, 0x00, 0x8c },
		.id_len = 20,
		.size = 4 * ASP_SECTOR_SIZE,
		.micron = true,
		.slots = 4,
		.crtm = true,
		.sr_mask = 0xfc,
		.sr_tb = 0x20,
		.sr_bp3 = 0x40,
		.page_us = 120,
		.erase_4k_us = 50000,
		.erase_32k_us = 100000,
		.erase_64k_us = 150000,
		.erase_chip_ms = 600,
		.write_sr_us = 1300,
		.delays = { 0x17, 0x17, 0x05 },
	}, {
		.name = "rpmc-other",
		.id = { 0xef, 0x70, 0x19 },
		.id_len = 3,
		.size = 32 << 20,
		.slots = 4,
		.poll_rdsr = true,
		.sr_mask = 0xfc,
		.sr_tb = 0x40,
		.sr_bp3 = 0x20,
		.page_us = 400,
		.erase_4k_us = 45000,
		.erase_32k_us = 120000,
		.erase_64k_us = 150000,
		.erase_chip_ms = 80000,
		.write_sr_us = 10000,
		.delays = { 0x22, 0x24, 0x11 },	/* 256 us, 512 us, 16 ms */
	},
};

/* Ordinary opcodes */

enum kind {
	READ_ARRAY,
	READ_SFDP,
	READ_ID,
	READ_OTP,
	READ_REG,
	READ_PASSWORD,
	PROGRAM,
	ERASE,
	WRITE_REG,
	WRITE_ASP,
	PLAIN,
	SECURE_WRITE,
	SECURE_READ,
};

#define ADDR_MODE	1	/* 3 or 4 bytes, as the address mode says */
#define WHOLE_DIE	0	/* size of an ERASE */

#define NEED_WEL	0x01
#define NEED_WEL_MICRON	0x02
#define MICRON_ONLY	0x04
#define STATUS		0x08	/* answered while busy */
#define SUSPEND		0x10	/* heeded while busy */
#define NOT_STACKED	0x20

struct crtm_chip_op {
	u8 code;
	u8 kind;
	u8 addr;	/* address bytes, or ADDR_MODE */
	u8 dummy;	/* bytes */
	u8 flags;
	u32 size;	/* of an ERASE; data bytes of a register */
};

/*
 * Dual and quad forms come over one line here, like all others. Eight dummy
 * cycles wherever there are some: VCR is stored but does not change them.
 */
static const struct crtm_chip_op ops[] = {
	{ 0x03, READ_ARRAY, ADDR_MODE, 0, 0, 0 },
	{ 0x0b, READ_ARRAY, ADDR_MODE, 1, 0, 0 },
	{ 0x3b, READ_ARRAY, ADDR_MODE, 1, 0, 0 },
	{ 0x6b, READ_ARRAY, ADDR_MODE, 1, 0, 0 },
	{ 0xbb, READ_ARRAY, ADDR_MODE, 1, 0, 0 },
	{ 0xeb, READ_ARRAY, ADDR_MODE, 1, 0, 0 },
	{ 0x13, READ_ARRAY, 4, 0, 0, 0 },
	{ 0x0c, READ_ARRAY, 4, 1, 0, 0 },
	{ 0x3c, READ_ARRAY, 4, 1, 0, 0 },
	{ 0x6c, READ_ARRAY, 4, 1, 0, 0 },
	{ 0xbc, READ_ARRAY, 4, 1, 0, 0 },
	{ 0xec, READ_ARRAY, 4, 1, 0, 0 },
	{ 0x5a, READ_SFDP, 3, 1, 0, 0 },
	{ 0x9f, READ_ID, 0, 0, 0, 0 },
	{ 0x9e, READ_ID, 0, 0, MICRON_ONLY, 0 },
	{ 0x4b, READ_OTP, ADDR_MODE, 1, MICRON_ONLY, 0 },

	{ 0x05, READ_REG, 0, 0, STATUS, 1 },
	{ 0x70, READ_REG, 0, 0, STATUS | MICRON_ONLY, 1 },
	{ 0xc8, READ_REG, 0, 0, 0, 1 },
	{ 0xb5, READ_REG, 0, 0, MICRON_ONLY, 2 },
	{ 0x85, READ_REG, 0, 0, MICRON_ONLY, 1 },
	{ 0x65, READ_REG, 0, 0, MICRON_ONLY, 1 },

	{ 0x02, PROGRAM, ADDR_MODE, 0, NEED_WEL, 0 },
	{ 0xa2, PROGRAM, ADDR_MODE, 0, NEED_WEL, 0 },
	{ 0xd2, PROGRAM, ADDR_MODE, 0, NEED_WEL, 0 },
	{ 0x32, PROGRAM, ADDR_MODE, 0, NEED_WEL, 0 },
	{ 0x38, PROGRAM, ADDR_MODE, 0, NEED_WEL, 0 },
	{ 0x12, PROGRAM, 4, 0, NEED_WEL, 0 },
	{ 0x34, PROGRAM, 4, 0, NEED_WEL, 0 },
	{ 0x3e, PROGRAM, 4, 0, NEED_WEL, 0 },

	{ 0x20, ERASE, ADDR_MODE, 0, NEED_WEL, 4096 },
	{ 0x21, ERASE, 4, 0, NEED_WEL, 4096 },
	{ 0x52, ERASE, ADDR_MODE, 0, NEED_WEL, 32768 },
	{ 0x5c, ERASE, 4, 0, NEED_WEL, 32768 },
	{ 0xd8, ERASE, ADDR_MODE, 0, NEED_WEL, 65536 },
	{ 0xdc, ERASE, 4, 0, NEED_WEL, 65536 },
	{ 0xc7, ERASE, 0, 0, NEED_WEL | NOT_STACKED, WHOLE_DIE },
	{ 0x60, ERASE, 0, 0, NEED_WEL | NOT_STACKED, WHOLE_DIE },
	{ 0xc4, ERASE, ADDR_MODE, 0, NEED_WEL | MICRON_ONLY, WHOLE_DIE },

	{ 0x01, WRITE_REG, 0, 0, NEED_WEL, 1 },
	{ 0xc5, WRITE_REG, 0, 0, NEED_WEL, 1 },
	{ 0xb1, WRITE_REG, 0, 0, NEED_WEL | MICRON_ONLY, 2 },
	{ 0x81, WRITE_REG, 0, 0, NEED_WEL | MICRON_ONLY, 1 },
	{ 0x61, WRITE_REG, 0, 0, NEED_WEL | MICRON_ONLY, 1 },

	{ ASP_OP_RDASPR, READ_REG, 0, 0, MICRON_ONLY, 2 },
	{ ASP_OP_RDVLB, READ_REG, ADDR_MODE, 0, MICRON_ONLY, 1 },
	{ ASP_OP_RDVLB_4B, READ_REG, 4, 0, MICRON_ONLY, 1 },
	{ ASP_OP_RDNVLB, READ_REG, 4, 0, MICRON_ONLY, 1 },
	{ ASP_OP_RDFREEZE, READ_REG, 0, 0, MICRON_ONLY, 1 },
	{ ASP_OP_RDPMR, READ_REG, 0, 0, MICRON_ONLY, 1 },
	{ ASP_OP_RDPASS, READ_PASSWORD, 0, 0, MICRON_ONLY, ASP_PASSWORD_LEN },
	{ ASP_OP_WRASPR, WRITE_ASP, 0, 0, NEED_WEL | MICRON_ONLY, 2 },
	{ ASP_OP_WRVLB, WRITE_ASP, ADDR_MODE, 0, NEED_WEL | MICRON_ONLY, 1 },
	{ ASP_OP_WRVLB_4B, WRITE_ASP, 4, 0, NEED_WEL | MICRON_ONLY, 1 },
	{ ASP_OP_WRNVLB, WRITE_ASP, 4, 0, NEED_WEL | MICRON_ONLY, 0 },
	{ ASP_OP_ERNVLB, WRITE_ASP, 0, 0, NEED_WEL | MICRON_ONLY, 0 },
	{ ASP_OP_WRFREEZE, WRITE_ASP, 0, 0, NEED_WEL | MICRON_ONLY, 0 },
	{ ASP_OP_WRPASS, WRITE_ASP, 0, 0, NEED_WEL | MICRON_ONLY, ASP_PASSWORD_LEN },
	{ ASP_OP_UNLOCK, WRITE_ASP, 0, 0, NEED_WEL | MICRON_ONLY, ASP_PASSWORD_LEN },
	{ ASP_OP_WRPMR, WRITE_ASP, 0, 0, NEED_WEL | MICRON_ONLY, 1 },

	{ 0x06, PLAIN, 0, 0, 0, 0 },
	{ 0x04, PLAIN, 0, 0, 0, 0 },
	{ 0x50, PLAIN, 0, 0, MICRON_ONLY, 0 },
	{ 0xb7, PLAIN, 0, 0, NEED_WEL_MICRON, 0 },
	{ 0xe9, PLAIN, 0, 0, NEED_WEL_MICRON, 0 },
	{ 0x66, PLAIN, 0, 0, 0, 0 },
	{ 0x99, PLAIN, 0, 0, 0, 0 },
	{ 0x75, PLAIN, 0, 0, SUSPEND, 0 },
	{ 0x7a, PLAIN, 0, 0, 0, 0 },
};

static const struct crtm_chip_op op1 = { RPMC_OP1_DEFAULT, SECURE_WRITE, 0, 0, 0, 0 };
static const struct crtm_chip_op op2 = { RPMC_OP2_DEFAULT, SECURE_READ, 0, 1, STATUS, 0 };

/* The security commands, from the contract headers */

/* The columns of RPMC_COMMANDS() */
struct command {
	u8 type;
	const char *sym;
	const char *name;
	u8 class;
	u8 flags;
	u16 min;
	u16 max;
	u16 resp;
	u8 addr;
	u8 len;
	u32 unit;
	u32 limit;
	u8 rsvd;
	u8 nrsvd;
	u32 typ_us;
	u32 max_us;
	u32 typ_us_64k;
	u32 max_us_64k;
};

#define COMMAND(_type, _sym, ...)	{ _type, #_sym, __VA_ARGS__ },

static const struct command rpmc_commands[] = { RPMC_COMMANDS(COMMAND) };
static const struct command crtm_commands[] = { CRTM_COMMANDS(COMMAND) };

/* Small helpers */

static u32 get_be32(const u8 *p)
{
	return (u32)p[0] << 24 | (u32)p[1] << 16 | (u32)p[2] << 8 | p[3];
}

static void put_be32(u8 *p, u32 v)
{
	p[0] = v >> 24;
	p[1] = v >> 16;
	p[2] = v >> 8;
	p[3] = v;
}

static void put_le32(u8 *p, u32 v)
{
	p[0] = v;
	p[1] = v >> 8;
	p[2] = v >> 16;
	p[3] = v >> 24;
}

/* Constant time: how much of a MAC was right must not show. */
static bool differs(const u8 *a, const u8 *b, size_t len)
{
	u32 diff = 0;
	size_t i;

	for (i = 0; i < len; i++) {
		diff |= a[i] ^ b[i];
		asm("" : "+r" (diff));	/* no early exit */
	}
	return diff;
}

static u32 crc32(const u8 *p, size_t len)
{
	u32 crc = U32_MAX;
	int i;

	while (len--) {
		crc ^= *p++;
		for (i = 0; i < 8; i++)
			crc = crc >> 1 ^ (crc & 1 ? 0xedb88320 : 0);
	}
	return ~crc;
}

static u32 n_sectors(const struct crtm_chip *chip)
{
	return chip->model->size / ASP_SECTOR_SIZE;
}

static u32 n_dice(const struct crtm_chip *chip)
{
	return chip->model->dice ? chip->model->dice : 1;
}

static u32 die_size(const struct crtm_chip *chip)
{
	return chip->model->size / n_dice(chip);
}

static bool overlaps(const struct crtm_chip_region *r, u32 addr, u32 len)
{
	return addr < r->addr + r->len && r->addr < addr + len;
}

/* An array of up to 4 GiB - 1 in bytes; a sum that would wrap is outside. */
static bool in_chip(const struct crtm_chip *chip, u32 addr, u32 len)
{
	return len && addr < chip->model->size && len <= chip->model->size - addr;
}

/* Non-volatile memory */

static void forget(struct crtm_chip *chip)
{
	memzero_explicit(&chip->v, sizeof(chip->v));
}

static bool nv_step(struct crtm_chip *chip)
{
	if (chip->cut_in && !--chip->cut_in) {
		forget(chip);
		return false;
	}
	chip->nv_steps++;
	return true;
}

static u32 record_crc(const struct crtm_chip_record *rec)
{
	return crc32((const u8 *)rec + sizeof(rec->crc), sizeof(*rec) - sizeof(rec->crc));
}

static u8 *record_copy(struct crtm_chip *chip, u32 generation)
{
	return chip->nv_mem + (generation & 1) * (CRTM_CHIP_NV_HEADER / 2);
}

/* False: power failed. The memory then holds the old record or the new one. */
static bool nv_commit(struct crtm_chip *chip)
{
	struct crtm_chip_record *rec = &chip->nv;
	const u8 *src = (const u8 *)rec;
	u8 *dst;
	size_t n, i;

	rec->generation++;
	rec->crc = record_crc(rec);
	dst = record_copy(chip, rec->generation);
	for (i = 0; i < sizeof(*rec); i += n) {
		n = sizeof(*rec) - i;
		if (n > NV_STEP_RECORD)
			n = NV_STEP_RECORD;
		if (!nv_step(chip))
			return false;
		memcpy(dst + i, src + i, n);
	}
	return true;
}

static bool nv_load(struct crtm_chip *chip)
{
	struct crtm_chip_record rec;
	bool found = false;
	u32 i;

	for (i = 0; i < 2; i++) {
		memcpy(&rec, record_copy(chip, i), sizeof(rec));
		if (rec.crc != record_crc(&rec))
			continue;
		if (!found || (int)(rec.generation - chip->nv.generation) > 0)
			chip->nv = rec;
		found = true;
	}
	memzero_explicit(&rec, sizeof(rec));
	return found;
}

static bool array_erase(struct crtm_chip *chip, u32 addr, u32 len)
{
	u32 i;

	for (i = 0; i < len; i += NV_STEP_ERASE) {
		if (!nv_step(chip))
			return false;
		memset(chip->array + addr + i, 0xff, NV_STEP_ERASE);
	}
	return true;
}

/* Programming clears bits. @at wraps inside its page, as the page buffer does. */
static bool array_program(struct crtm_chip *chip, u32 at, const u8 *data, u32 len)
{
	u32 page = at & ~(u32)(CRTM_CHIP_PAGE - 1);
	u32 i;

	for (i = 0; i < len; i++) {
		if (i % NV_STEP_PROGRAM == 0 && !nv_step(chip))
			return false;
		chip->array[page + (at + i) % CRTM_CHIP_PAGE] &= data[i];
	}
	return true;
}

/* SFDP */

#define SFDP_HEADERS	5
#define SFDP_BFPT	0x40
#define SFDP_BFPT_LEN	16

static u32 sfdp_table(struct crtm_chip *chip, u32 at, u16 id, u8 minor,
		      const u32 *dwords, u8 n)
{
	u8 *h = chip->sfdp + 8 + 8 * ++chip->sfdp[6];
	u32 i;

	h[0] = id & 0xff;
	h[1] = minor;
	h[2] = 1;
	h[3] = n;
	h[4] = at;
	h[5] = at >> 8;
	h[6] = at >> 16;
	h[7] = id >> 8;
	for (i = 0; i < n; i++)
		put_le32(chip->sfdp + at + 4 * i, dwords[i]);
	return at + 4 * n;
}

static void sfdp_make(struct crtm_chip *chip)
{
	const struct crtm_chip_model *model = chip->model;
	/* JESD216B; multi-line reads are not announced: there is one line. */
	const u32 bfpt[SFDP_BFPT_LEN] = {
		0xff8220e5,		/* 4K erase 20h, 3- or 4-byte addresses */
		model->size * 8 - 1,
		0, 0, 0xffffffee, 0x0000ffff, 0x0000ffff,
		0x520f200c,		/* erase types 4K 20h, 32K 52h */
		0x0000d810,		/* 64K D8h */
		0x00a53223,		/* their typical times, maximum 8 times that */
		0xc9002187,		/* 256-byte pages, their and the chip's times */
		0x00000000,		/* suspend and resume are supported */
		0x757a757a,
		model->micron ? 0x8000000c : 0x80000004,	/* FSR, RDSR polling */
		0,			/* no quad enable bit */
		/* 66h 99h; B7h and E9h, after WREN on Micron's; 4-byte opcodes */
		model->micron ? 0x22009000 : 0x21005000,
	};
	static const u32 addr4[] = {
		0x00000e43,		/* 13h 0Ch 12h, erase types 1 to 3 */
		0xffdc5c21,
	};
	static const u32 packet[] = { 0xffffffff };	/* content: reference */
	static const u8 marker[CRTM_MARKER_LEN + 1] = CRTM_MARKER;
	const u32 rpmc[RPMC_SFDP_DWORDS] = {
		0xf0000008 | (model->poll_rdsr ? 0x4 : 0) |
		(u32)(model->slots ? model->slots - 1 : 0) << 4 |
		RPMC_OP1_DEFAULT << 8 | RPMC_OP2_DEFAULT << 16,
		0xff000000 | model->delays[0] | model->delays[1] << 8 |
		(u32)model->delays[2] << 16,
	};
	u32 words[CRTM_MARKER_LEN / 4];
	u32 at = SFDP_BFPT;
	u32 i;

	memset(chip->sfdp, 0xff, sizeof(chip->sfdp));
	memcpy(chip->sfdp, "SFDP\x06\x01", 6);
	/* Number of headers less one; sfdp_table() counts up from -1. */
	chip->sfdp[6] = 0xff;
	at = sfdp_table(chip, at, 0xff00, 6, bfpt, SFDP_BFPT_LEN);
	at = sfdp_table(chip, at, 0xff84, 0, addr4, ARRAY_SIZE(addr4));
	if (model->slots)
		at = sfdp_table(chip, at, RPMC_SFDP_ID, 0, rpmc, RPMC_SFDP_DWORDS);
	if (model->crtm) {
		at = sfdp_table(chip, at, 0xff8e, 0, packet, ARRAY_SIZE(packet));
		for (i = 0; i < ARRAY_SIZE(words); i++)
			words[i] = marker[4 * i] | marker[4 * i + 1] << 8 |
				   marker[4 * i + 2] << 16 |
				   (u32)marker[4 * i + 3] << 24;
		at = sfdp_table(chip, at, CRTM_MARKER_ID, 0, words, ARRAY_SIZE(words));
	}
	chip->sfdp_len = at;
}

/* Time */

static u64 now(struct crtm_chip *chip)
{
	return chip->ops->time_us(chip->ctx);
}

static bool busy(struct crtm_chip *chip)
{
	if (chip->v.work != CRTM_CHIP_IDLE && now(chip) >= chip->v.busy_until)
		chip->v.work = CRTM_CHIP_IDLE;
	return chip->v.work != CRTM_CHIP_IDLE;
}

static void start(struct crtm_chip *chip, enum crtm_chip_work work, u64 us)
{
	us = div_u64(us * chip->time_scale, 100);
	chip->bus.ev.busy_us = us;
	if (!us)
		return;
	chip->v.work = work;
	chip->v.busy_until = now(chip) + us;
}

/* A delay of the SFDP table FF03h in us; @scale: 1, or 1000 for the long one */
static u32 delay_us(u8 code, u32 scale)
{
	static const u16 unit[] = { 1, 16, 128, 1000 };

	return (code & 0x0f) * unit[code >> 4 & 3] * scale;
}

/* Power and reset */

static void end_session(struct crtm_chip *chip)
{
	chip->v.session = false;
	chip->v.seq = 0;
	memzero_explicit(chip->v.sk, sizeof(chip->v.sk));
}

static void come_up(struct crtm_chip *chip)
{
	struct crtm_chip_volatile *v = &chip->v;

	forget(chip);
	memzero_explicit(&chip->bus, sizeof(chip->bus));
	v->on = true;
	v->frozen = !(chip->nv.aspr & ASP_ASPR_PASSWORD);
	v->vcr = 0xfb;
	v->evcr = EVCR_DEFAULT;
	v->addr4 = !(chip->nv.nvcr & NVCR_ADDR3);
	if (!(chip->nv.nvcr & NVCR_LOWER_SEGMENT))
		v->ear = (chip->model->size - 1) >> 24;
	v->resp_len = 1;
}

void crtm_chip_power_off(struct crtm_chip *chip)
{
	forget(chip);
	memzero_explicit(&chip->bus, sizeof(chip->bus));
}

void crtm_chip_power_on(struct crtm_chip *chip)
{
	crtm_chip_power_off(chip);
	/* A valid copy is always there: crtm_chip_init() saw one. */
	nv_load(chip);
	if (chip->nv.power_on != U32_MAX) {
		chip->nv.power_on++;
		if (!nv_commit(chip))
			return;
	}
	come_up(chip);
}

void crtm_chip_reset_pin(struct crtm_chip *chip)
{
	if (chip->v.on)
		come_up(chip);
}

static void soft_reset(struct crtm_chip *chip)
{
	struct crtm_chip_event ev = chip->bus.ev;
	bool locked = chip->v.derivation_locked;

	come_up(chip);
	chip->v.derivation_locked = locked;
	chip->bus.ev = ev;
}

const struct crtm_chip_model *crtm_chip_model(const char *name, size_t len)
{
	size_t i;

	for (i = 0; i < ARRAY_SIZE(models); i++)
		if (strlen(models[i].name) == len && !memcmp(models[i].name, name, len))
			return &models[i];
	return NULL;
}

size_t crtm_chip_nv_size(const struct crtm_chip_model *model)
{
	return CRTM_CHIP_NV_HEADER + (size_t)model->size;
}

int crtm_chip_init(struct crtm_chip *chip, const struct crtm_chip_model *model,
		   void *nv, const struct crtm_chip_ops *callbacks, void *ctx)
{
	memset(chip, 0, sizeof(*chip));
	chip->model = model;
	chip->ops = callbacks;
	chip->ctx = ctx;
	chip->nv_mem = nv;
	chip->array = chip->nv_mem + CRTM_CHIP_NV_HEADER;
	chip->time_scale = 100;
	memcpy(chip->id, model->id, model->id_len);
	chip->id_len = model->id_len;
	sfdp_make(chip);

	if (nv_load(chip))
		return strncmp(chip->nv.model, model->name, sizeof(chip->nv.model)) ?
			-EINVAL : 0;

	memset(chip->array, 0xff, model->size);
	memset(&chip->nv, 0, sizeof(chip->nv));
	memcpy(chip->nv.model, model->name, strlen(model->name));
	callbacks->random(ctx, chip->nv.secret, sizeof(chip->nv.secret));
	chip->nv.nvcr = NVCR_DEFAULT;
	chip->nv.aspr = ASP_ASPR_DEFAULT;
	chip->nv.pmr = ASP_PMR_DEFAULT;
	memset(chip->nv.password, 0xff, sizeof(chip->nv.password));
	nv_commit(chip);
	return 0;
}

void crtm_chip_wipe(struct crtm_chip *chip)
{
	crtm_chip_power_off(chip);
	memzero_explicit(&chip->nv, sizeof(chip->nv));
}

/* Protection and registers */

static bool block_protected(const struct crtm_chip *chip, u32 addr, u32 len)
{
	const struct crtm_chip_model *model = chip->model;
	struct crtm_chip_region r = { .len = 0 };
	u32 bp = (chip->nv.sr & SR_BP012) >> SR_BP_SHIFT;

	if (chip->nv.sr & model->sr_bp3)
		bp |= 8;
	if (!bp)
		return false;
	r.len = (model->size >> 16) >> (bp - 1) ? 65536u << (bp - 1) : model->size;
	r.addr = chip->nv.sr & model->sr_tb ? 0 : model->size - r.len;
	return overlaps(&r, addr, len);
}

static bool region_protected(const struct crtm_chip *chip, u32 addr, u32 len)
{
	u32 i;

	for (i = 0; i < chip->nv.regions; i++)
		if (overlaps(&chip->nv.region[i], addr, len))
			return true;
	return false;
}

static bool nv_locked(const struct crtm_chip *chip, u32 sector)
{
	return chip->nv.nvlb[sector / 8] >> sector % 8 & 1;
}

static bool password_mode(const struct crtm_chip *chip)
{
	return !(chip->nv.aspr & ASP_ASPR_PASSWORD);
}

u8 crtm_chip_locks(const struct crtm_chip *chip, u32 sector)
{
	u32 addr = sector * ASP_SECTOR_SIZE;
	u8 locks = 0;

	if (chip->v.vlb[sector] & ASP_VLB_LOCK)
		locks |= ASP_S_VOLATILE;
	if (chip->v.vlb[sector] & ASP_VLB_DOWN)
		locks |= ASP_S_LOCK_DOWN;
	if (nv_locked(chip, sector))
		locks |= ASP_S_NON_VOLATILE;
	if (block_protected(chip, addr, ASP_SECTOR_SIZE))
		locks |= ASP_S_BLOCK;
	if (region_protected(chip, addr, ASP_SECTOR_SIZE))
		locks |= ASP_S_REGION;
	return locks;
}

/* Each kind of protection covers whole sectors. */
static bool is_locked(const struct crtm_chip *chip, u32 addr, u32 len)
{
	u32 i;

	for (i = addr / ASP_SECTOR_SIZE; i <= (addr + len - 1) / ASP_SECTOR_SIZE; i++)
		if (crtm_chip_locks(chip, i) & ASP_S_LOCKED)
			return true;
	return false;
}

static u8 status_register(struct crtm_chip *chip)
{
	u8 sr = chip->nv.sr;

	if (chip->v.wel)
		sr |= SR_WEL;
	if (busy(chip) && (chip->v.work != CRTM_CHIP_SECURE || chip->model->poll_rdsr))
		sr |= SR_WIP;
	return sr;
}

static u8 flag_status(struct crtm_chip *chip, u32 die)
{
	u8 fsr = chip->v.fsr[die];

	if (!busy(chip) || chip->v.work == CRTM_CHIP_SECURE)
		fsr |= FSR_READY;
	if (chip->v.suspended == CRTM_CHIP_ERASE)
		fsr |= FSR_ERASE_SUSPENDED;
	if (chip->v.suspended == CRTM_CHIP_PROGRAM)
		fsr |= FSR_PROGRAM_SUSPENDED;
	if (chip->v.addr4)
		fsr |= FSR_ADDR4;
	return fsr;
}

static u8 register_byte(struct crtm_chip *chip, u8 code, u32 k)
{
	u32 sector = chip->bus.phys / ASP_SECTOR_SIZE;

	switch (code) {
	case 0x05:
		return status_register(chip);
	case 0x70:
		return flag_status(chip, chip->v.fsr_die);
	case 0xc8:
		return chip->v.ear;
	case 0xb5:
		return k & 1 ? chip->nv.nvcr >> 8 : chip->nv.nvcr & 0xff;
	case 0x85:
		return chip->v.vcr;
	case ASP_OP_RDASPR:
		return k & 1 ? chip->nv.aspr >> 8 : chip->nv.aspr & 0xff;
	case ASP_OP_RDVLB:
	case ASP_OP_RDVLB_4B:
		return chip->v.vlb[sector];
	case ASP_OP_RDNVLB:
		return nv_locked(chip, sector) ? ASP_NVLB_LOCKED : ASP_NVLB_OPEN;
	case ASP_OP_RDFREEZE:
		return chip->v.frozen ? 0 : ASP_FREEZE_OPEN;
	case ASP_OP_RDPMR:
		return chip->nv.pmr;
	default:
		return chip->v.evcr;
	}
}

/*
 * An error leaves WEL set; only Micron's parts show it in a register, in that of
 * the die concerned: what has no address concerns all.
 */
static enum crtm_chip_result fail(struct crtm_chip *chip, u8 error, bool protection)
{
	const struct crtm_chip_event *ev = &chip->bus.ev;
	u32 i;

	for (i = 0; chip->model->micron && i < n_dice(chip); i++)
		if (!ev->has_addr || ev->addr / die_size(chip) == i)
			chip->v.fsr[i] |= error | (protection ? FSR_PROTECTION : 0);
	return protection ? CRTM_CHIP_LOCKED : CRTM_CHIP_ERROR;
}

static bool record_changed(struct crtm_chip *chip, u32 us)
{
	chip->v.wel = false;
	if (!nv_commit(chip))
		return false;
	start(chip, CRTM_CHIP_FIXED, us);
	return true;
}

static enum crtm_chip_result write_register(struct crtm_chip *chip, const u8 *data, u32 n)
{
	const struct crtm_chip_op *op = chip->bus.op;

	/* Others than Micron take a second status register after the first. */
	if (n != op->size && !(op->code == 0x01 && n == 2 && !chip->model->micron))
		return CRTM_CHIP_SHORT;
	switch (op->code) {
	case 0x01:
	case 0xb1:
		if (chip->v.suspended)
			return fail(chip, FSR_PROGRAM_ERROR, false);
		if (op->code == 0x01 ? !(chip->nv.pmr & ASP_PMR_STATUS) : chip->nv.regions)
			return fail(chip, FSR_PROGRAM_ERROR, true);
		if (op->code == 0x01)
			chip->nv.sr = data[0] & chip->model->sr_mask;
		else
			chip->nv.nvcr = data[0] | data[1] << 8;
		record_changed(chip, chip->model->write_sr_us);
		return CRTM_CHIP_OK;
	case 0xc5:
		chip->v.ear = data[0] & (chip->model->size - 1) >> 24;
		break;
	case 0x81:
		chip->v.vcr = data[0];
		break;
	default:
		chip->v.evcr = data[0] | EVCR_PROTOCOL;
		break;
	}
	chip->v.wel = false;
	return CRTM_CHIP_OK;
}

/* Sector protection */

static bool erase_nvlb(struct crtm_chip *chip)
{
	u32 i;

	for (i = 0; i < n_sectors(chip); i++) {
		if (!nv_locked(chip, i))
			continue;
		chip->nv.nvlb[i / 8] &= ~(1u << i % 8);
		if (!nv_commit(chip))
			return false;
	}
	return true;
}

static bool program_password(struct crtm_chip *chip, const u8 *data)
{
	u32 i;

	for (i = 0; i < ASP_PASSWORD_LEN; i++) {
		chip->nv.password[i] &= data[i];
		if (i % 4 == 3 && !nv_commit(chip))
			return false;
	}
	return true;
}

/* How long a command that is carried out keeps the chip busy */
static u32 asp_us(u8 code)
{
	switch (code) {
	case ASP_OP_WRNVLB:
		return ASP_WRNVLB_US;
	case ASP_OP_ERNVLB:
		return ASP_ERNVLB_US;
	case ASP_OP_WRASPR:
	case ASP_OP_WRPASS:
	case ASP_OP_UNLOCK:
	case ASP_OP_WRPMR:
		return ASP_OTP_US;
	default:
		return 0;	/* volatile: at once */
	}
}

/* Does the state of the registers allow it? One-time bits only go to 0. */
static bool asp_allowed(const struct crtm_chip *chip, const u8 *data)
{
	const struct crtm_chip_record *nv = &chip->nv;
	const u16 mode = ASP_ASPR_PASSWORD | ASP_ASPR_NO_PASSWORD;
	const u8 pmr = ASP_PMR_STATUS | ASP_PMR_PMR | ASP_PMR_NVLB | ASP_PMR_NV_ERASE;
	u16 clear;

	switch (chip->bus.op->code) {
	case ASP_OP_WRASPR:
		clear = nv->aspr & ~(data[0] | data[1] << 8);
		return nv->aspr == ASP_ASPR_DEFAULT && !(clear & ~mode) && clear != mode;
	case ASP_OP_WRPASS:
		return nv->aspr == ASP_ASPR_DEFAULT;
	case ASP_OP_UNLOCK:
		return password_mode(chip) && !differs(nv->password, data, ASP_PASSWORD_LEN);
	case ASP_OP_WRPMR:
		clear = nv->pmr & ~data[0];
		return nv->pmr & ASP_PMR_PMR && !(clear & ~pmr);
	case ASP_OP_WRNVLB:
		return !chip->v.frozen && nv->pmr & ASP_PMR_NVLB;
	case ASP_OP_ERNVLB:
		return !chip->v.frozen && nv->pmr & ASP_PMR_NVLB && nv->pmr & ASP_PMR_NV_ERASE;
	case ASP_OP_WRVLB:
	case ASP_OP_WRVLB_4B:
		return !(chip->v.vlb[chip->bus.phys / ASP_SECTOR_SIZE] & ASP_VLB_DOWN);
	default:
		return true;
	}
}

/* False: power failed on the way. */
static bool asp_change(struct crtm_chip *chip, const u8 *data)
{
	u32 sector = chip->bus.phys / ASP_SECTOR_SIZE;
	struct crtm_chip_record *nv = &chip->nv;

	switch (chip->bus.op->code) {
	case ASP_OP_WRVLB:
	case ASP_OP_WRVLB_4B:
		chip->v.vlb[sector] = data[0] & (ASP_VLB_LOCK | ASP_VLB_DOWN);
		return true;
	case ASP_OP_WRFREEZE:
		chip->v.frozen = true;
		return true;
	case ASP_OP_UNLOCK:
		chip->v.frozen = false;
		return true;
	case ASP_OP_WRASPR:
		nv->aspr &= data[0] | data[1] << 8;
		return nv_commit(chip);
	case ASP_OP_WRPMR:
		nv->pmr &= data[0];
		return nv_commit(chip);
	case ASP_OP_WRPASS:
		return program_password(chip, data);
	case ASP_OP_WRNVLB:
		nv->nvlb[sector / 8] |= 1u << sector % 8;
		return nv_commit(chip);
	default:
		return erase_nvlb(chip);
	}
}

static enum crtm_chip_result write_asp(struct crtm_chip *chip, const u8 *data, u32 n)
{
	u8 code = chip->bus.op->code;
	u8 error = code == ASP_OP_ERNVLB ? FSR_ERASE_ERROR : FSR_PROGRAM_ERROR;
	u32 us = asp_us(code);

	if (n != chip->bus.op->size)
		return CRTM_CHIP_SHORT;
	if (us && chip->v.suspended)
		return fail(chip, error, false);
	if (!asp_allowed(chip, data))
		return fail(chip, error, true);
	chip->v.wel = false;
	if (asp_change(chip, data))
		start(chip, CRTM_CHIP_FIXED, us);
	return CRTM_CHIP_OK;
}

static enum crtm_chip_result program(struct crtm_chip *chip, u32 n)
{
	struct crtm_chip_volatile *v = &chip->v;
	u32 addr = chip->bus.phys;
	u32 page = addr & ~(u32)(CRTM_CHIP_PAGE - 1);

	if (!n)
		return CRTM_CHIP_SHORT;
	if (is_locked(chip, page, CRTM_CHIP_PAGE))
		return fail(chip, FSR_PROGRAM_ERROR, true);
	if (v->suspended == CRTM_CHIP_PROGRAM ||
	    (v->suspended && overlaps(&v->suspended_range, page, CRTM_CHIP_PAGE)))
		return fail(chip, FSR_PROGRAM_ERROR, false);
	v->wel = false;
	if (!array_program(chip, addr, chip->bus.page, n < CRTM_CHIP_PAGE ? n : CRTM_CHIP_PAGE))
		return CRTM_CHIP_OK;
	v->range.addr = page;
	v->range.len = CRTM_CHIP_PAGE;
	start(chip, CRTM_CHIP_PROGRAM, chip->model->page_us);
	return CRTM_CHIP_OK;
}

static enum crtm_chip_result erase(struct crtm_chip *chip)
{
	const struct crtm_chip_model *model = chip->model;
	struct crtm_chip_volatile *v = &chip->v;
	enum crtm_chip_work work = CRTM_CHIP_ERASE;
	u32 len = chip->bus.op->size;
	u32 addr;
	u64 us;

	if (len == WHOLE_DIE) {
		work = CRTM_CHIP_FIXED;
		len = die_size(chip);
		us = (u64)model->erase_chip_ms * 1000;
	} else {
		us = len == 4096 ? model->erase_4k_us :
		     len == 32768 ? model->erase_32k_us : model->erase_64k_us;
	}
	addr = chip->bus.phys & ~(len - 1);
	if (is_locked(chip, addr, len))
		return fail(chip, FSR_ERASE_ERROR, true);
	if (v->suspended)
		return fail(chip, FSR_ERASE_ERROR, false);
	v->wel = false;
	if (!array_erase(chip, addr, len))
		return CRTM_CHIP_OK;
	v->range.addr = addr;
	v->range.len = len;
	start(chip, work, us);
	return CRTM_CHIP_OK;
}

static enum crtm_chip_result plain(struct crtm_chip *chip)
{
	struct crtm_chip_volatile *v = &chip->v;

	switch (chip->bus.op->code) {
	case 0x06:
		v->wel = true;
		break;
	case 0x04:
		v->wel = false;
		break;
	case 0x50:
		memset(v->fsr, 0, sizeof(v->fsr));
		break;
	case 0xb7:
	case 0xe9:
		v->addr4 = chip->bus.op->code == 0xb7;
		if (chip->model->micron)
			v->wel = false;
		break;
	case 0x66:
		v->reset_enabled = true;
		break;
	case 0x99:
		if (!v->reset_enabled)
			return CRTM_CHIP_ERROR;
		soft_reset(chip);
		break;
	case 0x75:
		if (!busy(chip) || v->suspended ||
		    (v->work != CRTM_CHIP_PROGRAM && v->work != CRTM_CHIP_ERASE))
			return CRTM_CHIP_IGNORED;
		v->suspended = v->work;
		v->suspended_range = v->range;
		v->suspended_us = v->busy_until - now(chip);
		v->work = CRTM_CHIP_IDLE;
		break;
	case 0x7a:
		if (!v->suspended)
			return CRTM_CHIP_ERROR;
		v->work = v->suspended;
		v->range = v->suspended_range;
		v->busy_until = now(chip) + v->suspended_us;
		v->suspended = CRTM_CHIP_IDLE;
		break;
	}
	return CRTM_CHIP_OK;
}

/* The security engine */

/* One block on its way through the engine */
struct block {
	const struct command *cmd;	/* NULL: no such type */
	bool crtm;
	const u8 *b;
	u32 n;
	u8 slot;
	u32 addr;
	u32 len;
	u8 key[RPMC_KEY_LEN];		/* 01: the new HMAC key */
	u8 sk[RPMC_KEY_LEN];		/* signs the response, if by_sk */
	bool by_sk;
	u8 payload[CRTM_CHIP_RESP_LEN - CRTM_RESP_OVERHEAD];
	u32 payload_len;
};

static const struct command *find_command(const struct crtm_chip *chip, struct block *blk)
{
	size_t i;

	if (blk->n <= RPMC_OFF_TYPE)
		return NULL;
	for (i = 0; i < ARRAY_SIZE(rpmc_commands); i++)
		if (rpmc_commands[i].type == blk->b[RPMC_OFF_TYPE])
			return &rpmc_commands[i];
	for (i = 0; chip->model->crtm && i < ARRAY_SIZE(crtm_commands); i++)
		if (crtm_commands[i].type == blk->b[RPMC_OFF_TYPE]) {
			blk->crtm = true;
			return &crtm_commands[i];
		}
	return NULL;
}

/* Is the signature at the block's end the HMAC of all before it? 0: yes. */
static u8 check_sig(struct crtm_chip *chip, struct block *blk, const u8 *key)
{
	u32 n = blk->n - RPMC_SIG_LEN;
	u8 mac[RPMC_SIG_LEN];
	u8 status = 0;

	if (chip->ops->hmac(chip->ctx, key, RPMC_KEY_LEN, blk->b, n, mac))
		status = RPMC_STATUS_FATAL;
	else if (differs(mac, blk->b + n, RPMC_SIG_LEN))
		status = RPMC_STATUS_SIGNATURE;
	memzero_explicit(mac, sizeof(mac));
	return status;
}

/* Write Root Key carries the last 28 bytes of HMAC(RootKey, header). */
static u8 check_root_key(struct crtm_chip *chip, struct block *blk)
{
	const u8 *key = blk->b + RPMC_HDR_LEN;
	const u8 *sig = key + RPMC_KEY_LEN;
	u8 mac[RPMC_SIG_LEN];
	u8 status = 0;

	if (chip->nv.root_keys >> blk->slot & 1)
		return RPMC_STATUS_ROOT_KEY;
	if (chip->ops->hmac(chip->ctx, key, RPMC_KEY_LEN, blk->b, RPMC_HDR_LEN, mac))
		status = RPMC_STATUS_FATAL;
	else if (differs(mac + RPMC_SIG_LEN - RPMC_ROOT_SIG_LEN, sig, RPMC_ROOT_SIG_LEN))
		status = RPMC_STATUS_ROOT_KEY;
	memzero_explicit(mac, sizeof(mac));
	return status;
}

static u8 check_update_key(struct crtm_chip *chip, struct block *blk)
{
	if (!(chip->nv.root_keys >> blk->slot & 1))
		return RPMC_STATUS_ROOT_KEY;
	if (chip->ops->hmac(chip->ctx, chip->nv.root_key[blk->slot], RPMC_KEY_LEN,
			    blk->b + RPMC_HDR_LEN, RPMC_KEYDATA_LEN, blk->key))
		return RPMC_STATUS_FATAL;
	return check_sig(chip, blk, blk->key);
}

/* 02, 03 and 40: signed with the slot's HMAC key register. */
static u8 check_with_hkr(struct crtm_chip *chip, struct block *blk)
{
	u32 mc = chip->nv.mc[blk->slot];
	u8 status;

	if (!(chip->v.hkrs >> blk->slot & 1))
		return RPMC_STATUS_NO_KEY;
	status = check_sig(chip, blk, chip->v.hkr[blk->slot]);
	if (status || blk->cmd->class == CRTM_RD)
		return status;
	if (mc == U32_MAX || get_be32(blk->b + CRTM_OFF_MC) != mc)
		return RPMC_STATUS_COUNTER;
	if (blk->crtm && chip->v.suspended)
		return CRTM_STATUS_REFUSED;
	return 0;
}

/* 41-44: signed with the session key. */
static u8 check_with_sk(struct crtm_chip *chip, struct block *blk)
{
	u8 status;

	if (!chip->v.session)
		return RPMC_STATUS_NO_KEY;
	status = check_sig(chip, blk, chip->v.sk);
	if (status)
		return status;
	if (chip->v.seq == U32_MAX || get_be32(blk->b + CRTM_OFF_SEQ) != chip->v.seq)
		return RPMC_STATUS_COUNTER;
	return chip->v.suspended ? CRTM_STATUS_REFUSED : 0;
}

/*
 * In the order of the rules: size, type, slot, reserved bytes; key or session;
 * signature; counter or sequence. 0: accepted. The first failure changes
 * nothing.
 */
static u8 check_block(struct crtm_chip *chip, struct block *blk)
{
	const struct command *cmd = blk->cmd;
	u32 i;

	if (!cmd || blk->n < cmd->min || blk->n > cmd->max)
		return RPMC_STATUS_SIGNATURE;
	if (blk->slot >= chip->model->slots)
		return cmd->type == RPMC_WRITE_ROOT_KEY && !blk->crtm ?
			RPMC_STATUS_ROOT_KEY : RPMC_STATUS_SIGNATURE;
	if (cmd->flags & CRTM_F_SLOT0 && blk->slot)
		return RPMC_STATUS_SIGNATURE;
	if (blk->b[RPMC_OFF_RSVD])
		return RPMC_STATUS_SIGNATURE;
	for (i = 0; i < cmd->nrsvd; i++)
		if (blk->b[cmd->rsvd + i])
			return RPMC_STATUS_SIGNATURE;

	switch (cmd->type) {
	case RPMC_WRITE_ROOT_KEY:
		return check_root_key(chip, blk);
	case RPMC_UPDATE_HMAC_KEY:
		return check_update_key(chip, blk);
	case RPMC_INCREMENT_COUNTER:
	case RPMC_REQUEST_COUNTER:
	case CRTM_OPEN_SESSION:
		return check_with_hkr(chip, blk);
	case CRTM_CLOSE_SESSION:
	case CRTM_ERASE:
	case CRTM_PROGRAM:
	case CRTM_PROTECT:
		return check_with_sk(chip, blk);
	default:
		return 0;
	}
}

/* Is the block's range one that the command can work on? */
static bool range_ok(struct crtm_chip *chip, struct block *blk)
{
	const struct command *cmd = blk->cmd;

	if (cmd->limit && blk->len > cmd->limit)
		return false;
	if (cmd->flags & CRTM_F_DATA &&
	    blk->addr % CRTM_PAGE_SIZE + blk->len > CRTM_PAGE_SIZE)
		return false;
	return in_chip(chip, blk->addr, blk->len) && blk->addr % cmd->unit == 0 &&
	       blk->len % cmd->unit == 0;
}

static bool open_session(struct crtm_chip *chip, struct block *blk)
{
	u8 msg[4 + 4 + CRTM_OPEN_NONCE_LEN];
	u8 sk[RPMC_KEY_LEN];
	int err;

	memcpy(msg, CRTM_SESSION_DOMAIN, 4);
	put_be32(msg + 4, chip->nv.mc[0] + 1);
	memcpy(msg + 8, blk->b + CRTM_OFF_NONCE, CRTM_OPEN_NONCE_LEN);
	err = chip->ops->hmac(chip->ctx, chip->v.hkr[0], RPMC_KEY_LEN, msg, sizeof(msg), sk);
	if (err)
		return false;
	chip->nv.mc[0]++;
	if (nv_commit(chip)) {
		end_session(chip);
		memcpy(chip->v.sk, sk, sizeof(sk));
		chip->v.session = true;
	}
	memzero_explicit(sk, sizeof(sk));
	return true;
}

/* Both ways the table is stored whole or not at all. */
static u8 protect(struct crtm_chip *chip, struct block *blk)
{
	struct crtm_chip_record *nv = &chip->nv;
	u32 i;

	switch (blk->b[CRTM_OFF_MODE]) {
	case CRTM_PROTECT_ADD:
		if (nv->regions == CRTM_MAX_REGIONS ||
		    region_protected(chip, blk->addr, blk->len))
			return CRTM_STATUS_REFUSED;
		nv->region[nv->regions].addr = blk->addr;
		nv->region[nv->regions++].len = blk->len;
		break;
	case CRTM_PROTECT_REMOVE:
		for (i = 0; i < nv->regions; i++)
			if (nv->region[i].addr == blk->addr && nv->region[i].len == blk->len)
				break;
		if (i == nv->regions)
			return CRTM_STATUS_REFUSED;
		nv->regions--;
		for (; i < nv->regions; i++)
			nv->region[i] = nv->region[i + 1];
		memset(&nv->region[i], 0, sizeof(nv->region[i]));
		break;
	default:
		return CRTM_STATUS_REFUSED;
	}
	nv_commit(chip);
	return RPMC_STATUS_SUCCESS;
}

static u8 measure(struct crtm_chip *chip, struct block *blk)
{
	if (chip->ops->sha256(chip->ctx, chip->array + blk->addr, blk->len,
			      blk->payload + CRTM_MEASURE_OFF_DIGEST))
		return RPMC_STATUS_FATAL;
	memcpy(blk->payload, blk->b + CRTM_MEASURE_OFF_NONCE, CRTM_MEASURE_NONCE_LEN);
	put_be32(blk->payload + CRTM_MEASURE_NONCE_LEN, blk->addr);
	put_be32(blk->payload + CRTM_MEASURE_NONCE_LEN + 4, blk->len);
	blk->payload_len = CRTM_MEASURE_PAYLOAD;
	return RPMC_STATUS_SUCCESS;
}

static bool wholly_protected(struct crtm_chip *chip, u32 addr, u32 len)
{
	const struct crtm_chip_region *r;
	u32 end = addr + len;
	u32 i;

	/* Regions touch but never overlap: go from one to the next. */
	for (i = 0; addr < end && i < chip->nv.regions; i++) {
		r = &chip->nv.region[i];
		if (overlaps(r, addr, 1)) {
			addr = r->addr + r->len;
			i = U32_MAX;	/* from the first again */
		}
	}
	return addr >= end;
}

static u8 derive_key(struct crtm_chip *chip, struct block *blk)
{
	u8 msg[4 + 4 + 4 + 32 + CRTM_DERIVE_LABEL_LEN];

	if (chip->v.derivation_locked || !wholly_protected(chip, blk->addr, blk->len))
		return CRTM_STATUS_REFUSED;
	memcpy(msg, CRTM_DERIVE_DOMAIN, 4);
	put_be32(msg + 4, blk->addr);
	put_be32(msg + 8, blk->len);
	memcpy(msg + 44, blk->b + CRTM_DERIVE_OFF_LABEL, CRTM_DERIVE_LABEL_LEN);
	if (chip->ops->sha256(chip->ctx, chip->array + blk->addr, blk->len, msg + 12) ||
	    chip->ops->hmac(chip->ctx, chip->nv.secret, sizeof(chip->nv.secret), msg,
			    sizeof(msg), blk->payload))
		return RPMC_STATUS_FATAL;
	blk->payload_len = CRTM_DERIVE_PAYLOAD;
	return RPMC_STATUS_SUCCESS;
}

static void get_info(struct crtm_chip *chip, struct block *blk)
{
	const struct crtm_chip_record *nv = &chip->nv;
	u8 *p = blk->payload;
	u32 flags = nv->root_keys * CRTM_INFO_F_ROOT_KEY(0);
	u32 i;

	if (chip->v.session)
		flags |= CRTM_INFO_F_SESSION;
	if (chip->v.derivation_locked)
		flags |= CRTM_INFO_F_LOCKED;
	memcpy(p, blk->b + CRTM_INFO_OFF_NONCE, CRTM_INFO_NONCE_LEN);
	p[CRTM_INFO_OFF_VERSION] = CRTM_VERSION >> 8;
	p[CRTM_INFO_OFF_VERSION + 1] = CRTM_VERSION & 0xff;
	p[CRTM_INFO_OFF_SLOTS] = chip->model->slots;
	p[CRTM_INFO_OFF_REGIONS] = nv->regions;
	put_be32(p + CRTM_INFO_OFF_FLAGS, flags);
	put_be32(p + CRTM_INFO_OFF_POWER_ON, nv->power_on);
	put_be32(p + CRTM_INFO_OFF_SEQ, chip->v.seq);
	for (i = 0; i < nv->regions; i++) {
		p = blk->payload + CRTM_INFO_OFF_REGION + i * CRTM_INFO_REGION_LEN;
		put_be32(p, nv->region[i].addr);
		put_be32(p + 4, nv->region[i].len);
	}
	blk->payload_len = CRTM_INFO_OFF_REGION + nv->regions * CRTM_INFO_REGION_LEN;
}

/* 41-44, accepted. Returns the status; the session ends with any but success. */
static u8 session_block(struct crtm_chip *chip, struct block *blk)
{
	u8 status = RPMC_STATUS_SUCCESS;

	chip->v.seq++;
	if (blk->cmd->type == CRTM_CLOSE_SESSION)
		end_session(chip);	/* blk->sk still signs the response */
	else if (!range_ok(chip, blk))
		status = CRTM_STATUS_REFUSED;
	else if (blk->cmd->type == CRTM_ERASE)
		array_erase(chip, blk->addr, blk->len);
	else if (blk->cmd->type == CRTM_PROGRAM)
		array_program(chip, blk->addr, blk->b + CRTM_OFF_DATA, blk->len);
	else
		status = protect(chip, blk);
	if (status != RPMC_STATUS_SUCCESS)
		end_session(chip);
	return status;
}

/* An accepted block. Power may fail on the way: then chip->v.on is false. */
static u8 carry_out(struct crtm_chip *chip, struct block *blk)
{
	u8 type = blk->cmd->type;
	u8 slot = blk->slot;

	switch (type) {
	case RPMC_WRITE_ROOT_KEY:
		memcpy(chip->nv.root_key[slot], blk->b + RPMC_HDR_LEN, RPMC_KEY_LEN);
		chip->nv.root_keys |= 1u << slot;
		chip->nv.mc[slot] = 0;
		nv_commit(chip);
		return RPMC_STATUS_SUCCESS;
	case RPMC_UPDATE_HMAC_KEY:
		memcpy(chip->v.hkr[slot], blk->key, RPMC_KEY_LEN);
		chip->v.hkrs |= 1u << slot;
		if (!slot)
			end_session(chip);
		return RPMC_STATUS_SUCCESS;
	case RPMC_INCREMENT_COUNTER:
		chip->nv.mc[slot]++;
		if (nv_commit(chip) && !slot)
			end_session(chip);
		return RPMC_STATUS_SUCCESS;
	case RPMC_REQUEST_COUNTER:
		return RPMC_STATUS_SUCCESS;
	case CRTM_OPEN_SESSION:
		return open_session(chip, blk) ? RPMC_STATUS_SUCCESS : RPMC_STATUS_FATAL;
	case CRTM_MEASURE:
		return range_ok(chip, blk) ? measure(chip, blk) : CRTM_STATUS_REFUSED;
	case CRTM_DERIVE_KEY:
		return range_ok(chip, blk) ? derive_key(chip, blk) : CRTM_STATUS_REFUSED;
	case CRTM_LOCK_DERIVATION:
		chip->v.derivation_locked = true;
		return RPMC_STATUS_SUCCESS;
	case CRTM_GET_INFO:
		get_info(chip, blk);
		return RPMC_STATUS_SUCCESS;
	default:
		return session_block(chip, blk);
	}
}

/* Status[1] Tag[12] Counter[4] Sig[32]; all but 03's success: status alone. */
static void respond_rpmc(struct crtm_chip *chip, struct block *blk)
{
	u8 *r = chip->v.resp;

	chip->v.resp_len = RPMC_RESP_LEN;
	if (r[0] != RPMC_STATUS_SUCCESS || blk->cmd->type != RPMC_REQUEST_COUNTER)
		return;
	memcpy(r + RPMC_RESP_OFF_TAG, blk->b + RPMC_HDR_LEN, RPMC_TAG_LEN);
	put_be32(r + RPMC_RESP_OFF_COUNTER, chip->nv.mc[blk->slot]);
	if (chip->ops->hmac(chip->ctx, chip->v.hkr[blk->slot], RPMC_KEY_LEN,
			    r + RPMC_RESP_OFF_TAG, RPMC_TAG_LEN + 4, r + RPMC_RESP_OFF_SIG)) {
		memset(r, 0, RPMC_RESP_LEN);
		r[0] = RPMC_STATUS_FATAL;
	}
}

/* Status[1] CmdType[1] Length[2] MC[4] Payload[Length] Sig[32] */
static void respond_crtm(struct crtm_chip *chip, struct block *blk)
{
	u8 msg[4 + 32 + CRTM_CHIP_RESP_LEN];
	u8 *r = chip->v.resp;
	u32 n = CRTM_RESP_OFF_PAYLOAD + blk->payload_len;
	const u8 *key = NULL;

	r[CRTM_RESP_OFF_TYPE] = blk->cmd->type;
	r[CRTM_RESP_OFF_LENGTH + 1] = blk->payload_len;
	if (blk->slot < chip->model->slots)
		put_be32(r + CRTM_RESP_OFF_MC, chip->nv.mc[blk->slot]);
	memcpy(r + CRTM_RESP_OFF_PAYLOAD, blk->payload, blk->payload_len);
	chip->v.resp_len = n + RPMC_SIG_LEN;
	chip->v.resp_secret = blk->cmd->flags & CRTM_F_SECRET && blk->payload_len;

	if (blk->by_sk)
		key = blk->sk;
	else if (blk->slot < chip->model->slots && chip->v.hkrs >> blk->slot & 1)
		key = chip->v.hkr[blk->slot];
	/* No key, or a block too long to be hashed whole: zeros, which prove nothing. */
	if (!key || blk->n > CRTM_CHIP_IN_LEN)
		return;
	memcpy(msg, CRTM_RESP_DOMAIN, 4);
	memcpy(msg + 36, r, n);
	if (chip->ops->sha256(chip->ctx, blk->b, blk->n, msg + 4) ||
	    chip->ops->hmac(chip->ctx, key, RPMC_KEY_LEN, msg, 36 + n, r + n))
		memset(r + n, 0, RPMC_SIG_LEN);
	memzero_explicit(msg, sizeof(msg));
}

/* How long a block that succeeded keeps the chip busy */
static u64 secure_us(struct crtm_chip *chip, const struct block *blk)
{
	const u8 *delays = chip->model->delays;

	if (!blk->crtm)
		switch (blk->cmd->type) {
		case RPMC_REQUEST_COUNTER:
			return delay_us(delays[0], 1);
		case RPMC_UPDATE_HMAC_KEY:
			return delay_us(delays[1], 1);
		default:
			return delay_us(delays[2], 1000);
		}
	return blk->cmd->typ_us + (((u64)blk->cmd->typ_us_64k * blk->len + 0xffff) >> 16);
}

/* Injected faults */

u32 crtm_chip_random(struct crtm_chip *chip)
{
	/* The low bits of such a sequence are none too random. */
	chip->seed = chip->seed * 1664525 + 1013904223;
	return chip->seed >> 8;
}

static bool strikes(struct crtm_chip *chip, enum crtm_chip_fault fault)
{
	return chip->fault[fault] && !--chip->fault[fault];
}

static struct crtm_chip_old *old_response(struct crtm_chip *chip, u8 type)
{
	u32 i;

	for (i = 0; i < CRTM_CHIP_OLD - 1 && chip->old[i].len; i++)
		if (chip->old[i].type == type)
			break;
	return &chip->old[i];
}

/* What is wrong with the response to this block, if anything */
static void spoil_response(struct crtm_chip *chip, const struct block *blk)
{
	bool flip = strikes(chip, CRTM_CHIP_F_BITFLIP);
	bool length = strikes(chip, CRTM_CHIP_F_LENGTH);
	bool stale = strikes(chip, CRTM_CHIP_F_STALE);
	struct crtm_chip_volatile *v = &chip->v;
	struct crtm_chip_old *old;
	u32 n;

	if (blk->cmd && !v->resp_secret) {
		old = old_response(chip, blk->cmd->type);
		if (!old->len && v->resp[0] == RPMC_STATUS_SUCCESS) {
			old->type = blk->cmd->type;
			old->len = v->resp_len;
			memcpy(old->resp, v->resp, v->resp_len);
		}
		if (stale) {
			memcpy(v->resp, old->resp, sizeof(v->resp));
			v->resp_len = old->len ? old->len : 1;
		}
	}
	if (length) {
		n = crtm_chip_random(chip);
		v->resp_len = 1 + n % CRTM_CHIP_RESP_LEN;
		if (blk->crtm && n & 0x1000) {
			v->resp[CRTM_RESP_OFF_LENGTH] = 0;
			v->resp[CRTM_RESP_OFF_LENGTH + 1] ^= 1 + n % 255;
		} else if (blk->crtm) {
			v->resp[CRTM_RESP_OFF_LENGTH] ^= 1 + n % 255;
		}
	}
	if (flip)
		v->resp[v->resp_len - 1] ^= 1;
}

static enum crtm_chip_result secure_write(struct crtm_chip *chip)
{
	struct crtm_chip_volatile *v = &chip->v;
	struct crtm_chip_event *ev = &chip->bus.ev;
	struct block blk = { .b = chip->bus.in, .n = chip->bus.n };
	u8 status;

	blk.cmd = find_command(chip, &blk);
	/* A block without a slot byte names none that exists. */
	blk.slot = blk.n > RPMC_OFF_SLOT ? blk.b[RPMC_OFF_SLOT] : 0xff;
	ev->has_type = blk.n > RPMC_OFF_TYPE;
	ev->type = blk.b[RPMC_OFF_TYPE];
	ev->slot = blk.slot;
	if (blk.crtm && v->session && blk.cmd->flags & CRTM_F_SLOT0 &&
	    blk.cmd->type != CRTM_OPEN_SESSION) {
		memcpy(blk.sk, v->sk, sizeof(blk.sk));
		blk.by_sk = true;
	}

	status = check_block(chip, &blk);
	if (!status) {
		if (blk.cmd->addr) {
			blk.addr = get_be32(blk.b + blk.cmd->addr);
			blk.len = blk.cmd->len ? get_be32(blk.b + blk.cmd->len) :
				  blk.n - CRTM_OFF_DATA - RPMC_SIG_LEN;
			ev->addr = blk.addr;
			ev->has_addr = true;
		}
		status = carry_out(chip, &blk);
	}
	if (!v->on)
		goto out;	/* power failed on the way */

	memzero_explicit(v->resp, sizeof(v->resp));
	v->resp[0] = status;
	v->resp_secret = false;
	v->resp_fresh = true;
	if (blk.crtm)
		respond_crtm(chip, &blk);
	else
		respond_rpmc(chip, &blk);
	spoil_response(chip, &blk);

	ev->status = status;
	ev->has_status = true;
	if (status == RPMC_STATUS_SUCCESS) {
		start(chip, CRTM_CHIP_SECURE, secure_us(chip, &blk));
	} else if (blk.cmd && blk.cmd->class == CRTM_WR) {
		fail(chip, blk.crtm && blk.cmd->type == CRTM_ERASE ?
		     FSR_ERASE_ERROR : FSR_PROGRAM_ERROR, status == CRTM_STATUS_REFUSED);
	}
out:
	memzero_explicit(&blk, sizeof(blk));
	return status == RPMC_STATUS_SUCCESS ? CRTM_CHIP_OK : CRTM_CHIP_ERROR;
}

/* Byte @k of the response; what a busy chip shows is settled at the first one. */
static u8 response_byte(struct crtm_chip *chip, u32 k)
{
	struct crtm_chip_volatile *v = &chip->v;
	struct crtm_chip_bus *bus = &chip->bus;

	if (!k) {
		bus->ignored = busy(chip);
		bus->ev.has_status = true;
		if (bus->ignored)
			bus->ev.status = chip->model->poll_rdsr ?
				RPMC_STATUS_POWER_ON : RPMC_STATUS_BUSY;
		else
			bus->ev.status = v->resp[0];
		return bus->ev.status;
	}
	if (bus->ignored)
		return OUT_IDLE;
	if (k == 1 && !v->resp_fresh)
		chip->stale_reads++;
	return k < v->resp_len ? v->resp[k] : OUT_IDLE;
}

static enum crtm_chip_result response_read(struct crtm_chip *chip)
{
	struct crtm_chip_volatile *v = &chip->v;
	u32 n = chip->bus.n;
	u32 k = n > 2 ? n - 2 : 0;

	if (chip->bus.ignored) {
		if (k > 1)
			chip->violations++;
		return k > 1 ? CRTM_CHIP_IGNORED : CRTM_CHIP_OK;
	}
	if (k > 1 && k >= v->resp_len) {
		v->resp_fresh = false;
		if (v->resp_secret) {
			memzero_explicit(v->resp + 1, sizeof(v->resp) - 1);
			v->resp_len = 1;
			v->resp_secret = false;
		}
	}
	return k ? CRTM_CHIP_OK : CRTM_CHIP_SHORT;
}

/* The bus */

static u8 addr_bytes(const struct crtm_chip *chip, const struct crtm_chip_op *op)
{
	if (op->addr != ADDR_MODE)
		return op->addr;
	return chip->v.addr4 ? 4 : 3;
}

static u32 header_len(const struct crtm_chip *chip, const struct crtm_chip_op *op)
{
	return 1 + addr_bytes(chip, op) + op->dummy;
}

/* The physical address: extended address register first, then the wrap. */
static void settle_address(struct crtm_chip *chip)
{
	struct crtm_chip_bus *bus = &chip->bus;
	const u8 *p = bus->in + 1;

	switch (addr_bytes(chip, bus->op)) {
	case 0:
		return;
	case 3:
		bus->phys = (u32)p[0] << 16 | (u32)p[1] << 8 | p[2];
		if (bus->op->kind == READ_SFDP)
			break;
		bus->phys |= (u32)chip->v.ear << 24;
		bus->phys &= chip->model->size - 1;
		break;
	default:
		bus->phys = get_be32(p) & (chip->model->size - 1);
	}
	bus->ev.addr = bus->phys;
	bus->ev.has_addr = true;
}

static void decode(struct crtm_chip *chip, u8 code)
{
	struct crtm_chip_bus *bus = &chip->bus;
	struct crtm_chip_volatile *v = &chip->v;
	size_t i;

	chip->opcount[code]++;
	bus->ev.op = code;
	if (chip->model->slots && code == op1.code)
		bus->op = &op1;
	else if (chip->model->slots && code == op2.code)
		bus->op = &op2;
	for (i = 0; !bus->op && i < ARRAY_SIZE(ops); i++)
		if (ops[i].code == code &&
		    (chip->model->micron || !(ops[i].flags & MICRON_ONLY)) &&
		    (n_dice(chip) == 1 || !(ops[i].flags & NOT_STACKED)))
			bus->op = &ops[i];
	if (code != 0x66 && code != 0x99)
		v->reset_enabled = false;
	if (!busy(chip) || (bus->op && bus->op->flags & (STATUS | SUSPEND)))
		return;
	bus->ignored = true;
	if (bus->op == &op1)
		chip->violations++;
	else
		chip->busy_ignored++;
}

/* The bulk of all traffic: not byte by byte */
static void array_read(struct crtm_chip *chip, u32 at, u8 *rx, size_t len)
{
	size_t n;

	for (; rx && len; len -= n, rx += n, at += n) {
		at &= chip->model->size - 1;
		n = chip->model->size - at;
		if (n > len)
			n = len;
		memcpy(rx, chip->array + at, n);
	}
}

/* What the chip drives while the @k-th byte after the header is clocked */
static u8 out_byte(struct crtm_chip *chip, u32 k)
{
	struct crtm_chip_bus *bus = &chip->bus;
	u32 at = bus->phys + k;

	switch (bus->op->kind) {
	case READ_ARRAY:
		return chip->array[at & (chip->model->size - 1)];
	case READ_SFDP:
		return at < chip->sfdp_len ? chip->sfdp[at] : 0xff;
	case READ_ID:
		return k < chip->id_len ? chip->id[k] : 0;
	case READ_OTP:
		return 0xff;	/* never programmed */
	case READ_REG:
		if (k)
			return register_byte(chip, bus->op->code, k);
		bus->ev.status = register_byte(chip, bus->op->code, k);
		bus->ev.has_status = true;
		return bus->ev.status;
	case READ_PASSWORD:
		return password_mode(chip) ? 0xff : chip->nv.password[k % ASP_PASSWORD_LEN];
	case SECURE_READ:
		return response_byte(chip, k);
	default:
		return OUT_IDLE;
	}
}

void crtm_chip_begin(struct crtm_chip *chip)
{
	struct crtm_chip_bus *bus = &chip->bus;

	memset(&bus->ev, 0, sizeof(bus->ev));
	bus->op = NULL;
	bus->ignored = false;
	bus->n = 0;
	bus->phys = 0;
	bus->selected = chip->v.on;
	bus->ev.start_us = now(chip);
}

/* Bytes before the data of the command under way */
static u32 data_at(const struct crtm_chip *chip)
{
	return chip->bus.op ? header_len(chip, chip->bus.op) : 0;
}

static bool in_data(const struct crtm_chip *chip)
{
	const struct crtm_chip_bus *bus = &chip->bus;

	return bus->selected && bus->op && bus->n >= data_at(chip) &&
	       (!bus->ignored || bus->op->kind == SECURE_READ);
}

bool crtm_chip_at_dummy(const struct crtm_chip *chip)
{
	const struct crtm_chip_bus *bus = &chip->bus;

	return bus->selected && bus->op && bus->n < data_at(chip) &&
	       bus->n >= data_at(chip) - bus->op->dummy;
}

u8 crtm_chip_out(struct crtm_chip *chip)
{
	return in_data(chip) ? out_byte(chip, chip->bus.n - data_at(chip)) : OUT_IDLE;
}

void crtm_chip_in(struct crtm_chip *chip, u8 in)
{
	struct crtm_chip_bus *bus = &chip->bus;

	if (!bus->selected)
		return;
	if (!bus->n && crtm_chip_is_at(&chip->cut_before, in)) {
		crtm_chip_power_off(chip);
		return;
	}
	if (bus->n < CRTM_CHIP_IN_LEN)
		bus->in[bus->n] = in;
	if (!bus->n)
		decode(chip, in);
	else if (in_data(chip) && bus->op->kind == PROGRAM)
		bus->page[(bus->n - data_at(chip)) % CRTM_CHIP_PAGE] = in;
	bus->n++;
	if (bus->op && bus->n == data_at(chip))
		settle_address(chip);
}

void crtm_chip_transfer(struct crtm_chip *chip, const u8 *tx, u8 *rx, size_t len)
{
	struct crtm_chip_bus *bus = &chip->bus;
	size_t i;
	u8 out;

	for (i = 0; i < len; i++) {
		if (in_data(chip) && bus->op->kind == READ_ARRAY) {
			array_read(chip, bus->phys + bus->n - data_at(chip), rx ? rx + i : NULL,
				   len - i);
			bus->n += len - i;
			return;
		}
		out = crtm_chip_out(chip);
		if (rx)
			rx[i] = out;
		crtm_chip_in(chip, tx ? tx[i] : 0);
	}
}

static enum crtm_chip_result execute(struct crtm_chip *chip)
{
	struct crtm_chip_bus *bus = &chip->bus;
	const struct crtm_chip_op *op = bus->op;
	u32 head;

	if (crtm_chip_is_at(&chip->drop, bus->ev.op))
		return CRTM_CHIP_DROPPED;
	if (!op)
		return bus->ignored ? CRTM_CHIP_IGNORED : CRTM_CHIP_UNKNOWN;
	if (op->kind == SECURE_READ)
		return response_read(chip);
	if (bus->ignored)
		return CRTM_CHIP_IGNORED;
	/* The first die shows first what a command has led to. */
	if (op->flags & NEED_WEL || op->kind == SECURE_WRITE)
		chip->v.fsr_die = 0;
	if (op->kind == SECURE_WRITE)
		return secure_write(chip);
	head = header_len(chip, op);
	if (bus->n < head)
		return CRTM_CHIP_SHORT;
	/* Chip select must rise right after the last bit of these. */
	if ((op->kind == ERASE || op->kind == PLAIN) && bus->n != head)
		return CRTM_CHIP_SHORT;
	if (!chip->v.wel && (op->flags & NEED_WEL ||
			     (op->flags & NEED_WEL_MICRON && chip->model->micron)))
		return CRTM_CHIP_NO_WEL;
	switch (op->kind) {
	case PROGRAM:
		return program(chip, bus->n - head);
	case ERASE:
		return erase(chip);
	case READ_REG:
		if (op->code == 0x70)
			chip->v.fsr_die = (chip->v.fsr_die + 1) % n_dice(chip);
		return CRTM_CHIP_OK;
	case WRITE_REG:
		return write_register(chip, bus->in + 1, bus->n - head);
	case WRITE_ASP:
		return write_asp(chip, bus->in + head, bus->n - head);
	case PLAIN:
		return plain(chip);
	default:
		return CRTM_CHIP_OK;
	}
}

/*
 * Drivers poll by the hundred thousand: a status read that shows what one of
 * the status reads just before it showed is counted there. They may alternate.
 */
static void record_event(struct crtm_chip *chip, const struct crtm_chip_event *ev)
{
	struct crtm_chip_event *old;
	u32 back, n;

	if (!chip->trace_size)
		return;
	n = chip->trace_count < chip->trace_size ? chip->trace_count : chip->trace_size;
	for (back = 1; ev->poll && back <= 4 && back <= n; back++) {
		old = &chip->trace[(chip->trace_count - back) % chip->trace_size];
		if (!old->poll)
			break;
		if (old->op == ev->op && old->len == ev->len && old->status == ev->status) {
			old->times++;
			return;
		}
	}
	chip->trace[chip->trace_count++ % chip->trace_size] = *ev;
}

void crtm_chip_end(struct crtm_chip *chip)
{
	struct crtm_chip_bus *bus = &chip->bus;

	if (!bus->selected)
		return;
	bus->selected = false;
	if (!bus->n)
		return;
	bus->ev.len = bus->n;
	bus->ev.result = execute(chip);
	if (crtm_chip_is_at(&chip->stuck, bus->ev.op) && chip->v.on) {
		chip->v.work = bus->op == &op1 ? CRTM_CHIP_SECURE : CRTM_CHIP_FIXED;
		chip->v.busy_until = U64_MAX;
	}
	bus->ev.times = 1;
	bus->ev.poll = bus->op && bus->op->flags & STATUS && bus->ev.has_status &&
		       bus->n <= 3;
	record_event(chip, &bus->ev);
	/* Write Root Key passes through here. */
	memzero_explicit(bus->in, sizeof(bus->in));
}

/* For people */

int crtm_chip_event_text(char *buf, const struct crtm_chip_event *ev)
{
	static const char * const results[] = {
		[CRTM_CHIP_OK] = "ok",
		[CRTM_CHIP_UNKNOWN] = "unknown",
		[CRTM_CHIP_IGNORED] = "ignored",
		[CRTM_CHIP_NO_WEL] = "no-wel",
		[CRTM_CHIP_SHORT] = "short",
		[CRTM_CHIP_LOCKED] = "locked",
		[CRTM_CHIP_ERROR] = "error",
		[CRTM_CHIP_DROPPED] = "dropped",
	};
	int n;

	n = snprintf(buf, CRTM_CHIP_LINE_LEN, "%llu op=%02x",
		     (unsigned long long)ev->start_us, ev->op);
	if (ev->has_type)
		n += snprintf(buf + n, CRTM_CHIP_LINE_LEN - n, " type=%02x slot=%u",
			      ev->type, ev->slot);
	if (ev->has_addr)
		n += snprintf(buf + n, CRTM_CHIP_LINE_LEN - n, " addr=%08x", ev->addr);
	n += snprintf(buf + n, CRTM_CHIP_LINE_LEN - n, " len=%u", ev->len);
	if (ev->busy_us)
		n += snprintf(buf + n, CRTM_CHIP_LINE_LEN - n, " busy=%llu",
			      (unsigned long long)ev->busy_us);
	if (ev->has_status)
		n += snprintf(buf + n, CRTM_CHIP_LINE_LEN - n, " status=%02x", ev->status);
	if (ev->times > 1)
		n += snprintf(buf + n, CRTM_CHIP_LINE_LEN - n, " times=%u", ev->times);
	n += snprintf(buf + n, CRTM_CHIP_LINE_LEN - n, " %s", results[ev->result]);
	return n;
}

int crtm_chip_state(struct crtm_chip *chip, char *buf)
{
	const struct crtm_chip_record *nv = &chip->nv;
	const struct crtm_chip_volatile *v = &chip->v;
	const int size = CRTM_CHIP_STATE_LEN;
	u32 nvlb = 0, vlb = 0;
	u8 fsr = 0;
	int n;
	u32 i;

	for (i = 0; i < n_dice(chip); i++)
		fsr |= flag_status(chip, i);
	for (i = 0; i < n_sectors(chip); i++) {
		nvlb += nv_locked(chip, i);
		vlb += v->vlb[i] & ASP_VLB_LOCK;
	}
	n = snprintf(buf, size, "model=%s\npower=%u\nsr=%02x\nfsr=%02x\nwel=%u\nwip=%u\n",
		     chip->model->name, v->on, status_register(chip), fsr, v->wel, busy(chip));
	n += snprintf(buf + n, size - n, "addr4=%u\near=%02x\nnvcr=%04x\nsuspended=%u\n",
		      v->addr4, v->ear, nv->nvcr, v->suspended != CRTM_CHIP_IDLE);
	for (i = 0; chip->model->dice && i < n_dice(chip); i++)
		n += snprintf(buf + n, size - n, "fsr.%u=%02x\n", i, flag_status(chip, i));
	if (chip->model->micron)
		n += snprintf(buf + n, size - n, "aspr=%04x\npmr=%02x\nfrozen=%u\n"
			      "password_mode=%u\nnvlb=%u\nvlb=%u\n", nv->aspr, nv->pmr,
			      v->frozen, password_mode(chip), nvlb, vlb);
	n += snprintf(buf + n, size - n, "power_on=%u\nroot_keys=%x\nhmac_keys=%x\n",
		      nv->power_on, nv->root_keys, v->hkrs);
	for (i = 0; i < chip->model->slots; i++)
		n += snprintf(buf + n, size - n, "mc.%u=%u\n", i, nv->mc[i]);
	n += snprintf(buf + n, size - n,
		      "session=%u\nseq=%u\nderivation_locked=%u\nregions=%u\n",
		      v->session, v->seq, v->derivation_locked, nv->regions);
	for (i = 0; i < nv->regions; i++)
		n += snprintf(buf + n, size - n, "region.%u=%08x+%08x\n", i,
			      nv->region[i].addr, nv->region[i].len);
	n += snprintf(buf + n, size - n, "violations=%u\nbusy_ignored=%u\nstale_reads=%u\n",
		      chip->violations, chip->busy_ignored, chip->stale_reads);
	n += snprintf(buf + n, size - n, "nv_steps=%llu\ntrace_lost=%u\n",
		      (unsigned long long)chip->nv_steps,
		      chip->trace_count > chip->trace_size ?
		      chip->trace_count - chip->trace_size : 0);
	return n;
}
