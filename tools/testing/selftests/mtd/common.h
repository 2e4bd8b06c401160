/* SPDX-License-Identifier: MIT */
/*
 * What the kselftests of MTD's security ioctls share: the emulated chips and
 * their attributes, MTD nodes, blocks with and without signatures, exchanges.
 */
#ifndef SELFTEST_MTD_COMMON_H
#define SELFTEST_MTD_COMMON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include <linux/mtd/asp.h>
#include <linux/mtd/rpmc.h>
#include <linux/mtd/crtm-commands.h>
#include <mtd/mtd-security.h>
#include <mtd/mtd-user.h>

#include "sha256.h"

/* The chips, in the order in which the guest cases give them to load_chips. */
enum {
	AUTHENTA,	/* mt25qu128-authenta behind plain spi_transfer */
	AUTHENTA_MEM,	/* the same behind a controller that needs an address phase */
	ORDINARY,	/* mt25qu256 */
	OTHER,		/* rpmc-other */
};

#define CHIP_SIZE	(16U << 20)
#define SECTOR		4096U
#define MAX_RESPONSE	256	/* no response of the table is longer */
#define MAX_BLOCK	512
#define POISON		0x5a

/* One command as the tables have it. */
struct cmd {
	const char *name;
	uint8_t type, class, flags;
	uint16_t min, max, resp;
	uint8_t addr, len;
	uint32_t unit, limit;
	uint8_t rsvd, nrsvd;
	uint32_t max_us, max_us_64k;
};

extern const struct cmd commands[];
extern const unsigned int nr_commands;
const struct cmd *command(uint8_t type);

/*
 * New chips, "model[:ctrl[:driver[:asp]]],...", in place of those that there are,
 * whose nodes must be closed; numbered from 0. For what a chip does not forget.
 */
int load_chips(const char *chips);

/*
 * Attributes of /sys/bus/platform/devices/crtm-emu.N. All return 0, or what
 * they say, or -errno.
 */
int emu_path(char *buf, size_t size, int chip, const char *attr);
int emu_write(int chip, const char *attr, const void *data, size_t len);
int emu_set(int chip, const char *attr, const char *text);
ssize_t emu_read(int chip, const char *attr, void *data, size_t size);
/* Value of `key=` in `state`, -1: no such key; decimal, and for registers hexadecimal. */
long long emu_state(int chip, const char *key);
long long emu_register(int chip, const char *key);
/* How often the chip has seen an opcode since `opcodes` was cleared. */
int emu_opcode(int chip, uint8_t opcode);
void emu_clear(int chip);
int emu_content(int chip, off_t offset, void *data, size_t len);
/* At most 4 KiB into the array, behind every protection's back. */
int emu_store(int chip, off_t offset, const void *data, size_t len);

/* Number of the chip's MTD device (the master's: it comes first), or -ENODEV. */
int mtd_number(int chip);
int mtd_open(int chip, int flags);
int mtd_open_number(int number, bool ro, int flags);
/* Number of the new MTD device, or -errno. */
int mtd_add_part(int chip, const char *name, long long start, long long len);
int mtd_del_part(int chip, int number);
/* Name of the chip's SPI device, "spi3.0". */
int spi_name(int chip, char *buf, size_t size);
int spi_bind(int chip, const char *driver);
int spi_unbind(int chip, const char *driver);

int drop_sys_admin(void);

/* The kernel's log from now on. Returns a descriptor or -errno. */
int kmsg_open(void);
/* Lines since kmsg_open() or the last kmsg_*() that hold @text; 0 if none does. */
int kmsg_count(int kmsg, const char *text);

void put32(uint8_t *p, uint32_t value);
uint32_t get32(const uint8_t *p);

/*
 * A well-formed block of @cmd, shortest form, with a signature that no key
 * makes: the kernel passes it, the chip refuses it (45, 47 and 48 apart, which
 * have none). Returns its length.
 */
size_t block_plain(const struct cmd *cmd, uint8_t slot, uint8_t *block);

/* Sector protection */
#define LOCK_SECTOR	ASP_SECTOR_SIZE
#define MAX_SECTORS	4096

/* One command of MTD_ASP_CMD; line n is command n. */
struct asp_command {
	const char *name;
	uint8_t flags;
	const char *confirm;
};

#define NR_ASP_COMMANDS	13
extern const struct asp_command asp_commands[NR_ASP_COMMANDS];

/* Poisons @map and @sectors, and asks. Returns 0 or -errno. */
int asp_map(int fd, struct mtd_asp_map *map, uint8_t *sectors, uint32_t nr);
/* What the map says of one sector, counted in the node; -errno. */
int asp_sector(int fd, uint32_t sector);
/*
 * A well-formed @nr with its confirmation: the range is sector 0 of the chip, the
 * password is ASP_TEST_PASSWORD, what the kernel writes is poisoned.
 */
void asp_init(struct mtd_asp_cmd *cmd, unsigned int nr);
#define ASP_TEST_PASSWORD	"\x1d\x2c\x3b\x4a\x59\x68\x77\x86"
int asp_cmd(int fd, struct mtd_asp_cmd *cmd);
/* asp_init(), with this range, and asp_cmd(): -errno, or 0 if the chip did it, or its result. */
int asp_do(int fd, unsigned int nr, uint64_t offset, uint64_t length);

/* MEMLOCK, MEMUNLOCK: 0 or -errno. MEMISLOCKED: 1, 0 or -errno. */
int mtd_lock(int fd, uint32_t start, uint32_t length);
int mtd_unlock(int fd, uint32_t start, uint32_t length);
int mtd_is_locked(int fd, uint32_t start, uint32_t length);

struct outcome {
	int ret;		/* 0 or -errno of the ioctl */
	uint32_t done;
	uint32_t out_len;
	int32_t result;
	uint8_t status, sent;
	uint8_t out[MAX_RESPONSE];
};

/*
 * One block through @request, everything that the kernel writes poisoned
 * before. @cap: size of the response buffer.
 */
struct outcome exchange_cap(int fd, unsigned long request, const void *block, size_t len,
			    uint32_t cap);
struct outcome exchange(int fd, unsigned long request, const void *block, size_t len);

/* Keys of one slot, as the server would hold them. */
struct keys {
	uint8_t slot;
	uint8_t root[RPMC_KEY_LEN];
	uint8_t hkr[RPMC_KEY_LEN];
	uint8_t sk[RPMC_KEY_LEN];
	uint32_t mc, seq;
};

/* Signed blocks; each returns the block's length. */
size_t block_root_key(const struct keys *k, uint8_t *block);
size_t block_update_key(struct keys *k, const uint8_t data[4], uint8_t *block);
size_t block_increment(const struct keys *k, uint8_t *block);
size_t block_request(const struct keys *k, const uint8_t tag[12], uint8_t *block);
/* k->sk and k->seq are set as after the chip's acceptance; k->mc is not. */
size_t block_open(struct keys *k, const uint8_t nonce[16], uint8_t *block);
size_t block_close(const struct keys *k, uint8_t *block);
size_t block_erase(const struct keys *k, uint32_t addr, uint32_t len, uint8_t *block);
size_t block_program(const struct keys *k, uint32_t addr, const void *data, size_t len,
		     uint8_t *block);
size_t block_protect(const struct keys *k, uint32_t addr, uint32_t len, uint8_t mode,
		     uint8_t *block);
size_t block_measure(uint8_t slot, const uint8_t nonce[32], uint32_t addr, uint32_t len,
		     uint8_t *block);
size_t block_derive(uint8_t slot, const char label[16], uint32_t addr, uint32_t len,
		    uint8_t *block);
size_t block_get_info(uint8_t slot, const uint8_t nonce[16], uint8_t *block);

/* Does the signature of a response verify? */
bool rpmc_signed(const uint8_t key[32], const struct outcome *o);
bool crtm_signed(const uint8_t key[32], const void *block, size_t len, const struct outcome *o);

#endif /* SELFTEST_MTD_COMMON_H */
