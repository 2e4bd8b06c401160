// SPDX-License-Identifier: MIT
/*
 * The journal: what it keeps, and that no damage makes a step look unsent.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "journal.h"
#include "test.h"

static struct journal *open_ok(void)
{
	struct journal *j;

	assert_int_equal(journal_open(&j, "journal"), 0);
	return j;
}

static struct journal *reopen(struct journal *j)
{
	journal_close(j);
	return open_ok();
}

static void announce(struct journal *j, int64_t job, int64_t first, unsigned int nr)
{
	struct batch *b = batch_make(job, first, nr);

	assert_int_equal(journal_intent(j, job, b->steps, nr), 0);
	batch_free(b);
}

static void answer(struct journal *j, int64_t job, int64_t step, uint8_t status)
{
	struct outcome o = { .step = step, .kind = OUTCOME_ANSWERED, .status = status, .len = 3 };

	memcpy(o.response, (uint8_t []){ status, step, job }, 3);
	assert_int_equal(journal_outcomes(j, job, &o, 1), 0);
}

static void finish(struct journal *j, int64_t job, int64_t first, unsigned int nr)
{
	unsigned int i;

	announce(j, job, first, nr);
	for (i = 0; i < nr; i++)
		answer(j, job, first + i, RPMC_STATUS_SUCCESS);
	assert_int_equal(journal_acked(j, true), 0);
}

static bool pending(struct journal *j, int64_t job, int64_t step)
{
	const struct outcome *o;
	unsigned int i, nr;
	int64_t of;

	nr = journal_pending(j, &of, &o);
	for (i = 0; i < nr; i++)
		if (of == job && o[i].step == step)
			return true;
	return false;
}

/* What relay_batch() goes by: would it send this step? */
static bool would_send(struct journal *j, int64_t job, int64_t step)
{
	bool stopped;

	return !journal_in_doubt(j) && !journal_known(j, job, step, &stopped) &&
	       !pending(j, job, step);
}

static void test_new(void **state)
{
	struct journal *j = open_ok();
	const struct outcome *o;
	struct stat st;
	int64_t job;

	(void)state;
	assert_false(journal_in_doubt(j));
	assert_int_equal(journal_pending(j, &job, &o), 0);
	assert_true(would_send(j, 1, 0));
	j = reopen(j);
	assert_false(journal_in_doubt(j));
	assert_int_equal(stat("journal", &st), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
	journal_close(j);
}

static void test_lock(void **state)
{
	struct journal *j = open_ok(), *other;

	(void)state;
	assert_int_equal(journal_open(&other, "journal"), -EBUSY);
	/* still after the file was replaced */
	finish(j, 1, 0, 1);
	j = reopen(j);
	assert_int_equal(journal_open(&other, "journal"), -EBUSY);
	journal_close(j);
}

static void test_no_folder(void **state)
{
	struct journal *j;

	(void)state;
	assert_int_equal(journal_open(&j, "nowhere/journal"), -ENOENT);
	assert_int_equal(symlink("/dev/null", "journal"), 0);
	assert_int_equal(journal_open(&j, "journal"), -ELOOP);
	assert_int_equal(unlink("journal"), 0);
	assert_int_equal(mkfifo("journal", 0600), 0);
	assert_int_equal(journal_open(&j, "journal"), -EINVAL);
}

static void test_crash(void **state)
{
	struct journal *j = open_ok();
	const struct outcome *o;
	bool stopped = false;
	int64_t job;

	(void)state;
	announce(j, 7, 3, 3);
	answer(j, 7, 3, RPMC_STATUS_SUCCESS);
	j = reopen(j);
	assert_false(journal_in_doubt(j));
	assert_int_equal(journal_pending(j, &job, &o), 3);
	assert_int_equal(job, 7);
	assert_int_equal(o[0].step, 3);
	assert_int_equal(o[0].kind, OUTCOME_ANSWERED);
	assert_int_equal(o[0].status, RPMC_STATUS_SUCCESS);
	assert_int_equal(o[0].len, 3);
	assert_memory_equal(o[0].response, ((uint8_t []){ RPMC_STATUS_SUCCESS, 3, 7 }), 3);
	assert_int_equal(o[1].step, 4);
	assert_int_equal(o[1].kind, OUTCOME_UNKNOWN);
	assert_string_equal(o[1].error, "CRASH");
	assert_int_equal(o[2].kind, OUTCOME_UNKNOWN);

	/* still so if the agent dies again before it could report */
	j = reopen(j);
	assert_int_equal(journal_pending(j, &job, &o), 3);
	assert_int_equal(o[0].kind, OUTCOME_ANSWERED);
	assert_int_equal(o[2].kind, OUTCOME_UNKNOWN);

	assert_int_equal(journal_acked(j, false), 0);
	assert_int_equal(journal_pending(j, &job, &o), 0);
	j = reopen(j);
	assert_int_equal(journal_pending(j, &job, &o), 0);
	assert_true(journal_known(j, 7, 5, &stopped));
	assert_true(stopped);
	assert_false(would_send(j, 7, 4));
	assert_true(would_send(j, 7, 6));
	assert_true(would_send(j, 6, 0));
	journal_close(j);
}

static void test_known(void **state)
{
	struct journal *j = open_ok();
	bool stopped = true;
	unsigned int i;

	(void)state;
	finish(j, 1, 0, 64);
	assert_true(journal_known(j, 1, 63, &stopped));
	assert_false(stopped);
	/* steps that are asked for again do not make later ones unknown */
	finish(j, 1, 0, 2);
	assert_true(journal_known(j, 1, 63, &stopped));
	for (i = 2; i < 2 + JOURNAL_JOBS - 1; i++)
		finish(j, i, 0, 1);
	assert_true(journal_known(j, 1, 63, &stopped));
	assert_true(journal_known(j, 2, 0, &stopped));
	j = reopen(j);
	assert_true(journal_known(j, 1, 63, &stopped));
	/* the oldest gives way */
	finish(j, 1000, 0, 1);
	assert_false(journal_known(j, 1, 63, &stopped));
	assert_true(journal_known(j, 2, 0, &stopped));
	assert_true(journal_known(j, 1000, 0, &stopped));
	journal_close(j);
}

static void test_bounded(void **state)
{
	struct journal *j = open_ok();
	struct stat st;
	int64_t i;

	(void)state;
	for (i = 0; i < 100; i++) {
		finish(j, 1 + i / 20, i % 20 * 64, 64);
		assert_int_equal(stat("journal", &st), 0);
		assert_true(st.st_size < 128 << 10);
	}
	j = reopen(j);
	for (i = 0; i < 5; i++)
		assert_false(would_send(j, 1 + i, 20 * 64 - 1));
	assert_int_equal(stat("journal", &st), 0);
	assert_true(st.st_size < 4 << 10);
	journal_close(j);
}

static void test_same_step_twice(void **state)
{
	struct batch *b = batch_make(1, 0, 1);
	struct journal *j = open_ok();

	(void)state;
	assert_int_equal(journal_intent(j, 1, b->steps, 1), 0);
	assert_int_equal(journal_intent(j, 1, b->steps, 1), -EINVAL);
	journal_close(j);
	batch_free(b);
}

static void test_no_space(void **state)
{
	const struct rlimit small = { 0, RLIM_INFINITY }, any = { RLIM_INFINITY, RLIM_INFINITY };
	struct batch *b = batch_make(1, 0, 4);
	struct journal *j = open_ok();

	(void)state;
	signal(SIGXFSZ, SIG_IGN);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
	assert_int_equal(journal_intent(j, 1, b->steps, 4), -EFBIG);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &any), 0);
	/* nothing was sent, nothing is held against the steps */
	j = reopen(j);
	assert_true(would_send(j, 1, 0));
	journal_close(j);
	batch_free(b);
}

/* Damage */

struct sent {
	int64_t job;
	int64_t step;
};

static const struct sent sent[] = { { 1, 0 }, { 1, 1 }, { 2, 0 }, { 2, 1 }, { 2, 2 } };

/* One job the server knows all about, and one with an answer and two in flight. */
static char *damaged_setup(size_t *len)
{
	struct journal *j = open_ok();

	finish(j, 1, 0, 2);
	announce(j, 2, 0, 3);
	answer(j, 2, 0, RPMC_STATUS_SUCCESS);
	journal_close(j);
	return file_read("journal", len);
}

static void never_again(const char *data, size_t len)
{
	struct journal *j;
	size_t i;

	file_write("journal", data, len);
	j = open_ok();
	for (i = 0; i < sizeof(sent) / sizeof(sent[0]); i++)
		assert_false(would_send(j, sent[i].job, sent[i].step));
	/* and not after the next start either */
	j = reopen(j);
	for (i = 0; i < sizeof(sent) / sizeof(sent[0]); i++)
		assert_false(would_send(j, sent[i].job, sent[i].step));
	journal_close(j);
}

static void test_truncated(void **state)
{
	size_t len, i;
	char *data = damaged_setup(&len);

	(void)state;
	for (i = 0; i <= len; i++)
		never_again(data, i);
	free(data);
}

static void test_bit_flips(void **state)
{
	size_t len, i;
	char *data = damaged_setup(&len);

	(void)state;
	for (i = 0; i < 8 * len; i++) {
		data[i / 8] ^= 1 << i % 8;
		never_again(data, len);
		data[i / 8] ^= 1 << i % 8;
	}
	free(data);
}

static void test_random_damage(void **state)
{
	size_t len, i, k;
	char *data = damaged_setup(&len), *copy = malloc(len);

	(void)state;
	assert_non_null(copy);
	srandom(1);
	for (i = 0; i < 1000; i++) {
		size_t from = random() % len, n = 1 + random() % (len - from);

		memcpy(copy, data, len);
		for (k = 0; k < n; k++)
			copy[from + k] = i % 2 ? random() : 0;
		if (memcmp(copy, data, len))
			never_again(copy, len);
	}
	free(copy);
	free(data);
}

/* A write that the power cut was never followed by a block: it must cost nothing. */
static void test_torn_tail(void **state)
{
	size_t before_len, after_len, i;
	char *before, *after, *torn;
	struct journal *j = open_ok();

	(void)state;
	finish(j, 1, 0, 2);
	announce(j, 2, 0, 1);
	answer(j, 2, 0, RPMC_STATUS_SUCCESS);
	before = file_read("journal", &before_len);
	announce(j, 2, 1, 2);
	journal_close(j);
	after = file_read("journal", &after_len);

	torn = malloc(after_len);
	assert_non_null(torn);
	for (i = before_len; i < after_len; i++) {
		/* the head is of before, the tail part there, the rest missing or zeros */
		memcpy(torn, after, after_len);
		memcpy(torn, before, before_len);
		memset(torn + i, 0, after_len - i);
		file_write("journal", torn, i % 2 ? i : after_len);
		j = open_ok();
		assert_false(journal_in_doubt(j));
		assert_true(pending(j, 2, 0));
		assert_false(would_send(j, 1, 1));
		assert_true(would_send(j, 2, 2));
		journal_close(j);
	}
	free(torn);
	free(after);
	free(before);
}

static void test_doubt(void **state)
{
	struct journal *j;
	size_t len;
	char *data = damaged_setup(&len);

	(void)state;
	file_write("journal", data, len - 1);
	free(data);
	j = open_ok();
	assert_true(journal_in_doubt(j));
	/* what was saved is reported, but is no whole batch */
	assert_int_equal(journal_acked(j, false), 0);
	j = reopen(j);
	assert_true(journal_in_doubt(j));
	answer(j, 3, 0, RPMC_STATUS_SUCCESS);
	assert_int_equal(journal_acked(j, true), 0);
	assert_false(journal_in_doubt(j));
	j = reopen(j);
	assert_false(journal_in_doubt(j));
	assert_true(would_send(j, 3, 1));
	journal_close(j);
}

/* Intact, but nothing that the server would take: never to be reported, or it blocks the rest. */
static void test_senseless(void **state)
{
	static const char * const errors[] = { "\x1b[2J", "no name", "\xff", "\"" };
	struct outcome answered = { .step = 0, .kind = OUTCOME_ANSWERED }, o;
	const struct outcome *outcomes;
	struct journal *j;
	int64_t job;
	size_t i;

	(void)state;
	for (i = 0; i <= sizeof(errors) / sizeof(errors[0]); i++) {
		j = open_ok();
		o = answered;
		if (i)
			outcome_error(&o, 0, OUTCOME_UNKNOWN, errors[i - 1]);
		assert_int_equal(journal_outcomes(j, 1, &o, 1), 0);
		j = reopen(j);
		assert_true(journal_in_doubt(j));
		assert_int_equal(journal_pending(j, &job, &outcomes), 0);
		journal_close(j);
		scratch_empty(state);
	}
}

#define TEST(name) cmocka_unit_test_teardown(name, scratch_empty)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_new),
		TEST(test_lock),
		TEST(test_no_folder),
		TEST(test_crash),
		TEST(test_known),
		TEST(test_bounded),
		TEST(test_same_step_twice),
		TEST(test_no_space),
		TEST(test_truncated),
		TEST(test_bit_flips),
		TEST(test_random_damage),
		TEST(test_torn_tail),
		TEST(test_doubt),
		TEST(test_senseless),
	};

	return cmocka_run_group_tests_name("journal", tests, scratch_setup, scratch_teardown);
}
