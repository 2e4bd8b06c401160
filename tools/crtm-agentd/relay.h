/* SPDX-License-Identifier: MIT */
/*
 * One batch from the server to the chip.
 */
#ifndef AGENT_RELAY_H
#define AGENT_RELAY_H

#include "device.h"
#include "journal.h"
#include "protocol.h"

/**
 * relay_batch - send what may be sent of a batch, and journal every outcome
 * @j: has no pending outcomes
 * @gone: set if the device must be opened anew
 *
 * On return each step of the batch that the server had no outcome for is pending
 * in the journal. If it had them all and asks again (its database is older than
 * our journal), each is reported as unknown.
 *
 * Return: 0; -EALREADY if the server asked again; -errno if the journal failed:
 * nothing may be sent any more.
 */
int relay_batch(struct device *d, struct journal *j, const struct batch *b, bool *gone);

#endif /* AGENT_RELAY_H */
