// SPDX-License-Identifier: MIT
/*
 * Log, clock, files.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "kms.h"

void kms_log(const char *fmt, ...)
{
	char line[1024];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(line, sizeof(line), fmt, ap);
	va_end(ap);
	fprintf(stderr, "crtm-kms: %s\n", line);
}

int64_t now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_REALTIME, &ts);
	return ts.tv_sec * 1000LL + ts.tv_nsec / 1000000;
}

const char *iso_time(int64_t ms, char *buf)
{
	time_t t = ms / 1000;
	struct tm tm;

	gmtime_r(&t, &tm);
	strftime(buf, 32, "%Y-%m-%dT%H:%M:%SZ", &tm);
	return buf;
}

char *state_path(const struct kms *kms, const char *name)
{
	char *path;

	if (asprintf(&path, "%s/%s", kms->dir, name) < 0)
		abort();
	return path;
}

uint8_t *read_whole(const char *path, size_t max, size_t *len)
{
	bool std = !path || !strcmp(path, "-");
	int fd = std ? STDIN_FILENO : open(path, O_RDONLY | O_CLOEXEC);
	uint8_t *buf = malloc(max + 1);
	ssize_t n = -1;

	*len = 0;
	if (fd >= 0 && buf) {
		while ((n = read(fd, buf + *len, max + 1 - *len)) > 0)
			*len += n;
	}
	if (n < 0)
		kms_log("%s: %s", std ? "stdin" : path, strerror(errno));
	else if (*len > max)
		kms_log("%s: longer than %zu bytes", std ? "stdin" : path, max);
	if (!std && fd >= 0)
		close(fd);
	if (n < 0 || *len > max) {
		free(buf);
		return NULL;
	}
	return buf;
}
