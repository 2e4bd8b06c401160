// SPDX-License-Identifier: MIT
/*
 * The command table, from the contract headers, and the checks that follow from it.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "crtm.h"

#define ROW(is_rpmc, t, s, n, c, f, mi, ma, re, a, l, u, li, r, nr, ty, mx, ty64, mx64)	\
	{ .rpmc = is_rpmc, .type = t, .sym = #s, .name = n, .class = c, .flags = f,	\
	  .min = mi, .max = ma, .resp = re, .addr = a, .len = l, .unit = u,		\
	  .limit = li, .rsvd = r, .nrsvd = nr, .typ_us = ty, .max_us = mx,		\
	  .typ_us_64k = ty64, .max_us_64k = mx64 },
#define RPMC_ROW(...)	ROW(true, __VA_ARGS__)
#define CRTM_ROW(...)	ROW(false, __VA_ARGS__)

static const struct crtm_command commands[] = {
	RPMC_COMMANDS(RPMC_ROW)
	CRTM_COMMANDS(CRTM_ROW)
};

#define NR_COMMANDS	(sizeof(commands) / sizeof(commands[0]))

const struct crtm_command *crtm_commands(size_t *nr)
{
	*nr = NR_COMMANDS;
	return commands;
}

const struct crtm_command *crtm_command(uint8_t type)
{
	size_t i;

	for (i = 0; i < NR_COMMANDS; i++)
		if (commands[i].type == type)
			return &commands[i];
	return NULL;
}

const struct crtm_command *crtm_command_by_name(const char *name)
{
	unsigned long type;
	char *end;
	size_t i;

	for (i = 0; i < NR_COMMANDS; i++)
		if (!strcasecmp(commands[i].name, name) || !strcasecmp(commands[i].sym, name))
			return &commands[i];
	type = strtoul(name, &end, 16);
	if (end == name || *end || type > 0xff)
		return NULL;
	return crtm_command(type);
}

const char *crtm_name(uint8_t type)
{
	const struct crtm_command *cmd = crtm_command(type);

	return cmd ? cmd->name : "unknown command";
}

bool crtm_known(const struct mtd_crtm_info *info, uint8_t type)
{
	return info->commands[type / 64] >> (type % 64) & 1;
}

bool crtm_read_only(const struct mtd_crtm_info *info, uint8_t type)
{
	return info->read_only[type / 64] >> (type % 64) & 1;
}

uint32_t crtm_max_range(const struct mtd_crtm_info *info, const struct crtm_command *cmd)
{
	uint64_t hold = (uint64_t)info->max_hold_ms * 1000;
	uint64_t chunks = 0;

	if (!cmd->max_us_64k)
		chunks = UINT32_MAX / 65536;
	else if (hold > cmd->max_us)
		chunks = (hold - cmd->max_us) / cmd->max_us_64k;
	if (chunks > info->chip_size / 65536)
		chunks = info->chip_size / 65536;
	if (chunks > UINT32_MAX / 65536)
		chunks = UINT32_MAX / 65536;
	return (chunks ? chunks : 1) * 65536;
}

static const char *range_problem(const struct mtd_crtm_info *info,
				 const struct crtm_command *cmd, const uint8_t *block, size_t len)
{
	uint64_t start = crtm_get_be32(block + cmd->addr);
	uint64_t range = cmd->limit;

	if (cmd->len)
		range = crtm_get_be32(block + cmd->len);
	else if (cmd->flags & CRTM_F_DATA)
		range = len - cmd->addr - 4 - RPMC_SIG_LEN;

	if (!range)
		return "the length in it is 0";
	if (cmd->unit && (start % cmd->unit || range % cmd->unit))
		return "address or length in it is not a multiple of the command's unit";
	if (cmd->limit && range > cmd->limit)
		return "the length in it is above the command's limit";
	if ((cmd->flags & CRTM_F_DATA) && cmd->limit &&
	    start / cmd->limit != (start + range - 1) / cmd->limit)
		return "its data crosses a page boundary";
	if (start + range > info->chip_size)
		return "its range ends beyond the chip";
	if (start < info->node_offset || start + range > info->node_offset + info->node_size)
		return "its range lies outside this node's partition";
	if (cmd->len && cmd->max_us_64k && range > crtm_max_range(info, cmd))
		return "it could keep the flash for longer than the kernel allows: split it";
	return NULL;
}

int crtm_block_problem(const struct mtd_crtm_info *info, bool write, const void *block,
		       size_t len, const char **why)
{
	const struct crtm_command *cmd;
	const uint8_t *b = block;
	unsigned int i;

	if (len <= RPMC_OFF_TYPE) {
		*why = "it is shorter than a header";
		return -EMSGSIZE;
	}
	if (len > info->max_block) {
		*why = "it is longer than any command of the chip";
		return -EMSGSIZE;
	}
	cmd = crtm_command(b[RPMC_OFF_TYPE]);
	if (b[0] != info->op1) {
		*why = "its first byte is not the chip's OP1";
		return -EPERM;
	}
	if (!cmd || !crtm_known(info, cmd->type)) {
		*why = "the chip has no command of this type";
		return -EPERM;
	}
	if (!write && !crtm_read_only(info, cmd->type)) {
		*why = "it changes state, which RD does not take";
		return -EPERM;
	}
	if (len < cmd->min || len > cmd->max) {
		*why = "its length is not one that the command has";
		return -EMSGSIZE;
	}
	*why = NULL;
	if (b[RPMC_OFF_SLOT] >= info->slots)
		*why = "the chip has no such slot";
	else if (b[RPMC_OFF_SLOT] && (cmd->flags & CRTM_F_SLOT0))
		*why = "the command exists in slot 0 alone";
	else if (b[RPMC_OFF_RSVD])
		*why = "a reserved byte is not 0";
	for (i = 0; i < cmd->nrsvd && !*why; i++)
		if (b[cmd->rsvd + i])
			*why = "a reserved byte is not 0";
	if (!*why && cmd->addr)
		*why = range_problem(info, cmd, b, len);
	return *why ? -EINVAL : 0;
}
