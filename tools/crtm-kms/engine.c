// SPDX-License-Identifier: MIT
/*
 * Jobs: which batch is next, and what its results prove.
 *
 * What is known of the chip stands in the job's row: is its key register proven
 * (hkr), has anything become unknown since its last proven answer to 48
 * (known), which session is open and how far it is proven. decide() looks at
 * these alone, so a server that was killed goes on where the database stands.
 *
 * Only a verified answer changes what is known for the better. A refusal, an
 * answer that does not verify, an unknown outcome all lead to the same
 * question: 48 with a fresh nonce, and 01 before it where the key register may
 * be empty.
 *
 * One counter value, one sequence: a 40 leaves alone and nothing of its session
 * is signed until the chip has proven that it is open. If it was not accepted,
 * the same bytes go out again, under the same KeyData. Blocks of a session are
 * made from the op table, which only grows, so that a place in it can be asked
 * for again but never holds two blocks.
 */
#include <inttypes.h>
#include <json-c/json.h>
#include <openssl/crypto.h>
#include <openssl/rand.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "hex.h"
#include "kms.h"

#define MAX_ATTEMPTS	6	/* set-backs without progress before a job fails */
#define MAX_BAD		3	/* forged answers in a row before a job is held */
#define MAX_SESSIONS	32	/* counter blocks a job may use */
#define MAX_WRONG	3	/* measurements that don't show what was written */
#define BACKOFF_MS	100	/* before the third attempt; doubles from there */
/* Counter writes of a device: a burst, then one a minute (reference). */
#define TOKENS		30.0
#define TOKEN_MS	60000.0

enum batch_kind { BATCH_SYNC, BATCH_ASK, BATCH_COUNTER, BATCH_RUN, BATCH_SURVEY, BATCH_VERIFY };

#define COUNTER_PLACE	-1	/* place of the 40 or 02 in its own sequence */

struct step {
	int64_t step;
	uint8_t block[MAX_BLOCK];
	size_t block_len;
	uint8_t response[MAX_RESPONSE];
	size_t response_len;
	char outcome[16];
	char error[32];
	int status;
	int64_t place;
};

struct batch {
	enum batch_kind kind;
	unsigned int nr;
	struct step steps[MAX_STEPS];
};

static void random_bytes(struct ctx *c, uint8_t *p, size_t len)
{
	if (RAND_bytes(p, len) != 1) {
		kms_log("no random numbers");
		c->kms->err = true;
	}
}

/* HKR that @key_data makes; the token computes it. */
static const uint8_t *hkr(struct ctx *c, const uint8_t key_data[RPMC_KEYDATA_LEN])
{
	if (!c->have_hkr || memcmp(c->hkr_data, key_data, RPMC_KEYDATA_LEN)) {
		if (token_hmac(c->kms->token, c->dev.key_id, key_data, RPMC_KEYDATA_LEN, c->hkr))
			c->kms->err = true;
		memcpy(c->hkr_data, key_data, RPMC_KEYDATA_LEN);
		c->have_hkr = true;
	}
	return c->hkr;
}

static void set_back(struct ctx *c)
{
	int n = ++c->job.attempts;

	c->job.not_before = n < 2 ? 0 : now_ms() + (BACKOFF_MS << (n - 2));
}

static bool backing_off(const struct ctx *c)
{
	int64_t left = c->job.not_before - now_ms();

	/* More than any back-off: the clock was set back meanwhile. */
	return left > 0 && left <= BACKOFF_MS << MAX_ATTEMPTS;
}

static void progress(struct ctx *c)
{
	c->job.attempts = 0;
	c->job.not_before = 0;
}

__attribute__((format(printf, 2, 3)))
static void hold_device(struct ctx *c, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(c->dev.held, sizeof(c->dev.held), fmt, ap);
	va_end(ap);
	kms_log("%s: ALARM: %s", c->dev.name, c->dev.held);
	history_add(c->kms, c->dev.id, c->job.id, "alarm", 0, 0, NULL, -1, "%s", c->dev.held);
	job_end(c, "held", "%s", c->dev.held);
}

/* Handing out */

static void new_batch(struct ctx *c, struct batch *b, enum batch_kind kind)
{
	b->kind = kind;
	b->nr = 0;
	c->job.batch = c->job.next_step + 1;
	/* Filled in by finish_batch(); steps refer to the row. */
	db_run(c->kms, "INSERT INTO batch (job, batch, kind, done, total) VALUES (?, ?, ?, ?, 0)",
	       "iidi", c->job.id, c->job.batch, (int)kind, c->job.next_step);
}

static void add_step(struct ctx *c, const uint8_t *block, size_t len, int64_t sequence,
		     int64_t place)
{
	if (sequence)
		db_run(c->kms, "INSERT INTO step (job, step, batch, type, block, sequence, seq)"
		       " VALUES (?, ?, ?, ?, ?, ?, ?)", "iiidbii", c->job.id, c->job.next_step,
		       c->job.batch, (int)block[RPMC_OFF_TYPE], block, len, sequence, place);
	else
		db_run(c->kms, "INSERT INTO step (job, step, batch, type, block)"
		       " VALUES (?, ?, ?, ?, ?)", "iiidb", c->job.id, c->job.next_step,
		       c->job.batch, (int)block[RPMC_OFF_TYPE], block, len);
	c->job.next_step++;
}

static void finish_batch(struct ctx *c)
{
	db_run(c->kms, "UPDATE batch SET total = ? WHERE job = ? AND batch = ?", "iii",
	       c->job.next_step + plan_remaining(c), c->job.id, c->job.batch);
}

static void add_info(struct ctx *c)
{
	uint8_t block[MAX_BLOCK], nonce[CRTM_INFO_NONCE_LEN];

	random_bytes(c, nonce, sizeof(nonce));
	add_step(c, block, crtm_build_get_info(block, RPMC_OP1_DEFAULT, 0, nonce), 0, 0);
}

static void add_measure(struct ctx *c, uint32_t addr, uint32_t len)
{
	uint8_t block[MAX_BLOCK], nonce[CRTM_MEASURE_NONCE_LEN];

	random_bytes(c, nonce, sizeof(nonce));
	add_step(c, block, crtm_build_measure(block, RPMC_OP1_DEFAULT, 0, nonce, addr, len), 0, 0);
}

static void issue_sync(struct ctx *c)
{
	uint8_t block[MAX_BLOCK], tag[RPMC_TAG_LEN];
	struct sequence s;
	struct batch b;

	/* A counter block already signed is good under its own KeyData alone. */
	if (c->dev.mc >= 0 && sequence_find(c, c->dev.mc, &s))
		memcpy(c->job.key_data, s.key_data, RPMC_KEYDATA_LEN);
	else
		random_bytes(c, c->job.key_data, RPMC_KEYDATA_LEN);
	random_bytes(c, tag, sizeof(tag));
	c->job.hkr = HKR_NONE;
	c->job.known = false;
	new_batch(c, &b, BATCH_SYNC);
	hkr(c, c->job.key_data);
	add_step(c, block, wire_update_key(block, 0, c->job.key_data, c->hkr), 0, 0);
	add_step(c, block, wire_request(block, 0, tag, c->hkr), 0, 0);
	add_info(c);
	finish_batch(c);
}

static void issue_ask(struct ctx *c)
{
	struct batch b;

	new_batch(c, &b, BATCH_ASK);
	add_info(c);
	finish_batch(c);
}

/* Take a token of the device's counter writes; if there is none: when there will be. */
static bool counter_token(struct ctx *c, int64_t *retry)
{
	int64_t now = now_ms(), passed = now - c->dev.tokens_at;

	if (passed > 0)
		c->dev.tokens += passed / TOKEN_MS;
	if (c->dev.tokens > TOKENS)
		c->dev.tokens = TOKENS;
	c->dev.tokens_at = now;
	if (c->dev.tokens < 1) {
		*retry = now + (1 - c->dev.tokens) * TOKEN_MS + 1;
		return false;
	}
	c->dev.tokens -= 1;
	return true;
}

/*
 * The one block for the chip's present counter value: the one signed before if
 * there is any, else 40, or 02 for the first one after a restored database.
 */
static bool issue_counter(struct ctx *c, int64_t *retry)
{
	uint8_t block[MAX_BLOCK];
	struct sequence s;
	struct batch b;
	size_t len;

	if (c->dev.mc == UINT32_MAX) {
		job_end(c, "failed", "the chip's counter is used up");
		return false;
	}
	if (c->job.sessions >= MAX_SESSIONS) {
		job_end(c, "failed", "no end after %d sessions; last: %s", MAX_SESSIONS,
			c->job.problem);
		return false;
	}
	if (!sequence_find(c, c->dev.mc, &s)) {
		s = (struct sequence){
			.mc = c->dev.mc,
			.type = c->dev.restored ? RPMC_INCREMENT_COUNTER : CRTM_OPEN_SESSION,
		};
		memcpy(s.key_data, c->job.key_data, RPMC_KEYDATA_LEN);
		random_bytes(c, s.nonce, sizeof(s.nonce));
	} else if (memcmp(s.key_data, c->job.key_data, RPMC_KEYDATA_LEN)) {
		issue_sync(c);
		return true;
	}
	if (!counter_token(c, retry))
		return false;
	if (!s.id) {
		db_run(c->kms, "INSERT INTO sequence (device, mc, type, burn, key_data, nonce)"
		       " VALUES (?, ?, ?, 0, ?, ?)", "iudbb", c->dev.id, s.mc, (int)s.type,
		       s.key_data, sizeof(s.key_data), s.nonce, sizeof(s.nonce));
		s.id = sqlite3_last_insert_rowid(c->kms->db);
	}
	s.burn = c->dev.restored;
	sequence_save(c, &s);
	c->job.sessions++;
	new_batch(c, &b, BATCH_COUNTER);
	if (s.type == CRTM_OPEN_SESSION)
		len = wire_open(block, s.mc, s.nonce, hkr(c, s.key_data));
	else
		len = wire_increment(block, 0, s.mc, hkr(c, s.key_data));
	add_step(c, block, len, s.id, COUNTER_PLACE);
	finish_batch(c);
	return true;
}

static void session_key(struct ctx *c, uint8_t sk[HMAC_LEN])
{
	wire_session_key(sk, c->seq.mc, c->seq.nonce, hkr(c, c->seq.key_data));
}

/* Blocks of the open session from the first one not proven. */
static void issue_run(struct ctx *c)
{
	uint8_t block[MAX_BLOCK], sk[HMAC_LEN];
	const uint8_t *data;
	struct batch b;
	uint32_t seq;
	struct op op;
	size_t len;

	new_batch(c, &b, BATCH_RUN);
	session_key(c, sk);
	for (seq = c->seq.confirmed; seq < c->seq.nr_ops && seq < c->seq.confirmed + MAX_STEPS;
	     seq++) {
		if (!op_load(c, c->seq.id, seq, &op)) {
			c->kms->err = true;
			break;
		}
		data = op.type == CRTM_PROGRAM ? c->job.image + (op.addr - c->job.addr) : NULL;
		len = wire_op(block, seq, &op, data, sk);
		add_step(c, block, len, c->seq.id, seq);
	}
	OPENSSL_cleanse(sk, sizeof(sk));
	if (c->seq.handed < seq)
		c->seq.handed = seq;
	finish_batch(c);
}

static bool issue_survey(struct ctx *c)
{
	struct region r[MAX_STEPS];
	unsigned int i, n;
	struct batch b;

	n = plan_survey(c, r, MAX_STEPS);
	if (!n)
		return false;
	new_batch(c, &b, BATCH_SURVEY);
	for (i = 0; i < n; i++)
		add_measure(c, r[i].addr, r[i].len);
	finish_batch(c);
	return true;
}

/* Measure the job's range, then ask which regions are protected. */
static void issue_verify(struct ctx *c)
{
	uint32_t off, len;
	struct batch b;

	new_batch(c, &b, BATCH_VERIFY);
	for (off = 0; off < c->job.len; off += len) {
		len = c->job.len - off < MEASURE_MAX ? c->job.len - off : MEASURE_MAX;
		add_measure(c, c->job.addr + off, len);
	}
	add_info(c);
	finish_batch(c);
}

/* Have @ops carried out in a session: open one, or append them and go on. */
static bool in_session(struct ctx *c, const struct op *ops, unsigned int nr, int64_t *retry)
{
	unsigned int i;

	if (!c->job.sequence)
		return issue_counter(c, retry);
	for (i = 0; i < nr; i++)
		plan_append(c, &ops[i]);
	issue_run(c);
	return true;
}

static bool close_session(struct ctx *c, int64_t *retry)
{
	struct op op = { .type = CRTM_CLOSE_SESSION };

	return in_session(c, &op, 1, retry);
}

/* A session starts with the regions: a second time is one too many. */
static bool contradiction(struct ctx *c)
{
	if (!c->job.sequence || !c->seq.nr_ops)
		return false;
	job_end(c, "failed", "the chip accepted the region but does not show it");
	return true;
}

static bool decide_protect(struct ctx *c, int64_t *retry)
{
	struct op op = { .type = CRTM_PROTECT, .addr = c->job.addr, .len = c->job.len,
			 .mode = CRTM_PROTECT_ADD };
	bool exact, overlap = plan_overlaps(c, op.addr, op.len, &exact);
	bool add = c->job.kind == JOB_PROTECT;

	if (!add)
		op.mode = CRTM_PROTECT_REMOVE;
	if (exact == add && (add || c->job.sessions)) {
		if (c->job.sequence)
			return close_session(c, retry);
		job_end(c, "done", "%s", add ? "protected" : "no longer protected");
		history_add(c->kms, c->dev.id, c->job.id, add ? "protected" : "unprotected",
			    op.addr, op.len, NULL, -1, "proven by the region list");
	} else if (add && overlap) {
		job_end(c, "failed", "overlaps a protected region");
	} else if (add && c->dev.nr_regions == CRTM_MAX_REGIONS) {
		job_end(c, "failed", "the chip's region table is full");
	} else if (!add && !exact) {
		job_end(c, "failed", "no such protected region");
	} else if (!contradiction(c)) {
		return in_session(c, &op, 1, retry);
	}
	return false;
}

static bool decide_update(struct ctx *c, int64_t *retry)
{
	struct region missing[CRTM_MAX_REGIONS];
	struct op ops[CRTM_MAX_REGIONS];
	unsigned int i, n;

	n = plan_uncovered(c, c->job.addr, c->job.len, missing, CRTM_MAX_REGIONS);
	if (n && !c->job.protect) {
		job_end(c, "failed", "the range is not wholly in a protected region");
		return false;
	}
	if (n + c->dev.nr_regions > CRTM_MAX_REGIONS) {
		job_end(c, "failed", "the chip's region table is full");
		return false;
	}
	for (i = 0; i < n; i++)
		ops[i] = (struct op){ .type = CRTM_PROTECT, .addr = missing[i].addr,
				      .len = missing[i].len, .mode = CRTM_PROTECT_ADD };
	/* First of all: what is measured unprotected may change afterwards. */
	if (n && !contradiction(c))
		return in_session(c, ops, n, retry);
	if (n)
		return false;
	if (!c->job.sectors)
		plan_start(c);
	if (issue_survey(c))
		return true;
	if (plan_dirty(c)) {
		if (c->job.sequence)
			plan_write(c);
		return in_session(c, NULL, 0, retry);
	}
	if (!c->job.verified) {
		issue_verify(c);
		return true;
	}
	if (c->job.sequence)
		return close_session(c, retry);
	job_end(c, "done", "image written and measured");
	return false;
}

/*
 * Hand out the next batch. Return: false if there is none because the job has
 * ended (c->over), or because the device must wait until *@retry.
 */
static bool decide(struct ctx *c, int64_t *retry)
{
	if (c->job.attempts > MAX_ATTEMPTS) {
		job_end(c, "failed", "given up after %d attempts: %s", MAX_ATTEMPTS,
			c->job.problem);
		return false;
	}
	if (c->job.hkr == HKR_NONE) {
		issue_sync(c);
		return true;
	}
	if (!c->job.known) {
		issue_ask(c);
		return true;
	}
	if (c->dev.restored)
		return issue_counter(c, retry);
	if (c->job.sequence && c->seq.confirmed < c->seq.nr_ops) {
		issue_run(c);
		return true;
	}
	switch (c->job.kind) {
	case JOB_MEASURE:
		issue_verify(c);
		return true;
	case JOB_PROTECT:
	case JOB_UNPROTECT:
		return decide_protect(c, retry);
	case JOB_UPDATE:
		return decide_update(c, retry);
	default:
		job_end(c, "done", "the chip has answered");
		history_add(c->kms, c->dev.id, c->job.id, "info", 0, 0, NULL, -1,
			    "counter %" PRId64 ", power-on count %" PRId64 ", %u regions",
			    c->dev.mc, c->dev.power_on, c->dev.nr_regions);
		return false;
	}
}

static char *render(struct ctx *c)
{
	json_object *o = json_object_new_object(), *steps = json_object_new_array(), *s;
	const struct crtm_command *cmd;
	char hex[2 * MAX_BLOCK + 1], *body;
	sqlite3_stmt *st;

	json_object_object_add(o, "v", json_object_new_int(1));
	json_object_object_add(o, "job", json_object_new_int64(c->job.id));
	json_object_object_add(o, "title", json_object_new_string(c->job.title));
	st = db_query(c->kms, "SELECT done, total FROM batch WHERE job = ? AND batch = ?", "ii",
		      c->job.id, c->job.batch);
	while (db_row(c->kms, st)) {
		json_object_object_add(o, "done",
				       json_object_new_int64(sqlite3_column_int64(st, 0)));
		json_object_object_add(o, "total",
				       json_object_new_int64(sqlite3_column_int64(st, 1)));
	}
	st = db_query(c->kms, "SELECT step, type, block FROM step WHERE job = ? AND batch = ?"
		      " ORDER BY step", "ii", c->job.id, c->job.batch);
	while (db_row(c->kms, st)) {
		cmd = crtm_command(sqlite3_column_int(st, 1));
		hex_encode(hex, sqlite3_column_blob(st, 2), sqlite3_column_bytes(st, 2));
		s = json_object_new_object();
		json_object_object_add(s, "step",
				       json_object_new_int64(sqlite3_column_int64(st, 0)));
		json_object_object_add(s, "class",
				       json_object_new_string(cmd->class == CRTM_WR ? "wr" : "rd"));
		json_object_object_add(s, "type", json_object_new_int(cmd->type));
		json_object_object_add(s, "block", json_object_new_string(hex));
		json_object_object_add(s, "max", json_object_new_int(cmd->resp));
		json_object_array_add(steps, s);
	}
	json_object_object_add(o, "steps", steps);
	body = strdup(json_object_to_json_string_ext(o, JSON_C_TO_STRING_PLAIN));
	json_object_put(o);
	return body;
}

static void save(struct ctx *c)
{
	job_save(c);
	device_save(c);
}

int engine_next(struct kms *kms, const char *device, char **body, int64_t *retry)
{
	struct ctx c = { .kms = kms };

	*body = NULL;
	*retry = 0;
	db_begin(kms);
	if (device_load(&c, device)) {
		while (!*body && !kms->err && !c.dev.held[0] && job_load_current(&c)) {
			if (c.job.batch) {
				*body = render(&c);
			} else if (backing_off(&c)) {
				*retry = c.job.not_before;
				break;
			} else if (decide(&c, retry)) {
				save(&c);
				*body = render(&c);
			} else {
				save(&c);
				if (!c.over)
					break;
			}
		}
	}
	ctx_wipe(&c);
	if (!db_end(kms))
		return 0;
	/* Not committed: nothing of it may leave. */
	free(*body);
	*body = NULL;
	return -1;
}

/* Taking in */

enum verdict {
	PROOF,	/* accepted, and verified */
	NEWS,	/* refused, unknown or unsent: proves nothing */
	FORGED,	/* an answer that does not verify and should */
};

/*
 * Without a key, as after each power-on, a chip signs with zeros; that may be a
 * success of 45 and 48 alone, which need no key. Refusals may be a mere status.
 */
static bool not_signed(const struct step *s)
{
	uint8_t type = s->block[RPMC_OFF_TYPE];
	size_t i, n = s->response_len;

	if (s->status == RPMC_STATUS_SUCCESS &&
	    (n < RPMC_SIG_LEN || (type != CRTM_MEASURE && type != CRTM_GET_INFO)))
		return false;
	for (i = n < RPMC_SIG_LEN ? n : n - RPMC_SIG_LEN; i < n; i++) {
		if (s->response[i])
			return false;
	}
	return true;
}

static void problem(struct ctx *c, const struct step *s)
{
	const char *name = crtm_name(s->block[RPMC_OFF_TYPE]);
	char text[CRTM_STATUS_TEXT];

	/* The steps behind a refused one say nothing. */
	if (!strcmp(s->error, "STOPPED"))
		return;
	if (strcmp(s->outcome, "answered"))
		snprintf(text, sizeof(text), "%s, %s", s->outcome, s->error);
	else if (s->status != RPMC_STATUS_SUCCESS)
		crtm_status_text(s->block[RPMC_OFF_TYPE], s->status, text, sizeof(text));
	else
		strcpy(text, "not signed by the chip");
	snprintf(c->job.problem, sizeof(c->job.problem), "step %" PRId64 ", %s: %s", s->step, name,
		 text);
}

static enum verdict judge(struct ctx *c, const struct step *s, const uint8_t *sk,
			  struct crtm_response *r)
{
	if (strcmp(s->outcome, "answered")) {
		problem(c, s);
		return NEWS;
	}
	if (s->response[0] == s->status &&
	    wire_verify(s->block, s->block_len, s->response, s->response_len,
			hkr(c, c->job.key_data), sk, r)) {
		if (r->status == RPMC_STATUS_SUCCESS)
			return PROOF;
		problem(c, s);
		return NEWS;
	}
	problem(c, s);
	return not_signed(s) ? NEWS : FORGED;
}

/* At most once a batch. */
static void forged(struct ctx *c, const struct step *s)
{
	char *text = c->job.problem;

	snprintf(text, sizeof(c->job.problem),
		 "step %" PRId64 ", %s: the answer's signature is not the chip's", s->step,
		 crtm_name(s->block[RPMC_OFF_TYPE]));
	kms_log("%s: ALARM: job %" PRId64 ", %s", c->dev.name, c->job.id, text);
	history_add(c->kms, c->dev.id, c->job.id, "alarm", 0, 0, NULL, -1, "%s", text);
	if (++c->job.bad >= MAX_BAD)
		job_end(c, "held", "%d forged answers in a row; last: %s", MAX_BAD, text);
}

static bool note_counter(struct ctx *c, uint32_t mc)
{
	struct device *dev = &c->dev;
	struct sequence s;

	if (dev->mc >= 0 && mc < dev->mc) {
		hold_device(c, "the counter fell from %" PRId64 " to %u: another chip with the"
			    " same keys", dev->mc, mc);
		return false;
	}
	if (dev->mc >= 0 && mc > dev->mc && !dev->restored &&
	    !(mc == dev->mc + 1 && sequence_find(c, dev->mc, &s))) {
		hold_device(c, "the counter is %u, above any value signed for: another holder of"
			    " the keys, or a database restored without telling", mc);
		return false;
	}
	dev->mc = mc;
	if (dev->restored && mc && sequence_find(c, mc - 1, &s) && s.burn == dev->restored)
		dev->restored = 0;
	return true;
}

static void session_ended(struct ctx *c)
{
	c->seq.state = SEQ_ENDED;
	sequence_save(c, &c->seq);
	c->job.sequence = 0;
}

/* Blocks up to @seq are proven. */
static void session_proven(struct ctx *c, uint32_t seq)
{
	struct op op;

	if (seq == c->seq.confirmed)
		return;
	c->seq.confirmed = seq;
	progress(c);
	if (!op_load(c, c->seq.id, seq - 1, &op))
		return;
	if (op.type == CRTM_CLOSE_SESSION)
		session_ended(c);
	else if (op.type != CRTM_PROTECT && seq == c->seq.nr_ops)
		plan_written(c);
}

/* The chip's session as its 48 shows it, against ours. */
static void note_session(struct ctx *c, uint32_t mc, bool open, uint32_t seq)
{
	struct sequence s;

	if (!c->job.sequence) {
		if (!mc || !sequence_find(c, mc - 1, &s) || s.state != SEQ_ASKED)
			return;
		s.state = open && s.type == CRTM_OPEN_SESSION && !s.burn ? SEQ_OPEN : SEQ_ENDED;
		sequence_save(c, &s);
		if (s.state != SEQ_OPEN)
			return;
		c->seq = s;
		c->job.sequence = s.id;
	}
	if (!open || mc != c->seq.mc + 1) {
		/* After the last proof a lost session costs nothing. */
		if (!c->job.verified) {
			plan_session_lost(c);
			set_back(c);
		}
		session_ended(c);
	} else if (seq < c->seq.confirmed || seq > c->seq.handed) {
		hold_device(c, "the session stands at block %u, but %u to %u were signed: another"
			    " chip or another holder of the keys", seq, c->seq.confirmed,
			    c->seq.handed);
	} else {
		session_proven(c, seq);
	}
}

static void note_info(struct ctx *c, const struct crtm_response *r, const struct crtm_state *state)
{
	unsigned int i;

	if (!note_counter(c, r->counter))
		return;
	if (c->dev.power_on > state->power_on) {
		hold_device(c, "the power-on count fell from %" PRId64 " to %u: another chip with"
			    " the same keys", c->dev.power_on, state->power_on);
		return;
	}
	c->dev.power_on = state->power_on;
	c->dev.flags = state->flags;
	db_run(c->kms, "DELETE FROM region WHERE device = ?", "i", c->dev.id);
	for (i = 0; i < state->nr_regions; i++)
		db_run(c->kms, "INSERT INTO region (device, address, length) VALUES (?, ?, ?)",
		       "iuu", c->dev.id, state->regions[i].addr, state->regions[i].len);
	regions_load(c);
	c->job.hkr = HKR_PROVEN;
	c->job.known = true;
	c->job.bad = 0;
	note_session(c, r->counter, state->flags & CRTM_INFO_F_SESSION, state->seq);
}

/* A step of type 48. PROOF: everything it says has been noted. */
static enum verdict take_info(struct ctx *c, const struct step *s)
{
	struct crtm_response r;
	struct crtm_state state;
	enum verdict v = judge(c, s, NULL, &r);

	if (v != PROOF)
		return v;
	if (crtm_parse_state(&r, &state) ||
	    memcmp(state.nonce, s->block + CRTM_INFO_OFF_NONCE, CRTM_INFO_NONCE_LEN))
		return FORGED;
	note_info(c, &r, &state);
	return PROOF;
}

static bool answered(const struct step *s)
{
	return !strcmp(s->outcome, "answered");
}

static void take_sync(struct ctx *c, const struct batch *b)
{
	const struct step *update = &b->steps[0], *request = &b->steps[1], *info = &b->steps[2];
	struct crtm_response r;
	enum verdict v03, v48;

	if (!answered(update) || update->status != RPMC_STATUS_SUCCESS)
		problem(c, update);
	v03 = judge(c, request, NULL, &r);
	if (v03 == PROOF && !note_counter(c, r.counter))
		return;
	v48 = take_info(c, info);
	if (c->over || v48 == PROOF)
		return;
	set_back(c);
	if (v03 == PROOF)
		c->job.hkr = HKR_PROVEN;
	else if (answered(request) || answered(info) || !strcmp(update->outcome, "unsent"))
		c->job.hkr = HKR_NONE;
	else
		c->job.hkr = HKR_ASKED;	/* 48 tells */
	if (v03 == FORGED || v48 == FORGED)
		forged(c, v03 == FORGED ? request : info);
}

static void take_ask(struct ctx *c, const struct batch *b)
{
	const struct step *s = &b->steps[0];
	enum verdict v = take_info(c, s);

	if (v == PROOF || c->over)
		return;
	set_back(c);
	/* A 01 that did not arrive leaves the key of an earlier job: nobody lied. */
	if (v == FORGED && c->job.hkr == HKR_ASKED)
		v = NEWS;
	if (v == FORGED)
		forged(c, s);
	/*
	 * No key in the chip, or another one: make ours again. One forged answer
	 * is not enough for that, because 01 ends a session.
	 */
	if (v == FORGED ? c->job.bad > 1 : answered(s))
		c->job.hkr = HKR_NONE;
}

static void take_counter(struct ctx *c, const struct batch *b)
{
	const struct step *s = &b->steps[0];
	struct crtm_response r;
	struct sequence seq;
	enum verdict v;

	c->job.known = false;
	/* A 02 is answered without a signature: 48 tells. */
	if (s->block[RPMC_OFF_TYPE] == RPMC_INCREMENT_COUNTER) {
		if (!answered(s) || s->status != RPMC_STATUS_SUCCESS) {
			problem(c, s);
			set_back(c);
		}
		return;
	}
	v = judge(c, s, NULL, &r);
	if (v != PROOF) {
		set_back(c);
		if (v == FORGED)
			forged(c, s);
		return;
	}
	if (!note_counter(c, r.counter) || !sequence_find(c, r.counter - 1, &seq))
		return;
	c->job.bad = 0;
	/* Opened only to move the counter on: 48 tells that, too. */
	if (seq.burn || seq.state != SEQ_ASKED || crtm_get_be32(s->block + CRTM_OFF_MC) != seq.mc)
		return;
	seq.state = SEQ_OPEN;
	c->seq = seq;
	c->job.sequence = seq.id;
	c->job.known = true;
}

static void take_run(struct ctx *c, const struct batch *b)
{
	uint32_t proven = c->seq.confirmed;
	uint8_t sk[HMAC_LEN], type = 0;
	struct crtm_response r;
	enum verdict v = PROOF;
	unsigned int i;

	session_key(c, sk);
	for (i = 0; i < b->nr; i++) {
		type = b->steps[i].block[RPMC_OFF_TYPE];
		v = judge(c, &b->steps[i], sk, &r);
		if (v == PROOF && r.counter != c->seq.mc + 1)
			v = FORGED;
		if (v != PROOF)
			break;
		proven = b->steps[i].place + 1;
		/* The region list is asked of the chip. */
		if (type == CRTM_PROTECT)
			c->job.known = false;
	}
	OPENSSL_cleanse(sk, sizeof(sk));
	session_proven(c, proven);
	if (v == PROOF)
		return;
	c->job.known = false;
	set_back(c);
	if (v == FORGED)
		forged(c, &b->steps[i]);
}

static enum verdict take_measure(struct ctx *c, const struct step *s, struct crtm_measurement *m,
				 struct crtm_response *r)
{
	enum verdict v = judge(c, s, NULL, r);

	if (v != PROOF)
		return v;
	if (crtm_parse_measurement(r, m) ||
	    memcmp(m->nonce, s->block + CRTM_MEASURE_OFF_NONCE, CRTM_MEASURE_NONCE_LEN) ||
	    m->addr != crtm_get_be32(s->block + CRTM_MEASURE_OFF_ADDR) ||
	    m->len != crtm_get_be32(s->block + CRTM_MEASURE_OFF_LEN))
		return FORGED;
	return PROOF;
}

static void take_survey(struct ctx *c, const struct batch *b)
{
	struct crtm_measurement m;
	struct crtm_response r;
	enum verdict v = PROOF;
	unsigned int i;

	for (i = 0; i < b->nr; i++) {
		v = take_measure(c, &b->steps[i], &m, &r);
		if (v != PROOF)
			break;
		plan_surveyed(c, m.addr, m.len, m.digest);
		progress(c);
	}
	if (v == PROOF)
		return;
	c->job.known = false;
	set_back(c);
	if (v == FORGED)
		forged(c, &b->steps[i]);
}

/*
 * The measurements count as evidence because the 48 behind them shows the range
 * protected, and no 44 left in between.
 */
static void take_verify(struct ctx *c, const struct batch *b)
{
	const struct step *last = &b->steps[b->nr - 1];
	struct crtm_measurement m[MAX_PIECES];
	unsigned int i, wrong = 0;
	struct crtm_response r;
	enum verdict v;
	uint8_t d[32];
	bool evidence;

	for (i = 0; i < b->nr; i++) {
		v = i < b->nr - 1 ? take_measure(c, &b->steps[i], &m[i], &r) : take_info(c, last);
		if (c->over)
			return;
		if (v == PROOF)
			continue;
		c->job.known = false;
		set_back(c);
		if (v == FORGED)
			forged(c, &b->steps[i]);
		return;
	}
	evidence = plan_covered(c, c->job.addr, c->job.len);
	for (i = 0; i < b->nr - 1; i++) {
		bool differs = false;

		if (c->job.image) {
			sha256(c->job.image + (m[i].addr - c->job.addr), m[i].len, d);
			differs = memcmp(d, m[i].digest, sizeof(d));
		}
		wrong += differs;
		if (differs && c->job.kind == JOB_UPDATE)
			plan_doubt(c, m[i].addr, m[i].len);
		history_add(c->kms, c->dev.id, c->job.id, "measured", m[i].addr, m[i].len,
			    m[i].digest, evidence, "%s%s", c->job.image ?
			    differs ? "differs from the image; " : "equals the image; " : "",
			    evidence ? "protected" : "not protected, no evidence");
	}
	if (c->job.kind == JOB_UPDATE) {
		c->job.verified = !wrong && evidence;
		if (!c->job.verified && ++c->job.wrong >= MAX_WRONG)
			job_end(c, "failed", "measured something else than the image %d times",
				MAX_WRONG);
		return;
	}
	if (wrong)
		job_end(c, "failed", "measured something else than the image");
	else if (c->job.image && !evidence)
		job_end(c, "failed", "equals the image, but is not protected: no evidence");
	else
		job_end(c, "done", evidence ? "measured" : "measured; not protected, no evidence");
}

static void load_batch(struct ctx *c, struct batch *b)
{
	int64_t kind = 0;
	sqlite3_stmt *st;
	struct step *s;

	db_int(c->kms, &kind, "SELECT kind FROM batch WHERE job = ? AND batch = ?", "ii",
	       c->job.id, c->job.batch);
	b->kind = kind;
	b->nr = 0;
	st = db_query(c->kms, "SELECT step, block, outcome, status, response, error, seq FROM step"
		      " WHERE job = ? AND batch = ? ORDER BY step", "ii", c->job.id, c->job.batch);
	while (db_row(c->kms, st)) {
		if (b->nr == MAX_STEPS)
			continue;
		s = &b->steps[b->nr++];
		memset(s, 0, sizeof(*s));
		s->step = sqlite3_column_int64(st, 0);
		s->block_len = sqlite3_column_bytes(st, 1);
		s->response_len = sqlite3_column_bytes(st, 4);
		if (s->block_len > MAX_BLOCK || s->response_len > MAX_RESPONSE) {
			c->kms->err = true;
			continue;
		}
		col_bytes(st, 1, s->block, s->block_len);
		col_text(st, 2, s->outcome, sizeof(s->outcome));
		s->status = sqlite3_column_int(st, 3);
		col_bytes(st, 4, s->response, s->response_len);
		col_text(st, 5, s->error, sizeof(s->error));
		s->place = sqlite3_column_int64(st, 6);
	}
}

static void take(struct ctx *c)
{
	static void (*const takers[])(struct ctx *c, const struct batch *b) = {
		[BATCH_SYNC] = take_sync,
		[BATCH_ASK] = take_ask,
		[BATCH_COUNTER] = take_counter,
		[BATCH_RUN] = take_run,
		[BATCH_SURVEY] = take_survey,
		[BATCH_VERIFY] = take_verify,
	};
	struct batch b;

	load_batch(c, &b);
	if (c->kms->err || !b.nr)
		return;
	c->job.batch = 0;
	takers[b.kind](c, &b);
	save(c);
}

/* Store one result. Return: 0, 404 or 409. */
static int store(struct kms *kms, int64_t job, const struct result *r)
{
	static const char same[] = "SELECT outcome IS NULL, outcome = ? AND status IS ? AND"
		" response IS ? AND error IS ? FROM step WHERE job = ? AND step = ?";
	bool is_answer = r->response;
	sqlite3_stmt *st;
	bool fresh, equal;

	st = is_answer ?
		db_query(kms, same, "sdbnii", r->outcome, r->status, r->response,
			 r->response_len, job, r->step) :
		db_query(kms, same, "snnsii", r->outcome, r->error, job, r->step);
	if (!db_row(kms, st))
		return 404;
	fresh = sqlite3_column_int(st, 0);
	equal = sqlite3_column_int(st, 1);
	sqlite3_finalize(st);
	if (!fresh)
		return equal ? 0 : 409;
	if (is_answer)
		db_run(kms, "UPDATE step SET outcome = ?, status = ?, response = ?"
		       " WHERE job = ? AND step = ?", "sdbii", r->outcome, r->status, r->response,
		       r->response_len, job, r->step);
	else
		db_run(kms, "UPDATE step SET outcome = ?, error = ? WHERE job = ? AND step = ?",
		       "ssii", r->outcome, r->error, job, r->step);
	return 0;
}

int engine_results(struct kms *kms, const char *device, int64_t job, const struct result *results,
		   size_t nr, int64_t *bad)
{
	struct ctx c = { .kms = kms };
	int ret = 200, one;
	int64_t batch;
	size_t i;

	db_begin(kms);
	if (!device_load(&c, device) ||
	    !db_int(kms, &batch, "SELECT batch FROM job WHERE id = ? AND device = ?", "ii", job,
		    c.dev.id))
		ret = 404;
	/* What does not conflict is stored even so: it happened. */
	for (i = 0; i < nr && ret != 404; i++) {
		one = store(kms, job, &results[i]);
		if (one)
			*bad = results[i].step;
		if (one == 404 || (one && ret == 200))
			ret = one;
	}
	/* A database that failed knows neither job nor step; the agent must come again. */
	if (kms->err)
		ret = 500;
	if (ret == 404) {
		kms->err = true;
	} else if (!kms->err &&
		   !db_int(kms, &batch, "SELECT 1 FROM step JOIN job ON job.id = step.job AND"
			   " job.batch = step.batch WHERE job = ? AND outcome IS NULL LIMIT 1",
			   "i", job) &&
		   db_int(kms, &batch, "SELECT 1 FROM job WHERE id = ? AND state = 'running' AND"
			  " batch", "i", job) &&
		   job_load_current(&c)) {
		take(&c);
	}
	ctx_wipe(&c);
	return db_end(kms) && ret != 404 ? 500 : ret;
}
