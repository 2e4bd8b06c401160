// SPDX-License-Identifier: MIT
/*
 * Making the state folder, enrolling devices, taking in what provisioning said.
 *
 * A slot takes one root key for ever, and only the chip knows which: so each
 * enrolment makes new keys, and those of earlier ones stay until a signature of
 * the chip has told.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <openssl/crypto.h>
#include <openssl/rand.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "hex.h"
#include "jsonx.h"
#include "kms.h"

#define TOKENS		30	/* counter writes at once; engine.c refills */
#define SLOT_TEXT	512	/* of one slot in the provisioning file */
#define P11_MODULES	"/usr/share/p11-kit/modules"

bool valid_name(const char *name)
{
	size_t len = strspn(name, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
			    "0123456789._-");

	return len && len <= NAME_LEN && !name[len];
}

/* SoftHSM's path from p11-kit's description of it. */
static char *default_module(void)
{
	FILE *f = fopen(P11_MODULES "/softhsm2.module", "re");
	char line[1024], path[1024];
	char *found = NULL;

	while (f && !found && fgets(line, sizeof(line), f)) {
		if (sscanf(line, " module : %1023s", path) == 1)
			found = strdup(path);
	}
	if (f)
		fclose(f);
	if (!found)
		kms_log(P11_MODULES "/softhsm2.module: no module named there");
	return found;
}

int kms_init(struct kms *kms, const char *module)
{
	char *found = module ? strdup(module) : default_module();
	char *dir = NULL;
	int ret = -1;

	if (!found)
		return -1;
	if (mkdir(kms->dir, 0700) && errno != EEXIST) {
		kms_log("%s: %s", kms->dir, strerror(errno));
		goto out;
	}
	dir = realpath(kms->dir, NULL);
	if (!dir || chmod(dir, 0700)) {
		kms_log("%s: %s", kms->dir, strerror(errno));
		goto out;
	}
	/* The token first: its folder must not exist yet, so a second init stops here. */
	if (token_create(dir, found) || db_create(kms))
		goto out;
	db_begin(kms);
	db_run(kms, "INSERT INTO setting (name, value) VALUES ('module', ?)", "s", found);
	ret = db_end(kms);
	db_close(kms);
out:
	free(dir);
	free(found);
	return ret;
}

int kms_open(struct kms *kms, bool with_token)
{
	char module[1024] = "", *dir;
	sqlite3_stmt *st;

	if (db_open(kms))
		return -1;
	if (!with_token)
		return 0;
	st = db_query(kms, "SELECT value FROM setting WHERE name = 'module'", "");
	while (db_row(kms, st))
		col_text(st, 0, module, sizeof(module));
	dir = realpath(kms->dir, NULL);
	kms->token = dir && !kms->err ? token_open(dir, module) : NULL;
	free(dir);
	return kms->token ? 0 : -1;
}

void kms_close(struct kms *kms)
{
	token_close(kms->token);
	db_close(kms);
}

/*
 * One slot: a new key, its row, its three blocks as JSON at @text, which the
 * caller wipes. This is the one place that sees a root key.
 */
static int enroll_slot(struct kms *kms, int64_t device, int64_t generation, int slot, char *text)
{
	uint8_t id[KEY_ID_LEN], key[RPMC_KEY_LEN], key_data[RPMC_KEYDATA_LEN], tag[RPMC_TAG_LEN];
	uint8_t hkr[HMAC_LEN], block[MAX_BLOCK];
	char hex[3][2 * 64 + 1];
	int ret = -1;

	if (RAND_bytes(id, sizeof(id)) != 1 || RAND_bytes(key_data, sizeof(key_data)) != 1 ||
	    RAND_bytes(tag, sizeof(tag)) != 1 || token_new_key(kms->token, id, key))
		return -1;
	if (!hmac256(key, sizeof(key), key_data, sizeof(key_data), hkr)) {
		hex_encode(hex[0], block, wire_root_key(block, slot, key));
		hex_encode(hex[1], block, wire_update_key(block, slot, key_data, hkr));
		hex_encode(hex[2], block, wire_request(block, slot, tag, hkr));
		snprintf(text, SLOT_TEXT, "%s\n  {\"slot\": %d, \"blocks\": [\"%s\",\n   \"%s\",\n"
			 "   \"%s\"]}", slot ? "," : "", slot, hex[0], hex[1], hex[2]);
		db_run(kms, "INSERT INTO root_key (device, slot, generation, key_id, key_data, tag)"
		       " VALUES (?, ?, ?, ?, ?, ?)", "idibbb", device, slot, generation, id,
		       sizeof(id), key_data, sizeof(key_data), tag, sizeof(tag));
		ret = 0;
	}
	OPENSSL_cleanse(key, sizeof(key));
	OPENSSL_cleanse(hkr, sizeof(hkr));
	OPENSSL_cleanse(block, sizeof(block));
	OPENSSL_cleanse(hex, sizeof(hex));
	return ret;
}

static int write_out(int fd, const char *text)
{
	size_t len = strlen(text), done = 0;
	ssize_t n;

	while (done < len) {
		n = write(fd, text + done, len - done);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -1;
		done += n;
	}
	return 0;
}

int kms_enroll(struct kms *kms, const char *device, const char *id_hex, uint32_t size, int slots,
	       const char *out)
{
	int64_t device_id = 0, generation = 0, proven = 0;
	size_t cap = 256 + slots * SLOT_TEXT, len, id_len;
	bool file = out && strcmp(out, "-");
	int slot, fd, ret = -1;
	uint8_t id[16];
	struct stat st;
	char *text;

	if (hex_decode(id_hex, id, sizeof(id), &id_len) || id_len < 3) {
		kms_log("%s: not 3 to 16 bytes of JEDEC ID", id_hex);
		return -1;
	}
	fd = file ? open(out, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600) : STDOUT_FILENO;
	if (fd < 0) {
		kms_log("%s: %s", out, strerror(errno));
		return -1;
	}
	if (isatty(fd)) {
		kms_log("root keys don't go to a terminal: use -o FILE");
		return -1;
	}
	/* A shell makes the file of "> FILE" for everybody to read. */
	if (!file && !fstat(fd, &st) && S_ISREG(st.st_mode) && st.st_mode & 077) {
		kms_log("stdout: others may read that file: use -o FILE");
		return -1;
	}
	text = calloc(1, cap);
	if (!text)
		goto out;
	db_begin(kms);
	if (db_int(kms, &device_id, "SELECT id FROM device WHERE name = ?", "s", device))
		db_int(kms, &proven, "SELECT count(*) FROM root_key WHERE device = ? AND proven",
		       "i", device_id);
	if (proven) {
		kms_log("%s: provisioned already", device);
		kms->err = true;
	}
	if (device_id)
		db_run(kms, "UPDATE device SET chip_id = ?, size = ?, slots = ?, enrolled = ?"
		       " WHERE id = ?", "budii", id, id_len, size, slots, now_ms(), device_id);
	else
		db_run(kms, "INSERT INTO device (name, chip_id, size, slots, enrolled, tokens,"
		       " tokens_at) VALUES (?, ?, ?, ?, ?, ?, ?)", "sbudifi", device, id, id_len,
		       size, slots, now_ms(), (double)TOKENS, now_ms());
	if (!device_id)
		device_id = sqlite3_last_insert_rowid(kms->db);
	db_int(kms, &generation, "SELECT max(generation) + 1 FROM root_key WHERE device = ?", "i",
	       device_id);
	len = snprintf(text, cap, "{\"v\": 1, \"device\": \"%s\", \"slots\": [", device);
	for (slot = 0; slot < slots && !kms->err; slot++) {
		if (enroll_slot(kms, device_id, generation, slot, text + len))
			kms->err = true;
		len += strlen(text + len);
	}
	snprintf(text + len, cap - len, "]}\n");
	history_add(kms, device_id, 0, "enrolled", 0, 0, NULL, -1, "%d slots, chip %s", slots,
		    id_hex);
	/* A key leaves when the database knows it for good. */
	ret = db_end(kms);
	if (!ret && (write_out(fd, text) || (file && fsync(fd)))) {
		kms_log("%s: %s", file ? out : "stdout", strerror(errno));
		ret = -1;
	}
	OPENSSL_cleanse(text, cap);
	free(text);
out:
	if (file && close(fd))
		ret = -1;
	if (file && ret)
		unlink(out);
	return ret;
}

/* What the file says of one slot. */
struct answers {
	int status[3];
	uint8_t response[MAX_RESPONSE];	/* to 03 */
	size_t len;
};

static bool read_answers(json_object *o, int slot, struct answers *a)
{
	json_object *list = jsonx_array(o, "slots", 1, RPMC_MAX_SLOTS), *s, *r;
	size_t i, k;
	int64_t v;

	for (i = 0; list && i < json_object_array_length(list); i++) {
		s = json_object_array_get_idx(list, i);
		if (!jsonx_int64(s, "slot", 0, RPMC_MAX_SLOTS - 1, &v) || v != slot)
			continue;
		r = jsonx_array(s, "responses", 3, 3);
		for (k = 0; r && k < 3; k++) {
			s = json_object_array_get_idx(r, k);
			if (!jsonx_int64(s, "status", 0, 255, &v))
				return false;
			a->status[k] = v;
		}
		return r && jsonx_hex(s, "response", a->response, sizeof(a->response), &a->len);
	}
	return false;
}

/*
 * Which of the slot's keys did the chip take? Return: its generation, -1 none.
 * Sets @counter.
 */
static int64_t proven_generation(struct kms *kms, int64_t device, int slot,
				 const struct answers *a, uint32_t *counter)
{
	uint8_t id[KEY_ID_LEN], key_data[RPMC_KEYDATA_LEN], tag[RPMC_TAG_LEN], hkr[HMAC_LEN];
	uint8_t block[MAX_BLOCK];
	struct crtm_response r;
	int64_t generation = -1;
	sqlite3_stmt *st;
	size_t len;

	st = db_query(kms, "SELECT generation, key_id, key_data, tag FROM root_key"
		      " WHERE device = ? AND slot = ? ORDER BY generation", "id", device, slot);
	while (db_row(kms, st)) {
		if (generation >= 0 || !col_bytes(st, 1, id, sizeof(id)) ||
		    !col_bytes(st, 2, key_data, sizeof(key_data)) ||
		    !col_bytes(st, 3, tag, sizeof(tag)))
			continue;
		if (token_hmac(kms->token, id, key_data, sizeof(key_data), hkr))
			continue;
		len = wire_request(block, slot, tag, hkr);
		if (!wire_verify(block, len, a->response, a->len, hkr, NULL, &r) ||
		    r.status != RPMC_STATUS_SUCCESS)
			continue;
		generation = sqlite3_column_int64(st, 0);
		*counter = r.counter;
	}
	OPENSSL_cleanse(hkr, sizeof(hkr));
	return generation;
}

/* Keys that the chip did not take. */
static void drop_keys(struct kms *kms, int64_t device)
{
	uint8_t id[KEY_ID_LEN];
	sqlite3_stmt *st;

	st = db_query(kms, "SELECT key_id FROM root_key AS k WHERE device = ? AND NOT proven AND"
		      " EXISTS (SELECT 1 FROM root_key WHERE device = k.device AND slot = k.slot"
		      " AND proven)", "i", device);
	while (db_row(kms, st)) {
		if (col_bytes(st, 0, id, sizeof(id)))
			token_destroy_key(kms->token, id);
	}
	db_run(kms, "DELETE FROM root_key AS k WHERE device = ? AND NOT proven AND"
	       " EXISTS (SELECT 1 FROM root_key WHERE device = k.device AND slot = k.slot"
	       " AND proven)", "i", device);
}

static void status_word(char *buf, size_t size, uint8_t type, int status)
{
	char text[CRTM_STATUS_TEXT];

	if (status == RPMC_STATUS_SUCCESS)
		snprintf(buf, size, "ok");
	else
		snprintf(buf, size, "%02x %s", status,
			 crtm_status_text(type, status, text, sizeof(text)));
}

static void report_slot(struct table *t, json_object *list, int slot, const struct answers *a,
			bool proven, uint32_t counter)
{
	char word[2][96];
	json_object *o;

	if (!t) {
		o = json_object_new_object();
		json_object_object_add(o, "slot", json_object_new_int(slot));
		json_object_object_add(o, "proven", json_object_new_boolean(proven));
		if (proven)
			json_object_object_add(o, "counter", json_object_new_int64(counter));
		json_object_array_add(list, o);
		return;
	}
	status_word(word[0], sizeof(word[0]), RPMC_WRITE_ROOT_KEY, a->status[0]);
	status_word(word[1], sizeof(word[1]), RPMC_UPDATE_HMAC_KEY, a->status[1]);
	table_cell(t, "%d", slot);
	table_cell(t, "%s", a->len ? word[0] : "not in the file");
	table_cell(t, "%s", a->len ? word[1] : "-");
	table_cell(t, "%s", proven ? "valid" : "NOT VALID");
	if (proven)
		table_cell(t, "%u", counter);
	else
		table_cell(t, "-");
}

/* Is the file about this device? Sets @id and @slots. */
static bool right_device(struct kms *kms, const char *device, json_object *o, int64_t *id,
			 int *slots)
{
	const char *name = jsonx_str(o, "device", NAME_LEN), *why = "is not enrolled";
	uint8_t chip[16];
	sqlite3_stmt *st;
	size_t len;

	if (!name || strcmp(name, device) || !jsonx_hex(o, "id", chip, sizeof(chip), &len)) {
		kms_log("%s: the file is another device's", device);
		return false;
	}
	st = db_query(kms, "SELECT id, slots, substr(?, 1, length(chip_id)) = chip_id FROM device"
		      " WHERE name = ?", "bs", chip, len, device);
	if (db_row(kms, st)) {
		*id = sqlite3_column_int64(st, 0);
		*slots = sqlite3_column_int(st, 1);
		why = sqlite3_column_int(st, 2) ? NULL : "was enrolled with another kind of chip";
		sqlite3_finalize(st);
	}
	if (why)
		kms_log("%s: %s", device, why);
	return !why;
}

int kms_provisioned(struct kms *kms, const char *device, const char *file)
{
	static const char *const heads[] = { "SLOT", "ROOT KEY", "HMAC KEY", "SIGNATURE",
					     "COUNTER" };
	int slot, slots = 0, done = 0, ret;
	json_object *o = NULL, *list;
	const char *why = "unreadable";
	int64_t id = 0, generation;
	uint32_t counter = 0;
	struct answers a;
	struct table *t;
	uint8_t *text;
	size_t len;

	text = read_whole(file, JSONX_MAX_LEN, &len);
	if (text)
		o = jsonx_parse((char *)text, len, &why);
	free(text);
	if (!o) {
		kms_log("%s: %s", file ? file : "stdin", why);
		return -1;
	}
	t = kms->json ? NULL : table_new(heads, 5);
	list = json_object_new_array();
	db_begin(kms);
	if (!right_device(kms, device, o, &id, &slots))
		kms->err = true;
	for (slot = 0; slot < slots && !kms->err; slot++) {
		memset(&a, 0, sizeof(a));
		generation = read_answers(o, slot, &a) ?
			proven_generation(kms, id, slot, &a, &counter) : -1;
		report_slot(t, list, slot, &a, generation >= 0, counter);
		if (generation < 0)
			continue;
		done++;
		/* Taken in once: later the counter is known from fresher answers. */
		if (!slot)
			db_run(kms, "UPDATE device SET mc = ? WHERE id = ? AND mc IS NULL", "ui",
			       counter, id);
		db_run(kms, "UPDATE root_key SET proven = 1 WHERE device = ? AND slot = ?"
		       " AND generation = ?", "idi", id, slot, generation);
	}
	if (done == slots)
		db_run(kms, "UPDATE device SET provisioned = ? WHERE id = ? AND"
		       " provisioned IS NULL", "ii", now_ms(), id);
	if (id)
		history_add(kms, id, 0, "provisioned", 0, 0, NULL, -1, "%d of %d slots proven",
			    done, slots);
	json_object_put(o);
	ret = db_end(kms);
	if (!ret) {
		db_begin(kms);
		drop_keys(kms, id);
		db_end(kms);
	}
	if (!ret && !t) {
		o = json_object_new_object();
		json_object_object_add(o, "device", json_object_new_string(device));
		json_object_object_add(o, "provisioned", json_object_new_boolean(done == slots));
		json_object_object_add(o, "slots", json_object_get(list));
		puts(json_object_to_json_string_ext(o, JSON_C_TO_STRING_PRETTY));
		json_object_put(o);
	}
	json_object_put(list);
	if (t)
		table_print(t);
	return ret || done != slots ? -1 : 0;
}
