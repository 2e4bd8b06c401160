// SPDX-License-Identifier: MIT
/*
 * crtmctl: security commands of SPI NOR flash from the command line.
 */
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "crtmctl.h"

static const struct verb *const verbs[] = {
	&verb_info, &verb_send, &verb_status, &verb_counter, &verb_measure, &verb_provision,
	&verb_map, &verb_lock, &verb_unlock, &verb_freeze, &verb_password, &verb_protect,
};

#define NR_VERBS	(sizeof(verbs) / sizeof(verbs[0]))

static void usage(FILE *stream)
{
	size_t i;

	fprintf(stream,
		"Usage: crtmctl [-d NODE] [--json] VERB [ARGUMENTS]\n"
		"Security commands (A-CRTM, JESD260) and sector protection of SPI NOR flash\n"
		"behind MTD.\n\n"
		"Verbs (crtmctl VERB -h tells more):\n");
	for (i = 0; i < NR_VERBS; i++)
		fprintf(stream, "  %-10s %s\n", verbs[i]->name, verbs[i]->what);
	fprintf(stream,
		"\nOptions of every verb:\n"
		"  -d, --device NODE  for example /dev/mtd0; default: the only node with security\n"
		"                     operations, or with sector protection\n"
		"  -j, --json         result as one JSON object on standard output\n"
		"  -h, --help         this text\n"
		"  -V, --version      version\n"
		"\nExit codes: 0 done, 1 usage or input, 2 device or system (nothing sent by the\n"
		"failing call), 3 refused by the chip or wrong password, 4 outcome unknown,\n"
		"5 answer not as it should be, 6 result could not be written.\n");
}

static void verb_usage(const struct verb *verb)
{
	printf("Usage: crtmctl %s [-d NODE] [--json] %s\n%s.\n%s", verb->name, verb->args,
	       verb->what, verb->help);
}

int ctl_option(struct ctl *ctl, int option)
{
	switch (option) {
	case 'd':
		ctl->device = optarg;
		return CTL_OK;
	case 'j':
		ctl->json = true;
		return CTL_OK;
	case 'h':
		if (ctl->verb)
			verb_usage(ctl->verb);
		else
			usage(stdout);
		exit(flush(stdout));
	case 'V':
		printf("crtmctl %s\n", CRTMCTL_VERSION);
		exit(flush(stdout));
	default: /* getopt_long() has said what is wrong */
		fprintf(stderr, "Try: crtmctl %s%s-h\n", ctl->verb ? ctl->verb->name : "",
			ctl->verb ? " " : "");
		return CTL_USAGE;
	}
}

typedef int list_fn(struct crtm_node *nodes, size_t max, struct crtm_silent_node *silent);

/* Without -d: the only node there is, never a guess. @what: what it has to have. */
static int choose_node(struct ctl *ctl, bool write, list_fn *list, const char *what)
{
	struct crtm_silent_node silent;
	struct crtm_node nodes[32];
	int i, nr, max = sizeof(nodes) / sizeof(nodes[0]);

	nr = list(nodes, max, &silent);
	if (write && nr <= 1 && silent.err) {
		/* It could be the one that was meant. */
		ctl_error("%s cannot be asked whether it has %s: %s (%s); choose a node with -d",
			  silent.path, what, crtm_errno_text(silent.err),
			  crtm_errno_name(silent.err));
		return CTL_DEVICE;
	}
	if (nr < 0) {
		ctl_error("looking for MTD devices with %s: %s (%s)", what, crtm_errno_text(nr),
			  crtm_errno_name(nr));
		return CTL_DEVICE;
	}
	if (!nr) {
		ctl_error("no MTD device with %s", what);
		return CTL_DEVICE;
	}
	if (nr > 1) {
		ctl_error("%d nodes have %s, choose one with -d:", nr, what);
		for (i = 0; i < nr && i < max; i++)
			fprintf(stderr, "  %-12s %s%s0x%08llx + 0x%llx%s\n", nodes[i].path,
				nodes[i].info.chip, *nodes[i].info.chip ? ", " : "",
				(unsigned long long)nodes[i].info.node_offset,
				(unsigned long long)nodes[i].info.node_size,
				nodes[i].info.flags & MTD_CRTM_F_MASTER ? ", whole chip" : "");
		return CTL_DEVICE;
	}
	snprintf(ctl->path, sizeof(ctl->path), "%s", nodes[0].path);
	return CTL_OK;
}

static int open_node(struct ctl *ctl, bool write, list_fn *list, const char *what)
{
	int ret;

	if (!ctl->device) {
		ret = choose_node(ctl, write, list, what);
		if (ret)
			return ret;
	} else if (strlen(ctl->device) >= sizeof(ctl->path)) {
		ctl_error("name of the device is too long");
		return CTL_USAGE;
	} else {
		snprintf(ctl->path, sizeof(ctl->path), "%s", ctl->device);
	}

	ctl->fd = crtm_open(ctl->path, write);
	if (ctl->fd < 0) {
		ctl_error("%s: cannot open for %s: %s (%s)", ctl->path,
			  write ? "reading and writing" : "reading",
			  crtm_errno_text(ctl->fd), crtm_errno_name(ctl->fd));
		return CTL_DEVICE;
	}
	return CTL_OK;
}

int ctl_open(struct ctl *ctl, bool write)
{
	int ret;

	ret = open_node(ctl, write, crtm_list, "security operations");
	if (ret)
		return ret;
	ret = crtm_info(ctl->fd, &ctl->info);
	if (ret) {
		ctl_error("%s: %s (%s)", ctl->path, crtm_errno_text(ret), crtm_errno_name(ret));
		return CTL_DEVICE;
	}
	/* Everything below sizes buffers by these. */
	if (!ctl->info.max_list || !ctl->info.max_response || ctl->info.max_list > 65536 ||
	    ctl->info.max_response > 65536) {
		ctl_error("%s: the kernel gives limits that make no sense", ctl->path);
		return CTL_DEVICE;
	}
	return CTL_OK;
}

int asp_open(struct ctl *ctl, bool write)
{
	int ret;

	ret = open_node(ctl, write, crtm_asp_list, "sector protection");
	if (ret)
		return ret;
	ret = crtm_asp_map(ctl->fd, &ctl->asp, NULL, 0);
	if (ret) {
		ctl_error("%s: %s (%s)", ctl->path, crtm_asp_errno_text(ret),
			  crtm_errno_name(ret));
		return CTL_DEVICE;
	}
	ret = crtm_place(ctl->fd, &ctl->info);
	if (ret) {
		ctl_error("%s: cannot tell where it lies in its chip: %s (%s)", ctl->path,
			  crtm_errno_text(ret), crtm_errno_name(ret));
		return CTL_DEVICE;
	}
	/* Offsets become addresses by these: a wrong one would lock the wrong sector. */
	if (!ctl->asp.sector_size || !ctl->info.node_size ||
	    ctl->asp.first != ctl->info.node_offset / ctl->asp.sector_size ||
	    ctl->asp.nr != (ctl->info.node_offset + ctl->info.node_size - 1) /
			   ctl->asp.sector_size - ctl->asp.first + 1) {
		ctl_error("%s: the kernel contradicts itself about where it lies in its chip",
			  ctl->path);
		return CTL_DEVICE;
	}
	return CTL_OK;
}

int main(int argc, char **argv)
{
	static const struct option options[] = { COMMON_LONG };
	struct ctl ctl = { .fd = -1 };
	int c, ret;
	size_t i;

	/* Who reads the result may be gone: then it could not be written, exit code 6. */
	signal(SIGPIPE, SIG_IGN);
	while ((c = getopt_long(argc, argv, "+" COMMON_SHORT, options, NULL)) != -1)
		if (ctl_option(&ctl, c))
			return CTL_USAGE;
	if (optind == argc) {
		usage(stderr);
		return CTL_USAGE;
	}
	for (i = 0; i < NR_VERBS; i++)
		if (!strcmp(argv[optind], verbs[i]->name))
			ctl.verb = verbs[i];
	if (!ctl.verb) {
		ctl_error("no verb '%s'; crtmctl -h lists them", argv[optind]);
		return CTL_USAGE;
	}

	argc -= optind;
	argv += optind;
	optind = 0; /* glibc: start over */
	ret = ctl.verb->run(&ctl, argc, argv);
	if (ctl.fd >= 0)
		close(ctl.fd);
	return ret;
}
