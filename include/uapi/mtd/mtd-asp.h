/* SPDX-License-Identifier: GPL-2.0 WITH Linux-syscall-note */
/*
 * Micron's Advanced Sector Protection through mtdchar. The errno policy is that of
 * <mtd/mtd-security.h>, which includes this.
 */
#ifndef _UAPI_MTD_ASP_H
#define _UAPI_MTD_ASP_H

#include <linux/ioctl.h>
#include <linux/types.h>

/*
 * The volatile lock bits stand behind MEMLOCK, MEMUNLOCK and MEMISLOCKED; here is
 * what those cannot say.
 *
 * MTD_ASP_MAP: every sector of the node's partition and the chip's protection
 * registers, as the chip says now; any open node. Argument: struct mtd_asp_map.
 *
 * MTD_ASP_CMD: change something; needs a node open for writing. What works on
 * the whole chip needs the master's node or CAP_SYS_ADMIN; what cannot be undone
 * needs CAP_SYS_ADMIN, and @confirm. Argument: struct mtd_asp_cmd.
 */
#define MTD_ASP_MAP	_IO('M', 0x43)
#define MTD_ASP_CMD	_IO('M', 0x44)

/* A sector, in mtd_asp_map.sectors and mtd_asp_cmd.state */
#define MTD_ASP_S_VOLATILE	(1U << 0) /* volatile lock bit, until reset or power-on */
#define MTD_ASP_S_LOCK_DOWN	(1U << 1) /* the volatile lock bit cannot change until then */
#define MTD_ASP_S_NON_VOLATILE	(1U << 2) /* non-volatile lock bit */
#define MTD_ASP_S_BLOCK		(1U << 3) /* block protection bits of the status register */
#define MTD_ASP_S_REGION	(1U << 4) /* A-CRTM protected region */
/* Program and erase of a sector with any of these fail. */
#define MTD_ASP_S_LOCKED	(MTD_ASP_S_VOLATILE | MTD_ASP_S_NON_VOLATILE | \
				 MTD_ASP_S_BLOCK | MTD_ASP_S_REGION)

/* mtd_asp_map.flags */
#define MTD_ASP_F_FROZEN	(1U << 0) /* freeze bit: non-volatile lock bits stay */
#define MTD_ASP_F_PASSWORD_MODE	(1U << 1) /* frozen at power-on; a password unfreezes */
#define MTD_ASP_F_NO_PASSWORD	(1U << 2) /* password mode can never be set */
#define MTD_ASP_F_PMR		(1U << 3) /* @pmr is valid */
#define MTD_ASP_F_REGIONS	(1U << 4) /* the chip told its A-CRTM regions */

/**
 * struct mtd_asp_map - argument of MTD_ASP_MAP
 * @size: in: sizeof(struct mtd_asp_map) as the caller knows it
 * @flags: in: must be 0; out: MTD_ASP_F_*
 * @sectors: in: address of @nr bytes, one a sector: MTD_ASP_S_*; 0 if @nr is 0
 * @nr: in: room at @sectors in bytes, 0: only the registers are read; out: number
 *	of sectors that the node's partition touches
 * @first: out: index in the chip of the first of them
 * @sector_size: out: in bytes
 * @aspr: out: sector protection register
 * @pmr: out: protection management register; only with MTD_ASP_F_PMR
 * @sr: out: status register
 *
 * EMSGSIZE if @nr is neither 0 nor enough.
 */
struct mtd_asp_map {
	__u32 size;
	__u32 flags;
	__aligned_u64 sectors;
	__u32 nr;
	__u32 first;
	__u32 sector_size;
	__u16 aspr;
	__u8 pmr;
	__u8 sr;
};

#define MTD_ASP_PASSWORD_LEN	8
#define MTD_ASP_CONFIRM_LEN	32

/**
 * enum mtd_asp_cmd_nr - mtd_asp_cmd.cmd, with what has to stand in mtd_asp_cmd.confirm
 * @MTD_ASP_LOCK_DOWN: volatile lock bits of the range stay until reset
 * @MTD_ASP_NV_LOCK: set the non-volatile lock bits of the range
 * @MTD_ASP_NV_ERASE: clear all non-volatile lock bits of the chip
 * @MTD_ASP_FREEZE: non-volatile lock bits stay until reset or password
 * @MTD_ASP_PASSWORD_UNLOCK: password mode: unfreeze
 * @MTD_ASP_PASSWORD_VERIFY: does the chip hold this password? before password mode
 * @MTD_ASP_PASSWORD_PROGRAM: "unused-password-bits": program and verify
 * @MTD_ASP_PASSWORD_MODE: "locks-without-password": program, verify, then the bit
 * @MTD_ASP_NO_PASSWORD: "password-mode": password mode can never be set
 * @MTD_ASP_PMR_STATUS: "status-register": it never changes again
 * @MTD_ASP_PMR_PMR: "protection-management": this register never changes again
 * @MTD_ASP_PMR_NVLB: "non-volatile-locks": they never change again
 * @MTD_ASP_PMR_NV_ERASE: "non-volatile-unlock": they are never erased again
 */
enum mtd_asp_cmd_nr {
	MTD_ASP_LOCK_DOWN,
	MTD_ASP_NV_LOCK,
	MTD_ASP_NV_ERASE,
	MTD_ASP_FREEZE,
	MTD_ASP_PASSWORD_UNLOCK,
	MTD_ASP_PASSWORD_VERIFY,
	MTD_ASP_PASSWORD_PROGRAM,
	MTD_ASP_PASSWORD_MODE,
	MTD_ASP_NO_PASSWORD,
	MTD_ASP_PMR_STATUS,
	MTD_ASP_PMR_PMR,
	MTD_ASP_PMR_NVLB,
	MTD_ASP_PMR_NV_ERASE,
};

/**
 * struct mtd_asp_cmd - argument of MTD_ASP_CMD
 * @size: in: sizeof(struct mtd_asp_cmd) as the caller knows it
 * @flags: in: must be 0
 * @cmd: in: MTD_ASP_LOCK_DOWN and following
 * @result: out, if @sent: 0 if it is done and was read back; -EKEYREJECTED: wrong
 *	password; -EINTR: a signal, between sectors; -EIO, -ETIMEDOUT: it failed or
 *	nobody knows, read the map
 * @offset: in: of a range: where it starts in the chip, in bytes, whole sectors;
 *	otherwise 0
 * @length: in: its length in bytes, whole sectors; otherwise 0
 * @done: out: number of leading sectors of the range that are as wanted
 * @sent: out: 1 if something was sent that could change the chip or asked it about a
 *	password
 * @state: out: MTD_ASP_S_* of the sector behind those, if @result is not 0
 * @reserved: in: must be 0
 * @password: in: the password, least significant byte first; otherwise 0
 * @confirm: in: for what cannot be undone the word above, which names what is given
 *	up, NUL-padded; otherwise 0
 */
struct mtd_asp_cmd {
	__u32 size;
	__u32 flags;
	__u32 cmd;
	__s32 result;
	__aligned_u64 offset;
	__aligned_u64 length;
	__u32 done;
	__u8 sent;
	__u8 state;
	__u16 reserved;
	__u8 password[MTD_ASP_PASSWORD_LEN];
	char confirm[MTD_ASP_CONFIRM_LEN];
};

#endif /* _UAPI_MTD_ASP_H */
