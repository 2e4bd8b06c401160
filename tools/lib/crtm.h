/* SPDX-License-Identifier: MIT */
/*
 * libcrtm: thin library over the ioctls of <mtd/mtd-security.h>.
 *
 * Knows the nodes, the command table, the texts and the layouts; holds no key,
 * makes no signature and checks none. Needs nothing but libc. Nothing here
 * keeps state, so every function may be called from any thread.
 *
 * Functions that return int give 0 (or what they say) or a negative errno.
 */
#ifndef _CRTM_H
#define _CRTM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <linux/mtd/asp.h>
#include <linux/mtd/rpmc.h>
#include <linux/mtd/crtm-commands.h>
#include <mtd/mtd-security.h>

/* Device */

/**
 * crtm_open() - open an MTD character device
 * @path: for example "/dev/mtd0"
 * @write: open for writing too, as WR_CRTM_CMD needs
 *
 * Return: file descriptor (close-on-exec), or -errno; -ENXIO if @path is no
 * character device.
 */
int crtm_open(const char *path, bool write);

/**
 * crtm_info() - describe the chip behind a node; never touches the chip
 * @fd: an open node
 * @info: filled
 *
 * The strings of @info are NUL-terminated whatever the kernel said.
 *
 * Return: 0 or -errno: -ENOTTY if the kernel's MTD has no security ioctls,
 * -EOPNOTSUPP if this chip has no security operations.
 */
int crtm_info(int fd, struct mtd_crtm_info *info);

/**
 * crtm_entry_init() - prepare one entry of a list
 * @entry: filled
 * @in: the block, opcode to last byte; must live until crtm_send() returned
 * @in_len: its length in bytes
 * @out: response buffer
 * @out_len: its size in bytes; info.max_response is always enough
 */
void crtm_entry_init(struct mtd_crtm_entry *entry, const void *in, size_t in_len,
		     void *out, size_t out_len);

/**
 * crtm_send() - send a list of blocks through WR_CRTM_CMD or RD_CRTM_CMD
 * @fd: an open node
 * @write: WR_CRTM_CMD, else RD_CRTM_CMD
 * @entries: @nr of them, from crtm_entry_init(); results are stored in them
 * @nr: 1 to info.max_list
 * @done: number of leading entries whose exchange finished; may be NULL
 *
 * One ioctl, never repeated. On 0 each entry tells its own outcome: see
 * crtm_entry_outcome().
 *
 * Return: 0 or -errno; on -errno nothing was sent.
 */
int crtm_send(int fd, bool write, struct mtd_crtm_entry *entries, unsigned int nr,
	      unsigned int *done);

/**
 * enum crtm_outcome - what became of an entry
 * @CRTM_UNSENT: the chip certainly has not seen it
 * @CRTM_UNKNOWN: sent, or perhaps sent; entry->result tells why
 * @CRTM_REFUSED: answered, entry->status is not 80h
 * @CRTM_ACCEPTED: answered, entry->status is 80h
 */
enum crtm_outcome {
	CRTM_UNSENT,
	CRTM_UNKNOWN,
	CRTM_REFUSED,
	CRTM_ACCEPTED,
};

/**
 * crtm_entry_outcome() - what became of an entry after crtm_send() returned 0
 * @entry: the entry
 *
 * Return: enum crtm_outcome
 */
enum crtm_outcome crtm_entry_outcome(const struct mtd_crtm_entry *entry);

/**
 * struct crtm_node - a node with security operations, as crtm_list() finds them
 * @path: for example "/dev/mtd0"
 * @info: of the chip and the node
 */
struct crtm_node {
	char path[32];
	struct mtd_crtm_info info;
};

/**
 * struct crtm_silent_node - a node that could be one of those
 * @path: of the node, which could not be opened, or not be asked
 * @err: -errno of that; 0: there is none
 */
struct crtm_silent_node {
	char path[32];
	int err;
};

/**
 * crtm_list() - find the nodes /dev/mtdN that have security operations
 * @nodes: the first @max of them, in the order of N
 * @max: room in @nodes
 * @silent: filled with the first node of which nobody knows; may be NULL
 *
 * Return: how many there are (may exceed @max), or -errno. Where there is none:
 * -EACCES if some node may not be opened, else -ENOTTY if the kernel's MTD has no
 * security ioctls, else 0.
 */
int crtm_list(struct crtm_node *nodes, size_t max, struct crtm_silent_node *silent);

/* Command table */

/*
 * One command; the members are the columns of RPMC_COMMANDS() in
 * <linux/mtd/rpmc.h>. @rpmc: from that table, so that its response has the
 * JESD260 form.
 */
struct crtm_command {
	uint8_t type;
	bool rpmc;
	const char *sym;
	const char *name;
	uint8_t class;
	uint8_t flags;
	uint16_t min;
	uint16_t max;
	uint16_t resp;
	uint8_t addr;
	uint8_t len;
	uint32_t unit;
	uint32_t limit;
	uint8_t rsvd;
	uint8_t nrsvd;
	uint32_t typ_us;
	uint32_t max_us;
	uint32_t typ_us_64k;
	uint32_t max_us_64k;
};

/**
 * crtm_commands() - the whole table, in the order of the type
 * @nr: out: number of entries
 *
 * Return: the first entry.
 */
const struct crtm_command *crtm_commands(size_t *nr);

/**
 * crtm_command() - find a command by its type
 * @type: command type byte
 *
 * Return: its entry, or NULL.
 */
const struct crtm_command *crtm_command(uint8_t type);

/**
 * crtm_command_by_name() - find a command by what people call it
 * @name: name ("measure"), symbol in either case ("MEASURE") or hexadecimal type
 *	("45", "0x45")
 *
 * Return: its entry, or NULL.
 */
const struct crtm_command *crtm_command_by_name(const char *name);

/**
 * crtm_name() - name of a command type
 * @type: command type byte
 *
 * Return: the name, "unknown command" if the table has none.
 */
const char *crtm_name(uint8_t type);

/**
 * crtm_known() - does the chip take this command type?
 * @info: from crtm_info()
 * @type: command type byte
 *
 * Return: true if it does.
 */
bool crtm_known(const struct mtd_crtm_info *info, uint8_t type);

/**
 * crtm_read_only() - does RD_CRTM_CMD take this command type?
 * @info: from crtm_info()
 * @type: command type byte
 *
 * Return: true if it does.
 */
bool crtm_read_only(const struct mtd_crtm_info *info, uint8_t type);

/**
 * crtm_max_range() - longest range that one block may cover
 * @info: from crtm_info()
 * @cmd: the command
 *
 * Return: bytes, a multiple of 64 KiB, such that the command's longest time
 * stays within info.max_hold_ms; at least 64 KiB, at most the chip.
 */
uint32_t crtm_max_range(const struct mtd_crtm_info *info, const struct crtm_command *cmd);

/**
 * crtm_block_problem() - why the kernel would refuse a block, in words
 * @info: from crtm_info()
 * @write: sent through WR_CRTM_CMD, else RD_CRTM_CMD
 * @block: the block
 * @len: its length in bytes
 * @why: text, valid if the result is not 0
 *
 * The same checks as the kernel's, apart from those that need to know the
 * caller (file mode, capabilities), for a message that names the cause. The
 * kernel decides, not this.
 *
 * Return: 0, or the errno (negative) that the kernel would give.
 */
int crtm_block_problem(const struct mtd_crtm_info *info, bool write, const void *block,
		       size_t len, const char **why);

/* Advanced Sector Protection */

/**
 * crtm_place() - where a node lies in its chip
 * @fd: an open node
 * @info: filled
 *
 * As crtm_info(), and on a chip without those commands from sysfs: then node_offset,
 * node_size and MTD_CRTM_F_MASTER are all that is filled in.
 *
 * Return: 0 or -errno
 */
int crtm_place(int fd, struct mtd_crtm_info *info);

/**
 * crtm_asp_list() - find the nodes /dev/mtdN that have sector protection
 * @nodes: the first @max of them, with info from crtm_place()
 * @max: room in @nodes
 * @silent: as of crtm_list()
 *
 * Reads the chips' protection registers.
 *
 * Return: as crtm_list().
 */
int crtm_asp_list(struct crtm_node *nodes, size_t max, struct crtm_silent_node *silent);

/**
 * crtm_asp_map() - read registers and sectors through MTD_ASP_MAP
 * @fd: an open node
 * @map: filled; its @nr tells how many sectors the node touches
 * @sectors: MTD_ASP_S_* of each, from @map->first on; may be NULL if @nr is 0
 * @nr: room in @sectors; 0 for the registers alone
 *
 * Return: 0 or -errno; -EMSGSIZE if @nr is neither 0 nor enough.
 */
int crtm_asp_map(int fd, struct mtd_asp_map *map, uint8_t *sectors, size_t nr);

/**
 * crtm_asp_cmd() - MTD_ASP_CMD, once
 * @fd: a node open for writing
 * @cmd: all but its size filled in; the password in it is wiped, whatever happens
 *
 * Return: 0, then @cmd->result tells; or -errno: nothing was sent that changes the chip.
 */
int crtm_asp_cmd(int fd, struct mtd_asp_cmd *cmd);

/**
 * crtm_lock() - set the volatile lock bits of whole sectors (MEMLOCK)
 * @fd: a node open for writing
 * @offset: relative to the node, not to the chip, in bytes
 * @length: in bytes
 *
 * Return: 0 or -errno; -ERANGE if offset or length have more than 32 bits.
 */
int crtm_lock(int fd, uint64_t offset, uint64_t length);

/**
 * crtm_unlock() - clear them, and block protection (MEMUNLOCK)
 * @fd: a node open for writing
 * @offset: as of crtm_lock()
 * @length: as of crtm_lock()
 *
 * Return: as crtm_lock().
 */
int crtm_unlock(int fd, uint64_t offset, uint64_t length);

/**
 * crtm_is_locked() - is every sector of a range locked, by any means? (MEMISLOCKED)
 * @fd: an open node
 * @offset: as of crtm_lock()
 * @length: as of crtm_lock()
 *
 * Return: 1, 0, or -errno as crtm_lock().
 */
int crtm_is_locked(int fd, uint64_t offset, uint64_t length);

/* One line of ASP_COMMANDS() in <linux/mtd/asp.h>. */
struct crtm_asp_command {
	uint32_t nr;
	const char *sym;
	const char *name;
	uint8_t flags;
	const char *confirm;
};

/**
 * crtm_asp_commands() - the whole table, in the order of the number
 * @nr: out: number of entries
 *
 * Return: the first entry.
 */
const struct crtm_asp_command *crtm_asp_commands(size_t *nr);

/**
 * crtm_asp_command() - find a command of sector protection
 * @nr: mtd_asp_cmd.cmd
 *
 * Return: its entry, or NULL.
 */
const struct crtm_asp_command *crtm_asp_command(uint32_t nr);

/**
 * struct crtm_asp_bit - a bit of a sector's state
 * @bit: MTD_ASP_S_*
 * @name: for people
 */
struct crtm_asp_bit {
	uint8_t bit;
	const char *name;
};

/**
 * crtm_asp_bits() - the bits of a sector's state
 * @nr: out: number of them
 *
 * Return: the first one.
 */
const struct crtm_asp_bit *crtm_asp_bits(size_t *nr);

/**
 * crtm_asp_state_text() - a sector's state to words: "volatile, locked down", "open"
 * @state: MTD_ASP_S_*
 * @buf: filled; 80 bytes hold every state
 * @size: of @buf
 *
 * Return: @buf.
 */
char *crtm_asp_state_text(uint8_t state, char *buf, size_t size);

/**
 * crtm_asp_errno_text() - what an errno of sector protection means
 * @err: of the ioctls, or mtd_asp_cmd.result
 *
 * Return: a text that names the cause.
 */
const char *crtm_asp_errno_text(int err);

/* Texts */

/**
 * crtm_errno_name() - "ETIMEDOUT" for ETIMEDOUT or -ETIMEDOUT
 * @err: errno or -errno
 *
 * Return: the name, never NULL.
 */
const char *crtm_errno_name(int err);

/**
 * crtm_errno_text() - what an errno of WR_CRTM_CMD, RD_CRTM_CMD or MTD_CRTM_INFO means
 * @err: errno or -errno
 *
 * Return: a text that names the cause.
 */
const char *crtm_errno_text(int err);

#define CRTM_STATUS_TEXT	224	/* bytes that hold every crtm_status_text() */

/**
 * crtm_status_text() - extended status byte to words
 * @type: type of the command that it answers
 * @status: the status byte
 * @buf: filled; CRTM_STATUS_TEXT bytes hold every status
 * @size: of @buf
 *
 * Return: @buf.
 */
char *crtm_status_text(uint8_t type, uint8_t status, char *buf, size_t size);

/* Responses */

/**
 * struct crtm_response - a response taken apart
 * @status: status byte
 * @type: type of the command that it answers
 * @counter: Counter of 00-03, MC of 40-48
 * @tag: RPMC_TAG_LEN bytes; NULL in the 40-48 form
 * @payload: NULL in the JESD260 form
 * @payload_len: its length in bytes
 * @sig: RPMC_SIG_LEN bytes
 *
 * Pointers point into the caller's buffer.
 */
struct crtm_response {
	uint8_t status;
	uint8_t type;
	uint32_t counter;
	const uint8_t *tag;
	const uint8_t *payload;
	uint16_t payload_len;
	const uint8_t *sig;
};

/**
 * crtm_parse() - take apart the response to a block
 * @type: type of the block
 * @buf: the response
 * @len: its length in bytes
 * @resp: filled
 *
 * Return: 0; -EBADMSG if @len or a field is not what such a response has, or
 * it answers another command; -ENOENT if the table has no such type.
 */
int crtm_parse(uint8_t type, const void *buf, size_t len, struct crtm_response *resp);

/**
 * struct crtm_measurement - payload of 45
 * @nonce: CRTM_MEASURE_NONCE_LEN bytes
 * @addr: where the range starts in the chip, in bytes
 * @len: its length in bytes
 * @digest: 32 bytes (SHA-256)
 */
struct crtm_measurement {
	const uint8_t *nonce;
	uint32_t addr;
	uint32_t len;
	const uint8_t *digest;
};

/**
 * struct crtm_state - payload of 48
 * @nonce: CRTM_INFO_NONCE_LEN bytes
 * @version: of the command set
 * @slots: number of slots
 * @nr_regions: number of valid entries in @regions
 * @flags: CRTM_INFO_F_*
 * @power_on: how often the chip was switched on
 * @seq: number of the next block of the session
 * @regions: protected ranges, in bytes
 */
struct crtm_state {
	const uint8_t *nonce;
	uint16_t version;
	uint8_t slots;
	uint8_t nr_regions;
	uint32_t flags;
	uint32_t power_on;
	uint32_t seq;
	struct {
		uint32_t addr;
		uint32_t len;
	} regions[CRTM_MAX_REGIONS];
};

/**
 * crtm_parse_measurement() - payload of an accepted 45
 * @resp: from crtm_parse()
 * @m: filled
 *
 * Return: 0, or -EBADMSG if it is another command's, was refused, or has not the
 * payload's length.
 */
int crtm_parse_measurement(const struct crtm_response *resp, struct crtm_measurement *m);

/**
 * crtm_parse_state() - payload of an accepted 48
 * @resp: from crtm_parse()
 * @state: filled
 *
 * Return: as crtm_parse_measurement().
 */
int crtm_parse_state(const struct crtm_response *resp, struct crtm_state *state);

/**
 * crtm_parse_key() - payload of an accepted 46
 * @resp: from crtm_parse()
 * @key: points at CRTM_DERIVE_PAYLOAD bytes in the response; wipe them
 *
 * Return: as crtm_parse_measurement().
 */
int crtm_parse_key(const struct crtm_response *resp, const uint8_t **key);

/* Builders of unsigned blocks */

#define CRTM_MEASURE_BLOCK		(CRTM_MEASURE_OFF_LEN + 4)
#define CRTM_DERIVE_KEY_BLOCK		(CRTM_DERIVE_OFF_LEN + 4)
#define CRTM_LOCK_DERIVATION_BLOCK	RPMC_HDR_LEN
#define CRTM_GET_INFO_BLOCK		(CRTM_INFO_OFF_NONCE + CRTM_INFO_NONCE_LEN)

/**
 * crtm_build_measure() - block that has a range measured (45)
 * @block: filled whole
 * @op1: info.op1
 * @slot: whose key signs the response
 * @nonce: fresh
 * @addr: where the range starts in the chip, in bytes
 * @len: its length in bytes
 *
 * Return: length of the block.
 */
size_t crtm_build_measure(uint8_t block[CRTM_MEASURE_BLOCK], uint8_t op1, uint8_t slot,
			  const uint8_t nonce[CRTM_MEASURE_NONCE_LEN],
			  uint32_t addr, uint32_t len);

/**
 * crtm_build_derive_key() - block that has a key derived from a range (46)
 * @block: filled whole
 * @op1: info.op1
 * @slot: whose key signs the response
 * @label: what the key is for
 * @addr: where the range starts in the chip, in bytes
 * @len: its length in bytes
 *
 * Return: length of the block.
 */
size_t crtm_build_derive_key(uint8_t block[CRTM_DERIVE_KEY_BLOCK], uint8_t op1, uint8_t slot,
			     const uint8_t label[CRTM_DERIVE_LABEL_LEN],
			     uint32_t addr, uint32_t len);

/**
 * crtm_build_lock_derivation() - block after which no key is derived until power-on (47)
 * @block: filled whole
 * @op1: info.op1
 * @slot: whose key signs the response
 *
 * Return: length of the block.
 */
size_t crtm_build_lock_derivation(uint8_t block[CRTM_LOCK_DERIVATION_BLOCK], uint8_t op1,
				  uint8_t slot);

/**
 * crtm_build_get_info() - block that asks the chip about itself (48)
 * @block: filled whole
 * @op1: info.op1
 * @slot: whose key signs the response
 * @nonce: fresh
 *
 * Return: length of the block.
 */
size_t crtm_build_get_info(uint8_t block[CRTM_GET_INFO_BLOCK], uint8_t op1, uint8_t slot,
			   const uint8_t nonce[CRTM_INFO_NONCE_LEN]);

/* Bytes */

/**
 * crtm_get_be32() - a field of a block or a response
 * @p: its four bytes, at any address
 *
 * Return: the number.
 */
uint32_t crtm_get_be32(const uint8_t *p);

/**
 * crtm_put_be32() - fill a field of a block
 * @p: its four bytes, at any address
 * @value: the number
 */
void crtm_put_be32(uint8_t *p, uint32_t value);

#endif /* _CRTM_H */
