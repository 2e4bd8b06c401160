// SPDX-License-Identifier: MIT
/*
 * Read a flash's JEDEC ID through spidev and print it in hex.
 *
 * usage: spidev_rdid /dev/spidevB.C
 */
#include <fcntl.h>
#include <linux/spi/spidev.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/ioctl.h>

int main(int argc, char **argv)
{
	static const uint8_t rdid = 0x9f;
	uint8_t id[6] = {};
	struct spi_ioc_transfer xfer[2] = {
		{ .tx_buf = (uintptr_t)&rdid, .len = 1 },
		{ .rx_buf = (uintptr_t)id, .len = sizeof(id) },
	};
	unsigned int i;
	int fd;

	if (argc != 2)
		return 2;
	fd = open(argv[1], O_RDWR);
	if (fd < 0 || ioctl(fd, SPI_IOC_MESSAGE(2), xfer) != 1 + sizeof(id)) {
		perror(argv[1]);
		return 1;
	}
	for (i = 0; i < sizeof(id); i++)
		printf("%02x", id[i]);
	putchar('\n');
	return 0;
}
