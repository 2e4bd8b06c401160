#!/bin/bash
# SPDX-License-Identifier: MIT
# time: 1200
# only: 6.12
# arch: arm64
#
# Documentation/driver-guide.rst, typed as it stands there, in a copy of the tree and on a board
# with the stock modules.
#
# usage: tools/testing/e2e/driver-guide.sh KVER      ($WORK: a folder of its own)

# shellcheck source=tools/testing/e2e/guide.bash
. "$(dirname "$0")/guide.bash"

mkdir -p "$work/tree"
(cd "$tree" && git ls-files -co --exclude-standard --deduplicate | cpio -pdm --quiet \
	"$work/tree") || bail "no copy of the tree"
session_start "$work/board" 1180 -k "$kver" -S || bail "no guest"
g 'mkdir -p /mnt && ln -s /share /mnt/stick' || bail "no board"
ln -s "$SHARE" "$work/tree/stick"

shell_start "$work/tree"
type_guide "$tree/Documentation/driver-guide.rst" "s/6[.]12/$kver/g"
guide_end
