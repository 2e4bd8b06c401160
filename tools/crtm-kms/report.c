// SPDX-License-Identifier: MIT
/*
 * What people and scripts see: aligned tables, JSON, a progress bar.
 */
#include <inttypes.h>
#include <json-c/json.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "hex.h"
#include "kms.h"

#define MAX_COLUMNS	8
#define BAR_WIDTH	40
#define POLL_US		200000

struct table {
	unsigned int columns;
	unsigned int width[MAX_COLUMNS];
	char **cells;
	size_t nr;
};

static void add_cell(struct table *t, char *text)
{
	unsigned int col = t->nr % t->columns, len = strlen(text);
	char **cells = realloc(t->cells, (t->nr + 1) * sizeof(*cells));

	if (!cells)
		abort();
	t->cells = cells;
	t->cells[t->nr++] = text;
	if (t->width[col] < len)
		t->width[col] = len;
}

struct table *table_new(const char *const *heads, unsigned int columns)
{
	struct table *t = calloc(1, sizeof(*t));
	unsigned int i;

	if (!t)
		abort();
	t->columns = columns;
	for (i = 0; i < columns; i++)
		table_cell(t, "%s", heads[i]);
	return t;
}

void table_cell(struct table *t, const char *fmt, ...)
{
	char *text;
	va_list ap;

	va_start(ap, fmt);
	if (vasprintf(&text, fmt, ap) < 0)
		abort();
	va_end(ap);
	add_cell(t, text);
}

void table_print(struct table *t)
{
	unsigned int col;
	size_t i;

	for (i = 0; i < t->nr; i++) {
		col = i % t->columns;
		if (col == t->columns - 1)
			printf("%s\n", t->cells[i]);
		else
			printf("%-*s  ", t->width[col], t->cells[i]);
		free(t->cells[i]);
	}
	free(t->cells);
	free(t);
}

static void print_json(json_object *o)
{
	puts(json_object_to_json_string_ext(o, JSON_C_TO_STRING_PRETTY));
	json_object_put(o);
}

/* A member from a column; NULL is left out. Blobs become hexadecimal digits. */
static void add_col(json_object *o, const char *name, sqlite3_stmt *st, int col)
{
	json_object *v;
	char *hex;
	int len;

	switch (sqlite3_column_type(st, col)) {
	case SQLITE_INTEGER:
		v = json_object_new_int64(sqlite3_column_int64(st, col));
		break;
	case SQLITE_TEXT:
		v = json_object_new_string((const char *)sqlite3_column_text(st, col));
		break;
	case SQLITE_BLOB:
		len = sqlite3_column_bytes(st, col);
		hex = malloc(2 * len + 1);
		if (!hex)
			abort();
		hex_encode(hex, sqlite3_column_blob(st, col), len);
		v = json_object_new_string(hex);
		free(hex);
		break;
	default:
		return;
	}
	json_object_object_add(o, name, v);
}

static void add_time(json_object *o, const char *name, sqlite3_stmt *st, int col)
{
	char buf[32];

	if (sqlite3_column_type(st, col) != SQLITE_NULL)
		json_object_object_add(o, name, json_object_new_string(
				       iso_time(sqlite3_column_int64(st, col), buf)));
}

static const char *text_or(sqlite3_stmt *st, int col, const char *none)
{
	const unsigned char *s = sqlite3_column_text(st, col);

	return s ? (const char *)s : none;
}

static void time_cell(struct table *t, sqlite3_stmt *st, int col)
{
	char buf[32];

	if (sqlite3_column_type(st, col) == SQLITE_NULL)
		table_cell(t, "-");
	else
		table_cell(t, "%s", iso_time(sqlite3_column_int64(st, col), buf));
}

static json_object *device_regions(struct kms *kms, int64_t device)
{
	json_object *list = json_object_new_array(), *o;
	sqlite3_stmt *st;

	st = db_query(kms, "SELECT address, length FROM region WHERE device = ? ORDER BY address",
		      "i", device);
	while (db_row(kms, st)) {
		o = json_object_new_object();
		add_col(o, "address", st, 0);
		add_col(o, "length", st, 1);
		json_object_array_add(list, o);
	}
	return list;
}

int report_devices(struct kms *kms)
{
	static const char *const heads[] = { "DEVICE", "CHIP", "SIZE", "COUNTER", "POWER-ON",
					     "SEEN", "STATE" };
	struct table *t = kms->json ? NULL : table_new(heads, 7);
	json_object *list = json_object_new_array(), *o;
	sqlite3_stmt *st;

	st = db_query(kms, "SELECT id, name, lower(hex(chip_id)), size, mc, power_on, seen,"
		      " CASE WHEN held IS NOT NULL THEN 'held: ' || held"
		      "  WHEN provisioned IS NULL THEN 'not provisioned'"
		      "  WHEN restored THEN 'restored' ELSE 'ok' END,"
		      " slots, agent, chip FROM device ORDER BY name", "");
	while (db_row(kms, st)) {
		if (t) {
			table_cell(t, "%s", text_or(st, 1, ""));
			table_cell(t, "%s", text_or(st, 2, ""));
			table_cell(t, "%" PRId64 "K", (int64_t)sqlite3_column_int64(st, 3) / 1024);
			table_cell(t, "%s", text_or(st, 4, "-"));
			table_cell(t, "%s", text_or(st, 5, "-"));
			time_cell(t, st, 6);
			table_cell(t, "%s", text_or(st, 7, ""));
			continue;
		}
		o = json_object_new_object();
		add_col(o, "device", st, 1);
		add_col(o, "id", st, 2);
		add_col(o, "size", st, 3);
		add_col(o, "counter", st, 4);
		add_col(o, "power_on", st, 5);
		add_time(o, "seen", st, 6);
		add_col(o, "state", st, 7);
		add_col(o, "slots", st, 8);
		add_col(o, "agent", st, 9);
		add_col(o, "chip", st, 10);
		json_object_object_add(o, "regions",
				       device_regions(kms, sqlite3_column_int64(st, 0)));
		json_object_array_add(list, o);
	}
	if (t) {
		table_print(t);
		json_object_put(list);
	} else {
		print_json(list);
	}
	return kms->err ? -1 : 0;
}

#define JOB_COLUMNS	"job.id, name, title, state, reason, created, finished, next_step," \
	" coalesce((SELECT max(total, next_step) FROM batch WHERE job = job.id" \
	"  ORDER BY batch DESC LIMIT 1), 0), problem, sessions, kind, address, length" \
	" FROM job JOIN device ON device.id = job.device "

static json_object *job_json(sqlite3_stmt *st)
{
	json_object *o = json_object_new_object();

	add_col(o, "job", st, 0);
	add_col(o, "device", st, 1);
	json_object_object_add(o, "kind",
			       json_object_new_string(job_kinds[sqlite3_column_int(st, 11)]));
	add_col(o, "title", st, 2);
	add_col(o, "state", st, 3);
	add_col(o, "reason", st, 4);
	add_time(o, "created", st, 5);
	add_time(o, "finished", st, 6);
	add_col(o, "done", st, 7);
	add_col(o, "total", st, 8);
	add_col(o, "problem", st, 9);
	add_col(o, "sessions", st, 10);
	add_col(o, "address", st, 12);
	add_col(o, "length", st, 13);
	return o;
}

int report_jobs(struct kms *kms, const char *device)
{
	static const char *const heads[] = { "JOB", "DEVICE", "TITLE", "STATE", "STEPS", "CREATED",
					     "REASON" };
	struct table *t;
	json_object *list;
	sqlite3_stmt *st;
	int64_t id;

	if (device && !db_int(kms, &id, "SELECT id FROM device WHERE name = ?", "s", device)) {
		kms_log("%s: no such device", device);
		return -1;
	}
	t = kms->json ? NULL : table_new(heads, 7);
	list = json_object_new_array();
	st = db_query(kms, "SELECT " JOB_COLUMNS "WHERE name = coalesce(?, name) ORDER BY job.id",
		      "s", device);
	while (db_row(kms, st)) {
		if (!t) {
			json_object_array_add(list, job_json(st));
			continue;
		}
		table_cell(t, "%s", text_or(st, 0, ""));
		table_cell(t, "%s", text_or(st, 1, ""));
		table_cell(t, "%s", text_or(st, 2, ""));
		table_cell(t, "%s", text_or(st, 3, ""));
		table_cell(t, "%s/%s", text_or(st, 7, ""), text_or(st, 8, ""));
		time_cell(t, st, 5);
		table_cell(t, "%s", text_or(st, 4, ""));
	}
	if (t) {
		table_print(t);
		json_object_put(list);
	} else {
		print_json(list);
	}
	return kms->err ? -1 : 0;
}

static json_object *history_json(sqlite3_stmt *st)
{
	json_object *o = json_object_new_object();

	add_time(o, "time", st, 0);
	add_col(o, "job", st, 1);
	add_col(o, "event", st, 2);
	add_col(o, "address", st, 3);
	add_col(o, "length", st, 4);
	add_col(o, "sha256", st, 5);
	if (sqlite3_column_type(st, 6) != SQLITE_NULL)
		json_object_object_add(o, "evidence",
				       json_object_new_boolean(sqlite3_column_int(st, 6)));
	add_col(o, "detail", st, 7);
	return o;
}

#define HISTORY	"SELECT at, history.job, event, CASE WHEN length THEN address END," \
	" nullif(length, 0), digest, evidence, detail FROM history "

static int print_history(struct kms *kms, sqlite3_stmt *st, json_object *list)
{
	static const char *const heads[] = { "TIME", "JOB", "EVENT", "RANGE", "DETAIL", "SHA-256" };
	struct table *t = list ? NULL : table_new(heads, 6);
	char hex[65];

	while (db_row(kms, st)) {
		if (list) {
			json_object_array_add(list, history_json(st));
			continue;
		}
		time_cell(t, st, 0);
		table_cell(t, "%s", text_or(st, 1, "-"));
		table_cell(t, "%s", text_or(st, 2, ""));
		if (sqlite3_column_type(st, 4) == SQLITE_NULL)
			table_cell(t, "-");
		else
			table_cell(t, "0x%" PRIx64 "+0x%" PRIx64,
				   (uint64_t)sqlite3_column_int64(st, 3),
				   (uint64_t)sqlite3_column_int64(st, 4));
		table_cell(t, "%s", text_or(st, 7, ""));
		if (sqlite3_column_bytes(st, 5) == 32) {
			hex_encode(hex, sqlite3_column_blob(st, 5), 32);
			table_cell(t, "%s", hex);
		} else {
			table_cell(t, "-");
		}
	}
	if (t)
		table_print(t);
	return kms->err ? -1 : 0;
}

int report_history(struct kms *kms, const char *device)
{
	json_object *list = kms->json ? json_object_new_array() : NULL;
	int64_t id;
	int ret;

	if (!db_int(kms, &id, "SELECT id FROM device WHERE name = ?", "s", device)) {
		kms_log("%s: no such device", device);
		return -1;
	}
	ret = print_history(kms, db_query(kms, HISTORY "WHERE device = ? ORDER BY id", "i", id),
			    list);
	if (list)
		print_json(list);
	return ret;
}

static void bar(int64_t done, int64_t total)
{
	int filled = total > 0 ? BAR_WIDTH * done / total : 0;
	char line[BAR_WIDTH + 1];

	memset(line, '.', BAR_WIDTH);
	memset(line, '#', filled);
	line[BAR_WIDTH] = '\0';
	fprintf(stderr, "\r[%s] %" PRId64 "/%" PRId64 " ", line, done, total);
}

/* Wait until the job has ended; a bar if somebody is looking. */
static bool wait_for(struct kms *kms, int64_t job)
{
	bool tty = isatty(STDERR_FILENO), ended = false, found = false;
	sqlite3_stmt *st;

	do {
		st = db_query(kms, "SELECT " JOB_COLUMNS "WHERE job.id = ?", "i", job);
		found = db_row(kms, st);
		if (!found)
			break;
		ended = sqlite3_column_type(st, 6) != SQLITE_NULL;
		if (tty)
			bar(sqlite3_column_int64(st, 7),
			    sqlite3_column_int64(st, !strcmp(text_or(st, 3, ""), "done") ? 7 : 8));
		sqlite3_finalize(st);
		if (!ended)
			usleep(POLL_US);
	} while (!ended);
	if (tty && found)
		fprintf(stderr, "\n");
	return found;
}

/* Return: 0 only if the job has succeeded. */
int report_job(struct kms *kms, int64_t job, bool wait)
{
	json_object *o = NULL, *list = NULL;
	sqlite3_stmt *st;
	bool good;

	if (wait && !wait_for(kms, job)) {
		kms_log("no such job");
		return -1;
	}
	st = db_query(kms, "SELECT " JOB_COLUMNS "WHERE job.id = ?", "i", job);
	if (!db_row(kms, st)) {
		kms_log("no such job");
		return -1;
	}
	good = !strcmp(text_or(st, 3, ""), "done");
	if (kms->json) {
		o = job_json(st);
		list = json_object_new_array();
	} else {
		printf("job %s, %s, %s: %s%s%s\n", text_or(st, 0, ""), text_or(st, 1, ""),
		       text_or(st, 2, ""), text_or(st, 3, ""),
		       sqlite3_column_type(st, 4) == SQLITE_NULL ? "" : ": ", text_or(st, 4, ""));
		/* The total is an estimate, and of no interest once all is done. */
		if (good)
			printf("%s steps, counter writes: %s\n", text_or(st, 7, ""),
			       text_or(st, 10, ""));
		else
			printf("%s of about %s steps, counter writes: %s\n",
			       text_or(st, 7, ""), text_or(st, 8, ""), text_or(st, 10, ""));
		if (!good && sqlite3_column_type(st, 9) != SQLITE_NULL)
			printf("last problem: %s\n", text_or(st, 9, ""));
	}
	sqlite3_finalize(st);
	print_history(kms, db_query(kms, HISTORY "WHERE history.job = ? ORDER BY id", "i", job),
		      list);
	if (o) {
		json_object_object_add(o, "history", list);
		print_json(o);
	}
	return good && !kms->err ? 0 : -1;
}
