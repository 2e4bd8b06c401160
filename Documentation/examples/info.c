// SPDX-License-Identifier: MIT
/* MTD_CRTM_INFO: what the chip behind a node can do. Usage: info NODE */
#include <fcntl.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <mtd/mtd-security.h>

static int has(const __u64 *words, unsigned int type)
{
	return words[type / 64] >> type % 64 & 1;
}

int main(int argc, char **argv)
{
	struct mtd_crtm_info info = { .size = sizeof(info) };
	unsigned int i;
	int fd;

	if (argc != 2)
		return 2;
	fd = open(argv[1], O_RDONLY);
	if (fd < 0 || ioctl(fd, MTD_CRTM_INFO, &info)) {
		perror(argv[1]);
		return 1;
	}

	printf("%s, ID", info.chip);
	for (i = 0; i < info.id_len; i++)
		printf(" %02x", info.id[i]);
	printf("\n%llu bytes, this node: %llu from %llu%s\n", (unsigned long long)info.chip_size,
	       (unsigned long long)info.node_size, (unsigned long long)info.node_offset,
	       info.flags & MTD_CRTM_F_MASTER ? ", the whole chip" : "");
	printf("%s%s%s\n", info.command_set, info.flags & MTD_CRTM_F_RPMC ? ", JESD260" : "",
	       info.flags & MTD_CRTM_F_REFERENCE ? ", reference" : "");
	printf("opcodes %02x and %02x, %u counters, busy shows in %s\n", info.op1, info.op2,
	       info.slots, info.flags & MTD_CRTM_F_POLL_RDSR ? "RDSR" : "OP2");
	printf("at most %u blocks a call, %u bytes a block, %u a response, %u ms a block\n",
	       info.max_list, info.max_block, info.max_response, info.max_hold_ms);
	for (i = 0; i < 256; i++)
		if (has(info.commands, i))
			printf("%02x %s\n", i, has(info.read_only, i) ? "RD" : "WR");
	return 0;
}
