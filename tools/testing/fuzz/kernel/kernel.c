// SPDX-License-Identifier: MIT
/* What the drivers' files call, in a process: stubs.h, on the world of world.h. */
#include "../fuzz.h"
#include "world.h"

#include <linux/mtd/rpmc.h>
#include <linux/mtd/security.h>

#include "crtm.h"

/* One hold of the flash's lock stays below this. */
#define MAX_HOLD_US	2000000

struct world world;

void *memchr_inv(const void *p, int c, size_t n)
{
	const u8 *b = p;

	for (; n; n--, b++)
		if (*b != (u8)c)
			return (void *)b;
	return NULL;
}

ssize_t strscpy(char *to, const char *from, size_t size)
{
	snprintf(to, size, "%s", from);
	return strlen(to);
}

/* Memory and time */

/* The n-th question from now on: 0 is never. */
static bool due(u32 *at)
{
	return *at && !--*at;
}

void memzero_explicit(void *p, size_t n)
{
	if (!world.forgetful)
		explicit_bzero(p, n);
}

void *fuzz_alloc(size_t size)
{
	size_t *p;

	CHECK(!world.locked);
	if (due(&world.alloc_at))
		return NULL;
	p = calloc(1, sizeof(*p) + size);
	CHECK(p);
	*p = size;
	world.allocated++;
	return p + 1;
}

void fuzz_free(const void *p)
{
	size_t *start = (size_t *)p - 1;

	if (!p)
		return;
	world.allocated--;
	if (world.secret && memmem(p, *start, world.secret, SECRET_LEN))
		world.kept++;
	free(start);
}

void fuzz_free_sensitive(const void *p)
{
	if (p)
		memzero_explicit((void *)p, ((size_t *)p)[-1]);
	fuzz_free(p);
}

ktime_t ktime_get(void)
{
	return world.chip->now_us;
}

void usleep_range(unsigned long least, unsigned long most)
{
	CHECK(least <= most);
	world.chip->now_us += most;
}

/* The caller */

bool signal_pending(int task)
{
	if (world.signal_at > 1)
		world.signal_at--;
	return task || world.signal_at == 1;
}

bool capable(int capability)
{
	CHECK(capability == CAP_SYS_ADMIN);
	return world.admin;
}

bool access_ok(const void *p, size_t n)
{
	return n <= USER_END && (uintptr_t)p <= USER_END - n;
}

u8 *user_bytes(u64 address, size_t n)
{
	if (address < USER_BASE || n > USER_SIZE || address - USER_BASE > USER_SIZE - n)
		return NULL;
	return world.mem + (address - USER_BASE);
}

static size_t mapped(uintptr_t address, size_t n, size_t end)
{
	size_t offset = address - USER_BASE;

	if (address < USER_BASE || offset >= end)
		return 0;
	return min(n, end - offset);
}

size_t fault_in_safe_writeable(const void *p, size_t n)
{
	CHECK(!world.locked);
	return n - mapped((uintptr_t)p, n, USER_WRITABLE);
}

size_t copy_from_user(void *to, const void *from, size_t n)
{
	size_t good = mapped((uintptr_t)from, n, USER_SIZE);

	CHECK(!world.locked);
	if (due(&world.race_at))
		world.mem[world.race_offset % USER_SIZE] = world.race_value;
	world.reads++;
	if (good)
		memcpy(to, world.mem + ((uintptr_t)from - USER_BASE), good);
	memset((u8 *)to + good, 0, n - good);
	return n - good;
}

size_t copy_to_user(void *to, const void *from, size_t n)
{
	size_t good = mapped((uintptr_t)to, n, USER_WRITABLE);
	size_t offset = (uintptr_t)to - USER_BASE;

	CHECK(!world.locked);
	if (good) {
		memcpy(world.mem + offset, from, good);
		memset(world.written + offset, true, good);
	}
	return n - good;
}

int copy_struct_from_user(void *to, size_t know, const void *from, size_t n)
{
	size_t rest = n > know ? n - know : 0, i;
	u8 tail;

	for (i = 0; i < rest; i++) {
		if (copy_from_user(&tail, (const u8 *)from + know + i, 1))
			return -EFAULT;
		if (tail)
			return -E2BIG;
	}
	memset(to, 0, know);
	return copy_from_user(to, from, min(know, n)) ? -EFAULT : 0;
}

void *vmemdup_user(const void *from, size_t n)
{
	void *p = fuzz_alloc(n);

	if (!p)
		return (void *)(uintptr_t)-ENOMEM;
	if (!copy_from_user(p, from, n))
		return p;
	fuzz_free(p);
	return (void *)(uintptr_t)-EFAULT;
}

/* Devices */

void mutex_lock(struct mutex *lock)
{
	CHECK(!lock->held);
	lock->held = true;
	world.locked = true;
	world.locked_us = world.chip->now_us;
}

void mutex_unlock(struct mutex *lock)
{
	CHECK(lock->held);
	CHECK(world.chip->now_us - world.locked_us < MAX_HOLD_US);
	lock->held = false;
	world.locked = false;
}

bool mtd_security_get(struct mtd_security *sec)
{
	if (world.dead_at > 1)
		world.dead_at--;
	if (sec->dead || world.dead_at == 1)
		return false;
	world.users++;
	return true;
}

void mtd_security_put(struct mtd_security *sec)
{
	CHECK(sec && world.users > 0);
	world.users--;
}

/* SPI */

bool spi_mem_supports_op(struct spi_mem *mem, const struct spi_mem_op *op)
{
	return mem && op;
}

int spi_mem_adjust_op_size(struct spi_mem *mem, struct spi_mem_op *op)
{
	return mem && op ? 0 : -EINVAL;
}

static void note_block(const u8 *tx, size_t n)
{
	if (world.before_send)
		world.before_send(tx, n);
	CHECK(world.nr_sent < MAX_SENT);
	memcpy(world.sent[world.nr_sent], tx, n);
	world.sent_len[world.nr_sent++] = n;
}

int spi_mem_exec_op(struct spi_mem *mem, const struct spi_mem_op *op)
{
	bool in = op->data.dir == SPI_MEM_DATA_IN, fails = due(&world.bus_at);
	u8 tx[MAX_BLOCK];
	size_t n = 0;
	int i;

	CHECK(mem && (world.probing || (world.locked && world.users)));
	tx[n++] = op->cmd.opcode;
	for (i = op->addr.nbytes; i--;)
		tx[n++] = op->addr.val >> 8 * i;
	if (op->data.dir == SPI_MEM_DATA_OUT) {
		CHECK(n + op->data.nbytes <= sizeof(tx));
		memcpy(tx + n, op->data.buf.out, op->data.nbytes);
		n += op->data.nbytes;
	}
	/* What fails may have been sent all the same. */
	if (tx[0] == RPMC_OP1_DEFAULT)
		note_block(tx, n);
	if (fails && world.bus_lost)
		return -EIO;
	crtm_user_op(world.chip, tx, n, in ? op->data.buf.in : NULL, in ? op->data.nbytes : 0);
	if (in && due(&world.lie_at))
		memcpy(op->data.buf.in, world.lie, min(world.lie_len, (size_t)op->data.nbytes));
	return fails ? -EIO : 0;
}

int spi_nor_prep_and_lock(struct spi_nor *nor)
{
	return spi_nor_crtm_lock(nor);
}

void spi_nor_unlock_and_unprep(struct spi_nor *nor)
{
	mutex_unlock(&nor->lock);
}

static int plain_op(struct spi_nor *nor, u8 opcode, unsigned int in)
{
	struct spi_mem_op op = {
		.cmd.opcode = opcode,
		.data = { .dir = in ? SPI_MEM_DATA_IN : SPI_MEM_NO_DATA, .nbytes = in,
			  .buf.in = nor->bouncebuf },
	};

	return spi_mem_exec_op(nor->spimem, &op);
}

int spi_nor_write_disable(struct spi_nor *nor)
{
	return plain_op(nor, 0x04, 0);
}

int spi_nor_sr_ready(struct spi_nor *nor)
{
	int ret = plain_op(nor, 0x05, 1);

	return ret ? ret : !(nor->bouncebuf[0] & 1);
}

int spi_nor_read_id(struct spi_nor *nor, u8 naddr, u8 ndummy, u8 *id, u32 proto)
{
	CHECK(!naddr && !ndummy && proto == SNOR_PROTO_1_1_1 && id == nor->bouncebuf);
	return plain_op(nor, 0x9f, SPI_NOR_MAX_ID_LEN);
}
