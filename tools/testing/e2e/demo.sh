#!/bin/bash
# SPDX-License-Identifier: MIT
# arch: arm64
# time: 400
# only: 6.1
#
# The demonstration, with the chip where $CHIP says: each line of its summary is a test.
#
# usage: tools/testing/e2e/demo.sh KVER

set -u
tree=$(cd "$(dirname "$0")/../../.." && pwd)
out=$("$tree/scripts/demo" "$1")
rc=$?
printf '%s\n' "$out" | awk '
	summary && $1 == "ok" { sub(/^ *ok */, ""); print "ok " ++n " - " $0 }
	summary && $1 == "FAILED" { sub(/^ *FAILED */, ""); print "not ok " ++n " - " $0 }
	/^== Summary ==$/ { summary = 1 }
	END { print "1.." n + 0 }'
[ $rc = 0 ] || printf '%s\n' "$out" | sed 's/^/# /'
exit $rc
