// SPDX-License-Identifier: MIT
/*
 * Batches through policy, journal and device: what is sent, and what is said of it.
 */
#include <crtm.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "policy.h"
#include "relay.h"
#include "test.h"

/* A device that notes what it gets and does to each block what the test wants. */

#define MAX_SEEN 256

struct seen {
	bool write;
	uint8_t type;
	int64_t step;
	unsigned int list;	/* number of the call, from 1 */
};

static struct {
	struct seen seen[MAX_SEEN];
	unsigned int nr_seen;
	unsigned int lists;
	int64_t at;		/* step that something happens at, -1: none */
	uint8_t status;		/* there: refused with it, */
	int result;		/* or unknown, */
	bool signal;		/* or the list ends before it, */
	int err;		/* or its whole list gets this errno */
	bool check_journal;
} mock;

static struct device device;
static struct journal *journal;

static unsigned int pending(int64_t *job, const struct outcome **o)
{
	return journal_pending(journal, job, o);
}

/* At the moment of sending, the journal on the medium must know every block. */
static void check_announced(int64_t first, unsigned int nr)
{
	const struct outcome *o;
	struct journal *copy;
	unsigned int i, k, n;
	int64_t job;
	size_t len;
	char *data = file_read("journal", &len);

	file_write("copy", data, len);
	free(data);
	assert_int_equal(journal_open(&copy, "copy"), 0);
	n = journal_pending(copy, &job, &o);
	for (i = 0; i < nr; i++) {
		for (k = 0; k < n && o[k].step != first + i; k++)
			;
		assert_true(k < n);
		assert_int_equal(o[k].kind, OUTCOME_UNKNOWN);
		assert_string_equal(o[k].error, "CRASH");
	}
	journal_close(copy);
}

static int mock_exchange(struct device *d, bool write, struct mtd_crtm_entry *entries,
			 unsigned int nr)
{
	unsigned int i;

	(void)d;
	mock.lists++;
	if (mock.check_journal)
		check_announced(((const uint8_t *)(uintptr_t)entries[0].in)[11], nr);
	for (i = 0; i < nr; i++) {
		const uint8_t *in = (const void *)(uintptr_t)entries[i].in;

		if (in[11] == mock.at && mock.err)
			return mock.err;
	}
	for (i = 0; i < nr; i++) {
		const uint8_t *in = (const void *)(uintptr_t)entries[i].in;
		uint8_t *out = (void *)(uintptr_t)entries[i].out;

		if (in[11] == mock.at && mock.signal)
			return 0;
		mock.seen[mock.nr_seen++] = (struct seen){ write, in[1], in[11], mock.lists };
		entries[i].sent = 1;
		if (in[11] == mock.at && mock.result) {
			entries[i].result = mock.result;
			return 0;
		}
		entries[i].status = in[11] == mock.at ? mock.status : RPMC_STATUS_SUCCESS;
		out[0] = entries[i].status;
		out[1] = in[11];
		entries[i].out_len = 2;
		if (entries[i].status != RPMC_STATUS_SUCCESS)
			return 0;
	}
	return 0;
}

static const struct device_ops mock_ops = { .exchange = mock_exchange };

static int setup(void **state)
{
	(void)state;
	memset(&mock, 0, sizeof(mock));
	mock.at = -1;
	device = (struct device){ .ops = &mock_ops };
	device_fake_info(&device.info, "mock");
	return journal_open(&journal, "journal");
}

static int teardown(void **state)
{
	journal_close(journal);
	return scratch_empty(state);
}

static void reopen(void)
{
	journal_close(journal);
	assert_int_equal(journal_open(&journal, "journal"), 0);
}

/* Relay @b and expect one outcome a step from @first on. */
static const struct outcome *relay(struct batch *b, unsigned int first)
{
	const struct outcome *o;
	bool gone = false;
	unsigned int i;
	int64_t job;

	assert_int_equal(relay_batch(&device, journal, b, &gone), 0);
	assert_false(gone);
	assert_int_equal(pending(&job, &o), b->nr - first);
	assert_int_equal(job, b->job);
	for (i = first; i < b->nr; i++)
		assert_int_equal(o[i - first].step, b->steps[i].step);
	return o;
}

static void is_answer(const struct outcome *o, uint8_t status)
{
	assert_int_equal(o->kind, OUTCOME_ANSWERED);
	assert_int_equal(o->status, status);
	assert_int_equal(o->len, 2);
	assert_int_equal(o->response[0], status);
	assert_int_equal(o->response[1], o->step);
}

static void is_error(const struct outcome *o, enum outcome_kind kind, const char *error)
{
	assert_int_equal(o->kind, kind);
	assert_string_equal(o->error, error);
	assert_int_equal(o->len, 0);
}

static void test_policy(void **state)
{
	struct batch *b = batch_make(1, 0, 1);
	struct step *s = &b->steps[0];
	unsigned int type, passed = 0;

	(void)state;
	for (type = 0; type < 256; type++) {
		const struct crtm_command *cmd = crtm_command(type);
		bool relayed = cmd && (cmd->flags & CRTM_F_RELAY);

		step_set(s, true, type);
		assert_int_equal(!policy_check(s, RPMC_OP1_DEFAULT),
				 relayed && cmd->class == CRTM_WR);
		step_set(s, false, type);
		assert_int_equal(!policy_check(s, RPMC_OP1_DEFAULT),
				 relayed && cmd->class == CRTM_RD);
		passed += relayed;

		/* the block is another command than the step says */
		step_set(s, true, CRTM_PROGRAM);
		s->block[RPMC_OFF_TYPE] = type;
		assert_int_equal(!policy_check(s, RPMC_OP1_DEFAULT), type == CRTM_PROGRAM);
		step_set(s, true, CRTM_PROGRAM);
		s->type = type;
		assert_int_equal(!policy_check(s, RPMC_OP1_DEFAULT), type == CRTM_PROGRAM);

		/* any other opcode of the chip */
		step_set(s, true, CRTM_PROGRAM);
		s->block[0] = type;
		assert_int_equal(!policy_check(s, RPMC_OP1_DEFAULT), type == RPMC_OP1_DEFAULT);
		s->block[0] = RPMC_OP1_DEFAULT;
	}
	assert_int_not_equal(passed, 0);

	/* never, whatever a table says */
	step_set(s, true, RPMC_WRITE_ROOT_KEY);
	assert_non_null(policy_check(s, RPMC_OP1_DEFAULT));
	step_set(s, false, CRTM_DERIVE_KEY);
	assert_non_null(policy_check(s, RPMC_OP1_DEFAULT));
	step_set(s, true, CRTM_LOCK_DERIVATION);
	assert_non_null(policy_check(s, RPMC_OP1_DEFAULT));

	step_set(s, true, CRTM_PROGRAM);
	s->len = RPMC_HDR_LEN - 1;
	assert_non_null(policy_check(s, RPMC_OP1_DEFAULT));
	batch_free(b);
}

/* Lists of one class, none longer than the kernel takes, every block once and in order. */
static void test_lists(void **state)
{
	static const unsigned int list_of[] = { 1, 1, 1, 2, 2, 3, 3, 3, 4 };
	struct batch *b = batch_make(1, 10, 9);
	const struct outcome *o;
	unsigned int i;

	(void)state;
	mock.check_journal = true;
	device.info.max_list = 3;
	step_set(&b->steps[3], false, CRTM_GET_INFO);
	step_set(&b->steps[4], false, CRTM_MEASURE);
	o = relay(b, 0);
	assert_int_equal(mock.nr_seen, 9);
	for (i = 0; i < 9; i++) {
		assert_int_equal(mock.seen[i].step, 10 + i);
		assert_int_equal(mock.seen[i].write, b->steps[i].write);
		assert_int_equal(mock.seen[i].type, b->steps[i].type);
		assert_int_equal(mock.seen[i].list, list_of[i]);
		is_answer(&o[i], RPMC_STATUS_SUCCESS);
	}
	batch_free(b);
}

/* A refusal, an unknown outcome, an errno or a signal at every step stops the rest. */
static void test_stops(void **state)
{
	struct batch *b = batch_make(1, 0, 8);
	unsigned int at, what, i;

	(void)state;
	for (what = 0; what < 4; what++) {
		for (at = 0; at < 8; at++) {
			const struct outcome *o;

			teardown(state);
			assert_int_equal(setup(state), 0);
			device.info.max_list = 3;
			mock.at = at;
			mock.status = RPMC_STATUS_COUNTER;
			mock.result = what == 1 ? -ETIMEDOUT : 0;
			mock.err = what == 2 ? -EPERM : 0;
			mock.signal = what == 3;
			o = relay(b, 0);
			for (i = 0; i < 8; i++) {
				if (what == 2 && i / 3 == at / 3)
					is_error(&o[i], OUTCOME_UNSENT, "EPERM");
				else if (i < at)
					is_answer(&o[i], RPMC_STATUS_SUCCESS);
				else if (i > at)
					is_error(&o[i], OUTCOME_UNSENT, "STOPPED");
				else if (what == 0)
					is_answer(&o[i], RPMC_STATUS_COUNTER);
				else if (what == 1)
					is_error(&o[i], OUTCOME_UNKNOWN, "ETIMEDOUT");
				else
					is_error(&o[i], OUTCOME_UNSENT, "EINTR");
			}
			assert_int_equal(mock.nr_seen,
					 what == 2 ? at / 3 * 3 : what == 3 ? at : at + 1);
		}
	}
	batch_free(b);
}

static void test_forbidden(void **state)
{
	struct batch *b = batch_make(1, 0, 5);
	const struct outcome *o;

	(void)state;
	step_set(&b->steps[2], false, CRTM_DERIVE_KEY);
	o = relay(b, 0);
	is_answer(&o[0], RPMC_STATUS_SUCCESS);
	is_answer(&o[1], RPMC_STATUS_SUCCESS);
	is_error(&o[2], OUTCOME_UNSENT, "POLICY");
	is_error(&o[3], OUTCOME_UNSENT, "STOPPED");
	is_error(&o[4], OUTCOME_UNSENT, "STOPPED");
	assert_int_equal(mock.nr_seen, 2);
	batch_free(b);
}

static void test_gone(void **state)
{
	struct batch *b = batch_make(1, 0, 2);
	const struct outcome *o;
	bool gone = false;
	int64_t job;

	(void)state;
	mock.at = 0;
	mock.err = -ENODEV;
	assert_int_equal(relay_batch(&device, journal, b, &gone), 0);
	assert_true(gone);
	assert_int_equal(pending(&job, &o), 2);
	is_error(&o[0], OUTCOME_UNSENT, "ENODEV");
	batch_free(b);
}

/* The server comes again with a batch of which some has been dealt with. */
static void test_again(void **state)
{
	struct batch *part = batch_make(1, 0, 3), *b = batch_make(1, 0, 8);
	const struct outcome *o;
	unsigned int i;

	(void)state;
	relay(part, 0);
	assert_int_equal(journal_acked(journal, true), 0);
	assert_int_equal(mock.nr_seen, 3);
	reopen();
	o = relay(b, 3);
	assert_int_equal(mock.nr_seen, 8);
	for (i = 3; i < 8; i++) {
		assert_int_equal(mock.seen[i].step, i);
		is_answer(&o[i - 3], RPMC_STATUS_SUCCESS);
	}
	batch_free(part);
	batch_free(b);
}

static void test_again_after_crash(void **state)
{
	struct batch *b = batch_make(1, 0, 8);
	const struct outcome *o;
	unsigned int i;
	int64_t job;

	(void)state;
	assert_int_equal(journal_intent(journal, 1, b->steps, 3), 0);
	reopen();
	assert_int_equal(pending(&job, &o), 3);
	assert_int_equal(journal_acked(journal, false), 0);
	o = relay(b, 3);
	for (i = 3; i < 8; i++)
		is_error(&o[i - 3], OUTCOME_UNSENT, "STOPPED");
	assert_int_equal(mock.nr_seen, 0);
	batch_free(b);
}

static void test_again_whole(void **state)
{
	struct batch *b = batch_make(1, 0, 8);
	const struct outcome *o;
	bool gone = false;
	unsigned int i;
	int64_t job;

	(void)state;
	relay(b, 0);
	assert_int_equal(journal_acked(journal, true), 0);
	assert_int_equal(relay_batch(&device, journal, b, &gone), -EALREADY);
	assert_int_equal(pending(&job, &o), 8);
	for (i = 0; i < 8; i++)
		is_error(&o[i], OUTCOME_UNKNOWN, "CRASH");
	assert_int_equal(mock.nr_seen, 8);
	batch_free(b);
}

/* A journal that lost records: one batch is given up, the next goes through. */
static void test_doubt(void **state)
{
	struct batch *b = batch_make(1, 0, 4), *next = batch_make(1, 4, 4);
	const struct outcome *o;
	unsigned int i;
	size_t len;
	char *data;

	(void)state;
	relay(b, 0);
	journal_close(journal);
	data = file_read("journal", &len);
	file_write("journal", data, 0);
	free(data);
	assert_int_equal(journal_open(&journal, "journal"), 0);
	o = relay(b, 0);
	for (i = 0; i < 4; i++)
		is_error(&o[i], OUTCOME_UNKNOWN, "CRASH");
	assert_int_equal(mock.nr_seen, 4);
	assert_int_equal(journal_acked(journal, true), 0);
	o = relay(next, 0);
	for (i = 0; i < 4; i++)
		is_answer(&o[i], RPMC_STATUS_SUCCESS);
	assert_int_equal(mock.nr_seen, 8);
	batch_free(b);
	batch_free(next);
}

/* A response longer than the buffer that was given, from a kernel that is broken */
static int liar_exchange(struct device *d, bool write, struct mtd_crtm_entry *entries,
			 unsigned int nr)
{
	(void)d;
	(void)write;
	assert_int_equal(nr, 1);
	entries[0].sent = 1;
	entries[0].status = RPMC_STATUS_SUCCESS;
	entries[0].out_len = UINT32_MAX;
	return 0;
}

static void test_liar(void **state)
{
	static const struct device_ops ops = { .exchange = liar_exchange };
	struct batch *b = batch_make(1, 0, 1);
	const struct outcome *o;

	(void)state;
	device.ops = &ops;
	o = relay(b, 0);
	assert_int_equal(o[0].len, RESPONSE_MAX);
	batch_free(b);
}

/* Blocks of any length, max of any size: what reaches the device is what came. */
static void test_null(void **state)
{
	struct batch *b = batch_make(1, 0, 64);
	const struct outcome *o;
	const char *arg;
	unsigned int i;

	(void)state;
	device.ops = device_find("null:", &arg);
	assert_int_equal(device.ops->open(&device, arg), 0);
	for (i = 0; i < 64; i++)
		b->steps[i].max = 1;
	o = relay(b, 0);
	for (i = 0; i < 64; i++) {
		assert_int_equal(o[i].kind, OUTCOME_ANSWERED);
		assert_int_equal(o[i].len, 1);
	}
	device.ops->close(&device);
	batch_free(b);
}

static const char *hex_line(char *line, const char *class, const struct step *s, const char *rest)
{
	unsigned int i;
	char *p = line + sprintf(line, "%s ", class);

	for (i = 0; i < s->len; i++)
		p += sprintf(p, "%02x", s->block[i]);
	sprintf(p, " %s\n", rest);
	return line;
}

static void test_replay(void **state)
{
	struct batch *b = batch_make(1, 0, 5);
	char text[4096] = "", line[1024];
	const struct outcome *o;
	const char *arg;

	(void)state;
	step_set(&b->steps[1], false, CRTM_GET_INFO);
	strcat(text, hex_line(line, "wr", &b->steps[0], "80 80aabb"));
	strcat(text, hex_line(line, "wr", &b->steps[3], "ETIMEDOUT -"));
	strcat(text, hex_line(line, "rd", &b->steps[1], "80 80"));
	strcat(text, hex_line(line, "wr", &b->steps[2], "80 -"));
	file_write("recording", text, strlen(text));

	device.ops = device_find("replay:recording", &arg);
	assert_int_equal(device.ops->open(&device, arg), 0);
	o = relay(b, 0);
	assert_int_equal(o[0].kind, OUTCOME_ANSWERED);
	assert_int_equal(o[0].len, 3);
	assert_memory_equal(o[0].response, "\x80\xaa\xbb", 3);
	assert_int_equal(o[1].kind, OUTCOME_ANSWERED);
	assert_int_equal(o[2].len, 0);
	is_error(&o[3], OUTCOME_UNKNOWN, "ETIMEDOUT");
	is_error(&o[4], OUTCOME_UNSENT, "STOPPED");
	device.ops->close(&device);
	batch_free(b);
}

static void test_replay_other(void **state)
{
	struct batch *b = batch_make(1, 0, 1);
	const struct outcome *o;
	const char *arg;
	bool gone = false;
	char line[1024];
	int64_t job;

	(void)state;
	/* the same bytes under another class are another exchange */
	hex_line(line, "rd", &b->steps[0], "80 80");
	file_write("recording", line, strlen(line));
	device.ops = device_find("replay:recording", &arg);
	assert_int_equal(device.ops->open(&device, arg), 0);
	assert_int_equal(relay_batch(&device, journal, b, &gone), 0);
	assert_true(gone);
	assert_int_equal(pending(&job, &o), 1);
	is_error(&o[0], OUTCOME_UNSENT, "ENODEV");
	device.ops->close(&device);
	batch_free(b);
}

static void test_replay_bad(void **state)
{
	static const char * const bad[] = {
		"\n", "wr\n", "wr 9b\n", "wr 9b 80\n", "xx 9b 80 -\n", "wr 9 80 -\n", "wr 9b 8 -\n",
		"wr 9b 8000 -\n", "wr 9b EWHAT -\n", "wr 9b 80 8\n", "wr 9b 80 - -\n",
		"wr 9b 80 -\nwr 9b\n",
	};
	const char *arg;
	unsigned int i;

	(void)state;
	device.ops = device_find("replay:recording", &arg);
	assert_int_equal(device.ops->open(&device, arg), -ENOENT);
	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		file_write("recording", bad[i], strlen(bad[i]));
		assert_int_equal(device.ops->open(&device, arg), -EINVAL);
	}
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_policy),
		TEST(test_lists),
		TEST(test_stops),
		TEST(test_forbidden),
		TEST(test_gone),
		TEST(test_again),
		TEST(test_again_after_crash),
		TEST(test_again_whole),
		TEST(test_doubt),
		TEST(test_liar),
		TEST(test_null),
		TEST(test_replay),
		TEST(test_replay_other),
		TEST(test_replay_bad),
	};

	return cmocka_run_group_tests_name("relay", tests, scratch_setup, scratch_teardown);
}
