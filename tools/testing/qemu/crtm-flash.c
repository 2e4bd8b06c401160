// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The emulated chip as a flash of QEMU: a shared object for LD_PRELOAD, built
 * against the headers of the QEMU that it is loaded into. QEMU itself stays as
 * it is.
 *
 * It registers the flash type "crtm-chip", for machines that let one choose
 * (xlnx-versal-virt,ospi-flash=crtm-chip), and takes the place of the first
 * n25q512a11, which xlnx-zcu102 has soldered on. Two variables say which chip:
 *
 *   CRTM_CHIP        model, as crtm_chip_model() takes it
 *   CRTM_CHIP_IMAGE  file of its non-volatile memory, made if it is not there
 *
 * The chip is /crtm-chip in QEMU's object tree. Its properties are those of the
 * kernel module's chips, see Documentation/emulated-chip.rst.
 */
#include "qemu/osdep.h"

#include <sys/file.h>
#include <sys/mman.h>
#include <sys/random.h>

#include "hw/qdev-core.h"
#include "hw/ssi/ssi.h"
#include "qapi/error.h"
#include "qemu/module.h"
#include "qemu/timer.h"
#include "qom/object.h"

#include "crtm-chip.h"

#define TYPE_CRTM_CHIP	"crtm-chip"
/* A small part of QEMU's own: what drivers of the machine expect is a m25p80. */
#define TYPE_PARENT	"m25p05"
#define TYPE_SOLDERED	"n25q512a11"

#define TRACE_SIZE	1000000
/* QEMU's controllers clock dummy cycles as if each were a byte, or not at all. */
#define DUMMY_CYCLES	8

/* Flashes of a type that was replaced, and are not the chip, work as ever. */
static struct flash {
	SSIPeripheral *ssi;
	struct crtm_chip chip;
	unsigned int dummies;	/* bytes that the controller clocks for a dummy byte */
	unsigned int skip;	/* of them still to come */
} flash;

static SSIPeripheralClass soldered;

/* Callbacks of the chip */

static u64 flash_time_us(void *ctx)
{
	return qemu_clock_get_us(QEMU_CLOCK_VIRTUAL);
}

static int flash_hmac(void *ctx, const u8 *key, size_t key_len, const u8 *data,
		      size_t len, u8 *mac)
{
	GHmac *hmac = g_hmac_new(G_CHECKSUM_SHA256, key, key_len);
	gsize n = RPMC_SIG_LEN;

	g_hmac_update(hmac, data, len);
	g_hmac_get_digest(hmac, mac, &n);
	g_hmac_unref(hmac);
	return 0;
}

static int flash_sha256(void *ctx, const u8 *data, size_t len, u8 *digest)
{
	GChecksum *sum = g_checksum_new(G_CHECKSUM_SHA256);
	gsize n = RPMC_SIG_LEN;

	g_checksum_update(sum, data, len);
	g_checksum_get_digest(sum, digest, &n);
	g_checksum_free(sum);
	return 0;
}

/* A device secret that is not random would prove nothing. */
static void flash_random(void *ctx, u8 *buf, size_t len)
{
	if (getrandom(buf, len, 0) != (ssize_t)len)
		abort();
}

static const struct crtm_chip_ops flash_chip_ops = {
	.time_us = flash_time_us,
	.hmac = flash_hmac,
	.sha256 = flash_sha256,
	.random = flash_random,
};

/* The bus */

static int flash_set_cs(SSIPeripheral *ssi, bool high)
{
	if (ssi != flash.ssi)
		return soldered.set_cs(ssi, high);
	if (high)
		crtm_chip_end(&flash.chip);
	else
		crtm_chip_begin(&flash.chip);
	flash.skip = 0;
	return 0;
}

/*
 * Dummy cycles of a read become one byte. OP2's dummy byte is none of them: our
 * driver sends it as address or data.
 */
static uint32_t flash_transfer(SSIPeripheral *ssi, uint32_t val)
{
	struct crtm_chip *chip = &flash.chip;
	u8 tx = val, rx;
	bool dummy;

	if (ssi != flash.ssi)
		return soldered.transfer(ssi, val);
	if (flash.skip) {
		flash.skip--;
		return 0;
	}
	dummy = crtm_chip_at_dummy(chip) && chip->bus.ev.op != RPMC_OP2_DEFAULT;
	if (dummy && !flash.dummies)
		crtm_chip_transfer(chip, NULL, NULL, 1);
	else if (dummy)
		flash.skip = flash.dummies - 1;
	crtm_chip_transfer(chip, &tx, &rx, 1);
	return rx;
}

/* Properties */

static char *get_state(Object *obj, Error **errp)
{
	char *text = g_malloc(CRTM_CHIP_STATE_LEN);

	crtm_chip_state(&flash.chip, text);
	return text;
}

static char *get_locks(Object *obj, Error **errp)
{
	u32 i, n = flash.chip.model->size / ASP_SECTOR_SIZE;
	char *text = g_malloc(n + 1);

	for (i = 0; i < n; i++)
		text[i] = '0' + crtm_chip_locks(&flash.chip, i);
	text[n] = '\0';
	return text;
}

static char *get_opcodes(Object *obj, Error **errp)
{
	GString *text = g_string_new(NULL);
	int i;

	for (i = 0; i < 256; i++)
		if (flash.chip.opcount[i])
			g_string_append_printf(text, "%02x %u\n", i, flash.chip.opcount[i]);
	return g_string_free(text, false);
}

static void clear_opcodes(Object *obj, const char *value, Error **errp)
{
	memset(flash.chip.opcount, 0, sizeof(flash.chip.opcount));
}

static char *get_trace(Object *obj, Error **errp)
{
	u32 i = flash.chip.trace_count > TRACE_SIZE ? flash.chip.trace_count - TRACE_SIZE : 0;
	GString *text = g_string_new(NULL);
	char line[CRTM_CHIP_LINE_LEN];

	for (; i != flash.chip.trace_count; i++) {
		crtm_chip_event_text(line, &flash.chip.trace[i % TRACE_SIZE]);
		g_string_append(text, line);
		g_string_append_c(text, '\n');
	}
	return g_string_free(text, false);
}

static void clear_trace(Object *obj, const char *value, Error **errp)
{
	flash.chip.trace_count = 0;
}

static char *get_time_scale(Object *obj, Error **errp)
{
	return g_strdup_printf("%u", flash.chip.time_scale);
}

static void set_time_scale(Object *obj, const char *value, Error **errp)
{
	guint64 scale;

	if (!g_ascii_string_to_unsigned(value, 10, 0, G_MAXUINT32, &scale, NULL))
		error_setg(errp, "'%s' is no percentage", value);
	else
		flash.chip.time_scale = scale;
}

static void power_cycle(Object *obj, const char *value, Error **errp)
{
	crtm_chip_power_off(&flash.chip);
	crtm_chip_power_on(&flash.chip);
}

static void reset_pin(Object *obj, const char *value, Error **errp)
{
	crtm_chip_reset_pin(&flash.chip);
}

static const struct {
	const char *name;
	char *(*get)(Object *obj, Error **errp);
	void (*set)(Object *obj, const char *value, Error **errp);
} properties[] = {
	{ "state", get_state, NULL },
	{ "locks", get_locks, NULL },
	{ "opcodes", get_opcodes, clear_opcodes },
	{ "trace", get_trace, clear_trace },
	{ "time_scale", get_time_scale, set_time_scale },
	{ "power_cycle", NULL, power_cycle },
	{ "reset_pin", NULL, reset_pin },
};

/* The device */

/* The non-volatile memory: a file, shared, so that it survives QEMU's death. */
static void *map_image(const char *path, const struct crtm_chip_model *model, Error **errp)
{
	size_t size = crtm_chip_nv_size(model);
	struct stat st;
	void *nv;
	int fd;

	fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (fd < 0) {
		error_setg_errno(errp, errno, "%s", path);
		return NULL;
	}
	/* Held until QEMU ends. */
	if (flock(fd, LOCK_EX | LOCK_NB)) {
		error_setg(errp, "%s: another QEMU has this chip", path);
		goto close;
	}
	if (fstat(fd, &st) || (!st.st_size && ftruncate(fd, size))) {
		error_setg_errno(errp, errno, "%s", path);
		goto close;
	}
	if (st.st_size && (size_t)st.st_size != size) {
		error_setg(errp, "%s: %lld bytes, a %s has %zu", path, (long long)st.st_size,
			   model->name, size);
		goto close;
	}
	nv = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (nv != MAP_FAILED)
		return nv;
	error_setg_errno(errp, errno, "%s", path);
close:
	close(fd);
	return NULL;
}

static void flash_realize_chip(SSIPeripheral *ssi, Error **errp)
{
	const char *name = getenv("CRTM_CHIP");
	const char *path = getenv("CRTM_CHIP_IMAGE");
	const struct crtm_chip_model *model;
	Object *controller = OBJECT(DEVICE(ssi)->parent_bus->parent);
	Object *obj = OBJECT(ssi);
	size_t i;
	void *nv;

	model = name ? crtm_chip_model(name, strlen(name)) : NULL;
	if (!model) {
		error_setg(errp, "CRTM_CHIP: no model '%s'", name ? name : "");
		return;
	}
	nv = path ? map_image(path, model, errp) : g_malloc0(crtm_chip_nv_size(model));
	if (!nv)
		return;
	if (crtm_chip_init(&flash.chip, model, nv, &flash_chip_ops, NULL)) {
		error_setg(errp, "%s: the chip of another model", path);
		return;
	}
	flash.chip.trace = g_new(struct crtm_chip_event, TRACE_SIZE);
	flash.chip.trace_size = TRACE_SIZE;
	crtm_chip_power_on(&flash.chip);
	/* QEMU's lines start low, and some controllers raise it after the first command. */
	crtm_chip_begin(&flash.chip);

	flash.dummies = object_dynamic_cast(controller, "xlnx.versal-ospi") ? 0 : DUMMY_CYCLES;
	flash.ssi = ssi;
	for (i = 0; i < ARRAY_SIZE(properties); i++)
		object_property_add_str(obj, properties[i].name, properties[i].get,
					properties[i].set);
	object_property_add_const_link(object_get_root(), TYPE_CRTM_CHIP, obj);
}

/* What machine and core do with a m25p80 is done to the one underneath too. */
static void flash_realize(SSIPeripheral *ssi, Error **errp)
{
	SSIPeripheralClass *ssc = SSI_PERIPHERAL_GET_CLASS(ssi);
	ERRP_GUARD();

	/* Headers of another build would put these elsewhere. */
	if (ssi->spc != ssc || ssc->cs_polarity != SSI_CS_LOW) {
		error_setg(errp, "crtm-flash.so was built for another QEMU than this one");
		return;
	}
	soldered.realize(ssi, errp);
	if (!*errp && !flash.ssi)
		flash_realize_chip(ssi, errp);
}

static void flash_replace(SSIPeripheralClass *ssc)
{
	ssc->realize = flash_realize;
	ssc->transfer = flash_transfer;
	ssc->set_cs = flash_set_cs;
}

static void flash_class_init(ObjectClass *klass, void *data)
{
	flash_replace(SSI_PERIPHERAL_CLASS(klass));
}

static const TypeInfo flash_info = {
	.name = TYPE_CRTM_CHIP,
	.parent = TYPE_PARENT,
	.class_init = flash_class_init,
};

/* After all types are known, before the machine is made */
static void flash_solder(void)
{
	SSIPeripheralClass *ssc;

	ssc = SSI_PERIPHERAL_CLASS(object_class_by_name(TYPE_SOLDERED));
	soldered = *ssc;
	flash_replace(ssc);
}

static void flash_register(void)
{
	type_register_static(&flash_info);
}

static void __attribute__((constructor)) flash_load(void)
{
	/* The programs that QEMU starts are none. */
	unsetenv("LD_PRELOAD");
	register_module_init(flash_register, MODULE_INIT_QOM);
	register_module_init(flash_solder, MODULE_INIT_MIGRATION);
}
