// SPDX-License-Identifier: MIT
/*
 * crtmctl map: every sector of a node, and the chip's protection registers.
 */
#include <stdlib.h>
#include <string.h>

#include "crtmctl.h"
#include "hex.h"

#define ALL_BITS	(MTD_ASP_S_LOCKED | MTD_ASP_S_LOCK_DOWN)
#define UNKNOWN_BITS	'?'

/* One a state. Upper case of v, n, b, r: locked down too; the rest: more than one lock. */
static const char symbols[ALL_BITS + 2] = ".vdVn1N2b3B45678r9RACEFGHJKLMPQS";

/* Status register of the parts with sector protection */
#define SR_BP_LOW(sr)	((sr) >> 2 & 0x07)
#define SR_BP3(sr)	((sr) >> 6 & 0x01)
#define SR_BOTTOM	0x20
#define SR_WRITE_DISABLE	0x80

#define LINE		64
#define GROUP		16

static char symbol(uint8_t state)
{
	return state & ~ALL_BITS ? UNKNOWN_BITS : symbols[state];
}

/* Green: open; yellow: crtmctl unlock opens it; red: it does not, or nobody knows. */
static enum colour colour(uint8_t state)
{
	if ((state & ~ALL_BITS) || asp_stays_locked(state))
		return RED;
	return state & MTD_ASP_S_LOCKED ? YELLOW : GREEN;
}

static char *offset_text(const struct ctl *ctl, uint32_t i, char buf[24])
{
	long long offset = sector_offset(ctl, i);

	snprintf(buf, 24, "%s0x%08llx", offset < 0 ? "-" : "", llabs(offset));
	return buf;
}

static void line_text(const uint8_t *sectors, uint32_t nr)
{
	uint32_t i;

	for (i = 0; i < nr; i++) {
		if (i && !(i % GROUP))
			putchar(' ');
		if (!i || colour(sectors[i]) != colour(sectors[i - 1]))
			printf("%s%s", i ? plain(stdout) : "", paint(stdout, colour(sectors[i])));
		putchar(symbol(sectors[i]));
	}
	printf("%s\n", plain(stdout));
}

static void sectors_text(const struct ctl *ctl, const uint8_t *sectors)
{
	uint32_t nr = ctl->asp.nr, i, n, same;
	char offset[24];
	int width;

	/* Where the node begins inside a sector, the first one has an offset below 0. */
	width = strlen(offset_text(ctl, 0, offset));
	for (i = 0; i < nr; i += n) {
		n = nr - i < LINE ? nr - i : LINE;
		printf("%*s  ", width, offset_text(ctl, i, offset));
		line_text(sectors + i, n);
		same = 0;
		while (i + n + (same + 1) * LINE <= nr && n == LINE &&
		       !memcmp(sectors + i, sectors + i + n + same * LINE, LINE))
			same++;
		if (same < 2)
			continue;
		printf("%*s  %u more such lines, up to 0x%08llx\n", width, "*", same,
		       (unsigned long long)sector_offset(ctl, i + n + same * LINE) - 1);
		i += same * LINE;
	}
}

static void legend_text(const struct ctl *ctl, const uint8_t *sectors)
{
	uint32_t count[256] = { 0 }, i;
	char text[80];

	for (i = 0; i < ctl->asp.nr; i++)
		count[sectors[i]]++;
	putchar('\n');
	for (i = 0; i < 256; i++)
		if (count[i])
			printf("  %s%c%s %5u  %s%s\n", paint(stdout, colour(i)), symbol(i),
			       plain(stdout), count[i],
			       crtm_asp_state_text(i, text, sizeof(text)),
			       i & ~ALL_BITS ? ", something unknown" : "");
}

static const char *password_mode(const struct mtd_asp_map *map)
{
	if (map->flags & MTD_ASP_F_PASSWORD_MODE)
		return "on for ever: frozen at power-on, a password unfreezes";
	if (map->flags & MTD_ASP_F_NO_PASSWORD)
		return "given up for ever";
	return "off";
}

static const char *non_volatile(const struct mtd_asp_map *map)
{
	uint8_t pmr = map->flags & MTD_ASP_F_PMR ? map->pmr : ASP_PMR_DEFAULT;

	if (!(pmr & ASP_PMR_NVLB))
		return "can never change again";
	if (map->flags & MTD_ASP_F_FROZEN)
		return map->flags & MTD_ASP_F_PASSWORD_MODE ?
		       "frozen until the password is given" : "frozen until reset or power-on";
	if (!(map->flags & MTD_ASP_F_PMR))
		return "not frozen";
	return pmr & ASP_PMR_NV_ERASE ? "can change" : "can be set, never erased again";
}

static void pmr_text(const struct mtd_asp_map *map)
{
	static const struct {
		uint8_t bit;
		const char *text;
	} bits[] = {
		{ ASP_PMR_STATUS, "status register" },
		{ ASP_PMR_PMR, "this register" },
		{ ASP_PMR_NVLB, "non-volatile locks" },
		{ ASP_PMR_NV_ERASE, "erase of non-volatile locks" },
	};
	size_t i;

	printf("protection management  ");
	if (!(map->flags & MTD_ASP_F_PMR)) {
		printf("not read on this chip: its opcode is not public\n");
		return;
	}
	printf("%02x\n", map->pmr);
	for (i = 0; i < sizeof(bits) / sizeof(bits[0]); i++)
		if (!(map->pmr & bits[i].bit))
			printf("%22s locked for ever: %s\n", "", bits[i].text);
}

/* One sector, and with each value of the bits twice as many, up to all of the chip. */
static void block_text(const struct ctl *ctl)
{
	const struct mtd_crtm_info *info = &ctl->info;
	uint8_t sr = ctl->asp.sr;
	unsigned int bp = SR_BP_LOW(sr) | SR_BP3(sr) << 3, nr;
	uint64_t chip = info->flags & MTD_CRTM_F_MASTER ? info->node_size : info->chip_size;

	printf("block protection ");
	if (!bp) {
		printf("off");
		return;
	}
	nr = 1U << (bp - 1);
	/* A partition of a chip without A-CRTM does not tell the chip's size. */
	if (chip && nr >= chip / ctl->asp.sector_size)
		printf("all sectors");
	else
		printf("%s %u sector%s", sr & SR_BOTTOM ? "bottom" : "top", nr,
		       nr == 1 ? "" : "s");
}

static void registers_text(const struct ctl *ctl)
{
	const struct mtd_asp_map *map = &ctl->asp;

	printf("\nsector protection      %04x\n", map->aspr);
	printf("password mode          %s\n", password_mode(map));
	printf("non-volatile locks     %s\n", non_volatile(map));
	pmr_text(map);
	printf("status register        %02x, ", map->sr);
	block_text(ctl);
	puts(map->sr & SR_WRITE_DISABLE ? ", write disable" : "");
	if (!(map->flags & MTD_ASP_F_REGIONS))
		printf("A-CRTM regions         not told by the chip, so none is shown\n");
}

static int map_text(const struct ctl *ctl, const uint8_t *sectors)
{
	const struct mtd_crtm_info *info = &ctl->info;
	char size[32];

	printf("%s%s%s, ", paint(stdout, BOLD), ctl->path, plain(stdout));
	if (info->flags & MTD_CRTM_F_MASTER)
		printf("the whole chip: ");
	else
		printf("0x%08llx + 0x%08llx of the chip: ",
		       (unsigned long long)info->node_offset, (unsigned long long)info->node_size);
	printf("%u sector%s of %s\n\n", ctl->asp.nr, ctl->asp.nr == 1 ? "" : "s",
	       size_text(size, ctl->asp.sector_size));
	sectors_text(ctl, sectors);
	legend_text(ctl, sectors);
	registers_text(ctl);
	return flush(stdout);
}

static json_object *ranges_json(const struct ctl *ctl, const uint8_t *sectors)
{
	json_object *list = json_object_new_array(), *row;
	uint32_t i, n;

	for (i = 0; i < ctl->asp.nr; i += n) {
		for (n = 1; i + n < ctl->asp.nr && sectors[i + n] == sectors[i]; n++)
			;
		row = json_object_new_object();
		json_add_int(row, "offset", sector_offset(ctl, i));
		json_add_int(row, "address", sector_offset(ctl, i) + ctl->info.node_offset);
		json_add_int(row, "length", (uint64_t)n * ctl->asp.sector_size);
		json_add_int(row, "sectors", n);
		json_add_bool(row, "locked", sectors[i] & MTD_ASP_S_LOCKED);
		asp_add_state(row, "state", sectors[i]);
		json_object_array_add(list, row);
	}
	return list;
}

static int map_json(const struct ctl *ctl, const uint8_t *sectors)
{
	const struct mtd_asp_map *map = &ctl->asp;
	json_object *obj = json_object_new_object();

	json_add_string(obj, "node", ctl->path);
	json_add_bool(obj, "whole_chip", ctl->info.flags & MTD_CRTM_F_MASTER);
	json_add_int(obj, "node_offset", ctl->info.node_offset);
	json_add_int(obj, "node_size", ctl->info.node_size);
	json_add_int(obj, "first", map->first);
	json_add_int(obj, "sectors", map->nr);
	json_add_int(obj, "sector_size", map->sector_size);
	json_object_object_add(obj, "ranges", ranges_json(ctl, sectors));
	json_add_hex(obj, "states", sectors, map->nr);
	json_add_bool(obj, "frozen", map->flags & MTD_ASP_F_FROZEN);
	json_add_bool(obj, "password_mode", map->flags & MTD_ASP_F_PASSWORD_MODE);
	json_add_bool(obj, "no_password", map->flags & MTD_ASP_F_NO_PASSWORD);
	json_add_bool(obj, "regions_known", map->flags & MTD_ASP_F_REGIONS);
	json_add_int(obj, "aspr", map->aspr);
	if (map->flags & MTD_ASP_F_PMR)
		json_add_int(obj, "pmr", map->pmr);
	json_add_int(obj, "sr", map->sr);
	return print_json(stdout, obj);
}

static int run(struct ctl *ctl, int argc, char **argv)
{
	static const struct option options[] = { COMMON_LONG };
	uint8_t *sectors;
	int c, ret;

	while ((c = getopt_long(argc, argv, COMMON_SHORT, options, NULL)) != -1)
		if (ctl_option(ctl, c))
			return CTL_USAGE;
	if (optind != argc) {
		ctl_error("map takes no argument '%s'", argv[optind]);
		return CTL_USAGE;
	}
	ret = asp_open(ctl, false);
	if (!ret)
		ret = asp_sectors(ctl, &sectors);
	if (ret)
		return ret;
	ret = ctl->json ? map_json(ctl, sectors) : map_text(ctl, sectors);
	free(sectors);
	return ret;
}

const struct verb verb_map = {
	.name = "map",
	.args = "",
	.what = "Draw what is locked and by what, and the protection registers",
	.help =
	"One character a sector, 64 a line, with the line's offset in the node in front and a\n"
	"legend below. Reads from the chip; changes nothing.\n",
	.run = run,
};
