#!/bin/bash
# SPDX-License-Identifier: MIT
# time: 60
#
# make modules_install and modules_uninstall: ours win while they are there, and only then.
#
# usage: tools/testing/e2e/install.sh KVER      ($WORK: a folder of its own)

set -u
tree=$(cd "$(dirname "$0")/../../.." && pwd)
# shellcheck source=scripts/lib.sh
. "$tree/scripts/lib.sh"
kver=$1
root=${WORK:-$(mktemp -d)}/root
kernel=$(kernel_dir "$kver")
release=$(cat "$kernel/release")
stock=$kernel/modules/lib/modules/$release
modules=lib/modules/$release
n=0 bad=0

# check TEXT COMMAND...
check()
{
	n=$((n + 1))
	if "${@:2}" >"$root/out" 2>&1; then
		echo "ok $n $1"
	else
		echo "not ok $n $1"
		sed 's/^/# /' "$root/out"
		bad=1
	fi
}

# loads FOLDER: what modprobe would take for both modules
loads()
{
	local m ko

	for m in mtd spi-nor; do
		ko=$(modprobe -C /dev/null -d "$root" -S "$release" --show-depends "$m" | tail -n 1)
		echo "$ko"
		[[ $ko == *"/$modules/$1/"* ]] || return
	done
}

mkdir -p "$root/$modules/kernel/drivers"
cp -r "$stock/kernel/drivers/mtd" "$root/$modules/kernel/drivers/"
cp "$stock"/modules.{order,builtin,builtin.modinfo} "$root/$modules/"
depmod -b "$root" "$release"
before=$(cd "$root/$modules" && find . -type f -exec sha256sum {} + | grep -v '\.bin$' | sort)

echo 1..6
check "the stock modules to begin with" loads kernel
check "make modules_install" \
	make -s -C "$tree" modules_install KVER="$kver" DESTDIR="$root"
check "ours are taken" loads updates
check "make modules_uninstall" \
	make -s -C "$tree" modules_uninstall KVER="$kver" DESTDIR="$root"
check "the stock modules are taken again" loads kernel
rm -rf "$root/$modules/updates" "$root/out"
after=$(cd "$root/$modules" && find . -type f -exec sha256sum {} + | grep -v '\.bin$' | sort)
check "nothing else is different" diff <(echo "$before") <(echo "$after")
exit $bad
