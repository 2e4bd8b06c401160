// SPDX-License-Identifier: MIT
/*
 * Secrets in kernel memory: a root key that went through the ioctls is nowhere in the
 * machine's memory afterwards, freed or not, whether the call succeeded or failed. Read
 * from /proc/kcore.
 *
 * The chip refuses what random bytes it is sent, and wipes them as the driver does: so any
 * copy is somebody's who forgot to.
 *
 * Freed memory is soon somebody else's, so each call has its secret in many blocks, and the
 * process that made it sleeps, its kernel stack as it was, until all was read. For a kernel
 * that does not poison what is freed.
 */
#define _GNU_SOURCE
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common.h"
#include "kselftest_harness.h"

#define CHUNK		(1 << 20)
/* A segment that is longer is address space, not memory. */
#define MAX_SEGMENT	(1ULL << 36)
#define NEEDLE		8
/* This process must not hold what it looks for. */
#define MASK		0xa5
/* Blocks of one call, each with the secret */
#define LIST		64

static bool is_needle(const uint8_t *p, const uint8_t *masked)
{
	int i;

	for (i = 0; i < NEEDLE; i++)
		if ((p[i] ^ MASK) != masked[i])
			return false;
	return true;
}

/* How often the needle is in the first @len bytes of @chunk */
static int count_in(const uint8_t *chunk, size_t len, const uint8_t *masked)
{
	const uint8_t *p = chunk, *end = chunk + len;
	int n = 0;

	while (p < end && (p = memchr(p, masked[0] ^ MASK, end - p)))
		n += is_needle(p++, masked);
	return n;
}

/* How often the needle is in the machine's memory; -errno */
static int count_in_memory(const uint8_t *masked)
{
	static uint8_t chunk[CHUNK + NEEDLE];
	unsigned long long seen = 0;
	Elf64_Phdr *phdr = NULL;
	int fd, i, n = 0;
	Elf64_Ehdr ehdr;

	fd = open("/proc/kcore", O_RDONLY);
	if (fd < 0)
		return -errno;
	if (pread(fd, &ehdr, sizeof(ehdr), 0) == sizeof(ehdr))
		phdr = calloc(ehdr.e_phnum, sizeof(*phdr));
	if (!phdr || pread(fd, phdr, ehdr.e_phnum * sizeof(*phdr), ehdr.e_phoff) < 0) {
		close(fd);
		return -EIO;
	}
	for (i = 0; i < ehdr.e_phnum; i++) {
		uint64_t at, left;
		ssize_t len;

		/* physical memory, at its place in the kernel's map */
		if (phdr[i].p_type != PT_LOAD || phdr[i].p_filesz > MAX_SEGMENT ||
		    phdr[i].p_paddr == (Elf64_Addr)-1)
			continue;
		for (at = 0; at < phdr[i].p_filesz; at += CHUNK) {
			left = phdr[i].p_filesz - at;
			len = pread(fd, chunk, left < sizeof(chunk) ? left : sizeof(chunk),
				    phdr[i].p_offset + at);
			if (len < NEEDLE)
				continue;
			seen += len;
			len -= NEEDLE;
			n += count_in(chunk, len < CHUNK ? len + 1 : CHUNK, masked);
			explicit_bzero(chunk, sizeof(chunk));
		}
	}
	close(fd);
	free(phdr);
	/* half of what is there, at least: it was really read */
	if (seen / 2 < (unsigned long long)sysconf(_SC_PHYS_PAGES) * sysconf(_SC_PAGESIZE) / 4)
		return -ENODATA;
	return n;
}

/* Take the needle out of @secret, which is wiped. */
static void take(uint8_t *masked, void *secret, size_t at, size_t size)
{
	const uint8_t *p = (uint8_t *)secret + at;
	int i;

	for (i = 0; i < NEEDLE; i++)
		masked[i] = p[i] ^ MASK;
	explicit_bzero(secret, size);
}

/* What a call tells, when it was made */
struct told {
	volatile bool made;
	int ret;
	uint8_t masked[NEEDLE];
};

FIXTURE(secret) {
	int chip, fd, pid;
	long page;
	/* a page, and one behind it that is nobody's */
	uint8_t *mem;
	struct told *told;
};

FIXTURE_VARIANT(secret) {
	const char *chips;
	bool controller;	/* of interest is the controller, not all cases again */
};

FIXTURE_VARIANT_ADD(secret, spi) { .chips = "mt25qu128-authenta:spi" };
FIXTURE_VARIANT_ADD(secret, mem) { .chips = "mt25qu128-authenta:mem", .controller = true };

FIXTURE_SETUP(secret)
{
	ASSERT_EQ(0, load_chips(variant->chips));
	ASSERT_EQ(0, emu_set(self->chip, "time_scale", "0"));
	self->fd = mtd_open(self->chip, O_RDWR);
	ASSERT_GE(self->fd, 0);
	self->page = sysconf(_SC_PAGESIZE);
	self->mem = mmap(NULL, 2 * self->page, PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	ASSERT_NE(MAP_FAILED, self->mem);
	ASSERT_EQ(0, mprotect(self->mem + self->page, self->page, PROT_NONE));
	self->told = mmap(NULL, sizeof(*self->told), PROT_READ | PROT_WRITE,
			  MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	ASSERT_NE(MAP_FAILED, self->told);
}

FIXTURE_TEARDOWN(secret)
{
	close(self->fd);
}

/* @_call in a process that sleeps afterwards. */
#define SLEEPER(_call) do {							\
	memset(self->told, 0, sizeof(*self->told));				\
	self->pid = fork();							\
	ASSERT_GE(self->pid, 0);						\
	if (!self->pid) {							\
		_call;								\
		self->told->made = true;					\
		for (;;)							\
			pause();						\
	}									\
	while (!self->told->made && !waitpid(self->pid, NULL, WNOHANG))		\
		usleep(1000);							\
	ASSERT_TRUE(self->told->made);						\
} while (0)

#define EXPECT_FORGOTTEN(_what) do {						\
	int _n = count_in_memory(self->told->masked);				\
										\
	/* One may be what an interrupt saved of the registers that copied it. */ \
	EXPECT_TRUE(_n == 0 || _n == 1) TH_LOG("%s: %d", _what, _n);		\
	kill(self->pid, SIGKILL);						\
	ASSERT_EQ(self->pid, waitpid(self->pid, NULL, 0));			\
} while (0)

/* What the kernel does keep is found. */
TEST_F_TIMEOUT(secret, control, 120)
{
	int fd[2];

	ASSERT_EQ(0, pipe(fd));
	ASSERT_EQ(64, getrandom(self->mem, 64, 0));
	ASSERT_EQ(64, write(fd[1], self->mem, 64));
	take(self->told->masked, self->mem, 8, self->page);
	EXPECT_EQ(1, count_in_memory(self->told->masked));
}

struct key_case {
	const char *what;
	unsigned long request;
	int more, missing, rsvd, slot, out_len, ret;
	const char *fault;
};

/* A list of blocks with one root key; all but the last are well-formed. */
static void send_key(const struct key_case *c, int fd, uint8_t *end, struct told *told)
{
	const struct cmd *cmd = command(RPMC_WRITE_ROOT_KEY);
	static struct mtd_crtm_entry entry[LIST];
	size_t len = cmd->min + c->more;
	uint8_t *last = end - len + c->missing, *first = last - cmd->min;
	struct mtd_crtm_cmd arg = {
		.size = sizeof(arg), .nr = LIST, .entries = (uintptr_t)entry,
	};
	int i;

	if (getrandom(first, cmd->min, 0) != cmd->min)
		_exit(1);
	first[0] = RPMC_OP1_DEFAULT;
	first[RPMC_OFF_TYPE] = RPMC_WRITE_ROOT_KEY;
	first[RPMC_OFF_SLOT] = 0;
	first[RPMC_OFF_RSVD] = 0;
	memcpy(last, first, cmd->min - c->missing);
	last[RPMC_OFF_SLOT] = c->slot;
	last[RPMC_OFF_RSVD] = c->rsvd;
	for (i = 0; i < LIST; i++)
		entry[i] = (struct mtd_crtm_entry) {
			.in = (uintptr_t)first, .in_len = cmd->min,
		};
	entry[LIST - 1].in = (uintptr_t)last;
	entry[LIST - 1].in_len = len;
	if (c->out_len) {
		entry[LIST - 1].out = (uintptr_t)entry;
		entry[LIST - 1].out_len = c->out_len;
	}
	told->ret = ioctl(fd, c->request, &arg) ? -errno : 0;
	take(told->masked, first, RPMC_HDR_LEN + 8, end - first);
}

/* A root key on its way, with each way to fail. */
TEST_F_TIMEOUT(secret, root_key, 300)
{
	static const struct key_case cases[] = {
		{ .what = "refused by the chip", .request = WR_CRTM_CMD },
		{ .what = "the wrong direction", .request = RD_CRTM_CMD, .ret = -EPERM },
		{ .what = "too long", .request = WR_CRTM_CMD, .more = 1, .ret = -EMSGSIZE },
		{ .what = "the last byte is not there", .request = WR_CRTM_CMD, .missing = 1,
		  .ret = -EFAULT },
		{ .what = "reserved byte", .request = WR_CRTM_CMD, .rsvd = 1, .ret = -EINVAL },
		{ .what = "no such slot", .request = WR_CRTM_CMD, .slot = 99, .ret = -EINVAL },
		{ .what = "no room for the response", .request = WR_CRTM_CMD, .out_len = 3,
		  .ret = -EMSGSIZE },
		{ .what = "fails before", .request = WR_CRTM_CMD, .fault = "eio_before" },
		{ .what = "fails after", .request = WR_CRTM_CMD, .fault = "eio_after" },
		{ .what = "dropped", .request = WR_CRTM_CMD, .fault = "drop" },
		{ .what = "response fails", .request = WR_CRTM_CMD, .fault = "eio_after 2 96" },
	};
	unsigned int i;

	/* The controller meets no more than the block. */
	for (i = 0; i < (variant->controller ? 1 : ARRAY_SIZE(cases)); i++) {
		ASSERT_EQ(0, emu_set(self->chip, "fault", cases[i].fault ?: "none"));
		SLEEPER(send_key(&cases[i], self->fd, self->mem + self->page, self->told));
		EXPECT_EQ(cases[i].ret, self->told->ret) TH_LOG("%s", cases[i].what);
		ASSERT_EQ(0, emu_set(self->chip, "fault", "none"));
		EXPECT_FORGOTTEN(cases[i].what);
	}
}

TEST_HARNESS_MAIN
