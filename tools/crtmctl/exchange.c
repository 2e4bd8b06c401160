// SPDX-License-Identifier: MIT
/*
 * Exchanges with the chip, and what is said of those that fail.
 */
#include <errno.h>
#include <linux/capability.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "crtmctl.h"

int exit_of(enum crtm_outcome outcome)
{
	switch (outcome) {
	case CRTM_ACCEPTED:
		return CTL_OK;
	case CRTM_REFUSED:
		return CTL_REFUSED;
	case CRTM_UNKNOWN:
		return CTL_UNKNOWN;
	default:
		return CTL_DEVICE;
	}
}

const char *outcome_name(enum crtm_outcome outcome)
{
	switch (outcome) {
	case CRTM_ACCEPTED:
		return "accepted";
	case CRTM_REFUSED:
		return "refused";
	case CRTM_UNKNOWN:
		return "unknown";
	default:
		return "unsent";
	}
}

int worse(int a, int b)
{
	/* An unknown outcome is what somebody must act on. */
	static const int rank[] = {
		[CTL_OK] = 0, [CTL_REFUSED] = 1, [CTL_MISMATCH] = 2, [CTL_USAGE] = 3,
		[CTL_DEVICE] = 4, [CTL_OUTPUT] = 5, [CTL_UNKNOWN] = 6,
	};

	return rank[a] >= rank[b] ? a : b;
}

bool is_admin(void)
{
	struct __user_cap_header_struct head = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3] = { 0 };

	return !syscall(SYS_capget, &head, data) &&
	       data[CAP_TO_INDEX(CAP_SYS_ADMIN)].effective & CAP_TO_MASK(CAP_SYS_ADMIN);
}

/* What the block needs and the caller has not; NULL if nothing. */
static const char *permission_problem(const struct ctl *ctl, const struct mtd_crtm_entry *entry)
{
	const uint8_t *block = (const uint8_t *)(uintptr_t)entry->in;
	const struct crtm_command *cmd;

	if (entry->in_len < RPMC_HDR_LEN || is_admin())
		return NULL;
	cmd = crtm_command(block[RPMC_OFF_TYPE]);
	if (cmd && (cmd->flags & CRTM_F_ADMIN))
		return "it needs CAP_SYS_ADMIN: run this as root";
	if (cmd && (cmd->flags & CRTM_F_CHIP_WIDE) && !(ctl->info.flags & MTD_CRTM_F_MASTER))
		return "it concerns the whole chip: needs CAP_SYS_ADMIN or the chip's own node";
	return NULL;
}

/* The kernel says what is wrong, not with which block: find the one that fits. */
static const char *find_cause(const struct ctl *ctl, bool write,
			      const struct mtd_crtm_entry *entries, unsigned int nr, int err,
			      unsigned int *which)
{
	const char *why;
	unsigned int i;

	for (i = 0; i < nr; i++) {
		*which = i;
		if (crtm_block_problem(&ctl->info, write, (const void *)(uintptr_t)entries[i].in,
				       entries[i].in_len, &why) == err)
			return why;
	}
	for (i = 0; i < nr && err == -EPERM; i++) {
		*which = i;
		why = permission_problem(ctl, &entries[i]);
		if (why)
			return why;
	}
	return NULL;
}

void report_errno(const struct ctl *ctl, bool write, const struct mtd_crtm_entry *entries,
		  unsigned int nr, const char *what, int err)
{
	unsigned int which;
	const char *why = find_cause(ctl, write, entries, nr, err, &which);

	if (why && nr > 1)
		ctl_error("%s: %s: nothing sent: block %u of the list: %s (%s)", ctl->path, what,
			  which + 1, why, crtm_errno_name(err));
	else
		ctl_error("%s: %s: nothing sent: %s (%s)", ctl->path, what,
			  why ? why : crtm_errno_text(err), crtm_errno_name(err));
}

int exchange(struct ctl *ctl, bool write, const void *block, size_t len, const char *what,
	     bool accept_refusal, struct exchange *x)
{
	uint8_t type = ((const uint8_t *)block)[RPMC_OFF_TYPE];
	char text[CRTM_STATUS_TEXT];

	memset(x, 0, sizeof(*x));
	x->outcome = CRTM_UNSENT;
	x->out = calloc(1, ctl->info.max_response);
	if (!x->out) {
		ctl_error("out of memory");
		x->err = ENOMEM;
		return CTL_DEVICE;
	}
	crtm_entry_init(&x->entry, block, len, x->out, ctl->info.max_response);
	x->err = -crtm_send(ctl->fd, write, &x->entry, 1, NULL);
	if (x->err) {
		report_errno(ctl, write, &x->entry, 1, what, -x->err);
		return CTL_DEVICE;
	}
	x->outcome = crtm_entry_outcome(&x->entry);
	switch (x->outcome) {
	case CRTM_UNSENT:
		x->err = EINTR;
		ctl_error("%s: %s: not sent", ctl->path, what);
		return CTL_DEVICE;
	case CRTM_UNKNOWN:
		ctl_error("%s: %s: outcome unknown, ask the chip: %s (%s)", ctl->path, what,
			  crtm_errno_text(x->entry.result), crtm_errno_name(x->entry.result));
		return CTL_UNKNOWN;
	case CRTM_REFUSED:
		if (!accept_refusal)
			ctl_error("%s: %s: refused by the chip: status %02x, %s", ctl->path, what,
				  x->entry.status,
				  crtm_status_text(type, x->entry.status, text, sizeof(text)));
		return CTL_REFUSED;
	case CRTM_ACCEPTED:
		break;
	}
	x->parsed = !crtm_parse(type, x->out, x->entry.out_len, &x->resp);
	if (!x->parsed) {
		ctl_error("%s: %s: the chip's answer is malformed (%u bytes)", ctl->path, what,
			  x->entry.out_len);
		return CTL_MISMATCH;
	}
	return CTL_OK;
}

void exchange_free(const struct ctl *ctl, struct exchange *x)
{
	if (x->out)
		explicit_bzero(x->out, ctl->info.max_response);
	free(x->out);
	x->out = NULL;
}
