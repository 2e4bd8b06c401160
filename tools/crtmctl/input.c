// SPDX-License-Identifier: MIT
/*
 * What people type and pipe in: numbers, hex, files.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <termios.h>
#include <unistd.h>

#include "crtmctl.h"
#include "hex.h"

static int digit_of(char c, unsigned int base)
{
	static const char digits[] = "0123456789abcdef";
	const char *p;

	if (c >= 'A' && c <= 'F')
		c += 'a' - 'A';
	p = c ? strchr(digits, c) : NULL;
	return p && p - digits < (int)base ? p - digits : -1;
}

int parse_size(const char *what, const char *text, uint64_t max, uint64_t *value)
{
	unsigned int base = 10, shift = 0;
	const char *p = text;
	uint64_t n = 0;
	int digit;

	if (p[0] == '0' && (p[1] == 'x' || p[1] == 'X')) {
		base = 16;
		p += 2;
	}
	if (digit_of(*p, base) < 0) {
		ctl_error("%s: '%s' is no number", what, text);
		return CTL_USAGE;
	}
	for (; (digit = digit_of(*p, base)) >= 0; p++)
		if (__builtin_mul_overflow(n, base, &n) || __builtin_add_overflow(n, digit, &n))
			goto too_large;
	if (*p == 'k' || *p == 'K')
		shift = 10;
	else if (*p == 'M')
		shift = 20;
	if (shift)
		p++;
	if (*p) {
		ctl_error("%s: '%s' ends in '%s', which is no suffix (k or M)", what, text, p);
		return CTL_USAGE;
	}
	if (__builtin_mul_overflow(n, 1ULL << shift, &n) || n > max)
		goto too_large;
	*value = n;
	return CTL_OK;

too_large:
	ctl_error("%s: %s is too large, at most %llu", what, text, (unsigned long long)max);
	return CTL_USAGE;
}

int parse_hex(const char *what, const char *text, void *buf, size_t len)
{
	size_t n;

	if (hex_decode(text, buf, len, &n) || n != len) {
		ctl_error("%s: needs %zu hexadecimal digits (%zu bytes)", what, 2 * len, len);
		return CTL_USAGE;
	}
	return CTL_OK;
}

/* Grows by hand: realloc() would leave copies of what may be a key. */
static int grow(struct input *in, size_t size)
{
	char *more = malloc(size);

	if (!more)
		return -1;
	memcpy(more, in->data, in->len);
	explicit_bzero(in->data, in->size);
	free(in->data);
	in->data = more;
	in->size = size;
	return 0;
}

static int fill(struct input *in, int fd, size_t max)
{
	ssize_t n;

	for (;;) {
		/* One byte for the NUL, one to notice that there is more than @max. */
		if (in->size - in->len < 2 &&
		    grow(in, in->size < max / 2 ? 2 * in->size : max + 2)) {
			ctl_error("%s: out of memory", in->name);
			return CTL_DEVICE;
		}
		n = read(fd, in->data + in->len, in->size - in->len - 1);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0) {
			ctl_error("%s: %s", in->name, strerror(errno));
			return CTL_USAGE;
		}
		if (!n)
			break;
		in->len += n;
		if (in->len > max) {
			ctl_error("%s: longer than %zu bytes", in->name, max);
			return CTL_USAGE;
		}
	}
	in->data[in->len] = '\0';
	return CTL_OK;
}

int input_read(struct input *in, const char *path, const char *name, size_t max)
{
	bool standard = !strcmp(path, "-");
	int fd, ret;

	in->name = standard ? "standard input" : name;
	in->len = 0;
	in->size = 4096;
	in->data = malloc(in->size);
	if (!in->data) {
		ctl_error("%s: out of memory", in->name);
		return CTL_DEVICE;
	}
	fd = standard ? STDIN_FILENO : open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0) {
		ctl_error("%s: %s", in->name, strerror(errno));
		input_free(in);
		return CTL_USAGE;
	}
	ret = fill(in, fd, max);
	if (!standard)
		close(fd);
	if (ret)
		input_free(in);
	return ret;
}

void input_free(struct input *in)
{
	if (in->data)
		explicit_bzero(in->data, in->size);
	free(in->data);
	in->data = NULL;
	in->len = in->size = 0;
}

int random_bytes(void *buf, size_t len)
{
	if (getrandom(buf, len, 0) != (ssize_t)len) {
		ctl_error("no random numbers: %s", strerror(errno));
		return CTL_DEVICE;
	}
	return CTL_OK;
}

static void on_signal(int sig)
{
	(void)sig;
}

/* A line byte by byte, so that no buffer keeps any of it. A signal or an end ends it. */
static int read_line(char *line, size_t size)
{
	size_t len = 0;
	char c;

	while (read(STDIN_FILENO, &c, 1) == 1) {
		if (c == '\n') {
			line[len] = '\0';
			return len < size - 1 ? CTL_OK : CTL_USAGE;
		}
		if (len < size - 1)
			line[len++] = c;
	}
	return CTL_USAGE;
}

int read_answer(const char *question, bool echo, char *answer, size_t size)
{
	static const int signals[] = { SIGINT, SIGTERM, SIGHUP, SIGQUIT };
	enum { NR_SIGNALS = sizeof(signals) / sizeof(signals[0]) };
	struct sigaction end = { .sa_handler = on_signal }, ignore = { .sa_handler = SIG_IGN };
	struct sigaction old[NR_SIGNALS], stop;
	struct termios saved, quiet;
	int ret, i;

	if (tcgetattr(STDIN_FILENO, &saved)) {
		ctl_error("standard input is no terminal");
		return CTL_USAGE;
	}
	/* Whatever ends this, the terminal gets its echo back. */
	for (i = 0; i < NR_SIGNALS; i++)
		sigaction(signals[i], &end, &old[i]);
	sigaction(SIGTSTP, &ignore, &stop);
	quiet = saved;
	if (!echo)
		quiet.c_lflag &= ~(ECHO | ECHOE | ECHOK | ECHONL);

	/* In this order, so that what is typed at the question is not thrown away. */
	tcsetattr(STDIN_FILENO, TCSAFLUSH, &quiet);
	fprintf(stderr, "%s", question);
	ret = read_line(answer, size);
	tcsetattr(STDIN_FILENO, TCSADRAIN, &saved);
	if (!echo || ret)
		fputc('\n', stderr);

	sigaction(SIGTSTP, &stop, NULL);
	for (i = 0; i < NR_SIGNALS; i++)
		sigaction(signals[i], &old[i], NULL);
	if (ret) {
		explicit_bzero(answer, size);
		ctl_error("no answer, or too long a one: nothing was sent");
	}
	return ret;
}
