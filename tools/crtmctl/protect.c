// SPDX-License-Identifier: MIT
/*
 * crtmctl protect and password: what cannot be undone, and the secret that it hangs on.
 *
 * A password is never an argument, for anybody on the machine sees those. It is not
 * echoed, not printed, and wiped after use.
 */
#include <errno.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "crtmctl.h"
#include "hex.h"

#define DIGITS	(2 * MTD_ASP_PASSWORD_LEN)

/* One thing to do. @gives_up: what cannot be undone, in plain words; else NULL. */
struct task {
	const char *verb;
	const char *what;
	uint32_t nr;
	const char *done;
	const char *gives_up;
};

static const struct task tasks[] = {
	{ "password", "verify", MTD_ASP_PASSWORD_VERIFY,
	  "this is the password in the chip", NULL },
	{ "password", "unlock", MTD_ASP_PASSWORD_UNLOCK,
	  "non-volatile locks can change until the next freeze, reset or power-on", NULL },
	{ "password", "program", MTD_ASP_PASSWORD_PROGRAM,
	  "the password is programmed and was read back; password mode is not on",
	  "Bits of the password that become 0 never become 1 again: no password but this one,\n"
	  "or one with still more 0 bits, can ever be programmed.\n" },
	{ "protect", "password-mode", MTD_ASP_PASSWORD_MODE,
	  "password mode is on, for ever",
	  "Non-volatile locks will be frozen at every power-on, for ever, and change only after\n"
	  "the password was given. It can never be read or changed again: if it is lost, what\n"
	  "is locked stays locked, and what is open can never be locked.\n" },
	{ "protect", "no-password", MTD_ASP_NO_PASSWORD,
	  "password mode is given up, for ever",
	  "Password mode can never be set: no password will ever keep anybody who controls this\n"
	  "board from changing the non-volatile locks.\n" },
	{ "protect", "status-register", MTD_ASP_PMR_STATUS,
	  "the status register is locked, for ever",
	  "The status register can never be written again: what its block protection bits\n"
	  "protect now can never be written or erased again, by anybody.\n" },
	{ "protect", "protection-management", MTD_ASP_PMR_PMR,
	  "the protection management register is locked, for ever",
	  "The protection management register can never be written again: of status-register,\n"
	  "non-volatile-locks and non-volatile-erase, what is not set now can never be set.\n" },
	{ "protect", "non-volatile-locks", MTD_ASP_PMR_NVLB,
	  "the non-volatile locks stay as they are, for ever",
	  "Non-volatile locks stay as they are now: what is locked can never be written or\n"
	  "erased again, by anybody, and what is open can never be locked.\n" },
	{ "protect", "non-volatile-erase", MTD_ASP_PMR_NV_ERASE,
	  "non-volatile locks cannot be erased any more, for ever",
	  "Non-volatile locks can never be erased again: every sector that has one now or gets\n"
	  "one later can never be written or erased again, by anybody.\n" },
};

#define NR_TASKS	(sizeof(tasks) / sizeof(tasks[0]))

/* The word of confirmation */

/* Of --confirm, before anything is opened or asked; NULL: on a terminal it will be asked for. */
static int check_word(const char *confirm, const struct crtm_asp_command *row)
{
	if (confirm && strcmp(confirm, row->confirm)) {
		ctl_error("--confirm: this takes the word that names what is given up: %s",
			  row->confirm);
		return CTL_USAGE;
	}
	if (!confirm && !isatty(STDIN_FILENO)) {
		ctl_error("this cannot be undone: where there is no terminal to ask on it needs "
			  "--confirm %s", row->confirm);
		return CTL_USAGE;
	}
	return CTL_OK;
}

static int ask_word(const struct ctl *ctl, const struct task *task, const char *confirm,
		    const struct crtm_asp_command *row)
{
	char question[128], answer[MTD_ASP_CONFIRM_LEN + 1];

	fprintf(stderr, "%s%s: %s %s can NEVER be undone.%s\n%s", paint(stderr, RED), ctl->path,
		task->verb, task->what, plain(stderr), task->gives_up);
	if (confirm)
		return CTL_OK;
	snprintf(question, sizeof(question), "To go on type %s: ", row->confirm);
	if (read_answer(question, true, answer, sizeof(answer)))
		return CTL_USAGE;
	if (strcmp(answer, row->confirm)) {
		ctl_error("that is not the word: nothing was sent");
		return CTL_USAGE;
	}
	return CTL_OK;
}

/* The password */

static int parse_password(const char *name, const char *digits, uint8_t *password)
{
	size_t len;

	/* Never a word of what stands there. */
	if (hex_decode(digits, password, MTD_ASP_PASSWORD_LEN, &len) ||
	    len != MTD_ASP_PASSWORD_LEN) {
		ctl_error("%s: a password is %d hexadecimal digits (%d bytes, the least "
			  "significant first)", name, DIGITS, MTD_ASP_PASSWORD_LEN);
		return CTL_USAGE;
	}
	return CTL_OK;
}

static int password_from_file(const char *path, uint8_t *password)
{
	struct input in;
	int ret;

	/* Its name could be the password, given by mistake: never repeat it. */
	ret = input_read(&in, path, "password file", 64);
	if (ret)
		return ret;
	in.data[strcspn(in.data, "\r\n")] = '\0';
	ret = parse_password(in.name, in.data, password);
	input_free(&in);
	return ret;
}

static int password_from_terminal(bool twice, uint8_t *password)
{
	char first[DIGITS + 2], again[DIGITS + 2];
	int ret;

	ret = read_answer("Password (16 hexadecimal digits): ", false, first, sizeof(first));
	if (!ret && twice) {
		ret = read_answer("Once more: ", false, again, sizeof(again));
		if (!ret && strcmp(first, again)) {
			ctl_error("the two are not the same: nothing was sent");
			ret = CTL_USAGE;
		}
		explicit_bzero(again, sizeof(again));
	}
	if (!ret)
		ret = parse_password("standard input", first, password);
	explicit_bzero(first, sizeof(first));
	return ret;
}

/* @programs: it goes into the chip, and not into it again. */
static int get_password(const char *file, bool programs, uint8_t *password)
{
	static const uint8_t erased[MTD_ASP_PASSWORD_LEN] = {
		0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
	};
	int ret;

	/* Standard input that is a terminal would echo it. */
	if (file && (strcmp(file, "-") || !isatty(STDIN_FILENO)))
		ret = password_from_file(file, password);
	else
		ret = password_from_terminal(programs, password);
	if (!ret && programs && !memcmp(password, erased, sizeof(erased))) {
		ctl_error("all bits 1 is what a chip without a password has: choose another");
		ret = CTL_USAGE;
	}
	return ret;
}

static int check_file(const char *file)
{
	if (file || isatty(STDIN_FILENO))
		return CTL_OK;
	ctl_error("where there is no terminal to ask on, the password comes from --file "
		  "(- is standard input)");
	return CTL_USAGE;
}

/* Both verbs */

static int run_task(struct ctl *ctl, const struct task *task, const char *confirm,
		    const char *file)
{
	const struct crtm_asp_command *row = crtm_asp_command(task->nr);
	bool secret = row->flags & ASP_F_PASSWORD;
	struct mtd_asp_cmd cmd = { .cmd = task->nr };
	struct asp_result res;
	int ret = CTL_OK;

	if (task->gives_up)
		ret = check_word(confirm, row);
	if (!ret && secret)
		ret = check_file(file);
	if (!ret)
		ret = asp_open(ctl, true);
	if (!ret && task->gives_up)
		ret = ask_word(ctl, task, confirm, row);
	if (!ret && secret) {
		/* No core dump and no debugger: the password is in memory for a moment. */
		prctl(PR_SET_DUMPABLE, 0);
		ret = get_password(file, task->gives_up, cmd.password);
	}
	if (!ret) {
		memcpy(cmd.confirm, row->confirm, strlen(row->confirm));
		asp_command(ctl, &cmd, NULL, &res);
		ret = asp_show(ctl, &res, task->done);
	}
	explicit_bzero(&cmd, sizeof(cmd));
	return ret;
}

/* What stands in its place could be a password: never repeat it. */
static const struct task *find_task(const struct ctl *ctl, int argc, char **argv)
{
	size_t i;

	for (i = 0; i < NR_TASKS && argc - optind == 1; i++)
		if (!strcmp(tasks[i].verb, ctl->verb->name) && !strcmp(tasks[i].what, argv[optind]))
			return &tasks[i];
	ctl_error("%s takes one of these and no other argument:", ctl->verb->name);
	for (i = 0; i < NR_TASKS; i++)
		if (!strcmp(tasks[i].verb, ctl->verb->name))
			fprintf(stderr, "  %s\n", tasks[i].what);
	return NULL;
}

static int run(struct ctl *ctl, int argc, char **argv)
{
	static const struct option options[] = {
		{ "confirm", required_argument, NULL, 'c' },
		{ "file", required_argument, NULL, 'f' },
		COMMON_LONG
	};
	const char *confirm = NULL, *file = NULL;
	const struct task *task;
	int c;

	/* What getopt_long() says of --password=SECRET repeats all of it. */
	opterr = 0;
	while ((c = getopt_long(argc, argv, "c:f:" COMMON_SHORT, options, NULL)) != -1) {
		if (c == '?')
			ctl_error("no such option, or its value is missing");
		if (c == 'c')
			confirm = optarg;
		else if (c == 'f')
			file = optarg;
		else if (ctl_option(ctl, c))
			return CTL_USAGE;
	}
	task = find_task(ctl, argc, argv);
	if (!task)
		return CTL_USAGE;
	if (file && !(crtm_asp_command(task->nr)->flags & ASP_F_PASSWORD)) {
		ctl_error("%s takes no password", task->what);
		return CTL_USAGE;
	}
	if (confirm && !task->gives_up) {
		ctl_error("%s can be undone and takes no --confirm", task->what);
		return CTL_USAGE;
	}
	return run_task(ctl, task, confirm, file);
}

const struct verb verb_password = {
	.name = "password",
	.args = "[--file FILE|-] [--confirm WORD] verify|unlock|program",
	.what = "Verify, give or program the password of the non-volatile locks",
	.help =
	"  verify   is this the password in the chip? Before password mode alone, for then it\n"
	"           cannot be read any more\n"
	"  unlock   in password mode: unfreeze the non-volatile locks\n"
	"  program  write it into the chip: can NEVER be undone, see crtmctl protect -h.\n"
	"           Has no effect before \"protect password-mode\". Needs CAP_SYS_ADMIN\n"
	"verify and unlock need the whole chip's node or CAP_SYS_ADMIN.\n"
	"A password is 16 hexadecimal digits: 8 bytes, the least significant first. It is asked\n"
	"for on the terminal, or read from a file; it is never an argument.\n"
	"  -f, --file FILE     the file: its first line, 64 bytes at most in all ('-': standard\n"
	"                      input)\n"
	"  -c, --confirm WORD  program, in scripts: the word that would be asked for\n"
	"A wrong password is exit code 3.\n",
	.run = run,
};

const struct verb verb_protect = {
	.name = "protect",
	.args = "[--confirm WORD] [--file FILE|-] WHAT",
	.what = "Give up something FOR EVER: one-time bits",
	.help =
	"Nothing of this can ever be undone, by anybody, and it can make a board useless. Says\n"
	"what is given up and asks for a word on the terminal. Needs CAP_SYS_ADMIN. WHAT is\n"
	"  password-mode          frozen at every power-on until a password is given\n"
	"  no-password            no password mode, ever\n"
	"  status-register        block protection stays as it is\n"
	"  protection-management  none of the other three of this kind can be set any more\n"
	"  non-volatile-locks     they stay as they are\n"
	"  non-volatile-erase     they can be set, but not erased\n"
	"The last four work on the emulated chip alone: their opcode is not public for MT25Q.\n"
	"  -c, --confirm WORD  for scripts: the word that would be asked for; the message where\n"
	"                      it is missing names it\n"
	"  -f, --file FILE     password-mode: the password, see crtmctl password -h\n",
	.run = run,
};
