// SPDX-License-Identifier: GPL-2.0-only
/*
 * Security operations of MTD devices: their registry, and the ioctls of mtdchar.
 *
 * Knows users, permissions, lengths and errors; knows no chip.
 */

#include <linux/capability.h>
#include <linux/device.h>
#include <linux/err.h>
#include <linux/fs.h>
#include <linux/kernel.h>
#include <linux/list.h>
#include <linux/module.h>
#include <linux/mtd/crtm-commands.h>
#include <linux/mtd/mtd.h>
#include <linux/mutex.h>
#include <linux/pagemap.h>
#include <linux/refcount.h>
#include <linux/slab.h>
#include <linux/spinlock.h>
#include <linux/stddef.h>
#include <linux/string.h>
#include <linux/uaccess.h>

#include "mtdcore.h"
#include "mtdsecurity.h"

/* Most entries of one call: bounds what a call allocates and checks. */
#define MTD_SECURITY_MAX_LIST	128

static LIST_HEAD(mtd_security_list);
static DEFINE_SPINLOCK(mtd_security_lock);

/**
 * mtd_security_register() - give a device its security side
 * @sec: with @sec->ops and @sec->asp set, in memory that outlives the last put_mtd_device()
 * @master: the device; to be called before mtd_device_register()
 */
void mtd_security_register(struct mtd_security *sec, struct mtd_info *master)
{
	sec->master = master;
	sec->dead = false;
	refcount_set(&sec->users, 1);
	init_completion(&sec->drained);

	spin_lock(&mtd_security_lock);
	list_add(&sec->node, &mtd_security_list);
	spin_unlock(&mtd_security_lock);
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
	spin_lock(&mtd_security_lock);
	list_del(&sec->node);
	spin_unlock(&mtd_security_lock);
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

/*
 * The columns of the command tables that are trusted below, a vendor's table too:
 * every field lies in the shortest block, and an address has a length and a unit.
 */
#define SOUND_AND(_type, _sym, _name, _class, _flags, _min, _max, _resp, _addr, _len,		\
		  _unit, _limit, _rsvd, _nrsvd, ...)						\
	(_min) >= RPMC_HDR_LEN && (_max) >= (_min) && (_resp) > 0 &&				\
	(_rsvd) + (_nrsvd) <= (_min) && (_len) + 4 <= (_min) &&					\
	(_addr) + 4 + ((_flags) & CRTM_F_DATA ? 1 + RPMC_SIG_LEN : 0) <= (_min) &&		\
	(!(_addr) || ((_unit) && ((_len) || (_flags) & CRTM_F_DATA))) &&
static_assert(RPMC_COMMANDS(SOUND_AND) true, "RPMC_COMMANDS: a field outside of its block");
static_assert(CRTM_COMMANDS(SOUND_AND) true, "CRTM_COMMANDS: a field outside of its block");

/* One entry of a list, checked and in kernel memory. */
struct mtd_security_block {
	struct crtm_command cmd;	/* a copy: valid without an active reference */
	struct crtm_xfer xfer;
	u8 *in;
	void __user *out;
	u32 out_size;
};

static u32 get_be32(const u8 *p)
{
	__be32 val;

	memcpy(&val, p, sizeof(val));
	return be32_to_cpu(val);
}

/* The node's permissions, as far as the command decides them. */
static int check_permission(const struct mtd_security_call *call, const struct crtm_command *cmd)
{
	if (cmd->class != CRTM_RD && !call->wr)
		return -EPERM;
	if (cmd->flags & CRTM_F_ADMIN && !capable(CAP_SYS_ADMIN))
		return -EPERM;
	if (cmd->flags & CRTM_F_CHIP_WIDE && mtd_is_partition(call->mtd) &&
	    !capable(CAP_SYS_ADMIN))
		return -EPERM;
	return 0;
}

static int check_header(const struct mtd_security_call *call, const struct crtm_command *cmd,
			const u8 *in)
{
	unsigned int i;

	if (in[RPMC_OFF_RSVD])
		return -EINVAL;
	for (i = 0; i < cmd->nrsvd; i++)
		if (in[cmd->rsvd + i])
			return -EINVAL;

	if (in[RPMC_OFF_SLOT] >= call->info.slots)
		return -EINVAL;
	if (cmd->flags & CRTM_F_SLOT0 && in[RPMC_OFF_SLOT])
		return -EINVAL;
	return 0;
}

/* Bytes that the command works on: inside the node's partition. Result in @range. */
static int check_range(const struct mtd_security_call *call, const struct crtm_command *cmd,
		       const u8 *in, u32 in_len, u32 *range)
{
	u64 start = mtd_get_master_ofs(call->mtd, 0);
	u32 addr, len;

	*range = 0;
	if (!cmd->addr)
		return 0;

	addr = get_be32(in + cmd->addr);
	if (cmd->flags & CRTM_F_DATA) {
		/* The data follow the address and end where the signature starts. */
		len = in_len - (cmd->addr + sizeof(addr)) - RPMC_SIG_LEN;
		if (addr % CRTM_PAGE_SIZE + len > CRTM_PAGE_SIZE)
			return -EINVAL;
	} else {
		len = get_be32(in + cmd->len);
	}

	if (!len || addr % cmd->unit || len % cmd->unit)
		return -EINVAL;
	if (cmd->limit && len > cmd->limit)
		return -EINVAL;
	if (addr < start || (u64)addr + len > start + call->mtd->size)
		return -EINVAL;

	*range = len;
	return 0;
}

/* Everything about a block that can be told without asking the chip. */
static int check_block(const struct mtd_security_call *call, const struct mtd_crtm_entry *entry,
		       struct mtd_security_block *block)
{
	const struct crtm_command *cmd;
	u64 max_us = 0;
	int ret;

	if (!mtd_security_get(call->sec))
		return -ENODEV;
	cmd = call->sec->ops->command(call->sec, block->in[0], block->in[RPMC_OFF_TYPE]);
	if (cmd)
		block->cmd = *cmd;
	mtd_security_put(call->sec);
	if (!cmd)
		return -EPERM;

	cmd = &block->cmd;
	ret = check_permission(call, cmd);
	if (ret)
		return ret;

	if (entry->in_len < cmd->min || entry->in_len > cmd->max)
		return -EMSGSIZE;
	if (entry->out_len && entry->out_len < cmd->resp)
		return -EMSGSIZE;

	ret = check_header(call, cmd, block->in);
	if (ret)
		return ret;
	ret = check_range(call, cmd, block->in, entry->in_len, &block->xfer.range);
	if (ret)
		return ret;

	if (block->xfer.range) {
		if (!mtd_security_get(call->sec))
			return -ENODEV;
		max_us = call->sec->ops->max_us(call->sec, cmd, block->xfer.range);
		mtd_security_put(call->sec);
	}
	if (max_us > (u64)call->info.max_hold_ms * USEC_PER_MSEC)
		return -EINVAL;

	return 0;
}

/* Copy one entry's block in and check it. */
static int prepare_block(const struct mtd_security_call *call, const struct mtd_crtm_entry *entry,
			 struct mtd_security_block *block)
{
	u32 room;
	int ret;

	if (entry->reserved || (!entry->out_len && entry->out))
		return -EINVAL;
	if (entry->in_len <= RPMC_OFF_TYPE || entry->in_len > call->info.max_block)
		return -EMSGSIZE;

	/* Not memdup_user(), which leaves what it could copy of a key. */
	block->in = kmalloc(entry->in_len, GFP_USER);
	if (!block->in)
		return -ENOMEM;
	if (copy_from_user(block->in, u64_to_user_ptr(entry->in), entry->in_len))
		return -EFAULT;
	ret = check_block(call, entry, block);
	if (ret)
		return ret;

	block->xfer.cmd = &block->cmd;
	block->xfer.in = block->in;
	block->xfer.in_len = entry->in_len;
	block->out = u64_to_user_ptr(entry->out);
	block->out_size = entry->out_len;
	/* access_ok(): faulting in takes a tagged pointer that copying out will not. */
	room = min_t(u32, block->out_size, block->cmd.resp);
	if (!access_ok(block->out, room) || fault_in_safe_writeable(block->out, room))
		return -EFAULT;
	return 0;
}

/* What came of a block, in the caller's memory. */
static int report(struct mtd_crtm_entry __user *entry, u32 out_len, s32 result, u8 status, u8 sent)
{
	if (put_user(out_len, &entry->out_len) || put_user(result, &entry->result) ||
	    put_user(status, &entry->status) || put_user(sent, &entry->sent))
		return -EFAULT;
	return 0;
}

/*
 * Send one block and report it. Returns an errno only if nothing was sent. The
 * outcome in @block is -EIO too if it could not be delivered: then the caller of
 * the ioctl does not know it, and nothing may follow.
 */
static int send_block(const struct mtd_security_call *call, struct mtd_security_block *block,
		      struct mtd_crtm_entry __user *entry, u8 *response)
{
	struct crtm_xfer *xfer = &block->xfer;
	u32 out_len = 0;
	int ret;

	/* From the first byte on the caller has to take the block for sent. */
	if (report(entry, 0, -EIO, 0, 1))
		return -EFAULT;

	if (mtd_security_get(call->sec)) {
		xfer->out = response;
		ret = call->sec->ops->exchange(call->sec, xfer);
		mtd_security_put(call->sec);
	} else {
		ret = -ENODEV;
	}
	if (ret) {
		report(entry, block->out_size, 0, 0, 0);
		return ret;
	}

	if (!xfer->result)
		out_len = min(xfer->out_len, block->out_size);
	if (copy_to_user(block->out, response, out_len) ||
	    report(entry, out_len, xfer->result, xfer->result ? 0 : xfer->status, 1))
		xfer->result = -EIO;
	return 0;
}

/* Send the blocks in their order, each once. Returns an errno only if nothing was sent. */
static int send_list(const struct mtd_security_call *call, struct mtd_security_block *blocks,
		     u32 nr, struct mtd_crtm_cmd __user *arg,
		     struct mtd_crtm_entry __user *entries, u8 *response)
{
	const struct crtm_xfer *xfer;
	u32 i;
	int ret;

	for (i = 0; i < nr; i++) {
		xfer = &blocks[i].xfer;
		ret = send_block(call, &blocks[i], &entries[i], response);
		if (ret)
			return i ? 0 : ret;
		if (xfer->result || put_user(i + 1, &arg->done) ||
		    xfer->status != RPMC_STATUS_SUCCESS)
			break;
	}
	return 0;
}

/* WR_CRTM_CMD and RD_CRTM_CMD */
static int mtd_security_cmd(struct mtd_security_call *call, void *buf)
{
	struct mtd_crtm_entry __user *uentries;
	struct mtd_crtm_cmd __user *arg = call->arg;
	struct mtd_security_block *blocks;
	struct mtd_crtm_entry *entries;
	struct mtd_crtm_cmd *cmd = buf;
	u8 *response;
	int ret;
	u32 i;

	if (cmd->flags || !cmd->nr || cmd->nr > MTD_SECURITY_MAX_LIST)
		return -EINVAL;

	uentries = u64_to_user_ptr(cmd->entries);
	entries = vmemdup_user(uentries, cmd->nr * sizeof(*entries));
	if (IS_ERR(entries))
		return PTR_ERR(entries);

	ret = -ENOMEM;
	blocks = kvcalloc(cmd->nr, sizeof(*blocks), GFP_KERNEL);
	if (!blocks)
		goto out_entries;
	response = kmalloc(call->info.max_response, GFP_KERNEL);
	if (!response)
		goto out_blocks;

	for (i = 0; i < cmd->nr; i++) {
		ret = prepare_block(call, &entries[i], &blocks[i]);
		if (ret)
			goto out_response;
	}

	/* This faults the argument and the entries in, and says what holds until they are sent. */
	ret = -EFAULT;
	if (put_user(0, &arg->done))
		goto out_response;
	for (i = 0; i < cmd->nr; i++)
		if (report(&uentries[i], entries[i].out_len, 0, 0, 0))
			goto out_response;

	ret = send_list(call, blocks, cmd->nr, arg, uentries, response);

out_response:
	kfree_sensitive(response);
	for (i = 0; i < cmd->nr; i++)
		kfree_sensitive(blocks[i].in);
out_blocks:
	kvfree(blocks);
out_entries:
	kvfree(entries);
	return ret;
}

/* MTD_CRTM_INFO */
static int mtd_security_info(struct mtd_security_call *call, void *buf)
{
	struct mtd_crtm_info *info = &call->info;

	info->size = call->size;
	info->max_list = MTD_SECURITY_MAX_LIST;
	info->node_offset = mtd_get_master_ofs(call->mtd, 0);
	info->node_size = call->mtd->size;
	if (!mtd_is_partition(call->mtd))
		info->flags |= MTD_CRTM_F_MASTER;

	if (copy_to_user(call->arg, info, min_t(size_t, call->size, sizeof(*info))))
		return -EFAULT;
	return 0;
}

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
	MTD_SECURITY_IOCTL(WR_CRTM_CMD, true, false, mtd_security_cmd, mtd_crtm_cmd, entries),
	MTD_SECURITY_IOCTL(RD_CRTM_CMD, false, false, mtd_security_cmd, mtd_crtm_cmd, entries),
	MTD_SECURITY_IOCTL(MTD_CRTM_INFO, false, false, mtd_security_info, mtd_crtm_info,
			   read_only),
	MTD_SECURITY_IOCTL(MTD_ASP_MAP, false, true, mtd_asp_map_ioctl, mtd_asp_map, sr),
	MTD_SECURITY_IOCTL(MTD_ASP_CMD, true, true, mtd_asp_cmd_ioctl, mtd_asp_cmd, confirm),
};

static_assert(sizeof(struct mtd_crtm_entry) == 32);

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
 *	the ioctl is done. Keeps the device.
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
		if (call.sec && !mtd_security_get(call.sec))
			return -ENODEV;
		*active = call.sec;
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
