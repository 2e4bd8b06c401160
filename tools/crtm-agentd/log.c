// SPDX-License-Identifier: MIT
/*
 * Log lines and the progress bar, both on stderr.
 */
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "log.h"

#define BAR_WIDTH 30

static bool bar_drawn;

void log_line(int level, const char *fmt, ...)
{
	char text[1024];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);

	if (bar_drawn) {
		fputc('\n', stderr);
		bar_drawn = false;
	}
	/* Set by systemd for a service whose stderr is the journal. */
	if (getenv("JOURNAL_STREAM"))
		fprintf(stderr, "<%d>%s\n", level, text);
	else
		fprintf(stderr, "crtm-agentd: %s\n", text);
}

bool log_has_bar(void)
{
	return isatty(STDERR_FILENO);
}

void log_progress(const char *title, int64_t done, int64_t total)
{
	char bar[BAR_WIDTH + 1];
	int filled, percent;

	if (total <= 0 || !log_has_bar())
		return;
	if (done > total)
		done = total;
	percent = (double)done / total * 100;
	filled = (double)done / total * BAR_WIDTH;
	memset(bar, '.', BAR_WIDTH);
	memset(bar, '#', filled);
	bar[BAR_WIDTH] = '\0';

	fprintf(stderr, "\r[%s] %3d%% %lld/%lld %.40s", bar, percent, (long long)done,
		(long long)total, title);
	bar_drawn = done < total;
	if (!bar_drawn)
		fputc('\n', stderr);
	fflush(stderr);
}
