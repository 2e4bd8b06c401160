/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The ioctls of <uapi/mtd/mtd-security.h>, between the table and its handlers.
 */
#ifndef __MTD_SECURITY_H
#define __MTD_SECURITY_H

#include <linux/mtd/crtm.h>
#include <linux/mtd/security.h>
#include <linux/types.h>
#include <uapi/mtd/mtd-security.h>

/* One call: who makes it, on what. */
struct mtd_security_call {
	struct mtd_security *sec;
	struct mtd_info *mtd;
	struct mtd_crtm_info info;	/* what the chip can do; A-CRTM and JESD260 only */
	bool wr;
	void __user *arg;
	u32 size;			/* of the argument, as the caller knows it */
};

/* One entry of a list, checked and in kernel memory. */
struct mtd_security_block {
	struct crtm_command cmd;	/* a copy: valid without an active reference */
	struct crtm_xfer xfer;
	u8 *in;
	void __user *out;
	u32 out_size;
};

int mtd_crtm_check_block(const struct mtd_security_call *call,
			 const struct mtd_crtm_entry *entry, struct mtd_security_block *block);
int mtd_crtm_cmd_ioctl(struct mtd_security_call *call, void *buf);
int mtd_crtm_info_ioctl(struct mtd_security_call *call, void *buf);
int mtd_asp_map_ioctl(struct mtd_security_call *call, void *buf);
int mtd_asp_cmd_ioctl(struct mtd_security_call *call, void *buf);

#endif /* __MTD_SECURITY_H */
