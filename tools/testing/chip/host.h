/* SPDX-License-Identifier: MIT */
/*
 * The other side of the emulated chip, for its tests: whoever holds the keys.
 * Builds blocks byte by byte from the layouts, signs them and checks responses.
 */
#ifndef HOST_H
#define HOST_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "crtm-chip-user.h"

#define OP1			RPMC_OP1_DEFAULT
#define OP2			RPMC_OP2_DEFAULT
#define OK			RPMC_STATUS_SUCCESS
#define HOST_MAX_BLOCK		300

/**
 * struct host - keys and the last block and response
 * @u: the chip talked to
 * @root: root keys, as written
 * @hkr: HMAC keys, as updated
 * @sk: session key
 * @seq: number of the session's next block
 * @blk: the block as built
 * @n: its length in bytes
 * @resp: the last response
 */
struct host {
	struct crtm_user *u;
	u8 root[RPMC_MAX_SLOTS][RPMC_KEY_LEN];
	u8 hkr[RPMC_MAX_SLOTS][RPMC_KEY_LEN];
	u8 sk[RPMC_KEY_LEN];
	u32 seq;
	u8 blk[HOST_MAX_BLOCK];
	u32 n;
	u8 resp[CRTM_CHIP_RESP_LEN];
};

u32 be32(const u8 *p);
void to_be32(u8 *p, u32 v);

/* A 1 MiB chip with everything, so that a whole array can be compared often */
extern const struct crtm_chip_model small_model;

struct host *host_new(const struct crtm_chip_model *model);
void host_free(struct host *h);
/* A chip with root keys and HMAC keys in every slot */
struct host *host_provisioned(const struct crtm_chip_model *model);

void build_root_key(struct host *h, u8 slot);
void build_update(struct host *h, u8 slot, u32 keydata);
void build_increment(struct host *h, u8 slot, u32 mc);
void build_request(struct host *h, u8 slot, const char *tag);
void build_open(struct host *h, u32 mc, u8 nonce);
void build_close(struct host *h);
void build_erase(struct host *h, u32 addr, u32 len);
void build_program(struct host *h, u32 addr, const u8 *data, u32 len);
void build_protect(struct host *h, u32 addr, u32 len, u8 mode);
void build_measure(struct host *h, u8 slot, u8 nonce, u32 addr, u32 len);
void build_derive(struct host *h, u8 slot, u32 addr, u32 len);
void build_lock(struct host *h, u8 slot);
void build_info(struct host *h, u8 slot, u8 nonce);
/* Signs the block anew with @key: after a field was changed on purpose */
void resign(struct host *h, const u8 *key);

/* Sends the block, reads the whole response. Returns the status. */
u8 host_send(struct host *h);
/* The same, and an accepted block of the session counts. */
u8 host_step(struct host *h);
/* Opens a session at the chip's counter; fails the test if the chip refuses. */
void host_open(struct host *h);
/* Update HMAC Key in every slot, as after power loss */
void host_update_all(struct host *h);

/* Is the response to the block in @h one of the 40-48 form, signed with @key? */
bool host_verify(struct host *h, const u8 *key);

/* Ordinary commands */
void op(struct host *h, u8 code);
u8 read_reg(struct host *h, u8 code);
void write_reg(struct host *h, u8 code, u8 value);
void array_op(struct host *h, u8 code, u32 addr, int addr_bytes, const u8 *data, u32 len);

/* What a refused block must leave as it was: all but response and flag status */
struct snapshot {
	struct crtm_chip_record nv;
	struct crtm_chip_volatile v;
	u64 nv_steps;
};

void snapshot(struct host *h, struct snapshot *s);
bool unchanged(struct host *h, const struct snapshot *s);

#endif /* HOST_H */
