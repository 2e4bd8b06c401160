// SPDX-License-Identifier: MIT
/*
 * Each error of the ioctls, brought about once. Documentation/uapi.rst shows these functions.
 *
 * Usage: errors NODE NAME [COMMAND]
 * Does what NAME says with NODE (enodev: COMMAND removes the device meanwhile). Exit code 0 if the
 * error is the one that it should be. Without arguments: prints the names.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <unistd.h>
#include <linux/mtd/crtm-commands.h>
#include <linux/mtd/rpmc.h>
#include <mtd/mtd-security.h>

static const char *node, *command;

/* exchange */
static struct mtd_crtm_entry entry;
static uint8_t answer[512];

static int opened(int flags)
{
	int fd = open(node, flags);

	if (fd < 0) {
		perror(node);
		exit(1);
	}
	return fd;
}

/* One block. Returns 0, with the outcome in @entry, or the errno. */
static int exchange(int fd, unsigned long request, const uint8_t *block, uint32_t len)
{
	struct mtd_crtm_cmd cmd = {
		.size = sizeof(cmd), .nr = 1, .entries = (uintptr_t)&entry,
	};

	entry = (struct mtd_crtm_entry){
		.in = (uintptr_t)block, .in_len = len,
		.out = (uintptr_t)answer, .out_len = sizeof(answer),
	};
	return ioctl(fd, request, &cmd) ? errno : 0;
}

static int asp(int fd, struct mtd_asp_cmd *cmd)
{
	cmd->size = sizeof(*cmd);
	return ioctl(fd, MTD_ASP_CMD, cmd) ? errno : 0;
}

/* Blocks: "get information", and "increment counter" with a signature that no key makes. */
static const uint8_t get_info[20] = { RPMC_OP1_DEFAULT, CRTM_GET_INFO };
static const uint8_t increment[40] = { RPMC_OP1_DEFAULT, RPMC_INCREMENT_COUNTER };
/* end */

static int enotty(void)
{
	return ioctl(opened(O_RDONLY), _IO('M', 0x7f), NULL) ? errno : 0;
}

/* NODE: an ordinary part */
static int eopnotsupp(void)
{
	struct mtd_crtm_info info = { .size = sizeof(info) };

	return ioctl(opened(O_RDONLY), MTD_CRTM_INFO, &info) ? errno : 0;
}

static int eopnotsupp_asp(void)
{
	struct mtd_asp_map map = { .size = sizeof(map) };

	return ioctl(opened(O_RDONLY), MTD_ASP_MAP, &map) ? errno : 0;
}

static int eperm_unknown(void)
{
	static const uint8_t write_enable[] = { 0x06, 0x00 };

	return exchange(opened(O_RDWR), WR_CRTM_CMD, write_enable, sizeof(write_enable));
}

static int eperm_mode(void)
{
	return exchange(opened(O_RDONLY), WR_CRTM_CMD, get_info, sizeof(get_info));
}

static int eperm_class(void)
{
	return exchange(opened(O_RDWR), RD_CRTM_CMD, increment, sizeof(increment));
}

static int eperm_admin(void)
{
	static const uint8_t derive_key[28] = { RPMC_OP1_DEFAULT, CRTM_DERIVE_KEY };
	int fd = opened(O_RDWR);

	if (setuid(65534))
		return 0;
	return exchange(fd, RD_CRTM_CMD, derive_key, sizeof(derive_key));
}

/* NODE: a partition; as root it would be sent */
static int eperm_partition(void)
{
	int fd = opened(O_RDWR);

	if (setuid(65534))
		return 0;
	return exchange(fd, WR_CRTM_CMD, increment, sizeof(increment));
}

static int eperm_asp_mode(void)
{
	struct mtd_asp_cmd cmd = { .cmd = MTD_ASP_LOCK_DOWN, .length = 65536 };

	return asp(opened(O_RDONLY), &cmd);
}

static int eperm_asp_admin(void)
{
	struct mtd_asp_cmd cmd = { .cmd = MTD_ASP_NO_PASSWORD, .confirm = "password-mode" };
	int fd = opened(O_RDWR);

	if (setuid(65534))
		return 0;
	return asp(fd, &cmd);
}

/* NODE: a partition */
static int eperm_asp_partition(void)
{
	struct mtd_asp_cmd cmd = { .cmd = MTD_ASP_FREEZE };
	int fd = opened(O_RDWR);

	if (setuid(65534))
		return 0;
	return asp(fd, &cmd);
}

static int eacces(void)
{
	struct mtd_asp_cmd freeze = { .cmd = MTD_ASP_FREEZE };
	struct mtd_asp_cmd lock = { .cmd = MTD_ASP_NV_LOCK, .length = 65536 };
	int fd = opened(O_RDWR);

	if (asp(fd, &freeze) || freeze.result)
		return 0;
	return asp(fd, &lock);
}

static int einval_reserved(void)
{
	uint8_t block[sizeof(get_info)] = { RPMC_OP1_DEFAULT, CRTM_GET_INFO, 0, 1 };

	return exchange(opened(O_RDONLY), RD_CRTM_CMD, block, sizeof(block));
}

static int einval_slot(void)
{
	uint8_t block[sizeof(get_info)] = { RPMC_OP1_DEFAULT, CRTM_GET_INFO, 15 };

	return exchange(opened(O_RDONLY), RD_CRTM_CMD, block, sizeof(block));
}

/* NODE: a partition that does not hold the chip's first byte */
static int einval_outside(void)
{
	uint8_t measure[44] = { RPMC_OP1_DEFAULT, CRTM_MEASURE };

	measure[CRTM_MEASURE_OFF_LEN + 2] = 0x10;
	return exchange(opened(O_RDONLY), RD_CRTM_CMD, measure, sizeof(measure));
}

/* 16 MiB in one block: that could keep the flash for longer than info.max_hold_ms */
static int einval_too_long(void)
{
	uint8_t measure[44] = { RPMC_OP1_DEFAULT, CRTM_MEASURE };

	measure[CRTM_MEASURE_OFF_LEN] = 1;
	return exchange(opened(O_RDONLY), RD_CRTM_CMD, measure, sizeof(measure));
}

static int einval_flags(void)
{
	struct mtd_crtm_cmd cmd = {
		.size = sizeof(cmd), .flags = 1, .nr = 1, .entries = (uintptr_t)&entry,
	};

	return ioctl(opened(O_RDONLY), RD_CRTM_CMD, &cmd) ? errno : 0;
}

static int einval_asp_range(void)
{
	struct mtd_asp_cmd cmd = { .cmd = MTD_ASP_LOCK_DOWN, .offset = 4096, .length = 65536 };

	return asp(opened(O_RDWR), &cmd);
}

static int einval_asp_confirm(void)
{
	struct mtd_asp_cmd cmd = { .cmd = MTD_ASP_NO_PASSWORD, .confirm = "yes" };

	return asp(opened(O_RDWR), &cmd);
}

static int emsgsize_block(void)
{
	return exchange(opened(O_RDONLY), RD_CRTM_CMD, get_info, sizeof(get_info) - 1);
}

static int emsgsize_room(void)
{
	struct mtd_crtm_entry small = {
		.in = (uintptr_t)get_info, .in_len = sizeof(get_info),
		.out = (uintptr_t)answer, .out_len = 1,
	};
	struct mtd_crtm_cmd cmd = {
		.size = sizeof(cmd), .nr = 1, .entries = (uintptr_t)&small,
	};

	return ioctl(opened(O_RDONLY), RD_CRTM_CMD, &cmd) ? errno : 0;
}

static int emsgsize_map(void)
{
	uint8_t sector;
	struct mtd_asp_map map = {
		.size = sizeof(map), .sectors = (uintptr_t)&sector, .nr = 1,
	};

	return ioctl(opened(O_RDONLY), MTD_ASP_MAP, &map) ? errno : 0;
}

/* As a program of a later version would, with a member that this kernel does not know */
static int e2big(void)
{
	struct {
		struct mtd_crtm_info info;
		__u64 member;
	} later = { .info.size = sizeof(later), .member = 1 };

	return ioctl(opened(O_RDONLY), MTD_CRTM_INFO, &later) ? errno : 0;
}

static int efault(void)
{
	struct mtd_crtm_cmd cmd = { .size = sizeof(cmd), .nr = 1, .entries = 8 };

	return ioctl(opened(O_RDONLY), RD_CRTM_CMD, &cmd) ? errno : 0;
}

/* As long as the kernel has no memory for it */
static int enomem(void)
{
	return exchange(opened(O_RDONLY), RD_CRTM_CMD, get_info, sizeof(get_info));
}

static void on_alarm(int sig)
{
	(void)sig;
}

/* A signal comes while another process has the chip measure 4 MiB. */
static int eintr(void)
{
	uint8_t measure[44] = { RPMC_OP1_DEFAULT, CRTM_MEASURE };
	struct sigaction sa = { .sa_handler = on_alarm };
	int fd = opened(O_RDONLY), ret;
	pid_t pid;

	measure[CRTM_MEASURE_OFF_LEN + 1] = 0x40;
	pid = fork();
	if (!pid)
		_exit(exchange(fd, RD_CRTM_CMD, measure, sizeof(measure)));
	usleep(50000);
	sigaction(SIGALRM, &sa, NULL);
	ualarm(100000, 0);
	ret = exchange(fd, RD_CRTM_CMD, get_info, sizeof(get_info));
	waitpid(pid, NULL, 0);
	return ret;
}

/* A chip that got stuck: the first call tells that it timed out, the next ones send nothing. */
static int ebusy(void)
{
	int fd = opened(O_RDONLY);

	if (exchange(fd, RD_CRTM_CMD, get_info, sizeof(get_info)) || !entry.sent ||
	    entry.result != -ETIMEDOUT)
		return 0;
	return exchange(fd, RD_CRTM_CMD, get_info, sizeof(get_info));
}

/* The controller fails reads. */
static int eio_asp(void)
{
	struct mtd_asp_map map = { .size = sizeof(map) };

	return ioctl(opened(O_RDONLY), MTD_ASP_MAP, &map) ? errno : 0;
}

/* The device goes while the node is open. */
static int enodev(void)
{
	int fd = opened(O_RDONLY);

	if (!command || system(command))
		return 0;
	return exchange(fd, RD_CRTM_CMD, get_info, sizeof(get_info));
}

/* What the chip or the controller thinks of a block is no errno: the next ones return @result. */

/* A refusal: result 0, and a status that is not 80h */
static int refused(void)
{
	if (exchange(opened(O_RDWR), WR_CRTM_CMD, increment, sizeof(increment)))
		return 0;
	return entry.sent && !entry.result && entry.status == RPMC_STATUS_NO_KEY ? 0 : 1;
}

/* The chip stays busy. */
static int result_etimedout(void)
{
	if (exchange(opened(O_RDONLY), RD_CRTM_CMD, get_info, sizeof(get_info)))
		return 0;
	return entry.sent ? -entry.result : 0;
}

/* The controller fails after the block went out. */
static int result_eio(void)
{
	if (exchange(opened(O_RDONLY), RD_CRTM_CMD, get_info, sizeof(get_info)))
		return 0;
	return entry.sent ? -entry.result : 0;
}

static int result_ekeyrejected(void)
{
	struct mtd_asp_cmd cmd = { .cmd = MTD_ASP_PASSWORD_VERIFY, .password = "a guess" };

	if (asp(opened(O_RDWR), &cmd))
		return 0;
	return cmd.sent ? -cmd.result : 0;
}

/* NODE: 256 MiB, which take seconds. The signal ends the command between two pieces. */
static int result_eintr(void)
{
	struct mtd_asp_cmd cmd = { .cmd = MTD_ASP_NV_LOCK, .length = 256 << 20 };
	struct sigaction sa = { .sa_handler = on_alarm, .sa_flags = SA_RESTART };
	int fd = opened(O_RDWR);

	sigaction(SIGALRM, &sa, NULL);
	alarm(1);
	if (asp(fd, &cmd))
		return 0;
	/* The first @done sectors are locked, the next one stands as @state says. */
	return cmd.sent && cmd.done ? -cmd.result : 0;
}

static const struct {
	const char *name;
	int expected;
	int (*provoke)(void);
} errors[] = {
	{ "enotty", ENOTTY, enotty },
	{ "eopnotsupp", EOPNOTSUPP, eopnotsupp },
	{ "eopnotsupp_asp", EOPNOTSUPP, eopnotsupp_asp },
	{ "eperm_unknown", EPERM, eperm_unknown },
	{ "eperm_mode", EPERM, eperm_mode },
	{ "eperm_class", EPERM, eperm_class },
	{ "eperm_admin", EPERM, eperm_admin },
	{ "eperm_partition", EPERM, eperm_partition },
	{ "eperm_asp_mode", EPERM, eperm_asp_mode },
	{ "eperm_asp_admin", EPERM, eperm_asp_admin },
	{ "eperm_asp_partition", EPERM, eperm_asp_partition },
	{ "eacces", EACCES, eacces },
	{ "einval_reserved", EINVAL, einval_reserved },
	{ "einval_slot", EINVAL, einval_slot },
	{ "einval_outside", EINVAL, einval_outside },
	{ "einval_too_long", EINVAL, einval_too_long },
	{ "einval_flags", EINVAL, einval_flags },
	{ "einval_asp_range", EINVAL, einval_asp_range },
	{ "einval_asp_confirm", EINVAL, einval_asp_confirm },
	{ "emsgsize_block", EMSGSIZE, emsgsize_block },
	{ "emsgsize_room", EMSGSIZE, emsgsize_room },
	{ "emsgsize_map", EMSGSIZE, emsgsize_map },
	{ "e2big", E2BIG, e2big },
	{ "efault", EFAULT, efault },
	{ "enomem", ENOMEM, enomem },
	{ "eintr", EINTR, eintr },
	{ "ebusy", EBUSY, ebusy },
	{ "eio_asp", EIO, eio_asp },
	{ "enodev", ENODEV, enodev },
	{ "refused", 0, refused },
	{ "result_etimedout", ETIMEDOUT, result_etimedout },
	{ "result_eio", EIO, result_eio },
	{ "result_ekeyrejected", EKEYREJECTED, result_ekeyrejected },
	{ "result_eintr", EINTR, result_eintr },
};

int main(int argc, char **argv)
{
	unsigned int i;
	int err;

	for (i = 0; i < sizeof(errors) / sizeof(*errors); i++) {
		if (argc < 3) {
			puts(errors[i].name);
			continue;
		}
		if (strcmp(errors[i].name, argv[2]))
			continue;
		node = argv[1];
		command = argv[3];
		err = errors[i].provoke();
		printf("%s: %s, sent %u\n", errors[i].name, err ? strerror(err) : "no error",
		       entry.sent);
		return err != errors[i].expected;
	}
	return argc < 3 ? 0 : 2;
}
