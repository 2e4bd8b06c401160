/* SPDX-License-Identifier: MIT */
/*
 * The journal: why a block reaches the chip at most once.
 *
 * A file of records on storage that survives the board. What is about to be sent
 * is on the medium before it is sent, what came back before it is reported. A
 * block is named by (job, step), never by its bytes. A step that was announced
 * and has no outcome may have been sent: its outcome is unknown, for ever.
 *
 * The file holds no block, only digests of them, and responses until the server
 * has them. It is bounded: it is written anew when it has grown.
 *
 * Layout, integers big-endian::
 *
 *   head:   magic[8] committed[8] chain[32]
 *   record: length[4] payload[length] chain[32]
 *
 * chain = SHA-256(chain of the record before, length, payload). The head is
 * rewritten at each commit and says up to where records must be there: what is
 * missing or damaged before @committed is a loss, what is incomplete after it
 * was a write that the power cut, and is dropped.
 *
 * After a loss nobody knows what was sent. The journal is then *in doubt*: every
 * step of the next batch that it does not know counts as perhaps sent. So a
 * damaged journal, or an attacker's edit, costs the outcome of one batch. (One
 * that an attacker made consistent is the chip's replay protection's business.)
 *
 * Functions that return int give 0 or -errno. After an error of a function that
 * writes the journal is of no use any more: nothing may be sent.
 */
#ifndef AGENT_JOURNAL_H
#define AGENT_JOURNAL_H

#include "protocol.h"

/* The file is written anew when it has grown beyond this, in bytes. */
#define JOURNAL_COMPACT		(64U << 10)
/* Jobs remembered after the server has all their outcomes */
#define JOURNAL_JOBS		64

struct journal;

/**
 * journal_open - lock, read and rewrite a journal; make it if there is none
 * @path: the file; PATH.lock and PATH.new beside it are the journal's too
 *
 * Steps that were announced without an outcome get the outcome unknown, CRASH.
 *
 * Return: 0 or -errno; -EBUSY if another agent holds the lock.
 */
int journal_open(struct journal **out, const char *path);
void journal_close(struct journal *j);

/* Records were lost: steps that the journal does not know may have been sent. */
bool journal_in_doubt(const struct journal *j);

/**
 * journal_known - was the step dealt with before?
 * @stopped: set if the last outcome of those dealt with was no success, so that
 *	nothing of the same batch may follow
 */
bool journal_known(const struct journal *j, int64_t job, int64_t step, bool *stopped);

/* Announce @nr steps; on 0 it is on the medium and they may be sent. */
int journal_intent(struct journal *j, int64_t job, const struct step *steps, unsigned int nr);

/* Note @nr outcomes; on 0 they are on the medium and may be reported. */
int journal_outcomes(struct journal *j, int64_t job, const struct outcome *outcomes,
		     unsigned int nr);

/**
 * journal_pending - the outcomes that the server does not have yet
 *
 * They belong to one job and are in the order in which they were noted.
 *
 * Return: how many there are.
 */
unsigned int journal_pending(const struct journal *j, int64_t *job,
			     const struct outcome **outcomes);

/**
 * journal_acked - the server has all pending outcomes
 * @batch: they are those of a whole batch, which ends a doubt
 */
int journal_acked(struct journal *j, bool batch);

#endif /* AGENT_JOURNAL_H */
