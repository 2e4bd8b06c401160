// SPDX-License-Identifier: MIT
/*
 * WR_CRTM_CMD: pass signed blocks on, one line of hexadecimal digits each, and tell what became
 * of each. What a relay must remember is which of the three it is, across a crash too:
 * crtm-agentd shows how. Usage: relay NODE <BLOCKS
 */
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <linux/mtd/rpmc.h>
#include <mtd/mtd-security.h>

#define LIST	16
#define LONGEST	512

static uint8_t block[LIST][LONGEST], answer[LIST][LONGEST];

/* Returns the number of bytes, 0 if that is no block. */
static uint32_t read_block(const char *line, uint8_t *to)
{
	uint32_t n = 0;
	int used;

	while (n < LONGEST && sscanf(line, "%2hhx%n", &to[n], &used) == 1 && used == 2) {
		line += 2;
		n++;
	}
	return line[strspn(line, "\n")] ? 0 : n;
}

int main(int argc, char **argv)
{
	struct mtd_crtm_entry entry[LIST] = { { 0 } };
	struct mtd_crtm_cmd cmd = { .size = sizeof(cmd), .entries = (uintptr_t)entry };
	char line[2 * LONGEST + 2];
	unsigned int i;
	int fd;

	if (argc != 2)
		return 2;
	while (cmd.nr < LIST && fgets(line, sizeof(line), stdin)) {
		i = cmd.nr++;
		entry[i].in = (uintptr_t)block[i];
		entry[i].in_len = read_block(line, block[i]);
		entry[i].out = (uintptr_t)answer[i];
		entry[i].out_len = LONGEST;
	}

	fd = open(argv[1], O_RDWR);
	if (fd < 0 || ioctl(fd, WR_CRTM_CMD, &cmd)) {
		perror(argv[1]);	/* nothing was sent */
		return 1;
	}
	for (i = 0; i < cmd.nr; i++) {
		if (!entry[i].sent)
			printf("%u: unsent: it may be sent later\n", i);
		else if (entry[i].result)
			printf("%u: unknown: ask the chip, never send it again\n", i);
		else if (entry[i].status == RPMC_STATUS_SUCCESS)
			printf("%u: accepted\n", i);
		else
			printf("%u: refused, status %02x: the server wants to know\n", i,
			       entry[i].status);
	}
	return cmd.done == cmd.nr ? 0 : 3;
}
