/* SPDX-License-Identifier: MIT */
/*
 * What the tests of sector protection in bad circumstances share: the chip
 * behind every driver's back, what a boot loader leaves in it, the kernel's log.
 */
#ifndef SELFTEST_MTD_ASP_H
#define SELFTEST_MTD_ASP_H

#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <linux/spi/spidev.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "common.h"

#define ASP_OPCODES	256

/* Chip-select assertions by opcode since emu_clear(); returns their sum, or -errno. */
static inline int emu_opcodes(int chip, int count[ASP_OPCODES])
{
	char text[8192], *p = text, *next;
	int sum = 0;
	ssize_t n;

	memset(count, 0, ASP_OPCODES * sizeof(*count));
	n = emu_read(chip, "opcodes", text, sizeof(text) - 1);
	if (n < 0)
		return n;
	text[n] = '\0';
	while (*p) {
		unsigned long op = strtoul(p, &next, 16);

		if (next == p || op >= ASP_OPCODES)
			return -EBADMSG;
		count[op] = strtol(next, &p, 10);
		sum += count[op];
		while (*p == '\n')
			p++;
	}
	return sum;
}

/* @opcode: hexadecimal, or as the fault takes it, or NULL */
static inline int emu_fault(int chip, const char *name, unsigned int count, const char *opcode)
{
	char text[48];

	snprintf(text, sizeof(text), "%s %u%s%s", name, count, opcode ? " " : "",
		 opcode ? opcode : "");
	return emu_set(chip, "fault", text);
}

/* What protects each sector, MTD_ASP_S_*, as the chip has it. Returns their number, or -errno. */
static inline int emu_locks(int chip, uint8_t locks[MAX_SECTORS])
{
	char text[MAX_SECTORS + 1];
	ssize_t n, i;

	n = emu_read(chip, "locks", text, sizeof(text));
	if (n < 0)
		return n;
	if (n < 2 || text[n - 1] != '\n')
		return -EBADMSG;
	for (i = 0; i < n - 1; i++)
		locks[i] = text[i] - '0';
	return n - 1;
}

/* One assertion of chip select, which may leave the chip busy. */
struct asp_bytes {
	uint8_t len;
	uint8_t tx[8];
};

/*
 * What a boot loader leaves. Through spidev: the chip must be behind a plain
 * controller, its nodes must be closed, and its MTD device is a new one after.
 */
static inline int boot_loader(int chip, const struct asp_bytes *bytes, unsigned int n)
{
	char path[128];
	glob_t g;
	int fd, ret;

	ret = spi_unbind(chip, "spi-nor");
	if (!ret)
		ret = spi_bind(chip, "spidev");
	if (ret)
		return ret;
	/* the number of the bus; the device may have the name of a node */
	emu_path(path, sizeof(path), chip, "spi_master/spi*");
	if (glob(path, 0, NULL, &g))
		return -ENODEV;
	snprintf(path, sizeof(path), "/dev/spidev%s.0",
		 strrchr(g.gl_pathv[0], '/') + strlen("/spi"));
	globfree(&g);
	fd = open(path, O_RDWR);
	if (fd < 0)
		return -errno;
	for (; n && !ret; n--, bytes++) {
		uint8_t sr[2];
		struct spi_ioc_transfer out = {
			.tx_buf = (uintptr_t)bytes->tx, .len = bytes->len,
		};
		struct spi_ioc_transfer poll = {
			.tx_buf = (uintptr_t)"\x05", .rx_buf = (uintptr_t)sr, .len = sizeof(sr),
		};

		if (ioctl(fd, SPI_IOC_MESSAGE(1), &out) < 0)
			ret = -errno;
		do {
			if (!ret && ioctl(fd, SPI_IOC_MESSAGE(1), &poll) < 0)
				ret = -errno;
		} while (!ret && sr[1] & 1);
	}
	close(fd);
	if (spi_unbind(chip, "spidev") || spi_bind(chip, "spi-nor"))
		return -ENODEV;
	return ret;
}

/*
 * The records that kmsg_open()'s descriptor has got since, those that name the
 * chip's SPI device alone, a line each. Returns their number, or -errno.
 */
static inline int kmsg_lines(int kmsg, int chip, char *text, size_t size)
{
	char record[2048], name[32], *line;
	int count = 0, ret;
	size_t at = 0;
	ssize_t n;

	text[0] = '\0';
	ret = spi_name(chip, name, sizeof(name));
	if (ret)
		return ret;
	/* "<prio>,seq,usec,flags;text\n KEY=value\n..." */
	while ((n = read(kmsg, record, sizeof(record) - 1)) > 0 || (n < 0 && errno == EPIPE)) {
		record[n < 0 ? 0 : n] = '\0';
		line = strchr(record, ';');
		if (!line)
			continue;
		line[strcspn(line, "\n")] = '\0';
		if (!strstr(line, name))
			continue;
		at += snprintf(text + at, size - at, "%s\n", line + 1);
		if (at >= size)
			return -ENOSPC;
		count++;
	}
	return count;
}

/* Does a line of @log name that sector? With @by: and what locks it, after a blank. */
static inline bool log_names(const char *log, uint32_t sector, const char *by)
{
	char line[512], name[16], what[64];
	size_t n;

	snprintf(name, sizeof(name), "0x%08x", sector * LOCK_SECTOR);
	snprintf(what, sizeof(what), " %s", by ? by : "");
	for (; *log; log += n + !!log[n]) {
		n = strcspn(log, "\n");
		snprintf(line, sizeof(line), "%.*s", (int)n, log);
		if (strstr(line, name) && strstr(line, what))
			return true;
	}
	return false;
}

#endif /* SELFTEST_MTD_ASP_H */
