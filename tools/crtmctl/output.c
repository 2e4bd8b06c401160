// SPDX-License-Identifier: MIT
/*
 * What people and programs read: errors, colours, progress, JSON.
 */
#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "crtmctl.h"
#include "hex.h"

static bool progress_shown;

void ctl_error(const char *fmt, ...)
{
	va_list ap;

	progress_clear();
	fflush(stdout);
	fprintf(stderr, "%scrtmctl:%s ", paint(stderr, RED), plain(stderr));
	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fputc('\n', stderr);
}

static bool colourful(FILE *stream)
{
	const char *no_color = getenv("NO_COLOR");

	return isatty(fileno(stream)) && !(no_color && *no_color);
}

const char *paint(FILE *stream, enum colour colour)
{
	static const char *const codes[] = {
		[RED] = "\033[31m",
		[GREEN] = "\033[32m",
		[YELLOW] = "\033[33m",
		[BOLD] = "\033[1m",
	};

	return colourful(stream) ? codes[colour] : "";
}

const char *plain(FILE *stream)
{
	return colourful(stream) ? "\033[0m" : "";
}

char *size_text(char buf[32], uint64_t size)
{
	if (size && !(size % (1 << 20)))
		snprintf(buf, 32, "%llu MiB", (unsigned long long)size >> 20);
	else if (size && !(size % (1 << 10)))
		snprintf(buf, 32, "%llu KiB", (unsigned long long)size >> 10);
	else
		snprintf(buf, 32, "%llu byte%s", (unsigned long long)size, size == 1 ? "" : "s");
	return buf;
}

void progress(const char *what, uint64_t done, uint64_t total)
{
	static const char bar[] = "########################################";
	int width = sizeof(bar) - 1, filled;

	if (!isatty(STDERR_FILENO) || !total)
		return;
	fflush(stdout);
	filled = done * width / total;
	fprintf(stderr, "\r\033[K%s [%.*s%*s] %3u%%", what, filled, bar, width - filled, "",
		(unsigned int)(done * 100 / total));
	progress_shown = true;
}

void progress_clear(void)
{
	if (!progress_shown)
		return;
	fputs("\r\033[K", stderr);
	progress_shown = false;
}

int flush(FILE *stream)
{
	/* A pending error first: what failed may not be in the buffer any more. */
	if (!ferror(stream) && !fflush(stream))
		return CTL_OK;
	ctl_error("the result could not be written: %s", strerror(errno));
	return CTL_OUTPUT;
}

int print_json(FILE *stream, json_object *obj)
{
	const char *text = json_object_to_json_string_ext(obj, JSON_C_TO_STRING_PRETTY |
							  JSON_C_TO_STRING_SPACED |
							  JSON_C_TO_STRING_NOSLASHESCAPE);

	progress_clear();
	fprintf(stream, "%s\n", text ? text : "");
	json_object_put(obj);
	if (!text) {
		ctl_error("the result could not be written: out of memory");
		return CTL_OUTPUT;
	}
	return flush(stream);
}

void json_add_hex(json_object *obj, const char *key, const void *buf, size_t len)
{
	char *text = malloc(2 * len + 1);

	if (!text)
		abort();
	hex_encode(text, buf, len);
	json_add_string(obj, key, text);
	explicit_bzero(text, 2 * len);
	free(text);
}

void json_add_int(json_object *obj, const char *key, uint64_t value)
{
	json_object_object_add(obj, key, json_object_new_int64(value));
}

void json_add_string(json_object *obj, const char *key, const char *text)
{
	json_object_object_add(obj, key, json_object_new_string(text));
}

void json_add_bool(json_object *obj, const char *key, bool value)
{
	json_object_object_add(obj, key, json_object_new_boolean(value));
}
