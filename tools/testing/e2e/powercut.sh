#!/bin/bash
# SPDX-License-Identifier: MIT
# time: 300
#
# The board loses power, agent, kernel and chip at once, between the journal's fsync and the
# ioctl or between the ioctl and the answer, in every phase of an update. What the agent cannot
# know it must say; the server asks the chip; nothing is sent twice, no counter value is wasted.
#
# usage: tools/testing/e2e/powercut.sh KVER [all]      ($WORK: a folder of its own)
#
# all: at every ioctl of the update, not only at a choice of them

set -u
# shellcheck source=tools/testing/e2e/site.bash
. "$(dirname "$0")/site.bash"

# The ioctls of an update of 79 pages: the types in each, and the sessions that the update takes
# if the power goes before and after it. Until a session is open, nothing is lost; when all is
# written, only what is left to prove.
calls=("- - -" "01 1 1" "03,48 1 1" "40 1 2" "44 2 2" "48 2 2" "45 2 2" "42,43 2 2" "42,43 2 2"
       "45,48 1 1" "41 1 1")
length=20000

# cut_power POINT: in an update of its own, which is then finished after the next boot
cut_power()
{
	local point=$1 mc before types sessions job where=2

	[ "${point%:*}" = before ] || where=3
	types=$(cut -d' ' -f1 <<<"${calls[${point#*:}]}")
	sessions=$(cut -d' ' -f$where <<<"${calls[${point#*:}]}")
	cuts=$((cuts + 1))
	image "$work/image" $cuts $length
	mc=$(state mc.0)
	before=$(opened)
	job=$(kms update $device "$work/image" --address 0 --protect)
	agent CRTM_SHIM_STOP="$point"
	stopped "$point"
	equal "$point: the chip was well treated" "0 0" "$(state violations) $(state stale_reads)"
	session_kill 2>/dev/null

	board_on
	agent
	check "$point: the update is proven in the end" job_done "$job"
	equal "$point: unknown to the agent" "$types" "$(sql "SELECT group_concat(t) FROM
		(SELECT DISTINCT printf('%02x', type) AS t FROM step WHERE job = $job
		 AND outcome = 'unknown' AND error = 'CRASH' ORDER BY t)")"
	check "$point: the chip holds the image" holds "$work/image"
	equal "$point: counter steps, sessions opened" "$sessions $sessions" \
		"$(($(state mc.0) - mc)) $(($(opened) - before))"
	equal "$point: blocks sent twice, without a step, not accepted" "0 0 0" \
		"$(seen_twice) $(seen_beyond) $(not_accepted)"
	# So that the next update finds nothing protected, as this one did.
	check "$point: the chip takes orders" timeout 120 "$KMS" --state "$work/kms" \
		protect $device --address 0 --length $region --remove --wait
	agent_end TERM
}

# on_a_board NAME POINT...
on_a_board()
{
	local point

	cuts=0
	site "$1"
	board_on
	provision
	: >"$share/record"
	for point in "${@:2}"; do
		cut_power "$point"
	done
	equal "alarms" 0 "$(alarms)"
	check "the kernel never complained" session_stop
	serve_kill
}

if [ "${2:-}" = all ]; then
	# A board each: the server limits a board's counter writes.
	on_a_board before before:{1..10}
	on_a_board after after:{1..10}
else
	on_a_board board after:3 before:7 after:8
fi
finish
