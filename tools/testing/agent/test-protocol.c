// SPDX-License-Identifier: MIT
/*
 * The bodies of the relay protocol, from servers good and bad.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "test.h"

/* A batch and a step with any of their members in place of the good ones. */
#define HEAD(v, job, title, done, total) \
	"\"v\":" v ",\"job\":" job ",\"title\":" title ",\"done\":" done ",\"total\":" total
#define BODY(head, steps) "{" head ",\"steps\":" steps "}"
#define GOOD_HEAD HEAD("1", "7", "\"t\"", "0", "9")
#define BATCH(steps) BODY(GOOD_HEAD, "[" steps "]")
#define WITH(head) BODY(head, "[" STEP("0") "]")

#define STEP_ANY(step, class, type, block, max) \
	"{\"step\":" step ",\"class\":" class ",\"type\":" type ",\"block\":" block \
	",\"max\":" max "}"
#define STEP(n) STEP_ANY(n, "\"wr\"", "67", "\"9b430000\"", "40")
#define ODD(class, type, block, max) BATCH(STEP_ANY("0", class, type, block, max))

static struct batch *parse(const char *text)
{
	const char *why;

	return batch_parse(text, strlen(text), &why);
}

static void test_batch(void **state)
{
	static const char text[] =
		"{\"v\": 1, \"job\": 9223372036854775807, \"title\": \"update u-boot.bin\",\n"
		" \"done\": 128, \"total\": 3812, \"more\": {\"x\": [null, 1.5]},\n"
		" \"steps\": [{\"step\": 128, \"class\": \"wr\", \"type\": 67,\n"
		"   \"block\": \"9b4300000A\", \"max\": 40},\n"
		"  {\"step\": 129, \"class\": \"rd\", \"type\": 72,\n"
		"   \"block\": \"9b480000\", \"max\": 99999, \"x\": 0}]}\n";
	struct batch *b = parse(text);

	(void)state;
	assert_non_null(b);
	assert_true(b->job == INT64_MAX);
	assert_string_equal(b->title, "update u-boot.bin");
	assert_int_equal(b->done, 128);
	assert_int_equal(b->total, 3812);
	assert_int_equal(b->nr, 2);
	assert_int_equal(b->steps[0].step, 128);
	assert_true(b->steps[0].write);
	assert_int_equal(b->steps[0].type, 67);
	assert_int_equal(b->steps[0].max, 40);
	assert_int_equal(b->steps[0].len, 5);
	assert_memory_equal(b->steps[0].block, "\x9b\x43\x00\x00\x0a", 5);
	assert_int_equal(b->steps[1].step, 129);
	assert_false(b->steps[1].write);
	/* no more than any command answers */
	assert_int_equal(b->steps[1].max, RESPONSE_MAX);
	batch_free(b);
}

static void test_batch_bad(void **state)
{
	static const char * const bad[] = {
		"", "{}", "[]", "garbage", "<html></html>", "{\"error\": \"no\"}",
		/* the head */
		BODY("\"job\":7,\"title\":\"t\",\"done\":0,\"total\":9", "[" STEP("0") "]"),
		BODY("\"v\":1,\"title\":\"t\",\"done\":0,\"total\":9", "[" STEP("0") "]"),
		BODY("\"v\":1,\"job\":7,\"done\":0,\"total\":9", "[" STEP("0") "]"),
		BODY("\"v\":1,\"job\":7,\"title\":\"t\",\"total\":9", "[" STEP("0") "]"),
		BODY("\"v\":1,\"job\":7,\"title\":\"t\",\"done\":0", "[" STEP("0") "]"),
		WITH(HEAD("1", "7", "\"t\"", "9223372036854775807", "9")),
		WITH(HEAD("1", "7", "\"t\"", "0", "9223372036854775744")),
		"{" GOOD_HEAD "}",
		WITH(HEAD("2", "7", "\"t\"", "0", "9")),
		WITH(HEAD("\"1\"", "7", "\"t\"", "0", "9")),
		WITH(HEAD("1", "0", "\"t\"", "0", "9")), WITH(HEAD("1", "-1", "\"t\"", "0", "9")),
		WITH(HEAD("1", "9223372036854775808", "\"t\"", "0", "9")),
		WITH(HEAD("1", "7.0", "\"t\"", "0", "9")), WITH(HEAD("1", "7", "7", "0", "9")),
		WITH(HEAD("1", "7", "\"\\u001b[2J\"", "0", "9")),
		WITH(HEAD("1", "7", "\"t\"", "-1", "9")),
		WITH(HEAD("1", "7", "\"t\"", "0", "null")),
		BODY(GOOD_HEAD, "{}"), BODY(GOOD_HEAD, "null"), BODY(GOOD_HEAD, "\"\""),
		/* the steps */
		BATCH(""), BATCH("1"), BATCH("null"), BATCH("[]"), BATCH("{}"),
		BATCH(STEP("-1")), BATCH(STEP("1.0")), BATCH(STEP("\"0\"")),
		BATCH(STEP("0") "," STEP("0")), BATCH(STEP("1") "," STEP("0")),
		BATCH(STEP("0") "," STEP("2")), BATCH(STEP("0") ",null"),
		BATCH("{\"class\":\"wr\",\"type\":67,\"block\":\"9b430000\",\"max\":40}"),
		BATCH("{\"step\":0,\"type\":67,\"block\":\"9b430000\",\"max\":40}"),
		BATCH("{\"step\":0,\"class\":\"wr\",\"block\":\"9b430000\",\"max\":40}"),
		BATCH("{\"step\":0,\"class\":\"wr\",\"type\":67,\"max\":40}"),
		BATCH("{\"step\":0,\"class\":\"wr\",\"type\":67,\"block\":\"9b430000\"}"),
		ODD("\"ex\"", "67", "\"9b430000\"", "40"),
		ODD("\"WR\"", "67", "\"9b430000\"", "40"),
		ODD("1", "67", "\"9b430000\"", "40"), ODD("\"wr\"", "256", "\"9b430000\"", "40"),
		ODD("\"wr\"", "-1", "\"9b430000\"", "40"), ODD("\"wr\"", "67", "\"\"", "40"),
		ODD("\"wr\"", "67", "\"9b4300\"", "40"), ODD("\"wr\"", "67", "\"9b4300000\"", "40"),
		ODD("\"wr\"", "67", "\"9b43000g\"", "40"), ODD("\"wr\"", "67", "67", "40"),
		ODD("\"wr\"", "67", "\"9b430000\"", "0"), ODD("\"wr\"", "67", "\"9b430000\"", "-1"),
		ODD("\"wr\"", "67", "\"9b430000\"", "4294967336"),
	};
	struct batch *b;
	size_t i;

	(void)state;
	b = parse(BATCH(STEP("0") "," STEP("1")));
	assert_non_null(b);
	batch_free(b);
	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		const char *why = NULL;

		b = batch_parse(bad[i], strlen(bad[i]), &why);
		if (b)
			fail_msg("accepted: %s", bad[i]);
		assert_non_null(why);
	}
}

static char *batch_text(unsigned int nr)
{
	char *text = malloc(nr * 200 + 200), *p = text;
	unsigned int i;

	assert_non_null(text);
	p += sprintf(p, "{" GOOD_HEAD ",\"steps\":[");
	for (i = 0; i < nr; i++) {
		char n[16];

		snprintf(n, sizeof(n), "%u", i);
		p += sprintf(p, "%s" STEP_ANY("%s", "\"wr\"", "67", "\"9b430000%02x\"", "40"),
			     i ? "," : "", n, i & 255);
	}
	strcpy(p, "]}");
	return text;
}

static void test_batch_limits(void **state)
{
	char *text = batch_text(BATCH_MAX_STEPS);
	struct batch *b = parse(text);

	(void)state;
	assert_non_null(b);
	assert_int_equal(b->nr, BATCH_MAX_STEPS);
	batch_free(b);
	free(text);
	text = batch_text(BATCH_MAX_STEPS + 1);
	assert_null(parse(text));
	free(text);
	text = batch_text(100000);
	assert_null(parse(text));
	free(text);
}

static void test_title_cut(void **state)
{
	char text[1024], title[400] = "";
	struct batch *b;
	unsigned int i;

	(void)state;
	strcat(title, "x");
	for (i = 0; i < 100; i++)
		strcat(title, "\xe2\x82\xac");
	snprintf(text, sizeof(text), WITH(HEAD("1", "7", "\"%s\"", "0", "9")), title);
	b = parse(text);
	assert_non_null(b);
	/* 1 + 26 * 3 bytes: a character is not cut in two */
	assert_int_equal(strlen(b->title), 79);
	assert_memory_equal(b->title, title, 79);
	batch_free(b);
}

/* Whatever comes, it is refused or it is a batch within the limits. */
static void test_batch_mutated(void **state)
{
	char *good = batch_text(4), *text;
	size_t len = strlen(good), i;
	unsigned int taken = 0, k;

	(void)state;
	text = malloc(len);
	assert_non_null(text);
	srandom(2);
	for (i = 0; i < 20000; i++) {
		size_t n = 1 + random() % 3, cut = random() % 8 ? len : random() % len;
		const char *why = NULL;
		struct batch *b;

		memcpy(text, good, len);
		while (n--)
			text[random() % len] = random() % 2 ? random() : good[random() % len];
		b = batch_parse(text, cut, &why);
		if (!b) {
			assert_non_null(why);
			continue;
		}
		taken++;
		assert_in_range(b->nr, 1, BATCH_MAX_STEPS);
		for (k = 0; k < b->nr; k++) {
			assert_true(b->steps[k].len >= RPMC_HDR_LEN);
			assert_in_range(b->steps[k].max, 1, RESPONSE_MAX);
			assert_true(b->steps[k].step >= 0);
		}
		batch_free(b);
	}
	assert_int_not_equal(taken, 0);
	free(text);
	free(good);
}

static void test_hello(void **state)
{
	struct mtd_crtm_info info = {
		.chip = "mt25qu128abb-authenta", .command_set = "set \"1\"", .slots = 4,
		.id = { 0x20, 0xbb, 0x18, 0x12, 0x00, 0x8c }, .id_len = 6, .chip_size = 1 << 24,
	};
	char *text = hello_format(&info);
	static const char good[] = "{\"v\": 1, \"time\": \"2026-11-20T18:00:00Z\"}";

	(void)state;
	assert_string_equal(text,
			    "{\"v\":1,\"agent\":\"" AGENT_VERSION "\","
			    "\"chip\":\"mt25qu128abb-authenta\",\"id\":\"20bb1812008c\","
			    "\"command_set\":\"set \\\"1\\\"\",\"slots\":4,"
			    "\"chip_size\":16777216}");
	free(text);
	memset(&info, 'x', sizeof(info));
	text = hello_format(&info);
	assert_non_null(text);
	free(text);

	assert_null(hello_check(good, strlen(good)));
	assert_non_null(hello_check(good, strlen(good) - 1));
	assert_non_null(hello_check("", 0));
	assert_non_null(hello_check("{\"v\":2,\"time\":\"\"}", 18));
	assert_non_null(hello_check("{\"v\":1}", 7));
}

static void test_results(void **state)
{
	struct outcome o[3] = {
		{ .step = 128, .kind = OUTCOME_ANSWERED, .status = 0x80, .len = 2,
		  .response = { 0x80, 0x0f } },
	};
	char *text;

	(void)state;
	outcome_error(&o[1], 129, OUTCOME_UNKNOWN, "ETIMEDOUT");
	outcome_error(&o[2], INT64_MAX, OUTCOME_UNSENT, "EPERM");
	text = results_format(7, o, 3);
	assert_string_equal(text,
			    "{\"v\":1,\"job\":7,\"results\":["
			    "{\"step\":128,\"outcome\":\"answered\",\"status\":128,"
			    "\"response\":\"800f\"},"
			    "{\"step\":129,\"outcome\":\"unknown\",\"error\":\"ETIMEDOUT\"},"
			    "{\"step\":9223372036854775807,\"outcome\":\"unsent\","
			    "\"error\":\"EPERM\"}]}");
	free(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_batch),
		cmocka_unit_test(test_batch_bad),
		cmocka_unit_test(test_batch_limits),
		cmocka_unit_test(test_title_cut),
		cmocka_unit_test(test_batch_mutated),
		cmocka_unit_test(test_hello),
		cmocka_unit_test(test_results),
	};

	return cmocka_run_group_tests_name("protocol", tests, NULL, NULL);
}
