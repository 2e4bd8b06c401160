// SPDX-License-Identifier: MIT
/*
 * Exchanges whose block and response lie in a file mapped from a file system on
 * the same chip: a page that is not in memory has to be read from the flash that
 * the exchange holds.
 *
 * usage: crtm_mapped /dev/mtdN FILE
 *
 * FILE: four pages at least, of no command's bytes. Exit code 0 if every response was right.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "common.h"

enum { BLOCK, OUT, ENTRY, CMD, PAGES };

static int drop_caches(void)
{
	int fd = open("/proc/sys/vm/drop_caches", O_WRONLY);
	int ret = fd < 0 || write(fd, "3", 1) != 1;

	close(fd);
	return ret;
}

/* The response goes to a page that nobody touched: it is still in the flash. */
static int run(int fd, int file, uint8_t count)
{
	long size = sysconf(_SC_PAGESIZE);
	uint8_t nonce[CRTM_INFO_NONCE_LEN] = { count }, *mem;
	struct mtd_crtm_entry *entry;
	struct mtd_crtm_cmd *cmd;
	int ret;

	mem = mmap(NULL, PAGES * size, PROT_READ | PROT_WRITE, MAP_PRIVATE, file, 0);
	if (mem == MAP_FAILED)
		return -errno;
	entry = (void *)(mem + ENTRY * size);
	cmd = (void *)(mem + CMD * size);
	entry->in = (uintptr_t)mem + BLOCK * size;
	entry->in_len = block_get_info(0, nonce, mem + BLOCK * size);
	entry->out = (uintptr_t)mem + OUT * size;
	entry->out_len = MAX_RESPONSE;
	entry->reserved = 0;
	*cmd = (struct mtd_crtm_cmd) {
		.size = sizeof(*cmd), .nr = 1, .entries = (uintptr_t)entry,
	};
	if (drop_caches())
		return -EIO;
	ret = ioctl(fd, RD_CRTM_CMD, cmd) ? -errno : 0;
	if (!ret && (cmd->done != 1 || entry->result || entry->status != RPMC_STATUS_SUCCESS ||
		     memcmp(mem + OUT * size + CRTM_RESP_OFF_PAYLOAD, nonce, sizeof(nonce))))
		ret = -EBADMSG;
	munmap(mem, PAGES * size);
	return ret;
}

/* A block that is read from the file: its page is still in the flash. */
static int run_read_only(int fd, int file)
{
	uint8_t *mem = mmap(NULL, 4096, PROT_READ, MAP_SHARED, file, 0);
	struct outcome o;

	if (mem == MAP_FAILED)
		return -errno;
	if (drop_caches())
		return -EIO;
	/* Its bytes are none that a command has: refused for that, once it was read. */
	o = exchange(fd, RD_CRTM_CMD, mem, 20);
	munmap(mem, 4096);
	return o.ret == -EPERM ? 0 : -EBADMSG;
}

int main(int argc, char **argv)
{
	int fd, file, i, ret;

	if (argc != 3)
		return 2;
	fd = open(argv[1], O_RDONLY);
	file = open(argv[2], O_RDONLY);
	if (fd < 0 || file < 0) {
		perror("open");
		return 1;
	}
	for (i = 0; i < 20; i++) {
		ret = run(fd, file, i);
		if (!ret)
			ret = run_read_only(fd, file);
		if (ret) {
			printf("# round %d: %s\n", i, strerror(-ret));
			return 1;
		}
	}
	return 0;
}
