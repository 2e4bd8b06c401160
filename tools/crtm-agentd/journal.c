// SPDX-License-Identifier: MIT
/*
 * The journal: why a block reaches the chip at most once.
 */
#include <ctype.h>
#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <openssl/sha.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "hex.h"
#include "journal.h"
#include "log.h"

#define MAGIC		"CRTMJNL1"
#define CHAIN_LEN	SHA256_DIGEST_LENGTH

struct head {
	uint8_t magic[8];
	uint64_t committed;
	uint8_t chain[CHAIN_LEN];
} __attribute__((packed));

enum record_type {
	RECORD_INTENT = 1,	/* SHA-256 of the block */
	RECORD_OUTCOME,		/* struct record_outcome, response */
	RECORD_DONE,		/* struct record_done */
	RECORD_DOUBT,		/* nothing; job and step are 0 */
};

struct record {
	uint8_t type;
	uint64_t job;
	uint64_t step;
} __attribute__((packed));

struct record_outcome {
	uint8_t kind;
	uint8_t status;
	char error[OUTCOME_ERROR_LEN];
} __attribute__((packed));

/* The server has every outcome of the job up to and with this step. */
struct record_done {
	uint8_t stopped;
	uint8_t doubt_over;
} __attribute__((packed));

#define PAYLOAD_MAX (sizeof(struct record) + sizeof(struct record_outcome) + RESPONSE_MAX)
#define RECORD_MAX (sizeof(uint32_t) + PAYLOAD_MAX + CHAIN_LEN)

/* Larger than a journal can become: grown, then one batch, announced and answered. */
#define FILE_MAX (JOURNAL_COMPACT + 4 * (JOURNAL_JOBS + BATCH_MAX_STEPS) * RECORD_MAX)

struct done_job {
	int64_t job;
	int64_t step;
	bool stopped;
};

struct journal {
	char path[PATH_MAX];
	char path_new[PATH_MAX];
	int dir;
	int lock;
	int fd;
	uint64_t end;			/* where the next record goes */
	uint8_t chain[CHAIN_LEN];
	bool doubt;

	/* Steps of one job, in the order of their records; kind 0: no outcome yet */
	int64_t job;
	unsigned int nr;
	struct outcome outcomes[BATCH_MAX_STEPS];
	uint8_t digests[BATCH_MAX_STEPS][SHA256_DIGEST_LENGTH];

	unsigned int nr_jobs;
	struct done_job jobs[JOURNAL_JOBS];	/* oldest first */

	size_t buffered;
	uint8_t buffer[(JOURNAL_JOBS + 2 * BATCH_MAX_STEPS + 2) * RECORD_MAX];
};

/* In memory: what a record says */

static struct outcome *find_step(struct journal *j, int64_t step)
{
	unsigned int i;

	for (i = 0; i < j->nr; i++)
		if (j->outcomes[i].step == step)
			return &j->outcomes[i];
	return NULL;
}

static struct outcome *add_step(struct journal *j, int64_t job, int64_t step)
{
	struct outcome *o;

	if (j->nr == BATCH_MAX_STEPS || (j->nr && j->job != job))
		return NULL;
	j->job = job;
	o = &j->outcomes[j->nr++];
	memset(o, 0, sizeof(*o));
	o->step = step;
	return o;
}

static bool apply_intent(struct journal *j, int64_t job, int64_t step, const uint8_t *digest)
{
	if (find_step(j, step) || !add_step(j, job, step))
		return false;
	memcpy(j->digests[j->nr - 1], digest, SHA256_DIGEST_LENGTH);
	return true;
}

static bool apply_outcome(struct journal *j, int64_t job, const struct outcome *outcome)
{
	struct outcome *o = find_step(j, outcome->step);

	if (o && (o->kind || j->job != job))
		return false;
	if (!o)
		o = add_step(j, job, outcome->step);
	if (!o)
		return false;
	*o = *outcome;
	return true;
}

static void apply_done(struct journal *j, const struct done_job *done, bool doubt_over)
{
	struct done_job job = *done;
	unsigned int i;

	for (i = 0; i < j->nr_jobs && j->jobs[i].job != job.job; i++)
		;
	if (i < j->nr_jobs && j->jobs[i].step > job.step)
		job = j->jobs[i];
	if (i == JOURNAL_JOBS)
		i = 0;
	if (i < j->nr_jobs) {
		memmove(&j->jobs[i], &j->jobs[i + 1],
			(j->nr_jobs - i - 1) * sizeof(j->jobs[0]));
		j->nr_jobs--;
	}
	j->jobs[j->nr_jobs++] = job;
	j->nr = 0;
	if (doubt_over)
		j->doubt = false;
}

/* Reading */

static void chain_next(uint8_t chain[CHAIN_LEN], const uint8_t *record, size_t len)
{
	uint8_t buf[CHAIN_LEN + sizeof(uint32_t) + PAYLOAD_MAX];

	memcpy(buf, chain, CHAIN_LEN);
	memcpy(buf + CHAIN_LEN, record, len);
	SHA256(buf, CHAIN_LEN + len, chain);
}

/* The forms that the server takes; any other one would be in the way of all that follow. */
static bool can_be_reported(const struct outcome *o)
{
	const char *error = o->error;
	size_t i;

	switch (o->kind) {
	case OUTCOME_ANSWERED:
		return o->len;
	case OUTCOME_UNKNOWN:
	case OUTCOME_UNSENT:
		for (i = 0; i < sizeof(o->error) && error[i]; i++)
			if (!isupper((unsigned char)error[i]) && !isdigit((unsigned char)error[i]))
				return false;
		return i < sizeof(o->error);
	default:
		return false;
	}
}

static bool load_record(struct journal *j, const uint8_t *payload, size_t len)
{
	struct record rec;
	int64_t job, step;

	if (len < sizeof(rec))
		return false;
	memcpy(&rec, payload, sizeof(rec));
	payload += sizeof(rec);
	len -= sizeof(rec);
	job = be64toh(rec.job);
	step = be64toh(rec.step);

	if (rec.type == RECORD_DOUBT && !len) {
		j->doubt = true;
		return true;
	}
	if (job <= 0 || step < 0)
		return false;

	switch (rec.type) {
	case RECORD_INTENT:
		return len == SHA256_DIGEST_LENGTH && apply_intent(j, job, step, payload);
	case RECORD_OUTCOME: {
		struct record_outcome ro;
		struct outcome o = { .step = step };

		if (len < sizeof(ro) || len - sizeof(ro) > sizeof(o.response))
			return false;
		memcpy(&ro, payload, sizeof(ro));
		o.kind = ro.kind;
		o.status = ro.status;
		memcpy(o.error, ro.error, sizeof(o.error));
		o.len = len - sizeof(ro);
		memcpy(o.response, payload + sizeof(ro), o.len);
		return can_be_reported(&o) && apply_outcome(j, job, &o);
	}
	case RECORD_DONE: {
		struct record_done rd;

		if (len != sizeof(rd))
			return false;
		memcpy(&rd, payload, sizeof(rd));
		apply_done(j, &(struct done_job){ job, step, rd.stopped }, rd.doubt_over);
		return true;
	}
	default:
		return false;
	}
}

/* Read @data into an empty @j. Says whether all that was committed is there. */
static bool load(struct journal *j, const uint8_t *data, size_t size)
{
	const size_t overhead = sizeof(uint32_t) + CHAIN_LEN;
	size_t pos = sizeof(struct head);
	struct head head;
	bool seen;

	if (size < sizeof(head))
		return false;
	memcpy(&head, data, sizeof(head));
	if (memcmp(head.magic, MAGIC, sizeof(head.magic)))
		return false;

	/*
	 * The chain at the committed end must be the one that was committed: a
	 * damaged head fits no place.
	 */
	seen = be64toh(head.committed) == pos && !memcmp(head.chain, j->chain, CHAIN_LEN);
	while (size - pos >= overhead) {
		uint8_t chain[CHAIN_LEN];
		uint32_t len;

		memcpy(&len, data + pos, sizeof(len));
		len = be32toh(len);
		if (len > PAYLOAD_MAX || len > size - pos - overhead)
			break;
		memcpy(chain, j->chain, CHAIN_LEN);
		chain_next(chain, data + pos, sizeof(len) + len);
		if (memcmp(chain, data + pos + sizeof(len) + len, CHAIN_LEN))
			break;
		/* Intact but senseless was not written by an agent. */
		if (!load_record(j, data + pos + sizeof(len), len))
			return false;
		memcpy(j->chain, chain, CHAIN_LEN);
		pos += overhead + len;
		if (be64toh(head.committed) == pos)
			seen = !memcmp(head.chain, j->chain, CHAIN_LEN);
	}
	return seen;
}

/* Writing */

static int write_all(int fd, const void *buf, size_t len, uint64_t pos)
{
	const uint8_t *p = buf;

	while (len) {
		ssize_t n = pwrite(fd, p, len, pos);

		if (n < 0) {
			if (errno == EINTR)
				continue;
			return -errno;
		}
		p += n;
		pos += n;
		len -= n;
	}
	return 0;
}

static void put(struct journal *j, enum record_type type, int64_t job, int64_t step,
		const void *a, size_t a_len, const void *b, size_t b_len)
{
	struct record rec = { type, htobe64(job), htobe64(step) };
	uint32_t len = htobe32(sizeof(rec) + a_len + b_len);
	uint8_t *start = j->buffer + j->buffered, *p = start;

	p = mempcpy(p, &len, sizeof(len));
	p = mempcpy(p, &rec, sizeof(rec));
	if (a_len)
		p = mempcpy(p, a, a_len);
	if (b_len)
		p = mempcpy(p, b, b_len);
	chain_next(j->chain, start, p - start);
	p = mempcpy(p, j->chain, CHAIN_LEN);
	j->buffered = p - j->buffer;
}

static void put_intent(struct journal *j, int64_t job, int64_t step, const uint8_t *digest)
{
	put(j, RECORD_INTENT, job, step, digest, SHA256_DIGEST_LENGTH, NULL, 0);
}

static void put_outcome(struct journal *j, int64_t job, const struct outcome *o)
{
	struct record_outcome ro = { o->kind, o->status, "" };

	memcpy(ro.error, o->error, sizeof(ro.error));
	put(j, RECORD_OUTCOME, job, o->step, &ro, sizeof(ro), o->response, o->len);
}

static void put_done(struct journal *j, const struct done_job *done, bool doubt_over)
{
	struct record_done rd = { done->stopped, doubt_over };

	put(j, RECORD_DONE, done->job, done->step, &rd, sizeof(rd), NULL, 0);
}

/* Append what was put. It may not reach the medium before the next commit(). */
static int append(struct journal *j)
{
	int ret = write_all(j->fd, j->buffer, j->buffered, j->end);

	j->end += j->buffered;
	j->buffered = 0;
	return ret;
}

/* Append what was put; on 0 it is on the medium. */
static int commit(struct journal *j)
{
	struct head head;
	int ret;

	ret = append(j);
	if (ret)
		return ret;
	memcpy(head.magic, MAGIC, sizeof(head.magic));
	head.committed = htobe64(j->end);
	memcpy(head.chain, j->chain, CHAIN_LEN);
	ret = write_all(j->fd, &head, sizeof(head), 0);
	if (ret)
		return ret;
	return fsync(j->fd) ? -errno : 0;
}

/* Replace the file by one that says the same in as few records as possible. */
static int compact(struct journal *j)
{
	unsigned int i;
	int ret;

	if (j->fd >= 0)
		close(j->fd);
	j->fd = open(j->path_new, O_RDWR | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (j->fd < 0)
		return -errno;
	j->end = sizeof(struct head);
	memset(j->chain, 0, CHAIN_LEN);
	j->buffered = 0;

	for (i = 0; i < j->nr_jobs; i++)
		put_done(j, &j->jobs[i], false);
	if (j->doubt)
		put(j, RECORD_DOUBT, 0, 0, NULL, 0, NULL, 0);
	for (i = 0; i < j->nr; i++)
		put_outcome(j, j->job, &j->outcomes[i]);
	ret = commit(j);
	if (ret)
		return ret;
	if (rename(j->path_new, j->path))
		return -errno;
	return fsync(j->dir) ? -errno : 0;
}

/* Outside */

/* At most @cap bytes of a regular file: how many, or -errno. */
static ssize_t read_file(const char *path, uint8_t *data, size_t cap)
{
	ssize_t n = 1, len = 0;
	struct stat st;
	int fd;

	/* Not blocking: it could have been made a pipe. */
	fd = open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	if (fstat(fd, &st))
		len = -errno;
	else if (!S_ISREG(st.st_mode))
		len = -EINVAL;
	while (len >= 0 && n && (size_t)len < cap) {
		n = read(fd, data + len, cap - len);
		if (n >= 0)
			len += n;
		else if (errno != EINTR)
			len = -errno;
	}
	close(fd);
	return len;
}

static int open_dir(const char *path)
{
	const char *slash = strrchr(path, '/');
	char dir[PATH_MAX] = ".";
	int fd;

	if (slash)
		snprintf(dir, sizeof(dir), "%.*s", slash == path ? 1 : (int)(slash - path), path);
	fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

/* A file of its own: the journal is replaced, and a lock would stay with the old one. */
static int take_lock(const char *path)
{
	char name[PATH_MAX];
	int fd, ret;

	if (snprintf(name, sizeof(name), "%s.lock", path) >= (int)sizeof(name))
		return -ENAMETOOLONG;
	fd = open(name, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0)
		return -errno;
	if (!flock(fd, LOCK_EX | LOCK_NB))
		return fd;
	ret = errno == EWOULDBLOCK ? -EBUSY : -errno;
	close(fd);
	return ret;
}

static int recover(struct journal *j)
{
	uint8_t *data = malloc(FILE_MAX);
	unsigned int i;
	ssize_t size;
	bool whole;

	if (!data)
		return -ENOMEM;
	size = read_file(j->path, data, FILE_MAX);
	whole = size == -ENOENT || (size >= 0 && load(j, data, size));
	free(data);
	if (size < 0 && size != -ENOENT)
		return size;
	if (!whole) {
		log_err("%s lost records: what is not in it counts as perhaps sent", j->path);
		j->doubt = true;
	}

	for (i = 0; i < j->nr; i++) {
		struct outcome *o = &j->outcomes[i];
		char hex[2 * SHA256_DIGEST_LENGTH + 1];

		if (o->kind)
			continue;
		hex_encode(hex, j->digests[i], SHA256_DIGEST_LENGTH);
		log_warn("job %lld step %lld (block with SHA-256 %s) may have been sent",
			 (long long)j->job, (long long)o->step, hex);
		outcome_error(o, o->step, OUTCOME_UNKNOWN, "CRASH");
	}
	return compact(j);
}

int journal_open(struct journal **out, const char *path)
{
	struct journal *j = calloc(1, sizeof(*j));
	int ret;

	if (!j)
		return -ENOMEM;
	j->lock = -1;
	j->fd = -1;
	j->dir = open_dir(path);
	ret = j->dir;
	if (ret < 0)
		goto fail;
	ret = -ENAMETOOLONG;
	if (snprintf(j->path, sizeof(j->path), "%s", path) >= (int)sizeof(j->path) ||
	    snprintf(j->path_new, sizeof(j->path_new), "%s.new", path) >= (int)sizeof(j->path_new))
		goto fail;
	j->lock = take_lock(path);
	ret = j->lock;
	if (ret < 0)
		goto fail;
	ret = recover(j);
	if (ret)
		goto fail;
	*out = j;
	return 0;
fail:
	journal_close(j);
	return ret;
}

void journal_close(struct journal *j)
{
	if (!j)
		return;
	if (j->fd >= 0)
		close(j->fd);
	if (j->lock >= 0)
		close(j->lock);
	if (j->dir >= 0)
		close(j->dir);
	free(j);
}

bool journal_in_doubt(const struct journal *j)
{
	return j->doubt;
}

bool journal_known(const struct journal *j, int64_t job, int64_t step, bool *stopped)
{
	unsigned int i;

	for (i = 0; i < j->nr_jobs; i++) {
		if (j->jobs[i].job != job || step > j->jobs[i].step)
			continue;
		*stopped = j->jobs[i].stopped;
		return true;
	}
	return false;
}

int journal_intent(struct journal *j, int64_t job, const struct step *steps, unsigned int nr)
{
	uint8_t digest[SHA256_DIGEST_LENGTH];
	unsigned int i;

	for (i = 0; i < nr; i++) {
		SHA256(steps[i].block, steps[i].len, digest);
		if (!apply_intent(j, job, steps[i].step, digest))
			return -EINVAL;
		put_intent(j, job, steps[i].step, digest);
	}
	return commit(j);
}

int journal_outcomes(struct journal *j, int64_t job, const struct outcome *outcomes,
		     unsigned int nr)
{
	unsigned int i;

	for (i = 0; i < nr; i++) {
		if (!apply_outcome(j, job, &outcomes[i]))
			return -EINVAL;
		put_outcome(j, job, &outcomes[i]);
	}
	return commit(j);
}

unsigned int journal_pending(const struct journal *j, int64_t *job,
			     const struct outcome **outcomes)
{
	*job = j->job;
	*outcomes = j->outcomes;
	return j->nr;
}

int journal_acked(struct journal *j, bool batch)
{
	const struct outcome *last = &j->outcomes[j->nr - 1];
	struct done_job done = { j->job, last->step, !outcome_success(last) };

	apply_done(j, &done, batch);
	if (j->end > JOURNAL_COMPACT)
		return compact(j);
	/* Losing this record costs a second report of the same, no more. */
	put_done(j, &done, batch);
	return append(j);
}
