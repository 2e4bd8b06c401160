// SPDX-License-Identifier: MIT
/*
 * The bodies of Documentation/relay-protocol.rst.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "hex.h"
#include "jsonx.h"
#include "protocol.h"

/* A batch may be added to it */
#define PROGRESS_MAX (INT64_MAX - BATCH_MAX_STEPS)

bool outcome_success(const struct outcome *o)
{
	return o->kind == OUTCOME_ANSWERED && o->status == RPMC_STATUS_SUCCESS;
}

void outcome_error(struct outcome *o, int64_t step, enum outcome_kind kind, const char *error)
{
	memset(o, 0, sizeof(*o));
	o->step = step;
	o->kind = kind;
	snprintf(o->error, sizeof(o->error), "%s", error);
}

static const char *step_parse(const json_object *obj, struct step *s)
{
	const char *class, *hex;
	int64_t type, max;

	class = jsonx_str(obj, "class", 2);
	if (!class || (strcmp(class, "wr") && strcmp(class, "rd")))
		return "a step's class is neither wr nor rd";
	s->write = !strcmp(class, "wr");
	if (!jsonx_int64(obj, "step", 0, INT64_MAX, &s->step))
		return "a step without a number";
	if (!jsonx_int64(obj, "type", 0, 255, &type))
		return "a step without a type";
	s->type = type;
	if (!jsonx_int64(obj, "max", 1, PROTOCOL_MAX_BODY, &max))
		return "a step without max";
	/* No command answers more; the kernel refuses a buffer that is too small. */
	s->max = max < (int64_t)RESPONSE_MAX ? max : (int64_t)RESPONSE_MAX;

	hex = jsonx_str(obj, "block", PROTOCOL_MAX_BODY);
	if (!hex || strlen(hex) < 2 * RPMC_HDR_LEN)
		return "a step without a block";
	s->block = malloc(strlen(hex) / 2);
	if (!s->block)
		return "out of memory";
	if (hex_decode(hex, s->block, strlen(hex) / 2, &s->len))
		return "a block that is not hexadecimal";
	return NULL;
}

struct batch *batch_parse(const char *text, size_t len, const char **why)
{
	json_object *obj, *steps;
	struct batch *b = NULL;
	const char *title;
	unsigned int i;
	int64_t v;

	obj = jsonx_parse(text, len, why);
	if (!obj)
		return NULL;
	b = calloc(1, sizeof(*b));
	if (!b) {
		*why = "out of memory";
		goto fail;
	}

	*why = "not a batch of version 1";
	title = jsonx_str(obj, "title", PROTOCOL_MAX_BODY);
	steps = jsonx_array(obj, "steps", 1, BATCH_MAX_STEPS);
	if (!jsonx_int64(obj, "v", PROTOCOL_VERSION, PROTOCOL_VERSION, &v) ||
	    !jsonx_int64(obj, "job", 1, INT64_MAX, &b->job) ||
	    !jsonx_int64(obj, "done", 0, PROGRESS_MAX, &b->done) ||
	    !jsonx_int64(obj, "total", 0, PROGRESS_MAX, &b->total) || !title || !steps)
		goto fail;

	/* For people only: cut, at a character's border. */
	snprintf(b->title, sizeof(b->title), "%s", title);
	for (i = strlen(b->title); i && (title[i] & 0xc0) == 0x80; i--)
		;
	b->title[i] = '\0';

	for (i = 0; i < json_object_array_length(steps); i++) {
		const json_object *step = json_object_array_get_idx(steps, i);

		*why = "a step that is not an object";
		if (!json_object_is_type(step, json_type_object))
			goto fail;
		b->nr = i + 1;
		*why = step_parse(step, &b->steps[i]);
		if (*why)
			goto fail;
		*why = "steps that do not count up by one";
		if (b->steps[i].step - b->steps[0].step != i)
			goto fail;
	}
	json_object_put(obj);
	return b;
fail:
	batch_free(b);
	json_object_put(obj);
	return NULL;
}

void batch_free(struct batch *b)
{
	unsigned int i;

	if (!b)
		return;
	for (i = 0; i < b->nr; i++)
		free(b->steps[i].block);
	free(b);
}

const char *hello_check(const char *text, size_t len)
{
	const char *why;
	json_object *obj = jsonx_parse(text, len, &why);
	int64_t v;

	if (!obj)
		return why;
	if (!jsonx_int64(obj, "v", PROTOCOL_VERSION, PROTOCOL_VERSION, &v) ||
	    !jsonx_str(obj, "time", 64))
		why = "not a greeting of version 1";
	json_object_put(obj);
	return why;
}

/* json-c's additions take the value over; only out of memory makes them fail. */
static char *format(json_object *obj, bool complete)
{
	char *text = complete ? strdup(json_object_to_json_string_ext(obj, 0)) : NULL;

	json_object_put(obj);
	return text;
}

/* A string of the kernel's, which need not be terminated. */
static json_object *string(const char *text, size_t size)
{
	return json_object_new_string_len(text, strnlen(text, size));
}

static bool add(json_object *obj, const char *key, json_object *val)
{
	return val && !json_object_object_add(obj, key, val);
}

char *hello_format(const struct mtd_crtm_info *info)
{
	char id[2 * sizeof(info->id) + 1];
	json_object *obj = json_object_new_object();
	size_t id_len = info->id_len;
	bool ok;

	if (id_len > sizeof(info->id))
		id_len = sizeof(info->id);
	hex_encode(id, info->id, id_len);
	ok = add(obj, "v", json_object_new_int(PROTOCOL_VERSION)) &&
	     add(obj, "agent", json_object_new_string(AGENT_VERSION)) &&
	     add(obj, "chip", string(info->chip, sizeof(info->chip))) &&
	     add(obj, "id", json_object_new_string(id)) &&
	     add(obj, "command_set",
		 string(info->command_set, sizeof(info->command_set))) &&
	     add(obj, "slots", json_object_new_int(info->slots)) &&
	     add(obj, "chip_size", json_object_new_int64(info->chip_size));
	return format(obj, ok);
}

static json_object *outcome_format(const struct outcome *o)
{
	static const char * const kinds[] = {
		[OUTCOME_ANSWERED] = "answered",
		[OUTCOME_UNKNOWN] = "unknown",
		[OUTCOME_UNSENT] = "unsent",
	};
	json_object *obj = json_object_new_object();
	char hex[2 * RESPONSE_MAX + 1];
	bool ok;

	ok = add(obj, "step", json_object_new_int64(o->step)) &&
	     add(obj, "outcome", json_object_new_string(kinds[o->kind]));
	if (o->kind == OUTCOME_ANSWERED) {
		hex_encode(hex, o->response, o->len);
		ok = ok && add(obj, "status", json_object_new_int(o->status)) &&
		     add(obj, "response", json_object_new_string(hex));
	} else {
		ok = ok && add(obj, "error", json_object_new_string(o->error));
	}
	if (ok)
		return obj;
	json_object_put(obj);
	return NULL;
}

char *results_format(int64_t job, const struct outcome *outcomes, size_t nr)
{
	json_object *obj = json_object_new_object();
	json_object *list = json_object_new_array();
	bool ok;
	size_t i;

	ok = add(obj, "v", json_object_new_int(PROTOCOL_VERSION)) &&
	     add(obj, "job", json_object_new_int64(job)) && add(obj, "results", list);
	for (i = 0; ok && i < nr; i++) {
		json_object *o = outcome_format(&outcomes[i]);

		ok = o && !json_object_array_add(list, o);
	}
	return format(obj, ok);
}
