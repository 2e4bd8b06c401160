// SPDX-License-Identifier: GPL-2.0-only
/*
 * Advanced Sector Protection: MTD_ASP_MAP and MTD_ASP_CMD of mtdchar.
 *
 * Knows users, permissions, ranges and confirmations; knows no chip.
 */

#include <linux/bits.h>
#include <linux/capability.h>
#include <linux/errno.h>
#include <linux/kernel.h>
#include <linux/math64.h>
#include <linux/mm.h>
#include <linux/mtd/asp.h>
#include <linux/mtd/asp-ops.h>
#include <linux/mtd/mtd.h>
#include <linux/nospec.h>
#include <linux/pagemap.h>
#include <linux/string.h>
#include <linux/uaccess.h>

#include "mtdsecurity.h"

#define ASP_COMMAND(_nr, _sym, _name, _flags, _confirm)		\
	[_nr] = { .flags = (_flags), .confirm = (_confirm) },
static const struct mtd_asp_command {
	u8 flags;
	char confirm[MTD_ASP_CONFIRM_LEN];
} mtd_asp_commands[] = { ASP_COMMANDS(ASP_COMMAND) };

#define SAME_NUMBER_AND(_nr, _sym, ...)	(_nr) == MTD_ASP_##_sym &&
static_assert(ASP_COMMANDS(SAME_NUMBER_AND) true, "ASP_COMMANDS: not the number of the uapi");

#define OR_BIT(_nr, ...)		| BIT(_nr)
static_assert((0 ASP_COMMANDS(OR_BIT)) == BIT(ARRAY_SIZE(mtd_asp_commands)) - 1,
	      "ASP_COMMANDS: a number without a command");

#define CONFIRM_FITS_AND(_nr, _sym, _name, _flags, _confirm)	\
	sizeof(_confirm) <= MTD_ASP_CONFIRM_LEN &&
static_assert(ASP_COMMANDS(CONFIRM_FITS_AND) true, "ASP_COMMANDS: a confirmation is too long");

static_assert(ASP_PASSWORD_LEN == MTD_ASP_PASSWORD_LEN);

/* Can @len bytes be copied to @to? access_ok(): see prepare_block(). */
static bool can_copy_to(void __user *to, size_t len)
{
	return access_ok(to, len) && !fault_in_safe_writeable(to, len);
}

/**
 * mtd_asp_map_ioctl() - MTD_ASP_MAP
 * @call: the call; its device has sector protection
 * @buf: struct mtd_asp_map
 *
 * Return: 0, or a negative errno.
 */
int mtd_asp_map_ioctl(struct mtd_security_call *call, void *buf)
{
	u64 start = mtd_get_master_ofs(call->mtd, 0);
	u32 len = min_t(u32, call->size, sizeof(struct mtd_asp_map));
	struct mtd_asp_map *map = buf;
	void __user *to = u64_to_user_ptr(map->sectors);
	u8 *sectors = NULL;
	u32 room = map->nr;
	int ret;

	if (map->flags || (!room && map->sectors))
		return -EINVAL;

	/* A sector that the partition shares with its neighbour counts. */
	map->first = div_u64(start, ASP_SECTOR_SIZE);
	map->nr = DIV_ROUND_UP_ULL(start + call->mtd->size, ASP_SECTOR_SIZE) - map->first;
	if (room) {
		if (room < map->nr)
			return -EMSGSIZE;
		if (!can_copy_to(to, map->nr))
			return -EFAULT;
	}
	if (!can_copy_to(call->arg, len))
		return -EFAULT;

	if (room) {
		sectors = kvzalloc(map->nr, GFP_KERNEL);
		if (!sectors)
			return -ENOMEM;
	}

	ret = -ENODEV;
	if (mtd_security_get(call->sec)) {
		ret = call->sec->asp->map(call->sec, map, sectors);
		mtd_security_put(call->sec);
	}

	map->size = call->size;
	if (!ret && ((room && copy_to_user(to, sectors, map->nr)) ||
		     copy_to_user(call->arg, map, len)))
		ret = -EFAULT;

	kvfree(sectors);
	return ret;
}

/* The node's permissions; that it is open for writing was checked. */
static int check_permission(const struct mtd_security_call *call,
			    const struct mtd_asp_command *command)
{
	bool chip_wide = !(command->flags & ASP_F_RANGE) && mtd_is_partition(call->mtd);

	if ((chip_wide || command->flags & ASP_F_ADMIN) && !capable(CAP_SYS_ADMIN))
		return -EPERM;
	return 0;
}

/* Whole sectors inside the node's partition. */
static int check_range(const struct mtd_security_call *call, const struct mtd_asp_cmd *cmd)
{
	u64 start = mtd_get_master_ofs(call->mtd, 0);
	u64 size = call->mtd->size;

	if (!cmd->length || cmd->offset % ASP_SECTOR_SIZE || cmd->length % ASP_SECTOR_SIZE)
		return -EINVAL;
	if (cmd->offset < start || cmd->length > size || cmd->offset - start > size - cmd->length)
		return -EINVAL;
	return 0;
}

/* Everything about a command that can be told without asking the chip. */
static int check_cmd(const struct mtd_security_call *call, const struct mtd_asp_cmd *cmd)
{
	const struct mtd_asp_command *command;
	int ret;

	if (cmd->flags || cmd->reserved || cmd->cmd >= ARRAY_SIZE(mtd_asp_commands))
		return -EINVAL;
	command = &mtd_asp_commands[array_index_nospec(cmd->cmd, ARRAY_SIZE(mtd_asp_commands))];

	ret = check_permission(call, command);
	if (ret)
		return ret;

	if (command->flags & ASP_F_RANGE) {
		ret = check_range(call, cmd);
		if (ret)
			return ret;
	} else if (cmd->offset || cmd->length) {
		return -EINVAL;
	}

	if (!(command->flags & ASP_F_PASSWORD) &&
	    memchr_inv(cmd->password, 0, sizeof(cmd->password)))
		return -EINVAL;
	/* What an empty password register reads as: programming it would change nothing. */
	if ((cmd->cmd == MTD_ASP_PASSWORD_PROGRAM || cmd->cmd == MTD_ASP_PASSWORD_MODE) &&
	    !memchr_inv(cmd->password, 0xff, sizeof(cmd->password)))
		return -EINVAL;

	if (memcmp(cmd->confirm, command->confirm, sizeof(cmd->confirm)))
		return -EINVAL;
	return 0;
}

/* What came of a command, in the caller's memory. */
static int report(struct mtd_asp_cmd __user *arg, s32 result, u32 done, u8 sent, u8 state)
{
	if (put_user(result, &arg->result) || put_user(done, &arg->done) ||
	    put_user(sent, &arg->sent) || put_user(state, &arg->state))
		return -EFAULT;
	return 0;
}

/**
 * mtd_asp_cmd_ioctl() - MTD_ASP_CMD
 * @call: the call; its node is open for writing, its device has sector protection
 * @buf: struct mtd_asp_cmd; the caller wipes it
 *
 * Return: 0, or a negative errno if nothing was sent.
 */
int mtd_asp_cmd_ioctl(struct mtd_security_call *call, void *buf)
{
	struct mtd_asp_cmd __user *arg = call->arg;
	struct mtd_asp_cmd *cmd = buf;
	int ret;

	ret = check_cmd(call, cmd);
	if (ret)
		return ret;

	/* Faults the argument in, and says what holds if the outcome cannot be delivered. */
	if (report(arg, -EIO, 0, 1, 0))
		return -EFAULT;

	cmd->result = 0;
	cmd->done = 0;
	cmd->sent = 0;
	cmd->state = 0;
	ret = -ENODEV;
	if (mtd_security_get(call->sec)) {
		ret = call->sec->asp->cmd(call->sec, cmd);
		mtd_security_put(call->sec);
	}

	if (ret)
		report(arg, 0, 0, 0, 0);
	else
		report(arg, cmd->result, cmd->done, cmd->sent, cmd->state);
	return ret;
}
