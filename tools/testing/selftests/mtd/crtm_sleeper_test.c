// SPDX-License-Identifier: MIT
/*
 * The device goes away under users who sleep in their calls, for their memory does not come:
 * they wait for it, and nobody waits for them. For a kernel with userfaultfd.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/blkpg.h>
#include <linux/userfaultfd.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common.h"
#include "kselftest_harness.h"

/* Memory that never comes: whoever touches it sleeps until he is killed. */
static void *no_memory(void)
{
	struct uffdio_api api = { .api = UFFD_API };
	struct uffdio_register reg = { .mode = UFFDIO_REGISTER_MODE_MISSING };
	long size = sysconf(_SC_PAGESIZE);
	void *page = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	int uffd = syscall(SYS_userfaultfd, 0);

	reg.range.start = (uintptr_t)page;
	reg.range.len = size;
	if (page == MAP_FAILED || uffd < 0 || ioctl(uffd, UFFDIO_API, &api) ||
	    ioctl(uffd, UFFDIO_REGISTER, &reg))
		return NULL;
	return page;
}

FIXTURE(sleeper) {
	int *ready;
};

FIXTURE_SETUP(sleeper)
{
	self->ready = mmap(NULL, sizeof(*self->ready), PROT_READ | PROT_WRITE,
			   MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	ASSERT_NE(MAP_FAILED, self->ready);
}

FIXTURE_TEARDOWN(sleeper)
{
	munmap(self->ready, sizeof(*self->ready));
}

/* A user who may nothing and sleeps in his call keeps nobody from taking the device away. */
TEST_F_TIMEOUT(sleeper, does_not_hold, 120)
{
	static const unsigned long requests[] = {
		MEMGETINFO, MEMISLOCKED, ECCGETSTATS, MEMERASE, MEMLOCK, BLKPG,
		WR_CRTM_CMD, RD_CRTM_CMD, MTD_CRTM_INFO, MTD_ASP_MAP, MTD_ASP_CMD,
	};
	enum { PATIENCE_MS = 5000 };
	unsigned int i, ms;
	volatile int *ready = self->ready;
	int fd, user, remover, status, done;

	for (i = 0; i < ARRAY_SIZE(requests); i++) {
		fd = mtd_open(AUTHENTA, O_RDWR);
		ASSERT_GE(fd, 0);
		*ready = 0;
		user = fork();
		ASSERT_GE(user, 0);
		if (!user) {
			void *page = no_memory();

			if (!page || drop_sys_admin())
				_exit(1);
			*ready = 1;
			ioctl(fd, requests[i], page);
			_exit(2);
		}
		for (ms = 0; !*ready && ms < PATIENCE_MS; ms++)
			usleep(1000);
		usleep(50000);
		ASSERT_EQ(0, waitpid(user, &status, WNOHANG)) TH_LOG("request %lx", requests[i]);

		remover = fork();
		ASSERT_GE(remover, 0);
		if (!remover)
			_exit(spi_unbind(AUTHENTA, "spi-nor") ? 1 : 0);
		for (ms = 0, done = 0; !done && ms < PATIENCE_MS; ms++) {
			usleep(1000);
			done = waitpid(remover, &status, WNOHANG);
		}
		EXPECT_EQ(remover, done) TH_LOG("request %lx: still waiting", requests[i]);
		EXPECT_EQ(0, waitpid(user, &status, WNOHANG));
		ASSERT_EQ(0, kill(user, SIGKILL));
		ASSERT_EQ(user, waitpid(user, &status, 0));
		EXPECT_EQ(SIGKILL, status);
		ASSERT_EQ(done ? -1 : remover, waitpid(remover, &status, 0));
		close(fd);
		ASSERT_EQ(0, spi_bind(AUTHENTA, "spi-nor"));
	}
}

TEST_HARNESS_MAIN
