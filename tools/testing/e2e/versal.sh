#!/bin/bash
# SPDX-License-Identifier: MIT
# time: 600
# only: check-all
#
# QEMU's versal with mt25qu02g (four dies) behind cadence-quadspi: the life of the flash by the
# stock modules and by ours is the same on the wire. And why that controller gets no block: it
# cuts what it writes into pieces, and puts a write enable before each.
#
# usage: tools/testing/e2e/versal.sh KVER      ($WORK: a folder of its own)

set -u
kver=$1 machine=versal
# shellcheck source=tools/testing/e2e/board.bash
. "$(dirname "$0")/board.bash"

lives spi-cadence-quadspi
pieces=$(sent ours 2 12)
same "assertions for 2 MiB of page programs, four bytes each" $((2097152 / 4)) "$pieces"
check "write enables before them" test "$(sent ours 6)" -gt "$pieces"
finish
