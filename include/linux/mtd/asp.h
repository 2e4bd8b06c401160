/* SPDX-License-Identifier: GPL-2.0 OR MIT */
/*
 * Micron MT25Q Advanced Sector Protection: opcodes, registers, times, and what
 * MTD_ASP_CMD does with them.
 *
 * Public: the opcodes but A6h, A7h, 2Bh and 68h, and what sector protection
 * register, volatile and non-volatile lock bits mean (MT25QL256ABA datasheet,
 * pages 35 and 36). Inferred from ISSI's IS25LX/WX, whose text follows Micron's:
 * those four, global freeze bit, protection management register, read-back
 * values, times. Unverified, and kept here and in micron-st-asp.c alone: every
 * write needs write enable; the password is 8 bytes, least significant first;
 * 16-bit registers likewise; A6h carries no data; a stacked part has one set of
 * registers, takes commands without an address in all its dies, and shows the
 * flag status register of one die after the other, one at each read.
 *
 * Plain macros only, for what talks to such a chip from outside of the kernel too.
 */
#ifndef _LINUX_MTD_ASP_H
#define _LINUX_MTD_ASP_H

#define ASP_SECTOR_SIZE		65536	/* what one lock bit covers */
#define ASP_DIE_SIZE		0x4000000	/* 64 MiB: larger parts are stacked */

#define ASP_OP_RDASPR		0x2d	/* sector protection register, 2 bytes */
#define ASP_OP_WRASPR		0x2c
#define ASP_OP_RDVLB		0xe8	/* volatile lock bits, 3-byte address, 1 byte */
#define ASP_OP_WRVLB		0xe5
#define ASP_OP_RDVLB_4B		0xe0	/* 4-byte address */
#define ASP_OP_WRVLB_4B		0xe1
#define ASP_OP_RDNVLB		0xe2	/* non-volatile lock bits, 4-byte address, 1 byte */
#define ASP_OP_WRNVLB		0xe3	/* sets one; 4-byte address, no data */
#define ASP_OP_ERNVLB		0xe4	/* clears all */
#define ASP_OP_RDFREEZE		0xa7	/* global freeze bit, 1 byte */
#define ASP_OP_WRFREEZE		0xa6	/* freezes; no data */
#define ASP_OP_RDPASS		0x27	/* password, 8 bytes */
#define ASP_OP_WRPASS		0x28
#define ASP_OP_UNLOCK		0x29
#define ASP_OP_RDPMR		0x2b	/* protection management register, 1 byte */
#define ASP_OP_WRPMR		0x68

/* Sector protection register: one-time bits, 1 as delivered. At most one can be 0. */
#define ASP_ASPR_DEFAULT	0xffff
#define ASP_ASPR_PASSWORD	0x0004	/* 0: password mode for ever */
#define ASP_ASPR_NO_PASSWORD	0x0002	/* 0: never password mode */

/* Volatile lock bits */
#define ASP_VLB_LOCK		0x01
#define ASP_VLB_DOWN		0x02	/* neither bit changes until reset or power-on */

/* Non-volatile lock bits */
#define ASP_NVLB_LOCKED		0x00
#define ASP_NVLB_OPEN		0xff

/* Global freeze bit */
#define ASP_FREEZE_OPEN		0x01	/* 0: non-volatile lock bits cannot change */

#define ASP_PASSWORD_LEN	8

/* State of a sector: what stands for it, and what locks it */
#define ASP_S_VOLATILE		0x01	/* the two bits of its volatile register, as they are */
#define ASP_S_LOCK_DOWN		0x02
#define ASP_S_NON_VOLATILE	0x04
#define ASP_S_BLOCK		0x08	/* block protection bits of the status register */
#define ASP_S_REGION		0x10	/* A-CRTM protected region */
#define ASP_S_LOCKED		(ASP_S_VOLATILE | ASP_S_NON_VOLATILE | ASP_S_BLOCK | ASP_S_REGION)

/* Protection management register: one-time bits, 1 as delivered. */
#define ASP_PMR_DEFAULT		0xff
#define ASP_PMR_STATUS		0x10	/* 0: status register cannot change */
#define ASP_PMR_PMR		0x04	/* 0: this register cannot change */
#define ASP_PMR_NVLB		0x02	/* 0: non-volatile lock bits cannot change */
#define ASP_PMR_NV_ERASE	0x01	/* 0: non-volatile lock bits cannot be erased */

/* Typical and longest times in us */
#define ASP_WRNVLB_US		100
#define ASP_WRNVLB_MAX_US	2800
#define ASP_ERNVLB_US		200000
#define ASP_ERNVLB_MAX_US	1000000
#define ASP_OTP_US		200	/* ASPR, password, PMR */
#define ASP_OTP_MAX_US		800

/* Flags of a line of ASP_COMMANDS() */
#define ASP_F_RANGE		0x01	/* works on offset and length; else on the whole chip */
#define ASP_F_PASSWORD		0x02	/* takes the password */
#define ASP_F_ADMIN		0x04	/* needs CAP_SYS_ADMIN */
#define ASP_F_MARKED		0x08	/* one-time bit of an opcode that is not public for MT25Q */

/*
 * ASP_COMMANDS(X) - what MTD_ASP_CMD does, one line a command:
 *
 * X(nr, sym, name, flags, confirm)
 *
 * @nr: mtd_asp_cmd.cmd; @sym: MTD_ASP_<sym>; @name: for people
 * @confirm: what has to stand in mtd_asp_cmd.confirm: what is given up for ever;
 *	"" for what can be undone
 */
#define ASP_COMMANDS(X)							\
	X(0, LOCK_DOWN, "lock down", ASP_F_RANGE, "")			\
	X(1, NV_LOCK, "non-volatile lock", ASP_F_RANGE, "")		\
	X(2, NV_ERASE, "erase non-volatile locks", 0, "")		\
	X(3, FREEZE, "freeze non-volatile locks", 0, "")		\
	X(4, PASSWORD_UNLOCK, "unlock by password", ASP_F_PASSWORD, "")	\
	X(5, PASSWORD_VERIFY, "verify password", ASP_F_PASSWORD, "")	\
	X(6, PASSWORD_PROGRAM, "program password",			\
	  ASP_F_PASSWORD | ASP_F_ADMIN, "unused-password-bits")		\
	X(7, PASSWORD_MODE, "password mode",				\
	  ASP_F_PASSWORD | ASP_F_ADMIN, "locks-without-password")	\
	X(8, NO_PASSWORD, "no password mode", ASP_F_ADMIN, "password-mode") \
	X(9, PMR_STATUS, "lock status register",			\
	  ASP_F_ADMIN | ASP_F_MARKED, "status-register")		\
	X(10, PMR_PMR, "lock protection management register",		\
	  ASP_F_ADMIN | ASP_F_MARKED, "protection-management")		\
	X(11, PMR_NVLB, "lock non-volatile lock bits",			\
	  ASP_F_ADMIN | ASP_F_MARKED, "non-volatile-locks")		\
	X(12, PMR_NV_ERASE, "no erase of non-volatile locks",		\
	  ASP_F_ADMIN | ASP_F_MARKED, "non-volatile-unlock")

#endif /* _LINUX_MTD_ASP_H */
