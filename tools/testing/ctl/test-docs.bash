#!/bin/bash
# SPDX-License-Identifier: MIT
#
# The completion and the manual page of crtmctl know every verb and option that the program
# itself names in its help, and no other. Prints TAP.
#
# usage: test-docs.bash CRTMCTL

set -u
program=$1
top=$(cd "$(dirname "$0")/../../.." && pwd)
# shellcheck source=tools/crtmctl/crtmctl.bash
. "$top/tools/crtmctl/crtmctl.bash"

# complete_line WORD…: what is offered for the last word
complete_line()
{
	COMP_WORDS=("$@")
	COMP_CWORD=$(($# - 1))
	COMPREPLY=()
	_crtmctl
	printf '%s\n' "${COMPREPLY[@]}" | sort
}

options_of()
{
	grep -oE '(^|[^-])--[a-z]+(-[a-z]+)*' | grep -oE -- '--[a-z-]+' | sort -u
}

number=0
failed=0
# same WHAT EXPECTED GOT
same()
{
	number=$((number + 1))
	if [ "$2" = "$3" ]; then
		echo "ok $number - $1"
		return
	fi
	failed=1
	echo "not ok $number - $1"
	diff <(echo "$2") <(echo "$3") | sed 's/^/# /'
}

common=$("$program" -h | options_of)
verbs=$("$program" -h | sed -n '/^Verbs/,/^$/s/^  \([a-z]*\) .*/\1/p' | sort)
page=$(sed 's/\\-/-/g' "$top/Documentation/man/crtmctl.1")

same "completion: verbs" "$(sort <<<"$verbs"$'\n'"$common")" "$(complete_line crtmctl "")"
same "manual: verbs" "$verbs" "$(sed -n 's/^\.SS \([a-z]*\)$/\1/p' <<<"$page" | sort)"
for verb in $verbs; do
	own=$("$program" "$verb" -h | options_of)
	same "completion: options of $verb" "$(sort -u <<<"$own"$'\n'"$common")" \
		"$(complete_line crtmctl -d /dev/mtd0 "$verb" --)"
	all+=$'\n'$own
done
for verb in password protect; do
	words=$("$program" "$verb" -h | sed -n 's/^  \([a-z][a-z-]*\) .*/\1/p' | sort)
	same "completion: arguments of $verb" "$words" "$(complete_line crtmctl "$verb" "")"
	missing=$(for word in $words; do
		grep -qE "^(\.B )?$word( |\$)" <<<"$page" || echo "$word"
	done)
	same "manual: arguments of $verb" "" "$missing"
done
same "manual: options" "$(sort -u <<<"$common$all" | grep .)" "$(options_of <<<"$page")"
echo "1..$number"
exit $failed
