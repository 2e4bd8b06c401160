// SPDX-License-Identifier: MIT
/*
 * crtmctl send: blocks as somebody made them, in their order, each once.
 */
#include <ctype.h>
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "crtmctl.h"
#include "hex.h"

#define MAX_INPUT	(64U << 20)	/* bytes of text */
#define MAX_BLOCK	65536		/* bytes; what the chip takes is the kernel's to say */

struct block {
	const uint8_t *data;
	size_t len;
};

struct blocks {
	struct block *list;
	size_t nr;
	size_t size;
};

static volatile sig_atomic_t interrupted;

static void on_signal(int sig)
{
	interrupted = sig;
}

/* A signal ends the run between two blocks, after what was sent has been told. */
static void heed_signals(void)
{
	struct sigaction sa = { .sa_handler = on_signal };

	sigemptyset(&sa.sa_mask);
	sigaction(SIGINT, &sa, NULL);
	sigaction(SIGTERM, &sa, NULL);
	sigaction(SIGHUP, &sa, NULL);
}

static int add_block(struct blocks *blocks, const void *data, size_t len)
{
	struct block *more;

	if (blocks->nr == blocks->size) {
		blocks->size = blocks->size ? 2 * blocks->size : 64;
		more = realloc(blocks->list, blocks->size * sizeof(*more));
		if (!more) {
			ctl_error("out of memory");
			return CTL_DEVICE;
		}
		blocks->list = more;
	}
	blocks->list[blocks->nr].data = data;
	blocks->list[blocks->nr++].len = len;
	return CTL_OK;
}

/* Strip the comment and all white space, in place. */
static void squeeze(char *line)
{
	char *to = line;

	for (; *line && *line != '#'; line++)
		if (!isspace((unsigned char)*line))
			*to++ = *line;
	*to = '\0';
}

/* One block a line in hex; decoded in place, for bytes take less room than digits. */
static int parse_lines(struct input *in, struct blocks *blocks)
{
	char *line = in->data, *end = in->data + in->len, *next;
	unsigned int number = 0;
	size_t len;
	int ret;

	if (strlen(in->data) != in->len) {
		ctl_error("%s: holds NUL bytes, so it is not hexadecimal text (--binary?)",
			  in->name);
		return CTL_USAGE;
	}
	for (; line < end; line = next) {
		number++;
		next = strchrnul(line, '\n');
		*next++ = '\0';
		squeeze(line);
		if (!*line)
			continue;
		if (hex_decode(line, (uint8_t *)line, strlen(line) / 2, &len)) {
			ctl_error("%s:%u: not an even number of hexadecimal digits", in->name,
				  number);
			return CTL_USAGE;
		}
		if (len > MAX_BLOCK) {
			ctl_error("%s:%u: block of %zu bytes is too long", in->name, number, len);
			return CTL_USAGE;
		}
		ret = add_block(blocks, line, len);
		if (ret)
			return ret;
	}
	return CTL_OK;
}

static int parse_binary(struct input *in, struct blocks *blocks)
{
	return in->len ? add_block(blocks, in->data, in->len) : CTL_OK;
}

static json_object *block_json(size_t number, const struct block *block,
			       const struct mtd_crtm_entry *entry)
{
	enum crtm_outcome outcome = crtm_entry_outcome(entry);
	json_object *obj = json_object_new_object();
	char text[CRTM_STATUS_TEXT];

	json_add_int(obj, "block", number);
	if (block->len > RPMC_OFF_TYPE) {
		json_add_int(obj, "type", block->data[RPMC_OFF_TYPE]);
		json_add_string(obj, "name", crtm_name(block->data[RPMC_OFF_TYPE]));
	}
	json_add_string(obj, "outcome", outcome_name(outcome));
	json_add_bool(obj, "sent", entry->sent);
	if (outcome == CRTM_UNKNOWN)
		json_add_string(obj, "error", crtm_errno_name(entry->result));
	if (outcome == CRTM_ACCEPTED || outcome == CRTM_REFUSED) {
		json_add_int(obj, "status", entry->status);
		json_add_string(obj, "status_text",
				crtm_status_text(block->data[RPMC_OFF_TYPE], entry->status, text,
						 sizeof(text)));
		json_add_hex(obj, "response", (const void *)(uintptr_t)entry->out,
			     entry->out_len);
	}
	return obj;
}

static void block_text(size_t number, const struct block *block,
		       const struct mtd_crtm_entry *entry)
{
	enum crtm_outcome outcome = crtm_entry_outcome(entry);
	const uint8_t *out = (const uint8_t *)(uintptr_t)entry->out;
	uint8_t type = block->len > RPMC_OFF_TYPE ? block->data[RPMC_OFF_TYPE] : 0;
	enum colour colour = outcome == CRTM_ACCEPTED ? GREEN : RED;
	char text[CRTM_STATUS_TEXT];
	uint32_t i;

	printf("%5zu  %02x %-22s %s%-8s%s", number, type,
	       block->len > RPMC_OFF_TYPE ? crtm_name(type) : "no command",
	       paint(stdout, colour), outcome_name(outcome), plain(stdout));
	if (outcome == CRTM_UNKNOWN)
		printf("  %s", crtm_errno_name(entry->result));
	if (outcome == CRTM_ACCEPTED || outcome == CRTM_REFUSED) {
		printf("  %02x %s", entry->status,
		       crtm_status_text(type, entry->status, text, sizeof(text)));
		if (entry->out_len)
			fputs("  ", stdout);
		for (i = 0; i < entry->out_len; i++)
			printf("%02x", out[i]);
	}
	putchar('\n');
}

struct run {
	bool rd;
	unsigned int list;
	json_object *json;
	int err;		/* why a call sent nothing */
	size_t answered;	/* blocks whose outcome is known */
	struct mtd_crtm_entry *entries;
	uint8_t *out;
};

/* One call with the next @nr blocks. Sets @run->answered; returns the exit code. */
static int send_list(struct ctl *ctl, const struct blocks *blocks, unsigned int nr,
		     struct run *run)
{
	size_t first = run->answered;
	int ret = CTL_OK, err;
	unsigned int i;

	for (i = 0; i < nr; i++)
		crtm_entry_init(&run->entries[i], blocks->list[first + i].data,
				blocks->list[first + i].len,
				run->out + (size_t)i * ctl->info.max_response,
				ctl->info.max_response);
	err = crtm_send(ctl->fd, !run->rd, run->entries, nr, NULL);
	if (err) {
		char what[64];

		snprintf(what, sizeof(what), nr > 1 ? "blocks %zu to %zu" : "block %zu", first + 1,
			 first + nr);
		report_errno(ctl, !run->rd, run->entries, nr, what, err);
		run->err = err;
		return CTL_DEVICE;
	}
	progress_clear();
	for (i = 0; i < nr && ret == CTL_OK; i++) {
		const struct block *block = &blocks->list[first + i];

		if (!run->entries[i].sent) {
			if (!interrupted)
				ctl_error("block %zu was not sent", first + i + 1);
			return CTL_DEVICE;
		}
		ret = exit_of(crtm_entry_outcome(&run->entries[i]));
		run->answered += ret != CTL_UNKNOWN;
		if (run->json)
			json_object_array_add(run->json, block_json(first + i + 1, block,
								    &run->entries[i]));
		else
			block_text(first + i + 1, block, &run->entries[i]);
	}
	return ret;
}

static int send_all(struct ctl *ctl, const struct blocks *blocks, struct run *run)
{
	unsigned int nr;
	int ret = CTL_OK;

	while (ret == CTL_OK && run->answered < blocks->nr) {
		if (interrupted) {
			ret = CTL_DEVICE;
			break;
		}
		nr = run->list;
		if (nr > blocks->nr - run->answered)
			nr = blocks->nr - run->answered;
		ret = send_list(ctl, blocks, nr, run);
		if (blocks->nr > run->list)
			progress("send", run->answered, blocks->nr);
	}
	progress_clear();
	if (ret == CTL_REFUSED)
		ctl_error("block %zu of %zu was refused by the chip, the rest not sent",
			  run->answered, blocks->nr);
	else if (ret == CTL_UNKNOWN)
		ctl_error("block %zu of %zu: outcome unknown, ask the chip; the rest not sent",
			  run->answered + 1, blocks->nr);
	else if (interrupted && ret)
		ctl_error("interrupted after %zu of %zu blocks", run->answered, blocks->nr);
	return ret;
}

static int result_json(struct ctl *ctl, const struct blocks *blocks, struct run *run)
{
	json_object *obj = json_object_new_object();

	json_add_string(obj, "node", ctl->path);
	json_add_string(obj, "class", run->rd ? "rd" : "wr");
	json_add_int(obj, "total", blocks->nr);
	json_add_int(obj, "answered", run->answered);
	if (run->err)
		json_add_string(obj, "error", crtm_errno_name(run->err));
	json_object_object_add(obj, "blocks", run->json);
	return print_json(stdout, obj);
}

static int send_blocks(struct ctl *ctl, const struct blocks *blocks, struct run *run,
		       uint64_t list)
{
	int ret;

	ret = ctl_open(ctl, !run->rd);
	if (ret)
		return ret;
	if (list > ctl->info.max_list) {
		ctl_error("--list: the kernel takes %u blocks a call at most", ctl->info.max_list);
		return CTL_USAGE;
	}
	run->list = list ? list : ctl->info.max_list;
	run->entries = calloc(run->list, sizeof(*run->entries));
	run->out = calloc(run->list, ctl->info.max_response);
	if (!run->entries || !run->out) {
		ctl_error("out of memory");
		free(run->entries);
		free(run->out);
		return CTL_DEVICE;
	}
	if (ctl->json)
		run->json = json_object_new_array();
	heed_signals();
	ret = send_all(ctl, blocks, run);
	ret = worse(ret, ctl->json ? result_json(ctl, blocks, run) : flush(stdout));

	explicit_bzero(run->out, (size_t)run->list * ctl->info.max_response);
	free(run->out);
	free(run->entries);
	return ret;
}

static int run(struct ctl *ctl, int argc, char **argv)
{
	static const struct option options[] = {
		{ "rd", no_argument, NULL, 'r' },
		{ "binary", no_argument, NULL, 'b' },
		{ "list", required_argument, NULL, 'l' },
		COMMON_LONG
	};
	struct blocks blocks = { 0 };
	bool binary = false;
	const char *path;
	struct run run = { 0 };
	struct input in;
	uint64_t list = 0;
	int c, ret;

	while ((c = getopt_long(argc, argv, "rbl:" COMMON_SHORT, options, NULL)) != -1) {
		if (c == 'r') {
			run.rd = true;
		} else if (c == 'b') {
			binary = true;
		} else if (c == 'l') {
			if (parse_size("--list", optarg, 65536, &list))
				return CTL_USAGE;
			if (!list) {
				ctl_error("--list: at least 1");
				return CTL_USAGE;
			}
		} else if (ctl_option(ctl, c)) {
			return CTL_USAGE;
		}
	}
	if (argc - optind > 1) {
		ctl_error("send takes one file, not '%s' too", argv[optind + 1]);
		return CTL_USAGE;
	}
	path = optind < argc ? argv[optind] : "-";
	ret = input_read(&in, path, path, binary ? MAX_BLOCK : MAX_INPUT);
	if (ret)
		return ret;
	ret = binary ? parse_binary(&in, &blocks) : parse_lines(&in, &blocks);
	if (!ret && !blocks.nr) {
		ctl_error("%s: no block in it", in.name);
		ret = CTL_USAGE;
	}
	if (!ret)
		ret = send_blocks(ctl, &blocks, &run, list);
	free(blocks.list);
	input_free(&in);
	return ret;
}

const struct verb verb_send = {
	.name = "send",
	.args = "[--rd] [--binary] [--list N] [FILE|-]",
	.what = "Send blocks as they are, stop at the first that is not accepted",
	.help =
	"Each block is sent once, in the order given, from its opcode to its HMAC.\n"
	"  -r, --rd      through RD_CRTM_CMD: commands that change nothing, node opened\n"
	"                for reading only; default: WR_CRTM_CMD\n"
	"  -b, --binary  FILE is one block as raw bytes; default: hexadecimal, one block\n"
	"                a line, '#' starts a comment, white space does not count\n"
	"  -l, --list N  at most N blocks in one call; default: as many as the kernel takes\n",
	.run = run,
};
