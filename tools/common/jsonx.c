// SPDX-License-Identifier: MIT
/*
 * Strict reading of JSON that somebody else wrote, on top of json-c.
 */
#include <string.h>

#include "hex.h"
#include "jsonx.h"

/* json-c's own check lets overlong forms and surrogates pass. */
static bool utf8_ok(const unsigned char *s, size_t len)
{
	size_t i = 0, n, k;
	uint32_t cp;

	while (i < len) {
		static const uint32_t least[] = { 1, 0x80, 0x800, 0x10000 };

		cp = s[i++];
		if (cp < 0x80)
			n = 0;
		else if (cp >= 0xc0 && cp < 0xe0)
			n = 1;
		else if (cp >= 0xe0 && cp < 0xf0)
			n = 2;
		else if (cp >= 0xf0 && cp < 0xf8)
			n = 3;
		else
			return false;
		if (n > len - i)
			return false;
		if (n)
			cp &= 0x3f >> n;
		for (k = 0; k < n; k++, i++) {
			if ((s[i] & 0xc0) != 0x80)
				return false;
			cp = cp << 6 | (s[i] & 0x3f);
		}
		if (cp < least[n] || cp > 0x10ffff || (cp >= 0xd800 && cp < 0xe000))
			return false;
	}
	return true;
}

/*
 * What json-c passes even when strict: names in single quotes, NaN and Infinity,
 * raw control characters in strings, an empty array one level too deep. And an
 * empty object takes three bytes of text, but 750 of memory.
 */
static const char *scan(const char *text, size_t len)
{
	bool string = false, escaped = false;
	unsigned int depth = 0, values = 0;
	size_t i;

	for (i = 0; i < len; i++) {
		char c = text[i];

		if (string) {
			if ((unsigned char)c < 0x20)
				return "control character in a string";
			if (!escaped && c == '"')
				string = false;
			escaped = !escaped && c == '\\';
			continue;
		}
		if (!strchr("{}[]:,\" \t\r\n0123456789+-.eEtrufalsn", c))
			return "unexpected character";
		if (c == '"')
			string = true;
		else if ((c == '{' || c == '[') && ++depth > JSONX_MAX_DEPTH)
			return "nested too deep";
		else if (strchr("{[,", c) && ++values > JSONX_MAX_VALUES)
			return "too many values";
		else if ((c == '}' || c == ']') && depth)
			depth--;
	}
	return NULL;
}

json_object *jsonx_parse(const char *text, size_t len, const char **why)
{
	struct json_tokener *tok;
	json_object *obj;

	if (len > JSONX_MAX_LEN) {
		*why = "too long";
		return NULL;
	}
	if (!utf8_ok((const unsigned char *)text, len)) {
		*why = "not UTF-8";
		return NULL;
	}
	*why = scan(text, len);
	if (*why)
		return NULL;

	/* json-c counts the values inside the innermost object as a level. */
	tok = json_tokener_new_ex(JSONX_MAX_DEPTH + 1);
	if (!tok) {
		*why = "out of memory";
		return NULL;
	}
	json_tokener_set_flags(tok, JSON_TOKENER_STRICT);
	obj = json_tokener_parse_ex(tok, text, len);
	if (json_tokener_get_error(tok) == json_tokener_continue)
		*why = "cut off";
	else if (!obj)
		*why = json_tokener_error_desc(json_tokener_get_error(tok));
	else if (json_tokener_get_parse_end(tok) != len)
		*why = "more than one value";
	else if (!json_object_is_type(obj, json_type_object))
		*why = "not an object";
	else
		goto out;
	json_object_put(obj);
	obj = NULL;
out:
	json_tokener_free(tok);
	return obj;
}

static json_object *get(const json_object *obj, const char *key, enum json_type type)
{
	json_object *val;

	if (!json_object_object_get_ex(obj, key, &val) || !json_object_is_type(val, type))
		return NULL;
	return val;
}

bool jsonx_int64(const json_object *obj, const char *key, int64_t min, int64_t max, int64_t *v)
{
	json_object *val = get(obj, key, json_type_int);
	int64_t n;

	if (!val)
		return false;
	n = json_object_get_int64(val);
	/* json-c clamps what does not fit */
	if (n == INT64_MIN || (n == INT64_MAX && json_object_get_uint64(val) != INT64_MAX))
		return false;
	if (n < min || n > max)
		return false;
	*v = n;
	return true;
}

bool jsonx_bool(const json_object *obj, const char *key, bool *v)
{
	json_object *val = get(obj, key, json_type_boolean);

	if (!val)
		return false;
	*v = json_object_get_boolean(val);
	return true;
}

const char *jsonx_str(const json_object *obj, const char *key, size_t maxlen)
{
	json_object *val = get(obj, key, json_type_string);
	const char *s;
	size_t i, len;

	if (!val)
		return NULL;
	s = json_object_get_string(val);
	len = json_object_get_string_len(val);
	if (len > maxlen)
		return NULL;
	for (i = 0; i < len; i++) {
		unsigned char c = s[i];

		/* C0, DEL, and C1, which is c2 80 to c2 9f in UTF-8 */
		if (c < 0x20 || c == 0x7f)
			return NULL;
		if (c == 0xc2 && (unsigned char)s[i + 1] < 0xa0)
			return NULL;
	}
	return s;
}

bool jsonx_hex(const json_object *obj, const char *key, uint8_t *out, size_t cap, size_t *len)
{
	const char *s = jsonx_str(obj, key, 2 * cap);

	return s && !hex_decode(s, out, cap, len);
}

json_object *jsonx_array(const json_object *obj, const char *key, size_t min, size_t max)
{
	json_object *val = get(obj, key, json_type_array);

	if (!val || json_object_array_length(val) < min || json_object_array_length(val) > max)
		return NULL;
	return val;
}

json_object *jsonx_object(const json_object *obj, const char *key)
{
	return get(obj, key, json_type_object);
}
