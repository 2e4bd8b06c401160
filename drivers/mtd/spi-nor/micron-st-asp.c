// SPDX-License-Identifier: GPL-2.0-only
/*
 * Advanced Sector Protection of Micron's MT25Q.
 *
 * Each sector of 64 KiB has a volatile lock bit (b0), a bit that keeps both from
 * changing until reset (b1, lock-down), and a non-volatile lock bit. MEMLOCK and
 * MEMUNLOCK change b0, by the leave of b1:
 *
 *   b1 | b0 | sector | MEMLOCK | MEMUNLOCK
 *  ----+----+--------+---------+-----------
 *    0 |  0 | open   | b0 = 1  | nothing
 *    0 |  1 | locked | nothing | b0 = 0
 *    1 |  0 | open   | EACCES  | nothing
 *    1 |  1 | locked | nothing | EACCES
 *
 * A sector cannot be programmed or erased if it is locked by any of b0, its
 * non-volatile bit, the block protection bits of the status register, or an A-CRTM
 * region. MEMUNLOCK clears block protection too; for the rest it says EACCES. An
 * operation reads and checks everything first, then it writes; what it wrote it
 * reads back, and takes back if it fails half-way.
 *
 * What the opcodes do and how far each fact can be trusted: <linux/mtd/asp.h>.
 */
#include <linux/bitmap.h>
#include <linux/build_bug.h>
#include <linux/compiler.h>
#include <linux/debugfs.h>
#include <linux/device.h>
#include <linux/errno.h>
#include <linux/log2.h>
#include <linux/math64.h>
#include <linux/minmax.h>
#include <linux/mtd/spi-nor.h>
#include <linux/property.h>
#include <linux/sched/mm.h>
#include <linux/seq_file.h>
#include <linux/slab.h>
#include <linux/spi/spi.h>
#include <linux/spi/spi-mem.h>
#include <linux/string.h>

#include "asp.h"
#include "compat.h"
#include "crtm.h"
#include "micron-st-asp.h"

#define ASP_PROPERTY		"micron,sector-protection"

/* The two bits of the register stand in the state of a sector as they are. */
static_assert(ASP_VLB_LOCK == ASP_S_VOLATILE && ASP_VLB_DOWN == ASP_S_LOCK_DOWN);

#define ASP_SECTORS_A_LINE	64
#define ASP_NAMES_LEN		96

/* The forms of the operations; data stands in the bounce buffer. */
static const struct {
	u8 opcode;
	u8 addr_nbytes;
	u8 len;
	enum spi_mem_data_dir dir;
} asp_ops[] = {
	[ASP_RD_VLB]	  = { ASP_OP_RDVLB, 3, 1, SPI_MEM_DATA_IN },
	[ASP_WR_VLB]	  = { ASP_OP_WRVLB, 3, 1, SPI_MEM_DATA_OUT },
	[ASP_RD_VLB_4B]	  = { ASP_OP_RDVLB_4B, 4, 1, SPI_MEM_DATA_IN },
	[ASP_WR_VLB_4B]	  = { ASP_OP_WRVLB_4B, 4, 1, SPI_MEM_DATA_OUT },
	[ASP_RD_NVLB]	  = { ASP_OP_RDNVLB, 4, 1, SPI_MEM_DATA_IN },
	[ASP_WR_NVLB]	  = { ASP_OP_WRNVLB, 4, 0, SPI_MEM_NO_DATA },
	[ASP_ER_NVLB]	  = { ASP_OP_ERNVLB, 0, 0, SPI_MEM_NO_DATA },
	[ASP_RD_FREEZE]	  = { ASP_OP_RDFREEZE, 0, 1, SPI_MEM_DATA_IN },
	[ASP_WR_FREEZE]	  = { ASP_OP_WRFREEZE, 0, 0, SPI_MEM_NO_DATA },
	[ASP_RD_ASPR]	  = { ASP_OP_RDASPR, 0, 2, SPI_MEM_DATA_IN },
	[ASP_WR_ASPR]	  = { ASP_OP_WRASPR, 0, 2, SPI_MEM_DATA_OUT },
	[ASP_RD_PASSWORD] = { ASP_OP_RDPASS, 0, ASP_PASSWORD_LEN, SPI_MEM_DATA_IN },
	[ASP_WR_PASSWORD] = { ASP_OP_WRPASS, 0, ASP_PASSWORD_LEN, SPI_MEM_DATA_OUT },
	[ASP_UNLOCK]	  = { ASP_OP_UNLOCK, 0, ASP_PASSWORD_LEN, SPI_MEM_DATA_OUT },
	[ASP_RD_PMR]	  = { ASP_OP_RDPMR, 0, 1, SPI_MEM_DATA_IN },
	[ASP_WR_PMR]	  = { ASP_OP_WRPMR, 0, 1, SPI_MEM_DATA_OUT },
};

/* By bit of ASP_S_* */
static const char * const asp_names[] = {
	"volatile lock", "lock-down", "non-volatile lock", "block protection", "A-CRTM region",
};

/* By state. Upper case: locked down too. */
#define ASP_STATES		32
static const char asp_chars[] = ".vdVn*N*b*B*****r*R*************";
static_assert(sizeof(asp_chars) == ASP_STATES + 1 && 1 << ARRAY_SIZE(asp_names) == ASP_STATES);

/**
 * micron_st_nor_asp_range() - the sectors of a range
 * @n_sectors: number of sectors of the chip
 * @ofs: start in bytes
 * @len: length in bytes
 * @first: out: index of the first sector
 * @nr: out: number of sectors, at least one
 *
 * Return: 0, or -EINVAL if the range is empty, not whole sectors, or not inside the
 * chip.
 */
int micron_st_nor_asp_range(u32 n_sectors, loff_t ofs, u64 len, u32 *first, u32 *nr)
{
	u64 size = (u64)n_sectors * ASP_SECTOR_SIZE;

	if (ofs < 0 || (u64)ofs >= size || !len || len > size - ofs ||
	    ofs % ASP_SECTOR_SIZE || len % ASP_SECTOR_SIZE)
		return -EINVAL;

	*first = (u64)ofs / ASP_SECTOR_SIZE;
	*nr = len / ASP_SECTOR_SIZE;

	return 0;
}

/**
 * micron_st_nor_asp_all_locked() - is every sector locked, by whatever?
 * @map: ASP_S_* of each sector of the chip
 * @first: index of the first sector of the range
 * @nr: number of sectors
 *
 * Return: true if each has one of ASP_S_LOCKED.
 */
bool micron_st_nor_asp_all_locked(const u8 *map, u32 first, u32 nr)
{
	u32 i;

	for (i = first; i < first + nr; i++)
		if (!(map[i] & ASP_S_LOCKED))
			return false;

	return true;
}

/**
 * micron_st_nor_asp_plan() - does a sector's volatile lock bit have to change?
 * @state: ASP_S_* of the sector
 * @lock: to be locked, else unlocked
 *
 * Return: 1 if it has to, 0 if it stands as wanted, -EACCES if it cannot change, or
 * if the sector stays locked whatever it says.
 */
int micron_st_nor_asp_plan(u8 state, bool lock)
{
	if (!lock && state & (ASP_S_NON_VOLATILE | ASP_S_REGION))
		return -EACCES;
	if (!!(state & ASP_S_VOLATILE) == lock)
		return 0;

	return state & ASP_S_LOCK_DOWN ? -EACCES : 1;
}

/* In one store: debugfs reads without the lock. */
static void asp_set(u8 *map, u32 i, u8 bits, u8 state)
{
	WRITE_ONCE(map[i], (map[i] & ~bits) | state);
}

/**
 * micron_st_nor_asp_set_block() - note what the block protection bits lock
 * @map: ASP_S_* of each sector of the chip
 * @n_sectors: number of sectors of the chip
 * @ofs: start of the locked range in bytes
 * @len: its length in bytes
 */
void micron_st_nor_asp_set_block(u8 *map, u32 n_sectors, loff_t ofs, u64 len)
{
	u32 i;

	for (i = 0; i < n_sectors; i++) {
		u64 start = (u64)i * ASP_SECTOR_SIZE;

		asp_set(map, i, ASP_S_BLOCK,
			start >= ofs && start - ofs < len ? ASP_S_BLOCK : 0);
	}
}

static bool asp_inside(u32 n_sectors, u32 addr, u32 len)
{
	return len && (u64)addr + len <= (u64)n_sectors * ASP_SECTOR_SIZE;
}

/* Does the sector have a byte of the range? */
static bool asp_covers(u32 sector, u32 addr, u32 len)
{
	return sector >= addr / ASP_SECTOR_SIZE &&
	       (u64)sector * ASP_SECTOR_SIZE < (u64)addr + len;
}

/**
 * micron_st_nor_asp_set_regions() - note the A-CRTM regions
 * @map: ASP_S_* of each sector of the chip; unchanged on error
 * @n_sectors: number of sectors of the chip
 * @region: what the chip says
 * @nr: number of regions
 *
 * Return: 0, or -EIO if a region lies outside the chip.
 */
int micron_st_nor_asp_set_regions(u8 *map, u32 n_sectors,
				  const struct spi_nor_crtm_region *region, u32 nr)
{
	u32 i, k;

	for (k = 0; k < nr; k++)
		if (!asp_inside(n_sectors, region[k].addr, region[k].len))
			return -EIO;

	for (i = 0; i < n_sectors; i++) {
		u8 state = 0;

		for (k = 0; k < nr; k++)
			if (asp_covers(i, region[k].addr, region[k].len))
				state = ASP_S_REGION;
		asp_set(map, i, ASP_S_REGION, state);
	}

	return 0;
}

/**
 * micron_st_nor_asp_bp_can() - can the block protection bits unlock that, and no more?
 * @size: size of the chip in bytes
 * @bp_ofs: start in bytes of what they lock, at one end of the chip
 * @bp_len: its length in bytes
 * @ofs: start in bytes of what is to be unlocked, some of it locked by them
 * @len: its length in bytes
 *
 * They can lock a power of two of sectors at one end of the chip. The core rounds any
 * other length down, and takes what lies between the range and the end of the chip for
 * locked.
 *
 * Return: true if what has to stay locked is nothing, or something like that.
 */
bool micron_st_nor_asp_bp_can(u64 size, loff_t bp_ofs, u64 bp_len, loff_t ofs, u64 len)
{
	u64 bp_end = bp_ofs + bp_len, end = ofs + len;
	u64 below = ofs > bp_ofs ? ofs - bp_ofs : 0;
	u64 above = bp_end > end ? bp_end - end : 0;

	if (below && above)
		return false;
	if (below)
		return !bp_ofs && is_power_of_2(below);
	if (above)
		return bp_end == size && is_power_of_2(above);

	return true;
}

/**
 * micron_st_nor_asp_add_fsr() - flag status register of one die more
 * @sum: that of the dies so far, MT25Q_FSR_READY to begin with
 * @fsr: as read from the die
 *
 * Return: ready if all are, the errors of any.
 */
u8 micron_st_nor_asp_add_fsr(u8 sum, u8 fsr)
{
	return ((sum | fsr) & ~MT25Q_FSR_READY) | (sum & fsr & MT25Q_FSR_READY);
}

/**
 * micron_st_nor_asp_char() - a sector in the drawn map
 * @state: ASP_S_* of the sector
 *
 * Return: one character, as in the legend below the map.
 */
char micron_st_nor_asp_char(u8 state)
{
	return asp_chars[state % ASP_STATES];
}

static const char *asp_plural(u32 n)
{
	return n == 1 ? "" : "s";
}

/* For a line in the log about sector @i. */
static const char *asp_state(const struct spi_nor *nor, u32 i, char *buf)
{
	u8 state = nor->params->asp->map[i];
	unsigned int bit;
	size_t len = 0;

	strscpy(buf, "open", ASP_NAMES_LEN);
	for (bit = 0; bit < ARRAY_SIZE(asp_names); bit++)
		if (state & BIT(bit))
			len += scnprintf(buf + len, ASP_NAMES_LEN - len, "%s%s",
					 len ? ", " : "", asp_names[bit]);

	return buf;
}

static struct spi_mem_op asp_build(const struct spi_nor *nor, enum asp_op nr, u32 addr)
{
	struct spi_mem_op op =
		SPI_MEM_OP(SPI_MEM_OP_CMD(asp_ops[nr].opcode, 1),
			   SPI_MEM_OP_ADDR(asp_ops[nr].addr_nbytes, addr, 1),
			   SPI_MEM_OP_NO_DUMMY,
			   SPI_MEM_OP_NO_DATA);

	op.data.dir = asp_ops[nr].dir;
	op.data.nbytes = asp_ops[nr].len;
	op.data.buswidth = asp_ops[nr].len ? 1 : 0;
	op.data.buf.in = asp_ops[nr].len ? nor->bouncebuf : NULL;

	return op;
}

int micron_st_nor_asp_exec(struct spi_nor *nor, enum asp_op nr, u32 addr)
{
	struct spi_mem_op op = asp_build(nor, nr, addr);
	int ret;

	ret = spi_mem_exec_op(nor->spimem, &op);
	if (ret)
		dev_dbg(nor->dev, "error %d on opcode %02x\n", ret, asp_ops[nr].opcode);

	return ret;
}

/* After any error: the next good operation must work. */
void micron_st_nor_asp_clear_errors(struct spi_nor *nor)
{
	micron_st_nor_clear_fsr(nor);
	spi_nor_write_disable(nor);
}

/* Return: volatile lock bits of a sector, ASP_VLB_*, or a negative errno. */
static int asp_get_vlb(struct spi_nor *nor, u32 sector)
{
	bool four = nor->params->asp->addr_nbytes == 4;
	int ret;

	ret = micron_st_nor_asp_exec(nor, four ? ASP_RD_VLB_4B : ASP_RD_VLB, asp_addr(sector));
	if (ret)
		return ret;
	/* The others read as 0, unless nobody is there to answer. */
	if (nor->bouncebuf[0] & ~ASP_VLB_BITS)
		return -EIO;

	asp_set(nor->params->asp->map, sector, ASP_VLB_BITS, nor->bouncebuf[0]);
	return nor->bouncebuf[0];
}

/* Write enable, write, read back. */
int micron_st_nor_asp_set_vlb(struct spi_nor *nor, u32 sector, u8 vlb)
{
	bool four = nor->params->asp->addr_nbytes == 4;
	int ret;

	ret = spi_nor_write_enable(nor);
	if (ret)
		goto out;
	nor->bouncebuf[0] = vlb;
	ret = micron_st_nor_asp_exec(nor, four ? ASP_WR_VLB_4B : ASP_WR_VLB, asp_addr(sector));
	if (ret)
		goto out;
	ret = asp_get_vlb(nor, sector);
	if (ret >= 0)
		ret = ret == vlb ? 0 : -EIO;
out:
	if (ret)
		micron_st_nor_asp_clear_errors(nor);

	return ret;
}

int micron_st_nor_asp_read_nvlb(struct spi_nor *nor, u32 sector)
{
	u8 state = 0;
	int ret;

	ret = micron_st_nor_asp_exec(nor, ASP_RD_NVLB, asp_addr(sector));
	if (ret)
		return ret;

	if (nor->bouncebuf[0] == ASP_NVLB_LOCKED)
		state = ASP_S_NON_VOLATILE;
	else if (nor->bouncebuf[0] != ASP_NVLB_OPEN)
		return -EIO;
	asp_set(nor->params->asp->map, sector, ASP_S_NON_VOLATILE, state);

	return 0;
}

/*
 * Read the lock bits of a sector, without @nv the volatile ones alone. Those of the
 * latter that are gone went by a reset that nobody told us of.
 */
int micron_st_nor_asp_read_sector(struct spi_nor *nor, u32 sector, bool nv)
{
	struct spi_nor_asp *asp = nor->params->asp;
	u8 was = asp->map[sector] & ASP_VLB_BITS;
	int ret;

	ret = asp_get_vlb(nor, sector);
	if (ret < 0)
		return ret;
	if (was & ~ret && !asp->lost++)
		asp->first_lost = sector;

	return nv ? micron_st_nor_asp_read_nvlb(nor, sector) : 0;
}

static void asp_report_lost(struct spi_nor *nor)
{
	struct spi_nor_asp *asp = nor->params->asp;

	if (asp->lost)
		dev_warn(nor->dev, "volatile locks lost: %u sector%s from 0x%08x: was the chip reset?\n",
			 asp->lost, asp_plural(asp->lost), asp_addr(asp->first_lost));
	asp->lost = 0;
}

int micron_st_nor_asp_read_sectors(struct spi_nor *nor, u32 first, u32 nr, bool nv)
{
	int ret = 0;
	u32 i;

	for (i = first; i < first + nr && !ret; i++)
		ret = micron_st_nor_asp_read_sector(nor, i, nv);
	asp_report_lost(nor);

	return ret;
}

/* ASP_PMR_DEFAULT of a part where nobody has said publicly that 2Bh reads it. */
int micron_st_nor_asp_read_pmr(struct spi_nor *nor, u8 *pmr)
{
	int ret;

	*pmr = ASP_PMR_DEFAULT;
	if (!nor->params->asp->marked)
		return 0;

	ret = micron_st_nor_asp_exec(nor, ASP_RD_PMR, 0);
	if (!ret)
		*pmr = nor->bouncebuf[0];

	return ret;
}

/* Read the status register: what the block protection bits lock. */
static int asp_read_block(struct spi_nor *nor, u8 *sr, loff_t *ofs, u64 *len)
{
	struct spi_nor_asp *asp = nor->params->asp;
	u8 sr_cr[2] = { };
	int ret;

	ret = spi_nor_read_sr(nor, nor->bouncebuf);
	if (ret)
		return ret;

	*sr = nor->bouncebuf[0];
	/* Nobody else uses the chip: then nobody is there. */
	if (*sr & SR_WIP)
		return -EIO;
	sr_cr[0] = *sr;
	spi_nor_get_locked_range_sr(nor, sr_cr, ofs, len);
	micron_st_nor_asp_set_block(asp->map, asp->n_sectors, *ofs, *len);

	return 0;
}

/* What commands of the vendor's own lock, if the chip knows any. */
static int asp_read_regions(struct spi_nor *nor)
{
	struct spi_nor_crtm_region region[SPI_NOR_CRTM_MAX_REGIONS];
	const struct spi_nor_crtm *crtm = nor->params->crtm;
	struct spi_nor_asp *asp = nor->params->asp;
	int ret;

	if (!crtm || !crtm->vendor)
		return 0;
	ret = crtm->vendor->regions(nor, region);
	asp->regions = ret >= 0;
	if (ret == -EOPNOTSUPP)
		return 0;
	if (ret < 0)
		return -EIO;

	return micron_st_nor_asp_set_regions(asp->map, asp->n_sectors, region, ret);
}

/* All that is not a matter of one sector alone; results as of asp_read_block(). */
int micron_st_nor_asp_read_chip(struct spi_nor *nor, u8 *sr, loff_t *ofs, u64 *len)
{
	int ret;

	ret = asp_read_block(nor, sr, ofs, len);
	if (ret)
		return ret;

	return asp_read_regions(nor);
}

/* All that can lock one of these sectors. */
static int asp_read_all(struct spi_nor *nor, u32 first, u32 nr)
{
	loff_t ofs;
	u64 len;
	int ret;
	u8 sr;

	ret = micron_st_nor_asp_read_chip(nor, &sr, &ofs, &len);
	if (ret)
		return ret;
	ret = micron_st_nor_asp_read_sectors(nor, first, nr, true);
	if (ret)
		return ret;
	if (nr == nor->params->asp->n_sectors)
		WRITE_ONCE(nor->params->asp->seen, true);

	return 0;
}

/* Mark the sectors whose volatile lock bit has to change. */
static int asp_plan(struct spi_nor *nor, u32 first, u32 nr, bool lock)
{
	struct spi_nor_asp *asp = nor->params->asp;
	char names[ASP_NAMES_LEN];
	int ret;
	u32 i;

	for (i = first; i < first + nr; i++) {
		ret = micron_st_nor_asp_plan(asp->map[i], lock);
		if (ret < 0) {
			dev_warn(nor->dev, "cannot %s the sector at 0x%08x: %s\n",
				 lock ? "lock" : "unlock", asp_addr(i),
				 asp_state(nor, i, names));
			return ret;
		}
		__assign_bit(i, asp->changed, ret);
	}

	return 0;
}

/* Name the sectors marked as changed, a line for each row of them. */
static void asp_log_changed(struct spi_nor *nor, const char *what, u32 start, u32 nr)
{
	u32 end;

	for_each_set_bitrange_from(start, end, nor->params->asp->changed, nr)
		dev_err(nor->dev, "volatile locks %s: 0x%08x-0x%08x\n", what, asp_addr(start),
			asp_addr(end) - 1);
}

/* Give the sectors before @end that were changed, or may be, what they had. */
static void asp_put_back(struct spi_nor *nor, u32 first, u32 end, u8 vlb)
{
	u32 i;

	for (i = first; i < end; i++)
		if (test_bit(i, nor->params->asp->changed) &&
		    (asp_get_vlb(nor, i) == vlb || !micron_st_nor_asp_set_vlb(nor, i, vlb) ||
		     asp_get_vlb(nor, i) == vlb))
			__clear_bit(i, nor->params->asp->changed);
	asp_log_changed(nor, vlb ? "left open" : "left set", first, end);
}

static int asp_change(struct spi_nor *nor, u32 first, u32 nr, bool lock)
{
	u32 i;

	for (i = first; i < first + nr; i++)
		if (test_bit(i, nor->params->asp->changed) &&
		    micron_st_nor_asp_set_vlb(nor, i, lock ? ASP_VLB_LOCK : 0)) {
			dev_err(nor->dev, "cannot %s the sector at 0x%08x\n",
				lock ? "lock" : "unlock", asp_addr(i));
			asp_put_back(nor, first, i + 1, lock ? 0 : ASP_VLB_LOCK);
			return -EIO;
		}

	return 0;
}

static int asp_lock(struct spi_nor *nor, u32 first, u32 nr)
{
	int ret;

	ret = micron_st_nor_asp_read_sectors(nor, first, nr, false);
	if (ret)
		return ret;
	ret = asp_plan(nor, first, nr, true);
	if (ret)
		return ret;

	return asp_change(nor, first, nr, true);
}

/* Give the status register what it had. */
static void asp_put_back_sr(struct spi_nor *nor, u8 sr)
{
	loff_t ofs;
	u64 len;
	u8 now;

	micron_st_nor_asp_clear_errors(nor);
	if (!asp_read_block(nor, &now, &ofs, &len) && now == sr)
		return;

	if (spi_nor_write_sr_and_check(nor, sr & ~(SR_WIP | SR_WEL)) ||
	    asp_read_block(nor, &now, &ofs, &len)) {
		micron_st_nor_asp_clear_errors(nor);
		dev_err(nor->dev, "the status register is not left as it was, %02x\n", sr);
	}
}

static int asp_unlock(struct spi_nor *nor, u32 first, u32 nr)
{
	u64 bp_len, len = (u64)nr * ASP_SECTOR_SIZE;
	loff_t bp_ofs, ofs = asp_addr(first);
	u8 sr, now, pmr;
	bool block;
	int ret;

	ret = micron_st_nor_asp_read_chip(nor, &sr, &bp_ofs, &bp_len);
	if (ret)
		return ret;
	ret = micron_st_nor_asp_read_sectors(nor, first, nr, true);
	if (ret)
		return ret;
	ret = asp_plan(nor, first, nr, false);
	if (ret)
		return ret;

	block = bp_ofs < ofs + len && ofs < bp_ofs + bp_len;
	if (block) {
		if (!micron_st_nor_asp_bp_can(nor->params->size, bp_ofs, bp_len, ofs, len))
			return -EINVAL;
		ret = micron_st_nor_asp_read_pmr(nor, &pmr);
		if (ret)
			return ret;
		if (!(pmr & ASP_PMR_STATUS))
			return -EACCES;
		/* An older error would be taken for the answer. */
		micron_st_nor_clear_fsr(nor);
		ret = nor->params->asp->bp->unlock(nor, ofs, len);
		if (ret == -EINVAL)
			return ret;
		if (!ret)
			ret = asp_read_block(nor, &now, &bp_ofs, &bp_len);
	}
	if (!ret)
		ret = asp_change(nor, first, nr, false);
	if (ret && block)
		asp_put_back_sr(nor, sr);

	return ret ? -EIO : 0;
}

static int asp_is_locked(struct spi_nor *nor, u32 first, u32 nr)
{
	int ret;

	ret = asp_read_all(nor, first, nr);
	if (ret)
		return ret;

	return micron_st_nor_asp_all_locked(nor->params->asp->map, first, nr);
}

/* What the three have in common. The lock is held. */
static int asp_locking(struct spi_nor *nor, loff_t ofs, u64 len,
		       int (*op)(struct spi_nor *nor, u32 first, u32 nr))
{
	unsigned int noio;
	u32 first, nr;
	int ret;

	if (nor->reg_proto != SNOR_PROTO_1_1_1)
		return -EOPNOTSUPP;
	ret = micron_st_nor_asp_range(nor->params->asp->n_sectors, ofs, len, &first, &nr);
	if (ret)
		return ret;

	/* The SPI core allocates; reclaim could want to write to this flash. */
	noio = memalloc_noio_save();
	ret = op(nor, first, nr);
	memalloc_noio_restore(noio);

	return ret;
}

static int micron_st_nor_asp_lock(struct spi_nor *nor, loff_t ofs, u64 len)
{
	return asp_locking(nor, ofs, len, asp_lock);
}

static int micron_st_nor_asp_unlock(struct spi_nor *nor, loff_t ofs, u64 len)
{
	return asp_locking(nor, ofs, len, asp_unlock);
}

/* Users ask for erase blocks too, which are smaller: as the sectors, so what they touch. */
static int micron_st_nor_asp_is_locked(struct spi_nor *nor, loff_t ofs, u64 len)
{
	loff_t start = round_down(ofs, ASP_SECTOR_SIZE);

	return asp_locking(nor, start, round_up(ofs + len, ASP_SECTOR_SIZE) - start,
			   asp_is_locked);
}

static const struct spi_nor_locking_ops micron_st_nor_asp_locking_ops = {
	.lock = micron_st_nor_asp_lock,
	.unlock = micron_st_nor_asp_unlock,
	.is_locked = micron_st_nor_asp_is_locked,
};

/* FFh is what a bus without a chip reads, too; but then it is never ready. */
int micron_st_nor_asp_is_there(struct spi_nor *nor)
{
	int ret;

	ret = spi_nor_sr_ready(nor);
	if (ret < 0)
		return ret;

	return ret ? 0 : -EIO;
}

int micron_st_nor_asp_read_frozen(struct spi_nor *nor)
{
	u8 freeze;
	int ret;

	ret = micron_st_nor_asp_exec(nor, ASP_RD_FREEZE, 0);
	if (ret)
		return ret;
	freeze = nor->bouncebuf[0];
	if (freeze == 0xff) {
		ret = micron_st_nor_asp_is_there(nor);
		if (ret)
			return ret;
	}

	WRITE_ONCE(nor->params->asp->frozen, !(freeze & ASP_FREEZE_OPEN));
	return 0;
}

/* Set the freeze bit and read it back. */
int micron_st_nor_asp_freeze(struct spi_nor *nor)
{
	int ret;

	ret = spi_nor_write_enable(nor);
	if (!ret)
		ret = micron_st_nor_asp_exec(nor, ASP_WR_FREEZE, 0);
	if (!ret)
		ret = micron_st_nor_asp_read_frozen(nor);
	if (!ret && !nor->params->asp->frozen)
		ret = -EIO;
	if (ret)
		micron_st_nor_asp_clear_errors(nor);

	return ret;
}

/* Take the flash's lock; nothing may be allocated by I/O while it is held. */
int micron_st_nor_asp_hold(struct spi_nor *nor, unsigned int *noio)
{
	int ret;

	/* Calls spi_nor_crtm_lock(). */
	ret = spi_nor_prep_and_lock(nor);
	if (ret)
		return ret;
	if (nor->reg_proto != SNOR_PROTO_1_1_1) {
		spi_nor_unlock_and_unprep(nor);
		return -EOPNOTSUPP;
	}
	*noio = memalloc_noio_save();

	return 0;
}

void micron_st_nor_asp_release(struct spi_nor *nor, unsigned int noio)
{
	memalloc_noio_restore(noio);
	spi_nor_unlock_and_unprep(nor);
}

/**
 * spi_nor_asp_unlock_bp() - unlock the whole chip as the kernel does at probe and resume
 * @nor: a flash with sector protection
 *
 * Touches block protection alone: volatile locks may be a boot loader's.
 *
 * Return: 0 or a negative errno.
 */
int spi_nor_asp_unlock_bp(struct spi_nor *nor)
{
	int ret;

	ret = spi_nor_prep_and_lock(nor);
	if (ret)
		return ret;
	ret = nor->params->asp->bp->unlock(nor, 0, nor->params->size);
	spi_nor_unlock_and_unprep(nor);

	return ret;
}

static u32 asp_count_volatile(const struct spi_nor_asp *asp)
{
	u32 i, n = 0;

	for (i = 0; i < asp->n_sectors; i++)
		n += !!(asp->map[i] & ASP_VLB_BITS);

	return n;
}

/**
 * spi_nor_asp_reset_warning() - the core is about to reset the chip by 66h and 99h
 * @nor: the flash
 */
void spi_nor_asp_reset_warning(struct spi_nor *nor)
{
	const struct spi_nor_asp *asp = nor->params->asp;
	u32 n = asp ? asp_count_volatile(asp) : 0;

	if (n)
		dev_warn(nor->dev, "soft reset: the volatile locks of %u sector%s go\n", n,
			 asp_plural(n));
	if (asp && asp->frozen)
		dev_warn(nor->dev, "soft reset: unless in password mode, the freeze goes\n");
}

/**
 * micron_st_nor_asp_region() - a region of A-CRTM came or went
 * @nor: the flash, its lock held
 * @addr: where it starts, in bytes
 * @len: its length in bytes
 * @add: it came, else it went
 */
void micron_st_nor_asp_region(struct spi_nor *nor, u32 addr, u32 len, bool add)
{
	struct spi_nor_asp *asp = nor->params->asp;
	u32 i;

	for (i = 0; asp && i < asp->n_sectors; i++)
		if (asp_covers(i, addr, len))
			asp_set(asp->map, i, ASP_S_REGION, add ? ASP_S_REGION : 0);
}

/**
 * micron_st_nor_asp_read_fsr() - read the flag status register, of each die
 * @nor: the flash, of Micron or ST
 * @fsr: DMA-able buffer, at least 2 bytes: ready if all dies are, the errors of any
 *
 * Parts without sector protection have it read once.
 *
 * Return: 0 or a negative errno.
 */
int micron_st_nor_asp_read_fsr(struct spi_nor *nor, u8 *fsr)
{
	u8 dice = nor->params->asp ? nor->params->asp->dice : 1;
	u8 sum = MT25Q_FSR_READY;
	int ret;

	while (dice--) {
		ret = micron_st_nor_read_fsr(nor, fsr);
		if (ret)
			return ret;
		sum = micron_st_nor_asp_add_fsr(sum, fsr[0]);
	}
	fsr[0] = sum;

	return 0;
}

/**
 * micron_st_nor_asp_explain() - a program or erase failed: was a sector locked?
 * @nor: the flash, its lock not held
 * @ofs: start in bytes of what was not done
 * @len: its length in bytes
 *
 * Names the first locked sector in the log.
 */
void micron_st_nor_asp_explain(struct spi_nor *nor, loff_t ofs, u64 len)
{
	const struct spi_nor_asp *asp = nor->params->asp;
	char names[ASP_NAMES_LEN];
	unsigned int noio;
	u64 bp_len;
	loff_t bp_ofs;
	u32 i;
	u8 sr;

	if (!asp || !len || micron_st_nor_asp_hold(nor, &noio))
		return;

	if (micron_st_nor_asp_read_chip(nor, &sr, &bp_ofs, &bp_len))
		goto out;
	for (i = (u64)ofs / ASP_SECTOR_SIZE; asp_addr(i) < ofs + len; i++) {
		if (micron_st_nor_asp_read_sector(nor, i, true))
			break;
		if (!(asp->map[i] & ASP_S_LOCKED))
			continue;
		dev_err(nor->dev, "the sector at 0x%08x is locked: %s\n", asp_addr(i),
			asp_state(nor, i, names));
		break;
	}
	asp_report_lost(nor);
out:
	micron_st_nor_asp_release(nor, noio);
}

/**
 * micron_st_nor_asp_resume() - set volatile locks again that the chip lost
 * @nor: the flash, its lock not held
 */
void micron_st_nor_asp_resume(struct spi_nor *nor)
{
	struct spi_nor_asp *asp = nor->params->asp;
	u32 i, again = 0;
	unsigned int noio;
	bool frozen;
	loff_t ofs;
	u64 len;
	int ret;
	u8 sr;

	if (!asp)
		return;
	ret = micron_st_nor_asp_hold(nor, &noio);
	if (ret) {
		dev_err(nor->dev, "volatile locks not checked: error %d\n", ret);
		return;
	}

	bitmap_zero(asp->changed, asp->n_sectors);
	for (i = 0; i < asp->n_sectors; i++) {
		u8 vlb = asp->map[i] & ASP_VLB_BITS;

		if (!vlb)
			continue;
		/* Never less than what firmware may have set in the meantime. */
		ret = asp_get_vlb(nor, i);
		if (ret >= 0 && !(vlb & ~ret))
			continue;
		if (micron_st_nor_asp_set_vlb(nor, i, ret < 0 ? vlb : vlb | ret))
			__set_bit(i, asp->changed);
		else
			again++;
	}
	asp_log_changed(nor, "lost, not set again", 0, asp->n_sectors);

	frozen = asp->frozen;
	ret = micron_st_nor_asp_read_frozen(nor);
	if (!ret && frozen && !asp->frozen) {
		ret = micron_st_nor_asp_freeze(nor);
		if (!ret)
			dev_info(nor->dev, "non-volatile lock bits frozen again\n");
	}
	if (ret && frozen)
		dev_err(nor->dev, "non-volatile lock bits are no longer frozen\n");

	/* The kernel may have unlocked these. */
	if (asp_read_block(nor, &sr, &ofs, &len))
		dev_err(nor->dev, "status register not read\n");
	micron_st_nor_asp_release(nor, noio);

	if (again)
		dev_info(nor->dev, "volatile locks set again: %u sector%s\n", again,
			 asp_plural(again));
}

/**
 * spi_nor_asp_show_locked() - the end of the debugfs file of the parameters
 * @nor: the flash
 * @s: the file
 *
 * Shows what was last seen: never touches the chip. Nor does it take the lock: the
 * state of a sector is the old or the new one.
 */
void spi_nor_asp_show_locked(struct spi_nor *nor, struct seq_file *s)
{
	const struct spi_nor_asp *asp = nor->params->asp;
	u32 i, nr;

	if (!asp)
		return;

	seq_puts(s, "\nsoftware locked sectors\n");
	if (!READ_ONCE(asp->seen)) {
		seq_puts(s, " not read\n");
		return;
	}
	seq_puts(s, " region (in hex)   | status   | #sectors\n");
	seq_puts(s, " ------------------+----------+---------\n");
	for (i = 0; i < asp->n_sectors; i += nr) {
		bool locked = READ_ONCE(asp->map[i]) & ASP_S_LOCKED;

		for (nr = 1; i + nr < asp->n_sectors; nr++)
			if (!!(READ_ONCE(asp->map[i + nr]) & ASP_S_LOCKED) != locked)
				break;
		seq_printf(s, " %08x-%08x | %8s | %u\n", asp_addr(i), asp_addr(i + nr) - 1,
			   locked ? "locked" : "unlocked", nr);
	}
}

static int micron_st_nor_asp_show(struct seq_file *s, void *unused)
{
	struct spi_nor *nor = s->private;
	const struct spi_nor_asp *asp = nor->params->asp;
	u32 i;

	if (!READ_ONCE(asp->seen)) {
		seq_puts(s, "not read\n");
		return 0;
	}

	for (i = 0; i < asp->n_sectors; i++) {
		if (i % ASP_SECTORS_A_LINE == 0)
			seq_printf(s, "%s%08x ", i ? "\n" : "", asp_addr(i));
		seq_putc(s, micron_st_nor_asp_char(READ_ONCE(asp->map[i])));
	}
	seq_printf(s, "\n\nnon-volatile locks\t%s\n\n",
		   READ_ONCE(asp->frozen) ? "frozen" : "not frozen");
	seq_puts(s, "a character\t64 KiB, as last seen; upper case: locked down until reset\n");
	seq_puts(s, " .\topen\n");
	seq_puts(s, " d\topen, locked down until reset\n");
	seq_puts(s, " v V\tvolatile lock\n");
	seq_puts(s, " n N\tnon-volatile lock\n");
	seq_puts(s, " b B\tblock protection\n");
	seq_puts(s, " r R\tA-CRTM region\n");
	seq_puts(s, " *\tmore than one of v, n, b, r\n");

	return 0;
}
DEFINE_SHOW_ATTRIBUTE(micron_st_nor_asp);

/**
 * micron_st_nor_asp_register() - see for the first time how the sectors stand
 * @nor: the scanned flash, its lock not held
 */
void micron_st_nor_asp_register(struct spi_nor *nor)
{
	const struct spi_nor_asp *asp = nor->params->asp;
	unsigned int noio;
	int ret;

	if (!asp) {
		/* Micron's have had their answer. */
		if (nor->manufacturer != &spi_nor_micron && nor->manufacturer != &spi_nor_st &&
		    device_property_read_bool(nor->dev, ASP_PROPERTY))
			dev_warn(nor->dev, ASP_PROPERTY " ignored: not a part of Micron's\n");
		return;
	}

	ret = micron_st_nor_asp_hold(nor, &noio);
	if (!ret) {
		ret = micron_st_nor_asp_read_frozen(nor);
		if (!ret)
			ret = asp_read_all(nor, 0, asp->n_sectors);
		micron_st_nor_asp_release(nor, noio);
	}
	if (ret)
		dev_warn(nor->dev, "sector protection not read: error %d\n", ret);

	if (nor->debugfs_root)
		debugfs_create_file("sector-protection", 0444, nor->debugfs_root, nor,
				    &micron_st_nor_asp_fops);
}

/* NULL, or why the controller cannot do it. */
static const char *asp_unsupported(struct spi_nor *nor)
{
	enum asp_op nr;

	if (!nor->spimem)
		return "the controller's driver knows no such operations";
	for (nr = 0; nr < ARRAY_SIZE(asp_ops); nr++) {
		struct spi_mem_op op = asp_build(nor, nr, 0);

		if (!spi_mem_supports_op(nor->spimem, &op))
			return "the controller cannot send its commands";
	}

	return NULL;
}

/* The ID as READ: the table entries of N25Q and MT25Q share their first three bytes. */
static bool asp_is_mt25q(struct spi_nor *nor)
{
	const u8 *id = nor->bouncebuf;

	return !spi_nor_read_id(nor, 0, 0, nor->bouncebuf, nor->reg_proto) &&
	       id[0] == 0x20 && id[3] == 0x10 && id[4] == 0x44;
}

static const char *asp_setup(struct spi_nor *nor, bool authenta)
{
	u64 size = nor->params->size;
	struct spi_nor_asp *asp;
	const char *reason;

	reason = asp_unsupported(nor);
	if (reason)
		return reason;
	if (!authenta && !asp_is_mt25q(nor))
		return "the ID read from the chip is not an MT25Q's";

	asp = devm_kzalloc(nor->dev, sizeof(*asp), GFP_KERNEL);
	if (!asp)
		return "no memory";
	asp->n_sectors = div_u64(size, ASP_SECTOR_SIZE);
	asp->map = devm_kzalloc(nor->dev, asp->n_sectors, GFP_KERNEL);
	asp->changed = devm_bitmap_zalloc(nor->dev, asp->n_sectors, GFP_KERNEL);
	if (!asp->map || !asp->changed)
		return "no memory";
	asp->dice = max_t(u64, div_u64(size, ASP_DIE_SIZE), 1);
	asp->addr_nbytes = size > SZ_16M ? 4 : 3;
	asp->marked = micron_st_nor_marked(nor);

	/* The core adds the flags of the table entry; those of some say less. */
	nor->flags |= SNOR_F_HAS_LOCK | SNOR_F_HAS_SR_TB | SNOR_F_HAS_4BIT_BP |
		      SNOR_F_HAS_SR_BP3_BIT6;
	nor->flags &= ~(SNOR_F_HAS_16BIT_SR | SNOR_F_HAS_SR_TB_BIT6);
	/* 35h, which reads a configuration register elsewhere, leaves 1-1-1 on MT25Q. */
	nor->flags |= SNOR_F_NO_READ_CR;
	spi_nor_init_default_locking_ops(nor);
	asp->bp = nor->params->locking_ops;
	nor->params->locking_ops = &micron_st_nor_asp_locking_ops;
	nor->params->asp = asp;

	return NULL;
}

/**
 * micron_st_nor_asp_late_init() - set up sector protection of a part
 * @nor: the flash, of Micron or ST
 * @authenta: the ID bytes read from it are those of an Authenta part
 *
 * What locking means on a part that has been shipped stays as it was: only Authenta
 * parts have it always; other MT25Q where the device's property asks for it.
 */
void micron_st_nor_asp_late_init(struct spi_nor *nor, bool authenta)
{
	const char *reason;

	if (!authenta && !device_property_read_bool(nor->dev, ASP_PROPERTY))
		return;

	reason = asp_setup(nor, authenta);
	if (reason)
		dev_warn(nor->dev, "%s: %s\n",
			 authenta ? "no sector protection" : ASP_PROPERTY " ignored", reason);
}
