// SPDX-License-Identifier: MIT
/*
 * The readers of what others wrote: hexadecimal and JSON.
 */
#include <stdio.h>
#include <string.h>

#include "hex.h"
#include "jsonx.h"
#include "test.h"

static void test_hex(void **state)
{
	uint8_t out[4] = { 0 };
	char text[9];
	size_t len = 99;

	(void)state;
	assert_int_equal(hex_decode("00fFa09C", out, 4, &len), 0);
	assert_int_equal(len, 4);
	assert_memory_equal(out, "\x00\xff\xa0\x9c", 4);
	hex_encode(text, out, 4);
	assert_string_equal(text, "00ffa09c");
	assert_int_equal(hex_decode("", out, 0, &len), 0);
	assert_int_equal(len, 0);
	hex_encode(text, out, 0);
	assert_string_equal(text, "");
}

static void test_hex_bad(void **state)
{
	static const char * const bad[] = {
		"0", "000", "0g", "g0", " 00", "00 ", "0x00", "-1", "00\n", "0000000000", "/0",
		":0", "@0", "G0", "`0", "\xff" "0",
	};
	uint8_t out[4] = { 1, 2, 3, 4 };
	size_t i, len = 99;

	(void)state;
	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_int_equal(hex_decode(bad[i], out, 4, &len), -1);
	assert_int_equal(len, 99);
	assert_memory_equal(out, "\1\2\3\4", 4);
}

static json_object *parse(const char *text)
{
	const char *why;

	return jsonx_parse(text, strlen(text), &why);
}

static void test_json_bad(void **state)
{
	static const char * const bad[] = {
		"", " ", "null", "1", "[]", "\"a\"", "{", "}", "{}}", "{} {}", "{},", "{}x",
		"{\"a\":1", "{\"a\"}", "{\"a\":}", "{\"a\":1,}", "{,}", "{\"a\":01}", "{\"a\":+1}",
		"{\"a\":.5}", "{\"a\":-}", "{\"a\":NaN}", "{\"a\":Infinity}", "{\"a\":-Infinity}",
		"{'a':1}", "{a:1}", "{\"a\":tRUE}", "{\"a\":\"\n\"}", "{\"a\":\"\\x\"}",
		"/**/{}", "{}//", "{\"a\":\"\xc0\x80\"}", "{\"a\":\"\xed\xa0\x80\"}",
		"{\"a\":\"\xf4\x90\x80\x80\"}", "{\"a\":\"\x80\"}", "{\"a\":\"\xe2\x82\"}",
		"\xef\xbb\xbf{}",
		"{\"a\":[[[[[[[[]]]]]]]]}",
		"{\"a\":{\"a\":{\"a\":{\"a\":{\"a\":{\"a\":{\"a\":{\"a\":{}}}}}}}}}",
	};
	const char *why;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		why = NULL;
		if (jsonx_parse(bad[i], strlen(bad[i]), &why))
			fail_msg("accepted: %s", bad[i]);
		assert_non_null(why);
	}
	assert_null(jsonx_parse("{}\0", 3, &why));
	assert_null(jsonx_parse("{\"a\":\"\0\"}", 9, &why));
}

static void test_json_limits(void **state)
{
	static char text[JSONX_MAX_LEN + 2];
	json_object *obj;
	const char *why;
	size_t len, i;

	(void)state;
	memset(text, ' ', sizeof(text));
	memcpy(text, "{}", 2);
	obj = jsonx_parse(text, JSONX_MAX_LEN, &why);
	assert_non_null(obj);
	json_object_put(obj);
	assert_null(jsonx_parse(text, JSONX_MAX_LEN + 1, &why));

	obj = parse("{\"a\":[[[[[[[1]]]]]]]}");
	assert_non_null(obj);
	json_object_put(obj);
	memset(text, '[', sizeof(text));
	memcpy(text, "{\"a\":", 5);
	assert_null(jsonx_parse(text, JSONX_MAX_LEN, &why));

	/* Few bytes that would take much memory */
	for (i = 0; i < 2; i++) {
		len = snprintf(text, sizeof(text), "{\"a\":[{}");
		while (len < (i ? JSONX_MAX_LEN - 8 : 3 * (JSONX_MAX_VALUES / 2 - 1)))
			len = mempcpy(text + len, ",{}", 3) - (void *)text;
		memcpy(text + len, "]}", 2);
		obj = jsonx_parse(text, len + 2, &why);
		assert_int_equal(!obj, i);
		json_object_put(obj);
	}
	assert_string_equal(why, "too many values");
}

static void test_json_int(void **state)
{
	static const char * const bad[] = {
		"{}", "{\"a\":1.0}", "{\"a\":1e0}", "{\"a\":\"1\"}", "{\"a\":true}", "{\"a\":null}",
		"{\"a\":[1]}", "{\"a\":9223372036854775808}", "{\"a\":18446744073709551615}",
		"{\"a\":99999999999999999999999}", "{\"a\":-99999999999999999999999}",
	};
	json_object *obj;
	int64_t v = 77;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		obj = parse(bad[i]);
		assert_non_null(obj);
		if (jsonx_int64(obj, "a", INT64_MIN, INT64_MAX, &v))
			fail_msg("an integer: %s", bad[i]);
		json_object_put(obj);
	}
	assert_int_equal(v, 77);

	obj = parse("{\"a\": 9223372036854775807, \"b\": -5}");
	assert_true(jsonx_int64(obj, "a", 0, INT64_MAX, &v));
	assert_true(v == INT64_MAX);
	assert_false(jsonx_int64(obj, "a", 0, INT64_MAX - 1, &v));
	assert_true(jsonx_int64(obj, "b", -5, -5, &v));
	assert_int_equal(v, -5);
	assert_false(jsonx_int64(obj, "b", -4, 0, &v));
	assert_false(jsonx_int64(obj, "b", -9, -6, &v));
	json_object_put(obj);
}

static void test_json_str(void **state)
{
	static const char text[] =
		"{\"ok\": \"\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80\", \"nul\": \"a\\u0000b\","
		" \"esc\": \"\\u001b[2J\", \"c1\": \"\\u0085\", \"del\": \"\\u007f\","
		" \"n\": 1, \"hex\": \"00FF\", \"odd\": \"0\", \"t\": true,"
		" \"arr\": [1, 2], \"obj\": {}}";
	json_object *obj = parse(text);
	uint8_t out[2];
	size_t len;
	bool b = false;

	(void)state;
	assert_non_null(obj);
	assert_string_equal(jsonx_str(obj, "ok", 9), "\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80");
	assert_null(jsonx_str(obj, "ok", 8));
	assert_null(jsonx_str(obj, "nul", 9));
	assert_null(jsonx_str(obj, "esc", 9));
	assert_null(jsonx_str(obj, "c1", 9));
	assert_null(jsonx_str(obj, "del", 9));
	assert_null(jsonx_str(obj, "n", 9));
	assert_null(jsonx_str(obj, "missing", 9));

	assert_true(jsonx_hex(obj, "hex", out, 2, &len));
	assert_int_equal(len, 2);
	assert_memory_equal(out, "\x00\xff", 2);
	assert_false(jsonx_hex(obj, "hex", out, 1, &len));
	assert_false(jsonx_hex(obj, "odd", out, 2, &len));
	assert_false(jsonx_hex(obj, "n", out, 2, &len));

	assert_true(jsonx_bool(obj, "t", &b));
	assert_true(b);
	assert_false(jsonx_bool(obj, "n", &b));
	assert_non_null(jsonx_array(obj, "arr", 2, 2));
	assert_null(jsonx_array(obj, "arr", 3, 9));
	assert_null(jsonx_array(obj, "arr", 0, 1));
	assert_null(jsonx_array(obj, "obj", 0, 9));
	assert_non_null(jsonx_object(obj, "obj"));
	assert_null(jsonx_object(obj, "arr"));
	json_object_put(obj);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_hex),
		cmocka_unit_test(test_hex_bad),
		cmocka_unit_test(test_json_bad),
		cmocka_unit_test(test_json_limits),
		cmocka_unit_test(test_json_int),
		cmocka_unit_test(test_json_str),
	};

	return cmocka_run_group_tests_name("common", tests, NULL, NULL);
}
