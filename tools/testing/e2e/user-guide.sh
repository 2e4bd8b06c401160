#!/bin/bash
# SPDX-License-Identifier: MIT
# time: 400
# only: 6.12
# arch: arm64
#
# Documentation/user-guide.rst, typed as it stands there. Around it only what it takes for granted:
# a board with the chip behind its own controller, a name for the server, a stick that is carried,
# an image.
#
# usage: tools/testing/e2e/user-guide.sh KVER      ($WORK: a folder of its own)

# shellcheck source=tools/testing/e2e/guide.bash
. "$(dirname "$0")/guide.bash"

CHIP=${CHIP:-qemu}
# The guide's port may be taken on this machine.
port=$((20000 + RANDOM % 20000))
while (: <"/dev/tcp/127.0.0.1/$port") 2>/dev/null; do
	port=$((port + 1))
done

mkdir -p "$work/home/site"
session_chip "$work/board" 400 -k "$kver" -n -d "$work/disk" || bail "no board"
g 'mkdir -p /mnt && ln -s /share /mnt/stick && echo 10.0.2.2 kms.example >>/etc/hosts' ||
	bail "no board"
ln -s "$SHARE" "$work/home/site/stick"
# A piece of a real boot loader
head -c 100000 "$CACHE/u-boot/u-boot-arm64.bin" >"$work/home/site/u-boot.bin"

shell_start "$tree"
type_guide "$tree/Documentation/user-guide.rst" "s/:8443/:$port/g"
guide_end
