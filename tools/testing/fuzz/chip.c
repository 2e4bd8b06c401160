// SPDX-License-Identifier: MIT
/* The chip's logic under any traffic: what is held stands in traffic.c. */
#include "fuzz.h"

#include "traffic.h"

#define MAX_STEPS	200

static struct fuzz_in in;
static struct traffic f;

/* As many bytes as the choice needs, so that a changed byte changes one choice */
u32 traffic_rnd(u32 n)
{
	if (n <= 0x100)
		return fuzz_u8(&in) % n;
	return (n <= 0x10000 ? fuzz_u16(&in) : fuzz_u32(&in)) % n;
}

/* The first one is made, those after it are copies. */
static void new_chip(void)
{
	static struct crtm_user user;
	static struct host host;
	static u8 *nv;

	if (nv) {
		*f.h = host;
		*f.h->u = user;
		memcpy(user.nv, nv, user.nv_size);
		memset(f.shadow, 0xff, user.chip.model->size);
		f.seq = 0;
		f.n = 0;
		return;
	}
	traffic_new_chip(&f, crtm_chip_model("mt25qu-mini", strlen("mt25qu-mini")));
	host = *f.h;
	user = *f.h->u;
	nv = malloc(user.nv_size);
	CHECK(nv);
	memcpy(nv, user.nv, user.nv_size);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	int steps;

	in = (struct fuzz_in){ data, size };
	new_chip();
	for (steps = 0; in.left && steps < MAX_STEPS; steps++)
		traffic_step(&f);
	return 0;
}
