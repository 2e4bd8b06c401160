// SPDX-License-Identifier: MIT
/*
 * crtmctl status and counter: what the chip says of itself.
 */
#include <stdlib.h>
#include <string.h>

#include "crtmctl.h"
#include "hex.h"

#define UNVERIFIED	"signatures were not verified: this program has no key"

int get_state(struct ctl *ctl, uint8_t slot, bool accept_refusal, struct exchange *x,
	      struct crtm_state *state)
{
	uint8_t nonce[CRTM_INFO_NONCE_LEN], block[CRTM_GET_INFO_BLOCK];
	int ret;

	memset(x, 0, sizeof(*x));
	ret = random_bytes(nonce, sizeof(nonce));
	if (ret)
		return ret;
	crtm_build_get_info(block, ctl->info.op1, slot, nonce);
	ret = exchange(ctl, false, block, sizeof(block), crtm_name(CRTM_GET_INFO), accept_refusal,
		       x);
	if (ret)
		return ret;
	if (crtm_parse_state(&x->resp, state)) {
		ctl_error("%s: the chip's information is malformed", ctl->path);
		return CTL_MISMATCH;
	}
	if (memcmp(state->nonce, nonce, sizeof(nonce))) {
		ctl_error("%s: the chip answered another request: its nonce is not ours",
			  ctl->path);
		return CTL_MISMATCH;
	}
	return CTL_OK;
}

struct slot {
	bool refused;
	uint8_t status;
	uint32_t counter;
};

/*
 * Ask each slot of @first..@last. @state is the last answer's; the slots of one
 * chip differ in the counter alone. A slot's refusal is kept for the table.
 */
static int ask_slots(struct ctl *ctl, unsigned int first, unsigned int last,
		     struct slot slots[RPMC_MAX_SLOTS], struct crtm_state *state, bool *known)
{
	int ret = CTL_OK, one;
	struct exchange x;
	unsigned int i;

	*known = false;
	for (i = first; i <= last; i++) {
		one = get_state(ctl, i, true, &x, state);
		slots[i].refused = one == CTL_REFUSED;
		slots[i].status = x.entry.status;
		slots[i].counter = x.resp.counter;
		*known |= !one;
		state->nonce = NULL;	/* goes with the exchange */
		exchange_free(ctl, &x);
		if (one && one != CTL_REFUSED)
			return one;
		ret = worse(ret, one);
	}
	return ret;
}

static bool has_root_key(const struct crtm_state *state, unsigned int slot)
{
	return state->flags & CRTM_INFO_F_ROOT_KEY(slot);
}

static json_object *slots_json(const struct slot *slots, unsigned int first, unsigned int last,
			       const struct crtm_state *state, bool known)
{
	json_object *list = json_object_new_array(), *row;
	unsigned int i;

	for (i = first; i <= last; i++) {
		row = json_object_new_object();
		json_add_int(row, "slot", i);
		if (known)
			json_add_bool(row, "root_key", has_root_key(state, i));
		if (slots[i].refused)
			json_add_int(row, "status", slots[i].status);
		else
			json_add_int(row, "counter", slots[i].counter);
		json_object_array_add(list, row);
	}
	return list;
}

static void slots_text(const struct slot *slots, unsigned int first, unsigned int last,
		       const struct crtm_state *state, bool known)
{
	char text[CRTM_STATUS_TEXT];
	unsigned int i;

	printf("%sslot  root key  counter%s\n", paint(stdout, BOLD), plain(stdout));
	for (i = first; i <= last; i++) {
		printf("%4u  %-8s  ", i,
		       !known ? "unknown" : has_root_key(state, i) ? "written" : "none");
		if (slots[i].refused)
			printf("refused: %02x %s\n", slots[i].status,
			       crtm_status_text(CRTM_GET_INFO, slots[i].status, text,
						sizeof(text)));
		else if (known && !has_root_key(state, i))
			printf("-\n");
		else
			printf("%u\n", slots[i].counter);
	}
}

static unsigned int nr_slots(const struct ctl *ctl)
{
	return ctl->info.slots < RPMC_MAX_SLOTS ? ctl->info.slots : RPMC_MAX_SLOTS;
}

static int open_for_slots(struct ctl *ctl)
{
	int ret = ctl_open(ctl, false);

	if (!ret && !ctl->info.slots) {
		ctl_error("%s: the chip has no slot", ctl->path);
		ret = CTL_DEVICE;
	}
	return ret;
}

/* Status */

#define RPMC_ONLY	"the chip has the JESD260 commands alone: root keys and counters show " \
			"only in the answer to a signed request (crtmctl counter --block)"

static int status_rpmc_only(const struct ctl *ctl)
{
	json_object *obj;

	if (!ctl->json) {
		printf("chip             %s\nslots            %u\n\n%s\n", ctl->info.chip,
		       ctl->info.slots, RPMC_ONLY);
		return flush(stdout);
	}
	obj = json_object_new_object();
	json_add_string(obj, "node", ctl->path);
	json_add_string(obj, "chip", ctl->info.chip);
	json_add_bool(obj, "verified", false);
	json_add_int(obj, "nr_slots", ctl->info.slots);
	json_add_string(obj, "note", RPMC_ONLY);
	return print_json(stdout, obj);
}

static int status_json(const struct ctl *ctl, const struct slot *slots,
		       const struct crtm_state *state, bool known)
{
	json_object *obj = json_object_new_object(), *list, *row;
	unsigned int i;

	json_add_string(obj, "node", ctl->path);
	json_add_string(obj, "chip", ctl->info.chip);
	json_add_bool(obj, "verified", false);
	json_add_int(obj, "nr_slots", ctl->info.slots);
	if (known) {
		json_add_int(obj, "version", state->version);
		json_add_int(obj, "power_on_count", state->power_on);
		json_add_bool(obj, "session", state->flags & CRTM_INFO_F_SESSION);
		if (state->flags & CRTM_INFO_F_SESSION)
			json_add_int(obj, "seq", state->seq);
		json_add_bool(obj, "derivation_locked", state->flags & CRTM_INFO_F_LOCKED);
		list = json_object_new_array();
		for (i = 0; i < state->nr_regions; i++) {
			row = json_object_new_object();
			json_add_int(row, "address", state->regions[i].addr);
			json_add_int(row, "length", state->regions[i].len);
			json_object_array_add(list, row);
		}
		json_object_object_add(obj, "regions", list);
	}
	json_object_object_add(obj, "slots", slots_json(slots, 0, nr_slots(ctl) - 1, state, known));
	return print_json(stdout, obj);
}

static int status_text(const struct ctl *ctl, const struct slot *slots,
		       const struct crtm_state *state, bool known)
{
	unsigned int i;
	char size[32];

	printf("chip             %s\n", ctl->info.chip);
	if (known) {
		printf("power-on count   %u\n", state->power_on);
		if (state->flags & CRTM_INFO_F_SESSION)
			printf("session          open, next sequence number %u\n", state->seq);
		else
			printf("session          none\n");
		printf("key derivation   %s\n", state->flags & CRTM_INFO_F_LOCKED ?
		       "locked until power-on" : "possible");
		printf("regions          %u protected\n", state->nr_regions);
		for (i = 0; i < state->nr_regions; i++)
			printf("                 0x%08x + 0x%08x (%s)\n", state->regions[i].addr,
			       state->regions[i].len, size_text(size, state->regions[i].len));
	}
	putchar('\n');
	slots_text(slots, 0, nr_slots(ctl) - 1, state, known);
	printf("\n%s\n", UNVERIFIED);
	return flush(stdout);
}

static int run_status(struct ctl *ctl, int argc, char **argv)
{
	static const struct option options[] = { COMMON_LONG };
	struct slot slots[RPMC_MAX_SLOTS] = { 0 };
	struct crtm_state state = { 0 };
	bool known;
	int c, ret;

	while ((c = getopt_long(argc, argv, COMMON_SHORT, options, NULL)) != -1)
		if (ctl_option(ctl, c))
			return CTL_USAGE;
	if (optind != argc) {
		ctl_error("status takes no argument '%s'", argv[optind]);
		return CTL_USAGE;
	}
	ret = open_for_slots(ctl);
	if (ret)
		return ret;
	if (!crtm_known(&ctl->info, CRTM_GET_INFO))
		return status_rpmc_only(ctl);
	ret = ask_slots(ctl, 0, nr_slots(ctl) - 1, slots, &state, &known);
	if (ret && ret != CTL_REFUSED)
		return ret;
	return worse(ret, ctl->json ? status_json(ctl, slots, &state, known) :
		     status_text(ctl, slots, &state, known));
}

const struct verb verb_status = {
	.name = "status",
	.args = "",
	.what = "Ask the chip for power-on count, session, regions, root keys, counters",
	.help =
	"Sends \"get information\" with a fresh nonce to each slot; changes nothing. The\n"
	"answers' signatures are not verified, for that takes a slot's key.\n",
	.run = run_status,
};

/* Counter */

static int counter_signed(struct ctl *ctl, const uint8_t *block, size_t len)
{
	struct exchange x;
	json_object *obj;
	char hex[2 * RPMC_SIG_LEN + 1];
	int ret;

	ret = exchange(ctl, false, block, len, crtm_name(RPMC_REQUEST_COUNTER), false, &x);
	if (ret) {
		exchange_free(ctl, &x);
		return ret;
	}
	if (memcmp(x.resp.tag, block + RPMC_HDR_LEN, RPMC_TAG_LEN)) {
		ctl_error("%s: the chip answered another request: its tag is not ours", ctl->path);
		ret = CTL_MISMATCH;
	} else if (ctl->json) {
		obj = json_object_new_object();
		json_add_string(obj, "node", ctl->path);
		json_add_int(obj, "slot", block[RPMC_OFF_SLOT]);
		json_add_bool(obj, "verified", false);
		json_add_int(obj, "counter", x.resp.counter);
		json_add_hex(obj, "tag", x.resp.tag, RPMC_TAG_LEN);
		json_add_hex(obj, "signature", x.resp.sig, RPMC_SIG_LEN);
		json_add_hex(obj, "response", x.out, x.entry.out_len);
		ret = print_json(stdout, obj);
	} else {
		printf("slot       %u\ncounter    %u\n", block[RPMC_OFF_SLOT], x.resp.counter);
		hex_encode(hex, x.resp.tag, RPMC_TAG_LEN);
		printf("tag        %s\n", hex);
		hex_encode(hex, x.resp.sig, RPMC_SIG_LEN);
		printf("signature  %s\n\n%s\n", hex, UNVERIFIED);
		ret = flush(stdout);
	}
	exchange_free(ctl, &x);
	return ret;
}

static int counter_unsigned(struct ctl *ctl, uint64_t slot)
{
	unsigned int first = 0, last = nr_slots(ctl) - 1;
	struct slot slots[RPMC_MAX_SLOTS] = { 0 };
	struct crtm_state state = { 0 };
	json_object *obj;
	bool known;
	int ret;

	if (!crtm_known(&ctl->info, CRTM_GET_INFO)) {
		ctl_error("%s: %s", ctl->path, RPMC_ONLY);
		return CTL_DEVICE;
	}
	if (slot != NO_VALUE)
		first = last = slot;
	ret = ask_slots(ctl, first, last, slots, &state, &known);
	if (ret && ret != CTL_REFUSED)
		return ret;
	if (ctl->json) {
		obj = json_object_new_object();
		json_add_string(obj, "node", ctl->path);
		json_add_bool(obj, "verified", false);
		json_object_object_add(obj, "slots", slots_json(slots, first, last, &state, known));
		return worse(ret, print_json(stdout, obj));
	}
	slots_text(slots, first, last, &state, known);
	printf("\n%s\n", UNVERIFIED);
	return worse(ret, flush(stdout));
}

/* A signed request counter block from the command line or standard input. */
static int read_block(const char *arg, uint8_t *block, size_t size, size_t *len)
{
	struct input in;
	int ret;

	if (strcmp(arg, "-")) {
		if (!hex_decode(arg, block, size, len))
			return CTL_OK;
		ctl_error("--block: not hexadecimal, or longer than %zu bytes", size);
		return CTL_USAGE;
	}
	ret = input_read(&in, arg, arg, 4096);
	if (ret)
		return ret;
	in.data[strcspn(in.data, "\r\n")] = '\0';
	if (hex_decode(in.data, block, size, len)) {
		ctl_error("%s: not one line of hexadecimal, at most %zu bytes", in.name, size);
		ret = CTL_USAGE;
	}
	input_free(&in);
	return ret;
}

static int run_counter(struct ctl *ctl, int argc, char **argv)
{
	static const struct option options[] = {
		{ "slot", required_argument, NULL, 's' },
		{ "block", required_argument, NULL, 'b' },
		COMMON_LONG
	};
	const char *block_arg = NULL, *why;
	uint64_t slot = NO_VALUE;
	uint8_t block[64];
	size_t len = 0;
	int c, ret;

	while ((c = getopt_long(argc, argv, "s:b:" COMMON_SHORT, options, NULL)) != -1) {
		if (c == 's') {
			if (parse_size("--slot", optarg, RPMC_MAX_SLOTS - 1, &slot))
				return CTL_USAGE;
		} else if (c == 'b') {
			block_arg = optarg;
		} else if (ctl_option(ctl, c)) {
			return CTL_USAGE;
		}
	}
	if (optind != argc) {
		ctl_error("counter takes no argument '%s'", argv[optind]);
		return CTL_USAGE;
	}
	if (block_arg) {
		ret = read_block(block_arg, block, sizeof(block), &len);
		if (ret)
			return ret;
	}
	ret = open_for_slots(ctl);
	if (ret)
		return ret;
	if (slot != NO_VALUE && slot >= nr_slots(ctl)) {
		ctl_error("--slot: the chip has slots 0 to %u", nr_slots(ctl) - 1);
		return CTL_USAGE;
	}
	if (!block_arg)
		return counter_unsigned(ctl, slot);
	if (crtm_block_problem(&ctl->info, false, block, len, &why)) {
		ctl_error("--block: %s", why);
		return CTL_USAGE;
	}
	if (block[RPMC_OFF_TYPE] != RPMC_REQUEST_COUNTER) {
		ctl_error("--block: is \"%s\", not \"%s\"", crtm_name(block[RPMC_OFF_TYPE]),
			  crtm_name(RPMC_REQUEST_COUNTER));
		return CTL_USAGE;
	}
	if (slot != NO_VALUE && slot != block[RPMC_OFF_SLOT]) {
		ctl_error("--block: is for slot %u, not %u", block[RPMC_OFF_SLOT],
			  (unsigned int)slot);
		return CTL_USAGE;
	}
	return counter_signed(ctl, block, len);
}

const struct verb verb_counter = {
	.name = "counter",
	.args = "[--slot N] [--block HEX|-]",
	.what = "Read monotonic counters",
	.help =
	"Without a block the counters come from \"get information\" (A-CRTM chips only).\n"
	"  -s, --slot N     this slot alone; default: all\n"
	"  -b, --block HEX  a signed \"request counter\" block from the server, '-': read\n"
	"                   it from standard input. Shows tag, counter and signature.\n"
	"Signatures are not verified, for that takes a slot's key.\n",
	.run = run_counter,
};
