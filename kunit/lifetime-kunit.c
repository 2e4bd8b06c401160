// SPDX-License-Identifier: GPL-2.0-only
/*
 * A flash that goes while it is in use: operations reach it as long as it is there, and
 * not after.
 */
#include <kunit/test.h>
#include <linux/errno.h>
#include <linux/mtd/mtd.h>
#include <linux/mutex.h>
#include <linux/spi/spi.h>
#include <linux/string.h>

#include "bus.h"

#define OPERATIONS	12

struct life {
	struct kunit *test;
	struct bus *bus;
	struct spi_nor *nor;
	struct mtd_info *mtd;
	struct mtd_info part;	/* of it */
	u32 calls;
	u32 last;	/* the operation that was called last */
	int ret;	/* what each returns */
};

static struct life *life;

static int called(u32 operation, struct mtd_info *mtd)
{
	KUNIT_EXPECT_PTR_EQ(life->test, mtd, life->mtd);
	life->calls++;
	life->last = operation;
	return life->ret;
}

static int core_erase(struct mtd_info *mtd, struct erase_info *instr)
{
	KUNIT_EXPECT_EQ(life->test, instr->addr, 1);
	return called(0, mtd);
}

static int core_read(struct mtd_info *mtd, loff_t from, size_t len, size_t *retlen, u_char *buf)
{
	KUNIT_EXPECT_EQ(life->test, from, 2);
	KUNIT_EXPECT_EQ(life->test, len, 3);
	KUNIT_EXPECT_PTR_EQ(life->test, buf, (u_char *)life);
	return called(1, mtd);
}

static int core_write(struct mtd_info *mtd, loff_t to, size_t len, size_t *retlen,
		      const u_char *buf)
{
	KUNIT_EXPECT_EQ(life->test, to, 2);
	KUNIT_EXPECT_EQ(life->test, len, 3);
	KUNIT_EXPECT_PTR_EQ(life->test, buf, (u_char *)life);
	return called(2, mtd);
}

static int core_lock(struct mtd_info *mtd, loff_t ofs, uint64_t len)
{
	KUNIT_EXPECT_EQ(life->test, ofs + len, 9);
	return called(3, mtd);
}

static int core_unlock(struct mtd_info *mtd, loff_t ofs, uint64_t len)
{
	KUNIT_EXPECT_EQ(life->test, ofs + len, 9);
	return called(4, mtd);
}

static int core_is_locked(struct mtd_info *mtd, loff_t ofs, uint64_t len)
{
	KUNIT_EXPECT_EQ(life->test, ofs + len, 9);
	return called(5, mtd);
}

static int core_get_user_prot_info(struct mtd_info *mtd, size_t len, size_t *retlen,
				   struct otp_info *buf)
{
	return called(6, mtd);
}

static int core_read_user_prot_reg(struct mtd_info *mtd, loff_t from, size_t len,
				   size_t *retlen, u_char *buf)
{
	KUNIT_EXPECT_EQ(life->test, from, 2);
	return called(7, mtd);
}

static int core_write_user_prot_reg(struct mtd_info *mtd, loff_t to, size_t len,
				    size_t *retlen, const u_char *buf)
{
	KUNIT_EXPECT_EQ(life->test, to, 2);
	return called(8, mtd);
}

static int core_lock_user_prot_reg(struct mtd_info *mtd, loff_t from, size_t len)
{
	KUNIT_EXPECT_EQ(life->test, from, 2);
	return called(9, mtd);
}

static int core_erase_user_prot_reg(struct mtd_info *mtd, loff_t from, size_t len)
{
	KUNIT_EXPECT_EQ(life->test, from, 2);
	return called(10, mtd);
}

static int core_suspend(struct mtd_info *mtd)
{
	return called(11, mtd);
}

static void core_resume(struct mtd_info *mtd)
{
	called(12, mtd);
}

/* What user space and file systems can do with it */
static int operate(u32 operation)
{
	struct erase_info erase = { .addr = 1, .len = 1 };
	struct mtd_info *mtd = life->mtd;
	struct otp_info info;
	size_t retlen = 0;

	switch (operation) {
	case 0: return mtd->_erase(mtd, &erase);
	case 1: return mtd->_read(mtd, 2, 3, &retlen, (u_char *)life);
	case 2: return mtd->_write(mtd, 2, 3, &retlen, (u_char *)life);
	case 3: return mtd->_lock(mtd, 4, 5);
	case 4: return mtd->_unlock(mtd, 4, 5);
	case 5: return mtd->_is_locked(mtd, 4, 5);
	case 6: return mtd->_get_user_prot_info(mtd, 1, &retlen, &info);
	case 7: return mtd->_read_user_prot_reg(mtd, 2, 1, &retlen, (u_char *)life);
	case 8: return mtd->_write_user_prot_reg(mtd, 2, 1, &retlen, (u_char *)life);
	case 9: return mtd->_lock_user_prot_reg(mtd, 2, 1);
	case 10: return mtd->_erase_user_prot_reg(mtd, 2, 1);
	default: return mtd->_suspend(mtd);
	}
}

/* Erase regions that go with the device */
static struct mtd_erase_region_info *regions;

static int life_init(struct kunit *test)
{
	struct spi_nor *nor;

	life = kunit_kzalloc(test, sizeof(*life), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, life);
	life->test = test;
	life->bus = bus_new(test, BUS_MEM_ADDR, "crtm-emu");
	nor = spi_nor_bound_alloc(&life->bus->mem);
	KUNIT_ASSERT_NOT_NULL(test, nor);
	life->nor = nor;
	life->mtd = &nor->mtd;
	nor->dev = &life->bus->mem.spi->dev;
	nor->spimem = &life->bus->mem;
	nor->params = &life->bus->params;
	nor->info = &life->bus->info;
	nor->mtd.name = "life";
	mutex_init(&nor->lock);
	life->bus->params.crtm = NULL;
	regions = kunit_kzalloc(test, 2 * sizeof(*regions), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, regions);
	regions[1].numblocks = 77;
	return 0;
}

static void set_operations(struct mtd_info *mtd)
{
	mtd->_erase = core_erase;
	mtd->_read = core_read;
	mtd->_write = core_write;
	mtd->_suspend = core_suspend;
	mtd->_resume = core_resume;
	mtd->_lock = core_lock;
	mtd->_unlock = core_unlock;
	mtd->_is_locked = core_is_locked;
	mtd->_get_user_prot_info = core_get_user_prot_info;
	mtd->_read_user_prot_reg = core_read_user_prot_reg;
	mtd->_write_user_prot_reg = core_write_user_prot_reg;
	mtd->_lock_user_prot_reg = core_lock_user_prot_reg;
	mtd->_erase_user_prot_reg = core_erase_user_prot_reg;
}

/* Each operation reaches the core's own, with its arguments and its result, until the end. */
static void operations(struct kunit *test)
{
	u32 i, calls;

	set_operations(life->mtd);
	KUNIT_ASSERT_EQ(test, spi_nor_bound_register(life->nor), 0);
	for (i = 0; i < OPERATIONS; i++)
		for (life->ret = -EROFS; life->ret <= 1; life->ret++) {
			calls = life->calls;
			KUNIT_EXPECT_EQ(test, operate(i), life->ret);
			KUNIT_EXPECT_EQ(test, life->calls, calls + 1);
			KUNIT_EXPECT_EQ(test, life->last, i);
		}
	life->mtd->_resume(life->mtd);
	KUNIT_EXPECT_EQ(test, life->last, 12);

	calls = life->calls;
	spi_nor_bound_kill(life->nor);
	for (i = 0; i < OPERATIONS - 1; i++)
		KUNIT_EXPECT_EQ_MSG(test, operate(i), -ENODEV, "operation %u", i);
	/* What is not there does not keep the system awake. */
	KUNIT_EXPECT_EQ(test, operate(OPERATIONS - 1), 0);
	life->mtd->_resume(life->mtd);
	KUNIT_EXPECT_EQ(test, life->calls, calls);
	/* Once more, as unbinding does */
	spi_nor_bound_kill(life->nor);
}

/* What the core does not have does not come by this. */
static void absent_operations(struct kunit *test)
{
	life->mtd->_read = core_read;
	life->mtd->_write = core_write;
	KUNIT_ASSERT_EQ(test, spi_nor_bound_register(life->nor), 0);
	KUNIT_EXPECT_NULL(test, life->mtd->_erase);
	KUNIT_EXPECT_NULL(test, life->mtd->_lock);
	KUNIT_EXPECT_NULL(test, life->mtd->_unlock);
	KUNIT_EXPECT_NULL(test, life->mtd->_is_locked);
	KUNIT_EXPECT_NULL(test, life->mtd->_get_user_prot_info);
	KUNIT_EXPECT_NULL(test, life->mtd->_erase_user_prot_reg);
}

/* An ioctl's side ends first; what is written at the end still reaches the flash. */
static void stop(struct kunit *test)
{
	set_operations(life->mtd);
	KUNIT_ASSERT_EQ(test, spi_nor_bound_register(life->nor), 0);
	KUNIT_EXPECT_EQ(test, life->mtd->_get_device(life->mtd), 0);
	spi_nor_bound_stop(life->nor);
	KUNIT_EXPECT_FALSE(test, mtd_security_get(spi_nor_security(life->nor)));
	KUNIT_EXPECT_EQ(test, life->mtd->_get_device(life->mtd), -ENODEV);
	KUNIT_EXPECT_EQ(test, operate(2), 0);
	KUNIT_EXPECT_EQ(test, life->last, 2);
	life->mtd->_put_device(life->mtd);
}

/* The device is gone, its user is not: memory stays, with what it points to. */
static void user_stays(struct kunit *test)
{
	struct mtd_info *mtd = life->mtd;
	struct mtd_info *part = &life->part;
	char name[] = "goes";

	part->parent = mtd;
	set_operations(mtd);
	mtd->name = name;
	mtd->eraseregions = regions;
	mtd->numeraseregions = 2;
	KUNIT_ASSERT_EQ(test, spi_nor_bound_register(life->nor), 0);
	KUNIT_EXPECT_EQ(test, mtd->_get_device(mtd), 0);
	KUNIT_EXPECT_EQ(test, mtd->_get_device(part), 0);

	spi_unregister_device(life->bus->mem.spi);
	memset(name, 0xff, sizeof(name));
	memset(regions, 0xff, 2 * sizeof(*regions));
	KUNIT_EXPECT_EQ(test, mtd->_get_device(mtd), -ENODEV);
	KUNIT_EXPECT_EQ(test, operate(1), -ENODEV);
	KUNIT_EXPECT_STREQ(test, mtd->name, "goes");
	KUNIT_EXPECT_EQ(test, mtd->eraseregions[1].numblocks, 77);
	mtd->_put_device(part);
	KUNIT_EXPECT_STREQ(test, mtd->name, "goes");
	KUNIT_EXPECT_PTR_EQ(test, mtd_get_security(mtd), spi_nor_security(life->nor));
	mtd->_put_device(mtd);
}

/* A flash that could not be registered, or never was, goes without a trace. */
static void never_registered(struct kunit *test)
{
	spi_unregister_device(life->bus->mem.spi);
	KUNIT_EXPECT_EQ(test, life->calls, 0);
}

/* Whose code a controller is; one may be nobody's, or have no device above it. */
static void owners(struct kunit *test)
{
	struct bus *bus = life->bus;
	struct spi_nor *nor;

	bus->driver.owner = (struct module *)bus;
	nor = spi_nor_bound_alloc(&bus->mem);
	KUNIT_ASSERT_NOT_NULL(test, nor);
	KUNIT_EXPECT_PTR_EQ(test, container_of(nor, struct spi_nor_bound, nor)->owner,
			    (struct module *)bus);
	bus->driver.owner = NULL;

	bus->parent->driver = NULL;
	nor = spi_nor_bound_alloc(&bus->mem);
	KUNIT_ASSERT_NOT_NULL(test, nor);
	KUNIT_EXPECT_NULL(test, container_of(nor, struct spi_nor_bound, nor)->owner);
	bus->parent->driver = &bus->driver;

	bus->ctlr->dev.parent = NULL;
	nor = spi_nor_bound_alloc(&bus->mem);
	KUNIT_ASSERT_NOT_NULL(test, nor);
	KUNIT_EXPECT_NULL(test, container_of(nor, struct spi_nor_bound, nor)->owner);
	bus->ctlr->dev.parent = bus->parent;
}

static struct kunit_case lifetime_cases[] = {
	KUNIT_CASE(operations),
	KUNIT_CASE(absent_operations),
	KUNIT_CASE(stop),
	KUNIT_CASE(user_stays),
	KUNIT_CASE(never_registered),
	KUNIT_CASE(owners),
	{}
};

static struct kunit_suite lifetime_suite = {
	.name = "lifetime",
	.init = life_init,
	.test_cases = lifetime_cases,
};

kunit_test_suite(lifetime_suite);
