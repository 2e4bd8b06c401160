// SPDX-License-Identifier: MIT
/*
 * crtmctl info: the chip, its command set, its limits.
 */
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "crtmctl.h"

/* Name of the partition as MTD knows it; "" if sysfs does not tell. */
static void partition_name(const struct ctl *ctl, char name[64])
{
	char path[64];
	struct stat st;
	FILE *f;

	name[0] = '\0';
	if (fstat(ctl->fd, &st))
		return;
	/* /dev/mtdNro is minor 2N + 1 and has no attributes of its own. */
	snprintf(path, sizeof(path), "/sys/dev/char/%u:%u/name", major(st.st_rdev),
		 minor(st.st_rdev) & ~1U);
	f = fopen(path, "re");
	if (!f)
		return;
	if (!fgets(name, 64, f))
		name[0] = '\0';
	name[strcspn(name, "\n")] = '\0';
	fclose(f);
}

static const char *needs(const struct crtm_command *cmd)
{
	if (cmd->flags & CRTM_F_ADMIN)
		return "CAP_SYS_ADMIN";
	if (cmd->flags & CRTM_F_CHIP_WIDE)
		return "whole chip or CAP_SYS_ADMIN";
	return "";
}

static json_object *commands_json(const struct mtd_crtm_info *info)
{
	json_object *list = json_object_new_array(), *row;
	const struct crtm_command *cmd;
	unsigned int type;

	for (type = 0; type < 256; type++) {
		if (!crtm_known(info, type))
			continue;
		row = json_object_new_object();
		cmd = crtm_command(type);
		json_add_int(row, "type", type);
		json_add_string(row, "name", crtm_name(type));
		json_add_string(row, "class", crtm_read_only(info, type) ? "rd" : "wr");
		if (cmd) {
			json_add_int(row, "min", cmd->min);
			json_add_int(row, "max", cmd->max);
			json_add_int(row, "response", cmd->resp);
			json_add_bool(row, "admin", cmd->flags & CRTM_F_ADMIN);
			json_add_bool(row, "chip_wide", cmd->flags & CRTM_F_CHIP_WIDE);
			json_add_bool(row, "relay", cmd->flags & CRTM_F_RELAY);
		}
		json_object_array_add(list, row);
	}
	return list;
}

static int info_json(const struct ctl *ctl, const char *name)
{
	const struct mtd_crtm_info *info = &ctl->info;
	json_object *obj = json_object_new_object();

	json_add_string(obj, "node", ctl->path);
	json_add_string(obj, "partition", name);
	json_add_bool(obj, "whole_chip", info->flags & MTD_CRTM_F_MASTER);
	json_add_int(obj, "node_offset", info->node_offset);
	json_add_int(obj, "node_size", info->node_size);
	json_add_string(obj, "chip", info->chip);
	json_add_int(obj, "chip_size", info->chip_size);
	json_add_hex(obj, "id", info->id, info->id_len);
	json_add_string(obj, "command_set", info->command_set);
	json_add_bool(obj, "reference", info->flags & MTD_CRTM_F_REFERENCE);
	json_add_bool(obj, "rpmc", info->flags & MTD_CRTM_F_RPMC);
	json_add_bool(obj, "crtm", info->flags & MTD_CRTM_F_CRTM);
	json_add_string(obj, "busy", info->flags & MTD_CRTM_F_POLL_RDSR ? "rdsr" : "op2");
	json_add_int(obj, "op1", info->op1);
	json_add_int(obj, "op2", info->op2);
	json_add_int(obj, "slots", info->slots);
	json_add_int(obj, "max_block", info->max_block);
	json_add_int(obj, "max_response", info->max_response);
	json_add_int(obj, "max_list", info->max_list);
	json_add_int(obj, "max_hold_ms", info->max_hold_ms);
	json_object_object_add(obj, "commands", commands_json(info));
	return print_json(stdout, obj);
}

static void commands_text(const struct mtd_crtm_info *info)
{
	const struct crtm_command *cmd;
	unsigned int type;
	char length[16];

	printf("\n%stype  %-22s class  length  response  needs%s\n", paint(stdout, BOLD), "command",
	       plain(stdout));
	for (type = 0; type < 256; type++) {
		if (!crtm_known(info, type))
			continue;
		cmd = crtm_command(type);
		printf("%02x    %-22s %-5s", type, crtm_name(type),
		       crtm_read_only(info, type) ? "RD" : "WR");
		if (cmd) {
			snprintf(length, sizeof(length), cmd->min == cmd->max ? "%u" : "%u-%u",
				 cmd->min, cmd->max);
			printf("  %-6s  %8u", length, cmd->resp);
			if (*needs(cmd))
				printf("  %s", needs(cmd));
		}
		putchar('\n');
	}
}

static int info_text(const struct ctl *ctl, const char *name)
{
	const struct mtd_crtm_info *info = &ctl->info;
	bool reference = info->flags & MTD_CRTM_F_REFERENCE;
	char size[32];
	int i;

	printf("node          %s", ctl->path);
	if (*name)
		printf(", \"%s\"", name);
	if (info->flags & MTD_CRTM_F_MASTER)
		printf(", the whole chip\n");
	else
		printf(", partition 0x%08llx + 0x%llx (%s)\n",
		       (unsigned long long)info->node_offset,
		       (unsigned long long)info->node_size, size_text(size, info->node_size));
	printf("chip          %s%s%s, %s\n", paint(stdout, BOLD), info->chip, plain(stdout),
	       size_text(size, info->chip_size));
	printf("JEDEC ID     ");
	for (i = 0; i < info->id_len; i++)
		printf(" %02x", info->id[i]);
	printf("\ncommand set   %s%s", reference ? paint(stdout, YELLOW) : "", info->command_set);
	if (reference && !strstr(info->command_set, "reference numbering, not Micron's"))
		printf(" (reference numbering, not Micron's)");
	printf("%s\nopcodes       OP1 %02x, OP2 %02x; busy shows in %s\n",
	       reference ? plain(stdout) : "", info->op1, info->op2,
	       info->flags & MTD_CRTM_F_POLL_RDSR ? "RDSR" : "OP2's status");
	printf("slots         %u\n", info->slots);
	printf("limits        block %u bytes, response %u bytes, list %u blocks, %u ms a block\n",
	       info->max_block, info->max_response, info->max_list, info->max_hold_ms);
	commands_text(info);
	return flush(stdout);
}

static int run(struct ctl *ctl, int argc, char **argv)
{
	static const struct option options[] = { COMMON_LONG };
	char name[64];
	int c, ret;

	while ((c = getopt_long(argc, argv, COMMON_SHORT, options, NULL)) != -1)
		if (ctl_option(ctl, c))
			return CTL_USAGE;
	if (optind != argc) {
		ctl_error("info takes no argument '%s'", argv[optind]);
		return CTL_USAGE;
	}
	ret = ctl_open(ctl, false);
	if (ret)
		return ret;
	partition_name(ctl, name);
	return ctl->json ? info_json(ctl, name) : info_text(ctl, name);
}

const struct verb verb_info = {
	.name = "info",
	.args = "",
	.what = "Describe the chip, its command set and its limits",
	.help = "Never touches the chip.\n",
	.run = run,
};
