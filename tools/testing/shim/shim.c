// SPDX-License-Identifier: MIT
/*
 * LD_PRELOAD shim for tests: sees, stops and imitates what a program does.
 *
 * CRTM_SHIM_RECORD=FILE   append a line for each block of WR_CRTM_CMD and
 *	RD_CRTM_CMD that the chip may have seen, in the form that crtm-agentd
 *	--device=replay:FILE reads: wr|rd BLOCK STATUS|ERRNO RESPONSE|-
 * CRTM_SHIM_STOP=LIST   stop, until SIGCONT, before or after the N-th such call
 *	(from 1), with a line "CRTM-SHIM-STOPPED before:N" on stderr; the moment for
 *	the test to cut the power or to end the server. LIST: before:N and after:N,
 *	separated by commas
 * CRTM_SHIM_KILL=N   die of SIGKILL instead of doing the N-th call (from 1) out of
 *	WR_CRTM_CMD, RD_CRTM_CMD, write, pwrite to a file, fsync and rename
 * CRTM_SHIM_SYNCED=1   keep FILE.synced beside every file under fsync: what is
 *	on the medium for certain, for a test that plays power loss
 * CRTM_SHIM_FAKE=LIST   answer the ioctls on /dev/null in place of a chip. LIST:
 *	what becomes of each block from the first on, separated by commas: a
 *	status as two digits, or the name of an unknown outcome's errno, or
 *	"!" and the name of the errno of the whole call; 80 where it ends
 *
 * Test only: never installed.
 */
#include <crtm.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "hex.h"

static const int fake_errors[] = { ETIMEDOUT, EIO, EPERM, EINVAL, EMSGSIZE, EINTR, ENODEV };

#define EXPORT __attribute__((visibility("default")))
#define REAL(name) ((__typeof__(&(name)))real(#name))

static void *real(const char *name)
{
	void *p = dlsym(RTLD_NEXT, name);

	if (!p)
		abort();
	return p;
}

static void say(int fd, const char *text)
{
	if (REAL(write)(fd, text, strlen(text)) < 0)
		abort();
}

/* Called where a program's progress would be lost or seen */
static void maybe_die(void)
{
	static unsigned int count;
	const char *n = getenv("CRTM_SHIM_KILL");

	if (n && ++count == strtoul(n, NULL, 10))
		raise(SIGKILL);
}

static void maybe_stop(const char *when, unsigned int n)
{
	const char *next = getenv("CRTM_SHIM_STOP");
	char point[32], line[64];
	size_t len;

	snprintf(point, sizeof(point), "%s:%u", when, n);
	snprintf(line, sizeof(line), "CRTM-SHIM-STOPPED %s\n", point);
	for (; next; next = next[len] ? next + len + 1 : NULL) {
		len = strcspn(next, ",");
		if (len != strlen(point) || strncmp(next, point, len))
			continue;
		say(STDERR_FILENO, line);
		raise(SIGSTOP);
	}
}

static bool is_file(int fd)
{
	struct stat st;

	return !fstat(fd, &st) && S_ISREG(st.st_mode);
}

/* The ioctls */

static void record_entry(int fd, const char *class, const struct mtd_crtm_entry *e)
{
	char status[16], *line, *block, *response;

	block = calloc(1, 2 * e->in_len + 1);
	response = calloc(1, 2 * e->out_len + 2);
	if (!block || !response)
		abort();
	hex_encode(block, (const uint8_t *)(uintptr_t)e->in, e->in_len);
	if (e->result) {
		snprintf(status, sizeof(status), "%s", crtm_errno_name(e->result));
		strcpy(response, "-");
	} else {
		hex_encode(status, &e->status, 1);
		hex_encode(response, (const uint8_t *)(uintptr_t)e->out, e->out_len);
		if (!e->out_len)
			strcpy(response, "-");
	}
	if (asprintf(&line, "%s %s %s %s\n", class, block, status, response) < 0)
		abort();
	say(fd, line);
	free(line);
	free(block);
	free(response);
}

static void record(unsigned long nr, const struct mtd_crtm_cmd *cmd)
{
	const struct mtd_crtm_entry *entries = (const void *)(uintptr_t)cmd->entries;
	const char *path = getenv("CRTM_SHIM_RECORD");
	unsigned int i;
	int fd;

	if (!path)
		return;
	fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
	if (fd < 0)
		abort();
	for (i = 0; i < cmd->nr; i++)
		if (entries[i].sent)
			record_entry(fd, nr == WR_CRTM_CMD ? "wr" : "rd", &entries[i]);
	/* It must outlive a power cut at the stop point that follows. */
	REAL(fsync)(fd);
	close(fd);
}

static int fake_info(struct mtd_crtm_info *info)
{
	memset(info, 0, sizeof(*info));
	info->size = sizeof(*info);
	info->flags = MTD_CRTM_F_RPMC | MTD_CRTM_F_CRTM | MTD_CRTM_F_MASTER;
	strcpy(info->chip, "fake");
	strcpy(info->command_set, "fake");
	info->op1 = RPMC_OP1_DEFAULT;
	info->op2 = RPMC_OP2_DEFAULT;
	info->slots = 1;
	info->max_block = 300;
	info->max_response = 136;
	info->max_list = 4;
	return 0;
}

static int fake_errno(const char *name)
{
	size_t i;

	for (i = 0; i < sizeof(fake_errors) / sizeof(fake_errors[0]); i++)
		if (!strcmp(crtm_errno_name(fake_errors[i]), name))
			return fake_errors[i];
	abort();
}

static int fake_send(struct mtd_crtm_cmd *cmd)
{
	struct mtd_crtm_entry *entries = (void *)(uintptr_t)cmd->entries;
	static char *list, *next;
	unsigned int i;

	if (!list) {
		list = strdup(getenv("CRTM_SHIM_FAKE"));
		next = list;
	}
	for (i = 0; i < cmd->nr; i++) {
		const char *what = next && *next ? strsep(&next, ",") : "80";
		uint8_t *out = (void *)(uintptr_t)entries[i].out;
		size_t len;

		if (*what == '!') {
			errno = fake_errno(what + 1);
			return i ? 0 : -1;
		}
		entries[i].sent = 1;
		if (hex_decode(what, &entries[i].status, 1, &len)) {
			entries[i].result = -fake_errno(what);
			return 0;
		}
		/* An answer that shows to which block it belongs */
		out[0] = entries[i].status;
		out[1] = ((const uint8_t *)(uintptr_t)entries[i].in)[RPMC_OFF_TYPE];
		entries[i].out_len = 2;
		entries[i].result = 0;
		cmd->done++;
		if (entries[i].status != RPMC_STATUS_SUCCESS)
			return 0;
	}
	return 0;
}

static bool is_fake(int fd)
{
	struct stat st;

	return getenv("CRTM_SHIM_FAKE") && !fstat(fd, &st) && S_ISCHR(st.st_mode) &&
	       st.st_rdev == makedev(1, 3);
}

EXPORT int ioctl(int fd, unsigned long nr, ...)
{
	static unsigned int calls;
	int ret, saved;
	va_list ap;
	void *arg;

	va_start(ap, nr);
	arg = va_arg(ap, void *);
	va_end(ap);

	if (nr == MTD_CRTM_INFO && is_fake(fd))
		return fake_info(arg);
	if (nr != WR_CRTM_CMD && nr != RD_CRTM_CMD)
		return REAL(ioctl)(fd, nr, arg);

	maybe_die();
	maybe_stop("before", ++calls);
	ret = is_fake(fd) ? fake_send(arg) : REAL(ioctl)(fd, nr, arg);
	saved = errno;
	if (!ret)
		record(nr, arg);
	maybe_stop("after", calls);
	errno = saved;
	return ret;
}

/* What must be on the medium */

static void copy(const char *from, const char *to)
{
	char buf[65536];
	ssize_t n;
	int in = open(from, O_RDONLY | O_CLOEXEC);
	int out = open(to, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	if (in < 0 || out < 0)
		abort();
	while ((n = read(in, buf, sizeof(buf))) > 0)
		if (REAL(write)(out, buf, n) != n)
			abort();
	close(in);
	close(out);
}

EXPORT int fsync(int fd)
{
	char proc[64], path[4096], synced[4200];
	ssize_t n;
	int ret;

	maybe_die();
	ret = REAL(fsync)(fd);
	if (ret || !getenv("CRTM_SHIM_SYNCED") || !is_file(fd))
		return ret;
	snprintf(proc, sizeof(proc), "/proc/self/fd/%d", fd);
	n = readlink(proc, path, sizeof(path) - 1);
	if (n < 0)
		abort();
	path[n] = '\0';
	snprintf(synced, sizeof(synced), "%s.synced", path);
	copy(proc, synced);
	return 0;
}

EXPORT int rename(const char *from, const char *to)
{
	char from_synced[4200], to_synced[4200];

	maybe_die();
	if (getenv("CRTM_SHIM_SYNCED")) {
		snprintf(from_synced, sizeof(from_synced), "%s.synced", from);
		snprintf(to_synced, sizeof(to_synced), "%s.synced", to);
		if (REAL(rename)(from_synced, to_synced))
			abort();
	}
	return REAL(rename)(from, to);
}

EXPORT ssize_t write(int fd, const void *buf, size_t len)
{
	if (is_file(fd))
		maybe_die();
	return REAL(write)(fd, buf, len);
}

EXPORT ssize_t pwrite(int fd, const void *buf, size_t len, off_t pos)
{
	maybe_die();
	return REAL(pwrite)(fd, buf, len, pos);
}
