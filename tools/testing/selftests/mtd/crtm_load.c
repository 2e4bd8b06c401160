// SPDX-License-Identifier: MIT
/*
 * Keep a chip busy with commands that change nothing, until SIGTERM or ENODEV,
 * and check every response.
 *
 * usage: crtm_load /dev/mtdN
 *
 * Exit code 0 if every response was right and there was one at least; the last
 * line says how many.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "common.h"

static volatile sig_atomic_t stop;

static void terminate(int sig)
{
	(void)sig;
	stop = 1;
}

int main(int argc, char **argv)
{
	struct sigaction sa = { .sa_handler = terminate };
	uint8_t block[MAX_BLOCK], nonce[32] = {};
	unsigned long n = 0;
	struct outcome o;
	size_t len;
	int fd;

	if (argc != 2)
		return 2;
	sigaction(SIGTERM, &sa, NULL);
	fd = open(argv[1], O_RDONLY);
	if (fd < 0) {
		perror(argv[1]);
		return 1;
	}
	while (!stop) {
		put32(nonce, n);
		len = n & 1 ? block_measure(0, nonce, n % 128 * 65536, 65536, block) :
			      block_get_info(0, nonce, block);
		o = exchange(fd, RD_CRTM_CMD, block, len);
		if (o.ret == -EINTR && stop)
			break;
		if (o.ret == -ENODEV) {
			printf("# the device is gone\n");
			break;
		}
		if (o.ret || o.result || o.status != RPMC_STATUS_SUCCESS ||
		    memcmp(o.out + CRTM_RESP_OFF_PAYLOAD, nonce, n & 1 ? 32 : 16)) {
			printf("# exchange %lu: %d, result %d, status %02x\n", n, o.ret, o.result,
			       o.status);
			return 1;
		}
		n++;
	}
	printf("# %lu exchanges\n", n);
	return !n;
}
