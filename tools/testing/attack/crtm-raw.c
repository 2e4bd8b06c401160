// SPDX-License-Identifier: MIT
/*
 * What an attacker's program does: one ioctl with any bytes on a node opened any
 * way, without the checks of libcrtm. Test only: never installed.
 *
 * usage: crtm-raw NODE ro|rw WR|RD HEX
 */
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>

#include <mtd/mtd-security.h>

#include "hex.h"

int main(int argc, char **argv)
{
	uint8_t block[4096], response[4096];
	struct mtd_crtm_entry entry = {
		.in = (uintptr_t)block,
		.out = (uintptr_t)response,
		.out_len = sizeof(response),
	};
	struct mtd_crtm_cmd cmd = {
		.size = sizeof(cmd),
		.nr = 1,
		.entries = (uintptr_t)&entry,
	};
	size_t len;
	int fd;

	if (argc != 5 || hex_decode(argv[4], block, sizeof(block), &len)) {
		fprintf(stderr, "usage: crtm-raw NODE ro|rw WR|RD HEX\n");
		return 2;
	}
	fd = open(argv[1], strcmp(argv[2], "rw") ? O_RDONLY : O_RDWR);
	if (fd < 0) {
		perror(argv[1]);
		return 2;
	}
	entry.in_len = len;
	if (ioctl(fd, strcmp(argv[3], "WR") ? RD_CRTM_CMD : WR_CRTM_CMD, &cmd)) {
		printf("%s: %s (%s)\n", argv[3], strerrorname_np(errno), strerror(errno));
		return 1;
	}
	printf("%s: sent %u, result %d, status %02x\n", argv[3], entry.sent, entry.result,
	       entry.status);
	return 0;
}
