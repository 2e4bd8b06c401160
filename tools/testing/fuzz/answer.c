// SPDX-License-Identifier: MIT
/* What a chip answers, as libcrtm takes it apart; and the words for all of it. */
#include "fuzz.h"

#include <crtm.h>

static void check_parts(const struct crtm_response *r, const uint8_t *buf, size_t len)
{
	CHECK(r->sig >= buf && r->sig + RPMC_SIG_LEN == buf + len);
	if (r->tag)
		CHECK(!r->payload && r->tag + RPMC_TAG_LEN <= r->sig);
	else
		CHECK(r->payload >= buf && r->payload + r->payload_len == r->sig);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint8_t type = size ? data[0] : 0;
	struct mtd_crtm_info info = { .chip_size = 1 << 24, .node_size = 1 << 24, .slots = 4 };
	struct crtm_measurement m;
	struct crtm_response r;
	struct crtm_state state;
	const uint8_t *key;
	char text[CRTM_STATUS_TEXT];
	const char *why;
	uint8_t *buf;

	if (!size)
		return 0;
	/* Memory of exactly that size */
	buf = malloc(size > 1 ? size - 1 : 1);
	CHECK(buf);
	memcpy(buf, data + 1, size - 1);
	if (!crtm_parse(type, buf, size - 1, &r)) {
		check_parts(&r, buf, size - 1);
		if (!crtm_parse_measurement(&r, &m))
			CHECK(type == CRTM_MEASURE && m.digest + 32 == r.sig);
		if (!crtm_parse_state(&r, &state))
			CHECK(type == CRTM_GET_INFO && state.nr_regions <= CRTM_MAX_REGIONS);
		if (!crtm_parse_key(&r, &key))
			CHECK(type == CRTM_DERIVE_KEY && key + CRTM_DERIVE_PAYLOAD == r.sig);
		CHECK(strlen(crtm_status_text(type, r.status, text, sizeof(text))) <
		      sizeof(text) - 1);
	}

	/* The same bytes as a block: whatever the chip says of itself. */
	info.op1 = size > 1 ? buf[0] : 0;
	memset(info.commands, 0xff, sizeof(info.commands));
	memset(info.read_only, type, sizeof(info.read_only));
	info.max_block = info.max_hold_ms = type * 4;
	why = NULL;
	if (crtm_block_problem(&info, type & 1, buf, size - 1, &why))
		CHECK(why);
	free(buf);
	return 0;
}
