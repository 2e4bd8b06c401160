// SPDX-License-Identifier: MIT
/*
 * The ioctls, from the caller's memory to the chip: mtdsecurity-ioctl.c, mtdcrtm.c,
 * mtdasp.c and the exchange of crtm.c, with a hostile caller, threads that change its
 * memory meanwhile, a bus that fails, a chip that lies, no memory, signals, and a
 * device that goes.
 *
 * Held against what went over the bus: libcrtm's checks, which are written apart from
 * the kernel's; and against the caller's memory: what the uapi header says.
 */
#include "fuzz.h"
#include "world.h"

#include <linux/mtd/asp-ops.h>
#include <linux/mtd/crtm.h>
#include <linux/mtd/security.h>
#include <uapi/mtd/mtd-security.h>

#include "crtm.h"
#include "lifetime.h"
#include "mtdsecurity.h"

#include "host.h"
#include "ioctl-check.h"

#define MAX_CALLS	12
#define MAX_NR		6	/* entries of a list that is made up */

/* Where things lie in the caller's memory, unless an input says otherwise */
#define ARG		USER_BASE
#define ENTRIES		(USER_BASE + 0x100)
#define IN(i)		(USER_BASE + 0x400 + (i) * 0x200)
#define OUT(i)		(USER_BASE + 0x1200 + (i) * 0x100)

static const unsigned int numbers[] = {
	WR_CRTM_CMD, RD_CRTM_CMD, MTD_CRTM_INFO, MTD_ASP_MAP, MTD_ASP_CMD,
};

/* The device, and what a run starts from */
static struct spi_controller controller = { .dev.driver = "crtm-emu" };
static const struct spi_controller_mem_ops mem_ops = { .exec_op = true };
static struct spi_device spi = { .controller = &controller };
static struct spi_mem spimem = { .spi = &spi };
static struct spi_nor_flash_parameter params;
static const struct flash_info flash = { .name = "fuzzed" };
static struct device dev;
static struct sfdp sfdp;
static u8 bouncebuf[PAGE_SIZE];
static struct spi_nor_bound bound;
static struct mtd_info part;
static struct host *host;
static struct {
	struct crtm_chip chip;
	u8 *nv;
	u64 now_us;
	u8 hkr[RPMC_MAX_SLOTS][RPMC_KEY_LEN];
} start;
static struct mtd_crtm_info info;

/* Sector protection: mtdasp.c knows no chip, and this checks what it lets pass. */
static struct fuzz_in *asp_in;

static int asp_map(struct mtd_security *sec, struct mtd_asp_map *map, u8 *sectors)
{
	u32 i;

	CHECK(sec == &bound.sec);
	CHECK((u64)map->first + map->nr <= start.chip.model->size / ASP_SECTOR_SIZE);
	for (i = 0; sectors && i < map->nr; i++)
		sectors[i] = crtm_chip_locks(&world.chip->chip, map->first + i);
	map->sector_size = ASP_SECTOR_SIZE;
	return fuzz_u8(asp_in) & 1 ? -EIO : 0;
}

static int asp_cmd(struct mtd_security *sec, struct mtd_asp_cmd *cmd)
{
	CHECK(sec == &bound.sec);
	check_asp_command(&info, cmd, world.admin);
	cmd->result = (s8)fuzz_u8(asp_in);
	cmd->done = fuzz_u8(asp_in);
	cmd->sent = fuzz_u8(asp_in);
	return fuzz_u8(asp_in) & 1 ? -EACCES : 0;
}

static const struct mtd_asp_ops asp_ops = { .map = asp_map, .cmd = asp_cmd };

struct mtd_security *mtd_get_security(struct mtd_info *mtd)
{
	CHECK(mtd == &bound.nor.mtd || mtd == &part);
	return &bound.sec;
}

int micron_st_nor_asp_begin(struct spi_nor *nor)
{
	return nor == &bound.nor ? 0 : -EINVAL;
}

void micron_st_nor_asp_region(struct spi_nor *nor, u32 addr, u32 len, bool add)
{
	CHECK(nor == &bound.nor && len && (add || true) && addr < nor->params->size);
}

static const struct sfdp_parameter_header *rpmc_header(void)
{
	const struct sfdp_parameter_header *h = (const void *)((u8 *)sfdp.dwords + 8);

	while (h->id_msb << 8 != (RPMC_SFDP_ID & 0xff00) || h->id_lsb != (RPMC_SFDP_ID & 0xff))
		h++;
	return h;
}

static void set_up(void)
{
	struct spi_nor *nor = &bound.nor;

	host = host_provisioned(crtm_chip_model("mt25qu-mini", strlen("mt25qu-mini")));
	world.chip = host->u;
	start.chip = host->u->chip;
	start.now_us = host->u->now_us;
	start.nv = malloc(host->u->nv_size);
	CHECK(start.nv);
	memcpy(start.nv, host->u->nv, host->u->nv_size);
	memcpy(start.hkr, host->hkr, sizeof(start.hkr));

	controller.dev.parent = &controller.dev;
	controller.mem_ops = &mem_ops;
	sfdp.dwords = (u32 *)host->u->chip.sfdp;
	sfdp.num_dwords = host->u->chip.sfdp_len / sizeof(u32);
	params.size = host->u->chip.model->size;
	nor->dev = &dev;
	nor->spimem = &spimem;
	nor->bouncebuf = bouncebuf;
	nor->info = &flash;
	nor->manufacturer = &flash;
	nor->reg_proto = SNOR_PROTO_1_1_1;
	nor->sfdp = &sfdp;
	nor->params = &params;
	nor->mtd.size = params.size;
	part.parent = &nor->mtd;
	part.offset = ASP_SECTOR_SIZE + 4096;
	part.size = 2 * ASP_SECTOR_SIZE - 8192;

	world.probing = true;
	CHECK(!spi_nor_parse_rpmc(nor, rpmc_header()) && params.crtm);
	CHECK(!micron_st_nor_crtm_attach(nor, params.crtm) && params.crtm->vendor);
	world.probing = false;
	bound.sec.master = &nor->mtd;
	bound.sec.ops = &spi_nor_crtm_ops;
	bound.sec.asp = &asp_ops;
}

/* As it was after set_up(): an input means the same whatever came before it. */
static void reset_world(void)
{
	struct crtm_user *chip = host->u;
	void *last = params.crtm->vendor_data;

	memcpy(chip->nv, start.nv, chip->nv_size);
	chip->chip = start.chip;
	chip->now_us = start.now_us;
	memset(&world, 0, sizeof(world));
	world.chip = chip;
	memcpy(host->hkr, start.hkr, sizeof(start.hkr));
	host->seq = 0;
	params.crtm->unsettled = false;
	params.crtm->secret = false;
	memset(last, 0, ((size_t *)last)[-1]);
	memset(bouncebuf, 0, sizeof(bouncebuf));
	spi_nor_crtm_ops.info(&bound.sec, &info);
	info.node_size = params.size;
}

/* A block as whoever holds the keys makes it, nearly right or quite wrong */
static void make_block(struct fuzz_in *in)
{
	u32 addr = fuzz_u16(in) << 4, len = 1 + fuzz_u8(in);
	u8 slot = fuzz_u8(in), data[256];
	bool far = slot & 4;

	slot &= 3;

	switch (fuzz_u8(in) % 15) {
	case 0:
		build_root_key(host, slot);
		break;
	case 1:
		build_update(host, slot, fuzz_u8(in));
		break;
	case 2:
		build_increment(host, slot, host->u->chip.nv.mc[slot]);
		break;
	case 3:
		build_request(host, slot, "twelve bytes");
		break;
	case 4:
	case 5:
		build_open(host, host->u->chip.nv.mc[0], slot);
		break;
	case 6:
		build_close(host);
		break;
	case 7:
		build_erase(host, addr & ~4095, 4096 * (1 + len % 17));
		break;
	case 8:
		fuzz_bytes(in, data, 4);
		build_program(host, addr, data, len);
		break;
	case 9:
		len = far ? fuzz_u32(in) : 1 + len % 3;
		build_protect(host, addr & ~0xffff, len << 16, slot & 1);
		break;
	case 10:
		build_measure(host, slot, len, addr, far ? fuzz_u32(in) : len);
		break;
	case 11:
		build_derive(host, slot, addr & ~0xffff, 0x10000);
		break;
	case 12:
		build_lock(host, slot);
		break;
	case 13:
		build_info(host, slot, len);
		break;
	default:
		host->n = fuzz_u16(in) % HOST_MAX_BLOCK;
		fuzz_bytes(in, host->blk, host->n < 48 ? host->n : 48);
		host->blk[0] = slot ? OP1 : host->blk[0];
	}
	host->seq += fuzz_u8(in) & 1;
}

static void put(u64 address, const void *from, size_t n)
{
	u8 *to = user_bytes(address, n);

	if (to)
		memcpy(to, from, n);
}

static void make_list(struct fuzz_in *in)
{
	/* What responses are long, and less and more than that */
	static const u32 room[] = { 136, 112, 72, 49, 40, 0, 1, 48, 137, 200, USER_SIZE };
	struct mtd_crtm_cmd cmd = { .size = sizeof(cmd), .entries = ENTRIES };
	struct mtd_crtm_entry entry = { 0 };
	u32 i;

	cmd.nr = 1 + fuzz_u8(in) % MAX_NR;
	put(ARG, &cmd, sizeof(cmd));
	for (i = 0; i < cmd.nr; i++) {
		make_block(in);
		if (fuzz_u8(in) & 1)
			host->blk[fuzz_u16(in) % HOST_MAX_BLOCK] = fuzz_u8(in);
		entry.in = IN(i);
		entry.in_len = host->n;
		entry.out_len = room[fuzz_u8(in) % ARRAY_SIZE(room)];
		entry.out = entry.out_len ? OUT(i) : 0;
		put(IN(i), host->blk, host->n);
		put(ENTRIES + i * sizeof(entry), &entry, sizeof(entry));
	}
}

static void make_asp(struct fuzz_in *in, unsigned int number)
{
	static const char * const confirm[] = {
#define CONFIRM(nr, sym, name, flags, word) word,
		ASP_COMMANDS(CONFIRM)
	};
	struct mtd_asp_cmd cmd = { .size = sizeof(cmd) };
	struct mtd_asp_map map = { .size = sizeof(map) };

	if (number == MTD_ASP_MAP) {
		map.nr = fuzz_u8(in);
		map.sectors = map.nr ? OUT(0) : 0;
		put(ARG, &map, sizeof(map));
		return;
	}
	cmd.cmd = fuzz_u8(in) % ARRAY_SIZE(confirm);
	cmd.offset = (fuzz_u8(in) & 7) * (ASP_SECTOR_SIZE / 2);
	cmd.length = (fuzz_u8(in) & 7) * (ASP_SECTOR_SIZE / 2);
	if (fuzz_u8(in) & 1)
		fuzz_bytes(in, cmd.password, sizeof(cmd.password));
	snprintf(cmd.confirm, sizeof(cmd.confirm), "%s", confirm[cmd.cmd]);
	put(ARG, &cmd, sizeof(cmd));
}

/* What goes wrong during one call: nothing, most of the time */
static void make_trouble(struct fuzz_in *in)
{
	struct crtm_chip *chip = &world.chip->chip;
	u8 kinds = fuzz_u8(in), fault;

	world.alloc_at = kinds & 1 ? fuzz_u8(in) : 0;
	world.signal_at = kinds & 2 ? fuzz_u8(in) : 0;
	world.dead_at = kinds & 4 ? fuzz_u8(in) : 0;
	world.bus_at = kinds & 8 ? fuzz_u8(in) : 0;
	world.bus_lost = world.bus_at & 1;
	world.lie_at = 0;
	world.race_at = 0;
	memset(chip->fault, 0, sizeof(chip->fault));
	chip->drop = chip->stuck = (struct crtm_chip_at){ 0 };
	if (kinds & 16) {
		world.lie_at = fuzz_u8(in);
		world.lie_len = fuzz_u8(in);
		world.lie_len = min(world.lie_len, in->left);
		world.lie = in->p;
		in->p += world.lie_len;
		in->left -= world.lie_len;
	}
	if (kinds & 32) {
		world.race_at = fuzz_u8(in);
		world.race_offset = fuzz_u16(in);
		world.race_value = fuzz_u8(in);
	}
	if (kinds & 64) {
		fault = fuzz_u8(in);
		chip->seed = fault;
		if (fault % (CRTM_CHIP_FAULTS + 1) < CRTM_CHIP_FAULTS)
			chip->fault[fault % (CRTM_CHIP_FAULTS + 1)] = 1;
		else
			chip->stuck = (struct crtm_chip_at){ .count = 1, .op = OP1 };
	}
	if (kinds & 128)
		chip->drop = (struct crtm_chip_at){ .count = 1, .op = OP1 };
}

static bool trouble(void)
{
	const struct crtm_chip *chip = &world.chip->chip;

	return world.alloc_at || world.signal_at || world.dead_at || world.bus_at ||
	       world.lie_at || world.race_at || chip->drop.count || chip->stuck.count ||
	       memchr_inv(chip->fault, 0, sizeof(chip->fault));
}

static void after(bool troubled, const struct call *call)
{
	u32 i;

	CHECK(!world.locked && !world.users && !bound.nor.lock.held);
	/* One for the security engine, one for what its vendor keeps */
	CHECK(world.allocated == 0);
	for (i = 0; i < world.nr_sent; i++)
		check_sent(&info, call, world.sent[i], world.sent_len[i]);
	check_result(&info, call);
	if (troubled)
		return;
	CHECK(!world.chip->chip.violations && !world.chip->chip.stale_reads);
	CHECK(!params.crtm->unsettled && !world.chip->chip.v.resp_secret);
	CHECK(!memchr_inv(bouncebuf, 0, SPI_NOR_CRTM_MAX_LEN));
	CHECK(!world.chip->chip.v.wel);
}

static const struct call *current_call;

static void before_send(const u8 *block, size_t len)
{
	check_announced(current_call, block, len);
}

static void one_call(struct fuzz_in *in)
{
	u8 flags = fuzz_u8(in), nr = fuzz_u8(in);
	struct call call = { .number = numbers[nr % ARRAY_SIZE(numbers)], .arg = ARG };
	struct file file = { .f_mode = flags & 1 ? 0 : FMODE_WRITE };
	bool troubled, partition = flags & 2;
	struct mtd_security *active = (void *)1;
	u8 pokes;

	world.admin = !(flags & 4);
	params.crtm->addr_nbytes = flags & 8 ? 0 : RPMC_HDR_LEN - 1;
	bound.nor.reg_proto = SNOR_PROTO_1_1_1 + (fuzz_u8(in) == 0xff);
	world.nr_sent = 0;
	world.reads = 0;
	memset(world.written, 0, sizeof(world.written));
	info.flags &= ~MTD_CRTM_F_MASTER;
	info.flags |= partition ? 0 : MTD_CRTM_F_MASTER;
	info.node_offset = partition ? part.offset : 0;
	info.node_size = partition ? part.size : params.size;

	if (flags & 16)
		call.number = nr * 0x01010101U;
	else if (nr % ARRAY_SIZE(numbers) < 2)
		make_list(in);
	else if (call.number == MTD_CRTM_INFO)
		put(ARG, &(u32){ sizeof(info) - (fuzz_u8(in) & 15) }, sizeof(u32));
	else
		make_asp(in, call.number);
	for (pokes = fuzz_u8(in) & 7; pokes; pokes--)
		put(USER_BASE + fuzz_u16(in) % USER_SIZE, &(u8){ fuzz_u8(in) }, 1);
	if (flags & 32)
		call.arg = USER_BASE + (int16_t)fuzz_u16(in);
	make_trouble(in);
	troubled = trouble() || params.crtm->unsettled;
	call.writable = file.f_mode & FMODE_WRITE;
	call.admin = world.admin;
	call.undisturbed = !troubled && bound.nor.reg_proto == SNOR_PROTO_1_1_1;
	note_call(&call);

	asp_in = in;
	current_call = &call;
	world.before_send = before_send;
	call.ret = mtd_security_ioctl(&file, partition ? &part : &bound.nor.mtd, call.number,
				      call.arg, &active);
	if (call.ret == -ENOIOCTLCMD && active)
		mtd_security_put(active);
	after(troubled, &call);

	/* A chip that is stuck gets its reset; the driver finds out by itself. */
	world.alloc_at = world.signal_at = world.dead_at = world.bus_at = world.lie_at = 0;
	if (world.chip->chip.v.busy_until == UINT64_MAX)
		crtm_chip_reset_pin(&world.chip->chip);
	/* What a lie made the driver take for ready gets ready. */
	crtm_user_wait(world.chip);
	world.chip->chip.violations = 0;
	world.chip->chip.stale_reads = 0;
}

/*
 * Secrets: what a call leaves of them on its stack, where a password is, and in memory that it
 * frees, where keys are. Not on the stack below the bus, which is this chip's and the stubs'.
 */

#define SECRET		"\xc3\x96\x5a\xa5\x3c\x69\x71\x1e"
#define STACK		8192

/* What was there before is not what is looked for. */
static __attribute__((noinline)) void clear_stack(void)
{
	volatile u8 bytes[STACK];
	size_t i;

	for (i = 0; i < sizeof(bytes); i++)
		bytes[i] = 0;
}

/* The call, and how often @secret is on the stack below; nothing may be called in between. */
static __attribute__((noinline, no_sanitize_address))
u32 left_on_stack(unsigned int number, u64 arg, const u8 *secret, int *ret)
{
	const volatile u8 *top = __builtin_frame_address(0), *p;
	struct file file = { .f_mode = FMODE_WRITE };
	struct mtd_security *active;
	u32 found = 0, i;

	clear_stack();
	*ret = mtd_security_ioctl(&file, &bound.nor.mtd, number, arg, &active);
	for (p = top - STACK; p < top - SECRET_LEN; p++) {
		for (i = 0; i < SECRET_LEN && p[i] == secret[i]; i++)
			;
		found += i == SECRET_LEN;
	}
	return found;
}

/* A password: @cut bytes at the end of the argument are not there. */
static u32 password_left(const char *confirm, u32 cut, int ret)
{
	struct mtd_asp_cmd cmd = { .size = sizeof(cmd), .cmd = MTD_ASP_PASSWORD_PROGRAM };
	u64 arg = USER_BASE + USER_SIZE - (sizeof(cmd) - cut);
	struct fuzz_in none = { 0 };
	int is;
	u32 n;

	/* There its result can be written. */
	if (!cut)
		arg = ARG;
	memcpy(cmd.password, SECRET, sizeof(cmd.password));
	snprintf(cmd.confirm, sizeof(cmd.confirm), "%s", confirm);
	put(arg, &cmd, sizeof(cmd) - cut);
	memset(&cmd, 0, sizeof(cmd));
	asp_in = &none;
	n = left_on_stack(MTD_ASP_CMD, arg, (const u8 *)SECRET, &is);
	CHECK(is == ret);
	return n;
}

/* A list of the block in @host and one that is too long; the response to the first into OUT(0) */
static u32 key_kept(unsigned int number, u32 nr, const u8 *secret, int ret)
{
	struct mtd_crtm_cmd cmd = { .size = sizeof(cmd), .nr = nr, .entries = ENTRIES };
	struct mtd_crtm_entry entry = {
		.in = IN(0), .in_len = host->n, .out = OUT(0), .out_len = 0xff,
	};
	int is;

	put(ARG, &cmd, sizeof(cmd));
	put(IN(0), host->blk, host->n);
	put(ENTRIES, &entry, sizeof(entry));
	entry.in_len++;
	put(ENTRIES + sizeof(entry), &entry, sizeof(entry));
	world.nr_sent = 0;
	world.secret = secret;
	world.kept = 0;
	left_on_stack(number, ARG, secret, &is);
	world.secret = NULL;
	CHECK(is == ret);
	return world.kept;
}

/* With @forgetful each of them is found: else they could be looked for in the wrong place. */
static void check_secrets(bool forgetful)
{
	u8 key[SECRET_LEN];

	reset_world();
	world.admin = true;
	world.forgetful = forgetful;
	CHECK(!!password_left("unused-password-bits", 0, 0) == forgetful);
	CHECK(!!password_left("no", 0, -EINVAL) == forgetful);
	CHECK(!!password_left("unused-password-bits", 16, -EFAULT) == forgetful);

	build_root_key(host, 1);
	memcpy(key, host->blk + RPMC_HDR_LEN + 8, sizeof(key));
	CHECK(!!key_kept(WR_CRTM_CMD, 1, key, 0) == forgetful);
	CHECK(!!key_kept(WR_CRTM_CMD, 2, key, -EMSGSIZE) == forgetful);
	CHECK(!!key_kept(RD_CRTM_CMD, 1, key, -EPERM) == forgetful);

	/* The same question, the same key: the first answer tells it. */
	build_open(host, host->u->chip.nv.mc[0], 0);
	key_kept(WR_CRTM_CMD, 1, key, 0);
	build_protect(host, 0, 0x10000, 1);
	key_kept(WR_CRTM_CMD, 1, key, 0);
	build_derive(host, 0, 0, 0x10000);
	key_kept(RD_CRTM_CMD, 1, key, 0);
	CHECK(user_bytes(OUT(0), 1)[0] == RPMC_STATUS_SUCCESS);
	memcpy(key, user_bytes(OUT(0) + CRTM_RESP_OFF_PAYLOAD, sizeof(key)), sizeof(key));
	CHECK(!!key_kept(RD_CRTM_CMD, 1, key, 0) == forgetful);
}

static void check_forgotten(void)
{
	check_secrets(true);
	check_secrets(false);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fuzz_in in = { data, size };
	int calls;

	if (!host) {
		set_up();
		check_forgotten();
	}
	reset_world();
	for (calls = 0; in.left && calls < MAX_CALLS; calls++)
		one_call(&in);
	return 0;
}
