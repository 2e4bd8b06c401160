// SPDX-License-Identifier: MIT
/*
 * One batch from the server to the chip.
 */
#include <crtm.h>
#include <errno.h>
#include <string.h>

#include "log.h"
#include "policy.h"
#include "relay.h"

/* An entry's outcome after a call that returned 0. @stopped: an earlier one was no success. */
static void read_entry(const struct mtd_crtm_entry *e, const struct step *s,
		       const uint8_t *response, bool stopped, struct outcome *o)
{
	switch (crtm_entry_outcome(e)) {
	case CRTM_ACCEPTED:
	case CRTM_REFUSED:
		memset(o, 0, sizeof(*o));
		o->step = s->step;
		o->kind = OUTCOME_ANSWERED;
		o->status = e->status;
		o->len = e->out_len < s->max ? e->out_len : s->max;
		memcpy(o->response, response, o->len);
		break;
	case CRTM_UNKNOWN:
		outcome_error(o, s->step, OUTCOME_UNKNOWN, crtm_errno_name(e->result));
		break;
	case CRTM_UNSENT:
		/* A list that nothing stopped ends early at a signal only. */
		outcome_error(o, s->step, OUTCOME_UNSENT, stopped ? "STOPPED" : "EINTR");
		break;
	}
}

/* Announce and send @nr steps of one class in one call; their outcomes go to @out. */
static int send_list(struct device *d, struct journal *j, int64_t job, const struct step *steps,
		     unsigned int nr, struct outcome *out, bool *gone)
{
	static uint8_t responses[BATCH_MAX_STEPS][RESPONSE_MAX];
	struct mtd_crtm_entry entries[BATCH_MAX_STEPS];
	bool stopped = false;
	unsigned int i;
	int ret, err;

	ret = journal_intent(j, job, steps, nr);
	if (ret)
		return ret;
	for (i = 0; i < nr; i++)
		crtm_entry_init(&entries[i], steps[i].block, steps[i].len, responses[i],
				steps[i].max);
	err = d->ops->exchange(d, steps[0].write, entries, nr);
	for (i = 0; i < nr; i++) {
		if (err)
			outcome_error(&out[i], steps[i].step, OUTCOME_UNSENT, crtm_errno_name(err));
		else
			read_entry(&entries[i], &steps[i], responses[i], stopped, &out[i]);
		stopped = stopped || !outcome_success(&out[i]);
	}
	memset(responses, 0, sizeof(responses));
	if (err == -ENODEV)
		*gone = true;
	return journal_outcomes(j, job, out, nr);
}

/* Nothing of @steps is sent: the first one's outcome is @first, the others' @rest. */
static int close_batch(struct journal *j, int64_t job, const struct step *steps, unsigned int nr,
		       enum outcome_kind kind, const char *first, const char *rest)
{
	struct outcome out[BATCH_MAX_STEPS];
	unsigned int i;

	for (i = 0; i < nr; i++)
		outcome_error(&out[i], steps[i].step, kind, i ? rest : first);
	return journal_outcomes(j, job, out, nr);
}

int relay_batch(struct device *d, struct journal *j, const struct batch *b, bool *gone)
{
	bool stopped = false;
	struct outcome out[BATCH_MAX_STEPS];
	unsigned int i, n;
	int ret;

	/* Known steps lead: a batch is worked off in its order. */
	for (i = 0; i < b->nr && journal_known(j, b->job, b->steps[i].step, &stopped); i++)
		;
	if (i == b->nr) {
		ret = close_batch(j, b->job, b->steps, b->nr, OUTCOME_UNKNOWN, "CRASH", "CRASH");
		return ret ? ret : -EALREADY;
	}
	if (i)
		log_notice("job %lld: the steps before %lld were dealt with", (long long)b->job,
			   (long long)b->steps[i].step);
	if (journal_in_doubt(j))
		return close_batch(j, b->job, &b->steps[i], b->nr - i, OUTCOME_UNKNOWN,
				   "CRASH", "CRASH");

	for (; i < b->nr && !stopped; i += n) {
		const struct step *s = &b->steps[i];
		const char *why = policy_check(s, d->info.op1);

		if (why) {
			log_err("job %lld step %lld, type %02x: not relayed: %s",
				(long long)b->job, (long long)s->step, s->type, why);
			return close_batch(j, b->job, s, b->nr - i, OUTCOME_UNSENT,
					   "POLICY", "STOPPED");
		}
		for (n = 1; i + n < b->nr && n < d->info.max_list; n++)
			if (s[n].write != s->write || policy_check(&s[n], d->info.op1))
				break;
		ret = send_list(d, j, b->job, s, n, out, gone);
		if (ret)
			return ret;
		stopped = !outcome_success(&out[n - 1]);
		if (!stopped)
			log_progress(b->title, b->done + i + n, b->total);
	}
	if (i == b->nr)
		return 0;
	return close_batch(j, b->job, &b->steps[i], b->nr - i, OUTCOME_UNSENT,
			   "STOPPED", "STOPPED");
}
