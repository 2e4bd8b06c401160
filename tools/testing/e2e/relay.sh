#!/bin/bash
# SPDX-License-Identifier: MIT
# time: 180
#
# An update from server to chip while either side of the relay dies, and while the chip loses
# power: it ends proven, with no block sent twice and no counter value wasted. Before that, who is
# not the board's own agent or the site's own server gets nothing.
#
# usage: tools/testing/e2e/relay.sh KVER      ($WORK: a folder of its own)
#
# What stands in single quotes is for the guest's shell.
# shellcheck disable=SC2016

set -u
# Its faults are those of the module.
CHIP=module
# shellcheck source=tools/testing/e2e/site.bash
. "$(dirname "$0")/site.bash"

# steps WHERE: how many of them there are
steps() { sql "SELECT count(*) FROM step WHERE $1"; }
new_answers() { [ "$(steps "outcome = 'answered'")" -gt "$1" ]; }
# counter_steps: since $mc
counter_steps() { echo $(($(state mc.0) - mc)); }

# ask CERTIFICATE|- PATH [CURL-OPTION]...: HTTP's status, and "block" if the answer has one
ask()
{
	local cert=()

	[ "$1" = - ] || cert=(--cert "$1.crt" --key "$1.key")
	curl -s --cacert "$work/pki/ca.crt" "${cert[@]}" "${@:3}" -o "$work/answer" \
		-w '%{http_code}' "https://127.0.0.1:$port$2"
	grep -o '"block"' "$work/answer" | uniq | sed 's/"//g; s/^/ /'
	rm -f "$work/answer"
}

server_dies()
{
	serve_kill
	serve "$port" "$work/pki" || bail "the server does not come back"
}

site site stranger
"$SCRIPTS/test-pki" "$work/other" $device || bail "no certificates"
board_on
provision
: >"$share/record"
image "$work/image" 1 $region

# Who gets something

job=$(kms update $device "$work/image" --address 0 --protect)
equal "no client certificate" 403 "$(ask - /v1/next)"
equal "this board's name, signed by another CA" 403 "$(ask "$work/other/$device" /v1/next)"
equal "a device that was not enrolled" 403 "$(ask "$work/pki/stranger" /v1/next)"
equal "its results" 403 "$(ask "$work/pki/stranger" /v1/results -d \
	'{"v":1,"job":1,"results":[{"step":0,"outcome":"unsent","error":"EPERM"}]}')"
equal "the board's own certificate is let in" 404 "$(ask "$work/pki/$device" /v1/nothing)"

true_server=$server true_port=$port
port=$((port + 1))
serve $port "$work/other" || bail "no second server"
agent
check "a server with another CA's certificate is refused" wait_for 60 said /v1/hello.*certificate
agent_end KILL
serve_kill
server=$true_server port=$true_port
equal "all that handed out and sent nothing" "0 0" "$(steps 1) $(wc -l <"$share/record")"

# The server dies: while the agent holds a block that was not sent; while it holds an answer, which
# then finds nobody at home; then the agent, after it sent a batch and before it sends the next one;
# then the server as soon as it has stored results.
# The calls of an update: 01; 03 48; 40; 44; 48; 45; 42 43...; 43...

mc=$(state mc.0)
agent CRTM_SHIM_STOP=before:3,after:4,after:7
stopped before:3
server_dies
agent_signal CONT
stopped after:4
serve_kill
agent_signal CONT
check "the agent notices that the server is away" wait_for 60 said /v1/results:
serve "$port" "$work/pki" || bail "the server does not come back"
stopped after:7
agent_end KILL
equal "server killed: nothing became unknown" 0 "$(steps "outcome = 'unknown'")"
agent CRTM_SHIM_STOP=before:2
stopped before:2
agent_end KILL
equal "agent killed: the batch that was sent is unknown to it" "64 CRASH" \
	"$(sql "SELECT count(*), error FROM step WHERE outcome = 'unknown' GROUP BY error" |
		tr '|' ' ')"
agent CRTM_SHIM_STOP=before:3
stopped before:3
answers=$(steps "outcome = 'answered'")
agent_signal CONT
wait_for 60 new_answers "$answers" || bail "no results"
server_dies
check "the update is proven in the end" job_done "$job"
check "the chip holds the image" holds "$work/image"
equal "the chip was on all the time: one session, one counter step" "1 1" \
	"$(counter_steps) $(opened)"
equal "both batches that the agent died with are unknown, nothing else is" "128 CRASH" \
	"$(sql "SELECT count(*), error FROM step WHERE outcome = 'unknown' GROUP BY error" |
		tr '|' ' ')"
equal "blocks sent twice, without a step, not accepted" "0 0 0" \
	"$(seen_twice) $(seen_beyond) $(not_accepted)"
equal "the chip was well treated" "0 0" "$(state violations) $(state stale_reads)"

# The chip loses power, the agent lives: first between any two commands, then inside an erase.

image "$work/image" 2 $region
mc=$(state mc.0) before=$(opened)
g 'echo 100 >$(emu 0)/time_scale'
job=$(kms update $device "$work/image" --address 0)
check "the chip is off in the middle of a session" g '
	s=$(emu 0)/state
	until [ $(sed -n s/^seq=//p $s) -ge 20 ]; do usleep 5000; done
	grep -qx session=1 $s && echo 1 >$(emu 0)/power_cycle && grep -qx session=0 $s'
check "the update is proven in the end" job_done "$job"
check "the chip holds the image" holds "$work/image"
equal "two sessions, two counter steps" "2 2" "$(counter_steps) $(($(opened) - before))"

image "$work/image" 3 $region
mc=$(state mc.0) before=$(opened)
g 'echo power_cut 200 >$(emu 0)/fault'
job=$(kms update $device "$work/image" --address 0)
check "the chip is off in the middle of an erase" g '
	until grep -qx power=0 $(emu 0)/state; do usleep 5000; done
	usleep 200000; echo 1 >$(emu 0)/power_cycle'
check "the update is proven in the end" job_done "$job"
check "the chip holds the image" holds "$work/image"
equal "two sessions, two counter steps" "2 2" "$(counter_steps) $(($(opened) - before))"

equal "blocks sent twice, without a step" "0 0" "$(seen_twice) $(seen_beyond)"
equal "no block reached the chip while it was busy" 0 "$(state violations)"
equal "alarms" 0 "$(alarms)"
agent_end TERM
check "the kernel never complained" session_stop
finish
