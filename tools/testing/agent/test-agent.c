// SPDX-License-Identifier: MIT
/*
 * The agent as a whole against a server over TLS: servers that die, lie and
 * talk nonsense, and the agent killed at each of its steps.
 *
 * The chip is the shim's; AGENT and SHIM name the two files.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "hex.h"
#include "server.h"
#include "test.h"

#define LIMIT_S 30

static struct server server;

struct run {
	const char *fake;	/* CRTM_SHIM_FAKE */
	const char *stop;	/* CRTM_SHIM_STOP */
	unsigned int kill;	/* CRTM_SHIM_KILL, 0: not */
	bool synced;		/* CRTM_SHIM_SYNCED */
	const char *notify;	/* NOTIFY_SOCKET */
	const char *ca;
	const char *key;
	const char *device;
	const char *url;
	bool forever;		/* without --once */
};

static pid_t start(const struct run *r)
{
	char url[64], kill_at[16];
	const char *argv[16];
	unsigned int n = 0;
	pid_t pid;
	int fd;

	snprintf(url, sizeof(url), "https://127.0.0.1:%u", server.port);
	argv[n++] = getenv("AGENT");
	argv[n++] = "--device";
	argv[n++] = r->device ?: "/dev/null";
	argv[n++] = "--server";
	argv[n++] = r->url ?: url;
	argv[n++] = "--cert=pki/device.pem";
	argv[n++] = "--key";
	argv[n++] = r->key ?: "pki/device.key";
	argv[n++] = "--ca";
	argv[n++] = r->ca ?: "pki/ca.pem";
	argv[n++] = "--journal=journal";
	if (!r->forever)
		argv[n++] = "--once";
	argv[n] = NULL;

	pid = fork();
	assert_true(pid >= 0);
	if (pid)
		return pid;
	fd = open("agent.err", O_WRONLY | O_CREAT | O_APPEND, 0600);
	dup2(fd, STDERR_FILENO);
	setenv("LD_PRELOAD", getenv("SHIM"), 1);
	setenv("CRTM_SHIM_RECORD", "record", 1);
	setenv("CRTM_SHIM_FAKE", r->fake ?: "", 1);
	if (r->stop)
		setenv("CRTM_SHIM_STOP", r->stop, 1);
	if (r->kill) {
		snprintf(kill_at, sizeof(kill_at), "%u", r->kill);
		setenv("CRTM_SHIM_KILL", kill_at, 1);
	}
	if (r->synced)
		setenv("CRTM_SHIM_SYNCED", "1", 1);
	if (r->notify) {
		setenv("NOTIFY_SOCKET", r->notify, 1);
		setenv("WATCHDOG_USEC", "400000", 1);
		unsetenv("WATCHDOG_PID");
	}
	execv(argv[0], (char * const *)argv);
	_exit(127);
}

static void nap(void)
{
	nanosleep(&(struct timespec){ .tv_nsec = 20000000 }, NULL);
}

/* Exit code, or the negative of the signal that ended it */
static int ended(pid_t pid)
{
	time_t limit = time(NULL) + LIMIT_S;
	int status;

	while (!waitpid(pid, &status, WNOHANG)) {
		if (time(NULL) > limit) {
			kill(pid, SIGKILL);
			waitpid(pid, &status, 0);
			fail_msg("the agent did not end");
		}
		nap();
	}
	return WIFSIGNALED(status) ? -WTERMSIG(status) : WEXITSTATUS(status);
}

static int run(const struct run *r)
{
	return ended(start(r));
}

static bool said(const char *text)
{
	char *err;
	bool found;

	if (access("agent.err", F_OK))
		return false;
	err = file_read("agent.err", NULL);
	found = strstr(err, text);
	free(err);
	return found;
}

#define WAIT_FOR(condition)					\
	do {							\
		time_t limit = time(NULL) + LIMIT_S;		\
								\
		while (!(condition)) {				\
			assert_true(time(NULL) <= limit);	\
			nap();					\
		}						\
	} while (0)

/* How often the chip saw a step's block */
static unsigned int seen(const struct step *s)
{
	char hex[1024], *text, *p;
	unsigned int n = 0;

	if (access("record", F_OK))
		return 0;
	hex_encode(hex, s->block, s->len);
	text = file_read("record", NULL);
	for (p = text; (p = strstr(p, hex)); p++)
		n++;
	free(text);
	return n;
}

static void expect(int64_t step, const char *text)
{
	assert_non_null(server.outcomes[step]);
	if (!strstr(server.outcomes[step], text))
		fail_msg("%s instead of %s", server.outcomes[step], text);
}

static void all_answered(const struct batch *b)
{
	unsigned int i;

	for (i = 0; i < b->nr; i++) {
		char answer[32];

		assert_int_equal(seen(&b->steps[i]), 1);
		expect(b->steps[i].step, "\"answered\"");
		/* what the shim's chip answers: status and type */
		snprintf(answer, sizeof(answer), "\"80%02x\"", b->steps[i].type);
		expect(b->steps[i].step, answer);
	}
	assert_int_equal(server.conflicts, 0);
}

static int group_setup(void **state)
{
	if (scratch_setup(state))
		return -1;
	pki_make();
	server_start(&server);
	return 0;
}

static int group_teardown(void **state)
{
	server_stop(&server);
	return system("rm -rf pki") || scratch_teardown(state);
}

/* Two batches of a job, writes and reads */
static struct batch *first, *second;

static int job_setup(void **state)
{
	first = batch_make(7, 0, 7);
	second = batch_make(7, 7, 3);
	(void)state;
	step_set(&first->steps[2], false, CRTM_GET_INFO);
	server.batches[0] = first;
	server.batches[1] = second;
	return 0;
}

static int job_teardown(void **state)
{
	/* first, for a request may still be held */
	server_clear(&server);
	batch_free(first);
	batch_free(second);
	return scratch_empty(state);
}

static void job_done(void)
{
	all_answered(first);
	all_answered(second);
}

static void test_job(void **state)
{
	(void)state;
	assert_int_equal(run(&(struct run){ 0 }), 0);
	job_done();
	assert_int_equal(server.hello.count, 1);
	assert_int_equal(server.results.count, 2);
	assert_int_equal(server.next.count, 3);
	/* nothing is left for the next time */
	assert_int_equal(run(&(struct run){ 0 }), 0);
	job_done();
	assert_int_equal(server.results.count, 2);
}

static void test_outcomes(void **state)
{
	(void)state;
	assert_int_equal(run(&(struct run){ .fake = "80,10,!EPERM" }), 0);
	expect(0, "\"80");
	expect(1, "\"status\": 16");
	expect(1, "\"1043\"");
	expect(2, "STOPPED");
	expect(6, "STOPPED");
	expect(7, "EPERM");
	expect(9, "EPERM");
	assert_int_equal(seen(&first->steps[1]), 1);
	assert_int_equal(seen(&first->steps[2]), 0);
	assert_int_equal(seen(&second->steps[0]), 0);
}

static void test_unknown(void **state)
{
	(void)state;
	assert_int_equal(run(&(struct run){ .fake = "80,80,80,EIO" }), 0);
	expect(2, "\"8048\"");
	expect(3, "\"unknown\"");
	expect(3, "\"EIO\"");
	expect(4, "STOPPED");
	/* the next batch goes out again: the server decides, not the agent */
	all_answered(second);
}

/* The chip goes and comes back: it is opened and announced anew. */
static void test_chip_gone(void **state)
{
	(void)state;
	assert_int_equal(run(&(struct run){ .fake = "80,80,!ENODEV" }), 0);
	expect(0, "\"8043\"");
	expect(2, "ENODEV");
	expect(3, "STOPPED");
	assert_int_equal(server.hello.count, 2);
	all_answered(second);
}

/* Without a chip, what is known from before is still reported. */
static void test_chip_missing(void **state)
{
	pid_t pid = start(&(struct run){ .stop = "after:1" });

	(void)state;
	WAIT_FOR(said("CRTM-SHIM-STOPPED after:1"));
	kill(pid, SIGKILL);
	assert_int_equal(ended(pid), -SIGKILL);
	assert_int_equal(run(&(struct run){ .device = "none" }), 1);
	expect(0, "\"CRASH\"");
	expect(1, "\"CRASH\"");
	assert_int_equal(server.hello.count, 1);
	assert_null(server.outcomes[2]);
}

/* A server that gives no answer, at each of its requests */
static void test_no_answer(void **state)
{
	struct server_request *rq[] = { &server.hello, &server.next, &server.results };
	static const struct server_request faults[] = {
		{ .fault = FAULT_CLOSE, .times = 2 },
		{ .fault = FAULT_CLOSE_AFTER, .times = 2 },
		{ .fault = FAULT_STATUS, .status = 500, .times = 1 },
		{ .fault = FAULT_STATUS, .status = 400, .times = 1 },
	};
	unsigned int i, k;

	for (i = 0; i < sizeof(faults) / sizeof(faults[0]); i++) {
		for (k = 0; k < 3; k++) {
			job_teardown(state);
			job_setup(state);
			*rq[k] = faults[i];
			assert_int_equal(run(&(struct run){ 0 }), 0);
			job_done();
			assert_true(rq[k]->count > faults[i].times);
		}
	}
}

static void test_server_killed(void **state)
{
	pid_t pid;

	(void)state;
	/* gone before the agent comes, back later */
	server_stop(&server);
	pid = start(&(struct run){ .forever = true });
	sleep(1);
	server.results = (struct server_request){ .fault = FAULT_HOLD, .times = 1 };
	server_start(&server);
	/* killed while it holds the outcomes of the first batch */
	WAIT_FOR(server.results.count);
	server_stop(&server);
	server_start(&server);
	WAIT_FOR(server.outcomes[9]);
	assert_int_equal(kill(pid, SIGTERM), 0);
	assert_int_equal(ended(pid), 0);
	job_done();
}

/* A server restored from an old copy asks again for what was done. */
static void test_asked_again(void **state)
{
	unsigned int i;

	(void)state;
	assert_int_equal(run(&(struct run){ 0 }), 0);
	for (i = 0; i < BATCH_MAX_STEPS; i++) {
		free(server.outcomes[i]);
		server.outcomes[i] = NULL;
	}
	assert_int_equal(run(&(struct run){ 0 }), 0);
	for (i = 0; i < 7; i++) {
		assert_int_equal(seen(&first->steps[i]), 1);
		expect(i, "\"CRASH\"");
	}
	for (i = 0; i < 3; i++)
		assert_int_equal(seen(&second->steps[i]), 1);
}

/* The server has another outcome for a step: the first one stands, life goes on. */
static void test_conflict(void **state)
{
	(void)state;
	server.outcomes[1] = strdup("{\"another\": \"one\"}");
	server.outcomes[4] = strdup("{\"another\": \"one\"}");
	assert_int_equal(run(&(struct run){ 0 }), 0);
	expect(0, "\"8043\"");
	expect(1, "another");
	expect(6, "\"8043\"");
	/* in the post of the whole batch, and when posted one by one */
	assert_int_equal(server.conflicts, 4);
	assert_int_equal(seen(&first->steps[1]), 1);
	server.conflicts = 0;
	all_answered(second);
}

static void test_unknown_job(void **state)
{
	(void)state;
	/* the whole post, then each step of its own */
	server.results = (struct server_request){
		.fault = FAULT_STATUS, .status = 404, .times = 8
	};
	assert_int_equal(run(&(struct run){ 0 }), 0);
	assert_true(server.results.count > 8);
	/* asked for once more, as the server has no outcomes, but not sent once more */
	assert_int_equal(seen(&first->steps[0]), 1);
	expect(0, "\"CRASH\"");
	all_answered(second);
}

/* Bodies that are no batch: nothing is sent, and the agent is still there. */
static void test_nonsense(void **state)
{
	static const char * const bodies[] = {
		"", "no JSON", "{}", "{\"v\":1}",
		"{\"v\":1,\"job\":1,\"title\":\"\",\"done\":0,\"total\":1,\"steps\":["
		"{\"step\":0,\"class\":\"wr\",\"type\":67,\"block\":\"9b43000055\",\"max\":40},"
		"{\"step\":1,\"class\":\"wr\",\"type\":67,\"block\":\"9b430000zz\",\"max\":40}]}",
	};
	unsigned int i;

	for (i = 0; i < sizeof(bodies) / sizeof(bodies[0]); i++) {
		job_teardown(state);
		job_setup(state);
		server.next = (struct server_request){
			.fault = FAULT_BODY, .body = bodies[i], .times = 1
		};
		assert_int_equal(run(&(struct run){ 0 }), 0);
		assert_true(said("refused whole"));
		/* the record has the ten blocks of the job and no other */
		job_done();
		assert_false(said("CRASH"));
	}
}

static void test_too_long(void **state)
{
	char *body = malloc(PROTOCOL_MAX_BODY + 2);

	(void)state;
	memset(body, ' ', PROTOCOL_MAX_BODY + 1);
	body[PROTOCOL_MAX_BODY + 1] = '\0';
	server.next = (struct server_request){ .fault = FAULT_BODY, .body = body, .times = 1 };
	assert_int_equal(run(&(struct run){ 0 }), 0);
	assert_true(said("longer than 1 MiB"));
	job_done();
	free(body);
}

static void test_redirect(void **state)
{
	char where[64];

	(void)state;
	snprintf(where, sizeof(where), "https://127.0.0.1:%u/v1/hello", server.port);
	server.next = (struct server_request){
		.fault = FAULT_REDIRECT, .body = where, .times = 1
	};
	assert_int_equal(run(&(struct run){ 0 }), 0);
	assert_true(said("307"));
	assert_int_equal(server.hello.count, 1);
	job_done();
}

static void test_other_chip(void **state)
{
	(void)state;
	server.hello = (struct server_request){
		.fault = FAULT_STATUS, .status = 409, .times = 1
	};
	assert_int_equal(run(&(struct run){ 0 }), 3);
	assert_true(said("not the chip"));
	assert_int_equal(server.next.count, 0);
}

/* A server without the site's CA behind it learns nothing and gives nothing. */
static void test_wrong_ca(void **state)
{
	(void)state;
	assert_int_equal(run(&(struct run){ .ca = "pki/other.pem" }), 1);
	assert_true(said("the site's CA"));
	assert_int_equal(server.hello.count, 0);
}

static void test_wrong_name(void **state)
{
	char url[64];

	(void)state;
	snprintf(url, sizeof(url), "https://localhost:%u", server.port);
	assert_int_equal(run(&(struct run){ .url = url }), 1);
	assert_true(said("the server's name"));
	assert_int_equal(server.hello.count, 0);
}

static void test_wrong_key(void **state)
{
	(void)state;
	assert_int_equal(run(&(struct run){ .key = "pki/other.key" }), 1);
	assert_true(said("must be one pair"));
	assert_int_equal(server.hello.count, 0);
}

static void test_command_line(void **state)
{
	(void)state;
	assert_int_equal(run(&(struct run){ .url = "http://127.0.0.1" }), 2);
	assert_int_equal(run(&(struct run){ .key = "missing" }), 1);
	assert_true(said("missing: No such file"));
	assert_int_equal(run(&(struct run){ .device = "pki.none" }), 1);
	assert_int_equal(server.hello.count, 0);
}

static void test_second_agent(void **state)
{
	pid_t pid = start(&(struct run){ .stop = "before:1" });

	(void)state;
	WAIT_FOR(said("CRTM-SHIM-STOPPED before:1"));
	assert_int_equal(run(&(struct run){ 0 }), 1);
	assert_true(said("another agent"));
	kill(pid, SIGKILL);
	assert_int_equal(ended(pid), -SIGKILL);
}

/* The two moments at which QEMU is killed elsewhere: each makes the list unknown. */
static void test_stop_points(void **state)
{
	static const char * const points[] = { "before:2", "after:2" };
	unsigned int i, k;

	for (i = 0; i < 2; i++) {
		pid_t pid;

		job_teardown(state);
		job_setup(state);
		pid = start(&(struct run){ .stop = points[i] });
		WAIT_FOR(said(points[i]));
		kill(pid, SIGKILL);
		assert_int_equal(ended(pid), -SIGKILL);
		assert_int_equal(server.results.count, 0);
		assert_int_equal(run(&(struct run){ 0 }), 0);
		expect(0, "\"8043\"");
		expect(1, "\"8043\"");
		/* step 2 is the only read, so a list of its own */
		expect(2, "\"CRASH\"");
		for (k = 3; k < 7; k++)
			expect(k, "STOPPED");
		assert_int_equal(seen(&first->steps[2]), i);
		assert_int_equal(seen(&first->steps[3]), 0);
		all_answered(second);
	}
}

/*
 * Dies at its n-th write, fsync, rename or ioctl, for every n there is; comes
 * back, with what was in the page cache (@synced: without it), and finishes.
 */
static void kill_sweep(void **state, bool synced)
{
	unsigned int n, i, unknown = 0;
	int ret;

	for (n = 1; ; n++) {
		job_teardown(state);
		job_setup(state);
		ret = run(&(struct run){ .kill = n, .synced = synced });
		if (!ret)
			break;
		assert_int_equal(ret, -SIGKILL);
		if (synced) {
			unlink("journal");
			rename("journal.synced", "journal");
		}
		assert_int_equal(run(&(struct run){ 0 }), 0);
		for (i = 0; i < 10; i++) {
			const struct step *s = i < 7 ? &first->steps[i] : &second->steps[i - 7];

			assert_true(seen(s) <= 1);
			assert_non_null(server.outcomes[i]);
			if (strstr(server.outcomes[i], "answered"))
				assert_int_equal(seen(s), 1);
			if (strstr(server.outcomes[i], "unsent"))
				assert_int_equal(seen(s), 0);
			unknown += !!strstr(server.outcomes[i], "unknown");
		}
		assert_int_equal(server.conflicts, 0);
	}
	job_done();
	/* four lists, each with several moments between announcement and answer */
	assert_true(n > 30);
	assert_true(unknown > 20);
}

static void test_killed(void **state)
{
	kill_sweep(state, false);
}

static void test_power_lost(void **state)
{
	kill_sweep(state, true);
}

static void test_service(void **state)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX, .sun_path = "notify" };
	unsigned int ready = 0, alive = 0, stopping = 0;
	char path[128], text[128];
	time_t start_time;
	pid_t pid;
	ssize_t n;
	int fd;

	(void)state;
	fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	assert_true(fd >= 0);
	assert_int_equal(bind(fd, (struct sockaddr *)&addr, sizeof(addr)), 0);
	assert_non_null(getcwd(path, sizeof(path) - 8));
	strcat(path, "/notify");
	/* the server holds the request for work */
	server.next = (struct server_request){ .fault = FAULT_HOLD, .times = 1 };
	pid = start(&(struct run){ .forever = true, .notify = path });
	while (alive < 3) {
		n = recv(fd, text, sizeof(text) - 1, 0);
		assert_true(n > 0);
		text[n] = '\0';
		ready += !strcmp(text, "READY=1");
		alive += !strcmp(text, "WATCHDOG=1");
	}
	assert_int_equal(ready, 1);
	start_time = time(NULL);
	assert_int_equal(kill(pid, SIGTERM), 0);
	assert_int_equal(ended(pid), 0);
	assert_true(time(NULL) - start_time < 3);
	while ((n = recv(fd, text, sizeof(text) - 1, MSG_DONTWAIT)) > 0) {
		text[n] = '\0';
		stopping += !strcmp(text, "STOPPING=1");
	}
	assert_int_not_equal(stopping, 0);
	close(fd);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, job_setup, job_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_job),
		TEST(test_outcomes),
		TEST(test_unknown),
		TEST(test_chip_gone),
		TEST(test_chip_missing),
		TEST(test_no_answer),
		TEST(test_server_killed),
		TEST(test_asked_again),
		TEST(test_conflict),
		TEST(test_unknown_job),
		TEST(test_nonsense),
		TEST(test_too_long),
		TEST(test_redirect),
		TEST(test_other_chip),
		TEST(test_wrong_ca),
		TEST(test_wrong_name),
		TEST(test_wrong_key),
		TEST(test_command_line),
		TEST(test_second_agent),
		TEST(test_stop_points),
		TEST(test_killed),
		TEST(test_power_lost),
		TEST(test_service),
	};

	return cmocka_run_group_tests_name("agent", tests, group_setup, group_teardown);
}
