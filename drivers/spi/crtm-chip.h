/* SPDX-License-Identifier: GPL-2.0 OR MIT */
/*
 * Emulated secure SPI NOR flash: the chip behind the pins.
 *
 * Plain C, compiled into the kernel module spi-crtm-emu and into the user-space
 * library libcrtm-chip. The chip knows no controller and no kernel: it is
 * driven byte by byte between two edges of chip select, so that a command may
 * be cut off anywhere. No locking: the caller serialises all calls on one chip.
 *
 * What follows public sources and what is the project's own ("reference") is
 * told in Documentation/emulated-chip.rst.
 */
#ifndef _CRTM_CHIP_H
#define _CRTM_CHIP_H

#include <linux/types.h>
#ifndef __KERNEL__
#include <stdbool.h>
#include <stddef.h>

typedef __u8 u8;
typedef __u16 u16;
typedef __u32 u32;
typedef __u64 u64;
#endif

#include <linux/mtd/asp.h>
#include <linux/mtd/crtm-commands.h>
#include <linux/mtd/rpmc.h>

#define CRTM_CHIP_ID_LEN	20	/* longest JEDEC ID, extended bytes included */
#define CRTM_CHIP_SFDP_LEN	512	/* longest SFDP area */
#define CRTM_CHIP_IN_LEN	1024	/* bytes of one block that are kept and hashed */
#define CRTM_CHIP_PAGE		256
#define CRTM_CHIP_MAX_SECTORS	4096	/* of ASP_SECTOR_SIZE */
#define CRTM_CHIP_MAX_DICE	4
#define CRTM_CHIP_RESP_LEN	136	/* longest response, that of 48 */
#define CRTM_CHIP_OLD		16	/* command types whose first response is kept */
#define CRTM_CHIP_NV_HEADER	8192	/* two copies of the record, before the array */
#define CRTM_CHIP_STATE_LEN	2048	/* enough for crtm_chip_state() */
#define CRTM_CHIP_LINE_LEN	128	/* enough for crtm_chip_event_text() */

/**
 * struct crtm_chip_ops - what the chip needs from the world around it
 * @time_us: monotonic time in us
 * @hmac: HMAC-SHA-256 of @len bytes at @data under @key into 32 bytes at @mac;
 *	0 or a negative errno
 * @sha256: SHA-256 into 32 bytes at @digest; 0 or a negative errno
 * @random: @len unpredictable bytes; called at manufacture only
 */
struct crtm_chip_ops {
	u64 (*time_us)(void *ctx);
	int (*hmac)(void *ctx, const u8 *key, size_t key_len, const u8 *data,
		    size_t len, u8 *mac);
	int (*sha256)(void *ctx, const u8 *data, size_t len, u8 *digest);
	void (*random)(void *ctx, u8 *buf, size_t len);
};

/**
 * struct crtm_chip_model - one part number; constant
 * @name: as given to crtm_chip_model()
 * @id: JEDEC ID
 * @id_len: its length in bytes; what @id does not name is zeros
 * @size: bytes of the array, at most CRTM_CHIP_MAX_SECTORS sectors
 * @dice: dies of a stacked part, at most CRTM_CHIP_MAX_DICE; 0: not stacked
 * @micron: Micron's registers (flag status, NVCR, VCR, EVCR), sector protection,
 *	and the rule that WREN goes before B7h and E9h
 * @slots: monotonic counters; 0: no security engine, OP1 and OP2 are unknown
 * @crtm: the A-CRTM reference commands and their marker are there
 * @poll_rdsr: OP1 work shows in RDSR, not in OP2's status
 * @sr_mask: writable status register bits
 * @sr_tb: the top/bottom bit among them
 * @sr_bp3: the fourth block protection bit among them
 * @page_us: typical time of a page program
 * @erase_4k_us: of a 4 KiB erase
 * @erase_32k_us: of a 32 KiB erase
 * @erase_64k_us: of a 64 KiB erase
 * @erase_chip_ms: of a chip erase, on a stacked part of a die erase
 * @write_sr_us: of a register write
 * @delays: bytes 4-6 of the SFDP table FF03h: read counter, short write, long
 *	write; each value[3:0], unit[5:4]. 03, 01 and 00/02 take that long.
 */
struct crtm_chip_model {
	const char *name;
	u8 id[CRTM_CHIP_ID_LEN];
	u8 id_len;
	u32 size;
	u8 dice;
	bool micron;
	u8 slots;
	bool crtm;
	bool poll_rdsr;
	u8 sr_mask;
	u8 sr_tb;
	u8 sr_bp3;
	u32 page_us;
	u32 erase_4k_us;
	u32 erase_32k_us;
	u32 erase_64k_us;
	u32 erase_chip_ms;
	u32 write_sr_us;
	u8 delays[3];
};

struct crtm_chip_region {
	u32 addr;
	u32 len;
};

/*
 * The non-volatile registers. Kept twice in the memory, each copy with a
 * generation and a CRC: a power cut in the middle of writing one leaves the
 * other, so an update is old or new and never between.
 */
struct crtm_chip_record {
	u32 crc;
	u32 generation;
	char model[24];
	u8 secret[32];		/* the device secret of 46 */
	u8 root_key[RPMC_MAX_SLOTS][RPMC_KEY_LEN];
	u32 mc[RPMC_MAX_SLOTS];
	u32 root_keys;		/* bit n: slot n has a root key */
	u32 power_on;		/* saturating */
	struct crtm_chip_region region[CRTM_MAX_REGIONS];
	u32 regions;
	u16 nvcr;
	u16 aspr;
	u8 sr;
	u8 pmr;
	u8 password[ASP_PASSWORD_LEN];
	u8 reserved[2];
	u8 nvlb[CRTM_CHIP_MAX_SECTORS / 8];	/* bit n: sector n is locked */
};

enum crtm_chip_work {
	CRTM_CHIP_IDLE,
	CRTM_CHIP_PROGRAM,	/* can be suspended */
	CRTM_CHIP_ERASE,	/* can be suspended */
	CRTM_CHIP_FIXED,	/* ordinary, cannot be suspended */
	CRTM_CHIP_SECURE,	/* an OP1 block */
};

/* Everything that a power cut forgets. */
struct crtm_chip_volatile {
	bool on;
	bool wel;
	bool addr4;
	bool reset_enabled;
	u8 fsr[CRTM_CHIP_MAX_DICE];	/* error bits only */
	u8 fsr_die;		/* the one that 70h shows next */
	u8 ear;
	u8 vcr;
	u8 evcr;
	u64 busy_until;		/* us */
	enum crtm_chip_work work;
	enum crtm_chip_work suspended;
	u64 suspended_us;	/* what is left of it */
	struct crtm_chip_region suspended_range;
	struct crtm_chip_region range;	/* of the work under way */

	bool frozen;
	u8 vlb[CRTM_CHIP_MAX_SECTORS];

	u32 hkrs;		/* bit n: hkr[n] is set */
	u8 hkr[RPMC_MAX_SLOTS][RPMC_KEY_LEN];
	bool session;
	u8 sk[RPMC_KEY_LEN];
	u32 seq;
	bool derivation_locked;
	u8 resp[CRTM_CHIP_RESP_LEN];
	u32 resp_len;
	bool resp_secret;
	bool resp_fresh;	/* not read yet */
};

enum crtm_chip_result {
	CRTM_CHIP_OK,
	CRTM_CHIP_UNKNOWN,	/* no such opcode */
	CRTM_CHIP_IGNORED,	/* busy */
	CRTM_CHIP_NO_WEL,
	CRTM_CHIP_SHORT,	/* cut off before it was complete */
	CRTM_CHIP_LOCKED,	/* a protected sector or register */
	CRTM_CHIP_ERROR,	/* refused for another reason */
	CRTM_CHIP_DROPPED,	/* by an injected fault */
};

/**
 * struct crtm_chip_event - chip-select assertions, as traced
 * @start_us: when chip select fell
 * @busy_us: how long the chip is busy with it
 * @addr: physical address
 * @len: bytes on the wire, opcode included
 * @op: opcode
 * @type: command type of an OP1 block
 * @slot: its slot
 * @times: how often, for status reads that showed the same
 * @status: extended status an OP1 block ended with, or what a read of OP2 or of a
 *	register showed first
 * @result: enum crtm_chip_result
 * @has_addr: @addr is valid
 * @has_type: @type and @slot are valid
 * @has_status: @status is valid
 * @poll: a status read
 */
struct crtm_chip_event {
	u64 start_us;
	u64 busy_us;
	u32 addr;
	u32 len;
	u32 times;
	u8 op;
	u8 type;
	u8 slot;
	u8 status;
	u8 result;
	bool has_addr;
	bool has_type;
	bool has_status;
	bool poll;
};

/* Injected faults; each strikes once, at the N-th OP1 block from now, which is carried out. */
enum crtm_chip_fault {
	CRTM_CHIP_F_BITFLIP,	/* one bit of the response's last byte is wrong */
	CRTM_CHIP_F_LENGTH,	/* the response has another length, and another still says so */
	CRTM_CHIP_F_STALE,	/* the response is the first one ever to a block of its type */
	CRTM_CHIP_FAULTS
};

/* The first response to a block of some type that succeeded */
struct crtm_chip_old {
	u8 type;
	u8 len;			/* 0: there was none yet */
	u8 resp[CRTM_CHIP_RESP_LEN];
};

/**
 * struct crtm_chip_at - a chip-select assertion to come, at which something strikes
 * @count: the count-th from now, 0: none
 * @op: of those with this opcode
 * @any: of all
 */
struct crtm_chip_at {
	u32 count;
	u8 op;
	bool any;
};

/* To be asked once at each assertion; @op: its opcode */
static inline bool crtm_chip_is_at(struct crtm_chip_at *at, u8 op)
{
	return at->count && (at->any || at->op == op) && !--at->count;
}

struct crtm_chip_op;

/* The assertion under way. */
struct crtm_chip_bus {
	const struct crtm_chip_op *op;
	bool selected;
	bool ignored;
	u32 n;			/* bytes so far */
	u32 phys;
	u8 in[CRTM_CHIP_IN_LEN];
	u8 page[CRTM_CHIP_PAGE];
	struct crtm_chip_event ev;
};

/**
 * struct crtm_chip - one chip
 * @model: what it is
 * @ops: callbacks
 * @ctx: their first argument
 * @nv_mem: non-volatile memory, two copies of the record first
 * @array: the array in it
 * @nv: the record as last loaded or stored
 * @v: what a power cut forgets
 * @bus: the assertion under way
 * @id: what RDID returns; a test may replace it
 * @id_len: its length in bytes
 * @sfdp: what 5Ah returns; a test may replace it
 * @sfdp_len: its length in bytes; beyond is FF
 * @time_scale: percent of the typical times; 0: everything is instant
 * @cut_in: power fails before the N-th next step of a non-volatile change, 0:
 *	never. The chip is then off until crtm_chip_power_on().
 * @cut_before: the same before this assertion
 * @drop: this assertion never arrives
 * @stuck: after this assertion the chip is busy until power-on or RESET#
 * @nv_steps: steps of non-volatile changes so far
 * @fault: countdown of each fault, 0: none
 * @seed: of crtm_chip_random()
 * @old: responses for CRTM_CHIP_F_STALE, never a key
 * @violations: OP1 blocks and whole response reads that came while busy
 * @busy_ignored: other commands ignored because the chip was busy
 * @stale_reads: reads of a response that had been read before
 * @opcount: chip-select assertions by opcode
 * @trace: ring of events, the caller's; NULL: none
 * @trace_size: events that it holds, 0: none
 * @trace_count: events recorded; the last @trace_size of them are there
 */
struct crtm_chip {
	const struct crtm_chip_model *model;
	const struct crtm_chip_ops *ops;
	void *ctx;
	u8 *nv_mem;
	u8 *array;
	struct crtm_chip_record nv;
	struct crtm_chip_volatile v;
	struct crtm_chip_bus bus;

	u8 id[CRTM_CHIP_ID_LEN];
	u32 id_len;
	u8 sfdp[CRTM_CHIP_SFDP_LEN];
	u32 sfdp_len;
	u32 time_scale;
	u32 cut_in;
	struct crtm_chip_at cut_before;
	struct crtm_chip_at drop;
	struct crtm_chip_at stuck;
	u64 nv_steps;
	u32 fault[CRTM_CHIP_FAULTS];
	u32 seed;
	struct crtm_chip_old old[CRTM_CHIP_OLD];
	u32 violations;
	u32 busy_ignored;
	u32 stale_reads;
	u32 opcount[256];
	struct crtm_chip_event *trace;
	u32 trace_size;
	u32 trace_count;
};

/**
 * crtm_chip_model() - the model of that name
 * @name: as in struct crtm_chip_model
 * @len: length of @name
 *
 * Return: the model, NULL if there is none.
 */
const struct crtm_chip_model *crtm_chip_model(const char *name, size_t len);

/**
 * crtm_chip_nv_size() - bytes of non-volatile memory that a model needs
 * @model: the model
 *
 * Return: size in bytes, a multiple of 4096.
 */
size_t crtm_chip_nv_size(const struct crtm_chip_model *model);

/**
 * crtm_chip_init() - a chip on a given non-volatile memory, powered off
 * @chip: storage for it; written wholly
 * @model: what it is
 * @nv: its non-volatile memory, crtm_chip_nv_size() bytes. Memory without a
 *	valid record is a new chip: it gets its device secret and an erased array.
 * @ops: callbacks
 * @ctx: their first argument
 *
 * Return: 0; -EINVAL if the memory belongs to another model.
 */
int crtm_chip_init(struct crtm_chip *chip, const struct crtm_chip_model *model,
		   void *nv, const struct crtm_chip_ops *ops, void *ctx);

/**
 * crtm_chip_wipe() - forget every secret in @chip, not those in its memory
 * @chip: the chip
 */
void crtm_chip_wipe(struct crtm_chip *chip);

/**
 * crtm_chip_power_on() - power comes; the chip counts it and loads its registers
 * @chip: the chip
 */
void crtm_chip_power_on(struct crtm_chip *chip);

/**
 * crtm_chip_power_off() - power goes, an assertion under way is lost
 * @chip: the chip
 */
void crtm_chip_power_off(struct crtm_chip *chip);

/**
 * crtm_chip_reset_pin() - a pulse on RESET#
 * @chip: the chip
 */
void crtm_chip_reset_pin(struct crtm_chip *chip);

/**
 * crtm_chip_begin() - chip select falls
 * @chip: the chip
 */
void crtm_chip_begin(struct crtm_chip *chip);

/**
 * crtm_chip_transfer() - bytes on the wire, both ways at once
 * @chip: the chip
 * @tx: bytes to the chip, NULL: zeros
 * @rx: room for the bytes from the chip, NULL: nobody listens
 * @len: number of bytes
 */
void crtm_chip_transfer(struct crtm_chip *chip, const u8 *tx, u8 *rx, size_t len);

/**
 * crtm_chip_out() - what the chip drives while the next byte is clocked
 * @chip: the chip
 *
 * For a bus that goes bit by bit; crtm_chip_transfer() does both for one that goes
 * byte by byte. To be followed by crtm_chip_in().
 *
 * Return: the byte.
 */
u8 crtm_chip_out(struct crtm_chip *chip);

/**
 * crtm_chip_in() - the byte that was clocked
 * @chip: the chip
 * @in: the byte to the chip
 */
void crtm_chip_in(struct crtm_chip *chip, u8 in);

/**
 * crtm_chip_at_dummy() - is the next byte on the wire a dummy byte?
 * @chip: the chip
 *
 * For controllers that count dummies in other units than bytes.
 *
 * Return: true if the opcode has dummy bytes and the next one is of them.
 */
bool crtm_chip_at_dummy(const struct crtm_chip *chip);

/**
 * crtm_chip_end() - chip select rises: the command is carried out
 * @chip: the chip
 */
void crtm_chip_end(struct crtm_chip *chip);

/**
 * crtm_chip_random() - chance in an injected fault
 * @chip: the chip
 *
 * Return: the next of a sequence that @chip->seed settles; nothing for keys.
 */
u32 crtm_chip_random(struct crtm_chip *chip);

/**
 * crtm_chip_locks() - what protects a sector
 * @chip: the chip
 * @sector: number of the 64 KiB sector, inside the chip
 *
 * Return: ASP_S_*, from the registers themselves: nothing is sent.
 */
u8 crtm_chip_locks(const struct crtm_chip *chip, u32 sector);

/**
 * crtm_chip_event_text() - one line for an event, without end of line
 * @buf: room for CRTM_CHIP_LINE_LEN bytes
 * @ev: the event
 *
 * Return: length of the text. It holds no data bytes and no key.
 */
int crtm_chip_event_text(char *buf, const struct crtm_chip_event *ev);

/**
 * crtm_chip_state() - key=value lines
 * @chip: the chip
 * @buf: room for CRTM_CHIP_STATE_LEN bytes
 *
 * Return: length of the text. It holds no data bytes and no key.
 */
int crtm_chip_state(struct crtm_chip *chip, char *buf);

#endif /* _CRTM_CHIP_H */
