// SPDX-License-Identifier: MIT
/*
 * crtmctl lock, unlock and freeze: what can be undone.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "crtmctl.h"

/* Volatile locks, through MTD's own ioctls. */

static bool cannot_lock(uint8_t state)
{
	return (state & (MTD_ASP_S_LOCK_DOWN | MTD_ASP_S_VOLATILE)) == MTD_ASP_S_LOCK_DOWN;
}

static bool not_locked(uint8_t state)
{
	return !(state & MTD_ASP_S_VOLATILE);
}

static bool not_locked_down(uint8_t state)
{
	return ~state & (MTD_ASP_S_VOLATILE | MTD_ASP_S_LOCK_DOWN);
}

static bool not_unlocked(uint8_t state)
{
	return state & MTD_ASP_S_LOCKED;
}

/*
 * The first sector of @range that is so: how many are in front of it, and its state.
 * Return: 1, 0 if there is none, -1 if the map cannot be read (reported)
 */
static int find_sector(struct ctl *ctl, const struct range *range, bool (*is)(uint8_t state),
		       uint32_t *before, uint8_t *state)
{
	uint32_t nr = range->length / ctl->asp.sector_size, i, first;
	bool found = false;
	uint8_t *sectors;

	*before = 0;
	*state = 0;
	if (asp_sectors(ctl, &sectors))
		return -1;
	first = (ctl->info.node_offset + range->offset) / ctl->asp.sector_size - ctl->asp.first;
	for (i = 0; i < nr && !found; i++) {
		found = is(sectors[first + i]);
		*state = sectors[first + i];
		*before = i;
	}
	free(sectors);
	return found;
}

static void report_volatile(struct ctl *ctl, const struct range *range, bool lock,
			    struct asp_result *res)
{
	uint64_t offset = range->offset;
	uint32_t before;
	char text[80];
	uint8_t state;

	if (res->err == EACCES &&
	    find_sector(ctl, range, lock ? cannot_lock : asp_stays_locked, &before, &state) > 0) {
		offset += (uint64_t)before * ctl->asp.sector_size;
		ctl_error("%s: %s: nothing changed: the sector at offset 0x%08llx (0x%08llx of the "
			  "chip) is %s (EACCES)", ctl->path, res->command,
			  (unsigned long long)offset,
			  (unsigned long long)(ctl->info.node_offset + offset),
			  crtm_asp_state_text(state, text, sizeof(text)));
	} else if (res->err == EACCES && !lock && (ctl->asp.flags & MTD_ASP_F_PMR) &&
		   !(ctl->asp.pmr & ASP_PMR_STATUS)) {
		ctl_error("%s: %s: nothing changed: block protection of this chip can never change "
			  "(protection management register) (EACCES)", ctl->path, res->command);
	} else if (res->err == EINVAL && !lock) {
		ctl_error("%s: %s: nothing changed: the block protection bits cannot open this "
			  "range and nothing else; a larger one, in the end the whole chip, can be "
			  "opened, which opens more than you asked for (EINVAL)", ctl->path,
			  res->command);
	} else if (res->outcome == CRTM_UNSENT) {
		ctl_error("%s: %s: nothing changed: %s (%s)", ctl->path, res->command,
			  crtm_asp_errno_text(res->err), crtm_errno_name(res->err));
	} else {
		ctl_error("%s: %s: it failed: %s (%s); what had changed was put back, or the "
			  "kernel's log names the sectors that stand wrong", ctl->path,
			  res->command, crtm_asp_errno_text(res->err), crtm_errno_name(res->err));
		res->counted = find_sector(ctl, range, lock ? not_locked : not_unlocked,
					   &res->done, &res->state) > 0;
		if (res->counted)
			asp_report_partial(ctl, res);
	}
}

static int change_volatile(struct ctl *ctl, const struct range *range, bool lock,
			   struct asp_result *res)
{
	int err;

	memset(res, 0, sizeof(*res));
	res->command = lock ? "lock" : "unlock";
	res->range = range;
	err = lock ? crtm_lock(ctl->fd, range->offset, range->length) :
		     crtm_unlock(ctl->fd, range->offset, range->length);
	if (!err) {
		res->outcome = CRTM_ACCEPTED;
		res->counted = true;
		res->done = range->length / ctl->asp.sector_size;
		return CTL_OK;
	}
	/* These have an errno alone; with others than these two nothing was written. */
	res->outcome = err == -EIO || err == -ETIMEDOUT ? CRTM_UNKNOWN : CRTM_UNSENT;
	res->err = -err;
	report_volatile(ctl, range, lock, res);
	return exit_of(res->outcome);
}

static int lock_down(struct ctl *ctl, const struct range *range, struct asp_result *res)
{
	struct mtd_asp_cmd cmd = { .cmd = MTD_ASP_LOCK_DOWN };
	int ret, found;

	ret = change_volatile(ctl, range, true, res);
	if (ret)
		return ret;
	ret = asp_command(ctl, &cmd, range, res);
	if (ret) {
		ctl_error("%s: the volatile locks themselves are set", ctl->path);
		res->volatile_set = res->outcome == CRTM_UNSENT;
		return ret;
	}
	/* Between the two somebody else may have opened one, which then stays open. */
	found = find_sector(ctl, range, not_locked_down, &res->done, &res->state);
	if (!found) {
		res->done = range->length / ctl->asp.sector_size;
		return CTL_OK;
	}
	res->outcome = CRTM_UNKNOWN;
	res->err = EIO;
	res->counted = found > 0;
	ctl_error("%s: %s: done, but %s", ctl->path, res->command, res->counted ?
		  "not all of the range is locked: something opened it in between" :
		  "nobody knows whether something opened the range in between");
	if (res->counted)
		asp_report_partial(ctl, res);
	return CTL_UNKNOWN;
}

/* Options */

struct options {
	struct range range;
	bool down;
	bool non_volatile;
};

#define RANGE_LONG					\
	{ "offset", required_argument, NULL, 'o' },	\
	{ "length", required_argument, NULL, 'l' },	\
	{ "non-volatile", no_argument, NULL, 'n' },	\
	COMMON_LONG

static int parse(struct ctl *ctl, int argc, char **argv, const char *letters,
		 const struct option *options, struct options *opt)
{
	int c, ret = CTL_OK;

	memset(opt, 0, sizeof(*opt));
	while (!ret) {
		c = getopt_long(argc, argv, letters, options, NULL);
		if (c == -1)
			break;
		switch (c) {
		case 'o':
			ret = parse_size("--offset", optarg, UINT32_MAX, &opt->range.offset);
			opt->range.have_offset = true;
			break;
		case 'l':
			ret = parse_size("--length", optarg, UINT32_MAX, &opt->range.length);
			opt->range.have_length = true;
			break;
		case 'n':
			opt->non_volatile = true;
			break;
		case 'D':
			opt->down = true;
			break;
		default:
			ret = ctl_option(ctl, c);
		}
	}
	if (!ret && optind != argc) {
		ctl_error("%s takes no argument '%s'", ctl->verb->name, argv[optind]);
		ret = CTL_USAGE;
	}
	return ret;
}

/* Lock */

static int run_lock(struct ctl *ctl, int argc, char **argv)
{
	static const struct option options[] = {
		{ "down", no_argument, NULL, 'D' },
		RANGE_LONG
	};
	struct mtd_asp_cmd cmd = { .cmd = MTD_ASP_NV_LOCK };
	struct asp_result res;
	const char *what = "volatile lock set, until the chip's reset or power-on";
	char text[192], size[32];
	struct options opt;
	int ret;

	ret = parse(ctl, argc, argv, "o:l:nD" COMMON_SHORT, options, &opt);
	if (ret)
		return ret;
	if (opt.down && opt.non_volatile) {
		ctl_error("--down concerns volatile locks: not together with --non-volatile");
		return CTL_USAGE;
	}
	if ((opt.down || opt.non_volatile) && !opt.range.have_length) {
		ctl_error("%s needs --length: unlock does not open what it locks, and without a "
			  "length that would be all up to the node's end",
			  opt.down ? "--down" : "--non-volatile");
		return CTL_USAGE;
	}
	ret = asp_open(ctl, true);
	if (!ret)
		ret = range_check(ctl, &opt.range);
	if (ret)
		return ret;

	if (opt.non_volatile) {
		what = "non-volatile lock set";
		asp_command(ctl, &cmd, &opt.range, &res);
	} else if (opt.down) {
		what = "volatile lock set and locked down, until the chip's reset or power-on";
		lock_down(ctl, &opt.range, &res);
	} else {
		change_volatile(ctl, &opt.range, true, &res);
	}
	size_text(size, ctl->asp.sector_size);
	snprintf(text, sizeof(text), "0x%08llx + 0x%08llx (%llu x %s): %s",
		 (unsigned long long)opt.range.offset, (unsigned long long)opt.range.length,
		 (unsigned long long)opt.range.length / ctl->asp.sector_size, size, what);
	return asp_show(ctl, &res, text);
}

const struct verb verb_lock = {
	.name = "lock",
	.args = "[--offset O] [--length L] [--down | --non-volatile]",
	.what = "Lock sectors against program and erase",
	.help =
	"Sets the volatile lock bits of the range, as flash_lock does: they hold until the\n"
	"chip's reset or power-on, or until unlock.\n"
	"  -o, --offset O      first byte, relative to the node; default: 0\n"
	"  -l, --length L      bytes; default: up to the node's end, but --down and\n"
	"                      --non-volatile have none\n"
	"                      (both take 0x, and k or M for 1024 or 1024*1024; the range is\n"
	"                      made of whole sectors of the chip, 64 KiB each)\n"
	"  -D, --down          then lock them down: not even unlock opens them before the\n"
	"                      chip's reset or power-on\n"
	"  -n, --non-volatile  set the non-volatile lock bits instead: they stay until all of\n"
	"                      the chip's are erased (unlock --non-volatile)\n"
	"A board whose boot loader or system must write to these sectors may not start again.\n",
	.run = run_lock,
};

/* Unlock */

static int run_unlock(struct ctl *ctl, int argc, char **argv)
{
	static const struct option options[] = { RANGE_LONG };
	struct mtd_asp_cmd cmd = { .cmd = MTD_ASP_NV_ERASE };
	struct asp_result res;
	char text[192], size[32];
	struct options opt;
	int ret;

	ret = parse(ctl, argc, argv, "o:l:n" COMMON_SHORT, options, &opt);
	if (ret)
		return ret;
	if (opt.non_volatile && (opt.range.have_offset || opt.range.have_length)) {
		ctl_error("--non-volatile erases ALL non-volatile locks of the chip: it takes "
			  "neither --offset nor --length");
		return CTL_USAGE;
	}
	ret = asp_open(ctl, true);
	if (!ret && !opt.non_volatile)
		ret = range_check(ctl, &opt.range);
	if (ret)
		return ret;

	if (opt.non_volatile) {
		asp_command(ctl, &cmd, NULL, &res);
		return asp_show(ctl, &res, "ALL non-volatile locks of the chip are erased, those "
				"outside this node too");
	}
	change_volatile(ctl, &opt.range, false, &res);
	size_text(size, ctl->asp.sector_size);
	snprintf(text, sizeof(text), "0x%08llx + 0x%08llx (%llu x %s): open",
		 (unsigned long long)opt.range.offset, (unsigned long long)opt.range.length,
		 (unsigned long long)opt.range.length / ctl->asp.sector_size, size);
	return asp_show(ctl, &res, text);
}

const struct verb verb_unlock = {
	.name = "unlock",
	.args = "[--offset O] [--length L] | --non-volatile",
	.what = "Open sectors for program and erase",
	.help =
	"Clears the volatile lock bits of the range and its block protection, as\n"
	"flash_unlock does. All or nothing: a sector with a lock that this cannot take away\n"
	"(locked down, non-volatile, A-CRTM region) is named and nothing changes.\n"
	"  -o, --offset O      first byte, relative to the node; default: 0\n"
	"  -l, --length L      bytes; default: up to the node's end\n"
	"                      (both take 0x, and k or M for 1024 or 1024*1024; the range is\n"
	"                      made of whole sectors of the chip, 64 KiB each)\n"
	"  -n, --non-volatile  erase the non-volatile lock bits instead: ALL of the chip, for\n"
	"                      the chip can do no less, so it takes no range. Needs the whole\n"
	"                      chip's node or CAP_SYS_ADMIN\n",
	.run = run_unlock,
};

/* Freeze */

static int run_freeze(struct ctl *ctl, int argc, char **argv)
{
	static const struct option options[] = { COMMON_LONG };
	struct mtd_asp_cmd cmd = { .cmd = MTD_ASP_FREEZE };
	struct asp_result res;
	int c, ret;

	while ((c = getopt_long(argc, argv, COMMON_SHORT, options, NULL)) != -1)
		if (ctl_option(ctl, c))
			return CTL_USAGE;
	if (optind != argc) {
		ctl_error("freeze takes no argument '%s'", argv[optind]);
		return CTL_USAGE;
	}
	ret = asp_open(ctl, true);
	if (ret)
		return ret;
	asp_command(ctl, &cmd, NULL, &res);
	return asp_show(ctl, &res, ctl->asp.flags & MTD_ASP_F_PASSWORD_MODE ?
			"non-volatile locks are frozen until the password is given" :
			"non-volatile locks are frozen until the chip's reset or power-on");
}

const struct verb verb_freeze = {
	.name = "freeze",
	.args = "",
	.what = "Freeze the non-volatile locks of the chip",
	.help =
	"Until the chip's reset or power-on (in password mode: until crtmctl password unlock)\n"
	"no non-volatile lock can be set or erased. Volatile locks are not concerned. Needs\n"
	"the whole chip's node or CAP_SYS_ADMIN.\n",
	.run = run_freeze,
};
