// SPDX-License-Identifier: MIT
/*
 * A recording in place of a chip: what was asked before gets the same answer.
 *
 * One line an exchange: "wr" or "rd", the block, the status as two digits or the
 * errno's name of an unknown outcome, the response or "-" for none. An exchange
 * takes the first line not used yet that has its block; without one the device is
 * as good as gone.
 */
#include <crtm.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "device.h"
#include "hex.h"
#include "protocol.h"

struct line {
	bool used;
	bool write;
	int result;
	uint8_t status;
	size_t block_len;
	size_t response_len;
	uint8_t *block;
	uint8_t response[RESPONSE_MAX];
};

struct recording {
	struct line *lines;
	size_t nr;
};

static const int unknown_results[] = { -ETIMEDOUT, -EIO };

static bool parse_status(const char *text, struct line *line)
{
	size_t len, i;

	for (i = 0; i < sizeof(unknown_results) / sizeof(unknown_results[0]); i++) {
		if (strcmp(text, crtm_errno_name(unknown_results[i])))
			continue;
		line->result = unknown_results[i];
		return true;
	}
	return !hex_decode(text, &line->status, 1, &len) && len == 1;
}

static int parse_line(char *text, struct line *line)
{
	char *save, *class = strtok_r(text, " \n", &save);
	char *block = strtok_r(NULL, " \n", &save);
	char *status = strtok_r(NULL, " \n", &save);
	char *response = strtok_r(NULL, " \n", &save);

	memset(line, 0, sizeof(*line));
	if (!response || strtok_r(NULL, " \n", &save) ||
	    (strcmp(class, "wr") && strcmp(class, "rd")))
		return -EINVAL;
	line->write = !strcmp(class, "wr");
	if (!parse_status(status, line))
		return -EINVAL;
	if (strcmp(response, "-") &&
	    hex_decode(response, line->response, sizeof(line->response), &line->response_len))
		return -EINVAL;
	line->block = malloc(strlen(block) / 2 + 1);
	if (!line->block)
		return -ENOMEM;
	if (hex_decode(block, line->block, strlen(block) / 2, &line->block_len)) {
		free(line->block);
		return -EINVAL;
	}
	return 0;
}

static void replay_close(struct device *d)
{
	struct recording *rec = d->priv;
	size_t i;

	for (i = 0; i < rec->nr; i++)
		free(rec->lines[i].block);
	free(rec->lines);
	free(rec);
}

static int replay_open(struct device *d, const char *arg)
{
	struct recording *rec;
	char *text = NULL;
	size_t cap = 0;
	int ret = 0;
	FILE *f;

	f = fopen(arg, "re");
	if (!f)
		return -errno;
	rec = calloc(1, sizeof(*rec));
	if (!rec) {
		fclose(f);
		return -ENOMEM;
	}
	d->priv = rec;
	while (!ret && getline(&text, &cap, f) >= 0) {
		struct line *lines = reallocarray(rec->lines, rec->nr + 1, sizeof(*lines));

		if (!lines) {
			ret = -ENOMEM;
			break;
		}
		rec->lines = lines;
		ret = parse_line(text, &lines[rec->nr]);
		if (!ret)
			rec->nr++;
	}
	free(text);
	fclose(f);
	if (ret)
		replay_close(d);
	else
		device_fake_info(&d->info, "replay");
	return ret;
}

static struct line *find_line(struct recording *rec, bool write, const void *block, size_t len)
{
	size_t i;

	for (i = 0; i < rec->nr; i++) {
		struct line *line = &rec->lines[i];

		if (!line->used && line->write == write && line->block_len == len &&
		    !memcmp(line->block, block, len))
			return line;
	}
	return NULL;
}

static int replay_exchange(struct device *d, bool write, struct mtd_crtm_entry *entries,
			   unsigned int nr)
{
	unsigned int i;

	for (i = 0; i < nr; i++) {
		struct mtd_crtm_entry *e = &entries[i];
		const void *block = (const void *)(uintptr_t)e->in;
		struct line *line = find_line(d->priv, write, block, e->in_len);

		if (!line || line->response_len > e->out_len)
			return i ? 0 : -ENODEV;
		line->used = true;
		e->sent = 1;
		e->result = line->result;
		e->status = line->status;
		memcpy((void *)(uintptr_t)e->out, line->response, line->response_len);
		e->out_len = line->response_len;
		if (line->result || line->status != RPMC_STATUS_SUCCESS)
			return 0;
	}
	return 0;
}

const struct device_ops device_replay = {
	.open = replay_open,
	.exchange = replay_exchange,
	.close = replay_close,
};
