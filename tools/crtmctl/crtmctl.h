/* SPDX-License-Identifier: MIT */
/*
 * What the verbs of crtmctl share.
 */
#ifndef CRTMCTL_H
#define CRTMCTL_H

#include <getopt.h>
#include <json-c/json.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include <crtm.h>

#define CRTMCTL_VERSION	"0.1"

/* Exit codes; part of the interface, see crtmctl(1). */
enum {
	CTL_OK = 0,
	CTL_USAGE = 1,		/* usage or input: nothing was sent */
	CTL_DEVICE = 2,		/* device or system: the failing call sent nothing */
	CTL_REFUSED = 3,	/* the chip refused a block, or the password is wrong */
	CTL_UNKNOWN = 4,	/* the outcome of what was sent is unknown */
	CTL_MISMATCH = 5,	/* the answer is not what it should be */
	CTL_OUTPUT = 6,		/* the result could not be written */
};

struct ctl;

/* One task. @run gets argv[0] = the verb. */
struct verb {
	const char *name;
	const char *args;
	const char *what;
	const char *help;
	int (*run)(struct ctl *ctl, int argc, char **argv);
};

/* State of one run. @fd is -1 until ctl_open() or asp_open(). */
struct ctl {
	const struct verb *verb;
	const char *device;
	bool json;
	int fd;
	char path[256];
	struct mtd_crtm_info info;
	struct mtd_asp_map asp;	/* asp_open(): the registers */
};

extern const struct verb verb_info, verb_send, verb_status, verb_counter, verb_measure,
	verb_provision, verb_lock, verb_unlock, verb_map, verb_freeze, verb_password, verb_protect;

/* Options that every verb takes; the verb's own are in front of them. */
#define COMMON_SHORT	"d:jhV"
#define COMMON_LONG					\
	{ "device", required_argument, NULL, 'd' },	\
	{ "json", no_argument, NULL, 'j' },		\
	{ "help", no_argument, NULL, 'h' },		\
	{ "version", no_argument, NULL, 'V' },		\
	{ 0 }

/**
 * ctl_option() - deal with what getopt_long() returned and the verb does not know
 *
 * Does not return for -h and -V.
 *
 * Return: CTL_OK or CTL_USAGE (already reported)
 */
int ctl_option(struct ctl *ctl, int option);

/**
 * ctl_open() - open the node of -d, or the only one with security operations
 * @write: for WR_CRTM_CMD
 *
 * Return: CTL_OK with @ctl->fd, path and info set, or CTL_DEVICE (already reported)
 */
int ctl_open(struct ctl *ctl, bool write);

/**
 * asp_open() - open the node of -d, or the only one with sector protection
 * @write: for what changes something
 *
 * Return: CTL_OK with @ctl->fd, path, asp and of info the place of the node set, or
 * CTL_DEVICE (already reported)
 */
int asp_open(struct ctl *ctl, bool write);

/* input.c: everything reports its own errors. */

#define NO_VALUE	UINT64_MAX

/**
 * parse_size() - decimal or 0x number with an optional k or M (1024, 1024^2)
 * @what: name of the option, for the message
 * @max: largest value allowed
 */
int parse_size(const char *what, const char *text, uint64_t max, uint64_t *value);

/* parse_hex() - exactly @len bytes of hex */
int parse_hex(const char *what, const char *text, void *buf, size_t len);

struct input {
	const char *name;
	char *data;		/* NUL-terminated behind @len */
	size_t len;
	size_t size;
};

/**
 * input_read() - a whole file, or standard input for "-", of at most @max bytes
 * @name: of the file, for messages
 *
 * Copies nothing about, so that input_free() leaves no trace of it.
 */
int input_read(struct input *in, const char *path, const char *name, size_t max);
void input_free(struct input *in);

int random_bytes(void *buf, size_t len);

/**
 * read_answer() - ask on the terminal and read a line from standard input, which is one
 * @question: goes to standard error
 * @echo: show what is typed
 * @answer: the line without its end, @size bytes at most with the NUL; wiped on error
 *
 * Return: CTL_OK or CTL_USAGE (already reported)
 */
int read_answer(const char *question, bool echo, char *answer, size_t size);

/* output.c */

void ctl_error(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

enum colour { RED, GREEN, YELLOW, BOLD };

/* paint() - escape sequence if @stream is a terminal, else ""; plain() ends it. */
const char *paint(FILE *stream, enum colour colour);
const char *plain(FILE *stream);

/* size_text() - "16 MiB", "4 KiB", "40 bytes" */
char *size_text(char buf[32], uint64_t size);

/* Progress on a terminal, for what takes long; nothing elsewhere. */
void progress(const char *what, uint64_t done, uint64_t total);
void progress_clear(void);

/* print_json() - print and put @obj; CTL_OK or CTL_OUTPUT */
int print_json(FILE *stream, json_object *obj);

/* flush() - CTL_OK, or CTL_OUTPUT (reported) if @stream could not be written */
int flush(FILE *stream);

void json_add_hex(json_object *obj, const char *key, const void *buf, size_t len);
void json_add_int(json_object *obj, const char *key, uint64_t value);
void json_add_string(json_object *obj, const char *key, const char *text);
void json_add_bool(json_object *obj, const char *key, bool value);

/* exchange.c */

/* exit_of() - exit code that goes with an outcome */
int exit_of(enum crtm_outcome outcome);

const char *outcome_name(enum crtm_outcome outcome);

/* worse() - the exit code to keep of two */
int worse(int a, int b);

bool is_admin(void);

/**
 * report_errno() - explain why a call sent nothing
 * @what: what was sent, for the message
 */
void report_errno(const struct ctl *ctl, bool write, const struct mtd_crtm_entry *entries,
		  unsigned int nr, const char *what, int err);

/* One exchange, with room for the longest response. */
struct exchange {
	struct mtd_crtm_entry entry;
	uint8_t *out;
	enum crtm_outcome outcome;
	int err;		/* errno if nothing was sent, else 0 */
	struct crtm_response resp;
	bool parsed;		/* @resp is valid */
};

/**
 * exchange() - send one block; report everything but success
 * @what: what it is, for messages
 * @accept_refusal: a refusal is the caller's to report
 *
 * Release with exchange_free() whatever it returned.
 *
 * Return: CTL_OK (accepted and parsed) or the exit code
 */
int exchange(struct ctl *ctl, bool write, const void *block, size_t len, const char *what,
	     bool accept_refusal, struct exchange *x);
void exchange_free(const struct ctl *ctl, struct exchange *x);

/* query.c: command 48 for one slot, with a fresh nonce, checked. Parameters as exchange(). */
int get_state(struct ctl *ctl, uint8_t slot, bool accept_refusal, struct exchange *x,
	      struct crtm_state *state);

/* asp.c: what the verbs of sector protection share. */

/* Whole sectors of the node. @offset is relative to the node, as MTD's own ioctls have it. */
struct range {
	uint64_t offset;
	uint64_t length;
	bool have_offset;
	bool have_length;
};

/* range_check() - fill in what was not given and check it, before anything is sent */
int range_check(const struct ctl *ctl, struct range *range);

/* What became of a command of sector protection. */
struct asp_result {
	const char *command;
	const struct range *range;	/* NULL: on the whole chip */
	enum crtm_outcome outcome;
	int err;			/* errno unless accepted */
	bool counted;			/* @done is valid, and @state unless accepted */
	uint32_t done;			/* leading sectors of @range that are as wanted */
	uint8_t state;			/* of the sector behind them */
	bool volatile_set;		/* unsent, but the volatile locks of @range were set */
};

/**
 * asp_command() - MTD_ASP_CMD; explains what goes wrong
 * @cmd: command, password and confirmation filled in; the password is wiped
 * @range: for commands that take one, else NULL
 *
 * Return: the exit code
 */
int asp_command(const struct ctl *ctl, struct mtd_asp_cmd *cmd, const struct range *range,
		struct asp_result *result);

/* asp_report_partial() - how many sectors of the range are as wanted, and the next one */
void asp_report_partial(const struct ctl *ctl, const struct asp_result *result);

/* asp_show() - the result as JSON, or @text if it was accepted; the exit code */
int asp_show(const struct ctl *ctl, const struct asp_result *result, const char *text);

/* asp_sectors() - read the whole map; CTL_OK with @sectors to be freed, or CTL_DEVICE */
int asp_sectors(struct ctl *ctl, uint8_t **sectors);

/* asp_stays_locked() - is there a lock that MEMUNLOCK does not take away? */
bool asp_stays_locked(uint8_t state);

/* asp_add_state() - the names of a sector's state as an array */
void asp_add_state(json_object *obj, const char *key, uint8_t state);

/* sector_offset() - of sector @i of the map in the node; below 0 if it starts before it */
int64_t sector_offset(const struct ctl *ctl, uint32_t i);

#endif /* CRTMCTL_H */
