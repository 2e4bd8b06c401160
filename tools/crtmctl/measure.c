// SPDX-License-Identifier: MIT
/*
 * crtmctl measure: SHA-256 of a range, computed by the chip.
 */
#include <ctype.h>
#include <errno.h>
#include <openssl/evp.h>
#include <string.h>

#include "crtmctl.h"
#include "hex.h"

#define DIGEST_LEN	32

/* What to measure and what to expect. */
struct job {
	uint64_t addr;
	uint64_t len;
	uint64_t slot;
	bool have_addr;
	bool have_len;
	uint8_t nonce[CRTM_MEASURE_NONCE_LEN];
	bool have_nonce;
	uint8_t digest[DIGEST_LEN];
	bool have_digest;
	struct input image;	/* data is NULL if there is none */
	bool differs;		/* out: some digest is not what was expected */
};

static bool is_digest(const char *text)
{
	size_t i;

	for (i = 0; isxdigit((unsigned char)text[i]); i++)
		;
	return !text[i] && i == 2 * DIGEST_LEN;
}

/* Fill in what was not given and check the range, before anything is sent. */
static int check_range(struct ctl *ctl, struct job *job, uint32_t piece)
{
	const struct mtd_crtm_info *info = &ctl->info;

	if (!job->have_addr)
		job->addr = info->node_offset;
	if (!job->have_len && job->image.data)
		job->len = job->image.len;
	else if (!job->have_len && job->addr <= info->node_offset + info->node_size)
		job->len = info->node_offset + info->node_size - job->addr;

	if (!job->len) {
		ctl_error("nothing to measure: the length is 0");
		return CTL_USAGE;
	}
	if (job->addr < info->node_offset ||
	    job->addr + job->len > info->node_offset + info->node_size) {
		ctl_error("0x%llx + 0x%llx lies outside %s, which is 0x%llx + 0x%llx of the chip",
			  (unsigned long long)job->addr, (unsigned long long)job->len, ctl->path,
			  (unsigned long long)info->node_offset,
			  (unsigned long long)info->node_size);
		return CTL_USAGE;
	}
	if (job->image.data && job->image.len != job->len) {
		ctl_error("%s has %zu bytes, --length says %llu", job->image.name, job->image.len,
			  (unsigned long long)job->len);
		return CTL_USAGE;
	}
	if (job->have_digest && job->len > piece) {
		ctl_error("--expect: the chip measures at most 0x%x bytes at once, so a digest of "
			  "0x%llx cannot be compared: give the image file", piece,
			  (unsigned long long)job->len);
		return CTL_USAGE;
	}
	if (job->slot >= info->slots) {
		ctl_error("--slot: the chip has slots 0 to %d", info->slots - 1);
		return CTL_USAGE;
	}
	return CTL_OK;
}

enum verdict { NOT_COMPARED, AS_EXPECTED, DIFFERS };

/* Does the piece at @offset have the digest that was expected? */
static int compare(const struct job *job, uint64_t offset, uint32_t len, const uint8_t *digest,
		   enum verdict *verdict)
{
	const uint8_t *expected = job->digest;
	uint8_t md[EVP_MAX_MD_SIZE];

	*verdict = NOT_COMPARED;
	if (job->image.data) {
		if (!EVP_Digest(job->image.data + offset, len, md, NULL, EVP_sha256(), NULL)) {
			ctl_error("SHA-256 failed");
			return CTL_DEVICE;
		}
		expected = md;
	} else if (!job->have_digest) {
		return CTL_OK;
	}
	*verdict = memcmp(expected, digest, DIGEST_LEN) ? DIFFERS : AS_EXPECTED;
	return CTL_OK;
}

static int measure_piece(struct ctl *ctl, struct job *job, uint64_t offset, uint32_t len,
			 json_object *list)
{
	uint8_t block[CRTM_MEASURE_BLOCK];
	uint32_t addr = job->addr + offset;
	char digest[2 * DIGEST_LEN + 1];
	struct crtm_measurement m;
	enum verdict verdict;
	struct exchange x;
	json_object *row;
	int ret;

	crtm_build_measure(block, ctl->info.op1, job->slot, job->nonce, addr, len);
	ret = exchange(ctl, false, block, sizeof(block), crtm_name(CRTM_MEASURE), false, &x);
	if (ret)
		goto out;
	if (crtm_parse_measurement(&x.resp, &m) || m.addr != addr || m.len != len ||
	    memcmp(m.nonce, job->nonce, sizeof(job->nonce))) {
		ctl_error("%s: the chip answered another request: nonce or range is not ours",
			  ctl->path);
		ret = CTL_MISMATCH;
		goto out;
	}
	ret = compare(job, offset, len, m.digest, &verdict);
	if (ret)
		goto out;
	job->differs |= verdict == DIFFERS;
	progress_clear();
	hex_encode(digest, m.digest, DIGEST_LEN);
	if (list) {
		row = json_object_new_object();
		json_add_int(row, "address", addr);
		json_add_int(row, "length", len);
		json_add_string(row, "sha256", digest);
		if (verdict != NOT_COMPARED)
			json_add_bool(row, "as_expected", verdict == AS_EXPECTED);
		json_add_int(row, "counter", x.resp.counter);
		json_add_hex(row, "block", block, sizeof(block));
		json_add_hex(row, "response", x.out, x.entry.out_len);
		json_object_array_add(list, row);
	} else {
		if (!offset)
			printf("%saddress     length      SHA-256%s\n", paint(stdout, BOLD),
			       plain(stdout));
		printf("0x%08x  0x%08x  %s", addr, len, digest);
		if (verdict == AS_EXPECTED)
			printf("  %sas expected%s", paint(stdout, GREEN), plain(stdout));
		else if (verdict == DIFFERS)
			printf("  %sDIFFERS%s", paint(stdout, RED), plain(stdout));
		putchar('\n');
	}
out:
	exchange_free(ctl, &x);
	return ret;
}

static int measure(struct ctl *ctl, struct job *job, uint32_t piece)
{
	json_object *list = ctl->json ? json_object_new_array() : NULL, *obj;
	uint64_t offset;
	int ret = CTL_OK;
	uint32_t len;

	for (offset = 0; offset < job->len; offset += len) {
		len = job->len - offset < piece ? job->len - offset : piece;
		if (job->len > piece)
			progress("measure", offset, job->len);
		ret = measure_piece(ctl, job, offset, len, list);
		if (ret)
			break;
	}
	progress_clear();
	if (job->differs)
		ret = worse(ret, CTL_MISMATCH);
	if (!list) {
		if (offset)
			printf("\nsignatures were not verified: this program has no key\n");
		return worse(ret, flush(stdout));
	}
	obj = json_object_new_object();
	json_add_string(obj, "node", ctl->path);
	json_add_int(obj, "slot", job->slot);
	json_add_bool(obj, "verified", false);
	json_add_hex(obj, "nonce", job->nonce, sizeof(job->nonce));
	json_object_object_add(obj, "measurements", list);
	return worse(ret, print_json(stdout, obj));
}

static int measure_job(struct ctl *ctl, struct job *job, const char *expect)
{
	uint32_t piece;
	int ret;

	ret = ctl_open(ctl, false);
	if (ret)
		return ret;
	if (!crtm_known(&ctl->info, CRTM_MEASURE)) {
		ctl_error("%s: the chip cannot measure", ctl->path);
		return CTL_DEVICE;
	}
	if (expect && !job->have_digest) {
		ret = input_read(&job->image, expect, expect, ctl->info.chip_size);
		if (ret)
			return ret;
	}
	piece = crtm_max_range(&ctl->info, crtm_command(CRTM_MEASURE));
	ret = check_range(ctl, job, piece);
	if (!ret && !job->have_nonce)
		ret = random_bytes(job->nonce, sizeof(job->nonce));
	if (!ret)
		ret = measure(ctl, job, piece);
	input_free(&job->image);
	return ret;
}

static int run(struct ctl *ctl, int argc, char **argv)
{
	static const struct option options[] = {
		{ "address", required_argument, NULL, 'a' },
		{ "length", required_argument, NULL, 'l' },
		{ "nonce", required_argument, NULL, 'n' },
		{ "expect", required_argument, NULL, 'e' },
		{ "slot", required_argument, NULL, 's' },
		COMMON_LONG
	};
	const char *expect = NULL;
	struct job job = { 0 };
	int c, ret = CTL_OK;

	while (!ret) {
		c = getopt_long(argc, argv, "a:l:n:e:s:" COMMON_SHORT, options, NULL);
		if (c == -1)
			break;
		switch (c) {
		case 'a':
			ret = parse_size("--address", optarg, UINT32_MAX, &job.addr);
			job.have_addr = true;
			break;
		case 'l':
			ret = parse_size("--length", optarg, UINT32_MAX, &job.len);
			job.have_len = true;
			break;
		case 'n':
			ret = parse_hex("--nonce", optarg, job.nonce, sizeof(job.nonce));
			job.have_nonce = true;
			break;
		case 'e':
			expect = optarg;
			break;
		case 's':
			ret = parse_size("--slot", optarg, RPMC_MAX_SLOTS - 1, &job.slot);
			break;
		default:
			ret = ctl_option(ctl, c);
		}
	}
	if (ret)
		return ret;
	if (optind != argc) {
		ctl_error("measure takes no argument '%s'", argv[optind]);
		return CTL_USAGE;
	}
	if (expect && is_digest(expect)) {
		ret = parse_hex("--expect", expect, job.digest, sizeof(job.digest));
		if (ret)
			return ret;
		job.have_digest = true;
	}
	return measure_job(ctl, &job, expect);
}

const struct verb verb_measure = {
	.name = "measure",
	.args = "[--address A] [--length L] [--expect FILE|DIGEST] [--nonce HEX] [--slot N]",
	.what = "Have the chip compute SHA-256 of a range",
	.help =
	"  -a, --address A   address in the chip; default: the node's first byte\n"
	"  -l, --length L    bytes; default: size of FILE, or up to the node's end\n"
	"                    (both take 0x, and k or M for 1024 or 1024*1024)\n"
	"  -e, --expect X    compare with a file's content ('-': standard input) or with\n"
	"                    64 hexadecimal digits; another digest is exit code 5\n"
	"  -n, --nonce HEX   32 bytes for the chip to sign over; default: random\n"
	"  -s, --slot N      slot whose key signs the answer; default: 0\n"
	"What would keep the flash for too long is measured in pieces, one digest each.\n"
	"Signatures are not verified, for that takes a slot's key.\n",
	.run = run,
};
