// SPDX-License-Identifier: MIT
/*
 * Root keys in a PKCS#11 token; SoftHSM unless another module is named.
 *
 * A key is made as a session object, read once, and copied into the token as
 * sensitive and not extractable, which no PKCS#11 call undoes. So what lies on
 * the disk was never readable.
 */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <openssl/crypto.h>
#include <openssl/rand.h>
#include <p11-kit-1/p11-kit/pkcs11.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "hex.h"
#include "kms.h"

#define LABEL		"crtm-kms"
#define LABEL_LEN	32	/* blank-padded, PKCS#11 */
#define PIN_BYTES	16	/* in a PIN file that init makes, as hexadecimal digits */
#define PIN_MAX		255

struct token {
	void *lib;
	CK_FUNCTION_LIST *f;
	CK_SESSION_HANDLE session;
};

static int p11_error(const char *what, CK_RV rv)
{
	const char *why = "";

	if (rv == CKR_PIN_INCORRECT)
		why = ", wrong PIN";
	else if (rv == CKR_PIN_LEN_RANGE || rv == CKR_PIN_INVALID)
		why = ", the token takes no such PIN (too short?)";
	else if (rv == CKR_PIN_LOCKED)
		why = ", the PIN is locked after too many wrong ones";
	kms_log("PKCS#11: %s: error %lxh%s", what, (unsigned long)rv, why);
	return -1;
}

static void label(CK_UTF8CHAR out[LABEL_LEN])
{
	memset(out, ' ', LABEL_LEN);
	memcpy(out, LABEL, strlen(LABEL));
}

/* PIN of the environment, or of the file that it names, or of the state folder. */
static int read_pin(const char *dir, char pin[PIN_MAX + 1])
{
	const char *env = getenv("CRTM_KMS_PIN");
	const char *file = getenv("CRTM_KMS_PIN_FILE");
	char path[4096];
	struct stat st;
	ssize_t n;
	int fd;

	if (env) {
		snprintf(pin, PIN_MAX + 1, "%s", env);
		return 0;
	}
	snprintf(path, sizeof(path), "%s/pin", dir);
	if (!file)
		file = path;
	fd = open(file, O_RDONLY | O_CLOEXEC);
	if (fd < 0 || fstat(fd, &st)) {
		kms_log("%s: %s", file, strerror(errno));
		if (fd >= 0)
			close(fd);
		return -1;
	}
	if (st.st_mode & 077) {
		kms_log("%s: others may read it; chmod 600", file);
		close(fd);
		return -1;
	}
	n = read(fd, pin, PIN_MAX);
	close(fd);
	if (n <= 0) {
		kms_log("%s: no PIN in it", file);
		return -1;
	}
	pin[n] = '\0';
	pin[strcspn(pin, "\r\n")] = '\0';
	return 0;
}

static int write_private(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	size_t len = strlen(text);
	int ret = 0;

	if (fd < 0) {
		kms_log("%s: %s", path, strerror(errno));
		return -1;
	}
	if (write(fd, text, len) != (ssize_t)len || fsync(fd)) {
		kms_log("%s: %s", path, strerror(errno));
		ret = -1;
	}
	close(fd);
	return ret;
}

static int load(struct token *t, const char *dir, const char *module)
{
	CK_C_INITIALIZE_ARGS args = { .flags = CKF_OS_LOCKING_OK };
	CK_C_GetFunctionList get;
	char path[4096];
	CK_RV rv;

	/* SoftHSM's only way to be told; other modules don't look at it. */
	snprintf(path, sizeof(path), "%s/softhsm2.conf", dir);
	if (setenv("SOFTHSM2_CONF", path, 1))
		return -1;
	t->lib = dlopen(module, RTLD_NOW | RTLD_LOCAL);
	if (!t->lib) {
		kms_log("%s", dlerror());
		return -1;
	}
	*(void **)&get = dlsym(t->lib, "C_GetFunctionList");
	if (!get || get(&t->f) != CKR_OK) {
		kms_log("%s: no PKCS#11 module", module);
		return -1;
	}
	rv = t->f->C_Initialize(&args);
	return rv == CKR_OK ? 0 : p11_error("initialize", rv);
}

static int find_slot(struct token *t, CK_BBOOL labelled, CK_SLOT_ID *slot)
{
	CK_UTF8CHAR want[LABEL_LEN];
	CK_ULONG i, n = 0;
	CK_TOKEN_INFO info;
	CK_SLOT_ID *ids;
	int ret = -1;
	CK_RV rv;

	label(want);
	rv = t->f->C_GetSlotList(CK_TRUE, NULL, &n);
	if (rv != CKR_OK)
		return p11_error("slots", rv);
	ids = calloc(n + 1, sizeof(*ids));
	if (!ids)
		return -1;
	rv = t->f->C_GetSlotList(CK_TRUE, ids, &n);
	for (i = 0; rv == CKR_OK && i < n && ret; i++) {
		if (t->f->C_GetTokenInfo(ids[i], &info) != CKR_OK)
			continue;
		if (labelled ? !memcmp(info.label, want, LABEL_LEN) :
			       !(info.flags & CKF_TOKEN_INITIALIZED)) {
			*slot = ids[i];
			ret = 0;
		}
	}
	free(ids);
	return ret;
}

static int open_session(struct token *t)
{
	CK_SLOT_ID slot;
	CK_RV rv;

	if (find_slot(t, CK_TRUE, &slot)) {
		kms_log("PKCS#11: no token named " LABEL);
		return -1;
	}
	rv = t->f->C_OpenSession(slot, CKF_SERIAL_SESSION | CKF_RW_SESSION, NULL, NULL,
				 &t->session);
	return rv == CKR_OK ? 0 : p11_error("session", rv);
}

static int init_token(struct token *t, const char *pin)
{
	uint8_t random[PIN_BYTES];
	char so_pin[2 * PIN_BYTES + 1];
	CK_UTF8CHAR name[LABEL_LEN];
	CK_SLOT_ID slot;
	int ret = -1;
	CK_RV rv;

	if (!find_slot(t, CK_TRUE, &slot)) {
		kms_log("PKCS#11: there is a token named " LABEL " already");
		return -1;
	}
	if (find_slot(t, CK_FALSE, &slot)) {
		kms_log("PKCS#11: no slot for a new token");
		return -1;
	}
	/* Nobody keeps the security officer's PIN: nothing here needs it again. */
	if (RAND_bytes(random, sizeof(random)) != 1)
		return -1;
	hex_encode(so_pin, random, sizeof(random));
	label(name);
	rv = t->f->C_InitToken(slot, (CK_UTF8CHAR *)so_pin, strlen(so_pin), name);
	if (rv != CKR_OK) {
		p11_error("new token", rv);
	} else if (!open_session(t)) {
		rv = t->f->C_Login(t->session, CKU_SO, (CK_UTF8CHAR *)so_pin, strlen(so_pin));
		if (rv == CKR_OK)
			rv = t->f->C_InitPIN(t->session, (CK_UTF8CHAR *)pin, strlen(pin));
		ret = rv == CKR_OK ? 0 : p11_error("set PIN", rv);
	}
	OPENSSL_cleanse(so_pin, sizeof(so_pin));
	OPENSSL_cleanse(random, sizeof(random));
	return ret;
}

int token_create(const char *dir, const char *module)
{
	struct token *t = calloc(1, sizeof(*t));
	char path[4096], conf[8192], pin[PIN_MAX + 1];
	uint8_t random[PIN_BYTES];
	int ret = -1;

	if (!t)
		return -1;
	snprintf(path, sizeof(path), "%s/tokens", dir);
	if (mkdir(path, 0700)) {
		kms_log("%s: %s%s", path, strerror(errno), errno == EEXIST ?
			" (init was run here before; if it failed, empty the folder first)" : "");
		goto out;
	}
	snprintf(conf, sizeof(conf), "directories.tokendir = %s\nobjectstore.backend = file\n"
		 "log.level = ERROR\nslots.removable = false\n", path);
	snprintf(path, sizeof(path), "%s/softhsm2.conf", dir);
	if (write_private(path, conf))
		goto out;
	if (!getenv("CRTM_KMS_PIN") && !getenv("CRTM_KMS_PIN_FILE")) {
		if (RAND_bytes(random, sizeof(random)) != 1)
			goto out;
		hex_encode(pin, random, sizeof(random));
		snprintf(path, sizeof(path), "%s/pin", dir);
		ret = write_private(path, pin);
		OPENSSL_cleanse(random, sizeof(random));
		OPENSSL_cleanse(pin, sizeof(pin));
		if (ret)
			goto out;
	}
	ret = read_pin(dir, pin);
	if (!ret)
		ret = load(t, dir, module);
	if (!ret)
		ret = init_token(t, pin);
	OPENSSL_cleanse(pin, sizeof(pin));
out:
	token_close(t);
	return ret;
}

struct token *token_open(const char *dir, const char *module)
{
	struct token *t = calloc(1, sizeof(*t));
	char pin[PIN_MAX + 1];
	CK_RV rv;

	if (!t)
		return NULL;
	if (read_pin(dir, pin))
		goto fail;
	if (load(t, dir, module) || open_session(t)) {
		OPENSSL_cleanse(pin, sizeof(pin));
		goto fail;
	}
	rv = t->f->C_Login(t->session, CKU_USER, (CK_UTF8CHAR *)pin, strlen(pin));
	OPENSSL_cleanse(pin, sizeof(pin));
	if (rv == CKR_OK)
		return t;
	p11_error("log in", rv);
fail:
	token_close(t);
	return NULL;
}

void token_close(struct token *t)
{
	if (!t)
		return;
	if (t->f)
		t->f->C_Finalize(NULL);
	if (t->lib)
		dlclose(t->lib);
	free(t);
}

int token_new_key(struct token *t, const uint8_t id[KEY_ID_LEN], uint8_t value[RPMC_KEY_LEN])
{
	CK_BBOOL yes = CK_TRUE, no = CK_FALSE;
	CK_ULONG len = RPMC_KEY_LEN;
	CK_MECHANISM mechanism = { .mechanism = CKM_GENERIC_SECRET_KEY_GEN };
	CK_ATTRIBUTE fresh[] = {
		{ CKA_TOKEN, &no, sizeof(no) },
		{ CKA_PRIVATE, &yes, sizeof(yes) },
		{ CKA_SENSITIVE, &no, sizeof(no) },
		{ CKA_EXTRACTABLE, &yes, sizeof(yes) },
		{ CKA_SIGN, &yes, sizeof(yes) },
		{ CKA_VALUE_LEN, &len, sizeof(len) },
		{ CKA_ID, (void *)id, KEY_ID_LEN },
	};
	CK_ATTRIBUTE kept[] = {
		{ CKA_TOKEN, &yes, sizeof(yes) },
		{ CKA_SENSITIVE, &yes, sizeof(yes) },
		{ CKA_EXTRACTABLE, &no, sizeof(no) },
	};
	CK_ATTRIBUTE read = { CKA_VALUE, value, RPMC_KEY_LEN };
	CK_OBJECT_HANDLE made, stored;
	CK_RV rv;

	rv = t->f->C_GenerateKey(t->session, &mechanism, fresh, sizeof(fresh) / sizeof(*fresh),
				 &made);
	if (rv != CKR_OK)
		return p11_error("new key", rv);
	rv = t->f->C_GetAttributeValue(t->session, made, &read, 1);
	if (rv == CKR_OK && read.ulValueLen != RPMC_KEY_LEN)
		rv = CKR_GENERAL_ERROR;
	if (rv == CKR_OK)
		rv = t->f->C_CopyObject(t->session, made, kept, sizeof(kept) / sizeof(*kept),
					&stored);
	t->f->C_DestroyObject(t->session, made);
	if (rv != CKR_OK) {
		OPENSSL_cleanse(value, RPMC_KEY_LEN);
		return p11_error("store key", rv);
	}
	return 0;
}

static int find_key(struct token *t, const uint8_t id[KEY_ID_LEN], CK_OBJECT_HANDLE *key)
{
	CK_OBJECT_CLASS class = CKO_SECRET_KEY;
	CK_ATTRIBUTE want[] = {
		{ CKA_CLASS, &class, sizeof(class) },
		{ CKA_ID, (void *)id, KEY_ID_LEN },
	};
	CK_ULONG n = 0;
	CK_RV rv;

	rv = t->f->C_FindObjectsInit(t->session, want, sizeof(want) / sizeof(*want));
	if (rv == CKR_OK) {
		rv = t->f->C_FindObjects(t->session, key, 1, &n);
		t->f->C_FindObjectsFinal(t->session);
	}
	if (rv != CKR_OK)
		return p11_error("find key", rv);
	if (n != 1) {
		kms_log("PKCS#11: the token lacks a root key that the database names");
		return -1;
	}
	return 0;
}

int token_destroy_key(struct token *t, const uint8_t id[KEY_ID_LEN])
{
	CK_OBJECT_HANDLE key;
	CK_RV rv;

	if (find_key(t, id, &key))
		return -1;
	rv = t->f->C_DestroyObject(t->session, key);
	return rv == CKR_OK ? 0 : p11_error("destroy key", rv);
}

int token_hmac(struct token *t, const uint8_t id[KEY_ID_LEN], const void *data, size_t len,
	       uint8_t mac[HMAC_LEN])
{
	CK_MECHANISM mechanism = { .mechanism = CKM_SHA256_HMAC };
	CK_ULONG mac_len = HMAC_LEN;
	CK_OBJECT_HANDLE key;
	CK_RV rv;

	if (find_key(t, id, &key))
		return -1;
	rv = t->f->C_SignInit(t->session, &mechanism, key);
	if (rv == CKR_OK)
		rv = t->f->C_Sign(t->session, (CK_BYTE *)data, len, mac, &mac_len);
	if (rv == CKR_OK && mac_len != HMAC_LEN)
		rv = CKR_GENERAL_ERROR;
	return rv == CKR_OK ? 0 : p11_error("sign", rv);
}
