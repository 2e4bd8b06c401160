// SPDX-License-Identifier: MIT
/*
 * MTD_ASP_CMD: lock the chip's first sector until its next reset or power-on, so that no unlock
 * opens it. Usage: lock-down NODE
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <mtd/mtd-security.h>
#include <mtd/mtd-user.h>

int main(int argc, char **argv)
{
	struct erase_info_user range = { .start = 0, .length = 65536 };
	struct mtd_asp_cmd cmd = {
		.size = sizeof(cmd), .cmd = MTD_ASP_LOCK_DOWN, .length = 65536,
	};
	int fd;

	if (argc != 2)
		return 2;
	fd = open(argv[1], O_RDWR);
	if (fd < 0 || ioctl(fd, MEMLOCK, &range) || ioctl(fd, MTD_ASP_CMD, &cmd)) {
		perror("nothing was locked down");
		return 1;
	}
	if (cmd.result) {
		errno = -cmd.result;
		perror("see MTD_ASP_MAP");
		return 1;
	}
	/* Between the two another process can have unlocked it. */
	if (ioctl(fd, MEMISLOCKED, &range) != 1) {
		fputs("not seen locked: see MTD_ASP_MAP\n", stderr);
		return 1;
	}
	printf("locked down: %u sector%s\n", cmd.done, cmd.sent ? "" : ", as it was");
	return 0;
}
