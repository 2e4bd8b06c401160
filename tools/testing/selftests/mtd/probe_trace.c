// SPDX-License-Identifier: MIT
/*
 * Print the SPI operations that binding spi-nor to an emulated chip takes, one
 * opcode a line, whichever modules are loaded.
 *
 * usage: probe_trace CHIP
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common.h"

int main(int argc, char **argv)
{
	static char text[1 << 20];
	char *line, *p, *rest = text;
	int chip, ret;
	ssize_t n;

	if (argc != 2)
		return 2;
	chip = atoi(argv[1]);
	ret = spi_unbind(chip, "spi-nor");
	if (ret) {
		fprintf(stderr, "unbind: %s\n", strerror(-ret));
		return 1;
	}
	emu_set(chip, "power_cycle", "1");
	emu_clear(chip);
	ret = spi_bind(chip, "spi-nor");
	if (ret) {
		fprintf(stderr, "bind: %s\n", strerror(-ret));
		return 1;
	}
	n = emu_read(chip, "trace", text, sizeof(text) - 1);
	if (n <= 0)
		return 1;
	text[n] = '\0';
	while ((line = strsep(&rest, "\n"))) {
		p = strstr(line, "op=");
		if (p)
			printf("%.2s\n", p + 3);
	}
	return 0;
}
