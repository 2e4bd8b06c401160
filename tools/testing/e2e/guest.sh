#!/bin/bash
# SPDX-License-Identifier: MIT
# only: 6.1
# time: 120
#
# scripts/guest: what a guest does wrong is noticed, and what it is asked for is there.
#
# usage: tools/testing/e2e/guest.sh KVER      ($WORK: a folder of its own)

set -u
tree=$(cd "$(dirname "$0")/../../.." && pwd)
kver=$1
work=${WORK:-$(mktemp -d)}
mkdir -p "$work"
n=0 bad=0

guest()
{
	"$tree/scripts/guest" -k "$kver" "$@" >"$work/out" 2>"$work/err"
}

# result TEXT EXPECTED GOT
result()
{
	n=$((n + 1))
	if [ "$2" = "$3" ]; then
		echo "ok $n $1"
	else
		echo "not ok $n $1"
		echo "# expected: $2"
		echo "# got: $3"
		sed 's/^/# /' "$work/out" "$work/err"
		bad=1
	fi
}

# What stands in single quotes is for the guest's shell.
# shellcheck disable=SC2016
{
echo 1..10
guest -- sh -c 'echo "a  b"; echo c >&2; exit 7'
result "the command's exit code" 7 $?
result "its output, byte for byte" "a  b|c|" "$(tr '\n' '|' <"$work/out")"

guest -- sh -c 'echo @@GUEST-RESULT 0; poweroff -f; sleep 9'
result "a guest that goes without a result, whatever it printed" 127 $?
guest -t 6 -- sleep 100
result "the time limit" 124 $?
guest -- sh -c 'echo c >/proc/sysrq-trigger'
result "a panic" 126 $?

mkdir -p "$work/share"
GUEST_PIDFILE=$work/pid guest -s "$work/share" -- sh -c 'touch /share/up; sleep 100' &
job=$!
for _ in $(seq 300); do
	[ -e "$work/share/up" ] && break
	sleep 0.1
done
kill -KILL "$(cat "$work/pid")"
wait "$job"
result "QEMU killed" 127 $?

guest -d "$work/disk" -v "$work/nv" -s "$work/share" -- sh -c '
	. /run/guest/nv; devmem $nv_phys 32 0x11223344
	echo 1 >/persist/f; echo 2 >/share/g; echo $nv_size'
result "disk, memory and share: first boot" "0 67108864" "$? $(cat "$work/out")"
result "the memory is the host's file, the share the host's folder" "44332211 2" \
	"$(od -An -tx1 -N4 "$work/nv" | tr -d ' ') $(cat "$work/share/g")"
guest -d "$work/disk" -v "$work/nv" -- sh -c '. /run/guest/nv; cat /persist/f; devmem $nv_phys 32'
result "disk and memory outlive the guest" "0 1|0x11223344|" "$? $(tr '\n' '|' <"$work/out")"

guest -n -- sh -c 'ping -c 1 -W 5 10.0.2.2 >/dev/null && ip addr show eth0 | grep -c 10.0.2.15/24'
result "the network" "0 1" "$? $(cat "$work/out")"
}
exit $bad
