/* SPDX-License-Identifier: GPL-2.0 OR MIT */
/*
 * JESD260 replay-protected monotonic counter: commands, layouts, status bits.
 * Public: as flashrom, coreboot and Winbond's notes on the W74M have them.
 *
 * Plain macros only, for what talks to such a chip from outside of the kernel too.
 * Multi-byte fields are big-endian on the wire, lengths count the opcode byte.
 */
#ifndef _LINUX_MTD_RPMC_H
#define _LINUX_MTD_RPMC_H

/* A block starts with OP1, command type, slot, 00. */
#define RPMC_HDR_LEN		4
#define RPMC_OFF_TYPE		1
#define RPMC_OFF_SLOT		2
#define RPMC_OFF_RSVD		3
#define RPMC_SIG_LEN		32	/* HMAC-SHA-256 */
#define RPMC_ROOT_SIG_LEN	28	/* last 28 bytes of one, in Write Root Key */
#define RPMC_KEY_LEN		32
#define RPMC_KEYDATA_LEN	4
#define RPMC_TAG_LEN		12
#define RPMC_MAX_SLOTS		16

#define RPMC_OP1_DEFAULT	0x9b
#define RPMC_OP2_DEFAULT	0x96

/* Command types */
#define RPMC_WRITE_ROOT_KEY	0x00
#define RPMC_UPDATE_HMAC_KEY	0x01
#define RPMC_INCREMENT_COUNTER	0x02
#define RPMC_REQUEST_COUNTER	0x03

/* Response to 00-03: Status[1] Tag[12] Counter[4] Sig[32] */
#define RPMC_RESP_LEN		49
#define RPMC_RESP_OFF_TAG	1
#define RPMC_RESP_OFF_COUNTER	13
#define RPMC_RESP_OFF_SIG	17

/* Extended status */
#define RPMC_STATUS_POWER_ON	0x00
#define RPMC_STATUS_SUCCESS	0x80
#define RPMC_STATUS_BUSY	0x01
/* Root key written already, no such slot, truncated signature, counter not initialised */
#define RPMC_STATUS_ROOT_KEY	0x02
#define RPMC_STATUS_SIGNATURE	0x04	/* signature, address, command type, payload size */
#define RPMC_STATUS_NO_KEY	0x08	/* HMAC key register not initialised */
#define RPMC_STATUS_COUNTER	0x10	/* counter mismatch */
#define RPMC_STATUS_FATAL	0x20

/* SFDP parameter table */
#define RPMC_SFDP_ID		0xff03
#define RPMC_SFDP_DWORDS	2

/* Classes and flags of a table entry */
#define CRTM_RD			0	/* changes nothing: RD_CRTM_CMD takes it */
#define CRTM_WR			1
#define CRTM_F_ADMIN		0x01	/* needs CAP_SYS_ADMIN: irreversible, or returns a key */
#define CRTM_F_CHIP_WIDE	0x02	/* needs the master's node or CAP_SYS_ADMIN */
#define CRTM_F_SLOT0		0x04	/* exists in slot 0 alone */
#define CRTM_F_DATA		0x08	/* from Addr to Sig stands the range: inside one page */
#define CRTM_PAGE_SIZE		256
#define CRTM_F_SECRET		0x10	/* response is a key: replaced in the chip, wiped here */
#define CRTM_F_RELAY		0x20	/* for relays: they may pass it on */

/*
 * RPMC_COMMANDS(X) - the table, one line a command:
 *
 * X(type, sym, name, class, flags, min, max, resp, addr, len, unit, limit,
 *   rsvd, nrsvd, typ_us, max_us, typ_us_64k, max_us_64k)
 *
 * @type: command type byte; @sym: identifier; @name: for people
 * @min, @max: length of the block, opcode and signature included
 * @resp: longest response, status byte included
 * @addr, @len: offset of the 32-bit address and length fields, 0: none
 * @unit: address and length are multiples of this; @limit: longest length, 0: any
 * @rsvd, @nrsvd: further bytes that must be zero (byte 3 always is), 0, 0: none
 * @typ_us, @max_us: execution time in us; @typ_us_64k, @max_us_64k: what each
 *	64 KiB of the range adds
 *
 * The times of 00-03 come from SFDP; those here are where it says nothing
 * (reference, not from the standard).
 */
#define RPMC_COMMANDS(X)						\
	X(0x00, WRITE_ROOT_KEY, "write root key", CRTM_WR,		\
	  CRTM_F_ADMIN | CRTM_F_CHIP_WIDE,				\
	  64, 64, 49, 0, 0, 0, 0, 0, 0, 5000, 100000, 0, 0)		\
	X(0x01, UPDATE_HMAC_KEY, "update HMAC key", CRTM_WR,		\
	  CRTM_F_CHIP_WIDE | CRTM_F_RELAY,				\
	  40, 40, 49, 0, 0, 0, 0, 0, 0, 100, 10000, 0, 0)		\
	X(0x02, INCREMENT_COUNTER, "increment counter", CRTM_WR,	\
	  CRTM_F_CHIP_WIDE | CRTM_F_RELAY,				\
	  40, 40, 49, 0, 0, 0, 0, 0, 0, 5000, 100000, 0, 0)		\
	X(0x03, REQUEST_COUNTER, "request counter", CRTM_RD,		\
	  CRTM_F_RELAY,							\
	  48, 48, 49, 0, 0, 0, 0, 0, 0, 100, 10000, 0, 0)

#endif /* _LINUX_MTD_RPMC_H */
