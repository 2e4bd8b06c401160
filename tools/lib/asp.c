// SPDX-License-Identifier: MIT
/*
 * Advanced Sector Protection: the table of what MTD_ASP_CMD does, from the contract
 * headers, its ioctls, and MTD's own ones for the volatile lock bits.
 */
#include <errno.h>
#include <fcntl.h>
#include <mtd/mtd-user.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "crtm.h"

/* Table */

#define ROW(n, s, na, f, c) \
	[n] = { .nr = n, .sym = #s, .name = na, .flags = f, .confirm = c },

static const struct crtm_asp_command commands[] = { ASP_COMMANDS(ROW) };

#define NR_COMMANDS	(sizeof(commands) / sizeof(commands[0]))

#define CHECK(n, s, na, f, c)							\
	_Static_assert(MTD_ASP_##s == n, "number of " #s);			\
	_Static_assert(sizeof(c) <= MTD_ASP_CONFIRM_LEN, "confirmation of " #s);
ASP_COMMANDS(CHECK)
_Static_assert(ASP_PASSWORD_LEN == MTD_ASP_PASSWORD_LEN, "length of the password");

const struct crtm_asp_command *crtm_asp_commands(size_t *nr)
{
	*nr = NR_COMMANDS;
	return commands;
}

const struct crtm_asp_command *crtm_asp_command(uint32_t nr)
{
	return nr < NR_COMMANDS ? &commands[nr] : NULL;
}

/* States */

static const struct crtm_asp_bit bits[] = {
	{ MTD_ASP_S_VOLATILE, "volatile" },
	{ MTD_ASP_S_LOCK_DOWN, "locked down" },
	{ MTD_ASP_S_NON_VOLATILE, "non-volatile" },
	{ MTD_ASP_S_BLOCK, "block protection" },
	{ MTD_ASP_S_REGION, "region" },
};

const struct crtm_asp_bit *crtm_asp_bits(size_t *nr)
{
	*nr = sizeof(bits) / sizeof(bits[0]);
	return bits;
}

char *crtm_asp_state_text(uint8_t state, char *buf, size_t size)
{
	size_t i, used;
	int n;

	n = snprintf(buf, size, "%s", state & MTD_ASP_S_LOCKED ? "" : "open");
	for (i = 0, used = n; i < sizeof(bits) / sizeof(bits[0]) && used < size; i++) {
		if (!(state & bits[i].bit))
			continue;
		used += snprintf(buf + used, size - used, "%s%s", used ? ", " : "", bits[i].name);
	}
	return buf;
}

const char *crtm_asp_errno_text(int err)
{
	switch (err < 0 ? -err : err) {
	case EACCES:
		return "sector protection forbids it as it stands: frozen, locked down, a one-time "
		       "bit or password mode";
	case EKEYREJECTED:
		return "wrong password";
	case EOPNOTSUPP:
		return "the chip has no sector protection, or not this part of it (an ordinary "
		       "MT25Q has it with the property micron,sector-protection alone)";
	case EPERM:
		return "not allowed: node not open for writing or read-only, or a capability "
		       "(CAP_SYS_ADMIN) is missing";
	case EINVAL:
		return "malformed: range, confirmation or password";
	case EIO:
		return "the chip refused it or did not answer as it should, or the SPI transfer "
		       "failed";
	case EINTR:
		return "interrupted by a signal";
	default:
		return crtm_errno_text(err);
	}
}

/* Where a node lies in its chip */

/* Number in attribute @name of the node's folder in sysfs, or @up of the one above. */
static int read_attribute(dev_t node, const char *up, const char *name, uint64_t *value)
{
	char path[96], text[32], *end;
	ssize_t len;
	int fd;

	/* mtdNro is minor 2N + 1 and has no attributes of its own. */
	snprintf(path, sizeof(path), "/sys/dev/char/%u:%u/%s%s", major(node), minor(node) & ~1U,
		 up, name);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	len = read(fd, text, sizeof(text) - 1);
	if (len < 0)
		len = -errno;
	close(fd);
	if (len < 0)
		return len;
	text[len] = '\0';
	*value = strtoull(text, &end, 10);
	return end == text || (*end && *end != '\n') ? -EBADMSG : 0;
}

static int place_from_sysfs(int fd, struct mtd_crtm_info *info)
{
	/* A partition's offset is relative to what it is part of, a partition perhaps. */
	static const char *const levels[] = { "", "../", "../../", "../../../" };
	uint64_t size, offset;
	struct stat st;
	size_t i;
	int err;

	if (fstat(fd, &st))
		return -errno;
	err = read_attribute(st.st_rdev, "", "size", &size);
	if (err)
		return err;
	memset(info, 0, sizeof(*info));
	info->node_size = size;
	for (i = 0; i < sizeof(levels) / sizeof(levels[0]); i++) {
		err = read_attribute(st.st_rdev, levels[i], "offset", &offset);
		if (err == -ENOENT) {
			if (!i)
				info->flags = MTD_CRTM_F_MASTER;
			return 0;
		}
		if (err)
			return err;
		info->node_offset += offset;
	}
	return -ELOOP;
}

int crtm_place(int fd, struct mtd_crtm_info *info)
{
	int err = crtm_info(fd, info);

	return err == -EOPNOTSUPP ? place_from_sysfs(fd, info) : err;
}

/* The ioctls */

int crtm_asp_map(int fd, struct mtd_asp_map *map, uint8_t *sectors, size_t nr)
{
	memset(map, 0, sizeof(*map));
	if (nr > UINT32_MAX)
		return -EINVAL;
	map->size = sizeof(*map);
	map->sectors = (uintptr_t)sectors;
	map->nr = nr;
	return ioctl(fd, MTD_ASP_MAP, map) ? -errno : 0;
}

int crtm_asp_cmd(int fd, struct mtd_asp_cmd *cmd)
{
	int err;

	cmd->size = sizeof(*cmd);
	err = ioctl(fd, MTD_ASP_CMD, cmd) ? -errno : 0;
	explicit_bzero(cmd->password, sizeof(cmd->password));
	return err;
}

static int range_ioctl(int fd, unsigned long request, uint64_t offset, uint64_t length)
{
	struct erase_info_user range = { .start = offset, .length = length };
	int ret;

	/* There is no 64-bit form of these. */
	if (range.start != offset || range.length != length)
		return -ERANGE;
	ret = ioctl(fd, request, &range);
	return ret < 0 ? -errno : ret;
}

int crtm_lock(int fd, uint64_t offset, uint64_t length)
{
	return range_ioctl(fd, MEMLOCK, offset, length);
}

int crtm_unlock(int fd, uint64_t offset, uint64_t length)
{
	return range_ioctl(fd, MEMUNLOCK, offset, length);
}

int crtm_is_locked(int fd, uint64_t offset, uint64_t length)
{
	return range_ioctl(fd, MEMISLOCKED, offset, length);
}
