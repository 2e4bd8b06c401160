/* SPDX-License-Identifier: MIT */
/*
 * Log lines and the progress bar, both on stderr.
 */
#ifndef AGENT_LOG_H
#define AGENT_LOG_H

#include <stdbool.h>
#include <stdint.h>

/* Priorities of syslog(3), which journald understands as <N>. */
#define LOG_LEVEL_ERR		3
#define LOG_LEVEL_WARNING	4
#define LOG_LEVEL_NOTICE	5
#define LOG_LEVEL_INFO		6

void log_line(int level, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

#define log_err(...)	log_line(LOG_LEVEL_ERR, __VA_ARGS__)
#define log_warn(...)	log_line(LOG_LEVEL_WARNING, __VA_ARGS__)
#define log_notice(...)	log_line(LOG_LEVEL_NOTICE, __VA_ARGS__)
#define log_info(...)	log_line(LOG_LEVEL_INFO, __VA_ARGS__)

/* Is stderr a terminal, so that log_progress() shows anything? */
bool log_has_bar(void);

/**
 * log_progress - draw the progress bar of a job, if stderr is a terminal
 * @title: the job's title
 * @done: steps done
 * @total: steps of the job; the bar ends when @done reaches it
 */
void log_progress(const char *title, int64_t done, int64_t total);

#endif /* AGENT_LOG_H */
