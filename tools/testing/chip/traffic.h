/* SPDX-License-Identifier: MIT */
/* Operations on one chip after another, with the invariants held after each. */
#ifndef TRAFFIC_H
#define TRAFFIC_H

#include "host.h"

#define TRAFFIC_MAX_SIZE	(1 << 20)
#define TRAFFIC_RECORDED	256

/**
 * struct traffic - one chip after another
 * @h: the chip, and who has its keys
 * @shadow: what the array must be
 * @resets: all but 99h: RESET#, power
 * @seq: accepted blocks of the session; as the host counts
 * @recorded: accepted blocks
 * @recorded_len: their lengths in bytes
 * @n: how many
 * @accepted: how often it happened, like those that follow: that a test tests anything
 */
struct traffic {
	struct host *h;
	u8 shadow[TRAFFIC_MAX_SIZE];
	u32 resets;
	u32 seq;
	u8 recorded[TRAFFIC_RECORDED][HOST_MAX_BLOCK];
	u32 recorded_len[TRAFFIC_RECORDED];
	u32 n;
	u32 accepted, refused, cuts, held, erased, unlocked, modes;
};

/* Whoever uses this decides what comes: a number below @n */
u32 traffic_rnd(u32 n);

/* A chip as delivered, of TRAFFIC_MAX_SIZE at most, which knows nothing of the last one's blocks */
void traffic_new_chip(struct traffic *f, const struct crtm_chip_model *model);

void traffic_step(struct traffic *f);

#endif /* TRAFFIC_H */
