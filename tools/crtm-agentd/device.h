/* SPDX-License-Identifier: MIT */
/*
 * Where blocks go: an MTD node, a recording, or nowhere.
 */
#ifndef AGENT_DEVICE_H
#define AGENT_DEVICE_H

#include <mtd/mtd-security.h>
#include <stdbool.h>

struct device;

/**
 * struct device_ops - a kind of device
 * @open: open @arg and describe it in @d->info; 0 or -errno
 * @exchange: as crtm_send(): -errno if nothing was sent, otherwise 0 and the
 *	entries tell the rest
 * @close: undo @open
 */
struct device_ops {
	int (*open)(struct device *d, const char *arg);
	int (*exchange)(struct device *d, bool write, struct mtd_crtm_entry *entries,
			unsigned int nr);
	void (*close)(struct device *d);
};

struct device {
	const struct device_ops *ops;
	struct mtd_crtm_info info;
	int fd;
	void *priv;
};

extern const struct device_ops device_mtd;	/* a node's path */
extern const struct device_ops device_replay;	/* replay:FILE */
extern const struct device_ops device_null;	/* null: */

/**
 * device_find - the kind of device that a name on the command line means
 * @name: as --device has it
 * @arg: what to give to open()
 */
const struct device_ops *device_find(const char *name, const char **arg);

/* Describes a device without a chip, by the command table alone. */
void device_fake_info(struct mtd_crtm_info *info, const char *chip);

#endif /* AGENT_DEVICE_H */
