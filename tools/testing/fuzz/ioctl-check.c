// SPDX-License-Identifier: MIT
/* What must hold of an ioctl, told without the driver. */
#include "fuzz.h"
#include "ioctl-check.h"

#include "../../lib/crtm.h"

#define RESPONSE_MAX	136

void note_call(struct call *call)
{
	call->raced = world.race_at;
	memcpy(call->before, world.mem, USER_SIZE);
}

void check_sent(const struct mtd_crtm_info *info, const struct call *call, const u8 *block,
		size_t len)
{
	bool write = call->number == WR_CRTM_CMD;
	const struct crtm_command *cmd;
	const char *why;

	CHECK(write || call->number == RD_CRTM_CMD);
	CHECK(!write || call->writable);
	CHECK(!crtm_block_problem(info, write, block, len, &why));
	cmd = crtm_command(block[RPMC_OFF_TYPE]);
	CHECK(cmd);
	if (cmd->flags & CRTM_F_ADMIN)
		CHECK(call->admin);
	if (cmd->flags & CRTM_F_CHIP_WIDE)
		CHECK(call->admin || info->flags & MTD_CRTM_F_MASTER);
}

static bool zero(const void *p, size_t n)
{
	const u8 *b = p;

	while (n--)
		if (*b++)
			return false;
	return true;
}

void check_asp_command(const struct mtd_crtm_info *info, const struct mtd_asp_cmd *cmd, bool admin)
{
	const struct crtm_asp_command *c = crtm_asp_command(cmd->cmd);
	char confirm[MTD_ASP_CONFIRM_LEN] = "";

	CHECK(c && !cmd->flags && !cmd->reserved);
	memcpy(confirm, c->confirm, strlen(c->confirm));
	CHECK(!memcmp(confirm, cmd->confirm, sizeof(confirm)));
	CHECK(c->flags & ASP_F_PASSWORD || zero(cmd->password, sizeof(cmd->password)));
	CHECK(!(c->flags & ASP_F_ADMIN) || admin);
	if (!(c->flags & ASP_F_RANGE)) {
		CHECK(!cmd->offset && !cmd->length);
		CHECK(admin || info->flags & MTD_CRTM_F_MASTER);
		return;
	}
	CHECK(cmd->length && !(cmd->offset % ASP_SECTOR_SIZE) && !(cmd->length % ASP_SECTOR_SIZE));
	CHECK(cmd->length <= info->node_size && cmd->offset >= info->node_offset &&
	      cmd->offset + cmd->length <= info->node_offset + info->node_size);
}

/* What of the caller's memory a call may write */

struct mine {
	u8 times[USER_SIZE];
	bool overlap;
};

static void add(struct mine *mine, u64 address, u64 n)
{
	u64 i;

	for (i = 0; i < n && i < USER_SIZE; i++) {
		if (address + i < USER_BASE || address + i - USER_BASE >= USER_SIZE)
			continue;
		if (mine->times[address + i - USER_BASE]++)
			mine->overlap = true;
	}
}

static bool fetch(const struct call *call, u64 address, void *to, size_t n)
{
	if (!user_bytes(address, n))
		return false;
	memcpy(to, call->before + (address - USER_BASE), n);
	return true;
}

static bool fetch_entry(const struct call *call, const struct mtd_crtm_cmd *cmd, u32 i,
			struct mtd_crtm_entry *entry)
{
	return fetch(call, cmd->entries + i * sizeof(*entry), entry, sizeof(*entry));
}

static void add_list(struct mine *mine, const struct call *call)
{
	struct mtd_crtm_entry entry;
	struct mtd_crtm_cmd cmd;
	u64 at;
	u32 i;

	if (!fetch(call, call->arg, &cmd, sizeof(cmd)))
		return;
	add(mine, call->arg + offsetof(struct mtd_crtm_cmd, done), sizeof(cmd.done));
	for (i = 0; i < cmd.nr && fetch_entry(call, &cmd, i, &entry); i++) {
		at = cmd.entries + i * sizeof(entry);
		add(mine, at + offsetof(struct mtd_crtm_entry, out_len), 4 + 4 + 1 + 1);
		add(mine, entry.out, entry.out_len);
	}
}

static void add_asp(struct mine *mine, const struct call *call)
{
	struct mtd_asp_map map;

	if (call->number == MTD_ASP_CMD) {
		add(mine, call->arg + offsetof(struct mtd_asp_cmd, result), 4);
		add(mine, call->arg + offsetof(struct mtd_asp_cmd, done), 4 + 1 + 1);
	} else if (fetch(call, call->arg, &map, sizeof(map))) {
		add(mine, call->arg, sizeof(map));
		add(mine, map.sectors, map.nr);
	}
}

static void check_memory(const struct call *call, struct mine *mine)
{
	u32 size, i;

	memset(mine, 0, sizeof(*mine));
	switch (call->number) {
	case WR_CRTM_CMD:
	case RD_CRTM_CMD:
		add_list(mine, call);
		break;
	case MTD_CRTM_INFO:
		if (fetch(call, call->arg, &size, sizeof(size)))
			add(mine, call->arg, size);
		break;
	case MTD_ASP_MAP:
	case MTD_ASP_CMD:
		add_asp(mine, call);
	}
	for (i = 0; i < USER_SIZE; i++)
		CHECK(!world.written[i] || mine->times[i]);
}

/* The one block that the driver makes by itself, to put a key out of the chip */
static bool is_forget(const u8 *block, size_t len)
{
	return len == CRTM_GET_INFO_BLOCK && block[RPMC_OFF_TYPE] == CRTM_GET_INFO &&
	       zero(block + RPMC_OFF_SLOT, len - RPMC_OFF_SLOT);
}

void check_announced(const struct call *call, const u8 *block, size_t len)
{
	struct mtd_crtm_entry entry;
	struct mtd_crtm_cmd cmd;
	u32 i, announced = 0;
	u8 *now;

	if (call->raced || is_forget(block, len) || !fetch(call, call->arg, &cmd, sizeof(cmd)))
		return;
	for (i = 0; i < cmd.nr; i++) {
		now = user_bytes(cmd.entries + i * sizeof(entry), sizeof(entry));
		CHECK(now);
		memcpy(&entry, now, sizeof(entry));
		announced += entry.sent == 1 && entry.result;
	}
	/* Those before it have been answered; the answer may lie over an entry. */
	CHECK(announced || call->arg != USER_BASE);
}

/* Blocks on the bus are the caller's, in their order, each once; the entries say so. */
static void check_list(const struct call *call, const struct mtd_crtm_cmd *cmd)
{
	struct mtd_crtm_entry was, is;
	bool ended = false;
	u32 i, k = 0, done = 0;
	const u8 *block;

	for (i = 0; i < cmd->nr; i++) {
		CHECK(fetch_entry(call, cmd, i, &was));
		memcpy(&is, user_bytes(cmd->entries + i * sizeof(is), sizeof(is)), sizeof(is));
		CHECK(is.sent <= 1);
		if (!is.sent) {
			CHECK(i);
			CHECK(is.out_len == was.out_len && !is.result && !is.status);
			ended = true;
			continue;
		}
		CHECK(!ended && k < world.nr_sent);
		block = call->before + (was.in - USER_BASE);
		CHECK(world.sent_len[k] == was.in_len && !memcmp(world.sent[k], block, was.in_len));
		k++;
		if (block[RPMC_OFF_TYPE] == CRTM_DERIVE_KEY) {
			CHECK(k < world.nr_sent && is_forget(world.sent[k], world.sent_len[k]));
			k++;
		}
		CHECK(!is.result && is.out_len <= was.out_len && is.out_len <= RESPONSE_MAX);
		if (is.out_len)
			CHECK(*user_bytes(is.out, 1) == is.status);
		done++;
		ended = is.status != RPMC_STATUS_SUCCESS;
	}
	CHECK(k == world.nr_sent);
	memcpy(&k, user_bytes(call->arg + offsetof(struct mtd_crtm_cmd, done), 4), 4);
	CHECK(k == done);
}

/* libcrtm says what the kernel will say of a block. */
static void check_prediction(const struct mtd_crtm_info *info, const struct call *call,
			     const struct mtd_crtm_cmd *cmd)
{
	struct mtd_crtm_entry entry;
	const char *why;
	const u8 *block;
	int expected;

	if (cmd->nr != 1 || cmd->flags || cmd->size != sizeof(*cmd) || !call->admin ||
	    !call->writable || !fetch_entry(call, cmd, 0, &entry) || entry.reserved ||
	    entry.out_len < RESPONSE_MAX || !entry.in_len)
		return;
	block = user_bytes(entry.in, entry.in_len);
	if (!block || call->ret == -EFAULT)
		return;
	block = call->before + (entry.in - USER_BASE);
	expected = crtm_block_problem(info, call->number == WR_CRTM_CMD, block, entry.in_len, &why);
	if (call->ret != expected)
		fprintf(stderr, "block of %u bytes, type %02x: the kernel %d, libcrtm %d\n",
			entry.in_len, entry.in_len > 1 ? block[RPMC_OFF_TYPE] : 0, call->ret,
			expected);
	CHECK(call->ret == expected);
}

static bool documented(const struct call *call)
{
	bool asp = call->number == MTD_ASP_MAP || call->number == MTD_ASP_CMD;

	switch (-call->ret) {
	case 0:
	case EOPNOTSUPP:
	case EPERM:
	case EINVAL:
	case EMSGSIZE:
	case E2BIG:
	case EFAULT:
	case ENOMEM:
	case EINTR:
	case EBUSY:
	case ENODEV:
	case ENOIOCTLCMD:
		return true;
	case EACCES:
	case EIO:
		return asp;
	default:
		return false;
	}
}

void check_result(const struct mtd_crtm_info *info, const struct call *call)
{
	static struct mine mine;
	struct mtd_crtm_cmd cmd;
	u32 i;

	CHECK(documented(call));
	if (call->ret)
		for (i = 0; i < world.nr_sent; i++)
			CHECK(is_forget(world.sent[i], world.sent_len[i]));
	if (call->raced)
		return;
	check_memory(call, &mine);
	if (mine.overlap || !call->undisturbed ||
	    (call->number != WR_CRTM_CMD && call->number != RD_CRTM_CMD) ||
	    !fetch(call, call->arg, &cmd, sizeof(cmd)))
		return;
	if (!call->ret)
		check_list(call, &cmd);
	check_prediction(info, call, &cmd);
}
