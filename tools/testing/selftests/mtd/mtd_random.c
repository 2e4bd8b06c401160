// SPDX-License-Identifier: MIT
/*
 * Random calls on the nodes of the emulated chips: a program that knows the
 * structures, fills them rightly, signatures included, and then spoils lengths,
 * fields, pointers, or the memory while the kernel reads it. Beside that others
 * lock, erase, read and write, get signals and are killed; chips fail, lose
 * power, are unbound, suspended, and their module is removed.
 *
 * What is checked is the contract of <mtd/mtd-security.h> for any call whatever:
 * no errno that it does not name, nothing written that it does not allow, no call
 * without end; and after each round that chip and driver still work. The rest is
 * for the kernel to notice: KASAN, lockdep, KCSAN, slub_debug.
 *
 * usage: mtd_random [-s SEED] [-t SECONDS]
 *        mtd_random [-s SEED] -n CALLS
 *
 * With -t (default 20) several processes, in rounds; writes TAP. The calls of each
 * process follow from the seed, how they interleave does not. With -n one process
 * alone, for so many calls, on the chips that are there; prints a digest of them.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "asp.h"
#include "common.h"

#define MODELS		"mt25qu128-authenta:spi,mt25qu128-authenta:mem," \
			"mt25qu256:spi:spi-nor:asp,rpmc-other:spi"
#define NR_CHIPS	4
#define NR_SLOTS	4
#define WORKERS		4		/* the last one without CAP_SYS_ADMIN */
#define DISTURBER	WORKERS		/* one process more, which does not call but disturbs */
#define MAX_ROUND_MS	30000		/* then the chips are new ones; two rounds at least */
/*
 * The core waits up to 640 s for a whole chip to be erased that is stuck, and others
 * wait behind: chips get well when somebody has waited for PATIENCE_S.
 */
#define PATIENCE_S	60
#define CALL_S		240		/* no call may take longer */
#define NR_FDS		4
#define MAX_NODES	12
#define MAX_LIST	128
#define DEFAULT_SEED	20260401

#define ARRAY_SIZE(_a)	(sizeof(_a) / sizeof((_a)[0]))

/* What is counted apart */
enum kind { K_WR, K_RD, K_INFO, K_MAP, K_CMD, K_LOCK, K_UNLOCK, K_ISLOCKED, K_ERASE, K_READ,
	    K_WRITE, K_OTHER, NR_KINDS };

static const char * const kinds[NR_KINDS] = {
	"WR_CRTM_CMD", "RD_CRTM_CMD", "MTD_CRTM_INFO", "MTD_ASP_MAP", "MTD_ASP_CMD", "MEMLOCK",
	"MEMUNLOCK", "MEMISLOCKED", "MEMERASE", "read", "write", "other",
};

/* Of all processes */
static struct shared {
	int stop, shut;
	unsigned long contract, hangs, unwell;	/* what was found */
	unsigned long beat[WORKERS + 1];	/* things begun */
	unsigned long calls[NR_KINDS], good[NR_KINDS];
	unsigned long accepted[256];		/* by a chip, by command type */
	unsigned long asp[NR_ASP_COMMANDS];	/* done by a chip */
	unsigned long kills, signals, unbinds, removals, suspends, faults, partitions;
	char doing[WORKERS + 1][128];
} *shared;

#define COUNT(_what)	__atomic_fetch_add(&shared->_what, 1, __ATOMIC_RELAXED)

/* Of this process */
static unsigned int self;
static uint64_t rng, digest;
static struct keys keys[NR_CHIPS][NR_SLOTS];
static int fds[NR_FDS];
static uint8_t block[2 * MAX_BLOCK];

/*
 * The memory of calls: pages that work, one that does not exist, one that can be
 * read alone, one that does not exist.
 */
#define ARENA_PAGES	64
static uint8_t *arena;
static size_t page, arena_size, arena_used;
static bool end_used;
static uint32_t odds;	/* one pointer of so many is bad */
static bool clean;	/* all pointers of the call are good, and nobody spoils the memory */

/* Who spoils it, while it may */
static pthread_mutex_t racer_lock = PTHREAD_MUTEX_INITIALIZER;
static bool racer, racing;

/* Choices. None depends on what the kernel said: the same seed, the same calls. */

static uint32_t random32(void)
{
	uint64_t z = rng += 0x9e3779b97f4a7c15;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
	z = (z ^ z >> 27) * 0x94d049bb133111eb;
	return z >> 32;
}

static uint32_t below(uint32_t n)
{
	uint32_t value = (uint64_t)random32() * n >> 32;

	digest = (digest ^ n) * 0x100000001b3;
	digest = (digest ^ value) * 0x100000001b3;
	return value;
}

static bool one_in(uint32_t n)
{
	return !below(n);
}

/* Small more often than large */
static uint32_t below_log(uint32_t n)
{
	return below(1 + (n >> below(32)));
}

/* A number that somebody may have forgotten */
static uint64_t odd_number(void)
{
	static const uint64_t values[] = {
		0, 1, 2, 3, 4, 7, 8, 31, 32, 33, 255, 256, 257, 511, 512, 513, 4095, 4096, 4097,
		65535, 65536, 65537, CHIP_SIZE - 1, CHIP_SIZE, CHIP_SIZE + 1, 0x7fffffff,
		0x80000000, 0xfffff000, 0xffffffff, 0x100000000, 0x7fffffffffffffff,
		0x8000000000000000, 0xffffffffffff0000, 0xffffffffffffffff,
	};

	return values[below(ARRAY_SIZE(values))];
}

/* Mostly in the first sectors, so that the processes meet */
static uint32_t address(void)
{
	static const uint32_t units[] = { 1, 256, SECTOR, LOCK_SECTOR, 1 << 20 };
	uint32_t unit = units[below(ARRAY_SIZE(units))], n = below(2 * CHIP_SIZE / unit);

	return one_in(4) ? n * unit : n * unit % (4 * LOCK_SECTOR);
}

static uint32_t length(void)
{
	static const uint32_t units[] = { 1, SECTOR, SECTOR, LOCK_SECTOR };
	uint32_t unit = units[below(ARRAY_SIZE(units))];

	return unit * below_log(17) + (one_in(16) ? below(4097) : 0);
}

/* What this process does from now on; shown if something goes wrong */
static void __attribute__((format(printf, 1, 2))) doing(const char *text, ...)
{
	va_list args;

	va_start(args, text);
	vsnprintf(shared->doing[self], sizeof(shared->doing[self]), text, args);
	va_end(args);
	COUNT(beat[self]);
}

static void __attribute__((format(printf, 1, 2))) broken(const char *text, ...)
{
	char line[256];
	va_list args;

	va_start(args, text);
	vsnprintf(line, sizeof(line), text, args);
	va_end(args);
	/* the first ones tell it all */
	if (COUNT(contract) < 50)
		printf("# process %u, %s: %s\n", self, shared->doing[self], line);
}

/* The memory of a call */

static void begin_call(uint32_t bad_one_in)
{
	arena_used = 0;
	end_used = false;
	clean = true;
	odds = bad_one_in;
}

/* How much of @size bytes at @at there is */
static size_t there(const void *at, size_t size)
{
	uintptr_t offset = (uintptr_t)at - (uintptr_t)arena;

	if (offset >= arena_size)
		return 0;
	return size < arena_size - offset ? size : arena_size - offset;
}

/*
 * Room for @size bytes: mostly good, and then perhaps unaligned or up to the very
 * end; else across that, to be read alone, or nowhere. Holds @data, POISON if NULL.
 */
static void *place(const void *data, size_t size)
{
	static const uint64_t nowhere[] = {
		0, 1, 4095, 0x7ffffffff000, 0x800000000000, 0xffff000000000000,
		0xffff800000001000, 0xffffffffffffff00, 0xffffffffffffffff,
	};
	static uint8_t *last;
	uint32_t where = below(ARRAY_SIZE(nowhere)), shift = below(8);
	uint8_t *at = arena + arena_used;

	if (one_in(8))
		at += shift;
	arena_used += (size + 31) & ~(size_t)15;
	if (arena_used > arena_size / 2) {
		at = arena;
		clean = false;
	}
	if (one_in(16) && !end_used && size < arena_size / 2) {
		at = arena + arena_size - size;
		end_used = true;
	}
	if (one_in(odds)) {
		clean = false;
		switch (below(6)) {
		case 0:
			at = arena + arena_size - size / 2;
			break;
		case 1:
			at = arena + arena_size + page;
			break;
		case 2:
			/* a tag, which some processors ignore */
			at = (uint8_t *)((uintptr_t)at | (uintptr_t)0xff00000000000000);
			break;
		case 3:
			at = last;
			break;
		default:
			at = (uint8_t *)(uintptr_t)nowhere[where];
		}
	}
	if (data)
		memcpy(at, data, there(at, size));
	else
		memset(at, POISON, there(at, size));
	last = at;
	return at;
}

/* Another value for a 32-bit word of a structure, whose offset is returned */
static size_t spoil(void *data, size_t size)
{
	size_t at = below(size / 4) * 4;
	uint32_t value = odd_number(), bit = below(32), old;

	memcpy(&old, (uint8_t *)data + at, 4);
	if (one_in(2))
		value = old ^ 1U << bit;
	memcpy((uint8_t *)data + at, &value, 4);
	return at;
}

/* A structure with its size as its first word, and perhaps more, or less, than that */
static void *place_sized(const void *data, size_t size)
{
	static uint8_t buf[8192];
	uint32_t byte = below(4) ? 0 : below(256), n = size;

	memset(buf, byte, sizeof(buf));
	memcpy(buf, data, size);
	switch (below(24)) {
	case 0:
		n = 0;
		break;
	case 1:
		n = size - 1;
		break;
	case 2:
		n = size - 8;
		break;
	case 3:
		n = size + 1;
		break;
	case 4:
		n = size + 8;
		break;
	case 5:
		n = 4096;
		break;
	case 6:
		n = odd_number();
		break;
	}
	memcpy(buf, &n, sizeof(n));
	return place(buf, n > size && n <= sizeof(buf) ? n : size);
}

/* Writes the memory of a call and takes pages away while it runs. */
static void *race(void *arg)
{
	uint64_t z = (uintptr_t)arg;
	bool idle;

	for (;;) {
		pthread_mutex_lock(&racer_lock);
		idle = !racing;
		z = z * 6364136223846793005 + 1442695040888963407;
		if (idle)
			;
		else if (z >> 60)
			arena[(z >> 33) % (arena_size / 2)] ^= 1 << (z >> 56 & 7);
		else if (z >> 59 & 1)
			madvise(arena, page, MADV_DONTNEED);
		else if (!mprotect(arena, page, z >> 58 & 1 ? PROT_READ : PROT_NONE))
			mprotect(arena, page, PROT_READ | PROT_WRITE);
		pthread_mutex_unlock(&racer_lock);
		if (idle)
			usleep(100);
	}
	return NULL;
}

static void set_racing(bool on)
{
	pthread_mutex_lock(&racer_lock);
	racing = on;
	pthread_mutex_unlock(&racer_lock);
}

/* The calls */

static uint64_t now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000ULL + t.tv_nsec / 1000000;
}

/* One of <mtd/mtd-security.h> returned: what its contract says of any call */
static void check_errno(int ret)
{
	static const int errnos[] = {
		0, EOPNOTSUPP, EPERM, EACCES, EINVAL, EMSGSIZE, E2BIG, EFAULT, ENOMEM, EINTR,
		EBUSY, EIO, ENODEV,
	};
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(errnos); i++)
		if (ret == -errnos[i])
			return;
	broken("returned %d", ret);
}

/* Returns what the call did, or -errno. */
static int call(enum kind kind, int fd, unsigned long request, void *arg)
{
	bool spoilt = one_in(8) && racer;
	uint64_t start = now_ms();
	int ret;

	if (spoilt) {
		clean = false;
		set_racing(true);
	}
	ret = ioctl(fd, request, arg);
	if (ret < 0)
		ret = -errno;
	if (spoilt)
		set_racing(false);

	COUNT(calls[kind]);
	if (ret >= 0)
		COUNT(good[kind]);
	if (kind <= K_CMD && fd >= 0)
		check_errno(ret);
	if (now_ms() - start > CALL_S * 1000ULL)
		broken("took %u s", (unsigned int)((now_ms() - start) / 1000));
	return ret;
}

/* A block that is right, as far as this process knows the chip; its length */
static size_t right_block(unsigned int chip, uint8_t type)
{
	uint8_t bytes[32];
	uint32_t addr = address(), len = length(), slot = below(2 * NR_SLOTS), mode = below(8), i;
	struct keys *k = &keys[chip][0];

	for (i = 0; i < sizeof(bytes); i++)
		bytes[i] = below(256);
	if (slot < NR_SLOTS && (type < CRTM_OPEN_SESSION || type > CRTM_PROTECT))
		k = &keys[chip][slot];
	switch (type) {
	case RPMC_WRITE_ROOT_KEY:
		return block_root_key(k, block);
	case RPMC_UPDATE_HMAC_KEY:
		return block_update_key(k, (const uint8_t *)"keys", block);
	case RPMC_INCREMENT_COUNTER:
		return block_increment(k, block);
	case RPMC_REQUEST_COUNTER:
		return block_request(k, bytes, block);
	case CRTM_OPEN_SESSION:
		return block_open(k, bytes, block);
	case CRTM_CLOSE_SESSION:
		return block_close(k, block);
	case CRTM_ERASE:
		return block_erase(k, addr & -SECTOR, SECTOR * (1 + len % 16), block);
	case CRTM_PROGRAM:
		return block_program(k, addr & -CRTM_PAGE_SIZE, bytes, 1 + len % sizeof(bytes),
				     block);
	case CRTM_PROTECT:
		return block_protect(k, addr & -LOCK_SECTOR, LOCK_SECTOR * (1 + len % 4),
				     mode & 1, block);
	case CRTM_MEASURE:
		return block_measure(k->slot, bytes, addr, len, block);
	case CRTM_DERIVE_KEY:
		return block_derive(k->slot, (const char *)bytes, addr & -LOCK_SECTOR, len, block);
	case CRTM_LOCK_DERIVATION:
		/* rarely, or no key would ever be derived */
		if (!mode)
			return block_plain(command(type), k->slot, block);
		break;
	}
	return block_get_info(k->slot, bytes, block);
}

/* Any block; its length */
static size_t any_block(unsigned int chip)
{
	uint32_t form = below(16), i, nr = below(nr_commands), slot = below(NR_SLOTS + 1);
	size_t len;

	if (form < 2) {
		len = block_plain(&commands[nr], slot, block);
		if (commands[nr].addr)
			put32(block + commands[nr].addr, address());
	} else if (form == 2) {
		len = below(MAX_BLOCK);
		for (i = 0; i < len; i++)
			block[i] = below(256);
		if (slot) {
			block[0] = RPMC_OP1_DEFAULT;
			block[RPMC_OFF_TYPE] = commands[nr].type;
		}
	} else {
		len = right_block(chip, commands[nr].type);
	}
	if (one_in(4))
		for (i = below(4); i; i--)
			block[one_in(2) ? below(RPMC_HDR_LEN) : below(len)] ^= 1 << below(8);
	return one_in(24) ? below(MAX_BLOCK) : len;
}

/* Is this outcome of a list one that the contract knows? */
static void check_list(int ret, const struct mtd_crtm_cmd *cmd,
		       const struct mtd_crtm_entry *before, const struct mtd_crtm_entry *entry,
		       uint32_t nr)
{
	const uint8_t *out;
	uint32_t i, j;

	if (ret < 0 && cmd->done && cmd->done != POISON)
		broken("errno %d, and %u done", -ret, cmd->done);
	if (!ret && cmd->done > nr)
		broken("%u of %u done", cmd->done, nr);
	if (!ret && !entry[0].sent)
		broken("returned 0, and nothing was sent");
	for (i = 0; i < nr; i++) {
		const struct mtd_crtm_entry *e = &entry[i];
		/* an error may come before anything is written */
		bool sent = e->sent && (!ret || e->sent != before[i].sent);

		if (sent && ret < 0)
			broken("errno %d, and entry %u was sent", -ret, i);
		if (sent && e->sent != 1)
			broken("entry %u: sent is %u", i, e->sent);
		if (!ret && i < cmd->done && (!sent || e->result))
			broken("entry %u of %u done: sent %u, result %d", i, cmd->done, e->sent,
			       e->result);
		if (!ret && i + 1 < cmd->done && e->status != RPMC_STATUS_SUCCESS)
			broken("entry %u of %u done: status %02x", i, cmd->done, e->status);
		if (sent && i == cmd->done && e->result != -EIO && e->result != -ETIMEDOUT)
			broken("entry %u, not done: result %d", i, e->result);
		if (sent && i > cmd->done)
			broken("entry %u, %u done: sent", i, cmd->done);
		if (sent && e->out_len > (e->result ? 0 : before[i].out_len))
			broken("entry %u: result %d, %u bytes of response in %u", i, e->result,
			       e->out_len, before[i].out_len);
		out = (const uint8_t *)(uintptr_t)e->out;
		for (j = sent ? e->out_len : 0; out && j < MAX_RESPONSE; j++)
			if (out[j] != POISON) {
				broken("entry %u: byte %u behind %u of response written", i, j,
				       sent ? e->out_len : 0);
				break;
			}
	}
}

/* What a list told of counter and session */
static void learn(unsigned int chip, const struct mtd_crtm_entry *entry, uint32_t done)
{
	for (; done; done--, entry++) {
		const uint8_t *in = (const uint8_t *)(uintptr_t)entry->in;
		const uint8_t *out = (const uint8_t *)(uintptr_t)entry->out;
		uint8_t type = in[RPMC_OFF_TYPE];
		struct keys *k = &keys[chip][in[RPMC_OFF_SLOT] % NR_SLOTS];

		if (type >= CRTM_OPEN_SESSION && entry->out_len)
			k->mc = get32(out + CRTM_RESP_OFF_MC);
		if (entry->status != RPMC_STATUS_SUCCESS)
			continue;
		COUNT(accepted[type]);
		if (type == RPMC_REQUEST_COUNTER && entry->out_len)
			k->mc = get32(out + RPMC_RESP_OFF_COUNTER);
		else if (type == RPMC_INCREMENT_COUNTER)
			k->mc++;
		else if (type >= CRTM_CLOSE_SESSION && type <= CRTM_PROTECT)
			k->seq = get32(in + CRTM_OFF_SEQ) + 1;
	}
}

static void call_crtm(int fd, unsigned int chip, const uint8_t *story, uint32_t chapters)
{
	static const uint8_t lists[] = { 0, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 2, 2, 3, 8, 128 };
	static struct mtd_crtm_entry entry[MAX_LIST], before[MAX_LIST];
	uint32_t nr = story ? chapters : lists[below(ARRAY_SIZE(lists))], room, i;
	struct mtd_crtm_cmd cmd = { .nr = nr, .done = POISON };
	bool rd = one_in(3) && !story;
	void *entries, *arg;
	size_t len;
	int ret;

	/* of a long list one bad entry is enough */
	begin_call(nr < 8 && !story ? 32 : 2048);
	for (i = 0; i < nr; i++) {
		if (story) {
			len = right_block(chip, story[i]);
			if (story[i] > CRTM_OPEN_SESSION)
				keys[chip][0].seq++;
		} else {
			len = any_block(chip);
		}
		room = one_in(4) && !story ? below(MAX_RESPONSE) : MAX_RESPONSE;
		entry[i] = (struct mtd_crtm_entry) {
			.in = (uintptr_t)place(block, len),
			.out = room ? (uintptr_t)place(NULL, MAX_RESPONSE) : 0,
			.in_len = len, .out_len = room,
			.result = POISON, .status = POISON, .sent = POISON,
		};
		if (one_in(odds) && spoil(&entry[i], sizeof(entry[i])) <
		    offsetof(struct mtd_crtm_entry, in_len))
			clean = false;
		/* more room than there is */
		if (entry[i].out_len > MAX_RESPONSE)
			clean = false;
	}
	memcpy(before, entry, sizeof(before));
	entries = place(entry, nr * sizeof(entry[0]));
	cmd.entries = (uintptr_t)entries;
	if (one_in(24) && spoil(&cmd, sizeof(cmd)) >= offsetof(struct mtd_crtm_cmd, nr))
		clean = false;
	arg = place_sized(&cmd, sizeof(cmd));
	doing("chip %u, %s, %u entries, the last %02x", chip, rd ? "RD" : "WR", nr,
	      nr ? block[RPMC_OFF_TYPE] : 0);
	ret = call(rd ? K_RD : K_WR, fd, rd ? RD_CRTM_CMD : WR_CRTM_CMD, arg);
	if (!clean || fd < 0)
		return;
	memcpy(&cmd, arg, sizeof(cmd));
	memcpy(entry, entries, nr * sizeof(entry[0]));
	check_list(ret, &cmd, before, entry, nr);
	if (!ret)
		learn(chip, entry, cmd.done);
}

/* Sessions, which chance alone would hardly ever get right */
static void call_story(int fd, unsigned int chip)
{
	static const uint8_t provision[] = {
		RPMC_UPDATE_HMAC_KEY, RPMC_REQUEST_COUNTER, RPMC_WRITE_ROOT_KEY,
	};
	static const uint8_t session[] = {
		CRTM_OPEN_SESSION, CRTM_PROTECT, CRTM_ERASE, CRTM_PROGRAM, CRTM_CLOSE_SESSION,
	};

	call_crtm(fd, chip, provision, ARRAY_SIZE(provision));
	call_crtm(fd, chip, session, 1 + below(ARRAY_SIZE(session)));
}

static void call_info(int fd)
{
	struct mtd_crtm_info info, *arg;
	int ret;

	begin_call(32);
	memset(&info, POISON, sizeof(info));
	arg = place_sized(&info, sizeof(info));
	doing("MTD_CRTM_INFO");
	ret = call(K_INFO, fd, MTD_CRTM_INFO, arg);
	if (clean && !ret && (arg->slots > RPMC_MAX_SLOTS || arg->max_list != MAX_LIST ||
			      arg->id_len > sizeof(arg->id) || arg->reserved))
		broken("%u slots, lists of %u, an ID of %u bytes, reserved %u", arg->slots,
		       arg->max_list, arg->id_len, arg->reserved);
}

static void call_map(int fd)
{
	static const uint32_t rooms[] = { 0, 1, 255, 256, 257, 511, 512, 4096 };
	uint32_t room = rooms[below(ARRAY_SIZE(rooms))], i;
	struct mtd_asp_map map, *arg;
	uint8_t *sectors;
	int ret;

	begin_call(32);
	memset(&map, POISON, sizeof(map));
	map.flags = 0;
	map.nr = room;
	sectors = place(NULL, room);
	map.sectors = room ? (uintptr_t)sectors : 0;
	if (one_in(16) && spoil(&map, sizeof(map)) < offsetof(struct mtd_asp_map, first))
		clean = false;
	arg = place_sized(&map, sizeof(map));
	doing("MTD_ASP_MAP, room for %u", room);
	ret = call(K_MAP, fd, MTD_ASP_MAP, arg);
	if (!clean || fd < 0)
		return;
	if (!ret && arg->sector_size != LOCK_SECTOR)
		broken("sectors of %u bytes", arg->sector_size);
	for (i = ret ? 0 : arg->nr; i < room; i++)
		if (sectors[i] != POISON) {
			broken("byte %u of the map written, returned %d", i, ret);
			break;
		}
}

static void call_cmd(int fd)
{
	uint32_t nr = below(NR_ASP_COMMANDS + 1), offset = address() & -LOCK_SECTOR;
	uint32_t sectors = 1 + below(4);
	struct mtd_asp_cmd cmd, *arg;
	int ret;

	begin_call(32);
	asp_init(&cmd, nr);
	if (cmd.length) {
		cmd.offset = offset;
		cmd.length = sectors * LOCK_SECTOR;
	}
	/* rarely what cannot be undone: not much works afterwards */
	if (cmd.confirm[0] && !one_in(8))
		cmd.confirm[0] = 0;
	if (one_in(8))
		cmd.password[below(8)] ^= 1 << below(8);
	if (one_in(8))
		spoil(&cmd, sizeof(cmd));
	arg = place_sized(&cmd, sizeof(cmd));
	doing("MTD_ASP_CMD, %u", nr);
	ret = call(K_CMD, fd, MTD_ASP_CMD, arg);
	if (!clean || fd < 0)
		return;
	if (ret < 0 && arg->sent && arg->sent != cmd.sent)
		broken("errno %d, and something was sent", -ret);
	if (ret)
		return;
	if (arg->sent > 1 || (arg->result && arg->result != -EKEYREJECTED &&
			      arg->result != -EINTR && arg->result != -EIO &&
			      arg->result != -ETIMEDOUT))
		broken("sent %u, result %d", arg->sent, arg->result);
	if (arg->cmd < NR_ASP_COMMANDS && !arg->result)
		COUNT(asp[arg->cmd]);
}

static void call_range(int fd)
{
	static const struct {
		unsigned long request;
		enum kind kind;
	} calls[] = {
		{ MEMLOCK, K_LOCK }, { MEMUNLOCK, K_UNLOCK }, { MEMUNLOCK, K_UNLOCK },
		{ MEMISLOCKED, K_ISLOCKED }, { MEMERASE, K_ERASE },
	};
	unsigned int i = below(ARRAY_SIZE(calls));
	struct erase_info_user user = { .start = address(), .length = length() };

	begin_call(32);
	if (!one_in(4)) {
		user.start &= -LOCK_SECTOR;
		user.length = (user.length | 1) + LOCK_SECTOR - 1;
		user.length &= -LOCK_SECTOR;
	}
	if (one_in(16))
		spoil(&user, sizeof(user));
	doing("%s, %#x bytes at %#x", kinds[calls[i].kind], user.length, user.start);
	call(calls[i].kind, fd, calls[i].request, place(&user, sizeof(user)));
}

/* What else mtdchar has, with arguments that are noise, and what it has not */
static void call_other(int fd)
{
	static const unsigned long requests[] = {
		MEMGETINFO, MEMWRITEOOB, MEMREADOOB, MEMGETREGIONCOUNT, MEMGETREGIONINFO,
		MEMGETOOBSEL, MEMGETBADBLOCK, MEMSETBADBLOCK, OTPSELECT, OTPGETREGIONCOUNT,
		OTPGETREGIONINFO, OTPLOCK, OTPERASE, ECCGETLAYOUT, ECCGETSTATS, MTDFILEMODE,
		MEMERASE64, MEMWRITEOOB64, MEMREADOOB64, MEMWRITE, MEMREAD,
	};
	uint32_t nr = below(ARRAY_SIZE(requests)), any = below(256), n;
	unsigned long request = requests[nr];
	uint64_t arg[32];
	void *at;

	begin_call(32);
	if (one_in(8))
		request = _IO('M', any);
	for (n = 0; n < ARRAY_SIZE(arg); n++)
		arg[n] = one_in(2) ? 0 : odd_number();
	/* an address first, or a range, often enough */
	if (one_in(2))
		arg[0] = address();
	if (one_in(2))
		arg[1] = length();
	at = place(arg, sizeof(arg));
	doing("ioctl %#lx", request);
	call(K_OTHER, fd, request, request == MTDFILEMODE ? (void *)(uintptr_t)(any % 5) : at);
}

static void call_array(int fd)
{
	bool write = one_in(2);
	size_t len = length() % (arena_size / 2);
	off_t offset = one_in(16) ? (off_t)odd_number() : (off_t)address();
	ssize_t ret;
	void *at;

	begin_call(32);
	at = place(NULL, len);
	doing("%s, %zu bytes at %#llx", write ? "write" : "read", len, (long long)offset);
	ret = write ? pwrite(fd, at, len, offset) : pread(fd, at, len, offset);
	COUNT(calls[write ? K_WRITE : K_READ]);
	if (ret >= 0)
		COUNT(good[write ? K_WRITE : K_READ]);
}

/*
 * Another node in place of one that was open. @how is a choice, made whether one
 * is opened or not.
 */
static void reopen(unsigned int chip, uint32_t how)
{
	bool ro = !(how % 8), any = !(how / 8 % 8);
	int mode = how / 64 % 4 ? O_RDWR : O_RDONLY, number;

	doing("open");
	if (fds[chip] >= 0)
		close(fds[chip]);
	fds[chip] = -1;
	/* The module can go only while no node is open. */
	if (__atomic_load_n(&shared->shut, __ATOMIC_RELAXED))
		return;
	number = any ? (int)(how / 256 % MAX_NODES) : mtd_number(chip);
	fds[chip] = number < 0 ? number : mtd_open_number(number, ro, ro ? O_RDONLY : mode);
}

static void one_call(void)
{
	/* each process has a chip that it likes best */
	unsigned int chip = one_in(2) ? self % NR_CHIPS : below(NR_CHIPS), what = below(32);
	uint32_t again = below(64), how = below(1 << 16), i;
	int fd;

	if (__atomic_load_n(&shared->shut, __ATOMIC_RELAXED))
		for (i = 0; i < NR_FDS; i++)
			reopen(i, how);
	/* not much happens without one */
	if (!again || (again < 16 && fds[chip] < 0))
		reopen(chip, how);
	fd = fds[chip];
	if (fd < 0)
		usleep(1000);
	if (what < 4)
		call_story(fd, chip);
	else if (what < 14)
		call_crtm(fd, chip, NULL, 0);
	else if (what < 16)
		call_info(fd);
	else if (what < 18)
		call_map(fd);
	else if (what < 22)
		call_cmd(fd);
	else if (what < 26)
		call_range(fd);
	else if (what < 28)
		call_other(fd);
	else
		call_array(fd);
}

static void set_seed(uint32_t seed, uint32_t round, uint32_t process)
{
	rng = (uint64_t)seed << 32 | round << 8 | process;
	random32();
}

static int make_arena(void)
{
	/* far from all else: a spoilt pointer must not hit this program */
	uintptr_t at = sizeof(void *) == 8 ? (uintptr_t)0x220000000 : 0x20000000;

	page = sysconf(_SC_PAGESIZE);
	arena_size = ARENA_PAGES * page;
	arena = mmap((void *)at, arena_size, PROT_READ | PROT_WRITE,
		     MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
	if (arena == MAP_FAILED)
		return -errno;
	if (mmap(arena + arena_size + page, page, PROT_READ,
		 MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0) == MAP_FAILED)
		return -errno;
	return 0;
}

static void start_calling(void)
{
	unsigned int i, slot;

	for (i = 0; i < NR_CHIPS; i++)
		for (slot = 0; slot < NR_SLOTS; slot++) {
			struct keys *k = &keys[i][slot];

			k->slot = slot;
			memset(k->root, 0x10 + slot, RPMC_KEY_LEN);
			block_update_key(k, (const uint8_t *)"keys", block);
		}
	for (i = 0; i < NR_FDS; i++) {
		fds[i] = -1;
		reopen(i, below(1 << 16));
	}
}

static void worker(uint32_t seed, uint32_t round)
{
	pthread_t thread;

	set_seed(seed, round, self);
	if (self == WORKERS - 1)
		drop_sys_admin();
	racer = true;
	if (pthread_create(&thread, NULL, race, (void *)(uintptr_t)seed))
		_exit(2);
	start_calling();
	while (!__atomic_load_n(&shared->stop, __ATOMIC_RELAXED))
		one_call();
	_exit(0);
}

/* The disturber */

static int write_text(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC), ret;

	if (fd < 0)
		return -errno;
	ret = write(fd, text, strlen(text)) < 0 ? -errno : 0;
	close(fd);
	return ret;
}

static int controller(unsigned int chip, const char *what)
{
	char path[128], name[32];

	snprintf(path, sizeof(path), "/sys/bus/platform/drivers/crtm-emu/%s", what);
	snprintf(name, sizeof(name), "crtm-emu.%u", chip);
	return write_text(path, name);
}

static void one_fault(unsigned int chip)
{
	static const char * const faults[] = {
		"stuck", "bitflip", "drop", "power_cut", "eio_before", "eio_after", "pause",
		"short", "garbage", "flip_in", "flip_out", "length", "stale",
	};
	static const char * const ops[] = { "", " 9b", " 96", " 05", " 06", " 03", " 13", " e8",
					    " e2", " 2d", " 70", " any" };
	uint32_t fault = below(ARRAY_SIZE(faults)), count = 1 + below(40);
	uint32_t op = below(ARRAY_SIZE(ops));
	char text[32];

	snprintf(text, sizeof(text), "%s %u%s", faults[fault], count, ops[op]);
	doing("fault of chip %u: %s", chip, text);
	emu_set(chip, "fault", text);
	COUNT(faults);
}

/* What shows the state of chip and driver, read in pieces */
static void read_files(void)
{
	static const char * const patterns[] = {
		"/sys/kernel/debug/spi-nor/spi*/*", "/sys/class/mtd/mtd*/*", "/proc/mtd",
		"/sys/bus/platform/devices/crtm-emu.*/{state,locks,opcodes,fault,id}",
		"/sys/bus/spi/devices/spi*/spi-nor/*", "/sys/kernel/debug/mtd/mtd*/*",
	};
	uint32_t pattern = below(ARRAY_SIZE(patterns)), piece = 1 + below(5000);
	char buf[5000];
	glob_t g;
	size_t i;

	doing("read %s", patterns[pattern]);
	if (glob(patterns[pattern], GLOB_BRACE, NULL, &g))
		return;
	for (i = 0; i < g.gl_pathc; i++) {
		int fd = open(g.gl_pathv[i], O_RDONLY | O_NONBLOCK | O_CLOEXEC);

		while (fd >= 0 && read(fd, buf, piece) > 0)
			;
		close(fd);
	}
	globfree(&g);
}

/* Whatever was done to it: a chip and its driver that work, the driver bound anew */
static int heal(unsigned int chip)
{
	int ret;

	/* the controller may be there or not, and so may the flash */
	controller(chip, "bind");
	emu_set(chip, "fault", "none");
	emu_set(chip, "time_scale", "0");
	emu_set(chip, "power_cycle", "1");
	spi_unbind(chip, "spidev");
	spi_unbind(chip, "spi-nor");
	ret = spi_bind(chip, "spi-nor");
	return ret ? ret : mtd_number(chip) < 0 ? -ENODEV : 0;
}

/* One thing after the other at first, so that a short run has all, and then any */
#define DISTURBANCES	14

static void disturb(unsigned int step)
{
	static const char * const scales[] = { "0", "0", "1", "10", "100" };
	unsigned int chip = below(NR_CHIPS), ms = below(200), scale = below(ARRAY_SIZE(scales));
	unsigned int number = below(MAX_NODES), start = address(), size = length(), tries;
	int ret = -1;

	switch (step < DISTURBANCES ? step : below(2 * DISTURBANCES)) {
	case 0:
		doing("spi-nor of chip %u unbound for %u ms", chip, ms);
		if (!spi_unbind(chip, "spi-nor"))
			COUNT(unbinds);
		usleep(ms * 1000);
		spi_bind(chip, "spi-nor");
		break;
	case 1:
		doing("chip %u with spidev for %u ms", chip, ms);
		spi_unbind(chip, "spi-nor");
		spi_bind(chip, "spidev");
		usleep(ms * 1000);
		spi_unbind(chip, "spidev");
		spi_bind(chip, "spi-nor");
		break;
	case 2:
		doing("controller of chip %u unbound for %u ms", chip, ms);
		if (!controller(chip, "unbind"))
			COUNT(unbinds);
		usleep(ms * 1000);
		controller(chip, "bind");
		break;
	case 3:
		doing("module removed");
		__atomic_store_n(&shared->shut, 1, __ATOMIC_RELAXED);
		for (tries = 0; tries < 50 && ret; tries++) {
			usleep(10000);
			/* others may open again in the middle of the last one */
			if (tries == 40)
				__atomic_store_n(&shared->shut, 0, __ATOMIC_RELAXED);
			ret = syscall(SYS_delete_module, "spi_crtm_emu", O_NONBLOCK);
		}
		__atomic_store_n(&shared->shut, 0, __ATOMIC_RELAXED);
		if (!ret) {
			COUNT(removals);
			load_chips(MODELS);
		}
		break;
	case 4:
		doing("suspend");
		emu_set(chip, "power_off_in_suspend", "1");
		write_text("/sys/module/suspend/parameters/pm_test_delay", "0");
		write_text("/sys/power/pm_test", "devices");
		if (!write_text("/sys/power/state", "mem"))
			COUNT(suspends);
		break;
	case 5:
		doing("partition of chip %u, %u bytes at %u", chip, size, start);
		if (mtd_add_part(chip, "random", start, size) >= 0)
			COUNT(partitions);
		break;
	case 6:
		doing("partition %u of chip %u away", number, chip);
		mtd_del_part(chip, number);
		break;
	case 7:
		read_files();
		break;
	case 8:
		doing("chip %u times %s %%", chip, scales[scale]);
		emu_set(chip, "time_scale", scales[scale]);
		break;
	case 9:
		doing("RESET# of chip %u", chip);
		emu_set(chip, "reset_pin", "1");
		break;
	case 10:
	case 11:
		doing("chip %u off and on", chip);
		emu_set(chip, "fault", "none");
		emu_set(chip, "power_cycle", "1");
		break;
	case 12:
	case 13:
		one_fault(chip);
		break;
	default:
		doing("nothing for %u ms", 2 * ms);
		usleep(2 * ms * 1000);
	}
}

static void disturber(uint32_t seed, uint32_t round)
{
	unsigned int step;

	set_seed(seed, round, self);
	for (step = 0; !__atomic_load_n(&shared->stop, __ATOMIC_RELAXED); step++)
		disturb(step);
	_exit(0);
}

/* Rounds */

static void unwell(unsigned int round, const char *text, int chip, long long value)
{
	COUNT(unwell);
	printf("# round %u, chip %d: %s: %lld\n", round, chip, text, value);
}

/* Chip and driver, after all that was done to them */
static void check_chip(unsigned int round, int chip)
{
	static uint8_t data[SECTOR], back[SECTOR], sectors[MAX_SECTORS], locks[MAX_SECTORS];
	bool crtm = chip <= AUTHENTA_MEM, asp = chip <= ORDINARY;
	uint32_t at = (100 + below(100)) * LOCK_SECTOR;
	struct erase_info_user erase = { .start = at, .length = SECTOR };
	uint8_t nonce[CRTM_INFO_NONCE_LEN];
	struct mtd_asp_map map;
	struct outcome o;
	int fd, ret, i;

	ret = heal(chip);
	if (ret) {
		unwell(round, "cannot be bound", chip, ret);
		return;
	}
	fd = mtd_open(chip, O_RDWR);
	if (fd < 0) {
		unwell(round, "cannot be opened", chip, fd);
		return;
	}
	for (i = 0; i < CRTM_INFO_NONCE_LEN; i++)
		nonce[i] = below(256);
	if (crtm) {
		o = exchange(fd, RD_CRTM_CMD, block, block_get_info(0, nonce, block));
		if (o.ret || o.result || o.status != RPMC_STATUS_SUCCESS ||
		    memcmp(o.out + CRTM_RESP_OFF_PAYLOAD, nonce, sizeof(nonce)))
			unwell(round, "no answer", chip, o.ret ? o.ret : o.result);
	}
	if (chip == OTHER) {
		o = exchange(fd, RD_CRTM_CMD, block, block_request(&keys[chip][0], nonce, block));
		if (o.ret || o.result)
			unwell(round, "no answer", chip, o.ret ? o.ret : o.result);
	}
	if (asp) {
		ret = asp_map(fd, &map, sectors, MAX_SECTORS);
		if (ret || emu_locks(chip, locks) != (int)map.nr ||
		    memcmp(locks, sectors, map.nr))
			unwell(round, "the map is not what the chip has", chip, ret);
		if (sectors[at / LOCK_SECTOR] & MTD_ASP_S_LOCKED)
			goto out;
	}
	for (i = 0; i < (int)SECTOR; i++)
		data[i] = below(256);
	if (ioctl(fd, MEMERASE, &erase) || pwrite(fd, data, SECTOR, at) != SECTOR ||
	    pread(fd, back, SECTOR, at) != SECTOR || memcmp(data, back, SECTOR))
		unwell(round, "the array does not keep what is written", chip, errno);
	if (emu_content(chip, at, back, SECTOR) || memcmp(data, back, SECTOR))
		unwell(round, "the chip has something else", chip, at);
out:
	close(fd);
	/* blocks sent while the chip was busy, and responses read */
	if (emu_state(chip, "violations"))
		unwell(round, "spoken to while busy", chip, emu_state(chip, "violations"));
}

static pid_t start(unsigned int process, uint32_t seed, uint32_t round)
{
	pid_t pid = fork();

	if (pid)
		return pid;
	/* One that hangs must not disturb the next program. */
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	self = process;
	if (process == DISTURBER)
		disturber(seed, round);
	worker(seed, round);
	return -1;
}

/* Wait for a process, and for the chip that it may wait for */
static bool wait_for(pid_t pid, unsigned int process, int *status, bool healing)
{
	uint64_t start = now_ms();
	unsigned int chip;
	pid_t got;

	while (!(got = waitpid(pid, status, WNOHANG)) && now_ms() - start < CALL_S * 1000ULL) {
		healing |= now_ms() - start > PATIENCE_S * 1000ULL;
		for (chip = 0; healing && chip < NR_CHIPS; chip++) {
			emu_set(chip, "fault", "none");
			emu_set(chip, "time_scale", "0");
			emu_set(chip, "power_cycle", "1");
		}
		usleep(20000);
	}
	if (got == pid)
		return true;
	COUNT(hangs);
	printf("# process %u does not end: %s\n", process, shared->doing[process]);
	fflush(stdout);
	/* It may wait for any of the others. */
	if (system("grep -l mtd_random /proc/[0-9]*/task/*/comm | while read -r comm; do "
		   "sed \"s,^,# ${comm%/comm}: ,\" \"${comm%comm}stack\"; done"))
		printf("# no stacks\n");
	return false;
}

static bool do_round(uint32_t seed, unsigned int round, unsigned int ms)
{
	uint64_t end = now_ms() + ms;
	pid_t pid[WORKERS + 1];
	unsigned int i, again = 0;
	int status;

	set_seed(seed, round, 0xff);
	__atomic_store_n(&shared->stop, 0, __ATOMIC_RELAXED);
	for (i = 0; i <= DISTURBER; i++)
		pid[i] = start(i, seed, round);
	while (now_ms() < end) {
		usleep(1000 * below(200));
		i = below(WORKERS);
		if (one_in(4)) {
			kill(pid[i], SIGKILL);
			if (!wait_for(pid[i], i, &status, false))
				return false;
			COUNT(kills);
			/* other calls than those that it has made */
			pid[i] = start(i, seed, round + (++again << 16));
		} else {
			kill(pid[i], SIGUSR1);
			COUNT(signals);
		}
	}
	__atomic_store_n(&shared->stop, 1, __ATOMIC_RELAXED);
	/* the disturber first: it may be about to make things worse */
	for (i = WORKERS + 1; i--; ) {
		if (!wait_for(pid[i], i, &status, true))
			return false;
		if (status) {
			COUNT(unwell);
			printf("# process %u ended with %#x: %s\n", i, status, shared->doing[i]);
		}
	}
	for (i = 0; i < NR_CHIPS; i++)
		check_chip(round, i);
	return true;
}

/* TAP */

static unsigned int tests, failed;

static void result(bool ok, const char *name)
{
	printf("%sok %u - %s\n", ok ? "" : "not ", ++tests, name);
	failed += !ok;
}

static void report(uint32_t seed, unsigned int seconds, unsigned int rounds)
{
	unsigned long calls = 0;
	unsigned int i;

	printf("# report: random seed: %u\n", seed);
	for (i = 0; i < NR_KINDS; i++) {
		calls += shared->calls[i];
		printf("# %s: %lu calls, %lu good\n", kinds[i], shared->calls[i], shared->good[i]);
	}
	for (i = 0; i < nr_commands; i++)
		printf("# %s: %lu accepted\n", commands[i].name,
		       shared->accepted[commands[i].type]);
	for (i = 0; i < NR_ASP_COMMANDS; i++)
		printf("# %s: %lu done\n", asp_commands[i].name, shared->asp[i]);
	printf("# %lu processes killed, %lu signals, %lu drivers unbound, %lu modules removed\n",
	       shared->kills, shared->signals, shared->unbinds, shared->removals);
	printf("# %lu suspends, %lu faults, %lu partitions\n", shared->suspends, shared->faults,
	       shared->partitions);
	printf("# report: random calls: %lu in %u s, %u rounds\n", calls, seconds, rounds);
	printf("# report: random findings: %lu\n",
	       shared->contract + shared->hangs + shared->unwell);
}

static bool all_were_good(void)
{
	unsigned int i;

	for (i = 0; i < NR_KINDS; i++)
		if (!shared->good[i])
			return false;
	return shared->kills && shared->unbinds && shared->removals && shared->faults &&
	       shared->partitions && shared->suspends;
}

static void ignore(int sig)
{
	(void)sig;
}

int main(int argc, char **argv)
{
	struct sigaction sa = { .sa_handler = ignore };
	unsigned int seconds = 20, calls = 0, round;
	uint32_t seed = DEFAULT_SEED;
	bool alive = true, loaded = true;
	uint64_t end;
	int opt;

	while ((opt = getopt(argc, argv, "s:t:n:")) != -1)
		switch (opt) {
		case 's':
			seed = strtoul(optarg, NULL, 0);
			break;
		case 't':
			seconds = atoi(optarg);
			break;
		case 'n':
			calls = atoi(optarg);
			break;
		default:
			fprintf(stderr, "usage: mtd_random [-s SEED] [-t SECONDS | -n CALLS]\n");
			return 2;
		}
	setvbuf(stdout, NULL, _IOLBF, 0);
	sigaction(SIGUSR1, &sa, NULL);
	shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE,
		      MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (shared == MAP_FAILED || make_arena()) {
		perror("mmap");
		return 1;
	}
	if (calls) {
		set_seed(seed, 0, 0);
		start_calling();
		while (calls--)
			one_call();
		printf("%016llx\n", (unsigned long long)digest);
		return shared->contract > 0;
	}

	printf("# seed %u\n", seed);
	end = now_ms() + seconds * 1000ULL;
	for (round = 0; alive && loaded && now_ms() < end; round++) {
		loaded = !load_chips(MODELS);
		if (loaded)
			alive = do_round(seed, round, seconds < MAX_ROUND_MS / 500 ?
					 seconds * 500 : MAX_ROUND_MS);
	}
	write_text("/sys/power/pm_test", "none");
	report(seed, seconds, round);
	result(loaded, "the module can be removed and loaded between rounds");
	result(alive && !shared->hangs, "every call ends");
	result(!shared->contract, "every call keeps the contract");
	result(!shared->unwell, "chips and driver work after each round");
	result(all_were_good(), "every kind of call succeeded once, and every disturbance");
	printf("1..%u\n", tests);
	return failed > 0;
}
