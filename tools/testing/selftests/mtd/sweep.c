// SPDX-License-Identifier: MIT
/*
 * Sweeps of faults over jobs: the bench.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#include "sweep.h"

/* The wait for a chip that an earlier block left busy; then the command; then late machines. */
#define BUSY_MS		400
#define LATE_MS		1500

const struct fault faults[] = {
	{ "eio_before", "any", false },
	{ "eio_after", "any", false },
	{ "drop", "any", false },
	{ "short", "any", false },
	{ "garbage", "any", false },
	{ "flip_out", "any", false },
	{ "flip_in", "any", false },
	{ "stuck", "any", true },
	{ "power_cut", "any", true },
	{ "power_cut", NULL, true },
	{ "bitflip", NULL, false },
	{ "length", NULL, false },
	{ "stale", NULL, false },
};
const unsigned int nr_faults = sizeof(faults) / sizeof(faults[0]);

static char wrong_text[256];

#define WRONG(...) ({								\
	snprintf(wrong_text, sizeof(wrong_text), __VA_ARGS__);			\
	wrong_text;								\
})

static unsigned long now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000UL + t.tv_nsec / 1000000;
}

static uint32_t u32(const struct bench *b, const char *key)
{
	return emu_state(b->chip, key);
}

const uint8_t *bench_nonce(void)
{
	static uint8_t nonce[CRTM_MEASURE_NONCE_LEN] = "a nonce of the server, 32 bytes";
	static uint32_t count;

	put32(nonce, ++count);
	return nonce;
}

/* The bench */

const char *bench_new_chip(struct bench *b)
{
	static const uint8_t filler[SECTOR] = { [0 ... SECTOR - 1] = 0xa5 };
	uint32_t at;

	if (b->fd >= 0)
		close(b->fd);
	b->fd = -1;
	if (load_chips(b->chips) || emu_set(b->chip, "time_scale", "0"))
		return "no chip";
	b->fd = mtd_open(b->chip, O_RDWR);
	if (b->fd < 0)
		return "no MTD device";
	for (at = 0; at < b->window_len; at += SECTOR)
		if (emu_store(b->chip, WINDOW + at, filler, SECTOR))
			return "content";
	return NULL;
}

unsigned int bench_setting(const char *name, unsigned int value)
{
	const char *text = getenv(name);

	return text ? strtoul(text, NULL, 0) : value;
}

const char *bench_new(struct bench *b, const char *chips, const uint8_t *content,
		      uint32_t image_len)
{
	uint8_t *old, *image;
	uint32_t i, area;

	area = (image_len + CRTM_REGION_UNIT - 1) / CRTM_REGION_UNIT * CRTM_REGION_UNIT;
	memset(b, 0, sizeof(*b));
	b->chips = chips;
	b->fd = -1;
	b->image_len = image_len;
	b->window_len = area + 2 * CRTM_REGION_UNIT;
	b->room = 64 + area / SECTOR + image_len / PAGE_LEN;
	b->step = calloc(b->room, sizeof(*b->step));
	b->before.array = malloc(b->window_len);
	b->now.array = malloc(b->window_len);
	b->seen = malloc(b->window_len);
	b->old = old = malloc(image_len);
	b->image = image = malloc(image_len);
	if (!b->step || !b->before.array || !b->now.array || !b->seen || !old || !image)
		return "no memory";
	for (i = 0; i < image_len; i++) {
		old[i] = i * 13 + i / 256;
		image[i] = content ? content[i] : i * 31 + i / 253;
	}
	for (i = 0; i < RPMC_MAX_SLOTS; i++)
		test_keys(&b->k[i], i);
	return bench_new_chip(b);
}

void bench_free(struct bench *b)
{
	if (b->fd >= 0)
		close(b->fd);
	free(b->step);
	free(b->before.array);
	free(b->now.array);
	free(b->seen);
	free((void *)b->old);
	free((void *)b->image);
}

/* The chip as it is */
static const char *look(struct bench *b, struct model *m)
{
	char key[16];
	int i;

	for (i = 0; i < RPMC_MAX_SLOTS; i++) {
		snprintf(key, sizeof(key), "mc.%d", i);
		m->mc[i] = u32(b, key);
	}
	m->root_keys = emu_register(b->chip, "root_keys");
	m->regions = u32(b, "regions");
	m->seq = u32(b, "seq");
	m->session = u32(b, "session");
	m->locked = u32(b, "derivation_locked");
	return emu_content(b->chip, WINDOW, m->array, b->window_len) ? "content" : NULL;
}

/* One block that has to be accepted */
static const char *must(struct bench *b, size_t len)
{
	struct step *s = &b->step[b->nr];
	const char *wrong;

	job_add(b, len);
	wrong = job_run(b);
	if (!wrong && s->verdict < SAID)
		wrong = WRONG("command %02x: ret %d, result %d, status %02x", s->block[1], s->o.ret,
			      s->o.result, s->o.status);
	if (!wrong && s->o.status != RPMC_STATUS_SUCCESS)
		wrong = WRONG("command %02x: status %02x", s->block[1], s->o.status);
	return wrong;
}

/* One that stands alone */
#define MUST(_b, _build) do {							\
	const char *_wrong;							\
										\
	job_start(_b, 1);							\
	_wrong = must(_b, _build);						\
	if (_wrong)								\
		return _wrong;							\
} while (0)

/* The HMAC key register of slot 0, and its counter. */
static const char *get_counter(struct bench *b)
{
	struct keys *k = &b->k[0];

	MUST(b, block_update_key(k, (const uint8_t *)"keys", job_block(b)));
	MUST(b, block_request(k, bench_nonce(), job_block(b)));
	k->mc = get32(b->step[0].o.out + RPMC_RESP_OFF_COUNTER);
	return NULL;
}

#define PASS(_expr) do {							\
	const char *_wrong = _expr;						\
										\
	if (_wrong)								\
		return _wrong;							\
} while (0)

static const char *open_session(struct bench *b)
{
	struct keys *k = &b->k[0];

	MUST(b, block_open(k, bench_nonce(), job_block(b)));
	k->mc++;
	return NULL;
}

const char *bench_prepare(struct bench *b, bool provisioned, bool is_protected)
{
	struct keys *k = &b->k[0];
	uint32_t at, n;

	if (emu_set(b->chip, "power_cycle", "1"))
		return "power_cycle";
	if (provisioned) {
		if (!(emu_register(b->chip, "root_keys") & 1))
			MUST(b, block_root_key(k, job_block(b)));
		PASS(get_counter(b));
		if (!!u32(b, "regions") != is_protected) {
			PASS(open_session(b));
			MUST(b, block_protect(k, AREA, b->window_len - 2 * CRTM_REGION_UNIT,
					      is_protected ? CRTM_PROTECT_ADD : CRTM_PROTECT_REMOVE,
					      job_block(b)));
		}
		if (emu_set(b->chip, "power_cycle", "1"))
			return "power_cycle";
	}
	for (at = 0; at < b->image_len; at += n) {
		n = b->image_len - at < SECTOR ? b->image_len - at : SECTOR;
		if (emu_store(b->chip, AREA + at, b->old + at, n))
			return "content";
	}
	emu_clear(b->chip);
	b->violations = u32(b, "violations");
	b->steps = u32(b, "nv_steps");
	return look(b, &b->before);
}

/* Jobs */

void job_start(struct bench *b, unsigned int group)
{
	b->nr = 0;
	b->sent = 0;
	b->group = group;
}

uint8_t *job_block(struct bench *b)
{
	if (b->nr == b->room)
		abort();
	return b->step[b->nr].block;
}

void job_add(struct bench *b, size_t len)
{
	struct step *s = &b->step[b->nr++];

	s->len = len;
	s->verdict = UNSENT;
	s->applied = false;
	memset(&s->o, POISON, sizeof(s->o));
}

/* Erase and program, as a server signs them */
void job_image(struct bench *b)
{
	struct keys *k = &b->k[0];
	uint32_t at, n;

	for (at = 0; at < b->image_len; at += SECTOR, k->seq++)
		job_add(b, block_erase(k, AREA + at, SECTOR, job_block(b)));
	for (at = 0; at < b->image_len; at += n, k->seq++) {
		n = b->image_len - at < PAGE_LEN ? b->image_len - at : PAGE_LEN;
		job_add(b, block_program(k, AREA + at, b->image + at, n, job_block(b)));
	}
}

void job_open(struct bench *b)
{
	struct keys *k = &b->k[0];

	job_add(b, block_update_key(k, (const uint8_t *)"keys", job_block(b)));
	job_add(b, block_request(k, bench_nonce(), job_block(b)));
	k->mc = b->before.mc[0];
	job_add(b, block_open(k, bench_nonce(), job_block(b)));
}

void job_attest(struct bench *b)
{
	job_add(b, block_get_info(0, bench_nonce(), job_block(b)));
	job_add(b, block_measure(0, bench_nonce(), AREA, b->image_len, job_block(b)));
}

void job_update(struct bench *b)
{
	job_open(b);
	job_image(b);
	job_attest(b);
	job_add(b, block_close(&b->k[0], job_block(b)));
}

static unsigned long limit_ms(const struct step *s, unsigned int n)
{
	unsigned long ms = BUSY_MS + LATE_MS;

	for (; n--; s++) {
		const struct cmd *cmd = command(s->block[1]);
		uint32_t len = cmd->len ? get32(s->block + cmd->len) : 0;

		ms += (cmd->max_us + (uint64_t)cmd->max_us_64k * len / 65536) / 1000;
	}
	return ms;
}

/* An answer is news only if it is signed and no other block's. */
static enum verdict judge(struct bench *b, const struct step *s)
{
	const struct keys *k = &b->k[s->block[RPMC_OFF_SLOT] % RPMC_MAX_SLOTS];
	const struct outcome *o = &s->o;
	uint8_t type = s->block[RPMC_OFF_TYPE];

	if (o->sent != 1)
		return UNSENT;
	if (o->result)
		return UNKNOWN;
	if (type < RPMC_REQUEST_COUNTER)
		return o->status == RPMC_STATUS_SUCCESS ? SAID : UNKNOWN;
	if (type == RPMC_REQUEST_COUNTER)
		return rpmc_signed(k->hkr, o) && o->status == RPMC_STATUS_SUCCESS &&
		       !memcmp(o->out + RPMC_RESP_OFF_TAG, s->block + RPMC_HDR_LEN,
			       RPMC_TAG_LEN) ? ACCEPTED : UNKNOWN;
	if (!crtm_signed(k->hkr, s->block, s->len, o) && !crtm_signed(k->sk, s->block, s->len, o))
		return UNKNOWN;
	return o->status == RPMC_STATUS_SUCCESS ? ACCEPTED : REFUSED;
}

/* The next blocks, in one call. What the kernel says must make sense. */
static const char *send_group(struct bench *b)
{
	struct mtd_crtm_entry entry[MAX_LIST];
	struct mtd_crtm_cmd cmd = {
		.size = sizeof(cmd), .entries = (uintptr_t)entry, .done = 0x5a5a5a5a,
	};
	struct step *s = &b->step[b->sent];
	unsigned long start, took;
	unsigned int i, n = b->nr - b->sent;
	bool stopped = false;
	int ret;

	if (n > b->group)
		n = b->group;
	memset(entry, 0, sizeof(entry));
	for (i = 0; i < n; i++) {
		memset(&s[i].o, POISON, sizeof(s[i].o));
		entry[i].in = (uintptr_t)s[i].block;
		entry[i].in_len = s[i].len;
		entry[i].out = (uintptr_t)s[i].o.out;
		entry[i].out_len = MAX_RESPONSE;
		entry[i].sent = POISON;
		entry[i].result = 0x5a5a5a5a;
	}
	cmd.nr = n;
	start = now_ms();
	ret = ioctl(b->fd, WR_CRTM_CMD, &cmd) ? -errno : 0;
	took = now_ms() - start;
	b->ioctls++;
	if (took > b->worst_ms)
		b->worst_ms = took;
	if (took > limit_ms(s, n))
		return WRONG("%lu ms, the limit is %lu", took, limit_ms(s, n));
	if (ret && ret != -EBUSY)
		return WRONG("errno %d", -ret);
	if (cmd.done > n)
		return WRONG("%u of %u blocks done", cmd.done, n);
	for (i = 0; i < n; i++, s++) {
		s->o.ret = ret;
		s->o.result = entry[i].result;
		s->o.status = entry[i].status;
		s->o.sent = entry[i].sent;
		s->o.out_len = entry[i].out_len;
		s->verdict = judge(b, s);
		if (s->o.sent > 1 || (s->o.sent && (stopped || ret)))
			return WRONG("block %u: sent behind a stop", i);
		if (s->o.sent && s->o.result && s->o.result != -EIO && s->o.result != -ETIMEDOUT)
			return WRONG("block %u: result %d", i, s->o.result);
		if (s->o.sent && !s->o.result && (i >= cmd.done ||
						  s->o.out_len > command(s->block[1])->resp))
			return WRONG("block %u: not done, or too long", i);
		if ((!s->o.sent || s->o.result) && s->o.out[0] != POISON)
			return WRONG("block %u: a response without an outcome", i);
		b->sent += s->o.sent;
		stopped = !s->o.sent || s->o.result || s->o.status != RPMC_STATUS_SUCCESS;
	}
	return NULL;
}

const char *job_run(struct bench *b)
{
	unsigned int first, i;
	const char *wrong;

	while (b->sent < b->nr) {
		first = b->sent;
		wrong = send_group(b);
		if (wrong)
			return wrong;
		if (b->sent == first)
			return NULL;
		for (i = first; i < b->sent; i++)
			if (b->step[i].verdict < SAID || b->step[i].verdict == REFUSED)
				return NULL;
	}
	return NULL;
}

bool job_done(const struct bench *b)
{
	unsigned int i;

	for (i = 0; i < b->nr; i++)
		if (b->step[i].verdict != ACCEPTED && b->step[i].verdict != SAID)
			return false;
	return true;
}

/* What a block does that the chip accepts. */
static void apply(struct model *m, const struct step *s)
{
	uint8_t slot = s->block[RPMC_OFF_SLOT] % RPMC_MAX_SLOTS;
	uint32_t at, i;

	switch (s->block[RPMC_OFF_TYPE]) {
	case RPMC_WRITE_ROOT_KEY:
		m->root_keys |= 1U << slot;
		m->mc[slot] = 0;
		break;
	case RPMC_UPDATE_HMAC_KEY:
		m->session &= !!slot;
		break;
	case RPMC_INCREMENT_COUNTER:
		m->mc[slot]++;
		m->session &= !!slot;
		break;
	case CRTM_OPEN_SESSION:
		m->mc[0]++;
		m->session = true;
		m->seq = 0;
		break;
	case CRTM_CLOSE_SESSION:
		m->session = false;
		break;
	case CRTM_ERASE:
		m->seq++;
		memset(m->array + get32(s->block + CRTM_OFF_ADDR) - WINDOW, 0xff,
		       get32(s->block + CRTM_OFF_LEN));
		break;
	case CRTM_PROGRAM:
		m->seq++;
		at = get32(s->block + CRTM_OFF_ADDR) - WINDOW;
		for (i = 0; i < s->len - CRTM_OFF_DATA - RPMC_SIG_LEN; i++)
			m->array[at + i] &= s->block[CRTM_OFF_DATA + i];
		break;
	case CRTM_PROTECT:
		m->seq++;
		m->regions += s->block[CRTM_OFF_MODE] == CRTM_PROTECT_ADD ? 1 : -1;
		break;
	case CRTM_LOCK_DERIVATION:
		m->locked = true;
		break;
	}
	if (!m->session)
		m->seq = 0;
}

/*
 * Invariant 2: what the chip has accepted are blocks of the job, each once and in its order; 9:
 * none came while the chip was busy, none was sent more often than the job says. The driver's own
 * are of type 48.
 */
static const char *match_trace(struct bench *b, const struct fault *f)
{
	static char trace[1 << 23];
	unsigned int count[256] = { 0 }, at = 0, i;
	char *line, *p;
	ssize_t n;

	n = emu_read(b->chip, "trace", trace, sizeof(trace) - 1);
	if (n < 0 || emu_state(b->chip, "trace_lost"))
		return "no trace";
	trace[n] = '\0';
	for (line = strtok(trace, "\n"); line; line = strtok(NULL, "\n")) {
		unsigned long type;

		p = strstr(line, "op=9b type=");
		if (!p)
			continue;
		type = strtoul(p + strlen("op=9b type="), NULL, 16);
		count[type]++;
		/* nothing is changed by these */
		if (!strstr(p, " status=80 ") || (command(type) && command(type)->class == CRTM_RD))
			continue;
		while (at < b->sent && b->step[at].block[RPMC_OFF_TYPE] != type)
			at++;
		if (at == b->sent)
			return WRONG("invariant 2: a block of type %02lx was accepted out of turn",
				     type);
		b->step[at++].applied = true;
	}
	for (i = 0; i < b->sent; i++)
		count[b->step[i].block[RPMC_OFF_TYPE]]--;
	for (i = 0; i < 256; i++)
		if ((int)count[i] > 0 && i != CRTM_GET_INFO && strcmp(f->name, "flip_out"))
			return WRONG("invariant 9: a block of type %02x too many", i);
	/* It may get busy of itself right after it said that it was ready. */
	if (u32(b, "violations") - b->violations > !strcmp(f->name, "stuck"))
		return "invariant 9: OP1 while the chip is busy";
	return NULL;
}

/* Is what a proven answer says true? Those that tell something. */
static const char *check_answer(struct bench *b, const struct step *s, const struct model *m)
{
	const uint8_t *p = s->o.out + CRTM_RESP_OFF_PAYLOAD;
	uint8_t digest[SHA256_LEN];
	uint32_t flags;

	switch (s->block[RPMC_OFF_TYPE]) {
	case RPMC_REQUEST_COUNTER:
		if (get32(s->o.out + RPMC_RESP_OFF_COUNTER) != m->mc[s->block[RPMC_OFF_SLOT]])
			return "invariant 4: another counter";
		return NULL;
	case CRTM_MEASURE:
		sha256(m->array + get32(s->block + CRTM_MEASURE_OFF_ADDR) - WINDOW,
		       get32(s->block + CRTM_MEASURE_OFF_LEN), digest);
		if (memcmp(p + CRTM_MEASURE_OFF_DIGEST, digest, sizeof(digest)) ||
		    memcmp(p, s->block + CRTM_MEASURE_OFF_NONCE, CRTM_MEASURE_NONCE_LEN))
			return "invariant 4: another measurement";
		return NULL;
	case CRTM_DERIVE_KEY:
		if (m->locked)
			return "invariant 7: a key after 47";
		if (!b->has_key)
			memcpy(b->key, p, sizeof(b->key));
		b->has_key = true;
		if (memcmp(p, b->key, sizeof(b->key)))
			return "invariant 4: another key";
		return NULL;
	case CRTM_GET_INFO:
		flags = get32(p + CRTM_INFO_OFF_FLAGS);
		if (memcmp(p, s->block + CRTM_INFO_OFF_NONCE, CRTM_INFO_NONCE_LEN) ||
		    p[CRTM_INFO_OFF_REGIONS] != m->regions ||
		    !!(flags & CRTM_INFO_F_SESSION) != m->session ||
		    get32(p + CRTM_INFO_OFF_SEQ) != m->seq)
			return "invariant 4: another state";
		return NULL;
	default:
		return NULL;
	}
}

/* What the chip is, @m; or where the power was cut @or, which is one step further. */
static const char *compare(const struct model *is, const struct model *m, const struct model *or,
			   bool power)
{
	int i;

	for (i = 0; i < RPMC_MAX_SLOTS; i++)
		if (is->mc[i] != m->mc[i] && is->mc[i] != or->mc[i])
			return WRONG("invariants 1 and 11: counter %d is %u, not %u or %u", i,
				     is->mc[i], m->mc[i], or->mc[i]);
	if (is->root_keys != m->root_keys && is->root_keys != or->root_keys)
		return "invariant 11: root keys";
	if (is->regions != m->regions && is->regions != or->regions)
		return "invariants 3 and 11: regions";
	if (!power)
		return is->session || is->locked ? "a session without power" : NULL;
	if (is->session != m->session || is->seq != m->seq)
		return WRONG("invariant 5: session %d, Seq %u, not %d, %u", is->session, is->seq,
			     m->session, m->seq);
	if (is->locked != m->locked)
		return "derivation lock";
	return NULL;
}

const char *job_check(struct bench *b)
{
	struct model is = { .array = b->seen }, further;
	struct model *m = &b->now;
	uint32_t start = 0, end = 0, i;
	const struct step *s, *last = NULL;
	const char *wrong;

	wrong = look(b, &is);
	if (wrong)
		return wrong;
	memcpy(m->array, b->before.array, b->window_len);
	further = *m;
	*m = b->before;
	m->array = further.array;

	for (s = b->step; s < b->step + b->sent; s++) {
		if (s->applied)
			apply(m, s);
		else if (s->verdict == ACCEPTED && command(s->block[1])->class == CRTM_WR)
			return WRONG("invariant 4: success for a block of type %02x never accepted",
				     s->block[1]);
		if (s->applied && s->verdict == REFUSED)
			return "invariant 4: a proven refusal of what was accepted";
		if (s->verdict == ACCEPTED)
			wrong = check_answer(b, s, m);
		if (wrong)
			return wrong;
		last = s;
	}

	/* In 42 and 43 the range named is undefined where power failed. */
	further = *m;
	if (b->cut && last && !last->applied) {
		uint8_t type = last->block[RPMC_OFF_TYPE];
		/* Not m->array: the range is taken from the block. */
		uint8_t *array = m->array;

		if (type == CRTM_ERASE || type == CRTM_PROGRAM) {
			start = get32(last->block + CRTM_OFF_ADDR) - WINDOW;
			end = start + (type == CRTM_ERASE ? get32(last->block + CRTM_OFF_LEN) :
				       last->len - CRTM_OFF_DATA - RPMC_SIG_LEN);
		} else {
			apply(&further, last);
		}
		m->array = array;
	}
	wrong = compare(&is, m, &further, !b->cut);
	if (wrong)
		return wrong;
	for (i = 0; i < b->window_len; i++)
		if (is.array[i] != m->array[i] && (i < start || i >= end))
			return WRONG("invariants 3, 5 and 11: byte %x is %02x, not %02x",
				     WINDOW + i, is.array[i], m->array[i]);
	return NULL;
}

/* Faults */

const char *bench_well(struct bench *b)
{
	struct erase_info_user erase = { .start = WELL_AT, .length = SECTOR };
	static uint8_t data[PAGE_LEN], back[PAGE_LEN];
	const uint8_t *nonce = bench_nonce();
	unsigned long start = now_ms();
	struct outcome o;
	size_t len;

	job_start(b, 1);
	len = block_get_info(0, nonce, job_block(b));
	o = exchange(b->fd, RD_CRTM_CMD, b->step[0].block, len);
	if (o.ret || o.result || o.status != RPMC_STATUS_SUCCESS ||
	    memcmp(o.out + CRTM_RESP_OFF_PAYLOAD, nonce, CRTM_INFO_NONCE_LEN))
		return WRONG("not well after it: ret %d, result %d, status %02x", o.ret, o.result,
			     o.status);
	memset(data, nonce[3], sizeof(data));
	if (ioctl(b->fd, MEMERASE, &erase) || pwrite(b->fd, data, PAGE_LEN, WELL_AT) != PAGE_LEN ||
	    pread(b->fd, back, PAGE_LEN, WELL_AT) != PAGE_LEN || memcmp(data, back, PAGE_LEN))
		return "MTD does not work after it";
	if (now_ms() - start > BUSY_MS + LATE_MS)
		return WRONG("well after %lu ms", now_ms() - start);
	return NULL;
}

const char *bench_finish(struct bench *b, bool update)
{
	struct keys *k = &b->k[0];
	uint8_t digest[SHA256_LEN];

	PASS(get_counter(b));
	PASS(open_session(b));
	if (update) {
		job_start(b, MAX_LIST);
		job_image(b);
		PASS(job_run(b));
		if (!job_done(b))
			return "the update cannot be ended";
		MUST(b, block_measure(0, bench_nonce(), AREA, b->image_len, job_block(b)));
		sha256(b->image, b->image_len, digest);
		if (memcmp(b->step[0].o.out + CRTM_RESP_OFF_PAYLOAD + CRTM_MEASURE_OFF_DIGEST,
			   digest, sizeof(digest)))
			return "the update has ended in another image";
	}
	MUST(b, block_close(k, job_block(b)));
	return NULL;
}

static bool pending(struct bench *b)
{
	char text[256];

	return emu_read(b->chip, "fault", text, sizeof(text)) > 0;
}

const char *with_fault(struct bench *b, const struct fault *f, unsigned int n, bool *struck)
{
	unsigned long start;
	const char *wrong;
	char text[48], c;

	snprintf(text, sizeof(text), "%u", b->seed * 7919 + n);
	if (emu_set(b->chip, "fault_seed", text))
		return "fault_seed";
	snprintf(text, sizeof(text), "%s %u %s", f->name, n, f->opcode ? f->opcode : "");
	if (emu_set(b->chip, "fault", text))
		return "no such fault";
	wrong = job_run(b);
	*struck = !pending(b);
	emu_set(b->chip, "fault", "none");
	b->cut = !emu_state(b->chip, "power");
	b->steps = u32(b, "nv_steps") - b->steps;
	b->runs++;
	if (wrong)
		return wrong;
	wrong = match_trace(b, f);
	if (wrong || !*struck)
		return wrong;

	/* A reader of the array is not kept for ever either. */
	if (f->broken) {
		start = now_ms();
		if (pread(b->fd, &c, 1, WELL_AT) == 1 && !b->cut && b->sent &&
		    b->step[b->sent - 1].verdict == UNKNOWN)
			return "the array is read from a chip that is busy";
		if (now_ms() - start > BUSY_MS + LATE_MS)
			return WRONG("a read took %lu ms", now_ms() - start);
	}
	wrong = job_check(b);
	if (wrong)
		return wrong;
	if (f->broken && emu_set(b->chip, b->cut ? "power_cycle" : "reset_pin", "1"))
		return "no reset";
	return NULL;
}
