// SPDX-License-Identifier: MIT
/*
 * What everything else rests on: HMAC-SHA-256 by its published vectors (RFC 4231,
 * FIPS 180-4), and the JESD260 bytes against values computed outside of this tree.
 */
#include <stdio.h>
#include <string.h>

#include "host.h"

static void from_hex(const char *hex, u8 *out)
{
	unsigned int byte;

	for (; *hex; hex += 2) {
		assert_int_equal(sscanf(hex, "%2x", &byte), 1);
		*out++ = byte;
	}
}

static void rfc4231(void **state)
{
	static const struct {
		int key_len;
		u8 key;			/* repeated; 0: 01 02 03 ... */
		const char *text;	/* or NULL: @data, @data_len times */
		int data_len;
		u8 data;
		const char *mac;
	} cases[] = {
		{ 20, 0x0b, "Hi There", 0, 0,
		  "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7" },
		{ 20, 0xaa, NULL, 50, 0xdd,
		  "773ea91e36800e46854db8ebd09181a72959098b3ef8c122d9635514ced565fe" },
		{ 25, 0, NULL, 50, 0xcd,
		  "82558a389a443c0ea4cc819899f2083a85f0faa3e578f8077a2e3ff46729665b" },
		{ 20, 0x0c, "Test With Truncation", 0, 0,
		  "a3b6167473100ee06e0c796c2955552b" },
		{ 131, 0xaa, "Test Using Larger Than Block-Size Key - Hash Key First", 0, 0,
		  "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54" },
		{ 131, 0xaa,
		  "This is a test using a larger than block-size key and a larger than "
		  "block-size data. The key needs to be hashed before being used by the "
		  "HMAC algorithm.", 0, 0,
		  "9b09ffa71b942fcb27635fbcd5b0e944bfdc63644f0713938a7f51535c3a35e2" },
	};
	u8 key[131], data[200], mac[32], want[32];
	size_t i, len;
	int k;

	(void)state;
	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		for (k = 0; k < cases[i].key_len; k++)
			key[k] = cases[i].key ? cases[i].key : k + 1;
		len = cases[i].text ? strlen(cases[i].text) : (size_t)cases[i].data_len;
		if (cases[i].text)
			memcpy(data, cases[i].text, len);
		else
			memset(data, cases[i].data, len);
		from_hex(cases[i].mac, want);
		assert_int_equal(crtm_user_hmac(NULL, key, cases[i].key_len, data, len, mac), 0);
		assert_memory_equal(mac, want, strlen(cases[i].mac) / 2);
	}
	/* Case 2, the one with a short text as key */
	assert_int_equal(crtm_user_hmac(NULL, (const u8 *)"Jefe", 4,
					(const u8 *)"what do ya want for nothing?", 28, mac), 0);
	from_hex("5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843", want);
	assert_memory_equal(mac, want, 32);
}

static void sha256(void **state)
{
	u8 digest[32], want[32];

	(void)state;
	from_hex("ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad", want);
	assert_int_equal(crtm_user_sha256(NULL, (const u8 *)"abc", 3, digest), 0);
	assert_memory_equal(digest, want, 32);
}

/* One slot's life, each block and response byte for byte */
static void jesd260_bytes(void **state)
{
	static const struct {
		const char *block;
		const char *resp;	/* "": the status alone counts */
	} steps[] = {
		{ "9b000200"
		  "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f"
		  "d2e34fdcad4a415c1eadb22b8791ce1be7301a5b4d1f82301abad901", "" },
		{ "9b01020001020304"
		  "e241c842907726f2e2b13c4c3a7ba50c97906b27a136daae9102dcefba29935f", "" },
		{ "9b02020000000000"
		  "dbf823f1c2b472187777c7501b2dace4cc71b5531f959426a0b3f25c00765640", "" },
		{ "9b0302006162636465666768696a6b6c"
		  "e1f5aea4d62a14b6e4727331c871399b65981dbc389b1b183a1258e8a70787ae",
		  "806162636465666768696a6b6c00000001"
		  "980718d0019528c9d126afe884be1c5ccc01ed1a25017f07267ce2a9038092e1ff" },
	};
	struct host *h = host_new(crtm_chip_model("rpmc-other", 10));
	u8 want[64];
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
		from_hex(steps[i].block, h->blk);
		h->n = strlen(steps[i].block) / 2;
		assert_int_equal(host_send(h), OK);
		from_hex(steps[i].resp, want);
		assert_memory_equal(h->resp, want, strlen(steps[i].resp) / 2);
	}
	host_free(h);
}

/* JESD260's lengths and the reference set's, against the contract headers */
static void lengths(void **state)
{
	static const struct {
		u8 type;
		u16 min, max, resp;
	} want[] = {
		{ 0x00, 64, 64, 49 }, { 0x01, 40, 40, 49 }, { 0x02, 40, 40, 49 },
		{ 0x03, 48, 48, 49 }, { 0x40, 56, 56, 40 }, { 0x41, 40, 40, 40 },
		{ 0x42, 48, 48, 40 }, { 0x43, 45, 300, 40 }, { 0x44, 52, 52, 40 },
		{ 0x45, 44, 44, 112 }, { 0x46, 28, 28, 72 }, { 0x47, 4, 4, 40 },
		{ 0x48, 20, 20, 136 },
	}, table[] = {
#define ROW(type, sym, name, class, flags, min, max, resp, ...) { type, min, max, resp },
		RPMC_COMMANDS(ROW)
		CRTM_COMMANDS(ROW)
	};

	(void)state;
	assert_int_equal(sizeof(table), sizeof(want));
	assert_memory_equal(table, want, sizeof(want));
	assert_int_equal(sizeof(CRTM_MARKER), CRTM_MARKER_LEN + 1);
}

/* The inputs of every HMAC start so that none can be another's (invariant 8). */
static void domains(void **state)
{
	static const char * const inner[] = {
		CRTM_RESP_DOMAIN, CRTM_SESSION_DOMAIN, CRTM_DERIVE_DOMAIN,
	};
	static const u8 types[] = {
#define TYPE(type, ...) type,
		RPMC_COMMANDS(TYPE)
		CRTM_COMMANDS(TYPE)
	};
	size_t i, k;

	(void)state;
	/* A request's second byte is its type, whatever OP1 is. */
	for (i = 0; i < sizeof(inner) / sizeof(inner[0]); i++) {
		assert_int_equal(strlen(inner[i]), 4);
		for (k = 0; k < sizeof(types); k++)
			assert_int_not_equal((u8)inner[i][1], types[k]);
		for (k = 0; k < i; k++)
			assert_string_not_equal(inner[i], inner[k]);
	}
	/*
	 * A JESD260 response signs Tag and Counter, 16 bytes. Of what else a slot's
	 * HMAC key signs only Request Counter is as long, and it changes nothing.
	 */
#define HKR_SIGNED(type, sym, name, class, flags, min, max, resp, ...)			\
	if ((type) == RPMC_UPDATE_HMAC_KEY || (type) == RPMC_INCREMENT_COUNTER ||	\
	    (type) == CRTM_OPEN_SESSION)						\
		assert_int_not_equal((min) - RPMC_SIG_LEN, RPMC_TAG_LEN + 4);
	RPMC_COMMANDS(HKR_SIGNED)
	CRTM_COMMANDS(HKR_SIGNED)
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(rfc4231),
		cmocka_unit_test(sha256),
		cmocka_unit_test(jesd260_bytes),
		cmocka_unit_test(lengths),
		cmocka_unit_test(domains),
	};

	return cmocka_run_group_tests_name("crypto", tests, NULL, NULL);
}
