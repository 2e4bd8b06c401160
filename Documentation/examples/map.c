// SPDX-License-Identifier: MIT
/* MTD_ASP_MAP: which sectors are locked, and by what. Usage: map NODE */
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <mtd/mtd-security.h>

int main(int argc, char **argv)
{
	struct mtd_asp_map map = { .size = sizeof(map) };
	uint8_t *sectors = NULL;
	unsigned int i;
	int fd;

	if (argc != 2)
		return 2;
	/* Without room for them the number of sectors and the registers come back. */
	fd = open(argv[1], O_RDONLY);
	if (fd < 0 || ioctl(fd, MTD_ASP_MAP, &map)) {
		perror(argv[1]);
		return 1;
	}

	sectors = calloc(map.nr, 1);
	map.flags = 0;
	map.sectors = (uintptr_t)sectors;
	if (!sectors || ioctl(fd, MTD_ASP_MAP, &map)) {
		perror(argv[1]);
		return 1;
	}

	printf("%u sectors of %u bytes from sector %u on, register %04x, status %02x\n", map.nr,
	       map.sector_size, map.first, map.aspr, map.sr);
	printf("non-volatile locks %s\n", map.flags & MTD_ASP_F_FROZEN ? "frozen" : "can change");
	for (i = 0; i < map.nr; i++)
		if (sectors[i])
			printf("%llu: %s%s%s%s%s%s\n",
			       (unsigned long long)(map.first + i) * map.sector_size,
			       sectors[i] & MTD_ASP_S_LOCKED ? "locked" : "open",
			       sectors[i] & MTD_ASP_S_VOLATILE ? ", volatile" : "",
			       sectors[i] & MTD_ASP_S_LOCK_DOWN ? ", locked down" : "",
			       sectors[i] & MTD_ASP_S_NON_VOLATILE ? ", non-volatile" : "",
			       sectors[i] & MTD_ASP_S_BLOCK ? ", block protection" : "",
			       sectors[i] & MTD_ASP_S_REGION ? ", region" : "");
	free(sectors);
	return 0;
}
