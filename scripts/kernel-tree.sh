# SPDX-License-Identifier: MIT
# shellcheck shell=bash
#
# A kernel's source with the graft, and kernels built of it: for KUnit, for user-mode kernels and
# for kernels with debugging. The source and a folder of objects for each kind of kernel stay in
# the cache: the first build of a kind takes minutes, one after a change seconds.
# Sourced after scripts/lib.sh.

# Drivers and architectures that none of these kernels has: more than half of the source.
left_out=(drivers/gpu drivers/media 'drivers/net/*' drivers/scsi sound tools/perf
	  tools/testing/selftests 'arch/[!aux]*')

# kernel_tree KVER: from now on $source is the source, brought up to date, and $objects-KIND are
# folders of objects. Nobody else changes either until kernel_tree_done, or until the
# script ends.
kernel_tree()
{
	local kernel=$CACHE/kernel/$1 dir

	"$TREE/scripts/fetch" "$1"
	mkdir -p "$CACHE/kunit/$1"
	dir=$(cd "$CACHE/kunit/$1" && pwd -P)
	exec 9>"$dir/lock"
	if ! flock -n 9; then
		note "waiting for another run"
		flock 9
	fi
	rm -rf "$dir"/tmp.*
	source=$dir/source objects=$dir/objects
	_unpack
	_update
}

kernel_tree_done()
{
	exec 9>&-
}

# Kconfig and Makefile of what is left out are named by others.
_unpack()
{
	local version args=() tmp part

	version="$(cat "$kernel/version") without ${left_out[*]}"
	[ "$version" != "$(cat "$dir/version" 2>/dev/null)" ] || return 0
	note "unpacking the source of ${kernel##*/}"
	rm -rf "$dir/version" "$source" "$objects"*
	for part in "${left_out[@]}"; do
		args+=("--exclude=linux-source-*/$part/*.[chS]"
		       "--exclude=linux-source-*/$part/*.dts*")
	done
	tmp=$(mktemp -d "$dir/tmp.XXXXXX")
	xz -T0 -dc "$kernel/source.tar.xz" | tar -x -C "$tmp" --strip-components=1 "${args[@]}"
	mv -T "$tmp" "$source"
	echo "$version" >"$dir/version"
}

# Graft a fresh copy of the parts concerned, and bring over what differs: make goes by times.
_update()
{
	local tmp nor file part

	tmp=$(mktemp -d "$dir/tmp.XXXXXX")
	nor=$tmp/drivers/mtd/spi-nor
	for part in drivers/mtd include/linux/mtd include/uapi/mtd; do
		mkdir -p "$tmp/${part%/*}"
		cp -R "$kernel/source/$part" "$tmp/$part"
	done
	"$TREE/scripts/graft" "$tmp"
	# The tests, the emulated chip, and its logic beside the tests too.
	cp -R "$TREE/kunit" "$nor/kunit"
	cp -R "$TREE/drivers/spi" "$nor/emu"
	cp "$TREE"/drivers/spi/crtm-chip.[ch] "$nor/kunit/"
	# shellcheck disable=SC2016 # make's own expansion
	printf 'obj-%s\n' 'y += kunit/' '$(CONFIG_SPI_CRTM_EMU) += emu/' >>"$nor/Makefile"
	printf 'source "drivers/mtd/spi-nor/%s/Kconfig"\n' kunit emu >>"$nor/Kconfig"
	# For who turns that off for the rest of the kernel
	echo 'KCSAN_SANITIZE := y' | tee -a "$tmp/drivers/mtd/Makefile" "$nor/Makefile" \
		"$nor/emu/Kbuild" >/dev/null

	# For scripts/coverage.
	# shellcheck disable=SC2016 # make's own expansion
	echo 'ccflags-$(CRTM_GCOV) += -fprofile-arcs -ftest-coverage' |
		tee -a "$tmp/drivers/mtd/Makefile" >>"$nor/Makefile"

	(cd "$tmp" && find . -type f) | while read -r file; do
		cmp -s "$tmp/$file" "$source/$file" && continue
		mkdir -p "$source/${file%/*}"
		cp "$tmp/$file" "$source/$file"
	done
	(cd "$source" && find drivers/mtd include/linux/mtd include/uapi/mtd -type f) |
		while read -r file; do
			[ -e "$tmp/$file" ] || rm "$source/$file"
		done
	rm -rf "$tmp"
}

# kernel_make KIND ARGUMENT...: make, with the objects of that kind
kernel_make()
{
	mkdir -p "$objects-$1"
	make -C "$source" -s -j2 O="$objects-$1" "${@:2}"
}

# kernel_configure KIND FRAGMENT... -- ARGUMENT...: what the fragments say, the last one that says
# anything of an option, and else nothing. What they ask for and Kconfig does not give is an error.
kernel_configure()
{
	local kind=$1 dir=$objects-$1 fragments=() lost

	shift
	while [ "$1" != -- ]; do
		fragments+=("$1")
		shift
	done
	mkdir -p "$dir"
	cat "${fragments[@]}" >"$dir/fragments.new"
	if ! [ -e "$dir/.config" ] || ! cmp -s "$dir/fragments"{.new,}; then
		KCONFIG_ALLCONFIG=$dir/fragments.new kernel_make "$kind" "${@:2}" \
			allnoconfig || return
		lost=$(awk -F '[ =]' '/^CONFIG_/ { asked[$1] = $0 }
			/^# CONFIG_.* is not set/ { delete asked[$2] }
			END { for (i in asked) print asked[i] }' "$dir/fragments.new" |
			grep -vxFf "$dir/.config" || true)
		if [ -n "$lost" ]; then
			rm "$dir/.config"
			note "Kconfig does not give: $(xargs <<<"$lost")"
			return 1
		fi
		mv "$dir/fragments"{.new,}
	fi
}
