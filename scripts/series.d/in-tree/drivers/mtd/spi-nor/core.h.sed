# SPDX-License-Identifier: MIT
/^#ifndef __GENKSYMS__/d
/^	struct spi_nor_asp \*asp;$/{
	n
	d
}
