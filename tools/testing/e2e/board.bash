# SPDX-License-Identifier: MIT
# shellcheck shell=bash
#
# QEMU's boards with QEMU's own flash, for tests of what spi-nor does on parts without a security
# engine and behind real controller drivers. Sourced, with KVER and the machine.

kver=$1 machine=$2
tree=$(cd "$(dirname "${BASH_SOURCE[0]}")/../../.." && pwd)
work=${WORK:-$(mktemp -d)}
tests=0 failures=0

# check TEXT COMMAND...: one test, the command's success
check()
{
	local text=$1 out

	shift
	tests=$((tests + 1))
	if out=$("$@" 2>&1); then
		echo "ok $tests - $text"
	else
		echo "not ok $tests - $text"
		printf '%s\n' "failed: $*" "$out" | sed 's/^/# /'
		failures=$((failures + 1))
	fi
}

# same TEXT EXPECTED GOT
same()
{
	check "$1: $2" test "$2" = "$3"
	[ "$2" = "$3" ] || echo "# got: $3"
}

finish()
{
	echo "1..$tests"
	exit $((failures > 0))
}

# life WHO CONTROLLER-MODULE ERRNO GUEST-OPTION...: the life of the flash in a guest (its results
# are a TAP stream of their own), what QEMU said of it in $work/WHO: "trace", the flash's commands
# and their addresses, compressed, and "errors", everything else
life()
{
	local dir=$work/$1 controller=$2 errno=$3 rc=0 splitter

	shift 3
	mkdir -p "$dir"
	cp "$tree/tools/testing/guest/flash-life" "$dir"
	rm -f "$dir/log"
	mkfifo "$dir/log"
	# The flash is told from others by its address in QEMU's memory: not the same twice.
	awk -v trace="gzip -1 >'$dir/trace.gz'" -v errors="$dir/errors" '
		BEGIN { printf "" >errors }
		/^m25p80_/ { sub(/ \[0x[0-9a-f]*\]/, ""); print | trace; next }
		{ print >errors }' <"$dir/log" &
	splitter=$!
	"$tree/scripts/guest" -k "$kver" -M "$machine" -E "$dir/log" -T m25p80_command_decoded \
		-T m25p80_complete_collecting -t 240 -s "$dir" "$@" \
		-- /share/flash-life "$controller" "$errno" 2>"$dir/err" || rc=$?
	# Nobody writes any more; without a writer ever, it would wait for one.
	kill -0 $splitter 2>/dev/null && : >"$dir/log"
	wait $splitter
	if [ $rc != 0 ]; then
		sed 's/^/# /' "$dir/err"
		echo "Bail out! the guest ended with $rc"
		exit 1
	fi
}

trace()
{
	gzip -dc "$work/$1/trace.gz"
}

# transcript WHO: without what is random
transcript()
{
	sed -E 's/^[0-9a-f]{64} /SHA256 /; / copied, /d' "$work/$1/transcript"
}

# unknown WHO: opcodes that QEMU's flash did not know, each once
unknown()
{
	sed -n 's/^M25P80: Unknown cmd //p' "$work/$1/errors" | sort -u | xargs
}

# sent WHO OPCODE...: how often any of these went to the flash (hexadecimal, without 0x)
sent()
{
	local who=$1

	shift
	trace "$who" | grep -cxE "m25p80_command_decoded new command:0x($(echo "$*" | tr ' ' '|'))"
}

# written SIZE: how many pieces of SIZE bytes make what was written: 2 MiB each time, and 64 KiB in
# each quarter but the first
written()
{
	echo $((($(transcript ours | grep -c "^Copied 2097152 bytes from spi_test") * 2097152 +
		 3 * 65536) / $1))
}

# lives CONTROLLER-MODULE: by the kernel's own modules and by ours, and nothing differs
lives()
{
	life stock "$1" ENOTTY -S
	life ours "$1" EOPNOTSUPP
	check "the same commands at the same addresses as from the stock modules" \
		cmp <(trace stock) <(trace ours)
	check "the same answers to the user" diff <(transcript stock) <(transcript ours)
	# Those models have no SFDP; the kernel's probe asks for it all the same. And so the log
	# proves to tell such things.
	same "opcodes that the flash did not know, stock modules" 5a "$(unknown stock)"
	same "opcodes that the flash did not know, ours" 5a "$(unknown ours)"
	same "opcodes of the security engine" 0 "$(sent ours 9b 96)"
	same "opcodes of sector protection" 0 \
		"$(sent ours 2c 2d e0 e1 e2 e3 e4 e5 e8 a6 a7 27 28 29 2b 68)"
}
