/* SPDX-License-Identifier: MIT */
/*
 * How the agent and the server reach each other: HTTPS, or files in a folder.
 */
#ifndef AGENT_TRANSPORT_H
#define AGENT_TRANSPORT_H

#include <stddef.h>

/* A body from the server; freed and emptied by its owner. */
struct body {
	char *text;
	size_t len;
};

void body_free(struct body *b);

struct transport_config {
	const char *server;	/* "https://..." or "spool:DIR" */
	const char *cert;
	const char *key;
	const char *ca;
};

struct transport;

/**
 * struct transport_ops - a kind of transport
 * @open: 0, or -1 with a line logged
 * @hello, @results: post a body
 * @next: fetch the next batch, waiting up to @wait seconds for one
 *
 * The last three give an HTTP status and the answer's body, or -1 with a line
 * logged if there was no answer. Each takes a bounded time and amount of memory,
 * and ends early when the agent is to stop.
 */
struct transport_ops {
	int (*open)(struct transport *t, const struct transport_config *config);
	int (*hello)(struct transport *t, const char *text, struct body *answer);
	int (*next)(struct transport *t, unsigned int wait, struct body *answer);
	int (*results)(struct transport *t, const char *text, struct body *answer);
	void (*close)(struct transport *t);
};

struct transport {
	const struct transport_ops *ops;
	void *priv;
};

extern const struct transport_ops transport_https;
extern const struct transport_ops transport_spool;

/* The kind that a server's name means, or NULL. */
const struct transport_ops *transport_find(const char *server);

#endif /* AGENT_TRANSPORT_H */
