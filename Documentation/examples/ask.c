// SPDX-License-Identifier: MIT
/*
 * RD_CRTM_CMD: two blocks in one call that change nothing and need no key, "get information"
 * and "measure" (reference numbering). What the chip answers is signed; whether the signature
 * is right only the holder of the key can tell. Usage: ask NODE
 */
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/random.h>
#include <linux/mtd/crtm-commands.h>
#include <linux/mtd/rpmc.h>
#include <mtd/mtd-security.h>

int main(int argc, char **argv)
{
	struct mtd_crtm_info info = { .size = sizeof(info) };
	uint8_t ask[CRTM_INFO_OFF_NONCE + CRTM_INFO_NONCE_LEN] = { 0 };
	uint8_t measure[CRTM_MEASURE_OFF_LEN + 4] = { 0 };
	uint8_t answer[2][256];
	struct mtd_crtm_entry entry[2] = {
		{ .in = (uintptr_t)ask, .in_len = sizeof(ask),
		  .out = (uintptr_t)answer[0], .out_len = sizeof(answer[0]) },
		{ .in = (uintptr_t)measure, .in_len = sizeof(measure),
		  .out = (uintptr_t)answer[1], .out_len = sizeof(answer[1]) },
	};
	struct mtd_crtm_cmd cmd = {
		.size = sizeof(cmd), .nr = 2, .entries = (uintptr_t)entry,
	};
	const uint8_t *payload = answer[0] + CRTM_RESP_OFF_PAYLOAD;
	unsigned int i;
	int fd;

	if (argc != 2)
		return 2;
	fd = open(argv[1], O_RDONLY);
	if (fd < 0 || ioctl(fd, MTD_CRTM_INFO, &info) ||
	    info.max_response > sizeof(answer[0])) {
		perror(argv[1]);
		return 1;
	}

	/* A fresh nonce each: an old answer cannot pass for a new one. */
	ask[0] = info.op1;
	ask[RPMC_OFF_TYPE] = CRTM_GET_INFO;
	measure[0] = info.op1;
	measure[RPMC_OFF_TYPE] = CRTM_MEASURE;
	if (getrandom(ask + CRTM_INFO_OFF_NONCE, CRTM_INFO_NONCE_LEN, 0) !=
	    CRTM_INFO_NONCE_LEN ||
	    getrandom(measure + CRTM_MEASURE_OFF_NONCE, CRTM_MEASURE_NONCE_LEN, 0) !=
	    CRTM_MEASURE_NONCE_LEN)
		return 1;
	/* The first 4 KiB: address 0, big-endian, is there already. */
	measure[CRTM_MEASURE_OFF_LEN + 2] = 0x10;

	if (ioctl(fd, RD_CRTM_CMD, &cmd)) {
		perror("RD_CRTM_CMD");
		return 1;
	}
	for (i = 0; i < cmd.nr; i++)
		printf("block %u: sent %u, result %d, status %02x, %u bytes\n", i, entry[i].sent,
		       entry[i].result, entry[i].status, entry[i].out_len);
	if (cmd.done != 2 || entry[1].status != RPMC_STATUS_SUCCESS ||
	    memcmp(payload, ask + CRTM_INFO_OFF_NONCE, CRTM_INFO_NONCE_LEN))
		return 1;

	printf("%u counters, %u protected regions\nSHA-256 of the first 4 KiB ",
	       payload[CRTM_INFO_OFF_SLOTS], payload[CRTM_INFO_OFF_REGIONS]);
	payload = answer[1] + CRTM_RESP_OFF_PAYLOAD;
	for (i = 0; i < 32; i++)
		printf("%02x", payload[CRTM_MEASURE_OFF_DIGEST + i]);
	printf("\n");
	return 0;
}
