// SPDX-License-Identifier: GPL-2.0-only
/*
 * Advanced Sector Protection of Micron's MT25Q: what MEMLOCK and MEMUNLOCK cannot say.
 *
 * The map and the registers (MTD_ASP_MAP); non-volatile lock bits, lock-down, freeze,
 * password and the one-time bits (MTD_ASP_CMD). A command reads and checks first; what
 * it wrote it reads back.
 */
#include <linux/build_bug.h>
#include <linux/compiler.h>
#include <linux/errno.h>
#include <linux/minmax.h>
#include <linux/mtd/asp-ops.h>
#include <linux/mtd/spi-nor.h>
#include <linux/sched/signal.h>
#include <linux/string.h>
#include <uapi/mtd/mtd-security.h>

#include "asp.h"
#include "crtm.h"
#include "micron-st-asp.h"
#include "lifetime.h"

static_assert(ASP_PASSWORD_LEN == MTD_ASP_PASSWORD_LEN);

/* User space gets the state of a sector as it is. */
static_assert(ASP_S_VOLATILE == MTD_ASP_S_VOLATILE);
static_assert(ASP_S_LOCK_DOWN == MTD_ASP_S_LOCK_DOWN);
static_assert(ASP_S_NON_VOLATILE == MTD_ASP_S_NON_VOLATILE);
static_assert(ASP_S_BLOCK == MTD_ASP_S_BLOCK);
static_assert(ASP_S_REGION == MTD_ASP_S_REGION);
static_assert(ASP_S_LOCKED == MTD_ASP_S_LOCKED);

/* One-time bits of the sector protection register: which of the two modes for ever */
#define ASP_ASPR_MODES		(ASP_ASPR_PASSWORD | ASP_ASPR_NO_PASSWORD)

/* After so many sectors the flash is free for others: 0.7 s at the longest. */
#define ASP_PIECE		256

/**
 * micron_st_nor_asp_password_equal() - are two passwords the same?
 * @a: ASP_PASSWORD_LEN bytes
 * @b: as many
 *
 * Return: true if they are. Takes the same time whatever they are.
 */
bool micron_st_nor_asp_password_equal(const u8 *a, const u8 *b)
{
	u8 diff = 0;
	int i;

	for (i = 0; i < ASP_PASSWORD_LEN; i++) {
		diff |= a[i] ^ b[i];
		OPTIMIZER_HIDE_VAR(diff);
	}

	return !diff;
}

/**
 * micron_st_nor_asp_password_fits() - can one password be programmed over another?
 * @held: ASP_PASSWORD_LEN bytes that the chip holds
 * @wanted: as many; programming clears bits and sets none
 *
 * Return: true if it can. Takes the same time whatever they are.
 */
bool micron_st_nor_asp_password_fits(const u8 *held, const u8 *wanted)
{
	u8 missing = 0;
	int i;

	for (i = 0; i < ASP_PASSWORD_LEN; i++) {
		missing |= ~held[i] & wanted[i];
		OPTIMIZER_HIDE_VAR(missing);
	}

	return !missing;
}

/* Return: 1 if busy; else 0 with the flag status register in the bounce buffer. */
static int asp_busy(struct spi_nor *nor)
{
	int ret;

	ret = spi_nor_sr_ready(nor);
	if (ret <= 0)
		return ret ?: 1;
	ret = micron_st_nor_asp_read_fsr(nor, nor->bouncebuf);
	if (ret)
		return ret;
	/* All errors at once, and suspended: nobody is there. */
	if (nor->bouncebuf[0] == 0xff)
		return -EIO;

	return !(nor->bouncebuf[0] & MT25Q_FSR_READY);
}

/* Return: 0, -EACCES if the chip says that it failed, or another errno. */
static int asp_settle(struct spi_nor *nor, u32 typ_us, u32 max_us)
{
	int ret;

	ret = spi_nor_crtm_wait(nor, asp_busy, typ_us, max_us);
	if (ret)
		return ret;

	nor->params->asp->unsettled = false;
	if (!(nor->bouncebuf[0] & MT25Q_FSR_ERRORS))
		return 0;

	micron_st_nor_asp_clear_errors(nor);
	return -EACCES;
}

/* Write enable, @nr with what is in the bounce buffer, wait; returns as above. */
static int asp_self_timed(struct spi_nor *nor, enum asp_op nr, u32 addr, u32 typ_us,
			  u32 max_us)
{
	struct spi_nor_asp *asp = nor->params->asp;
	int ret;

	ret = spi_nor_write_enable(nor);
	if (!ret) {
		asp->unsettled = true;
		ret = micron_st_nor_asp_exec(nor, nr, addr);
	}
	memzero_explicit(nor->bouncebuf, ASP_PASSWORD_LEN);
	if (!ret)
		return asp_settle(nor, typ_us, max_us);

	/* If it was sent after all, whoever takes the lock next does this again. */
	micron_st_nor_asp_clear_errors(nor);
	return ret;
}

/**
 * micron_st_nor_asp_begin() - make sure that the chip listens
 * @nor: the flash, its lock held
 *
 * To be called before any operation, array reads included: after a time-out or an
 * error of the controller the chip counts as busy until it was seen ready. Does
 * nothing, and costs nothing, in all other cases.
 *
 * Return: 0, or -EBUSY if it was not seen ready within SPI_NOR_CRTM_BUSY_MS.
 */
int micron_st_nor_asp_begin(struct spi_nor *nor)
{
	const struct spi_nor_asp *asp = nor->params->asp;

	if (!asp || !asp->unsettled)
		return 0;

	asp_settle(nor, 0, SPI_NOR_CRTM_BUSY_MS * 1000);
	if (asp->unsettled)
		return -EBUSY;

	/* Not sent: no error, but perhaps enabled. */
	return spi_nor_write_disable(nor);
}

static int asp_read_aspr(struct spi_nor *nor, u16 *aspr)
{
	int ret;

	ret = micron_st_nor_asp_exec(nor, ASP_RD_ASPR, 0);
	if (!ret)
		*aspr = nor->bouncebuf[0] | nor->bouncebuf[1] << 8;

	return ret;
}

/*
 * Clear one bit of @aspr, for ever, and read back. Only bits written as 0 are cleared,
 * so all others are written as 1: none goes because it was misread.
 */
static int asp_burn_aspr(struct spi_nor *nor, u16 aspr, u16 bit)
{
	u16 now, value = ASP_ASPR_DEFAULT & ~bit;
	int ret;

	nor->bouncebuf[0] = value & 0xff;
	nor->bouncebuf[1] = value >> 8;
	ret = asp_self_timed(nor, ASP_WR_ASPR, 0, ASP_OTP_US, ASP_OTP_MAX_US);
	if (!ret)
		ret = asp_read_aspr(nor, &now);
	if (!ret && now != (aspr & ~bit))
		ret = -EIO;

	return ret;
}

static int asp_read_password(struct spi_nor *nor, u8 *password)
{
	int ret;

	ret = micron_st_nor_asp_exec(nor, ASP_RD_PASSWORD, 0);
	if (!ret)
		memcpy(password, nor->bouncebuf, ASP_PASSWORD_LEN);
	memzero_explicit(nor->bouncebuf, ASP_PASSWORD_LEN);

	return ret;
}

/* From here to the end of the command, or of its piece, nothing heeds a signal. */
static int asp_sends(struct spi_nor *nor, struct mtd_asp_cmd *cmd)
{
	if (signal_pending(current))
		return -EINTR;

	/* An older error, a boot loader's for instance, would be taken for the answer. */
	micron_st_nor_clear_fsr(nor);
	cmd->sent = 1;
	return 0;
}

/* Can non-volatile lock bits change? @pmr: the bits that must be 1 */
static int asp_nv_open(struct spi_nor *nor, u8 pmr)
{
	u8 now;
	int ret;

	ret = micron_st_nor_asp_read_frozen(nor);
	if (ret)
		return ret;
	ret = micron_st_nor_asp_read_pmr(nor, &now);
	if (ret)
		return ret;

	return nor->params->asp->frozen || (now & pmr) != pmr ? -EACCES : 0;
}

static int asp_set_nvlb(struct spi_nor *nor, u32 sector)
{
	int ret;

	ret = asp_self_timed(nor, ASP_WR_NVLB, asp_addr(sector), ASP_WRNVLB_US,
			     ASP_WRNVLB_MAX_US);
	if (!ret)
		ret = micron_st_nor_asp_read_nvlb(nor, sector);
	if (!ret && !(nor->params->asp->map[sector] & ASP_S_NON_VOLATILE))
		ret = -EIO;

	return ret;
}

/* The next piece of a range: ASP_PIECE sectors from cmd->done on, upwards. */
static int asp_cmd_range(struct spi_nor *nor, struct mtd_asp_cmd *cmd)
{
	bool nv = cmd->cmd == MTD_ASP_NV_LOCK, checked = false;
	u8 wanted = nv ? ASP_S_NON_VOLATILE : ASP_S_LOCK_DOWN;
	const struct spi_nor_asp *asp = nor->params->asp;
	u32 i, first, nr;
	int ret;

	ret = micron_st_nor_asp_range(asp->n_sectors, cmd->offset, cmd->length, &first, &nr);
	if (ret)
		return ret;
	i = first + cmd->done;
	nr = min_t(u32, nr - cmd->done, ASP_PIECE);
	ret = micron_st_nor_asp_read_sectors(nor, i, nr, true);
	if (ret)
		return ret;

	for (; nr--; i++, cmd->done++) {
		if (asp->map[i] & wanted)
			continue;
		if (!checked) {
			ret = nv ? asp_nv_open(nor, ASP_PMR_NVLB) : 0;
			if (!ret)
				ret = asp_sends(nor, cmd);
			if (ret)
				break;
			checked = true;
		}
		ret = nv ? asp_set_nvlb(nor, i) :
			   micron_st_nor_asp_set_vlb(nor, i, (asp->map[i] & ASP_VLB_BITS) |
						     ASP_VLB_DOWN);
		if (ret)
			break;
	}
	/* What it is now, if the chip can say so. */
	if (ret && !asp->unsettled)
		micron_st_nor_asp_read_sector(nor, i, true);

	return ret;
}

static int asp_cmd_nv_erase(struct spi_nor *nor, struct mtd_asp_cmd *cmd)
{
	const struct spi_nor_asp *asp = nor->params->asp;
	int ret;
	u32 i;

	ret = asp_nv_open(nor, ASP_PMR_NVLB | ASP_PMR_NV_ERASE);
	if (!ret)
		ret = asp_sends(nor, cmd);
	if (!ret)
		ret = asp_self_timed(nor, ASP_ER_NVLB, 0, ASP_ERNVLB_US, ASP_ERNVLB_MAX_US);
	if (!ret)
		ret = micron_st_nor_asp_read_sectors(nor, 0, asp->n_sectors, true);
	for (i = 0; i < asp->n_sectors && !ret; i++)
		if (asp->map[i] & ASP_S_NON_VOLATILE)
			ret = -EIO;

	return ret;
}

static int asp_cmd_freeze(struct spi_nor *nor, struct mtd_asp_cmd *cmd)
{
	int ret;

	ret = micron_st_nor_asp_read_frozen(nor);
	if (ret || nor->params->asp->frozen)
		return ret;
	ret = asp_sends(nor, cmd);
	if (ret)
		return ret;

	return micron_st_nor_asp_freeze(nor);
}

static int asp_cmd_unlock(struct spi_nor *nor, struct mtd_asp_cmd *cmd)
{
	u16 aspr;
	int ret;

	ret = asp_read_aspr(nor, &aspr);
	if (ret)
		return ret;
	if (aspr & ASP_ASPR_PASSWORD)
		return -EACCES;
	ret = asp_sends(nor, cmd);
	if (ret)
		return ret;

	memcpy(nor->bouncebuf, cmd->password, ASP_PASSWORD_LEN);
	ret = asp_self_timed(nor, ASP_UNLOCK, 0, ASP_OTP_US, ASP_OTP_MAX_US);
	if (ret == -EACCES)
		return -EKEYREJECTED;
	if (!ret)
		ret = micron_st_nor_asp_read_frozen(nor);
	if (!ret && nor->params->asp->frozen)
		ret = -EKEYREJECTED;

	return ret;
}

static int asp_cmd_verify(struct spi_nor *nor, struct mtd_asp_cmd *cmd)
{
	u8 held[ASP_PASSWORD_LEN];
	u16 aspr;
	int ret;

	ret = asp_read_aspr(nor, &aspr);
	if (ret)
		return ret;
	if (!(aspr & ASP_ASPR_PASSWORD))
		return -EACCES;
	ret = asp_sends(nor, cmd);
	if (ret)
		return ret;

	ret = asp_read_password(nor, held);
	if (!ret)
		ret = micron_st_nor_asp_is_there(nor);
	if (!ret && !micron_st_nor_asp_password_equal(held, cmd->password))
		ret = -EKEYREJECTED;
	memzero_explicit(held, sizeof(held));

	return ret;
}

/*
 * Password mode comes last: after it the password can neither be read nor changed, so
 * it must stand in the chip for certain.
 */
static int asp_cmd_password(struct spi_nor *nor, struct mtd_asp_cmd *cmd)
{
	u8 held[ASP_PASSWORD_LEN];
	u16 aspr;
	int ret;

	ret = asp_read_aspr(nor, &aspr);
	if (ret)
		return ret;
	if ((aspr & ASP_ASPR_MODES) != ASP_ASPR_MODES)
		return -EACCES;
	ret = asp_read_password(nor, held);
	if (!ret && !micron_st_nor_asp_password_fits(held, cmd->password))
		ret = -EACCES;
	if (!ret)
		ret = asp_sends(nor, cmd);
	if (ret)
		goto out;

	if (!micron_st_nor_asp_password_equal(held, cmd->password)) {
		memcpy(nor->bouncebuf, cmd->password, ASP_PASSWORD_LEN);
		ret = asp_self_timed(nor, ASP_WR_PASSWORD, 0, ASP_OTP_US, ASP_OTP_MAX_US);
	}
	if (!ret)
		ret = asp_read_password(nor, held);
	if (!ret && !micron_st_nor_asp_password_equal(held, cmd->password))
		ret = -EIO;
	if (!ret && cmd->cmd == MTD_ASP_PASSWORD_MODE)
		ret = asp_burn_aspr(nor, aspr, ASP_ASPR_PASSWORD);
out:
	memzero_explicit(held, sizeof(held));

	return ret;
}

static int asp_cmd_no_password(struct spi_nor *nor, struct mtd_asp_cmd *cmd)
{
	u16 aspr;
	int ret;

	ret = asp_read_aspr(nor, &aspr);
	if (ret)
		return ret;
	if (!(aspr & ASP_ASPR_NO_PASSWORD))
		return 0;
	if (!(aspr & ASP_ASPR_PASSWORD))
		return -EACCES;
	ret = asp_sends(nor, cmd);
	if (ret)
		return ret;

	return asp_burn_aspr(nor, aspr, ASP_ASPR_NO_PASSWORD);
}

static int asp_cmd_pmr(struct spi_nor *nor, struct mtd_asp_cmd *cmd, u8 bit)
{
	u8 pmr, now;
	int ret;

	if (!nor->params->asp->marked)
		return -EOPNOTSUPP;
	ret = micron_st_nor_asp_read_pmr(nor, &pmr);
	if (ret)
		return ret;
	if (!(pmr & bit))
		return 0;
	if (!(pmr & ASP_PMR_PMR))
		return -EACCES;
	ret = asp_sends(nor, cmd);
	if (ret)
		return ret;

	/* As with the other one-time bits: what was read decides nothing. */
	nor->bouncebuf[0] = ASP_PMR_DEFAULT & ~bit;
	ret = asp_self_timed(nor, ASP_WR_PMR, 0, ASP_OTP_US, ASP_OTP_MAX_US);
	if (!ret)
		ret = micron_st_nor_asp_read_pmr(nor, &now);
	if (!ret && now != (pmr & ~bit))
		ret = -EIO;

	return ret;
}

static int asp_run(struct spi_nor *nor, struct mtd_asp_cmd *cmd)
{
	switch (cmd->cmd) {
	case MTD_ASP_LOCK_DOWN:
	case MTD_ASP_NV_LOCK:
		return asp_cmd_range(nor, cmd);
	case MTD_ASP_NV_ERASE:
		return asp_cmd_nv_erase(nor, cmd);
	case MTD_ASP_FREEZE:
		return asp_cmd_freeze(nor, cmd);
	case MTD_ASP_PASSWORD_UNLOCK:
		return asp_cmd_unlock(nor, cmd);
	case MTD_ASP_PASSWORD_VERIFY:
		return asp_cmd_verify(nor, cmd);
	case MTD_ASP_PASSWORD_PROGRAM:
	case MTD_ASP_PASSWORD_MODE:
		return asp_cmd_password(nor, cmd);
	case MTD_ASP_NO_PASSWORD:
		return asp_cmd_no_password(nor, cmd);
	case MTD_ASP_PMR_STATUS:
		return asp_cmd_pmr(nor, cmd, ASP_PMR_STATUS);
	case MTD_ASP_PMR_PMR:
		return asp_cmd_pmr(nor, cmd, ASP_PMR_PMR);
	case MTD_ASP_PMR_NVLB:
		return asp_cmd_pmr(nor, cmd, ASP_PMR_NVLB);
	case MTD_ASP_PMR_NV_ERASE:
		return asp_cmd_pmr(nor, cmd, ASP_PMR_NV_ERASE);
	default:
		return -EINVAL;
	}
}

static int asp_cmd(struct mtd_security *sec, struct mtd_asp_cmd *cmd)
{
	struct spi_nor *nor = security_to_spi_nor(sec);
	unsigned int noio;
	int ret;

	cmd->done = 0;
	do {
		ret = micron_st_nor_asp_hold(nor, &noio);
		if (ret)
			break;
		ret = asp_run(nor, cmd);
		/* Nothing may be left enabled, whatever the chip says of it. */
		if (ret && cmd->sent)
			micron_st_nor_asp_clear_errors(nor);
		micron_st_nor_asp_release(nor, noio);
	} while (!ret && cmd->done < cmd->length / ASP_SECTOR_SIZE);

	if (!cmd->sent)
		return ret;
	if (ret && cmd->length)
		cmd->state = READ_ONCE(nor->params->asp->map[(u32)(cmd->offset / ASP_SECTOR_SIZE) +
							     cmd->done]);
	switch (ret) {
	case 0:
	case -EINTR:
	case -EKEYREJECTED:
	case -ETIMEDOUT:
		cmd->result = ret;
		break;
	default:
		cmd->result = -EIO;
		break;
	}

	return 0;
}

static int asp_fill_map(struct spi_nor *nor, struct mtd_asp_map *map)
{
	struct spi_nor_asp *asp = nor->params->asp;
	loff_t ofs;
	u64 len;
	int ret;

	ret = asp_read_aspr(nor, &map->aspr);
	if (ret)
		return ret;
	ret = micron_st_nor_asp_read_pmr(nor, &map->pmr);
	if (ret)
		return ret;
	ret = micron_st_nor_asp_read_frozen(nor);
	if (ret)
		return ret;
	ret = micron_st_nor_asp_read_chip(nor, &map->sr, &ofs, &len);
	if (ret)
		return ret;

	map->sector_size = ASP_SECTOR_SIZE;
	map->flags = asp->regions ? MTD_ASP_F_REGIONS : 0;
	if (asp->frozen)
		map->flags |= MTD_ASP_F_FROZEN;
	if (!(map->aspr & ASP_ASPR_PASSWORD))
		map->flags |= MTD_ASP_F_PASSWORD_MODE;
	if (!(map->aspr & ASP_ASPR_NO_PASSWORD))
		map->flags |= MTD_ASP_F_NO_PASSWORD;
	if (asp->marked)
		map->flags |= MTD_ASP_F_PMR;
	else
		map->pmr = 0;

	return 0;
}

static int asp_map(struct mtd_security *sec, struct mtd_asp_map *map, u8 *sectors)
{
	struct spi_nor *nor = security_to_spi_nor(sec);
	struct spi_nor_asp *asp = nor->params->asp;
	unsigned int noio;
	int ret;

	if (map->first > asp->n_sectors || map->nr > asp->n_sectors - map->first)
		return -EINVAL;

	ret = micron_st_nor_asp_hold(nor, &noio);
	if (ret)
		return ret;
	ret = asp_fill_map(nor, map);
	if (!ret && sectors)
		ret = micron_st_nor_asp_read_sectors(nor, map->first, map->nr, true);
	if (!ret && sectors) {
		memcpy(sectors, asp->map + map->first, map->nr);
		if (map->nr == asp->n_sectors)
			WRITE_ONCE(asp->seen, true);
	}
	micron_st_nor_asp_release(nor, noio);

	return ret;
}

const struct mtd_asp_ops micron_st_nor_asp_ops = {
	.map = asp_map,
	.cmd = asp_cmd,
};
