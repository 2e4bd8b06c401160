// SPDX-License-Identifier: GPL-2.0-only
/*
 * Sector protection from user space: what may pass to the driver, and what comes back of it
 * into the caller's memory.
 */
#include <kunit/test.h>
#include <linux/capability.h>
#include <linux/cred.h>
#include <linux/errno.h>
#include <linux/fs.h>
#include <linux/limits.h>
#include <linux/mm.h>
#include <linux/mman.h>
#include <linux/mtd/asp.h>
#include <linux/mtd/asp-ops.h>
#include <linux/mtd/mtd.h>
#include <linux/mtd/security.h>
#include <linux/sizes.h>
#include <linux/string.h>
#include <linux/uaccess.h>

#include "../../mtdsecurity.h"

#define SECTOR		ASP_SECTOR_SIZE
#define SECTORS		16
#define POISON		0xa5

/* The table, for what the commands are to ask for */
#define COMMAND(_nr, _sym, _name, _flags, _confirm)		\
	[_nr] = { .flags = (_flags), .confirm = (_confirm) },
static const struct {
	u8 flags;
	char confirm[MTD_ASP_CONFIRM_LEN];
} commands[] = { ASP_COMMANDS(COMMAND) };

/* Nodes: the whole chip; sectors 4 and 5; the end of 8, all of 9, the start of 10 */
static const struct {
	u64 offset;
	u64 size;
	u32 first;
	u32 nr;
} nodes[] = {
	{ 0, SECTORS * SECTOR, 0, SECTORS },
	{ 4 * SECTOR, 2 * SECTOR, 4, 2 },
	{ 8 * SECTOR + SZ_32K, 2 * SECTOR, 8, 3 },
};

/*
 * A device whose driver notes what it is asked, with its nodes and a caller's memory: two
 * pages, behind which is nothing.
 */
static struct {
	struct mtd_security sec;
	struct mtd_info mtd[ARRAY_SIZE(nodes)];
	struct file file;
	unsigned long user;
	/* What the driver was given and what it answers */
	u32 calls;
	struct mtd_asp_map map;
	struct mtd_asp_cmd cmd;
	struct mtd_asp_cmd seen;	/* in the caller's memory meanwhile */
	struct mtd_asp_cmd answer;
	int ret;
	unsigned long unmap;		/* so many bytes of memory go meanwhile */
} dev;

static int driver_map(struct mtd_security *sec, struct mtd_asp_map *map, u8 *sectors)
{
	u32 i;

	dev.calls++;
	dev.map = *map;
	map->flags = MTD_ASP_F_FROZEN;
	map->sector_size = SECTOR;
	map->aspr = 0x1234;
	map->pmr = 0x56;
	map->sr = 0x78;
	for (i = 0; sectors && i < map->nr; i++)
		sectors[i] = 0x10 + map->first + i;
	if (dev.unmap)
		vm_munmap(dev.user, dev.unmap);
	return dev.ret;
}

static void *user_arg;

static int driver_cmd(struct mtd_security *sec, struct mtd_asp_cmd *cmd)
{
	dev.calls++;
	dev.cmd = *cmd;
	if (copy_from_user(&dev.seen, (void __user *)user_arg, sizeof(dev.seen)))
		memset(&dev.seen, 0, sizeof(dev.seen));
	cmd->result = dev.answer.result;
	cmd->done = dev.answer.done;
	cmd->sent = dev.answer.sent;
	cmd->state = dev.answer.state;
	if (dev.unmap)
		vm_munmap(dev.user, dev.unmap);
	return dev.ret;
}

static const struct mtd_asp_ops driver_ops = {
	.map = driver_map,
	.cmd = driver_cmd,
};

static int mtdasp_init(struct kunit *test)
{
	u32 i;

	memset(&dev, 0, sizeof(dev));
	for (i = 0; i < ARRAY_SIZE(nodes); i++) {
		dev.mtd[i].size = nodes[i].size;
		dev.mtd[i].part.offset = nodes[i].offset;
		dev.mtd[i].parent = i ? &dev.mtd[0] : NULL;
	}
	dev.file.f_mode = FMODE_READ | FMODE_WRITE;
	dev.sec.asp = &driver_ops;
	mtd_security_register(&dev.sec, &dev.mtd[0]);
	return 0;
}

static void mtdasp_exit(struct kunit *test)
{
	mtd_security_kill(&dev.sec);
	mtd_security_unregister(&dev.sec);
}

/* To be called by each test itself: the memory is its task's. */
static void map_memory(struct kunit *test)
{
	dev.user = kunit_vm_mmap(test, NULL, 0, 3 * PAGE_SIZE, PROT_READ | PROT_WRITE,
				 MAP_ANONYMOUS | MAP_PRIVATE, 0);
	KUNIT_ASSERT_NE(test, dev.user, 0);
	KUNIT_ASSERT_LT(test, dev.user, TASK_SIZE);
	KUNIT_ASSERT_EQ(test, vm_munmap(dev.user + 2 * PAGE_SIZE, PAGE_SIZE), 0);
}

/* Its second page becomes one that can only be read. */
static void map_read_only(struct kunit *test)
{
	unsigned long addr = dev.user + PAGE_SIZE;

	KUNIT_ASSERT_EQ(test, vm_mmap(NULL, addr, PAGE_SIZE, PROT_READ, MAP_ANONYMOUS |
				      MAP_PRIVATE | MAP_FIXED, 0), addr);
}

static int call(u32 node, unsigned int nr, unsigned long arg)
{
	struct mtd_security *active;

	return mtd_security_ioctl(&dev.file, &dev.mtd[node], nr, arg, &active);
}

static void put(struct kunit *test, unsigned long to, const void *from, size_t len)
{
	KUNIT_ASSERT_EQ(test, copy_to_user((void __user *)to, from, len), 0);
}

static void get(struct kunit *test, void *to, unsigned long from, size_t len)
{
	KUNIT_ASSERT_EQ(test, copy_from_user(to, (void __user *)from, len), 0);
}

/* MTD_ASP_MAP with its argument at the start of memory */
static int map_call(struct kunit *test, u32 node, struct mtd_asp_map *map)
{
	int ret;

	map->size = sizeof(*map);
	put(test, dev.user, map, sizeof(*map));
	dev.calls = 0;
	ret = call(node, MTD_ASP_MAP, dev.user);
	get(test, map, dev.user, sizeof(*map));
	return ret;
}

/* Room for none, too few, just enough, more */
static void map_rooms(struct kunit *test)
{
	u8 sectors[SECTORS + 2], want[SECTORS + 2];
	unsigned long to;
	u32 node, room, i;

	map_memory(test);
	to = dev.user + 2 * PAGE_SIZE - sizeof(sectors);
	for (node = 0; node < ARRAY_SIZE(nodes); node++)
		for (room = 0; room <= sizeof(sectors); room++) {
			u32 first = nodes[node].first, nr = nodes[node].nr;
			struct mtd_asp_map map = { .nr = room, .sectors = room ? to : 0 };
			struct mtd_asp_map was = map;
			bool fits = !room || room >= nr;

			memset(sectors, POISON, sizeof(sectors));
			memset(want, POISON, sizeof(want));
			put(test, to, sectors, sizeof(sectors));
			KUNIT_ASSERT_EQ_MSG(test, map_call(test, node, &map), fits ? 0 : -EMSGSIZE,
					    "node %u, room %u", node, room);
			get(test, sectors, to, sizeof(sectors));
			KUNIT_ASSERT_EQ(test, dev.calls, fits);
			if (fits) {
				KUNIT_ASSERT_EQ(test, dev.map.first, first);
				KUNIT_ASSERT_EQ(test, dev.map.nr, nr);
				for (i = 0; room && i < nr; i++)
					want[i] = 0x10 + first + i;
				was.flags = MTD_ASP_F_FROZEN;
				was.nr = nr;
				was.first = first;
				was.sector_size = SECTOR;
				was.aspr = 0x1234;
				was.pmr = 0x56;
				was.sr = 0x78;
			}
			was.size = sizeof(was);
			KUNIT_ASSERT_MEMEQ(test, &map, &was, sizeof(map));
			KUNIT_ASSERT_MEMEQ(test, sectors, want, sizeof(want));
		}
}

/* Flags, a pointer without room, room where nothing is */
static void map_arguments(struct kunit *test)
{
	struct mtd_asp_map map;
	unsigned long bad[5];
	u32 i;

	map_memory(test);
	for (i = 0; i < 32; i++) {
		map = (struct mtd_asp_map) { .flags = 1U << i };
		KUNIT_EXPECT_EQ(test, map_call(test, 0, &map), -EINVAL);
		KUNIT_EXPECT_EQ(test, dev.calls, 0);
	}
	map = (struct mtd_asp_map) { .sectors = dev.user + PAGE_SIZE };
	KUNIT_EXPECT_EQ(test, map_call(test, 0, &map), -EINVAL);
	KUNIT_EXPECT_EQ(test, dev.calls, 0);

	map_read_only(test);
	bad[0] = 0;				/* nothing there */
	bad[1] = dev.user + 2 * PAGE_SIZE;
	bad[2] = dev.user + 2 * PAGE_SIZE - 1;	/* one byte of it */
	bad[3] = dev.user + PAGE_SIZE - 1;	/* can be read */
	bad[4] = -(unsigned long)PAGE_SIZE;	/* nobody's */
	for (i = 0; i < ARRAY_SIZE(bad); i++) {
		map = (struct mtd_asp_map) { .nr = SECTORS, .sectors = bad[i] };
		KUNIT_EXPECT_EQ_MSG(test, map_call(test, 0, &map), -EFAULT, "%u", i);
		KUNIT_EXPECT_EQ(test, dev.calls, 0);
	}
	/* The argument itself can be read, and no more. */
	put(test, dev.user, &map, offsetof(struct mtd_asp_map, sectors));
	KUNIT_EXPECT_EQ(test, call(0, MTD_ASP_MAP, dev.user + PAGE_SIZE), -EINVAL);
	map = (struct mtd_asp_map) { .size = sizeof(map) };
	put(test, dev.user + PAGE_SIZE - sizeof(map.size), &map, sizeof(map.size));
	KUNIT_EXPECT_EQ(test, call(0, MTD_ASP_MAP, dev.user + PAGE_SIZE - sizeof(map.size)),
			-EFAULT);
	KUNIT_EXPECT_EQ(test, dev.calls, 0);
}

/* An error of the driver, a device that is gone, memory that goes meanwhile */
static void map_errors(struct kunit *test)
{
	static const int errors[] = { -EIO, -EBUSY, -ETIMEDOUT, -EOPNOTSUPP, -EINVAL };
	struct mtd_security_call direct = { .sec = &dev.sec, .mtd = &dev.mtd[0] };
	struct mtd_asp_map map, was;
	u8 sectors[SECTORS];
	unsigned long to;
	u32 i;

	map_memory(test);
	to = dev.user + PAGE_SIZE;
	for (i = 0; i < ARRAY_SIZE(errors); i++) {
		dev.ret = errors[i];
		map = (struct mtd_asp_map) { .nr = SECTORS, .sectors = to };
		was = map;
		was.size = sizeof(was);
		KUNIT_EXPECT_EQ(test, map_call(test, 0, &map), errors[i]);
		KUNIT_EXPECT_EQ(test, dev.calls, 1);
		KUNIT_EXPECT_MEMEQ(test, &map, &was, sizeof(map));
		get(test, sectors, to, sizeof(sectors));
		KUNIT_EXPECT_NULL(test, memchr_inv(sectors, 0, sizeof(sectors)));
	}

	/* All of the memory, or the argument's alone; and with the registers alone */
	dev.ret = 0;
	for (i = 0; i < 3; i++) {
		map_memory(test);
		dev.unmap = (i ? 1 : 2) * PAGE_SIZE;
		map = (struct mtd_asp_map) { .size = sizeof(map) };
		if (i < 2) {
			map.nr = SECTORS;
			map.sectors = dev.user + PAGE_SIZE;
		}
		put(test, dev.user, &map, sizeof(map));
		KUNIT_EXPECT_EQ(test, call(0, MTD_ASP_MAP, dev.user), -EFAULT);
	}
	dev.unmap = 0;

	/* It went after the call had begun. */
	map_memory(test);
	mtd_security_kill(&dev.sec);
	direct.arg = (void __user *)dev.user;
	direct.size = sizeof(map);
	dev.calls = 0;
	map = (struct mtd_asp_map) { .nr = SECTORS, .sectors = dev.user + PAGE_SIZE };
	KUNIT_EXPECT_EQ(test, mtd_asp_map_ioctl(&direct, &map), -ENODEV);
	KUNIT_EXPECT_EQ(test, dev.calls, 0);
}

/* A good call of command @nr on the whole chip */
static struct mtd_asp_cmd good(u32 nr)
{
	struct mtd_asp_cmd cmd = { .size = sizeof(cmd), .cmd = nr };

	if (commands[nr].flags & ASP_F_RANGE)
		cmd.length = SECTORS * SECTOR;
	if (commands[nr].flags & ASP_F_PASSWORD)
		memset(cmd.password, 0x5a, sizeof(cmd.password));
	memcpy(cmd.confirm, commands[nr].confirm, sizeof(cmd.confirm));
	return cmd;
}

static int cmd_call(struct kunit *test, u32 node, struct mtd_asp_cmd *cmd)
{
	int ret;

	user_arg = (void *)dev.user;
	put(test, dev.user, cmd, sizeof(*cmd));
	dev.calls = 0;
	ret = call(node, MTD_ASP_CMD, dev.user);
	get(test, cmd, dev.user, sizeof(*cmd));
	return ret;
}

/* The driver gets it or does not, and by an errno nobody's memory has changed. */
static void expect_cmd(struct kunit *test, u32 node, const struct mtd_asp_cmd *what, int want,
		       const char *name, u32 i)
{
	struct mtd_asp_cmd cmd = *what;

	KUNIT_ASSERT_EQ_MSG(test, cmd_call(test, node, &cmd), want, "%s, command %u, %u", name,
			    what->cmd, i);
	KUNIT_ASSERT_EQ(test, dev.calls, !want);
	if (want)
		KUNIT_ASSERT_MEMEQ(test, &cmd, what, sizeof(cmd));
}

/* Each number there could be; each confirmation for each command */
static void cmd_confirmed(struct kunit *test)
{
	struct mtd_asp_cmd cmd;
	u32 nr, i;
	bool same;

	map_memory(test);
	KUNIT_ASSERT_EQ(test, ARRAY_SIZE(commands), MTD_ASP_PMR_NV_ERASE + 1);
	for (nr = ARRAY_SIZE(commands); nr; nr <<= 1) {
		cmd = (struct mtd_asp_cmd) { .size = sizeof(cmd), .cmd = nr };
		expect_cmd(test, 0, &cmd, -EINVAL, "number", 0);
	}
	for (nr = 0; nr < ARRAY_SIZE(commands); nr++) {
		cmd = good(nr);
		expect_cmd(test, 0, &cmd, 0, "good", 0);
		KUNIT_EXPECT_MEMEQ(test, dev.cmd.password, cmd.password, sizeof(cmd.password));
		KUNIT_EXPECT_EQ(test, dev.cmd.offset, cmd.offset);
		KUNIT_EXPECT_EQ(test, dev.cmd.length, cmd.length);
		for (i = 0; i < ARRAY_SIZE(commands); i++) {
			memcpy(cmd.confirm, commands[i].confirm, sizeof(cmd.confirm));
			same = !strcmp(commands[nr].confirm, commands[i].confirm);
			expect_cmd(test, 0, &cmd, same ? 0 : -EINVAL, "confirmation", i);
		}
		for (i = 0; i < MTD_ASP_CONFIRM_LEN; i++) {
			cmd = good(nr);
			cmd.confirm[i] ^= 0x20;
			expect_cmd(test, 0, &cmd, -EINVAL, "confirmation's byte", i);
		}
	}
}

/* Bits that mean nothing, a range or a password where none belongs */
static void cmd_reserved(struct kunit *test)
{
	struct mtd_asp_cmd cmd;
	u32 nr, i;

	map_memory(test);
	for (nr = 0; nr < ARRAY_SIZE(commands); nr++) {
		u8 flags = commands[nr].flags;
		bool mode = nr == MTD_ASP_PASSWORD_PROGRAM || nr == MTD_ASP_PASSWORD_MODE;

		for (i = 0; i < 32; i++) {
			cmd = good(nr);
			cmd.flags = 1U << i;
			expect_cmd(test, 0, &cmd, -EINVAL, "flag", i);
		}
		for (i = 0; i < 16; i++) {
			cmd = good(nr);
			cmd.reserved = 1U << i;
			expect_cmd(test, 0, &cmd, -EINVAL, "reserved bit", i);
		}
		for (i = 0; i < MTD_ASP_PASSWORD_LEN; i++) {
			cmd = good(nr);
			memset(cmd.password, 0, sizeof(cmd.password));
			cmd.password[i] = 1;
			expect_cmd(test, 0, &cmd, flags & ASP_F_PASSWORD ? 0 : -EINVAL,
				   "password", i);
			/* As delivered, but for one bit */
			memset(cmd.password, 0xff, sizeof(cmd.password));
			cmd.password[i] = 0xfe;
			expect_cmd(test, 0, &cmd, flags & ASP_F_PASSWORD ? 0 : -EINVAL,
				   "password", i);
		}
		cmd = good(nr);
		memset(cmd.password, 0xff, sizeof(cmd.password));
		expect_cmd(test, 0, &cmd, flags & ASP_F_PASSWORD && !mode ? 0 : -EINVAL,
			   "password as delivered", 0);
		if (flags & ASP_F_RANGE)
			continue;
		cmd = good(nr);
		cmd.offset = SECTOR;
		expect_cmd(test, 0, &cmd, -EINVAL, "offset", 0);
		cmd = good(nr);
		cmd.length = SECTOR;
		expect_cmd(test, 0, &cmd, -EINVAL, "length", 0);
	}
}

/* Whole sectors inside of the node, by every half sector and by what could overflow */
static void cmd_ranges(struct kunit *test)
{
	static const u64 odd[] = {
		1, SECTOR - 1, SECTOR + 1, 1ULL << 32, (1ULL << 32) + SECTOR, 1ULL << 63,
		S64_MAX - 0xffff, -(u64)SECTOR, -(u64)SECTORS * SECTOR, U64_MAX,
	};
	struct mtd_asp_cmd cmd;
	u64 values[2 * SECTORS + 2 + ARRAY_SIZE(odd)];
	u32 nr, node, i, k;

	map_memory(test);
	for (i = 0; i < 2 * SECTORS + 2; i++)
		values[i] = i * SZ_32K;
	memcpy(values + i, odd, sizeof(odd));

	for (nr = MTD_ASP_LOCK_DOWN; nr <= MTD_ASP_NV_LOCK; nr++)
		for (node = 0; node < ARRAY_SIZE(nodes); node++)
			for (i = 0; i < ARRAY_SIZE(values); i++)
				for (k = 0; k < ARRAY_SIZE(values); k++) {
					u64 ofs = values[i], len = values[k];
					u64 start = nodes[node].offset;
					u64 end = start + nodes[node].size;
					bool inside = len && ofs % SECTOR == 0 &&
						      len % SECTOR == 0 && ofs >= start &&
						      ofs < end && len <= end - ofs;

					cmd = good(nr);
					cmd.offset = ofs;
					cmd.length = len;
					expect_cmd(test, node, &cmd, inside ? 0 : -EINVAL,
						   "range", i * 1000 + k);
				}
}

/* Who may: a node open for writing, the whole chip's, CAP_SYS_ADMIN */
static void cmd_permissions(struct kunit *test)
{
	struct mtd_asp_cmd cmd;
	const struct cred *old;
	struct cred *cred;
	u32 nr, i;

	map_memory(test);
	cred = prepare_creds();
	KUNIT_ASSERT_NOT_NULL(test, cred);
	cap_lower(cred->cap_effective, CAP_SYS_ADMIN);

	for (i = 0; i < 8; i++) {
		bool wr = i & 1, part = i & 2, admin = i & 4;

		dev.file.f_mode = FMODE_READ | (wr ? FMODE_WRITE : 0);
		for (nr = 0; nr < ARRAY_SIZE(commands); nr++) {
			u8 flags = commands[nr].flags;
			bool may = wr && (admin || !(flags & ASP_F_ADMIN)) &&
				   (admin || !part || flags & ASP_F_RANGE);
			int ret;

			cmd = good(nr);
			if (flags & ASP_F_RANGE) {
				cmd.offset = 4 * SECTOR;
				cmd.length = SECTOR;
			}
			if (!admin)
				old = override_creds(cred);
			ret = cmd_call(test, part, &cmd);
			if (!admin)
				revert_creds(old);
			KUNIT_EXPECT_EQ_MSG(test, ret, may ? 0 : -EPERM,
					    "command %u, writable %d, partition %d, admin %d", nr,
					    wr, part, admin);
			KUNIT_EXPECT_EQ(test, dev.calls, may);
		}
	}
	abort_creds(cred);
}

/* What stands in the caller's memory while the command runs, and what afterwards */
static void cmd_reported(struct kunit *test)
{
	static const struct mtd_asp_cmd answers[] = {
		{ .result = 0, .done = SECTORS, .sent = 1 },
		{ .result = 0, .done = SECTORS, .sent = 0 },
		{ .result = -EIO, .done = 3, .sent = 1, .state = MTD_ASP_S_LOCK_DOWN },
		{ .result = -EINTR, .done = 0, .sent = 1, .state = MTD_ASP_S_VOLATILE },
	};
	struct mtd_asp_cmd cmd, was;
	u32 i;

	map_memory(test);
	for (i = 0; i < ARRAY_SIZE(answers); i++) {
		was = good(MTD_ASP_NV_LOCK);
		was.result = 0x5a5a5a5a;
		was.done = 0x5a5a5a5a;
		was.sent = 0x5a;
		was.state = 0x5a;
		cmd = was;
		dev.answer = answers[i];
		KUNIT_EXPECT_EQ(test, cmd_call(test, 0, &cmd), 0);
		/* The driver gets no leftovers. */
		KUNIT_EXPECT_EQ(test, dev.cmd.result, 0);
		KUNIT_EXPECT_EQ(test, dev.cmd.done, 0);
		KUNIT_EXPECT_EQ(test, dev.cmd.sent, 0);
		KUNIT_EXPECT_EQ(test, dev.cmd.state, 0);
		/* Whoever dies meanwhile leaves "sent, outcome unknown". */
		was.result = -EIO;
		was.done = 0;
		was.sent = 1;
		was.state = 0;
		KUNIT_EXPECT_MEMEQ(test, &dev.seen, &was, sizeof(was));
		was.result = answers[i].result;
		was.done = answers[i].done;
		was.sent = answers[i].sent;
		was.state = answers[i].state;
		KUNIT_EXPECT_MEMEQ(test, &cmd, &was, sizeof(was));
	}

	/* An errno: nothing was sent, whatever else the driver left there. */
	dev.ret = -EACCES;
	cmd = good(MTD_ASP_FREEZE);
	was = cmd;
	KUNIT_EXPECT_EQ(test, cmd_call(test, 0, &cmd), -EACCES);
	KUNIT_EXPECT_EQ(test, dev.calls, 1);
	KUNIT_EXPECT_MEMEQ(test, &cmd, &was, sizeof(was));
}

/* Memory that cannot be written to, from each member of the outcome on: nothing is done. */
static void cmd_undeliverable(struct kunit *test)
{
	static const size_t members[] = {
		offsetof(struct mtd_asp_cmd, result), offsetof(struct mtd_asp_cmd, done),
		offsetof(struct mtd_asp_cmd, sent), offsetof(struct mtd_asp_cmd, state),
	};
	struct mtd_asp_cmd cmd = good(MTD_ASP_FREEZE);
	struct mtd_security_call direct = { .sec = &dev.sec, .mtd = &dev.mtd[0] };
	const unsigned long end = TASK_SIZE;
	u32 i;

	map_memory(test);
	map_read_only(test);
	for (i = 0; i < ARRAY_SIZE(members); i++) {
		unsigned long arg = dev.user + PAGE_SIZE - members[i];

		put(test, arg, &cmd, members[i]);
		KUNIT_EXPECT_EQ_MSG(test, call(0, MTD_ASP_CMD, arg), -EFAULT, "member %u", i);
		KUNIT_EXPECT_EQ(test, dev.calls, 0);
	}

	/* It goes while the command runs: the outcome is lost, the answer is not. */
	dev.unmap = PAGE_SIZE;
	dev.answer.sent = 1;
	put(test, dev.user, &cmd, sizeof(cmd));
	user_arg = (void *)dev.user;
	KUNIT_EXPECT_EQ(test, call(0, MTD_ASP_CMD, dev.user), 0);
	KUNIT_EXPECT_EQ(test, dev.calls, 1);
	KUNIT_EXPECT_EQ(test, dev.seen.sent, 1);
	dev.unmap = 0;

	/* The device went after the call had begun. */
	map_memory(test);
	mtd_security_kill(&dev.sec);
	direct.arg = (void __user *)dev.user;
	direct.size = sizeof(cmd);
	KUNIT_EXPECT_EQ(test, mtd_asp_cmd_ioctl(&direct, &cmd), -ENODEV);
	KUNIT_EXPECT_EQ(test, dev.calls, 1);
	get(test, &cmd, dev.user, sizeof(cmd));
	KUNIT_EXPECT_EQ(test, cmd.sent, 0);
	KUNIT_EXPECT_EQ(test, cmd.result, 0);

	/* From each member on it is no more the caller's: user space ends there. */
	KUNIT_ASSERT_EQ(test, vm_mmap(NULL, end - PAGE_SIZE, PAGE_SIZE, PROT_READ | PROT_WRITE,
				      MAP_ANONYMOUS | MAP_PRIVATE | MAP_FIXED, 0),
			end - PAGE_SIZE);
	for (i = 0; i < ARRAY_SIZE(members); i++) {
		direct.arg = (void __user *)(end - members[i]);
		cmd = good(MTD_ASP_FREEZE);
		KUNIT_EXPECT_EQ(test, mtd_asp_cmd_ioctl(&direct, &cmd), -EFAULT);
	}
}

static struct kunit_case mtdasp_cases[] = {
	KUNIT_CASE(map_rooms),
	KUNIT_CASE(map_arguments),
	KUNIT_CASE(map_errors),
	KUNIT_CASE(cmd_confirmed),
	KUNIT_CASE(cmd_reserved),
	KUNIT_CASE(cmd_ranges),
	KUNIT_CASE(cmd_permissions),
	KUNIT_CASE(cmd_reported),
	KUNIT_CASE(cmd_undeliverable),
	{}
};

static struct kunit_suite mtdasp_suite = {
	.name = "mtdasp",
	.init = mtdasp_init,
	.exit = mtdasp_exit,
	.test_cases = mtdasp_cases,
};

kunit_test_suite(mtdasp_suite);
