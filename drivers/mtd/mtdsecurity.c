// SPDX-License-Identifier: GPL-2.0-only
/*
 * MTD devices that may go while they are in use: who runs in the driver is waited for, who has
 * the device open keeps it.
 */

#include <linux/device.h>
#include <linux/module.h>
#include <linux/mtd/security.h>
#include <linux/mutex.h>
#include <linux/string.h>

#include "mtdcore.h"
#include "mtdregistry.h"

/**
 * mtd_security_register() - keep a device for its users, and give it a security side
 * @sec: its operations set, in memory that outlives the last put_mtd_device()
 * @master: the device; to be called before mtd_device_register()
 */
void mtd_security_register(struct mtd_security *sec, struct mtd_info *master)
{
	sec->master = master;
	sec->dead = false;
	refcount_set(&sec->users, 1);
	init_completion(&sec->drained);

	mtd_security_attach(sec);
}
EXPORT_SYMBOL_GPL(mtd_security_register);

/**
 * mtd_security_kill() - let nothing new start, and wait for what is running
 * @sec: a registered one; calling again does nothing
 *
 * Every ioctl on the device's nodes fails with -ENODEV from here on. Sleeps; for
 * the one context that removes the device.
 */
void mtd_security_kill(struct mtd_security *sec)
{
	if (sec->dead)
		return;

	WRITE_ONCE(sec->dead, true);
	mtd_security_put(sec);
	wait_for_completion(&sec->drained);
}
EXPORT_SYMBOL_GPL(mtd_security_kill);

/**
 * mtd_security_unregister() - forget a device
 * @sec: a killed one, with no node of the device open any more
 */
void mtd_security_unregister(struct mtd_security *sec)
{
	mtd_security_detach(sec);
}
EXPORT_SYMBOL_GPL(mtd_security_unregister);

/**
 * mtd_security_get() - take an active reference: the device stays while it is held
 * @sec: a registered one
 *
 * Return: false if the device is gone or going.
 */
bool mtd_security_get(struct mtd_security *sec)
{
	if (!refcount_inc_not_zero(&sec->users))
		return false;
	if (!READ_ONCE(sec->dead))
		return true;

	mtd_security_put(sec);
	return false;
}
EXPORT_SYMBOL_GPL(mtd_security_get);

/**
 * mtd_security_put() - drop an active reference
 * @sec: NULL does nothing
 */
void mtd_security_put(struct mtd_security *sec)
{
	if (sec && refcount_dec_and_test(&sec->users))
		complete(&sec->drained);
}
EXPORT_SYMBOL_GPL(mtd_security_put);

/* For device_for_each_child(): take the first child that is an MTD device's. */
static int take_mtd_child(struct device *dev, void *child)
{
	if (!dev->class || strcmp(dev->class->name, "mtd"))
		return 0;

	*(struct device **)child = get_device(dev);
	return 1;
}

/**
 * mtd_security_orphan() - take MTD devices that are in use out of their parent's folder
 * @parent: a device that goes, after mtd_device_unregister() and mtd_security_kill()
 *
 * Who is in use stays in sysfs until its last user goes, but must not be deleted
 * below a folder that went before.
 */
void mtd_security_orphan(struct device *parent)
{
	struct device *child;
	int ret = 0;

	/* The last user deletes the device under this lock. */
	mutex_lock(&mtd_table_mutex);
	while (!ret && device_for_each_child(parent, &child, take_mtd_child)) {
		ret = device_move(child, NULL, DPM_ORDER_NONE);
		put_device(child);
	}
	mutex_unlock(&mtd_table_mutex);
}
EXPORT_SYMBOL_GPL(mtd_security_orphan);

/**
 * mtd_master_is_counted() - does a user of a device hold its master's registration?
 * @master: the device
 *
 * Without CONFIG_MTD_PARTITIONED_MASTER the core lets go of a master's registration
 * however many have it open. Children of its struct device and sysfs would meet a
 * cleared one.
 *
 * Return: true if opening counts on @master->refcnt; the same answer as long as
 * it is open.
 */
bool mtd_master_is_counted(struct mtd_info *master)
{
	if (IS_ENABLED(CONFIG_MTD_PARTITIONED_MASTER))
		return true;
	return mtd_get_security(master) && device_is_registered(&master->dev);
}
