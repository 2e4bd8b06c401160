// SPDX-License-Identifier: MIT
/*
 * Secrets in kernel memory: root keys, derived keys and passwords that went through the
 * ioctls are nowhere in the machine's memory afterwards, freed or not, whether the call
 * succeeded or failed. Read from /proc/kcore.
 *
 * The chip refuses what random bytes it is sent, and wipes them as the driver does: so any
 * copy is somebody's who forgot to. The derived key is the chip's own.
 *
 * Freed memory is soon somebody else's, so a root key is in many blocks of its call, and the
 * process that made it sleeps, its kernel stack as it was, until all was read. For a kernel
 * that does not poison what is freed.
 *
 * An interrupt saves the registers, and with them what they just held of a secret: nobody can
 * wipe that. It is rare, and what somebody forgot to wipe is there each time: so what was found
 * is looked for again, with another secret, and failed is what was found every time.
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

#include "asp.h"
#include "common.h"
#include "kselftest_harness.h"
#include "session.h"

#define CHUNK		(1 << 20)
/* A segment that is longer is address space, not memory. */
#define MAX_SEGMENT	(1ULL << 36)
#define NEEDLE		6
/* This process must not hold what it looks for. */
#define MASK		0xa5
/* Blocks of one call, each with the secret */
#define LIST		64
/* Found so often, one after the other, is found */
#define TRIES		3
#define MAX_TOLD	4
/* Of /proc/kpageflags: what a page is */
#define PAGE_SLAB	7
#define PAGE_FREE	10
#define PAGE_USER	12

static bool is_needle(const uint8_t *p, const uint8_t *masked)
{
	int i;

	for (i = 0; i < NEEDLE; i++)
		if ((p[i] ^ MASK) != masked[i])
			return false;
	return true;
}

/* For who looks into a failure: where it is, and what that page is used for */
static void tell(uint64_t addr)
{
	int fd = open("/proc/kpageflags", O_RDONLY);
	uint64_t flags = 0;

	if (fd < 0 || pread(fd, &flags, sizeof(flags), addr / sysconf(_SC_PAGESIZE) * 8) <= 0)
		flags = 0;
	if (fd >= 0)
		close(fd);
	printf("# found at %llx, %s (%llx)\n", (unsigned long long)addr,
	       flags >> PAGE_SLAB & 1 ? "slab" : flags >> PAGE_FREE & 1 ? "free" :
	       flags >> PAGE_USER & 1 ? "a process's" : "the kernel's, a stack perhaps",
	       (unsigned long long)flags);
}

/* How often the needle is in the first @len bytes of @chunk, which is physical memory @addr */
static int count_in(const uint8_t *chunk, size_t len, const uint8_t *masked, uint64_t addr)
{
	const uint8_t *p = chunk, *end = chunk + len;
	int n = 0;

	for (; p < end && (p = memchr(p, masked[0] ^ MASK, end - p)); p++)
		if (is_needle(p, masked) && n++ < MAX_TOLD)
			tell(addr + (p - chunk));
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
			n += count_in(chunk, len < CHUNK ? len + 1 : CHUNK, masked,
				      phdr[i].p_paddr + at);
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

/* Byte by byte: what a vector register has held is saved with the others. */
static void copy(void *to, const void *from, size_t len)
{
	const volatile uint8_t *p = from;
	volatile uint8_t *q = to;

	while (len--)
		*q++ = *p++;
}

/* Take the needle out of @secret, which is wiped. */
static void take(uint8_t *masked, void *secret, size_t at, size_t size)
{
	const volatile uint8_t *p = (uint8_t *)secret + at;
	int i;

	for (i = 0; i < NEEDLE; i++)
		masked[i] = p[i] ^ MASK;
	explicit_bzero(secret, size);
}

/* What a call tells, when it was made */
struct told {
	volatile bool made;
	int ret, result;
	uint8_t masked[NEEDLE];
};

FIXTURE(secret) {
	int chip, fd, pid;
	long page;
	/* a page, and one behind it that is nobody's */
	uint8_t *mem;
	struct told *told;
	uint8_t block[MAX_BLOCK];
	struct outcome o;
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

/* How often the secret is found, and the process ended. */
#define FOUND() ({								\
	int _n = count_in_memory(self->told->masked);				\
										\
	kill(self->pid, SIGKILL);						\
	ASSERT_EQ(self->pid, waitpid(self->pid, NULL, 0));			\
	_n;									\
})

/* What the kernel does keep is found. */
TEST_F_TIMEOUT(secret, control, 120)
{
	int fd[2];

	ASSERT_EQ(0, pipe(fd));
	ASSERT_EQ(64, getrandom(self->mem, 64, 0));
	ASSERT_EQ(64, write(fd[1], self->mem, 64));
	take(self->told->masked, self->mem, 8, self->page);
	EXPECT_LE(1, count_in_memory(self->told->masked));
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
	copy(last, first, cmd->min - c->missing);
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
	unsigned int i, try;
	int n;

	/* The controller meets no more than the block. */
	for (i = 0; i < (variant->controller ? 1 : ARRAY_SIZE(cases)); i++) {
		for (n = 1, try = 0; n > 0 && try < TRIES; try++) {
			ASSERT_EQ(0, emu_set(self->chip, "fault", cases[i].fault ?: "none"));
			SLEEPER(send_key(&cases[i], self->fd, self->mem + self->page, self->told));
			EXPECT_EQ(cases[i].ret, self->told->ret) TH_LOG("%s", cases[i].what);
			ASSERT_EQ(0, emu_set(self->chip, "fault", "none"));
			n = FOUND();
		}
		ASSERT_EQ(0, n) TH_LOG("%s", cases[i].what);
	}
}

/* The same label, the same key: the first answer says what the key is, the second may fail. */
static void derive(int chip, int fd, const char *label, const char *fault, uint8_t *out,
		   struct told *told)
{
	/* behind what the next block would overwrite of the driver's buffer */
	size_t at = CRTM_RESP_OFF_PAYLOAD + 20;
	uint8_t block[MAX_BLOCK], masked[NEEDLE];
	struct mtd_crtm_entry entry = {
		.in = (uintptr_t)block, .in_len = block_derive(0, label, 0, LOCK_SECTOR, block),
		.out = (uintptr_t)out,
	};
	struct mtd_crtm_cmd arg = {
		.size = sizeof(arg), .nr = 1, .entries = (uintptr_t)&entry,
	};
	int i;

	for (i = 0; i < 2 && !told->ret; i++) {
		if (i && fault && emu_set(chip, "fault", fault))
			_exit(1);
		entry.out_len = command(CRTM_DERIVE_KEY)->resp;
		told->ret = ioctl(fd, RD_CRTM_CMD, &arg) ? -errno : 0;
		told->result = entry.result;
		take(i ? masked : told->masked, out, at, command(CRTM_DERIVE_KEY)->resp);
	}
}

/* A key that the chip derived: as its answer, and where that could not be had. */
TEST_F_TIMEOUT(secret, derived_key, 300)
{
	static const uint8_t nonce[CRTM_INFO_NONCE_LEN] = "a nonce";
	static const char * const faults[] = { NULL, "eio_after 3 96", "garbage 3 96" };
	char label[CRTM_DERIVE_LABEL_LEN + 1];
	unsigned int i, try;
	struct keys keys;
	int n;

	test_keys(&keys, 0);
	PROVISION(&keys);
	OPEN_SESSION(&keys);
	IN_SESSION(&keys, block_protect(&keys, 0, LOCK_SECTOR, CRTM_PROTECT_ADD, self->block));

	for (i = 0; i < (variant->controller ? 1 : ARRAY_SIZE(faults)); i++) {
		for (n = 1, try = 0; n > 0 && try < TRIES; try++) {
			snprintf(label, sizeof(label), "label %u, %u    ", i, try);
			SLEEPER(derive(self->chip, self->fd, label, faults[i], self->mem,
				       self->told));
			ASSERT_EQ(0, self->told->ret);
			EXPECT_EQ(faults[i] ? -EIO : 0, self->told->result)
				TH_LOG("%s", faults[i]);
			ASSERT_EQ(0, emu_set(self->chip, "fault", "none"));
			/* what failed is made forget by whoever comes next */
			if (faults[i])
				SEND(RD_CRTM_CMD, block_get_info(0, nonce, self->block));
			n = FOUND();
		}
		ASSERT_EQ(0, n) TH_LOG("%s", faults[i] ?: "answered");
	}
}

struct password_case {
	const char *what;
	unsigned int nr;
	bool no_confirm, password_mode;
	int missing, ret, result;
	const char *fault;
};

static void send_password(const struct password_case *c, int fd, uint8_t *end,
			  struct told *told)
{
	size_t len = sizeof(struct mtd_asp_cmd) - c->missing;
	struct mtd_asp_cmd init, *cmd = (void *)(end - len);

	asp_init(&init, c->nr);
	if (c->no_confirm)
		memset(init.confirm, 0, sizeof(init.confirm));
	copy(cmd, &init, len);
	if (getrandom(cmd->password, sizeof(cmd->password), 0) != sizeof(cmd->password))
		_exit(1);
	told->ret = asp_cmd(fd, cmd);
	told->result = cmd->result;
	/* not what a register read next would overwrite of the driver's buffer */
	take(told->masked, cmd->password, 2, sizeof(cmd->password));
}

/* A password, with each way to fail. */
TEST_F_TIMEOUT(secret, password, 300)
{
	static const struct password_case cases[] = {
		{ .what = "verify", .nr = MTD_ASP_PASSWORD_VERIFY, .result = -EKEYREJECTED },
		{ .what = "no confirmation", .nr = MTD_ASP_PASSWORD_MODE, .no_confirm = true,
		  .ret = -EINVAL },
		{ .what = "the end is not there", .nr = MTD_ASP_PASSWORD_PROGRAM, .missing = 16,
		  .ret = -EFAULT },
		{ .what = "not in password mode", .nr = MTD_ASP_PASSWORD_UNLOCK, .ret = -EACCES },
		{ .what = "not sent", .nr = MTD_ASP_PASSWORD_PROGRAM, .result = -EIO,
		  .fault = "eio_before 1 28" },
		{ .what = "unlock", .nr = MTD_ASP_PASSWORD_UNLOCK, .password_mode = true,
		  .result = -EKEYREJECTED },
		{ .what = "unlock fails", .nr = MTD_ASP_PASSWORD_UNLOCK, .password_mode = true,
		  .result = -EIO, .fault = "eio_after 1 29" },
		{ .what = "unlock is not sent", .nr = MTD_ASP_PASSWORD_UNLOCK,
		  .password_mode = true, .result = -EIO, .fault = "eio_before 1 29" },
	};
	bool password_mode = false;
	unsigned int i, try;
	int n;

	for (i = 0; i < ARRAY_SIZE(cases); i++) {
		/* One case will do for what the controller meets. */
		if (variant->controller && (!cases[i].password_mode || cases[i].fault))
			continue;
		if (cases[i].password_mode && !password_mode) {
			ASSERT_EQ(0, asp_do(self->fd, MTD_ASP_PASSWORD_MODE, 0, 0));
			ASSERT_EQ(0, emu_set(self->chip, "power_cycle", "1"));
			password_mode = true;
		}
		for (n = 1, try = 0; n > 0 && try < TRIES; try++) {
			ASSERT_EQ(0, emu_set(self->chip, "fault", cases[i].fault ?: "none"));
			SLEEPER(send_password(&cases[i], self->fd, self->mem + self->page,
					      self->told));
			EXPECT_EQ(cases[i].ret, self->told->ret) TH_LOG("%s", cases[i].what);
			if (!cases[i].ret)
				EXPECT_EQ(cases[i].result, self->told->result)
					TH_LOG("%s", cases[i].what);
			ASSERT_EQ(0, emu_set(self->chip, "fault", "none"));
			n = FOUND();
		}
		ASSERT_EQ(0, n) TH_LOG("%s", cases[i].what);
	}
}

TEST_HARNESS_MAIN
