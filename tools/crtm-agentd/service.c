// SPDX-License-Identifier: MIT
/*
 * Life as a service: stop signals, systemd's notifications and its watchdog.
 */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "service.h"

static int stop_fd = -1;
static bool stopping;
static long long watchdog_ms;	/* between two signs of life, 0: none wanted */
static long long watchdog_last;

int service_init(void)
{
	const char *usec = getenv("WATCHDOG_USEC");
	const char *pid = getenv("WATCHDOG_PID");
	sigset_t set;

	signal(SIGPIPE, SIG_IGN);
	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	if (sigprocmask(SIG_BLOCK, &set, NULL))
		return -errno;
	stop_fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	if (stop_fd < 0)
		return -errno;
	if (usec && (!pid || strtoll(pid, NULL, 10) == getpid()))
		watchdog_ms = strtoll(usec, NULL, 10) / 1000 / 2;
	return 0;
}

int service_stop_fd(void)
{
	return stop_fd;
}

bool service_stop(void)
{
	struct signalfd_siginfo info;

	if (!stopping && read(stop_fd, &info, sizeof(info)) == sizeof(info)) {
		stopping = true;
		service_notify("STOPPING=1");
	}
	return stopping;
}

void service_tick(void)
{
	long long now = service_now();

	if (!watchdog_ms || now - watchdog_last < watchdog_ms)
		return;
	watchdog_last = now;
	service_notify("WATCHDOG=1");
}

void service_sleep(unsigned int ms)
{
	long long end = service_now() + ms, left;
	struct pollfd pfd = { .fd = stop_fd, .events = POLLIN };

	while (!service_stop() && (left = end - service_now()) > 0) {
		service_tick();
		poll(&pfd, 1, left < 1000 ? left : 1000);
	}
}

void service_notify(const char *state)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	const char *path = getenv("NOTIFY_SOCKET");
	size_t len;
	int fd;

	if (!path || (*path != '/' && *path != '@'))
		return;
	len = strlen(path);
	if (len >= sizeof(addr.sun_path))
		return;
	memcpy(addr.sun_path, path, len);
	if (*path == '@')
		addr.sun_path[0] = '\0';
	fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return;
	sendto(fd, state, strlen(state), MSG_NOSIGNAL, (struct sockaddr *)&addr,
	       offsetof(struct sockaddr_un, sun_path) + len);
	close(fd);
}

long long service_now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000LL + ts.tv_nsec / 1000000;
}
