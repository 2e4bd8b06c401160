// SPDX-License-Identifier: MIT
/*
 * crtmctl as people and programs see it: arguments, exit codes, what is sent,
 * text and JSON. The device is mock.c's.
 */
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <json-c/json.h>
#include <openssl/evp.h>
#include <pty.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#define Z28	"00000000000000000000000000000000000000000000000000000000"
#define Z32	Z28 "00000000"
#define S8	"d5d5d5d5d5d5d5d5"
#define SECRET	S8 S8 S8 S8
#define B00(slot)	"9b00" slot "00" SECRET Z28
#define B01(slot)	"9b01" slot "0001020304" Z32
#define B03(slot)	"9b03" slot "00000102030405060708090a0b" Z32
#define MEASURE	"9b450000" Z32 "0000000000001000"
#define INFO	"9b480000000102030405060708090a0b0c0d0e0f"
#define SLOT(n, hex)	"{\"slot\": " #n ", \"blocks\": [\"" B00(hex) "\", \"" B01(hex) "\", \"" \
			B03(hex) "\"]}"
#define PLAN(slots)	"{\"v\": 1, \"device\": \"board-17\", \"slots\": [" slots "]}"

static const char *program, *mock;
static char folder[64];
static char out[1 << 20], err[1 << 16];

static char *path_of(const char *name)
{
	static char path[4][256];
	static int turn;
	char *p = path[turn++ % 4];

	snprintf(p, sizeof(path[0]), "%s/%s", folder, name);
	return p;
}

static void put_file(const char *name, const void *data, size_t len)
{
	FILE *f = fopen(path_of(name), "w");

	assert_non_null(f);
	assert_int_equal(fwrite(data, 1, len, f), len);
	fclose(f);
}

static void put(const char *name, const char *text)
{
	put_file(name, text, strlen(text));
}

static char *get(const char *name)
{
	static char text[1 << 16];
	FILE *f = fopen(path_of(name), "r");
	size_t n;

	if (!f)
		return strcpy(text, "");
	n = fread(text, 1, sizeof(text) - 1, f);
	text[n] = '\0';
	fclose(f);
	return text;
}

static int remove_entry(const char *path, const struct stat *st, int flag, struct FTW *ftw)
{
	(void)st;
	(void)flag;
	(void)ftw;
	return remove(path);
}

/* A fresh folder with one node. */
static int setup(void **state)
{
	(void)state;
	strcpy(folder, "/tmp/crtmctl-test-XXXXXX");
	if (!mkdtemp(folder))
		return -1;
	setenv("CRTM_MOCK", folder, 1);
	mkdir(path_of("dev"), 0755);
	put("dev/mtd0", "");
	put("dev/mtd0ro", "open EACCES\n");
	put("dev/mtdblock0", "");
	put("dev/null", "");
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	return nftw(folder, remove_entry, 8, FTW_DEPTH | FTW_PHYS);
}

static void read_all(const char *name, char *buf, size_t size)
{
	FILE *f = fopen(path_of(name), "r");
	size_t n;

	assert_non_null(f);
	n = fread(buf, 1, size - 1, f);
	assert_true(n < size - 1);
	buf[n] = '\0';
	fclose(f);
}

/* In a child: become crtmctl. @args are separated by single spaces. */
static void become(const char *args)
{
	char copy[2048], *argv[32];
	int argc = 0;
	char *p;

	snprintf(copy, sizeof(copy), "%s", args);
	argv[argc++] = (char *)program;
	for (p = strtok(copy, " "); p; p = strtok(NULL, " "))
		argv[argc++] = p;
	argv[argc] = NULL;
	if (chdir(folder))
		_exit(126);
	setenv("LD_PRELOAD", mock, 1);
	/* For a build with the address sanitizer: it wants to be first. */
	setenv("ASAN_OPTIONS", "verify_asan_link_order=0", 0);
	execv(program, argv);
	_exit(127);
}

static int exit_code(pid_t pid, const char *args)
{
	int status;

	assert_int_equal(waitpid(pid, &status, 0), pid);
	if (!WIFEXITED(status))
		fail_msg("crtmctl %s died: %x\n%s", args, status, err);
	return WEXITSTATUS(status);
}

/* Run crtmctl with @input as standard input; fills out and err, returns the exit code. */
static int run_to(const char *where, const char *input, const char *args)
{
	pid_t pid;
	int code;

	put("stdin", input ? input : "");
	pid = fork();
	assert_true(pid >= 0);
	if (!pid) {
		int in = open(path_of("stdin"), O_RDONLY);
		int o = open(where ? where : path_of("stdout"), O_WRONLY | O_CREAT | O_TRUNC, 0644);
		int e = open(path_of("stderr"), O_WRONLY | O_CREAT | O_TRUNC, 0644);

		dup2(in, 0);
		dup2(o, 1);
		dup2(e, 2);
		become(args);
	}
	err[0] = '\0';
	code = exit_code(pid, args);
	read_all("stderr", err, sizeof(err));
	if (!where)
		read_all("stdout", out, sizeof(out));
	return code;
}

/*
 * Run crtmctl on a terminal; out is what appears there. Each time it asks something (": ")
 * the next line of @answers is typed.
 */
static int run_on_terminal(const char *answers, const char *args)
{
	size_t len = 0, asked = 0;
	const char *end;
	int master;
	ssize_t n;
	pid_t pid;

	pid = forkpty(&master, NULL, NULL, NULL);
	assert_true(pid >= 0);
	if (!pid)
		become(args);
	/* At the end of the other side: EIO. */
	while ((n = read(master, out + len, sizeof(out) - 1 - len)) > 0) {
		len += n;
		out[len] = '\0';
		if (len <= asked || strcmp(out + len - 2, ": ") || !*answers)
			continue;
		asked = len;
		end = strchr(answers, '\n');
		assert_int_equal(write(master, answers, end + 1 - answers), end + 1 - answers);
		answers = end + 1;
	}
	close(master);
	if (*answers)
		fail_msg("crtmctl %s never asked for: %s\n%s", args, answers, out);
	return exit_code(pid, args);
}

/* Standard output is a pipe that nobody reads. */
static void run_to_nobody(const char *args)
{
	int pipe_fds[2];
	pid_t pid;

	assert_int_equal(pipe(pipe_fds), 0);
	close(pipe_fds[0]);
	pid = fork();
	assert_true(pid >= 0);
	if (!pid) {
		signal(SIGPIPE, SIG_DFL);
		dup2(pipe_fds[1], 1);
		dup2(open(path_of("stderr"), O_WRONLY | O_CREAT | O_TRUNC, 0644), 2);
		become(args);
	}
	close(pipe_fds[1]);
	assert_int_equal(exit_code(pid, args), 6);
	read_all("stderr", err, sizeof(err));
	assert_non_null(strstr(err, "Broken pipe"));
}

static void expect(int line, const char *input, const char *args, int code)
{
	int got = run_to(NULL, input, args);

	if (got != code)
		fail_msg("line %d: crtmctl %s: exit %d, not %d\n%s%s", line, args, got, code, out,
			 err);
}

#define RUN(input, args, code)	expect(__LINE__, input, args, code)

static void has(int line, const char *text, const char *part)
{
	if (!strstr(text, part))
		fail_msg("line %d: no \"%s\" in:\n%s", line, part, text);
}

#define HAS(text, part)	has(__LINE__, text, part)

#define NOTHING_SENT()	assert_string_equal(get("log"), "")

/* The output as JSON, which must be one object and nothing else. */
static json_object *parse_out(const char *text)
{
	struct json_tokener *tok = json_tokener_new();
	json_object *obj;

	json_tokener_set_flags(tok, JSON_TOKENER_STRICT);
	obj = json_tokener_parse_ex(tok, text, strlen(text));
	if (json_tokener_get_error(tok) != json_tokener_success ||
	    !json_object_is_type(obj, json_type_object))
		fail_msg("no JSON object: %s", text);
	assert_true(strlen(text) - json_tokener_get_parse_end(tok) <= 1);
	assert_string_equal(text + strlen(text) - 2, "}\n");
	json_tokener_free(tok);
	return obj;
}

/* "a.b.0.c" */
static json_object *at(json_object *obj, const char *path)
{
	char copy[128], *save, *p;

	snprintf(copy, sizeof(copy), "%s", path);
	for (p = strtok_r(copy, ".", &save); p; p = strtok_r(NULL, ".", &save)) {
		if (json_object_is_type(obj, json_type_array))
			obj = json_object_array_get_idx(obj, atoi(p));
		else
			obj = json_object_object_get(obj, p);
		if (!obj)
			fail_msg("no %s in the JSON output", path);
	}
	return obj;
}

static int64_t integer(json_object *obj, const char *path)
{
	obj = at(obj, path);
	assert_true(json_object_is_type(obj, json_type_int));
	return json_object_get_int64(obj);
}

static const char *string(json_object *obj, const char *path)
{
	obj = at(obj, path);
	assert_true(json_object_is_type(obj, json_type_string));
	return json_object_get_string(obj);
}

static bool boolean(json_object *obj, const char *path)
{
	obj = at(obj, path);
	assert_true(json_object_is_type(obj, json_type_boolean));
	return json_object_get_boolean(obj);
}

static size_t length(json_object *obj, const char *path)
{
	obj = at(obj, path);
	assert_true(json_object_is_type(obj, json_type_array));
	return json_object_array_length(obj);
}

/* The chip's array: not all alike, so that every piece has another digest. */
static void put_content(void)
{
	static uint8_t content[16 << 20];
	size_t i;

	for (i = 0; i < sizeof(content); i++)
		content[i] = i ^ (i >> 8) ^ (i >> 16) * 7;
	put_file("content", content, sizeof(content));
	put_file("image", content + 0x10000, 0x12345);
	content[0x10000 + 0x12344] ^= 1;
	put_file("tampered", content + 0x10000, 0x12345);
	content[0x10000 + 0x12344] ^= 1;
	put_file("large", content, 9 << 20);
}

static void test_usage(void **state)
{
	static const char *const verbs[] = {
		"info", "send", "status", "counter", "measure", "provision",
		"map", "lock", "unlock", "freeze", "password", "protect",
	};
	char args[64];
	size_t i;

	(void)state;
	RUN(NULL, "", 1);
	HAS(err, "Usage: crtmctl");
	RUN(NULL, "-h", 0);
	HAS(out, "Usage: crtmctl");
	RUN(NULL, "--version", 0);
	assert_memory_equal(out, "crtmctl ", 8);
	RUN(NULL, "sned", 1);
	HAS(err, "no verb 'sned'");
	RUN(NULL, "--frobnicate info", 1);
	for (i = 0; i < sizeof(verbs) / sizeof(verbs[0]); i++) {
		snprintf(args, sizeof(args), "%s -h", verbs[i]);
		RUN(NULL, args, 0);
		HAS(out, verbs[i]);
		assert_string_equal(err, "");
		snprintf(args, sizeof(args), "%s --frobnicate", verbs[i]);
		RUN(NULL, args, 1);
		assert_string_equal(out, "");
		snprintf(args, sizeof(args), "%s -d", verbs[i]);
		RUN(NULL, args, 1);
		snprintf(args, sizeof(args), "%s too many", verbs[i]);
		RUN(NULL, args, 1);
	}
	NOTHING_SENT();
}

static void forget_log(void)
{
	unlink(path_of("log"));
}

/* Nothing is written without -d where another node cannot be asked; reading goes on. */
static void unasked(const char *name, const char *how)
{
	static const char *const errors[] = { "EIO", "EBUSY", "EACCES", "ETIMEDOUT" };
	bool asp = !strcmp(how, "asp");
	char path[32], text[64];
	size_t i;

	snprintf(path, sizeof(path), "dev/%s", name);
	forget_log();
	for (i = 0; i < sizeof(errors) / sizeof(errors[0]); i++) {
		snprintf(text, sizeof(text), "%s %s\n", i % 2 ? "open" : how, errors[i]);
		put(path, text);
		RUN(INFO, asp ? "lock" : "send", 2);
		snprintf(text, sizeof(text), "/%s cannot be asked whether", path);
		HAS(err, text);
		HAS(err, errors[i]);
		NOTHING_SENT();
		RUN(NULL, asp ? "map" : "info", 0);
	}
	put(path, "open EACCES\n");
	RUN(INFO, asp ? "lock -l 64k -d /dev/mtd1" : "send -d /dev/mtd0", 0);
	forget_log();
	/* That is an answer. */
	put(path, "asp EOPNOTSUPP errno EOPNOTSUPP\n");
	RUN(INFO, asp ? "lock -l 64k" : "send", 0);
	forget_log();
}

static void test_nodes(void **state)
{
	(void)state;
	RUN(NULL, "info", 0);
	HAS(out, "/dev/mtd0,");
	unasked("mtd1", "errno");
	unlink(path_of("dev/mtd1"));
	put("dev/mtd10", "flags 7 offset 0x100000 size 0x10000\n");
	put("dev/mtd2", "flags 7 offset 0x200000 size 0x10000\n");
	RUN(NULL, "info", 2);
	HAS(err, "3 nodes");
	HAS(err, "/dev/mtd0 ");
	HAS(err, "/dev/mtd10 ");
	/* By number. */
	assert_true(strstr(err, "/dev/mtd2 ") < strstr(err, "/dev/mtd10 "));
	RUN(NULL, "info -d /dev/mtd2", 0);
	RUN(NULL, "-d /dev/mtd10 info", 0);
	HAS(out, "partition 0x00100000 + 0x10000 (64 KiB)");
	RUN(NULL, "info --device=/dev/mtd7", 2);
	HAS(err, "ENOENT");
	RUN(NULL, "-d stdin info", 2);
	HAS(err, "ENXIO");

	put("dev/mtd0", "errno EOPNOTSUPP\n");
	put("dev/mtd10", "errno ENOTTY\n");
	RUN(NULL, "info", 0);
	HAS(out, "/dev/mtd2,");
	RUN(NULL, "info -d /dev/mtd0", 2);
	HAS(err, "no security operations");
	put("dev/mtd2", "errno ENODEV\n");
	RUN(NULL, "info", 2);
	HAS(err, "ENOTTY");
	put("dev/mtd10", "open EACCES\n");
	RUN(NULL, "info", 2);
	HAS(err, "EACCES");
	unlink(path_of("dev/mtd10"));
	unlink(path_of("dev/mtd2"));
	RUN(NULL, "info", 2);
	HAS(err, "no MTD device with security operations");
	NOTHING_SENT();
}

static void test_info(void **state)
{
	json_object *obj;

	(void)state;
	RUN(NULL, "info", 0);
	HAS(out, "mt25qu128abb-authenta, 16 MiB");
	HAS(out, "20 bb 18 12 00 8c");
	HAS(out, "reference numbering, not Micron's");
	HAS(out, "OP1 9b, OP2 96");
	HAS(out, "43    authenticated program  WR     45-300");
	assert_string_equal(err, "");
	assert_null(strchr(out, '\033'));

	RUN(NULL, "info --json", 0);
	obj = parse_out(out);
	assert_string_equal(string(obj, "node"), "/dev/mtd0");
	assert_string_equal(string(obj, "id"), "20bb1812008c");
	assert_true(boolean(obj, "reference"));
	assert_true(boolean(obj, "whole_chip"));
	assert_int_equal(integer(obj, "slots"), 4);
	assert_int_equal(integer(obj, "chip_size"), 16 << 20);
	assert_int_equal(length(obj, "commands"), 13);
	assert_int_equal(integer(obj, "commands.12.type"), 0x48);
	assert_string_equal(string(obj, "commands.12.class"), "rd");
	json_object_put(obj);

	put("dev/mtd0", "flags 1 slots 1\n");
	RUN(NULL, "info --json", 0);
	obj = parse_out(out);
	assert_false(boolean(obj, "reference"));
	assert_int_equal(length(obj, "commands"), 4);
	json_object_put(obj);
	assert_int_equal(run_to("/dev/full", NULL, "info"), 6);
	assert_int_equal(run_to("/dev/full", NULL, "info --json"), 6);
	NOTHING_SENT();
}

static void test_send(void **state)
{
	json_object *obj;

	(void)state;
	/* Comments, white space, either case, no newline at the end. */
	RUN("# a comment\n\n  9B 01 00 0001020304" Z32 " # why\r\n\t\n" INFO, "send", 0);
	assert_string_equal(get("log"), "call wr 2\nblock " B01("00") "\nblock " INFO "\n");
	HAS(out, "01 update HMAC key");
	HAS(out, "accepted  80 success  80");
	unlink(path_of("log"));

	put("blocks", INFO "\n" INFO "\n" INFO "\n" INFO "\n" INFO "\n");
	RUN(NULL, "send --rd --list 2 --json blocks", 0);
	assert_string_equal(get("log"), "call rd 2\nblock " INFO "\nblock " INFO "\n"
			    "call rd 2\nblock " INFO "\nblock " INFO "\n"
			    "call rd 1\nblock " INFO "\n");
	obj = parse_out(out);
	assert_string_equal(string(obj, "class"), "rd");
	assert_int_equal(integer(obj, "total"), 5);
	assert_int_equal(integer(obj, "answered"), 5);
	assert_int_equal(length(obj, "blocks"), 5);
	assert_int_equal(integer(obj, "blocks.4.block"), 5);
	assert_int_equal(integer(obj, "blocks.4.type"), 0x48);
	assert_int_equal(integer(obj, "blocks.4.status"), 128);
	assert_string_equal(string(obj, "blocks.4.outcome"), "accepted");
	assert_int_equal(strlen(string(obj, "blocks.4.response")), 2 * 80);
	json_object_put(obj);
	unlink(path_of("log"));

	put_file("binary", "\x9b\x47\0\0", 4);
	RUN(NULL, "send -b binary", 0);
	assert_string_equal(get("log"), "call wr 1\nblock 9b470000\n");
}

static void test_send_stops(void **state)
{
	static const char five[] = INFO "\n" INFO "\n" MEASURE "\n" INFO "\n" INFO "\n";
	json_object *obj;

	(void)state;
	put("script", "ok\nok\nrefuse 10\n");
	RUN(five, "send --json", 3);
	obj = parse_out(out);
	assert_int_equal(integer(obj, "answered"), 3);
	assert_int_equal(length(obj, "blocks"), 3);
	assert_string_equal(string(obj, "blocks.2.outcome"), "refused");
	assert_int_equal(integer(obj, "blocks.2.status"), 0x10);
	HAS(string(obj, "blocks.2.status_text"), "counter");
	HAS(err, "block 3 of 5 was refused");
	json_object_put(obj);
	assert_string_equal(get("log"), "call wr 5\nblock " INFO "\nblock " INFO "\nblock "
			    MEASURE "\n");

	/* The same across calls: nothing after it, and nothing twice. */
	unlink(path_of("log"));
	put("script", "ok\nunknown ETIMEDOUT\n");
	RUN(five, "send --json --list 1", 4);
	obj = parse_out(out);
	assert_int_equal(integer(obj, "answered"), 1);
	assert_int_equal(length(obj, "blocks"), 2);
	assert_string_equal(string(obj, "blocks.1.outcome"), "unknown");
	assert_string_equal(string(obj, "blocks.1.error"), "ETIMEDOUT");
	assert_true(boolean(obj, "blocks.1.sent"));
	json_object_put(obj);
	assert_string_equal(get("log"), "call wr 1\nblock " INFO "\ncall wr 1\nblock " INFO "\n");

	put("script", "ok\nunsent\n");
	RUN(five, "send --json", 2);
	obj = parse_out(out);
	assert_int_equal(length(obj, "blocks"), 1);
	json_object_put(obj);
	HAS(err, "block 2 was not sent");

	put("script", "errno EINTR\n");
	RUN(five, "send --json", 2);
	obj = parse_out(out);
	assert_int_equal(length(obj, "blocks"), 0);
	assert_string_equal(string(obj, "error"), "EINTR");
	json_object_put(obj);

	/* What the kernel refuses is explained. */
	put("script", "errno EPERM\n");
	RUN(INFO "\n9b4f0000\n", "send", 2);
	HAS(err, "block 2 of the list: the chip has no command of this type (EPERM)");
	put("script", "errno EPERM\n");
	RUN("0b000000\n", "send", 2);
	HAS(err, "OP1");
	put("script", "errno EPERM\n");
	RUN(B01("00"), "send --rd", 2);
	HAS(err, "it changes state");
	put("script", "errno EMSGSIZE\n");
	RUN(INFO "00", "send", 2);
	HAS(err, "its length is not one that the command has (EMSGSIZE)");
	put("script", "errno EINVAL\n");
	RUN("9b450000" Z32 "00ffffff00001000", "send --rd", 2);
	HAS(err, "beyond the chip (EINVAL)");
	put("script", "errno ENODEV\n");
	RUN(INFO, "send", 2);
	HAS(err, "the device is gone");
}

static void test_send_input(void **state)
{
	static const struct {
		const char *args;
		const char *input;
		const char *why;
	} cases[] = {
		{ "send", "", "no block in it" },
		{ "send", "# nothing\n\n", "no block in it" },
		{ "send", INFO "\n9b4\n", ":2: not an even number" },
		{ "send", INFO "\n\n9b4g\n", ":3: not an even number" },
		{ "send", "0x9b48\n", ":1: not an even number" },
		{ "send -", "9b48,00\n", ":1: not an even number" },
		{ "send --list 0", INFO, "at least 1" },
		{ "send --list -1", INFO, "no number" },
		{ "send --list 65", INFO, "64 blocks a call at most" },
		{ "send --list 99999999999999999999", INFO, "too large" },
		{ "send --list", INFO, "requires an argument" },
		{ "send nofile", NULL, "No such file" },
		{ "send dev", NULL, "Is a directory" },
		{ "send -b", "", "no block in it" },
	};
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		RUN(cases[i].input, cases[i].args, 1);
		HAS(err, cases[i].why);
		assert_string_equal(out, "");
	}
	put_file("nul", "9b48\0" "0000", 9);
	RUN(NULL, "send nul", 1);
	HAS(err, "NUL");
	NOTHING_SENT();
	assert_int_equal(run_to("/dev/full", INFO, "send"), 6);
}

static void test_status(void **state)
{
	json_object *obj;
	char first[64], *second;

	(void)state;
	RUN(NULL, "status", 0);
	HAS(out, "power-on count   7");
	HAS(out, "open, next sequence number 3");
	HAS(out, "0x00010000 + 0x00100000 (1 MiB)");
	HAS(out, "   0  written   5\n");
	HAS(out, "   3  none      -\n");
	HAS(out, "not verified");
	/* Read only, each slot once, and never the same nonce. */
	assert_memory_equal(get("log"), "call rd 1\nblock 9b480000", 24);
	snprintf(first, sizeof(first), "%.32s", get("log") + 24);
	second = strstr(get("log"), "block 9b480100");
	assert_non_null(second);
	assert_memory_not_equal(second + 14, first, 32);

	RUN(NULL, "status --json", 0);
	obj = parse_out(out);
	assert_false(boolean(obj, "verified"));
	assert_int_equal(integer(obj, "power_on_count"), 7);
	assert_true(boolean(obj, "session"));
	assert_int_equal(integer(obj, "seq"), 3);
	assert_false(boolean(obj, "derivation_locked"));
	assert_int_equal(integer(obj, "regions.0.address"), 0x10000);
	assert_int_equal(integer(obj, "regions.0.length"), 1 << 20);
	assert_int_equal(length(obj, "slots"), 4);
	assert_true(boolean(obj, "slots.0.root_key"));
	assert_int_equal(integer(obj, "slots.2.counter"), 7);
	json_object_put(obj);

	put("script", "ok\nrefuse 04\n");
	RUN(NULL, "status", 3);
	HAS(out, "   1  none      refused: 04");
	put("script", "refuse 04\nrefuse 04\nrefuse 04\nrefuse 04\n");
	RUN(NULL, "status --json", 3);
	obj = parse_out(out);
	assert_int_equal(integer(obj, "slots.0.status"), 4);
	assert_null(json_object_object_get(obj, "power_on_count"));
	json_object_put(obj);
	put("script", "stale\n");
	RUN(NULL, "status --json", 5);
	HAS(err, "nonce is not ours");
	assert_string_equal(out, "");
	put("script", "raw 80480000\n");
	RUN(NULL, "status", 5);
	HAS(err, "malformed");
	put("script", "unknown EIO\n");
	RUN(NULL, "status", 4);
	put("script", "errno EINTR\n");
	RUN(NULL, "status", 2);

	unlink(path_of("log"));
	put("dev/mtd0", "flags 1\n");
	RUN(NULL, "status", 0);
	HAS(out, "JESD260 commands alone");
	RUN(NULL, "status --json", 0);
	obj = parse_out(out);
	assert_int_equal(integer(obj, "nr_slots"), 4);
	json_object_put(obj);
	put("dev/mtd0", "slots 0\n");
	RUN(NULL, "status", 2);
	NOTHING_SENT();
}

static void test_counter(void **state)
{
	json_object *obj;

	(void)state;
	RUN(NULL, "counter --json", 0);
	obj = parse_out(out);
	assert_int_equal(length(obj, "slots"), 4);
	json_object_put(obj);
	RUN(NULL, "counter --slot 2 --json", 0);
	obj = parse_out(out);
	assert_int_equal(length(obj, "slots"), 1);
	assert_int_equal(integer(obj, "slots.0.slot"), 2);
	assert_int_equal(integer(obj, "slots.0.counter"), 7);
	assert_false(boolean(obj, "verified"));
	json_object_put(obj);

	unlink(path_of("log"));
	RUN(NULL, "counter --json --block " B03("01"), 0);
	obj = parse_out(out);
	assert_int_equal(integer(obj, "slot"), 1);
	assert_int_equal(integer(obj, "counter"), 6);
	assert_string_equal(string(obj, "tag"), "000102030405060708090a0b");
	assert_int_equal(strlen(string(obj, "signature")), 64);
	json_object_put(obj);
	assert_string_equal(get("log"), "call rd 1\nblock " B03("01") "\n");
	RUN(B03("03") "\n", "counter -b -", 0);
	HAS(out, "counter    8");
	HAS(out, "not verified");
	put("script", "stale\n");
	RUN(B03("03") "\n", "counter -b -", 5);
	put("script", "refuse 08\n");
	RUN(B03("03") "\n", "counter -b -", 3);
	HAS(err, "no HMAC key");

	unlink(path_of("log"));
	RUN(NULL, "counter --slot 4", 1);
	HAS(err, "slots 0 to 3");
	RUN(NULL, "counter --slot 16", 1);
	RUN(NULL, "counter --slot 1x", 1);
	RUN(NULL, "counter --block 9b0", 1);
	RUN(NULL, "counter --block " B01("00"), 1);
	HAS(err, "it changes state");
	RUN(NULL, "counter --block " INFO, 1);
	HAS(err, "is \"get information\"");
	RUN(NULL, "counter --block " B03("00") "00", 1);
	HAS(err, "length");
	RUN(NULL, "counter --slot 1 --block " B03("00"), 1);
	HAS(err, "for slot 0, not 1");
	RUN("", "counter --block -", 1);
	put("dev/mtd0", "flags 1\n");
	RUN(NULL, "counter", 2);
	HAS(err, "JESD260 commands alone");
	NOTHING_SENT();
}

static void test_measure(void **state)
{
	static const char nonce[] = "00112233445566778899aabbccddeeff"
				    "ffeeddccbbaa99887766554433221100";
	uint8_t md[32], content[0x1000];
	char hex[65], args[256];
	json_object *obj;
	unsigned int i;
	FILE *f;

	(void)state;
	put_content();
	f = fopen(path_of("content"), "r");
	assert_int_equal(fread(content, 1, sizeof(content), f), sizeof(content));
	fclose(f);
	EVP_Digest(content, sizeof(content), md, NULL, EVP_sha256(), NULL);
	for (i = 0; i < 32; i++)
		sprintf(hex + 2 * i, "%02x", md[i]);

	snprintf(args, sizeof(args), "measure -a 0 -l 4k -n %s -e %s --json", nonce, hex);
	RUN(NULL, args, 0);
	obj = parse_out(out);
	assert_string_equal(string(obj, "nonce"), nonce);
	assert_string_equal(string(obj, "measurements.0.sha256"), hex);
	assert_true(boolean(obj, "measurements.0.as_expected"));
	assert_int_equal(integer(obj, "measurements.0.length"), 4096);
	assert_false(boolean(obj, "verified"));
	/* All that a server needs to verify it. */
	snprintf(args, sizeof(args), "call rd 1\nblock %s\n", string(obj, "measurements.0.block"));
	assert_string_equal(get("log"), args);
	assert_int_equal(strlen(string(obj, "measurements.0.response")), 2 * 112);
	json_object_put(obj);

	RUN(NULL, "measure --address 64k --expect image", 0);
	HAS(out, "0x00010000  0x00012345  ");
	HAS(out, "as expected");
	HAS(out, "not verified");
	RUN(NULL, "measure --address 0x10000 --expect tampered", 5);
	HAS(out, "DIFFERS");
	RUN(NULL, "measure --address 0x10001 --expect image", 5);
	RUN(NULL, "measure --json --address 0x10000 --expect tampered", 5);
	obj = parse_out(out);
	assert_false(boolean(obj, "measurements.0.as_expected"));
	json_object_put(obj);
	RUN("abc", "measure --expect -", 5);

	/* Longer than the kernel lets one block take: pieces, without a gap. */
	unlink(path_of("log"));
	RUN(NULL, "measure --expect large --json", 0);
	obj = parse_out(out);
	assert_int_equal(length(obj, "measurements"), 2);
	assert_int_equal(integer(obj, "measurements.0.address"), 0);
	assert_int_equal(integer(obj, "measurements.0.length"), 100 * 65536);
	assert_int_equal(integer(obj, "measurements.1.address"), 100 * 65536);
	assert_int_equal(integer(obj, "measurements.1.length"), (9 << 20) - 100 * 65536);
	assert_true(boolean(obj, "measurements.1.as_expected"));
	json_object_put(obj);
	RUN(NULL, "measure --json", 0);
	obj = parse_out(out);
	assert_int_equal(length(obj, "measurements"), 3);
	json_object_put(obj);

	put("script", "refuse 40\n");
	RUN(NULL, "measure -l 4k --json", 3);
	obj = parse_out(out);
	assert_int_equal(length(obj, "measurements"), 0);
	json_object_put(obj);
	HAS(err, "not allowed");
	put("script", "stale\n");
	RUN(NULL, "measure -l 4k", 5);
	HAS(err, "another request");
	assert_string_equal(out, "");
	put("script", "unknown ETIMEDOUT\n");
	RUN(NULL, "measure -l 4k", 4);
	HAS(err, "outcome unknown");
	assert_string_equal(out, "");
	/* It ends at the first piece without an answer. */
	unlink(path_of("log"));
	put("script", "unknown ETIMEDOUT\n");
	RUN(NULL, "measure", 4);
	assert_null(strstr(get("log") + 1, "call"));
}

static void test_measure_input(void **state)
{
	static const struct {
		const char *args;
		const char *why;
	} cases[] = {
		{ "-l 0", "length is 0" },
		{ "-a 16M", "length is 0" },
		{ "-a 17M", "length is 0" },
		{ "-a 16M -l 1", "lies outside" },
		{ "-a 0xffffffff -l 0xffffffff", "lies outside" },
		{ "-l 0x1000001", "lies outside" },
		{ "-l 4294967296", "too large" },
		{ "-l 4194304k", "too large" },
		{ "-l 18446744073709551616", "too large" },
		{ "-l 0x10000000000000001", "too large" },
		{ "-l 18014398509481985k", "too large" },
		{ "-l 17592186044417M", "too large" },
		{ "-l -1", "no number" },
		{ "-l +1", "no number" },
		{ "-l 0x", "no number" },
		{ "-l k", "no number" },
		{ "-l 1kk", "no suffix" },
		{ "-l 1G", "no suffix" },
		{ "-l 0x1h", "no suffix" },
		{ "-l 1.5k", "no suffix" },
		{ "-l", "requires an argument" },
		{ "-n 00", "64 hexadecimal digits" },
		{ "-s 4", "slots 0 to 3" },
		{ "-e nofile", "No such file" },
		{ "-e image -l 1", "--length says 1" },
		{ "-e " Z32, "give the image file" },
	};
	char args[256];
	size_t i;

	(void)state;
	put_content();
	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		snprintf(args, sizeof(args), "measure %s", cases[i].args);
		RUN(NULL, args, 1);
		HAS(err, cases[i].why);
		assert_string_equal(out, "");
	}
	put("dev/mtd0", "offset 0x100000 size 0x100000\n");
	RUN(NULL, "measure -a 0 -l 1", 1);
	RUN(NULL, "measure -a 0x1fffff -l 2", 1);
	HAS(err, "lies outside /dev/mtd0, which is 0x100000 + 0x100000 of the chip");
	put("dev/mtd0", "flags 1\n");
	RUN(NULL, "measure", 2);
	HAS(err, "cannot measure");
	NOTHING_SENT();
	put("dev/mtd0", "offset 0x100000 size 0x100000\n");
	RUN(NULL, "measure --json", 0);
	HAS(out, "\"address\": 1048576");
}

static void no_secret(void)
{
	if (strstr(out, S8) || strstr(err, S8))
		fail_msg("the root key was printed:\n%s%s", out, err);
}

static void test_provision(void **state)
{
	json_object *obj;

	(void)state;
	put("plan", PLAN(SLOT(0, "00") ", " SLOT(3, "03")));
	RUN(NULL, "provision plan", 0);
	no_secret();
	obj = parse_out(out);
	assert_int_equal(integer(obj, "v"), 1);
	assert_string_equal(string(obj, "device"), "board-17");
	assert_string_equal(string(obj, "chip"), "mt25qu128abb-authenta");
	assert_string_equal(string(obj, "id"), "20bb1812008c");
	assert_int_equal(length(obj, "slots"), 2);
	assert_int_equal(integer(obj, "slots.1.slot"), 3);
	assert_int_equal(length(obj, "slots.1.responses"), 3);
	assert_int_equal(integer(obj, "slots.1.responses.2.status"), 128);
	assert_int_equal(strlen(string(obj, "slots.1.responses.2.response")), 98);
	assert_memory_equal(string(obj, "slots.1.responses.2.response"),
			    "80000102030405060708090a0b00000008", 34);
	json_object_put(obj);
	HAS(err, "   0  written               set                   5\n");
	HAS(err, "   3  written               set                   8\n");
	assert_string_equal(get("log"),
			    "call wr 1\nblock " B00("00") "\ncall wr 1\nblock " B01("00") "\n"
			    "call wr 1\nblock " B03("00") "\ncall wr 1\nblock " B00("03") "\n"
			    "call wr 1\nblock " B01("03") "\ncall wr 1\nblock " B03("03") "\n");

	/* With its block sent a root key is nowhere in memory any more; before, it is. */
	put("script", "scan d5\n");
	RUN(PLAN(SLOT(0, "00")), "provision -", 99);
	put("script", "ok\nscan d5\n");
	RUN(PLAN(SLOT(0, "00")), "provision -", 0);
	put("script", "ok\nok\nok\nok\nscan d5\n");
	RUN(PLAN(SLOT(0, "00") ", " SLOT(3, "03")), "provision -", 0);

	/* A second run: the chip refuses the root key, the rest goes on. */
	put("script", "refuse 02\n");
	RUN(PLAN(SLOT(0, "00")), "provision -o answer -", 3);
	assert_string_equal(out, "");
	no_secret();
	HAS(err, "already written (02)  set                   5\n");
	HAS(err, "write root key: refused by the chip: status 02, root key already written");
	obj = parse_out(get("answer"));
	assert_int_equal(integer(obj, "slots.0.responses.0.status"), 2);
	assert_int_equal(integer(obj, "slots.0.responses.2.status"), 128);
	json_object_put(obj);

	/* Another key is in the chip: nothing is claimed of it. */
	put("script", "refuse 02\nrefuse 04\nrefuse 08\n");
	RUN(PLAN(SLOT(0, "00")), "provision -", 3);
	HAS(err, "refused (02)          refused (04)          refused (08)\n");

	/* Outcome unknown: the answers to the other blocks tell. */
	put("script", "unknown ETIMEDOUT\n");
	RUN(PLAN(SLOT(0, "00")), "provision -", 4);
	obj = parse_out(out);
	assert_int_equal(integer(obj, "slots.0.responses.0.status"), 0);
	assert_string_equal(string(obj, "slots.0.responses.0.response"), "");
	assert_string_equal(string(obj, "slots.0.responses.0.error"), "ETIMEDOUT");
	assert_int_equal(integer(obj, "slots.0.responses.2.status"), 128);
	json_object_put(obj);
	HAS(err, "unknown (ETIMEDOUT)");

	/* The device goes in the middle: what was done is told. */
	unlink(path_of("log"));
	put("script", "ok\nerrno ENODEV\n");
	RUN(PLAN(SLOT(0, "00") "," SLOT(1, "01")), "provision -", 2);
	obj = parse_out(out);
	assert_int_equal(integer(obj, "slots.0.responses.0.status"), 128);
	assert_string_equal(string(obj, "slots.0.responses.1.error"), "ENODEV");
	assert_string_equal(string(obj, "slots.1.responses.2.error"), "STOPPED");
	json_object_put(obj);
	assert_string_equal(get("log"), "call wr 1\nblock " B00("00") "\ncall wr 1\n");

	/* Nothing sent at all: nothing that looks like an answer. */
	put("script", "errno EPERM\n");
	RUN(PLAN(SLOT(0, "00")), "provision -", 2);
	assert_string_equal(out, "");
	HAS(err, "EPERM");

	assert_int_equal(run_to("/dev/full", PLAN(SLOT(0, "00")), "provision -"), 6);
}

static void test_provision_input(void **state)
{
	static const struct {
		const char *text;
		const char *why;
	} cases[] = {
		{ "", "cut off" },
		{ "[]", "not an object" },
		{ "{}", "\"v\"" },
		{ "{\"v\": 1}", "\"device\"" },
		{ "{\"v\": 2, \"device\": \"a\", \"slots\": []}", "\"v\"" },
		{ "{\"v\": \"1\", \"device\": \"a\", \"slots\": []}", "\"v\"" },
		{ "{\"v\": 1.0, \"device\": \"a\", \"slots\": []}", "\"v\"" },
		{ "{\"v\": 1, \"device\": \"a b\", \"slots\": []}", "\"device\"" },
		{ "{\"v\": 1, \"device\": \"\", \"slots\": []}", "\"device\"" },
		{ "{\"v\": 1, \"device\": \"a\\u0000b\", \"slots\": []}", "\"device\"" },
		{ "{\"v\": 1, \"device\": \"a\", \"slots\": []}", "\"slots\"" },
		{ "{\"v\": 1, \"device\": \"a\", \"slots\": {}}", "\"slots\"" },
		{ PLAN("1"), "\"slot\"" },
		{ PLAN("null"), "\"slot\"" },
		{ PLAN("{\"slot\": 16}"), "\"slot\"" },
		{ PLAN("{\"slot\": -1}"), "\"slot\"" },
		{ PLAN("{\"slot\": 4294967296}"), "\"slot\"" },
		{ PLAN("{\"slot\": 0}"), "\"blocks\"" },
		{ PLAN("{\"slot\": 0, \"blocks\": [\"" B00("00") "\", \"" B01("00") "\"]}"),
		  "\"blocks\"" },
		{ PLAN("{\"slot\": 0, \"blocks\": [1, 2, 3]}"), "block 0 is not a hex" },
		{ PLAN("{\"slot\": 0, \"blocks\": [\"9b0\", \"\", \"\"]}"),
		  "block 0 is not a hex" },
		{ PLAN("{\"slot\": 0, \"blocks\": [\"9b00\\u000000\", \"\", \"\"]}"),
		  "block 0 is not a hex" },
		{ PLAN("{\"slot\": 0, \"blocks\": [\"" B00("00") "00\", \"\", \"\"]}"),
		  "block 0 is not a hex" },
		{ PLAN("{\"slot\": 0, \"blocks\": [\"\", \"\", \"\"]}"),
		  "block 0 (write root key): it is shorter" },
		{ PLAN("{\"slot\": 0, \"blocks\": [\"" B01("00") "\", \"" B00("00") "\", \""
		       B03("00") "\"]}"), "block 0 (write root key): it is another command's" },
		{ PLAN("{\"slot\": 0, \"blocks\": [\"" B00("00") "\", \"" B01("00") "00\", \""
		       B03("00") "\"]}"), "block 1 (update HMAC key): its length" },
		{ PLAN("{\"slot\": 0, \"blocks\": [\"" B00("00") "\", \"" B01("01") "\", \""
		       B03("00") "\"]}"), "block 1 (update HMAC key): it is for another slot" },
		{ PLAN("{\"slot\": 0, \"blocks\": [\"" B00("00") "\", \"" B01("00") "\", \""
		       INFO "\"]}"), "block 2 (request counter): it is another command's" },
		/* The first slot is right: it must not be sent either. */
		{ PLAN(SLOT(0, "00") "," SLOT(1, "02")), "slot 1: block 0" },
		{ PLAN(SLOT(0, "00") "," SLOT(4, "04")), "no such slot" },
		{ PLAN(SLOT(0, "00") "," SLOT(0, "00")), "twice" },
		{ PLAN(SLOT(0, "00")) "x", "unexpected character" },
		{ PLAN(SLOT(0, "00")) "{}", "not a provisioning file" },
		{ "{\"v\": 1, \"x\": [[[[[[[[[]]]]]]]]]}", "nested too deep" },
		{ "{\"v\": 1, \"x\": \"\xff\"}", "UTF-8" },
		{ "{'v': 1}", "unexpected character" },
	};
	static const char whole[] = PLAN(SLOT(0, "00"));
	char part[sizeof(whole)];
	char *huge;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		RUN(cases[i].text, "provision -o answer -", 1);
		HAS(err, cases[i].why);
		no_secret();
		assert_string_equal(out, "");
	}
	/* Cut off: every few bytes, for each run takes milliseconds. */
	for (i = 0; i < sizeof(whole) - 1; i += 7) {
		snprintf(part, sizeof(part), "%.*s", (int)i, whole);
		RUN(part, "provision -", 1);
		no_secret();
	}
	huge = malloc(70000);
	memset(huge, ' ', 69999);
	huge[69999] = '\0';
	RUN(huge, "provision -", 1);
	HAS(err, "longer than 65536 bytes");
	free(huge);
	RUN(whole, "provision", 1);
	RUN(whole, "provision -o /nonexistent/answer -", 1);
	HAS(err, "/nonexistent/answer");
	NOTHING_SENT();
	assert_int_equal(access(path_of("answer"), F_OK), -1);
}

/* Sector protection */

/* States of the chip's sectors from the first on, in hex. */
static void put_sectors(const char *hex)
{
	uint8_t sectors[4096] = { 0 };
	unsigned int state;
	size_t i;

	for (i = 0; sscanf(hex + 2 * i, "%2x", &state) == 1; i++)
		sectors[i] = state;
	put_file("sectors", sectors, i);
}

static void lines_fit(const char *text, size_t columns)
{
	const char *line, *end;

	for (line = text; *line; line = end + 1) {
		end = strchr(line, '\n');
		assert_non_null(end);
		if ((size_t)(end - line) > columns)
			fail_msg("more than %zu columns: %.*s", columns, (int)(end - line), line);
	}
}

static unsigned int count_lines(const char *text)
{
	unsigned int n = 0;

	while ((text = strchr(text, '\n'))) {
		text++;
		n++;
	}
	return n;
}

/* The only node with sector protection, whether it has A-CRTM or not, and its place. */
static void test_asp_nodes(void **state)
{
	json_object *obj;

	(void)state;
	put("dev/mtd0", "asp EOPNOTSUPP\n");
	put("dev/mtd1", "errno EOPNOTSUPP\n");
	put("dev/mtd2", "asp EOPNOTSUPP errno EOPNOTSUPP\n");
	mkdir(path_of("sys"), 0755);
	put("sys/size", "16777216\n");
	RUN(NULL, "map", 0);
	HAS(out, "/dev/mtd1, the whole chip: 256 sectors of 64 KiB");
	RUN(NULL, "map -d /dev/mtd0", 2);
	HAS(err, "no sector protection");
	HAS(err, "micron,sector-protection");
	RUN(NULL, "lock -d /dev/mtd2", 2);
	NOTHING_SENT();
	RUN(NULL, "info -d /dev/mtd1", 2);

	/* Without A-CRTM the place comes from sysfs. */
	put("sys/offset", "1048576\n");
	put("dev/mtd1", "errno EOPNOTSUPP offset 0x100000 size 0x30000\n");
	put("sys/size", "196608\n");
	RUN(NULL, "map --json", 0);
	obj = parse_out(out);
	assert_false(boolean(obj, "whole_chip"));
	assert_int_equal(integer(obj, "node_offset"), 0x100000);
	assert_int_equal(integer(obj, "node_size"), 0x30000);
	assert_int_equal(integer(obj, "ranges.0.offset"), 0);
	assert_int_equal(integer(obj, "ranges.0.address"), 0x100000);
	json_object_put(obj);
	RUN(NULL, "lock --non-volatile --offset 64k --length 64k", 0);
	HAS(get("log"), "asp 1 0x110000 0x10000 ");
	/* A partition of a partition (the folder above). */
	put("offset", "65536\n");
	put("dev/mtd1", "errno EOPNOTSUPP offset 0x110000 size 0x30000\n");
	RUN(NULL, "lock -n -l 64k", 0);
	HAS(get("log"), "asp 1 0x110000 0x10000 ");
	unlink(path_of("offset"));

	/* What does not fit together is never turned into an address. */
	forget_log();
	RUN(NULL, "lock -n -l 64k", 2);
	HAS(err, "contradicts itself");
	put("dev/mtd1", "errno EOPNOTSUPP offset 0x100000 size 0x40000\n");
	RUN(NULL, "lock -n -l 64k", 2);
	HAS(err, "contradicts itself");
	unlink(path_of("sys/size"));
	RUN(NULL, "lock -n -l 64k", 2);
	HAS(err, "cannot tell where it lies in its chip");
	put("sys/size", "many\n");
	RUN(NULL, "lock -n -l 64k", 2);

	/* Not even alone is one that may be another chip. */
	put("sys/size", "262144\n");
	unasked("mtd0", "asp");
	unasked("mtd2", "asp");
	put("dev/mtd0", "asp ENODEV\n");
	put("dev/mtd2", "asp ENOTTY\n");
	RUN(NULL, "lock -l 64k", 0);
	assert_string_equal(get("log"), "lock 0x0 0x10000\n");
	forget_log();

	put("dev/mtd2", "asp EOPNOTSUPP errno EOPNOTSUPP\n");
	put("dev/mtd0", "");
	RUN(NULL, "freeze", 2);
	HAS(err, "2 nodes have sector protection");
	HAS(err, "  /dev/mtd1    0x00100000 + 0x40000\n");
	put("dev/mtd0", "asp ENOTTY\n");
	put("dev/mtd1", "asp EOPNOTSUPP\n");
	RUN(NULL, "map", 2);
	HAS(err, "ENOTTY");
	put("dev/mtd0", "asp EOPNOTSUPP\n");
	RUN(NULL, "map", 2);
	HAS(err, "no MTD device with sector protection");
	NOTHING_SENT();
}

static void test_lock(void **state)
{
	json_object *obj;

	(void)state;
	RUN(NULL, "lock", 0);
	assert_string_equal(get("log"), "lock 0x0 0x1000000\n");
	HAS(out, "0x00000000 + 0x01000000 (256 x 64 KiB): volatile lock set");
	forget_log();
	/* Relative to the node, whatever it is of the chip. */
	put("dev/mtd0", "offset 0x100000 size 0x200000\n");
	RUN(NULL, "lock --offset 0x20000 --length 64k --json", 0);
	assert_string_equal(get("log"), "lock 0x20000 0x10000\n");
	obj = parse_out(out);
	assert_string_equal(string(obj, "node"), "/dev/mtd0");
	assert_string_equal(string(obj, "command"), "lock");
	assert_string_equal(string(obj, "outcome"), "accepted");
	assert_int_equal(integer(obj, "offset"), 0x20000);
	assert_int_equal(integer(obj, "address"), 0x120000);
	assert_int_equal(integer(obj, "length"), 0x10000);
	assert_int_equal(integer(obj, "sectors"), 1);
	assert_int_equal(integer(obj, "done"), 1);
	json_object_put(obj);
	forget_log();
	RUN(NULL, "unlock -o 1M", 0);
	assert_string_equal(get("log"), "unlock 0x100000 0x100000\n");
	HAS(out, "(16 x 64 KiB): open");
	forget_log();
	put_sectors("00000000000000000000000000000000" "0303");
	RUN(NULL, "lock --down -l 128k", 0);
	assert_string_equal(get("log"), "lock 0x0 0x20000\n"
			    "asp 0 0x100000 0x20000 0000000000000000 \n");
	HAS(out, "locked down");
	forget_log();
	RUN(NULL, "lock --non-volatile -o 1984k -l 64k", 0);
	assert_string_equal(get("log"), "asp 1 0x2f0000 0x10000 0000000000000000 \n");
	HAS(out, "non-volatile lock set");
	forget_log();
	RUN(NULL, "unlock --non-volatile --json", 0);
	assert_string_equal(get("log"), "asp 2 0x0 0x0 0000000000000000 \n");
	obj = parse_out(out);
	assert_null(json_object_object_get(obj, "offset"));
	assert_string_equal(string(obj, "command"), "erase non-volatile locks");
	json_object_put(obj);
	RUN(NULL, "unlock -n", 0);
	HAS(out, "ALL non-volatile locks of the chip");
	forget_log();
	RUN(NULL, "freeze", 0);
	HAS(out, "until the chip's reset or power-on");
	put("dev/mtd0", "asp_flags 2\n");
	RUN(NULL, "freeze", 0);
	HAS(out, "until the password is given");
	assert_string_equal(get("log"), "asp 3 0x0 0x0 0000000000000000 \n"
			    "asp 3 0x0 0x0 0000000000000000 \n");
	assert_int_equal(run_to("/dev/full", NULL, "lock"), 6);
	assert_int_equal(run_to("/dev/full", NULL, "freeze --json"), 6);
	run_to_nobody("freeze");
	run_to_nobody("freeze --json");
}

static void test_lock_input(void **state)
{
	static const struct {
		const char *args;
		const char *why;
	} cases[] = {
		{ "lock -l 0", "empty" },
		{ "lock -o 16M", "empty" },
		{ "lock -o 17M", "empty" },
		{ "lock -o 17M -l 64k", "lies outside /dev/mtd0, which has 0x1000000 bytes" },
		{ "lock -o 64k -l 16M", "lies outside" },
		{ "unlock -o 0xffff0000 -l 0xffff0000", "lies outside" },
		{ "lock -o 4k", "not made of whole sectors of 64 KiB" },
		{ "lock -l 65535", "not made of whole sectors" },
		{ "lock -l 65537 -n", "not made of whole sectors" },
		{ "unlock -l 1", "not made of whole sectors" },
		{ "unlock -o 32k -l 64k", "not made of whole sectors" },
		{ "lock -l 4294967296", "too large" },
		{ "lock --down --non-volatile", "not together" },
		{ "lock --down", "--down needs --length" },
		{ "lock -D --offset 64k", "--down needs --length" },
		{ "lock --non-volatile", "--non-volatile needs --length" },
		{ "lock -n --offset 1M", "--non-volatile needs --length" },
		{ "unlock --down", "unrecognized option" },
		{ "unlock -n -o 0", "ALL" },
		{ "unlock --non-volatile --length 64k", "ALL" },
	};
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		RUN(NULL, cases[i].args, 1);
		HAS(err, cases[i].why);
		assert_string_equal(out, "");
	}
	/* Neither end of the partition is a sector's; the first whole one is named. */
	put("dev/mtd0", "offset 0x11000 size 0x2e000\n");
	RUN(NULL, "lock", 1);
	HAS(err, "begins at 0x11000 of the chip, so its first whole sector is at offset 0xf000");
	RUN(NULL, "lock --offset 64k --length 64k", 1);
	NOTHING_SENT();
	RUN(NULL, "lock --offset 0xf000 --length 64k", 0);
	RUN(NULL, "lock -n --offset 0xf000 --length 64k", 0);
	assert_string_equal(get("log"), "lock 0xf000 0x10000\n"
			    "asp 1 0x20000 0x10000 0000000000000000 \n");
}

/* What fails is explained: what changed, which sector, and why. */
static void test_lock_fails(void **state)
{
	json_object *obj;

	(void)state;
	put_sectors("010000020100");
	put("script", "errno EACCES\n");
	RUN(NULL, "lock -l 256k --json", 2);
	HAS(err, "nothing changed: the sector at offset 0x00030000 (0x00030000 of the chip) is "
	    "open, locked down (EACCES)");
	obj = parse_out(out);
	assert_string_equal(string(obj, "outcome"), "unsent");
	assert_string_equal(string(obj, "error"), "EACCES");
	assert_null(json_object_object_get(obj, "done"));
	json_object_put(obj);

	/* Each lock that unlock cannot take away. */
	put("dev/mtd0", "offset 0x10000 size 0x50000\n");
	put_sectors("1f0901030000");
	put("script", "errno EACCES\n");
	RUN(NULL, "unlock", 2);
	HAS(err, "offset 0x00020000 (0x00030000 of the chip) is volatile, locked down (EACCES)");
	put_sectors("000001090414");
	put("script", "errno EACCES\n");
	RUN(NULL, "unlock", 2);
	HAS(err, "(0x00040000 of the chip) is non-volatile (EACCES)");
	put_sectors("000001090010");
	put("script", "errno EACCES\n");
	RUN(NULL, "unlock", 2);
	HAS(err, "(0x00050000 of the chip) is region (EACCES)");
	put("dev/mtd0", "asp_flags 8 pmr 0xef\n");
	put_sectors("0808");
	put("script", "errno EACCES\n");
	RUN(NULL, "unlock -l 128k", 2);
	HAS(err, "block protection of this chip can never change");
	put("dev/mtd0", "");
	put("script", "errno EACCES\n");
	RUN(NULL, "unlock -l 128k", 2);
	HAS(err, "as it stands");
	put("script", "errno EINVAL\n");
	RUN(NULL, "unlock -l 64k", 2);
	HAS(err, "block protection bits cannot open this range");
	HAS(err, "opens more than you asked for (EINVAL)");
	put("script", "errno EPERM\n");
	RUN(NULL, "lock", 2);
	HAS(err, "(EPERM)");

	/* Half-way: counted from the map. */
	put_sectors("01030100");
	put("script", "errno EIO\n");
	RUN(NULL, "lock -l 320k --json", 4);
	HAS(err, "it failed: the chip refused it or did not answer as it should, or the SPI "
	    "transfer failed (EIO)");
	HAS(err, "3 of 5 sectors are as wanted; the one behind them, at offset 0x00030000 "
	    "(0x00030000 of the chip), is open");
	obj = parse_out(out);
	assert_string_equal(string(obj, "outcome"), "unknown");
	assert_string_equal(string(obj, "error"), "EIO");
	assert_int_equal(integer(obj, "done"), 3);
	assert_int_equal(length(obj, "state"), 0);
	json_object_put(obj);
	put("dev/mtd0", "map EIO\n");
	put("script", "errno EIO\n");
	RUN(NULL, "unlock -l 320k --json", 4);
	HAS(err, "the map cannot be read");
	obj = parse_out(out);
	assert_null(json_object_object_get(obj, "done"));
	json_object_put(obj);
	put("dev/mtd0", "");
	put_sectors("000009");
	put("script", "errno EIO\n");
	RUN(NULL, "unlock -l 320k", 4);
	HAS(err, "2 of 5 sectors are as wanted; the one behind them, at offset 0x00020000 "
	    "(0x00020000 of the chip), is volatile, block protection");

	/* --down: the second step fails. */
	put("script", "ok\nresult EIO:1:01\n");
	RUN(NULL, "lock --down -l 256k --json", 4);
	HAS(err, "1 of 4 sectors are as wanted; the one behind them, at offset 0x00010000 "
	    "(0x00010000 of the chip), is volatile");
	HAS(err, "the volatile locks themselves are set");
	obj = parse_out(out);
	assert_string_equal(string(obj, "command"), "lock down");
	assert_int_equal(integer(obj, "done"), 1);
	assert_string_equal(string(obj, "state.0"), "volatile");
	assert_null(json_object_object_get(obj, "volatile_set"));
	json_object_put(obj);
	/* ... changes nothing, which is not true of the whole ... */
	put("script", "ok\nerrno EPERM\n");
	RUN(NULL, "lock --down -l 256k --json", 2);
	HAS(err, "the volatile locks themselves are set");
	obj = parse_out(out);
	assert_string_equal(string(obj, "outcome"), "unsent");
	assert_true(boolean(obj, "volatile_set"));
	json_object_put(obj);
	/* ... locks down what somebody opened in between ... */
	put_sectors("03030203");
	RUN(NULL, "lock --down -l 256k --json", 4);
	HAS(err, "2 of 4 sectors are as wanted; the one behind them, at offset 0x00020000 "
	    "(0x00020000 of the chip), is open, locked down");
	obj = parse_out(out);
	assert_string_equal(string(obj, "outcome"), "unknown");
	assert_string_equal(string(obj, "error"), "EIO");
	assert_int_equal(integer(obj, "done"), 2);
	assert_string_equal(string(obj, "state.0"), "locked down");
	json_object_put(obj);
	/* ... cannot be checked ... */
	put_sectors("03030303");
	put("dev/mtd0", "map EIO\n");
	RUN(NULL, "lock --down -l 256k", 4);
	HAS(err, "nobody knows");
	assert_string_equal(out, "");
	put("dev/mtd0", "");
	RUN(NULL, "lock --down -l 256k", 0);
	/* ... or is never tried. */
	forget_log();
	put("script", "errno EPERM\n");
	RUN(NULL, "lock --down -l 256k --json", 2);
	assert_string_equal(get("log"), "lock 0x0 0x40000\n");
	assert_null(strstr(out, "volatile_set"));

	put("script", "result ETIMEDOUT:4:00\n");
	RUN(NULL, "lock -n -l 256k", 4);
	HAS(err, "the chip was not ready in time (ETIMEDOUT)");
	HAS(err, "all 4 sectors of the range are as wanted");
	put("script", "result EIO:0:00\n");
	RUN(NULL, "unlock -n", 4);
	HAS(err, "crtmctl map shows");
	assert_string_equal(out, "");
}

/* EACCES: the registers tell why. */
static void test_forbidden(void **state)
{
	static const struct {
		const char *args;
		const char *registers;
		const char *why;
	} cases[] = {
		{ "lock -n -l 64k", "asp_flags 1", "frozen until the chip's power-on" },
		{ "lock -n -l 64k", "asp_flags 3", "frozen: crtmctl password unlock" },
		{ "lock -n -l 64k", "asp_flags 8 pmr 0xfd", "can never change" },
		{ "lock -n -l 64k", "", "as it stands" },
		{ "unlock -n", "asp_flags 1", "frozen until the chip's power-on" },
		{ "unlock -n", "asp_flags 8 pmr 0xfe", "can never be erased" },
		/* The register does not count where it is not known. */
		{ "unlock -n", "asp_flags 1 pmr 0", "frozen" },
		{ "password unlock -f password", "", "not in password mode" },
		{ "password verify -f password", "asp_flags 2", "cannot be read" },
		{ "password program -c unused-password-bits -f password", "", "from 1 to 0" },
		{ "password program -c unused-password-bits -f password", "asp_flags 2",
		  "in password mode already" },
		{ "protect password-mode -c locks-without-password -f password", "asp_flags 4",
		  "given up for ever" },
		{ "protect no-password -c password-mode", "asp_flags 2", "in password mode" },
		{ "protect status-register -c status-register", "asp_flags 8 pmr 0xfb",
		  "can never change" },
	};
	char node[64];
	size_t i;

	(void)state;
	put("password", S8 "\n");
	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		snprintf(node, sizeof(node), "%s\n", cases[i].registers);
		put("dev/mtd0", node);
		put("script", "errno EACCES\n");
		RUN(NULL, cases[i].args, 2);
		HAS(err, cases[i].why);
		HAS(err, "nothing changed");
		HAS(err, "(EACCES)");
		assert_string_equal(out, "");
	}
	put("script", "errno EOPNOTSUPP\n");
	RUN(NULL, "protect status-register -c status-register", 2);
	HAS(err, "the opcode is not public");
	put("script", "errno EPERM\n");
	RUN(NULL, "protect no-password -c password-mode", 2);
	HAS(err, "CAP_SYS_ADMIN");
	put("script", "errno ENODEV\n");
	RUN(NULL, "freeze", 2);
	HAS(err, "the device is gone");
}

static void test_map(void **state)
{
	static const uint8_t open_chip[4096];
	uint8_t all[4096];
	json_object *obj;
	size_t i;

	(void)state;
	/* Every state that there is, in the first sectors. */
	put_sectors("000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f");
	RUN(NULL, "map", 0);
	HAS(out, "/dev/mtd0, the whole chip: 256 sectors of 64 KiB");
	HAS(out, "\n0x00000000  .vdVn1N2b3B45678 r9RACEFGHJKLMPQS ................ "
	    "................\n");
	HAS(out, "\n0x00400000  ................");
	HAS(out, "         *  2 more such lines, up to 0x00ffffff\n");
	HAS(out, "  .   225  open\n");
	HAS(out, "  v     1  volatile\n");
	HAS(out, "  d     1  open, locked down\n");
	HAS(out, "  S     1  volatile, locked down, non-volatile, block protection, region\n");
	HAS(out, "non-volatile locks     can change\n");
	HAS(out, "protection management  ff\nstatus register");
	HAS(out, "status register        00, block protection off\n");
	assert_null(strchr(out, '\033'));
	assert_null(strstr(out, "A-CRTM"));
	lines_fit(out, 80);
	NOTHING_SENT();

	RUN(NULL, "map --json", 0);
	obj = parse_out(out);
	assert_int_equal(integer(obj, "sectors"), 256);
	assert_int_equal(integer(obj, "sector_size"), 65536);
	assert_int_equal(length(obj, "ranges"), 33);
	for (i = 0; i < 32; i++) {
		char path[32];
		unsigned int bits = __builtin_popcount(i);

		snprintf(path, sizeof(path), "ranges.%zu.state", i);
		assert_int_equal(length(obj, path), bits);
		snprintf(path, sizeof(path), "ranges.%zu.locked", i);
		assert_int_equal(boolean(obj, path), !!(i & 0x1d));
		snprintf(path, sizeof(path), "ranges.%zu.address", i);
		assert_int_equal(integer(obj, path), i * 65536);
	}
	assert_string_equal(string(obj, "ranges.31.state.3"), "block protection");
	assert_int_equal(integer(obj, "ranges.32.sectors"), 224);
	assert_int_equal(integer(obj, "ranges.32.length"), 224 * 65536);
	assert_int_equal(strlen(string(obj, "states")), 512);
	assert_memory_equal(string(obj, "states"), "000102030405", 12);
	assert_int_equal(integer(obj, "aspr"), 0xffff);
	assert_int_equal(integer(obj, "pmr"), 0xff);
	assert_true(boolean(obj, "regions_known"));
	assert_false(boolean(obj, "frozen"));
	json_object_put(obj);

	/* A state that this program does not know is not taken for open. */
	put_sectors("20");
	RUN(NULL, "map", 0);
	HAS(out, "0x00000000  ?...");
	HAS(out, "  ?     1  open, something unknown\n");

	/* Registers. */
	put("dev/mtd0", "asp_flags 0x0b aspr 0xfffb pmr 0xea sr 0xfc\n");
	RUN(NULL, "map", 0);
	HAS(out, "sector protection      fffb\n");
	HAS(out, "password mode          on for ever");
	HAS(out, "non-volatile locks     frozen until the password is given\n");
	HAS(out, "protection management  ea\n"
	    "                       locked for ever: status register\n"
	    "                       locked for ever: this register\n"
	    "                       locked for ever: erase of non-volatile locks\n");
	lines_fit(out, 80);
	HAS(out, "fc, block protection all sectors, write disable\n");
	HAS(out, "not told by the chip");
	put("dev/mtd0", "asp_flags 0x0b pmr 0xfd\n");
	RUN(NULL, "map", 0);
	HAS(out, "non-volatile locks     can never change again\n");
	put("dev/mtd0", "asp_flags 0x08 pmr 0xfe\n");
	RUN(NULL, "map", 0);
	HAS(out, "non-volatile locks     can be set, never erased again\n");
	put("dev/mtd0", "asp_flags 5 aspr 0xfffd sr 0x0c\n");
	RUN(NULL, "map", 0);
	HAS(out, "given up for ever");
	HAS(out, "frozen until reset or power-on");
	HAS(out, "not read on this chip");
	HAS(out, "block protection top 4 sectors\n");
	RUN(NULL, "map --json", 0);
	obj = parse_out(out);
	assert_true(boolean(obj, "no_password"));
	assert_true(boolean(obj, "frozen"));
	assert_null(json_object_object_get(obj, "pmr"));
	json_object_put(obj);

	/* What is not known is not claimed. */
	put("dev/mtd0", "asp_flags 0 pmr 0 sr 0x24\n");
	RUN(NULL, "map", 0);
	HAS(out, "non-volatile locks     not frozen\n");
	HAS(out, "block protection bottom 1 sector\n");
	put("dev/mtd0", "sr 0x60\n");
	RUN(NULL, "map", 0);
	HAS(out, "block protection bottom 128 sectors\n");
	put("dev/mtd0", "sr 0x44\n");
	RUN(NULL, "map", 0);
	HAS(out, "block protection all sectors\n");
	mkdir(path_of("sys"), 0755);
	put("sys/size", "131072\n");
	put("sys/offset", "0\n");
	put("dev/mtd0", "errno EOPNOTSUPP size 0x20000 sr 0xfc\n");
	RUN(NULL, "map", 0);
	HAS(out, "fc, block protection bottom 16384 sectors, write disable\n");
	lines_fit(out, 80);

	/* 4096 sectors: open, and as mixed as can be. */
	put("dev/mtd0", "size 0x10000000 chip_size 0x10000000\n");
	put_file("sectors", open_chip, sizeof(open_chip));
	RUN(NULL, "map", 0);
	lines_fit(out, 80);
	HAS(out, "*  63 more such lines, up to 0x0fffffff\n");
	assert_true(count_lines(out) < 15);
	for (i = 0; i < sizeof(all); i++)
		all[i] = i * 7 % 31;
	put_file("sectors", all, sizeof(all));
	RUN(NULL, "map", 0);
	lines_fit(out, 80);
	HAS(out, "\n0x0fc00000  ");
	assert_true(count_lines(out) >= 64);
	RUN(NULL, "map --json", 0);
	obj = parse_out(out);
	assert_int_equal(length(obj, "ranges"), 4096);
	json_object_put(obj);

	/* Two alike are not folded, three are; what is behind them shows. */
	memset(all, 0, sizeof(all));
	all[64 * 2] = all[64 * 6] = 1;
	put_file("sectors", all, sizeof(all));
	RUN(NULL, "map", 0);
	HAS(out, "\n0x00400000  ....");
	HAS(out, "\n0x00800000  v...");
	HAS(out, "\n0x00c00000  ....");
	HAS(out, "\n         *  2 more such lines, up to 0x017fffff\n0x01800000  v");
	HAS(out, "\n         *  56 more such lines, up to 0x0fffffff\n");

	/* A partition that ends in the middle of a line, and one within a sector. */
	memset(all, 0, sizeof(all));
	all[2] = 4;
	put_file("sectors", all, sizeof(all));
	put("dev/mtd0", "flags 7 offset 0x11000 size 0x2e000\n");
	RUN(NULL, "map", 0);
	HAS(out, "0x00011000 + 0x0002e000 of the chip: 3 sectors");
	HAS(out, "\n-0x00001000  .n.\n");
	lines_fit(out, 80);
	RUN(NULL, "map --json", 0);
	obj = parse_out(out);
	assert_int_equal(integer(obj, "ranges.0.offset"), -0x1000);
	assert_int_equal(integer(obj, "ranges.1.offset"), 0xf000);
	assert_int_equal(integer(obj, "ranges.1.address"), 0x20000);
	json_object_put(obj);
	put("dev/mtd0", "nr 5\n");
	RUN(NULL, "map", 2);
	assert_int_equal(run_to("/dev/full", NULL, "map"), 2);
	put("dev/mtd0", "");
	assert_int_equal(run_to("/dev/full", NULL, "map"), 6);
}

static void test_map_colours(void **state)
{
	(void)state;
	put_sectors("00020108090a040310200b");
	assert_int_equal(run_on_terminal("", "map"), 0);
	HAS(out, "\033[32m.d\033[0m\033[33mvb3B\033[0m\033[31mnVr?4\033[0m\033[32m..... ");
	setenv("NO_COLOR", "1", 1);
	assert_int_equal(run_on_terminal("", "map"), 0);
	unsetenv("NO_COLOR");
	assert_null(strchr(out, '\033'));
	assert_int_equal(run_on_terminal("", "map --json"), 0);
	assert_null(strchr(out, '\033'));
}

/* What cannot be undone: the word, and where it comes from. */
static void test_protect(void **state)
{
	static const struct {
		const char *what;
		const char *nr;
		const char *word;
		const char *says;
	} cases[] = {
		{ "protect no-password", "8", "password-mode", "never be set" },
		{ "protect status-register", "9", "status-register", "never be written again" },
		{ "protect protection-management", "10", "protection-management", "never be set" },
		{ "protect non-volatile-locks", "11", "non-volatile-locks", "stay as they are" },
		{ "protect non-volatile-erase", "12", "non-volatile-unlock", "never be erased" },
		{ "protect password-mode --file password", "7", "locks-without-password",
		  "if it is lost" },
		{ "password program --file password", "6", "unused-password-bits",
		  "never become 1" },
	};
	bool secret;
	char args[128], expected[128];
	json_object *obj;
	size_t i;

	(void)state;
	put("password", S8 "\n");
	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		forget_log();
		/* In a script: without the word, with one that is nearly right. */
		RUN(NULL, cases[i].what, 1);
		snprintf(expected, sizeof(expected), "--confirm %s\n", cases[i].word);
		HAS(err, expected);
		snprintf(args, sizeof(args), "%s --confirm %.*s", cases[i].what,
			 (int)strlen(cases[i].word) - 1, cases[i].word);
		RUN(NULL, args, 1);
		HAS(err, cases[i].word);
		snprintf(args, sizeof(args), "%s --confirm %s2", cases[i].what, cases[i].word);
		RUN(cases[i].word, args, 1);
		snprintf(args, sizeof(args), "%s --confirm yes", cases[i].what);
		RUN(NULL, args, 1);
		assert_string_equal(out, "");

		/* On a terminal: another word, none. */
		assert_int_equal(run_on_terminal("yes\n", cases[i].what), 1);
		HAS(out, cases[i].says);
		HAS(out, "NEVER be undone");
		HAS(out, "nothing was sent");
		assert_int_equal(run_on_terminal("\n", cases[i].what), 1);
		assert_int_equal(run_on_terminal("\004\n", cases[i].what), 1);
		NOTHING_SENT();

		secret = strstr(cases[i].what, "--file");
		snprintf(expected, sizeof(expected), "asp %s 0x0 0x0 %s %s\n", cases[i].nr,
			 secret ? S8 : "0000000000000000", cases[i].word);
		snprintf(args, sizeof(args), "%s\n", cases[i].word);
		assert_int_equal(run_on_terminal(args, cases[i].what), 0);
		assert_string_equal(get("log"), expected);
		HAS(out, "To go on type ");
		assert_null(strstr(out, S8));
		forget_log();
		snprintf(args, sizeof(args), "%s --json --confirm %s", cases[i].what,
			 cases[i].word);
		RUN(NULL, args, 0);
		assert_string_equal(get("log"), expected);
		HAS(err, cases[i].says);
		assert_null(strstr(err, S8));
		assert_null(strstr(out, S8));
		obj = parse_out(out);
		assert_string_equal(string(obj, "outcome"), "accepted");
		json_object_put(obj);
	}
	forget_log();
	RUN(NULL, "protect everything", 1);
	HAS(err, "  non-volatile-erase\n");
	RUN(NULL, "protect no-password --file password -c password-mode", 1);
	HAS(err, "takes no password");
	/* No device: nobody is asked. */
	put("dev/mtd0", "asp EOPNOTSUPP\n");
	assert_int_equal(run_on_terminal("", "protect no-password"), 2);
	NOTHING_SENT();
}

static void test_password(void **state)
{
	static const struct {
		const char *text;
		const char *why;
	} cases[] = {
		{ "", "16 hexadecimal digits" },
		{ "\n" S8 "\n", "16 hexadecimal digits" },
		{ "d5d5d5d5d5d5d5d\n", "16 hexadecimal digits" },
		{ S8 "d5\n", "16 hexadecimal digits" },
		{ "0x" S8 "\n", "16 hexadecimal digits" },
		{ " " S8 "\n", "16 hexadecimal digits" },
		{ "secret d5d5d5d5\n", "16 hexadecimal digits" },
		{ S8 S8 S8 S8 S8, "longer than 64 bytes" },
	};
	json_object *obj;
	size_t i;

	(void)state;
	/* Bytes in the order of the digits; a file, standard input, the terminal. */
	put("password", "0123456789abCDEF\r\n");
	RUN(NULL, "password verify --file password", 0);
	assert_string_equal(get("log"), "asp 5 0x0 0x0 0123456789abcdef \n");
	HAS(out, "this is the password");
	forget_log();
	RUN("0123456789abcdef", "password unlock --file - --json", 0);
	assert_string_equal(get("log"), "asp 4 0x0 0x0 0123456789abcdef \n");
	obj = parse_out(out);
	assert_string_equal(string(obj, "command"), "unlock by password");
	assert_null(strstr(out, "0123"));
	json_object_put(obj);
	forget_log();
	assert_int_equal(run_on_terminal("0123456789abcdef\n", "password unlock"), 0);
	assert_string_equal(get("log"), "asp 4 0x0 0x0 0123456789abcdef \n");
	HAS(out, "Password (16 hexadecimal digits): ");
	assert_null(strstr(out, "0123"));
	assert_int_equal(run_on_terminal("0123456789abcdef\n", "password unlock -f -"), 0);
	assert_null(strstr(out, "0123"));
	/* What cannot be undone is typed twice. */
	forget_log();
	assert_int_equal(run_on_terminal("locks-without-password\n" S8 "\n" S8 "\n",
					 "protect password-mode"), 0);
	assert_string_equal(get("log"), "asp 7 0x0 0x0 " S8 " locks-without-password\n");
	assert_null(strstr(out, S8));
	forget_log();
	assert_int_equal(run_on_terminal("unused-password-bits\n" S8 "\nd5d5d5d5d5d5d5d4\n",
					 "password program"), 1);
	HAS(out, "not the same");
	assert_null(strstr(out, "d5d5"));
	assert_int_equal(run_on_terminal(S8 "00\n", "password unlock"), 1);
	HAS(out, "too long");
	assert_int_equal(run_on_terminal("\003\n", "password unlock"), 1);

	put("script", "result EKEYREJECTED:0:0\n");
	forget_log();
	RUN(S8, "password unlock --json -f -", 3);
	HAS(err, "wrong password (EKEYREJECTED)");
	obj = parse_out(out);
	assert_string_equal(string(obj, "outcome"), "refused");
	assert_string_equal(string(obj, "error"), "EKEYREJECTED");
	json_object_put(obj);
	put("script", "result ETIMEDOUT:0:0\n");
	RUN(S8, "password unlock -f -", 4);

	/* It is wiped, whatever comes of it; while it is sent it is there. */
	put("script", "scan d5\n");
	RUN(S8 "\n", "password unlock -f -", 99);
	put("scan", "d5");
	RUN(S8 "\n", "password unlock -f -", 0);
	put("script", "errno EACCES\n");
	RUN(S8 "\n", "password unlock -f -", 2);
	RUN(S8 "d\n", "password unlock -f -", 1);
	RUN(S8 S8 S8 S8 S8, "password unlock -f -", 1);
	assert_int_equal(run_on_terminal(S8 "\n", "password unlock"), 0);
	assert_int_equal(run_on_terminal("unused-password-bits\n" S8 "\nd5d5d5d5d5d5d5d4\n",
					 "password program"), 1);
	unlink(path_of("scan"));

	forget_log();
	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		RUN(cases[i].text, "password verify -f -", 1);
		HAS(err, cases[i].why);
		assert_null(strstr(err, "d5d5"));
		assert_string_equal(out, "");
	}
	RUN(S8, "password unlock", 1);
	HAS(err, "--file");
	RUN("ffffffffffffffff", "password program -c unused-password-bits -f -", 1);
	HAS(err, "choose another");
	/* On the command line it is not taken, and not repeated. */
	RUN(NULL, "password unlock " S8, 1);
	assert_null(strstr(err, S8));
	RUN(NULL, "password " S8, 1);
	assert_null(strstr(err, S8));
	HAS(err, "  program\n");
	RUN(NULL, "password unlock --password=" S8, 1);
	assert_null(strstr(err, S8));
	RUN(NULL, "password unlock --file " S8, 1);
	assert_null(strstr(err, S8));
	HAS(err, "password file: No such file");
	put(S8, "d5\n");
	RUN(NULL, "password unlock --file " S8, 1);
	assert_null(strstr(err, S8));
	HAS(err, "password file: a password is 16");
	RUN(NULL, "password unlock -f nofile", 1);
	HAS(err, "No such file");
	RUN(S8, "password unlock -f - -c unused-password-bits", 1);
	HAS(err, "takes no --confirm");
	NOTHING_SENT();
	RUN("ffffffffffffffff", "password verify -f -", 0);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_usage, setup, teardown),
		cmocka_unit_test_setup_teardown(test_nodes, setup, teardown),
		cmocka_unit_test_setup_teardown(test_info, setup, teardown),
		cmocka_unit_test_setup_teardown(test_send, setup, teardown),
		cmocka_unit_test_setup_teardown(test_send_stops, setup, teardown),
		cmocka_unit_test_setup_teardown(test_send_input, setup, teardown),
		cmocka_unit_test_setup_teardown(test_status, setup, teardown),
		cmocka_unit_test_setup_teardown(test_counter, setup, teardown),
		cmocka_unit_test_setup_teardown(test_measure, setup, teardown),
		cmocka_unit_test_setup_teardown(test_measure_input, setup, teardown),
		cmocka_unit_test_setup_teardown(test_provision, setup, teardown),
		cmocka_unit_test_setup_teardown(test_provision_input, setup, teardown),
		cmocka_unit_test_setup_teardown(test_asp_nodes, setup, teardown),
		cmocka_unit_test_setup_teardown(test_lock, setup, teardown),
		cmocka_unit_test_setup_teardown(test_lock_input, setup, teardown),
		cmocka_unit_test_setup_teardown(test_lock_fails, setup, teardown),
		cmocka_unit_test_setup_teardown(test_forbidden, setup, teardown),
		cmocka_unit_test_setup_teardown(test_map, setup, teardown),
		cmocka_unit_test_setup_teardown(test_map_colours, setup, teardown),
		cmocka_unit_test_setup_teardown(test_protect, setup, teardown),
		cmocka_unit_test_setup_teardown(test_password, setup, teardown),
	};

	if (argc != 3) {
		fprintf(stderr, "Usage: %s CRTMCTL MOCK.so\n", argv[0]);
		return 1;
	}
	program = realpath(argv[1], NULL);
	mock = realpath(argv[2], NULL);
	if (!program || !mock) {
		fprintf(stderr, "%s: %s or %s is not there\n", argv[0], argv[1], argv[2]);
		return 1;
	}
	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests_name("crtmctl", tests, NULL, NULL);
}
