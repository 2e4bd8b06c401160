/* SPDX-License-Identifier: MIT */
/*
 * The world around the drivers' files in a process: a caller with some memory, a chip
 * on a bus, and what goes wrong.
 */
#ifndef FUZZ_WORLD_H
#define FUZZ_WORLD_H

#include "stubs.h"

#include "crtm-chip-user.h"

/* The caller's memory: from USER_BASE on, the last page for reading only. */
#define USER_BASE	0x10000UL
#define USER_SIZE	(3 * PAGE_SIZE)
#define USER_WRITABLE	(2 * PAGE_SIZE)
#define USER_END	(1UL << 47)	/* what access_ok() lets pass */

#define SECRET_LEN	8
#define MAX_SENT	160
#define MAX_BLOCK	600

/**
 * struct world - all of it
 * @mem: the caller's memory
 * @written: bytes of it that the kernel wrote
 * @reads: how often the kernel read from it
 * @race_at: at that read another thread changes a byte of it, 0: never
 * @race_offset: which one
 * @race_value: to what
 * @admin: the caller has CAP_SYS_ADMIN
 * @signal_at: a signal is pending from that question on, 0: never
 * @alloc_at: that allocation fails, 0: none
 * @dead_at: the device is gone from that mtd_security_get() on, 0: never
 * @bus_at: that operation on the bus fails, 0: none
 * @bus_lost: it fails before anything is sent; otherwise after
 * @lie_at: at that read of the bus the chip says @lie instead, 0: never
 * @lie: what it says
 * @lie_len: length of that in bytes
 * @chip: the chip
 * @probing: nobody can use the device yet
 * @locked: the flash's lock is held
 * @locked_us: since when
 * @before_send: called with a block just before it is sent, NULL: nobody
 * @users: active references
 * @allocated: allocations that were not freed
 * @secret: what freed memory must not hold, SECRET_LEN bytes, NULL: anything
 * @kept: freed memory held it so often
 * @forgetful: nothing is wiped
 * @sent: blocks that the driver sent
 * @sent_len: their lengths in bytes
 * @nr_sent: how many
 */
struct world {
	u8 mem[USER_SIZE];
	bool written[USER_SIZE];
	u32 reads;
	u32 race_at;
	u32 race_offset;
	u8 race_value;
	bool admin;
	u32 signal_at;
	u32 alloc_at;
	u32 dead_at;
	u32 bus_at;
	bool bus_lost;
	u32 lie_at;
	const u8 *lie;
	size_t lie_len;
	struct crtm_user *chip;
	bool probing;
	bool locked;
	u64 locked_us;
	void (*before_send)(const u8 *block, size_t len);
	int users;
	int allocated;
	const u8 *secret;
	u32 kept;
	bool forgetful;
	u8 sent[MAX_SENT][MAX_BLOCK];
	u32 sent_len[MAX_SENT];
	u32 nr_sent;
};

extern struct world world;

/* The caller's bytes at an address, NULL if they are not all mapped */
u8 *user_bytes(u64 address, size_t n);

#endif /* FUZZ_WORLD_H */
