// SPDX-License-Identifier: MIT
/*
 * What the kselftests of MTD's security ioctls share.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <linux/blkpg.h>
#include <linux/capability.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "common.h"

#define CMD(_type, _sym, _name, _class, _flags, _min, _max, _resp, _addr, _len, _unit, _limit,	\
	    _rsvd, _nrsvd, _typ, _max_us, _typ64, _max64)					\
	{ _name, _type, _class, _flags, _min, _max, _resp, _addr, _len, _unit, _limit, _rsvd,	\
	  _nrsvd, _max_us, _max64 },

const struct cmd commands[] = { RPMC_COMMANDS(CMD) CRTM_COMMANDS(CMD) };
const unsigned int nr_commands = sizeof(commands) / sizeof(commands[0]);

const struct cmd *command(uint8_t type)
{
	unsigned int i;

	for (i = 0; i < nr_commands; i++)
		if (commands[i].type == type)
			return &commands[i];
	return NULL;
}

#define ASP_COMMAND(_nr, _sym, _name, _flags, _confirm) [_nr] = { _name, _flags, _confirm },

const struct asp_command asp_commands[NR_ASP_COMMANDS] = { ASP_COMMANDS(ASP_COMMAND) };

int load_chips(const char *chips)
{
	char command[256];

	/* the shell's modprobe knows where the module is */
	snprintf(command, sizeof(command),
		 "[ ! -d /sys/module/spi_crtm_emu ] || rmmod spi-crtm-emu && "
		 "modprobe spi-crtm-emu chips=%s", chips);
	return system(command) ? -EIO : 0;
}

int emu_path(char *buf, size_t size, int chip, const char *attr)
{
	return snprintf(buf, size, "/sys/bus/platform/devices/crtm-emu.%d/%s", chip, attr);
}

static int write_file(const char *path, const void *data, size_t len)
{
	int fd = open(path, O_WRONLY), ret = 0;
	size_t done = 0;
	ssize_t n;

	if (fd < 0)
		return -errno;
	/* sysfs takes a page at a time from a binary attribute */
	do {
		n = write(fd, (const char *)data + done, len - done);
		if (n < 0)
			ret = -errno;
		else
			done += n;
	} while (!ret && done < len);
	close(fd);
	return ret;
}

int emu_write(int chip, const char *attr, const void *data, size_t len)
{
	char path[128];

	emu_path(path, sizeof(path), chip, attr);
	return write_file(path, data, len);
}

int emu_set(int chip, const char *attr, const char *text)
{
	return emu_write(chip, attr, text, strlen(text));
}

ssize_t emu_read(int chip, const char *attr, void *data, size_t size)
{
	char path[128];
	size_t done = 0;
	ssize_t n;
	int fd;

	emu_path(path, sizeof(path), chip, attr);
	fd = open(path, O_RDONLY);
	if (fd < 0)
		return -errno;
	while ((n = read(fd, (char *)data + done, size - done)) > 0)
		done += n;
	if (n < 0)
		n = -errno;
	close(fd);
	return n < 0 ? n : (ssize_t)done;
}

static long long state(int chip, const char *key, int base)
{
	char text[8192], *p = text;
	size_t len = strlen(key);
	ssize_t n;

	n = emu_read(chip, "state", text, sizeof(text) - 1);
	if (n < 0)
		return n;
	text[n] = '\0';
	while (p) {
		if (!strncmp(p, key, len) && p[len] == '=')
			return strtoull(p + len + 1, NULL, base);
		p = strchr(p, '\n');
		if (p)
			p++;
	}
	return -1;
}

long long emu_state(int chip, const char *key)
{
	return state(chip, key, 10);
}

long long emu_register(int chip, const char *key)
{
	return state(chip, key, 16);
}

int emu_opcode(int chip, uint8_t opcode)
{
	char text[8192], *p, *next;
	unsigned long op;
	ssize_t n;

	n = emu_read(chip, "opcodes", text, sizeof(text) - 1);
	if (n < 0)
		return n;
	text[n] = '\0';
	for (p = text; *p; p = next) {
		op = strtoul(p, &next, 16);
		n = strtol(next, &next, 10);
		if (next == p)
			return -EBADMSG;
		if (op == opcode)
			return n;
		while (*next == '\n')
			next++;
	}
	return 0;
}

void emu_clear(int chip)
{
	emu_set(chip, "opcodes", "0");
	emu_set(chip, "trace", "0");
}

int emu_store(int chip, off_t offset, const void *data, size_t len)
{
	char path[128];
	int fd, ret = 0;

	emu_path(path, sizeof(path), chip, "content");
	fd = open(path, O_WRONLY);
	if (fd < 0)
		return -errno;
	if (pwrite(fd, data, len, offset) != (ssize_t)len)
		ret = -EIO;
	close(fd);
	return ret;
}

int emu_content(int chip, off_t offset, void *data, size_t len)
{
	char path[128];
	int fd, ret = 0;

	emu_path(path, sizeof(path), chip, "content");
	fd = open(path, O_RDONLY);
	if (fd < 0)
		return -errno;
	while (len && !ret) {
		ssize_t n = pread(fd, data, len, offset);

		if (n <= 0) {
			ret = n ? -errno : -EIO;
			break;
		}
		data = (char *)data + n;
		offset += n;
		len -= n;
	}
	close(fd);
	return ret;
}

/* What @pattern matches below the chip's controller, which may have a device of its own. */
static int controller_glob(int chip, const char *pattern, glob_t *g)
{
	char path[192], attr[128];

	snprintf(attr, sizeof(attr), "{,*.*/}spi_master/spi*/%s", pattern);
	emu_path(path, sizeof(path), chip, attr);
	return glob(path, GLOB_BRACE, NULL, g) ? -ENODEV : 0;
}

/* The one entry that @pattern matches: its last component. */
static int chip_glob(int chip, const char *pattern, char *buf, size_t size)
{
	glob_t g;

	if (controller_glob(chip, pattern, &g))
		return -ENODEV;
	snprintf(buf, size, "%s", strrchr(g.gl_pathv[0], '/') + 1);
	globfree(&g);
	return 0;
}

int mtd_number(int chip)
{
	int best = -ENODEV;
	glob_t g;
	size_t i;

	if (controller_glob(chip, "spi*.0/mtd/mtd*[0-9]", &g))
		return -ENODEV;
	for (i = 0; i < g.gl_pathc; i++) {
		int n = atoi(strrchr(g.gl_pathv[i], '/') + strlen("/mtd"));

		if (best < 0 || n < best)
			best = n;
	}
	globfree(&g);
	return best;
}

int mtd_open_number(int number, bool ro, int flags)
{
	char path[32];
	int fd;

	snprintf(path, sizeof(path), "/dev/mtd%d%s", number, ro ? "ro" : "");
	fd = open(path, flags | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

int mtd_open(int chip, int flags)
{
	int number = mtd_number(chip);

	return number < 0 ? number : mtd_open_number(number, false, flags);
}

static int blkpg(int chip, int op, const char *name, int number, long long start, long long len)
{
	struct blkpg_partition part = { .start = start, .length = len, .pno = number };
	struct blkpg_ioctl_arg arg = { .op = op, .datalen = sizeof(part), .data = &part };
	int fd = mtd_open(chip, O_RDWR), ret;

	if (fd < 0)
		return fd;
	snprintf(part.devname, sizeof(part.devname), "%s", name);
	ret = ioctl(fd, BLKPG, &arg) ? -errno : 0;
	close(fd);
	return ret;
}

int mtd_add_part(int chip, const char *name, long long start, long long len)
{
	char found[64];
	glob_t g;
	size_t i;
	int ret;

	ret = blkpg(chip, BLKPG_ADD_PARTITION, name, 0, start, len);
	if (ret)
		return ret;
	if (controller_glob(chip, "spi*.0/mtd/mtd*[0-9]/name", &g))
		return -ENODEV;
	ret = -ENODEV;
	for (i = 0; i < g.gl_pathc; i++) {
		int fd = open(g.gl_pathv[i], O_RDONLY);
		ssize_t n = read(fd, found, sizeof(found) - 1);

		close(fd);
		if (n <= 0)
			continue;
		found[n] = '\0';
		found[strcspn(found, "\n")] = '\0';
		if (!strcmp(found, name))
			ret = atoi(strstr(g.gl_pathv[i], "/mtd/mtd") + strlen("/mtd/mtd"));
	}
	globfree(&g);
	return ret;
}

int mtd_del_part(int chip, int number)
{
	return blkpg(chip, BLKPG_DEL_PARTITION, "", number, 0, 0);
}

int spi_name(int chip, char *buf, size_t size)
{
	return chip_glob(chip, "spi*.0", buf, size);
}

static int spi_driver(int chip, const char *driver, const char *what)
{
	char path[128], name[32];
	int ret;

	ret = spi_name(chip, name, sizeof(name));
	if (ret)
		return ret;
	snprintf(path, sizeof(path), "/sys/bus/spi/drivers/%s/%s", driver, what);
	return write_file(path, name, strlen(name));
}

int spi_bind(int chip, const char *driver)
{
	char path[128], name[32];
	int ret;

	ret = spi_name(chip, name, sizeof(name));
	if (ret)
		return ret;
	/* An empty line takes the override away again. */
	snprintf(path, sizeof(path), "/sys/bus/spi/devices/%s/driver_override", name);
	ret = write_file(path, driver, strlen(driver));
	return ret ? ret : spi_driver(chip, driver, "bind");
}

int spi_unbind(int chip, const char *driver)
{
	return spi_driver(chip, driver, "unbind");
}

int drop_sys_admin(void)
{
	struct __user_cap_header_struct hdr = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct data[2];

	if (syscall(SYS_capget, &hdr, data))
		return -errno;
	data[CAP_TO_INDEX(CAP_SYS_ADMIN)].effective &= ~CAP_TO_MASK(CAP_SYS_ADMIN);
	return syscall(SYS_capset, &hdr, data) ? -errno : 0;
}

int kmsg_open(void)
{
	int fd = open("/dev/kmsg", O_RDONLY | O_NONBLOCK | O_CLOEXEC);

	if (fd < 0)
		return -errno;
	lseek(fd, 0, SEEK_END);
	return fd;
}

int kmsg_count(int kmsg, const char *text)
{
	char record[2048];
	int count = 0;
	ssize_t n;

	/* a record a read; EPIPE: some were overwritten before they were read */
	while ((n = read(kmsg, record, sizeof(record) - 1)) > 0 || (n < 0 && errno == EPIPE)) {
		record[n < 0 ? 0 : n] = '\0';
		count += !!strstr(record, text);
	}
	return count;
}

int asp_map(int fd, struct mtd_asp_map *map, uint8_t *sectors, uint32_t nr)
{
	memset(map, POISON, sizeof(*map));
	memset(sectors, POISON, nr);
	map->size = sizeof(*map);
	map->flags = 0;
	map->nr = nr;
	map->sectors = nr ? (uintptr_t)sectors : 0;
	return ioctl(fd, MTD_ASP_MAP, map) ? -errno : 0;
}

int asp_sector(int fd, uint32_t sector)
{
	static uint8_t sectors[MAX_SECTORS];
	struct mtd_asp_map map;
	int ret;

	ret = asp_map(fd, &map, sectors, MAX_SECTORS);
	if (ret)
		return ret;
	return sector < map.nr ? sectors[sector] : -ERANGE;
}

void asp_init(struct mtd_asp_cmd *cmd, unsigned int nr)
{
	*cmd = (struct mtd_asp_cmd) {
		.size = sizeof(*cmd),
		.cmd = nr,
		.result = 0x5a5a5a5a,
		.done = 0x5a5a5a5a,
		.sent = POISON,
		.state = POISON,
	};
	if (nr >= NR_ASP_COMMANDS)
		return;
	if (asp_commands[nr].flags & ASP_F_RANGE)
		cmd->length = LOCK_SECTOR;
	if (asp_commands[nr].flags & ASP_F_PASSWORD)
		memcpy(cmd->password, ASP_TEST_PASSWORD, sizeof(cmd->password));
	strncpy(cmd->confirm, asp_commands[nr].confirm, sizeof(cmd->confirm) - 1);
}

int asp_cmd(int fd, struct mtd_asp_cmd *cmd)
{
	return ioctl(fd, MTD_ASP_CMD, cmd) ? -errno : 0;
}

int asp_do(int fd, unsigned int nr, uint64_t offset, uint64_t length)
{
	struct mtd_asp_cmd cmd;
	int ret;

	asp_init(&cmd, nr);
	cmd.offset = offset;
	cmd.length = length;
	ret = asp_cmd(fd, &cmd);
	return ret ? ret : cmd.result;
}

static int range(int fd, unsigned long request, uint32_t start, uint32_t length)
{
	struct erase_info_user user = { .start = start, .length = length };
	int ret = ioctl(fd, request, &user);

	return ret < 0 ? -errno : ret;
}

int mtd_lock(int fd, uint32_t start, uint32_t length)
{
	return range(fd, MEMLOCK, start, length);
}

int mtd_unlock(int fd, uint32_t start, uint32_t length)
{
	return range(fd, MEMUNLOCK, start, length);
}

int mtd_is_locked(int fd, uint32_t start, uint32_t length)
{
	return range(fd, MEMISLOCKED, start, length);
}

void put32(uint8_t *p, uint32_t value)
{
	p[0] = value >> 24;
	p[1] = value >> 16;
	p[2] = value >> 8;
	p[3] = value;
}

uint32_t get32(const uint8_t *p)
{
	return (uint32_t)p[0] << 24 | p[1] << 16 | p[2] << 8 | p[3];
}

size_t block_plain(const struct cmd *cmd, uint8_t slot, uint8_t *block)
{
	memset(block, POISON, cmd->max);
	block[0] = RPMC_OP1_DEFAULT;
	block[RPMC_OFF_TYPE] = cmd->type;
	block[RPMC_OFF_SLOT] = slot;
	block[RPMC_OFF_RSVD] = 0;
	if (cmd->addr)
		put32(block + cmd->addr, 0);
	if (cmd->len)
		put32(block + cmd->len, cmd->unit);
	memset(block + cmd->rsvd, 0, cmd->nrsvd);
	return cmd->min;
}

struct outcome exchange_cap(int fd, unsigned long request, const void *block, size_t len,
			    uint32_t cap)
{
	struct outcome o;
	struct mtd_crtm_entry entry = {
		.in = (uintptr_t)block,
		.out = cap ? (uintptr_t)o.out : 0,
		.in_len = len,
		.out_len = cap,
		.result = 0x5a5a5a5a,
		.status = POISON,
		.sent = POISON,
	};
	struct mtd_crtm_cmd cmd = {
		.size = sizeof(cmd),
		.nr = 1,
		.done = 0x5a5a5a5a,
		.entries = (uintptr_t)&entry,
	};

	memset(&o, POISON, sizeof(o));
	o.ret = ioctl(fd, request, &cmd) ? -errno : 0;
	o.done = cmd.done;
	o.out_len = entry.out_len;
	o.result = entry.result;
	o.status = entry.status;
	o.sent = entry.sent;
	return o;
}

struct outcome exchange(int fd, unsigned long request, const void *block, size_t len)
{
	return exchange_cap(fd, request, block, len, MAX_RESPONSE);
}

static void header(uint8_t type, uint8_t slot, uint8_t *block)
{
	block[0] = RPMC_OP1_DEFAULT;
	block[RPMC_OFF_TYPE] = type;
	block[RPMC_OFF_SLOT] = slot;
	block[RPMC_OFF_RSVD] = 0;
}

static size_t sign(const uint8_t key[32], uint8_t *block, size_t len)
{
	hmac_sha256(key, RPMC_KEY_LEN, block, len, block + len);
	return len + RPMC_SIG_LEN;
}

size_t block_root_key(const struct keys *k, uint8_t *block)
{
	uint8_t mac[SHA256_LEN];

	header(RPMC_WRITE_ROOT_KEY, k->slot, block);
	memcpy(block + 4, k->root, RPMC_KEY_LEN);
	hmac_sha256(k->root, RPMC_KEY_LEN, block, 4, mac);
	memcpy(block + 36, mac + SHA256_LEN - RPMC_ROOT_SIG_LEN, RPMC_ROOT_SIG_LEN);
	return 64;
}

size_t block_update_key(struct keys *k, const uint8_t data[4], uint8_t *block)
{
	header(RPMC_UPDATE_HMAC_KEY, k->slot, block);
	memcpy(block + 4, data, 4);
	hmac_sha256(k->root, RPMC_KEY_LEN, data, 4, k->hkr);
	return sign(k->hkr, block, 8);
}

size_t block_increment(const struct keys *k, uint8_t *block)
{
	header(RPMC_INCREMENT_COUNTER, k->slot, block);
	put32(block + 4, k->mc);
	return sign(k->hkr, block, 8);
}

size_t block_request(const struct keys *k, const uint8_t tag[12], uint8_t *block)
{
	header(RPMC_REQUEST_COUNTER, k->slot, block);
	memcpy(block + 4, tag, RPMC_TAG_LEN);
	return sign(k->hkr, block, 16);
}

size_t block_open(struct keys *k, const uint8_t nonce[16], uint8_t *block)
{
	uint8_t seed[24] = CRTM_SESSION_DOMAIN;

	header(CRTM_OPEN_SESSION, k->slot, block);
	put32(block + CRTM_OFF_MC, k->mc);
	memcpy(block + CRTM_OFF_NONCE, nonce, CRTM_OPEN_NONCE_LEN);
	put32(seed + 4, k->mc + 1);
	memcpy(seed + 8, nonce, CRTM_OPEN_NONCE_LEN);
	hmac_sha256(k->hkr, RPMC_KEY_LEN, seed, sizeof(seed), k->sk);
	k->seq = 0;
	return sign(k->hkr, block, 24);
}

size_t block_close(const struct keys *k, uint8_t *block)
{
	header(CRTM_CLOSE_SESSION, k->slot, block);
	put32(block + CRTM_OFF_SEQ, k->seq);
	return sign(k->sk, block, 8);
}

size_t block_erase(const struct keys *k, uint32_t addr, uint32_t len, uint8_t *block)
{
	header(CRTM_ERASE, k->slot, block);
	put32(block + CRTM_OFF_SEQ, k->seq);
	put32(block + CRTM_OFF_ADDR, addr);
	put32(block + CRTM_OFF_LEN, len);
	return sign(k->sk, block, 16);
}

size_t block_program(const struct keys *k, uint32_t addr, const void *data, size_t len,
		     uint8_t *block)
{
	header(CRTM_PROGRAM, k->slot, block);
	put32(block + CRTM_OFF_SEQ, k->seq);
	put32(block + CRTM_OFF_ADDR, addr);
	memcpy(block + CRTM_OFF_DATA, data, len);
	return sign(k->sk, block, CRTM_OFF_DATA + len);
}

size_t block_protect(const struct keys *k, uint32_t addr, uint32_t len, uint8_t mode,
		     uint8_t *block)
{
	header(CRTM_PROTECT, k->slot, block);
	put32(block + CRTM_OFF_SEQ, k->seq);
	put32(block + CRTM_OFF_ADDR, addr);
	put32(block + CRTM_OFF_LEN, len);
	put32(block + CRTM_OFF_MODE, (uint32_t)mode << 24);
	return sign(k->sk, block, 20);
}

size_t block_measure(uint8_t slot, const uint8_t nonce[32], uint32_t addr, uint32_t len,
		     uint8_t *block)
{
	header(CRTM_MEASURE, slot, block);
	memcpy(block + CRTM_MEASURE_OFF_NONCE, nonce, CRTM_MEASURE_NONCE_LEN);
	put32(block + CRTM_MEASURE_OFF_ADDR, addr);
	put32(block + CRTM_MEASURE_OFF_LEN, len);
	return 44;
}

size_t block_derive(uint8_t slot, const char label[16], uint32_t addr, uint32_t len,
		    uint8_t *block)
{
	header(CRTM_DERIVE_KEY, slot, block);
	memcpy(block + CRTM_DERIVE_OFF_LABEL, label, CRTM_DERIVE_LABEL_LEN);
	put32(block + CRTM_DERIVE_OFF_ADDR, addr);
	put32(block + CRTM_DERIVE_OFF_LEN, len);
	return 28;
}

size_t block_get_info(uint8_t slot, const uint8_t nonce[16], uint8_t *block)
{
	header(CRTM_GET_INFO, slot, block);
	memcpy(block + CRTM_INFO_OFF_NONCE, nonce, CRTM_INFO_NONCE_LEN);
	return 20;
}

bool rpmc_signed(const uint8_t key[32], const struct outcome *o)
{
	uint8_t mac[SHA256_LEN];

	if (o->out_len != RPMC_RESP_LEN)
		return false;
	hmac_sha256(key, RPMC_KEY_LEN, o->out + RPMC_RESP_OFF_TAG, RPMC_TAG_LEN + 4, mac);
	return !memcmp(mac, o->out + RPMC_RESP_OFF_SIG, SHA256_LEN);
}

bool crtm_signed(const uint8_t key[32], const void *block, size_t len, const struct outcome *o)
{
	uint8_t msg[4 + SHA256_LEN + MAX_RESPONSE] = CRTM_RESP_DOMAIN, mac[SHA256_LEN];
	size_t n;

	if (o->out_len < CRTM_RESP_OVERHEAD || o->out_len > MAX_RESPONSE)
		return false;
	n = o->out_len - RPMC_SIG_LEN;
	sha256(block, len, msg + 4);
	memcpy(msg + 4 + SHA256_LEN, o->out, n);
	hmac_sha256(key, RPMC_KEY_LEN, msg, 4 + SHA256_LEN + n, mac);
	return !memcmp(mac, o->out + n, SHA256_LEN);
}
