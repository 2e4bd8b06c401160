// SPDX-License-Identifier: GPL-2.0-only
/*
 * Emulated secure SPI NOR flash: SPI controllers with a chip behind each.
 *
 * Every chip is a platform device crtm-emu.N whose driver registers an SPI
 * controller, or pins for the kernel's spi-gpio, as on a board: flash drivers,
 * spidev and the SPI core see nothing special. The chip's logic is crtm-chip.c;
 * attributes of the platform device look behind the drivers' back. See
 * Documentation/emulated-chip.rst.
 *
 * The non-volatile memory belongs to the module, not to the bound driver: it
 * outlives unbinding, and with nv_phys= the machine.
 */
#include <crypto/hash.h>
#include <linux/delay.h>
#include <linux/device.h>
#include <linux/gpio/driver.h>
#include <linux/gpio/machine.h>
#include <linux/io.h>
#include <linux/kmod.h>
#include <linux/ktime.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/platform_device.h>
#include <linux/pm.h>
#include <linux/property.h>
#include <linux/random.h>
#include <linux/slab.h>
#include <linux/spi/spi.h>
#include <linux/spi/spi-mem.h>
#include <linux/spi/spi_gpio.h>
#include <linux/string.h>
#include <linux/sysfs.h>
#include <linux/vmalloc.h>

#include "crtm-chip.h"

#define EMU_NAME		"crtm-emu"
#define EMU_UNLISTED_NAME	"crtm-emu-unlisted"
#define EMU_MAX_CHIPS		16
#define EMU_MAX_NO_ADDR		8	/* data bytes without address, ctrl `mem` */
#define EMU_GPIO_BUS		100	/* first bus number, ctrl `gpio` */
#define EMU_MAX_TRACE		1000000
#define EMU_PAUSE_MS		100

static char *chips = "mt25qu128-authenta";
module_param(chips, charp, 0444);
MODULE_PARM_DESC(chips, "model[:ctrl[:driver[:asp]]],... (ctrl: spi, mem, unlisted or gpio; driver: spi-nor or spidev)");

static unsigned long long nv_phys;
module_param(nv_phys, ullong, 0444);
MODULE_PARM_DESC(nv_phys, "physical address of memory for the non-volatile state");

static unsigned long nv_size;
module_param(nv_size, ulong, 0444);
MODULE_PARM_DESC(nv_size, "its size in bytes; 0: ordinary memory");

static unsigned int trace_size = 65536;
module_param(trace_size, uint, 0444);
MODULE_PARM_DESC(trace_size, "operations that the trace of a chip holds");

enum emu_ctrl {
	EMU_SPI,	/* a plain controller */
	EMU_MEM,	/* one for memories */
	EMU_UNLISTED,	/* the same, of a name that no flash driver knows */
	EMU_GPIO,	/* the kernel's spi-gpio, on pins of ours */
};

static const char * const emu_ctrls[] = {
	[EMU_SPI] = "spi",
	[EMU_MEM] = "mem",
	[EMU_UNLISTED] = "unlisted",
	[EMU_GPIO] = "gpio",
};

/* What a platform device is told */
struct emu_config {
	const struct crtm_chip_model *model;
	void *nv;
	enum emu_ctrl ctrl;
	bool asp;
	char modalias[SPI_NAME_SIZE];
};

enum emu_pin {
	EMU_SCK,
	EMU_MOSI,
	EMU_MISO,
	EMU_CS,
	EMU_PINS
};

/**
 * struct emu_pins - the pins of a chip without a controller of ours
 * @gc: they as a GPIO chip
 * @level: of each
 * @bits: of the byte under way that were clocked
 * @in: these bits
 * @out: the byte that goes out meanwhile
 */
struct emu_pins {
	struct gpio_chip gc;
	bool level[EMU_PINS];
	u8 bits;
	u8 in;
	u8 out;
};

/**
 * struct emu_wire - what is wrong with the operation under way
 * @faulty: any of what follows
 * @garbage: chance is received in place of what the chip says
 * @left: bytes that the chip still sees; then nobody drives the line
 * @sent: bytes to the chip so far
 * @received: bytes from it so far
 * @flip_out: bit of all that are sent that arrives wrong
 * @flip_in: bit of all that are received
 */
struct emu_wire {
	bool faulty;
	bool garbage;
	u32 left;
	u32 sent;
	u32 received;
	u32 flip_out;
	u32 flip_in;
};

#define EMU_NO_BIT	U32_MAX
#define EMU_NOBODY	0xff	/* on a line that nobody drives */

/**
 * struct emu - a bound chip with its controller
 * @chip: the chip
 * @lock: held over every call on @chip and for the members below
 * @ctlr: its controller, NULL if that is not ours
 * @pins: its pins, if the controller is not ours
 * @info: the flash
 * @node: properties of the flash
 * @node_name: its name, after which newer kernels name the flash
 * @hmac: HMAC-SHA-256 of the kernel's crypto
 * @sha256: SHA-256 of the kernel's crypto
 * @off_in_suspend: the chip loses power in system suspend
 * @suspended: it did
 * @pause: the controller is late
 * @eio_before: the controller fails before the bytes went to the chip
 * @eio_after: the controller fails after the bytes went to the chip
 * @cut_short: the chip sees no more than some of the bytes
 * @garbage: the controller receives what nobody sent
 * @flip_out: a bit arrives wrong at the chip
 * @flip_in: a bit arrives wrong at the controller
 * @wire: the operation under way
 * @content: binary attribute, the array
 * @sfdp: binary attribute, the SFDP area
 * @trace: binary attribute, the trace as text
 * @locks: binary attribute, what protects each sector, as text
 */
struct emu {
	struct crtm_chip chip;
	struct mutex lock; /* see above */
	struct spi_controller *ctlr;
	struct emu_pins pins;
	struct spi_board_info info;
	struct software_node node;
	char node_name[16];
	struct crypto_shash *hmac;
	struct crypto_shash *sha256;
	bool off_in_suspend;
	bool suspended;
	struct crtm_chip_at pause;
	struct crtm_chip_at eio_before;
	struct crtm_chip_at eio_after;
	struct crtm_chip_at cut_short;
	struct crtm_chip_at garbage;
	struct crtm_chip_at flip_out;
	struct crtm_chip_at flip_in;
	struct emu_wire wire;
	struct bin_attribute content;
	struct bin_attribute sfdp;
	struct bin_attribute trace;
	struct bin_attribute locks;
};

/* What a board's device tree would say of an ordinary MT25Q. */
static const struct property_entry emu_asp_properties[] = {
	PROPERTY_ENTRY_BOOL("micron,sector-protection"),
	{ }
};

static struct platform_device *emu_devs[EMU_MAX_CHIPS];
static struct emu_config emu_configs[EMU_MAX_CHIPS];
static unsigned int emu_count;
static void *emu_nv;

/* Callbacks of the chip */

static u64 emu_time_us(void *ctx)
{
	return ktime_to_us(ktime_get());
}

static int emu_hmac(void *ctx, const u8 *key, size_t key_len, const u8 *data,
		    size_t len, u8 *mac)
{
	struct emu *emu = ctx;
	int ret;

	ret = crypto_shash_setkey(emu->hmac, key, key_len);
	if (ret)
		return ret;
	return crypto_shash_tfm_digest(emu->hmac, data, len, mac);
}

static int emu_sha256(void *ctx, const u8 *data, size_t len, u8 *digest)
{
	struct emu *emu = ctx;

	return crypto_shash_tfm_digest(emu->sha256, data, len, digest);
}

static void emu_random(void *ctx, u8 *buf, size_t len)
{
	get_random_bytes(buf, len);
}

static const struct crtm_chip_ops emu_chip_ops = {
	.time_us = emu_time_us,
	.hmac = emu_hmac,
	.sha256 = emu_sha256,
	.random = emu_random,
};

/* The wire */

/*
 * An operation of @len bytes begins, of which @out go to the chip and @in come from it
 * (others are dummies). -EIO: it does not.
 */
static int emu_begin(struct emu *emu, u8 op, u32 len, u32 out, u32 in)
{
	struct crtm_chip *chip = &emu->chip;
	struct emu_wire *wire = &emu->wire;

	if (crtm_chip_is_at(&emu->pause, op)) {
		/* Who is to do something meanwhile looks at the attributes. */
		mutex_unlock(&emu->lock);
		msleep(EMU_PAUSE_MS);
		mutex_lock(&emu->lock);
	}
	if (crtm_chip_is_at(&emu->eio_before, op))
		return -EIO;

	*wire = (struct emu_wire){
		.left = U32_MAX, .flip_out = EMU_NO_BIT, .flip_in = EMU_NO_BIT,
	};
	if (len && crtm_chip_is_at(&emu->cut_short, op))
		wire->left = crtm_chip_random(chip) % len;
	if (out && crtm_chip_is_at(&emu->flip_out, op))
		wire->flip_out = crtm_chip_random(chip) % (8 * out);
	if (in && crtm_chip_is_at(&emu->flip_in, op))
		wire->flip_in = crtm_chip_random(chip) % (8 * in);
	wire->garbage = in && crtm_chip_is_at(&emu->garbage, op);
	wire->faulty = wire->garbage || wire->left != U32_MAX ||
		       wire->flip_out != EMU_NO_BIT || wire->flip_in != EMU_NO_BIT;
	crtm_chip_begin(chip);
	return 0;
}

/* As crtm_chip_transfer() */
static void emu_transfer(struct emu *emu, const u8 *tx, u8 *rx, size_t len)
{
	struct emu_wire *wire = &emu->wire;
	size_t i;
	u8 out, in;

	if (!wire->faulty) {
		crtm_chip_transfer(&emu->chip, tx, rx, len);
		return;
	}
	for (i = 0; i < len; i++) {
		out = tx ? tx[i] : 0;
		in = EMU_NOBODY;
		if (tx && wire->sent++ == wire->flip_out / 8)
			out ^= BIT(wire->flip_out % 8);
		if (wire->left) {
			wire->left--;
			crtm_chip_transfer(&emu->chip, &out, &in, 1);
		}
		if (!rx)
			continue;
		if (wire->received++ == wire->flip_in / 8)
			in ^= BIT(wire->flip_in % 8);
		rx[i] = wire->garbage ? crtm_chip_random(&emu->chip) : in;
	}
}

static int emu_end(struct emu *emu, u8 op)
{
	crtm_chip_end(&emu->chip);
	return crtm_chip_is_at(&emu->eio_after, op) ? -EIO : 0;
}

/* The controllers */

/* A plain controller: takes transfers of any length. */
static int emu_transfer_one_message(struct spi_controller *ctlr, struct spi_message *msg)
{
	struct emu *emu = spi_controller_get_devdata(ctlr);
	struct spi_transfer *first, *xfer;
	u32 len = 0, out = 0, in = 0;
	u8 op = 0;

	first = list_first_entry(&msg->transfers, struct spi_transfer, transfer_list);
	if (first->tx_buf && first->len)
		op = *(const u8 *)first->tx_buf;
	list_for_each_entry(xfer, &msg->transfers, transfer_list) {
		len += xfer->len;
		out += xfer->tx_buf ? xfer->len : 0;
		in += xfer->rx_buf ? xfer->len : 0;
	}

	mutex_lock(&emu->lock);
	msg->status = emu_begin(emu, op, len, out, in);
	if (!msg->status) {
		list_for_each_entry(xfer, &msg->transfers, transfer_list) {
			emu_transfer(emu, xfer->tx_buf, xfer->rx_buf, xfer->len);
			msg->actual_length += xfer->len;
			if (xfer->cs_change && !list_is_last(&xfer->transfer_list,
							     &msg->transfers)) {
				crtm_chip_end(&emu->chip);
				crtm_chip_begin(&emu->chip);
			}
		}
		msg->status = emu_end(emu, op);
	}
	mutex_unlock(&emu->lock);
	spi_finalize_current_message(ctlr);
	return 0;
}

/*
 * A controller made for memories, like cadence-quadspi: it claims to support
 * every operation, and then cannot send or receive more than a few bytes
 * without an address phase.
 */
static int emu_exec_op(struct spi_mem *mem, const struct spi_mem_op *op)
{
	struct emu *emu = spi_controller_get_devdata(mem->spi->controller);
	u8 addr[sizeof(op->addr.val)];
	u32 out = 1 + op->addr.nbytes, in = 0;
	u8 opcode = op->cmd.opcode;
	int ret;
	u8 i;

	if (!op->addr.nbytes && op->data.nbytes > EMU_MAX_NO_ADDR)
		return -EINVAL;
	if (op->addr.nbytes > sizeof(addr))
		return -EINVAL;
	for (i = 0; i < op->addr.nbytes; i++)
		addr[i] = op->addr.val >> (8 * (op->addr.nbytes - 1 - i));
	if (op->data.dir == SPI_MEM_DATA_IN)
		in = op->data.nbytes;
	else if (op->data.dir == SPI_MEM_DATA_OUT)
		out += op->data.nbytes;

	mutex_lock(&emu->lock);
	ret = emu_begin(emu, opcode, out + op->dummy.nbytes + in, out, in);
	if (!ret) {
		emu_transfer(emu, &opcode, NULL, 1);
		emu_transfer(emu, addr, NULL, op->addr.nbytes);
		emu_transfer(emu, NULL, NULL, op->dummy.nbytes);
		if (op->data.dir == SPI_MEM_DATA_IN)
			emu_transfer(emu, NULL, op->data.buf.in, op->data.nbytes);
		else if (op->data.dir == SPI_MEM_DATA_OUT)
			emu_transfer(emu, op->data.buf.out, NULL, op->data.nbytes);
		ret = emu_end(emu, opcode);
	}
	mutex_unlock(&emu->lock);
	return ret;
}

static const struct spi_controller_mem_ops emu_mem_ops = {
	.exec_op = emu_exec_op,
};

/* SPI mode 0: both sides sample when the clock rises. */
static void emu_clock(struct emu *emu, bool rises)
{
	struct emu_pins *pins = &emu->pins;

	if (pins->level[EMU_CS] || !rises)
		return;
	if (!pins->bits)
		pins->out = crtm_chip_out(&emu->chip);
	pins->in = pins->in << 1 | pins->level[EMU_MOSI];
	pins->level[EMU_MISO] = pins->out & BIT(7 - pins->bits);
	if (++pins->bits < 8)
		return;
	crtm_chip_in(&emu->chip, pins->in);
	pins->bits = 0;
}

static void emu_select(struct emu *emu, bool selected)
{
	/* What is left of a byte was no byte. */
	emu->pins.bits = 0;
	if (selected)
		crtm_chip_begin(&emu->chip);
	else
		crtm_chip_end(&emu->chip);
}

/* Newer kernels want an int. */
#define EMU_GPIO_SET	typeof(((struct gpio_chip *)NULL)->set(NULL, 0, 0))

static EMU_GPIO_SET emu_gpio_set(struct gpio_chip *gc, unsigned int pin, int value)
{
	struct emu *emu = gpiochip_get_data(gc);
	bool level = value, changed;

	mutex_lock(&emu->lock);
	changed = emu->pins.level[pin] != level;
	emu->pins.level[pin] = level;
	if (changed && pin == EMU_SCK)
		emu_clock(emu, level);
	else if (changed && pin == EMU_CS)
		emu_select(emu, !level);
	mutex_unlock(&emu->lock);
	return (EMU_GPIO_SET)0;
}

static int emu_gpio_get(struct gpio_chip *gc, unsigned int pin)
{
	struct emu *emu = gpiochip_get_data(gc);
	int level;

	mutex_lock(&emu->lock);
	level = emu->pins.level[pin];
	mutex_unlock(&emu->lock);
	return level;
}

static int emu_gpio_get_direction(struct gpio_chip *gc, unsigned int pin)
{
	return pin == EMU_MISO ? GPIO_LINE_DIRECTION_IN : GPIO_LINE_DIRECTION_OUT;
}

static int emu_gpio_direction_input(struct gpio_chip *gc, unsigned int pin)
{
	return pin == EMU_MISO ? 0 : -EINVAL;
}

static int emu_gpio_direction_output(struct gpio_chip *gc, unsigned int pin, int value)
{
	if (pin == EMU_MISO)
		return -EINVAL;
	emu_gpio_set(gc, pin, value);
	return 0;
}

static void emu_remove_lookup(void *table)
{
	gpiod_remove_lookup_table(table);
}

static void emu_remove_child(void *pdev)
{
	platform_device_unregister(pdev);
}

static struct platform_device *emu_add_child(struct device *dev, const char *name, int id,
					     const void *data, size_t size)
{
	struct platform_device *pdev;
	int ret;

	pdev = platform_device_register_data(dev, name, id, data, size);
	if (IS_ERR(pdev))
		return pdev;
	ret = devm_add_action_or_reset(dev, emu_remove_child, pdev);
	return ret ? ERR_PTR(ret) : pdev;
}

static int emu_add_flash(struct device *dev, void *info)
{
	struct spi_controller *ctlr = container_of(dev, struct spi_controller, dev);

	return spi_new_device(ctlr, info) ? 1 : -ENODEV;
}

static void emu_remove_pins(void *gc)
{
	gpiochip_remove(gc);
}

/*
 * The pins, and the kernel's own spi-gpio on them. No parent, which the managed
 * gpiochip_add_data() of newer kernels would set, and no owner: else spi-gpio,
 * which goes when this module goes, would keep this module.
 */
static int emu_add_gpio(struct platform_device *pdev, struct emu *emu)
{
	static const struct spi_gpio_platform_data pdata = { .num_chipselect = 1 };
	struct device *dev = &pdev->dev;
	struct gpio_chip *gc = &emu->pins.gc;
	struct gpiod_lookup_table *lookup;
	struct platform_device *spi_gpio;
	int id = EMU_GPIO_BUS + pdev->id;
	int ret;

	gc->label = dev_name(dev);
	gc->base = -1;
	gc->ngpio = EMU_PINS;
	gc->can_sleep = true;
	gc->get = emu_gpio_get;
	gc->set = emu_gpio_set;
	gc->get_direction = emu_gpio_get_direction;
	gc->direction_input = emu_gpio_direction_input;
	gc->direction_output = emu_gpio_direction_output;
	emu->pins.level[EMU_CS] = true;
	ret = gpiochip_add_data(gc, emu);
	if (ret)
		return ret;
	ret = devm_add_action_or_reset(dev, emu_remove_pins, gc);
	if (ret)
		return ret;

	lookup = devm_kzalloc(dev, struct_size(lookup, table, EMU_PINS + 1), GFP_KERNEL);
	if (!lookup)
		return -ENOMEM;
	lookup->dev_id = devm_kasprintf(dev, GFP_KERNEL, "spi_gpio.%d", id);
	if (!lookup->dev_id)
		return -ENOMEM;
	lookup->table[0] = GPIO_LOOKUP(gc->label, EMU_SCK, "sck", GPIO_ACTIVE_HIGH);
	lookup->table[1] = GPIO_LOOKUP(gc->label, EMU_MOSI, "mosi", GPIO_ACTIVE_HIGH);
	lookup->table[2] = GPIO_LOOKUP(gc->label, EMU_MISO, "miso", GPIO_ACTIVE_HIGH);
	lookup->table[3] = GPIO_LOOKUP(gc->label, EMU_CS, "cs", GPIO_ACTIVE_HIGH);
	gpiod_add_lookup_table(lookup);
	ret = devm_add_action_or_reset(dev, emu_remove_lookup, lookup);
	if (ret)
		return ret;

	/* Its driver has to be there when it comes. */
	request_module("platform:spi_gpio");
	spi_gpio = emu_add_child(dev, "spi_gpio", id, &pdata, sizeof(pdata));
	if (IS_ERR(spi_gpio))
		return PTR_ERR(spi_gpio);
	ret = device_for_each_child(&spi_gpio->dev, &emu->info, emu_add_flash);
	if (ret <= 0)
		return dev_err_probe(dev, ret ?: -ENODEV, "no flash on spi_gpio.%d\n", id);
	return 0;
}

static int emu_add_controller(struct device *dev, struct emu *emu, bool mem)
{
	struct spi_controller *ctlr;
	int ret;

	ctlr = devm_spi_alloc_host(dev, 0);
	if (!ctlr)
		return -ENOMEM;
	emu->ctlr = ctlr;
	spi_controller_set_devdata(ctlr, emu);
	ctlr->bus_num = -1;
	ctlr->num_chipselect = 1;
	if (mem)
		ctlr->mem_ops = &emu_mem_ops;
	else
		ctlr->transfer_one_message = emu_transfer_one_message;
	ret = devm_spi_register_controller(dev, ctlr);
	if (ret)
		return ret;

	if (!spi_new_device(ctlr, &emu->info))
		return dev_err_probe(dev, -ENODEV, "no SPI device\n");
	return 0;
}

/* A device of its own for the controller, for its driver's name */
static int emu_unlisted_probe(struct platform_device *pdev)
{
	struct emu **emu = dev_get_platdata(&pdev->dev);

	return emu_add_controller(&pdev->dev, *emu, true);
}

static struct platform_driver emu_unlisted_driver = {
	.probe = emu_unlisted_probe,
	.driver = {
		.name = EMU_UNLISTED_NAME,
	},
};

/* Attributes */

/* Newer kernels hand the attribute over as const: take what read() takes. */
#define EMU_BIN_ATTR								\
	typeof(__builtin_choose_expr(						\
		__same_type(((struct bin_attribute *)NULL)->read,		\
			    ssize_t (*)(struct file *, struct kobject *,	\
					struct bin_attribute *, char *,		\
					loff_t, size_t)),			\
		(struct bin_attribute *)NULL,					\
		(const struct bin_attribute *)NULL))

static struct emu *kobj_to_emu(struct kobject *kobj)
{
	return dev_get_drvdata(kobj_to_dev(kobj));
}

static ssize_t content_read(struct file *file, struct kobject *kobj, EMU_BIN_ATTR attr,
			    char *buf, loff_t off, size_t count)
{
	struct emu *emu = kobj_to_emu(kobj);

	mutex_lock(&emu->lock);
	count = memory_read_from_buffer(buf, count, &off, emu->chip.array,
					emu->chip.model->size);
	mutex_unlock(&emu->lock);
	return count;
}

static ssize_t content_write(struct file *file, struct kobject *kobj, EMU_BIN_ATTR attr,
			     char *buf, loff_t off, size_t count)
{
	struct emu *emu = kobj_to_emu(kobj);

	if (off < 0 || off >= emu->chip.model->size)
		return -EFBIG;
	count = min_t(size_t, count, emu->chip.model->size - off);
	mutex_lock(&emu->lock);
	memcpy(emu->chip.array + off, buf, count);
	mutex_unlock(&emu->lock);
	return count;
}

static ssize_t sfdp_read(struct file *file, struct kobject *kobj, EMU_BIN_ATTR attr,
			 char *buf, loff_t off, size_t count)
{
	struct emu *emu = kobj_to_emu(kobj);

	mutex_lock(&emu->lock);
	count = memory_read_from_buffer(buf, count, &off, emu->chip.sfdp, emu->chip.sfdp_len);
	mutex_unlock(&emu->lock);
	return count;
}

/* A write ends the area where it ends itself. */
static ssize_t sfdp_write(struct file *file, struct kobject *kobj, EMU_BIN_ATTR attr,
			  char *buf, loff_t off, size_t count)
{
	struct emu *emu = kobj_to_emu(kobj);

	if (off < 0 || off >= CRTM_CHIP_SFDP_LEN || count > CRTM_CHIP_SFDP_LEN - off)
		return -EFBIG;
	mutex_lock(&emu->lock);
	memcpy(emu->chip.sfdp + off, buf, count);
	emu->chip.sfdp_len = off + count;
	mutex_unlock(&emu->lock);
	return count;
}

/*
 * Lines of one length, padded in front, so that an offset is a line. Reading
 * while operations run is fine until the ring overflows.
 */
static ssize_t trace_read(struct file *file, struct kobject *kobj, EMU_BIN_ATTR attr,
			  char *buf, loff_t off, size_t count)
{
	struct emu *emu = kobj_to_emu(kobj);
	char text[CRTM_CHIP_LINE_LEN], line[CRTM_CHIP_LINE_LEN + 1];
	u64 index = off;
	u32 skip = do_div(index, CRTM_CHIP_LINE_LEN);
	size_t done = 0, n;
	u32 first;

	mutex_lock(&emu->lock);
	first = emu->chip.trace_count > trace_size ? emu->chip.trace_count - trace_size : 0;
	for (; done < count && index < emu->chip.trace_count - first; index++) {
		crtm_chip_event_text(text, &emu->chip.trace[(u32)(first + index) % trace_size]);
		snprintf(line, sizeof(line), "%*s\n", CRTM_CHIP_LINE_LEN - 1, text);
		n = min_t(size_t, CRTM_CHIP_LINE_LEN - skip, count - done);
		memcpy(buf + done, line + skip, n);
		done += n;
		skip = 0;
	}
	mutex_unlock(&emu->lock);
	return done;
}

static ssize_t trace_write(struct file *file, struct kobject *kobj, EMU_BIN_ATTR attr,
			   char *buf, loff_t off, size_t count)
{
	struct emu *emu = kobj_to_emu(kobj);

	mutex_lock(&emu->lock);
	emu->chip.trace_count = 0;
	mutex_unlock(&emu->lock);
	return count;
}

/* More than the page that an ordinary attribute holds: a character a sector, end of line */
static ssize_t locks_read(struct file *file, struct kobject *kobj, EMU_BIN_ATTR attr,
			  char *buf, loff_t off, size_t count)
{
	struct emu *emu = kobj_to_emu(kobj);
	u32 sectors = emu->chip.model->size / ASP_SECTOR_SIZE;
	size_t i;

	mutex_lock(&emu->lock);
	for (i = 0; i < count && off + i <= sectors; i++)
		buf[i] = off + i == sectors ? '\n' : '0' + crtm_chip_locks(&emu->chip, off + i);
	mutex_unlock(&emu->lock);
	return i;
}

static ssize_t id_show(struct device *dev, struct device_attribute *attr, char *buf)
{
	struct emu *emu = dev_get_drvdata(dev);

	return sysfs_emit(buf, "%*phN\n", (int)emu->chip.id_len, emu->chip.id);
}

static ssize_t id_store(struct device *dev, struct device_attribute *attr, const char *buf,
			size_t count)
{
	struct emu *emu = dev_get_drvdata(dev);
	size_t n = strcspn(buf, "\n");
	u8 id[CRTM_CHIP_ID_LEN];
	char byte[3] = "";
	size_t i;

	/* Not hex2bin(), whose header differs between kernels. */
	if (n % 2 || n / 2 > sizeof(id))
		return -EINVAL;
	for (i = 0; i < n / 2; i++) {
		memcpy(byte, buf + 2 * i, 2);
		if (kstrtou8(byte, 16, &id[i]))
			return -EINVAL;
	}
	mutex_lock(&emu->lock);
	memcpy(emu->chip.id, id, n / 2);
	emu->chip.id_len = n / 2;
	mutex_unlock(&emu->lock);
	return count;
}
static DEVICE_ATTR_RW(id);

static ssize_t power_cycle_store(struct device *dev, struct device_attribute *attr,
				 const char *buf, size_t count)
{
	struct emu *emu = dev_get_drvdata(dev);

	mutex_lock(&emu->lock);
	crtm_chip_power_off(&emu->chip);
	crtm_chip_power_on(&emu->chip);
	mutex_unlock(&emu->lock);
	return count;
}
static DEVICE_ATTR_WO(power_cycle);

static ssize_t reset_pin_store(struct device *dev, struct device_attribute *attr,
			       const char *buf, size_t count)
{
	struct emu *emu = dev_get_drvdata(dev);

	mutex_lock(&emu->lock);
	crtm_chip_reset_pin(&emu->chip);
	mutex_unlock(&emu->lock);
	return count;
}
static DEVICE_ATTR_WO(reset_pin);

static ssize_t time_scale_show(struct device *dev, struct device_attribute *attr, char *buf)
{
	struct emu *emu = dev_get_drvdata(dev);

	return sysfs_emit(buf, "%u\n", emu->chip.time_scale);
}

static ssize_t time_scale_store(struct device *dev, struct device_attribute *attr,
				const char *buf, size_t count)
{
	struct emu *emu = dev_get_drvdata(dev);
	u32 scale;
	int ret;

	ret = kstrtou32(buf, 0, &scale);
	if (ret)
		return ret;
	mutex_lock(&emu->lock);
	emu->chip.time_scale = scale;
	mutex_unlock(&emu->lock);
	return count;
}
static DEVICE_ATTR_RW(time_scale);

static ssize_t power_off_in_suspend_show(struct device *dev, struct device_attribute *attr,
					 char *buf)
{
	struct emu *emu = dev_get_drvdata(dev);

	return sysfs_emit(buf, "%d\n", emu->off_in_suspend);
}

static ssize_t power_off_in_suspend_store(struct device *dev, struct device_attribute *attr,
					  const char *buf, size_t count)
{
	struct emu *emu = dev_get_drvdata(dev);
	bool off;
	int ret;

	ret = kstrtobool(buf, &off);
	if (ret)
		return ret;
	mutex_lock(&emu->lock);
	emu->off_in_suspend = off;
	mutex_unlock(&emu->lock);
	return count;
}
static DEVICE_ATTR_RW(power_off_in_suspend);

static ssize_t opcodes_show(struct device *dev, struct device_attribute *attr, char *buf)
{
	struct emu *emu = dev_get_drvdata(dev);
	int i, n = 0;

	mutex_lock(&emu->lock);
	for (i = 0; i < ARRAY_SIZE(emu->chip.opcount); i++)
		if (emu->chip.opcount[i])
			n += sysfs_emit_at(buf, n, "%02x %u\n", i, emu->chip.opcount[i]);
	mutex_unlock(&emu->lock);
	return n;
}

static ssize_t opcodes_store(struct device *dev, struct device_attribute *attr,
			     const char *buf, size_t count)
{
	struct emu *emu = dev_get_drvdata(dev);

	mutex_lock(&emu->lock);
	memset(emu->chip.opcount, 0, sizeof(emu->chip.opcount));
	mutex_unlock(&emu->lock);
	return count;
}
static DEVICE_ATTR_RW(opcodes);

static ssize_t state_show(struct device *dev, struct device_attribute *attr, char *buf)
{
	struct emu *emu = dev_get_drvdata(dev);
	int n;

	BUILD_BUG_ON(CRTM_CHIP_STATE_LEN > PAGE_SIZE);
	mutex_lock(&emu->lock);
	n = crtm_chip_state(&emu->chip, buf);
	mutex_unlock(&emu->lock);
	return n;
}
static DEVICE_ATTR_RO(state);

static const char * const emu_faults[CRTM_CHIP_FAULTS] = {
	[CRTM_CHIP_F_BITFLIP] = "bitflip",
	[CRTM_CHIP_F_LENGTH] = "length",
	[CRTM_CHIP_F_STALE] = "stale",
};

/* Those that strike at an assertion with a given opcode */
static const struct {
	const char *name;
	size_t offset;
} emu_faults_at[] = {
	{ "power_cut", offsetof(struct emu, chip.cut_before) },
	{ "drop", offsetof(struct emu, chip.drop) },
	{ "stuck", offsetof(struct emu, chip.stuck) },
	{ "pause", offsetof(struct emu, pause) },
	{ "eio_before", offsetof(struct emu, eio_before) },
	{ "eio_after", offsetof(struct emu, eio_after) },
	{ "short", offsetof(struct emu, cut_short) },
	{ "garbage", offsetof(struct emu, garbage) },
	{ "flip_out", offsetof(struct emu, flip_out) },
	{ "flip_in", offsetof(struct emu, flip_in) },
};

static struct crtm_chip_at *emu_fault_at(struct emu *emu, int i)
{
	return (void *)emu + emu_faults_at[i].offset;
}

static ssize_t fault_show(struct device *dev, struct device_attribute *attr, char *buf)
{
	struct emu *emu = dev_get_drvdata(dev);
	const struct crtm_chip_at *at;
	int i, n = 0;

	mutex_lock(&emu->lock);
	for (i = 0; i < CRTM_CHIP_FAULTS; i++)
		if (emu->chip.fault[i])
			n += sysfs_emit_at(buf, n, "%s %u\n", emu_faults[i], emu->chip.fault[i]);
	if (emu->chip.cut_in)
		n += sysfs_emit_at(buf, n, "power_cut %u\n", emu->chip.cut_in);
	for (i = 0; i < ARRAY_SIZE(emu_faults_at); i++) {
		at = emu_fault_at(emu, i);
		if (!at->count)
			continue;
		n += sysfs_emit_at(buf, n, "%s %u ", emu_faults_at[i].name, at->count);
		if (at->any)
			n += sysfs_emit_at(buf, n, "any\n");
		else
			n += sysfs_emit_at(buf, n, "%02x\n", at->op);
	}
	mutex_unlock(&emu->lock);
	return n;
}

static void emu_no_faults(struct emu *emu)
{
	int i;

	memset(emu->chip.fault, 0, sizeof(emu->chip.fault));
	emu->chip.cut_in = 0;
	for (i = 0; i < ARRAY_SIZE(emu_faults_at); i++)
		emu_fault_at(emu, i)->count = 0;
}

/* "NAME [COUNT [OPCODE|any]]", or "none" */
static ssize_t fault_store(struct device *dev, struct device_attribute *attr, const char *buf,
			   size_t count)
{
	struct emu *emu = dev_get_drvdata(dev);
	struct crtm_chip_at at = { .count = 1, .op = RPMC_OP1_DEFAULT };
	char name[16], op[8];
	ssize_t ret = count;
	int fields, i;

	fields = sscanf(buf, "%15s %u %7s", name, &at.count, op);
	if (fields < 1)
		return -EINVAL;
	at.any = fields == 3 && !strcmp(op, "any");
	if (fields == 3 && !at.any && kstrtou8(op, 16, &at.op))
		return -EINVAL;

	mutex_lock(&emu->lock);
	i = match_string(emu_faults, CRTM_CHIP_FAULTS, name);
	if (i >= 0) {
		emu->chip.fault[i] = at.count;
		goto unlock;
	}
	if (!strcmp(name, "none")) {
		emu_no_faults(emu);
		goto unlock;
	}
	/* Without an opcode: at a step of a non-volatile change */
	if (!strcmp(name, "power_cut") && fields < 3) {
		emu->chip.cut_in = at.count;
		goto unlock;
	}
	ret = -EINVAL;
	for (i = 0; i < ARRAY_SIZE(emu_faults_at); i++)
		if (!strcmp(name, emu_faults_at[i].name)) {
			*emu_fault_at(emu, i) = at;
			ret = count;
		}
unlock:
	mutex_unlock(&emu->lock);
	return ret;
}
static DEVICE_ATTR_RW(fault);

static ssize_t fault_seed_show(struct device *dev, struct device_attribute *attr, char *buf)
{
	struct emu *emu = dev_get_drvdata(dev);

	return sysfs_emit(buf, "%u\n", emu->chip.seed);
}

static ssize_t fault_seed_store(struct device *dev, struct device_attribute *attr,
				const char *buf, size_t count)
{
	struct emu *emu = dev_get_drvdata(dev);
	u32 seed;
	int ret;

	ret = kstrtou32(buf, 0, &seed);
	if (ret)
		return ret;
	mutex_lock(&emu->lock);
	emu->chip.seed = seed;
	mutex_unlock(&emu->lock);
	return count;
}
static DEVICE_ATTR_RW(fault_seed);

static struct attribute *emu_attrs[] = {
	&dev_attr_id.attr,
	&dev_attr_power_cycle.attr,
	&dev_attr_reset_pin.attr,
	&dev_attr_time_scale.attr,
	&dev_attr_power_off_in_suspend.attr,
	&dev_attr_opcodes.attr,
	&dev_attr_state.attr,
	&dev_attr_fault.attr,
	&dev_attr_fault_seed.attr,
	NULL
};
ATTRIBUTE_GROUPS(emu);

struct emu_bin_file {
	struct device *dev;
	struct bin_attribute *attr;
};

static void emu_remove_bin_file(void *data)
{
	struct emu_bin_file *file = data;

	device_remove_bin_file(file->dev, file->attr);
}

/* sysfs prints no more than a page at a time from an ordinary attribute. */
static int emu_add_bin_file(struct device *dev, struct bin_attribute *attr, const char *name,
			    size_t size, umode_t mode)
{
	struct emu_bin_file *file;
	int ret;

	file = devm_kzalloc(dev, sizeof(*file), GFP_KERNEL);
	if (!file)
		return -ENOMEM;
	file->dev = dev;
	file->attr = attr;
	sysfs_bin_attr_init(attr);
	attr->attr.name = name;
	attr->attr.mode = mode;
	attr->size = size;
	ret = device_create_bin_file(dev, attr);
	if (ret)
		return ret;
	return devm_add_action_or_reset(dev, emu_remove_bin_file, file);
}

static int emu_add_bin_files(struct device *dev, struct emu *emu)
{
	int ret;

	emu->content.read = content_read;
	emu->content.write = content_write;
	ret = emu_add_bin_file(dev, &emu->content, "content", emu->chip.model->size,
			       0600);
	if (ret)
		return ret;
	emu->sfdp.read = sfdp_read;
	emu->sfdp.write = sfdp_write;
	ret = emu_add_bin_file(dev, &emu->sfdp, "sfdp", 0, 0600);
	if (ret)
		return ret;
	emu->trace.read = trace_read;
	emu->trace.write = trace_write;
	ret = emu_add_bin_file(dev, &emu->trace, "trace", 0, 0600);
	if (ret)
		return ret;
	emu->locks.read = locks_read;
	return emu_add_bin_file(dev, &emu->locks, "locks", 0, 0400);
}

/* The platform driver */

static void emu_free_shash(void *tfm)
{
	crypto_free_shash(tfm);
}

static int emu_alloc_shash(struct device *dev, const char *name, struct crypto_shash **tfm)
{
	*tfm = crypto_alloc_shash(name, 0, 0);
	if (IS_ERR(*tfm))
		return dev_err_probe(dev, PTR_ERR(*tfm), "no %s\n", name);
	return devm_add_action_or_reset(dev, emu_free_shash, *tfm);
}

static void emu_free(void *data)
{
	struct emu *emu = data;

	crtm_chip_wipe(&emu->chip);
	vfree(emu->chip.trace);
	kfree(emu);
}

static int emu_probe(struct platform_device *pdev)
{
	const struct emu_config *config = dev_get_platdata(&pdev->dev);
	struct device *dev = &pdev->dev;
	struct crtm_chip_event *trace;
	struct emu *emu;
	int ret;

	emu = kzalloc(sizeof(*emu), GFP_KERNEL);
	if (!emu)
		return -ENOMEM;
	ret = devm_add_action_or_reset(dev, emu_free, emu);
	if (ret)
		return ret;
	mutex_init(&emu->lock);
	platform_set_drvdata(pdev, emu);

	ret = emu_alloc_shash(dev, "hmac(sha256)", &emu->hmac);
	if (ret)
		return ret;
	ret = emu_alloc_shash(dev, "sha256", &emu->sha256);
	if (ret)
		return ret;

	trace = vzalloc(array_size(trace_size, sizeof(*trace)));
	if (!trace)
		return -ENOMEM;
	ret = crtm_chip_init(&emu->chip, config->model, config->nv, &emu_chip_ops, emu);
	emu->chip.trace = trace;
	emu->chip.trace_size = trace_size;
	if (ret)
		return dev_err_probe(dev, ret, "the memory belongs to another model\n");
	crtm_chip_power_on(&emu->chip);

	ret = emu_add_bin_files(dev, emu);
	if (ret)
		return ret;

	emu->info.max_speed_hz = 50000000;
	strscpy(emu->info.modalias, config->modalias, sizeof(emu->info.modalias));
	if (config->asp) {
		snprintf(emu->node_name, sizeof(emu->node_name), "emu%d.0", pdev->id);
		emu->node.name = emu->node_name;
		emu->node.properties = emu_asp_properties;
		emu->info.swnode = &emu->node;
	}
	switch (config->ctrl) {
	case EMU_GPIO:
		return emu_add_gpio(pdev, emu);
	case EMU_UNLISTED:
		return PTR_ERR_OR_ZERO(emu_add_child(dev, EMU_UNLISTED_NAME, pdev->id, &emu,
						     sizeof(emu)));
	default:
		return emu_add_controller(dev, emu, config->ctrl == EMU_MEM);
	}
}

static int emu_suspend(struct device *dev)
{
	struct emu *emu = dev_get_drvdata(dev);
	int ret;

	ret = emu->ctlr ? spi_controller_suspend(emu->ctlr) : 0;
	if (ret)
		return ret;
	mutex_lock(&emu->lock);
	emu->suspended = emu->off_in_suspend;
	if (emu->suspended)
		crtm_chip_power_off(&emu->chip);
	mutex_unlock(&emu->lock);
	return 0;
}

static int emu_resume(struct device *dev)
{
	struct emu *emu = dev_get_drvdata(dev);

	mutex_lock(&emu->lock);
	if (emu->suspended)
		crtm_chip_power_on(&emu->chip);
	emu->suspended = false;
	mutex_unlock(&emu->lock);
	return emu->ctlr ? spi_controller_resume(emu->ctlr) : 0;
}

static DEFINE_SIMPLE_DEV_PM_OPS(emu_pm_ops, emu_suspend, emu_resume);

static struct platform_driver emu_driver = {
	.probe = emu_probe,
	.driver = {
		.name = EMU_NAME,
		.dev_groups = emu_groups,
		.pm = pm_sleep_ptr(&emu_pm_ops),
	},
};

/* The module */

/* "model[:ctrl[:driver[:asp]]]" */
static int emu_parse(char *text, struct emu_config *config)
{
	char *model = strsep(&text, ":");
	char *ctrl = strsep(&text, ":");
	const char *driver = text ? strsep(&text, ":") : "spi-nor";
	int i;

	config->model = crtm_chip_model(model, strlen(model));
	if (!config->model) {
		pr_err(EMU_NAME ": no such model: %s\n", model);
		return -EINVAL;
	}
	i = ctrl ? match_string(emu_ctrls, ARRAY_SIZE(emu_ctrls), ctrl) : EMU_SPI;
	if (i < 0) {
		pr_err(EMU_NAME ": no such controller: %s\n", ctrl);
		return -EINVAL;
	}
	config->ctrl = i;
	config->asp = text && !strcmp(text, "asp");
	if (text && !config->asp) {
		pr_err(EMU_NAME ": no such property: %s\n", text);
		return -EINVAL;
	}
	/* spidev refuses its own name; this one it knows. */
	if (!strcmp(driver, "spidev"))
		driver = "spi-authenta";
	if (strscpy(config->modalias, driver, sizeof(config->modalias)) < 0)
		return -EINVAL;
	return 0;
}

static int emu_parse_all(void)
{
	char *list, *text, *one;
	int ret = 0;

	list = kstrdup(chips, GFP_KERNEL);
	if (!list)
		return -ENOMEM;
	for (text = list; !ret && (one = strsep(&text, ",")); ) {
		if (emu_count == EMU_MAX_CHIPS) {
			ret = -E2BIG;
			break;
		}
		ret = emu_parse(one, &emu_configs[emu_count++]);
	}
	kfree(list);
	return ret;
}

/* Chip after chip in the memory given, or for each its own. */
static int emu_alloc_nv(void)
{
	size_t at = 0, size;
	unsigned int i;

	if (nv_size) {
		emu_nv = memremap(nv_phys, nv_size, MEMREMAP_WB);
		if (!emu_nv)
			return -ENOMEM;
	}
	for (i = 0; i < emu_count; i++) {
		size = crtm_chip_nv_size(emu_configs[i].model);
		if (nv_size && size > nv_size - at) {
			pr_err(EMU_NAME ": nv_size is too small for %u chips\n", emu_count);
			return -ENOSPC;
		}
		emu_configs[i].nv = nv_size ? emu_nv + at : vzalloc(size);
		if (!emu_configs[i].nv)
			return -ENOMEM;
		at += size;
	}
	return 0;
}

static void emu_free_nv(void)
{
	unsigned int i;

	if (emu_nv) {
		memunmap(emu_nv);
		return;
	}
	for (i = 0; i < emu_count; i++) {
		if (emu_configs[i].nv)
			memzero_explicit(emu_configs[i].nv, CRTM_CHIP_NV_HEADER);
		vfree(emu_configs[i].nv);
	}
}

static int __init emu_init(void)
{
	unsigned int i;
	int ret;

	if (!trace_size || trace_size > EMU_MAX_TRACE)
		return -EINVAL;
	ret = emu_parse_all();
	if (ret)
		return ret;
	ret = emu_alloc_nv();
	if (ret)
		goto free;
	ret = platform_driver_register(&emu_unlisted_driver);
	if (ret)
		goto free;
	ret = platform_driver_register(&emu_driver);
	if (ret)
		goto unregister_unlisted;
	for (i = 0; i < emu_count; i++) {
		emu_devs[i] = platform_device_register_data(NULL, EMU_NAME, i, &emu_configs[i],
							    sizeof(emu_configs[i]));
		if (IS_ERR(emu_devs[i])) {
			ret = PTR_ERR(emu_devs[i]);
			goto unregister;
		}
	}
	return 0;

unregister:
	while (i--)
		platform_device_unregister(emu_devs[i]);
	platform_driver_unregister(&emu_driver);
unregister_unlisted:
	platform_driver_unregister(&emu_unlisted_driver);
free:
	emu_free_nv();
	return ret;
}
module_init(emu_init);

static void __exit emu_exit(void)
{
	unsigned int i;

	for (i = 0; i < emu_count; i++)
		platform_device_unregister(emu_devs[i]);
	platform_driver_unregister(&emu_driver);
	platform_driver_unregister(&emu_unlisted_driver);
	emu_free_nv();
}
module_exit(emu_exit);

MODULE_DESCRIPTION("Emulated secure SPI NOR flash");
MODULE_LICENSE("GPL");
MODULE_SOFTDEP("pre: sha256 hmac");
