/* SPDX-License-Identifier: MIT */
/*
 * The bodies of Documentation/relay-protocol.rst.
 */
#ifndef AGENT_PROTOCOL_H
#define AGENT_PROTOCOL_H

#include <linux/mtd/crtm-commands.h>
#include <linux/mtd/rpmc.h>
#include <mtd/mtd-security.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define AGENT_VERSION		"0.1"
#define PROTOCOL_VERSION	1
#define PROTOCOL_MAX_BODY	(1U << 20)
#define BATCH_MAX_STEPS		64

/* Longest response of any command in the table */
#define RESPONSE_MAX_COLUMN(type, sym, name, class, flags, min, max, resp, ...) char sym[resp];
union response_max {
	RPMC_COMMANDS(RESPONSE_MAX_COLUMN)
	CRTM_COMMANDS(RESPONSE_MAX_COLUMN)
};
#define RESPONSE_MAX sizeof(union response_max)

struct step {
	int64_t step;
	bool write;		/* class "wr" */
	uint8_t type;
	uint32_t max;		/* size of the response buffer, at most RESPONSE_MAX */
	size_t len;
	uint8_t *block;
};

struct batch {
	int64_t job;
	int64_t done;
	int64_t total;
	unsigned int nr;
	struct step steps[BATCH_MAX_STEPS];
	char title[81];
};

enum outcome_kind {
	OUTCOME_ANSWERED = 1,	/* @status and @response */
	OUTCOME_UNKNOWN,	/* @error */
	OUTCOME_UNSENT,		/* @error */
};

#define OUTCOME_ERROR_LEN 16

struct outcome {
	int64_t step;
	enum outcome_kind kind;
	uint8_t status;
	char error[OUTCOME_ERROR_LEN];
	uint16_t len;
	uint8_t response[RESPONSE_MAX];
};

/* The block was carried out: the next one may follow. */
bool outcome_success(const struct outcome *o);

/* An outcome without answer: @error is a name of at most OUTCOME_ERROR_LEN - 1 bytes. */
void outcome_error(struct outcome *o, int64_t step, enum outcome_kind kind, const char *error);

/**
 * batch_parse - read the body of a 200 to GET /v1/next
 * @why: set to a constant string when NULL is returned
 *
 * A batch is taken whole or not at all.
 *
 * Return: the batch (batch_free()), or NULL.
 */
struct batch *batch_parse(const char *text, size_t len, const char **why);
void batch_free(struct batch *b);

/**
 * hello_check - read the body of a 200 to POST /v1/hello
 *
 * Return: NULL if it is one, or why not.
 */
const char *hello_check(const char *text, size_t len);

/* Request bodies, from malloc(); NULL if out of memory. */
char *hello_format(const struct mtd_crtm_info *info);
char *results_format(int64_t job, const struct outcome *outcomes, size_t nr);

#endif /* AGENT_PROTOCOL_H */
