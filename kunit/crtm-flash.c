// SPDX-License-Identifier: GPL-2.0-only
/*
 * A flash with JESD260 that is never sent anything: for what is told of a block before.
 */
#include <kunit/test.h>

#include "crtm-flash.h"

/**
 * crtm_flash_init() - make the flash; init() of a suite
 * @test: the test; its private data is the struct crtm_flash
 *
 * Return: 0.
 */
int crtm_flash_init(struct kunit *test)
{
	static const u8 sfdp[] = { 0xf0, RPMC_OP1_DEFAULT, RPMC_OP2_DEFAULT, 0, 0, 0, 0, 0 };
	struct crtm_flash *flash = kunit_kzalloc(test, sizeof(*flash), GFP_KERNEL);
	struct spi_nor *nor;

	KUNIT_ASSERT_NOT_NULL(test, flash);
	KUNIT_ASSERT_EQ(test, spi_nor_rpmc_parse(&flash->crtm, sfdp), 0);
	nor = &flash->bound.nor;
	nor->params = &flash->params;
	nor->info = &flash->info;
	nor->mtd.size = FLASH_SIZE;
	flash->params.crtm = &flash->crtm;
	flash->part.parent = &nor->mtd;
	flash->part.part.offset = PART;
	flash->part.size = PART_SIZE;

	flash->bound.sec.ops = &spi_nor_crtm_ops;
	mtd_security_register(&flash->bound.sec, &nor->mtd);
	flash->call.sec = &flash->bound.sec;
	flash->call.mtd = &nor->mtd;
	flash->call.wr = true;
	flash->call.sec->ops->info(flash->call.sec, &flash->call.info);

	flash->in[0] = RPMC_OP1_DEFAULT;
	test->priv = flash;
	return 0;
}

/**
 * crtm_flash_exit() - let the flash go; exit() of a suite
 * @test: the test
 */
void crtm_flash_exit(struct kunit *test)
{
	struct crtm_flash *flash = test->priv;

	if (!flash)
		return;
	mtd_security_kill(&flash->bound.sec);
	mtd_security_unregister(&flash->bound.sec);
}

/**
 * crtm_flash_check() - may the block in @flash->in pass?
 * @flash: the flash
 * @in_len: length of the block in bytes
 * @out_len: room for its response in bytes
 *
 * Return: 0, or a negative errno.
 */
int crtm_flash_check(struct crtm_flash *flash, u32 in_len, u32 out_len)
{
	const struct mtd_crtm_entry entry = { .in_len = in_len, .out_len = out_len };
	struct mtd_security_block block = { .in = flash->in };

	return mtd_crtm_check_block(&flash->call, &entry, &block);
}
