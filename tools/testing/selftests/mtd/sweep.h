/* SPDX-License-Identifier: MIT */
/*
 * Sweeps of faults over jobs: a bench with one chip, a job of signed blocks as a server would
 * sign them in advance, one fault at a time, and what has to hold whatever the fault was.
 *
 * The invariants are those of the reference command set: see Documentation/security-model.rst.
 */
#ifndef SELFTEST_MTD_SWEEP_H
#define SELFTEST_MTD_SWEEP_H

#include "common.h"
#include "session.h"

#define PAGE_LEN	CRTM_PAGE_SIZE
#define AREA		(1U << 20)		/* the region that is updated */
#define WINDOW		(AREA - CRTM_REGION_UNIT)	/* what is compared each time: */
#define WELL_AT		(7U << 20)		/* a sector of the file system's */
#define MAX_LIST	16			/* blocks of one ioctl */

enum verdict {
	UNSENT,		/* the driver says that the chip has not seen it */
	UNKNOWN,	/* no answer, or one that proves nothing */
	SAID,		/* an answer without signature: success, perhaps */
	REFUSED,	/* proven */
	ACCEPTED,	/* proven */
};

struct step {
	uint8_t block[MAX_BLOCK];
	size_t len;
	struct outcome o;
	enum verdict verdict;
	bool applied;	/* the chip itself says that it has accepted it */
};

/* What a job moves, as far as it survives or matters. */
struct model {
	uint32_t mc[RPMC_MAX_SLOTS];
	uint32_t root_keys, regions, seq;
	bool session, locked;
	uint8_t *array;		/* the window */
};

struct bench {
	const char *chips;	/* for load_chips() */
	int chip, fd;
	unsigned int seed;
	struct keys k[RPMC_MAX_SLOTS];
	uint32_t image_len;	/* bytes that a job writes at AREA */
	const uint8_t *old, *image;
	uint32_t window_len;
	struct step *step;
	unsigned int nr, room, sent;
	unsigned int group;	/* blocks of one ioctl */
	struct model before, now;
	uint8_t *seen;		/* the window as read from the chip */
	uint8_t key[CRTM_DERIVE_PAYLOAD];	/* what 46 derives */
	bool has_key;
	bool cut;		/* the power was cut */
	unsigned int violations;
	unsigned int steps;	/* of non-volatile changes, in the last job */
	unsigned int runs, ioctls;
	unsigned long worst_ms;
};

struct fault {
	const char *name;
	const char *opcode;	/* NULL: counted in blocks, or in steps of a non-volatile change */
	bool broken;		/* the chip is of no use until it is reset */
};

extern const struct fault faults[];
extern const unsigned int nr_faults;

/* A number of the environment; @value: if there is none. */
unsigned int bench_setting(const char *name, unsigned int value);

/* No two of a test are alike; good for any nonce or tag. */
const uint8_t *bench_nonce(void);

/*
 * Fresh chips, open. @content: the image; NULL: one that is made up. Each returns NULL, or what is
 * wrong.
 */
const char *bench_new(struct bench *b, const char *chips, const uint8_t *content,
		      uint32_t image_len);
const char *bench_new_chip(struct bench *b);
void bench_free(struct bench *b);

/* Power on, key register and counter known, old image in place, protected if so wanted. */
const char *bench_prepare(struct bench *b, bool provisioned, bool is_protected);

/* Steps of a job */
void job_start(struct bench *b, unsigned int group);
uint8_t *job_block(struct bench *b);
void job_add(struct bench *b, size_t len);
void job_image(struct bench *b);
/* Slot 0: key register, counter, session. */
void job_open(struct bench *b);
void job_attest(struct bench *b);
/* All of an update. */
void job_update(struct bench *b);

/* Runs the job until it ends or stops being proven; NULL, or what broke a promise. */
const char *job_run(struct bench *b);
/* Did all of it go as it should? */
bool job_done(const struct bench *b);
/* What the chip is now, against what it has accepted and what was said about that. */
const char *job_check(struct bench *b);

/*
 * The job as prepared, with the @n-th chance of @f; NULL, or what is wrong. @struck: false if
 * the job was over before.
 */
const char *with_fault(struct bench *b, const struct fault *f, unsigned int n, bool *struck);

/* A good exchange, a sector erased, written and read. */
const char *bench_well(struct bench *b);
/* The server finds out how things stand and ends the update. */
const char *bench_finish(struct bench *b, bool update);

#endif /* SELFTEST_MTD_SWEEP_H */
