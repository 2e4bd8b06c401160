#!/bin/bash
# SPDX-License-Identifier: MIT
#
# scripts/check-kernel and check-layout: what they refuse, and that they say why. Writes TAP.

set -u
scripts=$(cd "$(dirname "$0")/../../../scripts" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
n=0 bad=0

# result TEXT EXIT-CODE SAYS COMMAND...: SAYS is a part of what the command says
result()
{
	local text=$1 want=$2 says=$3 rc=0

	shift 3
	n=$((n + 1))
	"$@" >"$work/said" 2>&1 || rc=$?
	if [ "$rc" = "$want" ] && grep -qF -e "$says" <(cat "$work/said"; echo); then
		echo "ok $n $text"
	else
		echo "not ok $n $text"
		sed "s/^/# /" "$work/said"
		echo "# exit code $rc, expected $want and: $says"
		bad=1
	fi
}

min=$(sed -n 's/^min[[:space:]]*//p' "$scripts/kernels")
max=$(sed -n 's/^max[[:space:]]*//p' "$scripts/kernels")
range="from $min to $max"
result "the oldest" 0 "" "$scripts/check-kernel" "$min"
result "the newest" 0 "" "$scripts/check-kernel" "$max"
result "a package's version" 0 "" "$scripts/check-kernel" "$max.13-1~bpo12+1"
result "a release" 0 "" "$scripts/check-kernel" "$min.0-56-arm64"
result "one that is too old" 1 "$range, not ${min%.*}.$((${min#*.} - 1))" \
	"$scripts/check-kernel" "${min%.*}.$((${min#*.} - 1))"
result "one that is too new" 1 "$range, not ${max%.*}.$((${max#*.} + 1))-rc1" \
	"$scripts/check-kernel" "${max%.*}.$((${max#*.} + 1))-rc1"
result "numbers, not letters, are compared" 1 "$range, not ${max%.*}.10" \
	"$scripts/check-kernel" "${max%.*}.10"
result "no version" 1 "no version of a kernel: \"x86\"" "$scripts/check-kernel" x86
cp "$scripts/check-kernel" "$work/"
echo "max $max" >"$work/kernels"
result "no oldest" 1 "no min or no max" "$work/check-kernel" "$min"
result "scripts/fetch refuses it" 1 "$range, not 5.10" "$scripts/fetch" 5.10
result "scripts/fetch names what there is" 1 "no kernel '$min.5' in scripts/kernels" \
	"$scripts/fetch" "$min.5"
result "scripts/install-modules refuses it" 1 "$range, not 5.10.0-1-amd64" \
	env RELEASE=5.10.0-1-amd64 "$scripts/install-modules"
mkdir -p "$work/headers/include/config"
: >"$work/headers/Module.symvers"
echo 5.10.0-1-amd64 >"$work/headers/include/config/kernel.release"
result "scripts/make-modules refuses it" 1 "$range, not 5.10.0-1-amd64" \
	"$scripts/make-modules" -s "$work/headers/Module.symvers" -k "$work/headers" -o "$work/out"
mkdir -p "$work/tree/drivers/mtd/spi-nor"
: >"$work/tree/drivers/mtd/mtdchar.c"
: >"$work/tree/drivers/mtd/spi-nor/core.c"
printf 'VERSION = 5\nPATCHLEVEL = 10\nSUBLEVEL = 0\nEXTRAVERSION =\n' >"$work/tree/Makefile"
result "scripts/graft refuses it" 1 "$range, not 5.10" "$scripts/graft" "$work/tree"

# dump NAME MEMBER...: as pahole prints it
dump()
{
	local name=$1 offset=0 member

	shift
	echo "struct $name {"
	for member; do
		printf '\tu32                        %s; /* %5d     4 */\n' "$member" "$offset"
		offset=$((offset + 4))
	done
	printf '\n\t/* size: %d, cachelines: 1, members: %d */\n};\n' "$offset" $#
}

{ dump one a b; dump two a; dump theirs a b; } >"$work/stock"
{ dump private x; dump one a b; dump two a; } >"$work/same"
{ dump one a b c; dump two a; } >"$work/larger"
{ dump two a; dump one b a; } >"$work/moved"
{ dump one a b; dump two a; dump one a b c; } >"$work/second"
dump two a >"$work/less"
layout=$scripts/check-layout
result "layouts: the same" 0 "2 of 2 structures" "$layout" "$work/stock" "$work/same" one two
result "layouts: a member more" 1 "check-layout: struct one: stock" \
	"$layout" "$work/stock" "$work/larger" one two
result "layouts: members moved" 1 "1 of 2 structures" "$layout" "$work/stock" "$work/moved" one two
result "layouts: another one in the second module" 1 "2 of 3 structures" \
	"$layout" "$work/stock" "$work/second" one two
result "layouts: one that has to be there is not" 1 "no struct one in both" \
	"$layout" "$work/stock" "$work/less" one two
result "layouts: nothing" 1 "no struct one in both" "$layout" "$work/stock" /dev/null one

echo "1..$n"
exit $bad
