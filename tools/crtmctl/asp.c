// SPDX-License-Identifier: MIT
/*
 * What the verbs of sector protection share: ranges, MTD_ASP_CMD, and what is said of it.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "crtmctl.h"

#define ROOT	"it needs CAP_SYS_ADMIN: run this as root"

int64_t sector_offset(const struct ctl *ctl, uint32_t i)
{
	return (int64_t)((uint64_t)(ctl->asp.first + i) * ctl->asp.sector_size -
			 ctl->info.node_offset);
}

int range_check(const struct ctl *ctl, struct range *range)
{
	const struct mtd_crtm_info *info = &ctl->info;
	uint32_t unit = ctl->asp.sector_size;
	char size[32];

	if (!range->have_length && range->offset <= info->node_size)
		range->length = info->node_size - range->offset;
	if (!range->length) {
		ctl_error("the range is empty: its length is 0");
		return CTL_USAGE;
	}
	if (range->offset > info->node_size || range->length > info->node_size - range->offset) {
		ctl_error("0x%llx + 0x%llx lies outside %s, which has 0x%llx bytes",
			  (unsigned long long)range->offset, (unsigned long long)range->length,
			  ctl->path, (unsigned long long)info->node_size);
		return CTL_USAGE;
	}
	if ((info->node_offset + range->offset) % unit || range->length % unit) {
		ctl_error("0x%llx + 0x%llx is not made of whole sectors of %s",
			  (unsigned long long)range->offset, (unsigned long long)range->length,
			  size_text(size, unit));
		if (info->node_offset % unit)
			ctl_error("%s begins at 0x%llx of the chip, so its first whole sector is "
				  "at offset 0x%llx", ctl->path,
				  (unsigned long long)info->node_offset,
				  (unsigned long long)sector_offset(ctl, 1));
		return CTL_USAGE;
	}
	return CTL_OK;
}

int asp_sectors(struct ctl *ctl, uint8_t **sectors)
{
	uint32_t nr = ctl->asp.nr;
	struct mtd_asp_map map;
	int err;

	*sectors = calloc(nr, 1);
	if (!*sectors) {
		ctl_error("out of memory");
		return CTL_DEVICE;
	}
	err = crtm_asp_map(ctl->fd, &map, *sectors, nr);
	if (!err && map.nr != nr)
		err = -EBADMSG;
	if (!err) {
		ctl->asp = map;
		return CTL_OK;
	}
	ctl_error("%s: the map cannot be read: %s (%s)", ctl->path, crtm_asp_errno_text(err),
		  crtm_errno_name(err));
	free(*sectors);
	*sectors = NULL;
	return CTL_DEVICE;
}

/* What a command needs and the caller has not; NULL if nothing. */
static const char *missing_permission(const struct ctl *ctl, const struct crtm_asp_command *cmd)
{
	if (is_admin())
		return NULL;
	if (cmd->flags & ASP_F_ADMIN)
		return ROOT;
	if (!(cmd->flags & ASP_F_RANGE) && !(ctl->info.flags & MTD_CRTM_F_MASTER))
		return "it works on the whole chip: needs CAP_SYS_ADMIN or the chip's own node";
	return NULL;
}

/* Which state of the chip forbids it; NULL if the registers do not tell. */
static const char *forbidden_by(const struct ctl *ctl, uint32_t nr)
{
	struct mtd_asp_map map;
	uint8_t pmr;

	if (crtm_asp_map(ctl->fd, &map, NULL, 0))
		return NULL;
	pmr = map.flags & MTD_ASP_F_PMR ? map.pmr : ASP_PMR_DEFAULT;
	switch (nr) {
	case MTD_ASP_NV_ERASE:
		if (!(pmr & ASP_PMR_NV_ERASE))
			return "non-volatile locks of this chip can never be erased (protection "
			       "management register)";
		/* fall through */
	case MTD_ASP_NV_LOCK:
		if (!(pmr & ASP_PMR_NVLB))
			return "non-volatile locks of this chip can never change (protection "
			       "management register)";
		if (map.flags & MTD_ASP_F_FROZEN)
			return map.flags & MTD_ASP_F_PASSWORD_MODE ?
			       "non-volatile locks are frozen: crtmctl password unlock" :
			       "non-volatile locks are frozen until the chip's power-on or reset";
		break;
	case MTD_ASP_PASSWORD_UNLOCK:
		if (!(map.flags & MTD_ASP_F_PASSWORD_MODE))
			return "the chip is not in password mode";
		break;
	case MTD_ASP_PASSWORD_VERIFY:
		if (map.flags & MTD_ASP_F_PASSWORD_MODE)
			return "the chip is in password mode, where its password cannot be read";
		break;
	case MTD_ASP_PASSWORD_PROGRAM:
	case MTD_ASP_PASSWORD_MODE:
		if (map.flags & MTD_ASP_F_PASSWORD_MODE)
			return "the chip is in password mode already";
		if (map.flags & MTD_ASP_F_NO_PASSWORD)
			return "the chip's password mode was given up for ever";
		return "the password in the chip cannot become this one: its bits only ever go "
		       "from 1 to 0";
	case MTD_ASP_NO_PASSWORD:
		if (map.flags & MTD_ASP_F_PASSWORD_MODE)
			return "the chip is in password mode for ever";
		break;
	case MTD_ASP_PMR_STATUS:
	case MTD_ASP_PMR_PMR:
	case MTD_ASP_PMR_NVLB:
	case MTD_ASP_PMR_NV_ERASE:
		if (!(pmr & ASP_PMR_PMR))
			return "the protection management register can never change";
		break;
	}
	return NULL;
}

static const char *why_not(const struct ctl *ctl, const struct crtm_asp_command *cmd, int err)
{
	const char *why = NULL;

	if (err == -EPERM)
		why = missing_permission(ctl, cmd);
	else if (err == -EACCES)
		why = forbidden_by(ctl, cmd->nr);
	else if (err == -EOPNOTSUPP && (cmd->flags & ASP_F_MARKED))
		why = "the opcode is not public for this chip, so its one-time bits are never "
		      "written here";
	return why ? why : crtm_asp_errno_text(err);
}

void asp_report_partial(const struct ctl *ctl, const struct asp_result *res)
{
	uint32_t total = res->range->length / ctl->asp.sector_size;
	uint64_t behind = res->range->offset + (uint64_t)res->done * ctl->asp.sector_size;
	char text[80];

	if (res->done >= total)
		ctl_error("%s: all %u sectors of the range are as wanted now", ctl->path, total);
	else
		ctl_error("%s: %u of %u sectors are as wanted; the one behind them, at offset "
			  "0x%08llx (0x%08llx of the chip), is %s", ctl->path, res->done, total,
			  (unsigned long long)behind,
			  (unsigned long long)(ctl->info.node_offset + behind),
			  crtm_asp_state_text(res->state, text, sizeof(text)));
}

int asp_command(const struct ctl *ctl, struct mtd_asp_cmd *cmd, const struct range *range,
		struct asp_result *res)
{
	const struct crtm_asp_command *row = crtm_asp_command(cmd->cmd);
	int err;

	memset(res, 0, sizeof(*res));
	res->command = row->name;
	res->range = range;
	if (range) {
		cmd->offset = ctl->info.node_offset + range->offset;
		cmd->length = range->length;
	}
	err = crtm_asp_cmd(ctl->fd, cmd);
	if (err) {
		res->outcome = CRTM_UNSENT;
		res->err = -err;
		ctl_error("%s: %s: nothing changed: %s (%s)", ctl->path, row->name,
			  why_not(ctl, row, err), crtm_errno_name(err));
		return CTL_DEVICE;
	}
	res->err = -cmd->result;
	res->counted = range;
	res->done = cmd->done;
	res->state = cmd->state;
	if (!cmd->result) {
		res->outcome = CRTM_ACCEPTED;
	} else if (cmd->result == -EKEYREJECTED) {
		res->outcome = CRTM_REFUSED;
		ctl_error("%s: %s: wrong password (EKEYREJECTED)", ctl->path, row->name);
	} else {
		res->outcome = CRTM_UNKNOWN;
		ctl_error("%s: %s: it failed, or nobody knows: %s (%s); crtmctl map shows what "
			  "holds now", ctl->path, row->name, crtm_asp_errno_text(cmd->result),
			  crtm_errno_name(cmd->result));
		if (range)
			asp_report_partial(ctl, res);
	}
	return exit_of(res->outcome);
}

bool asp_stays_locked(uint8_t state)
{
	return (state & (MTD_ASP_S_NON_VOLATILE | MTD_ASP_S_REGION)) ||
	       ((state & MTD_ASP_S_LOCK_DOWN) && (state & MTD_ASP_S_VOLATILE));
}

void asp_add_state(json_object *obj, const char *key, uint8_t state)
{
	json_object *list = json_object_new_array();
	const struct crtm_asp_bit *bits;
	size_t i, nr;

	bits = crtm_asp_bits(&nr);
	for (i = 0; i < nr; i++)
		if (state & bits[i].bit)
			json_object_array_add(list, json_object_new_string(bits[i].name));
	json_object_object_add(obj, key, list);
}

int asp_show(const struct ctl *ctl, const struct asp_result *res, const char *text)
{
	json_object *obj;

	if (!ctl->json) {
		if (res->outcome == CRTM_ACCEPTED)
			printf("%s: %s\n", ctl->path, text);
		return worse(exit_of(res->outcome), flush(stdout));
	}
	obj = json_object_new_object();
	json_add_string(obj, "node", ctl->path);
	json_add_string(obj, "command", res->command);
	if (res->range) {
		json_add_int(obj, "offset", res->range->offset);
		json_add_int(obj, "address", ctl->info.node_offset + res->range->offset);
		json_add_int(obj, "length", res->range->length);
		json_add_int(obj, "sectors", res->range->length / ctl->asp.sector_size);
	}
	json_add_string(obj, "outcome", outcome_name(res->outcome));
	if (res->outcome != CRTM_ACCEPTED)
		json_add_string(obj, "error", crtm_errno_name(res->err));
	if (res->volatile_set)
		json_add_bool(obj, "volatile_set", true);
	if (res->counted)
		json_add_int(obj, "done", res->done);
	if (res->counted && res->outcome != CRTM_ACCEPTED)
		asp_add_state(obj, "state", res->state);
	return worse(exit_of(res->outcome), print_json(stdout, obj));
}
