/* SPDX-License-Identifier: GPL-2.0 OR MIT */
/*
 * The A-CRTM command set: reference numbering, NOT Micron's.
 *
 * Micron's sub-opcodes and layouts are under an NDA. These are the project's
 * own, for the emulated chip. The driver enables them only on a chip that
 * carries the marker below, which no real part does. Who holds the NDA builds
 * with `make CRTM_COMMANDS=path/to/their.h` and touches no other file.
 *
 * Compiled into the kernel, the emulated chip, the tools and the signing
 * server: plain macros only. Big-endian on the wire.
 */
#ifndef _LINUX_MTD_CRTM_COMMANDS_H
#define _LINUX_MTD_CRTM_COMMANDS_H

#define CRTM_COMMAND_SET	"A-CRTM, reference numbering, not Micron's"
#define CRTM_REFERENCE		1	/* 0: a vendor's own numbers */

/*
 * Marker: an SFDP parameter table with this ID and these bytes. Needed where
 * CRTM_REFERENCE is 1. An ID whose upper byte is 00 is no vendor's.
 */
#define CRTM_MARKER_ID		0x00c7
#define CRTM_MARKER		"CRTM-REFERENCE\0\1"
#define CRTM_MARKER_LEN		16	/* 4 dwords */

#define CRTM_OPEN_SESSION	0x40
#define CRTM_CLOSE_SESSION	0x41
#define CRTM_ERASE		0x42
#define CRTM_PROGRAM		0x43
#define CRTM_PROTECT		0x44
#define CRTM_MEASURE		0x45
#define CRTM_DERIVE_KEY		0x46
#define CRTM_LOCK_DERIVATION	0x47
#define CRTM_GET_INFO		0x48

/* Offsets in the blocks. Every block: OP1, type, slot, 00. */
#define CRTM_OFF_SEQ		4	/* 41-44; MC in 40 */
#define CRTM_OFF_MC		4	/* 40 */
#define CRTM_OFF_NONCE		8	/* 40, 16 bytes */
#define CRTM_OFF_ADDR		8	/* 42-44 */
#define CRTM_OFF_LEN		12	/* 42, 44 */
#define CRTM_OFF_DATA		12	/* 43 */
#define CRTM_OFF_MODE		16	/* 44, then 00[3] */
#define CRTM_OPEN_NONCE_LEN	16
#define CRTM_MEASURE_OFF_NONCE	4	/* 45, 32 bytes */
#define CRTM_MEASURE_NONCE_LEN	32
#define CRTM_MEASURE_OFF_ADDR	36
#define CRTM_MEASURE_OFF_LEN	40
#define CRTM_DERIVE_OFF_LABEL	4	/* 46, 16 bytes */
#define CRTM_DERIVE_LABEL_LEN	16
#define CRTM_DERIVE_OFF_ADDR	20
#define CRTM_DERIVE_OFF_LEN	24
#define CRTM_INFO_OFF_NONCE	4	/* 48, 16 bytes */
#define CRTM_INFO_NONCE_LEN	16

#define CRTM_PROTECT_REMOVE	0x00
#define CRTM_PROTECT_ADD	0x01
#define CRTM_REGION_UNIT	65536
#define CRTM_MAX_REGIONS	8

/*
 * Response to 40-48: Status[1] CmdType[1] Length[2] MC[4] Payload[Length]
 * Sig[32]. Sig = HMAC(key, "CRTR" SHA-256(request) and every byte before Sig).
 */
#define CRTM_RESP_OFF_TYPE	1
#define CRTM_RESP_OFF_LENGTH	2
#define CRTM_RESP_OFF_MC	4
#define CRTM_RESP_OFF_PAYLOAD	8
#define CRTM_RESP_OVERHEAD	40
#define CRTM_RESP_DOMAIN	"CRTR"
#define CRTM_SESSION_DOMAIN	"CRTM"
#define CRTM_DERIVE_DOMAIN	"DICE"

/* Status bit of 40-48 beside the JESD260 ones */
#define CRTM_STATUS_REFUSED	0x40	/* address, length or region not allowed */

/* Payload of 45: Nonce[32] Addr[4] Len[4] SHA-256[32] */
#define CRTM_MEASURE_PAYLOAD	72
#define CRTM_MEASURE_OFF_DIGEST	40
/* Payload of 46: Key[32] */
#define CRTM_DERIVE_PAYLOAD	32
/*
 * Payload of 48: Nonce[16] version[2] slots[1] regions[1] flags[4]
 * power-on count[4] Seq[4], then Addr[4] Len[4] a region.
 */
#define CRTM_INFO_OFF_VERSION	16
#define CRTM_INFO_OFF_SLOTS	18
#define CRTM_INFO_OFF_REGIONS	19
#define CRTM_INFO_OFF_FLAGS	20
#define CRTM_INFO_OFF_POWER_ON	24
#define CRTM_INFO_OFF_SEQ	28
#define CRTM_INFO_OFF_REGION	32
#define CRTM_INFO_REGION_LEN	8
#define CRTM_INFO_F_SESSION	0x00000001
#define CRTM_INFO_F_LOCKED	0x00000002
#define CRTM_INFO_F_ROOT_KEY(n)	(0x00000100 << (n))
#define CRTM_VERSION		0x0001

/* Columns as in RPMC_COMMANDS() of <linux/mtd/rpmc.h>. */
#define CRTM_COMMANDS(X)						\
	X(0x40, OPEN_SESSION, "open session", CRTM_WR,			\
	  CRTM_F_CHIP_WIDE | CRTM_F_SLOT0 | CRTM_F_RELAY,		\
	  56, 56, 40, 0, 0, 0, 0, 0, 0, 5000, 100000, 0, 0)		\
	X(0x41, CLOSE_SESSION, "close session", CRTM_WR,		\
	  CRTM_F_CHIP_WIDE | CRTM_F_SLOT0 | CRTM_F_RELAY,		\
	  40, 40, 40, 0, 0, 0, 0, 0, 0, 5000, 100000, 0, 0)		\
	X(0x42, ERASE, "authenticated erase", CRTM_WR,			\
	  CRTM_F_SLOT0 | CRTM_F_RELAY,					\
	  48, 48, 40, 8, 12, 4096, 65536, 0, 0,				\
	  43333, 360000, 106667, 640000)				\
	X(0x43, PROGRAM, "authenticated program", CRTM_WR,		\
	  CRTM_F_SLOT0 | CRTM_F_DATA | CRTM_F_RELAY,			\
	  45, 300, 40, 8, 0, 1, 256, 0, 0, 120, 1800, 0, 0)		\
	X(0x44, PROTECT, "protect region", CRTM_WR,			\
	  CRTM_F_CHIP_WIDE | CRTM_F_SLOT0 | CRTM_F_RELAY,		\
	  52, 52, 40, 8, 12, 65536, 0, 17, 3, 5000, 100000, 0, 0)	\
	X(0x45, MEASURE, "measure", CRTM_RD, CRTM_F_RELAY,		\
	  44, 44, 112, 36, 40, 1, 0, 0, 0, 0, 0, 5000, 20000)		\
	X(0x46, DERIVE_KEY, "derive key", CRTM_RD,			\
	  CRTM_F_ADMIN | CRTM_F_SECRET,					\
	  28, 28, 72, 20, 24, 1, 0, 0, 0, 0, 0, 5000, 20000)		\
	X(0x47, LOCK_DERIVATION, "lock derivation", CRTM_WR,		\
	  CRTM_F_CHIP_WIDE,						\
	  4, 4, 40, 0, 0, 0, 0, 0, 0, 0, 1000, 0, 0)			\
	X(0x48, GET_INFO, "get information", CRTM_RD, CRTM_F_RELAY,	\
	  20, 20, 136, 0, 0, 0, 0, 0, 0, 0, 1000, 0, 0)

#endif /* _LINUX_MTD_CRTM_COMMANDS_H */
