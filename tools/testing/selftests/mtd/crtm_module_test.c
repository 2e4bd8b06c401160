// SPDX-License-Identifier: MIT
/*
 * Modules that go and come while processes open nodes, use and close them: a module in use
 * stays, one that nobody uses goes, and whoever comes in between is told that there is no
 * device. For a kernel with slub_debug=P oops=panic.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common.h"
#include "kselftest_harness.h"

#define CHIPS		"mt25qu128-authenta:spi,mt25qu128-authenta:mem"
#define WORKERS		3
#define TRIES		400
#define ENOUGH		10
#define DEFAULT_SEED	5

struct shared {
	volatile bool stop;
	unsigned long worked[WORKERS], gone[WORKERS];
};

FIXTURE(module) {
	struct shared *shared;
	unsigned int seed;
};

FIXTURE_VARIANT(module) {
	const char *name, *load;
};

FIXTURE_VARIANT_ADD(module, driver) {
	.name = "spi_nor", .load = "modprobe spi-nor",
};

FIXTURE_VARIANT_ADD(module, controller) {
	.name = "spi_crtm_emu", .load = "modprobe spi-crtm-emu chips=" CHIPS,
};

FIXTURE_SETUP(module)
{
	const char *seed = getenv("SEED");

	self->seed = seed ? strtoul(seed, NULL, 0) : DEFAULT_SEED;
	printf("# seed %u\n", self->seed);
	ASSERT_EQ(0, load_chips(CHIPS));
	self->shared = mmap(NULL, sizeof(*self->shared), PROT_READ | PROT_WRITE,
			    MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	ASSERT_NE(MAP_FAILED, self->shared);
}

FIXTURE_TEARDOWN(module)
{
	munmap(self->shared, sizeof(*self->shared));
}

static bool no_device(int error)
{
	return error == ENODEV || error == ENXIO || error == ENOENT;
}

/* Open, ask, read, close, until told to stop; returns the line of what went wrong, or 0. */
static int use(struct shared *s, int number, unsigned int seed)
{
	uint8_t block[MAX_BLOCK], nonce[CRTM_INFO_NONCE_LEN] = { number }, data[64];
	struct outcome o;
	ssize_t n;
	int fd;

	while (!s->stop) {
		usleep(rand_r(&seed) % 20000);
		fd = mtd_open(number % 2, O_RDWR);
		if (fd < 0 && no_device(-fd)) {
			s->gone[number]++;
			continue;
		}
		if (fd < 0)
			return __LINE__;
		usleep(rand_r(&seed) % 2000);
		/* an open node keeps the module */
		o = exchange(fd, RD_CRTM_CMD, block, block_get_info(0, nonce, block));
		if (o.ret || o.result || o.status != RPMC_STATUS_SUCCESS)
			return __LINE__;
		n = pread(fd, data, sizeof(data), 0);
		if (n != sizeof(data))
			return __LINE__;
		s->worked[number]++;
		close(fd);
	}
	return 0;
}

TEST_F_TIMEOUT(module, go_and_come, 120)
{
	int pid[WORKERS], i, status, removed = 0, in_use = 0;

	for (i = 0; i < WORKERS; i++) {
		pid[i] = fork();
		ASSERT_GE(pid[i], 0);
		if (!pid[i])
			_exit(use(self->shared, i, self->seed + i) % 256);
	}
	for (i = 0; i < TRIES && (removed < ENOUGH || in_use < ENOUGH); i++) {
		usleep(rand_r(&self->seed) % 20000);
		if (!syscall(SYS_delete_module, variant->name, O_NONBLOCK)) {
			removed++;
			usleep(rand_r(&self->seed) % 20000);
			ASSERT_EQ(0, system(variant->load));
		} else {
			ASSERT_EQ(EAGAIN, errno);
			in_use++;
		}
	}
	self->shared->stop = true;
	for (i = 0; i < WORKERS; i++) {
		ASSERT_EQ(pid[i], waitpid(pid[i], &status, 0));
		EXPECT_EQ(0, status) TH_LOG("line %d", WEXITSTATUS(status));
		EXPECT_GT(self->shared->worked[i], 0);
	}
	printf("# %d times removed, %d times in use\n", removed, in_use);
	EXPECT_GE(removed, ENOUGH);
	EXPECT_GE(in_use, ENOUGH);
}

TEST_HARNESS_MAIN
