// SPDX-License-Identifier: MIT
/*
 * World of the crtm-kms tests.
 */
#include <arpa/inet.h>
#include <curl/curl.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "env.h"
#include "hex.h"

#define MAX_BLOCK	300
#define MAX_RESPONSE	136
#define GIVE_UP		1000	/* rounds of the agent before a test counts as hung */

const char *const act_names[ACTS] = {
	"nothing", "forged answer", "forged refusal", "replayed answer", "lost answer",
	"lost block", "unsent", "power cycle before", "power cycle after", "power cut amid",
};

/* Every signed write block ever seen, over all databases: the server's first rule. */
static struct seen {
	char key[40];
	uint8_t block[MAX_BLOCK];
	size_t len;
} *ledger;
static size_t ledger_nr;

static void ledger_check(const char *key, const uint8_t *block, size_t len)
{
	size_t i;

	for (i = 0; i < ledger_nr; i++) {
		if (strcmp(ledger[i].key, key))
			continue;
		if (ledger[i].len != len || memcmp(ledger[i].block, block, len))
			fail_msg("two different blocks for %s", key);
		return;
	}
	ledger = realloc(ledger, (ledger_nr + 1) * sizeof(*ledger));
	snprintf(ledger[ledger_nr].key, sizeof(ledger[0].key), "%s", key);
	memcpy(ledger[ledger_nr].block, block, len);
	ledger[ledger_nr++].len = len;
}

/* Chip */

void chip_new(struct env *e)
{
	static const char name[] = "mt25qu128-authenta";

	crtm_user_free(e->user);
	e->user = crtm_user_new(crtm_chip_model(name, strlen(name)));
	assert_non_null(e->user);
	e->chip = &e->user->chip;
	e->chip->time_scale = 0;
	ledger_nr = 0;
}

void chip_power_cycle(struct env *e)
{
	crtm_chip_power_off(e->chip);
	crtm_chip_power_on(e->chip);
}

/* Return: length of the response, cut to what it says itself. */
static size_t chip_exchange(struct env *e, const uint8_t *block, size_t len, size_t max,
			    uint8_t *resp)
{
	size_t resp_len = max;

	e->commands[block[RPMC_OFF_TYPE]]++;
	crtm_user_exchange(e->user, block, len, resp, max);
	if (block[RPMC_OFF_TYPE] >= CRTM_OPEN_SESSION)
		resp_len = CRTM_RESP_OVERHEAD + (resp[CRTM_RESP_OFF_LENGTH] << 8 |
						 resp[CRTM_RESP_OFF_LENGTH + 1]);
	return resp_len <= max ? resp_len : 1;
}

/* Processes */

static int spawn(char *const argv[], int out, int err)
{
	pid_t pid = fork();

	assert_true(pid >= 0);
	if (pid)
		return pid;
	if (out >= 0)
		dup2(out, STDOUT_FILENO);
	if (err >= 0)
		dup2(err, STDERR_FILENO);
	execv(argv[0], argv);
	_exit(127);
}

static int wait_exit(pid_t pid)
{
	int status;

	assert_int_equal(waitpid(pid, &status, 0), pid);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

static int log_file(struct env *e)
{
	char path[96];
	int fd;

	snprintf(path, sizeof(path), "%s/log", e->dir);
	fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
	assert_true(fd >= 0);
	return fd;
}

static int free_port(void)
{
	struct sockaddr_in sin = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(0x7f000001) };
	socklen_t len = sizeof(sin);
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	assert_int_equal(bind(fd, (struct sockaddr *)&sin, sizeof(sin)), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&sin, &len), 0);
	close(fd);
	return ntohs(sin.sin_port);
}

static bool reachable(int port)
{
	struct sockaddr_in sin = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(0x7f000001),
				   .sin_port = htons(port) };
	int fd = socket(AF_INET, SOCK_STREAM, 0);
	int ret = connect(fd, (struct sockaddr *)&sin, sizeof(sin));

	close(fd);
	return !ret;
}

void server_start(struct env *e, int i)
{
	char listen[32], cert[96], key[96], ca[96];
	char *argv[] = { (char *)KMS, "--state", e->state, "serve", "--listen", listen, "--cert",
			 cert, "--key", key, "--ca", ca, NULL };
	int log = log_file(e), tries;

	if (!e->port[i])
		e->port[i] = free_port();
	snprintf(listen, sizeof(listen), "127.0.0.1:%d", e->port[i]);
	snprintf(cert, sizeof(cert), "%s/pki/server.crt", e->dir);
	snprintf(key, sizeof(key), "%s/pki/server.key", e->dir);
	snprintf(ca, sizeof(ca), "%s/pki/ca.crt", e->dir);
	e->server[i] = spawn(argv, log, log);
	close(log);
	for (tries = 0; !reachable(e->port[i]); tries++) {
		assert_int_equal(waitpid(e->server[i], NULL, WNOHANG), 0);
		assert_true(tries < 200);
		usleep(20000);
	}
}

void server_kill(struct env *e, int i)
{
	kill(e->server[i], SIGKILL);
	assert_int_equal(wait_exit(e->server[i]), 128 + SIGKILL);
	e->server[i] = 0;
}

void server_stop(struct env *e, int i)
{
	kill(e->server[i], SIGTERM);
	assert_int_equal(wait_exit(e->server[i]), 0);
	e->server[i] = 0;
}

static int vcli(struct env *e, char **out, const char *fmt, va_list ap)
{
	char line[1024], path[96], *argv[32] = { (char *)KMS, "--state", e->state };
	int n = 3, fd, log, ret;
	FILE *f;
	char *p;

	vsnprintf(line, sizeof(line), fmt, ap);
	for (p = strtok(line, " "); p; p = strtok(NULL, " "))
		argv[n++] = p;
	snprintf(path, sizeof(path), "%s/out", e->dir);
	fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	log = log_file(e);
	ret = wait_exit(spawn(argv, fd, log));
	close(log);
	close(fd);
	if (out) {
		*out = calloc(1, 1 << 20);
		f = fopen(path, "r");
		assert_true(fread(*out, 1, (1 << 20) - 1, f) < (1 << 20) - 1);
		fclose(f);
	}
	unlink(path);
	return ret;
}

int cli(struct env *e, char **out, const char *fmt, ...)
{
	va_list ap;
	int ret;

	va_start(ap, fmt);
	ret = vcli(e, out, fmt, ap);
	va_end(ap);
	return ret;
}

int64_t cli_job(struct env *e, const char *fmt, ...)
{
	int64_t job;
	va_list ap;
	char *out;

	va_start(ap, fmt);
	assert_int_equal(vcli(e, &out, fmt, ap), 0);
	va_end(ap);
	job = strtoll(out, NULL, 10);
	assert_true(job > 0);
	free(out);
	return job;
}

/* Set-up */

void env_new(struct env *e)
{
	char cmd[256];

	memset(e, 0, sizeof(*e));
	snprintf(e->dir, sizeof(e->dir), "/tmp/test-kms.XXXXXX");
	assert_non_null(mkdtemp(e->dir));
	snprintf(e->state, sizeof(e->state), "%s/state", e->dir);
	snprintf(cmd, sizeof(cmd), TEST_PKI " %s/pki " DEVICE " board-2 nobody", e->dir);
	assert_int_equal(system(cmd), 0);
	assert_int_equal(cli(e, NULL, "init"), 0);
	chip_new(e);
}

void env_free(struct env *e)
{
	char cmd[128];
	int i;

	for (i = 0; i < MAX_SERVERS; i++) {
		if (e->server[i])
			server_stop(e, i);
	}
	snprintf(cmd, sizeof(cmd), "rm -rf %s", e->dir);
	assert_int_equal(system(cmd), 0);
	crtm_user_free(e->user);
	e->user = NULL;
}

void enroll(struct env *e, const char *file)
{
	assert_int_equal(cli(e, NULL, "enroll " DEVICE " --id " CHIP_ID " --size 16M --slots %d"
			     " -o %s/%s", SLOTS, e->dir, file), 0);
}

/* As crtmctl provision does. */
void provision(struct env *e, const char *file, const char *answers)
{
	json_object *in, *out = json_object_new_object(), *list = json_object_new_array();
	uint8_t block[MAX_BLOCK], resp[MAX_RESPONSE];
	char path[128], hex[2 * MAX_RESPONSE + 1];
	json_object *slots, *slot, *blocks, *o, *r;
	size_t i, k, len;

	snprintf(path, sizeof(path), "%s/%s", e->dir, file);
	in = json_object_from_file(path);
	assert_non_null(in);
	slots = json_object_object_get(in, "slots");
	assert_int_equal(json_object_array_length(slots), SLOTS);
	for (i = 0; i < SLOTS; i++) {
		slot = json_object_array_get_idx(slots, i);
		blocks = json_object_object_get(slot, "blocks");
		r = json_object_new_array();
		for (k = 0; k < 3; k++) {
			assert_int_equal(hex_decode(json_object_get_string(
					 json_object_array_get_idx(blocks, k)), block,
					 sizeof(block), &len), 0);
			if (!k)
				memcpy(e->root_key[i], block + RPMC_HDR_LEN, 32);
			len = chip_exchange(e, block, len, RPMC_RESP_LEN, resp);
			hex_encode(hex, resp, len);
			o = json_object_new_object();
			json_object_object_add(o, "status", json_object_new_int(resp[0]));
			json_object_object_add(o, "response", json_object_new_string(hex));
			json_object_array_add(r, o);
		}
		o = json_object_new_object();
		json_object_object_add(o, "slot", json_object_new_int(i));
		json_object_object_add(o, "responses", r);
		json_object_array_add(list, o);
	}
	json_object_object_add(out, "v", json_object_new_int(1));
	json_object_object_add(out, "device", json_object_new_string(DEVICE));
	json_object_object_add(out, "chip", json_object_new_string("test"));
	json_object_object_add(out, "id", json_object_new_string(CHIP_ID));
	json_object_object_add(out, "slots", list);
	snprintf(path, sizeof(path), "%s/%s", e->dir, answers);
	assert_int_equal(json_object_to_file(path, out), 0);
	json_object_put(in);
	json_object_put(out);
}

/* HTTPS */

static size_t collect(char *data, size_t size, size_t n, void *to)
{
	char **text = to;
	size_t have = strlen(*text);

	*text = realloc(*text, have + size * n + 1);
	memcpy(*text + have, data, size * n);
	(*text)[have + size * n] = '\0';
	return size * n;
}

long http(struct env *e, const char *cert, const char *method, const char *path, const char *body,
	  char **answer)
{
	char url[128], ca[96], crt[112], key[112], *text = calloc(1, 1);
	CURL *curl = curl_easy_init();
	long code = 0;

	snprintf(url, sizeof(url), "https://127.0.0.1:%d%s", e->port[e->use], path);
	snprintf(ca, sizeof(ca), "%s/pki/ca.crt", e->dir);
	snprintf(crt, sizeof(crt), "%s/%s.crt", e->dir, cert ? cert : "");
	snprintf(key, sizeof(key), "%s/%s.key", e->dir, cert ? cert : "");
	curl_easy_setopt(curl, CURLOPT_URL, url);
	curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(curl, CURLOPT_TIMEOUT, 90L);
	curl_easy_setopt(curl, CURLOPT_CAINFO, ca);
	if (cert) {
		curl_easy_setopt(curl, CURLOPT_SSLCERT, crt);
		curl_easy_setopt(curl, CURLOPT_SSLKEY, key);
	}
	curl_easy_setopt(curl, CURLOPT_CUSTOMREQUEST, method);
	if (body)
		curl_easy_setopt(curl, CURLOPT_POSTFIELDS, body);
	curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, collect);
	curl_easy_setopt(curl, CURLOPT_WRITEDATA, &text);
	if (curl_easy_perform(curl) == CURLE_OK)
		curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &code);
	curl_easy_cleanup(curl);
	if (answer)
		*answer = text;
	else
		free(text);
	return code;
}

/* The server may die in the middle of it: then start another and say 0. */
static long request(struct env *e, const char *method, const char *path, const char *body,
		    char **answer)
{
	bool dies = e->kill_in && !--e->kill_in;
	pid_t killer = 0;
	long code;

	if (dies) {
		killer = fork();
		if (!killer) {
			usleep(rand() % 12000);
			kill(e->server[e->use], SIGKILL);
			_exit(0);
		}
	}
	code = http(e, "pki/" DEVICE, method, path, body, answer);
	if (dies) {
		wait_exit(killer);
		assert_int_equal(wait_exit(e->server[e->use]), 128 + SIGKILL);
		server_start(e, e->use);
	} else {
		assert_int_not_equal(code, 0);
	}
	return code;
}

long next_batch(struct env *e, int wait, json_object **batch, char **text)
{
	char path[32], *answer = NULL;
	long code;

	snprintf(path, sizeof(path), "/v1/next?wait=%d", wait);
	code = request(e, "GET", path, NULL, &answer);
	*batch = code == 200 ? json_tokener_parse(answer) : NULL;
	if (text)
		*text = answer;
	else
		free(answer);
	return code;
}

long post(struct env *e, json_object *results)
{
	return request(e, "POST", "/v1/results", json_object_to_json_string(results), NULL);
}

static void note_block(const uint8_t *block, size_t len)
{
	static uint32_t session_mc;
	uint32_t v = (uint32_t)block[4] << 24 | block[5] << 16 | block[6] << 8 | block[7];
	uint8_t type = block[RPMC_OFF_TYPE];
	char key[40];

	if (type == CRTM_OPEN_SESSION || type == RPMC_INCREMENT_COUNTER) {
		snprintf(key, sizeof(key), "mc %u", v);
		ledger_check(key, block, len);
		session_mc = v;
	} else if (type > CRTM_OPEN_SESSION && type <= CRTM_PROTECT) {
		snprintf(key, sizeof(key), "session %u seq %u", session_mc, v);
		ledger_check(key, block, len);
	}
}

static enum act act_for(struct env *e, int type)
{
	struct fault *f = &e->fault;
	int n;

	if (!f->act || f->type != type)
		return ACT_NONE;
	n = f->seen++;
	return n >= f->nth && n <= f->nth + f->times ? f->act : ACT_NONE;
}

static void add_text(json_object *o, const char *name, const char *text)
{
	json_object_object_add(o, name, json_object_new_string(text));
}

/* One step. Return: may the next one be sent? */
static bool carry_out_step(struct env *e, json_object *step, json_object *r)
{
	int type = json_object_get_int(json_object_object_get(step, "type"));
	size_t len, resp_len = 0, max = json_object_get_int(json_object_object_get(step, "max"));
	uint8_t block[MAX_BLOCK], resp[MAX_RESPONSE];
	char hex[2 * MAX_RESPONSE + 1];
	enum act act = act_for(e, type);

	assert_int_equal(hex_decode(json_object_get_string(json_object_object_get(step, "block")),
				    block, sizeof(block), &len), 0);
	assert_int_equal(block[RPMC_OFF_TYPE], type);
	note_block(block, len);
	if (act == ACT_UNSENT) {
		add_text(r, "outcome", "unsent");
		add_text(r, "error", "EINTR");
		return false;
	}
	if (act == ACT_POWER_BEFORE)
		chip_power_cycle(e);
	if (act == ACT_POWER_AMID)
		e->chip->cut_in = 1;
	if (act != ACT_LOST_BLOCK)
		resp_len = chip_exchange(e, block, len, max, resp);
	if (act == ACT_POWER_AFTER || act == ACT_POWER_AMID) {
		e->chip->cut_in = 0;
		chip_power_cycle(e);
	}
	if (act == ACT_LOST_BLOCK || act == ACT_LOST_ANSWER || act == ACT_POWER_AFTER ||
	    act == ACT_POWER_AMID) {
		add_text(r, "outcome", "unknown");
		add_text(r, "error", act == ACT_LOST_ANSWER ? "EIO" : "CRASH");
		return false;
	}
	if (act == ACT_FORGE) {
		resp[resp_len - 1] ^= 1;
	} else if (act == ACT_FORGE_REFUSAL) {
		memset(resp, 0, resp_len);
		resp[0] = RPMC_STATUS_SIGNATURE;
	} else if (act == ACT_REPLAY && e->old_len[type]) {
		resp_len = e->old_len[type];
		memcpy(resp, e->old[type], resp_len);
	} else if (resp[0] == RPMC_STATUS_SUCCESS) {
		e->old_len[type] = resp_len;
		memcpy(e->old[type], resp, resp_len);
	}
	hex_encode(hex, resp, resp_len);
	add_text(r, "outcome", "answered");
	json_object_object_add(r, "status", json_object_new_int(resp[0]));
	add_text(r, "response", hex);
	return resp[0] == RPMC_STATUS_SUCCESS;
}

json_object *carry_out(struct env *e, json_object *batch)
{
	json_object *out = json_object_new_object(), *list = json_object_new_array(), *r, *s;
	json_object *steps = json_object_object_get(batch, "steps");
	bool go = true;
	size_t i;

	for (i = 0; i < json_object_array_length(steps); i++) {
		s = json_object_array_get_idx(steps, i);
		r = json_object_new_object();
		json_object_object_add(r, "step",
				       json_object_get(json_object_object_get(s, "step")));
		if (go) {
			go = carry_out_step(e, s, r);
		} else {
			add_text(r, "outcome", "unsent");
			add_text(r, "error", "STOPPED");
		}
		json_object_array_add(list, r);
	}
	json_object_object_add(out, "v", json_object_new_int(1));
	json_object_object_add(out, "job", json_object_get(json_object_object_get(batch, "job")));
	json_object_object_add(out, "results", list);
	return out;
}

const char *work(struct env *e, int64_t job)
{
	static const char *const states[] = { "done", "failed", "held" };
	json_object *batch, *results;
	long code;
	int i, n;

	for (n = 0; n < GIVE_UP; n++) {
		for (i = 0; i < 3; i++) {
			if (sql_int(e, "SELECT count(*) FROM job WHERE id = %lld AND state = '%s'",
				    (long long)job, states[i]))
				return states[i];
		}
		code = next_batch(e, 0, &batch, NULL);
		assert_true(code == 200 || code == 204 || !code);
		if (code != 200) {
			usleep(20000);
			continue;
		}
		results = carry_out(e, batch);
		do {
			code = post(e, results);
		} while (!code);
		assert_int_equal(code, 200);
		json_object_put(results);
		json_object_put(batch);
	}
	fail_msg("job %lld does not end", (long long)job);
	return NULL;
}

/* Database */

static sqlite3 *database(struct env *e)
{
	char path[128];
	sqlite3 *db;

	snprintf(path, sizeof(path), "%s/kms.db", e->state);
	assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
	sqlite3_busy_timeout(db, 10000);
	return db;
}

int64_t sql_int(struct env *e, const char *fmt, ...)
{
	sqlite3 *db = database(e);
	sqlite3_stmt *st;
	char text[512];
	int64_t v = -1;
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	assert_int_equal(sqlite3_prepare_v2(db, text, -1, &st, NULL), SQLITE_OK);
	if (sqlite3_step(st) == SQLITE_ROW)
		v = sqlite3_column_int64(st, 0);
	sqlite3_finalize(st);
	sqlite3_close(db);
	return v;
}

int sql(struct env *e, const char *fmt, ...)
{
	sqlite3 *db = database(e);
	char text[512];
	va_list ap;
	int ret;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	ret = sqlite3_exec(db, text, NULL, NULL, NULL);
	sqlite3_close(db);
	return ret;
}
