// SPDX-License-Identifier: GPL-2.0-only
/*
 * The ioctls of <uapi/mtd/mtd-security.h>: their table, and what mtdchar calls.
 */

#include <linux/blkpg.h>
#include <linux/build_bug.h>
#include <linux/capability.h>
#include <linux/fs.h>
#include <linux/kernel.h>
#include <linux/mtd/mtd.h>
#include <linux/stddef.h>
#include <linux/string.h>
#include <linux/uaccess.h>

#include "mtdsecurity.h"

/**
 * struct mtd_security_op - one ioctl
 * @cmd: its number
 * @size: size of its argument as this kernel knows it
 * @min_size: size of its argument in the first version
 * @write: needs a node open for writing
 * @asp: sector protection; otherwise A-CRTM and JESD260
 * @handler: gets the argument in kernel memory, zeros where the caller's ends
 */
struct mtd_security_op {
	unsigned int cmd;
	u32 size;
	u32 min_size;
	bool write;
	bool asp;
	int (*handler)(struct mtd_security_call *call, void *buf);
};

union mtd_security_arg {
	struct mtd_crtm_cmd cmd;
	struct mtd_crtm_info info;
	struct mtd_asp_map asp_map;
	struct mtd_asp_cmd asp_cmd;
};

/* Every argument starts with its size and is the same for 32 and 64 bits: no holes, no pointers. */
#define MTD_SECURITY_IOCTL(_cmd, _write, _asp, _handler, _struct, _last)		\
	[_IOC_NR(_cmd) - _IOC_NR(WR_CRTM_CMD)] = {					\
		.cmd = _cmd +								\
		       BUILD_BUG_ON_ZERO(_IOC_SIZE(_cmd)) +				\
		       BUILD_BUG_ON_ZERO(offsetof(struct _struct, size)) +		\
		       BUILD_BUG_ON_ZERO(sizeof(struct _struct) % sizeof(u64)) +	\
		       BUILD_BUG_ON_ZERO(sizeof(union mtd_security_arg) <		\
					 sizeof(struct _struct)),			\
		.size = sizeof(struct _struct),						\
		.min_size = offsetofend(struct _struct, _last),				\
		.write = _write,							\
		.asp = _asp,								\
		.handler = _handler,							\
	}

static const struct mtd_security_op mtd_security_ioctls[] = {
	MTD_SECURITY_IOCTL(WR_CRTM_CMD, true, false, mtd_crtm_cmd_ioctl, mtd_crtm_cmd, entries),
	MTD_SECURITY_IOCTL(RD_CRTM_CMD, false, false, mtd_crtm_cmd_ioctl, mtd_crtm_cmd, entries),
	MTD_SECURITY_IOCTL(MTD_CRTM_INFO, false, false, mtd_crtm_info_ioctl, mtd_crtm_info,
			   read_only),
	MTD_SECURITY_IOCTL(MTD_ASP_MAP, false, true, mtd_asp_map_ioctl, mtd_asp_map, sr),
	MTD_SECURITY_IOCTL(MTD_ASP_CMD, true, true, mtd_asp_cmd_ioctl, mtd_asp_cmd, confirm),
};

static const struct mtd_security_op *find_ioctl(unsigned int cmd)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(mtd_security_ioctls); i++)
		if (mtd_security_ioctls[i].cmd == cmd)
			return &mtd_security_ioctls[i];
	return NULL;
}

static int run_ioctl(const struct mtd_security_op *op, struct mtd_security_call *call)
{
	union mtd_security_arg buf;
	int ret;

	if (get_user(call->size, (u32 __user *)call->arg))
		return -EFAULT;
	if (call->size < op->min_size)
		return -EINVAL;
	if (call->size > PAGE_SIZE)
		return -E2BIG;
	ret = copy_struct_from_user(&buf, op->size, call->arg, call->size);
	if (ret)
		goto out;

	if (!op->asp) {
		ret = -ENODEV;
		if (!mtd_security_get(call->sec))
			goto out;
		call->sec->ops->info(call->sec, &call->info);
		mtd_security_put(call->sec);
	}

	ret = op->handler(call, &buf);
out:
	/* There may be a password in it, or what could be copied of one. */
	memzero_explicit(&buf, sizeof(buf));
	return ret;
}

/**
 * mtd_security_ioctl() - what mtdchar asks before anything else, and without a lock
 * @file: an open node
 * @mtd: its device or partition
 * @cmd: number of the ioctl, any
 * @arg: its argument; of a 32-bit task as compat_ptr() makes it
 * @active: out, with -ENOIOCTLCMD: what mtd_security_put() has to be given when
 *	the ioctl is done. Keeps the device if not NULL.
 *
 * Return: -ENOIOCTLCMD if the number is somebody else's; -ENODEV for any number
 * once the device is gone; otherwise what <uapi/mtd/mtd-security.h> says.
 */
int mtd_security_ioctl(struct file *file, struct mtd_info *mtd, unsigned int cmd,
		       unsigned long arg, struct mtd_security **active)
{
	const struct mtd_security_op *op = find_ioctl(cmd);
	struct mtd_security_call call = {
		.sec = mtd_get_security(mtd),
		.mtd = mtd,
		.arg = (void __user *)arg,
	};

	*active = NULL;
	if (!op) {
		if (call.sec && READ_ONCE(call.sec->dead))
			return -ENODEV;
		/*
		 * What adds and removes devices keeps this one. All else goes through
		 * operations that know when it is gone, and may sleep on the caller's
		 * memory for as long as he likes.
		 */
		if (call.sec && cmd == BLKPG && capable(CAP_SYS_ADMIN)) {
			if (!mtd_security_get(call.sec))
				return -ENODEV;
			*active = call.sec;
		}
		return -ENOIOCTLCMD;
	}

	if (!call.sec)
		return -EOPNOTSUPP;
	if (READ_ONCE(call.sec->dead))
		return -ENODEV;
	if (op->asp ? !call.sec->asp : !call.sec->ops)
		return -EOPNOTSUPP;

	/* Nodes of read-only partitions and mtdNro cannot be opened for writing. */
	call.wr = op->write;
	if (call.wr && !(file->f_mode & FMODE_WRITE))
		return -EPERM;

	return run_ioctl(op, &call);
}
