/* SPDX-License-Identifier: MIT */
/*
 * Sessions with a chip as kselftest steps: each fails the test that it is in.
 *
 * For fixtures that have chip, fd, block[MAX_BLOCK] and struct outcome o.
 * Include after kselftest_harness.h.
 */
#ifndef SELFTEST_MTD_SESSION_H
#define SELFTEST_MTD_SESSION_H

#include "common.h"

/* The same keys in every test: each is a process of its own, the chip is not. */
static inline void test_keys(struct keys *k, uint8_t slot)
{
	memset(k, 0, sizeof(*k));
	k->slot = slot;
	memset(k->root, 0x10 + slot, RPMC_KEY_LEN);
}

/* Sends self->block; the answer is self->o. */
#define SEND(_request, _len) do {						\
	self->o = exchange(self->fd, _request, self->block, _len);		\
	ASSERT_EQ(0, self->o.ret);						\
	ASSERT_EQ(1, self->o.done);						\
	ASSERT_EQ(1, self->o.sent);						\
	ASSERT_EQ(0, self->o.result);						\
	ASSERT_EQ(self->o.status, self->o.out[0]);				\
} while (0)

/* An accepted block of 40-48 whose response is signed with @_key. */
#define SEND_SIGNED(_request, _len, _key) do {					\
	size_t _n = _len;							\
										\
	SEND(_request, _n);							\
	ASSERT_EQ(RPMC_STATUS_SUCCESS, self->o.status);				\
	ASSERT_EQ(self->block[1], self->o.out[CRTM_RESP_OFF_TYPE]);		\
	ASSERT_TRUE(crtm_signed(_key, self->block, _n, &self->o));		\
} while (0)

/* The root key is written if this is the first test that comes here. */
#define PROVISION(_k) do {							\
	struct keys *_p = _k;							\
	long long _roots = emu_register(self->chip, "root_keys");			\
										\
	ASSERT_GE(_roots, 0);							\
	if (!(_roots >> _p->slot & 1)) {					\
		SEND(WR_CRTM_CMD, block_root_key(_p, self->block));		\
		ASSERT_EQ(RPMC_STATUS_SUCCESS, self->o.status);			\
	}									\
	SEND(WR_CRTM_CMD, block_update_key(_p, (const uint8_t *)"keys", self->block)); \
	ASSERT_EQ(RPMC_STATUS_SUCCESS, self->o.status);				\
	SEND(RD_CRTM_CMD, block_request(_p, (const uint8_t *)"twelve bytes", self->block)); \
	ASSERT_EQ(RPMC_STATUS_SUCCESS, self->o.status);				\
	ASSERT_TRUE(rpmc_signed(_p->hkr, &self->o));				\
	_p->mc = get32(self->o.out + RPMC_RESP_OFF_COUNTER);			\
} while (0)

#define OPEN_SESSION(_k) do {							\
	SEND_SIGNED(WR_CRTM_CMD,						\
		    block_open(_k, (const uint8_t *)"a session nonce!", self->block), \
		    (_k)->hkr);							\
	(_k)->mc++;								\
	ASSERT_EQ((_k)->mc, get32(self->o.out + CRTM_RESP_OFF_MC));		\
} while (0)

/* A block inside the session. */
#define IN_SESSION(_k, _len) do {						\
	SEND_SIGNED(WR_CRTM_CMD, _len, (_k)->sk);				\
	(_k)->seq++;								\
} while (0)

#endif /* SELFTEST_MTD_SESSION_H */
