// SPDX-License-Identifier: MIT
/*
 * Memory runs out, and copying to and from user space fails, at the first, the
 * second, the n-th chance of every ioctl, of binding and unbinding, and of reads
 * in debugfs: until a call had no n-th. Each time the call fails properly or
 * works, nothing was sent where there is an errno, nothing was sent twice, the
 * chip is as before or as wanted, and all works again.
 *
 * For a kernel with FAULT_INJECTION, FAILSLAB, FAIL_PAGE_ALLOC, FAULT_INJECTION_USERCOPY
 * and their debugfs; what leaked kmemleak tells.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/blkpg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "common.h"
#include "kselftest_harness.h"

#define CHIP		0
#define REGION		(1U << 20)
#define MAX_N		9999	/* no call has so many chances to fail */
#define LIST		3
#define CONTROLLER	"/sys/bus/platform/drivers/crtm-emu/"

/* Fault injection */

static int nth_fd = -1;

static int put(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY), ret = 0;

	if (fd < 0)
		return -errno;
	if (write(fd, text, strlen(text)) < 0)
		ret = -errno;
	close(fd);
	return ret;
}

/* All that the kernel can make fail, and none of it said in the log. */
static int fail_setup(void)
{
	static const char * const knobs[][2] = {
		{ "failslab/ignore-gfp-wait", "N" },
		{ "failslab/verbose", "0" },
		{ "fail_page_alloc/ignore-gfp-wait", "N" },
		{ "fail_page_alloc/ignore-gfp-highmem", "N" },
		{ "fail_page_alloc/min-order", "0" },
		{ "fail_page_alloc/verbose", "0" },
		{ "fail_usercopy/verbose", "0" },
	};
	char path[128];
	unsigned int i;
	int ret;

	for (i = 0; i < ARRAY_SIZE(knobs); i++) {
		snprintf(path, sizeof(path), "/sys/kernel/debug/%s", knobs[i][0]);
		ret = put(path, knobs[i][1]);
		if (ret)
			return ret;
	}
	nth_fd = open("/proc/thread-self/fail-nth", O_RDWR | O_CLOEXEC);
	if (nth_fd < 0)
		return -errno;
	/* The pages of this program are no part of it. */
	return mlockall(MCL_CURRENT | MCL_FUTURE) ? -errno : 0;
}

static int fail_nth(unsigned int n)
{
	char text[16];
	int len = snprintf(text, sizeof(text), "%u", n);

	return pwrite(nth_fd, text, len, 0) == len ? 0 : -errno;
}

/*
 * Did it fail? And no more of it. Reading and writing here may be what fails:
 * then it was nothing before.
 */
static bool failed(void)
{
	char text[16] = "";
	ssize_t n = pread(nth_fd, text, sizeof(text) - 1, 0);

	while (fail_nth(0))
		;
	return n > 0 && !atoi(text);
}

/* What is asked for, and the chip before and after */

/* load_chips() hundreds of times: without a shell, and modprobe asked once. */
static int reload_chips(const char *chips)
{
	static char path[256];
	char param[64], line[256];
	int fd, ret;

	if (!*path) {
		FILE *f = popen("modprobe -D spi-crtm-emu", "r");

		while (f && fgets(line, sizeof(line), f))
			sscanf(line, "insmod %255s", path);
		if (!f || pclose(f) || !*path)
			return -ENOENT;
		return load_chips(chips);
	}
	if (syscall(SYS_delete_module, "spi_crtm_emu", O_NONBLOCK) && errno != ENOENT)
		return -errno;
	fd = open(path, O_RDONLY | O_CLOEXEC);
	snprintf(param, sizeof(param), "chips=%s", chips);
	ret = syscall(SYS_finit_module, fd, param, 0) ? -errno : 0;
	close(fd);
	return ret;
}

struct nth {
	const char *chips;
	int fd;
	struct keys keys;
	size_t len;
	uint8_t block[MAX_BLOCK];
	struct outcome o;
	struct mtd_crtm_entry entry[LIST];
	struct mtd_crtm_cmd list;
	struct mtd_crtm_info info;
	struct mtd_asp_map map;
	struct mtd_asp_cmd cmd;
	uint8_t sectors[MAX_SECTORS];
	bool kept;	/* the chip is as the preparation left it last time */
	bool unknown;	/* a result that is not an errno: before or as wanted */
	bool less;		/* some of the ioctls say EOPNOTSUPP */
	unsigned int lesser;	/* how often that was so */
	int part;
	char path[128], word[32];	/* what is written to a file of sysfs, or the file read */
	char text[1 << 16];
};

/* What a call may leave different; nothing, where the controller has no driver. */
struct snapshot {
	char state[1024];
	char locks[MAX_SECTORS + 2];
	uint8_t data[2][SECTOR];
};

struct call {
	const char *name;
	int arg;
	int (*prepare)(struct nth *t, int arg);
	int (*run)(struct nth *t, int arg);
	/* NULL, or what is wrong with what was said */
	const char *(*check)(struct nth *t, int arg, int ret);
	uint64_t errors;	/* errnos that are answers too */
	bool half;	/* an errno leaves the chip as before or as wanted */
};

static int snapshot(struct snapshot *s)
{
	static const char * const kept[] = {
		"nvcr", "aspr", "pmr", "frozen", "password_mode", "nvlb", "vlb", "root_keys",
		"hmac_keys", "mc.0", "mc.1", "session", "seq", "derivation_locked", "regions",
		"region.0",
	};
	char text[8192], *line, *save;
	size_t at = 0, i, len;
	ssize_t n;

	memset(s, 0, sizeof(*s));
	n = emu_read(CHIP, "state", text, sizeof(text) - 1);
	if (n < 0)
		return n;
	text[n] = '\0';
	/* But the latch and the busy bit, which the core leaves where the controller fails it. */
	at = snprintf(s->state, sizeof(s->state), "sr=%02llx\n", emu_register(CHIP, "sr") & ~3);
	for (line = strtok_r(text, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
		len = strcspn(line, "=");
		for (i = 0; i < ARRAY_SIZE(kept); i++)
			if (strlen(kept[i]) == len && !strncmp(kept[i], line, len))
				at += snprintf(s->state + at, sizeof(s->state) - at, "%s\n", line);
	}
	n = emu_read(CHIP, "locks", s->locks, sizeof(s->locks) - 1);
	if (n < 0)
		return n;
	n = emu_content(CHIP, 0, s->data[0], SECTOR);
	return n ? n : emu_content(CHIP, REGION, s->data[1], SECTOR);
}

static bool same(const struct snapshot *a, const struct snapshot *b)
{
	return !memcmp(a, b, sizeof(*a));
}

/* What could change a chip. The driver asks for the regions of A-CRTM by a command of its own. */
static int changes(void)
{
	static const uint8_t changing[] = {
		0x06, 0x01, 0x02, 0x20, 0xd8, 0xc7, 0xc4, 0x12, 0x21, 0xdc,
		ASP_OP_WRASPR, ASP_OP_WRVLB, ASP_OP_WRVLB_4B, ASP_OP_WRNVLB, ASP_OP_ERNVLB,
		ASP_OP_WRFREEZE, ASP_OP_WRPASS, ASP_OP_UNLOCK, ASP_OP_WRPMR,
	};
	unsigned int i;
	int sum = 0;

	for (i = 0; i < ARRAY_SIZE(changing); i++)
		sum += emu_opcode(CHIP, changing[i]);
	return sum;
}

/*
 * Preparations. On a new chip, unless the one that is there is as the preparation left it
 * before: then a call leaves the same every time.
 */

static int send(struct nth *t, size_t len)
{
	t->o = exchange(t->fd, WR_CRTM_CMD, t->block, len);
	if (t->o.ret)
		return t->o.ret;
	return t->o.done == 1 && t->o.status == RPMC_STATUS_SUCCESS ? 0 : -EPROTO;
}

static int reopen(struct nth *t)
{
	if (t->fd >= 0)
		close(t->fd);
	t->fd = mtd_open(CHIP, O_RDWR);
	return t->fd < 0 ? t->fd : 0;
}

static int new_chip(struct nth *t, int arg)
{
	int ret;

	(void)arg;
	/* The call may have unbound it. */
	t->kept = t->kept && mtd_number(CHIP) >= 0;
	if (t->kept)
		return t->fd < 0 ? reopen(t) : 0;
	if (t->fd >= 0)
		close(t->fd);
	t->fd = -1;
	ret = reload_chips(t->chips);
	if (!ret)
		ret = emu_set(CHIP, "time_scale", "0");
	memset(&t->keys, 0, sizeof(t->keys));
	memset(t->keys.root, 0x10, RPMC_KEY_LEN);
	return ret ? ret : reopen(t);
}

static const uint8_t nonce[32] = "a nonce of thirty-two bytes.....";

static size_t build(struct nth *t, int type)
{
	switch (type) {
	case RPMC_WRITE_ROOT_KEY:
		return block_root_key(&t->keys, t->block);
	case RPMC_UPDATE_HMAC_KEY:
		return block_update_key(&t->keys, nonce, t->block);
	case RPMC_INCREMENT_COUNTER:
		return block_increment(&t->keys, t->block);
	case RPMC_REQUEST_COUNTER:
		return block_request(&t->keys, nonce, t->block);
	case CRTM_OPEN_SESSION:
		return block_open(&t->keys, nonce, t->block);
	case CRTM_CLOSE_SESSION:
		return block_close(&t->keys, t->block);
	case CRTM_ERASE:
		return block_erase(&t->keys, REGION, SECTOR, t->block);
	case CRTM_PROGRAM:
		return block_program(&t->keys, REGION, nonce, sizeof(nonce), t->block);
	case CRTM_PROTECT:
		return block_protect(&t->keys, REGION, CRTM_REGION_UNIT, CRTM_PROTECT_ADD,
				     t->block);
	case CRTM_MEASURE:
		return block_measure(0, nonce, REGION, SECTOR, t->block);
	case CRTM_DERIVE_KEY:
		return block_derive(0, "a label, 16 byte", REGION, SECTOR, t->block);
	case CRTM_GET_INFO:
		return block_get_info(0, nonce, t->block);
	default:
		return block_plain(command(type), 0, t->block);
	}
}

/* Up to where the chip takes the command, and the block for it. */
static int crtm_prepare(struct nth *t, int type)
{
	static const uint8_t steps[] = {
		RPMC_WRITE_ROOT_KEY, RPMC_UPDATE_HMAC_KEY, CRTM_OPEN_SESSION, CRTM_PROTECT,
	};
	unsigned int n = 2, i;
	int ret = new_chip(t, 0);

	if (ret || t->kept)
		return ret;
	if (type == RPMC_WRITE_ROOT_KEY)
		n = 0;
	else if (type >= CRTM_CLOSE_SESSION && type <= CRTM_PROTECT)
		n = 3;
	else if (type == CRTM_DERIVE_KEY)
		n = 4;
	for (i = 0; !ret && i < n; i++)
		ret = send(t, build(t, steps[i]));
	t->len = build(t, type);
	return ret;
}

static int locked(struct nth *t, int arg)
{
	int ret = new_chip(t, arg);

	return ret || t->kept ? ret : mtd_lock(t->fd, LOCK_SECTOR, 3 * LOCK_SECTOR);
}

static int nv_locked(struct nth *t, int arg)
{
	int ret = new_chip(t, arg);

	return ret || t->kept ? ret : asp_do(t->fd, MTD_ASP_NV_LOCK, 4 * LOCK_SECTOR, LOCK_SECTOR);
}

static int with_password(struct nth *t, int arg)
{
	int ret = new_chip(t, arg);

	return ret || t->kept ? ret : asp_do(t->fd, MTD_ASP_PASSWORD_PROGRAM, 0, 0);
}

static int password_mode(struct nth *t, int arg)
{
	int ret = new_chip(t, arg);

	if (ret || t->kept)
		return ret;
	ret = asp_do(t->fd, MTD_ASP_PASSWORD_MODE, 0, 0);
	return ret ? ret : emu_set(CHIP, "power_cycle", "1");
}

/* Files to be written, with everything looked up before memory runs out. */

static int closed(struct nth *t, int arg)
{
	int ret = new_chip(t, arg);

	if (ret)
		return ret;
	snprintf(t->path, sizeof(t->path), "/dev/mtd%d", mtd_number(CHIP));
	close(t->fd);
	t->fd = -1;
	return 0;
}

static int bound(struct nth *t, int arg)
{
	int ret = closed(t, arg);

	snprintf(t->path, sizeof(t->path), "/sys/bus/spi/drivers/spi-nor/unbind");
	return ret ? ret : spi_name(CHIP, t->word, sizeof(t->word));
}

static int unbound(struct nth *t, int arg)
{
	int ret = bound(t, arg);

	snprintf(t->path, sizeof(t->path), "/sys/bus/spi/drivers/spi-nor/bind");
	return ret ? ret : spi_unbind(CHIP, "spi-nor");
}

static int controller_bound(struct nth *t, int arg)
{
	int ret = closed(t, arg);

	snprintf(t->path, sizeof(t->path), CONTROLLER "unbind");
	snprintf(t->word, sizeof(t->word), "crtm-emu.%d", CHIP);
	return ret;
}

static int controller_unbound(struct nth *t, int arg)
{
	int ret = controller_bound(t, arg);

	if (!ret)
		ret = put(t->path, t->word);
	snprintf(t->path, sizeof(t->path), CONTROLLER "bind");
	return ret;
}

static int file(struct nth *t, int nr)
{
	static const char * const names[] = { "capabilities", "params", "sector-protection" };
	int ret = new_chip(t, nr);

	if (!ret)
		ret = spi_name(CHIP, t->word, sizeof(t->word));
	snprintf(t->path, sizeof(t->path), "/sys/kernel/debug/spi-nor/%s/%s", t->word, names[nr]);
	return ret;
}

static int partitioned(struct nth *t, int arg)
{
	int ret = new_chip(t, arg);

	if (!ret)
		ret = t->part = mtd_add_part(CHIP, "part", REGION, REGION);
	return ret < 0 ? ret : 0;
}

/* Calls */

static int crtm_run(struct nth *t, int type)
{
	bool read = command(type)->class == CRTM_RD;

	t->o = exchange(t->fd, read ? RD_CRTM_CMD : WR_CRTM_CMD, t->block, t->len);
	return t->o.ret;
}

/* What the driver sends by itself after an answer with a secret is not the block. */
static const char *crtm_check(struct nth *t, int type, int ret)
{
	int seen = emu_opcode(CHIP, RPMC_OP1_DEFAULT);
	int most = command(type)->flags & CRTM_F_SECRET ? 2 : 1;

	if (ret)
		return seen ? "an errno, and yet it was sent" : NULL;
	if (t->o.sent != 1)
		return "success, and yet it was not sent";
	if (seen > most)
		return "sent twice";
	t->unknown = t->o.result == -EIO;
	if (t->unknown)
		return t->o.out_len || t->o.done ? "a response of unknown outcome" : NULL;
	if (t->o.result || t->o.done != 1)
		return "neither done nor unknown";
	if (t->o.status != RPMC_STATUS_SUCCESS)
		return "refused";
	return t->o.out_len && seen ? NULL : "a response to nothing";
}

static int list_prepare(struct nth *t, int arg)
{
	(void)arg;
	return crtm_prepare(t, CRTM_GET_INFO);
}

static int list_run(struct nth *t, int arg)
{
	unsigned int i;

	(void)arg;
	for (i = 0; i < LIST; i++)
		t->entry[i] = (struct mtd_crtm_entry) {
			.in = (uintptr_t)t->block,
			.in_len = t->len,
			.out = (uintptr_t)(t->sectors + i * MAX_RESPONSE),
			.out_len = MAX_RESPONSE,
		};
	t->list = (struct mtd_crtm_cmd) {
		.size = sizeof(t->list), .nr = LIST, .entries = (uintptr_t)t->entry,
	};
	return ioctl(t->fd, RD_CRTM_CMD, &t->list) ? -errno : 0;
}

static const char *list_check(struct nth *t, int arg, int ret)
{
	unsigned int seen = emu_opcode(CHIP, RPMC_OP1_DEFAULT), sent = 0, i;

	(void)arg;
	if (ret)
		return seen ? "an errno, and yet something was sent" : NULL;
	while (sent < LIST && t->entry[sent].sent == 1)
		sent++;
	for (i = sent; i < LIST; i++)
		if (t->entry[i].sent)
			return "sent after one that was not";
	if (seen > sent)
		return "more than what is said to have been sent";
	if (t->list.done > sent || t->list.done + 1 < sent)
		return "done and sent disagree";
	for (i = 0; i < t->list.done; i++)
		if (t->entry[i].result || t->entry[i].status != RPMC_STATUS_SUCCESS)
			return "done, but not well";
	if (sent > t->list.done && t->entry[sent - 1].result != -EIO)
		return "not done, and yet not unknown";
	t->unknown = t->list.done < LIST;
	return sent ? NULL : "success, and nothing was sent";
}

static int info_run(struct nth *t, int arg)
{
	(void)arg;
	memset(&t->info, 0, sizeof(t->info));
	t->info.size = sizeof(t->info);
	return ioctl(t->fd, MTD_CRTM_INFO, &t->info) ? -errno : 0;
}

static const char *info_check(struct nth *t, int arg, int ret)
{
	(void)arg;
	if (changes() || emu_opcode(CHIP, RPMC_OP1_DEFAULT))
		return "a question, and yet something was sent";
	return ret || t->info.chip_size == CHIP_SIZE ? NULL : "not the chip";
}

static int map_run(struct nth *t, int nr)
{
	return asp_map(t->fd, &t->map, t->sectors, nr);
}

static const char *map_check(struct nth *t, int nr, int ret)
{
	(void)nr;
	if (changes())
		return "a question, and yet something was changed";
	return ret || t->map.nr == CHIP_SIZE / LOCK_SECTOR ? NULL : "not the chip";
}

static int asp_run(struct nth *t, int nr)
{
	asp_init(&t->cmd, nr);
	return asp_cmd(t->fd, &t->cmd);
}

static const char *asp_check(struct nth *t, int nr, int ret)
{
	(void)nr;
	if (ret)
		return changes() ? "an errno, and yet something was sent" : NULL;
	t->unknown = t->cmd.result;
	if (!t->cmd.result)
		return t->cmd.sent == 1 ? NULL : "success, and nothing was sent";
	return t->cmd.result == -EIO ? NULL : "a result of its own";
}

static int lock_run(struct nth *t, int sectors)
{
	return mtd_lock(t->fd, LOCK_SECTOR, sectors * LOCK_SECTOR);
}

static int unlock_run(struct nth *t, int sectors)
{
	return mtd_unlock(t->fd, LOCK_SECTOR, sectors * LOCK_SECTOR);
}

static int is_locked_run(struct nth *t, int sectors)
{
	int ret = mtd_is_locked(t->fd, LOCK_SECTOR, sectors * LOCK_SECTOR);

	return ret < 0 ? ret : ret != 1;
}

static const char *lock_check(struct nth *t, int arg, int ret)
{
	(void)t;
	(void)arg;
	return ret > 0 ? "locked sectors are said to be open" : NULL;
}

static int erase_run(struct nth *t, int at)
{
	struct erase_info_user erase = { .start = at, .length = SECTOR };

	return ioctl(t->fd, MEMERASE, &erase) ? -errno : 0;
}

static int write_run(struct nth *t, int at)
{
	ssize_t n = pwrite(t->fd, nonce, sizeof(nonce), at);

	if (n < 0)
		return -errno;
	return n == sizeof(nonce) ? 0 : -EIO;
}

static int read_run(struct nth *t, int at)
{
	ssize_t n = pread(t->fd, t->sectors, SECTOR, at);

	if (n < 0)
		return -errno;
	return n == SECTOR ? 0 : -EIO;
}

static int open_run(struct nth *t, int arg)
{
	(void)arg;
	t->fd = open(t->path, O_RDWR | O_CLOEXEC);
	return t->fd < 0 ? -errno : 0;
}

static int put_run(struct nth *t, int arg)
{
	(void)arg;
	return put(t->path, t->word);
}

static int file_run(struct nth *t, int arg)
{
	size_t at = 0;
	ssize_t n;
	int fd, ret;

	(void)arg;
	memset(t->text, 0, sizeof(t->text));
	fd = open(t->path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	while ((n = read(fd, t->text + at, sizeof(t->text) - at)) > 0)
		at += n;
	ret = n < 0 ? -errno : 0;
	close(fd);
	return ret;
}

static const char *file_check(struct nth *t, int arg, int ret)
{
	(void)arg;
	if (changes())
		return "a look, and yet something was sent";
	return ret || *t->text ? NULL : "an empty file";
}

static int blkpg_run(struct nth *t, int op)
{
	struct blkpg_partition part = {
		.start = REGION, .length = REGION, .pno = t->part, .devname = "part",
	};
	struct blkpg_ioctl_arg arg = { .op = op, .datalen = sizeof(part), .data = &part };

	return ioctl(t->fd, BLKPG, &arg) ? -errno : 0;
}

static const char *any_check(struct nth *t, int arg, int ret)
{
	(void)t;
	(void)arg;
	return ret > 0 ? "neither 0 nor an errno" : NULL;
}

#define E(_errno)	(1ULL << (_errno))

static const struct call calls[] = {
/* EBUSY: before the block the chip was not seen ready. */
#define CRTM(_name, _type)							\
	{ "CRTM_CMD, " _name, _type, crtm_prepare, crtm_run, crtm_check,		\
	  E(EBUSY), false }
	CRTM("write root key", RPMC_WRITE_ROOT_KEY),
	CRTM("update key", RPMC_UPDATE_HMAC_KEY),
	CRTM("increment counter", RPMC_INCREMENT_COUNTER),
	CRTM("request counter", RPMC_REQUEST_COUNTER),
	CRTM("open session", CRTM_OPEN_SESSION),
	CRTM("close session", CRTM_CLOSE_SESSION),
	CRTM("erase", CRTM_ERASE),
	CRTM("program", CRTM_PROGRAM),
	CRTM("protect", CRTM_PROTECT),
	CRTM("measure", CRTM_MEASURE),
	CRTM("derive key", CRTM_DERIVE_KEY),
	CRTM("lock derivation", CRTM_LOCK_DERIVATION),
	CRTM("get information", CRTM_GET_INFO),
	{ "RD_CRTM_CMD, a list", 0, list_prepare, list_run, list_check, E(EBUSY), false },
	{ "MTD_CRTM_INFO", 0, new_chip, info_run, info_check, 0, false },
	{ "MTD_ASP_MAP, registers", 0, new_chip, map_run, map_check, E(EIO), false },
#define ASP(_name, _nr, _prepare)						\
	{ "MTD_ASP_CMD, " _name, _nr, _prepare, asp_run, asp_check, E(EIO), false }
	ASP("lock down", MTD_ASP_LOCK_DOWN, new_chip),
	ASP("non-volatile lock", MTD_ASP_NV_LOCK, new_chip),
	ASP("freeze", MTD_ASP_FREEZE, new_chip),
	ASP("password unlock", MTD_ASP_PASSWORD_UNLOCK, password_mode),
	ASP("password verify", MTD_ASP_PASSWORD_VERIFY, with_password),
	ASP("password program", MTD_ASP_PASSWORD_PROGRAM, new_chip),
	ASP("password mode", MTD_ASP_PASSWORD_MODE, new_chip),
	ASP("no password mode", MTD_ASP_NO_PASSWORD, new_chip),
	ASP("PMR, status register", MTD_ASP_PMR_STATUS, new_chip),
	ASP("PMR, itself", MTD_ASP_PMR_PMR, new_chip),
	ASP("PMR, non-volatile locks", MTD_ASP_PMR_NVLB, new_chip),
	ASP("PMR, their erase", MTD_ASP_PMR_NV_ERASE, new_chip),
	{ "MEMLOCK", 3, new_chip, lock_run, any_check, E(EIO), false },
	{ "MEMUNLOCK", 3, locked, unlock_run, any_check, E(EIO), false },
	{ "MEMISLOCKED", 3, locked, is_locked_run, lock_check, E(EIO), false },
	{ "MEMERASE", REGION, new_chip, erase_run, any_check, E(EIO), true },
	{ "write", REGION, new_chip, write_run, any_check, E(EIO), true },
	{ "read", REGION, new_chip, read_run, any_check, E(EIO), false },
	/* What the core makes of a device whose name cannot be allocated. */
	{ "BLKPG_ADD_PARTITION", BLKPG_ADD_PARTITION, new_chip, blkpg_run, any_check, E(EINVAL),
	  false },
	{ "BLKPG_DEL_PARTITION", BLKPG_DEL_PARTITION, partitioned, blkpg_run, any_check, 0, false },
	{ "open", 0, closed, open_run, any_check, 0, false },
	{ "debugfs, capabilities", 0, file, file_run, file_check, 0, false },
	{ "debugfs, parameters", 1, file, file_run, file_check, 0, false },
	{ "debugfs, sector protection", 2, file, file_run, file_check, 0, false },
	/* These look at every sector. */
	{ "MTD_ASP_MAP", MAX_SECTORS, new_chip, map_run, map_check, E(EIO), false },
	ASP("erase of non-volatile locks", MTD_ASP_NV_ERASE, nv_locked),
	{ "unbind", 0, bound, put_run, any_check, 0, false },
	{ "bind", 0, unbound, put_run, any_check, E(EINVAL), false },
	{ "unbind of the controller", 0, controller_bound, put_run, any_check, 0, false },
	/* Why there is no device, spi_new_device() does not tell. */
	{ "bind of the controller", 0, controller_unbound, put_run, any_check,
	  E(EINVAL) | E(ENODEV), false },
};

/* It does all that it did. */
static const char *whole(struct nth *t)
{
	uint8_t data[SECTOR], block[MAX_BLOCK];
	struct mtd_info_user user;
	struct mtd_asp_map map;
	struct outcome o;
	int ret;

	if (reopen(t))
		return "it cannot be opened";
	if (ioctl(t->fd, MEMGETINFO, &user) || user.size != CHIP_SIZE)
		return "MEMGETINFO";
	if (pread(t->fd, data, SECTOR, 0) != SECTOR)
		return "it cannot be read";
	o = exchange(t->fd, RD_CRTM_CMD, block, block_get_info(0, nonce, block));
	ret = asp_map(t->fd, &map, NULL, 0);
	t->less = o.ret == -EOPNOTSUPP || ret == -EOPNOTSUPP;
	if (o.ret || o.result || o.status != RPMC_STATUS_SUCCESS)
		return "no exchange is possible";
	return ret ? "MTD_ASP_MAP" : NULL;
}

/*
 * There is a device, bound again if it has to be. One that was bound without memory may
 * have less than all (the core takes an SFDP that cannot be read for none) until it is
 * bound again.
 */
static const char *well(struct nth *t, bool binds)
{
	const char *wrong;

	if (mtd_number(CHIP) < 0) {
		put(CONTROLLER "bind", "crtm-emu.0");
		if (mtd_number(CHIP) < 0 && spi_bind(CHIP, "spi-nor"))
			return "it cannot be bound again";
	}
	wrong = whole(t);
	if (!binds || !t->less)
		return wrong;

	t->lesser++;
	close(t->fd);
	t->fd = -1;
	if (spi_unbind(CHIP, "spi-nor") || spi_bind(CHIP, "spi-nor"))
		return "it cannot be bound again";
	return whole(t);
}

/* One call with its n-th chance to fail taken; @more: there was one. */
static const char *one(struct nth *t, const struct call *call, unsigned int n,
		       const struct snapshot *before, const struct snapshot *wanted, int *ret,
		       bool *more)
{
	static struct snapshot now;
	const char *wrong;

	*more = false;
	t->kept = !snapshot(&now) && same(before, &now);
	*ret = call->prepare(t, call->arg);
	if (*ret)
		return "it cannot be prepared";
	snapshot(&now);
	if (!same(before, &now))
		return "it does not begin as it did";
	emu_clear(CHIP);
	t->unknown = false;
	if (fail_nth(n))
		return "no fault injection";
	*ret = call->run(t, call->arg);
	*more = failed();

	if (*ret < 0 && *ret != -ENOMEM && *ret != -EFAULT &&
	    (*ret < -63 || !(call->errors & E(-*ret))))
		return "an errno that says something else";
	if (*ret && !*more)
		return "it fails by itself";
	wrong = call->check(t, call->arg, *ret);
	if (wrong)
		return wrong;
	if (t->unknown && !*more)
		return "an unknown outcome by itself";
	/* Without its driver the controller has no files to be looked at by. */
	if (!snapshot(&now)) {
		if (*ret && !call->half && !same(before, &now))
			return "an errno, and yet the chip is another";
		if (!*ret && !t->unknown && !same(wanted, &now))
			return "success, and the chip is not as wanted";
		if (!same(before, &now) && !same(wanted, &now))
			return "the chip is neither as before nor as wanted";
	}
	return well(t, call->run == put_run);
}

FIXTURE(fail_nth) {
	struct nth t;
	struct snapshot before, wanted;
};

FIXTURE_VARIANT(fail_nth) {
	const char *chips;
};

FIXTURE_VARIANT_ADD(fail_nth, spi) { .chips = "mt25qu128-authenta:spi" };
FIXTURE_VARIANT_ADD(fail_nth, mem) { .chips = "mt25qu128-authenta:mem" };

FIXTURE_SETUP(fail_nth)
{
	self->t.fd = -1;
	self->t.chips = variant->chips;
	ASSERT_EQ(0, fail_setup());
}

FIXTURE_TEARDOWN(fail_nth)
{
	close(self->t.fd);
}

TEST_F_TIMEOUT(fail_nth, every_call, 3000)
{
	unsigned int i, n, total = 0;
	const struct call *call;
	const char *wrong;
	bool more;
	int ret;

	for (i = 0; i < ARRAY_SIZE(calls); i++) {
		call = &calls[i];
		self->t.kept = false;
		ASSERT_EQ(0, call->prepare(&self->t, call->arg)) TH_LOG("%s", call->name);
		snapshot(&self->before);
		ASSERT_EQ(0, call->run(&self->t, call->arg)) TH_LOG("%s", call->name);
		snapshot(&self->wanted);
		for (n = 1, more = true; more; n++) {
			ASSERT_LT(n, MAX_N) TH_LOG("%s", call->name);
			wrong = one(&self->t, call, n, &self->before, &self->wanted, &ret, &more);
			EXPECT_EQ(NULL, wrong)
				TH_LOG("%s: n %u: %s (%d)", call->name, n, wrong, ret);
		}
		printf("# %s: %u\n", call->name, n - 2);
		fflush(stdout);
		total += n - 2;
	}
	printf("# bound with less than all: %u\n", self->t.lesser);
	printf("# report: fail-nth: %zu calls, %u faults (%s)\n", ARRAY_SIZE(calls), total,
	       variant->chips);
	fflush(stdout);
}

TEST_HARNESS_MAIN
