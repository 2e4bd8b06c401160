// SPDX-License-Identifier: MIT
/*
 * Every security ioctl on a node whose flash has no security engine, or whose
 * kernel has no such ioctl: each has to be refused with the same errno. With
 * "exchange" those of the exchange alone, for a flash with sector protection.
 *
 * usage: crtm_refused DEVICE EOPNOTSUPP|ENOTTY [exchange]
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>

#include "common.h"

static int expected, wrong;

static void refused(const char *what, int ret)
{
	if (ret == -expected)
		return;
	printf("%s: %s\n", what, ret < 0 ? strerror(-ret) : "not refused");
	wrong = 1;
}

int main(int argc, char **argv)
{
	struct mtd_crtm_info info = { .size = sizeof(info) };
	uint8_t block[MAX_BLOCK];
	struct mtd_asp_map map;
	struct mtd_asp_cmd cmd;
	unsigned int i;
	size_t len;
	int fd;

	if (argc != 3 && !(argc == 4 && !strcmp(argv[3], "exchange")))
		return 2;
	if (!strcmp(argv[2], "EOPNOTSUPP"))
		expected = EOPNOTSUPP;
	else if (!strcmp(argv[2], "ENOTTY"))
		expected = ENOTTY;
	else
		return 2;
	fd = open(argv[1], O_RDWR);
	if (fd < 0) {
		perror(argv[1]);
		return 1;
	}

	refused("MTD_CRTM_INFO", ioctl(fd, MTD_CRTM_INFO, &info) ? -errno : 0);
	for (i = 0; i < nr_commands; i++) {
		len = block_plain(&commands[i], 0, block);
		refused(commands[i].name, exchange(fd, WR_CRTM_CMD, block, len).ret);
		refused(commands[i].name, exchange(fd, RD_CRTM_CMD, block, len).ret);
	}
	if (argc == 4)
		return wrong;
	refused("MTD_ASP_MAP", asp_map(fd, &map, NULL, 0));
	for (i = 0; i < NR_ASP_COMMANDS; i++) {
		asp_init(&cmd, i);
		refused(asp_commands[i].name, asp_cmd(fd, &cmd));
	}
	return wrong;
}
