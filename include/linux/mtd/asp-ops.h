/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Advanced Sector Protection between mtdchar and the flash drivers.
 */
#ifndef _LINUX_MTD_ASP_OPS_H
#define _LINUX_MTD_ASP_OPS_H

#include <linux/types.h>

struct mtd_asp_cmd;
struct mtd_asp_map;
struct mtd_security;

/**
 * struct mtd_asp_ops - sector protection, as a flash driver implements it
 * @map: fill @map->flags, sector_size, aspr, pmr and sr, and unless @sectors is NULL
 *	@sectors[i] with MTD_ASP_S_* of sector @map->first + i, for i < @map->nr.
 *	All as the chip says now. Returns 0 or a negative errno.
 * @cmd: do @cmd, whose form, range, permission and confirmation were checked.
 *	Returns a negative errno if nothing was sent but reads (-EACCES: protection as it
 *	stands forbids it; -EOPNOTSUPP: not on this chip; -EINTR: a signal before);
 *	otherwise 0 with @cmd->result, done, state, and sent, which is 0 if everything
 *	stood as wanted. Leaves no copy of the password.
 *
 * Both sleep, and touch no user memory. They hold the flash's lock throughout, but for
 * pauses between the pieces of a long range, where a signal ends it (@cmd->result -EINTR).
 */
struct mtd_asp_ops {
	int (*map)(struct mtd_security *sec, struct mtd_asp_map *map, u8 *sectors);
	int (*cmd)(struct mtd_security *sec, struct mtd_asp_cmd *cmd);
};

#endif /* _LINUX_MTD_ASP_OPS_H */
