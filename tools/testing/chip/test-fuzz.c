// SPDX-License-Identifier: MIT
/*
 * Random traffic on one chip after another (traffic.c).
 *
 * CRTM_FUZZ_SEED and CRTM_FUZZ_STEPS in the environment replace the defaults.
 */
#include <stdio.h>
#include <stdlib.h>

#include "traffic.h"

#define LIFE		1000	/* steps of one chip: its one-time bits are gone then */

static u64 rng;

/* xorshift64*: the same stream everywhere for one seed */
u32 traffic_rnd(u32 n)
{
	rng ^= rng >> 12;
	rng ^= rng << 25;
	rng ^= rng >> 27;
	return (u32)(rng * 0x2545f4914f6cdd1dULL >> 32) % n;
}

static void fuzz(void **state)
{
	const char *seed = getenv("CRTM_FUZZ_SEED");
	const char *steps = getenv("CRTM_FUZZ_STEPS");
	u32 n = steps ? strtoul(steps, NULL, 0) : 20000;
	struct traffic *f = calloc(1, sizeof(*f));
	u32 i;

	(void)state;
	assert_non_null(f);
	rng = seed ? strtoull(seed, NULL, 0) : 1;
	for (i = 0; i < n; i++) {
		if (i % LIFE == 0)
			traffic_new_chip(f, &small_model);
		traffic_step(f);
	}
	print_message("# %u steps: %u blocks accepted, %u refused, %u cut off\n", n,
		      f->accepted, f->refused, f->cuts);
	print_message("# %u locked sectors held, %u non-volatile erases, %u unlocked by password, "
		      "%u resets in password mode\n", f->held, f->erased, f->unlocked, f->modes);
	assert_true(f->accepted > n / 10 && f->refused > n / 50 && f->cuts > n / 2000);
	assert_true(f->held > n && f->erased > n / 500 && f->unlocked > n / 2000 &&
		    f->modes > n / 1000);
	host_free(f->h);
	free(f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(fuzz),
	};

	return cmocka_run_group_tests_name("fuzz", tests, NULL, NULL);
}
