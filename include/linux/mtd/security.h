/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Security operations of an MTD device: joins mtdchar and the flash drivers.
 */
#ifndef _LINUX_MTD_SECURITY_H
#define _LINUX_MTD_SECURITY_H

#include <linux/completion.h>
#include <linux/list.h>
#include <linux/mtd/mtd.h>
#include <linux/mtd/rpmc.h>
#include <linux/refcount.h>
#include <linux/types.h>
#include <uapi/mtd/mtd-security.h>

struct file;
struct mtd_security;

/**
 * struct crtm_command - what the driver's table says of one command
 * @name: for people
 * @type: command type byte
 * @class: CRTM_RD or CRTM_WR
 * @flags: CRTM_F_*
 * @rsvd: offset of further bytes that must be zero; byte 3 always is
 * @nrsvd: how many of them, 0: none
 * @addr: offset of the 32-bit address field, 0: none
 * @len: offset of the 32-bit length field, 0: none
 * @min: shortest block in bytes, opcode and signature included
 * @max: longest block in bytes
 * @resp: longest response in bytes, status byte included
 * @unit: address and length are multiples of this, in bytes
 * @limit: longest length in bytes, 0: any
 * @typ_us: typical execution time in us
 * @max_us: longest execution time in us
 * @typ_us_64k: what each 64 KiB of the range adds to @typ_us
 * @max_us_64k: what each 64 KiB of the range adds to @max_us
 *
 * A line of RPMC_COMMANDS() in <linux/mtd/rpmc.h> or of CRTM_COMMANDS() in
 * <linux/mtd/crtm-commands.h>.
 */
struct crtm_command {
	const char *name;
	u8 type;
	u8 class;
	u8 flags;
	u8 rsvd;
	u8 nrsvd;
	u8 addr;
	u8 len;
	u16 min;
	u16 max;
	u16 resp;
	u32 unit;
	u32 limit;
	u32 typ_us;
	u32 max_us;
	u32 typ_us_64k;
	u32 max_us_64k;
};

/**
 * struct crtm_xfer - one exchange: block out, status and response in
 * @cmd: the table entry that let it pass
 * @in: the block in kernel memory, DMA-able, from opcode to last byte
 * @in_len: its length in bytes
 * @out: response buffer in kernel memory, DMA-able, @cmd->resp bytes
 * @out_len: out: valid bytes in @out, 0 if the response was not read
 * @range: length in bytes of what the command works on, 0 if on nothing
 * @status: out: extended status of the chip, valid if @result is 0
 * @sent: out: the chip may have seen the block
 * @result: out, if @sent: 0, or -ETIMEDOUT, -EIO: outcome unknown
 */
struct crtm_xfer {
	const struct crtm_command *cmd;
	const u8 *in;
	u8 *out;
	u32 in_len;
	u32 out_len;
	u32 range;
	int result;
	u8 status;
	bool sent;
};

/**
 * struct mtd_security_ops - what a flash driver implements
 * @info: fill everything of @info but size and the node's members. Never
 *	touches the flash.
 * @command: the table entry for a block that starts with @opcode, @type, or
 *	NULL: nothing of the kind may be sent to this chip.
 * @max_us: how long @cmd may keep the flash for @range bytes, in us
 * @exchange: send, wait, read the response, under one hold of the flash's
 *	lock. Returns a negative errno if nothing was sent (@xfer->sent false),
 *	-EINTR among them for a signal before the first byte; otherwise 0 with
 *	@xfer->result. Sleeps; allocates nothing; touches no user memory.
 */
struct mtd_security_ops {
	void (*info)(struct mtd_security *sec, struct mtd_crtm_info *info);
	const struct crtm_command *(*command)(struct mtd_security *sec,
					      u8 opcode, u8 type);
	u64 (*max_us)(struct mtd_security *sec, const struct crtm_command *cmd,
		      u32 range);
	int (*exchange)(struct mtd_security *sec, struct crtm_xfer *xfer);
};

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

/**
 * struct mtd_security - the security side of one master mtd_info
 * @master: the device; the key of the registry
 * @ops: A-CRTM and JESD260 commands, NULL if there are none. A device without any
 *	security operations is registered all the same, so that calls after its
 *	removal get -ENODEV
 * @asp: sector protection, NULL if there is none
 * @node: entry of the registry
 * @users: one for the registration, one for each running call
 * @drained: completed when @users drops to 0
 * @dead: set first by mtd_security_kill(); nothing new starts
 *
 * Embedded in the driver's own object, which must outlive the last
 * put_mtd_device().
 */
struct mtd_security {
	struct mtd_info *master;
	const struct mtd_security_ops *ops;
	const struct mtd_asp_ops *asp;
	struct list_head node;
	refcount_t users;
	struct completion drained;
	bool dead;
};

void mtd_security_register(struct mtd_security *sec, struct mtd_info *master);
void mtd_security_kill(struct mtd_security *sec);
void mtd_security_unregister(struct mtd_security *sec);
bool mtd_security_get(struct mtd_security *sec);
void mtd_security_put(struct mtd_security *sec);
void mtd_security_orphan(struct device *parent);

struct mtd_security *mtd_get_security(struct mtd_info *mtd);
int mtd_security_ioctl(struct file *file, struct mtd_info *mtd, unsigned int cmd,
		       unsigned long arg, struct mtd_security **active);

#endif /* _LINUX_MTD_SECURITY_H */
