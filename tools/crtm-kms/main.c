// SPDX-License-Identifier: MIT
/*
 * Command line.
 */
#include <getopt.h>
#include <inttypes.h>
#include <json-c/json.h>
#include <libgen.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>

#include "kms.h"

#define EXIT_USAGE	2

struct args {
	char **word;	/* after the verb */
	int nr;
	struct serve_options serve;
	const char *id;
	const char *out;
	const char *module;
	const char *expect;
	uint32_t address;
	uint32_t length;
	uint32_t size;
	uint32_t slots;
	bool protect;
	bool remove;
	bool wait;
};

enum {
	OPT_STATE = 256, OPT_JSON, OPT_ID, OPT_SIZE, OPT_SLOTS, OPT_MODULE, OPT_LISTEN, OPT_CERT,
	OPT_KEY, OPT_CA, OPT_ADDRESS, OPT_LENGTH, OPT_PROTECT, OPT_REMOVE, OPT_EXPECT, OPT_WAIT,
};

#define BIT(opt)	(1U << ((opt) - OPT_STATE))
#define BIT_OUT		(1U << 31)
#define COMMON		(BIT(OPT_STATE) | BIT(OPT_JSON))

static const struct option options[] = {
	{ "state", required_argument, NULL, OPT_STATE },
	{ "json", no_argument, NULL, OPT_JSON },
	{ "id", required_argument, NULL, OPT_ID },
	{ "size", required_argument, NULL, OPT_SIZE },
	{ "slots", required_argument, NULL, OPT_SLOTS },
	{ "output", required_argument, NULL, 'o' },
	{ "module", required_argument, NULL, OPT_MODULE },
	{ "listen", required_argument, NULL, OPT_LISTEN },
	{ "cert", required_argument, NULL, OPT_CERT },
	{ "key", required_argument, NULL, OPT_KEY },
	{ "ca", required_argument, NULL, OPT_CA },
	{ "address", required_argument, NULL, OPT_ADDRESS },
	{ "length", required_argument, NULL, OPT_LENGTH },
	{ "protect", no_argument, NULL, OPT_PROTECT },
	{ "remove", no_argument, NULL, OPT_REMOVE },
	{ "expect", required_argument, NULL, OPT_EXPECT },
	{ "wait", no_argument, NULL, OPT_WAIT },
	{ "help", no_argument, NULL, 'h' },
	{ "version", no_argument, NULL, 'V' },
	{ }
};

static const char usage_text[] =
"Usage: crtm-kms --state DIR VERB ...\n"
"\n"
"  init [--module PATH]                     make database and token in DIR\n"
"  enroll DEVICE --id HEX --size N [--slots N] [-o FILE]\n"
"                                           new root keys; write the provisioning file\n"
"  provisioned DEVICE [FILE|-]              read what crtmctl provision answered\n"
"  serve --cert PEM --key PEM --ca PEM [--listen ADDRESS:PORT]\n"
"  info DEVICE                              ask the chip for its state\n"
"  measure DEVICE --address A [--length N] [--expect FILE]\n"
"  protect DEVICE --address A --length N [--remove]\n"
"  update DEVICE IMAGE --address A [--protect]\n"
"  devices, jobs [DEVICE], history DEVICE\n"
"  job N [--wait]                           exit code 0 only if it has succeeded\n"
"  cancel N                                 end a job\n"
"  release DEVICE                           let a held device work again\n"
"  restored                                 the database comes from a backup\n"
"\n"
"info, measure, protect and update queue a job and print its number; with --wait\n"
"they wait for its end. --json: machine-readable output. Numbers: 0x..., K, M.\n"
"Reference numbering of the A-CRTM commands, not Micron's.\n";

static int usage(const char *why)
{
	fprintf(stderr, "crtm-kms: %s\nTry crtm-kms --help.\n", why);
	return EXIT_USAGE;
}

/* A number of bytes; K and M multiply. */
static bool parse_bytes(const char *s, uint32_t *v)
{
	unsigned long long n;
	char *end;

	if (*s < '0' || *s > '9')
		return false;
	n = strtoull(s, &end, 0);
	if (n > UINT32_MAX)
		return false;
	if (*end == 'K' || *end == 'M') {
		n *= *end == 'K' ? 1024 : 1048576;
		end++;
	}
	*v = n;
	return !*end && n <= UINT32_MAX;
}

static bool parse_id(const char *s, int64_t *v)
{
	char *end;

	if (*s < '1' || *s > '9')
		return false;
	*v = strtoll(s, &end, 10);
	return !*end;
}

/* Say why a transaction fails; it does then. */
static void refuse(struct kms *kms, const char *what, const char *why)
{
	if (!kms->err)
		kms_log("%s: %s", what, why);
	kms->err = true;
}

/* Queue a job. @image may be NULL. */
static int queue(struct kms *kms, const struct args *a, enum job_kind kind, uint32_t addr,
		 uint32_t len, const uint8_t *image, const char *title)
{
	int64_t device = 0, size = 0, ready = 0, job;
	json_object *o;

	db_begin(kms);
	db_int(kms, &device, "SELECT id FROM device WHERE name = ?", "s", a->word[0]);
	db_int(kms, &size, "SELECT size FROM device WHERE id = ?", "i", device);
	db_int(kms, &ready, "SELECT provisioned IS NOT NULL FROM device WHERE id = ?", "i",
	       device);
	if (!device)
		refuse(kms, a->word[0], "no such device");
	else if (!ready)
		refuse(kms, a->word[0], "not provisioned");
	else if ((int64_t)addr + len > size)
		refuse(kms, a->word[0], "the range does not lie in the chip");
	db_run(kms, "INSERT INTO job (device, kind, title, address, length, protect, image,"
	       " created) VALUES (?, ?, ?, ?, ?, ?, ?, ?)", "idsuudbi", device, (int)kind, title,
	       addr, len, (int)a->protect, image, image ? (size_t)len : 0, now_ms());
	job = sqlite3_last_insert_rowid(kms->db);
	if (db_end(kms))
		return -1;
	if (a->wait)
		return report_job(kms, job, true);
	if (kms->json) {
		o = json_object_new_object();
		json_object_object_add(o, "job", json_object_new_int64(job));
		puts(json_object_to_json_string(o));
		json_object_put(o);
	} else {
		printf("%" PRId64 "\n", job);
	}
	return 0;
}

static int do_init(struct kms *kms, const struct args *a)
{
	return kms_init(kms, a->module);
}

static int do_enroll(struct kms *kms, const struct args *a)
{
	if (!a->id || !a->size)
		return usage("enroll needs --id and --size");
	if (!valid_name(a->word[0]))
		return usage("a device name is 1 to 64 of A-Z a-z 0-9 . _ -");
	if (a->size % BLOCK64)
		return usage("--size is a multiple of 64K");
	return kms_enroll(kms, a->word[0], a->id, a->size, a->slots, a->out);
}

static int do_provisioned(struct kms *kms, const struct args *a)
{
	return kms_provisioned(kms, a->word[0], a->nr > 1 ? a->word[1] : NULL);
}

static int do_serve(struct kms *kms, const struct args *a)
{
	if (!a->serve.cert || !a->serve.key || !a->serve.ca)
		return usage("serve needs --cert, --key and --ca");
	return serve(kms, &a->serve);
}

static int do_info(struct kms *kms, const struct args *a)
{
	return queue(kms, a, JOB_INFO, 0, 0, NULL, "information");
}

static int do_measure(struct kms *kms, const struct args *a)
{
	uint8_t *image = NULL;
	uint32_t len = a->length;
	char title[128];
	size_t n;
	int ret;

	if (a->expect) {
		image = read_whole(a->expect, UINT32_MAX / 16, &n);
		if (!image)
			return -1;
		if (!len)
			len = n;
		if (n != len) {
			kms_log("%s: its length is not --length", a->expect);
			free(image);
			return -1;
		}
	}
	if (!len || len > MAX_PIECES * MEASURE_MAX) {
		free(image);
		return usage("measure needs --length, 1 byte to 252M, or --expect");
	}
	snprintf(title, sizeof(title), "measure 0x%x+0x%x", a->address, len);
	ret = queue(kms, a, JOB_MEASURE, a->address, len, image, title);
	free(image);
	return ret;
}

static int do_protect(struct kms *kms, const struct args *a)
{
	char title[128];

	if (!a->length || a->address % CRTM_REGION_UNIT || a->length % CRTM_REGION_UNIT)
		return usage("protect needs --address and --length, multiples of 64K");
	snprintf(title, sizeof(title), "%s 0x%x+0x%x", a->remove ? "unprotect" : "protect",
		 a->address, a->length);
	return queue(kms, a, a->remove ? JOB_UNPROTECT : JOB_PROTECT, a->address, a->length, NULL,
		     title);
}

static int do_update(struct kms *kms, const struct args *a)
{
	char title[128], *path, *p;
	uint8_t *image;
	size_t n;
	int ret;

	if (a->address % SECTOR)
		return usage("--address of an image is a multiple of 4K");
	image = read_whole(a->word[1], MAX_PIECES * MEASURE_MAX, &n);
	if (!image)
		return -1;
	if (!n) {
		free(image);
		return usage("the image is empty");
	}
	path = strdup(a->word[1]);
	snprintf(title, sizeof(title), "update %s", path ? basename(path) : "");
	free(path);
	/* It goes into JSON and onto terminals. */
	for (p = title; *p; p++) {
		if (*p < ' ' || *p > '~')
			*p = '?';
	}
	ret = queue(kms, a, JOB_UPDATE, a->address, n, image, title);
	free(image);
	return ret;
}

static int do_devices(struct kms *kms, const struct args *a)
{
	(void)a;
	return report_devices(kms);
}

static int do_jobs(struct kms *kms, const struct args *a)
{
	return report_jobs(kms, a->nr ? a->word[0] : NULL);
}

static int do_job(struct kms *kms, const struct args *a)
{
	int64_t job;

	if (!parse_id(a->word[0], &job))
		return usage("job needs a number");
	return report_job(kms, job, a->wait);
}

static int do_history(struct kms *kms, const struct args *a)
{
	return report_history(kms, a->word[0]);
}

static int do_cancel(struct kms *kms, const struct args *a)
{
	int64_t job;

	if (!parse_id(a->word[0], &job))
		return usage("cancel needs a job's number");
	/* What was handed out may still be sent: the next job begins by asking. */
	db_begin(kms);
	db_run(kms, "UPDATE job SET state = 'failed', reason = 'cancelled', finished = ?,"
	       " image = NULL, sectors = NULL WHERE id = ? AND state IN ('queued', 'running')",
	       "ii", now_ms(), job);
	if (!kms->err && !sqlite3_changes(kms->db))
		refuse(kms, a->word[0], "no such job, or ended already");
	return db_end(kms);
}

static int do_release(struct kms *kms, const struct args *a)
{
	int64_t device;

	db_begin(kms);
	if (!db_int(kms, &device, "SELECT id FROM device WHERE name = ?", "s", a->word[0]))
		refuse(kms, a->word[0], "no such device");
	db_run(kms, "UPDATE device SET held = NULL WHERE id = ?", "i", device);
	history_add(kms, device, 0, "released", 0, 0, NULL, -1, "by the operator");
	return db_end(kms);
}

/*
 * Everything that the lost database may have signed is unknown. Sessions are
 * dropped, jobs with them; job numbers go on where the lost ones cannot have
 * been; each device starts with 03 and an increment (see engine.c).
 */
static int do_restored(struct kms *kms, const struct args *a)
{
	int64_t now = now_ms(), v;

	(void)a;
	db_begin(kms);
	db_run(kms, "UPDATE job SET state = 'failed', reason = 'database restored from backup',"
	       " finished = ?, image = NULL, sectors = NULL WHERE state IN ('queued', 'running')",
	       "i", now);
	db_run(kms, "UPDATE sequence SET state = ? WHERE state = ?", "dd", SEQ_ENDED, SEQ_OPEN);
	db_run(kms, "UPDATE device SET restored = ?", "i", now);
	db_run(kms, "INSERT INTO sqlite_sequence (name, seq) SELECT 'job', 0 WHERE NOT EXISTS"
	       " (SELECT 1 FROM sqlite_sequence WHERE name = 'job')", "");
	db_run(kms, "UPDATE sqlite_sequence SET seq = max(seq, ?) WHERE name = 'job'", "i", now);
	db_run(kms, "INSERT INTO job (device, kind, title, created) SELECT id, ?,"
	       " 'after a restored database', ? FROM device WHERE provisioned IS NOT NULL", "di",
	       (int)JOB_INFO, now);
	db_run(kms, "INSERT INTO history (device, at, event, detail) SELECT id, ?, 'restored',"
	       " 'database restored from backup' FROM device", "i", now);
	if (!kms->err && db_int(kms, &v, "SELECT count(*) FROM device", "") && !kms->json)
		printf("%" PRId64 " devices\n", v);
	return db_end(kms);
}

/* @state: opens the database; @token: the token too. */
static const struct verb {
	const char *name;
	int (*run)(struct kms *kms, const struct args *a);
	int min;
	int max;
	bool state;
	bool token;
	unsigned int options;
} verbs[] = {
	{ "init", do_init, 0, 0, false, false, BIT(OPT_MODULE) },
	{ "enroll", do_enroll, 1, 1, true, true,
	  BIT(OPT_ID) | BIT(OPT_SIZE) | BIT(OPT_SLOTS) | BIT_OUT },
	{ "provisioned", do_provisioned, 1, 2, true, true, 0 },
	{ "serve", do_serve, 0, 0, true, true,
	  BIT(OPT_LISTEN) | BIT(OPT_CERT) | BIT(OPT_KEY) | BIT(OPT_CA) },
	{ "info", do_info, 1, 1, true, false, BIT(OPT_WAIT) },
	{ "measure", do_measure, 1, 1, true, false,
	  BIT(OPT_ADDRESS) | BIT(OPT_LENGTH) | BIT(OPT_EXPECT) | BIT(OPT_WAIT) },
	{ "protect", do_protect, 1, 1, true, false,
	  BIT(OPT_ADDRESS) | BIT(OPT_LENGTH) | BIT(OPT_REMOVE) | BIT(OPT_WAIT) },
	{ "update", do_update, 2, 2, true, false,
	  BIT(OPT_ADDRESS) | BIT(OPT_PROTECT) | BIT(OPT_WAIT) },
	{ "devices", do_devices, 0, 0, true, false, 0 },
	{ "jobs", do_jobs, 0, 1, true, false, 0 },
	{ "job", do_job, 1, 1, true, false, BIT(OPT_WAIT) },
	{ "history", do_history, 1, 1, true, false, 0 },
	{ "cancel", do_cancel, 1, 1, true, false, 0 },
	{ "release", do_release, 1, 1, true, false, 0 },
	{ "restored", do_restored, 0, 0, true, false, 0 },
	{ }
};

static int run(struct kms *kms, const struct verb *v, const struct args *a)
{
	int ret = -1;

	/* No core dump and no debugger: PIN, keys and TLS key are in memory. */
	prctl(PR_SET_DUMPABLE, 0);
	if (!v->state || !kms_open(kms, v->token))
		ret = v->run(kms, a);
	if (v->state)
		kms_close(kms);
	if (ret == EXIT_USAGE)
		return EXIT_USAGE;
	return ret ? EXIT_FAILURE : EXIT_SUCCESS;
}

int main(int argc, char **argv)
{
	struct args a = { .serve.listen = "127.0.0.1:8443", .slots = 4 };
	unsigned int given = 0;
	const struct verb *v;
	struct kms kms = { };
	bool ok = true;
	int c;

	while ((c = getopt_long(argc, argv, "o:hV", options, NULL)) != -1) {
		switch (c) {
		case OPT_STATE:
			kms.dir = optarg;
			break;
		case OPT_JSON:
			kms.json = true;
			break;
		case OPT_ID:
			a.id = optarg;
			break;
		case OPT_SIZE:
			ok = parse_bytes(optarg, &a.size);
			break;
		case OPT_SLOTS:
			ok = parse_bytes(optarg, &a.slots) && a.slots >= 1 &&
			     a.slots <= RPMC_MAX_SLOTS;
			break;
		case 'o':
			a.out = optarg;
			break;
		case OPT_MODULE:
			a.module = optarg;
			break;
		case OPT_LISTEN:
			a.serve.listen = optarg;
			break;
		case OPT_CERT:
			a.serve.cert = optarg;
			break;
		case OPT_KEY:
			a.serve.key = optarg;
			break;
		case OPT_CA:
			a.serve.ca = optarg;
			break;
		case OPT_ADDRESS:
			ok = parse_bytes(optarg, &a.address);
			break;
		case OPT_LENGTH:
			ok = parse_bytes(optarg, &a.length);
			break;
		case OPT_PROTECT:
			a.protect = true;
			break;
		case OPT_REMOVE:
			a.remove = true;
			break;
		case OPT_EXPECT:
			a.expect = optarg;
			break;
		case OPT_WAIT:
			a.wait = true;
			break;
		case 'h':
			fputs(usage_text, stdout);
			return 0;
		case 'V':
			puts("crtm-kms " KMS_VERSION);
			return 0;
		default:
			return usage("unknown option, or its value is missing");
		}
		if (!ok)
			return usage("a number is malformed or out of range");
		given |= c == 'o' ? BIT_OUT : BIT(c);
	}
	if (!kms.dir)
		return usage("--state is missing");
	if (optind == argc)
		return usage("the verb is missing");
	for (v = verbs; v->name && strcmp(v->name, argv[optind]); v++)
		;
	if (!v->name)
		return usage("no such verb");
	a.word = argv + optind + 1;
	a.nr = argc - optind - 1;
	if (a.nr < v->min || a.nr > v->max)
		return usage("too few or too many arguments");
	if (given & ~(v->options | COMMON))
		return usage("an option is not this verb's");
	return run(&kms, v, &a);
}
