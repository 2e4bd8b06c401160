/* SPDX-License-Identifier: MIT */
/*
 * Strict reading of JSON that somebody else wrote, on top of json-c.
 *
 * The getters are for objects that jsonx_parse() returned. Each says false or
 * NULL for a member that is missing, of another type, or out of range, and
 * leaves its output untouched then. What they return belongs to the object.
 */
#ifndef CRTM_JSONX_H
#define CRTM_JSONX_H

#include <json-c/json.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define JSONX_MAX_LEN	(1U << 20)	/* bytes of text */
#define JSONX_MAX_DEPTH	8		/* objects and arrays inside each other */
#define JSONX_MAX_VALUES 4096		/* of all objects and arrays together */

/**
 * jsonx_parse - parse one JSON object
 * @text: the text, not NUL-terminated
 * @len: its length in bytes, at most JSONX_MAX_LEN
 * @why: set to a constant string that names the reason when NULL is returned
 *
 * The text must be well-formed UTF-8 without NUL bytes and hold exactly one
 * object, nested at most JSONX_MAX_DEPTH deep, with at most JSONX_MAX_VALUES
 * commas and opening brackets. Of a member that stands twice the last one counts.
 *
 * Return: a new reference (json_object_put()), or NULL.
 */
json_object *jsonx_parse(const char *text, size_t len, const char **why);

/* An integer (1.0 is none) of @min to @max. */
bool jsonx_int64(const json_object *obj, const char *key, int64_t min, int64_t max, int64_t *v);

bool jsonx_bool(const json_object *obj, const char *key, bool *v);

/* A string of at most @maxlen bytes without control characters, so fit for a log line. */
const char *jsonx_str(const json_object *obj, const char *key, size_t maxlen);

/* A string of hexadecimal digits for at most @cap bytes; see hex_decode(). */
bool jsonx_hex(const json_object *obj, const char *key, uint8_t *out, size_t cap, size_t *len);

/* An array of @min to @max elements; read it with json_object_array_get_idx(). */
json_object *jsonx_array(const json_object *obj, const char *key, size_t min, size_t max);

json_object *jsonx_object(const json_object *obj, const char *key);

#endif /* CRTM_JSONX_H */
