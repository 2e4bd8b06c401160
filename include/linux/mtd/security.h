/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * An MTD device that may go while it is in use, and its security operations: joins
 * mtdchar and the flash drivers.
 */
#ifndef _LINUX_MTD_SECURITY_H
#define _LINUX_MTD_SECURITY_H

#include <linux/completion.h>
#include <linux/list.h>
#include <linux/mtd/mtd.h>
#include <linux/refcount.h>
#include <linux/types.h>

struct device;
struct file;
struct mtd_asp_ops;
struct mtd_security_ops;

/**
 * struct mtd_security - the security side of one master mtd_info
 * @master: the device; the key of the registry
 * @ops: A-CRTM and JESD260 commands, NULL if there are none. A device without any
 *	security operations is registered all the same, so that calls after its
 *	removal get -ENODEV
 * @asp: sector protection, NULL if there is none
 * @node: entry of the registry
 * @users: one for the registration, one for each running call
 * @drained: completed when @users drops to 0
 * @dead: set first by mtd_security_kill(); nothing new starts
 *
 * Embedded in the driver's own object, which must outlive the last
 * put_mtd_device().
 */
struct mtd_security {
	struct mtd_info *master;
	const struct mtd_security_ops *ops;
	const struct mtd_asp_ops *asp;
	struct list_head node;
	refcount_t users;
	struct completion drained;
	bool dead;
};

void mtd_security_register(struct mtd_security *sec, struct mtd_info *master);
void mtd_security_kill(struct mtd_security *sec);
void mtd_security_unregister(struct mtd_security *sec);
bool mtd_security_get(struct mtd_security *sec);
void mtd_security_put(struct mtd_security *sec);
void mtd_security_orphan(struct device *parent);

struct mtd_security *mtd_get_security(struct mtd_info *mtd);
int mtd_security_ioctl(struct file *file, struct mtd_info *mtd, unsigned int cmd,
		       unsigned long arg, struct mtd_security **active);

#endif /* _LINUX_MTD_SECURITY_H */
