// SPDX-License-Identifier: MIT
/*
 * What the agent's tests share: a scratch folder, files, blocks.
 */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "test.h"

static char scratch[64];

int scratch_setup(void **state)
{
	(void)state;
	strcpy(scratch, access("/dev/shm", W_OK) ? "/tmp/crtm-XXXXXX" : "/dev/shm/crtm-XXXXXX");
	return !mkdtemp(scratch) || chdir(scratch);
}

int scratch_empty(void **state)
{
	struct dirent *e;
	DIR *dir = opendir(scratch);

	(void)state;
	if (!dir)
		return -1;
	while ((e = readdir(dir)))
		if (strcmp(e->d_name, ".") && strcmp(e->d_name, ".."))
			unlink(e->d_name);
	return closedir(dir);
}

int scratch_teardown(void **state)
{
	scratch_empty(state);
	return chdir("/") || rmdir(scratch);
}

void file_write(const char *name, const void *data, size_t len)
{
	FILE *f = fopen(name, "wb");

	assert_non_null(f);
	assert_int_equal(fwrite(data, 1, len, f), len);
	assert_int_equal(fclose(f), 0);
}

char *file_read(const char *name, size_t *len)
{
	FILE *f = fopen(name, "rb");
	char *data;
	long size;

	assert_non_null(f);
	assert_int_equal(fseek(f, 0, SEEK_END), 0);
	size = ftell(f);
	assert_true(size >= 0);
	rewind(f);
	data = malloc(size + 1);
	assert_non_null(data);
	assert_int_equal(fread(data, 1, size, f), size);
	data[size] = '\0';
	fclose(f);
	if (len)
		*len = size;
	return data;
}

void step_set(struct step *s, bool write, uint8_t type)
{
	s->write = write;
	s->type = type;
	s->block[RPMC_OFF_TYPE] = type;
}

struct batch *batch_make(int64_t job, int64_t first, unsigned int nr)
{
	struct batch *b = calloc(1, sizeof(*b));
	unsigned int i;

	assert_non_null(b);
	b->job = job;
	b->total = first + nr;
	b->done = first;
	b->nr = nr;
	strcpy(b->title, "test");
	for (i = 0; i < nr; i++) {
		struct step *s = &b->steps[i];

		s->step = first + i;
		s->max = RESPONSE_MAX;
		s->len = 45;
		s->block = calloc(1, s->len);
		assert_non_null(s->block);
		s->block[0] = RPMC_OP1_DEFAULT;
		s->block[10] = job;
		s->block[11] = s->step;
		step_set(s, true, CRTM_PROGRAM);
	}
	return b;
}
