#!/bin/bash
# SPDX-License-Identifier: MIT
# time: 300
# arch: arm64
#
# QEMU's zcu102 with its n25q512a11 behind spi-zynqmp-gqspi: the life of the flash by the stock
# modules and by ours is the same on the wire.
#
# usage: tools/testing/e2e/zcu102.sh KVER      ($WORK: a folder of its own)

set -u
# shellcheck source=tools/testing/e2e/board.bash
. "$(dirname "$0")/board.bash" "$1" zcu102

lives spi-zynqmp-gqspi
# A page is one chip-select assertion.
same "page programs" "$(written 256)" "$(sent ours 2 12)"
finish
