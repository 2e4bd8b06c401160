// SPDX-License-Identifier: MIT
/*
 * What a job still has to do: which regions are missing, which sectors differ
 * from the image, which operations put that right.
 *
 * A sector starts unknown. It is measured, 64 KiB at a time where that is
 * possible, and then is good or dirty; only dirty ones are erased and
 * programmed. When a session is lost everything is measured again, except for
 * sectors that a block of unknown outcome may have touched: their digest may be
 * right and their cells marginal, so they are erased again whatever it says.
 */
#include <stdlib.h>
#include <string.h>

#include "kms.h"

#define SECTORS_64	(BLOCK64 / SECTOR)

enum { UNKNOWN, ALONE, GOOD, DIRTY };	/* ALONE: unknown, not to be measured with others */
#define STATE(s)	((s) & 3)
#define FORCED		0x80

static uint32_t sector_addr(const struct ctx *c, size_t i)
{
	return c->job.addr + i * SECTOR;
}

/* What the range shall hold: the image, and FF behind its end. */
static void target(const struct ctx *c, uint32_t addr, uint32_t len, uint8_t *out)
{
	uint32_t off = addr - c->job.addr;
	uint32_t have = off < c->job.len ? c->job.len - off : 0;

	memset(out, 0xff, len);
	memcpy(out, c->job.image + off, have < len ? have : len);
}

static bool blank(const uint8_t *p, size_t len)
{
	size_t i;

	for (i = 0; i < len; i++) {
		if (p[i] != 0xff)
			return false;
	}
	return true;
}

/* End of the region that covers @addr, or @addr. */
static uint64_t covered_to(const struct ctx *c, uint64_t addr)
{
	const struct region *r;

	for (r = c->dev.regions; r < c->dev.regions + c->dev.nr_regions; r++) {
		if (addr >= r->addr && addr - r->addr < r->len)
			return (uint64_t)r->addr + r->len;
	}
	return addr;
}

bool plan_covered(const struct ctx *c, uint32_t addr, uint32_t len)
{
	uint64_t at = addr, end = (uint64_t)addr + len, next;

	while (at < end) {
		next = covered_to(c, at);
		if (next == at)
			return false;
		at = next;
	}
	return true;
}

unsigned int plan_uncovered(const struct ctx *c, uint32_t addr, uint32_t len,
			    struct region *out, unsigned int max)
{
	uint64_t at = addr / CRTM_REGION_UNIT * CRTM_REGION_UNIT, end = (uint64_t)addr + len;
	unsigned int n = 0;
	bool run = false;

	for (; at < end; at += CRTM_REGION_UNIT) {
		if (covered_to(c, at) != at) {
			run = false;
			continue;
		}
		if (!run && n == max)
			return max + 1;
		if (!run)
			out[n++] = (struct region){ .addr = at };
		run = true;
		out[n - 1].len += CRTM_REGION_UNIT;
	}
	return n;
}

bool plan_overlaps(const struct ctx *c, uint32_t addr, uint32_t len, bool *exact)
{
	const struct region *r;
	bool overlap = false;

	*exact = false;
	for (r = c->dev.regions; r < c->dev.regions + c->dev.nr_regions; r++) {
		if (r->addr < (uint64_t)addr + len && addr < (uint64_t)r->addr + r->len)
			overlap = true;
		if (r->addr == addr && r->len == len)
			*exact = true;
	}
	return overlap;
}

void plan_start(struct ctx *c)
{
	c->job.nr_sectors = (c->job.len + SECTOR - 1) / SECTOR;
	c->job.sectors = calloc(c->job.nr_sectors, 1);
	if (!c->job.sectors)
		c->kms->err = true;
}

static bool whole_64(const struct ctx *c, size_t i, uint8_t state)
{
	size_t k;

	if (sector_addr(c, i) % BLOCK64 || i + SECTORS_64 > c->job.nr_sectors)
		return false;
	for (k = i; k < i + SECTORS_64; k++) {
		if (STATE(c->job.sectors[k]) != state)
			return false;
	}
	return true;
}

/* Ranges to measure next, at most @max. Return: how many, 0 if nothing is unknown. */
unsigned int plan_survey(struct ctx *c, struct region *out, unsigned int max)
{
	unsigned int n = 0;
	size_t i = 0;

	while (i < c->job.nr_sectors && n < max) {
		out[n].addr = sector_addr(c, i);
		if (whole_64(c, i, UNKNOWN)) {
			out[n++].len = BLOCK64;
			i += SECTORS_64;
			continue;
		}
		if (STATE(c->job.sectors[i]) < GOOD)
			out[n++].len = SECTOR;
		i++;
	}
	return n;
}

void plan_surveyed(struct ctx *c, uint32_t addr, uint32_t len, const uint8_t digest[32])
{
	uint8_t want[BLOCK64], empty[BLOCK64], d[32];
	size_t first = (addr - c->job.addr) / SECTOR, i;
	bool good, erased;

	target(c, addr, len, want);
	sha256(want, len, d);
	good = !memcmp(d, digest, sizeof(d));
	memset(empty, 0xff, len);
	sha256(empty, len, d);
	erased = !memcmp(d, digest, sizeof(d));
	for (i = 0; i < len / SECTOR; i++) {
		if (good || (erased && blank(want + i * SECTOR, SECTOR)))
			c->job.sectors[first + i] = GOOD;
		else
			c->job.sectors[first + i] = erased || len == SECTOR ? DIRTY : ALONE;
	}
}

bool plan_dirty(const struct ctx *c)
{
	size_t i;

	for (i = 0; i < c->job.nr_sectors; i++) {
		if (STATE(c->job.sectors[i]) == DIRTY)
			return true;
	}
	return false;
}

void plan_append(struct ctx *c, const struct op *op)
{
	db_run(c->kms, "INSERT INTO op (sequence, seq, type, address, length, mode)"
	       " VALUES (?, ?, ?, ?, ?, ?)", "iuduud", c->seq.id, c->seq.nr_ops, (int)op->type,
	       op->addr, op->len, (int)op->mode);
	c->seq.nr_ops++;
}

static void append_pages(struct ctx *c, size_t i)
{
	uint8_t want[SECTOR];
	uint32_t off, end = c->job.addr + c->job.len;
	struct op op = { .type = CRTM_PROGRAM };

	target(c, sector_addr(c, i), SECTOR, want);
	for (off = 0; off < SECTOR; off += CRTM_PAGE_SIZE) {
		op.addr = sector_addr(c, i) + off;
		if (op.addr >= end)
			break;
		op.len = end - op.addr < CRTM_PAGE_SIZE ? end - op.addr : CRTM_PAGE_SIZE;
		if (!blank(want + off, op.len))
			plan_append(c, &op);
	}
}

/* Append everything that makes the dirty sectors good. */
void plan_write(struct ctx *c)
{
	struct op op = { .type = CRTM_ERASE };
	size_t i = 0, k, n;

	while (i < c->job.nr_sectors) {
		if (STATE(c->job.sectors[i]) != DIRTY) {
			i++;
			continue;
		}
		n = whole_64(c, i, DIRTY) ? SECTORS_64 : 1;
		op.addr = sector_addr(c, i);
		op.len = n * SECTOR;
		plan_append(c, &op);
		for (k = i; k < i + n; k++)
			append_pages(c, k);
		i += n;
	}
}

/* Everything that plan_write() appended is proven. */
void plan_written(struct ctx *c)
{
	size_t i;

	for (i = 0; i < c->job.nr_sectors; i++) {
		if (STATE(c->job.sectors[i]) == DIRTY)
			c->job.sectors[i] = GOOD;
	}
}

static void touch(struct ctx *c, const struct op *op, uint8_t *sectors, uint8_t bit)
{
	uint32_t at;

	if (op->type != CRTM_ERASE && op->type != CRTM_PROGRAM)
		return;
	for (at = op->addr / SECTOR * SECTOR; at < op->addr + op->len; at += SECTOR)
		sectors[(at - c->job.addr) / SECTOR] |= bit;
}

void plan_session_lost(struct ctx *c)
{
	enum { PROVEN = 1, PENDING = 2, HANDED = 4 };
	uint8_t *touched, *s;
	struct op op;
	uint32_t seq;
	size_t i;

	if (!c->job.sectors)
		return;
	touched = calloc(c->job.nr_sectors, 1);
	if (!touched) {
		c->kms->err = true;
		return;
	}
	for (seq = 0; seq < c->seq.nr_ops && op_load(c, c->seq.id, seq, &op); seq++)
		touch(c, &op, touched, seq < c->seq.confirmed ? PROVEN :
		      seq < c->seq.handed ? PENDING | HANDED : PENDING);
	for (i = 0; i < c->job.nr_sectors; i++) {
		s = &c->job.sectors[i];
		/* A doubt from an earlier session ends when all of this one's blocks are proven. */
		if (touched[i] & HANDED || (*s & FORCED && touched[i] != PROVEN))
			*s = DIRTY | FORCED;
		else
			*s = UNKNOWN;
	}
	free(touched);
}

void plan_doubt(struct ctx *c, uint32_t addr, uint32_t len)
{
	size_t i;

	for (i = (addr - c->job.addr) / SECTOR;
	     i < c->job.nr_sectors && sector_addr(c, i) < (uint64_t)addr + len; i++)
		c->job.sectors[i] = ALONE;
}

int64_t plan_remaining(struct ctx *c)
{
	int64_t n = 0;
	size_t i;

	if (c->job.sequence)
		n += c->seq.nr_ops - c->seq.handed;
	if (c->job.kind == JOB_INFO || c->job.verified)
		return n;
	if (c->job.kind == JOB_PROTECT || c->job.kind == JOB_UNPROTECT)
		return n + (c->job.sequence ? 0 : 3);
	n += (c->job.len + MEASURE_MAX - 1) / MEASURE_MAX + 1;
	if (c->job.kind != JOB_UPDATE)
		return n;
	if (!c->job.sectors)
		return n + c->job.len / CRTM_PAGE_SIZE;
	/* Whatever is not known to be good may have to be written. */
	if (!c->job.sequence || c->seq.nr_ops == c->seq.confirmed) {
		for (i = 0; i < c->job.nr_sectors; i++) {
			if (STATE(c->job.sectors[i]) != GOOD)
				n += SECTOR / CRTM_PAGE_SIZE;
		}
	}
	return n + 1;
}
