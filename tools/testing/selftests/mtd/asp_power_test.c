// SPDX-License-Identifier: MIT
/*
 * Power fails before each SPI operation of everything that takes more than one,
 * after the last, and inside the non-volatile steps. Afterwards no non-volatile
 * lock is lost that was there before and after, every one-time register is old
 * or new, a chip in password mode opens to the password given, nothing is
 * reported done that is not, and the same call completes what was begun.
 *
 * Faults of the controller, of the wire, and a chip that stays busy, in the same way;
 * but for a bit that arrives wrong at the chip: nothing signs what it is sent here. Where
 * an answer arrives wrong the driver may believe it, and yet nothing is lost.
 * CRTM_SWEEP_STRIDE=N: these only at every N-th operation.
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

#include "asp.h"
#include "common.h"
#include "kselftest_harness.h"

#define CHIP		0
#define MAX_NV_CUTS	12	/* inside the non-volatile steps of one operation */
#define LIMIT_MS	3500	/* the longest of them, what waits before it, a slow machine */
#define BP_SECTORS	16
#define SR_BP		0x34	/* the lower BP_SECTORS of 256 */
#define SR_FLAGS	0x03	/* no protection: WEL, WIP */

/* What an ioctl said. */
struct said {
	int ret;		/* 0 or -errno */
	bool cmd;		/* MTD_ASP_CMD: the rest is valid */
	struct mtd_asp_cmd c;
};

struct view {
	struct mtd_asp_map regs;
	uint8_t sector[MAX_SECTORS];
};

/* Something that user space asks for. */
struct operation {
	const char *name;
	int (*prepare)(int *fd);
	struct said (*run)(int fd);
	bool (*done)(const struct view *v);	/* as far as a map shows it */
	bool once;	/* cannot be undone: each time on a new chip */
};

/* Non-volatile locks that are there before. */
static const uint32_t locked[] = { 40, 200, 255 };

static struct said ask(int fd, unsigned int nr, uint32_t first, uint32_t sectors)
{
	struct said s = { .cmd = true };

	asp_init(&s.c, nr);
	s.c.offset = first * LOCK_SECTOR;
	s.c.length = sectors * LOCK_SECTOR;
	s.ret = asp_cmd(fd, &s.c);
	return s;
}

static bool claims_success(const struct said *s)
{
	return !s->ret && (!s->cmd || !s->c.result);
}

/* The registers by the driver, the sectors by the chip itself: that takes no time. */
static int look(int fd, struct view *v)
{
	int ret = asp_map(fd, &v->regs, NULL, 0), n = emu_locks(CHIP, v->sector);

	v->regs.sr &= ~SR_FLAGS;
	if (ret)
		return ret;
	return n == (int)v->regs.nr ? 0 : -EBADMSG;
}

/* The driver sees the sectors as the chip has them. */
static bool agree(int fd)
{
	static uint8_t sector[MAX_SECTORS];
	static struct view v;
	struct mtd_asp_map map;

	return !look(fd, &v) && !asp_map(fd, &map, sector, MAX_SECTORS) &&
	       !memcmp(v.sector, sector, map.nr);
}

static bool has(const struct view *v, uint32_t first, uint32_t n, uint8_t bits)
{
	uint32_t i;

	for (i = first; i < first + n; i++)
		if ((v->sector[i] & bits) != bits)
			return false;
	return true;
}

static bool has_none(const struct view *v, uint32_t first, uint32_t n, uint8_t bits)
{
	uint32_t i;

	for (i = first; i < first + n; i++)
		if (v->sector[i] & bits)
			return false;
	return true;
}

/* What survives power-off is the same. */
static bool same(const struct view *a, const struct view *b)
{
	uint32_t i;

	for (i = 0; i < a->regs.nr; i++)
		if ((a->sector[i] ^ b->sector[i]) & MTD_ASP_S_NON_VOLATILE)
			return false;
	return a->regs.aspr == b->regs.aspr && a->regs.pmr == b->regs.pmr &&
	       a->regs.sr == b->regs.sr;
}

static int set_locks(int fd)
{
	static struct view v;
	uint32_t i, n = 0;
	int ret;

	ret = look(fd, &v);
	if (ret)
		return ret;
	for (i = 0; i < v.regs.nr; i++)
		n += !!(v.sector[i] & MTD_ASP_S_NON_VOLATILE);
	for (i = 0; i < ARRAY_SIZE(locked); i++)
		if (n == ARRAY_SIZE(locked) &&
		    has(&v, locked[i], 1, MTD_ASP_S_NON_VOLATILE) && i + 1 == n)
			return 0;
	ret = n ? asp_do(fd, MTD_ASP_NV_ERASE, 0, 0) : 0;
	for (i = 0; !ret && i < ARRAY_SIZE(locked); i++)
		ret = asp_do(fd, MTD_ASP_NV_LOCK, locked[i] * LOCK_SECTOR, LOCK_SECTOR);
	return ret;
}

static int reopen(int *fd)
{
	close(*fd);
	*fd = mtd_open(CHIP, O_RDWR);
	return *fd < 0 ? *fd : 0;
}

/* As delivered, but for the locks. */
static int new_chip(int *fd)
{
	int ret;

	close(*fd);
	*fd = -1;
	ret = load_chips("mt25qu128-authenta:spi");
	if (!ret)
		ret = emu_set(CHIP, "time_scale", "0");
	if (!ret)
		ret = reopen(fd);
	return ret ? ret : set_locks(*fd);
}

/* The operations */

static struct said lock_run(int fd)
{
	return (struct said) { .ret = mtd_lock(fd, 2 * LOCK_SECTOR, 5 * LOCK_SECTOR) };
}

static bool lock_done(const struct view *v)
{
	return has(v, 2, 5, MTD_ASP_S_VOLATILE) && has_none(v, 7, 9, MTD_ASP_S_VOLATILE);
}

static int one_locked(int *fd)
{
	int ret = set_locks(*fd);

	return ret ? ret : mtd_lock(*fd, 4 * LOCK_SECTOR, LOCK_SECTOR);
}

static int all_locked(int *fd)
{
	int ret = set_locks(*fd);

	return ret ? ret : lock_run(*fd).ret;
}

static struct said unlock_run(int fd)
{
	return (struct said) { .ret = mtd_unlock(fd, 2 * LOCK_SECTOR, 4 * LOCK_SECTOR) };
}

static bool unlock_done(const struct view *v)
{
	return has_none(v, 2, 4, MTD_ASP_S_LOCKED);
}

static int block_protected(int *fd)
{
	static const struct asp_bytes protect[] = { { 1, { 0x06 } }, { 2, { 0x01, SR_BP } } };
	struct mtd_asp_map map;
	int ret;

	ret = set_locks(*fd);
	if (!ret)
		ret = asp_map(*fd, &map, NULL, 0);
	if (!ret && (map.sr & ~SR_FLAGS) != SR_BP) {
		close(*fd);
		*fd = -1;
		ret = boot_loader(CHIP, protect, ARRAY_SIZE(protect));
		if (!ret)
			ret = reopen(fd);
	}
	return ret ? ret : lock_run(*fd).ret;
}

static struct said unlock_all_run(int fd)
{
	return (struct said) { .ret = mtd_unlock(fd, 0, BP_SECTORS * LOCK_SECTOR) };
}

static bool unlock_all_done(const struct view *v)
{
	return !v->regs.sr && has_none(v, 0, BP_SECTORS, MTD_ASP_S_LOCKED);
}

static struct said lock_down_run(int fd)
{
	return ask(fd, MTD_ASP_LOCK_DOWN, 2, 4);
}

static bool lock_down_done(const struct view *v)
{
	return has(v, 2, 4, MTD_ASP_S_LOCK_DOWN) && has_none(v, 6, 10, MTD_ASP_S_LOCK_DOWN);
}

static int nv_locked(int *fd)
{
	return set_locks(*fd);
}

static struct said nv_lock_run(int fd)
{
	return ask(fd, MTD_ASP_NV_LOCK, 38, 5);
}

static bool nv_lock_done(const struct view *v)
{
	return has(v, 38, 5, MTD_ASP_S_NON_VOLATILE);
}

static struct said nv_erase_run(int fd)
{
	return ask(fd, MTD_ASP_NV_ERASE, 0, 0);
}

static bool nv_erase_done(const struct view *v)
{
	return has_none(v, 0, v->regs.nr, MTD_ASP_S_NON_VOLATILE);
}

static struct said freeze_run(int fd)
{
	return ask(fd, MTD_ASP_FREEZE, 0, 0);
}

static bool freeze_done(const struct view *v)
{
	return v->regs.flags & MTD_ASP_F_FROZEN;
}

static struct said password_program_run(int fd)
{
	return ask(fd, MTD_ASP_PASSWORD_PROGRAM, 0, 0);
}

static bool password_program_done(const struct view *v)
{
	return v->regs.aspr == ASP_ASPR_DEFAULT;
}

static struct said password_mode_run(int fd)
{
	return ask(fd, MTD_ASP_PASSWORD_MODE, 0, 0);
}

static bool password_mode_done(const struct view *v)
{
	return v->regs.flags & MTD_ASP_F_PASSWORD_MODE;
}

static int password_mode_set(int *fd)
{
	struct mtd_asp_map map;
	int ret;

	ret = asp_map(*fd, &map, NULL, 0);
	if (ret || (map.flags & MTD_ASP_F_PASSWORD_MODE && map.flags & MTD_ASP_F_FROZEN))
		return ret;
	ret = asp_do(*fd, MTD_ASP_PASSWORD_MODE, 0, 0);
	return ret ? ret : emu_set(CHIP, "power_cycle", "1");
}

static struct said password_unlock_run(int fd)
{
	return ask(fd, MTD_ASP_PASSWORD_UNLOCK, 0, 0);
}

static bool password_unlock_done(const struct view *v)
{
	return !(v->regs.flags & MTD_ASP_F_FROZEN);
}

static struct said no_password_run(int fd)
{
	return ask(fd, MTD_ASP_NO_PASSWORD, 0, 0);
}

static bool no_password_done(const struct view *v)
{
	return v->regs.flags & MTD_ASP_F_NO_PASSWORD;
}

static struct said pmr_status_run(int fd)
{
	return ask(fd, MTD_ASP_PMR_STATUS, 0, 0);
}

static bool pmr_status_done(const struct view *v)
{
	return v->regs.pmr == (ASP_PMR_DEFAULT & ~ASP_PMR_STATUS);
}

static struct said pmr_pmr_run(int fd)
{
	return ask(fd, MTD_ASP_PMR_PMR, 0, 0);
}

static bool pmr_pmr_done(const struct view *v)
{
	return v->regs.pmr == (ASP_PMR_DEFAULT & ~ASP_PMR_PMR);
}

static struct said pmr_nvlb_run(int fd)
{
	return ask(fd, MTD_ASP_PMR_NVLB, 0, 0);
}

static bool pmr_nvlb_done(const struct view *v)
{
	return v->regs.pmr == (ASP_PMR_DEFAULT & ~ASP_PMR_NVLB);
}

static struct said pmr_nv_erase_run(int fd)
{
	return ask(fd, MTD_ASP_PMR_NV_ERASE, 0, 0);
}

static bool pmr_nv_erase_done(const struct view *v)
{
	return v->regs.pmr == (ASP_PMR_DEFAULT & ~ASP_PMR_NV_ERASE);
}

/* What is wrong with a state, NULL: nothing */

/* After power-on: each register as before or as wanted, and what was said holds. */
static const char *state_wrong(const struct view *old, const struct view *new,
			       const struct view *now, const struct said *s, bool misread)
{
	uint8_t was, wanted, is;
	uint32_t i, first;

	for (i = 0; i < now->regs.nr; i++) {
		was = old->sector[i] & MTD_ASP_S_NON_VOLATILE;
		wanted = new->sector[i] & MTD_ASP_S_NON_VOLATILE;
		is = now->sector[i] & MTD_ASP_S_NON_VOLATILE;
		if (was == wanted && is != was)
			return was ? "a non-volatile lock is lost" : "a non-volatile lock too many";
		if (now->sector[i] & (MTD_ASP_S_VOLATILE | MTD_ASP_S_LOCK_DOWN))
			return "volatile bits after power-on";
	}
	if (now->regs.aspr != old->regs.aspr && now->regs.aspr != new->regs.aspr)
		return "sector protection register";
	if (now->regs.pmr != old->regs.pmr && now->regs.pmr != new->regs.pmr)
		return "protection management register";
	if (now->regs.sr != old->regs.sr && now->regs.sr != new->regs.sr)
		return "status register";
	if (!(now->regs.flags & MTD_ASP_F_FROZEN) != !(now->regs.flags & MTD_ASP_F_PASSWORD_MODE))
		return "freeze bit after power-on";

	if (!misread && claims_success(s) && !same(now, new))
		return "success for what did not happen";
	if (!s->cmd)
		return s->ret > 0 ? "neither 0 nor an error" : NULL;
	if (s->ret)
		return same(now, old) ? NULL : "an errno, and yet something was changed";
	if (s->c.result && s->c.sent != 1)
		return "a result, and nothing was sent";
	if (s->c.result != 0 && s->c.result != -EIO && s->c.result != -ETIMEDOUT)
		return "result is neither 0 nor EIO nor ETIMEDOUT";
	first = s->c.offset / LOCK_SECTOR;
	if (s->c.done > s->c.length / LOCK_SECTOR)
		return "more done than asked for";
	if (!misread && s->c.cmd == MTD_ASP_NV_LOCK &&
	    !has(now, first, s->c.done, MTD_ASP_S_NON_VOLATILE))
		return "done counts a sector that is not";
	return NULL;
}

/*
 * While there is power: how far a range was done, and the state of the sector behind,
 * if the controller was well and it could be read.
 */
static const char *stopped_wrong(const struct said *s, bool well)
{
	uint8_t bit = s->c.cmd == MTD_ASP_NV_LOCK ? MTD_ASP_S_NON_VOLATILE : MTD_ASP_S_LOCK_DOWN;
	uint32_t i = s->c.offset / LOCK_SECTOR, end = i + s->c.done;
	static uint8_t locks[MAX_SECTORS];

	if (!s->cmd || s->ret || !s->c.result || !s->c.length)
		return NULL;
	if (s->c.done >= s->c.length / LOCK_SECTOR)
		return "all done, and yet a result";
	if (emu_locks(CHIP, locks) < 0)
		return "locks";
	for (; i < end; i++)
		if (!(locks[i] & bit))
			return "done counts a sector that is not";
	return well && locks[end] != s->c.state ? "state is not that of the sector" : NULL;
}

/* Who has the password gets in, and nobody else. */
static const char *password_wrong(int fd)
{
	static struct view v;
	struct said s;

	s.cmd = true;
	asp_init(&s.c, MTD_ASP_PASSWORD_UNLOCK);
	s.c.password[7] ^= 1;
	s.ret = asp_cmd(fd, &s.c);
	if (s.ret || s.c.sent != 1 || s.c.result != -EKEYREJECTED)
		return "another password was not rejected";
	if (look(fd, &v) || !(v.regs.flags & MTD_ASP_F_FROZEN))
		return "open to another password";
	s = nv_erase_run(fd);
	if (s.ret != -EACCES)
		return "frozen, and locks can be erased";
	s = password_unlock_run(fd);
	if (!claims_success(&s))
		return "the password does not open it";
	s = nv_erase_run(fd);
	if (!claims_success(&s) || look(fd, &v) || !nv_erase_done(&v))
		return "open, and locks cannot be erased";
	return NULL;
}

/* Power comes back; now and then the driver is bound anew too. */
static const char *power_on(int *fd, unsigned int cut)
{
	if (emu_set(CHIP, "power_cycle", "1"))
		return "power_cycle";
	if (cut % 8 == 1) {
		close(*fd);
		*fd = -1;
		if (spi_unbind(CHIP, "spi-nor") || spi_bind(CHIP, "spi-nor") || reopen(fd))
			return "the chip could not be bound anew";
	}
	if (cut % 8 < 3 && !agree(*fd))
		return "the map is not the chip's";
	return NULL;
}

#define OPERATION(_id, _name, _prepare, _once)					\
	static const struct operation _id = {					\
		.name = _name, .prepare = _prepare, .run = _id ## _run,		\
		.done = _id ## _done, .once = _once,				\
	}

OPERATION(lock, "MEMLOCK", one_locked, false);
OPERATION(unlock, "MEMUNLOCK, volatile bits", all_locked, false);
OPERATION(unlock_all, "MEMUNLOCK, block protection too", block_protected, false);
OPERATION(lock_down, "lock down", one_locked, false);
OPERATION(nv_lock, "non-volatile lock", nv_locked, false);
OPERATION(nv_erase, "erase of non-volatile locks", nv_locked, false);
OPERATION(freeze, "freeze", nv_locked, false);
OPERATION(password_unlock, "unlock by password", password_mode_set, false);
OPERATION(password_program, "password program", nv_locked, true);
OPERATION(password_mode, "password mode", nv_locked, true);
OPERATION(no_password, "no password mode", nv_locked, true);
OPERATION(pmr_status, "PMR, status register", nv_locked, true);
OPERATION(pmr_pmr, "PMR, itself", nv_locked, true);
OPERATION(pmr_nvlb, "PMR, non-volatile locks", nv_locked, true);
OPERATION(pmr_nv_erase, "PMR, their erase", nv_locked, true);

/* The same call finishes what was begun; in password mode nothing is left to finish. */
static const char *completed(const struct operation *op, int *fd, struct view *now)
{
	struct said s;

	if (op != &password_mode || !op->done(now)) {
		s = op->run(*fd);
		if (!claims_success(&s))
			return "it cannot be completed";
		if (look(*fd, now) || !op->done(now))
			return "it was not completed";
		if (op == &password_mode && emu_set(CHIP, "power_cycle", "1"))
			return "power_cycle";
	}
	if (op == &password_mode)
		return password_wrong(*fd);
	if (op == &password_program && asp_do(*fd, MTD_ASP_PASSWORD_VERIFY, 0, 0))
		return "the password is another";
	return NULL;
}

/* One operation without a fault: what it finds, what it leaves, what it sends. */
struct sample {
	struct view old, new;
	int count[ASP_OPCODES];
	unsigned int ops, steps;	/* assertions; non-volatile steps */
};

static const char *take_sample(const struct operation *op, int *fd, struct sample *sample)
{
	long long steps;
	struct said s;

	if (new_chip(fd) || op->prepare(fd) || look(*fd, &sample->old))
		return "it cannot be prepared";
	steps = emu_state(CHIP, "nv_steps");
	emu_clear(CHIP);
	s = op->run(*fd);
	if (!claims_success(&s))
		return "it fails";
	sample->ops = emu_opcodes(CHIP, sample->count);
	sample->steps = emu_state(CHIP, "nv_steps") - steps;
	if (look(*fd, &sample->new) || !op->done(&sample->new))
		return "it has not done it";
	return sample->ops > 1 ? NULL : "it sends nothing";
}

static unsigned long now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000UL + t.tv_nsec / 1000000;
}

/* As before, with @fault at @nr; what is wrong after a power cycle. @n: of this operation so far */
static const char *with_fault(const struct operation *op, int *fd, const struct sample *sample,
			      const char *fault, unsigned int nr, const char *opcode,
			      unsigned int n, struct said *s)
{
	/* What these did is gone with the power. */
	static const uint8_t volatile_ops[] = {
		ASP_OP_RDVLB, ASP_OP_WRVLB, ASP_OP_RDFREEZE, ASP_OP_WRFREEZE, ASP_OP_UNLOCK,
	};
	bool misread = fault && (!strcmp(fault, "garbage") || !strcmp(fault, "flip_in"));
	bool cut = fault && !strcmp(fault, "power_cut");
	static struct view now;
	unsigned long start;
	char seed[16];
	int seen[ASP_OPCODES];
	const char *wrong;
	unsigned int i;

	if (op->once ? new_chip(fd) : emu_set(CHIP, "power_cycle", "1"))
		return "no chip";
	if (op->prepare(fd))
		return "it cannot be prepared";
	emu_clear(CHIP);
	snprintf(seed, sizeof(seed), "%u", n);
	if (emu_set(CHIP, "fault_seed", seed) ||
	    (fault && emu_fault(CHIP, fault, nr, opcode)))
		return "no such fault";
	start = now_ms();
	*s = op->run(*fd);
	if (now_ms() - start > LIMIT_MS)
		return "it took too long";
	if (emu_opcodes(CHIP, seen) < 0)
		return "opcodes";
	if (emu_state(CHIP, "power") != !cut)
		return "the power was not cut";
	emu_set(CHIP, "fault", "none");
	if (!fault && !claims_success(s))
		return "it fails";

	/* a command that got lost looks like a wrong password */
	if (op == &password_unlock && fault && !cut && s->c.result == -EKEYREJECTED)
		s->c.result = -EIO;

	wrong = cut || misread ? NULL : stopped_wrong(s, !fault || !strcmp(fault, "drop"));
	if (!wrong)
		wrong = power_on(fd, n);
	if (!wrong && look(*fd, &now))
		wrong = "MTD_ASP_MAP";
	if (!wrong)
		wrong = state_wrong(&sample->old, &sample->new, &now, s, misread);
	for (i = 0; !wrong && cut && claims_success(s) && i < sizeof(volatile_ops); i++)
		if (seen[volatile_ops[i]] != sample->count[volatile_ops[i]])
			wrong = "success for what did not happen";
	/* Of what is done already it is enough to ask now and then. */
	if (!wrong && (op->once || n % 4 == 0 || !op->done(&now)))
		wrong = completed(op, fd, &now);
	return wrong;
}

FIXTURE(power) {
	int fd;
	struct sample sample;
	struct said s;
};

FIXTURE_VARIANT(power) {
	const struct operation *op;
};

#define VARIANT(_fixture, _id) FIXTURE_VARIANT_ADD(_fixture, _id) { .op = &_id }

VARIANT(power, lock);
VARIANT(power, unlock);
VARIANT(power, unlock_all);
VARIANT(power, lock_down);
VARIANT(power, nv_lock);
VARIANT(power, nv_erase);
VARIANT(power, freeze);
VARIANT(power, password_unlock);
VARIANT(power, password_program);
VARIANT(power, password_mode);
VARIANT(power, no_password);
VARIANT(power, pmr_status);
VARIANT(power, pmr_pmr);
VARIANT(power, pmr_nvlb);
VARIANT(power, pmr_nv_erase);

FIXTURE_SETUP(power)
{
	const char *wrong;

	self->fd = -1;
	wrong = take_sample(variant->op, &self->fd, &self->sample);
	ASSERT_EQ(NULL, wrong) TH_LOG("%s: %s", variant->op->name, wrong);
}

FIXTURE_TEARDOWN(power)
{
	close(self->fd);
}

TEST_F_TIMEOUT(power, cut, 300)
{
	unsigned int ops = self->sample.ops, steps = self->sample.steps;
	unsigned int cut, cuts = 0, stride = 1 + steps / MAX_NV_CUTS;
	const char *wrong;

	/* the last of the operations is where nothing more is sent */
	for (cut = 1; cut <= ops + 1; cut++) {
		wrong = with_fault(variant->op, &self->fd, &self->sample,
				   cut <= ops ? "power_cut" : NULL, cut, "any", cut, &self->s);
		EXPECT_EQ(NULL, wrong)
			TH_LOG("%s: cut before operation %u: %s (%d, result %d)", variant->op->name,
			       cut, wrong, self->s.ret, self->s.c.result);
	}
	for (cut = 1; cut <= steps; cut += stride) {
		wrong = with_fault(variant->op, &self->fd, &self->sample, "power_cut", cut, NULL,
				   cut, &self->s);
		EXPECT_EQ(NULL, wrong)
			TH_LOG("%s: cut before step %u: %s (%d, result %d)", variant->op->name,
			       cut, wrong, self->s.ret, self->s.c.result);
		cuts++;
	}
	printf("# power cuts, %s: %u between operations, %u inside %u non-volatile steps\n",
	       variant->op->name, ops + 1, cuts, steps);
	fflush(stdout);
}

FIXTURE(controller) {
	int fd;
	struct sample sample;
	struct said s;
};

FIXTURE_VARIANT(controller) {
	const struct operation *op;
};

VARIANT(controller, lock);
VARIANT(controller, unlock);
VARIANT(controller, lock_down);
VARIANT(controller, nv_lock);
VARIANT(controller, nv_erase);
VARIANT(controller, freeze);
VARIANT(controller, password_unlock);
VARIANT(controller, password_program);
VARIANT(controller, password_mode);
VARIANT(controller, no_password);
VARIANT(controller, pmr_status);
VARIANT(controller, pmr_pmr);
VARIANT(controller, pmr_nvlb);
VARIANT(controller, pmr_nv_erase);

FIXTURE_SETUP(controller)
{
	const char *wrong;

	self->fd = -1;
	wrong = take_sample(variant->op, &self->fd, &self->sample);
	ASSERT_EQ(NULL, wrong) TH_LOG("%s: %s", variant->op->name, wrong);
}

FIXTURE_TEARDOWN(controller)
{
	close(self->fd);
}

TEST_F_TIMEOUT(controller, fault, 900)
{
	static const char * const faults[] = {
		"eio_before", "eio_after", "drop", "short", "garbage", "flip_in", "stuck",
	};
	const char *every = getenv("CRTM_SWEEP_STRIDE"), *wrong;
	unsigned int stride = every ? atoi(every) : 1;
	unsigned int nr, f, n = 0;

	ASSERT_NE(0, stride);

	for (f = 0; f < ARRAY_SIZE(faults); f++) {
		for (nr = 1 + f % stride; nr <= self->sample.ops; nr += stride) {
			wrong = with_fault(variant->op, &self->fd, &self->sample, faults[f], nr,
					   "any", ++n, &self->s);
			EXPECT_EQ(NULL, wrong)
				TH_LOG("%s: %s at operation %u: %s (%d, result %d)",
				       variant->op->name, faults[f], nr, wrong, self->s.ret,
				       self->s.c.result);
		}
	}
	printf("# faults of the controller, %s: %u\n", variant->op->name, n);
	fflush(stdout);
}

TEST_HARNESS_MAIN
