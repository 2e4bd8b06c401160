#!/bin/bash
# SPDX-License-Identifier: MIT
#
# The agent's installation into an empty root: systemd takes the unit and makes the user, and all of
# them name the same one. Writes TAP.
#
# usage: test-install.sh O   (O: as for make)

set -uo pipefail

agent=$(cd "$(dirname "$0")/../../crtm-agentd" && pwd)
o=$1
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
n=0 failed=0 said=

run()
{
	said=$("$@" 2>&1)
}

test_that()
{
	local text=$1

	shift
	n=$((n + 1))
	if "$@"; then
		echo "ok $n $text"
	else
		failed=1
		echo "not ok $n $text"
		echo "# $* # ${said//$'\n'/$'\n'# }"
	fi
}

is_installed()
{
	run find "$root" -type f -printf '%m %P\n'
	said=$(sort -k 2 <<<"$said")
	[ "$said" = "$(sort -k 2 <<-END
		644 ${prefix#/}/lib/systemd/system/crtm-agentd.service
		644 ${prefix#/}/lib/sysusers.d/crtm-agentd.conf
		644 ${prefix#/}/lib/udev/rules.d/60-crtm-agentd.rules
		755 ${prefix#/}/sbin/crtm-agentd
		644 ${prefix#/}/share/man/man8/crtm-agentd.8
	END
	)" ]
}

# The targets that the unit names are not there; what it runs is.
unit_is_valid()
{
	local target

	for target in sysinit basic network-online multi-user shutdown time-sync; do
		echo '[Unit]' >"$root$prefix/lib/systemd/system/$target.target"
	done
	run systemd-analyze verify --man=no --root="$root" crtm-agentd.service && [ -z "$said" ]
}

user_is_made()
{
	mkdir -p "$root/etc"
	: >"$root/etc/passwd"
	run systemd-sysusers --root="$root" && run cat "$root/etc/passwd" "$root/etc/group" &&
		grep -q '^crtm-agent:.*:/nonexistent:.*/nologin$' <<<"$said" &&
		grep -qx 'crtm-agent:x:[0-9]*:' <<<"$said"
}

user_is_the_same()
{
	run grep -E '^(User|Group)=' "$root$prefix/lib/systemd/system/crtm-agentd.service"
	[ "$said" = $'User=crtm-agent\nGroup=crtm-agent' ] &&
		run grep 'GROUP="crtm-agent", MODE="0660"' \
			"$root$prefix/lib/udev/rules.d/60-crtm-agentd.rules"
}

for prefix in /usr /usr/local; do
	root=$work$prefix.root
	mkdir -p "$root"
	test_that "$prefix: make install" run make -C "$agent" install O="$o" DESTDIR="$root" \
		PREFIX="$prefix"
	test_that "$prefix: these files, and no other" is_installed
	test_that "$prefix: systemd takes the unit" unit_is_valid
	test_that "$prefix: the user is made" user_is_made
	test_that "$prefix: unit and device belong to that user" user_is_the_same
done
echo "1..$n"
exit $failed
