/* SPDX-License-Identifier: MIT */
/*
 * What the agent's tests share: a scratch folder, files, blocks.
 */
#ifndef AGENT_TEST_H
#define AGENT_TEST_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "protocol.h"

/* A new folder, in memory where possible; the working folder from then on. */
int scratch_setup(void **state);
int scratch_teardown(void **state);
/* Remove all files in the scratch folder. */
int scratch_empty(void **state);

/* Whole files; the reader's result comes from malloc() and is NUL-terminated. */
void file_write(const char *name, const void *data, size_t len);
char *file_read(const char *name, size_t *len);

/* A batch of @nr steps from @first: program blocks that name job and step, type 43. */
struct batch *batch_make(int64_t job, int64_t first, unsigned int nr);
/* Turn a step into another command. */
void step_set(struct step *s, bool write, uint8_t type);

#endif /* AGENT_TEST_H */
