# SPDX-License-Identifier: MIT
# shellcheck shell=bash
#
# Type what a document says: sourced, with KVER as $1, by the tests of the guides. The commands at
# the prompt "board#" go to a guest, those at any other ("site$", "tree$") to a shell on this
# machine, and what they print is compared with what the document shows below them, where "..."
# stands for anything. A command that fails is a failure. Results as TAP.

set -u
tree=$(cd "$(dirname "${BASH_SOURCE[0]}")/../../.." && pwd)
# shellcheck source=scripts/lib.sh
. "$tree/scripts/lib.sh"
SCRIPTS=$tree/scripts
# shellcheck source=scripts/session.sh
. "$SCRIPTS/session.sh"

# shellcheck disable=SC2034 # for those who source this
kver=$1
work=${WORK:-$(mktemp -d)}
mkdir -p "$work"
SESSION_PID='' SHELL_PID=''
n=0 bad=0

cleanup()
{
	[ -z "$SHELL_PID" ] || kill -- "-$SHELL_PID"
	[ -z "$SESSION_PID" ] || ! kill -0 "$SESSION_PID" || session_kill
	wait
} 2>/dev/null
trap cleanup EXIT
trap 'exit 143' TERM
trap 'exit 130' INT

bail()
{
	echo "Bail out! $*"
	exit 1
}

# commands DOCUMENT: one a line: the prompt, the command's lines, those that are expected; between
# lines \1, between the three a tab
commands()
{
	awk '
	function flush()
	{
		if (prompt != "")
			print prompt "\t" command "\t" expected
		prompt = ""
	}
	/^    [a-z]+[$#] / {
		flush()
		prompt = $1
		command = substr($0, 6 + length($1))
		expected = gap = ""
		more = /\\$/
		next
	}
	prompt != "" && more { command = command "\1" substr($0, 5); more = /\\$/; next }
	prompt != "" && /^    / { expected = expected gap substr($0, 5) "\1"; gap = ""; next }
	/^$/ { gap = gap "\1"; next }
	{ flush() }
	END { flush() }' "$1"
}

# same OUTPUT EXPECTED
same()
{
	local pattern

	pattern=$(sed -e 's/[][*?\\]/\\&/g' -e 's/\.\.\./*/g' <<<"$2")
	# shellcheck disable=SC2053 # a pattern
	[[ $1 == $pattern ]]
}

# A shell of its own, for its variables and its jobs, in FOLDER with that as HOME's parent
shell_start()
{
	mkfifo "$work/typed"
	(cd "$1" && HOME=$work/home exec setsid bash --norc <"$work/typed") 7<&- &
	SHELL_PID=$!
	exec 6>"$work/typed"
}

# typed COMMAND: in that shell
typed()
{
	rm -f "$work/rc"
	printf '{ %s\n} >%q 2>&1 </dev/null\necho $? >%q; mv %q %q\n' "$1" "$work/out" \
		"$work/rc.new" "$work/rc.new" "$work/rc" >&6
	until [ -e "$work/rc" ]; do
		kill -0 "$SHELL_PID" 2>/dev/null || bail "the shell died of: $1"
		sleep 0.02
	done
	cat "$work/out"
	return "$(cat "$work/rc")"
}

# type_guide DOCUMENT [SED-EXPRESSION]: changed by that, which shall be little
type_guide()
{
	local prompt command expected out rc name

	while IFS=$'\t' read -r prompt command expected <&7; do
		command=${command//$'\1'/$'\n'}
		expected=${expected//$'\1'/$'\n'}
		name="$prompt $(head -n 1 <<<"$command" | tr '#' ' ')"
		n=$((n + 1))
		rc=0
		case $prompt in
		board*)	out=$(g "$command") || rc=$? ;;
		*)	out=$(typed "$command") || rc=$? ;;
		esac
		if [ "$rc" = 0 ] && same "$out" "${expected%$'\n'}"; then
			echo "ok $n $name"
			continue
		fi
		echo "not ok $n $name"
		printf 'exit code %s\nexpected:\n%s\ngot:\n%s\n' "$rc" "$expected" "$out" |
			sed 's/^/# /'
		bad=1
	done 7< <(commands "$1" | sed -e "${2:-}")
	[ "$n" -gt 0 ] || bail "no command in $1"
}

guide_end()
{
	n=$((n + 1))
	if session_stop; then
		echo "ok $n the kernel never complained"
	else
		echo "not ok $n the kernel complained"
		bad=1
	fi
	echo "1..$n"
	exit $bad
}
