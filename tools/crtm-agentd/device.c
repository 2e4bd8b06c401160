// SPDX-License-Identifier: MIT
/*
 * Where blocks go: an MTD node, or nowhere.
 */
#include <crtm.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "device.h"
#include "protocol.h"

static int mtd_open(struct device *d, const char *arg)
{
	int ret;

	d->fd = crtm_open(arg, true);
	if (d->fd < 0)
		return d->fd;
	ret = crtm_info(d->fd, &d->info);
	if (!ret && !d->info.max_list)
		ret = -EPROTO;
	if (ret)
		close(d->fd);
	return ret;
}

static int mtd_exchange(struct device *d, bool write, struct mtd_crtm_entry *entries,
			unsigned int nr)
{
	return crtm_send(d->fd, write, entries, nr, NULL);
}

static void mtd_close(struct device *d)
{
	close(d->fd);
}

const struct device_ops device_mtd = {
	.open = mtd_open,
	.exchange = mtd_exchange,
	.close = mtd_close,
};

/* For trying out a site's network and certificates: says yes to everything. */

void device_fake_info(struct mtd_crtm_info *info, const char *chip)
{
	memset(info, 0, sizeof(*info));
	info->size = sizeof(*info);
	info->flags = MTD_CRTM_F_RPMC | MTD_CRTM_F_CRTM | MTD_CRTM_F_MASTER;
	snprintf(info->chip, sizeof(info->chip), "%s", chip);
	snprintf(info->command_set, sizeof(info->command_set), "%s", CRTM_COMMAND_SET);
	info->op1 = RPMC_OP1_DEFAULT;
	info->op2 = RPMC_OP2_DEFAULT;
	info->slots = 1;
	info->max_response = RESPONSE_MAX;
	info->max_list = BATCH_MAX_STEPS;
}

static int null_open(struct device *d, const char *arg)
{
	(void)arg;
	device_fake_info(&d->info, "null");
	return 0;
}

static int null_exchange(struct device *d, bool write, struct mtd_crtm_entry *entries,
			 unsigned int nr)
{
	unsigned int i;

	(void)d;
	(void)write;
	for (i = 0; i < nr; i++) {
		*(uint8_t *)(uintptr_t)entries[i].out = RPMC_STATUS_SUCCESS;
		entries[i].out_len = 1;
		entries[i].status = RPMC_STATUS_SUCCESS;
		entries[i].result = 0;
		entries[i].sent = 1;
	}
	return 0;
}

static void null_close(struct device *d)
{
	(void)d;
}

const struct device_ops device_null = {
	.open = null_open,
	.exchange = null_exchange,
	.close = null_close,
};

const struct device_ops *device_find(const char *name, const char **arg)
{
	*arg = name;
	if (!strcmp(name, "null:"))
		return &device_null;
	if (!strncmp(name, "replay:", strlen("replay:"))) {
		*arg = name + strlen("replay:");
		return &device_replay;
	}
	return &device_mtd;
}
