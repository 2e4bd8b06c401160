/* SPDX-License-Identifier: MIT */
/*
 * Which blocks may pass, whatever the server says.
 */
#ifndef AGENT_POLICY_H
#define AGENT_POLICY_H

#include "protocol.h"

/**
 * policy_check - may this step's block go to the chip?
 * @op1: opcode that the chip's commands start with
 *
 * Only commands that the command table marks for relaying pass, under the class
 * that the table gives them, and only if the step says what its block is.
 *
 * Return: NULL if it may, or why not.
 */
const char *policy_check(const struct step *s, uint8_t op1);

#endif /* AGENT_POLICY_H */
