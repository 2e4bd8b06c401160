#!/bin/bash
# SPDX-License-Identifier: MIT
# time: 600
# arch: arm64
# only: check-all
#
# QEMU's versal with mt25qu02g (four dies) behind cadence-quadspi: the life of the flash by the
# stock modules and by ours is the same on the wire. And why that controller gets no block: as QEMU
# has it, it cuts what it writes into pieces, and puts a write enable before each. A chip with a
# security engine behind it sees none, and has its sector protection all the same.
#
# usage: tools/testing/e2e/versal.sh KVER      ($WORK: a folder of its own)

set -u
CHIP=qemu
# shellcheck source=tools/testing/e2e/board.bash
. "$(dirname "$0")/board.bash" "$1" versal
SCRIPTS=$tree/scripts
# shellcheck source=scripts/session.sh
. "$SCRIPTS/session.sh"

lives spi-cadence-quadspi
pieces=$(sent ours 2 12)
same "page programs, four bytes each" "$(written 4)" "$pieces"
check "write enables before them" test "$(sent ours 6)" -gt "$pieces"

export GUEST_CHIP=$work/authenta/chip
session_start "$work/authenta" 120 -k "$kver" -M versal -C mt25qu128-authenta || exit 1
trap session_kill EXIT
# No time passes in the chip: it would be busy with the first piece of a page when the next comes.
chip time_scale 0
chip opcodes ''
check "an Authenta part binds" g 'load_mtd && load_flash && until [ -e /dev/mtd0 ]; do :; done'
check "the refusal says what the controller lacks" g 'dmesg | grep -q "no security commands: \
controller driver cadence-qspi is not known to send 511 bytes after opcode 9b in one piece"'
check "the exchange's ioctls: EOPNOTSUPP" \
	g '/selftests/crtm_refused /dev/mtd0 EOPNOTSUPP exchange'
same "locked sectors" 1100000 "$(g 'flash_lock -l /dev/mtd0 0 32' >"$work/lock" && chip locks |
	cut -c 1-7)"
check "they cannot be erased" g '! mtd_debug erase /dev/mtd0 0 4096'
check "they can when unlocked" g 'flash_lock -u /dev/mtd0 0 32 && mtd_debug erase /dev/mtd0 0 4096'
check "write and read" g 'head -c 65536 /dev/urandom >/tmp/a
	mtd_debug write /dev/mtd0 0 65536 /tmp/a && mtd_debug read /dev/mtd0 0 65536 /tmp/b &&
	cmp /tmp/a /tmp/b'
same "opcodes of the security engine" "" "$(chip opcodes | grep -E '^(9b|96) ')"
trap - EXIT
session_stop
same "the guest's exit code, 0 if the kernel never complained" 0 $?
finish
