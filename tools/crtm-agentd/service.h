/* SPDX-License-Identifier: MIT */
/*
 * Life as a service: stop signals, systemd's notifications and its watchdog.
 */
#ifndef AGENT_SERVICE_H
#define AGENT_SERVICE_H

#include <stdbool.h>

/**
 * service_init - block SIGTERM and SIGINT from here on, ignore SIGPIPE
 *
 * A blocked signal interrupts no exchange with the chip; it is heeded between
 * batches and while waiting.
 *
 * Return: 0 or -errno.
 */
int service_init(void);

/* A file descriptor that becomes readable when the agent is to stop. */
int service_stop_fd(void);

/* Is the agent to stop? */
bool service_stop(void);

/* Alive: to be called at least once a second while waiting. */
void service_tick(void);

/* Wait; ends early when the agent is to stop. */
void service_sleep(unsigned int ms);

/**
 * service_notify - tell systemd, if it started us with Type=notify
 * @state: as sd_notify(3) has it
 */
void service_notify(const char *state);

/* Milliseconds of CLOCK_MONOTONIC */
long long service_now(void);

#endif /* AGENT_SERVICE_H */
