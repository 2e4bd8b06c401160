// SPDX-License-Identifier: MIT
/*
 * crtm-kms against an emulated chip through real HTTPS; TAP output.
 */
#include <dlfcn.h>
#include <ftw.h>
#include <p11-kit-1/p11-kit/pkcs11.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "env.h"
#include "hex.h"

#define IMAGE_LEN	(65536 + 2 * 4096 + 100)	/* not whole sectors, not whole pages */
#define SMALL_LEN	(4096 + 300)

static struct env env;

static uint8_t *write_image(struct env *e, const char *name, size_t len, unsigned int seed)
{
	uint8_t *p = malloc(len);
	char path[128];
	FILE *f;
	size_t i;

	srand(seed);
	for (i = 0; i < len; i++)
		p[i] = rand() >> 8;
	/* A blank sector and a blank page, which need no program. */
	if (len > 3 * 4096)
		memset(p + 4096, 0xff, 4096);
	if (len > 1024)
		memset(p + 512, 0xff, 256);
	snprintf(path, sizeof(path), "%s/%s", e->dir, name);
	f = fopen(path, "w");
	assert_int_equal(fwrite(p, 1, len, f), len);
	fclose(f);
	return p;
}

static int ready_device(void **state)
{
	env_new(&env);
	/* The server first: devices come and go while it runs. */
	server_start(&env, 0);
	enroll(&env, "p.json");
	provision(&env, "p.json", "a.json");
	assert_int_equal(cli(&env, NULL, "provisioned " DEVICE " %s/a.json", env.dir), 0);
	*state = &env;
	return 0;
}

static int empty_state(void **state)
{
	env_new(&env);
	*state = &env;
	return 0;
}

static int clean_up(void **state)
{
	(void)state;
	env_free(&env);
	return 0;
}

static int64_t steps_of_type(struct env *e, int64_t job, int type)
{
	return sql_int(e, "SELECT count(*) FROM step WHERE job = %lld AND type = %d",
		       (long long)job, type);
}

static void fill_tokens(struct env *e)
{
	assert_int_equal(sql(e, "UPDATE device SET tokens = 30"), SQLITE_OK);
}

/* Write the image at 64 KiB * @n in a region of its own, and give the region up again. */
static const char *update_once(struct env *e, unsigned int n, const char *name,
			       const uint8_t *image, size_t len)
{
	const char *state;
	int64_t job;

	job = cli_job(e, "update " DEVICE " %s/%s --address 0x%x --protect", e->dir, name,
		      n * 65536);
	state = work(e, job);
	if (!strcmp(state, "done"))
		assert_memory_equal(e->chip->array + n * 65536, image, len);
	return state;
}

static void test_life(void **state)
{
	struct env *e = *state;
	uint8_t *image = write_image(e, "image", IMAGE_LEN, 1);
	int64_t job, opened;
	char *out;
	size_t i;

	job = cli_job(e, "info " DEVICE);
	assert_string_equal(work(e, job), "done");
	assert_int_equal(cli(e, &out, "--json job %d", (int)job), 0);
	assert_non_null(strstr(out, "power-on count 1"));
	free(out);

	/* Not protected, and not told to protect it. */
	job = cli_job(e, "update " DEVICE " %s/image --address 64K", e->dir);
	assert_string_equal(work(e, job), "failed");
	assert_int_equal(cli(e, NULL, "job %d", (int)job), 1);
	assert_int_equal(e->commands[CRTM_OPEN_SESSION], 0);

	/* Something else stands there. */
	for (i = 0; i < IMAGE_LEN; i++)
		e->chip->array[65536 + i] = i * 7;
	job = cli_job(e, "update " DEVICE " %s/image --address 64K --protect", e->dir);
	assert_string_equal(work(e, job), "done");
	assert_memory_equal(e->chip->array + 65536, image, IMAGE_LEN);
	assert_int_equal(e->chip->nv.regions, 1);
	assert_int_equal(e->chip->nv.region[0].addr, 65536);
	assert_int_equal(e->chip->nv.region[0].len, 2 * 65536);
	assert_int_equal(e->chip->nv.mc[0], 1);
	assert_false(e->chip->v.session);
	/* 64 KiB and 3 of 4 KiB; a program for each page but 17 blank ones */
	assert_int_equal(e->commands[CRTM_ERASE], 4);
	assert_int_equal(e->commands[CRTM_PROGRAM], (IMAGE_LEN + 255) / 256 - 17);
	assert_int_equal(sql_int(e, "SELECT count(*) FROM history WHERE event = 'measured' AND"
				 " evidence AND job = %d", (int)job), 1);

	/* The same again: nothing is written, no counter value is used. */
	job = cli_job(e, "update " DEVICE " %s/image --address 64K", e->dir);
	assert_string_equal(work(e, job), "done");
	assert_int_equal(e->chip->nv.mc[0], 1);
	assert_int_equal(steps_of_type(e, job, CRTM_ERASE), 0);

	/* One byte differs: one sector. */
	e->chip->array[65536 + 5 * 4096 + 7] ^= 1;
	job = cli_job(e, "update " DEVICE " %s/image --address 64K", e->dir);
	assert_string_equal(work(e, job), "done");
	assert_memory_equal(e->chip->array + 65536, image, IMAGE_LEN);
	assert_int_equal(steps_of_type(e, job, CRTM_ERASE), 1);
	assert_int_equal(steps_of_type(e, job, CRTM_PROGRAM), 16);

	/* Measurement: right, wrong, and unprotected. */
	job = cli_job(e, "measure " DEVICE " --address 64K --expect %s/image", e->dir);
	assert_string_equal(work(e, job), "done");
	e->chip->array[65536 + 9] ^= 1;
	job = cli_job(e, "measure " DEVICE " --address 64K --expect %s/image", e->dir);
	assert_string_equal(work(e, job), "failed");
	e->chip->array[65536 + 9] ^= 1;
	opened = e->commands[CRTM_OPEN_SESSION];
	job = cli_job(e, "measure " DEVICE " --address 0 --length 16M");
	assert_string_equal(work(e, job), "done");
	assert_int_equal(e->commands[CRTM_OPEN_SESSION], opened);
	assert_int_equal(sql_int(e, "SELECT count(*) FROM history WHERE job = %d AND"
				 " event = 'measured' AND NOT evidence", (int)job), 4);
	memcpy(e->chip->array + 15 * 1048576, image, IMAGE_LEN);
	job = cli_job(e, "measure " DEVICE " --address 15M --expect %s/image", e->dir);
	assert_string_equal(work(e, job), "failed");

	/* Regions: named exactly, overlapping none. */
	job = cli_job(e, "protect " DEVICE " --address 0 --length 128K");
	assert_string_equal(work(e, job), "failed");
	job = cli_job(e, "protect " DEVICE " --address 64K --length 64K --remove");
	assert_string_equal(work(e, job), "failed");
	job = cli_job(e, "protect " DEVICE " --address 1M --length 128K");
	assert_string_equal(work(e, job), "done");
	assert_int_equal(e->chip->nv.regions, 2);
	job = cli_job(e, "protect " DEVICE " --address 1M --length 128K --remove");
	assert_string_equal(work(e, job), "done");
	assert_int_equal(e->chip->nv.regions, 1);

	assert_int_equal(cli(e, &out, "history " DEVICE), 0);
	assert_non_null(strstr(out, "equals the image; protected"));
	free(out);
	assert_int_equal(cli(e, &out, "jobs " DEVICE), 0);
	assert_non_null(strstr(out, "update image"));
	free(out);
	assert_int_equal(cli(e, &out, "--json devices"), 0);
	assert_non_null(strstr(out, "\"state\":\"ok\""));
	free(out);
	free(image);
}

/* Every way to lose a step, at every kind of step, first and second one of it. */
static void test_every_loss(void **state)
{
	static const struct {
		int type;
		int nth;	/* how many of it there are at least */
	} kinds[] = {
		{ 0x01, 1 }, { 0x03, 1 }, { 0x40, 1 }, { 0x41, 1 }, { 0x42, 2 }, { 0x43, 2 },
		{ 0x44, 1 }, { 0x45, 2 }, { 0x48, 2 },
	};
	struct env *e = *state;
	uint8_t *image = write_image(e, "image", SMALL_LEN, 2);
	const char *count = "SELECT count(*) FROM history WHERE event = 'alarm'";
	unsigned int k, act;
	const char *end;
	int64_t alarms;
	int nth;

	assert_string_equal(update_once(e, 1, "image", image, SMALL_LEN), "done");
	for (k = 0; k < sizeof(kinds) / sizeof(*kinds); k++) {
		for (act = ACT_FORGE; act < ACTS; act++) {
			/* Its answer has no signature to forge, and none to replay. */
			if (kinds[k].type == 0x01 && (act == ACT_FORGE || act == ACT_REPLAY))
				continue;
			for (nth = 0; nth < kinds[k].nth; nth++) {
				memset(e->chip->array + 65536, 0x5a, SMALL_LEN);
				e->chip->nv.regions = 0;
				fill_tokens(e);
				alarms = sql_int(e, "%s", count);
				e->fault = (struct fault){ act, kinds[k].type, nth, 0, 0 };
				end = update_once(e, 1, "image", image, SMALL_LEN);
				if (strcmp(end, "done") || e->fault.seen <= nth)
					fail_msg("%s at %02x: %s", act_names[act], kinds[k].type,
						 end);
				assert_int_equal(e->chip->nv.regions, 1);
				/* What was only lost is nobody's lie. */
				if (act >= ACT_LOST_ANSWER && sql_int(e, "%s", count) != alarms)
					fail_msg("%s at %02x: an alarm", act_names[act],
						 kinds[k].type);
			}
		}
	}
	assert_int_equal(sql_int(e, "SELECT count(*) FROM device WHERE held IS NOT NULL"), 0);
	free(image);
}

/* A forged answer is an alarm and proves nothing; three in a row are too many. */
static void test_forgery(void **state)
{
	struct env *e = *state;
	uint8_t *image = write_image(e, "image", SMALL_LEN, 3);
	int64_t job;
	char *out;

	e->fault = (struct fault){ ACT_FORGE, 0x43, 3, 0, 0 };
	assert_string_equal(update_once(e, 1, "image", image, SMALL_LEN), "done");
	assert_int_equal(sql_int(e, "SELECT count(*) FROM history WHERE event = 'alarm'"), 1);
	/* The chip's 48 told that the session went on: no second one. */
	assert_int_equal(e->commands[CRTM_OPEN_SESSION], 1);
	assert_int_equal(e->commands[CRTM_PROGRAM], (SMALL_LEN + 255) / 256 - 1);

	e->fault = (struct fault){ ACT_FORGE, 0x48, 0, 2, 0 };
	job = cli_job(e, "info " DEVICE);
	assert_string_equal(work(e, job), "held");
	assert_int_equal(cli(e, &out, "job %d", (int)job), 1);
	assert_non_null(strstr(out, "3 forged answers in a row"));
	free(out);

	/* Two, and then an honest one. */
	e->fault = (struct fault){ ACT_FORGE, 0x48, 0, 1, 0 };
	job = cli_job(e, "info " DEVICE);
	assert_string_equal(work(e, job), "done");

	/* Refusals for ever: news, no alarm, and an end. */
	e->fault = (struct fault){ ACT_FORGE_REFUSAL, 0x48, 0, 1000, 0 };
	job = cli_job(e, "info " DEVICE);
	assert_string_equal(work(e, job), "failed");
	e->fault = (struct fault){ ACT_UNSENT, 0x01, 0, 1000, 0 };
	job = cli_job(e, "info " DEVICE);
	assert_string_equal(work(e, job), "failed");
	assert_int_equal(cli(e, &out, "job %d", (int)job), 1);
	assert_non_null(strstr(out, "EINTR"));
	free(out);
	free(image);
}

/* Power fails before each step of what the chip writes. */
static void test_power_cuts(void **state)
{
	struct env *e = *state;
	uint8_t *image = write_image(e, "image", SMALL_LEN, 4);
	int cut, rounds;
	int64_t job;
	long code;
	json_object *batch, *results;

	for (cut = 1; cut < 60; cut += 4) {
		memset(e->chip->array + 65536, 0x5a, SMALL_LEN);
		fill_tokens(e);
		job = cli_job(e, "update " DEVICE " %s/image --address 64K --protect", e->dir);
		e->chip->cut_in = cut;
		for (rounds = 0; rounds < 100; rounds++) {
			code = next_batch(e, 0, &batch, NULL);
			if (code != 200)
				break;
			results = carry_out(e, batch);
			/* A dead chip answers FF or 00; the board comes up again. */
			if (!e->chip->v.on)
				chip_power_cycle(e);
			assert_int_equal(post(e, results), 200);
			json_object_put(results);
			json_object_put(batch);
		}
		e->chip->cut_in = 0;
		assert_string_equal(work(e, job), "done");
		assert_memory_equal(e->chip->array + 65536, image, SMALL_LEN);
		job = cli_job(e, "protect " DEVICE " --address 64K --length 64K --remove");
		assert_string_equal(work(e, job), "done");
	}
	free(image);
}

/* The server dies at any moment, again and again. */
static void test_killed_server(void **state)
{
	struct env *e = *state;
	uint8_t *image = write_image(e, "image", IMAGE_LEN, 5);
	char *first, *again;
	json_object *batch;
	int64_t job;
	int i;

	job = cli_job(e, "update " DEVICE " %s/image --address 64K --protect", e->dir);
	/* A batch stays as it is, byte for byte, over a kill. */
	assert_int_equal(next_batch(e, 0, &batch, &first), 200);
	json_object_put(batch);
	server_kill(e, 0);
	server_start(e, 0);
	assert_int_equal(next_batch(e, 0, &batch, &again), 200);
	assert_string_equal(first, again);
	json_object_put(batch);
	free(first);
	free(again);
	assert_string_equal(work(e, job), "done");
	for (i = 0; i < 16; i++) {
		memset(e->chip->array + 65536, i, IMAGE_LEN);
		e->kill_in = 1 + i;
		fill_tokens(e);
		job = cli_job(e, "update " DEVICE " %s/image --address 64K", e->dir);
		assert_string_equal(work(e, job), "done");
		assert_memory_equal(e->chip->array + 65536, image, IMAGE_LEN);
		e->kill_in = 0;
	}
	free(image);
}

/* Two servers on one database, asked in turn, one of them dying now and then. */
static void test_two_servers(void **state)
{
	struct env *e = *state;
	uint8_t *image = write_image(e, "image", IMAGE_LEN, 6);
	json_object *batch, *results;
	int64_t job;
	long code;
	int n = 0;

	server_start(e, 1);
	job = cli_job(e, "update " DEVICE " %s/image --address 64K --protect", e->dir);
	for (n = 0; n < 100; n++) {
		e->use = n & 1;
		code = next_batch(e, 0, &batch, NULL);
		if (code != 200)
			break;
		results = carry_out(e, batch);
		e->use = n >> 1 & 1;
		if (n % 5 == 4) {
			server_kill(e, e->use);
			server_start(e, e->use);
		}
		assert_int_equal(post(e, results), 200);
		/* The other one knows it already. */
		e->use ^= 1;
		assert_int_equal(post(e, results), 200);
		json_object_put(results);
		json_object_put(batch);
	}
	assert_true(n > 10);
	assert_string_equal(work(e, job), "done");
	assert_memory_equal(e->chip->array + 65536, image, IMAGE_LEN);
	free(image);
}

static void test_results(void **state)
{
	static const char *const malformed[] = {
		"", "[]", "{", "{\"v\":1}", "{\"v\":2,\"job\":1,\"results\":[]}",
		"{\"v\":1,\"job\":1,\"results\":[]}",
		"{\"v\":1,\"job\":\"1\",\"results\":[{\"step\":0,\"outcome\":\"unsent\","
			"\"error\":\"EPERM\"}]}",
		"{\"v\":1,\"job\":1,\"results\":[{\"step\":0,\"outcome\":\"maybe\","
			"\"error\":\"EPERM\"}]}",
		"{\"v\":1,\"job\":1,\"results\":[{\"step\":0,\"outcome\":\"unknown\"}]}",
		"{\"v\":1,\"job\":1,\"results\":[{\"step\":-1,\"outcome\":\"unsent\","
			"\"error\":\"EPERM\"}]}",
		"{\"v\":1,\"job\":1,\"results\":[{\"step\":0,\"outcome\":\"answered\","
			"\"status\":256,\"response\":\"80\"}]}",
		"{\"v\":1,\"job\":1,\"results\":[{\"step\":0,\"outcome\":\"answered\","
			"\"status\":128,\"response\":\"8\"}]}",
		"{\"v\":1,\"job\":1,\"results\":[{\"step\":0,\"outcome\":\"answered\","
			"\"status\":128,\"response\":\"\"}]}",
	};
	struct env *e = *state;
	json_object *batch, *results, *other = NULL, *one;
	char *first, *again, *big;
	int64_t job = cli_job(e, "info " DEVICE);
	size_t i;

	assert_int_equal(next_batch(e, 0, &batch, &first), 200);
	for (i = 0; i < sizeof(malformed) / sizeof(*malformed); i++) {
		if (http(e, "pki/" DEVICE, "POST", "/v1/results", malformed[i], NULL) != 400)
			fail_msg("not refused: %s", malformed[i]);
	}
	assert_int_equal(sql_int(e, "SELECT count(*) FROM step WHERE outcome IS NOT NULL"), 0);
	results = carry_out(e, batch);
	json_object_put(batch);

	/* Part of a batch: the whole batch stays. */
	json_object_deep_copy(results, &other, NULL);
	one = json_object_object_get(other, "results");
	assert_int_equal(json_object_array_length(one), 3);
	json_object_array_del_idx(one, 1, 2);
	assert_int_equal(post(e, other), 200);
	assert_int_equal(next_batch(e, 0, &batch, &again), 200);
	assert_string_equal(first, again);
	json_object_put(batch);
	free(again);

	/* Another outcome of the same step: the first one stands, the others are taken. */
	json_object_put(other);
	other = NULL;
	json_object_deep_copy(results, &other, NULL);
	one = json_object_array_get_idx(json_object_object_get(other, "results"), 0);
	json_object_object_add(one, "outcome", json_object_new_string("unknown"));
	json_object_object_add(one, "error", json_object_new_string("CRASH"));
	assert_int_equal(post(e, other), 409);
	assert_int_equal(sql_int(e, "SELECT outcome = 'answered' FROM step WHERE step = 0"), 1);
	assert_int_equal(sql_int(e, "SELECT count(*) FROM step WHERE outcome IS NULL"), 0);
	for (i = 0; i < 3; i++)
		assert_int_equal(post(e, results), 200);
	assert_string_equal(work(e, job), "done");
	assert_int_equal(post(e, results), 200);
	assert_int_equal(post(e, other), 409);

	/* No such step, no such job; nothing of the rest is taken. */
	one = json_object_array_get_idx(json_object_object_get(other, "results"), 2);
	json_object_object_add(one, "step", json_object_new_int(99));
	assert_int_equal(post(e, other), 404);
	json_object_object_add(other, "job", json_object_new_int(99));
	assert_int_equal(post(e, other), 404);

	/* That the database fails says nothing of the step: it must not be taken for unknown. */
	assert_int_equal(sql(e, "ALTER TABLE step RENAME TO gone"), SQLITE_OK);
	assert_int_equal(post(e, results), 500);
	assert_int_equal(sql(e, "ALTER TABLE gone RENAME TO step"), SQLITE_OK);
	assert_int_equal(post(e, results), 200);

	/* 1 MiB and a byte. */
	big = malloc((1 << 20) + 2);
	memset(big, ' ', (1 << 20) + 1);
	big[(1 << 20) + 1] = '\0';
	assert_int_equal(http(e, "pki/" DEVICE, "POST", "/v1/results", big, NULL), 413);
	free(big);
	json_object_put(other);
	json_object_put(results);
	free(first);
}

static void test_http(void **state)
{
	static const char hello[] = "{\"v\":1,\"agent\":\"0.1\",\"chip\":\"c\",\"id\":\"%s\","
		"\"command_set\":\"x\",\"slots\":4,\"chip_size\":%d}";
	struct env *e = *state;
	json_object *batch, *results;
	char body[256], cmd[256];
	char *answer;
	int64_t job;

	/* Who: no certificate, another CA's, not enrolled. */
	assert_int_equal(http(e, NULL, "GET", "/v1/next", NULL, NULL), 403);
	snprintf(cmd, sizeof(cmd), TEST_PKI " %s/other " DEVICE, e->dir);
	assert_int_equal(system(cmd), 0);
	assert_int_not_equal(http(e, "other/" DEVICE, "GET", "/v1/next", NULL, NULL), 204);
	assert_int_equal(http(e, "pki/nobody", "GET", "/v1/next", NULL, NULL), 403);
	/* A server's certificate is no client's. */
	assert_int_equal(http(e, "pki/server", "GET", "/v1/next", NULL, NULL), 403);

	/* What. */
	assert_int_equal(http(e, "pki/" DEVICE, "GET", "/v1/next", NULL, NULL), 204);
	assert_int_equal(http(e, "pki/" DEVICE, "GET", "/v1/next?wait=1", NULL, NULL), 204);
	assert_int_equal(http(e, "pki/" DEVICE, "GET", "/v1/next?wait=61", NULL, NULL), 400);
	assert_int_equal(http(e, "pki/" DEVICE, "GET", "/v1/next?wait=-1", NULL, NULL), 400);
	assert_int_equal(http(e, "pki/" DEVICE, "GET", "/v1/next?wait=x", NULL, NULL), 400);
	assert_int_equal(http(e, "pki/" DEVICE, "GET", "/v1/results", NULL, NULL), 405);
	assert_int_equal(http(e, "pki/" DEVICE, "POST", "/v1/next", "{}", NULL), 405);
	assert_int_equal(http(e, "pki/" DEVICE, "GET", "/", NULL, NULL), 404);

	snprintf(body, sizeof(body), hello, CHIP_ID, 16777216);
	assert_int_equal(http(e, "pki/" DEVICE, "POST", "/v1/hello", body, &answer), 200);
	assert_non_null(strstr(answer, "\"time\":\"20"));
	free(answer);
	/* A longer ID of the same chip is the same chip. */
	snprintf(body, sizeof(body), hello, CHIP_ID "ffff", 16777216);
	assert_int_equal(http(e, "pki/" DEVICE, "POST", "/v1/hello", body, NULL), 200);
	snprintf(body, sizeof(body), hello, "20bb19104400", 16777216);
	assert_int_equal(http(e, "pki/" DEVICE, "POST", "/v1/hello", body, NULL), 409);
	snprintf(body, sizeof(body), hello, CHIP_ID, 33554432);
	assert_int_equal(http(e, "pki/" DEVICE, "POST", "/v1/hello", body, NULL), 409);
	assert_int_equal(http(e, "pki/" DEVICE, "POST", "/v1/hello", "{\"v\":1}", NULL), 400);

	/* Another device sees nothing of this one's jobs. */
	assert_int_equal(cli(e, NULL, "enroll board-2 --id " CHIP_ID " --size 16M -o %s/p2.json",
			     e->dir), 0);
	job = cli_job(e, "info " DEVICE);
	assert_int_equal(http(e, "pki/board-2", "GET", "/v1/next", NULL, NULL), 204);
	assert_int_equal(next_batch(e, 0, &batch, NULL), 200);
	results = carry_out(e, batch);
	assert_int_equal(http(e, "pki/board-2", "POST", "/v1/results",
			      json_object_to_json_string(results), NULL), 404);
	assert_int_equal(post(e, results), 200);
	assert_string_equal(work(e, job), "done");
	json_object_put(batch);
	json_object_put(results);
}

/* Two servers never share a port: each would get some of a device's requests. */
static void test_one_port(void **state)
{
	struct env *e = *state;
	char cmd[512];

	snprintf(cmd, sizeof(cmd), "cd %s && timeout 10 " KMS " --state state serve --cert"
		 " pki/server.crt --key pki/server.key --ca pki/ca.crt --listen 127.0.0.1:%d"
		 " 2> out; test $? = 1 && grep -q 'in use' out", e->dir, e->port[0]);
	assert_int_equal(system(cmd), 0);
}

/* A program that dies leaves no PIN and no key in a core dump. */
static void test_core(void **state)
{
	struct rlimit old, most;
	struct env *e = *state;
	int status;

	assert_int_equal(getrlimit(RLIMIT_CORE, &old), 0);
	most = old;
	most.rlim_cur = most.rlim_max;
	assert_int_equal(setrlimit(RLIMIT_CORE, &most), 0);
	server_start(e, 1);
	setrlimit(RLIMIT_CORE, &old);
	kill(e->server[1], SIGABRT);
	assert_int_equal(waitpid(e->server[1], &status, 0), e->server[1]);
	e->server[1] = 0;
	assert_true(WIFSIGNALED(status));
	assert_false(WCOREDUMP(status));
}

/* A request that waits is answered as soon as another process queues a job. */
static void test_long_poll(void **state)
{
	struct env *e = *state;
	struct timespec from, to;
	json_object *batch;
	pid_t child;

	clock_gettime(CLOCK_MONOTONIC, &from);
	child = fork();
	if (!child) {
		usleep(300000);
		if (!freopen("/dev/null", "w", stdout))
			_exit(1);
		execl(KMS, KMS, "--state", e->state, "info", DEVICE, NULL);
		_exit(1);
	}
	assert_int_equal(next_batch(e, 50, &batch, NULL), 200);
	clock_gettime(CLOCK_MONOTONIC, &to);
	assert_true(to.tv_sec - from.tv_sec < 20);
	waitpid(child, NULL, 0);
	json_object_put(batch);
}

static void copy_state(struct env *e, const char *from, const char *to)
{
	char cmd[256];

	snprintf(cmd, sizeof(cmd), "cd %s && rm -f %s/kms.db-* && cp %s/kms.db* %s/", e->dir, to,
		 from, to);
	assert_int_equal(system(cmd), 0);
}

static void test_restored(void **state)
{
	struct env *e = *state;
	uint8_t *image = write_image(e, "image", SMALL_LEN, 7);
	int64_t job, old_job, now;
	char cmd[128];
	json_object *batch;

	assert_string_equal(update_once(e, 1, "image", image, SMALL_LEN), "done");
	job = cli_job(e, "info " DEVICE);
	server_stop(e, 0);
	snprintf(cmd, sizeof(cmd), "mkdir %s/backup", e->dir);
	assert_int_equal(system(cmd), 0);
	copy_state(e, "state", "backup");
	server_start(e, 0);
	assert_string_equal(work(e, job), "done");
	assert_string_equal(update_once(e, 2, "image", image, SMALL_LEN), "done");
	assert_string_equal(update_once(e, 3, "image", image, SMALL_LEN), "done");
	now = e->chip->nv.mc[0];
	assert_int_equal(now, 3);
	server_stop(e, 0);

	/* Nobody tells: the chip is further than anything signed. */
	copy_state(e, "backup", "state");
	server_start(e, 0);
	assert_string_equal(work(e, job), "held");
	assert_int_equal(sql_int(e, "SELECT held IS NOT NULL FROM device"), 1);
	assert_int_equal(e->chip->nv.mc[0], now);
	cli_job(e, "info " DEVICE);
	assert_int_equal(next_batch(e, 0, &batch, NULL), 204);
	server_stop(e, 0);

	/* Told. */
	copy_state(e, "backup", "state");
	assert_int_equal(cli(e, NULL, "restored"), 0);
	server_start(e, 0);
	old_job = sql_int(e, "SELECT id FROM job WHERE state = 'failed' ORDER BY id DESC LIMIT 1");
	job = sql_int(e, "SELECT id FROM job WHERE state = 'queued'");
	assert_true(job > old_job + 1000);
	memset(e->commands, 0, sizeof(e->commands));
	/* Even if the increment's answer is lost the first time. */
	e->fault = (struct fault){ ACT_LOST_BLOCK, RPMC_INCREMENT_COUNTER, 0, 0, 0 };
	assert_string_equal(work(e, job), "done");
	assert_int_equal(e->fault.seen, 2);
	assert_int_equal(e->commands[RPMC_INCREMENT_COUNTER], 1);
	assert_int_equal(e->commands[CRTM_OPEN_SESSION], 0);
	assert_int_equal(e->chip->nv.mc[0], now + 1);
	assert_int_equal(sql_int(e, "SELECT type FROM step WHERE job = %lld AND step = 1",
				 (long long)job), RPMC_REQUEST_COUNTER);
	assert_int_equal(sql_int(e, "SELECT restored FROM device"), 0);
	assert_string_equal(update_once(e, 4, "image", image, SMALL_LEN), "done");
	assert_int_equal(e->chip->nv.mc[0], now + 2);
	free(image);
}

/*
 * The backup holds a 40 that the chip has not seen: after the restore that very
 * block moves the counter on, for another one at the same value there must not be.
 */
static void test_restored_pending(void **state)
{
	struct env *e = *state;
	uint8_t *image = write_image(e, "image", SMALL_LEN, 8);
	int64_t job;

	e->fault = (struct fault){ ACT_LOST_BLOCK, CRTM_OPEN_SESSION, 0, 1000, 0 };
	job = cli_job(e, "update " DEVICE " %s/image --address 64K --protect", e->dir);
	assert_string_equal(work(e, job), "failed");
	assert_int_equal(e->chip->nv.mc[0], 0);
	assert_int_equal(cli(e, NULL, "restored"), 0);
	e->fault.act = ACT_NONE;
	job = sql_int(e, "SELECT id FROM job WHERE state = 'queued'");
	assert_string_equal(work(e, job), "done");
	assert_int_equal(e->chip->nv.mc[0], 1);
	assert_int_equal(e->commands[RPMC_INCREMENT_COUNTER], 0);
	assert_int_equal(e->commands[CRTM_OPEN_SESSION], 1);
	assert_string_equal(update_once(e, 1, "image", image, SMALL_LEN), "done");
	assert_int_equal(e->chip->nv.mc[0], 2);
	free(image);
}

/* The same keys in another state: the counters tell. */
static void test_clone(void **state)
{
	struct env *e = *state;
	uint8_t *image = write_image(e, "image", SMALL_LEN, 9);
	int64_t job;

	assert_string_equal(update_once(e, 1, "image", image, SMALL_LEN), "done");
	e->chip->nv.mc[0]--;
	job = cli_job(e, "info " DEVICE);
	assert_string_equal(work(e, job), "held");
	assert_int_equal(sql_int(e, "SELECT held LIKE 'the counter fell%%' FROM device"), 1);
	e->chip->nv.mc[0]++;
	assert_int_equal(cli(e, NULL, "release " DEVICE), 0);
	job = cli_job(e, "info " DEVICE);
	assert_string_equal(work(e, job), "done");

	e->chip->nv.power_on--;
	job = cli_job(e, "info " DEVICE);
	assert_string_equal(work(e, job), "held");
	assert_int_equal(sql_int(e, "SELECT held LIKE 'the power-on%%' FROM device"), 1);
	e->chip->nv.power_on++;
	assert_int_equal(cli(e, NULL, "release " DEVICE), 0);

	e->chip->nv.mc[0]++;
	job = cli_job(e, "info " DEVICE);
	assert_string_equal(work(e, job), "held");
	assert_int_equal(sql_int(e, "SELECT held LIKE '%%above any value%%' FROM device"), 1);
	free(image);
}

static void test_rate_limit(void **state)
{
	struct env *e = *state;
	uint8_t *image = write_image(e, "image", SMALL_LEN, 10);
	json_object *batch, *results;
	int64_t job;

	assert_int_equal(sql(e, "UPDATE device SET tokens = 0.1, tokens_at ="
			     " unixepoch() * 1000"), SQLITE_OK);
	job = cli_job(e, "update " DEVICE " %s/image --address 64K --protect", e->dir);
	assert_int_equal(next_batch(e, 0, &batch, NULL), 200);
	results = carry_out(e, batch);
	assert_int_equal(post(e, results), 200);
	json_object_put(batch);
	json_object_put(results);
	assert_int_equal(next_batch(e, 1, &batch, NULL), 204);
	assert_int_equal(e->commands[CRTM_OPEN_SESSION], 0);
	fill_tokens(e);
	/* A back-off from before the clock was set back is over. */
	assert_int_equal(sql(e, "UPDATE job SET not_before = (unixepoch() + 86400) * 1000"),
			 SQLITE_OK);
	assert_string_equal(work(e, job), "done");
	assert_true(sql_int(e, "SELECT tokens < 29.5 FROM device"));
	free(image);
}

/* The rules that the schema holds, whatever the program does. */
static void test_constraints(void **state)
{
	struct env *e = *state;
	uint8_t *image = write_image(e, "image", SMALL_LEN, 11);
	static const int types[] = { CRTM_OPEN_SESSION, CRTM_ERASE };
	unsigned int i;

	assert_string_equal(update_once(e, 1, "image", image, SMALL_LEN), "done");
	for (i = 0; i < 2; i++)
		assert_int_equal(sql(e, "INSERT INTO step SELECT job, 9999, batch, type, sequence,"
				     " seq, x'00', NULL, NULL, NULL, NULL FROM step"
				     " WHERE type = %d", types[i]), SQLITE_CONSTRAINT);
	/* The same bytes once more are fine. */
	assert_int_equal(sql(e, "INSERT INTO step SELECT job, 9999, batch, type, sequence, seq,"
			     " block, 'unsent', NULL, NULL, NULL FROM step WHERE type = 64"),
			 SQLITE_OK);
	assert_int_equal(sql(e, "INSERT INTO sequence (device, mc, type, burn, key_data, nonce)"
			     " SELECT device, mc, 2, 0, key_data, nonce FROM sequence"),
			 SQLITE_CONSTRAINT);
	assert_int_equal(sql(e, "UPDATE step SET block = x'00' WHERE type = 67"),
			 SQLITE_CONSTRAINT);
	assert_int_equal(sql(e, "UPDATE step SET outcome = 'unsent'"), SQLITE_CONSTRAINT);
	assert_int_equal(sql(e, "DELETE FROM step"), SQLITE_CONSTRAINT);
	assert_int_equal(sql(e, "INSERT INTO job (device, kind, title, state, created) VALUES"
			     " (1, 0, 'a', 'running', 0), (1, 0, 'b', 'running', 0)"),
			 SQLITE_CONSTRAINT);
	free(image);
}

static struct {
	const char *bytes;
	size_t len;
	int files;
	int hits;
} needle;

static int search(const char *path, const struct stat *st, int flag, struct FTW *ftw)
{
	char *text;
	FILE *f;

	(void)ftw;
	if (flag != FTW_F)
		return 0;
	text = malloc(st->st_size + 1);
	f = fopen(path, "r");
	assert_int_equal(fread(text, 1, st->st_size, f), st->st_size);
	fclose(f);
	needle.files++;
	needle.hits += !!memmem(text, st->st_size, needle.bytes, needle.len);
	free(text);
	return 0;
}

/* How many files at @path hold the bytes. */
static int hits(struct env *e, const char *path, const void *bytes, size_t len)
{
	char full[128];

	needle.bytes = bytes;
	needle.len = len;
	needle.files = 0;
	needle.hits = 0;
	snprintf(full, sizeof(full), "%s/%s", e->dir, path);
	assert_int_equal(nftw(full, search, 8, 0), 0);
	assert_true(needle.files);
	return needle.hits;
}

/* No file and no log of the server holds a root key; the token gives none away. */
static void test_secrets(void **state)
{
	struct env *e = *state;
	uint8_t *image = write_image(e, "image", SMALL_LEN, 12);
	CK_OBJECT_CLASS class = CKO_SECRET_KEY;
	CK_ATTRIBUTE want = { CKA_CLASS, &class, sizeof(class) };
	CK_BBOOL yes = CK_TRUE, no = CK_FALSE;
	CK_ATTRIBUTE open_up[] = { { CKA_SENSITIVE, &no, sizeof(no) },
				   { CKA_EXTRACTABLE, &yes, sizeof(yes) } };
	CK_C_GetFunctionList get;
	CK_OBJECT_HANDLE keys[16], copy;
	CK_FUNCTION_LIST *f;
	CK_SESSION_HANDLE s;
	CK_SLOT_ID slots[8];
	CK_ULONG n = 8, i;
	char path[128], pin[64] = "", hex[65];
	uint8_t value[64];
	CK_ATTRIBUTE read_value = { CKA_VALUE, value, sizeof(value) };
	FILE *file;
	void *lib;

	assert_string_equal(update_once(e, 1, "image", image, SMALL_LEN), "done");
	for (i = 0; i < SLOTS; i++) {
		hex_encode(hex, e->root_key[i], 32);
		/* The provisioning file has it, so the search finds what is there. */
		assert_int_equal(hits(e, "p.json", hex, 64), 1);
		assert_int_equal(hits(e, "state", hex, 64), 0);
		assert_int_equal(hits(e, "state", e->root_key[i], 32), 0);
		assert_int_equal(hits(e, "log", hex, 64), 0);
		assert_int_equal(hits(e, "log", e->root_key[i], 32), 0);
	}

	snprintf(path, sizeof(path), "%s/softhsm2.conf", e->state);
	setenv("SOFTHSM2_CONF", path, 1);
	lib = dlopen("libsofthsm2.so", RTLD_NOW);
	if (!lib)
		lib = dlopen("/usr/lib/softhsm/libsofthsm2.so", RTLD_NOW);
	assert_non_null(lib);
	*(void **)&get = dlsym(lib, "C_GetFunctionList");
	assert_int_equal(get(&f), CKR_OK);
	assert_int_equal(f->C_Initialize(NULL), CKR_OK);
	assert_int_equal(f->C_GetSlotList(CK_TRUE, slots, &n), CKR_OK);
	assert_int_equal(f->C_OpenSession(slots[0], CKF_SERIAL_SESSION | CKF_RW_SESSION, NULL, NULL,
					  &s), CKR_OK);
	snprintf(path, sizeof(path), "%s/pin", e->state);
	file = fopen(path, "r");
	assert_non_null(fgets(pin, sizeof(pin), file));
	fclose(file);
	assert_int_equal(f->C_Login(s, CKU_USER, (CK_UTF8CHAR *)pin, strlen(pin)), CKR_OK);
	assert_int_equal(f->C_FindObjectsInit(s, &want, 1), CKR_OK);
	assert_int_equal(f->C_FindObjects(s, keys, 16, &n), CKR_OK);
	f->C_FindObjectsFinal(s);
	assert_int_equal(n, SLOTS);
	for (i = 0; i < n; i++) {
		read_value.ulValueLen = sizeof(value);
		assert_int_equal(f->C_GetAttributeValue(s, keys[i], &read_value, 1),
				 CKR_ATTRIBUTE_SENSITIVE);
		assert_int_not_equal(f->C_SetAttributeValue(s, keys[i], &open_up[0], 1), CKR_OK);
		assert_int_not_equal(f->C_SetAttributeValue(s, keys[i], &open_up[1], 1), CKR_OK);
		assert_int_not_equal(f->C_CopyObject(s, keys[i], open_up, 2, &copy), CKR_OK);
	}
	f->C_Finalize(NULL);
	dlclose(lib);
	unsetenv("SOFTHSM2_CONF");
	free(image);
}

static void test_enrolment(void **state)
{
	struct env *e = *state;
	char *out, cmd[256];

	/* Not provisioned: no jobs. */
	assert_int_equal(cli(e, NULL, "enroll " DEVICE " --id " CHIP_ID " --size 16M -o %s/p1.json",
			     e->dir), 0);
	snprintf(cmd, sizeof(cmd), "test $(stat -c %%a %s/p1.json) = 600", e->dir);
	assert_int_equal(system(cmd), 0);
	assert_int_equal(cli(e, NULL, "info " DEVICE), 1);
	/* Again while nothing is proven; never into a file that is there. */
	assert_int_equal(cli(e, NULL, "enroll " DEVICE " --id " CHIP_ID " --size 16M -o %s/p1.json",
			     e->dir), 1);
	assert_int_equal(cli(e, NULL, "enroll " DEVICE " --id " CHIP_ID " --size 16M -o %s/p2.json",
			     e->dir), 0);
	/* The chip got the first file; the server finds out. */
	provision(e, "p1.json", "a1.json");
	assert_int_equal(cli(e, &out, "provisioned " DEVICE " %s/a1.json", e->dir), 0);
	assert_non_null(strstr(out, "valid"));
	assert_null(strstr(out, "NOT VALID"));
	free(out);
	assert_int_equal(sql_int(e, "SELECT count(*) FROM root_key"), SLOTS);
	assert_int_equal(sql_int(e, "SELECT count(*) FROM root_key WHERE proven"), SLOTS);
	assert_int_equal(cli(e, NULL, "enroll " DEVICE " --id " CHIP_ID " --size 16M -o %s/p3.json",
			     e->dir), 1);
	/* The answers of a chip that took other keys prove nothing. */
	provision(e, "p2.json", "a2.json");
	assert_int_equal(cli(e, &out, "--json provisioned " DEVICE " %s/a2.json", e->dir), 1);
	assert_non_null(strstr(out, "\"proven\":false"));
	free(out);
	/* The first ones still do, any number of times. */
	assert_int_equal(cli(e, NULL, "provisioned " DEVICE " %s/a1.json", e->dir), 0);
	assert_int_equal(cli(e, NULL, "provisioned nobody %s/a1.json", e->dir), 1);
	snprintf(cmd, sizeof(cmd), "sed -i s/20bb18/20ba18/ %s/a1.json", e->dir);
	assert_int_equal(system(cmd), 0);
	assert_int_equal(cli(e, NULL, "provisioned " DEVICE " %s/a1.json", e->dir), 1);
}

static void test_cli(void **state)
{
	static const char *const bad[] = {
		"", "nothing", "info", "info a b", "enroll x", "enroll x --id 20bb18 --size 1",
		"enroll x/y --id 20bb18 --size 16M -o /dev/null", "info x --protect",
		"measure x --address 0 --length 99999M", "measure x --address", "job x", "job -1",
		"protect x --address 4K --length 64K", "serve", "--nonsense",
	};
	struct env *e = *state;
	size_t i;
	char cmd[512];

	for (i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		if (cli(e, NULL, "%s", bad[i]) != 2)
			fail_msg("no usage error: %s", bad[i]);
	}
	assert_int_equal(cli(e, NULL, "--help"), 0);
	assert_int_equal(cli(e, NULL, "init"), 1);
	assert_int_equal(cli(e, NULL, "job 1"), 1);
	assert_int_equal(cli(e, NULL, "info nobody"), 1);
	assert_int_equal(cli(e, NULL, "history nobody"), 1);
	assert_int_equal(cli(e, NULL, "jobs nobody"), 1);
	/* Nor do keys go into a file that others may read, as a shell makes it. */
	snprintf(cmd, sizeof(cmd), "umask 022; " KMS " --state %s enroll x --id 20bb18 --size 16M"
		 " > %s/x 2>> %s/log", e->state, e->dir, e->dir);
	assert_int_equal(WEXITSTATUS(system(cmd)), 1);
	snprintf(cmd, sizeof(cmd), "test ! -s %s/x && rm %s/x", e->dir, e->dir);
	assert_int_equal(system(cmd), 0);
	snprintf(cmd, sizeof(cmd), "umask 077; " KMS " --state %s enroll y --id 20bb18 --size 16M"
		 " > %s/y", e->state, e->dir);
	assert_int_equal(system(cmd), 0);
	/* A PIN that others may read is refused. */
	snprintf(cmd, sizeof(cmd), "chmod 640 %s/pin", e->state);
	assert_int_equal(system(cmd), 0);
	assert_int_equal(cli(e, NULL, "enroll x --id 20bb18 --size 16M -o %s/x", e->dir), 1);
	snprintf(cmd, sizeof(cmd), "test ! -e %s/x && chmod 600 %s/pin", e->dir, e->state);
	assert_int_equal(system(cmd), 0);
}

static void test_cancel(void **state)
{
	struct env *e = *state;
	uint8_t *image = write_image(e, "image", SMALL_LEN, 13);
	json_object *batch, *results;
	int64_t job;
	int i;

	/* In the middle of the session, with a batch out. */
	job = cli_job(e, "update " DEVICE " %s/image --address 64K --protect", e->dir);
	for (i = 0; i < 3; i++) {
		assert_int_equal(next_batch(e, 0, &batch, NULL), 200);
		results = carry_out(e, batch);
		if (i == 2)
			assert_int_equal(cli(e, NULL, "cancel %d", (int)job), 0);
		assert_int_equal(post(e, results), 200);
		json_object_put(batch);
		json_object_put(results);
	}
	assert_int_equal(next_batch(e, 0, &batch, NULL), 204);
	assert_int_equal(cli(e, NULL, "cancel %d", (int)job), 1);
	assert_string_equal(update_once(e, 1, "image", image, SMALL_LEN), "done");
	assert_int_equal(e->chip->nv.mc[0], 2);
	free(image);
}

/* Argument: a pattern of test names, * for any characters. */
int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
#define T(fn, setup) cmocka_unit_test_setup_teardown(fn, setup, clean_up)
		T(test_cli, empty_state),
		T(test_enrolment, empty_state),
		T(test_life, ready_device),
		T(test_http, ready_device),
		T(test_one_port, ready_device),
		T(test_core, ready_device),
		T(test_results, ready_device),
		T(test_long_poll, ready_device),
		T(test_every_loss, ready_device),
		T(test_forgery, ready_device),
		T(test_power_cuts, ready_device),
		T(test_killed_server, ready_device),
		T(test_two_servers, ready_device),
		T(test_restored, ready_device),
		T(test_restored_pending, ready_device),
		T(test_clone, ready_device),
		T(test_rate_limit, ready_device),
		T(test_constraints, ready_device),
		T(test_secrets, ready_device),
		T(test_cancel, ready_device),
	};

	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests_name("crtm-kms", tests, NULL, NULL);
}
