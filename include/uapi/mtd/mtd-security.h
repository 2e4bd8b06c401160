/* SPDX-License-Identifier: GPL-2.0 WITH Linux-syscall-note */
/*
 * Security of SPI NOR flash through mtdchar: the commands of A-CRTM and JESD260,
 * and Micron's Advanced Sector Protection.
 *
 * A command is a *block*: every byte from the opcode to the last byte of its
 * HMAC, made by whoever holds the key. The kernel passes a block only if its
 * table names the opcode pair and length, reserved bytes, slot and addresses
 * are right; it never changes, splits, repeats or reorders one, and makes none of
 * its own but the unsigned "get information" of A-CRTM.
 *
 * errno policy: an errno means that NOTHING was sent. Once a block may have
 * reached the chip the call returns 0, and @done and the entries tell the rest.
 * What the chip thinks of a block is in @status, never in an errno.
 *
 *   ENOTTY      a number that nobody knows
 *   EOPNOTSUPP  no security operations on this device; the chip or the
 *               controller cannot do it
 *   EPERM       no table entry for the opcode pair; class, file mode,
 *               read-only node, capability
 *   EACCES      sector protection forbids it as it stands: frozen, locked down,
 *               a one-time bit, password mode
 *   EINVAL      malformed: flags, reserved bytes, slot, alignment, addresses
 *   EMSGSIZE    the length is not one that the command has, or the response
 *               buffer is too small
 *   E2BIG, EFAULT, ENOMEM  as copy_struct_from_user()
 *   EINTR       a signal before the first byte
 *   EBUSY, EIO  something before it timed out or failed, and the chip was not seen
 *               ready since; of MTD_ASP_* EIO also if the chip could not be read
 *   ENODEV      the device is gone
 *
 * An errno of MTD_ASP_* means that nothing was sent but reads.
 */
#ifndef _UAPI_MTD_SECURITY_H
#define _UAPI_MTD_SECURITY_H

#include <linux/ioctl.h>
#include <linux/types.h>

/*
 * WR_CRTM_CMD: any command; needs a node open for writing.
 * RD_CRTM_CMD: only commands that change nothing; any open node.
 * Argument of both: struct mtd_crtm_cmd.
 *
 * Irreversible commands and those that return a key need CAP_SYS_ADMIN too.
 * Addresses are the chip's and must lie inside the node's partition. State
 * changes that carry no address, and changes of the region table, need the
 * master's node or CAP_SYS_ADMIN.
 *
 * MTD_CRTM_INFO: what the chip can do; any open node; never touches the chip.
 * Argument: struct mtd_crtm_info.
 */
#define WR_CRTM_CMD	_IO('M', 0x40)
#define RD_CRTM_CMD	_IO('M', 0x41)
#define MTD_CRTM_INFO	_IO('M', 0x42)

/**
 * struct mtd_crtm_entry - one block and what came back
 * @in: in: address of the block, from its opcode byte to its last byte
 * @out: in: address of the response buffer; 0 if @out_len is 0
 * @in_len: in: length of the block in bytes
 * @out_len: in: size of the response buffer, 0 or at least the longest response
 *	of the command; out: bytes of response stored there
 * @result: out: 0 if the exchange finished; -ETIMEDOUT or -EIO: sent, outcome
 *	unknown, ask the chip. Means nothing unless @sent.
 * @status: out: extended status byte of the chip (80h: success), if @sent is 1
 *	and @result is 0
 * @sent: out: 1 if the chip may have seen the block, 0 if it certainly has not.
 *	Set (with @result -EIO) in memory before the first byte leaves, so it
 *	can be relied on whatever happens to the caller afterwards.
 * @reserved: in: must be 0
 */
struct mtd_crtm_entry {
	__aligned_u64 in;
	__aligned_u64 out;
	__u32 in_len;
	__u32 out_len;
	__s32 result;
	__u8 status;
	__u8 sent;
	__u16 reserved;
};

/**
 * struct mtd_crtm_cmd - argument of WR_CRTM_CMD and RD_CRTM_CMD
 * @size: in: sizeof(struct mtd_crtm_cmd) as the caller knows it
 * @flags: in: must be 0
 * @nr: in: number of entries, 1 to mtd_crtm_info.max_list
 * @done: out: number of leading entries whose exchange finished (@result 0). A
 *	list stops at the first block that the chip refuses (that one counts, and
 *	its @status is not 80h), at the first unknown outcome (that one does not
 *	count), and at a signal between two blocks.
 * @entries: in: address of an array of @nr struct mtd_crtm_entry
 *
 * Every entry is checked before the first block is sent. Between two blocks
 * the flash is free for others, so array I/O waits for one block at most.
 */
struct mtd_crtm_cmd {
	__u32 size;
	__u32 flags;
	__u32 nr;
	__u32 done;
	__aligned_u64 entries;
};

/* mtd_crtm_info.flags */
#define MTD_CRTM_F_RPMC		(1U << 0) /* JESD260 commands */
#define MTD_CRTM_F_CRTM		(1U << 1) /* A-CRTM commands */
#define MTD_CRTM_F_REFERENCE	(1U << 2) /* reference numbering, not Micron's */
#define MTD_CRTM_F_POLL_RDSR	(1U << 3) /* busy shows in RDSR, not in OP2's status */
#define MTD_CRTM_F_MASTER	(1U << 4) /* this node is the whole chip */

/**
 * struct mtd_crtm_info - argument of MTD_CRTM_INFO; all but @size is out
 * @size: in: sizeof(struct mtd_crtm_info) as the caller knows it
 * @flags: MTD_CRTM_F_*
 * @chip: name of the chip as identified, NUL-terminated
 * @command_set: name of the command set and whose numbering it is
 * @id: JEDEC ID bytes as read from the chip, @id_len of them
 * @id_len: number of valid bytes in @id
 * @op1: opcode that writes (JESD260 OP1, usually 9Bh)
 * @op2: opcode that reads (JESD260 OP2, usually 96h)
 * @slots: number of monotonic counters
 * @max_block: longest block in bytes, opcode included
 * @max_response: longest response in bytes, status included
 * @max_list: most entries of one call
 * @max_hold_ms: longest time in ms that one block may keep the flash; a
 *	measurement that could take longer gets EINVAL: split it
 * @reserved: 0
 * @chip_size: size of the chip in bytes
 * @node_offset: where this node's partition starts in the chip, in bytes
 * @node_size: size of this node's partition in bytes
 * @commands: bit (type % 64) of word (type / 64): the command type is known
 * @read_only: same form: RD_CRTM_CMD takes it
 */
struct mtd_crtm_info {
	__u32 size;
	__u32 flags;
	char chip[32];
	char command_set[64];
	__u8 id[16];
	__u8 id_len;
	__u8 op1;
	__u8 op2;
	__u8 slots;
	__u32 max_block;
	__u32 max_response;
	__u32 max_list;
	__u32 max_hold_ms;
	__u32 reserved;
	__aligned_u64 chip_size;
	__aligned_u64 node_offset;
	__aligned_u64 node_size;
	__aligned_u64 commands[4];
	__aligned_u64 read_only[4];
};

#include <mtd/mtd-asp.h>

#endif /* _UAPI_MTD_SECURITY_H */
