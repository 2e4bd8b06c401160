/* SPDX-License-Identifier: MIT */
/*
 * As much of the kernel as the drivers' files need to run in a process: each
 * <linux/...> that they include is this file. What it stands for is in kernel.c.
 *
 * Stricter than the kernel: user memory that is touched, or memory that is allocated,
 * under the flash's lock ends the program.
 */
#ifndef FUZZ_KERNEL_H
#define FUZZ_KERNEL_H

#include <assert.h>
#include <endian.h>
#include <errno.h>
#include <linux/ioctl.h>
#include <linux/types.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef __u8 u8;
typedef __u16 u16;
typedef __u32 u32;
typedef __u64 u64;
typedef __s8 s8;
typedef __s32 s32;
typedef __s64 s64;
typedef s64 ktime_t;
typedef unsigned int gfp_t;
typedef unsigned int fmode_t;

#define __user
#define __aligned_u64		__u64 __attribute__((aligned(8)))
#define U8_MAX			0xff
#define U32_MAX			0xffffffffU
#define PAGE_SIZE		4096
#define USEC_PER_MSEC		1000
#define ENOIOCTLCMD		515
#define FMODE_WRITE		2
#define CAP_SYS_ADMIN		21
#define BLKPG			_IO(0x12, 105)
#define GFP_KERNEL		0
#define GFP_USER		0

#define ARRAY_SIZE(a)		(sizeof(a) / sizeof((a)[0]))
#define BIT(n)			(1UL << (n))
#define BIT_ULL(n)		(1ULL << (n))
#define GENMASK(h, l)		((~0U << (l)) & (~0U >> (31 - (h))))
#define FIELD_GET(mask, v)	(((v) & (mask)) >> __builtin_ctz(mask))
#define BUILD_BUG_ON_ZERO(e)	((int)sizeof(struct { int : -!!(e); }))
#undef static_assert
#define static_assert(e, ...)	_Static_assert(e, #e)
#define offsetofend(t, m)	(offsetof(t, m) + sizeof(((t *)0)->m))
#define container_of(p, t, m)	((t *)((char *)(p) - offsetof(t, m)))
#define DIV_ROUND_UP_ULL(n, d)	(((u64)(n) + (d) - 1) / (d))
#define div_u64(n, d)		((u64)(n) / (d))
#define min(a, b)		((a) < (b) ? (a) : (b))
#define max(a, b)		((a) > (b) ? (a) : (b))
#define min_t(t, a, b)		min((t)(a), (t)(b))
#define max_t(t, a, b)		max((t)(a), (t)(b))
#define clamp_t(t, v, lo, hi)	min_t(t, max_t(t, v, lo), hi)
#define READ_ONCE(x)		(x)
#define IS_ERR(p)		((uintptr_t)(p) >= (uintptr_t)-4095)
#define PTR_ERR(p)		((long)(p))
#define be32_to_cpu(v)		be32toh(v)
#define array_index_nospec(i, n) ((i) < (n) ? (i) : 0)
void memzero_explicit(void *p, size_t n);
#define dev_dbg(dev, ...)	((void)(dev), (void)sizeof(printf(__VA_ARGS__)))
#define dev_warn(dev, ...)	dev_dbg(dev, __VA_ARGS__)

void *memchr_inv(const void *p, int c, size_t n);
ssize_t strscpy(char *to, const char *from, size_t size);

/* Memory and time */
void *fuzz_alloc(size_t size);
void fuzz_free(const void *p);
void fuzz_free_sensitive(const void *p);
#define kmalloc(size, gfp)	fuzz_alloc(size)
#define kvzalloc(size, gfp)	fuzz_alloc(size)
#define kvcalloc(n, size, gfp)	fuzz_alloc((n) * (size))
#define devm_kzalloc(dev, size, gfp) fuzz_alloc(size)
#define devm_kfree(dev, p)	fuzz_free(p)
#define kvfree(p)		fuzz_free(p)
#define kfree_sensitive(p)	fuzz_free_sensitive(p)

ktime_t ktime_get(void);
#define ktime_add_us(t, us)	((t) + (s64)(us))
#define ktime_after(a, b)	((a) > (b))
#define ktime_get_ns()		(ktime_get() * 1000)
void usleep_range(unsigned long least, unsigned long most);

/* The caller */
#define current			0
bool signal_pending(int task);
bool capable(int capability);
#define memalloc_noio_save()	0U
#define memalloc_noio_restore(f) ((void)(f))

#define u64_to_user_ptr(v)	((void *)(uintptr_t)(v))
bool access_ok(const void *p, size_t n);
size_t fault_in_safe_writeable(const void *p, size_t n);
size_t copy_from_user(void *to, const void *from, size_t n);
size_t copy_to_user(void *to, const void *from, size_t n);
int copy_struct_from_user(void *to, size_t know, const void *from, size_t n);
void *vmemdup_user(const void *from, size_t n);
#define get_user(v, p)		(copy_from_user(&(v), p, sizeof(*(p))) ? -EFAULT : 0)
#define put_user(v, p) ({						\
	__typeof__(*(p)) _put = (v);					\
	copy_to_user(p, &_put, sizeof(_put)) ? -EFAULT : 0;		\
})

/* Devices */
struct list_head { struct list_head *next, *prev; };
typedef struct { int count; } refcount_t;
struct completion { int done; };
struct kref { int count; };
struct rw_semaphore { int count; };
struct module;
struct mutex { bool held; };
void mutex_lock(struct mutex *lock);
void mutex_unlock(struct mutex *lock);

struct device { struct device *parent; const char *driver; };
#define dev_driver_string(dev)	((dev)->driver)

struct file { fmode_t f_mode; };

struct mtd_info {
	struct mtd_info *parent;
	u64 offset;
	u64 size;
};

#define mtd_is_partition(mtd)	((mtd)->parent != NULL)
#define mtd_get_master_ofs(mtd, ofs) ((mtd)->offset + (ofs))

/* SPI */
enum spi_mem_data_dir { SPI_MEM_NO_DATA, SPI_MEM_DATA_IN, SPI_MEM_DATA_OUT };

struct spi_mem_op {
	struct { u8 nbytes, buswidth; u16 opcode; } cmd;
	struct { u8 nbytes, buswidth; u64 val; } addr;
	struct { u8 nbytes, buswidth; } dummy;
	struct {
		u8 buswidth;
		enum spi_mem_data_dir dir;
		unsigned int nbytes;
		union { void *in; const void *out; } buf;
	} data;
};

#define SPI_MEM_OP_CMD(op, w)	{ .nbytes = 1, .buswidth = (w), .opcode = (op) }
#define SPI_MEM_OP_ADDR(n, v, w) { .nbytes = (n), .buswidth = (w), .val = (v) }
#define SPI_MEM_OP_NO_DUMMY	{ 0 }
#define SPI_MEM_OP_DATA_OUT(n, p, w) \
	{ .dir = SPI_MEM_DATA_OUT, .nbytes = (n), .buf.out = (p), .buswidth = (w) }
#define SPI_MEM_OP_DATA_IN(n, p, w) \
	{ .dir = SPI_MEM_DATA_IN, .nbytes = (n), .buf.in = (p), .buswidth = (w) }
#define SPI_MEM_OP(c, a, du, da) { .cmd = c, .addr = a, .dummy = du, .data = da }

struct spi_controller_mem_ops { bool exec_op; };
struct spi_controller { struct device dev; const struct spi_controller_mem_ops *mem_ops; };
struct spi_device { struct spi_controller *controller; };
struct spi_mem { struct spi_device *spi; };

int spi_mem_exec_op(struct spi_mem *mem, const struct spi_mem_op *op);
bool spi_mem_supports_op(struct spi_mem *mem, const struct spi_mem_op *op);
int spi_mem_adjust_op_size(struct spi_mem *mem, struct spi_mem_op *op);

/* drivers/mtd/spi-nor/core.h */
#define SPI_NOR_MAX_ID_LEN	6
#define SNOR_PROTO_1_1_1	0x10101
#define SFDP_JESD216_MAJOR	1

struct sfdp { size_t num_dwords; u32 *dwords; };

struct sfdp_parameter_header {
	u8 id_lsb;
	u8 minor;
	u8 major;
	u8 length;
	u8 parameter_table_pointer[3];
	u8 id_msb;
};

struct spi_nor_crtm;
struct spi_nor_locking_ops;
struct flash_info { const char *name; };
struct spi_nor_flash_parameter { struct spi_nor_crtm *crtm; u64 size; };

struct spi_nor {
	struct mtd_info mtd;
	struct mutex lock;
	struct device *dev;
	struct spi_mem *spimem;
	u8 *bouncebuf;
	const struct flash_info *info;
	const void *manufacturer;
	u32 reg_proto;
	struct sfdp *sfdp;
	struct spi_nor_flash_parameter *params;
};

#define HAVE_SPI_NOR_PREP_AND_LOCK
int spi_nor_prep_and_lock(struct spi_nor *nor);
void spi_nor_unlock_and_unprep(struct spi_nor *nor);
int spi_nor_write_disable(struct spi_nor *nor);
int spi_nor_sr_ready(struct spi_nor *nor);
int spi_nor_read_id(struct spi_nor *nor, u8 naddr, u8 ndummy, u8 *id, u32 proto);

#endif /* FUZZ_KERNEL_H */
