// SPDX-License-Identifier: MIT
/*
 * crtmctl provision: the factory step. Root keys are written once for ever, and
 * in clear: so everything is checked before anything is sent, and the blocks are
 * wiped as soon as they are not needed.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "crtmctl.h"
#include "hex.h"
#include "jsonx.h"

#define MAX_INPUT	65536
#define MAX_NAME	64
#define MAX_BLOCK	64

static const uint8_t types[] = { RPMC_WRITE_ROOT_KEY, RPMC_UPDATE_HMAC_KEY, RPMC_REQUEST_COUNTER };

#define NR_STEPS	(sizeof(types) / sizeof(types[0]))

struct step {
	uint8_t block[MAX_BLOCK];
	size_t len;
	enum crtm_outcome outcome;
	int err;
	uint8_t status;
	uint32_t counter;
	char response[2 * RPMC_RESP_LEN + 1];
};

struct slot {
	uint8_t slot;
	struct step steps[NR_STEPS];
};

struct plan {
	char device[MAX_NAME + 1];
	unsigned int nr;
	struct slot slots[RPMC_MAX_SLOTS];
};

/*
 * json-c frees its strings as they are. (Its parser's own buffer is no worry: the
 * slot's other blocks have come to stand where the key was.)
 */
static void wipe_json(json_object *obj)
{
	size_t i;

	switch (json_object_get_type(obj)) {
	case json_type_string:
		explicit_bzero((char *)json_object_get_string(obj),
			       json_object_get_string_len(obj));
		break;
	case json_type_array:
		for (i = 0; i < json_object_array_length(obj); i++)
			wipe_json(json_object_array_get_idx(obj, i));
		break;
	case json_type_object: {
		json_object_object_foreach(obj, key, member) {
			(void)key;
			wipe_json(member);
		}
		break;
	}
	default:
		break;
	}
}

static bool valid_name(const char *name)
{
	return *name && name[strspn(name, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
				    "0123456789._-")] == '\0';
}

static int parse_slot(const char *name, json_object *obj, struct slot *slot)
{
	json_object *blocks, *text;
	struct step *step;
	int64_t number;
	size_t i;

	if (!json_object_is_type(obj, json_type_object) ||
	    !jsonx_int64(obj, "slot", 0, RPMC_MAX_SLOTS - 1, &number)) {
		ctl_error("%s: \"slot\" is missing or not 0 to %d", name, RPMC_MAX_SLOTS - 1);
		return CTL_USAGE;
	}
	slot->slot = number;
	blocks = jsonx_array(obj, "blocks", NR_STEPS, NR_STEPS);
	if (!blocks) {
		ctl_error("%s: slot %u: \"blocks\" is not an array of %zu", name, slot->slot,
			  NR_STEPS);
		return CTL_USAGE;
	}
	for (i = 0; i < NR_STEPS; i++) {
		step = &slot->steps[i];
		text = json_object_array_get_idx(blocks, i);
		/* The length too: a string may hold a NUL. */
		if (!json_object_is_type(text, json_type_string) ||
		    hex_decode(json_object_get_string(text), step->block, MAX_BLOCK, &step->len) ||
		    json_object_get_string_len(text) != (int)(2 * step->len)) {
			ctl_error("%s: slot %u: block %zu is not a hexadecimal string of at most "
				  "%d bytes", name, slot->slot, i, MAX_BLOCK);
			return CTL_USAGE;
		}
	}
	return CTL_OK;
}

static int parse_plan(const char *name, json_object *obj, struct plan *plan)
{
	json_object *slots;
	const char *device;
	unsigned int i, k;
	int64_t version;
	int ret;

	if (!jsonx_int64(obj, "v", 1, 1, &version)) {
		ctl_error("%s: \"v\" is missing or not 1", name);
		return CTL_USAGE;
	}
	device = jsonx_str(obj, "device", MAX_NAME);
	if (!device || !valid_name(device)) {
		ctl_error("%s: \"device\" is missing or no device name", name);
		return CTL_USAGE;
	}
	snprintf(plan->device, sizeof(plan->device), "%s", device);
	slots = jsonx_array(obj, "slots", 1, RPMC_MAX_SLOTS);
	if (!slots) {
		ctl_error("%s: \"slots\" is missing or not an array of 1 to %d", name,
			  RPMC_MAX_SLOTS);
		return CTL_USAGE;
	}
	plan->nr = json_object_array_length(slots);
	for (i = 0; i < plan->nr; i++) {
		ret = parse_slot(name, json_object_array_get_idx(slots, i), &plan->slots[i]);
		if (ret)
			return ret;
		for (k = 0; k < i; k++) {
			if (plan->slots[k].slot == plan->slots[i].slot) {
				ctl_error("%s: slot %u stands in it twice", name,
					  plan->slots[i].slot);
				return CTL_USAGE;
			}
		}
	}
	return CTL_OK;
}

static int read_plan(const char *path, struct plan *plan)
{
	struct input in;
	json_object *obj;
	const char *why;
	int ret;

	ret = input_read(&in, path, path, MAX_INPUT);
	if (ret)
		return ret;
	obj = jsonx_parse(in.data, in.len, &why);
	if (!obj) {
		ctl_error("%s: not a provisioning file: %s", in.name, why);
		ret = CTL_USAGE;
	} else {
		ret = parse_plan(in.name, obj, plan);
		wipe_json(obj);
		json_object_put(obj);
	}
	input_free(&in);
	return ret;
}

/* Against the chip: before the first block leaves, none may be wrong. */
static int check_plan(const struct ctl *ctl, const char *name, const struct plan *plan)
{
	const struct step *step;
	const char *why;
	unsigned int i;
	size_t k;

	for (i = 0; i < plan->nr; i++) {
		for (k = 0; k < NR_STEPS; k++) {
			step = &plan->slots[i].steps[k];
			if (!crtm_block_problem(&ctl->info, true, step->block, step->len, &why)) {
				if (step->block[RPMC_OFF_TYPE] != types[k])
					why = "it is another command's";
				else if (step->block[RPMC_OFF_SLOT] != plan->slots[i].slot)
					why = "it is for another slot";
				else
					continue;
			}
			ctl_error("%s: slot %u: block %zu (%s): %s", name, plan->slots[i].slot, k,
				  crtm_name(types[k]), why);
			return CTL_USAGE;
		}
	}
	return CTL_OK;
}

/*
 * Send everything. A refusal or an unknown outcome does not end it: what tells
 * whether the key is in the chip is the answer to the slot's last block.
 */
static int send_plan(struct ctl *ctl, struct plan *plan)
{
	int ret = CTL_OK, one;
	struct exchange x;
	struct step *step;
	unsigned int i;
	char what[64];
	size_t k;

	for (i = 0; i < plan->nr; i++) {
		for (k = 0; k < NR_STEPS; k++) {
			step = &plan->slots[i].steps[k];
			snprintf(what, sizeof(what), "slot %u: %s", plan->slots[i].slot,
				 crtm_name(types[k]));
			one = exchange(ctl, true, step->block, step->len, what, true, &x);
			explicit_bzero(step->block, sizeof(step->block));
			step->outcome = x.outcome;
			step->err = x.outcome == CRTM_UNKNOWN ? -x.entry.result : x.err;
			step->status = x.entry.status;
			step->counter = x.resp.counter;
			if (x.outcome >= CRTM_REFUSED && x.entry.out_len <= RPMC_RESP_LEN)
				hex_encode(step->response, x.out, x.entry.out_len);
			exchange_free(ctl, &x);
			ret = worse(ret, one);
			if (step->outcome == CRTM_UNSENT)
				return ret;
		}
	}
	return ret;
}

/* What the server reads; it holds no key. */
static int write_answer(const struct ctl *ctl, const struct plan *plan, FILE *out)
{
	json_object *obj = json_object_new_object(), *slots = json_object_new_array();
	json_object *slot, *responses, *row;
	const struct step *step;
	unsigned int i;
	size_t k;

	json_add_int(obj, "v", 1);
	json_add_string(obj, "device", plan->device);
	json_add_string(obj, "chip", ctl->info.chip);
	json_add_hex(obj, "id", ctl->info.id, ctl->info.id_len);
	for (i = 0; i < plan->nr; i++) {
		slot = json_object_new_object();
		responses = json_object_new_array();
		json_add_int(slot, "slot", plan->slots[i].slot);
		for (k = 0; k < NR_STEPS; k++) {
			step = &plan->slots[i].steps[k];
			row = json_object_new_object();
			json_add_int(row, "status", step->status);
			json_add_string(row, "response", step->response);
			if (step->outcome == CRTM_UNKNOWN || step->outcome == CRTM_UNSENT)
				json_add_string(row, "error", step->err ?
						crtm_errno_name(step->err) : "STOPPED");
			json_object_array_add(responses, row);
		}
		json_object_object_add(slot, "responses", responses);
		json_object_array_add(slots, slot);
	}
	json_object_object_add(obj, "slots", slots);
	return print_json(out, obj);
}

/* @accepted: what to say of a step that the chip took; not in @buf. */
static void step_text(const struct step *step, const char *accepted, char buf[32])
{
	switch (step->outcome) {
	case CRTM_ACCEPTED:
		snprintf(buf, 32, "%s", accepted);
		break;
	case CRTM_REFUSED:
		snprintf(buf, 32, "refused (%02x)", step->status);
		break;
	case CRTM_UNKNOWN:
		snprintf(buf, 32, "unknown (%s)", crtm_errno_name(step->err));
		break;
	case CRTM_UNSENT:
		snprintf(buf, 32, "not sent");
		break;
	}
}

static void print_table(const struct plan *plan)
{
	char key[32], hmac[32], counter[32], number[16], text[CRTM_STATUS_TEXT];
	const struct slot *slot;
	const char *colour;
	unsigned int i;
	size_t k;

	fprintf(stderr, "%sslot  %-20s  %-20s  counter%s\n", paint(stderr, BOLD), "root key",
		"HMAC key", plain(stderr));
	for (i = 0; i < plan->nr; i++) {
		slot = &plan->slots[i];
		snprintf(number, sizeof(number), "%u", slot->steps[2].counter);
		step_text(&slot->steps[0], "written", key);
		step_text(&slot->steps[1], "set", hmac);
		step_text(&slot->steps[2], number, counter);
		/* Refused as an overwrite, yet the key in the chip is the file's. */
		if (slot->steps[0].outcome == CRTM_REFUSED &&
		    (slot->steps[0].status & RPMC_STATUS_ROOT_KEY) &&
		    slot->steps[1].outcome == CRTM_ACCEPTED)
			snprintf(key, sizeof(key), "already written (%02x)", slot->steps[0].status);
		colour = paint(stderr, slot->steps[0].outcome == CRTM_ACCEPTED ? GREEN : RED);
		fprintf(stderr, "%4u  %s%-20s%s  %-20s  %s\n", slot->slot, colour, key,
			plain(stderr), hmac, counter);
	}
	for (i = 0; i < plan->nr; i++) {
		for (k = 0; k < NR_STEPS; k++) {
			const struct step *step = &plan->slots[i].steps[k];

			if (step->outcome == CRTM_REFUSED)
				ctl_error("slot %u: %s: refused by the chip: status %02x, %s",
					  plan->slots[i].slot, crtm_name(types[k]), step->status,
					  crtm_status_text(types[k], step->status, text,
							   sizeof(text)));
		}
	}
}

/* What was written is to be told whatever key is pressed; it takes a second. */
static void block_signals(void)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGHUP);
	sigprocmask(SIG_BLOCK, &set, NULL);
}

static int provision(struct ctl *ctl, const char *path, const char *output, struct plan *plan)
{
	FILE *out = stdout;
	int ret, fd;

	ret = read_plan(path, plan);
	if (!ret)
		ret = ctl_open(ctl, true);
	if (!ret)
		ret = check_plan(ctl, path, plan);
	if (ret)
		return ret;

	/* The answers cannot be had again: be sure of a place for them first. */
	if (output) {
		fd = open(output, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
		out = fd < 0 ? NULL : fdopen(fd, "w");
		if (!out) {
			ctl_error("%s: %s", output, strerror(errno));
			return CTL_USAGE;
		}
	}
	block_signals();
	ret = send_plan(ctl, plan);
	if (plan->slots[0].steps[0].outcome != CRTM_UNSENT) {
		print_table(plan);
		ret = worse(ret, write_answer(ctl, plan, out));
	}
	if (output && fclose(out)) {
		ctl_error("%s: %s", output, strerror(errno));
		ret = worse(ret, CTL_OUTPUT);
	}
	return ret;
}

static int run(struct ctl *ctl, int argc, char **argv)
{
	static const struct option options[] = {
		{ "output", required_argument, NULL, 'o' },
		COMMON_LONG
	};
	const char *output = NULL;
	struct plan plan = { 0 };
	int c, ret;

	while ((c = getopt_long(argc, argv, "o:" COMMON_SHORT, options, NULL)) != -1) {
		if (c == 'o')
			output = optarg;
		else if (ctl_option(ctl, c))
			return CTL_USAGE;
	}
	if (argc - optind != 1) {
		ctl_error("provision takes one file, or '-' for standard input");
		return CTL_USAGE;
	}
	if (output && !strcmp(output, "-"))
		output = NULL;

	/* No core dump and no debugger: keys are in memory for a moment. */
	prctl(PR_SET_DUMPABLE, 0);
	ret = provision(ctl, argv[optind], output, &plan);
	explicit_bzero(&plan, sizeof(plan));
	return ret;
}

const struct verb verb_provision = {
	.name = "provision",
	.args = "[-o FILE] FILE|-",
	.what = "Write root keys, once for ever, and set up HMAC keys and counters",
	.help =
	"FILE comes from \"crtm-kms enroll\"; the answers go to standard output as JSON for\n"
	"\"crtm-kms provisioned\", a table for people to standard error. The root keys\n"
	"travel in clear: run this where board and bus are trusted. Needs CAP_SYS_ADMIN.\n"
	"A second run is refused by the chip and exits with 3.\n"
	"  -o, --output FILE  answers to FILE instead\n",
	.run = run,
};
