// SPDX-License-Identifier: MIT
/*
 * Nodes of MTD and the security ioctls on them.
 */
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "crtm.h"

int crtm_open(const char *path, bool write)
{
	struct stat st;
	int fd, err;

	fd = open(path, (write ? O_RDWR : O_RDONLY) | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	/* On another kind of file the ioctls would fail as on a kernel without them. */
	if (fstat(fd, &st))
		err = -errno;
	else if (!S_ISCHR(st.st_mode))
		err = -ENXIO;
	else
		return fd;
	close(fd);
	return err;
}

int crtm_info(int fd, struct mtd_crtm_info *info)
{
	memset(info, 0, sizeof(*info));
	info->size = sizeof(*info);
	if (ioctl(fd, MTD_CRTM_INFO, info))
		return -errno;
	info->chip[sizeof(info->chip) - 1] = '\0';
	info->command_set[sizeof(info->command_set) - 1] = '\0';
	if (info->id_len > sizeof(info->id))
		info->id_len = sizeof(info->id);
	return 0;
}

void crtm_entry_init(struct mtd_crtm_entry *entry, const void *in, size_t in_len,
		     void *out, size_t out_len)
{
	memset(entry, 0, sizeof(*entry));
	entry->in = (uintptr_t)in;
	entry->in_len = in_len;
	entry->out = (uintptr_t)out;
	entry->out_len = out_len;
}

int crtm_send(int fd, bool write, struct mtd_crtm_entry *entries, unsigned int nr,
	      unsigned int *done)
{
	struct mtd_crtm_cmd cmd = {
		.size = sizeof(cmd),
		.nr = nr,
		.entries = (uintptr_t)entries,
	};

	if (done)
		*done = 0;
	if (ioctl(fd, write ? WR_CRTM_CMD : RD_CRTM_CMD, &cmd))
		return -errno;
	if (done)
		*done = cmd.done;
	return 0;
}

enum crtm_outcome crtm_entry_outcome(const struct mtd_crtm_entry *entry)
{
	if (!entry->sent)
		return CRTM_UNSENT;
	if (entry->result)
		return CRTM_UNKNOWN;
	return entry->status == RPMC_STATUS_SUCCESS ? CRTM_ACCEPTED : CRTM_REFUSED;
}

/* N of "mtdN", or -1: not of "mtdNro", "mtdblockN" or "mtd00". */
static int node_number(const char *name)
{
	unsigned long n;
	char *end;

	if (strncmp(name, "mtd", 3) || !isdigit((unsigned char)name[3]))
		return -1;
	if (name[3] == '0' && name[4])
		return -1;
	errno = 0;
	n = strtoul(name + 3, &end, 10);
	return *end || errno || n > INT_MAX ? -1 : (int)n;
}

static int compare(const void *a, const void *b)
{
	int x = *(const int *)a, y = *(const int *)b;

	return (x > y) - (x < y);
}

/* The N of all /dev/mtdN, sorted, in @numbers (to be freed); how many, or -errno. */
static int all_nodes(int **numbers)
{
	int *list = NULL, *more, nr = 0, n;
	struct dirent *de;
	DIR *dir;

	dir = opendir("/dev");
	if (!dir)
		return -errno;
	while ((de = readdir(dir))) {
		n = node_number(de->d_name);
		if (n < 0)
			continue;
		more = realloc(list, (nr + 1) * sizeof(*list));
		if (!more) {
			free(list);
			closedir(dir);
			return -ENOMEM;
		}
		list = more;
		list[nr++] = n;
	}
	closedir(dir);
	if (nr)
		qsort(list, nr, sizeof(*list), compare);
	*numbers = list;
	return nr;
}

/* Whoever gave this said that it is not one of them, or is not there. */
static bool is_answer(int err)
{
	return !err || err == -EOPNOTSUPP || err == -ENOTTY || err == -ENODEV || err == -ENXIO;
}

/* The nodes for which @probe gives 0; it fills in the node's @info. */
static int list_nodes(int (*probe)(int fd, struct mtd_crtm_info *info), struct crtm_node *nodes,
		      size_t max, struct crtm_silent_node *silent)
{
	bool denied = false, foreign = false;
	int *numbers = NULL, nr, i, fd, err;
	struct crtm_node node;
	size_t found = 0;

	if (silent)
		silent->err = 0;
	nr = all_nodes(&numbers);
	if (nr < 0)
		return nr;
	for (i = 0; i < nr; i++) {
		snprintf(node.path, sizeof(node.path), "/dev/mtd%d", numbers[i]);
		fd = crtm_open(node.path, false);
		if (fd < 0) {
			denied |= fd == -EACCES || fd == -EPERM;
			err = fd;
		} else {
			err = probe(fd, &node.info);
			close(fd);
			foreign |= err == -ENOTTY;
		}
		if (silent && !silent->err && !is_answer(err)) {
			memcpy(silent->path, node.path, sizeof(silent->path));
			silent->err = err;
		}
		if (err)
			continue;
		if (found < max)
			nodes[found] = node;
		found++;
	}
	free(numbers);
	if (!found && denied)
		return -EACCES;
	if (!found && foreign)
		return -ENOTTY;
	return found;
}

int crtm_list(struct crtm_node *nodes, size_t max, struct crtm_silent_node *silent)
{
	return list_nodes(crtm_info, nodes, max, silent);
}

static int probe_asp(int fd, struct mtd_crtm_info *info)
{
	struct mtd_asp_map map;
	int err = crtm_asp_map(fd, &map, NULL, 0);

	/* Whose place cannot be told is one of them all the same. */
	if (!err && crtm_place(fd, info))
		memset(info, 0, sizeof(*info));
	return err;
}

int crtm_asp_list(struct crtm_node *nodes, size_t max, struct crtm_silent_node *silent)
{
	return list_nodes(probe_asp, nodes, max, silent);
}
