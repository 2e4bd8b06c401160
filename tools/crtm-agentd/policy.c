// SPDX-License-Identifier: MIT
/*
 * Which blocks may pass, whatever the server says.
 */
#include <crtm.h>

#include "policy.h"

/* No table, whoever wrote it, makes the agent carry a key. */
#define NO_KEYS(type, sym, name, class, flags, ...)					\
	_Static_assert(!((flags) & CRTM_F_RELAY) ||					\
		       ((type) != RPMC_WRITE_ROOT_KEY &&				\
			!((flags) & (CRTM_F_SECRET | CRTM_F_ADMIN))),			\
		       "a command that carries a key, or is irreversible, is marked for relaying");
RPMC_COMMANDS(NO_KEYS)
CRTM_COMMANDS(NO_KEYS)

const char *policy_check(const struct step *s, uint8_t op1)
{
	const struct crtm_command *cmd;

	if (s->len < RPMC_HDR_LEN || s->block[0] != op1)
		return "the block is not one of the chip's commands";
	if (s->block[RPMC_OFF_TYPE] != s->type)
		return "the block is not of the type that the step names";
	cmd = crtm_command(s->type);
	if (!cmd || !(cmd->flags & CRTM_F_RELAY))
		return "the command may not be relayed";
	if (s->write != (cmd->class == CRTM_WR))
		return "the class is not the command's";
	return NULL;
}
