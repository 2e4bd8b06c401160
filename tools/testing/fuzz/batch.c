// SPDX-License-Identifier: MIT
/* What the agent is told by its server: batches, greetings. Nothing else may pass. */
#include "fuzz.h"

#include <crtm.h>

#include "jsonx.h"
#include "policy.h"
#include "protocol.h"

static void check_batch(const struct batch *b)
{
	const struct crtm_command *cmd;
	const struct step *s;
	unsigned int i;

	CHECK(b->nr >= 1 && b->nr <= BATCH_MAX_STEPS);
	CHECK(b->job >= 1 && b->done >= 0 && b->total >= 0);
	CHECK(b->done + b->nr > b->done);
	for (i = 0; i < sizeof(b->title) && b->title[i]; i++)
		CHECK((unsigned char)b->title[i] >= 0x20 && b->title[i] != 0x7f);
	CHECK(i < sizeof(b->title));
	for (i = 0; i < b->nr; i++) {
		s = &b->steps[i];
		CHECK(s->step >= 0 && s->step - b->steps[0].step == i);
		CHECK(s->max >= 1 && s->max <= RESPONSE_MAX);
		CHECK(s->block && s->len >= RPMC_HDR_LEN);
		if (policy_check(s, RPMC_OP1_DEFAULT))
			continue;
		cmd = crtm_command(s->block[RPMC_OFF_TYPE]);
		CHECK(s->block[0] == RPMC_OP1_DEFAULT && s->type == s->block[RPMC_OFF_TYPE]);
		CHECK(cmd && cmd->flags & CRTM_F_RELAY && s->write == (cmd->class == CRTM_WR));
		CHECK(s->type != RPMC_WRITE_ROOT_KEY && s->type != CRTM_DERIVE_KEY);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char *why = NULL;
	struct batch *b;
	json_object *o;

	b = batch_parse((const char *)data, size, &why);
	CHECK(b || why);
	if (b)
		check_batch(b);
	batch_free(b);

	hello_check((const char *)data, size);

	/* What it accepts is one object of the depth that it promises. */
	o = jsonx_parse((const char *)data, size, &why);
	CHECK(o ? json_object_is_type(o, json_type_object) : !!why);
	json_object_put(o);
	return 0;
}
