// SPDX-License-Identifier: GPL-2.0-only
/*
 * Commands of A-CRTM and JESD260: WR_CRTM_CMD, RD_CRTM_CMD and MTD_CRTM_INFO of mtdchar.
 *
 * Knows users, permissions, lengths and errors; knows no chip.
 */

#include <linux/build_bug.h>
#include <linux/capability.h>
#include <linux/err.h>
#include <linux/kernel.h>
#include <linux/mm.h>
#include <linux/mtd/mtd.h>
#include <linux/pagemap.h>
#include <linux/slab.h>
#include <linux/string.h>
#include <linux/uaccess.h>

#include "mtdsecurity.h"

/* Most entries of one call: bounds what a call allocates and checks. */
#define MTD_SECURITY_MAX_LIST	128

static_assert(sizeof(struct mtd_crtm_entry) == 32);
static_assert(RPMC_COMMANDS(CRTM_SOUND_AND) true, "RPMC_COMMANDS: a field outside of its block");

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
int mtd_crtm_check_block(const struct mtd_security_call *call,
			 const struct mtd_crtm_entry *entry, struct mtd_security_block *block)
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
	ret = mtd_crtm_check_block(call, entry, block);
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
int mtd_crtm_cmd_ioctl(struct mtd_security_call *call, void *buf)
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
int mtd_crtm_info_ioctl(struct mtd_security_call *call, void *buf)
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
