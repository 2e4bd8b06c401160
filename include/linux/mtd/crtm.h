/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Commands of A-CRTM and JESD260 between mtdchar and the flash drivers.
 */
#ifndef _LINUX_MTD_CRTM_H
#define _LINUX_MTD_CRTM_H

#include <linux/mtd/rpmc.h>
#include <linux/types.h>

struct mtd_crtm_info;
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

/*
 * The columns of a command table that are trusted below, a vendor's table too:
 * every field lies in the shortest block, and an address has a length and a unit.
 */
#define CRTM_SOUND_AND(_type, _sym, _name, _class, _flags, _min, _max, _resp, _addr, _len,	\
		       _unit, _limit, _rsvd, _nrsvd, ...)					\
	(_min) >= RPMC_HDR_LEN && (_max) >= (_min) && (_resp) > 0 &&				\
	(_rsvd) + (_nrsvd) <= (_min) && (_len) + 4 <= (_min) &&					\
	(_addr) + 4 + ((_flags) & CRTM_F_DATA ? 1 + RPMC_SIG_LEN : 0) <= (_min) &&		\
	(!(_addr) || ((_unit) && ((_len) || (_flags) & CRTM_F_DATA))) &&

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

#endif /* _LINUX_MTD_CRTM_H */
