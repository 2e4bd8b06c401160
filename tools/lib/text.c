// SPDX-License-Identifier: MIT
/*
 * Words for errnos and for the chip's status byte.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "crtm.h"

#define ERR(e, text)	{ e, #e, text }

/* @text: what <mtd/mtd-security.h> says of it; NULL: whatever libc says. */
static const struct {
	int err;
	const char *name;
	const char *text;
} errors[] = {
	ERR(ENOTTY, "the kernel's MTD driver has no security ioctls"),
	ERR(EOPNOTSUPP, "no security operations: the chip or its SPI controller cannot do it"),
	ERR(EPERM, "not allowed: command unknown to the driver, node not open for writing or "
	    "read-only, or a capability (CAP_SYS_ADMIN) is missing"),
	ERR(EINVAL, "malformed: flags, reserved bytes, slot, alignment or addresses"),
	ERR(EMSGSIZE, "the length is not one that the command has, or the response buffer is "
	    "too small"),
	ERR(E2BIG, "the kernel is older than this program: it does not know all of the request"),
	ERR(EFAULT, "bad address"),
	ERR(ENOMEM, NULL),
	ERR(EINTR, "interrupted by a signal before the first byte"),
	ERR(ENODEV, "the device is gone, or there is none behind this node"),
	ERR(ETIMEDOUT, "the chip was not ready in time"),
	ERR(EIO, "the SPI transfer failed"),
	ERR(ENXIO, "not an MTD character device"),
	ERR(EACCES, "permission denied; for writing also: the node or its partition is read-only"),
	ERR(EBADMSG, "not a well-formed response to this command"),
	ERR(ENOENT, NULL),
	ERR(EBUSY, "the chip has not been ready since an earlier command timed out"),
	ERR(EKEYREJECTED, NULL),
	ERR(EAGAIN, NULL),
	ERR(EROFS, NULL),
	ERR(ENOSYS, NULL),
	ERR(EBADF, NULL),
	ERR(ENOTDIR, NULL),
	ERR(EISDIR, NULL),
	ERR(EMFILE, NULL),
	ERR(ENFILE, NULL),
	ERR(ELOOP, NULL),
	ERR(ENOSPC, NULL),
	ERR(ERANGE, NULL),
	ERR(EOVERFLOW, NULL),
	ERR(EPROTO, NULL),
	ERR(EPIPE, NULL),
	ERR(ECANCELED, NULL),
	ERR(ESHUTDOWN, NULL),
	ERR(EREMOTEIO, NULL),
};

#define NR_ERRORS	(sizeof(errors) / sizeof(errors[0]))

const char *crtm_errno_name(int err)
{
	size_t i;

	if (err < 0)
		err = -err;
	for (i = 0; i < NR_ERRORS; i++)
		if (errors[i].err == err)
			return errors[i].name;
	return err ? "EUNKNOWN" : "OK";
}

const char *crtm_errno_text(int err)
{
	size_t i;

	if (err < 0)
		err = -err;
	for (i = 0; i < NR_ERRORS; i++)
		if (errors[i].err == err && errors[i].text)
			return errors[i].text;
	return strerror(err);
}

char *crtm_status_text(uint8_t type, uint8_t status, char *buf, size_t size)
{
	const struct crtm_command *cmd = crtm_command(type);
	const struct {
		uint8_t bit;
		const char *text;
	} bits[] = {
		{ RPMC_STATUS_SUCCESS, "success" },
		{ RPMC_STATUS_BUSY, "busy" },
		{ RPMC_STATUS_ROOT_KEY, type == RPMC_WRITE_ROOT_KEY ?
		  "root key already written, or its signature wrong" :
		  "no root key or counter in this slot" },
		{ RPMC_STATUS_SIGNATURE, "signature, slot, type or length wrong" },
		{ RPMC_STATUS_NO_KEY, "no HMAC key or session" },
		{ RPMC_STATUS_COUNTER, "counter or sequence number does not match" },
		{ RPMC_STATUS_FATAL, "failed inside the chip" },
		{ CRTM_STATUS_REFUSED, cmd && !cmd->rpmc ?
		  "address, length or region not allowed" : "bit 6" },
	};
	size_t i, used = 0;
	int n;

	if (!size)
		return buf;
	snprintf(buf, size, "%s",
		 status == RPMC_STATUS_POWER_ON ? "no command since power-on" : "");
	for (i = 0; i < sizeof(bits) / sizeof(bits[0]); i++) {
		if (!(status & bits[i].bit))
			continue;
		n = snprintf(buf + used, size - used, "%s%s", used ? "; " : "", bits[i].text);
		if (n < 0 || (size_t)n >= size - used)
			break;
		used += n;
	}
	return buf;
}
