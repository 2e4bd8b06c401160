// SPDX-License-Identifier: MIT
/*
 * crtm-agentd: relays signed blocks from a signing server to a secure SPI NOR
 * flash, and every answer back. Decides nothing and holds no HMAC key.
 */
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>

#include "device.h"
#include "journal.h"
#include "jsonx.h"
#include "log.h"
#include "protocol.h"
#include "relay.h"
#include "service.h"
#include "transport.h"

#define WAIT_S			50	/* long poll: under the usual minute of a NAT */
#define BACKOFF_BASE_MS		1000
#define BACKOFF_CAP_MS		(5 * 60 * 1000)
#define ONCE_TRIES		4	/* failures that end --once */

enum {
	EXIT_USAGE = 2,
	EXIT_OTHER_CHIP = 3,
};

struct agent {
	const char *device_name;
	bool once;
	struct device device;
	bool device_open;
	bool greeted;
	bool batch_done;	/* what is pending closes a whole batch */
	struct transport transport;
	struct journal *journal;
	unsigned int failures;	/* since the server last had good work, or none */
};

/* What a turn of the loop came to */
enum turn {
	TURN_GOOD,
	TURN_IDLE,	/* no work */
	TURN_BAD,	/* try again later */
	TURN_FATAL,
	TURN_OTHER_CHIP,
};

/* Full jitter: agents that lost the server together do not come back together. */
static unsigned int backoff_ms(unsigned int failures)
{
	unsigned int limit = BACKOFF_BASE_MS, random = 0;

	while (--failures && limit < BACKOFF_CAP_MS)
		limit *= 2;
	if (limit > BACKOFF_CAP_MS)
		limit = BACKOFF_CAP_MS;
	/* Without randomness yet (early boot) it is the whole time. */
	if (getrandom(&random, sizeof(random), GRND_NONBLOCK) != sizeof(random))
		return limit;
	return random % limit;
}

static enum turn open_device(struct agent *a)
{
	const char *arg;
	int ret;

	a->device.ops = device_find(a->device_name, &arg);
	ret = a->device.ops->open(&a->device, arg);
	switch (ret) {
	case 0:
		a->device_open = true;
		a->greeted = false;
		log_info("%s: %s", a->device_name, a->device.info.chip);
		return TURN_GOOD;
	case -ENOTTY:
		log_err("%s: this kernel's MTD has no security commands", arg);
		return TURN_FATAL;
	case -EOPNOTSUPP:
		log_err("%s: this device has no security commands", arg);
		return TURN_FATAL;
	case -ENOENT:
	case -ENODEV:
	case -ENXIO:
		/* Not yet, or not any more */
		log_warn("%s: %s", arg, strerror(-ret));
		return TURN_BAD;
	default:
		log_err("%s: %s", arg, strerror(-ret));
		return TURN_FATAL;
	}
}

static void close_device(struct agent *a)
{
	if (a->device_open)
		a->device.ops->close(&a->device);
	a->device_open = false;
}

/* The sentence of an error body, for the log. */
static void log_status(const char *what, int status, const struct body *answer)
{
	const char *why, *error = NULL;
	json_object *obj = NULL;

	if (answer->len)
		obj = jsonx_parse(answer->text, answer->len, &why);
	if (obj)
		error = jsonx_str(obj, "error", 512);
	log_warn("%s: the server says %d%s%s", what, status, error ? ": " : "", error ?: "");
	json_object_put(obj);
}

static enum turn greet(struct agent *a)
{
	char *text = hello_format(&a->device.info);
	enum turn turn = TURN_BAD;
	struct body answer = { 0 };
	const char *why;
	int status;

	if (!text) {
		log_err("out of memory");
		return TURN_BAD;
	}
	status = a->transport.ops->hello(&a->transport, text, &answer);
	free(text);
	if (status == 200) {
		why = hello_check(answer.text, answer.len);
		if (why)
			log_warn("hello: the server's answer: %s", why);
		else
			turn = TURN_GOOD;
	} else if (status == 409) {
		log_status("hello", status, &answer);
		log_err("%s is not the chip that this device was enrolled with", a->device_name);
		turn = TURN_OTHER_CHIP;
	} else if (status > 0) {
		log_status("hello", status, &answer);
	}
	body_free(&answer);
	a->greeted = turn == TURN_GOOD;
	return turn;
}

/*
 * Report @nr outcomes. Where the server has another one already, or does not know
 * the step, there is nothing left to report.
 */
static int report(struct agent *a, int64_t job, const struct outcome *outcomes, unsigned int nr)
{
	char *text = results_format(job, outcomes, nr);
	struct body answer = { 0 };
	unsigned int i;
	int status;

	if (!text) {
		log_err("out of memory");
		return -1;
	}
	status = a->transport.ops->results(&a->transport, text, &answer);
	free(text);
	if (status > 0 && status != 200)
		log_status("results", status, &answer);
	body_free(&answer);
	if (status != 409 && status != 404)
		return status == 200 ? 0 : -1;
	if (nr == 1) {
		log_err("job %lld step %lld: the server does not take our outcome",
			(long long)job, (long long)outcomes->step);
		return 0;
	}
	for (i = 0; i < nr; i++)
		if (report(a, job, &outcomes[i], 1))
			return -1;
	return 0;
}

static enum turn report_pending(struct agent *a)
{
	const struct outcome *outcomes;
	unsigned int nr;
	int64_t job;
	int ret;

	nr = journal_pending(a->journal, &job, &outcomes);
	if (report(a, job, outcomes, nr))
		return TURN_BAD;
	ret = journal_acked(a->journal, a->batch_done);
	if (ret) {
		log_err("journal: %s", strerror(-ret));
		return TURN_FATAL;
	}
	a->batch_done = false;
	return TURN_GOOD;
}

static void log_batch(struct agent *a, const struct batch *b)
{
	unsigned int nr, i, count[OUTCOME_UNSENT + 1] = { 0 };
	const struct outcome *outcomes;
	const struct outcome *bad = NULL;
	int64_t job;

	nr = journal_pending(a->journal, &job, &outcomes);
	for (i = 0; i < nr; i++) {
		count[outcomes[i].kind]++;
		if (!bad && !outcome_success(&outcomes[i]))
			bad = &outcomes[i];
	}
	if (!bad && log_has_bar())
		return;
	if (!bad) {
		log_info("job %lld \"%s\": %lld/%lld", (long long)b->job, b->title,
			 (long long)(b->done + b->nr), (long long)b->total);
	} else if (bad->kind == OUTCOME_ANSWERED) {
		log_warn("job %lld \"%s\": step %lld refused, status %02x; %u answered, %u unsent",
			 (long long)b->job, b->title, (long long)bad->step, bad->status,
			 count[OUTCOME_ANSWERED], count[OUTCOME_UNSENT]);
	} else {
		log_warn("job %lld \"%s\": step %lld %s, %s; %u answered, %u unknown, %u unsent",
			 (long long)b->job, b->title, (long long)bad->step,
			 bad->kind == OUTCOME_UNKNOWN ? "unknown" : "unsent", bad->error,
			 count[OUTCOME_ANSWERED], count[OUTCOME_UNKNOWN], count[OUTCOME_UNSENT]);
	}
}

static enum turn relay(struct agent *a, const struct body *body)
{
	bool gone = false;
	struct batch *b;
	const char *why;
	int ret;

	b = batch_parse(body->text, body->len, &why);
	if (!b) {
		log_err("the server's batch is refused whole: %s", why);
		return TURN_BAD;
	}
	ret = relay_batch(&a->device, a->journal, b, &gone);
	if (!ret || ret == -EALREADY) {
		a->batch_done = true;
		log_batch(a, b);
	}
	if (ret == -EALREADY)
		log_warn("job %lld: the server asks again for what was dealt with",
			 (long long)b->job);
	else if (ret)
		log_err("journal: %s; nothing more is sent", strerror(-ret));
	batch_free(b);
	if (gone)
		close_device(a);
	if (ret == -EALREADY)
		return TURN_BAD;
	return ret ? TURN_FATAL : TURN_GOOD;
}

static enum turn fetch(struct agent *a)
{
	unsigned int wait = a->once ? 0 : WAIT_S;
	long long start = service_now();
	struct body answer = { 0 };
	enum turn turn = TURN_BAD;
	int status;

	status = a->transport.ops->next(&a->transport, wait, &answer);
	if (status == 200) {
		turn = relay(a, &answer);
	} else if (status == 204) {
		turn = TURN_IDLE;
		/* A server that does not hold the request must not be hammered. */
		if (!a->once && service_now() - start < BACKOFF_BASE_MS)
			service_sleep(BACKOFF_BASE_MS + backoff_ms(3));
	} else if (status > 0) {
		log_status("next", status, &answer);
	}
	body_free(&answer);
	if (turn == TURN_GOOD || turn == TURN_IDLE)
		a->failures = 0;
	return turn;
}

static enum turn turn(struct agent *a)
{
	const struct outcome *outcomes;
	enum turn ret;
	int64_t job;

	/* First, for it needs no chip. */
	if (journal_pending(a->journal, &job, &outcomes))
		return report_pending(a);
	if (!a->device_open) {
		ret = open_device(a);
		if (ret != TURN_GOOD)
			return ret;
	}
	if (!a->greeted) {
		ret = greet(a);
		if (ret != TURN_GOOD)
			return ret;
	}
	return fetch(a);
}

static int loop(struct agent *a)
{
	while (!service_stop()) {
		service_tick();
		switch (turn(a)) {
		case TURN_GOOD:
			break;
		case TURN_IDLE:
			if (a->once)
				return EXIT_SUCCESS;
			break;
		case TURN_BAD:
			a->failures++;
			if (a->once && a->failures == ONCE_TRIES)
				return EXIT_FAILURE;
			service_sleep(backoff_ms(a->failures));
			break;
		case TURN_FATAL:
			return EXIT_FAILURE;
		case TURN_OTHER_CHIP:
			return EXIT_OTHER_CHIP;
		}
	}
	return EXIT_SUCCESS;
}

static int run(struct agent *a, const struct transport_config *config, const char *journal)
{
	const struct outcome *outcomes;
	int64_t job;
	int ret;

	ret = service_init();
	if (ret) {
		log_err("signals: %s", strerror(-ret));
		return EXIT_FAILURE;
	}
	ret = journal_open(&a->journal, journal);
	if (ret) {
		log_err("%s: %s", journal,
			ret == -EBUSY ? "another agent uses this journal" : strerror(-ret));
		return EXIT_FAILURE;
	}
	if (a->transport.ops->open(&a->transport, config)) {
		journal_close(a->journal);
		return EXIT_FAILURE;
	}
	service_notify("READY=1");
	ret = loop(a);
	/* Told to stop: what the chip answered is still reported, once. */
	if (ret == EXIT_SUCCESS && journal_pending(a->journal, &job, &outcomes))
		report_pending(a);
	service_notify("STOPPING=1");
	close_device(a);
	a->transport.ops->close(&a->transport);
	journal_close(a->journal);
	return ret;
}

static void usage(FILE *f)
{
	fputs("Usage: crtm-agentd [OPTION]...\n"
	      "Relay signed blocks from a signing server to a secure SPI NOR flash.\n"
	      "\n"
	      "  -d, --device=NAME   MTD node (default /dev/mtd0), replay:FILE or null:\n"
	      "  -s, --server=NAME   https://HOST:PORT, or spool:DIR\n"
	      "  -c, --cert=FILE     this device's certificate, PEM\n"
	      "  -k, --key=FILE      its private key, PEM\n"
	      "  -a, --ca=FILE       the site's CA certificate, PEM\n"
	      "  -j, --journal=FILE  journal, on storage that survives the board\n"
	      "                      (default /var/lib/crtm-agentd/journal)\n"
	      "  -1, --once          exit when there is no work\n"
	      "  -h, --help          this text\n"
	      "  -V, --version       the version\n", f);
}

int main(int argc, char **argv)
{
	static const struct option options[] = {
		{ "device", required_argument, NULL, 'd' },
		{ "server", required_argument, NULL, 's' },
		{ "cert", required_argument, NULL, 'c' },
		{ "key", required_argument, NULL, 'k' },
		{ "ca", required_argument, NULL, 'a' },
		{ "journal", required_argument, NULL, 'j' },
		{ "once", no_argument, NULL, '1' },
		{ "help", no_argument, NULL, 'h' },
		{ "version", no_argument, NULL, 'V' },
		{ 0 }
	};
	const char *journal = "/var/lib/crtm-agentd/journal";
	struct agent agent = { .device_name = "/dev/mtd0" };
	struct transport_config config = { 0 };
	int opt;

	while ((opt = getopt_long(argc, argv, "d:s:c:k:a:j:1hV", options, NULL)) >= 0) {
		switch (opt) {
		case 'd':
			agent.device_name = optarg;
			break;
		case 's':
			config.server = optarg;
			break;
		case 'c':
			config.cert = optarg;
			break;
		case 'k':
			config.key = optarg;
			break;
		case 'a':
			config.ca = optarg;
			break;
		case 'j':
			journal = optarg;
			break;
		case '1':
			agent.once = true;
			break;
		case 'h':
			usage(stdout);
			return EXIT_SUCCESS;
		case 'V':
			puts("crtm-agentd " AGENT_VERSION);
			return EXIT_SUCCESS;
		default:
			usage(stderr);
			return EXIT_USAGE;
		}
	}
	if (optind < argc || !config.server) {
		usage(stderr);
		return EXIT_USAGE;
	}
	agent.transport.ops = transport_find(config.server);
	if (!agent.transport.ops) {
		log_err("%s: neither https://HOST:PORT nor spool:DIR", config.server);
		return EXIT_USAGE;
	}
	umask(077);
	return run(&agent, &config, journal);
}
