// SPDX-License-Identifier: MIT
/*
 * The database: schema, transactions, queries.
 *
 * The rules that must hold whatever the program does stand in the schema: one
 * sequence for a counter value, one block for a place in it, one running job a
 * device, no outcome replaced.
 */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "kms.h"

#define SCHEMA_VERSION	1

static const char schema[] =
	"CREATE TABLE setting ("
	" name TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT, WITHOUT ROWID;"

	"CREATE TABLE device ("
	" id INTEGER PRIMARY KEY,"
	" name TEXT NOT NULL UNIQUE,"
	" chip_id BLOB NOT NULL,"
	" size INTEGER NOT NULL,"
	" slots INTEGER NOT NULL,"
	" enrolled INTEGER NOT NULL,"
	" provisioned INTEGER,"
	" restored INTEGER NOT NULL DEFAULT 0,"
	" held TEXT,"
	" mc INTEGER,"
	" power_on INTEGER,"
	" flags INTEGER NOT NULL DEFAULT 0,"
	" tokens REAL NOT NULL,"
	" tokens_at INTEGER NOT NULL,"
	" agent TEXT, chip TEXT, seen INTEGER) STRICT;"

	/* Every key ever made for a slot: only the chip can tell which one it took. */
	"CREATE TABLE root_key ("
	" device INTEGER NOT NULL REFERENCES device,"
	" slot INTEGER NOT NULL,"
	" generation INTEGER NOT NULL,"
	" key_id BLOB NOT NULL UNIQUE,"
	" key_data BLOB NOT NULL,"
	" tag BLOB NOT NULL,"
	" proven INTEGER NOT NULL DEFAULT 0,"
	" PRIMARY KEY (device, slot, generation)) STRICT, WITHOUT ROWID;"
	"CREATE UNIQUE INDEX one_key_a_slot ON root_key (device, slot) WHERE proven;"

	"CREATE TABLE region ("
	" device INTEGER NOT NULL REFERENCES device,"
	" address INTEGER NOT NULL,"
	" length INTEGER NOT NULL,"
	" PRIMARY KEY (device, address)) STRICT, WITHOUT ROWID;"

	"CREATE TABLE job ("
	" id INTEGER PRIMARY KEY AUTOINCREMENT,"
	" device INTEGER NOT NULL REFERENCES device,"
	" kind INTEGER NOT NULL,"
	" title TEXT NOT NULL,"
	" address INTEGER NOT NULL DEFAULT 0,"
	" length INTEGER NOT NULL DEFAULT 0,"
	" protect INTEGER NOT NULL DEFAULT 0,"
	" image BLOB,"
	" state TEXT NOT NULL DEFAULT 'queued'"
	"  CHECK (state IN ('queued', 'running', 'done', 'failed', 'held')),"
	" reason TEXT,"
	" created INTEGER NOT NULL,"
	" finished INTEGER,"
	" key_data BLOB,"
	" hkr INTEGER NOT NULL DEFAULT 0,"
	" known INTEGER NOT NULL DEFAULT 0,"
	" verified INTEGER NOT NULL DEFAULT 0,"
	" sequence INTEGER REFERENCES sequence,"
	" sectors BLOB,"
	" attempts INTEGER NOT NULL DEFAULT 0,"
	" bad INTEGER NOT NULL DEFAULT 0,"
	" sessions INTEGER NOT NULL DEFAULT 0,"
	" wrong INTEGER NOT NULL DEFAULT 0,"
	" not_before INTEGER NOT NULL DEFAULT 0,"
	" next_step INTEGER NOT NULL DEFAULT 0,"
	" batch INTEGER NOT NULL DEFAULT 0,"
	" problem TEXT) STRICT;"
	"CREATE UNIQUE INDEX one_running_job ON job (device) WHERE state = 'running';"
	"CREATE INDEX job_queue ON job (device, id) WHERE state = 'queued';"

	/* One counter value, one sequence. */
	"CREATE TABLE sequence ("
	" id INTEGER PRIMARY KEY AUTOINCREMENT,"
	" device INTEGER NOT NULL REFERENCES device,"
	" mc INTEGER NOT NULL,"
	" type INTEGER NOT NULL,"
	" burn INTEGER NOT NULL,"
	" key_data BLOB NOT NULL,"
	" nonce BLOB NOT NULL,"
	" state INTEGER NOT NULL DEFAULT 0,"
	" confirmed INTEGER NOT NULL DEFAULT 0,"
	" handed INTEGER NOT NULL DEFAULT 0 CHECK (handed >= confirmed),"
	" UNIQUE (device, mc)) STRICT;"

	/* What stands at a place of a session; never changed, never removed. */
	"CREATE TABLE op ("
	" sequence INTEGER NOT NULL REFERENCES sequence,"
	" seq INTEGER NOT NULL,"
	" type INTEGER NOT NULL,"
	" address INTEGER NOT NULL,"
	" length INTEGER NOT NULL,"
	" mode INTEGER NOT NULL,"
	" PRIMARY KEY (sequence, seq)) STRICT, WITHOUT ROWID;"

	"CREATE TABLE batch ("
	" job INTEGER NOT NULL REFERENCES job,"
	" batch INTEGER NOT NULL,"
	" kind INTEGER NOT NULL,"
	" done INTEGER NOT NULL,"
	" total INTEGER NOT NULL,"
	" PRIMARY KEY (job, batch)) STRICT, WITHOUT ROWID;"

	/*
	 * Blocks handed out. @sequence is set for those that are bound to a
	 * counter value: the 40 or 02 itself (@seq -1) and 41-44.
	 */
	"CREATE TABLE step ("
	" job INTEGER NOT NULL,"
	" step INTEGER NOT NULL,"
	" batch INTEGER NOT NULL,"
	" type INTEGER NOT NULL,"
	" sequence INTEGER REFERENCES sequence,"
	" seq INTEGER,"
	" block BLOB NOT NULL,"
	" outcome TEXT CHECK (outcome IN ('answered', 'unknown', 'unsent')),"
	" status INTEGER,"
	" response BLOB,"
	" error TEXT,"
	" PRIMARY KEY (job, step),"
	" FOREIGN KEY (job, batch) REFERENCES batch,"
	" CHECK ((sequence IS NULL) = (seq IS NULL))) STRICT;"
	"CREATE INDEX step_place ON step (sequence, seq) WHERE sequence IS NOT NULL;"
	"CREATE TRIGGER one_block_a_place BEFORE INSERT ON step"
	" WHEN NEW.sequence IS NOT NULL AND EXISTS (SELECT 1 FROM step WHERE"
	"  sequence = NEW.sequence AND seq = NEW.seq AND block <> NEW.block)"
	" BEGIN SELECT RAISE(ABORT, 'two blocks for one place in a sequence'); END;"
	"CREATE TRIGGER block_stays BEFORE UPDATE OF job, step, type, sequence, seq, block ON step"
	" BEGIN SELECT RAISE(ABORT, 'a block handed out does not change'); END;"
	"CREATE TRIGGER step_stays BEFORE DELETE ON step"
	" BEGIN SELECT RAISE(ABORT, 'a block handed out is not forgotten'); END;"
	"CREATE TRIGGER outcome_stays BEFORE UPDATE OF outcome, status, response, error ON step"
	" WHEN OLD.outcome IS NOT NULL"
	" BEGIN SELECT RAISE(ABORT, 'the first outcome stands'); END;"

	"CREATE TABLE history ("
	" id INTEGER PRIMARY KEY,"
	" device INTEGER NOT NULL REFERENCES device,"
	" at INTEGER NOT NULL,"
	" job INTEGER,"
	" event TEXT NOT NULL,"
	" address INTEGER,"
	" length INTEGER,"
	" digest BLOB,"
	" evidence INTEGER,"
	" detail TEXT NOT NULL) STRICT;"
	"CREATE INDEX history_device ON history (device, id);";

static void fail(struct kms *kms, const char *what)
{
	if (!kms->err)
		kms_log("database: %s: %s", what, sqlite3_errmsg(kms->db));
	kms->err = true;
}

static int exec(struct kms *kms, const char *sql)
{
	if (sqlite3_exec(kms->db, sql, NULL, NULL, NULL) != SQLITE_OK) {
		fail(kms, "exec");
		return -1;
	}
	return 0;
}

static int open_file(struct kms *kms, int flags)
{
	char *path = state_path(kms, "kms.db");
	int ret, err;

	ret = sqlite3_open_v2(path, &kms->db, flags | SQLITE_OPEN_FULLMUTEX, NULL);
	err = kms->db ? sqlite3_system_errno(kms->db) : 0;
	if (ret != SQLITE_OK)
		kms_log("%s: %s%s%s", path, kms->db ? sqlite3_errmsg(kms->db) : "no memory",
			err ? ": " : "", err ? strerror(err) : "");
	free(path);
	if (ret != SQLITE_OK)
		return -1;
	kms->err = false;
	sqlite3_extended_result_codes(kms->db, 1);
	sqlite3_busy_timeout(kms->db, 20000);
	return exec(kms, "PRAGMA foreign_keys = ON; PRAGMA synchronous = FULL;"
			 "PRAGMA trusted_schema = OFF");
}

int db_create(struct kms *kms)
{
	mode_t mask = umask(077);
	int ret = open_file(kms, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE);
	char sql[64];

	umask(mask);
	if (ret)
		return ret;
	snprintf(sql, sizeof(sql), "PRAGMA user_version = %d", SCHEMA_VERSION);
	ret = exec(kms, "PRAGMA journal_mode = WAL");
	db_begin(kms);
	if (!ret)
		ret = exec(kms, schema);
	if (!ret)
		ret = exec(kms, sql);
	return db_end(kms) || ret ? -1 : 0;
}

int db_open(struct kms *kms)
{
	int64_t version;

	if (open_file(kms, SQLITE_OPEN_READWRITE))
		return -1;
	if (!db_int(kms, &version, "PRAGMA user_version", "") || version != SCHEMA_VERSION) {
		kms_log("%s/kms.db: not a database of this version", kms->dir);
		return -1;
	}
	return 0;
}

void db_close(struct kms *kms)
{
	sqlite3_close(kms->db);
	kms->db = NULL;
}

void db_begin(struct kms *kms)
{
	kms->err = false;
	/* The write lock at once: what is read stays true until the commit. */
	exec(kms, "BEGIN IMMEDIATE");
}

int db_end(struct kms *kms)
{
	if (!kms->err && !exec(kms, "COMMIT"))
		return 0;
	if (!sqlite3_get_autocommit(kms->db))
		sqlite3_exec(kms->db, "ROLLBACK", NULL, NULL, NULL);
	kms->err = false;
	return -1;
}

static sqlite3_stmt *vquery(struct kms *kms, const char *sql, const char *fmt, va_list ap)
{
	sqlite3_stmt *st = NULL;
	int i, ret = SQLITE_OK;

	if (kms->err)
		return NULL;
	if (sqlite3_prepare_v2(kms->db, sql, -1, &st, NULL) != SQLITE_OK) {
		fail(kms, sql);
		return NULL;
	}
	for (i = 1; *fmt && ret == SQLITE_OK; fmt++, i++) {
		switch (*fmt) {
		case 'i':
			ret = sqlite3_bind_int64(st, i, va_arg(ap, int64_t));
			break;
		case 'd':
			ret = sqlite3_bind_int64(st, i, va_arg(ap, int));
			break;
		case 'u':
			ret = sqlite3_bind_int64(st, i, va_arg(ap, uint32_t));
			break;
		case 'f':
			ret = sqlite3_bind_double(st, i, va_arg(ap, double));
			break;
		case 's':
			ret = sqlite3_bind_text(st, i, va_arg(ap, const char *), -1,
						SQLITE_TRANSIENT);
			break;
		case 'b': {
			const void *p = va_arg(ap, const void *);
			size_t len = va_arg(ap, size_t);

			ret = sqlite3_bind_blob64(st, i, p, len, SQLITE_TRANSIENT);
			break;
		}
		case 'n':
			ret = sqlite3_bind_null(st, i);
			break;
		default:
			abort();
		}
	}
	if (ret != SQLITE_OK) {
		fail(kms, sql);
		sqlite3_finalize(st);
		return NULL;
	}
	return st;
}

sqlite3_stmt *db_query(struct kms *kms, const char *sql, const char *fmt, ...)
{
	sqlite3_stmt *st;
	va_list ap;

	va_start(ap, fmt);
	st = vquery(kms, sql, fmt, ap);
	va_end(ap);
	return st;
}

bool db_row(struct kms *kms, sqlite3_stmt *st)
{
	int ret;

	if (!st)
		return false;
	ret = sqlite3_step(st);
	if (ret == SQLITE_ROW)
		return true;
	if (ret != SQLITE_DONE)
		fail(kms, sqlite3_sql(st));
	sqlite3_finalize(st);
	return false;
}

void db_run(struct kms *kms, const char *sql, const char *fmt, ...)
{
	sqlite3_stmt *st;
	va_list ap;

	va_start(ap, fmt);
	st = vquery(kms, sql, fmt, ap);
	va_end(ap);
	while (db_row(kms, st))
		;
}

bool db_int(struct kms *kms, int64_t *v, const char *sql, const char *fmt, ...)
{
	sqlite3_stmt *st;
	va_list ap;
	bool ok;

	va_start(ap, fmt);
	st = vquery(kms, sql, fmt, ap);
	va_end(ap);
	if (!db_row(kms, st))
		return false;
	ok = sqlite3_column_type(st, 0) != SQLITE_NULL;
	if (ok)
		*v = sqlite3_column_int64(st, 0);
	sqlite3_finalize(st);
	return ok;
}

bool col_bytes(sqlite3_stmt *st, int col, uint8_t *out, size_t len)
{
	const void *p = sqlite3_column_blob(st, col);

	if ((size_t)sqlite3_column_bytes(st, col) != len)
		return false;
	if (len)
		memcpy(out, p, len);
	return true;
}

void col_text(sqlite3_stmt *st, int col, char *out, size_t size)
{
	const unsigned char *s = sqlite3_column_text(st, col);

	snprintf(out, size, "%s", s ? (const char *)s : "");
}
