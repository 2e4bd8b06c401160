/* SPDX-License-Identifier: MIT */
/*
 * World of the crtm-kms tests: a real server process, real HTTPS, and a device
 * made of the emulated chip and the simplest agent there can be.
 */
#ifndef KMS_TEST_ENV_H
#define KMS_TEST_ENV_H

#include <json-c/json.h>
#include <sqlite3.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "crtm-chip-user.h"

#define DEVICE		"board-1"
#define CHIP_ID		"20bb1812008c"
#define SLOTS		4
#define MAX_SERVERS	2

/* What happens to a step on its way to the chip or back. */
enum act {
	ACT_NONE,
	ACT_FORGE,		/* carried out; the answer says success, its signature is wrong */
	ACT_FORGE_REFUSAL,	/* carried out; the answer says refused, unsigned */
	ACT_REPLAY,		/* carried out; an old answer to the same type comes back */
	ACT_LOST_ANSWER,	/* carried out, outcome unknown */
	ACT_LOST_BLOCK,		/* not carried out, outcome unknown */
	ACT_UNSENT,		/* not sent */
	ACT_POWER_BEFORE,	/* power cycle, then sent */
	ACT_POWER_AFTER,	/* sent, power cycle, outcome unknown */
	ACT_POWER_AMID,		/* power fails at the first step of the change, outcome unknown */
	ACTS
};

extern const char *const act_names[ACTS];

/* @times: 0 the @nth step of that type (from 0), else that and the next ones */
struct fault {
	enum act act;
	int type;
	int nth;
	int times;
	int seen;
};

struct env {
	char dir[64];
	char state[80];
	pid_t server[MAX_SERVERS];
	int port[MAX_SERVERS];
	int use;		/* which server the agent asks */
	struct crtm_user *user;
	struct crtm_chip *chip;
	struct fault fault;
	uint8_t old[256][136];	/* an old answer to each type */
	size_t old_len[256];
	uint8_t root_key[SLOTS][32];
	int kill_in;		/* kill the server at the N-th request from now, 0 never */
	int commands[256];	/* blocks sent to the chip, by type */
};

void env_new(struct env *e);
void env_free(struct env *e);
void chip_new(struct env *e);
void chip_power_cycle(struct env *e);

/* Start, kill -9 and stop a server. */
void server_start(struct env *e, int i);
void server_kill(struct env *e, int i);
void server_stop(struct env *e, int i);

/* Run crtm-kms --state DIR ...; its output goes to @out (may be NULL). Return: exit code. */
int cli(struct env *e, char **out, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
int64_t cli_job(struct env *e, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* Make, enrol, provision. */
void enroll(struct env *e, const char *file);
void provision(struct env *e, const char *file, const char *answers);

/* HTTPS as client @cert (NULL: none). Return: status, 0 if the connection failed. */
long http(struct env *e, const char *cert, const char *method, const char *path, const char *body,
	  char **answer);
long next_batch(struct env *e, int wait, json_object **batch, char **text);
long post(struct env *e, json_object *results);

/* Carry out a batch as the agent does. Return: the body for /v1/results. */
json_object *carry_out(struct env *e, json_object *batch);

/* Be the agent until the job ends. Return: its state. */
const char *work(struct env *e, int64_t job);

/* One value of the server's database. */
int64_t sql_int(struct env *e, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* Return: SQLite's result. */
int sql(struct env *e, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

#endif /* KMS_TEST_ENV_H */
