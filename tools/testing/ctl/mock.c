// SPDX-License-Identifier: MIT
/*
 * Stands in for /dev/mtdN under a program that is being tested (LD_PRELOAD).
 *
 * The folder $CRTM_MOCK holds:
 *   dev/mtdN  a node; lines "key value" change what MTD_CRTM_INFO says: flags,
 *             slots, offset, size, max_list, hold; "errno NAME" makes
 *             MTD_CRTM_INFO fail, "open NAME" makes open() fail. MTD_ASP_MAP: "asp
 *             NAME" makes it fail, "map NAME" if it is asked for sectors, asp_flags, aspr,
 *             pmr, sr, and first and nr, which follow from offset and size otherwise
 *   sectors   a byte for each sector of the chip, MTD_ASP_S_*; 0 behind its end
 *   sys/      the node's folder in sysfs
 *   script    one line a block or command, what becomes of it; "ok" when there is none left:
 *               ok            accepted, with an answer of the right form
 *               refuse ST     refused with this status (hex)
 *               unknown NAME  sent, result -NAME
 *               unsent        the list stops in front of it
 *               errno NAME    the whole call fails
 *               stale         as ok, answering another nonce
 *               raw HEX       accepted, with this answer
 *               scan BYTE     as ok, but first look for eight such bytes in a row,
 *                             or their hex digits, in all of the program's memory
 *               result NAME:DONE:STATE  a command of sector protection ended so
 *   scan      if there: a byte in hex to look for like that when the program ends
 *   log       written: "call wr 2", then a line "block HEX" for each block sent; "lock
 *             OFFSET LENGTH", "unlock OFFSET LENGTH", "asp NUMBER OFFSET LENGTH PASSWORD
 *             CONFIRMATION"
 *   content   the chip's array, for "measure"
 * It checks nothing that the kernel checks: what reaches it is what would be sent.
 */
#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <mtd/mtd-user.h>
#include <openssl/evp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <crtm.h>

#include "hex.h"

static int node_fd = -1;
static char node_path[512];

static FILE *open_file(const char *name, const char *mode)
{
	char path[512];

	snprintf(path, sizeof(path), "%s/%s", getenv("CRTM_MOCK"), name);
	return fopen(path, mode);
}

static int error_number(const char *name)
{
	int err;

	for (err = 1; err < 256; err++)
		if (!strcmp(crtm_errno_name(err), name))
			return err;
	abort();
}

/* Value of @key in the node's file; false if it is not there. */
static bool setting(const char *key, char value[64])
{
	FILE *f = fopen(node_path, "r");
	char name[32];
	bool found = false;

	while (f && !found && fscanf(f, "%31s %63s", name, value) == 2)
		found = !strcmp(name, key);
	if (f)
		fclose(f);
	return found;
}

static uint64_t number(const char *key, uint64_t otherwise)
{
	char value[64];

	return setting(key, value) ? strtoull(value, NULL, 0) : otherwise;
}

static int mock_open(const char *path, int flags, mode_t mode)
{
	int (*real)(const char *, int, ...) = dlsym(RTLD_NEXT, "open");
	char value[64], file[512];

	if (!strncmp(path, "/sys/dev/char/", 14) && strchr(path + 14, '/')) {
		snprintf(file, sizeof(file), "%s/sys%s", getenv("CRTM_MOCK"),
			 strchr(path + 14, '/'));
		return real(file, flags, mode);
	}
	if (strncmp(path, "/dev/mtd", 8))
		return real(path, flags, mode);
	snprintf(node_path, sizeof(node_path), "%s/dev/%s", getenv("CRTM_MOCK"), path + 5);
	node_fd = real(node_path, O_RDONLY);
	if (node_fd < 0)
		return -1;
	if (setting("open", value)) {
		errno = error_number(value);
		return -1;
	}
	/* A character device, as the library demands. */
	node_fd = real("/dev/null", flags);
	return node_fd;
}

__attribute__((visibility("default"))) int open(const char *path, int flags, ...)
{
	mode_t mode;
	va_list ap;

	va_start(ap, flags);
	mode = flags & O_CREAT ? va_arg(ap, mode_t) : 0;
	va_end(ap);
	return mock_open(path, flags, mode);
}

__attribute__((visibility("default"))) int open64(const char *path, int flags, ...)
{
	mode_t mode;
	va_list ap;

	va_start(ap, flags);
	mode = flags & O_CREAT ? va_arg(ap, mode_t) : 0;
	va_end(ap);
	return mock_open(path, flags, mode);
}

/* What open() is in a hardened program where the flags are no constant. */
__attribute__((visibility("default"))) int __open_2(const char *path, int flags)
{
	return mock_open(path, flags, 0);
}

__attribute__((visibility("default"))) DIR *opendir(const char *name)
{
	DIR *(*real)(const char *) = dlsym(RTLD_NEXT, "opendir");
	char path[512];

	if (strcmp(name, "/dev"))
		return real(name);
	snprintf(path, sizeof(path), "%s/dev", getenv("CRTM_MOCK"));
	return real(path);
}

static int mock_info(struct mtd_crtm_info *info)
{
	static const uint8_t id[] = { 0x20, 0xbb, 0x18, 0x12, 0x00, 0x8c };
	const struct crtm_command *cmds;
	char value[64];
	size_t i, nr;

	if (setting("errno", value)) {
		errno = error_number(value);
		return -1;
	}
	memset(info, 0, sizeof(*info));
	info->size = sizeof(*info);
	info->flags = number("flags", MTD_CRTM_F_RPMC | MTD_CRTM_F_CRTM | MTD_CRTM_F_REFERENCE |
			     MTD_CRTM_F_MASTER);
	strcpy(info->chip, "mt25qu128abb-authenta");
	strcpy(info->command_set, CRTM_COMMAND_SET);
	memcpy(info->id, id, sizeof(id));
	info->id_len = sizeof(id);
	info->op1 = RPMC_OP1_DEFAULT;
	info->op2 = RPMC_OP2_DEFAULT;
	info->slots = number("slots", 4);
	info->max_block = 300;
	info->max_response = 136;
	info->max_list = number("max_list", 64);
	info->max_hold_ms = number("hold", 2000);
	info->chip_size = 16 << 20;
	info->node_offset = number("offset", 0);
	info->node_size = number("size", 16 << 20);
	cmds = crtm_commands(&nr);
	for (i = 0; i < nr; i++) {
		if (!cmds[i].rpmc && !(info->flags & MTD_CRTM_F_CRTM))
			continue;
		info->commands[cmds[i].type / 64] |= 1ULL << (cmds[i].type % 64);
		if (cmds[i].class == CRTM_RD)
			info->read_only[cmds[i].type / 64] |= 1ULL << (cmds[i].type % 64);
	}
	return 0;
}

static void digest_of(uint32_t addr, uint32_t len, uint8_t digest[32])
{
	uint8_t *buf = malloc(len);
	FILE *f = open_file("content", "r");

	if (!buf || !f || fseek(f, addr, SEEK_SET) || fread(buf, 1, len, f) != len ||
	    !EVP_Digest(buf, len, digest, NULL, EVP_sha256(), NULL))
		abort();
	fclose(f);
	free(buf);
}

/* An answer of the right form to @block; returns its length. */
static size_t answer(const uint8_t *block, uint8_t status, bool stale, uint8_t *out)
{
	const struct crtm_command *cmd = crtm_command(block[RPMC_OFF_TYPE]);
	uint8_t slot = block[RPMC_OFF_SLOT];
	uint8_t *payload = out + CRTM_RESP_OFF_PAYLOAD;
	size_t len = 0;

	out[0] = status;
	if (!cmd || cmd->rpmc) {
		memset(out + 1, 0, RPMC_RESP_LEN - 1);
		if (cmd && cmd->type == RPMC_REQUEST_COUNTER && status == RPMC_STATUS_SUCCESS) {
			memcpy(out + RPMC_RESP_OFF_TAG, block + RPMC_HDR_LEN, RPMC_TAG_LEN);
			out[RPMC_RESP_OFF_TAG] ^= stale;
			crtm_put_be32(out + RPMC_RESP_OFF_COUNTER, 5 + slot);
			memset(out + RPMC_RESP_OFF_SIG, 0xaa, RPMC_SIG_LEN);
		}
		return RPMC_RESP_LEN;
	}
	if (status == RPMC_STATUS_SUCCESS && cmd->type == CRTM_MEASURE) {
		len = CRTM_MEASURE_PAYLOAD;
		memcpy(payload, block + CRTM_MEASURE_OFF_NONCE, 40);
		digest_of(crtm_get_be32(block + CRTM_MEASURE_OFF_ADDR),
			  crtm_get_be32(block + CRTM_MEASURE_OFF_LEN),
			  payload + CRTM_MEASURE_OFF_DIGEST);
	} else if (status == RPMC_STATUS_SUCCESS && cmd->type == CRTM_GET_INFO) {
		len = CRTM_INFO_OFF_REGION + CRTM_INFO_REGION_LEN;
		memset(payload, 0, len);
		memcpy(payload, block + CRTM_INFO_OFF_NONCE, CRTM_INFO_NONCE_LEN);
		payload[CRTM_INFO_OFF_VERSION + 1] = CRTM_VERSION;
		payload[CRTM_INFO_OFF_SLOTS] = 4;
		payload[CRTM_INFO_OFF_REGIONS] = 1;
		crtm_put_be32(payload + CRTM_INFO_OFF_FLAGS,
			      CRTM_INFO_F_SESSION | CRTM_INFO_F_ROOT_KEY(0));
		crtm_put_be32(payload + CRTM_INFO_OFF_POWER_ON, 7);
		crtm_put_be32(payload + CRTM_INFO_OFF_SEQ, 3);
		crtm_put_be32(payload + CRTM_INFO_OFF_REGION, 0x10000);
		crtm_put_be32(payload + CRTM_INFO_OFF_REGION + 4, 1 << 20);
	}
	if (len)
		payload[0] ^= stale;
	out[CRTM_RESP_OFF_TYPE] = cmd->type;
	out[CRTM_RESP_OFF_LENGTH] = len >> 8;
	out[CRTM_RESP_OFF_LENGTH + 1] = len;
	crtm_put_be32(out + CRTM_RESP_OFF_MC, 5 + slot);
	memset(payload + len, 0xaa, RPMC_SIG_LEN);
	return CRTM_RESP_OVERHEAD + len;
}

/* Take the first line off the script. */
static void next_line(char verb[16], char arg[1024])
{
	static char rest[65536];
	FILE *f = open_file("script", "r");
	size_t n = 0;

	strcpy(verb, "ok");
	arg[0] = '\0';
	if (!f)
		return;
	if (fscanf(f, "%15s", verb) == 1 && fgetc(f) == ' ' && fscanf(f, "%1023s", arg) == 1)
		fgetc(f);
	n = fread(rest, 1, sizeof(rest), f);
	fclose(f);
	f = open_file("script", "w");
	fwrite(rest, 1, n, f);
	fclose(f);
}

static void log_block(const uint8_t *block, uint32_t len)
{
	FILE *f = open_file("log", "a");
	static char buf[4096];
	uint32_t i;

	setvbuf(f, buf, _IOFBF, sizeof(buf));
	fprintf(f, "block ");
	for (i = 0; i < len; i++)
		fprintf(f, "%02x", block[i]);
	fprintf(f, "\n");
	fclose(f);
	/* So that "scan" does not find this. */
	explicit_bzero(buf, sizeof(buf));
}

/* Eight times @byte, or 16 hex digits of it, in @len bytes at @p? */
__attribute__((no_sanitize("address")))
static bool holds(const uint8_t *p, size_t len, uint8_t byte)
{
	char digits[3];
	size_t i, raw = 0, text = 0;

	snprintf(digits, sizeof(digits), "%02x", byte);
	for (i = 0; i < len; i++) {
		raw = p[i] == byte ? raw + 1 : 0;
		if (p[i] == digits[text % 2])
			text++;
		else
			text = p[i] == digits[0];
		if (raw == 8 || text == 16)
			return true;
	}
	return false;
}

/* End the program with 99 if what was secret is still in its writable memory. */
static void scan(uint8_t byte)
{
	FILE *f = fopen("/proc/self/maps", "r");
	char line[512], name[256], mode[8];
	unsigned long start, end;

	if (!f)
		abort();
	while (fgets(line, sizeof(line), f)) {
		name[0] = '\0';
		if (sscanf(line, "%lx-%lx %7s %*s %*s %*s %255s", &start, &end, mode, name) < 3)
			abort();
		/* What is larger is the address sanitizer's own. */
		if (mode[0] == 'r' && mode[1] == 'w' && end - start < 1UL << 28 &&
		    holds((const uint8_t *)start, end - start, byte)) {
			fprintf(stderr, "mock: a secret is left in memory: %s\n", line);
			_exit(99);
		}
	}
	fclose(f);
}

static int mock_send(bool write, struct mtd_crtm_cmd *cmd)
{
	struct mtd_crtm_entry *entries = (void *)(uintptr_t)cmd->entries;
	char verb[16], arg[1024];
	struct mtd_crtm_entry *e;
	const uint8_t *block;
	uint8_t *out;
	size_t len;
	FILE *f;

	f = open_file("log", "a");
	fprintf(f, "call %s %u\n", write ? "wr" : "rd", cmd->nr);
	fclose(f);
	if (cmd->size != sizeof(*cmd) || cmd->flags || !cmd->nr)
		abort();

	cmd->done = 0;
	for (e = entries; e < entries + cmd->nr; e++) {
		block = (const void *)(uintptr_t)e->in;
		out = (void *)(uintptr_t)e->out;
		if (e->sent || e->result || e->status || e->reserved || e->out_len < 136)
			abort();
		next_line(verb, arg);
		if (!strcmp(verb, "errno")) {
			errno = error_number(arg);
			return -1;
		}
		if (!strcmp(verb, "unsent"))
			return 0;
		log_block(block, e->in_len);
		if (!strcmp(verb, "scan"))
			scan(strtoul(arg, NULL, 16));
		e->sent = 1;
		if (!strcmp(verb, "unknown")) {
			e->result = -error_number(arg);
			e->out_len = 0;
			return 0;
		}
		e->status = RPMC_STATUS_SUCCESS;
		if (!strcmp(verb, "raw")) {
			if (hex_decode(arg, out, e->out_len, &len))
				abort();
			e->out_len = len;
		} else {
			if (!strcmp(verb, "refuse"))
				e->status = strtoul(arg, NULL, 16);
			e->out_len = answer(block, e->status, !strcmp(verb, "stale"), out);
		}
		cmd->done++;
		if (e->status != RPMC_STATUS_SUCCESS)
			return 0;
	}
	return 0;
}

/* When the program ends: what it should have wiped is nowhere any more. */
__attribute__((destructor)) static void scan_at_end(void)
{
	FILE *f = getenv("CRTM_MOCK") ? open_file("scan", "r") : NULL;
	unsigned int byte;

	if (!f)
		return;
	if (fscanf(f, "%x", &byte) != 1)
		abort();
	fclose(f);
	scan(byte);
}

static int mock_asp_map(struct mtd_asp_map *map)
{
	uint64_t offset = number("offset", 0), size = number("size", 16 << 20);
	uint8_t *sectors = (uint8_t *)(uintptr_t)map->sectors;
	uint32_t room = map->nr;
	char value[64];
	FILE *f;

	if (map->size != sizeof(*map) || map->flags || !room != !sectors)
		abort();
	if (setting("asp", value) || (sectors && setting("map", value))) {
		errno = error_number(value);
		return -1;
	}
	map->sector_size = ASP_SECTOR_SIZE;
	map->first = number("first", offset / ASP_SECTOR_SIZE);
	map->nr = number("nr", (offset + size - 1) / ASP_SECTOR_SIZE + 1 -
			 offset / ASP_SECTOR_SIZE);
	map->flags = number("asp_flags", MTD_ASP_F_PMR | MTD_ASP_F_REGIONS);
	map->aspr = number("aspr", ASP_ASPR_DEFAULT);
	map->pmr = number("pmr", ASP_PMR_DEFAULT);
	map->sr = number("sr", 0);
	if (!sectors)
		return 0;
	if (room < map->nr) {
		errno = EMSGSIZE;
		return -1;
	}
	memset(sectors, 0, map->nr);
	f = open_file("sectors", "r");
	if (f && (fseek(f, map->first, SEEK_SET) || ferror(f)))
		abort();
	if (f) {
		/* What is not in the file is open. */
		if (!fread(sectors, 1, map->nr, f) && ferror(f))
			abort();
		fclose(f);
	}
	return 0;
}

static int mock_range(const char *what, const struct erase_info_user *range)
{
	char verb[16], arg[1024];
	FILE *f = open_file("log", "a");

	fprintf(f, "%s 0x%x 0x%x\n", what, range->start, range->length);
	fclose(f);
	next_line(verb, arg);
	if (!strcmp(verb, "ok"))
		return 0;
	if (strcmp(verb, "errno"))
		abort();
	errno = error_number(arg);
	return -1;
}

static int mock_asp_cmd(struct mtd_asp_cmd *cmd)
{
	char verb[16], arg[1024], name[32], text[128];
	unsigned int done = 0, state = 0;
	size_t len;
	FILE *f;

	if (cmd->size != sizeof(*cmd) || cmd->flags || cmd->result || cmd->done || cmd->sent ||
	    cmd->state || cmd->reserved)
		abort();
	len = snprintf(text, sizeof(text), "asp %u 0x%llx 0x%llx ", cmd->cmd,
		       (unsigned long long)cmd->offset, (unsigned long long)cmd->length);
	hex_encode(text + len, cmd->password, sizeof(cmd->password));
	len += 2 * sizeof(cmd->password);
	len += snprintf(text + len, sizeof(text) - len, " %.*s\n", MTD_ASP_CONFIRM_LEN,
			cmd->confirm);
	f = open_file("log", "a");
	/* Past stdio's buffer, so that "scan" does not find this. */
	if (write(fileno(f), text, len) != (ssize_t)len)
		abort();
	fclose(f);
	explicit_bzero(text, sizeof(text));

	next_line(verb, arg);
	if (!strcmp(verb, "errno")) {
		errno = error_number(arg);
		return -1;
	}
	if (!strcmp(verb, "scan"))
		scan(strtoul(arg, NULL, 16));
	cmd->sent = 1;
	cmd->done = cmd->length / ASP_SECTOR_SIZE;
	if (!strcmp(verb, "result")) {
		if (sscanf(arg, "%31[A-Z]:%u:%x", name, &done, &state) != 3)
			abort();
		cmd->result = -error_number(name);
		cmd->done = done;
		cmd->state = state;
	}
	return 0;
}

__attribute__((visibility("default"))) int ioctl(int fd, unsigned long request, ...)
{
	int (*real)(int, unsigned long, ...) = dlsym(RTLD_NEXT, "ioctl");
	va_list ap;
	void *arg;

	va_start(ap, request);
	arg = va_arg(ap, void *);
	va_end(ap);
	if (fd < 0 || fd != node_fd)
		return real(fd, request, arg);
	switch (request) {
	case MTD_CRTM_INFO:
		return mock_info(arg);
	case WR_CRTM_CMD:
		return mock_send(true, arg);
	case RD_CRTM_CMD:
		return mock_send(false, arg);
	case MTD_ASP_MAP:
		return mock_asp_map(arg);
	case MTD_ASP_CMD:
		return mock_asp_cmd(arg);
	case MEMLOCK:
		return mock_range("lock", arg);
	case MEMUNLOCK:
		return mock_range("unlock", arg);
	}
	errno = ENOTTY;
	return -1;
}
