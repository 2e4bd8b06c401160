/* SPDX-License-Identifier: MIT */
/*
 * What must hold of an ioctl, told without the driver: from what was asked, what went
 * over the bus, and what the caller's memory holds.
 */
#ifndef FUZZ_IOCTL_CHECK_H
#define FUZZ_IOCTL_CHECK_H

#include "world.h"

struct mtd_crtm_info;
struct mtd_asp_cmd;

/**
 * struct call - one ioctl
 * @number: its number
 * @arg: its argument
 * @ret: what it returned
 * @writable: the node is open for writing
 * @admin: the caller has CAP_SYS_ADMIN
 * @raced: the caller's memory changed meanwhile
 * @undisturbed: nothing went wrong that the caller is not to blame for
 * @before: the caller's memory before
 */
struct call {
	unsigned int number;
	u64 arg;
	int ret;
	bool writable;
	bool admin;
	bool raced;
	bool undisturbed;
	u8 before[USER_SIZE];
};

/* Just before it is made */
void note_call(struct call *call);

/* Just before a block is sent: does the caller's memory say that it may have been? */
void check_announced(const struct call *call, const u8 *block, size_t len);

/* Was this block one that may be sent? */
void check_sent(const struct mtd_crtm_info *info, const struct call *call, const u8 *block,
		size_t len);

/* Is this command of sector protection one that may be carried out? */
void check_asp_command(const struct mtd_crtm_info *info, const struct mtd_asp_cmd *cmd,
		       bool admin);

/* After the call: its result, and what it left in the caller's memory */
void check_result(const struct mtd_crtm_info *info, const struct call *call);

#endif /* FUZZ_IOCTL_CHECK_H */
