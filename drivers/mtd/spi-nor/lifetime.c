// SPDX-License-Identifier: GPL-2.0-only
/*
 * Lifetime of a flash bound to the spi-nor driver.
 *
 * An open node or a mounted file system keeps the mtd_info in use when the device
 * is unbound, but not the device. So the flash and its mtd_info live until their
 * last user is gone; operations don't, and fail with -ENODEV.
 */

#include <linux/device.h>
#include <linux/err.h>
#include <linux/module.h>
#include <linux/mtd/spi-nor.h>
#include <linux/slab.h>
#include <linux/spi/spi.h>
#include <linux/spi/spi-mem.h>
#include <linux/string.h>

#include "asp.h"
#include "core.h"
#include "crtm.h"
#include "lifetime.h"

static struct spi_nor_bound *mtd_to_bound(struct mtd_info *mtd)
{
	return container_of(mtd_to_spi_nor(mtd), struct spi_nor_bound, nor);
}

#define SPI_NOR_GUARDED(op, params, args)				\
static int spi_nor_guarded##op params					\
{									\
	struct spi_nor_bound *flash = mtd_to_bound(mtd);		\
	int ret = -ENODEV;						\
									\
	down_read(&flash->removal);					\
	if (!flash->gone)						\
		ret = flash->core.op args;				\
	up_read(&flash->removal);					\
									\
	return ret;							\
}

SPI_NOR_GUARDED(_read, (struct mtd_info *mtd, loff_t from, size_t len, size_t *retlen,
			u_char *buf), (mtd, from, len, retlen, buf))

SPI_NOR_GUARDED(_lock, (struct mtd_info *mtd, loff_t ofs, uint64_t len), (mtd, ofs, len))

SPI_NOR_GUARDED(_unlock, (struct mtd_info *mtd, loff_t ofs, uint64_t len), (mtd, ofs, len))

SPI_NOR_GUARDED(_is_locked, (struct mtd_info *mtd, loff_t ofs, uint64_t len), (mtd, ofs, len))

SPI_NOR_GUARDED(_get_user_prot_info, (struct mtd_info *mtd, size_t len, size_t *retlen,
				      struct otp_info *buf), (mtd, len, retlen, buf))

SPI_NOR_GUARDED(_read_user_prot_reg, (struct mtd_info *mtd, loff_t from, size_t len,
				      size_t *retlen, u_char *buf), (mtd, from, len, retlen, buf))

SPI_NOR_GUARDED(_write_user_prot_reg, (struct mtd_info *mtd, loff_t to, size_t len,
				       size_t *retlen, const u_char *buf),
		(mtd, to, len, retlen, buf))

SPI_NOR_GUARDED(_lock_user_prot_reg, (struct mtd_info *mtd, loff_t from, size_t len),
		(mtd, from, len))

SPI_NOR_GUARDED(_erase_user_prot_reg, (struct mtd_info *mtd, loff_t from, size_t len),
		(mtd, from, len))

/* What an error of these two leaves open: whether a sector is locked. */
static int spi_nor_guarded_erase(struct mtd_info *mtd, struct erase_info *instr)
{
	struct spi_nor_bound *flash = mtd_to_bound(mtd);
	int ret = -ENODEV;

	down_read(&flash->removal);
	if (!flash->gone)
		ret = flash->core._erase(mtd, instr);
	if (ret == -EIO)
		micron_st_nor_asp_explain(&flash->nor, instr->addr, instr->len);
	up_read(&flash->removal);

	return ret;
}

static int spi_nor_guarded_write(struct mtd_info *mtd, loff_t to, size_t len, size_t *retlen,
				 const u_char *buf)
{
	struct spi_nor_bound *flash = mtd_to_bound(mtd);
	int ret = -ENODEV;

	down_read(&flash->removal);
	if (!flash->gone)
		ret = flash->core._write(mtd, to, len, retlen, buf);
	if (ret == -EIO)
		micron_st_nor_asp_explain(&flash->nor, to + *retlen, len - *retlen);
	up_read(&flash->removal);

	return ret;
}

/* An mtd_info without a device must not keep the system from sleeping. */
static int spi_nor_bound_suspend(struct mtd_info *mtd)
{
	struct spi_nor_bound *flash = mtd_to_bound(mtd);
	int ret = 0;

	down_read(&flash->removal);
	if (!flash->gone) {
		spi_nor_crtm_settle(&flash->nor);
		ret = flash->core._suspend(mtd);
	}
	up_read(&flash->removal);

	return ret;
}

static void spi_nor_bound_resume(struct mtd_info *mtd)
{
	struct spi_nor_bound *flash = mtd_to_bound(mtd);

	down_read(&flash->removal);
	if (!flash->gone) {
		spi_nor_crtm_settle(&flash->nor);
		flash->core._resume(mtd);
		micron_st_nor_asp_resume(&flash->nor);
	}
	up_read(&flash->removal);
}

static void spi_nor_bound_release(struct kref *ref)
{
	struct spi_nor_bound *flash = container_of(ref, struct spi_nor_bound, ref);

	if (flash->sec.master)
		mtd_security_unregister(&flash->sec);
	kfree(flash->eraseregions);
	kfree(flash->name);
	kfree(flash);
}

static void spi_nor_bound_put(void *data)
{
	struct spi_nor_bound *flash = data;

	kref_put(&flash->ref, spi_nor_bound_release);
}

static int spi_nor_bound_get_device(struct mtd_info *mtd)
{
	struct spi_nor_bound *flash = mtd_to_bound(mtd_get_master(mtd));

	if (READ_ONCE(flash->sec.dead) || !try_module_get(flash->owner))
		return -ENODEV;
	kref_get(&flash->ref);
	return 0;
}

static void spi_nor_bound_put_device(struct mtd_info *mtd)
{
	struct spi_nor_bound *flash = mtd_to_bound(mtd_get_master(mtd));

	module_put(flash->owner);
	spi_nor_bound_put(flash);
}

/**
 * spi_nor_bound_alloc() - make the flash that a device gets bound to
 * @spimem: the device
 *
 * Return: a flash whose memory goes with the device or with the last user of its
 * mtd_info, whichever is later, or NULL.
 */
struct spi_nor *spi_nor_bound_alloc(struct spi_mem *spimem)
{
	struct device *controller = spimem->spi->controller->dev.parent;
	struct spi_nor_bound *flash;

	flash = kzalloc(sizeof(*flash), GFP_KERNEL);
	if (!flash)
		return NULL;

	kref_init(&flash->ref);
	init_rwsem(&flash->removal);
	/* To be known still when the controller is gone. */
	if (controller && controller->driver)
		flash->owner = controller->driver->owner;

	/* Before the resources that the flash points to, so released after them. */
	if (devm_add_action_or_reset(&spimem->spi->dev, spi_nor_bound_put, flash))
		return NULL;

	return &flash->nor;
}

/**
 * spi_nor_bound_kill() - the device goes: let nothing use it any more
 * @nor: a registered flash; calling again does nothing
 *
 * Waits for running ioctls and operations. To be called between the end of
 * mtd_device_unregister(), by which users have written what they held, and the
 * release of anything that operations use. Leaves a chip that is ready and holds no
 * key, if it can be had: nobody knows its state any more afterwards.
 */
void spi_nor_bound_kill(struct spi_nor *nor)
{
	struct spi_nor_bound *flash = container_of(nor, struct spi_nor_bound, nor);
	bool gone;

	mtd_security_kill(&flash->sec);

	down_write(&flash->removal);
	gone = flash->gone;
	flash->gone = true;
	up_write(&flash->removal);

	if (!gone)
		spi_nor_crtm_settle(nor);
	mtd_security_orphan(nor->dev);
}

static void spi_nor_bound_unbind(void *nor)
{
	spi_nor_bound_kill(nor);
}

/* Every operation that the core may have set. It sets those of a group together. */
static void spi_nor_guard(struct mtd_info *mtd)
{
	if (mtd->_erase)
		mtd->_erase = spi_nor_guarded_erase;
	mtd->_read = spi_nor_guarded_read;
	mtd->_write = spi_nor_guarded_write;
	if (mtd->_lock) {
		mtd->_lock = spi_nor_guarded_lock;
		mtd->_unlock = spi_nor_guarded_unlock;
		mtd->_is_locked = spi_nor_guarded_is_locked;
	}
	if (mtd->_get_user_prot_info) {
		mtd->_get_user_prot_info = spi_nor_guarded_get_user_prot_info;
		mtd->_read_user_prot_reg = spi_nor_guarded_read_user_prot_reg;
		mtd->_write_user_prot_reg = spi_nor_guarded_write_user_prot_reg;
		mtd->_lock_user_prot_reg = spi_nor_guarded_lock_user_prot_reg;
		mtd->_erase_user_prot_reg = spi_nor_guarded_erase_user_prot_reg;
	}
	mtd->_suspend = spi_nor_bound_suspend;
	mtd->_resume = spi_nor_bound_resume;
	mtd->_get_device = spi_nor_bound_get_device;
	mtd->_put_device = spi_nor_bound_put_device;
}

/**
 * spi_nor_bound_register() - put a scanned flash under this file's care
 * @nor: flash from spi_nor_bound_alloc(); mtd_device_register() comes next
 *
 * Return: 0, or a negative errno.
 */
int spi_nor_bound_register(struct spi_nor *nor)
{
	struct spi_nor_bound *flash = container_of(nor, struct spi_nor_bound, nor);
	struct mtd_info *mtd = &nor->mtd;

	flash->name = kstrdup(mtd->name, GFP_KERNEL);
	if (!flash->name)
		return -ENOMEM;
	mtd->name = flash->name;

	if (mtd->numeraseregions) {
		flash->eraseregions = kmemdup(mtd->eraseregions,
					      mtd->numeraseregions * sizeof(*mtd->eraseregions),
					      GFP_KERNEL);
		if (!flash->eraseregions)
			return -ENOMEM;
		mtd->eraseregions = flash->eraseregions;
	}

	flash->core = *mtd;
	spi_nor_guard(mtd);

	/* One lock for the whole chip: what was read of a busy one is wrong. */
	if (nor->params->crtm)
		nor->flags &= ~SNOR_F_RWW;
	if (nor->params->crtm)
		flash->sec.ops = &spi_nor_crtm_ops;
	if (nor->params->asp)
		flash->sec.asp = &micron_st_nor_asp_ops;
	micron_st_nor_asp_register(nor);
	mtd_security_register(&flash->sec, mtd);

	/* The last of the resources so far: released first, also if the probe fails. */
	return devm_add_action_or_reset(nor->dev, spi_nor_bound_unbind, nor);
}

/**
 * spi_nor_bound_stop() - the device is about to go: no ioctl any more
 * @nor: a registered flash
 *
 * Waits for running ioctls; other operations go on, for users write what they
 * still hold when mtd_device_unregister() tells them.
 */
void spi_nor_bound_stop(struct spi_nor *nor)
{
	mtd_security_kill(spi_nor_security(nor));
}
