// SPDX-License-Identifier: GPL-2.0-only
/*
 * Security commands from user space: the ioctls themselves, with real user memory and a
 * flash that only pretends.
 */
#include <kunit/test.h>
#include <linux/blkpg.h>
#include <linux/capability.h>
#include <linux/completion.h>
#include <linux/cred.h>
#include <linux/device.h>
#include <linux/errno.h>
#include <linux/fs.h>
#include <linux/kthread.h>
#include <linux/mm.h>
#include <linux/mman.h>
#include <linux/mtd/mtd.h>
#include <linux/platform_device.h>
#include <linux/refcount.h>
#include <linux/sizes.h>
#include <linux/string.h>
#include <linux/uaccess.h>

#include "../../mtdcore.h"
#include "../../mtdsecurity.h"

#define OP1		0x9b
#define TYPE		0x77	/* a command of nobody's */
#define BLOCK_LEN	24
#define RESP_LEN	40
#define RANGED		0x78	/* one with a range */
#define MAX_LIST	128
#define POISON		0xa5

#define PART_OFS	SZ_64K
#define PART_SIZE	SZ_128K
#define SIZE		SZ_256K

static const struct crtm_command commands[] = {
	{
		.type = TYPE, .class = CRTM_RD, .min = BLOCK_LEN, .max = BLOCK_LEN,
		.resp = RESP_LEN,
	}, {
		.type = RANGED, .class = CRTM_RD, .min = BLOCK_LEN, .max = BLOCK_LEN,
		.resp = RESP_LEN, .addr = 4, .len = 8, .unit = 1,
	},
};

/*
 * struct pretender - a flash with a node of the whole and one of a part, and a user of it
 *
 * Two pages of the user's are there, and behind each one that is not for him.
 */
struct pretender {
	struct kunit *test;
	struct mtd_security sec;
	struct mtd_info master;
	struct mtd_info part;
	struct mtd_info plain;	/* without security */
	struct mtd_info *node;
	struct file file;
	u8 __user *page;	/* the argument, the list, blocks */
	u8 __user *other;	/* responses */
	struct mtd_crtm_entry entries[MAX_LIST + 1];
	u8 block[BLOCK_LEN];

	/* What exchanges do */
	u32 exchanges;
	u32 special;		/* the n-th, counted from 1 */
	int special_ret;
	int special_result;
	u8 special_status;
	u32 special_len;
	void (*special_hook)(struct pretender *p);
	/* Called when it is asked what it is, and for a command */
	void (*info_hook)(struct pretender *p);
	void (*command_hook)(struct pretender *p);
	/* The device goes while the first command is looked up, or its time. */
	bool die_in_command;
	bool die_in_time;
};

static struct pretender *to_pretender(struct mtd_security *sec)
{
	return container_of(sec, struct pretender, sec);
}

static void pretend_info(struct mtd_security *sec, struct mtd_crtm_info *info)
{
	struct pretender *p = to_pretender(sec);

	if (p->info_hook)
		p->info_hook(p);
	strscpy(info->chip, "pretender", sizeof(info->chip));
	info->op1 = OP1;
	info->slots = 4;
	info->max_block = 100;
	info->max_response = 64;
	info->max_hold_ms = 1500;
	info->chip_size = SIZE;
	info->commands[1] = 3ull << (TYPE % 64);
	info->read_only[1] = info->commands[1];
}

static const struct crtm_command *pretend_command(struct mtd_security *sec, u8 opcode, u8 type)
{
	struct pretender *p = to_pretender(sec);
	u32 i;

	if (p->command_hook)
		p->command_hook(p);
	if (p->die_in_command)
		WRITE_ONCE(sec->dead, true);
	for (i = 0; opcode == OP1 && i < ARRAY_SIZE(commands); i++)
		if (commands[i].type == type)
			return &commands[i];
	return NULL;
}

static u64 pretend_max_us(struct mtd_security *sec, const struct crtm_command *cmd, u32 range)
{
	if (to_pretender(sec)->die_in_time)
		WRITE_ONCE(sec->dead, true);
	return range * 1000ull;
}

static int pretend_exchange(struct mtd_security *sec, struct crtm_xfer *xfer)
{
	struct pretender *p = to_pretender(sec);
	bool special = ++p->exchanges == p->special;

	KUNIT_EXPECT_MEMEQ(p->test, xfer->in, p->block, BLOCK_LEN);
	if (special && p->special_hook)
		p->special_hook(p);
	if (special && p->special_ret)
		return p->special_ret;

	xfer->sent = true;
	xfer->result = special ? p->special_result : 0;
	if (xfer->result)
		return 0;
	memset(xfer->out, p->exchanges, RESP_LEN);
	xfer->status = special ? p->special_status : RPMC_STATUS_SUCCESS;
	xfer->out[0] = xfer->status;
	xfer->out_len = special ? p->special_len : RESP_LEN;
	return 0;
}

static const struct mtd_security_ops pretend_ops = {
	.info = pretend_info,
	.command = pretend_command,
	.max_us = pretend_max_us,
	.exchange = pretend_exchange,
};

/* Memory of the user's at that very place */
static void map_page(struct kunit *test, u8 __user *page)
{
	unsigned long addr = (unsigned long)page;

	KUNIT_ASSERT_EQ(test, vm_mmap(NULL, addr, PAGE_SIZE, PROT_READ | PROT_WRITE,
				      MAP_ANONYMOUS | MAP_PRIVATE | MAP_FIXED, 0), addr);
}

/* A page, and one behind it that nobody may touch */
static u8 __user *lone_page(struct kunit *test)
{
	unsigned long addr = kunit_vm_mmap(test, NULL, 0, 2 * PAGE_SIZE, PROT_NONE,
					   MAP_ANONYMOUS | MAP_PRIVATE, 0);

	KUNIT_ASSERT_NE_MSG(test, addr, 0, "no user memory");
	KUNIT_ASSERT_LT_MSG(test, addr, (unsigned long)TASK_SIZE, "no user memory");
	map_page(test, (u8 __user *)addr);
	return (u8 __user *)addr;
}

static int pretender_init(struct kunit *test)
{
	struct pretender *p = kunit_kzalloc(test, sizeof(*p), GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, p);
	p->test = test;
	p->master.size = SIZE;
	p->part.parent = &p->master;
	p->part.part.offset = PART_OFS;
	p->part.size = PART_SIZE;
	p->node = &p->master;
	p->file.f_mode = FMODE_READ | FMODE_WRITE;
	p->block[0] = OP1;
	p->block[RPMC_OFF_TYPE] = TYPE;
	p->page = lone_page(test);
	p->other = lone_page(test);
	p->sec.ops = &pretend_ops;
	mtd_security_register(&p->sec, &p->master);
	test->priv = p;
	return 0;
}

static void pretender_exit(struct kunit *test)
{
	struct pretender *p = test->priv;

	if (!p)
		return;
	mtd_security_kill(&p->sec);
	mtd_security_unregister(&p->sec);
}

static int ioctl(struct pretender *p, unsigned int cmd, void __user *arg)
{
	struct mtd_security *active, *want = NULL;
	int ret;

	ret = mtd_security_ioctl(&p->file, p->node, cmd, (unsigned long)arg, &active);
	/* What adds and removes partitions keeps the device as long as it takes. */
	if (ret == -ENOIOCTLCMD && cmd == BLKPG)
		want = mtd_get_security(p->node);
	KUNIT_EXPECT_PTR_EQ(p->test, active, want);
	mtd_security_put(active);
	return ret;
}

static void put(struct pretender *p, void __user *to, const void *from, size_t len)
{
	KUNIT_ASSERT_EQ(p->test, copy_to_user(to, from, len), 0);
}

static void get(struct pretender *p, void *to, const void __user *from, size_t len)
{
	KUNIT_ASSERT_EQ(p->test, copy_from_user(to, from, len), 0);
}

/* Where in the first page is what */
#define ARG(p)		((struct mtd_crtm_cmd __user *)(p)->page)
#define BLOCK(p)	((p)->page + 64)
#define ENTRIES(p)	((struct mtd_crtm_entry __user *)((p)->other))
#define OUT(p)		((p)->page + 128)

static_assert(MAX_LIST * sizeof(struct mtd_crtm_entry) <= PAGE_SIZE);

static u64 user(void __user *p)
{
	return (unsigned long)p;
}

/* A list of @nr blocks, each with room for its response in the same place */
static void fill(struct pretender *p, u32 nr)
{
	struct mtd_crtm_cmd cmd = {
		.size = sizeof(cmd),
		.nr = nr,
		.done = 0xdddddddd,
		.entries = user(ENTRIES(p)),
	};
	u32 i;

	p->exchanges = 0;
	for (i = 0; i < nr; i++)
		p->entries[i] = (struct mtd_crtm_entry) {
			.in = user(BLOCK(p)),
			.out = user(OUT(p)),
			.in_len = BLOCK_LEN,
			.out_len = RESP_LEN,
			.result = 0x77,
			.status = 0x77,
			.sent = 0x77,
		};
	put(p, ARG(p), &cmd, sizeof(cmd));
	put(p, BLOCK(p), p->block, BLOCK_LEN);
	put(p, ENTRIES(p), p->entries, nr * sizeof(*p->entries));
}

static u32 done(struct pretender *p)
{
	u32 done;

	get(p, &done, &ARG(p)->done, sizeof(done));
	return done;
}

static void expect_entry(struct pretender *p, u32 i, s32 result, u8 status, u8 sent, u32 len)
{
	struct mtd_crtm_entry entry;

	get(p, &entry, &ENTRIES(p)[i], sizeof(entry));
	KUNIT_EXPECT_EQ_MSG(p->test, entry.result, result, "entry %u", i);
	KUNIT_EXPECT_EQ_MSG(p->test, entry.status, status, "entry %u", i);
	KUNIT_EXPECT_EQ_MSG(p->test, entry.sent, sent, "entry %u", i);
	KUNIT_EXPECT_EQ_MSG(p->test, entry.out_len, len, "entry %u", i);
	/* What is in stays. */
	KUNIT_EXPECT_EQ(p->test, entry.in, p->entries[i].in);
	KUNIT_EXPECT_EQ(p->test, entry.out, p->entries[i].out);
	KUNIT_EXPECT_EQ(p->test, entry.in_len, p->entries[i].in_len);
}

/* Refused, and no block was sent */
static void expect_errno(struct pretender *p, int errno)
{
	KUNIT_EXPECT_EQ(p->test, ioctl(p, WR_CRTM_CMD, ARG(p)), errno);
	KUNIT_EXPECT_EQ(p->test, p->exchanges, 0);
}

/* Every number: only ours are answered. */
static void numbers(struct kunit *test)
{
	struct pretender *p = test->priv;
	u32 dir, type, nr;

	for (dir = 0; dir < 4; dir++)
		for (type = 0; type <= U8_MAX; type++)
			for (nr = 0; nr <= U8_MAX; nr++) {
				unsigned int cmd = _IOC(dir, type, nr, 0);
				int ret, want = -ENOIOCTLCMD;

				if (cmd >= WR_CRTM_CMD && cmd <= MTD_CRTM_INFO)
					want = -EFAULT;
				else if (cmd == MTD_ASP_MAP || cmd == MTD_ASP_CMD)
					want = -EOPNOTSUPP;
				ret = ioctl(p, cmd, NULL);
				KUNIT_EXPECT_EQ_MSG(test, ret, want, "%08x", cmd);
			}
	KUNIT_EXPECT_EQ(test, refcount_read(&p->sec.users), 1);
	/* The size is not part of a number. */
	KUNIT_EXPECT_EQ(test, ioctl(p, _IOW('M', 0x40, struct mtd_crtm_cmd), NULL),
			-ENOIOCTLCMD);
}

/* A device without security, one that has one side only, one that is gone */
static void devices(struct kunit *test)
{
	static const unsigned int cmds[] = { WR_CRTM_CMD, RD_CRTM_CMD, MTD_CRTM_INFO };
	struct pretender *p = test->priv;
	u32 i;

	for (i = 0; i < ARRAY_SIZE(cmds); i++) {
		p->node = &p->plain;
		KUNIT_EXPECT_EQ(test, ioctl(p, cmds[i], p->page), -EOPNOTSUPP);
		p->node = &p->part;
		p->sec.ops = NULL;
		KUNIT_EXPECT_EQ(test, ioctl(p, cmds[i], p->page), -EOPNOTSUPP);
		p->sec.ops = &pretend_ops;
	}
	p->node = &p->plain;
	KUNIT_EXPECT_EQ(test, ioctl(p, MEMGETINFO, p->page), -ENOIOCTLCMD);

	p->node = &p->part;
	mtd_security_kill(&p->sec);
	for (i = 0; i < ARRAY_SIZE(cmds); i++)
		KUNIT_EXPECT_EQ(test, ioctl(p, cmds[i], p->page), -ENODEV);
	KUNIT_EXPECT_EQ(test, ioctl(p, MEMGETINFO, p->page), -ENODEV);
	KUNIT_EXPECT_EQ(test, ioctl(p, MTD_ASP_MAP, p->page), -ENODEV);
}

/* A node that is open for reading only */
static void read_only_nodes(struct kunit *test)
{
	struct pretender *p = test->priv;

	p->file.f_mode = FMODE_READ;
	fill(p, 1);
	expect_errno(p, -EPERM);
	KUNIT_EXPECT_EQ(test, ioctl(p, RD_CRTM_CMD, ARG(p)), 0);
	expect_entry(p, 0, 0, 0x80, 1, RESP_LEN);
	p->file.f_mode = FMODE_WRITE;
	fill(p, 1);
	KUNIT_EXPECT_EQ(test, ioctl(p, WR_CRTM_CMD, ARG(p)), 0);
	expect_entry(p, 0, 0, 0x80, 1, RESP_LEN);
}

/* Every size of an argument, its tail zero or not, up to and across the end of the page */
static void sizes(struct kunit *test)
{
	static const struct {
		unsigned int cmd;
		u32 min, size;
	} known[] = {
		{ RD_CRTM_CMD, 24, 24 }, { WR_CRTM_CMD, 24, 24 }, { MTD_CRTM_INFO, 232, 232 },
	};
	struct pretender *p = test->priv;
	u32 size, i, tail;
	int want;

	for (i = 0; i < ARRAY_SIZE(known); i++)
		for (size = 0; size <= PAGE_SIZE; size++)
			for (tail = 0; tail < 2; tail++) {
				bool past = size > known[i].size;
				u8 __user *arg = p->page + PAGE_SIZE - max(size, 4u);

				/* Lists of one entry; the other page holds it and its block. */
				struct mtd_crtm_cmd cmd = {
					.size = size, .nr = 1, .entries = user(ENTRIES(p)),
				};
				struct mtd_crtm_entry entry = {
					.in = user(p->other + 64), .in_len = BLOCK_LEN,
				};

				if (tail && !past)
					continue;
				put(p, ENTRIES(p), &entry, sizeof(entry));
				put(p, p->other + 64, p->block, BLOCK_LEN);
				KUNIT_ASSERT_EQ(test, clear_user(p->page, PAGE_SIZE), 0);
				put(p, arg, &cmd, min_t(u32, max(size, 4u), sizeof(cmd)));
				if (tail)
					put(p, p->page + PAGE_SIZE - 1, "x", 1);
				want = size < known[i].min ? -EINVAL : tail ? -E2BIG : 0;
				KUNIT_EXPECT_EQ_MSG(test, ioctl(p, known[i].cmd, arg), want,
						    "%08x size %u tail %u", known[i].cmd, size,
						    tail);
				/* One byte of it is not there. */
				if (tail || size < known[i].min || size == PAGE_SIZE)
					continue;
				put(p, arg + 1, &size, sizeof(size));
				KUNIT_EXPECT_EQ_MSG(test, ioctl(p, known[i].cmd, arg + 1),
						    -EFAULT, "%08x size %u", known[i].cmd,
						    size);
			}

	for (i = 0; i < ARRAY_SIZE(known); i++) {
		static const u32 huge[] = { PAGE_SIZE + 1, SZ_64K, 0x7fffffff, 0x80000000,
					    U32_MAX };
		u32 k;

		for (k = 0; k < ARRAY_SIZE(huge); k++) {
			put(p, p->page, &huge[k], sizeof(huge[k]));
			KUNIT_EXPECT_EQ(test, ioctl(p, known[i].cmd, p->page), -E2BIG);
		}
		/* Not even the size can be read. */
		KUNIT_EXPECT_EQ(test, ioctl(p, known[i].cmd, NULL), -EFAULT);
		KUNIT_EXPECT_EQ(test, ioctl(p, known[i].cmd, p->page + PAGE_SIZE - 3), -EFAULT);
		KUNIT_EXPECT_EQ(test, ioctl(p, known[i].cmd, p->page + PAGE_SIZE), -EFAULT);
		KUNIT_EXPECT_EQ(test, ioctl(p, known[i].cmd, (void __user *)p), -EFAULT);
	}
}

static void info(struct kunit *test)
{
	struct pretender *p = test->priv;
	struct mtd_crtm_info got;
	u8 tail[8];

	KUNIT_ASSERT_EQ(test, clear_user(p->page, PAGE_SIZE), 0);
	memset(&got, POISON, sizeof(got));
	got.size = sizeof(got);
	put(p, p->page, &got, sizeof(got));
	KUNIT_EXPECT_EQ(test, ioctl(p, MTD_CRTM_INFO, p->page), 0);
	get(p, &got, p->page, sizeof(got));
	KUNIT_EXPECT_EQ(test, got.size, sizeof(got));
	KUNIT_EXPECT_EQ(test, got.flags, MTD_CRTM_F_MASTER);
	KUNIT_EXPECT_STREQ(test, got.chip, "pretender");
	KUNIT_EXPECT_EQ(test, got.op1, OP1);
	KUNIT_EXPECT_EQ(test, got.max_list, MAX_LIST);
	KUNIT_EXPECT_EQ(test, got.reserved, 0);
	KUNIT_EXPECT_EQ(test, got.node_offset, 0);
	KUNIT_EXPECT_EQ(test, got.node_size, SIZE);
	KUNIT_EXPECT_EQ(test, got.commands[1], 3ull << (TYPE % 64));
	KUNIT_EXPECT_EQ(test, got.commands[0], 0);

	/* A caller that knows more than we: its tail stays. */
	p->node = &p->part;
	got.size = sizeof(got) + sizeof(tail);
	put(p, p->page, &got, sizeof(got));
	KUNIT_EXPECT_EQ(test, ioctl(p, MTD_CRTM_INFO, p->page), 0);
	get(p, &got, p->page, sizeof(got));
	get(p, tail, p->page + sizeof(got), sizeof(tail));
	KUNIT_EXPECT_EQ(test, got.size, sizeof(got) + sizeof(tail));
	KUNIT_EXPECT_EQ(test, got.flags, 0);
	KUNIT_EXPECT_EQ(test, got.node_offset, PART_OFS);
	KUNIT_EXPECT_EQ(test, got.node_size, PART_SIZE);
	KUNIT_EXPECT_NULL(test, memchr_inv(tail, 0, sizeof(tail)));
}

/* A list of any length: all that is allowed goes out, once, in its order. */
static void lists(struct kunit *test)
{
	struct pretender *p = test->priv;
	u8 out[RESP_LEN + 1];
	u32 nr, i;

	for (nr = 1; nr <= MAX_LIST; nr++) {
		fill(p, nr);
		put(p, OUT(p) + RESP_LEN, "z", 1);
		KUNIT_EXPECT_EQ(test, ioctl(p, nr % 2 ? WR_CRTM_CMD : RD_CRTM_CMD, ARG(p)), 0);
		KUNIT_EXPECT_EQ(test, p->exchanges, nr);
		KUNIT_EXPECT_EQ(test, done(p), nr);
		for (i = 0; i < nr; i++)
			expect_entry(p, i, 0, 0x80, 1, RESP_LEN);
		get(p, out, OUT(p), sizeof(out));
		KUNIT_EXPECT_EQ(test, out[1], nr);
		KUNIT_EXPECT_EQ(test, out[RESP_LEN - 1], nr);
		KUNIT_EXPECT_EQ(test, out[RESP_LEN], 'z');
	}
}

/* The n-th of a list is refused, gets lost, is not sent at all. */
static void list_ends(struct kunit *test)
{
	struct pretender *p = test->priv;
	const u32 nr = 5;
	u32 at, i;

	for (at = 1; at <= nr; at++) {
		p->special = at;

		p->special_status = RPMC_STATUS_SIGNATURE;
		p->special_len = 3;
		fill(p, nr);
		KUNIT_EXPECT_EQ(test, ioctl(p, WR_CRTM_CMD, ARG(p)), 0);
		KUNIT_EXPECT_EQ(test, p->exchanges, at);
		KUNIT_EXPECT_EQ(test, done(p), at);
		for (i = 0; i < nr; i++)
			expect_entry(p, i, 0, i + 1 == at ? 0x04 : i < at ? 0x80 : 0, i < at,
				     i + 1 == at ? 3 : RESP_LEN);

		p->special_result = -ETIMEDOUT;
		fill(p, nr);
		KUNIT_EXPECT_EQ(test, ioctl(p, WR_CRTM_CMD, ARG(p)), 0);
		KUNIT_EXPECT_EQ(test, p->exchanges, at);
		KUNIT_EXPECT_EQ(test, done(p), at - 1);
		for (i = 0; i < nr; i++)
			expect_entry(p, i, i + 1 == at ? -ETIMEDOUT : 0,
				     i + 1 < at ? 0x80 : 0, i < at,
				     i + 1 == at ? 0 : RESP_LEN);
		p->special_result = 0;

		p->special_ret = -EINTR;
		fill(p, nr);
		KUNIT_EXPECT_EQ(test, ioctl(p, WR_CRTM_CMD, ARG(p)), at == 1 ? -EINTR : 0);
		KUNIT_EXPECT_EQ(test, p->exchanges, at);
		KUNIT_EXPECT_EQ(test, done(p), at - 1);
		for (i = 0; i < nr; i++)
			expect_entry(p, i, 0, i + 1 < at ? 0x80 : 0, i + 1 < at, RESP_LEN);
		p->special_ret = 0;
	}
}

static void lose_response(struct pretender *p)
{
	vm_munmap((unsigned long)p->page, PAGE_SIZE);
}

static void lose_list(struct pretender *p)
{
	vm_munmap((unsigned long)p->other, PAGE_SIZE);
}

static void lose_device(struct pretender *p)
{
	WRITE_ONCE(p->sec.dead, true);
}

/* What was sent is told, whatever happens to the caller's memory meanwhile. */
static void memory_goes(struct kunit *test)
{
	struct pretender *p = test->priv;

	/* The response has no place any more; nothing follows. */
	p->special = 2;
	p->special_status = 0x80;
	p->special_len = RESP_LEN;
	p->special_hook = lose_response;
	fill(p, 3);
	KUNIT_EXPECT_EQ(test, ioctl(p, WR_CRTM_CMD, ARG(p)), 0);
	KUNIT_EXPECT_EQ(test, p->exchanges, 2);
	expect_entry(p, 0, 0, 0x80, 1, RESP_LEN);
	expect_entry(p, 1, -EIO, 0, 1, 0);
	expect_entry(p, 2, 0, 0, 0, RESP_LEN);
}

static void list_goes(struct kunit *test)
{
	struct pretender *p = test->priv;

	p->special = 2;
	p->special_status = 0x80;
	p->special_len = RESP_LEN;
	p->special_hook = lose_list;
	fill(p, 3);
	KUNIT_EXPECT_EQ(test, ioctl(p, WR_CRTM_CMD, ARG(p)), 0);
	KUNIT_EXPECT_EQ(test, p->exchanges, 2);
	KUNIT_EXPECT_EQ(test, done(p), 1);
}

/* Without room for responses the argument itself is what cannot be written. */
static void argument_goes(struct kunit *test)
{
	struct pretender *p = test->priv;
	u32 i;

	p->special = 2;
	p->special_status = 0x80;
	p->special_len = RESP_LEN;
	p->special_hook = lose_response;
	fill(p, 3);
	for (i = 0; i < 3; i++) {
		p->entries[i].out = 0;
		p->entries[i].out_len = 0;
	}
	put(p, ENTRIES(p), p->entries, 3 * sizeof(*p->entries));
	KUNIT_EXPECT_EQ(test, ioctl(p, WR_CRTM_CMD, ARG(p)), 0);
	KUNIT_EXPECT_EQ(test, p->exchanges, 2);
	expect_entry(p, 0, 0, 0x80, 1, 0);
	expect_entry(p, 1, 0, 0x80, 1, 0);
	expect_entry(p, 2, 0, 0, 0, 0);
}

/* A list of two without responses, that many bytes of its first entry in the first page */
static void straddle(struct pretender *p, u32 in_first)
{
	u8 __user *at = p->other + PAGE_SIZE - in_first;
	u64 entries = user(at);
	u32 i;

	fill(p, 2);
	for (i = 0; i < 2; i++) {
		p->entries[i].out = 0;
		p->entries[i].out_len = 0;
	}
	map_page(p->test, p->other + PAGE_SIZE);
	put(p, at, p->entries, 2 * sizeof(*p->entries));
	put(p, &ARG(p)->entries, &entries, sizeof(entries));
}

static void lose_second(struct pretender *p)
{
	vm_munmap((unsigned long)p->other + PAGE_SIZE, PAGE_SIZE);
}

/* Memory goes while the blocks are looked at: nothing is sent. */
static void memory_goes_before(struct kunit *test)
{
	u32 size = sizeof(struct mtd_crtm_info), in_first;
	struct pretender *p = test->priv;

	/* Each byte of an entry may be the first that is not there. */
	p->command_hook = lose_second;
	for (in_first = 0; in_first <= sizeof(*p->entries); in_first++) {
		straddle(p, in_first);
		expect_errno(p, -EFAULT);
	}

	p->command_hook = lose_response;
	straddle(p, sizeof(*p->entries));
	expect_errno(p, -EFAULT);

	map_page(test, p->page);
	put(p, p->page, &size, sizeof(size));
	p->command_hook = NULL;
	p->info_hook = lose_response;
	KUNIT_EXPECT_EQ(test, ioctl(p, MTD_CRTM_INFO, p->page), -EFAULT);
}

/* The second entry goes while the first block is sent: that one is told, and is the last. */
static void next_entry_goes(struct kunit *test)
{
	struct pretender *p = test->priv;
	struct mtd_crtm_entry entry;

	p->special = 1;
	p->special_status = 0x80;
	p->special_len = RESP_LEN;
	p->special_hook = lose_second;
	straddle(p, sizeof(entry));
	KUNIT_EXPECT_EQ(test, ioctl(p, WR_CRTM_CMD, ARG(p)), 0);
	KUNIT_EXPECT_EQ(test, p->exchanges, 1);
	KUNIT_EXPECT_EQ(test, done(p), 1);
	get(p, &entry, p->other + PAGE_SIZE - sizeof(entry), sizeof(entry));
	KUNIT_EXPECT_EQ(test, entry.sent, 1);
	KUNIT_EXPECT_EQ(test, entry.result, 0);
	KUNIT_EXPECT_EQ(test, entry.status, 0x80);
}

/* The device goes at each moment of a call. */
static void device_goes(struct kunit *test)
{
	struct pretender *p = test->priv;
	u32 at;

	for (at = 1; at <= 3; at++) {
		p->special = at;
		p->special_status = 0x80;
		p->special_len = RESP_LEN;
		p->special_hook = lose_device;
		fill(p, 3);
		KUNIT_EXPECT_EQ(test, ioctl(p, WR_CRTM_CMD, ARG(p)), 0);
		KUNIT_EXPECT_EQ(test, p->exchanges, at);
		KUNIT_EXPECT_EQ(test, done(p), at);
		if (at < 3)
			expect_entry(p, at, 0, 0, 0, RESP_LEN);
		p->sec.dead = false;
	}

	p->special = 0;
	p->die_in_command = true;
	fill(p, 1);
	expect_errno(p, -ENODEV);
	expect_entry(p, 0, 0, 0, 0, RESP_LEN);
	p->sec.dead = false;
	fill(p, 2);
	expect_errno(p, -ENODEV);
	p->sec.dead = false;
	p->block[RPMC_OFF_TYPE] = RANGED;
	p->block[11] = 1;
	fill(p, 1);
	expect_errno(p, -ENODEV);
	p->sec.dead = false;
	p->die_in_command = false;
	p->die_in_time = true;
	fill(p, 1);
	expect_errno(p, -ENODEV);
	p->sec.dead = false;
	p->die_in_time = false;
	fill(p, 1);
	KUNIT_EXPECT_EQ(test, ioctl(p, WR_CRTM_CMD, ARG(p)), 0);
	KUNIT_EXPECT_EQ(test, p->exchanges, 1);
}

/* The last reference goes between the first look and the call. */
static void device_gone(struct kunit *test)
{
	u32 size = sizeof(struct mtd_crtm_info);
	struct pretender *p = test->priv;

	fill(p, 1);
	refcount_set(&p->sec.users, 0);
	expect_errno(p, -ENODEV);
	put(p, p->page, &size, sizeof(size));
	KUNIT_EXPECT_EQ(test, ioctl(p, MTD_CRTM_INFO, p->page), -ENODEV);
	KUNIT_EXPECT_EQ(test, ioctl(p, BLKPG, NULL), -ENODEV);
	refcount_set(&p->sec.users, 1);
}

/* Who may not change partitions does not keep the device either. */
static void unprivileged(struct kunit *test)
{
	struct pretender *p = test->priv;
	struct mtd_security *active;
	const struct cred *old;
	struct cred *cred;
	int ret;

	cred = prepare_creds();
	KUNIT_ASSERT_NOT_NULL(test, cred);
	cap_lower(cred->cap_effective, CAP_SYS_ADMIN);
	old = override_creds(cred);
	ret = mtd_security_ioctl(&p->file, p->node, BLKPG, 0, &active);
	revert_creds(old);
	abort_creds(cred);
	KUNIT_EXPECT_EQ(test, ret, -ENOIOCTLCMD);
	KUNIT_EXPECT_NULL(test, active);
	KUNIT_EXPECT_EQ(test, refcount_read(&p->sec.users), 1);
}

enum field { IN, OUT, IN_LEN, OUT_LEN, RESERVED };

/* Of three entries one has another value in one place: the list is refused with that errno. */
static void expect_with(struct pretender *p, u32 at, enum field field, u64 value, int errno)
{
	struct mtd_crtm_entry *entry = &p->entries[at];

	fill(p, 3);
	switch (field) {
	case IN:
		entry->in = value;
		break;
	case OUT:
		entry->out = value;
		break;
	case IN_LEN:
		entry->in_len = value;
		break;
	case OUT_LEN:
		entry->out_len = value;
		break;
	case RESERVED:
		entry->reserved = value;
		break;
	}
	put(p, &ENTRIES(p)[at], entry, sizeof(*entry));
	expect_errno(p, errno);
}

/* Malformed: nothing is sent, of the entries before it neither. */
static void malformed(struct kunit *test)
{
	const u32 nr = 3;
	struct pretender *p = test->priv;
	u32 at, val;

	for (val = 1; val; val <<= 1) {
		fill(p, 1);
		put(p, &ARG(p)->flags, &val, sizeof(val));
		expect_errno(p, -EINVAL);
	}
	fill(p, 1);
	val = 0;
	put(p, &ARG(p)->nr, &val, sizeof(val));
	expect_errno(p, -EINVAL);
	for (val = MAX_LIST + 1; val; val <<= 1) {
		put(p, &ARG(p)->nr, &val, sizeof(val));
		expect_errno(p, -EINVAL);
	}

	for (at = 0; at < nr; at++) {
		for (val = 0; val < 16; val++)
			expect_with(p, at, RESERVED, 1 << val, -EINVAL);
		expect_with(p, at, OUT_LEN, 0, -EINVAL);	/* but an address */
		expect_with(p, at, OUT_LEN, RESP_LEN - 1, -EMSGSIZE);
		for (val = 0; val <= 101; val++)
			if (val != BLOCK_LEN)
				expect_with(p, at, IN_LEN, val, -EMSGSIZE);
		expect_with(p, at, IN_LEN, U32_MAX, -EMSGSIZE);

		/* Nothing there, partly there, not the user's */
		expect_with(p, at, IN, 0, -EFAULT);
		expect_with(p, at, IN, user(p->page + PAGE_SIZE - BLOCK_LEN + 1), -EFAULT);
		expect_with(p, at, IN, user(p->page + PAGE_SIZE), -EFAULT);
		expect_with(p, at, IN, (unsigned long)p->block, -EFAULT);
		expect_with(p, at, IN, U64_MAX, -EFAULT);
		expect_with(p, at, OUT, 0, -EFAULT);
		expect_with(p, at, OUT, user(p->page + PAGE_SIZE - RESP_LEN + 1), -EFAULT);
		expect_with(p, at, OUT, user(p->page + PAGE_SIZE), -EFAULT);
		expect_with(p, at, OUT, (unsigned long)p->block, -EFAULT);
		expect_with(p, at, OUT, U64_MAX, -EFAULT);
	}

	/* Another opcode pair in one of them */
	fill(p, nr);
	put(p, BLOCK(p) + 32, "\x9b\x00", 2);
	p->entries[2].in += 32;
	put(p, ENTRIES(p), p->entries, nr * sizeof(*p->entries));
	expect_errno(p, -EPERM);

	/* The list: nowhere, half of it, the kernel's */
	for (val = 0; val < 4; val++) {
		u64 list[] = { 0, user(p->other + PAGE_SIZE - 3 * sizeof(*p->entries) + 1),
			       (unsigned long)p->entries, U64_MAX };

		fill(p, nr);
		put(p, &ARG(p)->entries, &list[val], sizeof(*list));
		expect_errno(p, -EFAULT);
	}
}

/* Memory that can be read only: what is reported would get lost. */
static void read_only_memory(struct kunit *test)
{
	struct pretender *p = test->priv;
	unsigned long addr;
	struct mtd_crtm_cmd cmd;
	u8 __user *page;

	addr = kunit_vm_mmap(test, NULL, 0, PAGE_SIZE, PROT_READ, MAP_ANONYMOUS | MAP_PRIVATE,
			     0);
	KUNIT_ASSERT_NE(test, addr, 0);
	page = (u8 __user *)addr;

	/* All zeros, so the size is one that is too small; this is not writable anyway. */
	KUNIT_EXPECT_EQ(test, ioctl(p, WR_CRTM_CMD, page), -EINVAL);
	fill(p, 1);
	p->entries[0].out = addr;
	put(p, ENTRIES(p), p->entries, sizeof(*p->entries));
	expect_errno(p, -EFAULT);

	/* Entries of zeros are malformed before anybody writes to them. */
	fill(p, 1);
	get(p, &cmd, ARG(p), sizeof(cmd));
	cmd.entries = addr;
	put(p, ARG(p), &cmd, sizeof(cmd));
	expect_errno(p, -EMSGSIZE);
}

/* Two that remove a device and one that uses it */
struct removal {
	struct mtd_security *sec;
	struct completion killed;
};

static int kill_it(void *data)
{
	struct removal *removal = data;

	mtd_security_kill(removal->sec);
	complete(&removal->killed);
	return 0;
}

static void removal_waits(struct kunit *test)
{
	struct pretender *p = test->priv;
	struct removal removal = { .sec = &p->sec };
	struct task_struct *task;

	init_completion(&removal.killed);
	KUNIT_ASSERT_TRUE(test, mtd_security_get(&p->sec));
	task = kthread_run(kill_it, &removal, "kunit-kill");
	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, task);
	KUNIT_EXPECT_EQ(test, wait_for_completion_timeout(&removal.killed, HZ / 10), 0);
	/* It is going: nobody gets in any more, and who is in stays. */
	KUNIT_EXPECT_TRUE(test, READ_ONCE(p->sec.dead));
	KUNIT_EXPECT_FALSE(test, mtd_security_get(&p->sec));
	KUNIT_EXPECT_FALSE(test, completion_done(&removal.killed));
	mtd_security_put(&p->sec);
	KUNIT_EXPECT_NE(test, wait_for_completion_timeout(&removal.killed, HZ), 0);
	KUNIT_EXPECT_FALSE(test, mtd_security_get(&p->sec));
	mtd_security_put(NULL);
}

/* Which device's security is found */
static void registry(struct kunit *test)
{
	struct mtd_security *other = kunit_kzalloc(test, sizeof(*other), GFP_KERNEL);
	struct mtd_info *mtd = kunit_kzalloc(test, sizeof(*mtd), GFP_KERNEL);
	struct pretender *p = test->priv;

	KUNIT_ASSERT_NOT_NULL(test, other);
	KUNIT_ASSERT_NOT_NULL(test, mtd);
	KUNIT_EXPECT_NULL(test, mtd_get_security(mtd));
	mtd_security_register(other, mtd);
	KUNIT_EXPECT_PTR_EQ(test, mtd_get_security(mtd), other);
	KUNIT_EXPECT_PTR_EQ(test, mtd_get_security(&p->master), &p->sec);
	KUNIT_EXPECT_PTR_EQ(test, mtd_get_security(&p->part), &p->sec);
	mtd_security_kill(other);
	KUNIT_EXPECT_PTR_EQ(test, mtd_get_security(mtd), other);
	mtd_security_unregister(other);
	KUNIT_EXPECT_NULL(test, mtd_get_security(mtd));
	KUNIT_EXPECT_PTR_EQ(test, mtd_get_security(&p->part), &p->sec);
}

/* Whose registration its users hold: a registered device's that goes by these rules */
static void counted_masters(struct kunit *test)
{
	bool always = IS_ENABLED(CONFIG_MTD_PARTITIONED_MASTER);
	struct pretender *p = test->priv;
	struct mtd_info *mtd = &p->plain;

	KUNIT_EXPECT_EQ(test, mtd_master_is_counted(mtd), always);
	KUNIT_EXPECT_EQ(test, mtd_master_is_counted(&p->master), always);

	/* Any other keeps to the core's. */
	mtd->name = "plain";
	mtd->type = MTD_RAM;
	mtd->flags = MTD_CAP_RAM;
	mtd->size = SIZE;
	mtd->erasesize = PAGE_SIZE;
	mtd->writesize = 1;
	KUNIT_ASSERT_EQ(test, mtd_device_register(mtd, NULL, 0), 0);
	KUNIT_EXPECT_EQ(test, mtd_master_is_counted(mtd), always);
	KUNIT_EXPECT_PTR_EQ(test, get_mtd_device(mtd, -1), mtd);
	KUNIT_EXPECT_EQ(test, kref_read(&mtd->refcnt), 1 + always);
	put_mtd_device(mtd);
	KUNIT_EXPECT_EQ(test, kref_read(&mtd->refcnt), 1);
	KUNIT_EXPECT_EQ(test, mtd_device_unregister(mtd), 0);
}

static struct class orphanage = { .name = "kunit-orphanage" };

/* What is below a device that goes, but not MTD's, stays where it is. */
static void orphans(struct kunit *test)
{
	struct platform_device_info info = { .name = "kunit-child", .id = PLATFORM_DEVID_NONE };
	struct platform_device *parent, *child;
	struct device *other;

	parent = platform_device_register_simple("kunit-parent", PLATFORM_DEVID_NONE, NULL, 0);
	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, parent);
	info.parent = &parent->dev;
	child = platform_device_register_full(&info);
	KUNIT_EXPECT_NOT_ERR_OR_NULL(test, child);
	KUNIT_EXPECT_EQ(test, class_register(&orphanage), 0);
	other = device_create(&orphanage, &parent->dev, 0, NULL, "kunit-other");
	KUNIT_EXPECT_NOT_ERR_OR_NULL(test, other);

	mtd_security_orphan(&parent->dev);
	KUNIT_EXPECT_PTR_EQ(test, child->dev.parent, &parent->dev);
	KUNIT_EXPECT_PTR_EQ(test, other->parent, &parent->dev);

	device_unregister(other);
	class_unregister(&orphanage);
	platform_device_unregister(child);
	platform_device_unregister(parent);
}

static struct kunit_case mtdsecurity_cases[] = {
	KUNIT_CASE(numbers),
	KUNIT_CASE(devices),
	KUNIT_CASE(read_only_nodes),
	KUNIT_CASE(sizes),
	KUNIT_CASE(info),
	KUNIT_CASE(lists),
	KUNIT_CASE(list_ends),
	KUNIT_CASE(memory_goes),
	KUNIT_CASE(list_goes),
	KUNIT_CASE(argument_goes),
	KUNIT_CASE(memory_goes_before),
	KUNIT_CASE(next_entry_goes),
	KUNIT_CASE(device_goes),
	KUNIT_CASE(device_gone),
	KUNIT_CASE(unprivileged),
	KUNIT_CASE(malformed),
	KUNIT_CASE(read_only_memory),
	KUNIT_CASE(removal_waits),
	KUNIT_CASE(registry),
	KUNIT_CASE(counted_masters),
	KUNIT_CASE(orphans),
	{}
};

static struct kunit_suite mtdsecurity_suite = {
	.name = "mtdsecurity",
	.init = pretender_init,
	.exit = pretender_exit,
	.test_cases = mtdsecurity_cases,
};

kunit_test_suite(mtdsecurity_suite);
