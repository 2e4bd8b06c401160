// SPDX-License-Identifier: MIT
/*
 * The agent's journal as an attacker left it: any bytes, or records that the chain
 * vouches for. It may cost a batch, not the agent: what is pending can be reported.
 */
#include "fuzz.h"

#include <endian.h>
#include <openssl/sha.h>
#include <unistd.h>

#include "journal.h"
#include "jsonx.h"

#define FILE_LEN	(1 << 18)
#define HEAD_LEN	48
#define CHAIN_LEN	32

static uint8_t file[FILE_LEN];
static char path[64], name[80];

/* The journal says a lot of one that was damaged. */
void log_line(int level, const char *fmt, ...)
{
	CHECK(level <= 7 && fmt);
}

static void remove_folder(void)
{
	char other[96];

	unlink(name);
	snprintf(other, sizeof(other), "%s.lock", name);
	unlink(other);
	rmdir(path);
}

/* Records from the input's lengths and bytes, with a head and a chain that fit */
static size_t make_file(struct fuzz_in *in)
{
	uint8_t chain[CHAIN_LEN + 4 + 256] = { 0 };
	uint32_t len, be;
	uint64_t end;
	size_t pos = HEAD_LEN;

	while (in->left && pos + 4 + 256 + CHAIN_LEN <= FILE_LEN) {
		len = fuzz_u8(in);
		be = htobe32(len);
		memcpy(file + pos, &be, 4);
		fuzz_bytes(in, file + pos + 4, len);
		memcpy(chain + CHAIN_LEN, file + pos, 4 + len);
		SHA256(chain, CHAIN_LEN + 4 + len, chain);
		memcpy(file + pos + 4 + len, chain, CHAIN_LEN);
		pos += 4 + len + CHAIN_LEN;
	}
	memcpy(file, "CRTMJNL1", 8);
	end = htobe64(pos);
	memcpy(file + 8, &end, 8);
	memcpy(file + 16, chain, CHAIN_LEN);
	return pos;
}

static void check_report(const json_object *o, const struct outcome *outcome)
{
	uint8_t response[RESPONSE_MAX];
	size_t len;
	int64_t v;

	CHECK(jsonx_int64(o, "step", 0, INT64_MAX, &v) && v == outcome->step);
	CHECK(jsonx_str(o, "outcome", 16));
	if (outcome->kind == OUTCOME_ANSWERED) {
		CHECK(jsonx_int64(o, "status", 0, 255, &v) && v == outcome->status);
		CHECK(jsonx_hex(o, "response", response, sizeof(response), &len) && len);
		CHECK(len == outcome->len && !memcmp(response, outcome->response, len));
	} else {
		CHECK(jsonx_str(o, "error", 31));
	}
}

/* The server takes no other form; then the journal is as good as new. */
static void check_pending(struct journal *j)
{
	const struct outcome *outcomes;
	json_object *o, *list;
	unsigned int nr, i;
	const char *why;
	int64_t job, v;
	char *text;

	nr = journal_pending(j, &job, &outcomes);
	CHECK(nr <= BATCH_MAX_STEPS);
	if (!nr)
		return;
	text = results_format(job, outcomes, nr);
	CHECK(text);
	o = jsonx_parse(text, strlen(text), &why);
	CHECK(o && jsonx_int64(o, "job", 1, INT64_MAX, &v) && v == job);
	list = jsonx_array(o, "results", nr, nr);
	CHECK(list);
	for (i = 0; i < nr; i++)
		check_report(json_object_array_get_idx(list, i), &outcomes[i]);
	json_object_put(o);
	free(text);
	CHECK(!journal_acked(j, true));
	CHECK(!journal_pending(j, &job, &outcomes));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fuzz_in in = { data, size };
	bool raw = fuzz_u8(&in) & 1, doubt, stopped;
	struct journal *j;
	size_t len;
	FILE *f;

	if (!*path) {
		snprintf(path, sizeof(path), "%s/crtm-fuzz-XXXXXX",
			 access("/dev/shm", W_OK) ? "/tmp" : "/dev/shm");
		CHECK(mkdtemp(path));
		snprintf(name, sizeof(name), "%s/journal", path);
		atexit(remove_folder);
	}
	len = raw ? in.left : make_file(&in);
	f = fopen(name, "w");
	CHECK(f && fwrite(raw ? in.p : file, 1, len, f) == len && !fclose(f));

	CHECK(!journal_open(&j, name));
	doubt = journal_in_doubt(j);
	check_pending(j);
	/* A batch that was reported ends the doubt; nothing else does. */
	journal_known(j, 1, 0, &stopped);
	journal_close(j);
	CHECK(!journal_open(&j, name));
	CHECK(!journal_in_doubt(j) || doubt);
	journal_close(j);
	return 0;
}
