// SPDX-License-Identifier: MIT
/*
 * Rows of devices, jobs and sequences; the history. All inside the caller's
 * transaction.
 */
#include <openssl/crypto.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kms.h"

const char *const job_kinds[JOB_KINDS] = { "info", "measure", "protect", "unprotect", "update" };

static int64_t col_int_or(sqlite3_stmt *st, int col, int64_t none)
{
	return sqlite3_column_type(st, col) == SQLITE_NULL ? none : sqlite3_column_int64(st, col);
}

void regions_load(struct ctx *c)
{
	sqlite3_stmt *st = db_query(c->kms, "SELECT address, length FROM region WHERE device = ?"
				    " ORDER BY address", "i", c->dev.id);

	c->dev.nr_regions = 0;
	while (db_row(c->kms, st)) {
		if (c->dev.nr_regions == CRTM_MAX_REGIONS)
			continue;
		c->dev.regions[c->dev.nr_regions].addr = sqlite3_column_int64(st, 0);
		c->dev.regions[c->dev.nr_regions++].len = sqlite3_column_int64(st, 1);
	}
}

bool device_load(struct ctx *c, const char *name)
{
	struct device *dev = &c->dev;
	sqlite3_stmt *st;

	st = db_query(c->kms, "SELECT id, name, coalesce(held, ''), size, mc, power_on, flags,"
		      " restored, tokens, tokens_at, key_id FROM device"
		      " JOIN root_key ON device = id AND slot = 0 AND proven"
		      " WHERE name = ? AND provisioned IS NOT NULL", "s", name);
	if (!db_row(c->kms, st))
		return false;
	dev->id = sqlite3_column_int64(st, 0);
	col_text(st, 1, dev->name, sizeof(dev->name));
	col_text(st, 2, dev->held, sizeof(dev->held));
	dev->size = sqlite3_column_int64(st, 3);
	dev->mc = col_int_or(st, 4, -1);
	dev->power_on = col_int_or(st, 5, -1);
	dev->flags = sqlite3_column_int64(st, 6);
	dev->restored = sqlite3_column_int64(st, 7);
	dev->tokens = sqlite3_column_double(st, 8);
	dev->tokens_at = sqlite3_column_int64(st, 9);
	if (!col_bytes(st, 10, dev->key_id, KEY_ID_LEN))
		c->kms->err = true;
	sqlite3_finalize(st);
	regions_load(c);
	return !c->kms->err;
}

void device_save(struct ctx *c)
{
	const struct device *dev = &c->dev;

	db_run(c->kms, "UPDATE device SET held = nullif(?, ''), mc = nullif(?, -1),"
	       " power_on = nullif(?, -1), flags = ?, restored = ?, tokens = ?, tokens_at = ?"
	       " WHERE id = ?", "siiiifii", dev->held, dev->mc, dev->power_on, dev->flags,
	       dev->restored, dev->tokens, dev->tokens_at, dev->id);
}

static uint8_t *col_dup(struct kms *kms, sqlite3_stmt *st, int col, size_t *len)
{
	const void *p = sqlite3_column_blob(st, col);
	uint8_t *copy;

	*len = sqlite3_column_bytes(st, col);
	if (!p)
		return NULL;
	copy = malloc(*len);
	if (copy)
		memcpy(copy, p, *len);
	else
		kms->err = true;
	return copy;
}

/* The running job of the device, or the first queued one, which then runs. */
bool job_load_current(struct ctx *c)
{
	struct job *job = &c->job;
	sqlite3_stmt *st;
	bool queued;
	size_t len;

	free(job->image);
	free(job->sectors);
	memset(job, 0, sizeof(*job));
	memset(&c->seq, 0, sizeof(c->seq));
	c->over = false;
	st = db_query(c->kms, "SELECT id, kind, title, address, length, protect, image, key_data,"
		      " hkr, known, verified, coalesce(sequence, 0), sectors, attempts, bad,"
		      " sessions, not_before, next_step, batch, coalesce(problem, ''),"
		      " wrong, state = 'queued' FROM job WHERE device = ? AND"
		      " state IN ('running', 'queued') ORDER BY state = 'queued', id LIMIT 1",
		      "i", c->dev.id);
	if (!db_row(c->kms, st))
		return false;
	job->id = sqlite3_column_int64(st, 0);
	job->kind = sqlite3_column_int(st, 1);
	col_text(st, 2, job->title, sizeof(job->title));
	job->addr = sqlite3_column_int64(st, 3);
	job->len = sqlite3_column_int64(st, 4);
	job->protect = sqlite3_column_int(st, 5);
	job->image = col_dup(c->kms, st, 6, &len);
	col_bytes(st, 7, job->key_data, sizeof(job->key_data));
	job->hkr = sqlite3_column_int(st, 8);
	job->known = sqlite3_column_int(st, 9);
	job->verified = sqlite3_column_int(st, 10);
	job->sequence = sqlite3_column_int64(st, 11);
	job->sectors = col_dup(c->kms, st, 12, &job->nr_sectors);
	job->attempts = sqlite3_column_int(st, 13);
	job->bad = sqlite3_column_int(st, 14);
	job->sessions = sqlite3_column_int(st, 15);
	job->not_before = sqlite3_column_int64(st, 16);
	job->next_step = sqlite3_column_int64(st, 17);
	job->batch = sqlite3_column_int64(st, 18);
	col_text(st, 19, job->problem, sizeof(job->problem));
	job->wrong = sqlite3_column_int(st, 20);
	queued = sqlite3_column_int(st, 21);
	sqlite3_finalize(st);
	if (job->sequence && !sequence_load(c, job->sequence, &c->seq))
		c->kms->err = true;
	if (queued)
		db_run(c->kms, "UPDATE job SET state = 'running' WHERE id = ?", "i", job->id);
	return !c->kms->err;
}

void job_save(struct ctx *c)
{
	const struct job *job = &c->job;

	db_run(c->kms, "UPDATE job SET key_data = ?, hkr = ?, known = ?, verified = ?,"
	       " sequence = nullif(?, 0), sectors = ?, attempts = ?, bad = ?, sessions = ?,"
	       " wrong = ?, not_before = ?, next_step = ?, batch = ?, problem = nullif(?, '')"
	       " WHERE id = ?",
	       "bdddibddddiiisi", job->key_data, sizeof(job->key_data), job->hkr, (int)job->known,
	       (int)job->verified, job->sequence, job->sectors, job->nr_sectors, job->attempts,
	       job->bad, job->sessions, job->wrong, job->not_before, job->next_step, job->batch,
	       job->problem, job->id);
	if (job->sequence)
		sequence_save(c, &c->seq);
}

/* @state: done, failed or held. The image is of no more use then. */
void job_end(struct ctx *c, const char *state, const char *fmt, ...)
{
	char reason[512];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(reason, sizeof(reason), fmt, ap);
	va_end(ap);
	db_run(c->kms, "UPDATE job SET state = ?, reason = ?, finished = ?, image = NULL,"
	       " sectors = NULL WHERE id = ?", "ssii", state, reason, now_ms(), c->job.id);
	if (strcmp(state, "done"))
		history_add(c->kms, c->dev.id, c->job.id, state, 0, 0, NULL, -1, "%s", reason);
	free(c->job.sectors);
	c->job.sectors = NULL;
	c->job.nr_sectors = 0;
	c->over = true;
}

void ctx_wipe(struct ctx *c)
{
	free(c->job.image);
	free(c->job.sectors);
	OPENSSL_cleanse(c, sizeof(*c));
}

static bool sequence_row(struct ctx *c, sqlite3_stmt *st, struct sequence *s)
{
	if (!db_row(c->kms, st))
		return false;
	memset(s, 0, sizeof(*s));
	s->id = sqlite3_column_int64(st, 0);
	s->burn = sqlite3_column_int64(st, 1);
	s->mc = sqlite3_column_int64(st, 2);
	s->type = sqlite3_column_int(st, 3);
	if (!col_bytes(st, 4, s->key_data, sizeof(s->key_data)) ||
	    !col_bytes(st, 5, s->nonce, sizeof(s->nonce)))
		c->kms->err = true;
	s->state = sqlite3_column_int(st, 6);
	s->confirmed = sqlite3_column_int64(st, 7);
	s->handed = sqlite3_column_int64(st, 8);
	s->nr_ops = sqlite3_column_int64(st, 9);
	sqlite3_finalize(st);
	return !c->kms->err;
}

#define SEQUENCE	"SELECT id, burn, mc, type, key_data, nonce, state, confirmed, handed," \
	" coalesce((SELECT max(seq) + 1 FROM op WHERE sequence = id), 0) FROM sequence WHERE "

bool sequence_load(struct ctx *c, int64_t id, struct sequence *s)
{
	return sequence_row(c, db_query(c->kms, SEQUENCE "id = ?", "i", id), s);
}

bool sequence_find(struct ctx *c, uint32_t mc, struct sequence *s)
{
	return sequence_row(c, db_query(c->kms, SEQUENCE "device = ? AND mc = ?", "iu",
					c->dev.id, mc), s);
}

void sequence_save(struct ctx *c, const struct sequence *s)
{
	db_run(c->kms, "UPDATE sequence SET burn = ?, state = ?, confirmed = ?, handed = ?"
	       " WHERE id = ?", "iduui", s->burn, s->state, s->confirmed, s->handed, s->id);
}

bool op_load(struct ctx *c, int64_t sequence, uint32_t seq, struct op *op)
{
	sqlite3_stmt *st;

	st = db_query(c->kms, "SELECT type, address, length, mode FROM op"
		      " WHERE sequence = ? AND seq = ?", "iu", sequence, seq);
	if (!db_row(c->kms, st))
		return false;
	op->type = sqlite3_column_int(st, 0);
	op->addr = sqlite3_column_int64(st, 1);
	op->len = sqlite3_column_int64(st, 2);
	op->mode = sqlite3_column_int(st, 3);
	sqlite3_finalize(st);
	return true;
}

void history_add(struct kms *kms, int64_t device, int64_t job, const char *event, uint32_t addr,
		 uint32_t len, const uint8_t *digest, int evidence, const char *fmt, ...)
{
	char detail[512];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(detail, sizeof(detail), fmt, ap);
	va_end(ap);
	db_run(kms, "INSERT INTO history (device, at, job, event, address, length, digest,"
	       " evidence, detail) VALUES (?, ?, nullif(?, 0), ?, ?, ?, ?, nullif(?, -1), ?)",
	       "iiisuubds", device, now_ms(), job, event, addr, len, digest, (size_t)32, evidence,
	       detail);
}
