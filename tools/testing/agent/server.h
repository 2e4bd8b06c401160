/* SPDX-License-Identifier: MIT */
/*
 * A signing server that signs nothing and misbehaves on demand.
 */
#ifndef AGENT_TEST_SERVER_H
#define AGENT_TEST_SERVER_H

#include "protocol.h"

enum server_fault {
	FAULT_NONE,
	FAULT_CLOSE,		/* close the connection in place of an answer */
	FAULT_CLOSE_AFTER,	/* the same, once what was posted is stored */
	FAULT_STATUS,		/* @status in place of an answer */
	FAULT_BODY,		/* 200 and @body in place of an answer */
	FAULT_REDIRECT,		/* to @body */
	FAULT_HOLD,		/* answer only after a long time */
};

struct server_request {
	enum server_fault fault;
	unsigned int times;	/* how often before all is well again */
	unsigned int status;
	const char *body;
	volatile unsigned int count;	/* requests so far */
};

struct server {
	uint16_t port;		/* 0: any, set by server_start() */
	const struct batch *batches[4];
	char * volatile outcomes[BATCH_MAX_STEPS];	/* of steps, as posted */
	struct server_request hello;
	struct server_request next;
	struct server_request results;
	unsigned int conflicts;	/* outcomes posted for a step that has another */
	void *priv;
};

/* pki/: ca.pem, and server and device, each .pem and .key; other.pem is another CA's. */
void pki_make(void);

void server_start(struct server *s);
/* As a server that is killed: connections are cut. What it stored stays. */
void server_stop(struct server *s);
/* Forget batches, outcomes, faults. */
void server_clear(struct server *s);

#endif /* AGENT_TEST_SERVER_H */
