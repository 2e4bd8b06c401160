// SPDX-License-Identifier: MIT
/*
 * crtm-kms against whoever has a device's certificate: requests of any form, and a
 * board that carries its batches to a chip or does not, tells the truth or does not,
 * replays, loses power, and writes what nothing protects.
 *
 * Held: what the server hands out an agent takes; it never signs two blocks for one
 * counter value or one place of a session (invariant 10); what it calls done or
 * evidence is true of the chip; as long as nobody lies there is no alarm.
 */
#include "fuzz.h"

#include <microhttpd.h>
#include <openssl/rand.h>
#include <openssl/sha.h>
#include <unistd.h>

/* dispatch() and what is below it are its own. */
#include "../../crtm-kms/http.c"

#include "policy.h"
#include "protocol.h"

#include "host.h"

#define DEVICE		"board"
#define MAX_REQUESTS	60
#define MAX_JOBS	6
#define MAX_SIGNED	1024
#define MAX_OLD		64
#define ARRAY_LEN	(4 * BLOCK64)

static struct kms kms;
static sqlite3 *template;
static struct host *chip_host;
static int64_t clock_ms;
static uint32_t random_state;

/* What the chip and the database were like when everything began */
static struct {
	struct crtm_user user;
	uint8_t *nv;
} start;

static struct run {
	bool lied;			/* somebody did */
	struct batch *batch;		/* handed out last */
	unsigned int code;		/* of the last answer, and its body */
	char *body;
	struct {
		int64_t id;
		enum job_kind kind;
		uint32_t addr, len;
		uint8_t *image;
		bool ended;
	} jobs[MAX_JOBS];
	unsigned int nr_jobs;
	int64_t history;		/* last row looked at */
	struct {
		uint8_t block[MAX_BLOCK];
		size_t len;
		int64_t session;	/* counter value that its session was opened with */
	} made[MAX_SIGNED];
	unsigned int nr_made;
	struct outcome old[MAX_OLD];	/* answers of the chip */
	unsigned int nr_old;
} run;

/* What the server's other files would do */

void kms_log(const char *fmt, ...)
{
	CHECK(fmt);
}

int64_t now_ms(void)
{
	return clock_ms;
}

const char *iso_time(int64_t ms, char *buf)
{
	snprintf(buf, 32, "%lld", (long long)ms);
	return buf;
}

char *state_path(const struct kms *k, const char *name)
{
	char *path;

	CHECK(asprintf(&path, "%s/%s", k->dir, name) > 0);
	return path;
}

uint8_t *read_whole(const char *path, size_t max, size_t *len)
{
	CHECK(!path && !max && !len);
	return NULL;
}

bool valid_name(const char *name)
{
	return !strcmp(name, DEVICE);
}

int token_hmac(struct token *token, const uint8_t id[KEY_ID_LEN], const void *data, size_t len,
	       uint8_t mac[HMAC_LEN])
{
	CHECK(!token && id);
	return hmac256(chip_host->root[0], RPMC_KEY_LEN, data, len, mac);
}

/* The same numbers in each run, and never the same twice. */
int RAND_bytes(unsigned char *buf, int n)
{
	while (n--) {
		random_state = random_state * 1664525 + 1013904223;
		*buf++ = random_state >> 24;
	}
	return 1;
}

/* libmicrohttpd, as far as the handlers use it */

struct MHD_Response {
	char *text;
};

struct MHD_Response *MHD_create_response_from_buffer(size_t size, void *data,
						     enum MHD_ResponseMemoryMode mode)
{
	struct MHD_Response *r = calloc(1, sizeof(*r));

	CHECK(r && mode == MHD_RESPMEM_MUST_COPY);
	r->text = strndup(data, size);
	CHECK(r->text);
	return r;
}

enum MHD_Result MHD_add_response_header(struct MHD_Response *r, const char *header,
					const char *content)
{
	CHECK(r && header && content);
	return MHD_YES;
}

enum MHD_Result MHD_queue_response(struct MHD_Connection *conn, unsigned int code,
				   struct MHD_Response *r)
{
	CHECK(!conn && !run.code && !run.body);
	run.code = code;
	run.body = strdup(r->text);
	CHECK(run.body);
	return MHD_YES;
}

void MHD_destroy_response(struct MHD_Response *r)
{
	free(r->text);
	free(r);
}

const char *MHD_lookup_connection_value(struct MHD_Connection *conn, enum MHD_ValueKind kind,
					const char *key)
{
	CHECK(!conn && kind && key);
	return NULL;
}

const union MHD_ConnectionInfo *MHD_get_connection_info(struct MHD_Connection *conn,
							enum MHD_ConnectionInfoType type, ...)
{
	CHECK(!conn && type);
	return NULL;
}

struct MHD_Daemon *MHD_start_daemon(unsigned int flags, uint16_t port,
				    MHD_AcceptPolicyCallback accept, void *accept_cls,
				    MHD_AccessHandlerCallback handler, void *handler_cls, ...)
{
	CHECK(flags && !port && !accept && !accept_cls && handler && !handler_cls);
	return NULL;
}

void MHD_stop_daemon(struct MHD_Daemon *d)
{
	CHECK(!d);
}

/* Start */

static int64_t number(const char *sql, int64_t param)
{
	int64_t v = 0;

	kms.err = false;
	db_int(&kms, &v, sql, "i", param);
	CHECK(!kms.err);
	return v;
}

static void copy_database(sqlite3 *to, sqlite3 *from)
{
	sqlite3_backup *backup = sqlite3_backup_init(to, "main", from, "main");

	CHECK(backup && sqlite3_backup_step(backup, -1) == SQLITE_DONE);
	sqlite3_backup_finish(backup);
}

static void set_up(void)
{
	char dir[] = "/tmp/crtm-fuzz-XXXXXX", *path;
	uint8_t key_id[KEY_ID_LEN] = { 1 };
	static const char *const rest[] = { "kms.db", "kms.db-wal", "kms.db-shm" };
	size_t i;

	chip_host = host_provisioned(crtm_chip_model("mt25qu-mini", strlen("mt25qu-mini")));
	start.user = *chip_host->u;
	start.nv = malloc(start.user.nv_size);
	CHECK(start.nv);
	memcpy(start.nv, start.user.nv, start.user.nv_size);

	CHECK(mkdtemp(dir));
	kms.dir = dir;
	CHECK(!db_create(&kms));
	db_begin(&kms);
	db_run(&kms, "INSERT INTO device (name, chip_id, size, slots, enrolled, provisioned, mc,"
	       " tokens, tokens_at) VALUES (?, ?, ?, 4, 1, 1, 0, 30, 0)", "sbi", DEVICE,
	       start.user.chip.id, (size_t)3, (int64_t)ARRAY_LEN);
	db_run(&kms, "INSERT INTO root_key (device, slot, generation, key_id, key_data, tag,"
	       " proven) VALUES (1, 0, 0, ?, ?, ?, 1)", "bbb", key_id, sizeof(key_id), key_id,
	       (size_t)4, key_id, (size_t)12);
	CHECK(!db_end(&kms));
	CHECK(sqlite3_open(":memory:", &template) == SQLITE_OK);
	copy_database(template, kms.db);
	db_close(&kms);
	for (i = 0; i < sizeof(rest) / sizeof(rest[0]); i++) {
		path = state_path(&kms, rest[i]);
		unlink(path);
		free(path);
	}
	CHECK(!rmdir(dir));
	srv.kms = &kms;
}

static void begin(void)
{
	memset(&run, 0, sizeof(run));
	clock_ms = 1000000;
	random_state = 1;
	*chip_host->u = start.user;
	memcpy(start.user.nv, start.nv, start.user.nv_size);
	CHECK(sqlite3_open(":memory:", &kms.db) == SQLITE_OK);
	copy_database(kms.db, template);
	CHECK(sqlite3_exec(kms.db, "PRAGMA foreign_keys = ON", NULL, NULL, NULL) == SQLITE_OK);
	sqlite3_extended_result_codes(kms.db, 1);
}

static void end(void)
{
	unsigned int i;

	for (i = 0; i < run.nr_jobs; i++)
		free(run.jobs[i].image);
	batch_free(run.batch);
	free(run.body);
	db_close(&kms);
}

/* What must hold */

/* Which session's key signed a block of 41-44? Its counter value, -1 none. */
static int64_t session_of(const uint8_t *block, size_t len)
{
	uint8_t hkr[HMAC_LEN], sk[HMAC_LEN], mac[HMAC_LEN];
	unsigned int i;

	for (i = 0; i < run.nr_made; i++) {
		const uint8_t *open = run.made[i].block;
		uint32_t mc = be32(open + CRTM_OFF_MC);
		sqlite3_stmt *st;

		if (open[RPMC_OFF_TYPE] != CRTM_OPEN_SESSION)
			continue;
		kms.err = false;
		st = db_query(&kms, "SELECT key_data FROM sequence WHERE mc = ?", "u", mc);
		CHECK(db_row(&kms, st));
		hmac256(chip_host->root[0], RPMC_KEY_LEN, sqlite3_column_blob(st, 0),
			RPMC_KEYDATA_LEN, hkr);
		sqlite3_finalize(st);
		wire_session_key(sk, mc, open + CRTM_OFF_NONCE, hkr);
		hmac256(sk, HMAC_LEN, block, len - RPMC_SIG_LEN, mac);
		if (!memcmp(mac, block + len - RPMC_SIG_LEN, RPMC_SIG_LEN))
			return mc;
	}
	return -1;
}

static void check_signed(const struct step *s)
{
	bool counter = s->type == CRTM_OPEN_SESSION || s->type == RPMC_INCREMENT_COUNTER;
	int64_t session = counter ? -1 : session_of(s->block, s->len);
	unsigned int i;

	CHECK(counter || session >= 0);
	for (i = 0; i < run.nr_made; i++) {
		const uint8_t *old = run.made[i].block;
		bool old_counter = run.made[i].session < 0;

		/* MC and Seq stand at the same place. */
		if (old_counter != counter || run.made[i].session != session ||
		    memcmp(old + CRTM_OFF_SEQ, s->block + CRTM_OFF_SEQ, 4))
			continue;
		CHECK(run.made[i].len == s->len && !memcmp(old, s->block, s->len));
		return;
	}
	CHECK(run.nr_made < MAX_SIGNED && s->len <= MAX_BLOCK);
	memcpy(run.made[run.nr_made].block, s->block, s->len);
	run.made[run.nr_made].session = session;
	run.made[run.nr_made++].len = s->len;
}

static void take_batch(void)
{
	const struct crtm_command *cmd;
	unsigned int i;
	const char *why;

	batch_free(run.batch);
	run.batch = batch_parse(run.body, strlen(run.body), &why);
	CHECK(run.batch);
	for (i = 0; i < run.batch->nr; i++) {
		const struct step *s = &run.batch->steps[i];

		CHECK(!policy_check(s, RPMC_OP1_DEFAULT));
		cmd = crtm_command(s->type);
		CHECK(s->len >= cmd->min && s->len <= cmd->max && s->max >= cmd->resp);
		if (s->type == RPMC_INCREMENT_COUNTER ||
		    (s->type >= CRTM_OPEN_SESSION && s->type <= CRTM_PROTECT))
			check_signed(s);
	}
}

static bool protected(uint32_t addr, uint32_t len)
{
	const struct crtm_chip *chip = &chip_host->u->chip;
	uint32_t i;

	for (i = addr / BLOCK64; i <= (addr + len - 1) / BLOCK64; i++)
		if (!(crtm_chip_locks(chip, i) & MTD_ASP_S_REGION))
			return false;
	return true;
}

static bool is_region(uint32_t addr, uint32_t len)
{
	const struct crtm_chip_record *nv = &chip_host->u->chip.nv;
	uint32_t i;

	for (i = 0; i < nv->regions; i++)
		if (nv->region[i].addr == addr && nv->region[i].len == len)
			return true;
	return false;
}

static void check_jobs(void)
{
	const uint8_t *array = chip_host->u->chip.array;
	unsigned int i;

	for (i = 0; i < run.nr_jobs; i++) {
		uint32_t addr = run.jobs[i].addr, len = run.jobs[i].len;

		if (run.jobs[i].ended ||
		    !number("SELECT finished IS NOT NULL FROM job WHERE id = ?", run.jobs[i].id))
			continue;
		run.jobs[i].ended = true;
		if (!number("SELECT state = 'done' FROM job WHERE id = ?", run.jobs[i].id))
			continue;
		switch (run.jobs[i].kind) {
		case JOB_PROTECT:
			CHECK(is_region(addr, len));
			break;
		case JOB_UNPROTECT:
			CHECK(!is_region(addr, len));
			break;
		case JOB_UPDATE:
			CHECK(protected(addr, len));
			CHECK(!memcmp(array + addr, run.jobs[i].image, len));
			break;
		default:
			break;
		}
	}
}

static void check_history(void)
{
	const uint8_t *array = chip_host->u->chip.array;
	uint8_t digest[32];
	sqlite3_stmt *st;
	uint32_t addr, len;

	kms.err = false;
	st = db_query(&kms, "SELECT id, event, evidence, address, length, digest, detail"
		      " FROM history WHERE id > ? ORDER BY id", "i", run.history);
	while (db_row(&kms, st)) {
		run.history = sqlite3_column_int64(st, 0);
		if (!strcmp((const char *)sqlite3_column_text(st, 1), "alarm") && !run.lied) {
			fprintf(stderr, "alarm: %s\n", sqlite3_column_text(st, 6));
			CHECK(run.lied);
		}
		if (sqlite3_column_int(st, 2) != 1)
			continue;
		addr = sqlite3_column_int64(st, 3);
		len = sqlite3_column_int64(st, 4);
		SHA256(array + addr, len, digest);
		CHECK(sqlite3_column_bytes(st, 5) == 32);
		CHECK(!memcmp(sqlite3_column_blob(st, 5), digest, 32) && protected(addr, len));
	}
	CHECK(!kms.err);
}

static void request(const char *url, const char *method, char *body, size_t len)
{
	struct request req = { .device = DEVICE, .body = body, .len = len };

	clock_ms += 10;
	free(run.body);
	run.body = NULL;
	run.code = 0;
	CHECK(dispatch(NULL, url, method, &req) == MHD_YES);
	CHECK(run.code >= 200 && run.code < 500 && run.body);
	if (run.code == 200 && !strcmp(url, "/v1/next"))
		take_batch();
	check_jobs();
	check_history();
}

/* What happens */

static void queue_job(struct fuzz_in *in)
{
	static const char *const sql = "INSERT INTO job (device, kind, title, address, length,"
		" protect, image, created) VALUES (1, ?, 'job', ?, ?, ?, ?, 1)";
	uint32_t addr = fuzz_u8(in) * SECTOR % ARRAY_LEN, len = 1 + fuzz_u16(in) % 20000, i;
	enum job_kind kind = fuzz_u8(in) % JOB_KINDS;
	uint8_t *image = NULL;

	if (run.nr_jobs == MAX_JOBS)
		return;
	if (kind == JOB_PROTECT || kind == JOB_UNPROTECT) {
		addr = addr / BLOCK64 * BLOCK64;
		len = BLOCK64 * (1 + len % 2);
	}
	if (addr + len > ARRAY_LEN)
		len = ARRAY_LEN - addr;
	if (kind == JOB_UPDATE) {
		image = malloc(len);
		CHECK(image);
		memset(image, fuzz_u8(in), len);
		for (i = 0; i < 8; i++)
			image[fuzz_u16(in) % len] = i;
	}
	db_begin(&kms);
	db_run(&kms, sql, "duudb", (int)kind, addr, len, fuzz_u8(in) & 1, image,
	       image ? (size_t)len : 0);
	run.jobs[run.nr_jobs].id = sqlite3_last_insert_rowid(kms.db);
	run.jobs[run.nr_jobs].kind = kind;
	run.jobs[run.nr_jobs].addr = addr;
	run.jobs[run.nr_jobs].len = len;
	run.jobs[run.nr_jobs++].image = image;
	CHECK(!db_end(&kms));
}

/* One step at the chip, as agent and driver do it */
static void carry_out(const struct step *s, struct outcome *o)
{
	uint8_t resp[RESPONSE_MAX];
	size_t len;

	memset(o, 0, sizeof(*o));
	o->step = s->step;
	o->kind = OUTCOME_ANSWERED;
	o->status = crtm_user_exchange(chip_host->u, s->block, s->len, resp, sizeof(resp));
	len = s->type <= RPMC_REQUEST_COUNTER ? RPMC_RESP_LEN :
	      CRTM_RESP_OVERHEAD + (size_t)(resp[CRTM_RESP_OFF_LENGTH] << 8 |
					    resp[CRTM_RESP_OFF_LENGTH + 1]);
	CHECK(len <= sizeof(resp));
	o->len = len;
	memcpy(o->response, resp, len);
	if (run.nr_old < MAX_OLD)
		run.old[run.nr_old++] = *o;
}

static void lie(struct fuzz_in *in, struct outcome *o)
{
	uint8_t how = fuzz_u8(in);

	run.lied = true;
	switch (how % 5) {
	case 0:
		o->response[fuzz_u8(in) % RESPONSE_MAX] ^= 1 << how % 8;
		break;
	case 1:
		o->status = fuzz_u8(in);
		o->response[0] = o->status;
		break;
	case 2:
		if (run.nr_old) {
			const struct outcome *old = &run.old[fuzz_u8(in) % run.nr_old];

			o->kind = old->kind;
			o->status = old->status;
			o->len = old->len;
			memcpy(o->response, old->response, sizeof(o->response));
		}
		break;
	case 3:
		o->len = fuzz_u8(in) % (RESPONSE_MAX + 1);
		break;
	default:
		outcome_error(o, o->step, how & 128 ? OUTCOME_UNSENT : OUTCOME_UNKNOWN, "EIO");
	}
}

/* The board works off the batch; bits of @how say what is wrong with it. */
static void relay(struct fuzz_in *in)
{
	struct outcome outcomes[BATCH_MAX_STEPS];
	uint8_t how = fuzz_u8(in), cut = fuzz_u8(in);
	const struct batch *b = run.batch;
	bool stopped = false;
	unsigned int i;
	char *text;

	if (!b)
		return;
	for (i = 0; i < b->nr; i++) {
		if (how & 1 && i == cut % b->nr) {
			crtm_chip_power_off(&chip_host->u->chip);
			crtm_chip_power_on(&chip_host->u->chip);
		}
		if (stopped) {
			outcome_error(&outcomes[i], b->steps[i].step, OUTCOME_UNSENT, "STOPPED");
			continue;
		}
		if (how & 2 && i == cut % b->nr) {
			/* The bus failed: it was sent, or not. */
			if (cut & 128)
				carry_out(&b->steps[i], &outcomes[i]);
			outcome_error(&outcomes[i], b->steps[i].step, OUTCOME_UNKNOWN, "EIO");
		} else {
			carry_out(&b->steps[i], &outcomes[i]);
		}
		stopped = !outcome_success(&outcomes[i]);
	}
	/* Nobody hears of it, for now or for ever. */
	if (how & 4)
		return;
	if (how & 8)
		lie(in, &outcomes[fuzz_u8(in) % b->nr]);
	text = results_format(b->job, outcomes, how & 16 ? 1 + cut % b->nr : b->nr);
	CHECK(text);
	request("/v1/results", "POST", text, strlen(text));
	free(text);
}

/* As an agent that has lost its journal says it */
static void crash(void)
{
	struct outcome outcomes[BATCH_MAX_STEPS];
	const struct batch *b = run.batch;
	unsigned int i;
	char *text;

	if (!b)
		return;
	for (i = 0; i < b->nr; i++)
		outcome_error(&outcomes[i], b->steps[i].step, OUTCOME_UNKNOWN, "CRASH");
	text = results_format(b->job, outcomes, b->nr);
	CHECK(text);
	request("/v1/results", "POST", text, strlen(text));
	free(text);
}

static void any_request(struct fuzz_in *in)
{
	static const char *const urls[] = { "/v1/results", "/v1/hello", "/v1/next", "/" };
	static const char *const heads[] = {
		"", "{\"v\":1,\"job\":1,\"results\":[{\"step\":0,\"outcome\":\"",
		"{\"v\":1,\"agent\":\"a\",\"chip\":\"c\",\"command_set\":\"s\",\"id\":\"20bb",
	};
	const char *url = urls[fuzz_u8(in) % 4], *method = fuzz_u8(in) & 1 ? "GET" : "POST";
	const char *head = heads[fuzz_u8(in) % 3];
	size_t n = fuzz_u8(in), len = strlen(head);
	char body[512];

	run.lied = true;
	memcpy(body, head, len);
	fuzz_bytes(in, (uint8_t *)body + len, n);
	request(url, method, body, len + n);
}

static void write_array(struct fuzz_in *in)
{
	uint32_t addr = fuzz_u16(in) * 4;
	uint8_t data[4];

	fuzz_bytes(in, data, sizeof(data));
	array_op(chip_host, 0x02, addr % ARRAY_LEN, 3, data, sizeof(data));
	op(chip_host, 0x50);
	op(chip_host, 0x04);
}

static void cancel(struct fuzz_in *in)
{
	db_begin(&kms);
	db_run(&kms, "UPDATE job SET state = 'failed', reason = 'cancelled', finished = 1,"
	       " image = NULL, sectors = NULL WHERE id = ? AND state IN ('queued', 'running')",
	       "i", (int64_t)fuzz_u8(in) % 8);
	CHECK(!db_end(&kms));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fuzz_in in = { data, size };
	int i;

	if (!chip_host)
		set_up();
	begin();
	queue_job(&in);
	for (i = 0; in.left && i < MAX_REQUESTS; i++) {
		switch (fuzz_u8(&in) % 16) {
		case 0:
			queue_job(&in);
			break;
		case 1:
			any_request(&in);
			break;
		case 2:
			crash();
			break;
		case 3:
			write_array(&in);
			break;
		case 4:
			clock_ms += 1000LL * fuzz_u8(&in);
			break;
		case 5:
			cancel(&in);
			break;
		case 6:
			crtm_chip_reset_pin(&chip_host->u->chip);
			break;
		case 7:
		case 8:
		case 9:
			relay(&in);
			break;
		default:
			request("/v1/next", "GET", NULL, 0);
			if (run.code == 200)
				relay(&in);
		}
	}
	end();
	return 0;
}
