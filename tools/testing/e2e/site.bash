# SPDX-License-Identifier: MIT
# shellcheck shell=bash
#
# What the tests of agent and server against each other share, sourced with KVER as $1: a site,
# which is crtm-kms on this machine's loopback; a board, which is crtm-agentd in a guest with the
# emulated chip where $CHIP says (session.sh; default: module); results as TAP, with the plan last.
#
# What stands in single quotes is for the guest's shell.
# shellcheck disable=SC2016

tree=$(cd "$(dirname "${BASH_SOURCE[0]}")/../../.." && pwd)
# shellcheck source=scripts/lib.sh
. "$tree/scripts/lib.sh"
SCRIPTS=$tree/scripts
# shellcheck source=scripts/session.sh
. "$SCRIPTS/session.sh"
# shellcheck source=tools/testing/e2e/record.bash
. "$tree/tools/testing/e2e/record.bash"

kver=$1
top=${WORK:-$(mktemp -d)}
device=board-1
region=65536
CHIP=${CHIP:-module}
n=0 bad=0 port='' server='' SESSION_PID=''
KMS=$BUILD/host/crtm-kms

cleanup()
{
	[ -z "$server" ] || kill -KILL "$server"
	[ -z "$SESSION_PID" ] || ! kill -0 "$SESSION_PID" || session_kill
	wait
} 2>/dev/null
trap cleanup EXIT
trap 'exit 143' TERM
trap 'exit 130' INT

diagnose()
{
	local f

	for f in "$work/failed" "$work/kms.log" "$share/agent.log"; do
		[ ! -s "$f" ] || { echo "--- $f"; tail -n 15 "$f"; }
	done | cut -c 1-200 | sed 's/^/# /'
}

bail()
{
	diagnose
	echo "Bail out! $*"
	exit 1
}

# check TEXT COMMAND...: the command succeeds
check()
{
	n=$((n + 1))
	if "${@:2}" >"$work/failed" 2>&1; then
		echo "ok $n $1"
	else
		echo "not ok $n $1"
		diagnose
		bad=1
	fi
	rm -f "$work/failed"
}

# equal TEXT EXPECTED GOT
equal()
{
	n=$((n + 1))
	if [ "$2" = "$3" ]; then
		echo "ok $n $1"
	else
		echo "not ok $n $1"
		echo "# expected: $2"
		echo "# got: $3"
		diagnose
		bad=1
	fi
}

finish()
{
	echo "1..$n"
	exit $bad
}

# wait_for SECONDS COMMAND...: until it succeeds
wait_for()
{
	local end=$((SECONDS + $1))

	until "${@:2}"; do
		[ "$SECONDS" -lt "$end" ] || return 1
		sleep 0.05
	done
}

# The site

kms() { "$KMS" --state "$work/kms" "$@"; }
sql() { sqlite3 -readonly -cmd '.timeout 20000' "$work/kms/kms.db" "$1"; }
listening() { (: <"/dev/tcp/127.0.0.1/$1") 2>/dev/null; }

# serve PORT CERTIFICATE-FOLDER: sets $server
serve()
{
	# Not by kms(): $! would be the shell that runs it.
	"$KMS" --state "$work/kms" serve --listen "127.0.0.1:$1" --cert "$2/server.crt" \
		--key "$2/server.key" --ca "$work/pki/ca.crt" >>"$work/kms.log" 2>&1 &
	server=$!
	wait_for 60 listening "$1" && kill -0 $server
}

serve_kill()
{
	kill -KILL "$server"
	wait "$server" 2>/dev/null
	server=
}

# site NAME [DEVICE]...: a site of its own, with its board's and other devices' certificates
site()
{
	local try

	work=$top/$1
	share=$work/board/share
	record=$share/record
	mkdir -p "$work" "$share"
	"$SCRIPTS/test-pki" "$work/pki" $device "${@:2}" || bail "no certificates"
	kms init >"$work/kms.log" || bail "no server"
	for try in 1 2 3 4 5; do
		port=$((20000 + RANDOM % 20000))
		serve $port "$work/pki" && break
		[ "$try" != 5 ] || bail "the server does not serve"
	done
	cp "$work"/pki/{ca.crt,$device.crt,$device.key} "$share/"
}

# job_done NUMBER: the server has it proven
job_done() { timeout 120 "$KMS" --state "$work/kms" job "$1" --wait; }

# image FILE NUMBER BYTES: a piece of a real boot loader; no two are alike
image()
{
	tail -c +$(($2 * 65536 + 1)) "$CACHE/u-boot/u-boot-arm64.bin" | head -c "$3" >"$1"
	[ "$(stat -c %s "$1")" = "$3" ] || bail "no piece $2 of a boot loader"
}

# The board

# The same chip and the same disk at each boot
board_on()
{
	session_chip "$work/board" 600 -k "$kver" -n -d "$work/disk" || bail "no board"
	chip time_scale 0 || bail "no chip"
}

# The keys of a new chip
provision()
{
	kms enroll $device --id 20bb1812008c --size 16M --slots 4 -o "$share/provision.json" \
		>>"$work/kms.log" || bail "not enrolled"
	g 'crtmctl -d /dev/mtd0 provision /share/provision.json -o /share/provisioned.json' \
		>>"$work/kms.log" || bail "not provisioned"
	kms provisioned $device "$share/provisioned.json" >>"$work/kms.log" ||
		bail "not provisioned"
}

# agent [VARIABLE=VALUE]... [-- OPTION...]
agent()
{
	local vars=()

	while [ $# -gt 0 ] && [ "$1" != -- ]; do
		vars+=("$1")
		shift
	done
	rm -f "$share/agent.log"
	g_bg agent "exec env LD_PRELOAD=/lib/crtm/libcrtm-shim.so" \
		"CRTM_SHIM_RECORD=/share/record ${vars[*]}" \
		"crtm-agentd --server https://10.0.2.2:$port --ca /share/ca.crt" \
		"--cert /share/$device.crt --key /share/$device.key" \
		"--journal /persist/journal ${*:2}" || bail "no agent"
}

said() { grep -q -e "$1" "$share/agent.log" 2>/dev/null; }
stopped() { wait_for 120 said "STOPPED $1" || bail "the agent did not reach $1"; }

# agent_signal SIGNAL
agent_signal()
{
	g "kill -$1 \$(cat /share/agent.pid)" || bail "the agent is not there"
}

# agent_end SIGNAL
agent_end()
{
	agent_signal "$1"
	g 'while kill -0 $(cat /share/agent.pid) 2>/dev/null; do usleep 20000; done'
}

# state KEY: of the chip
state() { chip state | sed -n "s/^$1=//p"; }

# holds FILE: the region is that, and blank behind it
holds()
{
	{ cat "$1"; head -c $((region - $(stat -c %s "$1"))) /dev/zero | tr '\0' '\377'; } |
		cmp - <(chip_array $region)
}
