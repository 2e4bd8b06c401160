# SPDX-License-Identifier: MIT
# shellcheck shell=dash
#
# TAP for the guest cases, and the chips that they share. Sourced, hence not executable: the
# runner takes executable files for cases.

# shellcheck source=scripts/guest-functions
. /lib/crtm/functions

tests=0
failures=0

# check NAME COMMAND [ARG]...: one test, the command's success
check()
{
	name=$1
	shift
	tests=$((tests + 1))
	if "$@" >/tmp/check.out 2>&1; then
		echo "ok $tests - $name"
	else
		failures=$((failures + 1))
		echo "not ok $tests - $name"
		echo "# failed: $*"
		sed 's/^/# /' /tmp/check.out
	fi
}

# check_fails NAME COMMAND [ARG]...: one test, the command's failure
check_fails()
{
	name=$1
	shift
	check "$name" not "$@"
}

not()
{
	! "$@"
}

# check_equal NAME EXPECTED ACTUAL
check_equal()
{
	check "$1: $2" same "$2" "$3"
}

same()
{
	[ "$1" = "$2" ] && return
	echo "expected: $1"
	echo "got:      $2"
	return 1
}

finish_tap()
{
	echo "1..$tests"
	exit $((failures > 0))
}

bail()
{
	echo "Bail out! $*"
	dmesg | tail -n 20 | sed 's/^/# /'
	exit 1
}

# The chips in the order that the selftests know: see tools/testing/selftests/mtd/common.h
load_all()
{
	load_mtd || bail "no MTD modules"
	load_chips mt25qu128-authenta:spi mt25qu128-authenta:mem mt25qu256:spi rpmc-other:spi ||
		bail "no chips"
	for chip in 0 1 2 3; do
		mtd_of $chip >/dev/null || bail "no MTD device on chip $chip"
	done
}

# instant CHIP...: no simulated times
instant()
{
	for chip; do
		echo 0 >"$(emu "$chip")/time_scale"
	done
}

# used MODULE: its reference count
used()
{
	cat "/sys/module/$(echo "$1" | tr - _)/refcnt"
}

# remove_all: what load_all brought, which nothing holds
remove_all()
{
	check "remove the chips" rmmod spi-crtm-emu
	check_equal "nobody uses spi-nor" 0 "$(used spi-nor)"
	check "remove spi-nor" rmmod spi-nor
	check "remove mtdblock" rmmod mtdblock
	for m in mtd_blkdevs ofpart cmdlinepart; do
		rmmod $m 2>/dev/null
	done
	check "remove mtd" rmmod mtd
}
