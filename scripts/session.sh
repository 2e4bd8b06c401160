# SPDX-License-Identifier: MIT
# shellcheck shell=bash
#
# A guest that the host drives step by step: sourced by the demo and by the
# end-to-end tests. The commands travel through the 9p share.
#
#   session_start NAME SECONDS GUEST-OPTIONS...   boot, wait until it answers
#   g COMMAND...       run in the guest (sh), output to stdout, its exit code
#   g_bg NAME COMMAND  start in the guest, output to $SHARE/NAME.log
#   session_stop       power off, exit code of scripts/guest
#   session_kill       the plug: SIGKILL to QEMU
#
# $SHARE is the shared folder, /share in the guest.
#
# With an emulated chip on the board, where $CHIP says: "qemu", inside QEMU behind the controller
# of a zcu102, with the driver of that; or "module", in the guest's kernel behind a controller of
# ours. Either way it is a mt25qu128-authenta, its memory is a file, and what follows looks behind
# the back of the board's drivers:
#
#   session_chip NAME SECONDS GUEST-OPTIONS...   session_start, and the chip's driver loaded
#   chip PROPERTY [VALUE]   show or set a property of the chip (Documentation/emulated-chip.rst)
#   chip_array LENGTH       the array's first bytes

session_fail() { echo "session: $*" >&2; return 1; }

session_start()
{
	SESSION=$1
	local seconds=$2
	shift 2
	SHARE=$SESSION/share
	mkdir -p "$SHARE"
	echo 0 > "$SESSION/commands"
	rm -f "$SHARE"/.cmd.* "$SHARE"/.out.* "$SHARE"/.rc.* "$SHARE/.up" "$SESSION/qemu.pid"
	cat > "$SHARE/.loop" <<-'EOF'
		#!/bin/sh
		. /lib/crtm/functions
		cd /
		n=1 pause=10000
		: > /share/.up
		while :; do
			if [ -e /share/.cmd.$n ]; then
				[ -s /share/.cmd.$n ] || exit 0
				( . /share/.cmd.$n ) > /share/.out.$n 2>&1 < /dev/null
				echo $? > /share/.rc.tmp
				mv /share/.rc.tmp /share/.rc.$n
				n=$((n + 1)) pause=10000
			else
				# While the host waits for other things, the board has to work.
				usleep $pause
				[ $pause -ge 160000 ] || pause=$((pause * 2))
			fi
		done
	EOF
	chmod +x "$SHARE/.loop"
	GUEST_PIDFILE=$SESSION/qemu.pid "$SCRIPTS/guest" -t "$seconds" -s "$SHARE" "$@" -- \
		/share/.loop > "$SESSION/console.log" 2>&1 &
	SESSION_PID=$!
	while [ ! -e "$SHARE/.up" ]; do
		kill -0 "$SESSION_PID" 2>/dev/null || {
			tail -n 30 "$SESSION/console.log" >&2
			session_fail "the guest did not come up, console in $SESSION/console.log"
			return 1
		}
		sleep 0.1
	done
}

session_chip()
{
	local name=$1 seconds=$2 load

	shift 2
	CHIP_NV=$name/nv
	case $CHIP in
	qemu)
		set -- -M zcu102 -C "mt25qu128-authenta:$CHIP_NV" "$@"
		load=load_flash
		;;
	module)
		set -- -v "$CHIP_NV" "$@"
		load='modprobe spi-crtm-emu chips=mt25qu128-authenta trace_size=600000'
		# shellcheck disable=SC2016 # for the guest's shell
		load+=' $(cat /run/guest/nv)'
		;;
	*)	session_fail "CHIP=$CHIP: the chip is in 'qemu' or in a 'module'"; return 1 ;;
	esac
	GUEST_CHIP=$name/chip session_start "$name" "$seconds" "$@" && g "load_mtd && $load"
}

chip()
{
	case $CHIP in
	qemu)	"$SCRIPTS/chip" "$SESSION/chip" "$@" ;;
	module)
		if [ $# = 1 ]; then
			g "cat \$(emu 0)/$1"
		else
			g "echo $2 >\$(emu 0)/$1"
		fi
		;;
	esac
}

# The file has the chip's registers first.
chip_array() { tail -c +8193 "$CHIP_NV" | head -c "$1"; }

# Number of the next command; in a file, for g is called in subshells too.
session_next()
{
	local n
	n=$(($(cat "$SESSION/commands") + 1))
	echo $n | tee "$SESSION/commands"
}

g()
{
	local n
	n=$(session_next)
	printf '%s\n' "$*" > "$SHARE/.cmd.tmp"
	mv "$SHARE/.cmd.tmp" "$SHARE/.cmd.$n"
	while [ ! -e "$SHARE/.rc.$n" ]; do
		kill -0 "$SESSION_PID" 2>/dev/null || {
			tail -n 30 "$SESSION/console.log" >&2
			session_fail "the guest died in: $*"
			return 1
		}
		sleep 0.02
	done
	cat "$SHARE/.out.$n"
	return "$(cat "$SHARE/.rc.$n")"
}

g_bg()
{
	local name=$1
	shift
	g "( $* ) > /share/$name.log 2>&1 & echo \$! > /share/$name.pid"
}

session_stop()
{
	: > "$SHARE/.cmd.$(session_next)"
	wait "$SESSION_PID"
}

session_kill()
{
	kill -KILL "$(cat "$SESSION/qemu.pid")"
	wait "$SESSION_PID"
	return 0
}
