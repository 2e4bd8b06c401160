/* SPDX-License-Identifier: MIT */
/*
 * crtm-kms: what its parts share.
 *
 * db.c      SQLite: schema, transactions, queries
 * token.c   root keys in a PKCS#11 token
 * wire.c    blocks and their signatures, responses and theirs
 * rows.c    device, job and sequence rows; history
 * plan.c    what a job still has to do: regions, sectors, operations
 * engine.c  jobs: which batch is next, what a result proves
 * http.c    the relay protocol
 * enroll.c  init, enrolment, provisioning
 * main.c    command line
 * report.c  tables, JSON and progress bars
 */
#ifndef KMS_H
#define KMS_H

#include <sqlite3.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "crtm.h"

#define KMS_VERSION	"0.1"
#define NAME_LEN	64		/* longest device name */
#define KEY_ID_LEN	16
#define HMAC_LEN	32
#define MAX_STEPS	64		/* in a batch */
#define SECTOR		4096U
#define BLOCK64		65536U
#define MEASURE_MAX	(4U << 20)	/* one 45: 1.3 s at worst, under the driver's 2 s */
#define MAX_PIECES	(MAX_STEPS - 1)	/* of a measurement: one batch with its 48 */

struct token;

/*
 * @err: set by the first failure inside a transaction; everything after it does
 *	nothing, and db_end() rolls back. So no block can leave after an error.
 */
struct kms {
	sqlite3 *db;
	struct token *token;
	const char *dir;
	bool json;
	bool err;
};

__attribute__((format(printf, 1, 2))) void kms_log(const char *fmt, ...);
int64_t now_ms(void);
/* Time of day as ISO 8601 in UTC; @buf has 32 bytes. */
const char *iso_time(int64_t ms, char *buf);
/* Path of a file in the state folder; the caller frees it. */
char *state_path(const struct kms *kms, const char *name);
/* A whole file (NULL or "-": stdin) of at most @max bytes; the caller frees it. */
uint8_t *read_whole(const char *path, size_t max, size_t *len);

/* db.c */

int db_create(struct kms *kms);
int db_open(struct kms *kms);
void db_close(struct kms *kms);
void db_begin(struct kms *kms);
/* Commit, or roll back if anything failed since db_begin(). Return: 0 or -1. */
int db_end(struct kms *kms);
/*
 * Queries. @fmt has a letter for each parameter: i int64_t, d int, u uint32_t,
 * f double, s text or NULL, b pointer and size_t (NULL pointer: NULL), n NULL.
 */
sqlite3_stmt *db_query(struct kms *kms, const char *sql, const char *fmt, ...);
/* Next row; at the end, or on an error, frees @st and says false. */
bool db_row(struct kms *kms, sqlite3_stmt *st);
void db_run(struct kms *kms, const char *sql, const char *fmt, ...);
/* First column of the first row; false if there is none or it is NULL. */
bool db_int(struct kms *kms, int64_t *v, const char *sql, const char *fmt, ...);
/* Copy of a text or blob column; false if its length is not @len. */
bool col_bytes(sqlite3_stmt *st, int col, uint8_t *out, size_t len);
void col_text(sqlite3_stmt *st, int col, char *out, size_t size);

/* token.c */

/* Make the token in the state folder, with a new PIN file unless the PIN is given. */
int token_create(const char *dir, const char *module);
struct token *token_open(const char *dir, const char *module);
void token_close(struct token *token);
/*
 * Make a root key. @value is the only copy that ever leaves the token: wipe it.
 * What the token keeps is sensitive and not extractable.
 */
int token_new_key(struct token *token, const uint8_t id[KEY_ID_LEN], uint8_t value[RPMC_KEY_LEN]);
int token_destroy_key(struct token *token, const uint8_t id[KEY_ID_LEN]);
int token_hmac(struct token *token, const uint8_t id[KEY_ID_LEN], const void *data, size_t len,
	       uint8_t mac[HMAC_LEN]);

/* wire.c: blocks; each returns the length */

#define MAX_BLOCK	300
#define MAX_RESPONSE	136

int hmac256(const uint8_t *key, size_t key_len, const void *data, size_t len,
	    uint8_t mac[HMAC_LEN]);
void sha256(const void *data, size_t len, uint8_t digest[32]);
size_t wire_root_key(uint8_t *block, uint8_t slot, const uint8_t key[RPMC_KEY_LEN]);
size_t wire_update_key(uint8_t *block, uint8_t slot, const uint8_t key_data[RPMC_KEYDATA_LEN],
		       const uint8_t hkr[HMAC_LEN]);
size_t wire_increment(uint8_t *block, uint8_t slot, uint32_t mc, const uint8_t hkr[HMAC_LEN]);
size_t wire_request(uint8_t *block, uint8_t slot, const uint8_t tag[RPMC_TAG_LEN],
		    const uint8_t hkr[HMAC_LEN]);
size_t wire_open(uint8_t *block, uint32_t mc, const uint8_t nonce[CRTM_OPEN_NONCE_LEN],
		 const uint8_t hkr[HMAC_LEN]);
/* SK of the session that 40 with @mc opens */
void wire_session_key(uint8_t sk[HMAC_LEN], uint32_t mc, const uint8_t nonce[CRTM_OPEN_NONCE_LEN],
		      const uint8_t hkr[HMAC_LEN]);

/* One block of a session, 41-44. @len: of the range, or of @data in 43. */
struct op {
	uint8_t type;
	uint32_t addr;
	uint32_t len;
	uint8_t mode;
};

size_t wire_op(uint8_t *block, uint32_t seq, const struct op *op, const uint8_t *data,
	       const uint8_t sk[HMAC_LEN]);
/*
 * Does @resp answer exactly @block, signed with one of the keys? @sk may be
 * NULL. On true @r is filled; its status may still be a refusal.
 */
bool wire_verify(const uint8_t *block, size_t block_len, const uint8_t *resp, size_t resp_len,
		 const uint8_t hkr[HMAC_LEN], const uint8_t *sk, struct crtm_response *r);

/* rows.c */

struct region {
	uint32_t addr;
	uint32_t len;
};

/*
 * @mc, @power_on: last ones that the chip proved, -1 none
 * @restored: time of the `restored` that this device has not yet answered with
 *	an increment, 0 none
 * @key_id: of slot 0's root key
 */
struct device {
	int64_t id;
	char name[NAME_LEN + 1];
	char held[256];
	uint32_t size;
	int64_t mc;
	int64_t power_on;
	int64_t flags;
	int64_t restored;
	double tokens;
	int64_t tokens_at;
	uint8_t key_id[KEY_ID_LEN];
	struct region regions[CRTM_MAX_REGIONS];
	unsigned int nr_regions;
};

enum job_kind { JOB_INFO, JOB_MEASURE, JOB_PROTECT, JOB_UNPROTECT, JOB_UPDATE, JOB_KINDS };
extern const char *const job_kinds[JOB_KINDS];

enum hkr_state { HKR_NONE, HKR_ASKED, HKR_PROVEN };

/*
 * @hkr: does the chip's key register hold what @key_data makes?
 * @known: nothing is unknown since the chip's last proven 48
 * @verified: the range was measured as it shall be
 * @sequence: the open session, 0 none
 * @sectors: state of each sector of the image, see plan.c
 * @attempts: set-backs since the last progress; @bad: forged answers in a row
 * @sessions: counter blocks handed out; @wrong: final measurements that differed
 * @batch: the batch that waits for outcomes, 0 none
 */
struct job {
	int64_t id;
	enum job_kind kind;
	char title[128];
	uint32_t addr;
	uint32_t len;
	bool protect;
	uint8_t *image;
	uint8_t key_data[RPMC_KEYDATA_LEN];
	int hkr;
	bool known;
	bool verified;
	int64_t sequence;
	uint8_t *sectors;
	size_t nr_sectors;
	int attempts;
	int bad;
	int sessions;
	int wrong;
	int64_t not_before;
	int64_t next_step;
	int64_t batch;
	char problem[256];
};

enum sequence_state { SEQ_ASKED, SEQ_OPEN, SEQ_ENDED };

/*
 * What was signed for one counter value: a 40 and the blocks of its session, or
 * a 02. Blocks 0 to @confirmed - 1 are proven, 0 to @handed - 1 may have been
 * seen by the agent, @nr_ops are planned.
 */
struct sequence {
	int64_t id;
	int64_t burn;
	uint32_t mc;
	uint8_t type;
	uint8_t key_data[RPMC_KEYDATA_LEN];
	uint8_t nonce[CRTM_OPEN_NONCE_LEN];
	int state;
	uint32_t confirmed;
	uint32_t handed;
	uint32_t nr_ops;
};

struct ctx {
	struct kms *kms;
	struct device dev;
	struct job job;
	struct sequence seq;	/* the open session, if job.sequence */
	bool over;		/* the job has ended */
	uint8_t hkr[HMAC_LEN];
	uint8_t hkr_data[RPMC_KEYDATA_LEN];
	bool have_hkr;
};

bool device_load(struct ctx *c, const char *name);
void device_save(struct ctx *c);
void regions_load(struct ctx *c);
bool job_load_current(struct ctx *c);
void job_save(struct ctx *c);
void job_end(struct ctx *c, const char *state, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
void ctx_wipe(struct ctx *c);
bool sequence_load(struct ctx *c, int64_t id, struct sequence *s);
/* The one sequence of a counter value, if anything was signed for it. */
bool sequence_find(struct ctx *c, uint32_t mc, struct sequence *s);
void sequence_save(struct ctx *c, const struct sequence *s);
bool op_load(struct ctx *c, int64_t sequence, uint32_t seq, struct op *op);

/* An entry of the history; @digest may be NULL. @evidence: -1 says nothing of it. */
void history_add(struct kms *kms, int64_t device, int64_t job, const char *event, uint32_t addr,
		 uint32_t len, const uint8_t *digest, int evidence, const char *fmt, ...)
	__attribute__((format(printf, 9, 10)));

/* plan.c */

bool plan_covered(const struct ctx *c, uint32_t addr, uint32_t len);
/* Regions to add so that the range is covered, at most @max. Return: how many. */
unsigned int plan_uncovered(const struct ctx *c, uint32_t addr, uint32_t len,
			    struct region *out, unsigned int max);
bool plan_overlaps(const struct ctx *c, uint32_t addr, uint32_t len, bool *exact);
void plan_start(struct ctx *c);
unsigned int plan_survey(struct ctx *c, struct region *out, unsigned int max);
void plan_surveyed(struct ctx *c, uint32_t addr, uint32_t len, const uint8_t digest[32]);
bool plan_dirty(const struct ctx *c);
void plan_write(struct ctx *c);
void plan_written(struct ctx *c);
void plan_session_lost(struct ctx *c);
/* A measurement of the image came out wrong: look at each sector of it again. */
void plan_doubt(struct ctx *c, uint32_t addr, uint32_t len);
void plan_append(struct ctx *c, const struct op *op);
/* Steps still to come as far as one can tell. */
int64_t plan_remaining(struct ctx *c);

/* engine.c */

/*
 * Next batch for a device, as the body of an answer. *@body is NULL if there is
 * none; then *@retry is when to look again at the latest (0: no idea).
 * Return: 0, or -1 after an internal error.
 */
int engine_next(struct kms *kms, const char *device, char **body, int64_t *retry);

struct result {
	int64_t step;
	const char *outcome;
	int status;
	const uint8_t *response;
	size_t response_len;
	const char *error;
};

/* Return: 200, 404, 409, or 500 after an internal error. @bad: step that conflicts. */
int engine_results(struct kms *kms, const char *device, int64_t job, const struct result *results,
		   size_t nr, int64_t *bad);

/* http.c */

struct serve_options {
	const char *listen;
	const char *cert;
	const char *key;
	const char *ca;
};

int serve(struct kms *kms, const struct serve_options *opt);

/* enroll.c */

int kms_init(struct kms *kms, const char *module);
int kms_open(struct kms *kms, bool with_token);
void kms_close(struct kms *kms);
int kms_enroll(struct kms *kms, const char *device, const char *id, uint32_t size, int slots,
	       const char *out);
int kms_provisioned(struct kms *kms, const char *device, const char *file);
bool valid_name(const char *name);

/* report.c */

int report_devices(struct kms *kms);
int report_jobs(struct kms *kms, const char *device);
int report_job(struct kms *kms, int64_t job, bool wait);
int report_history(struct kms *kms, const char *device);

/* A table whose columns are as wide as they must be; cells are copied. */
struct table;
struct table *table_new(const char *const *heads, unsigned int columns);
void table_cell(struct table *t, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void table_print(struct table *t);	/* and free it */

#endif /* KMS_H */
