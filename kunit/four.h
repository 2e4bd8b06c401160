/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A chip of four sectors on the test bench: what a test sets, and what it compares.
 */
#ifndef _FOUR_H
#define _FOUR_H

#include <linux/bits.h>
#include <linux/types.h>
#include <uapi/mtd/mtd-security.h>

#include "rig.h"

#define N		4	/* sectors */
#define ALL		0xf	/* a bit each */
#define SECTOR		ASP_SECTOR_SIZE
#define REGIONS		0x6	/* the sectors of the two regions */

/* Status register: block protection of 0, 1, 2, 4 sectors at the top or the bottom */
#define SR_BP(n)	((n) << 2)
#define SR_TB		0x20

/* Lock bits of a sector, as a number has them */
#define CODE_BITS	3
#define CODES		BIT(CODE_BITS * N)
#define CODE_NV		4

/* Sector protection register, the modes that are for ever */
#define ASPR_PASSWORD_MODE	(ASP_ASPR_DEFAULT & ~ASP_ASPR_PASSWORD)
#define ASPR_NO_PASSWORD	(ASP_ASPR_DEFAULT & ~ASP_ASPR_NO_PASSWORD)

/* What an operation may change, to compare */
struct four_state {
	u8 locks[N];
	u8 sr;
	u16 aspr;
	u8 pmr;
	u8 password[ASP_PASSWORD_LEN];
	bool frozen;
};

/* The one that commands get unless the test gives another, and that of a new chip */
extern const u8 four_password[ASP_PASSWORD_LEN];
extern const u8 four_blank[ASP_PASSWORD_LEN];

struct rig *four_new(struct kunit *test, bool authenta);
void four_set(struct rig *rig, u32 code, u8 sr, bool frozen);
void four_set_aspr(struct rig *rig, u16 aspr, const u8 *held);
struct four_state four_get(struct rig *rig);
bool four_same(const struct four_state *a, const struct four_state *b);
u8 four_locked(struct rig *rig, u8 by);
const char *four_known(struct rig *rig);
const char *four_clean(struct rig *rig, bool cached);

struct mtd_asp_cmd four_range(u32 nr, u8 first, u8 n);
int four_command(struct rig *rig, struct mtd_asp_cmd *cmd);
int four_simple(struct rig *rig, u32 nr, int *result);

#endif /* _FOUR_H */
