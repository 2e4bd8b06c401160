// SPDX-License-Identifier: MIT
/*
 * A folder in place of the network: for sites that carry files by hand.
 *
 * DIR/batches holds the bodies of 200 answers to GET /v1/next, one a file, worked
 * off in the order of their names (names that start with a dot are not looked
 * at). DIR/results gets the bodies of POST /v1/results as JOB-STEP.json, STEP being
 * the first that the file has an outcome for, and the body of POST /v1/hello as
 * hello.json. A batch is removed once the outcomes of its last step are stored.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "jsonx.h"
#include "log.h"
#include "protocol.h"
#include "service.h"
#include "transport.h"

struct spool {
	int batches;
	int results;
	/* The batch handed out last */
	char name[NAME_MAX + 1];
	int64_t job;
	int64_t last;
};

static void spool_close(struct transport *t)
{
	struct spool *s = t->priv;

	if (s->batches >= 0)
		close(s->batches);
	if (s->results >= 0)
		close(s->results);
	free(s);
}

static int open_folder(const char *dir, const char *name)
{
	char path[PATH_MAX];
	int fd;

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		log_err("%s: %m", path);
	return fd;
}

static int spool_open(struct transport *t, const struct transport_config *config)
{
	const char *dir = config->server + strlen("spool:");
	struct spool *s = calloc(1, sizeof(*s));

	if (!s) {
		log_err("out of memory");
		return -1;
	}
	t->priv = s;
	s->batches = open_folder(dir, "batches");
	s->results = open_folder(dir, "results");
	if (s->batches >= 0 && s->results >= 0)
		return 0;
	spool_close(t);
	return -1;
}

/* Store @text as @name, whole or not at all; a file that is there already stays. */
static int store(const struct spool *s, const char *name, const char *text, bool replace)
{
	static const char temp[] = ".new";
	size_t len = strlen(text);
	int fd, ret;

	if (!replace && !faccessat(s->results, name, F_OK, AT_SYMLINK_NOFOLLOW))
		return 0;
	fd = openat(s->results, temp, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0644);
	if (fd < 0)
		return -1;
	ret = write(fd, text, len) == (ssize_t)len && !fsync(fd) ? 0 : -1;
	close(fd);
	if (ret || renameat(s->results, temp, s->results, name))
		return -1;
	return fsync(s->results);
}

static int spool_hello(struct transport *t, const char *text, struct body *answer)
{
	memset(answer, 0, sizeof(*answer));
	if (store(t->priv, "hello.json", text, true)) {
		log_warn("results/hello.json: %m");
		return -1;
	}
	/* Nobody is there to tell the time. */
	answer->text = strdup("{\"v\": 1, \"time\": \"\"}");
	if (!answer->text)
		return -1;
	answer->len = strlen(answer->text);
	return 200;
}

/* The first name in the folder. -1: cannot read it; 0: it is empty; 1: found. */
static int first_name(const struct spool *s, char *name)
{
	struct dirent *e;
	DIR *dir;
	int fd;

	/* A description of its own: the position in the folder belongs to it. */
	fd = openat(s->batches, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return -1;
	dir = fdopendir(fd);
	if (!dir) {
		close(fd);
		return -1;
	}
	*name = '\0';
	while ((e = readdir(dir)))
		if (*e->d_name != '.' && (!*name || strcmp(e->d_name, name) < 0))
			snprintf(name, NAME_MAX + 1, "%s", e->d_name);
	closedir(dir);
	return *name != '\0';
}

static int read_body(const struct spool *s, const char *name, struct body *answer)
{
	struct stat st;
	ssize_t n;
	int fd;

	fd = openat(s->batches, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	if (fd < 0)
		return -1;
	if (fstat(fd, &st))
		goto fail;
	if (!S_ISREG(st.st_mode) || st.st_size > PROTOCOL_MAX_BODY) {
		errno = S_ISREG(st.st_mode) ? EFBIG : EINVAL;
		goto fail;
	}
	answer->text = malloc(st.st_size + 1);
	if (!answer->text)
		goto fail;
	n = read(fd, answer->text, st.st_size);
	if (n < 0)
		goto fail;
	answer->len = n;
	close(fd);
	return 0;
fail:
	close(fd);
	return -1;
}

static int spool_next(struct transport *t, unsigned int wait, struct body *answer)
{
	struct spool *s = t->priv;
	const char *why;
	struct batch *b;
	int found;

	memset(answer, 0, sizeof(*answer));
	for (;;) {
		found = first_name(s, s->name);
		if (found || !wait-- || service_stop())
			break;
		service_sleep(1000);
	}
	if (!found)
		return 204;
	if (found < 0 || read_body(s, s->name, answer)) {
		log_warn("batches/%s: %m", s->name);
		body_free(answer);
		return -1;
	}

	/* Only to know when it has been dealt with; the caller judges it. */
	b = batch_parse(answer->text, answer->len, &why);
	if (b) {
		s->job = b->job;
		s->last = b->steps[b->nr - 1].step;
	} else {
		s->job = 0;
		log_err("batches/%s: %s", s->name, why);
	}
	batch_free(b);
	return 200;
}

static int spool_results(struct transport *t, const char *text, struct body *answer)
{
	struct spool *s = t->priv;
	json_object *obj, *list, *first, *last;
	char name[64];
	int64_t job, from, to;
	const char *why;
	int ret;

	memset(answer, 0, sizeof(*answer));
	obj = jsonx_parse(text, strlen(text), &why);
	list = jsonx_array(obj, "results", 1, BATCH_MAX_STEPS);
	first = json_object_array_get_idx(list, 0);
	last = json_object_array_get_idx(list, json_object_array_length(list) - 1);
	if (!jsonx_int64(obj, "job", 1, INT64_MAX, &job) ||
	    !jsonx_int64(first, "step", 0, INT64_MAX, &from) ||
	    !jsonx_int64(last, "step", 0, INT64_MAX, &to)) {
		json_object_put(obj);
		return 400;
	}
	json_object_put(obj);

	snprintf(name, sizeof(name), "%lld-%lld.json", (long long)job, (long long)from);
	ret = store(s, name, text, false);
	if (!ret && job == s->job && to == s->last) {
		ret = unlinkat(s->batches, s->name, 0) && errno != ENOENT ? -1 :
		      fsync(s->batches);
		s->job = 0;
	}
	if (ret) {
		log_warn("results/%s: %m", name);
		return -1;
	}
	return 200;
}

const struct transport_ops transport_spool = {
	.open = spool_open,
	.hello = spool_hello,
	.next = spool_next,
	.results = spool_results,
	.close = spool_close,
};

const struct transport_ops *transport_find(const char *server)
{
	if (!strncmp(server, "https://", strlen("https://")))
		return &transport_https;
	if (!strncmp(server, "spool:", strlen("spool:")))
		return &transport_spool;
	return NULL;
}
