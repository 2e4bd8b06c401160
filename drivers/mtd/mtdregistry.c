// SPDX-License-Identifier: GPL-2.0-only
/*
 * Which MTD device has a security side. Apart from struct mtd_info, whose layout all modules
 * of the kernel share.
 */

#include <linux/list.h>
#include <linux/mtd/security.h>
#include <linux/spinlock.h>

#include "mtdregistry.h"

static LIST_HEAD(mtd_security_list);
static DEFINE_SPINLOCK(mtd_security_lock);

void mtd_security_attach(struct mtd_security *sec)
{
	spin_lock(&mtd_security_lock);
	list_add(&sec->node, &mtd_security_list);
	spin_unlock(&mtd_security_lock);
}

void mtd_security_detach(struct mtd_security *sec)
{
	spin_lock(&mtd_security_lock);
	list_del(&sec->node);
	spin_unlock(&mtd_security_lock);
}

/**
 * mtd_get_security() - find the security side of a device
 * @mtd: the device or a partition of it; the caller holds it open
 *
 * Return: NULL if nobody registered one.
 */
struct mtd_security *mtd_get_security(struct mtd_info *mtd)
{
	struct mtd_info *master = mtd_get_master(mtd);
	struct mtd_security *sec, *found = NULL;

	spin_lock(&mtd_security_lock);
	list_for_each_entry(sec, &mtd_security_list, node) {
		if (sec->master == master) {
			found = sec;
			break;
		}
	}
	spin_unlock(&mtd_security_lock);

	return found;
}
