#!/bin/bash
# SPDX-License-Identifier: MIT
# arch: arm64
# time: 300
#
# What reaches the flash behind a real controller: zcu102's, with its unmodified driver. Each block
# is one chip-select assertion as long as the block, sent once, and nothing is slipped in.
#
# usage: tools/testing/e2e/wire.sh KVER      ($WORK: a folder of its own)

set -u
CHIP=qemu
# shellcheck source=tools/testing/e2e/site.bash
. "$(dirname "$0")/site.bash"

trace() { chip trace >"$work/trace" && [ -s "$work/trace" ] && cat "$work/trace"; }

# blocks: of the trace, "TYPE LENGTH STATUS" each
blocks()
{
	sed -nE 's/.* op=9b type=(..) .*len=([0-9]+) .*status=(..) ok$/\1 \2 \3/p' "$work/trace"
}

# Of the agent's record, the same. The driver itself asks with 48 what is protected.
recorded()
{
	awk '{ print substr($2, 3, 2), length($2) / 2, $3 }' "$share/record"
}

# after OP: what follows such an assertion directly
after()
{
	awk -v op="op=$1" 'last == op { print $2 } { last = $2 }' "$work/trace" | sort -u | xargs
}

site wire
board_on
chip trace ''
provision
trace >/dev/null || bail "no trace"
equal "root keys, HMAC keys and counters: one assertion each" \
	"4 of 00 64, 4 of 01 40, 4 of 03 48" \
	"$(blocks | grep -v '^48' | awk '{ n[$1 " " $2]++ } END { for (b in n)
		printf "%d of %s\n", n[b], b }' | sort -k 3 | paste -sd, | sed 's/,/, /g')"

: >"$share/record"
image "$work/image" 1 $region
chip trace ''
job=$(kms update $device "$work/image" --address 0 --protect)
agent --
check "an update is proven" job_done "$job"
agent_end TERM
trace >/dev/null || bail "no trace"
equal "every command of an update was in it" "01 03 40 41 42 43 44 45 48" \
	"$(recorded | cut -d' ' -f1 | sort -u | xargs)"
equal "the longest block in it" 300 "$(recorded | cut -d' ' -f2 | sort -n | tail -n 1)"
check "blocks in their order, whole, once: on the wire as given to the kernel" \
	diff <(recorded | grep -v ^48) <(blocks | grep -v ^48)
equal "nothing else with the opcode of blocks" "$(grep -c ' op=9b ' "$work/trace")" \
	"$(blocks | wc -l)"
equal "what follows a block on the wire" "op=96" "$(after 9b)"
equal "commands that the flash did not take" 0 "$(grep -vc ' ok$' "$work/trace")"
equal "the chip was well treated" "0 0" "$(state violations) $(state stale_reads)"

chip trace ''
g 'head -c 300000 /dev/urandom >/tmp/a; mtd_debug erase /dev/mtd0 1048576 327680
	mtd_debug write /dev/mtd0 1048576 300000 /tmp/a
	mtd_debug read /dev/mtd0 1048576 300000 /tmp/b; cmp /tmp/a /tmp/b' >"$work/plain"
equal "an ordinary write beside it reads back" 0 $?
trace >/dev/null || bail "no trace"
equal "page programs, of 256 bytes but for the last" "1171 of 260, 1 of 228" \
	"$(sed -nE 's/.* op=02 .*len=([0-9]+) .*/\1/p' "$work/trace" | sort -rn | uniq -c |
		awk '{ print $1 " of " $2 }' | paste -sd, | sed 's/,/, /g')"
check "the kernel never complained" session_stop
serve_kill
finish
